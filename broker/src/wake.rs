//! Wakes a delivery loop when something was committed for its destination.

use routing_rules::DestinationId;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// One bell for each destination; cheap to clone.
///
/// A bell that rings while nobody listens is remembered, so a loop that was busy looks once more.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<BTreeMap<DestinationId, Arc<Notify>>>);

impl Wake {
    /// A bell for each of these.
    pub fn new<'a>(destinations: impl IntoIterator<Item = &'a DestinationId>) -> Self {
        Self(Arc::new(destinations.into_iter().map(|d| (d.clone(), Arc::default())).collect()))
    }

    /// The bell of one destination; a new one that never rings if it has none.
    #[must_use]
    pub fn bell(&self, destination: &DestinationId) -> Arc<Notify> {
        self.0.get(destination).cloned().unwrap_or_default()
    }

    /// Rings.
    pub fn ring(&self, destination: &DestinationId) {
        if let Some(bell) = self.0.get(destination) {
            bell.notify_one();
        }
    }

    /// All destinations.
    pub fn destinations(&self) -> impl Iterator<Item = &DestinationId> {
        self.0.keys()
    }

    /// Rings all.
    pub fn ring_all(&self) {
        for bell in self.0.values() {
            bell.notify_one();
        }
    }
}
