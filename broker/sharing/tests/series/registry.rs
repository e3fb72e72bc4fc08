//! What a strict registry takes: no id twice, and nothing that hangs on, or takes the place of, what is out of use.
//!
//! A registry in memory decides by itself what is in use, whatever is on record of it. So it sees what a target that
//! believes all it is told does not: that a plan asks for what cannot be had, and that the record is wrong.

use crate::make::{let_in, report, version};
use crate::orders::Dice;
use message_schemas::document::Format;
use sharing::series::Change::{Cancelled, Changed, New};
use sharing::series::{
    Conflict, Entry, Formats, Habits, LinkKind, Ruling, Shown, Status, Step, Version, Wanted, fold,
    merged_id, plan,
};
use std::collections::BTreeMap;
use uuid::Uuid;

const ALL: Formats = Formats { fhir: true, pdf: false, attachments: true };

/// How a registry behaves.
#[derive(Debug, Clone, Copy)]
struct Ways {
    habits: Habits,
    /// What hangs on what goes with an original goes, too.
    to_the_last: bool,
    /// What is withdrawn is replaced by another document: it must be in use.
    tombstones: bool,
}

const WAYS: [Ways; 5] = [
    Ways { habits: Habits { cascades: false, deletes: true }, to_the_last: false, tombstones: false },
    Ways { habits: Habits { cascades: false, deletes: false }, to_the_last: false, tombstones: true },
    Ways { habits: Habits { cascades: true, deletes: true }, to_the_last: false, tombstones: false },
    Ways { habits: Habits { cascades: true, deletes: false }, to_the_last: false, tombstones: true },
    Ways { habits: Habits { cascades: true, deletes: false }, to_the_last: true, tombstones: false },
];

fn text(entry: &Entry) -> String {
    format!("{}/{}", merged_id(&entry.of), entry.format)
}

struct Registry {
    ways: Ways,
    /// By id: what it is, and whether it is in use. What was deleted is not there, but its id was used.
    entries: BTreeMap<Uuid, (String, bool)>,
    used: Vec<Uuid>,
    /// `(child, parent)`
    hanging: Vec<(Uuid, Uuid)>,
}

impl Registry {
    fn in_use(&self, id: Uuid) -> bool {
        self.entries.get(&id).is_some_and(|e| e.1)
    }

    fn put_out_of_use(&mut self, id: Uuid, depth: usize) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.1 = false;
        }
        if self.ways.habits.cascades && (depth == 0 || self.ways.to_the_last) {
            let children: Vec<Uuid> = self.hanging.iter().filter(|(_, on)| *on == id).map(|h| h.0).collect();
            children.into_iter().for_each(|child| self.put_out_of_use(child, depth + 1));
        }
    }

    fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Submit { entries, .. } => {
                let fresh: Vec<Uuid> = entries.iter().map(|p| p.entry.id()).collect();
                for planned in entries {
                    if self.used.contains(&planned.entry.id()) {
                        return Err(format!("duplicate: {}", text(&planned.entry)));
                    }
                    for link in &planned.links {
                        let id = link.to.id();
                        let its_own = link.kind != LinkKind::Replaces && fresh.contains(&id);
                        if !self.in_use(id) && !its_own {
                            return Err(format!("{} to {}", text(&planned.entry), text(&link.to)));
                        }
                    }
                }
                let links = || entries.iter().flat_map(|p| p.links.iter().map(move |l| (&p.entry, l)));
                for (_, link) in links().filter(|(_, l)| l.kind == LinkKind::Replaces) {
                    self.put_out_of_use(link.to.id(), 0);
                }
                let hanging = links().filter(|(_, l)| l.kind != LinkKind::Replaces);
                self.hanging.extend(hanging.map(|(entry, l)| (entry.id(), l.to.id())));
                self.entries.extend(entries.iter().map(|p| (p.entry.id(), (text(&p.entry), true))));
                self.used.extend(fresh);
            }
            Step::Withdraw { entries, .. } => {
                for id in entries.iter().map(Entry::id) {
                    if self.ways.tombstones && !self.in_use(id) {
                        return Err("a tombstone in the place of what is out of use".to_owned());
                    }
                }
                for id in entries.iter().map(Entry::id) {
                    if self.ways.habits.deletes {
                        self.entries.remove(&id);
                    } else {
                        let depth = usize::from(!self.ways.tombstones);
                        self.put_out_of_use(id, depth);
                    }
                }
            }
        }
        Ok(())
    }
}

/// A registry, and what is on record of it.
struct Told {
    registry: Registry,
    shown: Vec<Shown>,
}

impl Told {
    fn new(ways: Ways) -> Self {
        let registry = Registry { ways, entries: BTreeMap::new(), used: Vec::new(), hanging: Vec::new() };
        Self { registry, shown: Vec::new() }
    }

    /// All of these, as they arrive.
    fn all(ways: Ways, arrived: &[Version]) -> Result<Self, String> {
        let mut told = Self::new(ways);
        for known in 1..=arrived.len() {
            told.settle(&arrived[..known])?;
        }
        Ok(told)
    }

    fn settle(&mut self, versions: &[Version]) -> Result<(), String> {
        let wanted = Wanted::of(&fold(versions), versions, ALL);
        for _ in 0..4 {
            let steps = plan(&wanted, &self.shown, self.registry.ways.habits);
            if steps.is_empty() {
                return Ok(());
            }
            for step in steps {
                self.registry.take(&step)?;
                self.write_down(step);
            }
        }
        Err("it does not come to an end".to_owned())
    }

    fn write_down(&mut self, step: Step) {
        let mut set = |entries: &[Entry], status: Status| {
            let of = self.shown.iter_mut().filter(|s| entries.contains(&s.entry));
            of.for_each(|s| s.status = status);
        };
        match step {
            Step::Submit { submission, entries, supersedes, .. } => {
                set(&supersedes, Status::Superseded);
                self.shown.extend(entries.into_iter().map(|p| Shown {
                    entry: p.entry,
                    status: Status::Approved,
                    links: p.links,
                    submission,
                    published: None,
                }));
            }
            Step::Withdraw { entries, gone } => {
                set(&entries, Status::Withdrawn);
                set(&gone, Status::Withdrawn);
            }
        }
    }

    /// What the registry has in use.
    fn visible(&self) -> Vec<&str> {
        let mut all: Vec<&str> =
            self.registry.entries.values().filter(|e| e.1).map(|e| e.0.as_str()).collect();
        all.sort_unstable();
        all
    }

    fn on_record(&self, status: Status) -> Vec<String> {
        let mut all: Vec<String> =
            self.shown.iter().filter(|s| s.status == status).map(|s| text(&s.entry)).collect();
        all.sort_unstable();
        all
    }
}

/// That every order comes to what comes of all at once, and that the record says of the registry what is so.
fn check(history: &[Version], what: &str) {
    let closed = closed(history);
    for ways in WAYS {
        let mut whole = Told::new(ways);
        whole.settle(history).expect("all at once");
        for order in crate::make::orders(history) {
            let ids: Vec<&str> = order.iter().map(|v| v.msg_id.as_str()).collect();
            let told = match Told::all(ways, &order) {
                Ok(told) => told,
                Err(why) => panic!("{what}, {ways:?}, arrived as {ids:?}: {why}\n{order:#?}"),
            };
            assert_eq!(told.visible(), whole.visible(), "{what}, {ways:?}, arrived as {ids:?}");
            assert_eq!(told.visible(), told.on_record(Status::Approved), "{what}, {ways:?}, as {ids:?}");
            let of_closed = told.shown.iter().filter(|s| s.entry.of.iter().any(|id| closed.contains(id)));
            for entry in of_closed {
                let (text, status) = (text(&entry.entry), entry.status);
                assert_eq!(status, Status::Withdrawn, "{what}, {ways:?}, as {ids:?}: {text} was cancelled");
            }
            let let_in = history.iter().any(|v| !v.ruling.in_spite_of.is_empty());
            if history.iter().any(|v| v.change == Cancelled) && !let_in && whole.visible().is_empty() {
                let gone = told.on_record(Status::Withdrawn).len();
                assert_eq!(gone, told.shown.len(), "{what}, {ways:?}, {ids:?}: each is withdrawn");
                let left = told.registry.entries.len();
                assert!(!ways.habits.deletes || left == 0, "{what}, {ids:?}: {left} are left");
            }
        }
    }
}

/// What was cancelled, by message ids.
fn closed(history: &[Version]) -> Vec<String> {
    let folded = fold(history);
    let all = folded.series.values().flat_map(|series| &series.closed);
    all.map(|at| history[*at].msg_id.clone()).collect()
}

#[test]
fn a_difference_that_was_replaced_before_the_beginning_came_is_published_anew() {
    let p = report("p", 2, Changed, &["CRP"]);
    let a = report("a", 3, Changed, &["CRP", "FT4"]);
    let n = report("n", 1, New, &["K", "Na", "CRP"]);
    let c = report("c", 4, Cancelled, &[]);
    check(&[n.clone(), p.clone(), a.clone()], "a late beginning");
    check(&[n.clone(), p.clone(), a.clone(), c], "a late beginning, and a cancellation");
    for ways in WAYS {
        let told = Told::all(ways, &[p.clone(), a.clone(), n.clone()]).expect("it is taken");
        let originals: Vec<&str> = told.visible().into_iter().filter(|e| e.ends_with("/kith-xml")).collect();
        assert_eq!(originals, ["a/kith-xml", "n/kith-xml", "p/kith-xml"]);
        let copies: Vec<u32> = told
            .shown
            .iter()
            .filter(|s| s.entry.of == ["p"] && s.entry.format == Format::KithXml)
            .map(|s| s.entry.again)
            .collect();
        assert_eq!(copies, [0, 1]);
    }
}

#[test]
fn a_change_between_what_is_there_and_what_hangs_on_it_takes_nothing_away() {
    let n = report("n", 1, New, &["A", "B"]);
    let m = report("m", 2, Changed, &["A", "B", "C"]);
    let mut p = report("p", 3, Changed, &["A"]);
    p.attachments = vec![1];
    check(&[n.clone(), m.clone(), p.clone()], "a late change");
    check(&[n, m, p, report("c", 4, Cancelled, &[])], "a late change, and a cancellation");
}

#[test]
fn of_a_series_that_is_withdrawn_only_what_is_in_use_is_replaced() {
    let versions = [version("n", 1, New), version("m", 2, Changed), version("c", 3, Cancelled)];
    check(&versions, "a cancellation");
}

#[test]
fn a_strict_registry_takes_histories_made_by_chance_in_every_order() {
    let mut dice = Dice(0x5EED_0011);
    for nth in 0..100 {
        let length = 2 + dice.roll(3);
        let history = with_attachments(dice.history(length));
        check(&history, &format!("history {nth}"));
    }
}

/// The same message has the same attachments, whenever it comes.
fn with_attachments(mut history: Vec<Version>) -> Vec<Version> {
    for version in &mut history {
        let few = u32::from(version.msg_id.ends_with(['1', '2']));
        version.attachments = (1..=few).collect();
    }
    history
}

#[test]
fn what_a_person_rules_comes_to_the_same_in_every_order() {
    let n = report("n", 1, New, &["A", "B"]);
    let c = report("c", 2, Cancelled, &[]);
    let p = let_in(report("p", 3, Changed, &["A"]), Conflict::AfterCancel);
    check(&[n.clone(), c.clone(), p.clone()], "a difference behind a cancellation");
    check(&[n, c, p, report("m", 4, Changed, &["A", "B"])], "and a change of it");
    let mut dice = Dice(0x5EED_0012);
    for nth in 0..150 {
        let length = 2 + dice.roll(3);
        let history = with_attachments(dice.ruled_history(length));
        check(&history, &format!("ruled history {nth}"));
    }
}

/// A ruling that is given when everything has arrived and was told leads where it would have led at once.
#[test]
fn it_does_not_matter_when_a_person_rules() {
    let mut dice = Dice(0x5EED_0013);
    for nth in 0..300 {
        let length = 2 + dice.roll(4);
        let history = with_attachments(dice.ruled_history(length));
        let unruled = |v: &Version| Version { ruling: Ruling::default(), ..v.clone() };
        let arrived: Vec<Version> = history.iter().map(unruled).collect();
        for ways in WAYS {
            let mut at_once = Told::new(ways);
            at_once.settle(&history).expect("at once");
            let mut told = Told::all(ways, &arrived).expect("it is told");
            told.settle(&history)
                .unwrap_or_else(|why| panic!("history {nth}, {ways:?}: {why}\n{history:#?}"));
            assert_eq!(told.visible(), at_once.visible(), "history {nth}, {ways:?}");
            assert_eq!(told.visible(), told.on_record(Status::Approved), "history {nth}, {ways:?}");
        }
    }
}
