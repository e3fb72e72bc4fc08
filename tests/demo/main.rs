//! The demo: a small fictitious region on the embedded broker, one message of every family and the usual
//! faults, a live table of what became of each, and the ledger at the end.
//!
//! It drives the real binary from outside, over HTTP and folders, and holds what happens against what must
//! happen: `--once` ends by itself and succeeds only if every expectation held.

#![expect(clippy::print_stdout, reason = "this is a program for a terminal")]

mod story;
mod systems;

use message_schemas::head::{self, ReceiptStatus};
use message_schemas::{Limits, xml};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use story::{Door, Letter, letters};
use systems::{Answer, Systems, call, files};

const MUNICIPALITY: u32 = 200_010;
const HOSPITAL: u32 = 220_010;

fn main() -> ExitCode {
    let once = std::env::args().any(|a| a == "--once");
    let broker = std::env::var_os("BUDSTIKKE").map_or_else(|| system_tests::root().join("target/release/budstikke"), PathBuf::from);
    match demo(&broker, once) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("The demo could not run: {error}");
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the demo is outside of the broker and has a clock of its own")]
fn now() -> Instant {
    Instant::now()
}

/// A letter under way.
struct Sent {
    letter: Letter,
    /// What its state is asked for by: our id over HTTP, its MsgId from the folder.
    id: String,
    msg_id: String,
    done: bool,
    seen: String,
}

struct Region {
    folder: PathBuf,
    http: SocketAddr,
    admin: SocketAddr,
    hospital: SocketAddr,
    token: String,
}

fn demo(broker: &Path, once: bool) -> std::io::Result<bool> {
    let region = Region::lay_out()?;
    println!("A small region: a laboratory, a GP, a contract specialist, a municipality, two hospitals.");
    println!("The hospital's endpoint is down for now.\n");
    let mut process = region.start(broker)?;
    let began = now();

    let letters = letters();
    let answers: BTreeMap<String, Answer> =
        letters.iter().map(|l| (msg_id_of(&sample(l)).to_lowercase(), l.answer)).collect();
    let systems = Systems::new(
        &region.folder.join("inbox"),
        Arc::new(move |id| answers.get(&id.to_lowercase()).copied().unwrap_or(Answer::Yes)),
    );
    let mut threads = vec![systems.watch_folder(region.folder.join("out/municipality"), MUNICIPALITY)];

    println!("{:<40} {:<7} {:<10} {:<34} {:<16} {}", "message", "in by", "verdict", "went to", "sender heard", "document");
    println!("{}", "-".repeat(120));
    let mut sent = Vec::new();
    for letter in letters {
        sent.push(region.send(letter)?);
    }
    let mut up = false;
    let mut released = false;
    let deadline = began + Duration::from_secs(30);
    while sent.iter().any(|s| !s.done) && now() < deadline {
        let mut waits = 0;
        for s in sent.iter_mut().filter(|s| !s.done) {
            let state = region.look(s);
            waits += usize::from(state.waiting_for_hospital);
            if state.as_expected {
                s.done = true;
                println!("{}", s.seen);
            }
        }
        if !up && now() > began + Duration::from_secs(2) {
            println!("{:<40} the hospital's endpoint comes up; {waits} messages waited for it", "--");
            threads.push(systems.serve_hospital(region.hospital, HOSPITAL));
            up = true;
        }
        if !released && systems.holds() > 0 && sent.iter().any(|s| s.letter.answer == Answer::Later && s.seen.contains("expired")) {
            println!("{:<40} no receipt in time: expired, somebody is told; now the receipt comes after all", "--");
            systems.release();
            released = true;
        }
        if let Some(status) = process.try_wait()? {
            println!("The broker ended by itself: {status}");
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let failed: Vec<&Sent> = sent.iter().filter(|s| !s.done).collect();
    for s in &failed {
        println!("{}   <- not as it must be: {} {:?}, sender {:?}, {} documents", s.seen, s.letter.verdict,
            s.letter.recipients, s.letter.receipts, s.letter.documents);
    }

    println!("\nThe ledger:");
    let ledger = Command::new(broker).args(["ledger", "--config"]).arg(region.config()).status()?;
    let held = failed.is_empty() && ledger.success();
    println!(
        "\n{} of {} messages came to what they must, in {:.1} s; the books {}.",
        sent.len() - failed.len(),
        sent.len(),
        (now() - began).as_secs_f64(),
        if ledger.success() { "balance" } else { "DO NOT balance" }
    );
    if !once {
        println!("\nThe broker goes on running until Ctrl-C:");
        println!("  send        curl -H 'Authorization: Bearer {}' --data-binary @MESSAGE.xml http://{}/v1/messages", region.token, region.http);
        println!("  or put a file into   {}", region.folder.join("inbox").display());
        println!("  deliveries  {}", region.folder.join("out").display());
        println!("  metrics     http://{0}/metrics   health  http://{0}/health/ready", region.admin);
        println!("  ask         {} trace ID --config {}", broker.display(), region.config().display());
        process.wait()?;
        return Ok(held);
    }
    let ended = stop(&mut process)?;
    systems.stop();
    for thread in threads {
        thread.join().ok();
    }
    Ok(held && ended)
}

/// SIGTERM, as a service manager does; the broker must drain and end well.
fn stop(process: &mut Child) -> std::io::Result<bool> {
    Command::new("kill").args(["-TERM", &process.id().to_string()]).status()?;
    let deadline = now() + Duration::from_secs(20);
    while now() < deadline {
        if let Some(status) = process.try_wait()? {
            if !status.success() {
                println!("The broker did not end well: {status}");
            }
            return Ok(status.success());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    process.kill()?;
    println!("The broker did not end on SIGTERM.");
    Ok(false)
}

fn sample(letter: &Letter) -> Vec<u8> {
    let path = system_tests::root().join("message-schemas/samples").join(letter.sample).join("in.xml");
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn msg_id_of(bytes: &[u8]) -> String {
    let from_head = || {
        let text = xml::decode(bytes).ok()?.text.into_owned();
        Some(head::read(&text, &Limits::default()).ok()?.msg_id?.as_str().to_owned())
    };
    let salvaged = || Some(head::salvage(bytes)?.msg_id?.as_str().to_owned());
    from_head().or_else(salvaged).unwrap_or_default()
}

/// What is seen of a letter.
struct Look {
    as_expected: bool,
    waiting_for_hospital: bool,
}

impl Region {
    /// A fresh folder below `target/`, with the settings of `ops/region` and free ports.
    fn lay_out() -> std::io::Result<Self> {
        let root = system_tests::root();
        let folder = root.join("target/demo").join(std::process::id().to_string());
        std::fs::create_dir_all(&folder)?;
        let folders = ["laboratory", "gp", "granheim", "citizens", "municipality", "specialist", "on-call"];
        for name in folders {
            std::fs::create_dir_all(folder.join("out").join(name))?;
        }
        std::fs::create_dir_all(folder.join("inbox"))?;
        // Three listeners at once, so that the system gives three different free ports.
        let free: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let ports: Vec<SocketAddr> = free.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        drop(free);
        let [http, admin, hospital] = ports.as_slice() else { unreachable!("three were asked for") };
        let settings = std::fs::read_to_string(root.join("ops/region/budstikke.toml"))?
            .replace("{http}", &http.port().to_string())
            .replace("{admin}", &admin.port().to_string())
            .replace("{hospital}", &hospital.port().to_string());
        std::fs::write(folder.join("budstikke.toml"), settings)?;
        for file in ["parties.toml", "rules.toml"] {
            std::fs::copy(root.join("ops/region").join(file), folder.join(file))?;
        }
        let token = uuid::Uuid::new_v4().simple().to_string();
        write_private(&folder.join("token"), &token)?;
        Ok(Self { folder, http: *http, admin: *admin, hospital: *hospital, token })
    }

    fn config(&self) -> PathBuf {
        self.folder.join("budstikke.toml")
    }

    fn start(&self, broker: &Path) -> std::io::Result<Child> {
        let mut process =
            Command::new(broker).args(["run", "--config"]).arg(self.config()).stdin(Stdio::null()).spawn()?;
        let deadline = now() + Duration::from_secs(10);
        loop {
            if let Ok((200, _)) = call(self.admin, "GET", "/health/ready", "", &[], &[]) {
                return Ok(process);
            }
            if let Some(status) = process.try_wait()? {
                return Err(std::io::Error::other(format!("the broker did not start: {status}")));
            }
            if now() > deadline {
                process.kill()?;
                return Err(std::io::Error::other("the broker is not ready after 10 s"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn send(&self, letter: Letter) -> std::io::Result<Sent> {
        let bytes = sample(&letter);
        let msg_id = msg_id_of(&bytes);
        let id = match letter.door {
            Door::Http => {
                let key = letter.title.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
                let headers = [("Idempotency-Key", key.as_str()), ("Content-Type", "application/xml")];
                let (status, body) = call(self.http, "POST", "/v1/messages", &self.token, &headers, &bytes)?;
                let answer: Value = serde_json::from_str(&body).unwrap_or_default();
                match answer.get("id").and_then(Value::as_str) {
                    Some(id) if status == 202 => id.to_owned(),
                    _ => return Err(std::io::Error::other(format!("{}: {status} {body}", letter.title))),
                }
            }
            Door::Folder => {
                let name = letter.sample.replace('/', "-");
                let inbox = self.folder.join("inbox");
                std::fs::write(inbox.join(format!(".{name}.tmp")), &bytes)?;
                std::fs::rename(inbox.join(format!(".{name}.tmp")), inbox.join(format!("{name}.xml")))?;
                msg_id.clone()
            }
        };
        Ok(Sent { letter, id, msg_id, done: false, seen: String::new() })
    }

    /// Asks the broker, and looks at what the sender and the receivers have got.
    fn look(&self, sent: &mut Sent) -> Look {
        let nothing = Look { as_expected: false, waiting_for_hospital: false };
        let Ok((200, body)) = call(self.http, "GET", &format!("/v1/messages/{}", sent.id), &self.token, &[], &[]) else {
            return nothing;
        };
        let Ok(state) = serde_json::from_str::<Value>(&body) else { return nothing };
        let text = |v: Option<&Value>| v.map_or(String::new(), |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        let verdict = text(state.get("verdict"));
        let recipients: Vec<&Value> = state.get("recipients").and_then(Value::as_array).into_iter().flatten().collect();
        let mut went: Vec<String> = recipients
            .iter()
            .filter(|r| r.get("book").and_then(Value::as_str) == Some("message"))
            .map(|r| format!("{} {}", text(r.get("receiver")), text(r.get("state"))))
            .collect();
        went.sort();
        let mut heard = if verdict == "duplicate" { Vec::new() } else { self.heard(&sent.msg_id) };
        heard.sort();
        let documents = recipients
            .iter()
            .filter(|r| r.get("payload").and_then(Value::as_str) == Some("fhir-json"))
            .filter(|r| self.was_written(&text(r.get("destination")), &sent.id, ".fhir.json"))
            .count();
        let l = &sent.letter;
        sent.seen = format!(
            "{:<40} {:<7} {:<10} {:<34} {:<16} {}",
            l.title,
            match l.door {
                Door::Http => "HTTP",
                Door::Folder => "folder",
            },
            verdict,
            went.join(", "),
            heard.join(", "),
            if documents > 0 { "FHIR" } else { "" }
        );
        Look {
            as_expected: verdict == l.verdict && went == l.recipients && heard == l.receipts && documents == l.documents,
            waiting_for_hospital: recipients.iter().any(|r| {
                text(r.get("destination")) == "http:hospital" && matches!(text(r.get("state")).as_str(), "waiting" | "sending")
            }),
        }
    }

    /// The receipts that lie in the senders' folders for this message.
    fn heard(&self, msg_id: &str) -> Vec<String> {
        let senders = ["laboratory", "gp", "granheim", "citizens"];
        let all = senders.iter().flat_map(|s| files(&self.folder.join("out").join(s)));
        let mut heard = Vec::new();
        for file in all.filter(|f| f.extension().is_some_and(|e| e == "xml")) {
            let bytes = std::fs::read(&file).unwrap_or_default();
            let Ok(decoded) = xml::decode(&bytes) else { continue };
            let Ok(head) = head::read(&decoded.text, &Limits::default()) else { continue };
            let Some(receipt) = head.receipt else { continue };
            let original = receipt.original_id.as_ref().map(|i| i.as_str().to_owned()).unwrap_or_default();
            if !self.names(&original, msg_id) {
                continue;
            }
            let party = head.sender.and_then(|s| s.her_id()).map_or(String::new(), |h| h.to_string());
            let says = match receipt.status {
                ReceiptStatus::Ok | ReceiptStatus::OkWithErrors => "ok".to_owned(),
                ReceiptStatus::Rejected => receipt.errors.iter().map(|e| e.code.as_str()).collect::<Vec<_>>().join(" "),
            };
            heard.push(format!("{party} {says}"));
        }
        heard
    }

    /// A receipt names its message by MsgId or, by the 1.0 rule, by document id.
    fn names(&self, original: &str, msg_id: &str) -> bool {
        let by_document = || {
            letters().iter().map(sample).any(|bytes| {
                let Ok(decoded) = xml::decode(&bytes) else { return false };
                let Ok(head) = head::read(&decoded.text, &Limits::default()) else { return false };
                head.msg_id.is_some_and(|m| m.as_str() == msg_id) && head.document_id.as_deref() == Some(original)
            })
        };
        original.eq_ignore_ascii_case(msg_id) || by_document()
    }

    /// True when a delivery of this message with this ending lies in a destination's folder.
    fn was_written(&self, destination: &str, _id: &str, ending: &str) -> bool {
        let folder = destination.trim_start_matches("folder:");
        files(&self.folder.join("out").join(folder)).iter().any(|f| f.to_string_lossy().ends_with(ending))
    }
}

/// A file that only its owner may read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}
