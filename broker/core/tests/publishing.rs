//! What is published: a recipient for each target, and a version for the series.

use broker_core::journal::{Book, Entry, Known, Payload, Provenance, VerdictRecord};
use broker_core::lifecycle::State;
use broker_core::policy::{Invalid, Policy, Publish};
use broker_core::{Arrival, Outcome, World, process};
use dead_letter::Reason;
use jiff::Timestamp;
use message_schemas::schema::SchemaSet;
use message_schemas::{Family, Limits, MessageId, head};
use routing_rules::{Parties, Rules};
use sharing::series::{Change, Names, Sha};
use std::sync::Arc;
use uuid::Uuid;

const PARTIES: &str = r#"
[[party]]
her_id = 200
level = "enterprise"
name = "Sykehuset"
kind = "hospital"
destination = "hospital"
[[party]]
her_id = 201
level = "service"
name = "Medisinsk avdeling"
kind = "hospital"
parent = 200
answers = "none"
"#;

/// A report to our hospital; `change` and `status` as in the message.
fn report(msg_id: &str, change: &str, status: &str, to: u32) -> String {
    format!(
        r#"<Message xmlns="http://www.kith.no/xmlstds/labsvar/2012-02-15">
  <Type V="SVAR_LAB" DN="Svarrapport-Laboratoriemedisin"/><MIGversion>v1.4 2012-02-15</MIGversion>
  <GenDate V="2026-03-04T09:00:00Z"/><MsgId>{msg_id}</MsgId>{status}
  <ServReport>
    <ServType V="{change}"/><IssueDate V="2026-03-04"/><Status V="F"/><MsgDescr V="CLIN"/>
    <ServProvId>SR-1</ServProvId>
    <Patient><Name>Nordlys, Aksel</Name><OffId>02906130060</OffId><TypeOffId V="FNR"/></Patient>
    <ServProvider><HCP><Inst><Name>Laboratoriet</Name><Id>974760673</Id><TypeId V="ENH"/>
      <AdditionalId><Id>100</Id><Type V="HER"/></AdditionalId></Inst></HCP></ServProvider>
    <Requester><HCP><Inst><Name>Sykehuset</Name><Id>200</Id><TypeId V="HER"/>
      <Dept><Name>Medisinsk avdeling</Name><Id>{to}</Id><TypeId V="HER"/></Dept></Inst></HCP></Requester>
  </ServReport>
</Message>"#
    )
}

fn target(name: &str, families: &[Family], tests: bool) -> Publish {
    Publish { to: name.parse().expect("a name"), families: families.iter().copied().collect(), tests }
}

fn decide(xml: &str, publish: Vec<Publish>) -> Entry {
    let mut policy = Policy { publish, ..Policy::default() };
    policy.invalid.default = Invalid::Accept;
    let (schemas, _) = SchemaSet::load(Vec::<(String, Vec<u8>)>::new()).expect("an empty set is a set");
    let world = World {
        schemas: Arc::new(schemas),
        parties: Arc::new(Parties::parse(&[("p.toml".to_owned(), PARTIES.to_owned())]).expect("parties")),
        rules: Arc::new(Rules::none()),
        policy: Arc::new(policy),
        trust: None,
        limits: Limits::default(),
        heads: head::Settings::default(),
        documents: Arc::default(),
        provenance: Arc::new(Provenance::default()),
    };
    let now: Timestamp = "2026-03-04T10:00:00Z".parse().expect("a time");
    let arrival = Arrival {
        id: MessageId(Uuid::from_u128(1)),
        source: "test".to_owned(),
        received: now,
        bytes: xml.as_bytes().into(),
        idempotency_key: None,
        envelope_receiver: None,
        envelope_sender: None,
        transport: None,
    };
    let mut next = 10_u128;
    let mut ids = || {
        next += 1;
        Uuid::from_u128(next)
    };
    match process(arrival, &world, now, &mut ids) {
        Outcome::Judged(entry) => *entry,
        Outcome::Need { prepared, .. } => prepared.decide(&Known::default(), &world, now, &mut ids),
        Outcome::Fetch { .. } => panic!("nothing is to be fetched"),
    }
}

/// Where it goes, beside the hospital.
fn published(entry: &Entry) -> Vec<&str> {
    let to = entry.recipients.iter().filter_map(|r| r.destination.as_ref());
    to.map(|d| d.as_str()).filter(|d| *d != "hospital").collect()
}

const ID: &str = "5d0f8f7e-6a41-4c1b-9a57-0a7be9a10002";

#[test]
fn a_document_goes_to_every_target_that_takes_its_family() {
    let xml = report(ID, "M", "", 201);
    let all = [Family::ResultReport, Family::Referral];
    let entry = decide(
        &xml,
        vec![
            target("publish:a", &all, false),
            target("publish:b", &all[1..], false),
            target("publish:c", &all, false),
        ],
    );
    assert!(
        matches!(entry.verdict, VerdictRecord::Accepted | VerdictRecord::AcceptedWithFindings),
        "{entry:?}"
    );
    assert_eq!(published(&entry), ["publish:a", "publish:c"]);
    let [version] = entry.versions.as_slice() else { panic!("{:?}", entry.versions) };
    assert_eq!(version.msg_id, ID);
    assert_eq!((version.family.as_str(), version.sender.as_str()), ("svarrapport", "ENH:974760673"));
    assert_eq!(version.names, Names::Series("SR-1".to_owned()));
    assert_eq!((version.change, version.withheld, version.test), (Change::Changed, None, false));
    assert_eq!(version.content, Sha::of(xml.as_bytes()));
    assert!(version.patient.is_some());
    let record = serde_json::to_string(version).expect("JSON");
    assert!(!record.contains("02906130060"), "no national id is kept beside the message: {record}");

    for recipient in
        entry.recipients.iter().filter(|r| r.destination.as_ref().is_some_and(|d| d.as_str() != "hospital"))
    {
        assert_eq!(
            (recipient.state, recipient.book, recipient.payload),
            (State::Waiting, Book::Message, Payload::Original)
        );
        assert_eq!(recipient.order_key, Some(version.strand().0.simple().to_string()));
        assert_eq!((recipient.expires, recipient.receipt_deadline), (None, None));
    }
}

#[test]
fn tests_go_to_targets_for_tests_and_to_no_others() {
    let targets = || {
        vec![
            target("publish:real", &[Family::ResultReport], false),
            target("publish:test", &[Family::ResultReport], true),
        ]
    };
    // Nobody who lives, and not marked: a target for tests takes it, and the other one says why it does not.
    assert_eq!(published(&decide(&report(ID, "N", "", 201), targets())), ["publish:real", "publish:test"]);
    let test = decide(&report(ID, "N", "<Status V=\"TEST\"/>", 201), targets());
    assert_eq!(published(&test), ["publish:test"]);
    assert!(test.versions.iter().all(|v| v.test));
}

#[test]
fn what_is_not_taken_in_is_not_published() {
    let entry = decide(&report(ID, "N", "", 999), vec![target("publish:a", &[Family::ResultReport], false)]);
    assert_eq!(published(&entry), Vec::<&str>::new());
    assert!(entry.versions.is_empty());
}

#[test]
fn what_cannot_be_made_into_a_document_waits_for_a_person_and_is_delivered() {
    let xml = report(ID, "C", "", 201).replace("<ServProvId>SR-1</ServProvId>", "");
    let entry = decide(&xml, vec![target("publish:a", &[Family::ResultReport], false)]);
    let state = |name: &str| {
        let found =
            entry.recipients.iter().find(|r| r.destination.as_ref().is_some_and(|d| d.as_str() == name));
        found.map(|r| (r.state, r.reason))
    };
    assert_eq!(state("publish:a"), Some((State::Parked, Some(Reason::TranslationFailed))));
    assert_eq!(state("hospital").map(|s| s.0), Some(State::Waiting));
    assert!(entry.versions.is_empty());
}

#[test]
fn nothing_is_kept_where_nothing_is_published() {
    let entry = decide(&report(ID, "N", "", 201), Vec::new());
    assert!(entry.versions.is_empty());
    assert_eq!(published(&entry), Vec::<&str>::new());
}
