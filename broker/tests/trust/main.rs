//! The whole broker with keys and certificates: what is proven is taken, what is forged is refused, and while a
//! revocation service is away messages wait without holding up others.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod check;
#[path = "../common/mod.rs"]
mod common;
mod judged_again;
mod receipts;
mod region;

use common::free_port;
use region::{Region, parties, sample};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

const FIRST: &str = "11111111-1111-4111-8111-111111111111";
const FORGED: &str = "22222222-2222-4222-8222-222222222222";
const REVOKED: &str = "33333333-3333-4333-8333-333333333333";
const PLAIN: &str = "66666666-6666-4666-8666-666666666666";
const AWAY: &str = "44444444-4444-4444-8444-444444444444";

#[test]
fn what_is_proven_is_taken_and_a_service_that_is_away_blames_nobody() {
    let region = Region::new();

    let check = region.command().args(["check", "broker.toml"]).output().unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{said}");
    assert!(said.contains("2 keys"), "{said}");

    // While the services hang, a message waits for them, and no other waits for it.
    let hangs = TcpListener::bind(("127.0.0.1", region.services)).unwrap();
    let broker = region.broker();
    region.offer(AWAY, "granheim");
    sleep(Duration::from_millis(500));
    fs::write(region.at("in/plain.xml"), sample(PLAIN)).unwrap();
    region.wait_for("the one that needs no service", || region.report("plain").contains("A01"));
    assert!(!region.aside().contains("P40"), "it still waits");

    // Then it is parked; nobody is refused.
    region.wait_for("the parked message", || region.aside().contains("P40"));
    assert_eq!(region.delivered(), 0);
    assert_eq!(region.report(AWAY), "", "its sender hears of no fault");
    assert!(region.page("/health/ready").unwrap().contains("revocation_unknown"));

    // They come back: the message is judged again by itself.
    drop(hangs);
    let authority = region.authority();
    region.wait_for("the delivery of what was parked", || region.delivered() == 1);
    region.wait_for("calm", || !region.page("/health/ready").unwrap().contains("revocation_unknown"));

    // What is offered is taken, what is revoked or signed by another is refused.
    region.offer(FIRST, "granheim");
    region.wait_for("the delivery", || region.delivered() == 2);
    region.offer(REVOKED, "revoked");
    region.wait_for("the refusal", || region.report(REVOKED).contains("P37"));
    region.offer(FORGED, "gp");
    region.wait_for("the refusal", || region.report(FORGED).contains("P36"));

    // A restart needs no service: what was fetched is kept.
    drop(authority);
    drop(broker);
    let _broker = region.broker();
    let again = "55555555-5555-4555-8555-555555555555";
    region.offer(again, "granheim");
    region.wait_for("the delivery after a restart", || region.delivered() == 3);
    let ledger = region.command().args(["ledger", "--config", "broker.toml"]).output().unwrap();
    assert!(ledger.status.success(), "the books balance");

    let metrics = region.page("/metrics").unwrap();
    for line in [
        "budstikke_messages_protected_total{protection=\"signed\"} 1",
        "budstikke_trust_test_mode 0",
        "budstikke_certificate_days_left{owner=\"own\",purpose=\"signing\"}",
        "budstikke_certificate_days_left{owner=\"partner\",purpose=\"sealing\"}",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    assert!(!metrics.contains("120000"), "no ids in metrics");
}

#[test]
fn keys_that_do_not_open_are_named_before_anything_runs() {
    let region = Region::new();
    fs::write(region.at("pki/password"), "sesame\n").unwrap();
    fs::write(region.at("pki/parties/granheim/sealing.pem"), "no certificate").unwrap();
    let check = region.command().args(["check", "broker.toml", "--format", "json"]).output().unwrap();
    assert_eq!(check.status.code(), Some(3));
    let said = String::from_utf8_lossy(&check.stdout);
    for field in ["trust.keys.0", "trust.keys.1", "party 120000: certificates"] {
        assert!(said.contains(field), "{field} is missing in {said}");
    }
    assert!(!said.contains("sesame"), "a password is never shown");
}

#[test]
fn test_mode_is_said_loudly() {
    let region = Region::new();
    let config = fs::read_to_string(region.at("broker.toml")).unwrap();
    let config = config.replace("[trust]\n", "[trust]\ntest_mode = \"on-never-with-real-messages\"\n");
    fs::write(region.at("broker.toml"), config).unwrap();
    let check = region.command().args(["check", "broker.toml"]).output().unwrap();
    assert!(String::from_utf8_lossy(&check.stdout).contains("Test mode is on"));
    let _broker = region.broker();
    assert!(region.page("/health/ready").unwrap().contains("test_mode"));
    assert!(region.page("/metrics").unwrap().contains("budstikke_trust_test_mode 1"));
    assert!(region.log().contains("TEST MODE IS ON"));
}

#[test]
fn the_example_in_ops_is_sound_once_its_fictitious_pki_is_made() {
    let home = tempfile::tempdir().unwrap();
    let ops = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/config");
    fs::create_dir(home.path().join("protected-parties")).unwrap();
    for file in ["protected.toml", "protected-parties/parties.toml"] {
        fs::copy(ops.join(file), home.path().join(file)).unwrap();
    }
    let budstikke = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_budstikke"));
        command.current_dir(home.path()).args(args).output().unwrap()
    };
    assert!(budstikke(&["pki", "demo", "data/pki"]).status.success());
    let check = budstikke(&["check", "protected.toml"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success() && !said.contains("warning"), "{said}");
}

#[test]
fn what_cannot_be_sealed_waits_for_the_receiver_s_certificate() {
    let region = Region::new();
    fs::create_dir(region.at("partners")).unwrap();
    let config = fs::read_to_string(region.at("broker.toml")).unwrap();
    let config = config.replace("[trust]\n", "[trust]\npartners = { folders = [\"partners\"] }\n");
    fs::write(region.at("broker.toml"), format!("reload_every = \"100ms\"\n{config}")).unwrap();
    let gets = "[party.protection]\ngets = \"signed-and-sealed\"\n";
    fs::write(region.at("parties.toml"), format!("{}{gets}", parties())).unwrap();
    let _authority = region.authority();
    let _broker = region.broker();

    region.offer(FIRST, "granheim");
    region.wait_for("the message that cannot be sealed", || region.aside().contains("P43"));
    assert_eq!(region.sealed(), 0, "nothing leaves without");

    let certificate = region.at("pki/parties/gp/sealing.pem");
    fs::copy(certificate, region.at("partners/210010-sealing.pem")).unwrap();
    region.wait_for("the sealed delivery", || region.sealed() == 1);
    region.wait_for("nothing set aside", || !region.aside().contains("P43"));
}

/// Speaks the protocol of `broker/second-engine/PROTOCOL.md`, and takes nothing for valid.
const CONTRARY: &str = r#"#!/usr/bin/python3
import sys, struct, json
i, o = sys.stdin.buffer, sys.stdout.buffer
def put(value):
    text = json.dumps(value).encode()
    o.write(struct.pack(">I", len(text)) + text)
    o.flush()
put({"protocol": 1, "engine": "contrary"})
while True:
    head = i.read(4)
    if len(head) < 4:
        sys.exit(0)
    frame = i.read(struct.unpack(">I", head)[0])
    put({"id": json.loads(frame.split(b"\n", 1)[0])["id"], "valid": False, "why": "it never is"})
"#;

#[test]
fn a_message_on_which_two_engines_differ_is_parked() {
    if !Path::new("/usr/bin/python3").exists() {
        assert!(std::env::var("REQUIRE_SHARED").as_deref() != Ok("1"), "there is no python3");
        println!("skipped: two engines (no python3)");
        return;
    }
    let region = Region::new();
    fs::write(region.at("engine"), CONTRARY).unwrap();
    fs::set_permissions(region.at("engine"), fs::Permissions::from_mode(0o700)).unwrap();
    let config = fs::read_to_string(region.at("broker.toml")).unwrap();
    fs::write(region.at("broker.toml"), config + "[trust.second_engine]\nprogram = \"engine\"\n").unwrap();
    let _authority = region.authority();
    let _broker = region.broker();
    region.offer_signed(FIRST, "granheim", "xml");
    region.wait_for("the message on which they differ", || region.aside().contains("P44"));
    assert_eq!(region.report(FIRST), "", "its sender hears of no fault");
}

/// A registry that knows one party: its certificate for sealing, in the sector's JSON.
fn registry(pem: &Path) -> TcpListener {
    let pem = fs::read_to_string(pem).unwrap();
    let value: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let served = listener.try_clone().unwrap();
    std::thread::spawn(move || {
        for stream in served.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut line = String::new();
            if BufReader::new(&stream).read_line(&mut line).is_err() {
                continue;
            }
            let known = line.contains("/210010/sealing");
            let (status, body) = if known {
                (200, format!("{{\"certificateValue\":\"{value}\"}}"))
            } else {
                (404, String::new())
            };
            let head =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            drop(stream.write_all((head + &body).as_bytes()));
        }
    });
    listener
}

#[test]
fn a_receiver_s_certificate_comes_from_the_registry_and_stays_when_it_is_away() {
    let region = Region::new();
    let listener = registry(&region.at("pki/parties/gp/sealing.pem"));
    let url = format!("http://{}/{{her_id}}", listener.local_addr().unwrap());
    let section = |url: &str| {
        format!(
            "[trust.partners.registry]\nsigning_url = \"{url}/signing\"\nsealing_url = \"{url}/sealing\"\n\
             cache = \"certificates\"\ntimeout = \"2s\"\n"
        )
    };
    let config = fs::read_to_string(region.at("broker.toml")).unwrap();
    fs::write(region.at("broker.toml"), config.clone() + &section(&url)).unwrap();
    let gets = "[party.protection]\ngets = \"signed-and-sealed\"\n";
    fs::write(region.at("parties.toml"), format!("{}{gets}", parties())).unwrap();
    let _authority = region.authority();
    let broker = region.broker();
    region.wait_for("the registry's answer", || {
        let metrics = region.page("/metrics").unwrap();
        metrics.contains("budstikke_registry_answers_total{outcome=\"fetched\"} 1")
    });
    region.offer(FIRST, "granheim");
    region.wait_for("the sealed delivery", || region.sealed() == 1);
    drop(broker);

    // Another address, at which nobody answers: what the registry said before still serves.
    let nobody = format!("http://127.0.0.1:{}/{{her_id}}", free_port());
    fs::write(region.at("broker.toml"), config + &section(&nobody)).unwrap();
    let _broker = region.broker();
    region.offer(AWAY, "granheim");
    region.wait_for("the sealed delivery without a registry", || region.sealed() == 2);
}
