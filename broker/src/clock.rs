//! Time that a jump of the wall clock cannot turn into a thousand false alarms.
//!
//! Deadlines are stored as times of day, because they outlive the process. Were they held against the bare
//! wall clock, a clock set a year ahead by mistake would expire every waiting message at once. So the
//! process keeps its own time of day: it starts at the wall clock and then runs with the monotonic clock.
//! Small corrections of the wall clock are followed at once; a jump is an alarm, and is followed only when
//! it has lasted.

use broker_core::ports::Clock;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A difference up to this is a correction, and followed at once.
const CORRECTION: SignedDuration = SignedDuration::from_secs(2);

/// A jump that lasts so long is meant.
const ADOPTED_AFTER: Duration = Duration::from_secs(600);

/// A clock that follows corrections and not jumps.
#[derive(Debug)]
pub struct Steady<C> {
    clock: C,
    anchor: Mutex<Anchor>,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    /// The time of day then.
    day: Timestamp,
    /// The monotonic clock then.
    at: Duration,
    /// Since when the wall clock tells another time; on the monotonic clock.
    jumped: Option<Duration>,
}

/// What a look at the wall clock showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It tells our time.
    Agrees,
    /// It has just jumped so far.
    Jumped(SignedDuration),
    /// It jumped before, and is still off.
    StillOff,
    /// It is back, or the jump has lasted and is followed from now on.
    Settled,
}

impl<C: Clock> Steady<C> {
    /// Starts at the wall clock.
    pub fn new(clock: C) -> Self {
        let anchor = Anchor { day: clock.now(), at: clock.monotonic(), jumped: None };
        Self { clock, anchor: Mutex::new(anchor) }
    }

    /// Holds our time against the wall clock. To be called every second or so.
    pub fn look(&self) -> Look {
        let (wall, at) = (self.clock.now(), self.clock.monotonic());
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        let off = wall.duration_since(anchor.now(at));
        let follow = Anchor { day: wall, at, jumped: None };
        match anchor.jumped {
            _ if off.abs() <= CORRECTION => {
                let was_off = anchor.jumped.is_some();
                *anchor = follow;
                if was_off { Look::Settled } else { Look::Agrees }
            }
            None => {
                anchor.jumped = Some(at);
                Look::Jumped(off)
            }
            Some(since) if at.saturating_sub(since) >= ADOPTED_AFTER => {
                *anchor = follow;
                Look::Settled
            }
            Some(_) => Look::StillOff,
        }
    }
}

impl Anchor {
    fn now(&self, at: Duration) -> Timestamp {
        let passed = SignedDuration::try_from(at.saturating_sub(self.at)).unwrap_or(SignedDuration::MAX);
        self.day.checked_add(passed).unwrap_or(Timestamp::MAX)
    }
}

impl<C: Clock> Clock for Steady<C> {
    fn now(&self) -> Timestamp {
        let anchor = *self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        anchor.now(self.clock.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone)]
    struct Hand(Arc<Mutex<(Timestamp, Duration)>>);

    impl Hand {
        fn advance(&self, wall: i64, monotonic: u64) {
            let mut both = self.0.lock().expect("no panic before");
            both.0 += SignedDuration::from_secs(wall);
            both.1 += Duration::from_secs(monotonic);
        }
    }

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            self.0.lock().expect("no panic before").0
        }
        fn monotonic(&self) -> Duration {
            self.0.lock().expect("no panic before").1
        }
    }

    fn start() -> (Hand, Steady<Hand>) {
        let hand = Hand(Arc::new(Mutex::new((Timestamp::UNIX_EPOCH, Duration::from_secs(7)))));
        (hand.clone(), Steady::new(hand))
    }

    #[test]
    fn corrections_are_followed_at_once() {
        let (hand, clock) = start();
        hand.advance(11, 10);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH + SignedDuration::from_secs(10));
        assert_eq!(clock.look(), Look::Agrees);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH + SignedDuration::from_secs(11));
    }

    #[test]
    fn a_jump_is_told_once_and_does_not_move_our_time() {
        let (hand, clock) = start();
        hand.advance(86_400 * 365, 1);
        assert_eq!(clock.look(), Look::Jumped(SignedDuration::from_secs(86_400 * 365 - 1)));
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1));
        hand.advance(1, 1);
        assert_eq!(clock.look(), Look::StillOff);
        hand.advance(-86_400 * 365, 0);
        assert_eq!(clock.look(), Look::Settled);
    }

    #[test]
    fn a_jump_that_lasts_is_followed() {
        let (hand, clock) = start();
        hand.advance(-3_600, 1);
        assert!(matches!(clock.look(), Look::Jumped(_)));
        hand.advance(600, 600);
        assert_eq!(clock.look(), Look::Settled);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH + SignedDuration::from_secs(-3_000));
    }
}
