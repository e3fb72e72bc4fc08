//! One submission of what a plan wants published together, with the links that it wants.
//!
//! Metadata and bytes are those of [`crate::submission`], made of each document by itself. Here they become one set: of
//! the documents of several messages, if a message that came late needs that; and with links between them, and to what
//! the target shows, as the plan says.

use super::plan::{Entry, LinkKind, Planned, Shown};
use crate::metadata::Link;
use crate::published::Published;
use crate::submission::{Relation, Submission, association};
use crate::target::Target;
use message_schemas::document::NAMESPACE;
use std::collections::HashMap;
use uuid::Uuid;

/// What was made of one document: which messages it is of, and its submission by itself.
#[derive(Debug, Clone)]
pub struct Made {
    /// As [`Entry::of`].
    pub of: Vec<String>,
    /// Its own submission; its links are passed over.
    pub submission: Submission,
}

/// One submission for one step of a plan.
#[derive(Debug, Clone)]
pub struct Assembled {
    /// What is sent.
    pub submission: Submission,
    /// Which of the planned entries are in it, in its order; the target does not take the others.
    pub entries: Vec<Planned>,
}

/// Puts together what is published at once. `number` is that of the step; `shown` is what the target shows.
///
/// None if nothing of it is taken by the target.
#[must_use]
pub fn assemble(planned: &[Planned], made: Vec<Made>, shown: &[Shown], number: u64) -> Option<Assembled> {
    let mut submission = made.iter().max_by_key(|m| m.of.len())?.submission.clone();
    submission.entries.clear();
    submission.relations.clear();
    submission.obsolete.clear();
    let mut sources: HashMap<Vec<String>, Vec<_>> =
        made.into_iter().map(|m| (m.of, m.submission.entries)).collect();
    let mut entries = Vec::with_capacity(planned.len());
    for plan in planned {
        let Some(source) = sources.get_mut(&plan.entry.of) else { continue };
        if let Some(at) = source.iter().position(|e| e.format == plan.entry.format) {
            let mut entry = source.swap_remove(at);
            if plan.entry.again > 0 {
                let keys = plan.entry.keys();
                let shared = entry.entry == entry.document;
                entry.document = keys.document(entry.format);
                entry.entry = if shared { entry.document } else { keys.entry(entry.format) };
            }
            submission.entries.push(entry);
            entries.push(plan.clone());
        }
    }
    if entries.is_empty() {
        return None;
    }
    let own = submission.set.id;
    let used = |s: &Shown| s.submission != number && s.published.as_ref().is_some_and(|p| p.set == own);
    if shown.iter().any(used) {
        // What was left out then, or refused, comes in a set of its own.
        submission.set.id = Uuid::new_v5(&NAMESPACE, format!("set|{own}|{number}").as_bytes());
    }
    let within: Vec<(Entry, Uuid)> =
        entries.iter().zip(&submission.entries).map(|(p, e)| (p.entry.clone(), e.entry)).collect();
    for (plan, (_, id)) in entries.iter().zip(&within) {
        for link in &plan.links {
            let kind = match link.kind {
                LinkKind::Replaces => Link::Replaces,
                LinkKind::Transforms => Link::Transforms,
                LinkKind::Appends => Link::Appends,
            };
            if let Some((_, target)) = within.iter().find(|(entry, _)| *entry == link.to) {
                submission.relations.push(Relation {
                    id: association(*id, kind.code(), *target),
                    entry: *id,
                    link: kind,
                    target: *target,
                    location: None,
                    within: true,
                });
            } else if let Some(old) =
                shown.iter().find(|s| s.entry == link.to).and_then(|s| s.published.as_ref())
            {
                submission.relations.push(Relation::to_earlier(*id, kind, old));
            }
        }
    }
    Some(Assembled { submission, entries })
}

/// An entry as it must be called at a target whose answer was lost.
#[must_use]
pub fn expected(entry: &Entry, target: &Target) -> Published {
    let keys = entry.keys();
    let document = keys.document(entry.format);
    Published {
        entry: if target.shares_ids() { document } else { keys.entry(entry.format) },
        document,
        set: keys.set(),
        format: entry.format,
        sha1: String::new(),
        size: 0,
        location: None,
        associations: Vec::new(),
    }
}
