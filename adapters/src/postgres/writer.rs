//! The one writer of this process: it owns a connection, and takes all calls that wait into one transaction (group
//! commit), so that many callers share one wait for the disk.
//!
//! A batch that met another broker in the middle is decided anew. If a batch fails otherwise, each call gets a transaction
//! of its own, so that one bad call costs the others nothing. If the connection is lost, nobody knows whether the
//! last batch was committed: its callers hear that the journal is not available, and whoever offers the same entry again
//! is answered as the first time. What may have been claimed then, without anybody who knows of it, goes back before
//! anything else is done on the next connection: this broker lives, so nobody would take it over.

use super::access::{self, Access};
use super::failure::Failure;
use super::schema;
use super::transaction::{self, Author, Done};
use super::{instances, write};
use crate::journal::calls::{self, Answer, Call, Job, Queue};
use broker_core::journal::{RecipientId, Settlement};
use broker_core::ports::StoreError;
use jiff::Timestamp;
use sqlx::{Connection as _, PgConnection};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// A batch is decided anew so often when other brokers stand in its way.
const ATTEMPTS: u32 = 6;
/// No answer for so long: the connection is given up, and the server ends what it was doing when it sees that nobody
/// listens. A batch takes milliseconds; a connection that is half gone must be noticed well within 30 seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is owed is tried again after so long, if nobody calls before.
const OWED_AGAIN: Duration = Duration::from_secs(1);
/// Distinct provenances that are remembered.
const REMEMBERED_PROVENANCES: usize = 1000;

/// The writer's task.
pub(super) struct Task {
    pub(super) access: Access,
    pub(super) owner: Arc<str>,
    pub(super) queue: Queue,
    pub(super) connection: Option<PgConnection>,
    /// Whose chain it writes; 0 before it first writes.
    pub(super) instance: Arc<AtomicI64>,
    pub(super) provenances: HashMap<String, i64>,
    /// What the batch under way may have claimed, and when.
    pub(super) attempted: Vec<(RecipientId, Timestamp)>,
    /// What was to go back when the connection was lost, and nobody else will see to; each with its time.
    pub(super) owed: Vec<(Settlement, Timestamp)>,
}

impl Task {
    /// Runs until the last caller has gone.
    pub(super) async fn run(mut self) {
        loop {
            let next = if self.owed.is_empty() {
                self.queue.next().await
            } else {
                let Ok(next) = tokio::time::timeout(OWED_AGAIN, self.queue.next()).await else {
                    // While the server is away it stays owed.
                    drop(self.pay().await);
                    continue;
                };
                next
            };
            let Some(first) = next else { break };
            let batch = self.queue.batch(first).await;
            self.perform(batch).await;
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "The journal's connection did not close in order.");
        }
    }

    async fn perform(&mut self, batch: Vec<Job>) {
        if let Err(failure @ (StoreError::Unavailable(_) | StoreError::Newer { .. })) = self.pay().await {
            return self.fail(batch, &failure);
        }
        match self.attempts(&batch).await {
            Ok(done) => self.answer(batch, done),
            // It would fail again for each, and each would wait as long.
            Err(failure @ (StoreError::Unavailable(_) | StoreError::Newer { .. })) => {
                self.fail(batch, &failure)
            }
            Err(failure @ (StoreError::Full | StoreError::Damaged(_))) => {
                let batch = if failure == StoreError::Full { calls::refuse_intake(batch) } else { batch };
                for job in batch {
                    match self.attempts(std::slice::from_ref(&job)).await {
                        Ok(done) => self.answer(vec![job], done),
                        Err(failure) => self.fail(vec![job], &failure),
                    }
                }
            }
        }
    }

    /// Answers that a batch failed, and keeps what nobody else will see to: claims that may have been made, and claims
    /// that were on their way back.
    fn fail(&mut self, batch: Vec<Job>, failure: &StoreError) {
        self.owed.extend(self.attempted.drain(..).map(|(id, now)| (calls::back(id, now), now)));
        for job in &batch {
            if let Call::Settle(settlements, now) = &job.call
                && job.answer.is_closed()
            {
                self.owed.extend(settlements.iter().map(|s| (s.clone(), *now)));
            }
        }
        calls::fail(batch, failure);
    }

    /// Lets go back what is owed; what was not claimed after all stays as it is. It comes before every other call, so that
    /// nothing of it can have been claimed anew.
    async fn pay(&mut self) -> Result<(), StoreError> {
        let Some(now) = self.owed.iter().map(|(_, now)| *now).max() else { return Ok(()) };
        let settlements: Vec<Settlement> = self.owed.iter().map(|(s, _)| s.clone()).collect();
        let count = settlements.len();
        let (answer, _) = oneshot::channel();
        self.attempts(&[Job { call: Call::Settle(settlements, now), answer }]).await?;
        self.owed.clear();
        tracing::info!(count, "{count} claims of which nothing was heard are void.");
        Ok(())
    }

    fn answer(&self, batch: Vec<Job>, done: Vec<Done>) {
        let answers = done.into_iter().map(|done| match done {
            Done::Committed(results, claimed) => Answer::Committed(results, self.queue.hold(claimed)),
            Done::Claimed(claimed, now) => Answer::Claimed(self.queue.claims(claimed, now)),
            Done::Count(count) => Answer::Count(count),
        });
        calls::answer(batch, answers.collect());
    }

    async fn attempts(&mut self, batch: &[Job]) -> Result<Vec<Done>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut attempt = 0;
        loop {
            attempt += 1;
            let result = match tokio::time::timeout(PATIENCE, self.attempt(batch)).await {
                Ok(result) => result,
                Err(_) => Err(StoreError::Unavailable("the server does not answer".into()).into()),
            };
            let Err(failure) = result else { return result.map_err(StoreError::from) };
            if failure.elsewhere {
                self.connection = None;
            } else {
                self.roll_back().await;
            }
            if failure.day && attempt < ATTEMPTS {
                if let Some(connection) = &mut self.connection {
                    schema::make_days(connection).await?;
                }
            } else if !failure.again || attempt >= ATTEMPTS {
                return Err(failure.error);
            }
        }
    }

    /// Ends what is left of a failed transaction. A connection that cannot even do that is given up.
    async fn roll_back(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            let rolled_back = sqlx::raw_sql("ROLLBACK").execute(&mut connection);
            if let Ok(Ok(_)) = tokio::time::timeout(access::CONNECTING, rolled_back).await {
                self.connection = Some(connection);
            }
        }
    }

    async fn attempt(&mut self, batch: &[Job]) -> Result<Vec<Done>, Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.access.connect().await?,
        };
        // While it is in use it is not here: if this future is dropped in the middle, so is the connection.
        let result = self.transact(&mut connection, batch).await;
        self.connection = Some(connection);
        result
    }

    async fn transact(&mut self, connection: &mut PgConnection, batch: &[Job]) -> Result<Vec<Done>, Failure> {
        self.attempted.clear();
        let instance = match self.instance.load(Ordering::Acquire) {
            0 => {
                let instance = instances::register(connection, &self.owner, false).await?;
                self.instance.store(instance, Ordering::Release);
                instance
            }
            instance => instance,
        };
        for job in batch {
            let Call::Commit(entries) = &job.call else { continue };
            for entry in entries {
                if !self.provenances.contains_key(&entry.provenance) {
                    let seq = write::provenance(connection, &self.owner, &entry.provenance).await?;
                    if self.provenances.len() >= REMEMBERED_PROVENANCES {
                        self.provenances.clear();
                    }
                    self.provenances.insert(entry.provenance.clone(), seq);
                }
            }
        }
        let author = Author { owner: &self.owner, instance, provenances: &self.provenances };
        let done = transaction::perform(connection, &author, batch, &mut self.attempted).await?;
        self.attempted.clear();
        Ok(done)
    }
}
