//! The journal of this installation: a file, or a database that several brokers share.

use crate::config::{self, Config};
use crate::exit::Failure;
use adapters::postgres::{self, PostgresStore};
use adapters::sqlite::{self, SqliteStore};
use broker_core::ContentHash;
use broker_core::journal::{
    Aside, CommitResult, Delivery, Document, Entry, EventRecord, Known, Ledger, Lookup, MessageRecord,
    Overdue, RecipientId, Search, SetAside, Settlement,
};
use broker_core::ports::{Backlog, Store, StoreError, StoredDocument, Waiting};
use broker_core::series::{Kept, Ruled, Showing, ShownAt, Sought};
use jiff::{SignedDuration, Timestamp};
use message_schemas::MessageId;
use routing_rules::DestinationId;
use sharing::series::Strand;
use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;
use uuid::Uuid;

/// The journal of this installation. Clones share it.
#[derive(Debug, Clone)]
pub enum Journal {
    /// A file of this broker alone.
    Sqlite(SqliteStore),
    /// A database, with other brokers beside this one or not.
    Postgres(PostgresStore),
}

/// What a process does with the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Runs the loops.
    Run,
    /// Reads, and changes single things, beside brokers that run.
    Admin,
}

impl Journal {
    /// Opens the journal that a configuration names.
    ///
    /// # Errors
    /// When it cannot be opened. A command ([`Mode::Admin`]) makes none.
    pub async fn open(config: &Config, mode: Mode) -> Result<Self, Failure> {
        if config.journal.postgres.is_some() {
            let mode = if mode == Mode::Run { postgres::Mode::Run } else { postgres::Mode::Admin };
            return Ok(Self::Postgres(PostgresStore::open(options(config, mode)?).await?));
        }
        let path = config.journal.path.as_deref().unwrap_or_else(|| std::path::Path::new(""));
        if mode == Mode::Admin && !path.is_file() {
            let why = format!("there is none at {}; it is made when the broker first runs", path.display());
            return Err(StoreError::Unavailable(why).into());
        }
        let mode = if mode == Mode::Run { sqlite::Mode::Run } else { sqlite::Mode::Admin };
        let options = sqlite::Options { owner: config.owner.as_str().into(), ..sqlite::Options::new(mode) };
        Ok(Self::Sqlite(SqliteStore::open_with(path, options).await?))
    }

    /// Ends after the calls that are already made.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

/// How the journal that a configuration names is opened.
///
/// # Errors
/// When the password cannot be read.
pub fn options(config: &Config, mode: postgres::Mode) -> Result<postgres::Options, Failure> {
    let config::Journal { postgres, password_file, keep, keep_keys, .. } = &config.journal;
    let line = postgres.as_deref().unwrap_or_default();
    let place = line.parse().map_err(|e| Failure::Start(format!("journal.postgres: {e}")))?;
    if let Some(file) = password_file {
        File::open(file).map_err(Failure::file(file))?;
    }
    Ok(postgres::Options {
        password_file: password_file.clone(),
        owner: config.owner.as_str().into(),
        keep: keep.map(|messages| postgres::Keep { messages, keys: (*keep_keys).max(messages) }),
        ..postgres::Options::new(place, mode)
    })
}

/// Hands a call to whichever journal there is.
macro_rules! whichever {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::Sqlite($store) => $call,
            Self::Postgres($store) => $call,
        }
    };
}

impl Store for Journal {
    async fn look_up(&self, lookups: &[Vec<Lookup>]) -> Result<Vec<Known>, StoreError> {
        whichever!(self, store => store.look_up(lookups).await)
    }

    async fn commit(&self, entries: Vec<Entry>) -> Result<Vec<CommitResult>, StoreError> {
        whichever!(self, store => store.commit(entries).await)
    }

    async fn repeated(
        &self,
        source: &str,
        idempotency_key: &str,
    ) -> Result<Option<(MessageId, ContentHash)>, StoreError> {
        whichever!(self, store => store.repeated(source, idempotency_key).await)
    }

    async fn first_under(&self, keys: &[(String, String)]) -> Result<Vec<MessageId>, StoreError> {
        whichever!(self, store => store.first_under(keys).await)
    }

    async fn claim(
        &self,
        destination: &DestinationId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        whichever!(self, store => store.claim(destination, now, limit).await)
    }

    async fn next_due(&self, destination: &DestinationId) -> Result<Option<Timestamp>, StoreError> {
        whichever!(self, store => store.next_due(destination).await)
    }

    async fn settle(&self, settlements: &[Settlement], now: Timestamp) -> Result<usize, StoreError> {
        whichever!(self, store => store.settle(settlements, now).await)
    }

    async fn recover(&self, now: Timestamp) -> Result<usize, StoreError> {
        whichever!(self, store => store.recover(now).await)
    }

    async fn take_over(&self, now: Timestamp) -> Result<usize, StoreError> {
        whichever!(self, store => store.take_over(now).await)
    }

    fn clock_ahead(&self) -> SignedDuration {
        whichever!(self, store => store.clock_ahead())
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, StoreError> {
        whichever!(self, store => store.overdue(now, limit).await)
    }

    async fn ledger(&self) -> Result<Ledger, StoreError> {
        whichever!(self, store => store.ledger().await)
    }

    async fn find(&self, id: &str, limit: usize) -> Result<Vec<MessageRecord>, StoreError> {
        whichever!(self, store => store.find(id, limit).await)
    }

    async fn search(&self, wanted: &Search) -> Result<Vec<MessageRecord>, StoreError> {
        whichever!(self, store => store.search(wanted).await)
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        whichever!(self, store => store.message(id).await)
    }

    async fn body(&self, id: MessageId) -> Result<Option<Arc<[u8]>>, StoreError> {
        whichever!(self, store => store.body(id).await)
    }

    async fn document(&self, id: Uuid) -> Result<Option<StoredDocument>, StoreError> {
        whichever!(self, store => store.document(id).await)
    }

    async fn documents(&self, of: MessageId) -> Result<Vec<Document>, StoreError> {
        whichever!(self, store => store.documents(of).await)
    }

    async fn evidence(&self, hash: ContentHash) -> Result<Option<Arc<[u8]>>, StoreError> {
        whichever!(self, store => store.evidence(hash).await)
    }

    async fn set_aside(&self, wanted: &SetAside) -> Result<Vec<Aside>, StoreError> {
        whichever!(self, store => store.set_aside(wanted).await)
    }

    async fn replay(
        &self,
        recipients: &[(RecipientId, Option<DestinationId>)],
        who_and_why: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        whichever!(self, store => store.replay(recipients, who_and_why, now).await)
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        whichever!(self, store => store.backlog().await)
    }

    async fn waiting(&self, destination: &DestinationId, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        whichever!(self, store => store.waiting(destination, limit).await)
    }

    async fn note(&self, what: &str, detail: &str, now: Timestamp) -> Result<(), StoreError> {
        whichever!(self, store => store.note(what, detail, now).await)
    }

    async fn events(&self, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        whichever!(self, store => store.events(limit).await)
    }

    async fn versions(&self, sought: &Sought) -> Result<Vec<Kept>, StoreError> {
        whichever!(self, store => store.versions(sought).await)
    }

    async fn shown(&self, strands: &BTreeSet<Strand>) -> Result<Vec<ShownAt>, StoreError> {
        whichever!(self, store => store.shown(strands).await)
    }

    async fn show(&self, showing: Showing) -> Result<(), StoreError> {
        whichever!(self, store => store.show(showing).await)
    }

    async fn rule(&self, ruled: Ruled) -> Result<(), StoreError> {
        whichever!(self, store => store.rule(ruled).await)
    }

    async fn broken_link(&self) -> Result<Option<u64>, StoreError> {
        whichever!(self, store => store.broken_link().await)
    }
}
