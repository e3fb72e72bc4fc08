//! A signed and sealed message, and everything that opening it and answering it takes.

use crate::lab;
use crate::paths::schemas;
use jiff::{SignedDuration, Timestamp};
use message_schemas::apprec::{Making, Receipt, Verdict};
use message_schemas::head::{Addressing, HeadReader, Settings};
use message_schemas::schema::SchemaSet;
use message_schemas::{Limits, xml};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Public};
use openssl::sign::Verifier;
use openssl::symm::{Cipher, Crypter, Mode};
use openssl::x509::X509;
use std::sync::Arc;
use trust::chain::{Cache, Moment, Purpose, Trusted};
use trust::keys::PrivateKey;
use trust::open::{Context, Directory, open};
use trust::pki::KeyKind;
use trust::pki::demo::Demo;
use trust::revocation::Evidence;
use trust::xmldsig::{self, Canonical, Options, Shape};
use trust::{Allowed, Anchors, ContentCipher, Fault, KeyRing, KeyTransport, SignatureAlgorithm, cms};
use uuid::Uuid;

/// The name under which the signer's certificate is written for other programs.
pub const CERTIFICATE_FILE: &str = "signer.pem";

/// The keys that are measured.
#[must_use]
pub fn kinds() -> [(&'static str, KeyKind); 3] {
    [("RSA-2048", KeyKind::Rsa2048), ("RSA-3072", KeyKind::Rsa3072), ("RSA-4096", KeyKind::Rsa4096)]
}

/// A PKI, a message sealed for its receiver, and what receiving it rests on. Everything is made by our own hands, and
/// it panics where that fails: there is nothing to measure then.
pub struct Setting {
    demo: Demo,
    keys: KeyRing,
    ours: Arc<dyn PrivateKey>,
    opener: Arc<dyn PrivateKey>,
    anchors: Anchors,
    evidence: Evidence,
    cache: Cache,
    directory: Directory,
    signer: Arc<Trusted>,
    schemas: SchemaSet,
    limits: Limits,
    text: String,
    envelope: Vec<u8>,
    signed_data: Vec<u8>,
    wrapped: Vec<u8>,
    public: PKey<Public>,
    signature: Vec<u8>,
    encrypted: Vec<u8>,
    receipt: String,
}

const KEY: [u8; 32] = [7; 32];
const IV: [u8; 16] = [9; 16];
const RSA: SignatureAlgorithm = SignatureAlgorithm::RsaPkcs1(trust::Digest::Sha256);

impl Setting {
    /// With keys of this kind.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn new(kind: KeyKind) -> Result<Self, Fault> {
        let (limits, schemas, cache) = (Limits::default(), schemas(), Cache::default());
        let demo = Demo::new(kind)?;
        let (anchors, evidence) = (demo.anchors(), demo.evidence(now(), &[]));
        let moment = Moment { at: now(), now: now() };
        let signing = demo.sender.signing.private_key();
        let signer = anchors
            .judge(signing.certificate(), &[], Purpose::Signing, moment, &evidence, &cache)
            .map_err(Fault::from)?;
        let text = lab::report(1, lab::USUAL, 0);
        let options = Options { shape: Shape::Enveloped, canonical: Canonical::default(), algorithm: None };
        let document = xmldsig::sign(&text, &*signing, &options, &[], &limits)?;
        let signed_data = cms::sign(document.as_bytes(), &*signing, Some(now()))?;
        let opener = demo.receiver.sealing.private_key();
        let envelope =
            cms::seal(&signed_data, &[Arc::clone(opener.certificate())], ContentCipher::Aes256Cbc)?;
        let outside = cms::envelope(&envelope, &limits)?;
        let wrapped = outside.recipients.first().expect("it is sealed for one").wrapped.to_vec();
        let signature = signing.sign(RSA, &[]).expect("the key signs");
        let public = X509::from_der(&signing.certificate().der)
            .and_then(|certificate| certificate.public_key())
            .expect("it was read before");
        let encrypted = openssl::symm::encrypt(Cipher::aes_256_cbc(), &KEY, Some(&IV), document.as_bytes())
            .expect("AES is there");
        let receipt = receipt(&text, &limits);
        Ok(Self {
            keys: demo.receiver.keys(),
            ours: demo.receiver.signing.private_key(),
            opener,
            anchors,
            evidence,
            cache,
            directory: Directory::default(),
            signer,
            schemas,
            limits,
            text,
            envelope,
            signed_data,
            wrapped,
            public,
            signature,
            encrypted,
            receipt,
            demo,
        })
    }

    /// The exclusive form.
    #[must_use]
    pub fn exclusive() -> Canonical {
        Canonical { exclusive: true, ..Canonical::default() }
    }

    /// The message, signed in this form.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn signed(&self, canonical: &Canonical) -> Result<String, Fault> {
        let options = Options { shape: Shape::Enveloped, canonical: canonical.clone(), algorithm: None };
        xmldsig::sign(&self.text, &*self.demo.sender.signing.private_key(), &options, &[], &self.limits)
    }

    /// The signer's certificate.
    ///
    /// # Panics
    /// Never: it was read before.
    #[must_use]
    pub fn signer_pem(&self) -> Vec<u8> {
        let der = &self.demo.sender.signing.certificate().der;
        X509::from_der(der).and_then(|c| c.to_pem()).expect("it was read before")
    }

    /// One RSA operation with the private key: the decryption of a content key.
    pub fn private_operation(&self) {
        self.opener.unwrap_key(KeyTransport::RsaPkcs1, &self.wrapped).expect("it is sealed for this key");
    }

    /// One RSA operation with a public key: the check of a signature over nothing.
    pub fn public_operation(&self) {
        let mut verifier =
            Verifier::new(MessageDigest::sha256(), &self.public).expect("the key is an RSA key");
        assert!(verifier.verify_oneshot(&self.signature, &[]).is_ok_and(|holds| holds));
    }

    /// SHA-256 over the message.
    pub fn hash(&self) {
        std::hint::black_box(openssl::sha::sha256(self.text.as_bytes()));
    }

    /// AES-256-CBC over the message.
    pub fn decipher(&self) {
        let mut out = vec![0; self.encrypted.len() + 16];
        let mut crypter =
            Crypter::new(Cipher::aes_256_cbc(), Mode::Decrypt, &KEY, Some(&IV)).expect("AES is there");
        let done = crypter.update(&self.encrypted, &mut out).expect("it was encrypted before");
        let rest = out.get_mut(done..).unwrap_or_default();
        crypter.finalize(rest).expect("it was encrypted before");
        std::hint::black_box(out);
    }

    /// The message's tokens, read twice: for the signature and for the schema.
    pub fn tokens(&self) {
        let mut reader = quick_xml::Reader::from_str(&self.text);
        loop {
            let event = reader.read_event().expect("it is XML");
            if matches!(event, quick_xml::events::Event::Eof) {
                break;
            }
            std::hint::black_box(event);
        }
    }

    /// XMLDSig over the message, the chain known.
    pub fn verify(&self, document: &str) {
        let signed = xmldsig::signed(document, Shape::Enveloped, &[], Allowed::default(), &self.limits)
            .expect("it is signed so")
            .expect("it is signed");
        signed.verify(&self.signer).expect("it is his");
    }

    /// An XMLDSig of our own in a receipt.
    pub fn sign_receipt(&self) -> String {
        let options = Options { shape: Shape::Enveloped, canonical: Canonical::default(), algorithm: None };
        xmldsig::sign(&self.receipt, &*self.ours, &options, &[], &self.limits).expect("the key signs")
    }

    /// The outer envelope.
    pub fn unseal(&self) {
        cms::open(&self.envelope, &self.keys, Allowed::default(), &self.limits).expect("it is for us");
    }

    /// The signed data in it, the chain known.
    pub fn verify_cms(&self) {
        let signed = cms::signed(&self.signed_data, &self.limits).expect("it is signed data");
        signed.verify(&self.signer, Allowed::default()).expect("it is his");
    }

    /// A receipt, signed and sealed for the sender.
    pub fn seal_receipt(&self) {
        self.seal(self.receipt.as_bytes());
    }

    /// The same with a signature of its own inside: both private operations of the floor.
    pub fn sign_and_seal_receipt(&self) {
        self.seal(self.sign_receipt().as_bytes());
    }

    fn seal(&self, receipt: &[u8]) {
        let signed = cms::sign(receipt, &*self.ours, Some(now())).expect("the key signs");
        let to = Arc::clone(self.demo.sender.sealing.certificate());
        cms::seal(&signed, &[to], ContentCipher::Aes256Cbc).expect("its certificate is read");
    }

    /// Everything that receiving takes: open, verify twice, validate what was covered, read its head.
    pub fn take_in(&self) {
        let context = Context {
            keys: &self.keys,
            anchors: &self.anchors,
            evidence: &self.evidence,
            cache: &self.cache,
            directory: &self.directory,
            second: None,
            allowed: Allowed::default(),
            moment: Moment { at: now(), now: now() },
            under_way: SignedDuration::from_hours(72),
            limits: &self.limits,
        };
        let opened = open(&self.envelope, &context).expect("it is to be trusted");
        assert_eq!(opened.proofs().len(), 2);
        let text = std::str::from_utf8(opened.content()).expect("what is canonical is UTF-8");
        let mut validator = self.schemas.validator(text, &self.limits);
        let mut reader = HeadReader::new();
        xml::read(text, &self.limits, &mut (&mut validator, &mut reader)).expect("it is XML");
        assert!(validator.finish().valid);
        reader.finish(&Settings::default()).expect("it has a head");
    }
}

/// The receipt for the message.
fn receipt(text: &str, limits: &Limits) -> String {
    let mut reader = HeadReader::new();
    xml::read(text, limits, &mut reader).expect("it is XML");
    let head = reader.finish(&Settings::default()).expect("it has a head");
    let receiver = head.receivers.first().expect("it has a receiver");
    let making = Making { id: Uuid::nil(), now: now(), software: None };
    let receipt = Receipt::answer_to(&Addressing::from(&head), receiver, Verdict::Accepted, making);
    receipt.expect("it is answered").to_xml()
}

fn now() -> Timestamp {
    "2026-03-02T09:30:00Z".parse().expect("a time")
}
