//! What every source of revocation answers, and every registry, keeps to; the twins in memory too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod country;
mod directory;
mod engine;
mod national;
mod registry;
mod revocation;
mod web;

use broker_core::ports::Clock;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A clock that stands until it is moved.
#[derive(Clone)]
pub(crate) struct Standing(Arc<Mutex<Timestamp>>);

impl Standing {
    pub(crate) fn at(text: &str) -> Self {
        Self(Arc::new(Mutex::new(text.parse().unwrap())))
    }

    pub(crate) fn pass(&self, time: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(time).unwrap();
    }

    pub(crate) fn port(&self) -> Arc<dyn Clock> {
        Arc::new(self.clone())
    }
}

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::try_from(self.now().duration_since(Timestamp::UNIX_EPOCH)).unwrap()
    }
}
