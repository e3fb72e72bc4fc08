//! `budstikke send` as a load over queues: sent to one, answered in another, measured.

use crate::rig::Rig;
use crate::whole::{over_queues, start};
use lapin::types::FieldTable;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use system_tests::drive::{Region, binary, terminate};
use system_tests::root;

/// Sends dialogue messages from Granheim to the specialist.
async fn send(rig: &Rig, queue: &str, words: &[&str]) -> Output {
    let samples = root().join("message-schemas/samples/dialogmelding/accepted-1.1");
    let to = format!("amqp://{}@127.0.0.1:{}/{}", servers::rabbit::USER, rig.rabbit.port(), rig.vhost);
    let mut command = Command::new(binary());
    command.arg("send").arg(samples).args(["--to", &to, "--queue", queue, "--login-file"]);
    command.arg(rig.rabbit.password_file()).args(words);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn told(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

async fn a_load(protocol: &str) {
    let Some(rig) = Rig::new("load").await else { return };
    for queue in ["inbox", "specialist", "granheim"] {
        rig.queue(queue, FieldTable::default()).await;
    }
    let name = format!("load-{protocol}");
    let region = Region::lay_out(&name, |settings| over_queues(&settings, &rig, protocol)).unwrap();
    let log = region.folder.join("broker.log");
    let mut process = {
        let config = region.config();
        tokio::task::spawn_blocking(move || start(&config, &log)).await.unwrap()
    };
    let words = ["--protocol", protocol, "--format", "json", "--patience", "2m"];
    let load = ["--count", "200", "--rate", "100", "--receipts-from", "amqp:granheim"];
    let sent = send(&rig, "inbox", &[&words[..], &load[..]].concat()).await;
    let summary = told(&sent);
    assert_eq!(sent.status.code(), Some(0), "{summary}");
    assert_eq!((&summary["acknowledged"], &summary["receipts"]["by_kind"]["ok"]), (&200.into(), &200.into()));
    assert!(summary["to_receipt_ms"]["p99"].as_f64().unwrap() > 0.0, "{summary}");
    rig.holds("specialist", 200).await;
    rig.holds("granheim", 0).await;
    assert!(terminate(&mut process.0).unwrap(), "the broker does not end well");

    // The envelope is the profile's, and tells who writes to whom.
    let sent = send(&rig, "inbox", &["--protocol", protocol, "--count", "1"]).await;
    assert_eq!(sent.status.code(), Some(0), "{}", String::from_utf8_lossy(&sent.stderr));
    let came = rig.take_whole("inbox").await;
    assert_eq!(came.subject.as_deref(), Some("DIALOG_HELSEFAGLIG"));
    let of = |name: &str| came.properties.get(name).map(str::to_owned);
    assert_eq!((of("fromHerId").as_deref(), of("toHerId").as_deref()), (Some("120010"), Some("210010")));
    assert!(of("applicationTimeStamp").is_some() && came.durable && came.to.as_deref() == Some("inbox"));
    std::fs::remove_dir_all(&region.folder).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_over_queues_is_answered_in_a_queue_and_measured() {
    a_load("0-9-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_over_amqp_10_is_the_same() {
    a_load("1.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_does_not_take_makes_the_verdict() {
    let Some(rig) = Rig::new("load").await else { return };
    for protocol in ["0-9-1", "1.0"] {
        let words = ["--protocol", protocol, "--count", "3", "--format", "json"];
        let refused = send(&rig, "nowhere", &words).await;
        let summary = told(&refused);
        assert_eq!((refused.status.code(), &summary["acknowledged"]), (Some(1), &0.into()), "{summary}");
    }
    let samples = root().join("message-schemas/samples/dialogmelding/accepted-1.1");
    let wrong = |words: &[&str]| {
        let mut command = Command::new(binary());
        let output = command.arg("send").arg(&samples).args(["--count", "1"]).args(words).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let password = Path::new("/nowhere/password").to_str().unwrap();
    let (code, said) = wrong(&["--to", "amqp://a@127.0.0.1:1", "--queue", "q", "--login-file", password]);
    assert!(code == Some(2) && said.contains("cannot be read"), "{said}");
    let (code, said) = wrong(&["--to", "amqp://a:secret@127.0.0.1", "--queue", "q"]);
    assert!(code == Some(2) && said.contains("--login-file") && !said.contains("secret"), "{said}");
}
