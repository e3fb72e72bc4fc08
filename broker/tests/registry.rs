//! A broker that follows the address registry: what it fills, what it tells, and what it goes on with when it is away.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use common::{CONFIG, Home, PARTIES};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A registry of services, each active or not; without an export.
struct Registry {
    address: SocketAddr,
    active: Arc<Mutex<Option<BTreeMap<u32, bool>>>>,
}

impl Registry {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let active = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let shown = Arc::clone(&active);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), shown.lock().unwrap().as_ref());
            }
        });
        Self { address, active }
    }

    /// None: it is away.
    fn tells(&self, active: Option<&[(u32, bool)]>) {
        *self.active.lock().unwrap() = active.map(|active| active.iter().copied().collect());
    }
}

fn answer(mut stream: TcpStream, active: Option<&BTreeMap<u32, bool>>) {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(read @ 1..) => head.extend_from_slice(&piece[..read]),
            Ok(0) | Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let her_id = head.split(' ').nth(1).and_then(|path| path.rsplit('/').next()?.parse().ok());
    let (status, body) = match (active, her_id) {
        (None, _) => (503, String::new()),
        (Some(active), Some(her_id)) if active.contains_key(&her_id) => (200, party(her_id, active[&her_id])),
        (Some(_), _) => (404, String::new()),
    };
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    drop(stream.write_all(answer.as_bytes()));
}

fn party(her_id: u32, active: bool) -> String {
    serde_json::json!({
        "herId": her_id,
        "type": "Service",
        "communicationParty": {
            "HerId": her_id, "Type": "Service", "Name": "Somebody", "Active": active,
            "IsValidCommunicationParty": true, "ParentHerId": 210_000, "ParentOrganizationNumber": 974_760_673,
            "Valid": { "From": "2023-04-04T00:00:00", "To": "9999-12-31T00:00:00" },
            "ElectronicAddresses": [], "FutureElectronicAddresses": [],
        },
    })
    .to_string()
}

fn config(registry: &Registry) -> String {
    let address = registry.address;
    let section = format!(
        "[registry]\nparty_url = \"http://{address}/CommunicationParties/{{her_id}}\"\ncache = \"registry\"\n\
         ask_every = \"100ms\"\nfresh_for = \"1s\"\n"
    );
    format!("{CONFIG}{section}")
}

fn explained(home: &Home) -> String {
    let sample =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../message-schemas/samples/epikrise/accepted-1.2/in.xml");
    let words = ["route", "--explain", sample.to_str().unwrap(), "--config", "broker.toml"];
    String::from_utf8(home.ask(&words).stdout).unwrap()
}

#[test]
fn the_registry_fills_what_is_open_says_what_is_gone_and_is_served_stale() {
    let registry = Registry::start();
    registry.tells(Some(&[(210_010, true), (120_010, true)]));
    let home = Home::new(&config(&registry), PARTIES);
    assert!(!explained(&home).contains("address registry"), "nothing is known yet");
    let _broker = home.broker();
    home.wait_for("the first answers", || home.log().contains("has changed, and holds from now on"));
    let said = explained(&home);
    assert!(said.contains("organisation number 974760673 is from the address registry"), "{said}");

    registry.tells(Some(&[(210_010, false), (120_010, true)]));
    home.wait_for("the alarm", || home.log().contains("party 210010 takes no part any more"));
    home.wait_for("health", || {
        home.page("/health/ready").is_some_and(|p| p.contains("\"party_deactivated\""))
    });
    let ready = home.page("/health/ready").unwrap();
    assert!(ready.contains("\"ready\":true"), "messages are taken in all the same: {ready}");
    let metrics = home.page("/metrics").unwrap();
    assert!(metrics.contains("budstikke_registry_parties_deactivated 1"), "{metrics}");
    let said = explained(&home);
    assert!(
        said.contains("does not take part at this time") && said.contains("=> deliver to folder:gp"),
        "{said}"
    );

    registry.tells(None);
    home.wait_for("it to be stale", || {
        home.page("/health/ready")
            .is_some_and(|p| p.contains("\"registry_stale\"") && p.contains("\"ready\":true"))
    });
    assert!(home.page("/metrics").unwrap().contains("budstikke_registry_age_seconds"));
    assert!(explained(&home).contains("is from the address registry"), "what is known is served on");
    assert_eq!(home.log().matches("takes no part any more").count(), 1, "{}", home.log());
}

#[test]
fn the_files_word_stands_and_faulty_settings_are_told() {
    let registry = Registry::start();
    registry.tells(Some(&[(210_010, true)]));
    let parties =
        PARTIES.replace("name = \"Ola Legesen\"", "name = \"Ola Legesen\"\norganisation = \"983658725\"");
    let home = Home::new(&config(&registry), &parties);
    let _broker = home.broker();
    home.wait_for("the first answers", || explained(&home).contains("address registry"));
    let said = explained(&home);
    assert!(said.contains("983658725 is from the party's entry") && said.contains("names another"), "{said}");

    let faulty = config(&registry).replace("{her_id}", "all").replace("100ms", "0s")
        + "events_url = \"https://registry.example/events\"\n";
    fs::write(home.at("faulty.toml"), faulty.replace("ADMIN", "0")).unwrap();
    let checked = home.ask(&["check", "faulty.toml"]);
    let said = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(3), "{said}");
    for field in ["registry.party_url", "registry.events_url", "registry.ask_every"] {
        assert!(said.contains(field), "{field} is missing in {said}");
    }
}
