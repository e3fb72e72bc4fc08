//! One stored message, judged again: by the running broker, or because a person wants it.

use crate::pool::Pool;
use broker_core::World;
use broker_core::journal::{CommitResult, MessageRecord, Recipient, RecipientId, VerdictRecord};
use broker_core::ports::{Clock, Store, StoreError};
use broker_core::process::{Prepared, read_again};
use std::sync::Arc;
use tokio::sync::oneshot;
use trust::revocation::Wanted;
use uuid::Uuid;

/// So often is a decision made anew because another message took its key in the meantime.
const MOST_STALE: u32 = 8;

/// What judging takes besides the message and the world.
pub struct Judge<'a, S> {
    /// Where messages lie.
    pub store: &'a S,
    /// Where they are judged.
    pub pool: &'a Pool,
    /// What time it is.
    pub clock: &'a dyn Clock,
}

/// Who wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The running broker.
    ByItself,
    /// A person: who, and why.
    By(String),
    /// A person who only wants to know what would come of it: nothing is done.
    DryRun,
}

/// What came of it.
#[derive(Debug)]
pub enum Judged {
    /// Another decision than before.
    Anew(Box<Decided>),
    /// The same as before: nothing was done.
    Same,
    /// It lies there no more, somebody else was first: nothing was done.
    Overtaken,
    /// The program failed on it: nothing was done.
    Failed,
}

/// A new decision.
#[derive(Debug)]
pub struct Decided {
    /// On the message.
    pub verdict: VerdictRecord,
    /// Who shall have it now, and what we answer.
    pub recipients: Vec<Recipient>,
    /// It is a receipt itself, so nothing of this answers it.
    pub is_receipt: bool,
}

impl<S: Store> Judge<'_, S> {
    /// Opens and reads it, and tells what more should be known of revocation. None if the program failed on it.
    pub async fn read(
        &self,
        record: &Arc<MessageRecord>,
        bytes: &Arc<[u8]>,
        world: &Arc<World>,
    ) -> Option<(Vec<Wanted>, Arc<Prepared>)> {
        let (record, bytes, world) = (Arc::clone(record), Arc::clone(bytes), Arc::clone(world));
        let now = self.clock.now();
        let read = self.on_pool(move || read_again(&record, bytes, &world, now)).await;
        read.map(|(wanted, prepared)| (wanted, Arc::from(prepared)))
    }

    /// Decides on what was read, and puts the decision in the place of what lies parked, or of `only` these.
    ///
    /// # Errors
    /// When the journal does not answer.
    pub async fn decide(
        &self,
        record: &Arc<MessageRecord>,
        prepared: &Arc<Prepared>,
        world: &Arc<World>,
        only: Option<&[RecipientId]>,
        asked: &Asked,
    ) -> Result<Judged, StoreError> {
        for _ in 0..MOST_STALE {
            let known = self.store.look_up(&[prepared.lookups()]).await?.pop().unwrap_or_default();
            let (record, prepared, against) = (Arc::clone(record), Arc::clone(prepared), Arc::clone(world));
            let now = self.clock.now();
            let only = only.map(<[_]>::to_vec);
            let decide = move || {
                prepared.decide_again(&record, only.as_deref(), &known, &against, now, &mut Uuid::now_v7)
            };
            let Some(entry) = self.on_pool(decide).await else { return Ok(Judged::Failed) };
            let Some(mut entry) = entry else { return Ok(Judged::Same) };
            let is_receipt = entry.head.as_ref().is_some_and(|head| head.receipt.is_some());
            let (verdict, recipients) = (entry.verdict.clone(), entry.recipients.clone());
            let decided = Decided { verdict, recipients, is_receipt };
            let decided = Judged::Anew(Box::new(decided));
            match (asked, &mut entry.judged_again) {
                (Asked::DryRun, _) => return Ok(decided),
                (Asked::By(who_and_why), Some(again)) => again.who_and_why = Some(who_and_why.clone()),
                (Asked::By(_), None) | (Asked::ByItself, _) => {}
            }
            match self.store.commit(vec![entry]).await?.pop() {
                Some(CommitResult::Committed(_)) => return Ok(decided),
                Some(CommitResult::Stale) => {}
                Some(CommitResult::Overtaken | CommitResult::Repeated { .. }) | None => break,
            }
        }
        Ok(Judged::Overtaken)
    }

    /// Runs on the threads that judge messages; none if the program failed on it.
    async fn on_pool<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (tell, told) = oneshot::channel();
        self.pool.run(work, move |result| drop(tell.send(result))); // nobody waits any more when we stop
        told.await.ok()?.ok()
    }
}
