//! Reads what trust begins with: roots, our own keys, partners' certificates, lists of revoked ones.

use crate::config::read::Fault;
use crate::config::trust::{Demand, Key, TestMode, Trust};
use adapters::keys::KeyFile;
use adapters::registry::Files;
use message_schemas::HerId;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trust::chain::{Anchors, RevocationRule};
use trust::keys::{KeyRing, PrivateKey};
use trust::revocation::Evidence;
use trust::{Certificate, Fault as TrustFault};

/// A CRL, or a file of certificates, is smaller than this.
const MOST_BYTES: u64 = 50_000_000;

/// What trust begins with, as the files say.
#[derive(Debug, Clone)]
pub struct Material {
    /// Roots and what is asked below them.
    pub anchors: Anchors,
    /// Our keys.
    pub keys: KeyRing,
    /// Partners' certificates.
    pub partners: BTreeMap<HerId, Vec<Arc<Certificate>>>,
    /// What files say of revocation.
    pub lists: Vec<Arc<[u8]>>,
}

impl Material {
    /// Reads everything that the configuration and the parties name. Blocks on the disk and on passwords' slow hashes.
    ///
    /// # Errors
    /// All faults of all files.
    pub fn load(trust: &Trust, named: BTreeMap<HerId, Vec<PathBuf>>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let anchors = Anchors {
            roots: certificates(&trust.anchors, "trust.anchors", &mut faults),
            intermediates: certificates(&trust.intermediates, "trust.intermediates", &mut faults),
            policies: trust.policies.clone(),
            revocation: match trust.revocation.demand {
                Demand::Required => RevocationRule::Required,
                Demand::IfOffered => RevocationRule::IfOffered,
            },
            test_mode: match trust.test_mode {
                TestMode::Off => None,
                // Said at start, in health and as a metric: `super::announce`.
                TestMode::On => Some(trust::chain::TestMode::announced_loudly_by_the_caller()),
            },
        };
        authorities(&anchors, &mut faults);
        let keys = keys(&trust.keys, &mut faults);
        let partners = partners(&trust.partners.folders, named, &mut faults);
        let lists = lists(&trust.revocation.files, &mut faults);
        if faults.is_empty() {
            Ok(Self { anchors, keys: KeyRing::new(keys), partners, lists })
        } else {
            Err(faults)
        }
    }
}

/// Every file that a reload must look at.
#[must_use]
pub fn watched(trust: &Trust) -> Vec<PathBuf> {
    let keys = trust.keys.iter().flat_map(|key| std::iter::once(&key.file).chain(&key.certificate_file));
    let revocation = &trust.revocation.files;
    let folders = trust.anchors.iter().chain(&trust.intermediates).chain(&trust.partners.folders);
    folders.chain(keys).chain(revocation).cloned().collect()
}

/// A key's files, as the adapter takes them.
#[must_use]
pub fn key_file(key: &Key) -> KeyFile {
    KeyFile {
        file: key.file.clone(),
        certificate_file: key.certificate_file.clone(),
        password_file: key.password_file.clone(),
        password_env: key.password_env.clone(),
    }
}

/// What stands among roots and issuers must be able to issue.
fn authorities(anchors: &Anchors, faults: &mut Vec<Fault>) {
    let all = [("trust.anchors", &anchors.roots), ("trust.intermediates", &anchors.intermediates)];
    for (field, certificates) in all {
        for certificate in certificates.iter().filter(|c| !c.is_ca) {
            faults.push(Fault {
                file: String::new(),
                line: 0,
                field: field.to_owned(),
                message: format!("This is no CA's certificate: {}.", certificate.describe()),
                remedy: "Name the certificates of CAs here, and partners' under trust.partners.".to_owned(),
            });
        }
    }
}

fn certificates(paths: &[PathBuf], field: &str, faults: &mut Vec<Fault>) -> Vec<Arc<Certificate>> {
    let mut found: Vec<Arc<Certificate>> = Vec::new();
    each_file(paths, field, faults, |bytes| {
        found.extend(Certificate::all_from(bytes)?);
        Ok(())
    });
    found.sort_by_key(|c| c.thumbprint);
    found.dedup_by_key(|c| c.thumbprint);
    found
}

fn lists(paths: &[PathBuf], faults: &mut Vec<Fault>) -> Vec<Arc<[u8]>> {
    let mut found = Vec::new();
    each_file(paths, "trust.revocation.files", faults, |bytes| {
        Evidence::default().with_crl(bytes)?;
        found.push(Arc::from(bytes));
        Ok(())
    });
    found
}

/// Opens all keys.
fn keys(keys: &[Key], faults: &mut Vec<Fault>) -> Vec<Arc<dyn PrivateKey>> {
    let mut opened = Vec::with_capacity(keys.len());
    for (at, key) in keys.iter().enumerate() {
        match key_file(key).open() {
            Ok(keys) => opened.extend(keys),
            Err(fault) => faults.push(Fault {
                file: fault.path.display().to_string(),
                line: 0,
                field: format!("trust.keys.{at}"),
                message: fault.message,
                remedy: fault.remedy,
            }),
        }
    }
    opened
}

fn partners(
    folders: &[PathBuf],
    named: BTreeMap<HerId, Vec<PathBuf>>,
    faults: &mut Vec<Fault>,
) -> BTreeMap<HerId, Vec<Arc<Certificate>>> {
    let mut add = |field: String, found: Vec<adapters::registry::FileFault>| {
        faults.extend(found.into_iter().map(|fault| Fault {
            file: fault.path.display().to_string(),
            line: 0,
            field: field.clone(),
            message: fault.message,
            remedy: "Put a certificate there, in PEM or DER, or take the file away.".to_owned(),
        }));
    };
    let files = match Files::find(folders, named) {
        Ok(files) => files,
        Err(found) => {
            add("trust.partners.folders".to_owned(), found);
            return BTreeMap::new();
        }
    };
    let mut partners = BTreeMap::new();
    for her_id in files.parties() {
        match files.read(her_id) {
            Ok(certificates) => {
                partners.insert(her_id, certificates);
            }
            Err(found) => add(format!("party {her_id}: certificates"), found),
        }
    }
    partners
}

/// Reads each file behind these paths: a file as it is, a folder as every file in it that is not hidden.
fn each_file(
    paths: &[PathBuf],
    field: &str,
    faults: &mut Vec<Fault>,
    mut take: impl FnMut(&[u8]) -> Result<(), TrustFault>,
) {
    let mut fault = |path: &Path, message: String, remedy: &str| {
        faults.push(Fault {
            file: path.display().to_string(),
            line: 0,
            field: field.to_owned(),
            message,
            remedy: remedy.to_owned(),
        });
    };
    for path in paths {
        let files = match files(path) {
            Ok(files) => files,
            Err(error) => {
                fault(path, format!("It cannot be read: {error}."), READABLE);
                continue;
            }
        };
        for file in files {
            match read(&file) {
                Ok(bytes) => {
                    if let Err(found) = take(&bytes) {
                        fault(&file, found.message, &found.remedy);
                    }
                }
                Err(error) => fault(&file, format!("It cannot be read: {error}."), READABLE),
            }
        }
    }
}

const READABLE: &str = "Name a file or folder that this user may read.";

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > MOST_BYTES {
        return Err(io::Error::other("it is too large"));
    }
    fs::read(path)
}

/// The files meant by a path.
///
/// # Errors
/// When it cannot be read.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let hidden = entry.file_name().to_str().is_none_or(|name| name.starts_with('.'));
        if !hidden && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// The files meant by a path, and those one folder further down: partners may have folders of their own.
///
/// # Errors
/// When it cannot be read.
pub fn tree(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = files(path)?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            if path.is_dir() {
                all.extend(files(&path)?);
            }
        }
        all.sort();
    }
    Ok(all)
}
