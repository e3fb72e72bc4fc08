//! Pauses before something is tried again: each about twice the last, and never quite the same for two who wait.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The pauses of one who tries again and again.
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The next pause: between half and the whole of what it would be without chance.
    pub(crate) fn pause(&mut self) -> Duration {
        let whole = self.next;
        self.next = self.next.saturating_mul(2).min(self.longest);
        // A fresh key of a hasher is chance enough to keep many clients of one server apart.
        let chance = RandomState::new().hash_one(()) % 1024;
        let half = whole / 2;
        half + half.mul_f64(chance as f64 / 1024.0)
    }

    /// It went well: the next pause is the first again.
    pub(crate) const fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let upper = [100, 200, 400, 800, 1000, 1000].map(Duration::from_millis);
        for whole in upper {
            let pause = backoff.pause();
            assert!(whole / 2 <= pause && pause <= whole, "{pause:?} of {whole:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(100));
    }
}
