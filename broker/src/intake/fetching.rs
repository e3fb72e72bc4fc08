//! A message that cannot be judged before more is known of revocation: it waits for the fetching, beside all others.
//!
//! **Invariant:** who waits holds up nobody. At most half of the window waits at one time, each for a bounded time; who
//! finds no place, or waits in vain, goes on as it is: parked, to be judged again later. Its sender is not blamed.

use super::{Intake, Message};
use crate::protection::Revocation;
use crate::telemetry;
use broker_core::World;
use broker_core::outcome::Outcome;
use broker_core::ports::{NotTaken, RevocationSource, Store};
use broker_core::process::Prepared;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trust::revocation::Wanted;
use uuid::Uuid;

/// How messages wait for what is known of revocation.
pub struct Fetching<F> {
    /// Who fetches.
    pub revocation: Revocation<F>,
    /// So long a message waits.
    pub patience: Duration,
    /// From this on nobody waits any more: the process is stopping.
    pub hurry: CancellationToken,
}

/// A message that wants more to be known.
pub(super) struct Wanting {
    pub(super) message: Message,
    pub(super) world: Arc<World>,
    pub(super) wanted: Vec<Wanted>,
    pub(super) prepared: Box<Prepared>,
}

impl<S: Store, F: RevocationSource> Intake<S, F> {
    /// Fetches for all messages that want it, each by itself.
    pub(super) async fn fetch(self: Arc<Self>, mut wanting: UnboundedReceiver<Wanting>) {
        let places = Arc::new(Semaphore::new((self.options.window / 2).max(1)));
        let mut waiting = JoinSet::new();
        while let Some(wanting) = wanting.recv().await {
            while waiting.try_join_next().is_some() {}
            match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => drop(waiting.spawn(Arc::clone(&self).wait(wanting, place))),
                Err(_) => {
                    telemetry::revocation_wait("no_place");
                    self.go_on(wanting);
                }
            }
        }
        while waiting.join_next().await.is_some() {}
    }

    async fn wait(self: Arc<Self>, mut wanting: Wanting, place: OwnedSemaphorePermit) {
        let known = match &self.fetching {
            None => false,
            Some(Fetching { revocation, patience, hurry }) => {
                let wanted = std::mem::take(&mut wanting.wanted);
                let fetched = revocation.know_more(wanted, wanting.world.trust.as_deref());
                let fetched = tokio::time::timeout(*patience, hurry.run_until_cancelled(fetched)).await;
                matches!(fetched, Ok(Some(true)))
            }
        };
        drop(place);
        if known {
            telemetry::revocation_wait("judged_again");
            let mut message = wanting.message;
            message.fetched = true;
            self.judge(message);
        } else {
            telemetry::revocation_wait("in_vain");
            self.go_on(wanting);
        }
    }

    /// Nothing more is to be known now.
    fn go_on(self: &Arc<Self>, wanting: Wanting) {
        let Wanting { message, world, prepared, .. } = wanting;
        let (against, now) = (Arc::clone(&world), self.clock.now());
        let intake = Arc::clone(self);
        self.pool.run(
            move || prepared.proceed(&against, now, &mut Uuid::now_v7),
            move |outcome| intake.judged(message, world, outcome),
        );
    }
}

/// What `process` came to, where no more can be fetched for it.
pub(super) fn without_more(outcome: Outcome, world: &World, now: jiff::Timestamp) -> Outcome {
    match outcome {
        Outcome::Fetch { prepared, .. } => prepared.proceed(world, now, &mut Uuid::now_v7),
        done @ (Outcome::Judged(_) | Outcome::Need { .. }) => done,
    }
}

impl Wanting {
    pub(super) fn send(self) {
        let steps = self.message.steps.clone();
        if let Err(mpsc::error::SendError(wanting)) = steps.wanting.send(self) {
            wanting.message.not_taken(NotTaken::Unavailable);
        }
    }
}
