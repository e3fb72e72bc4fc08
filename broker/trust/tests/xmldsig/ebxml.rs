//! The ebXML vectors: every message gives what their README states, as far as the envelope's signature goes.

use crate::round_trips::without_key_info;
use crate::shared::shared;
use jiff::Timestamp;
use message_schemas::{Limits, mime, xml};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Public};
use openssl::x509::extension::{BasicConstraints, KeyUsage};
use openssl::x509::{X509, X509Name};
use std::path::Path;
use std::sync::Arc;
use trust::chain::{Cache, Moment, Purpose, RevocationRule, TestMode};
use trust::keys::certificates_from_pkcs12;
use trust::revocation::Evidence;
use trust::xmldsig::{Attachment, Shape, Signed, signed};
use trust::{Allowed, Anchors, Certificate, Fault, Kind, Trusted};

const SHA1_TOO: Allowed = Allowed { sha1: true, triple_des: false };

/// What the envelope's signature says, before any key is asked.
fn read(message: &[u8], allowed: Allowed) -> Result<Signed, Fault> {
    read_changed(message, allowed, None, str::to_owned)
}

fn read_changed(
    message: &[u8],
    allowed: Allowed,
    instead: Option<&[Attachment<'_>]>,
    change: impl Fn(&str) -> String,
) -> Result<Signed, Fault> {
    let package = mime::unpack(message, None, &Limits::default()).unwrap();
    let text = change(&xml::decode(&package.root.bytes).unwrap().text);
    let came: Vec<Attachment<'_>> = package
        .parts
        .iter()
        .map(|p| Attachment { id: p.id.as_deref().unwrap_or_default(), bytes: &p.bytes })
        .collect();
    let attachments = instead.unwrap_or(&came);
    signed(&text, Shape::Ebxml, attachments, allowed, &Limits::default()).map(Option::unwrap)
}

/// The trust in a certificate at a moment, with these to build its chain from. Revocation is not asked for: the
/// certificates are old, and nobody answers for them any more.
fn trusted(certificate: &Arc<Certificate>, all: &[Arc<Certificate>], moment: &str) -> Arc<Trusted> {
    let is_root = |c: &&Arc<Certificate>| c.is_self_issued();
    let anchors = Anchors {
        roots: all.iter().filter(is_root).cloned().collect(),
        intermediates: all.iter().filter(|c| !is_root(c)).cloned().collect(),
        revocation: RevocationRule::IfOffered,
        test_mode: Some(TestMode::announced_loudly_by_the_caller()),
        ..Anchors::default()
    };
    let at: Timestamp = moment.parse().unwrap();
    let moment = Moment { at, now: at };
    let judged =
        anchors.judge(certificate, &[], Purpose::Signing, moment, &Evidence::default(), &Cache::default());
    judged.unwrap_or_else(|refusal| panic!("{}: {}", certificate.describe(), refusal.fault))
}

fn key_store(folder: &Path) -> Vec<Arc<Certificate>> {
    let bytes = std::fs::read(folder.join("nav/keystore/test_keystore2024.p12")).unwrap();
    certificates_from_pkcs12(&bytes, "123456789").unwrap()
}

/// The trust in the key of a certificate whose own CA may not be one by the rules (it does not say that it is a CA): the
/// key is certified anew.
fn vouched(certificate: &Certificate) -> Arc<Trusted> {
    let key = X509::from_der(&certificate.der).unwrap().public_key().unwrap();
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let ca_key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let issue = |name: &str, key: &PKeyRef<Public>, ca: bool| {
        let text = |name: &str| {
            let mut builder = X509Name::builder().unwrap();
            builder.append_entry_by_text("CN", name).unwrap();
            builder.build()
        };
        let mut usage = KeyUsage::new();
        let mut constraints = BasicConstraints::new();
        if ca {
            usage.key_cert_sign();
            constraints.critical().ca();
        } else {
            usage.non_repudiation();
        }
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder
            .set_serial_number(&BigNum::from_u32(1 + u32::from(ca)).unwrap().to_asn1_integer().unwrap())
            .unwrap();
        builder.set_subject_name(&text(name)).unwrap();
        builder.set_issuer_name(&text("Vouching Root")).unwrap();
        builder.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_unix(4_000_000_000).unwrap()).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.append_extension(constraints.build().unwrap()).unwrap();
        builder.append_extension(usage.critical().build().unwrap()).unwrap();
        builder.sign(&ca_key, MessageDigest::sha256()).unwrap();
        Certificate::from_der(&builder.build().to_der().unwrap()).unwrap()
    };
    let public = PKey::public_key_from_der(&ca_key.public_key_to_der().unwrap()).unwrap();
    let root = issue("Vouching Root", &public, true);
    trusted(&issue("Vouched", &key, false), &[root], "2026-01-15T09:00:00Z")
}

/// The one with this serial number.
fn numbered(certificates: &[Arc<Certificate>], serial: &str) -> Arc<Certificate> {
    Arc::clone(certificates.iter().find(|c| c.serial_hex() == serial).unwrap())
}

/// `samhandler-2024` and `nav_virksomhet`.
const PARTY: &str = "4c542acc70a2fa8eb63c90a74f5fefbcaba83e21";
const NAV: &str = "4c542acc70a2fa8eb63c90a74f5fefbcaba83e22";

/// Message, who signs, and what is wrong with it.
const SYNTHETIC: [(&str, &str, Option<Kind>); 18] = [
    ("01-payload-sha256", PARTY, None),
    ("02-payload-sha1", PARTY, None),
    ("03-payload-no-xpath-transform", PARTY, None),
    ("04-nextmsh-block-added-after-signing", PARTY, None),
    ("05-negative-unscoped-block-added", PARTY, Some(Kind::SignatureInvalid)),
    ("06-negative-header-tampered", PARTY, Some(Kind::SignatureInvalid)),
    ("07-negative-payload-tampered", PARTY, Some(Kind::SignatureInvalid)),
    ("08-negative-unsigned-second-payload", PARTY, Some(Kind::NotCovered)),
    // The part that came is not the one that was signed; where none came at all, see below.
    ("09-negative-missing-payload-part", PARTY, Some(Kind::NotCovered)),
    ("10-negative-signed-by-other-cert", PARTY, Some(Kind::SignatureInvalid)),
    ("11-two-payloads", PARTY, None),
    ("20-ack-for-01", NAV, None),
    ("21-ack-for-01-oasis-style-header-ref", NAV, None),
    ("22-negative-ack-digest-mismatch", NAV, None),
    ("30-error-securityfailure", NAV, None),
    ("31-warning-counts-as-delivered", NAV, None),
    ("40-ping", PARTY, None),
    ("41-pong-for-40", NAV, None),
];

#[test]
fn synthetic_messages_give_what_is_stated() {
    let Some(folder) = shared().map(|s| s.join("vectors/ebxml")) else { return };
    let certificates = key_store(&folder);
    for (name, serial, expected) in SYNTHETIC {
        let message = std::fs::read(folder.join(format!("synthetic/messages/{name}.msg"))).unwrap();
        let envelope = std::fs::read(folder.join(format!("synthetic/messages/{name}.envelope.xml"))).unwrap();
        assert_eq!(mime::unpack(&message, None, &Limits::default()).unwrap().root.bytes, envelope, "{name}");

        let own = numbered(&certificates, serial);
        if let Ok(signed) = read(&message, SHA1_TOO) {
            let names_own = signed.candidates.iter().any(|der| **der == *own.der);
            assert_eq!(names_own, !name.starts_with("10-"), "{name}");
        }
        let outcome =
            read_changed(&message, SHA1_TOO, None, without_key_info).and_then(|s| s.verify(&vouched(&own)));
        assert_eq!(outcome.as_ref().err().map(|f| f.kind), expected, "{name}: {outcome:?}");
        if let Ok(verified) = outcome {
            let covered = String::from_utf8(verified.into_inner()).unwrap();
            assert!(covered.starts_with("<SOAP:Envelope") && !covered.contains("<ds:Signature"), "{name}");
            assert!(!covered.contains("hop-1"), "{name}: what was added on the way is not covered");
        }
    }
}

#[test]
fn what_the_synthetic_messages_say_besides() {
    let Some(folder) = shared().map(|s| s.join("vectors/ebxml")) else { return };
    let certificates = key_store(&folder);
    let party = vouched(&numbered(&certificates, PARTY));
    let file = |name: &str| std::fs::read(folder.join(name)).unwrap();
    // SHA-1 is a matter of agreement.
    let message = file("synthetic/messages/02-payload-sha1.msg");
    let fault = read(&message, Allowed::default()).unwrap_err();
    assert_eq!(fault.kind, Kind::AlgorithmNotAllowed);
    // The missing part, supplied.
    let message = file("synthetic/messages/09-negative-missing-payload-part.msg");
    let payload = file("synthetic/cms/aes256-cbc.pkcs1.p7m");
    let text = String::from_utf8(message.clone()).unwrap();
    let id = text.split("URI=\"cid:").nth(1).unwrap().split('"').next().unwrap();
    let supplied = [Attachment { id, bytes: &payload }];
    let signed = read_changed(&message, Allowed::default(), Some(&supplied), without_key_info).unwrap();
    signed.verify(&party).unwrap();
    let fault = read_changed(&message, Allowed::default(), Some(&[]), str::to_owned).unwrap_err();
    assert_eq!(fault.kind, Kind::SignatureShape, "the signature covers what did not come");
    // The stranger's signature holds by itself, with the stranger's certificate, which is not the party's.
    let message = file("synthetic/messages/10-negative-signed-by-other-cert.msg");
    let signed = read(&message, Allowed::default()).unwrap();
    let stranger = signed.certificates();
    assert_eq!(signed.verify(&party).unwrap_err().kind, Kind::SignerUnknown);
    let signed = read_changed(&message, Allowed::default(), None, without_key_info).unwrap();
    signed.verify(&vouched(&stranger[0])).unwrap();
}

#[test]
fn real_messages_hold() {
    let Some(folder) = shared().map(|s| s.join("vectors/ebxml/nav")) else { return };
    let store = std::fs::read(folder.join("keystore/truststore_test.p12")).unwrap();
    let roots = certificates_from_pkcs12(&store, "123456789").unwrap();
    // An asynchronous message as mail: base64 envelope, CMS part.
    let file = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let stem = "oppgjor/2023_08_29T12_56_58_328";
    let message = file(&format!("{stem}.msg"));
    let package = mime::unpack(&message, None, &Limits::default()).unwrap();
    assert_eq!(package.root.bytes, file(&format!("{stem}.xml")));
    assert_eq!(package.parts.len(), 1);
    assert_eq!(package.parts[0].bytes, file(&format!("{stem}.p7m")));
    let own = Certificate::all_from(&file(&format!("{stem}.cer"))).unwrap();
    let signer = trusted(&own[0], &roots, "2023-08-29T10:56:58Z");
    let verified = read(&message, Allowed::default()).unwrap().verify(&signer).unwrap();
    assert!(verified.get().starts_with(b"<SOAP:Envelope"));

    // A synchronous query: no header fields of its own, SHA-1, no XPath transform, KeyValue behind the certificate.
    let message = file("sync/harBorgerEgenandelFritakRequest");
    assert_eq!(read(&message, Allowed::default()).unwrap_err().kind, Kind::AlgorithmNotAllowed);
    let signed = read(&message, SHA1_TOO).unwrap();
    let claimed = signed.certificates();
    let signer = trusted(&claimed[0], &roots, "2024-02-12T13:04:02Z");
    let verified = signed.verify(&signer).unwrap();
    let covered = String::from_utf8(verified.into_inner()).unwrap();
    assert!(covered.contains("SyncReply"), "without the XPath transform it is covered");
}

#[test]
fn signals_with_placeholders_for_signatures_are_refused() {
    let Some(folder) = shared().map(|s| s.join("vectors/ebxml/nav/signal")) else { return };
    for (name, expected) in [
        ("acknowledgment.xml", Some(Kind::SignatureShape)),
        ("payloadmessage.xml", Some(Kind::SignatureShape)),
        ("payloadmessage.cpa-repo.xml", Some(Kind::SignatureShape)),
        ("unsigned_document.xml", None),
    ] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let outcome = signed(&text, Shape::Ebxml, &[], SHA1_TOO, &Limits::default());
        match (outcome, expected) {
            (Ok(None), None) => {}
            (Err(fault), Some(kind)) => assert_eq!(fault.kind, kind, "{name}: {fault}"),
            (outcome, _) => panic!("{name}: {outcome:?}"),
        }
    }
}
