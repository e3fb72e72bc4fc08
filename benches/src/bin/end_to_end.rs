//! The whole broker from outside: HTTP in, journal on disk, folder out, a receipt for each message.
//!
//! `cargo run --release -p benchmarks --bin end_to_end [--full] [FOLDER]` drives the binary that `$BUDSTIKKE`
//! names, or `target/release/budstikke`, on the disk of FOLDER (the current one). `--full` lets 50,000
//! messages of 20 KB and 1,000,000 of 1 KB wait, which takes an hour; without it a tenth and a fiftieth.
//!
//! What a disk can do differs from one machine to the next, so the run first measures how many files of
//! 20 KB it writes, syncs and renames; the broker's rates stand beside that.

use adapters::clock::SystemClock;
use benchmarks::cluster::Failure;
use benchmarks::embedded::{Broker, CONNECTIONS};
use benchmarks::{lab, measure};
use broker_core::ports::Clock as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

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

    let broker = Broker::start(&binary, &folder.path().join("throughput"), true, "")?;
    throughput(&broker, many)?;
    drop(broker);
    let broker = Broker::start(&binary, &folder.path().join("latency"), true, "")?;
    latency(&broker)?;
    drop(broker);

    let (large, small) = if full { (50_000, 1_000_000) } else { (5_000, 20_000) };
    let usual = |n| lab::report(n, lab::USUAL, 0);
    backlog(&Broker::start(&binary, &folder.path().join("large"), false, "")?, "20 KB", large, usual)?;
    backlog(&Broker::start(&binary, &folder.path().join("small"), false, "")?, "1 KB", small, lab::small)
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

/// As fast as it takes them, then until the last one lies in the receiver's folder.
fn throughput(broker: &Broker, synced_files: f64) -> Result<(), Failure> {
    let clock = SystemClock::new();
    broker.offer(0..THROUGHPUT, None, &|n| lab::report(n, lab::USUAL, 0))?;
    let accepted = per_second(THROUGHPUT, clock.monotonic());
    for out in ["out/office", "out/receipts"] {
        while std::fs::read_dir(broker.folder.join(out))?.count() < THROUGHPUT {
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
        broker.cpu().as_secs_f64() * 1e3 / per_second(THROUGHPUT, Duration::from_secs(1)),
        broker.memory_mb()
    );
    Ok(())
}

/// How long a caller waits for its 202 at a steady rate. Counted from when the request was due, so that
/// a broker that keeps callers waiting cannot hide it.
fn latency(broker: &Broker) -> Result<(), Failure> {
    let messages = OFFERED_PER_SECOND * OFFERED_SECONDS;
    let mut waits =
        broker.offer(0..messages, Some(OFFERED_PER_SECOND), &|n| lab::report(n, lab::USUAL, 0))?;
    waits.sort_unstable();
    let at = |hundredths: usize| {
        waits.get((waits.len() * hundredths / 100).min(waits.len() - 1)).copied().unwrap_or_default()
    };
    println!(
        "at {OFFERED_PER_SECOND}/s for {OFFERED_SECONDS} s: p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms; CPU {:.0} % of a core",
        at(50).as_secs_f64() * 1e3,
        at(99).as_secs_f64() * 1e3,
        at(100).as_secs_f64() * 1e3,
        broker.cpu().as_secs_f64() / per_second(OFFERED_SECONDS, Duration::from_secs(1)) * 100.0
    );
    Ok(())
}

/// Takes messages in while the receiver is down, and tells the memory as the backlog grows.
fn backlog(
    broker: &Broker,
    size: &str,
    messages: usize,
    make: impl Fn(u64) -> String + Sync,
) -> Result<(), Failure> {
    let clock = SystemClock::new();
    print!("backlog of {messages} of {size}, most memory held at");
    for tenth in 0..10 {
        broker.offer(messages * tenth / 10..messages * (tenth + 1) / 10, None, &make)?;
        if matches!(tenth, 0 | 4 | 9) {
            print!(" {}: {} MB,", messages * (tenth + 1) / 10, broker.memory_mb());
        }
    }
    println!(
        " taken in at {:.0}/s, {:.2} ms of CPU a message",
        per_second(messages, clock.monotonic()),
        broker.cpu().as_secs_f64() * 1e3 / per_second(messages, Duration::from_secs(1))
    );
    Ok(())
}

fn per_second(count: usize, elapsed: Duration) -> f64 {
    measure::per_second(count as u64, elapsed)
}
