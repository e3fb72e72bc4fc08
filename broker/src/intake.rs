//! From a source's offer to a durable commit, and back to the source.
//!
//! ```text
//! sources --Offer--> admit --> judge (threads) --> look up --> decide (threads) --> commit --> acknowledge
//!                      ^         |      ^                           ^                   |
//!                      window    fetch -+ (revocation, once)        +------ stale ------+
//! ```
//!
//! Each step works on whatever has gathered while it was busy, so groups grow with the load. What the journal is asked
//! and told costs much for each group and little for each message: while others are under way, groups begin a few
//! milliseconds apart. A lone message waits for nobody. One transaction takes in a whole group; only then are its
//! sources answered.
//!
//! **Invariant:** every offer is answered exactly once: with the proof of a durable commit, or with why not.
//!
//! **Invariant:** the window bounds the messages between a source and the journal. The queues between the
//! steps have no bounds of their own, so no two steps can wait for each other.
//!
//! **A bug of ours** (a panic) while a message is judged parks that message with its bytes, and wakes
//! somebody. It neither loses it nor takes the process down.
//!
//! **What can be sent at once** is claimed by the same commit and handed to its delivery loop ([`crate::door`]). A slot that
//! is held for it goes back with whatever holds it, so nothing that can happen to a message leaves one behind.

mod direct;
mod fetching;
mod pace;

pub use fetching::Fetching;

use crate::health::{Health, Trouble};
use crate::pool::{Panicked, Pool};
use crate::telemetry::{self, alarm};
use crate::wake::Wake;
use arc_swap::ArcSwap;
use broker_core::Arrival;
use broker_core::journal::{Book, CommitResult, Committed, Entry, Known, Lookup, VerdictRecord};
use broker_core::lifecycle::State;
use broker_core::outcome::Outcome;
use broker_core::ports::{AckHandle, Clock, NotTaken, Offer, RevocationSource, Store, StoreError, Taken};
use broker_core::process::{Prepared, World, process};
use dead_letter::Reason;
use direct::Direct;
use fetching::{Wanting, without_more};
use message_schemas::{Findings, MessageId};
use pace::Pace;
use routing_rules::DestinationId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// So often is a message judged anew because another took its key in the meantime; then its source is asked
/// to offer it again.
const MOST_STALE: u32 = 16;

/// How intake works.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Messages between their source and the journal at one time.
    pub window: usize,
    /// Messages in one commit, at most.
    pub commit: usize,
}

/// Takes messages in.
pub struct Intake<S, F> {
    /// How.
    pub options: Options,
    /// Where they are kept.
    pub store: Arc<S>,
    /// What they are judged by; a reload swaps it.
    pub world: Arc<ArcSwap<World>>,
    /// Where they are judged.
    pub pool: Arc<Pool>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whom to wake after a commit.
    pub wake: Wake,
    /// Whom to tell of trouble.
    pub health: Health,
    /// How messages wait for what is known of revocation; none if no trust is configured.
    pub fetching: Option<Fetching<F>>,
}

/// A message under way, with what it must give back.
struct Message {
    arrival: Arrival,
    handle: AckHandle,
    permit: OwnedSemaphorePermit,
    stale: u32,
    /// It was judged before, and has waited for revocation answers.
    fetched: bool,
    /// The time that judging took.
    judging: Duration,
    /// Every message under way keeps the steps before it going, so that it is finished on shutdown.
    steps: Steps,
}

impl Message {
    fn not_taken(self, why: NotTaken) {
        telemetry::not_taken(&self.arrival.source, &why);
        self.handle.not_taken(why);
    }
}

/// Judged as far as it goes without knowing what the journal holds.
struct Waiting {
    message: Message,
    world: Arc<World>,
    lookups: Vec<Lookup>,
    prepared: Arc<Prepared>,
}

/// Ready to be committed.
struct Ready {
    message: Message,
    entry: Box<Entry>,
    /// To decide anew, should another message take a key in the meantime.
    prepared: Option<Again>,
}

/// What a new decision takes.
struct Again {
    world: Arc<World>,
    prepared: Arc<Prepared>,
}

impl<S: Store, F: RevocationSource> Intake<S, F> {
    /// Takes messages in until all sources have closed their end of `offers` and everything is answered.
    /// From `shutdown` on, what is offered is handed back.
    pub async fn run(self, offers: Receiver<Offer>, shutdown: CancellationToken) {
        let intake = Arc::new(self);
        let (ready_in, ready) = mpsc::unbounded_channel();
        let (waiting_in, waiting) = mpsc::unbounded_channel();
        let (wanting_in, wanting) = mpsc::unbounded_channel();
        let steps = Steps { wanting: wanting_in, waiting: waiting_in, ready: ready_in };
        let window = Arc::new(Semaphore::new(intake.options.window));
        let pace = || Pace::new(Arc::clone(&window), intake.options.window, Arc::clone(&intake.clock));
        tokio::join!(
            Arc::clone(&intake).admit(offers, steps, Arc::clone(&window), shutdown),
            Arc::clone(&intake).fetch(wanting),
            Arc::clone(&intake).look_up(waiting, pace()),
            Arc::clone(&intake).commit(ready, pace()),
        );
    }

    /// Lets as many messages in as the window allows.
    async fn admit(
        self: Arc<Self>,
        mut offers: Receiver<Offer>,
        steps: Steps,
        window: Arc<Semaphore>,
        shutdown: CancellationToken,
    ) {
        while let Some(offer) = offers.recv().await {
            let Ok(permit) = Arc::clone(&window).acquire_owned().await else { return };
            let message = Message {
                arrival: offer.arrival,
                handle: offer.handle,
                permit,
                stale: 0,
                fetched: false,
                judging: Duration::ZERO,
                steps: steps.clone(),
            };
            if shutdown.is_cancelled() {
                message.not_taken(NotTaken::Unavailable);
                continue;
            }
            self.judge(message);
        }
    }

    /// Hands a message to the threads for everything that needs no journal.
    fn judge(self: &Arc<Self>, mut message: Message) {
        let world = self.world.load_full();
        let arrival = message.arrival.clone();
        let clock = Arc::clone(&self.clock);
        let last = message.fetched || self.fetching.is_none();
        let judge = {
            let world = Arc::clone(&world);
            move || {
                let began = clock.monotonic();
                let outcome = process(arrival, &world, clock.now(), &mut Uuid::now_v7);
                let outcome = if last { without_more(outcome, &world, clock.now()) } else { outcome };
                let took = clock.monotonic().saturating_sub(began);
                telemetry::judged(took);
                (outcome, took)
            }
        };
        let intake = Arc::clone(self);
        self.pool.run(judge, move |result| {
            let outcome = result.map(|(outcome, took)| {
                message.judging += took;
                outcome
            });
            intake.judged(message, world, outcome);
        });
    }

    /// Sends a message on to the step that its judgement asks for.
    fn judged(&self, message: Message, world: Arc<World>, outcome: Result<Outcome, Panicked>) {
        match outcome {
            Ok(Outcome::Judged(entry)) => Ready { message, entry, prepared: None }.send(),
            Ok(Outcome::Fetch { wanted, prepared }) => Wanting { message, world, wanted, prepared }.send(),
            Ok(Outcome::Need { lookups, prepared }) => {
                Waiting { message, world, lookups, prepared: prepared.into() }.send();
            }
            Err(Panicked) => self.failed_on(message, &world).send(),
        }
    }

    /// Fetches what the waiting messages need to know, for all that have gathered in one go.
    async fn look_up(self: Arc<Self>, mut waiting: UnboundedReceiver<Waiting>, mut pace: Pace) {
        let mut group = Vec::new();
        while pace.gather(&mut waiting, &mut group, self.options.commit).await {
            let lookups: Vec<_> = group.iter_mut().map(|w| std::mem::take(&mut w.lookups)).collect();
            match self.store.look_up(&lookups).await {
                Ok(known) => {
                    for (waiting, known) in group.drain(..).zip(known) {
                        self.decide(waiting, known);
                    }
                }
                Err(error) => {
                    let why = self.journal_failed("look_up", &error);
                    group.drain(..).for_each(|waiting| waiting.message.not_taken(why.clone()));
                }
            }
        }
    }

    /// Hands a message to the threads for the decision.
    fn decide(self: &Arc<Self>, waiting: Waiting, known: Known) {
        let Waiting { message, world, prepared, .. } = waiting;
        let (now, against) = (self.clock.now(), Arc::clone(&world));
        let intake = Arc::clone(self);
        let decider = Arc::clone(&prepared);
        self.pool.run(
            move || decider.decide(&known, &against, now, &mut Uuid::now_v7),
            move |entry| match entry {
                Ok(entry) => {
                    let prepared = Some(Again { world, prepared });
                    Ready { message, entry: Box::new(entry), prepared }.send();
                }
                Err(Panicked) => intake.failed_on(message, &world).send(),
            },
        );
    }

    /// The program failed on a message: it is kept as it came, and a person is told.
    fn failed_on(&self, message: Message, world: &World) -> Ready {
        let id = message.arrival.id;
        alarm(
            Reason::InternalFault,
            format_args!("The program failed on message {id}; it is parked with its bytes."),
        );
        let entry = Prepared::failed(message.arrival.clone(), world, &mut Uuid::now_v7);
        Ready { message, entry: Box::new(entry), prepared: None }
    }

    /// Commits whatever has gathered, group by group.
    async fn commit(self: Arc<Self>, mut ready: UnboundedReceiver<Ready>, mut pace: Pace) {
        let mut group = Vec::new();
        while pace.gather(&mut ready, &mut group, self.options.commit).await {
            let mut pending = Vec::with_capacity(group.len());
            let mut entries = Vec::with_capacity(group.len());
            for Ready { message, mut entry, prepared } in group.drain(..) {
                let direct = Direct::of(&mut entry, &self.wake);
                pending.push(Pending { message, again: prepared, direct, note: Note::of(&entry) });
                entries.push(*entry);
            }
            self.commit_group(pending, entries).await;
        }
    }

    async fn commit_group(self: &Arc<Self>, pending: Vec<Pending>, entries: Vec<Entry>) {
        telemetry::committed(entries.len());
        // Bodies are shared, so a copy of the entries costs little; it lets one that the journal cannot take
        // be told from those that it can.
        let spare = entries.clone();
        match self.store.commit(entries).await {
            Ok(results) => self.answer(pending, results).await,
            Err(StoreError::Damaged(_)) if pending.len() > 1 => {
                for (pending, entry) in pending.into_iter().zip(spare) {
                    match self.store.commit(vec![entry]).await {
                        Ok(result) => self.answer(vec![pending], result).await,
                        Err(error) => pending.message.not_taken(self.journal_failed("commit", &error)),
                    }
                }
            }
            Err(error) => {
                let why = self.journal_failed("commit", &error);
                pending.into_iter().for_each(|pending| pending.message.not_taken(why.clone()));
            }
        }
    }

    /// Tells each source what became of its message, and wakes the deliveries.
    async fn answer(self: &Arc<Self>, mut pending: Vec<Pending>, results: Vec<CommitResult>) {
        self.health.over(Trouble::JournalFull);
        self.health.over(Trouble::JournalUnavailable);
        let now = self.clock.now();
        // First of all, and without a pause: what was claimed is ours to send now, and other slots go back.
        for (pending, result) in pending.iter_mut().zip(&results) {
            let direct = std::mem::take(&mut pending.direct);
            if let CommitResult::Committed(committed) = result {
                direct.hand_over(committed);
            }
        }
        for (pending, result) in pending.into_iter().zip(results) {
            let Pending { message, again, note, .. } = pending;
            match result {
                CommitResult::Committed(committed) => {
                    let (id, verdict) = (committed.message(), note.verdict.as_str());
                    tracing::info!(
                        message.id = %id, source = message.arrival.source, verdict,
                        "Message {id} was taken in: {verdict}."
                    );
                    note.parked.iter().for_each(|reason| parked(id, *reason));
                    note.destinations.iter().for_each(|destination| self.wake.ring(destination));
                    note.taken.count(now, message.judging);
                    let taken = Taken { committed, verdict: note.verdict, findings: note.findings };
                    message.handle.ack(taken);
                    drop(message.permit);
                }
                CommitResult::Repeated { message: first, same_content: true } => {
                    self.repeated(message, first).await
                }
                CommitResult::Repeated { message: first, same_content: false } => {
                    self.under_a_used_id(message, first);
                }
                CommitResult::Stale => once_more(message, again),
                // Only a message that was judged again can be overtaken, and none comes this way.
                CommitResult::Overtaken => message.not_taken(NotTaken::Unavailable),
            }
        }
    }

    /// Another message came first under its key. Who carries envelopes cannot be told, and must not offer it for ever: it
    /// is judged as what it is.
    fn under_a_used_id(self: &Arc<Self>, mut message: Message, first: MessageId) {
        match message.arrival.under_a_used_id() {
            Some(arrival) => {
                tracing::warn!(
                    message.id = %arrival.id, source = arrival.source,
                    "Message {} has the transport id of message {first}, and other bytes; it is judged as another.",
                    arrival.id
                );
                message.arrival = arrival;
                self.judge(message);
            }
            None => message.not_taken(NotTaken::KeyReused { message: first }),
        }
    }

    /// The source offered this before, under the same key: it hears what it heard then.
    async fn repeated(&self, message: Message, first: MessageId) {
        match self.store.message(first).await {
            Ok(Some(record)) => {
                // The journal has just shown it, so it is durable.
                let committed = Committed::after_durable_commit(record.id);
                message.handle.ack(Taken { committed, verdict: record.verdict, findings: record.findings });
                drop(message.permit);
            }
            Ok(None) => message.not_taken(NotTaken::Unavailable),
            Err(error) => message.not_taken(self.journal_failed("message", &error)),
        }
    }

    fn journal_failed(&self, step: &str, error: &StoreError) -> NotTaken {
        telemetry::journal_failed(&self.health, step, error);
        match error {
            StoreError::Full => NotTaken::Full,
            StoreError::Unavailable(_) | StoreError::Newer { .. } | StoreError::Damaged(_) => {
                NotTaken::Unavailable
            }
        }
    }
}

/// Another message took one of the keys in the meantime: decide anew, knowing that.
fn once_more(mut message: Message, again: Option<Again>) {
    message.stale += 1;
    match again {
        Some(Again { world, prepared }) if message.stale <= MOST_STALE => {
            Waiting { message, world, lookups: prepared.lookups(), prepared }.send();
        }
        Some(_) | None => message.not_taken(NotTaken::Unavailable),
    }
}

/// Somebody is told of a message that lies still from the start.
fn parked(message: MessageId, reason: Reason) {
    if reason.wake() != dead_letter::Wake::Nobody {
        alarm(reason, format_args!("Message {message} is set aside: {}.", reason.title()));
    }
}

/// A message whose entry the journal has been handed.
struct Pending {
    message: Message,
    again: Option<Again>,
    direct: Direct,
    note: Note,
}

/// What is needed of an entry after the journal has it.
struct Note {
    taken: telemetry::Taken,
    verdict: VerdictRecord,
    findings: Findings,
    /// Where something waits in the journal.
    destinations: Vec<DestinationId>,
    /// Why it lies still, or a recipient of it does, or why it was refused and its sender hears nothing: somebody is told.
    parked: Vec<Reason>,
}

impl Note {
    fn of(entry: &Entry) -> Self {
        let waiting = entry.recipients.iter().filter(|r| r.state != State::Sending);
        let mut destinations: Vec<_> = waiting.filter_map(|r| r.destination.clone()).collect();
        destinations.sort_unstable();
        destinations.dedup();
        let mut parked: Vec<_> =
            entry.recipients.iter().filter(|r| r.state == State::Parked).filter_map(|r| r.reason).collect();
        let unheard = || entry.recipients.iter().all(|r| r.book != Book::Receipt);
        match entry.verdict {
            VerdictRecord::Parked { reason } => parked.push(reason),
            VerdictRecord::Refused { reason } if unheard() => parked.push(reason),
            VerdictRecord::Accepted
            | VerdictRecord::AcceptedWithFindings
            | VerdictRecord::Refused { .. }
            | VerdictRecord::Duplicate { .. }
            | VerdictRecord::Silent { .. } => {}
        }
        parked.sort_unstable();
        parked.dedup();
        Self {
            parked,
            taken: telemetry::Taken::of(entry),
            verdict: entry.verdict.clone(),
            findings: entry.findings.clone(),
            destinations,
        }
    }
}

/// The entrances of the steps after judging. When the last of them is gone, the steps end.
#[derive(Clone)]
struct Steps {
    wanting: UnboundedSender<Wanting>,
    waiting: UnboundedSender<Waiting>,
    ready: UnboundedSender<Ready>,
}

impl Waiting {
    fn send(self) {
        let steps = self.message.steps.clone();
        if let Err(mpsc::error::SendError(waiting)) = steps.waiting.send(self) {
            waiting.message.not_taken(NotTaken::Unavailable);
        }
    }
}

impl Ready {
    fn send(self) {
        let steps = self.message.steps.clone();
        if let Err(mpsc::error::SendError(ready)) = steps.ready.send(self) {
            ready.message.not_taken(NotTaken::Unavailable);
        }
    }
}
