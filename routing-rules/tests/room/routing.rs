//! Decisions: each way a receiver can be found or not, each thing a rule can do, and what the explanation says.

use crate::common::{decision, head, noon, order_key, parties, receiver, routing, rules, unit};
use message_schemas::family::{Family, MessageKind, Version};
use message_schemas::head::{MessageHead, Role};
use message_schemas::ids::MsgId;
use proptest::prelude::*;
use routing_rules::{Answers, Decision, Facts, Rules, route};

fn to(enterprise: u32, service: u32) -> MessageHead {
    MessageHead { receivers: vec![receiver(enterprise, service)], ..head() }
}

fn of(family: Family, version: Version, head: MessageHead) -> MessageHead {
    MessageHead { kind: MessageKind { family, version }, ..head }
}

#[test]
fn receivers_without_rules() {
    let none = Rules::none();
    let mut no_service = to(100, 101);
    no_service.receivers[0].party.service = None;
    let mut no_enterprise = to(100, 101);
    no_enterprise.receivers[0].party.enterprise = unit(None);
    let result = |minor, head| of(Family::ResultReport, Version(1, minor), head);
    let cases = [
        (to(100, 101), "deliver to folder:hospital as kith-xml"),
        (to(100, 999), "unknown here"),
        (to(300, 301), "unknown here"),
        (no_service, "incomplete address"),
        (no_enterprise, "incomplete address"),
        (to(100, 103), "the party does not take part at this time"),
        (to(200, 201), "no destination is set for the party"),
        (to(100, 102), "the party does not take referral 1.1"),
        (result(2, to(100, 102)), "the party does not take result-report 1.2"),
        (result(4, to(100, 102)), "deliver to http:desk as kith-xml and http:desk as fhir-document"),
        (of(Family::Requisition, Version(1, 6), to(100, 102)), "deliver to http:desk as kith-xml"),
        (of(Family::AppRec, Version(1, 0), to(100, 102)), "deliver to http:desk as kith-xml"),
        (
            MessageHead { test: true, ..result(3, to(100, 102)) },
            "deliver to folder:test as kith-xml and folder:test as fhir-document",
        ),
        (MessageHead { test: true, ..to(100, 101) }, "deliver to folder:hospital as kith-xml"),
        // Level 1 only groups: the service is found whatever enterprise the message names.
        (to(999, 101), "deliver to folder:hospital as kith-xml"),
    ];
    for (head, wanted) in cases {
        assert_eq!(decision(&head, &none), wanted, "{:?} to {:?}", head.kind, head.receivers);
    }
}

#[test]
fn every_addressed_receiver_gets_its_own_route() {
    let mut copy = receiver(100, 102);
    copy.role = Role::Copy;
    let mut mentioned = receiver(200, 201);
    mentioned.role = Role::Mentioned;
    let receivers = vec![receiver(100, 101), mentioned, copy, receiver(100, 999)];
    let routing = routing(&MessageHead { receivers, ..head() }, &Rules::none());
    let indexes: Vec<usize> = routing.routes.iter().map(|r| r.receiver_index).collect();
    assert_eq!(indexes, [0, 2, 3]);
    assert!(matches!(routing.routes[0].decision, Decision::Deliver { .. }));
    assert!(matches!(routing.routes[1].decision, Decision::Unable { .. }));
    assert_eq!(routing.routes[2].decision, Decision::Unknown);
    assert_eq!(routing.explanation.receivers.len(), 3);
}

#[test]
fn who_answers_is_the_party_s_choice_but_receipts_are_never_answered() {
    let answers = |head: &MessageHead| {
        let decision = routing(head, &Rules::none()).routes.remove(0).decision;
        let Decision::Deliver { answers, .. } = decision else { panic!("delivered: {decision}") };
        answers
    };
    assert_eq!(answers(&head()), Answers::Broker);
    assert_eq!(answers(&of(Family::Requisition, Version(1, 6), to(100, 102))), Answers::Party);
    assert_eq!(answers(&of(Family::AppRec, Version(1, 1), head())), Answers::None);
}

const RULES: &str = r#"
[[rule]]
name = "archive"
copy = ["folder:archive"]

[[rule]]
name = "from the GP"
senders = [301]
deliver = ["folder:first as both"]

[[rule]]
name = "too late"
deliver = ["folder:second"]
"#;

#[test]
fn rules_are_asked_in_order_until_one_ends_the_search() {
    let rules = rules(RULES);
    assert_eq!(
        decision(&head(), &rules),
        "deliver to folder:first as kith-xml and folder:first as fhir-document and folder:archive as kith-xml"
    );
    let explained = routing(&head(), &rules).explanation.to_string();
    let wanted = "\
Receiver 1, HER-id 101
  Known as Medical department (hospital).
  rule archive (rules.toml:2): fired
    - copies to folder:archive
  rule from the GP (rules.toml:6): fired
    - delivers to folder:first as both
    - ends the search
  rule too late (rules.toml:11): not looked at, ended by
    - from the GP
  => deliver to folder:first as kith-xml and folder:first as fhir-document and folder:archive as kith-xml
";
    assert_eq!(explained, wanted);
}

#[test]
fn priority_goes_before_place() {
    let text = RULES.replace("name = \"too late\"", "name = \"too late\"\npriority = 1");
    assert_eq!(decision(&head(), &rules(&text)), "deliver to folder:second as kith-xml");
}

#[test]
fn a_hold_goes_before_a_delivery_and_before_a_missing_destination() {
    let rules = rules(
        "[[rule]]\nname = \"wait\"\nhold = \"Ring them first.\"\nreceiver_kinds = [\"municipality\", \"hospital\"]",
    );
    for head in [head(), to(200, 201)] {
        assert_eq!(decision(&head, &rules), "hold, by rule wait: Ring them first.");
    }
    assert_eq!(decision(&to(100, 999), &rules), "unknown here", "no rule is asked about a stranger");
}

#[test]
fn what_is_released_passes_each_hold_and_meets_the_rules_behind() {
    let mut rules = rules(
        "[[rule]]\nname = \"wait\"\nhold = \"Ring them first.\"\ncopy = [\"folder:archive\"]\n\
         [[rule]]\nname = \"wait again\"\nhold = \"And them.\"\n\
         [[rule]]\nname = \"desk\"\ndeliver = [\"folder:desk\"]",
    );
    assert_eq!(decision(&head(), &rules), "hold, by rule wait: Ring them first.");
    rules.hold_nothing();
    let released = "deliver to folder:desk as kith-xml and folder:archive as kith-xml";
    assert_eq!(decision(&head(), &rules), released);
}

#[test]
fn a_rule_that_delivers_helps_where_the_party_cannot() {
    let rules = rules("[[rule]]\nname = \"desk\"\ndeliver = [\"folder:desk\"]");
    for head in [to(200, 201), to(100, 102)] {
        assert_eq!(decision(&head, &rules), "deliver to folder:desk as kith-xml");
    }
}

#[test]
fn copies_alone_do_not_make_a_delivery() {
    let rules = rules("[[rule]]\nname = \"archive\"\ncopy = [\"folder:archive\"]");
    assert_eq!(decision(&to(200, 201), &rules), "no destination is set for the party");
}

#[test]
fn what_belongs_together_shares_its_order_key_and_tells_nothing() {
    let rules = rules("[[rule]]\nname = \"order\"\norder = \"conversation\"");
    let document = order_key(&head(), &rules).expect("a key");
    let other_version = MessageHead { msg_id: MsgId::new("11111111-d063-4bfa-8db4-e4b0a22d2451"), ..head() };
    assert_eq!(order_key(&other_version, &rules).as_ref(), Some(&document));
    let other_sender = MessageHead { sender: Some(receiver(300, 302).party), ..head() };
    assert_ne!(order_key(&other_sender, &rules).as_ref(), Some(&document));
    assert!(!document.contains("8273"), "{document}");

    let first = MessageHead { document_id: None, ..head() };
    let mut answer =
        MessageHead { msg_id: MsgId::new("22222222-d063-4bfa-8db4-e4b0a22d2451"), ..first.clone() };
    answer.links.conversation = MsgId::new("E630B55B-D063-4BFA-8DB4-E4B0A22D2451");
    assert_eq!(
        order_key(&first, &rules),
        order_key(&answer, &rules),
        "the first is what the later ones name"
    );
    assert_eq!(order_key(&head(), &Rules::none()), None);
}

#[test]
fn conditions_that_do_not_hold_are_all_named() {
    let rules = rules(
        "[[rule]]\nname = \"narrow\"\nfamilies = [\"dialogue\"]\nemergency = true\nhours = \"22:00-07:00\"\n\
         weekdays = [\"sat\"]\nurgency = [\"3\"]\nsender_kinds = [\"hospital\"]\ncopy = [\"folder:x\"]",
    );
    let explained = routing(&head(), &rules).explanation.to_string();
    for line in [
        "families: is referral",
        "emergency: is false",
        "hours: is 12:00 in Oslo",
        "weekdays: is wed",
        "urgency: has none",
        "sender_kinds: is gp",
    ] {
        assert!(explained.contains(line), "{line} in {explained}");
    }
}

#[test]
fn an_expression_that_fails_does_not_fire_and_says_so_without_values() {
    // Passes its trial, which has no urgency, and fails on what this message says.
    let rules = rules(
        "[[rule]]\nname = \"odd\"\nwhen = 'message.urgency == \"\" || message.urgency + 1 > 2'\ndeliver = [\"folder:x\"]",
    );
    let head = MessageHead { urgency: Some("Planted secret".into()), ..head() };
    let routing = routing(&head, &rules);
    assert_eq!(decision(&head, &rules), "deliver to folder:hospital as kith-xml");
    let explained = routing.explanation.to_string();
    assert!(explained.contains("did not fire: it failed"), "{explained}");
    assert!(!explained.contains("Planted"), "{explained}");
}

#[test]
fn times_are_oslo_times_in_summer_too() {
    let rules = rules(
        "[[rule]]\nname = \"eight\"\nwhen = 'time.hour == 8 && time.date == \"2026-07-01\"'\ncopy = [\"folder:x\"]",
    );
    let at = "2026-07-01T06:30:00Z".parse().expect("a time");
    let head = head();
    let routing = route(&Facts { head: &head, at, size_bytes: 1 }, &parties(), &rules);
    assert!(routing.explanation.to_string().contains("rule eight (rules.toml:1): fired"));
}

#[test]
fn an_explanation_reads_back_from_json_and_knows_no_patient() {
    let routing = routing(&head(), &rules(RULES));
    let json = serde_json::to_string(&routing).expect("plain data");
    let back: routing_rules::Routing = serde_json::from_str(&json).expect("reads back");
    assert_eq!(back, routing);
    for secret in ["Planted", "Nordmann"] {
        assert!(!json.contains(secret) && !routing.explanation.to_string().contains(secret));
    }
}

#[test]
fn rules_and_parties_may_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Rules>();
    shared::<routing_rules::Parties>();
}

proptest! {
    /// Whoever is addressed, in whatever number and role, and whatever the rules: one route each, in order,
    /// each explained, each leg once.
    #[test]
    fn nobody_is_forgotten(
        addressed in proptest::collection::vec((0u32..4, 99u32..104, 0u8..3), 0..12),
        with_rules in any::<bool>(), test in any::<bool>(), hour in 0i64..200,
    ) {
        let receivers = addressed.iter().map(|&(enterprise, service, role)| {
            let role = [Role::Primary, Role::Copy, Role::Mentioned][usize::from(role)];
            message_schemas::head::Receiver { role, ..receiver(enterprise, service) }
        });
        let head = MessageHead { receivers: receivers.collect(), test, ..head() };
        let rules = if with_rules { rules(RULES) } else { Rules::none() };
        let at = noon() + jiff::SignedDuration::from_hours(hour);
        let routing = route(&Facts { head: &head, at, size_bytes: 1 }, &parties(), &rules);
        let wanted: Vec<usize> = (0..addressed.len()).filter(|&at| addressed[at].2 < 2).collect();
        let routed: Vec<usize> = routing.routes.iter().map(|r| r.receiver_index).collect();
        let explained: Vec<usize> = routing.explanation.receivers.iter().map(|r| r.receiver_index).collect();
        prop_assert_eq!(&routed, &wanted);
        prop_assert_eq!(&explained, &wanted);
        for route in &routing.routes {
            if let Decision::Deliver { legs, .. } = &route.decision {
                prop_assert!(!legs.is_empty());
                for (at, leg) in legs.iter().enumerate() {
                    prop_assert!(!legs[at + 1..].contains(leg), "{} twice", leg);
                }
            }
        }
    }
}
