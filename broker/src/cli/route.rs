//! `route`: where a message would go, and why.

use super::{ConfigArg, Format, files, json_line};
use crate::examine::examine;
use crate::exit::{Failure, Verdict};
use crate::schemas;
use crate::world::Tables;
use adapters::clock::SystemClock;
use broker_core::ports::Clock;
use jiff::Timestamp;
use routing_rules::{Decision, Facts, route};
use std::io::Write;
use std::path::PathBuf;

/// Say where a message would go by the parties and rules of the configuration. Nothing is sent.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke route --explain message.xml --config broker.toml
  budstikke route message.xml --config broker.toml --at 2026-03-01T02:00:00Z --format json

Exit codes: 0 every receiver gets it, 1 some do not, or it is not a message that is known here.")]
pub(super) struct Command {
    /// The message; `-` is standard input.
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArg,
    /// Say for each receiver which rules fired, which did not, and why.
    #[arg(long)]
    explain: bool,
    /// Decide as at this time, instead of now.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let tables = Tables::load(&config).map_err(Failure::Config)?;
        let bytes = files::read_message(&self.file, config.limits.message_bytes)?;
        let schemas = schemas::load(config.schemas.as_deref()).map_err(Failure::Config)?;
        let at = self.at.unwrap_or_else(|| SystemClock::new().now());
        let examined = examine(&bytes, &schemas, &config.limits, at);
        let Some(head) = &examined.head else {
            for finding in &examined.findings {
                crate::exit::say(&finding.to_string());
            }
            return Ok(Verdict::Negative);
        };
        let routing = route(&Facts { head, at, size_bytes: bytes.len() }, &tables.parties, &tables.rules);
        match self.format {
            Format::Json => json_line(out, &routing)?,
            Format::Text if self.explain => write!(out, "{}", routing.explanation)?,
            Format::Text => {
                for decided in &routing.routes {
                    let receiver =
                        decided.receiver.map_or_else(|| "no HER-id".to_owned(), |r| format!("HER-id {r}"));
                    writeln!(out, "{receiver}: {}", decided.decision)?;
                }
            }
        }
        let goes = |decision: &Decision| matches!(decision, Decision::Deliver { .. });
        Ok(Verdict::of(!routing.routes.is_empty() && routing.routes.iter().all(|r| goes(&r.decision))))
    }
}
