//! How a command ends: the exit codes, and the failures that stand behind them.

use crate::config::read::Fault;
use broker_core::ports::StoreError;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The exit codes, as `--help` prints them.
pub const CODES: &str = "\
Exit codes:
  0  done; every verdict was good
  1  done, and the verdict is no: an invalid file, different schemas, books that do not balance,
     nothing found under an id, work left over at shutdown
  2  the command was used wrongly, or a file or address could not be read or written
  3  the configuration, parties, rules or schemas are faulty; all faults are named
  4  the journal cannot be opened or does not answer";

/// How a command that was carried out ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Good,
    /// What was asked about is not as it should be.
    Negative,
}

impl Verdict {
    /// Good if this holds.
    #[must_use]
    pub const fn of(good: bool) -> Self {
        if good { Self::Good } else { Self::Negative }
    }
}

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Used wrongly.
    #[error("{0}")]
    Usage(String),
    /// A file could not be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Nothing can be printed.
    #[error("cannot print: {0}")]
    Output(#[from] io::Error),
    /// The broker that was asked did not do it.
    #[error("{0}")]
    Remote(String),
    /// The configuration, or what it points at, is faulty.
    #[error("{} in the configuration", count(.0.len()))]
    Config(Vec<Fault>),
    /// The journal did not do what was asked.
    #[error("{0}")]
    Journal(#[from] StoreError),
    /// The process could not start, although the configuration is sound.
    #[error("{0}")]
    Start(String),
}

fn count(faults: usize) -> String {
    if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") }
}

impl Failure {
    /// A failure at a file.
    pub fn file(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        |error| Self::File { path, error }
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::File { .. } | Self::Output(_) | Self::Remote(_) | Self::Start(_) => 2,
            Self::Config(_) => 3,
            Self::Journal(_) => 4,
        }
    }

    /// A reader that has seen enough (`| head`) closes the pipe; that is no failure.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The exit code of a command; says on standard error why it failed.
#[must_use]
pub fn code(result: &Result<Verdict, Failure>) -> ExitCode {
    match result {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Negative) => ExitCode::from(1),
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            if let Failure::Config(faults) = failure {
                faults.iter().for_each(|fault| say(&fault.to_string()));
            }
            // What others said may end with a stop of its own.
            say(&format!("budstikke: {}.", failure.to_string().trim_end_matches('.')));
            ExitCode::from(failure.code())
        }
    }
}

/// Prints a line on standard error, if anybody listens.
pub fn say(line: &str) {
    use io::Write;
    let _unheard = writeln!(io::stderr(), "{line}");
}

/// An error with all that stands behind it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        text = format!("{text}: {error}");
        behind = error.source();
    }
    text
}
