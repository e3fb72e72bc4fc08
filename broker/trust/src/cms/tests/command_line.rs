//! OpenSSL's command line, both ways: what we write it reads, and what it writes we read. Another OpenSSL than the one
//! that is built in, where the system has one.

use super::*;
use crate::algorithm::{Digest, KeyTransport, SignatureAlgorithm};
use crate::cms::seal::seal_by;
use crate::pki::{KeyKind, demo};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `openssl` with these arguments and this input; none where there is no such command.
pub(super) fn openssl(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let started = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        assert!(std::env::var_os("REQUIRE_SHARED").is_none(), "REQUIRE_SHARED is set; no openssl command");
        println!("skipped: no openssl command");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let written = writer.join().unwrap();
    assert!(
        output.status.success() && written.is_ok(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(output.stdout)
}

/// The files of one party, for the command line.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn of(pair: &crate::pki::Pair) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key.pem"), &*pair.key().pem(None).unwrap()).unwrap();
        std::fs::write(folder.path().join("cert.der"), &pair.certificate().der).unwrap();
        let files = Self { folder };
        if let Some(pem) = openssl(&["x509", "-inform", "DER", "-in", &files.path("cert.der")], &[]) {
            std::fs::write(files.path("cert.pem"), pem).unwrap();
        }
        files
    }

    fn path(&self, name: &str) -> String {
        Path::new(self.folder.path()).join(name).to_str().unwrap().to_owned()
    }
}

fn big() -> Vec<u8> {
    PAYLOAD.repeat(4000)
}

#[test]
fn it_opens_what_we_seal() {
    let pair = &Demo::shared().receiver.sealing;
    let files = Files::of(pair);
    for cipher in [
        ContentCipher::Aes128Cbc,
        ContentCipher::Aes192Cbc,
        ContentCipher::Aes256Cbc,
        ContentCipher::Aes128Gcm,
        ContentCipher::Aes192Gcm,
        ContentCipher::Aes256Gcm,
        ContentCipher::TripleDesCbc,
    ] {
        for transport in [
            KeyTransport::RsaPkcs1,
            KeyTransport::RsaOaep { digest: Digest::Sha1, mask: Digest::Sha1 },
            KeyTransport::RsaOaep { digest: Digest::Sha256, mask: Digest::Sha256 },
            KeyTransport::RsaOaep { digest: Digest::Sha512, mask: Digest::Sha1 },
        ] {
            let sealed = seal_by(&big(), &[Arc::clone(pair.certificate())], cipher, transport).unwrap();
            let arguments = [
                "cms",
                "-decrypt",
                "-binary",
                "-inform",
                "DER",
                "-recip",
                &files.path("cert.pem"),
                "-inkey",
                &files.path("key.pem"),
            ];
            let Some(opened) = openssl(&arguments, &sealed) else { return };
            assert_eq!(opened, big(), "{cipher:?} {transport:?}");
        }
    }
}

#[test]
fn we_open_what_it_seals() {
    let pair = &Demo::shared().receiver.sealing;
    let files = Files::of(pair);
    let certificate = files.path("cert.pem");
    let ways: [&[&str]; 6] = [
        &[],
        &["-stream", "-indef"],
        &["-keyid"],
        &["-keyopt", "rsa_padding_mode:oaep"],
        &["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"],
        &["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha384", "-keyopt", "rsa_mgf1_md:sha1"],
    ];
    for cipher in
        ["aes128", "aes-192-cbc", "aes-256-cbc", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm", "des3"]
    {
        for way in ways {
            let cipher = format!("-{cipher}");
            let mut arguments = vec!["cms", "-encrypt", "-binary", "-outform", "DER", &cipher];
            let after_recipient = way.first() == Some(&"-keyopt");
            if !after_recipient {
                arguments.extend(way);
            }
            arguments.extend(["-recip", &certificate]);
            if after_recipient {
                arguments.extend(way);
            }
            let Some(sealed) = openssl(&arguments, &big()) else { return };
            let opened = open(&sealed, &ring(&pair.private_key()), LEGACY, &limits())
                .unwrap_or_else(|fault| panic!("{arguments:?}: {fault}"));
            assert_eq!(opened.content, big(), "{arguments:?}");
        }
    }
}

#[test]
fn weak_ciphers_of_it_are_refused_by_name() {
    let pair = &Demo::shared().receiver.sealing;
    let files = Files::of(pair);
    for (cipher, name) in [("-des-cbc", "DES"), ("-rc2-128", "RC2"), ("-camellia256", "1.2.392.")] {
        let arguments = [
            "cms",
            "-encrypt",
            "-binary",
            "-outform",
            "DER",
            "-provider",
            "legacy",
            "-provider",
            "default",
            cipher,
            "-recip",
            &files.path("cert.pem"),
        ];
        let Some(sealed) = openssl(&arguments, PAYLOAD) else { return };
        let fault = open(&sealed, &ring(&pair.private_key()), LEGACY, &limits()).unwrap_err();
        assert_eq!(fault.kind, Kind::AlgorithmNotAllowed, "{cipher}");
        assert!(fault.message.contains(name), "{cipher}: {fault}");
    }
}

#[test]
fn a_recipient_that_is_no_rsa_key_does_not_disturb_ours() {
    let organisation = organisation(KeyKind::P256);
    let elliptic = Files::of(&organisation.signing);
    let pair = &Demo::shared().receiver.sealing;
    let files = Files::of(pair);
    let arguments = [
        "cms",
        "-encrypt",
        "-binary",
        "-outform",
        "DER",
        "-aes256",
        "-recip",
        &elliptic.path("cert.pem"),
        "-recip",
        &files.path("cert.pem"),
        "-secretkey",
        "000102030405060708090A0B0C0D0E0F",
        "-secretkeyid",
        "01",
        "-pwri_password",
        "password",
    ];
    let Some(sealed) = openssl(&arguments, PAYLOAD) else { return };
    let outside = envelope(&sealed, &limits()).unwrap();
    assert_eq!((outside.recipients.len(), outside.others), (1, 3));
    assert_eq!(outside.open(&ring(&pair.private_key()), DEFAULT).unwrap().content, PAYLOAD);
    let fault = outside.open(&ring(&organisation.signing.private_key()), DEFAULT).unwrap_err();
    assert_eq!(fault.kind, Kind::OwnKeyMissing);
}

fn organisation(kind: KeyKind) -> demo::Organisation {
    demo::Organisation::new(&Demo::shared().issuing, "Example Hospital", demo::SENDER, kind).unwrap()
}

#[test]
fn it_verifies_what_we_sign() {
    for (kind, algorithms) in algorithms() {
        let organisation = organisation(kind);
        let files = Files::of(&organisation.signing);
        let key = organisation.signing.private_key();
        for algorithm in algorithms {
            for at in [None, Some("2026-01-01T10:20:30Z".parse().unwrap())] {
                let bytes = sign_with(&big(), &*key, algorithm, at).unwrap();
                let arguments = [
                    "cms",
                    "-verify",
                    "-binary",
                    "-inform",
                    "DER",
                    "-nointern",
                    "-noverify",
                    "-purpose",
                    "any",
                    "-certfile",
                    &files.path("cert.pem"),
                ];
                let Some(content) = openssl(&arguments, &bytes) else { return };
                assert_eq!(content, big(), "{algorithm:?} {at:?}");
            }
        }
    }
}

#[test]
fn we_verify_what_it_signs() {
    for (kind, algorithms) in algorithms() {
        let organisation = organisation(kind);
        let files = Files::of(&organisation.signing);
        let signer = of_demo(organisation.signing.certificate());
        let (certificate, key) = (files.path("cert.pem"), files.path("key.pem"));
        for algorithm in algorithms {
            let md = algorithm.digest().name().replace('-', "").to_lowercase();
            let pss: &[&str] = &["-keyopt", "rsa_padding_mode:pss"];
            let short: &[&str] = &[pss, &["-keyopt", "rsa_pss_saltlen:32"]].concat();
            let paddings: &[&[&str]] =
                if matches!(algorithm, SignatureAlgorithm::RsaPss(_)) { &[pss, short] } else { &[&[]] };
            for padding in paddings {
                for way in
                    [&[][..], &["-noattr"], &["-stream", "-indef"], &["-keyid"], &["-nocerts"], &["-cades"]]
                {
                    // OpenSSL 3.0 cannot write the parameters of PSS before it has signed.
                    if way.contains(&"-stream") && !padding.is_empty() {
                        continue;
                    }
                    let mut arguments =
                        vec!["cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-md", &md];
                    arguments.extend(way);
                    arguments.extend(["-signer", &certificate, "-inkey", &key]);
                    arguments.extend(*padding);
                    let Some(bytes) = openssl(&arguments, &big()) else { return };
                    let signed =
                        signed(&bytes, &limits()).unwrap_or_else(|fault| panic!("{arguments:?}: {fault}"));
                    assert_eq!(signed.algorithm, algorithm);
                    assert_eq!(signed.claimed().is_none(), way == ["-nocerts"], "{arguments:?}");
                    assert_eq!(signed.has_attributes(), way != ["-noattr"], "{arguments:?}");
                    let allowed = if algorithm.digest() == Digest::Sha1 { LEGACY } else { DEFAULT };
                    let verified = signed
                        .verify(&signer, allowed)
                        .unwrap_or_else(|fault| panic!("{arguments:?}: {fault}"));
                    assert_eq!(verified.get(), &big());
                }
            }
        }
    }
}

/// What each kind of key can do.
fn algorithms() -> [(KeyKind, Vec<SignatureAlgorithm>); 3] {
    use SignatureAlgorithm::{Ecdsa, RsaPkcs1, RsaPss};
    let digests = [Digest::Sha256, Digest::Sha384, Digest::Sha512];
    let rsa = digests.iter().flat_map(|&d| [RsaPkcs1(d), RsaPss(d)]).chain([RsaPkcs1(Digest::Sha1)]);
    let ecdsa: Vec<_> = digests.iter().map(|&d| Ecdsa(d)).collect();
    [(KeyKind::Rsa2048, rsa.collect()), (KeyKind::P256, ecdsa.clone()), (KeyKind::P384, ecdsa)]
}
