//! XML signatures over all official samples: ours before libxmlsec1, the `xmlsec1` tool, the JDK and signxml; theirs
//! before us.

use crate::engine::{Engine, Opinion};
use crate::people::{demo, lay_out, sender};
use crate::samples::{self, Sample, encode};
use crate::tools::{Desk, beside, have, target};
use message_schemas::Limits;
use openssl::pkey::PKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use system_tests::shared;
use trust::algorithm::{Allowed, Digest, SignatureAlgorithm};
use trust::pki::KeyKind;
use trust::xmldsig::{self, Canonical, Options, Shape};
use trust::{Fault, Kind, Trusted};

const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const FORMS: [(bool, &str); 2] = [(false, INCLUSIVE), (true, EXCLUSIVE)];

/// Documents above this are signed in fewer ways, to save time: all that differs is the last step.
const LARGE: usize = 50_000;

/// What we say of a document with an enveloped signature: what it covers, or why not.
pub(crate) fn ours(text: &str, signer: &Arc<Trusted>) -> Result<Vec<u8>, Fault> {
    let signed = xmldsig::signed(text, Shape::Enveloped, &[], Allowed::default(), &Limits::default())?;
    let signed = signed.expect("there is a signature");
    signed.verify(signer).map(trust::Verified::into_inner)
}

pub(crate) fn sign(
    text: &str,
    exclusive: bool,
    kind: KeyKind,
    algorithm: Option<SignatureAlgorithm>,
) -> String {
    let canonical = Canonical { exclusive, ..Canonical::default() };
    let options = Options { shape: Shape::Enveloped, canonical, algorithm };
    let key = demo(kind).sender.signing.private_key();
    xmldsig::sign(text, &*key, &options, &[], &Limits::default()).unwrap_or_else(|f| panic!("{f}"))
}

/// What stands in the signed text and not in the sample: the signature, and nothing else.
fn added<'a>(signed: &'a str, sample: &str) -> &'a str {
    let ahead = signed.bytes().zip(sample.bytes()).take_while(|(a, b)| a == b).count();
    let from = signed.len() - (sample.len() - ahead);
    assert_eq!(&signed[from..], &sample[ahead..], "every other byte stays");
    &signed[ahead..from]
}

/// The signer's key and certificate for the tools: PEM, and DER for Java.
fn signing_desk(kind: KeyKind) -> Desk {
    let desk = Desk::new();
    let pair = &demo(kind).sender.signing;
    lay_out(&desk, "signer", pair);
    let key = PKey::private_key_from_pem(&pair.key().pem(None).unwrap()).unwrap();
    desk.write("signer.pk8", key.private_key_to_pkcs8().unwrap());
    desk
}

/// Where the last end tag of a document begins: there a signature goes in.
fn last_end_tag(sample: &Sample) -> usize {
    let at = sample.text.rfind("</").unwrap_or_else(|| panic!("{} has an element with content", sample.name));
    assert!(!sample.text[at..].contains("--"), "{} ends with a comment", sample.name);
    at
}

fn xmlsec1(desk: &Desk, arguments: &[&str]) -> Result<Vec<u8>, String> {
    desk.run("xmlsec1", arguments)
}

const VERIFY: &[&str] = &["--verify", "--enabled-key-data", "key-name", "--pubkey-cert-pem", "signer.crt"];

#[test]
fn libxmlsec1_agrees_on_all_that_we_sign() {
    let (Some(shared), Some(mut engine)) = (shared("XML signatures of ours"), Engine::start()) else {
        return;
    };
    let (samples, left_out) = samples::all(&shared);
    assert!(samples.len() > 200, "{}", samples.len());
    let mut count = 0;
    for (i, sample) in samples.iter().enumerate() {
        for (exclusive, _) in FORMS {
            // RSA for all; the rarer keys and hashes in turn.
            let rare = [Digest::Sha256, Digest::Sha384, Digest::Sha512][i % 3];
            let kinds = [
                (KeyKind::Rsa2048, None),
                (KeyKind::Rsa2048, Some(SignatureAlgorithm::RsaPkcs1(rare))),
                ([KeyKind::P256, KeyKind::P384][i % 2], Some(SignatureAlgorithm::Ecdsa(rare))),
            ];
            let large = sample.text.len() > LARGE;
            for (kind, algorithm) in kinds.into_iter().take(if large { 1 } else { 3 }) {
                let signed = sign(&sample.text, exclusive, kind, algorithm);
                assert!(added(&signed, &sample.text).contains("Signature"), "{}", sample.name);
                let signer = sender(demo(kind));
                if let Err(fault) = ours(&signed, &signer) {
                    panic!("{} {exclusive} {kind:?}: we refuse our own: {fault}", sample.name);
                }
                let said = engine.ask(&signed, Shape::Enveloped, &[], signer.certificate());
                assert_eq!(said, Opinion::Valid, "{} {exclusive} {kind:?}", sample.name);
                count += 1;
            }
        }
    }
    println!("{count} signatures on {} samples ({left_out} left out): all agree", samples.len());
}

#[test]
fn the_xmlsec1_tool_agrees_both_ways() {
    let Some(shared) = shared("XML signatures with xmlsec1") else { return };
    if !have("xmlsec1", "--version", "XML signatures with xmlsec1") {
        return;
    }
    let desk = signing_desk(KeyKind::Rsa2048);
    let signer = sender(demo(KeyKind::Rsa2048));
    let mut engine = Engine::start();
    for sample in samples::all(&shared).0 {
        for (exclusive, form) in FORMS {
            // Ours before the tool, in the sample's own encoding.
            let signed = sign(&sample.text, exclusive, KeyKind::Rsa2048, None);
            desk.write("ours.xml", encode(&signed));
            let said = xmlsec1(&desk, &[VERIFY, &["ours.xml"]].concat());
            assert!(said.is_ok(), "{} {form}: {said:?}", sample.name);

            // The tool's before us.
            let template = format!(
                "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo>\
                 <CanonicalizationMethod Algorithm=\"{form}\"/>\
                 <SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/>\
                 <Reference URI=\"\"><Transforms>\
                 <Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
                 <Transform Algorithm=\"{form}\"/></Transforms>\
                 <DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><DigestValue/></Reference>\
                 </SignedInfo><SignatureValue/><KeyInfo><X509Data/></KeyInfo></Signature>"
            );
            let mut text = sample.text.clone();
            text.insert_str(last_end_tag(&sample), &template);
            desk.write("template.xml", encode(&text));
            let sign = [
                "--sign",
                "--privkey-pem",
                "signer.key,signer.crt",
                "--output",
                "theirs.xml",
                "template.xml",
            ];
            xmlsec1(&desk, &sign).unwrap_or_else(|e| panic!("{}: {e}", sample.name));
            theirs(&desk.read("theirs.xml"), &sample.name, &signer, engine.as_mut());
        }
    }
}

/// What another one signed: we accept it, and so does the second engine.
fn theirs(bytes: &[u8], name: &str, signer: &Arc<Trusted>, engine: Option<&mut Engine>) {
    let text = message_schemas::xml::decode(bytes).unwrap().text;
    if let Err(fault) = ours(&text, signer) {
        panic!("{name}: {fault}");
    }
    if let Some(engine) = engine {
        assert_eq!(engine.ask(&text, Shape::Enveloped, &[], signer.certificate()), Opinion::Valid, "{name}");
    }
}

/// All samples with a program that takes one job a line: ours verified by it, and what it signs verified by us.
fn both_ways(program: &Path, arguments: &[PathBuf], kind: KeyKind, forms: &[(bool, &str)], method: &str) {
    let Some(shared) = shared(&format!("XML signatures with {}", program.display())) else { return };
    let desk = signing_desk(kind);
    let signer = sender(demo(kind));
    let mut names = Vec::new();
    let mut jobs = Vec::new();
    let mut samples = samples::all(&shared).0;
    if kind != KeyKind::Rsa2048 {
        samples.retain(|s| s.text.len() <= LARGE);
    }
    for (i, sample) in samples.into_iter().enumerate() {
        desk.write(&format!("{i}.xml"), encode(&sample.text));
        for (exclusive, form) in forms {
            let file = format!("{i}-{exclusive}");
            let signed = sign(&sample.text, *exclusive, kind, None);
            desk.write(&format!("{file}-ours.xml"), encode(&signed));
            jobs.push(format!("verify {file}-ours.xml"));
            // signxml is told its form in its own file.
            let form = if forms.len() == 1 { String::new() } else { format!("{form} ") };
            jobs.push(format!("sign {form}{method} {i}.xml {file}-theirs.xml"));
            names.push((sample.name.clone(), file));
        }
    }
    let arguments: Vec<_> = arguments.iter().map(|a| a.as_os_str()).collect();
    let said = desk.batch(program, &arguments, &jobs);
    let mut engine = Engine::start();
    for ((name, file), said) in names.iter().zip(said.chunks(2)) {
        assert_eq!(said, ["ok", "ok"], "{name} {file}");
        let bytes = desk.read(&format!("{file}-theirs.xml"));
        if by_id(&bytes) {
            // signxml refers to the document element by its Id, where it has one. We take only the whole document.
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(ours(&text, &signer).unwrap_err().kind, Kind::SignatureShape, "{name}");
            continue;
        }
        theirs(&bytes, name, &signer, engine.as_mut());
    }
    println!("{} signatures each way with {}", names.len(), program.display());
}

fn by_id(bytes: &[u8]) -> bool {
    bytes.windows(6).any(|w| w == b"URI=\"#")
}

#[test]
fn the_jdk_agrees_both_ways() {
    if !have("java", "-version", "XML signatures with the JDK") {
        return;
    }
    let arguments = [beside("Dsig.java"), "signer.pk8".into(), "signer.crt".into()];
    let rsa = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    both_ways(Path::new("java"), &arguments, KeyKind::Rsa2048, &FORMS, rsa);
    let ecdsa = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
    both_ways(Path::new("java"), &arguments, KeyKind::P256, &FORMS, ecdsa);
}

#[test]
fn signxml_agrees_both_ways() {
    let python = target().join("signxml/bin/python");
    if !have(&python, "--version", "XML signatures with signxml") {
        return;
    }
    let arguments = [beside("dsig.py"), "signer.key".into(), "signer.crt".into()];
    // signxml 5 cannot verify the inclusive form.
    both_ways(&python, &arguments, KeyKind::Rsa2048, &FORMS[1..], "RSA_SHA256");
    both_ways(&python, &arguments, KeyKind::P256, &FORMS[1..], "ECDSA_SHA256");
}
