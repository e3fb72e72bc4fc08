#![doc = include_str!("../README.md")]

pub mod finding;
pub mod limits;
pub mod xml;

pub use finding::{Code, Finding, Findings, Layer, Place};
pub use limits::Limits;
