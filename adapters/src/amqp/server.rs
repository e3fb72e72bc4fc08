//! A server that is reached over AMQP 0-9-1: where it is, who we are there, and how it is connected to.

use super::runtime::{Io, Kit, Stream, kit};
use super::sane::{FRAME, Sane};
use crate::durations;
use crate::secret;
use crate::tls;
use async_rs::Runtime;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::compat::TokioAsyncReadCompatExt;

/// Settings of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Name or address of the machine.
    pub host: String,
    /// Port; 5671 with TLS and 5672 without if not set.
    #[serde(default)]
    pub port: Option<u16>,
    /// The virtual host; `/` if not set.
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
    /// Silence after which the connection counts as lost; in whole seconds.
    #[serde(default = "Server::default_heartbeat", with = "durations::required")]
    pub heartbeat: Duration,
    /// For a connection to come about, and for an answer of the server.
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
            heartbeat: Self::default_heartbeat(),
            patience: Self::default_patience(),
        }
    }

    const fn default_heartbeat() -> Duration {
        Duration::from_secs(20)
    }

    const fn default_patience() -> Duration {
        Duration::from_secs(10)
    }

    /// Finds faults without connecting: the name, the password file, certificates and keys.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), Error> {
        self.address()?;
        self.connector()?;
        Ok(())
    }

    /// Where, and as whom.
    fn address(&self) -> Result<AMQPUri, Error> {
        let (userinfo, mechanism) = match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => {
                let password = secret::first_line(file)?.to_string();
                (AMQPUserInfo { username: user.clone(), password }, SASLMechanism::Plain)
            }
            (None, None) if self.tls.as_ref().is_some_and(tls::ClientOptions::has_certificate) => {
                let nobody = AMQPUserInfo { username: String::new(), password: String::new() };
                (nobody, SASLMechanism::External)
            }
            _ => return Err(Error::NoProof),
        };
        let port = self.port.unwrap_or(if self.tls.is_some() { 5671 } else { 5672 });
        Ok(AMQPUri {
            // TLS is ours: to the library every stream is a plain one.
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority { userinfo, host: self.host.clone(), port },
            vhost: self.vhost.clone().unwrap_or_else(|| "/".to_owned()),
            query: AMQPQueryString {
                heartbeat: Some(u16::try_from(self.heartbeat.as_secs().max(1)).unwrap_or(u16::MAX)),
                // So that everything that must be looked at is.
                frame_max: Some(FRAME),
                auth_mechanism: Some(mechanism),
                ..AMQPQueryString::default()
            },
        })
    }

    fn connector(&self) -> Result<Option<(TlsConnector, ServerName<'static>)>, Error> {
        let Some(options) = &self.tls else { return Ok(None) };
        let config = tls::client_with(options)?;
        let name = ServerName::try_from(self.host.clone()).map_err(|_| Error::Host)?;
        Ok(Some((TlsConnector::from(Arc::new(config)), name)))
    }

    /// Connects. `what` tells our connections apart on the server's own lists.
    pub(super) async fn connect(&self, what: &str) -> Result<Connection, Error> {
        let address = self.address()?;
        let tls = self.connector()?;
        let properties = ConnectionProperties::default()
            .with_client_property("product".into(), "budstikke".into())
            .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into())
            .with_connection_name(format!("budstikke {what}").into());
        let patience = self.patience;
        let stream = async move |address: AMQPUri, _: Runtime<Kit>| {
            let (host, port) = (address.authority.host.as_str(), address.authority.port);
            let connecting = async {
                let tcp = TcpStream::connect((host, port)).await?;
                tcp.set_nodelay(true)?;
                let stream: Io = match tls.clone() {
                    Some((connector, name)) => Box::new(connector.connect(name, tcp).await?),
                    None => Box::new(tcp),
                };
                let stream: Stream = Sane::new(stream).compat();
                Ok::<_, io::Error>(stream)
            };
            let connected = timeout(patience, connecting).await.map_err(io::Error::from)??;
            Ok(AsyncTcpStream::Plain(connected))
        };
        let opening = Connection::connector(address, Runtime::new(kit()), stream, properties);
        match Box::pin(timeout(patience * 2, opening)).await {
            Ok(opened) => opened.map_err(Error::NotOpened),
            Err(_) => Err(Error::TooSlow),
        }
    }
}

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
    /// No answer in time.
    #[error("no answer in time")]
    TooSlow,
    /// No connection, or the server refused the account, its password or the virtual host.
    #[error("no connection: {0}")]
    NotOpened(lapin::Error),
    /// The server does not answer now; it may later.
    #[error("{0}")]
    Away(String),
    /// The server refuses us, or a queue or an exchange cannot be used.
    #[error("{0}")]
    Unusable(String),
}
