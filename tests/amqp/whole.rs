//! The real binary between two queues: everything that was put into the one comes out of the others, once and
//! unchanged, each with its receipt, and the log shows nothing of it.

use crate::rig::Rig;
use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use message_schemas::{Limits, head};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use system_tests::drive::{Region, sample, terminate};
use uuid::Uuid;

const MESSAGES: usize = 2_000;

/// The region's settings, with queues in place of the folders of the specialist and of Granheim, who writes.
pub(crate) fn over_queues(settings: &str, rig: &Rig, protocol: &str) -> String {
    let connection = format!(
        "protocol = \"{protocol}\"\nhost = \"127.0.0.1\"\nport = {}\nvhost = \"{}\"\nuser = \"{}\"\npassword_file = \"{}\"",
        rig.rabbit.port(),
        rig.vhost,
        servers::rabbit::USER,
        rig.rabbit.password_file().display(),
    );
    with_queues(settings, &connection)
}

/// The same, of whatever server is at the end of this connection.
pub(crate) fn with_queues(settings: &str, connection: &str) -> String {
    let queue = |name: &str| format!("amqp = \"bus\"\nqueue = \"{name}\"\nconcurrency = 200");
    let settings = settings
        .replace("folder = \"out/specialist\"", &queue("specialist"))
        .replace("folder = \"out/granheim\"", &queue("granheim"))
        .replace("default = \"96h\"", "default = \"off\"")
        .replace("level = \"warn\"", "level = \"info,lapin=trace,async_rs=trace\"");
    format!(
        "{settings}\n[amqp.bus]\n{connection}\n\
         [sources.amqp.inbox]\nconnection = \"bus\"\nqueue = \"inbox\"\nrole = \"internal\"\n",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_letters_between_queues() {
    let Some(rig) = Rig::new("whole").await else { return };
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    for queue in ["inbox", "specialist", "granheim"] {
        rig.queue(queue, quorum.clone()).await;
    }
    let region = Region::lay_out("amqp", |settings| over_queues(&settings, &rig, "0-9-1")).unwrap();
    let (code, said) = region_check(&region).await;
    assert_eq!(code, Some(0), "{said}");

    let letter = letters();
    let mut offered = BTreeMap::new();
    for _ in 0..MESSAGES {
        let (id, letter) = letter();
        let properties = BasicProperties::default().with_delivery_mode(2).with_message_id(id.as_str().into());
        let options = BasicPublishOptions::default();
        rig.channel
            .basic_publish("".into(), "inbox".into(), options, letter.as_bytes(), properties)
            .await
            .unwrap();
        offered.insert(id, letter.into_bytes());
    }

    let log = region.folder.join("broker.log");
    let mut process = {
        let (config, log) = (region.config(), log.clone());
        tokio::task::spawn_blocking(move || start(&config, &log)).await.unwrap()
    };
    let wanted = u64::try_from(MESSAGES).unwrap();
    for queue in ["specialist", "granheim"] {
        // A debug build on a busy machine takes its time.
        for _ in 0..120 {
            if rig.messages(queue) < wanted {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        rig.holds(queue, wanted).await;
    }
    rig.holds("inbox", 0).await;
    assert!(terminate(&mut process.0).unwrap(), "the broker does not end well");

    let mut came = BTreeMap::new();
    for (_, letter) in rig.drain("specialist").await {
        let id = id_of(&letter);
        assert!(came.insert(id, letter).is_none(), "one letter came twice");
    }
    assert!(came == offered, "the letters came as they were");
    let mut answered = BTreeSet::new();
    for (_, receipt) in rig.drain("granheim").await {
        assert!(answered.insert(answered_by(&receipt)), "one letter was answered twice");
    }
    assert!(answered.iter().eq(offered.keys()), "every letter was answered");
    let (code, ledger) = region.ask(&["ledger"]).unwrap();
    assert_eq!(code, Some(0), "the books do not balance:\n{ledger}");

    let log = std::fs::read_to_string(log).unwrap();
    assert!(!log.contains("MsgHead"), "the log shows a letter");
    std::fs::remove_dir_all(&region.folder).ok();
}

/// Makes letters from Granheim to the specialist, each with an id of its own.
pub(crate) fn letters() -> impl Fn() -> (String, String) {
    let template = String::from_utf8(sample("dialogmelding/accepted-1.1")).unwrap();
    let old = head::read(&template, &Limits::default()).unwrap().msg_id.unwrap();
    move || {
        let id = Uuid::now_v7().to_string();
        let letter = template.replace(old.as_str(), &id);
        (id, letter)
    }
}

/// The id of a letter.
pub(crate) fn id_of(letter: &[u8]) -> String {
    let text = std::str::from_utf8(letter).unwrap();
    head::read(text, &Limits::default()).unwrap().msg_id.unwrap().as_str().to_owned()
}

/// The id of the letter that a receipt answers.
pub(crate) fn answered_by(receipt: &[u8]) -> String {
    let text = std::str::from_utf8(receipt).unwrap();
    let receipt = head::read(text, &Limits::default()).unwrap().receipt.unwrap();
    receipt.original_id.unwrap().as_str().to_owned()
}

pub(crate) async fn region_check(region: &Region) -> (Option<i32>, String) {
    let config = region.config();
    let checking = tokio::task::spawn_blocking(move || {
        let output = std::process::Command::new(system_tests::drive::binary())
            .arg("check")
            .arg(config)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    });
    checking.await.unwrap()
}

pub(crate) fn start(config: &Path, log: &Path) -> Ends {
    let file = std::fs::File::create(log).unwrap();
    let process = std::process::Command::new(system_tests::drive::binary())
        .args(["run", "--config"])
        .arg(config)
        .stdin(std::process::Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    Ends(process)
}

/// The broker ends with the test, however that ends.
pub(crate) struct Ends(pub(crate) std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
