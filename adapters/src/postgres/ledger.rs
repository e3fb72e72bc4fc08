//! The books, and the chains of events.
//!
//! What a transaction takes in has one day, recipients and the events that accepted them alike. So the books are kept by
//! the day, each in one statement, and no reading lasts long however much the journal holds.

use super::failure::{Failure, unreadable};
use super::find::event;
use super::read::Reader;
use crate::chain::{self, Link};
use crate::records;
use broker_core::journal::{Balance, Book, Ledger, RecipientId};
use broker_core::ports::StoreError;
use sqlx::Row as _;
use uuid::Uuid;

/// The days whose tables there are, as numbers.
const DAY_NUMBERS: &str = "SELECT to_date(substring(c.relname from 7), 'YYYYMMDD') - date '1970-01-01'
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'event'::regclass ORDER BY 1";

/// One day: what was accepted, by the events alone; what stands in each state; what is missing, and what was never
/// accepted.
const DAY: &str = "
WITH accepted AS MATERIALIZED (
    SELECT DISTINCT recipient AS id, detail AS book FROM event
    WHERE owner = $1 AND day = $2 AND what = 'accepted'),
kept AS MATERIALIZED (SELECT id, book, state FROM recipient WHERE owner = $1 AND day = $2),
open AS MATERIALIZED (SELECT id, book, state FROM pending WHERE owner = $1 AND day = $2)
SELECT 'accepted', book, NULL, count(*), NULL::uuid FROM accepted GROUP BY book
UNION ALL SELECT 'state', book, state, count(*), NULL FROM kept WHERE state <> 'pending' GROUP BY book, state
UNION ALL SELECT 'state', book, state, count(*), NULL FROM open GROUP BY book, state
UNION ALL SELECT 'missing', a.book, NULL, 1, a.id FROM accepted a LEFT JOIN kept k USING (id, book)
    LEFT JOIN open o USING (id, book)
    WHERE k.id IS NULL OR (k.state = 'pending') <> (o.id IS NOT NULL)
UNION ALL SELECT 'unexplained', k.book, NULL, 1, k.id FROM kept k LEFT JOIN accepted a USING (id, book)
    WHERE a.id IS NULL
UNION ALL SELECT 'unexplained', o.book, NULL, 1, o.id FROM open o LEFT JOIN kept k USING (id, book)
    WHERE k.id IS NULL";

/// Counts both books, by id.
pub(super) async fn ledger(from: &Reader) -> Result<Ledger, Failure> {
    let empty = || Balance { states: records::no_states(), ..Balance::default() };
    let mut ledger = Ledger { messages: empty(), receipts: empty() };
    let days: Vec<i32> = sqlx::query_scalar(DAY_NUMBERS).fetch_all(&from.pool).await?;
    for day in days {
        for row in sqlx::query(DAY).bind(&*from.owner).bind(day).fetch_all(&from.pool).await? {
            let balance = match records::book_of(row.try_get(1)?).ok_or_else(|| unreadable("a book"))? {
                Book::Message => &mut ledger.messages,
                Book::Receipt => &mut ledger.receipts,
            };
            let number = u64::try_from(row.try_get::<i64, _>(3)?).unwrap_or(0);
            let id = row.try_get::<Option<Uuid>, _>(4)?.map(RecipientId);
            match row.try_get::<&str, _>(0)? {
                "accepted" => balance.accepted += number,
                "state" => {
                    *balance.states.entry(row.try_get(2)?).or_default() += number;
                }
                "missing" => balance.missing.extend(id),
                _ => balance.unexplained.extend(id),
            }
        }
    }
    Ok(ledger)
}

/// Events that are read at a time: no read lasts long, however many there are.
const PORTION: i64 = 10_000;

const CHAINS: &str = "SELECT id, last_seq, last_hash FROM instance ORDER BY id";

const LINKS: &str = "SELECT seq, at, message, recipient, what, detail, previous, hash, owner FROM event
    WHERE chain = $1 AND seq >= $2 ORDER BY seq LIMIT $3";

const DROPPED: &str = "SELECT last_seq, previous, hash FROM dropped WHERE chain = $1 AND first_seq = $2";

/// The number, in its chain, of the first event that is not as it was written, or of the first that is not there.
pub(super) async fn broken_link(from: &Reader) -> Result<Option<u64>, Failure> {
    for row in sqlx::query(CHAINS).fetch_all(&from.pool).await? {
        let (chain, last): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let end: Vec<u8> = row.try_get(2)?;
        if let Some(broken) = broken_in(from, chain, last, &end).await? {
            tracing::error!(chain, broken, "The chain of events {chain} is broken at {broken}.");
            return Ok(Some(broken));
        }
    }
    Ok(None)
}

/// As [`broken_link`], in one chain, up to the end that it had.
async fn broken_in(from: &Reader, chain: i64, last: i64, end: &[u8]) -> Result<Option<u64>, Failure> {
    let mut previous = chain::START;
    let mut expected = 1i64;
    while expected <= last {
        let number = u64::try_from(expected).unwrap_or_default();
        let rows = sqlx::query(LINKS).bind(chain).bind(expected).bind(PORTION).fetch_all(&from.pool).await?;
        let here = rows.first().map(|row| row.try_get::<i64, _>(0)).transpose()? == Some(expected);
        if !here {
            match dropped(from, chain, expected, &previous).await? {
                Some((after, hash)) => {
                    (expected, previous) = (after + 1, hash);
                    continue;
                }
                None => return Ok(Some(number)),
            }
        }
        for row in &rows {
            if row.try_get::<i64, _>(0)? != expected {
                break;
            }
            let number = u64::try_from(expected).unwrap_or_default();
            let link = match event(row) {
                Ok(event) => chain::link(&previous, row.try_get(8)?, &event),
                Err(Failure { error: StoreError::Damaged(_), .. }) => return Ok(Some(number)),
                Err(failure) => return Err(failure),
            };
            let stored: (&[u8], &[u8]) = (row.try_get(6)?, row.try_get(7)?);
            if stored != (&previous[..], &link[..]) || (expected == last && end != link) {
                return Ok(Some(number));
            }
            (previous, expected) = (link, expected + 1);
        }
    }
    Ok(None)
}

/// The part of a chain that went with a dropped day, if it follows on what was before: its last number and hash.
async fn dropped(
    from: &Reader,
    chain: i64,
    first: i64,
    previous: &Link,
) -> Result<Option<(i64, Link)>, Failure> {
    let row = sqlx::query(DROPPED).bind(chain).bind(first).fetch_optional(&from.pool).await?;
    let Some(row) = row else { return Ok(None) };
    let (before, hash): (&[u8], &[u8]) = (row.try_get(1)?, row.try_get(2)?);
    let hash = hash.try_into().map_err(|_| unreadable("the hash of an event"))?;
    Ok((before == previous).then_some((row.try_get(0)?, hash)))
}
