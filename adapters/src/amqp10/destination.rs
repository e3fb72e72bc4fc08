//! Deliveries sent to queues, several at a time on each link, and each with the server's own word on it.

use super::connection::Connection;
use super::link::{Sending, see};
use super::message::write;
use super::server::Error;
use crate::queues::{Addressed, Addressing};
use broker_core::journal::Delivery;
use dead_letter::Attempt;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::types::definitions::{AmqpError, ErrorCondition, LinkError};
use fe2o3_amqp::types::messaging::Outcome;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// Links kept at one time; beyond it one that is not in use is given up.
const LINKS: usize = 200;
/// A queue that a server may lose messages to is looked for again after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Settings of a destination that is reached through a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// For the server's word on one delivery.
    pub timeout: Duration,
    /// The largest message that the server takes, in bytes.
    pub message_bytes: usize,
    /// It leads to the queues of many: what one of them lacks says nothing of the others, who must not wait for it.
    pub many: bool,
}

/// A destination that is reached over AMQP 1.0. Its links are kept and used again.
pub struct Destination {
    connection: Connection,
    options: Options,
    addressing: Arc<Addressing>,
    links: Mutex<HashMap<String, Arc<Mutex<Option<Link>>>>>,
}

struct Link {
    sending: Sending,
    /// Tells this link from one that takes its place.
    made: Instant,
    looked: Instant,
}

impl Destination {
    /// Sets up; attaches to queues only when something is sent.
    #[must_use]
    pub fn new(connection: Connection, options: Options, addressing: Arc<Addressing>) -> Self {
        Self { connection, options, addressing, links: Mutex::default() }
    }

    /// The place of the link to a queue, attached or not.
    async fn place(&self, queue: &str) -> Arc<Mutex<Option<Link>>> {
        let mut links = self.links.lock().await;
        if let Some(place) = links.get(queue) {
            return Arc::clone(place);
        }
        if links.len() >= LINKS {
            let idle = links.iter().find(|(_, place)| Arc::strong_count(place) == 1);
            if let Some(name) = idle.map(|(name, _)| name.clone()) {
                links.remove(&name);
            }
        }
        Arc::clone(links.entry(queue.to_owned()).or_default())
    }

    /// A link that is attached, and to a queue that is there.
    async fn ready<'a>(&self, queue: &str, place: &'a mut Option<Link>) -> Result<&'a mut Link, Error> {
        let server = self.connection.server();
        let look = server.dialect.loses_silently();
        if look && place.as_ref().is_none_or(|link| link.looked.elapsed() > LOOK_AGAIN) {
            *place = None;
            // One that is hidden from us counts as there.
            see(server, self.connection.session().await?, queue).await?;
        }
        match place {
            Some(link) => Ok(link),
            None => {
                let target = server.dialect.target(server.namespace.as_deref(), queue);
                let sending = Sending::attach(server, self.connection.session().await?, &target).await?;
                let now = Instant::now();
                Ok(place.insert(Link { sending, made: now, looked: now }))
            }
        }
    }

    /// What the server's word means. Its own text is not repeated.
    fn judge(&self, outcome: Outcome) -> Attempt {
        match outcome {
            Outcome::Accepted(_) => Attempt::HandedOver,
            Outcome::Released(_) => self.of_queue("the server has no queue for it"),
            Outcome::Modified(modified) if modified.undeliverable_here == Some(true) => {
                Attempt::Refused { why: "the server says that it cannot be delivered there".into() }
            }
            Outcome::Modified(_) => self.of_queue("the server gave it back"),
            Outcome::Rejected(rejected) => match rejected.error.map(|error| error.condition) {
                Some(ErrorCondition::LinkError(LinkError::MessageSizeExceeded)) => {
                    Attempt::Refused { why: "the server takes no message of this size".into() }
                }
                Some(ErrorCondition::AmqpError(AmqpError::DecodeError | AmqpError::InvalidField)) => {
                    Attempt::Refused { why: "the server cannot read the message".into() }
                }
                // A full queue, a missing right: what an operator mends, or time.
                _ => self.of_queue("the server rejected it"),
            },
        }
    }

    /// One queue did not take it: where there are others, that says nothing of them.
    fn of_queue(&self, why: &str) -> Attempt {
        if self.options.many { Attempt::ReceiverAway { why: why.into() } } else { retry(why) }
    }

    /// Forgets a link that failed, unless another has taken its place.
    async fn forget(place: &Mutex<Option<Link>>, made: Instant) {
        let mut place = place.lock().await;
        if place.as_ref().is_some_and(|link| link.made == made) {
            *place = None;
        }
    }
}

impl broker_core::ports::Destination for Destination {
    async fn send(&self, delivery: &Delivery) -> Attempt {
        let Addressed { queue, envelope } = match (self.addressing)(delivery) {
            Ok(addressed) => addressed,
            Err(attempt) => return attempt,
        };
        let (size, limit) = (envelope.body.len(), self.options.message_bytes);
        if size > limit {
            return Attempt::Refused { why: format!("{size} bytes; this server takes {limit} at most") };
        }
        let place = self.place(&queue).await;
        let unconfirmed;
        let (made, answer) = {
            let mut kept = place.lock().await;
            let link = match Box::pin(self.ready(&queue, &mut kept)).await {
                Ok(link) => link,
                // All that is for anybody goes through the exchange.
                Err(Error::NotAttached(why)) if why.contains("no exchange") => return retry(&why),
                Err(error @ Error::NotAttached(_)) => return self.of_queue(&error.to_string()),
                Err(error) => return retry(&error.to_string()),
            };
            let made = link.made;
            unconfirmed = self.connection.unconfirmed();
            match timeout(self.options.timeout, link.sending.send(write(&envelope))).await {
                Ok(Ok(answer)) => (made, answer),
                Ok(Err(SendError::MessageSizeExceeded(_) | SendError::MessageEncodeError)) => {
                    return Attempt::Refused { why: "the server takes no message of this size".into() };
                }
                Ok(Err(_)) => {
                    *kept = None;
                    return unsure("the link ended while the message was sent");
                }
                Err(_) => {
                    *kept = None;
                    return unsure("the server took no message in time");
                }
            }
        };
        let answer = timeout(self.options.timeout, answer).await;
        drop(unconfirmed);
        let why = match answer {
            Ok(Ok(outcome)) => return self.judge(outcome),
            Ok(Err(_)) => "the link ended before the server said what became of the message",
            Err(_) => "the server did not say in time what became of the message",
        };
        Self::forget(&place, made).await;
        unsure(why)
    }
}

fn retry(why: &str) -> Attempt {
    Attempt::Retry { why: why.into(), after: None }
}

fn unsure(why: &str) -> Attempt {
    Attempt::Unsure { why: why.into() }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("amqp10::Destination").field("connection", &self.connection).finish_non_exhaustive()
    }
}
