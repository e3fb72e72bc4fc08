//! The plans of all statements, held against walks through large tables.

use super::{Mode, SqliteStore, find, ledger, load, read, series, transaction, write};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _};

/// Steps that may walk: over the rows that the caller named, over a small partial index in its order, or over
/// an index that holds open recipients alone, to count them.
const MAY_WALK: &[&str] = &[
    "SCAN k",
    "SCAN q",
    "SCAN (subquery",
    "SCAN CONSTANT ROW",
    "SCAN r USING INDEX recipient_sending",
    "SCAN r USING INDEX recipient_set_aside",
    "SCAN json_each",
];

#[tokio::test]
async fn no_statement_walks_through_a_large_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    SqliteStore::open(&path, Mode::Run).await.expect("a journal").close().await;
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.expect("the file opens");
    let texts = [
        read::STATEMENTS,
        series::STATEMENTS,
        find::STATEMENTS,
        ledger::STATEMENTS,
        load::STATEMENTS,
        transaction::STATEMENTS,
        write::STATEMENTS,
    ]
    .concat();
    let mut checked = 0;
    for sql in texts.iter().flat_map(|text| text.split(';')).map(str::trim) {
        if sql.is_empty() || sql.starts_with("BEGIN") || sql.starts_with("COMMIT") {
            continue;
        }
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain)
            .fetch_all(&mut connection)
            .await
            .unwrap_or_else(|e| panic!("{e}\nin {sql}"));
        for (_, _, _, step) in plan {
            let walks = step.starts_with("SCAN ") && !MAY_WALK.iter().any(|may| step.starts_with(may));
            // The head of the chain is the last row of a table, and the end of an index.
            let ends_at_once = sql.contains("ORDER BY seq DESC LIMIT") && step == "SCAN event";
            // Rows that point at what is inserted: looked at only while a reference is broken.
            let mends_references = sql.starts_with("INSERT") && step.split(' ').count() == 2;
            assert!(!walks || ends_at_once || mends_references, "{step}\nin {sql}");
            assert!(!step.contains("AUTOMATIC"), "{step}\nin {sql}");
        }
        checked += 1;
    }
    assert!(checked > 25, "{checked} statements");
}
