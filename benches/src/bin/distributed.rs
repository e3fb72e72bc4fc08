//! The distributed broker, end to end: messages on a queue in, on queues out, receipts on a queue back, with RabbitMQ and
//! PostgreSQL on the same machine.
//!
//! `cargo build --release && cargo run --release -p benchmarks --bin distributed [--full] [SECTION]...` drives the binary that
//! `$BUDSTIKKE` names, or `target/release/budstikke`. Sections are `throughput`, `latency`, `hanging` and `backlog`; none means
//! all. `--full` lets 50,000 messages of 20 KB and 1,000,000 of 1 KB wait; without it a tenth and a fiftieth.

use benchmarks::cluster::{Cluster, Failure, Figures, Pace, Protection, Receivers};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Without crypto, with XMLDSig, with everything: what is wanted a second, servers included.
const WANTED: [(Protection, u64); 3] =
    [(Protection::Plain, 1_500), (Protection::Signed, 1_100), (Protection::SignedAndSealed, 800)];

/// On the way at one time when as many as possible are offered.
const WINDOW: u64 = 2_000;

/// So long is each figure measured, about.
const SECONDS: u64 = 15;

/// Receivers, one of whom hangs, and how many messages a second go to all of them together.
const RECEIVERS: u32 = 200;
const TO_ALL: u64 = 300;
const TIMES: usize = 5;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (flags, sections): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let full = flags.iter().any(|flag| flag == "--full");
    let wanted = |section: &str| sections.is_empty() || sections.iter().any(|s| s == section);
    let binary =
        std::env::var_os("BUDSTIKKE").map_or_else(|| "target/release/budstikke".into(), PathBuf::from);
    let cluster = Cluster::start()?;
    if wanted("throughput") {
        for (protection, goal) in WANTED {
            for instances in [1, 2] {
                throughput(&cluster, &binary, instances, protection, goal).await?;
            }
        }
    }
    if wanted("latency") {
        for (protection, goal) in WANTED {
            for rate in [goal / 5, goal / 2] {
                latency(&cluster, &binary, protection, rate).await?;
            }
        }
    }
    if wanted("hanging") {
        hanging(&cluster, &binary).await?;
    }
    if wanted("backlog") {
        let (large, small) = if full { (50_000, 1_000_000) } else { (5_000, 20_000) };
        backlog(&cluster, &binary, "20 KB", large, false).await?;
        backlog(&cluster, &binary, "1 KB", small, true).await?;
    }
    Ok(())
}

async fn throughput(
    cluster: &Cluster,
    binary: &Path,
    instances: usize,
    protection: Protection,
    goal: u64,
) -> Result<(), Failure> {
    let mut run = cluster.brokers(binary, instances, protection, Receivers::One).await?;
    // Connections, caches, the first pages of tables.
    let warm = cluster.messages(protection, Receivers::One, 0, 1_000, false)?;
    run.offer(&warm, Pace::Closed(WINDOW), 0).await?;
    let messages = cluster.messages(protection, Receivers::One, 1_000, goal * SECONDS / 2, false)?;
    let figures = run.offer(&messages, Pace::Closed(WINDOW), 0).await?;
    let name =
        format!("{}, {instances} instance{}", protection.name(), if instances == 1 { "" } else { "s" });
    println!("{name:32} {:>6.0}/s (wanted {goal}); {}", figures.rate, costs(&figures));
    Ok(())
}

async fn latency(cluster: &Cluster, binary: &Path, protection: Protection, rate: u64) -> Result<(), Failure> {
    let mut run = cluster.brokers(binary, 1, protection, Receivers::One).await?;
    let warm = cluster.messages(protection, Receivers::One, 0, 1_000, false)?;
    run.offer(&warm, Pace::Closed(200), 0).await?;
    let messages = cluster.messages(protection, Receivers::One, 1_000, rate * SECONDS, false)?;
    let figures = run.offer(&messages, Pace::Open(rate), 0).await?;
    println!("{:32} at {rate}/s: {}; {}", protection.name(), waits(&figures), costs(&figures));
    Ok(())
}

/// The same load twice: everybody well, and one of all hanging.
async fn hanging(cluster: &Cluster, binary: &Path) -> Result<(), Failure> {
    let mut slowest = [Vec::new(), Vec::new()];
    for round in 0..TIMES {
        for (receivers, slowest) in
            [Receivers::Many(RECEIVERS), Receivers::ManyAndOneHangs(RECEIVERS)].into_iter().zip(&mut slowest)
        {
            let mut run = cluster.brokers(binary, 1, Protection::Plain, receivers).await?;
            let warm = cluster.messages(Protection::Plain, receivers, 0, 1_000, false)?;
            let hang = |count: u64| match receivers {
                Receivers::ManyAndOneHangs(of) => count / u64::from(of),
                Receivers::One | Receivers::Many(_) => 0,
            };
            run.offer(&warm, Pace::Closed(200), hang(1_000)).await?;
            let count = TO_ALL * SECONDS / u64::from(RECEIVERS) * u64::from(RECEIVERS);
            let messages = cluster.messages(Protection::Plain, receivers, 1_000, count, false)?;
            let figures = run.offer(&messages, Pace::Open(TO_ALL), hang(count)).await?;
            println!("  round {round}, {receivers:?}: {}", waits(&figures));
            slowest.push(figures.hand_over.1);
        }
    }
    let [well, hangs] = slowest.map(|mut all| {
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or_default()
    });
    println!(
        "healthy receivers, p99 to hand-over at {TO_ALL}/s to {RECEIVERS}, median of {TIMES}: {:.1} ms when all are well, {:.1} ms when one hangs",
        ms(well),
        ms(hangs)
    );
    Ok(())
}

/// Messages wait for a receiver that hangs; then how fast others still go, and the memory.
async fn backlog(
    cluster: &Cluster,
    binary: &Path,
    size: &str,
    count: u64,
    small: bool,
) -> Result<(), Failure> {
    let receivers = Receivers::ManyAndOneHangs(1);
    let mut run = cluster.brokers(binary, 1, Protection::Plain, receivers).await?;
    print!("backlog of {count} of {size}, most memory held at");
    let mut taken = Duration::ZERO;
    for tenth in 0..10 {
        let (from, to) = (count * tenth / 10, count * (tenth + 1) / 10);
        let messages = cluster.messages(Protection::Plain, receivers, from, to - from, small)?;
        let figures = run.offer(&messages, Pace::Closed(WINDOW), to - from).await?;
        taken += Duration::from_secs_f64(1.0 / figures.rate) * u32::try_from(to - from)?;
        if matches!(tenth, 0 | 4 | 9) {
            print!(" {to}: {} MB,", run.memory_mb());
        }
    }
    println!(" taken in and receipted at {:.0}/s", benchmarks::measure::per_second(count, taken));
    Ok(())
}

fn waits(figures: &Figures) -> String {
    let (receipt, hand_over) = (figures.receipt, figures.hand_over);
    format!(
        "to receipt p50 {:.1} ms, p99 {:.1} ms; to hand-over p50 {:.1} ms, p99 {:.1} ms",
        ms(receipt.0),
        ms(receipt.1),
        ms(hand_over.0),
        ms(hand_over.1)
    )
}

fn costs(figures: &Figures) -> String {
    let [broker, rabbit, postgres, own] = figures.cpu.map(ms);
    format!(
        "CPU a message {broker:.2} ms broker, {rabbit:.2} RabbitMQ, {postgres:.2} PostgreSQL, {own:.2} measuring; {} MB",
        figures.memory_mb
    )
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
