//! The schema and its versions.
//!
//! Versions are numbered from 1 without gaps; each is one file in `adapters/migrations/` that is never edited
//! once released. What has been applied stands in the table `schema`. A journal with a number that this
//! program does not know was written by a newer one, and is not touched.

use super::failure::sort;
use broker_core::ports::StoreError;
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// All versions: number, name, statements.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "journal", include_str!("../../migrations/0001_journal.sql")),
    (2, "evidence", include_str!("../../migrations/0002_evidence.sql")),
    (3, "envelope", include_str!("../../migrations/0003_envelope.sql")),
    (4, "transport", include_str!("../../migrations/0004_transport.sql")),
    (5, "series", include_str!("../../migrations/0005_series.sql")),
    (6, "search", include_str!("../../migrations/0006_search.sql")),
];

/// How every file of SQLite begins; it takes a short file that begins otherwise for an empty one.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// `Buds`: what the head of the file says it is, by the first migration.
const APPLICATION: i64 = 0x4275_6473;

/// The newest version that this program knows.
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// Makes sure that a file is a journal, or empty, before anything is changed in it.
pub(super) async fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    let foreign = || StoreError::Damaged("the file is another program's, and no journal".into());
    match magic(path) {
        Ok(None) => return Ok(()),
        // Zeros: power was lost while it was made, and SQLite goes back to the beginning.
        Ok(Some(magic)) if magic == *MAGIC || magic == [0; 16] => {}
        Ok(Some(_)) => return Err(foreign()),
        Err(e) => return Err(StoreError::Unavailable(format!("its file: {e}"))),
    }
    let settings = SqliteConnectOptions::new().filename(path).disable_statement_logging();
    let mut connection = settings.connect().await.map_err(sort)?;
    let about = "SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id";
    let row = sqlx::query(about).fetch_one(&mut connection).await.map_err(sort)?;
    let (application, tables): (i64, i64) = (row.try_get(0).map_err(sort)?, row.try_get(1).map_err(sort)?);
    connection.close().await.map_err(sort)?;
    match (application, tables) {
        (APPLICATION, _) | (0, 0) => Ok(()),
        _ => Err(foreign()),
    }
}

/// The first bytes of a file, with zeros behind a shorter one; none if it is empty or not there.
fn magic(path: &Path) -> std::io::Result<Option<[u8; 16]>> {
    let file = match File::open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let (mut head, mut magic) = (Vec::new(), [0; 16]);
    file.take(16).read_to_end(&mut head)?;
    magic.iter_mut().zip(&head).for_each(|(to, from)| *to = *from);
    Ok((!head.is_empty()).then_some(magic))
}

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
