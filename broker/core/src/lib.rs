#![doc = include_str!("../README.md")]

pub mod arrival;
pub mod journal;
pub mod lifecycle;
pub mod outcome;
pub mod policy;
pub mod ports;
pub mod process;
pub mod protection;
pub mod series;
pub mod telemetry;
pub mod transport;
pub mod verdict;

pub use arrival::{Arrival, ContentHash, Ids};
pub use outcome::Outcome;
pub use process::{World, process};
pub use protection::Protection;
