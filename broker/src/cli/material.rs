//! Keys, certificates and revocation answers that a command is given as files.
//!
//! Passwords come from files or from the environment, never from the command line, where everybody on the machine
//! can read them.

use super::files;
use crate::exit::Failure;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trust::chain::{Moment, TestMode};
use trust::keys::PrivateKey;
use trust::revocation::Evidence;
use trust::{Anchors, Certificate, KeyRing, keys};
use zeroize::Zeroizing;

/// The variable that may hold a password of keys.
const PASSWORD: &str = "BUDSTIKKE_KEY_PASSWORD";

/// Larger files are no key, certificate or revocation answer; the largest lists of revoked certificates have some MB.
const LARGEST: usize = 64 << 20;

/// Our keys.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Keys {
    /// A key of ours with its certificate, PKCS#12 or PEM; may be given several times.
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// A file with the password of a key on its first line; may be given several times, and any password may open any
    /// key. The variable BUDSTIKKE_KEY_PASSWORD may hold one more.
    #[arg(long = "password-file", value_name = "FILE")]
    password_files: Vec<PathBuf>,
}

impl Keys {
    /// Whether any key was given.
    pub(super) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Reads the keys.
    pub(super) fn load(&self) -> Result<KeyRing, Failure> {
        let mut passwords = vec![Zeroizing::new(String::new())];
        for file in &self.password_files {
            let text = Zeroizing::new(files::read_message(file, 64 << 10)?);
            let text = std::str::from_utf8(&text).map_err(|_| not_text(file))?;
            passwords.push(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()));
        }
        passwords.extend(std::env::var(PASSWORD).ok().map(Zeroizing::new));
        let keys = self.keys.iter().map(|file| key(file, &passwords));
        Ok(KeyRing::new(keys.collect::<Result<_, _>>()?))
    }
}

fn not_text(file: &Path) -> Failure {
    Failure::Usage(format!("{} holds no password: it is no text", file.display()))
}

/// The key in a file, opened with the first password that does.
fn key(file: &Path, passwords: &[Zeroizing<String>]) -> Result<Arc<dyn PrivateKey>, Failure> {
    let bytes = Zeroizing::new(files::read_message(file, LARGEST)?);
    let is_pem = bytes.windows(11).any(|w| w == b"-----BEGIN ");
    let mut first = None;
    for password in passwords {
        let read = if is_pem {
            keys::from_pem(&bytes, Some(password.as_str()))
        } else {
            keys::from_pkcs12(&bytes, password)
        };
        match read {
            Ok(key) => return Ok(key),
            // The last one tells of the password that was meant for it, if one was given at all.
            Err(fault) => first = Some(fault),
        }
    }
    let why = first.map(|fault| format!("{} {}", fault.message, fault.remedy)).unwrap_or_default();
    // The first of them is the empty one, which is always tried.
    let hint = if passwords.len() == 1 { ". No password was given: --password-file names one" } else { "" };
    Err(Failure::Usage(format!("{}: {}{hint}", file.display(), why.trim_end_matches('.'))))
}

/// All certificates in a file, PEM or DER; of a folder, those in its files.
pub(super) fn certificates(path: &Path) -> Result<Vec<Arc<Certificate>>, Failure> {
    let in_folder = path.is_dir();
    let mut found = Vec::new();
    for file in files::collect(&[path.to_path_buf()])? {
        let named = file.extension().and_then(|e| e.to_str()).is_some_and(|e| NAMES.contains(&e));
        if in_folder && !named {
            continue;
        }
        let bytes = files::read_message(&file, LARGEST)?;
        found.extend(Certificate::all_from(&bytes).map_err(|fault| {
            Failure::Usage(format!("{}: {}", file.display(), fault.message.trim_end_matches('.')))
        })?);
    }
    if found.is_empty() {
        return Err(Failure::Usage(format!("{} holds no certificate", path.display())));
    }
    Ok(found)
}

/// How files with certificates end, in a folder that may hold others.
const NAMES: &[&str] = &["pem", "crt", "cer", "der"];

/// The one certificate in a file.
pub(super) fn certificate(path: &Path) -> Result<Arc<Certificate>, Failure> {
    certificates(path)?
        .into_iter()
        .find(|c| !c.is_ca)
        .ok_or_else(|| Failure::Usage(format!("{} holds no certificate of an organisation", path.display())))
}

/// The certificate to seal for, in a file that may hold the signing one too.
pub(super) fn sealing_certificate(file: &Path) -> Result<Arc<Certificate>, Failure> {
    let found = certificates(file)?;
    let seals = |c: &&Arc<Certificate>| !c.is_ca && c.usage.is_some_and(|u| u.key_encipherment);
    match found.iter().find(seals) {
        Some(certificate) => Ok(Arc::clone(certificate)),
        None => certificate(file),
    }
}

/// Where trust begins, when it is asked for, and what is known of revocation.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Trusting {
    /// Certificates of the CAs to trust: a file, or a folder of such files; may be given several times. Those that
    /// sign themselves are roots, the others help to build chains.
    #[arg(long, value_name = "FILE|DIR")]
    trust: Vec<PathBuf>,
    /// Judge as of this moment, such as 2026-01-15T09:00Z, and not as of now.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// A list of revoked certificates (CRL); may be given several times.
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// An OCSP answer; may be given several times.
    #[arg(long, value_name = "FILE")]
    ocsp: Vec<PathBuf>,
    /// Do not refuse what nothing is known of: for looking into a file where no list of revoked certificates is at
    /// hand. A warning says so.
    #[arg(long)]
    without_revocation: bool,
}

impl Trusting {
    /// What the files say.
    pub(super) fn load(&self, now: Timestamp) -> Result<Trust, Failure> {
        let anchors = anchors(&self.trust)?;
        let test_mode = self.without_revocation.then(TestMode::announced_loudly_by_the_caller);
        let at = self.at.unwrap_or(now);
        let mut evidence = Evidence::default();
        let bad = |file: &Path, fault: &trust::Fault| {
            Failure::Usage(format!("{}: {}", file.display(), fault.message.trim_end_matches('.')))
        };
        for file in &self.crl {
            let bytes = files::read_message(file, LARGEST)?;
            evidence = evidence.with_crl(&bytes).map_err(|fault| bad(file, &fault))?;
        }
        for file in &self.ocsp {
            let bytes = files::read_message(file, LARGEST)?;
            evidence = evidence.with_ocsp(&bytes).map_err(|fault| bad(file, &fault))?;
        }
        let warnings = if self.without_revocation { vec![UNKNOWN_PASSES.to_owned()] } else { Vec::new() };
        Ok(Trust {
            anchors: Anchors { test_mode, ..anchors },
            evidence,
            moment: Moment { at, now: at },
            warnings,
        })
    }

    /// The moment that was asked for.
    pub(super) const fn as_of(&self) -> Option<Timestamp> {
        self.at
    }

    /// Whether any CA was named.
    pub(super) const fn is_empty(&self) -> bool {
        self.trust.is_empty()
    }
}

const UNKNOWN_PASSES: &str = "--without-revocation: a certificate of which nothing is known may have been revoked, and passes all the same.";

/// What [`Trusting`] loads.
#[derive(Debug)]
pub(super) struct Trust {
    /// Where trust begins.
    pub(super) anchors: Anchors,
    /// What is known of revocation.
    pub(super) evidence: Evidence,
    /// When.
    pub(super) moment: Moment,
    /// What is less than it should be.
    pub(super) warnings: Vec<String>,
}

/// Roots and helpers from files.
pub(super) fn anchors(paths: &[PathBuf]) -> Result<Anchors, Failure> {
    let mut anchors = Anchors::default();
    for path in paths {
        // A root of old may not say that it is a CA's: whoever names it here says so.
        let (roots, others): (Vec<_>, Vec<_>) =
            certificates(path)?.into_iter().partition(|c| c.is_self_issued());
        let (intermediates, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|c| c.is_ca);
        if roots.is_empty() && intermediates.is_empty() {
            let whose = others.first().map(|c| c.describe()).unwrap_or_default();
            return Err(Failure::Usage(format!(
                "{} holds no CA's certificate but {whose}; trust begins with a CA's",
                path.display()
            )));
        }
        anchors.roots.extend(roots);
        anchors.intermediates.extend(intermediates);
    }
    Ok(anchors)
}
