//! `validate`: files against their schemas and the rules beyond them.
//!
//! Files are judged by all cores and printed in order. A finding never quotes the document, so the output
//! can be shown to anybody.

use super::files::{self, Content};
use super::{Format, json_line};
use crate::examine::{Examined, examine, too_large};
use crate::exit::{Failure, Verdict};
use crate::schemas;
use adapters::clock::SystemClock;
use broker_core::ports::Clock;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use message_schemas::Limits;
use message_schemas::schema::SchemaSet;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Check files against their schemas and the rules of the standards.
///
/// Folders are walked: every regular file in them is checked, sorted by name; links are not followed.
/// The verdict is the schema's alone; what the rules of the standards find is listed beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke validate message.xml
  budstikke validate --format json incoming/ | jq 'select(.valid | not)'
  budstikke validate --schemas my-xsds/ message.xml
  cat message.xml | budstikke validate -

Exit codes: 0 all valid, 1 some not, 2 wrong usage or a file that cannot be read, 3 faulty schemas.")]
pub(super) struct Command {
    /// How to print; JSON is one object a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// A folder of XSD files to check against, instead of the built-in ones.
    #[arg(long, value_name = "DIR")]
    schemas: Option<PathBuf>,
    /// Files and folders; `-` is standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// What is said of one file.
#[derive(Serialize)]
struct Line {
    file: String,
    family: Option<&'static str>,
    version: Option<String>,
    namespace: Option<String>,
    #[serde(rename = "type")]
    type_code: Option<String>,
    valid: bool,
    findings: Vec<message_schemas::Finding>,
    #[serde(skip_serializing_if = "is_zero")]
    omitted: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field in by reference")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let schemas = schemas::load(self.schemas.as_deref()).map_err(Failure::Config)?;
        let files = files::collect(&self.paths)?;
        let progress = progress(files.len());
        let (limits, now) = (Limits::default(), SystemClock::new().now());
        let mut all_valid = true;
        let mut unreadable = None;
        in_order(
            &files,
            |path| check(path, &schemas, &limits, now),
            |result| {
                progress.inc(1);
                match result {
                    Ok(line) => {
                        all_valid &= line.valid;
                        progress.suspend(|| self.print(out, &line))
                    }
                    // The others are still checked; the exit code tells.
                    Err(failure) => {
                        progress.suspend(|| crate::exit::say(&format!("budstikke: {failure}")));
                        unreadable.get_or_insert(failure);
                        Ok(())
                    }
                }
            },
        )?;
        progress.finish_and_clear();
        match unreadable {
            Some(failure) => Err(failure),
            None => Ok(Verdict::of(all_valid)),
        }
    }

    fn print(&self, out: &mut dyn Write, line: &Line) -> Result<(), Failure> {
        if self.format == Format::Json {
            return json_line(out, line);
        }
        let verdict = if line.valid { "valid" } else { "not valid" };
        write!(out, "{}: {verdict}", line.file)?;
        if let (Some(family), Some(version)) = (line.family, &line.version) {
            write!(out, " ({family} {version})")?;
        }
        writeln!(out)?;
        for finding in &line.findings {
            writeln!(out, "  {finding}")?;
        }
        if line.omitted > 0 {
            writeln!(out, "  and {} more", line.omitted)?;
        }
        Ok(())
    }
}

fn check(path: &Path, schemas: &SchemaSet, limits: &Limits, now: Timestamp) -> Result<Line, Failure> {
    let examined = match files::read(path, limits.message_bytes)? {
        Content::Bytes(bytes) => examine(&bytes, schemas, limits, now),
        Content::TooLarge => too_large(limits),
    };
    Ok(line(path, examined))
}

fn line(path: &Path, examined: Examined) -> Line {
    let Examined { kind, namespace, type_code, valid, findings, .. } = examined;
    Line {
        file: path.display().to_string(),
        family: kind.map(|kind| kind.family.as_str()),
        version: kind.map(|kind| kind.version.to_string()),
        namespace,
        type_code,
        valid,
        omitted: findings.omitted(),
        findings: findings.as_slice().to_vec(),
    }
}

/// Works on all items with all cores, and hands the results over in the order of the items. The threads stay
/// at most a few hundred items ahead of the one that is handed over next.
fn in_order<T: Send>(
    items: &[PathBuf],
    work: impl Fn(&Path) -> T + Sync,
    mut each: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(items.len().max(1));
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::sync_channel(256);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (send, next, work) = (send.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    if send.send((at, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut ahead = BTreeMap::new();
        let mut wanted = 0;
        let result = receive.iter().try_for_each(|(at, result)| {
            ahead.insert(at, result);
            while let Some(result) = ahead.remove(&wanted) {
                wanted += 1;
                each(result)?;
            }
            Ok(())
        });
        // With the receiver gone the threads end after the item in hand.
        drop(receive);
        result
    })
}

/// A bar on standard error, if that is a terminal and there is something to wait for.
fn progress(files: usize) -> ProgressBar {
    if files < 20 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(files).unwrap_or(u64::MAX));
    match ProgressStyle::with_template("{bar:30} {pos}/{len} files, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
