//! The ground that the AMQP library stands on: this program's runtime, and streams that we make ourselves.
//!
//! The library would bring a TLS stack of its own, and with it algorithms that nobody should use any more. It is
//! given a finished stream instead, so TLS is that of the whole program, and what the server sends passes [`Sane`].

use super::sane::Sane;
use async_rs::Tokio;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use futures_util::Stream as Values;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::compat::Compat;

/// A connection as the library sees it.
pub(super) type Stream = Compat<Sane<Io>>;

/// A connection, in the clear or in TLS.
pub(super) type Io = Box<dyn Both>;

/// Reads and writes.
pub(super) trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// Tasks on this program's runtime, streams of our own.
pub(super) type Kit = RuntimeParts<Tokio, Ours>;

/// On the runtime that calls this.
pub(super) fn kit() -> Kit {
    RuntimeParts::new(Tokio::current(), Ours(Tokio::current()))
}

/// Timers of the runtime; connections are made before the library is called, so it asks for none.
#[derive(Debug, Clone)]
pub(super) struct Ours(Tokio);

impl Reactor for Ours {
    type TcpStream = Stream;
    type Sleep = tokio::time::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl futures_util::AsyncRead + futures_util::AsyncWrite + Send + Unpin + 'static> {
        Err::<Stream, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, pause: Duration) -> Self::Sleep {
        self.0.sleep(pause)
    }

    fn interval(&self, every: Duration) -> impl Values<Item = Instant> + Send + 'static {
        self.0.interval(every)
    }

    fn tcp_connect_addr(
        &self,
        _: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}
