//! What every destination keeps to, the one in memory too: a delivery is there after "handed over", whole
//! and once, however often it is sent, and a faulty one is told apart from a lost one.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "a test fails by panicking")]

use adapters::amqp;
use adapters::amqp10;
use adapters::folder::{Destination as Folder, DestinationOptions as FolderOptions};
use adapters::http::{Destination as Http, DestinationOptions as HttpOptions};
use adapters::memory::{MemoryDestination, Scripted};
use adapters::queues::{Addressed, Addressing, internal};
use broker_core::journal::{Book, Delivery, DocumentKind, RecipientId};
use broker_core::ports::Destination;
use broker_core::transport::Label;
use dead_letter::Attempt;
use message_schemas::{HerId, MessageId};
use servers::Rabbit;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

fn delivery(n: u128, kind: Option<DocumentKind>, bytes: &[u8]) -> Delivery {
    Delivery {
        recipient: RecipientId(Uuid::from_u128(0xa000 + n)),
        message: MessageId(Uuid::from_u128(0xb000 + n)),
        book: if kind == Some(DocumentKind::Receipt) { Book::Receipt } else { Book::Message },
        receiver: Some(HerId(8093)),
        destination: "hospital".parse().unwrap(),
        kind,
        document: kind.map(|_| Uuid::from_u128(0xc000 + n)),
        bytes: bytes.into(),
        tries: 0,
        expires: None,
        maybe_arrived: false,
        receipt_written: false,
        test: true,
        family: Some("referral".into()),
        label: Label::default(),
    }
}

/// Sends through `destination` what every destination must cope with; `arrived` tells the bodies it then has.
async fn keeps_the_contract(destination: impl Destination, arrived: impl Fn() -> Vec<Vec<u8>>) {
    keeps_it(destination, arrived, Attempt::AlreadyThere).await;
}

/// A destination that does not know a repeat again (a queue) answers so; who reads it knows it by its id.
async fn keeps_it(destination: impl Destination, arrived: impl Fn() -> Vec<Vec<u8>>, to_a_repeat: Attempt) {
    let first = delivery(1, None, b"<one/>");
    assert_eq!(destination.send(&first).await, Attempt::HandedOver);
    assert_eq!(arrived(), [b"<one/>"], "it is there once it is said to be");

    let mut again = first.clone();
    (again.tries, again.maybe_arrived) = (3, true);
    assert_eq!(destination.send(&again).await, to_a_repeat, "known again by its ids");
    assert_eq!(arrived().len(), 1);

    let receipt = delivery(2, Some(DocumentKind::Receipt), b"<AppRec/>");
    let document = delivery(3, Some(DocumentKind::FhirJson), br#"{"resourceType":"Bundle"}"#);
    let empty = delivery(4, None, b"");
    let large = delivery(5, None, &vec![b'x'; 3_000_000]);
    for other in [&receipt, &document, &empty, &large] {
        assert_eq!(destination.send(other).await, Attempt::HandedOver);
    }
    let destination = Arc::new(destination);
    let many: Vec<_> = (10..74)
        .map(|n| {
            let destination = Arc::clone(&destination);
            tokio::spawn(async move { destination.send(&delivery(n, None, format!("{n}").as_bytes())).await })
        })
        .collect();
    for one in many {
        assert_eq!(one.await.unwrap(), Attempt::HandedOver);
    }
    let mut wanted: Vec<Vec<u8>> = (10..74).map(|n| format!("{n}").into_bytes()).collect();
    wanted.extend([first, receipt, document, empty, large].map(|d| d.bytes.to_vec()));
    let mut arrived = arrived();
    wanted.sort();
    arrived.sort();
    assert_eq!(arrived, wanted, "whole, and once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_in_memory_keeps_it() {
    let destination = MemoryDestination::new();
    let seen = destination.clone();
    keeps_the_contract(destination, move || seen.arrived().iter().map(|d| d.bytes.to_vec()).collect()).await;
}

#[tokio::test]
async fn the_one_in_memory_follows_its_script() {
    let destination = MemoryDestination::new();
    let retry = Attempt::Retry { why: "busy".into(), after: None };
    destination.then(Scripted::Says(retry.clone()));
    destination.then(Scripted::TakesAndIsCutOff);
    let one = delivery(1, None, b"<one/>");
    assert_eq!(destination.send(&one).await, retry);
    assert!(matches!(destination.send(&one).await, Attempt::Unsure { .. }));
    assert_eq!(destination.send(&one).await, Attempt::AlreadyThere);
    assert_eq!((destination.attempts(), destination.arrived().len()), (3, 1));
}

/// Name and content of every file that is not a meta file.
fn files(dir: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|p| !name(p).ends_with(".meta.json"))
        .map(|p| (name(&p), std::fs::read(&p).unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let destination = Folder::build(FolderOptions::new(dir.path().to_owned())).unwrap();
    keeps_the_contract(destination, || files(dir.path()).into_values().collect()).await;
    let names: Vec<_> = files(dir.path()).into_keys().collect();
    let message = |n: u128| Uuid::from_u128(0xb000 + n).to_string();
    for (n, ending) in [(1, ".xml"), (2, ".receipt.xml"), (3, ".fhir.json")] {
        assert!(
            names.iter().any(|name| name.starts_with(&message(n)) && name.ends_with(ending)),
            "{names:?}"
        );
    }
}

#[tokio::test]
async fn the_folder_tells_beside_each_file_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let destination = Folder::build(FolderOptions::new(dir.path().to_owned())).unwrap();
    let mut answered = delivery(1, None, b"<one/>");
    answered.receipt_written = true;
    destination.send(&answered).await;
    let name = files(dir.path()).into_keys().next().unwrap();
    let meta = std::fs::read(dir.path().join(name.replace(".xml", ".meta.json"))).unwrap();
    let meta: serde_json::Value = serde_json::from_slice(&meta).unwrap();
    assert_eq!(meta["file"], name);
    assert_eq!(meta["message"], answered.message.to_string());
    assert_eq!(
        (&meta["receipt"], &meta["kind"]),
        (&serde_json::json!("written"), &serde_json::json!("message"))
    );
    assert_eq!(
        (&meta["test"], &meta["receiver_her_id"]),
        (&serde_json::json!(true), &serde_json::json!(8093))
    );

    let quiet = tempfile::tempdir().unwrap();
    let options = FolderOptions { meta: false, ..FolderOptions::new(quiet.path().to_owned()) };
    Folder::build(options).unwrap().send(&answered).await;
    assert_eq!(std::fs::read_dir(quiet.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn the_folder_never_writes_over_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let destination = Folder::build(FolderOptions::new(dir.path().to_owned())).unwrap();
    let one = delivery(1, None, b"<one/>");
    destination.send(&one).await;
    let other = delivery(1, None, b"<two/>");
    assert!(matches!(destination.send(&other).await, Attempt::Refused { .. }));
    assert_eq!(files(dir.path()).into_values().collect::<Vec<_>>(), [b"<one/>"]);
}

#[tokio::test]
async fn a_folder_that_went_away_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let destination = Folder::build(FolderOptions::new(path.clone())).unwrap();
    std::fs::remove_dir(&path).unwrap();
    let one = delivery(1, None, b"<one/>");
    let Attempt::Retry { why, .. } = destination.send(&one).await else { panic!("must be tried again") };
    assert!(!why.contains("out"), "the reason tells no path: {why}");
    std::fs::create_dir(&path).unwrap();
    assert_eq!(destination.send(&one).await, Attempt::HandedOver);
}

/// What a server does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// As a good server does: 201, or 409 if it has it.
    Takes,
    /// Answers so, with these headers.
    Answers(u16, &'static str),
    /// Reads all, then cuts the connection.
    CutsOff,
    /// Cuts the connection with half the body unread.
    CutsOffHalfway,
    /// Reads all, then says nothing.
    IsSilent,
}

type Had = Arc<Mutex<BTreeMap<String, (BTreeMap<String, String>, Vec<u8>)>>>;

async fn server(does: Arc<Mutex<Does>>) -> (SocketAddr, Had) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, had) = (listener.local_addr().unwrap(), Had::default());
    tokio::spawn({
        let had = Arc::clone(&had);
        async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&does), Arc::clone(&had)));
            }
        }
    });
    (at, had)
}

async fn serve(stream: TcpStream, does: Arc<Mutex<Does>>, had: Had) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.trim().split_once(": ") {
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
        }
        let does = *does.lock().unwrap();
        let length: usize = headers["content-length"].parse().unwrap();
        let mut body = vec![0; if does == Does::CutsOffHalfway { length / 2 } else { length }];
        stream.read_exact(&mut body).await.unwrap();
        let answer = match does {
            Does::CutsOff | Does::CutsOffHalfway => return,
            Does::IsSilent => return tokio::time::sleep(Duration::from_secs(60)).await,
            Does::Answers(status, more) => format!("HTTP/1.1 {status} x\r\n{more}content-length: 0\r\n\r\n"),
            Does::Takes => {
                let key = headers["idempotency-key"].clone();
                let known = had.lock().unwrap().insert(key, (headers, body)).is_some();
                format!("HTTP/1.1 {} x\r\ncontent-length: 2\r\n\r\nok", if known { 409 } else { 201 })
            }
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn http(at: SocketAddr) -> Http {
    let mut options = HttpOptions::new(format!("http://{at}/in"));
    options.answer_timeout = Duration::from_millis(700);
    Http::build(options).unwrap()
}

/// A destination that is the queue `out` of a virtual host of its own.
async fn a_queue_keeps_it<D: Destination>(test: &str, build: impl FnOnce(&Rabbit, String) -> D) {
    use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
    use lapin::types::FieldTable;
    let Some(rabbit) = servers::rabbit(test) else { return };
    let vhost = rabbit.vhost(test).unwrap();
    let client = lapin::Connection::connect(&rabbit.url(&vhost), lapin::ConnectionProperties::default())
        .await
        .unwrap();
    let channel = client.create_channel().await.unwrap();
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("out".into(), options, FieldTable::default()).await.unwrap();
    let destination = build(rabbit, vhost.clone());
    // Before there is a connection, nothing is sent.
    let early = delivery(99, None, b"early");
    while matches!(destination.send(&early).await, Attempt::Retry { .. }) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // A reader knows a repeat by its message id.
    let read: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
    let consuming = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut consumer =
        channel.basic_consume("out".into(), "".into(), consuming, FieldTable::default()).await.unwrap();
    tokio::spawn({
        let read = Arc::clone(&read);
        async move {
            while let Some(Ok(delivery)) = futures_util::StreamExt::next(&mut consumer).await {
                let id = delivery.properties.message_id().as_ref().unwrap().to_string();
                if id != early.recipient.0.to_string() {
                    read.lock().unwrap().insert(id, delivery.data);
                }
            }
        }
    });
    let read_so_far = || {
        // Everything that was confirmed is in the queue; what was read of it is here when the queue is empty.
        let (mut seen, mut last) = (0, usize::MAX);
        while seen < 5 {
            std::thread::sleep(Duration::from_millis(20));
            let now = read.lock().unwrap().len();
            let empty = rabbit.messages(&vhost, "out").unwrap() == 0;
            seen = if empty && now == last { seen + 1 } else { 0 };
            last = now;
        }
        read.lock().unwrap().values().cloned().collect()
    };
    keeps_it(destination, read_so_far, Attempt::HandedOver).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_keeps_it() {
    let (at, had) = server(Arc::new(Mutex::new(Does::Takes))).await;
    let options = HttpOptions::new(format!("http://{at}/in"));
    let bodies = || had.lock().unwrap().values().map(|(_, body)| body.clone()).collect();
    keeps_the_contract(Http::build(options).unwrap(), bodies).await;
    let had = had.lock().unwrap();
    let (headers, _) = &had[&Uuid::from_u128(0xa002).to_string()];
    for (name, value) in [
        ("content-type", "application/xml"),
        ("budstikke-message", "00000000-0000-0000-0000-00000000b002"),
        ("budstikke-document", "00000000-0000-0000-0000-00000000c002"),
        ("budstikke-receipt", "none"),
        ("budstikke-test", "true"),
        ("budstikke-receiver", "8093"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(had[&Uuid::from_u128(0xa001).to_string()].0["budstikke-receipt"], "expected");
    assert_eq!(had[&Uuid::from_u128(0xa003).to_string()].0["content-type"], "application/fhir+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_tells_not_there_from_perhaps_there() {
    let does = Arc::new(Mutex::new(Does::Takes));
    let (at, had) = server(Arc::clone(&does)).await;
    let destination = http(at);
    let one = delivery(1, None, &vec![b'x'; 5_000_000]);
    for what in [Does::CutsOff, Does::CutsOffHalfway, Does::IsSilent] {
        *does.lock().unwrap() = what;
        let attempt = destination.send(&one).await;
        assert!(matches!(attempt, Attempt::Unsure { .. }), "{what:?}: {attempt:?}");
    }
    for (status, headers, wanted) in [
        (
            503,
            "retry-after: 7\r\n",
            Attempt::Retry { why: "answered 503".into(), after: Some(Duration::from_secs(7)) },
        ),
        (429, "", Attempt::Retry { why: "answered 429".into(), after: None }),
        (422, "", Attempt::Refused { why: "answered 422".into() }),
        (
            302,
            "location: http://example.org/\r\n",
            Attempt::Refused { why: "answered 302: redirects are not followed".into() },
        ),
    ] {
        *does.lock().unwrap() = Does::Answers(status, headers);
        assert_eq!(destination.send(&one).await, wanted);
    }
    assert!(had.lock().unwrap().is_empty());
    *does.lock().unwrap() = Does::Takes;
    assert_eq!(destination.send(&one).await, Attempt::HandedOver);
}

#[tokio::test]
async fn http_tries_again_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let attempt = http(at).send(&delivery(1, None, b"<one/>")).await;
    assert_eq!(attempt, Attempt::Retry { why: "no connection".into(), after: None });
}

#[tokio::test]
async fn http_carries_the_token_of_the_day() {
    let (at, had) = server(Arc::new(Mutex::new(Does::Takes))).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "first\n").unwrap();
    let mut options = HttpOptions::new(format!("http://{at}/in"));
    options.token_file = Some(path.clone());
    let destination = Http::build(options).unwrap();
    destination.send(&delivery(1, None, b"<one/>")).await;
    std::fs::write(dir.path().join("new"), "second\n").unwrap();
    std::fs::rename(dir.path().join("new"), &path).unwrap();
    destination.send(&delivery(2, None, b"<two/>")).await;
    let had = had.lock().unwrap();
    let tokens: Vec<_> = had.values().map(|(headers, _)| headers["authorization"].as_str()).collect();
    assert_eq!(tokens, ["Bearer first", "Bearer second"]);
    assert!(!format!("{destination:?}").contains("second"));
}

fn to_the_queue() -> Arc<Addressing> {
    let to = |delivery: &Delivery| Ok(Addressed { queue: "out".to_owned(), envelope: internal(delivery) });
    Arc::new(to)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_over_amqp_0_9_1_keeps_it() {
    a_queue_keeps_it("contract091", |rabbit, vhost| {
        let server = amqp::Server {
            port: Some(rabbit.port()),
            vhost: Some(vhost),
            user: Some(servers::rabbit::USER.to_owned()),
            password_file: Some(rabbit.password_file()),
            ..amqp::Server::new("127.0.0.1")
        };
        let link = amqp::Link::new("bus", server, amqp::Direction::Out, Arc::new(amqp::Nobody));
        let options = amqp::DestinationOptions {
            exchange: None,
            timeout: Duration::from_secs(60),
            window: 64,
            message_bytes: 16_000_000,
            many: false,
        };
        amqp::Destination::build(link, options, to_the_queue()).unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_over_amqp_1_0_keeps_it() {
    a_queue_keeps_it("contract10", |rabbit, vhost| {
        let server = amqp10::Server {
            port: Some(rabbit.port()),
            vhost: Some(vhost),
            user: Some(servers::rabbit::USER.to_owned()),
            password_file: Some(rabbit.password_file()),
            ..amqp10::Server::new("127.0.0.1")
        };
        let connection = amqp10::Connection::new("bus", server, Arc::new(amqp::Nobody)).unwrap();
        let options = amqp10::DestinationOptions {
            timeout: Duration::from_secs(60),
            message_bytes: 16_000_000,
            many: false,
        };
        amqp10::Destination::new(connection, options, to_the_queue())
    })
    .await;
}
