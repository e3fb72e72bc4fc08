//! A queue that is emptied for somebody who keeps nothing: a tool that measures, never the broker.

use super::envelope;
use super::publisher::advice;
use super::server::{Error, Server};
use amqp_profile::Envelope;
use futures_util::StreamExt;
use lapin::options::BasicConsumeOptions;
use lapin::types::{FieldTable, ShortString};
use lapin::{Connection, Consumer};
use std::fmt;
use tokio::time::timeout;

/// What comes on a queue. What was taken is gone.
pub struct Tap {
    consumer: Consumer,
    _connection: Connection,
}

impl Tap {
    /// Connects, and begins to take.
    ///
    /// # Errors
    /// If the server or the queue cannot be used.
    pub async fn open(server: &Server, queue: &str) -> Result<Self, Error> {
        let connection = server.connect("tap").await?;
        let opening = async {
            let channel = connection.create_channel().await?;
            let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
            let (queue, tag) = (ShortString::from(queue), ShortString::default());
            channel.basic_consume(queue, tag, options, FieldTable::default()).await
        };
        match timeout(server.patience, opening).await {
            Ok(Ok(consumer)) => Ok(Self { consumer, _connection: connection }),
            Ok(Err(error)) => Err(Error::Unusable(advice(&error))),
            Err(_) => Err(Error::TooSlow),
        }
    }

    /// The next message; none once the connection is lost. Cancel safe.
    pub async fn next(&mut self) -> Option<Envelope> {
        let mut delivery = self.consumer.next().await?.ok()?;
        let mut envelope = envelope::read(&delivery);
        envelope.body = envelope::body(&mut delivery);
        Some(envelope)
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("amqp::Tap")
    }
}
