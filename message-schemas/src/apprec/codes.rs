//! The errors that a receipt can tell (list 8221).

use crate::codes::List;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! errors {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)+) => {
        /// An error code of list 8221 (HIS 80415:2012 §3.3.4), or one that it does not hold yet.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $name,)+
            /// Another code of the same list.
            Custom {
                /// `@V`.
                code: String,
                /// `@DN`.
                text: String,
            },
        }

        impl ErrorCode {
            /// All codes with a name.
            pub const NAMED: &'static [Self] = &[$(Self::$name,)+];

            /// `@V`.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $code,)+
                    Self::Custom { code, .. } => code,
                }
            }

            /// From `@V`.
            #[must_use]
            pub fn from_code(code: &str) -> Self {
                match code {
                    $($code => Self::$name,)+
                    other => Self::Custom {
                        code: other.to_owned(),
                        text: List::ReceiptError.display(other).unwrap_or(other).to_owned(),
                    },
                }
            }
        }
    };
}

errors! {
    /// Not XML, not well-formed, unreadable.
    NotXml = "T01";
    /// The XML is not valid.
    NotValid = "T02";
    /// The format or version is not supported.
    UnsupportedFormat = "T10";
    /// Another fault of the format.
    OtherFormat = "T99";
    /// The personal signature does not verify.
    Signature = "S01";
    /// The personal certificate is not valid.
    Certificate = "S02";
    /// The personal certificate is revoked.
    CertificateRevoked = "S03";
    /// Another fault of signature or certificate.
    OtherSignature = "S99";
    /// The message id is not a UUID.
    MessageId = "E10";
    /// The doctor is not found: only if the business process says so; else E21.
    DoctorNotFound = "E20";
    /// The receiver is not found.
    ReceiverNotFound = "E21";
    /// The patient's national id is missing.
    PatientIdMissing = "E30";
    /// The patient's national id is wrong.
    PatientIdWrong = "E31";
    /// The patient's name is missing.
    PatientNameMissing = "E32";
    /// The patient is not in the receiving system.
    PatientUnknown = "E35";
    /// The patient is not sufficiently identified.
    PatientInsufficient = "E36";
    /// The id is not in the national register.
    PatientIdUnregistered = "E53";
    /// The id is not registered at the receiver.
    PatientIdUnknownHere = "E54";
    /// Another fault: always with a detail.
    Other = "X99";
}

impl ErrorCode {
    /// `@DN`, in Norwegian.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Custom { text, .. } => text,
            Self::NotXml
            | Self::NotValid
            | Self::UnsupportedFormat
            | Self::OtherFormat
            | Self::Signature
            | Self::Certificate
            | Self::CertificateRevoked
            | Self::OtherSignature
            | Self::MessageId
            | Self::DoctorNotFound
            | Self::ReceiverNotFound
            | Self::PatientIdMissing
            | Self::PatientIdWrong
            | Self::PatientNameMissing
            | Self::PatientUnknown
            | Self::PatientInsufficient
            | Self::PatientIdUnregistered
            | Self::PatientIdUnknownHere
            | Self::Other => List::ReceiptError.display(self.as_str()).unwrap_or_default(),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<String> for ErrorCode {
    fn from(code: String) -> Self {
        Self::from_code(&code)
    }
}

impl From<ErrorCode> for String {
    fn from(code: ErrorCode) -> Self {
        code.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_code_has_a_text_and_reads_back() {
        for code in ErrorCode::NAMED {
            assert!(!code.text().is_empty(), "{code}");
            assert_eq!(&ErrorCode::from_code(code.as_str()), code);
        }
        let old = ErrorCode::from_code("E33");
        assert_eq!((old.as_str(), old.text()), ("E33", "Pasientens etternavn mangler"));
    }
}
