//! What waits: for revocation answers, for a key, for a certificate; and how it is judged again.

use crate::scene::*;
use broker_core::journal::{
    Book, Entry, Known, MessageRecord, Original, Provenance, RecipientId, RecipientRecord, Seen,
};
use broker_core::lifecycle::State;
use broker_core::process::{process, read_again};
use broker_core::{Outcome, World};
use jiff::SignedDuration;
use std::sync::Arc;
use trust::revocation::Evidence;

/// What the journal would tell of an entry.
pub(crate) fn recorded(entry: &Entry) -> MessageRecord {
    let recipients = entry.recipients.iter().map(|r| RecipientRecord {
        id: r.id,
        book: r.book,
        receiver: r.receiver,
        destination: r.destination.clone(),
        payload: String::new(),
        document: None,
        state: r.state,
        reason: r.reason,
        detail: None,
        tries: 0,
        next_attempt: None,
        receipt_deadline: None,
        expires: r.expires,
    });
    MessageRecord {
        id: entry.arrival.id,
        short: entry.arrival.id.short(),
        source: entry.arrival.source.clone(),
        received: entry.arrival.received,
        content_hash: entry.content_hash,
        size_bytes: 0,
        verdict: entry.verdict.clone(),
        head: entry.head.clone(),
        findings: entry.findings.clone(),
        envelope_receiver: entry.arrival.envelope_receiver,
        envelope_sender: entry.arrival.envelope_sender,
        transport: entry.arrival.transport.clone(),
        provenance: Provenance::default(),
        explanation: None,
        protection: None,
        recipients: recipients.collect(),
        events: Vec::new(),
    }
}

fn again(entry: &Entry, known: &Known, world: &World, after: SignedDuration) -> Option<Entry> {
    judged_only(None, &recorded(entry), entry, known, world, after)
}

fn judged_only(
    only: Option<&[RecipientId]>,
    record: &MessageRecord,
    entry: &Entry,
    known: &Known,
    world: &World,
    after: SignedDuration,
) -> Option<Entry> {
    let at = now() + after;
    let (_, prepared) = read_again(record, Arc::clone(&entry.arrival.bytes), world, at);
    let mut count = 1000u128;
    let mut ids = || {
        count += 1;
        uuid::Uuid::from_u128(count)
    };
    prepared.decide_again(record, only, known, world, at, &mut ids)
}

fn without_answers() -> World {
    Scene { evidence: Evidence::default(), ..Scene::default() }.world()
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[test]
fn revocation_that_is_not_known_is_asked_for_and_blames_nobody() {
    let world = without_answers();
    let outcome = process(arrival(&wrapped(&letter(202))), &world, now(), &mut ids());
    let Outcome::Fetch { wanted, prepared } = outcome else { panic!("something to fetch") };
    assert!(!wanted.is_empty());
    let outcome = prepared.proceed(&world, now(), &mut ids());
    let entry = decide(outcome, &world, &Known::default(), now());
    assert_eq!(entry.verdict.reason().map(|r| r.as_str()), Some("P40"));
    assert_eq!(rows(&entry, Book::Message), ["202 parked P40 original"]);
    assert!(rows(&entry, Book::Receipt).is_empty());
    assert!(entry.duplicate_keys.is_empty());
}

#[test]
fn it_is_judged_again_until_it_is_known_or_patience_ends() {
    let first = judge(&wrapped(&letter(202)), &without_answers());
    assert!(again(&first, &Known::default(), &without_answers(), HOUR).is_none(), "nothing has changed");

    let good = again(&first, &Known::default(), &Scene::default().world(), HOUR).expect("a decision");
    assert_eq!(good.verdict.as_str(), "accepted_with_findings");
    assert_eq!(rows(&good, Book::Message), ["202 waiting opened"]);
    assert_eq!(rows(&good, Book::Receipt), ["101 waiting sealed"]);
    let replaced = good.judged_again.as_ref().expect("in whose place");
    assert_eq!(replaced.in_place_of, first.recipients.iter().map(|r| r.id).collect::<Vec<_>>());
    assert_eq!(good.duplicate_keys.len(), 1, "now it is proven, and takes its key");

    let late = again(&first, &Known::default(), &without_answers(), HOUR * 25).expect("a decision");
    assert_eq!(late.verdict.reason().map(|r| r.as_str()), Some("P41"));
    // What took its place is judged again as if it had come so.
    let mut record = recorded(&late);
    let before = RecipientRecord { state: State::Replaced, ..recorded(&first).recipients.remove(0) };
    record.recipients.insert(0, before);
    let world = Scene::default().world();
    let good = judged_only(None, &record, &late, &Known::default(), &world, HOUR).expect("a decision");
    assert_eq!(good.verdict.as_str(), "accepted_with_findings");
    assert_eq!(receipts(&good), ["ok"]);
    assert_eq!(good.judged_again.as_ref().expect("in whose place").in_place_of.len(), 1);

    let revoked = Scene { evidence: evidence(&[demo().sender.signing.certificate()]), ..Scene::default() };
    let revoked = again(&first, &Known::default(), &revoked.world(), HOUR).expect("a decision");
    assert_eq!(revoked.verdict.reason().map(|r| r.as_str()), Some("P37"));
    assert_eq!(receipts(&revoked), ["rejected S03"]);
}

#[test]
fn another_copy_that_was_faster_makes_it_a_repeat() {
    let first = judge(&wrapped(&letter(202)), &without_answers());
    let good = judge(&wrapped(&letter(202)), &Scene::default().world());
    let other = message_schemas::MessageId(uuid::Uuid::from_u128(77));
    let seen = Seen { message: other, receiver: "202".into(), content_hash: good.payload_hash };
    let known = Known { seen: vec![seen], ..Known::default() };
    let again = again(&first, &known, &Scene::default().world(), HOUR).expect("a decision");
    assert_eq!(again.verdict.as_str(), "duplicate");
    assert!(again.recipients.is_empty());
    assert!(again.judged_again.is_some());
}

#[test]
fn only_the_receipt_that_could_not_be_sealed_is_made_again() {
    let scene = Scene { partners: Vec::new(), ..Scene::default() };
    let first = judge(&wrapped(&letter(202)), &scene.world());
    assert_eq!(rows(&first, Book::Receipt), ["101 parked P43 receipt"]);
    // Its own first arrival has taken its key.
    let key = &first.duplicate_keys[0];
    let own =
        Seen { message: first.arrival.id, receiver: key.receiver.clone(), content_hash: first.payload_hash };
    let known = Known { seen: vec![own], ..Known::default() };
    let again = again(&first, &known, &Scene::default().world(), HOUR).expect("a decision");
    assert!(rows(&again, Book::Message).is_empty(), "what is on its way stays there");
    assert_eq!(rows(&again, Book::Receipt), ["101 waiting sealed"]);
    assert_eq!(again.verdict, first.verdict);
    assert!(again.duplicate_keys.is_empty());
}

#[test]
fn test_mode_lets_the_unknown_pass_and_says_so() {
    let mut anchors = demo().anchors();
    anchors.test_mode = Some(trust::chain::TestMode::announced_loudly_by_the_caller());
    let scene = Scene { evidence: Evidence::default(), anchors: anchors.clone(), ..Scene::default() };
    let entry = judge(&wrapped(&letter(202)), &scene.world());
    assert_eq!((entry.verdict.as_str(), codes(&entry)), ("accepted_with_findings", vec!["A17"]));
    // Nothing else passes by it.
    let revoked = evidence(&[demo().sender.signing.certificate()]);
    let scene = Scene { evidence: revoked, anchors, ..Scene::default() };
    assert_eq!(codes(&judge(&wrapped(&letter(202)), &scene.world())), ["A16"]);
}

/// What is added to the party file later.
fn later(party: &str) -> World {
    let mut scene = quiet();
    scene.parties.push_str(party);
    scene.world()
}

/// Nobody is told that a service of ours does not exist.
fn quiet() -> Scene {
    let mut scene = Scene::default();
    scene.policy.receipts.refuse_unknown_receiver = false;
    scene
}

const NEWCOMER: &str = "[[party]]\nher_id = 204\nlevel = \"service\"\nname = \"Ny\"\nkind = \"hospital\"\nparent = 200\nanswers = \"broker\"\n";

#[test]
fn who_was_not_among_the_parties_gets_it_and_its_sender_hears_of_it() {
    let first = judge(&wrapped(&letter(204)), &quiet().world());
    assert_eq!(rows(&first, Book::Message), ["204 parked P09 opened"]);
    assert!(receipts(&first).is_empty());
    assert!(again(&first, &Known::default(), &quiet().world(), HOUR).is_none(), "nothing has changed");
    let entry = again(&first, &Known::default(), &later(NEWCOMER), HOUR).expect("a decision");
    assert_eq!(rows(&entry, Book::Message), ["204 waiting opened"]);
    assert_eq!(receipts(&entry), ["ok"]);
    assert_eq!(rows(&entry, Book::Receipt), ["101 waiting sealed"]);
}

/// A letter to one service of ours, and a copy to another.
fn letter_to_both(one: u32, other: u32) -> String {
    let copy = letter(other);
    let (_, tail) = copy.split_once("<Receiver>").expect("a receiver");
    let (receiver, _) = tail.split_once("</Receiver>").expect("its end");
    let copy = format!("</Receiver><OtherReceiver><RoleReceiver V=\"COP\"/>{receiver}</OtherReceiver>");
    letter(one).replace("</Receiver>", &copy)
}

#[test]
fn of_two_receivers_only_the_one_that_lay_is_delivered_and_answered_for() {
    let first = judge(&wrapped(&letter_to_both(202, 204)), &quiet().world());
    assert_eq!(rows(&first, Book::Message), ["202 waiting opened", "204 parked P09 opened"]);
    assert_eq!(rows(&first, Book::Receipt), ["101 waiting sealed"]);
    let seen = first.duplicate_keys.iter().map(|key| Seen {
        message: first.arrival.id,
        receiver: key.receiver.clone(),
        content_hash: first.payload_hash,
    });
    let known = Known { seen: seen.collect(), ..Known::default() };

    assert!(again(&first, &known, &quiet().world(), HOUR).is_none(), "nothing has changed");
    let entry = again(&first, &known, &later(NEWCOMER), HOUR).expect("a decision");
    assert_eq!(rows(&entry, Book::Message), ["204 waiting opened"], "what is on its way stays there");
    let from: Vec<_> =
        entry.recipients.iter().filter(|r| r.book == Book::Receipt).map(|r| r.label.from).collect();
    assert_eq!(
        from,
        [Some(message_schemas::HerId(204))],
        "one receipt, from the one that was not answered for"
    );
    let replaced = &entry.judged_again.as_ref().expect("in whose place").in_place_of;
    assert_eq!(*replaced, [first.recipients.iter().find(|r| r.reason.is_some()).expect("it lay").id]);
    assert_eq!((&entry.verdict, entry.duplicate_keys.len()), (&first.verdict, 0));
}

#[test]
fn what_nobody_asked_for_stays_where_it_lies() {
    let first = judge(&wrapped(&letter_to_both(204, 205)), &quiet().world());
    assert_eq!(rows(&first, Book::Message), ["204 parked P09 opened", "205 parked P09 opened"]);
    let world = later(&format!("{NEWCOMER}{}", NEWCOMER.replace("204", "205")));
    let (one, other) = (first.recipients[0].id, first.recipients[1].id);
    let record = recorded(&first);
    let entry =
        judged_only(Some(&[one]), &record, &first, &Known::default(), &world, HOUR).expect("a decision");
    assert_eq!(rows(&entry, Book::Message), ["204 waiting opened"]);
    assert_eq!(entry.recipients.iter().filter(|r| r.book == Book::Receipt).count(), 1, "of 204 alone");
    assert_eq!(entry.judged_again.as_ref().expect("in whose place").in_place_of, [one]);
    assert_eq!(entry.verdict, first.verdict, "some of it lies there still");

    let mut rest = recorded(&entry);
    rest.recipients.push(record.recipients.into_iter().find(|r| r.id == other).expect("the other"));
    let entry =
        judged_only(Some(&[other]), &rest, &first, &Known::default(), &world, HOUR).expect("a decision");
    assert_eq!(rows(&entry, Book::Message), ["205 waiting opened"]);
    assert_eq!(entry.recipients.iter().filter(|r| r.book == Book::Receipt).count(), 1, "of 205 alone");
    assert_eq!(entry.verdict.as_str(), "accepted_with_findings", "nothing lies there any more");
}

#[test]
fn what_had_no_destination_is_answered_for_when_it_has_one() {
    let nowhere = Scene::with_parties("destination = \"hospital\"\n", "").world();
    let first = judge(&wrapped(&letter(202)), &nowhere);
    assert_eq!(rows(&first, Book::Message), ["202 parked P12 opened"]);
    assert!(receipts(&first).is_empty());
    let entry = again(&first, &Known::default(), &Scene::default().world(), HOUR).expect("a decision");
    assert_eq!(rows(&entry, Book::Message), ["202 waiting opened"]);
    assert_eq!(receipts(&entry), ["ok"]);
}

#[test]
fn what_contradicts_another_goes_beside_it_when_a_person_says_so() {
    let world = Scene::default().world();
    let other = message_schemas::MessageId(uuid::Uuid::from_u128(77));
    let seen = |content_hash| Seen { message: other, receiver: "202".into(), content_hash };
    let known = Known { seen: vec![seen(broker_core::ContentHash::of(b"another"))], ..Known::default() };
    let outcome = process(arrival(&wrapped(&letter(202))), &world, now(), &mut ids());
    let first = decide(outcome, &world, &known, now());
    assert_eq!(rows(&first, Book::Message), ["- parked P11 opened"]);
    let entry = again(&first, &known, &world, HOUR).expect("a decision");
    assert_eq!(rows(&entry, Book::Message), ["202 waiting opened"]);
    assert_eq!(receipts(&entry), ["ok"]);
    let key = &entry.duplicate_keys[0].msg_id;
    let under = format!("6ddb98ed-9e34-4efa-9163-62e4ea0cbf43#{}", first.payload_hash);
    assert_eq!(*key, under, "the other keeps its key, and a copy of this is known by its content");
    let copy = Known { seen: vec![seen(first.payload_hash)], ..Known::default() };
    assert_eq!(again(&first, &copy, &world, HOUR).expect("a decision").verdict.as_str(), "duplicate");
}

#[test]
fn a_receipt_whose_receiver_was_missing_is_no_second_one_of_itself() {
    let hcp = |enterprise: u32, service: u32| {
        format!(
            "<HCP><Inst><Name>E</Name><Id>{enterprise}</Id><TypeId V=\"HER\"/><Dept><Name>S</Name><Id>{service}</Id>\
             <TypeId V=\"HER\"/></Dept></Inst></HCP>"
        )
    };
    let receipt = format!(
        "<AppRec xmlns=\"http://www.kith.no/xmlstds/apprec/2012-02-15\"><MsgType V=\"APPREC\"/>\
         <MIGversion>v1.1 2012-02-15</MIGversion><GenDate>2026-03-02T11:00:00</GenDate>\
         <Id>11111111-2222-4333-8444-555555555555</Id><Sender><Role V=\"PRIM\"/>{}</Sender>\
         <Receiver><Role V=\"AVS\"/>{}</Receiver><Status V=\"1\"/><OriginalMsgId>\
         <MsgType V=\"DIALOG_HELSEFAGLIG\"/><IssueDate>2026-03-02T10:30:00</IssueDate>\
         <Id>6ddb98ed-9e34-4efa-9163-62e4ea0cbf43</Id></OriginalMsgId></AppRec>",
        hcp(100, 101),
        hcp(200, 204),
    );
    let original = |state| {
        let original = Original {
            recipient: RecipientId(uuid::Uuid::from_u128(77)),
            message: message_schemas::MessageId(uuid::Uuid::from_u128(7)),
            state,
            generated: None,
            receipt_written: false,
        };
        Known { originals: vec![original], ..Known::default() }
    };
    let world = quiet().world();
    let outcome = process(arrival(&wrapped(&receipt)), &world, now(), &mut ids());
    let first = decide(outcome, &world, &original(State::HandedOver), now());
    assert_eq!(rows(&first, Book::Message), ["204 parked P09 opened"]);
    assert_eq!(first.closings.len(), 1, "it counts, wherever it goes");

    let entry = again(&first, &original(State::Receipted), &later(NEWCOMER), HOUR).expect("a decision");
    assert_eq!(rows(&entry, Book::Receipt), ["204 waiting opened"]);
    assert!(entry.closings.is_empty(), "it is closed");
}
