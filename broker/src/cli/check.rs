//! `check`: is a configuration sound, with all that it points at?

use super::{Format, json_line};
use crate::config::{Config, check};
use crate::exit::{Failure, Verdict};
use std::io::Write;
use std::path::PathBuf;

/// Prove a configuration and everything that it points at: parties, rules with their examples, schemas,
/// tokens, certificates and folders. No port is opened and nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  budstikke check broker.toml

Exit codes: 0 sound, 3 faulty; all faults are named, each with file, line, field and remedy.")]
pub(super) struct Command {
    /// The configuration file.
    config: PathBuf,
    /// How to print faults; JSON is one a line, on standard output.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let checked = Config::load(&self.config).and_then(|config| check::check(&config));
        match (checked, self.format) {
            (Ok(summary), Format::Text) => writeln!(out, "{}: sound. {summary}", self.config.display())?,
            (Ok(_), Format::Json) => {}
            (Err(faults), Format::Text) => return Err(Failure::Config(faults)),
            (Err(faults), Format::Json) => {
                faults.iter().try_for_each(|fault| json_line(out, fault))?;
                out.flush()?;
                return Err(Failure::Config(faults));
            }
        }
        Ok(Verdict::Good)
    }
}
