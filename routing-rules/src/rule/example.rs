//! Examples that stand beside a rule and say what becomes of a message: the rule's own tests.

use super::file::target;
use super::{Rule, Rules, Target};
use crate::explain::{ReceiverTrace, RuleOutcome};
use crate::fault::ExampleFailure;
use crate::party::{Parties, instant};
use crate::reading::{Faults, Table, line, parsed, word};
use crate::route::{Decision, Facts, Route, route};
use jiff::Timestamp;
use message_schemas::family::{Family, MessageKind, Version};
use message_schemas::head::{Links, MessageHead, Party, Receiver, Role, Service, Unit};
use message_schemas::ids::{HerId, Ident, MsgId};

/// A message in a few words, and what must become of it.
#[derive(Debug)]
pub(crate) struct Example {
    name: String,
    line: usize,
    head: MessageHead,
    at: Timestamp,
    size_bytes: usize,
    matches: bool,
    /// All deliveries, in order, if the example says.
    destinations: Option<Vec<Target>>,
}

/// Reads an example. What it does not say is not so; without a time it is Wednesday noon.
pub(super) fn read(mut table: Table<'_, '_>, parties: &Parties, faults: &mut Faults) -> Option<Example> {
    let mut head = sample_head();
    let name = table.text("name", faults, line);
    let family = table.text("family", faults, word::<Family>);
    let version = table.text("version", faults, word::<Version>);
    head.type_code = table.text("type", faults, line);
    head.function = table.text("function", faults, line);
    head.service_type = table.text("service_type", faults, word);
    head.report_status = table.text("report_status", faults, line);
    head.urgency = table.text("urgency", faults, line);
    head.content_kind = table.text("content_kind", faults, line);
    head.emergency = table.flag("emergency", faults).unwrap_or_default();
    head.test = table.flag("test", faults).unwrap_or_default();
    let sender = table.text("sender", faults, parsed::<HerId>);
    let receiver = table.text("receiver", faults, parsed::<HerId>);
    let copy = table.flag("copy", faults).unwrap_or_default();
    let size_bytes = table.text("size", faults, parsed).unwrap_or(20_000);
    let at = table.text("time", faults, instant).or_else(|| instant("2026-01-14T12:00:00").ok());
    let matches = table.flag("matches", faults);
    let listed = table.has("destinations");
    let destinations = table.texts("destinations", faults, target);
    let name = table.need("name", name, faults);
    let family = table.need("family", family, faults);
    let version = table.need("version", version, faults);
    let sender = table.need("sender", sender, faults);
    let receiver = table.need("receiver", receiver, faults);
    let matches = table.need("matches", matches, faults);
    let line = table.line();
    table.finish(faults);
    head.kind = MessageKind { family: family?, version: version? };
    head.sender = Some(party(sender?, parties));
    let role = if copy { Role::Copy } else { Role::Primary };
    head.receivers = vec![Receiver { role, party: party(receiver?, parties) }];
    let destinations = listed.then_some(destinations);
    Some(Example { name: name?, line, head, at: at?, size_bytes, matches: matches?, destinations })
}

impl Example {
    /// Routes the message by all rules; says what came out differently.
    pub(super) fn run(&self, rule: &Rule, parties: &Parties, rules: &Rules) -> Option<ExampleFailure> {
        let facts = Facts { head: &self.head, at: self.at, size_bytes: self.size_bytes };
        let routing = route(&facts, parties, rules);
        let trace = routing.explanation.receivers.first()?;
        let failure = |expected: String, got: String| {
            Some(ExampleFailure {
                file: rule.file.clone(),
                line: self.line,
                rule: rule.name.clone(),
                example: self.name.clone(),
                expected,
                got,
            })
        };
        let (fired, why) = fate(rule, trace);
        if fired != self.matches {
            let expected = if self.matches { "that it fires" } else { "that it does not fire" };
            return failure(expected.to_owned(), why);
        }
        let wanted = self.destinations.as_deref()?;
        if routing.routes.first().is_some_and(|route| reaches(route, wanted)) {
            return None;
        }
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        let wanted = if wanted.is_empty() { "no delivery".to_owned() } else { wanted.join(" and ") };
        failure(wanted, trace.decision.clone())
    }
}

/// Whether the rule fired, and how that is told.
fn fate(rule: &Rule, trace: &ReceiverTrace) -> (bool, String) {
    match trace.rules.iter().find(|t| t.rule == rule.name).map(|t| &t.outcome) {
        Some(RuleOutcome::Fired { did }) => (true, format!("it fired: {}", did.join("; "))),
        Some(RuleOutcome::NotFired { because }) => {
            (false, format!("it did not fire, since {}", because.join("; ")))
        }
        Some(RuleOutcome::Failed { error }) => (false, format!("it failed: {error}")),
        Some(RuleOutcome::NotReached { after }) => {
            (false, format!("rule {after} ended the search before it"))
        }
        None => (false, format!("no rule was asked: {}", trace.decision)),
    }
}

/// Whether a route goes to exactly these targets, in this order.
fn reaches(route: &Route, wanted: &[Target]) -> bool {
    let Decision::Deliver { legs, .. } = &route.decision else { return wanted.is_empty() };
    let mut legs = legs.iter().peekable();
    for target in wanted {
        let mut found = Vec::new();
        while let Some(leg) = legs.next_if(|leg| leg.destination == target.destination) {
            found.push(leg.format);
        }
        if found.is_empty() || target.formats.as_ref().is_some_and(|formats| *formats != found) {
            return false;
        }
    }
    legs.next().is_none()
}

/// A party as a message would name it, with the enterprise that the parties know.
fn party(her_id: HerId, parties: &Parties) -> Party {
    let unit = |id: HerId| Unit {
        name: None,
        idents: vec![Ident { value: id.to_string(), kind: "HER".to_owned(), system: None, display: None }],
    };
    let enterprise = parties.get(her_id).and_then(|p| p.parent).unwrap_or(her_id);
    Party { enterprise: unit(enterprise), service: Some(Service::Department(unit(her_id))), address: None }
}

/// A plain message between two parties that nobody knows.
pub(super) fn sample_head() -> MessageHead {
    let parties = Parties::default();
    MessageHead {
        kind: MessageKind { family: Family::Referral, version: Version(1, 1) },
        namespace: String::new(),
        under_msg_head: false,
        type_code: None,
        function: None,
        msg_id: MsgId::new("00000000-0000-4000-8000-000000000000"),
        generated: None,
        test: false,
        mark_unclear: false,
        document_id: None,
        service_type: None,
        report_status: None,
        content_kind: None,
        sender: Some(party(HerId(1), &parties)),
        receivers: vec![Receiver { role: Role::Primary, party: party(HerId(2), &parties) }],
        patient: None,
        not_a_person: false,
        links: Links::default(),
        urgency: None,
        emergency: false,
        attachments: Vec::new(),
        bodies: 1,
        receipt: None,
    }
}
