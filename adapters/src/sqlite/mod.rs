//! The journal on disk: SQLite in WAL mode, every commit synced before it is answered.
//!
//! One connection writes, owned by a task that takes all waiting calls into one transaction; a few read, each
//! on a snapshot of its own, and neither waits for the other. One process at a time may run the loops and
//! holds the lock file; others may read meanwhile, and administer (replay), waiting their turn to write.
//!
//! Times are kept to the microsecond.

mod columns;
mod failure;
mod find;
mod ledger;
mod load;
mod lock;
mod log;
#[cfg(test)]
mod no_room;
#[cfg(test)]
mod plans;
mod read;
mod room;
mod rows;
mod schema;
mod search;
mod series;
mod transaction;
mod write;
mod writer;

use crate::journal::calls::{Answer, Call, Writer};
use crate::journal::prepare::Prepared;
use crate::records;
use broker_core::ContentHash;
use broker_core::journal::{
    Aside, CommitResult, Delivery, Document, Entry, EventRecord, Known, Ledger, Lookup, MessageRecord,
    Overdue, RecipientId, Search, SetAside, Settlement,
};
use broker_core::ports::{Backlog, Clock, Store, StoreError, Waiting};
use broker_core::series::{Kept, Ruled, Showing, ShownAt, Sought};
use failure::sort;
use jiff::Timestamp;
use lock::Lock;
use log::Log;
use message_schemas::MessageId;
use read::Reader;
use room::Room;
use routing_rules::DestinationId;
use sharing::series::Strand;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Bodies are some kilobytes compressed: large pages keep most of them on one.
const PAGE_BYTES: u32 = 16 << 10;
/// Entries larger than this together are compressed away from the async threads.
const PREPARE_INLINE_BYTES: usize = 1 << 20;
/// Hashes of evidence that are remembered: the certificates and revocation answers of all partners, many times over.
const REMEMBERED_EVIDENCE: usize = 20_000;

/// What a process does with the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Runs the loops: makes the journal if there is none, brings its schema up to date, holds the lock.
    Run,
    /// Changes single things while another process may run the loops.
    Admin,
    /// Reads.
    Read,
}

/// How to open a journal.
#[derive(Debug, Clone)]
pub struct Options {
    /// What for.
    pub mode: Mode,
    /// Whose rows: what is taken in belongs to this owner, and nothing of another is seen or touched.
    pub owner: Arc<str>,
    /// Intake stops when less than this is free on the disk.
    pub keep_free_bytes: u64,
    /// Connections for reading.
    pub readers: u32,
    /// How long a write waits for another process's.
    pub busy_timeout: Duration,
}

impl Options {
    /// The defaults: the owner `default`, 64 MB kept free, 4 readers, 10 s of patience.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            owner: records::OWNER.into(),
            keep_free_bytes: 64 << 20,
            readers: 4,
            busy_timeout: Duration::from_secs(10),
        }
    }
}

/// The journal on disk. Clones share it; it closes when the last one is dropped or [`SqliteStore::close`] is
/// called.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    reader: Reader,
    writer: Mutex<Option<Arc<Writer>>>,
    task: Mutex<Option<JoinHandle<()>>>,
    room: Arc<Room>,
    /// Evidence that the journal has, as far as we have seen it: it is not packed and offered again.
    has: Mutex<HashSet<ContentHash>>,
    /// Held until the store is closed; the system lets go of it even if the process is killed.
    lock: Mutex<Option<Lock>>,
}

impl SqliteStore {
    /// Opens a journal with the defaults of a mode.
    ///
    /// # Errors
    /// [`StoreError::Newer`] if a newer program wrote it, [`StoreError::Unavailable`] if it is not there,
    /// another process runs it or the disk does not allow it, [`StoreError::Damaged`] if it is no journal.
    pub async fn open(path: &Path, mode: Mode) -> Result<Self, StoreError> {
        Self::open_with(path, Options::new(mode)).await
    }

    /// Opens a journal. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub async fn open_with(path: &Path, options: Options) -> Result<Self, StoreError> {
        let lock = (options.mode == Mode::Run).then(|| Lock::hold(path)).transpose()?;
        schema::refuse_foreign(path).await?;
        let settings = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(options.mode == Mode::Run)
            .page_size(PAGE_BYTES)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(options.busy_timeout)
            .pragma("wal_autocheckpoint", log::CHECKPOINT_PAGES)
            .pragma("journal_size_limit", log::KEPT_BYTES)
            .statement_cache_capacity(200)
            .thread_name(|n| format!("journal-{n}"))
            .disable_statement_logging();
        let mut connection = settings.connect().await.map_err(sort)?;
        if options.mode == Mode::Run {
            schema::migrate(&mut connection, crate::clock::SystemClock::new().now()).await?;
            sync_folder(path)?;
        } else {
            schema::check(&mut connection).await?;
        }
        let pool = SqlitePoolOptions::new()
            .max_connections(options.readers)
            .connect_lazy_with(settings.pragma("query_only", "ON"));
        let reader = Reader { pool, owner: Arc::clone(&options.owner) };
        let room = Arc::new(Room::around(path, options.keep_free_bytes, options.mode == Mode::Run));
        let (writer, task) = match options.mode {
            Mode::Run | Mode::Admin => {
                let log = Log::beside(path, options.busy_timeout);
                let (writer, task) = writer::start(connection, options.owner, Arc::clone(&room), log);
                (Some(Arc::new(writer)), Some(task))
            }
            Mode::Read => (None, None),
        };
        let (writer, task, lock) = (Mutex::new(writer), Mutex::new(task), Mutex::new(lock));
        Ok(Self { shared: Arc::new(Shared { reader, writer, task, room, has: Mutex::default(), lock }) })
    }

    /// Stops intake below another amount of free room from now on.
    pub fn keep_free(&self, bytes: u64) {
        self.shared.room.keep_free(bytes);
    }

    /// Ends after the calls that are already made, and moves the log into the file. Later calls are refused.
    pub async fn close(&self) {
        drop(self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.shared.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "The journal's writer did not end well.");
        }
        self.shared.reader.pool.close().await;
        drop(self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn writer(&self) -> Result<Arc<Writer>, StoreError> {
        let writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        writer.ok_or_else(|| StoreError::Unavailable("it is closed, or open for reading only".into()))
    }

    /// What was committed is there from now on; of what was not, nobody knows.
    fn remember(&self, results: &[CommitResult], evidence: Vec<ContentHash>) {
        if evidence.is_empty() || !results.iter().all(|r| matches!(r, CommitResult::Committed(_))) {
            return;
        }
        let mut has = self.shared.has.lock().unwrap_or_else(PoisonError::into_inner);
        if has.len() + evidence.len() > REMEMBERED_EVIDENCE {
            has.clear();
        }
        has.extend(evidence);
    }

    fn reader(&self) -> &Reader {
        &self.shared.reader
    }
}

/// A new file is there after a loss of power only when its folder is synced too.
fn sync_folder(journal: &Path) -> Result<(), StoreError> {
    let synced = File::open(room::folder_of(journal)).and_then(|folder| folder.sync_all());
    synced.map_err(|e| StoreError::Unavailable(format!("its folder cannot be synced: {e}")))
}

fn prepare(entries: Vec<Entry>, shared: &Shared) -> Result<Vec<Prepared>, StoreError> {
    let has = |hash| shared.has.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash);
    entries.into_iter().map(|entry| Prepared::new(entry, has)).collect()
}

impl Store for SqliteStore {
    async fn look_up(&self, lookups: &[Vec<Lookup>]) -> Result<Vec<Known>, StoreError> {
        if lookups.iter().all(Vec::is_empty) {
            return Ok(vec![Known::default(); lookups.len()]);
        }
        read::look_up(self.reader(), lookups).await
    }

    async fn commit(&self, entries: Vec<Entry>) -> Result<Vec<CommitResult>, StoreError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let writer = self.writer()?;
        let bytes: usize = entries.iter().map(|e| e.arrival.bytes.len()).sum();
        let evidence = entries.iter().flat_map(|e| &e.evidence);
        let bytes = bytes + evidence.clone().map(|e| e.bytes.len()).sum::<usize>();
        let evidence: Vec<ContentHash> = evidence.map(|e| e.hash).collect();
        let prepared = if bytes <= PREPARE_INLINE_BYTES {
            prepare(entries, &self.shared)?
        } else {
            let shared = Arc::clone(&self.shared);
            let away = tokio::task::spawn_blocking(move || prepare(entries, &shared)).await;
            away.map_err(|e| StoreError::Unavailable(e.to_string()))??
        };
        match writer.call(Call::Commit(prepared)).await? {
            Answer::Committed(results, hold) => {
                // Whoever still listens has heard of it.
                hold.keep();
                self.remember(&results, evidence);
                Ok(results)
            }
            Answer::Claimed(_) | Answer::Count(_) => Err(failure::unreadable("the writer's answer")),
        }
    }

    async fn repeated(
        &self,
        source: &str,
        idempotency_key: &str,
    ) -> Result<Option<(MessageId, ContentHash)>, StoreError> {
        read::repeated(self.reader(), source, idempotency_key).await
    }

    async fn first_under(&self, keys: &[(String, String)]) -> Result<Vec<MessageId>, StoreError> {
        read::first_under(self.reader(), keys).await
    }

    async fn claim(
        &self,
        destination: &DestinationId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        // Most questions find nothing, and need not wait for the writer to hear that.
        if read::next_due(self.reader(), destination).await?.is_none_or(|due| due > now) {
            return Ok(Vec::new());
        }
        match self.writer()?.call(Call::Claim(destination.clone(), now, limit)).await? {
            Answer::Claimed(claims) => {
                let deliveries = read::deliveries(self.reader(), destination, claims.list()).await?;
                claims.keep();
                Ok(deliveries)
            }
            Answer::Committed(..) | Answer::Count(_) => Err(failure::unreadable("the writer's answer")),
        }
    }

    async fn next_due(&self, destination: &DestinationId) -> Result<Option<Timestamp>, StoreError> {
        read::next_due(self.reader(), destination).await
    }

    async fn settle(&self, settlements: &[Settlement], now: Timestamp) -> Result<usize, StoreError> {
        if settlements.is_empty() {
            return Ok(0);
        }
        self.writer()?.count(Call::Settle(settlements.to_vec(), now)).await
    }

    async fn recover(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.writer()?.count(Call::Recover(now)).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, StoreError> {
        read::overdue(self.reader(), now, limit).await
    }

    async fn ledger(&self) -> Result<Ledger, StoreError> {
        ledger::ledger(self.reader()).await
    }

    async fn find(&self, id: &str, limit: usize) -> Result<Vec<MessageRecord>, StoreError> {
        find::find(self.reader(), id, limit).await
    }

    async fn search(&self, wanted: &Search) -> Result<Vec<MessageRecord>, StoreError> {
        search::search(self.reader(), wanted).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        find::message(self.reader(), id).await
    }

    async fn body(&self, id: MessageId) -> Result<Option<Arc<[u8]>>, StoreError> {
        find::body(self.reader(), id).await
    }

    async fn document(&self, id: Uuid) -> Result<Option<(&'static str, Arc<[u8]>)>, StoreError> {
        find::document(self.reader(), id).await
    }

    async fn documents(&self, of: MessageId) -> Result<Vec<Document>, StoreError> {
        find::documents(self.reader(), of).await
    }

    async fn evidence(&self, hash: ContentHash) -> Result<Option<Arc<[u8]>>, StoreError> {
        find::evidence(self.reader(), hash).await
    }

    async fn set_aside(&self, wanted: &SetAside) -> Result<Vec<Aside>, StoreError> {
        find::set_aside(self.reader(), wanted).await
    }

    async fn replay(
        &self,
        recipients: &[(RecipientId, Option<DestinationId>)],
        who_and_why: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.writer()?.count(Call::Replay(recipients.to_vec(), who_and_why.to_owned(), now)).await
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        read::backlog(self.reader()).await
    }

    async fn waiting(&self, destination: &DestinationId, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        find::waiting(self.reader(), destination, limit).await
    }

    async fn note(&self, what: &str, detail: &str, now: Timestamp) -> Result<(), StoreError> {
        self.writer()?.count(Call::Note(what.to_owned(), records::bounded(detail), now)).await.map(drop)
    }

    async fn events(&self, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        find::events(self.reader(), limit).await
    }

    async fn versions(&self, sought: &Sought) -> Result<Vec<Kept>, StoreError> {
        series::versions(self.reader(), sought).await
    }

    async fn shown(&self, strands: &BTreeSet<Strand>) -> Result<Vec<ShownAt>, StoreError> {
        series::shown(self.reader(), strands).await
    }

    async fn show(&self, showing: Showing) -> Result<(), StoreError> {
        self.writer()?.count(Call::show(&showing)?).await.map(drop)
    }

    async fn rule(&self, ruled: Ruled) -> Result<(), StoreError> {
        self.writer()?.count(Call::rule(&ruled)?).await.map(drop)
    }

    async fn broken_link(&self) -> Result<Option<u64>, StoreError> {
        ledger::broken_link(self.reader()).await
    }
}
