//! One certificate, read once and carried around shared.

use crate::fault::Fault;
use jiff::Timestamp;
use message_schemas::OrgNumber;
use openssl::pkey::{PKey, Public};
use openssl::x509::X509;
use std::fmt;
use std::sync::Arc;

/// An X.509 certificate (RFC 5280) with what we ask of it read out.
pub struct Certificate {
    /// The DER bytes as they came.
    pub der: Arc<[u8]>,
    /// SHA-256 of them.
    pub thumbprint: Thumbprint,
    /// Its subject, in one line; organisations and services, never printed for a person's certificate.
    pub subject: String,
    /// Its issuer, in one line.
    pub issuer: String,
    /// DER of the issuer's name, for matching.
    pub issuer_der: Vec<u8>,
    /// DER of the subject's name, for matching.
    pub subject_der: Vec<u8>,
    /// The serial number's bytes, big-endian, without leading zeroes.
    pub serial: Vec<u8>,
    /// Subject key identifier.
    pub key_id: Option<Vec<u8>>,
    /// The organisation number, from subject `serialNumber` (2.5.4.5) or `organizationIdentifier` (2.5.4.97, `NTRNO-`).
    pub organisation: Option<OrgNumber>,
    /// What its key may be used for; none if it does not say.
    pub usage: Option<KeyUsage>,
    /// Policies, as dotted numbers.
    pub policies: Vec<String>,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid to.
    pub not_after: Timestamp,
    /// Basic constraints say that it is a CA.
    pub is_ca: bool,
    /// Where its issuer's CRL is (http URLs).
    pub crl_urls: Vec<String>,
    /// Where its status can be asked for (http URLs).
    pub ocsp_urls: Vec<String>,
    /// For OpenSSL.
    pub(crate) x509: X509,
    /// Its public key, parsed once.
    pub(crate) key: PKey<Public>,
}

/// Key usage bits (RFC 5280 §4.2.1.3) that we ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyUsage {
    /// digitalSignature.
    pub digital_signature: bool,
    /// nonRepudiation (contentCommitment).
    pub non_repudiation: bool,
    /// keyEncipherment.
    pub key_encipherment: bool,
    /// dataEncipherment.
    pub data_encipherment: bool,
    /// keyCertSign.
    pub cert_sign: bool,
    /// cRLSign.
    pub crl_sign: bool,
}

/// SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint(pub [u8; 32]);

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Certificate {
    /// Reads one from DER.
    ///
    /// # Errors
    /// [`crate::Kind::CertificateMalformed`].
    pub fn from_der(der: &[u8]) -> Result<Arc<Self>, Fault> {
        let _ = der;
        unimplemented!()
    }

    /// Reads all that a PEM text holds, or one from DER.
    ///
    /// # Errors
    /// [`crate::Kind::CertificateMalformed`], also when there is none.
    pub fn all_from(bytes: &[u8]) -> Result<Vec<Arc<Self>>, Fault> {
        let _ = bytes;
        unimplemented!()
    }

    /// Which certificate, whose, in one line: subject, serial number, validity, thumbprint.
    #[must_use]
    pub fn describe(&self) -> String {
        unimplemented!()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}
