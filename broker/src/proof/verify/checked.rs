//! What came of checking a proof.

use message_schemas::MessageId;
use serde::Serialize;

/// What came of checking a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Of which message it is, by its own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// All that was checked, in order.
    pub checks: Vec<Check>,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// In one sentence; no content of the message.
    pub told: String,
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It holds.
    Holds,
    /// It could not be checked, or there was nothing to check; the sentence says why.
    NotChecked,
    /// It does not hold.
    Fails,
}

impl Checked {
    /// True if nothing fails.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.standing != Standing::Fails)
    }

    pub(super) fn say(&mut self, what: &'static str, standing: Standing, told: impl Into<String>) {
        self.checks.push(Check { what, standing, told: told.into() });
    }
}
