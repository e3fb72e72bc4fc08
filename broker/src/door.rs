//! The door of a destination's delivery loop: here it is told of new work, and here intake hands over what its own commits
//! have claimed.
//!
//! Most recipients can be sent at once. Intake then takes a slot of the destination, the commit claims the recipient
//! together with taking it in, and both go to the loop: no claim, no event and no bytes read back.
//!
//! **Invariant:** a slot is held by one attempt, or by one recipient on its way to it. It goes back when that is dropped,
//! on every path, and the loop hears of it.
//!
//! **Invariant:** nobody waits here. Where there is no slot, or the door is shut, the recipient waits in the journal.
//!
//! The loop alone opens and shuts its door. It is open while the loop knows of nothing more in the journal that is due, and
//! shut while something older waits for a place, while the breaker is not closed, and while the journal does not answer: so
//! newcomers never keep a slot from what waits.

use broker_core::journal::Delivery;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Bytes that are held at most by what was handed over and is being sent. Whatever is larger waits in the journal, and is
/// claimed from there in portions.
const ROOM_BYTES: usize = 32 << 20;

/// The door of one destination.
#[derive(Debug)]
pub struct Door {
    /// Something was committed that waits in the journal.
    bell: Notify,
    /// A slot went back without an attempt.
    back: Notify,
    open: AtomicBool,
    slots: Arc<Semaphore>,
    room: Arc<Semaphore>,
    inbox: UnboundedSender<Handed>,
    /// The loop's end, until it fetches it.
    outlet: Mutex<Option<UnboundedReceiver<Handed>>>,
}

impl Default for Door {
    /// A shut door without a slot, until its loop begins.
    fn default() -> Self {
        let (inbox, outlet) = mpsc::unbounded_channel();
        Self {
            bell: Notify::new(),
            back: Notify::new(),
            open: AtomicBool::new(false),
            slots: Arc::new(Semaphore::new(0)),
            room: Arc::new(Semaphore::new(ROOM_BYTES)),
            inbox,
            outlet: Mutex::new(Some(outlet)),
        }
    }
}

/// A delivery that its commit has claimed, with its place.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) delivery: Delivery,
    pub(crate) place: Place,
}

/// One slot, and the room of its bytes, for as long as this is held.
#[derive(Debug)]
pub(crate) struct Place {
    _slot: OwnedSemaphorePermit,
    _room: Option<OwnedSemaphorePermit>,
}

/// A slot for a recipient that is about to be committed. Dropped without [`Slot::hand`], it goes back.
#[derive(Debug)]
pub struct Slot {
    place: Option<Place>,
    door: Arc<Door>,
}

impl Door {
    /// Tells the loop that something waits in the journal. A bell that rings while nobody listens is remembered.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// A slot for so many bytes, if there is one right now.
    #[must_use]
    pub fn slot(self: &Arc<Self>, bytes: usize) -> Option<Slot> {
        if !self.open.load(Ordering::Acquire) {
            return None;
        }
        let room = u32::try_from(bytes).ok()?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(room).ok()?;
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Slot { place: Some(Place { _slot: slot, _room: Some(room) }), door: Arc::clone(self) })
    }

    /// Begins to serve: so many slots, and the end at which is received what is handed over. None if another loop does.
    pub(crate) fn serve(&self, slots: usize) -> Option<UnboundedReceiver<Handed>> {
        let outlet = self.outlet.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        self.slots.add_permits(slots);
        Some(outlet)
    }

    /// Waits for the bell. Cancel safe.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Waits for a slot that goes back unused. Cancel safe.
    pub(crate) async fn given_back(&self) {
        self.back.notified().await;
    }

    /// Slots that nobody holds.
    pub(crate) fn free(&self) -> usize {
        self.slots.available_permits()
    }

    /// So many slots for the loop's own claims; none if they were taken meanwhile.
    pub(crate) fn take(&self, slots: usize) -> Option<OwnedSemaphorePermit> {
        let slots = u32::try_from(slots).ok()?;
        Arc::clone(&self.slots).try_acquire_many_owned(slots).ok()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    pub(crate) fn shut(&self) {
        self.open.store(false, Ordering::Release);
    }
}

impl Place {
    /// One of the slots that were taken for a claim.
    pub(crate) fn of(slots: &mut OwnedSemaphorePermit) -> Option<Self> {
        slots.split(1).map(|slot| Self { _slot: slot, _room: None })
    }
}

impl Slot {
    /// Hands over what the commit has claimed for it.
    pub fn hand(mut self, delivery: Delivery) {
        if let Some(place) = self.place.take() {
            // Where the loop has ended it is as with all that the loop had in hand: it is unsure at the next start.
            drop(self.door.inbox.send(Handed { delivery, place }));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            drop(place);
            self.door.back.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(slots: usize) -> (Arc<Door>, UnboundedReceiver<Handed>) {
        let door = Arc::new(Door::default());
        assert!(door.slot(1).is_none(), "nobody serves yet");
        let outlet = door.serve(slots).expect("the only loop");
        assert!(door.serve(slots).is_none(), "a second one would double the slots");
        assert!(door.slot(1).is_none(), "it is shut until the loop has looked");
        door.open();
        (door, outlet)
    }

    fn delivery() -> Delivery {
        crate::delivery::tests::delivery(1)
    }

    #[tokio::test]
    async fn a_slot_goes_back_on_every_path() {
        let (door, mut outlet) = served(2);
        let (first, second) = (door.slot(1).expect("a slot"), door.slot(1).expect("another"));
        assert!(door.slot(1).is_none() && door.free() == 0, "no more than there are, and nobody waits");
        // Refused, stale, failed, or the task that held it was dropped.
        drop(first);
        door.given_back().await;
        assert_eq!(door.free(), 1);
        // Panicked.
        let panicked = tokio::spawn(async move {
            let _held = second;
            panic!("of the test");
        });
        assert!(panicked.await.is_err_and(|e| e.is_panic()));
        door.given_back().await;
        assert_eq!(door.free(), 2);
        // Handed over: it is held until the attempt is over.
        door.slot(1).expect("a slot").hand(delivery());
        let handed = outlet.recv().await.expect("what was handed over");
        assert_eq!(door.free(), 1);
        drop(handed.place);
        assert_eq!(door.free(), 2);
        // The loop has ended.
        drop(outlet);
        door.slot(1).expect("a slot").hand(delivery());
        assert_eq!(door.free(), 2);
    }

    #[test]
    fn a_shut_door_gives_no_slot_and_takes_what_is_on_its_way() {
        let (door, mut outlet) = served(2);
        let slot = door.slot(1).expect("a slot");
        door.shut();
        assert!(door.slot(1).is_none());
        slot.hand(delivery());
        assert!(outlet.try_recv().is_ok());
    }

    #[test]
    fn bytes_are_bounded_too() {
        let (door, _outlet) = served(3);
        assert!(door.slot(ROOM_BYTES + 1).is_none(), "larger than all the room");
        let most = door.slot(ROOM_BYTES - 10).expect("a slot");
        assert!(door.slot(11).is_none() && door.free() == 2, "a slot without room is not kept");
        assert!(door.slot(10).is_some());
        drop(most);
        assert!(door.slot(ROOM_BYTES).is_some());
    }
}
