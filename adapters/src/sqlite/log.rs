//! Keeps the write-ahead log short.
//!
//! SQLite moves the log into the file after a commit that finds [`CHECKPOINT_PAGES`] in it, and begins it
//! anew when no reader needs what is in it any more. Under constant reading that moment may not come by
//! itself, so a log that has grown to [`LONG_BYTES`] is moved while new readers wait a moment; a reader that
//! takes longer (a long list, a backup) lets it grow, and it is tried again later. When nothing has been
//! written for a while the log is emptied, so that the next start has nothing to read.
//!
//! A transaction writes every page that it touches to the log. On a full disk, where each of them counts, the
//! log is therefore kept at [`TIGHT_BYTES`]: then a settlement takes a few hundred bytes for good.

use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The log is moved into the file when it has this many pages (64 MB).
pub(super) const CHECKPOINT_PAGES: &str = "4096";
/// A log that begins anew is cut to this.
pub(super) const KEPT_BYTES: &str = "67108864";
/// From here on readers are made to wait for it.
const LONG_BYTES: u64 = 256 << 20;
/// It is tried again each time when the log has grown by so much.
const AGAIN_BYTES: u64 = 64 << 20;
/// On a disk without room.
const TIGHT_BYTES: u64 = 1 << 20;
/// So long new writes and the move wait for readers.
const PATIENCE: Duration = Duration::from_millis(250);

/// The log of one journal, as its writer sees it.
#[derive(Debug)]
pub(super) struct Log {
    file: PathBuf,
    /// What the writer waits otherwise.
    busy_timeout: Duration,
    /// The size at which it is next made short.
    limit_bytes: u64,
    written: bool,
}

impl Log {
    /// When nothing comes for so long, the writer calls [`Log::empty`].
    pub(super) const IDLE: Duration = Duration::from_secs(5);

    /// Of the journal at this path.
    pub(super) fn beside(journal: &Path, busy_timeout: Duration) -> Self {
        let mut file = journal.as_os_str().to_owned();
        file.push("-wal");
        Self { file: file.into(), busy_timeout, limit_bytes: LONG_BYTES, written: true }
    }

    /// To be called after every transaction.
    pub(super) async fn shorten(&mut self, connection: &mut SqliteConnection, tight: bool) {
        self.written = true;
        let size = self.size();
        if tight && size > TIGHT_BYTES {
            return self.empty(connection).await;
        }
        if size < self.limit_bytes {
            return;
        }
        let moved = self.checkpoint(connection, "RESTART").await;
        self.limit_bytes = if moved { LONG_BYTES } else { size + AGAIN_BYTES };
        if !moved {
            tracing::warn!(bytes = size, "The journal's log grows: something reads the journal for long.");
        }
    }

    /// Moves the whole log and gives its room back. To be called when nothing happens, or nothing can.
    pub(super) async fn empty(&mut self, connection: &mut SqliteConnection) {
        if self.written && self.checkpoint(connection, "TRUNCATE").await {
            self.written = false;
            self.limit_bytes = LONG_BYTES;
        }
    }

    fn size(&self) -> u64 {
        std::fs::metadata(&self.file).map_or(0, |m| m.len())
    }

    /// True if all of the log was moved. That it could not be is no fault: nothing is lost by waiting.
    async fn checkpoint(&self, connection: &mut SqliteConnection, how: &str) -> bool {
        let sql = format!(
            "PRAGMA busy_timeout = {}; PRAGMA wal_checkpoint({how}); PRAGMA busy_timeout = {}",
            PATIENCE.as_millis(),
            self.busy_timeout.as_millis()
        );
        // Each pragma answers with a row; that of the checkpoint has three columns, the first of which tells
        // whether somebody was in the way.
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap_or_default();
        rows.iter().any(|row| row.len() == 3 && row.try_get::<i64, _>(0).is_ok_and(|busy| busy == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
    use sqlx::{ConnectOptions as _, Connection as _};

    async fn open(path: &Path) -> SqliteConnection {
        let settings = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let settings = settings.journal_mode(SqliteJournalMode::Wal).pragma("wal_autocheckpoint", "0");
        settings.pragma("journal_size_limit", "100000").connect().await.expect("the file opens")
    }

    async fn write(connection: &mut SqliteConnection) {
        let insert = "INSERT INTO t SELECT randomblob(400000)";
        sqlx::raw_sql(insert).execute(connection).await.expect("a row");
    }

    #[tokio::test]
    async fn a_long_log_begins_anew_and_a_reader_only_puts_that_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.db");
        let (mut writer, mut reader) = (open(&path).await, open(&path).await);
        sqlx::raw_sql("CREATE TABLE t (b)").execute(&mut writer).await.expect("a table");
        let mut log = Log { limit_bytes: 1_000_000, ..Log::beside(&path, Duration::from_secs(1)) };
        write(&mut writer).await;
        let mut snapshot = reader.begin().await.expect("a snapshot");
        sqlx::query("SELECT count(*) FROM t").fetch_one(&mut *snapshot).await.expect("a look");
        for _ in 0..4 {
            write(&mut writer).await;
        }
        log.shorten(&mut writer, false).await;
        let long = log.size();
        assert!(long > 2_000_000, "nothing is thrown away that a reader needs: {long}");
        assert_eq!(log.limit_bytes, long + AGAIN_BYTES, "not tried again with every transaction");

        drop(snapshot);
        log.limit_bytes = 1_000_000;
        log.shorten(&mut writer, false).await;
        assert_eq!(log.limit_bytes, LONG_BYTES);
        write(&mut writer).await;
        assert!(log.size() < long, "it was begun anew");
        log.empty(&mut writer).await;
        assert_eq!((log.size(), log.written), (0, false));
        let waits: i64 =
            sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut writer).await.expect("told");
        assert_eq!(waits, 1000, "the writer's own patience is back");
    }
}
