//! A virtual host of the shared node, a client beside the adapter, and an intake that does what a test tells it.

use adapters::amqp::{Direction, Link, News, QueueNews, Server, Source, SourceOptions, Watch};
use adapters::amqp10;
use adapters::budget::{Budget, Options as BudgetOptions};
use adapters::clock::SystemClock;
use adapters::intake::Intake;
use adapters::queues::repeat_key;
use broker_core::journal::{Committed, VerdictRecord};
use broker_core::ports::{NotTaken, Offer, Taken};
use lapin::options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use message_schemas::Findings;
use servers::Rabbit;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Deadlines are generous: the machine may do much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until it is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "not in time: {what}");
}

/// What the adapter told.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Vec<String>>);

impl Told {
    pub(crate) fn has(&self, part: &str) -> bool {
        self.0.lock().unwrap().iter().any(|line| line.contains(part))
    }

    pub(crate) fn count(&self, part: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.contains(part)).count()
    }
}

impl Watch for Told {
    fn connection(&self, name: &str, direction: Direction, news: News<'_>) {
        if !matches!(news, News::Unconfirmed(_)) {
            self.0.lock().unwrap().push(format!("{name} {direction}: {news:?}"));
        }
    }

    fn queue(&self, source: &str, news: QueueNews<'_>) {
        self.0.lock().unwrap().push(format!("{source}: {news:?}"));
    }
}

/// A virtual host and a client of its own.
pub(crate) struct Rig {
    pub(crate) rabbit: &'static Rabbit,
    pub(crate) vhost: String,
    pub(crate) told: Arc<Told>,
    client: Connection,
    pub(crate) channel: Channel,
}

impl Rig {
    pub(crate) async fn new(test: &str) -> Option<Self> {
        let rabbit = servers::rabbit(test)?;
        Some(Self::on(rabbit, rabbit.vhost(test).unwrap()).await)
    }

    /// A node of its own, for what would disturb others. It lives as long as the process.
    pub(crate) async fn alone(test: &str) -> Option<Self> {
        servers::rabbit(test)?;
        let rabbit: &'static Rabbit =
            Box::leak(Box::new(Rabbit::start(&servers::rabbit::Options::default()).unwrap()));
        Some(Self::on(rabbit, "/".to_owned()).await)
    }

    async fn on(rabbit: &'static Rabbit, vhost: String) -> Self {
        let client = Connection::connect(&rabbit.url(&vhost), ConnectionProperties::default()).await.unwrap();
        let channel = client.create_channel().await.unwrap();
        Self { rabbit, vhost, told: Arc::default(), client, channel }
    }

    pub(crate) async fn reconnect(&mut self) {
        let url = self.rabbit.url(&self.vhost);
        self.client = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        self.channel = self.client.create_channel().await.unwrap();
    }

    pub(crate) fn server(&self) -> Server {
        Server {
            port: Some(self.rabbit.port()),
            vhost: Some(self.vhost.clone()),
            user: Some(servers::rabbit::USER.to_owned()),
            password_file: Some(self.rabbit.password_file()),
            ..Server::new("127.0.0.1")
        }
    }

    pub(crate) fn link(&self, direction: Direction) -> Link {
        Link::new("bus", self.server(), direction, Arc::clone(&self.told) as Arc<dyn Watch>)
    }

    pub(crate) async fn queue(&self, name: &str, arguments: FieldTable) {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(name.into(), options, arguments).await.unwrap();
    }

    pub(crate) async fn delete(&self, queue: &str) {
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    pub(crate) async fn put(&self, queue: &str, body: &str) {
        let id = body.get(..100).unwrap_or(body);
        let properties = BasicProperties::default().with_delivery_mode(2).with_message_id(id.into());
        self.channel
            .basic_publish(
                "".into(),
                queue.into(),
                BasicPublishOptions::default(),
                body.as_bytes(),
                properties,
            )
            .await
            .unwrap()
            .await
            .unwrap();
    }

    pub(crate) fn messages(&self, queue: &str) -> u64 {
        self.rabbit.messages(&self.vhost, queue).unwrap_or(u64::MAX)
    }

    pub(crate) fn given_out(&self, queue: &str) -> u64 {
        self.rabbit.given_out(&self.vhost, queue).unwrap_or(u64::MAX)
    }

    pub(crate) async fn holds(&self, queue: &str, wanted: u64) {
        until(&format!("{queue} holds {wanted}"), || self.messages(queue) == wanted).await;
    }

    /// Takes everything out of a queue: message id and body.
    pub(crate) async fn drain(&self, queue: &str) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        let options = lapin::options::BasicGetOptions { no_ack: true };
        while let Some(got) = self.channel.basic_get(queue.into(), options).await.unwrap() {
            let id = got.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default();
            all.push((id, got.delivery.data));
        }
        all
    }

    /// Takes one message out of a queue, envelope and all.
    pub(crate) async fn take_whole(&self, queue: &str) -> amqp_profile::Envelope {
        let mut tap = adapters::amqp::Tap::open(&self.server(), queue).await.unwrap();
        tokio::time::timeout(PATIENCE, tap.next()).await.expect("in time").expect("a message")
    }

    /// Begins to read a queue.
    pub(crate) fn read(&self, queue: &str, prefetch: u16) -> Reader {
        self.read_over(Over::V091, queue, prefetch)
    }

    /// Begins to read a queue, over this version of AMQP.
    pub(crate) fn read_over(&self, over: Over, queue: &str, prefetch: u16) -> Reader {
        let (offers, offered) = mpsc::channel(4);
        let budget = Budget::new(BudgetOptions { message_bytes: 1_000_000, total_bytes: 20_000_000 });
        let intake = Intake::new(offers, budget, Arc::new(SystemClock::new()));
        let arriving = Arc::new(|intake: &Intake, envelope: amqp_profile::Envelope| {
            let key = repeat_key(&envelope);
            intake.arrival("amqp:test", Arc::clone(&envelope.body), Some(key))
        });
        let stop = CancellationToken::new();
        let task = match over {
            Over::V091 => {
                let options = SourceOptions { queue: queue.to_owned(), prefetch };
                let link = self.link(Direction::In);
                tokio::spawn(
                    Source::new("amqp:test", link, options, intake, arriving, None).run(stop.clone()),
                )
            }
            Over::V10 => {
                let options =
                    amqp10::SourceOptions { prefetch: prefetch.into(), ..amqp10::SourceOptions::new(queue) };
                let server = amqp10::Server {
                    port: Some(self.rabbit.port()),
                    vhost: Some(self.vhost.clone()),
                    user: Some(servers::rabbit::USER.to_owned()),
                    password_file: Some(self.rabbit.password_file()),
                    ..amqp10::Server::new("127.0.0.1")
                };
                let told = Arc::clone(&self.told) as Arc<dyn Watch>;
                let source =
                    amqp10::Source::build("amqp:test", server, options, intake, arriving, told).unwrap();
                tokio::spawn(source.run(stop.clone()))
            }
        };
        Reader { offered, stop, task }
    }
}

/// A version of AMQP.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Over {
    V091,
    V10,
}

/// A source that runs, and the intake behind it.
pub(crate) struct Reader {
    pub(crate) offered: mpsc::Receiver<Offer>,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Reader {
    pub(crate) async fn next(&mut self) -> Offer {
        tokio::time::timeout(PATIENCE, self.offered.recv())
            .await
            .expect("an offer in time")
            .expect("an offer")
    }

    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        let ending = async {
            // What is offered on the way down goes back.
            while let Some(offer) = self.offered.recv().await {
                offer.handle.not_taken(NotTaken::Unavailable);
            }
        };
        tokio::join!(ending, async { self.task.await.unwrap() });
    }
}

/// The body of an offer, as text.
pub(crate) fn body(offer: &Offer) -> String {
    String::from_utf8_lossy(&offer.arrival.bytes).into_owned()
}

pub(crate) fn take(offer: Offer) {
    let committed = Committed::after_durable_commit(offer.arrival.id);
    offer.handle.ack(Taken { committed, verdict: VerdictRecord::Accepted, findings: Findings::default() });
}
