//! What must happen although nothing arrives: deadlines, the books, the clock.

use crate::clock::{Look, Steady};
use crate::health::{Health, Trouble};
use crate::telemetry::{self, alarm};
use crate::wake::Wake;
use arc_swap::ArcSwap;
use broker_core::journal::{Balance, Deadline, Ledger, Overdue, Settlement};
use broker_core::lifecycle::Event;
use broker_core::ports::{Clock, Store, StoreError};
use broker_core::{World, process};
use dead_letter::Reason;
use jiff::{SignedDuration, Timestamp};
use message_schemas::MessageId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often deadlines and the clock are looked at.
const TICK: Duration = Duration::from_secs(1);

/// How often it is looked whether another broker has died.
const TAKE_OVER: Duration = Duration::from_secs(5);

/// When nobody has met a journal that fails for so long, it is asked again. Longer than any statement waits for a lock, so that
/// one that takes a note and no message is not taken for well while messages come.
const JOURNAL_QUIET: Duration = Duration::from_secs(40);

/// Clocks that differ by less agree. The shortest deadline is 15 s (synchronous requests).
const CLOCKS_AGREE: SignedDuration = SignedDuration::from_secs(2);

/// The books are checked for at most this part of the time: a large journal is checked less often than a small one.
const SHARE_OF_CHECKS: u32 = 20;

/// Deadlines handled in one go.
const GROUP: usize = 500;

/// How often a trouble of the journal had been met, and since when it has not been met again.
type Failing = BTreeMap<Trouble, (u64, Duration)>;

/// The timers of the process.
pub struct Timers<S, C> {
    /// Where deadlines are kept.
    pub store: Arc<S>,
    /// The clock that is watched.
    pub clock: Arc<Steady<C>>,
    /// Whom to wake when the clock settled.
    pub wake: Wake,
    /// Whom to tell.
    pub health: Health,
    /// How often the books are checked.
    pub check_every: Duration,
    /// By what the sender of a request that nobody answers is told; none where no requests are taken.
    pub requests: Option<Arc<ArcSwap<World>>>,
}

impl<S: Store, C: Clock> Timers<S, C> {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut checked: Option<Duration> = None;
        let (mut pause, mut looked) = (self.check_every, Duration::ZERO);
        let mut failing = Failing::new();
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = shutdown.cancelled() => return,
            }
            self.watch_clock().await;
            while self.expire().await == GROUP {}
            let now = self.clock.monotonic();
            if now.saturating_sub(looked) >= TAKE_OVER {
                looked = now;
                self.take_over().await;
                self.ask_the_journal(&mut failing, now).await;
                self.compare_clocks();
            }
            if checked.is_none_or(|last| now.saturating_sub(last) >= pause) {
                checked = Some(now);
                self.check_books().await;
                let took = self.clock.monotonic().saturating_sub(now);
                pause = self.check_every.max(took * SHARE_OF_CHECKS);
            }
        }
    }

    async fn watch_clock(&self) {
        match self.clock.look() {
            Look::Agrees | Look::StillOff => {}
            Look::Jumped(by) => {
                let sentence = format!("The clock of this machine jumped by {} s.", by.as_secs());
                alarm(Reason::ClockJumped, &sentence);
                self.health.trouble(Trouble::ClockJumped, &sentence);
                self.note("alarm", &format!("{} {sentence}", Reason::ClockJumped)).await;
            }
            Look::Settled => {
                self.health.over(Trouble::ClockJumped);
                tracing::warn!("The clock of this machine is followed again.");
                self.wake.ring_all();
            }
        }
    }

    /// Deadlines pass too early or too late where clocks differ.
    fn compare_clocks(&self) {
        let ahead = self.store.clock_ahead();
        if ahead.abs() < CLOCKS_AGREE {
            if self.health.over(Trouble::ClockDiffers) {
                tracing::info!("The clock of this machine agrees with the journal's again.");
            }
            return;
        }
        let way = if ahead.is_positive() { "ahead of" } else { "behind" };
        let sentence = format!(
            "The clock of this machine is {} s {way} that of the journal's server: deadlines pass at the wrong time. Set both \
             by a time service.",
            ahead.abs().as_secs()
        );
        if self.health.trouble(Trouble::ClockDiffers, &sentence) {
            tracing::error!("{sentence}");
        }
    }

    /// What other brokers were sending that have died is ours to send as well.
    async fn take_over(&self) {
        match self.store.take_over(self.clock.now()).await {
            Ok(0) => {}
            Ok(taken) => {
                tracing::warn!(
                    taken,
                    "Another broker ended while {taken} deliveries were under way; they are unsure and are sent again."
                );
                self.wake.ring_all();
            }
            Err(error) => telemetry::journal_failed(&self.health, "take_over", &error),
        }
    }

    /// Whether a journal that failed takes something again. Intake and deliveries see it when something comes or goes; but where
    /// a broker that is not ready is sent nothing, nothing comes.
    async fn ask_the_journal(&self, failing: &mut Failing, now: Duration) {
        for trouble in [Trouble::JournalFull, Trouble::JournalUnavailable] {
            let times = self.health.times(trouble);
            let seen = failing.entry(trouble).or_insert((times, now));
            if times == 0 || seen.0 != times {
                *seen = (times, now);
            } else if now.saturating_sub(seen.1) >= JOURNAL_QUIET {
                // Written, not read: a server may answer and take nothing. It tells in the books of what was, for later.
                let sentence = "The journal takes what is written again.";
                match self.store.note("journal", sentence, self.clock.now()).await {
                    Ok(()) if self.health.over(trouble) => tracing::info!("{sentence}"),
                    Ok(()) => {}
                    Err(error) => telemetry::journal_failed(&self.health, "note", &error),
                }
            }
        }
    }

    /// Ends what is overdue. Returns how many there were.
    async fn expire(&self) -> usize {
        let now = self.clock.now();
        let overdue = match self.store.overdue(now, GROUP).await {
            Ok(overdue) if overdue.is_empty() => return 0,
            Ok(overdue) => overdue,
            Err(error) => {
                telemetry::journal_failed(&self.health, "overdue", &error);
                return 0;
            }
        };
        let overdue = match self.unanswered(overdue, now).await {
            Ok(rest) => rest,
            Err(error) => {
                telemetry::journal_failed(&self.health, "unanswered", &error);
                return 0;
            }
        };
        let settlements: Vec<_> = overdue.iter().map(settlement).collect();
        match self.store.settle(&settlements, now).await {
            Ok(0) => 0,
            Ok(_) => {
                overdue.iter().for_each(tell);
                overdue.len()
            }
            Err(error) => {
                telemetry::journal_failed(&self.health, "expire", &error);
                0
            }
        }
    }

    /// Ends requests that nobody answered, and tells their senders. Returns what is overdue besides.
    async fn unanswered(&self, overdue: Vec<Overdue>, now: Timestamp) -> Result<Vec<Overdue>, StoreError> {
        let Some(world) = &self.requests else { return Ok(overdue) };
        let world = world.load_full();
        let mut by_message: BTreeMap<MessageId, Vec<Overdue>> = BTreeMap::new();
        for one in overdue {
            by_message.entry(one.message).or_default().push(one);
        }
        let (mut rest, mut entries) = (Vec::new(), Vec::new());
        for (id, overdue) in by_message {
            let record = self.store.message(id).await?;
            let recipients: Vec<_> = overdue.iter().map(|one| one.recipient).collect();
            let entry =
                record.and_then(|r| process::unanswered(&r, &recipients, &world, now, &mut Uuid::now_v7));
            match entry {
                Some(entry) => entries.push(entry),
                None => rest.extend(overdue),
            }
        }
        if entries.is_empty() {
            return Ok(rest);
        }
        let destinations: BTreeSet<_> =
            entries.iter().flat_map(|e| &e.recipients).filter_map(|r| r.destination.clone()).collect();
        let ids: Vec<_> = entries.iter().map(|entry| entry.arrival.id).collect();
        self.store.commit(entries).await?;
        let reason = Reason::RequestUnanswered;
        for id in ids {
            telemetry::reason(reason);
            alarm(reason, format_args!("Message {id} expired: {}.", reason.title()));
        }
        destinations.iter().for_each(|destination| self.wake.ring(destination));
        Ok(rest)
    }

    /// Holds the states against the events, and shows both.
    async fn check_books(&self) {
        match self.store.backlog().await {
            Ok(backlog) => telemetry::backlog(self.wake.destinations(), &backlog, self.clock.now()),
            Err(error) => telemetry::journal_failed(&self.health, "backlog", &error),
        }
        match self.store.ledger().await {
            Ok(ledger) => {
                telemetry::ledger(&ledger);
                self.judge_books(&ledger).await;
            }
            Err(error) => telemetry::journal_failed(&self.health, "ledger", &error),
        }
    }

    async fn judge_books(&self, ledger: &Ledger) {
        if ledger.balances() {
            self.health.over(Trouble::LedgerDifference);
            return;
        }
        let sentence = format!(
            "The books do not balance: {}; {}.",
            in_words("messages", &ledger.messages),
            in_words("receipts", &ledger.receipts)
        );
        if self.health.trouble(Trouble::LedgerDifference, &sentence) {
            alarm(Reason::LedgerDifference, &sentence);
            self.note("alarm", &format!("{} {sentence}", Reason::LedgerDifference)).await;
        }
    }

    async fn note(&self, what: &str, detail: &str) {
        if let Err(error) = self.store.note(what, detail, self.clock.now()).await {
            telemetry::journal_failed(&self.health, "note", &error);
        }
    }
}

fn in_words(book: &str, balance: &Balance) -> String {
    format!(
        "{book}: {} accepted, {} missing, {} unexplained",
        balance.accepted,
        balance.missing.len(),
        balance.unexplained.len()
    )
}

const fn reason(what: Deadline) -> Reason {
    match what {
        Deadline::TimeToLive => Reason::TimeToLiveOver,
        Deadline::Receipt => Reason::ReceiptDeadlinePassed,
    }
}

fn settlement(overdue: &Overdue) -> Settlement {
    Settlement {
        recipient: overdue.recipient,
        from: overdue.state,
        event: Event::Expire,
        reason: Some(reason(overdue.what)),
        next_attempt: None,
        detail: None,
    }
}

fn tell(overdue: &Overdue) {
    let (message, reason) = (overdue.message, reason(overdue.what));
    telemetry::reason(reason);
    alarm(reason, format_args!("Message {message} expired: {}.", reason.title()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapters::clock::SystemClock;
    use adapters::memory::{Call, Fault, MemoryStore};
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn a_journal_that_is_there_again_is_seen_although_nothing_comes() {
        let away = Arc::new(AtomicBool::new(true));
        let switch = Arc::clone(&away);
        let fails = move |_: Call| if switch.load(Ordering::Relaxed) { Fault::Fails } else { Fault::None };
        let health = Health::default();
        let timers = Timers {
            store: Arc::new(MemoryStore::new().with_faults(fails)),
            clock: Arc::new(Steady::new(SystemClock::new())),
            wake: Wake::new([]),
            health: health.clone(),
            check_every: Duration::from_secs(3600),
            requests: None,
        };
        let mut failing = Failing::new();
        let mut seconds = 0;
        let mut wait = async |more| {
            seconds += more;
            timers.ask_the_journal(&mut failing, Duration::from_secs(seconds)).await;
            health.report().ready
        };
        assert!(wait(0).await);
        timers.expire().await;
        assert!(!wait(5).await, "it is away");
        assert!(!wait(40).await, "it was asked, and is away still");
        away.store(false, Ordering::Relaxed);
        assert!(!wait(5).await && !wait(39).await, "it is not asked while it has just failed");
        // Somebody meets it in the meantime.
        health.trouble(Trouble::JournalUnavailable, "A commit failed.");
        assert!(!wait(5).await && !wait(39).await);
        assert!(wait(1).await, "it is there again");
        assert!(wait(5).await);
    }
}
