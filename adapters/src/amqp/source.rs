//! A queue as a source: read over the shared connection, tried again when it cannot be, and read another way when the
//! library cannot read what is in it.
//!
//! What ends a channel (no such queue, not allowed, the queue was deleted) stops this queue alone, is told with what to
//! do about it, and is tried again; what ends the connection is mended by the [`Link`].

use super::link::{Link, UNREADABLE, close};
use super::news::QueueNews;
use super::reading::{Ended, Reading};
use crate::backoff::Backoff;
use crate::intake::Intake;
use crate::queues::Arriving;
use lapin::Connection;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Settings of a queue that messages are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The name of the queue.
    pub queue: String,
    /// Messages taken and not yet settled, at most.
    pub prefetch: u16,
}

/// Reads the same queue in another way until it is told to stop (over AMQP 1.0), and hands what it reads to the same
/// intake under the same name.
pub type StandIn = dyn Fn(CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// First and longest pause before a queue that could not be read is tried again.
const AWAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A connection that is lost so soon after a queue began to be read, several times in a row, is lost because of what is in the
/// queue: some messages of AMQP 1.0 publishers make RabbitMQ 3.10 itself end the connection that it would write them to.
const SOON: Duration = Duration::from_secs(3);
/// How many times in a row.
const LOST_SOON: u32 = 2;
/// A queue that was read for so long was read well.
const GOOD: Duration = Duration::from_secs(10);
/// After an unreadable message somewhere on the shared connection, each queue has a connection of its own for so long,
/// so that it shows whose it is.
const APART: Duration = Duration::from_secs(60);
/// So long is a queue read by the stand-in before it is tried again.
const STOOD_IN: Duration = Duration::from_secs(60);

/// A queue that messages are taken from.
pub struct Source {
    pub(super) name: Arc<str>,
    pub(super) link: Link,
    pub(super) options: Options,
    pub(super) intake: Intake,
    pub(super) arriving: Arc<Arriving>,
    stand_in: Option<Arc<StandIn>>,
}

impl Source {
    /// Sets up; reads when it runs. `name` is the source's name in the journal and in metrics (`amqp:async`).
    #[must_use]
    pub fn new(
        name: &str,
        link: Link,
        options: Options,
        intake: Intake,
        arriving: Arc<Arriving>,
        stand_in: Option<Arc<StandIn>>,
    ) -> Self {
        Self { name: name.into(), link, options, intake, arriving, stand_in }
    }

    pub(super) fn tell(&self, news: QueueNews<'_>) {
        self.link.watcher().queue(&self.name, news);
    }

    /// Runs until stopped; then nothing more is taken from the queue, and what was offered is settled as intake tells of
    /// it. Intake must run on until this has ended.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(AWAY.0, AWAY.1);
        let (mut apart, mut lost_soon) = (false, 0u32);
        while !stop.is_cancelled() {
            let Some(connection) = stop.run_until_cancelled(self.connection(apart)).await else { return };
            let connection = match connection {
                Ok(connection) => connection,
                Err(why) => {
                    self.down(&why);
                    stop.run_until_cancelled(sleep(backoff.pause())).await;
                    continue;
                }
            };
            let since = Instant::now();
            let until = apart.then(|| since + APART);
            let ended = Box::pin(Reading::run(&self, &connection, until, &stop)).await;
            if matches!(ended, Ended::Silent) {
                self.down("the server answers no more where this queue is read");
            }
            // A silent channel holds on to what it was given until its connection ends.
            if apart || matches!(ended, Ended::Silent) {
                close(&connection).await;
            }
            if since.elapsed() >= GOOD {
                backoff.reset();
            }
            let soon = matches!(ended, Ended::Lost(_)) && since.elapsed() < SOON;
            lost_soon = if soon { lost_soon.saturating_add(1) } else { 0 };
            match ended {
                Ended::Stopped => return,
                Ended::Over => apart = false,
                Ended::Lost(why) if why != UNREADABLE && lost_soon < LOST_SOON => {
                    // The link says what it is, and when there is a connection again.
                    self.tell(QueueNews::Down(&why));
                    if apart {
                        stop.run_until_cancelled(sleep(backoff.pause())).await;
                    }
                }
                Ended::Lost(_) | Ended::Silent if !apart => (apart, lost_soon) = (true, 0),
                Ended::Lost(_) | Ended::Silent => {
                    self.unreadable(&stop, backoff.pause()).await;
                    lost_soon = 0;
                }
                Ended::Queue(why) => {
                    self.down(&why);
                    stop.run_until_cancelled(sleep(backoff.pause())).await;
                }
            }
        }
    }

    /// The shared connection, or one of our own.
    async fn connection(&self, apart: bool) -> Result<Arc<Connection>, String> {
        if !apart {
            return Ok(self.link.up().await);
        }
        let what = format!("{} {}", self.link.name(), self.name);
        self.link.server().connect(&what).await.map(Arc::new).map_err(|error| super::chain_of(&error))
    }

    fn down(&self, why: &str) {
        tracing::error!(source = %self.name, why, "The queue of {} cannot be read: {why}. It is tried again.", self.name);
        self.tell(QueueNews::Down(why));
    }

    /// The message at the head of this queue cannot be read by the library: another reads for a while.
    async fn unreadable(&self, stop: &CancellationToken, pause: Duration) {
        let Some(stand_in) = &self.stand_in else {
            self.down("the message at its head cannot be read over AMQP 0-9-1, and there is no connection over 1.0 to read it with");
            stop.run_until_cancelled(sleep(pause)).await;
            return;
        };
        let why =
            "the message at its head cannot be read over AMQP 0-9-1; the queue is read over 1.0 for a while";
        tracing::warn!(source = %self.name, "The queue of {}: {why}.", self.name);
        self.tell(QueueNews::Down(why));
        let enough = stop.child_token();
        let reading = stand_in(enough.clone());
        tokio::pin!(reading);
        if timeout(STOOD_IN, &mut reading).await.is_err() {
            enough.cancel();
            reading.await; // it settles what it has in hand
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("amqp::Source").field("name", &self.name).finish_non_exhaustive()
    }
}
