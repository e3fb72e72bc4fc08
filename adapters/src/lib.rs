#![doc = include_str!("../README.md")]

pub mod amqp;
pub mod amqp10;
pub mod budget;
pub mod clock;
pub mod durations;
pub mod folder;
pub mod http;
pub mod intake;
pub mod keys;
pub mod memory;
pub mod postgres;
pub mod publish;
pub mod queues;
pub mod registry;
pub mod revocation;
pub mod second_engine;
pub mod secret;
pub mod sqlite;
pub mod tls;

mod answer;
mod appetite;
mod backoff;
mod chain;
mod journal;
mod records;
mod shelf;
mod standing;
