//! Where everything lies in the folder of a fictitious PKI, and who is in it.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The parties of the demo: name, fictitious organisation number, and what stands in the certificates.
pub(super) const PARTIES: &[(&str, &str, &str)] = &[
    ("broker", "312000709", "Nordlys meldingssentral"),
    ("laboratory", "312000016", "Nordlia laboratorium"),
    ("gp", "312000113", "Furulia legesenter"),
    ("granheim", "312000512", "Granheim sykehus"),
    ("citizens", "312000601", "Innbyggertjenesten"),
    ("municipality", "312000210", "Fjordvik kommune"),
    ("specialist", "312000318", "Havna legekontor"),
    ("hospital", "312000415", "Solbakken sykehus"),
];

/// The party whose certificates have run out.
pub(super) const EXPIRED: (&str, &str, &str) = ("expired", "312000113", "Furulia legesenter");
/// The party whose certificates are revoked.
pub(super) const REVOKED: (&str, &str, &str) = ("revoked", "312000512", "Granheim sykehus");

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// The root's certificate: where trust begins.
    pub(super) fn root(&self) -> PathBuf {
        self.0.join("root.pem")
    }

    /// The issuing CA's certificate.
    pub(super) fn issuing(&self) -> PathBuf {
        self.0.join("issuing.pem")
    }

    /// A CA's key.
    pub(super) fn authority_key(&self, name: &str) -> PathBuf {
        self.0.join("authority").join(format!("{name}.key.pem"))
    }

    /// What is revoked.
    pub(super) fn revoked(&self) -> PathBuf {
        self.0.join("authority/revoked.json")
    }

    /// A CA's list, as of when the PKI was made; the responder gives newer ones.
    pub(super) fn crl(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.crl"))
    }

    /// The password of all keys of parties.
    pub(super) fn password(&self) -> PathBuf {
        self.0.join("password")
    }

    /// What is written for people.
    pub(super) fn readme(&self) -> PathBuf {
        self.0.join("README.md")
    }

    /// A party's folder.
    pub(super) fn party(&self, name: &str) -> PathBuf {
        self.0.join("parties").join(name)
    }

    /// All folders that are needed.
    pub(super) fn folders(&self, parties: &[&str]) -> Vec<PathBuf> {
        let mut all = vec![self.0.clone(), self.0.join("authority"), self.0.join("parties")];
        all.extend(parties.iter().map(|name| self.party(name)));
        all
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// One revoked certificate, as `revoked.json` lists it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RevokedCertificate {
    /// Its serial number, in hexadecimal digits.
    pub(super) serial: String,
    /// Since when.
    pub(super) since: jiff::Timestamp,
}
