//! What a test needs of a journal beside the port: to open it, kill it, and take its room away.

use adapters::memory::{Call, Fault, MemoryStore};
use adapters::postgres::{self, PostgresStore};
use adapters::sqlite::{Mode, SqliteStore};
use broker_core::ports::Store;
use servers::Postgres;
use std::path::PathBuf;
use tokio::sync::OnceCell;

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

/// A database of its own, in the cluster that the tests share.
pub(crate) struct PostgresRig {
    pub(crate) server: &'static Postgres,
    pub(crate) database: String,
}

/// A database with the tables of a journal, and nothing in them: making them takes a second, copying them less.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

impl PostgresRig {
    /// None where there is no PostgreSQL.
    pub(crate) async fn new(test: &str) -> Option<Self> {
        let server = servers::postgres(test)?;
        let template = TEMPLATE
            .get_or_init(|| async {
                let template = server.database("template").expect("a database");
                let rig = Self { server, database: template.clone() };
                rig.open().await.close().await;
                rig.sql("DELETE FROM instance");
                template
            })
            .await;
        let database = format!("journal_{}", uuid::Uuid::now_v7().simple());
        let sql = format!("CREATE DATABASE {database} TEMPLATE {template} OWNER {}", servers::postgres::USER);
        // Copying one database for several at a time is refused now and then.
        while let Err(error) = server.sql("postgres", &sql) {
            assert!(error.to_string().contains("being accessed by other users"), "{error}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Some(Self { server, database })
    }

    /// The same on a server of its own, with these settings.
    pub(crate) fn alone(test: &str, settings: &[(&str, &str)]) -> Option<Self> {
        servers::postgres(test)?;
        let server = Postgres::start(settings).expect("a server of its own");
        let database = server.database("journal").expect("a database");
        Some(Self { server: Box::leak(Box::new(server)), database })
    }

    /// Runs statements as the superuser; rows in lines, columns between `|`.
    pub(crate) fn sql(&self, statements: &str) -> String {
        self.server.sql(&self.database, statements).expect("statements of the test")
    }

    pub(crate) fn options(&self, mode: postgres::Mode) -> postgres::Options {
        let place = self.server.place(&self.database).parse().expect("a place");
        let password_file = Some(self.server.password_file());
        postgres::Options { password_file, ..postgres::Options::new(place, mode) }
    }
}

impl Rig for PostgresRig {
    type Store = PostgresStore;

    async fn open(&self) -> PostgresStore {
        PostgresStore::open(self.options(postgres::Mode::Run)).await.expect("the journal opens")
    }

    /// Its connections end in the middle of whatever they do, and nobody takes leave.
    async fn kill(&self, store: PostgresStore) -> PostgresStore {
        drop(store);
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        self.sql("TRUNCATE heartbeat");
        self.open().await
    }

    /// As the server says it: its own disk cannot be filled here.
    async fn fill(&self, store: PostgresStore) -> PostgresStore {
        self.sql(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$;
             CREATE TRIGGER no_room BEFORE INSERT ON body FOR EACH ROW EXECUTE FUNCTION no_room()",
        );
        store
    }

    async fn empty(&self, store: PostgresStore) -> PostgresStore {
        self.sql("DROP TRIGGER no_room ON body");
        store
    }
}
