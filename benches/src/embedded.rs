//! The embedded broker as a process: laid out in a folder, given messages over HTTP, ended when dropped.

use crate::cluster::Failure;
use crate::{lab, measure};
use adapters::clock::SystemClock;
use broker_core::ports::Clock as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Over so many connections messages are offered.
pub const CONNECTIONS: usize = 32;

/// A running broker, ended when dropped.
pub struct Broker {
    process: Child,
    /// Where it was laid out. What it delivers lies below, in `out/office` and `out/receipts`.
    pub folder: PathBuf,
    http: SocketAddr,
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Nothing is measured any more; a broker that is gone already is as well.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Broker {
    /// Lays out a folder and starts a broker in it, with more settings behind its own; its receiver is a folder, or an
    /// endpoint that is down.
    ///
    /// # Errors
    /// If it does not start, or is not ready after 20 s.
    pub fn start(binary: &Path, folder: &Path, receiver_is_up: bool, more: &str) -> Result<Self, Failure> {
        for below in ["out/office", "out/receipts"] {
            std::fs::create_dir_all(folder.join(below))?;
        }
        // All at once, so that the system gives three different free ports.
        let free = [free_port()?, free_port()?, free_port()?];
        let [http, admin, nobody] = [free[0].local_addr()?, free[1].local_addr()?, free[2].local_addr()?];
        drop(free);
        let (name, destination) = if receiver_is_up {
            ("folder:office", "folder = \"out/office\"".to_owned())
        } else {
            ("http:office", format!("url = \"http://{nobody}/\""))
        };
        std::fs::write(folder.join("parties.toml"), lab::party_file(name, "broker", "kith-xml"))?;
        let settings = format!(
            "parties = [\"parties.toml\"]\n[journal]\npath = \"journal.db\"\n[sources.http]\nbind = \"{http}\"\n\
             [destinations.\"{name}\"]\n{destination}\n[destinations.\"folder:receipts\"]\n\
             folder = \"out/receipts\"\n[admin]\nbind = \"{admin}\"\n[log]\nlevel = \"error\"\n{more}"
        );
        let config = folder.join("budstikke.toml");
        std::fs::write(&config, settings)?;
        let process =
            Command::new(binary).args(["run", "--config"]).arg(config).stdin(Stdio::null()).spawn()?;
        let mut broker = Self { process, folder: folder.to_owned(), http };
        let clock = SystemClock::new();
        loop {
            let ready = Connection::open(admin).and_then(|mut c| c.call("GET /health/ready", "", b""));
            if ready.is_ok_and(|status| status == 200) {
                return Ok(broker);
            }
            if let Some(status) = broker.process.try_wait()? {
                return Err(format!("the broker did not start: {status}").into());
            }
            if clock.monotonic() > Duration::from_secs(20) {
                return Err("the broker is not ready after 20 s".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Offers messages over kept connections: all at once, or so many a second. What each one waited.
    ///
    /// # Errors
    /// If one is not accepted.
    ///
    /// # Panics
    /// If a thread of its own did.
    pub fn offer(
        &self,
        numbers: std::ops::Range<usize>,
        per_second: Option<usize>,
        make: &(impl Fn(u64) -> String + Sync),
    ) -> io::Result<Vec<Duration>> {
        let (clock, first) = (SystemClock::new(), numbers.start);
        let next = AtomicUsize::new(first);
        let waits = Mutex::new(Vec::with_capacity(numbers.len()));
        let work = || {
            let mut connection = Connection::open(self.http)?;
            let mut own = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= numbers.end {
                    break;
                }
                let message = make(number as u64);
                let due =
                    per_second.map(|r| Duration::from_micros((number - first) as u64 * 1_000_000 / r as u64));
                let now = clock.monotonic();
                if let Some(early) = due.and_then(|d| d.checked_sub(now)) {
                    std::thread::sleep(early);
                }
                let key = format!("Idempotency-Key: {number}\r\nContent-Type: application/xml\r\n");
                let status = connection.call("POST /v1/messages", &key, message.as_bytes())?;
                if status != 202 {
                    return Err(io::Error::other(format!("message {number} was answered with {status}")));
                }
                own.push(clock.monotonic() - due.unwrap_or(now));
            }
            waits.lock().expect("no thread panics").append(&mut own);
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|t| t.join().expect("a client does not panic"))
        })?;
        Ok(waits.into_inner().expect("no thread panics"))
    }

    /// What it has used of the processors.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        measure::cpu(self.process.id())
    }

    /// The most memory that it has held.
    #[must_use]
    pub fn memory_mb(&self) -> u64 {
        measure::memory(&self.process.id().to_string(), "VmHWM") >> 20
    }
}

fn free_port() -> io::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0")
}

/// A connection that is kept.
struct Connection {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream: BufReader::new(stream), request: Vec::new() })
    }

    /// Sends a request and reads its answer to the end. Its status.
    fn call(&mut self, what: &str, headers: &str, body: &[u8]) -> io::Result<u16> {
        self.request.clear();
        write!(
            self.request,
            "{what} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        )?;
        self.request.extend_from_slice(body);
        self.stream.get_mut().write_all(&self.request)?;
        let (mut status, mut length) = (None, 0);
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::Error::other("the answer broke off"));
            }
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            if status.is_none() {
                status = text.split(' ').nth(1).and_then(|s| s.parse().ok());
            } else if let Some((name, value)) = text.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        io::copy(&mut self.stream.by_ref().take(length), &mut io::sink())?;
        status.ok_or_else(|| io::Error::other("the answer has no status"))
    }
}
