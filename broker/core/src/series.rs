//! What the journal keeps of series of documents: their versions, and what each target shows of them.
//!
//! Versions are committed with the message that brought them. What a target shows is written down before it is told and
//! after it has answered, so that a broker that dies between finds what it has to finish.

use jiff::Timestamp;
use message_schemas::MessageId;
use routing_rules::DestinationId;
use sharing::series::{Mark, Shown, Strand, Version};
use std::collections::BTreeSet;

/// Which versions are looked for: all to which any of these applies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sought {
    /// Of these strands.
    pub strands: BTreeSet<Strand>,
    /// With these marks.
    pub marks: BTreeSet<Mark>,
    /// That name one of these as the message before them.
    pub followers: BTreeSet<Mark>,
    /// Brought by these messages.
    pub messages: BTreeSet<MessageId>,
}

impl Sought {
    /// True if nothing is looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.strands.is_empty()
            && self.marks.is_empty()
            && self.followers.is_empty()
            && self.messages.is_empty()
    }
}

/// A version that the journal has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Grows with the order of arrival.
    pub arrived: i64,
    /// What was kept.
    pub version: Version,
}

/// An entry at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownAt {
    /// Which target.
    pub target: DestinationId,
    /// Of which strand.
    pub strand: Strand,
    /// The entry, and how it stands.
    pub shown: Shown,
}

/// What is written down of a target, because of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Showing {
    /// The message that is being delivered there.
    pub message: MessageId,
    /// Entries that are new or stand otherwise than before.
    pub entries: Vec<ShownAt>,
    /// When.
    pub at: Timestamp,
}

/// What a person ruled on a version that the journal has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruled {
    /// Which.
    pub arrived: i64,
    /// The version with the ruling.
    pub version: Version,
    /// What was ruled, by whom and why: for the event of its message. Nothing of a patient.
    pub told: String,
    /// When.
    pub at: Timestamp,
}

impl Showing {
    /// What the event says: targets, formats and how they stand; no id that a sender wrote.
    #[must_use]
    pub fn told(&self) -> String {
        let mut told: Vec<String> = self
            .entries
            .iter()
            .map(|e| format!("{} {} {}", e.target, e.shown.entry.format, e.shown.status.as_str()))
            .collect();
        told.dedup();
        told.join(", ")
    }
}
