//! The whole broker from outside: HTTP in, journal on disk, folder out, a receipt for each message.
//!
//! `cargo run --release -p benchmarks --bin end_to_end [--full] [FOLDER]` drives the binary that `$BUDSTIKKE`
//! names, or `target/release/budstikke`, on the disk of FOLDER (the current one). `--full` lets 50,000
//! messages of 20 KB and 1,000,000 of 1 KB wait, which takes an hour; without it a tenth and a fiftieth.
//!
//! What a disk can do differs from one machine to the next, so the run first measures how many files of
//! 20 KB it writes, syncs and renames; the broker's rates stand beside that.

use adapters::clock::SystemClock;
use benchmarks::{lab, measure};
use broker_core::ports::Clock as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

const CONNECTIONS: usize = 32;
const THROUGHPUT: usize = 5_000;
const OFFERED_PER_SECOND: usize = 300;
const OFFERED_SECONDS: usize = 20;

fn main() -> Result<(), Failure> {
    let (flags, paths): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let full = flags.iter().any(|f| f == "--full");
    let above = paths.first().map_or(".", String::as_str);
    let binary =
        std::env::var_os("BUDSTIKKE").map_or_else(|| "target/release/budstikke".into(), PathBuf::from);
    let folder = tempfile::tempdir_in(above)?;

    let one = synced_files(&folder.path().join("alone"), 1)?;
    let many = synced_files(&folder.path().join("together"), CONNECTIONS)?;
    println!("synced files of 20 KB: {one:.0}/s one by one, {many:.0}/s by {CONNECTIONS} at once");

    let broker = Broker::start(&binary, &folder.path().join("throughput"), true)?;
    broker.throughput(many)?;
    drop(broker);
    let broker = Broker::start(&binary, &folder.path().join("latency"), true)?;
    broker.latency()?;
    drop(broker);

    let (large, small) = if full { (50_000, 1_000_000) } else { (5_000, 20_000) };
    let usual = |n| lab::report(n, lab::USUAL, 0);
    Broker::start(&binary, &folder.path().join("large"), false)?.backlog("20 KB", large, usual)?;
    Broker::start(&binary, &folder.path().join("small"), false)?.backlog("1 KB", small, lab::small)
}

/// Files of 20 KB written, synced and renamed into a folder, a second.
fn synced_files(folder: &Path, writers: usize) -> io::Result<f64> {
    std::fs::create_dir_all(folder)?;
    let bytes = lab::report(1, lab::USUAL, 0);
    let clock = SystemClock::new();
    let written = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let work = || {
            while clock.monotonic() < Duration::from_secs(3) {
                let nth = written.fetch_add(1, Ordering::Relaxed);
                let beside = folder.join(format!(".{nth}"));
                let mut file = File::create(&beside)?;
                file.write_all(bytes.as_bytes())?;
                file.sync_all()?;
                std::fs::rename(beside, folder.join(format!("{nth}.xml")))?;
            }
            io::Result::Ok(())
        };
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|t| t.join().expect("a writer does not panic"))
    })?;
    let rate = per_second(written.into_inner(), clock.monotonic());
    std::fs::remove_dir_all(folder)?;
    Ok(rate)
}

/// A running broker, ended when dropped.
struct Broker {
    process: Child,
    folder: PathBuf,
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
    /// Lays out a folder and starts a broker in it; its receiver is a folder, or an endpoint that is down.
    fn start(binary: &Path, folder: &Path, receiver_is_up: bool) -> Result<Self, Failure> {
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
             folder = \"out/receipts\"\n[admin]\nbind = \"{admin}\"\n[log]\nlevel = \"error\"\n"
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

    /// As fast as it takes them, then until the last one lies in the receiver's folder.
    fn throughput(&self, synced_files: f64) -> Result<(), Failure> {
        let clock = SystemClock::new();
        self.offer(0..THROUGHPUT, None, &|n| lab::report(n, lab::USUAL, 0))?;
        let accepted = per_second(THROUGHPUT, clock.monotonic());
        for out in ["out/office", "out/receipts"] {
            while std::fs::read_dir(self.folder.join(out))?.count() < THROUGHPUT {
                if clock.monotonic() > Duration::from_secs(300) {
                    return Err("not everything is delivered after five minutes".into());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let delivered = per_second(THROUGHPUT, clock.monotonic());
        println!(
            "throughput of {THROUGHPUT}, {CONNECTIONS} connections: {accepted:.0}/s accepted, {delivered:.0}/s delivered \
             and receipted: {:.0} % of the synced files; {:.2} ms of CPU a message, {} MB",
            delivered / synced_files * 100.0,
            measure::cpu(self.process.id()).as_secs_f64() * 1e3
                / per_second(THROUGHPUT, Duration::from_secs(1)),
            self.memory_mb()
        );
        Ok(())
    }

    /// How long a caller waits for its 202 at a steady rate. Counted from when the request was due, so that
    /// a broker that keeps callers waiting cannot hide it.
    fn latency(&self) -> Result<(), Failure> {
        let messages = OFFERED_PER_SECOND * OFFERED_SECONDS;
        let mut waits =
            self.offer(0..messages, Some(OFFERED_PER_SECOND), &|n| lab::report(n, lab::USUAL, 0))?;
        waits.sort_unstable();
        let at = |hundredths: usize| {
            waits.get((waits.len() * hundredths / 100).min(waits.len() - 1)).copied().unwrap_or_default()
        };
        println!(
            "at {OFFERED_PER_SECOND}/s for {OFFERED_SECONDS} s: p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms; CPU {:.0} % of a core",
            at(50).as_secs_f64() * 1e3,
            at(99).as_secs_f64() * 1e3,
            at(100).as_secs_f64() * 1e3,
            measure::cpu(self.process.id()).as_secs_f64()
                / per_second(OFFERED_SECONDS, Duration::from_secs(1))
                * 100.0
        );
        Ok(())
    }

    /// Takes messages in while the receiver is down, and tells the memory as the backlog grows.
    fn backlog(
        &self,
        size: &str,
        messages: usize,
        make: impl Fn(u64) -> String + Sync,
    ) -> Result<(), Failure> {
        let clock = SystemClock::new();
        print!("backlog of {messages} of {size}, most memory held at");
        for tenth in 0..10 {
            self.offer(messages * tenth / 10..messages * (tenth + 1) / 10, None, &make)?;
            if matches!(tenth, 0 | 4 | 9) {
                print!(" {}: {} MB,", messages * (tenth + 1) / 10, self.memory_mb());
            }
        }
        println!(
            " taken in at {:.0}/s, {:.2} ms of CPU a message",
            per_second(messages, clock.monotonic()),
            measure::cpu(self.process.id()).as_secs_f64() * 1e3
                / per_second(messages, Duration::from_secs(1))
        );
        Ok(())
    }

    /// Offers messages over kept connections: all at once, or so many a second. What each one waited.
    fn offer(
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

    /// The most memory that it has held.
    fn memory_mb(&self) -> u64 {
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

fn per_second(count: usize, elapsed: Duration) -> f64 {
    measure::per_second(count as u64, elapsed)
}
