//! The whole broker as a process: a message in by a folder, the delivery and our receipt out, a repeat that
//! gives nothing new, parties that change under way, a stop, a kill, and books that balance after all of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

const PARTIES: &str = r#"
[[party]]
her_id = 120000
level = "enterprise"
name = "Granheim sykehus"
kind = "hospital"
ours = false
destination = "folder:hospital"
[[party]]
her_id = 120010
level = "service"
parent = 120000
name = "Kirurgisk poliklinikk"
kind = "hospital"
ours = false
[[party]]
her_id = 210000
level = "enterprise"
name = "Havna legekontor"
kind = "gp"
[[party]]
her_id = 210010
level = "service"
parent = 210000
name = "Ola Legesen"
kind = "gp"
answers = "broker"
destination = "folder:gp"
"#;

const CONFIG: &str = r#"
parties = ["parties.toml"]
reload_every = "100ms"
[journal]
path = "journal.db"
[sources.folders.inbox]
path = "in"
poll_every = "50ms"
settle = "50ms"
[destinations."folder:gp"]
folder = "out/gp"
[destinations."folder:hospital"]
folder = "out/hospital"
[admin]
bind = "127.0.0.1:0"
"#;

struct Broker {
    home: tempfile::TempDir,
    process: Option<Child>,
}

impl Broker {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("parties.toml"), PARTIES).unwrap();
        fs::write(home.path().join("broker.toml"), CONFIG).unwrap();
        let mut broker = Self { home, process: None };
        broker.run();
        broker
    }

    fn at(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_budstikke"));
        command.current_dir(self.home.path());
        command
    }

    fn run(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.at("log")).unwrap();
        let process =
            self.command().args(["run", "--config", "broker.toml"]).stderr(Stdio::from(log)).spawn();
        self.process = Some(process.unwrap());
    }

    /// Offers a message by the folder and waits until its file is put away.
    fn offer(&self, name: &str, bytes: &[u8]) {
        wait_for("the inbox", || self.at("in").is_dir());
        fs::write(self.at("in").join(name), bytes).unwrap();
        wait_for("the file to be taken", || !self.at("in").join(name).exists());
    }

    fn files(&self, folder: &str, ending: &str) -> usize {
        let Ok(entries) = fs::read_dir(self.at(folder)) else { return 0 };
        entries.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(ending)).count()
    }

    fn stop(&mut self, signal: &str) -> Option<i32> {
        let mut process = self.process.take().unwrap();
        Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
        process.wait().unwrap().code()
    }

    fn ledger(&self) -> (Option<i32>, Value) {
        let output =
            self.command().args(["ledger", "--config", "broker.toml", "--format", "json"]).output().unwrap();
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap_or_default()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _gone = process.kill();
            let _gone = process.wait();
        }
    }
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(50));
    }
    panic!("waited 30 s for {what}");
}

fn message() -> Vec<u8> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../message-schemas/samples");
    fs::read(samples.join("epikrise/accepted-1.2/in.xml")).unwrap()
}

#[test]
fn a_message_goes_through_and_nothing_is_lost_by_a_repeat_a_reload_a_stop_or_a_kill() {
    let mut broker = Broker::start();
    broker.offer("first.xml", &message());
    wait_for("the delivery", || broker.files("out/gp", ".xml") == 1);
    wait_for("our receipt", || broker.files("out/hospital", ".receipt.xml") == 1);

    broker.offer("again.xml", &message());
    let (code, ledger) = broker.ledger();
    assert_eq!((code, &ledger["messages"]["accepted"]), (Some(0), &Value::from(1)), "{ledger}");

    fs::write(broker.at("parties.toml"), "her_id = [").unwrap();
    wait_for("the refusal of faulty parties", || broker.log().contains("the old ones hold"));
    fs::write(broker.at("parties.toml"), format!("{PARTIES}\n# changed\n")).unwrap();
    wait_for("the reload", || broker.log().contains("were read again and hold from now on"));

    assert_eq!(broker.stop("-TERM"), Some(0), "{}", broker.log());
    broker.run();
    broker.offer("garbage.xml", b"this is no message");
    broker.stop("-KILL");
    broker.run();
    wait_for("the start after the kill", || broker.log().matches("is ready").count() == 3);
    let (code, ledger) = broker.ledger();
    assert_eq!(code, Some(0), "{ledger}");
    assert_eq!(ledger["balances"], true);
    assert_eq!(broker.files("out/gp", ".xml"), 1, "a repeat was delivered");
    assert_eq!(broker.stop("-TERM"), Some(0), "{}", broker.log());
}
