//! What a target must be told, so that it shows what is visible of a series and nothing else.
//!
//! The plan is made from what the target shows, as it is on record, and what the fold wants. So it does not matter which
//! messages have led there, nor in which order; and when both agree, there is nothing to do.
//!
//! What was begun and never confirmed is finished first, with the same ids and links: until then nobody knows what the
//! target shows. So whoever performs a plan records [`Status::Sending`] or [`Status::Withdrawing`] before it goes out.
//!
//! What is new goes out before what is surplus is withdrawn: a series is shown twice for a moment rather than not at all.
//!
//! A registry never takes an id twice. What was put out of use there and is to be seen again, since a message came late,
//! is published anew under other ids ([`Entry::again`]); the old entry stays on record, to be withdrawn with the rest.
//!
//! Source: document-sharing §2.2 (table), §2.3 (withdrawal per target, associations), §1.1 (what hangs on what).

use super::fold::{Folded, Series, State};
use super::version::Version;
use crate::published::Published;
use message_schemas::document::{Format, Keys};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// One entry in a target's registry: a format of a version, or of what was merged from several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The key of the series as it was when the entry was made: ids that are published stay.
    pub series_key: String,
    /// The message ids that it is made of, oldest first; before them [`UNKNOWN`], if what came before them is not known.
    pub of: Vec<String>,
    /// In which form.
    pub format: Format,
    /// How many entries of the same were out of use at the target when this was made: its ids are others than theirs.
    #[serde(default, skip_serializing_if = "is_first")]
    pub again: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_first(again: &u32) -> bool {
    *again == 0
}

impl Entry {
    /// What its ids are made of. A merged document is another one than that of its newest message alone: with more
    /// known, the same message gives other bytes, and ids of other bytes must be others.
    #[must_use]
    pub fn keys(&self) -> Keys {
        let merged = merged_id(&self.of);
        let msg_id = if self.again == 0 { merged } else { format!("{merged} again {}", self.again) };
        Keys { series_key: self.series_key.clone(), msg_id }
    }

    /// By what it is known in the journal: other than the ids under which targets know it, which are theirs to choose.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.keys().entry(self.format)
    }

    /// The same thing, under whatever series key, however often it was published.
    fn is(&self, other: &Self) -> bool {
        self.format == other.format && self.of == other.of
    }

    fn newest(&self) -> &str {
        self.of.last().map_or("", String::as_str)
    }
}

/// Stands where the message would stand that opened a series and is not known. A document that says of itself that it may be
/// incomplete is another one than that which is made when the message has come, so that this takes its place.
pub const UNKNOWN: &str = "(unknown)";

/// The message id of a document made of these messages, oldest first: the newest, and behind it what it was merged with.
#[must_use]
pub fn merged_id(of: &[String]) -> String {
    of.iter().rev().map(String::as_str).collect::<Vec<_>>().join("+")
}

/// An entry as it stands at a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Which.
    pub entry: Entry,
    /// How it stands.
    pub status: Status,
    /// Its links, as they were sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Which submission brought it: a number of ours for this strand and target, growing.
    pub submission: u64,
    /// As the target knows it, once it has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
}

/// How an entry stands at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It went out, and no answer is known: it may be there.
    Sending,
    /// It is visible.
    Approved,
    /// Another took its place; the target still has it.
    Superseded,
    /// Its withdrawal went out, and no answer is known.
    Withdrawing,
    /// It is gone.
    Withdrawn,
    /// The target did not take it.
    Refused,
}

impl Status {
    /// The name in the journal and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Approved => "approved",
            Self::Superseded => "superseded",
            Self::Withdrawing => "withdrawing",
            Self::Withdrawn => "withdrawn",
            Self::Refused => "refused",
        }
    }
}

/// How a new entry stands to another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Link {
    /// How.
    pub kind: LinkKind,
    /// To which: one that the target shows, or one of the same submission.
    pub to: Entry,
}

/// What a link says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// RPLC
    Replaces,
    /// XFRM
    Transforms,
    /// APND
    Appends,
}

/// Which forms a target takes beside the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Formats {
    /// The FHIR document.
    pub fhir: bool,
    /// Its rendering.
    pub pdf: bool,
    /// Attachments as documents of their own.
    pub attachments: bool,
}

/// What a target does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Habits {
    /// Replacing an original takes what was made from it, and hangs on it, with it (IHE TF-3). Then only originals are
    /// replaced, and what is made from the new one hangs on that. Whether what hangs on those goes too, registries read
    /// differently: it is replaced by name in the same submission, which both take.
    pub cascades: bool,
    /// Entries can be taken away, and taking away what is not there is no fault.
    pub deletes: bool,
}

/// What shall be visible of a strand, in the order in which it is sent.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    series: Vec<WantedSeries>,
}

#[derive(Debug, Clone)]
struct WantedSeries {
    entries: Vec<Piece>,
    /// Message ids of the series: what is shown of these belongs to it.
    messages: BTreeSet<String>,
    /// Those of them that were cancelled: whatever is made of these goes.
    closed: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Piece {
    entry: Entry,
    hangs: Hangs,
}

#[derive(Debug, Clone)]
enum Hangs {
    /// An original that stands alone: it replaces.
    Alone,
    /// On another, as what is appended to it.
    On(Entry),
    /// Made from it.
    From(Entry),
}

impl Wanted {
    /// What a fold wants of a target that takes these formats.
    #[must_use]
    pub fn of(folded: &Folded, versions: &[Version], formats: Formats) -> Self {
        let series = folded.series.iter().map(|(key, series)| wanted(key, series, versions, formats));
        Self { series: series.collect() }
    }

    /// The same without what the target does not take, in whatever version of it: what that would have replaced has no
    /// successor there, and goes.
    #[must_use]
    pub fn without(mut self, not_taken: &BTreeSet<Entry>) -> Self {
        for series in &mut self.series {
            series.entries.retain(|piece| !not_taken.iter().any(|entry| entry.is(&piece.entry)));
        }
        self
    }
}

fn wanted(key: &str, series: &Series, versions: &[Version], formats: Formats) -> WantedSeries {
    let msg_id = |at: &usize| versions.get(*at).map(|v| v.msg_id.clone()).unwrap_or_default();
    let entry = |of: Vec<String>, format| Entry { series_key: key.to_owned(), of, format, again: 0 };
    let mut entries = Vec::new();
    if let State::Visible(visible) = &series.state {
        let base = visible.originals.first().map(msg_id).unwrap_or_default();
        let base = entry(vec![base], Format::KithXml);
        for (nth, at) in visible.originals.iter().enumerate() {
            let original = entry(vec![msg_id(at)], Format::KithXml);
            let hangs = if nth == 0 { Hangs::Alone } else { Hangs::On(base.clone()) };
            entries.push(Piece { entry: original, hangs });
        }
        for document in &visible.documents {
            let unknown = visible.incomplete.then(|| UNKNOWN.to_owned());
            let of: Vec<String> =
                unknown.into_iter().chain(document.parts.iter().map(|p| msg_id(&p.version))).collect();
            let newest = of.last().cloned().unwrap_or_default();
            let from = entry(vec![newest], Format::KithXml);
            let made = [(formats.fhir, Format::Fhir), (formats.pdf, Format::Pdf)];
            for (_, format) in made.into_iter().filter(|(wanted, _)| *wanted) {
                entries.push(Piece { entry: entry(of.clone(), format), hangs: Hangs::From(from.clone()) });
            }
        }
        for at in visible.originals.iter().filter(|_| formats.attachments) {
            let on = entry(vec![msg_id(at)], Format::KithXml);
            for nth in versions.get(*at).map(|v| v.attachments.as_slice()).unwrap_or_default() {
                let attached = entry(vec![msg_id(at)], Format::Attachment(*nth));
                entries.push(Piece { entry: attached, hangs: Hangs::On(on.clone()) });
            }
        }
    }
    WantedSeries {
        entries,
        messages: series.versions.iter().chain(&series.closed).map(msg_id).collect(),
        closed: series.closed.iter().map(msg_id).collect(),
    }
}

/// One thing to tell a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Publish these together: all of them or none.
    Submit {
        /// Number of the submission.
        submission: u64,
        /// What, in order.
        entries: Vec<Planned>,
        /// What it does to entries that are there: they are superseded.
        supersedes: Vec<Entry>,
        /// It went out before, and nobody knows whether it arrived.
        again: bool,
    },
    /// Withdraw these.
    Withdraw {
        /// Which.
        entries: Vec<Entry>,
        /// What is out of use already, where that is all that withdrawing comes to: nothing is sent for these.
        gone: Vec<Entry>,
    },
}

/// An entry to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What.
    pub entry: Entry,
    /// How it stands to others.
    pub links: Vec<Link>,
}

/// What a target must be told now, in order; nothing when it shows what is wanted.
///
/// While something is begun and not confirmed, the plan is to finish that, and only that: plan again when it is done.
#[must_use]
pub fn plan(wanted: &Wanted, shown: &[Shown], habits: Habits) -> Vec<Step> {
    let unfinished = unfinished(wanted, shown, habits);
    if !unfinished.is_empty() {
        return unfinished;
    }
    let stands: Vec<&Entry> =
        wanted.series.iter().flat_map(|s| &s.entries).filter_map(|p| standing(&p.entry, shown)).collect();
    let mut next = shown.iter().map(|s| s.submission).max().unwrap_or(0) + 1;
    let (mut submissions, mut withdrawals) = (Vec::new(), Vec::new());
    for series in &wanted.series {
        let is_surplus = |e: &&Entry| series.has(e) && !series.cancels(e) && !stands.contains(e);
        let surplus: Vec<&Entry> = in_use(shown).map(|s| &s.entry).filter(is_surplus).collect();
        let (step, left) = series.submit(shown, surplus, habits, next);
        next += u64::from(step.is_some());
        // What the submission puts out of use is so by then.
        let replaced: &[Entry] = match &step {
            Some(Step::Submit { supersedes, .. }) => supersedes,
            Some(Step::Withdraw { .. }) | None => &[],
        };
        let is_out_of_use = |s: &&Shown| s.status == Status::Superseded || replaced.contains(&s.entry);
        let (out_of_use, cancelled): (Vec<&Shown>, Vec<&Shown>) = shown
            .iter()
            .filter(|s| series.cancels(&s.entry) && s.is_at_target())
            .partition(|s| is_out_of_use(s) && !habits.deletes);
        let gone: Vec<Entry> = out_of_use.into_iter().map(|s| s.entry.clone()).collect();
        let entries: Vec<Entry> = cancelled.into_iter().map(|s| &s.entry).chain(left).cloned().collect();
        // Each series by itself: one may be of another patient or sender.
        if !entries.is_empty() || !gone.is_empty() {
            withdrawals.push(Step::Withdraw { entries, gone });
        }
        submissions.extend(step);
    }
    submissions.append(&mut withdrawals);
    submissions
}

fn in_use(shown: &[Shown]) -> impl Iterator<Item = &Shown> {
    shown.iter().filter(|s| s.status == Status::Approved)
}

/// The entry in use that is the same thing; the newest, if there are several.
fn standing<'s>(entry: &Entry, shown: &'s [Shown]) -> Option<&'s Entry> {
    in_use(shown).map(|s| &s.entry).filter(|e| e.is(entry)).max_by_key(|e| e.again)
}

/// The same thing under ids that the target has not seen. What it refused it does not know.
fn anew(entry: &Entry, shown: &[Shown]) -> Entry {
    let used = shown.iter().filter(|s| s.status != Status::Refused && s.entry.is(entry));
    let again = used.map(|s| s.entry.again.saturating_add(1)).max().unwrap_or(0);
    Entry { again, ..entry.clone() }
}

/// What is in use and was made from one of these, or hangs on it.
fn children<'s>(of: &[&Entry], shown: &'s [Shown]) -> Vec<&'s Entry> {
    let is_child = |l: &Link| l.kind != LinkKind::Replaces && of.contains(&&l.to);
    in_use(shown).filter(|s| s.links.iter().any(is_child)).map(|s| &s.entry).collect()
}

/// The same, and what hangs on that in turn. A record that hangs on itself comes to an end, too.
fn descendants<'s>(of: &[&Entry], shown: &'s [Shown]) -> Vec<&'s Entry> {
    let mut all: Vec<&Entry> = Vec::new();
    let mut generation = children(of, shown);
    while !generation.is_empty() {
        all.extend(&generation);
        generation = children(&generation, shown);
        generation.retain(|e| !all.contains(e));
    }
    all
}

/// What was begun and not confirmed.
fn unfinished(wanted: &Wanted, shown: &[Shown], habits: Habits) -> Vec<Step> {
    let withdrawn = |entry: &Entry| wanted.series.iter().any(|s| s.cancels(entry));
    let mut sending: BTreeMap<u64, Vec<&Shown>> = BTreeMap::new();
    for entry in shown.iter().filter(|s| s.status == Status::Sending) {
        // What is to go anyway is not sent once more, where taking away what is not there is no fault.
        if !(habits.deletes && withdrawn(&entry.entry)) {
            sending.entry(entry.submission).or_default().push(entry);
        }
    }
    let mut steps: Vec<Step> = sending
        .into_iter()
        .map(|(submission, entries)| {
            let planned: Vec<Planned> = entries
                .into_iter()
                .map(|s| Planned { entry: s.entry.clone(), links: s.links.clone() })
                .collect();
            let supersedes = superseded_by(&planned, shown, habits);
            Step::Submit { submission, entries: planned, supersedes, again: true }
        })
        .collect();
    let withdrawing = shown.iter().filter(|s| s.status == Status::Withdrawing);
    if steps.is_empty() {
        let series_of = |entry: &Entry| wanted.series.iter().position(|s| s.has(entry));
        let mut by_series: BTreeMap<Option<usize>, Vec<Entry>> = BTreeMap::new();
        for entry in withdrawing.map(|s| s.entry.clone()) {
            by_series.entry(series_of(&entry)).or_default().push(entry);
        }
        steps.extend(by_series.into_values().map(|entries| Step::Withdraw { entries, gone: Vec::new() }));
    }
    steps
}

/// What is there and is superseded when these are taken: what they replace, and what goes with it.
#[must_use]
pub fn superseded_by(planned: &[Planned], shown: &[Shown], habits: Habits) -> Vec<Entry> {
    let replaced: Vec<&Entry> = planned
        .iter()
        .flat_map(|p| &p.links)
        .filter(|link| link.kind == LinkKind::Replaces)
        .map(|link| &link.to)
        .collect();
    // What hangs on an entry goes with it when that is replaced (IHE TF-3; document-sharing §2.3).
    let cascaded = if habits.cascades { children(&replaced, shown) } else { Vec::new() };
    in_use(shown)
        .map(|s| &s.entry)
        .filter(|entry| replaced.contains(entry) || cascaded.contains(entry))
        .cloned()
        .collect()
}

impl Shown {
    /// The target has it, or may have it.
    #[must_use]
    pub const fn is_at_target(&self) -> bool {
        !matches!(self.status, Status::Withdrawn | Status::Refused)
    }
}

impl WantedSeries {
    fn has(&self, entry: &Entry) -> bool {
        self.messages.contains(entry.newest())
    }

    /// It is made of what was cancelled, be it in part.
    fn cancels(&self, entry: &Entry) -> bool {
        self.has(entry) && entry.of.iter().any(|id| self.closed.contains(id))
    }

    /// Publishes what is missing, in the place of what is surplus. Returns what is surplus still.
    fn submit<'s>(
        &self,
        shown: &'s [Shown],
        mut surplus: Vec<&'s Entry>,
        habits: Habits,
        submission: u64,
    ) -> (Option<Step>, Vec<&'s Entry>) {
        // What goes with an original that goes, although it is still to be seen, is published anew.
        let fallen = if habits.cascades {
            let cancelled = in_use(shown).map(|s| &s.entry).filter(|e| self.cancels(e));
            let going: Vec<&Entry> = surplus.iter().copied().chain(cancelled).collect();
            descendants(&going, shown)
        } else {
            Vec::new()
        };
        let stands = |entry: &Entry| standing(entry, shown).filter(|e| !fallen.contains(e));
        let missing: Vec<(&Piece, Entry)> = self
            .entries
            .iter()
            .filter(|p| stands(&p.entry).is_none())
            .map(|p| (p, anew(&p.entry, shown)))
            .collect();
        if missing.is_empty() {
            return (None, surplus);
        }
        for entry in fallen.iter().copied().filter(|e| self.has(e) && !self.cancels(e)) {
            if !surplus.contains(&entry) {
                surplus.push(entry);
            }
        }
        // As the target knows it, which may be under an earlier key of the series.
        let known = |entry: &Entry| {
            let new = || missing.iter().map(|(_, new)| new).find(|new| new.is(entry));
            stands(entry).or_else(new).unwrap_or(entry).clone()
        };
        let mut entries = Vec::with_capacity(missing.len());
        for (piece, entry) in &missing {
            let mut links = Vec::new();
            let may_replace = match &piece.hangs {
                Hangs::Alone => true,
                Hangs::On(on) => {
                    links.push(Link { kind: LinkKind::Appends, to: known(on) });
                    entry.format != Format::KithXml
                }
                Hangs::From(from) => {
                    links.push(Link { kind: LinkKind::Transforms, to: known(from) });
                    true
                }
            };
            // What is published anew takes the place of itself, and of nothing else that is.
            let takes = |old: &Entry| {
                let its_own = missing.iter().any(|(_, new)| new.is(old));
                old.is(entry) || (may_replace && old.format == entry.format && !its_own)
            };
            let (replaced, rest): (Vec<&Entry>, Vec<&Entry>) = surplus.into_iter().partition(|e| takes(e));
            surplus = rest;
            if habits.cascades {
                let gone = children(&replaced, shown);
                surplus.retain(|e| !gone.contains(e));
            }
            links.extend(replaced.iter().map(|to| Link { kind: LinkKind::Replaces, to: (*to).clone() }));
            entries.push(Planned { entry: entry.clone(), links });
        }
        let supersedes = superseded_by(&entries, shown, habits);
        (Some(Step::Submit { submission, entries, supersedes, again: false }), surplus)
    }
}
