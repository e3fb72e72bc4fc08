//! AMQP 0-9-1 against a real RabbitMQ: what a queue's messages go through on their way in, and deliveries on their way
//! out, with a server that closes, refuses, blocks, restarts and dies.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod definitions;
mod publishing;
mod reading;
mod rig;
mod whole;
