//! The breaker of one destination: after failures in a row it keeps further deliveries back, and lets a
//! single one through from time to time to see whether the destination is back.
//!
//! ```text
//!         failures in a row, for a while       pause over
//!   Closed ----------------------> Open ----------------------> HalfOpen
//!     ^                             ^                              |  |
//!     |                             +---- the probe fails ---------+  |
//!     +----------------------- the destination answers ---------------+
//! ```
//!
//! A refusal is an answer: the destination lives, and so it is if one receiver alone cannot be reached there. Only `Retry` and `Unsure` count as failures. They must have gone on for a
//! while too: a connection that is lost and made anew within a second fails everything that was under way, and that is no
//! reason to leave the destination alone, or to wake anybody.

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
    /// How long they must have gone on, from the beginning of the first. Default 2 s.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub lasting: Duration,
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
        Self { failures: 5, lasting: Duration::from_secs(2), pause }
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
    /// When the first failure of the row began; none if there is no row.
    failing: Option<Timestamp>,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub const fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: BreakerState::Closed { failures: 0 }, failing: None }
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

    /// There was nothing to probe with: the permit for a probe goes back, and the next may be had at once.
    pub fn unused(&mut self, now: Timestamp) {
        if let BreakerState::HalfOpen { times, .. } = self.state {
            self.state = BreakerState::Open { until: now, times };
        }
    }

    /// Records the outcome of an attempt that began at `began` and ended now; `chance` is any random number.
    pub fn record(&mut self, attempt: &Attempt, began: Timestamp, now: Timestamp, chance: u64) -> Change {
        let failed = match attempt {
            // Nobody was asked, so nothing is known of how the destination is.
            Attempt::NothingToDo { .. } => {
                self.unused(now);
                return Change::None;
            }
            Attempt::HandedOver
            | Attempt::AlreadyThere
            | Attempt::Refused { .. }
            | Attempt::ReceiverAway { .. }
            | Attempt::SetAside { .. } => false,
            Attempt::Retry { .. } | Attempt::Unsure { .. } => true,
        };
        self.failing = failed.then(|| self.failing.map_or(began, |since| since.min(began)));
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
                let lasted = self.failing.is_some_and(|since| later(since, self.settings.lasting) <= now);
                if failures < self.settings.failures || !lasted {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a time")
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings { failures: 2, lasting: Duration::ZERO, ..BreakerSettings::default() })
    }

    fn failed() -> Attempt {
        Attempt::Retry { why: "connection refused".into(), after: None }
    }

    fn unsure() -> Attempt {
        Attempt::Unsure { why: "no answer".into() }
    }

    fn refused() -> Attempt {
        Attempt::Refused { why: "422".into() }
    }

    #[test]
    fn table_of_states_and_outcomes() {
        let closed = |failures| BreakerState::Closed { failures };
        let open = |until, times| BreakerState::Open { until: at(until), times };
        let half = |until, times| BreakerState::HalfOpen { until: at(until), times };
        let cases = [
            (closed(0), Attempt::HandedOver, closed(0), Change::None),
            (closed(1), Attempt::AlreadyThere, closed(0), Change::None),
            (closed(1), Attempt::NothingToDo { why: "withdrawn".into() }, closed(1), Change::None),
            (closed(1), refused(), closed(0), Change::None),
            (closed(1), Attempt::ReceiverAway { why: "no queue".into() }, closed(0), Change::None),
            (closed(0), failed(), closed(1), Change::None),
            (closed(1), failed(), open(10, 1), Change::Opened),
            (closed(1), unsure(), open(10, 1), Change::Opened),
            // Answers to attempts that were under way when it opened.
            (open(10, 1), failed(), open(10, 1), Change::None),
            (open(10, 1), Attempt::HandedOver, closed(0), Change::Closed),
            // The probe.
            (half(300, 1), failed(), open(20, 2), Change::None),
            (half(300, 2), unsure(), open(40, 3), Change::None),
            (half(300, 9), failed(), open(300, 10), Change::None),
            (half(300, 3), Attempt::HandedOver, closed(0), Change::Closed),
            (half(300, 3), refused(), closed(0), Change::Closed),
            // No probe: nobody was asked.
            (half(300, 3), Attempt::NothingToDo { why: "withdrawn".into() }, open(0, 3), Change::None),
        ];
        for (before, attempt, after, change) in cases {
            let mut breaker = Breaker { state: before, ..breaker() };
            assert_eq!(breaker.record(&attempt, at(0), at(0), 0), change, "{before:?}, {attempt:?}");
            assert_eq!(breaker.state(), after, "{before:?}, {attempt:?}");
        }
    }

    #[test]
    fn a_probe_that_had_nothing_to_probe_with_can_be_had_again() {
        let mut breaker = Breaker { state: BreakerState::Open { until: at(5), times: 2 }, ..breaker() };
        assert_eq!((breaker.permit(at(6)), breaker.permit(at(6))), (Permit::Probe, Permit::Wait(at(306))));
        breaker.unused(at(7));
        assert_eq!(breaker.permit(at(7)), Permit::Probe);
        breaker.record(&failed(), at(8), at(8), 0);
        assert_eq!(breaker.state(), BreakerState::Open { until: at(8 + 40), times: 3 });
        // Where it is closed there is nothing to give back.
        let mut closed = Breaker { state: BreakerState::Closed { failures: 1 }, ..breaker };
        closed.unused(at(9));
        assert_eq!(closed.state(), BreakerState::Closed { failures: 1 });
    }

    #[test]
    fn an_open_breaker_lets_one_probe_through_after_its_pause() {
        let mut breaker = breaker();
        breaker.record(&failed(), at(0), at(0), 0);
        assert_eq!(breaker.permit(at(0)), Permit::Go);
        assert_eq!(breaker.record(&failed(), at(0), at(0), 0), Change::Opened);
        assert_eq!(breaker.permit(at(9)), Permit::Wait(at(10)));
        assert_eq!(breaker.permit(at(10)), Permit::Probe);
        assert_eq!(breaker.permit(at(11)), Permit::Wait(at(310)), "one probe at a time");
        assert_eq!(breaker.record(&Attempt::HandedOver, at(12), at(12), 0), Change::Closed);
        assert_eq!(breaker.permit(at(12)), Permit::Go);
    }

    #[test]
    fn failures_that_are_over_within_a_moment_do_not_open_it() {
        let mut breaker = Breaker::new(BreakerSettings {
            failures: 5,
            lasting: Duration::from_secs(2),
            ..breaker().settings
        });
        for _ in 0..40 {
            // All that was under way when the connection was lost, begun over half a second.
            assert_eq!(breaker.record(&unsure(), at(0), at(1), 0), Change::None);
        }
        assert_eq!(breaker.permit(at(1)), Permit::Go);
        assert_eq!(breaker.record(&failed(), at(2), at(2), 0), Change::Opened, "it did not come back");

        // Where one hangs, its own time is counted: the fifth that had no answer opens it.
        let mut breaker = Breaker { state: BreakerState::Closed { failures: 0 }, failing: None, ..breaker };
        let changes = [0; 5].map(|began| breaker.record(&unsure(), at(began), at(30), 0));
        assert_eq!(changes[3..], [Change::None, Change::Opened]);

        // An answer in between, and the row begins anew.
        let mut breaker =
            Breaker { state: BreakerState::Closed { failures: 4 }, failing: Some(at(0)), ..breaker };
        breaker.record(&Attempt::HandedOver, at(1), at(1), 0);
        let changes = [9; 5].map(|began| breaker.record(&failed(), at(began), at(10), 0));
        assert_eq!(changes, [Change::None; 5]);
    }

    #[test]
    fn a_probe_that_is_never_heard_of_does_not_block_forever() {
        let mut breaker = Breaker { state: BreakerState::Open { until: at(0), times: 1 }, ..breaker() };
        assert_eq!(breaker.permit(at(0)), Permit::Probe);
        assert_eq!(breaker.permit(at(299)), Permit::Wait(at(300)));
        assert_eq!(breaker.permit(at(300)), Permit::Probe);
    }

    proptest! {
        /// Whatever happens, there is always a time at which a delivery may go.
        #[test]
        fn a_breaker_never_closes_the_way_for_good(
            outcomes in proptest::collection::vec((0u8..4, 0i64..600, any::<u64>()), 0..60),
        ) {
            let (mut breaker, mut now) = (breaker(), 0);
            for (outcome, pause, chance) in outcomes {
                now += pause;
                if let Permit::Wait(until) = breaker.permit(at(now)) {
                    prop_assert!(until > at(now));
                    prop_assert!(until <= at(now + 300));
                    prop_assert_ne!(breaker.clone().permit(until), Permit::Wait(until));
                }
                let attempt = [Attempt::HandedOver, refused(), failed(), unsure()][usize::from(outcome)].clone();
                breaker.record(&attempt, at(now), at(now), chance);
            }
        }
    }
}
