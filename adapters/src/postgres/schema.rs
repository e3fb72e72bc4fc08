//! The schema and its versions, and the tables of the days.
//!
//! Versions are numbered from 1 without gaps; each is one file in `adapters/migrations/postgres/` that is never edited once
//! released, and only adds: brokers of the version before go on working during the change. They are applied under a lock,
//! by whichever broker starts first. A journal with a number that this program does not know was written by a newer
//! one, and is not touched.

use super::failure::Failure;
use broker_core::ports::StoreError;
use jiff::SignedDuration;
use jiff::civil::Date;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// All versions: number, name, statements.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "journal", include_str!("../../migrations/postgres/0001_journal.sql")),
    (2, "series", include_str!("../../migrations/postgres/0002_series.sql")),
    (3, "fewer entries", include_str!("../../migrations/postgres/0003_fewer_entries.sql")),
    (4, "discarded", include_str!("../../migrations/postgres/0004_discarded.sql")),
    (5, "unnamed", include_str!("../../migrations/postgres/0005_unnamed.sql")),
];

/// The newest version that this program knows.
const KNOWN: i64 = MIGRATIONS.len() as i64;

/// `Buds` and a number: locks of ours among those of others in the same database.
const MIGRATING: i64 = 0x4275_6473_0000_0001;
const MAKING_DAYS: i64 = 0x4275_6473_0000_0002;

/// Tables are made so many days ahead of today.
const AHEAD: i32 = 2;

/// The name of the table that holds a day of `parent`. Days are counted from 1970-01-01.
pub(super) fn table(parent: &str, day: i32) -> String {
    let date = Date::constant(1970, 1, 1).saturating_add(SignedDuration::from_hours(24 * i64::from(day)));
    format!("{parent}_{}", date.strftime("%Y%m%d"))
}

/// Brings a journal to the newest version. Whoever comes second waits, and finds it done.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<(), Failure> {
    let mut tx = connection.begin().await?;
    // A version may take longer than a statement of every day, and so may the wait for another broker's.
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'")
        .execute(&mut *tx)
        .await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATING).execute(&mut *tx).await?;
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS schema
         (number bigint PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())",
    )
    .execute(&mut *tx)
    .await?;
    let found = number(&mut tx).await?;
    refuse_newer(found)?;
    for (number, name, statements) in MIGRATIONS.iter().filter(|(number, _, _)| *number > found) {
        sqlx::raw_sql(AssertSqlSafe(*statements)).execute(&mut *tx).await?;
        sqlx::query("INSERT INTO schema (number, name) VALUES ($1, $2)")
            .bind(number)
            .bind(*name)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    make_days(connection).await
}

/// Makes sure that the tables of today and the next days are there; one broker at a time.
pub(super) async fn make_days(connection: &mut PgConnection) -> Result<(), Failure> {
    let missing: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM generate_series(0, $1) ahead
         WHERE to_regclass('event_' || to_char(date '1970-01-01' + today() + ahead, 'YYYYMMDD')) IS NULL)",
    )
    .bind(AHEAD)
    .fetch_one(&mut *connection)
    .await?;
    if !missing {
        return Ok(());
    }
    let mut tx = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MAKING_DAYS).execute(&mut *tx).await?;
    sqlx::query("SELECT make_day(today() + ahead) FROM generate_series(0, $1) ahead")
        .bind(AHEAD)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// Makes sure that a journal that is only read or administered has exactly our version.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), Failure> {
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass('schema') IS NOT NULL AND to_regclass('pending') IS NOT NULL")
            .fetch_one(&mut *connection)
            .await?;
    if !there {
        let why = "there is no journal in this database; it is made when the broker first runs";
        return Err(StoreError::Unavailable(why.to_owned()).into());
    }
    let found = number(connection).await?;
    refuse_newer(found)?;
    if found < KNOWN {
        let why =
            format!("the journal has schema version {found}; the broker brings it to {KNOWN} when it starts");
        return Err(StoreError::Unavailable(why).into());
    }
    Ok(())
}

fn refuse_newer(found: i64) -> Result<(), StoreError> {
    if found > KNOWN { Err(StoreError::Newer { found, known: KNOWN }) } else { Ok(()) }
}

async fn number(connection: &mut PgConnection) -> Result<i64, Failure> {
    let number: Option<i64> =
        sqlx::query_scalar("SELECT max(number) FROM schema").fetch_one(connection).await?;
    Ok(number.unwrap_or(0))
}
