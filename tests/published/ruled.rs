//! What waits for a person, and how a person rules on it: publish it as it is, or leave it unpublished.

use crate::rig::{Rig, Series};
use crate::{PATIENT, of_another};

const SUMMARY: Series = Series { sample: "epikrise/accepted-1.2", id: Some("RAPPORT-12-1"), number: 70 };

fn rule(rig: &Rig, id: &str, ruling: &str) -> (Option<i32>, String) {
    rig.ask(&["dead-letter", "replay", id, "--ruling", ruling, "--reason", "rang them, case 4711"])
}

#[test]
fn what_was_made_after_a_cancellation_is_looked_at_and_published() {
    let mut rig = Rig::lay_out("ruled-closed");
    let stores = rig.open();
    rig.start();
    rig.publish(&SUMMARY.version(1, "N"));
    rig.publish(&SUMMARY.version(2, "C"));
    let late = rig.send(&SUMMARY.version(3, "M"));
    rig.come_to(&late, &["parked"; 2]);
    assert_eq!(stores.seen().each_ref().map(|s| s.len()), [0; 2]);

    // Which message, which entries, why.
    let (code, said) = rig.ask(&["dead-letter", "show", &late]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "P61: made after the document was cancelled",
        "Series epikrise|",
        &format!("{}  withdrawn by {}", SUMMARY.message_id(1), SUMMARY.message_id(2)),
        &format!("kith-xml of {}: withdrawn", SUMMARY.message_id(1)),
        "--ruling publish",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains(PATIENT), "{said}");

    let (code, said) = rig.ask(&["dead-letter", "replay", &late, "--ruling", "publish", "--dry-run"]);
    assert!(code == Some(0) && said.contains("2 of 2 would go again"), "{said}");
    let (code, said) = rule(&rig, &late, "publish");
    assert!(code == Some(0) && said.contains("2 of 2 go again"), "{said}");
    rig.told(&late);
    assert_eq!(stores.seen().each_ref().map(|s| s.len()), [2; 2]);
    let (_, said) = rig.ask(&["trace", &late]);
    let why = "to be published although the series was cancelled before it was made; ";
    assert!(said.contains(why) && said.contains("rang them, case 4711"), "{said}");
    let (_, said) = rig.ask(&["series", &late]);
    assert!(said.lines().next().is_some_and(|l| l.ends_with(": visible")), "{said}");
    assert!(said.contains("let in by a person although the series was cancelled"), "{said}");

    // It holds for what comes later: a change of it, and an old message that was on its way all the time.
    rig.publish(&SUMMARY.version(4, "M"));
    let seen = stores.seen();
    assert_eq!(seen.each_ref().map(|s| s.len()), [2; 2]);
    rig.publish(&SUMMARY.version(0, "N"));
    assert_eq!(stores.seen(), seen);
    // Nothing waits, so there is nothing to rule on.
    let (code, said) = rule(&rig, &late, "leave");
    assert!(code == Some(1), "{said}");
}

#[test]
fn what_is_another_patients_is_left_or_stands_beside() {
    let mut rig = Rig::lay_out("ruled-patient");
    let stores = rig.open();
    rig.start();
    let series = Series { number: 71, ..SUMMARY };
    rig.publish(&series.version(1, "N"));
    let before = stores.seen();
    let other = |number| of_another(&series.text(number, "M"));
    let left = rig.send(other(2).as_bytes());
    rig.come_to(&left, &["parked"; 2]);
    let (code, said) = rule(&rig, &left, "leave");
    assert!(code == Some(0), "{said}");
    rig.told(&left);
    assert_eq!(stores.seen(), before, "nothing of it is told");
    let (_, said) = rig.ask(&["trace", &left]);
    assert!(said.contains("not published: a person left it so"), "{said}");
    assert!(said.contains("left unpublished: the series is another patient's; "), "{said}");

    let beside = rig.send(other(3).as_bytes());
    rig.come_to(&beside, &["parked"; 2]);
    let (code, said) = rule(&rig, &beside, "publish");
    assert!(code == Some(0), "{said}");
    rig.told(&beside);
    let seen = stores.seen();
    for (now, before) in seen.iter().zip(&before) {
        assert_eq!(now.len(), 4, "beside what is there");
        assert!(before.iter().all(|(id, bytes)| now.get(id) == Some(bytes)), "which is not touched");
    }
    let (_, said) = rig.ask(&["series", &series.message_id(1)]);
    assert_eq!(said.matches(": visible\n").count(), 2, "{said}");
    // And each goes alone.
    rig.publish(&series.version(4, "C"));
    assert_eq!(stores.seen().each_ref().map(|s| s.len()), [2; 2]);
}

#[test]
fn what_cannot_be_ruled_on_stays_with_its_sender() {
    let mut rig = Rig::lay_out("ruled-sender");
    let stores = rig.open();
    rig.start();
    let series = Series { number: 72, ..SUMMARY };
    rig.publish(&series.version(1, "N"));
    let foreign = series.text(2, "C").replace("120010", "100010").replace("120000", "100000");
    let id = rig.send(foreign.as_bytes());
    rig.come_to(&id, &["parked"; 2]);
    let (code, said) = rule(&rig, &id, "publish");
    assert!(code == Some(1) && said.contains("only its sender can mend that"), "{said}");
    let (code, said) = rule(&rig, &id, "leave");
    assert!(code == Some(0), "{said}");
    rig.told(&id);
    assert_eq!(stores.seen().each_ref().map(|s| s.len()), [2; 2]);
}

/// A date that cannot be true: it would hide what corrects it.
#[test]
fn what_is_dated_in_the_future_waits_and_is_published_as_of_when_it_came() {
    let mut rig = Rig::lay_out("ruled-ahead");
    let stores = rig.open();
    rig.start();
    let series = Series { number: 73, ..SUMMARY };
    let far = series.text(1, "N").replacen("2026-03-01T11:00:00", "9999-03-01T11:00:00", 1);
    assert!(far.contains("9999"));
    let id = rig.send(far.as_bytes());
    rig.come_to(&id, &["parked"; 2]);
    assert!(rig.ask(&["dead-letter", "show", &id]).1.contains("P65: dated in the future"));
    assert_eq!(stores.seen().each_ref().map(|s| s.len()), [0; 2]);
    let (code, said) = rule(&rig, &id, "publish");
    assert!(code == Some(0), "{said}");
    rig.told(&id);
    assert_eq!(stores.seen().each_ref().map(|s| s.len()), [2; 2]);
    let cancelled = series.text(2, "C").replacen("2026-03-01T12:00:00", "9998-03-01T11:00:00", 1);
    rig.publish(cancelled.as_bytes());
    assert_eq!(stores.seen().each_ref().map(|s| s.len()), [0; 2]);
}
