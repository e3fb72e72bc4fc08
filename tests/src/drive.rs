//! Drives the real binary from outside: a region of `ops/region` in a folder of its own, the process in it,
//! a plain HTTP client, and endpoints of receiving systems.

use crate::root;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The binary under test: `$BUDSTIKKE`, or the build of this tree that the tests share, made now if it is not up to date.
///
/// # Panics
/// If it cannot be built.
pub fn binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        if let Some(given) = std::env::var_os("BUDSTIKKE") {
            return PathBuf::from(given);
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--locked", "--workspace", "--bin", "budstikke"])
            .current_dir(root())
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the binary under test does not build");
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        target.join("debug/budstikke")
    };
    BUILT.get_or_init(build).clone()
}

/// The clock of whatever stands outside of the broker.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "what drives the broker stands outside of it, with a clock of its own"
)]
pub fn clock() -> Instant {
    Instant::now()
}

/// A region laid out in a folder, with free ports.
#[derive(Debug)]
pub struct Region {
    /// Its folder: settings, journal, inbox, out.
    pub folder: PathBuf,
    /// The settings of its broker, in this folder.
    file: PathBuf,
    /// Where the broker takes messages.
    pub http: SocketAddr,
    /// Where it shows metrics and health.
    pub admin: SocketAddr,
    /// Where the hospital listens, once it does.
    pub hospital: SocketAddr,
    /// The token to show.
    pub token: String,
}

impl Region {
    /// Lays a fresh one out below `target/`; `settings` may change the text of `ops/region/budstikke.toml`.
    ///
    /// # Errors
    /// If the folder cannot be written or there is no free port.
    pub fn lay_out(name: &str, settings: impl FnOnce(String) -> String) -> io::Result<Self> {
        Self::lay_out_from("budstikke.toml", name, settings)
    }

    /// The same from other settings of `ops/region`.
    ///
    /// # Errors
    /// If the folder cannot be written or there is no free port.
    pub fn lay_out_from(
        template: &str,
        name: &str,
        settings: impl FnOnce(String) -> String,
    ) -> io::Result<Self> {
        let folder = root().join("target/regions").join(format!("{name}-{}", std::process::id()));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        for below in ["laboratory", "gp", "granheim", "citizens", "municipality", "specialist", "on-call"] {
            std::fs::create_dir_all(folder.join("out").join(below))?;
        }
        std::fs::create_dir_all(folder.join("inbox"))?;
        let [http, admin, hospital] = free_addresses()?;
        let text = std::fs::read_to_string(root().join("ops/region").join(template))?
            .replace("{http}", &http.port().to_string())
            .replace("{admin}", &admin.port().to_string())
            .replace("{hospital}", &hospital.port().to_string());
        let file = folder.join("budstikke.toml");
        std::fs::write(&file, settings(text))?;
        for file in ["parties.toml", "rules.toml"] {
            std::fs::copy(root().join("ops/region").join(file), folder.join(file))?;
        }
        let token = uuid::Uuid::now_v7().simple().to_string();
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(folder.join("token"))?
            .write_all(token.as_bytes())?;
        Ok(Self { folder, file, http, admin, hospital, token })
    }

    /// Another broker in the same region, with ports of its own; `settings` may change the text of the first one's.
    ///
    /// # Errors
    /// If the folder cannot be written or there is no free port.
    pub fn beside(&self, name: &str, settings: impl FnOnce(String) -> String) -> io::Result<Self> {
        let [http, admin] = free_addresses()?;
        let text = std::fs::read_to_string(&self.file)?
            .replace(&self.http.to_string(), &http.to_string())
            .replace(&self.admin.to_string(), &admin.to_string());
        let file = self.folder.join(format!("{name}.toml"));
        std::fs::write(&file, settings(text))?;
        let (folder, token) = (self.folder.clone(), self.token.clone());
        Ok(Self { folder, file, http, admin, hospital: self.hospital, token })
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.file.clone()
    }

    /// A destination's folder.
    #[must_use]
    pub fn out(&self, name: &str) -> PathBuf {
        self.folder.join("out").join(name)
    }

    /// Starts the broker and waits until it is ready. Its log goes to `log`, or where ours goes.
    ///
    /// # Errors
    /// If it ends, or is not ready after 20 s.
    pub fn start(&self, log: Option<&Path>) -> io::Result<Child> {
        let mut process = launch(&self.config(), log)?;
        until_ready(&mut process, self.admin, Duration::from_secs(20))?;
        Ok(process)
    }

    /// Offers a message over HTTP.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn post(&self, key: &str, bytes: &[u8]) -> io::Result<(u16, String)> {
        let headers = [("Idempotency-Key", key), ("Content-Type", "application/xml")];
        call(self.http, "POST", "/v1/messages", &self.token, &headers, bytes)
    }

    /// What the broker says of a message.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn state(&self, id: &str) -> io::Result<(u16, String)> {
        call(self.http, "GET", &format!("/v1/messages/{id}"), &self.token, &[], &[])
    }

    /// Puts a message into the inbox as a careful system does: written beside, then renamed.
    ///
    /// # Errors
    /// If the inbox cannot be written.
    pub fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let inbox = self.folder.join("inbox");
        let beside = inbox.join(format!(".{name}.tmp"));
        std::fs::write(&beside, bytes)?;
        std::fs::rename(beside, inbox.join(format!("{name}.xml")))
    }

    /// A command of the binary on this region's settings: its exit code and what it printed.
    ///
    /// # Errors
    /// If it cannot be run.
    pub fn ask(&self, arguments: &[&str]) -> io::Result<(Option<i32>, String)> {
        ask(&self.config(), arguments)
    }
}

/// Starts `budstikke run` on these settings. Its log goes to the end of `log`, or where ours goes.
///
/// # Errors
/// If it cannot be run.
pub fn launch(config: &Path, log: Option<&Path>) -> io::Result<Child> {
    let mut command = Command::new(binary());
    command.args(["run", "--config"]).arg(config).stdin(Stdio::null());
    if let Some(log) = log {
        let file = OpenOptions::new().create(true).append(true).open(log)?;
        command.stdout(file.try_clone()?).stderr(file);
    }
    command.spawn()
}

/// Waits until a broker says that it is ready.
///
/// # Errors
/// If it ends, or is not ready in time.
pub fn until_ready(process: &mut Child, admin: SocketAddr, within: Duration) -> io::Result<()> {
    let deadline = clock() + within;
    loop {
        if let Ok((200, _)) = call(admin, "GET", "/health/ready", "", &[], &[]) {
            return Ok(());
        }
        if let Some(status) = process.try_wait()? {
            return Err(io::Error::other(format!("the broker did not start: {status}")));
        }
        if clock() > deadline {
            process.kill()?;
            process.wait()?;
            return Err(io::Error::other(format!("the broker is not ready after {} s", within.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A command of the binary on these settings: its exit code and what it printed.
///
/// # Errors
/// If it cannot be run.
pub fn ask(config: &Path, arguments: &[&str]) -> io::Result<(Option<i32>, String)> {
    let output = Command::new(binary()).args(arguments).arg("--config").arg(config).output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
}

/// What the ledger says (`budstikke ledger`), for a checker that stands outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    /// Every recipient that was accepted is in exactly one state, by id.
    pub balance: bool,
    /// Recipients of letters that were accepted.
    pub letters: u64,
    /// Receipts of ours that were made.
    pub receipts: u64,
    /// Letters and receipts that are still under way: waiting, sending or unsure.
    pub open: u64,
    /// Letters and receipts that ended otherwise than handed over or receipted: parked, expired, rejected, replaced.
    pub astray: u64,
}

/// Asks a broker's ledger; `None` if it does not answer, as while its database is away.
#[must_use]
pub fn books(config: &Path) -> Option<Books> {
    let (code, text) = ask(config, &["ledger", "--format", "json"]).ok()?;
    let ledger = text.lines().find_map(|line| serde_json::from_str::<Value>(line).ok())?;
    let count = |book: &str, state: &str| ledger.get(book)?.get(state)?.as_u64();
    let both = |states: &[&str]| {
        let of = |book| states.iter().filter_map(move |s| count(book, s)).sum::<u64>();
        of("messages") + of("receipts")
    };
    Some(Books {
        balance: code == Some(0),
        letters: count("messages", "accepted")?,
        receipts: count("receipts", "accepted")?,
        open: both(&["waiting", "sending", "unsure"]),
        astray: both(&["rejected", "parked", "expired", "replaced", "discarded"]),
    })
}

/// So many different addresses that nobody listens at.
fn free_addresses<const N: usize>() -> io::Result<[SocketAddr; N]> {
    Ok(servers::free_ports()?.map(|port| SocketAddr::from(([127, 0, 0, 1], port))))
}

/// Stops a process where it stands: it keeps what it has in hand, and does nothing.
///
/// # Errors
/// If it cannot be signalled.
pub fn freeze(process: &Child) -> io::Result<()> {
    Command::new("kill").args(["-STOP", &process.id().to_string()]).status().map(drop)
}

/// Ends a broker as a service manager does. True if it drained and ended well within 20 s.
///
/// # Errors
/// If it cannot be signalled.
pub fn terminate(process: &mut Child) -> io::Result<bool> {
    Command::new("kill").args(["-TERM", &process.id().to_string()]).status()?;
    let deadline = clock() + Duration::from_secs(20);
    while clock() < deadline {
        if let Some(status) = process.try_wait()? {
            return Ok(status.success());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    process.kill()?;
    process.wait()?;
    Ok(false)
}

/// One HTTP/1.1 request on a connection of its own: the status and the body.
///
/// # Errors
/// If there is no whole answer.
pub fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
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
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("the answer broke off"))?;
    Ok((status, text.split_once("\r\n\r\n").map_or("", |(_, b)| b).to_owned()))
}

/// How an endpoint treats who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    /// It takes and answers.
    #[default]
    Prompt,
    /// It takes, and answers so much later.
    Slow(Duration),
    /// It takes, and does not answer as long as it is in this manner.
    Hanging,
}

/// A receiving system with an HTTP endpoint: takes each delivery, and knows a repeat by its key (409).
#[derive(Debug, Default)]
pub struct Endpoint {
    keys: Mutex<BTreeSet<String>>,
    manner: Mutex<Manner>,
    stop: AtomicBool,
}

/// What is done with a delivery.
type Take = dyn Fn(&HandOver<'_>) + Send + Sync;

/// One delivery as it was handed over.
#[derive(Debug, Clone, Copy)]
pub struct HandOver<'a> {
    /// Its idempotency key.
    pub key: &'a str,
    /// All of it.
    pub bytes: &'a [u8],
    /// True unless something came under this key before.
    pub first: bool,
}

impl Endpoint {
    /// Listens from now on; `take` gets each delivery, repeats too, before it is answered.
    ///
    /// # Panics
    /// If the address is taken.
    pub fn open(self: &Arc<Self>, address: SocketAddr, take: impl Fn(&HandOver<'_>) + Send + Sync + 'static) {
        let listener = TcpListener::bind(address).expect("the endpoint's address is free");
        listener.set_nonblocking(true).expect("a listener can be asked without waiting");
        let (endpoint, take): (_, Arc<Take>) = (Arc::clone(self), Arc::new(take));
        std::thread::spawn(move || {
            while !endpoint.stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let (endpoint, take) = (Arc::clone(&endpoint), Arc::clone(&take));
                        std::thread::spawn(move || endpoint.serve(&stream, &*take));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
    }

    /// Is like this from now on, also to those who wait for an answer.
    pub fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// Listens no more.
    pub fn close(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn manner(&self) -> Manner {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream, take: &Take) {
        stream.set_nonblocking(false).ok();
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok();
        let (mut reader, mut writer) = (stream, stream);
        let mut buffer = Vec::new();
        while let Some((headers, body)) = read_request(&mut reader, &mut buffer) {
            let key = header(&headers, "idempotency-key").unwrap_or_default();
            let first = self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
            take(&HandOver { key: &key, bytes: &body, first });
            if let Manner::Slow(by) = self.manner() {
                std::thread::sleep(by);
            }
            while self.manner() == Manner::Hanging && !self.stop.load(Ordering::Relaxed) {
                if has_gone(stream) {
                    return;
                }
            }
            let status = if first { "201 Created" } else { "409 Conflict" };
            if write!(writer, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").is_err() {
                return;
            }
        }
    }
}

/// Whether the caller has given up; it waits a moment for that.
fn has_gone(stream: &TcpStream) -> bool {
    let before = stream.read_timeout().ok().flatten();
    stream.set_read_timeout(Some(Duration::from_millis(50))).ok();
    let said = stream.peek(&mut [0]);
    stream.set_read_timeout(before).ok();
    match said {
        Ok(n) => n == 0,
        Err(e) => !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
    }
}

fn read_request(stream: &mut impl Read, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let mut piece = [0; 16_384];
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

/// The files of a folder in order, hidden ones left out.
#[must_use]
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.is_file() && !p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')))
        .collect();
    list.sort();
    list
}

/// A sample of `message-schemas/samples`, by its folder.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn sample(folder: &str) -> Vec<u8> {
    let path = root().join("message-schemas/samples").join(folder).join("in.xml");
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
