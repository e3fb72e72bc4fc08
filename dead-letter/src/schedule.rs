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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NO_JITTER: u64 = 0;

    #[test]
    fn pauses_double_up_to_fifteen_minutes() {
        let schedule = Schedule::default();
        let pauses: Vec<u64> = (1..=10).map(|tries| schedule.pause(tries, NO_JITTER).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert_eq!(schedule.pause(u32::MAX, NO_JITTER).as_secs(), 900);
    }

    #[test]
    fn chance_takes_away_at_most_its_share() {
        let schedule = Schedule::default();
        assert_eq!(schedule.pause(1, 0), Duration::from_secs(5));
        let least = schedule.pause(1, u64::MAX).as_secs_f64();
        assert!((4.0..4.001).contains(&least), "{least}");
    }

    #[test]
    fn durations_are_written_with_their_unit_and_the_rest_is_default() {
        let schedule: Schedule =
            toml::from_str("first = \"1s\"\nmax = \"2m\"\nattempts = 3").expect("a schedule");
        let wanted = Schedule {
            first: Duration::from_secs(1),
            max: Duration::from_secs(120),
            attempts: Some(3),
            ..Schedule::default()
        };
        assert_eq!(schedule, wanted);
        assert!(toml::from_str::<Schedule>("first = 5").is_err(), "a duration without unit");
        assert!(toml::from_str::<Schedule>("frist = \"5s\"").is_err(), "a field that is not known");
    }

    #[test]
    fn all_that_makes_no_sense_is_named() {
        let wrong = Schedule {
            first: Duration::ZERO,
            factor: 0.5,
            max: Duration::from_secs(u64::MAX),
            jitter: f64::NAN,
            attempts: Some(0),
        };
        assert_eq!(wrong.faults().len(), 5);
        assert!(Schedule::default().faults().is_empty());
    }

    proptest! {
        #[test]
        fn no_schedule_spins_or_sleeps_forever(
            first in any::<u64>(), factor in any::<f64>(), max in any::<u64>(), jitter in any::<f64>(),
            tries in any::<u32>(), chance in any::<u64>(),
        ) {
            let (first, max) = (Duration::from_millis(first), Duration::from_millis(max));
            let schedule = Schedule { first, factor, max, jitter, attempts: None };
            let pause = schedule.pause(tries, chance);
            prop_assert!((SHORTEST..=LONGEST).contains(&pause), "{pause:?}");
        }

        #[test]
        fn a_sound_schedule_keeps_its_bounds(
            first in 10u64..100_000, factor in 1.0f64..100.0, grow in 0u64..10_000_000, jitter in 0.0f64..=1.0,
            tries in 1u32..100, chance in any::<u64>(),
        ) {
            let (first, max) = (Duration::from_millis(first), Duration::from_millis(first + grow));
            let schedule = Schedule { first, factor, max, jitter, attempts: None };
            prop_assert!(schedule.faults().is_empty());
            prop_assert!(schedule.pause(tries, chance) <= max);
            prop_assert!(schedule.pause(tries, 0) <= schedule.pause(tries + 1, 0), "pauses do not shrink");
        }
    }
}
