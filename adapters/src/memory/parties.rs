//! A twin of a registry of communication parties.

use broker_core::ports::{Change, Changes, Cursor, NotListed, PartyRegistry, Whole};
use message_schemas::HerId;
use routing_rules::RegistryEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// A registry of parties in memory. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct MemoryPartyRegistry(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    parties: BTreeMap<HerId, RegistryEntry>,
    /// In the order of the changes.
    changes: Vec<RegistryEntry>,
    /// Changes before this one are forgotten.
    forgotten: usize,
    without_feed: bool,
    away: Option<NotListed>,
    asked: usize,
}

/// Changes a page: few, so that there are pages.
const PAGE: usize = 2;

impl MemoryPartyRegistry {
    /// A registry of nobody, with a change feed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on a party is like this.
    pub fn list(&self, entry: RegistryEntry) {
        self.state(|state| {
            state.changes.push(entry.clone());
            state.parties.insert(entry.her_id, entry);
        });
    }

    /// From now on it has no export and no feed.
    pub fn take_feed_away(&self) {
        self.state(|state| state.without_feed = true);
    }

    /// It forgets all changes so far.
    pub fn forget_changes(&self) {
        self.state(|state| state.forgotten = state.changes.len());
    }

    /// From now on it answers this to everything, or as it should.
    pub fn set_away(&self, why: Option<NotListed>) {
        self.state(|state| state.away = why);
    }

    /// How often it was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.state(|state| state.asked)
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer<T>(&self, look: impl FnOnce(&State) -> Result<T, NotListed>) -> Result<T, NotListed> {
        self.state(|state| {
            state.asked += 1;
            state.away.clone().map_or_else(|| look(state), Err)
        })
    }
}

impl PartyRegistry for MemoryPartyRegistry {
    async fn party(&self, her_id: HerId) -> Result<RegistryEntry, NotListed> {
        self.answer(|state| state.parties.get(&her_id).cloned().ok_or(NotListed::UnknownParty))
    }

    async fn all(&self, wanted: &BTreeSet<HerId>) -> Result<Option<Whole>, NotListed> {
        self.answer(|state| {
            let of_use = state.parties.values().filter(|entry| wanted.contains(&entry.her_id));
            let cursor = Cursor(state.changes.len().to_string());
            Ok((!state.without_feed).then(|| Whole { parties: of_use.cloned().collect(), cursor }))
        })
    }

    async fn changes(&self, after: &Cursor) -> Result<Changes, NotListed> {
        self.answer(|state| {
            let place = after.0.parse().ok().filter(|place| *place >= state.forgotten);
            let place: usize = place.ok_or(NotListed::UnknownParty)?;
            let page = state.changes.iter().skip(place).take(PAGE);
            let changes: Vec<_> =
                page.map(|e| Change { her_id: e.her_id, entry: Some(Box::new(e.clone())) }).collect();
            let end = place.saturating_add(changes.len());
            Ok(Changes { changes, cursor: Cursor(end.to_string()), more: end < state.changes.len() })
        })
    }
}
