//! How fast the journal on disk is: commits of 20 KB messages, settlements, and claims before a backlog.
//!
//! `cargo run --release -p benchmarks --bin journal [FOLDER]` measures on the disk of FOLDER (the current
//! one). Beside it stands what the same disk does with a plain file: append and `fdatasync`.

use adapters::clock::SystemClock;
use adapters::sqlite::{Mode, SqliteStore};
use broker_core::journal::{
    Book, CommitResult, Document, DocumentKind, DuplicateKey, Entry, OriginalKey, Payload, Provenance,
    Recipient, RecipientId, Settlement, VerdictRecord,
};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::{Clock as _, Store as _, StoreError};
use broker_core::transport::Label;
use broker_core::{Arrival, ContentHash};
use jiff::Timestamp;
use message_schemas::{Findings, HerId, MessageId};
use routing_rules::DestinationId;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const BODY_BYTES: usize = 20 << 10;
/// Each figure is taken over so long.
const ENOUGH: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let folder = tempfile::tempdir_in(folder)?;
    println!("bodies of {BODY_BYTES} bytes, each with one recipient and one receipt");
    for batch in [1, 50, 200] {
        println!("plain append + fdatasync, batch {batch:>3}: {:>8.0}/s", plain_file(folder.path(), batch)?);
    }
    for (name, kind) in [("noise (stored plain)", Body::Noise), ("XML (compressed)", Body::Xml)] {
        for batch in [1, 50, 200] {
            let journal = folder.path().join(format!("{kind:?}-{batch}.db"));
            commits(&journal, name, kind, batch).await?;
        }
    }
    let journal = folder.path().join("callers.db");
    callers(&journal).await?;
    for backlog in [100_000, 1_000_000] {
        let journal = folder.path().join(format!("backlog-{backlog}.db"));
        claims(&journal, backlog).await?;
    }
    Ok(())
}

fn plain_file(folder: &Path, batch: usize) -> std::io::Result<f64> {
    let clock = SystemClock::new();
    let mut file = std::fs::File::create(folder.join("plain"))?;
    let bytes = noise(BODY_BYTES * batch, 1);
    let mut written = 0;
    while clock.monotonic() < ENOUGH / 2 {
        file.write_all(&bytes)?;
        file.sync_data()?;
        written += batch;
    }
    Ok(rate(written, clock.monotonic()))
}

/// One caller, who commits, claims and settles in batches of a size.
async fn commits(path: &Path, name: &str, kind: Body, batch: usize) -> Result<(), StoreError> {
    let store = SqliteStore::open(path, Mode::Run).await?;
    let mut made = 0u64;
    let (mut committing, mut working) = (Duration::ZERO, Duration::ZERO);
    let mut taken = 0;
    while committing < ENOUGH {
        let entries: Vec<Entry> = (0..batch).map(|_| entry(&mut made, kind, "folder:a")).collect();
        let (clock, used) = (SystemClock::new(), processor_time());
        let results = store.commit(entries).await?;
        committing += clock.monotonic();
        working += processor_time().saturating_sub(used);
        taken += results.iter().filter(|r| matches!(r, CommitResult::Committed(_))).count();
    }
    let (mut claiming, mut settling) = (Duration::ZERO, Duration::ZERO);
    let (mut claimed, mut settled) = (0, 0);
    while settling < ENOUGH / 2 {
        let clock = SystemClock::new();
        let deliveries = store.claim(&destination("folder:a"), later(), batch).await?;
        claiming += clock.monotonic();
        if deliveries.is_empty() {
            break;
        }
        claimed += deliveries.len();
        let settlements: Vec<Settlement> = deliveries.iter().map(|d| handed_over(d.recipient)).collect();
        let clock = SystemClock::new();
        settled += store.settle(&settlements, later()).await?;
        settling += clock.monotonic();
    }
    println!(
        "{name}, batch {batch:>3}: commits {:>7.0}/s ({:.0} µs of processor time each), claims {:>7.0}/s, settlements {:>7.0}/s",
        rate(taken, committing),
        1e6 / rate(taken, working),
        rate(claimed, claiming),
        rate(settled, settling)
    );
    store.close().await;
    Ok(())
}

/// Many callers with one message each: what group commit makes of it.
async fn callers(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let store = SqliteStore::open(path, Mode::Run).await?;
    for callers in [1, 8, 64, 256] {
        let clock = SystemClock::new();
        let tasks: Vec<_> = (0..callers)
            .map(|caller| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut made = (1 << 40) * (callers * 1000 + caller);
                    let mut taken = 0;
                    let mut waits = Vec::new();
                    while clock.monotonic() < ENOUGH {
                        let began = clock.monotonic();
                        store.commit(vec![entry(&mut made, Body::Xml, "folder:a")]).await?;
                        waits.push(clock.monotonic() - began);
                        taken += 1;
                    }
                    Ok::<_, StoreError>((taken, waits))
                })
            })
            .collect();
        let (mut taken, mut waits) = (0, Vec::new());
        for task in tasks {
            let (more, some) = task.await??;
            taken += more;
            waits.extend(some);
        }
        let elapsed = clock.monotonic();
        waits.sort_unstable();
        let at = |hundredths: usize| waits.get(waits.len() * hundredths / 100).copied().unwrap_or_default();
        println!(
            "{callers:>3} callers, XML, one message each: {:>7.0}/s, p50 {:.1} ms, p99 {:.1} ms",
            rate(taken, elapsed),
            at(50).as_secs_f64() * 1e3,
            at(99).as_secs_f64() * 1e3
        );
    }
    store.close().await;
    Ok(())
}

/// What a claim costs before a long backlog: all due, and all behind one order key.
async fn claims(path: &Path, backlog: usize) -> Result<(), StoreError> {
    let store = SqliteStore::open(path, Mode::Run).await?;
    let mut made = 0u64;
    let clock = SystemClock::new();
    for _ in 0..backlog / 500 {
        let entries = (0..500).map(|n| {
            let mut entry = entry(&mut made, Body::Small, "folder:a");
            entry.recipients.truncate(1);
            if n % 2 == 0 {
                for recipient in &mut entry.recipients {
                    recipient.destination = Some(destination("folder:queue"));
                    recipient.order_key = Some("one".into());
                }
            }
            entry
        });
        store.commit(entries.collect()).await?;
    }
    let filling = clock.monotonic();
    for name in ["folder:a", "folder:queue"] {
        let (mut spent, mut claimed, mut rounds) = (Duration::ZERO, 0, 0u32);
        while rounds < 50 {
            let clock = SystemClock::new();
            let deliveries = store.claim(&destination(name), later(), 100).await?;
            spent += clock.monotonic();
            let settlements: Vec<Settlement> = deliveries.iter().map(|d| handed_over(d.recipient)).collect();
            store.settle(&settlements, later()).await?;
            claimed += deliveries.len();
            rounds += 1;
        }
        println!(
            "backlog {backlog}, {name}: {claimed} claimed, {:.2} ms a claim",
            spent.as_secs_f64() * 1e3 / f64::from(rounds)
        );
    }
    let clock = SystemClock::new();
    let reading = tokio::spawn({
        let store = store.clone();
        async move { store.ledger().await }
    });
    // Intake goes on while the books are read.
    let mut longest = Duration::ZERO;
    while !reading.is_finished() {
        let began = clock.monotonic();
        store.commit(vec![entry(&mut made, Body::Small, "folder:a")]).await?;
        longest = longest.max(clock.monotonic() - began);
    }
    let ledger = reading.await.map_err(|e| StoreError::Unavailable(e.to_string()))??;
    let books = clock.monotonic();
    let waiting = store.backlog().await?.iter().map(|b| b.open).sum::<u64>();
    let count = clock.monotonic() - books;
    println!(
        "backlog {backlog}: filled at {:.0}/s; ledger of {} in {:.2} s (balances: {}, longest commit meanwhile {:.0} ms); backlog of {waiting} counted in {:.2} s; memory {} MB",
        rate(backlog, filling),
        ledger.messages.accepted,
        books.as_secs_f64(),
        ledger.balances(),
        longest.as_secs_f64() * 1e3,
        count.as_secs_f64(),
        peak_memory_mb()
    );
    store.close().await;
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Body {
    Noise,
    Xml,
    Small,
}

fn entry(made: &mut u64, kind: Body, to: &str) -> Entry {
    *made += 1;
    let bytes = match kind {
        Body::Noise => noise(BODY_BYTES, *made),
        Body::Xml => xml(BODY_BYTES, *made),
        Body::Small => xml(1 << 10, *made),
    };
    let id = id(*made, 1);
    let arrival = Arrival {
        id: MessageId(id),
        source: "bench".into(),
        received: later(),
        bytes: bytes.into(),
        idempotency_key: Some(id.to_string()),
        envelope_receiver: None,
        envelope_sender: None,
        transport: None,
    };
    let recipient = |n: u64, book, payload| Recipient {
        id: RecipientId(self::id(*made, n)),
        book,
        receiver: Some(HerId(8093)),
        destination: Some(destination(if book == Book::Message { to } else { "folder:receipts" })),
        payload,
        state: State::Waiting,
        reason: None,
        receipt_deadline: None,
        expires: None,
        order_key: None,
        receipt_written: false,
        original_keys: vec![OriginalKey { id: scattered(*made).to_string(), receiver: "8093".into() }],
        label: Label { subject: Some("SVAR_LAB".into()), from: Some(HerId(1)), ..Label::default() },
    };
    Entry {
        content_hash: ContentHash::of(&arrival.bytes),
        payload_hash: ContentHash::of(&arrival.bytes),
        judged_again: None,
        arrival,
        verdict: VerdictRecord::Accepted,
        head: None,
        findings: Findings::with_cap(10),
        provenance: Arc::new(Provenance::default()),
        recipients: vec![
            recipient(2, Book::Message, Payload::Original),
            recipient(3, Book::Receipt, Payload::Document(0)),
        ],
        documents: vec![Document {
            kind: DocumentKind::Receipt,
            id: self::id(*made, 4),
            bytes: xml(2 << 10, *made).into(),
        }],
        closings: Vec::new(),
        remarks: Vec::new(),
        duplicate_keys: vec![DuplicateKey {
            sender: "HER:1".into(),
            msg_id: scattered(*made).to_string(),
            receiver: "8093".into(),
        }],
        explanation: None,
        protection: None,
        evidence: Vec::new(),
        versions: Vec::new(),
    }
}

/// Our own ids rise with time.
fn id(made: u64, n: u64) -> Uuid {
    Uuid::from_u128((u128::from(made) << 64) | u128::from(splitmix(made.wrapping_mul(7).wrapping_add(n))))
}

/// Senders' ids do not.
fn scattered(made: u64) -> Uuid {
    Uuid::from_u64_pair(splitmix(made), splitmix(!made))
}

fn splitmix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let words = (0..).map(|n| splitmix(seed.wrapping_mul(1 << 20).wrapping_add(n)));
    words.flat_map(u64::to_le_bytes).take(bytes).collect()
}

/// Elements with values that differ, as results do.
fn xml(bytes: usize, seed: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 200);
    let mut n = seed;
    while out.len() < bytes {
        n = splitmix(n);
        let line = format!(
            "<ResultItem><Id>{n:016x}</Id><ClinInv><Id V=\"NPU{}\" S=\"7280\" DN=\"B-Hemoglobin\"/></ClinInv>\
             <Interval><Low V=\"{}\" U=\"mmol/L\"/></Interval></ResultItem>\n",
            n % 99_999,
            n % 977
        );
        out.extend_from_slice(line.as_bytes());
    }
    out.truncate(bytes);
    out
}

fn handed_over(recipient: RecipientId) -> Settlement {
    Settlement {
        recipient,
        from: State::Sending,
        event: Event::HandOver,
        reason: None,
        next_attempt: None,
        detail: None,
    }
}

fn destination(name: &str) -> DestinationId {
    name.parse().expect("a destination's name")
}

fn later() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("in range")
}

fn rate(count: usize, elapsed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count for people to read")]
    let count = count as f64;
    count / elapsed.as_secs_f64()
}

/// The most memory that the process has held.
/// What the threads of this process have used, to the hundredth of a second: tells the cost of a commit also
/// on a machine that does other things.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15, counted from behind the name, which may hold blanks.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let hundredths: u64 = fields.skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
    Duration::from_millis(hundredths * 10)
}

fn peak_memory_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes: Option<u64> = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.unwrap_or(0) / 1024
}
