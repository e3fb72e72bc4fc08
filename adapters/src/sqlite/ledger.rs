//! The books, and the chain of events.

use super::columns::uuid;
use super::failure::{sort, unreadable};
use super::find::event;
use super::read::Reader;
use crate::chain;
use crate::records;
use broker_core::journal::{Balance, Book, Ledger, RecipientId};
use broker_core::ports::StoreError;
use sqlx::Row as _;

/// Accepted recipients, from the events alone, by book.
const ACCEPTED: &str = "SELECT detail, count(DISTINCT recipient) FROM event INDEXED BY event_accepted
    WHERE owner = $1 AND what = 'accepted' GROUP BY detail";

const STATES: &str = "SELECT book, state, count(*) FROM recipient WHERE owner = $1 GROUP BY book, state";

/// Both walks go through two indexes in the same order, that of the ids.
const MISSING: &str = "SELECT e.detail, e.recipient FROM event e INDEXED BY event_accepted
    WHERE e.owner = $1 AND e.what = 'accepted' AND NOT EXISTS (
        SELECT 1 FROM recipient r WHERE r.id = e.recipient AND r.book = e.detail AND r.owner = $1)";

const UNEXPLAINED: &str = "SELECT r.book, r.id FROM recipient r WHERE r.owner = $1 AND NOT EXISTS (
        SELECT 1 FROM event e INDEXED BY event_accepted
        WHERE e.owner = $1 AND e.what = 'accepted' AND e.recipient = r.id AND e.detail = r.book)";

/// Counts both books, by id, as they stood at one moment.
pub(super) async fn ledger(from: &Reader) -> Result<Ledger, StoreError> {
    let mut tx = from.pool.begin().await.map_err(sort)?;
    let empty = || Balance { states: records::no_states(), ..Balance::default() };
    let mut ledger = Ledger { messages: empty(), receipts: empty() };
    for row in sqlx::query(ACCEPTED).bind(&*from.owner).fetch_all(&mut *tx).await.map_err(sort)? {
        balance(&mut ledger, row.try_get(0).map_err(sort)?)?.accepted = count(row.try_get(1).map_err(sort)?);
    }
    for row in sqlx::query(STATES).bind(&*from.owner).fetch_all(&mut *tx).await.map_err(sort)? {
        let states = &mut balance(&mut ledger, row.try_get(0).map_err(sort)?)?.states;
        states.insert(row.try_get(1).map_err(sort)?, count(row.try_get(2).map_err(sort)?));
    }
    for row in sqlx::query(MISSING).bind(&*from.owner).fetch_all(&mut *tx).await.map_err(sort)? {
        let id = RecipientId(uuid(row.try_get(1).map_err(sort)?)?);
        balance(&mut ledger, row.try_get(0).map_err(sort)?)?.missing.push(id);
    }
    for row in sqlx::query(UNEXPLAINED).bind(&*from.owner).fetch_all(&mut *tx).await.map_err(sort)? {
        let id = RecipientId(uuid(row.try_get(1).map_err(sort)?)?);
        balance(&mut ledger, row.try_get(0).map_err(sort)?)?.unexplained.push(id);
    }
    Ok(ledger)
}

fn balance<'l>(ledger: &'l mut Ledger, book: &str) -> Result<&'l mut Balance, StoreError> {
    match records::book_of(book).ok_or_else(|| unreadable("a book"))? {
        Book::Message => Ok(&mut ledger.messages),
        Book::Receipt => Ok(&mut ledger.receipts),
    }
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}

/// Events that are read at a time: no read lasts long, however many there are.
const PORTION: i64 = 10_000;

const LINKS: &str = "SELECT seq, at, message, recipient, what, detail, previous, hash, owner FROM event
    WHERE seq >= $1 ORDER BY seq LIMIT $2";

/// The number of the first event that is not as it was written, or of the first that is not there.
pub(super) async fn broken_link(from: &Reader) -> Result<Option<u64>, StoreError> {
    let mut previous = chain::START;
    let mut expected = 1u64;
    loop {
        let rows = sqlx::query(LINKS)
            .bind(i64::try_from(expected).unwrap_or(i64::MAX))
            .bind(PORTION)
            .fetch_all(&from.pool)
            .await
            .map_err(sort)?;
        if rows.is_empty() {
            return Ok(None);
        }
        for row in &rows {
            let link = match event(row) {
                Ok(event) if event.sequence == expected => {
                    chain::link(&previous, row.try_get(8).map_err(sort)?, &event)
                }
                Ok(_) | Err(_) => return Ok(Some(expected)),
            };
            let stored: (&[u8], &[u8]) = (row.try_get(6).map_err(sort)?, row.try_get(7).map_err(sort)?);
            if stored != (&previous[..], &link[..]) {
                return Ok(Some(expected));
            }
            previous = link;
            expected += 1;
        }
    }
}

/// The statements that must not walk through a table, for the test of their plans; the books themselves are
/// such a walk.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[LINKS];
