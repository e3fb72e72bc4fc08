//! What follows from one attempt to deliver.

use crate::reason::Reason;
use crate::schedule::Schedule;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a destination made of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "attempt")]
pub enum Attempt {
    /// It took the message.
    HandedOver,
    /// It has the message already, from an attempt whose answer was lost.
    AlreadyThere,
    /// There was nothing to hand over, so it was not asked.
    NothingToDo {
        /// Why, without content of the message.
        why: String,
    },
    /// It said no, and would say so again.
    Refused {
        /// What it said, without content of the message.
        why: String,
    },
    /// It was not told: what it shall be told is for a person to decide first.
    SetAside {
        /// Why.
        reason: Reason,
        /// In a few words, without content of the message.
        why: String,
    },
    /// It surely did not take the message, but may do so later.
    Retry {
        /// What stood in the way.
        why: String,
        /// How long it asks us to wait, if it said so.
        after: Option<Duration>,
    },
    /// It lives, but the place of this receiver there (its queue) surely did not take the message, and may do so later. Of its
    /// other receivers that says nothing.
    ReceiverAway {
        /// What stood in the way.
        why: String,
    },
    /// It may or may not have taken the message: the bytes were out, and no answer came.
    Unsure {
        /// What was seen.
        why: String,
    },
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// Nothing: it is handed over, or there was nothing to hand over.
    Done,
    /// Try again then.
    RetryAt(Timestamp),
    /// Try again then, with the same id and the same bytes; until then it is neither failed nor done.
    UnsureRetryAt(Timestamp),
    /// Put aside for a person.
    Park(Reason),
    /// Its time is over.
    Expire,
}

/// A destination's wish to wait is honoured up to this long; beyond it, it would be a way to switch us off.
const LONGEST_WISH: Duration = Duration::from_secs(60 * 60);

/// What follows from an attempt.
///
/// `tries` counts the attempts made, this one too. `expires` is the end of the time to live: no pause goes
/// beyond it, so that the last attempt is made when it ends and not up to a pause earlier.
#[must_use]
pub fn after_attempt(
    attempt: &Attempt,
    tries: u32,
    schedule: &Schedule,
    now: Timestamp,
    expires: Option<Timestamp>,
    chance: u64,
) -> Next {
    let (unsure, wish) = match attempt {
        Attempt::HandedOver | Attempt::AlreadyThere | Attempt::NothingToDo { .. } => return Next::Done,
        Attempt::Refused { .. } => return Next::Park(Reason::RefusedByDestination),
        Attempt::SetAside { reason, .. } => return Next::Park(*reason),
        Attempt::Retry { after, .. } => (false, after.unwrap_or_default().min(LONGEST_WISH)),
        Attempt::ReceiverAway { .. } => (false, Duration::ZERO),
        Attempt::Unsure { .. } => (true, Duration::ZERO),
    };
    let over = expires.is_some_and(|end| end <= now);
    let exhausted = schedule.attempts.is_some_and(|most| tries >= most);
    match (over, exhausted, unsure) {
        (true, _, true) | (_, true, true) => return Next::Park(Reason::OutcomeUnknown),
        (true, _, false) => return Next::Expire,
        (false, true, false) => return Next::Park(Reason::AttemptsExhausted),
        (false, false, _) => {}
    }
    let pause = schedule.pause(tries, chance).max(wish);
    let then = later(now, pause);
    let at = expires.map_or(then, |end| end.min(then));
    if unsure { Next::UnsureRetryAt(at) } else { Next::RetryAt(at) }
}

/// The instant so much later; the end of time if that is beyond it.
pub(crate) fn later(now: Timestamp, pause: Duration) -> Timestamp {
    SignedDuration::try_from(pause).ok().and_then(|p| now.checked_add(p).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a time")
    }

    fn retry(after: Option<u64>) -> Attempt {
        Attempt::Retry { why: "connection refused".into(), after: after.map(Duration::from_secs) }
    }

    fn unsure() -> Attempt {
        Attempt::Unsure { why: "no answer".into() }
    }

    #[test]
    fn table_of_what_follows() {
        let endless = Schedule::default();
        let three = Schedule { attempts: Some(3), ..Schedule::default() };
        let refused = Attempt::Refused { why: "403".into() };
        let away = Attempt::ReceiverAway { why: "no queue".into() };
        let (soon, late, past) = (Some(at(2)), Some(at(9999)), Some(at(0)));
        let cases = [
            // attempt, tries, schedule, expires => next
            (Attempt::HandedOver, 1, &endless, None, Next::Done),
            (Attempt::HandedOver, 9, &three, past, Next::Done),
            (Attempt::AlreadyThere, 2, &endless, None, Next::Done),
            (Attempt::NothingToDo { why: "withdrawn".into() }, 1, &three, past, Next::Done),
            (refused.clone(), 1, &endless, None, Next::Park(Reason::RefusedByDestination)),
            (refused, 9, &three, past, Next::Park(Reason::RefusedByDestination)),
            (
                Attempt::SetAside { reason: Reason::SeriesClosed, why: "cancelled".into() },
                1,
                &endless,
                None,
                Next::Park(Reason::SeriesClosed),
            ),
            (retry(None), 1, &endless, None, Next::RetryAt(at(5))),
            (retry(None), 3, &endless, late, Next::RetryAt(at(20))),
            (retry(None), 2, &three, late, Next::RetryAt(at(10))),
            (retry(None), 3, &three, late, Next::Park(Reason::AttemptsExhausted)),
            (away.clone(), 1, &endless, None, Next::RetryAt(at(5))),
            (away.clone(), 3, &three, late, Next::Park(Reason::AttemptsExhausted)),
            (away, 1, &endless, past, Next::Expire),
            // The last attempt is made when the time ends.
            (retry(None), 1, &endless, soon, Next::RetryAt(at(2))),
            (retry(None), 1, &endless, past, Next::Expire),
            (retry(None), 3, &three, past, Next::Expire),
            // A wish to wait is honoured, up to an hour, and never makes us faster.
            (retry(Some(60)), 1, &endless, None, Next::RetryAt(at(60))),
            (retry(Some(1)), 3, &endless, None, Next::RetryAt(at(20))),
            (retry(Some(u64::MAX)), 1, &endless, None, Next::RetryAt(at(3600))),
            // What may have arrived is never said to have failed or expired.
            (unsure(), 1, &endless, None, Next::UnsureRetryAt(at(5))),
            (unsure(), 1, &endless, soon, Next::UnsureRetryAt(at(2))),
            (unsure(), 3, &three, late, Next::Park(Reason::OutcomeUnknown)),
            (unsure(), 1, &endless, past, Next::Park(Reason::OutcomeUnknown)),
        ];
        for (attempt, tries, schedule, expires, wanted) in cases {
            let next = after_attempt(&attempt, tries, schedule, at(0), expires, 0);
            assert_eq!(next, wanted, "{attempt:?}, attempt {tries}, expires {expires:?}");
        }
    }

    proptest! {
        #[test]
        fn a_further_attempt_lies_ahead_and_within_the_time_to_live(
            sure in any::<bool>(), wish in proptest::option::of(any::<u64>()), tries in 0u32..1000,
            attempts in proptest::option::of(1u32..50), ttl in proptest::option::of(-1000i64..1_000_000),
            chance in any::<u64>(),
        ) {
            let attempt = if sure { retry(wish) } else { unsure() };
            let schedule = Schedule { attempts, ..Schedule::default() };
            let expires = ttl.map(at);
            match after_attempt(&attempt, tries, &schedule, at(0), expires, chance) {
                Next::RetryAt(then) | Next::UnsureRetryAt(then) => {
                    prop_assert!(then > at(0));
                    prop_assert!(expires.is_none_or(|end| then <= end));
                    prop_assert!(attempts.is_none_or(|most| tries < most));
                }
                Next::Expire => prop_assert!(sure && expires.is_some_and(|end| end <= at(0))),
                Next::Park(reason) => {
                    let unknown = reason == Reason::OutcomeUnknown;
                    prop_assert_eq!(unknown, !sure);
                    prop_assert!(unknown || reason == Reason::AttemptsExhausted);
                }
                Next::Done => prop_assert!(false, "nobody took it"),
            }
        }
    }
}
