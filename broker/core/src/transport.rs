//! What the transport said of a message, where it is one that says more than bytes; and what we say on the outside of
//! what we send.
//!
//! It is kept with the message: a message is judged by it, and must be judged again by the same.

mod condition;

pub use condition::ErrorCondition;

use jiff::Timestamp;
use message_schemas::HerId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a queue is for. The queue that a message came by decides, never what is written on the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Business messages and receipts, in both directions.
    #[default]
    Async,
    /// Requests whose sender waits.
    Sync,
    /// Answers to our own requests.
    SyncReply,
    /// Transport errors about what we sent.
    Error,
    /// Our own queues, within one installation: no envelope is asked for.
    Internal,
}

/// Where the subject of a message was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectSource {
    /// In its own place.
    Property,
    /// In the property `X-MessageInfo-Type`, since the server took the subject away.
    MessageInfo,
    /// In the message itself, once it was opened.
    Payload,
}

/// What the content type says that the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Signed, and sealed for its receiver.
    Protected,
    /// Bare text: only where the policy lets it pass.
    Plain,
    /// A SOAP message in the clear.
    Soap,
    /// Something else, or only half of the protection.
    Other,
    /// No content type at all.
    #[default]
    Missing,
}

/// What an AMQP message said on its outside, read but not judged.
///
/// The parties that it names stand in [`crate::Arrival`], with those that other transports name.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Transport {
    /// What the queue is for that it came by.
    pub role: Role,
    /// Its id, as it came; compared by [`Transport::message_key`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// What it answers, or its own id again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The queue that it was taken from, by our own settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The queue that it says it was sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The queue that answers go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Its function, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Where that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_source: Option<SubjectSource>,
    /// What its content type says.
    pub content: Content,
    /// When its sender's application wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<Timestamp>,
    /// How long it was to live, in milliseconds; none for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// It had been offered before.
    pub redelivered: bool,
    /// How often the server says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_count: Option<u32>,
    /// All application properties, and the content type, as they came.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// Names of fields that the profile requires and that are missing or cannot be read, and of those over a limit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub invalid: Vec<String>,
    /// Its sender has used its id before, for other bytes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub used_id: bool,
    /// Its queue has offered it more often than it should take, so it is kept unread.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub worn_out: bool,
    /// What an error message reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
}

impl Transport {
    /// By what two ids are compared: a UUID in any of its forms as hyphenated lower case, else the text.
    #[must_use]
    pub fn message_key(&self) -> Option<String> {
        self.message_id.as_deref().and_then(id_key)
    }
}

/// By what two message ids are compared.
#[must_use]
pub fn id_key(id: &str) -> Option<String> {
    message_schemas::MsgId::new(id).map(|id| id.key())
}

impl fmt::Debug for Transport {
    /// No value that the sender chose.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("role", &self.role)
            .field("content", &self.content)
            .field("properties", &self.properties.len())
            .field("invalid", &self.invalid.len())
            .field("redelivered", &self.redelivered)
            .finish_non_exhaustive()
    }
}

/// What a partner reports about a message of ours. It is signed by nobody, so nothing is undone because of it.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reported {
    /// The id under which we sent what it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_message_id: Option<String>,
    /// Its code; partners may send codes that we do not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// More, as opaque text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// When the partner tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried: Option<Timestamp>,
    /// It came as a SOAP fault.
    pub soap: bool,
}

impl Reported {
    /// With what this leaves open taken from another reading of the same error.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            original_message_id: self.original_message_id.or(other.original_message_id),
            condition: self.condition.or(other.condition),
            description: self.description.or(other.description),
            data: self.data.or(other.data),
            tried: self.tried.or(other.tried),
            soap: self.soap || other.soap,
        }
    }
}

impl fmt::Debug for Reported {
    /// The words are a partner's, and may hold anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let condition = self.condition.as_deref().and_then(ErrorCondition::from_name);
        f.debug_struct("Reported").field("condition", &condition).finish_non_exhaustive()
    }
}

/// A transport error that we send, as it is kept: the bytes of a [`crate::journal::DocumentKind::TransportError`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportError {
    /// Which error.
    pub condition: ErrorCondition,
    /// For a person, in English; names no content of the message.
    pub description: String,
    /// More, as the profile has it for the condition: `a;b;`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The id of the message that failed, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_message_id: Option<String>,
    /// When we tried.
    pub tried: Timestamp,
}

/// What stands on the outside of what is sent: the same at every attempt. Transports without an envelope ignore it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Label {
    /// The function: a code of list 8279, `APPREC`, or for an error what the failed message had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The party that sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<HerId>,
    /// The party that gets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<HerId>,
    /// When it was decided to send it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<Timestamp>,
    /// What it answers; none for what stands for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// The queue that it goes to, where the message that it answers named one; else the party's queue for `role`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// For which of its receiver's queues it is.
    pub role: Role,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_in_whatever_form_a_uuid_came() {
        const ID: &str = "8f2fd3c7-6f4b-4d22-8b67-3c1d7f7f0a11";
        for form in [ID, "8F2FD3C76F4B4D228B673C1D7F7F0A11", "urn:uuid:8f2fd3c7-6f4b-4d22-8b67-3c1d7f7f0a11"]
        {
            assert_eq!(id_key(form).as_deref(), Some(ID));
        }
        assert_eq!(id_key("Case-Matters").as_deref(), Some("Case-Matters"));
        assert_eq!(id_key(" "), None);
    }

    #[test]
    fn debug_shows_nothing_that_a_sender_wrote() {
        let reported = Reported { description: Some("Line Danser".into()), ..Reported::default() };
        let transport = Transport {
            message_id: Some("secret".into()),
            properties: [("X-Name".to_owned(), "Line Danser".to_owned())].into(),
            reported: Some(reported.clone()),
            ..Transport::default()
        };
        let shown = format!("{transport:?} {reported:?}");
        assert!(["secret", "Line"].iter().all(|s| !shown.contains(s)), "{shown}");
    }
}
