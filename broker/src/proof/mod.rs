//! Why a message was trusted, and what became of it, in one file that anybody can check years later, without the broker
//! and on another machine.
//!
//! ```text
//! manifest.json           every entry with its size and SHA-256
//! manifest.p7m            the manifest once more, signed by this broker, if it has a key
//! record.json             what it was and what was decided
//! findings.json decision.json recipients.json events.json provenance.json protection.json
//! message/original.*      the bytes as they came
//! made/<id>.*             receipts, documents, what was inside, what was sent
//! evidence/<sha256>.*     certificates and revocation answers as of then, also the broker's own; the signed content of a
//!                         sealed message
//! ```
//!
//! It holds the message: whoever may not read that may not have it.

pub mod archive;
pub mod manifest;
pub mod pack;
pub mod signer;
pub mod verify;

pub use pack::{Case, pack};
pub use signer::Signer;
pub use verify::{Check, Checked, Outcome, Standing, verify};
