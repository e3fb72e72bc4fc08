//! A queue that a broker reads, and the queue that its receipts come to.
//!
//! Messages go out as national senders send them: with the envelope of the profile, made from the head of each message.
//! One whose head gives no HER-ids goes without, as only queues of one's own take it.

use super::prepare::Prepared;
use super::summary::Outcome;
use crate::config::Config;
use crate::config::amqp::{Amqp, AmqpTls, Protocol};
use crate::exit::{Failure, chain};
use crate::queues::{Destination, Queues, Way};
use adapters::amqp::{self, Direction, News, QueueNews, Watch};
use adapters::amqp10;
use adapters::clock::SystemClock;
use adapters::queues::{Addressed, internal};
use amqp_profile::{Envelope, outgoing};
use broker_core::journal::{Book, Delivery, RecipientId};
use broker_core::ports::{Clock, Destination as _};
use broker_core::transport::Label;
use dead_letter::Attempt;
use message_schemas::MessageId;
use routing_rules::Parties;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// For the server's word on one message.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which queue, and how its server is reached.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// With an address of a server of queues: the queue, or the routing key where an exchange is named.
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// The exchange that messages go through; straight to the queue if not given.
    #[arg(long, value_name = "NAME", requires = "queue")]
    exchange: Option<String>,
    /// A file whose first line is the password of the account in the address.
    #[arg(long, value_name = "FILE", requires = "queue")]
    login_file: Option<PathBuf>,
    /// The version of AMQP: 0-9-1 or 1.0.
    #[arg(long, value_name = "VERSION", requires = "queue")]
    protocol: Option<Protocol>,
    /// The broker's configuration, where the address names a connection of it (amqp:NAME).
    #[arg(long, value_name = "FILE", requires = "queue")]
    config: Option<PathBuf>,
}

impl Options {
    /// Whether an address is one of a server of queues.
    pub(super) fn is_meant(to: &str) -> bool {
        to.starts_with("amqp:") || to.starts_with("amqps:")
    }

    /// True if nothing was said.
    pub(super) const fn is_unused(&self) -> bool {
        self.queue.is_none()
    }

    /// The server at an address, and the queue.
    pub(super) fn place(&self, to: &str) -> Result<Place, Failure> {
        let usage = |why: &str| Failure::Usage(why.to_owned());
        let queue = self.queue.clone().ok_or_else(|| usage("--queue names the queue at this server"))?;
        let mut server = match (to.strip_prefix("amqp:"), &self.config) {
            (Some(name), Some(file)) if !name.starts_with("//") => {
                let config = Config::load(file).map_err(Failure::Config)?;
                let known = config.amqp.get(name).cloned();
                known.ok_or_else(|| Failure::Usage(format!("{} has no [amqp.{name}]", file.display())))?
            }
            (Some(name), None) if !name.starts_with("//") => {
                return Err(usage("--config names the file in which this connection stands"));
            }
            (_, Some(_)) => return Err(usage("--config is for an address as amqp:NAME")),
            (_, None) => self.by_address(to)?,
        };
        if self.exchange.is_some() {
            server.exchange.clone_from(&self.exchange);
        }
        Ok(Place { server, queue })
    }

    /// The server at `amqp[s]://USER@HOST[:PORT][/VHOST]`.
    fn by_address(&self, to: &str) -> Result<Amqp, Failure> {
        const FORM: &str = "an address is written as amqp://USER@HOST:PORT/VHOST, or amqps://";
        let usage = |why: &str| Failure::Usage(why.to_owned());
        let uri: hyper::Uri = to.parse().map_err(|_| usage(FORM))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(usage(FORM));
        };
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| user.to_owned());
        let vhost = uri.path().trim_start_matches('/');
        if user.as_ref().is_some_and(|user| user.contains(':')) {
            let why = "everybody on this machine can read a password in an address; write it into a file, and name that \
                       with --login-file";
            return Err(usage(why));
        }
        if [vhost, user.as_deref().unwrap_or_default()].iter().any(|part| part.contains('%')) {
            let why = "in an address, names are written as they are; others can stand in a configuration (amqp:NAME)";
            return Err(usage(why));
        }
        Ok(Amqp {
            protocol: self.protocol.unwrap_or(Protocol::V091),
            port: authority.port_u16(),
            vhost: (!vhost.is_empty()).then(|| vhost.to_owned()),
            user,
            password_file: self.login_file.clone(),
            tls: (scheme == "amqps").then(AmqpTls::default),
            message_bytes: crate::config::read::Bytes(usize::MAX),
            ..Amqp::at(authority.host().trim_matches(['[', ']']))
        })
    }
}

/// A queue at a server.
#[derive(Debug, Clone)]
pub(super) struct Place {
    server: Amqp,
    queue: String,
}

/// A queue that messages are sent to. Clones share the connection.
#[derive(Clone)]
pub(super) struct Queue {
    destination: Arc<Destination>,
    place: Place,
}

impl Queue {
    /// Connects. Messages name the queue that answers are expected in, if somebody looks there.
    pub(super) async fn connect(
        place: Place,
        reply_to: Option<&str>,
        in_flight: usize,
    ) -> Result<Self, Failure> {
        const NAME: &str = "send";
        let (told, mut connected) = watch::channel(None);
        let amqp = [(NAME.to_owned(), place.server.clone())].into();
        let queues = Queues::new(amqp, Arc::new(Waiting(told)));
        let (queue, reply_to) = (place.queue.clone(), reply_to.map(str::to_owned));
        let options = outgoing::Options { unprotected: true, ..outgoing::Options::default() };
        let clock = SystemClock::new();
        let nobody = Parties::default();
        let addressing = move |delivery: &Delivery| {
            let envelope = match outgoing::make(delivery, &nobody, &options, clock.now()) {
                Ok(made) => Envelope { to: Some(queue.clone()), reply_to: reply_to.clone(), ..made.envelope },
                Err(_) => internal(delivery),
            };
            Ok(Addressed { queue: queue.clone(), envelope })
        };
        let failed = |why: String| Failure::Remote(format!("{}: {why}", place.server.host));
        let destination = queues
            .destination(NAME, Way::addressed(Arc::new(addressing)), PATIENCE, in_flight)
            .map_err(|error| failed(chain(&error)))?;
        let settled = connected.wait_for(Option::is_some);
        match tokio::time::timeout(place.server.patience * 2, settled).await {
            Ok(Ok(told)) => {
                if let Some(Err(why)) = &*told {
                    return Err(failed(why.clone()));
                }
            }
            Ok(Err(_)) | Err(_) => return Err(failed("no answer in time".to_owned())),
        }
        Ok(Self { destination: Arc::new(destination), place })
    }

    /// Sends one message.
    pub(super) async fn send(&self, message: &Prepared) -> Outcome {
        let delivery = Delivery {
            recipient: RecipientId(Uuid::now_v7()),
            message: MessageId(Uuid::now_v7()),
            book: Book::Message,
            receiver: message.label.to,
            destination: "send".parse().expect("a name"),
            kind: None,
            document: None,
            bytes: message.bytes.to_vec().into(),
            tries: 0,
            expires: None,
            maybe_arrived: false,
            receipt_written: false,
            test: false,
            family: None,
            label: Label { address: Some(self.place.queue.clone()), ..message.label.clone() },
        };
        // The destination's own patience is for each step: one behind the other, messages would wait for hours. What it has to
        // say comes first.
        let answer =
            tokio::time::timeout(PATIENCE + Duration::from_secs(5), self.destination.send(&delivery)).await;
        match answer {
            Ok(Attempt::HandedOver | Attempt::AlreadyThere | Attempt::NothingToDo { .. }) => {
                Outcome::Acknowledged
            }
            Ok(
                Attempt::Refused { why }
                | Attempt::SetAside { why, .. }
                | Attempt::ReceiverAway { why }
                | Attempt::Retry { why, .. },
            ) => Outcome::Refused(why),
            Ok(Attempt::Unsure { why }) => Outcome::Lost(why),
            Err(_) => Outcome::Lost("the server took no message in time".to_owned()),
        }
    }

    /// Begins to take what is in another queue of the same server.
    pub(super) async fn tap(&self, queue: &str) -> Result<Tap, Failure> {
        let failed = |error: &dyn std::error::Error| Failure::Remote(format!("{queue}: {}", chain(error)));
        let server = &self.place.server;
        Ok(match server.protocol {
            Protocol::V091 => {
                let tap = amqp::Tap::open(&server.server(), queue).await;
                Tap::V091(Box::new(tap.map_err(|error| failed(&error))?))
            }
            Protocol::V10 => {
                let tap = amqp10::Tap::open(&server.server_10(), queue).await;
                Tap::V10(Box::new(tap.map_err(|error| failed(&error))?))
            }
        })
    }
}

/// What comes on a queue.
pub(super) enum Tap {
    V091(Box<amqp::Tap>),
    V10(Box<amqp10::Tap>),
}

impl Tap {
    /// The content of the next message; none once the connection is lost.
    pub(super) async fn next(&mut self) -> Option<Arc<[u8]>> {
        let envelope = match self {
            Self::V091(tap) => tap.next().await,
            Self::V10(tap) => tap.next().await,
        };
        envelope.map(|envelope| envelope.body)
    }
}

/// Waits for the first that is told of the connection.
struct Waiting(watch::Sender<Option<Result<(), String>>>);

impl Watch for Waiting {
    fn connection(&self, _: &str, _: Direction, news: News<'_>) {
        let told = match news {
            News::Connected => Ok(()),
            News::Lost(why) => Err(why.to_owned()),
            News::Blocked(_) | News::Unblocked | News::Unconfirmed(_) => return,
        };
        self.0.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(told);
            is_first
        });
    }

    fn queue(&self, _: &str, _: QueueNews<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn options(words: &[&str]) -> Options {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        let line = std::iter::once(&"send").chain(words);
        <Line as clap::Parser>::try_parse_from(line).expect("good words").options
    }

    #[test]
    fn an_address_names_account_machine_and_virtual_host_but_no_password() {
        let place = options(&["--queue", "q", "--login-file", "secret"])
            .place("amqps://load@rabbit.example:5671/region")
            .expect("an address");
        let server = &place.server;
        assert_eq!((server.host.as_str(), server.port), ("rabbit.example", Some(5671)));
        assert_eq!((server.user.as_deref(), server.vhost.as_deref()), (Some("load"), Some("region")));
        assert!(server.tls.is_some() && server.password_file.as_deref() == Some(Path::new("secret")));
        let bare = options(&["--queue", "q", "--protocol", "1.0"]).place("amqp://[::1]").expect("an address");
        assert_eq!((bare.server.host.as_str(), bare.server.protocol), ("::1", Protocol::V10));
        assert!(bare.server.vhost.is_none() && bare.server.tls.is_none());
        for wrong in ["amqp://load:secret@localhost", "amqp://", "amqp://a/b%2fc", "amqp:internal"] {
            assert!(options(&["--queue", "q"]).place(wrong).is_err(), "{wrong}");
        }
        assert!(options(&[]).place("amqp://localhost").is_err(), "which queue?");
    }

    #[test]
    fn an_address_may_name_a_connection_of_a_configuration() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/config/distributed.toml");
        let words = ["--queue", "q", "--config", file.to_str().expect("text"), "--exchange", "e"];
        let place = options(&words).place("amqp:internal").expect("it stands there");
        assert_eq!(place.server.user.as_deref(), Some("budstikke"));
        assert_eq!(place.server.exchange.as_deref(), Some("e"));
        assert!(options(&words).place("amqp:other").is_err());
    }
}
