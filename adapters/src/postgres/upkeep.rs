//! What a running broker does for the journal beside its messages: says that it lives, makes the tables of the next days,
//! and drops old ones. Every broker does all of it; locks of the server keep them out of each other's way.

use super::access::Access;
use super::days::{self, Keep};
use super::failure::Failure;
use super::instances::Presence;
use crate::clock::SystemClock;
use crate::journal::calls::{Call, Writer};
use broker_core::ports::{Clock as _, StoreError};
use sqlx::Connection as _;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often days are looked at.
const ROUND: Duration = Duration::from_secs(600);

pub(super) struct Upkeep {
    pub(super) presence: Arc<Presence>,
    pub(super) access: Access,
    pub(super) keep: Option<Keep>,
    pub(super) writer: Weak<Writer>,
}

impl Upkeep {
    /// Runs until it is aborted.
    pub(super) async fn run(self) {
        tokio::join!(self.presence.beat(), self.rounds());
    }

    async fn rounds(&self) {
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + ROUND, ROUND);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(failure) = self.round().await {
                tracing::warn!("The journal's days could not be looked after: {}.", failure.error);
            }
        }
    }

    async fn round(&self) -> Result<(), Failure> {
        let mut connection = self.access.connect().await?;
        days::ahead(&mut connection).await?;
        if let Some(keep) = self.keep {
            let cleared = days::clear(&mut connection, keep).await?;
            if cleared.days > 0 {
                let now = SystemClock::new().now();
                let note = Call::Note("retention".into(), days::told(cleared, keep, now), now);
                let writer = self.writer.upgrade();
                let writer = writer.ok_or_else(|| StoreError::Unavailable("it is closed".into()))?;
                writer.count(note).await?;
            }
        }
        Ok(connection.close().await?)
    }
}
