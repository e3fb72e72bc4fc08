//! One channel's worth of reading a queue: deliveries offered to intake, settled when intake has told.
//!
//! **While the journal takes nothing** the queue is left alone: the consumer ends, everything goes back but for one
//! message, and that one is offered again and again, with growing pauses. So there is no hot loop, and a queue that
//! counts deliveries does not count every message up to its limit while our journal is away. The one is given back
//! after a few minutes and another is taken, since servers end consumers that settle nothing (30 minutes).

use super::envelope;
use super::ledger::Ledger;
use super::link::{lost, words};
use super::news::QueueNews;
use super::publisher::advice;
use super::source::Source;
use crate::appetite::Appetite;
use crate::backoff::Backoff;
use crate::intake::Told;
use amqp_profile::Envelope;
use futures_util::StreamExt;
use futures_util::future::join_all;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicQosOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Acker, Channel, Connection, Consumer};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// First and longest pause after the journal took nothing.
const HOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// So long is one message held while the journal takes nothing.
const HELD: Duration = Duration::from_secs(300);
/// How often the consumer's channel is asked for an answer. A queue that is empty and a channel that is dead look alike:
/// RabbitMQ 3.10 loses what writes a channel's frames over some messages of AMQP 1.0 publishers, and may end the connection
/// minutes after.
const PROBE: Duration = Duration::from_secs(5);
/// How often the server is asked how many messages wait.
const COUNT: Duration = Duration::from_secs(15);
/// So many messages that were offered again are remembered, to count how often.
const REMEMBERED: usize = 10_000;

/// Why reading ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// We were told to stop, and everything is settled.
    Stopped,
    /// The time was over.
    Over,
    /// The connection is gone.
    Lost(String),
    /// The connection is there, and the channel does not answer.
    Silent,
    /// This queue cannot be read; with what to do about it.
    Queue(String),
}

/// A delivery in hand.
struct Held {
    acker: Acker,
    envelope: Envelope,
}

enum Answer {
    Told(Told),
    /// It was not offered any more.
    Untouched,
}

type Tell = mpsc::UnboundedSender<(u64, Answer)>; // bounded by the prefetch

pub(super) struct Reading<'s> {
    source: &'s Source,
    connection: &'s Connection,
    channel: Channel,
    consumer: Option<Consumer>,
    appetite: Appetite,
    /// What the appetite is, for consumers that begin.
    prefetch: Arc<AtomicU16>,
    ledger: Ledger<Held>,
    tell: Tell,
    told: mpsc::UnboundedReceiver<(u64, Answer)>,
    /// To whom deliveries go that are to be offered, and what ends the offering.
    offering: mpsc::UnboundedSender<(u64, Envelope)>, // bounded by the prefetch
    enough: CancellationToken,
    holding: bool,
    again: HashMap<u64, u32>,
}

impl<'s> Reading<'s> {
    /// Reads until stopped, until the time is over, or until the channel ends.
    pub(super) async fn run(
        source: &'s Source,
        connection: &'s Connection,
        until: Option<Instant>,
        stop: &CancellationToken,
    ) -> Ended {
        // Why it was lost is told to whoever listens, and to nobody who waits for an answer: the library leaves some of
        // these waiting for ever.
        let lost = lost(connection);
        tokio::pin!(lost);
        let ended = tokio::select! {
            biased;
            ended = Self::read(source, connection, until, stop) => ended,
            why = &mut lost => return Ended::Lost(why),
        };
        match ended {
            Ended::Lost(_) => Ended::Lost(lost.await),
            Ended::Stopped | Ended::Over | Ended::Silent | Ended::Queue(_) => ended,
        }
    }

    async fn read(
        source: &'s Source,
        connection: &'s Connection,
        until: Option<Instant>,
        stop: &CancellationToken,
    ) -> Ended {
        let opening = timeout(source.link.server().patience, Self::open(source, connection));
        let mut reading = match stop.run_until_cancelled(opening).await {
            None => return Ended::Stopped,
            Some(Err(_)) => return Ended::Queue("no answer in time".to_owned()),
            Some(Ok(Err(error))) => return ended(connection, &error),
            Some(Ok(Ok(reading))) => reading,
        };
        source.tell(QueueNews::Reading);
        tracing::info!(source = %source.name, "The queue of {} is being read.", source.name);
        let (channel, prefetch) = (reading.channel.clone(), Arc::clone(&reading.prefetch));
        let silent = silent(&channel, &prefetch, source.link.server().patience);
        tokio::select! {
            biased;
            served = reading.serve(until, stop) => served.unwrap_or_else(|error| ended(connection, &error)),
            () = silent => Ended::Silent,
        }
    }

    async fn open(source: &'s Source, connection: &'s Connection) -> lapin::Result<Self> {
        let channel = connection.create_channel().await?;
        let (tell, told) = mpsc::unbounded_channel();
        let (offering, _) = mpsc::unbounded_channel();
        let mut reading = Self {
            source,
            connection,
            channel,
            consumer: None,
            appetite: Appetite::new(source.options.prefetch.into(), source.intake.budget()),
            prefetch: Arc::default(),
            ledger: Ledger::default(),
            tell,
            told,
            offering,
            enough: CancellationToken::new(),
            holding: false,
            again: HashMap::new(),
        };
        reading.consume().await?;
        Ok(reading)
    }

    /// Begins to take deliveries, and to offer them.
    async fn consume(&mut self) -> lapin::Result<()> {
        self.ask().await?;
        self.enough = CancellationToken::new();
        let (offering, to_offer) = mpsc::unbounded_channel();
        self.offering = offering;
        let offerer = Offerer {
            intake: self.source.intake.clone(),
            arriving: Arc::clone(&self.source.arriving),
            tell: self.tell.clone(),
            enough: self.enough.clone(),
        };
        tokio::spawn(offerer.run(to_offer));
        Ok(())
    }

    /// Asks the server for as many as may be in hand now.
    async fn ask(&mut self) -> lapin::Result<()> {
        let now = u16::try_from(self.appetite.now()).unwrap_or(u16::MAX);
        self.prefetch.store(now, Ordering::Release);
        self.channel.basic_qos(now, BasicQosOptions::default()).await?;
        let queue = ShortString::from(self.source.options.queue.as_str());
        let (options, table) = (BasicConsumeOptions::default(), FieldTable::default());
        self.consumer =
            Some(self.channel.basic_consume(queue, ShortString::default(), options, table).await?);
        Ok(())
    }

    /// Asks anew for more or fewer at a time. What was on its way is taken, so that nothing goes back into the queue; the server
    /// counts what comes from now on by itself, so that for a moment more may be in hand.
    async fn ask_anew(&mut self) -> lapin::Result<()> {
        let Some(mut consumer) = self.consumer.take() else { return Ok(()) };
        self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
        while let Some(delivery) = consumer.next().await {
            self.take(delivery?);
        }
        self.ask().await
    }

    async fn serve(&mut self, until: Option<Instant>, stop: &CancellationToken) -> lapin::Result<Ended> {
        let counting = CancellationToken::new();
        let _ends = counting.clone().drop_guard();
        tokio::spawn(count(Count {
            watcher: Arc::clone(self.source.link.watcher()),
            name: Arc::clone(&self.source.name),
            queue: self.source.options.queue.as_str().into(),
            channel: self.connection.create_channel().await?,
            end: counting,
        }));
        loop {
            let over = until.is_some_and(|until| until <= Instant::now());
            if (stop.is_cancelled() || over) && self.consumer.is_some() {
                self.stop_consuming().await?;
            }
            if self.ledger.is_empty() && self.consumer.is_none() {
                match (stop.is_cancelled(), over) {
                    (true, _) => return self.leave(Ended::Stopped).await,
                    (false, true) => return self.leave(Ended::Over).await,
                    (false, false) => self.hold(stop).await?,
                }
                continue;
            }
            let deadline = until.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                biased;
                Some((tag, answer)) = self.told.recv() => self.settle(tag, answer).await?,
                () = stop.cancelled(), if self.consumer.is_some() => {}
                () = sleep_until(deadline), if self.consumer.is_some() => {}
                came = next(&mut self.consumer) => match came {
                    Some(Ok(delivery)) => if self.take(delivery) {
                        self.ask_anew().await?;
                    },
                    Some(Err(error)) => return Err(error),
                    None => return Ok(self.cancelled()),
                },
            }
        }
    }

    /// The server ended the consumer: the queue was deleted, or has moved.
    fn cancelled(&self) -> Ended {
        if self.connection.status().connected() {
            Ended::Queue("the server ended the reading (the queue was deleted, or is moving)".to_owned())
        } else {
            Ended::Lost("the connection was lost".to_owned())
        }
    }

    /// Offers one. True if more or fewer may be in hand from now on.
    fn take(&mut self, mut delivery: Delivery) -> bool {
        self.source.tell(QueueNews::Came);
        let mut envelope = envelope::read(&delivery);
        envelope.body = envelope::body(&mut delivery);
        if envelope.redelivered {
            self.count_again(&mut envelope);
        }
        let changes = self.appetite.came(envelope.body.len());
        let tag = delivery.delivery_tag;
        self.ledger.came(tag, Held { acker: delivery.acker, envelope: envelope.clone() });
        if let Err(gone) = self.offering.send((tag, envelope)) {
            let (tag, _) = gone.0;
            drop(self.tell.send((tag, Answer::Untouched))); // we hold the other end
        }
        changes
    }

    /// Servers do not always count how often they offer a message (classic queues never do); then we do.
    fn count_again(&mut self, envelope: &mut Envelope) {
        if self.again.len() >= REMEMBERED {
            self.again.clear();
        }
        let key = short_key(envelope);
        let count = self.again.entry(key).or_default();
        *count = count.saturating_add(1);
        envelope.delivery_count = Some(envelope.delivery_count.unwrap_or(0).max(*count));
    }

    /// Settles everything that intake has told of by now.
    async fn settle(&mut self, tag: u64, answer: Answer) -> lapin::Result<()> {
        let mut next = Some((tag, answer));
        let mut back = Vec::new();
        while let Some((tag, answer)) = next {
            match answer {
                Answer::Told(Told::Taken(_)) => self.ledger.taken(tag),
                // One that is unknown was given back already, while it waited for intake.
                Answer::Told(Told::NotTaken(why)) if self.ledger.knows(tag) => {
                    if !self.holding {
                        tracing::warn!(source = %self.source.name, ?why, "A message was not taken in; the queue of {} waits.", self.source.name);
                        self.holding = true;
                    }
                    back.extend(self.ledger.not_taken(tag).map(|held| held.acker));
                }
                Answer::Told(Told::NotTaken(_)) => {}
                Answer::Untouched => back.extend(self.ledger.remove(tag).map(|held| held.acker)),
            }
            next = self.told.try_recv().ok();
        }
        // In this order: what is given back is still open, and an answer for several would settle it.
        give_back(back).await?;
        self.acknowledge().await?;
        if self.holding && self.consumer.is_some() {
            self.stop_consuming().await?;
        }
        Ok(())
    }

    async fn acknowledge(&mut self) -> lapin::Result<()> {
        let due = self.ledger.due();
        let all = BasicAckOptions { multiple: true };
        let many = due.up_to.iter().map(|held| held.acker.ack(all));
        let one = due.single.iter().map(|held| held.acker.ack(BasicAckOptions::default()));
        // Polled in order, so they are written in order.
        for acknowledged in join_all(many.chain(one)).await {
            acknowledged?;
        }
        Ok(())
    }

    /// Takes no more, and gives back what has come and is not offered.
    async fn stop_consuming(&mut self) -> lapin::Result<()> {
        self.enough.cancel();
        let Some(mut consumer) = self.consumer.take() else { return Ok(()) };
        self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
        let mut back = Vec::new();
        while let Some(Ok(delivery)) = consumer.next().await {
            back.push(delivery.acker);
        }
        give_back(back).await
    }

    /// The journal takes nothing: offers the one that was kept until it is taken, then begins to take again.
    async fn hold(&mut self, stop: &CancellationToken) -> lapin::Result<()> {
        let mut backoff = Backoff::new(HOLD.0, HOLD.1);
        let mut since = Instant::now();
        while let Some((tag, held)) = self.ledger.take_kept() {
            let waited = stop.run_until_cancelled(sleep(backoff.pause())).await;
            if waited.is_none() {
                give_back(vec![held.acker]).await?;
                return Ok(());
            }
            if since.elapsed() > HELD {
                give_back(vec![held.acker]).await?;
                if let Some((tag, held)) = self.another().await? {
                    self.ledger.keep(tag, held);
                }
                since = Instant::now();
                continue;
            }
            let offerer = Offerer {
                intake: self.source.intake.clone(),
                arriving: Arc::clone(&self.source.arriving),
                tell: self.tell.clone(),
                enough: stop.clone(),
            };
            offerer.offer(tag, held.envelope.clone()).await;
            let answer = loop {
                match self.told.recv().await {
                    Some((of, answer)) if of == tag => break Some(answer),
                    Some(_) => {} // given back before
                    None => break None,
                }
            };
            if matches!(answer, Some(Answer::Told(Told::Taken(_)))) {
                held.acker.ack(BasicAckOptions::default()).await?;
            } else {
                self.ledger.keep(tag, held);
            }
        }
        self.holding = false;
        tracing::info!(source = %self.source.name, "The queue of {} is read again.", self.source.name);
        self.consume().await
    }

    /// One message from the head of the queue.
    async fn another(&self) -> lapin::Result<Option<(u64, Held)>> {
        let queue = self.source.options.queue.as_str().into();
        let got = self.channel.basic_get(queue, BasicGetOptions::default()).await?;
        Ok(got.map(|got| {
            let mut delivery = got.delivery;
            let mut envelope = envelope::read(&delivery);
            envelope.body = envelope::body(&mut delivery);
            (delivery.delivery_tag, Held { acker: delivery.acker, envelope })
        }))
    }

    async fn leave(&mut self, ended: Ended) -> lapin::Result<Ended> {
        if let Some((_, held)) = self.ledger.take_kept() {
            give_back(vec![held.acker]).await?;
        }
        // Whatever was acknowledged has been written; the server reads it before the close.
        self.channel.close(200, "done".into()).await?;
        Ok(ended)
    }
}

/// The next delivery; never, without a consumer.
async fn next(consumer: &mut Option<Consumer>) -> Option<lapin::Result<Delivery>> {
    match consumer {
        Some(consumer) => consumer.next().await,
        None => std::future::pending().await,
    }
}

/// Ends when the channel does not answer within `patience`. What the channel's end means is for others to say.
async fn silent(channel: &Channel, prefetch: &AtomicU16, patience: Duration) {
    loop {
        sleep(PROBE).await;
        // Says what was said before: it holds for consumers that begin after it.
        let prefetch = prefetch.load(Ordering::Acquire);
        match timeout(patience, channel.basic_qos(prefetch, BasicQosOptions::default())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => return,
        }
    }
}

async fn give_back(ackers: Vec<Acker>) -> lapin::Result<()> {
    let requeue = BasicNackOptions { requeue: true, multiple: false };
    for given in join_all(ackers.iter().map(|acker| acker.nack(requeue))).await {
        given?;
    }
    Ok(())
}

/// Tells what ended the channel from what ended the connection.
fn ended(connection: &Connection, error: &lapin::Error) -> Ended {
    let of_the_channel = error.is_amqp_soft_error() && connection.status().connected();
    if of_the_channel { Ended::Queue(advice(error)) } else { Ended::Lost(words(error)) }
}

/// A message that is offered again is known by this, well enough to count.
fn short_key(envelope: &Envelope) -> u64 {
    let key = crate::queues::repeat_key(envelope);
    u64::from_str_radix(key.get(..16).unwrap_or_default(), 16).unwrap_or_default()
}

/// Offers deliveries one after the other, beside the settling.
struct Offerer {
    intake: crate::intake::Intake,
    arriving: Arc<crate::queues::Arriving>,
    tell: Tell,
    enough: CancellationToken,
}

impl Offerer {
    async fn run(self, mut to_offer: mpsc::UnboundedReceiver<(u64, Envelope)>) {
        while let Some((tag, envelope)) = to_offer.recv().await {
            self.offer(tag, envelope).await;
        }
    }

    /// Offers one. Its answer is told in any case: by intake, or here.
    async fn offer(&self, tag: u64, envelope: Envelope) {
        // One that is too large for any budget is judged too large, and must be read for that: it counts as the largest.
        let size = envelope.body.len().min(self.intake.budget().message_bytes());
        let offering = async {
            let Ok(room) = self.intake.budget().reserve(size).await else { return false };
            let arrival = (self.arriving)(&self.intake, envelope);
            let tell = self.tell.clone();
            let told = move |told| drop(tell.send((tag, Answer::Told(told)))); // the reading may have ended
            self.intake.offer(arrival, room, told).await;
            true
        };
        if self.enough.is_cancelled() {
            drop(self.tell.send((tag, Answer::Untouched)));
            return;
        }
        // What waits for intake when it is enough was handed over to `offer`, which tells when it is dropped.
        let mut begun = Box::pin(offering);
        tokio::select! {
            done = &mut begun => if !done {
                drop(self.tell.send((tag, Answer::Untouched)));
            },
            () = self.enough.cancelled() => drop(self.tell.send((tag, Answer::Untouched))),
        }
    }
}

/// What asking for the number of messages takes. On a channel of its own: not every server lets everybody ask.
struct Count {
    watcher: Arc<dyn super::news::Watch>,
    name: Arc<str>,
    queue: ShortString,
    channel: Channel,
    end: CancellationToken,
}

/// Asks again and again how many messages wait, until the server refuses or the reading has ended.
async fn count(count: Count) {
    let mut every = interval(COUNT);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while count.end.run_until_cancelled(every.tick()).await.is_some() {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        match count.channel.queue_declare(count.queue.clone(), options, FieldTable::default()).await {
            Ok(queue) => count.watcher.queue(&count.name, QueueNews::Depth(queue.message_count().into())),
            Err(_) => return,
        }
    }
}
