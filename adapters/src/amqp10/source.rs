//! Messages taken from a queue: offered to intake as they come, settled when intake tells what became of them.

use super::link::{Content, Received, Receiving};
use super::server::{Error, Server};
use crate::amqp::{QueueNews, Watch};
use crate::backoff::Backoff;
use crate::budget::Room;
use crate::intake::{Intake, Told};
use crate::queues::Arriving;
use amqp_profile::Envelope;
use broker_core::ports::NotTaken;
use fe2o3_amqp::link::delivery::DeliveryInfo;
use fe2o3_amqp::link::{IllegalLinkStateError, RecvError};
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
}

impl Options {
    /// Defaults for this queue.
    #[must_use]
    pub fn new(queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), prefetch: Self::default_prefetch() }
    }

    const fn default_prefetch() -> u32 {
        100
    }
}

/// First and longest pause after the connection was lost.
const AWAY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// First and longest pause before messages that the journal did not take are given back to their queue.
const HOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// What a message may be larger than its content: its properties.
const ENVELOPE_BYTES: usize = 1 << 20;

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
            let largest = self.intake.budget().message_bytes().saturating_add(ENVELOPE_BYTES);
            let attaching = Box::pin(Receiving::attach(&self.server, &self.options.queue, largest));
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

/// The connection was lost.
struct Lost {
    why: String,
    /// It was of some use before.
    settled: bool,
}

impl Lost {
    fn of(error: &impl std::fmt::Display) -> Self {
        Self { why: error.to_string(), settled: false }
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

/// One connection's worth of reading a queue.
struct Serving<'a> {
    source: &'a Source,
    receiving: Receiving,
    tell: mpsc::UnboundedSender<(DeliveryInfo, Told)>, // bounded by the prefetch
    told: mpsc::UnboundedReceiver<(DeliveryInfo, Told)>,
    /// Taken from the queue and not settled.
    in_hand: u32,
    /// Waits for room, then for intake.
    offering: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
    /// To be given back, and when.
    held: Vec<DeliveryInfo>,
    release_at: Instant,
    hold: Backoff,
    settled: bool,
}

impl<'a> Serving<'a> {
    fn new(source: &'a Source, receiving: Receiving) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            source,
            receiving,
            tell,
            told,
            in_hand: 0,
            offering: None,
            held: Vec::new(),
            release_at: Instant::now(),
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
            if stopping && self.in_hand == 0 {
                return Ok(());
            }
            let (offering, holding) = (self.offering.is_some(), !self.held.is_empty());
            tokio::select! {
                Some(first) = self.told.recv() => self.settle(first).await?,
                () = sleep_until(self.release_at), if holding => self.give_back().await?,
                () = async { if let Some(offer) = &mut self.offering { offer.await } }, if offering => {
                    self.offering = None;
                }
                () = stop.cancelled(), if !stopping => {
                    self.release_at = Instant::now();
                }
                received = self.receiving.next(), if !offering && !holding && !stopping => {
                    self.take(received?).await?;
                }
            }
        }
    }

    async fn take(&mut self, Received { info, content }: Received) -> Result<(), Lost> {
        self.in_hand += 1;
        let source = self.source;
        source.watch.queue(&source.name, QueueNews::Came);
        let envelope = match content {
            Content::Message(bytes) => super::message::read(&bytes),
            Content::TooLarge => {
                let limit = source.intake.budget().message_bytes();
                return self.reject(info, &format!("is larger than {limit} bytes")).await;
            }
            Content::Unreadable => return self.reject(info, "is no AMQP message").await,
        };
        let size = envelope.body.len();
        if size > source.intake.budget().message_bytes() {
            let limit = source.intake.budget().message_bytes();
            return self.reject(info, &format!("is larger than {limit} bytes")).await;
        }
        let tell = self.tell.clone();
        self.offering = Some(Box::pin(async move {
            let Ok(room) = source.intake.budget().reserve(size).await else { return };
            offer(source, envelope, room, info, tell).await;
        }));
        Ok(())
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
    async fn settle(&mut self, first: (DeliveryInfo, Told)) -> Result<(), Lost> {
        let mut next = Some(first);
        let mut taken = Vec::new();
        while let Some((info, told)) = next {
            match told {
                Told::Taken(_) => taken.push(info),
                Told::NotTaken(why) => self.hold_back(info, &why),
            }
            next = self.told.try_recv().ok();
        }
        if taken.is_empty() {
            return Ok(());
        }
        let many = u32::try_from(taken.len()).unwrap_or(u32::MAX);
        self.receiving.receiver.accept_all(taken).await.map_err(|error| Lost::of(&error))?;
        self.settled = true;
        self.hold.reset();
        self.let_go(many).await
    }

    fn hold_back(&mut self, info: DeliveryInfo, why: &NotTaken) {
        if self.held.is_empty() {
            self.release_at = Instant::now() + self.hold.pause();
            tracing::warn!(source = %self.source.name, ?why, "The journal takes nothing; the queue keeps its messages.");
        }
        self.held.push(info);
    }

    /// Gives back to the queue what the journal did not take.
    async fn give_back(&mut self) -> Result<(), Lost> {
        let held = std::mem::take(&mut self.held);
        let many = u32::try_from(held.len()).unwrap_or(u32::MAX);
        self.receiving.receiver.release_all(held).await.map_err(|error| Lost::of(&error))?;
        self.let_go(many).await
    }

    async fn let_go(&mut self, many: u32) -> Result<(), Lost> {
        self.in_hand = self.in_hand.saturating_sub(many);
        self.ask_for_more().await
    }

    /// Lets the server send so many that never more than the prefetch are in hand; not for each one alone.
    async fn ask_for_more(&mut self) -> Result<(), Lost> {
        let prefetch = self.source.options.prefetch.max(1);
        let wanted = prefetch.saturating_sub(self.in_hand);
        let given = self.receiving.receiver.credit();
        if wanted > given && (wanted - given) * 4 >= prefetch {
            self.receiving.receiver.set_credit(wanted).await?;
        }
        Ok(())
    }
}

/// Offers one message; what becomes of it is told to the connection that it came by, if that is still there.
async fn offer(
    source: &Source,
    envelope: Envelope,
    room: Room,
    info: DeliveryInfo,
    tell: mpsc::UnboundedSender<(DeliveryInfo, Told)>,
) {
    let arrival = (source.arriving)(&source.intake, envelope);
    let tell = move |told| drop(tell.send((info, told)));
    source.intake.offer(arrival, room, tell).await;
}
