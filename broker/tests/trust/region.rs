//! A region with a broker, a fictitious PKI and its services, in a folder of its own.

use crate::common::{self, Home, Running, parties_with};
use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Stdio;

/// The hospital signs; nobody answers for the GP.
pub(crate) fn parties() -> String {
    const SIGNS: &str = r#"organisation = "312000512"
[party.protection]
requires = "signed"
certificates = ["pki/parties/granheim/signing.pem", "pki/parties/granheim/sealing.pem"]
"#;
    parties_with(SIGNS).replace("answers = \"broker\"", "answers = \"none\"")
}

const TRUST: &str = r#"
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

pub(crate) fn sample(msg_id: &str) -> String {
    let text = String::from_utf8(common::sample("epikrise/accepted-1.2")).unwrap();
    text.replace("ebf49d88-b5f8-5968-9bfc-453f047496ea", msg_id)
}

pub(crate) struct Region {
    home: Home,
    pub(crate) services: u16,
}

impl Deref for Region {
    type Target = Home;
    fn deref(&self) -> &Home {
        &self.home
    }
}

impl Region {
    pub(crate) fn new() -> Self {
        let home = Home::new(&format!("{}{TRUST}", common::CONFIG), &parties());
        let region = Self { home, services: common::free_port() };
        let url = format!("http://127.0.0.1:{}", region.services);
        assert!(region.ask(&["pki", "demo", "pki", "--url", &url]).status.success());
        region
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
        fs::rename(&signed, self.at(&format!("in/{msg_id}.xml"))).unwrap();
    }

    /// The report beside a refused file.
    pub(crate) fn report(&self, msg_id: &str) -> String {
        fs::read_to_string(self.at(&format!("in/refused/{msg_id}.xml.report.json"))).unwrap_or_default()
    }

    pub(crate) fn delivered(&self) -> usize {
        self.files("out/gp", ".xml")
    }

    /// Deliveries that are CMS: a DER sequence.
    pub(crate) fn sealed(&self) -> usize {
        let Ok(entries) = fs::read_dir(self.at("out/gp")) else { return 0 };
        let der = |path: PathBuf| fs::read(path).is_ok_and(|bytes| bytes.first() == Some(&0x30));
        entries.filter(|e| der(e.as_ref().unwrap().path())).count()
    }
}
