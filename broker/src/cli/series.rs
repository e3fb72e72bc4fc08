//! `series`: the versions of a document, what is visible of it, and where.

use super::{ConfigArg, Format, journal, json_line};
use crate::exit::{Failure, Verdict};
use crate::series::{Gathered, gather};
use broker_core::ports::Store as _;
use broker_core::series::ShownAt;
use serde::Serialize;
use sharing::series::{Change, Conflict, Fate, Folded, State, Status, Version, Withheld, fold};
use std::collections::BTreeSet;
use std::io::Write;

/// Show the versions of a document: what each of them came to, what is visible, and where it is published.
///
/// The id is that of any of its messages (ours, its short form, or the sender's), or that of the document itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke series --config broker.toml 4F7K-2M9Q
  budstikke series --config broker.toml e630b55b-d063-4bfa-8db4-e4b0a22d2451 --format json

Exit codes: 0 found, 1 no document is known under this id.")]
pub(super) struct Command {
    #[command(flatten)]
    config: ConfigArg,
    /// The id.
    id: String,
    /// How to print; JSON is one series a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Messages that an id may mean, at most.
const MOST: usize = 1_000;

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let gathered = journal::with(&config, async |j| {
            let messages: BTreeSet<_> =
                j.find(self.id.trim(), MOST).await?.into_iter().map(|record| record.id).collect();
            Ok(gather(j, messages).await?)
        })?;
        let told = tell(&gathered);
        for series in &told {
            match self.format {
                Format::Text => text(out, series)?,
                Format::Json => json_line(out, &serde_json::to_value(series).map_err(std::io::Error::from)?)?,
            }
        }
        if told.is_empty() && self.format == Format::Text {
            crate::exit::say("No document is known under this id.");
        }
        Ok(Verdict::of(!told.is_empty()))
    }
}

/// One series, as it is told: whose documents, never whom they are about.
#[derive(Debug, Serialize)]
struct Told {
    series: String,
    state: &'static str,
    /// A difference stands beside what it differs from.
    partial: bool,
    /// The message that opened the series is not known.
    incomplete: bool,
    versions: Vec<ToldVersion>,
    published: Vec<ToldEntry>,
}

#[derive(Debug, Serialize)]
struct ToldVersion {
    message: String,
    msg_id: String,
    generated: jiff::Timestamp,
    change: Change,
    fate: &'static str,
    /// The message that took its place, withdrew it, or was the same before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<Conflict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<Withheld>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
}

#[derive(Debug, Serialize)]
struct ToldEntry {
    target: String,
    msg_ids: Vec<String>,
    format: String,
    status: Status,
}

/// Tests and the rest never stand in one series: no target shows both.
fn tell(gathered: &Gathered) -> Vec<Told> {
    let mut told = Vec::new();
    for test in [false, true] {
        let versions: Vec<Version> = gathered.versions.iter().filter(|v| v.test == test).cloned().collect();
        if !versions.is_empty() {
            told.extend(tell_folded(&versions, &fold(&versions), &gathered.shown));
        }
    }
    told
}

fn tell_folded(versions: &[Version], folded: &Folded, shown: &[ShownAt]) -> Vec<Told> {
    let told = |at: usize| {
        let version = versions.get(at)?;
        let (fate, by, conflict) = fate_of(folded.fates.get(at).copied().unwrap_or(Fate::NotShown));
        Some(ToldVersion {
            message: version.message.to_string(),
            msg_id: version.msg_id.clone(),
            generated: version.generated,
            change: version.change,
            fate,
            by: by.and_then(|by| versions.get(by)).map(|by| by.msg_id.clone()),
            conflict,
            withheld: version.withheld,
            test: version.test,
        })
    };
    let mut all: Vec<Told> = Vec::new();
    let mut placed: BTreeSet<usize> = BTreeSet::new();
    for (key, series) in &folded.series {
        placed.extend(&series.versions);
        let of: BTreeSet<&str> =
            series.versions.iter().filter_map(|at| versions.get(*at)).map(|v| v.msg_id.as_str()).collect();
        let published = shown
            .iter()
            .filter(|s| s.shown.entry.of.last().is_some_and(|id| of.contains(id.as_str())))
            .map(|s| ToldEntry {
                target: s.target.to_string(),
                msg_ids: s.shown.entry.of.clone(),
                format: s.shown.entry.format.to_string(),
                status: s.shown.status,
            });
        let (state, partial, incomplete) = match &series.state {
            State::Nothing => ("nothing", false, false),
            State::Visible(visible) => ("visible", visible.partial, visible.incomplete),
            State::Withdrawn { .. } => ("withdrawn", false, false),
        };
        all.push(Told {
            series: key.clone(),
            state,
            partial,
            incomplete,
            versions: series.versions.iter().filter_map(|at| told(*at)).collect(),
            published: published.collect(),
        });
    }
    // What belongs to none of them: in conflict, not safe, or there before.
    let outside: Vec<ToldVersion> =
        (0..versions.len()).filter(|at| !placed.contains(at)).filter_map(told).collect();
    if !outside.is_empty() {
        all.push(Told {
            series: "outside of any series".to_owned(),
            state: "nothing",
            partial: false,
            incomplete: false,
            versions: outside,
            published: Vec::new(),
        });
    }
    all
}

fn text(out: &mut dyn Write, series: &Told) -> Result<(), Failure> {
    let marks = match (series.partial, series.incomplete) {
        (true, true) => ", in parts, its beginning is not known",
        (true, false) => ", in parts",
        (false, true) => ", its beginning is not known",
        (false, false) => "",
    };
    writeln!(out, "Series {}: {}{marks}", series.series, series.state)?;
    for version in &series.versions {
        let fate = version.conflict.map_or(version.fate, Conflict::words);
        let (change, test) = (change_code(version.change), if version.test { ", a TEST" } else { "" });
        writeln!(
            out,
            "  {}  {change}  {}  {fate}{test}  [{}]",
            version.generated, version.msg_id, version.message
        )?;
    }
    for entry in &series.published {
        let (target, format, status) = (&entry.target, &entry.format, entry.status.as_str());
        writeln!(out, "  at {target}: {format} of {}: {status}", entry.msg_ids.join(" and "))?;
    }
    Ok(())
}

/// What became of a version in words, by which other one, and why it waits.
const fn fate_of(fate: Fate) -> (&'static str, Option<usize>, Option<Conflict>) {
    match fate {
        Fate::Visible => ("visible", None, None),
        Fate::Superseded { by } => ("superseded", Some(by), None),
        Fate::Withdrawn { by } => ("withdrawn", Some(by), None),
        Fate::Cancels => ("cancels", None, None),
        Fate::Hidden => ("withheld", None, None),
        Fate::NotShown => ("not shown", None, None),
        Fate::Repeat { of } => ("came before", Some(of), None),
        Fate::Parked { conflict } => ("waits for a person", None, Some(conflict)),
    }
}

const fn change_code(change: Change) -> &'static str {
    match change {
        Change::New => "N",
        Change::Changed => "M",
        Change::Cancelled => "C",
        Change::Added => "A",
    }
}
