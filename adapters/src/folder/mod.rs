//! Folders: messages picked up from one, deliveries written to another.
//!
//! **Invariants.** A file is moved out of the inbox only after its message is durable. A delivery has its
//! name only when all its bytes are on disk. Names that we make hold our ids and nothing else; names that
//! others made are never logged, as they may hold a patient's name: logs tell files by inode.
//!
//! Deliberately absent: sub-folders, symbolic links, and notifications from the kernel (network file
//! systems do not send them; looking again works everywhere).

mod destination;
pub(crate) mod files;
mod inbox;
mod put_away;
mod source;

pub use destination::{Destination, Options as DestinationOptions};
pub use source::{Options as SourceOptions, Source};

use std::path::PathBuf;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, and cannot be made.
    #[error("the folder {} cannot be used", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Moving a file needs both folders on one file system, or it would not be one step.
    #[error("{} and {} are on different file systems", inbox.display(), other.display())]
    OtherFileSystem {
        /// The inbox.
        inbox: PathBuf,
        /// Where its files should move.
        other: PathBuf,
    },
    /// Two folders that must be different are the same.
    #[error("{} is named twice", path.display())]
    Same {
        /// Which.
        path: PathBuf,
    },
}
