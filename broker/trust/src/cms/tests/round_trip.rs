//! What we write, we read.

use super::*;
use crate::algorithm::{Digest, KeyTransport};
use crate::cms::seal::seal_by;
use crate::pki::{Crl, Key, KeyKind, Profile, demo};

#[test]
fn a_message_goes_and_arrives() {
    for with_attributes in [false, true] {
        let sealed = seal_for_receiver(&sign_as_sender(PAYLOAD, with_attributes), ContentCipher::default());
        assert!(looks_like(&sealed));
        let opened = open_as_receiver(&sealed).unwrap();
        assert_eq!(opened.key.thumbprint, Demo::shared().receiver.sealing.certificate().thumbprint);
        let read = signed(&opened.content, &limits()).unwrap();
        assert_eq!(read.signed_at.map(|at| at.to_string()).is_some(), with_attributes);
        assert_eq!(read.embedded().len(), 2, "signer and issuing CA, not the root");
        assert_eq!(read.claimed_thumbprint(), Some(sender().certificate().thumbprint));
        let verified = read.verify(&sender(), DEFAULT).unwrap();
        assert_eq!(verified.get(), PAYLOAD);
        assert_eq!(verified.proof().form, crate::verified::Form::Cms);
    }
}

#[test]
fn every_cipher_and_size_comes_back() {
    let blocks: Vec<u8> = (0..=255).cycle().take(20_000).collect();
    for cipher in [
        ContentCipher::Aes128Cbc,
        ContentCipher::Aes192Cbc,
        ContentCipher::Aes256Cbc,
        ContentCipher::Aes128Gcm,
        ContentCipher::Aes192Gcm,
        ContentCipher::Aes256Gcm,
        ContentCipher::TripleDesCbc,
    ] {
        for size in [0, 1, 15, 16, 17, 127, 128, 255, 256, 20_000] {
            let sealed = seal_for_receiver(&blocks[..size], cipher);
            let outside = envelope(&sealed, &limits()).unwrap();
            assert_eq!(outside.cipher, cipher);
            let opened = outside.open(&Demo::shared().receiver.keys(), LEGACY).unwrap();
            assert_eq!(opened.content, &blocks[..size], "{cipher:?} {size}");
        }
    }
}

#[test]
fn every_key_transport_comes_back() {
    let receiver = &Demo::shared().receiver;
    let digests = [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512];
    for digest in digests {
        for mask in digests {
            let transport = KeyTransport::RsaOaep { digest, mask };
            let certificate = Arc::clone(receiver.sealing.certificate());
            let sealed = seal_by(PAYLOAD, &[certificate], ContentCipher::default(), transport).unwrap();
            let opened = open_as_receiver(&sealed).unwrap();
            assert_eq!((opened.content.as_slice(), opened.transport), (PAYLOAD, transport));
        }
    }
}

#[test]
fn each_of_several_recipients_opens_with_its_own_key() {
    let demo = Demo::shared();
    let both = [&demo.sender.sealing, &demo.receiver.sealing].map(|pair| Arc::clone(pair.certificate()));
    for cipher in [ContentCipher::Aes256Cbc, ContentCipher::Aes256Gcm] {
        let sealed = seal(PAYLOAD, &both, cipher).unwrap();
        for keys in [demo.sender.keys(), demo.receiver.keys()] {
            assert_eq!(open(&sealed, &keys, DEFAULT, &limits()).unwrap().content, PAYLOAD);
        }
    }
}

#[test]
fn after_a_roll_over_the_old_key_still_opens() {
    let demo = Demo::shared();
    let old = &demo.receiver.sealing;
    let new = demo::Organisation::new(&demo.issuing, "Example Hospital", demo::RECEIVER, KeyKind::Rsa3072)
        .unwrap()
        .sealing;
    let keys = KeyRing::new(vec![new.private_key(), old.private_key()]);
    for pair in [old, &new] {
        let sealed = seal(PAYLOAD, &[Arc::clone(pair.certificate())], ContentCipher::default()).unwrap();
        let opened = open(&sealed, &keys, DEFAULT, &limits()).unwrap();
        assert_eq!(opened.key.thumbprint, pair.certificate().thumbprint);
    }
}

#[test]
fn the_second_message_of_a_sender_reads_no_certificate() {
    let demo = Demo::shared();
    let at = |text: &str| {
        let at = text.parse().unwrap();
        Moment { at, now: at }
    };
    let now = at("2026-01-01T00:00:00Z");
    let lists = [&demo.root, &demo.issuing].map(|ca| ca.crl(&Crl::fresh(now.now)).unwrap());
    let evidence = lists.iter().fold(Evidence::default(), |evidence, crl| evidence.with_crl(crl).unwrap());
    let (anchors, cache) = (demo.anchors(), Cache::default());
    let known = |message: &[u8], purpose, moment| {
        let thumbprint = signed(message, &limits()).unwrap().claimed_thumbprint().unwrap();
        anchors.known(thumbprint, purpose, moment, &evidence, &cache)
    };
    let (first, second) = (sign_as_sender(PAYLOAD, true), sign_as_sender(b"<second/>", false));
    assert!(known(&first, Purpose::Signing, now).is_none());
    let read = signed(&first, &limits()).unwrap();
    let judged =
        anchors.judge(&read.claimed().unwrap(), &[], Purpose::Signing, now, &evidence, &cache).unwrap();
    assert!(read.verify(&judged, DEFAULT).is_ok());

    let again = known(&second, Purpose::Signing, now).unwrap();
    assert!(Arc::ptr_eq(&again, &judged));
    assert!(signed(&second, &limits()).unwrap().verify(&again, DEFAULT).is_ok());
    assert!(known(&second, Purpose::Sealing, now).is_none());
    assert!(known(&second, Purpose::Signing, at("2050-01-01T00:00:00Z")).is_none());
}

#[test]
fn two_seals_of_one_message_have_nothing_in_common() {
    let [one, two] = [0, 1].map(|_| seal_for_receiver(PAYLOAD, ContentCipher::default()));
    assert_ne!(one, two);
    assert_eq!(one.len(), two.len());
}

#[test]
fn what_we_write_is_der() {
    for bytes in [
        sign_as_sender(PAYLOAD, false),
        sign_as_sender(PAYLOAD, true),
        seal_for_receiver(PAYLOAD, ContentCipher::Aes256Cbc),
        seal_for_receiver(PAYLOAD, ContentCipher::Aes256Gcm),
    ] {
        let value = Value::only(&bytes).unwrap();
        assert_eq!(attributes::distinguished(&value).unwrap(), bytes);
    }
}

#[test]
fn inner_signed_data_may_be_named_and_bare() {
    // SignedData as an envelope carries it whose inner type is id-signedData: without its ContentInfo.
    let bytes = sign_as_sender(PAYLOAD, true);
    let (_, bare) = content_info(&bytes).unwrap();
    assert_eq!(verify_sender(bare.raw).unwrap().get(), PAYLOAD);

    let mut sealed = seal_for_receiver(bare.raw, ContentCipher::default());
    let data = crate::der::oid(algorithms::oid::DATA);
    let at = sealed.windows(data.len()).position(|window| window == data).unwrap();
    sealed[at + data.len() - 1] = 2;
    let opened = open_as_receiver(&sealed).unwrap();
    assert_eq!(verify_sender(&opened.content).unwrap().get(), PAYLOAD);
}

#[test]
fn nothing_is_sealed_for_nobody_or_for_a_key_that_cannot() {
    assert_eq!(seal(PAYLOAD, &[], ContentCipher::default()).unwrap_err().kind, Kind::CannotSeal);
    let elliptic = Key::generate(KeyKind::P256).unwrap();
    let profile = Profile::sealing("Example Hospital", demo::RECEIVER.parse().unwrap(), demo::valid());
    let certificate = Demo::shared().issuing.certify(&profile, &elliptic).unwrap();
    let fault = seal(PAYLOAD, &[certificate], ContentCipher::default()).unwrap_err();
    assert_eq!(fault.kind, Kind::CannotSeal);
    assert!(fault.certificate.is_some());
    let key = Demo::shared().sender.signing.private_key();
    let algorithm = crate::SignatureAlgorithm::Ecdsa(Digest::Sha256);
    assert_eq!(sign_with(PAYLOAD, &*key, algorithm, None).unwrap_err().kind, Kind::CannotSeal);
}

#[test]
fn what_is_no_cms_does_not_look_like_it() {
    for bytes in [
        &b""[..],
        b"<",
        b"0",
        b"0\x80",
        b"<MsgHead/>",
        b"MIAGCSqGSIb3",
        b"0\x03\x02\x01\x01",
        b"\x31\x03\x06",
    ] {
        assert!(!looks_like(bytes), "{bytes:?}");
    }
    assert!(looks_like(&[0x30, 0x80, 0x06, 0x09]));
    assert!(looks_like(&[0x30, 0x84, 0, 0, 0, 9, 0x06, 0x09]));
}
