#![doc = include_str!("../README.md")]

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
pub use replay::{
    Again, Filter, ParkedRecord, ParkedState, Refusal, Replay, ReplayPlan, is_judged_again, plan_replay,
};
pub use schedule::{Schedule, ScheduleError};
