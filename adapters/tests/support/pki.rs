//! A small PKI in a folder: a root, a server's certificate for this machine, and a client's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};
use std::path::{Path, PathBuf};

/// Where the files are, all in PEM.
pub(crate) struct Pki {
    pub(crate) roots: PathBuf,
    pub(crate) server: (PathBuf, PathBuf),
    pub(crate) client: (PathBuf, PathBuf),
}

impl Pki {
    /// Makes it; the client's common name is `client`.
    pub(crate) fn make(folder: &Path, client: &str) -> Self {
        let root = certificate("Fictitious root", None, None);
        let roots = folder.join("roots.pem");
        std::fs::write(&roots, root.0.to_pem().unwrap()).unwrap();
        let issue = |name: &str, address| {
            let (certificate, key) = certificate(name, Some(&root), address);
            let paths = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
            std::fs::write(&paths.0, certificate.to_pem().unwrap()).unwrap();
            std::fs::write(&paths.1, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
            paths
        };
        Self { roots, server: issue("server", Some("127.0.0.1")), client: issue(client, None) }
    }
}

type Issued = (X509, PKey<Private>);

fn certificate(name: &str, issuer: Option<&Issued>, address: Option<&str>) -> Issued {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(u32::try_from(name.len()).unwrap()).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(issuer.map_or(&*subject, |(issuer, _)| issuer.subject_name())).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    if issuer.is_none() {
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    }
    if let Some(address) = address {
        let names =
            SubjectAlternativeName::new().ip(address).build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(names).unwrap();
    }
    builder.sign(issuer.map_or(&key, |(_, key)| key), MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}
