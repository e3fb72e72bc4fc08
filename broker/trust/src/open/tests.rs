//! Whole messages: the shared vectors, opened from the outside to the inside.

use super::*;
use crate::chain::TestMode;
use crate::keys::{certificates_from_pkcs12, from_pkcs12};
use crate::pki::KeyKind;
use crate::pki::demo::Demo;
use crate::shared;

const COUNTERPARTY: &str = "XVNQ2QEL1PrREwVD";
const HELSENORGE: &str = "drQhrTUSKyQCHYoY";

fn file(name: &str) -> Option<Vec<u8>> {
    shared(&format!("helsenorge/{name}"))
}

/// What one of the two parties of the vectors has, and how it opens.
struct Party {
    keys: KeyRing,
    anchors: Anchors,
    directory: Directory,
}

impl Party {
    fn new(name: &str, password: &str) -> Option<Self> {
        let mut keys = Vec::new();
        for use_ in ["Encryption", "Signature"] {
            keys.push(from_pkcs12(&file(&format!("{name}_{use_}.p12"))?, password).unwrap());
        }
        let all = [("Counterparty", COUNTERPARTY), ("Helsenorge", HELSENORGE)].map(|(name, password)| {
            certificates_from_pkcs12(&file(&format!("{name}_Signature.p12")).unwrap(), password).unwrap()
        });
        let (cas, ends): (Vec<_>, Vec<_>) = all.into_iter().flatten().partition(|c| c.is_ca);
        let (roots, intermediates) = cas.into_iter().partition(|c| c.is_self_issued());
        // No revocation answers of then are left.
        let test_mode = Some(TestMode::announced_loudly_by_the_caller());
        let policies = vec!["2.16.578.1.26.1.0.3.2".into()];
        let anchors = Anchors { roots, intermediates, policies, test_mode, ..Anchors::default() };
        Some(Self { keys: KeyRing::new(keys), anchors, directory: Directory::new(ends) })
    }

    /// `Ok` with the payload, or the kind of the fault and whether anything could be read without proof.
    fn open(&self, name: &str, allowed: Allowed, at: &str) -> Result<Vec<u8>, (Kind, bool)> {
        let (bytes, limits) = (file(name).unwrap(), Limits::default());
        let at: Timestamp = at.parse().unwrap();
        let context = Context {
            keys: &self.keys,
            anchors: &self.anchors,
            evidence: &Evidence::default(),
            cache: &Cache::default(),
            directory: &self.directory,
            second: None,
            allowed,
            moment: Moment { at, now: at },
            under_way: SignedDuration::ZERO,
            limits: &limits,
        };
        match open(&bytes, &context) {
            Ok(opened) => Ok(opened.payload().to_vec()),
            Err(refused) => Err((refused.fault.kind, refused.unverified.is_some())),
        }
    }
}

const THEN: &str = "2015-06-01T00:00:00Z";
const NONE: Allowed = Allowed { sha1: false, triple_des: false };
const ALL: Allowed = Allowed { sha1: true, triple_des: true };

#[test]
fn shared_messages_are_opened_as_their_readme_says() {
    let Some(counterparty) = Party::new("Counterparty", COUNTERPARTY) else { return };
    let payload = file("payload_DIALOG_INNBYGGER_EKONTAKT.xml").unwrap();
    for name in [
        "noattr.aes256.p7m",
        "aes256.p7m",
        "chain.aes256.p7m",
        "ber-stream.p7m",
        "two_recipients.p7m",
        "ski.aes256.p7m",
        "oaep.aes256.p7m",
        "signed.der",
    ] {
        let name = format!("helsenorge_to_counterparty.{name}");
        assert!(counterparty.open(&name, NONE, THEN).as_ref() == Ok(&payload), "{name}");
        // Their certificates are over now.
        let late = counterparty.open(&name, NONE, "2026-06-01T00:00:00Z");
        assert_eq!(late, Err((Kind::CertificateExpired, true)), "{name}");
    }
    for old in ["helsenorge_to_counterparty.3des.p7m", "legacy_sha1_digest.p7m"] {
        let refused = counterparty.open(old, NONE, THEN).map_err(|(kind, _)| kind);
        assert_eq!(refused, Err(Kind::AlgorithmNotAllowed), "{old}");
        assert!(counterparty.open(old, ALL, THEN).as_ref() == Ok(&payload), "{old}");
    }
    let helsenorge = Party::new("Helsenorge", HELSENORGE).unwrap();
    let back = helsenorge.open("counterparty_to_helsenorge.noattr.aes256.p7m", NONE, THEN);
    assert!(back.as_ref() == Ok(&payload));
}

#[test]
fn shared_faults_are_what_their_readme_says() {
    let Some(counterparty) = Party::new("Counterparty", COUNTERPARTY) else { return };
    for (name, expected) in [
        ("neg_wrong_recipient", (Kind::OwnKeyMissing, false)),
        ("neg_tampered_content", (Kind::SignatureInvalid, true)),
        ("neg_detached_signature", (Kind::CmsMalformed, false)),
        ("neg_truncated", (Kind::CmsMalformed, false)),
    ] {
        assert_eq!(counterparty.open(&format!("{name}.p7m"), NONE, THEN), Err(expected), "{name}");
    }
    // Good by themselves: who signed, and whether that was needed, is held against the agreement with the sender.
    for name in ["neg_wrong_signer", "neg_encrypted_not_signed", "neg_no_embedded_cert"] {
        assert!(counterparty.open(&format!("{name}.p7m"), NONE, THEN).is_ok(), "{name}");
    }
    // Without the certificate from the registry nobody knows whose signature it is.
    let stranger = Party { directory: Directory::default(), ..counterparty };
    let unknown = stranger.open("neg_no_embedded_cert.p7m", NONE, THEN);
    assert_eq!(unknown, Err((Kind::SignerUnknown, true)));
}

/// What opening a document of our own fictitious region rests on.
struct Region {
    demo: Demo,
    cache: Cache,
}

impl Region {
    fn open(&self, document: &str, evidence: &Evidence, at: Timestamp) -> Result<Arc<Trusted>, Kind> {
        let (anchors, limits) = (self.demo.anchors(), Limits::default());
        let context = Context {
            keys: &KeyRing::default(),
            anchors: &anchors,
            evidence,
            cache: &self.cache,
            directory: &Directory::default(),
            second: None,
            allowed: NONE,
            moment: Moment { at, now: at },
            under_way: SignedDuration::ZERO,
            limits: &limits,
        };
        let opened = open(document.as_bytes(), &context).map_err(|refused| refused.fault.kind)?;
        let proof = opened.proof(Form::XmlDsig).expect("it is signed");
        Ok(Arc::clone(&proof.signer))
    }
}

/// A signer who is known is not read again, and is held to as much as before: by the document, and by what is known of
/// revocation since.
#[test]
fn a_document_of_a_known_signer_is_checked_as_the_first_one() {
    let demo = Demo::new(KeyKind::P256).expect("a fictitious region");
    let at: Timestamp = "2026-03-02T09:30:00Z".parse().unwrap();
    let (good, revoked) = (demo.evidence(at, &[]), demo.evidence(at, &[demo.sender.signing.certificate()]));
    let key = demo.sender.signing.private_key();
    let region = Region { demo, cache: Cache::default() };
    let options = xmldsig::Options {
        shape: Shape::Enveloped,
        canonical: xmldsig::Canonical::default(),
        algorithm: None,
    };
    let sign =
        |text: &str| xmldsig::sign(text, &*key, &options, &[], &Limits::default()).expect("the key signs");
    let (first, second) = (sign("<Message>Number 1</Message>"), sign("<Message>Number 2</Message>"));

    let signer = region.open(&first, &good, at).expect("it is to be trusted");
    let again = region.open(&second, &good, at).expect("it is to be trusted");
    assert!(Arc::ptr_eq(&signer, &again), "the judgement of the first holds for the second");
    let refused = |document: &str, evidence| region.open(document, evidence, at).map(drop);
    assert_eq!(refused(&second.replace("Number 2", "Number 1"), &good), Err(Kind::SignatureInvalid));
    assert_eq!(refused(&second, &revoked), Err(Kind::CertificateRevoked));
}
