//! Where a message goes: parties, rules, and decisions that explain themselves.
//!
//! [`route`] is a pure function of the head of a message, the [`Parties`], the [`Rules`] and the time. It
//! reads no file and no clock, so a decision of last week can be asked again today.
//!
//! **Invariant:** every receiver of the head that is addressed (primary or copy) gets exactly one
//! [`Route`], and every route says why in the [`Explanation`]. Nothing is dropped: a rule can only send
//! elsewhere, add, or hold with a reason.
//!
//! **Invariant:** an explanation holds no patient data; facts about the patient are not even offered to rules.

mod destination;
mod explain;
mod fault;
mod party;
mod reading;
mod route;
mod rule;

pub use destination::{DestinationId, DestinationIdError, Format, Leg};
pub use explain::{Explanation, ReceiverTrace, RuleOutcome, RuleTrace};
pub use fault::{ExampleFailure, Fault, FaultKind};
pub use party::{
    AcceptsInvalid, Answers, Capability, Level, Parties, PartyEntry, PartyKind, ReceiptDeadline,
};
pub use route::{Decision, Facts, Route, Routing, route};
pub use rule::Rules;
