//! Rows on their way into the tables, as the statements of [`super::transaction`] read them.
//!
//! Narrow rows travel as one JSON text per table, so that a batch of any size is one statement whose text
//! never changes. Ids travel as hexadecimal digits.

use crate::journal::batch::Chained;
use crate::journal::prepare::{Prepared, PreparedRecipient};
use crate::records;
use crate::standing::Standing;
use broker_core::ContentHash;
use broker_core::journal::RecipientId;
use broker_core::transport::Label;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

#[derive(Debug, Serialize)]
pub(super) struct DocumentRow {
    seq: i64,
    id: String,
    message: i64,
    kind: &'static str,
    body: i64,
}

impl DocumentRow {
    pub(super) fn new(seq: i64, id: Uuid, message: i64, kind: &'static str, body: i64) -> Self {
        Self { seq, id: hex(id), message, kind, body }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct RecipientRow {
    seq: i64,
    id: String,
    message: i64,
    book: &'static str,
    receiver: Option<u32>,
    document: Option<i64>,
    order_key: Option<String>,
    receipt_written: u8,
    received: i64,
    label: Label,
    #[serde(flatten)]
    standing: StandingColumns,
}

impl RecipientRow {
    pub(super) fn new(
        seq: i64,
        message: i64,
        document: Option<i64>,
        prepared: &PreparedRecipient,
        entry: &Prepared,
    ) -> Self {
        let recipient = &prepared.recipient;
        let destination = recipient.destination.as_ref().map(|d| d.as_str().to_owned());
        Self {
            seq,
            id: hex(recipient.id.0),
            message,
            book: records::book_name(recipient.book),
            receiver: recipient.receiver.map(|r| r.0),
            document,
            order_key: recipient.order_key.clone(),
            receipt_written: recipient.receipt_written.into(),
            received: entry.received.as_microsecond(),
            label: recipient.label.clone(),
            standing: StandingColumns::new(&prepared.standing, destination, recipient.order_key.is_some()),
        }
    }
}

/// A recipient that was changed.
#[derive(Debug, Serialize)]
pub(super) struct MovedRow {
    pub(super) seq: i64,
    #[serde(flatten)]
    pub(super) standing: StandingColumns,
}

/// The columns of a recipient that change.
#[derive(Debug, Serialize)]
pub(super) struct StandingColumns {
    destination: Option<String>,
    state: &'static str,
    reason: Option<&'static str>,
    detail: Option<String>,
    tries: u32,
    maybe_arrived: u8,
    next_attempt: Option<i64>,
    due: Option<i64>,
    receipt_deadline: Option<i64>,
    expires: Option<i64>,
    since: i64,
}

impl StandingColumns {
    /// A recipient with an order key is due when its turn comes, and that is told by its whole queue.
    pub(super) fn new(standing: &Standing, destination: Option<String>, queued: bool) -> Self {
        let next_attempt = micros(standing.next_attempt);
        let can_be_due = standing.is_claimable() && !queued && destination.is_some();
        Self {
            state: standing.state.as_str(),
            reason: standing.reason.map(|r| r.as_str()),
            detail: standing.detail.clone(),
            tries: standing.tries,
            maybe_arrived: standing.maybe_arrived.into(),
            next_attempt,
            due: next_attempt.filter(|_| can_be_due),
            receipt_deadline: micros(standing.receipt_deadline),
            expires: micros(standing.expires),
            since: standing.since.as_microsecond(),
            destination,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct EventRow {
    seq: u64,
    at: i64,
    message: Option<String>,
    recipient: Option<String>,
    what: String,
    detail: Option<String>,
    previous: String,
    hash: String,
}

impl From<Chained> for EventRow {
    fn from(Chained { event, previous, hash }: Chained) -> Self {
        Self {
            seq: event.sequence,
            at: event.at.as_microsecond(),
            message: event.message.map(|m| hex(m.0)),
            recipient: event.recipient.map(recipient_hex),
            what: event.what,
            detail: event.detail,
            previous: ContentHash(previous).to_string(),
            hash: ContentHash(hash).to_string(),
        }
    }
}

/// Digits of an id.
pub(super) fn hex(id: Uuid) -> String {
    id.simple().to_string()
}

/// Digits of a recipient's id.
pub(super) fn recipient_hex(id: RecipientId) -> String {
    hex(id.0)
}

/// A time as the journal keeps it.
pub(super) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_microsecond)
}
