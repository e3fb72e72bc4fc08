//! What the fuzz targets do with their bytes: shared by the fuzzers and by the test that replays the corpus.
//!
//! Beyond "nothing panics, hangs or grows", each holds a property that a forger would break: a signature that
//! verifies with the one key that signed covers one of the few contents that this key ever signed.
#![allow(dead_code, reason = "each fuzzer uses one of them")]

use jiff::Timestamp;
use message_schemas::Limits;
use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use trust::algorithm::Allowed;
use trust::chain::{Cache, Moment, Purpose, RevocationRule, TestMode};
use trust::keys::{self, PrivateKey};
use trust::open::{Context, Directory};
use trust::revocation::Evidence;
use trust::xmldsig::{self, Attachment, Canonical, Shape};
use trust::{Anchors, Certificate, KeyRing, Trusted, cms};

/// What the signing key ever signed in CMS.
pub(crate) const PAYLOAD: &[u8] = b"<MsgHead>a payload</MsgHead>\r\n";
/// What it ever signed in XML, unsigned.
pub(crate) const DOCUMENT: &str = "<MsgHead xmlns=\"urn:head\" xmlns:x=\"urn:x\"><Id a='1' x:b=\"2\">\u{E5}&amp;&#13;</Id>\n<!-- c --><E/></MsgHead>";
/// An envelope, and the part that it covers.
pub(crate) const ENVELOPE: &str = "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\"><S:Header>\
    <To>A</To><Sync S:actor=\"http://schemas.xmlsoap.org/soap/actor/next\"/></S:Header><S:Body/></S:Envelope>";
pub(crate) const PARTS: [Attachment<'static>; 1] = [Attachment { id: "a@b", bytes: b"a part" }];

pub(crate) const ALLOWED: Allowed = Allowed { sha1: true, triple_des: true };

/// Small, so that a fuzzer finds their edges.
fn limits() -> Limits {
    Limits { message_bytes: 1 << 20, unpacked_bytes: 1 << 20, ..Limits::default() }
}

/// The fixed fictitious PKI that the corpus was made with.
pub(crate) struct World {
    pub(crate) signer: Arc<dyn PrivateKey>,
    pub(crate) keys: KeyRing,
    pub(crate) anchors: Anchors,
    pub(crate) issuing: Arc<Certificate>,
    pub(crate) moment: Moment,
    pub(crate) trusted: Arc<Trusted>,
    /// The canonical forms of what was signed in XML, each as (enveloped, envelope).
    covered: Vec<Vec<u8>>,
}

pub(crate) static WORLD: LazyLock<World> = LazyLock::new(|| {
    let key = |pem: &[u8]| keys::from_pem(pem, None).expect("the key beside this file can be read");
    let certificates =
        |pem: &[u8]| Certificate::all_from(pem).expect("the certificate beside this file can be read");
    let signer = key(include_bytes!("pki/signer.pem"));
    let recipient = key(include_bytes!("pki/recipient.pem"));
    let issuing = certificates(include_bytes!("pki/issuing.crt")).remove(0);
    let anchors = Anchors {
        roots: certificates(include_bytes!("pki/root.crt")),
        intermediates: vec![Arc::clone(&issuing)],
        policies: Vec::new(),
        revocation: RevocationRule::IfOffered,
        test_mode: Some(TestMode::announced_loudly_by_the_caller()),
    };
    let at: Timestamp = "2026-01-15T09:00:00Z".parse().expect("a constant of this file is a time");
    let moment = Moment { at, now: at };
    let trusted = anchors
        .judge(signer.certificate(), &[], Purpose::Signing, moment, &Evidence::default(), &Cache::default())
        .expect("the signer beside this file is trusted");
    let covered = [DOCUMENT, ENVELOPE, &ENVELOPE.replace(NEXT_NODE, "")]
        .iter()
        .flat_map(|text| {
            [false, true].map(|exclusive| {
                let form = Canonical { exclusive, ..Canonical::default() };
                xmldsig::canonicalize(text, &form, &limits()).expect("a constant of this file is XML")
            })
        })
        .collect();
    let keys = KeyRing::new(vec![recipient]);
    World { signer, keys, anchors, issuing, moment, trusted, covered }
});

/// What an ebXML signature does not cover.
const NEXT_NODE: &str = "<Sync S:actor=\"http://schemas.xmlsoap.org/soap/actor/next\"/>";

/// What a fuzzer calls.
pub(crate) type Body = fn(&[u8]);

/// The targets by name.
pub(crate) const ALL: [(&str, Body); 8] = [
    ("ber", ber),
    ("certificate", certificate),
    ("cms_open", cms_open),
    ("cms_signed", cms_signed),
    ("mime", mime),
    ("open", open),
    ("revocation", revocation),
    ("xmldsig_signed", xmldsig_signed),
];

/// Sealed envelopes.
pub(crate) fn cms_open(data: &[u8]) {
    let world = &*WORLD;
    black_box(cms::looks_like(data));
    let outside = cms::envelope(data, &limits()).map(|e| e.recipients.len());
    let opened = cms::open(data, &world.keys, ALLOWED, &limits());
    if opened.is_ok() {
        assert!(outside.is_ok_and(|n| n > 0), "what can be opened has an outside");
    }
}

/// Signed envelopes: what verifies is what was signed.
pub(crate) fn cms_signed(data: &[u8]) {
    let world = &*WORLD;
    let Ok(signed) = cms::signed(data, &limits()) else { return };
    black_box((signed.claimed_thumbprint(), signed.certificates()));
    if let Ok(verified) = signed.verify(&world.trusted, ALLOWED) {
        assert_eq!(verified.get(), PAYLOAD, "a forgery");
    }
}

/// XML signatures: what verifies covers what was signed. The first byte says which shape.
pub(crate) fn xmldsig_signed(data: &[u8]) {
    let world = &*WORLD;
    let Some((shape, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (shape, parts) =
        if shape.is_multiple_of(2) { (Shape::Enveloped, &[][..]) } else { (Shape::Ebxml, &PARTS[..]) };
    let Ok(Some(signed)) = xmldsig::signed(text, shape, parts, ALLOWED, &limits()) else { return };
    black_box(signed.certificates());
    if let Ok(verified) = signed.verify(&world.trusted) {
        assert!(world.covered.contains(verified.get()), "a forgery");
    }
}

/// Certificates, as they come and as PEM, and the judgement of them.
pub(crate) fn certificate(data: &[u8]) {
    let world = &*WORLD;
    let all = Certificate::from_der(data).map(|c| vec![c]).or_else(|_| Certificate::all_from(data));
    for certificate in all.unwrap_or_default() {
        black_box(certificate.describe());
        for purpose in [Purpose::Signing, Purpose::Sealing] {
            let judged = world.anchors.judge(
                &certificate,
                &[Arc::clone(&world.issuing)],
                purpose,
                world.moment,
                &Evidence::default(),
                &Cache::default(),
            );
            if let Ok(trusted) = judged {
                assert!(trusted.chain().len() <= 10, "a chain has an end");
            }
        }
        black_box(Evidence::wanted(&certificate, &world.issuing));
    }
    drop(keys::from_pem(data, Some("x")));
}

/// CRLs and OCSP answers.
pub(crate) fn revocation(data: &[u8]) {
    let world = &*WORLD;
    for evidence in
        [Evidence::default().with_crl(data), Evidence::default().with_ocsp(data)].into_iter().flatten()
    {
        black_box(evidence.status(world.signer.certificate(), &world.issuing, world.moment.now));
    }
}

/// BER: a SignedData written in any other way that BER has is read as the same. The bytes say which way.
pub(crate) fn ber(data: &[u8]) {
    let world = &*WORLD;
    let mut choices = data.iter().copied();
    let bytes = rewritten(include_bytes!("pki/signed.der"), &mut choices, 0);
    let signed = cms::signed(&bytes, &limits()).expect("BER is read");
    let verified = signed.verify(&world.trusted, ALLOWED).expect("the signature holds");
    assert_eq!(verified.get(), PAYLOAD);
}

/// Writes DER in another way: lengths with leading zeroes or none at all, strings in pieces. What is compared as bytes
/// is left as it is: certificates, and what stands inside a SignerInfo but for its strings.
fn rewritten(der: &[u8], choices: &mut impl Iterator<Item = u8>, depth: usize) -> Vec<u8> {
    const CONSTRUCTED: u8 = 0x20;
    const OCTETS: u8 = 0x04;
    const CERTIFICATES: (u8, usize) = (0xA0, 3);
    const SIGNER_INFO: usize = 4;
    let mut out = Vec::new();
    let mut rest = der;
    while let Some((value, content, after)) = first(rest) {
        rest = after;
        let tag = value[0];
        let constructed = tag & CONSTRUCTED != 0;
        if (tag, depth) == CERTIFICATES || (constructed && depth > SIGNER_INFO) {
            out.extend(value);
            continue;
        }
        let choice = choices.next().unwrap_or(0);
        let (tag, content) = if constructed {
            (tag, rewritten(content, choices, depth + 1))
        } else if tag == OCTETS && choice & 0x40 != 0 {
            let pieces = content
                .chunks(1 + usize::from(choice & 7))
                .flat_map(|piece| [&[OCTETS, u8::try_from(piece.len()).unwrap_or(0)], piece].concat());
            (OCTETS | CONSTRUCTED, pieces.collect())
        } else {
            (tag, content.to_vec())
        };
        out.push(tag);
        if tag & CONSTRUCTED != 0 && choice & 0x80 != 0 {
            out.push(0x80);
            out.extend(content);
            out.extend([0, 0]);
        } else {
            length(&mut out, content.len(), choice);
            out.extend(content);
        }
    }
    out
}

/// The first value of DER: all of it, its content, and what follows.
fn first(der: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let short = usize::from(*der.get(1)?);
    let (length, head) = if short < 0x80 {
        (short, 2)
    } else {
        let bytes = der.get(2..2 + short - 0x80)?;
        (bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)), 2 + bytes.len())
    };
    let (value, rest) = der.split_at_checked(head + length)?;
    Some((value, value.get(head..)?, rest))
}

/// A length, longer than needed where the choice says so.
fn length(out: &mut Vec<u8>, length: usize, choice: u8) {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 && choice & 0x10 == 0 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let zeroes = bytes.iter().take_while(|b| **b == 0).count();
            let from = zeroes.saturating_sub(usize::from(choice & 0x20 != 0)).min(bytes.len() - 1);
            let used = bytes.get(from..).unwrap_or_default();
            out.push(0x80 | u8::try_from(used.len()).unwrap_or(8));
            out.extend(used);
        }
    }
}

/// MIME packages, as ebXML comes in.
pub(crate) fn mime(data: &[u8]) {
    if let Ok(package) = message_schemas::mime::unpack(data, None, &limits()) {
        let size: usize = package.parts.iter().map(|p| p.bytes.len()).sum();
        assert!(size <= data.len(), "decoding makes nothing larger");
    }
}

/// Everything around a message: sealed, signed, MIME, gzip, its own signature.
pub(crate) fn open(data: &[u8]) {
    let world = &*WORLD;
    let context = Context {
        keys: &world.keys,
        anchors: &world.anchors,
        evidence: &Evidence::default(),
        cache: &Cache::default(),
        directory: &Directory::default(),
        second: None,
        allowed: ALLOWED,
        moment: world.moment,
        under_way: jiff::SignedDuration::from_hours(24),
        limits: &limits(),
    };
    if let Ok(opened) = trust::open::open(data, &context) {
        black_box((opened.layers().len(), opened.payload().len(), opened.content().len()));
    }
}
