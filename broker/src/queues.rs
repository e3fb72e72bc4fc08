//! Servers of queues, from settings to running parts: connections that are shared, what is told of them, and how
//! messages and deliveries get in and out of envelopes.

use crate::config::Config;
use crate::config::amqp::AmqpIn;
use crate::health::{Health, Trouble};
use crate::telemetry;
use adapters::amqp::{
    Destination, DestinationOptions, Direction, Error, Link, News, QueueNews, Source, SourceOptions, Watch,
};
use adapters::intake::Intake;
use adapters::queues::{Addressed, Arriving, internal, repeat_key};
use amqp_profile::{Envelope, Role};
use broker_core::journal::Delivery;
use broker_core::ports::Clock;
use message_schemas::HerId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The connections of this process: at most one to each server in each direction, made when it is first asked for.
pub struct Queues {
    config: Arc<Config>,
    board: Arc<Board>,
    links: Mutex<BTreeMap<(String, Direction), Link>>,
}

impl Queues {
    /// None yet.
    #[must_use]
    pub fn new(config: &Arc<Config>, health: &Health, clock: &Arc<dyn Clock>) -> Self {
        let board = Board { health: health.clone(), clock: Arc::clone(clock), down: Mutex::default() };
        Self { config: Arc::clone(config), board: Arc::new(board), links: Mutex::default() }
    }

    fn link(&self, name: &str, direction: Direction) -> Result<Link, Error> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name.to_owned(), direction);
        if let Some(link) = links.get(&key) {
            return Ok(link.clone());
        }
        let Some(settings) = self.config.amqp.get(name) else {
            return Err(Error::Unusable(format!("there is no connection {name:?}")));
        };
        let server = settings.server();
        server.check()?;
        let link = Link::new(name, server, direction, Arc::clone(&self.board) as Arc<dyn Watch>);
        links.insert(key, link.clone());
        Ok(link)
    }

    /// A queue as a source.
    ///
    /// # Errors
    /// If the settings of its server are at fault.
    pub fn source(&self, name: &str, settings: &AmqpIn, intake: Intake) -> Result<Source, Error> {
        let link = self.link(&settings.connection, Direction::In)?;
        let name = format!("amqp:{name}");
        let options = SourceOptions {
            queue: settings.queue.clone(),
            prefetch: u16::try_from(settings.prefetch).unwrap_or(u16::MAX),
        };
        let arriving = arriving(&name, settings.role);
        Ok(Source::new(&name, link, options, intake, arriving, None))
    }

    /// A destination that is one queue.
    ///
    /// # Errors
    /// If the settings of its server are at fault.
    pub fn destination(
        &self,
        connection: &str,
        queue: &str,
        timeout: std::time::Duration,
        window: usize,
    ) -> Result<Destination, Error> {
        let link = self.link(connection, Direction::Out)?;
        let server = self.config.amqp.get(connection);
        let options = DestinationOptions {
            exchange: server.and_then(|server| server.exchange.clone()),
            timeout,
            window,
            message_bytes: server.map_or(usize::MAX, |server| server.message_bytes.0),
        };
        let queue = queue.to_owned();
        let addressing =
            move |delivery: &Delivery| Ok(Addressed { queue: queue.clone(), envelope: internal(delivery) });
        Destination::build(link, options, Arc::new(addressing))
    }
}

/// Whom the envelope names stands in the arrival, but on our own queues, where it names nobody.
fn arriving(source: &str, role: Role) -> Arc<Arriving> {
    let source = source.to_owned();
    Arc::new(move |intake: &Intake, envelope: Envelope| {
        let key = repeat_key(&envelope);
        let mut arrival = intake.arrival(&source, Arc::clone(&envelope.body), Some(key));
        if role != Role::Internal {
            let party = |name| envelope.properties.get(name)?.trim().parse().ok().map(HerId);
            arrival.envelope_receiver = party("toHerId");
            arrival.envelope_sender = party("fromHerId");
        }
        arrival
    })
}

/// What is told of connections and queues, made into metrics and health.
struct Board {
    health: Health,
    clock: Arc<dyn Clock>,
    /// What is down, and what is blocked, each with why.
    down: Mutex<BTreeMap<(Trouble, String), String>>,
}

impl Board {
    fn trouble(&self, trouble: Trouble, what: String, why: Option<String>) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => drop(down.insert((trouble, what), why)),
            None => drop(down.remove(&(trouble, what))),
        }
        let all: Vec<&str> =
            down.iter().filter(|((t, _), _)| *t == trouble).map(|(_, why)| why.as_str()).collect();
        if all.is_empty() {
            self.health.over(trouble);
        } else {
            self.health.trouble(trouble, all.join(" "));
        }
    }
}

impl Watch for Board {
    fn connection(&self, name: &str, direction: Direction, news: News<'_>) {
        let what = format!("{name} {direction}");
        match news {
            News::Connected => {
                telemetry::queues_connected(name, direction.as_str(), true);
                self.trouble(Trouble::QueuesDown, what, None);
            }
            News::Lost(why) => {
                telemetry::queues_connected(name, direction.as_str(), false);
                self.trouble(Trouble::QueuesBlocked, what.clone(), None);
                self.trouble(
                    Trouble::QueuesDown,
                    what,
                    Some(format!("Connection {name} ({direction}): {why}.")),
                );
            }
            News::Blocked(why) => {
                telemetry::queues_blocked(name, true);
                self.trouble(
                    Trouble::QueuesBlocked,
                    what,
                    Some(format!("Connection {name} takes nothing: {why}.")),
                );
            }
            News::Unblocked => {
                telemetry::queues_blocked(name, false);
                self.trouble(Trouble::QueuesBlocked, what, None);
            }
            News::Unconfirmed(count) => telemetry::queues_unconfirmed(name, count),
        }
    }

    fn queue(&self, source: &str, news: QueueNews<'_>) {
        match news {
            QueueNews::Reading => {
                telemetry::queue_reading(source, true);
                self.trouble(Trouble::QueuesDown, source.to_owned(), None);
            }
            QueueNews::Down(why) => {
                telemetry::queue_reading(source, false);
                let why = format!("The queue of {source} is not read: {why}.");
                self.trouble(Trouble::QueuesDown, source.to_owned(), Some(why));
            }
            QueueNews::Came => telemetry::queue_read(source, self.clock.now()),
            QueueNews::Depth(messages) => telemetry::queue_depth(source, messages),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapters::clock::SystemClock;

    #[test]
    fn health_names_everything_that_is_down_until_nothing_is() {
        let health = Health::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let board = Board { health: health.clone(), clock, down: Mutex::default() };
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
