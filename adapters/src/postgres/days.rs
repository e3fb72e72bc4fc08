//! The days of the journal: their tables are made ahead, and dropped when they are old and nothing in them is open.

use super::failure::Failure;
use super::schema;
use crate::records;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::time::Duration;

/// How long rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Messages and all that belongs to them.
    pub messages: Duration,
    /// Keys by which repeats and receipts are recognised.
    pub keys: Duration,
}

/// `Buds` and a number; one broker at a time.
const DROPPING: i64 = 0x4275_6473_0000_0003;

/// The tables of a day. Evidence of a day may serve the first messages of the next: it goes a day later.
const OF_A_DAY: &[&str] = &["body", "message", "document", "recipient", "event"];

/// Keys are taken out in portions, so that no transaction is long.
const PORTION: i64 = 5_000;

/// Days that are old enough, the oldest first.
const OLD: &str = "SELECT day FROM (
    SELECT to_date(substring(c.relname from 7), 'YYYYMMDD') - date '1970-01-01' AS day
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'event'::regclass) d
    WHERE day < today() - $1 ORDER BY day";

/// Somebody has still to do with a message or a recipient of this day: a loop, a timer, or a person.
const IN_USE: &str =
    "SELECT EXISTS (SELECT 1 FROM pending WHERE day = $1 OR message_day = $1 OR body_day = $1)
    OR EXISTS (SELECT 1 FROM recipient WHERE day = $1 AND aside = 'parked')
    OR EXISTS (SELECT 1 FROM recipient WHERE day > $1 AND message_day = $1 AND aside = 'parked')";

/// Each chain's part of a day. A day is a whole run of each chain: numbers and days grow together.
const REMEMBER: &str = "INSERT INTO dropped (day, chain, first_seq, last_seq, previous, hash)
    SELECT $1, c.chain, c.first_seq, c.last_seq, f.previous, l.hash
    FROM (SELECT chain, min(seq) AS first_seq, max(seq) AS last_seq FROM event WHERE day = $1 GROUP BY chain) c
    JOIN event f ON f.day = $1 AND f.chain = c.chain AND f.seq = c.first_seq
    JOIN event l ON l.day = $1 AND l.chain = c.chain AND l.seq = c.last_seq";

/// What a round of clearing out has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Days that were dropped.
    pub days: usize,
    /// Days that are old enough, but something in them is open.
    pub held: usize,
    /// Keys that were taken out.
    pub keys: u64,
}

/// Drops what is old. Days are counted by the server's clock.
pub(super) async fn clear(connection: &mut PgConnection, keep: Keep) -> Result<Cleared, Failure> {
    let mut cleared = Cleared::default();
    let days: Vec<i32> =
        sqlx::query_scalar(OLD).bind(whole_days(keep.messages)).fetch_all(&mut *connection).await?;
    for day in days {
        match drop_day(connection, day).await {
            Ok(true) => cleared.days += 1,
            Ok(false) => cleared.held += 1,
            // Somebody reads it; the next round comes.
            Err(failure) if failure.again => cleared.held += 1,
            Err(failure) => return Err(failure),
        }
    }
    for table in ["duplicate_key", "original_key", "idempotency_key"] {
        let sql = format!(
            "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE day < today() - $1 LIMIT $2))"
        );
        loop {
            let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(whole_days(keep.keys)).bind(PORTION);
            let gone = query.execute(&mut *connection).await?.rows_affected();
            cleared.keys += gone;
            if gone == 0 {
                break;
            }
        }
    }
    Ok(cleared)
}

/// Drops one day; false if something in it is open. While its tables are locked, nothing in it can begin to be.
async fn drop_day(connection: &mut PgConnection, day: i32) -> Result<bool, Failure> {
    let mut tx = connection.begin().await?;
    // Whoever wants to write waits behind this wait: it is short, and tried again.
    sqlx::raw_sql("SET LOCAL lock_timeout = '1s'").execute(&mut *tx).await?;
    let first: bool =
        sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)").bind(DROPPING).fetch_one(&mut *tx).await?;
    if !first || sqlx::query_scalar(IN_USE).bind(day).fetch_one(&mut *tx).await? {
        return Ok(false);
    }
    let tables: Vec<String> = OF_A_DAY.iter().map(|parent| schema::table(parent, day)).collect();
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "));
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *tx).await?;
    // A replay may have been faster than the lock.
    if sqlx::query_scalar(IN_USE).bind(day).fetch_one(&mut *tx).await? {
        return Ok(false);
    }
    sqlx::query(REMEMBER).bind(day).execute(&mut *tx).await?;
    let evidence = schema::table("evidence", day - 1);
    let drop = format!("DROP TABLE {}; DROP TABLE IF EXISTS {evidence}", tables.join(", "));
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(true)
}

/// What the event says of a round.
pub(super) fn told(cleared: Cleared, keep: Keep, now: Timestamp) -> String {
    let Cleared { days, held, keys } = cleared;
    let before = now.checked_sub(keep.messages).unwrap_or(Timestamp::MIN);
    records::bounded(&format!(
        "{days} days from before {} dropped, {held} held by what is open, {keys} keys",
        before.strftime("%Y-%m-%d")
    ))
}

fn whole_days(time: Duration) -> i32 {
    i32::try_from(time.as_secs().div_ceil(86_400)).unwrap_or(i32::MAX / 2)
}

/// Makes the tables of the next days.
pub(super) async fn ahead(connection: &mut PgConnection) -> Result<(), Failure> {
    schema::make_days(connection).await
}
