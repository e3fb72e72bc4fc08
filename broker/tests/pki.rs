//! The fictitious PKI, made and answered for by the built program.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use trust::Certificate;
use trust::revocation::Evidence;

fn budstikke(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_budstikke")).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("not ended by a signal")
}

fn first(path: &Path) -> Arc<Certificate> {
    Certificate::all_from(&fs::read(path).unwrap()).unwrap().remove(0)
}

/// The responder; ended when dropped.
struct Responder(Child, String);

impl Responder {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_budstikke"))
            .args(["pki", "ocsp", "--listen", "127.0.0.1:0"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("Answering at http://").unwrap().to_owned();
        Self(child, address)
    }

    /// Status and body.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.1).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: pki\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let gap = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let status = String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap().to_owned();
        (status, answer[gap + 4..].to_vec())
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_pki_is_made_used_and_answered_for() {
    let folder = tempfile::tempdir().unwrap();
    let pki = folder.path().join("pki");
    let at = |name: &str| pki.join(name).to_str().unwrap().to_owned();
    assert_eq!(code(&budstikke(&["pki", "demo", pki.to_str().unwrap()])), 0);
    assert_eq!(code(&budstikke(&["pki", "demo", pki.to_str().unwrap()])), 2, "there is one already");
    for secret in
        ["password", "authority/root.key.pem", "authority/issuing.key.pem", "parties/gp/signing.p12"]
    {
        let mode = fs::metadata(at(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
    let message =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../message-schemas/samples/epikrise/accepted-1.2/in.xml");
    let verdict = |signer: &str, more: &[&str]| {
        let sealed = folder.path().join(format!("{signer}.p7m"));
        let (sealed, key) = (sealed.to_str().unwrap(), at(&format!("parties/{signer}/signing.p12")));
        if !Path::new(sealed).exists() {
            // `seal` refuses to sign with what has run out, so the library does.
            let password = fs::read_to_string(at("password")).unwrap();
            let key = trust::keys::from_pkcs12(&fs::read(&key).unwrap(), password.trim()).unwrap();
            let signed = trust::cms::sign(&fs::read(&message).unwrap(), &*key, None).unwrap();
            let to = [first(Path::new(&at("parties/hospital/sealing.pem")))];
            fs::write(sealed, trust::cms::seal(&signed, &to, trust::ContentCipher::default()).unwrap())
                .unwrap();
        }
        let (hospital, password) = (at("parties/hospital/sealing.p12"), at("password"));
        let (root, root_crl, crl) = (at("root.pem"), at("root.crl"), at("issuing.crl"));
        let mut arguments = vec![
            "open",
            sealed,
            "--key",
            &hospital,
            "--password-file",
            &password,
            "--trust",
            &root,
            "--crl",
            &root_crl,
        ];
        arguments.extend(if more.is_empty() { vec!["--crl", &crl] } else { more.to_vec() });
        let output = budstikke(&arguments);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let codes =
            said["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap().to_owned());
        (code(&output), codes.collect::<Vec<_>>().join(" "))
    };
    let is = |code: i32, why: &str| (code, why.to_owned());
    assert_eq!(verdict("gp", &[]), is(0, ""));
    assert_eq!(verdict("expired", &[]), is(1, "A12"));
    assert_eq!(verdict("revoked", &[]), is(1, "A16"));

    // The responder says the same, in either form, and what is revoked while it runs counts at once.
    let responder = Responder::start(&pki);
    let issuing = first(Path::new(&at("issuing.pem")));
    for (name, signer) in [("good", "gp"), ("gone", "revoked")] {
        let certificate = first(Path::new(&at(&format!("parties/{signer}/signing.pem"))));
        let request = Evidence::wanted(&certificate, &issuing).ocsp_request;
        let (status, answer) = responder.ask("POST", "/ocsp", &request);
        assert_eq!(status, "200");
        fs::write(at(name), &answer).unwrap();
    }
    assert_eq!(verdict("gp", &["--ocsp", &at("good")]), is(0, ""));
    assert_eq!(verdict("revoked", &["--ocsp", &at("gone")]), is(1, "A16"));

    let mut revoked: Value =
        serde_json::from_slice(&fs::read(at("authority/revoked.json")).unwrap()).unwrap();
    let serial = first(Path::new(&at("parties/gp/signing.pem"))).serial_hex();
    revoked
        .as_array_mut()
        .unwrap()
        .push(serde_json::json!({ "serial": serial, "since": "2026-01-01T00:00:00Z" }));
    fs::write(at("authority/revoked.json"), revoked.to_string()).unwrap();
    let (status, crl) = responder.ask("GET", "/issuing.crl", &[]);
    assert_eq!(status, "200");
    fs::write(at("newer.crl"), crl).unwrap();
    assert_eq!(verdict("gp", &["--crl", &at("newer.crl")]), is(1, "A16"));
    // What is no question is told so, and nobody falls over.
    assert_eq!(responder.ask("POST", "/ocsp", b"no question"), ("200".to_owned(), vec![0x30, 3, 0x0A, 1, 1]));
    assert_eq!(responder.ask("GET", "/ocsp/AAAA", &[]).0, "200");
    assert_eq!(responder.ask("GET", "/authority/issuing.key.pem", &[]).0, "404");
}
