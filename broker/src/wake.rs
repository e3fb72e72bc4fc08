//! Finds the door of each destination's delivery loop.

use crate::door::{Door, Slot};
use routing_rules::DestinationId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One door for each destination; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<BTreeMap<DestinationId, Arc<Door>>>);

impl Wake {
    /// A door for each of these.
    pub fn new<'a>(destinations: impl IntoIterator<Item = &'a DestinationId>) -> Self {
        Self(Arc::new(destinations.into_iter().map(|d| (d.clone(), Arc::default())).collect()))
    }

    /// The door of one destination; a new one to which nobody comes if it has none.
    #[must_use]
    pub fn door(&self, destination: &DestinationId) -> Arc<Door> {
        self.0.get(destination).cloned().unwrap_or_default()
    }

    /// A slot of a destination for so many bytes, if there is one right now.
    #[must_use]
    pub fn slot(&self, destination: &DestinationId, bytes: usize) -> Option<Slot> {
        self.0.get(destination)?.slot(bytes)
    }

    /// Tells a loop that something waits for it in the journal.
    pub fn ring(&self, destination: &DestinationId) {
        if let Some(door) = self.0.get(destination) {
            door.ring();
        }
    }

    /// All destinations.
    pub fn destinations(&self) -> impl Iterator<Item = &DestinationId> {
        self.0.keys()
    }

    /// Rings everywhere.
    pub fn ring_all(&self) {
        for door in self.0.values() {
            door.ring();
        }
    }
}
