//! Rules: conditions on the head of a message, and what is done when they all hold.
//!
//! A rule may send to other destinations than the party's own (`deliver`), send a copy (`copy`), hold for a
//! person (`hold`) or ask for order (`order`). It can not drop a message and not change one.

mod condition;
mod example;
mod expression;
mod file;

use crate::destination::{DestinationId, Format};
use crate::explain::{RuleOutcome, RuleTrace};
use crate::fault::{ExampleFailure, Fault};
use crate::party::Parties;
use condition::Conditions;
pub(crate) use condition::Scene;
use example::Example;
use expression::Expression;
use std::fmt;

/// All rules, in the order in which they are asked; made by [`Rules::parse`].
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    hash: [u8; 32],
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    file: String,
    line: usize,
    priority: i32,
    conditions: Conditions,
    when: Option<Expression>,
    pub(crate) actions: Actions,
    examples: Vec<Example>,
}

/// What a rule does.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    /// Instead of the party's own destination.
    pub(crate) deliver: Vec<Target>,
    /// Beside whatever else is decided.
    pub(crate) copy: Vec<Target>,
    /// Why it is held.
    pub(crate) hold: Option<String>,
    /// Whether deliveries of one conversation keep their order.
    pub(crate) order: Option<Order>,
    /// Whether later rules are not asked.
    pub(crate) stop: bool,
}

/// Where a rule sends; without a form, in the forms that the party takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) destination: DestinationId,
    pub(crate) formats: Option<Vec<Format>>,
}

/// Which deliveries keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Those of one conversation, or of one document and its versions.
    Conversation,
    /// None.
    None,
}

impl Rules {
    /// Reads files of rules, given as (name, text). Rules are asked by `priority` (the lowest first), then
    /// by file name, then as they stand in the file.
    ///
    /// # Errors
    /// All faults of all files.
    pub fn parse(files: &[(String, String)], parties: &Parties) -> Result<Self, Vec<Fault>> {
        file::parse(files, parties)
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

    /// From now on no rule holds anything: each that did does only what else it says, and the search goes on. For what a
    /// person releases.
    pub fn hold_nothing(&mut self) {
        for actions in self.rules.iter_mut().map(|rule| &mut rule.actions).filter(|a| a.hold.is_some()) {
            *actions = Actions { hold: None, stop: false, ..std::mem::take(actions) };
        }
    }

    /// How many rules there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are no rules.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Every destination that a rule names, with the rule's name and place, so that a missing one can be told.
    pub fn destinations(&self) -> impl Iterator<Item = (&DestinationId, &str, String)> {
        self.rules.iter().flat_map(|rule| {
            let targets = rule.actions.deliver.iter().chain(&rule.actions.copy);
            targets.map(|target| (&target.destination, rule.name.as_str(), rule.place()))
        })
    }

    /// Runs the examples that stand beside the rules; empty if all came out as they say.
    #[must_use]
    pub fn run_examples(&self, parties: &Parties) -> Vec<ExampleFailure> {
        let all = self.rules.iter().flat_map(|rule| rule.examples.iter().map(move |e| (rule, e)));
        all.filter_map(|(rule, example)| example.run(rule, parties, self)).collect()
    }

    /// Asks the rules in order; `fired` gets each one whose conditions hold.
    pub(crate) fn ask<'r>(
        &'r self,
        scene: &Scene<'_>,
        mut fired: impl FnMut(&'r Rule) -> Vec<String>,
    ) -> Vec<RuleTrace> {
        let mut ended_by: Option<&str> = None;
        let mut traces = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            let outcome = match ended_by {
                Some(name) => RuleOutcome::NotReached { after: name.to_owned() },
                None => match rule.holds(scene) {
                    Ok(because) if because.is_empty() => {
                        if rule.actions.stop {
                            ended_by = Some(&rule.name);
                        }
                        RuleOutcome::Fired { did: fired(rule) }
                    }
                    Ok(because) => RuleOutcome::NotFired { because },
                    Err(error) => RuleOutcome::Failed { error },
                },
            };
            traces.push(RuleTrace { rule: rule.name.clone(), place: rule.place(), outcome });
        }
        traces
    }
}

impl Rule {
    fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// The conditions that do not hold; the expression is asked only if all others do.
    fn holds(&self, scene: &Scene<'_>) -> Result<Vec<String>, String> {
        let because = self.conditions.failing(scene);
        match &self.when {
            Some(when) if because.is_empty() => Ok(match when.holds(scene)? {
                true => because,
                false => vec![format!("when: {} is false", when.source())],
            }),
            Some(_) | None => Ok(because),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.destination.fmt(f)?;
        match self.formats.as_deref() {
            Some([one]) => write!(f, " as {one}"),
            Some(_) => f.write_str(" as both"),
            None => Ok(()),
        }
    }
}
