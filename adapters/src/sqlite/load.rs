//! What a transaction reads before it decides: the ends of the tables, and all that its batch asks about.

use super::columns::{content_hash, json, message_id, recipient_id, state, time};
use super::failure::{sort, unreadable};
use super::rows::{hex, recipient_hex};
use crate::chain::{self, Link};
use crate::standing::Standing;
use broker_core::ContentHash;
use broker_core::journal::{DuplicateKey, RecipientId};
use broker_core::ports::StoreError;
use dead_letter::Reason;
use message_schemas::MessageId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What a batch asks about.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) messages: Vec<MessageId>,
    pub(super) idempotency: Vec<(String, String)>,
    pub(super) duplicates: Vec<DuplicateKey>,
    pub(super) provenances: BTreeSet<String>,
    pub(super) recipients: BTreeSet<RecipientId>,
}

/// What was found of it.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) heads: Heads,
    /// With their numbers.
    pub(super) messages: HashMap<MessageId, (ContentHash, i64)>,
    pub(super) idempotency: HashMap<(String, String), (MessageId, ContentHash)>,
    pub(super) duplicates: HashSet<DuplicateKey>,
    pub(super) provenances: HashMap<String, i64>,
    pub(super) recipients: HashMap<RecipientId, Loaded>,
}

/// The last numbers given, and the last link of the chain.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heads {
    pub(super) message: i64,
    pub(super) body: i64,
    pub(super) document: i64,
    pub(super) recipient: i64,
    pub(super) provenance: i64,
    pub(super) event: u64,
    pub(super) link: Link,
}

/// A recipient as the transaction found it and as it will leave it.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) seq: i64,
    pub(super) message: MessageId,
    pub(super) destination: Option<String>,
    pub(super) order_key: Option<String>,
    pub(super) standing: Standing,
    pub(super) moved: bool,
}

/// Begins, and reads what is asked about. The first column says of what each row is.
const BEGIN: &str = "
BEGIN IMMEDIATE;
SELECT 'heads', coalesce((SELECT max(seq) FROM message), 0), coalesce((SELECT max(seq) FROM body), 0),
    coalesce((SELECT max(seq) FROM document), 0), coalesce((SELECT max(seq) FROM recipient), 0),
    coalesce((SELECT max(seq) FROM provenance), 0), coalesce((SELECT max(seq) FROM event), 0),
    (SELECT hash FROM event ORDER BY seq DESC LIMIT 1);
SELECT 'message', m.id, m.content_hash, m.seq FROM json_each($1) k CROSS JOIN message m ON m.id = unhex(k.value);
SELECT 'idempotency', i.source, i.key, i.message, i.content_hash FROM json_each($2) k
    CROSS JOIN idempotency_key i ON i.owner = $6 AND i.source = k.value->>0 AND i.key = k.value->>1;
SELECT 'duplicate', d.sender, d.msg_id, d.receiver FROM json_each($3) k CROSS JOIN duplicate_key d
    ON d.owner = $6 AND d.sender = k.value->>0 AND d.msg_id = k.value->>1 AND d.receiver = k.value->>2;
SELECT 'provenance', p.seq, p.record FROM json_each($4) k
    CROSS JOIN provenance p ON p.owner = $6 AND p.record = k.value;
SELECT 'recipient', r.seq, r.id, m.id, r.destination, r.order_key, r.state, r.reason, r.detail, r.tries,
    r.maybe_arrived, r.next_attempt, r.receipt_deadline, r.expires, r.since
    FROM json_each($5) k CROSS JOIN recipient r ON r.id = unhex(k.value) AND r.owner = $6
    CROSS JOIN message m ON m.seq = r.message;
";

/// Begins a transaction with the write lock, and reads what a batch asks about.
pub(super) async fn begin(
    connection: &mut SqliteConnection,
    owner: &str,
    wanted: &Wanted,
) -> Result<Found, StoreError> {
    let rows = sqlx::query(BEGIN)
        .bind(json(&wanted.messages.iter().map(|m| hex(m.0)).collect::<Vec<_>>())?)
        .bind(json(&wanted.idempotency)?)
        .bind(json(
            &wanted.duplicates.iter().map(|k| (&k.sender, &k.msg_id, &k.receiver)).collect::<Vec<_>>(),
        )?)
        .bind(json(&wanted.provenances)?)
        .bind(json(&wanted.recipients.iter().map(|r| recipient_hex(*r)).collect::<Vec<_>>())?)
        .bind(owner)
        .fetch_all(connection)
        .await
        .map_err(sort)?;
    let mut found = Found::default();
    for row in &rows {
        found.read(row)?;
    }
    Ok(found)
}

impl Found {
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
                let known = (content_hash(row, 2)?, row.try_get(3).map_err(sort)?);
                self.messages.insert(message_id(row, 1)?, known);
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
}

impl Loaded {
    /// Columns 1 to 14 of the statements above.
    pub(super) fn read(row: &SqliteRow) -> Result<(RecipientId, Self), StoreError> {
        let reason: Option<&str> = row.try_get(7).map_err(sort)?;
        let loaded = Self {
            seq: row.try_get(1).map_err(sort)?,
            message: message_id(row, 3)?,
            destination: row.try_get(4).map_err(sort)?,
            order_key: row.try_get(5).map_err(sort)?,
            standing: Standing {
                state: state(row, 6)?,
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
        Ok((recipient_id(row, 2)?, loaded))
    }
}

/// For the test of the plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[BEGIN];
