//! Tells, day after day, of certificates that run out: as metrics, in health, in the log.

use super::expiry::{Lasting, Owner, lasting, purpose_word};
use crate::health::{Health, Trouble};
use crate::telemetry::{self, alarm};
use arc_swap::ArcSwap;
use broker_core::ports::{Clock, Store};
use broker_core::{Protection, World};
use dead_letter::Reason;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use trust::certificate::Thumbprint;
use trust::keys::Expiry;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(10 * 60);

/// Watches certificates.
pub struct Watch<S> {
    /// What is watched.
    pub world: Arc<ArcSwap<World>>,
    /// Where alarms are noted.
    pub store: Arc<S>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whom to tell.
    pub health: Health,
}

impl<S: Store> Watch<S> {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut told = HashMap::new();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = shutdown.cancelled() => return,
            }
            let trust = self.world.load().trust.clone();
            if let Some(trust) = trust {
                self.look(&trust, &mut told).await;
            }
        }
    }

    async fn look(&self, trust: &Protection, told: &mut HashMap<(Thumbprint, &'static str), i64>) {
        let now = self.clock.now();
        let all = all(trust, now);
        telemetry::certificates(&all);
        let soon: Vec<_> = all.iter().filter(|l| l.level.is_some()).collect();
        self.health(&soon, trust, now);
        let today = now.as_second().div_euclid(24 * 60 * 60);
        for lasting in soon {
            let key = (lasting.certificate.thumbprint, purpose_word(lasting.purpose));
            // Once a day, whatever the level: who is told every ten minutes stops to listen.
            if told.insert(key, today) != Some(today) {
                self.tell(lasting).await;
            }
        }
        told.retain(|_, day| *day == today);
    }

    fn health(&self, soon: &[&Lasting], trust: &Protection, now: Timestamp) {
        let own = soon.iter().filter(|l| l.owner == Owner::Own).count();
        if soon.is_empty() {
            self.health.over(Trouble::CertificateExpiring);
        } else {
            let partners = soon.len() - own;
            let sentence = format!(
                "Certificates that run out within 60 days, or have: {own} of ours, {partners} of partners."
            );
            self.health.trouble(Trouble::CertificateExpiring, sentence);
        }
        if trust.keys.iter().next().is_some() && trust.keys.signing(now).is_none() {
            let sentence = "No key of ours can sign now: what must leave signed is parked.";
            self.health.trouble(Trouble::NoSigningKey, sentence);
        } else {
            self.health.over(Trouble::NoSigningKey);
        }
    }

    async fn tell(&self, lasting: &Lasting) {
        let Some(finding) = lasting.finding() else { return };
        let reason = match (lasting.owner, lasting.level) {
            (Owner::Own, Some(Expiry::Over)) => Reason::OwnCertificateExpired,
            (Owner::Own | Owner::Partner(_), _) => Reason::CertificateExpiring,
        };
        let sentence = format!("{}: {} {}", finding.code.as_str(), finding.message, finding.remedy);
        alarm(reason, &sentence);
        if let Err(error) = self.store.note("alarm", &format!("{reason} {sentence}"), self.clock.now()).await
        {
            telemetry::journal_failed(&self.health, "note", &error);
        }
    }
}

/// For each owner and purpose, the certificate that lasts longest.
fn all(trust: &Protection, now: Timestamp) -> Vec<Lasting> {
    let own = trust.keys.iter().map(|key| (Owner::Own, key.certificate()));
    let partners = trust.partners.iter().map(|(her_id, certificate)| (Owner::Partner(her_id), certificate));
    lasting(own.chain(partners), now)
}
