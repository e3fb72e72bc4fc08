//! One transaction of the writer: everything that a batch of calls changes, or nothing.
//!
//! It reads in one step what the batch asks about ([`load`]), decides in memory, and writes one statement per
//! table ([`write`]); each step crosses a thread, so their number, and not that of the rows, is what costs.
//! Statements are numbered in `$n` across the whole text of a step.

use super::columns::{time, uuid};
use super::failure::sort;
use super::load::{self, Numbers, recipient};
use super::rows::{EventRow, MovedRow, StandingColumns};
use super::series;
use super::write::{self, NewRows};
use crate::journal::batch::{Batch, Wanted};
use crate::journal::calls::{BodyKey, CLAIM_BYTES, Claimed};
use crate::journal::prepare::{PreparedRuling, PreparedShown};
use crate::records;
use crate::standing::Change;
use broker_core::lifecycle::Event;
use broker_core::ports::StoreError;
use jiff::Timestamp;
use routing_rules::DestinationId;
use sqlx::{Row as _, SqliteConnection};
use std::collections::{BTreeMap, HashMap};

/// An open transaction. Dropped without [`Transaction::finish`], it must be rolled back by its maker.
pub(super) struct Transaction<'c> {
    connection: &'c mut SqliteConnection,
    owner: &'c str,
    numbers: Numbers,
    provenances: HashMap<String, i64>,
    /// What is decided, by the numbers of the rows.
    pub(super) batch: Batch<'c, i64>,
}

/// What is due at a destination, with all that a delivery takes.
const CLAIM: &str = "
SELECT 'recipient', r.seq, r.id, m.id, r.destination, r.order_key, r.state, r.reason, r.detail, r.tries,
    r.maybe_arrived, r.next_attempt, r.receipt_deadline, r.expires, r.since,
    r.book, r.receiver, d.kind, d.id, b.seq, b.size, r.receipt_written, m.test, m.family, r.label
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
        let (numbers, provenances, head, found) = load::begin(&mut *connection, owner, wanted).await?;
        Ok(Self { connection, owner, numbers, provenances, batch: Batch::new(owner, head, found) })
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
        self.batch.append(now, None, None, "clock_set_back", Some(records::set_back(now, last, late)));
        Ok(())
    }

    /// Makes unsure what was being sent. Returns how many.
    pub(super) async fn recover(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        self.set_back(now).await?;
        let rows =
            sqlx::query(SENDING).bind(self.owner).fetch_all(&mut *self.connection).await.map_err(sort)?;
        let sending = rows.iter().map(recipient).collect::<Result<_, _>>()?;
        Ok(self.batch.recover(sending, now))
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
            let (id, loaded) = recipient(row)?;
            let in_order = loaded.destination.as_ref().zip(loaded.order_key.as_ref());
            let touched = in_order
                .is_some_and(|(to, key)| self.batch.lines.contains(&(to.clone(), key.clone())))
                || self.batch.found.recipients.get(&id).is_some_and(|r| r.moved);
            if touched {
                continue;
            }
            let size: i64 = row.try_get(20).map_err(sort)?;
            if !claimed.is_empty() && bytes + size > CLAIM_BYTES {
                break;
            }
            bytes += size;
            let tries = loaded.standing.tries;
            self.batch.found.recipients.insert(id, loaded);
            if !self.batch.change(id, &Change::plain(Event::Claim), now) {
                continue;
            }
            let Some(loaded) = self.batch.found.recipients.get(&id) else { continue };
            claimed.push(Claimed {
                recipient: id,
                message: loaded.message,
                message_day: 0,
                book: row.try_get(15).map_err(sort)?,
                receiver: row.try_get(16).map_err(sort)?,
                kind: row.try_get(17).map_err(sort)?,
                document: row.try_get::<Option<&[u8]>, _>(18).map_err(sort)?.map(uuid).transpose()?,
                body: BodyKey { day: 0, seq: row.try_get(19).map_err(sort)? },
                tries,
                expires: loaded.standing.expires,
                maybe_arrived: loaded.standing.maybe_arrived,
                receipt_written: row.try_get(21).map_err(sort)?,
                test: row.try_get(22).map_err(sort)?,
                family: row.try_get(23).map_err(sort)?,
                label: row.try_get(24).map_err(sort)?,
            });
        }
        Ok(claimed)
    }

    /// Writes down how entries stand at targets.
    pub(super) async fn show(&mut self, shown: &[PreparedShown], now: Timestamp) -> Result<(), StoreError> {
        series::show(self.connection, self.owner, shown, now).await
    }

    /// Writes down what a person ruled on a version.
    pub(super) async fn rule(&mut self, ruling: &PreparedRuling) -> Result<(), StoreError> {
        series::rule(self.connection, self.owner, ruling).await
    }

    /// Writes everything and commits. After `Ok` it is durable.
    pub(super) async fn finish(self) -> Result<(), StoreError> {
        let Self { connection, owner, numbers, provenances, batch } = self;
        NewRows::of(&batch, numbers, provenances).insert(&mut *connection, owner).await?;
        // In the order of the table.
        let moved: BTreeMap<i64, MovedRow> = batch
            .found
            .recipients
            .into_values()
            .filter(|r| r.moved)
            .map(|r| {
                let standing = StandingColumns::new(&r.standing, r.destination, r.order_key.is_some());
                (r.at, MovedRow { seq: r.at, standing })
            })
            .collect();
        let moved: Vec<MovedRow> = moved.into_values().collect();
        let events: Vec<EventRow> = batch.events.into_iter().map(EventRow::from).collect();
        write::change_and_commit(connection, owner, &moved, &batch.lines, &events).await
    }
}

/// For the test of the plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[CLAIM, SENDING, LAST_EVENT, SET_BACK];
