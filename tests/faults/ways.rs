//! The servers of the distributed form, each with a proxy between it and the brokers.

use serde_json::json;
use servers::Proxy;
use std::io;
use std::net::SocketAddr;
use system_tests::cluster::{Cluster, NAME};

/// RabbitMQ and PostgreSQL, and the ways to them.
pub(crate) struct Ways {
    pub(crate) cluster: Cluster,
    /// The brokers' way to RabbitMQ.
    pub(crate) to_rabbit: Proxy,
    /// The brokers' way to PostgreSQL.
    pub(crate) to_postgres: Proxy,
    /// The senders' way to RabbitMQ.
    pub(crate) from_senders: Proxy,
}

impl Ways {
    /// Starts both, with an inbox and these queues.
    pub(crate) fn start(queues: &[&str]) -> io::Result<Self> {
        let cluster = Cluster::start(queues)?;
        let to = |port| Proxy::to(SocketAddr::from(([127, 0, 0, 1], port)));
        let (rabbit, postgres) = (cluster.rabbit.port(), cluster.postgres.port());
        Ok(Self { cluster, to_rabbit: to(rabbit)?, to_postgres: to(postgres)?, from_senders: to(rabbit)? })
    }

    /// The brokers' settings: the journal, the server of queues and the inbox. So few messages are taken at a time that a
    /// queue can be filled.
    pub(crate) fn settings(&self) -> String {
        let Cluster { rabbit, postgres, database } = &self.cluster;
        format!(
            "[journal]\npostgres = \"host=127.0.0.1 port={} dbname={database} user={}\"\npassword_file = {}\n\
             check_every = \"5s\"\n\n\
             [amqp.bus]\nhost = \"127.0.0.1\"\nport = {}\nvhost = \"{NAME}\"\nuser = \"{NAME}\"\npassword_file = {}\n\
             heartbeat = \"4s\"\npatience = \"5s\"\n\n\
             [sources.amqp.inbox]\nconnection = \"bus\"\nqueue = \"inbox\"\nrole = \"internal\"\nprefetch = 20\n\n",
            self.to_postgres.port(),
            servers::postgres::USER,
            json!(postgres.password_file()),
            self.to_rabbit.port(),
            json!(rabbit.password_file()),
        )
    }

    /// Where senders put messages.
    pub(crate) fn url_of_senders(&self) -> String {
        self.cluster.rabbit.url_through(self.from_senders.port(), NAME)
    }
}
