//! A region with a broker, a fictitious PKI and its services, in a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

pub(crate) const PARTIES: &str = r#"
[[party]]
her_id = 120000
level = "enterprise"
name = "Granheim sykehus"
kind = "hospital"
organisation = "312000512"
ours = false
destination = "folder:hospital"
[party.protection]
requires = "signed"
certificates = ["pki/parties/granheim/signing.pem", "pki/parties/granheim/sealing.pem"]
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
answers = "none"
destination = "folder:gp"
"#;

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
[trust]
anchors = ["pki/root.pem"]
intermediates = ["pki/issuing.pem"]
[[trust.keys]]
file = "pki/parties/broker/signing.p12"
password_file = "pki/password"
[[trust.keys]]
file = "pki/parties/broker/sealing.p12"
password_file = "pki/password"
[trust.revocation]
timeout = "8s"
cache = "revocation"
retry = { first = "500ms", max = "1s" }
"#;

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn sample(msg_id: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("../message-schemas/samples/epikrise/accepted-1.2/in.xml");
    fs::read_to_string(path).unwrap().replace("ebf49d88-b5f8-5968-9bfc-453f047496ea", msg_id)
}

/// A process that ends with the test.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) struct Region {
    home: tempfile::TempDir,
    admin: u16,
    pub(crate) services: u16,
}

impl Region {
    pub(crate) fn new() -> Self {
        let region = Self { home: tempfile::tempdir().unwrap(), admin: free_port(), services: free_port() };
        fs::write(region.at("parties.toml"), PARTIES).unwrap();
        fs::write(region.at("broker.toml"), CONFIG.replace("ADMIN", &region.admin.to_string())).unwrap();
        let url = format!("http://127.0.0.1:{}", region.services);
        assert!(region.command().args(["pki", "demo", "pki", "--url", &url]).status().unwrap().success());
        region
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_budstikke"));
        command.current_dir(self.home.path());
        command
    }

    pub(crate) fn broker(&self) -> Running {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.at("log")).unwrap();
        let broker = self.command().args(["run", "--config", "broker.toml"]).stderr(Stdio::from(log)).spawn();
        let broker = Running(broker.unwrap());
        self.wait_for("the broker", || {
            self.page("/health/ready").is_some_and(|p| p.contains("\"ready\":true"))
        });
        broker
    }

    /// The CA's services.
    pub(crate) fn authority(&self) -> Running {
        let listen = format!("127.0.0.1:{}", self.services);
        let mut child = self
            .command()
            .args(["pki", "ocsp", "pki", "--listen", &listen])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Running(child)
    }

    /// Offers a message that this party of the PKI signed, under this id: around its bytes.
    pub(crate) fn offer(&self, msg_id: &str, signer: &str) {
        self.offer_signed(msg_id, signer, "cms");
    }

    pub(crate) fn offer_signed(&self, msg_id: &str, signer: &str, form: &str) {
        let (plain, signed) = (self.at(&format!("{msg_id}.xml")), self.at(&format!("{msg_id}.p7m")));
        fs::write(&plain, sample(msg_id)).unwrap();
        let key = format!("pki/parties/{signer}/signing.p12");
        let mut sign = self.command();
        sign.args(["sign", "--form", form, "--key", &key, "--password-file", "pki/password", "--out"]);
        let output = sign.arg(&signed).arg(&plain).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.wait_for("the inbox", || self.at("in").is_dir());
        fs::rename(&signed, self.at(&format!("in/{msg_id}.xml"))).unwrap();
    }

    /// What lies aside, and why.
    pub(crate) fn aside(&self) -> String {
        let output =
            self.command().args(["dead-letter", "list", "--config", "broker.toml"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The report beside a refused file.
    pub(crate) fn report(&self, msg_id: &str) -> String {
        fs::read_to_string(self.at(&format!("in/refused/{msg_id}.xml.report.json"))).unwrap_or_default()
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

    pub(crate) fn delivered(&self) -> usize {
        let Ok(entries) = fs::read_dir(self.at("out/gp")) else { return 0 };
        entries.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(".xml")).count()
    }

    /// Deliveries that are CMS: a DER sequence.
    pub(crate) fn sealed(&self) -> usize {
        let Ok(entries) = fs::read_dir(self.at("out/gp")) else { return 0 };
        let der = |path: PathBuf| fs::read(path).is_ok_and(|bytes| bytes.first() == Some(&0x30));
        entries.filter(|e| der(e.as_ref().unwrap().path())).count()
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
