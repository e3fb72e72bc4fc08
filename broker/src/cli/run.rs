//! `run`: the broker itself.

use super::ConfigArg;
use crate::config::targets;
use crate::exit::{Failure, Verdict};
use crate::{telemetry, wiring};

/// Run the broker until it is told to stop.
///
/// SIGTERM or SIGINT: nothing new is taken in, what is in hand is finished, then the process ends.
/// SIGHUP: parties, rules, keys and certificates are read again at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  budstikke run --config broker.toml

Exit codes: 0 stopped as asked and nothing was left in hand, 1 something was left or a part failed,
2 it could not start, 3 faulty configuration, 4 the journal cannot be opened.")]
pub(super) struct Command {
    #[command(flatten)]
    config: ConfigArg,
}

impl Command {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let faults = targets::check(&self.config.config, &config).faults;
        if !faults.is_empty() {
            return Err(Failure::Config(faults));
        }
        telemetry::start_logs(&config.log);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Start(format!("no runtime: {error}")))?;
        runtime.block_on(wiring::run(config))
    }
}
