//! What the journal holds: entries going in, deliveries coming out, and the books that must balance.
//!
//! Plain data, no storage: the ports in [`crate::ports`] carry it, the adapters keep it.

mod search;

pub use search::Search;

use crate::arrival::{Arrival, ContentHash};
use crate::lifecycle::{Event, State};
use crate::transport::{Label, Transport};
use dead_letter::Reason;
use jiff::Timestamp;
use message_schemas::head::Party;
use message_schemas::{Findings, HerId, MessageHead, MessageId};
use routing_rules::{DestinationId, Format};
use serde::{Deserialize, Serialize};
use sharing::series::Version;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// Our id of one recipient of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipientId(pub Uuid);

/// Which book a recipient is in. Messages and receipts are balanced apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Book {
    /// Recipients of messages.
    Message,
    /// Recipients of receipts, ours and relayed ones.
    Receipt,
}

/// Everything that one transaction takes in: the message, and all that follows from it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The message as it came.
    pub arrival: Arrival,
    /// SHA-256 of its bytes.
    pub content_hash: ContentHash,
    /// SHA-256 of its payload: what was inside, for a sealed one. A repeat is recognised by this, since sealing the
    /// same message twice gives other bytes.
    pub payload_hash: ContentHash,
    /// For a message that the journal has already: what this decision takes the place of.
    pub judged_again: Option<JudgedAgain>,
    /// What was decided on it.
    pub verdict: VerdictRecord,
    /// Its head, as far as it could be read.
    pub head: Option<MessageHead>,
    /// What was found.
    pub findings: Findings,
    /// What it was judged by.
    pub provenance: Arc<Provenance>,
    /// Who shall have it, and what we answer. A recipient's `payload` points into `documents`.
    pub recipients: Vec<Recipient>,
    /// Bytes made from it: receipts and shared documents.
    pub documents: Vec<Document>,
    /// Recipients of earlier messages that it moves on (an incoming receipt).
    pub closings: Vec<Closing>,
    /// What is noted on recipients of earlier messages, and moves nothing.
    pub remarks: Vec<Remark>,
    /// Keys by which a repeat is recognised; the journal refuses an entry ([`CommitResult::Stale`]) whose key
    /// another message took in the meantime.
    pub duplicate_keys: Vec<DuplicateKey>,
    /// Routing's account of its decision, as JSON; holds no patient data.
    pub explanation: Option<String>,
    /// What protected it when it came, and why that was believed or not, as JSON; holds no patient data. None for
    /// what came unprotected, as agreed.
    pub protection: Option<String>,
    /// The bytes that `protection` names by their hash.
    pub evidence: Vec<Evidence>,
    /// The documents in it, as the series that they belong to know them; none if none of its family is published.
    pub versions: Vec<Version>,
}

/// A new decision on a message that the journal has: its bytes stay, its head, findings, verdict and protection are
/// replaced, and so are recipients that lay parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedAgain {
    /// When.
    pub at: Timestamp,
    /// Recipients that become [`State::Replaced`]. If one of them is parked no more, nothing is done
    /// ([`CommitResult::Overtaken`]).
    pub in_place_of: Vec<RecipientId>,
    /// Who wanted it, and why; none if the broker did it by itself.
    pub who_and_why: Option<String>,
}

/// Bytes that a judgement of trust rests on: a certificate, a revocation answer, the signed content of a sealed
/// envelope. Kept once, however many messages name it, and never changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Evidence {
    /// SHA-256 of the bytes.
    pub hash: ContentHash,
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

impl Evidence {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: Arc<[u8]>) -> Self {
        Self { hash: ContentHash::of(&bytes), bytes }
    }
}

impl std::fmt::Debug for Evidence {
    /// Never the bytes: signed content is a patient's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Evidence({}, {} bytes)", self.hash, self.bytes.len())
    }
}

/// What a message was judged by: enough to prove later why, and to ask what if.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the program.
    pub program: String,
    /// Hash of the schema set.
    pub schemas: ContentHash,
    /// Hash of the rules.
    pub rules: ContentHash,
    /// Hash of the parties.
    pub parties: ContentHash,
    /// Hash of the policy settings.
    pub policy: ContentHash,
}

/// What was decided on a message as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum VerdictRecord {
    /// Taken in, without faults.
    Accepted,
    /// Taken in although faults are on record.
    AcceptedWithFindings,
    /// Refused; the reason says what the sender hears.
    Refused {
        /// Why.
        reason: Reason,
    },
    /// Set aside for a person.
    Parked {
        /// Why.
        reason: Reason,
    },
    /// Seen before, for all of its receivers: nothing new follows.
    Duplicate {
        /// The first arrival.
        of: MessageId,
    },
    /// Nothing here is ours: kept, not answered.
    Silent {
        /// Why.
        reason: Reason,
    },
}

impl VerdictRecord {
    /// All names that [`Self::as_str`] gives.
    pub const NAMES: [&'static str; 6] =
        ["accepted", "accepted_with_findings", "refused", "parked", "duplicate", "silent"];

    /// The name in the journal, in metrics and on the command line.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::AcceptedWithFindings => "accepted_with_findings",
            Self::Refused { .. } => "refused",
            Self::Parked { .. } => "parked",
            Self::Duplicate { .. } => "duplicate",
            Self::Silent { .. } => "silent",
        }
    }

    /// The reason, where there is one.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused { reason } | Self::Parked { reason } | Self::Silent { reason } => Some(*reason),
            Self::Accepted | Self::AcceptedWithFindings | Self::Duplicate { .. } => None,
        }
    }
}

/// A recipient as the journal first holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Its id.
    pub id: RecipientId,
    /// Which book it is in.
    pub book: Book,
    /// The receiver on level 2 (for our receipts: the original sender); none if it could not be read.
    pub receiver: Option<HerId>,
    /// Where it goes; none if nowhere (refused or parked at intake).
    pub destination: Option<DestinationId>,
    /// What is sent.
    pub payload: Payload,
    /// Where it begins: waiting, or final at once. [`State::Sending`] asks the commit to claim it for whoever offers the
    /// entry; [`Committed::claimed`] says whether it did. One with an order key waits all the same, for its turn.
    pub state: State,
    /// Why it is parked or rejected.
    pub reason: Option<Reason>,
    /// Until when a receipt must come; none if none is awaited.
    pub receipt_deadline: Option<Timestamp>,
    /// Until when it may wait to be delivered; none for ever.
    pub expires: Option<Timestamp>,
    /// Recipients of one destination and key are delivered in order of arrival, one at a time.
    pub order_key: Option<String>,
    /// We have answered (or shall not be answered) for it: the system behind sends no receipt of its own.
    pub receipt_written: bool,
    /// The AppRec ids and message ids that an incoming receipt may name it by ([`OriginalKey`]).
    pub original_keys: Vec<OriginalKey>,
    /// What stands on the outside of it.
    pub label: Label,
}

/// What is sent to a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// The message, byte for byte as received.
    Original,
    /// An entry of `Entry::documents`.
    Document(usize),
}

/// Bytes made from a message. Made once, stored, and sent as they are however often.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub kind: DocumentKind,
    /// Its own id: the receipt's `Id`, or the document's UUID.
    pub id: Uuid,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Document({:?}, {}, {} bytes)", self.kind, self.id, self.bytes.len())
    }
}

/// What a made document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// An application receipt, KITH XML.
    Receipt,
    /// A FHIR R4 document Bundle, JSON.
    FhirJson,
    /// What was inside a sealed, signed or packed message, byte for byte.
    Opened,
    /// Signed by us: SignedData.
    Signed,
    /// Signed by us and sealed for its receiver: SignedData inside EnvelopedData.
    Sealed,
    /// What is wrong with a message as its transport brought it, for its sender's error queue: JSON
    /// ([`crate::transport::TransportError`]), which a transport turns into its own form.
    TransportError,
}

impl DocumentKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Receipt, Self::FhirJson, Self::Opened, Self::Signed, Self::Sealed, Self::TransportError];

    /// Media type of the bytes.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Receipt | Self::Opened => "application/xml",
            Self::FhirJson => "application/fhir+json",
            Self::TransportError => "application/json",
            Self::Signed => "application/pkcs7-mime; smime-type=signed-data",
            // So the profile names it; it is SignedData nested in EnvelopedData (HITS 1216:2018 §2.3).
            Self::Sealed => "application/pkcs7-mime; smime-type=signed-and-enveloped-data",
        }
    }
}

/// A repeat is recognised by sender, message id and receiver (kith-messages §4.3 rule 6).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DuplicateKey {
    /// `HER:8093`, else `ENH:…`: the sender's level 2, else level 1.
    pub sender: String,
    /// `MsgId::key`.
    pub msg_id: String,
    /// HER-id of the receiver on level 2; empty for none.
    pub receiver: String,
}

/// An id by which an incoming receipt may name what it answers, together with who sends the receipt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OriginalKey {
    /// The message id, or by the 1.0 rule the document id; `MsgId::key` form.
    pub id: String,
    /// HER-id of the receiver that will answer; empty for none.
    pub receiver: String,
}

/// An incoming receipt moves a recipient of an earlier message on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Which.
    pub recipient: RecipientId,
    /// [`Event::ReceiptOk`] or [`Event::ReceiptRejected`].
    pub event: Event,
    /// Why, when rejected.
    pub reason: Option<Reason>,
}

/// A line in the events of a recipient of an earlier message. It changes nothing: what it rests on is proven by nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Which.
    pub recipient: RecipientId,
    /// What the event is called.
    pub what: String,
    /// In short; no content of a message.
    pub detail: String,
}

/// What must be looked up before a message can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Which messages of this sender carried this id, to whom, with which content?
    Seen {
        /// As in [`DuplicateKey`].
        sender: String,
        /// As in [`DuplicateKey`].
        msg_id: String,
    },
    /// Which recipients may this receipt answer?
    Original(OriginalKey),
    /// What did we send under this id, if anything? A transport's errors and answers name it by that.
    Sent(RecipientId),
    /// How many transport errors were made for this party since then?
    ErrorsTo {
        /// Who gets them.
        party: HerId,
        /// Since when, by the time at which the failed messages came.
        since: Timestamp,
    },
}

/// The answers to the look-ups of one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// Earlier arrivals under the same sender and id.
    pub seen: Vec<Seen>,
    /// Recipients that the receipt may answer, oldest first.
    pub originals: Vec<Original>,
    /// What we sent under the ids asked for.
    pub sent: Vec<Sent>,
    /// Transport errors made for the parties asked for.
    pub errors: u64,
}

/// A recipient, as what we sent to it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Which.
    pub recipient: RecipientId,
    /// Of which message.
    pub message: MessageId,
    /// To whom.
    pub receiver: Option<HerId>,
    /// Where it stands.
    pub state: State,
    /// What stood on its outside.
    pub label: Label,
    /// What the transport said of the message that it was made from.
    pub transport: Option<Arc<Transport>>,
}

/// An earlier arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Our id of it.
    pub message: MessageId,
    /// For which receiver; empty for none.
    pub receiver: String,
    /// What it held.
    pub content_hash: ContentHash,
}

/// A recipient that a receipt may answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Which.
    pub recipient: RecipientId,
    /// Of which message.
    pub message: MessageId,
    /// Where it stands.
    pub state: State,
    /// When the message was made, by its head, for telling apart messages that share a document id.
    pub generated: Option<Timestamp>,
    /// We answered for it ourselves: a receipt from behind is not passed on.
    pub receipt_written: bool,
}

/// What became of an entry offered for commit, in the order offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitResult {
    /// It is durable.
    Committed(Committed),
    /// Another message took one of its duplicate keys in the meantime: look up and decide again.
    Stale,
    /// What it was to take the place of is set aside no more: nothing was done.
    Overtaken,
    /// The same source offered this idempotency key before.
    Repeated {
        /// The first message under the key.
        message: MessageId,
        /// True if the bytes were the same.
        same_content: bool,
    },
}

/// Proof that a message is durable: only a journal makes one, and acknowledging a source takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    message: MessageId,
    claimed: Vec<RecipientId>,
}

impl Committed {
    /// For journals alone, after their transaction has committed. A search for this name shows every maker.
    #[must_use]
    pub const fn after_durable_commit(message: MessageId) -> Self {
        Self { message, claimed: Vec::new() }
    }

    /// For journals alone: these recipients of it are the caller's to send and to settle.
    #[must_use]
    pub fn claiming(self, claimed: Vec<RecipientId>) -> Self {
        Self { claimed, ..self }
    }

    /// The message that is durable.
    #[must_use]
    pub const fn message(&self) -> MessageId {
        self.message
    }

    /// The recipients that this commit has claimed for whoever made it. None when the entry was there already: then they
    /// went another way.
    #[must_use]
    pub fn claimed(&self) -> &[RecipientId] {
        &self.claimed
    }
}

/// A recipient handed to a delivery loop, with everything that sending it takes.
#[derive(Clone)]
pub struct Delivery {
    /// Which recipient.
    pub recipient: RecipientId,
    /// Of which message.
    pub message: MessageId,
    /// Which book.
    pub book: Book,
    /// To whom.
    pub receiver: Option<HerId>,
    /// Where.
    pub destination: DestinationId,
    /// What kind of bytes: the original's form or a made document.
    pub kind: Option<DocumentKind>,
    /// The receipt's or document's own id; none for the original.
    pub document: Option<Uuid>,
    /// What is sent: the same bytes at every attempt.
    pub bytes: Arc<[u8]>,
    /// Attempts before this one.
    pub tries: u32,
    /// Until when it may wait.
    pub expires: Option<Timestamp>,
    /// True if an earlier attempt may have arrived.
    pub maybe_arrived: bool,
    /// We answered already: the system behind shall not.
    pub receipt_written: bool,
    /// The message is marked as a test.
    pub test: bool,
    /// Family of the message, for folder names and headers; none if unknown.
    pub family: Option<String>,
    /// What stands on its outside.
    pub label: Label,
}

impl Delivery {
    /// The first delivery of a recipient, from the entry that makes it; none if it goes nowhere.
    #[must_use]
    pub fn first(entry: &Entry, recipient: &Recipient) -> Option<Self> {
        let document = match recipient.payload {
            Payload::Original => None,
            Payload::Document(at) => Some(entry.documents.get(at)?),
        };
        let head = entry.head.as_ref();
        Some(Self {
            recipient: recipient.id,
            message: entry.arrival.id,
            book: recipient.book,
            receiver: recipient.receiver,
            destination: recipient.destination.clone()?,
            kind: document.map(|d| d.kind),
            document: document.map(|d| d.id),
            bytes: Arc::clone(document.map_or(&entry.arrival.bytes, |d| &d.bytes)),
            tries: 0,
            expires: recipient.expires,
            maybe_arrived: false,
            receipt_written: recipient.receipt_written,
            test: head.is_some_and(|h| h.test),
            family: head.map(|h| h.kind.family.as_str().to_owned()),
            label: recipient.label.clone(),
        })
    }

    /// The media type of the bytes.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        self.kind.map_or("application/xml", DocumentKind::media_type)
    }

    /// The form that is delivered.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.kind {
            Some(DocumentKind::FhirJson) => Format::FhirDocument,
            Some(
                DocumentKind::Receipt
                | DocumentKind::Opened
                | DocumentKind::Signed
                | DocumentKind::Sealed
                | DocumentKind::TransportError,
            )
            | None => Format::KithXml,
        }
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("recipient", &self.recipient)
            .field("message", &self.message)
            .field("destination", &self.destination)
            .field("size_bytes", &self.bytes.len())
            .field("tries", &self.tries)
            .finish_non_exhaustive()
    }
}

/// What came of one attempt, or of a timer: the journal applies `event` if the recipient is still in
/// `from`, and otherwise leaves it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Which recipient.
    pub recipient: RecipientId,
    /// Where it stood when this was decided.
    pub from: State,
    /// What happened.
    pub event: Event,
    /// Why, for parked, rejected, expired and retried ones.
    pub reason: Option<Reason>,
    /// When it may be tried again, for waiting and unsure ones.
    pub next_attempt: Option<Timestamp>,
    /// What the destination said, in short; no content of the message.
    pub detail: Option<String>,
}

/// A recipient whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// Which recipient.
    pub recipient: RecipientId,
    /// Of which message.
    pub message: MessageId,
    /// Where it stands.
    pub state: State,
    /// Which time is over.
    pub what: Deadline,
}

/// Which time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// It waited too long to be delivered.
    TimeToLive,
    /// No receipt came in time.
    Receipt,
}

/// The books: what was accepted against what stands in each state. They must balance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Recipients of messages.
    pub messages: Balance,
    /// Recipients of receipts.
    pub receipts: Balance,
}

impl Ledger {
    /// True when both books balance, by id.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.messages.balances() && self.receipts.balances()
    }
}

/// One book.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Balance {
    /// Recipients accepted, counted from the append-only events of intake and never from the states.
    pub accepted: u64,
    /// Recipients by state; every state is a key.
    #[serde(flatten)]
    pub states: BTreeMap<String, u64>,
    /// Accepted, but in no state: lost.
    pub missing: Vec<RecipientId>,
    /// In a state, but never accepted: from nowhere.
    pub unexplained: Vec<RecipientId>,
}

impl Balance {
    /// True when every accepted recipient is in exactly one state, and no other.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.missing.is_empty()
            && self.unexplained.is_empty()
            && self.accepted == self.states.values().sum::<u64>()
    }
}

/// Everything that the journal knows of one message, for `trace`, the HTTP state and the console.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MessageRecord {
    /// Our id.
    pub id: MessageId,
    /// The short form, for the phone.
    pub short: String,
    /// Which adapter took it in.
    pub source: String,
    /// When.
    pub received: Timestamp,
    /// SHA-256 of its bytes.
    pub content_hash: ContentHash,
    /// Size in bytes.
    pub size_bytes: u64,
    /// What was decided.
    #[serde(flatten)]
    pub verdict: VerdictRecord,
    /// Its head.
    pub head: Option<MessageHead>,
    /// What was found.
    pub findings: Findings,
    /// Whom the transport named as receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_receiver: Option<HerId>,
    /// Whom the transport named as sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_sender: Option<HerId>,
    /// What else the transport said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Arc<Transport>>,
    /// What it was judged by.
    pub provenance: Provenance,
    /// Routing's account.
    pub explanation: Option<serde_json::Value>,
    /// What protected it when it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<serde_json::Value>,
    /// Its recipients, in the order in which they were made.
    pub recipients: Vec<RecipientRecord>,
    /// What happened, oldest first.
    pub events: Vec<EventRecord>,
}

impl MessageRecord {
    /// Who sent it: by its head, or by its envelope where the head names nobody.
    #[must_use]
    pub fn sender(&self) -> Option<HerId> {
        let by_head = self.head.as_ref().and_then(|head| head.sender.as_ref());
        by_head.and_then(Party::any_her_id).or(self.envelope_sender)
    }
}

/// A recipient as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecipientRecord {
    /// Its id.
    pub id: RecipientId,
    /// Which book.
    pub book: Book,
    /// To whom.
    pub receiver: Option<HerId>,
    /// Where.
    pub destination: Option<DestinationId>,
    /// What: `original`, `receipt` or `fhir-json`.
    pub payload: String,
    /// The receipt's or document's own id.
    pub document: Option<Uuid>,
    /// Where it stands.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// What the destination said last.
    pub detail: Option<String>,
    /// Attempts so far.
    pub tries: u32,
    /// When it is tried next.
    pub next_attempt: Option<Timestamp>,
    /// Until when a receipt must come.
    pub receipt_deadline: Option<Timestamp>,
    /// Until when it may wait.
    pub expires: Option<Timestamp>,
}

/// One line of the append-only event table. Each holds the hash of the one before, so that a line taken out
/// or changed is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its number, from 1, without gaps.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Of which message.
    pub message: Option<MessageId>,
    /// Of which recipient.
    pub recipient: Option<RecipientId>,
    /// What: `accepted`, `claim`, `hand_over`, `park`, `replay`, `alarm`, …
    pub what: String,
    /// Reason code, detail; no content of the message.
    pub detail: Option<String>,
}

/// A recipient that is set aside, with what tells at a glance where its message came from.
#[derive(Debug, Clone)]
pub struct Aside {
    /// Its message.
    pub message: MessageId,
    /// When that came.
    pub received: Timestamp,
    /// The entrance that it came by.
    pub source: String,
    /// Its sender, by its head or by its envelope; none if neither tells.
    pub sender: Option<HerId>,
    /// The recipient.
    pub recipient: RecipientRecord,
}

/// Which parked or expired recipients are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetAside {
    /// Only of this message.
    pub message: Option<MessageId>,
    /// Only with this reason.
    pub reason: Option<Reason>,
    /// Only for this destination.
    pub destination: Option<DestinationId>,
    /// Only for this receiver.
    pub receiver: Option<HerId>,
    /// At most so many, oldest first.
    pub limit: usize,
}
