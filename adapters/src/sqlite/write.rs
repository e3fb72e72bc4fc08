//! What a transaction writes: one statement per table, however many rows.
//!
//! The narrow tables take their rows as one JSON text; messages and bodies are bound, because bytes in JSON
//! would have to be written in digits.

use super::columns::json;
use super::failure::sort;
use super::load::Numbers;
use super::rows::{DocumentRow, EventRow, MovedRow, RecipientRow, hex};
use crate::journal::batch::{Batch, Line};
use crate::journal::body::Body;
use crate::journal::prepare::Prepared;
use crate::records;
use broker_core::ContentHash;
use broker_core::ports::StoreError;
use sqlx::{AssertSqlSafe, SqliteConnection};
use std::collections::{BTreeSet, HashMap};

/// New rows, in the order in which the tables need each other.
#[derive(Default)]
pub(super) struct NewRows<'b> {
    provenances: Vec<(i64, &'b str)>,
    bodies: Vec<(i64, &'b Body)>,
    evidence: Vec<&'b (ContentHash, Body)>,
    messages: Vec<(i64, i64, i64, &'b Prepared)>,
    /// Messages that were judged again: number, provenance.
    judged_again: Vec<(i64, i64, &'b Prepared)>,
    documents: Vec<DocumentRow>,
    recipients: Vec<RecipientRow>,
    duplicates: Vec<(&'b str, &'b str, &'b str, String, String)>,
    originals: Vec<(&'b str, &'b str, i64)>,
    idempotency: Vec<(&'b str, &'b str, String, String)>,
    versions: Vec<VersionRow<'b>>,
}

/// Strand, mark, parent, message, hash, record.
type VersionRow<'b> = (String, String, Option<String>, String, String, &'b str);

/// Rows that a batch adds to the narrow tables.
const INSERT: &str = "
INSERT INTO document (owner, seq, id, message, kind, body)
    SELECT $6, value->>'seq', unhex(value->>'id'), value->>'message', value->>'kind', value->>'body'
    FROM json_each($1);
INSERT INTO recipient (owner, seq, id, message, book, receiver, destination, document, order_key,
        receipt_written, received, since, state, reason, detail, tries, maybe_arrived, next_attempt, due,
        receipt_deadline, expires, label)
    SELECT $6, value->>'seq', unhex(value->>'id'), value->>'message', value->>'book', value->>'receiver',
        value->>'destination', value->>'document', value->>'order_key', value->>'receipt_written',
        value->>'received', value->>'since', value->>'state', value->>'reason', value->>'detail',
        value->>'tries', value->>'maybe_arrived', value->>'next_attempt', value->>'due',
        value->>'receipt_deadline', value->>'expires', value->>'label'
    FROM json_each($2);
INSERT INTO duplicate_key (owner, sender, msg_id, receiver, message, content_hash)
    SELECT $6, value->>0, value->>1, value->>2, unhex(value->>3), unhex(value->>4) FROM json_each($3);
INSERT OR IGNORE INTO original_key (owner, id, receiver, recipient)
    SELECT $6, value->>0, value->>1, value->>2 FROM json_each($4);
INSERT INTO idempotency_key (owner, source, key, message, content_hash)
    SELECT $6, value->>0, value->>1, unhex(value->>2), unhex(value->>3) FROM json_each($5);
INSERT OR IGNORE INTO version (owner, strand, mark, parent, message, content, record)
    SELECT $6, unhex(value->>0), unhex(value->>1), unhex(value->>2), unhex(value->>3), unhex(value->>4), value->>5
    FROM json_each($7);
";

/// What a batch changes, and the end. A queue's turn is taken from whoever has it and given to the oldest
/// open one, unless one of the queue is being sent.
const CHANGE: &str = "
UPDATE recipient SET destination = k.value->>'destination', state = k.value->>'state',
        reason = k.value->>'reason', detail = k.value->>'detail', tries = k.value->>'tries',
        maybe_arrived = k.value->>'maybe_arrived', next_attempt = k.value->>'next_attempt',
        due = k.value->>'due', receipt_deadline = k.value->>'receipt_deadline',
        expires = k.value->>'expires', since = k.value->>'since'
    FROM json_each($1) k WHERE recipient.seq = k.value->>'seq';
UPDATE recipient SET due = NULL WHERE due IS NOT NULL AND seq IN (
    SELECT r.seq FROM json_each($2) k CROSS JOIN recipient r INDEXED BY recipient_turn
        ON r.owner = $4 AND r.destination = k.value->>0 AND r.order_key = k.value->>1
        AND (r.due IS NOT NULL OR r.state = 'sending'));
UPDATE recipient SET due = next_attempt WHERE state IN ('waiting', 'unsure') AND seq IN (
    SELECT (SELECT r.seq FROM recipient r INDEXED BY recipient_order
            WHERE r.owner = $4 AND r.destination = k.value->>0 AND r.order_key = k.value->>1
                AND r.state IN ('waiting', 'sending', 'unsure') ORDER BY r.seq LIMIT 1)
    FROM json_each($2) k WHERE NOT EXISTS (
        SELECT 1 FROM recipient s INDEXED BY recipient_turn
        WHERE s.owner = $4 AND s.destination = k.value->>0 AND s.order_key = k.value->>1
            AND (s.due IS NOT NULL OR s.state = 'sending') AND s.state = 'sending'));
INSERT INTO event (owner, seq, at, message, recipient, what, detail, previous, hash)
    SELECT $4, value->>'seq', value->>'at', unhex(value->>'message'), unhex(value->>'recipient'),
        value->>'what', value->>'detail', unhex(value->>'previous'), unhex(value->>'hash')
    FROM json_each($3);
COMMIT;
";

impl<'b> NewRows<'b> {
    /// The rows that a batch adds, numbered from the last numbers on.
    pub(super) fn of(
        batch: &Batch<'b, i64>,
        mut numbers: Numbers,
        mut provenances: HashMap<String, i64>,
    ) -> Self {
        let mut rows = Self::default();
        for (entry, known) in &batch.added {
            rows.add(entry, *known, &mut numbers, &mut provenances);
        }
        let duplicate = |(key, message, hash): &(&'b broker_core::journal::DuplicateKey, _, ContentHash)| {
            let (message, hash): (&message_schemas::MessageId, _) = (message, hash);
            (&*key.sender, &*key.msg_id, &*key.receiver, hex(message.0), hash.to_string())
        };
        rows.duplicates = batch.duplicates.iter().map(duplicate).collect();
        let idempotency = batch.idempotency.iter();
        rows.idempotency =
            idempotency.map(|(source, key, id, hash)| (*source, *key, hex(id.0), hash.to_string())).collect();
        rows
    }

    /// Adds an entry, of a new message or of one that has this number.
    fn add(
        &mut self,
        entry: &'b Prepared,
        known: Option<i64>,
        numbers: &mut Numbers,
        provenances: &mut HashMap<String, i64>,
    ) {
        let provenance = *provenances.entry(entry.provenance.clone()).or_insert_with(|| {
            numbers.provenance += 1;
            self.provenances.push((numbers.provenance, &entry.provenance));
            numbers.provenance
        });
        let message = known.unwrap_or_else(|| {
            numbers.body += 1;
            numbers.message += 1;
            self.bodies.push((numbers.body, &entry.body));
            self.messages.push((numbers.message, numbers.body, provenance, entry));
            numbers.message
        });
        if known.is_some() {
            self.judged_again.push((message, provenance, entry));
        }
        self.evidence.extend(&entry.evidence);
        let first_document = numbers.document + 1;
        for document in &entry.documents {
            numbers.body += 1;
            numbers.document += 1;
            self.bodies.push((numbers.body, &document.body));
            let row = DocumentRow::new(numbers.document, document.id, message, document.kind, numbers.body);
            self.documents.push(row);
        }
        let first_recipient = numbers.recipient + 1;
        for prepared in &entry.recipients {
            numbers.recipient += 1;
            let document =
                prepared.document.and_then(|at| i64::try_from(at).ok()).map(|at| first_document + at);
            self.recipients.push(RecipientRow::new(numbers.recipient, message, document, prepared, entry));
        }
        for version in &entry.versions {
            self.versions.push((
                hex(version.strand),
                hex(version.mark),
                version.parent.map(hex),
                hex(entry.id.0),
                ContentHash(version.content).to_string(),
                &version.record,
            ));
        }
        for (at, key) in entry.original_keys() {
            let recipient = first_recipient + i64::try_from(at).unwrap_or(0);
            self.originals.push((&key.id, &key.receiver, recipient));
        }
    }

    /// Writes the rows.
    pub(super) async fn insert(
        self,
        connection: &mut SqliteConnection,
        owner: &str,
    ) -> Result<(), StoreError> {
        if self.messages.is_empty() && self.judged_again.is_empty() {
            return Ok(());
        }
        for (seq, record) in &self.provenances {
            sqlx::query("INSERT INTO provenance (seq, owner, record) VALUES ($1, $2, $3)")
                .bind(seq)
                .bind(owner)
                .bind(*record)
                .execute(&mut *connection)
                .await
                .map_err(sort)?;
        }
        for rows in portions(&self.bodies) {
            let sql = values("INSERT INTO body (owner, seq, codec, size, bytes) VALUES ", 5, rows.len());
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (seq, body) in rows {
                let size = i64::try_from(body.size).unwrap_or(i64::MAX);
                query = query.bind(owner).bind(seq).bind(body.codec).bind(size).bind(&*body.bytes);
            }
            query.execute(&mut *connection).await.map_err(sort)?;
        }
        // One at a time: they are few, and the same one may come with many messages of a batch.
        for (hash, body) in &self.evidence {
            sqlx::query(INSERT_EVIDENCE)
                .bind(owner)
                .bind(hash.0.as_slice())
                .bind(body.codec)
                .bind(i64::try_from(body.size).unwrap_or(i64::MAX))
                .bind(&*body.bytes)
                .execute(&mut *connection)
                .await
                .map_err(sort)?;
        }
        for rows in portions(&self.messages) {
            let sql = values(INSERT_MESSAGES, 28, rows.len());
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (seq, body, provenance, entry) in rows {
                let m = &entry.message;
                query = query
                    .bind(seq)
                    .bind(owner)
                    .bind(entry.id.0.as_bytes().as_slice())
                    .bind(i64::try_from(records::short_bits(entry.id)).unwrap_or(0))
                    .bind(entry.received.as_microsecond())
                    .bind(&entry.source)
                    .bind(&m.sender)
                    .bind(&m.msg_id)
                    .bind(&m.document_id)
                    .bind(m.family)
                    .bind(&m.version)
                    .bind(&m.type_code)
                    .bind(m.generated)
                    .bind(m.test)
                    .bind(m.verdict)
                    .bind(m.reason)
                    .bind(m.duplicate_of.map(|id| id.0.as_bytes().to_vec()))
                    .bind(i64::try_from(entry.body.size).unwrap_or(i64::MAX))
                    .bind(entry.content_hash.as_slice())
                    .bind(provenance)
                    .bind(body)
                    .bind(&m.head)
                    .bind(&m.findings)
                    .bind(&m.explanation)
                    .bind(&m.protection)
                    .bind(entry.envelope_receiver)
                    .bind(entry.envelope_sender)
                    .bind(&entry.transport);
            }
            query.execute(&mut *connection).await.map_err(sort)?;
        }
        for (seq, provenance, entry) in &self.judged_again {
            let m = &entry.message;
            sqlx::query(JUDGED_AGAIN)
                .bind(seq)
                .bind(&m.sender)
                .bind(&m.msg_id)
                .bind(&m.document_id)
                .bind(m.family)
                .bind(&m.version)
                .bind(&m.type_code)
                .bind(m.generated)
                .bind(m.test)
                .bind(m.verdict)
                .bind(m.reason)
                .bind(m.duplicate_of.map(|id| id.0.as_bytes().to_vec()))
                .bind(provenance)
                .bind(&m.head)
                .bind(&m.findings)
                .bind(&m.explanation)
                .bind(&m.protection)
                .execute(&mut *connection)
                .await
                .map_err(sort)?;
        }
        sqlx::query(INSERT)
            .bind(json(&self.documents)?)
            .bind(json(&self.recipients)?)
            .bind(json(&self.duplicates)?)
            .bind(json(&self.originals)?)
            .bind(json(&self.idempotency)?)
            .bind(owner)
            .bind(json(&self.versions)?)
            .execute(connection)
            .await
            .map_err(sort)?;
        Ok(())
    }
}

/// Writes what changed, and commits. After `Ok` it is durable.
pub(super) async fn change_and_commit(
    connection: &mut SqliteConnection,
    owner: &str,
    moved: &[MovedRow],
    lines: &BTreeSet<Line>,
    events: &[EventRow],
) -> Result<(), StoreError> {
    sqlx::query(CHANGE)
        .bind(json(&moved)?)
        .bind(json(lines)?)
        .bind(json(&events)?)
        .bind(owner)
        .execute(connection)
        .await
        .map_err(sort)?;
    Ok(())
}

const INSERT_MESSAGES: &str = "INSERT INTO message (seq, owner, id, short, received, source, sender, msg_id, \
    document_id, family, version, type, generated, test, verdict, reason, duplicate_of, size, content_hash, \
    provenance, body, head, findings, explanation, protection, envelope_receiver, envelope_sender, transport) VALUES ";

/// What a new judgement changes of a message; its bytes, and how it came, stay.
const JUDGED_AGAIN: &str = "UPDATE message SET sender = $2, msg_id = $3, document_id = $4, family = $5, \
    version = $6, type = $7, generated = $8, test = $9, verdict = $10, reason = $11, duplicate_of = $12, \
    provenance = $13, head = $14, findings = $15, explanation = $16, protection = $17 WHERE seq = $1";

const INSERT_EVIDENCE: &str =
    "INSERT OR IGNORE INTO evidence (owner, hash, codec, size, bytes) VALUES ($1, $2, $3, $4, $5)";

/// Rows in portions of 64, 32, 16 … 1: few statements for a batch, and few different texts in all, so that
/// the cache of prepared statements holds them.
fn portions<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut size = 64;
    std::iter::from_fn(move || {
        while size > rows.len() {
            size /= 2;
        }
        let (portion, rest) = rows.split_at_checked(size).filter(|_| size > 0)?;
        rows = rest;
        Some(portion)
    })
}

/// `(?, …), (?, …)` behind the head of a statement.
fn values(head: &str, columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    format!("{head}{}", vec![row; rows].join(","))
}

/// For the test of the plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[INSERT, CHANGE];
