//! One message of a series, with what its place there depends on, and no more: it is kept as long as the series is.

use super::fold::Conflict;
use crate::target::Environment;
use jiff::{SignedDuration, Timestamp};
use message_schemas::MessageId;
use message_schemas::document::{NAMESPACE, normal_id};
use message_schemas::head::ServiceType;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use uuid::Uuid;

/// A document as one message brought it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Our id of the message: where its bytes are.
    pub message: MessageId,
    /// The message's own id as keys use it; `#n` behind it for the second and later documents of one message.
    pub msg_id: String,
    /// First part of the series key: `henvisning`, `epikrise`, `svarrapport`, `dialog`, `plo-<root element>`.
    pub family: String,
    /// Whose document it is: `ENH:`, `HER:` or `RSH:` with the number of the sending legal unit.
    pub sender: String,
    /// By what it finds its series.
    pub names: Names,
    /// When the sender made it (GenDate).
    pub generated: Timestamp,
    /// What it does to earlier ones.
    pub change: Change,
    /// SHA-256 of the KITH XML as it was inside its envelope.
    pub content: Sha,
    /// Whom it is about; none if its id is missing or does not check.
    pub patient: Option<PatientKey>,
    /// Why it is not shown to anybody, although it was taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Withheld>,
    /// Marked as a test: never seen by a target for the real thing.
    #[serde(default)]
    pub test: bool,
    /// About a patient of a synthetic population: a target for tests sees it, marked or not, and one for the real thing
    /// refuses it.
    #[serde(default)]
    pub synthetic: bool,
    /// Attachments that may be documents of their own, by their numbers in the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<u32>,
    /// Svarrapport: its top-level results in document order. Others have none and are always whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// What a person has ruled on it.
    #[serde(default, skip_serializing_if = "Ruling::is_none")]
    pub ruling: Ruling,
}

/// What a person at the broker has ruled on a version that stands outside of its series.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ruling {
    /// It takes part in spite of these; of another conflict nobody has ruled.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub in_spite_of: BTreeSet<Conflict>,
    /// It is left unpublished.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
}

impl Ruling {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// By what a message finds the series that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// The document has an id that all its versions share.
    Series(String),
    /// Nursing and care (PLO): a new message opens a series of its own within a conversation.
    Opens {
        /// `RefToConversation`, if it was sent inside one.
        conversation: Option<String>,
    },
    /// Nursing and care: a change or cancellation names the message before it.
    Follows {
        /// `RefToParent`.
        parent: Option<String>,
        /// `RefToConversation`.
        conversation: Option<String>,
    },
}

//= document-sharing §3.4
//# GenDate in the future by more than 24 h: warn.
/// So far may a sender's clock be ahead of ours, or its zone be wrong.
const MOST_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// What a message does to earlier ones of its series: K(7309), and on laboratory reports H and A, which are unlawful
/// there but met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// N, and codes that no table knows: content, and nothing is said of earlier messages.
    New,
    /// M, E: the whole content again.
    Changed,
    /// C: every earlier message of the series is withdrawn.
    Cancelled,
    /// A and H: something beside what was sent before.
    Added,
}

impl From<ServiceType> for Change {
    fn from(code: ServiceType) -> Self {
        match code {
            ServiceType::New | ServiceType::Other => Self::New,
            ServiceType::Change => Self::Changed,
            ServiceType::Cancel => Self::Cancelled,
            ServiceType::Addition | ServiceType::History => Self::Added,
        }
    }
}

/// Why a version is not shown to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Withheld {
    /// Somebody is entitled to that, or it is nobody's record: it takes its place in the series, and shows nothing there.
    /// What it replaces goes.
    Reserved,
    /// It cannot be told whose it is. It stays outside of the series until a person has looked.
    Unsafe,
}

/// A top-level result of a laboratory report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What was investigated, of which sample, with a running number among equal ones.
    pub key: String,
    /// Cancelled by the sender (ServType C).
    #[serde(default)]
    pub cancelled: bool,
}

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha(pub [u8; 32]);

impl Sha {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Debug for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl From<Sha> for String {
    fn from(sha: Sha) -> Self {
        hex::encode(sha.0)
    }
}

impl TryFrom<String> for Sha {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// Whom a version is about, so that two can be told apart without the number itself lying in every row.
///
/// It is no secret: whoever has all numbers can try them. It is kept where the message is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PatientKey(Sha);

impl PatientKey {
    /// Of a national id and the OID of its register. A D-number under the type of another is still that D-number, so
    /// the digits alone decide where they are of a person's national id.
    #[must_use]
    pub fn new(system: &str, id: &str) -> Self {
        let id = id.trim();
        let national = id.len() == 11 && id.bytes().all(|b| b.is_ascii_digit());
        let name = if national { format!("national|{id}") } else { format!("{system}|{id}") };
        Self(Sha::of(name.as_bytes()))
    }
}

/// Messages that must be seen together to say what is visible of any of them: one document id of all senders, or one
/// conversation. Made by hashing, since what senders write has no longest length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Strand(pub Uuid);

impl Strand {
    /// Of the documents of a family ([`FAMILIES`]) that carry this id, or of the conversation that is called so.
    #[must_use]
    pub fn named(family: &str, id: &str) -> Self {
        Self(name(&["strand", family, &normal_id(id)]))
    }
}

/// Families as series keys name them (document-sharing §2.1).
pub const FAMILIES: [&str; 13] = [
    "henvisning",
    "epikrise",
    "svarrapport",
    "rekvisisjon",
    "dialog",
    "plo-Innleggelsesrapport",
    "plo-TverrfagligEpikrise",
    "plo-HelseopplysningerVedSoknad",
    "plo-Konsultasjon",
    "plo-OverforingMedisinskeOpplysninger",
    "plo-OrienteringOmTjenestetilbud",
    "plo-Pasientlogistikk",
    "plo-MeldingFravar",
];

/// A message as others refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(pub Uuid);

impl Mark {
    /// Of a message of a family ([`FAMILIES`]), by its own id.
    #[must_use]
    pub fn named(family: &str, msg_id: &str) -> Self {
        Self(name(&["message", family, &normal_id(msg_id)]))
    }
}

impl Version {
    /// With whom it must be seen.
    #[must_use]
    pub fn strand(&self) -> Strand {
        let id = match &self.names {
            Names::Series(id) => id,
            Names::Opens { conversation } => conversation.as_ref().unwrap_or(&self.msg_id),
            Names::Follows { parent, conversation } => {
                conversation.as_ref().or(parent.as_ref()).unwrap_or(&self.msg_id)
            }
        };
        Strand::named(&self.family, id)
    }

    /// By what others refer to it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(name(&["message", &self.family, &self.msg_id]))
    }

    /// What it refers to, if it names a message before it. A conversation may be misspelt; then only this tells.
    #[must_use]
    pub fn parent(&self) -> Option<Mark> {
        match &self.names {
            Names::Follows { parent: Some(parent), .. } => Some(Mark::named(&self.family, parent)),
            Names::Follows { parent: None, .. } | Names::Series(_) | Names::Opens { .. } => None,
        }
    }

    /// Whether others may name it as the message before them.
    #[must_use]
    pub const fn can_be_followed(&self) -> bool {
        !matches!(self.names, Names::Series(_))
    }

    /// Whether it may carry a difference only, which its results tell.
    pub(super) fn in_parts(&self) -> bool {
        self.family == "svarrapport"
    }

    /// Whether a target of this kind sees it. What is neither marked nor about a synthetic patient is never seen by one for
    /// tests.
    #[must_use]
    pub fn is_seen_by(&self, environment: Environment) -> bool {
        match environment {
            Environment::Production => !self.test,
            Environment::Test => self.test || self.synthetic,
        }
    }

    /// When it came, if our id of its message tells.
    #[must_use]
    pub fn arrived(&self) -> Option<Timestamp> {
        let (seconds, nanoseconds) = self.message.0.get_timestamp()?.to_unix();
        Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
    }

    /// Whether it says that it was made well after it came, which cannot be.
    #[must_use]
    pub fn is_dated_ahead(&self) -> bool {
        self.arrived().is_some_and(|arrived| self.generated.duration_since(arrived) > MOST_AHEAD)
    }

    /// When it was made, for its place among the others: when it says, else when it came.
    pub(super) fn made(&self) -> Timestamp {
        self.arrived().filter(|_| self.is_dated_ahead()).unwrap_or(self.generated)
    }

    /// Whether a person let it take part in spite of this.
    pub(super) fn is_let_in(&self, in_spite_of: Conflict) -> bool {
        self.ruling.in_spite_of.contains(&in_spite_of)
    }

    /// Whether it brings content.
    pub(super) const fn has_content(&self) -> bool {
        !matches!(self.change, Change::Cancelled)
    }
}

fn name(parts: &[&str]) -> Uuid {
    Uuid::new_v5(&NAMESPACE, parts.join("|").as_bytes())
}
