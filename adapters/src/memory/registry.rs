//! A twin of a registry.

use broker_core::ports::{NotListed, Registry};
use message_schemas::HerId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use trust::Certificate;

/// A registry in memory. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct MemoryRegistry(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    parties: BTreeMap<HerId, Vec<Arc<Certificate>>>,
    away: bool,
    asked: usize,
}

impl MemoryRegistry {
    /// A registry of nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on, a party has these certificates.
    pub fn list(&self, her_id: HerId, certificates: Vec<Arc<Certificate>>) {
        self.state(|state| state.parties.insert(her_id, certificates));
    }

    /// From now on, it answers, or does not.
    pub fn set_away(&self, away: bool) {
        self.state(|state| state.away = away);
    }

    /// How often it was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.state(|state| state.asked)
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Registry for MemoryRegistry {
    async fn certificates(&self, her_id: HerId) -> Result<Vec<Arc<Certificate>>, NotListed> {
        self.state(|state| {
            state.asked += 1;
            if state.away {
                return Err(NotListed::Unavailable("away".to_owned()));
            }
            state.parties.get(&her_id).cloned().ok_or(NotListed::UnknownParty)
        })
    }
}
