//! What every source needs to offer messages: the way to intake, the budget, the clock, and fresh ids.
//!
//! **Invariant:** whoever offers is told exactly once. An offer that is dropped on the way (intake is
//! stopping, or failed) tells its source that it was not taken, so that no source waits for ever.

use crate::budget::{Budget, Room};
use broker_core::Arrival;
use broker_core::ports::{AckHandle, Acknowledge, Clock, NotTaken, Offer, Taken};
use message_schemas::MessageId;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use uuid::{ContextV7, Uuid};

/// A source's way to intake; clones share it.
#[derive(Clone)]
pub struct Intake {
    offers: mpsc::Sender<Offer>,
    budget: Budget,
    clock: Arc<dyn Clock>,
    ids: Arc<MessageIds>,
}

/// What became of an offer.
#[derive(Debug, Clone)]
pub enum Told {
    /// It is durable.
    Taken(Taken),
    /// The source still has it.
    NotTaken(NotTaken),
}

impl Intake {
    /// A way to whoever reads the other end of `offers`.
    #[must_use]
    pub fn new(offers: mpsc::Sender<Offer>, budget: Budget, clock: Arc<dyn Clock>) -> Self {
        Self { offers, budget, clock, ids: Arc::default() }
    }

    /// The budget of bytes in flight.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// What has just been received, with a fresh id.
    #[must_use]
    pub fn arrival(&self, source: &str, bytes: Arc<[u8]>, idempotency_key: Option<String>) -> Arrival {
        let received = self.clock.now();
        Arrival {
            id: self.ids.next(received),
            source: source.to_owned(),
            received,
            bytes,
            idempotency_key,
            envelope_receiver: None,
            envelope_sender: None,
            transport: None,
        }
    }

    /// Offers a message; `tell` is called once with what became of it, also if the offer is dropped on the
    /// way or intake has ended. The room is given back just before. Waits while intake is busy; a dropped call
    /// tells too.
    pub async fn offer(&self, arrival: Arrival, room: Room, tell: impl FnOnce(Told) + Send + 'static) {
        let handle = AckHandle::new(Side { tell: Some(tell), room: Some(room) });
        // An offer that cannot be sent is dropped, and its handle tells.
        drop(self.offers.send(Offer { arrival, handle }).await);
    }
}

/// The source's side of an offer.
struct Side<F: FnOnce(Told) + Send> {
    tell: Option<F>,
    room: Option<Room>,
}

impl<F: FnOnce(Told) + Send> Side<F> {
    fn tell(&mut self, told: Told) {
        self.room = None;
        if let Some(tell) = self.tell.take() {
            tell(told);
        }
    }
}

impl<F: FnOnce(Told) + Send> Acknowledge for Side<F> {
    fn taken(mut self: Box<Self>, taken: Taken) {
        self.tell(Told::Taken(taken));
    }

    fn not_taken(mut self: Box<Self>, why: NotTaken) {
        self.tell(Told::NotTaken(why));
    }
}

impl<F: FnOnce(Told) + Send> Drop for Side<F> {
    fn drop(&mut self) {
        self.tell(Told::NotTaken(NotTaken::Unavailable));
    }
}

/// Fresh ids that sort by the time of arrival, also within a millisecond.
#[derive(Default)]
pub struct MessageIds(Mutex<ContextV7>);

impl MessageIds {
    /// The next id.
    #[must_use]
    pub fn next(&self, now: jiff::Timestamp) -> MessageId {
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        MessageId(Uuid::new_v7(uuid::Timestamp::from_unix(&self.0, seconds, nanos)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_arrival_also_within_a_millisecond() {
        let ids = MessageIds::default();
        let now: jiff::Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let made: Vec<_> = (0..1000).map(|_| ids.next(now)).collect();
        assert!(made.is_sorted());
        assert!(made.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
