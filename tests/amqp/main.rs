//! Queues against a real RabbitMQ: what messages go through on their way in, and deliveries on their way out, with a
//! server that closes, refuses, blocks, restarts and dies. Over AMQP 0-9-1, but where it says 1.0.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod definitions;
mod gone;
mod house;
mod load;
mod other_server;
mod over_10;
mod profile;
mod publishing;
mod reading;
mod rig;
mod stand_in;
mod whole;
