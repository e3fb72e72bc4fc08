//! Reading for people: what became of a message, its bytes, what is set aside, the latest events.

use super::columns::{Days, content_hash, count, maybe_count, moment, parse, reason, state, text, time};
use super::failure::{Failure, unreadable};
use super::read::Reader;
use crate::journal::body::unpack;
use crate::records::{self, Meant};
use broker_core::ContentHash;
use broker_core::journal::{
    Aside, Document, EventRecord, MessageRecord, RecipientId, RecipientRecord, SetAside, VerdictRecord,
};
use broker_core::ports::{StoredDocument, Waiting};
use dead_letter::Reason;
use message_schemas::{HerId, MessageId};
use routing_rules::DestinationId;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use std::sync::Arc;
use uuid::Uuid;

/// An index entry has an end, so texts are found by their beginning and then compared.
const FIND: &str = "
SELECT day, seq FROM (
    SELECT day, seq FROM message WHERE id = $1 AND owner = $6
    UNION SELECT day, seq FROM message WHERE short = $2 AND owner = $6
    UNION SELECT day, seq FROM message
        WHERE left(msg_id, 200) = left($3, 200) AND msg_id = $3 AND msg_id IS NOT NULL AND owner = $6
    UNION SELECT day, seq FROM message WHERE left(document_id, 200) = left($4, 200) AND document_id = $4
        AND document_id IS NOT NULL AND owner = $6
    UNION SELECT m.day, m.seq FROM document d JOIN message m ON m.id = d.message AND m.day = d.message_day
        WHERE d.id = $1 AND d.owner = $6
    UNION SELECT m.day, m.seq FROM recipient r JOIN message m ON m.id = r.message AND m.day = r.message_day
        WHERE r.id = $1 AND r.owner = $6
) f ORDER BY seq DESC LIMIT $5";

/// All messages that an id may mean.
pub(super) async fn find(from: &Reader, id: &str, limit: usize) -> Result<Vec<MessageRecord>, Failure> {
    let meant = Meant::read(id);
    let rows = sqlx::query(FIND)
        .bind(meant.uuid)
        .bind(meant.short.and_then(|bits| i64::try_from(bits).ok()))
        .bind(text(&meant.key))
        .bind(text(&meant.text))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(&*from.owner)
        .fetch_all(&from.pool)
        .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.extend(record(from, row.try_get(0)?, row.try_get(1)?).await?);
    }
    Ok(found)
}

const PLACE_OF: &str =
    "SELECT day, seq, body FROM message WHERE id = $1 AND owner = $2 AND day BETWEEN $3 AND $4";

/// Where a message is: its day, its number, its bytes' number. First on the days that its id names.
async fn place_of(from: &Reader, id: MessageId) -> Result<Option<(i32, i64, i64)>, Failure> {
    let mut days = Days::of([id.0]);
    loop {
        let query = sqlx::query(PLACE_OF).bind(id.0).bind(&*from.owner).bind(days.from).bind(days.to);
        if let Some(row) = query.fetch_optional(&from.pool).await? {
            return Ok(Some((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)));
        }
        if days == Days::ALL {
            return Ok(None);
        }
        days = Days::ALL;
    }
}

/// One message.
pub(super) async fn message(from: &Reader, id: MessageId) -> Result<Option<MessageRecord>, Failure> {
    match place_of(from, id).await? {
        Some((day, seq, _)) => record(from, day, seq).await,
        None => Ok(None),
    }
}

const EVENTS_OF: &str = "SELECT seq, at, message, recipient, what, detail FROM event
    WHERE message = $1 AND message IS NOT NULL AND day >= $2 ORDER BY number";

const RECIPIENTS: &str =
    "SELECT r.id, r.book, r.receiver, coalesce(p.destination, r.destination), r.kind, r.document,
    coalesce(p.state, r.state), CASE WHEN p.id IS NULL THEN r.reason ELSE p.reason END,
    CASE WHEN p.id IS NULL THEN r.detail ELSE p.detail END, coalesce(p.tries, r.tries), p.next_attempt,
    CASE WHEN p.id IS NULL THEN r.receipt_deadline ELSE p.receipt_deadline END,
    CASE WHEN p.id IS NULL THEN r.expires ELSE p.expires END
    FROM recipient r LEFT JOIN pending p ON p.id = r.id WHERE r.message = $1 AND r.day >= $2 ORDER BY r.seq";

const RECORD: &str =
    "SELECT m.id, m.source, m.received, m.content_hash, m.size, m.verdict, m.reason, m.duplicate_of,
    m.head, m.findings, m.explanation, p.record, m.protection, m.envelope_receiver, m.envelope_sender,
    m.transport
    FROM message m JOIN provenance p ON p.seq = m.provenance WHERE m.day = $1 AND m.seq = $2";

/// A message by its place; none if it went with its day meanwhile.
pub(super) async fn record(from: &Reader, day: i32, seq: i64) -> Result<Option<MessageRecord>, Failure> {
    let row = sqlx::query(RECORD).bind(day).bind(seq).fetch_optional(&from.pool).await?;
    let Some(row) = row else { return Ok(None) };
    let id = MessageId(row.try_get(0)?);
    let head: Option<&str> = row.try_get(8)?;
    let explanation: Option<&str> = row.try_get(10)?;
    let protection: Option<&str> = row.try_get(12)?;
    let transport: Option<&str> = row.try_get(15)?;
    let recipients = sqlx::query(RECIPIENTS).bind(id.0).bind(day).fetch_all(&from.pool).await?;
    let events = sqlx::query(EVENTS_OF).bind(id.0).bind(day).fetch_all(&from.pool).await?;
    Ok(Some(MessageRecord {
        id,
        short: id.short(),
        source: row.try_get(1)?,
        received: moment(&row, 2)?,
        content_hash: content_hash(&row, 3)?,
        size_bytes: count(&row, 4)?,
        verdict: verdict(&row)?,
        head: head.map(|h| parse(h, "a head")).transpose()?,
        findings: parse(row.try_get(9)?, "findings")?,
        provenance: parse(row.try_get(11)?, "a provenance")?,
        explanation: explanation.and_then(|text| serde_json::from_str(text).ok()),
        protection: protection.map(|text| parse(text, "the account of a protection")).transpose()?,
        envelope_receiver: maybe_count(&row, 13)?.map(HerId),
        envelope_sender: maybe_count(&row, 14)?.map(HerId),
        transport: transport.map(|text| parse(text, "what a transport said")).transpose()?,
        recipients: recipients.iter().map(|row| recipient(row, 0)).collect::<Result<_, _>>()?,
        events: events.iter().map(event).collect::<Result<_, _>>()?,
    }))
}

fn verdict(row: &PgRow) -> Result<VerdictRecord, Failure> {
    let why = || -> Result<Reason, Failure> { Ok(reason(row, 6)?.ok_or_else(|| unreadable("a reason"))?) };
    Ok(match row.try_get::<&str, _>(5)? {
        "accepted" => VerdictRecord::Accepted,
        "accepted_with_findings" => VerdictRecord::AcceptedWithFindings,
        "refused" => VerdictRecord::Refused { reason: why()? },
        "parked" => VerdictRecord::Parked { reason: why()? },
        "duplicate" => VerdictRecord::Duplicate { of: MessageId(row.try_get(7)?) },
        "silent" => VerdictRecord::Silent { reason: why()? },
        _ => return Err(unreadable("a verdict").into()),
    })
}

/// The thirteen columns of a recipient, from `first` on.
fn recipient(row: &PgRow, first: usize) -> Result<RecipientRecord, Failure> {
    let destination: Option<&str> = row.try_get(first + 3)?;
    let kind: Option<&str> = row.try_get(first + 4)?;
    let kind = kind.map(|k| records::kind_of(k).ok_or_else(|| unreadable("a kind"))).transpose()?;
    Ok(RecipientRecord {
        id: RecipientId(row.try_get(first)?),
        book: records::book_of(row.try_get(first + 1)?).ok_or_else(|| unreadable("a book"))?,
        receiver: maybe_count(row, first + 2)?.map(HerId),
        destination: destination.map(|d| d.parse().map_err(|_| unreadable("a destination"))).transpose()?,
        payload: records::payload_name(kind).to_owned(),
        document: row.try_get(first + 5)?,
        state: state(row, first + 6)?,
        reason: reason(row, first + 7)?,
        detail: row.try_get(first + 8)?,
        tries: count(row, first + 9)?,
        next_attempt: time(row, first + 10)?,
        receipt_deadline: time(row, first + 11)?,
        expires: time(row, first + 12)?,
    })
}

const BODY: &str = "SELECT codec, size, bytes FROM body WHERE day = $1 AND seq = $2";

/// The original bytes of a message.
pub(super) async fn body(from: &Reader, id: MessageId) -> Result<Option<Arc<[u8]>>, Failure> {
    let Some((day, _, body)) = place_of(from, id).await? else { return Ok(None) };
    let row = sqlx::query(BODY).bind(day).bind(body).fetch_optional(&from.pool).await?;
    row.map(|row| bytes(&row, 0)).transpose()
}

const DOCUMENT: &str = "SELECT d.kind, b.codec, b.size, b.bytes FROM document d JOIN body b
    ON b.day = d.day AND b.seq = d.body WHERE d.id = $1 AND d.owner = $2 ORDER BY d.seq DESC LIMIT 1";

/// A document, by its own id; the newest, if several messages gave the same.
pub(super) async fn document(from: &Reader, id: Uuid) -> Result<Option<StoredDocument>, Failure> {
    let row = sqlx::query(DOCUMENT).bind(id).bind(&*from.owner).fetch_optional(&from.pool).await?;
    let Some(row) = row else { return Ok(None) };
    let kind = records::kind_of(row.try_get(0)?).ok_or_else(|| unreadable("a kind"))?;
    Ok(Some((kind.media_type(), bytes(&row, 1)?)))
}

const DOCUMENTS: &str = "SELECT d.kind, d.id, b.codec, b.size, b.bytes
    FROM document d JOIN body b ON b.day = d.day AND b.seq = d.body
    WHERE d.message = $1 AND d.owner = $2 ORDER BY d.seq";

/// Everything that was made from a message.
pub(super) async fn documents(from: &Reader, of: MessageId) -> Result<Vec<Document>, Failure> {
    let rows = sqlx::query(DOCUMENTS).bind(of.0).bind(&*from.owner).fetch_all(&from.pool).await?;
    let documents = rows.iter().map(|row| {
        let kind = records::kind_of(row.try_get(0)?).ok_or_else(|| unreadable("a kind"))?;
        Ok(Document { kind, id: row.try_get(1)?, bytes: bytes(row, 2)? })
    });
    documents.collect()
}

const EVIDENCE: &str = "SELECT codec, size, bytes FROM evidence WHERE owner = $1 AND hash = $2 LIMIT 1";

/// Bytes that the protection of a message names by this hash.
pub(super) async fn evidence(from: &Reader, hash: ContentHash) -> Result<Option<Arc<[u8]>>, Failure> {
    let query = sqlx::query(EVIDENCE).bind(&*from.owner).bind(hash.0.as_slice());
    query.fetch_optional(&from.pool).await?.map(|row| bytes(&row, 0)).transpose()
}

fn bytes(row: &PgRow, first: usize) -> Result<Arc<[u8]>, Failure> {
    Ok(unpack(row.try_get(first)?, row.try_get(first + 1)?, row.try_get(first + 2)?)?)
}

const SET_ASIDE: &str =
    "SELECT r.message, m.received, m.source, COALESCE(m.sender, m.envelope_sender::text), r.id, r.book,
    r.receiver, r.destination, r.kind, r.document, r.state, r.reason, r.detail, r.tries, NULL::bigint,
    r.receipt_deadline, r.expires
    FROM recipient r JOIN message m ON m.id = r.message AND m.day = r.message_day
    WHERE r.owner = $5 AND r.aside IN ('parked', 'expired') AND ($1 IS NULL OR r.message = $1)
    AND ($2 IS NULL OR r.reason = $2) AND ($3 IS NULL OR r.destination = $3) AND ($6 IS NULL OR r.receiver = $6)
    ORDER BY r.seq LIMIT $4";

/// Parked and expired recipients.
pub(super) async fn set_aside(from: &Reader, wanted: &SetAside) -> Result<Vec<Aside>, Failure> {
    let rows = sqlx::query(SET_ASIDE)
        .bind(wanted.message.map(|id| id.0))
        .bind(wanted.reason.map(|r| r.as_str()))
        .bind(wanted.destination.as_ref().map(DestinationId::as_str))
        .bind(i64::try_from(wanted.limit).unwrap_or(i64::MAX))
        .bind(&*from.owner)
        .bind(wanted.receiver.map(|receiver| i64::from(receiver.0)))
        .fetch_all(&from.pool)
        .await?;
    let aside = |row: &PgRow| {
        Ok(Aside {
            message: MessageId(row.try_get(0)?),
            received: time(row, 1)?.ok_or_else(|| unreadable("a time"))?,
            source: row.try_get(2)?,
            sender: records::her_id(row.try_get(3)?),
            recipient: recipient(row, 4)?,
        })
    };
    rows.iter().map(aside).collect()
}

const WAITING: &str =
    "SELECT message, received, id, book, receiver, destination, kind, document, state, reason, detail,
    tries, next_attempt, receipt_deadline, expires
    FROM pending WHERE owner = $3 AND state IN ('waiting', 'sending', 'unsure') AND destination = $1
    ORDER BY received, seq LIMIT $2";

/// Open recipients of a destination.
pub(super) async fn waiting(
    from: &Reader,
    destination: &DestinationId,
    limit: usize,
) -> Result<Vec<Waiting>, Failure> {
    let rows = sqlx::query(WAITING)
        .bind(destination.as_str())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(&*from.owner)
        .fetch_all(&from.pool)
        .await?;
    let waiting = rows.iter().map(|row| {
        let message = MessageId(row.try_get(0)?);
        Ok(Waiting { message, received: moment(row, 1)?, recipient: recipient(row, 2)? })
    });
    waiting.collect()
}

const EVENTS: &str = "SELECT seq, at, message, recipient, what, detail FROM event
    WHERE owner = $2 ORDER BY day DESC, number DESC LIMIT $1";

/// The latest events.
pub(super) async fn events(from: &Reader, limit: usize) -> Result<Vec<EventRecord>, Failure> {
    let query = sqlx::query(EVENTS).bind(i64::try_from(limit).unwrap_or(i64::MAX)).bind(&*from.owner);
    query.fetch_all(&from.pool).await?.iter().map(event).collect()
}

/// An event from the columns seq, at, message, recipient, what, detail.
pub(super) fn event(row: &PgRow) -> Result<EventRecord, Failure> {
    Ok(EventRecord {
        sequence: count(row, 0)?,
        at: moment(row, 1)?,
        message: row.try_get::<Option<Uuid>, _>(2)?.map(MessageId),
        recipient: row.try_get::<Option<Uuid>, _>(3)?.map(RecipientId),
        what: row.try_get(4)?,
        detail: row.try_get(5)?,
    })
}
