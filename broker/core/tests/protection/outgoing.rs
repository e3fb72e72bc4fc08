//! What leaves: exact bytes of what was inside, receipts signed and sealed, and nothing in the clear that must not be.

use crate::scene::*;
use broker_core::journal::{Book, DocumentKind, Known, Payload, Seen};
use broker_core::process::process;
use jiff::SignedDuration;
use message_schemas::{HerId, Limits};
use trust::chain::Moment;
use trust::open::{Context, Directory, Layer, open};
use trust::verified::Form;
use trust::{Allowed, KeyRing};

/// Opens what we signed and sealed, with the GP's keys.
fn open_as_the_gp(bytes: &[u8]) -> Vec<u8> {
    let (payload, sealed) = opened_by_the_gp(bytes);
    assert!(sealed);
    payload
}

/// What is inside, and whether it was sealed.
fn opened_by_the_gp(bytes: &[u8]) -> (Vec<u8>, bool) {
    let (demo, limits) = (demo(), Limits::default());
    let (keys, anchors, evidence): (KeyRing, _, _) = (demo.sender.keys(), demo.anchors(), evidence(&[]));
    let context = Context {
        keys: &keys,
        anchors: &anchors,
        evidence: &evidence,
        cache: &Default::default(),
        directory: &Directory::default(),
        second: None,
        allowed: Allowed::default(),
        moment: Moment { at: now(), now: now() },
        under_way: SignedDuration::ZERO,
        limits: &limits,
    };
    let opened = open(bytes, &context).expect("the GP can open it");
    let signer = opened.proof(Form::Cms).expect("a signature").signer.certificate();
    assert_eq!(signer.organisation, Some(demo.receiver.number));
    assert!(matches!(opened.layers(), [Layer::Sealed(_), Layer::Signed(_)] | [Layer::Signed(_)]));
    (opened.payload().to_vec(), opened.was_sealed())
}

#[test]
fn a_sealed_message_goes_in_and_a_sealed_receipt_goes_out() {
    let text = document_signed(&letter(202), &*demo().sender.signing.private_key());
    let entry = judge(&wrapped(&text), &Scene::default().world());
    assert_eq!(rows(&entry, Book::Message), ["202 waiting opened"]);
    assert_eq!(rows(&entry, Book::Receipt), ["101 waiting sealed"]);

    let opened = entry.documents.iter().find(|d| d.kind == DocumentKind::Opened).expect("the payload");
    assert_eq!(&*opened.bytes, text.as_bytes(), "the original keeps its bytes and its own signature");
    let sealed = entry.documents.iter().find(|d| d.kind == DocumentKind::Sealed).expect("a sealed receipt");
    assert_eq!(receipt(&open_as_the_gp(&sealed.bytes)), "ok");

    let account: serde_json::Value =
        serde_json::from_str(entry.protection.as_deref().expect("an account")).expect("JSON");
    let layers: Vec<_> = account["layers"].as_array().expect("layers").iter().map(|l| &l["layer"]).collect();
    assert_eq!(layers, ["sealed", "signed", "signed"]);
    assert_eq!(account["layers"][2]["verified"], true);
    // All that the account names is kept: the signer, its chain, two CRLs, the signed data.
    assert_eq!(entry.evidence.len(), 6);
    let named = account.to_string();
    assert!(entry.evidence.iter().all(|e| named.contains(&e.hash.to_string())), "{named}");
    assert!(!named.contains("Kari"), "no content");
}

#[test]
fn who_gets_it_signed_can_read_it_without_a_key() {
    let mut scene = Scene { partners: Vec::new(), ..Scene::default() };
    scene.parties = scene.parties.replace("gets = \"signed-and-sealed\"", "gets = \"signed\"");
    let entry = judge(&wrapped(&letter(202)), &scene.world());
    assert_eq!(rows(&entry, Book::Receipt), ["101 waiting signed"]);
    let signed = entry.documents.iter().find(|d| d.kind == DocumentKind::Signed).expect("a signed receipt");
    assert_eq!(signed.kind.media_type(), "application/pkcs7-mime; smime-type=signed-data");
    let (inside, sealed) = opened_by_the_gp(&signed.bytes);
    assert_eq!((receipt(&inside).as_str(), sealed), ("ok", false));
}

#[test]
fn a_refusal_is_sealed_too() {
    let entry = judge(letter(202).as_bytes(), &Scene::default().world());
    let sealed = entry.documents.iter().find(|d| d.kind == DocumentKind::Sealed).expect("a sealed receipt");
    assert_eq!(receipt(&open_as_the_gp(&sealed.bytes)), "rejected S99");
}

#[test]
fn an_unknown_service_is_answered_as_its_enterprise_is() {
    let unknown = letter_of(199, 202);
    let entry = judge(unknown.as_bytes(), &Scene::default().world());
    assert_eq!(rows(&entry, Book::Receipt), ["199 waiting sealed"]);
    let sealed = entry.documents.iter().find(|d| d.kind == DocumentKind::Sealed).expect("a sealed receipt");
    assert_eq!(receipt(&open_as_the_gp(&sealed.bytes)), "rejected S99");
}

#[test]
fn a_forwarded_message_is_sealed_once_for_its_receiver() {
    // The hospital writes to the GP, from inside the house.
    let parties =
        "her_id = 101\nlevel = \"service\"\nname = \"Fastlege\"\nkind = \"gp\"\nparent = 100\nours = false";
    let mut scene = Scene::with_parties(parties, &parties.replace("ours = false", "ours = true"));
    scene.parties = scene.parties.replace(
        "destination = \"hospital\"",
        "destination = \"hospital\"\n[party.protection]\nrequires = \"nothing\"",
    );
    let text = letter_of(202, 101);
    let world = scene.world();
    let entry = judge(text.as_bytes(), &world);
    assert_eq!(entry.verdict.as_str(), "accepted_with_findings");
    assert_eq!(rows(&entry, Book::Message), ["101 waiting sealed"]);
    let [recipient] = entry.recipients.as_slice() else { panic!("one recipient") };
    let Payload::Document(at) = recipient.payload else { panic!("a document") };
    assert_eq!(open_as_the_gp(&entry.documents[at].bytes), text.as_bytes());
}

#[test]
fn nothing_leaves_in_the_clear_for_want_of_a_certificate() {
    let scene = Scene { partners: Vec::new(), ..Scene::default() };
    let entry = judge(&wrapped(&letter(202)), &scene.world());
    assert_eq!(rows(&entry, Book::Message), ["202 waiting opened"], "the message itself is not held up");
    assert_eq!(rows(&entry, Book::Receipt), ["101 parked P43 receipt"]);
    assert_eq!(codes(&entry), ["A24"]);
}

#[test]
fn a_message_sealed_anew_is_the_same_message() {
    let world = Scene::default().world();
    let first = judge(&wrapped(&letter(202)), &world);
    let seen = |content_hash| Known {
        seen: vec![Seen { message: first.arrival.id, receiver: "202".into(), content_hash }],
        ..Known::default()
    };
    let again = wrapped(&letter(202));
    assert_ne!(*again, *first.arrival.bytes, "sealing draws on chance");
    let known = seen(first.payload_hash);
    let repeated = decide(process(arrival(&again), &world, now(), &mut ids()), &world, &known, now());
    assert_eq!(repeated.verdict.as_str(), "duplicate");
    let other = wrapped(&letter(202).replace("Kari", "Ola"));
    let conflict = decide(process(arrival(&other), &world, now(), &mut ids()), &world, &known, now());
    assert_eq!(conflict.verdict.reason().map(|r| r.as_str()), Some("P11"));
}

#[test]
fn what_is_sealed_for_its_receiver_is_passed_on_unread() {
    let world = Scene::default().world();
    let bytes = seal_for(b"for your eyes only", demo().sender.sealing.certificate());
    let to =
        |receiver: u32| broker_core::Arrival { envelope_receiver: Some(HerId(receiver)), ..arrival(&bytes) };
    let judged =
        |receiver| decide(process(to(receiver), &world, now(), &mut ids()), &world, &Known::default(), now());
    let passed = judged(203);
    assert_eq!((passed.verdict.as_str(), codes(&passed)), ("accepted", vec!["A28"]));
    assert_eq!(rows(&passed, Book::Message), ["203 waiting original"]);
    assert_eq!(passed.recipients[0].destination.as_ref().map(|d| d.as_str()), Some("hospital"));
    assert!(passed.head.is_none() && passed.documents.is_empty());
    // Who has not agreed to that does not get what nobody could look into.
    assert_eq!(judged(202).verdict.reason().map(|r| r.as_str()), Some("P39"));
}
