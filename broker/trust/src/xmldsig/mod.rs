//! Signatures inside XML (W3C XML Signature, RFC 3275), in the two shapes that the field uses and in no other.
//!
//! A document is read once, by the one XML reader, and no tree is made of it: its canonical form is written while it is
//! read ([`c14n`](canonicalize)), the Signature element is read on the way, and what is left out or covered is decided
//! by place, never by Ids. The canonical form without the signature is what was hashed, and is what goes on.

mod c14n;
mod escape;
mod grammar;
mod guess;
mod references;
mod scan;
mod sign;
mod signature;
mod uri;
mod value;
mod xpath;

pub use c14n::canonicalize;
pub use sign::{Options, sign};

use crate::algorithm::{Allowed, Digest, SignatureAlgorithm};
use crate::certificate::{Certificate, Thumbprint};
use crate::chain::Trusted;
use crate::fault::{Fault, Kind};
use crate::verified::{Form, Proof, Verified};
use message_schemas::xml::{Offset, Places};
use message_schemas::{Code, Finding, Limits, Place};
use references::References;
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
    /// `InclusiveNamespaces` of the exclusive form; `#default` stands for the default namespace.
    pub prefixes: Vec<String>,
}

/// A signature that was read and whose reference digests hold; its value is not yet checked.
#[derive(Debug)]
pub struct Signed {
    /// DER of the certificates in KeyInfo, not yet read: candidates, trusted for nothing.
    pub candidates: Vec<Vec<u8>>,
    /// How it is signed.
    pub algorithm: SignatureAlgorithm,
    /// How the document is hashed.
    pub digest: Digest,
    /// How the document is put into canonical form.
    pub canonical: Canonical,
    covered: Vec<u8>,
    signed_info: Vec<u8>,
    value: Vec<u8>,
}

/// Reads the expected signature of a document and checks its digests. `Ok(None)` if there is no signature at all.
///
/// # Errors
/// [`Kind::SignatureShape`], [`Kind::SignatureAmbiguous`], [`Kind::NotCovered`], [`Kind::SignatureInvalid`] for a
/// digest, [`Kind::AlgorithmNotAllowed`], [`Kind::LimitExceeded`], each with its place.
pub fn signed(
    text: &str,
    shape: Shape,
    attachments: &[Attachment<'_>],
    allowed: Allowed,
    limits: &Limits,
) -> Result<Option<Signed>, Fault> {
    let guessed = guess::forms(text, shape);
    let mut view = scan::scan(text, shape, &guessed, limits)?;
    let Some(signature) = view.signature.take() else { return Ok(None) };
    let fault = |wrong: Wrong| wrong.fault(text);
    let references = References::of(&signature, shape).map_err(fault)?;
    let algorithm = signature
        .algorithm
        .filter(|a| allowed.digest(a.digest()))
        .ok_or_else(|| {
            let message = "The signature uses SHA-1, and there is no agreement that allows it.";
            Wrong::new(Kind::AlgorithmNotAllowed, signature.at, message)
        })
        .map_err(fault)?;
    let forms = references.forms(&signature);
    if forms != guessed {
        view = scan::scan(text, shape, &forms, limits)?;
    }
    let (digest, canonical) = (references.digest(), references.canonical.clone());
    references.check(&view.covered, attachments, allowed).map_err(fault)?;
    Ok(Some(Signed {
        candidates: signature.certificates,
        algorithm,
        digest,
        canonical,
        covered: view.covered,
        signed_info: view.signed_info,
        value: signature.value,
    }))
}

impl Signed {
    /// The certificates in KeyInfo that can be read: candidates, trusted for nothing.
    #[must_use]
    pub fn certificates(&self) -> Vec<Arc<Certificate>> {
        self.candidates.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
    }

    /// The thumbprint of the certificate in KeyInfo; none if there is none, or more than one.
    #[must_use]
    pub fn only_thumbprint(&self) -> Option<Thumbprint> {
        match self.candidates.as_slice() {
            [one] => Some(Thumbprint(openssl::sha::sha256(one))),
            [] | [_, _, ..] => None,
        }
    }

    /// Whether the value holds by this certificate, whoever trusts that: then the document is what was signed, and no
    /// more is said.
    pub(crate) fn holds(&self, certificate: &Certificate) -> bool {
        value::holds(certificate, self.algorithm, &self.signed_info, &self.value)
    }

    /// Checks the signature's value with the key of a trusted certificate. Gives the bytes that were covered: the
    /// canonical form of the document without its signature.
    ///
    /// # Errors
    /// [`Kind::SignatureInvalid`]; [`Kind::SignerUnknown`] if KeyInfo names another certificate.
    pub fn verify(self, signer: &Arc<Trusted>) -> Result<Verified<Vec<u8>>, Fault> {
        signer.must_be_for_signing()?;
        let certificate = signer.certificate();
        if !self.candidates.is_empty() && !self.candidates.iter().any(|der| **der == *certificate.der) {
            return Err(Fault::new(
                Kind::SignerUnknown,
                "The signature names another certificate than the one that this sender signs with.",
                "The sender must sign with the certificate that is registered, or register the new one.",
            )
            .of(certificate));
        }
        if !self.holds(certificate) {
            return Err(Fault::new(
                Kind::SignatureInvalid,
                "The signature's value does not hold with the key of the sender's certificate.",
                "Do not trust the message. The sender must sign it anew with the key of this certificate.",
            )
            .of(certificate));
        }
        let proof = Proof {
            form: Form::XmlDsig,
            signer: Arc::clone(signer),
            algorithm: self.algorithm,
            digest: self.digest,
            signed_at: None,
        };
        Ok(Verified::after_check(self.covered, proof))
    }
}

/// What is wrong, and where; its line is looked up only when it is told.
#[derive(Debug, Clone)]
struct Wrong {
    kind: Kind,
    at: Offset,
    message: String,
}

impl Wrong {
    fn new(kind: Kind, at: Offset, message: &str) -> Self {
        Self { kind, at, message: message.to_owned() }
    }

    fn fault(self, text: &str) -> Fault {
        let remedy = if self.kind == Kind::AlgorithmNotAllowed {
            "The sender must sign with SHA-256 or longer, with RSA or ECDSA, and Canonical XML 1.0 or exclusive."
        } else if self.kind == Kind::SignatureInvalid {
            "Do not trust the message. The sender must sign and send it anew, and nobody may change it on the way."
        } else if self.kind == Kind::LimitExceeded {
            "The sender must leave out of the signature what is not needed to check it."
        } else {
            "The sender must sign once, the whole document and every attachment, in the form that the profile gives."
        };
        Fault::new(self.kind, self.message, remedy).at(Places::new(text).place(self.at))
    }
}

/// A document that is not XML as we read it can have no signature that we check.
fn not_xml(finding: &Finding) -> Fault {
    let kind = if finding.code == Code::LimitExceeded { Kind::LimitExceeded } else { Kind::SignatureShape };
    let fault = Fault::new(kind, finding.message.clone(), finding.remedy.clone());
    if finding.line == 0 {
        return fault;
    }
    fault.at(Place { line: finding.line, column: finding.column })
}
