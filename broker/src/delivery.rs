//! One loop for each destination: claim what is due, send it, record what came of it.
//!
//! A loop has its own slots, its own breaker and its own pace; a destination that hangs holds up nobody
//! else. What follows from an attempt is decided by `dead_letter::after_attempt`; this file only performs it.
//!
//! Claims and settlements are made in groups, since each group costs one durable write: new work is claimed
//! when half of the slots are free, and results are gathered for a few milliseconds.
//!
//! **Invariant:** a claimed recipient is settled. While the journal does not answer, results are held and
//! offered again; if the process dies first, the journal makes the recipient `unsure` at the next start, and
//! it is sent again with the same id and bytes.
//!
//! **On shutdown** nothing new is claimed; what is under way is finished and settled.

use crate::health::{Health, Trouble};
use crate::telemetry::{self, alarm};
use crate::world::NOTHING_TO_PUBLISH;
use broker_core::journal::{Delivery, RecipientId, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::{Clock, Destination, Store, StoreError};
use dead_letter::{
    Attempt, Breaker, BreakerSettings, BreakerState, Change, Next, Permit, Reason, Schedule, Wake,
    after_attempt,
};
use jiff::{SignedDuration, Timestamp};
use message_schemas::MessageId;
use routing_rules::DestinationId;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Results are gathered for so long before they are settled.
const LINGER: Duration = Duration::from_millis(4);

/// No sleep is longer, so that nothing depends on one missed bell.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// Pause after the journal did not answer.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// How one destination is served.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name.
    pub destination: DestinationId,
    /// Attempts at one time.
    pub concurrency: usize,
    /// An attempt without an answer for so long is unsure.
    pub timeout: Duration,
    /// When to try again.
    pub schedule: Schedule,
    /// When to leave it alone.
    pub breaker: BreakerSettings,
}

/// The loop of one destination.
pub struct Loop<S, D> {
    options: Options,
    store: Arc<S>,
    to: Arc<D>,
    clock: Arc<dyn Clock>,
    bell: Arc<Notify>,
    health: Health,
    breaker: Breaker,
    flying: JoinSet<(Attempt, Duration)>,
    claimed: HashMap<Id, Claimed>,
    done: Vec<Settlement>,
    chance: RandomState,
    rolled: u64,
}

/// A task that ended: what the attempt came to, and how long it took.
type Finished = Result<(Id, (Attempt, Duration)), JoinError>;

/// What must be remembered of a recipient while it is being sent.
struct Claimed {
    recipient: RecipientId,
    message: MessageId,
    tries: u32,
    expires: Option<Timestamp>,
}

impl<S: Store, D: Destination> Loop<S, D> {
    /// A loop that has not begun.
    pub fn new(
        options: Options,
        store: Arc<S>,
        to: Arc<D>,
        clock: Arc<dyn Clock>,
        bell: Arc<Notify>,
        health: Health,
    ) -> Self {
        let breaker = Breaker::new(options.breaker.clone());
        Self {
            options,
            store,
            to,
            clock,
            bell,
            health,
            breaker,
            flying: JoinSet::new(),
            claimed: HashMap::new(),
            done: Vec::new(),
            chance: RandomState::new(),
            rolled: 0,
        }
    }

    /// Serves the destination until `shutdown`; then finishes what is under way. Returns how many recipients
    /// could not be settled.
    pub async fn run(mut self, shutdown: CancellationToken) -> usize {
        let bell = Arc::clone(&self.bell);
        self.show_breaker();
        loop {
            let settled = self.settle().await;
            let stopping = shutdown.is_cancelled();
            if stopping && self.flying.is_empty() {
                if !settled {
                    tokio::time::sleep(JOURNAL_PAUSE).await;
                    self.settle().await;
                }
                return self.done.len();
            }
            let pause = if !settled {
                JOURNAL_PAUSE
            } else if stopping {
                LONGEST_SLEEP
            } else {
                self.claim().await
            };
            let room = !stopping && self.flying.len() * 2 <= self.options.concurrency;
            tokio::select! {
                finished = self.flying.join_next_with_id(), if !self.flying.is_empty() => {
                    self.finished(finished);
                    self.linger().await;
                }
                () = bell.notified(), if room => {}
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled(), if !stopping => {}
            }
        }
    }

    /// Claims and starts what is due, if there is room. Returns how long there is nothing more to do.
    async fn claim(&mut self) -> Duration {
        let free = self.options.concurrency.saturating_sub(self.flying.len());
        if free * 2 < self.options.concurrency {
            return LONGEST_SLEEP;
        }
        if !matches!(self.breaker.state(), BreakerState::Closed { .. }) {
            // A probe wants something to probe with: without it, none is asked for.
            match self.due_in().await {
                Some(Duration::ZERO) => {}
                Some(pause) => return pause,
                None => return LONGEST_SLEEP,
            }
        }
        let limit = match self.breaker.permit(self.steady()) {
            Permit::Go => free,
            Permit::Probe => 1,
            Permit::Wait(then) => return until(then, self.steady()).max(Duration::from_millis(1)),
        };
        self.show_breaker();
        let now = self.clock.now();
        let due = self.store.claim(&self.options.destination, now, limit).await;
        if !due.as_ref().is_ok_and(|due| !due.is_empty()) {
            // Another broker was faster, or the journal is away: it was no probe.
            self.breaker.unused(self.steady());
            self.show_breaker();
        }
        let due = match due {
            Ok(due) => due,
            Err(error) => return self.journal_failed("claim", &error),
        };
        let full = due.len() == limit;
        for delivery in due {
            self.start(delivery);
        }
        if full {
            // There may be more, and a place for it as soon as one is finished.
            return if limit == free { LONGEST_SLEEP } else { LINGER };
        }
        self.due_in().await.map_or(LONGEST_SLEEP, |pause| pause.max(Duration::from_millis(1)))
    }

    /// In how long the next recipient is due: none if nothing waits, zero if one is due already.
    async fn due_in(&self) -> Option<Duration> {
        match self.store.next_due(&self.options.destination).await {
            Ok(next) => next.map(|next| until(next, self.clock.now())),
            Err(error) => Some(self.journal_failed("next_due", &error)),
        }
    }

    fn start(&mut self, delivery: Delivery) {
        let claimed = Claimed {
            recipient: delivery.recipient,
            message: delivery.message,
            tries: delivery.tries.saturating_add(1),
            expires: delivery.expires,
        };
        let (to, clock, timeout) = (Arc::clone(&self.to), Arc::clone(&self.clock), self.options.timeout);
        let task = self.flying.spawn(async move {
            let began = clock.monotonic();
            let attempt = match tokio::time::timeout(timeout, to.send(&delivery)).await {
                Ok(attempt) => attempt,
                Err(_) => Attempt::Unsure { why: "no answer in time".to_owned() },
            };
            (attempt, clock.monotonic().saturating_sub(began))
        });
        self.claimed.insert(task.id(), claimed);
    }

    /// Gathers further results for a moment.
    async fn linger(&mut self) {
        let enough = self.options.concurrency / 2;
        let gather = async {
            while self.done.len() < enough && !self.flying.is_empty() {
                let finished = self.flying.join_next_with_id().await;
                self.finished(finished);
            }
        };
        // Cancel safe: `join_next_with_id` is, and there is no other point to wait at.
        if tokio::time::timeout(LINGER, gather).await.is_err() {
            while let Some(finished) = self.flying.try_join_next_with_id() {
                self.finished(Some(finished));
            }
        }
    }

    fn finished(&mut self, finished: Option<Finished>) {
        let (id, attempt, took) = match finished {
            Some(Ok((id, (attempt, took)))) => (id, attempt, took),
            Some(Err(error)) => {
                (error.id(), Attempt::Unsure { why: "the adapter failed".to_owned() }, Duration::ZERO)
            }
            None => return,
        };
        let Some(claimed) = self.claimed.remove(&id) else { return };
        let (for_breaker, for_retry) = (self.roll(), self.roll());
        let steady = self.steady();
        let destination = self.options.destination.as_str();
        telemetry::attempt(destination, &attempt, took);
        match self.breaker.record(&attempt, steady, for_breaker) {
            Change::None => {}
            Change::Opened => {
                alarm(
                    Reason::DestinationDown,
                    format_args!("Destination {destination} fails again and again; its deliveries wait."),
                );
            }
            Change::Closed => {
                tracing::info!(destination, "Destination {destination} answers again.");
            }
        }
        // Also where nobody hears of it: a probe that failed leaves it open.
        self.show_breaker();
        let now = self.clock.now();
        let next =
            after_attempt(&attempt, claimed.tries, &self.options.schedule, now, claimed.expires, for_retry);
        self.log(&claimed, &attempt, next);
        self.done.push(settlement(claimed.recipient, attempt, next));
    }

    fn log(&self, claimed: &Claimed, attempt: &Attempt, next: Next) {
        let destination = self.options.destination.as_str();
        let (message, tries) = (claimed.message, claimed.tries);
        match (next, said(attempt)) {
            (Next::Done, why) if matches!(attempt, Attempt::NothingToDo { .. }) => {
                tracing::debug!(message.id = %message, destination, "Nothing of message {message} was for {destination}: {why}.");
            }
            (Next::Done, _) => {
                tracing::debug!(message.id = %message, destination, "Message {message} was handed to {destination}.");
            }
            (Next::RetryAt(at) | Next::UnsureRetryAt(at), why) => {
                tracing::warn!(
                    message.id = %message, destination, tries, why,
                    "Attempt {tries} to hand message {message} to {destination} did not get through; next at {at}."
                );
            }
            (Next::Park(reason), _) => alarm_for(reason, message, destination),
            (Next::Expire, _) => alarm_for(Reason::TimeToLiveOver, message, destination),
        }
    }

    /// Records results; false if the journal did not take them.
    async fn settle(&mut self) -> bool {
        if self.done.is_empty() {
            return true;
        }
        match self.store.settle(&self.done, self.clock.now()).await {
            Ok(_) => {
                self.done.clear();
                self.health.over(Trouble::JournalUnavailable);
                true
            }
            Err(error) => {
                self.journal_failed("settle", &error);
                false
            }
        }
    }

    fn journal_failed(&self, step: &str, error: &StoreError) -> Duration {
        telemetry::journal_failed(&self.health, step, error);
        JOURNAL_PAUSE
    }

    /// The monotonic clock as a time, for the breaker: pauses are lengths of time and know no time of day.
    fn steady(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.clock.monotonic()).unwrap_or(SignedDuration::MAX);
        Timestamp::UNIX_EPOCH.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    fn roll(&mut self) -> u64 {
        self.rolled = self.rolled.wrapping_add(1);
        self.chance.hash_one(self.rolled)
    }

    fn show_breaker(&self) {
        let destination = self.options.destination.as_str();
        let state = match self.breaker.state() {
            BreakerState::Closed { .. } => 0.0,
            BreakerState::HalfOpen { .. } => 1.0,
            BreakerState::Open { .. } => 2.0,
        };
        telemetry::breaker(destination, state);
        if state > 0.0 {
            let code = Reason::DestinationDown;
            let why = format!("{destination} fails again and again; its deliveries wait ({code}).");
            self.health.trouble_of(Trouble::DestinationDown, destination, why);
        } else {
            self.health.over_of(Trouble::DestinationDown, destination);
        }
    }
}

fn until(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default().min(LONGEST_SLEEP)
}

/// What the journal is told.
fn settlement(recipient: RecipientId, attempt: Attempt, next: Next) -> Settlement {
    let (event, reason, next_attempt) = match next {
        Next::Done => (Event::HandOver, None, None),
        Next::RetryAt(at) => (Event::Retry, None, Some(at)),
        Next::UnsureRetryAt(at) => (Event::LoseSight, None, Some(at)),
        Next::Park(reason) => (Event::Park, Some(reason), None),
        Next::Expire => (Event::Expire, Some(Reason::TimeToLiveOver), None),
    };
    let detail = match attempt {
        Attempt::HandedOver => None,
        Attempt::AlreadyThere => Some("it had it already".to_owned()),
        Attempt::NothingToDo { why } => Some(format!("{NOTHING_TO_PUBLISH}: {why}")),
        Attempt::Refused { why }
        | Attempt::SetAside { why, .. }
        | Attempt::Retry { why, .. }
        | Attempt::Unsure { why } => Some(why),
    };
    Settlement { recipient, from: State::Sending, event, reason, next_attempt, detail }
}

fn said(attempt: &Attempt) -> &str {
    match attempt {
        Attempt::HandedOver => "handed over",
        Attempt::AlreadyThere => "it had it already",
        Attempt::NothingToDo { why }
        | Attempt::Refused { why }
        | Attempt::SetAside { why, .. }
        | Attempt::Retry { why, .. }
        | Attempt::Unsure { why } => why,
    }
}

fn alarm_for(reason: Reason, message: MessageId, destination: &str) {
    telemetry::reason(reason);
    match reason.wake() {
        Wake::Nobody => {}
        Wake::Day | Wake::Night => alarm(
            reason,
            format_args!("Message {message} to {destination} is set aside: {}.", reason.title()),
        ),
    }
}
