#![doc = include_str!("../README.md")]

pub mod answers;
pub mod characters;
pub mod check;
pub mod codes;
pub mod hl7v2;
mod json;
pub mod media;
pub mod metadata;
pub mod mhd;
mod policy;
pub mod published;
pub mod refusal;
pub mod series;
pub mod submission;
pub mod target;
pub mod withdrawal;
pub mod xds;

pub use metadata::Link;
pub use published::Published;
pub use refusal::Refusal;
pub use submission::{Contents, LeftOut, Submission, Version, submission};
pub use target::{Environment, Kind, Target};
pub use withdrawal::{Withdrawal, clearing, withdrawal};
