//! Parties and rules change while the broker runs.
//!
//! Their files are looked at every few seconds, and at once on SIGHUP. A change is read and proved as a
//! whole; only then does it take the place of the old one, in one step, so every message is judged by one
//! consistent set. A change that is faulty is refused, told, and tried again when the files change again;
//! until then the old set holds.

use crate::config::Config;
use crate::health::{Health, Trouble};
use crate::telemetry;
use crate::world::{self, Tables};
use arc_swap::ArcSwap;
use broker_core::World;
use broker_core::ports::{Clock, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Reloads parties and rules.
pub struct Reload<S> {
    /// Which files, and how often they are looked at.
    pub config: Arc<Config>,
    /// What is swapped.
    pub world: Arc<ArcSwap<World>>,
    /// Where each reload is noted.
    pub store: Arc<S>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whom to tell.
    pub health: Health,
    /// Rung by SIGHUP.
    pub now: Arc<Notify>,
}

/// What a file looks like from outside; none if it is not there.
type Look = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

impl<S: Store> Reload<S> {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut seen = self.look().await;
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(self.config.reload_every) => false,
                () = self.now.notified() => true,
                () = shutdown.cancelled() => return,
            };
            let look = self.look().await;
            if asked || look != seen {
                seen = look;
                self.reload().await;
            }
        }
    }

    async fn reload(&self) {
        let config = Arc::clone(&self.config);
        let tables = tokio::task::spawn_blocking(move || Tables::load(&config)).await;
        match tables {
            Ok(Ok(tables)) => {
                let schemas = Arc::clone(&self.world.load().schemas);
                let world = world::world(&self.config, schemas, tables);
                self.world.store(Arc::new(world));
                self.health.over(Trouble::ReloadRefused);
                telemetry::reloaded("taken");
                tracing::info!("Parties and rules were read again and hold from now on.");
                self.note("reload", "parties and rules taken over").await;
            }
            Ok(Err(faults)) => {
                for fault in &faults {
                    tracing::error!("{fault}");
                }
                let count = faults.len();
                self.refused(format!("Changed parties or rules have {count} faults; the old ones hold."))
                    .await;
            }
            Err(_) => {
                self.refused("Changed parties or rules cannot be read; the old ones hold.".to_owned()).await
            }
        }
    }

    async fn refused(&self, sentence: String) {
        telemetry::reloaded("refused");
        tracing::error!("{sentence}");
        self.note("reload", &sentence).await;
        self.health.trouble(Trouble::ReloadRefused, sentence);
    }

    async fn note(&self, what: &str, detail: &str) {
        if let Err(error) = self.store.note(what, detail, self.clock.now()).await {
            telemetry::journal_failed(&self.health, "note", &error);
        }
    }

    /// How the files look now. Names, times and sizes, not contents: looking must cost next to nothing.
    async fn look(&self) -> Look {
        let paths: Vec<_> = self.config.parties.iter().chain(&self.config.rules).cloned().collect();
        let look = move || paths.iter().flat_map(|path| look_at(path)).collect();
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }
}

fn look_at(path: &Path) -> Look {
    let files = world::toml_files(path).unwrap_or_else(|_| vec![path.to_path_buf()]);
    let stamp = |file: PathBuf| {
        let meta = std::fs::metadata(&file).ok();
        let stamp = meta.and_then(|meta| Some((meta.modified().ok()?, meta.len())));
        (file, stamp)
    };
    files.into_iter().map(stamp).collect()
}
