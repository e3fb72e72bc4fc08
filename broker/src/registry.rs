//! Follows the national registry of communication parties: asked in the background, never while a message waits.

use crate::config::registry::Registry as Settings;
use crate::exit::Failure;
use crate::health::{Health, Trouble};
use crate::telemetry::{self, alarm};
use crate::world;
use adapters::registry::{Directory, National, Refreshed};
use arc_swap::ArcSwap;
use broker_core::World;
use broker_core::ports::{Clock, NotListed, Store};
use dead_letter::Reason;
use jiff::Timestamp;
use message_schemas::HerId;
use routing_rules::Parties;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Opens the registry's cache.
///
/// # Errors
/// When the settings or the cache cannot be used.
pub fn directory(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Directory<National>, Failure> {
    let failed = |why: String| Failure::Start(format!("registry: {why}"));
    let national = National::build(settings.options()).map_err(|e| failed(e.to_string()))?;
    Directory::open(national, settings.directory(), clock)
        .map_err(|e| failed(format!("its cache cannot be used: {e}")))
}

/// Keeps the parties filled, and tells of those that take no part any more.
pub struct Follow<S> {
    /// The registry, with what is known of it.
    pub directory: Directory<National>,
    /// How often it is asked.
    pub every: Duration,
    /// Whose parties are filled.
    pub world: Arc<ArcSwap<World>>,
    /// Where alarms are noted.
    pub store: Arc<S>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whom to tell.
    pub health: Health,
}

impl<S: Store> Follow<S> {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut gone = BTreeSet::new();
        let mut tick = tokio::time::interval(self.every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = shutdown.cancelled() => return,
            }
            if shutdown.run_until_cancelled(self.look(&mut gone)).await.is_none() {
                return;
            }
        }
    }

    async fn look(&self, gone: &mut BTreeSet<HerId>) {
        let wanted: BTreeSet<HerId> = self.world.load().parties.iter().map(|p| p.her_id).collect();
        let refreshed = self.directory.refresh(&wanted).await;
        count(&refreshed);
        self.fill();
        self.tell_age(&refreshed);
        self.tell_gone(gone).await;
    }

    /// Puts what is known into the parties, if they do not hold it yet: after a change there, or a reload here.
    fn fill(&self) {
        let told = self.directory.known();
        if self.world.load().parties.with_registry(&told).hash() == self.world.load().parties.hash() {
            return;
        }
        self.world.rcu(|before| world::with_registry(before, &told));
        tracing::info!("What the address registry tells of our parties has changed, and holds from now on.");
    }

    fn tell_age(&self, refreshed: &Refreshed) {
        if let Some(age) = self.directory.age() {
            telemetry::registry_age(age);
        }
        if !self.directory.is_stale() {
            self.health.over(Trouble::RegistryStale);
            return;
        }
        let why = refreshed.trouble.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        let age = self.directory.age().map(|age| age.as_hours());
        let sentence = match age {
            Some(hours) => format!("What is known of the address registry is {hours} hours old{why}."),
            None => format!("Nothing is known of the address registry yet{why}."),
        };
        if self.health.trouble(Trouble::RegistryStale, &sentence) {
            tracing::warn!("{sentence} Messages go on by what is known.");
        }
    }

    /// Tells once of each party that the files still count on.
    async fn tell_gone(&self, told: &mut BTreeSet<HerId>) {
        let now = self.clock.now();
        let gone = gone(&self.world.load().parties, now);
        telemetry::registry_deactivated(gone.len());
        for her_id in gone.difference(told) {
            let sentence = format!(
                "By the address registry party {her_id} takes no part any more; the parties' files say it does."
            );
            telemetry::reason(Reason::PartyDeactivated);
            alarm(Reason::PartyDeactivated, &sentence);
            let note = format!("{} {sentence}", Reason::PartyDeactivated);
            if let Err(error) = self.store.note("alarm", &note, now).await {
                telemetry::journal_failed(&self.health, "note", &error);
            }
        }
        if gone.is_empty() {
            self.health.over(Trouble::PartyDeactivated);
        } else {
            let names: Vec<_> = gone.iter().map(ToString::to_string).collect();
            let names = names.join(", ");
            let sentence = format!("By the address registry these parties take no part any more: {names}.");
            self.health.trouble(Trouble::PartyDeactivated, sentence);
        }
        *told = gone;
    }
}

/// Those that take part by the files, and not by the registry.
fn gone(parties: &Parties, now: Timestamp) -> BTreeSet<HerId> {
    let counted_on = parties.iter().filter(|party| party.valid_at(now));
    let gone = counted_on.filter(|p| parties.registry(p.her_id).is_some_and(|told| !told.takes_part(now)));
    gone.map(|party| party.her_id).collect()
}

fn count(refreshed: &Refreshed) {
    refreshed.changed.iter().for_each(|_| telemetry::registry_answer("changed"));
    refreshed.unknown.iter().for_each(|_| telemetry::registry_answer("unknown_party"));
    match &refreshed.trouble {
        None => {}
        Some(NotListed::UnknownParty | NotListed::Unavailable(_) | NotListed::Later(_)) => {
            telemetry::registry_answer("unavailable");
        }
    }
}
