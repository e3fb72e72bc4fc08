#![doc = include_str!("../README.md")]

mod artemis;
mod guard;
mod ports;
pub mod postgres;
mod process;
mod proton;
pub mod proxy;
pub mod questions;
pub mod rabbit;
pub mod stores;
mod wait;

pub use artemis::Artemis;
pub use ports::free as free_ports;
pub use postgres::Postgres;
pub use proton::{Peer, Proton};
pub use proxy::Proxy;
pub use rabbit::Rabbit;
pub use wait::wait_for;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The one RabbitMQ node of this process, started at the first call; `None`, said on the test's output, where
/// RabbitMQ is not installed. For tests that leave it alive: each takes a virtual host of its own.
///
/// # Panics
/// If it does not start, or is not installed and `REQUIRE_SERVERS=1` is set.
#[must_use]
pub fn rabbit(test: &str) -> Option<&'static Rabbit> {
    static SHARED: OnceLock<Option<Rabbit>> = OnceLock::new();
    let start =
        || installed(test, rabbit::program()).then(|| must(Rabbit::start(&rabbit::Options::default())));
    said(test, SHARED.get_or_init(start).as_ref())
}

/// The one PostgreSQL cluster of this process, started at the first call; `None`, said on the test's output, where
/// PostgreSQL is not installed. For tests that leave it alive: each takes a database of its own. It does not wait for the
/// disk (`fsync = off`): nothing here cuts the power.
///
/// # Panics
/// If it does not start, or is not installed and `REQUIRE_SERVERS=1` is set.
#[must_use]
pub fn postgres(test: &str) -> Option<&'static Postgres> {
    static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
    let start = || installed(test, postgres::programs()).then(|| must(Postgres::start(&[("fsync", "off")])));
    said(test, SHARED.get_or_init(start).as_ref())
}

/// Whether both servers are installed; if not, it is said on the test's output, and `ops/test` counts it.
///
/// # Panics
/// If one is missing and `REQUIRE_SERVERS=1` is set.
#[must_use]
pub fn available(test: &str) -> bool {
    let there = installed(test, rabbit::program()) && installed(test, postgres::programs());
    if !there {
        println!("skipped: {test} (RabbitMQ or PostgreSQL is not installed)");
    }
    there
}

fn installed(test: &str, program: io::Result<PathBuf>) -> bool {
    match program {
        Ok(_) => true,
        Err(e) => {
            assert!(
                std::env::var("REQUIRE_SERVERS").as_deref() != Ok("1"),
                "{test}: {e}, and REQUIRE_SERVERS=1 forbids to skip it"
            );
            false
        }
    }
}

fn said<T>(test: &str, server: Option<&'static T>) -> Option<&'static T> {
    if server.is_none() {
        println!("skipped: {test} (RabbitMQ or PostgreSQL is not installed)");
    }
    server
}

fn must<T>(started: io::Result<T>) -> T {
    started.unwrap_or_else(|e| panic!("the server does not start: {e}"))
}

/// The project's root folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}

/// What outlives a test run: templates, and logs of servers that a test failed with.
fn kept() -> PathBuf {
    target().join("servers")
}

/// The folder of what is built.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A secret that nobody else on this machine knows, as hexadecimal digits.
fn secret() -> io::Result<String> {
    use std::io::Read;
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// Writes a file that nobody but its owner can read.
fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(path)?;
    file.write_all(bytes)
}
