//! Sealed envelopes from people who mean no good.

use super::*;
use crate::algorithm::{Digest, KeyTransport, SignatureAlgorithm};
use crate::cms::algorithms::{oid, write_cipher, write_transport};
use crate::cms::seal::seal_by;
use crate::cms::sign::{issuer_and_serial, wrapped as in_content_info};
use crate::der;
use crate::keys::KeyFailed;
use std::sync::atomic::{AtomicUsize, Ordering};
use zeroize::Zeroizing;

pub(super) const GARBAGE: [u8; 256] = [0x5A; 256];

/// An envelope of which every part can be wrong.
pub(super) struct Forged {
    pub(super) authenticated: bool,
    pub(super) recipients: Vec<Vec<u8>>,
    pub(super) inner: &'static [u8],
    pub(super) cipher: Vec<u8>,
    pub(super) content: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

impl Forged {
    /// With the content that is in a well-made one, and the key in it wrapped anew.
    pub(super) fn new(cipher: ContentCipher, wrapped: &[u8]) -> Self {
        let iv = vec![7; cipher.iv_bytes()];
        Self {
            authenticated: cipher.is_gcm(),
            recipients: vec![recipient(KeyTransport::RsaPkcs1, wrapped)],
            inner: oid::DATA,
            cipher: write_cipher(cipher, &iv),
            content: vec![9; 64],
            tag: vec![3; 16],
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let version = der::unsigned(&[0]);
        let recipients = der::value(tag::SET, &self.recipients.concat());
        let info = der::sequence(&[&der::oid(self.inner), &self.cipher, &der::value(0x80, &self.content)]);
        if self.authenticated {
            let parts: [&[u8]; 4] = [&version, &recipients, &info, &der::octets(&self.tag)];
            in_content_info(oid::AUTH_ENVELOPED_DATA, &parts)
        } else {
            in_content_info(oid::ENVELOPED_DATA, &[&version, &recipients, &info])
        }
    }
}

fn receiver() -> &'static Arc<Certificate> {
    Demo::shared().receiver.sealing.certificate()
}

pub(super) fn recipient(transport: KeyTransport, wrapped: &[u8]) -> Vec<u8> {
    recipient_with(&write_transport(transport), wrapped)
}

pub(super) fn recipient_with(transport: &[u8], wrapped: &[u8]) -> Vec<u8> {
    let id = issuer_and_serial(receiver());
    der::sequence(&[&der::unsigned(&[0]), &id, transport, &der::octets(wrapped)])
}

/// A key of ours that counts how often it is used.
#[derive(Debug)]
struct Counting {
    key: Arc<dyn PrivateKey>,
    used: AtomicUsize,
    broken: bool,
}

impl Counting {
    fn new(broken: bool) -> Arc<Self> {
        let key = Demo::shared().receiver.sealing.private_key();
        Arc::new(Self { key, used: AtomicUsize::new(0), broken })
    }
}

impl PrivateKey for Counting {
    fn certificate(&self) -> &Arc<Certificate> {
        self.key.certificate()
    }
    fn chain(&self) -> &[Arc<Certificate>] {
        self.key.chain()
    }
    fn unwrap_key(&self, transport: KeyTransport, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFailed> {
        self.used.fetch_add(1, Ordering::Relaxed);
        if self.broken { Err(KeyFailed) } else { self.key.unwrap_key(transport, wrapped) }
    }
    fn sign(&self, algorithm: SignatureAlgorithm, data: &[u8]) -> Result<Vec<u8>, KeyFailed> {
        self.key.sign(algorithm, data)
    }
    fn default_algorithm(&self) -> SignatureAlgorithm {
        self.key.default_algorithm()
    }
}

/// The content key, encrypted for the receiver as it should be: out of a well-made envelope with this content.
pub(super) fn wrapped(content_key: &[u8], transport: KeyTransport) -> Vec<u8> {
    use openssl::{encrypt::Encrypter, rsa::Padding};
    let mut encrypter = Encrypter::new(&receiver().key).unwrap();
    encrypter
        .set_rsa_padding(match transport {
            KeyTransport::RsaPkcs1 => Padding::PKCS1,
            KeyTransport::RsaOaep { .. } => Padding::PKCS1_OAEP,
        })
        .unwrap();
    let mut out = vec![0; encrypter.encrypt_len(content_key).unwrap()];
    let length = encrypter.encrypt(content_key, &mut out).unwrap();
    out.truncate(length);
    out
}

#[test]
fn every_failure_of_decryption_is_the_same_fault_after_the_same_work() {
    let oaep = KeyTransport::RsaOaep { digest: Digest::Sha1, mask: Digest::Sha1 };
    let mut cases: Vec<(&str, Vec<u8>)> = Vec::new();
    for cipher in [ContentCipher::Aes256Cbc, ContentCipher::Aes256Gcm] {
        let pkcs1 = |content_key: &[u8]| wrapped(content_key, KeyTransport::RsaPkcs1);
        let mut add = |what, forged: Forged| cases.push((what, forged.bytes()));
        add("bad padding of PKCS#1", Forged::new(cipher, &GARBAGE));
        add("a wrapped key of zeroes", Forged::new(cipher, &[0; 256]));
        add("a wrapped key over the modulus", Forged::new(cipher, &[0xFF; 256]));
        add("a wrapped key that is too short", Forged::new(cipher, &[1; 255]));
        add("a wrapped key that is too long", Forged::new(cipher, &[1; 5000]));
        add("no wrapped key", Forged::new(cipher, &[]));
        add("a wrong key", Forged::new(cipher, &pkcs1(&[1; 32])));
        add("a key of wrong length", Forged::new(cipher, &pkcs1(&[1; 16])));
        add("an empty key", Forged::new(cipher, &pkcs1(&[])));
        add("no content", Forged { content: Vec::new(), ..Forged::new(cipher, &pkcs1(&[1; 32])) });
        add("half a block", Forged { content: vec![1; 8], ..Forged::new(cipher, &pkcs1(&[1; 32])) });
        let bad = Forged { recipients: vec![recipient(oaep, &GARBAGE)], ..Forged::new(cipher, &[]) };
        add("bad padding of OAEP", bad);
        let bad = recipient(oaep, &wrapped(&[1; 16], oaep));
        add("OAEP with a key of wrong length", Forged { recipients: vec![bad], ..Forged::new(cipher, &[]) });
    }
    // One block: its padding hangs on the initialisation vector, and on the content.
    for (what, cipher, from_end) in [
        ("tampered vector", ContentCipher::Aes256Cbc, 16 + 2 + 1),
        ("tampered content", ContentCipher::Aes256Cbc, 1),
        ("tampered nonce", ContentCipher::Aes256Gcm, 18 + 7 + 3 + 1),
        ("tampered content", ContentCipher::Aes256Gcm, 18 + 1),
        ("tampered tag", ContentCipher::Aes256Gcm, 1),
    ] {
        let mut sealed = seal_for_receiver(b"12345", cipher);
        let at = sealed.len() - from_end;
        sealed[at] ^= 0x40;
        cases.push((what, sealed));
    }

    let mut faults = Vec::new();
    for (what, bytes) in &cases {
        for broken in [false, true] {
            // A wrong key of CBC finds a padding that looks right once in 256 times; what comes out is noise.
            let fault = (0..20).find_map(|_| {
                let key = Counting::new(broken);
                let keys = KeyRing::new(vec![Arc::clone(&key) as Arc<dyn PrivateKey>]);
                let result = open(bytes, &keys, DEFAULT, &limits());
                assert_eq!(key.used.load(Ordering::Relaxed), 1, "{what}");
                result.inspect(|opened| assert_ne!(opened.content, b"12345", "{what}")).err()
            });
            let fault = fault.unwrap_or_else(|| panic!("{what}: always opened"));
            assert_eq!(fault.kind, Kind::CannotOpen, "{what}");
            faults.push((format!("{fault:?} {fault}"), what));
        }
    }
    assert!(faults.iter().all(|(text, _)| *text == faults[0].0), "{faults:#?}");
    assert!(faults.len() > 60);
}

#[test]
fn a_tampered_message_never_yields_another_content() {
    for cipher in [ContentCipher::Aes256Cbc, ContentCipher::Aes256Gcm] {
        let sealed = seal_for_receiver(&sign_as_sender(PAYLOAD, true), cipher);
        for (at, _) in sealed.iter().enumerate() {
            let mut tampered = sealed.clone();
            tampered[at] ^= 1 << (at % 8);
            let opened = open_as_receiver(&tampered);
            if let Ok(opened) = &opened
                && cipher.is_gcm()
            {
                assert_eq!(verify_sender(&opened.content).unwrap().get(), PAYLOAD, "byte {at}");
            }
            if let Ok(verified) = opened.and_then(|opened| verify_sender(&opened.content)) {
                assert_eq!(verified.get(), PAYLOAD, "byte {at}");
            }
        }
    }
}

#[test]
fn a_truncated_message_is_malformed_at_every_byte() {
    for cipher in [ContentCipher::Aes256Cbc, ContentCipher::Aes256Gcm] {
        let sealed = seal_for_receiver(PAYLOAD, cipher);
        for bytes in [sealed.clone(), mutation::as_stream(&sealed)] {
            assert_eq!(open_as_receiver(&bytes).unwrap().content, PAYLOAD);
            for length in 0..bytes.len() {
                let fault = open_as_receiver(&bytes[..length]).unwrap_err();
                assert_eq!(fault.kind, Kind::CmsMalformed, "{length}");
            }
            let longer = [&bytes[..], &[0]].concat();
            assert_eq!(open_as_receiver(&longer).unwrap_err().kind, Kind::CmsMalformed);
        }
    }
}

#[test]
fn bombs_cost_nothing() {
    // One envelope within the other: each call opens one, and signed data is expected in the first.
    let mut bomb = sign_as_sender(PAYLOAD, false);
    for _ in 0..30 {
        bomb = seal_for_receiver(&bomb, ContentCipher::default());
    }
    let opened = open_as_receiver(&bomb).unwrap();
    assert!(opened.content.len() < bomb.len());
    let fault = signed(&opened.content, &limits()).unwrap_err();
    assert_eq!(fault.kind, Kind::CmsMalformed);
    assert!(fault.message.contains("enveloped data"), "{fault}");

    for bomb in [
        [0x30, 0x80].repeat(10_000_000),
        [0x24, 0x80].repeat(10_000_000),
        [0xA0, 0x80].repeat(10_000_000),
        [&[0x30, 0x80, 0x06, 0x01, 0x2A, 0xA0, 0x80][..], &[0x24, 0x80].repeat(1_000_000)].concat(),
        [&[0x30, 0x88][..], &[0xFF; 8], &[0x06]].concat(),
        [&[0x30, 0x84][..], &[0xFF; 4], &[0x06]].concat(),
        [&[0x30, 0xFE][..], &[0xFF; 126]].concat(),
        [0; 1000].to_vec(),
        [0xFF; 1000].to_vec(),
    ] {
        assert_eq!(open_as_receiver(&bomb).unwrap_err().kind, Kind::CmsMalformed);
        assert_eq!(verify_sender(&bomb).unwrap_err().kind, Kind::CmsMalformed);
    }

    let small = Limits { message_bytes: 1000, ..limits() };
    let sealed = seal_for_receiver(&[0; 1000], ContentCipher::default());
    assert_eq!(envelope(&sealed, &small).unwrap_err().kind, Kind::LimitExceeded);
    let signed_bytes = sign_as_sender(&[0; 1000], false);
    assert_eq!(signed(&signed_bytes, &small).unwrap_err().kind, Kind::LimitExceeded);
}

#[test]
fn many_recipients_cost_one_operation_of_one_key() {
    let good = recipient(KeyTransport::RsaPkcs1, &GARBAGE);
    let many = |count: usize| Forged {
        recipients: vec![good.clone(); count],
        ..Forged::new(ContentCipher::Aes256Gcm, &[])
    };
    let key = Counting::new(false);
    let keys = KeyRing::new(vec![Arc::clone(&key) as Arc<dyn PrivateKey>]);
    let fault = open(&many(64).bytes(), &keys, DEFAULT, &limits()).unwrap_err();
    assert_eq!((fault.kind, key.used.load(Ordering::Relaxed)), (Kind::CannotOpen, 1));
    for count in [65, 10_000] {
        let fault = open(&many(count).bytes(), &keys, DEFAULT, &limits()).unwrap_err();
        assert_eq!(fault.kind, Kind::LimitExceeded);
    }
    assert_eq!(key.used.load(Ordering::Relaxed), 1);
    assert_eq!(envelope(&many(0).bytes(), &limits()).unwrap_err().kind, Kind::CmsMalformed);
}

#[test]
fn a_message_for_somebody_else_is_not_even_tried() {
    let sealed = seal(PAYLOAD, &[Arc::clone(receiver())], ContentCipher::default()).unwrap();
    let fault = open(&sealed, &Demo::shared().sender.keys(), DEFAULT, &limits()).unwrap_err();
    assert_eq!(fault.kind, Kind::OwnKeyMissing);
    assert!(fault.message.contains(&receiver().serial_hex()), "{fault}");
    let ours = Demo::shared().sender.sealing.certificate().serial_hex();
    assert!(fault.message.contains(&ours), "what an integrator compares: {fault}");
    let without = open(&sealed, &KeyRing::default(), DEFAULT, &limits()).unwrap_err();
    assert!(without.kind == fault.kind && without.message.contains("we have none"), "{without}");
}

#[test]
fn algorithms_beside_the_list_are_refused_by_name() {
    let transports = |transport: &[u8]| Forged {
        recipients: vec![recipient_with(transport, &GARBAGE)],
        ..Forged::new(ContentCipher::Aes256Cbc, &[])
    };
    let label =
        der::sequence(&[&der::oid(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 9]), &der::octets(b"x")]);
    let oaep = |parameters: &[u8]| {
        der::sequence(&[
            &der::oid(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 7]),
            &der::sequence(&[parameters]),
        ])
    };
    let md5 = der::sequence(&[&der::oid(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 2, 5]), der::NULL]);
    for (what, transport) in [
        ("OAEP with a label", oaep(&der::context(2, &label))),
        ("MD5", oaep(&der::context(0, &md5))),
        ("mask is MD5", oaep(&der::context(1, &md5))),
        ("key transport is Ed25519", der::sequence(&[&der::oid(&[0x2B, 0x65, 0x70])])),
        ("key transport is 1.2.3.4", der::sequence(&[&der::oid(&[0x2A, 3, 4])])),
    ] {
        let fault = open_as_receiver(&transports(&transport).bytes()).unwrap_err();
        assert_eq!(fault.kind, Kind::AlgorithmNotAllowed, "{what}: {fault}");
        assert!(fault.message.contains(what), "{what}: {fault}");
        assert!(fault.certificate.is_some());
    }
    // The same recipient once more, in a way that we take, after one that we do not.
    let mut twice = transports(&md5);
    let sealed = wrapped(&[1; 32], KeyTransport::RsaPkcs1);
    twice.recipients.push(recipient(KeyTransport::RsaPkcs1, &sealed));
    let key = Counting::new(false);
    let keys = KeyRing::new(vec![Arc::clone(&key) as Arc<dyn PrivateKey>]);
    assert!(open(&twice.bytes(), &keys, DEFAULT, &limits()).is_err_and(|f| f.kind == Kind::CannotOpen));
    assert_eq!(key.used.load(Ordering::Relaxed), 1);

    // RC2, and DES in a form that nobody allows.
    for (what, cipher) in
        [("RC2", &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 3, 2][..]), ("DES", &[0x2B, 0x0E, 3, 2, 7])]
    {
        let cipher = der::sequence(&[&der::oid(cipher), &der::octets(&[0; 8])]);
        let forged = Forged { cipher, ..Forged::new(ContentCipher::Aes256Cbc, &GARBAGE) };
        let fault = open(&forged.bytes(), &Demo::shared().receiver.keys(), LEGACY, &limits()).unwrap_err();
        assert_eq!(fault.kind, Kind::AlgorithmNotAllowed);
        assert!(fault.message.contains(what), "{fault}");
    }
}

#[test]
fn forms_that_make_no_sense_are_malformed() {
    let gcm = || Forged::new(ContentCipher::Aes256Gcm, &GARBAGE);
    let cbc = || Forged::new(ContentCipher::Aes256Cbc, &GARBAGE);
    for (what, forged) in [
        ("GCM that nobody authenticates", Forged { authenticated: false, ..gcm() }),
        ("CBC as if it were authenticated", Forged { authenticated: true, ..cbc() }),
        ("a tag that is too short", Forged { tag: vec![0; 4], ..gcm() }),
        ("another tag length than announced", Forged { tag: vec![0; 12], ..gcm() }),
        ("no tag", Forged { tag: Vec::new(), ..gcm() }),
        ("a short vector", Forged { cipher: write_cipher(ContentCipher::Aes256Cbc, &[0; 8]), ..cbc() }),
        ("a short nonce", Forged { cipher: write_cipher(ContentCipher::Aes256Gcm, &[0; 4]), ..gcm() }),
        ("an envelope within", Forged { inner: oid::ENVELOPED_DATA, ..cbc() }),
        ("a recipient that is none", Forged { recipients: vec![der::octets(b"x")], ..cbc() }),
    ] {
        assert_eq!(envelope(&forged.bytes(), &limits()).unwrap_err().kind, Kind::CmsMalformed, "{what}");
    }
    // Tags of four bytes are refused also where they are announced.
    let cipher = der::sequence(&[
        &der::oid(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 46]),
        &der::sequence(&[&der::octets(&[0; 12]), &der::unsigned(&[4])]),
    ]);
    let forged = Forged { cipher, tag: vec![0; 4], ..gcm() };
    assert_eq!(envelope(&forged.bytes(), &limits()).unwrap_err().kind, Kind::CmsMalformed);
}

#[test]
fn attributes_that_gcm_covers_are_covered() {
    let key = wrapped(&[1; 32], KeyTransport::RsaPkcs1);
    let attribute = |value: u8| {
        der::sequence(&[
            &der::oid(oid::CONTENT_TYPE),
            &der::set_of(vec![der::oid(oid::DATA), vec![4, 1, value]]),
        ])
    };
    let associated = der::set_of(vec![attribute(1)]);
    let mut mac = [0; 16];
    let cipher = openssl::symm::Cipher::aes_256_gcm();
    let content =
        openssl::symm::encrypt_aead(cipher, &[1; 32], Some(&[7; 12]), &associated, PAYLOAD, &mut mac)
            .unwrap();
    let message = |attribute: Vec<u8>| {
        let info = der::sequence(&[
            &der::oid(oid::DATA),
            &write_cipher(ContentCipher::Aes256Gcm, &[7; 12]),
            &der::value(0x80, &content),
        ]);
        let parts: [&[u8]; 5] = [
            &der::unsigned(&[0]),
            &der::value(tag::SET, &recipient(KeyTransport::RsaPkcs1, &key)),
            &info,
            &der::value(0xA1, &attribute),
            &der::octets(&mac),
        ];
        in_content_info(oid::AUTH_ENVELOPED_DATA, &parts)
    };
    assert_eq!(open_as_receiver(&message(attribute(1))).unwrap().content, PAYLOAD);
    assert_eq!(open_as_receiver(&message(attribute(2))).unwrap_err().kind, Kind::CannotOpen);
    // OAEP of the same key opens too: the wrapping does not matter.
    let oaep = KeyTransport::RsaOaep { digest: Digest::Sha384, mask: Digest::Sha1 };
    let sealed = seal_by(PAYLOAD, &[Arc::clone(receiver())], ContentCipher::Aes128Gcm, oaep).unwrap();
    assert_eq!(open_as_receiver(&sealed).unwrap().content, PAYLOAD);
}
