//! Writes what a command makes: whole or not at all, and never over something else unasked.

use crate::exit::Failure;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Who may read a file that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readable {
    /// Whom the system lets by default.
    AsUsual,
    /// Its owner alone: keys, passwords, and what holds a patient's data.
    ByOwner,
}

impl Readable {
    const fn mode(self) -> u32 {
        match self {
            Self::AsUsual => 0o666,
            Self::ByOwner => 0o600,
        }
    }
}

/// Writes a file beside its place and then moves it there. A file that is there already stays, unless `force`.
pub(super) fn write(path: &Path, bytes: &[u8], readable: Readable, force: bool) -> Result<(), Failure> {
    let beside = beside(path)?;
    let done = put(&beside, bytes, readable).and_then(|()| into_place(&beside, path, force));
    if done.is_err() {
        // What cannot be finished is taken away; if even that fails, the first error says enough.
        drop(fs::remove_file(&beside));
    }
    done.map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Failure::Usage(format!("{} is there already; --force writes over it", path.display()));
        }
        Failure::File { path: path.to_path_buf(), error }
    })
}

/// Standard output for `-`, else [`write`].
pub(super) fn write_or_print(
    out: &mut dyn Write,
    path: &Path,
    bytes: &[u8],
    force: bool,
) -> Result<(), Failure> {
    if super::files::is_stdin(path) {
        out.write_all(bytes)?;
        return Ok(());
    }
    write(path, bytes, Readable::ByOwner, force)
}

/// A name that nothing else has, in the same folder: only there can a file be moved whole.
fn beside(path: &Path) -> Result<PathBuf, Failure> {
    let name = path.file_name().ok_or_else(|| Failure::Usage(format!("{} names no file", path.display())))?;
    Ok(path.with_file_name(format!(".{}.{}", name.to_string_lossy(), Uuid::now_v7().simple())))
}

fn put(path: &Path, bytes: &[u8], readable: Readable) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(readable.mode()).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A link, unlike a move, does not write over what is there, however late it came.
fn into_place(beside: &Path, path: &Path, force: bool) -> io::Result<()> {
    if force {
        return fs::rename(beside, path);
    }
    fs::hard_link(beside, path)?;
    fs::remove_file(beside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_written_whole_and_never_over_another_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payload.xml");
        write(&path, b"one", Readable::ByOwner, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(write(&path, b"two", Readable::ByOwner, false), Err(Failure::Usage(_))));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write(&path, b"two", Readable::ByOwner, true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_folder_that_is_not_there_is_said() {
        let path = Path::new("/nowhere/at/all.xml");
        assert!(matches!(write(path, b"", Readable::AsUsual, false), Err(Failure::File { .. })));
    }
}
