//! What comes over AMQP: each code of the error queue, by what is wrong; and that nothing that comes from an error queue, or
//! is ours to mend, is ever told.

use crate::scene::*;
use broker_core::journal::{
    Book, DocumentKind, Entry, Known, Lookup, RecipientId, RecipientRecord, Seen, Sent, VerdictRecord,
};
use broker_core::lifecycle::{Event, State};
use broker_core::policy::TestMessages;
use broker_core::process::{process, read_again, unanswered};
use broker_core::transport::{Content, Label, Reported, Role, Transport, TransportError};
use broker_core::{Arrival, Outcome, World};
use jiff::SignedDuration;
use message_schemas::{HerId, MessageId};
use std::sync::Arc;
use trust::pki::demo::offered;
use trust::pki::{Key, KeyKind, Pair, Profile};
use trust::revocation::Evidence;
use trust::{ContentCipher, Digest, SignatureAlgorithm, cms};
use uuid::Uuid;

/// Parties with queues; 300 is a partner, and no sender of these messages.
fn queues() -> Scene {
    let mut scene = Scene::with_parties(
        "gets = \"signed-and-sealed\"",
        "gets = \"signed-and-sealed\"\n[party.amqp]\nasync = \"host/ns/gp_async\"\nsyncreply = \"gp_syncreply\"\n\
         error = \"host/ns/gp_error\"",
    );
    scene.parties.push_str(
        "[[party]]\nher_id = 300\nlevel = \"enterprise\"\nname = \"Nabo\"\nkind = \"gp\"\ndestination = \"nabo\"\n\
         ours = false\n[party.amqp]\nerror = \"nabo_error\"\n",
    );
    scene
}

/// The same, where the hospital has queues of its own, and the ward has them from it.
fn own_queues() -> Scene {
    let mut scene = queues();
    let hospital = "destination = \"hospital\"\n";
    assert!(scene.parties.contains(hospital));
    let queues =
        format!("{hospital}[party.amqp]\nasync = \"host/ns/hospital_async\"\nsync = \"hospital_sync\"\n");
    scene.parties = scene.parties.replacen(hospital, &queues, 1);
    scene
}

/// As a partner writes it.
fn transport(role: Role) -> Transport {
    Transport {
        role,
        message_id: Some("AMQP-1".into()),
        to: Some("host/ns/hospital_async".into()),
        subject: Some("DIALOG_HELSEFAGLIG".into()),
        content: Content::Protected,
        written: Some(now()),
        ..Transport::default()
    }
}

fn came(bytes: &[u8], transport: Transport) -> Arrival {
    Arrival {
        envelope_sender: Some(HerId(101)),
        envelope_receiver: Some(HerId(202)),
        transport: Some(Arc::new(transport)),
        idempotency_key: Some("101/amqp-1".into()),
        ..arrival(bytes)
    }
}

fn judged(arrival: Arrival, known: &Known, world: &World) -> Entry {
    decide(process(arrival, world, now(), &mut ids()), world, known, now())
}

fn errors(entry: &Entry) -> Vec<TransportError> {
    let made = entry.documents.iter().filter(|d| d.kind == DocumentKind::TransportError);
    made.map(|d| serde_json::from_slice(&d.bytes).expect("an error reads back")).collect()
}

/// `verdict reason, codes of errors with their data, receipts`.
fn line(entry: &Entry) -> String {
    let told: Vec<String> = errors(entry)
        .iter()
        .map(|e| match &e.data {
            Some(data) => format!("{} {data}", e.condition),
            None => e.condition.to_string(),
        })
        .collect();
    let reason = entry.verdict.reason().map_or("-", |r| r.as_str());
    format!("{} {reason} {told:?} {:?}", entry.verdict.as_str(), receipts(entry))
}

fn refused(reason: &str, told: &str) -> String {
    format!("refused {reason} {:?} []", [told])
}

/// Nothing of the message goes anywhere, and its sender is told on its error queue as the profile has it.
fn assert_told(what: &str, arrival: Arrival, world: &World, expected: &str) {
    let entry = judged(arrival, &Known::default(), world);
    assert_eq!(line(&entry), expected, "{what}");
    assert!(entry.duplicate_keys.is_empty() && entry.closings.is_empty(), "{what}");
    for recipient in &entry.recipients {
        let stopped = matches!(recipient.state, State::Rejected | State::Parked);
        assert!(stopped || recipient.label.role == Role::Error, "{what}: it is delivered");
    }
    let error = entry.recipients.iter().find(|r| r.label.role == Role::Error).expect(what);
    assert_eq!((error.book, error.state), (Book::Receipt, State::Waiting), "{what}");
    assert_eq!(error.destination.as_ref().map(|d| d.as_str()), Some("gp"), "{what}");
    let label = &error.label;
    assert_eq!((label.from, label.to), (entry.arrival.envelope_receiver, Some(HerId(101))), "{what}");
    let written = &errors(&entry)[0];
    assert_eq!(written.original_message_id.as_deref(), Some("AMQP-1"), "{what}");
    assert!(!written.description.is_empty(), "{what}");
}

fn issue(change: impl FnOnce(&mut Profile)) -> Pair {
    let demo = demo();
    let mut profile =
        offered(Profile::signing("Demo Legekontor", demo.sender.number, trust::pki::demo::valid()));
    change(&mut profile);
    demo.issuing.issue(&profile, Key::generate(KeyKind::P256).expect("a key")).expect("a certificate")
}

#[test]
fn what_is_as_the_profile_has_it_is_taken_and_answered_by_a_receipt() {
    let world = queues().world();
    let entry = judged(came(&wrapped(&letter(202)), transport(Role::Async)), &Known::default(), &world);
    assert_eq!(line(&entry), r#"accepted_with_findings - [] ["ok"]"#);
    let labels: Vec<_> = entry
        .recipients
        .iter()
        .map(|r| (r.label.subject.as_deref(), r.label.from, r.label.to, r.label.role))
        .collect();
    let (gp, ward) = (Some(HerId(101)), Some(HerId(202)));
    assert_eq!(
        labels,
        [(Some("DIALOG_HELSEFAGLIG"), gp, ward, Role::Async), (Some("APPREC"), ward, gp, Role::Async)]
    );
}

#[test]
fn an_envelope_that_is_not_as_the_profile_has_it_is_an_invalid_field() {
    let good = wrapped(&letter(202));
    let told = |names: &str| refused("P49", &format!("transport:invalid-field-value {names}"));
    let with = |change: fn(&mut Transport)| {
        let mut transport = transport(Role::Async);
        change(&mut transport);
        came(&good, transport)
    };
    let world = queues().world();
    let missing = with(|t| t.invalid = vec!["applicationTimeStamp".into(), "subject".into()]);
    assert_told("missing", missing, &world, &told("applicationTimeStamp;subject;"));
    assert_told("reply to", with(|t| t.reply_to = Some("another".into())), &world, &told("replyTo;"));
    assert_told("plain", with(|t| t.content = Content::Plain), &world, &told("content-type;"));
    assert_told("half protected", with(|t| t.content = Content::Other), &world, &told("content-type;"));
    let elsewhere = Arrival { envelope_receiver: Some(HerId(909)), ..with(|_| ()) };
    assert_told("not ours", elsewhere, &world, &told("toHerId;"));
    let mut small = queues().world();
    small.limits.message_bytes = 100;
    assert_told("too large", with(|_| ()), &small, &told("size;"));

    let reply_to = with(|t| t.reply_to = Some("other-host/other-ns/gp_async".into()));
    assert_eq!(judged(reply_to, &Known::default(), &world).verdict.as_str(), "accepted_with_findings");
}

/// The error's sender and state, and why it waits for a person if it does.
fn told_by(transport: Transport, world: &World) -> (Option<u32>, State, Option<&'static str>) {
    let nameless = Transport { invalid: vec!["toHerId".to_owned()], ..transport };
    let arrival = Arrival { envelope_receiver: None, ..came(&wrapped(&letter(202)), nameless) };
    let entry = judged(arrival, &Known::default(), world);
    assert_eq!(line(&entry), refused("P49", "transport:invalid-field-value toHerId;"));
    let error = entry.recipients.iter().find(|r| r.label.role == Role::Error).expect("an error");
    (error.label.from.map(|h| h.0), error.state, error.reason.map(|r| r.as_str()))
}

#[test]
fn who_names_no_receiver_is_told_by_the_one_whose_queue_it_came_by() {
    let world = own_queues().world();
    let by = |to: Option<&str>, queue: Option<&str>, role| {
        let transport =
            Transport { to: to.map(str::to_owned), queue: queue.map(str::to_owned), ..transport(role) };
        told_by(transport, &world)
    };
    let hospital = (Some(200), State::Waiting, None);
    assert_eq!(by(Some("host/ns/hospital_async"), Some("elsewhere"), Role::Async), hospital);
    assert_eq!(by(Some("elsewhere"), Some("hospital_async"), Role::Async), hospital);
    assert_eq!(by(None, Some("hospital_async"), Role::Async), hospital);
    assert_eq!(by(None, Some("hospital_sync"), Role::Sync), hospital);
    // Nobody to speak for: neither is a queue of ours.
    let nobody = (None, State::Parked, Some("P16"));
    assert_eq!(by(Some("host/ns/gp_async"), Some("elsewhere"), Role::Async), nobody);
    assert_eq!(by(None, None, Role::Async), nobody);
}

#[test]
fn what_is_wrong_with_the_protection_has_its_code() {
    let world = queues().world();
    let text = letter(202);
    let signed_by = |pair: &Pair| seal(&sign(text.as_bytes(), pair));
    let hour = SignedDuration::from_hours(1);
    let mut tampered = sign(text.as_bytes(), &demo().sender.signing);
    let at = tampered.windows(5).position(|w| w == b"Notat").expect("the content is inside");
    tampered[at] = b'M';
    let old = SignatureAlgorithm::RsaPkcs1(Digest::Sha1);
    let sha1 = cms::sign_with(text.as_bytes(), &*demo().sender.signing.private_key(), old, None);
    let document = document_signed(&text, &*demo().sender.signing.private_key());

    let cases = [
        ("in the clear", text.clone().into_bytes(), "P34 transport:invalid-cms-pkcs"),
        ("signed alone", sign(text.as_bytes(), &demo().sender.signing), "P34 transport:invalid-cms-pkcs"),
        ("sealed alone", seal(text.as_bytes()), "P34 transport:invalid-cms-pkcs"),
        ("the document's signature alone", seal(document.as_bytes()), "P34 transport:invalid-cms-pkcs"),
        ("tampered", seal(&tampered), "P35 transport:invalid-signature"),
        ("SHA-1", seal(&sha1.expect("signed")), "P34 transport:unsupported-message"),
    ];
    for (what, bytes, expected) in cases {
        let (reason, code) = expected.split_once(' ').expect("two words");
        assert_told(what, came(&bytes, transport(Role::Async)), &world, &refused(reason, code));
    }
    let of_certificates = [
        ("expired", issue(|p| p.not_after = now() - hour), "transport:expired-certificate"),
        ("not yet", issue(|p| p.not_before = now() + hour), "transport:expired-certificate"),
        ("policy", issue(|p| p.policies = vec!["2.999.9".into()]), "transport:invalid-certificate"),
        (
            "usage",
            issue(|p| p.usage = demo().sender.sealing.certificate().usage),
            "transport:invalid-certificate",
        ),
    ];
    for (what, pair, code) in of_certificates {
        let entry = judged(came(&signed_by(&pair), transport(Role::Async)), &Known::default(), &world);
        let told = errors(&entry);
        assert_eq!((entry.verdict.reason().map(|r| r.as_str()), told.len()), (Some("P36"), 1), "{what}");
        assert_eq!(told[0].condition.as_str(), code, "{what}");
        assert!(told[0].data.as_deref().is_some_and(|data| data.ends_with(';')), "{what}: the certificate");
        assert!(receipts(&entry).is_empty(), "{what}: one fault is told once");
    }
    let revoked = Scene { evidence: evidence(&[demo().sender.signing.certificate()]), ..queues() }.world();
    let entry = judged(came(&wrapped(&text), transport(Role::Async)), &Known::default(), &revoked);
    assert_eq!(errors(&entry)[0].condition.as_str(), "transport:revoked-certificate");
}

#[test]
fn what_cannot_be_opened_is_told_in_one_way_whatever_the_cause() {
    let world = queues().world();
    let signed = sign(letter(202).as_bytes(), &demo().sender.signing);
    let for_another = seal_for(&signed, demo().sender.sealing.certificate());
    let mut damaged = seal(&signed);
    let last = damaged.len() - 40;
    damaged[last] ^= 1;
    let own = Arc::clone(demo().receiver.sealing.certificate());
    let unproven = cms::seal(letter(202).as_bytes(), &[own], ContentCipher::Aes256Cbc).expect("an envelope");
    let mut words = Vec::new();
    for (what, bytes) in [("another's", for_another), ("damaged", damaged), ("unproven", unproven)] {
        let entry = judged(came(&bytes, transport(Role::Async)), &Known::default(), &world);
        let told = errors(&entry);
        assert_eq!(told.len(), 1, "{what}");
        assert_eq!(told[0].condition.as_str(), "transport:decryption-failed", "{what}");
        assert_eq!(entry.verdict.as_str(), "parked", "{what}: it may be ours to mend");
        words.push((told[0].description.clone(), told[0].data.clone()));
    }
    words.dedup();
    assert_eq!(words.len(), 1, "nobody learns which keys we have: {words:?}");
    let garbage = came(b"\x30\x82\x10\x00\x06\x09garbage", transport(Role::Async));
    let entry = judged(garbage, &Known::default(), &world);
    assert_eq!(line(&entry), r#"parked P38 ["transport:invalid-cms-pkcs"] []"#);
}

#[test]
fn a_message_that_cannot_be_read_is_told_by_the_transport_and_one_that_can_by_a_receipt() {
    let world = queues().world();
    let sealed = |text: &[u8]| came(&seal(&sign(text, &demo().sender.signing)), transport(Role::Async));
    let cases: [(&str, &[u8], &str); 3] = [
        ("no XML", b"neither head nor tail", "P01 transport:not-well-formed-xml"),
        (
            "characters",
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a>\xff</a>",
            "P01 transport:invalid-encoding",
        ),
        ("unheard of", b"<Unheard xmlns=\"urn:of\"/>", "P02 transport:unsupported-message"),
    ];
    for (what, text, expected) in cases {
        let entry = judged(sealed(text), &Known::default(), &world);
        let told = errors(&entry);
        assert_eq!(told.len(), 1, "{what}: {}", line(&entry));
        let reason = entry.verdict.reason().map_or("-", |r| r.as_str());
        assert_eq!(format!("{reason} {}", told[0].condition), expected, "{what}");
        assert!(receipts(&entry).is_empty(), "{what}");
    }
    // Its head can be read: what is wrong stands in the receipt, and nowhere else.
    let no_id = letter(202).replace("6ddb98ed-9e34-4efa-9163-62e4ea0cbf43", "no-uuid");
    let entry = judged(sealed(no_id.as_bytes()), &Known::default(), &world);
    assert_eq!((errors(&entry).len(), receipts(&entry)), (0, vec!["rejected E10".to_owned()]));
    // The document's own signature, inside an envelope that holds: a receipt says it.
    let document = document_signed(&letter(202), &*demo().sender.signing.private_key());
    let tampered = document.replace("<FamilyName>Prøve", "<FamilyName>Prøvd");
    let entry = judged(sealed(tampered.as_bytes()), &Known::default(), &world);
    assert_eq!((errors(&entry).len(), receipts(&entry)), (0, vec!["rejected S01".to_owned()]));
}

#[test]
fn who_sends_in_anothers_name_makes_us_tell_the_one_whose_queue_it_claims() {
    let world = queues().world();
    let arrival =
        Arrival { envelope_sender: Some(HerId(300)), ..came(&wrapped(&letter(202)), transport(Role::Async)) };
    let entry = judged(arrival, &Known::default(), &world);
    assert_eq!(line(&entry), r#"parked P42 ["abuse:spoofing-attack 300;101;"] []"#);
    let error = entry.recipients.iter().find(|r| r.label.role == Role::Error).expect("an error");
    assert_eq!(error.receiver, Some(HerId(300)));
}

#[test]
fn an_envelope_for_one_and_a_message_for_another_go_to_neither() {
    let world = queues().world();
    let arrival = Arrival {
        envelope_receiver: Some(HerId(203)),
        ..came(&wrapped(&letter(202)), transport(Role::Async))
    };
    let entry = judged(arrival, &Known::default(), &world);
    assert_eq!(line(&entry), r#"refused P51 [] ["rejected E10"]"#);
    assert_eq!(rows(&entry, Book::Message), ["202 rejected P51 original"]);
}

#[test]
fn what_is_ours_or_the_worlds_is_never_told() {
    let world = Scene { evidence: Evidence::default(), ..queues() }.world();
    let outcome = process(came(&wrapped(&letter(202)), transport(Role::Async)), &world, now(), &mut ids());
    let Outcome::Fetch { prepared, .. } = outcome else { panic!("something to fetch") };
    let entry = decide(prepared.proceed(&world, now(), &mut ids()), &world, &Known::default(), now());
    assert_eq!(line(&entry), "parked P40 [] []");
}

#[test]
fn who_is_nobody_is_told_nothing_and_judged_again_once_it_is_known() {
    let stranger =
        |sender| Arrival { envelope_sender: sender, ..came(&wrapped(&letter(202)), transport(Role::Async)) };
    let world = queues().world();
    for sender in [None, Some(HerId(555))] {
        let entry = judged(stranger(sender), &Known::default(), &world);
        assert_eq!(line(&entry), "parked P50 [] []");
        assert_eq!(entry.findings.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(), ["R13"]);
    }
}

#[test]
fn without_an_error_queue_the_error_waits_for_a_person() {
    let mut scene = queues();
    scene.parties = scene.parties.replace("error = \"host/ns/gp_error\"", "");
    let mut transport = transport(Role::Async);
    transport.invalid = vec!["subject".into()];
    transport.subject = None;
    let entry = judged(came(b"\x30", transport), &Known::default(), &scene.world());
    assert_eq!(rows(&entry, Book::Receipt), ["101 parked P16 transporterror"]);
    assert_eq!(entry.recipients[1].label.subject.as_deref(), Some("UNKNOWN"), "the profile asks for one");
}

#[test]
fn a_partner_is_not_flooded_in_anothers_name() {
    let world = queues().world();
    let bad = || {
        let mut transport = transport(Role::Async);
        transport.invalid = vec!["subject".into()];
        came(&wrapped(&letter(202)), transport)
    };
    let outcome = process(bad(), &world, now(), &mut ids());
    let hour_ago = now() - SignedDuration::from_hours(1);
    assert_eq!(outcome.lookups(), [Lookup::ErrorsTo { party: HerId(101), since: hour_ago }]);
    let known = Known { errors: 100, ..Known::default() };
    let entry = decide(outcome, &world, &known, now());
    assert_eq!(line(&entry), "parked P54 [] []");
    assert_eq!(rows(&entry, Book::Message), ["- parked P54 original"]);
}

#[test]
fn a_repeat_is_told_to_nobody() {
    let world = queues().world();
    let first = judged(came(&wrapped(&letter(202)), transport(Role::Async)), &Known::default(), &world);
    let seen = Seen {
        message: MessageId(Uuid::from_u128(9)),
        receiver: "202".into(),
        content_hash: first.payload_hash,
    };
    let known = Known { seen: vec![seen], ..Known::default() };
    // The same message, sealed anew under the id that it had: its bytes differ, and it is the same.
    let again = came(&wrapped(&letter(202)), transport(Role::Async)).under_a_used_id().expect("an envelope");
    let entry = judged(again, &known, &world);
    assert_eq!((entry.verdict.as_str(), entry.documents.len()), ("duplicate", 0));
}

fn sent(receiver: u32, role: Role) -> Sent {
    Sent {
        recipient: RecipientId(Uuid::from_u128(0xabc)),
        message: MessageId(Uuid::from_u128(7)),
        receiver: Some(HerId(receiver)),
        state: State::HandedOver,
        label: Label { role, made: Some(now()), ..Label::default() },
        transport: Some(Arc::new(Transport {
            message_id: Some("asked".into()),
            reply_to: Some("inside_syncreply".into()),
            ..Transport::default()
        })),
    }
}

fn error_report(original: &str) -> Arrival {
    let reported = Reported {
        original_message_id: Some(original.into()),
        condition: Some("transport:decryption-failed".into()),
        ..Reported::default()
    };
    came(b"", Transport { reported: Some(reported), content: Content::Missing, ..transport(Role::Error) })
}

#[test]
fn what_a_partner_reports_is_noted_where_it_belongs_and_undoes_nothing() {
    let world = queues().world();
    let id = "00000000-0000-0000-0000-000000000abc";
    let outcome = process(error_report(id), &world, now(), &mut ids());
    assert_eq!(outcome.lookups(), [Lookup::Sent(RecipientId(Uuid::from_u128(0xabc)))]);
    let known = Known { sent: vec![sent(101, Role::Async)], ..Known::default() };
    let entry = decide(outcome, &world, &known, now());
    assert_eq!(line(&entry), "parked P52 [] []");
    assert_eq!(entry.remarks.len(), 1);
    assert_eq!(entry.remarks[0].recipient, RecipientId(Uuid::from_u128(0xabc)));
    assert!(entry.remarks[0].detail.starts_with("transport:decryption-failed "), "{:?}", entry.remarks[0]);
    assert!(entry.closings.is_empty(), "it is signed by nobody");

    // About what went to another, about nothing, or without an id at all: kept, and that is all.
    let of_another = Known { sent: vec![sent(300, Role::Async)], ..Known::default() };
    for (original, known) in [(id, of_another), (id, Known::default()), ("no id", Known::default())] {
        let entry = judged(error_report(original), &known, &world);
        assert_eq!((line(&entry).as_str(), entry.remarks.len()), ("parked P53 [] []", 0));
    }
}

#[test]
fn whatever_comes_by_an_error_queue_is_answered_by_nothing() {
    let world = queues().world();
    let bodies = [wrapped(&letter(202)), letter(202).into_bytes(), b"\x30\x80".to_vec(), Vec::new()];
    for body in bodies {
        for change in [|_: &mut Transport| (), |t: &mut Transport| t.invalid = vec!["subject".into()]] {
            let mut transport = transport(Role::Error);
            change(&mut transport);
            for sender in [None, Some(HerId(101)), Some(HerId(555))] {
                let arrival = Arrival { envelope_sender: sender, ..came(&body, transport.clone()) };
                let entry = judged(arrival, &Known::default(), &world);
                assert_eq!(line(&entry), "parked P53 [] []");
                assert!(entry.documents.is_empty() && entry.duplicate_keys.is_empty());
            }
        }
    }
}

#[test]
fn a_request_lives_for_a_quarter_of_a_minute_and_has_no_receipt() {
    let world = queues().world();
    let asked = || Transport { reply_to: Some("gp_syncreply".into()), ..transport(Role::Sync) };
    let entry = judged(came(&wrapped(&letter(202)), asked()), &Known::default(), &world);
    assert_eq!(line(&entry), "accepted_with_findings - [] []");
    let recipient = &entry.recipients[0];
    let until = Some(now() + SignedDuration::from_secs(15));
    assert_eq!(recipient.label.role, Role::Sync);
    assert_eq!((recipient.expires, recipient.receipt_deadline), (until, until));
    assert!(entry.duplicate_keys.is_empty(), "it may be asked again");
    let strange = Transport { reply_to: Some("elsewhere".into()), ..asked() };
    let entry = judged(came(&wrapped(&letter(202)), strange), &Known::default(), &world);
    assert_eq!(line(&entry), refused("P49", "transport:invalid-field-value replyTo;"));
}

#[test]
fn what_is_wrong_around_a_message_is_said_in_words() {
    let world = queues().world();
    let said = |arrival: Arrival| {
        let entry = judged(arrival, &Known::default(), &world);
        let finding = entry.findings.iter().next().expect("a finding").message.clone();
        (finding, errors(&entry).first().map(|error| error.description.clone()))
    };
    let asked = |bytes: &[u8]| said(came(bytes, transport(Role::Async)));
    assert_eq!(asked(b"").0, "The message came over AMQP and is empty.");
    assert_eq!(asked(b"\x1f\x8b\x08\x00").0, "The message came over AMQP and is compressed as a whole.");
    let wrong = Transport { invalid: vec!["fromHerId".into(), "replyTo".into()], ..transport(Role::Async) };
    let (_, told) = said(came(&wrapped(&letter(202)), wrong));
    assert_eq!(told.as_deref(), Some("envelope not valid: fromHerId, replyTo"));
    let nobody = |sender| said(Arrival { envelope_sender: sender, ..came(b"", transport(Role::Async)) }).0;
    assert!(nobody(None).contains("names no sender"));
    assert!(nobody(Some(HerId(999_999))).contains("names 999999 as its sender"));
}

#[test]
fn a_request_that_goes_nowhere_is_told_so() {
    let asked = || Transport { reply_to: Some("gp_syncreply".into()), ..transport(Role::Sync) };
    let mut scene = queues();
    scene.policy.test_messages = TestMessages::Hold;
    let test = letter(202).replace("ProcessingStatus V=\"P\"", "ProcessingStatus V=\"D\"");
    let entry = judged(came(&wrapped(&test), asked()), &Known::default(), &scene.world());
    assert_eq!(line(&entry), r#"parked P15 ["transport:internal-error"] []"#);
    // What a receipt would say of a message, the error queue says of a request.
    let no_id = letter(202).replace("6ddb98ed-9e34-4efa-9163-62e4ea0cbf43", "no-uuid");
    let entry = judged(came(&wrapped(&no_id), asked()), &Known::default(), &queues().world());
    assert_eq!(line(&entry), refused("P04", "transport:invalid-field-value MsgId;"));
}

#[test]
fn an_answer_goes_where_the_request_said_or_nowhere() {
    let world = queues().world();
    let correlation = Some("00000000-0000-0000-0000-000000000abc".to_owned());
    let answer = || {
        let transport = Transport { correlation_id: correlation.clone(), ..transport(Role::SyncReply) };
        came(&wrapped(&letter(202)), transport)
    };
    let known = |sent: Sent| Known { sent: vec![sent], ..Known::default() };
    let asked_now = known(sent(101, Role::Sync));
    let entry = judged(answer(), &asked_now, &world);
    assert_eq!(line(&entry), "accepted_with_findings - [] []");
    let label = &entry.recipients[0].label;
    assert_eq!((label.role, label.address.as_deref()), (Role::SyncReply, Some("inside_syncreply")));
    assert_eq!(label.correlation.as_deref(), Some("asked"));
    let closed: Vec<_> = entry.closings.iter().map(|c| (c.recipient, c.event)).collect();
    assert_eq!(closed, [(RecipientId(Uuid::from_u128(0xabc)), Event::ReceiptOk)], "the request is answered");
    let keys: Vec<_> = entry.duplicate_keys.iter().map(|k| (k.sender.as_str(), k.msg_id.as_str())).collect();
    assert_eq!(keys, [("answer", "00000000-0000-0000-0000-000000000abc")], "of two at once, one is taken");

    // Who asks waits no longer than the request was to live.
    let mut brief = sent(101, Role::Sync);
    brief.label.made = Some(now() - SignedDuration::from_secs(3));
    let lives = |ms| Some(Arc::new(Transport { ttl_ms: Some(ms), ..Transport::default() }));
    brief.transport = lives(4_000);
    let entry = judged(answer(), &known(brief.clone()), &world);
    assert_eq!(entry.recipients[0].expires, Some(now() + SignedDuration::from_secs(1)));
    brief.transport = lives(2_000);
    assert_eq!(line(&judged(answer(), &known(brief), &world)), "refused P55 [] []");
    let request =
        Transport { reply_to: Some("gp_syncreply".into()), ttl_ms: Some(4_000), ..transport(Role::Sync) };
    let entry = judged(came(&wrapped(&letter(202)), request), &Known::default(), &world);
    let ends = Some(now() + SignedDuration::from_secs(4));
    assert_eq!((entry.recipients[0].expires, entry.recipients[0].receipt_deadline), (ends, ends));

    let mut long_ago = sent(101, Role::Sync);
    long_ago.label.made = Some(now() - SignedDuration::from_secs(16));
    let nothing = [
        ("late", known(long_ago), "P55"),
        ("answered", known(Sent { state: State::Receipted, ..sent(101, Role::Sync) }), "P69"),
        ("nobody asked", Known::default(), "P70"),
        ("no request", known(sent(101, Role::Async)), "P70"),
        ("a stranger", known(sent(300, Role::Sync)), "P56"),
    ];
    for (what, known, reason) in nothing {
        let entry = judged(answer(), &known, &world);
        assert_eq!(line(&entry), format!("refused {reason} [] []"), "{what}");
        assert!(entry.recipients.iter().all(|r| r.state == State::Rejected), "{what}");
        assert!(entry.closings.is_empty(), "{what}");
        assert!(entry.duplicate_keys.is_empty(), "{what}: the true answer may still come");
    }
}

#[test]
fn what_was_told_once_is_not_told_again_when_it_is_judged_again() {
    let for_another = seal_for(
        &sign(letter(202).as_bytes(), &demo().sender.signing),
        demo().receiver.sealing.certificate(),
    );
    // Sealed for us, and we have lost the key: the world without trust.
    let without = Scene { trust: false, ..queues() }.world();
    let first = judged(came(&for_another, transport(Role::Async)), &Known::default(), &without);
    assert_eq!(line(&first), r#"parked P39 ["transport:decryption-failed"] []"#);
    let mut record = crate::waiting::recorded(&first);
    let error: &mut RecipientRecord = &mut record.recipients[1];
    error.payload = "transport-error".to_owned();
    error.state = State::HandedOver;

    let judge_again = |world: &World| {
        let (_, prepared) = read_again(&record, Arc::clone(&first.arrival.bytes), world, now());
        prepared.decide_again(&record, None, &Known::default(), world, now(), &mut ids())
    };
    assert!(judge_again(&without).is_none(), "nothing has changed");
    let entry = judge_again(&queues().world()).expect("a decision");
    assert_eq!(line(&entry), r#"accepted_with_findings - [] ["ok"]"#);
    let replaced = entry.judged_again.as_ref().expect("in whose place");
    assert_eq!(replaced.in_place_of, [first.recipients[0].id], "what was told stays");
    let plain = Scene { evidence: evidence(&[demo().sender.signing.certificate()]), ..queues() }.world();
    let entry = judge_again(&plain).expect("a decision");
    assert_eq!(line(&entry), "refused P37 [] []");
    assert!(matches!(entry.verdict, VerdictRecord::Refused { .. }));
}

#[test]
fn a_request_without_an_answer_ends_and_its_sender_is_told() {
    let world = queues().world();
    let asked = Transport { reply_to: Some("gp_syncreply".into()), ..transport(Role::Sync) };
    let first = judged(came(&wrapped(&letter(202)), asked), &Known::default(), &world);
    let record = crate::waiting::recorded(&first);
    let overdue = [first.recipients[0].id];
    let entry = unanswered(&record, &overdue, &world, now(), &mut ids()).expect("it is a request");
    assert_eq!(errors(&entry)[0].condition.as_str(), "transport:internal-error");
    assert_eq!(errors(&entry)[0].original_message_id.as_deref(), Some("AMQP-1"));
    assert_eq!(rows(&entry, Book::Receipt), ["101 waiting transporterror"]);
    let ended: Vec<_> =
        entry.closings.iter().map(|c| (c.recipient, c.event, c.reason.map(|r| r.as_str()))).collect();
    assert_eq!(ended, [(overdue[0], Event::Expire, Some("P57"))]);
    assert_eq!((entry.verdict, entry.findings), (first.verdict, first.findings), "it stays what it was");

    let mut told = record;
    told.recipients.push(RecipientRecord { payload: "transport-error".into(), ..told.recipients[0].clone() });
    let entry = unanswered(&told, &overdue, &world, now(), &mut ids()).expect("it is a request");
    assert_eq!((entry.recipients.len(), entry.closings.len()), (0, 1), "told once");
    let letter = judged(came(&wrapped(&letter(202)), transport(Role::Async)), &Known::default(), &world);
    let record = crate::waiting::recorded(&letter);
    assert!(unanswered(&record, &[letter.recipients[0].id], &world, now(), &mut ids()).is_none());
}

#[test]
fn what_was_offered_too_often_is_kept_unread_until_a_person_looks() {
    let world = queues().world();
    for role in [Role::Async, Role::Internal] {
        let worn = Transport { worn_out: true, ..transport(role) };
        let first = judged(came(&wrapped(&letter(202)), worn), &Known::default(), &world);
        assert_eq!(line(&first), "parked P58 [] []");
        assert!(first.head.is_none() && first.duplicate_keys.is_empty());
        let record = crate::waiting::recorded(&first);
        let (_, prepared) = read_again(&record, Arc::clone(&first.arrival.bytes), &world, now());
        let entry = prepared.decide_again(&record, None, &Known::default(), &world, now(), &mut ids());
        assert_eq!(line(&entry.expect("a decision")), r#"accepted_with_findings - [] ["ok"]"#);
    }
}

#[test]
fn what_a_queue_of_our_own_brings_is_refused_only_if_its_sender_hears_of_it() {
    let world = Scene::default().world();
    let came = |bytes: &[u8]| Arrival {
        transport: Some(Arc::new(Transport { role: Role::Internal, ..Transport::default() })),
        ..arrival(bytes)
    };
    let judged = |bytes: &[u8], known: &Known, world: &World| judged(came(bytes), known, world);
    let states = |entry: &Entry| {
        let mut states: Vec<State> = entry.recipients.iter().map(|r| r.state).collect();
        states.dedup();
        states
    };
    let plain = letter(202);
    let heard = judged(plain.as_bytes(), &Known::default(), &world);
    assert_eq!(line(&heard), r#"refused P34 [] ["rejected S99"]"#);
    assert_eq!(rows(&heard, Book::Message), ["202 rejected P34 original"]);

    let no_sender = plain.replace("<Id>101</Id>", "<Id>x</Id>").replace("<Id>100</Id>", "<Id>y</Id>");
    for (what, bytes) in
        [("nobody to answer", no_sender.as_bytes()), ("no XML", b"neither head nor tail"), ("nothing", b"")]
    {
        let entry = judged(bytes, &Known::default(), &world);
        assert_eq!(
            (line(&entry).as_str(), states(&entry)),
            ("parked P34 [] []", vec![State::Parked]),
            "{what}"
        );
    }
    // A copy of what came before, that nothing proves: its true sender hears nothing, a person does.
    let seen = Seen { message: heard.arrival.id, receiver: "202".into(), content_hash: heard.payload_hash };
    let known = Known { seen: vec![seen], ..Known::default() };
    let forged = judged(plain.as_bytes(), &known, &world);
    assert_eq!((line(&forged).as_str(), states(&forged)), ("parked P34 [] []", vec![State::Parked]));

    // Nobody answers for its receiver; when the agreement is as it should have been, it goes.
    let silent = || Scene::with_parties("answers = \"broker\"", "answers = \"none\"");
    let first = judged(plain.as_bytes(), &Known::default(), &silent().world());
    assert_eq!((line(&first).as_str(), states(&first)), ("parked P34 [] []", vec![State::Parked]));
    let mut agreed = silent();
    let gets = "gets = \"signed-and-sealed\"\n";
    agreed.parties = agreed.parties.replacen(gets, &format!("{gets}requires = \"nothing\"\n"), 1);
    let agreed = agreed.world();
    let record = crate::waiting::recorded(&first);
    let (_, prepared) = read_again(&record, Arc::clone(&first.arrival.bytes), &agreed, now());
    let entry = prepared.decide_again(&record, None, &Known::default(), &agreed, now(), &mut ids());
    let entry = entry.expect("a decision");
    assert_eq!(rows(&entry, Book::Message), ["202 waiting original"]);
}
