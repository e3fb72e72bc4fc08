//! What a transaction reads before it decides: the ends of the tables, and all that its batch asks about.

use super::columns::{content_hash, json, message_id, recipient_id, state, time};
use super::failure::{sort, unreadable};
use super::rows::{hex, recipient_hex};
use crate::journal::batch::{Found, Head, Loaded, Wanted};
use crate::standing::Standing;
use broker_core::journal::{DuplicateKey, RecipientId};
use broker_core::ports::StoreError;
use dead_letter::Reason;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use std::collections::HashMap;

/// The last numbers given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbers {
    pub(super) message: i64,
    pub(super) body: i64,
    pub(super) document: i64,
    pub(super) recipient: i64,
    pub(super) provenance: i64,
}

/// The last numbers, the provenances with theirs, the end of the chain, and what was found.
type Begun = (Numbers, HashMap<String, i64>, Head, Found<i64>);

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
) -> Result<Begun, StoreError> {
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
    let mut begun = (Numbers::default(), HashMap::new(), Head::START, Found::default());
    for row in &rows {
        read(&mut begun, row)?;
    }
    Ok(begun)
}

fn read(begun: &mut Begun, row: &SqliteRow) -> Result<(), StoreError> {
    let (numbers, provenances, head, found) = begun;
    match row.try_get::<&str, _>(0).map_err(sort)? {
        "heads" => {
            let event: i64 = row.try_get(6).map_err(sort)?;
            *numbers = Numbers {
                message: row.try_get(1).map_err(sort)?,
                body: row.try_get(2).map_err(sort)?,
                document: row.try_get(3).map_err(sort)?,
                recipient: row.try_get(4).map_err(sort)?,
                provenance: row.try_get(5).map_err(sort)?,
            };
            if let Some(link) = row.try_get::<Option<&[u8]>, _>(7).map_err(sort)? {
                *head = Head {
                    sequence: u64::try_from(event).map_err(|_| unreadable("the number of an event"))?,
                    link: link.try_into().map_err(|_| unreadable("the hash of an event"))?,
                };
            }
        }
        "message" => {
            let known = (content_hash(row, 2)?, Some(row.try_get(3).map_err(sort)?));
            found.messages.insert(message_id(row, 1)?, known);
        }
        "idempotency" => {
            let key = (row.try_get(1).map_err(sort)?, row.try_get(2).map_err(sort)?);
            found.idempotency.insert(key, (message_id(row, 3)?, content_hash(row, 4)?));
        }
        "duplicate" => {
            found.duplicates.insert(DuplicateKey {
                sender: row.try_get(1).map_err(sort)?,
                msg_id: row.try_get(2).map_err(sort)?,
                receiver: row.try_get(3).map_err(sort)?,
            });
        }
        "provenance" => {
            provenances.insert(row.try_get(2).map_err(sort)?, row.try_get(1).map_err(sort)?);
        }
        "recipient" => {
            let (id, loaded) = recipient(row)?;
            found.recipients.entry(id).or_insert(loaded);
        }
        _ => return Err(unreadable("a row of the journal")),
    }
    Ok(())
}

/// A recipient from columns 1 to 14 of the statements above.
pub(super) fn recipient(row: &SqliteRow) -> Result<(RecipientId, Loaded<i64>), StoreError> {
    let reason: Option<&str> = row.try_get(7).map_err(sort)?;
    let loaded = Loaded {
        at: row.try_get(1).map_err(sort)?,
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

/// For the test of the plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[BEGIN];
