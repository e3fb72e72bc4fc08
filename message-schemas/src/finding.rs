//! What is wrong with a document: code, place, expectation and remedy.
//!
//! **Invariant:** neither `message` nor `expected` nor `remedy` quotes text or attribute values of the
//! document (it may hold a patient's name). They name elements, attributes, types and lengths; line and
//! column point at the rest.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Which reading of the document found the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Characters, encoding, well-formedness, limits.
    Xml,
    /// The XSD of the family, envelope and payload.
    Schema,
    /// What the standards demand beyond the XSD.
    Rule,
    /// Signature, sealing, certificates.
    Trust,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal, $layer:ident;)+) => {
        /// A finding's code. Codes are never renumbered or reused; each has a page in `dead-letter/reasons/`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $variant,)+
        }

        impl Code {
            /// All codes there are, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as printed and stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The reading that gives this code.
            #[must_use]
            pub const fn layer(self) -> Layer {
                match self { $(Self::$variant => Layer::$layer,)+ }
            }
        }
    };
}

codes! {
    /// Nothing but white space, or no element at all.
    NoDocument = "X01", Xml;
    /// Not well-formed: tags, quotes, characters, references.
    NotWellFormed = "X02", Xml;
    /// The bytes are not text in the encoding that they claim and in no other that we read.
    Encoding = "X03", Xml;
    /// A document type declaration: refused, never read.
    Doctype = "X04", Xml;
    /// Larger, deeper or longer than `Limits` allows.
    LimitExceeded = "X05", Xml;
    /// A namespace prefix that is not declared.
    UnboundPrefix = "X06", Xml;
    /// The declaration names one encoding and the byte order mark shows another (readable: a note, not a fault).
    EncodingDiffers = "X07", Xml;

    /// No schema declares the document element.
    UnknownRoot = "V01", Schema;
    /// An element that cannot stand here.
    UnexpectedElement = "V02", Schema;
    /// The element ends before all that it must hold has come.
    MissingElement = "V03", Schema;
    /// An attribute that the type does not have.
    UnexpectedAttribute = "V04", Schema;
    /// A required attribute is absent.
    MissingAttribute = "V05", Schema;
    /// A value that its simple type does not allow.
    InvalidValue = "V06", Schema;
    /// Text where only elements may stand.
    UnexpectedText = "V07", Schema;
    /// A value that differs from the fixed one.
    FixedValue = "V08", Schema;
    /// A key, ID or reference that is missing or stands twice.
    Identity = "V09", Schema;
    /// An abstract element or type, or an `xsi:type` or `xsi:nil` that is not allowed.
    TypeNotAllowed = "V10", Schema;
    /// A strict wildcard met an element or attribute that no schema declares.
    UnknownDeclaration = "V11", Schema;

    /// The message id is not a UUID (E10).
    MessageIdNotUuid = "R01", Rule;
    /// The patient is not sufficiently identified (E36).
    PatientNotIdentified = "R02", Rule;
    /// The message has no body to address it with.
    MissingBody = "R03", Rule;
    /// Type code and namespace contradict each other.
    TypeContradictsNamespace = "R04", Rule;
    /// A receiver's HER-id is missing on a level that needs it (E21).
    ReceiverIncomplete = "R05", Rule;
    /// The sender cannot be read from the message.
    SenderUnreadable = "R06", Rule;
    /// A patient id whose check digits do not hold (a note: no ground for refusal alone).
    PatientIdChecksum = "R07", Rule;
    /// Generated in the future by more than 24 h, or before 1990.
    GeneratedImplausible = "R08", Rule;
    /// The namespace or version is not known here (T10).
    UnsupportedFormat = "R09", Rule;
    /// Attachments together above the size that partners are sure to take.
    AttachmentsLarge = "R10", Rule;
    /// The generated date is missing or unreadable.
    GeneratedUnreadable = "R11", Rule;
    /// A type code of another version of the same family (a note: the namespace decides).
    TypeOfOtherVersion = "R12", Rule;
    /// The transport's envelope is not as its profile has it.
    EnvelopeInvalid = "R13", Rule;
    /// The mark that tells tests from what is real has a code of no list (a note: it is taken for real, and not published).
    TestMarkUnclear = "R14", Rule;

    /// A signature is required, and there is none.
    NotSigned = "A01", Trust;
    /// It must be sealed, and is not.
    NotSealed = "A02", Trust;
    /// The bytes are no CMS that we read.
    CmsMalformed = "A03", Trust;
    /// It cannot be opened.
    CannotOpen = "A04", Trust;
    /// An algorithm that is not allowed.
    AlgorithmNotAllowed = "A05", Trust;
    /// The signature, or a digest in it, does not hold (S01).
    SignatureInvalid = "A06", Trust;
    /// The signature has a form that is not on the list.
    SignatureShape = "A07", Trust;
    /// More than one signature where one is expected.
    SignatureAmbiguous = "A08", Trust;
    /// A part of the message is not covered by the signature.
    NotCovered = "A09", Trust;
    /// Not the certificate that this sender signs with, or none.
    SignerUnknown = "A10", Trust;
    /// No chain to a trusted root (S02).
    CertificateUntrusted = "A11", Trust;
    /// The certificate's time is over (S02).
    CertificateExpired = "A12", Trust;
    /// The certificate's time has not begun (S02).
    CertificateNotYetValid = "A13", Trust;
    /// The certificate is not made for this use (S02).
    CertificateUsage = "A14", Trust;
    /// The certificate's policy is not accepted (S02).
    CertificatePolicy = "A15", Trust;
    /// The certificate is revoked (S03).
    CertificateRevoked = "A16", Trust;
    /// Whether it is revoked cannot be told now.
    RevocationUnknown = "A17", Trust;
    /// The certificate belongs to another organisation.
    OrganisationMismatch = "A18", Trust;
    /// Transport, signature and payload name different senders.
    SenderContradicts = "A19", Trust;
    /// Larger or deeper than the limits of protection.
    ProtectionLimit = "A20", Trust;
    /// A certificate that cannot be read.
    CertificateMalformed = "A21", Trust;
    /// We have no key of our own for this.
    OwnKeyMissing = "A22", Trust;
    /// A key shorter than is accepted.
    KeyWeak = "A23", Trust;
    /// It cannot be signed or sealed for its receiver.
    CannotSeal = "A24", Trust;
    /// Two engines came to different results.
    EnginesDiffer = "A25", Trust;
    /// An old algorithm, accepted because the partner's agreement says so (a note).
    LegacyAlgorithm = "A26", Trust;
    /// A certificate that expires soon (a note).
    CertificateExpiring = "A27", Trust;
    /// Sealed for somebody else and passed on unread (a note).
    SealedForOther = "A28", Trust;
}

impl Code {
    /// True for a remark that alone is no ground to refuse a message.
    #[must_use]
    pub const fn is_note(self) -> bool {
        //= HIS 80415:2012 §3.3.2
        //# A semantic fault, such as an invalid code, is no ground for rejection.
        matches!(
            self,
            Self::EncodingDiffers
                | Self::PatientIdChecksum
                | Self::GeneratedImplausible
                | Self::GeneratedUnreadable
                | Self::AttachmentsLarge
                | Self::TypeOfOtherVersion
                | Self::TestMarkUnclear
                | Self::LegacyAlgorithm
                | Self::CertificateExpiring
                | Self::SealedForOther
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fault or remark, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of fault.
    pub code: Code,
    /// Which reading found it; always `code.layer()`.
    pub layer: Layer,
    /// Line in the decoded document, from 1; 0 if the fault has no place.
    pub line: u32,
    /// Column in characters, from 1; 0 if the fault has no place.
    pub column: u32,
    /// Absolute XPath of the element concerned, local names with positions; empty if there is none.
    pub path: String,
    /// What is wrong, in one sentence, without a value of the document.
    pub message: String,
    /// What would have been right: element names, the type, the allowed codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What the sender can do about it.
    pub remedy: String,
}

impl Finding {
    /// A finding without a place; see [`Finding::at`] and [`Finding::on`].
    pub fn new(code: Code, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            layer: code.layer(),
            line: 0,
            column: 0,
            path: String::new(),
            message: message.into(),
            expected: None,
            remedy: remedy.into(),
        }
    }

    /// The same finding, placed.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        (self.line, self.column) = (place.line, place.column);
        self
    }

    /// The same finding, on this element.
    #[must_use]
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// The same finding, saying what would have been right.
    #[must_use]
    pub fn expecting(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is not about a place in the document has none.
        if self.line > 0 {
            write!(f, "{}:{}: ", self.line, self.column)?;
        }
        write!(f, "{} {}", self.code, self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, " Expected: {expected}.")?;
        }
        write!(f, " {}", self.remedy)?;
        if !self.path.is_empty() {
            write!(f, " [{}]", self.path)?;
        }
        Ok(())
    }
}

/// Line and column in the decoded document, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A capped list of findings: the first `Limits::findings` are kept, the rest counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Findings {
    list: Vec<Finding>,
    omitted: usize,
    cap: usize,
}

impl Findings {
    /// An empty list that keeps at most `cap` findings.
    #[must_use]
    pub fn with_cap(cap: usize) -> Self {
        Self { list: Vec::new(), omitted: 0, cap }
    }

    /// Adds a finding, or counts it if the list is full.
    pub fn push(&mut self, finding: Finding) {
        if self.list.len() < self.cap {
            self.list.push(finding);
        } else {
            self.omitted += 1;
        }
    }

    /// True when the next finding would only be counted: its text need not be written.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.list.len() >= self.cap
    }

    /// Counts a finding whose text was not written because the list is full.
    pub fn count_omitted(&mut self) {
        self.omitted += 1;
    }

    /// The findings kept, in the order in which they were met.
    #[must_use]
    pub fn as_slice(&self) -> &[Finding] {
        &self.list
    }

    /// How many were met but not kept.
    #[must_use]
    pub const fn omitted(&self) -> usize {
        self.omitted
    }

    /// True when nothing at all was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.omitted == 0
    }

    /// The findings kept.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.list.iter()
    }

    /// Takes over all findings of another list, as far as the cap allows.
    pub fn append(&mut self, other: Self) {
        self.omitted += other.omitted;
        for finding in other.list {
            self.push(finding);
        }
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}
