//! Revocation answers, fetched over HTTP and kept on disk.
//!
//! **Invariants.** Only `http` and `https` addresses are asked, only of hosts that are allowed, and no redirect is
//! followed. Every answer has a bound in size and time. Each question is out once at a time; a service that fails is
//! left alone for a while. Nothing here judges an answer: `trust` does, when it is used.

mod address;
mod kept;
mod web;

pub use address::Hosts;
pub use kept::{Kept, KeptOptions, Stored, look};
pub(crate) use web::usable;
pub use web::{Options, Web};
