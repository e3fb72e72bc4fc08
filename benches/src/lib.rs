#![doc = include_str!("../README.md")]

pub mod cluster;
pub mod embedded;
pub mod lab;
pub mod measure;
pub mod paths;
pub mod protection;
