//! `dead-letter show`, as whoever is called at night meets it: what is wrong with a message that lies parked, and its
//! bytes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use common::{CONFIG, Home, PARTIES, sample};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use trust::cms;
use trust::pki::demo::Demo;

/// A message that this broker cannot open, as it has no keys; and its id.
fn parked(home: &Home) -> (Vec<u8>, String) {
    let key = Demo::shared().sender.signing.private_key();
    let signed = cms::sign(&sample("epikrise/accepted-1.2"), &*key, None).unwrap();
    let _broker = home.broker();
    fs::write(home.at("signed.p7m"), &signed).unwrap();
    fs::rename(home.at("signed.p7m"), home.at("in/signed.xml")).unwrap();
    home.wait_for("it to lie parked", || home.aside().contains("1 recipients lie still"));
    let listed = home.ask(&["dead-letter", "list", "--config", "broker.toml", "--format", "json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    (signed, listed["short"].as_str().unwrap().to_owned())
}

#[test]
fn findings_are_shown_and_the_bytes_are_written_as_they_came() {
    let home = Home::new(CONFIG, PARTIES);
    let (signed, id) = parked(&home);
    let show = |more: &[&str]| {
        let output = home.ask(&[&["dead-letter", "show", "--config", "broker.toml"], more].concat());
        (output.status.code(), output.stdout)
    };

    // Code and remedy, as text and as JSON.
    let (code, said) = show(&[&id]);
    let said = String::from_utf8(said).unwrap();
    assert_eq!(code, Some(0), "{said}");
    let finding = said.lines().find(|l| l.trim_start().starts_with("finding ")).unwrap();
    let (code, line) = show(&[&id, "--format", "json"]);
    assert_eq!(code, Some(0));
    let line: Value = serde_json::from_slice(&line).unwrap();
    let found = &line["findings"][0];
    for part in ["code", "message", "remedy"] {
        assert!(finding.contains(found[part].as_str().unwrap()), "{part}: {finding}");
    }
    assert!(!finding.contains("0:0:"), "it is about the whole, and names no place: {finding}");
    assert_eq!(line["recipient"]["state"], "parked");

    // The bytes: whole, for their owner alone, never over another file unasked.
    let path = home.at("message.p7m");
    assert_eq!(show(&[&id, "--out", "message.p7m"]).0, Some(0));
    assert_eq!(fs::read(&path).unwrap(), signed);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&path, "something else").unwrap();
    assert_eq!(show(&[&id, "--out", "message.p7m"]).0, Some(2));
    assert_eq!(fs::read(&path).unwrap(), b"something else");
    assert_eq!(show(&[&id, "--out", "message.p7m", "--force"]).0, Some(0));
    assert_eq!(fs::read(&path).unwrap(), signed);
    // On standard output there is nothing else.
    assert_eq!(show(&[&id, "--out", "-"]), (Some(0), signed));

    let (code, said) = show(&["0000-0000", "--out", "nothing.p7m"]);
    assert_eq!((code, said), (Some(1), Vec::new()));
    assert!(!home.at("nothing.p7m").exists());
}
