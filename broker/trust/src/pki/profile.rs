//! What is to stand in a certificate.

use crate::algorithm::Digest;
use crate::certificate::KeyUsage;
use jiff::Timestamp;
use message_schemas::OrgNumber;

/// What is to stand in a certificate. Begin with one of the functions and change what a test is about.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Whose.
    pub subject: Subject,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid to.
    pub not_after: Timestamp,
    /// Key usage; none leaves the extension out.
    pub usage: Option<KeyUsage>,
    /// Policies, as dotted numbers.
    pub policies: Vec<String>,
    /// Basic constraints: a CA, or not.
    pub ca: bool,
    /// The most CAs below it; for a CA.
    pub path_length: Option<u8>,
    /// Where the CRL is.
    pub crl_urls: Vec<String>,
    /// Where the OCSP responder is.
    pub ocsp_urls: Vec<String>,
    /// Extended key usage OCSPSigning.
    pub ocsp_signing: bool,
    /// `ocsp-nocheck`.
    pub ocsp_no_check: bool,
    /// DNS names that the CA may issue for (name constraints); none for no bound.
    pub only_dns: Option<String>,
    /// DNS name of the subject.
    pub dns: Option<String>,
    /// A critical extension that nobody knows.
    pub unknown_critical: bool,
    /// The hash that its issuer signs it with.
    pub digest: Digest,
}

/// A name.
#[derive(Debug, Clone)]
pub struct Subject {
    /// CN.
    pub common_name: String,
    /// O.
    pub organisation: Option<String>,
    /// The organisation number, and where.
    pub number: Option<Number>,
    /// Written as PrintableString, as old CAs do, not as UTF8String: the same name in other bytes.
    pub printable: bool,
}

/// Where the number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Nine digits in `serialNumber`.
    Serial(OrgNumber),
    /// `NTRNO-` and nine digits in `organizationIdentifier`.
    Registered(OrgNumber),
    /// An employee's: a person's names and number beside the organisation's.
    Employee(OrgNumber),
    /// A person's: no organisation number, but a `serialNumber` of the form that personal certificates have.
    Person,
}

/// The policy of the fictitious enterprise certificates, beneath the arc for examples (2.999, X.660).
pub const POLICY: &str = "2.999.3.1";

impl Profile {
    /// A root.
    #[must_use]
    pub fn root(common_name: &str, valid: (Timestamp, Timestamp)) -> Self {
        let usage = KeyUsage { cert_sign: true, crl_sign: true, ..KeyUsage::default() };
        Self { ca: true, ..Self::plain(Subject::ca(common_name), valid, usage) }
    }

    /// An issuing CA, with no CA below it.
    #[must_use]
    pub fn issuing(common_name: &str, valid: (Timestamp, Timestamp)) -> Self {
        Self { path_length: Some(0), ..Self::root(common_name, valid) }
    }

    /// An organisation's certificate for signing.
    #[must_use]
    pub fn signing(name: &str, number: OrgNumber, valid: (Timestamp, Timestamp)) -> Self {
        let usage = KeyUsage { non_repudiation: true, ..KeyUsage::default() };
        Self::enterprise(name, number, valid, usage)
    }

    /// An organisation's certificate for sealing.
    #[must_use]
    pub fn sealing(name: &str, number: OrgNumber, valid: (Timestamp, Timestamp)) -> Self {
        let usage = KeyUsage {
            digital_signature: true,
            key_encipherment: true,
            data_encipherment: true,
            ..KeyUsage::default()
        };
        Self::enterprise(name, number, valid, usage)
    }

    /// A certificate that a CA's OCSP responder signs with (RFC 6960 §4.2.2.2).
    #[must_use]
    pub fn responder(common_name: &str, valid: (Timestamp, Timestamp)) -> Self {
        let usage = KeyUsage { digital_signature: true, ..KeyUsage::default() };
        Self {
            ocsp_signing: true,
            ocsp_no_check: true,
            ..Self::plain(Subject::ca(common_name), valid, usage)
        }
    }

    fn enterprise(name: &str, number: OrgNumber, valid: (Timestamp, Timestamp), usage: KeyUsage) -> Self {
        let subject = Subject {
            common_name: name.into(),
            organisation: Some(name.into()),
            number: Some(Number::Serial(number)),
            printable: false,
        };
        Self { policies: vec![POLICY.into()], ..Self::plain(subject, valid, usage) }
    }

    const fn plain(
        subject: Subject,
        (not_before, not_after): (Timestamp, Timestamp),
        usage: KeyUsage,
    ) -> Self {
        Self {
            subject,
            not_before,
            not_after,
            usage: Some(usage),
            policies: Vec::new(),
            ca: false,
            path_length: None,
            crl_urls: Vec::new(),
            ocsp_urls: Vec::new(),
            ocsp_signing: false,
            ocsp_no_check: false,
            only_dns: None,
            dns: None,
            unknown_critical: false,
            digest: Digest::Sha256,
        }
    }
}

impl Subject {
    fn ca(common_name: &str) -> Self {
        Self {
            common_name: common_name.into(),
            organisation: Some("Budstikke Demo PKI".into()),
            number: None,
            printable: false,
        }
    }
}
