//! Our private keys, read from files: PKCS#12, or PEM. Passwords come from a file or from the environment.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trust::keys::{self, PrivateKey};
use zeroize::Zeroizing;

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// PKCS#12, or PEM.
    pub file: PathBuf,
    /// More certificates.
    pub certificate_file: Option<PathBuf>,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// An environment variable that holds the password.
    pub password_env: Option<String>,
}

/// Why a key cannot be had. Never says a password, nor what a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFault {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// A key's file is smaller than this.
const MOST_BYTES: u64 = 1_000_000;

impl KeyFile {
    /// Opens it: one key, or all of a PKCS#12 store. Blocks on the disk, and on the password's slow hash.
    ///
    /// # Errors
    /// The first fault.
    pub fn open(&self) -> Result<Vec<Arc<dyn PrivateKey>>, KeyFault> {
        let password = self.password()?;
        let password = password.as_deref().map(String::as_str);
        let bytes = read(&self.file)?;
        let certificates = self.certificate_file.as_deref().map(read).transpose()?;
        let is_pem = bytes.windows(PEM.len()).any(|w| w == PEM);
        let opened = match (is_pem, &certificates) {
            (_, Some(certificates)) => keys::from_parts(&bytes, password, certificates).map(|key| vec![key]),
            (true, None) => keys::from_pem(&bytes, password).map(|key| vec![key]),
            (false, None) => keys::all_from_pkcs12(&bytes, password.unwrap_or_default()),
        };
        opened.map_err(|fault| KeyFault {
            path: self.file.clone(),
            message: fault.message,
            remedy: fault.remedy,
        })
    }

    /// The files that hold secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.file), self.password_file.as_ref()].into_iter().flatten().map(PathBuf::as_path)
    }

    fn password(&self) -> Result<Option<Zeroizing<String>>, KeyFault> {
        if let Some(path) = &self.password_file {
            let bytes = read(path)?;
            let text = std::str::from_utf8(&bytes).map_err(|_| KeyFault {
                path: path.clone(),
                message: "The password is no UTF-8 text.".to_owned(),
                remedy: "Write the password into the first line.".to_owned(),
            })?;
            return Ok(Some(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())));
        }
        let Some(name) = &self.password_env else { return Ok(None) };
        match std::env::var(name) {
            Ok(password) => Ok(Some(Zeroizing::new(password))),
            Err(_) => Err(KeyFault {
                path: self.file.clone(),
                message: format!("The environment has no variable {name} with the password."),
                remedy: "Set it for this process, or use password_file.".to_owned(),
            }),
        }
    }
}

const PEM: &[u8] = b"-----BEGIN ";

/// Whether users that neither own the file nor are of its group may read it.
///
/// # Errors
/// When the file is not there.
pub fn readable_by_others(path: &Path) -> io::Result<bool> {
    const OTHERS_READ: u32 = 0o004;
    Ok(std::fs::metadata(path)?.mode() & OTHERS_READ != 0)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    let fault = |message: String| KeyFault {
        path: path.to_owned(),
        message,
        remedy: "Name a file that this user may read.".to_owned(),
    };
    let unreadable = |error: io::Error| fault(format!("It cannot be read: {error}."));
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > MOST_BYTES {
        return Err(fault("It is too large for a key.".to_owned()));
    }
    std::fs::read(path).map(Zeroizing::new).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use trust::pki::demo::Demo;

    fn file(path: &Path) -> KeyFile {
        KeyFile { file: path.to_owned(), certificate_file: None, password_file: None, password_env: None }
    }

    #[test]
    fn a_key_opens_with_its_password_alone() {
        let dir = tempfile::tempdir().unwrap();
        let pair = &Demo::shared().sender.signing;
        let key = dir.path().join("own.p12");
        let password = dir.path().join("own.password");
        std::fs::write(&key, pair.pkcs12("sesame").unwrap()).unwrap();
        std::fs::write(&password, "sesame\n").unwrap();
        let good = KeyFile { password_file: Some(password.clone()), ..file(&key) };
        assert_eq!(good.open().unwrap()[0].certificate().thumbprint, pair.certificate().thumbprint);

        std::fs::write(&password, "wrong-sesame\n").unwrap();
        let fault = good.open().unwrap_err();
        assert!(!format!("{fault:?}").contains("sesame"), "{fault:?}");
        assert!(file(&key).open().is_err(), "no password is no way in");
        let unset = KeyFile { password_env: Some("BUDSTIKKE_TEST_NOT_SET".to_owned()), ..file(&key) };
        assert!(unset.open().unwrap_err().message.contains("BUDSTIKKE_TEST_NOT_SET"));
    }

    #[test]
    fn a_key_in_pem_takes_its_certificates_from_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let pair = &Demo::shared().sender.sealing;
        let (key, certificate) = (dir.path().join("own.pem"), dir.path().join("own.cer"));
        std::fs::write(&key, pair.key().pem(None).unwrap()).unwrap();
        std::fs::write(&certificate, &pair.certificate().der).unwrap();
        assert!(file(&key).open().is_err(), "there is no certificate in it");
        let both = KeyFile { certificate_file: Some(certificate), ..file(&key) };
        assert_eq!(both.open().unwrap()[0].certificate().thumbprint, pair.certificate().thumbprint);
    }

    #[test]
    fn who_may_read_a_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "x").unwrap();
        for (mode, others) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(readable_by_others(&path).unwrap(), others, "{mode:o}");
        }
        assert!(readable_by_others(&dir.path().join("gone")).is_err());
    }
}
