#![doc = include_str!("../README.md")]

pub mod algorithm;
mod ber;
pub mod certificate;
pub mod chain;
pub mod cms;
mod der;
pub mod fault;
pub mod keys;
pub mod open;
pub mod pki;
pub mod revocation;
pub mod verified;
pub mod xmldsig;

pub use algorithm::{Allowed, ContentCipher, Digest, KeyTransport, SignatureAlgorithm};
pub use certificate::Certificate;
pub use chain::{Anchors, Trusted};
pub use fault::{Fault, Kind};
pub use keys::KeyRing;
pub use verified::Verified;
