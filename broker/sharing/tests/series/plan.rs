//! What a target is told: a target in memory that does what it is told, and forgets answers.

use crate::make::{report, version};
use message_schemas::document::Format;
use sharing::series::Change::{Cancelled, Changed, New};
use sharing::series::{
    Entry, Formats, Habits, LinkKind, Planned, Shown, Status, Step, Version, Wanted, fold, plan,
};

const ALL: Formats = Formats { fhir: true, pdf: true, attachments: true };
const PLAIN: Habits = Habits { cascades: false, deletes: true };
const CASCADES: Habits = Habits { cascades: true, deletes: true };

fn text(entry: &Entry) -> String {
    format!("{}/{}", entry.of.iter().rev().cloned().collect::<Vec<_>>().join("+"), entry.format)
}

/// A step in words: what is published, how it stands to others, what is withdrawn.
fn told(step: &Step) -> Vec<String> {
    let link = |l: &sharing::series::Link| {
        let kind = match l.kind {
            LinkKind::Replaces => "replaces",
            LinkKind::Transforms => "from",
            LinkKind::Appends => "on",
        };
        format!(" {kind} {}", text(&l.to))
    };
    match step {
        Step::Submit { entries, .. } => entries
            .iter()
            .map(|p: &Planned| format!("{}{}", text(&p.entry), p.links.iter().map(link).collect::<String>()))
            .collect(),
        Step::Withdraw { entries, .. } => {
            vec![format!("withdraw {}", entries.iter().map(text).collect::<Vec<_>>().join(" "))]
        }
    }
}

/// What is on record of a target, and what it was told.
#[derive(Default)]
struct Target {
    shown: Vec<Shown>,
    told: Vec<String>,
}

impl Target {
    fn set(&mut self, entry: &Entry, status: Status) {
        self.shown.iter_mut().filter(|s| s.entry == *entry).for_each(|s| s.status = status);
    }

    fn begin(&mut self, step: &Step) {
        match step {
            Step::Submit { submission, entries, .. } => {
                for planned in entries {
                    self.shown.retain(|s| s.entry != planned.entry);
                    self.shown.push(Shown {
                        entry: planned.entry.clone(),
                        status: Status::Sending,
                        links: planned.links.clone(),
                        submission: *submission,
                        published: None,
                    });
                }
            }
            Step::Withdraw { entries, .. } => {
                entries.iter().for_each(|entry| self.set(entry, Status::Withdrawing));
            }
        }
    }

    fn end(&mut self, step: &Step) {
        self.told.extend(told(step));
        match step {
            Step::Submit { entries, supersedes, .. } => {
                entries.iter().for_each(|p| self.set(&p.entry, Status::Approved));
                supersedes.iter().for_each(|entry| self.set(entry, Status::Superseded));
            }
            Step::Withdraw { entries, gone } => {
                entries.iter().chain(gone).for_each(|entry| self.set(entry, Status::Withdrawn));
            }
        }
    }

    /// Until there is nothing more to do.
    fn settle(&mut self, versions: &[Version], habits: Habits) {
        let wanted = Wanted::of(&fold(versions), versions, ALL);
        for round in 0.. {
            let steps = plan(&wanted, &self.shown, habits);
            if steps.is_empty() {
                break;
            }
            assert!(round < 4, "it does not come to an end: {steps:?}");
            for step in steps {
                self.begin(&step);
                self.end(&step);
            }
        }
    }

    fn visible(&self) -> Vec<String> {
        let approved = self.shown.iter().filter(|s| s.status == Status::Approved);
        let mut all: Vec<String> = approved.map(|s| text(&s.entry)).collect();
        all.sort();
        all
    }
}

#[test]
fn a_new_document_goes_out_in_all_its_forms_at_once() {
    let mut n = version("n", 1, New);
    n.attachments = vec![1, 2];
    let mut target = Target::default();
    target.settle(&[n], PLAIN);
    assert_eq!(
        target.told,
        [
            "n/kith-xml",
            "n/fhir from n/kith-xml",
            "n/pdf from n/kith-xml",
            "n/attachment-1 on n/kith-xml",
            "n/attachment-2 on n/kith-xml"
        ]
    );
}

#[test]
fn a_change_replaces_each_form_and_withdraws_what_has_no_successor() {
    let mut n = version("n", 1, New);
    n.attachments = vec![1, 2];
    let mut m = version("m", 2, Changed);
    m.attachments = vec![1];
    let mut target = Target::default();
    target.settle(&[n.clone()], PLAIN);
    target.told.clear();
    target.settle(&[n, m], PLAIN);
    assert_eq!(
        target.told,
        [
            "m/kith-xml replaces n/kith-xml",
            "m/fhir from m/kith-xml replaces n/fhir",
            "m/pdf from m/kith-xml replaces n/pdf",
            "m/attachment-1 on m/kith-xml replaces n/attachment-1",
            "withdraw n/attachment-2"
        ]
    );
}

#[test]
fn where_replacing_cascades_only_originals_are_replaced() {
    let mut n = version("n", 1, New);
    n.attachments = vec![1];
    let versions = [n, version("m", 2, Changed)];
    let mut target = Target::default();
    target.settle(&versions[..1], CASCADES);
    target.told.clear();
    target.settle(&versions, CASCADES);
    assert_eq!(
        target.told,
        ["m/kith-xml replaces n/kith-xml", "m/fhir from m/kith-xml", "m/pdf from m/kith-xml"]
    );
    assert_eq!(target.visible(), ["m/fhir", "m/kith-xml", "m/pdf"]);
}

#[test]
fn a_difference_is_appended_and_what_is_merged_is_replaced() {
    for habits in [PLAIN, CASCADES] {
        let versions = [report("n", 1, New, &["A", "B"]), report("m", 2, Changed, &["-B"])];
        let mut target = Target::default();
        target.settle(&versions[..1], habits);
        target.told.clear();
        target.settle(&versions, habits);
        assert_eq!(
            target.told,
            [
                "m/kith-xml on n/kith-xml",
                "m+n/fhir from m/kith-xml replaces n/fhir",
                "m+n/pdf from m/kith-xml replaces n/pdf"
            ]
        );
    }
}

#[test]
fn a_beginning_that_comes_late_is_published_and_the_merged_document_made_again() {
    let versions = [report("m", 2, Changed, &["-B"]), report("n", 1, New, &["A", "B"])];
    let mut target = Target::default();
    target.settle(&versions[..1], PLAIN);
    target.told.clear();
    target.settle(&versions, PLAIN);
    assert_eq!(
        target.told,
        [
            "n/kith-xml",
            "m+n/fhir from m/kith-xml replaces m+(unknown)/fhir",
            "m+n/pdf from m/kith-xml replaces m+(unknown)/pdf"
        ]
    );
    target.told.clear();
    let whole = [versions.to_vec(), vec![report("w", 3, Changed, &["A"])]].concat();
    target.settle(&whole, PLAIN);
    assert_eq!(target.told[0], "w/kith-xml replaces m/kith-xml replaces n/kith-xml", "base and appended");
    assert_eq!(target.visible(), ["w/fhir", "w/kith-xml", "w/pdf"]);
}

#[test]
fn a_document_that_may_be_incomplete_is_made_again_when_its_beginning_has_come() {
    let versions = [report("m", 2, Changed, &["A"]), report("n", 1, New, &["A"])];
    let mut target = Target::default();
    target.settle(&versions[..1], PLAIN);
    assert_eq!(target.visible(), ["m+(unknown)/fhir", "m+(unknown)/pdf", "m/kith-xml"]);
    target.told.clear();
    target.settle(&versions, PLAIN);
    assert_eq!(
        target.told,
        [
            "m/fhir from m/kith-xml replaces m+(unknown)/fhir",
            "m/pdf from m/kith-xml replaces m+(unknown)/pdf"
        ],
        "the message itself stands already"
    );
}

#[test]
fn a_cancellation_withdraws_every_version_form_and_attachment() {
    let mut n = version("n", 1, New);
    n.attachments = vec![1];
    let versions = [n, version("m", 2, Changed), version("c", 3, Cancelled)];
    let mut target = Target::default();
    target.settle(&versions[..1], PLAIN);
    target.settle(&versions[..2], PLAIN);
    target.settle(&versions, PLAIN);
    let gone = target.shown.iter().filter(|s| s.status == Status::Withdrawn).count();
    assert_eq!((gone, target.shown.len()), (7, 7), "superseded ones too");
}

#[test]
fn a_late_older_version_is_not_published() {
    let mut target = Target::default();
    target.settle(&[version("m", 2, Changed)], PLAIN);
    target.told.clear();
    target.settle(&[version("m", 2, Changed), version("n", 1, New)], PLAIN);
    assert!(target.told.is_empty(), "{:?}", target.told);
}

#[test]
fn what_was_begun_is_finished_first_and_the_same() {
    let versions = [version("n", 1, New), version("m", 2, Changed)];
    let mut target = Target::default();
    let of = |versions: &[Version]| Wanted::of(&fold(versions), versions, ALL);
    let first = plan(&of(&versions[..1]), &target.shown, PLAIN);
    target.begin(&first[0]);
    // The answer is lost, and a change arrives.
    let [Step::Submit { again: true, entries, submission: 1, .. }] =
        &plan(&of(&versions), &target.shown, PLAIN)[..]
    else {
        panic!("it is finished first");
    };
    let Step::Submit { entries: before, .. } = &first[0] else { panic!("a submission") };
    assert_eq!(entries, before);
    target.settle(&versions, PLAIN);
    assert_eq!(target.visible(), ["m/fhir", "m/kith-xml", "m/pdf"]);
    assert!(target.told.iter().any(|t| t == "m/kith-xml replaces n/kith-xml"), "{:?}", target.told);
}

#[test]
fn what_may_have_arrived_is_withdrawn_without_being_sent_again() {
    let versions = [version("n", 1, New), version("c", 2, Cancelled)];
    let mut target = Target::default();
    let wanted = Wanted::of(&fold(&versions[..1]), &versions[..1], ALL);
    let first = plan(&wanted, &target.shown, PLAIN);
    target.begin(&first[0]);
    target.settle(&versions, PLAIN);
    assert_eq!(target.told, ["withdraw n/kith-xml n/fhir n/pdf"]);
    // Where nothing can be taken away, it must be there before something can be put in its place.
    let mut other = Target::default();
    other.begin(&first[0]);
    other.settle(&versions, Habits { cascades: false, deletes: false });
    assert_eq!(other.told.last().map(String::as_str), Some("withdraw n/kith-xml n/fhir n/pdf"));
    assert_eq!(other.told.len(), 4);
}

#[test]
fn a_withdrawal_without_an_answer_is_made_again() {
    let versions = [version("n", 1, New), version("c", 2, Cancelled)];
    let mut target = Target::default();
    target.settle(&versions[..1], PLAIN);
    let wanted = Wanted::of(&fold(&versions), &versions, ALL);
    let steps = plan(&wanted, &target.shown, PLAIN);
    target.begin(&steps[0]);
    assert_eq!(plan(&wanted, &target.shown, PLAIN), steps);
    target.settle(&versions, PLAIN);
    assert!(target.visible().is_empty());
}

/// Whatever arrives in whatever order, planned after every arrival: the target ends with what the fold wants.
#[test]
fn every_order_of_arrival_ends_with_the_same_visible_at_the_target() {
    let histories = [
        vec![version("n", 1, New), version("m", 2, Changed), version("m2", 3, Changed)],
        vec![version("n", 1, New), version("m", 2, Changed), version("c", 3, Cancelled)],
        vec![
            report("n", 1, New, &["A", "B", "C"]),
            report("m", 2, Changed, &["-C"]),
            report("a", 3, Changed, &["D"]),
            report("w", 4, Changed, &["A", "B", "D"]),
        ],
        vec![
            report("n", 1, New, &["A", "B", "C"]),
            report("m", 2, Changed, &["-C"]),
            report("a", 3, Changed, &["D"]),
        ],
    ];
    for habits in [PLAIN, CASCADES] {
        for history in &histories {
            let mut whole = Target::default();
            whole.settle(history, habits);
            for order in crate::make::orders(history) {
                let mut target = Target::default();
                for arrived in 1..=order.len() {
                    target.settle(&order[..arrived], habits);
                }
                assert_eq!(target.visible(), whole.visible(), "{order:#?}");
                let again = plan(&Wanted::of(&fold(&order), &order, ALL), &target.shown, habits);
                assert!(again.is_empty(), "nothing is left to do: {again:?}");
            }
        }
    }
}

#[test]
fn ids_of_a_merged_document_are_its_own() {
    let entry = |of: &[&str]| Entry {
        series_key: "k".to_owned(),
        of: of.iter().map(|s| (*s).to_owned()).collect(),
        format: Format::Fhir,
        again: 0,
    };
    assert_eq!(entry(&["m"]).keys().msg_id, "m");
    assert_eq!(entry(&["n", "m"]).keys().msg_id, "m+n");
    assert_ne!(entry(&["m"]).keys().document(Format::Fhir), entry(&["n", "m"]).keys().document(Format::Fhir));
}
