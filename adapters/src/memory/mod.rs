//! Twins in memory of what the adapters reach outside: no file, no socket, no clock, no chance.

mod ends;
mod journal;
mod store;

pub use ends::{MemoryDestination, MemorySource, Scripted};
pub use store::{Call, Fault, Image, MemoryStore};
