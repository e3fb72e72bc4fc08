//! AMQP 0-9-1, as RabbitMQ speaks it: messages taken from queues, deliveries sent to them.
//!
//! **Invariants.** A delivery is acknowledged only with the proof of a durable commit; until then the server keeps it,
//! and has it again when the connection ends. What we send is handed over only when the server has confirmed it and did
//! not return it; what was written and not confirmed is unsure. No queue and no exchange is ever declared. Whether a
//! message was offered before is never taken from the server's word: the journal knows.
//!
//! Two connections to each server, one for each direction: a server that is short of disk or memory stops reading from
//! whoever publishes, and acknowledgements must still come through.

mod check;
mod destination;
mod envelope;
mod ledger;
mod link;
mod news;
mod publisher;
mod reading;
mod returns;
mod runtime;
mod sane;
mod server;
mod source;
mod tap;

pub use check::check;
pub use destination::{Destination, Options as DestinationOptions};
pub use link::Link;
pub use news::{Direction, News, Nobody, QueueNews, Watch};
pub use server::{Error, Server};
pub use source::{Options as SourceOptions, Source, StandIn};
pub use tap::Tap;

/// An error with all that stands behind it.
pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        behind = error.source();
    }
    text
}
