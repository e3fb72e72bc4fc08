//! One long-lived connection for one direction, made again whenever it is lost.
//!
//! Recovery is ours and not the library's: what was in flight when a connection went is decided by whoever sent or
//! received it, and never replayed behind its back.

use super::news::{Direction, News, Watch};
use super::server::{Error, Server};
use crate::backoff::Backoff;
use futures_util::StreamExt;
use lapin::{Connection, ErrorKind, Event};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, DropGuard};

/// First and longest pause before a lost connection is made again: after a long outage too, messages go on within seconds.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// A connection that lasted so long was a good one: pauses begin anew.
const GOOD: Duration = Duration::from_secs(10);
/// How often a connection is looked at, whatever its events said.
const LOOK: Duration = Duration::from_secs(1);

/// A connection that is there, or will be. Clones share it; it is closed when the last is gone.
#[derive(Clone)]
pub struct Link {
    name: Arc<str>,
    server: Arc<Server>,
    direction: Direction,
    state: watch::Receiver<State>,
    watcher: Arc<dyn Watch>,
    unconfirmed: Arc<AtomicUsize>,
    _end: Arc<DropGuard>,
}

#[derive(Clone)]
enum State {
    /// Why there is none now.
    Down(Arc<str>),
    Up(Arc<Connection>),
}

impl Link {
    /// Begins to connect. `name` is the connection's in the configuration. Must be called on a runtime.
    #[must_use]
    pub fn new(name: &str, server: Server, direction: Direction, watcher: Arc<dyn Watch>) -> Self {
        let (state_in, state) = watch::channel(State::Down("not yet connected".into()));
        let end = CancellationToken::new();
        let (name, server): (Arc<str>, _) = (name.into(), Arc::new(server));
        let keeper = Keeper {
            name: Arc::clone(&name),
            server: Arc::clone(&server),
            direction,
            state: state_in,
            watcher: Arc::clone(&watcher),
        };
        tokio::spawn(keeper.run(end.clone()));
        Self {
            name,
            server,
            direction,
            state,
            watcher,
            unconfirmed: Arc::default(),
            _end: Arc::new(end.drop_guard()),
        }
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The settings of its server.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn watcher(&self) -> &Arc<dyn Watch> {
        &self.watcher
    }

    pub(super) fn tell(&self, news: News<'_>) {
        self.watcher.connection(&self.name, self.direction, news);
    }

    /// So many of somebody's messages are unconfirmed now, and were before; how many there are of all.
    pub(super) fn count(&self, now: usize, before: usize) -> usize {
        self.unconfirmed.fetch_add(now, Ordering::Relaxed);
        self.unconfirmed.fetch_sub(before, Ordering::Relaxed) - before
    }

    /// The connection, as soon as there is one. Cancel safe.
    pub(super) async fn up(&self) -> Arc<Connection> {
        let mut state = self.state.clone();
        loop {
            if let State::Up(connection) = &*state.borrow_and_update()
                && connection.status().connected()
            {
                return Arc::clone(connection);
            }
            if state.changed().await.is_err() {
                // The keeper is gone with the last link, and we hold one.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The connection, or why there is none now.
    pub(super) fn now(&self) -> Result<Arc<Connection>, Arc<str>> {
        match &*self.state.borrow() {
            State::Up(connection) if connection.status().connected() => Ok(Arc::clone(connection)),
            State::Up(_) => Err("the connection has just been lost".into()),
            State::Down(why) => Err(Arc::clone(why)),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({}, {})", self.name, self.direction)
    }
}

/// Makes the connection, and makes it again.
struct Keeper {
    name: Arc<str>,
    server: Arc<Server>,
    direction: Direction,
    state: watch::Sender<State>,
    watcher: Arc<dyn Watch>,
}

impl Keeper {
    async fn run(self, end: CancellationToken) {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        let what = format!("{} {}", self.name, self.direction);
        loop {
            let connected = tokio::select! {
                connected = self.server.connect(&what) => connected,
                () = end.cancelled() => return,
            };
            let why = match connected {
                Ok(connection) => {
                    let since = Instant::now();
                    let connection = Arc::new(connection);
                    self.state.send_replace(State::Up(Arc::clone(&connection)));
                    tracing::info!(connection = %self.name, direction = %self.direction, "Connected to {}.", self.name);
                    self.watcher.connection(&self.name, self.direction, News::Connected);
                    let why = tokio::select! {
                        why = self.watch(&connection) => why,
                        () = end.cancelled() => return close(&connection).await,
                    };
                    if since.elapsed() >= GOOD {
                        backoff.reset();
                    }
                    why
                }
                Err(error) => told(&error),
            };
            self.state.send_replace(State::Down(why.as_str().into()));
            self.watcher.connection(&self.name, self.direction, News::Lost(&why));
            let pause = backoff.pause();
            tracing::warn!(connection = %self.name, direction = %self.direction, why, ?pause, "{}: {why}. It is tried again.", self.name);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = end.cancelled() => return,
            }
        }
    }

    /// Until it is lost; tells of blocking. Returns why it was lost.
    async fn watch(&self, connection: &Connection) -> String {
        let mut events = Box::pin(connection.events_listener());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut blocked = false;
        let mut said = None;
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = look.tick() => None,
            };
            let mut reason = String::new();
            match event {
                Some(Event::Error(error)) => said = Some(words(&error)),
                Some(Event::ConnectionBlocked(why)) => reason = why,
                Some(_) | None => {}
            }
            if !connection.status().connected() {
                return said.unwrap_or_else(|| "the connection was lost".to_owned());
            }
            said = None; // of a channel, whose owner hears of it too
            if connection.status().blocked() != blocked {
                blocked = !blocked;
                let news = if blocked { News::Blocked(&reason) } else { News::Unblocked };
                self.watcher.connection(&self.name, self.direction, news);
                if blocked {
                    tracing::warn!(connection = %self.name, reason, "{} takes nothing more for now: {reason}.", self.name);
                } else {
                    tracing::info!(connection = %self.name, "{} takes messages again.", self.name);
                }
            }
        }
    }
}

/// Listens from now on; ends when the connection is lost, with why.
pub(super) fn lost(connection: &Connection) -> impl Future<Output = String> {
    let mut events = Box::pin(connection.events_listener());
    async move {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut why = None;
        loop {
            let gone = !connection.status().connected();
            let event = tokio::select! {
                biased;
                Some(event) = events.next() => Some(event),
                _ = look.tick() => None,
            };
            // An error may be one of some channel's; then the connection stays.
            match event {
                Some(Event::Error(error)) => why = Some(words(&error)),
                Some(_) | None if gone => return why.unwrap_or_else(|| "the connection was lost".to_owned()),
                Some(_) | None if why.as_deref() != Some(UNREADABLE) => why = None,
                Some(_) | None => {}
            }
        }
    }
}

/// Ends in good order, within a short time.
pub(super) async fn close(connection: &Connection) {
    let closing = connection.close(200, "done".into());
    drop(tokio::time::timeout(Duration::from_secs(2), closing).await); // what does not answer is left
}

/// An error as operators read it.
pub(super) fn told(error: &Error) -> String {
    if let Error::NotOpened(error) = error {
        return format!("no connection: {}", words(error));
    }
    super::chain_of(error)
}

/// What the server or the system said, without the library's own words.
pub(super) fn words(error: &lapin::Error) -> String {
    if let ErrorKind::ProtocolError(error) = error.kind() {
        return error.get_message().to_string();
    }
    if let ErrorKind::IOError(error) = error.kind() {
        return error.to_string();
    }
    if matches!(error.kind(), ErrorKind::MissingHeartbeatError) {
        return "the server was silent for too long".to_owned();
    }
    if matches!(error.kind(), ErrorKind::ParsingError(_)) {
        return UNREADABLE.to_owned();
    }
    error.to_string()
}

/// What is said of bytes that the library cannot read.
pub(super) const UNREADABLE: &str = "the server sent what cannot be read";
