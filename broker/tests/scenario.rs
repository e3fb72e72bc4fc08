//! The whole broker as a process: a message in by a folder, the delivery and our receipt out, a repeat that
//! gives nothing new, parties that change under way, a stop, a kill, and books that balance after all of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use common::{CONFIG, Home, PARTIES};
use serde_json::Value;
use std::fs;

/// Offers a message by the folder and waits until its file is put away.
fn offer(home: &Home, name: &str, bytes: &[u8]) {
    fs::write(home.at("in").join(name), bytes).unwrap();
    home.wait_for("the file to be taken", || !home.at("in").join(name).exists());
}

fn ledger(home: &Home) -> (Option<i32>, Value) {
    let output = home.ask(&["ledger", "--config", "broker.toml", "--format", "json"]);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn a_message_goes_through_and_nothing_is_lost_by_a_repeat_a_reload_a_stop_or_a_kill() {
    let home = Home::new(&format!("reload_every = \"100ms\"\n{CONFIG}"), PARTIES);
    let message = common::sample("epikrise/accepted-1.2");
    let broker = home.broker();
    offer(&home, "first.xml", &message);
    home.wait_for("the delivery", || home.files("out/gp", ".xml") == 1);
    home.wait_for("our receipt", || home.files("out/hospital", ".receipt.xml") == 1);

    offer(&home, "again.xml", &message);
    let (code, books) = ledger(&home);
    assert_eq!((code, &books["messages"]["accepted"]), (Some(0), &Value::from(1)), "{books}");

    fs::write(home.at("parties.toml"), "her_id = [").unwrap();
    home.wait_for("the refusal of faulty parties", || home.log().contains("the old ones hold"));
    fs::write(home.at("parties.toml"), format!("{PARTIES}\n# changed\n")).unwrap();
    home.wait_for("the reload", || home.log().contains("were read again and hold from now on"));
    // As a share looks that is not mounted.
    fs::write(home.at("parties.toml"), "").unwrap();
    home.wait_for("no parties are refused", || home.log().contains("hold none any more; the old ones hold"));
    fs::write(home.at("parties.toml"), PARTIES).unwrap();
    home.wait_for("the parties are back", || {
        home.log().matches("were read again and hold from now on").count() == 2
    });

    assert_eq!(broker.stop("-TERM"), Some(0), "{}", home.log());
    let broker = home.broker();
    offer(&home, "garbage.xml", b"this is no message");
    broker.stop("-KILL");
    let broker = home.broker();
    let (code, books) = ledger(&home);
    assert_eq!(code, Some(0), "{books}");
    assert_eq!(books["balances"], true);
    assert_eq!(home.files("out/gp", ".xml"), 1, "a repeat was delivered");
    assert_eq!(broker.stop("-TERM"), Some(0), "{}", home.log());
}
