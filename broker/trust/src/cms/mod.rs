//! Sealed and signed envelopes: CMS (RFC 5652, RFC 5083) in the nested form of the AMQP profile.
//!
//! `EnvelopedData(id-data = SignedData(id-data = payload))`. Reading takes BER, several recipients and every order of
//! certificates; writing gives DER.

use crate::algorithm::{Allowed, ContentCipher, Digest, KeyTransport, SignatureAlgorithm};
use crate::certificate::Certificate;
use crate::chain::Trusted;
use crate::fault::Fault;
use crate::keys::{KeyRing, PrivateKey};
use crate::verified::Verified;
use jiff::Timestamp;
use message_schemas::Limits;
use std::sync::Arc;

/// How a certificate is named in CMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateId {
    /// DER of the issuer's name, and the serial number's bytes without leading zeroes.
    IssuerAndSerial(Vec<u8>, Vec<u8>),
    /// Subject key identifier.
    KeyId(Vec<u8>),
}

impl CertificateId {
    /// Whether this certificate is meant.
    #[must_use]
    pub fn is(&self, certificate: &Certificate) -> bool {
        let _ = certificate;
        unimplemented!()
    }
}

/// The outside of a sealed envelope: what can be told without a key.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    /// For whom it is sealed.
    pub recipients: Vec<Recipient<'a>>,
    /// How the content is encrypted.
    pub cipher: ContentCipher,
}

/// One recipient of a sealed envelope.
#[derive(Debug, Clone)]
pub struct Recipient<'a> {
    /// Whose.
    pub id: CertificateId,
    /// How the key is encrypted.
    pub transport: KeyTransport,
    /// The encrypted key.
    pub wrapped: std::borrow::Cow<'a, [u8]>,
}

/// What was in a sealed envelope.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The content.
    pub content: Vec<u8>,
    /// Which of our keys opened it.
    pub key: Arc<Certificate>,
    /// How the key was encrypted.
    pub transport: KeyTransport,
    /// How the content was encrypted.
    pub cipher: ContentCipher,
}

/// True if the bytes begin as CMS (a BER sequence with a content type), and not as XML.
#[must_use]
pub fn looks_like(bytes: &[u8]) -> bool {
    let _ = bytes;
    unimplemented!()
}

/// Reads the outside of an EnvelopedData or AuthEnvelopedData.
///
/// # Errors
/// [`crate::Kind::CmsMalformed`], [`crate::Kind::AlgorithmNotAllowed`] for what is not on the list at all,
/// [`crate::Kind::LimitExceeded`].
pub fn envelope<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Envelope<'a>, Fault> {
    let _ = (bytes, limits);
    unimplemented!()
}

/// Opens an EnvelopedData or AuthEnvelopedData with the first of our keys that it is sealed for.
///
/// # Errors
/// As [`envelope`]; [`crate::Kind::OwnKeyMissing`] when none of our keys is named; [`crate::Kind::CannotOpen`] for every
/// failure of decryption, with one and the same text.
pub fn open(bytes: &[u8], keys: &KeyRing, allowed: Allowed, limits: &Limits) -> Result<Opened, Fault> {
    let _ = (bytes, keys, allowed, limits);
    unimplemented!()
}

/// A SignedData that was read, its signature not yet checked.
#[derive(Debug)]
pub struct Signed<'a> {
    /// Which certificate signed, by its own word.
    pub signer: CertificateId,
    /// The certificates that came along, in any order.
    pub certificates: Vec<Arc<Certificate>>,
    /// How it is hashed.
    pub digest: Digest,
    /// How it is signed.
    pub algorithm: SignatureAlgorithm,
    /// When, by its own word.
    pub signed_at: Option<Timestamp>,
    marker: std::marker::PhantomData<&'a ()>,
}

/// Reads a SignedData: one signer, content inside, nothing trusted.
///
/// # Errors
/// [`crate::Kind::CmsMalformed`] (also for a detached signature), [`crate::Kind::SignatureAmbiguous`] for several signers,
/// [`crate::Kind::AlgorithmNotAllowed`].
pub fn signed<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Signed<'a>, Fault> {
    let _ = (bytes, limits);
    unimplemented!()
}

impl Signed<'_> {
    /// The certificate that came along and is the signer's by its own word.
    #[must_use]
    pub fn claimed(&self) -> Option<&Arc<Certificate>> {
        self.certificates.iter().find(|c| self.signer.is(c))
    }

    /// Checks the signature with the key of a trusted certificate.
    ///
    /// # Errors
    /// [`crate::Kind::SignerUnknown`] if the signature names another certificate; [`crate::Kind::SignatureInvalid`];
    /// [`crate::Kind::AlgorithmNotAllowed`].
    pub fn verify(self, signer: &Arc<Trusted>, allowed: Allowed) -> Result<Verified<Vec<u8>>, Fault> {
        let _ = (signer, allowed);
        unimplemented!()
    }
}

/// Signs: SignedData, DER, content inside, certificate and chain embedded. With a time, signed attributes are written;
/// without, none, as .NET senders do.
///
/// # Errors
/// [`crate::Kind::CannotSeal`].
pub fn sign(content: &[u8], key: &dyn PrivateKey, at: Option<Timestamp>) -> Result<Vec<u8>, Fault> {
    let _ = (content, key, at);
    unimplemented!()
}

/// Seals: EnvelopedData (AuthEnvelopedData for GCM), DER, RSA PKCS#1 v1.5, issuer and serial number.
///
/// # Errors
/// [`crate::Kind::CannotSeal`].
pub fn seal(
    content: &[u8],
    recipients: &[Arc<Certificate>],
    cipher: ContentCipher,
) -> Result<Vec<u8>, Fault> {
    let _ = (content, recipients, cipher);
    unimplemented!()
}
