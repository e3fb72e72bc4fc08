//! A server that is reached over AMQP 1.0: where it is, who we are there, and how it is connected to.

use super::address::Dialect;
use super::sasl::{self, Proof};
use crate::durations;
use crate::secret;
use crate::tls;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::{Connection, Session};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use uuid::Uuid;

/// Settings of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Name or address of the machine.
    pub host: String,
    /// Port; 5671 with TLS and 5672 without if not set.
    #[serde(default)]
    pub port: Option<u16>,
    /// RabbitMQ's virtual host; the server's default if not set.
    #[serde(default)]
    pub vhost: Option<String>,
    /// The account; without it we are known by the certificate of `tls`.
    #[serde(default)]
    pub user: Option<String>,
    /// File with the account's password (its first line); read at every connecting.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// TLS; a connection in the clear if not set.
    #[serde(default)]
    pub tls: Option<tls::ClientOptions>,
    /// The exchange that messages are sent through, case-sensitive; straight to queues if not set.
    #[serde(default)]
    pub namespace: Option<String>,
    /// How the server names queues.
    #[serde(default)]
    pub dialect: Dialect,
    /// Silence after which the connection counts as lost.
    #[serde(default = "Server::default_idle", with = "durations::required")]
    pub idle: Duration,
    /// For a connection, a session or a link to come about, each.
    #[serde(default = "Server::default_patience", with = "durations::required")]
    pub patience: Duration,
}

impl Server {
    /// Defaults for this machine.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: None,
            vhost: None,
            user: None,
            password_file: None,
            tls: None,
            namespace: None,
            dialect: Dialect::default(),
            idle: Self::default_idle(),
            patience: Self::default_patience(),
        }
    }

    const fn default_idle() -> Duration {
        Duration::from_secs(30)
    }

    const fn default_patience() -> Duration {
        Duration::from_secs(10)
    }

    /// Finds faults without connecting: the name, the password file, certificates and keys.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), Error> {
        self.proof()?;
        self.tls()?;
        Ok(())
    }

    fn proof(&self) -> Result<Proof, Error> {
        match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => {
                Ok(Proof::Password { user: user.clone(), password: secret::first_line(file)? })
            }
            (None, None) if self.tls.as_ref().is_some_and(tls::ClientOptions::has_certificate) => {
                Ok(Proof::Certificate)
            }
            _ => Err(Error::NoProof),
        }
    }

    fn tls(&self) -> Result<Option<(TlsConnector, ServerName<'static>)>, Error> {
        let Some(options) = &self.tls else { return Ok(None) };
        let config = tls::client_with(options)?;
        let name = ServerName::try_from(self.host.clone()).map_err(|_| Error::Host)?;
        Ok(Some((TlsConnector::from(Arc::new(config)), name)))
    }

    /// Connects. What ends the connection later is noticed by whoever uses it.
    /// `over` stands between connection and library.
    pub(super) async fn connect<Over>(
        &self,
        over: impl FnOnce(Io) -> Over + Send,
    ) -> Result<ConnectionHandle<()>, Error>
    where
        Over: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static,
    {
        let (proof, tls) = (self.proof()?, self.tls()?);
        let connecting = async {
            let port = self.port.unwrap_or(if tls.is_some() { 5671 } else { 5672 });
            let stream = TcpStream::connect((self.host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            let mut io: Io = match tls {
                Some((connector, name)) => Box::new(connector.connect(name, stream).await?),
                None => Box::new(stream),
            };
            sasl::tell(&mut io, &proof).await?;
            self.open(over(io)).await
        };
        Box::pin(timeout(self.patience, connecting)).await.map_err(|_| Error::TooSlow)?
    }

    async fn open(
        &self,
        io: impl AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static,
    ) -> Result<ConnectionHandle<()>, Error> {
        // RabbitMQ takes the virtual host from here.
        let host = self.vhost.as_ref().map_or_else(|| self.host.clone(), |vhost| format!("vhost:{vhost}"));
        let idle = u32::try_from(self.idle.as_millis()).unwrap_or(u32::MAX);
        Connection::builder()
            .container_id(unique("budstikke"))
            .hostname(Some(host.as_str()))
            // A frame that is as long as may be grows by what `Opaque` puts into it.
            .max_frame_size(u32::MAX)
            .idle_time_out(idle)
            .open_with_stream(io)
            .await
            .map_err(|error| Error::NotOpened(words(&error)))
    }

    /// Begins a session. A fault of any link ends its session on some servers, so links that shall not share their
    /// faults have sessions of their own.
    pub(super) async fn begin(
        &self,
        connection: &mut ConnectionHandle<()>,
    ) -> Result<SessionHandle<()>, Error> {
        let beginning = Session::begin(connection);
        let begun = Box::pin(timeout(self.patience, beginning)).await.map_err(|_| Error::TooSlow)?;
        begun.map_err(|error| Error::NotOpened(words(&error)))
    }
}

/// A name that nothing else has: RabbitMQ ends a connection that uses the name of a link again.
pub(super) fn unique(what: &str) -> String {
    format!("{what}-{}", Uuid::now_v7())
}

/// A connection, in the clear or in TLS.
pub(super) type Io = Box<dyn Both>;

/// Reads and writes.
pub(super) trait Both: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Both for T {}

/// Why a server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name of the server cannot stand in a certificate.
    #[error("the host is no name or address that a certificate can hold")]
    Host,
    /// Neither account and password file nor a client certificate.
    #[error("set user and password_file, or a client certificate under tls")]
    NoProof,
    /// The password file.
    #[error(transparent)]
    Password(#[from] secret::Error),
    /// Certificates or keys.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// No connection, or TLS failed.
    #[error("no connection")]
    Unreachable(#[from] io::Error),
    /// No answer in time.
    #[error("no answer in time")]
    TooSlow,
    /// It answers, but not as an AMQP 1.0 server does.
    #[error("the server does not speak AMQP 1.0 here (RabbitMQ 3.x needs the plugin rabbitmq_amqp1_0)")]
    NoAmqp10,
    /// It takes no such proof of who we are.
    #[error("the server does not take {mechanism}")]
    NoSuchProof {
        /// The SASL mechanism.
        mechanism: &'static str,
    },
    /// Wrong account, password or certificate.
    #[error("the server refused account, password or certificate")]
    Refused,
    /// The connection or its session was not opened; mostly the virtual host.
    #[error("the server did not open the connection: {0}")]
    NotOpened(String),
    /// A link was not attached; mostly a queue or exchange that is not there, or may not be used.
    #[error("the server did not attach the link: {0}; look at the name, and at upper and lower case in it")]
    NotAttached(String),
    /// There is no connection now; why.
    #[error("{0}")]
    Away(String),
}

/// What a server said, out of an error that the library prints as it is built.
pub(super) fn words(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let description = text.split_once("description: Some(\"").and_then(|(_, rest)| rest.split_once("\")"));
    match description {
        Some((theirs, _)) => theirs.replace("\\\"", "\"").replace("\\'", "'"),
        None if text.contains("ConnectionStopped") => "the connection was ended".to_owned(),
        None if text.contains("SessionStopped") => "the session was ended".to_owned(),
        None => text,
    }
}

impl Error {
    /// True if the server is not there now: later it may be.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TooSlow | Self::Away(_) => true,
            Self::Host
            | Self::NoProof
            | Self::Password(_)
            | Self::Tls(_)
            | Self::NoAmqp10
            | Self::NoSuchProof { .. }
            | Self::Refused
            | Self::NotOpened(_)
            | Self::NotAttached(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe2o3_amqp::link::ReceiverAttachError;
    use fe2o3_amqp::types::definitions::{AmqpError, Error as Told};

    #[test]
    fn what_a_server_said_is_told_in_its_words() {
        let theirs = "NOT_FOUND - no queue 'a \"b\"' in vhost '/'";
        let told = Told::new(AmqpError::NotFound, Some(theirs.to_owned()), None);
        assert_eq!(words(&ReceiverAttachError::RemoteClosedWithError(told)), theirs);
        let silent = Told::new(AmqpError::NotFound, None, None);
        assert!(words(&ReceiverAttachError::RemoteClosedWithError(silent)).contains("NotFound"));
        assert_eq!(
            words(&"Local error: SessionStopped(ConnectionStopped(Closed))"),
            "the connection was ended"
        );
    }
}
