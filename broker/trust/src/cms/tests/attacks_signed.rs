//! Signed data from people who mean no good.

use super::forge::{Forged, RSA_SHA256, attribute, needed, own, third_party};
use super::*;
use crate::algorithm::{Digest, SignatureAlgorithm};
use crate::certificate::KeyUsage;
use crate::cms::algorithms::{oid, write_digest, write_signature};
use crate::cms::sign::issuer_and_serial;
use crate::der;
use crate::pki::{Authority, Key, KeyKind, Profile, demo};

#[test]
fn the_forge_makes_good_ones_too() {
    assert_eq!(verify_sender(&Forged::by(own(), PAYLOAD).bytes()).unwrap().get(), PAYLOAD);
    let forged = Forged::with(own(), PAYLOAD, needed(PAYLOAD));
    assert_eq!(verify_sender(&forged.bytes()).unwrap().get(), PAYLOAD);
    assert_eq!(verify_sender(&mutation::as_stream(&forged.bytes())).unwrap().get(), PAYLOAD);
}

#[test]
fn another_content_than_the_signed_one_is_refused() {
    let other = b"<MsgHead>another one</MsgHead>";
    for mut forged in [Forged::by(own(), PAYLOAD), Forged::with(own(), PAYLOAD, needed(PAYLOAD))] {
        forged.content = Some(other.to_vec());
        assert_eq!(forged.kind(), Kind::SignatureInvalid);
        forged.content = Some(Vec::new());
        assert_eq!(forged.kind(), Kind::SignatureInvalid);
        forged.content = None;
        assert_eq!(forged.kind(), Kind::CmsMalformed);
        forged.content = Some(PAYLOAD.to_vec());
        forged.content_type = oid::SIGNED_DATA;
        assert_eq!(forged.kind(), Kind::CmsMalformed);
    }
    // A valid signature, whole, beside the content of another message.
    let mut forged = Forged::by(own(), other);
    forged.signers = Forged::by(own(), PAYLOAD).signers;
    assert_eq!(forged.kind(), Kind::SignatureInvalid);
    // The digest made to fit the other content: then the attributes are not the signed ones.
    let mut forged = Forged::with(own(), PAYLOAD, needed(PAYLOAD));
    forged.content = Some(other.to_vec());
    forged.signers[0].attributes = Some(der::set_of(needed(other)));
    assert_eq!(forged.kind(), Kind::SignatureInvalid);
}

#[test]
fn signed_attributes_are_no_content() {
    // Whoever has a signature over attributes has one over their bytes: the same signature, shown without attributes
    // over a content that is the attributes.
    let genuine = Forged::with(own(), PAYLOAD, needed(PAYLOAD));
    let set = genuine.signers[0].attributes.clone().unwrap();
    let mut forged = genuine.clone();
    forged.content = Some(set.clone());
    forged.signers[0].attributes = None;
    let signature = &forged.signers[0].signature;
    assert!(own().certificate().verifies(RSA_SHA256, &set, signature), "it holds, as far as arithmetic goes");
    let fault = verify_sender(&forged.bytes()).unwrap_err();
    assert_eq!(fault.kind, Kind::SignatureInvalid);
    assert!(fault.message.contains("attributes of another signature"), "{fault}");
    // We do not make what we refuse.
    assert_eq!(sign(&set, &*own().private_key(), None).unwrap_err().kind, Kind::CannotSeal);

    // The other way: attributes taken away, or added to a signature that has none.
    let mut forged = genuine;
    forged.signers[0].attributes = None;
    assert_eq!(forged.kind(), Kind::SignatureInvalid);
    let mut forged = Forged::by(own(), PAYLOAD);
    forged.signers[0].attributes = Some(set);
    assert_eq!(forged.kind(), Kind::SignatureInvalid);
}

#[test]
fn attributes_must_say_each_thing_once() {
    let [content_type, digest] = <[Vec<u8>; 2]>::try_from(needed(PAYLOAD)).unwrap();
    let hash = der::octets(&openssl::sha::sha256(PAYLOAD));
    let data = der::oid(oid::DATA);
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("none at all", vec![]),
        ("no digest", vec![content_type.clone()]),
        ("no type", vec![digest.clone()]),
        ("two digests", vec![content_type.clone(), digest.clone(), digest.clone()]),
        ("two types", vec![content_type.clone(), content_type.clone(), digest.clone()]),
        ("two values", vec![content_type.clone(), attribute(oid::MESSAGE_DIGEST, &[hash.clone(), hash])]),
        ("no value", vec![content_type.clone(), attribute(oid::MESSAGE_DIGEST, &[])]),
        ("two types in one", vec![attribute(oid::CONTENT_TYPE, &[data.clone(), data]), digest.clone()]),
        ("another type", vec![attribute(oid::CONTENT_TYPE, &[der::oid(oid::SIGNED_DATA)]), digest.clone()]),
        (
            "a digest that is a number",
            vec![content_type.clone(), attribute(oid::MESSAGE_DIGEST, &[der::unsigned(&[1])])],
        ),
        ("a thing that is no attribute", vec![content_type.clone(), digest.clone(), der::unsigned(&[1])]),
    ];
    for (what, attributes) in cases {
        assert_eq!(Forged::with(own(), PAYLOAD, attributes).kind(), Kind::CmsMalformed, "{what}");
    }
    for (what, attributes) in [
        ("an empty digest", vec![content_type.clone(), attribute(oid::MESSAGE_DIGEST, &[der::octets(&[])])]),
        (
            "half a digest",
            vec![
                content_type.clone(),
                attribute(oid::MESSAGE_DIGEST, &[der::octets(&openssl::sha::sha256(PAYLOAD)[..16])]),
            ],
        ),
    ] {
        assert_eq!(Forged::with(own(), PAYLOAD, attributes).kind(), Kind::SignatureInvalid, "{what}");
    }
    // One that we do not know is covered, and changes nothing.
    let mut more = vec![content_type, digest, attribute(&[0x2A, 3, 4], &[der::unsigned(&[1])])];
    assert!(verify_sender(&Forged::with(own(), PAYLOAD, more.clone()).bytes()).is_ok());
    // Huge or deep ones are not even put in order.
    let deep = (0..30).fold(der::unsigned(&[1]), |inner, _| der::sequence(&[&inner]));
    more[2] = attribute(&[0x2A, 3, 4], &[deep]);
    assert_eq!(Forged::with(own(), PAYLOAD, more.clone()).kind(), Kind::CmsMalformed);
    more[2] = attribute(&[0x2A, 3, 4], &[der::octets(&vec![0; 100_000])]);
    assert_eq!(Forged::with(own(), PAYLOAD, more).kind(), Kind::CmsMalformed);
}

#[test]
fn another_signer_is_refused_however_trusted() {
    let third = third_party();
    let forged = Forged::by(&third.signing, PAYLOAD);
    let fault = verify_sender(&forged.bytes()).unwrap_err();
    assert_eq!(fault.kind, Kind::SignerUnknown);
    assert!(fault.message.contains(&third.signing.certificate().serial_hex()), "{fault}");
    assert!(fault.certificate.is_some());
    // Its signature is good; whether it may sign for this sender is another question.
    let read =
        signed(&forged.bytes(), &limits()).map(|s| s.verify(&of_demo(third.signing.certificate()), DEFAULT));
    assert_eq!(read.unwrap().unwrap().get(), PAYLOAD);

    // It calls itself the sender, by name or by the sender's certificate beside it.
    let mut forged = forged;
    forged.signers[0].id = issuer_and_serial(own().certificate());
    assert_eq!(forged.kind(), Kind::SignatureInvalid);
    forged.certificates = vec![own().certificate().der.to_vec()];
    assert_eq!(forged.kind(), Kind::SignatureInvalid);
    let id = der::value(0x80, own().certificate().key_id.as_ref().unwrap());
    forged.signers[0].id = id;
    assert_eq!(forged.kind(), Kind::SignatureInvalid);
}

#[test]
fn an_issuer_that_is_spelt_in_another_way_is_the_same_one() {
    // UTF8String becomes PrintableString, as some libraries write names anew.
    let mut forged = Forged::by(own(), PAYLOAD);
    let id = &mut forged.signers[0].id;
    let mut changed = 0;
    for at in 5..id.len() {
        if id[at] == 0x0C && id[at - 5..at - 1] == [0x06, 0x03, 0x55, 0x04] {
            id[at] = 0x13;
            changed += 1;
        }
    }
    assert!(changed > 0);
    let bytes = forged.bytes();
    let read = signed(&bytes, &limits()).unwrap();
    assert!(read.claimed_der().is_none());
    assert_eq!(read.claimed().unwrap().thumbprint, own().certificate().thumbprint);
    assert_eq!(read.verify(&sender(), DEFAULT).unwrap().get(), PAYLOAD);

    // Another issuer with the same serial number is another one.
    let other = der::sequence(&[
        Demo::shared().root.certificate().issuer_der.as_slice(),
        &der::unsigned(&own().certificate().serial),
    ]);
    forged.signers[0].id = other;
    assert_eq!(forged.kind(), Kind::SignerUnknown);
}

#[test]
fn a_certificate_with_the_same_name_and_number_is_not_the_senders() {
    // A CA with the same names issues until the number fits: here the name is enough, for the number is the attacker's
    // to choose. What is claimed is the attacker's certificate, and no root leads to it.
    let false_ca = Authority::root(
        &Profile::root("Example Root CA", demo::valid()),
        Key::generate(KeyKind::Rsa2048).unwrap(),
    )
    .unwrap();
    let profile = Profile::signing("Example Hospital", demo::SENDER.parse().unwrap(), demo::valid());
    let pair = false_ca.issue(&profile, Key::generate(KeyKind::Rsa2048).unwrap()).unwrap();
    let mut forged = Forged::by(&pair, PAYLOAD);
    let read = signed(&forged.bytes(), &limits()).map(|s| s.claimed().unwrap().thumbprint);
    assert_eq!(read.unwrap(), pair.certificate().thumbprint);
    assert_eq!(forged.kind(), Kind::SignerUnknown);
    // With the sender's name on the signature the sender's key decides, whatever else came along.
    forged.signers[0].id = issuer_and_serial(own().certificate());
    forged.certificates.insert(0, own().certificate().der.to_vec());
    assert_eq!(forged.kind(), Kind::SignatureInvalid);
}

#[test]
fn a_certificate_that_was_judged_for_sealing_verifies_nothing() {
    // One certificate for both uses, as old ones are: each use is judged by itself.
    let demo = Demo::shared();
    let mut profile = Profile::signing("Example Hospital", demo::SENDER.parse().unwrap(), demo::valid());
    profile.usage = profile.usage.map(|usage| KeyUsage { key_encipherment: true, ..usage });
    let both = demo.issuing.issue(&profile, Key::generate(KeyKind::Rsa2048).unwrap()).unwrap();
    let bytes = Forged::by(&both, PAYLOAD).bytes();
    let verify = |purpose| {
        let trusted = judged(both.certificate(), &above(), purpose, "2026-01-01T00:00:00Z");
        signed(&bytes, &limits()).unwrap().verify(&trusted, DEFAULT)
    };
    assert!(verify(Purpose::Signing).is_ok());
    assert_eq!(verify(Purpose::Sealing).unwrap_err().kind, Kind::CertificateUsage);
}

#[test]
fn there_is_one_signature() {
    let good = Forged::by(own(), PAYLOAD);
    let third = third_party();
    let mut several = good.clone();
    several.signers.extend(Forged::by(&third.signing, PAYLOAD).signers);
    assert_eq!(several.kind(), Kind::SignatureAmbiguous);
    several.signers = vec![good.signers[0].clone(); 10_000];
    assert_eq!(several.kind(), Kind::SignatureAmbiguous);
    several.signers.clear();
    assert_eq!(several.kind(), Kind::CmsMalformed);
}

#[test]
fn many_certificates_cost_nothing() {
    let mut forged = Forged::by(own(), PAYLOAD);
    forged.certificates = vec![forged.certificates[0].clone(); 10_000];
    assert_eq!(forged.kind(), Kind::LimitExceeded);
    forged.certificates.truncate(32);
    assert!(verify_sender(&forged.bytes()).is_ok());
    // Certificates that are none are passed over until somebody asks for them.
    forged.certificates = vec![der::sequence(&[b"\x02\x01\x01"]), der::context(1, &[]), der::octets(b"x")];
    let bytes = forged.bytes();
    let read = signed(&bytes, &limits()).unwrap();
    assert!(read.claimed().is_none() && read.certificates().is_empty());
    assert!(read.verify(&sender(), DEFAULT).is_ok());
}

#[test]
fn weak_and_contradicting_algorithms_are_refused_by_name() {
    let pkcs1 =
        |last: u8| der::sequence(&[&der::oid(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, last]), der::NULL]);
    let md5 = der::sequence(&[&der::oid(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 2, 5]), der::NULL]);
    let cases: Vec<(&str, Vec<u8>, Vec<u8>)> = vec![
        ("hash is MD5", md5, pkcs1(1)),
        ("RSA with MD5", write_digest(Digest::Sha256), pkcs1(4)),
        ("two different hashes", write_digest(Digest::Sha256), pkcs1(13)),
        ("two different hashes", write_digest(Digest::Sha512), pkcs1(11)),
        ("two different hashes", write_digest(Digest::Sha256), pkcs1(5)),
        (
            "DSA",
            write_digest(Digest::Sha256),
            der::sequence(&[&der::oid(&[0x2A, 0x86, 0x48, 0xCE, 0x38, 4, 3])]),
        ),
        (
            "two different hashes",
            write_digest(Digest::Sha256),
            write_signature(SignatureAlgorithm::RsaPss(Digest::Sha384)),
        ),
    ];
    for (what, digest, algorithm) in cases {
        let mut forged = Forged::by(own(), PAYLOAD);
        forged.signers[0].digest = digest;
        forged.signers[0].algorithm = algorithm;
        let fault = verify_sender(&forged.bytes()).unwrap_err();
        assert_eq!(fault.kind, Kind::AlgorithmNotAllowed, "{what}: {fault}");
        assert!(fault.message.contains(what), "{what}: {fault}");
    }
    // The hash in front is another one.
    let mut forged = Forged::by(own(), PAYLOAD);
    for (announced, good) in [(Digest::Sha512, false), (Digest::Sha256, true)] {
        forged.announced = Some(write_digest(announced));
        assert_eq!(verify_sender(&forged.bytes()).is_ok(), good);
    }
    // An algorithm that the key is not for.
    let mut forged = Forged::by(own(), PAYLOAD);
    forged.signers[0].algorithm = write_signature(SignatureAlgorithm::Ecdsa(Digest::Sha256));
    assert_eq!(forged.kind(), Kind::SignatureInvalid);
    // PSS: its mask with another hash, a salt that no key has room for, another salt than the real one.
    let good =
        sign_with(PAYLOAD, &*own().private_key(), SignatureAlgorithm::RsaPss(Digest::Sha256), None).unwrap();
    assert!(verify_sender(&good).is_ok());
    let salt = der::context(2, &der::unsigned(&[32]));
    let at = good.windows(salt.len()).position(|window| window == salt).unwrap() + salt.len() - 1;
    for (length, kind) in
        [(31, Kind::SignatureInvalid), (0, Kind::SignatureInvalid), (0x80, Kind::CmsMalformed)]
    {
        let mut other = good.clone();
        other[at] = length;
        assert_eq!(verify_sender(&other).unwrap_err().kind, kind, "{length}");
    }
    // SHA-1 only by leave, in each place where it can stand.
    for at in [None, Some("2026-01-01T00:00:00Z".parse().unwrap())] {
        let algorithm = SignatureAlgorithm::RsaPkcs1(Digest::Sha1);
        let bytes = sign_with(PAYLOAD, &*own().private_key(), algorithm, at).unwrap();
        assert_eq!(verify_sender(&bytes).unwrap_err().kind, Kind::AlgorithmNotAllowed);
        assert!(signed(&bytes, &limits()).unwrap().verify(&sender(), LEGACY).is_ok());
    }
}

#[test]
fn a_tampered_message_never_yields_another_content() {
    for with_attributes in [false, true] {
        let bytes = sign_as_sender(PAYLOAD, with_attributes);
        let mut refused = 0;
        for at in 0..bytes.len() {
            for bit in [at % 8, (at + 3) % 8] {
                let mut tampered = bytes.clone();
                tampered[at] ^= 1 << bit;
                match verify_sender(&tampered) {
                    Ok(verified) => assert_eq!(verified.get(), PAYLOAD, "byte {at}"),
                    Err(_) => refused += 1,
                }
            }
        }
        // What came along as certificates proves nothing, so changes there change nothing.
        assert!(refused > 500, "{refused}");
    }
}

#[test]
fn a_truncated_message_is_malformed_at_every_byte() {
    let bytes = sign_as_sender(PAYLOAD, true);
    for bytes in [bytes.clone(), mutation::as_stream(&bytes)] {
        assert!(verify_sender(&bytes).is_ok());
        for length in 0..bytes.len() {
            let fault = verify_sender(&bytes[..length]).unwrap_err();
            assert_eq!(fault.kind, Kind::CmsMalformed, "{length}");
        }
        assert_eq!(verify_sender(&[&bytes[..], &[0]].concat()).unwrap_err().kind, Kind::CmsMalformed);
    }
}

#[test]
fn faults_say_nothing_of_the_content() {
    let mut forged = Forged::by(own(), PAYLOAD);
    forged.signers[0].signature[0] ^= 1;
    let bytes = forged.bytes();
    let read = signed(&bytes, &limits()).unwrap();
    assert!(!format!("{read:?}").contains("77, 115, 103"), "the content's bytes");
    let fault = verify_sender(&bytes).unwrap_err();
    assert!(!format!("{fault:?}").contains("Msg"), "{fault:?}");
}
