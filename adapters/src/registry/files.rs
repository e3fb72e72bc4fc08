//! Certificates in files: named one by one, or in a folder by HER-id.
//!
//! ```text
//! partners/8093239.pem              all certificates of 8093239
//! partners/8093239-sealing.cer      one more, whatever stands behind the dash
//! partners/8093239/anything.crt     or a folder of them
//! ```

use broker_core::ports::{NotListed, Registry};
use message_schemas::HerId;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trust::Certificate;

/// How files of certificates end.
const ENDINGS: &[&str] = &["pem", "crt", "cer", "der"];

/// A file of certificates is smaller than this.
const MOST_BYTES: u64 = 1_000_000;

/// Which files hold whose certificates. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Files(Arc<BTreeMap<HerId, Vec<PathBuf>>>);

/// A file that is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// Which.
    pub path: PathBuf,
    /// What is wrong with it.
    pub message: String,
}

impl Files {
    /// Looks through folders, and adds files that are named one by one. No file is opened yet.
    ///
    /// # Errors
    /// Folders that cannot be read.
    pub fn find(folders: &[PathBuf], named: BTreeMap<HerId, Vec<PathBuf>>) -> Result<Self, Vec<FileFault>> {
        let mut files = named;
        let mut faults = Vec::new();
        for folder in folders {
            let mut found = |her_id, path| files.entry(her_id).or_default().push(path);
            if let Err(error) = walk(folder, &mut found) {
                faults.push(FileFault {
                    path: folder.clone(),
                    message: format!("It cannot be read: {error}."),
                });
            }
        }
        if faults.is_empty() { Ok(Self(Arc::new(files))) } else { Err(faults) }
    }

    /// Whose certificates there are.
    pub fn parties(&self) -> impl Iterator<Item = HerId> {
        self.0.keys().copied()
    }

    /// All files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.values().flatten().map(PathBuf::as_path)
    }

    /// Reads the certificates of one party. Blocks on the disk.
    ///
    /// # Errors
    /// Files that hold no certificates.
    pub fn read(&self, her_id: HerId) -> Result<Vec<Arc<Certificate>>, Vec<FileFault>> {
        let mut certificates: Vec<Arc<Certificate>> = Vec::new();
        let mut faults = Vec::new();
        for path in self.0.get(&her_id).into_iter().flatten() {
            match certificates_in(path) {
                Ok(found) => certificates.extend(found),
                Err(message) => faults.push(FileFault { path: path.clone(), message }),
            }
        }
        // One and the same may stand in two files.
        certificates.sort_by_key(|c| (c.not_before, c.thumbprint));
        certificates.dedup_by_key(|c| c.thumbprint);
        if faults.is_empty() { Ok(certificates) } else { Err(faults) }
    }
}

/// All certificates of a file: PEM, or one in DER.
///
/// # Errors
/// In a sentence.
pub(crate) fn certificates_in(path: &Path) -> Result<Vec<Arc<Certificate>>, String> {
    let unreadable = |error: io::Error| format!("It cannot be read: {error}.");
    if std::fs::metadata(path).map_err(unreadable)?.len() > MOST_BYTES {
        return Err("It is too large for a file of certificates.".to_owned());
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    Certificate::all_from(&bytes).map_err(|fault| fault.message)
}

fn walk(folder: &Path, found: &mut impl FnMut(HerId, PathBuf)) -> io::Result<()> {
    for (path, is_folder) in entries(folder)? {
        let Some(her_id) = her_id(&path, is_folder) else { continue };
        if !is_folder {
            found(her_id, path);
            continue;
        }
        for (inner, is_folder) in entries(&path)? {
            if !is_folder && is_certificate(&inner) {
                found(her_id, inner);
            }
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_folder = std::fs::metadata(&path)?.is_dir();
        all.push((path, is_folder));
    }
    all.sort();
    Ok(all)
}

/// Whose a file is, by its name; none if it is no file of certificates.
fn her_id(path: &Path, is_folder: bool) -> Option<HerId> {
    if is_folder {
        return path.file_name()?.to_str()?.parse().ok();
    }
    let stem = path.file_stem()?.to_str()?;
    let number = stem.split_once('-').map_or(stem, |(number, _)| number);
    if is_certificate(path) { number.parse().ok() } else { None }
}

fn is_certificate(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    ENDINGS.iter().any(|e| e.eq_ignore_ascii_case(ending))
}

impl Registry for Files {
    async fn certificates(&self, her_id: HerId) -> Result<Vec<Arc<Certificate>>, NotListed> {
        let files = self.clone();
        let read = tokio::task::spawn_blocking(move || files.read(her_id)).await;
        match read {
            Ok(Ok(certificates)) => Ok(certificates),
            Ok(Err(faults)) => {
                let count = faults.len();
                Err(NotListed::Unavailable(format!("{count} files of certificates cannot be read")))
            }
            Err(_) => Err(NotListed::Unavailable("reading files of certificates failed".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_whose_it_is() {
        let of = |name: &str| her_id(Path::new(name), false).map(|h| h.0);
        assert_eq!(of("8093239.pem"), Some(8_093_239));
        assert_eq!(of("8093239-sealing-2027.CER"), Some(8_093_239));
        for other in ["readme.pem", "8093239.txt", "8093239", "-8093239.pem", ".pem"] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(her_id(Path::new("8093239"), true).map(|h| h.0), Some(8_093_239));
        assert_eq!(her_id(Path::new("8093239.pem"), true), None);
    }
}
