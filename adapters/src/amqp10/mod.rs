//! AMQP 1.0, which the national bus and Helsenorge speak: messages taken from queues, deliveries sent to them.
//!
//! **Invariants.** A message is accepted on its queue only with the proof of a durable commit; until then the server
//! keeps it, and has it again when the connection ends. A delivery is handed over only when the server says that it
//! accepted it; a connection that ends before leaves it unsure. No queue is ever declared. Nothing that a stranger
//! sends is decoded without the limits of `amqp_profile`.
//!
//! Tested against RabbitMQ 3.10 with its plugin, whose ways explain much here: it knows no `modified`; it answers a
//! close with a detach that does not close; it ends a whole session over a wrong exchange and a whole connection over a
//! link name that was used before; it accepts, and loses, what is sent to an exchange with no queue behind.

pub mod address;
mod check;
mod connection;
mod destination;
mod link;
mod message;
mod opaque;
mod sasl;
mod server;
mod source;
mod tap;

pub use address::Dialect;
pub use check::check;
pub use connection::Connection;
pub use destination::{Destination, Options as DestinationOptions};
pub use server::{Error, Server};
pub use source::{Options as SourceOptions, Source};
pub use tap::Tap;
