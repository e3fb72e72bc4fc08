//! Bytes of what was offered to the journal a moment ago.
//!
//! Most of it is claimed at once, by the broker that took it in: it then need not be read back from the server and unpacked.
//! Nothing rests on this. What is claimed is decided by the server alone, and what is not here is read there.

use broker_core::journal::{Entry, Payload, Recipient, RecipientId};
use broker_core::lifecycle::State;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that are held at most; the oldest go first. What is due at once is claimed within a second, at every rate that one
/// broker reaches.
const ROOM_BYTES: usize = 16 << 20;

/// What a delivery takes from its message, as it was when its recipient was made. None of it changes: whoever judges the message
/// again makes other recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Just {
    pub(super) bytes: Arc<[u8]>,
    pub(super) test: bool,
    pub(super) family: Option<String>,
}

/// What was offered lately, by its recipient.
#[derive(Debug)]
pub(super) struct Recent {
    held: Mutex<Held>,
    room_bytes: usize,
}

#[derive(Debug, Default)]
struct Held {
    of: HashMap<RecipientId, Just>,
    /// The oldest first; also some that have been taken.
    order: VecDeque<RecipientId>,
    bytes: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self { held: Mutex::default(), room_bytes: ROOM_BYTES }
    }
}

impl Recent {
    fn held(&self) -> MutexGuard<'_, Held> {
        // Every change leaves it sound, or only less full than it says.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what these entries will have sent. They may be offered before they are durable: an id that is not in the
    /// journal is never claimed. What the commit itself claims is sent from the entry.
    pub(super) fn offer(&self, entries: &[Entry]) {
        let mut held = self.held();
        for entry in entries {
            let head = entry.head.as_ref();
            let waits = |r: &&Recipient| r.state == State::Waiting && r.destination.is_some();
            for recipient in entry.recipients.iter().filter(waits) {
                let bytes = match recipient.payload {
                    Payload::Original => Some(&entry.arrival.bytes),
                    Payload::Document(at) => entry.documents.get(at).map(|document| &document.bytes),
                };
                let Some(bytes) = bytes else { continue };
                held.put(
                    recipient.id,
                    Just {
                        bytes: Arc::clone(bytes),
                        test: head.is_some_and(|h| h.test),
                        family: head.map(|h| h.kind.family.as_str().to_owned()),
                    },
                );
            }
        }
        held.make_room(self.room_bytes);
    }

    /// Takes what is there of these, in their order.
    pub(super) fn take(&self, recipients: impl Iterator<Item = RecipientId>) -> Vec<Option<Just>> {
        let mut held = self.held();
        recipients.map(|id| held.take(id)).collect()
    }
}

impl Held {
    fn put(&mut self, id: RecipientId, just: Just) {
        // Offered again, because the answer was lost: what a recipient gets never changes.
        if self.of.contains_key(&id) {
            return;
        }
        self.bytes += just.bytes.len();
        self.order.push_back(id);
        self.of.insert(id, just);
    }

    fn take(&mut self, id: RecipientId) -> Option<Just> {
        let just = self.of.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(just.bytes.len());
        Some(just)
    }

    fn make_room(&mut self, room: usize) {
        while self.bytes > room {
            let Some(oldest) = self.order.pop_front() else { return };
            self.take(oldest);
        }
        if self.order.len() > 2 * self.of.len() + 64 {
            let Self { of, order, .. } = self;
            order.retain(|id| of.contains_key(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn id(n: u128) -> RecipientId {
        RecipientId(Uuid::from_u128(n))
    }

    fn put(held: &mut Held, n: u128, size: usize) {
        held.put(id(n), Just { bytes: vec![0; size].into(), test: false, family: None });
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let mut held = Held::default();
        for n in 0..4 {
            put(&mut held, n, 10);
        }
        assert!(held.take(id(1)).is_some() && held.take(id(1)).is_none());
        held.make_room(20);
        assert_eq!(
            (0..4).map(|n| held.take(id(n)).is_some()).collect::<Vec<_>>(),
            [false, false, true, true]
        );
        assert_eq!(held.bytes, 0);
    }

    #[test]
    fn one_that_nobody_takes_holds_up_nothing() {
        let mut held = Held::default();
        put(&mut held, 0, 10);
        for n in 1..10_000 {
            put(&mut held, n, 10);
            held.make_room(1000);
            assert!(held.take(id(n)).is_some());
        }
        assert!(held.order.len() < 100 && held.take(id(0)).is_some());
    }
}
