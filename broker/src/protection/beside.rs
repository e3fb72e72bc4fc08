//! What protection rests on for a command beside a running broker: what the files say, and what the broker keeps on
//! disk. Nothing there is changed, and nobody is asked.

use super::load::Material;
use super::revocation::with_answers;
use crate::config::trust::Trust;
use crate::exit::Failure;
use adapters::registry::KeptOptions;
use adapters::{registry, revocation};
use broker_core::Protection;
use broker_core::ports::Clock;
use jiff::Timestamp;
use std::sync::Arc;
use trust::revocation::{Evidence, SourceKind};

/// Out of these files and the broker's caches. Blocks on the disk.
///
/// # Errors
/// When a cache is there and cannot be read.
pub fn protection(trust: &Trust, material: Material, clock: &Arc<dyn Clock>) -> Result<Protection, Failure> {
    let evidence = evidence(trust, &material.lists, clock.now())?;
    let folder = trust.partners.registry.as_ref().and_then(|registry| registry.cache.as_deref());
    let name = KeptOptions::default().name;
    let known = folder.map(|folder| registry::look(folder, &name).map_err(Failure::file(folder)));
    let known = known.transpose()?.unwrap_or_default();

    Ok(Protection {
        keys: Arc::new(material.keys),
        anchors: Arc::new(material.anchors),
        evidence: Arc::new(evidence),
        partners: Arc::new(super::partners(material.partners, known)),
        second: super::second_engine(trust, clock),
        ..Protection::default()
    })
}

/// What these lists and the broker's cache tell of revocation now. Blocks on the disk.
///
/// # Errors
/// When the cache is there and cannot be read.
pub fn evidence(trust: &Trust, lists: &[Arc<[u8]>], now: Timestamp) -> Result<Evidence, Failure> {
    let kept = trust
        .revocation
        .cache
        .as_deref()
        .map(|folder| revocation::look(folder).map_err(Failure::file(folder)));
    let kept = kept.transpose()?.unwrap_or_default();
    let answers = kept.into_iter().map(|stored| (stored.question.kind(), stored.bytes));
    let lists = lists.iter().map(|list| (SourceKind::Crl, Arc::clone(list)));
    Ok(with_answers(Evidence::default(), answers.chain(lists)).fresh(now))
}
