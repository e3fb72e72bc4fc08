#![doc = include_str!("../README.md")]

pub mod admin;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod door;
pub mod examine;
pub mod exit;
pub mod health;
pub mod intake;
pub mod journal;
pub mod mask;
pub mod pool;
pub mod proof;
pub mod protection;
pub mod queues;
pub mod registry;
pub mod reload;
mod renderings;
pub mod schemas;
pub mod series;
pub mod telemetry;
pub mod timers;
pub mod wake;
pub mod wiring;
pub mod world;
