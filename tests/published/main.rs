//! Publishing by the real broker: messages come in over HTTP and by folder, and the stand-in stores see what a real one would.

mod asked;
mod rig;
mod ruled;

use rig::{Rig, Seen, Series, Stores};
use serde_json::Value;
use std::sync::atomic::Ordering;
use system_tests::drive::sample;

/// One of each family and version that becomes a document, and how many entries it comes to beside its own XML and the FHIR
/// document.
const FAMILIES: [(&str, usize); 14] = [
    ("henvisning/accepted-1.0", 0),
    ("henvisning/accepted-1.1", 0),
    ("henvisning/attachment-2.0", 1),
    ("epikrise/accepted-1.1", 0),
    ("epikrise/accepted-1.2", 0),
    ("svarrapport/head-accepted-1.3", 0),
    ("svarrapport/head-accepted-1.4", 0),
    ("dialogmelding/accepted-1.0", 0),
    ("dialogmelding/accepted-1.1", 0),
    ("plo/innleggelsesrapport-1.5", 0),
    ("plo/innleggelsesrapport-1.6", 0),
    ("plo/utskrivningsrapport-1.6", 0),
    ("rekvisisjon/accepted-1.5", 0),
    ("rekvisisjon/accepted-1.6", 0),
];

/// Documents that change and are cancelled.
const CHANGING: [Series; 4] = [
    Series { sample: "henvisning/attachment-2.0", id: Some("HENV-20-1"), number: 10 },
    Series { sample: "epikrise/accepted-1.2", id: Some("RAPPORT-12-1"), number: 20 },
    Series { sample: "svarrapport/head-accepted-1.4", id: Some("RAPPORT-14-1"), number: 30 },
    Series { sample: "plo/innleggelsesrapport-1.6", id: None, number: 40 },
];

/// Of whom the samples are, and when they say that this one was born.
const PATIENT: &str = "01815000036";
const BORN: &str = "1950-01-01";

/// Somebody else of the same population.
const OTHER: &str = "02906130060";

/// A message as of that one: a document whose birth date is not that of its id waits for a person.
fn of_another(text: &str) -> String {
    text.replace(PATIENT, OTHER).replace(BORN, "1961-10-02")
}

fn a_summary(number: u8) -> Vec<u8> {
    Series { number, ..CHANGING[1] }.version(1, "N")
}

#[test]
fn every_family_is_published_once_and_what_comes_again_is_not() {
    let mut rig = Rig::lay_out("published-families");
    let stores = rig.open();
    rig.start();
    let mut expected = 0;
    for (case, attachments) in FAMILIES {
        let before = stores.seen();
        let xml = sample(case);
        rig.publish(&xml);
        expected += 2 + attachments;
        for (name, (now, before)) in ["national", "region"].iter().zip(stores.seen().iter().zip(&before)) {
            let new: Vec<&Vec<u8>> =
                now.iter().filter(|(id, _)| !before.contains_key(*id)).map(|(_, b)| b).collect();
            assert_eq!(new.len(), 2 + attachments, "{case} at {name}");
            assert_eq!(new.iter().filter(|b| ***b == xml).count(), 1, "{case} at {name}: byte for byte");
            let fhir = new.iter().filter(|b| b.windows(6).any(|w| w == b"Bundle")).count();
            assert_eq!(fhir, 1, "{case} at {name}: its FHIR document");
        }
    }
    let (seen, sent) = (stores.seen(), stores.submissions());
    assert_eq!(seen.each_ref().map(|s| s.len()), [expected; 2]);
    assert_eq!(sent, [FAMILIES.len(); 2], "one submission for each");

    // Once more, from another system that does not know that they were sent.
    for (case, _) in FAMILIES {
        let id = rig.send(&sample(case));
        let (_, body) = rig.region.state(&id).expect("an answer");
        let state: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(state["verdict"], "duplicate", "{case}");
    }
    // By the other door: a copy, and behind it one that is new.
    rig.region.put("copy", &sample(FAMILIES[4].0)).expect("the inbox");
    rig.until("the copy is taken", || !rig.region.folder.join("inbox/copy.xml").exists());
    rig.publish(&a_summary(90));
    assert_eq!(stores.submissions(), [FAMILIES.len() + 1; 2]);

    // Whoever publishes by hand gets the same ids, so it is there already, and is looked at.
    let file = rig.region.folder.join("by-hand.xml");
    std::fs::write(&file, sample("epikrise/accepted-1.2")).expect("written");
    for target in ["national", "region"] {
        let before = stores.seen();
        let (code, said) = rig.ask(&["publish", &file.to_string_lossy(), "--target", target]);
        assert_eq!(code, Some(0), "{target}: {said}");
        assert_eq!(stores.seen(), before, "{target}");
    }

    for asked in stores.national.server.log().iter().chain(&stores.domain.server.log()) {
        assert!(!asked.target.contains(PATIENT), "a national id in an address");
        assert!(asked.headers.values().all(|v| !v.contains(PATIENT)), "a national id in a header");
    }
    assert!(!rig.said().contains(PATIENT), "a national id in the log");
}

/// What is in use after a change, whichever came first; and nothing after a cancellation.
#[test]
fn a_change_replaces_and_a_cancellation_withdraws_in_every_order() {
    let mut rig = Rig::lay_out("published-forward");
    let stores = rig.open();
    rig.start();
    let mut changed = Vec::new();
    for series in CHANGING {
        rig.publish(&series.version(1, "N"));
        let first = stores.seen();
        assert!(first.iter().all(|s| s.len() >= 2), "{} is published", series.sample);
        rig.publish(&series.version(2, "M"));
        let second = stores.seen();
        for (name, (old, new)) in ["national", "region"].iter().zip(first.iter().zip(&second)) {
            assert_eq!(old.len(), new.len(), "{} at {name}", series.sample);
            assert!(old.keys().all(|id| !new.contains_key(id)), "{} at {name}", series.sample);
        }
        replaced(&stores, &first[0]);
        changed.push(second);
        let id = rig.publish(&series.version(3, "C"));
        assert_eq!(stores.seen().each_ref().map(|s| s.len()), [0; 2], "{} is withdrawn", series.sample);
        assert!(stores.national.state.entries.lock().expect("not poisoned").is_empty(), "in every version");
        assert!(stores.domain.state.entries.lock().expect("not poisoned").is_empty(), "in every version");
        let (code, told) = rig.ask(&["series", &id]);
        assert_eq!(code, Some(0));
        assert!(told.contains("withdrawn"), "{told}");
    }

    let mut rig = Rig::lay_out("published-backward");
    let stores = rig.open();
    rig.start();
    for (series, changed) in CHANGING.into_iter().zip(changed) {
        rig.publish(&series.version(2, "M"));
        rig.publish(&series.version(1, "N"));
        let other = differing(&stores.seen(), &changed);
        assert!(other.is_empty(), "{}: the same as in order, but {other:?}", series.sample);
        rig.publish(&series.version(3, "C"));
        assert_eq!(stores.seen().each_ref().map(|s| s.len()), [0; 2], "{}", series.sample);
        // The cancellation first: what it cancels is never seen.
        let series = Series { number: series.number + 1, ..series };
        let sent = stores.submissions();
        for (number, change) in [(3, "C"), (2, "M"), (1, "N")] {
            rig.publish(&series.version(number, change));
        }
        assert_eq!(stores.submissions(), sent, "{}", series.sample);
    }
}

/// The ids of entries that are in one of them alone, or hold other bytes.
fn differing(one: &Seen, other: &Seen) -> Vec<String> {
    let pairs = one.iter().zip(other).flat_map(|(a, b)| [(a, b), (b, a)]);
    pairs
        .flat_map(|(a, b)| a.iter().filter(|(id, bytes)| b.get(*id) != Some(bytes)).map(|(id, _)| id.clone()))
        .collect()
}

/// Every entry that was in use stands there still, and one that replaces it.
fn replaced(stores: &Stores, old: &std::collections::BTreeMap<String, Vec<u8>>) {
    let entries = stores.national.state.entries.lock().expect("not poisoned");
    for id in old.keys() {
        assert!(entries.get(id).is_some_and(|k| !k.current), "it is superseded");
        let replaces = |relation: &Value| {
            relation["code"] == "replaces"
                && relation["target"]["reference"].as_str().is_some_and(|r| r.ends_with(id))
        };
        let by = entries.values().filter(|k| k.current).filter(|k| {
            k.reference["relatesTo"].as_array().is_some_and(|relations| relations.iter().any(replaces))
        });
        assert_eq!(by.count(), 1, "one entry says that it replaces {id}");
    }
}

#[test]
fn a_store_that_is_away_is_told_once_when_it_is_back() {
    let mut rig = Rig::lay_out("published-away");
    rig.start();
    // Nobody listens.
    let ids: Vec<String> = (91..94).map(|number| rig.send(&a_summary(number))).collect();
    let tried = |id: &String| rig.ask(&["trace", id]).1.contains("N13");
    rig.until("it was tried", || tried(&ids[0]));
    // It listens, and is not well.
    let stores = rig.open();
    stores.national.state.down.store(true, Ordering::SeqCst);
    let asked = || stores.national.server.log().len();
    rig.until("it was asked", || asked() > 2);
    assert_eq!(stores.seen()[0].len(), 0);
    stores.national.state.down.store(false, Ordering::SeqCst);
    for id in &ids {
        rig.told(id);
    }
    assert_eq!(stores.seen().each_ref().map(|s| s.len()), [6; 2]);
    assert_eq!(stores.national.state.entries.lock().expect("not poisoned").len(), 6, "each once");
}

#[test]
fn a_broker_killed_while_it_publishes_publishes_once() {
    let mut rig = Rig::lay_out("published-killed");
    let stores = rig.open();
    rig.start();
    // Both have taken it, and the broker dies before it hears so.
    stores.national.state.lose_answer.store(true, Ordering::SeqCst);
    stores.domain.state.lose_answer.store(true, Ordering::SeqCst);
    let first = rig.send(&a_summary(95));
    rig.until("both have it", || stores.seen().iter().all(|s| s.len() == 2));
    rig.kill();
    let seen = stores.seen();
    rig.start();
    rig.told(&first);
    assert_eq!(stores.seen(), seen, "the same entries, and no others");

    // It asked, nothing was done, and it dies.
    stores.national.state.silent.store(true, Ordering::SeqCst);
    let asked = stores.national.server.log().len();
    let second = rig.send(&a_summary(96));
    rig.until("it has asked", || stores.national.server.log().len() > asked);
    rig.kill();
    stores.national.state.silent.store(false, Ordering::SeqCst);
    rig.start();
    rig.told(&second);
    assert_eq!(stores.seen().each_ref().map(|s| s.len()), [4; 2]);
    assert_eq!(stores.national.state.entries.lock().expect("not poisoned").len(), 4);
}

/// The second document of a conversation has other ids at the target than its series would give it: what was sent, and never
/// answered for, is taken back by the ids that it was sent under.
#[test]
fn what_was_never_answered_for_is_taken_back_under_the_ids_it_was_sent_under() {
    let mut rig = Rig::lay_out("published-unanswered");
    let stores = rig.open();
    rig.start();
    let series = Series { number: 80, ..CHANGING[3] };
    let (one, two) = (series.message_id(1), series.message_id(2));
    let inside = |text: String, parent: &str| {
        let (before, rest) = text.split_once("</MsgId>").expect("an id");
        let after = rest.split_once("</ConversationRef>").map_or(rest, |(_, after)| after);
        format!(
            "{before}</MsgId><ConversationRef><RefToParent>{parent}</RefToParent><RefToConversation>{one}</RefToConversation></ConversationRef>{after}"
        )
    };
    rig.publish(&series.version(1, "N"));
    rig.publish(inside(series.text(2, "N"), &one).as_bytes());
    let before = stores.seen();
    assert_eq!(before.each_ref().map(|s| s.len()), [4; 2]);
    stores.national.state.lose_answer.store(true, Ordering::SeqCst);
    let changed = rig.send(inside(series.text(3, "M"), &two).as_bytes());
    rig.until("it was taken", || stores.national.state.entries.lock().expect("not poisoned").len() == 6);
    stores.national.state.down.store(true, Ordering::SeqCst);
    let cancelled = rig.send(inside(series.text(4, "C"), &two).as_bytes());
    rig.until("the domain was told", || stores.seen()[1].len() == 2);
    stores.national.state.down.store(false, Ordering::SeqCst);
    rig.told(&changed);
    rig.told(&cancelled);
    assert_eq!(stores.seen().each_ref().map(|s| s.len()), [2; 2], "the first document of the conversation");
    assert_eq!(stores.national.state.entries.lock().expect("not poisoned").len(), 2);
}

#[test]
fn what_a_store_refuses_lies_there_with_a_reason_until_it_is_mended() {
    let mut rig = Rig::lay_out("published-refused");
    let stores = rig.open();
    rig.start();
    stores.national.state.refuse.store(true, Ordering::SeqCst);
    let id = rig.send(&a_summary(97));
    let parked = || {
        rig.publications(&id).iter().any(|r| r["destination"] == "publish:national" && r["state"] == "parked")
    };
    rig.until("it lies there", parked);
    let (_, listed) = rig.ask(&["dead-letter", "list"]);
    assert!(listed.contains("publish:national"), "{listed}");
    let (code, shown) = rig.ask(&["dead-letter", "show", &id]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("N10: XDSRegistryMetadataError"),
        "the store's code, and where to read on: {shown}"
    );
    assert!(!shown.contains("somebody"), "and not its words: {shown}");
    let (_, told) = rig.ask(&["series", &id]);
    let first = told.lines().next().unwrap_or_default();
    assert!(
        first.ends_with(": should be visible; refused at publish:national, visible at publish:region"),
        "{told}"
    );
    assert!(dead_letter::page("N10").is_some_and(|page| page.contains("refused the documents")));

    stores.national.state.refuse.store(false, Ordering::SeqCst);
    let (code, said) = rig.ask(&["dead-letter", "replay", &id, "--reason", "the store was mended"]);
    assert_eq!(code, Some(0), "{said}");
    rig.told(&id);
    assert_eq!(stores.seen().each_ref().map(|s| s.len()), [2; 2]);
}
