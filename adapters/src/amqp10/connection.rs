//! One long-lived connection that deliveries go out over, made again whenever it is lost.
//!
//! What was in flight when a connection went is decided by whoever sent it, and never sent again from here.

use super::server::{Error, Server};
use crate::amqp::{Direction, News, Watch};
use crate::backoff::Backoff;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::session::SessionHandle;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// First and longest pause before a lost connection is made again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(20));
/// A connection that lasted so long was a good one: pauses begin anew.
const GOOD: Duration = Duration::from_secs(10);
/// How often a connection is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A connection that is there, or will be. Clones share it; it is closed when the last is gone.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    state: watch::Receiver<State>,
    _end: Arc<DropGuard>,
}

struct Shared {
    name: String,
    server: Server,
    watcher: Arc<dyn Watch>,
    handle: Mutex<Option<ConnectionHandle<()>>>,
    /// Somebody found it to be of no use.
    broken: Notify,
    unconfirmed: AtomicUsize,
}

#[derive(Clone)]
enum State {
    /// It was lost, or was not there yet, and is being made.
    Making,
    Up,
    /// Why it could not be made; it is tried again.
    Down(Arc<str>),
}

impl Connection {
    /// Begins to connect. `name` is the connection's in the configuration. Must be called on a runtime.
    ///
    /// # Errors
    /// If the settings are at fault.
    pub fn new(name: &str, server: Server, watcher: Arc<dyn Watch>) -> Result<Self, Error> {
        server.check()?;
        let (state_in, state) = watch::channel(State::Making);
        let end = CancellationToken::new();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            server,
            watcher,
            handle: Mutex::default(),
            broken: Notify::new(),
            unconfirmed: AtomicUsize::new(0),
        });
        tokio::spawn(Arc::clone(&shared).keep(state_in, end.clone()));
        Ok(Self { shared, state, _end: Arc::new(end.drop_guard()) })
    }

    /// The settings of its server.
    pub(super) fn server(&self) -> &Server {
        &self.shared.server
    }

    /// Begins a session. While the connection is being made it is waited for, but not while it cannot be made.
    pub(super) async fn session(&self) -> Result<SessionHandle<()>, Error> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Making));
        match timeout(self.shared.server.patience, settled).await {
            Ok(Ok(state)) => {
                if let State::Down(why) = &*state {
                    return Err(Error::Away(why.to_string()));
                }
            }
            Ok(Err(_)) | Err(_) => return Err(Error::TooSlow),
        }
        let mut handle = self.shared.handle.lock().await;
        let Some(connection) = handle.as_mut().filter(|connection| !connection.is_closed()) else {
            return Err(Error::Away("the connection has just been lost".to_owned()));
        };
        let begun = self.shared.server.begin(connection).await;
        if begun.is_err() {
            *handle = None;
            self.shared.broken.notify_one();
        }
        begun
    }

    /// One more message is sent and not confirmed, until what is returned is dropped.
    pub(super) fn unconfirmed(&self) -> Unconfirmed {
        let now = self.shared.unconfirmed.fetch_add(1, Ordering::Relaxed) + 1;
        self.shared.tell(News::Unconfirmed(now));
        Unconfirmed(Arc::clone(&self.shared))
    }
}

/// A message that is sent and not confirmed.
pub(super) struct Unconfirmed(Arc<Shared>);

impl Drop for Unconfirmed {
    fn drop(&mut self) {
        let now = self.0.unconfirmed.fetch_sub(1, Ordering::Relaxed) - 1;
        self.0.tell(News::Unconfirmed(now));
    }
}

impl Shared {
    fn tell(&self, news: News<'_>) {
        self.watcher.connection(&self.name, Direction::Out, news);
    }

    /// Makes the connection, and makes it again.
    async fn keep(self: Arc<Self>, state: watch::Sender<State>, end: CancellationToken) {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        loop {
            let Some(connected) = end.run_until_cancelled(self.server.connect(|io| io)).await else { return };
            let why = match connected {
                Ok(handle) => {
                    let since = Instant::now();
                    *self.handle.lock().await = Some(handle);
                    state.send_replace(State::Up);
                    tracing::info!(connection = %self.name, direction = %Direction::Out, "Connected to {}.", self.name);
                    self.tell(News::Connected);
                    let lost = end.run_until_cancelled(self.lost()).await;
                    let handle = self.handle.lock().await.take();
                    if lost.is_none() {
                        return close(handle).await;
                    }
                    if since.elapsed() >= GOOD {
                        backoff.reset();
                    }
                    state.send_replace(State::Making);
                    "the connection was lost".to_owned()
                }
                Err(error) => {
                    let why = crate::amqp::chain_of(&error);
                    state.send_replace(State::Down(why.as_str().into()));
                    why
                }
            };
            self.tell(News::Lost(&why));
            let pause = backoff.pause();
            tracing::warn!(connection = %self.name, direction = %Direction::Out, why, ?pause, "{}: {why}. It is tried again.", self.name);
            if end.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Until the connection is lost.
    async fn lost(&self) {
        loop {
            drop(timeout(LOOK, self.broken.notified()).await); // either way it is looked at
            if self.handle.lock().await.as_ref().is_none_or(ConnectionHandle::is_closed) {
                return;
            }
        }
    }
}

/// Ends in good order, within a short time.
async fn close(handle: Option<ConnectionHandle<()>>) {
    if let Some(mut connection) = handle {
        drop(timeout(Duration::from_secs(2), connection.close()).await); // what does not answer is left
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "amqp10::Connection({})", self.shared.name)
    }
}
