//! When to try again.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The schedule of one destination: the pause grows by a factor up to a maximum, and chance shortens it a
/// little, so that messages that failed together do not come back together.
///
/// Durations are written as `"5s"` or `"15m"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Pause after the first failed attempt. Default 5 s.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub first: Duration,
    /// By how much each further pause is longer than the one before. Default 2.
    pub factor: f64,
    /// No pause is longer. Default 15 min.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub max: Duration,
    /// The share of a pause that chance may take away, from 0 to 1. Default 0.2.
    pub jitter: f64,
    /// How many attempts are made before the delivery is parked. Default none: until its time to live ends.
    pub attempts: Option<u32>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            factor: 2.0,
            max: Duration::from_secs(15 * 60),
            jitter: 0.2,
            attempts: None,
        }
    }
}

/// Why a schedule makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// A pause of nothing would spin.
    #[error("first: must be at least 10 milliseconds")]
    First,
    /// Pauses would shrink, or have no length.
    #[error("factor: must be a number from 1 to 100")]
    Factor,
    /// The maximum is below the first pause, or above a week.
    #[error("max: must be at least first, and at most a week")]
    Max,
    /// Not a share.
    #[error("jitter: must be a number from 0 to 1")]
    Jitter,
    /// Nothing would ever be sent.
    #[error("attempts: must be at least 1; leave it out for no limit")]
    Attempts,
}

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Schedule {
    /// All that is wrong with it; empty if it can be used.
    #[must_use]
    pub fn faults(&self) -> Vec<ScheduleError> {
        let checks = [
            (self.first >= SHORTEST, ScheduleError::First),
            ((1.0..=100.0).contains(&self.factor), ScheduleError::Factor),
            (self.max >= self.first && self.max <= LONGEST, ScheduleError::Max),
            ((0.0..=1.0).contains(&self.jitter), ScheduleError::Jitter),
            (self.attempts != Some(0), ScheduleError::Attempts),
        ];
        checks.into_iter().filter(|(holds, _)| !holds).map(|(_, fault)| fault).collect()
    }

    /// The pause after `tries` failed attempts (the first is 1); `chance` is any random number.
    ///
    /// Always between 10 ms and a week, whatever the settings: a wrong schedule may be slow, but never spins.
    #[must_use]
    pub fn pause(&self, tries: u32, chance: u64) -> Duration {
        let steps = i32::try_from(tries.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.first.as_secs_f64() * self.factor.powi(steps);
        let capped = grown.min(self.max.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "53 bits of chance are plenty")]
        let share = (chance >> 11) as f64 / (1u64 << 53) as f64;
        let seconds = capped * (1.0 - self.jitter.clamp(0.0, 1.0) * share);
        Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).clamp(SHORTEST, LONGEST)
    }
}
