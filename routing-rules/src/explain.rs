//! Why a message goes where it goes, as data and as text.
//!
//! **Invariant:** no patient data and no free text of the sender's: conditions are printed as the rule
//! writes them, and values of the message only where they are of a closed list or a HER-id.

use message_schemas::ids::HerId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a routing came about, receiver by receiver.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Explanation {
    /// One for each route, in the same order.
    pub receivers: Vec<ReceiverTrace>,
}

/// How the route of one receiver came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverTrace {
    /// Which receiver of the head, from 0.
    pub receiver_index: usize,
    /// Its HER-id on level 2, if it has one.
    pub receiver: Option<HerId>,
    /// What was found about the receiver before any rule was asked.
    pub notes: Vec<String>,
    /// The rules, in the order in which they were looked at.
    pub rules: Vec<RuleTrace>,
    /// What was decided, in words.
    pub decision: String,
}

/// What became of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleTrace {
    /// The rule's name.
    pub rule: String,
    /// Its file and line, `rules/night.toml:3`.
    pub place: String,
    /// What became of it.
    pub outcome: RuleOutcome,
}

/// What became of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum RuleOutcome {
    /// All its conditions held.
    Fired {
        /// What it did.
        did: Vec<String>,
    },
    /// At least one condition did not hold.
    NotFired {
        /// The conditions that did not hold, each with what was found instead.
        because: Vec<String>,
    },
    /// Its expression could not be evaluated, so it did not fire.
    Failed {
        /// Why, without a value of the message.
        error: String,
    },
    /// Not looked at, since an earlier rule ended the search.
    NotReached {
        /// The rule that ended it.
        after: String,
    },
}

impl Explanation {
    /// The rules that hold the message back from a receiver, each with its place and the reason that it gives.
    #[must_use]
    pub fn held_by(&self, receiver: Option<HerId>) -> Vec<String> {
        let about = self.receivers.iter().filter(|trace| trace.receiver == receiver);
        let holds = |RuleTrace { rule, place, outcome }: &RuleTrace| match outcome {
            RuleOutcome::Fired { did } => {
                let holds = did.iter().find(|did| did.starts_with("holds"))?;
                Some(format!("rule {rule} ({place}) {holds}"))
            }
            RuleOutcome::NotFired { .. } | RuleOutcome::Failed { .. } | RuleOutcome::NotReached { .. } => {
                None
            }
        };
        about.flat_map(|trace| &trace.rules).filter_map(holds).collect()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.receivers.is_empty() {
            return writeln!(f, "The message addresses nobody.");
        }
        for trace in &self.receivers {
            trace.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for ReceiverTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.receiver_index + 1;
        match self.receiver {
            Some(her_id) => writeln!(f, "Receiver {number}, HER-id {her_id}")?,
            None => writeln!(f, "Receiver {number}, no HER-id on level 2")?,
        }
        for note in &self.notes {
            writeln!(f, "  {note}")?;
        }
        for rule in &self.rules {
            rule.fmt(f)?;
        }
        writeln!(f, "  => {}", self.decision)
    }
}

impl fmt::Display for RuleTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verdict, details): (&str, &[String]) = match &self.outcome {
            RuleOutcome::Fired { did } => ("fired", did),
            RuleOutcome::NotFired { because } => ("did not fire", because),
            RuleOutcome::Failed { error } => ("did not fire: it failed", std::slice::from_ref(error)),
            RuleOutcome::NotReached { after } => ("not looked at, ended by", std::slice::from_ref(after)),
        };
        writeln!(f, "  rule {} ({}): {verdict}", self.rule, self.place)?;
        details.iter().try_for_each(|detail| writeln!(f, "    - {detail}"))
    }
}
