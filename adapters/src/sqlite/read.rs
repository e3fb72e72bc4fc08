//! Reading for the path, past the writer, on connections of its own: look-ups, deliveries, timers, backlog.

use super::columns::{content_hash, json, message_id, parse, recipient_id, state, time};
use super::failure::{sort, unreadable};
use super::rows::recipient_hex;
use crate::journal::body::unpack;
use crate::journal::calls::Claimed;
use crate::records;
use broker_core::ContentHash;
use broker_core::journal::{Deadline, Delivery, Known, Lookup, Original, Overdue, Seen, Sent};
use broker_core::lifecycle::State;
use broker_core::ports::{Backlog, StoreError};
use jiff::Timestamp;
use message_schemas::{HerId, MessageId};
use routing_rules::DestinationId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Connections for reading, and whose rows they read.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) pool: SqlitePool,
    pub(super) owner: Arc<str>,
}

/// The first column says of what each row is, the second is the place of the look-up.
const LOOK_UP: &str = "
SELECT 'seen', k.key, d.receiver, d.message, d.content_hash
    FROM json_each($1) k CROSS JOIN duplicate_key d
    ON d.owner = $5 AND d.sender = k.value->>0 AND d.msg_id = k.value->>1 ORDER BY k.key, d.receiver;
SELECT 'original', k.key, r.id, m.id, r.state, m.generated, r.receipt_written
    FROM json_each($2) k CROSS JOIN original_key o
    ON o.owner = $5 AND o.id = k.value->>0 AND o.receiver = k.value->>1
    CROSS JOIN recipient r ON r.seq = o.recipient CROSS JOIN message m ON m.seq = r.message
    ORDER BY k.key, r.seq;
SELECT 'sent', k.key, r.id, m.id, r.state, r.receiver, r.label, m.transport
    FROM json_each($3) k CROSS JOIN recipient r ON r.id = unhex(k.value) AND r.owner = $5
    CROSS JOIN message m ON m.seq = r.message;
SELECT 'errors', k.key, count(*) FROM json_each($4) k CROSS JOIN recipient r INDEXED BY recipient_errors
    ON r.owner = $5 AND r.receiver = k.value->>0 AND r.received >= k.value->>1
    WHERE r.label IS NOT NULL AND r.label ->> '$.role' = 'error' GROUP BY k.key;
";

/// Answers look-ups, in order.
pub(super) async fn look_up(from: &Reader, lookups: &[Vec<Lookup>]) -> Result<Vec<Known>, StoreError> {
    // Every message's look-ups, laid flat, with the message that each is for.
    let (mut seen, mut originals, mut sent, mut errors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut seen_for, mut originals_for) = (Vec::new(), Vec::new());
    let (mut sent_for, mut errors_for) = (Vec::new(), Vec::new());
    for (at, lookup) in lookups.iter().enumerate().flat_map(|(at, l)| l.iter().map(move |l| (at, l))) {
        match lookup {
            Lookup::Seen { sender, msg_id } => {
                seen.push((sender, msg_id));
                seen_for.push(at);
            }
            Lookup::Original(key) => {
                originals.push((&key.id, &key.receiver));
                originals_for.push(at);
            }
            Lookup::Sent(recipient) => {
                sent.push(recipient_hex(*recipient));
                sent_for.push(at);
            }
            Lookup::ErrorsTo { party, since } => {
                errors.push((party.0, since.as_microsecond()));
                errors_for.push(at);
            }
        }
    }
    let rows = sqlx::query(LOOK_UP)
        .bind(json(&seen)?)
        .bind(json(&originals)?)
        .bind(json(&sent)?)
        .bind(json(&errors)?)
        .bind(&*from.owner)
        .fetch_all(&from.pool)
        .await
        .map_err(sort)?;
    let mut known = vec![Known::default(); lookups.len()];
    for row in &rows {
        let place: i64 = row.try_get(1).map_err(sort)?;
        let place = usize::try_from(place).map_err(|_| unreadable("a place"))?;
        let what = row.try_get::<&str, _>(0).map_err(sort)?;
        let asked = match what {
            "seen" => &seen_for,
            "original" => &originals_for,
            "sent" => &sent_for,
            "errors" => &errors_for,
            _ => return Err(unreadable("an answer")),
        };
        let Some(known) = asked.get(place).and_then(|at| known.get_mut(*at)) else { continue };
        match what {
            "seen" => known.seen.push(Seen {
                receiver: row.try_get(2).map_err(sort)?,
                message: message_id(row, 3)?,
                content_hash: content_hash(row, 4)?,
            }),
            "original" => known.originals.push(Original {
                recipient: recipient_id(row, 2)?,
                message: message_id(row, 3)?,
                state: state(row, 4)?,
                generated: time(row, 5)?,
                receipt_written: row.try_get(6).map_err(sort)?,
            }),
            "sent" => known.sent.push(sent_of(row)?),
            _ => {
                let count: i64 = row.try_get(2).map_err(sort)?;
                known.errors += u64::try_from(count).unwrap_or(0);
            }
        }
    }
    Ok(known)
}

fn sent_of(row: &SqliteRow) -> Result<Sent, StoreError> {
    let transport: Option<&str> = row.try_get(7).map_err(sort)?;
    Ok(Sent {
        recipient: recipient_id(row, 2)?,
        message: message_id(row, 3)?,
        state: state(row, 4)?,
        receiver: row.try_get::<Option<u32>, _>(5).map_err(sort)?.map(HerId),
        label: records::label(row.try_get(6).map_err(sort)?)?,
        transport: transport.map(|text| parse(text, "what a transport said")).transpose()?,
    })
}

const REPEATED: &str =
    "SELECT message, content_hash FROM idempotency_key WHERE owner = $1 AND source = $2 AND key = $3";

/// The message under an idempotency key.
pub(super) async fn repeated(
    from: &Reader,
    source: &str,
    key: &str,
) -> Result<Option<(MessageId, ContentHash)>, StoreError> {
    let row = sqlx::query(REPEATED)
        .bind(&*from.owner)
        .bind(source)
        .bind(key)
        .fetch_optional(&from.pool)
        .await
        .map_err(sort)?;
    row.map(|row| Ok((message_id(&row, 0)?, content_hash(&row, 1)?))).transpose()
}

const FIRST_UNDER: &str = "SELECT i.message FROM json_each($2) k
    CROSS JOIN idempotency_key i ON i.owner = $1 AND i.source = k.value->>0 AND i.key = k.value->>1";

/// The messages under any of these idempotency keys.
pub(super) async fn first_under(
    from: &Reader,
    keys: &[(String, String)],
) -> Result<Vec<MessageId>, StoreError> {
    let query = sqlx::query(FIRST_UNDER).bind(&*from.owner).bind(json(&keys)?);
    query.fetch_all(&from.pool).await.map_err(sort)?.iter().map(|row| message_id(row, 0)).collect()
}

const BODIES: &str =
    "SELECT b.seq, b.codec, b.size, b.bytes FROM json_each($1) k CROSS JOIN body b ON b.seq = k.value";

/// Fetches the bytes of what was claimed.
pub(super) async fn deliveries(
    from: &Reader,
    destination: &DestinationId,
    claimed: &[Claimed],
) -> Result<Vec<Delivery>, StoreError> {
    let wanted: BTreeSet<i64> = claimed.iter().map(|c| c.body.seq).collect();
    let rows = sqlx::query(BODIES).bind(json(&wanted)?).fetch_all(&from.pool).await.map_err(sort)?;
    let mut bodies: HashMap<i64, Arc<[u8]>> = HashMap::with_capacity(rows.len());
    for row in rows {
        let bytes: Vec<u8> = row.try_get(3).map_err(sort)?;
        let body = unpack(row.try_get(1).map_err(sort)?, row.try_get(2).map_err(sort)?, bytes)?;
        bodies.insert(row.try_get(0).map_err(sort)?, body);
    }
    claimed
        .iter()
        .map(|c| {
            let bytes = bodies.get(&c.body.seq).ok_or_else(|| unreadable("a body"))?;
            let kind = c.kind.as_deref().map(|k| records::kind_of(k).ok_or_else(|| unreadable("a kind")));
            Ok(Delivery {
                recipient: c.recipient,
                message: c.message,
                book: records::book_of(&c.book).ok_or_else(|| unreadable("a book"))?,
                receiver: c.receiver.map(HerId),
                destination: destination.clone(),
                kind: kind.transpose()?,
                document: c.document,
                bytes: Arc::clone(bytes),
                tries: c.tries,
                expires: c.expires,
                maybe_arrived: c.maybe_arrived,
                receipt_written: c.receipt_written,
                test: c.test,
                family: c.family.clone(),
                label: records::label(c.label.as_deref())?,
            })
        })
        .collect()
}

const NEXT_DUE: &str = "SELECT due FROM recipient INDEXED BY recipient_due
    WHERE owner = $1 AND destination = $2 AND due IS NOT NULL ORDER BY due LIMIT 1";

/// When a destination's next recipient is due.
pub(super) async fn next_due(
    from: &Reader,
    destination: &DestinationId,
) -> Result<Option<Timestamp>, StoreError> {
    let row = sqlx::query(NEXT_DUE)
        .bind(&*from.owner)
        .bind(destination.as_str())
        .fetch_optional(&from.pool)
        .await
        .map_err(sort)?;
    row.map_or(Ok(None), |row| time(&row, 0))
}

/// Each half is read in the order of its index, so that the limit bounds the work.
const OVERDUE: &str = "
SELECT * FROM (
    SELECT r.expires AS over, r.seq, r.id, m.id, r.state FROM recipient r INDEXED BY recipient_expires
        CROSS JOIN message m ON m.seq = r.message
    WHERE r.owner = $3 AND r.expires IS NOT NULL AND r.state IN ('waiting', 'unsure') AND r.expires <= $1
    ORDER BY r.expires, r.seq LIMIT $2)
UNION ALL SELECT * FROM (
    SELECT r.receipt_deadline AS over, r.seq, r.id, m.id, r.state FROM recipient r INDEXED BY recipient_deadline
        CROSS JOIN message m ON m.seq = r.message
    WHERE r.owner = $3 AND r.receipt_deadline IS NOT NULL AND r.state = 'handed_over'
        AND r.receipt_deadline <= $1
    ORDER BY r.receipt_deadline, r.seq LIMIT $2)
ORDER BY 1, 2 LIMIT $2";

/// Recipients whose time is over.
pub(super) async fn overdue(from: &Reader, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, StoreError> {
    let rows = sqlx::query(OVERDUE)
        .bind(now.as_microsecond())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(&*from.owner)
        .fetch_all(&from.pool)
        .await
        .map_err(sort)?;
    rows.iter()
        .map(|row| {
            let state = state(row, 4)?;
            let what = if state == State::HandedOver { Deadline::Receipt } else { Deadline::TimeToLive };
            Ok(Overdue { recipient: recipient_id(row, 2)?, message: message_id(row, 3)?, state, what })
        })
        .collect()
}

const BACKLOG: &str = "SELECT destination, count(*), min(received) FROM recipient INDEXED BY recipient_open
    WHERE state IN ('waiting', 'sending', 'unsure') AND owner = $1 AND destination IS NOT NULL
    GROUP BY destination";

/// What waits, by destination.
pub(super) async fn backlog(from: &Reader) -> Result<Vec<Backlog>, StoreError> {
    let rows = sqlx::query(BACKLOG).bind(&*from.owner).fetch_all(&from.pool).await.map_err(sort)?;
    rows.iter()
        .map(|row| {
            let name: &str = row.try_get(0).map_err(sort)?;
            Ok(Backlog {
                destination: name.parse().map_err(|_| unreadable("a destination"))?,
                open: u64::try_from(row.try_get::<i64, _>(1).map_err(sort)?).unwrap_or(0),
                oldest: time(row, 2)?,
            })
        })
        .collect()
}

/// For the test of the plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[LOOK_UP, REPEATED, FIRST_UNDER, BODIES, NEXT_DUE, OVERDUE, BACKLOG];
