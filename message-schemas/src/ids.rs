//! Identifiers: parsed once, then never in doubt.
//!
//! What a sender writes is kept as text; what we compare is the parsed form. Ids of persons redact
//! themselves in `Debug`, always.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Our own id of a message, given at intake: a UUIDv7, so that ids sort by time of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub Uuid);

/// Crockford's alphabet: no I, L, O or U, so that it can be read out on the phone.
const SPOKEN: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl MessageId {
    /// The short form, `XXXX-XXXX`: the last 40 bits in Crockford's base 32. It is for people; two messages
    /// of ten million share one with a chance of a few in a thousand, and a search shows all matches.
    #[must_use]
    pub fn short(self) -> String {
        let bits = self.0.as_u128();
        let mut out = String::with_capacity(9);
        for at in (0..8).rev() {
            let digit = usize::try_from((bits >> (at * 5)) & 31).unwrap_or(0);
            out.push(SPOKEN.get(digit).map_or('0', |&b| char::from(b)));
            if at == 4 {
                out.push('-');
            }
        }
        out
    }

    /// The last 40 bits that a short form stands for; hyphens, case and the usual misreadings (O, I, L) forgiven.
    #[must_use]
    pub fn short_bits(spoken: &str) -> Option<u64> {
        let mut bits = 0u64;
        let mut digits = 0;
        for c in spoken.chars().filter(|c| *c != '-' && *c != ' ') {
            let c = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let digit = SPOKEN.iter().position(|&b| char::from(b) == c)?;
            bits = (bits << 5) | u64::try_from(digit).ok()?;
            digits += 1;
        }
        (digits == 8).then_some(bits)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MessageId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A message id as its sender wrote it (`MsgId`). Comparison is by [`MsgId::key`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MsgId(String);

impl MsgId {
    /// Keeps the text, trimmed; none if nothing is left.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// As sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The UUID it must be (HIS 80415:2012 §3.3.4, else E10): hyphenated, or 32 digits as in an official
    /// 1.0 receipt; upper case, braces and `urn:uuid:` are accepted.
    #[must_use]
    pub fn uuid(&self) -> Option<Uuid> {
        self.0.parse().ok()
    }

    /// What two ids are compared by: the UUID in lower case, else the text.
    #[must_use]
    pub fn key(&self) -> String {
        self.uuid().map_or_else(|| self.0.clone(), |u| u.hyphenated().to_string())
    }
}

impl fmt::Display for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A communication party's number in the national address register (HER-id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HerId(pub u32);

/// Why a text is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a number of one to nine digits.
    #[error("a HER-id is a number of one to nine digits")]
    HerId,
    /// Not nine digits with a true check digit.
    #[error("an organisation number has nine digits of which the last checks the others")]
    OrgNumber,
}

impl FromStr for HerId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let text = text.trim();
        let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().filter(|n| *n > 0).map(Self).ok_or(IdError::HerId)
    }
}

impl fmt::Display for HerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number in the national register of legal units (organisasjonsnummer), check digit proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrgNumber(u32);

impl FromStr for OrgNumber {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits: Vec<u32> =
            text.chars().map(|c| c.to_digit(10)).collect::<Option<_>>().ok_or(IdError::OrgNumber)?;
        let sum: u32 = digits.iter().zip([3, 2, 7, 6, 5, 4, 3, 2, 1]).map(|(d, w)| d * w).sum();
        if digits.len() == 9 && sum.is_multiple_of(11) {
            Ok(Self(digits.iter().fold(0, |n, d| n * 10 + d)))
        } else {
            Err(IdError::OrgNumber)
        }
    }
}

impl TryFrom<String> for OrgNumber {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<OrgNumber> for String {
    fn from(number: OrgNumber) -> Self {
        number.to_string()
    }
}

impl fmt::Display for OrgNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:09}", self.0)
    }
}

/// Any identifier of a party or person as sent: number, kind and the list that the kind is from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ident {
    /// `Id`: the text as sent, trimmed.
    pub value: String,
    /// `TypeId/@V`: HER, ENH, HPR, RSH, FNR, …
    pub kind: String,
    /// `TypeId/@S`, if sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// `TypeId/@DN`, if sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

impl Ident {
    /// Kinds that name a person in a national register, and so are never logged.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        !matches!(
            self.kind.as_str(),
            "HER" | "ENH" | "RSH" | "HPR" | "AKO" | "LIN" | "LAV" | "AVD" | "LOK" | "APO"
        )
    }
}

impl fmt::Debug for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_personal() {
            write!(f, "Ident({}, redacted)", self.kind)
        } else {
            write!(f, "Ident({}, {})", self.kind, self.value)
        }
    }
}

/// Text that may name or describe a person; it is never printed by `Debug`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Private(pub String);

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_form_reads_back_as_the_last_forty_bits() {
        let id = MessageId(Uuid::from_u128(0x0192_0000_0000_7000_8000_00AB_CDEF_0123));
        assert_eq!(id.short(), "NF6Y-Y093");
        let low = u64::try_from(id.0.as_u128() & 0xFF_FFFF_FFFF).expect("forty bits");
        assert_eq!(MessageId::short_bits(&id.short()), Some(low));
        assert_eq!(MessageId::short_bits("nf6y yo93"), Some(low), "case, blank and O for 0 are forgiven");
        assert_eq!(MessageId::short_bits("NF6Y"), None);
    }

    #[test]
    fn msg_ids_compare_by_uuid_and_keep_their_text() {
        let upper = MsgId::new(" E630B55B-D063-4BFA-8DB4-E4B0A22D2451 ").expect("text");
        let lower = MsgId::new("e630b55b-d063-4bfa-8db4-e4b0a22d2451").expect("text");
        assert_eq!(upper.key(), lower.key());
        assert_eq!(upper.as_str(), "E630B55B-D063-4BFA-8DB4-E4B0A22D2451");
        assert!(MsgId::new("g630b55b-d063-4bfa-8db4-e4b0a22d2451").expect("text").uuid().is_none());
        assert!(MsgId::new("  ").is_none());
    }

    #[test]
    fn her_ids_and_organisation_numbers_check_themselves() {
        assert_eq!("8093".parse(), Ok(HerId(8093)));
        assert!("0".parse::<HerId>().is_err());
        assert!("80 93".parse::<HerId>().is_err());
        assert!("974760673".parse::<OrgNumber>().is_ok());
        assert!("974760674".parse::<OrgNumber>().is_err());
    }

    #[test]
    fn personal_ids_do_not_print_themselves() {
        let ident = Ident { value: "01015000232".into(), kind: "FNR".into(), system: None, display: None };
        assert!(!format!("{ident:?}").contains("01015000232"));
        assert!(!format!("{:?}", Private("Ola".into())).contains("Ola"));
    }
}
