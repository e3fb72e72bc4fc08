//! Brokers that share the journal: each has a chain of events of its own, and says every few seconds that it lives.
//!
//! Only the server's clock is read, so that it does not matter how the brokers' clocks differ.

use super::failure::Failure;
use super::transaction::SILENCE;
use crate::clock::SystemClock;
use broker_core::ports::Clock as _;
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How often a broker says that it lives.
const BEAT: Duration = Duration::from_secs(3);
/// A word that takes longer is not heard.
const WORD: Duration = Duration::from_secs(4);

const REGISTER: &str =
    "INSERT INTO instance (owner, name, program, runs) VALUES ($1, $2, $3, $4) RETURNING id";

const BEAT_NOW: &str = "INSERT INTO heartbeat (instance, at) VALUES ($1, clock_timestamp())
    ON CONFLICT (instance) DO UPDATE SET at = excluded.at";

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
    pub(super) pool: PgPool,
    pub(super) owner: Arc<str>,
    pub(super) instance: i64,
    /// Milliseconds, on the monotonic clock, since when every word got through; below 0 when the last did not.
    heard: AtomicI64,
    clock: SystemClock,
}

impl Presence {
    pub(super) fn new(pool: PgPool, owner: Arc<str>, instance: i64) -> Self {
        Self { pool, owner, instance, heard: AtomicI64::new(0), clock: SystemClock::new() }
    }

    /// Says that this broker lives, until the future is dropped.
    pub(super) async fn beat(&self) {
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + BEAT, BEAT);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
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
        let said = sqlx::query(BEAT_NOW).bind(self.instance).execute(&mut *connection).await;
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

    fn now(&self) -> i64 {
        i64::try_from(self.clock.monotonic().as_millis()).unwrap_or(i64::MAX)
    }

    /// Takes leave: what this broker left unsettled can be taken over at once.
    pub(super) async fn leave(&self) {
        let word = sqlx::query(FORGET).bind(self.instance).execute(&self.pool);
        drop(tokio::time::timeout(WORD, word).await);
    }
}
