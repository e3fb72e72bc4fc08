//! What the envelope of a message decides: whether it is read at all, and how its sender hears of a fault.
//!
//! A sender with an envelope hears by a receipt of what is wrong in the message, and on its error queue of what is wrong
//! around it; never of one fault by both. Whatever comes by an error queue is answered by nothing.

use super::World;
use super::read::Reading;
use super::recipients::{Recipients, can_be_receipted};
use crate::arrival::{Arrival, Ids};
use crate::journal::{
    Book, Closing, Document, DocumentKind, DuplicateKey, Known, Lookup, MessageRecord, Payload, Recipient,
    RecipientId, RecipientRecord, Remark, Sent, VerdictRecord,
};
use crate::lifecycle::{Event, State};
use crate::policy::Deadline;
use crate::transport::{Content, ErrorCondition, Label, Role, Transport, TransportError};
use crate::verdict::{Fault, told_by_transport};
use dead_letter::Reason;
use jiff::{SignedDuration, Timestamp};
use message_schemas::head::{Party, Receiver, Role as ReceiverRole};
use message_schemas::{Code, Finding, HerId};
use routing_rules::Queue;

/// What came by a queue of the profile; none for other transports, and for our own queues.
pub(super) fn of(arrival: &Arrival) -> Option<&Transport> {
    arrival.transport.as_deref().filter(|transport| transport.role != Role::Internal)
}

/// True for what a partner reports about a message of ours.
pub(super) fn is_report(arrival: &Arrival) -> bool {
    of(arrival).is_some_and(|transport| transport.role == Role::Error)
}

/// True for a request and for an answer: nothing is imported by them, and both may come again.
pub(super) fn is_exchange(arrival: &Arrival) -> bool {
    of(arrival).is_some_and(|transport| matches!(transport.role, Role::Sync | Role::SyncReply))
}

/// True for what must be signed and sealed, whatever else was agreed with its sender.
//= HITS 1216:2018 §2.3
//# Messages are signed and sealed.
pub(super) fn asks_for_protection(arrival: &Arrival, world: &World) -> bool {
    of(arrival).is_some_and(|transport| transport.role != Role::Error) && !world.policy.amqp.unprotected
}

/// Why a message is not opened, with the names of what is wrong, or the number of the sender whom nobody knows.
pub(super) fn fault(arrival: &Arrival, world: &World) -> Option<(Fault, String)> {
    let transport = of(arrival).filter(|transport| transport.role != Role::Error)?;
    let Some(sender) = arrival.envelope_sender.and_then(|h| world.parties.get(h)) else {
        let named = arrival.envelope_sender.map_or_else(String::new, |number| number.to_string());
        return Some((Fault::EnvelopeSenderMissing, named));
    };
    let mut wrong = transport.invalid.clone();
    let ours = |receiver: HerId| world.parties.is_ours(receiver);
    // An answer is for whoever asked; that one need not be a party of ours.
    if transport.role != Role::SyncReply && arrival.envelope_receiver.is_some_and(|receiver| !ours(receiver))
    {
        wrong.push("toHerId".to_owned());
    }
    let answers = match transport.role {
        Role::Sync => Queue::SyncReply,
        Role::Async | Role::SyncReply | Role::Error | Role::Internal => Queue::Async,
    };
    //= HITS 1216:2018 §2.2.2
    //# replyTo is a queue that is registered for the sender.
    // Where we know none, that is ours to mend.
    let strange = |name: &str| {
        let registered = world.parties.queue(sender, answers, arrival.received);
        registered.is_some_and(|registered| registered.name() != name.rsplit('/').next().unwrap_or(name))
    };
    if transport.role != Role::SyncReply && transport.reply_to.as_deref().is_some_and(strange) {
        wrong.push("replyTo".to_owned());
    }
    let may_pass = match transport.content {
        Content::Protected => true,
        Content::Plain | Content::Soap => world.policy.amqp.unprotected,
        // Named as missing already.
        Content::Missing => true,
        Content::Other => false,
    };
    if !may_pass {
        wrong.push("content-type".to_owned());
    }
    if arrival.bytes.len() > world.limits.message_bytes {
        wrong.push("size".to_owned());
    }
    let names = wrong.iter().map(|name| format!("{name};")).collect();
    (!wrong.is_empty()).then_some((Fault::EnvelopeInvalid, names))
}

/// What is wrong with an envelope, for the record.
pub(super) fn finding(fault: Fault, names: &str) -> Finding {
    let (message, remedy) = if fault == Fault::EnvelopeSenderMissing {
        (
            match names {
                "" => "The envelope names no sender by a HER-id, so nobody can be told.".to_owned(),
                number => {
                    format!(
                        "The envelope names {number} as its sender, whom we do not know, so nobody can be told."
                    )
                }
            },
            "Find out who it is; if it is a partner, add it to the party file, and judge the message again.",
        )
    } else if fault == Fault::EnvelopeReceiverDiffers {
        (
            "The envelope names a receiver that the message does not name.".to_owned(),
            "Address both alike, and send the message again under a new id.",
        )
    } else {
        (
            format!("The envelope is not as the AMQP profile has it: {}.", names.trim_end_matches(';')),
            "Mend what is named, and send the message again under a new message id.",
        )
    };
    Finding::new(Code::EnvelopeInvalid, message, remedy)
}

/// The envelope's receiver is none of those that the message names.
pub(super) fn names_another(arrival: &Arrival, reading: &Reading) -> bool {
    let asked = of(arrival).is_some_and(|transport| transport.role != Role::SyncReply);
    let Some(named) = arrival.envelope_receiver.filter(|_| asked) else { return false };
    let mut addressed =
        reading.addressing.receivers.iter().filter(|r| r.role != ReceiverRole::Mentioned).peekable();
    let is_it = |r: &Receiver| r.party.any_her_id() == Some(named);
    addressed.peek().is_some() && !addressed.any(is_it)
}

/// What must be known of the past to judge an envelope.
pub(super) fn lookups(arrival: &Arrival, reading: &Reading) -> Vec<Lookup> {
    let Some(transport) = of(arrival) else { return Vec::new() };
    let sent = |id: Option<&str>| id.and_then(message_id).map(Lookup::Sent);
    let errors = || {
        let at_fault = transport.role == Role::Sync || !reading.faults.is_empty();
        let party = arrival.envelope_sender.filter(|_| at_fault)?;
        let since = arrival.received.checked_sub(SignedDuration::from_hours(1)).ok()?;
        Some(Lookup::ErrorsTo { party, since })
    };
    let reported = transport.reported.as_ref().and_then(|r| r.original_message_id.as_deref());
    match transport.role {
        Role::Error => sent(reported).into_iter().collect(),
        Role::SyncReply => sent(transport.correlation_id.as_deref()).into_iter().chain(errors()).collect(),
        Role::Async | Role::Sync | Role::Internal => errors().into_iter().collect(),
    }
}

/// The recipient under whose id something was sent.
fn message_id(id: &str) -> Option<RecipientId> {
    message_schemas::MsgId::new(id)?.uuid().map(RecipientId)
}

/// What stops the message. For an answer that nobody waits for, nothing else is told.
pub(super) fn first_fault(
    arrival: &Arrival,
    reading: &Reading,
    known: &Known,
    world: &World,
    now: Timestamp,
) -> Option<Fault> {
    let first = reading.faults.first().copied();
    if matches!(first, Some(Fault::EnvelopeInvalid | Fault::EnvelopeSenderMissing)) {
        return first;
    }
    reply_fault(arrival, known, world, now).or(first)
}

/// What is wrong with an answer, by what it answers.
fn reply_fault(arrival: &Arrival, known: &Known, world: &World, now: Timestamp) -> Option<Fault> {
    of(arrival).filter(|transport| transport.role == Role::SyncReply)?;
    let Some(asked) = known.sent.iter().find(|sent| sent.label.role == Role::Sync) else {
        return Some(Fault::ReplyUnasked);
    };
    if asked.receiver != arrival.envelope_sender {
        return Some(Fault::ReplyFromStranger);
    }
    if asked.state == State::Receipted {
        return Some(Fault::SecondReply);
    }
    let late = match asked.label.made {
        None => world.policy.amqp.sync_deadline != Deadline::Off,
        Some(made) => waits_until(made, asked.transport.as_deref(), world).is_some_and(|until| now > until),
    };
    late.then_some(Fault::ReplyLate)
}

/// Until when the one who asked waits: as long as was agreed, and no longer than its request was to live.
fn waits_until(from: Timestamp, request: Option<&Transport>, world: &World) -> Option<Timestamp> {
    let agreed = world.policy.amqp.sync_deadline.from(from);
    let lives = request.and_then(|request| i64::try_from(request.ttl_ms?).ok());
    let lives = lives.and_then(|ms| from.checked_add(SignedDuration::from_millis(ms)).ok());
    agreed.into_iter().chain(lives).min()
}

/// By what an answer that goes on holds its request: of two at once, the journal takes one.
pub(super) fn answer_key(arrival: &Arrival, known: &Known, recipients: &Recipients) -> Option<DuplicateKey> {
    of(arrival).filter(|transport| transport.role == Role::SyncReply && !recipients.closings.is_empty())?;
    let asked = known.sent.first()?;
    let (sender, msg_id) = ("answer".to_owned(), asked.recipient.0.to_string());
    Some(DuplicateKey { sender, msg_id, receiver: String::new() })
}

/// What the sender is told by the transport; none where a receipt says it, or nobody says anything.
pub(super) fn told(
    fault: Fault,
    arrival: &Arrival,
    reading: &Reading,
    world: &World,
) -> Option<ErrorCondition> {
    let transport = of(arrival)?;
    let by_transport = told_by_transport(fault)?;
    let by_receipt = match (transport.role, fault) {
        // No receipt answers a request, or an answer; and what we report is never answered.
        (Role::Sync | Role::SyncReply, _) => false,
        (Role::Error | Role::Internal, _) => return None,
        // What the envelope holds could be read, and is at fault by itself: a person's signature.
        (Role::Async, Fault::Trust(_)) => reading.document_at_fault && can_be_receipted(reading, world),
        (Role::Async, Fault::EnvelopeInvalid) => false,
        (Role::Async, _) => fault.consequence().heard.is_some() && can_be_receipted(reading, world),
    };
    let encoding = || reading.findings.iter().any(|f| f.code == Code::Encoding);
    if by_receipt {
        None
    } else if by_transport == ErrorCondition::NotWellFormedXml && encoding() {
        Some(ErrorCondition::InvalidEncoding)
    } else {
        Some(by_transport)
    }
}

/// Whether no receipt is written, whatever becomes of it.
pub(super) fn is_silent(arrival: &Arrival, told: Option<ErrorCondition>) -> bool {
    let role = of(arrival).map(|transport| transport.role);
    told.is_some() || matches!(role, Some(Role::Sync | Role::SyncReply | Role::Error))
}

/// Whether the sender hears of a refusal without a receipt: by the profile's error queue, or where it handed the message
/// over (a folder has a report beside the file, HTTP the message's verdict). A queue of our own says nothing.
pub(super) fn tells(arrival: &Arrival, told: Option<ErrorCondition>) -> bool {
    told.is_some() || arrival.transport.as_deref().is_none_or(|transport| transport.role == Role::Sync)
}

/// What a request's sender is told when it could be read and goes nowhere all the same.
//= HITS 1216:2018 §2.4
//# A request is answered, or its sender told that it is not.
pub(super) fn unanswerable(
    arrival: &Arrival,
    fault: Option<Fault>,
    recipients: &Recipients,
) -> Option<ErrorCondition> {
    of(arrival).filter(|transport| transport.role == Role::Sync && fault.is_none())?;
    if recipients.list.iter().any(|r| r.book == Book::Message && r.state == State::Waiting) {
        return None;
    }
    let why = recipients.list.iter().find_map(|r| r.reason)?;
    let misaddressed = matches!(why, Reason::ReceiverNotFound | Reason::PartyExpired | Reason::NotForUs);
    let untaken = matches!(why, Reason::PartyCannotTake | Reason::UnknownFormat);
    Some(match (misaddressed, untaken) {
        (true, _) => ErrorCondition::InvalidFieldValue,
        (false, true) => ErrorCondition::UnsupportedMessage,
        (false, false) => ErrorCondition::InternalError,
    })
}

/// Requests and their answers live no longer than somebody waits; an answer goes where the request said, also to whom
/// nothing else is routed from here. Returns the verdict with that.
pub(super) fn hurry(
    to: &mut Recipients,
    verdict: VerdictRecord,
    arrival: &Arrival,
    known: &Known,
    world: &World,
) -> VerdictRecord {
    let Some(transport) = of(arrival) else { return verdict };
    let mut placed = false;
    let asked = known.sent.first();
    for recipient in to.list.iter_mut().filter(|r| r.book == Book::Message) {
        match transport.role {
            Role::Sync => {
                recipient.label.role = Role::Sync;
                recipient.expires = waits_until(arrival.received, Some(transport), world);
                // What closes a request is its answer, as a receipt closes a message.
                recipient.receipt_deadline = recipient.expires;
            }
            Role::SyncReply => {
                let asker =
                    asked.and_then(|asked| asked.label.from).filter(|h| recipient.receiver == Some(*h));
                let party = asker.and_then(|h| world.parties.get(h));
                let destination = party.and_then(|p| world.parties.destination(p, false));
                if let (Some(Reason::NotForUs), Some(destination)) = (recipient.reason, destination) {
                    recipient.destination = Some(destination.clone());
                    (recipient.state, recipient.reason) = (State::Waiting, None);
                    placed = true;
                }
                recipient.label.role = Role::SyncReply;
                recipient.receipt_deadline = None;
                let request = asked.and_then(|asked| asked.transport.as_deref());
                recipient.expires = asked.and_then(|asked| waits_until(asked.label.made?, request, world));
                recipient.label.address = request.and_then(|request| request.reply_to.clone());
                recipient.label.correlation =
                    request.and_then(|r| r.correlation_id.clone().or_else(|| r.message_id.clone()));
            }
            Role::Async | Role::Error | Role::Internal => {}
        }
    }
    let goes = to.list.iter().any(|r| r.book == Book::Message && r.state == State::Waiting);
    if let (Role::SyncReply, true, Some(asked)) = (transport.role, goes, asked) {
        to.closings.push(Closing { recipient: asked.recipient, event: Event::ReceiptOk, reason: None });
    }
    if placed { VerdictRecord::Accepted } else { verdict }
}

/// How the journal calls what is sent to a sender's error queue.
const ERROR: &str = "transport-error";

/// Whether the transport has told the sender of a message before.
pub(super) fn told_before(record: &MessageRecord) -> bool {
    record.recipients.iter().any(is_told)
}

/// True for what the transport tells the sender of a message.
pub(super) fn is_told(recipient: &RecipientRecord) -> bool {
    recipient.payload == ERROR
}

/// What telling a sender of an error rests on.
pub(super) struct Telling<'a> {
    pub(super) arrival: &'a Arrival,
    pub(super) reading: &'a Reading,
    pub(super) known: &'a Known,
    pub(super) world: &'a World,
    pub(super) now: Timestamp,
}

impl Telling<'_> {
    /// Writes the error, or sets the message aside where its sender has had too many.
    pub(super) fn tell(
        &self,
        to: &mut Recipients,
        verdict: &mut VerdictRecord,
        condition: ErrorCondition,
        fault: Option<Fault>,
        ids: &mut impl Ids,
    ) {
        let Self { arrival, world, now, .. } = *self;
        let (Some(transport), Some(sender)) = (of(arrival), arrival.envelope_sender) else { return };
        if self.known.errors >= u64::from(world.policy.amqp.errors_per_hour) {
            return withhold(to, verdict);
        }
        let error = TransportError {
            condition,
            description: self.description(condition, fault),
            data: self.data(condition, fault),
            original_message_id: transport.message_id.clone(),
            tried: now,
        };
        let Ok(bytes) = serde_json::to_vec(&error) else { return };
        let reachable =
            world.parties.get(sender).filter(|p| world.parties.queue(p, Queue::Error, now).is_some());
        let destination = reachable.and_then(|p| world.parties.destination(p, false)).cloned();
        let from = arrival.envelope_receiver.or_else(|| whose_queue(transport, world, arrival.received));
        let stopped =
            (destination.is_none() || from.is_none()).then(|| Fault::NoReturnAddress.consequence().reason);
        let document = to.documents.len();
        to.documents.push(Document {
            kind: DocumentKind::TransportError,
            id: ids.fresh(),
            bytes: bytes.into(),
        });
        to.list.push(Recipient {
            id: RecipientId(ids.fresh()),
            book: Book::Receipt,
            receiver: Some(sender),
            destination,
            payload: Payload::Document(document),
            state: if stopped.is_some() { State::Parked } else { State::Waiting },
            reason: stopped,
            receipt_deadline: None,
            expires: world.policy.time_to_live.from(now),
            order_key: None,
            receipt_written: false,
            original_keys: Vec::new(),
            label: Label {
                subject: transport.subject.clone().or_else(|| Some("UNKNOWN".to_owned())),
                from,
                to: Some(sender),
                made: Some(now),
                role: Role::Error,
                ..Label::default()
            },
        });
    }

    /// In words: of protection what was found, else the reason. Neither holds content.
    fn description(&self, condition: ErrorCondition, fault: Option<Fault>) -> String {
        match fault {
            // One text for every cause: which it was would tell somebody which keys we have.
            Some(_) if condition == ErrorCondition::DecryptionFailed => {
                "the message could not be decrypted".to_owned()
            }
            Some(Fault::Trust(_)) => {
                self.reading.protection_fault.as_ref().map(|fault| fault.message.clone()).unwrap_or_default()
            }
            Some(fault) if !self.reading.envelope_faults.is_empty() => {
                let names = self.reading.envelope_faults.trim_end_matches(';').replace(';', ", ");
                format!("{}: {names}", fault.consequence().reason.title())
            }
            Some(fault) => fault.consequence().reason.title().to_owned(),
            None if condition == ErrorCondition::InternalError => {
                "the request cannot be answered now".to_owned()
            }
            None => "the request cannot be answered".to_owned(),
        }
    }

    /// More, in the form that the profile has for the condition.
    fn data(&self, condition: ErrorCondition, fault: Option<Fault>) -> Option<String> {
        let Self { arrival, reading, .. } = self;
        let number = |id: Option<HerId>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
        let certificate = || {
            let certificate = reading.protection_fault.as_ref()?.certificate.as_ref()?;
            Some(format!("{certificate};"))
        };
        use ErrorCondition as E;
        match condition {
            E::SpoofingAttack => {
                let sender = reading.addressing.sender.as_ref();
                let said = sender.and_then(Party::any_her_id);
                Some(format!("{};{};", number(arrival.envelope_sender), number(said)))
            }
            E::InvalidFieldValue if !reading.envelope_faults.is_empty() => {
                Some(reading.envelope_faults.clone())
            }
            E::InvalidFieldValue => Some(if fault == Some(Fault::MessageIdInvalid) {
                "MsgId;".to_owned()
            } else if fault == Some(Fault::PatientNotIdentified) {
                "Patient;".to_owned()
            } else if fault == Some(Fault::MissingBody) {
                "Document;".to_owned()
            } else {
                format!("toHerId;{};", number(arrival.envelope_receiver))
            }),
            E::InvalidCertificate | E::ExpiredCertificate | E::RevokedCertificate => certificate(),
            E::RequiredFieldMissing
            | E::UnsupportedMessage
            | E::InvalidCms
            | E::DecryptionFailed
            | E::MissingCertificate
            | E::RevocationOffline
            | E::UnverifiedCertificate
            | E::InvalidSignature
            | E::InvalidEncoding
            | E::NotWellFormedXml
            | E::XmlNotInterpretable
            | E::InternalError => None,
        }
    }
}

/// So many errors went to the sender by now that it is told of no more: a person looks.
fn withhold(to: &mut Recipients, verdict: &mut VerdictRecord) {
    let withheld = Fault::ErrorWithheld.consequence().reason;
    for recipient in to.list.iter_mut().filter(|r| r.state == State::Rejected) {
        (recipient.state, recipient.reason) = (State::Parked, Some(withheld));
    }
    if let VerdictRecord::Refused { .. } = verdict {
        *verdict = VerdictRecord::Parked { reason: withheld };
    }
}

/// Whose queue it was sent to, or else taken from, where the envelope does not name its receiver.
fn whose_queue(transport: &Transport, world: &World, at: Timestamp) -> Option<HerId> {
    let owner = |address: &str| {
        let name = address.rsplit('/').next().unwrap_or(address);
        world.parties.whose_queue(name, at).map(|party| party.her_id)
    };
    [&transport.to, &transport.queue].into_iter().filter_map(|name| name.as_deref()).find_map(owner)
}

/// What a partner reports: noted on the message that it is about, if it is one that went to that partner, and set aside for
/// a person. Nothing is undone, and nobody is answered.
//= HITS 1216:2018 §2.2.3
//# Nothing that is read from an error queue is answered with an error.
pub(super) fn report(
    to: &mut Recipients,
    arrival: &Arrival,
    known: &Known,
    ids: &mut impl Ids,
) -> VerdictRecord {
    let from = arrival.envelope_sender;
    let to_reporter = |sent: &&Sent| from.is_none() || sent.receiver == from;
    let fault = match known.sent.iter().find(to_reporter) {
        Some(sent) => {
            let reported = arrival.transport.as_ref().and_then(|transport| transport.reported.as_ref());
            let code = reported.and_then(|r| r.condition.as_deref()).unwrap_or("no code");
            let detail = format!("{} in message {}", short(code), arrival.id);
            to.remarks.push(Remark { recipient: sent.recipient, what: "transport_error".to_owned(), detail });
            Fault::ErrorReported
        }
        None => Fault::ErrorUnmatched,
    };
    to.nowhere(arrival.envelope_receiver, fault, ids);
    super::verdict_of(fault)
}

/// A code, if it looks like one: what else a stranger writes there does not go into the events.
fn short(code: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.');
    if code.len() <= 80 && code.chars().all(plain) { code } else { "an unreadable code" }
}
