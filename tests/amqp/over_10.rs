//! The real binary over AMQP 1.0, between a partner's client on either side that is not ours (Qpid Proton).

use crate::rig::Rig;
use crate::whole::{answered_by, id_of, letters, over_queues, region_check, start};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lapin::types::FieldTable;
use serde_json::{Value, json};
use servers::Proton;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use system_tests::drive::{Region, terminate};

const MESSAGES: usize = 200;

fn body(message: &Value) -> Vec<u8> {
    STANDARD.decode(message["body"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_a_foreign_client_are_answered_to_it() {
    let (Some(rig), Some(proton)) = (Rig::new("over10").await, Proton::find("over10")) else { return };
    for queue in ["inbox", "specialist", "granheim"] {
        rig.queue(queue, FieldTable::default()).await;
    }
    let region = Region::lay_out("over10", |settings| over_queues(&settings, &rig, "1.0")).unwrap();
    let (code, said) = region_check(&region).await;
    assert_eq!(code, Some(0), "{said}");

    let (letter, mut offered, mut messages) = (letters(), BTreeMap::new(), Vec::new());
    for n in 0..MESSAGES {
        let (id, letter) = letter();
        // Partners write ids as text or as UUIDs; both are the same to us.
        let kind = if n % 2 == 0 { "string" } else { "uuid" };
        messages.push(json!({ "id": id, "id_type": kind, "subject": "DIALOG_HELSEFAGLIG", "to": "inbox",
            "content_type": "text/plain", "body": STANDARD.encode(&letter) }));
        offered.insert(id, letter.into_bytes());
    }
    let (sender, rabbit, vhost) = (proton.clone(), rig.rabbit, rig.vhost.clone());
    let sending = move || sender.send(rabbit, &vhost, "/amq/queue/inbox", &messages);
    let outcomes = tokio::task::spawn_blocking(sending).await.unwrap().unwrap();
    assert_eq!(outcomes, vec!["ACCEPTED"; MESSAGES]);

    let log = region.folder.join("broker.log");
    let mut process = {
        let (config, log) = (region.config(), log.clone());
        tokio::task::spawn_blocking(move || start(&config, &log)).await.unwrap()
    };
    let read = async |queue: &'static str| {
        let (reader, vhost) = (proton.clone(), rig.vhost.clone());
        let address = format!("/amq/queue/{queue}");
        let patience = Duration::from_secs(60);
        let reading = move || reader.receive(rabbit, &vhost, &address, MESSAGES, patience);
        tokio::task::spawn_blocking(reading).await.unwrap().unwrap()
    };
    let (came, answers) = (read("specialist").await, read("granheim").await);
    let (code, health) = region.ask(&["ledger"]).unwrap();
    assert_eq!(code, Some(0), "{health}");
    assert!(terminate(&mut process.0).unwrap(), "the broker does not end well");
    rig.holds("inbox", 0).await;

    let letters: BTreeMap<_, _> = came.iter().map(|m| (id_of(&body(m)), body(m))).collect();
    assert!(letters == offered && came.len() == MESSAGES, "the letters came as they were, once");
    assert!(came.iter().all(|m| m["durable"] == json!(true)));
    let answered: BTreeSet<_> = answers.iter().map(|m| answered_by(&body(m))).collect();
    assert!(
        answered.iter().eq(offered.keys()) && answers.len() == MESSAGES,
        "every letter was answered, once"
    );
    std::fs::remove_dir_all(&region.folder).ok();
}
