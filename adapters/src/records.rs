//! What both journals write down in the same words.

use crate::standing::{Change, Standing};
use broker_core::journal::{Book, DocumentKind, Entry, JudgedAgain, Recipient};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::StoreError;
use broker_core::transport::Label;
use jiff::{SignedDuration, Timestamp};
use message_schemas::{HerId, MessageId, MsgId};
use routing_rules::DestinationId;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The owner of rows where nobody says otherwise.
pub(crate) const OWNER: &str = "default";

/// The name of a book in the journal.
pub(crate) const fn book_name(book: Book) -> &'static str {
    match book {
        Book::Message => "message",
        Book::Receipt => "receipt",
    }
}

/// The book of this name.
pub(crate) fn book_of(name: &str) -> Option<Book> {
    [Book::Message, Book::Receipt].into_iter().find(|b| book_name(*b) == name)
}

/// The name of a kind of document in the journal.
pub(crate) const fn kind_name(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Receipt => "receipt",
        DocumentKind::FhirJson => "fhir-json",
        DocumentKind::Opened => "opened",
        DocumentKind::Signed => "signed",
        DocumentKind::Sealed => "sealed",
        DocumentKind::TransportError => "transport-error",
    }
}

/// The kind of document of this name.
pub(crate) fn kind_of(name: &str) -> Option<DocumentKind> {
    DocumentKind::ALL.into_iter().find(|k| kind_name(*k) == name)
}

/// What a recipient is sent, by name.
pub(crate) fn payload_name(kind: Option<DocumentKind>) -> &'static str {
    kind.map_or("original", kind_name)
}

/// The label of a recipient; one from before there were labels has none.
pub(crate) fn label(text: Option<&str>) -> Result<Label, StoreError> {
    let unreadable = |_| StoreError::Damaged("a label cannot be read".into());
    text.map_or_else(|| Ok(Label::default()), |text| serde_json::from_str(text).map_err(unreadable))
}

/// When the message was made, by its head.
pub(crate) fn generated(entry: &Entry) -> Option<Timestamp> {
    entry.head.as_ref()?.generated.as_ref()?.instant
}

/// The last 40 bits of an id, as its short form stands for.
pub(crate) fn short_bits(id: MessageId) -> u64 {
    u64::try_from(id.0.as_u128() & 0xFF_FFFF_FFFF).unwrap_or(0)
}

/// Every state with none in it.
pub(crate) fn no_states() -> BTreeMap<String, u64> {
    State::ALL.iter().map(|s| (s.as_str().to_owned(), 0)).collect()
}

/// What the first event of a message says: the verdict, which of its recipients are being sent from the start, and the
/// hash of the bytes, which the chain of events so proves too.
///
/// What is being sent is said here and not where each recipient is accepted: the books are counted from those events by
/// their exact words, also by programs of the version before.
pub(crate) fn taken_in(entry: &Entry) -> String {
    let verdict = entry.verdict.as_str();
    let reason = entry.verdict.reason().map_or("", |r| r.as_str());
    let gap = if reason.is_empty() { "" } else { " " };
    let mut told = format!("{verdict}{gap}{reason}");
    let mut begin = ", being sent: ";
    for recipient in entry.recipients.iter().filter(|r| is_claimed(r)) {
        told.push_str(begin);
        told.push_str(&recipient.id.0.to_string());
        begin = ", ";
    }
    format!("{told} sha256:{}", entry.content_hash)
}

/// True if the commit that takes a recipient in claims it too. One with an order key has to wait for its turn, which its
/// whole line tells.
pub(crate) fn is_claimed(recipient: &Recipient) -> bool {
    recipient.state == State::Sending && recipient.order_key.is_none() && recipient.destination.is_some()
}

/// What the event says of a receipt that changed nothing.
pub(crate) fn left_alone(event: Event) -> String {
    format!("{} changes nothing here", crate::standing::event_name(event))
}

/// Words of a destination or a person are kept up to so many bytes: they are written with every attempt.
const WORDS_BYTES: usize = 1000;

/// Words cut to what is kept of them. Zero bytes, which not every journal can hold, are shown as unreadable.
pub(crate) fn bounded(words: &str) -> String {
    if words.contains('\0') {
        return bounded(&words.replace('\0', "\u{FFFD}"));
    }
    let end = words.floor_char_boundary(WORDS_BYTES);
    match words.get(..end) {
        Some(head) if end < words.len() => format!("{head} …"),
        Some(_) | None => words.to_owned(),
    }
}

/// True if, at a start, the clock is so far behind the last event that what waits would wait too long: times
/// of day are all that outlives a process.
pub(crate) fn is_set_back(now: Timestamp, last_event: Timestamp) -> bool {
    last_event.duration_since(now) > SignedDuration::from_secs(10)
}

/// What the event says of a clock that was set back.
pub(crate) fn set_back(now: Timestamp, last_event: Timestamp, waiting: usize) -> String {
    let seconds = last_event.duration_since(now).as_secs();
    format!("the clock is {seconds} s behind the last event; {waiting} recipients are due at once")
}

/// What happens, after a start, to what was being sent when the process died.
pub(crate) fn died() -> Change {
    Change { detail: Some("the process stopped while sending".into()), ..Change::plain(Event::LoseSight) }
}

/// A person sends a recipient again.
pub(crate) fn replayed(to: Option<&DestinationId>, who_and_why: &str) -> Change {
    let who_and_why = bounded(who_and_why);
    let detail = to.map_or_else(|| who_and_why.clone(), |to| format!("to {to}: {who_and_why}"));
    Change { detail: Some(detail), ..Change::plain(Event::Replay) }
}

/// A new decision takes the place of a recipient; a person wanted it, or nobody did.
pub(crate) fn replaced(again: &JudgedAgain) -> Change {
    Change { detail: again.who_and_why.as_deref().map(bounded), ..Change::plain(Event::Replace) }
}

impl Standing {
    /// How a recipient stands when it is taken in.
    pub(crate) fn at_intake(recipient: &Recipient, now: Timestamp) -> Self {
        let claimed = is_claimed(recipient);
        let state =
            if recipient.state == State::Sending && !claimed { State::Waiting } else { recipient.state };
        let waits = matches!(state, State::Waiting | State::Unsure);
        Self {
            state,
            reason: recipient.reason,
            detail: None,
            tries: u32::from(claimed),
            maybe_arrived: state == State::Unsure,
            next_attempt: waits.then_some(now),
            receipt_deadline: recipient.receipt_deadline,
            expires: recipient.expires,
            since: now,
        }
    }
}

/// A HER-id as it is written among other ids of senders.
pub(crate) fn her_id(text: Option<&str>) -> Option<HerId> {
    text?.parse().ok().map(HerId)
}

/// By what its sender knows a message: the id in its head, or, where no head could be read, that of the envelope.
pub(crate) fn sent_as(entry: &Entry) -> Option<String> {
    match &entry.head {
        Some(head) => head.msg_id.as_ref().map(MsgId::key),
        None => entry.arrival.transport.as_ref().and_then(|transport| transport.message_key()),
    }
}

/// What a person may mean by an id that they type.
pub(crate) struct Meant {
    /// As typed, trimmed.
    pub(crate) text: String,
    /// As a sender's message id is compared.
    pub(crate) key: String,
    /// As an id of ours.
    pub(crate) uuid: Option<Uuid>,
    /// As the short form.
    pub(crate) short: Option<u64>,
}

impl Meant {
    pub(crate) fn read(typed: &str) -> Self {
        let text = typed.trim().to_owned();
        let msg_id = MsgId::new(&text);
        Self {
            key: msg_id.as_ref().map(MsgId::key).unwrap_or_default(),
            uuid: msg_id.as_ref().and_then(MsgId::uuid),
            short: MessageId::short_bits(&text),
            text,
        }
    }
}
