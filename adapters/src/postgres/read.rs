//! Reading for the path, past the writer, on connections of a pool: look-ups, deliveries, timers, backlog.

use super::columns::{Days, content_hash, count, key, maybe_count, moment, parse, state, time};
use super::failure::{Failure, unreadable};
use super::recent::Just;
use crate::journal::body::unpack;
use crate::journal::calls::{BodyKey, Claimed};
use crate::records;
use broker_core::ContentHash;
use broker_core::journal::{Deadline, Delivery, Known, Lookup, Original, Overdue, RecipientId, Seen, Sent};
use broker_core::lifecycle::State;
use broker_core::ports::Backlog;
use jiff::Timestamp;
use message_schemas::{HerId, MessageId};
use routing_rules::DestinationId;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// Connections for reading, and whose rows they read.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) pool: PgPool,
    pub(super) owner: Arc<str>,
}

const SEEN: &str = "SELECT k.place, d.receiver, d.message, d.content_hash
    FROM unnest($2) WITH ORDINALITY AS k(seen, place) JOIN duplicate_key d ON d.owner = $1 AND d.seen = k.seen
    ORDER BY k.place, d.receiver";

const ORIGINALS: &str = "SELECT k.place, o.message, o.recipient, p.state, o.generated, o.receipt_written,
        o.recipient_day, o.seq
    FROM unnest($2) WITH ORDINALITY AS k(key, place) JOIN original_key o ON o.owner = $1 AND o.key = k.key
    LEFT JOIN pending p ON p.id = o.recipient ORDER BY k.place, o.seq";

const SENT: &str =
    "SELECT k.place, r.id, r.message, coalesce(p.state, r.state), r.receiver, r.label, m.transport
    FROM unnest($2) WITH ORDINALITY AS k(id, place)
    CROSS JOIN LATERAL (SELECT * FROM recipient WHERE id = k.id AND owner || '' = $1 AND day >= $3 LIMIT 1) r
    CROSS JOIN LATERAL (SELECT transport FROM message WHERE id = r.message AND day >= r.message_day LIMIT 1) m
    LEFT JOIN pending p ON p.id = r.id";

const ERRORS: &str = "SELECT k.place, count(*) FROM unnest($2, $3) WITH ORDINALITY AS k(party, since, place)
    JOIN recipient r ON r.owner = $1 AND r.receiver = k.party AND r.received >= k.since
    WHERE r.kind = 'transport-error' GROUP BY k.place";

/// How recipients stand that are not pending.
const STATES: &str =
    "SELECT r.id, r.state FROM unnest($1::int[], $2::bigint[]) AS k(day, seq) CROSS JOIN LATERAL
    (SELECT id, state FROM recipient WHERE day = k.day AND seq = k.seq AND day BETWEEN $3 AND $4 LIMIT 1) r";

/// Answers look-ups, in order.
pub(super) async fn look_up(from: &Reader, lookups: &[Vec<Lookup>]) -> Result<Vec<Known>, Failure> {
    // Every message's look-ups, laid flat, with the message that each is for.
    let (mut seen, mut originals) = (Vec::new(), Vec::new());
    let (mut seen_for, mut originals_for) = (Vec::new(), Vec::new());
    let (mut sent, mut sent_for, mut errors, mut errors_for) = (vec![], vec![], vec![], vec![]);
    for (at, lookup) in lookups.iter().enumerate().flat_map(|(at, l)| l.iter().map(move |l| (at, l))) {
        match lookup {
            Lookup::Seen { sender, msg_id } => {
                seen.push(key(&[sender, msg_id]));
                seen_for.push(at);
            }
            Lookup::Original(original) => {
                originals.push(key(&[&original.id, &original.receiver]));
                originals_for.push(at);
            }
            Lookup::Sent(recipient) => {
                sent.push(recipient.0);
                sent_for.push(at);
            }
            Lookup::ErrorsTo { party, since } => {
                errors.push((i64::from(party.0), since.as_microsecond()));
                errors_for.push(at);
            }
        }
    }
    let mut known = vec![Known::default(); lookups.len()];
    if !seen.is_empty() {
        for row in sqlx::query(SEEN).bind(&*from.owner).bind(seen).fetch_all(&from.pool).await? {
            let at = seen_for.get(place(&row)?);
            if let Some(known) = at.and_then(|at| known.get_mut(*at)) {
                known.seen.push(Seen {
                    message: MessageId(row.try_get(2)?),
                    receiver: row.try_get(1)?,
                    content_hash: content_hash(&row, 3)?,
                });
            }
        }
    }
    if !originals.is_empty() {
        let rows = sqlx::query(ORIGINALS).bind(&*from.owner).bind(originals).fetch_all(&from.pool).await?;
        let mut settled = Vec::new();
        for row in &rows {
            if row.try_get::<Option<&str>, _>(3)?.is_none() {
                settled.push((row.try_get(6)?, row.try_get(7)?));
            }
        }
        let settled = states(from, settled).await?;
        for row in &rows {
            let recipient: Uuid = row.try_get(2)?;
            let state = match row.try_get::<Option<&str>, _>(3)? {
                Some(_) => Some(state(row, 3)?),
                None => settled.get(&recipient).copied(),
            };
            let at = originals_for.get(place(row)?);
            // None: it went with its day, and nothing can be closed any more.
            if let (Some(known), Some(state)) = (at.and_then(|at| known.get_mut(*at)), state) {
                known.originals.push(Original {
                    recipient: RecipientId(recipient),
                    message: MessageId(row.try_get(1)?),
                    state,
                    generated: time(row, 4)?,
                    receipt_written: row.try_get(5)?,
                });
            }
        }
    }
    for row in if sent.is_empty() { Vec::new() } else { what_was_sent(from, sent).await? } {
        if let Some(known) = sent_for.get(place(&row)?).and_then(|at| known.get_mut(*at)) {
            known.sent.push(sent_of(&row)?);
        }
    }
    if !errors.is_empty() {
        let (parties, since): (Vec<i64>, Vec<i64>) = errors.into_iter().unzip();
        let query = sqlx::query(ERRORS).bind(&*from.owner).bind(parties).bind(since);
        for row in query.fetch_all(&from.pool).await? {
            if let Some(known) = errors_for.get(place(&row)?).and_then(|at| known.get_mut(*at)) {
                known.errors += count::<u64>(&row, 1)?;
            }
        }
    }
    Ok(known)
}

async fn what_was_sent(from: &Reader, ids: Vec<Uuid>) -> Result<Vec<PgRow>, Failure> {
    let days = Days::of(ids.iter().copied());
    let query = sqlx::query(SENT).bind(&*from.owner).bind(ids).bind(days.from);
    Ok(query.fetch_all(&from.pool).await?)
}

fn sent_of(row: &PgRow) -> Result<Sent, Failure> {
    let transport: Option<&str> = row.try_get(6)?;
    // It left the one table and had not come to the other when this was read: it waits again.
    let waits = row.try_get::<&str, _>(3)? == "pending";
    Ok(Sent {
        recipient: RecipientId(row.try_get(1)?),
        message: MessageId(row.try_get(2)?),
        state: if waits { State::Waiting } else { state(row, 3)? },
        receiver: maybe_count(row, 4)?.map(HerId),
        label: records::label(row.try_get(5)?)?,
        transport: transport.map(|text| parse(text, "what a transport said")).transpose()?,
    })
}

/// A place in an array, from 0.
fn place(row: &PgRow) -> Result<usize, Failure> {
    Ok(count::<usize>(row, 0)?.saturating_sub(1))
}

async fn states(from: &Reader, wanted: Vec<(i32, i64)>) -> Result<HashMap<Uuid, State>, Failure> {
    let (days, numbers): (Vec<i32>, Vec<i64>) = wanted.into_iter().unzip();
    let (Some(first), Some(last)) = (days.iter().min().copied(), days.iter().max().copied()) else {
        return Ok(HashMap::new());
    };
    let query = sqlx::query(STATES).bind(days).bind(numbers).bind(first).bind(last);
    let mut states = HashMap::new();
    for row in query.fetch_all(&from.pool).await? {
        // It became pending between the two readings: it waits again.
        let waits = row.try_get::<&str, _>(1)? == "pending";
        states.insert(row.try_get(0)?, if waits { State::Waiting } else { state(&row, 1)? });
    }
    Ok(states)
}

const REPEATED: &str = "SELECT message, content_hash FROM idempotency_key WHERE owner = $1 AND key = $2";

/// The message under an idempotency key.
pub(super) async fn repeated(
    from: &Reader,
    source: &str,
    idempotency_key: &str,
) -> Result<Option<(MessageId, ContentHash)>, Failure> {
    let query = sqlx::query(REPEATED).bind(&*from.owner).bind(key(&[source, idempotency_key]));
    let row = query.fetch_optional(&from.pool).await?;
    row.map(|row| Ok((MessageId(row.try_get(0)?), content_hash(&row, 1)?))).transpose()
}

/// Many keys are asked at once, and one of them is found: looked up one by one, whatever the server takes for likely.
const FIRST_UNDER: &str = "SELECT i.message FROM unnest($2::bytea[]) AS k(key)
    CROSS JOIN LATERAL (SELECT message FROM idempotency_key WHERE owner = $1 AND key = k.key LIMIT 1) i";

/// The messages under any of these idempotency keys.
pub(super) async fn first_under(from: &Reader, keys: &[(String, String)]) -> Result<Vec<MessageId>, Failure> {
    let keys: Vec<_> = keys.iter().map(|(source, name)| key(&[source, name])).collect();
    let query = sqlx::query(FIRST_UNDER).bind(&*from.owner).bind(keys);
    query.fetch_all(&from.pool).await?.iter().map(|row| Ok(MessageId(row.try_get(0)?))).collect()
}

const BODIES: &str = "SELECT b.* FROM unnest($1::int[], $2::bigint[]) AS k(day, seq) CROSS JOIN LATERAL
    (SELECT day, seq, codec, size, bytes FROM body WHERE day = k.day AND seq = k.seq AND day BETWEEN $3 AND $4 LIMIT 1) b";

const FACTS: &str = "SELECT m.id, m.test, m.family FROM unnest($1::uuid[]) AS k(id)
    CROSS JOIN LATERAL (SELECT id, test, family FROM message WHERE id = k.id AND day >= $2 LIMIT 1) m";

/// Fetches the bytes of what was claimed, and what else goes with them, as far as they are not at hand.
pub(super) async fn deliveries(
    from: &Reader,
    destination: &DestinationId,
    claimed: &[Claimed],
    at_hand: Vec<Option<Just>>,
) -> Result<Vec<Delivery>, Failure> {
    let missing: Vec<&Claimed> =
        claimed.iter().zip(&at_hand).filter_map(|(c, just)| just.is_none().then_some(c)).collect();
    let kept = Kept::read(from, &missing).await?;
    let deliveries = claimed.iter().zip(at_hand).map(|(c, just)| {
        let Just { bytes, test, family } = match just {
            Some(just) => just,
            None => kept.of(c)?,
        };
        let kind = c.kind.as_deref().map(|k| records::kind_of(k).ok_or_else(|| unreadable("a kind")));
        Ok(Delivery {
            recipient: c.recipient,
            message: c.message,
            book: records::book_of(&c.book).ok_or_else(|| unreadable("a book"))?,
            receiver: c.receiver.map(HerId),
            destination: destination.clone(),
            kind: kind.transpose()?,
            document: c.document,
            bytes,
            tries: c.tries,
            expires: c.expires,
            maybe_arrived: c.maybe_arrived,
            receipt_written: c.receipt_written,
            test,
            family,
            label: records::label(c.label.as_deref())?,
        })
    });
    deliveries.collect()
}

/// What the server keeps of what was claimed.
#[derive(Default)]
struct Kept {
    bodies: HashMap<BodyKey, Arc<[u8]>>,
    facts: HashMap<Uuid, (bool, Option<String>)>,
}

impl Kept {
    async fn read(from: &Reader, claimed: &[&Claimed]) -> Result<Self, Failure> {
        let mut kept = Self::default();
        let wanted: BTreeSet<BodyKey> = claimed.iter().map(|c| c.body).collect();
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return Ok(kept) };
        let days = Days { from: first.day, to: last.day };
        let (of_days, numbers): (Vec<i32>, Vec<i64>) = wanted.iter().map(|b| (b.day, b.seq)).unzip();
        let query = sqlx::query(BODIES).bind(of_days).bind(numbers).bind(days.from).bind(days.to);
        for row in query.fetch_all(&from.pool).await? {
            let body = unpack(row.try_get(2)?, row.try_get(3)?, row.try_get(4)?)?;
            kept.bodies.insert(BodyKey { day: row.try_get(0)?, seq: row.try_get(1)? }, body);
        }
        let ids: Vec<Uuid> = claimed.iter().map(|c| c.message.0).collect();
        let first = claimed.iter().map(|c| c.message_day).min().unwrap_or_default();
        for row in sqlx::query(FACTS).bind(ids).bind(first).fetch_all(&from.pool).await? {
            kept.facts.insert(row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?));
        }
        Ok(kept)
    }

    fn of(&self, claimed: &Claimed) -> Result<Just, Failure> {
        let bytes = self.bodies.get(&claimed.body).ok_or_else(|| unreadable("a body"))?;
        let (test, family) = self.facts.get(&claimed.message.0).ok_or_else(|| unreadable("a message"))?;
        Ok(Just { bytes: Arc::clone(bytes), test: *test, family: family.clone() })
    }
}

const NEXT_DUE: &str = "SELECT due FROM pending WHERE owner = $1 AND destination = $2 AND due IS NOT NULL
    ORDER BY due, seq LIMIT 1";

/// When a destination's next recipient is due.
pub(super) async fn next_due(
    from: &Reader,
    destination: &DestinationId,
) -> Result<Option<Timestamp>, Failure> {
    let query = sqlx::query(NEXT_DUE).bind(&*from.owner).bind(destination.as_str());
    query.fetch_optional(&from.pool).await?.map_or(Ok(None), |row| time(&row, 0))
}

/// Each half is read in the order of its index, so that the limit bounds the work.
const OVERDUE: &str = "
(SELECT expires AS over, seq, id, message, state FROM pending
    WHERE owner = $3 AND expires IS NOT NULL AND state IN ('waiting', 'unsure') AND expires <= $1
    ORDER BY expires LIMIT $2)
UNION ALL
(SELECT receipt_deadline AS over, seq, id, message, state FROM pending
    WHERE owner = $3 AND receipt_deadline IS NOT NULL AND state = 'handed_over' AND receipt_deadline <= $1
    ORDER BY receipt_deadline LIMIT $2)
ORDER BY 1, 2 LIMIT $2";

/// Recipients whose time is over.
pub(super) async fn overdue(from: &Reader, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let query = sqlx::query(OVERDUE).bind(now.as_microsecond()).bind(limit).bind(&*from.owner);
    let rows = query.fetch_all(&from.pool).await?;
    let overdue = rows.iter().map(|row| {
        let state = state(row, 4)?;
        let what = if state == State::HandedOver { Deadline::Receipt } else { Deadline::TimeToLive };
        Ok(Overdue {
            recipient: RecipientId(row.try_get(2)?),
            message: MessageId(row.try_get(3)?),
            state,
            what,
        })
    });
    overdue.collect()
}

const BACKLOG: &str = "SELECT destination, count(*), min(received) FROM pending
    WHERE state IN ('waiting', 'sending', 'unsure') AND owner = $1 AND destination IS NOT NULL
    GROUP BY destination ORDER BY destination";

/// What waits, by destination.
pub(super) async fn backlog(from: &Reader) -> Result<Vec<Backlog>, Failure> {
    let rows = sqlx::query(BACKLOG).bind(&*from.owner).fetch_all(&from.pool).await?;
    let backlog = rows.iter().map(|row| {
        let name: &str = row.try_get(0)?;
        Ok(Backlog {
            destination: name.parse().map_err(|_| unreadable("a destination"))?,
            open: count(row, 1)?,
            oldest: Some(moment(row, 2)?),
        })
    });
    backlog.collect()
}
