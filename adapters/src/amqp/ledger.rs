//! Which deliveries of one channel are in hand, and which can be settled now.
//!
//! The server counts deliveries up, and one answer may settle all up to a number: so those that are taken, and before
//! which nothing is open, are settled at once, and the others each by itself.

use std::collections::BTreeMap;

/// Deliveries in hand, by their tag. `T` is what settles one.
#[derive(Debug)]
pub(super) struct Ledger<T> {
    in_hand: BTreeMap<u64, (T, bool)>,
}

/// What is settled now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due<T> {
    /// This one, and all before it.
    pub(super) up_to: Option<T>,
    /// Each of these.
    pub(super) single: Vec<T>,
}

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self { in_hand: BTreeMap::new() }
    }
}

impl<T> Ledger<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.in_hand.is_empty()
    }

    /// One came.
    pub(super) fn came(&mut self, tag: u64, by: T) {
        self.in_hand.insert(tag, (by, false));
    }

    /// One is durable with us.
    pub(super) fn taken(&mut self, tag: u64) {
        if let Some((_, taken)) = self.in_hand.get_mut(&tag) {
            *taken = true;
        }
    }

    /// One is given back, or kept outside of the books.
    pub(super) fn remove(&mut self, tag: u64) -> Option<T> {
        self.in_hand.remove(&tag).map(|(by, _)| by)
    }

    /// All that is taken leaves the books.
    pub(super) fn due(&mut self) -> Due<T> {
        let first_open = self.in_hand.iter().find(|(_, (_, taken))| !taken).map_or(u64::MAX, |(tag, _)| *tag);
        let later = self.in_hand.split_off(&first_open);
        let up_to = std::mem::take(&mut self.in_hand).pop_last().map(|(_, (by, _))| by);
        let mut single = Vec::new();
        for (tag, (by, taken)) in later {
            if taken {
                single.push(by);
            } else {
                self.in_hand.insert(tag, (by, taken));
            }
        }
        Due { up_to, single }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_nothing_open_before_it_is_settled_in_one_go() {
        let mut ledger = Ledger::default();
        (1..=6).for_each(|tag| ledger.came(tag, tag));
        assert_eq!(ledger.due(), Due { up_to: None, single: vec![] });
        [2, 1, 3, 5].into_iter().for_each(|tag| ledger.taken(tag));
        assert_eq!(ledger.due(), Due { up_to: Some(3), single: vec![5] });
        assert_eq!(ledger.due(), Due { up_to: None, single: vec![] });
        ledger.taken(4);
        assert_eq!(ledger.due(), Due { up_to: Some(4), single: vec![] });
        assert_eq!(ledger.remove(6), Some(6));
        assert!(ledger.is_empty());
    }

    #[test]
    fn one_that_was_given_back_does_not_hold_up_the_others() {
        let mut ledger = Ledger::default();
        (1..=3).for_each(|tag| ledger.came(tag, tag));
        assert_eq!(ledger.remove(1), Some(1));
        ledger.taken(2);
        assert_eq!(ledger.due(), Due { up_to: Some(2), single: vec![] });
        ledger.taken(9);
        assert_eq!(ledger.remove(9), None);
    }
}
