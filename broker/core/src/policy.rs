//! What an installation decides for itself: who may send invalid messages, when silence becomes an alarm.
//!
//! Defaults are what the standards say. Every deviation is a setting: per family here, per partner in the
//! party file, which goes before.

use jiff::SignedDuration;
use message_schemas::Family;
use routing_rules::{Cipher, DestinationId, DocumentSignature, Gets, Legacy, Requires};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// The settings of the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What becomes of messages that their schema does not allow.
    pub invalid: PerFamily<Invalid>,
    /// How long after `GenDate` a receipt must have come. `96h` unless said otherwise (HITS 1168 §4.1).
    pub receipt_deadline: PerFamily<Deadline>,
    /// How long a recipient may wait to be delivered.
    pub time_to_live: Deadline,
    /// When a receipt says E21, and which messages are answered by another message.
    pub receipts: message_schemas::apprec::Settings,
    /// How messages must be protected, and how ours are; nothing of it is asked where no trust is configured.
    pub protection: ProtectionPolicy,
    /// How messages that come with an envelope are judged by it.
    pub amqp: AmqpPolicy,
    /// What becomes of messages marked as tests.
    pub test_messages: TestMessages,
    /// Where documents are published; written under `publish`, with all that belongs to a target.
    #[serde(skip)]
    pub publish: Vec<Publish>,
}

/// Where documents are published, as far as the decision on a message rests on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The target.
    pub to: DestinationId,
    /// The families whose documents are published there.
    pub families: BTreeSet<Family>,
    /// It takes messages that are marked as tests or are about synthetic patients, and no others.
    pub tests: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            invalid: PerFamily::default(),
            receipt_deadline: PerFamily { default: Deadline::standard(), ..PerFamily::default() },
            time_to_live: Deadline::After(SignedDuration::from_hours(14 * 24)),
            receipts: message_schemas::apprec::Settings::default(),
            protection: ProtectionPolicy::default(),
            amqp: AmqpPolicy::default(),
            test_messages: TestMessages::Deliver,
            publish: Vec::new(),
        }
    }
}

/// Protection where a party, and its enterprise, say nothing else (`[party.protection]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProtectionPolicy {
    /// What a message must have: `nothing`, `signed`, `sealed`, `signed-and-sealed`.
    pub requires: PerFamily<Requires>,
    /// Whether the document itself must be signed: `required`, `verified-if-present`.
    pub document_signature: PerFamily<DocumentSignature>,
    /// Old algorithms that everybody may use: `sha1`, `triple-des`. Better named for single parties.
    pub allow: Vec<Legacy>,
    /// What receivers get: `plain`, `signed`, `signed-and-sealed`.
    pub gets: Gets,
    /// How it is encrypted: `aes256-cbc`, `aes256-gcm`.
    pub cipher: Cipher,
    /// So long is a message judged again by itself while it cannot be told whether a certificate is revoked.
    pub revocation_patience: Deadline,
    /// So long may a message be under way: a certificate that ended meanwhile was good when it signed. `off`: none.
    pub under_way: Deadline,
}

impl Default for ProtectionPolicy {
    fn default() -> Self {
        Self {
            requires: PerFamily::default(),
            document_signature: PerFamily::default(),
            allow: Vec::new(),
            gets: Gets::default(),
            cipher: Cipher::default(),
            revocation_patience: Deadline::After(SignedDuration::from_hours(24)),
            under_way: Deadline::Off,
        }
    }
}

/// What is decided by the envelope of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AmqpPolicy {
    /// Takes messages that say of themselves that they are neither signed nor sealed (`text/plain`,
    /// `application/soap+xml`). For tests: nothing then proves who sent them.
    pub unprotected: bool,
    /// So many transport errors a party is sent in an hour; of what else comes in its name and is at fault, a person hears.
    /// They are counted in the journal, so brokers that share one share the limit; what is judged at the same moment may go
    /// beyond it.
    pub errors_per_hour: u32,
    /// So long the sender of a request waits for its answer.
    //= HITS 1216:2018 §2.1
    //# A caller waits 15 seconds; what comes later is logged and dropped.
    pub sync_deadline: Deadline,
}

impl Default for AmqpPolicy {
    fn default() -> Self {
        Self {
            unprotected: false,
            errors_per_hour: 100,
            sync_deadline: Deadline::After(SignedDuration::from_secs(15)),
        }
    }
}

/// A setting with exceptions by family.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerFamily<T> {
    /// Where nothing else is said.
    pub default: T,
    /// By family.
    pub families: BTreeMap<Family, T>,
}

impl<T: Copy> PerFamily<T> {
    /// What holds for messages of this family.
    #[must_use]
    pub fn of(&self, family: Option<Family>) -> T {
        family.and_then(|f| self.families.get(&f)).copied().unwrap_or(self.default)
    }
}

/// What becomes of a message that its schema does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Invalid {
    /// Refused with T02.
    #[default]
    Refuse,
    /// Taken in with the findings on record, if it can be addressed.
    Accept,
}

/// What becomes of a message marked as a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestMessages {
    /// Delivered with the mark on it: in the message itself, in the delivery's metadata and in the document.
    #[default]
    Deliver,
    /// Parked: for installations whose receivers must never see one.
    Hold,
}

/// A length of time, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deadline {
    /// None: `"off"`.
    #[default]
    Off,
    /// So long: `"96h"`, `"4d"`, `"PT96H"`.
    After(SignedDuration),
}

impl Deadline {
    /// 96 hours from `GenDate`.
    //= HITS 1168:2016 §4.1
    //# A receipt is sent at once if possible, at the latest within 96 hours.
    #[must_use]
    pub const fn standard() -> Self {
        Self::After(SignedDuration::from_hours(96))
    }

    /// The length; none if off is a length of zero.
    #[must_use]
    pub const fn length(self) -> SignedDuration {
        match self {
            Self::Off => SignedDuration::ZERO,
            Self::After(length) => length,
        }
    }

    /// The moment, counted from `start`; none if off or beyond the calendar.
    #[must_use]
    pub fn from(self, start: jiff::Timestamp) -> Option<jiff::Timestamp> {
        match self {
            Self::Off => None,
            Self::After(length) => start.checked_add(length).ok(),
        }
    }
}

impl Serialize for Deadline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::After(length) => serializer.collect_str(&format_args!("{length:#}")),
        }
    }
}

impl<'de> Deserialize<'de> for Deadline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" {
            return Ok(Self::Off);
        }
        match days(&text).or_else(|| text.parse().ok()) {
            Some(length) if length > SignedDuration::ZERO => Ok(Self::After(length)),
            Some(_) | None => {
                Err(serde::de::Error::custom("a length of time such as \"96h\" or \"4d\", or \"off\""))
            }
        }
    }
}

/// `4d`: days of 24 hours, which the time library will not assume.
fn days(text: &str) -> Option<SignedDuration> {
    let days: i64 = text.trim().strip_suffix('d')?.trim().parse().ok()?;
    SignedDuration::try_from_hours(days.checked_mul(24)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_may_differ_from_the_default() {
        let setting: PerFamily<Invalid> =
            serde_json::from_str(r#"{"default":"refuse","families":{"result-report":"accept"}}"#)
                .expect("settings");
        assert_eq!(setting.of(Some(Family::ResultReport)), Invalid::Accept);
        assert_eq!(setting.of(Some(Family::Referral)), Invalid::Refuse);
        assert_eq!(setting.of(None), Invalid::Refuse);
    }

    #[test]
    fn lengths_of_time_are_written_as_people_write_them() {
        let read = |text: &str| serde_json::from_str::<Deadline>(&format!("{text:?}"));
        assert_eq!(read("96h").expect("hours"), Deadline::standard());
        assert_eq!(read("4d").expect("days"), Deadline::standard());
        assert_eq!(read("PT96H").expect("ISO 8601"), Deadline::standard());
        assert_eq!(read("off").expect("off"), Deadline::Off);
        assert!(read("soon").is_err());
        assert!(read("-1h").is_err());
        let again = serde_json::to_string(&Deadline::standard()).expect("text");
        assert_eq!(serde_json::from_str::<Deadline>(&again).expect("reads back"), Deadline::standard());
    }
}
