#![doc = include_str!("../README.md")]

pub mod envelope;

pub use broker_core::transport::Role;
pub use envelope::{Envelope, Properties, SubjectSource};
