//! `check`: is a configuration sound, with all that it points at?

use super::{Format, json_line};
use crate::config::Config;
use crate::config::check::{self, Checked};
use crate::config::read::Fault;
use crate::exit::{Failure, Verdict};
use std::io::Write;
use std::path::PathBuf;

/// Prove a configuration and everything that it points at: parties, rules with their examples, schemas,
/// tokens, keys, certificates, folders, and servers of queues with the queues that are named. No port is opened and
/// nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  budstikke check broker.toml

Exit codes: 0 sound, 3 faulty; all faults are named, each with file, line, field and remedy. Warnings (a
certificate that expires soon or has expired, no key to sign or to open with, a key that others may read) are
named too and change no exit code: `run` starts with them, and goes on saying so.")]
pub(super) struct Command {
    /// The configuration file.
    config: PathBuf,
    /// How to print faults; JSON is one a line, on standard output.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = match Config::load(&self.config) {
            Ok(config) => config,
            Err(faults) => return self.refuse(faults, Vec::new(), out),
        };
        let Checked { summary, targets, faults, warnings } = check::check(&self.config, &config);
        if !faults.is_empty() {
            return self.refuse(faults, warnings, out);
        }
        self.warn(&warnings, out)?;
        match self.format {
            Format::Text => {
                writeln!(out, "{}: sound. {summary}", self.config.display())?;
                targets.iter().try_for_each(|target| writeln!(out, "  {target}"))?;
            }
            Format::Json => {}
        }
        Ok(Verdict::Good)
    }
    fn refuse(
        &self,
        faults: Vec<Fault>,
        warnings: Vec<Fault>,
        out: &mut dyn Write,
    ) -> Result<Verdict, Failure> {
        self.warn(&warnings, out)?;
        if self.format == Format::Json {
            faults.iter().try_for_each(|fault| json_line(out, &Line { severity: "fault", fault }))?;
        }
        out.flush()?;
        Err(Failure::Config(faults))
    }

    /// Warnings stop nothing.
    fn warn(&self, warnings: &[Fault], out: &mut dyn Write) -> Result<(), Failure> {
        for fault in warnings {
            match self.format {
                Format::Text => writeln!(out, "warning: {fault}")?,
                Format::Json => json_line(out, &Line { severity: "warning", fault })?,
            }
        }
        Ok(())
    }
}

/// A fault or a warning as one line of JSON.
#[derive(serde::Serialize)]
struct Line<'a> {
    severity: &'static str,
    #[serde(flatten)]
    fault: &'a Fault,
}
