//! Partners: their certificates, from files and from a registry over HTTP, and what the national registry tells of them
//! as communication parties; each with a cache that outlives it.
//!
//! **Invariants.** What a registry says is trusted for nothing: a certificate is judged each time it is used. A registry
//! that is away changes nothing for partners that are known: what it said last is served, and said to be stale. What it
//! no longer lists stays known, since a message is judged by what was listed when it was sent.

mod directory;
mod document;
mod files;
mod kept;
mod national;
mod rest;

pub use directory::{Directory, DirectoryOptions, Refreshed, look_at_parties};
pub use files::{FileFault, Files};
pub use kept::{Kept, KeptOptions, Told, look};
pub use national::{National, NationalOptions};
pub use rest::{Error as RestError, Options as RestOptions, Rest};
