#![doc = include_str!("../README.md")]

pub mod lab;
pub mod measure;
pub mod paths;
pub mod protection;
