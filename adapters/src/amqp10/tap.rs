//! A queue that is emptied for somebody who keeps nothing: a tool that measures, never the broker.

use super::link::{Content, Received, Receiving};
use super::message::read;
use super::server::{Error, Server, words};
use amqp_profile::Envelope;
use fe2o3_amqp::link::IllegalLinkStateError;
use fe2o3_amqp::types::definitions::SenderSettleMode;
use std::fmt;

/// The largest message that is taken, in bytes; larger ones are passed over.
const LARGEST: usize = 256 << 20;
/// Messages that the server may send ahead.
const AHEAD: u32 = 200;

/// What comes on a queue. What was taken is gone.
pub struct Tap {
    receiving: Receiving,
    /// Of what the server may send ahead, so many have come.
    came: u32,
}

impl Tap {
    /// Connects, and begins to take.
    ///
    /// # Errors
    /// If the server or the queue cannot be used.
    pub async fn open(server: &Server, queue: &str) -> Result<Self, Error> {
        server.check()?;
        let mut receiving =
            Box::pin(Receiving::attach(server, queue, LARGEST, SenderSettleMode::Settled)).await?;
        let lost = |error: IllegalLinkStateError| Error::NotAttached(words(&error));
        receiving.receiver.set_credit(AHEAD).await.map_err(lost)?;
        Ok(Self { receiving, came: 0 })
    }

    /// The next message; none once the connection is lost.
    pub async fn next(&mut self) -> Option<Envelope> {
        loop {
            let Received { content, .. } = self.receiving.next().await.ok()?;
            self.came += 1;
            if self.came >= AHEAD / 2 {
                self.came = 0;
                self.receiving.receiver.set_credit(AHEAD).await.ok()?;
            }
            if let Content::Message(bytes) = content {
                return Some(read(&bytes));
            }
        }
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("amqp10::Tap")
    }
}
