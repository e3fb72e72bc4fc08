//! How many messages a queue may give us that are not settled yet: as many as were asked for, as long as their bytes fit.
//!
//! Queues give messages by number, and a library holds what it has read until it is asked for it: 200 messages of 15 MB would
//! be 3 GB before the first was looked at, after every start anew. So it begins with as many as fit if all are the largest, and
//! doubles when twice as many as now would have fit. When as many as now no longer fit, it becomes less.

use crate::budget::Budget;
use std::collections::VecDeque;

/// What may be in hand of one queue, by what came from it lately.
#[derive(Debug)]
pub(crate) struct Appetite {
    most: usize,
    bytes: usize,
    now: usize,
    /// Sizes of what came last, in bytes, the newest first; at most twice as many as may be in hand.
    lately: VecDeque<usize>,
    /// The bytes of the newest, as many as may be in hand; and of all of them.
    newest: usize,
    all: usize,
}

impl Appetite {
    /// At most `most`, and no more than fit into the budget.
    pub(crate) fn new(most: usize, budget: &Budget) -> Self {
        Self::within(most, budget.total_bytes(), budget.message_bytes())
    }

    fn within(most: usize, bytes: usize, largest: usize) -> Self {
        let most = most.max(1);
        let now = (bytes / largest.max(1)).clamp(1, most);
        Self { most, bytes, now, lately: VecDeque::new(), newest: 0, all: 0 }
    }

    /// So many may be in hand.
    pub(crate) const fn now(&self) -> usize {
        self.now
    }

    /// A message came, of so many bytes. True if that changes how many may be in hand.
    pub(crate) fn came(&mut self, size: usize) -> bool {
        self.lately.push_front(size);
        self.newest += size;
        self.all += size;
        self.newest -= self.lately.get(self.now).copied().unwrap_or_default();
        if self.lately.len() > self.now * 2 {
            self.all -= self.lately.pop_back().unwrap_or_default();
        }
        let wanted = if self.newest > self.bytes {
            self.fitting()
        } else if self.lately.len() == self.now * 2 && self.all <= self.bytes {
            self.lately.len().min(self.most)
        } else {
            self.now
        };
        let changes = wanted != self.now;
        if changes {
            self.now = wanted;
            self.lately.truncate(wanted * 2);
            self.newest = self.lately.iter().take(wanted).sum();
            self.all = self.lately.iter().sum();
        }
        changes
    }

    /// How many of the last fit together; one always may.
    fn fitting(&self) -> usize {
        let mut left = self.bytes;
        let fits = |size: &&usize| left.checked_sub(**size).map(|rest| left = rest).is_some();
        self.lately.iter().take_while(fits).count().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUDGET: usize = 256;

    fn after(sizes: impl IntoIterator<Item = usize>) -> Appetite {
        let mut appetite = Appetite::within(200, BUDGET, 20);
        for size in sizes {
            appetite.came(size);
        }
        appetite
    }

    #[test]
    fn it_grows_while_messages_are_small_and_shrinks_when_they_are_not() {
        assert_eq!(after([]).now(), 12, "as if all were the largest");
        assert_eq!(after(vec![1; 23]).now(), 12, "too few to know");
        assert_eq!(after(vec![1; 24]).now(), 24);
        assert_eq!(after(vec![0; 400]).now(), 200, "no more than was asked for");
        assert_eq!(after(vec![15; 1000]).now(), 12, "twice as many would not fit");
        assert_eq!(after(vec![0; 400].into_iter().chain([15; 17])).now(), 200, "17 of 15 fit");
        assert_eq!(after(vec![0; 400].into_iter().chain([15; 18])).now(), 17);
        assert_eq!(after(vec![0; 400].into_iter().chain([15; 18]).chain([1; 1000])).now(), 136, "again");
        assert_eq!(after([1000, 1000]).now(), 1, "one that fits nowhere comes alone");
        assert_eq!(Appetite::within(0, 0, 0).now(), 1);
        assert_eq!(Appetite::within(5, BUDGET, 20).now(), 5);
    }

    proptest! {
        #[test]
        fn as_many_as_may_be_in_hand_would_have_fit(sizes in prop::collection::vec(0usize..400, 0..600)) {
            let mut appetite = Appetite::within(50, BUDGET, 20);
            for (n, size) in sizes.iter().enumerate() {
                let before = appetite.now();
                let changed = appetite.came(*size);
                let now = appetite.now();
                prop_assert_eq!(changed, now != before);
                prop_assert!((1..=50).contains(&now));
                let last: usize = sizes[..=n].iter().rev().take(now).sum();
                prop_assert!(last <= BUDGET || now == 1, "{} of {} bytes", now, last);
            }
        }
    }
}
