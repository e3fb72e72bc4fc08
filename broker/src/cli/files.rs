//! Finds and reads the files that a command is given.

use crate::exit::Failure;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The path that stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == OsStr::new("-")
}

/// The files meant by these paths: a file as it is given, a folder as every regular file below it, sorted
/// by name. Links found in a folder are not followed, so nothing is met twice and no walk goes in circles.
pub(super) fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if is_stdin(path) {
            found.push(path.clone());
            continue;
        }
        if fs::metadata(path).map_err(Failure::file(path))?.is_dir() {
            walk(path, &mut found)?;
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

/// Folders are opened one at a time, so depth costs memory and not open files.
fn walk(top: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    // A stack of what is still to be visited, the next on top; folders unfold in place.
    let mut ahead = vec![(top.to_path_buf(), true)];
    while let Some((path, is_folder)) = ahead.pop() {
        if !is_folder {
            found.push(path);
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(&path).map_err(Failure::file(&path))? {
            let entry = entry.map_err(Failure::file(&path))?;
            let kind = entry.file_type().map_err(Failure::file(entry.path()))?;
            if kind.is_dir() || kind.is_file() {
                inside.push((entry.path(), kind.is_dir()));
            }
        }
        inside.sort_by(|a, b| b.0.cmp(&a.0));
        ahead.append(&mut inside);
    }
    Ok(())
}

/// What reading a file gave.
pub(super) enum Content {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// It is larger than the limit, and was not read to its end.
    TooLarge,
}

/// Reads a file, or standard input for `-`, up to a limit.
pub(super) fn read(path: &Path, limit: usize) -> Result<Content, Failure> {
    let bytes = if is_stdin(path) {
        up_to(io::stdin().lock(), limit)
    } else {
        fs::File::open(path).and_then(|file| up_to(file, limit))
    };
    match bytes.map_err(Failure::file(path))? {
        bytes if bytes.len() > limit => Ok(Content::TooLarge),
        bytes => Ok(Content::Bytes(bytes)),
    }
}

/// Reads a file whole, for commands that work on one message.
pub(super) fn read_message(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    match read(path, limit)? {
        Content::Bytes(bytes) => Ok(bytes),
        Content::TooLarge => Err(Failure::Usage(format!(
            "{} is larger than {limit} bytes, the limit of one message",
            path.display()
        ))),
    }
}

fn up_to(from: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    from.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_in_order_without_links() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/c")).expect("folders");
        for name in ["b/z.xml", "a.xml", "b/c/y.txt", "c.xml"] {
            fs::write(at(name), "x").expect("a file");
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path(), at("b/loop")).expect("a link");
        let found = collect(&[folder.path().to_path_buf()]).expect("walked");
        assert_eq!(found, ["a.xml", "b/c/y.txt", "b/z.xml", "c.xml"].map(at));
    }

    #[test]
    fn a_file_beyond_the_limit_is_told_and_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("big");
        fs::write(&path, vec![b'x'; 11]).expect("a file");
        assert!(matches!(read(&path, 10), Ok(Content::TooLarge)));
        assert!(matches!(read(&path, 11), Ok(Content::Bytes(bytes)) if bytes.len() == 11));
    }
}
