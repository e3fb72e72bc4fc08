//! Reading, past the writer, on connections of its own.

use super::body::unpack;
use super::failure::{sort, unreadable};
use super::transaction::{Claimed, content_hash, message_id, time, uuid};
use crate::records::{self, Meant};
use broker_core::ContentHash;
use broker_core::journal::{
    Deadline, Delivery, EventRecord, Known, Lookup, MessageRecord, Original, Overdue, RecipientId,
    RecipientRecord, Seen, SetAside, VerdictRecord,
};
use broker_core::lifecycle::State;
use broker_core::ports::{Backlog, StoreError};
use dead_letter::Reason;
use jiff::Timestamp;
use message_schemas::{HerId, MessageId};
use routing_rules::DestinationId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// The first column is the place of the look-up.
const LOOK_UP: &str = "
SELECT k.key, d.receiver, d.message, d.content_hash, NULL, NULL, NULL
    FROM json_each($1) k CROSS JOIN duplicate_key d
    ON d.owner = $3 AND d.sender = k.value->>0 AND d.msg_id = k.value->>1 ORDER BY k.key, d.receiver;
SELECT k.key, NULL, m.id, r.id, r.state, m.generated, r.receipt_written
    FROM json_each($2) k CROSS JOIN original_key o
    ON o.owner = $3 AND o.id = k.value->>0 AND o.receiver = k.value->>1
    CROSS JOIN recipient r ON r.seq = o.recipient CROSS JOIN message m ON m.seq = r.message
    ORDER BY k.key, r.seq;
";

/// Answers look-ups, in order.
pub(super) async fn look_up(pool: &SqlitePool, lookups: &[Vec<Lookup>]) -> Result<Vec<Known>, StoreError> {
    // Every message's look-ups, laid flat, with the message that each is for.
    let (mut seen, mut originals) = (Vec::new(), Vec::new());
    let (mut seen_for, mut originals_for) = (Vec::new(), Vec::new());
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
        }
    }
    let rows = sqlx::query(LOOK_UP)
        .bind(json(&seen)?)
        .bind(json(&originals)?)
        .bind(records::OWNER)
        .fetch_all(pool)
        .await
        .map_err(sort)?;
    let mut known = vec![Known::default(); lookups.len()];
    for row in &rows {
        let key =
            usize::try_from(row.try_get::<i64, _>(0).map_err(sort)?).map_err(|_| unreadable("a place"))?;
        let receiver: Option<String> = row.try_get(1).map_err(sort)?;
        let message = message_id(row, 2)?;
        if let Some(receiver) = receiver {
            let content_hash = content_hash(row, 3)?;
            if let Some(known) = seen_for.get(key).and_then(|at| known.get_mut(*at)) {
                known.seen.push(Seen { message, receiver, content_hash });
            }
        } else if let Some(known) = originals_for.get(key).and_then(|at| known.get_mut(*at)) {
            known.originals.push(Original {
                recipient: recipient_id(row, 3)?,
                message,
                state: state(row, 4)?,
                generated: time(row, 5)?,
                receipt_written: row.try_get(6).map_err(sort)?,
            });
        }
    }
    Ok(known)
}

const REPEATED: &str =
    "SELECT message, content_hash FROM idempotency_key WHERE owner = $1 AND source = $2 AND key = $3";

/// The message under an idempotency key.
pub(super) async fn repeated(
    pool: &SqlitePool,
    source: &str,
    key: &str,
) -> Result<Option<(MessageId, ContentHash)>, StoreError> {
    let row = sqlx::query(REPEATED)
        .bind(records::OWNER)
        .bind(source)
        .bind(key)
        .fetch_optional(pool)
        .await
        .map_err(sort)?;
    row.map(|row| Ok((message_id(&row, 0)?, content_hash(&row, 1)?))).transpose()
}

const BODIES: &str =
    "SELECT b.seq, b.codec, b.size, b.bytes FROM json_each($1) k CROSS JOIN body b ON b.seq = k.value";

/// Fetches the bytes of what was claimed.
pub(super) async fn deliveries(
    pool: &SqlitePool,
    destination: &DestinationId,
    claimed: &[Claimed],
) -> Result<Vec<Delivery>, StoreError> {
    let wanted: BTreeSet<i64> = claimed.iter().map(|c| c.body).collect();
    let rows = sqlx::query(BODIES).bind(json(&wanted)?).fetch_all(pool).await.map_err(sort)?;
    let mut bodies: HashMap<i64, Arc<[u8]>> = HashMap::with_capacity(rows.len());
    for row in rows {
        let bytes: Vec<u8> = row.try_get(3).map_err(sort)?;
        let body = unpack(row.try_get(1).map_err(sort)?, row.try_get(2).map_err(sort)?, bytes)?;
        bodies.insert(row.try_get(0).map_err(sort)?, body);
    }
    claimed
        .iter()
        .map(|c| {
            let bytes = bodies.get(&c.body).ok_or_else(|| unreadable("a body"))?;
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
            })
        })
        .collect()
}

const NEXT_DUE: &str = "SELECT due FROM recipient INDEXED BY recipient_due
    WHERE owner = $1 AND destination = $2 AND due IS NOT NULL ORDER BY due LIMIT 1";

/// When a destination's next recipient is due.
pub(super) async fn next_due(
    pool: &SqlitePool,
    destination: &DestinationId,
) -> Result<Option<Timestamp>, StoreError> {
    let row = sqlx::query(NEXT_DUE)
        .bind(records::OWNER)
        .bind(destination.as_str())
        .fetch_optional(pool)
        .await
        .map_err(sort)?;
    row.map_or(Ok(None), |row| time(&row, 0))
}

/// Each half is read in the order of its index, so that the limit bounds the work.
const OVERDUE: &str = "
SELECT * FROM (
    SELECT r.expires AS over, r.seq, r.id, m.id, r.state FROM recipient r INDEXED BY recipient_expires
        CROSS JOIN message m ON m.seq = r.message
    WHERE r.expires IS NOT NULL AND r.state IN ('waiting', 'unsure') AND r.expires <= $1
    ORDER BY r.expires, r.seq LIMIT $2)
UNION ALL SELECT * FROM (
    SELECT r.receipt_deadline AS over, r.seq, r.id, m.id, r.state FROM recipient r INDEXED BY recipient_deadline
        CROSS JOIN message m ON m.seq = r.message
    WHERE r.receipt_deadline IS NOT NULL AND r.state = 'handed_over' AND r.receipt_deadline <= $1
    ORDER BY r.receipt_deadline, r.seq LIMIT $2)
ORDER BY 1, 2 LIMIT $2";

/// Recipients whose time is over.
pub(super) async fn overdue(
    pool: &SqlitePool,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Overdue>, StoreError> {
    let rows = sqlx::query(OVERDUE)
        .bind(now.as_microsecond())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
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

const FIND: &str = "
SELECT seq FROM message WHERE id = $1
UNION SELECT seq FROM message WHERE short = $2
UNION SELECT seq FROM message WHERE msg_id = $3 AND msg_id IS NOT NULL
UNION SELECT seq FROM message WHERE document_id = $4 AND document_id IS NOT NULL
UNION SELECT message FROM document WHERE id = $1
UNION SELECT message FROM recipient WHERE id = $1
ORDER BY 1 DESC LIMIT $5";

/// All messages that an id may mean.
pub(super) async fn find(
    pool: &SqlitePool,
    id: &str,
    limit: usize,
) -> Result<Vec<MessageRecord>, StoreError> {
    let meant = Meant::read(id);
    let rows = sqlx::query(FIND)
        .bind(meant.uuid.map(|id| id.as_bytes().to_vec()))
        .bind(meant.short.and_then(|bits| i64::try_from(bits).ok()))
        .bind(&meant.key)
        .bind(&meant.text)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(sort)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(record(pool, row.try_get(0).map_err(sort)?).await?);
    }
    Ok(found)
}

const SEQ_OF: &str = "SELECT seq FROM message WHERE id = $1";

/// One message.
pub(super) async fn message(pool: &SqlitePool, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
    let row = sqlx::query(SEQ_OF).bind(id_bytes(id.0)).fetch_optional(pool).await;
    match row.map_err(sort)? {
        Some(row) => record(pool, row.try_get(0).map_err(sort)?).await.map(Some),
        None => Ok(None),
    }
}

const EVENTS_OF: &str = "SELECT seq, at, message, recipient, what, detail FROM event
    WHERE message = $1 AND message IS NOT NULL ORDER BY seq";

const RECIPIENTS: &str =
    "SELECT r.id, r.book, r.receiver, r.destination, d.kind, d.id, r.state, r.reason, r.detail, r.tries,
    r.next_attempt, r.receipt_deadline, r.expires
    FROM recipient r LEFT JOIN document d ON d.seq = r.document WHERE r.message = $1 ORDER BY r.seq";

const RECORD: &str =
    "SELECT m.id, m.source, m.received, m.content_hash, m.size, m.verdict, m.reason, m.duplicate_of, m.head,
    m.findings, m.explanation, p.record
    FROM message m JOIN provenance p ON p.seq = m.provenance WHERE m.seq = $1";

async fn record(pool: &SqlitePool, seq: i64) -> Result<MessageRecord, StoreError> {
    let row = sqlx::query(RECORD).bind(seq).fetch_one(pool).await.map_err(sort)?;
    let id = message_id(&row, 0)?;
    let head: Option<&str> = row.try_get(8).map_err(sort)?;
    let explanation: Option<&str> = row.try_get(10).map_err(sort)?;
    let recipients = sqlx::query(RECIPIENTS).bind(seq).fetch_all(pool).await.map_err(sort)?;
    let events = sqlx::query(EVENTS_OF).bind(id_bytes(id.0)).fetch_all(pool).await.map_err(sort)?;
    Ok(MessageRecord {
        id,
        short: id.short(),
        source: row.try_get(1).map_err(sort)?,
        received: time(&row, 2)?.ok_or_else(|| unreadable("a time"))?,
        content_hash: content_hash(&row, 3)?,
        size_bytes: u64::try_from(row.try_get::<i64, _>(4).map_err(sort)?).unwrap_or(0),
        verdict: verdict(&row)?,
        head: head.map(|h| parse(h, "a head")).transpose()?,
        findings: parse(row.try_get(9).map_err(sort)?, "findings")?,
        provenance: parse(row.try_get(11).map_err(sort)?, "a provenance")?,
        explanation: explanation.and_then(|text| serde_json::from_str(text).ok()),
        recipients: recipients.iter().map(|row| recipient(row, 0)).collect::<Result<_, _>>()?,
        events: events.iter().map(event).collect::<Result<_, _>>()?,
    })
}

fn verdict(row: &SqliteRow) -> Result<VerdictRecord, StoreError> {
    let reason = || -> Result<Reason, StoreError> {
        let code: Option<&str> = row.try_get(6).map_err(sort)?;
        code.and_then(Reason::from_code).ok_or_else(|| unreadable("a reason"))
    };
    Ok(match row.try_get::<&str, _>(5).map_err(sort)? {
        "accepted" => VerdictRecord::Accepted,
        "accepted_with_findings" => VerdictRecord::AcceptedWithFindings,
        "refused" => VerdictRecord::Refused { reason: reason()? },
        "parked" => VerdictRecord::Parked { reason: reason()? },
        "duplicate" => VerdictRecord::Duplicate { of: message_id(row, 7)? },
        "silent" => VerdictRecord::Silent { reason: reason()? },
        _ => return Err(unreadable("a verdict")),
    })
}

/// The thirteen columns of a recipient, from `first` on.
fn recipient(row: &SqliteRow, first: usize) -> Result<RecipientRecord, StoreError> {
    let reason: Option<&str> = row.try_get(first + 7).map_err(sort)?;
    let destination: Option<&str> = row.try_get(first + 3).map_err(sort)?;
    let kind: Option<&str> = row.try_get(first + 4).map_err(sort)?;
    let kind = kind.map(|k| records::kind_of(k).ok_or_else(|| unreadable("a kind"))).transpose()?;
    Ok(RecipientRecord {
        id: recipient_id(row, first)?,
        book: records::book_of(row.try_get(first + 1).map_err(sort)?).ok_or_else(|| unreadable("a book"))?,
        receiver: row.try_get::<Option<u32>, _>(first + 2).map_err(sort)?.map(HerId),
        destination: destination.map(|d| d.parse().map_err(|_| unreadable("a destination"))).transpose()?,
        payload: records::payload_name(kind).to_owned(),
        document: row.try_get::<Option<&[u8]>, _>(first + 5).map_err(sort)?.map(uuid).transpose()?,
        state: state(row, first + 6)?,
        reason: reason.and_then(Reason::from_code),
        detail: row.try_get(first + 8).map_err(sort)?,
        tries: row.try_get(first + 9).map_err(sort)?,
        next_attempt: time(row, first + 10)?,
        receipt_deadline: time(row, first + 11)?,
        expires: time(row, first + 12)?,
    })
}

const BODY: &str =
    "SELECT b.codec, b.size, b.bytes FROM message m JOIN body b ON b.seq = m.body WHERE m.id = $1";

/// The original bytes of a message.
pub(super) async fn body(pool: &SqlitePool, id: MessageId) -> Result<Option<Arc<[u8]>>, StoreError> {
    let row = sqlx::query(BODY).bind(id_bytes(id.0)).fetch_optional(pool).await.map_err(sort)?;
    row.map(|row| bytes(&row, 0)).transpose()
}

const DOCUMENT: &str = "SELECT d.kind, b.codec, b.size, b.bytes FROM document d JOIN body b ON b.seq = d.body
    WHERE d.id = $1 ORDER BY d.seq DESC LIMIT 1";

/// A document, by its own id; the newest, if several messages gave the same.
pub(super) async fn document(
    pool: &SqlitePool,
    id: Uuid,
) -> Result<Option<(&'static str, Arc<[u8]>)>, StoreError> {
    let row = sqlx::query(DOCUMENT).bind(id_bytes(id)).fetch_optional(pool).await.map_err(sort)?;
    let Some(row) = row else { return Ok(None) };
    let kind = records::kind_of(row.try_get(0).map_err(sort)?).ok_or_else(|| unreadable("a kind"))?;
    Ok(Some((kind.media_type(), bytes(&row, 1)?)))
}

fn bytes(row: &SqliteRow, first: usize) -> Result<Arc<[u8]>, StoreError> {
    let bytes: Vec<u8> = row.try_get(first + 2).map_err(sort)?;
    unpack(row.try_get(first).map_err(sort)?, row.try_get(first + 1).map_err(sort)?, bytes)
}

const SET_ASIDE: &str = "SELECT m.id, r.id, r.book, r.receiver, r.destination, d.kind, d.id, r.state, r.reason, r.detail, r.tries,
    r.next_attempt, r.receipt_deadline, r.expires
    FROM recipient r INDEXED BY recipient_set_aside JOIN message m ON m.seq = r.message
    LEFT JOIN document d ON d.seq = r.document
    WHERE r.state IN ('parked', 'expired') AND ($1 IS NULL OR m.id = $1) AND ($2 IS NULL OR r.reason = $2)
    AND ($3 IS NULL OR r.destination = $3)
    ORDER BY r.seq LIMIT $4";

/// Parked and expired recipients.
pub(super) async fn set_aside(
    pool: &SqlitePool,
    wanted: &SetAside,
) -> Result<Vec<(MessageId, RecipientRecord)>, StoreError> {
    let rows = sqlx::query(SET_ASIDE)
        .bind(wanted.message.map(|id| id_bytes(id.0)))
        .bind(wanted.reason.map(|r| r.as_str()))
        .bind(wanted.destination.as_ref().map(DestinationId::as_str))
        .bind(i64::try_from(wanted.limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(sort)?;
    rows.iter().map(|row| Ok((message_id(row, 0)?, recipient(row, 1)?))).collect()
}

const BACKLOG: &str = "SELECT destination, count(*), min(received) FROM recipient INDEXED BY recipient_open
    WHERE state IN ('waiting', 'sending', 'unsure') AND owner = $1 AND destination IS NOT NULL
    GROUP BY destination";

/// What waits, by destination.
pub(super) async fn backlog(pool: &SqlitePool) -> Result<Vec<Backlog>, StoreError> {
    let rows = sqlx::query(BACKLOG).bind(records::OWNER).fetch_all(pool).await.map_err(sort)?;
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

const EVENTS: &str = "SELECT seq, at, message, recipient, what, detail FROM event ORDER BY seq DESC LIMIT $1";

/// The latest events.
pub(super) async fn events(pool: &SqlitePool, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
    let rows = sqlx::query(EVENTS)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(sort)?;
    rows.iter().map(event).collect()
}

/// An event from the columns seq, at, message, recipient, what, detail.
pub(super) fn event(row: &SqliteRow) -> Result<EventRecord, StoreError> {
    let id = |column| -> Result<Option<Uuid>, StoreError> {
        row.try_get::<Option<&[u8]>, _>(column).map_err(sort)?.map(uuid).transpose()
    };
    Ok(EventRecord {
        sequence: u64::try_from(row.try_get::<i64, _>(0).map_err(sort)?).unwrap_or(0),
        at: time(row, 1)?.ok_or_else(|| unreadable("a time"))?,
        message: id(2)?.map(MessageId),
        recipient: id(3)?.map(RecipientId),
        what: row.try_get(4).map_err(sort)?,
        detail: row.try_get(5).map_err(sort)?,
    })
}

fn recipient_id(row: &SqliteRow, column: usize) -> Result<RecipientId, StoreError> {
    uuid(row.try_get(column).map_err(sort)?).map(RecipientId)
}

fn state(row: &SqliteRow, column: usize) -> Result<State, StoreError> {
    State::from_name(row.try_get(column).map_err(sort)?).ok_or_else(|| unreadable("a state"))
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| unreadable(what))
}

fn id_bytes(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Damaged(e.to_string()))
}

/// All statements of this module, for the test of their plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    LOOK_UP, REPEATED, BODIES, NEXT_DUE, OVERDUE, FIND, SEQ_OF, RECORD, RECIPIENTS, EVENTS_OF, BODY,
    DOCUMENT, SET_ASIDE, BACKLOG, EVENTS,
];
