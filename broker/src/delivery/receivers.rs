//! Receivers behind one destination whose own place in it (their queue) takes nothing, while the destination lives.
//!
//! Nothing is held back for them: each message has its own times to be tried. But what is for one of them waits, and that
//! must not be silent.

use super::steady;
use crate::listed::listed;
use dead_letter::{Attempt, Breaker, BreakerSettings, Change};
use jiff::{SignedDuration, Timestamp};
use message_schemas::HerId;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The receivers of one destination that are away, or have just failed.
pub(super) struct Receivers {
    /// When one counts as away.
    settings: BreakerSettings,
    /// One that nothing was sent to for so long is forgotten: nothing waits for it any more.
    forgotten_after: Duration,
    failing: BTreeMap<HerId, Failing>,
}

struct Failing {
    breaker: Breaker,
    away: bool,
    last: Timestamp,
}

impl Receivers {
    /// None is away. No message waits longer than `longest_pause` for its next attempt.
    pub(super) fn new(settings: BreakerSettings, longest_pause: Duration) -> Self {
        // Twice that, and what an attempt may take.
        let forgotten_after = longest_pause.saturating_mul(2).saturating_add(Duration::from_secs(60));
        Self { settings, forgotten_after, failing: BTreeMap::new() }
    }

    /// Records an attempt that ended now: whether its receiver is away since, or back.
    pub(super) fn record(
        &mut self,
        receiver: HerId,
        attempt: &Attempt,
        took: Duration,
        now: Duration,
    ) -> Change {
        let of_receiver = match attempt {
            Attempt::ReceiverAway { why } => Attempt::Retry { why: why.clone(), after: None },
            // The destination itself failed, or nobody was asked.
            Attempt::Retry { .. }
            | Attempt::Unsure { .. }
            | Attempt::NothingToDo { .. }
            | Attempt::SetAside { .. } => {
                return Change::None;
            }
            Attempt::HandedOver | Attempt::AlreadyThere | Attempt::Refused { .. } => {
                let was_away = self.failing.remove(&receiver).is_some_and(|failing| failing.away);
                return if was_away { Change::Closed } else { Change::None };
            }
        };
        let (began, now) = (steady(now.saturating_sub(took)), steady(now));
        let failing = self.failing.entry(receiver).or_insert_with(|| Failing {
            breaker: Breaker::new(self.settings.clone()),
            away: false,
            last: now,
        });
        failing.last = now;
        let change = failing.breaker.record(&of_receiver, began, now, 0);
        failing.away |= change == Change::Opened;
        change
    }

    /// Forgets those that nothing was sent to for long; true if one of them was away.
    pub(super) fn forget_old(&mut self, now: Duration) -> bool {
        let (now, patience) = (steady(now), SignedDuration::try_from(self.forgotten_after));
        let Ok(patience) = patience else { return false };
        let before = self.away().count();
        self.failing.retain(|_, failing| now.duration_since(failing.last) <= patience);
        self.away().count() < before
    }

    fn away(&self) -> impl Iterator<Item = HerId> {
        self.failing.iter().filter(|(_, failing)| failing.away).map(|(receiver, _)| *receiver)
    }

    /// Those that are away, in words; none if none is.
    pub(super) fn named(&self) -> Option<String> {
        listed(self.away())
    }
}

impl fmt::Debug for Receivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receivers").field("failing", &self.failing.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn away() -> Attempt {
        Attempt::ReceiverAway { why: "no queue".to_owned() }
    }

    fn receivers() -> Receivers {
        let settings = BreakerSettings { failures: 2, lasting: second(2), ..BreakerSettings::default() };
        Receivers::new(settings, second(100))
    }

    fn record(receivers: &mut Receivers, receiver: u32, attempt: &Attempt, at: u64) -> Change {
        receivers.record(HerId(receiver), attempt, Duration::ZERO, second(at))
    }

    #[test]
    fn one_counts_as_away_after_a_while_and_is_back_with_its_first_message() {
        let mut these = receivers();
        assert_eq!(record(&mut these, 42, &away(), 1), Change::None);
        assert_eq!(record(&mut these, 42, &away(), 2), Change::None, "it has not lasted");
        assert_eq!(record(&mut these, 7, &away(), 2), Change::None, "another's");
        assert_eq!(these.named(), None);
        assert_eq!(record(&mut these, 42, &away(), 3), Change::Opened);
        assert_eq!(record(&mut these, 42, &away(), 4), Change::None, "told once");
        assert_eq!(these.named().as_deref(), Some("42"));
        let down = Attempt::Retry { why: "no connection".to_owned(), after: None };
        assert_eq!(record(&mut these, 42, &down, 5), Change::None, "that says nothing of it");
        assert_eq!(record(&mut these, 8, &Attempt::HandedOver, 5), Change::None);
        assert_eq!(record(&mut these, 42, &Attempt::HandedOver, 6), Change::Closed);
        assert_eq!((these.named(), these.failing.len()), (None, 1));
    }

    #[test]
    fn many_are_counted_and_those_that_nothing_waits_for_are_forgotten() {
        let mut these = receivers();
        for receiver in 1..=9 {
            record(&mut these, receiver, &away(), 1);
            record(&mut these, receiver, &away(), 4);
        }
        assert_eq!(these.named().as_deref(), Some("1, 2, 3, 4, 5 and 4 more"));
        record(&mut these, 3, &away(), 200);
        assert!(!these.forget_old(second(264)));
        assert!(these.forget_old(second(265)) && !these.forget_old(second(265)));
        assert_eq!(these.named().as_deref(), Some("3"));
    }
}
