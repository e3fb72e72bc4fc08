//! The codes of the error queue.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! conditions {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal;)+) => {
        /// Why a message could not be taken, as it is told on an error queue.
        //= HITS 1216:2018 §2.2.3
        //# Only these are sent; faults of the receiver's own systems never are.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ErrorCondition {
            $($(#[doc = $doc])+ #[serde(rename = $code)] $variant,)+
        }

        impl ErrorCondition {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }
        }
    };
}

conditions! {
    /// A required field is missing or wrong; data: the names, or a name and its value.
    InvalidFieldValue = "transport:invalid-field-value";
    /// A field is missing. Read; we say [`Self::InvalidFieldValue`].
    RequiredFieldMissing = "transport:required-field-missing";
    /// A process, version or algorithm that was not agreed.
    UnsupportedMessage = "transport:unsupported-message";
    /// No CMS, or not the layers that were agreed.
    InvalidCms = "transport:invalid-cms-pkcs";
    /// It could not be decrypted, for whatever cause.
    DecryptionFailed = "transport:decryption-failed";
    /// Not a certificate that may sign for this sender; data: the certificate.
    InvalidCertificate = "transport:invalid-certificate";
    /// No certificate for signatures is known of the sender.
    MissingCertificate = "transport:missing-certificate";
    /// Outside its validity, at either end; data: the certificate.
    ExpiredCertificate = "transport:expired-certificate";
    /// Revoked; data: the certificate.
    RevokedCertificate = "transport:revoked-certificate";
    /// Whether it is revoked could not be asked. Temporary, and never sent.
    RevocationOffline = "transport:revoked-certificate-offline";
    /// The certificate that a registry gave is empty or not valid.
    UnverifiedCertificate = "transport:unverified-certificate";
    /// The signature does not hold.
    InvalidSignature = "transport:invalid-signature";
    /// The characters are not in an encoding that can be read.
    InvalidEncoding = "transport:invalid-encoding";
    /// The head of the message cannot be read.
    NotWellFormedXml = "transport:not-well-formed-xml";
    /// Listed without a description. Read, never sent.
    XmlNotInterpretable = "transport:xml-not-interpretable";
    /// The receiving application could not, and asked us to say so.
    InternalError = "transport:internal-error";
    /// The transport names another sender than the message; data: both HER-ids.
    SpoofingAttack = "abuse:spoofing-attack";
}

impl ErrorCondition {
    /// The condition of this code; case does not matter, and the misspelling that the specification has in one place is
    /// known.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim();
        if name.eq_ignore_ascii_case("transport:revoked-cerificate") {
            return Some(Self::RevokedCertificate);
        }
        Self::ALL.iter().copied().find(|c| c.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether we ever send it.
    #[must_use]
    pub const fn is_sent(self) -> bool {
        !matches!(self, Self::RevocationOffline | Self::XmlNotInterpretable | Self::RequiredFieldMissing)
    }
}

impl fmt::Display for ErrorCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_in_any_case() {
        for condition in ErrorCondition::ALL {
            assert_eq!(ErrorCondition::from_name(condition.as_str()), Some(*condition));
            assert_eq!(ErrorCondition::from_name(&condition.as_str().to_uppercase()), Some(*condition));
        }
        assert_eq!(
            ErrorCondition::from_name("transport:revoked-cerificate"),
            Some(ErrorCondition::RevokedCertificate)
        );
        assert_eq!(ErrorCondition::from_name("transport:unheard-of"), None);
    }
}
