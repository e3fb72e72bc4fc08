//! The ebXML vectors before both engines: the same verdict on every signed message, with every key there is.

use crate::engine::{Engine, Opinion};
use crate::people::trusted;
use message_schemas::{Limits, mime, xml};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{HasPublic, PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, KeyUsage};
use openssl::x509::{X509, X509Name};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use system_tests::shared;
use trust::algorithm::Allowed;
use trust::xmldsig::{self, Attachment, Shape};
use trust::{Anchors, Certificate, Fault, Trusted, keys};

/// The keys that signed the synthetic messages, each in a certificate of a CA of our own: theirs does not say that it
/// is one, so by the rules nothing below it is trusted.
fn signers(vectors: &Path) -> Vec<Arc<Trusted>> {
    let store = std::fs::read(vectors.join("nav/keystore/test_keystore2024.p12")).unwrap();
    let all = keys::certificates_from_pkcs12(&store, "123456789").unwrap();
    let root_key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let root = certify(&root_key, &root_key, true);
    let anchors = Anchors { roots: vec![root], ..Anchors::default() };
    let at = "2026-01-15T09:00:00Z".parse().unwrap();
    all.iter()
        .map(|c| X509::from_der(&c.der).unwrap().public_key().unwrap())
        .map(|key| trusted(anchors.clone(), &certify(&key, &root_key, false), at))
        .collect()
}

/// A certificate with this key, signed by the root's.
fn certify<T: HasPublic>(key: &PKey<T>, root: &PKey<Private>, ca: bool) -> Arc<Certificate> {
    let name = |text: &str| {
        let mut name = X509Name::builder().unwrap();
        name.append_entry_by_text("CN", text).unwrap();
        name.build()
    };
    let mut constraints = BasicConstraints::new();
    let mut usage = KeyUsage::new();
    if ca {
        constraints.critical().ca();
        usage.critical().key_cert_sign();
    } else {
        usage.critical().non_repudiation();
    }
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&BigNum::from_u32(1 + u32::from(ca)).unwrap().to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&name(if ca { "Vouching Root" } else { "Vouched" })).unwrap();
    builder.set_issuer_name(&name("Vouching Root")).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(4_000_000_000).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.append_extension(constraints.build().unwrap()).unwrap();
    builder.append_extension(usage.build().unwrap()).unwrap();
    builder.sign(root, MessageDigest::sha256()).unwrap();
    Certificate::from_der(&builder.build().to_der().unwrap()).unwrap()
}

/// KeyInfo is not signed, and names the certificates that we have put others in the place of.
fn without_key_info(text: &str) -> String {
    let Some((before, rest)) = text.split_once("<ds:KeyInfo>") else { return text.to_owned() };
    let (_, after) = rest.split_once("</ds:KeyInfo>").unwrap();
    format!("{before}{after}")
}

fn messages(vectors: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(vectors.join("synthetic/messages"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "msg"))
        .collect();
    found.sort();
    found
}

/// What we say of a message's envelope.
fn ours(
    text: &str,
    parts: &[Attachment<'_>],
    allowed: Allowed,
    signer: &Arc<Trusted>,
) -> Result<(), Option<Fault>> {
    match xmldsig::signed(text, Shape::Ebxml, parts, allowed, &Limits::default()) {
        Ok(Some(signed)) => signed.verify(signer).map(|_| ()).map_err(Some),
        Ok(None) => Err(None),
        Err(fault) => Err(Some(fault)),
    }
}

#[test]
fn both_engines_say_the_same_of_every_vector() {
    let (Some(shared), Some(mut engine)) = (shared("ebXML vectors before two engines"), Engine::start())
    else {
        return;
    };
    let vectors = shared.join("vectors/ebxml");
    let signers = signers(&vectors);
    assert!(signers.len() > 1);
    let (mut valid, mut not) = (0, 0);
    for path in messages(&vectors) {
        let bytes = std::fs::read(&path).unwrap();
        // A package that lacks a part that it names is refused before any signature is looked at.
        let Ok(package) = mime::unpack(&bytes, None, &Limits::default()) else { continue };
        let text = without_key_info(&xml::decode(&package.root.bytes).unwrap().text);
        let parts: Vec<Attachment<'_>> = package
            .parts
            .iter()
            .map(|p| Attachment { id: p.id.as_deref().unwrap_or_default(), bytes: &p.bytes })
            .collect();
        for signer in &signers {
            for sha1 in [false, true] {
                let ours = ours(&text, &parts, Allowed { sha1, ..Allowed::default() }, signer);
                let theirs = engine.ask_with(&text, Shape::Ebxml, &parts, signer.certificate(), sha1);
                let name = path.file_name().unwrap().to_string_lossy();
                assert_eq!(theirs == Opinion::Valid, ours.is_ok(), "{name} sha1={sha1}: {ours:?} {theirs:?}");
                if ours.is_ok() { valid += 1 } else { not += 1 }
            }
        }
    }
    println!("{valid} times valid, {not} times not, and always both");
    assert!(valid > 20 && not > 20);
}
