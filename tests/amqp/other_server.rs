//! The real binary over AMQP 1.0 with a server that is not RabbitMQ, and that is killed in the middle.

use crate::whole::{answered_by, id_of, letters, region_check, start, with_queues};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use servers::{Artemis, Peer, Proton};
use std::collections::BTreeMap;
use std::time::Duration;
use system_tests::drive::{Region, terminate};
use tokio::task::spawn_blocking;

/// Before the server is killed, and after.
const MESSAGES: usize = 150;

fn body(message: &Value) -> Vec<u8> {
    STANDARD.decode(message["body"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_go_through_another_server_that_is_killed() {
    let Some(proton) = Proton::find("other_server") else { return };
    let Some(server) = Artemis::start("other_server", &["inbox", "specialist", "granheim"]) else { return };
    let peer = Peer::open(server.port());
    let region = Region::lay_out("other", |settings| {
        let connection = format!(
            "protocol = \"1.0\"\ndialect = \"service-bus\"\nhost = \"127.0.0.1\"\nport = {}\n\
             user = \"anybody\"\npassword_file = \"token\"",
            server.port()
        );
        with_queues(&settings, &connection)
    })
    .unwrap();
    let (code, said) = region_check(&region).await;
    assert_eq!(code, Some(0), "{said}");

    let log = region.folder.join("broker.log");
    let mut process = {
        let (config, log) = (region.config(), log.clone());
        spawn_blocking(move || start(&config, &log)).await.unwrap()
    };
    let (letter, mut offered) = (letters(), BTreeMap::new());
    for killed in [false, true] {
        let mut messages = Vec::new();
        for _ in 0..MESSAGES {
            let (id, letter) = letter();
            messages.push(json!({ "id": id, "body": STANDARD.encode(&letter) }));
            offered.insert(id, letter.into_bytes());
        }
        let (proton, peer) = (proton.clone(), peer.clone());
        let outcomes =
            spawn_blocking(move || proton.send_to(&peer, "inbox", &messages)).await.unwrap().unwrap();
        assert_eq!(outcomes, vec!["ACCEPTED"; MESSAGES]);
        if !killed {
            // While it is read, and while letters and receipts are on their way.
            server.kill().unwrap();
            server.start_again().unwrap();
        }
    }
    // A letter whose acceptance was not heard comes once more; it is the same.
    let read = async |queue: &'static str| {
        let (mut came, mut all) = (BTreeMap::new(), 0);
        while came.len() < offered.len() {
            let (proton, peer) = (proton.clone(), peer.clone());
            let reading = move || proton.receive_from(&peer, queue, 2 * MESSAGES, Duration::from_secs(20));
            let some = spawn_blocking(reading).await.unwrap().unwrap();
            assert!(!some.is_empty(), "{queue}: {} of {}", came.len(), offered.len());
            all += some.len();
            for message in some.iter().map(body) {
                let id = if queue == "specialist" { id_of(&message) } else { answered_by(&message) };
                let before = came.insert(id, message.clone());
                assert!(
                    before.is_none_or(|before| before == message),
                    "{queue}: another one under the same id"
                );
            }
        }
        (came, all)
    };
    let (came, with_repeats) = read("specialist").await;
    let (answers, _) = read("granheim").await;
    println!("{} letters came, {with_repeats} with repeats", came.len());
    assert!(came == offered, "the letters came as they were");
    assert!(answers.keys().eq(offered.keys()), "every letter was answered");
    let (code, health) = region.ask(&["ledger"]).unwrap();
    assert_eq!(code, Some(0), "{health}");
    assert!(terminate(&mut process.0).unwrap(), "the broker does not end well");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(!log.contains("MsgHead"), "the log shows a letter");
    std::fs::remove_dir_all(&region.folder).ok();
}
