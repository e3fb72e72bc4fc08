//! The one writer: it owns the connection that writes, and takes all calls that wait into one transaction
//! (group commit), so that many callers share one wait for the disk.
//!
//! If a shared transaction fails, each call gets a transaction of its own, so that one bad call costs the
//! others nothing. A call whose caller has gone is done all the same; what a claim took for a caller that has
//! gone goes back.

use super::log::Log;
use super::room::Room;
use super::transaction::Transaction;
use crate::journal::batch::Wanted;
use crate::journal::calls::{self, Answer, Call, Job, Queue, Writer};
use broker_core::ports::StoreError;
use sqlx::{Connection as _, SqliteConnection};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Starts the writer's task. It ends, and closes the connection, when the last caller has gone.
pub(super) fn start(
    connection: SqliteConnection,
    owner: Arc<str>,
    room: Arc<Room>,
    log: Log,
) -> (Writer, JoinHandle<()>) {
    let (writer, queue) = calls::queue();
    let task = Task { connection, owner, queue, room, log };
    (writer, tokio::spawn(task.run()))
}

struct Task {
    connection: SqliteConnection,
    owner: Arc<str>,
    queue: Queue,
    room: Arc<Room>,
    log: Log,
}

impl Task {
    async fn run(mut self) {
        loop {
            let first = match tokio::time::timeout(Log::IDLE, self.queue.next()).await {
                Ok(Some(first)) => first,
                Ok(None) => break,
                Err(_) => {
                    self.log.empty(&mut self.connection).await;
                    continue;
                }
            };
            let batch = self.queue.batch(first).await;
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
            batch = calls::refuse_intake(batch);
        }
        match self.attempt(&batch).await {
            Ok(answers) => calls::answer(batch, answers),
            // It would fail again for each, and each would wait as long.
            Err(failure @ (StoreError::Unavailable(_) | StoreError::Newer { .. })) => {
                calls::fail(batch, &failure);
            }
            Err(failure @ (StoreError::Full | StoreError::Damaged(_))) => {
                if failure == StoreError::Full {
                    batch = calls::refuse_intake(batch);
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
        let result = Self::transact(&mut self.connection, &self.owner, &self.queue, batch).await;
        if result.is_err() {
            // It may have ended by itself, as after a full disk; then there is nothing to roll back.
            drop(sqlx::query("ROLLBACK").execute(&mut self.connection).await);
        }
        result
    }

    async fn transact(
        connection: &mut SqliteConnection,
        owner: &str,
        queue: &Queue,
        batch: &[Job],
    ) -> Result<Vec<Answer>, StoreError> {
        let mut wanted = Wanted::default();
        for job in batch {
            job.call.asks(&mut wanted);
        }
        let mut tx = Transaction::begin(connection, owner, &wanted).await?;
        let mut answers = Vec::with_capacity(batch.len());
        let (mut claims, mut held) = (Vec::new(), Vec::new());
        for job in batch {
            answers.push(match &job.call {
                Call::Commit(entries) => {
                    let results =
                        entries.iter().map(|e| tx.batch.take_in(e)).collect::<Result<Vec<_>, _>>()?;
                    held.push((answers.len(), calls::claimed_by(entries, &results)));
                    Answer::Committed(results, queue.hold(Vec::new()))
                }
                Call::Settle(settlements, now) => Answer::Count(tx.batch.settle(settlements, *now)),
                Call::Claim(destination, now, limit) => {
                    claims.push((answers.len(), tx.claim(destination, *now, *limit).await?, *now));
                    Answer::Count(0)
                }
                Call::Replay(recipients, who_and_why, now) => {
                    Answer::Count(tx.batch.replay(recipients, who_and_why, *now))
                }
                Call::Recover(now) => Answer::Count(tx.recover(*now).await?),
                // One process at a time runs: there is nobody else to take over from.
                Call::TakeOver(_) => Answer::Count(0),
                Call::Show(shown, message, told, now) => {
                    tx.show(shown, *now).await?;
                    tx.batch.append(*now, Some(*message), None, "shown", Some(told.clone()));
                    Answer::Count(shown.len())
                }
                Call::Rule(ruling, message, told, now) => {
                    tx.rule(ruling).await?;
                    tx.batch.append(*now, Some(*message), None, "ruled", Some(told.clone()));
                    Answer::Count(1)
                }
                Call::Note(what, detail, now) => {
                    tx.batch.append(*now, None, None, what, Some(detail.clone()));
                    Answer::Count(0)
                }
            });
        }
        tx.finish().await?;
        // Only now, when they are durable, do claims guard themselves.
        for (at, claimed, now) in claims {
            if let Some(answer) = answers.get_mut(at) {
                *answer = Answer::Claimed(queue.claims(claimed, now));
            }
        }
        for (at, claimed) in held {
            if let Some(Answer::Committed(_, hold)) = answers.get_mut(at) {
                *hold = queue.hold(claimed);
            }
        }
        Ok(answers)
    }
}
