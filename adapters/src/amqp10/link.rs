//! Links: a receiving one that hands up raw messages, and a sending one that tells what became of each.

use super::opaque::{CUT, Opaque, WHOLE};
use super::server::{Error, Server, unique, words};
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::delivery::{DeliveryFut, DeliveryInfo};
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::link::{ReceiverAttachError, RecvError, SendError, SessionStopReason};
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{AmqpError, ErrorCondition, SenderSettleMode};
use fe2o3_amqp::types::messaging::message::Body;
use fe2o3_amqp::types::messaging::{Data, Message, Outcome};
use fe2o3_amqp::types::primitives::Value;
use fe2o3_amqp::{Receiver, Sender};
use std::time::Duration;
use tokio::time::timeout;

/// To end a link, a session and a connection in good order; what does not answer is left.
const FAREWELL: Duration = Duration::from_secs(2);

/// A message as the server handed it over, unsettled.
pub(super) struct Received {
    /// By what it is settled.
    pub(super) info: DeliveryInfo,
    pub(super) content: Content,
}

/// What came.
pub(super) enum Content {
    /// The encoded message, whole.
    Message(Vec<u8>),
    /// It is larger than any may be.
    TooLarge,
    /// The library could not make out a message at all.
    Unreadable,
}

/// A receiving link, on a connection of its own.
pub(super) struct Receiving {
    pub(super) receiver: Receiver,
    session: SessionHandle<()>,
    connection: ConnectionHandle<()>,
}

impl Receiving {
    /// Connects and attaches, without asking for messages yet. `settle` says who settles them: by `Settled`, the server
    /// itself does, as it sends them.
    pub(super) async fn attach(
        server: &Server,
        queue: &str,
        largest: usize,
        settle: SenderSettleMode,
    ) -> Result<Self, Error> {
        let mut connection = server.connect(|io| Opaque::new(io, largest)).await?;
        let mut session = server.begin(&mut connection).await?;
        let address = server.dialect.source(server.namespace.as_deref(), queue);
        let attaching = Receiver::builder()
            .name(unique("budstikke-in"))
            .source(address)
            .sender_settle_mode(settle)
            .credit_mode(CreditMode::Manual)
            .attach(&mut session);
        match Box::pin(timeout(server.patience, attaching)).await {
            Ok(Ok(receiver)) => Ok(Self { receiver, session, connection }),
            Ok(Err(error)) => Err(Error::NotAttached(words(&error))),
            Err(_) => Err(Error::TooSlow),
        }
    }

    /// The next message. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Received, RecvError> {
        match self.receiver.recv::<Body<Value>>().await {
            Ok(delivery) => {
                let (info, message) = delivery.into_parts();
                Ok(Received { info, content: content(message.body) })
            }
            Err(RecvError::MessageDecode(error)) => {
                Ok(Received { info: error.info, content: Content::Unreadable })
            }
            Err(error) => Err(error),
        }
    }

    /// Ends; what is not settled goes back to the queue.
    pub(super) async fn close(mut self) {
        let closing = async {
            // RabbitMQ 3.x answers with a detach that does not close, which the library calls an illegal state.
            drop(self.receiver.close().await);
            drop(self.session.end().await);
            drop(self.connection.close().await);
        };
        drop(timeout(FAREWELL, closing).await);
    }
}

/// Puts the pieces together that [`Opaque`] made.
fn content(body: Body<Value>) -> Content {
    let Body::Data(pieces) = body else { return Content::Unreadable };
    let mut message = Vec::new();
    for Data(piece) in pieces {
        match piece.split_first() {
            Some((&WHOLE, bytes)) => message.extend_from_slice(bytes),
            Some((&CUT, _)) => return Content::TooLarge,
            _ => return Content::Unreadable,
        }
    }
    Content::Message(message)
}

/// What there is to see of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is there.
    There,
    /// We may not read it, so nobody tells us.
    Hidden,
}

/// Sees that a queue is there, without taking anything from it, in a session that ends with that.
pub(super) async fn see(server: &Server, mut session: SessionHandle<()>, queue: &str) -> Result<Seen, Error> {
    let attaching = Receiver::builder()
        .name(unique("budstikke-look"))
        .source(server.dialect.source(server.namespace.as_deref(), queue))
        .credit_mode(CreditMode::Manual)
        .attach(&mut session);
    let seen = match Box::pin(timeout(server.patience, attaching)).await {
        Ok(Ok(receiver)) => {
            drop(timeout(FAREWELL, receiver.close()).await); // as above
            Ok(Seen::There)
        }
        Ok(Err(
            ReceiverAttachError::RemoteClosedWithError(said)
            | ReceiverAttachError::SessionStopped(SessionStopReason::RemoteEndedWithError(said)),
        )) if said.condition == ErrorCondition::AmqpError(AmqpError::UnauthorizedAccess) => Ok(Seen::Hidden),
        Ok(Err(error)) => Err(Error::NotAttached(words(&error))),
        Err(_) => Err(Error::TooSlow),
    };
    drop(timeout(FAREWELL, session.end()).await);
    seen
}

/// A sending link, in a session of its own.
pub(super) struct Sending {
    sender: Sender,
    /// It ends with the link.
    _session: SessionHandle<()>,
}

impl Sending {
    /// Attaches to an address.
    pub(super) async fn attach(
        server: &Server,
        mut session: SessionHandle<()>,
        address: &str,
    ) -> Result<Self, Error> {
        let attaching = Sender::builder().name(unique("budstikke-out")).target(address).attach(&mut session);
        match Box::pin(timeout(server.patience, attaching)).await {
            Ok(Ok(sender)) => Ok(Self { sender, _session: session }),
            Ok(Err(error)) => Err(Error::NotAttached(words(&error))),
            Err(_) => Err(Error::TooSlow),
        }
    }

    /// Sends; what the server says to it comes later. Once this was begun, the server may have the message.
    pub(super) async fn send(
        &mut self,
        message: Message<Data>,
    ) -> Result<DeliveryFut<Result<Outcome, SendError>>, SendError> {
        self.sender.send_batchable(message).await
    }
}
