//! Waiting for a condition, with a deadline that a busy machine keeps.

use std::io;
use std::time::{Duration, Instant};

/// How long anything here may take on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

#[expect(
    clippy::disallowed_methods,
    reason = "what drives servers stands outside of the broker, with a clock of its own"
)]
fn now() -> Instant {
    Instant::now()
}

/// Asks again and again until there is an answer.
///
/// # Errors
/// The first error of the question itself, or `TimedOut` naming `what` after `within`.
pub fn wait_for<T>(
    what: &str,
    within: Duration,
    mut ask: impl FnMut() -> io::Result<Option<T>>,
) -> io::Result<T> {
    let deadline = now() + within;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if now() > deadline {
            let text = format!("{what}: not within {} s", within.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
