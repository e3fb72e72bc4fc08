#![doc = include_str!("../README.md")]

pub mod arrival;
pub mod journal;
pub mod lifecycle;
pub mod policy;
pub mod ports;
pub mod telemetry;

pub use arrival::{Arrival, ContentHash, Ids};
