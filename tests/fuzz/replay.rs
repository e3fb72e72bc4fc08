//! Every file of the fuzzers' corpus through its target, in the ordinary tests; and how the corpus began.
mod bodies;

use bodies::{DOCUMENT, ENVELOPE, PARTS, PAYLOAD};
use message_schemas::Limits;
use std::path::PathBuf;
use std::process::Command;
use system_tests::root;
use trust::algorithm::{ContentCipher, Digest, SignatureAlgorithm};
use trust::pki::demo::Demo;
use trust::pki::{Crl, KeyKind, Responder};
use trust::revocation::Evidence;
use trust::xmldsig::{self, Canonical, Options, Shape};
use trust::{Certificate, cms};

fn folder() -> PathBuf {
    root().join("tests/fuzz")
}

#[test]
fn the_corpus_holds() {
    for (target, body) in bodies::ALL {
        let files = std::fs::read_dir(folder().join("corpus").join(target)).unwrap();
        let mut count = 0;
        for file in files {
            let path = file.unwrap().path();
            println!("{}", path.display());
            body(&std::fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{target} has a corpus");
    }
}

/// A fuzzer's poor relation, for every test run: each file changed in some places, by a seed.
#[test]
fn changed_files_hold_too() {
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let count = std::env::var("FUZZ_COUNT").ok().and_then(|s| s.parse().ok()).unwrap_or(1_000);
    println!("seed {seed}");
    for (target, body) in bodies::ALL {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder().join("corpus").join(target))
            .unwrap()
            .map(|f| f.unwrap().path())
            .collect();
        files.sort();
        let files: Vec<Vec<u8>> = files.iter().map(|f| std::fs::read(f).unwrap()).collect();
        let mut state: u64 = seed;
        let mut below = |bound: usize| {
            // splitmix64
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
        };
        for _ in 0..count {
            let mut bytes = files[below(files.len())].clone();
            for _ in 0..=below(4) {
                let at = below(bytes.len());
                let end = (at + 1 + below(40)).min(bytes.len());
                match below(6) {
                    0 if at < bytes.len() => bytes[at] ^= 1 << below(8),
                    1 if at < bytes.len() => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF, 0x30, 0x24, 0xA0][below(8)],
                    2 => bytes.truncate(at),
                    3 => drop(bytes.drain(at..end)),
                    4 => {
                        let piece = bytes[at..end].to_vec();
                        let to = below(bytes.len());
                        bytes.splice(to..to, piece);
                    }
                    _ => bytes.insert(at, below(256) as u8),
                }
            }
            // A panic would not say which bytes.
            let held = std::panic::catch_unwind(|| body(&bytes));
            assert!(held.is_ok(), "{target} with seed {seed}: {}", String::from_utf8_lossy(&bytes));
        }
    }
}

/// The files that the fuzzers begin with do what they are there for: else a fuzzer would walk in the dark.
#[test]
fn the_corpus_reaches_what_it_is_for() {
    let world = &*bodies::WORLD;
    let files = |target: &str| {
        let files = std::fs::read_dir(folder().join("corpus").join(target)).unwrap();
        files.map(|f| std::fs::read(f.unwrap().path()).unwrap()).collect::<Vec<_>>()
    };
    let limits = Limits::default();
    let count = |bytes: Vec<Vec<u8>>, good: &dyn Fn(&[u8]) -> bool| bytes.iter().filter(|b| good(b)).count();
    let opened = |b: &[u8]| cms::open(b, &world.keys, bodies::ALLOWED, &limits).is_ok();
    assert!(count(files("cms_open"), &opened) >= 7);
    let verified =
        |b: &[u8]| cms::signed(b, &limits).is_ok_and(|s| s.verify(&world.trusted, bodies::ALLOWED).is_ok());
    assert!(count(files("cms_signed"), &verified) >= 4);
    let verified = |b: &[u8]| {
        let text = std::str::from_utf8(&b[1..]).unwrap_or_default();
        let (shape, parts) =
            if b[0].is_multiple_of(2) { (Shape::Enveloped, &[][..]) } else { (Shape::Ebxml, &PARTS[..]) };
        xmldsig::signed(text, shape, parts, bodies::ALLOWED, &limits)
            .is_ok_and(|s| s.is_some_and(|s| s.verify(&world.trusted).is_ok()))
    };
    assert!(count(files("xmldsig_signed"), &verified) >= 6);
    let list = |b: &[u8]| Evidence::default().with_crl(b).is_ok();
    assert!(count(files("revocation"), &list) >= 2);
    let answer = |b: &[u8]| Evidence::default().with_ocsp(b).is_ok();
    assert!(count(files("revocation"), &answer) >= 1);
}

/// A package of three parts, each in another encoding.
const PACKAGE: &[u8] = b"MIME-Version: 1.0\r\nContent-Type: multipart/related; type=\"text/xml\"; start=\"<s@b>\"; \
    boundary=\"xx\"\r\n\r\n--xx\r\nContent-ID: <s@b>\r\nContent-Type: text/xml; charset=utf-8\r\n\r\n<a/>\r\n--xx\r\n\
    Content-ID: <a@b>\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\nYSBw\r\nYXJ0\r\n\
    --xx\r\nContent-ID: <c@b>\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=20=\r\nb\r\n\
    --xx--\r\n";

/// Makes a new PKI for the fuzzers and the files that they begin with: only when asked to.
#[test]
fn make() {
    if std::env::var_os("MAKE_CORPUS").is_none() {
        return;
    }
    let demo = Demo::new(KeyKind::Rsa2048).unwrap();
    let (sender, receiver) = (&demo.sender.signing, &demo.receiver.sealing);
    let key = sender.private_key();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let pem = |certificate: &Certificate| {
        openssl::x509::X509::from_der(&certificate.der).unwrap().to_pem().unwrap()
    };
    let with_key = |pair: &trust::pki::Pair| {
        [pair.key().pem(None).unwrap().as_slice(), &pem(pair.certificate()), &pem(demo.issuing.certificate())]
            .concat()
    };
    write("pki/signer.pem", &with_key(sender));
    write("pki/recipient.pem", &with_key(receiver));
    write("pki/issuing.crt", &pem(demo.issuing.certificate()));
    write("pki/root.crt", &pem(demo.root.certificate()));
    write("pki/signed.der", &cms::sign(PAYLOAD, &*key, None).unwrap());
    write("pki/payload", PAYLOAD);

    let both = [demo.sender.sealing.certificate(), receiver.certificate()].map(std::sync::Arc::clone);
    for cipher in [
        ContentCipher::Aes128Cbc,
        ContentCipher::Aes256Cbc,
        ContentCipher::TripleDesCbc,
        ContentCipher::Aes128Gcm,
        ContentCipher::Aes256Gcm,
    ] {
        write(&format!("corpus/cms_open/{cipher:?}"), &cms::seal(PAYLOAD, &both[1..], cipher).unwrap());
    }
    let sealed = cms::seal(PAYLOAD, &both, ContentCipher::default()).unwrap();
    write("corpus/cms_open/two-recipients", &sealed);
    for digest in [Digest::Sha256, Digest::Sha512] {
        for algorithm in [SignatureAlgorithm::RsaPkcs1(digest), SignatureAlgorithm::RsaPss(digest)] {
            for at in [None, Some("2026-01-15T09:00:00Z".parse().unwrap())] {
                let signed = cms::sign_with(PAYLOAD, &*key, algorithm, at).unwrap();
                write(&format!("corpus/cms_signed/{algorithm:?}-{}", at.is_some()), &signed);
            }
        }
    }
    let openssl = |arguments: &str, out: &str| {
        let done = Command::new("openssl")
            .args(arguments.split(' '))
            .args(["-binary", "-in", "pki/payload", "-outform", "DER", "-out", out])
            .current_dir(folder())
            .status();
        assert!(done.unwrap().success(), "{arguments}");
    };
    let sign = "cms -sign -nodetach -md sha256 -signer pki/signer.pem";
    openssl(&format!("{sign} -stream"), "corpus/cms_signed/openssl-stream");
    openssl(&format!("{sign} -keyid -noattr -nocerts"), "corpus/cms_signed/openssl-keyid");
    let seal = "cms -encrypt -recip pki/recipient.pem";
    openssl(&format!("{seal} -aes256 -stream"), "corpus/cms_open/openssl-stream");
    openssl(&format!("{seal} -aes256 -keyid"), "corpus/cms_open/openssl-keyid");
    openssl(&format!("{seal} -aes256 -keyopt rsa_padding_mode:oaep"), "corpus/cms_open/openssl-oaep");

    for (shape, text, parts, byte) in
        [(Shape::Enveloped, DOCUMENT, &[][..], b'0'), (Shape::Ebxml, ENVELOPE, &PARTS[..], b'1')]
    {
        for exclusive in [false, true] {
            for comments in [false, true] {
                let prefixes =
                    if exclusive && comments { vec!["x".to_owned(), "#default".to_owned()] } else { vec![] };
                let options = Options {
                    shape,
                    canonical: Canonical { exclusive, comments, prefixes },
                    algorithm: None,
                };
                let signed = xmldsig::sign(text, &*key, &options, parts, &Limits::default()).unwrap();
                let name = format!("corpus/xmldsig_signed/{shape:?}-{exclusive}-{comments}");
                write(&name, &[&[byte], signed.as_bytes()].concat());
                if shape == Shape::Enveloped {
                    write(&format!("corpus/open/{exclusive}-{comments}.xml"), signed.as_bytes());
                    let inside = cms::sign(signed.as_bytes(), &*key, None).unwrap();
                    let sealed = cms::seal(&inside, &both[1..], ContentCipher::default()).unwrap();
                    write(&format!("corpus/open/{exclusive}-{comments}.p7m"), &sealed);
                }
            }
        }
    }
    write("corpus/open/mime", b"MIME-Version: 1.0\r\nContent-Type: text/xml\r\nContent-Transfer-Encoding: base64\r\n\r\nPGEvPg==\r\n");
    write("corpus/mime/package", PACKAGE);
    write("corpus/open/gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xb3I\xd4\xb7\x03\0\x93\x9c\x89\x1c\x04\0\0\0");
    for (name, certificate) in [
        ("root", demo.root.certificate()),
        ("issuing", demo.issuing.certificate()),
        ("signing", sender.certificate()),
        ("sealing", receiver.certificate()),
        ("p256", Demo::new(KeyKind::P256).unwrap().sender.signing.certificate()),
    ] {
        write(&format!("corpus/certificate/{name}.der"), &certificate.der);
        write(&format!("corpus/certificate/{name}.pem"), &pem(certificate));
    }
    let now = "2026-01-15T09:00:00Z".parse().unwrap();
    write("corpus/revocation/empty.crl", &demo.issuing.crl(&Crl::fresh(now)).unwrap());
    let revoked = vec![(sender.certificate().serial.clone(), now)];
    write("corpus/revocation/revoked.crl", &demo.issuing.crl(&Crl { revoked, ..Crl::fresh(now) }).unwrap());
    let wanted = Evidence::wanted(sender.certificate(), demo.issuing.certificate());
    let answer = Responder::fresh(&demo.issuing, now).answer(&wanted.ocsp_request).unwrap();
    write("corpus/revocation/good.ocsp", &answer);
    for (name, bytes) in
        [("der", &[][..]), ("indefinite", &[0x80; 30]), ("pieces", &[0x47; 30]), ("long", &[0x30; 30])]
    {
        write(&format!("corpus/ber/{name}"), bytes);
    }
}
