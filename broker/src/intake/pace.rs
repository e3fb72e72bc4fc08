//! When a group is large enough for the journal.

use broker_core::ports::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;

/// While others are under way, groups begin so far apart. At 300 messages a second, groups of one or two cost both cores of a
/// small machine; those that gather in this time cost a third of it.
const APART: Duration = Duration::from_millis(15);

/// The pace of one step before the journal.
pub(super) struct Pace {
    /// What is left of the window: all that intake is busy with holds a part of it.
    window: Arc<Semaphore>,
    size: usize,
    clock: Arc<dyn Clock>,
    /// When the last group began, on the monotonic clock.
    last: Option<Duration>,
}

impl Pace {
    pub(super) fn new(window: Arc<Semaphore>, size: usize, clock: Arc<dyn Clock>) -> Self {
        Self { window, size, clock, last: None }
    }

    /// Fills `group` with what has come, `most` at the most; waits for the first, and for others if there are any. False if
    /// nothing will come any more.
    pub(super) async fn gather<T>(
        &mut self,
        from: &mut UnboundedReceiver<T>,
        group: &mut Vec<T>,
        most: usize,
    ) -> bool {
        if from.recv_many(group, most).await == 0 {
            return false;
        }
        let until = self.last.map(|last| last.saturating_add(APART));
        while let Some(left) = until.and_then(|until| until.checked_sub(self.clock.monotonic()))
            && !left.is_zero()
            && group.len() < most
            && self.others_are_under_way(group.len())
        {
            let more = from.recv_many(group, most - group.len());
            match tokio::time::timeout(left, more).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        self.last = Some(self.clock.monotonic());
        true
    }

    fn others_are_under_way(&self, gathered: usize) -> bool {
        self.size.saturating_sub(self.window.available_permits()) > gathered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapters::clock::SystemClock;
    use tokio::sync::mpsc;
    use tokio::time::Instant;

    const MOST: usize = 8;

    fn pace(under_way: usize) -> Pace {
        let window = Arc::new(Semaphore::new(100 - under_way));
        Pace::new(window, 100, Arc::new(SystemClock::new()))
    }

    async fn gathered(pace: &mut Pace, from: &mut UnboundedReceiver<u32>) -> (usize, bool) {
        let (mut group, began) = (Vec::new(), Instant::now());
        assert!(pace.gather(from, &mut group, MOST).await);
        (group.len(), began.elapsed() >= APART / 2)
    }

    #[tokio::test]
    async fn a_lone_message_waits_for_nobody_and_others_for_one_another() {
        let (into, mut from) = mpsc::unbounded_channel();
        let mut alone = pace(1);
        for n in 0..3 {
            into.send(n).expect("it is read");
            assert_eq!(gathered(&mut alone, &mut from).await, (1, false));
        }
        let mut busy = pace(9);
        into.send(0).expect("it is read");
        assert_eq!(gathered(&mut busy, &mut from).await, (1, false), "the first group begins at once");
        into.send(1).expect("it is read");
        let later = into.clone();
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            (2..4).for_each(|n| later.send(n).expect("it is read"));
        });
        assert_eq!(gathered(&mut busy, &mut from).await, (3, true));
        // As many as fit are enough.
        (0..20).for_each(|n| into.send(n).expect("it is read"));
        assert_eq!(gathered(&mut busy, &mut from).await, (MOST, false));
        drop(into);
        assert_eq!(gathered(&mut busy, &mut from).await.0, MOST);
        assert_eq!(gathered(&mut busy, &mut from).await.0, 4);
        assert!(!busy.gather(&mut from, &mut Vec::new(), MOST).await, "nothing will come any more");
    }
}
