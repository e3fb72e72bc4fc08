#![doc = include_str!("../README.md")]

pub mod clock;
pub mod memory;

mod chain;
mod records;
mod standing;
