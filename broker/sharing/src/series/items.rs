//! The results of a laboratory report over its versions.
//!
//! A change should carry every result again (HITS 1102), but laboratories also send differences: one cancelled result
//! for a report that had dozens. To take such a message for the whole would make valid results vanish. So what it leaves
//! out stays, with the version that it came from.

use super::version::Version;
use std::collections::{HashMap, HashSet};

/// The top-level results that are visible, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Results<'v> {
    slots: Vec<Slot>,
    at: HashMap<&'v str, usize>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    version: usize,
    /// Its place among the top-level results of its message.
    item: usize,
    cancelled: bool,
}

impl<'v> Results<'v> {
    /// Whether a message says something of every result that is there and not cancelled.
    pub(super) fn covered_by(&self, version: &Version) -> bool {
        let said: HashSet<&str> = version.items.iter().map(|i| i.key.as_str()).collect();
        self.at.iter().all(|(key, at)| self.slots.get(*at).is_none_or(|s| s.cancelled) || said.contains(key))
    }

    /// The message is whole: only its results are there.
    pub(super) fn replace(&mut self, at: usize, version: &'v Version) {
        self.slots.clear();
        self.at.clear();
        self.merge(at, version);
    }

    /// The message is a difference: its results win, the others stay.
    pub(super) fn merge(&mut self, at: usize, version: &'v Version) {
        for (item, sent) in version.items.iter().enumerate() {
            let slot = Slot { version: at, item, cancelled: sent.cancelled };
            match self.at.get(sent.key.as_str()).and_then(|place| self.slots.get_mut(*place)) {
                Some(earlier) => *earlier = slot,
                None => {
                    self.at.insert(&sent.key, self.slots.len());
                    self.slots.push(slot);
                }
            }
        }
    }

    /// The results that stay of each version, by their place in its message, in order.
    pub(super) fn kept_of(&self, version: usize) -> Vec<usize> {
        let mut kept: Vec<usize> =
            self.slots.iter().filter(|s| s.version == version).map(|s| s.item).collect();
        kept.sort_unstable();
        kept
    }
}
