//! What a decision can come to.

use crate::journal::{Entry, Known, Lookup};
use crate::process::Prepared;
use trust::revocation::Wanted;

/// What `process` decided.
#[derive(Debug)]
pub enum Outcome {
    /// The decision: all that one transaction shall take in. A message that is refused, parked or a repeat
    /// is an entry too; its verdict says so.
    Judged(Box<Entry>),
    /// Whether a certificate is revoked cannot be told from what is at hand. The shell fetches what is wanted, puts it
    /// into [`crate::World::trust`], and calls `process` again; once. If it cannot be had, it goes on with
    /// [`Prepared::proceed`]: the message is parked then, and judged again later.
    Fetch {
        /// What to fetch.
        wanted: Vec<Wanted>,
        /// What goes on without.
        prepared: Box<Prepared>,
    },
    /// Something must be looked up first. The shell fetches it and calls [`Prepared::decide`]; what was
    /// opened, read and validated so far is kept, not done again.
    Need {
        /// What to look up, in order.
        lookups: Vec<Lookup>,
        /// What goes on once it is known.
        prepared: Box<Prepared>,
    },
}

impl Outcome {
    /// What must be looked up; empty when the decision stands.
    #[must_use]
    pub fn lookups(&self) -> &[Lookup] {
        match self {
            Self::Judged(_) | Self::Fetch { .. } => &[],
            Self::Need { lookups, .. } => lookups,
        }
    }
}

/// The answers of a journal that has seen nothing: for tools that judge a single file.
#[must_use]
pub fn nothing_known() -> Known {
    Known::default()
}
