//! Judgements that still hold, so that a sender's second message does not cost a chain again.

use super::{Anchors, Moment, Purpose, Trusted};
use crate::certificate::Thumbprint;
use crate::revocation::Evidence;
use foldhash::fast::FixedState;
use jiff::Timestamp;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

const SHARDS: usize = 16;

/// The most judgements in one shard.
const MOST: usize = 1024;

/// Judgements that still hold, by certificate and purpose, for one set of anchors; other anchors do not find them. When
/// there are new revocation answers, the chain still stands and only revocation is asked again: answers about one sender
/// come in all the time, and must not cost all other senders' chains. Shared by all threads; bounded.
#[derive(Debug, Default)]
pub struct Cache {
    shards: [RwLock<HashMap<Key, Entry, foldhash::fast::RandomState>>; SHARDS],
}

/// What a chain depends on, but the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    certificate: Thumbprint,
    purpose: Purpose,
    anchors: u64,
}

/// What the cache knows.
#[derive(Debug)]
pub(super) enum Found {
    /// The judgement still holds.
    Judgement(Arc<Trusted>),
    /// Chain, usage and policy hold; revocation is to be asked again.
    Chain(Arc<Trusted>),
    /// Nothing.
    Nothing,
}

#[derive(Debug)]
struct Entry {
    trusted: Arc<Trusted>,
    /// Which revocation answers it was judged by.
    evidence: u64,
    /// The time that all certificates of the chain have in common.
    valid: (Timestamp, Timestamp),
    /// From when the revocation answers may be used.
    from: Timestamp,
}

impl Key {
    pub(super) fn new(anchors: &Anchors, certificate: Thumbprint, purpose: Purpose) -> Self {
        Self { certificate, purpose, anchors: anchors.fingerprint() }
    }
}

impl Anchors {
    /// Tells sets of anchors apart. They are settings, not a stranger's choice, so a plain hash is enough.
    fn fingerprint(&self) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        for list in [&self.roots, &self.intermediates] {
            hasher.write_usize(list.len());
            for certificate in list {
                // A thumbprint is a hash already: eight bytes of it tell certificates apart.
                let [a, b, c, d, e, f, g, h, ..] = certificate.thumbprint.0;
                hasher.write_u64(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
            }
        }
        self.policies.hash(&mut hasher);
        self.revocation.hash(&mut hasher);
        self.test_mode.hash(&mut hasher);
        hasher.finish()
    }
}

impl Cache {
    /// Forgets everything.
    pub fn clear(&self) {
        for shard in &self.shards {
            write(shard).clear();
        }
    }

    /// Forgets one certificate.
    pub fn forget(&self, certificate: Thumbprint) {
        write(self.shard(certificate)).retain(|key, _| key.certificate != certificate);
    }

    pub(super) fn find(&self, key: &Key, moment: Moment, evidence: &Evidence) -> Found {
        let shard = read(self.shard(key.certificate));
        let known = shard.get(key).filter(|e| e.valid.0 <= moment.at && moment.at < e.valid.1);
        let Some(entry) = known else { return Found::Nothing };
        let fresh = entry.from <= moment.now && moment.now < entry.trusted.good_until;
        let trusted = Arc::clone(&entry.trusted);
        if fresh && entry.evidence == evidence.generation() {
            Found::Judgement(trusted)
        } else {
            Found::Chain(trusted)
        }
    }

    pub(super) fn put(&self, key: Key, trusted: &Arc<Trusted>, evidence: &Evidence) {
        let all = || trusted.chain.iter().chain([&trusted.certificate]);
        let begin = all().map(|c| c.not_before).max().unwrap_or(Timestamp::MAX);
        let end = all().map(|c| c.not_after).min().unwrap_or(Timestamp::MIN);
        let made = trusted.revocation.iter().filter_map(|s| s.source.as_ref()).map(|s| s.this_update).max();
        let now = trusted.moment.now;
        let entry = Entry {
            trusted: Arc::clone(trusted),
            evidence: evidence.generation(),
            valid: (begin, end),
            from: made.map_or(now, |made| made.min(now)),
        };
        let mut shard = write(self.shard(key.certificate));
        if shard.len() >= MOST && !shard.contains_key(&key) {
            shard.retain(|_, e| now < e.trusted.good_until);
            if shard.len() >= MOST {
                shard.clear();
            }
        }
        shard.insert(key, entry);
    }

    fn shard(&self, certificate: Thumbprint) -> &RwLock<HashMap<Key, Entry, foldhash::fast::RandomState>> {
        let [first, ..] = certificate.0;
        &self.shards[usize::from(first) % SHARDS]
    }
}

// A poisoned lock only says that some thread died while it held it; the map itself is whole.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
