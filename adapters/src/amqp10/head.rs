//! The first message of a queue, taken by itself: for one that another client cannot read.
//!
//! RabbitMQ 3.x gives a `uuid` message id to AMQP 0-9-1 consumers as raw bytes, at which some clients end their
//! connection; over AMQP 1.0 the same message is read like any other.

use super::link::{Content, Received, Receiving};
use super::message::read;
use super::server::{Error, Server};
use amqp_profile::Envelope;
use std::fmt;
use tokio::time::timeout;

/// The largest message that is taken, in bytes; a larger one is told as such.
const LARGEST: usize = 256 << 20;

/// A message at the head of its queue. Dropped, it is the head again.
pub struct Head {
    /// What came. `overlong` names `message` if it is no AMQP message; it is then all body.
    pub envelope: Envelope,
    received: fe2o3_amqp::link::delivery::DeliveryInfo,
    receiving: Receiving,
}

/// The message at the head of a queue; none if the queue is empty.
///
/// # Errors
/// If the server or the queue cannot be used.
pub async fn head(server: &Server, queue: &str) -> Result<Option<Head>, Error> {
    server.check()?;
    let mut receiving = Box::pin(Receiving::attach(server, queue, LARGEST)).await?;
    let lost = |error: &dyn fmt::Display| Error::NotAttached(error.to_string());
    receiving.receiver.set_credit(1).await.map_err(|error| lost(&error))?;
    let received = timeout(server.patience, receiving.next()).await;
    let Ok(received) = received else {
        receiving.close().await;
        return Ok(None);
    };
    let Received { info, content } = received.map_err(|error| lost(&error))?;
    let envelope = match content {
        Content::Message(bytes) => read(&bytes),
        Content::TooLarge | Content::Unreadable => {
            Envelope { overlong: vec!["message".into()], ..Envelope::default() }
        }
    };
    Ok(Some(Head { envelope, received: info, receiving }))
}

impl Head {
    /// Takes it off the queue: whoever calls has it durably.
    ///
    /// # Errors
    /// If the connection is gone; then it is the head again.
    pub async fn taken(self) -> Result<(), Error> {
        let taken = self.receiving.receiver.accept(self.received).await;
        self.receiving.close().await;
        taken.map_err(|error| Error::NotAttached(error.to_string()))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head").field("envelope", &self.envelope).finish_non_exhaustive()
    }
}
