//! Signatures and envelopes of ours before other people's engines, and theirs before ours.
//!
//! The other engines are libxmlsec1 (as `broker/second-engine` and as the `xmlsec1` tool), OpenSSL's `cms` tool, the
//! JDK's `javax.xml.crypto` and Python's signxml. Where one is not installed the test says so and skips it;
//! `REQUIRE_ORACLES=1` forbids to skip.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test")]

mod documents;
mod ebxml;
mod engine;
mod envelopes;
mod mutate;
mod mutations;
mod people;
mod samples;
mod tools;
mod vectors;
