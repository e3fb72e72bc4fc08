//! Messages taken from a queue: offered to intake as they come, settled when intake tells what became of them.
//!
//! **While the journal takes nothing** the queue is left alone: no more is asked for, what was asked for goes back but for one
//! message, and that one is offered again and again, with growing pauses. So a queue that counts deliveries does not
//! count every message up to its limit while our journal is away. The one is given back after a few minutes and another
//! is taken, since servers end links that settle nothing (30 minutes).

use super::link::{Content, Received, Receiving};
use super::server::{Error, Server, words};
use crate::amqp::{QueueNews, Watch};
use crate::appetite::Appetite;
use crate::backoff::Backoff;
use crate::budget::Room;
use crate::intake::{Intake, Told};
use crate::queues::Arriving;
use amqp_profile::Envelope;
use broker_core::ports::NotTaken;
use fe2o3_amqp::link::delivery::DeliveryInfo;
use fe2o3_amqp::link::{IllegalLinkStateError, RecvError};
use fe2o3_amqp::types::definitions::SenderSettleMode;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Settings of a queue that messages are taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The name of the queue.
    pub queue: String,
    /// Messages taken and not yet settled, at most.
    #[serde(default = "Options::default_prefetch")]
    pub prefetch: u32,
    /// The largest message that is taken, in bytes: larger ones are never held in memory, and left to the server. It is
    /// far more than may be in a message, since what is too large is to be judged so, and kept.
    #[serde(default = "Options::default_largest")]
    pub largest: usize,
}

impl Options {
    /// Defaults for this queue.
    #[must_use]
    pub fn new(queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), prefetch: Self::default_prefetch(), largest: Self::default_largest() }
    }

    const fn default_prefetch() -> u32 {
        100
    }

    const fn default_largest() -> usize {
        64 << 20
    }
}

/// First and longest pause after the connection was lost.
const AWAY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// First and longest pause after the journal took nothing.
const HOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// So long is one message held while the journal takes nothing.
const HELD: Duration = Duration::from_secs(300);
/// A queue that messages are taken from.
pub struct Source {
    name: Arc<str>,
    server: Server,
    options: Options,
    intake: Intake,
    arriving: Arc<Arriving>,
    watch: Arc<dyn Watch>,
}

impl Source {
    /// Sets up; connects when it runs. `name` is the source's name in the journal and in metrics (`amqp:async`).
    ///
    /// # Errors
    /// If the settings are at fault.
    pub fn build(
        name: &str,
        server: Server,
        options: Options,
        intake: Intake,
        arriving: Arc<Arriving>,
        watch: Arc<dyn Watch>,
    ) -> Result<Self, Error> {
        server.check()?;
        Ok(Self { name: name.into(), server, options, intake, arriving, watch })
    }

    /// Runs until stopped, and connects again whenever the connection is lost; then what was offered is settled as
    /// intake tells of it. Intake must run on until this has ended.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(AWAY.0, AWAY.1);
        let mut away = false;
        while !stop.is_cancelled() {
            let Options { queue, largest, .. } = &self.options;
            let unsettled = SenderSettleMode::Unsettled;
            let attaching = Box::pin(Receiving::attach(&self.server, queue, *largest, unsettled));
            let Some(attached) = stop.run_until_cancelled(attaching).await else { return };
            let error = match attached {
                Ok(receiving) => {
                    self.watch.queue(&self.name, QueueNews::Reading);
                    if std::mem::take(&mut away) {
                        tracing::info!(source = %self.name, "The queue is read again.");
                    }
                    match Box::pin(Serving::new(&self, receiving).run(&stop)).await {
                        Ok(()) => return,
                        Err(lost) => {
                            if lost.settled {
                                backoff.reset();
                            }
                            lost.why
                        }
                    }
                }
                Err(error) => error.to_string(),
            };
            self.watch.queue(&self.name, QueueNews::Down(&error));
            if !std::mem::replace(&mut away, true) {
                tracing::error!(source = %self.name, error, "The queue cannot be read; it is tried again and again.");
            }
            stop.run_until_cancelled(sleep(backoff.pause())).await;
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("amqp10::Source").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The connection was lost.
struct Lost {
    why: String,
    /// It was of some use before.
    settled: bool,
}

impl Lost {
    fn of(error: &impl std::fmt::Display) -> Self {
        Self { why: words(error), settled: false }
    }
}

impl From<RecvError> for Lost {
    fn from(error: RecvError) -> Self {
        Self::of(&error)
    }
}

impl From<IllegalLinkStateError> for Lost {
    fn from(error: IllegalLinkStateError) -> Self {
        Self::of(&error)
    }
}

/// A message in hand.
struct Held {
    number: u64,
    info: DeliveryInfo,
    envelope: Envelope,
}

/// The one that is offered again while the journal takes nothing.
struct Kept {
    number: u64,
    since: Instant,
    /// It, and when it is offered again; none while it is being offered.
    waiting: Option<(Held, Instant)>,
}

type Tell = mpsc::UnboundedSender<(Held, Told)>; // bounded by the prefetch

/// One connection's worth of reading a queue.
struct Serving<'a> {
    source: &'a Source,
    receiving: Receiving,
    tell: Tell,
    told: mpsc::UnboundedReceiver<(Held, Told)>,
    /// Taken from the queue and not settled.
    in_hand: u32,
    appetite: Appetite,
    /// Taken from the queue so far.
    count: u64,
    /// Waits for room, then for intake.
    offering: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
    kept: Option<Kept>,
    hold: Backoff,
    settled: bool,
}

impl<'a> Serving<'a> {
    fn new(source: &'a Source, receiving: Receiving) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let most = usize::try_from(source.options.prefetch).unwrap_or(usize::MAX);
        Self {
            source,
            receiving,
            tell,
            told,
            in_hand: 0,
            appetite: Appetite::new(most, source.intake.budget()),
            count: 0,
            offering: None,
            kept: None,
            hold: Backoff::new(HOLD.0, HOLD.1),
            settled: false,
        }
    }

    async fn run(mut self, stop: &CancellationToken) -> Result<(), Lost> {
        let ended = self.serve(stop).await.map_err(|lost| Lost { settled: self.settled, ..lost });
        self.receiving.close().await;
        ended
    }

    /// Until stopped and everything offered is settled, or the connection is lost.
    async fn serve(&mut self, stop: &CancellationToken) -> Result<(), Lost> {
        self.ask_for_more().await?;
        loop {
            let stopping = stop.is_cancelled();
            if stopping {
                self.give_back_kept().await?;
                if self.in_hand == 0 {
                    return Ok(());
                }
            }
            let offering = self.offering.is_some();
            let again = self.kept.as_ref().and_then(|kept| kept.waiting.as_ref()).map(|(_, at)| *at);
            tokio::select! {
                Some(first) = self.told.recv() => self.settle(first, stopping).await?,
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() && !offering => {
                    self.offer_again().await?;
                }
                () = async { if let Some(offer) = &mut self.offering { offer.await } }, if offering => {
                    self.offering = None;
                }
                () = stop.cancelled(), if !stopping => {}
                received = self.receiving.next(), if !stopping && (!offering || self.kept.is_some()) => {
                    self.take(received?).await?;
                }
            }
        }
    }

    async fn take(&mut self, Received { info, content }: Received) -> Result<(), Lost> {
        self.in_hand += 1;
        if self.kept.is_some() {
            // It was asked for before.
            return self.give_back(vec![info]).await;
        }
        let source = self.source;
        source.watch.queue(&source.name, QueueNews::Came);
        let envelope = match content {
            Content::Message(bytes) => super::message::read(&bytes),
            Content::TooLarge => {
                let why = format!("is larger than {} bytes", source.options.largest);
                return self.reject(info, &why).await;
            }
            Content::Unreadable => return self.reject(info, "is no AMQP message").await,
        };
        self.count += 1;
        if self.appetite.came(envelope.body.len()) {
            self.ask_for_more().await?;
        }
        self.offer(Held { number: self.count, info, envelope });
        Ok(())
    }

    fn offer(&mut self, held: Held) {
        let (source, tell) = (self.source, self.tell.clone());
        self.offering = Some(Box::pin(async move {
            let budget = source.intake.budget();
            // One that is too large for any budget is judged too large, and counts as the largest.
            let size = held.envelope.body.len().min(budget.message_bytes());
            let Ok(room) = budget.reserve(size).await else { return };
            offer(source, held, room, tell).await;
        }));
    }

    /// Leaves a message that cannot be taken to the server, which keeps it where it keeps dead letters.
    async fn reject(&mut self, info: DeliveryInfo, why: &str) -> Result<(), Lost> {
        tracing::error!(
            source = %self.source.name,
            "A message on the queue {why}; it is rejected, and stands in the server's dead-letter queue."
        );
        self.receiving.receiver.reject(info, None).await.map_err(|error| Lost::of(&error))?;
        self.let_go(1).await
    }

    /// Settles what intake has told of, all at once.
    async fn settle(&mut self, first: (Held, Told), stopping: bool) -> Result<(), Lost> {
        let mut next = Some(first);
        let (mut taken, mut back) = (Vec::new(), Vec::new());
        while let Some((held, told)) = next {
            match told {
                Told::Taken(_) => {
                    if self.kept.as_ref().is_some_and(|kept| kept.number == held.number) {
                        self.kept = None;
                    }
                    taken.push(held.info);
                }
                Told::NotTaken(why) => back.extend(self.hold_back(held, &why, stopping)),
            }
            next = self.told.try_recv().ok();
        }
        if !back.is_empty() {
            self.give_back(back).await?;
        }
        let many = u32::try_from(taken.len()).unwrap_or(u32::MAX);
        if many > 0 {
            self.receiving.receiver.accept_all(taken).await.map_err(|error| Lost::of(&error))?;
            self.settled = true;
            if self.kept.is_none() {
                self.hold.reset();
            }
        }
        self.let_go(many).await
    }

    /// Keeps the first that the journal did not take; another goes back.
    fn hold_back(&mut self, held: Held, why: &NotTaken, stopping: bool) -> Option<DeliveryInfo> {
        let now = Instant::now();
        let first = self.kept.is_none();
        if stopping || self.kept.as_ref().is_some_and(|kept| kept.number != held.number) {
            return Some(held.info);
        }
        if first {
            tracing::warn!(source = %self.source.name, ?why, "The journal takes nothing; the queue keeps its messages.");
        }
        let number = held.number;
        let again = now + self.hold.pause();
        let since = self.kept.as_ref().map_or(now, |kept| kept.since);
        self.kept = Some(Kept { number, since, waiting: Some((held, again)) });
        None
    }

    /// Offers once more what is kept; gives it back when it was held for long, so that another is taken.
    async fn offer_again(&mut self) -> Result<(), Lost> {
        if self.kept.as_ref().is_some_and(|kept| kept.since.elapsed() > HELD) {
            return self.give_back_kept().await;
        }
        let waiting = self.kept.as_mut().and_then(|kept| kept.waiting.take());
        if let Some((held, _)) = waiting {
            self.offer(held);
        }
        Ok(())
    }

    async fn give_back_kept(&mut self) -> Result<(), Lost> {
        let Some((held, _)) = self.kept.as_mut().and_then(|kept| kept.waiting.take()) else { return Ok(()) };
        self.kept = None;
        self.give_back(vec![held.info]).await
    }

    /// Gives back to the queue.
    async fn give_back(&mut self, back: Vec<DeliveryInfo>) -> Result<(), Lost> {
        let many = u32::try_from(back.len()).unwrap_or(u32::MAX);
        self.receiving.receiver.release_all(back).await.map_err(|error| Lost::of(&error))?;
        self.let_go(many).await
    }

    async fn let_go(&mut self, many: u32) -> Result<(), Lost> {
        self.in_hand = self.in_hand.saturating_sub(many);
        self.ask_for_more().await
    }

    /// Lets the server send so many that never more are in hand than may be; not for each one alone, and none while the
    /// journal takes nothing. Only when everything has come that was asked for before: classic queues of RabbitMQ 3.x take what
    /// is asked for as coming on top of what is on its way.
    async fn ask_for_more(&mut self) -> Result<(), Lost> {
        if self.kept.is_some() {
            // What was asked for is not taken back: messages on their way then would be more than asked for, and end the link.
            return Ok(());
        }
        let most = u32::try_from(self.appetite.now()).unwrap_or(u32::MAX);
        let wanted = most.saturating_sub(self.in_hand);
        if self.receiving.receiver.credit() == 0 && wanted.saturating_mul(4) >= most {
            self.receiving.receiver.set_credit(wanted).await?;
        }
        Ok(())
    }
}

/// Offers one message; what becomes of it is told to the connection that it came by, if that is still there.
async fn offer(source: &Source, held: Held, room: Room, tell: Tell) {
    let arrival = (source.arriving)(&source.intake, held.envelope.clone());
    let tell = move |told| drop(tell.send((held, told)));
    source.intake.offer(arrival, room, tell).await;
}
