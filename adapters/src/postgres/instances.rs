//! Brokers that share the journal: each has a chain of events of its own, and says every few seconds that it lives.
//!
//! Only the server's clock is read for that, so that it does not matter how the brokers' clocks differ. How far ours is from
//! the server's is looked at with each word: deadlines in the journal are written by the brokers' clocks.

use super::access::Access;
use super::failure::Failure;
use super::transaction::SILENCE;
use crate::clock::SystemClock;
use broker_core::ports::Clock as _;
use jiff::{SignedDuration, Timestamp};
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How often a broker says that it lives.
const BEAT: Duration = Duration::from_secs(3);
/// A word that takes longer is not heard.
const WORD: Duration = Duration::from_secs(4);
/// A word that takes longer says nothing about clocks.
const PROMPT: Duration = Duration::from_millis(500);

const REGISTER: &str =
    "INSERT INTO instance (owner, name, program, runs) VALUES ($1, $2, $3, $4) RETURNING id";

const BEAT_NOW: &str = "INSERT INTO heartbeat (instance, at) VALUES ($1, clock_timestamp())
    ON CONFLICT (instance) DO UPDATE SET at = excluded.at
    RETURNING (extract(epoch FROM at) * 1000000)::bigint";

const DEAD: &str = "SELECT EXISTS (SELECT 1 FROM pending p WHERE p.owner = $1 AND p.state = 'sending'
    AND p.instance <> $2 AND NOT EXISTS (SELECT 1 FROM heartbeat h WHERE h.instance = p.instance
        AND greatest(h.at, pg_postmaster_start_time()) > clock_timestamp() - make_interval(secs => $3)))";

const FORGET: &str = "DELETE FROM heartbeat WHERE instance = $1";

/// Enters a broker, or a command that is about to write.
pub(super) async fn register(connection: &mut PgConnection, owner: &str, runs: bool) -> Result<i64, Failure> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = format!("{}/{}", host.trim(), std::process::id());
    let query = sqlx::query_scalar(REGISTER).bind(owner).bind(name);
    let instance = query.bind(env!("CARGO_PKG_VERSION")).bind(runs).fetch_one(&mut *connection).await?;
    if runs {
        sqlx::query(BEAT_NOW).bind(instance).execute(connection).await?;
    }
    Ok(instance)
}

/// This broker among the others.
#[derive(Debug)]
pub(super) struct Presence {
    access: Access,
    pub(super) pool: PgPool,
    pub(super) owner: Arc<str>,
    pub(super) instance: i64,
    /// Milliseconds, on the monotonic clock, since when every word got through; below 0 when the last did not.
    heard: AtomicI64,
    /// Microseconds by which this machine's clock is ahead of the server's.
    ahead: AtomicI64,
    clock: SystemClock,
}

impl Presence {
    pub(super) fn new(access: Access, pool: PgPool, owner: Arc<str>, instance: i64) -> Self {
        Self {
            access,
            pool,
            owner,
            instance,
            heard: AtomicI64::new(0),
            ahead: AtomicI64::new(0),
            clock: SystemClock::new(),
        }
    }

    /// Says that this broker lives, until the future is dropped.
    pub(super) async fn beat(&self) {
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + BEAT, BEAT);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.access.renew(&self.pool);
            if let Ok(Ok(())) = tokio::time::timeout(WORD, self.word()).await {
                let now = self.now();
                // Only after a silence.
                let began = self.heard.compare_exchange(-1, now, Ordering::AcqRel, Ordering::Acquire);
                if began.is_ok() {
                    tracing::info!("The journal is heard again.");
                }
            } else {
                self.heard.store(-1, Ordering::Release);
            }
        }
    }

    async fn word(&self) -> Result<(), Failure> {
        let mut connection = self.pool.acquire().await?;
        let (began, asked) = (self.clock.monotonic(), self.clock.now());
        let said = sqlx::query_scalar(BEAT_NOW).bind(self.instance).fetch_one(&mut *connection).await;
        let took = self.clock.monotonic().saturating_sub(began);
        if let (Ok(there), true) = (&said, took < PROMPT) {
            self.ahead.store(ahead(asked, took, *there), Ordering::Release);
        }
        let failure = said.map(drop).map_err(Failure::from);
        if failure.as_ref().is_err_and(|failure| failure.elsewhere) {
            connection.close().await?;
        }
        failure
    }

    /// True if there is something to take over. After a silence of the journal's own nobody is taken for dead before
    /// all could have spoken again.
    pub(super) async fn others_died(&self) -> Result<bool, Failure> {
        let heard = self.heard.load(Ordering::Acquire);
        let now = self.now();
        let silence = i64::try_from(SILENCE.as_millis()).unwrap_or(i64::MAX);
        if heard < 0 || (heard > 0 && now - heard < silence) {
            return Ok(false);
        }
        let query = sqlx::query_scalar(DEAD).bind(&*self.owner).bind(self.instance);
        Ok(query.bind(SILENCE.as_secs_f64()).fetch_one(&self.pool).await?)
    }

    /// By how much this machine's clock is ahead of the server's.
    pub(super) fn clock_ahead(&self) -> SignedDuration {
        SignedDuration::from_micros(self.ahead.load(Ordering::Acquire))
    }

    fn now(&self) -> i64 {
        i64::try_from(self.clock.monotonic().as_millis()).unwrap_or(i64::MAX)
    }

    /// Takes leave: what this broker left unsettled can be taken over at once.
    pub(super) async fn leave(&self) {
        let word = sqlx::query(FORGET).bind(self.instance).execute(&self.pool);
        drop(tokio::time::timeout(WORD, word).await);
    }
}

/// Microseconds by which our clock is ahead, if the server looked at its own halfway through the question.
fn ahead(asked: Timestamp, took: Duration, there: i64) -> i64 {
    let half = i64::try_from(took.as_micros() / 2).unwrap_or(i64::MAX);
    asked.as_microsecond().saturating_add(half).saturating_sub(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_held_against_the_middle_of_the_question() {
        let asked = Timestamp::from_second(1_000).expect("in range");
        let took = Duration::from_millis(40);
        assert_eq!(ahead(asked, took, 1_000_020_000), 0);
        assert_eq!(ahead(asked, took, 997_020_000), 3_000_000);
        assert_eq!(ahead(asked, took, 1_003_020_000), -3_000_000);
    }
}
