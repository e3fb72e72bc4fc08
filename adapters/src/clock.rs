//! The clock: the only place of the project that reads the time.

use broker_core::ports::Clock;
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// The machine's clocks. Times of day are cut to the microsecond, as the journal keeps them.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Clocks whose monotonic side counts from now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock adapter")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock adapter")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_clock_goes_back_and_both_move() {
        let clock = SystemClock::new();
        let (day, since) = (clock.now(), clock.monotonic());
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.now() > day);
        assert!(clock.monotonic() > since);
        assert_eq!(day.as_nanosecond() % 1000, 0);
    }
}
