//! What a transaction writes: one statement per table, however many rows, each column as one array.

use super::columns::{Query, key, maybe_text, micros, order_key, rows, text, unnest, whole};
use super::failure::Failure;
use super::load::{At, line};
use super::schema;
use crate::journal::batch::{Batch, Chained, Head, Line, Loaded};
use crate::journal::body::Body;
use crate::journal::prepare::{Prepared, PreparedRecipient};
use crate::records;
use crate::standing::Standing;
use broker_core::ContentHash;
use broker_core::journal::RecipientId;
use broker_core::lifecycle::State;
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;
use uuid::Uuid;

rows!(
    /// Bytes.
    Bodies of BodyRow { seq: i64, codec: String, size: i64, bytes: Vec<u8> }
);

rows!(
    /// Evidence.
    Evidences of EvidenceRow { hash: Vec<u8>, codec: String, size: i64, bytes: Vec<u8> }
);

rows!(
    /// Messages.
    Messages of MessageRow {
        seq: i64, id: Uuid, short: i64, received: i64, source: String, sender: Option<String>,
        msg_id: Option<String>, document_id: Option<String>, family: Option<String>,
        version: Option<String>, r#type: Option<String>, generated: Option<i64>, test: bool, verdict: String,
        reason: Option<String>, duplicate_of: Option<Uuid>, size: i64, content_hash: Vec<u8>,
        provenance: i64, body: i64, envelope_receiver: Option<i64>, envelope_sender: Option<i64>,
        head: Option<String>, findings: String, explanation: Option<String>, protection: Option<String>,
        transport: Option<String>,
    }
);

rows!(
    /// Documents.
    Documents of DocumentRow {
        seq: i64, id: Uuid, message: Uuid, message_day: i32, kind: String, body: i64,
    }
);

rows!(
    /// New recipients.
    Recipients of RecipientRow {
        seq: i64, id: Uuid, message: Uuid, message_day: i32, book: String, receiver: Option<i64>,
        destination: Option<String>, kind: Option<String>, document: Option<Uuid>, body_day: i32, body: i64,
        size: i64, order_key: Option<String>, receipt_written: bool, received: i64, since: i64,
        state: String, reason: Option<String>, detail: Option<String>, tries: i64, maybe_arrived: bool,
        receipt_deadline: Option<i64>, expires: Option<i64>, label: Option<String>, next_attempt: Option<i64>,
        due: Option<i64>, instance: Option<i64>, pending: bool,
    }
);

rows!(
    /// What changes of recipients.
    Moves of MoveRow {
        day: i32, seq: i64, id: Uuid, destination: Option<String>, state: String, reason: Option<String>,
        detail: Option<String>, tries: i64, maybe_arrived: bool, receipt_deadline: Option<i64>,
        expires: Option<i64>, since: i64, next_attempt: Option<i64>, due: Option<i64>,
        instance: Option<i64>,
    }
);

rows!(
    /// Keys by which repeats are recognised.
    Duplicates of DuplicateRow {
        key: Vec<u8>, seen: Vec<u8>, receiver: String, message: Uuid, content_hash: Vec<u8>,
    }
);

rows!(
    /// Keys by which receipts name what they answer.
    Originals of OriginalRow {
        key: Vec<u8>, recipient: Uuid, seq: i64, message: Uuid, generated: Option<i64>,
        receipt_written: bool,
    }
);

rows!(
    /// Keys of repeated calls.
    Idempotency of IdempotencyRow { key: Vec<u8>, message: Uuid, content_hash: Vec<u8> }
);

rows!(
    /// Versions of series.
    Versions of VersionRow {
        seq: i64, strand: Uuid, mark: Uuid, parent: Option<Uuid>, message: Uuid, content: Vec<u8>,
        record: String,
    }
);

rows!(
    /// Events.
    Events of EventRow {
        seq: i64, at: i64, message: Option<Uuid>, recipient: Option<Uuid>, what: String,
        detail: Option<String>, previous: Vec<u8>, hash: Vec<u8>,
    }
);

/// `INSERT INTO table (day, owner, …) SELECT $1, $2, … FROM unnest(…) k`.
fn insert(table: &str, columns: &[&str]) -> String {
    let names = columns.join(", ");
    let rows = unnest(columns, 3);
    format!("INSERT INTO {table} (day, owner, {names}) SELECT $1, $2, k.* FROM {rows}")
}

static BODIES: LazyLock<String> = LazyLock::new(|| {
    let (names, rows) = (Bodies::COLUMNS.join(", "), unnest(Bodies::COLUMNS, 2));
    format!("INSERT INTO body (day, {names}) SELECT $1, k.* FROM {rows}")
});
/// In the order of the hashes, as all that may wait for another broker's.
static EVIDENCE: LazyLock<String> = LazyLock::new(|| {
    format!("{} ORDER BY hash ON CONFLICT DO NOTHING", insert("evidence", Evidences::COLUMNS))
});
static MESSAGES: LazyLock<String> = LazyLock::new(|| insert("message", &plain(Messages::COLUMNS)));
static DOCUMENTS: LazyLock<String> = LazyLock::new(|| insert("document", Documents::COLUMNS));
static DUPLICATES: LazyLock<String> =
    LazyLock::new(|| format!("{} ORDER BY key", insert("duplicate_key", Duplicates::COLUMNS)));
static IDEMPOTENCY: LazyLock<String> =
    LazyLock::new(|| format!("{} ORDER BY key", insert("idempotency_key", Idempotency::COLUMNS)));
static ORIGINALS: LazyLock<String> = LazyLock::new(|| {
    let (names, rows) = (Originals::COLUMNS.join(", "), unnest(Originals::COLUMNS, 3));
    format!(
        "INSERT INTO original_key (day, owner, recipient_day, {names}) SELECT $1, $2, $1, k.* FROM {rows}
         ON CONFLICT DO NOTHING"
    )
});

/// In an order that is the same for all brokers, as all that may wait for another's.
static VERSIONS: LazyLock<String> = LazyLock::new(|| {
    format!("{} ORDER BY strand, mark ON CONFLICT DO NOTHING", insert("version", Versions::COLUMNS))
});

/// A recipient that is pending is whole there, and in its day's table a name and what never changes.
static RECIPIENTS: LazyLock<String> = LazyLock::new(|| {
    let all = Recipients::COLUMNS;
    let (kept, own) = all.split_at(all.len() - 4);
    let names = kept.join(", ");
    let cold: Vec<&str> = kept
        .iter()
        .map(|c| if *c == "state" { "CASE WHEN pending THEN 'pending' ELSE state END" } else { c })
        .collect();
    format!(
        "WITH k AS (SELECT k.* FROM {rows}),
         cold AS (INSERT INTO recipient (day, owner, {names}) SELECT $1, $2, {cold} FROM k)
         INSERT INTO pending (day, owner, {names}, {own}) SELECT $1, $2, {names}, {own} FROM k WHERE pending",
        rows = unnest(all, 3),
        cold = cold.join(", "),
        own = own[..3].join(", "),
    )
});

/// The columns of both tables that change.
const CHANGED: &[&str] = &[
    "destination",
    "state",
    "reason",
    "detail",
    "tries",
    "maybe_arrived",
    "receipt_deadline",
    "expires",
    "since",
];
const OWN: &[&str] = &["next_attempt", "due", "instance"];

fn set(columns: &[&str]) -> String {
    columns.iter().map(|c| format!("{c} = k.{c}")).collect::<Vec<_>>().join(", ")
}

/// Pending before and after.
static STAY: LazyLock<String> = LazyLock::new(|| {
    let set = set(&[CHANGED, OWN].concat());
    format!("UPDATE pending p SET {set} FROM {} WHERE p.id = k.id", unnest(Moves::COLUMNS, 1))
});

/// Not pending after: the row of its day, in this table, says again how it stands.
fn leave(table: &str) -> String {
    let (set, rows) = (set(CHANGED), unnest(Moves::COLUMNS, 1));
    format!(
        "WITH k AS MATERIALIZED (SELECT k.* FROM {rows}),
         gone AS (DELETE FROM pending p USING k WHERE p.id = k.id)
         UPDATE {table} r SET {set} FROM k WHERE r.day = k.day AND r.seq = k.seq"
    )
}

/// Pending again.
fn enter(table: &str) -> String {
    let facts = "day, seq, owner, id, message, message_day, book, receiver, kind, document, body_day, body, size, \
                 order_key, receipt_written, received, label";
    let qualified = facts.split(", ").map(|c| format!("r.{}", c.trim())).collect::<Vec<_>>().join(", ");
    let changed = [CHANGED, OWN].concat();
    let values = changed.iter().map(|c| format!("k.{c}")).collect::<Vec<_>>().join(", ");
    let (rows, changed) = (unnest(Moves::COLUMNS, 1), changed.join(", "));
    format!(
        "WITH k AS MATERIALIZED (SELECT k.* FROM {rows}),
         r AS (UPDATE {table} r SET state = 'pending' FROM k WHERE r.day = k.day AND r.seq = k.seq RETURNING r.*)
         INSERT INTO pending ({facts}, {changed}) SELECT {qualified}, {values} FROM r JOIN k ON k.id = r.id"
    )
}

/// A line's turn is taken from whoever has it and given to the oldest open one, unless one of the line is being
/// sent.
const TURNS: &str = "
WITH line AS MATERIALIZED (SELECT * FROM unnest($2, $3) AS l(destination, order_key)),
head AS MATERIALIZED (
    SELECT l.destination, l.order_key, h.id, h.next_attempt FROM line l CROSS JOIN LATERAL (
        SELECT p.id, p.next_attempt FROM pending p
        WHERE p.owner = $1 AND p.destination = l.destination AND p.order_key = l.order_key
            AND p.order_key IS NOT NULL AND p.state IN ('waiting', 'sending', 'unsure')
        ORDER BY p.seq LIMIT 1) h
    WHERE NOT EXISTS (
        SELECT 1 FROM pending s WHERE s.owner = $1 AND s.destination = l.destination
            AND s.order_key = l.order_key AND s.order_key IS NOT NULL
            AND s.state IN ('waiting', 'sending', 'unsure') AND s.state = 'sending')),
wrong AS MATERIALIZED (
    SELECT p.id, h.next_attempt AS due FROM head h JOIN pending p ON p.id = h.id
    UNION ALL
    SELECT p.id, NULL FROM line l JOIN pending p ON p.owner = $1 AND p.destination = l.destination
        AND p.order_key = l.order_key AND p.order_key IS NOT NULL
        AND p.state IN ('waiting', 'sending', 'unsure')
    WHERE p.due IS NOT NULL AND NOT EXISTS (SELECT 1 FROM head h WHERE h.id = p.id))
UPDATE pending p SET due = w.due FROM wrong w WHERE p.id = w.id AND p.due IS DISTINCT FROM w.due";

/// What a new judgement changes of a message; its bytes, and how it came, stay.
const JUDGED_AGAIN: &str = "UPDATE message SET sender = $3, msg_id = $4, document_id = $5, family = $6, \
    version = $7, type = $8, generated = $9, test = $10, verdict = $11, reason = $12, duplicate_of = $13, \
    provenance = $14, head = $15, findings = $16, explanation = $17, protection = $18 WHERE day = $1 AND seq = $2";

static EVENTS: LazyLock<String> = LazyLock::new(|| {
    let (names, rows) = (Events::COLUMNS.join(", "), unnest(Events::COLUMNS, 4));
    format!("INSERT INTO event (day, owner, chain, {names}) SELECT $1, $2, $3, k.* FROM {rows}")
});

const HEAD: &str = "UPDATE instance SET last_seq = $2, last_hash = $3 WHERE id = $1";

/// How many numbers an entry takes: for itself and its bytes, its documents and theirs, its recipients, its versions.
pub(super) fn numbers(entry: &Prepared) -> usize {
    1 + entry.documents.len() + entry.recipients.len() + entry.versions.len()
}

/// New rows of all tables.
#[derive(Default)]
struct NewRows {
    bodies: Bodies,
    evidence: Evidences,
    messages: Messages,
    documents: Documents,
    recipients: Recipients,
    originals: Originals,
    versions: Versions,
}

/// Where a batch is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) owner: &'p str,
    pub(super) instance: i64,
    pub(super) day: i32,
}

/// Adds what a batch adds.
pub(super) async fn add(
    connection: &mut PgConnection,
    place: Place<'_>,
    batch: &Batch<'_, At>,
    mut numbers: Vec<i64>,
    provenances: &HashMap<String, i64>,
) -> Result<(), Failure> {
    if batch.added.is_empty() {
        return Ok(());
    }
    let (day, owner) = (place.day, place.owner);
    let mut new = NewRows::default();
    for (entry, known) in &batch.added {
        let provenance = provenances.get(&entry.provenance).copied().unwrap_or_default();
        if let Some(at) = known {
            judge_again(connection, *at, entry, provenance).await?;
        }
        new.add(entry, *known, place, provenance, || numbers.pop().unwrap_or_default());
    }
    let head = |sql: &'static LazyLock<String>| sqlx::query(AssertSqlSafe(sql.as_str()));
    // What may have to wait for another broker first, in one order.
    if !batch.duplicates.is_empty() {
        let rows = batch
            .duplicates
            .iter()
            .map(|(k, message, hash)| DuplicateRow {
                key: key(&[&k.sender, &k.msg_id, &k.receiver]),
                seen: key(&[&k.sender, &k.msg_id]),
                receiver: text(&k.receiver),
                message: message.0,
                content_hash: hash.0.to_vec(),
            })
            .collect::<Duplicates>();
        rows.bind(head(&DUPLICATES).bind(day).bind(owner)).execute(&mut *connection).await?;
    }
    if !batch.idempotency.is_empty() {
        let rows = batch
            .idempotency
            .iter()
            .map(|(source, k, message, hash)| IdempotencyRow {
                key: key(&[source, k]),
                message: message.0,
                content_hash: hash.0.to_vec(),
            })
            .collect::<Idempotency>();
        rows.bind(head(&IDEMPOTENCY).bind(day).bind(owner)).execute(&mut *connection).await?;
    }
    let some = |columns: bool, query: Query<'static>| columns.then_some(query);
    let has_evidence = batch.added.iter().any(|(entry, _)| !entry.evidence.is_empty());
    let has_versions = batch.added.iter().any(|(entry, _)| !entry.versions.is_empty());
    let has_documents = batch.added.iter().any(|(entry, _)| !entry.documents.is_empty());
    let has_recipients = batch.added.iter().any(|(entry, _)| !entry.recipients.is_empty());
    let has_originals = batch.added.iter().any(|(entry, _)| entry.original_keys().next().is_some());
    let has_messages = batch.added.iter().any(|(_, known)| known.is_none());
    let owned = owner.to_owned();
    let queries = [
        some(has_evidence, new.evidence.bind(head(&EVIDENCE).bind(day).bind(owned.clone()))),
        some(has_versions, new.versions.bind(head(&VERSIONS).bind(day).bind(owned.clone()))),
        some(has_messages || has_documents, new.bodies.bind(head(&BODIES).bind(day))),
        some(has_messages, new.messages.bind(head(&MESSAGES).bind(day).bind(owned.clone()))),
        some(has_documents, new.documents.bind(head(&DOCUMENTS).bind(day).bind(owned.clone()))),
        some(has_recipients, new.recipients.bind(head(&RECIPIENTS).bind(day).bind(owned.clone()))),
        some(has_originals, new.originals.bind(head(&ORIGINALS).bind(day).bind(owned))),
    ];
    for query in queries.into_iter().flatten() {
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

impl NewRows {
    fn add(
        &mut self,
        entry: &Prepared,
        known: Option<At>,
        place: Place<'_>,
        provenance: i64,
        mut number: impl FnMut() -> i64,
    ) {
        let day = place.day;
        let message_day = known.map_or(day, |at| at.day);
        let own = known.map_or_else(&mut number, |at| at.seq);
        if known.is_none() {
            self.bodies.push(body(own, &entry.body));
            self.messages.push(message(own, entry, provenance));
        }
        for (hash, bytes) in &entry.evidence {
            let BodyRow { codec, size, bytes, .. } = body(0, bytes);
            self.evidence.push(EvidenceRow { hash: hash.0.to_vec(), codec, size, bytes });
        }
        for version in &entry.versions {
            self.versions.push(VersionRow {
                seq: number(),
                strand: version.strand,
                mark: version.mark,
                parent: version.parent,
                message: entry.id.0,
                content: version.content.to_vec(),
                record: text(&version.record),
            });
        }
        let mut documents = Vec::with_capacity(entry.documents.len());
        for document in &entry.documents {
            let seq = number();
            documents.push((seq, document));
            self.bodies.push(body(seq, &document.body));
            self.documents.push(DocumentRow {
                seq,
                id: document.id,
                message: entry.id.0,
                message_day,
                kind: document.kind.to_owned(),
                body: seq,
            });
        }
        for prepared in &entry.recipients {
            let seq = number();
            let document = prepared.document.and_then(|at| documents.get(at));
            let (body_day, body, size) =
                document.map_or((message_day, own, entry.body.size), |(seq, d)| (day, *seq, d.body.size));
            let row = RecipientRow {
                seq,
                message: entry.id.0,
                message_day,
                kind: document.map(|(_, d)| d.kind.to_owned()),
                document: document.map(|(_, d)| d.id),
                body_day,
                body,
                size: whole(size),
                received: entry.received.as_microsecond(),
                ..recipient(prepared, place.instance)
            };
            for key_of in &prepared.recipient.original_keys {
                self.originals.push(OriginalRow {
                    key: key(&[&key_of.id, &key_of.receiver]),
                    recipient: row.id,
                    seq,
                    message: entry.id.0,
                    generated: entry.message.generated,
                    receipt_written: row.receipt_written,
                });
            }
            self.recipients.push(row);
        }
    }
}

fn body(seq: i64, body: &Body) -> BodyRow {
    BodyRow { seq, codec: body.codec.to_owned(), size: whole(body.size), bytes: body.bytes.to_vec() }
}

fn message(seq: i64, entry: &Prepared, provenance: i64) -> MessageRow {
    let m = &entry.message;
    MessageRow {
        seq,
        id: entry.id.0,
        short: i64::try_from(records::short_bits(entry.id)).unwrap_or(0),
        received: entry.received.as_microsecond(),
        source: text(&entry.source),
        sender: maybe_text(m.sender.as_deref()),
        msg_id: maybe_text(m.msg_id.as_deref()),
        document_id: maybe_text(m.document_id.as_deref()),
        family: maybe_text(m.family),
        version: maybe_text(m.version.as_deref()),
        r#type: maybe_text(m.type_code.as_deref()),
        generated: m.generated,
        test: m.test,
        verdict: m.verdict.to_owned(),
        reason: maybe_text(m.reason),
        duplicate_of: m.duplicate_of.map(|id| id.0),
        size: whole(entry.body.size),
        content_hash: entry.content_hash.to_vec(),
        provenance,
        body: seq,
        envelope_receiver: entry.envelope_receiver.map(i64::from),
        envelope_sender: entry.envelope_sender.map(i64::from),
        head: maybe_text(m.head.as_deref()),
        findings: text(&m.findings),
        explanation: maybe_text(m.explanation.as_deref()),
        protection: maybe_text(m.protection.as_deref()),
        transport: maybe_text(entry.transport.as_deref()),
    }
}

/// What a recipient has of its own; where its bytes are is the caller's to say.
fn recipient(prepared: &PreparedRecipient, instance: i64) -> RecipientRow {
    let PreparedRecipient { recipient, standing, .. } = prepared;
    let to = recipient.destination.as_ref().map(|d| text(d.as_str()));
    let next_attempt = micros(standing.next_attempt);
    RecipientRow {
        seq: 0,
        id: recipient.id.0,
        message: Uuid::nil(),
        message_day: 0,
        book: records::book_name(recipient.book).to_owned(),
        receiver: recipient.receiver.map(|r| i64::from(r.0)),
        kind: None,
        document: None,
        body_day: 0,
        body: 0,
        size: 0,
        order_key: recipient.order_key.as_deref().map(order_key),
        receipt_written: recipient.receipt_written,
        received: 0,
        since: standing.since.as_microsecond(),
        state: standing.state.as_str().to_owned(),
        reason: standing.reason.map(|r| r.as_str().to_owned()),
        detail: maybe_text(standing.detail.as_deref()),
        tries: standing.tries.into(),
        maybe_arrived: standing.maybe_arrived,
        receipt_deadline: micros(standing.receipt_deadline),
        expires: micros(standing.expires),
        label: serde_json::to_string(&recipient.label).ok().as_deref().map(text),
        next_attempt,
        due: next_attempt.filter(|_| can_be_due(standing, to.is_some(), recipient.order_key.is_some())),
        instance: sender(standing, instance),
        pending: is_pending(standing),
        destination: to,
    }
}

/// True while a loop or a timer has to do with it.
fn is_pending(standing: &Standing) -> bool {
    let awaits = standing.state == State::HandedOver && standing.receipt_deadline.is_some();
    standing.state.is_open() || awaits
}

/// The broker that is sending it.
fn sender(standing: &Standing, instance: i64) -> Option<i64> {
    (standing.state == State::Sending).then_some(instance)
}

/// A recipient with an order key is due when its turn comes, and that is told by its whole line.
fn can_be_due(standing: &Standing, goes_somewhere: bool, in_line: bool) -> bool {
    standing.is_claimable() && goes_somewhere && !in_line
}

async fn judge_again(
    connection: &mut PgConnection,
    at: At,
    entry: &Prepared,
    provenance: i64,
) -> Result<(), Failure> {
    let m = message(at.seq, entry, provenance);
    sqlx::query(JUDGED_AGAIN)
        .bind(at.day)
        .bind(at.seq)
        .bind(m.sender)
        .bind(m.msg_id)
        .bind(m.document_id)
        .bind(m.family)
        .bind(m.version)
        .bind(m.r#type)
        .bind(m.generated)
        .bind(m.test)
        .bind(m.verdict)
        .bind(m.reason)
        .bind(m.duplicate_of)
        .bind(m.provenance)
        .bind(m.head)
        .bind(m.findings)
        .bind(m.explanation)
        .bind(m.protection)
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes down what has moved since this was last called, and whose turn it is in these lines.
pub(super) async fn change(
    connection: &mut PgConnection,
    place: Place<'_>,
    recipients: &mut HashMap<RecipientId, Loaded<At>>,
    lines: &BTreeSet<Line>,
) -> Result<(), Failure> {
    let mut stay = BTreeMap::new();
    let (mut gone, mut come) = (BTreeMap::<_, BTreeMap<_, _>>::new(), BTreeMap::<_, BTreeMap<_, _>>::new());
    for (id, loaded) in recipients.iter_mut().filter(|(_, loaded)| loaded.moved) {
        loaded.moved = false;
        let pending = is_pending(&loaded.standing);
        let rows = match (loaded.at.pending, pending) {
            (true, true) => &mut stay,
            (_, false) => gone.entry(loaded.at.day).or_default(),
            (false, true) => come.entry(loaded.at.day).or_default(),
        };
        rows.insert(loaded.at.seq, moved(*id, loaded, place.instance));
        loaded.at.pending = pending;
    }
    if !stay.is_empty() {
        let rows: Moves = stay.into_values().collect();
        rows.bind(sqlx::query(AssertSqlSafe(STAY.as_str()))).execute(&mut *connection).await?;
    }
    for (sql, rows) in [(leave as fn(&str) -> String, gone), (enter, come)] {
        for (day, rows) in rows {
            let query = sqlx::query(AssertSqlSafe(sql(&schema::table("recipient", day))));
            rows.into_values().collect::<Moves>().bind(query).execute(&mut *connection).await?;
        }
    }
    if !lines.is_empty() {
        let (to, keys): (Vec<String>, Vec<String>) = lines.iter().map(|(to, key)| line(to, key)).unzip();
        sqlx::query(TURNS).bind(place.owner).bind(to).bind(keys).execute(&mut *connection).await?;
    }
    Ok(())
}

fn moved(id: RecipientId, loaded: &Loaded<At>, instance: i64) -> MoveRow {
    let standing = &loaded.standing;
    let next_attempt = micros(standing.next_attempt);
    let can_be_due = can_be_due(standing, loaded.destination.is_some(), loaded.order_key.is_some());
    MoveRow {
        day: loaded.at.day,
        seq: loaded.at.seq,
        id: id.0,
        destination: maybe_text(loaded.destination.as_deref()),
        state: standing.state.as_str().to_owned(),
        reason: standing.reason.map(|r| r.as_str().to_owned()),
        detail: maybe_text(standing.detail.as_deref()),
        tries: standing.tries.into(),
        maybe_arrived: standing.maybe_arrived,
        receipt_deadline: micros(standing.receipt_deadline),
        expires: micros(standing.expires),
        since: standing.since.as_microsecond(),
        next_attempt,
        due: next_attempt.filter(|_| can_be_due),
        instance: sender(standing, instance),
    }
}

/// Appends the events and moves the end of the chain.
pub(super) async fn tell(
    connection: &mut PgConnection,
    place: Place<'_>,
    head: Head,
    events: Vec<Chained>,
) -> Result<(), Failure> {
    if events.is_empty() {
        return Ok(());
    }
    let rows: Events = events
        .into_iter()
        .map(|Chained { event, previous, hash }| EventRow {
            seq: i64::try_from(event.sequence).unwrap_or(i64::MAX),
            at: event.at.as_microsecond(),
            message: event.message.map(|m| m.0),
            recipient: event.recipient.map(|r| r.0),
            what: event.what,
            detail: event.detail,
            previous: previous.to_vec(),
            hash: hash.to_vec(),
        })
        .collect();
    let query = sqlx::query(AssertSqlSafe(EVENTS.as_str()));
    rows.bind(query.bind(place.day).bind(place.owner).bind(place.instance)).execute(&mut *connection).await?;
    sqlx::query(HEAD)
        .bind(place.instance)
        .bind(i64::try_from(head.sequence).unwrap_or(i64::MAX))
        .bind(head.link.as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Names of columns without the mark by which the language tells them from its own words.
fn plain(columns: &'static [&'static str]) -> Vec<&'static str> {
    columns.iter().map(|c| c.strip_prefix("r#").unwrap_or(c)).collect()
}

const PROVENANCE: &str = "INSERT INTO provenance (owner, hash, record) VALUES ($1, $2, $3)
    ON CONFLICT (owner, hash) DO UPDATE SET record = provenance.record RETURNING seq";

/// The number of a provenance, whoever wrote it first.
pub(super) async fn provenance(
    connection: &mut PgConnection,
    owner: &str,
    record: &str,
) -> Result<i64, Failure> {
    let hash = ContentHash::of(record.as_bytes());
    let query = sqlx::query_scalar(PROVENANCE).bind(owner).bind(hash.0.as_slice()).bind(text(record));
    Ok(query.fetch_one(connection).await?)
}
