//! Servers of queues, from settings to running parts: connections that are shared, what is told of them, and how
//! messages and deliveries get in and out of envelopes.

use crate::config::amqp::{Amqp, AmqpIn, Protocol};
use crate::health::{Health, Trouble};
use crate::telemetry;
use adapters::amqp::{self, Direction, Link, News, QueueNews, StandIn, Watch};
use adapters::amqp10;
use adapters::intake::Intake;
use adapters::queues::{Addressed, Addressing, Arriving, internal, repeat_key};
use amqp_profile::{Envelope, Outgoing, Role, incoming, outgoing};
use arc_swap::ArcSwap;
use broker_core::World;
use broker_core::journal::Delivery;
use broker_core::ports::{self, Clock};
use dead_letter::Attempt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The connections of this process that are shared, each made when it is first asked for: over AMQP 0-9-1 at most one to
/// each server in each direction, over 1.0 at most one out to each. (A queue that is read over 1.0 has a connection of its
/// own.)
pub struct Queues {
    servers: BTreeMap<String, Amqp>,
    watch: Arc<dyn Watch>,
    links: Mutex<BTreeMap<(String, Direction), Link>>,
    connections: Mutex<BTreeMap<String, amqp10::Connection>>,
}

/// Why a server of queues cannot be used, whatever it does.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No section of this name.
    #[error("there is no connection {0:?}")]
    NoConnection(String),
    /// Over AMQP 0-9-1.
    #[error(transparent)]
    V091(#[from] amqp::Error),
    /// Over AMQP 1.0.
    #[error(transparent)]
    V10(#[from] amqp10::Error),
}

impl Queues {
    /// None yet; to these servers, by name. Whatever happens at them is told to `watch`.
    #[must_use]
    pub fn new(servers: BTreeMap<String, Amqp>, watch: Arc<dyn Watch>) -> Self {
        Self { servers, watch, links: Mutex::default(), connections: Mutex::default() }
    }

    fn settings(&self, name: &str) -> Result<&Amqp, Error> {
        self.servers.get(name).ok_or_else(|| Error::NoConnection(name.to_owned()))
    }

    /// What stands on the outside of what goes to partners at a server.
    ///
    /// # Errors
    /// If there is no such server.
    pub fn profile(&self, connection: &str) -> Result<outgoing::Options, Error> {
        Ok(self.settings(connection)?.profile())
    }

    /// The shared connection over AMQP 0-9-1.
    fn link(&self, name: &str, direction: Direction) -> Result<Link, Error> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name.to_owned(), direction);
        if let Some(link) = links.get(&key) {
            return Ok(link.clone());
        }
        let server = self.settings(name)?.server();
        server.check()?;
        let link = Link::new(name, server, direction, Arc::clone(&self.watch));
        links.insert(key, link.clone());
        Ok(link)
    }

    /// The shared connection over AMQP 1.0.
    fn connection(&self, name: &str) -> Result<amqp10::Connection, Error> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = connections.get(name) {
            return Ok(connection.clone());
        }
        let connection =
            amqp10::Connection::new(name, self.settings(name)?.server_10(), Arc::clone(&self.watch))?;
        connections.insert(name.to_owned(), connection.clone());
        Ok(connection)
    }

    /// A queue as a source.
    ///
    /// # Errors
    /// If the settings of its server are at fault.
    pub fn source(&self, name: &str, settings: &AmqpIn, intake: Intake) -> Result<Source, Error> {
        let name = source_name(name);
        let arriving = arriving(&name, &settings.queue, settings.role, settings.attempts);
        let server = self.settings(&settings.connection)?;
        let over_10 = Over10 {
            name: name.clone(),
            server: match &server.stand_in {
                Some(other) => self.settings(other)?.server_10(),
                None => server.server_10(),
            },
            options: amqp10::SourceOptions {
                prefetch: u32::try_from(settings.prefetch).unwrap_or(u32::MAX),
                ..amqp10::SourceOptions::new(&settings.queue)
            },
            intake: intake.clone(),
            arriving: Arc::clone(&arriving),
            watch: Arc::clone(&self.watch),
        };
        match server.protocol {
            Protocol::V10 => Ok(Source::V10(over_10.source()?)),
            Protocol::V091 => {
                let link = self.link(&settings.connection, Direction::In)?;
                let options = amqp::SourceOptions {
                    queue: settings.queue.clone(),
                    prefetch: u16::try_from(settings.prefetch).unwrap_or(u16::MAX),
                };
                let stand_in = over_10.stand_in();
                Ok(Source::V091(amqp::Source::new(&name, link, options, intake, arriving, Some(stand_in))))
            }
        }
    }

    /// A destination at a server.
    ///
    /// # Errors
    /// If the settings of its server are at fault.
    pub fn destination(
        &self,
        connection: &str,
        way: Way,
        timeout: Duration,
        window: usize,
    ) -> Result<Destination, Error> {
        let server = self.settings(connection)?;
        let message_bytes = server.message_bytes.0;
        let Way { addressing, many } = way;
        Ok(match server.protocol {
            Protocol::V10 => {
                let options = amqp10::DestinationOptions { timeout, message_bytes, many };
                let connection = self.connection(connection)?;
                Destination::V10(Box::new(amqp10::Destination::new(connection, options, addressing)))
            }
            Protocol::V091 => {
                let exchange = server.exchange.clone();
                let options = amqp::DestinationOptions { exchange, timeout, window, message_bytes, many };
                let link = self.link(connection, Direction::Out)?;
                Destination::V091(Box::new(amqp::Destination::build(link, options, addressing)?))
            }
        })
    }
}

/// Where deliveries go at a server.
pub struct Way {
    addressing: Arc<Addressing>,
    /// To more than one queue.
    many: bool,
}

impl Way {
    /// As the addressing says, all to one queue.
    #[must_use]
    pub fn addressed(addressing: Arc<Addressing>) -> Self {
        Self { addressing, many: false }
    }

    /// A queue of our own, whoever is to have what goes there.
    #[must_use]
    pub fn to_queue(queue: &str) -> Self {
        let queue = queue.to_owned();
        Self::addressed(Arc::new(move |delivery: &Delivery| {
            Ok(Addressed { queue: queue.clone(), envelope: internal(delivery) })
        }))
    }

    /// The queues of partners, by the parties as they are now.
    #[must_use]
    pub fn to_partners(
        profile: outgoing::Options,
        world: &Arc<ArcSwap<World>>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (world, clock) = (Arc::clone(world), Arc::clone(clock));
        let addressing = move |delivery: &Delivery| {
            let world = world.load();
            let policy = &world.policy.amqp;
            // What nobody waits for any more need not arrive.
            let waits = Duration::try_from(policy.sync_deadline.length()).ok().filter(|time| !time.is_zero());
            let options = outgoing::Options {
                unprotected: policy.unprotected,
                sync_ttl: waits.map_or(profile.sync_ttl, |time| time.min(outgoing::LONGEST)),
                ..profile.clone()
            };
            match outgoing::make(delivery, &world.parties, &options, clock.now()) {
                Ok(Outgoing { queue, envelope }) => Ok(Addressed { queue, envelope }),
                // A person mends it, and sends it again; others have queues, so it is no fault of the destination.
                Err(why) => Err(Attempt::Refused { why: why.to_string() }),
            }
        };
        Self { addressing: Arc::new(addressing), many: true }
    }
}

/// A queue that messages are taken from.
#[derive(Debug)]
pub enum Source {
    /// Over AMQP 0-9-1.
    V091(amqp::Source),
    /// Over AMQP 1.0.
    V10(amqp10::Source),
}

impl Source {
    /// Runs until stopped; then nothing more is taken, and what was offered is settled as intake tells of it.
    pub async fn run(self, stop: CancellationToken) {
        match self {
            Self::V091(source) => source.run(stop).await,
            Self::V10(source) => source.run(stop).await,
        }
    }
}

/// A server of queues that messages are sent to.
#[derive(Debug)]
pub enum Destination {
    /// Over AMQP 0-9-1.
    V091(Box<amqp::Destination>),
    /// Over AMQP 1.0.
    V10(Box<amqp10::Destination>),
}

impl ports::Destination for Destination {
    async fn send(&self, delivery: &Delivery) -> Attempt {
        match self {
            Self::V091(destination) => destination.send(delivery).await,
            Self::V10(destination) => destination.send(delivery).await,
        }
    }
}

/// How the journal calls the source of this name under `[sources.amqp]`.
#[must_use]
pub fn source_name(name: &str) -> String {
    format!("amqp:{name}")
}

/// How a queue is read over AMQP 1.0: always, or in the place of 0-9-1.
#[derive(Clone)]
struct Over10 {
    name: String,
    server: amqp10::Server,
    options: amqp10::SourceOptions,
    intake: Intake,
    arriving: Arc<Arriving>,
    watch: Arc<dyn Watch>,
}

impl Over10 {
    fn source(self) -> Result<amqp10::Source, amqp10::Error> {
        let Self { name, server, options, intake, arriving, watch } = self;
        amqp10::Source::build(&name, server, options, intake, arriving, watch)
    }

    /// For a queue whose first message cannot be read over AMQP 0-9-1. What it offers has the same names and keys.
    fn stand_in(self) -> Arc<StandIn> {
        Arc::new(move |stop| {
            let this = self.clone();
            Box::pin(async move {
                let name = this.name.clone();
                match this.source() {
                    Ok(source) => source.run(stop).await,
                    Err(error) => {
                        let why = crate::exit::chain(&error);
                        tracing::error!(
                            source = name,
                            why,
                            "The queue of {name} cannot be read over AMQP 1.0 either: {why}."
                        );
                    }
                }
            })
        })
    }
}

/// What the envelope says, by what its queue is for, stands in the arrival.
fn arriving(source: &str, queue: &str, role: Role, attempts: usize) -> Arc<Arriving> {
    let (source, queue) = (source.to_owned(), queue.to_owned());
    Arc::new(move |intake: &Intake, envelope: Envelope| {
        let whole = repeat_key(&envelope);
        let mut incoming = incoming::read(envelope, role);
        incoming.transport.queue = Some(queue.clone());
        // Where the profile has no key for it, and on our own queues, a message is known by all that it says.
        let offered = incoming.transport.delivery_count.and_then(|count| usize::try_from(count).ok());
        incoming.transport.worn_out = offered.is_some_and(|before| before >= attempts.max(1));
        let known_by = incoming.idempotency_key.take().filter(|_| role != Role::Internal);
        incoming.idempotency_key = Some(known_by.unwrap_or(whole));
        let arrival = intake.arrival(&source, Arc::clone(&incoming.body), None);
        incoming.onto(arrival)
    })
}

/// What is told of connections and queues, made into metrics and health.
pub struct Board {
    health: Health,
    clock: Arc<dyn Clock>,
    /// Sources whose queues are being read: of the others nobody knows how many messages wait.
    read: Mutex<BTreeSet<String>>,
}

impl Board {
    /// Nothing is down.
    #[must_use]
    pub fn new(health: &Health, clock: &Arc<dyn Clock>) -> Self {
        Self { health: health.clone(), clock: Arc::clone(clock), read: Mutex::default() }
    }

    fn trouble(&self, trouble: Trouble, what: &str, why: Option<String>) {
        match why {
            Some(why) => self.health.trouble_of(trouble, what, why),
            None => self.health.over_of(trouble, what),
        };
    }
}

impl Watch for Board {
    fn connection(&self, name: &str, direction: Direction, news: News<'_>) {
        let what = format!("{name} {direction}");
        match news {
            News::Connected => {
                telemetry::queues_connected(name, direction.as_str(), true);
                self.trouble(Trouble::QueuesDown, &what, None);
            }
            News::Lost(why) => {
                telemetry::queues_connected(name, direction.as_str(), false);
                self.trouble(Trouble::QueuesBlocked, &what, None);
                self.trouble(
                    Trouble::QueuesDown,
                    &what,
                    Some(format!("Connection {name} ({direction}): {why}.")),
                );
            }
            News::Blocked(why) => {
                telemetry::queues_blocked(name, true);
                self.trouble(
                    Trouble::QueuesBlocked,
                    &what,
                    Some(format!("Connection {name} takes nothing: {why}.")),
                );
            }
            News::Unblocked => {
                telemetry::queues_blocked(name, false);
                self.trouble(Trouble::QueuesBlocked, &what, None);
            }
            News::Unconfirmed(count) => telemetry::queues_unconfirmed(name, count),
        }
    }

    fn queue(&self, source: &str, news: QueueNews<'_>) {
        // Held until the metrics are written: an answer to how many wait may come when the queue is gone already.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match news {
            QueueNews::Reading => {
                read.insert(source.to_owned());
                telemetry::queue_reading(source, true);
                self.trouble(Trouble::QueuesDown, source, None);
            }
            QueueNews::Down(why) => {
                if read.remove(source) {
                    telemetry::queue_depth(source, None);
                }
                telemetry::queue_reading(source, false);
                let why = format!("The queue of {source} is not read: {why}.");
                self.trouble(Trouble::QueuesDown, source, Some(why));
            }
            QueueNews::Came => telemetry::queue_read(source, self.clock.now()),
            QueueNews::Depth(messages) if read.contains(source) => {
                telemetry::queue_depth(source, Some(messages));
            }
            QueueNews::Depth(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapters::clock::SystemClock;

    #[test]
    fn how_many_wait_in_a_queue_is_told_only_while_it_is_read() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let board = Board::new(&Health::default(), &clock);
        let (recorder, metrics) = telemetry::apart();
        let told = |source: &str| {
            let series = format!("budstikke_amqp_queue_messages{{source=\"{source}\"}} ");
            let text = metrics.render();
            text.lines().find_map(|line| line.strip_prefix(&series).map(str::to_owned))
        };
        metrics::with_local_recorder(&recorder, || {
            for source in ["amqp:in", "amqp:other"] {
                board.queue(source, QueueNews::Reading);
                board.queue(source, QueueNews::Depth(7));
                assert_eq!(told(source).as_deref(), Some("7"));
            }
            board.queue("amqp:in", QueueNews::Down("it was deleted"));
            assert_eq!(told("amqp:in"), None, "nobody knows");
            board.queue("amqp:in", QueueNews::Depth(7));
            assert_eq!(told("amqp:in"), None, "that was asked before it went");
            assert_eq!(told("amqp:other").as_deref(), Some("7"));
            let text = metrics.render();
            assert!(text.contains("budstikke_amqp_queue_reading{source=\"amqp:in\"} 0"), "{text}");
            board.queue("amqp:in", QueueNews::Reading);
            assert_eq!(told("amqp:in"), None, "not asked yet");
            board.queue("amqp:in", QueueNews::Depth(0));
            assert_eq!(told("amqp:in").as_deref(), Some("0"));
        });
    }

    #[test]
    fn health_names_everything_that_is_down_until_nothing_is() {
        let health = Health::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let board = Board::new(&health, &clock);
        board.connection("bus", Direction::In, News::Lost("no answer in time"));
        board.queue("amqp:in", QueueNews::Down("NOT_FOUND"));
        let said = health.report().reasons[&Trouble::QueuesDown].clone();
        assert!(said.contains("no answer in time") && said.contains("NOT_FOUND"), "{said}");
        board.connection("bus", Direction::In, News::Connected);
        let said = health.report().reasons[&Trouble::QueuesDown].clone();
        assert!(!said.contains("no answer in time"), "{said}");
        board.queue("amqp:in", QueueNews::Reading);
        assert_eq!(health.report().reasons.len(), 0);

        board.connection("bus", Direction::Out, News::Blocked("low on disk"));
        assert!(health.report().ready, "what comes is taken in");
        assert!(health.report().reasons[&Trouble::QueuesBlocked].contains("low on disk"));
        board.connection("bus", Direction::Out, News::Lost("gone"));
        assert!(!health.report().reasons.contains_key(&Trouble::QueuesBlocked));
    }
}
