//! Around a registry: what it said is kept, served stale when it is away, and remembered when it says something else.

use crate::shelf::{self, Shelf};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker_core::ports::{Clock, Listed, NotListed, Registry};
use jiff::{SignedDuration, Timestamp};
use message_schemas::HerId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use trust::Certificate;
use trust::chain::Purpose;

/// How answers are kept.
#[derive(Debug, Clone)]
pub struct KeptOptions {
    /// What the source is called, in records.
    pub name: String,
    /// Where answers are kept; none keeps nothing over a restart.
    pub folder: Option<PathBuf>,
    /// So long an answer is taken for the present one (12 hours).
    pub fresh_for: SignedDuration,
    /// So long nobody asks again after a failure, or for a party that is not known.
    pub rest_for: SignedDuration,
}

impl Default for KeptOptions {
    fn default() -> Self {
        Self {
            name: "registry".to_owned(),
            folder: None,
            fresh_for: SignedDuration::from_hours(12),
            rest_for: SignedDuration::from_mins(5),
        }
    }
}

/// What is known of a party.
#[derive(Debug, Clone)]
pub struct Told {
    /// Its certificates, those of the past too.
    pub listed: Vec<Listed>,
    /// When the registry said so.
    pub fetched_at: Timestamp,
    /// It is older than it should be, and the registry does not answer.
    pub stale: bool,
}

impl Told {
    /// The certificates for a purpose that were listed and valid at a moment, newest first.
    #[must_use]
    pub fn as_of(&self, purpose: Purpose, moment: Timestamp) -> Vec<Arc<Certificate>> {
        let listed = self.listed.iter().filter(|l| serves(&l.certificate, purpose) && l.as_of(moment));
        let mut found: Vec<_> = listed.map(|l| Arc::clone(&l.certificate)).collect();
        found.sort_by_key(|c| std::cmp::Reverse(c.not_before));
        found
    }
}

/// By key usage; a certificate with both serves for both.
fn serves(certificate: &Certificate, purpose: Purpose) -> bool {
    certificate.usage.is_some_and(|usage| match purpose {
        Purpose::Signing => usage.non_repudiation,
        Purpose::Sealing => usage.key_encipherment,
    })
}

/// A registry with a memory. Clones are the same one.
pub struct Kept<R>(Arc<Inner<R>>);

struct Inner<R> {
    source: R,
    options: KeptOptions,
    shelf: Option<Arc<Shelf>>,
    clock: Arc<dyn Clock>,
    known: Mutex<BTreeMap<HerId, Record>>,
    /// Who is not asked for again until then.
    resting: Mutex<HashMap<HerId, (Timestamp, NotListed)>>,
    /// One question at a time for each party.
    asking: Mutex<HashMap<HerId, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug, Clone)]
struct Record {
    fetched_at: Timestamp,
    listed: Vec<Listed>,
}

/// A record on disk.
#[derive(Serialize, Deserialize)]
struct Written {
    her_id: u32,
    source: String,
    fetched_at: Timestamp,
    certificates: Vec<WrittenCertificate>,
}

#[derive(Serialize, Deserialize)]
struct WrittenCertificate {
    sha256: String,
    der: String,
    first_seen: Timestamp,
    last_seen: Option<Timestamp>,
}

/// What a broker keeps in this folder of the registry of this name. Only looks: nothing is made, changed or thrown away.
/// Blocks on the disk.
///
/// # Errors
/// When the folder is there and cannot be read.
pub fn look(folder: &Path, name: &str) -> io::Result<BTreeMap<HerId, Told>> {
    let written = shelf::look::<Written>(folder)?.into_iter().map(|(written, _)| written);
    let known = written.filter(|written| written.source == name).filter_map(read);
    Ok(known.map(|(her_id, record)| (her_id, record.told(false))).collect())
}

impl<R: Registry> Kept<R> {
    /// Around this registry. Reads what was kept; blocks on the disk.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(source: R, options: KeptOptions, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let shelf = options.folder.as_deref().map(Shelf::open).transpose()?.map(Arc::new);
        let mut known = BTreeMap::new();
        if let Some(shelf) = &shelf {
            for (written, _) in shelf.all::<Written>()? {
                if written.source == options.name
                    && let Some((her_id, record)) = read(written)
                {
                    known.insert(her_id, record);
                }
            }
        }
        Ok(Self(Arc::new(Inner {
            source,
            options,
            shelf,
            clock,
            known: Mutex::new(known),
            resting: Mutex::default(),
            asking: Mutex::default(),
        })))
    }

    /// What is known of a party, asked for anew if that is too old. With what is known it is never an error.
    ///
    /// # Errors
    /// When nothing is known, and the registry does not tell.
    pub async fn tell(&self, her_id: HerId) -> Result<Told, NotListed> {
        let inner = &self.0;
        if let Some(told) = inner.fresh(her_id) {
            return Ok(told);
        }
        let asking = Arc::clone(lock(&inner.asking).entry(her_id).or_default());
        let asked = asking.lock().await;
        // Whoever waited here finds the answer.
        let told = match inner.fresh(her_id) {
            Some(told) => Ok(told),
            None => inner.ask(her_id).await,
        };
        drop(asked);
        lock(&inner.asking).retain(|id, asking| *id != her_id || Arc::strong_count(asking) > 2);
        told
    }

    /// What is known at this moment, without asking.
    #[must_use]
    pub fn known(&self) -> BTreeMap<HerId, Told> {
        let stale = |fetched_at| !self.0.is_fresh(fetched_at);
        let tell = |record: &Record| record.told(stale(record.fetched_at));
        lock(&self.0.known).iter().map(|(her_id, record)| (*her_id, tell(record))).collect()
    }
}

impl<R: Registry> Inner<R> {
    fn is_fresh(&self, fetched_at: Timestamp) -> bool {
        let age = self.clock.now().duration_since(fetched_at);
        // An answer from the future is one from a clock that was wrong.
        age < self.options.fresh_for && age > -self.options.fresh_for
    }

    fn fresh(&self, her_id: HerId) -> Option<Told> {
        lock(&self.known).get(&her_id).filter(|r| self.is_fresh(r.fetched_at)).map(|r| r.told(false))
    }

    async fn ask(&self, her_id: HerId) -> Result<Told, NotListed> {
        let now = self.clock.now();
        let resting = lock(&self.resting).get(&her_id).filter(|(until, _)| now < *until).cloned();
        let answer = match resting {
            Some((_, why)) => Err(why),
            None => self.source.certificates(her_id).await,
        };
        let before = lock(&self.known).get(&her_id).cloned();
        match answer {
            Ok(certificates) => {
                let record = Record { fetched_at: now, listed: merge(before, certificates, now) };
                lock(&self.known).insert(her_id, record.clone());
                lock(&self.resting).remove(&her_id);
                self.keep(her_id, &record).await;
                Ok(record.told(false))
            }
            Err(why) => {
                let until = now.checked_add(rest(&why, self.options.rest_for)).unwrap_or(now);
                lock(&self.resting).entry(her_id).or_insert((until, why.clone()));
                lock(&self.resting).retain(|_, (until, _)| now < *until);
                before.map(|record| record.told(true)).ok_or(why)
            }
        }
    }

    async fn keep(&self, her_id: HerId, record: &Record) {
        let Some(shelf) = self.shelf.clone() else { return };
        let written = write(her_id, &self.options.name, record);
        let key = format!("{} {her_id}", self.options.name);
        let kept = tokio::task::spawn_blocking(move || shelf.put(key.as_bytes(), &written, &[])).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::warn!("A registry's answer could not be kept on disk; it holds until the next start.");
        }
    }
}

impl Record {
    fn told(&self, stale: bool) -> Told {
        Told { listed: self.listed.clone(), fetched_at: self.fetched_at, stale }
    }
}

/// How long nobody asks again: at least as long as the registry wants, and never so long that it is forgotten.
pub(super) fn rest(why: &NotListed, usual: SignedDuration) -> SignedDuration {
    const LONGEST: SignedDuration = SignedDuration::from_hours(1);
    match why {
        NotListed::Later(wanted) => usual.max(*wanted).min(LONGEST.max(usual)),
        NotListed::UnknownParty | NotListed::Unavailable(_) => usual,
    }
}

/// What is listed now, and what was before.
fn merge(before: Option<Record>, now_listed: Vec<Arc<Certificate>>, now: Timestamp) -> Vec<Listed> {
    /// Certificates of the past that are remembered for one party.
    const MOST_PAST: usize = 32;
    let mut past = before.map(|record| record.listed).unwrap_or_default();
    let mut listed = Vec::with_capacity(now_listed.len());
    for certificate in now_listed {
        let same = past.iter().position(|l| l.certificate.thumbprint == certificate.thumbprint);
        let first_seen = same.map_or(now, |at| past.swap_remove(at).first_seen);
        listed.push(Listed { certificate, first_seen, last_seen: None });
    }
    for gone in &mut past {
        gone.last_seen.get_or_insert(now);
    }
    past.sort_by_key(|l| std::cmp::Reverse(l.last_seen));
    past.truncate(MOST_PAST);
    listed.extend(past);
    listed
}

fn write(her_id: HerId, source: &str, record: &Record) -> Written {
    let certificate = |listed: &Listed| WrittenCertificate {
        sha256: listed.certificate.thumbprint.to_string(),
        der: STANDARD.encode(&listed.certificate.der),
        first_seen: listed.first_seen,
        last_seen: listed.last_seen,
    };
    Written {
        her_id: her_id.0,
        source: source.to_owned(),
        fetched_at: record.fetched_at,
        certificates: record.listed.iter().map(certificate).collect(),
    }
}

fn read(written: Written) -> Option<(HerId, Record)> {
    let certificate = |written: WrittenCertificate| {
        let certificate = Certificate::from_der(&STANDARD.decode(written.der).ok()?).ok()?;
        let same = certificate.thumbprint.to_string() == written.sha256;
        same.then_some(Listed { certificate, first_seen: written.first_seen, last_seen: written.last_seen })
    };
    let listed = written.certificates.into_iter().map(certificate).collect::<Option<_>>()?;
    Some((HerId(written.her_id), Record { fetched_at: written.fetched_at, listed }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic happens under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R> Clone for Kept<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> std::fmt::Debug for Kept<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("registry::Kept")
    }
}
