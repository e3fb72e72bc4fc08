//! The shell's side of trust: reads keys and certificates, fetches what is known of revocation, watches what expires.
//! Nothing is judged here.

pub mod check;
pub mod expiry;
pub mod load;

pub use load::Material;

use crate::config::trust::SecondEngine;
use adapters::second_engine;

/// The second engine's settings, as the adapter takes them.
#[must_use]
pub fn engine_options(settings: &SecondEngine) -> second_engine::Options {
    second_engine::Options { program: settings.program.clone(), timeout: settings.timeout }
}
