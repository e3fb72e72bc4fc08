//! Keeps partners' certificates as the registry tells them: asked for in the background, never while a message waits.

use super::Maker;
use crate::telemetry;
use adapters::registry::Told;
use arc_swap::ArcSwap;
use broker_core::ports::NotListed;
use broker_core::{Protection, World};
use jiff::SignedDuration;
use message_schemas::HerId;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use trust::Certificate;

/// How often it is looked whether something is too old.
const LOOK_EVERY: Duration = Duration::from_secs(5 * 60);

/// A certificate that is no longer listed is still taken for messages that were sent before.
const PAST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Asks the registry for all parties.
pub struct Registry {
    /// Holds the registry's cache.
    pub maker: Arc<Maker>,
    /// Whose certificates are asked for, and where they go.
    pub world: Arc<ArcSwap<World>>,
}

impl Registry {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = shutdown.cancelled() => return,
            }
            if shutdown.run_until_cancelled(self.refresh()).await.is_none() {
                return;
            }
        }
    }

    /// Asks for whoever is not known freshly, one after the other: there is no hurry, and the registry is everybody's.
    async fn refresh(&self) {
        let Some(registry) = self.maker.registry() else { return };
        let parties: Vec<HerId> = self.world.load().parties.iter().map(|p| p.her_id).collect();
        let mut changed = false;
        for her_id in parties {
            let before = registry.known().get(&her_id).map(|told| told.fetched_at);
            let outcome = match registry.tell(her_id).await {
                Ok(told) if told.stale => "stale",
                Ok(told) if Some(told.fetched_at) == before => "at_hand",
                Ok(_) => {
                    changed = true;
                    "fetched"
                }
                Err(NotListed::UnknownParty) => "unknown_party",
                Err(NotListed::Unavailable(_) | NotListed::Later(_)) => "unavailable",
            };
            telemetry::registry_answer(outcome);
        }
        if changed {
            let partners = Arc::new(self.maker.partners());
            self.world.rcu(|before| {
                let trust = before.trust.as_ref().map(|trust| {
                    Arc::new(Protection { partners: Arc::clone(&partners), ..Protection::clone(trust) })
                });
                World { trust, ..World::clone(before) }
            });
        }
    }
}

/// What is listed now, and for signatures what was until lately.
pub(super) fn of_use(told: &Told) -> Vec<Arc<Certificate>> {
    let lately = |last: jiff::Timestamp| told.fetched_at.duration_since(last) < PAST;
    let signs = |certificate: &Certificate| certificate.usage.is_some_and(|u| u.non_repudiation);
    let listed = told.listed.iter();
    let of_use = listed.filter(|l| l.last_seen.is_none_or(|last| lately(last) && signs(&l.certificate)));
    of_use.map(|l| Arc::clone(&l.certificate)).collect()
}
