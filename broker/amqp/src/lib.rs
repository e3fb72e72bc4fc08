#![doc = include_str!("../README.md")]

pub mod content_type;
mod encoding;
pub mod envelope;
pub mod incoming;
pub mod names;
pub mod outgoing;
pub mod sections;
mod soap;
pub mod times;

pub use broker_core::transport::{ErrorCondition, Role};
pub use encoding::Malformed;
pub use envelope::{Envelope, Properties, SubjectSource};
pub use incoming::Incoming;
pub use outgoing::{Outgoing, Unsendable};
