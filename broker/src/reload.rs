//! Parties, rules, keys and certificates change while the broker runs.
//!
//! Their files are looked at every few seconds, and at once on SIGHUP. A change is read and proved as a
//! whole; only then does it take the place of the old one, in one step, so every message is judged by one
//! consistent set. A change that is faulty is refused, told, and tried again when the files change again;
//! until then the old set holds. A file that is being written is left alone until it looks the same twice, and from some
//! parties to none is a fault: a share that is not mounted looks like that, and its messages would be refused for good.

use crate::config::Config;
use crate::config::read::Fault;
use crate::health::{Health, Trouble};
use crate::protection::{Maker, Material, Revocation, load};
use crate::telemetry;
use crate::world::{self, Tables};
use arc_swap::ArcSwap;
use broker_core::World;
use broker_core::ports::{Clock, RevocationSource, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Reloads parties, rules, keys and certificates.
pub struct Reload<S, F> {
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
    /// Who puts protection together and keeps what is known of revocation, if trust is configured.
    pub trust: Option<(Arc<Maker>, Revocation<F>)>,
}

/// What a reload read.
type Read = (Tables, Option<Material>);

/// What a file looks like from outside; none if it is not there.
type Look = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

impl<S: Store, F: RevocationSource> Reload<S, F> {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut seen = self.look().await;
        let mut last = seen.clone();
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(self.config.reload_every) => false,
                () = self.now.notified() => true,
                () = shutdown.cancelled() => return,
            };
            let look = self.look().await;
            if asked || (look != seen && look == last) {
                seen.clone_from(&look);
                self.reload().await;
            }
            last = look;
        }
    }

    async fn reload(&self) {
        let config = Arc::clone(&self.config);
        let read = tokio::task::spawn_blocking(move || read(&config)).await;
        match read {
            Ok(Ok((tables, _))) if self.parties() > 0 && tables.parties.iter().next().is_none() => {
                self.refused(
                    "Changed parties hold none any more; the old ones hold. Is the folder mounted?"
                        .to_owned(),
                )
                .await;
            }
            Ok(Ok((tables, material))) => {
                let (before, now) = (self.parties(), tables.parties.iter().count());
                self.take_over(tables, material).await;
                self.health.over(Trouble::ReloadRefused);
                telemetry::reloaded("taken");
                tracing::info!(
                    before,
                    now,
                    "Parties, rules, keys and certificates were read again and hold from now on."
                );
                if now < before {
                    tracing::warn!(
                        before,
                        now,
                        "{now} parties are known, {before} were before: what comes for one that is gone is refused."
                    );
                }
                self.note("reload", "parties, rules, keys and certificates taken over").await;
            }
            Ok(Err(faults)) => {
                for fault in &faults {
                    tracing::error!("{fault}");
                }
                let count = faults.len();
                self.refused(format!(
                    "Changed parties, rules, keys or certificates have {count} faults; the old ones hold."
                ))
                .await;
            }
            Err(_) => self.refused("Changed files cannot be read; the old ones hold.".to_owned()).await,
        }
    }

    fn parties(&self) -> usize {
        self.world.load().parties.iter().count()
    }

    async fn take_over(&self, tables: Tables, material: Option<Material>) {
        let before = self.world.load_full();
        let made = self
            .trust
            .as_ref()
            .zip(material.as_ref())
            .map(|((maker, _), material)| Arc::new(maker.protection(material, before.trust.as_deref())));
        let schemas = Arc::clone(&before.schemas);
        let world = world::world(&self.config, schemas, tables, made);
        self.world.rcu(|now| {
            // What became known of revocation meanwhile stays known.
            let evidence = now.trust.as_ref().map(|trust| Arc::clone(&trust.evidence));
            let mut world = World::clone(&world);
            if let (Some(trust), Some(evidence)) = (world.trust.as_mut().map(Arc::make_mut), evidence) {
                trust.evidence = evidence;
            }
            world
        });
        if let (Some((_, revocation)), Some(material)) = (&self.trust, material) {
            revocation.add_lists(material.lists).await;
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
        let tables: Vec<_> = self.config.parties.iter().chain(&self.config.rules).cloned().collect();
        let named = world::named_certificates(&self.config, Some(&self.world.load().parties));
        let trust = self.config.trust.as_ref().map(load::watched).unwrap_or_default();
        let others: Vec<_> = trust.into_iter().chain(named.into_values().flatten()).collect();
        let look = move || {
            let tables = tables.iter().flat_map(|path| look_at(path, world::toml_files));
            tables.chain(others.iter().flat_map(|path| look_at(path, load::tree))).collect()
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }
}

fn read(config: &Config) -> Result<Read, Vec<Fault>> {
    let tables = Tables::load(config)?;
    let Some(trust) = &config.trust else { return Ok((tables, None)) };
    let material = Material::load(trust, world::named_certificates(config, Some(&tables.parties)))?;
    Ok((tables, Some(material)))
}

fn look_at(path: &Path, files: fn(&Path) -> std::io::Result<Vec<PathBuf>>) -> Look {
    let files = files(path).unwrap_or_else(|_| vec![path.to_path_buf()]);
    let stamp = |file: PathBuf| {
        let meta = std::fs::metadata(&file).ok();
        let stamp = meta.and_then(|meta| Some((meta.modified().ok()?, meta.len())));
        (file, stamp)
    };
    files.into_iter().map(stamp).collect()
}
