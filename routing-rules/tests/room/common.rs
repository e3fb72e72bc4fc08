//! Heads and parties for the tests of this room.

use jiff::Timestamp;
use message_schemas::family::{Family, MessageKind, Version};
use message_schemas::head::{Links, MessageHead, Party, Patient, Receiver, Role, Service, Unit};
use message_schemas::ids::{Ident, MsgId, Private};
use routing_rules::{Decision, Facts, Parties, Routing, Rules, route};

pub(crate) fn unit(her_id: Option<u32>) -> Unit {
    let ident = |id: u32| Ident { value: id.to_string(), kind: "HER".into(), system: None, display: None };
    Unit { name: Some(Private("Kari Nordmann".into())), idents: her_id.map(ident).into_iter().collect() }
}

pub(crate) fn receiver(enterprise: u32, service: u32) -> Receiver {
    let party = Party {
        enterprise: unit(Some(enterprise)),
        service: Some(Service::Department(unit(Some(service)))),
        address: None,
    };
    Receiver { role: Role::Primary, party }
}

/// A referral from the GP to the hospital's medical department.
pub(crate) fn head() -> MessageHead {
    MessageHead {
        kind: MessageKind { family: Family::Referral, version: Version(1, 1) },
        namespace: "http://www.kith.no/xmlstds/henvisning/2012-02-15".into(),
        under_msg_head: false,
        type_code: Some("HENV_UTRED".into()),
        function: None,
        msg_id: MsgId::new("e630b55b-d063-4bfa-8db4-e4b0a22d2451"),
        generated: None,
        test: false,
        mark_unclear: false,
        document_id: Some("8273-1".into()),
        service_type: None,
        report_status: None,
        content_kind: None,
        sender: Some(receiver(300, 301).party),
        receivers: vec![receiver(100, 101)],
        patient: Some(Patient { name: Some(Private("Planted, Secret".into())), ..Patient::default() }),
        not_a_person: false,
        links: Links::default(),
        urgency: None,
        emergency: false,
        attachments: Vec::new(),
        bodies: 1,
        receipt: None,
    }
}

pub(crate) const PARTIES: &str = r#"
[[party]]
her_id = 100
level = "enterprise"
name = "Hospital"
kind = "hospital"
organisation = "974760673"
region = "fjord"
destination = "folder:hospital"

[[party]]
her_id = 101
level = "service"
name = "Medical department"
kind = "hospital"
parent = 100
answers = "broker"

[[party]]
her_id = 102
level = "service"
name = "Laboratory desk"
kind = "laboratory"
parent = 100
destination = "http:desk"
test_destination = "folder:test"
receives = [
    { family = "result-report", versions = ["1.3", "1.4"], format = "both" },
    { family = "requisition", versions = ["1.6"] },
]

[[party]]
her_id = 103
level = "service"
name = "Closed ward"
kind = "hospital"
parent = 100
valid_to = 2026-01-01

[[party]]
her_id = 200
level = "enterprise"
name = "Municipality"
kind = "municipality"

[[party]]
her_id = 201
level = "service"
name = "Nursing"
kind = "municipality"
parent = 200

[[party]]
her_id = 301
level = "service"
name = "General practitioner"
kind = "gp"
ours = false
"#;

pub(crate) fn file(name: &str, text: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), text.to_owned())]
}

pub(crate) fn parties() -> Parties {
    Parties::parse(&file("parties.toml", PARTIES)).expect("parties without fault")
}

pub(crate) fn rules(text: &str) -> Rules {
    Rules::parse(&file("rules.toml", text), &parties()).expect("rules without fault")
}

/// Wednesday 14 January 2026, at noon in Oslo.
pub(crate) fn noon() -> Timestamp {
    "2026-01-14T12:00:00+01:00".parse().expect("a time")
}

pub(crate) fn routing(head: &MessageHead, rules: &Rules) -> Routing {
    route(&Facts { head, at: noon(), size_bytes: 20_000 }, &parties(), rules)
}

/// The decision for the first receiver, in words.
pub(crate) fn decision(head: &MessageHead, rules: &Rules) -> String {
    routing(head, rules).routes.first().map(|r| r.decision.to_string()).unwrap_or_default()
}

/// The order key for the first receiver.
pub(crate) fn order_key(head: &MessageHead, rules: &Rules) -> Option<String> {
    match routing(head, rules).routes.first().map(|r| r.decision.clone()) {
        Some(Decision::Deliver { order_key, .. }) => order_key,
        other => panic!("delivered: {other:?}"),
    }
}
