//! What a test needs of a journal beside the port: to open it, kill it, and take its room away.

use adapters::memory::{Call, Fault, MemoryStore};
use adapters::sqlite::{Mode, SqliteStore};
use broker_core::ports::Store;
use std::path::PathBuf;

/// One journal, wherever it is kept.
pub(crate) trait Rig {
    /// The store under test; clones share it.
    type Store: Store + Clone;

    /// Opens it, empty.
    async fn open(&self) -> Self::Store;
    /// Kills the process that holds it, and opens it as the next process would.
    async fn kill(&self, store: Self::Store) -> Self::Store;
    /// The same journal with a full disk.
    async fn fill(&self, store: Self::Store) -> Self::Store;
    /// The same journal with room again.
    async fn empty(&self, store: Self::Store) -> Self::Store;
}

pub(crate) struct MemoryRig;

impl MemoryRig {
    pub(crate) fn new() -> Self {
        Self
    }
}

impl Rig for MemoryRig {
    type Store = MemoryStore;

    async fn open(&self) -> MemoryStore {
        MemoryStore::new()
    }

    async fn kill(&self, store: MemoryStore) -> MemoryStore {
        store.crash()
    }

    async fn fill(&self, store: MemoryStore) -> MemoryStore {
        store.with_faults(|call| if call == Call::Commit { Fault::Full } else { Fault::None })
    }

    async fn empty(&self, store: MemoryStore) -> MemoryStore {
        store.with_faults(|_| Fault::None)
    }
}

pub(crate) struct SqliteRig {
    folder: tempfile::TempDir,
}

impl SqliteRig {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder for the journal") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }
}

impl Rig for SqliteRig {
    type Store = SqliteStore;

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path(), Mode::Run).await.expect("the journal opens")
    }

    /// The files as they lie there at this moment, in another place: what a killed process leaves.
    async fn kill(&self, store: SqliteStore) -> SqliteStore {
        let copy = self.folder.path().join(format!("killed-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&copy).expect("a folder");
        for name in ["journal.db", "journal.db-wal"] {
            std::fs::copy(self.folder.path().join(name), copy.join(name)).expect("the journal's files");
        }
        drop(store);
        SqliteStore::open(&copy.join("journal.db"), Mode::Run).await.expect("the journal opens after a kill")
    }

    async fn fill(&self, store: SqliteStore) -> SqliteStore {
        store.keep_free(u64::MAX);
        store
    }

    async fn empty(&self, store: SqliteStore) -> SqliteStore {
        store.keep_free(1);
        store
    }
}
