//! XML signatures: canonical forms, every algorithm both ways, other implementations, attacks.
#![expect(clippy::unwrap_used, reason = "a test")]

mod attacks;
mod attacks_ebxml;
mod canonical;
mod ebxml;
mod mutations;
mod people;
mod round_trips;
mod schemas;
mod shared;
mod xmlsec;
