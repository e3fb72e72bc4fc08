//! What can be wrong with protection: one kind for each consequence, with a text that names the certificate,
//! its source and the remedy.

use crate::certificate::Certificate;
use message_schemas::{Code, Finding, Place};
use std::fmt;

/// What is wrong. Each kind has one code, and one row in the verdict table of `broker-core`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A signature is required, and there is none.
    NotSigned,
    /// It must be sealed, and is not.
    NotSealed,
    /// The bytes are no CMS that we read.
    CmsMalformed,
    /// It cannot be opened. One text for every reason, so that nothing can be learnt from it.
    CannotOpen,
    /// An algorithm that is not allowed here.
    AlgorithmNotAllowed,
    /// The signature, or a digest in it, does not hold.
    SignatureInvalid,
    /// The signature has a form that is not on the list: transforms, references, place.
    SignatureShape,
    /// There is more than one signature where one is expected.
    SignatureAmbiguous,
    /// A part of the message is not covered by the signature.
    NotCovered,
    /// It is not the certificate that this sender signs with, or there is none.
    SignerUnknown,
    /// No chain leads from the certificate to a root that we trust.
    CertificateUntrusted,
    /// The certificate's time is over.
    CertificateExpired,
    /// The certificate's time has not begun.
    CertificateNotYetValid,
    /// The certificate is not made for this use.
    CertificateUsage,
    /// The certificate's policy is not one that we accept.
    CertificatePolicy,
    /// The certificate is revoked.
    CertificateRevoked,
    /// Whether it is revoked cannot be told now: the world's fault, not the sender's.
    RevocationUnknown,
    /// The certificate belongs to another organisation.
    OrganisationMismatch,
    /// Transport, signature and payload name different senders.
    SenderContradicts,
    /// Larger or deeper than the limits allow.
    LimitExceeded,
    /// A certificate that cannot be read.
    CertificateMalformed,
    /// We have no key of our own for this.
    OwnKeyMissing,
    /// A key shorter than we accept.
    KeyWeak,
    /// It cannot be signed or sealed for its receiver.
    CannotSeal,
    /// Two engines came to different results.
    EnginesDiffer,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 25] = [
        Self::NotSigned,
        Self::NotSealed,
        Self::CmsMalformed,
        Self::CannotOpen,
        Self::AlgorithmNotAllowed,
        Self::SignatureInvalid,
        Self::SignatureShape,
        Self::SignatureAmbiguous,
        Self::NotCovered,
        Self::SignerUnknown,
        Self::CertificateUntrusted,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::CertificateUsage,
        Self::CertificatePolicy,
        Self::CertificateRevoked,
        Self::RevocationUnknown,
        Self::OrganisationMismatch,
        Self::SenderContradicts,
        Self::LimitExceeded,
        Self::CertificateMalformed,
        Self::OwnKeyMissing,
        Self::KeyWeak,
        Self::CannotSeal,
        Self::EnginesDiffer,
    ];

    /// Its code, with a page in `dead-letter/reasons/`.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::NotSigned => Code::NotSigned,
            Self::NotSealed => Code::NotSealed,
            Self::CmsMalformed => Code::CmsMalformed,
            Self::CannotOpen => Code::CannotOpen,
            Self::AlgorithmNotAllowed => Code::AlgorithmNotAllowed,
            Self::SignatureInvalid => Code::SignatureInvalid,
            Self::SignatureShape => Code::SignatureShape,
            Self::SignatureAmbiguous => Code::SignatureAmbiguous,
            Self::NotCovered => Code::NotCovered,
            Self::SignerUnknown => Code::SignerUnknown,
            Self::CertificateUntrusted => Code::CertificateUntrusted,
            Self::CertificateExpired => Code::CertificateExpired,
            Self::CertificateNotYetValid => Code::CertificateNotYetValid,
            Self::CertificateUsage => Code::CertificateUsage,
            Self::CertificatePolicy => Code::CertificatePolicy,
            Self::CertificateRevoked => Code::CertificateRevoked,
            Self::RevocationUnknown => Code::RevocationUnknown,
            Self::OrganisationMismatch => Code::OrganisationMismatch,
            Self::SenderContradicts => Code::SenderContradicts,
            Self::LimitExceeded => Code::ProtectionLimit,
            Self::CertificateMalformed => Code::CertificateMalformed,
            Self::OwnKeyMissing => Code::OwnKeyMissing,
            Self::KeyWeak => Code::KeyWeak,
            Self::CannotSeal => Code::CannotSeal,
            Self::EnginesDiffer => Code::EnginesDiffer,
        }
    }
}

/// A fault with its texts. They name certificates, algorithms and elements, never content of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// In one sentence.
    pub message: String,
    /// What to do, and who.
    pub remedy: String,
    /// Which certificate, whose, in one line; none where no certificate is concerned.
    pub certificate: Option<String>,
    /// Where in the document, if it has a place.
    pub place: Option<Place>,
}

impl Fault {
    /// A fault without certificate and place.
    pub fn new(kind: Kind, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, message: message.into(), remedy: remedy.into(), certificate: None, place: None }
    }

    /// The same fault, concerning this certificate.
    #[must_use]
    pub fn of(mut self, certificate: &Certificate) -> Self {
        self.certificate = Some(certificate.describe());
        self
    }

    /// The same fault, at this place.
    #[must_use]
    pub const fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// As a finding for the record.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let message = match &self.certificate {
            Some(certificate) => format!("{} Certificate: {certificate}.", self.message),
            None => self.message.clone(),
        };
        let finding = Finding::new(self.kind.code(), message, self.remedy.clone());
        match self.place {
            Some(place) => finding.at(place),
            None => finding,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.finding(), f)
    }
}

impl std::error::Error for Fault {}
