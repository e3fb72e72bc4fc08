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
    /// It said no, and would say so again.
    Refused {
        /// What it said, without content of the message.
        why: String,
    },
    /// It surely did not take the message, but may do so later.
    Retry {
        /// What stood in the way.
        why: String,
        /// How long it asks us to wait, if it said so.
        after: Option<Duration>,
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
    /// Nothing: it is handed over.
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
        Attempt::HandedOver | Attempt::AlreadyThere => return Next::Done,
        Attempt::Refused { .. } => return Next::Park(Reason::RefusedByDestination),
        Attempt::Retry { after, .. } => (false, after.unwrap_or_default().min(LONGEST_WISH)),
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
