//! HTTP: messages taken and told about, deliveries sent.
//!
//! **Invariants.** `202 Accepted` goes out only with the proof of a durable commit. Nothing but ids and codes
//! stands in URLs, headers, answers about a message, and logs; patients are seen only by whoever asks for the
//! bytes themselves. Every failure is a problem document (RFC 9457) with a code.

mod answers;
mod body;
pub(crate) mod caller;
mod destination;
mod messages;
mod problem;
mod server;

pub use destination::{Destination, Error as DestinationError, Options as DestinationOptions};
pub use problem::Problem;
pub use server::{Error, Hooks, Options as SourceOptions, Source};
