//! The systems around the broker: a caller of its HTTP interface, and the receivers that answer.

use jiff::Timestamp;
use message_schemas::apprec::{Error, ErrorCode, Making, Receipt, Verdict};
use message_schemas::{HerId, Limits, head, xml};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An HTTP/1.1 request, one connection each. The body as text, and the status.
pub(crate) fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    if !token.is_empty() {
        request.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, b)| b).to_owned();
    Ok((status, body))
}

/// What a receiving system says to a message, by the name of its sample.
pub(crate) type Answering = Arc<dyn Fn(&str) -> Answer + Send + Sync>;

/// What a receiving system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// Yes, but not before it is told to ([`Systems::release`]).
    Later,
}

/// The receiving systems that answer for themselves, and what they have got.
pub(crate) struct Systems {
    inbox: PathBuf,
    answering: Answering,
    held: Mutex<Vec<String>>,
    made: Mutex<u128>,
    /// How many messages the hospital has.
    pub(crate) hospital_has: Mutex<BTreeSet<String>>,
    stop: AtomicBool,
}

impl Systems {
    pub(crate) fn new(inbox: &Path, answering: Answering) -> Arc<Self> {
        Arc::new(Self {
            inbox: inbox.to_owned(),
            answering,
            held: Mutex::default(),
            made: Mutex::new(1),
            hospital_has: Mutex::default(),
            stop: AtomicBool::new(false),
        })
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Sends the receipts that were held back.
    pub(crate) fn release(&self) -> usize {
        let held: Vec<String> = std::mem::take(&mut *self.held.lock().expect("no panic under the lock"));
        for receipt in &held {
            self.send(receipt);
        }
        held.len()
    }

    pub(crate) fn holds(&self) -> usize {
        self.held.lock().expect("no panic under the lock").len()
    }

    /// Reads a message as a receiving system does, and answers for one party.
    fn answer(&self, bytes: &[u8], party: u32) {
        let Ok(decoded) = xml::decode(bytes) else { return };
        let Ok(message) = head::read(&decoded.text, &Limits::default()) else { return };
        let Some(me) = message.receivers.iter().find(|r| r.party.her_id() == Some(HerId(party))) else { return };
        let id = message.msg_id.as_ref().map(|m| m.key()).unwrap_or_default();
        let answer = (self.answering)(&id);
        let verdict = match answer {
            Answer::Yes | Answer::Later => Verdict::Accepted,
            Answer::No => Verdict::rejected(Error::of(ErrorCode::PatientUnknown)),
        };
        let number = {
            let mut made = self.made.lock().expect("no panic under the lock");
            *made += 1;
            *made
        };
        // Ids of the demo's own receipts: made up, but different and lawful.
        let id = uuid::Builder::from_u128(0x0de0_0000_0000_0000_0000_0000_0000_0000 | number)
            .with_version(uuid::Version::Random)
            .with_variant(uuid::Variant::RFC4122)
            .into_uuid();
        let Ok(receipt) = Receipt::answer(&message, me, verdict, Making { id, now: now(), software: None }) else {
            return;
        };
        match answer {
            Answer::Later => self.held.lock().expect("no panic under the lock").push(receipt.to_xml()),
            Answer::Yes | Answer::No => self.send(&receipt.to_xml()),
        }
    }

    /// Puts a receipt into the broker's folder as a careful system does: written beside, then renamed.
    fn send(&self, receipt: &str) {
        let name = format!("receipt-{:x}", receipt.len() as u128 ^ fingerprint(receipt));
        let beside = self.inbox.join(format!(".{name}.tmp"));
        std::fs::write(&beside, receipt).expect("the inbox can be written");
        std::fs::rename(&beside, self.inbox.join(format!("{name}.xml"))).expect("the inbox can be written");
    }

    /// A system that looks into its folder.
    pub(crate) fn watch_folder(self: &Arc<Self>, folder: PathBuf, party: u32) -> std::thread::JoinHandle<()> {
        let systems = Arc::clone(self);
        std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !systems.stop.load(Ordering::Relaxed) {
                for file in files(&folder) {
                    let message = file.extension().is_some_and(|e| e == "xml");
                    if message && seen.insert(file.clone()) {
                        systems.answer(&std::fs::read(&file).unwrap_or_default(), party);
                    }
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        })
    }

    /// The hospital's endpoint. It knows what it has by the delivery's own key.
    pub(crate) fn serve_hospital(self: &Arc<Self>, address: SocketAddr, party: u32) -> std::thread::JoinHandle<()> {
        let systems = Arc::clone(self);
        let listener = TcpListener::bind(address).expect("the hospital's address is free");
        listener.set_nonblocking(true).expect("a listener can be asked without waiting");
        std::thread::spawn(move || {
            while !systems.stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let systems = Arc::clone(&systems);
                        std::thread::spawn(move || systems.hospital_connection(&stream, party));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(10)),
                }
            }
        })
    }

    fn hospital_connection(&self, stream: &TcpStream, party: u32) {
        stream.set_nonblocking(false).ok();
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok();
        let (mut reader, mut writer) = (stream, stream);
        let mut buffer = Vec::new();
        loop {
            let Some((headers, body)) = read_request(&mut reader, &mut buffer) else { return };
            let key = header(&headers, "idempotency-key").unwrap_or_default();
            let fresh = self.hospital_has.lock().expect("no panic under the lock").insert(key);
            let status = if fresh { "201 Created" } else { "409 Conflict" };
            if write!(writer, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").is_err() {
                return;
            }
            if fresh {
                self.answer(&body, party);
            }
        }
    }
}

fn read_request(stream: &mut impl Read, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let mut piece = [0; 8192];
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let headers = String::from_utf8_lossy(buffer.get(..end)?).into_owned();
            let length: usize = header(&headers, "content-length")?.parse().ok()?;
            if buffer.len() >= end + 4 + length {
                let body = buffer.get(end + 4..end + 4 + length)?.to_vec();
                buffer.drain(..end + 4 + length);
                return Some((headers, body));
            }
        }
        let n = stream.read(&mut piece).ok().filter(|n| *n > 0)?;
        buffer.extend_from_slice(piece.get(..n)?);
    }
}

fn header(headers: &str, name: &str) -> Option<String> {
    headers.lines().find_map(|line| {
        let (n, value) = line.split_once(':')?;
        n.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// The files of a folder, hidden ones left out.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.is_file() && !p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')))
        .collect();
    list.sort();
    list
}

fn fingerprint(text: &str) -> u128 {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes()).as_u128()
}

#[expect(clippy::disallowed_methods, reason = "the demo's systems are outside of the broker and have a clock of their own")]
fn now() -> Timestamp {
    Timestamp::now()
}
