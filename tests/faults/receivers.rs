//! Receiving systems: over HTTP in every manner, or a reader of a queue.

use crate::ways::Ways;
use servers::Proxy;
use servers::proxy::Mode;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use system_tests::checker::Checker;
use system_tests::drive::{Endpoint, Manner};
use system_tests::queues::Reader;

/// How a receiving system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It answers at once.
    Healthy,
    /// It answers late.
    Slow,
    /// It takes, and never answers until the end.
    Hanging,
    /// It is not there until the end.
    Dead,
    /// It reads a queue of its own.
    Queue,
}

/// A system that letters or receipts go to: an enterprise with one service.
pub(crate) struct Receiver {
    pub(crate) name: String,
    pub(crate) enterprise: u32,
    pub(crate) service: u32,
    pub(crate) kind: Kind,
    place: Place,
}

enum Place {
    /// Its endpoint, where that listens, and the way to it.
    Http(Arc<Endpoint>, SocketAddr, Proxy),
    Queue(Reader),
}

impl Receiver {
    /// A system over HTTP.
    pub(crate) fn http(name: &str, enterprise: u32, kind: Kind, checker: &Arc<Checker>) -> io::Result<Self> {
        let listens_at = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let endpoint = Arc::<Endpoint>::default();
        match kind {
            Kind::Healthy | Kind::Dead | Kind::Queue => (),
            Kind::Slow => endpoint.set(Manner::Slow(Duration::from_millis(700))),
            Kind::Hanging => endpoint.set(Manner::Hanging),
        }
        let place = Place::Http(endpoint, listens_at, Proxy::to(listens_at)?);
        let receiver = Self::new(name, enterprise, kind, place);
        if kind != Kind::Dead {
            receiver.listen(checker);
        }
        Ok(receiver)
    }

    /// A system that reads a queue of its name, past every proxy.
    pub(crate) fn queue(name: &str, enterprise: u32, checker: &Arc<Checker>, ways: &Ways) -> Self {
        let (reader, checker) = (name.to_owned(), Arc::clone(checker));
        let reader = Reader::start(ways.cluster.url(), name, move |came| {
            checker.handed(&reader, came.id(), came.bytes());
        });
        Self::new(name, enterprise, Kind::Queue, Place::Queue(reader))
    }

    fn new(name: &str, enterprise: u32, kind: Kind, place: Place) -> Self {
        Self { name: name.to_owned(), enterprise, service: enterprise + 10, kind, place }
    }

    fn listen(&self, checker: &Arc<Checker>) {
        if let Place::Http(endpoint, listens_at, _) = &self.place {
            let (name, checker) = (self.name.clone(), Arc::clone(checker));
            endpoint.open(*listens_at, move |it| checker.handed(&name, it.key, it.bytes));
        }
    }

    /// The way to it, if it is one over HTTP.
    pub(crate) fn way(&self) -> Option<&Proxy> {
        match &self.place {
            Place::Http(_, _, way) => Some(way),
            Place::Queue(_) => None,
        }
    }

    /// True if what is sent to it comes through at once, when all is well around it.
    pub(crate) fn is_well(&self) -> bool {
        matches!(self.kind, Kind::Healthy | Kind::Queue)
    }

    /// True if it has a queue.
    pub(crate) fn reads_a_queue(&self) -> bool {
        matches!(self.place, Place::Queue(_))
    }

    /// Does not read its queue as long as it is held, if it has one.
    pub(crate) fn hold(&self, held: bool) {
        if let Place::Queue(reader) = &self.place {
            reader.hold(held);
        }
    }

    /// It is there and answers at once, from now on.
    pub(crate) fn heal(&self, checker: &Arc<Checker>) {
        if let Place::Http(endpoint, _, way) = &self.place {
            way.set(Mode::Pass);
            endpoint.set(Manner::Prompt);
            if self.kind == Kind::Dead {
                self.listen(checker);
            }
        }
    }

    /// The section of the broker's settings, which calls it by its name.
    pub(crate) fn destination(&self) -> String {
        let retry = "retry = { first = \"200ms\", max = \"1s\" }\n\
                     breaker = { pause = { first = \"200ms\", max = \"1s\" } }\n";
        let name = &self.name;
        let way = match &self.place {
            Place::Http(_, _, way) => {
                format!("url = \"http://{}/messages\"\ntimeout = \"3s\"", way.address())
            }
            Place::Queue(_) => {
                format!("amqp = \"bus\"\nqueue = \"{name}\"\ntimeout = \"10s\"\nconcurrency = 200")
            }
        };
        format!("[destinations.\"to:{name}\"]\n{way}\n{retry}\n")
    }

    /// The party as the broker knows it; it answers for it.
    pub(crate) fn party(&self) -> String {
        let Self { name, enterprise, service, .. } = self;
        format!(
            "[[party]]\nher_id = {enterprise}\nlevel = \"enterprise\"\nname = \"{name}\"\nkind = \"contract-specialist\"\n\
             destination = \"to:{name}\"\n\n\
             [[party]]\nher_id = {service}\nlevel = \"service\"\nname = \"{name}, service\"\nkind = \"contract-specialist\"\n\
             parent = {enterprise}\nanswers = \"broker\"\n\n"
        )
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Place::Http(endpoint, _, _) = &self.place {
            endpoint.close();
        }
    }
}
