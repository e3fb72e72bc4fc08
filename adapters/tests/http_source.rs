//! Messages taken in over real sockets, and what is told about them.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "a test fails by panicking")]

mod support;
#[path = "support/http.rs"]
mod wire;

use adapters::budget::{Budget, Options as BudgetOptions};
use adapters::http::{Error, Hooks, Source, SourceOptions};
use adapters::intake::Intake;
use adapters::memory::MemoryStore;
use broker_core::ContentHash;
use broker_core::journal::{
    Book, CommitResult, Committed, Document, DocumentKind, Entry, Payload, Recipient, RecipientId,
    VerdictRecord,
};
use broker_core::lifecycle::State;
use broker_core::ports::{NotTaken, Offer, Store, Taken};
use dead_letter::Reason;
use message_schemas::Findings;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Mood, TestClock};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::{call, read};

const RECEIPT: &[u8] = b"<AppRec/>";

/// What a judge would make of a message: one recipient, one receipt.
fn entry(offer: &Offer) -> Entry {
    let arrival = offer.arrival.clone();
    let refused = String::from_utf8_lossy(&arrival.bytes).contains("refuse me");
    let recipient = |book, payload, state| Recipient {
        id: RecipientId(Uuid::from_bytes(rand(&arrival.id.0, book))),
        book,
        receiver: None,
        destination: Some("hospital".parse().unwrap()),
        payload,
        state,
        reason: None,
        receipt_deadline: None,
        expires: None,
        order_key: None,
        receipt_written: true,
        original_keys: Vec::new(),
        label: Default::default(),
    };
    let state = if refused { State::Rejected } else { State::Waiting };
    let id = Uuid::from_bytes(rand(&arrival.id.0, Book::Receipt));
    Entry {
        content_hash: arrival.content_hash(),
        payload_hash: arrival.content_hash(),
        judged_again: None,
        verdict: if refused {
            VerdictRecord::Refused { reason: Reason::SchemaInvalid }
        } else {
            VerdictRecord::Accepted
        },
        head: None,
        findings: Findings::with_cap(10),
        provenance: Arc::default(),
        recipients: vec![
            recipient(Book::Message, Payload::Original, state),
            recipient(Book::Receipt, Payload::Document(0), State::Waiting),
        ],
        documents: vec![Document { kind: DocumentKind::Receipt, id, bytes: RECEIPT.into() }],
        closings: Vec::new(),
        remarks: Vec::new(),
        duplicate_keys: Vec::new(),
        explanation: None,
        protection: None,
        evidence: Vec::new(),
        versions: Vec::new(),
        arrival,
    }
}

fn rand(id: &Uuid, book: Book) -> [u8; 16] {
    let mut bytes = *id.as_bytes();
    bytes[0] ^= if book == Book::Message { 0x55 } else { 0xaa };
    bytes
}

struct Running {
    to: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    stop: CancellationToken,
    run: JoinHandle<()>,
    budget: Budget,
    ready: Arc<Mutex<Result<(), String>>>,
}

async fn start_with(options: SourceOptions, budget: BudgetOptions) -> Running {
    let store = Arc::new(MemoryStore::new());
    let mood = Arc::new(Mutex::new(Mood::Take));
    let (offers, mut incoming) = mpsc::channel::<Offer>(16);
    tokio::spawn({
        let (store, mood) = (Arc::clone(&store), Arc::clone(&mood));
        async move {
            while let Some(offer) = incoming.recv().await {
                let now = *mood.lock().unwrap();
                match now {
                    Mood::Full => offer.handle.not_taken(NotTaken::Full),
                    Mood::Unavailable => offer.handle.not_taken(NotTaken::Unavailable),
                    Mood::DieAfterCommit => drop(offer.handle),
                    Mood::Take => {
                        let entry = entry(&offer);
                        let (verdict, findings) = (entry.verdict.clone(), entry.findings.clone());
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        let committed = match store.commit(vec![entry]).await.unwrap().remove(0) {
                            CommitResult::Committed(committed) => committed,
                            CommitResult::Repeated { message, same_content: true } => {
                                Committed::after_durable_commit(message)
                            }
                            CommitResult::Repeated { message, same_content: false } => {
                                offer.handle.not_taken(NotTaken::KeyReused { message });
                                continue;
                            }
                            CommitResult::Stale | CommitResult::Overtaken => panic!("no keys were given"),
                        };
                        offer.handle.ack(Taken { committed, verdict, findings });
                    }
                }
            }
        }
    });
    let budget = Budget::new(budget);
    let intake = Intake::new(offers, budget.clone(), Arc::new(TestClock));
    let ready = Arc::new(Mutex::new(Ok(())));
    let hooks = Hooks {
        ready: Arc::new({
            let ready = Arc::clone(&ready);
            move || ready.lock().unwrap().clone()
        }),
        metrics: Arc::new(|| "budstikke_messages_total 1\n".to_owned()),
    };
    let source = Source::bind("http", options, intake, store, hooks).await.unwrap();
    let to = source.local_addr().unwrap();
    let stop = CancellationToken::new();
    let run = tokio::spawn(source.run(stop.clone()));
    Running { to, mood, stop, run, budget, ready }
}

fn options() -> SourceOptions {
    SourceOptions { listen: "127.0.0.1:0".parse().unwrap(), ..SourceOptions::default() }
}

async fn start() -> Running {
    start_with(options(), BudgetOptions { message_bytes: 100_000, total_bytes: 1_000_000 }).await
}

#[tokio::test]
async fn a_message_is_accepted_and_its_state_told() {
    let running = start().await;
    let answer = call(running.to, "POST", "/v1/messages", &[], b"<a/>").await;
    assert_eq!(answer.status, 202);
    let body = answer.json();
    let location = answer.headers["location"].clone();
    assert_eq!(location, format!("/v1/messages/{}", body["id"].as_str().unwrap()));

    let state = call(running.to, "GET", &location, &[], b"").await;
    assert_eq!((state.status, &state.json()["verdict"]), (200, &serde_json::json!("accepted")));
    assert_eq!(state.json()["states"], serde_json::json!({ "waiting": 1 }));
    assert_eq!(state.json()["recipients"].as_array().unwrap().len(), 2);
    let short = format!("/v1/messages/{}", body["short"].as_str().unwrap());
    assert_eq!(call(running.to, "GET", &short, &[], b"").await.json()["id"], body["id"]);

    let receipt = call(running.to, "GET", &format!("{location}/receipt"), &[], b"").await;
    assert_eq!((receipt.status, &receipt.body[..]), (200, RECEIPT));
    let original = call(running.to, "GET", &format!("{location}/original"), &[], b"").await;
    assert_eq!((original.status, &original.body[..]), (200, &b"<a/>"[..]));
    let documents: Vec<_> = state.json()["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|r| r["document_link"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(documents.len(), 1);
    assert_eq!(call(running.to, "GET", &documents[0], &[], b"").await.body, RECEIPT);
    let other = format!("{location}/documents/{}", Uuid::nil());
    assert_eq!(call(running.to, "GET", &other, &[], b"").await.code(), "not_found");
}

#[tokio::test]
async fn a_refused_message_is_accepted_too_and_its_state_says_so() {
    let running = start().await;
    let answer = call(running.to, "POST", "/v1/messages", &[], b"<refuse me>").await;
    assert_eq!(answer.status, 202);
    let state = call(running.to, "GET", &answer.headers["location"], &[], b"").await.json();
    assert_eq!(
        (&state["verdict"], &state["reason"]),
        (&serde_json::json!("refused"), &serde_json::json!("P03"))
    );
}

#[tokio::test]
async fn a_key_stands_for_one_message() {
    let running = start().await;
    let key = [("Idempotency-Key", "k-1")];
    let first = call(running.to, "POST", "/v1/messages", &key, b"<a/>").await;
    let again = call(running.to, "POST", "/v1/messages", &key, b"<a/>").await;
    assert_eq!(
        (again.status, &again.body, &again.headers["location"]),
        (202, &first.body, &first.headers["location"])
    );
    let other = call(running.to, "POST", "/v1/messages", &key, b"<b/>").await;
    assert_eq!((other.status, other.code().as_str()), (409, "idempotency_key_reused"));
    let bad = call(running.to, "POST", "/v1/messages", &[("Idempotency-Key", "")], b"<a/>").await;
    assert_eq!((bad.status, bad.code().as_str()), (400, "invalid_idempotency_key"));
    let unkeyed = call(running.to, "POST", "/v1/messages", &[], b"<a/>").await;
    assert_ne!(unkeyed.json()["id"], first.json()["id"]);
}

#[tokio::test]
async fn what_is_not_taken_is_told_with_a_reason() {
    let running = start().await;
    for (mood, status, code) in [
        (Mood::Full, 507, "store_full"),
        (Mood::Unavailable, 503, "unavailable"),
        (Mood::DieAfterCommit, 503, "unavailable"),
    ] {
        *running.mood.lock().unwrap() = mood;
        let answer = call(running.to, "POST", "/v1/messages", &[], b"<a/>").await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert!(answer.headers.contains_key("retry-after"));
    }
    for (method, path, status, code) in [
        ("GET", "/v1/messages/nothing", 404, "not_found"),
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/nowhere", 404, "not_found"),
        ("GET", "/v1/messages", 405, "method_not_allowed"),
        ("DELETE", "/v1/messages/x", 405, "method_not_allowed"),
        ("POST", "/v1/messages", 400, "empty_body"),
    ] {
        let answer = call(running.to, method, path, &[], b"").await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{method} {path}");
    }
    assert_eq!(running.budget.in_flight(), 0);
}

#[tokio::test]
async fn a_huge_body_is_refused_whether_announced_or_not() {
    let running = start().await;
    let announced = call(running.to, "POST", "/v1/messages", &[], &vec![b'x'; 250_000]).await;
    assert_eq!((announced.status, announced.code().as_str()), (413, "message_too_large"));

    let mut stream = TcpStream::connect(running.to).await.unwrap();
    stream
        .write_all(b"POST /v1/messages HTTP/1.1\r\nhost: t\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..3 {
        stream.write_all(b"c350\r\n").await.unwrap(); // 50,000
        stream.write_all(&vec![b'x'; 50_000]).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let answer = read(&mut stream).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (413, "message_too_large"));
    assert_eq!(running.budget.in_flight(), 0);
}

#[tokio::test]
async fn a_full_budget_sends_clients_away_and_recovers() {
    let mut options = options();
    options.busy_wait = Duration::from_millis(50);
    let running = start_with(options, BudgetOptions { message_bytes: 1000, total_bytes: 1000 }).await;
    let held = running.budget.reserve(999).await.unwrap();
    let answer = call(running.to, "POST", "/v1/messages", &[], b"<aa/>").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "busy"));
    assert!(answer.headers.contains_key("retry-after"));
    drop(held);
    assert_eq!(call(running.to, "POST", "/v1/messages", &[], b"<aa/>").await.status, 202);
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let mut options = options();
    options.header_timeout = Duration::from_millis(200);
    options.body_idle_timeout = Duration::from_millis(200);
    options.max_connections = 2;
    let running = start_with(options, BudgetOptions::default()).await;
    let mut head = TcpStream::connect(running.to).await.unwrap();
    head.write_all(b"POST /v1/mess").await.unwrap();
    let mut body = TcpStream::connect(running.to).await.unwrap();
    body.write_all(
        b"POST /v1/messages HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhalf",
    )
    .await
    .unwrap();
    // Both places are taken; a good client waits until they are cut off.
    let good =
        tokio::time::timeout(Duration::from_secs(9), call(running.to, "POST", "/v1/messages", &[], b"<a/>"));
    assert_eq!(good.await.expect("served in time").status, 202);
    let answer = read(&mut body).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (408, "body_timeout"));
    assert_eq!(running.budget.in_flight(), 0, "what the slow client had sent is given back");
}

#[tokio::test]
async fn a_token_opens_the_door_and_may_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "first\n").unwrap();
    let mut options = options();
    options.token_file = Some(path.clone());
    let running = start_with(options, BudgetOptions::default()).await;
    for headers in [&[][..], &[("Authorization", "Bearer wrong")], &[("Authorization", "Basic first")]] {
        for (method, path) in [("POST", "/v1/messages"), ("GET", "/v1/messages/x"), ("GET", "/v1/nowhere")] {
            let answer = call(running.to, method, path, headers, b"<a/>").await;
            assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"));
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    let with = |token: &'static str| [("Authorization", token)];
    assert_eq!(call(running.to, "POST", "/v1/messages", &with("Bearer first"), b"<a/>").await.status, 202);
    std::fs::write(&path, "second\n").unwrap();
    let mut status = 0;
    for _ in 0..50 {
        status = call(running.to, "POST", "/v1/messages", &with("bearer second"), b"<a/>").await.status;
        if status == 202 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(status, 202);
    assert_eq!(call(running.to, "POST", "/v1/messages", &with("Bearer first"), b"<a/>").await.status, 401);
    assert_eq!(call(running.to, "GET", "/health/live", &[], b"").await.status, 200, "health needs no token");
}

#[tokio::test]
async fn others_are_let_in_only_with_a_token() {
    let mut options = options();
    options.listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(options.check(), Err(Error::OpenToOthers { .. })));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "t").unwrap();
    options.token_file = Some(dir.path().join("token"));
    assert!(options.check().is_ok());
    options.tls = Some(adapters::tls::ServerOptions {
        certificate_file: dir.path().join("token"),
        key_file: dir.path().join("token"),
    });
    assert!(matches!(options.check(), Err(Error::Tls(_))), "a file that holds no certificate");
}

#[tokio::test]
async fn health_and_metrics_are_told() {
    let running = start().await;
    assert_eq!(call(running.to, "GET", "/health/live", &[], b"").await.status, 200);
    assert_eq!(call(running.to, "GET", "/health/ready", &[], b"").await.status, 200);
    *running.ready.lock().unwrap() = Err("The journal is full.".into());
    let answer = call(running.to, "GET", "/health/ready", &[], b"").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "not_ready"));
    let metrics = call(running.to, "GET", "/metrics", &[], b"").await;
    assert_eq!(metrics.body, b"budstikke_messages_total 1\n");
}

#[tokio::test]
async fn stopping_finishes_what_is_in_hand() {
    let running = start().await;
    let in_hand = tokio::spawn(async move {
        let mut stream = TcpStream::connect(running.to).await.unwrap();
        stream
            .write_all(b"POST /v1/messages HTTP/1.1\r\nhost: t\r\ncontent-length: 4\r\n\r\n<a")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        stream.write_all(b"/>").await.unwrap();
        read(&mut stream).await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    running.stop.cancel();
    assert_eq!(in_hand.await.unwrap().status, 202);
    tokio::time::timeout(Duration::from_secs(5), running.run).await.expect("ends").unwrap();
    assert!(TcpStream::connect(running.to).await.is_err(), "nobody listens any more");
}

#[test]
fn settings_are_read_with_defaults_and_no_unknown_ones() {
    let read = |json: serde_json::Value| serde_json::from_value::<SourceOptions>(json);
    let options = read(serde_json::json!({ "body_timeout": "1m" })).unwrap();
    assert_eq!((options.body_timeout, options.max_connections), (Duration::from_secs(60), 512));
    assert!(read(serde_json::json!({ "port": 1 })).is_err());
    assert_eq!(ContentHash::of(b"").to_string().len(), 64);
}
