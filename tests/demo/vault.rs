//! Keys and certificates of the region: made at the start, with a responder that answers for them. Each party signs,
//! seals and opens with its own.

use crate::story::Wrap;
use jiff::{SignedDuration, Timestamp};
use message_schemas::Limits;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use system_tests::drive::{Region, binary};
use trust::chain::{Anchors, Cache, Moment};
use trust::keys::{KeyRing, from_pkcs12};
use trust::open::{Context, Directory, open};
use trust::revocation::Evidence;
use trust::{Allowed, Certificate, ContentCipher, cms};

/// The parties that sign and seal, with the HER-id of their enterprise.
const PROTECTED: &[(&str, u32)] =
    &[("laboratory", 100_000), ("gp", 110_000), ("granheim", 120_000), ("hospital", 220_000)];

/// What a party of that name can do.
pub(crate) struct Vault {
    keys: BTreeMap<&'static str, KeyRing>,
    anchors: Anchors,
    evidence: Evidence,
    broker: Arc<Certificate>,
    opened: Mutex<BTreeMap<PathBuf, Option<Vec<u8>>>>,
    responder: Mutex<Responder>,
}

/// The responder's process; ended when dropped.
struct Responder(Child);

/// The party that writes under this HER-id of an enterprise, if it signs and seals.
pub(crate) fn protected(enterprise: u32) -> Option<&'static str> {
    PROTECTED.iter().find(|(_, her_id)| *her_id == enterprise).map(|(name, _)| *name)
}

impl Vault {
    /// Makes the PKI in the region's folder, as `budstikke pki demo` does, and starts its responder.
    pub(crate) fn make(region: &Region, responder: SocketAddr) -> io::Result<Self> {
        let pki = region.folder.join("pki");
        let url = format!("http://{responder}");
        let made = Command::new(binary()).args(["pki", "demo", "--url", &url]).arg(&pki).output()?;
        if !made.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        let party = |name: &str, file: &str| pki.join("parties").join(name).join(file);
        let partners = region.folder.join("partners");
        std::fs::create_dir_all(&partners)?;
        for (name, her_id) in PROTECTED {
            std::fs::copy(party(name, "sealing.pem"), partners.join(format!("{her_id}-sealing.pem")))?;
        }
        let password = std::fs::read_to_string(pki.join("password"))?;
        let ring = |name: &str| {
            let key = |file| {
                from_pkcs12(&std::fs::read(party(name, file))?, password.trim()).map_err(io::Error::other)
            };
            Ok::<_, io::Error>(KeyRing::new(vec![key("signing.p12")?, key("sealing.p12")?]))
        };
        let names = PROTECTED.iter().map(|(name, _)| *name).chain(["revoked"]);
        let keys = names.map(|name| Ok((name, ring(name)?))).collect::<io::Result<_>>()?;
        let first = |path: PathBuf| {
            let found = Certificate::all_from(&std::fs::read(path)?).map_err(io::Error::other)?;
            found.into_iter().next().ok_or_else(|| io::Error::other("no certificate"))
        };
        let evidence =
            ["root.crl", "issuing.crl"].iter().try_fold(Evidence::default(), |evidence, list| {
                evidence.with_crl(&std::fs::read(pki.join(list))?).map_err(io::Error::other)
            })?;
        Ok(Self {
            keys,
            anchors: Anchors { roots: vec![first(pki.join("root.pem"))?], ..Anchors::default() },
            evidence,
            broker: first(party("broker", "sealing.pem"))?,
            opened: Mutex::default(),
            responder: Mutex::new(Responder(respond(&pki, responder)?)),
        })
    }

    /// Ends the responder. Others may hold the vault still.
    pub(crate) fn close(&self) {
        self.responder.lock().unwrap_or_else(PoisonError::into_inner).end();
    }

    /// Whether a party of this name signs and seals.
    pub(crate) fn protects(&self, party: &str) -> bool {
        self.keys.contains_key(party)
    }

    /// What a party sends for these bytes: signed with its key, sealed for the broker.
    pub(crate) fn wrap(&self, party: &str, bytes: &[u8], wrap: Wrap) -> io::Result<Vec<u8>> {
        let signer = if wrap == Wrap::Revoked { "revoked" } else { party };
        let ring = self.keys.get(signer).ok_or_else(|| io::Error::other("a party without keys"))?;
        let key =
            ring.signing(now()).ok_or_else(|| io::Error::other("a party without a key to sign with"))?;
        let mut signed = cms::sign(bytes, &**key, None).map_err(io::Error::other)?;
        if wrap == Wrap::Tampered {
            // Whoever sits in the middle changes one letter of what was signed, and seals it again.
            let place = signed.windows(8).position(|w| w == b"Granheim");
            let letter = place.and_then(|at| signed.get_mut(at));
            *letter.ok_or_else(|| io::Error::other("nothing to change"))? = b'B';
        }
        let to = [Arc::clone(&self.broker)];
        // Nobody is told of a broken signature in a seal without authentication: the seal may be what was changed.
        let cipher = match wrap {
            Wrap::Tampered => ContentCipher::Aes256Gcm,
            Wrap::AsAgreed | Wrap::Revoked | Wrap::Bare => ContentCipher::default(),
        };
        cms::seal(&signed, &to, cipher).map_err(io::Error::other)
    }

    /// What a party finds in a sealed file; none if it cannot open it, or it is not the broker's. Each file is opened
    /// once.
    pub(crate) fn open_file(&self, party: &str, path: &Path) -> Option<Vec<u8>> {
        if let Some(known) = self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return known.clone();
        }
        let opened = self.open(party, &std::fs::read(path).ok()?);
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), opened.clone());
        opened
    }

    /// What a party finds in sealed bytes that the broker signed.
    pub(crate) fn open(&self, party: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        let context = Context {
            keys: self.keys.get(party)?,
            anchors: &self.anchors,
            evidence: &self.evidence,
            cache: &Cache::default(),
            directory: &Directory::default(),
            second: None,
            allowed: Allowed::default(),
            moment: Moment { at: now(), now: now() },
            under_way: SignedDuration::ZERO,
            limits: &Limits::default(),
        };
        let opened = open(bytes, &context).ok()?;
        let signer = opened.proofs().first()?.signer.certificate();
        let is_brokers = signer.organisation == self.broker.organisation;
        (opened.was_sealed() && is_brokers).then(|| opened.payload().to_vec())
    }
}

impl Responder {
    /// It has nothing to lose; if it is gone already, so much the better.
    fn end(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts the responder, and waits until it answers.
fn respond(pki: &Path, at: SocketAddr) -> io::Result<Child> {
    let mut child = Command::new(binary())
        .args(["pki", "ocsp", "--listen", &at.to_string()])
        .arg(pki)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    if line.is_empty() {
        return Err(io::Error::other("the responder did not start"));
    }
    Ok(child)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the demo's systems stand outside of the broker, with a clock of their own"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
