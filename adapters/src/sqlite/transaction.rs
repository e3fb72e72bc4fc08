//! One transaction of the writer: everything that a batch of calls changes, or nothing.
//!
//! It reads in one step what the batch asks about, decides in memory, and writes one statement per table;
//! each step crosses a thread, so their number, and not that of the rows, is what costs. Statements are
//! numbered in `$n` across the whole text of a step.

use super::body::Body;
use super::failure::{sort, unreadable};
use super::prepare::Prepared;
use super::rows::{DocumentRow, EventRow, MovedRow, RecipientRow, StandingColumns, hex, recipient_hex};
use crate::chain::{self, Link};
use crate::records;
use crate::standing::{Change, Standing, event_name};
use broker_core::ContentHash;
use broker_core::journal::{CommitResult, Committed, DuplicateKey, EventRecord, RecipientId, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::StoreError;
use dead_letter::Reason;
use jiff::Timestamp;
use message_schemas::MessageId;
use routing_rules::DestinationId;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// What a batch asks about.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) messages: Vec<MessageId>,
    pub(super) idempotency: Vec<(String, String)>,
    pub(super) duplicates: Vec<DuplicateKey>,
    pub(super) provenances: BTreeSet<String>,
    pub(super) recipients: BTreeSet<RecipientId>,
}

/// A recipient as the transaction found it and as it will leave it.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    seq: i64,
    message: MessageId,
    destination: Option<String>,
    order_key: Option<String>,
    standing: Standing,
    moved: bool,
}

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

#[derive(Debug, Clone, Copy, Default)]
struct Heads {
    message: i64,
    body: i64,
    document: i64,
    recipient: i64,
    provenance: i64,
    event: u64,
    link: Link,
}

/// New rows, in the order in which the tables need each other.
#[derive(Default)]
struct NewRows {
    provenances: Vec<(i64, String)>,
    bodies: Vec<(i64, Body)>,
    messages: Vec<(i64, i64, i64, Prepared)>,
    documents: Vec<DocumentRow>,
    recipients: Vec<RecipientRow>,
    duplicates: Vec<(String, String, String, String, String)>,
    originals: Vec<(String, String, i64)>,
    idempotency: Vec<(String, String, String, String)>,
}

/// An open transaction. Dropped without [`Transaction::finish`], it must be rolled back by its maker.
pub(super) struct Transaction<'c> {
    connection: &'c mut SqliteConnection,
    heads: Heads,
    messages: HashMap<MessageId, ContentHash>,
    idempotency: HashMap<(String, String), (MessageId, ContentHash)>,
    duplicates: HashSet<DuplicateKey>,
    provenances: HashMap<String, i64>,
    recipients: HashMap<RecipientId, Loaded>,
    new: NewRows,
    queues: BTreeSet<(String, String)>,
    events: Vec<EventRow>,
}

/// Begins, and reads what is asked about. The first column says of what each row is.
const BEGIN: &str = "
BEGIN IMMEDIATE;
SELECT 'heads', coalesce((SELECT max(seq) FROM message), 0), coalesce((SELECT max(seq) FROM body), 0),
    coalesce((SELECT max(seq) FROM document), 0), coalesce((SELECT max(seq) FROM recipient), 0),
    coalesce((SELECT max(seq) FROM provenance), 0), coalesce((SELECT max(seq) FROM event), 0),
    (SELECT hash FROM event ORDER BY seq DESC LIMIT 1);
SELECT 'message', m.id, m.content_hash FROM json_each($1) k CROSS JOIN message m ON m.id = unhex(k.value);
SELECT 'idempotency', i.source, i.key, i.message, i.content_hash FROM json_each($2) k
    CROSS JOIN idempotency_key i ON i.owner = $6 AND i.source = k.value->>0 AND i.key = k.value->>1;
SELECT 'duplicate', d.sender, d.msg_id, d.receiver FROM json_each($3) k CROSS JOIN duplicate_key d
    ON d.owner = $6 AND d.sender = k.value->>0 AND d.msg_id = k.value->>1 AND d.receiver = k.value->>2;
SELECT 'provenance', p.seq, p.record FROM json_each($4) k
    CROSS JOIN provenance p ON p.owner = $6 AND p.record = k.value;
SELECT 'recipient', r.seq, r.id, m.id, r.destination, r.order_key, r.state, r.reason, r.detail, r.tries,
    r.maybe_arrived, r.next_attempt, r.receipt_deadline, r.expires, r.since
    FROM json_each($5) k CROSS JOIN recipient r ON r.id = unhex(k.value) CROSS JOIN message m ON m.seq = r.message;
";

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

const SENDING: &str = "
SELECT 'recipient', r.seq, r.id, m.id, r.destination, r.order_key, r.state, r.reason, r.detail, r.tries,
    r.maybe_arrived, r.next_attempt, r.receipt_deadline, r.expires, r.since
FROM recipient r INDEXED BY recipient_sending CROSS JOIN message m ON m.seq = r.message
WHERE r.state = 'sending' ORDER BY r.seq";

/// Rows that a batch adds to the narrow tables.
const INSERT: &str = "
INSERT INTO document (owner, seq, id, message, kind, body)
    SELECT $6, value->>'seq', unhex(value->>'id'), value->>'message', value->>'kind', value->>'body'
    FROM json_each($1);
INSERT INTO recipient (owner, seq, id, message, book, receiver, destination, document, order_key,
        receipt_written, received, since, state, reason, detail, tries, maybe_arrived, next_attempt, due,
        receipt_deadline, expires)
    SELECT $6, value->>'seq', unhex(value->>'id'), value->>'message', value->>'book', value->>'receiver',
        value->>'destination', value->>'document', value->>'order_key', value->>'receipt_written',
        value->>'received', value->>'since', value->>'state', value->>'reason', value->>'detail',
        value->>'tries', value->>'maybe_arrived', value->>'next_attempt', value->>'due',
        value->>'receipt_deadline', value->>'expires'
    FROM json_each($2);
INSERT INTO duplicate_key (owner, sender, msg_id, receiver, message, content_hash)
    SELECT $6, value->>0, value->>1, value->>2, unhex(value->>3), unhex(value->>4) FROM json_each($3);
INSERT OR IGNORE INTO original_key (owner, id, receiver, recipient)
    SELECT $6, value->>0, value->>1, value->>2 FROM json_each($4);
INSERT INTO idempotency_key (owner, source, key, message, content_hash)
    SELECT $6, value->>0, value->>1, unhex(value->>2), unhex(value->>3) FROM json_each($5);
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

impl<'c> Transaction<'c> {
    /// Takes the write lock and reads what the batch asks about.
    pub(super) async fn begin(
        connection: &'c mut SqliteConnection,
        wanted: &Wanted,
    ) -> Result<Self, StoreError> {
        let rows = sqlx::query(BEGIN)
            .bind(json(&wanted.messages.iter().map(|m| hex(m.0)).collect::<Vec<_>>())?)
            .bind(json(&wanted.idempotency)?)
            .bind(json(
                &wanted.duplicates.iter().map(|k| (&k.sender, &k.msg_id, &k.receiver)).collect::<Vec<_>>(),
            )?)
            .bind(json(&wanted.provenances)?)
            .bind(json(&wanted.recipients.iter().map(|r| recipient_hex(*r)).collect::<Vec<_>>())?)
            .bind(records::OWNER)
            .fetch_all(&mut *connection)
            .await
            .map_err(sort)?;
        let mut tx = Self {
            connection,
            heads: Heads::default(),
            messages: HashMap::new(),
            idempotency: HashMap::new(),
            duplicates: HashSet::new(),
            provenances: HashMap::new(),
            recipients: HashMap::new(),
            new: NewRows::default(),
            queues: BTreeSet::new(),
            events: Vec::new(),
        };
        for row in &rows {
            tx.read(row)?;
        }
        Ok(tx)
    }

    fn read(&mut self, row: &SqliteRow) -> Result<(), StoreError> {
        match row.try_get::<&str, _>(0).map_err(sort)? {
            "heads" => {
                let event: i64 = row.try_get(6).map_err(sort)?;
                self.heads = Heads {
                    message: row.try_get(1).map_err(sort)?,
                    body: row.try_get(2).map_err(sort)?,
                    document: row.try_get(3).map_err(sort)?,
                    recipient: row.try_get(4).map_err(sort)?,
                    provenance: row.try_get(5).map_err(sort)?,
                    event: u64::try_from(event).map_err(|_| unreadable("the number of an event"))?,
                    link: match row.try_get::<Option<&[u8]>, _>(7).map_err(sort)? {
                        Some(link) => link.try_into().map_err(|_| unreadable("the hash of an event"))?,
                        None => chain::START,
                    },
                };
            }
            "message" => {
                self.messages.insert(message_id(row, 1)?, content_hash(row, 2)?);
            }
            "idempotency" => {
                let key = (row.try_get(1).map_err(sort)?, row.try_get(2).map_err(sort)?);
                self.idempotency.insert(key, (message_id(row, 3)?, content_hash(row, 4)?));
            }
            "duplicate" => {
                self.duplicates.insert(DuplicateKey {
                    sender: row.try_get(1).map_err(sort)?,
                    msg_id: row.try_get(2).map_err(sort)?,
                    receiver: row.try_get(3).map_err(sort)?,
                });
            }
            "provenance" => {
                self.provenances.insert(row.try_get(2).map_err(sort)?, row.try_get(1).map_err(sort)?);
            }
            "recipient" => {
                let (id, loaded) = Loaded::read(row)?;
                self.recipients.entry(id).or_insert(loaded);
            }
            _ => return Err(unreadable("a row of the journal")),
        }
        Ok(())
    }

    /// Takes an entry in, unless something of it is there already.
    pub(super) fn take_in(&mut self, entry: &Prepared) -> Result<CommitResult, StoreError> {
        let committed = CommitResult::Committed(Committed::after_durable_commit(entry.id));
        if let Some(hash) = self.messages.get(&entry.id) {
            // The same entry again, because the answer was lost.
            let same = hash.0 == entry.content_hash;
            return if same { Ok(committed) } else { Err(unreadable("two messages under one id")) };
        }
        let idempotency = entry.idempotency_key.clone().map(|key| (entry.source.clone(), key));
        if let Some((message, hash)) = idempotency.as_ref().and_then(|key| self.idempotency.get(key)) {
            return Ok(CommitResult::Repeated {
                message: *message,
                same_content: hash.0 == entry.content_hash,
            });
        }
        if entry.duplicate_keys.iter().any(|key| self.duplicates.contains(key)) {
            return Ok(CommitResult::Stale);
        }

        let hash = ContentHash(entry.content_hash);
        self.messages.insert(entry.id, hash);
        if let Some((source, key)) = idempotency {
            let row = (source.clone(), key.clone(), hex(entry.id.0), hash.to_string());
            self.new.idempotency.push(row);
            self.idempotency.insert((source, key), (entry.id, hash));
        }
        for key in &entry.duplicate_keys {
            if self.duplicates.insert(key.clone()) {
                let DuplicateKey { sender, msg_id, receiver } = key.clone();
                self.new.duplicates.push((sender, msg_id, receiver, hex(entry.id.0), hash.to_string()));
            }
        }
        self.add_rows(entry);
        self.append(entry.received, Some(entry.id), None, "taken_in", Some(entry.taken_in.clone()));
        for prepared in &entry.recipients {
            let book = records::book_name(prepared.recipient.book).to_owned();
            self.append(entry.received, Some(entry.id), Some(prepared.recipient.id), "accepted", Some(book));
        }
        for closing in &entry.closings {
            let change = Change::from(closing);
            if !self.change(closing.recipient, &change, entry.received) {
                let of = self.recipients.get(&closing.recipient).map(|r| r.message);
                let told = records::left_alone(closing.event);
                if of.is_some() {
                    self.append(entry.received, of, Some(closing.recipient), "left_alone", Some(told));
                }
            }
        }
        Ok(committed)
    }

    fn add_rows(&mut self, entry: &Prepared) {
        let heads = &mut self.heads;
        let provenance = *self.provenances.entry(entry.provenance.clone()).or_insert_with(|| {
            heads.provenance += 1;
            self.new.provenances.push((heads.provenance, entry.provenance.clone()));
            heads.provenance
        });
        heads.body += 1;
        heads.message += 1;
        let message = heads.message;
        self.new.bodies.push((heads.body, entry.body.clone()));
        self.new.messages.push((message, heads.body, provenance, entry.clone()));
        let first_document = heads.document + 1;
        for document in &entry.documents {
            heads.body += 1;
            heads.document += 1;
            self.new.bodies.push((heads.body, document.body.clone()));
            self.new.documents.push(DocumentRow::new(
                heads.document,
                document.id,
                message,
                document.kind,
                heads.body,
            ));
        }
        let first_recipient = heads.recipient + 1;
        for prepared in &entry.recipients {
            heads.recipient += 1;
            let document =
                prepared.document.and_then(|at| i64::try_from(at).ok()).map(|at| first_document + at);
            self.new.recipients.push(RecipientRow::new(heads.recipient, message, document, prepared, entry));
            let recipient = &prepared.recipient;
            if let (Some(to), Some(key), true) =
                (&recipient.destination, &recipient.order_key, recipient.state.is_open())
            {
                self.queues.insert((to.as_str().to_owned(), key.clone()));
            }
        }
        for (at, key) in entry.original_keys() {
            let recipient = first_recipient + i64::try_from(at).unwrap_or(0);
            self.new.originals.push((key.id.clone(), key.receiver.clone(), recipient));
        }
    }

    /// Lets an event happen to a recipient that was asked for. False if it cannot, or nobody knows it.
    fn change(&mut self, id: RecipientId, change: &Change, now: Timestamp) -> bool {
        let Some(loaded) = self.recipients.get_mut(&id) else { return false };
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
            tx.recipients.get(&s.recipient).is_some_and(|r| r.standing.state == s.from)
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
            let Some(loaded) = self.recipients.get_mut(id) else { continue };
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

    /// Makes unsure what was being sent. Returns how many.
    pub(super) async fn recover(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        let rows = sqlx::query(SENDING).fetch_all(&mut *self.connection).await.map_err(sort)?;
        let mut lost = 0;
        for row in &rows {
            let (id, loaded) = Loaded::read(row)?;
            self.recipients.entry(id).or_insert(loaded);
            let sending = self.recipients.get(&id).is_some_and(|r| r.standing.state == State::Sending);
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
            .bind(records::OWNER)
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
                || self.recipients.get(&id).is_some_and(|r| r.moved);
            if touched {
                continue;
            }
            let size: i64 = row.try_get(20).map_err(sort)?;
            if !claimed.is_empty() && bytes + size > CLAIM_BYTES {
                break;
            }
            bytes += size;
            let tries = loaded.standing.tries;
            self.recipients.insert(id, loaded);
            if !self.change(id, &Change::plain(Event::Claim), now) {
                continue;
            }
            let Some(loaded) = self.recipients.get(&id) else { continue };
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
        self.heads.event += 1;
        let event =
            EventRecord { sequence: self.heads.event, at, message, recipient, what: what.to_owned(), detail };
        let link = chain::link(&self.heads.link, records::OWNER, &event);
        let previous = std::mem::replace(&mut self.heads.link, link);
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
        let Self { connection, new, recipients, queues, events, .. } = self;
        new.insert(connection).await?;
        let moved: BTreeMap<i64, MovedRow> = recipients
            .into_values()
            .filter(|r| r.moved)
            .map(|r| {
                let standing = StandingColumns::new(&r.standing, r.destination, r.order_key.is_some());
                (r.seq, MovedRow { seq: r.seq, standing })
            })
            .collect();
        sqlx::query(CHANGE)
            .bind(json(&moved.into_values().collect::<Vec<_>>())?)
            .bind(json(&queues)?)
            .bind(json(&events)?)
            .bind(records::OWNER)
            .execute(connection)
            .await
            .map_err(sort)?;
        Ok(())
    }
}

impl NewRows {
    async fn insert(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        if self.messages.is_empty() {
            return Ok(());
        }
        for (seq, record) in &self.provenances {
            sqlx::query("INSERT INTO provenance (seq, owner, record) VALUES ($1, $2, $3)")
                .bind(seq)
                .bind(records::OWNER)
                .bind(record)
                .execute(&mut *connection)
                .await
                .map_err(sort)?;
        }
        for rows in portions(&self.bodies) {
            let sql = values("INSERT INTO body (owner, seq, codec, size, bytes) VALUES ", 5, rows.len());
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (seq, body) in rows {
                let size = i64::try_from(body.size).unwrap_or(i64::MAX);
                query = query.bind(records::OWNER).bind(seq).bind(body.codec).bind(size).bind(&*body.bytes);
            }
            query.execute(&mut *connection).await.map_err(sort)?;
        }
        for rows in portions(&self.messages) {
            let sql = values(INSERT_MESSAGES, 24, rows.len());
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (seq, body, provenance, entry) in rows {
                let m = &entry.message;
                query = query
                    .bind(seq)
                    .bind(records::OWNER)
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
                    .bind(&m.explanation);
            }
            query.execute(&mut *connection).await.map_err(sort)?;
        }
        sqlx::query(INSERT)
            .bind(json(&self.documents)?)
            .bind(json(&self.recipients)?)
            .bind(json(&self.duplicates)?)
            .bind(json(&self.originals)?)
            .bind(json(&self.idempotency)?)
            .bind(records::OWNER)
            .execute(connection)
            .await
            .map_err(sort)?;
        Ok(())
    }
}

const INSERT_MESSAGES: &str = "INSERT INTO message (seq, owner, id, short, received, source, sender, msg_id, \
    document_id, family, version, type, generated, test, verdict, reason, duplicate_of, size, content_hash, \
    provenance, body, head, findings, explanation) VALUES ";

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

impl Loaded {
    /// Columns 1 to 14 of the statements above.
    fn read(row: &SqliteRow) -> Result<(RecipientId, Self), StoreError> {
        let state = State::from_name(row.try_get(6).map_err(sort)?).ok_or_else(|| unreadable("a state"))?;
        let reason: Option<&str> = row.try_get(7).map_err(sort)?;
        let loaded = Self {
            seq: row.try_get(1).map_err(sort)?,
            message: message_id(row, 3)?,
            destination: row.try_get(4).map_err(sort)?,
            order_key: row.try_get(5).map_err(sort)?,
            standing: Standing {
                state,
                reason: reason.and_then(Reason::from_code),
                detail: row.try_get(8).map_err(sort)?,
                tries: row.try_get(9).map_err(sort)?,
                maybe_arrived: row.try_get(10).map_err(sort)?,
                next_attempt: time(row, 11)?,
                receipt_deadline: time(row, 12)?,
                expires: time(row, 13)?,
                since: time(row, 14)?.ok_or_else(|| unreadable("a time"))?,
            },
            moved: false,
        };
        Ok((RecipientId(uuid(row.try_get(2).map_err(sort)?)?), loaded))
    }
}

/// An id out of its 16 bytes.
pub(super) fn uuid(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|_| unreadable("an id"))
}

/// The id of a message in a column.
pub(super) fn message_id(row: &SqliteRow, column: usize) -> Result<MessageId, StoreError> {
    uuid(row.try_get(column).map_err(sort)?).map(MessageId)
}

/// A hash in a column.
pub(super) fn content_hash(row: &SqliteRow, column: usize) -> Result<ContentHash, StoreError> {
    let bytes: &[u8] = row.try_get(column).map_err(sort)?;
    bytes.try_into().map(ContentHash).map_err(|_| unreadable("a hash"))
}

/// A time in a column.
pub(super) fn time(row: &SqliteRow, column: usize) -> Result<Option<Timestamp>, StoreError> {
    let micros: Option<i64> = row.try_get(column).map_err(sort)?;
    micros.map(|m| Timestamp::from_microsecond(m).map_err(|_| unreadable("a time"))).transpose()
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Damaged(e.to_string()))
}

/// All statements of this module, for the test of their plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[BEGIN, CLAIM, SENDING, INSERT, CHANGE];
