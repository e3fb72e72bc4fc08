//! A secret in a file: read at the start, and again when the file changes.
//!
//! Secrets are compared in time that does not depend on where they differ, and never appear in `Debug`.

use sha2::{Digest, Sha256};
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// How often the file is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the secret in {} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds nothing, or what cannot stand in a header.
    #[error("{} must hold a line of visible ASCII characters", path.display())]
    NoSecret {
        /// Which.
        path: PathBuf,
    },
}

/// Bearer tokens from a file, one a line; a second one lets them be changed without a gap. Clones share them.
#[derive(Clone)]
pub(crate) struct Tokens {
    path: Arc<Path>,
    held: Arc<RwLock<Held>>,
}

struct Held {
    tokens: Vec<String>,
    /// By what the file is known to be unchanged.
    stamp: (u64, i64, i64),
}

impl Tokens {
    /// Reads the file. Warns if others than its owner and group may read it.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let held = load(path)?;
        Ok(Self { path: path.into(), held: Arc::new(RwLock::new(held)) })
    }

    /// True if this is one of the tokens.
    pub(crate) fn holds(&self, offered: &str) -> bool {
        let offered = Sha256::digest(offered.as_bytes());
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        // All are compared to the end, as hashes: neither place nor length of a difference shows in time.
        held.tokens.iter().fold(false, |found, token| {
            let token = Sha256::digest(token.as_bytes());
            let differ = token.iter().zip(offered.iter()).fold(0u8, |all, (a, b)| all | (a ^ b));
            found | (differ == 0)
        })
    }

    /// The first token: the one to send.
    pub(crate) fn first(&self) -> Option<String> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).tokens.first().cloned()
    }

    /// Reads the file again if it has changed; what cannot be read leaves the old tokens in force.
    pub(crate) fn refresh(&self) {
        let stamp = std::fs::metadata(&self.path).map(|m| (m.ino(), m.ctime(), m.ctime_nsec()));
        if stamp.is_ok_and(|s| s == self.held.read().unwrap_or_else(PoisonError::into_inner).stamp) {
            return;
        }
        match load(&self.path) {
            Ok(held) => {
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
                tracing::info!("A file of bearer tokens has changed; the new ones are in force.");
            }
            Err(error) => {
                tracing::warn!(%error, "A file of bearer tokens cannot be read; the old ones stay in force.");
            }
        }
    }

    /// Keeps the tokens fresh until stopped.
    pub(crate) async fn keep_fresh(self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await.is_some() {
            let this = self.clone();
            drop(tokio::task::spawn_blocking(move || this.refresh()).await);
        }
    }
}

/// The first line of a file, as a password: read when it is used, so that a changed one is in force at once.
pub(crate) fn first_line(path: &Path) -> Result<Zeroizing<String>, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(Error::NoSecret { path: path.to_owned() }),
    }
}

/// A file as it is, for what is longer than a line.
pub(crate) fn whole(path: &Path) -> Result<Zeroizing<String>, Error> {
    let text = std::fs::read_to_string(path);
    text.map(Zeroizing::new).map_err(|source| Error::Unreadable { path: path.to_owned(), source })
}

fn load(path: &Path) -> Result<Held, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.mode() & 0o004 != 0 {
        tracing::warn!(path = %path.display(), "A file of bearer tokens can be read by everybody on this machine.");
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let tokens: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let visible = |token: &String| token.bytes().all(|b| b.is_ascii_graphic());
    if tokens.is_empty() || !tokens.iter().all(visible) {
        return Err(Error::NoSecret { path: path.to_owned() });
    }
    Ok(Held { tokens, stamp: (metadata.ino(), metadata.ctime(), metadata.ctime_nsec()) })
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "one\n\n two \n").unwrap();
        let tokens = Tokens::read(&path).unwrap();
        assert!(tokens.holds("one") && tokens.holds("two"));
        assert!(!tokens.holds("on") && !tokens.holds("") && !tokens.holds("three"));
        assert!(!format!("{tokens:?}").contains("one"));

        std::fs::write(dir.path().join("new"), "three").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        tokens.refresh();
        assert!(tokens.holds("three") && !tokens.holds("one"));

        std::fs::remove_file(&path).unwrap();
        tokens.refresh();
        assert!(tokens.holds("three"), "the old one stays in force");
    }

    #[test]
    fn an_empty_file_is_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        for content in ["", " \n", "bl\u{e5}b\u{e6}r"] {
            std::fs::write(&path, content).unwrap();
            assert!(matches!(Tokens::read(&path), Err(Error::NoSecret { .. })));
        }
        assert!(matches!(Tokens::read(&dir.path().join("gone")), Err(Error::Unreadable { .. })));
    }
}
