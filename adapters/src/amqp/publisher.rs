//! Messages on their way out: pipelined on one channel, each with its own answer.
//!
//! One task owns the channel, since the order of calls is the order of confirms. A fresh channel begins with one
//! message alone: what the server then says of the channel (no such exchange, not allowed, too large) is said of that
//! message. Afterwards as many are under way as the window allows, and what ends the channel leaves them unsure.

use super::link::{Link, words};
use super::news::News;
use super::returns::{Confirm, Fate, Returns};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, ErrorKind, ExchangeKind};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// A message as it is published.
pub(super) struct Publication {
    /// The queue, as the exchange knows it.
    pub(super) routing_key: ShortString,
    /// By `message_id` among them a returned message is known again.
    pub(super) properties: BasicProperties,
    pub(super) body: Arc<[u8]>,
    /// The message id.
    pub(super) id: Arc<str>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server has it.
    Taken,
    /// The server surely does not have it.
    NotTaken(String),
    /// The queue that it went to did not take it.
    Declined(String),
    /// No queue takes it.
    Unroutable(String),
    /// The server will never take it.
    Refused(String),
    /// Nobody knows.
    Unsure(String),
}

/// How messages are published.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// The exchange; empty for the one that knows every queue by its name.
    pub(super) exchange: ShortString,
    /// Messages under way at one time.
    pub(super) window: usize,
}

/// Publishes; ends when dropped.
pub(super) struct Publisher {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    publication: Publication,
    answer: oneshot::Sender<Outcome>,
    begun: Arc<AtomicBool>,
}

impl Publisher {
    pub(super) fn new(link: Link, options: Options) -> Self {
        let (jobs, to_do) = mpsc::channel(options.window.max(1));
        let task = Task {
            link,
            options,
            channel: None,
            alone: true,
            flying: FuturesUnordered::new(),
            waiting: HashMap::new(),
            returns: Returns::default(),
            next: 0,
            counted: 0,
        };
        tokio::spawn(task.run(to_do));
        Self { jobs }
    }

    /// Publishes, and waits for the confirm up to `patience`. A dropped call may have published.
    pub(super) async fn publish(&self, publication: Publication, patience: Duration) -> Outcome {
        let begun = Arc::new(AtomicBool::new(false));
        let (answer, outcome) = oneshot::channel();
        let job = Job { publication, answer, begun: Arc::clone(&begun) };
        let waiting = async {
            if self.jobs.send(job).await.is_err() {
                return Outcome::NotTaken("the adapter has ended".to_owned());
            }
            outcome.await.unwrap_or_else(|_| Outcome::Unsure("the adapter has ended".to_owned()))
        };
        match timeout(patience, waiting).await {
            Ok(outcome) => outcome,
            Err(_) if begun.load(Ordering::SeqCst) => Outcome::Unsure("no confirm in time".to_owned()),
            Err(_) => Outcome::NotTaken("no place to publish in time".to_owned()),
        }
    }
}

type Flight = Pin<Box<dyn Future<Output = Landed> + Send>>;

enum Landed {
    /// A message was confirmed, or its channel ended.
    Message { number: u64, result: Result<Confirmed, Fallen> },
    /// Everything that was ready when this was begun has landed.
    Round(u64),
}

/// What a confirm says, without the body of what was returned.
struct Confirmed {
    taken: bool,
    /// The returned message that hung on it: its id, and the server's words.
    returned: Option<(String, String)>,
}

impl From<Confirmation> for Confirmed {
    fn from(confirmation: Confirmation) -> Self {
        // The channel asks for confirms before anything is published on it, so there always is one.
        let taken = confirmation.is_ack();
        let returned = confirmation.take_message().map(|message| {
            let id = message.delivery.properties.message_id().as_ref().map(ToString::to_string);
            (id.unwrap_or_default(), format!("{} {}", message.reply_code, message.reply_text))
        });
        Self { taken, returned }
    }
}

/// Why there is no confirm.
struct Fallen {
    /// It had been written to the connection, whole.
    written: bool,
    error: lapin::Error,
}

struct Waiting {
    answer: oneshot::Sender<Outcome>,
    id: Arc<str>,
    size: usize,
    /// Nothing else was under way on its channel, or had been.
    alone: bool,
}

struct Task {
    link: Link,
    options: Options,
    channel: Option<Channel>,
    /// Nothing was confirmed on this channel yet.
    alone: bool,
    flying: FuturesUnordered<Flight>,
    waiting: HashMap<u64, Waiting>,
    returns: Returns,
    next: u64,
    counted: usize,
}

impl Task {
    async fn run(mut self, mut to_do: mpsc::Receiver<Job>) {
        let mut look = interval(Duration::from_secs(1));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let room = self.waiting.len() < if self.alone { 1 } else { self.options.window };
            tokio::select! {
                Some(landed) = self.flying.next(), if !self.flying.is_empty() => self.landed(landed),
                job = to_do.recv(), if room => match job {
                    Some(job) => self.begin(job).await,
                    None => break,
                },
                _ = look.tick() => self.give_up_on_the_silent(),
            }
        }
        self.forget("the adapter has ended");
    }

    /// Publishes one, or says at once why not.
    async fn begin(&mut self, job: Job) {
        if job.answer.is_closed() {
            return; // its time ran out while it waited here
        }
        let channel = match self.channel().await {
            Ok(channel) => channel,
            Err(why) => return drop(job.answer.send(Outcome::NotTaken(why))),
        };
        job.begun.store(true, Ordering::SeqCst);
        let number = self.next;
        self.next += 1;
        let Job { publication, answer, .. } = job;
        let Publication { routing_key, properties, body, id } = publication;
        self.waiting.insert(number, Waiting { answer, id, size: body.len(), alone: self.alone });
        self.tell_count();
        let exchange = self.options.exchange.clone();
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        self.flying.push(Box::pin(async move {
            let publishing = channel.basic_publish(exchange, routing_key, options, &body, properties);
            let result = match publishing.await {
                Ok(confirm) => {
                    drop(body);
                    confirm.await.map(Confirmed::from).map_err(|error| Fallen { written: true, error })
                }
                Err(error) => Err(Fallen { written: false, error }),
            };
            Landed::Message { number, result }
        }));
    }

    /// The channel, opened if there is none; else why there is none.
    async fn channel(&mut self) -> Result<Channel, String> {
        let connection = self.link.now().map_err(|why| format!("no connection: {why}"))?;
        if connection.status().blocked() {
            return Err("the server takes nothing for now (it is short of disk or memory)".to_owned());
        }
        if let Some(channel) = self.channel.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        self.clear_up().await;
        let exchange = self.options.exchange.clone();
        let opening = async {
            let channel = connection.create_channel().await?;
            if !exchange.as_str().is_empty() {
                let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
                channel
                    .exchange_declare(exchange, ExchangeKind::Direct, options, FieldTable::default())
                    .await?;
            }
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, lapin::Error>(channel)
        };
        let opened = timeout(self.link.server().patience, opening).await;
        let channel = opened.map_err(|_| "no answer in time".to_owned())?.map_err(|error| advice(&error))?;
        self.alone = true;
        self.channel = Some(channel.clone());
        Ok(channel)
    }

    /// Lets everything of a channel that has ended land, before the next is opened.
    async fn clear_up(&mut self) {
        self.channel = None;
        let landing = async {
            while let Some(landed) = self.flying.next().await {
                self.landed(landed);
            }
        };
        drop(timeout(Duration::from_secs(5), landing).await); // an ended channel fails what is under way at once
        self.forget("the connection was lost before the confirm");
    }

    /// What is still under way is unsure, and nothing is waited for any more.
    fn forget(&mut self, why: &str) {
        self.flying.clear();
        self.returns = Returns::default();
        for (_, waiting) in self.waiting.drain() {
            drop(waiting.answer.send(Outcome::Unsure(why.to_owned()))); // whoever asked may have gone
        }
        self.tell_count();
    }

    fn landed(&mut self, landed: Landed) {
        let round = match landed {
            Landed::Message { number, result: Ok(confirmed) } => self.confirmed(number, confirmed),
            Landed::Message { number, result: Err(fallen) } => {
                self.fell(number, &fallen);
                None
            }
            Landed::Round(round) => {
                let (certain, again) = self.returns.settled(round, self.flying.len());
                for (number, fate) in certain {
                    self.certain(number, fate);
                }
                again
            }
        };
        if let Some(round) = round {
            self.flying.push(Box::pin(std::future::ready(Landed::Round(round))));
        }
    }

    fn confirmed(&mut self, number: u64, confirmed: Confirmed) -> Option<u64> {
        let id = Arc::clone(&self.waiting.get(&number)?.id);
        let Confirmed { taken, returned } = confirmed;
        self.returns.seen(Confirm { number, id, taken, returned }, self.next)
    }

    fn certain(&mut self, number: u64, fate: Fate) {
        self.alone = false;
        let outcome = match fate {
            Fate::Taken => Outcome::Taken,
            Fate::NotTaken => {
                Outcome::Declined("the server did not take it (its queue is full, or in trouble)".to_owned())
            }
            Fate::Returned(words) => Outcome::Unroutable(words),
            Fate::Unknown => Outcome::Unsure("the channel ended before it was certain".to_owned()),
        };
        self.answer(number, outcome);
    }

    /// The channel or the connection ended before the confirm.
    fn fell(&mut self, number: u64, fallen: &Fallen) {
        self.returns.end();
        let Some(waiting) = self.waiting.get(&number) else { return };
        let why = advice(&fallen.error);
        let soft = soft(&fallen.error);
        let named = waiting.size.to_string();
        let is_named = || words(&fallen.error).split(|c: char| !c.is_ascii_digit()).any(|n| n == named);
        let outcome = match soft {
            _ if !fallen.written => Outcome::NotTaken(why),
            // "message size 20000000 is larger than configured max size 16777216"
            Some(AMQPSoftError::PRECONDITIONFAILED) if waiting.alone || is_named() => Outcome::Refused(why),
            Some(_) if waiting.alone => Outcome::NotTaken(why),
            Some(_) | None => Outcome::Unsure(why),
        };
        self.answer(number, outcome);
    }

    fn answer(&mut self, number: u64, outcome: Outcome) {
        if let Some(waiting) = self.waiting.remove(&number) {
            drop(waiting.answer.send(outcome)); // whoever asked may have gone
            self.tell_count();
        }
    }

    /// Confirms that do not come (a queue without its leader) must not hold the places of others for ever: if half of
    /// what is under way has been given up by those who asked, the channel is given up too.
    fn give_up_on_the_silent(&mut self) {
        let blocked = self.link.now().is_ok_and(|connection| connection.status().blocked());
        let silent = self.waiting.values().filter(|waiting| waiting.answer.is_closed()).count();
        if silent == 0 || silent * 2 < self.waiting.len() || blocked {
            return;
        }
        tracing::warn!(
            connection = self.link.name(),
            silent,
            "Confirms of {silent} messages do not come; their channel is opened anew."
        );
        self.channel = None;
        self.forget("no confirm in time");
    }

    fn tell_count(&mut self) {
        let now = self.waiting.len();
        let total = self.link.count(now, self.counted);
        self.counted = now;
        self.link.tell(News::Unconfirmed(total));
    }
}

fn soft(error: &lapin::Error) -> Option<AMQPSoftError> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    match error.kind() {
        AMQPErrorKind::Soft(soft) => Some(soft.clone()),
        AMQPErrorKind::Hard(_) => None,
    }
}

/// What a server said, with what to do about it.
pub(super) fn advice(error: &lapin::Error) -> String {
    let words = words(error);
    match soft(error) {
        Some(AMQPSoftError::NOTFOUND) => {
            format!("{words}: look at the name, and at upper and lower case in it, of queue and exchange")
        }
        Some(AMQPSoftError::ACCESSREFUSED) => format!("{words}: the account lacks the permission"),
        Some(_) | None => words,
    }
}
