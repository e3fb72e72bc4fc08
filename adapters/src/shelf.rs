//! A folder of small records that may be lost: answers that could be fetched again, kept so that a restart, or a
//! service that is away, changes nothing.
//!
//! One file a record: a line of JSON that says what it is, then its bytes. A file appears whole or not at all. What
//! cannot be read, or is of another format, is thrown away: it can be fetched again.

use crate::folder::files::{remove_unfinished, sync_dir, write_whole};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};

/// Changes whenever a reader of the last version would misread.
const FORMAT: u32 = 1;

/// How the names of our records end.
const ENDING: &str = "kept";

/// The folder. All calls block on the disk.
#[derive(Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Line<H> {
    format: u32,
    sha256: String,
    record: H,
}

impl Shelf {
    /// Opens the folder; makes it if it is not there.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        remove_unfinished(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Puts a record in the place of the one with this key.
    pub(crate) fn put<H: Serialize>(&self, key: &[u8], record: &H, bytes: &[u8]) -> io::Result<()> {
        let line = Line { format: FORMAT, sha256: hex(&Sha256::digest(bytes)), record };
        let mut whole = serde_json::to_vec(&line)?;
        whole.push(b'\n');
        whole.extend_from_slice(bytes);
        write_whole(&self.dir, &name(key), &whole)?;
        sync_dir(&self.dir)
    }

    /// Takes the record with this key away, if it is there.
    pub(crate) fn remove(&self, key: &[u8]) -> io::Result<()> {
        match std::fs::remove_file(self.dir.join(name(key))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// All records, by file name.
    pub(crate) fn all<H: DeserializeOwned>(&self) -> io::Result<Vec<(H, Vec<u8>)>> {
        let paths = paths(&self.dir)?;
        let mut records = Vec::with_capacity(paths.len());
        for path in paths {
            match read(&path) {
                Some(record) => records.push(record),
                None => {
                    tracing::warn!("A kept answer cannot be read any more and is thrown away.");
                    drop(std::fs::remove_file(&path)); // it is tried again at the next start
                }
            }
        }
        Ok(records)
    }
}

/// What can be read of a folder that another process keeps: nothing is made, changed or thrown away in it.
pub(crate) fn look<H: DeserializeOwned>(dir: &Path) -> io::Result<Vec<(H, Vec<u8>)>> {
    match paths(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        found => Ok(found?.iter().filter_map(|path| read(path)).collect()),
    }
}

/// Our records' files, by name.
fn paths(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == ENDING) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read<H: DeserializeOwned>(path: &Path) -> Option<(H, Vec<u8>)> {
    let mut bytes = std::fs::read(path).ok()?;
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let content = bytes.split_off(end + 1);
    let line: Line<H> = serde_json::from_slice(&bytes).ok()?;
    (line.format == FORMAT && line.sha256 == hex(&Sha256::digest(&content))).then_some((line.record, content))
}

fn name(key: &[u8]) -> String {
    format!("{}.{ENDING}", hex(&Sha256::digest(key)))
}

/// Two letters a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_and_damaged_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(&dir.path().join("new/folder")).unwrap();
        shelf.put(b"a", &"first", b"line\nline").unwrap();
        shelf.put(b"b", &"second", b"").unwrap();
        shelf.put(b"a", &"third", b"\0\n").unwrap();
        let again = Shelf::open(&dir.path().join("new/folder")).unwrap();
        let mut all: Vec<(String, Vec<u8>)> = again.all().unwrap();
        all.sort();
        assert_eq!(all, [("second".to_owned(), vec![]), ("third".to_owned(), b"\0\n".to_vec())]);

        let damaged = dir.path().join("new/folder").join(name(b"a"));
        let mut bytes = std::fs::read(&damaged).unwrap();
        *bytes.last_mut().unwrap() = b'x';
        std::fs::write(&damaged, bytes).unwrap();
        assert_eq!(look::<String>(&dir.path().join("new/folder")).unwrap().len(), 1);
        assert!(damaged.exists(), "whoever only looks throws nothing away");
        assert!(look::<String>(&dir.path().join("nowhere")).unwrap().is_empty());
        assert!(!dir.path().join("nowhere").exists());
        assert_eq!(again.all::<String>().unwrap().len(), 1);
        assert!(!damaged.exists(), "it would be met again at each start");
        again.remove(b"b").unwrap();
        again.remove(b"b").unwrap();
        assert!(again.all::<String>().unwrap().is_empty());
    }
}
