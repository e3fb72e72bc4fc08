//! The breaker of one destination: after failures in a row it keeps further deliveries back, and lets a
//! single one through from time to time to see whether the destination is back.
//!
//! ```text
//!             failures in a row                pause over
//!   Closed ----------------------> Open ----------------------> HalfOpen
//!     ^                             ^                              |  |
//!     |                             +---- the probe fails ---------+  |
//!     +----------------------- the destination answers ---------------+
//! ```
//!
//! A refusal is an answer: the destination lives. Only `Retry` and `Unsure` count as failures.

use crate::attempt::{Attempt, later};
use crate::schedule::Schedule;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// Failures in a row that open it. Default 5.
    pub failures: u32,
    /// How long it stays open: grows with each failed probe. Default 10 s doubling to 5 min, jitter 0.2.
    pub pause: Schedule,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        let pause = Schedule {
            first: Duration::from_secs(10),
            max: Duration::from_secs(5 * 60),
            ..Schedule::default()
        };
        Self { failures: 5, pause }
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "breaker")]
pub enum BreakerState {
    /// Deliveries go through.
    Closed {
        /// Failures in a row so far.
        failures: u32,
    },
    /// Deliveries wait.
    Open {
        /// Until then.
        until: Timestamp,
        /// How often it opened without an answer in between.
        times: u32,
    },
    /// One delivery is out to see whether the destination is back.
    HalfOpen {
        /// If nothing is heard of the probe until then, another one may go.
        until: Timestamp,
        /// How often it opened without an answer in between.
        times: u32,
    },
}

/// Whether a delivery may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It may.
    Go,
    /// It may, alone: it is the probe.
    Probe,
    /// It waits, until then.
    Wait(Timestamp),
}

/// What an attempt changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that anybody needs to hear of.
    None,
    /// The destination is taken to be down.
    Opened,
    /// The destination is back.
    Closed,
}

/// The breaker of one destination.
#[derive(Debug, Clone)]
pub struct Breaker {
    settings: BreakerSettings,
    state: BreakerState,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub const fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: BreakerState::Closed { failures: 0 } }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether a delivery may go now. After `Probe` the outcome must be recorded; if it is not (the loop
    /// died with it), another probe may go after the longest pause.
    pub fn permit(&mut self, now: Timestamp) -> Permit {
        match self.state {
            BreakerState::Closed { .. } => Permit::Go,
            BreakerState::Open { until, times } | BreakerState::HalfOpen { until, times } if until <= now => {
                self.state = BreakerState::HalfOpen { until: later(now, self.settings.pause.max), times };
                Permit::Probe
            }
            BreakerState::Open { until, .. } | BreakerState::HalfOpen { until, .. } => Permit::Wait(until),
        }
    }

    /// Records the outcome of an attempt; `chance` is any random number.
    pub fn record(&mut self, attempt: &Attempt, now: Timestamp, chance: u64) -> Change {
        let failed = match attempt {
            Attempt::HandedOver | Attempt::AlreadyThere | Attempt::Refused { .. } => false,
            Attempt::Retry { .. } | Attempt::Unsure { .. } => true,
        };
        match (self.state, failed) {
            (BreakerState::Closed { .. }, false) => {
                self.state = BreakerState::Closed { failures: 0 };
                Change::None
            }
            (BreakerState::Open { .. } | BreakerState::HalfOpen { .. }, false) => {
                self.state = BreakerState::Closed { failures: 0 };
                Change::Closed
            }
            (BreakerState::Closed { failures }, true) => {
                let failures = failures.saturating_add(1);
                if failures < self.settings.failures {
                    self.state = BreakerState::Closed { failures };
                    return Change::None;
                }
                self.open(1, now, chance);
                Change::Opened
            }
            // Attempts that were under way when it opened say nothing new.
            (BreakerState::Open { .. }, true) => Change::None,
            (BreakerState::HalfOpen { times, .. }, true) => {
                self.open(times.saturating_add(1), now, chance);
                Change::None
            }
        }
    }

    fn open(&mut self, times: u32, now: Timestamp, chance: u64) {
        let until = later(now, self.settings.pause.pause(times, chance));
        self.state = BreakerState::Open { until, times };
    }
}
