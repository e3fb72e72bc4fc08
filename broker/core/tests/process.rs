//! The decision on whole messages: each rule of kith-messages §4 once, by name.

use broker_core::journal::{
    Book, Entry, Known, Lookup, Original, Provenance, RecipientId, Seen, VerdictRecord,
};
use broker_core::lifecycle::{Event, State};
use broker_core::policy::{Invalid, Policy, TestMessages};
use broker_core::transport::{Role, Transport};
use broker_core::{Arrival, ContentHash, Outcome, World, process};
use dead_letter::Reason;
use jiff::Timestamp;
use message_schemas::head::ReceiptStatus;
use message_schemas::schema::SchemaSet;
use message_schemas::{Limits, MessageId, head, xml};
use routing_rules::{Parties, Rules};
use std::sync::Arc;
use uuid::Uuid;

const PARTIES: &str = r#"
[[party]]
her_id = 100
level = "enterprise"
name = "Legesenteret"
kind = "gp"
destination = "gp"
[[party]]
her_id = 101
level = "service"
name = "Fastlege"
kind = "gp"
parent = 100
[[party]]
her_id = 200
level = "enterprise"
name = "Sykehuset"
kind = "hospital"
destination = "hospital"
[[party]]
her_id = 201
level = "service"
name = "Answers for itself"
kind = "hospital"
parent = 200
[[party]]
her_id = 202
level = "service"
name = "We answer"
kind = "hospital"
parent = 200
answers = "broker"
[[party]]
her_id = 203
level = "service"
name = "Nobody answers"
kind = "register"
parent = 200
answers = "none"
[[party]]
her_id = 300
level = "enterprise"
name = "No way to it"
kind = "municipality"
[[party]]
her_id = 301
level = "service"
name = "No way to it"
kind = "municipality"
parent = 300
"#;

const ID: &str = "6ddb98ed-9e34-4efa-9163-62e4ea0cbf43";

fn now() -> Timestamp {
    "2026-03-02T10:00:00Z".parse().expect("a time")
}

fn world(change: impl FnOnce(&mut Policy)) -> World {
    let parties = Parties::parse(&[("parties.toml".to_owned(), PARTIES.to_owned())]).expect("parties");
    let mut policy = Policy::default();
    policy.invalid.default = Invalid::Accept;
    change(&mut policy);
    let (schemas, _) = SchemaSet::load(Vec::<(String, Vec<u8>)>::new()).expect("an empty set is a set");
    World {
        schemas: Arc::new(schemas),
        parties: Arc::new(parties),
        rules: Arc::new(Rules::none()),
        policy: Arc::new(policy),
        trust: None,
        limits: Limits::default(),
        heads: head::Settings::default(),
        documents: Arc::default(),
        provenance: Arc::new(Provenance { program: "test".into(), ..Provenance::default() }),
    }
}

#[derive(Clone)]
struct Letter<'a> {
    id: &'a str,
    receivers: &'a [u32],
    patient: &'a str,
    namespace: &'a str,
    status: &'a str,
}

const PATIENT: &str = "<Patient><FamilyName>Prøve</FamilyName><GivenName>Kari</GivenName>\
    <DateOfBirth>1950-01-01</DateOfBirth><Sex V=\"2\" DN=\"Kvinne\"/></Patient>";
const DIALOGUE: &str = "http://www.kith.no/xmlstds/dialog/2013-01-23";

fn letter(receivers: &[u32]) -> Letter<'_> {
    Letter { id: ID, receivers, patient: PATIENT, namespace: DIALOGUE, status: "P" }
}

fn organisation(service: u32) -> String {
    let ident =
        |id: u32| format!("<Ident><Id>{id}</Id><TypeId V=\"HER\" S=\"2.16.578.1.12.4.1.1.9051\"/></Ident>");
    format!(
        "<Organisation><OrganisationName>E</OrganisationName>{}<Organisation>\
         <OrganisationName>S</OrganisationName>{}</Organisation></Organisation>",
        ident(service / 100 * 100),
        ident(service)
    )
}

impl Letter<'_> {
    fn xml(&self) -> String {
        let (first, copies) = self.receivers.split_first().expect("a receiver");
        let copies: String = copies
            .iter()
            .map(|&c| format!("<OtherReceiver><RoleReceiver V=\"COP\"/>{}</OtherReceiver>", organisation(c)))
            .collect();
        format!(
            "<MsgHead xmlns=\"http://www.kith.no/xmlstds/msghead/2006-05-24\"><MsgInfo>\
             <Type V=\"DIALOG_HELSEFAGLIG\"/><MIGversion>v1.2 2006-05-24</MIGversion>\
             <GenDate>2026-03-02T10:30:00</GenDate><MsgId>{}</MsgId><ProcessingStatus V=\"{}\"/>\
             <Sender>{}</Sender><Receiver>{}</Receiver>{copies}{}</MsgInfo>\
             <Document><RefDoc><MsgType V=\"XML\"/><Content><Dialogmelding xmlns=\"{}\"><Notat>\
             <TemaKodet V=\"1\"/></Notat></Dialogmelding></Content></RefDoc></Document></MsgHead>",
            self.id,
            self.status,
            organisation(101),
            organisation(*first),
            self.patient,
            self.namespace,
        )
    }
}

fn arrival(bytes: &[u8]) -> Arrival {
    Arrival {
        id: MessageId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001)),
        source: "test".into(),
        received: now(),
        bytes: bytes.into(),
        idempotency_key: None,
        envelope_receiver: None,
        envelope_sender: None,
        transport: None,
    }
}

fn judge_with(bytes: &[u8], world: &World, known: &Known) -> Entry {
    judge_arrival(arrival(bytes), world, known)
}

fn judge_arrival(arrival: Arrival, world: &World, known: &Known) -> Entry {
    let mut count = 0u128;
    let mut ids = || {
        count += 1;
        Uuid::from_u128(count)
    };
    match process(arrival, world, now(), &mut ids) {
        Outcome::Judged(entry) => *entry,
        Outcome::Need { prepared, .. } | Outcome::Fetch { prepared, .. } => {
            prepared.decide(known, world, now(), &mut ids)
        }
    }
}

fn judge(bytes: &str) -> Entry {
    judge_with(bytes.as_bytes(), &world(|_| ()), &Known::default())
}

/// `receiver state reason` of the recipients in a book.
fn rows(entry: &Entry, book: Book) -> Vec<String> {
    let text = |r: &broker_core::journal::Recipient| {
        let receiver = r.receiver.map_or("-".to_owned(), |h| h.to_string());
        let reason = r.reason.map_or(String::new(), |r| format!(" {r}"));
        format!("{receiver} {}{reason}", r.state)
    };
    entry.recipients.iter().filter(|r| r.book == book).map(text).collect()
}

/// What the receipts of an entry say: `from status codes`.
fn receipts(entry: &Entry) -> Vec<String> {
    let says = |d: &broker_core::journal::Document| {
        let text = xml::decode(&d.bytes).expect("text").text.into_owned();
        let head = head::read(&text, &Limits::default()).expect("a receipt");
        let receipt = head.receipt.expect("a receipt");
        let from = head.sender.and_then(|s| s.her_id()).map_or("-".to_owned(), |h| h.to_string());
        let status = match receipt.status {
            ReceiptStatus::Ok => "ok",
            ReceiptStatus::Rejected => "rejected",
            ReceiptStatus::OkWithErrors => "ok with errors",
        };
        let codes: String = receipt.errors.iter().map(|e| format!(" {}", e.code)).collect();
        format!("{from} {status}{codes}")
    };
    entry.documents.iter().map(says).collect()
}

#[test]
fn each_receiver_is_answered_for_as_its_party_says() {
    let entry = judge(&letter(&[201, 202, 203]).xml());
    assert_eq!(rows(&entry, Book::Message), ["201 waiting", "202 waiting", "203 waiting"]);
    assert_eq!(
        receipts(&entry),
        ["202 ok"],
        "the broker writes for 202; 201's own is relayed; 203 is silent"
    );
    assert_eq!(rows(&entry, Book::Receipt), ["101 waiting"]);
    let [first, second, third, _] = entry.recipients.as_slice() else { panic!("four recipients") };
    let deadline = "2026-03-06T09:30:00Z".parse().expect("GenDate in Oslo, and 96 hours");
    assert_eq!(first.receipt_deadline, Some(deadline));
    assert_eq!((second.receipt_deadline, third.receipt_deadline), (None, None), "nobody else is waited for");
    assert!(second.receipt_written && !first.receipt_written, "the system behind is told not to answer");
}

#[test]
fn the_same_world_gives_the_same_bytes() {
    let xml = letter(&[201, 202]).xml();
    assert_eq!(format!("{:?}", judge(&xml)), format!("{:?}", judge(&xml)));
    let bytes = |e: Entry| e.documents.into_iter().map(|d| d.bytes).collect::<Vec<_>>();
    assert_eq!(bytes(judge(&xml)), bytes(judge(&xml)));
}

#[test]
fn the_journal_is_asked_for_what_came_before() {
    let bytes = letter(&[201]).xml();
    let mut ids = || Uuid::nil();
    let outcome = process(arrival(bytes.as_bytes()), &world(|_| ()), now(), &mut ids);
    assert_eq!(outcome.lookups(), [Lookup::Seen { sender: "HER:101".into(), msg_id: ID.into() }]);
}

fn seen(receiver: &str, bytes: &str) -> Seen {
    Seen {
        message: MessageId(Uuid::from_u128(9)),
        receiver: receiver.into(),
        content_hash: ContentHash::of(bytes.as_bytes()),
    }
}

#[test]
fn a_repeat_is_recognised_and_not_answered() {
    let xml = letter(&[201]).xml();
    let known = Known { seen: vec![seen("201", &xml)], ..Known::default() };
    let entry = judge_with(xml.as_bytes(), &world(|_| ()), &known);
    assert_eq!(entry.verdict, VerdictRecord::Duplicate { of: MessageId(Uuid::from_u128(9)) });
    assert!(entry.recipients.is_empty() && entry.documents.is_empty() && entry.duplicate_keys.is_empty());
}

#[test]
fn a_repeat_to_a_further_receiver_goes_to_that_one_alone() {
    let xml = letter(&[201, 202]).xml();
    let known = Known { seen: vec![seen("201", &xml)], ..Known::default() };
    let entry = judge_with(xml.as_bytes(), &world(|_| ()), &known);
    assert_eq!(rows(&entry, Book::Message), ["202 waiting"]);
    assert_eq!(entry.duplicate_keys.iter().map(|k| k.receiver.as_str()).collect::<Vec<_>>(), ["202"]);
}

#[test]
fn the_same_id_with_other_content_is_parked_and_nobody_is_answered() {
    let known = Known { seen: vec![seen("201", "something else")], ..Known::default() };
    let entry = judge_with(letter(&[201, 202]).xml().as_bytes(), &world(|_| ()), &known);
    assert_eq!(entry.verdict, VerdictRecord::Parked { reason: Reason::ConflictingContent });
    assert_eq!(rows(&entry, Book::Message), ["202 parked P11"]);
    assert!(entry.documents.is_empty() && entry.duplicate_keys.is_empty());
}

#[test]
fn what_is_no_xml_is_answered_if_its_sender_can_be_read() {
    let whole = letter(&[201]).xml();
    let (broken, _) = whole.split_once("</Document>").expect("a place to break it");
    let entry = judge(broken);
    assert_eq!(receipts(&entry), ["201 rejected T01"]);
    assert_eq!(entry.verdict, VerdictRecord::Refused { reason: Reason::NotXml });
    let entry = judge("no message at all");
    assert_eq!(entry.verdict, VerdictRecord::Silent { reason: Reason::SenderUnreadable });
    assert_eq!(rows(&entry, Book::Message), ["- parked P08"]);
}

#[test]
fn an_unknown_format_is_answered_t10() {
    let entry = judge(&Letter { namespace: "urn:not-known", ..letter(&[201, 202, 203]) }.xml());
    assert_eq!(receipts(&entry), ["201 rejected T10", "202 rejected T10"], "nobody answers for 203");
    assert_eq!(rows(&entry, Book::Message), ["201 rejected P02", "202 rejected P02", "203 rejected P02"]);
}

#[test]
fn an_invalid_message_is_refused_or_taken_in_as_policy_says() {
    let xml = letter(&[201]).xml();
    let strict = world(|p| p.invalid.default = Invalid::Refuse);
    let entry = judge_with(xml.as_bytes(), &strict, &Known::default());
    assert_eq!(receipts(&entry), ["201 rejected T02"]);
    assert_eq!(rows(&entry, Book::Message), ["201 rejected P03"]);
    let entry = judge(&xml);
    assert_eq!(entry.verdict, VerdictRecord::AcceptedWithFindings);
    assert!(!entry.findings.is_empty());
}

#[test]
fn what_a_queue_of_our_own_brings_is_refused_only_if_its_sender_hears_of_it() {
    let policy = |invalid| world(|p| p.invalid.default = invalid);
    let judged = |letter: &Letter<'_>, invalid| {
        let transport = Transport { role: Role::Internal, ..Transport::default() };
        let arrival = Arrival { transport: Some(Arc::new(transport)), ..arrival(letter.xml().as_bytes()) };
        judge_arrival(arrival, &policy(invalid), &Known::default())
    };
    let cases = [
        (letter(&[203]), Invalid::Refuse, "P03"),
        (Letter { namespace: "urn:not-known", ..letter(&[203]) }, Invalid::Accept, "P02"),
        (Letter { id: "no-uuid", ..letter(&[203]) }, Invalid::Accept, "P04"),
    ];
    for (message, invalid, reason) in cases {
        let entry = judged(&message, invalid);
        assert_eq!((entry.verdict.as_str(), receipts(&entry).len()), ("parked", 0), "{reason}");
        assert_eq!(rows(&entry, Book::Message), [format!("203 parked {reason}")]);
        let heard = judged(&Letter { receivers: &[201, 203], ..message }, invalid);
        assert_eq!((heard.verdict.as_str(), receipts(&heard).len()), ("refused", 1), "{reason}");
        let both = [format!("201 rejected {reason}"), format!("203 rejected {reason}")];
        assert_eq!(rows(&heard, Book::Message), both);
    }
}

#[test]
fn faults_of_content_are_told_together() {
    let entry = judge(
        &Letter {
            id: "not-a-uuid",
            patient: "<Patient><FamilyName>Prøve</FamilyName></Patient>",
            ..letter(&[201])
        }
        .xml(),
    );
    assert_eq!(receipts(&entry), ["201 rejected E10 E36"]);
}

#[test]
fn an_unknown_service_of_an_enterprise_of_ours_is_e21_and_a_stranger_is_silence() {
    let entry = judge(&letter(&[201, 299]).xml());
    assert_eq!(receipts(&entry), ["299 rejected E21"]);
    assert_eq!(rows(&entry, Book::Message), ["201 waiting", "299 rejected P05"]);
    let entry = judge(&letter(&[901]).xml());
    assert!(entry.documents.is_empty(), "nothing here is ours: no receipt at all");
    assert_eq!(entry.verdict, VerdictRecord::Silent { reason: Reason::NotForUs });
    assert_eq!(rows(&entry, Book::Message), ["901 parked P09"]);
}

#[test]
fn e21_can_be_switched_off() {
    let quiet = world(|p| p.receipts.refuse_unknown_receiver = false);
    let entry = judge_with(letter(&[299]).xml().as_bytes(), &quiet, &Known::default());
    assert!(entry.documents.is_empty());
    assert_eq!(rows(&entry, Book::Message), ["299 parked P09"], "a person places it");
}

#[test]
fn a_fault_of_ours_parks_and_blames_nobody() {
    let entry = judge(&letter(&[301]).xml());
    assert!(entry.documents.is_empty());
    assert_eq!(entry.verdict, VerdictRecord::Parked { reason: Reason::NoDestination });
    assert_eq!(rows(&entry, Book::Message), ["301 parked P12"]);
}

#[test]
fn a_receiver_named_twice_gets_it_once() {
    let entry = judge(&letter(&[202, 202]).xml());
    assert_eq!(rows(&entry, Book::Message), ["202 waiting"]);
    assert_eq!(receipts(&entry), ["202 ok"]);
}

#[test]
fn test_messages_are_held_where_that_is_wanted() {
    let xml = Letter { status: "T", ..letter(&[202]) }.xml();
    assert_eq!(receipts(&judge(&xml)), ["202 ok"]);
    let hold = world(|p| p.test_messages = TestMessages::Hold);
    let entry = judge_with(xml.as_bytes(), &hold, &Known::default());
    assert_eq!(rows(&entry, Book::Message), ["202 parked P15"]);
}

/// The receipt of 201 for the letter, as the broker would get it.
fn apprec(status: &str) -> String {
    let hcp = |e: u32, s: u32| {
        format!(
            "<HCP><Inst><Name>E</Name><Id>{e}</Id><TypeId V=\"HER\"/><Dept><Name>S</Name><Id>{s}</Id><TypeId V=\"HER\"/></Dept></Inst></HCP>"
        )
    };
    let error = if status == "2" { "<Error V=\"E35\" S=\"2.16.578.1.12.4.1.1.8221\" DN=\"x\"/>" } else { "" };
    format!(
        "<AppRec xmlns=\"http://www.kith.no/xmlstds/apprec/2012-02-15\"><MsgType V=\"APPREC\"/>\
         <MIGversion>v1.1 2012-02-15</MIGversion><GenDate>2026-03-02T11:00:00</GenDate>\
         <Id>11111111-2222-4333-8444-555555555555</Id><Sender><Role V=\"PRIM\"/>{}</Sender>\
         <Receiver><Role V=\"AVS\"/>{}</Receiver><Status V=\"{status}\"/>{error}\
         <OriginalMsgId><MsgType V=\"DIALOG_HELSEFAGLIG\"/><IssueDate>2026-03-02T10:30:00</IssueDate><Id>{ID}</Id></OriginalMsgId></AppRec>",
        hcp(200, 201),
        hcp(100, 101)
    )
}

fn original(state: State, receipt_written: bool) -> Known {
    let original = Original {
        recipient: RecipientId(Uuid::from_u128(77)),
        message: MessageId(Uuid::from_u128(7)),
        state,
        generated: Some("2026-03-02T09:30:00Z".parse().expect("a time")),
        receipt_written,
    };
    Known { originals: vec![original], ..Known::default() }
}

#[test]
fn a_receipt_closes_its_message_and_is_passed_on() {
    for (status, event) in [("1", Event::ReceiptOk), ("2", Event::ReceiptRejected)] {
        for state in [State::HandedOver, State::Expired, State::Unsure] {
            let entry = judge_with(apprec(status).as_bytes(), &world(|_| ()), &original(state, false));
            assert_eq!(
                entry.closings.iter().map(|c| c.event).collect::<Vec<_>>(),
                [event],
                "late ones count too"
            );
            assert_eq!(rows(&entry, Book::Receipt), ["101 waiting"]);
            assert!(entry.documents.is_empty(), "a receipt is never receipted");
        }
    }
}

#[test]
fn of_two_receipts_the_first_stands() {
    for known in [original(State::Receipted, false), original(State::HandedOver, true)] {
        let entry = judge_with(apprec("2").as_bytes(), &world(|_| ()), &known);
        assert!(entry.closings.is_empty());
        assert_eq!(rows(&entry, Book::Receipt), ["101 rejected P24"]);
    }
}

#[test]
fn a_receipt_for_something_unknown_is_passed_on_and_somebody_is_told() {
    let entry = judge(&apprec("1"));
    assert_eq!(rows(&entry, Book::Receipt), ["101 waiting P25"]);
}

#[test]
fn the_receipt_is_looked_up_by_its_original_and_who_answers() {
    let mut ids = || Uuid::nil();
    let outcome = process(arrival(apprec("1").as_bytes()), &world(|_| ()), now(), &mut ids);
    let keys: Vec<_> = outcome
        .lookups()
        .iter()
        .filter_map(|l| match l {
            Lookup::Original(key) => Some((key.id.as_str(), key.receiver.as_str())),
            Lookup::Seen { .. } | Lookup::Sent(_) | Lookup::ErrorsTo { .. } => None,
        })
        .collect();
    assert_eq!(keys, [(ID, "201"), (ID, "200")]);
}
