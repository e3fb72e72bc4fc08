//! Destinations by name, and in which form a message goes there.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The name of a configured destination, e.g. `folder:hospital`: lower-case letters, digits, `:`, `.`, `_`
/// and `-`, at most 64 of them. What stands behind it (adapter, address, schedule) is not known here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DestinationId(String);

/// Why a text names no destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a destination's name has 1 to 64 characters of a-z, 0-9, ':', '.', '_' and '-'")]
pub struct DestinationIdError;

impl DestinationId {
    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DestinationId {
    type Err = DestinationIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b':' | b'.' | b'_' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(DestinationIdError)
        }
    }
}

impl TryFrom<String> for DestinationId {
    type Error = DestinationIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DestinationId> for String {
    fn from(id: DestinationId) -> Self {
        id.0
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// In which form a message is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// The bytes as they came.
    KithXml,
    /// The FHIR document that the message was translated into.
    FhirDocument,
}

impl Format {
    /// The name used in settings and explanations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KithXml => "kith-xml",
            Self::FhirDocument => "fhir-document",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One delivery: where, and in which form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Leg {
    /// Where.
    pub destination: DestinationId,
    /// In which form.
    pub format: Format,
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.destination, self.format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_for_files_and_metrics() {
        assert!("folder:hospital".parse::<DestinationId>().is_ok());
        assert!("http:lab-2.east_1".parse::<DestinationId>().is_ok());
        for bad in ["", "Folder:x", "a b", "../x", "a/b", &"x".repeat(65)] {
            assert_eq!(bad.parse::<DestinationId>(), Err(DestinationIdError), "{bad}");
        }
    }
}
