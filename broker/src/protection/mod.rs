//! The shell's side of trust: reads keys and certificates, fetches what is known of revocation, watches what expires.
//! Nothing is judged here.

pub mod again;
pub mod beside;
pub mod check;
pub mod expiry;
pub mod judge;
pub mod load;
pub mod registry;
pub mod revocation;
pub mod watch;

pub use again::Again;
pub use load::Material;
pub use registry::Registry;
pub use revocation::Revocation;

use crate::config::trust::{self as settings, Trust};
use crate::exit::Failure;
use crate::health::{Health, Trouble};
use crate::telemetry::{self, alarm};
use ::trust::Certificate;
use ::trust::second_opinion::SecondOpinion;
use adapters::registry::{Kept, KeptOptions, Rest, Told};
use adapters::revocation::{Hosts, KeptOptions as RevocationKept, Options as WebOptions, Web};
use adapters::second_engine::{self, Engine};
use arc_swap::ArcSwap;
use broker_core::ports::Clock;
use broker_core::protection::Partners;
use broker_core::{Protection, World};
use dead_letter::Reason;
use jiff::SignedDuration;
use message_schemas::HerId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Puts together what messages are opened, judged and sealed by.
pub struct Maker {
    second: Option<Arc<dyn SecondOpinion>>,
    registry: Option<Kept<Rest>>,
    /// Partners' certificates as the files say.
    files: Mutex<BTreeMap<HerId, Vec<Arc<Certificate>>>>,
}

impl Maker {
    /// Sets up what outlives a reload: the registry's cache and the second engine.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn build(trust: &Trust, clock: &Arc<dyn Clock>) -> Result<Self, Failure> {
        let registry = trust.partners.registry.as_ref().map(|s| registry_of(s, clock)).transpose()?;
        Ok(Self { second: second_engine(trust, clock), registry, files: Mutex::default() })
    }

    /// The registry, if one is asked.
    #[must_use]
    pub const fn registry(&self) -> Option<&Kept<Rest>> {
        self.registry.as_ref()
    }

    /// Out of what the files say; what was known of revocation before stays known.
    #[must_use]
    pub fn protection(&self, material: &Material, before: Option<&Protection>) -> Protection {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&material.partners);
        let before = before.cloned().unwrap_or_default();
        Protection {
            keys: Arc::new(material.keys.clone()),
            anchors: Arc::new(material.anchors.clone()),
            evidence: before.evidence,
            cache: before.cache,
            partners: Arc::new(self.partners()),
            second: self.second.clone(),
        }
    }

    /// Partners' certificates from all sources.
    #[must_use]
    pub fn partners(&self) -> Partners {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner).clone();
        partners(files, self.registry.as_ref().map(Kept::known).unwrap_or_default())
    }
}

/// Partners' certificates, as the files say and as a registry told.
fn partners(files: BTreeMap<HerId, Vec<Arc<Certificate>>>, known: BTreeMap<HerId, Told>) -> Partners {
    let told = known.into_iter().map(|(her_id, told)| (her_id, registry::of_use(&told)));
    Partners::new(files.into_iter().chain(told))
}

/// The second engine, where one is configured; it starts with its first question.
fn second_engine(trust: &Trust, clock: &Arc<dyn Clock>) -> Option<Arc<dyn SecondOpinion>> {
    let engine = |settings| Engine::new(engine_options(settings), Arc::clone(clock));
    trust.second_engine.as_ref().map(|s| Arc::new(engine(s)) as Arc<dyn SecondOpinion>)
}

fn registry_of(settings: &settings::Registry, clock: &Arc<dyn Clock>) -> Result<Kept<Rest>, Failure> {
    let failed = |why: String| Failure::Start(format!("trust.partners.registry: {why}"));
    let rest = Rest::build(settings.options()).map_err(|e| failed(e.to_string()))?;
    let options = KeptOptions {
        folder: settings.cache.clone(),
        fresh_for: settings.fresh_for(),
        ..KeptOptions::default()
    };
    Kept::open(rest, options, Arc::clone(clock)).map_err(|e| failed(format!("its cache cannot be used: {e}")))
}

/// Sets up what is known of revocation.
///
/// # Errors
/// When the cache or TLS cannot be used.
pub fn revocation(
    trust: &Trust,
    world: &Arc<ArcSwap<World>>,
    clock: &Arc<dyn Clock>,
    health: &Health,
) -> Result<Revocation<Web>, Failure> {
    let settings = &trust.revocation;
    let failed = |why: String| Failure::Start(format!("trust.revocation: {why}"));
    let web = WebOptions {
        timeout: settings.timeout,
        crl_bytes: settings.crl_bytes.0,
        at_once: settings.at_once,
        hosts: if settings.hosts.is_empty() { Hosts::Any } else { Hosts::Only(settings.hosts.clone()) },
        ..WebOptions::default()
    };
    let web = Web::build(web).map_err(|e| failed(e.to_string()))?;
    let kept = RevocationKept { folder: settings.cache.clone(), ..RevocationKept::default() };
    let kept = adapters::revocation::Kept::open(web, kept, Arc::clone(clock))
        .map_err(|e| failed(format!("its cache cannot be used: {e}")))?;
    let options = revocation::Options {
        online: settings.online,
        prefer: settings.prefer,
        refresh_before: long(settings.refresh_before),
    };
    Ok(Revocation::new(options, kept, Arc::clone(world), Arc::clone(clock), health.clone()))
}

fn long(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// Says loudly that test mode is on: in the log, in health, as a metric and as an alarm.
pub fn announce(trust: Option<&Trust>, health: &Health) {
    let on = trust.is_some_and(|trust| trust.test_mode == settings::TestMode::On);
    telemetry::test_mode(on);
    if on {
        let sentence = "TEST MODE IS ON: certificates whose revocation cannot be told are let pass. No real message \
                        may come here.";
        alarm(Reason::TestMode, sentence);
        health.trouble(Trouble::TestMode, sentence);
    }
}

/// The second engine's settings, as the adapter takes them.
#[must_use]
pub fn engine_options(settings: &settings::SecondEngine) -> second_engine::Options {
    second_engine::Options { program: settings.program.clone(), timeout: settings.timeout }
}
