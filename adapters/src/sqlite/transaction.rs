//! One transaction of the writer: everything that a batch of calls changes, or nothing.
//!
//! It reads in one step what the batch asks about ([`load`]), decides in memory, and writes one statement per
//! table ([`write`]); each step crosses a thread, so their number, and not that of the rows, is what costs.
//! Statements are numbered in `$n` across the whole text of a step.

use super::columns::{time, uuid};
use super::failure::{sort, unreadable};
use super::load::{self, Found, Loaded, Wanted};
use super::prepare::Prepared;
use super::rows::{EventRow, MovedRow, StandingColumns, hex, recipient_hex};
use super::write::{self, NewRows, Queue};
use crate::chain;
use crate::records;
use crate::standing::{Change, event_name};
use broker_core::ContentHash;
use broker_core::journal::{CommitResult, Committed, EventRecord, JudgedAgain, RecipientId, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::StoreError;
use jiff::Timestamp;
use message_schemas::MessageId;
use routing_rules::DestinationId;
use sqlx::{Row as _, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A recipient that was claimed; its bytes are fetched outside of the writer.
#[derive(Debug, Clone)]
pub(super) struct Claimed {
    pub(super) recipient: RecipientId,
    pub(super) message: MessageId,
    pub(super) book: String,
    pub(super) receiver: Option<u32>,
    pub(super) kind: Option<String>,
    pub(super) document: Option<Uuid>,
    pub(super) body: i64,
    pub(super) tries: u32,
    pub(super) expires: Option<Timestamp>,
    pub(super) maybe_arrived: bool,
    pub(super) receipt_written: bool,
    pub(super) test: bool,
    pub(super) family: Option<String>,
}

/// One claim stops at so many bytes, or a backlog of large messages would fill the memory.
const CLAIM_BYTES: i64 = 32 << 20;

/// An open transaction. Dropped without [`Transaction::finish`], it must be rolled back by its maker.
pub(super) struct Transaction<'c> {
    connection: &'c mut SqliteConnection,
    owner: &'c str,
    found: Found,
    new: NewRows,
    queues: BTreeSet<Queue>,
    events: Vec<EventRow>,
}

/// What is due at a destination, with all that a delivery takes.
const CLAIM: &str = "
SELECT 'recipient', r.seq, r.id, m.id, r.destination, r.order_key, r.state, r.reason, r.detail, r.tries,
    r.maybe_arrived, r.next_attempt, r.receipt_deadline, r.expires, r.since,
    r.book, r.receiver, d.kind, d.id, b.seq, b.size, r.receipt_written, m.test, m.family
FROM (SELECT seq FROM recipient INDEXED BY recipient_due
      WHERE owner = $1 AND destination = $2 AND due IS NOT NULL AND due <= $3 ORDER BY due, seq LIMIT $4) q
CROSS JOIN recipient r ON r.seq = q.seq
CROSS JOIN message m ON m.seq = r.message
LEFT JOIN document d ON d.seq = r.document
CROSS JOIN body b ON b.seq = coalesce(d.body, m.body)";

/// What is being sent, or was when the process died.
const SENDING: &str = "
SELECT 'recipient', r.seq, r.id, m.id, r.destination, r.order_key, r.state, r.reason, r.detail, r.tries,
    r.maybe_arrived, r.next_attempt, r.receipt_deadline, r.expires, r.since
FROM recipient r INDEXED BY recipient_sending CROSS JOIN message m ON m.seq = r.message
WHERE r.owner = $1 AND r.state = 'sending' ORDER BY r.seq";

const LAST_EVENT: &str = "SELECT at FROM event ORDER BY seq DESC LIMIT 1";

const SET_BACK: &str = "
UPDATE recipient SET next_attempt = $2, due = CASE WHEN due IS NULL THEN NULL ELSE $2 END
WHERE owner = $1 AND state IN ('waiting', 'sending', 'unsure') AND state <> 'sending' AND next_attempt > $2";

impl<'c> Transaction<'c> {
    /// Takes the write lock and reads what the batch asks about.
    pub(super) async fn begin(
        connection: &'c mut SqliteConnection,
        owner: &'c str,
        wanted: &Wanted,
    ) -> Result<Self, StoreError> {
        let found = load::begin(&mut *connection, owner, wanted).await?;
        let (new, queues, events) = (NewRows::default(), BTreeSet::new(), Vec::new());
        Ok(Self { connection, owner, found, new, queues, events })
    }

    /// Takes an entry in, unless something of it is there already.
    pub(super) fn take_in(&mut self, entry: &Prepared) -> Result<CommitResult, StoreError> {
        let committed = CommitResult::Committed(Committed::after_durable_commit(entry.id));
        if let Some(again) = &entry.judged_again {
            return self.take_in_again(entry, again);
        }
        if let Some((hash, _)) = self.found.messages.get(&entry.id) {
            // The same entry again, because the answer was lost.
            let same = hash.0 == entry.content_hash;
            return if same { Ok(committed) } else { Err(unreadable("two messages under one id")) };
        }
        let idempotency = entry.idempotency_key.clone().map(|key| (entry.source.clone(), key));
        if let Some((message, hash)) = idempotency.as_ref().and_then(|key| self.found.idempotency.get(key)) {
            return Ok(CommitResult::Repeated {
                message: *message,
                same_content: hash.0 == entry.content_hash,
            });
        }
        if entry.duplicate_keys.iter().any(|key| self.found.duplicates.contains(key)) {
            return Ok(CommitResult::Stale);
        }

        let hash = ContentHash(entry.content_hash);
        let seq = self.found.heads.message + 1;
        self.found.messages.insert(entry.id, (hash, seq));
        if let Some((source, key)) = idempotency {
            self.new.add_idempotency(&source, &key, entry.id, hash);
            self.found.idempotency.insert((source, key), (entry.id, hash));
        }
        self.append(entry.received, Some(entry.id), None, "taken_in", Some(entry.taken_in.clone()));
        self.add(entry, None, entry.received);
        Ok(committed)
    }

    /// Puts a new decision in the place of recipients that lie set aside.
    fn take_in_again(&mut self, entry: &Prepared, again: &JudgedAgain) -> Result<CommitResult, StoreError> {
        let Some(&(_, seq)) = self.found.messages.get(&entry.id) else { return Ok(CommitResult::Overtaken) };
        let set_aside = |r: &RecipientId| {
            let loaded = self.found.recipients.get(r);
            loaded.is_some_and(|r| r.message == entry.id && r.standing.state.after(Event::Replace).is_some())
        };
        if !again.in_place_of.iter().all(set_aside) {
            return Ok(CommitResult::Overtaken);
        }
        if entry.duplicate_keys.iter().any(|key| self.found.duplicates.contains(key)) {
            return Ok(CommitResult::Stale);
        }
        self.append(again.at, Some(entry.id), None, "judged_again", Some(entry.taken_in.clone()));
        for replaced in &again.in_place_of {
            self.change(*replaced, &records::replaced(again), again.at);
        }
        self.add(entry, Some(seq), again.at);
        Ok(CommitResult::Committed(Committed::after_durable_commit(entry.id)))
    }

    /// Adds the rows of an entry: of a new message, or of one that has this number already.
    fn add(&mut self, entry: &Prepared, message: Option<i64>, now: Timestamp) {
        for key in &entry.duplicate_keys {
            if self.found.duplicates.insert(key.clone()) {
                self.new.add_duplicate(key, entry.id, entry.payload_hash);
            }
        }
        let Found { heads, provenances, .. } = &mut self.found;
        self.new.add(entry, message, heads, provenances, &mut self.queues);
        for prepared in &entry.recipients {
            let book = records::book_name(prepared.recipient.book).to_owned();
            self.append(now, Some(entry.id), Some(prepared.recipient.id), "accepted", Some(book));
        }
        for closing in &entry.closings {
            let change = Change::from(closing);
            if !self.change(closing.recipient, &change, now) {
                let of = self.found.recipients.get(&closing.recipient).map(|r| r.message);
                let told = records::left_alone(closing.event);
                if of.is_some() {
                    self.append(now, of, Some(closing.recipient), "left_alone", Some(told));
                }
            }
        }
    }

    /// Lets an event happen to a recipient that was asked for. False if it cannot, or nobody knows it.
    fn change(&mut self, id: RecipientId, change: &Change, now: Timestamp) -> bool {
        let Some(loaded) = self.found.recipients.get_mut(&id) else { return false };
        if !loaded.standing.happens(change, now) {
            return false;
        }
        loaded.moved = true;
        if let (Some(to), Some(key)) = (&loaded.destination, &loaded.order_key) {
            self.queues.insert((to.clone(), key.clone()));
        }
        let message = loaded.message;
        self.append(now, Some(message), Some(id), event_name(change.event), change.told());
        true
    }

    /// Records what came of attempts. Returns how many took effect.
    pub(super) fn settle(&mut self, settlements: &[Settlement], now: Timestamp) -> usize {
        let still = |tx: &Self, s: &Settlement| {
            tx.found.recipients.get(&s.recipient).is_some_and(|r| r.standing.state == s.from)
        };
        settlements
            .iter()
            .filter(|s| still(self, s) && self.change(s.recipient, &Change::from(*s), now))
            .count()
    }

    /// Sends recipients again. Returns how many it could.
    pub(super) fn replay(
        &mut self,
        recipients: &[(RecipientId, Option<DestinationId>)],
        who_and_why: &str,
        now: Timestamp,
    ) -> usize {
        let mut replayed = 0;
        for (id, to) in recipients {
            let Some(loaded) = self.found.recipients.get_mut(id) else { continue };
            let can = loaded.standing.state.after(Event::Replay).is_some();
            if !can || (to.is_none() && loaded.destination.is_none()) {
                continue;
            }
            if let Some(to) = to {
                loaded.destination = Some(to.as_str().to_owned());
            }
            replayed += usize::from(self.change(*id, &records::replayed(to.as_ref(), who_and_why), now));
        }
        replayed
    }

    /// After the clock was set back nothing waits for a time that is to come a second time.
    async fn set_back(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let last = sqlx::query(LAST_EVENT).fetch_optional(&mut *self.connection).await.map_err(sort)?;
        let last = last.map_or(Ok(None), |row| time(&row, 0))?;
        let Some(last) = last.filter(|last| records::is_set_back(now, *last)) else { return Ok(()) };
        let late = sqlx::query(SET_BACK)
            .bind(self.owner)
            .bind(now.as_microsecond())
            .execute(&mut *self.connection)
            .await
            .map_err(sort)?;
        let late = usize::try_from(late.rows_affected()).unwrap_or(usize::MAX);
        self.append(now, None, None, "clock_set_back", Some(records::set_back(now, last, late)));
        Ok(())
    }

    /// Makes unsure what was being sent. Returns how many.
    pub(super) async fn recover(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        self.set_back(now).await?;
        let rows =
            sqlx::query(SENDING).bind(self.owner).fetch_all(&mut *self.connection).await.map_err(sort)?;
        let mut lost = 0;
        for row in &rows {
            let (id, loaded) = Loaded::read(row)?;
            self.found.recipients.entry(id).or_insert(loaded);
            let sending = self.found.recipients.get(&id).is_some_and(|r| r.standing.state == State::Sending);
            lost += usize::from(sending && self.change(id, &records::died(), now));
        }
        Ok(lost)
    }

    /// Claims what is due at a destination. What this transaction has changed already waits for the next.
    pub(super) async fn claim(
        &mut self,
        destination: &DestinationId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claimed>, StoreError> {
        let rows = sqlx::query(CLAIM)
            .bind(self.owner)
            .bind(destination.as_str())
            .bind(now.as_microsecond())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.connection)
            .await
            .map_err(sort)?;
        let mut claimed = Vec::with_capacity(rows.len());
        let mut bytes = 0i64;
        for row in &rows {
            let (id, loaded) = Loaded::read(row)?;
            let in_order = loaded.destination.as_ref().zip(loaded.order_key.as_ref());
            let touched = in_order.is_some_and(|(to, key)| self.queues.contains(&(to.clone(), key.clone())))
                || self.found.recipients.get(&id).is_some_and(|r| r.moved);
            if touched {
                continue;
            }
            let size: i64 = row.try_get(20).map_err(sort)?;
            if !claimed.is_empty() && bytes + size > CLAIM_BYTES {
                break;
            }
            bytes += size;
            let tries = loaded.standing.tries;
            self.found.recipients.insert(id, loaded);
            if !self.change(id, &Change::plain(Event::Claim), now) {
                continue;
            }
            let Some(loaded) = self.found.recipients.get(&id) else { continue };
            claimed.push(Claimed {
                recipient: id,
                message: loaded.message,
                book: row.try_get(15).map_err(sort)?,
                receiver: row.try_get(16).map_err(sort)?,
                kind: row.try_get(17).map_err(sort)?,
                document: row.try_get::<Option<&[u8]>, _>(18).map_err(sort)?.map(uuid).transpose()?,
                body: row.try_get(19).map_err(sort)?,
                tries,
                expires: loaded.standing.expires,
                maybe_arrived: loaded.standing.maybe_arrived,
                receipt_written: row.try_get(21).map_err(sort)?,
                test: row.try_get(22).map_err(sort)?,
                family: row.try_get(23).map_err(sort)?,
            });
        }
        Ok(claimed)
    }

    /// Appends an event.
    pub(super) fn append(
        &mut self,
        at: Timestamp,
        message: Option<MessageId>,
        recipient: Option<RecipientId>,
        what: &str,
        detail: Option<String>,
    ) {
        self.found.heads.event += 1;
        let event = EventRecord {
            sequence: self.found.heads.event,
            at,
            message,
            recipient,
            what: what.to_owned(),
            detail,
        };
        let link = chain::link(&self.found.heads.link, self.owner, &event);
        let previous = std::mem::replace(&mut self.found.heads.link, link);
        self.events.push(EventRow {
            seq: event.sequence,
            at: at.as_microsecond(),
            message: message.map(|m| hex(m.0)),
            recipient: recipient.map(recipient_hex),
            what: event.what,
            detail: event.detail,
            previous: ContentHash(previous).to_string(),
            hash: ContentHash(link).to_string(),
        });
    }

    /// Writes everything and commits. After `Ok` it is durable.
    pub(super) async fn finish(self) -> Result<(), StoreError> {
        let Self { connection, owner, found, new, queues, events } = self;
        new.insert(&mut *connection, owner).await?;
        // In the order of the table.
        let moved: BTreeMap<i64, MovedRow> = found
            .recipients
            .into_values()
            .filter(|r| r.moved)
            .map(|r| {
                let standing = StandingColumns::new(&r.standing, r.destination, r.order_key.is_some());
                (r.seq, MovedRow { seq: r.seq, standing })
            })
            .collect();
        let moved: Vec<MovedRow> = moved.into_values().collect();
        write::change_and_commit(connection, owner, &moved, &queues, &events).await
    }
}

/// For the test of the plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[CLAIM, SENDING, LAST_EVENT, SET_BACK];
