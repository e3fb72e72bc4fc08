//! `pki demo`: makes the PKI.

use super::folder::{EXPIRED, Folder, PARTIES, REVOKED, RevokedCertificate};
use crate::cli::output::{self, Readable};
use crate::exit::{Failure, Verdict};
use adapters::clock::SystemClock;
use broker_core::ports::Clock;
use jiff::{SignedDuration, Timestamp};
use message_schemas::OrgNumber;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use trust::Fault;
use trust::pki::{Authority, Key, KeyKind, Pair, Profile};
use zeroize::Zeroizing;

/// Make a fictitious PKI: a root, an issuing CA, the lists of what they revoked, and for each party of the demo a
/// certificate to sign with and one to seal for; also certificates that have run out, and revoked ones.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  budstikke pki demo /tmp/pki")]
pub(super) struct Command {
    /// The folder to put it in; it is made.
    folder: PathBuf,
    /// Where the certificates say that they can be asked for: the address at which `pki ocsp` listens.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8470")]
    url: String,
    /// Replace a PKI that is there already.
    #[arg(long)]
    force: bool,
}

/// So long everything is valid.
const VALID: SignedDuration = SignedDuration::from_hours(3 * 365 * 24);
/// So long the lists on disk are: whoever shows them without the responder shall not have to hurry.
const LISTED: SignedDuration = SignedDuration::from_hours(30 * 24);
const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let folder = Folder(self.folder.clone());
        if folder.root().exists() && !self.force {
            return Err(Failure::Usage(format!(
                "there is a PKI in {} already; --force replaces it",
                folder.0.display()
            )));
        }
        let names: Vec<&str> = everybody().map(|(name, _, _)| name).collect();
        for path in folder.folders(&names) {
            fs::create_dir_all(&path).map_err(Failure::file(&path))?;
        }
        self.make(&folder, SystemClock::new().now())?;
        writeln!(out, "A fictitious PKI is in {}; its README tells what is what.", folder.0.display())?;
        Ok(Verdict::Good)
    }

    fn make(&self, folder: &Folder, now: Timestamp) -> Result<(), Failure> {
        let valid = (now - DAY, now + VALID);
        let over = (now - VALID, now - DAY);
        let mut keys = keys(2 + 2 * everybody().count()).map_err(cannot)?.into_iter();
        let mut key = || keys.next().ok_or_else(|| Failure::Start("a key is missing".to_owned()));

        let root = Authority::root(&Profile::root("Budstikke Demo Root", (over.0, valid.1)), key()?)
            .map_err(cannot)?;
        let issuing = Profile {
            crl_urls: vec![format!("{}/root.crl", self.url)],
            ..Profile::issuing("Budstikke Demo Issuing CA", (over.0, valid.1))
        };
        let issuing_key = key()?;
        let issuing = root.authority(&issuing, issuing_key).map_err(cannot)?;

        let password = password()?;
        self.put(&folder.password(), format!("{}\n", password.as_str()).as_bytes(), Readable::ByOwner)?;
        let mut revoked = Vec::new();
        for (name, number, common_name) in everybody() {
            let when = if name == EXPIRED.0 { over } else { valid };
            let number: OrgNumber =
                number.parse().map_err(|_| Failure::Start(format!("{number} is no organisation number")))?;
            let profiles = [
                ("signing", Profile::signing(common_name, number, when)),
                ("sealing", Profile::sealing(common_name, number, when)),
            ];
            for (use_, profile) in profiles {
                let pair = issuing.issue(&self.offered(profile), key()?).map_err(cannot)?;
                self.party(&folder.party(name), use_, &pair, &password)?;
                if name == REVOKED.0 {
                    let serial = pair.certificate().serial_hex();
                    revoked.push(RevokedCertificate { serial, since: now - DAY / 2 });
                }
            }
        }
        self.authorities(folder, &root, &issuing, &revoked, now)?;
        self.put(&folder.readme(), readme(&self.url).as_bytes(), Readable::AsUsual)
    }

    /// Where the status of a certificate can be asked for.
    fn offered(&self, profile: Profile) -> Profile {
        Profile {
            crl_urls: vec![format!("{}/issuing.crl", self.url)],
            ocsp_urls: vec![format!("{}/ocsp", self.url)],
            ..profile
        }
    }

    fn party(&self, folder: &Path, use_: &str, pair: &Pair, password: &str) -> Result<(), Failure> {
        let key = Zeroizing::new(pair.pkcs12(password).map_err(cannot)?);
        self.put(&folder.join(format!("{use_}.p12")), &key, Readable::ByOwner)?;
        self.put(&folder.join(format!("{use_}.pem")), pair.certificate().pem().as_bytes(), Readable::AsUsual)
    }

    fn authorities(
        &self,
        folder: &Folder,
        root: &Authority,
        issuing: &Authority,
        revoked: &[RevokedCertificate],
        now: Timestamp,
    ) -> Result<(), Failure> {
        let list = serde_json::to_vec_pretty(revoked).map_err(std::io::Error::from)?;
        self.put(&folder.revoked(), &list, Readable::AsUsual)?;
        for (name, path, authority, revoked) in
            [("root", folder.root(), root, &[][..]), ("issuing", folder.issuing(), issuing, revoked)]
        {
            self.put(&path, authority.certificate().pem().as_bytes(), Readable::AsUsual)?;
            let key = authority.key().pem(None).map_err(cannot)?;
            self.put(&folder.authority_key(name), &key, Readable::ByOwner)?;
            let crl = super::serve::crl(authority, revoked, now, now + LISTED).map_err(cannot)?;
            self.put(&folder.crl(name), &crl, Readable::AsUsual)?;
        }
        Ok(())
    }

    fn put(&self, path: &Path, bytes: &[u8], readable: Readable) -> Result<(), Failure> {
        output::write(path, bytes, readable, self.force)
    }
}

/// Everybody with a folder.
fn everybody() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    PARTIES.iter().copied().chain([EXPIRED, REVOKED])
}

/// A fresh password.
fn password() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0; 16]);
    openssl::rand::rand_bytes(&mut *bytes)
        .map_err(|_| Failure::Start("there is no randomness".to_owned()))?;
    Ok(Zeroizing::new(bytes.iter().map(|b| format!("{b:02x}")).collect()))
}

/// Fresh keys. Making one takes a tenth of a second or more, so all cores do.
fn keys(wanted: usize) -> Result<Vec<Key>, Fault> {
    let made = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let made = &made;
            scope.spawn(move || {
                for _ in (worker..wanted).step_by(workers) {
                    let key = Key::generate(KeyKind::Rsa2048);
                    made.lock().unwrap_or_else(PoisonError::into_inner).push(key);
                }
            });
        }
    });
    made.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect()
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn cannot(fault: Fault) -> Failure {
    Failure::Start(fault.to_string())
}

fn readme(url: &str) -> String {
    let parties: Vec<String> = PARTIES
        .iter()
        .map(|(name, number, whose)| format!("| `parties/{name}` | {whose} | {number} | good |"))
        .collect();
    format!(
        "# A fictitious PKI

Made by `budstikke pki demo`. For trying out and for tests: its keys lie here, and nobody is who they say.
The organisation numbers are fictitious.

| file | what it is |
|---|---|
| `root.pem` | the root: what is to be trusted |
| `issuing.pem` | the CA that issued everything below |
| `root.crl`, `issuing.crl` | what they revoked, as of when this was made |
| `password` | the password of every `.p12` |
| `authority/` | the keys of the CAs |

Each party has `signing.p12` and `sealing.p12` with its keys, and `signing.pem` and `sealing.pem` for others.

| folder | in the name of | organisation | certificates are |
|---|---|---|---|
{}
| `parties/expired` | {} | {} | run out |
| `parties/revoked` | {} | {} | revoked |

The certificates say that they can be asked for at {url}. To answer there: `budstikke pki ocsp DIR --listen HOST:PORT`.

    budstikke seal message.xml --key parties/gp/signing.p12 --password-file password \\
        --for parties/hospital/sealing.pem --out message.p7m
    budstikke open message.p7m --key parties/hospital/sealing.p12 --password-file password \\
        --trust root.pem --crl root.crl --crl issuing.crl
",
        parties.join("\n"),
        EXPIRED.2,
        EXPIRED.1,
        REVOKED.2,
        REVOKED.1,
    )
}
