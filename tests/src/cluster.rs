//! The servers of the distributed form, as `ops/` describes them: RabbitMQ with its definitions, PostgreSQL with its
//! settings, and the broker's account on both.

use crate::root;
use serde_json::{Value, json};
use servers::rabbit::Options;
use servers::{Postgres, Rabbit};
use std::io;
use tempfile::NamedTempFile;

/// The virtual host and the account of `ops/rabbitmq/definitions.json`.
pub const NAME: &str = "budstikke";

/// A private RabbitMQ and a private PostgreSQL; dropping it ends both. The broker's account has the password of each server.
#[derive(Debug)]
pub struct Cluster {
    /// The server of queues.
    pub rabbit: Rabbit,
    /// The server of the journal.
    pub postgres: Postgres,
    /// The journal's database.
    pub database: String,
}

impl Cluster {
    /// Starts both. Each of `queues` is made as the inbox is.
    ///
    /// # Errors
    /// If one is not installed or does not start, or the definitions cannot be read.
    pub fn start(queues: &[&str]) -> io::Result<Self> {
        let mut file = NamedTempFile::new()?;
        serde_json::to_writer(&mut file, &with_queues(definitions()?, queues)?)?;
        let options = Options { definitions: Some(file.path().to_owned()), ..Options::default() };
        let rabbit = Rabbit::start(&options)?;
        let postgres = Postgres::start(&[])?;
        let database = postgres.database(NAME)?;
        Ok(Self { rabbit, postgres, database })
    }

    /// How clients that may do everything reach the broker's virtual host.
    #[must_use]
    pub fn url(&self) -> String {
        self.rabbit.url(NAME)
    }

    /// How many messages lie in a queue, given out and not yet settled ones included.
    ///
    /// # Errors
    /// If there is no such queue, or the server is down.
    pub fn messages(&self, queue: &str) -> io::Result<u64> {
        self.rabbit.messages(NAME, queue)
    }

    /// A number that the journal's database answers with.
    ///
    /// # Errors
    /// If it is down, refuses, or answers otherwise.
    pub fn count(&self, query: &str) -> io::Result<u64> {
        let answer = self.sql(query)?;
        answer.trim().parse().map_err(|_| io::Error::other(format!("no number: {answer}")))
    }

    /// Runs statements in the journal's database as the superuser.
    ///
    /// # Errors
    /// If it is down or refuses.
    pub fn sql(&self, statements: &str) -> io::Result<String> {
        self.postgres.sql(&self.database, statements)
    }

    /// Ends every connection to the journal and lets nobody connect, or lets everybody.
    ///
    /// # Errors
    /// If it is down or refuses.
    pub fn connections(&self, some: bool) -> io::Result<()> {
        let limit = if some { -1 } else { 0 };
        self.sql(&format!(
            "ALTER DATABASE {} CONNECTION LIMIT {limit};
             SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            self.database
        ))?;
        Ok(())
    }

    /// Queues of this pattern hold no more than so few messages that are not given out, and refuse others. All else is as
    /// `ops/` has it.
    ///
    /// # Errors
    /// If the server is down or refuses.
    pub fn limit(&self, pattern: &str, messages: u32) -> io::Result<()> {
        let kept = definitions()?["policies"][0]["definition"].clone();
        // A number is written as it is, text as the binary of it.
        let terms = kept.as_object().into_iter().flatten().map(|(key, value)| match value.as_str() {
            Some(text) => format!(r#"{{<<"{key}">>, <<"{text}">>}}"#),
            None => format!(r#"{{<<"{key}">>, {value}}}"#),
        });
        let terms =
            terms.chain([format!(r#"{{<<"max-length">>, {messages}}}"#)]).collect::<Vec<_>>().join(", ");
        self.rabbit.eval(&format!(
            r#"ok = rabbit_policy:set(<<"{NAME}">>, <<"full">>, <<"{pattern}">>, [{terms}], 10, <<"queues">>, <<"test">>)."#
        ))?;
        Ok(())
    }

    /// Queues hold as much as before [`Self::limit`].
    ///
    /// # Errors
    /// If the server is down.
    pub fn limit_no_more(&self) -> io::Result<()> {
        self.rabbit.eval(&format!(r#"ok = rabbit_policy:delete(<<"{NAME}">>, <<"full">>, <<"test">>)."#))?;
        Ok(())
    }
}

/// What `ops/` hands out.
fn definitions() -> io::Result<Value> {
    Ok(serde_json::from_slice(&std::fs::read(root().join("ops/rabbitmq/definitions.json"))?)?)
}

/// The same with more queues. Their policy is for every queue.
fn with_queues(mut definitions: Value, queues: &[&str]) -> io::Result<Value> {
    let list = definitions["queues"].as_array_mut().ok_or_else(|| io::Error::other("no queues"))?;
    let inbox = list.iter().find(|q| q["name"] == "inbox").cloned();
    let inbox = inbox.ok_or_else(|| io::Error::other("no inbox"))?;
    for name in queues {
        if !list.iter().any(|q| q["name"] == *name) {
            let mut queue = inbox.clone();
            queue["name"] = json!(name);
            list.push(queue);
        }
    }
    Ok(definitions)
}
