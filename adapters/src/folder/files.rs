//! Files, written so that they are there whole or not at all.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How our unfinished files begin; nobody picks up names with a dot in front.
pub(super) const UNFINISHED: &str = ".budstikke-";

/// Writes a file under a temporary name, syncs it, and gives it its name. The directory is not synced yet:
/// only then is the name durable too.
pub(crate) fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = dir.join(format!("{UNFINISHED}{name}.tmp"));
    let written =
        write_synced(&unfinished, bytes).and_then(|()| std::fs::rename(&unfinished, dir.join(name)));
    if written.is_err() {
        // What is left takes room, perhaps the very room that was missing.
        drop(std::fs::remove_file(&unfinished));
    }
    written
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Removes what an earlier run left unfinished.
pub(crate) fn remove_unfinished(dir: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|n| n.starts_with(UNFINISHED) && n.ends_with(".tmp"));
        if ours && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// A directory whose syncs are shared: whoever comes while one runs is served by the next, together with
/// all others who came in the meantime.
#[derive(Debug)]
pub(super) struct SharedSync {
    dir: PathBuf,
    asked: AtomicU64,
    done: Mutex<u64>,
}

impl SharedSync {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, asked: AtomicU64::new(0), done: Mutex::new(0) }
    }

    /// Returns once a sync that began after this call has ended. Blocks.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *done >= mine {
            return Ok(());
        }
        let served = self.asked.load(Ordering::SeqCst);
        sync_dir(&self.dir)?;
        *done = served;
        Ok(())
    }
}

/// The longest name that common file systems take, in bytes.
const LONGEST_NAME: usize = 255;

/// A name for a file in `dir` that is free: its own, else one with `mark` before the ending.
pub(super) fn free_name(dir: &Path, name: &OsString, mark: &str) -> io::Result<OsString> {
    let free = |name: &OsString| match std::fs::symlink_metadata(dir.join(name)) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    };
    if free(name)? {
        return Ok(name.clone());
    }
    let path = Path::new(name);
    let ending = path.extension().map(|e| {
        let mut ending = OsString::from(".");
        ending.push(e);
        ending
    });
    let ending = ending.unwrap_or_default();
    let stem = path.file_stem().unwrap_or_default();
    for count in 1..u32::MAX {
        let again = if count == 1 { String::new() } else { format!("-{count}") };
        let mut other = stem.to_owned();
        if stem.len() + mark.len() + again.len() + ending.len() + 1 > LONGEST_NAME {
            other = OsString::from("file");
        }
        other.push(format!(".{mark}{again}"));
        other.push(&ending);
        if other.len() <= LONGEST_NAME && free(&other)? {
            return Ok(other);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The name of a report beside a file: `<name>.report.json`, or, if that is too long, one made of `mark`.
pub(super) fn report_name(name: &OsString, mark: &str) -> OsString {
    const ENDING: &str = ".report.json";
    let mut report = name.clone();
    report.push(ENDING);
    if report.len() > LONGEST_NAME { OsString::from(format!("{mark}{ENDING}")) } else { report }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_file_is_whole_or_absent() {
        let dir = tempfile::tempdir().unwrap();
        write_whole(dir.path(), "a.xml", b"<a/>").unwrap();
        assert_eq!(std::fs::read(dir.path().join("a.xml")).unwrap(), b"<a/>");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        std::fs::create_dir(dir.path().join("b.xml")).unwrap();
        assert!(write_whole(dir.path(), "b.xml", b"<b/>").is_err(), "a directory is in the way");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing unfinished is left");
    }

    #[test]
    fn what_was_left_unfinished_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".budstikke-a.xml.tmp", "a.xml", "b.tmp"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        assert_eq!(remove_unfinished(dir.path()).unwrap(), 1);
        assert!(dir.path().join("a.xml").exists() && dir.path().join("b.tmp").exists());
    }

    #[test]
    fn a_taken_name_gets_a_mark_before_its_ending() {
        let dir = tempfile::tempdir().unwrap();
        let name = OsString::from("a.xml");
        assert_eq!(free_name(dir.path(), &name, "K7").unwrap(), "a.xml");
        std::fs::write(dir.path().join("a.xml"), "").unwrap();
        assert_eq!(free_name(dir.path(), &name, "K7").unwrap(), "a.K7.xml");
        std::fs::write(dir.path().join("a.K7.xml"), "").unwrap();
        assert_eq!(free_name(dir.path(), &name, "K7").unwrap(), "a.K7-2.xml");
    }

    #[test]
    fn names_at_the_limit_still_get_a_mark_and_a_report() {
        let dir = tempfile::tempdir().unwrap();
        let name = OsString::from(format!("{}.xml", "n".repeat(251)));
        std::fs::write(dir.path().join(&name), "").unwrap();
        assert_eq!(free_name(dir.path(), &name, "K7").unwrap(), "file.K7.xml");
        assert_eq!(report_name(&name, "K7"), "K7.report.json");
        assert_eq!(report_name(&OsString::from("a.xml"), "K7"), "a.xml.report.json");
    }

    #[test]
    fn a_shared_sync_serves_all_who_ask() {
        let dir = tempfile::tempdir().unwrap();
        let shared = Arc::new(SharedSync::new(dir.path().to_owned()));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || (0..20).all(|_| shared.sync().is_ok()))
            })
            .collect();
        assert!(threads.into_iter().all(|t| t.join().unwrap()));
        assert_eq!(*shared.done.lock().unwrap(), 160);
    }

    #[test]
    fn a_failed_sync_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let shared = SharedSync::new(dir.path().join("gone"));
        assert!(shared.sync().is_err());
        assert!(shared.sync().is_err());
    }
}
