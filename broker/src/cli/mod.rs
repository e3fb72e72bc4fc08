//! The command line: one file for each command, and what they share.
//!
//! Results go to standard output, everything else to standard error. What a person reads and what a program
//! reads (`--format json`) come from the same values.

mod check;
mod dead_letter;
mod explain;
mod files;
mod inspect;
mod journal;
mod ledger;
mod material;
mod messages;
mod open;
mod output;
mod pki;
mod proof;
mod publish;
mod receipt;
mod route;
mod run;
mod schema_diff;
mod seal;
mod send;
mod series;
mod sign;
mod trace;
mod translate;
mod validate;
mod waiting;

use crate::exit::{self, Failure, Verdict};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// Takes in signed health messages, judges them, answers with receipts, translates, routes and delivers.
#[derive(Debug, Parser)]
#[command(name = "budstikke", version, about, after_help = exit::CODES, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Command),
    Check(check::Command),
    Send(Box<send::Command>),
    Messages(Box<messages::Command>),
    Trace(trace::Command),
    Series(series::Command),
    Waiting(waiting::Command),
    Ledger(ledger::Command),
    DeadLetter(dead_letter::Command),
    Explain(explain::Command),
    Validate(validate::Command),
    Inspect(inspect::Command),
    Translate(translate::Command),
    Publish(publish::Command),
    Receipt(receipt::Command),
    Open(open::Command),
    Sign(sign::Command),
    Seal(seal::Command),
    Pki(pki::Command),
    Proof(proof::Make),
    VerifyProof(proof::Verify),
    Route(route::Command),
    SchemaDiff(schema_diff::Command),
    Completions(Completions),
}

/// Print a completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  budstikke completions bash > /etc/bash_completion.d/budstikke")]
struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// The configuration, for commands that need one.
#[derive(Debug, Args)]
struct ConfigArg {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl ConfigArg {
    fn load(&self) -> Result<crate::config::Config, Failure> {
        crate::config::Config::load(&self.config).map_err(Failure::Config)
    }
}

impl Cli {
    /// Carries the command out.
    ///
    /// # Errors
    /// When it cannot be carried out.
    pub fn run(self) -> Result<Verdict, Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        let verdict = match self.command {
            Command::Run(command) => command.run(),
            Command::Check(command) => command.run(&mut out),
            Command::Send(command) => command.run(&mut out),
            Command::Messages(command) => command.run(&mut out),
            Command::Trace(command) => command.run(&mut out),
            Command::Series(command) => command.run(&mut out),
            Command::Waiting(command) => command.run(&mut out),
            Command::Ledger(command) => command.run(&mut out),
            Command::DeadLetter(command) => command.run(&mut out),
            Command::Explain(command) => command.run(&mut out),
            Command::Validate(command) => command.run(&mut out),
            Command::Inspect(command) => command.run(&mut out),
            Command::Translate(command) => command.run(&mut out),
            Command::Publish(command) => command.run(&mut out),
            Command::Receipt(command) => command.run(&mut out),
            Command::Open(command) => command.run(&mut out),
            Command::Sign(command) => command.run(&mut out),
            Command::Seal(command) => command.run(&mut out),
            Command::Pki(command) => command.run(&mut out),
            Command::Proof(command) => command.run(&mut out),
            Command::VerifyProof(command) => command.run(&mut out),
            Command::Route(command) => command.run(&mut out),
            Command::SchemaDiff(command) => command.run(&mut out),
            Command::Completions(command) => command.run(&mut out),
        }?;
        out.flush()?;
        Ok(verdict)
    }
}

impl Completions {
    fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        // The generator ends the process if it cannot write; into memory it always can.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "budstikke", &mut script);
        out.write_all(&script)?;
        Ok(Verdict::Good)
    }
}

/// Prints a value as one line of JSON.
fn json_line(out: &mut dyn Write, value: &impl serde::Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_command_shows_examples() {
        let command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{} has no examples", sub.get_name());
        }
    }
}
