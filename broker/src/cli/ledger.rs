//! `ledger`: do the books balance?

use super::{ConfigArg, Format, journal, json_line};
use crate::exit::{Failure, Verdict};
use broker_core::journal::{Balance, Ledger};
use broker_core::lifecycle::State;
use broker_core::ports::Store;
use std::io::Write;

/// Hold what was accepted against what stands in each state, by id.
///
/// Messages and receipts are balanced apart. A recipient that was accepted and is in no state is missing;
/// one that is in a state and was never accepted is unexplained. There should be neither, ever.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke ledger --config broker.toml
  budstikke ledger --config broker.toml --format json | jq .messages.parked

Exit codes: 0 the books balance, 1 they differ.")]
pub(super) struct Command {
    #[command(flatten)]
    config: ConfigArg,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let ledger = journal::with(&config, async |journal| Ok(journal.ledger().await?))?;
        match self.format {
            Format::Text => text(out, &ledger)?,
            Format::Json => json_line(out, &json(&ledger)?)?,
        }
        Ok(Verdict::of(ledger.balances()))
    }
}

/// The ledger with every state as a key, and whether it balances.
fn json(ledger: &Ledger) -> Result<serde_json::Value, Failure> {
    let mut value = serde_json::to_value(ledger).map_err(std::io::Error::from)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("balances".to_owned(), ledger.balances().into());
    }
    Ok(value)
}

fn text(out: &mut dyn Write, ledger: &Ledger) -> Result<(), Failure> {
    writeln!(out, "{:<12} {:>12} {:>12}", "", "messages", "receipts")?;
    writeln!(out, "{:<12} {:>12} {:>12}", "accepted", ledger.messages.accepted, ledger.receipts.accepted)?;
    for state in State::ALL {
        let count = |balance: &Balance| balance.states.get(state.as_str()).copied().unwrap_or_default();
        writeln!(
            out,
            "{:<12} {:>12} {:>12}",
            state.as_str(),
            count(&ledger.messages),
            count(&ledger.receipts)
        )?;
    }
    for (book, balance) in [("messages", &ledger.messages), ("receipts", &ledger.receipts)] {
        for recipient in &balance.missing {
            writeln!(out, "missing in {book}: {}", recipient.0)?;
        }
        for recipient in &balance.unexplained {
            writeln!(out, "unexplained in {book}: {}", recipient.0)?;
        }
    }
    let verdict = if ledger.balances() { "The books balance." } else { "THE BOOKS DO NOT BALANCE." };
    writeln!(out, "{verdict}")?;
    Ok(())
}
