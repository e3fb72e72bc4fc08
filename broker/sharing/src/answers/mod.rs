//! What targets answer. An answer comes from outside: it is read with limits, and what it does not clearly say is no
//! success.

mod few;
mod known;
mod mhd;
mod registry;

pub use mhd::{found, transaction};
pub use registry::{Listed, documents, listed, registry_response};

use message_schemas::document::Format;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// All of it is there. Where the target keeps each entry, if it said so.
    Taken(BTreeMap<Uuid, String>),
    /// The target says that something of ours is there already: it is for the hash to tell whether it is the same.
    Duplicate(Problems),
    /// It said no.
    Rejected(Problems),
    /// It is no answer to what was asked: nobody knows.
    Unclear(&'static str),
}

/// What a target complains of: its codes, and never its words, which may quote a patient's data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems {
    /// Codes, each once, in the order in which they came.
    pub codes: Vec<String>,
    /// Among them are complaints, beside mere warnings.
    pub errors: bool,
}

impl Problems {
    /// The most codes that are kept.
    const MOST: usize = 20;

    fn add(&mut self, code: &str) {
        // Whatever is in no list is not repeated: it may be a word about a patient.
        let code = known::known(code).unwrap_or(known::UNKNOWN);
        if self.codes.len() < Self::MOST && !self.codes.iter().any(|known| known == code) {
            self.codes.push(code.to_owned());
        }
    }

    /// Says that something of ours is there already.
    fn are_duplicates(&self) -> bool {
        const DUPLICATES: [&str; 4] = [
            "XDSDuplicateUniqueIdInRegistry",
            "XDSRepositoryDuplicateUniqueIdInMessage",
            "XDSDuplicateDocument",
            "duplicate",
        ];
        !self.codes.is_empty() && self.codes.iter().any(|c| DUPLICATES.contains(&c.as_str()))
    }

    fn into_answer(self) -> Answer {
        if self.are_duplicates() { Answer::Duplicate(self) } else { Answer::Rejected(self) }
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.codes.is_empty() { f.write_str("no code") } else { f.write_str(&self.codes.join(", ")) }
    }
}

/// An entry as the target tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Id of the entry.
    pub entry: Option<Uuid>,
    /// Id of the document, as the target writes it.
    pub document: String,
    /// It is in use.
    pub approved: bool,
    /// SHA-1 in hex, if the target tells it.
    pub sha1: Option<String>,
    /// Where it is kept there, relative to its address.
    pub location: Option<String>,
    /// Where its bytes are, if the target tells it.
    pub url: Option<String>,
}

/// What was found wrong when the target was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAsPublished {
    /// There is no such entry.
    #[error("the entry is not there")]
    Missing,
    /// There is, but it is out of use.
    #[error("the entry is there, but not in use")]
    NotApproved,
    /// Other bytes.
    #[error("the document has other bytes")]
    OtherBytes,
}

/// A format and what is wrong with it.
pub type Differences = Vec<(Format, NotAsPublished)>;
