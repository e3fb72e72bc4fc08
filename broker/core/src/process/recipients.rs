//! The last stages: for each receiver where it goes, in which form, and who answers.

use super::answer;
use super::read::Reading;
use super::{World, is_receipt, verdict_of};
use crate::arrival::{Arrival, Ids};
use crate::journal::{
    Book, Closing, Document, DocumentKind, Known, OriginalKey, Payload, Recipient, RecipientId, Remark,
    VerdictRecord,
};
use crate::lifecycle::State;
use crate::policy::TestMessages;
use crate::transport::Label;
use crate::verdict::{Fault, Kept};
use jiff::Timestamp;
use message_schemas::apprec::{Due, Envelope, ErrorCode, Ownership, Silence, receipts_due};
use message_schemas::document::SharedDocument;
use message_schemas::head::{Party, Receiver, Role};
use message_schemas::ids::MsgId;
use message_schemas::xml::{self, Tree};
use message_schemas::{Finding, HerId, MessageHead, document};
use routing_rules::{Answers, Decision, Facts, Format, Leg, PartyEntry, ReceiptDeadline, route};
use sharing::series::Version;

/// What a message leaves behind in the journal besides itself.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    pub(super) list: Vec<Recipient>,
    pub(super) documents: Vec<Document>,
    pub(super) closings: Vec<Closing>,
    pub(super) remarks: Vec<Remark>,
    /// Of its documents, for the series that they belong to.
    pub(super) versions: Vec<Version>,
    pub(super) explanation: Option<String>,
    pub(super) findings: Vec<Finding>,
    /// No receipt is written: the transport tells, or nobody does.
    pub(super) silent: bool,
    /// The sender hears of a refusal, whether a receipt says it or not.
    pub(super) told: bool,
    /// Refused, and nobody hears of it.
    unheard: Vec<RecipientId>,
    /// Its documents, once they were asked for.
    shared: Option<Result<Vec<SharedDocument>, Fault>>,
}

impl Recipients {
    /// A fault stops the whole message: every receiver is refused or set aside, and those that are ours are
    /// answered for.
    pub(super) fn stop(
        &mut self,
        fault: Fault,
        reading: &Reading,
        world: &World,
        now: Timestamp,
        ids: &mut impl Ids,
        had_it: &[&str],
    ) -> VerdictRecord {
        let receivers = fresh_receivers(&reading.addressing.receivers, had_it);
        let ours: Vec<&Receiver> = receivers
            .iter()
            .copied()
            .filter(|r| r.party.her_id().is_some_and(|h| world.parties.is_ours(h)))
            .collect();
        let answerable =
            fault.consequence().heard.is_some() && !is_receipt(reading.head.as_ref(), &reading.addressing);
        // Silence where nobody can be told (kith-messages §4.7), or nobody here may speak (§4.3 rule 8). What protection
        // stopped is stopped for that reason even so: whom an unproven message names must not make it harmless.
        let fault = if !answerable || self.silent || matches!(fault, Fault::Trust(_)) {
            fault
        } else if !can_be_answered(reading) {
            Fault::SenderUnreadable
        } else if ours.is_empty() {
            Fault::NotForUs
        } else {
            fault
        };
        let row = fault.consequence();
        if receivers.is_empty() {
            self.nowhere(None, fault, ids);
        }
        for receiver in &receivers {
            self.nowhere(receiver.party.her_id(), fault, ids);
        }
        if row.heard.is_some() && answerable && can_be_answered(reading) {
            let errors = errors_of(fault, &reading.faults);
            for receiver in ours {
                if answers_of(receiver, world) != Answers::None {
                    answer::write(self, reading, receiver, &errors, world, now, ids);
                }
            }
        }
        self.heard(fault)
    }

    /// The verdict that a fault of the whole message gives. Refused is only what its sender hears of: what nobody hears of
    /// is set aside under the same reason, and a person sees to it.
    fn heard(&mut self, fault: Fault) -> VerdictRecord {
        let answered = || self.list.iter().any(|r| r.book == Book::Receipt);
        if self.told || fault.consequence().heard.is_none() || answered() {
            return verdict_of(fault);
        }
        let refused = self.list.iter().filter(|r| r.state == State::Rejected);
        self.unheard = refused.map(|r| r.id).collect();
        VerdictRecord::Parked { reason: fault.consequence().reason }
    }

    /// Lets what was refused unheard wait for a person. Last of all: it goes nowhere, so nothing more is made of it.
    pub(super) fn set_aside(&mut self) {
        for recipient in self.list.iter_mut().filter(|r| self.unheard.contains(&r.id)) {
            recipient.state = State::Parked;
        }
    }

    /// Nothing stops the message: each receiver gets its own decision.
    #[expect(
        clippy::too_many_arguments,
        reason = "a decision's whole surroundings; a struct would only rename them"
    )]
    pub(super) fn deliver(
        &mut self,
        arrival: &Arrival,
        reading: &Reading,
        known: &Known,
        world: &World,
        now: Timestamp,
        ids: &mut impl Ids,
        had_it: &[&str],
    ) -> VerdictRecord {
        let Some(head) = &reading.head else {
            return self.stop(Fault::Internal, reading, world, now, ids, had_it);
        };
        if head.test && world.policy.test_messages == TestMessages::Hold {
            return self.stop(Fault::Held, reading, world, now, ids, had_it);
        }
        let facts = Facts { head, at: now, size_bytes: arrival.bytes.len() };
        let routing = route(&facts, &world.parties, &world.rules);
        self.explanation = serde_json::to_string(&routing.explanation).ok();

        let answered = answer::close(self, head, known);
        let due = receipts_due(head, |p| owner(p, world), envelope(arrival, world), &world.policy.receipts);
        let wanted = fresh_receivers(&head.receivers, had_it);
        let mut first_fault = None;
        let mut delivered = false;
        for route in &routing.routes {
            let Some(receiver) = head.receivers.get(route.receiver_index) else { continue };
            if !wanted.iter().any(|w| std::ptr::eq(*w, receiver)) {
                continue;
            }
            let due = due.get(route.receiver_index).unwrap_or(&Due::Silence(Silence::NotAddressed));
            let fault = match &route.decision {
                Decision::Deliver { legs, order_key, answers } => {
                    let may_answer = matches!(due, Due::Receipt);
                    let answers = if may_answer { *answers } else { Answers::None };
                    let plan = Plan { legs, order_key, answers, answered, receiver, head };
                    self.legs(&plan, arrival, reading, world, now, ids);
                    delivered = true;
                    continue;
                }
                Decision::Hold { .. } => Fault::Held,
                Decision::Unknown | Decision::Incomplete => match due {
                    // Not here, but its enterprise is; or the transport brought it to our door.
                    Due::Refuse(_) => Fault::ReceiverNotFound,
                    // E21 switched off, or not ours at all: a person places it, and the sender hears nothing.
                    Due::Receipt | Due::Silence(_) => Fault::NotForUs,
                },
                Decision::Unable { .. } => Fault::PartyCannotTake,
                Decision::NoAddress => Fault::NoDestination,
                Decision::Expired => Fault::PartyExpired,
            };
            // A receipt that cannot be passed on is never refused: there is nobody to tell. A person places it.
            let refusable = matches!(due, Due::Receipt | Due::Refuse(_));
            let fault = match fault.consequence().kept {
                Kept::Refused if answered.is_receipt() => Fault::NotForUs,
                Kept::Refused | Kept::Parked => fault,
            };
            first_fault.get_or_insert(fault);
            self.nowhere(receiver.party.her_id(), fault, ids);
            let at = self.list.len();
            if refusable
                && fault.consequence().heard.is_some()
                && answers_of(receiver, world) != Answers::None
            {
                answer::write(self, reading, receiver, &errors_of(fault, &[]), world, now, ids);
            }
            if self.list.len() == at
                && !self.told
                && let Some(refused) = self.list.last().filter(|r| r.state == State::Rejected)
            {
                self.unheard.push(refused.id);
            }
        }
        match first_fault {
            None if delivered => VerdictRecord::Accepted,
            Some(_) if delivered => VerdictRecord::AcceptedWithFindings,
            Some(fault) => self.heard(fault),
            // No receiver at all: schema-valid in several families, and nothing to route on.
            None => {
                self.nowhere(None, Fault::NotForUs, ids);
                verdict_of(Fault::NotForUs)
            }
        }
    }

    /// What is sealed for its receiver goes to the party that the transport names, by what the party file says; it was
    /// not read, so no rule can speak of it, and nobody here can answer it.
    pub(super) fn pass_on(&mut self, arrival: &Arrival, world: &World, ids: &mut impl Ids) -> VerdictRecord {
        let party = arrival.envelope_receiver.and_then(|h| world.parties.get(h));
        let destination = party.and_then(|p| world.parties.destination(p, false));
        let fault = match (party, destination) {
            (None, _) => Some(Fault::NotForUs),
            (Some(party), _) if !party.valid_at(arrival.received) => Some(Fault::PartyExpired),
            (Some(_), None) => Some(Fault::NoDestination),
            (Some(_), Some(_)) => None,
        };
        self.nowhere(arrival.envelope_receiver, fault.unwrap_or(Fault::NoDestination), ids);
        let (None, Some(last)) = (fault, self.list.last_mut()) else {
            return verdict_of(fault.unwrap_or(Fault::NotForUs));
        };
        last.destination = destination.cloned();
        (last.state, last.reason) = (State::Waiting, None);
        last.expires = world.policy.time_to_live.from(arrival.received);
        VerdictRecord::Accepted
    }

    /// A recipient that goes nowhere.
    pub(super) fn nowhere(&mut self, receiver: Option<HerId>, fault: Fault, ids: &mut impl Ids) {
        let row = fault.consequence();
        let state = match row.kept {
            Kept::Refused => State::Rejected,
            Kept::Parked => State::Parked,
        };
        self.list.push(Recipient {
            id: RecipientId(ids.fresh()),
            book: Book::Message,
            receiver,
            destination: None,
            payload: Payload::Original,
            state,
            reason: Some(row.reason),
            receipt_deadline: None,
            expires: None,
            order_key: None,
            receipt_written: false,
            original_keys: Vec::new(),
            label: Label::default(),
        });
    }

    /// The legs of one receiver. The first one carries what is due from the receiver: its receipt.
    fn legs(
        &mut self,
        plan: &Plan<'_>,
        arrival: &Arrival,
        reading: &Reading,
        world: &World,
        now: Timestamp,
        ids: &mut impl Ids,
    ) {
        let head = plan.head;
        let receiver = plan.receiver.party.her_id();
        let entry = receiver.and_then(|h| world.parties.get(h));
        let is_receipt = plan.answered.is_receipt();
        let by_us = plan.answers == Answers::Broker;
        let mut awaits = plan.answers == Answers::Party;
        let mut keys = if is_receipt { Vec::new() } else { original_keys(head, receiver) };
        for leg in plan.legs {
            for (payload, fault) in self.payloads(leg, arrival, reading, world) {
                let stopped = fault.or_else(|| plan.answered.stops());
                let state = match stopped.map(|f| f.consequence().kept) {
                    None => State::Waiting,
                    Some(Kept::Parked) => State::Parked,
                    Some(Kept::Refused) => State::Rejected,
                };
                let deadline =
                    std::mem::take(&mut awaits).then(|| deadline(head, entry, arrival, world, now)).flatten();
                self.list.push(Recipient {
                    id: RecipientId(ids.fresh()),
                    book: if is_receipt { Book::Receipt } else { Book::Message },
                    receiver,
                    destination: Some(leg.destination.clone()),
                    payload,
                    state,
                    reason: stopped.map(|f| f.consequence().reason).or_else(|| plan.answered.mark()),
                    receipt_deadline: deadline,
                    expires: world.policy.time_to_live.from(arrival.received),
                    order_key: plan.order_key.clone(),
                    receipt_written: by_us,
                    original_keys: std::mem::take(&mut keys),
                    label: Label::default(),
                });
            }
        }
        if by_us {
            //= HITS 1168:2016 §4.1
            //# The receipt is generated automatically, preferably at once.
            answer::write(self, reading, plan.receiver, &[], world, now, ids);
        }
    }

    /// The documents of the message, made once.
    pub(super) fn shared(&mut self, bytes: &[u8], world: &World) -> Result<&[SharedDocument], Fault> {
        self.shared.get_or_insert_with(|| translate(bytes, world)).as_deref().map_err(|fault| *fault)
    }

    /// What a leg sends: the original, or the documents made from it, each made once per message.
    fn payloads(
        &mut self,
        leg: &Leg,
        arrival: &Arrival,
        reading: &Reading,
        world: &World,
    ) -> Vec<(Payload, Option<Fault>)> {
        match leg.format {
            Format::KithXml => vec![(Payload::Original, None)],
            Format::FhirDocument => {
                let made = |d: &(usize, &Document)| d.1.kind == DocumentKind::FhirJson;
                if !self.documents.iter().enumerate().any(|d| made(&d)) {
                    let document = |d: &SharedDocument| Document {
                        kind: DocumentKind::FhirJson,
                        id: d.id,
                        bytes: d.json.as_slice().into(),
                    };
                    match self.shared(reading.content(arrival), world) {
                        Ok(shared) => {
                            let documents: Vec<Document> = shared.iter().map(document).collect();
                            self.documents.extend(documents);
                        }
                        Err(fault) => return vec![(Payload::Original, Some(fault))],
                    }
                }
                self.documents
                    .iter()
                    .enumerate()
                    .filter(made)
                    .map(|(at, _)| (Payload::Document(at), None))
                    .collect()
            }
        }
    }
}

/// One receiver that is delivered to.
struct Plan<'a> {
    legs: &'a [Leg],
    order_key: &'a Option<String>,
    answers: Answers,
    answered: answer::Closes,
    receiver: &'a Receiver,
    head: &'a MessageHead,
}

/// The documents of a message.
fn translate(bytes: &[u8], world: &World) -> Result<Vec<SharedDocument>, Fault> {
    let failed = |_| Fault::TranslationFailed;
    let decoded = xml::decode(bytes).map_err(|_| Fault::TranslationFailed)?;
    let tree = Tree::parse(&decoded.text, &world.limits).map_err(|_| Fault::TranslationFailed)?;
    document::translate(&decoded.text, &tree, &world.documents).map_err(failed)
}

/// Receivers that are addressed and have not had the message, each HER-id once.
fn fresh_receivers<'a>(receivers: &'a [Receiver], had_it: &[&str]) -> Vec<&'a Receiver> {
    let mut fresh: Vec<&Receiver> = Vec::new();
    for receiver in receivers.iter().filter(|r| r.role != Role::Mentioned) {
        let her_id = receiver.party.her_id();
        let key = her_id.map(|h| h.to_string()).unwrap_or_default();
        let twice = her_id.is_some() && fresh.iter().any(|f| f.party.her_id() == her_id);
        if !twice && !had_it.contains(&key.as_str()) {
            fresh.push(receiver);
        }
    }
    fresh
}

/// True when a receipt of ours can say what is wrong: the message is none itself, and its sender and a receiver of ours can
/// be read.
pub(super) fn can_be_receipted(reading: &Reading, world: &World) -> bool {
    let ours = |r: &Receiver| {
        r.role != Role::Mentioned
            && r.party.her_id().is_some_and(|h| world.parties.is_ours(h))
            && answers_of(r, world) != Answers::None
    };
    !is_receipt(reading.head.as_ref(), &reading.addressing)
        && can_be_answered(reading)
        && reading.addressing.receivers.iter().any(ours)
}

/// True when there is somebody to send a receipt to.
fn can_be_answered(reading: &Reading) -> bool {
    reading.addressing.sender.as_ref().and_then(Party::any_her_id).is_some()
}

/// Whose a receiving party is: the parties and their enterprises tell.
fn owner(party: &Party, world: &World) -> Ownership {
    let ours = |her_id: Option<HerId>| her_id.is_some_and(|h| world.parties.is_ours(h));
    if ours(party.her_id()) {
        Ownership::Ours
    } else if ours(party.enterprise_her_id()) {
        Ownership::EnterpriseOnly
    } else {
        Ownership::Elsewhere
    }
}

fn envelope(arrival: &Arrival, world: &World) -> Envelope {
    if arrival.envelope_receiver.is_some_and(|h| world.parties.is_ours(h)) {
        Envelope::Ours
    } else {
        Envelope::Unknown
    }
}

/// Who answers for a receiver; for one that is not in the parties, nobody but us can.
fn answers_of(receiver: &Receiver, world: &World) -> Answers {
    receiver.party.her_id().and_then(|h| world.parties.get(h)).map_or(Answers::Broker, |p| p.answers)
}

/// The codes of a negative receipt: that of the fault that stops the message and, where several concrete
/// faults of its kind hold, theirs too (HITS 1168 §7).
fn errors_of(fault: Fault, all: &[Fault]) -> Vec<ErrorCode> {
    let mut errors: Vec<ErrorCode> = fault.consequence().heard.into_iter().collect();
    if matches!(fault, Fault::MessageIdInvalid | Fault::PatientNotIdentified) {
        for code in all.iter().filter_map(|f| f.consequence().heard) {
            if !errors.contains(&code) {
                errors.push(code);
            }
        }
    }
    errors
}

/// Until when the receiver's receipt must have come: counted from GenDate, unless that is so long ago that
/// the deadline was over before the message came.
fn deadline(
    head: &MessageHead,
    entry: Option<&PartyEntry>,
    arrival: &Arrival,
    world: &World,
    now: Timestamp,
) -> Option<Timestamp> {
    let length = match entry.and_then(|e| e.receipt_deadline(head.kind.family)) {
        Some(ReceiptDeadline::Off) => return None,
        Some(ReceiptDeadline::Hours(hours)) => {
            crate::policy::Deadline::After(jiff::SignedDuration::from_hours(i64::from(hours)))
        }
        None => world.policy.receipt_deadline.of(Some(head.kind.family)),
    };
    let from_generated = head.generated.as_ref().and_then(|g| g.instant).and_then(|g| length.from(g));
    from_generated.filter(|d| *d > now).or_else(|| length.from(arrival.received))
}

/// The ids by which this receiver's receipt may name the message: by the 1.1 rule its MsgId, by the 1.0 rule
/// its document id; real systems are seen to use either (kith-messages §4.5).
fn original_keys(head: &MessageHead, receiver: Option<HerId>) -> Vec<OriginalKey> {
    let receiver = receiver.map(|h| h.to_string()).unwrap_or_default();
    let msg_id = head.msg_id.as_ref().map(MsgId::key);
    let document_id = head
        .document_id
        .as_deref()
        .and_then(MsgId::new)
        .map(|d| d.key())
        .filter(|d| Some(d) != msg_id.as_ref());
    [msg_id, document_id]
        .into_iter()
        .flatten()
        .map(|id| OriginalKey { id, receiver: receiver.clone() })
        .collect()
}
