//! The journal on PostgreSQL: one for any number of brokers, none of which leads.
//!
//! Each process has one connection that writes, owned by a task that takes all waiting calls into one transaction, and
//! a few that read. Each has a chain of events of its own, so no broker waits for another's commit. Recipients are claimed
//! with their rows locked, past those that others have locked; what a broker was sending that has died is taken over by
//! the others, by the server's clock.
//!
//! A day begins without statistics, and to the planner `owner`, the day, or a range of days then look as choosy as an id, though
//! each is the whole day. So statements leave it no other way than by the id: rows are looked up one by one (`LATERAL` with
//! `LIMIT 1`), from a first day on (of one-sided ranges it expects much), with `owner || ''` where its index must not serve,
//! and rows are changed in the table of their day by its name.
//!
//! Times are kept to the microsecond.

mod access;
mod columns;
mod days;
mod failure;
mod find;
mod instances;
mod ledger;
mod load;
mod place;
mod protected;
mod read;
mod recent;
mod schema;
mod search;
mod series;
mod survey;
mod transaction;
mod upkeep;
mod write;
mod writer;

pub use days::{Cleared, Keep};
pub use place::{Place, PlaceError};
pub use survey::{Concern, Survey};

use crate::journal::calls::{self, Answer, Call, Writer};
use crate::journal::prepare::Prepared;
use crate::journal::unreadable;
use crate::records;
use access::Access;
use broker_core::ContentHash;
use broker_core::journal::{
    Aside, CommitResult, Delivery, Document, Entry, EventRecord, Known, Ledger, Lookup, MessageRecord,
    Overdue, RecipientId, Search, SetAside, Settlement,
};
use broker_core::ports::{Backlog, Store, StoreError, StoredDocument, Waiting};
use broker_core::series::{Kept, Ruled, Showing, ShownAt, Sought};
use failure::Failure;
use instances::Presence;
use jiff::{SignedDuration, Timestamp};
use message_schemas::MessageId;
use read::Reader;
use recent::Recent;
use routing_rules::DestinationId;
use sharing::series::Strand;
use sqlx::postgres::PgPoolOptions;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Entries larger than this together are compressed away from the async threads.
const PREPARE_INLINE_BYTES: usize = 1 << 20;
/// Hashes of evidence that are remembered.
const REMEMBERED_EVIDENCE: usize = 20_000;
/// A reading that takes longer is given up. The server ends a statement earlier, if it still hears us.
const PATIENCE: Duration = Duration::from_secs(40);

/// What a process does with the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Runs the loops, beside others that do: brings the schema up to date, makes the tables of the days.
    Run,
    /// Changes single things while brokers run.
    Admin,
    /// Reads.
    Read,
}

/// How to open a journal.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it is.
    pub place: Place,
    /// File with the password (its first line), where the server asks for one; read at every connecting.
    pub password_file: Option<PathBuf>,
    /// What for.
    pub mode: Mode,
    /// Whose rows: what is taken in belongs to this owner, and nothing of another is seen or touched.
    pub owner: Arc<str>,
    /// Connections for reading.
    pub readers: u32,
    /// How long rows are kept; none for ever.
    pub keep: Option<Keep>,
}

impl Options {
    /// The defaults: the owner `default`, 6 readers, everything kept.
    #[must_use]
    pub fn new(place: Place, mode: Mode) -> Self {
        Self { place, password_file: None, mode, owner: records::OWNER.into(), readers: 6, keep: None }
    }

    fn access(&self) -> Access {
        Access { place: self.place.clone(), password_file: self.password_file.clone() }
    }
}

/// The journal on PostgreSQL. Clones share it; it closes when the last one is dropped or [`PostgresStore::close`] is
/// called.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    reader: Reader,
    writer: Mutex<Option<Arc<Writer>>>,
    task: Mutex<Option<JoinHandle<()>>>,
    upkeep: Mutex<Option<JoinHandle<()>>>,
    presence: Option<Arc<Presence>>,
    /// Evidence that the journal has, as far as we have seen it today: it is not packed and offered again.
    has: Mutex<(i64, HashSet<ContentHash>)>,
    recent: Recent,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(upkeep) = self.upkeep.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            upkeep.abort();
        }
    }
}

impl PostgresStore {
    /// Opens a journal. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Newer`] if a newer program wrote it, [`StoreError::Unavailable`] if the server does not answer or
    /// there is no journal to read, [`StoreError::Damaged`] if what is there is none.
    pub async fn open(options: Options) -> Result<Self, StoreError> {
        let access = options.access();
        let mut connection = access.connect().await?;
        if options.mode == Mode::Run {
            schema::migrate(&mut connection).await?;
        } else {
            schema::check(&mut connection).await?;
        }
        let pool = PgPoolOptions::new()
            .max_connections(options.readers)
            .acquire_timeout(access::CONNECTING)
            .idle_timeout(Duration::from_secs(300))
            .connect_lazy_with(access.options()?);
        let instance = match options.mode {
            Mode::Run => instances::register(&mut connection, &options.owner, true).await?,
            Mode::Admin | Mode::Read => 0,
        };
        let (writer, task) = if options.mode == Mode::Read {
            (None, None)
        } else {
            let (writer, queue) = calls::queue();
            let task = writer::Task {
                access: access.clone(),
                owner: Arc::clone(&options.owner),
                queue,
                connection: Some(connection),
                instance: Arc::new(AtomicI64::new(instance)),
                provenances: HashMap::new(),
                attempted: Vec::new(),
                owed: Vec::new(),
            };
            (Some(Arc::new(writer)), Some(tokio::spawn(task.run())))
        };
        let presence = (options.mode == Mode::Run).then(|| {
            Arc::new(Presence::new(access.clone(), pool.clone(), Arc::clone(&options.owner), instance))
        });
        let upkeep = presence.as_ref().zip(writer.as_ref()).map(|(presence, writer)| {
            let upkeep = upkeep::Upkeep {
                presence: Arc::clone(presence),
                access,
                keep: options.keep,
                writer: Arc::downgrade(writer),
            };
            tokio::spawn(upkeep.run())
        });
        let reader = Reader { pool, owner: options.owner };
        let (writer, task, upkeep) = (Mutex::new(writer), Mutex::new(task), Mutex::new(upkeep));
        Ok(Self {
            shared: Arc::new(Shared {
                reader,
                writer,
                task,
                upkeep,
                presence,
                has: Mutex::default(),
                recent: Recent::default(),
            }),
        })
    }

    /// The server's version and settings, as far as what is promised here rests on them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the server does not answer.
    pub async fn survey(options: &Options) -> Result<Survey, StoreError> {
        Ok(survey::survey(&options.access()).await?)
    }

    /// Drops what is older than it is to be kept, as the running broker does by itself.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the server does not answer.
    pub async fn clear(&self, keep: Keep) -> Result<Cleared, StoreError> {
        let mut connection = self.shared.reader.pool.acquire().await.map_err(Failure::from)?;
        Ok(days::clear(&mut connection, keep).await?)
    }

    /// Ends after the calls that are already made. Later calls are refused.
    pub async fn close(&self) {
        let upkeep = self.shared.upkeep.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(upkeep) = upkeep {
            upkeep.abort();
            drop(upkeep.await);
        }
        drop(self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.shared.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "The journal's writer did not end well.");
        }
        if let Some(presence) = &self.shared.presence {
            presence.leave().await;
        }
        self.shared.reader.pool.close().await;
    }

    fn writer(&self) -> Result<Arc<Writer>, StoreError> {
        let writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        writer.ok_or_else(|| StoreError::Unavailable("it is closed, or open for reading only".into()))
    }

    /// What was committed is there from now on, in the tables of this day; of what was not, nobody knows.
    fn remember(&self, results: &[CommitResult], evidence: Vec<ContentHash>, day: i64) {
        if evidence.is_empty() || !results.iter().all(|r| matches!(r, CommitResult::Committed(_))) {
            return;
        }
        let mut has = self.shared.has.lock().unwrap_or_else(PoisonError::into_inner);
        if has.0 != day || has.1.len() + evidence.len() > REMEMBERED_EVIDENCE {
            *has = (day, HashSet::new());
        }
        has.1.extend(evidence);
    }

    fn reader(&self) -> &Reader {
        &self.shared.reader
    }

    fn prepare(&self, entries: Vec<Entry>, day: i64) -> Result<Vec<Prepared>, StoreError> {
        let has = |hash| {
            let has = self.shared.has.lock().unwrap_or_else(PoisonError::into_inner);
            has.0 == day && has.1.contains(&hash)
        };
        entries.into_iter().map(|entry| Prepared::new(entry, has)).collect()
    }
}

/// A reading, and an end to it when the server does not answer.
async fn patiently<T>(reading: impl Future<Output = Result<T, Failure>>) -> Result<T, StoreError> {
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(StoreError::Unavailable("the server does not answer".into())),
    }
}

/// Our day, by which remembered evidence is forgotten; the server's may differ by the difference of the clocks, which is
/// why evidence is kept a day longer than messages.
fn day_of(entries: &[Entry]) -> i64 {
    entries.first().map_or(0, |e| e.arrival.received.as_second().div_euclid(86_400))
}

impl Store for PostgresStore {
    async fn look_up(&self, lookups: &[Vec<Lookup>]) -> Result<Vec<Known>, StoreError> {
        if lookups.iter().all(Vec::is_empty) {
            return Ok(vec![Known::default(); lookups.len()]);
        }
        patiently(read::look_up(self.reader(), lookups)).await
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
        let day = day_of(&entries);
        self.shared.recent.offer(&entries);
        let prepared = if bytes <= PREPARE_INLINE_BYTES {
            self.prepare(entries, day)?
        } else {
            let this = self.clone();
            let away = tokio::task::spawn_blocking(move || this.prepare(entries, day)).await;
            away.map_err(|e| StoreError::Unavailable(e.to_string()))??
        };
        match writer.call(Call::Commit(prepared)).await? {
            Answer::Committed(results, hold) => {
                // Whoever still listens has heard of it.
                hold.keep();
                self.remember(&results, evidence, day);
                Ok(results)
            }
            Answer::Claimed(_) | Answer::Count(_) => Err(unreadable("the writer's answer")),
        }
    }

    async fn repeated(
        &self,
        source: &str,
        idempotency_key: &str,
    ) -> Result<Option<(MessageId, ContentHash)>, StoreError> {
        patiently(read::repeated(self.reader(), source, idempotency_key)).await
    }

    async fn first_under(&self, keys: &[(String, String)]) -> Result<Vec<MessageId>, StoreError> {
        patiently(read::first_under(self.reader(), keys)).await
    }

    async fn claim(
        &self,
        destination: &DestinationId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        // Most questions find nothing, and need not wait for the writer to hear that.
        if self.next_due(destination).await?.is_none_or(|due| due > now) {
            return Ok(Vec::new());
        }
        match self.writer()?.call(Call::Claim(destination.clone(), now, limit)).await? {
            Answer::Claimed(claims) => {
                let just = self.shared.recent.take(claims.list().iter().map(|c| c.recipient));
                let reading = read::deliveries(self.reader(), destination, claims.list(), just);
                let deliveries = patiently(reading).await?;
                claims.keep();
                Ok(deliveries)
            }
            Answer::Committed(..) | Answer::Count(_) => Err(unreadable("the writer's answer")),
        }
    }

    async fn next_due(&self, destination: &DestinationId) -> Result<Option<Timestamp>, StoreError> {
        patiently(read::next_due(self.reader(), destination)).await
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

    async fn take_over(&self, now: Timestamp) -> Result<usize, StoreError> {
        let Some(presence) = &self.shared.presence else { return Ok(0) };
        if patiently(presence.others_died()).await? {
            self.writer()?.count(Call::TakeOver(now)).await
        } else {
            Ok(0)
        }
    }

    fn clock_ahead(&self) -> SignedDuration {
        self.shared.presence.as_ref().map_or(SignedDuration::ZERO, |presence| presence.clock_ahead())
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, StoreError> {
        patiently(read::overdue(self.reader(), now, limit)).await
    }

    async fn ledger(&self) -> Result<Ledger, StoreError> {
        // As many statements as there are days: each has its own patience at the server.
        Ok(ledger::ledger(self.reader()).await?)
    }

    async fn find(&self, id: &str, limit: usize) -> Result<Vec<MessageRecord>, StoreError> {
        patiently(find::find(self.reader(), id, limit)).await
    }

    async fn search(&self, wanted: &Search) -> Result<Vec<MessageRecord>, StoreError> {
        patiently(search::search(self.reader(), wanted)).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        patiently(find::message(self.reader(), id)).await
    }

    async fn body(&self, id: MessageId) -> Result<Option<Arc<[u8]>>, StoreError> {
        patiently(find::body(self.reader(), id)).await
    }

    async fn document(&self, id: Uuid) -> Result<Option<StoredDocument>, StoreError> {
        patiently(find::document(self.reader(), id)).await
    }

    async fn documents(&self, of: MessageId) -> Result<Vec<Document>, StoreError> {
        patiently(find::documents(self.reader(), of)).await
    }

    async fn evidence(&self, hash: ContentHash) -> Result<Option<Arc<[u8]>>, StoreError> {
        patiently(find::evidence(self.reader(), hash)).await
    }

    async fn set_aside(&self, wanted: &SetAside) -> Result<Vec<Aside>, StoreError> {
        patiently(find::set_aside(self.reader(), wanted)).await
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
        patiently(read::backlog(self.reader())).await
    }

    async fn waiting(&self, destination: &DestinationId, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        patiently(find::waiting(self.reader(), destination, limit)).await
    }

    async fn note(&self, what: &str, detail: &str, now: Timestamp) -> Result<(), StoreError> {
        self.writer()?.count(Call::Note(what.to_owned(), records::bounded(detail), now)).await.map(drop)
    }

    async fn events(&self, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        patiently(find::events(self.reader(), limit)).await
    }

    async fn versions(&self, sought: &Sought) -> Result<Vec<Kept>, StoreError> {
        patiently(series::versions(self.reader(), sought)).await
    }

    async fn shown(&self, strands: &BTreeSet<Strand>) -> Result<Vec<ShownAt>, StoreError> {
        patiently(series::shown(self.reader(), strands)).await
    }

    async fn show(&self, showing: Showing) -> Result<(), StoreError> {
        self.writer()?.count(Call::show(&showing)?).await.map(drop)
    }

    async fn rule(&self, ruled: Ruled) -> Result<(), StoreError> {
        self.writer()?.count(Call::rule(&ruled)?).await.map(drop)
    }

    async fn broken_link(&self) -> Result<Option<u64>, StoreError> {
        Ok(ledger::broken_link(self.reader()).await?)
    }
}
