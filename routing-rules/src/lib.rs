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
    AcceptsInvalid, Answers, ByFamily, Capability, Cipher, DocumentSignature, Gets, Legacy, Level, Parties,
    PartyEntry, PartyKind, PartyProtection, ReceiptDeadline, Requires,
};
pub use route::{Decision, Facts, Route, Routing, route};
pub use rule::Rules;
