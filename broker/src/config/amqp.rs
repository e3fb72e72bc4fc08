//! Servers of queues: where they are, and which of their queues messages are taken from.

use super::read::{Bytes, Reading};
use super::{Config, Destination};
use crate::{one_of, settings};
use adapters::amqp10::Dialect;
use adapters::{amqp, amqp10, tls};
use amqp_profile::{Role, outgoing};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

settings! {
    /// A server of queues. Over AMQP 0-9-1 two connections are made to it, one for each direction, if sources and
    /// destinations name it; over 1.0 one for all destinations, and one for each source.
    pub struct Amqp {
        /// What it is spoken to in: `0-9-1` (RabbitMQ) or `1.0` (the national bus, and RabbitMQ with its plugin).
        protocol: Protocol = Protocol::V091,
        /// How the server names queues, over AMQP 1.0: `rabbitmq-v1` (3.x, and 4.x as long as it permits it),
        /// `rabbitmq-v2` (4.x) or `service-bus`. `rabbitmq-v1` if not set.
        dialect: Option<Dialect> = None,
        /// Name or address of the machine.
        host: String,
        /// Port; 5671 with TLS and 5672 without if not set.
        port: Option<u16> = None,
        /// The virtual host; `/` if not set.
        vhost: Option<String> = None,
        /// The account; without it the client certificate under `tls` says who we are.
        user: Option<String> = None,
        /// A file whose first line is the account's password. It is read at every connecting.
        password_file: Option<PathBuf> = None,
        /// TLS; without it the connection is in the clear.
        tls: Option<AmqpTls> = None,
        /// The exchange that messages are sent through: the namespace of the national bus, case-sensitive. Without it
        /// they go straight to queues.
        exchange: Option<String> = None,
        /// Another connection, over AMQP 1.0, by which a queue is read for a while whose first message cannot be read over
        /// 0-9-1. If not set, this server is asked at the same port, where RabbitMQ speaks both.
        stand_in: Option<String> = None,
        /// Silence after which a connection counts as lost.
        heartbeat: Duration = Duration::from_secs(20),
        /// For a connection to come about, and for an answer of the server.
        patience: Duration = Duration::from_secs(10),
        /// The largest message that the server takes; larger ones are refused here. RabbitMQ 4 takes 16 MB.
        message_bytes: Bytes = Bytes(16_000_000),
        /// The queue that answers to our own requests come to, one for each process that sends any; that of the party that
        /// asks if not set.
        sync_reply: Option<String> = None,
        /// So long do the transport errors that we send live; for ever if not set.
        error_time_to_live: Option<Duration> = None,
        /// Says outside of the message, in the clear, what kind of message it is (`X-MessageInfo-Type`), for partners whose
        /// server takes the subject away.
        hints: bool = false,
        /// Properties of the sending system that every message carries, such as `X-SystemIdentifier`.
        properties: BTreeMap<String, String> = BTreeMap::new(),
    }

    /// How a server is checked by us, and we by it.
    pub struct AmqpTls {
        /// Root certificates (PEM) to check the server against; this machine's if not set.
        roots_file: Option<PathBuf> = None,
        /// Our own certificate (PEM), followed by those between it and its root.
        certificate_file: Option<PathBuf> = None,
        /// Its private key (PEM).
        key_file: Option<PathBuf> = None,
    }

    /// A queue that messages are taken from.
    pub struct AmqpIn {
        /// The server, by its name under `amqp`.
        connection: String,
        /// The queue. It must be there: none is ever made.
        queue: String,
        /// What the queue is for: `async`, `sync`, `sync-reply` or `error` of the national profile, or `internal`.
        role: Role,
        /// Messages taken and not yet settled, at most.
        prefetch: usize = 200,
        /// How often the queue may offer a message that is not taken; then it is kept as it is, unread, for a person. Each
        /// restart of a broker counts once for what it had in hand, and a server may lose what it has offered too often,
        /// so it is above the profile's ten and below the limit of the queue.
        attempts: usize = 50,
    }
}

one_of! {
    /// A version of AMQP; the two have little in common.
    pub enum Protocol {
        /// 0-9-1.
        V091 = "0-9-1",
        /// 1.0.
        V10 = "1.0",
    }
}

impl Amqp {
    /// A server of which nothing more is known than where it is.
    #[must_use]
    pub fn at(host: &str) -> Self {
        let (read, _) = Reading::new(Path::new("defaults"), "host = \"\"").document::<Self>();
        let defaults = read.expect("every other field of this section has a default");
        Self { host: host.to_owned(), ..defaults }
    }

    /// As the adapter for AMQP 0-9-1 takes it.
    #[must_use]
    pub fn server(&self) -> amqp::Server {
        amqp::Server {
            port: self.port,
            vhost: self.vhost.clone(),
            user: self.user.clone(),
            password_file: self.password_file.clone(),
            tls: self.tls(),
            heartbeat: self.heartbeat,
            patience: self.patience,
            ..amqp::Server::new(&self.host)
        }
    }

    /// As the adapter for AMQP 1.0 takes it.
    #[must_use]
    pub fn server_10(&self) -> amqp10::Server {
        amqp10::Server {
            port: self.port,
            vhost: self.vhost.clone(),
            user: self.user.clone(),
            password_file: self.password_file.clone(),
            tls: self.tls(),
            namespace: self.exchange.clone(),
            dialect: self.dialect.unwrap_or_default(),
            idle: self.heartbeat,
            patience: self.patience,
            ..amqp10::Server::new(&self.host)
        }
    }

    fn tls(&self) -> Option<tls::ClientOptions> {
        self.tls.as_ref().map(|tls| tls::ClientOptions {
            roots_file: tls.roots_file.clone(),
            certificate_file: tls.certificate_file.clone(),
            key_file: tls.key_file.clone(),
        })
    }

    /// What stands on the outside of what is sent to partners.
    #[must_use]
    pub fn profile(&self) -> outgoing::Options {
        outgoing::Options {
            error_ttl: self.error_time_to_live,
            // Read once before, by `queues_agree`.
            sync_reply: self.sync_reply.as_ref().and_then(|queue| queue.parse().ok()),
            hints: self.hints,
            system: self.properties.clone().into_iter().collect(),
            ..outgoing::Options::default()
        }
    }
}

impl Config {
    /// Do the settings of queues agree with each other?
    pub(super) fn queues_agree(&self, reading: &mut Reading<'_>) {
        let there = |name: &str| self.amqp.contains_key(name);
        let known = || match self.amqp.keys().cloned().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "Add a section [amqp.NAME].".to_owned(),
            names => format!("Known: {names}."),
        };
        for (name, server) in &self.amqp {
            let field = format!("amqp.{name}");
            plain_name(&field, name, reading);
            let certificate = server.tls.as_ref().is_some_and(|tls| tls.certificate_file.is_some());
            match (&server.user, &server.password_file) {
                (Some(_), Some(_)) => {}
                (None, None) if certificate => {}
                _ => reading.fault_at(
                    &field,
                    "It does not say who we are.",
                    "Set user and password_file, or a client certificate under tls.",
                ),
            }
            let over_10 = |name: &String| self.amqp.get(name).is_some_and(|s| s.protocol == Protocol::V10);
            match (server.protocol, &server.stand_in, server.dialect) {
                (Protocol::V091, _, Some(_)) => reading.fault_at(
                    &format!("{field}.dialect"),
                    "Only AMQP 1.0 has dialects.",
                    "Set protocol = \"1.0\", or leave it out.",
                ),
                (Protocol::V10, Some(_), _) => reading.fault_at(
                    &format!("{field}.stand_in"),
                    "Over AMQP 1.0 nobody needs to stand in.",
                    "Leave it out.",
                ),
                (Protocol::V091, Some(other), None) if !over_10(other) => reading.fault_at(
                    &format!("{field}.stand_in"),
                    format!("There is no connection {other:?} over AMQP 1.0."),
                    "Name one with protocol = \"1.0\".",
                ),
                (Protocol::V091, _, None) | (Protocol::V10, None, _) => {}
            }
            if let Some(Err(fault)) =
                server.sync_reply.as_ref().map(|q| q.parse::<routing_rules::QueueAddress>())
            {
                reading.fault_at(
                    &format!("{field}.sync_reply"),
                    fault.to_string(),
                    "Write the queue's name.",
                );
            }
            let kept = |time: &Duration| !time.is_zero() && *time <= outgoing::LONGEST;
            if !server.error_time_to_live.as_ref().is_none_or(kept) {
                reading.fault_at(
                    &format!("{field}.error_time_to_live"),
                    "AMQP carries times to live of up to 49 days.",
                    "Write such a time, or leave it out.",
                );
            }
            if server.heartbeat < Duration::from_secs(1) {
                reading.fault_at(
                    &format!("{field}.heartbeat"),
                    "It is too short to be kept.",
                    "Write 1s or more.",
                );
            }
        }
        for (name, source) in &self.sources.amqp {
            let field = format!("sources.amqp.{name}");
            plain_name(&field, name, reading);
            if !there(&source.connection) {
                reading.fault_at(
                    &format!("{field}.connection"),
                    format!("There is no connection {:?}.", source.connection),
                    known(),
                );
            }
            if !(1..=usize::from(u16::MAX)).contains(&source.prefetch) {
                reading.fault_at(
                    &format!("{field}.prefetch"),
                    "A server takes 1 to 65535.",
                    "Write such a number.",
                );
            }
        }
        for (name, Destination { amqp, queue, .. }) in &self.destinations {
            let field = format!("destinations.{name}");
            match (amqp, queue) {
                (Some(connection), _) if !there(connection) => reading.fault_at(
                    &format!("{field}.amqp"),
                    format!("There is no connection {connection:?}."),
                    known(),
                ),
                (None, Some(_)) => reading.fault_at(
                    &format!("{field}.queue"),
                    "Only what is reached over AMQP has a queue.",
                    "Set amqp too, or leave it out.",
                ),
                // Without a queue of its own, everything goes to the queues of its receivers.
                (Some(_), _) | (None, None) => {}
            }
        }
    }
}

/// Names stand in logs and metrics.
fn plain_name(field: &str, name: &str, reading: &mut Reading<'_>) {
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        reading.fault_at(field, "The name stands in logs and metrics.", "Use a-z, 0-9 and '-' only.");
    }
}
