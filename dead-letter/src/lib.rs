//! What happens when a message cannot go: reasons, retries, parked messages, replay.
//!
//! Everything here is a decision, taken from values and the time that it is given; the broker's loops carry
//! it out. Each reason has a page in `reasons/`, written for the person who is woken.

mod attempt;
mod breaker;
mod pages;
mod reason;
mod replay;
mod schedule;

pub use attempt::{Attempt, Next, after_attempt};
pub use breaker::{Breaker, BreakerSettings, BreakerState, Change, Permit};
pub use pages::{codes, page};
pub use reason::{Reason, Wake};
pub use replay::{Again, Filter, ParkedRecord, ParkedState, Refusal, Replay, ReplayPlan, plan_replay};
pub use schedule::{Schedule, ScheduleError};
