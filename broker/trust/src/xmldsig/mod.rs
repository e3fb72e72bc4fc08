//! Signatures inside XML (W3C XML Signature, RFC 3275), in the two shapes that the field uses and in no other.

use crate::algorithm::{Allowed, Digest, SignatureAlgorithm};
use crate::certificate::Certificate;
use crate::chain::Trusted;
use crate::fault::Fault;
use crate::keys::PrivateKey;
use crate::verified::Verified;
use message_schemas::Limits;
use std::sync::Arc;

/// Where the one signature is expected. No other is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Enveloped, the last child element of the document element, covering the whole document (MsgHead, and any other
    /// KITH document of its own).
    Enveloped,
    /// Child of `SOAP:Header`, covering the envelope but what is for the next node, and every attachment (ebXML 2.0).
    Ebxml,
}

/// A MIME part that an ebXML signature covers.
#[derive(Debug, Clone, Copy)]
pub struct Attachment<'a> {
    /// Its Content-ID without brackets.
    pub id: &'a str,
    /// Its decoded bytes.
    pub bytes: &'a [u8],
}

/// How XML is put into canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Canonical {
    /// Exclusive (W3C exc-c14n 1.0), else inclusive (C14N 1.0).
    pub exclusive: bool,
    /// Comments stay.
    pub comments: bool,
    /// `InclusiveNamespaces` of the exclusive form.
    pub prefixes: Vec<String>,
}

/// A signature that was read and whose reference digests hold; its value is not yet checked.
#[derive(Debug)]
pub struct Signed {
    /// Certificates in KeyInfo: candidates, trusted for nothing.
    pub certificates: Vec<Arc<Certificate>>,
    /// How it is signed.
    pub algorithm: SignatureAlgorithm,
    /// How the document is hashed.
    pub digest: Digest,
    /// How the document is put into canonical form.
    pub canonical: Canonical,
    covered: Vec<u8>,
}

/// Reads the expected signature of a document and checks its digests. `Ok(None)` if there is no signature at all.
///
/// # Errors
/// [`crate::Kind::SignatureShape`], [`crate::Kind::SignatureAmbiguous`], [`crate::Kind::NotCovered`],
/// [`crate::Kind::SignatureInvalid`] for a digest, [`crate::Kind::AlgorithmNotAllowed`], each with its place.
pub fn signed(
    text: &str,
    shape: Shape,
    attachments: &[Attachment<'_>],
    allowed: Allowed,
    limits: &Limits,
) -> Result<Option<Signed>, Fault> {
    let _ = (text, shape, attachments, allowed, limits);
    unimplemented!()
}

impl Signed {
    /// Checks the signature's value with the key of a trusted certificate. Gives the bytes that were covered: the
    /// canonical form of the document without its signature.
    ///
    /// # Errors
    /// [`crate::Kind::SignatureInvalid`]; [`crate::Kind::SignerUnknown`] if KeyInfo names another certificate.
    pub fn verify(self, signer: &Arc<Trusted>) -> Result<Verified<Vec<u8>>, Fault> {
        let _ = (signer, &self.covered);
        unimplemented!()
    }
}

/// How to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the signature goes.
    pub shape: Shape,
    /// Canonical form of document and SignedInfo.
    pub canonical: Canonical,
    /// Algorithm; none for the key's default.
    pub algorithm: Option<SignatureAlgorithm>,
}

/// Signs a document: the same text with the signature put in; every other byte stays.
///
/// # Errors
/// [`crate::Kind::CannotSeal`] if the document is no XML, has a signature already, or the key fails.
pub fn sign(
    text: &str,
    key: &dyn PrivateKey,
    options: &Options,
    attachments: &[Attachment<'_>],
    limits: &Limits,
) -> Result<String, Fault> {
    let _ = (text, key, options, attachments, limits);
    unimplemented!()
}
