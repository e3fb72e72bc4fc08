//! A small fictitious PKI for the demo and the tests: certificates, CRLs, OCSP answers. Not for production.
