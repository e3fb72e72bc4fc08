//! The schema and its versions.
//!
//! Versions are numbered from 1 without gaps; each is one file in `adapters/migrations/` that is never edited
//! once released. What has been applied stands in the table `schema`. A journal with a number that this
//! program does not know was written by a newer one, and is not touched.

use super::failure::sort;
use broker_core::ports::StoreError;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

/// All versions: number, name, statements.
const MIGRATIONS: &[(i64, &str, &str)] = &[(1, "journal", include_str!("../../migrations/0001_journal.sql"))];

/// The newest version that this program knows.
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// Brings a journal to the newest version, in one transaction.
pub(super) async fn migrate(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(sort)?;
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS schema
         (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied INTEGER NOT NULL) STRICT",
    )
    .execute(&mut *tx)
    .await
    .map_err(sort)?;
    let found = number(&mut tx).await?;
    refuse_newer(found)?;
    for (number, name, statements) in MIGRATIONS.iter().filter(|(number, _, _)| *number > found) {
        sqlx::raw_sql(AssertSqlSafe(*statements)).execute(&mut *tx).await.map_err(sort)?;
        sqlx::query("INSERT INTO schema (number, name, applied) VALUES ($1, $2, $3)")
            .bind(number)
            .bind(*name)
            .bind(now.as_microsecond())
            .execute(&mut *tx)
            .await
            .map_err(sort)?;
    }
    tx.commit().await.map_err(sort)
}

/// Makes sure that a journal that is only read or administered has exactly our version.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found = number(connection).await?;
    refuse_newer(found)?;
    if found < KNOWN {
        return Err(StoreError::Unavailable(format!(
            "the journal has schema version {found}; the broker brings it to {KNOWN} when it starts"
        )));
    }
    Ok(())
}

fn refuse_newer(found: i64) -> Result<(), StoreError> {
    if found > KNOWN { Err(StoreError::Newer { found, known: KNOWN }) } else { Ok(()) }
}

async fn number(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT max(number) FROM schema").fetch_one(connection).await.map_err(sort)?;
    Ok(row.try_get::<Option<i64>, _>(0).map_err(sort)?.unwrap_or(0))
}
