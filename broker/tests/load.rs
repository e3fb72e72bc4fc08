//! `send` as a load: many messages of one sample, to a broker that runs, and what is told of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use common::{CONFIG, Home, PARTIES, free_port};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

/// The folder of a sample.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../message-schemas/samples/epikrise/accepted-1.2");

fn summary(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// With an HTTP interface, at this port.
fn over_http(port: u16) -> String {
    CONFIG.replace(
        "[sources.folders.inbox]",
        &format!("[sources.http]\nbind = \"127.0.0.1:{port}\"\n[sources.folders.inbox]"),
    )
}

#[test]
fn a_load_over_http_is_taken_in_answered_and_measured() {
    let port = free_port();
    let home = Home::new(&over_http(port), PARTIES);
    let _broker = home.broker();
    let to = format!("http://127.0.0.1:{port}");
    let load = |more: &[&str]| {
        let words = ["send", SAMPLE, "--to", &to, "--format", "json"].to_vec();
        let words: Vec<String> = words.into_iter().chain(more.iter().copied()).map(str::to_owned).collect();
        home.command().args(words).output().unwrap()
    };
    let sent = load(&["--count", "40", "--rate", "200", "--receipts-from", "http"]);
    let told = summary(&sent);
    assert_eq!(sent.status.code(), Some(0), "{told}");
    assert_eq!((&told["sent"], &told["acknowledged"]), (&Value::from(40), &Value::from(40)));
    assert_eq!(told["receipts"]["missing"], 0, "{told}");
    assert!(told["seconds"].as_f64().unwrap() >= 0.195, "40 at 200 a second take so long: {told}");
    for latency in ["to_acknowledgement_ms", "to_receipt_ms"] {
        let of = |name: &str| told[latency][name].as_f64().unwrap();
        assert!(of("p50") <= of("p90") && of("p90") <= of("p99") && of("p99") <= of("max"), "{told}");
    }

    // Receipts as the hospital gets them; each message is another one, or the broker would know it again.
    let hospital = home.at("out/hospital");
    let sent = load(&["--count", "30", "--receipts-from", hospital.to_str().unwrap()]);
    let told = summary(&sent);
    assert_eq!(
        (sent.status.code(), &told["receipts"]["by_kind"]["ok"]),
        (Some(0), &Value::from(30)),
        "{told}"
    );
    assert_eq!(told["receipts"]["strange"], 0, "those of the load before are not counted: {told}");

    let ledger = home.ask(&["ledger", "--config", "broker.toml"]);
    assert_eq!(ledger.status.code(), Some(0), "{}", String::from_utf8_lossy(&ledger.stdout));
}

#[test]
fn a_load_by_folder_ends_when_its_time_is_over() {
    let home = Home::new(CONFIG, PARTIES);
    let _broker = home.broker();
    let (inbox, hospital) = (home.at("in"), home.at("out/hospital"));
    let sent = home.ask(&[
        "send",
        SAMPLE,
        "--folder",
        inbox.to_str().unwrap(),
        "--for",
        "1s",
        "--rate",
        "20",
        "--receipts-from",
        hospital.to_str().unwrap(),
    ]);
    let told = String::from_utf8_lossy(&sent.stdout);
    assert_eq!(sent.status.code(), Some(0), "{told}");
    let number = |word: &str| {
        let line = told.lines().find(|line| line.starts_with(word)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
    };
    assert_eq!((number("sent"), number("acknowledged"), number("receipts")), (20, 20, 20), "{told}");
    assert!(told.contains("to receipt") && told.contains("p99"), "{told}");
}

#[test]
fn what_is_lost_refused_or_not_answered_makes_the_verdict() {
    let home = Home::new(CONFIG, PARTIES);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let words = ["send", SAMPLE, "--count", "3", "--format", "json"];
    let ask = |more: &[&str]| home.ask(&[&words[..], more].concat());
    let lost = ask(&["--to", &nobody]);
    assert_eq!((lost.status.code(), &summary(&lost)["lost"]["no answer"]), (Some(1), &Value::from(3)));

    fs::create_dir(home.at("spool")).unwrap();
    let (spool, empty) = (home.at("spool"), home.at("empty"));
    let (spool, empty) = (spool.to_str().unwrap(), empty.to_str().unwrap());
    let unanswered = ask(&["--folder", spool, "--receipts-from", empty, "--patience", "200ms"]);
    let told = summary(&unanswered);
    assert_eq!(
        (unanswered.status.code(), &told["receipts"]["missing"]),
        (Some(1), &Value::from(3)),
        "{told}"
    );

    // What lies there are three messages, each with an id of its own and nothing else changed.
    let original = fs::read_to_string(Path::new(SAMPLE).join("in.xml")).unwrap();
    let mut changed = BTreeSet::new();
    for file in fs::read_dir(spool).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let differ: Vec<_> = text.lines().zip(original.lines()).filter(|(new, old)| new != old).collect();
        assert!((1..=6).contains(&differ.len()), "{differ:?}");
        changed.insert(text);
    }
    assert_eq!(changed.len(), 3);
}

#[test]
fn a_load_is_signed_and_sealed_with_the_keys_that_are_given() {
    let home = Home::new(CONFIG, PARTIES);
    assert_eq!(home.ask(&["pki", "demo", "pki"]).status.code(), Some(0));
    fs::create_dir(home.at("spool")).unwrap();
    let sent = home.ask(&[
        "send",
        SAMPLE,
        "--count",
        "4",
        "--folder",
        "spool",
        "--key",
        "pki/parties/gp/signing.p12",
        "--password-file",
        "pki/password",
        "--sign",
        "xml",
        "--sign",
        "cms",
        "--seal-for",
        "pki/parties/hospital/sealing.pem",
        "--format",
        "json",
    ]);
    assert_eq!(sent.status.code(), Some(0), "{}", String::from_utf8_lossy(&sent.stderr));
    for file in fs::read_dir(home.at("spool")).unwrap() {
        let file = file.unwrap().path();
        let opened = home.ask(&[
            "open",
            file.to_str().unwrap(),
            "--key",
            "pki/parties/hospital/sealing.p12",
            "--password-file",
            "pki/password",
            "--trust",
            "pki/root.pem",
            "--crl",
            "pki/root.crl",
            "--crl",
            "pki/issuing.crl",
        ]);
        let told = String::from_utf8_lossy(&opened.stdout);
        assert_eq!(opened.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&opened.stderr));
    }
}

#[test]
fn a_load_of_what_cannot_be_made_anew_is_told_before_anything_is_sent() {
    let home = Home::new(CONFIG, PARTIES);
    fs::create_dir(home.at("spool")).unwrap();
    fs::write(home.at("note.xml"), "<note/>").unwrap();
    for words in [
        &["send", "note.xml", "--count", "2", "--folder", "spool"][..],
        &["send", "spool", "--count", "2", "--folder", "spool"],
        &["send", "note.xml", "--rate", "5", "--folder", "spool"],
        &["send", "note.xml", "--count", "0", "--folder", "spool"],
        &["send", "note.xml", "--count", "1", "--rate", "0", "--folder", "spool"],
    ] {
        let refused = home.ask(words);
        assert_eq!(refused.status.code(), Some(2), "{words:?}: {}", String::from_utf8_lossy(&refused.stderr));
    }
    assert_eq!(fs::read_dir(home.at("spool")).unwrap().count(), 0);
}

#[test]
fn whoever_stops_a_load_sees_what_came_of_it() {
    let home = Home::new(CONFIG, PARTIES);
    fs::create_dir(home.at("spool")).unwrap();
    let mut command = home.command();
    command.args(["send", SAMPLE, "--for", "10m", "--rate", "50", "--folder", "spool"]);
    command.args(["--format", "json"]).stdout(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    home.wait_for("some messages", || home.files("spool", ".xml") > 5);
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let told = summary(&output);
    assert_eq!((output.status.code(), &told["interrupted"]), (Some(0), &Value::from(true)), "{told}");
    let sent = told["sent"].as_u64().unwrap();
    assert!(sent > 5 && told["acknowledged"] == sent, "{told}");
    assert_eq!(u64::try_from(home.files("spool", ".xml")).unwrap(), sent, "nothing is left half");
}
