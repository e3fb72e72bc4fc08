//! Which result belongs under which: by nesting, and by `RefIdResultItem`.
//!
//! An item is a member of the item around it, and of the item that it refers to. Both may hold for one item.
//! A reference that points nowhere, at itself or round in a circle is left out, with a note. What a person
//! sees is a forest: each item once, under the item around it if there is one.

use super::read::Item;
use crate::document::{NoteKind, Notes};
use foldhash::{HashMap, HashMapExt};
use smallvec::SmallVec;

/// Steps that may be spent on looking for circles in one report. Real reports need a few per reference.
const STEPS: usize = 1_000_000;

/// The links of a report's items, by their place in the list.
#[derive(Debug)]
pub(super) struct Links {
    /// Members of each item: nested ones first, then those that refer to it.
    pub members: Vec<Vec<usize>>,
    /// Where an item is shown: the item around it, else the item that it refers to.
    pub shown_under: Vec<Option<usize>>,
    /// No parent of either kind.
    pub top: Vec<bool>,
}

impl Links {
    pub(super) fn new(items: &[Item<'_>], notes: &mut Notes<'_>) -> Self {
        let mut members = vec![Vec::new(); items.len()];
        let mut by_id: HashMap<&str, SmallVec<[usize; 2]>> = HashMap::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            if let Some(around) = item.nested_in
                && let Some(list) = members.get_mut(around)
            {
                list.push(at);
            }
            if let Some(id) = item.id.as_ref().and_then(|id| id.id()) {
                by_id.entry(id).or_default().push(at);
            }
        }
        let mut referred: Vec<Option<usize>> = vec![None; items.len()];
        let mut search = Search { seen: vec![0; items.len()], round: 0, steps: STEPS };
        for (at, item) in items.iter().enumerate() {
            let Some(words) = &item.refers_to else { continue };
            let target = words.id().and_then(|id| by_id.get(id)).and_then(|list| nearest(list, at));
            let Some(target) = target else {
                notes.add(words.node, NoteKind::UnresolvedReference);
                continue;
            };
            if item.nested_in == Some(target) {
                continue;
            }
            if search.is_above(at, target, items, &referred) {
                notes.add(words.node, NoteKind::CircularReference);
                continue;
            }
            if let (Some(slot), Some(list)) = (referred.get_mut(at), members.get_mut(target)) {
                *slot = Some(target);
                list.push(at);
            }
        }
        let shown_under: Vec<_> = items.iter().zip(&referred).map(|(i, r)| i.nested_in.or(*r)).collect();
        let top = shown_under.iter().map(Option::is_none).collect();
        Self { members, shown_under, top }
    }
}

/// Of several items with the id that is meant: the nearest before, else the first behind; never the item itself.
fn nearest(places: &[usize], at: usize) -> Option<usize> {
    let before = places.partition_point(|p| *p < at);
    let behind = places.get(before..)?.iter().find(|p| **p != at);
    before.checked_sub(1).and_then(|b| places.get(b)).or(behind).copied()
}

struct Search {
    seen: Vec<u32>,
    round: u32,
    steps: usize,
}

impl Search {
    /// True if `item` is `from` or above it; true too when the steps are spent, so that nothing can turn round.
    fn is_above(&mut self, item: usize, from: usize, items: &[Item<'_>], referred: &[Option<usize>]) -> bool {
        self.round += 1;
        let mut work = vec![from];
        while let Some(here) = work.pop() {
            if here == item || self.steps == 0 {
                return true;
            }
            self.steps -= 1;
            match self.seen.get_mut(here) {
                Some(seen) if *seen != self.round => *seen = self.round,
                _ => continue,
            }
            work.extend(items.get(here).and_then(|i| i.nested_in));
            work.extend(referred.get(here).copied().flatten());
        }
        false
    }
}
