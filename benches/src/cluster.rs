//! The distributed broker from outside: messages on a queue in, on queues out, over a RabbitMQ and a PostgreSQL of their own.

use crate::lab;
use crate::measure;
use adapters::clock::SystemClock;
use broker_core::ports::Clock as _;
use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use openssl::x509::X509;
use servers::{Postgres, Rabbit, rabbit};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use trust::pki::Crl;
use trust::pki::KeyKind;
use trust::pki::demo::{Demo, SENDER};
use trust::xmldsig::{self, Canonical, Options, Shape};
use trust::{ContentCipher, cms};

/// What goes wrong here ends the program.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How messages come, and how receipts go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// As they are.
    Plain,
    /// XMLDSig in, XMLDSig out.
    Signed,
    /// XMLDSig, CMS signature and seal in, the same out.
    SignedAndSealed,
}

impl Protection {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "without crypto",
            Self::Signed => "XMLDSig",
            Self::SignedAndSealed => "full protection",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Signed => "signed",
            Self::SignedAndSealed => "signed-and-sealed",
        }
    }
}

/// Where the receivers' messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receivers {
    /// All to one queue.
    One,
    /// To so many destinations, each with messages of its own.
    Many(u32),
    /// The same, and the first of them takes a connection and never answers.
    ManyAndOneHangs(u32),
}

impl Receivers {
    const fn count(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Many(count) | Self::ManyAndOneHangs(count) => count,
        }
    }
}

const QUEUES: [&str; 3] = ["inbox", "hospital", "receipts"];
const PASSWORD: &str = "a password of a measurement";

/// The HER-id of the nth receiver.
const fn receiver(nth: u32) -> u32 {
    300_000 + nth
}

/// Messages that are ready to be sent.
pub struct Messages {
    first: u64,
    bodies: Vec<Vec<u8>>,
}

/// The servers, and the PKI of everybody.
pub struct Cluster {
    rabbit: Rabbit,
    postgres: Postgres,
    demo: Demo,
    folder: tempfile::TempDir,
    runs: AtomicU64,
}

impl Cluster {
    /// Starts the servers, with the settings of `ops/`.
    ///
    /// # Errors
    /// If they are not installed or do not start.
    pub fn start() -> Result<Self, Failure> {
        let rabbit = Rabbit::start(&rabbit::Options::default())?;
        let postgres = Postgres::start(&[])?;
        let demo = Demo::new(KeyKind::Rsa2048)?;
        let folder = tempfile::tempdir()?;
        let cluster = Self { rabbit, postgres, demo, folder, runs: AtomicU64::new(0) };
        cluster.write_pki()?;
        Ok(cluster)
    }

    fn write_pki(&self) -> Result<(), Failure> {
        let at = |name: &str| self.folder.path().join(name);
        let (demo, now) = (&self.demo, SystemClock::new().now());
        let pem = |der: &[u8]| X509::from_der(der).and_then(|certificate| certificate.to_pem());
        std::fs::write(at("root.pem"), pem(&demo.root.certificate().der)?)?;
        std::fs::write(at("issuing.pem"), pem(&demo.issuing.certificate().der)?)?;
        std::fs::write(at("root.crl"), demo.root.crl(&Crl::fresh(now))?)?;
        std::fs::write(at("issuing.crl"), demo.issuing.crl(&Crl::fresh(now))?)?;
        std::fs::write(at("signing.p12"), demo.receiver.signing.pkcs12(PASSWORD)?)?;
        std::fs::write(at("sealing.p12"), demo.receiver.sealing.pkcs12(PASSWORD)?)?;
        std::fs::write(at("password"), PASSWORD)?;
        std::fs::create_dir(at("partners"))?;
        let partner = at("partners").join(format!("{}.pem", lab::SENDER.0));
        std::fs::write(partner, pem(&demo.sender.sealing.certificate().der)?)?;
        Ok(())
    }

    /// Messages of 20 KB, or the smallest that there are, made ready. The first has the number `first`.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn messages(
        &self,
        protection: Protection,
        receivers: Receivers,
        first: u64,
        count: u64,
        small: bool,
    ) -> Result<Messages, Failure> {
        let one = |nth: u64| -> Result<Vec<u8>, Failure> {
            let number = first + nth;
            let text = if small { lab::small(number) } else { lab::report(number, lab::USUAL, 0) };
            let nth = u32::try_from(number % u64::from(receivers.count()))?;
            let text = text.replace(&lab::RECEIVER.1.to_string(), &receiver(nth).to_string());
            if protection == Protection::Plain {
                return Ok(text.into_bytes());
            }
            let signing = self.demo.sender.signing.private_key();
            let options =
                Options { shape: Shape::Enveloped, canonical: Canonical::default(), algorithm: None };
            let limits = message_schemas::Limits::default();
            let document = xmldsig::sign(&text, &*signing, &options, &[], &limits)?;
            if protection == Protection::Signed {
                return Ok(document.into_bytes());
            }
            let signed = cms::sign(document.as_bytes(), &*signing, Some(SystemClock::new().now()))?;
            let to = Arc::clone(self.demo.receiver.sealing.certificate());
            Ok(cms::seal(&signed, &[to], ContentCipher::Aes256Cbc)?)
        };
        let halves = std::thread::scope(|scope| {
            let half =
                |from: u64, to: u64| scope.spawn(move || (from..to).map(&one).collect::<Result<Vec<_>, _>>());
            let halves = [half(0, count / 2), half(count / 2, count)];
            halves.map(|h| h.join().unwrap_or_else(|_| Err("a maker of messages ended".into())))
        });
        let [left, right] = halves;
        let mut bodies = left?;
        bodies.extend(right?);
        Ok(Messages { first, bodies })
    }

    /// A virtual host and a database of their own, and so many brokers on them.
    ///
    /// # Errors
    /// If a server refuses, or a broker does not become ready.
    pub async fn brokers(
        &self,
        binary: &Path,
        instances: usize,
        protection: Protection,
        receivers: Receivers,
    ) -> Result<Run<'_>, Failure> {
        let name = format!("run{}", self.runs.fetch_add(1, Ordering::Relaxed));
        let (vhost, database) = (self.rabbit.vhost(&name)?, self.postgres.database(&name)?);
        let client = Connection::connect(&self.rabbit.url(&vhost), ConnectionProperties::default()).await?;
        let channel = client.create_channel().await?;
        for queue in QUEUES {
            let mut arguments = FieldTable::default();
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(queue.into(), options, arguments).await?;
        }
        let folder = self.folder.path().join(&name);
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("parties.toml"), parties(protection, receivers))?;
        let hangs = std::net::TcpListener::bind("127.0.0.1:0")?;
        let settings = self.settings(&vhost, &database, protection, receivers, hangs.local_addr()?.port());
        let mut run =
            Run { cluster: self, brokers: Vec::new(), client, channel, came: Arc::default(), _hangs: hangs };
        for nth in 0..instances {
            let [admin] = servers::free_ports()?;
            let file = folder.join(format!("budstikke-{nth}.toml"));
            std::fs::write(&file, format!("{settings}[admin]\nbind = \"127.0.0.1:{admin}\"\n"))?;
            let mut command = Command::new(binary);
            command.args(["run", "--config"]).arg(file).stdin(Stdio::null());
            run.brokers.push(Broker { process: command.spawn()?, admin });
        }
        for broker in &mut run.brokers {
            broker.is_ready().await?;
        }
        Ok(run)
    }

    fn settings(
        &self,
        vhost: &str,
        database: &str,
        protection: Protection,
        receivers: Receivers,
        hangs: u16,
    ) -> String {
        let mut text = format!(
            "parties = [\"parties.toml\"]\n\
             [journal]\npostgres = \"{}\"\npassword_file = \"{}\"\n\
             [amqp.bus]\nhost = \"127.0.0.1\"\nport = {}\nvhost = \"{vhost}\"\nuser = \"{}\"\npassword_file = \"{}\"\n\
             [sources.amqp.inbox]\nconnection = \"bus\"\nqueue = \"inbox\"\nrole = \"internal\"\nprefetch = 400\n\
             [destinations.\"amqp:receipts\"]\namqp = \"bus\"\nqueue = \"receipts\"\nconcurrency = 400\n\
             [log]\nlevel = \"error\"\n",
            self.postgres.place(database),
            self.postgres.password_file().display(),
            self.rabbit.port(),
            rabbit::USER,
            self.rabbit.password_file().display(),
        );
        let concurrency = if receivers == Receivers::One { 400 } else { 16 };
        for nth in 0..receivers.count() {
            let to = if nth == 0 && matches!(receivers, Receivers::ManyAndOneHangs(_)) {
                format!(
                    "[destinations.\"http:d0\"]\nurl = \"http://127.0.0.1:{hangs}/\"\ntimeout = \"10s\"\n"
                )
            } else {
                format!(
                    "[destinations.\"amqp:d{nth}\"]\namqp = \"bus\"\nqueue = \"hospital\"\nconcurrency = {concurrency}\n"
                )
            };
            text.push_str(&to);
        }
        if protection != Protection::Plain {
            let at = |name: &str| self.folder.path().join(name).display().to_string();
            put(
                &mut text,
                format_args!(
                    "[trust]\nanchors = [\"{}\"]\nintermediates = [\"{}\"]\n\
                     [[trust.keys]]\nfile = \"{}\"\npassword_file = \"{password}\"\n\
                     [[trust.keys]]\nfile = \"{}\"\npassword_file = \"{password}\"\n\
                     [trust.partners]\nfolders = [\"{}\"]\n\
                     [trust.revocation]\nfiles = [\"{}\", \"{}\"]\nonline = false\n",
                    at("root.pem"),
                    at("issuing.pem"),
                    at("signing.p12"),
                    at("sealing.p12"),
                    at("partners"),
                    at("root.crl"),
                    at("issuing.crl"),
                    password = at("password"),
                ),
            );
        }
        text
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("text takes text");
}

fn parties(protection: Protection, receivers: Receivers) -> String {
    let (hospital, laboratory) = lab::SENDER;
    let word = protection.word();
    let asks = match protection {
        Protection::Plain => String::new(),
        Protection::Signed | Protection::SignedAndSealed => {
            format!("[party.protection]\nrequires = \"{word}\"\ngets = \"{word}\"\n")
        }
    };
    let mut text = format!(
        "[[party]]\nher_id = {hospital}\nlevel = \"enterprise\"\nname = \"Storvika\"\nkind = \"hospital\"\n\
         organisation = \"{SENDER}\"\ndestination = \"amqp:receipts\"\n{asks}\
         [[party]]\nher_id = {laboratory}\nlevel = \"service\"\nname = \"Storvika lab\"\nkind = \"laboratory\"\n\
         parent = {hospital}\n\
         [[party]]\nher_id = {office}\nlevel = \"enterprise\"\nname = \"Fjellvik\"\nkind = \"gp\"\ndestination = \"amqp:receipts\"\n",
        office = lab::RECEIVER.0,
    );
    for nth in 0..receivers.count() {
        let hangs = nth == 0 && matches!(receivers, Receivers::ManyAndOneHangs(_));
        let destination = if hangs { "http:d0".to_owned() } else { format!("amqp:d{nth}") };
        put(
            &mut text,
            format_args!(
                "[[party]]\nher_id = {}\nlevel = \"service\"\nname = \"Doctor {nth}\"\nkind = \"gp\"\nparent = {}\n\
                 answers = \"broker\"\ndestination = \"{destination}\"\n\
                 receives = [{{ family = \"result-report\", format = \"kith-xml\" }}]\n",
                receiver(nth),
                lab::RECEIVER.0,
            ),
        );
    }
    text
}

/// A running broker, ended when dropped.
struct Broker {
    process: Child,
    admin: u16,
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Nothing is measured any more; a broker that is gone already is as well.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Broker {
    async fn is_ready(&mut self) -> Result<(), Failure> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let clock = SystemClock::new();
        while clock.monotonic() < Duration::from_secs(60) {
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("a broker did not start: {status}").into());
            }
            if let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", self.admin)).await {
                stream
                    .write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    .await?;
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await?;
                if answer.starts_with(b"HTTP/1.1 200") {
                    return Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("a broker is not ready after a minute".into())
    }
}

/// What came out of a queue: when, by our id of the message, and which one it was, where its content says so.
#[derive(Default)]
struct Came {
    seen: Mutex<HashMap<String, (Duration, Option<u64>)>>,
    count: AtomicU64,
}

impl Came {
    fn note(&self, id: String, at: Duration, number: Option<u64>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_insert((at, number));
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) -> HashMap<String, (Duration, Option<u64>)> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Brokers at work.
pub struct Run<'a> {
    cluster: &'a Cluster,
    brokers: Vec<Broker>,
    client: Connection,
    channel: Channel,
    came: Arc<[Came; 2]>,
    _hangs: std::net::TcpListener,
}

/// How many are offered, and when.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// As fast as receipts come back, with so many on the way.
    Closed(u64),
    /// So many a second, whatever comes back.
    Open(u64),
}

/// What was measured.
#[derive(Debug)]
pub struct Figures {
    /// Receipts a second.
    pub rate: f64,
    /// From the sender's hand to the receipt in his: half of them, 99 of 100.
    pub receipt: (Duration, Duration),
    /// The same to the receiver's hand; not of receivers that hang.
    pub hand_over: (Duration, Duration),
    /// CPU time a message: brokers, RabbitMQ, PostgreSQL, the measuring program.
    pub cpu: [Duration; 4],
    /// The most memory that a broker has held, in MB.
    pub memory_mb: u64,
}

impl Run<'_> {
    /// Offers messages and waits until all receipts are there, and all but `not_delivered` are handed over.
    ///
    /// # Errors
    /// If the server goes, or not everything comes in time.
    pub async fn offer(
        &mut self,
        messages: &Messages,
        pace: Pace,
        not_delivered: u64,
    ) -> Result<Figures, Failure> {
        let clock = Arc::new(SystemClock::new());
        let before = self.cpu();
        self.came = Arc::default();
        let mut readers = Vec::new();
        for (nth, queue) in ["receipts", "hospital"].into_iter().enumerate() {
            let channel = self.client.create_channel().await?;
            channel.basic_qos(1000, BasicQosOptions::default()).await?;
            let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
            let mut consumer =
                channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
            let (came, clock) = (Arc::clone(&self.came), Arc::clone(&clock));
            readers.push(tokio::spawn(async move {
                let _channel = channel;
                while let Some(Ok(delivery)) = consumer.next().await {
                    let headers = delivery.properties.headers().as_ref();
                    let id = headers.and_then(|h| h.inner().get("budstikke-message"));
                    if let (Some(AMQPValue::LongString(id)), Some(came)) = (id, came.get(nth)) {
                        came.note(id.to_string(), clock.monotonic(), lab::number(&delivery.data));
                    }
                }
            }));
        }
        let count = messages.bodies.len() as u64;
        let mut sent = Vec::with_capacity(messages.bodies.len());
        for (nth, message) in (0u64..).zip(&messages.bodies) {
            let due = match pace {
                Pace::Closed(window) => {
                    while nth >= self.receipts() + window {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    clock.monotonic()
                }
                Pace::Open(rate) => {
                    let due = Duration::from_nanos(1_000_000_000 / rate) * u32::try_from(nth)?;
                    if let Some(early) = due.checked_sub(clock.monotonic()) {
                        tokio::time::sleep(early).await;
                    }
                    due
                }
            };
            let properties =
                BasicProperties::default().with_delivery_mode(2).with_message_id(format!("m{nth}").into());
            let options = BasicPublishOptions::default();
            drop(self.channel.basic_publish("".into(), "inbox".into(), options, message, properties).await?);
            sent.push(due);
        }
        let mut last = (0, clock.monotonic());
        while self.receipts() < count || self.handed_over() < count - not_delivered {
            let now = self.receipts() + self.handed_over();
            if now > last.0 {
                last = (now, clock.monotonic());
            } else if clock.monotonic() > last.1 + Duration::from_secs(60) {
                return Err(format!(
                    "{} receipts and {} hand-overs of {count}",
                    self.receipts(),
                    self.handed_over()
                )
                .into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        readers.iter().for_each(tokio::task::JoinHandle::abort);
        let after = self.cpu();
        let [receipts, handed_over] = self.came.each_ref().map(Came::take);
        let elapsed = receipts.values().map(|(at, _)| *at).max().unwrap_or_default();
        // Receipts may be sealed: which message one answers is known by our id, and that by what was handed over.
        let sent_at = |id: &String| {
            let number = handed_over.get(id)?.1?;
            sent.get(usize::try_from(number.checked_sub(messages.first)?).ok()?)
        };
        let waits = |came: &HashMap<String, (Duration, Option<u64>)>| {
            percentiles(
                came.iter().filter_map(|(id, (at, _))| Some(at.saturating_sub(*sent_at(id)?))).collect(),
            )
        };
        let figures = Figures {
            rate: measure::per_second(count, elapsed),
            receipt: waits(&receipts),
            hand_over: waits(&handed_over),
            cpu: std::array::from_fn(|n| {
                let used =
                    after.get(n).copied().unwrap_or_default() - before.get(n).copied().unwrap_or_default();
                used / u32::try_from(count).unwrap_or(u32::MAX)
            }),
            memory_mb: self.memory_mb(),
        };
        Ok(figures)
    }

    fn receipts(&self) -> u64 {
        self.came[0].count.load(Ordering::Relaxed)
    }

    fn handed_over(&self) -> u64 {
        self.came[1].count.load(Ordering::Relaxed)
    }

    /// The most memory that a broker has held, in MB.
    #[must_use]
    pub fn memory_mb(&self) -> u64 {
        let held = |broker: &Broker| measure::memory(&broker.process.id().to_string(), "VmHWM") >> 20;
        self.brokers.iter().map(held).max().unwrap_or(0)
    }

    /// CPU time of the brokers, RabbitMQ, PostgreSQL and this program so far.
    fn cpu(&self) -> [Duration; 4] {
        let brokers = self.brokers.iter().map(|b| measure::cpu(b.process.id())).sum();
        let of = |pids: &[u32]| pids.iter().map(|pid| measure::cpu(*pid)).sum();
        let cluster = self.cluster;
        [
            brokers,
            of(&cluster.rabbit.processes()),
            of(&cluster.postgres.processes()),
            measure::cpu(std::process::id()),
        ]
    }
}

/// Half were as fast as the one, 99 of 100 as the other.
fn percentiles(mut waits: Vec<Duration>) -> (Duration, Duration) {
    waits.sort_unstable();
    let at = |hundredths: usize| {
        waits
            .get((waits.len() * hundredths / 100).min(waits.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    (at(50), at(99))
}
