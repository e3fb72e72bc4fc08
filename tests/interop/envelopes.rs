//! CMS with OpenSSL's `cms` tool (the system's OpenSSL, of another version than ours), both ways.

use crate::people::{demo, is_rsa, lay_out_all, now, pem, sender};
use crate::tools::{Desk, have};
use message_schemas::Limits;
use trust::algorithm::{Allowed, ContentCipher, Digest, SignatureAlgorithm};
use trust::pki::KeyKind;
use trust::pki::demo::Demo;
use trust::{KeyRing, cms};

const DIGESTS: [Digest; 3] = [Digest::Sha256, Digest::Sha384, Digest::Sha512];
const CIPHERS: [(ContentCipher, &str); 7] = [
    (ContentCipher::Aes128Cbc, "-aes128"),
    (ContentCipher::Aes192Cbc, "-aes192"),
    (ContentCipher::Aes256Cbc, "-aes256"),
    (ContentCipher::TripleDesCbc, "-des3"),
    (ContentCipher::Aes128Gcm, "-aes-128-gcm"),
    (ContentCipher::Aes192Gcm, "-aes-192-gcm"),
    (ContentCipher::Aes256Gcm, "-aes-256-gcm"),
];

/// Bytes that a tool which takes them for text would change.
const PAYLOAD: &[u8] = b"<a>\r\nblod\n\xC3\xB8 \0 x</a>\n\n";

fn desk(demo: &Demo) -> Desk {
    let desk = Desk::new();
    lay_out_all(&desk, "sender", &demo.sender);
    lay_out_all(&desk, "receiver", &demo.receiver);
    desk.write("root.crt", pem(demo.root.certificate()));
    desk.write("issuing.crt", pem(demo.issuing.certificate()));
    desk.write("payload", PAYLOAD);
    desk
}

/// Everything may be used here: which of it a partner may use is another question.
const ALLOWED: Allowed = Allowed { sha1: true, triple_des: true };

fn signature_algorithms(kind: KeyKind) -> Vec<SignatureAlgorithm> {
    if is_rsa(kind) {
        let both = |d| [SignatureAlgorithm::RsaPkcs1(d), SignatureAlgorithm::RsaPss(d)];
        DIGESTS.into_iter().flat_map(both).collect()
    } else {
        DIGESTS.map(SignatureAlgorithm::Ecdsa).to_vec()
    }
}

#[test]
fn openssl_verifies_what_we_sign() {
    if !have("openssl", "version", "CMS with openssl") {
        return;
    }
    let mut count = 0;
    for kind in [KeyKind::Rsa2048, KeyKind::P256, KeyKind::P384] {
        let demo = demo(kind);
        let desk = desk(demo);
        let key = demo.sender.signing.private_key();
        for algorithm in signature_algorithms(kind) {
            for at in [None, Some(now())] {
                let signed = cms::sign_with(PAYLOAD, &*key, algorithm, at).unwrap();
                desk.write("signed", &signed);
                // With the chain: the issuing certificate comes along, the root is known.
                let said = desk.run(
                    "openssl",
                    &[
                        "cms",
                        "-verify",
                        "-binary",
                        "-inform",
                        "DER",
                        "-in",
                        "signed",
                        "-CAfile",
                        "root.crt",
                        "-purpose",
                        "any",
                        "-attime",
                        "1768467600",
                    ],
                );
                assert_eq!(said.as_deref(), Ok(PAYLOAD), "{kind:?} {algorithm:?} {at:?}");
                count += 1;
            }
        }
    }
    println!("{count} CMS signatures of ours verify with openssl");
}

#[test]
fn openssl_opens_what_we_seal() {
    if !have("openssl", "version", "CMS with openssl") {
        return;
    }
    let demo = demo(KeyKind::Rsa2048);
    let desk = desk(demo);
    let recipients = [&demo.sender, &demo.receiver].map(|o| std::sync::Arc::clone(o.sealing.certificate()));
    for (cipher, _) in CIPHERS {
        for some in [&recipients[1..], &recipients[..]] {
            for payload in [PAYLOAD, b"", &[7; 100_000]] {
                desk.write("sealed", cms::seal(payload, some, cipher).unwrap());
                let said = desk.run(
                    "openssl",
                    &[
                        "cms",
                        "-decrypt",
                        "-binary",
                        "-inform",
                        "DER",
                        "-in",
                        "sealed",
                        "-recip",
                        "receiver-seal.crt",
                        "-inkey",
                        "receiver-seal.key",
                    ],
                );
                assert_eq!(said.as_deref(), Ok(payload), "{cipher:?}");
            }
        }
    }
}

#[test]
fn we_verify_what_openssl_signs() {
    if !have("openssl", "version", "CMS with openssl") {
        return;
    }
    let mut count = 0;
    for kind in [KeyKind::Rsa2048, KeyKind::P256, KeyKind::P384] {
        let demo = demo(kind);
        let (desk, signer) = (desk(demo), sender(demo));
        let pss: &[&[&str]] = &[
            &["-keyopt", "rsa_padding_mode:pss"],
            &["-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:-1"],
            &["-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:0"],
        ];
        let paddings: Vec<&[&str]> = if is_rsa(kind) {
            std::iter::once(&[][..]).chain(pss.iter().copied()).collect()
        } else {
            vec![&[]]
        };
        let shapes: [&[&str]; 6] = [
            &[],
            &["-noattr"],
            &["-keyid"],
            &["-stream"],
            &["-certfile", "issuing.crt"],
            &["-noattr", "-stream", "-certfile", "root.crt"],
        ];
        for digest in ["sha256", "sha384", "sha512"] {
            for padding in &paddings {
                // OpenSSL 3.0 cannot stream with PSS: it writes the signer before its algorithm is known.
                for shape in shapes.into_iter().filter(|s| padding.is_empty() || !s.contains(&"-stream")) {
                    let mut arguments = vec![
                        "cms",
                        "-sign",
                        "-binary",
                        "-nodetach",
                        "-md",
                        digest,
                        "-in",
                        "payload",
                        "-signer",
                        "sender-sign.crt",
                        "-inkey",
                        "sender-sign.key",
                        "-outform",
                        "DER",
                        "-out",
                        "signed",
                    ];
                    arguments.extend(*padding);
                    arguments.extend(shape);
                    desk.run("openssl", &arguments).unwrap();
                    let bytes = desk.read("signed");
                    let signed = cms::signed(&bytes, &Limits::default());
                    let signed =
                        signed.unwrap_or_else(|f| panic!("{kind:?} {digest} {padding:?} {shape:?}: {f}"));
                    assert_eq!(
                        signed.claimed_thumbprint(),
                        Some(signer.certificate().thumbprint),
                        "the signer by its sid"
                    );
                    match signed.verify(&signer, ALLOWED) {
                        Ok(verified) => assert_eq!(verified.get(), PAYLOAD),
                        Err(f) => panic!("{kind:?} {digest} {padding:?} {shape:?}: {f}"),
                    }
                    count += 1;
                }
            }
        }
    }
    println!("{count} CMS signatures of openssl verify with us");
}

#[test]
fn we_open_what_openssl_seals() {
    if !have("openssl", "version", "CMS with openssl") {
        return;
    }
    let demo = demo(KeyKind::Rsa2048);
    let desk = desk(demo);
    let keys = demo.receiver.keys();
    let stranger = KeyRing::new(vec![demo.receiver.signing.private_key()]);
    let oaep256: &[&str] = &["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"];
    let mixed: &[&str] =
        &["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256", "-keyopt", "rsa_mgf1_md:sha1"];
    let transports: [&[&str]; 4] = [&[], &["-keyopt", "rsa_padding_mode:oaep"], oaep256, mixed];
    let mut count = 0;
    for (cipher, name) in CIPHERS {
        for transport in transports {
            for shape in [&[][..], &["-keyid"], &["-stream"]] {
                for before in [&[][..], &["-recip", "sender-seal.crt"]] {
                    let mut arguments = vec![
                        "cms", "-encrypt", "-binary", name, "-in", "payload", "-outform", "DER", "-out",
                        "sealed",
                    ];
                    arguments.extend(shape);
                    arguments.extend(before);
                    arguments.extend(["-recip", "receiver-seal.crt"]);
                    arguments.extend(transport);
                    desk.run("openssl", &arguments).unwrap();
                    let sealed = desk.read("sealed");
                    let opened = cms::open(&sealed, &keys, ALLOWED, &Limits::default());
                    let opened = opened.unwrap_or_else(|f| panic!("{arguments:?}: {f}"));
                    assert_eq!(opened.content, PAYLOAD, "{arguments:?}");
                    assert_eq!(opened.cipher, cipher);
                    assert!(cms::open(&sealed, &stranger, ALLOWED, &Limits::default()).is_err());
                    count += 1;
                }
            }
        }
    }
    println!("{count} envelopes of openssl open with us");
}
