//! `check` refuses what `run` refuses, and warns of what `run` starts with and goes on saying.

use crate::region::Region;
use std::fs;
use trust::pki::demo::{Demo, valid};
use trust::pki::{Key, KeyKind, Profile};

fn check(region: &Region) -> (Option<i32>, String) {
    let output = region.command().args(["check", "broker.toml"]).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code(), said)
}

#[test]
fn an_expired_key_of_ours_is_a_warning_for_both() {
    let region = Region::new();
    let demo = Demo::shared();
    let over = "2021-01-01T00:00:00Z".parse().unwrap();
    let profile = Profile { not_after: over, ..Profile::signing("Over", demo.receiver.number, valid()) };
    let pair = demo.issuing.issue(&profile, Key::generate(KeyKind::P256).unwrap()).unwrap();
    let password = fs::read_to_string(region.at("pki/password")).unwrap();
    let key = region.at("pki/parties/broker/signing.p12");
    fs::write(key, pair.pkcs12(password.lines().next().unwrap()).unwrap()).unwrap();

    let (code, said) = check(&region);
    assert_eq!(code, Some(0), "{said}");
    for words in ["warning: ", "has run out", "None of our keys can sign now"] {
        assert!(said.contains(words), "{words} is missing in {said}");
    }
    let _broker = region.broker();
    region.wait_for("the same in health", || {
        let ready = region.page("/health/ready").unwrap();
        ready.contains("certificate_expiring") && ready.contains("no_signing_key")
    });
    region.wait_for("the same in the log", || region.log().contains("has run out"));
}

#[test]
fn want_of_a_key_to_open_with_is_said_and_a_root_is_a_ca() {
    let region = Region::new();
    let config = fs::read_to_string(region.at("broker.toml")).unwrap();
    let sealing =
        "[[trust.keys]]\nfile = \"pki/parties/broker/sealing.p12\"\npassword_file = \"pki/password\"\n";
    assert!(config.contains(sealing), "{config}");
    fs::write(region.at("broker.toml"), config.replace(sealing, "")).unwrap();
    let (code, said) = check(&region);
    assert!(code == Some(0) && said.contains("None of our keys is for sealing"), "{said}");

    let no_ca = config.replace("pki/root.pem", "pki/parties/gp/signing.pem");
    fs::write(region.at("broker.toml"), no_ca).unwrap();
    let (code, said) = check(&region);
    assert!(code == Some(3) && said.contains("This is no CA's certificate"), "{said}");
}
