//! A journal in memory: the twin of the one on disk, for the demo, the simulator and most tests.
//!
//! It keeps to the contract of [`Store`] with plain structures behind a mutex. Every call is one step: it
//! happened or it did not, so what a killed process leaves behind is the state after its last step, and
//! [`MemoryStore::crash`] gives exactly that. It knows no chance and no clock; what goes wrong, and when,
//! is decided by the caller ([`MemoryStore::with_faults`]).

use super::journal::Journal;
use broker_core::ContentHash;
use broker_core::journal::{
    Aside, CommitResult, Delivery, Document, Entry, EventRecord, Known, Ledger, Lookup, MessageRecord,
    Overdue, RecipientId, Search, SetAside, Settlement,
};
use broker_core::ports::{Backlog, Store, StoreError, Waiting};
use broker_core::series::{Kept, Ruled, Showing, ShownAt, Sought};
use jiff::Timestamp;
use message_schemas::MessageId;
use routing_rules::DestinationId;
use sharing::series::Strand;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// A journal in memory. Clones share it.
#[derive(Clone)]
pub struct MemoryStore {
    disk: Arc<Mutex<Journal>>,
    alive: Arc<AtomicBool>,
    faults: Arc<dyn Fn(Call) -> Fault + Send + Sync>,
}

/// What is asked of the journal, for choosing faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// [`Store::commit`].
    Commit,
    /// [`Store::claim`].
    Claim,
    /// [`Store::settle`].
    Settle,
    /// [`Store::recover`], [`Store::replay`], [`Store::note`], [`Store::show`].
    OtherWrite,
    /// [`Store::look_up`], [`Store::repeated`].
    LookUp,
    /// Every other reading.
    Read,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Nothing is done, and the caller hears that the journal is not available.
    Fails,
    /// It is done and durable, but the caller hears that the journal is not available.
    AnswerLost,
    /// Nothing is done, for want of room.
    Full,
}

/// What a disk would hold: a copy that later changes do not touch.
#[derive(Clone)]
pub struct Image(Journal);

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty journal that never fails.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Journal::default())
    }

    /// A journal that begins with what an image holds.
    #[must_use]
    pub fn from_image(image: Image) -> Self {
        Self::on(image.0)
    }

    fn on(journal: Journal) -> Self {
        Self {
            disk: Arc::new(Mutex::new(journal)),
            alive: Arc::new(AtomicBool::new(true)),
            faults: Arc::new(|_| Fault::None),
        }
    }

    /// The same journal, where each call first asks what goes wrong with it.
    #[must_use]
    pub fn with_faults(mut self, faults: impl Fn(Call) -> Fault + Send + Sync + 'static) -> Self {
        self.faults = Arc::new(faults);
        self
    }

    /// What the disk holds now.
    #[must_use]
    pub fn image(&self) -> Image {
        Image(self.disk.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Kills the process that holds this handle and its clones: they answer no more. The journal that is
    /// returned holds what was durable, and fails at nothing until told to.
    #[must_use]
    pub fn crash(&self) -> Self {
        self.alive.store(false, Ordering::SeqCst);
        Self {
            disk: Arc::clone(&self.disk),
            alive: Arc::new(AtomicBool::new(true)),
            faults: Arc::new(|_| Fault::None),
        }
    }

    fn step<T>(
        &self,
        call: Call,
        act: impl FnOnce(&mut Journal) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if !self.alive.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the process was killed".into()));
        }
        let mut journal = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.faults)(call) {
            Fault::None => act(&mut journal),
            Fault::Fails => Err(StoreError::Unavailable("it failed".into())),
            Fault::AnswerLost => {
                act(&mut journal)?;
                Err(StoreError::Unavailable("the answer was lost".into()))
            }
            Fault::Full => Err(StoreError::Full),
        }
    }
}

impl Store for MemoryStore {
    async fn look_up(&self, lookups: &[Vec<Lookup>]) -> Result<Vec<Known>, StoreError> {
        self.step(Call::LookUp, |j| Ok(lookups.iter().map(|l| j.look_up(l)).collect()))
    }

    async fn commit(&self, entries: Vec<Entry>) -> Result<Vec<CommitResult>, StoreError> {
        self.step(Call::Commit, |j| j.commit(entries))
    }

    async fn repeated(
        &self,
        source: &str,
        idempotency_key: &str,
    ) -> Result<Option<(MessageId, ContentHash)>, StoreError> {
        self.step(Call::LookUp, |j| Ok(j.repeated(source, idempotency_key)))
    }

    async fn first_under(&self, keys: &[(String, String)]) -> Result<Vec<MessageId>, StoreError> {
        self.step(Call::LookUp, |j| Ok(j.first_under(keys)))
    }

    async fn claim(
        &self,
        destination: &DestinationId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.step(Call::Claim, |j| Ok(j.claim(destination, now, limit)))
    }

    async fn next_due(&self, destination: &DestinationId) -> Result<Option<Timestamp>, StoreError> {
        self.step(Call::Read, |j| Ok(j.next_due(destination)))
    }

    async fn settle(&self, settlements: &[Settlement], now: Timestamp) -> Result<usize, StoreError> {
        self.step(Call::Settle, |j| Ok(j.settle(settlements, now)))
    }

    async fn recover(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.step(Call::OtherWrite, |j| Ok(j.recover(now)))
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Overdue>, StoreError> {
        self.step(Call::Read, |j| Ok(j.overdue(now, limit)))
    }

    async fn ledger(&self) -> Result<Ledger, StoreError> {
        self.step(Call::Read, |j| Ok(j.ledger()))
    }

    async fn find(&self, id: &str, limit: usize) -> Result<Vec<MessageRecord>, StoreError> {
        self.step(Call::Read, |j| Ok(j.find(id, limit)))
    }

    async fn search(&self, wanted: &Search) -> Result<Vec<MessageRecord>, StoreError> {
        self.step(Call::Read, |j| Ok(j.search(wanted)))
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        self.step(Call::Read, |j| Ok(j.message(id)))
    }

    async fn body(&self, id: MessageId) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.step(Call::Read, |j| Ok(j.body(id)))
    }

    async fn document(&self, id: Uuid) -> Result<Option<(&'static str, Arc<[u8]>)>, StoreError> {
        self.step(Call::Read, |j| Ok(j.document(id)))
    }

    async fn documents(&self, of: MessageId) -> Result<Vec<Document>, StoreError> {
        self.step(Call::Read, |j| Ok(j.documents(of)))
    }

    async fn evidence(&self, hash: ContentHash) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.step(Call::Read, |j| Ok(j.evidence(hash)))
    }

    async fn versions(&self, sought: &Sought) -> Result<Vec<Kept>, StoreError> {
        self.step(Call::Read, |j| Ok(j.versions(sought)))
    }

    async fn shown(&self, strands: &BTreeSet<Strand>) -> Result<Vec<ShownAt>, StoreError> {
        self.step(Call::Read, |j| Ok(j.shown(strands)))
    }

    async fn show(&self, showing: Showing) -> Result<(), StoreError> {
        self.step(Call::OtherWrite, |j| {
            j.show(showing);
            Ok(())
        })
    }

    async fn rule(&self, ruled: Ruled) -> Result<(), StoreError> {
        self.step(Call::OtherWrite, |j| {
            j.rule(ruled);
            Ok(())
        })
    }

    async fn set_aside(&self, wanted: &SetAside) -> Result<Vec<Aside>, StoreError> {
        self.step(Call::Read, |j| Ok(j.set_aside(wanted)))
    }

    async fn replay(
        &self,
        recipients: &[(RecipientId, Option<DestinationId>)],
        who_and_why: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.step(Call::OtherWrite, |j| {
            Ok(recipients.iter().filter(|(id, to)| j.replay(*id, to.as_ref(), who_and_why, now)).count())
        })
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        self.step(Call::Read, |j| Ok(j.backlog()))
    }

    async fn waiting(&self, destination: &DestinationId, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        self.step(Call::Read, |j| Ok(j.waiting(destination, limit)))
    }

    async fn note(&self, what: &str, detail: &str, now: Timestamp) -> Result<(), StoreError> {
        self.step(Call::OtherWrite, |j| {
            j.append(now, None, None, what, Some(crate::records::bounded(detail)));
            Ok(())
        })
    }

    async fn events(&self, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        self.step(Call::Read, |j| Ok(j.events(limit)))
    }

    async fn broken_link(&self) -> Result<Option<u64>, StoreError> {
        self.step(Call::Read, |j| Ok(j.broken_link()))
    }
}
