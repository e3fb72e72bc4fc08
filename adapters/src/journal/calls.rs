//! The way to the one that writes: calls wait in a queue, and are taken out in batches, so that many callers share one
//! wait for the disk.
//!
//! A call whose caller has gone is done all the same; what a claim took for a caller that has gone goes back.

use super::batch::Wanted;
use super::prepare::{Prepared, PreparedRuling, PreparedShown};
use crate::records;
use broker_core::journal::{CommitResult, RecipientId, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::StoreError;
use broker_core::series::{Ruled, Showing};
use jiff::Timestamp;
use message_schemas::MessageId;
use routing_rules::DestinationId;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

/// A batch takes in at most so many rows and bytes, unless one call alone is larger.
const BATCH_ROWS: usize = 256;
const BATCH_BYTES: usize = 8 << 20;
/// A claim may take so many times what it finds, on the average of many destinations.
const CLAIM_FINDS: usize = 16;
/// Calls that may wait; further callers wait for a place.
const QUEUE_CALLS: usize = 1024;

/// Results alone wait so long for a commit to go with, if one has come lately: a transaction more costs the journal several times
/// what they add to that one, and whoever settles goes on meanwhile.
const COMPANY: Duration = Duration::from_millis(15);
const LATELY: Duration = Duration::from_millis(100);

/// One claim stops at so many bytes, or a backlog of large messages would fill the memory.
pub(crate) const CLAIM_BYTES: i64 = 32 << 20;

/// A call to the writer. It is kept until it is answered, because it may be tried twice.
#[derive(Debug)]
pub(crate) enum Call {
    Commit(Vec<Prepared>),
    Settle(Vec<Settlement>, Timestamp),
    Claim(DestinationId, Timestamp, usize),
    Replay(Vec<(RecipientId, Option<DestinationId>)>, String, Timestamp),
    Recover(Timestamp),
    /// As `Recover`, of other processes that have died.
    TakeOver(Timestamp),
    Note(String, String, Timestamp),
    /// How entries stand at targets, and what the event of the message says.
    Show(Vec<PreparedShown>, MessageId, String, Timestamp),
    /// What a person ruled on a version, and what the event of its message says.
    Rule(PreparedRuling, MessageId, String, Timestamp),
}

/// By what a journal finds bytes again: their number, and the day of their table where there is one for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BodyKey {
    pub(crate) day: i32,
    pub(crate) seq: i64,
}

/// A recipient that was claimed; its bytes are fetched outside of the writer.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) recipient: RecipientId,
    pub(crate) message: MessageId,
    /// The day of its table, as in [`BodyKey`].
    pub(crate) message_day: i32,
    pub(crate) book: String,
    pub(crate) receiver: Option<u32>,
    pub(crate) kind: Option<String>,
    pub(crate) document: Option<Uuid>,
    pub(crate) body: BodyKey,
    pub(crate) tries: u32,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) maybe_arrived: bool,
    pub(crate) receipt_written: bool,
    pub(crate) test: bool,
    pub(crate) family: Option<String>,
    /// JSON.
    pub(crate) label: Option<String>,
}

/// What a call came to.
#[derive(Debug)]
pub(crate) enum Answer {
    /// With what the commit has claimed for the caller.
    Committed(Vec<CommitResult>, Hold),
    Claimed(Claims),
    Count(usize),
}

/// Claimed recipients.
#[derive(Debug)]
pub(crate) struct Claims {
    claimed: Vec<Claimed>,
    hold: Hold,
}

/// Recipients that were claimed for a caller, and when. Dropped without [`Hold::keep`], they go back to be claimed again.
#[derive(Debug)]
pub(crate) struct Hold {
    held: Vec<(RecipientId, Timestamp)>,
    calls: mpsc::WeakSender<Job>,
}

/// A call, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) call: Call,
    pub(crate) answer: oneshot::Sender<Result<Answer, StoreError>>,
}

/// The callers' end of the queue. The writer ends when the last is dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    calls: mpsc::Sender<Job>,
}

/// The writer's end of the queue.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: mpsc::Receiver<Job>,
    calls: mpsc::WeakSender<Job>,
    /// When the last commit was taken out.
    committed: Option<Instant>,
}

/// Makes a queue.
pub(crate) fn queue() -> (Writer, Queue) {
    let (calls, waiting) = mpsc::channel(QUEUE_CALLS);
    let weak = calls.downgrade();
    (Writer { calls }, Queue { waiting, calls: weak, committed: None })
}

impl Writer {
    /// Makes a call and waits for its end.
    pub(crate) async fn call(&self, call: Call) -> Result<Answer, StoreError> {
        let stopped = || StoreError::Unavailable("the journal is closed".into());
        let (answer, answered) = oneshot::channel();
        self.calls.send(Job { call, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Makes a call that is answered by a number.
    pub(crate) async fn count(&self, call: Call) -> Result<usize, StoreError> {
        match self.call(call).await? {
            Answer::Count(count) => Ok(count),
            Answer::Committed(..) | Answer::Claimed(_) => {
                Err(StoreError::Damaged("another call's answer".into()))
            }
        }
    }
}

impl Queue {
    /// Waits for the next call; none when all callers have gone. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Job> {
        self.waiting.recv().await
    }

    /// A batch that begins with this call: as many of those that wait as it takes, those that make others possible
    /// first. What has just been settled or taken in can be claimed at once.
    pub(crate) async fn batch(&mut self, first: Job) -> Vec<Job> {
        let mut batch = vec![first];
        self.fill(&mut batch);
        let now = Instant::now();
        if self.committed.is_some_and(|then| now.duration_since(then) < LATELY) {
            while batch.iter().all(|job| matches!(job.call, Call::Settle(..)))
                && let Ok(Some(next)) = timeout_at(now + COMPANY, self.waiting.recv()).await
            {
                batch.push(next);
                self.fill(&mut batch);
            }
        }
        if batch.iter().any(|job| matches!(job.call, Call::Commit(_))) {
            self.committed = Some(Instant::now());
        }
        batch.sort_by_key(|job| job.call.order());
        batch
    }

    /// Adds what waits, as far as there is room.
    fn fill(&mut self, batch: &mut Vec<Job>) {
        let weights = batch.iter().map(|job| job.call.weight());
        let (mut rows, mut bytes) = weights.fold((0, 0), |(rows, bytes), (r, b)| (rows + r, bytes + b));
        while rows < BATCH_ROWS && bytes < BATCH_BYTES {
            let Ok(next) = self.waiting.try_recv() else { break };
            let (more_rows, more_bytes) = next.call.weight();
            (rows, bytes) = (rows + more_rows, bytes + more_bytes);
            batch.push(next);
        }
    }
}

impl Queue {
    /// Guards what was claimed, now that it is durable.
    pub(crate) fn claims(&self, claimed: Vec<Claimed>, now: Timestamp) -> Claims {
        let hold = self.hold(claimed.iter().map(|c| (c.recipient, now)).collect());
        Claims { claimed, hold }
    }

    /// Guards what a commit claimed, now that it is durable.
    pub(crate) fn hold(&self, held: Vec<(RecipientId, Timestamp)>) -> Hold {
        Hold { held, calls: self.calls.clone() }
    }
}

impl Claims {
    /// What was claimed.
    pub(crate) fn list(&self) -> &[Claimed] {
        &self.claimed
    }

    /// Takes over what was claimed: it is the caller's to settle.
    pub(crate) fn keep(self) -> Vec<Claimed> {
        self.hold.keep();
        self.claimed
    }
}

impl Hold {
    /// Takes over what was claimed: it is the caller's to settle.
    pub(crate) fn keep(mut self) {
        self.held.clear();
    }
}

/// What commits have claimed, each with its time: an entry that was there already claims nothing.
pub(crate) fn claimed_by(entries: &[Prepared], results: &[CommitResult]) -> Vec<(RecipientId, Timestamp)> {
    let mut all = Vec::new();
    for (entry, result) in entries.iter().zip(results) {
        if let CommitResult::Committed(committed) = result {
            all.extend(committed.claimed().iter().map(|id| (*id, entry.received)));
        }
    }
    all
}

/// A recipient that was claimed at that time goes back, to be claimed again.
pub(crate) fn back(recipient: RecipientId, now: Timestamp) -> Settlement {
    Settlement {
        recipient,
        from: State::Sending,
        event: Event::Retry,
        reason: None,
        next_attempt: Some(now),
        detail: Some("claimed but not sent".into()),
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some(now) = self.held.iter().map(|(_, now)| *now).max() else { return };
        let back: Vec<Settlement> = self.held.iter().map(|(id, now)| back(*id, *now)).collect();
        if let (Some(calls), Ok(runtime)) = (self.calls.upgrade(), tokio::runtime::Handle::try_current()) {
            let (answer, _) = oneshot::channel();
            let job = Job { call: Call::Settle(back, now), answer };
            // Ends by itself: the writer takes the call, or is gone and start-up recovers.
            drop(runtime.spawn(async move { calls.send(job).await.is_ok() }));
        }
    }
}

/// Answers every call of a batch.
pub(crate) fn answer(batch: Vec<Job>, answers: Vec<Answer>) {
    for (job, answer) in batch.into_iter().zip(answers) {
        // A caller that has gone hears nothing; a claim in the answer then goes back.
        drop(job.answer.send(Ok(answer)));
    }
}

/// Answers every call of a batch with the same failure.
pub(crate) fn fail(batch: Vec<Job>, failure: &StoreError) {
    for job in batch {
        drop(job.answer.send(Err(failure.clone())));
    }
}

/// Answers that there is no room to every commit, and returns the other calls.
pub(crate) fn refuse_intake(batch: Vec<Job>) -> Vec<Job> {
    let is_intake = |job: &Job| matches!(job.call, Call::Commit(_));
    let (intake, others): (Vec<Job>, Vec<Job>) = batch.into_iter().partition(is_intake);
    fail(intake, &StoreError::Full);
    others
}

impl Call {
    /// A call that writes down how entries stand.
    pub(crate) fn show(showing: &Showing) -> Result<Self, StoreError> {
        let told = records::bounded(&showing.told());
        Ok(Self::Show(PreparedShown::of(showing)?, showing.message, told, showing.at))
    }

    /// A call that writes down what a person ruled.
    pub(crate) fn rule(ruled: &Ruled) -> Result<Self, StoreError> {
        let told = records::bounded(&ruled.told);
        Ok(Self::Rule(PreparedRuling::of(ruled)?, ruled.version.message, told, ruled.at))
    }

    const fn order(&self) -> u8 {
        match self {
            Self::Recover(_) | Self::TakeOver(_) => 0,
            Self::Settle(..) => 1,
            Self::Replay(..) => 2,
            Self::Note(..) | Self::Show(..) | Self::Rule(..) => 3,
            Self::Commit(_) => 4,
            Self::Claim(..) => 5,
        }
    }

    /// Rows and bytes, nearly.
    pub(crate) fn weight(&self) -> (usize, usize) {
        match self {
            Self::Commit(entries) => (entries.len(), entries.iter().map(Prepared::weight_bytes).sum()),
            Self::Settle(settlements, _) => (settlements.len(), 0),
            // Most find less than they may take.
            Self::Claim(_, _, limit) => (limit.div_ceil(CLAIM_FINDS), 0),
            Self::Replay(recipients, _, _) => (recipients.len(), 0),
            Self::Show(shown, ..) => (shown.len(), shown.iter().map(|s| s.record.len()).sum()),
            Self::Rule(ruling, ..) => (1, ruling.record.len()),
            Self::Recover(_) | Self::TakeOver(_) | Self::Note(..) => (1, 0),
        }
    }

    /// Adds what must be known of the journal before this call can be decided.
    pub(crate) fn asks(&self, wanted: &mut Wanted) {
        match self {
            Self::Commit(entries) => {
                for entry in entries {
                    wanted.entry(entry);
                }
            }
            Self::Settle(settlements, _) => wanted.recipients.extend(settlements.iter().map(|s| s.recipient)),
            Self::Replay(recipients, _, _) => wanted.recipients.extend(recipients.iter().map(|(id, _)| *id)),
            Self::Claim(..)
            | Self::Recover(_)
            | Self::TakeOver(_)
            | Self::Note(..)
            | Self::Show(..)
            | Self::Rule(..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Job {
        let (answer, _) = oneshot::channel();
        Job { call: Call::Settle(Vec::new(), Timestamp::UNIX_EPOCH), answer }
    }

    fn commit() -> Job {
        let (answer, _) = oneshot::channel();
        Job { call: Call::Commit(Vec::new()), answer }
    }

    fn kinds(batch: &[Job]) -> String {
        let kind = |job: &Job| if matches!(job.call, Call::Commit(_)) { 'c' } else { 's' };
        batch.iter().map(kind).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn results_wait_a_moment_for_a_commit_if_one_has_come_lately() {
        let (writer, mut queue) = queue();
        let waited = async |queue: &mut Queue, first: Job| {
            let began = Instant::now();
            let batch = queue.batch(first).await;
            (kinds(&batch), began.elapsed())
        };
        assert_eq!(waited(&mut queue, results()).await, ("s".to_owned(), Duration::ZERO), "none has come");
        assert_eq!(waited(&mut queue, commit()).await, ("c".to_owned(), Duration::ZERO));
        let (calls, soon) = (writer.calls.clone(), COMPANY / 3);
        tokio::spawn(async move {
            for job in [results(), commit()] {
                tokio::time::sleep(soon).await;
                calls.send(job).await.expect("the queue is there");
            }
        });
        let (kinds, time) = waited(&mut queue, results()).await;
        assert_eq!(kinds, "ssc", "results come first");
        assert!(time < COMPANY, "{time:?}");
        let (kinds, time) = waited(&mut queue, results()).await;
        assert_eq!(kinds, "s", "none came after all");
        assert!((COMPANY..COMPANY * 2).contains(&time), "{time:?}");
        tokio::time::sleep(LATELY).await;
        assert_eq!(waited(&mut queue, results()).await, ("s".to_owned(), Duration::ZERO), "it was long ago");
        queue.batch(commit()).await;
        drop(writer);
        assert_eq!(
            waited(&mut queue, results()).await,
            ("s".to_owned(), Duration::ZERO),
            "all callers have gone"
        );
        assert!(queue.next().await.is_none());
    }
}
