//! The listening side: settings, connections, and their end.

use super::answers::{App, router};
use super::body::Patience;
use crate::durations;
use crate::intake::Intake;
use crate::secret::{self, Tokens};
use crate::tls;
use axum::Router;
use broker_core::ports::Store;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Settings of the HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where to listen. Anything but this machine itself needs `token_file`.
    pub listen: SocketAddr,
    /// File with the bearer tokens that open `/v1`, one a line; read again when it changes. Without it
    /// everybody on this machine may send and read.
    pub token_file: Option<PathBuf>,
    /// Speak TLS.
    pub tls: Option<tls::ServerOptions>,
    /// Connections at one time; further ones wait to be accepted.
    pub max_connections: usize,
    /// For a request's head, for the TLS handshake, and for the next request on an open connection.
    #[serde(with = "durations::required")]
    pub header_timeout: Duration,
    /// Between two pieces of a body.
    #[serde(with = "durations::required")]
    pub body_idle_timeout: Duration,
    /// For a whole body.
    #[serde(with = "durations::required")]
    pub body_timeout: Duration,
    /// How long a message waits for room in the budget, and then for intake, before the client is told to
    /// come back.
    #[serde(with = "durations::required")]
    pub busy_wait: Duration,
    /// How long a client is kept waiting for the commit.
    #[serde(with = "durations::required")]
    pub commit_timeout: Duration,
    /// How long requests in hand may take once we are stopping.
    #[serde(with = "durations::required")]
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8460)),
            token_file: None,
            tls: None,
            max_connections: 512,
            header_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(300),
            busy_wait: Duration::from_secs(2),
            commit_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

impl Options {
    /// Finds faults without opening a port: the address, the token file, certificate and key.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), Error> {
        self.parts().map(drop)
    }

    fn parts(&self) -> Result<(Option<Tokens>, Option<TlsAcceptor>), Error> {
        if self.token_file.is_none() && !self.listen.ip().is_loopback() {
            return Err(Error::OpenToOthers { listen: self.listen });
        }
        let tokens = self.token_file.as_deref().map(Tokens::read).transpose()?;
        let tls = self.tls.as_ref().map(tls::server).transpose()?.map(TlsAcceptor::from);
        Ok((tokens, tls))
    }
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Patients' messages would be open to everybody who can reach the address.
    #[error("listening on {listen}, which others can reach, needs `token_file`")]
    OpenToOthers {
        /// The address.
        listen: SocketAddr,
    },
    /// The token file.
    #[error(transparent)]
    Token(#[from] secret::Error),
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The port cannot be had.
    #[error("cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// What the process itself answers.
#[derive(Clone)]
pub struct Hooks {
    /// Ready to take messages; if not, why, in a sentence.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// All metrics, as Prometheus reads them.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// The HTTP server: a source of messages, and the window on what became of them.
pub struct Source {
    options: Options,
    listener: TcpListener,
    router: Router,
    tokens: Option<Tokens>,
    tls: Option<TlsAcceptor>,
}

impl Source {
    /// Opens the port; nothing is answered before [`Source::run`]. `name` is the source's name in the journal
    /// and in metrics (`http`).
    ///
    /// # Errors
    /// If the settings are at fault or the port cannot be had.
    pub async fn bind<S: Store>(
        name: &str,
        options: Options,
        intake: Intake,
        store: Arc<S>,
        hooks: Hooks,
    ) -> Result<Self, Error> {
        let (tokens, tls) = options.parts()?;
        let listen = options.listen;
        let listener = TcpListener::bind(listen).await.map_err(|source| Error::Listen { listen, source })?;
        let router = router(Arc::new(App {
            name: name.to_owned(),
            intake,
            store,
            hooks,
            tokens: tokens.clone(),
            patience: Patience {
                idle: options.body_idle_timeout,
                whole: options.body_timeout,
                room: options.busy_wait,
            },
            commit_timeout: options.commit_timeout,
        }));
        Ok(Self { options, listener, router, tokens, tls })
    }

    /// Where it listens, with the port that was given.
    ///
    /// # Errors
    /// If the system cannot tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until stopped; then no connection is accepted, and requests in hand are finished within
    /// `drain`. Intake must run on until this has ended.
    pub async fn run(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        if let Some(tokens) = self.tokens.clone() {
            tasks.spawn(tokens.keep_fresh(stop.clone()));
        }
        let connections = Arc::new(Semaphore::new(self.options.max_connections.max(1)));
        let graceful = GracefulShutdown::new();
        while let Some(slot) = stop.run_until_cancelled(Arc::clone(&connections).acquire_owned()).await {
            let accepted = match stop.run_until_cancelled(self.listener.accept()).await {
                Some(Ok((stream, _))) => stream,
                Some(Err(error)) => {
                    // Mostly: no file descriptor left. It passes when connections end.
                    tracing::warn!(%error, "A connection could not be accepted.");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
                None => break,
            };
            let serve = Connection {
                router: self.router.clone(),
                tls: self.tls.clone(),
                header_timeout: self.options.header_timeout,
                watcher: graceful.watcher(),
            };
            tasks.spawn(async move {
                serve.serve(accepted).await;
                drop(slot);
            });
        }
        drop(self.listener);
        let drained = timeout(self.options.drain, graceful.shutdown()).await.is_ok();
        if !drained {
            tracing::warn!(grace = ?self.options.drain, "Some HTTP requests were not finished in time; their clients send them again.");
        }
    }
}

/// One connection.
struct Connection {
    router: Router,
    tls: Option<TlsAcceptor>,
    header_timeout: Duration,
    watcher: Watcher,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        drop(stream.set_nodelay(true)); // slower without, but it works
        match self.tls.clone() {
            None => self.speak(stream).await,
            Some(tls) => match timeout(self.header_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.speak(stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "A TLS handshake failed."),
                Err(_) => tracing::debug!("A TLS handshake took too long."),
            },
        }
    }

    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router));
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, "A connection broke.");
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("http::Source").field("options", &self.options).finish_non_exhaustive()
    }
}
