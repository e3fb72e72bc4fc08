//! The shell of the broker in steps: between any two of them the process may be killed.
//!
//! The steps are those of the real loops (intake: read, look up, decide, commit, acknowledge; delivery: claim, or take
//! over what the commit has claimed, send, settle; timers), and everything they call is the real code: `process`, the journal's twin,
//! `after_attempt`. Only time, chance and the network are made up.

use crate::chance::Chance;
use crate::region::{DESTINATIONS, Letter, Receiver};
use adapters::memory::{Fault, MemoryStore};
use broker_core::journal::{CommitResult, Deadline, Delivery, Entry, RecipientId, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::{Store, StoreError};
use broker_core::process::Prepared;
use broker_core::{Arrival, Outcome, World, process};
use dead_letter::{Attempt, Next, Reason, Schedule, after_attempt};
use jiff::{SignedDuration, Timestamp};
use message_schemas::MessageId;
use routing_rules::DestinationId;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

/// The twin never waits, so neither do we.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the journal in memory never waits"),
    }
}

/// Who waits for an acknowledgement.
#[derive(Debug, Clone, Copy)]
enum Source {
    Letter(usize),
    /// A receiving system that sends its receipt.
    Answer(usize),
}

/// A piece of work that has been begun.
enum Task {
    Read(Vec<(Source, Arrival)>),
    LookUp(Vec<(Source, Prepared)>),
    Commit(Vec<(Source, Prepared, Entry)>),
    Acknowledge(Vec<Source>),
    Send { destination: usize, rest: Vec<Delivery>, done: Vec<Settlement> },
    Settle(Vec<Settlement>),
}

pub(crate) struct Simulation {
    pub(crate) chance: Chance,
    pub(crate) now: Timestamp,
    pub(crate) store: MemoryStore,
    world: World,
    pub(crate) letters: Vec<Letter>,
    /// By destination, in the order of [`DESTINATIONS`].
    pub(crate) receivers: Vec<Receiver>,
    /// Deliveries that the network still holds: they arrive although nobody hears of it.
    adrift: Vec<(usize, Delivery)>,
    tasks: Vec<Task>,
    schedule: Schedule,
    /// Faults happen; off while the run comes to rest.
    pub(crate) rough: bool,
    pub(crate) kills: usize,
    fault_seed: Arc<AtomicU64>,
}

impl Simulation {
    pub(crate) fn new(seed: u64, letters: usize, world: World) -> Self {
        let mut chance = Chance::new(seed);
        let now: Timestamp = "2026-03-02T08:00:00Z".parse().expect("a time");
        let letters = (0..letters).map(|n| Letter::new(n, &mut chance, now)).collect();
        let fault_seed = Arc::new(AtomicU64::new(0));
        let mut simulation = Self {
            chance,
            now,
            store: MemoryStore::new(),
            world,
            letters,
            receivers: DESTINATIONS.iter().map(|_| Receiver::default()).collect(),
            adrift: Vec::new(),
            tasks: Vec::new(),
            schedule: Schedule::default(),
            rough: true,
            kills: 0,
            fault_seed,
        };
        simulation.make_rough();
        simulation
    }

    /// The journal, too, fails now and then: before the work, or after it with the answer lost.
    fn make_rough(&mut self) {
        let seed = Arc::clone(&self.fault_seed);
        self.store = self.store.clone().with_faults(move |_| {
            let mut chance = Chance::new(seed.load(Ordering::Relaxed));
            match chance.below(1000) {
                0..10 => Fault::Fails,
                10..20 => Fault::AnswerLost,
                20..25 => Fault::Full,
                _ => Fault::None,
            }
        });
    }

    /// `kill -9`: what was in hand is gone, what was committed stays. Then a start: what was being sent is
    /// unsure.
    pub(crate) fn kill(&mut self) {
        self.kills += 1;
        self.tasks.clear();
        self.store = self.store.crash();
        at_once(self.store.recover(self.now)).expect("the journal opens after a crash");
        if self.rough {
            self.make_rough();
        }
    }

    /// One step of something that can go on. False when nothing is left to do now.
    pub(crate) fn step(&mut self) -> bool {
        let bits = if self.rough { self.chance.bits() } else { 999 };
        self.fault_seed.store(bits, Ordering::Relaxed);
        self.now += SignedDuration::from_millis(i64::try_from(self.chance.below(400)).expect("small"));
        if self.rough && self.chance.per_mille(15) {
            self.kill();
            return true;
        }
        if !self.adrift.is_empty() && self.chance.per_mille(100) {
            let (to, delivery) = self.adrift.swap_remove(self.chance.below(self.adrift.len()));
            self.receivers[to].receive(&delivery, &mut self.chance, self.now);
        }
        // Half of the time something new begins, so that much is under way at once.
        if (self.tasks.is_empty() || self.chance.per_mille(500)) && self.tasks.len() < 12 {
            self.begin();
        }
        if self.tasks.is_empty() {
            return false;
        }
        let task = self.tasks.swap_remove(self.chance.below(self.tasks.len()));
        if let Some(next) = self.go_on(task) {
            self.tasks.push(next);
        }
        true
    }

    /// Takes up new work: an offer, a delivery loop's turn, the timers'.
    fn begin(&mut self) {
        match self.chance.below(8) {
            0..3 => self.offer(),
            3..7 => {
                let destination = self.chance.below(DESTINATIONS.len());
                let most = 1 + self.chance.below(5);
                if let Ok(claimed) = at_once(self.store.claim(&self.id_of(destination), self.now, most))
                    && !claimed.is_empty()
                {
                    self.tasks.push(Task::Send { destination, rest: claimed, done: Vec::new() });
                }
            }
            _ => {
                let Ok(overdue) = at_once(self.store.overdue(self.now, 10)) else { return };
                if overdue.is_empty() {
                    return;
                }
                let settle = overdue.into_iter().map(|o| Settlement {
                    recipient: o.recipient,
                    from: o.state,
                    event: Event::Expire,
                    reason: Some(match o.what {
                        Deadline::TimeToLive => Reason::TimeToLiveOver,
                        Deadline::Receipt => Reason::ReceiptDeadlinePassed,
                    }),
                    next_attempt: None,
                    detail: None,
                });
                self.tasks.push(Task::Settle(settle.collect()));
            }
        }
    }

    /// Senders offer what is not acknowledged, again and again; a few send what is, once more.
    fn offer(&mut self) {
        let mut batch = Vec::new();
        for _ in 0..=self.chance.below(4) {
            let due: Vec<(usize, usize)> = self
                .receivers
                .iter()
                .enumerate()
                .flat_map(|(r, receiver)| {
                    receiver
                        .answers
                        .iter()
                        .enumerate()
                        .filter(|(_, a)| a.0 <= self.now)
                        .map(move |(a, _)| (r, a))
                })
                .collect();
            if !due.is_empty() && self.chance.per_mille(400) {
                let (r, a) = due[self.chance.below(due.len())];
                let bytes = Arc::clone(&self.receivers[r].answers[a].1);
                let arrival = self.arrival(bytes, None);
                batch.push((Source::Answer(r), arrival));
                continue;
            }
            let again = self.rough && self.chance.per_mille(100);
            // The sender to the ordered ward hands over its next letter when it has heard of the last.
            let waiting: Vec<usize> = self
                .letters
                .iter()
                .enumerate()
                .filter(|(_, l)| l.acknowledged == again)
                .filter(|(n, l)| l.receivers[0] != 204 || again || self.first_of_the_ordered() == Some(*n))
                .map(|(n, _)| n)
                .collect();
            if waiting.is_empty() {
                continue;
            }
            let n = waiting[self.chance.below(waiting.len())];
            let (bytes, key) = (Arc::clone(&self.letters[n].bytes), self.letters[n].key.clone());
            let arrival = self.arrival(bytes, key);
            batch.push((Source::Letter(n), arrival));
        }
        if !batch.is_empty() {
            self.tasks.push(Task::Read(batch));
        }
    }

    fn first_of_the_ordered(&self) -> Option<usize> {
        self.letters.iter().position(|l| l.receivers[0] == 204 && !l.acknowledged)
    }

    fn arrival(&mut self, bytes: Arc<[u8]>, idempotency_key: Option<String>) -> Arrival {
        Arrival {
            id: MessageId(self.chance.uuid()),
            source: "simulation".to_owned(),
            received: self.now,
            bytes,
            idempotency_key,
            envelope_receiver: None,
            envelope_sender: None,
            transport: None,
        }
    }

    fn id_of(&self, destination: usize) -> DestinationId {
        DESTINATIONS[destination].parse().expect("a name")
    }

    /// One step of a task; what is left of it.
    fn go_on(&mut self, task: Task) -> Option<Task> {
        match task {
            Task::Read(batch) => {
                let read = batch.into_iter().map(|(source, arrival)| {
                    let chance = &mut self.chance;
                    match process(arrival, &self.world, self.now, &mut || chance.uuid()) {
                        Outcome::Need { prepared, .. } | Outcome::Fetch { prepared, .. } => {
                            (source, *prepared)
                        }
                        Outcome::Judged(_) => unreachable!("these have a sender and an id"),
                    }
                });
                Some(Task::LookUp(read.collect()))
            }
            Task::LookUp(batch) => {
                let lookups: Vec<_> = batch.iter().map(|(_, p)| p.lookups()).collect();
                // A journal that does not answer: the sources keep theirs and offer it again.
                let known = at_once(self.store.look_up(&lookups)).ok()?;
                let decided = batch.into_iter().zip(known).map(|((source, prepared), known)| {
                    let chance = &mut self.chance;
                    let mut entry = prepared.decide(&known, &self.world, self.now, &mut || chance.uuid());
                    // Where there is room, the commit is to claim; also where an order forbids it, and it will not.
                    for recipient in entry.recipients.iter_mut().filter(|r| r.state == State::Waiting) {
                        if self.chance.per_mille(500) {
                            recipient.state = State::Sending;
                        }
                    }
                    (source, prepared, entry)
                });
                Some(Task::Commit(decided.collect()))
            }
            Task::Commit(batch) => {
                let entries = batch.iter().map(|(_, _, e)| e.clone()).collect();
                let results = at_once(self.store.commit(entries)).ok()?;
                let mut told = Vec::new();
                let mut stale = Vec::new();
                for ((source, prepared, entry), result) in batch.into_iter().zip(results) {
                    match result {
                        CommitResult::Committed(committed) => {
                            told.push(source);
                            self.take_over(&entry, committed.claimed());
                        }
                        CommitResult::Repeated { same_content, .. } => {
                            assert!(same_content, "one key, one content");
                            told.push(source);
                        }
                        CommitResult::Stale => stale.push((source, prepared)),
                        CommitResult::Overtaken => unreachable!("nothing is judged again here"),
                    }
                }
                if !stale.is_empty() {
                    self.tasks.push(Task::LookUp(stale));
                }
                Some(Task::Acknowledge(told))
            }
            Task::Acknowledge(sources) => {
                for source in sources {
                    // The answer may be lost on its way; then the sender offers the same again.
                    if self.rough && self.chance.per_mille(50) {
                        continue;
                    }
                    match source {
                        Source::Letter(n) => self.letters[n].acknowledged = true,
                        Source::Answer(r) => {
                            let now = self.now;
                            let answers = &mut self.receivers[r].answers;
                            if let Some(at) = answers.iter().position(|a| a.0 <= now) {
                                answers.swap_remove(at);
                            }
                        }
                    }
                }
                None
            }
            Task::Send { destination, mut rest, mut done } => {
                if let Some(delivery) = rest.pop() {
                    let attempt = self.network(destination, &delivery);
                    done.push(self.settlement(&delivery, &attempt));
                }
                Some(if rest.is_empty() {
                    Task::Settle(done)
                } else {
                    Task::Send { destination, rest, done }
                })
            }
            Task::Settle(done) => match at_once(self.store.settle(&done, self.now)) {
                Ok(_) => None,
                // What came of it must not be forgotten while the process lives.
                Err(StoreError::Unavailable(_) | StoreError::Full) => Some(Task::Settle(done)),
                Err(error) => panic!("{error}"),
            },
        }
    }

    /// What a commit has claimed is sent from the entry.
    fn take_over(&mut self, entry: &Entry, claimed: &[RecipientId]) {
        let claimed = entry.recipients.iter().filter(|r| claimed.contains(&r.id));
        for delivery in claimed.filter_map(|r| Delivery::first(entry, r)) {
            let destination = DESTINATIONS.iter().position(|name| *name == delivery.destination.as_str());
            let destination = destination.expect("every destination has a receiver");
            self.tasks.push(Task::Send { destination, rest: vec![delivery], done: Vec::new() });
        }
    }

    /// The network between the broker and a receiver: loses requests, loses answers, delivers late.
    fn network(&mut self, to: usize, delivery: &Delivery) -> Attempt {
        let why = || "the simulation".to_owned();
        if self.rough {
            match self.chance.below(100) {
                0..10 => return Attempt::Retry { why: why(), after: None },
                10..15 => return Attempt::Unsure { why: why() },
                15..20 => {
                    self.receivers[to].receive(delivery, &mut self.chance, self.now);
                    return Attempt::Unsure { why: why() };
                }
                // Not to the ordered ward: what a network still holds may overtake anything.
                20..23 if DESTINATIONS[to] != "ordered" => {
                    self.adrift.push((to, delivery.clone()));
                    return Attempt::Unsure { why: why() };
                }
                23..24 => return Attempt::Refused { why: why() },
                _ => {}
            }
        }
        self.receivers[to].receive(delivery, &mut self.chance, self.now)
    }

    fn settlement(&mut self, delivery: &Delivery, attempt: &Attempt) -> Settlement {
        let next = after_attempt(
            attempt,
            delivery.tries + 1,
            &self.schedule,
            self.now,
            delivery.expires,
            self.chance.bits(),
        );
        let (event, reason, next_attempt) = match next {
            Next::Done => (Event::HandOver, None, None),
            Next::RetryAt(at) => (Event::Retry, None, Some(at)),
            Next::UnsureRetryAt(at) => (Event::LoseSight, None, Some(at)),
            Next::Park(reason) => (Event::Park, Some(reason), None),
            Next::Expire => (Event::Expire, Some(Reason::TimeToLiveOver), None),
        };
        Settlement {
            recipient: delivery.recipient,
            from: State::Sending,
            event,
            reason,
            next_attempt,
            detail: None,
        }
    }

    /// Lets time pass until something is due again; false when nothing ever will be.
    pub(crate) fn wait(&mut self) -> bool {
        let dues = (0..DESTINATIONS.len())
            .filter_map(|d| at_once(self.store.next_due(&self.id_of(d))).ok().flatten());
        let answers = self.receivers.iter().flat_map(|r| r.answers.iter().map(|a| a.0));
        let Some(next) = dues.chain(answers).min() else { return false };
        self.now = self.now.max(next);
        true
    }

    pub(crate) fn ledger(&self) -> broker_core::journal::Ledger {
        self.reading(|s| at_once(s.ledger()))
    }

    pub(crate) fn broken_link(&self) -> Option<u64> {
        self.reading(|s| at_once(s.broken_link()))
    }

    pub(crate) fn record(&self, id: &str) -> Vec<broker_core::journal::MessageRecord> {
        self.reading(|s| at_once(s.find(id, 50)))
    }

    pub(crate) fn body(&self, id: MessageId) -> Option<Arc<[u8]>> {
        self.reading(|s| at_once(s.body(id)))
    }

    /// The checker reads a copy of the disk, with nothing going wrong.
    fn reading<T>(&self, read: impl FnOnce(&MemoryStore) -> Result<T, StoreError>) -> T {
        read(&MemoryStore::from_image(self.store.image())).expect("a copy of the disk can be read")
    }

    /// Which states there are, for the figures.
    pub(crate) fn states(&self) -> BTreeMap<String, u64> {
        self.ledger().messages.states
    }
}
