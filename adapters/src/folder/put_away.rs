//! What happens to a file once its message is durable, or refused: it moves out of the inbox, with a report
//! beside it where it was refused.
//!
//! Moving is not what makes a message safe, the journal is: a crash before the move means that the file is
//! offered again and recognised by its key. So one sync of the directories serves a whole batch.

use super::files::{free_name, report_name, sync_dir, write_whole};
use super::inbox::{Found, is_still};
use broker_core::ports::Taken;
use message_schemas::{Finding, MessageId};
use serde::Serialize;
use std::io;
use std::path::PathBuf;

/// Where files go.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) inbox: PathBuf,
    pub(super) done: PathBuf,
    pub(super) refused: PathBuf,
}

/// A file to be moved.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) found: Found,
    /// Stands in the name if the file's own is taken: our short id, else the inode.
    pub(super) mark: String,
    /// Why it was refused; none if it was taken.
    pub(super) report: Option<Report>,
}

/// What became of a job.
#[derive(Debug)]
pub(super) enum Put {
    /// It is out of the inbox.
    Away,
    /// What lies there now is another file: it is looked at afresh.
    Changed,
    /// It could not be moved.
    Stuck(io::Error),
}

/// The report beside a refused file. Findings never quote the message, so it may be mailed to its sender.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Our id; none if the file was refused unread.
    id: Option<MessageId>,
    /// The same, for the phone.
    short: Option<String>,
    verdict: &'static str,
    /// The reason's code.
    reason: Option<&'static str>,
    /// What happened, in a sentence.
    detail: String,
    findings: Vec<Finding>,
    /// Findings beyond those listed.
    findings_omitted: usize,
}

impl Report {
    /// For a message that was taken in and refused.
    pub(super) fn refused(taken: &Taken) -> Self {
        let id = taken.committed.message();
        let reason = taken.verdict.reason();
        Self {
            id: Some(id),
            short: Some(id.short()),
            verdict: taken.verdict.as_str(),
            reason: reason.map(|r| r.as_str()),
            detail: format!("The message was refused: {}.", reason.map_or("see the findings", |r| r.title())),
            findings: taken.findings.as_slice().to_vec(),
            findings_omitted: taken.findings.omitted(),
        }
    }

    /// For a file that is larger than any message may be; it was not read.
    pub(super) fn too_large(size_bytes: u64, limit: usize) -> Self {
        Self {
            id: None,
            short: None,
            verdict: "refused",
            reason: None,
            detail: format!("The file has {size_bytes} bytes; a message may have {limit}. It was not read."),
            findings: Vec::new(),
            findings_omitted: 0,
        }
    }
}

/// Moves files, and makes the moves durable together. Results are in the order of the jobs. Blocks.
pub(super) fn put_away(places: &Places, jobs: &[Job]) -> Vec<Put> {
    let mut results: Vec<Put> = jobs.iter().map(|job| one(places, job)).collect();
    let moved = |refused: bool| {
        jobs.iter()
            .zip(&results)
            .any(|(job, put)| matches!(put, Put::Away) && job.report.is_some() == refused)
    };
    let (done, refused) = (moved(false), moved(true));
    let dirs = [(done, &places.done), (refused, &places.refused), (done || refused, &places.inbox)];
    let synced = dirs.into_iter().filter(|(wanted, _)| *wanted).try_for_each(|(_, dir)| sync_dir(dir));
    if let Err(error) = synced {
        // The files have moved; should the machine fail now, some may lie in the inbox again, and are
        // recognised there.
        tracing::warn!(error = %error, "Files were moved out of an inbox, but the move could not be synced.");
    }
    results.shrink_to_fit();
    results
}

fn one(places: &Places, job: &Job) -> Put {
    match is_still(&places.inbox, &job.found) {
        Ok(true) => {}
        Ok(false) => return Put::Changed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Put::Changed,
        Err(error) => return Put::Stuck(error),
    }
    match moved(places, job) {
        Ok(()) => Put::Away,
        Err(error) => Put::Stuck(error),
    }
}

fn moved(places: &Places, job: &Job) -> io::Result<()> {
    let dir = if job.report.is_some() { &places.refused } else { &places.done };
    let name = free_name(dir, &job.found.name, &job.mark)?;
    if let Some(report) = &job.report {
        let mut json = serde_json::to_vec_pretty(report).map_err(io::Error::other)?;
        json.push(b'\n');
        // Under a name of ours first, as the file's own may not be text.
        let unnamed = format!("{}.report.json", job.mark);
        write_whole(dir, &unnamed, &json)?;
        std::fs::rename(dir.join(&unnamed), dir.join(report_name(&name, &job.mark)))?;
    }
    std::fs::rename(places.inbox.join(&job.found.name), dir.join(name))
}
