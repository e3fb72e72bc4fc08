//! Which series each message belongs to.
//!
//! Most documents say it themselves. Nursing and care messages (PLO) do not: a new one always opens a series of its own,
//! since one conversation may hold several documents of one type; a change or cancellation belongs to the series of its
//! parent. While the parent is unknown, it is keyed by its conversation; when the parent arrives it is assigned anew.

use super::version::{Names, Version};
use message_schemas::document::normal_id;
use std::collections::{HashMap, HashSet};

/// Where a version belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In the series with this key, as its owner's.
    Series(String),
    /// It is a cancellation of a series with this key, which is another sender's.
    Foreign(String),
    /// It changes or cancels something and does not say what.
    Nowhere,
}

/// The place of every version, in their order.
pub(super) fn places(versions: &[Version]) -> Vec<Place> {
    let mut known = Known { by_id: HashMap::with_capacity(versions.len()), roots: HashMap::new() };
    for (at, version) in versions.iter().enumerate() {
        if !matches!(version.names, Names::Series(_)) {
            known.by_id.entry((&version.family, &version.msg_id)).or_insert(at);
        }
    }
    (0..versions.len()).filter_map(|at| known.place(at, versions)).collect()
}

/// The messages that others may follow, and the beginnings that were found.
struct Known<'v> {
    by_id: HashMap<(&'v str, &'v str), usize>,
    roots: HashMap<usize, usize>,
}

impl<'v> Known<'v> {
    fn place(&mut self, at: usize, versions: &'v [Version]) -> Option<Place> {
        let version = versions.get(at)?;
        Some(match &version.names {
            Names::Series(id) => Place::Series(key(version, id)),
            Names::Opens { .. } => Place::Series(key(version, &version.msg_id)),
            Names::Follows { parent: None, conversation: None } => Place::Nowhere,
            Names::Follows { .. } => {
                let root = versions.get(self.root(at, versions))?;
                let id = match &root.names {
                    Names::Follows { parent, conversation } => {
                        conversation.as_ref().or(parent.as_ref()).unwrap_or(&root.msg_id)
                    }
                    Names::Opens { .. } | Names::Series(_) => &root.msg_id,
                };
                if root.sender == version.sender {
                    Place::Series(key(root, id))
                } else if version.has_content() {
                    // Another's answer to it, whatever it calls itself: shown as its own, in the place of nothing.
                    Place::Series(key(version, id))
                } else {
                    Place::Foreign(key(root, id))
                }
            }
        })
    }

    /// The first message that is known of those that this one follows. In a circle it is the one with the smallest id,
    /// so that all of the circle have the same.
    fn root(&mut self, from: usize, versions: &'v [Version]) -> usize {
        let mut path = vec![from];
        let mut passed: HashSet<usize> = HashSet::from([from]);
        let mut at = from;
        let root = loop {
            if let Some(root) = self.roots.get(&at) {
                break *root;
            }
            let Some(before) = self.before(at, versions) else { break at };
            if !passed.insert(before) {
                let circle = path.iter().skip_while(|passed| **passed != before);
                break circle.copied().min_by_key(|at| versions.get(*at).map(|v| &v.msg_id)).unwrap_or(at);
            }
            path.push(before);
            at = before;
        };
        self.roots.extend(path.into_iter().map(|passed| (passed, root)));
        root
    }

    /// The message that this one follows, if it is known.
    fn before(&self, at: usize, versions: &'v [Version]) -> Option<usize> {
        let version = versions.get(at)?;
        let Names::Follows { parent: Some(parent), .. } = &version.names else { return None };
        self.by_id.get(&(version.family.as_str(), normal_id(parent).as_str())).copied()
    }
}

//= document-sharing §2.1
//# seriesKey = family + "|" + senderOrg + "|" + seriesId; schema version is not part of it.
fn key(owner: &Version, id: &str) -> String {
    format!("{}|{}|{}", owner.family, owner.sender, normal_id(id))
}
