//! Room on the disk: intake stops while there is still enough left to settle what was taken in.
//!
//! Before a commit the file system is asked how much is free; below the reserve the answer is "full". Others
//! may fill the disk all the same, so a file of a few megabytes lies beside the journal that is given up when
//! a write fails for want of room, and made anew when there is room again.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Room that the reserve file holds: some ten thousand settlements.
const RESERVE_FILE_BYTES: u64 = 8 << 20;

/// Watches the room where the journal lies.
#[derive(Debug)]
pub(super) struct Room {
    folder: PathBuf,
    /// None where another process keeps it.
    reserve: Option<PathBuf>,
    keep_free_bytes: AtomicU64,
    reserve_is_there: AtomicBool,
}

impl Room {
    /// For a journal at this path. The process that runs keeps the reserve file, if there is room for it.
    pub(super) fn around(journal: &Path, keep_free_bytes: u64, keeps_reserve: bool) -> Self {
        let mut reserve = journal.as_os_str().to_owned();
        reserve.push(".reserve");
        let room = Self {
            folder: folder_of(journal).to_owned(),
            reserve: keeps_reserve.then(|| reserve.into()),
            keep_free_bytes: AtomicU64::new(keep_free_bytes),
            reserve_is_there: AtomicBool::new(false),
        };
        room.restore_reserve();
        room
    }

    /// Keeps another amount free from now on.
    pub(super) fn keep_free(&self, bytes: u64) {
        self.keep_free_bytes.store(bytes, Ordering::Relaxed);
    }

    /// True if so many bytes can be taken in. They are written twice, to the log and later to the file. What
    /// the reserve gave is for settling alone: intake waits until the reserve is back.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        let wanted = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(2);
        let wanted = wanted.saturating_add(self.keep_free_bytes.load(Ordering::Relaxed));
        // A file system that does not tell will say so when it is full.
        bytes == 0 || (!self.is_tight() && self.free_bytes().is_none_or(|free| free >= wanted))
    }

    fn free_bytes(&self) -> Option<u64> {
        let told = rustix::fs::statvfs(&self.folder).ok()?;
        Some(told.f_bavail.saturating_mul(told.f_frsize))
    }

    /// Gives the reserve file's room to whoever writes next.
    pub(super) fn give_up_reserve(&self) {
        let Some(reserve) = &self.reserve else { return };
        if self.reserve_is_there.swap(false, Ordering::Relaxed) && std::fs::remove_file(reserve).is_ok() {
            tracing::error!(
                "The disk of the journal is full: intake stands, the reserve is given up to settle."
            );
        }
    }

    /// True while the reserve is missing: what room there is must be used with care.
    pub(super) fn is_tight(&self) -> bool {
        self.reserve.is_some() && !self.reserve_is_there.load(Ordering::Relaxed)
    }

    /// Makes the reserve file if it is missing and there is room for it four times over.
    pub(super) fn restore_reserve(&self) {
        let Some(reserve) =
            self.reserve.as_deref().filter(|_| !self.reserve_is_there.load(Ordering::Relaxed))
        else {
            return;
        };
        let enough = self.keep_free_bytes.load(Ordering::Relaxed).max(RESERVE_FILE_BYTES * 4);
        if self.free_bytes().is_some_and(|free| free >= enough) {
            self.reserve_is_there.store(make_reserve(reserve).is_ok(), Ordering::Relaxed);
        }
    }
}

/// Where a journal lies.
pub(super) fn folder_of(journal: &Path) -> &Path {
    journal.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn make_reserve(path: &Path) -> std::io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(false).open(path)?;
    match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE_FILE_BYTES) {
        // Some file systems cannot set room aside, but all can be written.
        Err(rustix::io::Errno::OPNOTSUPP) => {
            let zeros = vec![0; 1 << 20];
            (0..RESERVE_FILE_BYTES >> 20).try_for_each(|_| file.write_all(&zeros))
        }
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intake_needs_more_room_than_is_kept_free() {
        let folder = tempfile::tempdir().expect("a folder");
        let room = Room::around(&folder.path().join("journal"), 1, true);
        assert!(room.has_room_for(1));
        room.keep_free(u64::MAX);
        assert!(!room.has_room_for(1));
        assert!(room.has_room_for(0), "what takes no room is always let through");
    }

    #[test]
    fn the_reserve_is_given_up_and_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let room = Room::around(&folder.path().join("journal"), 1, true);
        let file = folder.path().join("journal.reserve");
        assert_eq!(std::fs::metadata(&file).expect("made").len(), RESERVE_FILE_BYTES);
        room.give_up_reserve();
        assert!(!file.exists());
        room.restore_reserve();
        assert!(file.exists());
    }
}
