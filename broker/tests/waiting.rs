//! `waiting`, and health, as an operator meets them when a receiver does not answer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use common::{CONFIG, Home, PARTIES, Running, free_port, sample};
use serde_json::Value;
use std::fs;

#[test]
fn what_a_silent_receiver_makes_wait_is_named_with_its_answer() {
    // Nobody listens there; the breaker opens after the second attempt, and tries again an hour later.
    let dead = format!(
        "url = \"http://127.0.0.1:{}/in\"\nretry = {{ first = \"50ms\", max = \"100ms\" }}\n\
         breaker = {{ failures = 2, pause = {{ first = \"1h\", max = \"1h\" }} }}",
        free_port()
    );
    let home = Home::new(&CONFIG.replace("folder = \"out/gp\"", &dead), PARTIES);
    let _broker = home.broker();
    let nothing = home.ask(&["waiting", "--config", "broker.toml"]);
    assert_eq!(String::from_utf8_lossy(&nothing.stdout), "0 wait for 0 destinations.\n");

    fs::write(home.at("letter.part"), sample("epikrise/accepted-1.2")).unwrap();
    fs::rename(home.at("letter.part"), home.at("in/letter.xml")).unwrap();
    home.wait_for("health to name it", || {
        home.page("/health/ready").is_some_and(|page| page.contains("\"destination_down\":\"folder:gp fails"))
    });
    assert!(home.page("/health/ready").unwrap().contains("\"ready\":true"), "what comes is taken in");

    let told = |more: &[&str]| {
        let output = home.ask(&[&["waiting", "--config", "broker.toml"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // Health knows an answer the moment it is there, the journal once it is written.
    let recipient = || {
        let one: Value = serde_json::from_str(&told(&["folder:gp", "--format", "json"])).unwrap();
        (one["message"].as_str().unwrap().to_owned(), one["recipient"].clone())
    };
    home.wait_for("the second answer to be written", || {
        let (_, recipient) = recipient();
        recipient["tries"].as_u64() >= Some(2) && recipient["detail"].is_string()
    });
    let said = told(&[]);
    let line = said.lines().find(|line| line.starts_with("folder:gp ")).unwrap();
    assert!(line.contains("1 wait, the oldest for ") && line.contains("tried"), "{line}");
    let queue: Value = serde_json::from_str(told(&["--format", "json"]).lines().next().unwrap()).unwrap();
    assert_eq!((&queue["destination"], &queue["open"]), (&"folder:gp".into(), &1.into()));
    let (id, recipient) = recipient();
    assert_eq!(recipient["receiver"], 210_010);
    assert!(told(&["folder:gp"]).starts_with(&id), "the id that trace takes");
    home.wait_for("the receipt to have left", || told(&["folder:hospital"]).starts_with("0 shown"));
}

#[test]
fn send_waits_for_a_broker_that_does_not_listen_yet() {
    let port = free_port();
    let config = format!("{CONFIG}[sources.http]\nbind = \"127.0.0.1:{port}\"\n");
    let home = Home::new(&config, PARTIES);
    fs::write(home.at("letter.xml"), sample("epikrise/accepted-1.2")).unwrap();
    let (to, send) = (format!("http://127.0.0.1:{port}"), ["send", "letter.xml", "--to"]);
    let at_once = home.ask(&[&send[..], &[&to]].concat());
    let said = String::from_utf8_lossy(&at_once.stderr);
    assert!(at_once.status.code() == Some(2) && said.contains("nobody listens there"), "{said}");

    let waiting = home.command().args(send).args([&to, "--wait", "60"]).spawn().unwrap();
    let mut waiting = Running(waiting);
    let _broker = home.broker();
    assert_eq!(waiting.0.wait().unwrap().code(), Some(0), "taken in, and arrived");
}
