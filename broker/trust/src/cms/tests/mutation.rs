//! Mutated and arbitrary bytes: nothing panics, and nothing but the truth is verified.

use super::*;
use crate::cms::sign::wrapped;
use crate::der;
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::stack::Stack;
use proptest::prelude::*;

/// The same message as senders write it that stream: indefinite lengths, and long strings in segments. Certificates and
/// names stay as they are, for they are DER everywhere.
pub(super) fn as_stream(bytes: &[u8]) -> Vec<u8> {
    stream(&Value::only(bytes).unwrap())
}

fn stream(value: &Value<'_>) -> Vec<u8> {
    const LONG: usize = 40;
    let encrypted_content = value.tag == 0x80 && value.content.len() > 20;
    if encrypted_content || value.tag == tag::OCTET_STRING && value.content.len() > LONG {
        let segments: Vec<Vec<u8>> = value.content.chunks(LONG - 3).map(der::octets).collect();
        return [&[value.tag | 0x20, 0x80][..], &segments.concat(), &[0, 0]].concat();
    }
    let is_name = value.tag == tag::SEQUENCE && value.inside().unwrap().peek() == Some(tag::SET);
    if !value.is_constructed() || is_name || is_certificate(value) {
        return value.raw.to_vec();
    }
    let mut parts = Vec::new();
    let mut inside = value.inside().unwrap();
    while !inside.is_empty() {
        parts.push(stream(&inside.next().unwrap()));
    }
    [&[value.tag, 0x80][..], &parts.concat(), &[0, 0]].concat()
}

fn is_certificate(value: &Value<'_>) -> bool {
    let body = value.inside().and_then(|mut inside| inside.enter(tag::SEQUENCE));
    value.tag == tag::SEQUENCE && body.is_ok_and(|body| body.peek() == Some(0xA0))
}

/// Chance that is the same in every run (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ z >> 31) % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    /// One to four small changes, as an attacker or a bad line makes them, or a fuzzer.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let until = (at + 1 + self.below(40)).min(bytes.len());
            match self.below(8) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = [0x00, 0x30, 0x31, 0x80, 0xA0, 0x24, 0x04, 0xFF][self.below(8)],
                2 => bytes[at] = bytes[at].wrapping_add(1),
                3 => drop(bytes.drain(at..until)),
                4 => bytes.insert(at, u8::try_from(self.below(256)).unwrap()),
                5 => {
                    let part = bytes[at..until].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, part);
                }
                6 => {
                    let part = bytes[at..until].to_vec();
                    let to = self.below(bytes.len());
                    let end = (to + part.len()).min(bytes.len());
                    bytes.splice(to..end, part);
                }
                _ => bytes.truncate(at.max(1)),
            }
            if bytes.is_empty() {
                bytes.push(0x30);
            }
        }
    }
}

/// `MUTATIONS` runs more of them than every test run does.
fn rounds(usual: usize) -> usize {
    std::env::var("MUTATIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(usual)
}

/// Everything that can be asked of bytes.
fn everything(bytes: &[u8]) -> Option<Vec<u8>> {
    let opened = open_as_receiver(bytes);
    assert!(opened.is_err() || looks_like(bytes));
    let inner = opened.as_ref().map_or(bytes, |opened| &opened.content);
    let signed = signed(inner, &limits()).ok()?;
    let claimed = signed.claimed();
    // One whose issuer is spelt in another way is found only by reading.
    let print = signed.claimed_thumbprint();
    assert!(print.is_none() || claimed.as_ref().is_none_or(|c| Some(c.thumbprint) == print));
    assert!(claimed.is_none_or(|c| signed.signer.is(&c)), "raw and read, it is the same certificate");
    assert!(signed.certificates().len() <= signed.embedded().len());
    Some(signed.verify(&sender(), DEFAULT).ok()?.into_inner())
}

#[test]
fn seeded_mutations_verify_nothing_but_the_truth() {
    let plain = sign_as_sender(PAYLOAD, false);
    let attributes = sign_as_sender(PAYLOAD, true);
    let seeds = [
        seal_for_receiver(&attributes, ContentCipher::Aes256Cbc),
        seal_for_receiver(&plain, ContentCipher::Aes256Gcm),
        as_stream(&seal_for_receiver(&attributes, ContentCipher::Aes128Cbc)),
        as_stream(&attributes),
        plain,
        attributes,
    ];
    for seed in &seeds {
        assert_eq!(everything(seed).as_deref(), Some(PAYLOAD));
    }
    let mut chance = Chance(3);
    let mut still_good = 0;
    for round in 0..rounds(4000) {
        let mut bytes = seeds[round % seeds.len()].clone();
        chance.mutate(&mut bytes);
        if let Some(content) = everything(&bytes) {
            assert_eq!(content, PAYLOAD, "round {round}");
            still_good += 1;
        }
    }
    // Some changes do not matter: another certificate that came along, a number of a version.
    assert!(still_good < rounds(4000) / 5, "{still_good}");
}

/// What OpenSSL's own CMS says, given the sender's certificate and no other.
fn openssl_verifies(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut certificates = Stack::new().unwrap();
    certificates.push(sender().certificate().x509.clone()).unwrap();
    let flags = CMSOptions::NOINTERN | CMSOptions::NO_SIGNER_CERT_VERIFY | CMSOptions::BINARY;
    let mut content = Vec::new();
    let mut message = CmsContentInfo::from_der(bytes).ok()?;
    message.verify(Some(&certificates), None, None, Some(&mut content), flags).ok()?;
    Some(content)
}

#[test]
fn what_we_verify_openssl_verifies_too() {
    let content = PAYLOAD.repeat(3);
    let mut no_certificates = [false, true].map(|with_attributes| {
        let mut bytes = sign_as_sender(&content, with_attributes);
        // Nearly every byte that is left matters.
        let (_, data) = content_info(&bytes).unwrap();
        let mut inside = data.inside().unwrap();
        let mut parts = Vec::new();
        while !inside.is_empty() {
            let part = inside.next().unwrap();
            if part.tag != 0xA0 {
                parts.push(part.raw);
            }
        }
        bytes = wrapped(algorithms::oid::SIGNED_DATA, &parts);
        bytes
    });
    let streams = no_certificates.clone().map(|bytes| as_stream(&bytes));
    no_certificates.sort();
    let seeds = [no_certificates, streams].concat();
    let mut chance = Chance(7);
    let (mut both, mut only_openssl) = (0, Vec::new());
    for round in 0..rounds(6000) {
        let mut bytes = seeds[round % seeds.len()].clone();
        if round >= seeds.len() {
            chance.mutate(&mut bytes);
        }
        let ours = verify_sender(&bytes);
        match (ours, openssl_verifies(&bytes)) {
            (Ok(ours), theirs) => {
                assert_eq!(Some(ours.get()), theirs.as_ref(), "round {round}");
                assert_eq!(ours.get(), &content, "round {round}");
                both += 1;
            }
            (Err(fault), Some(theirs)) => {
                assert_eq!(theirs, content, "round {round}");
                only_openssl.push(fault.to_string());
            }
            (Err(_), None) => {}
        }
    }
    only_openssl.sort();
    only_openssl.dedup();
    // Where we are stricter: other content types, bytes after the end, two hashes, names in another spelling.
    println!("verified by both: {both}; by OpenSSL only: {only_openssl:#?}");
    assert!(both >= seeds.len(), "{both}");
}

#[test]
fn a_stream_is_the_same_message() {
    for with_attributes in [false, true] {
        let bytes = sign_as_sender(&PAYLOAD.repeat(50), with_attributes);
        let stream = as_stream(&bytes);
        assert_ne!(bytes, stream);
        assert_eq!(verify_sender(&stream).unwrap().get(), &PAYLOAD.repeat(50));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(everything(&bytes), None);
    }

    #[test]
    fn arbitrary_values_never_panic(
        parts in proptest::collection::vec((0_usize..16, proptest::collection::vec(any::<u8>(), 0..12)), 0..30),
    ) {
        // Well-formed values of the kinds that CMS has, nested at random.
        const TAGS: [u8; 16] = [2, 4, 5, 6, 0x30, 0x30, 0x30, 0x31, 0x31, 0xA0, 0xA0, 0xA1, 0x80, 0x24, 3, 0x17];
        let mut bytes = Vec::new();
        for (tag, content) in parts {
            let tag = TAGS[tag];
            bytes = if tag & 0x20 == 0 {
                [bytes, der::value(tag, &content)].concat()
            } else {
                der::value(tag, &bytes)
            };
        }
        prop_assert_eq!(everything(&bytes), None);
        let data = der::sequence(&[&bytes]);
        prop_assert_eq!(everything(&wrapped(algorithms::oid::SIGNED_DATA, &[&data])), None);
    }
}
