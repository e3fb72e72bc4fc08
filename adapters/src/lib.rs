#![doc = include_str!("../README.md")]

pub mod budget;
pub mod clock;
pub mod durations;
pub mod folder;
pub mod intake;
pub mod memory;

mod answer;
mod chain;
mod records;
mod standing;
