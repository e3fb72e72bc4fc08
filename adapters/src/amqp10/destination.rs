//! Deliveries sent to queues, several at a time on each link, and each with the server's own word on it.

use super::link::{Sending, see};
use super::message::write;
use super::server::{Error, Server};
use crate::queues::{Addressed, Addressing};
use broker_core::journal::Delivery;
use dead_letter::Attempt;
use fe2o3_amqp::connection::ConnectionHandle;
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

/// A destination that is reached over AMQP 1.0. Connection and links are kept and used again.
pub struct Destination {
    server: Server,
    addressing: Arc<Addressing>,
    /// For the server's word on one delivery.
    patience: Duration,
    connection: Mutex<Option<ConnectionHandle<()>>>,
    links: Mutex<HashMap<String, Arc<Mutex<Option<Link>>>>>,
}

struct Link {
    sending: Sending,
    /// Tells this link from one that takes its place.
    made: Instant,
    looked: Instant,
}

impl Destination {
    /// Sets up; connects only when something is sent.
    ///
    /// # Errors
    /// If the settings are at fault.
    pub fn build(server: Server, addressing: Arc<Addressing>, patience: Duration) -> Result<Self, Error> {
        server.check()?;
        Ok(Self { server, addressing, patience, connection: Mutex::default(), links: Mutex::default() })
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
        let (namespace, dialect) = (self.server.namespace.as_deref(), self.server.dialect);
        let look = dialect.loses_silently();
        if look && place.as_ref().is_none_or(|link| link.looked.elapsed() > LOOK_AGAIN) {
            *place = None;
            self.connected(async |connection| see(&self.server, connection, queue).await).await?;
        }
        match place {
            Some(link) => Ok(link),
            None => {
                let target = dialect.target(namespace, queue);
                let attaching =
                    async |connection: &mut _| Sending::attach(&self.server, connection, &target).await;
                let sending = self.connected(attaching).await?;
                let now = Instant::now();
                Ok(place.insert(Link { sending, made: now, looked: now }))
            }
        }
    }

    /// Does something with the connection, which is made if there is none.
    async fn connected<T>(
        &self,
        what: impl AsyncFnOnce(&mut ConnectionHandle<()>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut kept = self.connection.lock().await;
        if kept.as_ref().is_none_or(ConnectionHandle::is_closed) {
            *kept = None;
        }
        let connection = match &mut *kept {
            Some(connection) => connection,
            None => kept.insert(self.server.connect(|io| io).await?),
        };
        let done = what(connection).await;
        if matches!(done, Err(Error::TooSlow | Error::NotOpened(_))) {
            *kept = None;
        }
        done
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
        let place = self.place(&queue).await;
        let (made, answer) = {
            let mut kept = place.lock().await;
            let link = match Box::pin(self.ready(&queue, &mut kept)).await {
                Ok(link) => link,
                Err(error) => return retry(&error.to_string()),
            };
            let made = link.made;
            match timeout(self.patience, link.sending.send(write(&envelope))).await {
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
        let why = match timeout(self.patience, answer).await {
            Ok(Ok(outcome)) => return judge(outcome),
            Ok(Err(_)) => "the link ended before the server said what became of the message",
            Err(_) => "the server did not say in time what became of the message",
        };
        Self::forget(&place, made).await;
        unsure(why)
    }
}

/// What the server's word means. Its own text is not repeated.
fn judge(outcome: Outcome) -> Attempt {
    match outcome {
        Outcome::Accepted(_) => Attempt::HandedOver,
        Outcome::Released(_) => retry("the server has no queue for it"),
        Outcome::Modified(modified) if modified.undeliverable_here == Some(true) => {
            Attempt::Refused { why: "the server says that it cannot be delivered there".into() }
        }
        Outcome::Modified(_) => retry("the server gave it back"),
        Outcome::Rejected(rejected) => match rejected.error.map(|error| error.condition) {
            Some(ErrorCondition::LinkError(LinkError::MessageSizeExceeded)) => {
                Attempt::Refused { why: "the server takes no message of this size".into() }
            }
            Some(ErrorCondition::AmqpError(AmqpError::DecodeError | AmqpError::InvalidField)) => {
                Attempt::Refused { why: "the server cannot read the message".into() }
            }
            // A full queue, a missing right: what an operator mends, or time.
            _ => retry("the server rejected it"),
        },
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
        f.debug_struct("amqp10::Destination").field("host", &self.server.host).finish_non_exhaustive()
    }
}
