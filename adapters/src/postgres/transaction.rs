//! One transaction: everything that a batch of calls changes, or nothing.
//!
//! It is short, and holds its locks for a few milliseconds: what costs time (packing, reading bytes) is done outside.
//! Claims come last and wait for nobody, so that no broker can wait for another in a circle.

use super::failure::Failure;
use super::load::{self, At, Begun, line_lock, recipient};
use super::series;
use super::write::{self, Place};
use crate::journal::batch::{Batch, Line, Loaded, Wanted};
use crate::journal::calls::{self, BodyKey, CLAIM_BYTES, Call, Claimed, Job};
use crate::records;
use crate::standing::Change;
use broker_core::journal::{CommitResult, RecipientId, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::StoreError;
use jiff::Timestamp;
use message_schemas::MessageId;
use routing_rules::DestinationId;
use sqlx::{PgConnection, Row as _};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// A broker of which nothing was heard for so long is dead: what it was sending is taken over.
pub(super) const SILENCE: Duration = Duration::from_secs(15);

/// What came of a call; claims are not guarded yet.
#[derive(Debug)]
pub(super) enum Done {
    /// With what it claimed, and when.
    Committed(Vec<CommitResult>, Vec<(RecipientId, Timestamp)>),
    Claimed(Vec<Claimed>, Timestamp),
    Count(usize),
}

/// Who writes, and what it remembers.
#[derive(Debug)]
pub(super) struct Author<'a> {
    pub(super) owner: &'a str,
    pub(super) instance: i64,
    pub(super) provenances: &'a HashMap<String, i64>,
}

/// What is due at several destinations, for each so much. A line that another broker is changing is left to the next
/// claim. In the order of the destinations and, of each, in the order in which it became due.
const CLAIM: &str = concat!(
    "SELECT p.*, c.place FROM unnest($2, $3, $4) WITH ORDINALITY AS c(destination, until, most, place)
    CROSS JOIN LATERAL (
        SELECT day, seq, id, message, destination, order_key, state, reason, detail, tries,
            maybe_arrived, receipt_deadline, expires, since, next_attempt, instance,
            message_day, book, receiver, kind, document, body_day, body, size, receipt_written, label, due
        FROM pending WHERE owner = $1 AND destination = c.destination AND due IS NOT NULL AND due <= c.until
            AND (order_key IS NULL OR ",
    line_lock!("pg_try_advisory_xact_lock", "$1", "destination", "order_key"),
    ") ORDER BY due, seq LIMIT c.most FOR UPDATE SKIP LOCKED) p
    ORDER BY c.place, p.due, p.seq"
);

const LAST_EVENT: &str = "SELECT at FROM event WHERE owner = $1 ORDER BY day DESC, number DESC LIMIT 1";

const SET_BACK: &str = "
UPDATE pending SET next_attempt = $2, due = CASE WHEN due IS NULL THEN NULL ELSE $2 END
WHERE owner = $1 AND state IN ('waiting', 'unsure') AND next_attempt > $2";

/// Performs a batch. After `Ok` it is durable. Otherwise `attempted` holds what may have been claimed all the same, each
/// with the time of its claim: a commit may be made although nobody hears of it.
pub(super) async fn perform(
    connection: &mut PgConnection,
    author: &Author<'_>,
    batch: &[Job],
    attempted: &mut Vec<(RecipientId, Timestamp)>,
) -> Result<Vec<Done>, Failure> {
    let (mut wanted, mut numbers) = (Wanted::default(), 0);
    let (mut judged_again, mut lines) = (false, BTreeSet::new());
    for job in batch {
        job.call.asks(&mut wanted);
        if let Call::Commit(entries) = &job.call {
            numbers += entries.iter().map(write::numbers).sum::<usize>();
            judged_again |= entries.iter().any(|e| e.judged_again.is_some());
            lines.extend(entries.iter().flat_map(|e| e.recipients.iter()).filter_map(|r| {
                let (to, key) = (r.recipient.destination.as_ref()?, r.recipient.order_key.as_ref()?);
                r.recipient.state.is_open().then(|| (to.as_str().to_owned(), key.clone()))
            }));
        }
    }
    let mut begun = load::begin(&mut *connection, author.instance, numbers).await?;
    let ids: Vec<_> = wanted.recipients.iter().map(|r| r.0).collect();
    load::lock_lines(&mut *connection, author.owner, &ids, &lines).await?;
    begun.read(&mut *connection, author.owner, author.instance, &wanted, judged_again).await?;

    let Begun { day, numbers, head, found, foreign } = begun;
    let place = Place { owner: author.owner, instance: author.instance, day };
    let unlocked = unlocked_lines(&found.recipients, &lines, batch);
    load::lock_lines(&mut *connection, author.owner, &[], &unlocked).await?;
    let batch_of = Batch::new(author.owner, head, found);
    let mut transaction = Transaction { connection, place, foreign, batch: batch_of };
    let mut done = Vec::with_capacity(batch.len());
    let mut claims = Vec::new();
    for job in batch {
        done.push(match &job.call {
            Call::Commit(entries) => {
                let results = entries.iter().map(|e| transaction.batch.take_in(e));
                let results = results.collect::<Result<Vec<_>, StoreError>>()?;
                let claimed = calls::claimed_by(entries, &results);
                attempted.extend(&claimed);
                Done::Committed(results, claimed)
            }
            Call::Settle(settlements, now) => Done::Count(transaction.settle(settlements, *now)),
            Call::Replay(recipients, who_and_why, now) => {
                Done::Count(transaction.batch.replay(recipients, who_and_why, *now))
            }
            Call::Recover(now) => Done::Count(transaction.recover(true, *now).await?),
            Call::TakeOver(now) => Done::Count(transaction.recover(false, *now).await?),
            Call::Note(what, detail, now) => {
                transaction.batch.append(*now, None, None, what, Some(detail.clone()));
                Done::Count(0)
            }
            Call::Show(shown, message, told, now) => {
                series::show(transaction.connection, place.owner, shown, *now).await?;
                transaction.batch.append(*now, Some(*message), None, "shown", Some(told.clone()));
                Done::Count(shown.len())
            }
            Call::Rule(ruling, message, told, now) => {
                series::rule(transaction.connection, place.owner, ruling).await?;
                transaction.batch.append(*now, Some(*message), None, "ruled", Some(told.clone()));
                Done::Count(1)
            }
            Call::Claim(destination, now, limit) => {
                claims.push(Claim { job: done.len(), destination, now: *now, limit: *limit });
                Done::Count(0)
            }
        });
    }
    write::add(transaction.connection, place, &transaction.batch, numbers, author.provenances).await?;
    transaction.change().await?;
    while !claims.is_empty() {
        // Of two claims at one destination the later sees what the earlier has left.
        let mut seen = HashSet::new();
        let (now, later): (Vec<_>, Vec<_>) =
            claims.into_iter().partition(|c: &Claim<'_>| seen.insert(c.destination));
        claims = later;
        for (claim, claimed) in now.iter().zip(transaction.claim(&now).await?) {
            attempted.extend(claimed.iter().map(|c| (c.recipient, claim.now)));
            if let Some(done) = done.get_mut(claim.job) {
                *done = Done::Claimed(claimed, claim.now);
            }
        }
    }
    let Transaction { connection, batch, .. } = transaction;
    write::tell(&mut *connection, place, batch.head, batch.events).await?;
    sqlx::raw_sql("COMMIT").execute(connection).await?;
    Ok(done)
}

/// Lines that turned out to be touched: of what was set aside, and where it is sent instead.
fn unlocked_lines(
    recipients: &HashMap<RecipientId, Loaded<At>>,
    locked: &BTreeSet<Line>,
    batch: &[Job],
) -> BTreeSet<Line> {
    let mut lines = BTreeSet::new();
    for loaded in recipients.values().filter(|loaded| !loaded.at.pending) {
        lines.extend(loaded.destination.clone().zip(loaded.order_key.clone()));
    }
    for job in batch {
        let Call::Replay(replayed, ..) = &job.call else { continue };
        for (id, to) in replayed {
            let key = recipients.get(id).and_then(|loaded| loaded.order_key.clone());
            lines.extend(to.as_ref().map(|to| to.as_str().to_owned()).zip(key));
        }
    }
    lines.difference(locked).cloned().collect()
}

/// A claim of a batch.
struct Claim<'b> {
    /// Place of its call in the batch.
    job: usize,
    destination: &'b DestinationId,
    now: Timestamp,
    limit: usize,
}

struct Transaction<'c> {
    connection: &'c mut PgConnection,
    place: Place<'c>,
    foreign: HashSet<RecipientId>,
    batch: Batch<'c, At>,
}

impl Transaction<'_> {
    /// What another broker is sending is that one's to settle: this one was taken for dead meanwhile.
    fn settle(&mut self, settlements: &[Settlement], now: Timestamp) -> usize {
        let ours = |s: &&Settlement| s.from != State::Sending || !self.foreign.contains(&s.recipient);
        let ours: Vec<Settlement> = settlements.iter().filter(ours).cloned().collect();
        self.batch.settle(&ours, now)
    }

    /// Makes unsure what dead brokers were sending, and at a start what this one was. Returns how many.
    async fn recover(&mut self, own: bool, now: Timestamp) -> Result<usize, Failure> {
        if own {
            self.set_back(now).await?;
        }
        let Place { owner, instance, .. } = self.place;
        let sending = load::sending(self.connection, owner, instance, own, SILENCE).await?;
        let lines: BTreeSet<Line> =
            sending.iter().filter_map(|(_, l)| l.destination.clone().zip(l.order_key.clone())).collect();
        load::lock_lines(self.connection, owner, &[], &lines).await?;
        Ok(self.batch.recover(sending, now))
    }

    /// After the clock was set back nothing waits for a time that is to come a second time.
    async fn set_back(&mut self, now: Timestamp) -> Result<(), Failure> {
        let owner = self.place.owner;
        let last: Option<i64> =
            sqlx::query_scalar(LAST_EVENT).bind(owner).fetch_optional(&mut *self.connection).await?;
        let last = last.and_then(|micros| Timestamp::from_microsecond(micros).ok());
        let Some(last) = last.filter(|last| records::is_set_back(now, *last)) else { return Ok(()) };
        let late = sqlx::query(SET_BACK)
            .bind(owner)
            .bind(now.as_microsecond())
            .execute(&mut *self.connection)
            .await?;
        let late = usize::try_from(late.rows_affected()).unwrap_or(usize::MAX);
        self.batch.append(now, None, None, "clock_set_back", Some(records::set_back(now, last, late)));
        Ok(())
    }

    async fn change(&mut self) -> Result<(), Failure> {
        let Batch { found, lines, .. } = &mut self.batch;
        let lines = std::mem::take(lines);
        write::change(self.connection, self.place, &mut found.recipients, &lines).await
    }

    /// Claims at several destinations, each named once. What was claimed, for each.
    async fn claim(&mut self, claims: &[Claim<'_>]) -> Result<Vec<Vec<Claimed>>, Failure> {
        let rows = sqlx::query(CLAIM)
            .bind(self.place.owner)
            .bind(claims.iter().map(|c| c.destination.as_str()).collect::<Vec<_>>())
            .bind(claims.iter().map(|c| c.now.as_microsecond()).collect::<Vec<_>>())
            .bind(claims.iter().map(|c| i64::try_from(c.limit).unwrap_or(i64::MAX)).collect::<Vec<_>>())
            .fetch_all(&mut *self.connection)
            .await?;
        let mut all: Vec<Vec<Claimed>> = claims.iter().map(|_| Vec::new()).collect();
        let mut bytes = vec![0i64; claims.len()];
        for row in &rows {
            let place = usize::try_from(row.try_get::<i64, _>(27)?.saturating_sub(1)).unwrap_or(usize::MAX);
            let (Some(claimed), Some(bytes), Some(claim)) =
                (all.get_mut(place), bytes.get_mut(place), claims.get(place))
            else {
                continue;
            };
            *bytes = bytes.saturating_add(row.try_get(23)?);
            if !claimed.is_empty() && *bytes > CLAIM_BYTES {
                continue;
            }
            let (id, loaded, _) = recipient(row, true)?;
            let tries = loaded.standing.tries;
            self.batch.found.recipients.insert(id, loaded);
            if !self.batch.change(id, &Change::plain(Event::Claim), claim.now) {
                continue;
            }
            let Some(loaded) = self.batch.found.recipients.get(&id) else { continue };
            claimed.push(Claimed {
                recipient: id,
                message: MessageId(row.try_get(3)?),
                message_day: row.try_get(16)?,
                book: row.try_get(17)?,
                receiver: super::columns::maybe_count(row, 18)?,
                kind: row.try_get(19)?,
                document: row.try_get(20)?,
                body: BodyKey { day: row.try_get(21)?, seq: row.try_get(22)? },
                tries,
                expires: loaded.standing.expires,
                maybe_arrived: loaded.standing.maybe_arrived,
                receipt_written: row.try_get(24)?,
                // Read with the bytes.
                test: false,
                family: None,
                label: row.try_get(25)?,
            });
        }
        // Of a line the one that is claimed was the one with its turn: nobody else's changes.
        self.batch.lines.clear();
        self.change().await?;
        Ok(all)
    }
}
