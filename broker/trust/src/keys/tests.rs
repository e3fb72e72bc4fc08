//! Keys read from files, ours and the shared ones, and what they do.

use super::*;
use crate::algorithm::Digest;
use crate::fault::Kind;
use crate::pki::demo::{Demo, valid};
use crate::pki::{Key, KeyKind, Profile};
use crate::shared;
use jiff::SignedDuration;
use openssl::rsa::Padding;

const COUNTERPARTY: &str = "XVNQ2QEL1PrREwVD";
const HELSENORGE: &str = "drQhrTUSKyQCHYoY";

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

#[test]
fn old_pkcs12_files_open() {
    for (file, password, non_repudiation) in [
        ("Counterparty_Encryption.p12", COUNTERPARTY, false),
        ("Counterparty_Signature.p12", COUNTERPARTY, true),
        ("Helsenorge_Encryption.p12", HELSENORGE, false),
        ("Helsenorge_Signature.p12", HELSENORGE, true),
    ] {
        let Some(bytes) = shared(&format!("helsenorge/{file}")) else { return };
        let key = from_pkcs12(&bytes, password).unwrap();
        let certificate = key.certificate();
        assert_eq!(certificate.organisation.map(|o| o.to_string()).as_deref(), Some("983544622"));
        let usage = certificate.usage.unwrap();
        assert_eq!((usage.non_repudiation, usage.key_encipherment), (non_repudiation, !non_repudiation));
        assert_eq!(certificate.policies, ["2.16.578.1.26.1.0.3.2"]);
        assert_eq!(key.chain().len(), 1, "the issuing CA, and not the root");
        assert!(key.chain()[0].signed(certificate));
        assert_eq!(certificates_from_pkcs12(&bytes, password).unwrap().len(), 3);
    }
}

#[test]
fn shared_key_stores_open() {
    for (file, certificates) in [("test_keystore2024.p12", 3), ("signering_keystore.p12", 1)] {
        let Some(bytes) = shared(&format!("ebxml/nav/keystore/{file}")) else { return };
        let key = from_pkcs12(&bytes, "123456789").unwrap();
        assert_eq!(certificates_from_pkcs12(&bytes, "123456789").unwrap().len(), certificates, "{file}");
        let signature = key.sign(key.default_algorithm(), b"data").unwrap();
        assert!(key.certificate().verifies(key.default_algorithm(), b"data", &signature));
        let all = all_from_pkcs12(&bytes, "123456789").unwrap();
        assert_eq!(all.len(), certificates, "{file}: each has its key");
        assert!(all.iter().any(|k| k.certificate().thumbprint == key.certificate().thumbprint));
        assert_eq!(all_from_pkcs12(&bytes, "1234567890").unwrap_err().kind, Kind::OwnKeyMissing);
    }
    let Some(bytes) = shared("ebxml/nav/keystore/truststore_test.p12") else { return };
    assert_eq!(certificates_from_pkcs12(&bytes, "123456789").unwrap().len(), 31);
    assert_eq!(from_pkcs12(&bytes, "123456789").unwrap_err().kind, Kind::OwnKeyMissing);
}

#[test]
fn a_wrong_password_is_told_without_it() {
    let pair = &Demo::shared().sender.signing;
    let p12 = pair.pkcs12("hemmelig-1").unwrap();
    assert_eq!(
        from_pkcs12(&p12, "hemmelig-1").unwrap().certificate().thumbprint,
        pair.certificate().thumbprint
    );
    assert_eq!(from_pkcs12(&p12, "hemmelig-1").unwrap().chain().len(), 1);
    let pem = pair.key().pem(Some("hemmelig-2")).unwrap();
    let der = pem_to_der(&pem);
    let certificate = &pair.certificate().der;
    for fault in [
        from_pkcs12(&p12, "feil-passord").unwrap_err(),
        from_pkcs12(b"no such file", "feil-passord").unwrap_err(),
        from_parts(&pem, Some("feil-passord"), certificate).unwrap_err(),
        from_parts(&pem, None, certificate).unwrap_err(),
        from_parts(&der, Some("feil-passord"), certificate).unwrap_err(),
        from_parts(&der, None, certificate).unwrap_err(),
        from_parts(&pem, Some(&"x".repeat(100_000)), certificate).unwrap_err(),
        from_pem(b"nothing", Some("feil-passord")).unwrap_err(),
    ] {
        let text = format!("{fault:?}");
        assert!(!text.contains("hemmelig") && !text.contains("feil-passord"), "{text}");
        assert!(matches!(fault.kind, Kind::OwnKeyMissing | Kind::CertificateMalformed), "{text}");
    }
    assert!(from_parts(&pem, Some("hemmelig-2"), certificate).is_ok());
    assert!(from_parts(&der, Some("hemmelig-2"), certificate).is_ok());
}

fn pem_to_der(pem: &[u8]) -> Vec<u8> {
    x509_parser::pem::Pem::iter_from_buffer(pem).next().unwrap().unwrap().contents
}

#[test]
fn pem_files_hold_key_and_chain_in_any_order() {
    let demo = Demo::shared();
    for kind in [KeyKind::Rsa2048, KeyKind::P256, KeyKind::P384] {
        let key = Key::generate(kind).unwrap();
        let profile = Profile::signing("Demo", demo.sender.number, valid());
        let pair = demo.issuing.issue(&profile, key).unwrap();
        let certificates = [demo.root.certificate(), demo.issuing.certificate(), pair.certificate()];
        let mut file: Vec<u8> = certificates.iter().flat_map(|c| c.x509.to_pem().unwrap()).collect();
        file.extend_from_slice(&pair.key().pem(None).unwrap());
        let read = from_pem(&file, None).unwrap();
        assert_eq!(read.certificate().thumbprint, pair.certificate().thumbprint);
        let chain: Vec<_> = read.chain().iter().map(|c| c.thumbprint).collect();
        assert_eq!(chain, [demo.issuing.certificate().thumbprint]);
        assert!(!format!("{read:?}").contains("PRIVATE"));
        let der = pem_to_der(&pair.key().pem(None).unwrap());
        assert!(from_parts(&der, None, &pair.certificate().der).is_ok());
        let fault = from_parts(&der, None, &demo.root.certificate().der).unwrap_err();
        assert!(fault.message.contains("None of the certificates"), "{fault}");
    }
}

#[test]
fn weak_keys_are_not_taken() {
    let demo = Demo::shared();
    for kind in [KeyKind::Rsa1024, KeyKind::P521] {
        let profile = Profile::signing("Demo", demo.sender.number, valid());
        let fault = demo.issuing.issue(&profile, Key::generate(kind).unwrap()).unwrap_err();
        assert_eq!(fault.kind, Kind::KeyWeak);
    }
}

#[test]
fn signatures_hold_with_every_algorithm_of_the_key() {
    let demo = Demo::shared();
    let profile = Profile::signing("Demo", demo.sender.number, valid());
    let ec = demo.issuing.issue(&profile, Key::generate(KeyKind::P384).unwrap()).unwrap();
    for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512] {
        let rsa = [SignatureAlgorithm::RsaPkcs1(digest), SignatureAlgorithm::RsaPss(digest)];
        for (pair, can, cannot) in [
            (&demo.sender.signing, &rsa[..], &[SignatureAlgorithm::Ecdsa(digest)][..]),
            (&ec, &[SignatureAlgorithm::Ecdsa(digest)], &rsa),
        ] {
            let (key, certificate) = (pair.private_key(), pair.certificate());
            for &algorithm in can {
                let signature = key.sign(algorithm, b"what is signed").unwrap();
                assert!(certificate.verifies(algorithm, b"what is signed", &signature));
                assert!(!certificate.verifies(algorithm, b"what is not", &signature));
                assert!(!certificate.verifies(algorithm, b"what is signed", &[]));
                assert!(!demo.receiver.signing.certificate().verifies(
                    algorithm,
                    b"what is signed",
                    &signature
                ));
            }
            for &algorithm in cannot {
                assert_eq!(key.sign(algorithm, b"data"), Err(KeyFailed));
                assert!(!certificate.verifies(algorithm, b"data", &[1; 256]));
            }
        }
    }
}

#[test]
fn content_keys_are_unwrapped_and_padding_faults_are_not_told() {
    let pair = &Demo::shared().receiver.sealing;
    let key = pair.private_key();
    let rsa = pair.certificate().key.rsa().unwrap();
    let mut wrapped = vec![0; 256];
    rsa.public_encrypt(&[7; 32], &mut wrapped, Padding::PKCS1).unwrap();
    assert_eq!(key.unwrap_key(KeyTransport::RsaPkcs1, &wrapped).unwrap().as_slice(), [7; 32]);
    // Rejected implicitly: bytes that are the same each time and not the key, never an error of its own.
    wrapped[100] ^= 1;
    let first = key.unwrap_key(KeyTransport::RsaPkcs1, &wrapped).unwrap();
    assert_eq!(first, key.unwrap_key(KeyTransport::RsaPkcs1, &wrapped).unwrap());
    assert_ne!(first.as_slice(), [7; 32]);

    rsa.public_encrypt(&[8; 32], &mut wrapped, Padding::PKCS1_OAEP).unwrap();
    let oaep = |digest, mask| KeyTransport::RsaOaep { digest, mask };
    let sha1 = oaep(Digest::Sha1, Digest::Sha1);
    assert_eq!(key.unwrap_key(sha1, &wrapped).unwrap().as_slice(), [8; 32]);
    assert_eq!(key.unwrap_key(oaep(Digest::Sha256, Digest::Sha1), &wrapped), Err(KeyFailed));
    assert_eq!(key.unwrap_key(sha1, b"short"), Err(KeyFailed));
}

#[test]
fn the_newest_valid_key_signs() {
    let demo = Demo::shared();
    let days = |n: i64| SignedDuration::from_hours(24 * n);
    let with = |from: i64, to: i64| {
        let profile = Profile::signing("Demo", demo.sender.number, (now() + days(from), now() + days(to)));
        demo.issuing.issue(&profile, Key::generate(KeyKind::P256).unwrap()).unwrap()
    };
    let (old, new, future, over) = (with(-700, 20), with(-10, 1000), with(10, 1100), with(-900, -1));
    let keys = [&old, &new, &future, &over, &demo.sender.sealing].map(|pair| pair.private_key());
    let ring = KeyRing::new(keys.to_vec());
    let signs = |ring: &KeyRing| ring.signing(now()).map(|k| k.certificate().thumbprint);
    assert_eq!(signs(&ring), Some(new.certificate().thumbprint));
    assert_eq!(signs(&KeyRing::new(vec![demo.sender.sealing.private_key()])), None);
    assert_eq!(signs(&KeyRing::default()), None);

    let sealing = demo.sender.sealing.certificate();
    let id = CertificateId::IssuerAndSerial(sealing.issuer_der.clone(), sealing.serial.clone());
    let found: Vec<_> = ring.decrypting(&id).map(|k| k.certificate().thumbprint).collect();
    assert_eq!(found, [sealing.thumbprint]);
    let id = CertificateId::KeyId(sealing.key_id.clone().unwrap());
    assert_eq!(ring.decrypting(&id).count(), 1);
}

#[test]
fn what_runs_out_is_told_by_level() {
    let demo = Demo::shared();
    let ends = |seconds: i64| {
        let to = now() + SignedDuration::from_secs(seconds);
        let profile =
            Profile::signing("Demo", demo.sender.number, ("2020-01-01T00:00:00Z".parse().unwrap(), to));
        demo.issuing.certify(&profile, demo.sender.signing.key()).unwrap()
    };
    const DAY: i64 = 86_400;
    let all = [61 * DAY, 60 * DAY - 1, 30 * DAY, 30 * DAY - 1, 7 * DAY, 7 * DAY - 1, 0, -1].map(ends);
    let told: Vec<_> = expiring(&all, now()).into_iter().map(|(_, level, days)| (level, days)).collect();
    assert_eq!(
        told,
        [
            (Expiry::Over, -1),
            (Expiry::Within7Days, 0),
            (Expiry::Within7Days, 6),
            (Expiry::Within30Days, 7),
            (Expiry::Within30Days, 29),
            (Expiry::Within60Days, 30),
            (Expiry::Within60Days, 59),
        ]
    );
}
