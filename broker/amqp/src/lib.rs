#![doc = include_str!("../README.md")]

mod encoding;
pub mod envelope;
pub mod sections;

pub use broker_core::transport::Role;
pub use encoding::Malformed;
pub use envelope::{Envelope, Properties, SubjectSource};
