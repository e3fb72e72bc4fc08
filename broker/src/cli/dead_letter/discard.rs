//! `dead-letter discard`: what is to lie there no longer, and how that is taken back.

use super::{AT_ONCE, Chosen, beyond, json, line, who, why};
use crate::cli::{ConfigArg, Format, journal, json_line};
use crate::exit::{Failure, Verdict};
use adapters::clock::SystemClock;
use broker_core::journal::{Aside, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::{Clock, Store, StoreError};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Discard {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    chosen: Chosen,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run", value_parser = why)]
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
        let (found, done) = journal::with(&config, async |journal| {
            let found = self.chosen.find(journal, |state| self.takes(state)).await?;
            let (Some(reason), false) = (&self.reason, self.dry_run) else { return Ok((found, Vec::new())) };
            let why = format!("{}: {reason}", who());
            let now = SystemClock::new().now();
            let settle = |aside: &Aside| {
                let settlement = self.settlement(aside, &why);
                async move { Ok::<_, StoreError>(journal.settle(&[settlement], now).await? == 1) }
            };
            // One by one, to tell of each whether it was done; the journal writes them together.
            let done = stream::iter(found.aside.iter().map(settle)).buffered(AT_ONCE).try_collect().await?;
            Ok::<_, Failure>((found, done))
        })?;
        for (at, aside) in found.aside.iter().enumerate() {
            let done = self.dry_run || done.get(at) == Some(&true);
            match self.format {
                Format::Text if done => line(out, aside)?,
                Format::Text => {
                    writeln!(out, "{}  lies so no more: somebody else was first", aside.message.short())?
                }
                Format::Json => {
                    let mut line = json(aside);
                    line["done"] = serde_json::Value::from(done && !self.dry_run);
                    json_line(out, &line)?;
                }
            }
        }
        found.tell_unknown(out, self.format)?;
        let done = if self.dry_run { found.aside.len() } else { done.iter().filter(|done| **done).count() };
        let all = found.aside.len() + found.unknown.len();
        if self.format == Format::Text {
            let verb = match (self.undo, self.dry_run) {
                (false, false) => "discarded",
                (false, true) => "would be discarded",
                (true, false) => "lie still again",
                (true, true) => "would lie still again",
            };
            writeln!(out, "{done} of {all} {verb}{}.", beyond(found.more))?;
        }
        Ok(Verdict::of(done == all && done > 0))
    }

    /// What lies still; to take it back, what was discarded. What was rejected is closed already.
    const fn takes(&self, state: State) -> bool {
        match self.undo {
            false => matches!(state, State::Parked | State::Expired),
            true => matches!(state, State::Discarded),
        }
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
