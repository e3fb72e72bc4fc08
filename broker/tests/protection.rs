//! `open`, `sign` and `seal`, as an integrator meets them: the built program is run on files that a fictitious PKI
//! signed and sealed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use tempfile::TempDir;
use trust::pki::demo::Demo;
use trust::pki::{Pair, Profile};
use trust::{ContentCipher, cms};

const PASSWORD: &str = "a password with spaces";

/// A folder with the keys and certificates of two organisations, and a message.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (demo, desk) = (Demo::shared(), Self { folder });
        desk.put("root.pem", demo.root.certificate().pem().as_bytes());
        desk.put("issuing.pem", demo.issuing.certificate().pem().as_bytes());
        desk.put("password", format!("{PASSWORD}\n").as_bytes());
        desk.pair("sender", &demo.sender.signing);
        desk.pair("receiver", &demo.receiver.sealing);
        desk.put("message.xml", &fs::read(sample()).unwrap());
        desk
    }

    fn pair(&self, name: &str, pair: &Pair) {
        self.put(&format!("{name}.p12"), &pair.pkcs12(PASSWORD).unwrap());
        self.put(&format!("{name}.cer"), &pair.certificate().der);
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.at(name), bytes).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command; words that name a file of the folder are given with its path.
    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_budstikke"));
        for word in line.split_whitespace() {
            match word.strip_prefix('@') {
                Some(name) => command.arg(self.at(name)),
                None => command.arg(word),
            };
        }
        command.output().unwrap()
    }

    /// Runs `open`: its exit code, and what it says.
    fn open(&self, line: &str) -> (i32, Value) {
        let output = self.run(&format!("open {line}"));
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        let said = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{output:?}"));
        (code(&output), said)
    }
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../message-schemas/samples/epikrise/accepted-1.2/in.xml")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("not ended by a signal")
}

fn codes(said: &Value) -> Vec<&str> {
    said["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect()
}

const KEY: &str = "--key @receiver.p12 --password-file @password";
const TRUST: &str = "--trust @root.pem --trust @issuing.pem --without-revocation";

#[test]
fn what_is_sealed_here_is_opened_here_and_told_layer_by_layer() {
    let desk = Desk::new();
    let sealed = desk.run(
        "seal @message.xml --key @sender.p12 --password-file @password --for @receiver.cer --out @message.p7m",
    );
    assert_eq!(code(&sealed), 0, "{sealed:?}");
    let (code, said) = desk.open(&format!("@message.p7m {KEY} {TRUST} --out @payload.xml"));
    assert_eq!((code, &said["verdict"]), (0, &"trusted".into()), "{said}");
    let layers: Vec<_> =
        said["layers"].as_array().unwrap().iter().map(|l| l["layer"].as_str().unwrap()).collect();
    assert_eq!(layers, ["sealed", "signed"]);
    let [sealed, signed] = &said["layers"].as_array().unwrap()[..] else { panic!("{said}") };
    assert_eq!(sealed["cipher"], "aes256-cbc");
    assert_eq!(sealed["recipients"][0]["serial"], Demo::shared().receiver.sealing.certificate().serial_hex());
    assert_eq!(signed["verified"], true);
    assert_eq!(signed["signer"]["organisation"], Demo::shared().sender.number.to_string());
    assert_eq!(signed["chain"].as_array().unwrap().len(), 2);
    assert_eq!(signed["revocation"][0]["standing"], "unknown");
    assert_eq!(said["warnings"].as_array().unwrap().len(), 1, "{said}");
    // What was covered is told by its hash, and written byte for byte, for its owner's eyes.
    let (payload, original) =
        (fs::read(desk.at("payload.xml")).unwrap(), fs::read(desk.at("message.xml")).unwrap());
    assert_eq!(payload, original);
    assert_eq!(signed["covered"]["sha256"], said["payload"]["sha256"]);
    assert_eq!(said["payload"]["kind"], "discharge-summary 1.2");
    assert_eq!(fs::metadata(desk.at("payload.xml")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn nothing_is_written_over_and_nothing_that_is_refused_is_written() {
    let desk = Desk::new();
    let seal = "seal @message.xml --key @sender.p12 --password-file @password --for @receiver.cer --out @message.p7m";
    assert_eq!(code(&desk.run(seal)), 0);
    assert_eq!(code(&desk.run(seal)), 2, "the file is there already");
    assert_eq!(code(&desk.run(&format!("{seal} --force"))), 0);
    // Without --trust.
    let (code, said) = desk.open(&format!("@message.p7m {KEY} --without-revocation --out @payload.xml"));
    assert_eq!((code, codes(&said)), (1, vec!["A11"]));
    assert!(said["findings"][0]["remedy"].as_str().unwrap().contains("--trust"), "{said}");
    assert!(!desk.at("payload.xml").exists());
    let signed = &said["layers"][1];
    assert_eq!((&signed["verified"], signed["covered"].is_null()), (&false.into(), true));
}

#[test]
fn without_a_key_the_outside_is_told() {
    let desk = Desk::new();
    assert_eq!(
        code(&desk.run("seal @message.xml --unsigned --for @receiver.cer --cipher aes128-gcm --out @m.p7m")),
        0
    );
    let (code, said) = desk.open("@m.p7m");
    assert_eq!((code, codes(&said)), (1, vec!["A22"]));
    assert_eq!(said["layers"][0]["cipher"], "aes128-gcm");
    assert_eq!(said["layers"][0]["recipients"].as_array().unwrap().len(), 1);
    assert!(said["layers"][0]["opened_with"].is_null() && said["payload"].is_null());
    // With the key it opens; but it is not signed.
    let (code, said) = desk.open(&format!("@m.p7m {KEY} {TRUST}"));
    assert_eq!((code, codes(&said)), (1, vec!["A01"]));
    assert!(!said["layers"][0]["opened_with"].is_null());
}

#[test]
fn unknown_revocation_is_refused_unless_it_is_asked_to_pass() {
    let desk = Desk::new();
    let line = "seal @message.xml --key @sender.p12 --password-file @password --for @receiver.cer --out @message.p7m";
    assert_eq!(code(&desk.run(line)), 0);
    let (code, said) = desk.open(&format!("@message.p7m {KEY} --trust @root.pem"));
    assert_eq!((code, codes(&said)), (1, vec!["A17"]), "{said}");
    assert!(said["findings"][0]["remedy"].as_str().unwrap().contains("--crl"), "{said}");
    assert_eq!(said["warnings"].as_array().unwrap().len(), 0);
}

#[test]
fn another_signer_than_the_expected_is_refused_and_an_absent_certificate_is_found() {
    let desk = Desk::new();
    let demo = Demo::shared();
    let other = demo.issuing.issue(
        &Profile::signing("Demo Sykehus", demo.sender.number, trust::pki::demo::valid()),
        demo.sender.signing.key().clone(),
    );
    desk.put("other.cer", &other.unwrap().certificate().der);
    assert_eq!(
        code(
            &desk
                .run("sign @message.xml --form cms --key @sender.p12 --password-file @password --out @s.p7m")
        ),
        0
    );
    let (code, said) = desk.open(&format!("@s.p7m {TRUST} --signer @sender.cer"));
    assert_eq!(code, 0, "{said}");
    let (code, said) = desk.open(&format!("@s.p7m {TRUST} --signer @other.cer"));
    assert_eq!((code, codes(&said)), (1, vec!["A10"]), "{said}");
}

#[test]
fn the_moment_can_be_chosen() {
    let desk = Desk::new();
    assert_eq!(
        code(
            &desk
                .run("sign @message.xml --form cms --key @sender.p12 --password-file @password --out @s.p7m")
        ),
        0
    );
    let (code, said) = desk.open(&format!("@s.p7m {TRUST} --at 2019-06-01T00:00Z"));
    assert_eq!((code, codes(&said)), (1, vec!["A13"]), "{said}");
    assert_eq!(said["at"], "2019-06-01T00:00:00Z");
}

#[test]
fn wrong_passwords_and_files_are_told_by_name_and_never_by_their_content() {
    let desk = Desk::new();
    desk.put("wrong", b"not the password");
    desk.put("noise", &[0xFF; 40]);
    for line in [
        "open @message.xml --key @receiver.p12 --password-file @wrong",
        "open @message.xml --key @receiver.p12 --password-file @noise",
        "open @message.xml --key @noise",
        "open @message.xml --trust @noise",
        "open @message.xml --trust @sender.cer",
        "open @message.xml --crl @noise",
        "open @message.xml --ocsp @noise",
        "open @nothing.xml",
        "open @message.xml --at yesterday",
        "sign @message.xml",
        "seal @message.xml --key @sender.p12 --password-file @password",
        "seal @message.xml --unsigned --for @receiver.cer --cipher rot13",
    ] {
        let output = desk.run(line);
        assert_eq!(code(&output), 2, "{line}: {output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.stdout.is_empty() && !told.contains("not the password"), "{line}: {told}");
    }
    // The environment may hold a password too.
    let mut command = Command::new(env!("CARGO_BIN_EXE_budstikke"));
    command.arg("open").arg(desk.at("message.xml")).arg("--key").arg(desk.at("receiver.p12"));
    let output = command.env("BUDSTIKKE_KEY_PASSWORD", PASSWORD).output().unwrap();
    assert_eq!(code(&output), 1, "{output:?}");
}

#[test]
fn a_certificate_that_is_not_for_sealing_is_not_sealed_for() {
    let desk = Desk::new();
    let output = desk.run("seal @message.xml --unsigned --for @sender.cer --out @m.p7m");
    assert_eq!(code(&output), 1);
    assert!(String::from_utf8(output.stderr).unwrap().contains("A14"));
    assert!(!desk.at("m.p7m").exists());
}

#[test]
fn no_content_and_no_person_is_printed() {
    let desk = Desk::new();
    let message = fs::read(desk.at("message.xml")).unwrap();
    let signed = cms::sign(&message, &*Demo::shared().sender.signing.private_key(), None).unwrap();
    let mut tampered = signed.clone();
    let at = tampered.windows(8).position(|w| w == b"<Message").unwrap();
    tampered[at + 20] ^= 1;
    let to = [Arc::clone(Demo::shared().receiver.sealing.certificate())];
    for (name, content) in [("good.p7m", &signed), ("bad.p7m", &tampered)] {
        desk.put(name, &cms::seal(content, &to, ContentCipher::Aes256Cbc).unwrap());
    }
    let text = String::from_utf8(message).unwrap();
    // The words of the document: element content that is longer than a code.
    let words: Vec<&str> =
        text.split('>').filter_map(|p| p.split('<').next()).filter(|w| w.trim().len() > 3).collect();
    assert!(words.len() > 10);
    for name in ["good.p7m", "bad.p7m"] {
        for format in ["json", "text"] {
            let output = desk.run(&format!("open @{name} {KEY} {TRUST} --format {format}"));
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            for word in &words {
                assert!(!said.contains(word), "{name} {format} prints {word:?}:\n{said}");
            }
        }
    }
    let (code, said) = desk.open(&format!("@bad.p7m {KEY} {TRUST}"));
    assert_eq!((code, codes(&said)), (1, vec!["A06"]), "{said}");
}

#[test]
fn a_document_is_signed_inside_in_either_canonical_form() {
    let desk = Desk::new();
    let head = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../message-schemas/samples/henvisning/accepted-2.0/in.xml");
    desk.put("referral.xml", &fs::read(head).unwrap());
    for canonical in ["inclusive", "exclusive"] {
        let out = format!("{canonical}.xml");
        let line = format!(
            "sign @referral.xml --key @sender.p12 --password-file @password --canonical {canonical} --out @{out}"
        );
        let output = desk.run(&line);
        assert_eq!(code(&output), 0, "{output:?}");
        let (code, said) = desk.open(&format!("@{out} {TRUST}"));
        assert_eq!(code, 0, "{said}");
        assert_eq!(said["layers"][0]["form"], "xmldsig");
        assert_eq!(said["layers"][0]["canonical"], canonical);
        // One letter of the document is another one now.
        let text = fs::read_to_string(desk.at(&out)).unwrap();
        desk.put("forged.xml", text.replacen("Fiktiv", "Fiktib", 1).as_bytes());
        assert_ne!(text, fs::read_to_string(desk.at("forged.xml")).unwrap());
        let (code, said) = desk.open(&format!("@forged.xml {TRUST}"));
        assert_eq!((code, codes(&said)), (1, vec!["A06"]), "{said}");
    }
    // What is signed already, or written in another encoding, is not signed.
    assert_eq!(code(&desk.run("sign @inclusive.xml --key @sender.p12 --password-file @password")), 1);
    desk.put("latin.xml", b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xE5</a>");
    assert_eq!(code(&desk.run("sign @latin.xml --key @sender.p12 --password-file @password")), 2);
}

/// The reference material beside the project, or none, said on the test's output.
fn shared() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    if shared.is_dir() {
        return Some(shared);
    }
    assert!(std::env::var_os("REQUIRE_SHARED").is_none(), "REQUIRE_SHARED is set, and there is no ../shared");
    println!("skipped: no ../shared");
    None
}

#[test]
fn a_whole_ebxml_mail_is_told_with_its_parts() {
    let Some(shared) = shared() else { return };
    let desk = Desk::new();
    let (ebxml, password) = (shared.join("ebxml"), "123456789");
    let store = fs::read(ebxml.join("nav/keystore/truststore_test.p12")).unwrap();
    let roots = trust::keys::certificates_from_pkcs12(&store, password).unwrap();
    desk.put("roots.pem", roots.iter().map(|c| c.pem()).collect::<String>().as_bytes());
    let open = |file: PathBuf, more: &str| {
        desk.put("mail.msg", &fs::read(file).unwrap());
        desk.open(&format!("@mail.msg --trust @roots.pem --without-revocation {more}"))
    };
    let real = ebxml.join("nav/oppgjor/2023_08_29T12_56_58_328.msg");
    let (code, said) = open(real.clone(), "--at 2023-08-29T12:56:58Z");
    assert_eq!(code, 0, "{said}");
    assert_eq!(said["layers"][0]["verified"], true);
    assert_eq!(said["parts"][0]["layers"][0]["layer"], "sealed");
    assert_eq!(said["warnings"].as_array().unwrap().len(), 2, "{said}");
    // Later, its certificate has run out.
    let (code, said) = open(real, "--at 2025-12-01T00:00:00Z");
    assert_eq!((code, codes(&said)), (1, vec!["A12"]), "{said}");
    let (code, said) =
        open(ebxml.join("nav/sync/harBorgerEgenandelFritakRequest"), "--at 2024-01-01T00:00:00Z");
    assert_eq!((code, codes(&said)), (1, vec!["A05"]), "{said}");
    for (name, why) in [
        ("05-negative-unscoped-block-added", "A06"),
        ("06-negative-header-tampered", "A06"),
        ("07-negative-payload-tampered", "A06"),
        ("08-negative-unsigned-second-payload", "A09"),
        ("09-negative-missing-payload-part", "A09"),
        ("20-ack-for-01", "A11"),
    ] {
        let (code, said) =
            open(ebxml.join(format!("synthetic/messages/{name}.msg")), "--at 2026-01-15T09:00Z");
        assert_eq!((code, codes(&said)), (1, vec![why]), "{name}: {said}");
    }
}

#[test]
fn what_a_file_is_that_is_no_message_is_said() {
    let desk = Desk::new();
    let seal = "seal @message.xml --key @sender.p12 --password-file @password --for @receiver.cer --out @message.p7m";
    let sealed = desk.run(seal);
    let said = String::from_utf8_lossy(&sealed.stderr).into_owned();
    assert!(code(&sealed) == 0 && said.contains("without --trust"), "nothing was checked: {said}");
    let bytes = fs::read(desk.at("message.p7m")).unwrap();
    desk.put("empty.p7m", b"");
    desk.put("short.p7m", &bytes[..bytes.len() / 2]);
    desk.put("damaged.pem", b"-----BEGIN CMS-----\nMIAG\n");
    for (file, words) in [("empty", "empty"), ("short", "cut off"), ("damaged", "PEM")] {
        let name = if file == "damaged" { "damaged.pem".to_owned() } else { format!("{file}.p7m") };
        let (code, said) = desk.open(&format!("@{name} {KEY} {TRUST}"));
        assert_eq!((code, codes(&said)), (1, vec!["A03"]), "{said}");
        assert!(said["findings"][0]["message"].as_str().unwrap().contains(words), "{said}");
    }
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(&bytes);
    desk.put("mailed.p7m", base64.as_bytes());
    desk.put("mailed.pem", format!("-----BEGIN CMS-----\n{base64}\n-----END CMS-----\n").as_bytes());
    for (file, form) in [("mailed.p7m", "base64"), ("mailed.pem", "pem")] {
        let (code, said) = desk.open(&format!("@{file} {KEY} {TRUST}"));
        assert_eq!((code, &said["verdict"]), (0, &"trusted".into()), "{said}");
        let layers: Vec<_> =
            said["layers"].as_array().unwrap().iter().map(|l| l["layer"].as_str().unwrap()).collect();
        assert_eq!(layers, ["armour", "sealed", "signed"], "{said}");
        assert_eq!(said["layers"][0]["form"], form);
    }
    let text = desk.run(&format!("open @message.p7m {KEY} {TRUST} --format text"));
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains(": trusted, as of") && text.contains("    above     "), "{text}");
}

#[test]
fn a_key_that_may_not_sign_now_is_told_by_its_code() {
    let desk = Desk::new();
    let demo = Demo::shared();
    let valid = trust::pki::demo::valid();
    let profile = Profile {
        not_after: "2021-01-01T00:00:00Z".parse().unwrap(),
        ..Profile::signing("Demo Legekontor", demo.sender.number, valid)
    };
    let key = trust::pki::Key::generate(trust::pki::KeyKind::P256).unwrap();
    desk.pair("expired", &demo.issuing.issue(&profile, key).unwrap());
    for (key, expected) in [("expired", "A12"), ("receiver", "A14")] {
        for command in ["sign @message.xml", "seal @message.xml --for @receiver.cer"] {
            let output = desk.run(&format!("{command} --key @{key}.p12 --password-file @password"));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(code(&output) == 1 && said.contains(expected) && !said.contains("0:0"), "{key}: {said}");
        }
    }
    let output = desk.run("sign @message.xml --key @sender.p12");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(code(&output) == 2 && said.contains("--password-file"), "{said}");
}

#[test]
fn whose_key_is_missing_is_told_with_the_numbers_of_ours() {
    let desk = Desk::new();
    desk.pair("other", &Demo::shared().sender.sealing);
    let seal = "seal @message.xml --key @sender.p12 --password-file @password --for @receiver.cer --out @message.p7m";
    assert_eq!(code(&desk.run(seal)), 0);
    let (_, said) = desk.open(&format!("@message.p7m --key @other.p12 --password-file @password {TRUST}"));
    assert_eq!(codes(&said), ["A22"]);
    let message = said["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains(&Demo::shared().sender.sealing.certificate().serial_hex()), "{message}");
}
