//! Which deliveries of one channel are in hand, and which can be settled now.
//!
//! The server counts deliveries up, and one answer may settle all up to a number: so those that are taken, and before
//! which nothing is open, are settled at once, and the others each by itself.
//!
//! **Invariant:** nothing that is open is settled along with others. One that is kept, since the journal did not take it, is
//! open like any other; one that is given back was given back before the next that is settled.

use std::collections::BTreeMap;

/// Deliveries in hand, by their tag. `T` is what settles one.
#[derive(Debug)]
pub(super) struct Ledger<T> {
    in_hand: BTreeMap<u64, (T, bool)>,
    /// One that the journal did not take, to be offered again.
    kept: Option<(u64, T)>,
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
        Self { in_hand: BTreeMap::new(), kept: None }
    }
}

impl<T> Ledger<T> {
    /// True when intake has told of all: at most the one is left that is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.in_hand.is_empty()
    }

    /// True while intake has not told of it.
    pub(super) fn knows(&self, tag: u64) -> bool {
        self.in_hand.contains_key(&tag)
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

    /// One is to be given back, before the next is settled.
    pub(super) fn remove(&mut self, tag: u64) -> Option<T> {
        self.in_hand.remove(&tag).map(|(by, _)| by)
    }

    /// One was not taken. The first is kept; every other is to be given back, before the next is settled.
    pub(super) fn not_taken(&mut self, tag: u64) -> Option<T> {
        let by = self.remove(tag)?;
        if self.kept.is_some() {
            return Some(by);
        }
        self.kept = Some((tag, by));
        None
    }

    /// The one that is kept leaves the books, to be offered again or given back.
    pub(super) const fn take_kept(&mut self) -> Option<(u64, T)> {
        self.kept.take()
    }

    /// It is kept further, or another in its place.
    pub(super) fn keep(&mut self, tag: u64, by: T) {
        self.kept = Some((tag, by));
    }

    /// All that is taken leaves the books.
    pub(super) fn due(&mut self) -> Due<T> {
        let in_hand = self.in_hand.iter().find(|(_, (_, taken))| !taken).map(|(tag, _)| *tag);
        let kept = self.kept.as_ref().map(|(tag, _)| *tag);
        let first_open = in_hand.into_iter().chain(kept).min().unwrap_or(u64::MAX);
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

    #[test]
    fn one_that_is_kept_is_not_settled_with_those_behind_it() {
        let mut ledger = Ledger::default();
        (1..=5).for_each(|tag| ledger.came(tag, tag));
        ledger.taken(1);
        assert_eq!(ledger.not_taken(2), None, "it is kept");
        assert_eq!(ledger.not_taken(3), Some(3), "there is one already");
        assert_eq!(ledger.not_taken(9), None, "nobody knows it");
        [4, 5].into_iter().for_each(|tag| ledger.taken(tag));
        assert_eq!(ledger.due(), Due { up_to: Some(1), single: vec![4, 5] });
        assert!(ledger.is_empty());
        assert_eq!(ledger.take_kept(), Some((2, 2)));
        ledger.came(6, 6);
        ledger.taken(6);
        assert_eq!(ledger.due(), Due { up_to: Some(6), single: vec![] });
    }
}
