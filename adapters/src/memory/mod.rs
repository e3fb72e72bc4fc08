//! Twins in memory of what the adapters reach outside: no file, no socket, no clock, no chance.

mod ends;
mod journal;
mod parties;
mod registry;
mod revocation;
mod store;

pub use ends::{MemoryDestination, MemorySource, Scripted};
pub use parties::MemoryPartyRegistry;
pub use registry::MemoryRegistry;
pub use revocation::{MemoryRevocation, Responder};
pub use store::{Call, Fault, Image, MemoryStore};
