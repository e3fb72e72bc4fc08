//! What lies in an inbox, and which of it is ready to be taken.
//!
//! A file is ready when it looked the same in two scans that are at least the settling time apart: size,
//! both times and inode. A writer that pauses for longer than that must use a name that is left alone until
//! it is done (a dot in front, or `.tmp`, `.part`, `.filepart` at the end), as all common programs do.

use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// By what a file is known to be unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size_bytes: u64,
    /// Last change of the content: seconds and nanoseconds.
    modified: (i64, i64),
    /// Last change of the inode: content, name, place or rights. It cannot be set by a program.
    changed: (i64, i64),
    pub(super) inode: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

/// A file that is ready, or was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: OsString,
    pub(super) stamp: Stamp,
}

/// How a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Looked the same since then.
    Settling(Instant),
    /// With intake, or being put away.
    Offered,
    /// Offered and not taken: again from then on.
    Held(Instant),
    /// Cannot be read: left until it changes.
    Unreadable,
}

/// All files of the inbox that we know of.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    files: HashMap<OsString, (Stamp, Standing, u64)>,
    scans: u64,
}

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Ready, oldest first, then by name.
    pub(super) ready: Vec<Found>,
    /// When the next file may be ready, if one is settling.
    pub(super) next: Option<Instant>,
}

impl Inbox {
    /// Looks through the directory. Blocks.
    pub(super) fn scan(&mut self, dir: &Path, settle: Duration, now: Instant) -> io::Result<Scan> {
        let mut scan = Scan::default();
        self.scans += 1;
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if left_alone(&name) {
                continue;
            }
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata, // of the link itself, were it one
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if metadata.is_file() {
                self.look_at(Found { name, stamp: Stamp::of(&metadata) }, settle, now, &mut scan);
            }
        }
        let this = self.scans;
        self.files.retain(|_, (_, standing, seen)| *seen == this || *standing == Standing::Offered);
        scan.ready.sort_unstable_by(|a, b| (a.stamp.modified, &a.name).cmp(&(b.stamp.modified, &b.name)));
        Ok(scan)
    }

    fn look_at(&mut self, found: Found, settle: Duration, now: Instant, scan: &mut Scan) {
        let Some((stamp, standing, seen)) = self.files.get_mut(&found.name) else {
            let known = (found.stamp, Standing::Settling(now), self.scans);
            self.files.insert(found.name, known);
            scan.next = earlier(scan.next, now + settle);
            return;
        };
        *seen = self.scans;
        if *standing == Standing::Offered {
            return;
        }
        if *stamp != found.stamp {
            (*stamp, *standing) = (found.stamp, Standing::Settling(now));
        }
        match *standing {
            Standing::Settling(since) if now.duration_since(since) >= settle => scan.ready.push(found),
            Standing::Settling(since) => scan.next = earlier(scan.next, since + settle),
            Standing::Held(until) if until <= now => scan.ready.push(found),
            Standing::Held(until) => scan.next = earlier(scan.next, until),
            Standing::Offered | Standing::Unreadable => {}
        }
    }

    /// It is on its way: scans pass over it.
    pub(super) fn offered(&mut self, found: &Found) {
        self.stands(found, Standing::Offered);
    }

    /// It was not taken: again from `until` on.
    pub(super) fn held(&mut self, found: &Found, until: Instant) {
        self.stands(found, Standing::Held(until));
    }

    /// It cannot be read: left until it changes.
    pub(super) fn unreadable(&mut self, found: &Found) {
        self.stands(found, Standing::Unreadable);
    }

    /// It is gone, or changed under our hands: what is there now is looked at afresh.
    pub(super) fn forget(&mut self, found: &Found) {
        self.files.remove(&found.name);
    }

    fn stands(&mut self, found: &Found, how: Standing) {
        self.files.insert(found.name.clone(), (found.stamp, how, self.scans));
    }
}

fn earlier(one: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(one.map_or(other, |one| one.min(other)))
}

/// Names of files that are still being written, or are not meant for us.
fn left_alone(name: &OsString) -> bool {
    let name = name.as_bytes();
    let ends = |ending: &str| {
        name.len()
            .checked_sub(ending.len())
            .and_then(|at| name.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(ending.as_bytes()))
    };
    name.starts_with(b".") || ends(".tmp") || ends(".part") || ends(".filepart")
}

/// What reading a file gave.
#[derive(Debug)]
pub(super) enum Taken {
    /// Its bytes, and the key by which it is recognised should we die before it is moved.
    Bytes(Arc<[u8]>, String),
    /// It is not what the scan saw any more.
    Changed,
    /// It cannot be read.
    Unreadable(io::Error),
}

/// Reads a file, if it still is the one that the scan saw. Never follows a link, never waits on a pipe.
/// Blocks.
pub(super) fn read(dir: &Path, found: &Found) -> Taken {
    match read_unchanged(dir, found) {
        Ok(Some(bytes)) => {
            let key = key(found, &bytes);
            Taken::Bytes(bytes.into(), key)
        }
        Ok(None) => Taken::Changed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Taken::Changed,
        Err(error) => Taken::Unreadable(error),
    }
}

fn read_unchanged(dir: &Path, found: &Found) -> io::Result<Option<Vec<u8>>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(dir.join(&found.name))?;
    let unchanged = |file: &std::fs::File| {
        file.metadata().map(|metadata| metadata.is_file() && Stamp::of(&metadata) == found.stamp)
    };
    if !unchanged(&file)? {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.stamp.size_bytes).unwrap_or(0));
    (&file).take(found.stamp.size_bytes).read_to_end(&mut bytes)?;
    Ok(unchanged(&file)?.then_some(bytes))
}

/// True if the file under this name still is the one that was read.
pub(super) fn is_still(dir: &Path, found: &Found) -> io::Result<bool> {
    let metadata = std::fs::symlink_metadata(dir.join(&found.name))?;
    Ok(metadata.is_file() && Stamp::of(&metadata) == found.stamp)
}

/// The same file offered twice has the same key; put there anew, even with the same name and content, it
/// has another, and whether it is a duplicate is told by what is in it. A hash: the name stays private.
fn key(found: &Found, bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(u64::try_from(found.name.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(found.name.as_bytes());
    hash.update(found.stamp.changed.0.to_be_bytes());
    hash.update(found.stamp.changed.1.to_be_bytes());
    hash.update(bytes);
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write;
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SETTLE: Duration = Duration::from_secs(1);

    fn names(scan: &Scan) -> Vec<String> {
        scan.ready.iter().map(|f| f.name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_is_ready_when_it_has_settled() {
        let dir = tempfile::tempdir().unwrap();
        let mut inbox = Inbox::default();
        let start = Instant::now();
        fs::write(dir.path().join("a.xml"), "half").unwrap();
        let first = inbox.scan(dir.path(), SETTLE, start).unwrap();
        assert_eq!((names(&first).len(), first.next), (0, Some(start + SETTLE)));

        fs::write(dir.path().join("a.xml"), "half and whole").unwrap();
        assert!(inbox.scan(dir.path(), SETTLE, start + SETTLE).unwrap().ready.is_empty(), "it grew");
        assert!(inbox.scan(dir.path(), SETTLE, start + SETTLE + SETTLE / 2).unwrap().ready.is_empty());
        let ready = inbox.scan(dir.path(), SETTLE, start + SETTLE * 2).unwrap();
        assert_eq!(names(&ready), ["a.xml"]);

        inbox.offered(&ready.ready[0]);
        assert!(inbox.scan(dir.path(), SETTLE, start + SETTLE * 3).unwrap().ready.is_empty());
        inbox.held(&ready.ready[0], start + SETTLE * 9);
        assert!(inbox.scan(dir.path(), SETTLE, start + SETTLE * 8).unwrap().ready.is_empty());
        assert_eq!(names(&inbox.scan(dir.path(), SETTLE, start + SETTLE * 9).unwrap()), ["a.xml"]);
    }

    #[test]
    fn only_plain_finished_files_are_seen_and_the_oldest_first() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in [".hidden", "a.tmp", "b.PART", "c.filepart", "new.xml", "old.xml", "older.xml"] {
            fs::write(at(name), "x").unwrap();
        }
        let age = |name: &str, seconds: u64| {
            let file = fs::File::options().write(true).open(at(name)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        };
        age("older.xml", 1000);
        age("old.xml", 2000);
        fs::create_dir(at("sub.xml")).unwrap();
        fs::write(at("sub.xml").join("deep.xml"), "x").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", at("link.xml")).unwrap();
        let mut inbox = Inbox::default();
        let now = Instant::now();
        inbox.scan(dir.path(), SETTLE, now).unwrap();
        let scan = inbox.scan(dir.path(), SETTLE, now + SETTLE).unwrap();
        assert_eq!(names(&scan), ["older.xml", "old.xml", "new.xml"]);
    }

    #[test]
    fn files_that_went_away_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let mut inbox = Inbox::default();
        fs::write(dir.path().join("a.xml"), "x").unwrap();
        inbox.scan(dir.path(), SETTLE, Instant::now()).unwrap();
        fs::remove_file(dir.path().join("a.xml")).unwrap();
        inbox.scan(dir.path(), SETTLE, Instant::now()).unwrap();
        assert!(inbox.files.is_empty());
    }

    fn found(dir: &Path, name: &str) -> Found {
        Found { name: name.into(), stamp: Stamp::of(&fs::symlink_metadata(dir.join(name)).unwrap()) }
    }

    #[test]
    fn the_same_file_has_the_same_key_and_a_new_one_another() {
        let dir = tempfile::tempdir().unwrap();
        let key_now = || match read(dir.path(), &found(dir.path(), "a.xml")) {
            Taken::Bytes(bytes, key) => (bytes, key),
            other @ (Taken::Changed | Taken::Unreadable(_)) => panic!("{other:?}"),
        };
        fs::write(dir.path().join("a.xml"), "x").unwrap();
        let (bytes, key) = key_now();
        assert_eq!((&bytes[..], key_now().1), (&b"x"[..], key.clone()));
        std::thread::sleep(Duration::from_millis(20));
        fs::remove_file(dir.path().join("a.xml")).unwrap();
        fs::write(dir.path().join("a.xml"), "x").unwrap();
        assert_ne!(key_now().1, key);
    }

    #[test]
    fn what_is_not_the_file_that_was_seen_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.xml"), "x").unwrap();
        let seen = found(dir.path(), "a.xml");
        fs::write(dir.path().join("a.xml"), "longer").unwrap();
        assert!(matches!(read(dir.path(), &seen), Taken::Changed));
        assert!(!is_still(dir.path(), &seen).unwrap());
        fs::remove_file(dir.path().join("a.xml")).unwrap();
        assert!(matches!(read(dir.path(), &seen), Taken::Changed));
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("a.xml")).unwrap();
        assert!(matches!(read(dir.path(), &seen), Taken::Unreadable(_)), "a link is not followed");
    }
}
