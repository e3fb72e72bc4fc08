#![doc = include_str!("../README.md")]

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
