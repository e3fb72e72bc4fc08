//! `dead-letter`, as whoever is called at night meets it: what is wrong with a message that lies parked, its bytes, and
//! how it goes again.

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

    // When nothing is to be done with it, it is taken from the list; and back, if that was wrong.
    let discard = |more: &[&str]| {
        let output = home.ask(&[&["dead-letter", "discard", "--config", "broker.toml", &id], more].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = discard(&["--dry-run"]);
    assert!(code == Some(0) && said.ends_with("1 of 1 would be discarded.\n"), "{said}");
    assert!(home.aside().contains("1 recipients lie still."));
    for empty in ["", "  ", "two\n  2026-11-23T03:00:00Z  lines"] {
        assert_eq!(discard(&["--reason", empty]).0, Some(2), "{empty:?}");
    }
    let (code, said) = discard(&["--dry-run", "0000-0000"]);
    assert!(code == Some(1) && said.ends_with("1 of 2 would be discarded.\n"), "{said}");
    let (code, said) = discard(&["--reason", "sender told, case 4711"]);
    assert!(code == Some(0) && said.ends_with("1 of 1 discarded.\n"), "{said}");
    assert!(home.aside().contains("0 recipients lie still."));
    assert_eq!(discard(&["--reason", "again"]).0, Some(1));
    let told = home.ask(&["trace", "--config", "broker.toml", &id]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("discarded") && told.contains("case 4711"), "{told}");
    let (code, said) = discard(&["--undo", "--reason", "the wrong one"]);
    assert!(code == Some(0) && said.ends_with("1 of 1 lie still again.\n"), "{said}");
    assert!(home.aside().contains("1 recipients lie still."));
    let ledger = home.ask(&["ledger", "--config", "broker.toml"]);
    assert_eq!(ledger.status.code(), Some(0), "{ledger:?}");

    let (code, said) = show(&["0000-0000", "--out", "nothing.p7m"]);
    assert_eq!((code, said), (Some(1), Vec::new()));
    assert!(!home.at("nothing.p7m").exists());
}

/// A message to a service of ours that has no destination yet.
fn letter(home: &Home, number: u32, to: &str) {
    let text = String::from_utf8(sample("epikrise/accepted-1.2")).unwrap();
    let id = format!("00000000-0000-4000-8000-{number:012}");
    let text =
        text.replace("ebf49d88-b5f8-5968-9bfc-453f047496ea", &id).replace(">210010<", &format!(">{to}<"));
    fs::write(home.at(&format!("in/{number}.part")), text).unwrap();
    fs::rename(home.at(&format!("in/{number}.part")), home.at(&format!("in/{number}.xml"))).unwrap();
}

#[test]
fn a_limit_says_what_it_hides_and_counts_only_what_is_asked_for() {
    const PLACE: &str = "answers = \"broker\"\ndestination = \"folder:gp\"\n";
    let other = "[[party]]\nher_id = 210020\nlevel = \"service\"\nparent = 210000\nname = \"Kari Legesen\"\n\
                 kind = \"gp\"\nanswers = \"broker\"\n";
    assert!(PARTIES.contains(PLACE));
    let nowhere = format!("{}{other}", PARTIES.replace(PLACE, "answers = \"broker\"\n"));
    let home = Home::new(CONFIG, &nowhere);
    let broker = home.broker();
    for number in 1..=3 {
        letter(&home, number, "210010");
        home.wait_for("it to lie parked", || {
            home.aside().contains(&format!("{number} recipients lie still."))
        });
    }
    letter(&home, 4, "210020");
    home.wait_for("it to lie parked", || home.aside().contains("4 recipients lie still."));

    let asked = |words: &[&str]| {
        let output = home.ask(&[&["dead-letter"], words, &["--config", "broker.toml"]].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (_, said) = asked(&["list", "--limit", "2"]);
    assert!(said.ends_with("2 recipients lie still; --limit hides more.\n"), "{said}");
    let (_, said) = asked(&["list", "--limit", "4"]);
    assert!(said.ends_with("4 recipients lie still.\n"), "{said}");
    let (_, said) = asked(&["list", "--limit", "1", "--receiver", "210020"]);
    assert!(
        said.contains("120010 > 210020") && said.contains(", by folder:inbox\n"),
        "whence and whither: {said}"
    );
    assert!(said.contains("P12") && said.ends_with("1 recipients lie still.\n"), "{said}");

    // The destination is entered: it goes, and its sender is answered, which nobody did before.
    assert_eq!((home.files("out/gp", ".xml"), home.files("out/hospital", ".xml")), (0, 0));
    let placed = nowhere.replace(other, &format!("{other}destination = \"folder:gp\"\n"));
    fs::write(home.at("parties.toml"), placed).unwrap();
    let one = ["replay", "--all", "--limit", "1", "--receiver", "210020"];
    let (code, said) = asked(&[&one[..], &["--dry-run"]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("receipt to folder:hospital"), "{said}");
    assert!(said.ends_with("1 of 1 would go again.\n"), "{said}");
    let (code, said) = asked(&[&one[..], &["--reason", "entered, case 4711"]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("1 of 1 go again.\n"), "{said}");
    home.wait_for("the delivery", || home.files("out/gp", ".xml") == 1);
    home.wait_for("the receipt", || home.files("out/hospital", ".xml") == 1);
    // The others have none still.
    let (code, said) = asked(&["replay", "--all", "--limit", "2", "--reason", "hurry"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("stays: judged again, it comes to the same (P12 "), "{said}");
    assert!(said.ends_with("0 of 2 go again; --limit hides more.\n"), "{said}");
    // A person may name where they go.
    let (code, said) = asked(&["replay", "--all", "--to", "folder:gp", "--reason", "by hand"]);
    assert_eq!((code, said.ends_with("3 of 3 go again.\n")), (Some(0), true), "{said}");
    home.wait_for("the deliveries", || home.files("out/gp", ".xml") == 4);
    assert_eq!(broker.stop("-TERM"), Some(0));
}

#[test]
fn what_a_rule_held_is_released_delivered_and_answered() {
    let config = CONFIG.replace("[journal]", "rules = [\"rules.toml\"]\n[journal]");
    let home = Home::new(&config, PARTIES);
    let rule = "[[rule]]\nname = \"look\"\nhold = \"the ward wants to see it first\"\n";
    fs::write(home.at("rules.toml"), rule).unwrap();
    let broker = home.broker();
    letter(&home, 1, "210010");
    home.wait_for("it to be held", || home.aside().contains("P15"));
    let listed = home.ask(&["dead-letter", "list", "--config", "broker.toml", "--format", "json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    for command in [&["dead-letter", "show"][..], &["trace"]] {
        let shown =
            home.ask(&[command, &["--config", "broker.toml", listed["short"].as_str().unwrap()]].concat());
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("rule look (rules.toml:1) holds: the ward wants to see it first"), "{shown}");
    }
    let output = home.ask(&["dead-letter", "replay", "--config", "broker.toml", "--all", "--reason", "seen"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("to folder:gp  (judged again: accepted") && said.ends_with("1 of 1 go again.\n"),
        "{said}"
    );
    home.wait_for("the delivery", || home.files("out/gp", ".xml") == 1);
    home.wait_for("the receipt", || home.files("out/hospital", ".xml") == 1);
    assert_eq!(broker.stop("-TERM"), Some(0));
}
