//! Systems around the broker that speak AMQP 0-9-1, as careful ones do, with a client that is not the broker's adapter: one
//! puts messages into a queue, one reads a queue.

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Longer than any answer of a server that is well.
const PATIENCE: Duration = Duration::from_secs(5);

/// Messages that a reader holds and has not acknowledged, at most.
const PREFETCH: u16 = 20;

/// What a server said to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It has it.
    Confirmed,
    /// It does not take it: the queue is full, or there is none.
    Refused,
    /// Nothing, or the connection ended: it may have it or not.
    Silent,
}

/// Puts messages into queues: persistent, mandatory, one at a time, each until the server confirms.
#[derive(Debug)]
pub struct Publisher {
    url: String,
    /// Made anew whenever anything goes wrong on it.
    open: Option<(Connection, Channel)>,
    runtime: Runtime,
}

impl Publisher {
    /// To the server at this address, which names a virtual host, a user and a password. It connects when it has something
    /// to send.
    ///
    /// # Panics
    /// If there can be no runtime.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self { runtime: runtime(), url, open: None }
    }

    /// Offers one message under this id.
    pub fn put(&mut self, queue: &str, id: &str, bytes: &[u8]) -> Put {
        let (url, open) = (&self.url, &mut self.open);
        let attempt = async {
            let channel = match open {
                Some((_, channel)) if channel.status().connected() => channel,
                _ => {
                    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
                    let channel = connection.create_channel().await?;
                    channel.confirm_select(ConfirmSelectOptions::default()).await?;
                    &open.insert((connection, channel)).1
                }
            };
            let properties = BasicProperties::default()
                .with_delivery_mode(2)
                .with_message_id(id.into())
                .with_content_type("application/xml".into());
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let confirm =
                channel.basic_publish("".into(), queue.into(), options, bytes, properties).await?.await?;
            // A message that comes back was for a queue that is not there: it is confirmed, and lost.
            Ok::<_, lapin::Error>(if matches!(confirm, Confirmation::Ack(None)) {
                Put::Confirmed
            } else {
                Put::Refused
            })
        };
        let said = self.runtime.block_on(async { timeout(PATIENCE, attempt).await });
        said.ok().and_then(Result::ok).unwrap_or_else(|| {
            // On a connection that failed or is silent nothing can be believed any more.
            self.open = None;
            Put::Silent
        })
    }
}

/// A message as a reader got it.
#[derive(Debug)]
pub struct Came(Delivery);

impl Came {
    /// What the sender calls it: the same when it is sent again.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.properties.message_id().as_ref().map_or("", |id| id.as_str())
    }

    /// What it holds.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.data
    }

    /// What kind of content it is.
    #[must_use]
    pub fn content_type(&self) -> &str {
        self.0.properties.content_type().as_ref().map_or("", |kind| kind.as_str())
    }

    /// A header with text in it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let value = self.0.properties.headers().as_ref()?.inner().get(name)?;
        let AMQPValue::LongString(text) = value else { return None };
        Some(String::from_utf8_lossy(text.as_bytes()).into_owned())
    }
}

/// Reads a queue until it is dropped, and comes back to it whenever the server was away. A message is acknowledged when it
/// was taken; what was handed over and not acknowledged comes again.
pub struct Reader(Arc<Reading>);

struct Reading {
    url: String,
    queue: String,
    held: AtomicBool,
    stop: AtomicBool,
    take: Box<dyn Fn(&Came) + Send + Sync>,
}

impl Reader {
    /// Reads from now on, in a thread of its own; `take` gets every message, repeats too.
    #[must_use]
    pub fn start(url: String, queue: &str, take: impl Fn(&Came) + Send + Sync + 'static) -> Self {
        let reading = Arc::new(Reading {
            url,
            queue: queue.to_owned(),
            held: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            take: Box::new(take),
        });
        let works = Arc::clone(&reading);
        std::thread::spawn(move || works.run());
        Self(reading)
    }

    /// Does not read as long as it is held: the queue fills up.
    pub fn hold(&self, held: bool) {
        self.0.held.store(held, Ordering::Relaxed);
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("queue", &self.0.queue).finish_non_exhaustive()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

impl Reading {
    fn run(&self) {
        let runtime = runtime();
        while !self.stop.load(Ordering::Relaxed) {
            if self.reads() {
                // The server is away now and then; that is what is tested.
                runtime.block_on(self.read()).ok();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        runtime.shutdown_background();
    }

    fn reads(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && !self.held.load(Ordering::Relaxed)
    }

    /// Until the connection ends, or it is to read no more.
    async fn read(&self) -> lapin::Result<()> {
        let begin = async {
            let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
            let options = BasicConsumeOptions::default();
            let coming = channel
                .basic_consume(self.queue.as_str().into(), "".into(), options, FieldTable::default())
                .await?;
            Ok::<_, lapin::Error>((connection, channel, coming))
        };
        let Ok(begun) = timeout(PATIENCE, begin).await else { return Ok(()) };
        let (connection, _channel, mut coming) = begun?;
        while self.reads() {
            let Ok(next) = timeout(Duration::from_millis(200), coming.next()).await else { continue };
            let Some(came) = next else { break };
            let came = Came(came?);
            // It may do anything, also send to a queue.
            tokio::task::block_in_place(|| (self.take)(&came));
            let acknowledged = timeout(PATIENCE, came.0.ack(BasicAckOptions::default())).await;
            // A server that is silent now is away: what it did not hear comes again on the next connection.
            let Ok(acknowledged) = acknowledged else { return Ok(()) };
            acknowledged?;
        }
        // A server that does not answer will notice by itself.
        timeout(PATIENCE, connection.close(200, "done".into())).await.unwrap_or(Ok(()))
    }
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime")
}
