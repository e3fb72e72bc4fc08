//! What happens at a server, told to whoever watches: metrics and health are made of it.

use std::fmt;

/// Which way messages go over a connection. Each way has a connection of its own, so that a server that takes nothing
/// more from us (a full disk) still gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the server to us.
    In,
    /// From us to the server.
    Out,
}

impl Direction {
    /// As metrics and connection names have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that happened. Texts are the server's own or ours, and hold nothing of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'n> {
    /// Connected.
    Connected,
    /// There is no connection; it is tried again and again. Told at every attempt that fails.
    Lost(&'n str),
    /// The server takes nothing more for now; why it says so.
    Blocked(&'n str),
    /// It takes messages again.
    Unblocked,
    /// So many messages are sent and not yet confirmed, over all destinations of the connection.
    Unconfirmed(usize),
}

/// Something that happened at one queue that we read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueNews<'n> {
    /// It is being read.
    Reading,
    /// It cannot be read, and is tried again later.
    Down(&'n str),
    /// A message came.
    Came,
    /// So many messages wait in it, without those that were given out.
    Depth(u64),
}

/// Who is told. Called from many tasks; returns at once.
pub trait Watch: Send + Sync + 'static {
    /// Of a connection, by its name in the configuration.
    fn connection(&self, name: &str, direction: Direction, news: News<'_>);
    /// Of a queue, by its source's name (`amqp:inbox`).
    fn queue(&self, source: &str, news: QueueNews<'_>);
}

/// Nobody is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Watch for Nobody {
    fn connection(&self, _: &str, _: Direction, _: News<'_>) {}
    fn queue(&self, _: &str, _: QueueNews<'_>) {}
}
