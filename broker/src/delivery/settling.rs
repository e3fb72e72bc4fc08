//! Results of attempts on their way into the journal.
//!
//! A settlement costs the journal much for each group and little for each result, so results gather for a moment. Attempts
//! go on meanwhile: nobody waits for a settlement but the next of an order key, and what is to be tried again.
//!
//! **Invariant:** what was pushed is offered until the journal has taken it.

use broker_core::journal::Settlement;
use broker_core::ports::{Store, StoreError};
use jiff::Timestamp;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Results gather for so long, if no more than half of the slots are waiting to be settled.
const LINGER: Duration = Duration::from_millis(12);

/// What was offered, and what the journal said.
type Offered = (Vec<Settlement>, bool, Result<usize, StoreError>);

/// What is shared between threads must be more than `Send`; nobody ever waits for this lock.
type UnderWay = Mutex<Pin<Box<dyn Future<Output = Offered> + Send>>>;

/// Results that the journal does not have yet. All times are on the monotonic clock.
pub(super) struct Settling<S> {
    store: Arc<S>,
    /// So many are offered without waiting for more.
    enough: usize,
    /// Not on their way; those that were offered in vain first.
    done: Vec<Settlement>,
    /// When the first of these came.
    since: Duration,
    /// Once these are settled, something may be due that was not before.
    frees: bool,
    under_way: Option<UnderWay>,
    /// The journal did not take the last: they are not offered again before.
    not_before: Option<Duration>,
}

impl<S: Store> Settling<S> {
    /// Nothing is waiting.
    pub(super) fn new(store: Arc<S>, enough: usize) -> Self {
        Self {
            store,
            enough: enough.max(1),
            done: Vec::new(),
            since: Duration::ZERO,
            frees: false,
            under_way: None,
            not_before: None,
        }
    }

    /// A result; `frees` if something may be due once it is settled.
    pub(super) fn push(&mut self, settlement: Settlement, frees: bool, now: Duration) {
        if self.done.is_empty() {
            self.since = now;
        }
        self.done.push(settlement);
        self.frees |= frees;
    }

    /// Results that wait, and are not on their way.
    pub(super) fn len(&self) -> usize {
        self.done.len()
    }

    /// Nothing waits that is not on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// The journal did not take what was offered last.
    pub(super) const fn is_held(&self) -> bool {
        self.not_before.is_some()
    }

    /// What was offered in vain is offered again after so long.
    pub(super) fn hold(&mut self, pause: Duration, now: Duration) {
        self.not_before = Some(now.saturating_add(pause));
    }

    /// In how long there is something to offer; none if nothing waits, or something is on its way.
    pub(super) fn due_in(&self, idle: bool, now: Duration) -> Option<Duration> {
        if self.done.is_empty() || self.under_way.is_some() {
            return None;
        }
        let at = match self.not_before {
            Some(then) => then,
            None if self.done.len() >= self.enough || (idle && self.frees) => now,
            None => self.since.saturating_add(LINGER),
        };
        Some(at.saturating_sub(now))
    }

    /// Offers all that waits.
    pub(super) fn offer(&mut self, now: Timestamp) {
        let (done, frees) = (std::mem::take(&mut self.done), std::mem::take(&mut self.frees));
        if done.is_empty() || self.under_way.is_some() {
            (self.done, self.frees) = (done, frees);
            return;
        }
        let store = Arc::clone(&self.store);
        self.under_way = Some(Mutex::new(Box::pin(async move {
            let result = store.settle(&done, now).await;
            (done, frees, result)
        })));
    }

    /// Waits for what is on its way: whether something may be due now. For ever if nothing is. Cancel safe.
    pub(super) async fn settled(&mut self) -> Result<bool, StoreError> {
        let Some(under_way) = &mut self.under_way else { return std::future::pending().await };
        let (mut offered, frees, result) = under_way.get_mut().unwrap_or_else(PoisonError::into_inner).await;
        self.under_way = None;
        self.not_before = None;
        match result {
            Ok(_) => Ok(frees),
            Err(error) => {
                offered.append(&mut self.done);
                self.done = offered;
                self.frees |= frees;
                Err(error)
            }
        }
    }

    /// True while something is on its way.
    pub(super) const fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }
}

impl<S> fmt::Debug for Settling<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settling").field("done", &self.done.len()).finish_non_exhaustive()
    }
}
