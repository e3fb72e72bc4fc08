//! The messages that fuzzing begins with, and that every test run plays back: `tests/fuzz/corpus/cms/`, with what
//! became of each in `cms-outcomes.txt` beside the folder. `UPDATE_CORPUS=1` makes all of it anew, with new keys.

use super::attacks_sealed as sealed;
use super::forge::{Forged, attribute, needed, own, third_party};
use super::*;
use crate::algorithm::{Digest, KeyTransport, SignatureAlgorithm};
use crate::cms::algorithms::{oid, write_digest, write_signature};
use crate::cms::seal::seal_by;
use crate::der;
use crate::keys::from_pkcs12;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// It guards nothing: the key is fictitious and opens only this corpus.
const PASSWORD: &str = "fuzz";

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "tests", "fuzz", "corpus"].iter().collect()
}

/// Whose the corpus is.
struct World {
    keys: KeyRing,
    signer: Arc<Trusted>,
}

impl World {
    fn read() -> Self {
        let read = |name: &str| std::fs::read(folder().join("cms-keys").join(name)).unwrap();
        let certificates: Vec<_> = ["signer.der", "issuing.der", "root.der"]
            .iter()
            .map(|name| Certificate::from_der(&read(name)).unwrap())
            .collect();
        Self {
            keys: ring(&from_pkcs12(&read("receiver.p12"), PASSWORD).unwrap()),
            signer: trusted(&certificates[0], &certificates, "2026-01-01T00:00:00Z"),
        }
    }

    /// What becomes of one file: opened or not, and then verified or not.
    fn outcome(&self, bytes: &[u8]) -> String {
        let opened = open(bytes, &self.keys, DEFAULT, &limits());
        let verify = |bytes: &[u8]| match signed(bytes, &limits()) {
            Err(fault) => format!("{:?}", fault.kind),
            Ok(read) => match read.verify(&self.signer, DEFAULT) {
                Err(fault) => format!("{:?}", fault.kind),
                Ok(verified) => {
                    assert_eq!(verified.get(), PAYLOAD);
                    "verified".to_owned()
                }
            },
        };
        match opened {
            Ok(opened) => format!("opened, {}", verify(&opened.content)),
            // Signed data that nobody sealed is no envelope.
            Err(fault) if fault.kind == Kind::CmsMalformed => verify(bytes),
            Err(fault) => format!("{:?}", fault.kind),
        }
    }
}

#[test]
fn the_corpus_ends_as_it_always_did() {
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        write();
    }
    let world = World::read();
    let mut outcomes = String::new();
    let mut files: Vec<_> =
        std::fs::read_dir(folder().join("cms")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let outcome = world.outcome(&std::fs::read(&file).unwrap());
        outcomes += &format!("{}: {outcome}\n", file.file_name().unwrap().to_string_lossy());
    }
    let file = folder().join("cms-outcomes.txt");
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        std::fs::write(&file, &outcomes).unwrap();
    }
    assert_eq!(outcomes, std::fs::read_to_string(&file).unwrap());
    assert!(outcomes.lines().count() >= 40);
    // Every kind of fault that this module has, and more than one good message.
    for kind in [
        Kind::CmsMalformed,
        Kind::CannotOpen,
        Kind::AlgorithmNotAllowed,
        Kind::SignatureInvalid,
        Kind::SignatureAmbiguous,
        Kind::SignerUnknown,
        Kind::OwnKeyMissing,
        Kind::LimitExceeded,
    ] {
        assert!(outcomes.contains(&format!("{kind:?}")), "{kind:?}");
    }
    assert!(outcomes.matches("verified").count() > 10);
}

/// Makes the corpus anew.
fn write() {
    let demo = Demo::shared();
    for name in ["cms", "cms-keys"] {
        std::fs::create_dir_all(folder().join(name)).unwrap();
    }
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder().join(name), bytes).unwrap();
    put("cms-keys/receiver.p12", &demo.receiver.sealing.pkcs12(PASSWORD).unwrap());
    put("cms-keys/signer.der", &own().certificate().der);
    put("cms-keys/issuing.der", &demo.issuing.certificate().der);
    put("cms-keys/root.der", &demo.root.certificate().der);
    for (name, bytes) in good().into_iter().chain(bad_envelopes()).chain(bad_signatures()) {
        put(&format!("cms/{name}"), &bytes);
    }
}

fn good() -> BTreeMap<&'static str, Vec<u8>> {
    let demo = Demo::shared();
    let (plain, attributes) = (sign_as_sender(PAYLOAD, false), sign_as_sender(PAYLOAD, true));
    let both = [&demo.sender.sealing, &demo.receiver.sealing].map(|pair| Arc::clone(pair.certificate()));
    let oaep = KeyTransport::RsaOaep { digest: Digest::Sha256, mask: Digest::Sha256 };
    let pss = SignatureAlgorithm::RsaPss(Digest::Sha384);
    let (_, bare) = content_info(&attributes).unwrap();
    let mut by_key_id = Forged::by(own(), PAYLOAD);
    by_key_id.signers[0].id = der::value(0x80, own().certificate().key_id.as_ref().unwrap());
    let mut no_certificate = Forged::by(own(), PAYLOAD);
    no_certificate.certificates.clear();
    BTreeMap::from([
        ("good-cbc", seal_for_receiver(&plain, ContentCipher::Aes256Cbc)),
        ("good-cbc-128", seal_for_receiver(&attributes, ContentCipher::Aes128Cbc)),
        ("good-gcm", seal_for_receiver(&attributes, ContentCipher::Aes256Gcm)),
        ("good-gcm-192", seal_for_receiver(&plain, ContentCipher::Aes192Gcm)),
        ("good-stream", mutation::as_stream(&seal_for_receiver(&attributes, ContentCipher::Aes256Cbc))),
        ("good-stream-gcm", mutation::as_stream(&seal_for_receiver(&plain, ContentCipher::Aes256Gcm))),
        ("good-two-recipients", seal(&plain, &both, ContentCipher::Aes256Cbc).unwrap()),
        ("good-oaep", seal_by(&plain, &both, ContentCipher::Aes256Gcm, oaep).unwrap()),
        ("good-signed-stream", mutation::as_stream(&attributes)),
        ("good-signed-bare", bare.raw.to_vec()),
        ("good-signed-pss", sign_with(PAYLOAD, &*own().private_key(), pss, None).unwrap()),
        ("good-signed-key-id", by_key_id.bytes()),
        ("good-signed-no-certificate", no_certificate.bytes()),
        ("good-signed", plain),
        ("good-signed-attributes", attributes),
    ])
}

fn bad_envelopes() -> BTreeMap<&'static str, Vec<u8>> {
    use sealed::{Forged, GARBAGE, recipient, recipient_with, wrapped};
    let plain = sign_as_sender(PAYLOAD, false);
    let gcm = |wrapped: &[u8]| Forged::new(ContentCipher::Aes256Gcm, wrapped);
    let key = wrapped(&[1; 32], KeyTransport::RsaPkcs1);
    let many = vec![recipient(KeyTransport::RsaPkcs1, &GARBAGE); 65];
    let mut tampered = seal_for_receiver(&plain, ContentCipher::Aes256Gcm);
    *tampered.last_mut().unwrap() ^= 1;
    let others: Vec<Vec<u8>> = (1..=4).map(|n| der::context(n, &der::unsigned(&[n]))).collect();
    let truncated = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() / 2);
        bytes
    };
    let des = der::sequence(&[&der::oid(&[0x2B, 0x0E, 3, 2, 7]), &der::octets(&[0; 8])]);
    let unknown = recipient_with(&der::sequence(&[&der::oid(&[0x2A, 3, 4])]), &GARBAGE);
    let sender = Arc::clone(Demo::shared().sender.sealing.certificate());
    let twice =
        seal_for_receiver(&seal_for_receiver(&plain, ContentCipher::Aes256Cbc), ContentCipher::Aes256Cbc);
    BTreeMap::from([
        ("bad-padding", gcm(&GARBAGE).bytes()),
        ("bad-key", gcm(&key).bytes()),
        ("bad-key-length", gcm(&wrapped(&[1; 16], KeyTransport::RsaPkcs1)).bytes()),
        ("bad-wrapped-length", gcm(&[1]).bytes()),
        ("bad-tag", tampered),
        ("bad-tag-length", Forged { tag: vec![0; 4], ..gcm(&key) }.bytes()),
        ("bad-kind-of-envelope", Forged { authenticated: false, ..gcm(&key) }.bytes()),
        ("bad-triple-des", seal_for_receiver(&plain, ContentCipher::TripleDesCbc)),
        ("bad-des", Forged { cipher: des, ..Forged::new(ContentCipher::Aes256Cbc, &key) }.bytes()),
        ("bad-key-transport", Forged { recipients: vec![unknown], ..gcm(&[]) }.bytes()),
        ("bad-many-recipients", Forged { recipients: many, ..gcm(&[]) }.bytes()),
        ("bad-no-recipients", Forged { recipients: Vec::new(), ..gcm(&[]) }.bytes()),
        ("bad-other-kinds-of-recipient", Forged { recipients: others, ..gcm(&[]) }.bytes()),
        ("bad-wrong-recipient", seal(&plain, &[sender], ContentCipher::Aes256Cbc).unwrap()),
        ("bad-not-signed", seal_for_receiver(PAYLOAD, ContentCipher::Aes256Cbc)),
        ("bad-sealed-twice", twice),
        ("bad-truncated", truncated(seal_for_receiver(&plain, ContentCipher::Aes256Cbc))),
        (
            "bad-truncated-stream",
            truncated(mutation::as_stream(&seal_for_receiver(&plain, ContentCipher::Aes256Cbc))),
        ),
        ("bad-nested", [0x30, 0x80].repeat(1000)),
        (
            "bad-nested-strings",
            [&[0x30, 0x80, 0x06, 0x01, 0x2A, 0xA0, 0x80][..], &[0x24, 0x80].repeat(1000)].concat(),
        ),
        ("bad-huge-length", [&[0x30, 0x88][..], &[0xFF; 8], &[0x06]].concat()),
        ("bad-xml", PAYLOAD.to_vec()),
    ])
}

fn bad_signatures() -> BTreeMap<&'static str, Vec<u8>> {
    let good = Forged::by(own(), PAYLOAD);
    let with = Forged::with(own(), PAYLOAD, needed(PAYLOAD));
    let changed = |base: &Forged, change: &dyn Fn(&mut Forged)| {
        let mut forged = base.clone();
        change(&mut forged);
        forged.bytes()
    };
    let third = Forged::by(&third_party().signing, PAYLOAD);
    let attributes = with.signers[0].attributes.clone().unwrap();
    let twice = [needed(PAYLOAD), needed(PAYLOAD)].concat();
    let more = [needed(PAYLOAD), vec![attribute(&[0x2A, 3, 4], &[der::unsigned(&[1])])]].concat();
    BTreeMap::from([
        ("bad-signed-content", changed(&good, &|f| f.content = Some(b"<other/>".to_vec()))),
        ("bad-signed-content-attributes", changed(&with, &|f| f.content = Some(b"<other/>".to_vec()))),
        ("bad-signed-detached", changed(&good, &|f| f.content = None)),
        (
            "bad-signed-attributes-as-content",
            changed(&with, &|f| {
                f.content = Some(attributes.clone());
                f.signers[0].attributes = None;
            }),
        ),
        ("bad-signed-attributes-removed", changed(&with, &|f| f.signers[0].attributes = None)),
        ("bad-signed-attributes-twice", Forged::with(own(), PAYLOAD, twice).bytes()),
        ("bad-signed-attributes-none", Forged::with(own(), PAYLOAD, Vec::new()).bytes()),
        ("good-signed-attributes-more", Forged::with(own(), PAYLOAD, more).bytes()),
        ("bad-signed-third-party", third.bytes()),
        ("bad-signed-twice", changed(&good, &|f| f.signers.extend(third.signers.clone()))),
        ("bad-signed-nobody", changed(&good, &|f| f.signers.clear())),
        ("bad-signed-many-certificates", changed(&good, &|f| f.certificates = vec![der::sequence(&[]); 33])),
        (
            "bad-signed-unannounced-hash",
            changed(&good, &|f| f.announced = Some(write_digest(Digest::Sha384))),
        ),
        ("bad-signed-other-hash", changed(&good, &|f| f.signers[0].digest = write_digest(Digest::Sha512))),
        (
            "bad-signed-kind-of-key",
            changed(&good, &|f| {
                f.signers[0].algorithm = write_signature(SignatureAlgorithm::Ecdsa(Digest::Sha256));
            }),
        ),
        (
            "bad-signed-sha1",
            sign_with(PAYLOAD, &*own().private_key(), SignatureAlgorithm::RsaPkcs1(Digest::Sha1), None)
                .unwrap(),
        ),
        (
            "bad-compressed",
            sign::wrapped(&[oid::AUTH_ENVELOPED_DATA.split_last().unwrap().1, &[9]].concat(), &[]),
        ),
    ])
}
