//! One ready-made PKI, made once in a process: making keys is slow.

use super::{Authority, Crl, Key, KeyKind, Pair, Profile, profile::POLICY};
use crate::certificate::Certificate;
use crate::chain::{Anchors, RevocationRule};
use crate::fault::Fault;
use crate::keys::KeyRing;
use crate::revocation::Evidence;
use jiff::{SignedDuration, Timestamp};
use message_schemas::OrgNumber;
use std::sync::{Arc, OnceLock};

/// A root, an issuing CA, and two organisations that write to each other.
#[derive(Debug)]
pub struct Demo {
    /// The root.
    pub root: Authority,
    /// The CA that issued what the organisations have.
    pub issuing: Authority,
    /// Sends.
    pub sender: Organisation,
    /// Receives.
    pub receiver: Organisation,
}

/// An organisation with its two certificates.
#[derive(Debug)]
pub struct Organisation {
    /// Its number; fictitious.
    pub number: OrgNumber,
    /// For signing.
    pub signing: Pair,
    /// For sealing.
    pub sealing: Pair,
}

/// Where the fictitious CRL of the issuing CA is.
pub const CRL_URL: &str = "http://pki.example/issuing.crl";

/// Where the fictitious CRL of the root is.
pub const ROOT_CRL_URL: &str = "http://pki.example/root.crl";

/// Where the fictitious OCSP responder is.
pub const OCSP_URL: &str = "http://pki.example/ocsp";

/// The number of the sender: of the range that is kept for tests, nobody's.
pub const SENDER: &str = "310000108";

/// The number of the receiver.
pub const RECEIVER: &str = "310000116";

/// The time for which all of it is valid.
#[must_use]
pub fn valid() -> (Timestamp, Timestamp) {
    (moment("2020-01-01T00:00:00Z"), moment("2049-01-01T00:00:00Z"))
}

fn moment(text: &str) -> Timestamp {
    text.parse().expect("a constant of this file is a time")
}

impl Demo {
    /// The one of this process, with RSA of 2048 bits.
    ///
    /// # Panics
    /// When OpenSSL has no randomness.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Demo> = OnceLock::new();
        SHARED.get_or_init(|| {
            Self::new(KeyKind::Rsa2048).expect("the constants of this file make certificates")
        })
    }

    /// A fresh one with keys of this kind. Sealing keys are RSA, of 2048 bits where the kind is no RSA.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn new(kind: KeyKind) -> Result<Self, Fault> {
        let root = Authority::root(&Profile::root("Budstikke Demo Root", valid()), Key::generate(kind)?)?;
        let issuing = Profile {
            crl_urls: vec![ROOT_CRL_URL.into()],
            ..Profile::issuing("Budstikke Demo Issuing CA", valid())
        };
        let issuing = root.authority(&issuing, Key::generate(kind)?)?;
        let sender = Organisation::new(&issuing, "Demo Legekontor", SENDER, kind)?;
        let receiver = Organisation::new(&issuing, "Demo Sykehus", RECEIVER, kind)?;
        Ok(Self { root, issuing, sender, receiver })
    }

    /// What trusts it: the root, the issuing CA beside it, its policy, revocation required.
    #[must_use]
    pub fn anchors(&self) -> Anchors {
        Anchors {
            roots: vec![Arc::clone(self.root.certificate())],
            intermediates: vec![Arc::clone(self.issuing.certificate())],
            policies: vec![POLICY.into()],
            revocation: RevocationRule::Required,
            test_mode: None,
        }
    }

    /// Fresh CRLs of both CAs, in which these certificates are revoked a day before.
    ///
    /// # Panics
    /// When OpenSSL fails.
    #[must_use]
    pub fn evidence(&self, now: Timestamp, revoked: &[&Certificate]) -> Evidence {
        let since = now - SignedDuration::from_hours(24);
        [&self.root, &self.issuing].into_iter().fold(Evidence::default(), |evidence, authority| {
            let own = revoked.iter().filter(|c| c.issuer_der == authority.certificate().subject_der);
            let revoked = own.map(|c| (c.serial.clone(), since)).collect();
            let crl = Crl { revoked, ..Crl::fresh(now) };
            let crl = authority.crl(&crl).expect("the constants of this file make CRLs");
            evidence.with_crl(&crl).expect("what was just made is a CRL")
        })
    }
}

impl Organisation {
    /// An organisation with certificates of this CA.
    ///
    /// # Errors
    /// When the number is none, or OpenSSL fails.
    pub fn new(issuing: &Authority, name: &str, number: &str, kind: KeyKind) -> Result<Self, Fault> {
        let number: OrgNumber =
            number.parse().map_err(|_| crate::certificate::malformed("the organisation number is none"))?;
        let sealing_kind = match kind {
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => KeyKind::Rsa2048,
            KeyKind::Rsa1024 | KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => kind,
        };
        Ok(Self {
            number,
            signing: issuing
                .issue(&offered(Profile::signing(name, number, valid())), Key::generate(kind)?)?,
            sealing: issuing
                .issue(&offered(Profile::sealing(name, number, valid())), Key::generate(sealing_kind)?)?,
        })
    }

    /// Both keys.
    #[must_use]
    pub fn keys(&self) -> KeyRing {
        KeyRing::new(vec![self.signing.private_key(), self.sealing.private_key()])
    }
}

/// The profile, with the fictitious places to ask for revocation.
#[must_use]
pub fn offered(profile: Profile) -> Profile {
    Profile { crl_urls: vec![CRL_URL.into()], ocsp_urls: vec![OCSP_URL.into()], ..profile }
}
