//! A small fictitious PKI for the demo and the tests: certificates, CRLs, OCSP answers. Not for production.
//!
//! It makes what a real CA makes, and, for the tests, what no CA should: a [`Profile`] can be wrong in every way that
//! a judgement must see.

mod answer;
mod authority;
pub mod demo;
mod extension;
mod key;
mod profile;
mod signed;
#[cfg(test)]
mod tests;

pub use answer::{Crl, Part, Responder};
pub use authority::{Authority, Pair};
pub use key::{Key, KeyKind};
pub use profile::{Number, POLICY, Profile, Subject};

use crate::fault::{Fault, Kind};
use openssl::error::ErrorStack;

/// OpenSSL could not do what was asked for: only for a profile that cannot be written at all.
fn failed(_: ErrorStack) -> Fault {
    Fault::new(
        Kind::CannotSeal,
        "The fictitious PKI could not make it.",
        "Look for a name or a time that a certificate cannot hold.",
    )
}
