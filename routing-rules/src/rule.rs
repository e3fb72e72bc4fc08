//! Rules: conditions on the head of a message, and what is done when they all hold.

use crate::fault::{ExampleFailure, Fault};
use crate::party::Parties;

/// All rules, in the order in which they are asked.
#[derive(Debug, Default)]
pub struct Rules {
    hash: [u8; 32],
}

impl Rules {
    /// Reads files of rules, given as (name, text); files are taken by name, rules by `priority`, then in
    /// the order in which they stand.
    ///
    /// # Errors
    /// All faults of all files.
    pub fn parse(_files: &[(String, String)], _parties: &Parties) -> Result<Self, Vec<Fault>> {
        Ok(Self::none())
    }

    /// No rules: each message goes to each of its receivers.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// SHA-256 of all files by name, to store with each decision.
    #[must_use]
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Runs the examples that stand beside the rules; empty if all came out as they say.
    #[must_use]
    pub fn run_examples(&self, _parties: &Parties) -> Vec<ExampleFailure> {
        Vec::new()
    }
}
