//! The budget of bytes in flight: how much of what senders send may be in memory at one time, over all
//! sources.
//!
//! A source reserves room before it reads, and the room travels with the offer until the source is told what
//! became of it. Where there is none, the source waits or tells its caller to come back: the pressure goes up
//! to where the messages come from, and never into memory.
//!
//! Counted are the bytes of messages as received, in bytes. Not counted is what judging them takes; that is
//! bounded by `message_schemas::Limits` and by how many are judged at a time.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The largest message that is taken in, in bytes.
    pub message_bytes: u32,
    /// All messages together that are received but not yet committed, in bytes; at least one message.
    pub total_bytes: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { message_bytes: 20_000_000, total_bytes: 256_000_000 }
    }
}

/// The budget; clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    message_bytes: usize,
    total_bytes: usize,
    free: Arc<Semaphore>,
}

/// The message is larger than any message may be; waiting does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is larger than {limit} bytes")]
pub struct TooLarge {
    /// The largest that is taken in, in bytes.
    pub limit: usize,
}

impl Budget {
    /// A budget, all of it free.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let message_bytes = usize::try_from(options.message_bytes).unwrap_or(usize::MAX);
        let total_bytes = usize::try_from(options.total_bytes).unwrap_or(usize::MAX).max(message_bytes);
        Self { message_bytes, total_bytes, free: Arc::new(Semaphore::new(total_bytes)) }
    }

    /// The largest message that is taken in, in bytes.
    #[must_use]
    pub const fn message_bytes(&self) -> usize {
        self.message_bytes
    }

    /// All messages together that may be in flight, in bytes.
    #[must_use]
    pub const fn total_bytes(&self) -> usize {
        self.total_bytes
    }

    /// Bytes reserved now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.total_bytes.saturating_sub(self.free.available_permits())
    }

    /// Room for nothing, to be grown while bytes come in.
    #[must_use]
    pub fn empty_room(&self) -> Room {
        Room { budget: self.clone(), held: None, bytes: 0 }
    }

    /// Waits for room, in the order of asking. Cancel safe: a dropped call has reserved nothing.
    ///
    /// # Errors
    /// If the message is larger than any may be.
    pub async fn reserve(&self, bytes: usize) -> Result<Room, TooLarge> {
        let mut room = self.empty_room();
        room.grow(bytes).await?;
        Ok(room)
    }

    /// Room, if there is some at once.
    #[must_use]
    pub fn try_reserve(&self, bytes: usize) -> Option<Room> {
        let wanted = u32::try_from(bytes).ok().filter(|_| bytes <= self.message_bytes)?;
        let held = Arc::clone(&self.free).try_acquire_many_owned(wanted).ok()?;
        Some(Room { budget: self.clone(), held: Some(held), bytes })
    }
}

/// Reserved room for one message. Dropping it gives it back.
#[derive(Debug)]
pub struct Room {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Room {
    /// Waits for room for so many bytes more. Cancel safe: a dropped call has reserved nothing more.
    ///
    /// # Errors
    /// If the message is thereby larger than any may be.
    pub async fn grow(&mut self, by: usize) -> Result<(), TooLarge> {
        let limit = self.budget.message_bytes;
        let bytes = self.bytes.saturating_add(by);
        let wanted = u32::try_from(by).map_err(|_| TooLarge { limit })?;
        if bytes > limit {
            return Err(TooLarge { limit });
        }
        let more = Arc::clone(&self.budget.free)
            .acquire_many_owned(wanted)
            .await
            .expect("the semaphore is never closed");
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Bytes reserved.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn small() -> Budget {
        Budget::new(Options { message_bytes: 100, total_bytes: 250 })
    }

    #[tokio::test]
    async fn room_comes_back_when_dropped() {
        let budget = small();
        let room = budget.reserve(100).await.unwrap();
        assert_eq!(budget.in_flight(), 100);
        drop(room);
        assert_eq!(budget.in_flight(), 0);
    }

    #[tokio::test]
    async fn no_message_may_be_larger_than_the_largest() {
        let budget = small();
        assert_eq!(budget.reserve(101).await.unwrap_err(), TooLarge { limit: 100 });
        let mut room = budget.reserve(60).await.unwrap();
        assert!(room.grow(41).await.is_err());
        assert!(room.grow(40).await.is_ok());
        assert_eq!((room.bytes(), budget.in_flight()), (100, 100));
    }

    #[tokio::test]
    async fn who_finds_no_room_waits_until_some_is_free() {
        let budget = small();
        let first = budget.reserve(100).await.unwrap();
        let _second = budget.reserve(100).await.unwrap();
        assert!(budget.try_reserve(51).is_none());
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { budget.reserve(100).await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished());
        drop(first);
        assert_eq!(waiting.await.unwrap().bytes(), 100);
    }

    #[test]
    fn the_total_holds_at_least_one_message() {
        let budget = Budget::new(Options { message_bytes: 100, total_bytes: 10 });
        assert!(budget.try_reserve(100).is_some());
    }
}
