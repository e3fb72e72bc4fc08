//! `series`: the versions of a document, what is visible of it, and where.

use super::{ConfigArg, Format, journal, json_line};
use crate::exit::{Failure, Verdict};
use crate::series::{Gathered, gather, gather_from};
use crate::wiring::Journal;
use broker_core::ports::Store as _;
use broker_core::series::{ShownAt, Sought};
use message_schemas::MessageId;
use serde::Serialize;
use sharing::Environment;
use sharing::series::{
    Change, Conflict, Entry, FAMILIES, Fate, Folded, Mark, State, Status, Strand, UNKNOWN, Version, Withheld,
    fold,
};
use std::collections::{BTreeMap, BTreeSet};
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
        let (asked, gathered) = journal::with(&config, async |j| {
            let id = self.id.trim();
            let mut asked = gather_from(j, documents(id)).await?;
            if asked.versions.is_empty() {
                let messages = j.find(id, MOST).await?.into_iter().map(|record| record.id).collect();
                asked = gather_from(j, Sought { messages, ..reports(id) }).await?;
            }
            // With the other reports of their messages: an original tells of all of them.
            let messages = asked.versions.iter().map(|v| v.message).collect();
            Ok((asked, gather(j, messages).await?))
        })?;
        let told = tell(&asked, &gathered);
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

/// The series that a message has a part in.
pub(super) async fn of_message(journal: &Journal, message: MessageId) -> Result<Vec<Told>, Failure> {
    let gathered = gather(journal, BTreeSet::from([message])).await?;
    Ok(tell(&gathered, &gathered))
}

/// The documents of this id, in every family. The journal finds a message by its first document alone.
fn documents(id: &str) -> Sought {
    let strands = FAMILIES.iter().map(|family| Strand::named(family, id)).collect();
    Sought { strands, ..Sought::default() }
}

/// The report of a message that goes by this id, in every family: the message's own, with `#n` behind it.
fn reports(id: &str) -> Sought {
    let marks = FAMILIES.iter().map(|family| Mark::named(family, id)).collect();
    Sought { marks, ..Sought::default() }
}

/// One series, as it is told: whose documents, never whom they are about.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    series: String,
    /// What should be seen of it: `visible`, `withdrawn`, `nothing`.
    state: &'static str,
    /// How that stands at each target that was told; empty where nothing is to be seen or gone.
    standing: BTreeMap<String, BTreeSet<&'static str>>,
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
    short: String,
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
    /// A person let it take part in spite of these.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    let_in: BTreeSet<Conflict>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    synthetic: bool,
}

#[derive(Debug, Serialize)]
struct ToldEntry {
    target: String,
    msg_ids: Vec<String>,
    format: String,
    status: Status,
    /// What else its message told, and does not hold any more: it can be read there still.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also_tells: Vec<AlsoTells>,
}

/// Another report of the same message, which was withdrawn or replaced.
#[derive(Debug, Serialize)]
struct AlsoTells {
    msg_id: String,
    fate: &'static str,
    by: Option<String>,
}

/// As targets see it: those for tests see what is marked as a test or about nobody who lives, the others what is not marked.
/// Only the series that were asked for; `gathered` holds what else came in their messages.
fn tell(asked: &Gathered, gathered: &Gathered) -> Vec<Told> {
    let all = &gathered.versions;
    let asked: BTreeSet<_> = asked.versions.iter().map(key).collect();
    let for_tests = |v: &Version| v.is_seen_by(Environment::Test);
    let sides: &[Environment] = if all.iter().all(for_tests) {
        &[Environment::Test]
    } else if all.iter().any(for_tests) {
        &[Environment::Production, Environment::Test]
    } else {
        &[Environment::Production]
    };
    let mut told = Vec::new();
    for side in sides {
        let versions: Vec<Version> = all.iter().filter(|v| v.is_seen_by(*side)).cloned().collect();
        told.extend(tell_folded(&versions, &fold(&versions), &gathered.shown, &asked));
    }
    told
}

/// A version, among all.
fn key(version: &Version) -> (MessageId, &str) {
    (version.message, &version.msg_id)
}

fn tell_folded(
    versions: &[Version],
    folded: &Folded,
    shown: &[ShownAt],
    asked: &BTreeSet<(MessageId, &str)>,
) -> Vec<Told> {
    let is_asked = |at: &usize| versions.get(*at).is_some_and(|v| asked.contains(&key(v)));
    let told = |at: usize| {
        let version = versions.get(at)?;
        let (fate, by, conflict) = fate_of(folded.fates.get(at).copied().unwrap_or(Fate::NotShown));
        Some(ToldVersion {
            message: version.message.to_string(),
            short: version.message.short(),
            msg_id: version.msg_id.clone(),
            generated: version.generated,
            change: version.change,
            fate,
            by: by.and_then(|by| versions.get(by)).map(|by| by.msg_id.clone()),
            conflict,
            withheld: version.withheld,
            let_in: version.ruling.in_spite_of.clone(),
            test: version.test,
            synthetic: version.synthetic,
        })
    };
    let mut all: Vec<Told> = Vec::new();
    let mut placed: BTreeSet<usize> = BTreeSet::new();
    for (key, series) in &folded.series {
        placed.extend(&series.versions);
        if !series.versions.iter().any(is_asked) {
            continue;
        }
        let of: BTreeSet<&str> =
            series.versions.iter().filter_map(|at| versions.get(*at)).map(|v| v.msg_id.as_str()).collect();
        let mut entries: Vec<&ShownAt> = shown
            .iter()
            .filter(|s| s.shown.entry.of.last().is_some_and(|id| of.contains(id.as_str())))
            .collect();
        // Target by target, each in the order in which it was told.
        entries.sort_by_key(|&s| (&s.target, s.shown.submission, s.shown.entry.format, &s.shown.entry.of));
        let published = entries.iter().map(|s| ToldEntry {
            target: s.target.to_string(),
            msg_ids: s.shown.entry.of.iter().filter(|id| *id != UNKNOWN).cloned().collect(),
            format: s.shown.entry.format.to_string(),
            status: s.shown.status,
            also_tells: also_tells(s, versions, folded),
        });
        let (state, partial, incomplete) = match &series.state {
            State::Nothing => ("nothing", false, false),
            State::Visible(visible) => ("visible", visible.partial, visible.incomplete),
            State::Withdrawn { .. } => ("withdrawn", false, false),
        };
        all.push(Told {
            series: key.clone(),
            state,
            standing: standing(&series.state, versions, &entries),
            partial,
            incomplete,
            versions: series.versions.iter().filter_map(|at| told(*at)).collect(),
            published: published.collect(),
        });
    }
    // What belongs to none of them: in conflict, not safe, or there before.
    let outside: Vec<ToldVersion> =
        (0..versions.len()).filter(|at| !placed.contains(at)).filter(is_asked).filter_map(told).collect();
    if !outside.is_empty() {
        all.push(Told {
            series: "outside of any series".to_owned(),
            state: "nothing",
            standing: BTreeMap::new(),
            partial: false,
            incomplete: false,
            versions: outside,
            published: Vec::new(),
        });
    }
    all
}

//= document-sharing §1.1
//# The KITH XML, byte for byte as received, always.
/// What an original that can be read at a target tells of documents that were withdrawn or replaced since.
///
/// A message with several reports is the original of each of them. It cannot be cut, and to take it away would leave the
/// reports that hold without theirs; at a target that shows originals alone, they would vanish.
fn also_tells(entry: &ShownAt, versions: &[Version], folded: &Folded) -> Vec<AlsoTells> {
    let Entry { of, format: message_schemas::document::Format::KithXml, .. } = &entry.shown.entry else {
        return Vec::new();
    };
    if !matches!(entry.shown.status, Status::Approved | Status::Sending) {
        return Vec::new();
    }
    let own = of.last().and_then(|id| versions.iter().find(|v| v.msg_id == *id));
    let others = versions
        .iter()
        .zip(&folded.fates)
        .filter(|(v, _)| own.is_some_and(|own| own.message == v.message && own.msg_id != v.msg_id));
    others
        .filter(|(_, fate)| matches!(fate, Fate::Withdrawn { .. } | Fate::Superseded { .. }))
        .map(|(version, fate)| {
            let (fate, by, _) = fate_of(*fate);
            let by = by.and_then(|by| versions.get(by)).map(|by| by.msg_id.clone());
            AlsoTells { msg_id: version.msg_id.clone(), fate, by }
        })
        .collect()
}

/// How what should be seen stands at each target: entries of what is visible, or what of a withdrawn series is not gone.
fn standing(
    state: &State,
    versions: &[Version],
    entries: &[&ShownAt],
) -> BTreeMap<String, BTreeSet<&'static str>> {
    let visible: BTreeSet<&str> = match state {
        State::Visible(visible) => {
            let parts =
                visible.documents.iter().flat_map(|document| &document.parts).map(|part| part.version);
            let all = visible.originals.iter().copied().chain(parts);
            all.filter_map(|at| versions.get(at)).map(|v| v.msg_id.as_str()).collect()
        }
        State::Withdrawn { .. } | State::Nothing => BTreeSet::new(),
    };
    let mut standing: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for ShownAt { target, shown, .. } in entries {
        let is_wanted = shown.entry.of.last().is_some_and(|newest| visible.contains(newest.as_str()));
        let word = match (state, shown.status) {
            (_, Status::Superseded | Status::Withdrawn) => continue,
            (State::Visible(_), Status::Approved) if !is_wanted => "an earlier version visible",
            (State::Visible(_), _) if !is_wanted => continue,
            (State::Nothing | State::Withdrawn { .. }, Status::Refused) => continue,
            (_, Status::Approved) => "visible",
            (_, status) => status.as_str(),
        };
        standing.entry(target.to_string()).or_default().insert(word);
    }
    standing
}

/// What should be seen, and where that is not so (yet).
fn headline(series: &Told) -> String {
    let done = match series.state {
        "visible" => {
            !series.standing.is_empty() && series.standing.values().flatten().all(|word| *word == "visible")
        }
        _ => series.standing.is_empty(),
    };
    if done {
        return series.state.to_owned();
    }
    let at: Vec<String> = series
        .standing
        .iter()
        .map(|(target, words)| {
            let words: Vec<&str> = words.iter().copied().collect();
            format!("{} at {target}", words.join(" and "))
        })
        .collect();
    let at = if at.is_empty() { "published nowhere".to_owned() } else { at.join(", ") };
    format!("should be {}; {at}", series.state)
}

pub(super) fn text(out: &mut dyn Write, series: &Told) -> Result<(), Failure> {
    let marks = match (series.partial, series.incomplete) {
        (true, true) => ", in parts, its beginning is not known",
        (true, false) => ", in parts",
        (false, true) => ", its beginning is not known",
        (false, false) => "",
    };
    writeln!(out, "Series {}: {}{marks}", series.series, headline(series))?;
    for version in &series.versions {
        let by = version.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
        let fate = match (version.conflict, version.withheld) {
            (Some(conflict), _) => format!("waits for a person: {}", conflict.words()),
            (None, Some(Withheld::Reserved)) => format!("{}{by}, kept back", version.fate),
            (None, Some(Withheld::Unsafe)) => format!("{}{by}, not safe to show", version.fate),
            (None, None) => format!("{}{by}", version.fate),
        };
        let mark = match (version.test, version.synthetic) {
            (true, _) => ", a TEST",
            (false, true) => ", of a synthetic patient",
            (false, false) => "",
        };
        let let_in: String = version
            .let_in
            .iter()
            .map(|conflict| format!(", let in by a person although {}", conflict.words()))
            .collect();
        let (made, change, id) = (version.generated, change_word(version.change), &version.msg_id);
        writeln!(out, "  {}  made {made}  {change:<12}  {id}  {fate}{let_in}{mark}", version.short)?;
        if version.conflict.is_some() {
            let short = &version.short;
            writeln!(out, "             why, and what to do: budstikke dead-letter show {short}")?;
        }
    }
    for entry in &series.published {
        let (target, format, status) = (&entry.target, &entry.format, entry.status.as_str());
        writeln!(out, "  at {target}: {format} of {}: {status}", entry.msg_ids.join(" and "))?;
        for AlsoTells { msg_id, fate, by } in &entry.also_tells {
            let by = by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
            writeln!(
                out,
                "             it also tells of {msg_id}, {fate}{by}: that can be read there still"
            )?;
        }
    }
    if series.published.is_empty() && series.state == "visible" {
        let short = series.versions.last().map(|v| v.short.as_str()).unwrap_or_default();
        writeln!(out, "  published nowhere; why: budstikke trace {short}")?;
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
        Fate::Left => ("left unpublished", None, None),
        Fate::Parked { conflict } => ("waits for a person", None, Some(conflict)),
    }
}

/// What the sender says that it does to earlier ones, with the code that the message carries.
const fn change_word(change: Change) -> &'static str {
    match change {
        Change::New => "N new",
        Change::Changed => "M changes",
        Change::Cancelled => "C cancels",
        Change::Added => "A adds",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_should_be_seen_is_not_said_to_be() {
        let told = |state: &'static str, at: &[(&str, &[&'static str])]| {
            headline(&Told {
                series: String::new(),
                state,
                standing: at
                    .iter()
                    .map(|(to, words)| ((*to).to_owned(), words.iter().copied().collect()))
                    .collect(),
                partial: false,
                incomplete: false,
                versions: Vec::new(),
                published: Vec::new(),
            })
        };
        assert_eq!(told("visible", &[("publish:a", &["visible"]), ("publish:b", &["visible"])]), "visible");
        assert_eq!(
            told("visible", &[("publish:a", &["refused"]), ("publish:b", &["visible", "sending"])]),
            "should be visible; refused at publish:a, sending and visible at publish:b"
        );
        assert_eq!(told("visible", &[]), "should be visible; published nowhere");
        assert_eq!(told("withdrawn", &[]), "withdrawn");
        assert_eq!(
            told("withdrawn", &[("publish:a", &["withdrawing"])]),
            "should be withdrawn; withdrawing at publish:a"
        );
    }
}
