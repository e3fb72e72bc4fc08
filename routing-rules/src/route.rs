//! The decision itself: from a head to one route for each receiver.

use crate::destination::{DestinationId, Format, Leg};
use crate::explain::{Explanation, ReceiverTrace};
use crate::party::{Answers, Parties, PartyEntry};
use crate::rule::{Order, Rule, Rules, Scene, Target};
use jiff::Timestamp;
use message_schemas::family::Family;
use message_schemas::head::{MessageHead, Party, Receiver, Role};
use message_schemas::ids::HerId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// What a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The head of the message.
    pub head: &'a MessageHead,
    /// When the decision is made; rules about the time of day ask this, not the sender's clock.
    pub at: Timestamp,
    /// Size of the message as it came, in bytes.
    pub size_bytes: usize,
}

/// Where a message goes, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// One for each receiver of the head that is addressed (primary or copy), in the order of the head.
    pub routes: Vec<Route>,
    /// How each came about.
    pub explanation: Explanation,
}

/// What is decided for one receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Which receiver of the head, from 0 (receivers that are only mentioned count too).
    pub receiver_index: usize,
    /// Its HER-id on level 2, if it has one.
    pub receiver: Option<HerId>,
    /// What is decided.
    pub decision: Decision,
}

/// What is decided for one receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "decision")]
pub enum Decision {
    /// It is delivered.
    Deliver {
        /// To where, in which form; never empty, and no leg twice.
        legs: Vec<Leg>,
        /// Deliveries with the same key go to a destination in the order of their arrival; none: in any order.
        order_key: Option<String>,
        /// Who answers for the receiver.
        answers: Answers,
    },
    /// A rule holds it for a person to look at.
    Hold {
        /// The rule.
        rule: String,
        /// The reason that the rule gives.
        reason: String,
    },
    /// No party of ours has this HER-id.
    Unknown,
    /// The HER-id is missing on level 1 or level 2.
    Incomplete,
    /// The party is known, but does not take this family or version.
    Unable {
        /// What it does not take, in words.
        why: String,
    },
    /// The party is known, but no destination is set for it.
    NoAddress,
    /// The party is known, but does not take part at this time.
    Expired,
}

/// Decides where a message goes.
///
/// Each receiver is looked up by its HER-id on level 2; level 1 only groups. A receiver that is unknown,
/// incomplete or outside its validity is settled before any rule is asked. Then the rules are asked; what
/// they leave open is as the party's entry says.
#[must_use]
pub fn route(facts: &Facts<'_>, parties: &Parties, rules: &Rules) -> Routing {
    let mut routing = Routing { routes: Vec::new(), explanation: Explanation::default() };
    for (receiver_index, receiver) in facts.head.receivers.iter().enumerate() {
        match receiver.role {
            Role::Primary | Role::Copy => {}
            Role::Mentioned => continue,
        }
        let her_id = receiver.party.her_id();
        let mut trace = ReceiverTrace {
            receiver_index,
            receiver: her_id,
            notes: Vec::new(),
            rules: Vec::new(),
            decision: String::new(),
        };
        let decision = decide(facts, receiver, parties, rules, &mut trace);
        trace.decision = decision.to_string();
        routing.routes.push(Route { receiver_index, receiver: her_id, decision });
        routing.explanation.receivers.push(trace);
    }
    routing
}

fn decide(
    facts: &Facts<'_>,
    receiver: &Receiver,
    parties: &Parties,
    rules: &Rules,
    trace: &mut ReceiverTrace,
) -> Decision {
    let party = match find(facts, receiver, parties, trace) {
        Ok(party) => party,
        Err(settled) => return settled,
    };
    let mut wishes = Wishes::default();
    if !rules.is_empty() {
        let scene = Scene::new(facts, receiver, parties);
        trace.rules = rules.ask(&scene, |rule| wishes.add(rule));
    }
    if let Some((rule, reason)) = wishes.hold {
        return Decision::Hold { rule: rule.to_owned(), reason: reason.to_owned() };
    }
    let kind = facts.head.kind;
    let takes = party.takes(kind);
    let mut legs = Vec::new();
    if wishes.deliver.is_empty() {
        let Some(formats) = takes else {
            return Decision::Unable { why: format!("{} {}", kind.family, kind.version) };
        };
        let Some(destination) = parties.destination(party, facts.head.test) else {
            return Decision::NoAddress;
        };
        add_legs(&mut legs, destination, formats);
    }
    for target in wishes.deliver.iter().chain(wishes.copy.iter().copied()) {
        let formats = target.formats.as_deref().or(takes).unwrap_or(&[Format::KithXml]);
        add_legs(&mut legs, &target.destination, formats);
    }
    let order_key = match wishes.order {
        Some(Order::Conversation) => order_key(facts.head),
        Some(Order::None) | None => None,
    };
    //= HITS 1168 §3
    //# A receipt acknowledges a message; a receipt is never receipted.
    let answers = if kind.family == Family::AppRec { Answers::None } else { party.answers };
    Decision::Deliver { legs, order_key, answers }
}

/// What the rules that fired ask for: the first that delivers, holds or asks for order decides that, and all
/// copies are sent.
#[derive(Default)]
struct Wishes<'r> {
    deliver: &'r [Target],
    copy: Vec<&'r Target>,
    hold: Option<(&'r str, &'r str)>,
    order: Option<Order>,
}

impl<'r> Wishes<'r> {
    /// Adds what a rule asks for, and tells it.
    fn add(&mut self, rule: &'r Rule) -> Vec<String> {
        let actions = &rule.actions;
        let mut did = Vec::new();
        if !actions.deliver.is_empty() {
            if self.deliver.is_empty() {
                self.deliver = &actions.deliver;
                did.extend(actions.deliver.iter().map(|target| format!("delivers to {target}")));
            } else {
                did.push("would deliver, but an earlier rule has decided that".to_owned());
            }
        }
        for target in &actions.copy {
            self.copy.push(target);
            did.push(format!("copies to {target}"));
        }
        if let Some(reason) = &actions.hold {
            self.hold.get_or_insert((&rule.name, reason));
            did.push(format!("holds: {reason}"));
        }
        if let Some(order) = actions.order {
            let decided = *self.order.get_or_insert(order);
            did.push(match decided {
                Order::Conversation => "keeps the order of the conversation".to_owned(),
                Order::None => "keeps no order".to_owned(),
            });
        }
        if actions.stop {
            did.push("ends the search".to_owned());
        }
        did
    }
}

fn add_legs(legs: &mut Vec<Leg>, destination: &DestinationId, formats: &[Format]) {
    for &format in formats {
        let leg = Leg { destination: destination.clone(), format };
        if !legs.contains(&leg) {
            legs.push(leg);
        }
    }
}

/// What messages of one conversation, or versions of one document, have in common. The ids are the sender's
/// text, so the key is a digest of them: of bounded length, and telling nothing.
fn order_key(head: &MessageHead) -> Option<String> {
    let sender = head.sender.as_ref().and_then(Party::her_id).map(|id| id.0);
    let (kind, id) = match (&head.links.conversation, &head.document_id, &head.msg_id) {
        (Some(first), _, _) => ("conversation", first.key()),
        (None, Some(document), _) => ("document", format!("{} {document}", sender.unwrap_or_default())),
        // The first message of a conversation is what the later ones name.
        (None, None, Some(own)) => ("conversation", own.key()),
        (None, None, None) => return None,
    };
    let digest = Sha256::digest(id.as_bytes());
    let mut key = format!("{kind}-");
    for byte in digest.iter().take(12) {
        write!(key, "{byte:02x}").ok()?;
    }
    Some(key)
}

/// The party behind a receiver, or what is decided where there is none to deliver to.
fn find<'p>(
    facts: &Facts<'_>,
    receiver: &Receiver,
    parties: &'p Parties,
    trace: &mut ReceiverTrace,
) -> Result<&'p PartyEntry, Decision> {
    let (enterprise, service) = (receiver.party.enterprise_her_id(), receiver.party.her_id());
    let (Some(enterprise), Some(service)) = (enterprise, service) else {
        let level = if service.is_none() { 2 } else { 1 };
        trace.notes.push(format!("The message gives no HER-id on level {level}."));
        return Err(Decision::Incomplete);
    };
    let Some(party) = parties.get(service) else {
        trace.notes.push("No party has this HER-id.".to_owned());
        return Err(Decision::Unknown);
    };
    trace.notes.push(format!("Known as {} ({}).", party.name, party.kind.as_str()));
    trace.notes.extend(parties.registry_notes(party, facts.at));
    if party.parent.is_some_and(|parent| parent != enterprise) {
        trace.notes.push(format!("The message names enterprise {enterprise}; the parties name another."));
    }
    if !party.ours {
        trace.notes.push("It is a partner that only sends to us.".to_owned());
        return Err(Decision::Unknown);
    }
    if !party.valid_at(facts.at) || parties.parent(party).is_some_and(|p| !p.valid_at(facts.at)) {
        trace.notes.push("It or its enterprise does not take part at this time.".to_owned());
        return Err(Decision::Expired);
    }
    Ok(party)
}

impl std::fmt::Display for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deliver { legs, .. } => {
                f.write_str("deliver to ")?;
                for (at, leg) in legs.iter().enumerate() {
                    write!(f, "{}{leg}", if at == 0 { "" } else { " and " })?;
                }
                Ok(())
            }
            Self::Hold { rule, reason } => write!(f, "hold, by rule {rule}: {reason}"),
            Self::Unknown => f.write_str("unknown here"),
            Self::Incomplete => f.write_str("incomplete address"),
            Self::Unable { why } => write!(f, "the party does not take {why}"),
            Self::NoAddress => f.write_str("no destination is set for the party"),
            Self::Expired => f.write_str("the party does not take part at this time"),
        }
    }
}
