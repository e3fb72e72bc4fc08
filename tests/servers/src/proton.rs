//! An AMQP 1.0 client that is not ours (Apache Qpid Proton, in Python): it sends and receives as national partners do.

use crate::Rabbit;
use crate::rabbit::USER;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The client.
#[derive(Debug, Clone)]
pub struct Proton {
    python: PathBuf,
}

/// A server on this machine, and how it is entered.
#[derive(Debug, Clone)]
pub struct Peer {
    port: u16,
    vhost: Option<String>,
    password: String,
}

impl Peer {
    /// A virtual host of RabbitMQ.
    #[must_use]
    pub fn of(rabbit: &Rabbit, vhost: &str) -> Self {
        Self {
            port: rabbit.port(),
            vhost: Some(format!("vhost:{vhost}")),
            password: rabbit.password().to_owned(),
        }
    }

    /// One that lets everybody in.
    #[must_use]
    pub fn open(port: u16) -> Self {
        Self { port, vhost: None, password: "any".to_owned() }
    }
}

impl Proton {
    /// Finds it where `need_servers` in `ops/lib.sh` puts it; `None`, said on the test's output, where it is not.
    ///
    /// # Panics
    /// If it is missing and `REQUIRE_SERVERS=1` is set.
    #[must_use]
    pub fn find(test: &str) -> Option<Self> {
        let python = crate::target().join("proton/bin/python");
        if python.exists() {
            return Some(Self { python });
        }
        assert!(
            std::env::var("REQUIRE_SERVERS").as_deref() != Ok("1"),
            "{test}: Qpid Proton is not installed, and REQUIRE_SERVERS=1 forbids to skip it"
        );
        println!("skipped: {test} (Qpid Proton is not installed)");
        None
    }

    /// Sends messages to an address, one after the other, and waits for the server's word on each: `ACCEPTED` and the like.
    ///
    /// A message has `id` (of type `id_type`: string, uuid, ulong or binary), `to`, `subject`, `reply_to`,
    /// `correlation_id`, `content_type`, `ttl_ms`, `properties`, and `body` (base64) or `text` or lists `nested` so deep; or it is
    /// `encoded` (base64), all of it.
    ///
    /// # Errors
    /// If the server refuses, or does not answer.
    pub fn send(
        &self,
        rabbit: &Rabbit,
        vhost: &str,
        address: &str,
        messages: &[Value],
    ) -> io::Result<Vec<String>> {
        self.send_to(&Peer::of(rabbit, vhost), address, messages)
    }

    /// The same, to any server.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_to(&self, peer: &Peer, address: &str, messages: &[Value]) -> io::Result<Vec<String>> {
        let answers = self.run(peer, json!({ "address": address, "send": messages }))?;
        Ok(answers.iter().map(|answer| answer.as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Takes up to so many messages from an address, until none comes for a while; each is accepted.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn receive(
        &self,
        rabbit: &Rabbit,
        vhost: &str,
        address: &str,
        most: usize,
        patience: Duration,
    ) -> io::Result<Vec<Value>> {
        self.receive_from(&Peer::of(rabbit, vhost), address, most, patience)
    }

    /// The same, from any server.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub fn receive_from(
        &self,
        peer: &Peer,
        address: &str,
        most: usize,
        patience: Duration,
    ) -> io::Result<Vec<Value>> {
        let patience = patience.as_secs_f64();
        self.run(peer, json!({ "address": address, "receive": most, "patience": patience }))
    }

    fn run(&self, peer: &Peer, mut job: Value) -> io::Result<Vec<Value>> {
        job["url"] = json!(format!("amqp://127.0.0.1:{}", peer.port));
        job["vhost"] = json!(peer.vhost);
        job["user"] = json!(USER);
        job["password"] = json!(peer.password);
        let mut child = Command::new(&self.python)
            .args(["-c", include_str!("proton.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or_else(|| io::Error::other("no standard input"))?;
        stdin.write_all(job.to_string().as_bytes())?;
        drop(stdin);
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or("it ended and said nothing");
            return Err(io::Error::other(last.to_owned()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::other)).collect()
    }
}
