//! Deliveries sent to queues, pipelined, each with the server's own word on it.

use super::envelope::write;
use super::link::Link;
use super::publisher::{Options as Publishing, Outcome, Publication, Publisher};
use super::server::Error;
use crate::queues::Addressing;
use broker_core::journal::Delivery;
use dead_letter::Attempt;
use lapin::types::ShortString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a destination that is reached through a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The exchange that messages are sent through, case-sensitive; none for straight to queues.
    pub exchange: Option<String>,
    /// For the server's word on one delivery.
    pub timeout: Duration,
    /// Messages under way at one time.
    pub window: usize,
    /// The largest message that the server takes, in bytes.
    pub message_bytes: usize,
    /// It leads to the queues of many: what one of them lacks says nothing of the others, who must not wait for it.
    pub many: bool,
}

/// A destination that is reached over AMQP 0-9-1.
pub struct Destination {
    publisher: Publisher,
    addressing: Arc<Addressing>,
    options: Options,
    name: Arc<str>,
}

impl Destination {
    /// Sets up; publishes on the link's connection whenever there is one. Must be called on a runtime.
    ///
    /// # Errors
    /// If the exchange's name is longer than AMQP can carry.
    pub fn build(link: Link, options: Options, addressing: Arc<Addressing>) -> Result<Self, Error> {
        let exchange = ShortString::try_new(options.exchange.clone().unwrap_or_default())
            .map_err(|_| Error::Unusable("the exchange's name is longer than 255 bytes".to_owned()))?;
        let name = link.name().into();
        let publisher = Publisher::new(link, Publishing { exchange, window: options.window.max(1) });
        Ok(Self { publisher, addressing, options, name })
    }
}

impl broker_core::ports::Destination for Destination {
    async fn send(&self, delivery: &Delivery) -> Attempt {
        let addressed = match (self.addressing)(delivery) {
            Ok(addressed) => addressed,
            Err(attempt) => return attempt,
        };
        let (size, limit) = (addressed.envelope.body.len(), self.options.message_bytes);
        if size > limit {
            return Attempt::Refused { why: format!("{size} bytes; this server takes {limit} at most") };
        }
        let refused = |why: String| Attempt::Refused { why };
        let properties = match write(&addressed.envelope) {
            Ok(properties) => properties,
            Err(too_long) => return refused(too_long.to_string()),
        };
        let Ok(routing_key) = ShortString::try_new(addressed.queue) else {
            return refused("the queue's name is longer than 255 bytes".to_owned());
        };
        let id = addressed.envelope.message_id.unwrap_or_default().into();
        let publication = Publication { routing_key, properties, body: addressed.envelope.body, id };
        let retry = |why| Attempt::Retry { why, after: None };
        let of_queue = |why| if self.options.many { Attempt::ReceiverAway { why } } else { retry(why) };
        match self.publisher.publish(publication, self.options.timeout).await {
            Outcome::Taken => Attempt::HandedOver,
            Outcome::NotTaken(why) => retry(why),
            Outcome::Declined(why) => of_queue(why),
            Outcome::Unroutable(said) => {
                let why = format!(
                    "no queue takes it ({said}): look at the queue's name, and at upper and lower case in it"
                );
                // A queue may be made any moment, so this is no refusal for good.
                of_queue(why)
            }
            Outcome::Refused(why) => refused(why),
            Outcome::Unsure(why) => Attempt::Unsure { why },
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("amqp::Destination").field("connection", &self.name).finish_non_exhaustive()
    }
}
