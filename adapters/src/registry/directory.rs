//! The parties that we know, as the registry tells them: kept on disk, followed by its changes, served on when it is away.
//!
//! What changed is on disk before the place in the changes is, so that a crash between the two reads a change again, and
//! never skips one. A registry without a change feed is asked for each party as it grows old.

use super::kept::rest;
use crate::shelf::{self, Shelf};
use broker_core::ports::{Changes, Clock, Cursor, NotListed, PartyRegistry};
use jiff::{SignedDuration, Timestamp};
use message_schemas::HerId;
use routing_rules::RegistryEntry;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How the registry's word is kept.
#[derive(Debug, Clone)]
pub struct DirectoryOptions {
    /// Where; none keeps nothing over a restart.
    pub folder: Option<PathBuf>,
    /// What is older than this, unconfirmed, is stale (12 hours).
    pub fresh_for: SignedDuration,
    /// So long nobody asks again after a failure, or for a party that is not known.
    pub rest_for: SignedDuration,
}

impl Default for DirectoryOptions {
    fn default() -> Self {
        Self {
            folder: None,
            fresh_for: SignedDuration::from_hours(12),
            rest_for: SignedDuration::from_mins(5),
        }
    }
}

/// With a change feed, a party is still read again after so many times `fresh_for`: a change that the feed forgot must
/// not stay unseen for ever.
const FEED_IS_BELIEVED: i32 = 14;

/// Failures over single parties after which the rest is left for the next time.
const MOST_FAILURES: usize = 3;

/// A registry with a memory. Clones are the same one.
pub struct Directory<R>(Arc<Inner<R>>);

struct Inner<R> {
    source: R,
    options: DirectoryOptions,
    shelf: Option<Arc<Shelf>>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    refreshing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    known: BTreeMap<HerId, Kept>,
    cursor: Option<Cursor>,
    as_of: Option<Timestamp>,
    /// Who is not asked for again until then.
    unknown: BTreeMap<HerId, Timestamp>,
    resting: Option<(Timestamp, NotListed)>,
}

#[derive(Debug, Clone)]
struct Kept {
    entry: Arc<RegistryEntry>,
    fetched_at: Timestamp,
}

/// A record on disk.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Party { entry: RegistryEntry, fetched_at: Timestamp },
    Place { cursor: Option<Cursor>, as_of: Option<Timestamp> },
}

/// What came of asking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// The parties of which something else is known than before.
    pub changed: BTreeSet<HerId>,
    /// Those that the registry does not know.
    pub unknown: BTreeSet<HerId>,
    /// Why not everything could be brought up to date.
    pub trouble: Option<NotListed>,
}

/// What a broker keeps in this folder of the registry's parties. Only looks: nothing is made, changed or thrown away.
/// Blocks on the disk.
///
/// # Errors
/// When the folder is there and cannot be read.
pub fn look_at_parties(folder: &Path) -> io::Result<BTreeMap<HerId, Arc<RegistryEntry>>> {
    let state = read(shelf::look::<Written>(folder)?);
    Ok(state.known.into_iter().map(|(her_id, kept)| (her_id, kept.entry)).collect())
}

impl<R: PartyRegistry> Directory<R> {
    /// Around this registry. Reads what was kept; blocks on the disk.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(source: R, options: DirectoryOptions, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let shelf = options.folder.as_deref().map(Shelf::open).transpose()?.map(Arc::new);
        let records = shelf.as_ref().map(|shelf| shelf.all::<Written>()).transpose()?.unwrap_or_default();
        Ok(Self(Arc::new(Inner {
            source,
            options,
            shelf,
            clock,
            state: Mutex::new(read(records)),
            refreshing: tokio::sync::Mutex::default(),
        })))
    }

    /// What is known at this moment, without asking.
    #[must_use]
    pub fn known(&self) -> BTreeMap<HerId, Arc<RegistryEntry>> {
        self.0.state().known.iter().map(|(her_id, kept)| (*her_id, Arc::clone(&kept.entry))).collect()
    }

    /// How long ago everything known was last as the registry says; none if it never was.
    #[must_use]
    pub fn age(&self) -> Option<SignedDuration> {
        let as_of = self.0.state().as_of?;
        Some(self.0.clock.now().duration_since(as_of).max(SignedDuration::ZERO))
    }

    /// What is known is older than it should be, or nothing is.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.age().is_none_or(|age| age > self.0.options.fresh_for)
    }

    /// Brings what is known of these parties up to date; the others are forgotten. Cancel safe: what was read is kept,
    /// and the rest is read the next time.
    pub async fn refresh(&self, wanted: &BTreeSet<HerId>) -> Refreshed {
        let inner = &self.0;
        let refreshing = inner.refreshing.lock().await;
        let now = inner.clock.now();
        let mut refreshed = Refreshed::default();
        let resting = inner.state().resting.clone().filter(|(until, _)| now < *until);
        if let Some((_, why)) = resting {
            refreshed.trouble = Some(why);
            return refreshed;
        }
        inner.forget(wanted, &mut refreshed).await;
        match inner.bring_up_to_date(wanted, now, &mut refreshed).await {
            Ok(()) => {
                inner.state().resting = None;
                inner.state().as_of = Some(now);
                inner.keep_place().await;
            }
            Err(why) => {
                let until = now.checked_add(rest(&why, inner.options.rest_for)).unwrap_or(now);
                inner.state().resting = Some((until, why.clone()));
                refreshed.trouble = Some(why);
            }
        }
        drop(refreshing);
        refreshed
    }
}

impl<R: PartyRegistry> Inner<R> {
    async fn bring_up_to_date(
        &self,
        wanted: &BTreeSet<HerId>,
        now: Timestamp,
        refreshed: &mut Refreshed,
    ) -> Result<(), NotListed> {
        let place = self.state().cursor.clone();
        let mut follows = match place {
            Some(place) => self.follow(place, wanted, now, refreshed).await?,
            None => false,
        };
        if !follows {
            // No place yet, or one that the registry no longer knows.
            follows = self.begin(wanted, now, refreshed).await?;
        }
        self.ask_one_by_one(wanted, now, follows, refreshed).await
    }

    /// Reads all, and follows from there. False if this registry has no feed.
    async fn begin(
        &self,
        wanted: &BTreeSet<HerId>,
        now: Timestamp,
        refreshed: &mut Refreshed,
    ) -> Result<bool, NotListed> {
        let Some(whole) = self.source.all(wanted).await? else {
            self.state().cursor = None;
            return Ok(false);
        };
        for entry in whole.parties {
            if wanted.contains(&entry.her_id) {
                self.take(entry, now, refreshed).await;
            }
        }
        self.state().cursor = Some(whole.cursor.clone());
        self.keep_place().await;
        self.follow(whole.cursor, wanted, now, refreshed).await
    }

    /// Takes in all changes since a place. False if the registry does not know the place.
    async fn follow(
        &self,
        mut place: Cursor,
        wanted: &BTreeSet<HerId>,
        now: Timestamp,
        refreshed: &mut Refreshed,
    ) -> Result<bool, NotListed> {
        loop {
            let page = match self.source.changes(&place).await {
                Ok(page) => page,
                Err(NotListed::UnknownParty) => return Ok(false),
                Err(why) => return Err(why),
            };
            let Changes { changes, cursor, more } = page;
            for change in changes {
                if !wanted.contains(&change.her_id) {
                    continue;
                }
                match change.entry {
                    Some(entry) => self.take(*entry, now, refreshed).await,
                    None => self.grow_old(change.her_id).await,
                }
            }
            // The place moves past changes of strangers too, or it would soon be one that the registry has forgotten.
            if cursor != place {
                place = cursor;
                self.state().cursor = Some(place.clone());
                self.keep_place().await;
            }
            if !more {
                return Ok(true);
            }
        }
    }

    /// Asks for those that are not known, or not freshly.
    async fn ask_one_by_one(
        &self,
        wanted: &BTreeSet<HerId>,
        now: Timestamp,
        follows: bool,
        refreshed: &mut Refreshed,
    ) -> Result<(), NotListed> {
        let fresh_for = self.options.fresh_for;
        let fresh_for = if follows { fresh_for.saturating_mul(FEED_IS_BELIEVED) } else { fresh_for };
        let mut failures = Vec::new();
        for &her_id in wanted {
            let (is_fresh, is_unknown) = {
                let state = self.state();
                let fresh = |kept: &Kept| now.duration_since(kept.fetched_at).abs() < fresh_for;
                (
                    state.known.get(&her_id).is_some_and(fresh),
                    state.unknown.get(&her_id).is_some_and(|until| now < *until),
                )
            };
            if is_fresh || is_unknown {
                continue;
            }
            match self.source.party(her_id).await {
                Ok(entry) => self.take(entry, now, refreshed).await,
                Err(NotListed::UnknownParty) => {
                    let until = now.checked_add(self.options.fresh_for).unwrap_or(now);
                    self.state().unknown.insert(her_id, until);
                    refreshed.unknown.insert(her_id);
                }
                Err(why @ NotListed::Later(_)) => return Err(why),
                Err(why @ NotListed::Unavailable(_)) => {
                    // One party that it cannot tell must not hide the others; a registry that is away tells none.
                    failures.push(why);
                    if failures.len() == MOST_FAILURES {
                        break;
                    }
                }
            }
        }
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    async fn take(&self, entry: RegistryEntry, now: Timestamp, refreshed: &mut Refreshed) {
        let (her_id, entry) = (entry.her_id, Arc::new(entry));
        let before = {
            let mut state = self.state();
            state.unknown.remove(&her_id);
            state.known.insert(her_id, Kept { entry: Arc::clone(&entry), fetched_at: now })
        };
        if before.is_none_or(|before| before.entry != entry) {
            refreshed.changed.insert(her_id);
        }
        let entry = RegistryEntry::clone(&entry);
        self.put(format!("party {her_id}"), Written::Party { entry, fetched_at: now }).await;
    }

    /// It has changed, nobody can read into what: it is asked for until that is known, over a restart too.
    async fn grow_old(&self, her_id: HerId) {
        let record = {
            let mut state = self.state();
            state.unknown.remove(&her_id);
            state.known.get_mut(&her_id).map(|kept| {
                kept.fetched_at = Timestamp::UNIX_EPOCH;
                Written::Party { entry: RegistryEntry::clone(&kept.entry), fetched_at: kept.fetched_at }
            })
        };
        if let Some(record) = record {
            self.put(format!("party {her_id}"), record).await;
        }
    }

    /// Forgets those that nobody wants any more: they are not followed, so that they would be wrong one day.
    async fn forget(&self, wanted: &BTreeSet<HerId>, refreshed: &mut Refreshed) {
        let gone: Vec<_> = self.state().known.keys().filter(|id| !wanted.contains(id)).copied().collect();
        for her_id in gone {
            self.state().known.remove(&her_id);
            refreshed.changed.insert(her_id);
            if let Some(shelf) = self.shelf.clone() {
                let remove = move || shelf.remove(format!("party {her_id}").as_bytes());
                said(tokio::task::spawn_blocking(remove).await);
            }
        }
    }

    async fn keep_place(&self) {
        let place = {
            let state = self.state();
            Written::Place { cursor: state.cursor.clone(), as_of: state.as_of }
        };
        self.put("place".to_owned(), place).await;
    }

    async fn put(&self, key: String, record: Written) {
        let Some(shelf) = self.shelf.clone() else { return };
        said(tokio::task::spawn_blocking(move || shelf.put(key.as_bytes(), &record, &[])).await);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(kept: Result<io::Result<()>, tokio::task::JoinError>) {
    if !matches!(kept, Ok(Ok(()))) {
        tracing::warn!("What the registry told could not be kept on disk; it holds until the next start.");
    }
}

fn read(records: Vec<(Written, Vec<u8>)>) -> State {
    let mut state = State::default();
    for (record, _) in records {
        match record {
            Written::Party { entry, fetched_at } => {
                state.known.insert(entry.her_id, Kept { entry: Arc::new(entry), fetched_at });
            }
            Written::Place { cursor, as_of } => (state.cursor, state.as_of) = (cursor, as_of),
        }
    }
    state
}

impl<R> Clone for Directory<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> std::fmt::Debug for Directory<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("registry::Directory")
    }
}
