//! Messages that lie parked because of protection are judged again by themselves: on a schedule while revocation is not
//! known, and at once when keys, certificates or answers have changed.

use super::Revocation;
use super::judge::{Asked, Decided, Judge, Judged};
use crate::health::Health;
use crate::pool::Pool;
use crate::telemetry::{self, alarm};
use crate::wake::Wake;
use arc_swap::ArcSwap;
use broker_core::World;
use broker_core::journal::SetAside;
use broker_core::ports::{Clock, RevocationSource, Store, StoreError};
use dead_letter::{Reason, Schedule};
use jiff::{SignedDuration, Timestamp};
use message_schemas::MessageId;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Answers change one by one; not all that lies parked is judged again for each of them.
const CALM: SignedDuration = SignedDuration::from_secs(10);

/// Messages that are looked at in one go, of each reason.
const GROUP: usize = 500;

/// Judges parked messages again.
pub struct Again<S, F> {
    /// Where they lie.
    pub store: Arc<S>,
    /// What they are judged by.
    pub world: Arc<ArcSwap<World>>,
    /// Where they are judged.
    pub pool: Arc<Pool>,
    /// Who knows more.
    pub revocation: Revocation<F>,
    /// When a message is judged again while nothing changes.
    pub schedule: Schedule,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whom to wake.
    pub wake: Wake,
    /// Whom to tell.
    pub health: Health,
}

/// What waits, and how often it was judged in vain.
#[derive(Debug, Clone, Copy)]
struct Turn {
    tries: u32,
    due: Timestamp,
}

/// What is judged again: what waits for the world, and what waits for us. What a person must look at is not here.
const REASONS: [Reason; 4] =
    [Reason::RevocationUnknown, Reason::RevocationStillUnknown, Reason::OwnKeyMissing, Reason::CannotSeal];

impl<S: Store, F: RevocationSource> Again<S, F> {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let chance = RandomState::new();
        let mut turns: HashMap<MessageId, Turn> = HashMap::new();
        // Nothing: what lay there before a restart may have waited for just that.
        let mut judged_by = None;
        let mut changed_at: Option<Timestamp> = None;
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = shutdown.cancelled() => return,
            }
            let now = self.clock.now();
            let trust = self.world.load().trust.clone();
            let differs = trust.as_ref().map(Arc::as_ptr) != judged_by.as_ref().map(Arc::as_ptr);
            let changed = differs && changed_at.is_none_or(|at| now.duration_since(at) >= CALM);
            if changed {
                (judged_by, changed_at) = (trust, Some(now));
            }
            let work = self.look(&mut turns, changed, &chance);
            if shutdown.run_until_cancelled(work).await.is_none() {
                return;
            }
        }
    }

    async fn look(&self, turns: &mut HashMap<MessageId, Turn>, changed: bool, chance: &RandomState) {
        let mut lying = HashSet::new();
        for reason in REASONS {
            // Without a change, time alone helps only against what the world does not tell yet.
            if reason != Reason::RevocationUnknown && !changed {
                continue;
            }
            let wanted = SetAside { reason: Some(reason), limit: GROUP, ..SetAside::default() };
            match self.store.set_aside(&wanted).await {
                Ok(found) => lying.extend(found.into_iter().map(|aside| aside.message)),
                Err(error) => {
                    telemetry::journal_failed(&self.health, "set_aside", &error);
                    return;
                }
            }
        }
        turns.retain(|message, _| lying.contains(message));
        for message in lying {
            let now = self.clock.now();
            let first = || Turn { tries: 1, due: self.after(1, chance, now) };
            let turn = *turns.entry(message).or_insert_with(first);
            if turn.due > now && !changed {
                continue;
            }
            match self.judge(message).await {
                Ok(true) => {
                    turns.remove(&message);
                }
                Ok(false) => {
                    let tries = turn.tries.saturating_add(1);
                    turns.insert(message, Turn { tries, due: self.after(tries, chance, self.clock.now()) });
                }
                Err(error) => {
                    telemetry::journal_failed(&self.health, "judge_again", &error);
                    return;
                }
            }
        }
    }

    fn after(&self, tries: u32, chance: &RandomState, now: Timestamp) -> Timestamp {
        let pause = self.schedule.pause(tries, chance.hash_one((tries, now)));
        now.checked_add(SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX)).unwrap_or(now)
    }

    /// Judges one message again; true if that came to something else.
    async fn judge(&self, id: MessageId) -> Result<bool, StoreError> {
        let Some(record) = self.store.message(id).await?.map(Arc::new) else { return Ok(false) };
        let Some(bytes) = self.store.body(id).await? else { return Ok(false) };
        let judge = Judge { store: &*self.store, pool: &self.pool, clock: &*self.clock };
        let mut world = self.world.load_full();
        let Some((wanted, mut prepared)) = judge.read(&record, &bytes, &world).await else {
            return Ok(false);
        };
        // Once more if more is known then.
        if !wanted.is_empty() && self.revocation.know_more(wanted, world.trust.as_deref()).await {
            world = self.world.load_full();
            let Some((_, read)) = judge.read(&record, &bytes, &world).await else { return Ok(false) };
            prepared = read;
        }
        match judge.decide(&record, &prepared, &world, None, &Asked::ByItself).await? {
            Judged::Anew(decided) => {
                self.tell(id, &decided);
                Ok(true)
            }
            // If it was moved by somebody else, the next look sees where it is.
            Judged::Same | Judged::Overtaken | Judged::Failed => Ok(false),
        }
    }

    fn tell(&self, id: MessageId, decided: &Decided) {
        let verdict = decided.verdict.as_str();
        tracing::info!(message.id = %id, verdict, "Message {id} was judged again: {verdict}.");
        telemetry::judged_again(verdict);
        if let Some(reason @ Reason::RevocationStillUnknown) = decided.verdict.reason() {
            alarm(reason, format_args!("Message {id} is parked: {}.", reason.title()));
        }
        let destinations: BTreeSet<_> =
            decided.recipients.iter().filter_map(|r| r.destination.as_ref()).collect();
        destinations.into_iter().for_each(|destination| self.wake.ring(destination));
    }
}
