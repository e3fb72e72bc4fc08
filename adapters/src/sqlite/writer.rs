//! The one writer: it owns the connection that writes, and takes all calls that wait into one transaction
//! (group commit), so that many callers share one wait for the disk.
//!
//! If a shared transaction fails, each call gets a transaction of its own, so that one bad call costs the
//! others nothing. A call whose caller has gone is done all the same; what a claim took for a caller that has
//! gone goes back.

use super::load::Wanted;
use super::log::Log;
use super::prepare::Prepared;
use super::room::Room;
use super::transaction::{Claimed, Transaction};
use broker_core::journal::{CommitResult, RecipientId, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::StoreError;
use jiff::Timestamp;
use routing_rules::DestinationId;
use sqlx::{Connection as _, SqliteConnection};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// A transaction takes in at most so many rows and bytes, unless one call alone is larger.
const BATCH_ROWS: usize = 256;
const BATCH_BYTES: usize = 8 << 20;
/// Calls that may wait; further callers wait for a place.
const QUEUE_CALLS: usize = 1024;

/// A call to the writer. It is kept until it is answered, because it may be tried twice.
#[derive(Debug)]
pub(super) enum Call {
    Commit(Vec<Prepared>),
    Settle(Vec<Settlement>, Timestamp),
    Claim(DestinationId, Timestamp, usize),
    Replay(Vec<(RecipientId, Option<DestinationId>)>, String, Timestamp),
    Recover(Timestamp),
    Note(String, String, Timestamp),
}

/// What a call came to.
#[derive(Debug)]
pub(super) enum Answer {
    Committed(Vec<CommitResult>),
    Claimed(Claims),
    Count(usize),
}

/// Claimed recipients. Dropped without [`Claims::keep`], they go back to be claimed again.
#[derive(Debug)]
pub(super) struct Claims {
    claimed: Vec<Claimed>,
    now: Timestamp,
    calls: mpsc::WeakSender<Job>,
}

#[derive(Debug)]
struct Job {
    call: Call,
    answer: oneshot::Sender<Result<Answer, StoreError>>,
}

/// The handle of the writer.
#[derive(Debug)]
pub(super) struct Writer {
    calls: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the writer's task. It ends, and closes the connection, when the handle is dropped.
    pub(super) fn start(
        connection: SqliteConnection,
        owner: Arc<str>,
        room: Arc<Room>,
        log: Log,
    ) -> (Self, JoinHandle<()>) {
        let (calls, queue) = mpsc::channel(QUEUE_CALLS);
        let task = Task { connection, owner, queue, calls: calls.downgrade(), room, log };
        (Self { calls }, tokio::spawn(task.run()))
    }

    /// Makes a call and waits for its end.
    pub(super) async fn call(&self, call: Call) -> Result<Answer, StoreError> {
        let stopped = || StoreError::Unavailable("the journal is closed".into());
        let (answer, answered) = oneshot::channel();
        self.calls.send(Job { call, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Makes a call that is answered by a number.
    pub(super) async fn count(&self, call: Call) -> Result<usize, StoreError> {
        match self.call(call).await? {
            Answer::Count(count) => Ok(count),
            Answer::Committed(_) | Answer::Claimed(_) => {
                Err(StoreError::Damaged("another call's answer".into()))
            }
        }
    }
}

impl Claims {
    /// What was claimed.
    pub(super) fn list(&self) -> &[Claimed] {
        &self.claimed
    }

    /// Takes over what was claimed: it is the caller's to settle.
    pub(super) fn keep(mut self) -> Vec<Claimed> {
        std::mem::take(&mut self.claimed)
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        let back = |c: &Claimed| Settlement {
            recipient: c.recipient,
            from: State::Sending,
            event: Event::Retry,
            reason: None,
            next_attempt: Some(self.now),
            detail: Some("claimed but not sent".into()),
        };
        let back: Vec<Settlement> = self.claimed.iter().map(back).collect();
        if let (false, Some(calls), Ok(runtime)) =
            (back.is_empty(), self.calls.upgrade(), tokio::runtime::Handle::try_current())
        {
            let (answer, _) = oneshot::channel();
            let job = Job { call: Call::Settle(back, self.now), answer };
            // Ends by itself: the writer takes the call, or is gone and start-up recovers.
            drop(runtime.spawn(async move { calls.send(job).await.is_ok() }));
        }
    }
}

struct Task {
    connection: SqliteConnection,
    owner: Arc<str>,
    queue: mpsc::Receiver<Job>,
    calls: mpsc::WeakSender<Job>,
    room: Arc<Room>,
    log: Log,
}

impl Task {
    async fn run(mut self) {
        loop {
            let first = match tokio::time::timeout(Log::IDLE, self.queue.recv()).await {
                Ok(Some(first)) => first,
                Ok(None) => break,
                Err(_) => {
                    self.log.empty(&mut self.connection).await;
                    continue;
                }
            };
            let (mut rows, mut bytes) = first.call.weight();
            let mut batch = vec![first];
            while rows < BATCH_ROWS && bytes < BATCH_BYTES {
                let Ok(next) = self.queue.try_recv() else { break };
                let (more_rows, more_bytes) = next.call.weight();
                (rows, bytes) = (rows + more_rows, bytes + more_bytes);
                batch.push(next);
            }
            self.perform(batch).await;
            self.log.shorten(&mut self.connection, self.room.is_tight()).await;
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "The journal did not close cleanly; its next start repairs that.");
        }
    }

    async fn perform(&mut self, batch: Vec<Job>) {
        let mut batch = batch;
        self.room.restore_reserve();
        let bytes: usize = batch.iter().map(|job| job.call.weight().1).sum();
        if !self.room.has_room_for(bytes) {
            batch = refuse_intake(batch);
        }
        // Settlements first and claims last: what has just been settled or taken in can be claimed at once.
        batch.sort_by_key(|job| job.call.order());
        match self.attempt(&batch).await {
            Ok(answers) => answer(batch, answers),
            // It would fail again for each, and each would wait as long.
            Err(failure @ (StoreError::Unavailable(_) | StoreError::Newer { .. })) => {
                for job in batch {
                    drop(job.answer.send(Err(failure.clone())));
                }
            }
            Err(failure @ (StoreError::Full | StoreError::Damaged(_))) => {
                if failure == StoreError::Full {
                    batch = refuse_intake(batch);
                    self.room.give_up_reserve();
                    self.log.empty(&mut self.connection).await;
                }
                for job in batch {
                    let result = self.attempt(std::slice::from_ref(&job)).await;
                    drop(job.answer.send(result.and_then(|mut a| {
                        a.pop().ok_or_else(|| StoreError::Damaged("a call without an answer".into()))
                    })));
                }
            }
        }
    }

    async fn attempt(&mut self, batch: &[Job]) -> Result<Vec<Answer>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let result = Self::transact(&mut self.connection, &self.owner, &self.calls, batch).await;
        if result.is_err() {
            // It may have ended by itself, as after a full disk; then there is nothing to roll back.
            drop(sqlx::query("ROLLBACK").execute(&mut self.connection).await);
        }
        result
    }

    async fn transact(
        connection: &mut SqliteConnection,
        owner: &str,
        calls: &mpsc::WeakSender<Job>,
        batch: &[Job],
    ) -> Result<Vec<Answer>, StoreError> {
        let mut wanted = Wanted::default();
        for job in batch {
            job.call.asks(&mut wanted);
        }
        let mut tx = Transaction::begin(connection, owner, &wanted).await?;
        let mut answers = Vec::with_capacity(batch.len());
        let mut claims = Vec::new();
        for job in batch {
            answers.push(match &job.call {
                Call::Commit(entries) => {
                    Answer::Committed(entries.iter().map(|e| tx.take_in(e)).collect::<Result<_, _>>()?)
                }
                Call::Settle(settlements, now) => Answer::Count(tx.settle(settlements, *now)),
                Call::Claim(destination, now, limit) => {
                    claims.push((answers.len(), tx.claim(destination, *now, *limit).await?, *now));
                    Answer::Count(0)
                }
                Call::Replay(recipients, who_and_why, now) => {
                    Answer::Count(tx.replay(recipients, who_and_why, *now))
                }
                Call::Recover(now) => Answer::Count(tx.recover(*now).await?),
                Call::Note(what, detail, now) => {
                    tx.append(*now, None, None, what, Some(detail.clone()));
                    Answer::Count(0)
                }
            });
        }
        tx.finish().await?;
        // Only now, when they are durable, do claims guard themselves.
        for (at, claimed, now) in claims {
            if let Some(answer) = answers.get_mut(at) {
                *answer = Answer::Claimed(Claims { claimed, now, calls: calls.clone() });
            }
        }
        Ok(answers)
    }
}

fn answer(batch: Vec<Job>, answers: Vec<Answer>) {
    for (job, answer) in batch.into_iter().zip(answers) {
        // A caller that has gone hears nothing; a claim in the answer then goes back.
        drop(job.answer.send(Ok(answer)));
    }
}

/// Answers that there is no room to every commit, and returns the other calls.
fn refuse_intake(batch: Vec<Job>) -> Vec<Job> {
    let is_intake = |job: &Job| matches!(job.call, Call::Commit(_));
    let (intake, others): (Vec<Job>, Vec<Job>) = batch.into_iter().partition(is_intake);
    for job in intake {
        drop(job.answer.send(Err(StoreError::Full)));
    }
    others
}

impl Call {
    fn order(&self) -> u8 {
        match self {
            Self::Recover(_) => 0,
            Self::Settle(..) => 1,
            Self::Replay(..) => 2,
            Self::Note(..) => 3,
            Self::Commit(_) => 4,
            Self::Claim(..) => 5,
        }
    }

    /// Rows and bytes, nearly.
    fn weight(&self) -> (usize, usize) {
        match self {
            Self::Commit(entries) => (entries.len(), entries.iter().map(Prepared::weight_bytes).sum()),
            Self::Settle(settlements, _) => (settlements.len(), 0),
            Self::Claim(_, _, limit) => (*limit, 0),
            Self::Replay(recipients, _, _) => (recipients.len(), 0),
            Self::Recover(_) | Self::Note(..) => (1, 0),
        }
    }

    fn asks(&self, wanted: &mut Wanted) {
        match self {
            Self::Commit(entries) => {
                for entry in entries {
                    wanted.messages.push(entry.id);
                    wanted.provenances.insert(entry.provenance.clone());
                    wanted.duplicates.extend(entry.duplicate_keys.iter().cloned());
                    let key = entry.idempotency_key.clone();
                    wanted.idempotency.extend(key.map(|key| (entry.source.clone(), key)));
                    wanted.recipients.extend(entry.closings.iter().map(|c| c.recipient));
                    wanted.recipients.extend(entry.judged_again.iter().flat_map(|again| &again.in_place_of));
                }
            }
            Self::Settle(settlements, _) => wanted.recipients.extend(settlements.iter().map(|s| s.recipient)),
            Self::Replay(recipients, _, _) => wanted.recipients.extend(recipients.iter().map(|(id, _)| *id)),
            Self::Claim(..) | Self::Recover(_) | Self::Note(..) => {}
        }
    }
}
