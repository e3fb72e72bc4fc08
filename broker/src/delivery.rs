//! One loop for each destination: claim what is due, send it, record what came of it.
//!
//! A loop has its own slots, its own breaker and its own pace; a destination that hangs holds up nobody
//! else. What follows from an attempt is decided by `dead_letter::after_attempt`; this file only performs it.
//!
//! What can be sent at once comes through the [`Door`], claimed by the commit that took it in. All else is claimed from the
//! journal. Claims and settlements are made in groups, since each group costs one durable write: new work is claimed when
//! half of the slots are free, and results gather for a few milliseconds.
//!
//! **Invariant:** a claimed recipient is settled. While the journal does not answer, results are held and
//! offered again; if the process dies first, the journal makes the recipient `unsure` at the next start, and
//! it is sent again with the same id and bytes.
//!
//! **On shutdown** nothing new is claimed; what is under way is finished and settled, and what came through the door and is
//! not under way goes back to wait.

mod receivers;
mod settling;
#[cfg(test)]
pub(crate) mod tests;

use receivers::Receivers;
use settling::Settling;

use crate::door::{Door, Handed, Place};
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
use message_schemas::{HerId, MessageId};
use routing_rules::DestinationId;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// So soon is it looked again where there may be more, or a slot.
const SHORTLY: Duration = Duration::from_millis(4);

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
    door: Arc<Door>,
    /// What comes through the door; none if another loop serves it.
    handed: Option<UnboundedReceiver<Handed>>,
    /// On the monotonic clock: as far as is known, nothing in the journal is due before.
    next_look: Duration,
    /// On the monotonic clock: since when nothing waits, while the breaker is open.
    nothing_since: Option<Duration>,
    health: Health,
    breaker: Breaker,
    receivers: Receivers,
    flying: JoinSet<(Attempt, Duration)>,
    claimed: HashMap<Id, Claimed>,
    settling: Settling<S>,
    chance: RandomState,
    rolled: u64,
}

/// A task that ended: what the attempt came to, and how long it took.
type Finished = Result<(Id, (Attempt, Duration)), JoinError>;

/// What must be remembered of a recipient while it is being sent.
struct Claimed {
    recipient: RecipientId,
    message: MessageId,
    receiver: Option<HerId>,
    tries: u32,
    expires: Option<Timestamp>,
    /// It came through the door: none of the journal waits for it to be settled.
    direct: bool,
    /// Its slot, until it is finished.
    _place: Place,
}

/// More attempts at one time than anybody asks for.
const MOST_SLOTS: usize = 1 << 20;

impl<S: Store, D: Destination> Loop<S, D> {
    /// A loop that has not begun.
    pub fn new(
        mut options: Options,
        store: Arc<S>,
        to: Arc<D>,
        clock: Arc<dyn Clock>,
        door: Arc<Door>,
        health: Health,
    ) -> Self {
        let breaker = Breaker::new(options.breaker.clone());
        let receivers = Receivers::new(options.breaker.clone(), options.schedule.max);
        options.concurrency = options.concurrency.min(MOST_SLOTS);
        let handed = door.serve(options.concurrency);
        let settling = Settling::new(Arc::clone(&store), options.concurrency / 2);
        Self {
            options,
            store,
            to,
            clock,
            door,
            handed,
            next_look: Duration::ZERO,
            nothing_since: None,
            health,
            breaker,
            receivers,
            flying: JoinSet::new(),
            claimed: HashMap::new(),
            settling,
            chance: RandomState::new(),
            rolled: 0,
        }
    }

    /// Serves the destination until `shutdown`; then finishes what is under way. Returns how many recipients
    /// could not be settled.
    pub async fn run(mut self, shutdown: CancellationToken) -> usize {
        let door = Arc::clone(&self.door);
        self.show_breaker();
        loop {
            let stopping = shutdown.is_cancelled();
            if stopping {
                self.turn_back();
            }
            if stopping && self.flying.is_empty() {
                return self.end().await;
            }
            let pause = if stopping || self.settling.is_held() { LONGEST_SLEEP } else { self.look().await };
            let pause = self.offer().map_or(pause, |due| due.min(pause));
            tokio::select! {
                finished = self.flying.join_next_with_id(), if !self.flying.is_empty() => {
                    self.finished(finished);
                    while let Some(finished) = self.flying.try_join_next_with_id() {
                        self.finished(Some(finished));
                    }
                }
                settled = self.settling.settled(), if self.settling.is_under_way() => self.settled(settled),
                Some(handed) = next(&mut self.handed) => self.take_over(handed),
                () = door.rung(), if !stopping => self.next_look = Duration::ZERO,
                () = door.given_back(), if !stopping => {}
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled(), if !stopping => {}
            }
        }
    }

    /// Claims what is due, when there may be something. Returns how long there is nothing more to do.
    async fn look(&mut self) -> Duration {
        let now = self.clock.monotonic();
        if self.receivers.forget_old(now) {
            self.show_receivers();
        }
        let left = self.next_look.saturating_sub(now);
        if left.is_zero() { self.claim().await } else { left }
    }

    /// Claims and starts what is due, if there is room. Returns how long there is nothing more to do.
    async fn claim(&mut self) -> Duration {
        let free = self.door.free();
        if free * 2 < self.options.concurrency {
            // What waits goes before what is yet to come.
            self.door.shut();
            return LONGEST_SLEEP;
        }
        if !self.is_closed() {
            // A probe wants something to probe with: without it, none is asked for.
            match self.due_in().await {
                Ok(Some(Duration::ZERO)) => self.something_waits(),
                Ok(Some(pause)) => {
                    self.something_waits();
                    return pause;
                }
                Ok(None) => return self.nothing_waits(),
                Err(error) => return self.journal_failed("next_due", &error),
            }
        }
        let limit = match self.breaker.permit(self.steady()) {
            // Of what is free, half is left to what comes through the door meanwhile.
            Permit::Go if self.door.is_open() => free.div_ceil(2),
            Permit::Go => free,
            Permit::Probe => 1,
            Permit::Wait(then) => return until(then, self.steady()).max(Duration::from_millis(1)),
        };
        let Some(mut slots) = self.door.take(limit) else {
            self.breaker.unused(self.steady());
            return SHORTLY;
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
            // A journal gives no more than was asked for.
            if let Some(place) = Place::of(&mut slots) {
                self.start(delivery, place, false);
            }
        }
        drop(slots);
        if full {
            // There may be more, and a place for it as soon as one is finished.
            self.door.shut();
            return if limit == free { LONGEST_SLEEP } else { SHORTLY };
        }
        match self.due_in().await {
            Ok(Some(Duration::ZERO)) => Duration::from_millis(1),
            Ok(next) => {
                let pause = next.unwrap_or(LONGEST_SLEEP);
                self.next_look = self.clock.monotonic().saturating_add(pause);
                if self.is_closed() {
                    self.door.open();
                }
                pause
            }
            Err(error) => self.journal_failed("next_due", &error),
        }
    }

    /// In how long the next recipient is due: none if nothing waits, zero if one is due already.
    async fn due_in(&self) -> Result<Option<Duration>, StoreError> {
        let next = self.store.next_due(&self.options.destination).await?;
        Ok(next.map(|next| until(next, self.clock.now())))
    }

    /// Starts what its commit has claimed, and all that came with it.
    fn take_over(&mut self, first: Handed) {
        let mut next = Some(first);
        while let Some(Handed { delivery, place }) = next {
            self.start(delivery, place, true);
            next = self.handed.as_mut().and_then(|handed| handed.try_recv().ok());
        }
    }

    /// Nothing more comes through the door; what has come goes back to the journal, to be claimed again.
    fn turn_back(&mut self) {
        self.door.shut();
        let Some(mut handed) = self.handed.take() else { return };
        handed.close();
        let now = self.clock.now();
        while let Ok(Handed { delivery, .. }) = handed.try_recv() {
            let back = Settlement {
                recipient: delivery.recipient,
                from: State::Sending,
                event: Event::Retry,
                reason: None,
                next_attempt: Some(now),
                detail: Some("claimed but not sent".to_owned()),
            };
            self.settling.push(back, true, self.clock.monotonic());
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.breaker.state(), BreakerState::Closed { .. })
    }

    fn start(&mut self, delivery: Delivery, place: Place, direct: bool) {
        let claimed = Claimed {
            recipient: delivery.recipient,
            message: delivery.message,
            receiver: delivery.receiver,
            tries: delivery.tries.saturating_add(1),
            expires: delivery.expires,
            direct,
            _place: place,
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
        let ended = self.clock.monotonic();
        let destination = self.options.destination.as_str();
        telemetry::attempt(destination, &attempt, took);
        match self.breaker.record(&attempt, steady(ended.saturating_sub(took)), steady(ended), for_breaker) {
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
        if let Some(receiver) = claimed.receiver {
            match self.receivers.record(receiver, &attempt, took, ended) {
                Change::None => {}
                Change::Opened => {
                    alarm(
                        Reason::ReceiverAway,
                        format_args!(
                            "The queue of receiver {receiver} at {destination} takes nothing; its messages wait."
                        ),
                    );
                    self.show_receivers();
                }
                Change::Closed => {
                    tracing::info!(destination, "Receiver {receiver} at {destination} is reached again.");
                    self.show_receivers();
                }
            }
        }
        // Also where nobody hears of it: a probe that failed leaves it open.
        self.show_breaker();
        if !self.is_closed() {
            self.door.shut();
        }
        let now = self.clock.now();
        let next =
            after_attempt(&attempt, claimed.tries, &self.options.schedule, now, claimed.expires, for_retry);
        self.log(&claimed, &attempt, next);
        // It will be due again, or the next of its order key is.
        let frees = !(claimed.direct && matches!(next, Next::Done));
        self.settling.push(settlement(claimed.recipient, attempt, next), frees, ended);
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

    /// Offers results to the journal if it is time; in how long it will be, if there are any.
    fn offer(&mut self) -> Option<Duration> {
        let due = self.settling.due_in(self.flying.is_empty(), self.clock.monotonic())?;
        if due.is_zero() {
            self.settling.offer(self.clock.now());
            return None;
        }
        Some(due)
    }

    fn settled(&mut self, settled: Result<bool, StoreError>) {
        match settled {
            Ok(frees) => {
                if frees {
                    self.next_look = Duration::ZERO;
                }
                self.health.over(Trouble::JournalUnavailable);
            }
            Err(error) => {
                let pause = self.journal_failed("settle", &error);
                self.settling.hold(pause, self.clock.monotonic());
            }
        }
    }

    /// Nothing is under way any more: what is not settled is offered, and once more if the journal does not take it. Returns
    /// how many are left.
    async fn end(&mut self) -> usize {
        let mut tried_again = false;
        loop {
            if self.settling.is_under_way() {
                let settled = self.settling.settled().await;
                self.settled(settled);
            }
            if self.settling.is_empty() {
                return 0;
            }
            if self.settling.is_held() {
                if tried_again {
                    return self.settling.len();
                }
                tried_again = true;
                tokio::time::sleep(JOURNAL_PAUSE).await;
            }
            self.settling.offer(self.clock.now());
        }
    }

    fn journal_failed(&self, step: &str, error: &StoreError) -> Duration {
        self.door.shut();
        telemetry::journal_failed(&self.health, step, error);
        JOURNAL_PAUSE
    }

    fn steady(&self) -> Timestamp {
        steady(self.clock.monotonic())
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

    fn something_waits(&mut self) {
        if self.nothing_since.take().is_some() {
            self.show_breaker();
        }
    }

    /// Whether the destination can be reached is not known from here. But when nothing has waited for as long as an attempt
    /// may take, be it ours or another broker's, somebody has delivered what did: there is nothing left that an operator could
    /// see to. Returns how long there is nothing more to do.
    fn nothing_waits(&mut self) -> Duration {
        let now = self.clock.monotonic();
        if !self.flying.is_empty() || !self.settling.is_empty() {
            self.nothing_since = None;
            return LONGEST_SLEEP;
        }
        let since = *self.nothing_since.get_or_insert(now);
        let left = self.options.timeout.saturating_sub(now.saturating_sub(since));
        if !left.is_zero() {
            return left.min(LONGEST_SLEEP);
        }
        let destination = self.options.destination.as_str();
        if self.health.over_of(Trouble::DestinationDown, destination) {
            tracing::info!(destination, "Nothing waits for destination {destination} any more.");
        }
        LONGEST_SLEEP
    }

    fn show_receivers(&self) {
        let destination = self.options.destination.as_str();
        let what = format!("{destination}, receivers");
        match self.receivers.named() {
            Some(named) => {
                let code = Reason::ReceiverAway;
                let why = format!(
                    "{destination} takes nothing for receiver {named}; their messages wait ({code})."
                );
                self.health.trouble_of(Trouble::DestinationDown, &what, why);
            }
            None => drop(self.health.over_of(Trouble::DestinationDown, &what)),
        }
    }
}

/// The next that comes through the door; none if it is shut for good. Cancel safe.
async fn next(handed: &mut Option<UnboundedReceiver<Handed>>) -> Option<Handed> {
    match handed {
        Some(handed) => handed.recv().await,
        None => None,
    }
}

/// The monotonic clock as a time, for breakers: pauses are lengths of time and know no time of day.
fn steady(passed: Duration) -> Timestamp {
    let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
    Timestamp::UNIX_EPOCH.checked_add(passed).unwrap_or(Timestamp::MAX)
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
        | Attempt::ReceiverAway { why }
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
        | Attempt::ReceiverAway { why }
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
