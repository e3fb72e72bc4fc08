//! The ports: what the path needs of the outside world, and what every adapter must keep to.
//!
//! Each port has an in-memory twin beside its real adapters, and one contract suite that all of them pass
//! (`tests/contracts/`).

mod party_registry;
mod registry;
mod revocation;

pub use party_registry::{Change, Changes, Cursor, PartyRegistry, Whole};
pub use registry::{Listed, NotListed, Registry};
pub use revocation::{NotFetched, Question, RevocationSource};

use crate::arrival::Arrival;
use crate::journal::{
    Aside, CommitResult, Committed, Delivery, Document, Entry, EventRecord, Known, Ledger, Lookup,
    MessageRecord, Overdue, RecipientId, RecipientRecord, Search, SetAside, Settlement, VerdictRecord,
};
use crate::series::{Kept, Ruled, Showing, ShownAt, Sought};
use dead_letter::Attempt;
use jiff::{SignedDuration, Timestamp};
use message_schemas::{Findings, MessageId};
use routing_rules::DestinationId;
use sharing::series::Strand;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

/// The journal: one durable home of messages, recipients, receipts and events.
///
/// **Contract.** `commit` returns only after its transaction is durable, and is all or nothing per entry. A
/// recipient changes state only by [`crate::lifecycle::State::after`]; every change appends an event in the
/// same transaction. Bytes come back as they went in. All calls may run at the same time from many tasks;
/// dropping a future never leaves half a change.
pub trait Store: Send + Sync + 'static {
    /// Answers the look-ups of several messages, in order, in one go.
    fn look_up(&self, lookups: &[Vec<Lookup>])
    -> impl Future<Output = Result<Vec<Known>, StoreError>> + Send;

    /// Takes in entries in one transaction. Results are in the order offered. Recipients that are to begin as
    /// [`crate::lifecycle::State::Sending`] are claimed by it; should the caller never hear of that, they go back, or
    /// are unsure, as after a claim.
    fn commit(
        &self,
        entries: Vec<Entry>,
    ) -> impl Future<Output = Result<Vec<CommitResult>, StoreError>> + Send;

    /// The message that this source offered first under this key, and whether its bytes had this hash.
    fn repeated(
        &self,
        source: &str,
        idempotency_key: &str,
    ) -> impl Future<Output = Result<Option<(MessageId, crate::ContentHash)>, StoreError>> + Send;

    /// The messages that came first under any of these keys, each with the source that offered it; in no order. For people
    /// who have in hand what a source marks its calls by, and do not know by whom it was marked.
    fn first_under(
        &self,
        keys: &[(String, String)],
    ) -> impl Future<Output = Result<Vec<MessageId>, StoreError>> + Send;

    /// Claims recipients of a destination that are due (waiting or unsure, next attempt not in the future),
    /// oldest first, at most one per order key at a time and none while an older one of its key is open; they
    /// become `sending`.
    fn claim(
        &self,
        destination: &DestinationId,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;

    /// When the next recipient of a destination is due; none if nothing waits.
    fn next_due(
        &self,
        destination: &DestinationId,
    ) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;

    /// Records what came of attempts or timers, in one transaction. Those whose recipient has moved on in the
    /// meantime (a receipt overtook the answer) are left alone. Returns how many took effect.
    fn settle(
        &self,
        settlements: &[Settlement],
        now: Timestamp,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// After a start: what was `sending` when the process died becomes `unsure`, and where several processes share the
    /// journal, what those were sending that have died. Returns how many.
    fn recover(&self, now: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Where several processes share the journal: what others were sending that have died since becomes `unsure`.
    /// Returns how many. A journal of one process has nothing to take over.
    fn take_over(&self, now: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send {
        let _ = now;
        std::future::ready(Ok(0))
    }

    /// Where several processes share the journal: how far this machine's clock is ahead of the journal's own, as last
    /// looked at. Deadlines are written by one process's clock and read by another's, so they are to agree.
    fn clock_ahead(&self) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// Recipients whose time to live or receipt deadline is over, oldest first.
    fn overdue(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Overdue>, StoreError>> + Send;

    /// The books.
    fn ledger(&self) -> impl Future<Output = Result<Ledger, StoreError>> + Send;

    /// All messages that an id may mean: ours (whole or short), a MsgId, a document id, a receipt's or document's
    /// id, a recipient's id. Newest first, at most `limit`.
    fn find(
        &self,
        id: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<MessageRecord>, StoreError>> + Send;

    /// Messages by what is known of them, newest first by the time at which they came.
    fn search(&self, wanted: &Search) -> impl Future<Output = Result<Vec<MessageRecord>, StoreError>> + Send;

    /// One message.
    fn message(
        &self,
        id: MessageId,
    ) -> impl Future<Output = Result<Option<MessageRecord>, StoreError>> + Send;

    /// The original bytes of a message.
    fn body(&self, id: MessageId) -> impl Future<Output = Result<Option<Arc<[u8]>>, StoreError>> + Send;

    /// A receipt or document by its own id.
    fn document(
        &self,
        id: uuid::Uuid,
    ) -> impl Future<Output = Result<Option<StoredDocument>, StoreError>> + Send;

    /// Everything that was made from a message, in the order in which it was made.
    fn documents(&self, of: MessageId) -> impl Future<Output = Result<Vec<Document>, StoreError>> + Send;

    /// Bytes that the protection of a message names by this hash.
    fn evidence(
        &self,
        hash: crate::ContentHash,
    ) -> impl Future<Output = Result<Option<Arc<[u8]>>, StoreError>> + Send;

    /// Recipients that are set aside (parked or expired), with their messages.
    fn set_aside(&self, wanted: &SetAside) -> impl Future<Output = Result<Vec<Aside>, StoreError>> + Send;

    /// Sends set-aside recipients again, to their destination or another; who and why goes into the events.
    fn replay(
        &self,
        recipients: &[(RecipientId, Option<DestinationId>)],
        who_and_why: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Open recipients by destination: how many, and since when the oldest waits.
    fn backlog(&self) -> impl Future<Output = Result<Vec<Backlog>, StoreError>> + Send;

    /// Open recipients of a destination, those that were taken in first on top; at most `limit`.
    fn waiting(
        &self,
        destination: &DestinationId,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Waiting>, StoreError>> + Send;

    /// Appends an event of the process itself (start, stop, alarm).
    fn note(
        &self,
        what: &str,
        detail: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The latest events, newest first.
    fn events(&self, limit: usize) -> impl Future<Output = Result<Vec<EventRecord>, StoreError>> + Send;

    /// Versions of series, in the order of arrival. Of one message with the same content the journal keeps the first.
    fn versions(&self, sought: &Sought) -> impl Future<Output = Result<Vec<Kept>, StoreError>> + Send;

    /// What all targets show of these strands.
    fn shown(
        &self,
        strands: &BTreeSet<Strand>,
    ) -> impl Future<Output = Result<Vec<ShownAt>, StoreError>> + Send;

    /// Writes down how entries stand at targets. Durable when it returns, with an event of the message.
    fn show(&self, showing: Showing) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes down what a person ruled on a version. Durable when it returns, with an event of its message.
    fn rule(&self, ruled: Ruled) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Checks the chain of event hashes from the first to the last; the number of the first broken one.
    fn broken_link(&self) -> impl Future<Output = Result<Option<u64>, StoreError>> + Send;
}

/// A receipt or document as it was made: its media type and its bytes.
pub type StoredDocument = (&'static str, Arc<[u8]>);

/// What waits at one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// Where.
    pub destination: DestinationId,
    /// Recipients in waiting, sending or unsure.
    pub open: u64,
    /// When the oldest of them was taken in.
    pub oldest: Option<Timestamp>,
}

/// One that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its message.
    pub message: MessageId,
    /// When that was taken in.
    pub received: Timestamp,
    /// The recipient: waiting, sending or unsure.
    pub recipient: RecipientRecord,
}

/// Why the journal could not do what was asked. None of these is ever a sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No room: intake stops with a clear answer, delivery and reading go on.
    #[error("the journal has no room left (P26)")]
    Full,
    /// It does not answer, or another process holds it; trying again may help.
    #[error("the journal is not available: {0}")]
    Unavailable(String),
    /// Written by a newer program than this one.
    #[error("the journal has schema version {found}; this program knows up to {known} (P30)")]
    Newer {
        /// What the journal says.
        found: i64,
        /// What we know.
        known: i64,
    },
    /// What it holds cannot be.
    #[error("the journal is damaged: {0} (P33)")]
    Damaged(String),
}

/// Where deliveries go.
///
/// **Contract.** `send` is called with the same bytes and ids at every attempt. It answers
/// [`Attempt::Unsure`] whenever the destination may have it although no answer came, and
/// [`Attempt::HandedOver`] only when the destination has it durably. Cancel safe in this sense: a dropped
/// call counts as unsure.
pub trait Destination: Send + Sync + 'static {
    /// One attempt.
    fn send(&self, delivery: &Delivery) -> impl Future<Output = Attempt> + Send;
}

/// A message offered by a source, and the handle by which the source hears what became of it.
#[derive(Debug)]
pub struct Offer {
    /// What arrived.
    pub arrival: Arrival,
    /// Whom to tell.
    pub handle: AckHandle,
}

/// What a source hears of a message that was taken in.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The proof that it is durable; of the first message, when the same one was offered again.
    pub committed: Committed,
    /// What was decided on it.
    pub verdict: VerdictRecord,
    /// What was found in it.
    pub findings: Findings,
}

/// Tells a source what became of its message. It is used up by telling, and telling "taken" needs the proof
/// of a durable commit: acknowledging early, or twice, does not compile.
pub struct AckHandle(Box<dyn Acknowledge>);

/// The source's side of an [`AckHandle`].
pub trait Acknowledge: Send {
    /// The message is durable.
    fn taken(self: Box<Self>, taken: Taken);
    /// The message was not taken in; the source still has it.
    fn not_taken(self: Box<Self>, why: NotTaken);
}

impl AckHandle {
    /// Wraps a source's side.
    pub fn new(side: impl Acknowledge + 'static) -> Self {
        Self(Box::new(side))
    }

    /// The message is durable.
    pub fn ack(self, taken: Taken) {
        self.0.taken(taken);
    }

    /// The message was not taken in.
    pub fn not_taken(self, why: NotTaken) {
        self.0.not_taken(why);
    }
}

impl std::fmt::Debug for AckHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AckHandle")
    }
}

/// Why a message was not taken in. The source keeps it and offers it again, or tells its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotTaken {
    /// The journal has no room.
    Full,
    /// The journal does not answer, or the process is stopping.
    Unavailable,
    /// The same key came before with other bytes.
    KeyReused {
        /// The first message under the key.
        message: MessageId,
    },
}

/// Reads the time. The only door to a clock.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment, never going back: durations are measured with this.
    fn monotonic(&self) -> std::time::Duration;
}
