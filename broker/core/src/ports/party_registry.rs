//! Where it is known who takes part in the country: communication parties, their addresses, their validity.

use super::NotListed;
use message_schemas::HerId;
use routing_rules::RegistryEntry;
use std::collections::BTreeSet;
use std::future::Future;

/// Tells communication parties, and what changes among them.
///
/// **Contract.** Everything is told as of now, with changes that are announced for later. Every call ends within bounded
/// time and memory. Nothing told is believed beyond what [`routing_rules::Parties::with_registry`] takes of it.
pub trait PartyRegistry: Send + Sync + 'static {
    /// One party, whole.
    ///
    /// # Errors
    /// [`NotListed::UnknownParty`] if there is none; the others if it may help to ask again.
    fn party(&self, her_id: HerId) -> impl Future<Output = Result<RegistryEntry, NotListed>> + Send;

    /// All parties of `wanted` that there are, with the cursor from which their changes can be followed. None if this
    /// registry has no such way; then each party is asked for alone.
    ///
    /// # Errors
    /// [`NotListed::UnknownParty`] never.
    fn all(&self, wanted: &BTreeSet<HerId>) -> impl Future<Output = Result<Option<Whole>, NotListed>> + Send;

    /// One page of what changed after this cursor, oldest first.
    ///
    /// # Errors
    /// [`NotListed::UnknownParty`] if the registry does not know the cursor (any more); then all must be read again.
    fn changes(&self, after: &Cursor) -> impl Future<Output = Result<Changes, NotListed>> + Send;
}

/// A place in the registry's changes: the registry's own text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cursor(pub String);

/// The wanted parties at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The parties.
    pub parties: Vec<RegistryEntry>,
    /// Their changes begin after this.
    pub cursor: Cursor,
}

/// One page of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// In the order in which they happened, whether or not anybody here knows the party.
    pub changes: Vec<Change>,
    /// After the last of them: the one that was asked with if there is none.
    pub cursor: Cursor,
    /// There may be more after it.
    pub more: bool,
}

/// A party was made, changed or deactivated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub her_id: HerId,
    /// What it is now; none if the registry's word cannot be read, so that it must be asked for.
    pub entry: Option<Box<RegistryEntry>>,
}
