//! AMQP 1.0 against a real RabbitMQ with its plugin, and a foreign client at the other end.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "a test fails by panicking")]

mod support;

#[path = "support/pki.rs"]
mod pki;

use adapters::amqp::Nobody;
use adapters::amqp10::{
    Connection, Destination, DestinationOptions, Dialect, Error, Server, Source, SourceOptions, Tap, check,
};
use adapters::budget::Options as BudgetOptions;
use adapters::queues::Addressed;
use adapters::tls::ClientOptions;
use amqp_profile::Envelope;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker_core::journal::{Book, Delivery, RecipientId};
use broker_core::ports::Destination as _;
use broker_core::transport::Label;
use dead_letter::Attempt;
use message_schemas::{HerId, MessageId};
use serde_json::{Value, json};
use servers::proxy::{Mode, Proxy};
use servers::rabbit::USER;
use servers::{Proton, Rabbit, rabbit};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use support::{Journal, Mood, until};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A virtual host of one's own on a node.
#[derive(Clone)]
struct Place<'a> {
    rabbit: &'a Rabbit,
    vhost: String,
    port: u16,
}

impl<'a> Place<'a> {
    fn on(rabbit: &'a Rabbit) -> Self {
        let _turn = turn();
        let vhost = rabbit.vhost("amqp10").unwrap();
        // The name of an exchange is case-sensitive, and so are the partners' own.
        rabbit.eval(&format!(
            r#"rabbit_exchange:declare(rabbit_misc:r(<<"{vhost}">>, exchange, <<"NHNTestBus">>), direct, true, false, false, [], <<"test">>), ok."#
        )).unwrap();
        Self { rabbit, vhost, port: rabbit.port() }
    }

    /// A durable queue, bound to the exchange by its name; dead letters go to `dl`.
    fn queue(&self, name: &str, kind: &str) -> String {
        let vhost = &self.vhost;
        let _turn = turn();
        self.rabbit
            .eval(&format!(
                r#"R = fun(K, N) -> rabbit_misc:r(<<"{vhost}">>, K, N) end,
                D = fun(N, A) -> rabbit_amqqueue:declare(R(queue, N), true, false, A, none, <<"test">>) end,
                D(<<"dl">>, []),
                D(<<"{name}">>, [{{<<"x-queue-type">>, longstr, <<"{kind}">>}},
                    {{<<"x-dead-letter-exchange">>, longstr, <<>>}},
                    {{<<"x-dead-letter-routing-key">>, longstr, <<"dl">>}}]),
                ok = rabbit_binding:add({{binding, R(exchange, <<"NHNTestBus">>), <<"{name}">>, R(queue, <<"{name}">>), []}}, <<"test">>)."#
            ))
            .unwrap();
        name.to_owned()
    }

    fn server(&self) -> Server {
        Server {
            port: Some(self.port),
            vhost: Some(self.vhost.clone()),
            user: Some(USER.to_owned()),
            password_file: Some(self.rabbit.password_file()),
            ..Server::new("127.0.0.1")
        }
    }

    fn left(&self, queue: &str) -> u64 {
        let _turn = turn();
        self.rabbit.messages(&self.vhost, queue).unwrap()
    }

    async fn wait_for_left(&self, queue: &str, wanted: u64) {
        for _ in 0..300 {
            if self.left(queue) == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{queue} holds {} and not {wanted}", self.left(queue));
    }

    /// Reads a queue into a journal until stopped.
    fn read(&self, queue: &str, prefetch: u32, journal: &Journal) -> (CancellationToken, JoinHandle<()>) {
        let budget = BudgetOptions { message_bytes: 100_000, total_bytes: 250_000 };
        let options = SourceOptions { prefetch, largest: 1_000_000, ..SourceOptions::new(queue) };
        let arriving = |intake: &adapters::intake::Intake, envelope: Envelope| {
            let mut arrival = intake.arrival("amqp:test", Arc::clone(&envelope.body), None);
            // The envelope is seen by the test through the key.
            arrival.idempotency_key = Some(format!(
                "{} {} {}",
                envelope.message_id.clone().unwrap_or_else(|| arrival.id.to_string()),
                envelope.subject.as_deref().unwrap_or("-"),
                envelope.properties.get("fromherid").unwrap_or("-"),
            ));
            arrival
        };
        let intake = journal.intake(budget);
        let source =
            Source::build("amqp:test", self.server(), options, intake, Arc::new(arriving), Arc::new(Nobody))
                .unwrap();
        let stop = CancellationToken::new();
        (stop.clone(), tokio::spawn(source.run(stop)))
    }

    fn destination(&self, server: Server) -> Destination {
        self.destination_of(server, false)
    }

    /// `many`: it leads to the queues of many receivers.
    fn destination_of(&self, server: Server, many: bool) -> Destination {
        let connection = Connection::new("bus", server, Arc::new(Nobody)).unwrap();
        let options = DestinationOptions { timeout: Duration::from_secs(10), message_bytes: 1_000_000, many };
        Destination::new(connection, options, Arc::new(addressed))
    }
}

/// Only one asks a node for something at a time: the tool for it does not stand two.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn addressed(delivery: &Delivery) -> Result<Addressed, Attempt> {
    let envelope = Envelope {
        message_id: Some(delivery.recipient.0.to_string()),
        correlation_id: Some(delivery.recipient.0.to_string()),
        to: Some("8093_async".into()),
        reply_to: Some("42_async".into()),
        subject: Some("HENVISNING".into()),
        content_type: Some("application/pkcs7-mime; smime-type=signed-and-enveloped-data".into()),
        properties: [("fromHerId", "42"), ("toHerId", "8093")].into_iter().collect(),
        ttl: Some(Duration::from_secs(3600)),
        body: Arc::clone(&delivery.bytes),
        ..Envelope::default()
    };
    Ok(Addressed { queue: delivery.family.clone().unwrap(), envelope })
}

/// The queue it goes to stands in the family.
fn delivery(n: u128, queue: &str, bytes: &[u8]) -> Delivery {
    Delivery {
        recipient: RecipientId(Uuid::from_u128(0xa000 + n)),
        message: MessageId(Uuid::from_u128(0xb000 + n)),
        book: Book::Message,
        receiver: Some(HerId(8093)),
        destination: "hospital".parse().unwrap(),
        kind: None,
        document: None,
        bytes: bytes.into(),
        tries: 0,
        expires: None,
        maybe_arrived: false,
        receipt_written: false,
        test: true,
        family: Some(queue.to_owned()),
        label: Label::default(),
    }
}

fn message(id: &str, body: &[u8]) -> Value {
    json!({ "id": id, "to": "8093_async", "subject": "HENVISNING", "reply_to": "42_async", "correlation_id": id,
        "content_type": "text/plain", "properties": { "fromHerId": "42", "toHerId": "8093" },
        "body": STANDARD.encode(body) })
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_every_kind_are_taken_and_leave_the_queue_only_then() {
    let (Some(rabbit), Some(proton)) = (rabbit("amqp10"), Proton::find("amqp10")) else { return };
    let place = Place::on(rabbit);
    let queue = place.queue("in_async", "quorum");
    const UUID: &str = "0b1c0f8e-9d1c-4c57-8d5e-0d0c8a6f2f11";
    let mut as_uuid = message(UUID, b"by uuid");
    as_uuid["id_type"] = json!("uuid");
    let mut numbered = message("7", b"by number");
    numbered["id_type"] = json!("ulong");
    let messages = [
        message("plain", b"<MsgHead/>"),
        as_uuid,
        numbered,
        json!({ "body": "" }),
        json!({ "id": "text", "text": "as a value" }),
        message("large", &vec![b'x'; 90_000]),
    ];
    let outcomes = spawn_blocking({
        let (proton, vhost) = (proton.clone(), place.vhost.clone());
        move || proton.send(rabbit, &vhost, "/exchange/NHNTestBus/in_async", &messages)
    });
    let outcomes = outcomes.await.unwrap().unwrap();
    assert_eq!(outcomes, vec!["ACCEPTED"; 6]);

    let journal = Journal::new();
    journal.set(Mood::Full);
    let (stop, running) = place.read(&queue, 4, &journal);
    until("they are offered", || *journal.offered.lock().unwrap() >= 4).await;
    place.wait_for_left(&queue, 6).await; // the queue keeps what the journal did not take
    journal.set(Mood::Take);
    until("all are taken", || journal.taken.lock().unwrap().len() >= 6).await;
    place.wait_for_left(&queue, 0).await;
    stop.cancel();
    running.await.unwrap();

    let taken = journal.taken.lock().unwrap();
    let mut seen: Vec<_> =
        taken.iter().map(|a| (a.idempotency_key.clone().unwrap(), a.bytes.len())).collect();
    seen.retain(|(_, size)| *size > 0);
    seen.sort();
    assert_eq!(
        seen,
        [
            (format!("{UUID} HENVISNING 42"), 7),
            ("7 HENVISNING 42".to_owned(), 9),
            ("large HENVISNING 42".to_owned(), 90_000),
            ("plain HENVISNING 42".to_owned(), 10),
            ("text - -".to_owned(), 10),
        ]
    );
    assert_eq!(taken.len(), 6, "each once, and the empty one too");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_library_should_read_stops_no_queue() {
    let (Some(rabbit), Some(proton)) = (rabbit("amqp10"), Proton::find("amqp10")) else { return };
    let place = Place::on(rabbit);
    let queue = place.queue("in_async", "classic");
    let messages = [
        json!({ "id": "deep", "nested": 5000 }),
        message("oversized", &vec![b'x'; 2_000_000]),
        message("large", &vec![b'y'; 200_000]),
        message("good", b"<MsgHead/>"),
    ];
    let vhost = place.vhost.clone();
    spawn_blocking(move || proton.send(rabbit, &vhost, "/amq/queue/in_async", &messages))
        .await
        .unwrap()
        .unwrap();
    let journal = Journal::new();
    let (stop, running) = place.read(&queue, 10, &journal);
    until("the good one is taken", || journal.bodies().iter().any(|b| b == "<MsgHead/>")).await;
    place.wait_for_left(&queue, 0).await;
    place.wait_for_left("dl", 1).await;
    stop.cancel();
    running.await.unwrap();
    let taken = journal.taken.lock().unwrap();
    assert_eq!(taken.len(), 3);
    assert!(taken.iter().any(|a| a.bytes.len() == 200_000), "it is judged too large, and kept");
    assert!(taken.iter().any(|a| a.bytes.starts_with(&[0x00, 0x53, 0x77])), "kept as it came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_client_reads_what_we_send() {
    let (Some(rabbit), Some(proton)) = (rabbit("amqp10"), Proton::find("amqp10")) else { return };
    let place = Place::on(rabbit);
    let queue = place.queue("out_async", "quorum");
    for namespace in [None, Some("NHNTestBus".to_owned())] {
        let destination = place.destination(Server { namespace, ..place.server() });
        assert_eq!(destination.send(&delivery(1, &queue, b"<one/>")).await, Attempt::HandedOver);
        assert_eq!(destination.send(&delivery(2, &queue, b"")).await, Attempt::HandedOver);
    }
    let vhost = place.vhost.clone();
    let patience = Duration::from_secs(20);
    let reading = move || proton.receive(rabbit, &vhost, "/amq/queue/out_async", 4, patience);
    let read = spawn_blocking(reading).await.unwrap().unwrap();
    assert_eq!(read.len(), 4);
    assert_eq!(read[0], read[2], "the same whichever way it went");
    let id = Uuid::from_u128(0xa001).to_string();
    let first = &read[0];
    assert_eq!((&first["id"], &first["id_type"]), (&json!(id), &json!("str")));
    assert_eq!(first["correlation_id"], json!(id));
    assert_eq!((&first["to"], &first["subject"]), (&json!("8093_async"), &json!("HENVISNING")));
    assert_eq!(first["reply_to"], json!("42_async"));
    assert_eq!(first["content_type"], json!("application/pkcs7-mime; smime-type=signed-and-enveloped-data"));
    assert_eq!(first["properties"], json!({ "fromHerId": "42", "toHerId": "8093" }));
    assert_eq!((&first["durable"], &first["body"]), (&json!(true), &json!(STANDARD.encode("<one/>"))));
    assert_eq!(read[1]["body"], json!(""), "an empty data section, not none");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_queue_is_never_handed_over() {
    let Some(rabbit) = rabbit("amqp10") else { return };
    let place = Place::on(rabbit);
    let queue = place.queue("out_async", "classic");
    let bus = |name: &str| Server { namespace: Some(name.to_owned()), ..place.server() };
    for server in [place.server(), bus("NHNTestBus"), bus("NHNTESTBus")] {
        let destination = place.destination(server);
        let nowhere = destination.send(&delivery(1, "nowhere_async", b"<one/>")).await;
        assert!(matches!(nowhere, Attempt::Retry { .. }), "{nowhere:?}");
    }
    // Of many receivers one is away where its queue is, and all are where the exchange is.
    let one = place.destination_of(place.server(), true).send(&delivery(1, "nowhere_async", b"x")).await;
    assert!(matches!(one, Attempt::ReceiverAway { .. }), "{one:?}");
    let all = place.destination_of(bus("NHNTESTBus"), true).send(&delivery(1, &queue, b"x")).await;
    assert!(
        matches!(&all, Attempt::Retry { why, .. } if why.starts_with("NOT_FOUND - no exchange")),
        "{all:?}"
    );
    // A fault with one queue leaves the others alone.
    let destination = place.destination(bus("NHNTestBus"));
    assert!(matches!(destination.send(&delivery(1, "nowhere_async", b"x")).await, Attempt::Retry { .. }));
    assert_eq!(destination.send(&delivery(2, &queue, b"x")).await, Attempt::HandedOver);
    assert_eq!(place.left(&queue), 1);
    // No queue was declared on the way.
    assert!({
        let _turn = turn();
        rabbit.messages(&place.vhost, "nowhere_async").is_err()
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_words_are_told_apart() {
    let Some(rabbit) = rabbit("amqp10") else { return };
    let place = Place::on(rabbit);
    let dir = tempfile::tempdir().unwrap();
    let wrong = dir.path().join("password");
    std::fs::write(&wrong, "not it\n").unwrap();
    let why = async |server: Server| check(&server, &["q".to_owned()], &[]).await.unwrap_err().remove(0);
    let refused = why(Server { password_file: Some(wrong), ..place.server() }).await;
    assert!(matches!(refused, Error::Refused), "{refused:?}");
    let nowhere = why(Server { vhost: Some("nowhere".into()), ..place.server() }).await;
    assert!(matches!(nowhere, Error::NotOpened(_)), "{nowhere:?}");
    let none = why(Server { port: Some(1), ..place.server() }).await;
    assert!(matches!(none, Error::Unreachable(_)) && none.is_away(), "{none:?}");
    let missing = why(place.server()).await;
    assert!(matches!(missing, Error::NotAttached(_)), "{missing:?}");
    let queue = place.queue("q", "classic");
    let other = why(Server { dialect: Dialect::RabbitmqV2, ..place.server() }).await;
    assert!(matches!(other, Error::NotAttached(_)), "{other:?}");
    let bus = |name: &str| Server { namespace: Some(name.to_owned()), ..place.server() };
    let exchange = why(bus("NHNTESTBus")).await;
    assert!(matches!(exchange, Error::NotAttached(_)), "{exchange:?}");
    let queues = [queue];
    check(&bus("NHNTestBus"), &queues, &queues).await.unwrap();
    let proofless = Server { user: None, password_file: None, ..place.server() };
    assert!(matches!(proofless.check(), Err(Error::NoProof)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_takes_what_comes_and_keeps_nothing() {
    let Some(rabbit) = rabbit("amqp10") else { return };
    let place = Place::on(rabbit);
    let queue = place.queue("tapped", "quorum");
    let destination = place.destination(place.server());
    let mut tap = Tap::open(&place.server(), &queue).await.unwrap();
    for n in 0..250 {
        destination.send(&delivery(n, &queue, format!("<{n}/>").as_bytes())).await;
        let came = tap.next().await.unwrap();
        assert_eq!(&*came.body, format!("<{n}/>").as_bytes());
        assert_eq!(came.subject.as_deref(), Some("HENVISNING"));
    }
    place.wait_for_left(&queue, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_server_and_connections_end() {
    const MESSAGES: usize = 300;
    if !servers::available("amqp10 restarts") {
        return;
    }
    let rabbit = Arc::new(Rabbit::start(&rabbit::Options::default()).unwrap());
    let proxy = Proxy::to(([127, 0, 0, 1], rabbit.port()).into()).unwrap();
    let place = Place { port: proxy.port(), ..Place::on(&rabbit) };
    // A quorum queue of a node that was killed takes long to find its leader again in RabbitMQ 3.10.
    let queue = place.queue("in_async", "classic");
    let destination = place.destination(Server { idle: Duration::from_secs(4), ..place.server() });
    let journal = Journal::new();
    let (stop, running) = place.read(&queue, 20, &journal);
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let sending = async {
        for n in 0..MESSAGES {
            // As the broker does: until it is handed over, with the same id and bytes each time.
            loop {
                let attempt = destination.send(&delivery(n as u128, &queue, n.to_string().as_bytes())).await;
                let done = attempt == Attempt::HandedOver;
                attempts.lock().unwrap().push(attempt);
                if done {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let start_again = async || {
        let rabbit = Arc::clone(&rabbit);
        spawn_blocking(move || rabbit.start_again()).await.unwrap().unwrap();
    };
    let faults = async {
        let count = |of: fn(&Attempt) -> bool| attempts.lock().unwrap().iter().filter(|a| of(a)).count();
        let done = |attempt: &Attempt| *attempt == Attempt::HandedOver;
        let reached = async |fifth| {
            while count(done) < MESSAGES * fifth / 5 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        reached(1).await;
        proxy.cut();
        reached(2).await;
        // Cut again and again in the middle of something, until attempts have failed by it.
        let failed = |attempt: &Attempt| *attempt != Attempt::HandedOver;
        let before = count(failed);
        proxy.set(Mode::CutAfter(3_000));
        while count(failed) < before + 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        proxy.set(Mode::Pass);
        reached(3).await;
        let away = count(|attempt| matches!(attempt, Attempt::Retry { .. }));
        rabbit.kill().unwrap();
        // It stays away until that is noticed, however fast it would be back.
        while count(|attempt| matches!(attempt, Attempt::Retry { .. })) == away {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        start_again().await;
        reached(4).await;
        rabbit.stop().unwrap();
        start_again().await;
    };
    tokio::join!(sending, faults);
    let all = || (0..MESSAGES).map(|n| n.to_string()).collect::<std::collections::BTreeSet<_>>();
    let taken = || journal.bodies().into_iter().collect::<std::collections::BTreeSet<_>>();
    for _ in 0..600 {
        if taken() == all() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(taken() == all(), "{} of {MESSAGES}", taken().len());
    assert_eq!(journal.bodies().len(), MESSAGES, "a repeat has the same id, and is known by it");
    stop.cancel();
    running.await.unwrap();
    let attempts = attempts.lock().unwrap();
    assert!(attempts.iter().any(|a| matches!(a, Attempt::Retry { .. })), "the server was away");
    assert!(attempts.iter().any(|a| matches!(a, Attempt::Unsure { .. })), "answers were lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_the_clients_certificate_open_the_door() {
    if !servers::available("amqp10 tls") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let pki = pki::Pki::make(dir.path(), "budstikke");
    let mut options = rabbit::Options {
        tls: Some(rabbit::Tls {
            roots: pki.roots.clone(),
            certificate: pki.server.0.clone(),
            key: pki.server.1.clone(),
        }),
        settings:
            "auth_mechanisms.1 = PLAIN\nauth_mechanisms.2 = EXTERNAL\nssl_cert_login_from = common_name\n"
                .into(),
        ..rabbit::Options::default()
    };
    options.plugins.push("rabbitmq_auth_mechanism_ssl".into());
    let rabbit = Rabbit::start(&options).unwrap();
    let place = Place::on(&rabbit);
    let queue = place.queue("in_async", "classic");
    rabbit
        .eval(&format!(
            r#"rabbit_auth_backend_internal:add_user(<<"budstikke">>, <<"of no use">>, <<"test">>),
            rabbit_auth_backend_internal:set_permissions(<<"budstikke">>, <<"{}">>, <<"">>, <<".*">>, <<".*">>, <<"test">>), ok."#,
            place.vhost
        ))
        .unwrap();
    let shown = ClientOptions {
        roots_file: Some(pki.roots.clone()),
        certificate_file: Some(pki.client.0.clone()),
        key_file: Some(pki.client.1.clone()),
    };
    let by_password = Server { port: Some(rabbit.tls_port()), tls: Some(shown.clone()), ..place.server() };
    let by_certificate = Server { user: None, password_file: None, ..by_password.clone() };
    for server in [by_password.clone(), by_certificate] {
        let destination = place.destination(server.clone());
        assert_eq!(destination.send(&delivery(1, &queue, b"<one/>")).await, Attempt::HandedOver);
        let came = Tap::open(&server, &queue).await.unwrap().next().await.unwrap();
        assert_eq!(&*came.body, b"<one/>");
    }
    let nameless = ClientOptions { certificate_file: None, key_file: None, ..shown.clone() };
    let strangers = ClientOptions { roots_file: Some(pki.client.0.clone()), ..shown.clone() };
    for tls in [nameless, strangers] {
        let server = Server { tls: Some(tls), ..by_password.clone() };
        let answer = Tap::open(&server, &queue).await;
        assert!(matches!(answer, Err(Error::Unreachable(_))), "{answer:?}");
    }
    let half = ClientOptions { key_file: None, ..shown };
    assert!(Server { tls: Some(half), ..by_password }.check().is_err());
}
