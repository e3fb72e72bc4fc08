//! `inspect`: the head of a message.

use super::files;
use crate::examine::examine;
use crate::exit::{Failure, Verdict};
use crate::{mask, schemas};
use adapters::clock::SystemClock;
use broker_core::ports::Clock;
use message_schemas::Limits;
use std::io::Write;
use std::path::PathBuf;

/// Print the head of a message as JSON: who, to whom, about whom, what and when.
///
/// The patient is hidden unless --show-patient is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke inspect message.xml
  budstikke inspect message.xml | jq .receivers
  budstikke inspect --show-patient message.xml

Exit codes: 0 it has a head, 1 it is not a message that is known here.")]
pub(super) struct Command {
    /// The message; `-` is standard input.
    file: PathBuf,
    /// Show who the patient is.
    #[arg(long)]
    show_patient: bool,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let limits = Limits::default();
        let bytes = files::read_message(&self.file, limits.message_bytes)?;
        let schemas = schemas::load(None).map_err(Failure::Config)?;
        let examined = examine(&bytes, &schemas, &limits, SystemClock::new().now());
        let Some(head) = &examined.head else {
            for finding in &examined.findings {
                crate::exit::say(&finding.to_string());
            }
            return Ok(Verdict::Negative);
        };
        serde_json::to_writer_pretty(&mut *out, &mask::head(head, self.show_patient))
            .map_err(std::io::Error::from)?;
        writeln!(out)?;
        Ok(Verdict::Good)
    }
}
