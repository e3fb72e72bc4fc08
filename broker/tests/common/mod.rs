//! A hospital, a GP, and a broker between them that runs as a process in a folder of its own.

#![allow(dead_code, reason = "each test program takes what it needs")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The hospital writes to the GP, for whom the broker answers.
pub(crate) const PARTIES: &str = r#"
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

/// The same, with more in the hospital's entry.
pub(crate) fn parties_with(hospital: &str) -> String {
    let destination = "destination = \"folder:hospital\"\n";
    PARTIES.replace(destination, &format!("{destination}{hospital}"))
}

/// Messages come in by a folder and leave by folders.
pub(crate) const CONFIG: &str = r#"
parties = ["parties.toml"]
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
bind = "127.0.0.1:ADMIN"
"#;

/// A sample of our own.
pub(crate) fn sample(case: &str) -> Vec<u8> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../message-schemas/samples");
    fs::read(samples.join(case).join("in.xml")).unwrap()
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A process that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Ends it by this signal, and gives its exit code.
    pub(crate) fn stop(mut self, signal: &str) -> Option<i32> {
        Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The broker's folder.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    admin: u16,
}

impl Home {
    pub(crate) fn new(config: &str, parties: &str) -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap(), admin: free_port() };
        fs::write(home.at("parties.toml"), parties).unwrap();
        fs::write(home.at("broker.toml"), config.replace("ADMIN", &home.admin.to_string())).unwrap();
        home
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_budstikke"));
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn ask(&self, words: &[&str]) -> Output {
        self.command().args(words).output().unwrap()
    }

    /// Starts the broker, and waits until it is ready.
    pub(crate) fn broker(&self) -> Running {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.at("log")).unwrap();
        let broker = self.command().args(["run", "--config", "broker.toml"]).stderr(Stdio::from(log)).spawn();
        let broker = Running(broker.unwrap());
        self.wait_for("the broker", || {
            self.page("/health/ready").is_some_and(|p| p.contains("\"ready\":true"))
        });
        self.wait_for("the inbox", || self.at("in").is_dir());
        broker
    }

    pub(crate) fn page(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.admin)).ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).ok()?;
        Some(page)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap_or_default()
    }

    /// How many files of a folder end so.
    pub(crate) fn files(&self, folder: &str, ending: &str) -> usize {
        let Ok(entries) = fs::read_dir(self.at(folder)) else { return 0 };
        entries.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(ending)).count()
    }

    /// What lies aside, and why.
    pub(crate) fn aside(&self) -> String {
        let output = self.ask(&["dead-letter", "list", "--config", "broker.toml"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..1200 {
            if holds() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("never came: {what}\n{}", self.log());
    }
}
