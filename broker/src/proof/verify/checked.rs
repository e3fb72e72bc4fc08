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
    /// A signature was believed that could not be checked here.
    #[serde(skip)]
    pub(super) left_open: bool,
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

/// What all of it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The broker that was named signed the file with a certificate that leads to the roots that were given and was
    /// known to be good then; every signature of the sender that was believed holds against those roots too; and
    /// nothing contradicts itself. What the sender did not sign is the broker's word.
    Proven,
    /// Nothing contradicts itself, and that is all: whoever can write a file can write such a one.
    NotProven,
    /// Something does not hold.
    Fails,
}

/// The check of the broker's signature on the manifest.
pub(super) const BROKER: &str = "broker's signature";
/// The check of what is known of the revocation of its certificate.
pub(super) const BROKER_REVOCATION: &str = "broker's revocation";

impl Checked {
    /// What all of it comes to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let holds = |what| self.checks.iter().any(|c| c.what == what && c.standing == Standing::Holds);
        if self.checks.iter().any(|check| check.standing == Standing::Fails) {
            Outcome::Fails
        } else if holds(BROKER) && holds(BROKER_REVOCATION) && !self.left_open {
            Outcome::Proven
        } else {
            Outcome::NotProven
        }
    }

    pub(super) fn say(&mut self, what: &'static str, standing: Standing, told: impl Into<String>) {
        self.checks.push(Check { what, standing, told: told.into() });
    }
}
