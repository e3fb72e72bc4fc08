//! `dead-letter show`: one that lies still, with all that is known of its message, and its bytes.

use super::{Format, by_id, json, parked_state};
use crate::cli::{ConfigArg, journal, json_line, output, series, trace};
use crate::exit::{Failure, Verdict, say};
use crate::wiring::Journal;
use crate::world::PUBLISHING;
use broker_core::journal::{Aside, MessageRecord};
use broker_core::ports::{Store, StoreError};
use message_schemas::MessageId;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    config: ConfigArg,
    /// Id of the message or recipient, in any form.
    id: String,
    /// Write the message as it came, byte for byte, to this file; `-` writes it, and nothing else, to standard output.
    /// It holds what the message holds: only its owner may read the file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write over a file that is there already.
    #[arg(long, requires = "out")]
    force: bool,
    /// How to print; JSON is one recipient a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What is asked of the journal.
struct Found {
    lying: Vec<Aside>,
    records: BTreeMap<MessageId, MessageRecord>,
    /// Of what is published: the series, with what is shown of them.
    series: BTreeMap<MessageId, Vec<series::Told>>,
    original: Option<Arc<[u8]>>,
}

impl Show {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let found = journal::with(&config, async |journal| self.find(journal).await)?;
        if found.lying.is_empty() {
            say("Nothing lies still under this id.");
            return Ok(Verdict::Negative);
        }
        if let (Some(path), Some(bytes)) = (&self.out, &found.original) {
            output::write_or_print(out, path, bytes, self.force)?;
            if path == Path::new("-") {
                return Ok(Verdict::Good);
            }
        }
        let mut last = None;
        for lying @ Aside { message, recipient, .. } in &found.lying {
            let Some(record) = found.records.get(message) else { continue };
            let held_by = trace::held_by(record, recipient);
            let series = found.series.get(message).filter(|_| publishes(lying));
            match self.format {
                Format::Text => {
                    if last.replace(*message) != Some(*message) {
                        writeln!(out, "Message {message}  (short {})", message.short())?;
                        trace::finding_lines(out, &record.findings)?;
                    }
                    trace::recipient_line(out, recipient, &held_by)?;
                    for series in series.into_iter().flatten() {
                        writeln!(out)?;
                        series::text(out, series)?;
                    }
                    if let Some(page) = recipient.reason.and_then(|reason| dead_letter::page(reason.as_str()))
                    {
                        writeln!(out, "\n{page}")?;
                    }
                }
                Format::Json => {
                    let mut line = json(lying);
                    if let Some(line) = line.as_object_mut() {
                        line.insert("findings".to_owned(), serde_json::json!(record.findings.as_slice()));
                        if !held_by.is_empty() {
                            line.insert("held_by".to_owned(), serde_json::json!(held_by));
                        }
                        if let Some(series) = series {
                            line.insert("series".to_owned(), serde_json::json!(series));
                        }
                    }
                    json_line(out, &line)?;
                }
            }
        }
        Ok(Verdict::Good)
    }

    async fn find(&self, journal: &Journal) -> Result<Found, Failure> {
        let lying = by_id(journal, &self.id, |state| parked_state(state).is_some()).await?;
        let (mut records, mut told) = (BTreeMap::new(), BTreeMap::new());
        for one @ Aside { message, .. } in &lying {
            if publishes(one) && !told.contains_key(message) {
                told.insert(*message, series::of_message(journal, *message).await?);
            }
            records.extend(journal.message(*message).await?.map(|record| (*message, record)));
        }
        let original = match (&self.out, records.keys().copied().collect::<Vec<_>>().as_slice()) {
            (None, _) | (_, []) => None,
            (Some(_), [message]) => {
                let bytes = journal.body(*message).await?;
                Some(bytes.ok_or_else(|| StoreError::Damaged("a message without its bytes".into()))?)
            }
            (Some(_), several) => {
                let ids: Vec<_> = several.iter().map(ToString::to_string).collect();
                let why = format!("this id means several messages, and --out takes one: {}", ids.join(", "));
                return Err(Failure::Usage(why));
            }
        };
        Ok(Found { lying, records, series: told, original })
    }
}

/// It is a document that a target is told of.
fn publishes(aside: &Aside) -> bool {
    aside.recipient.destination.as_ref().is_some_and(|to| to.as_str().starts_with(PUBLISHING))
}
