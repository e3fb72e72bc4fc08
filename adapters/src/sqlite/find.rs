//! Reading for people: what became of a message, its bytes, what is set aside, the latest events.

use super::columns::{content_hash, id_bytes, message_id, parse, recipient_id, state, time, uuid};
use super::failure::{sort, unreadable};
use super::read::Reader;
use crate::journal::body::unpack;
use crate::records::{self, Meant};
use broker_core::ContentHash;
use broker_core::journal::{
    Aside, Document, EventRecord, MessageRecord, RecipientId, RecipientRecord, SetAside, VerdictRecord,
};
use broker_core::ports::{StoreError, Waiting};
use dead_letter::Reason;
use message_schemas::{HerId, MessageId};
use routing_rules::DestinationId;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::sync::Arc;
use uuid::Uuid;

const FIND: &str = "
SELECT seq FROM message WHERE id = $1 AND owner = $6
UNION SELECT seq FROM message WHERE short = $2 AND owner = $6
UNION SELECT seq FROM message WHERE msg_id = $3 AND msg_id IS NOT NULL AND owner = $6
UNION SELECT seq FROM message WHERE document_id = $4 AND document_id IS NOT NULL AND owner = $6
UNION SELECT message FROM document WHERE id = $1 AND owner = $6
UNION SELECT message FROM recipient WHERE id = $1 AND owner = $6
ORDER BY 1 DESC LIMIT $5";

/// All messages that an id may mean.
pub(super) async fn find(from: &Reader, id: &str, limit: usize) -> Result<Vec<MessageRecord>, StoreError> {
    let meant = Meant::read(id);
    let rows = sqlx::query(FIND)
        .bind(meant.uuid.map(|id| id.as_bytes().to_vec()))
        .bind(meant.short.and_then(|bits| i64::try_from(bits).ok()))
        .bind(&meant.key)
        .bind(&meant.text)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(&*from.owner)
        .fetch_all(&from.pool)
        .await
        .map_err(sort)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(record(from, row.try_get(0).map_err(sort)?).await?);
    }
    Ok(found)
}

const SEQ_OF: &str = "SELECT seq FROM message WHERE id = $1 AND owner = $2";

/// One message.
pub(super) async fn message(from: &Reader, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
    let row = sqlx::query(SEQ_OF).bind(id_bytes(id.0)).bind(&*from.owner).fetch_optional(&from.pool).await;
    match row.map_err(sort)? {
        Some(row) => record(from, row.try_get(0).map_err(sort)?).await.map(Some),
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
    m.findings, m.explanation, p.record, m.protection, m.envelope_receiver, m.envelope_sender, m.transport
    FROM message m JOIN provenance p ON p.seq = m.provenance WHERE m.seq = $1";

pub(super) async fn record(from: &Reader, seq: i64) -> Result<MessageRecord, StoreError> {
    let row = sqlx::query(RECORD).bind(seq).fetch_one(&from.pool).await.map_err(sort)?;
    let id = message_id(&row, 0)?;
    let head: Option<&str> = row.try_get(8).map_err(sort)?;
    let explanation: Option<&str> = row.try_get(10).map_err(sort)?;
    let protection: Option<&str> = row.try_get(12).map_err(sort)?;
    let transport: Option<&str> = row.try_get(15).map_err(sort)?;
    let recipients = sqlx::query(RECIPIENTS).bind(seq).fetch_all(&from.pool).await.map_err(sort)?;
    let events = sqlx::query(EVENTS_OF).bind(id_bytes(id.0)).fetch_all(&from.pool).await.map_err(sort)?;
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
        protection: protection.map(|text| parse(text, "the account of a protection")).transpose()?,
        envelope_receiver: row.try_get::<Option<u32>, _>(13).map_err(sort)?.map(HerId),
        envelope_sender: row.try_get::<Option<u32>, _>(14).map_err(sort)?.map(HerId),
        transport: transport.map(|text| parse(text, "what a transport said")).transpose()?,
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

const BODY: &str = "SELECT b.codec, b.size, b.bytes FROM message m JOIN body b ON b.seq = m.body WHERE m.id = $1 AND m.owner = $2";

/// The original bytes of a message.
pub(super) async fn body(from: &Reader, id: MessageId) -> Result<Option<Arc<[u8]>>, StoreError> {
    let row = sqlx::query(BODY)
        .bind(id_bytes(id.0))
        .bind(&*from.owner)
        .fetch_optional(&from.pool)
        .await
        .map_err(sort)?;
    row.map(|row| bytes(&row, 0)).transpose()
}

const DOCUMENT: &str = "SELECT d.kind, b.codec, b.size, b.bytes FROM document d JOIN body b ON b.seq = d.body
    WHERE d.id = $1 AND d.owner = $2 ORDER BY d.seq DESC LIMIT 1";

/// A document, by its own id; the newest, if several messages gave the same.
pub(super) async fn document(
    from: &Reader,
    id: Uuid,
) -> Result<Option<(&'static str, Arc<[u8]>)>, StoreError> {
    let row = sqlx::query(DOCUMENT)
        .bind(id_bytes(id))
        .bind(&*from.owner)
        .fetch_optional(&from.pool)
        .await
        .map_err(sort)?;
    let Some(row) = row else { return Ok(None) };
    let kind = records::kind_of(row.try_get(0).map_err(sort)?).ok_or_else(|| unreadable("a kind"))?;
    Ok(Some((kind.media_type(), bytes(&row, 1)?)))
}

const DOCUMENTS: &str = "SELECT d.kind, d.id, b.codec, b.size, b.bytes
    FROM message m CROSS JOIN document d ON d.message = m.seq CROSS JOIN body b ON b.seq = d.body
    WHERE m.id = $1 AND m.owner = $2 ORDER BY d.seq";

/// Everything that was made from a message.
pub(super) async fn documents(from: &Reader, of: MessageId) -> Result<Vec<Document>, StoreError> {
    let rows = sqlx::query(DOCUMENTS)
        .bind(id_bytes(of.0))
        .bind(&*from.owner)
        .fetch_all(&from.pool)
        .await
        .map_err(sort)?;
    let document = |row: &SqliteRow| {
        let kind = records::kind_of(row.try_get(0).map_err(sort)?).ok_or_else(|| unreadable("a kind"))?;
        let id = uuid(row.try_get(1).map_err(sort)?)?;
        Ok(Document { kind, id, bytes: bytes(row, 2)? })
    };
    rows.iter().map(document).collect()
}

const EVIDENCE: &str = "SELECT codec, size, bytes FROM evidence WHERE owner = $1 AND hash = $2";

/// Bytes that the protection of a message names by this hash.
pub(super) async fn evidence(from: &Reader, hash: ContentHash) -> Result<Option<Arc<[u8]>>, StoreError> {
    let row = sqlx::query(EVIDENCE)
        .bind(&*from.owner)
        .bind(hash.0.as_slice())
        .fetch_optional(&from.pool)
        .await
        .map_err(sort)?;
    row.map(|row| bytes(&row, 0)).transpose()
}

fn bytes(row: &SqliteRow, first: usize) -> Result<Arc<[u8]>, StoreError> {
    let bytes: Vec<u8> = row.try_get(first + 2).map_err(sort)?;
    unpack(row.try_get(first).map_err(sort)?, row.try_get(first + 1).map_err(sort)?, bytes)
}

const SET_ASIDE: &str = "SELECT m.id, m.received, m.source, COALESCE(m.sender, CAST(m.envelope_sender AS TEXT)),
    r.id, r.book, r.receiver, r.destination, d.kind, d.id, r.state, r.reason, r.detail, r.tries,
    r.next_attempt, r.receipt_deadline, r.expires
    FROM recipient r INDEXED BY recipient_set_aside JOIN message m ON m.seq = r.message
    LEFT JOIN document d ON d.seq = r.document
    WHERE r.owner = $5 AND r.state IN ('parked', 'expired') AND ($1 IS NULL OR m.id = $1) AND ($2 IS NULL OR r.reason = $2)
    AND ($3 IS NULL OR r.destination = $3) AND ($6 IS NULL OR r.receiver = $6)
    ORDER BY r.seq LIMIT $4";

/// Parked and expired recipients.
pub(super) async fn set_aside(from: &Reader, wanted: &SetAside) -> Result<Vec<Aside>, StoreError> {
    let rows = sqlx::query(SET_ASIDE)
        .bind(wanted.message.map(|id| id_bytes(id.0)))
        .bind(wanted.reason.map(|r| r.as_str()))
        .bind(wanted.destination.as_ref().map(DestinationId::as_str))
        .bind(i64::try_from(wanted.limit).unwrap_or(i64::MAX))
        .bind(&*from.owner)
        .bind(wanted.receiver.map(|receiver| receiver.0))
        .fetch_all(&from.pool)
        .await
        .map_err(sort)?;
    let aside = |row: &SqliteRow| {
        Ok(Aside {
            message: message_id(row, 0)?,
            received: time(row, 1)?.ok_or_else(|| unreadable("a time"))?,
            source: row.try_get(2).map_err(sort)?,
            sender: records::her_id(row.try_get(3).map_err(sort)?),
            recipient: recipient(row, 4)?,
        })
    };
    rows.iter().map(aside).collect()
}

const WAITING: &str = "SELECT m.id, r.received, r.id, r.book, r.receiver, r.destination, d.kind, d.id, r.state, r.reason, r.detail,
    r.tries, r.next_attempt, r.receipt_deadline, r.expires
    FROM recipient r INDEXED BY recipient_open JOIN message m ON m.seq = r.message
    LEFT JOIN document d ON d.seq = r.document
    WHERE r.owner = $3 AND r.state IN ('waiting', 'sending', 'unsure') AND r.destination = $1
    ORDER BY r.received LIMIT $2";

/// Open recipients of a destination.
pub(super) async fn waiting(
    from: &Reader,
    destination: &DestinationId,
    limit: usize,
) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query(WAITING)
        .bind(destination.as_str())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(&*from.owner)
        .fetch_all(&from.pool)
        .await
        .map_err(sort)?;
    let waiting = rows.iter().map(|row| {
        let received = time(row, 1)?.ok_or_else(|| unreadable("a time"))?;
        Ok(Waiting { message: message_id(row, 0)?, received, recipient: recipient(row, 2)? })
    });
    waiting.collect()
}

const EVENTS: &str = "SELECT seq, at, message, recipient, what, detail FROM event
    WHERE owner = $2 ORDER BY seq DESC LIMIT $1";

/// The latest events.
pub(super) async fn events(from: &Reader, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
    let rows = sqlx::query(EVENTS)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(&*from.owner)
        .fetch_all(&from.pool)
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

/// For the test of the plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    FIND, SEQ_OF, RECORD, RECIPIENTS, EVENTS_OF, BODY, DOCUMENT, DOCUMENTS, EVIDENCE, SET_ASIDE, WAITING,
    EVENTS,
];
