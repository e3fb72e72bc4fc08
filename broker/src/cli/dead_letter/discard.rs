//! `dead-letter discard`: what is to lie there no longer, and how that is taken back.

use super::{Chosen, beyond, by_id, json, line, who};
use crate::cli::{ConfigArg, Format, journal, json_line};
use crate::exit::{Failure, Verdict};
use crate::wiring::Journal;
use adapters::clock::SystemClock;
use broker_core::journal::{Aside, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::{Clock, Store};
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Discard {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    chosen: Chosen,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,
    /// Lay back what was discarded.
    #[arg(long, conflicts_with = "all")]
    undo: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// How to print; JSON is one recipient a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Discard {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let (found, more, done) = journal::with(&config, async |journal| {
            let (found, more) = self.find(journal).await?;
            let done = match (&self.reason, self.dry_run) {
                (Some(why), false) => {
                    let why = format!("{}: {why}", who());
                    let settlements: Vec<_> =
                        found.iter().map(|aside| self.settlement(aside, &why)).collect();
                    journal.settle(&settlements, SystemClock::new().now()).await?
                }
                (None, _) | (_, true) => found.len(),
            };
            Ok((found, more, done))
        })?;
        for aside in &found {
            match self.format {
                Format::Text => line(out, aside)?,
                Format::Json => json_line(out, &json(aside))?,
            }
        }
        if self.format == Format::Text {
            let verb = match (self.undo, self.dry_run) {
                (false, false) => "discarded",
                (false, true) => "would be discarded",
                (true, false) => "lie still again",
                (true, true) => "would lie still again",
            };
            writeln!(out, "{done} of {} {verb}{}.", found.len(), beyond(more))?;
        }
        Ok(Verdict::of(done == found.len() && done > 0))
    }

    /// What lies still; to take it back, what was discarded.
    async fn find(&self, journal: &Journal) -> Result<(Vec<Aside>, bool), Failure> {
        if !self.undo {
            let (mut found, more) = self.chosen.find(journal).await?;
            // What was rejected is closed already.
            found.retain(|aside| aside.recipient.state != State::Rejected);
            return Ok((found, more));
        }
        let mut found = Vec::new();
        for id in &self.chosen.ids {
            found.extend(by_id(journal, id, |state| state == State::Discarded).await?);
        }
        Ok((found, false))
    }

    fn settlement(&self, aside: &Aside, why: &str) -> Settlement {
        Settlement {
            recipient: aside.recipient.id,
            from: aside.recipient.state,
            event: if self.undo { Event::Park } else { Event::Discard },
            reason: aside.recipient.reason,
            next_attempt: None,
            detail: Some(why.to_owned()),
        }
    }
}
