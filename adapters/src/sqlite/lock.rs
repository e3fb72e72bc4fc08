//! The lock that the one running broker holds.
//!
//! It is a lock of the system on a file beside the journal, and not the file itself: what is left after a
//! kill or a loss of power stands in nobody's way. The file holds the number of the process, for whoever
//! finds the journal in use.

use broker_core::ports::StoreError;
use dead_letter::Reason;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Held until it is dropped; the system lets go of it even if the process is killed.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a journal.
    pub(super) fn hold(journal: &Path) -> Result<Self, StoreError> {
        let mut path = journal.as_os_str().to_owned();
        path.push(".lock");
        let cannot = |e: std::io::Error| StoreError::Unavailable(format!("its lock file: {e}"));
        let opened =
            File::options().read(true).write(true).create(true).truncate(false).open(PathBuf::from(path));
        let mut file = opened.map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {
                // Only for people; a full disk must not keep the broker from starting.
                drop(sign(&mut file));
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                drop(file.take(20).read_to_string(&mut holder));
                let holder =
                    holder.trim().parse::<u32>().map_or_else(|_| String::new(), |n| format!(", number {n},"));
                let code = Reason::StoreInUse;
                Err(StoreError::Unavailable(format!("another process{holder} runs with it ({code})")))
            }
            Err(TryLockError::Error(e)) => Err(cannot(e)),
        }
    }
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
