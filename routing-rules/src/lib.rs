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
    AcceptsInvalid, AddressKind, Answers, ByFamily, Capability, Cipher, DocumentSignature, ElectronicAddress,
    Gets, Legacy, Level, NoQueueAddress, Origin, Parties, PartyAmqp, PartyEntry, PartyKind, PartyProtection,
    Queue, QueueAddress, ReceiptDeadline, RegistryEntry, RegistryKind, Requires,
};
pub use route::{Decision, Facts, Route, Routing, route};
pub use rule::Rules;
