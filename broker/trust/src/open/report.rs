//! What was found on the way in, layer by layer: for the trace, the command line and the proof. It names
//! certificates, algorithms and sizes, never content.

use crate::algorithm::{ContentCipher, Digest, KeyTransport, SignatureAlgorithm};
use crate::certificate::Certificate;
use crate::chain::Trusted;
use crate::cms::CertificateId;
use crate::revocation::{SourceKind, Standing, Status};
use crate::verified::Form;
use jiff::Timestamp;
use message_schemas::OrgNumber;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// One layer of protection or packing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "layer", rename_all = "kebab-case")]
pub enum Layer {
    /// A sealed envelope (CMS EnvelopedData or AuthEnvelopedData).
    Sealed(Sealed),
    /// A signature, in CMS or in the document.
    Signed(Box<Signed>),
    /// A MIME entity.
    Mime {
        /// Its media type, without parameters.
        media_type: String,
    },
    /// Compressed by gzip.
    Gzip {
        /// Size unpacked.
        bytes: usize,
    },
}

/// A sealed envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sealed {
    /// Its size in bytes.
    pub bytes: usize,
    /// How the content is encrypted.
    pub cipher: ContentCipher,
    /// For whom.
    pub recipients: Vec<Recipient>,
    /// With which of our certificates it was opened; none if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_with: Option<Summary>,
}

/// A recipient of a sealed envelope, as it names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recipient {
    /// By whom the certificate was issued, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Its serial number, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its subject key identifier, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// How the content key is encrypted; none for a way that is not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<KeyTransport>,
}

/// A signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// In CMS or in the document.
    pub form: Form,
    /// How it is signed.
    pub algorithm: SignatureAlgorithm,
    /// How what it covers is hashed.
    pub digest: Digest,
    /// Exclusive or inclusive canonical form, for a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canonical: Option<&'static str>,
    /// When, by the signer's own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<Timestamp>,
    /// Whose it is; by its own word as long as it is not `verified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<Summary>,
    /// The signature holds by the certificate that it names, whoever trusts that: what it covers is as it was signed.
    pub intact: bool,
    /// The signature holds, and its certificate is trusted.
    pub verified: bool,
    /// The chain above the signer's certificate, issuer first.
    pub chain: Vec<Summary>,
    /// What was known of revocation, of the signer's certificate and upwards.
    pub revocation: Vec<Revocation>,
    /// When its certificate was judged: revocation answers were fresh then. None if it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged: Option<Timestamp>,
    /// What it covers; none if it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered: Option<Covered>,
}

/// What a signature covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// Size in bytes.
    pub bytes: usize,
    /// SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its subject; none where that may be a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its issuer.
    pub issuer: String,
    /// Its serial number, in hexadecimal digits.
    pub serial: String,
    /// SHA-256 of it.
    pub thumbprint: String,
    /// The organisation in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<OrgNumber>,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid to.
    pub not_after: Timestamp,
}

/// What was known of one certificate's revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revocation {
    /// SHA-256 of the certificate.
    pub certificate: String,
    /// `good`, `revoked`, `unknown`, `not-offered`.
    pub standing: &'static str,
    /// Since when, if revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// `crl` or `ocsp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// SHA-256 of the answer that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub this_update: Option<Timestamp>,
    /// When the next was promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_update: Option<Timestamp>,
}

impl From<&Certificate> for Summary {
    fn from(certificate: &Certificate) -> Self {
        Self {
            subject: (!certificate.may_be_personal()).then(|| certificate.subject.clone()),
            issuer: certificate.issuer.clone(),
            serial: certificate.serial_hex(),
            thumbprint: certificate.thumbprint.to_string(),
            organisation: certificate.organisation,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        }
    }
}

impl From<&Status> for Revocation {
    fn from(status: &Status) -> Self {
        let (standing, since) = match status.standing {
            Standing::Good => ("good", None),
            Standing::Revoked { since } => ("revoked", Some(since)),
            Standing::Unknown => ("unknown", None),
            Standing::NotOffered => ("not-offered", None),
        };
        let source = status.source.as_ref();
        Self {
            certificate: status.certificate.to_string(),
            standing,
            since,
            source: source.map(|s| match s.kind {
                SourceKind::Crl => "crl",
                SourceKind::Ocsp => "ocsp",
            }),
            answer: source.map(|s| hex::encode(s.hash)),
            this_update: source.map(|s| s.this_update),
            next_update: source.and_then(|s| s.next_update),
        }
    }
}

impl Recipient {
    pub(super) fn new(recipient: &crate::cms::Recipient<'_>) -> Self {
        let transport = recipient.transport.as_ref().ok().copied();
        match &recipient.id {
            CertificateId::IssuerAndSerial(issuer, serial) => Self {
                issuer: crate::certificate::name_in_one_line(issuer),
                serial: Some(hex::encode(serial)),
                key_id: None,
                transport,
            },
            CertificateId::KeyId(id) => {
                Self { issuer: None, serial: None, key_id: Some(hex::encode(id)), transport }
            }
        }
    }
}

impl Signed {
    /// The signature holds over these bytes, by this certificate.
    pub(super) fn holds(&mut self, covered: &[u8], signer: &Trusted) {
        (self.intact, self.verified) = (true, true);
        self.judged = Some(signer.moment().now);
        self.signer = Some(Summary::from(&**signer.certificate()));
        self.chain = signer.chain().iter().map(|c| Summary::from(&**c)).collect();
        self.revocation = signer.revocation().iter().map(Revocation::from).collect();
        self.covered = Some(Covered { bytes: covered.len(), sha256: sha256(covered) });
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
