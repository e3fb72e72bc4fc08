//! What is known of revocation: begun from disk, fetched when a message needs it, asked for again before it runs out.
//!
//! There is one writer of [`Evidence`], this one; all others keep what is there when they make a new world.
//!
//! **Invariant:** only what a judgement wanted is asked for, and a judgement wants something only of certificates whose
//! chain leads to our roots. An address in any other certificate is never asked.

mod silent;

use crate::config::trust::Prefer;
use crate::health::{Health, Trouble};
use crate::telemetry;
use adapters::revocation::{Kept, Stored};
use arc_swap::ArcSwap;
use broker_core::ports::{Clock, NotFetched, Question, RevocationSource};
use broker_core::{Protection, World};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use jiff::{SignedDuration, Timestamp};
use silent::{Silent, host};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trust::chain::{Moment, Purpose};
use trust::revocation::{Evidence, SourceKind, Wanted, lifetime};

/// How often it is looked whether something runs out.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How often the certificates that are known beforehand are judged, so that their lists are at hand.
const WARM_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// An answer that is not of use is not asked for again within this time.
const NOT_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// An answer that nobody wanted for so long is not kept fresh.
const WANTED_WITHIN: SignedDuration = SignedDuration::from_hours(48);

/// Answers that are kept fresh, at most.
const MOST_HELD: usize = 20_000;

/// How answers are handled.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether anybody is asked; else only files and what was kept tell.
    pub online: bool,
    /// Whom to ask first.
    pub prefer: Prefer,
    /// So long before an answer runs out a new one is asked for (at most half of its time).
    pub refresh_before: SignedDuration,
}

/// What is known of revocation. Clones are the same one.
pub struct Revocation<F>(Arc<Inner<F>>);

struct Inner<F> {
    options: Options,
    source: Kept<F>,
    world: Arc<ArcSwap<World>>,
    clock: Arc<dyn Clock>,
    health: Health,
    answers: Mutex<Answers>,
    silent: Mutex<Silent>,
    /// One at a time changes what is known.
    adding: tokio::sync::Mutex<()>,
}

/// What was answered and what is being asked, behind one lock: whoever finds neither is the one that asks.
#[derive(Default)]
struct Answers {
    held: HashMap<Question, Held>,
    under_way: HashMap<Question, Shared<BoxFuture<'static, Result<bool, NotFetched>>>>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    fetched_at: Timestamp,
    /// From when it is, and until when it may be used.
    life: (Timestamp, Timestamp),
    wanted_at: Timestamp,
    /// When it was last asked for.
    tried_at: Timestamp,
}

impl<F: RevocationSource> Revocation<F> {
    /// Over this source, for this world.
    pub fn new(
        options: Options,
        source: Kept<F>,
        world: Arc<ArcSwap<World>>,
        clock: Arc<dyn Clock>,
        health: Health,
    ) -> Self {
        let (answers, silent, adding) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Inner { options, source, world, clock, health, answers, silent, adding }))
    }

    /// Takes in what was kept on disk.
    pub async fn begin(&self) {
        let source = self.0.source.clone();
        let stored = match tokio::task::spawn_blocking(move || source.stored()).await {
            Ok(Ok(stored)) => stored,
            Ok(Err(error)) => {
                tracing::warn!("Kept revocation answers cannot be read: {error}. They are asked for again.");
                return;
            }
            Err(_) => return,
        };
        let now = self.0.clock.now();
        let (mut good, mut over) = (Vec::new(), Vec::new());
        for Stored { question, bytes, fetched_at } in stored {
            match lifetime(question.kind(), &bytes) {
                Some(life) if now < life.1 => good.push((question, bytes, fetched_at, life)),
                Some(_) | None => over.push(question),
            }
        }
        let answers: Vec<_> =
            good.iter().map(|(question, bytes, ..)| (question.kind(), Arc::clone(bytes))).collect();
        self.add(answers).await;
        for (question, _, fetched_at, life) in good {
            let held = Held { fetched_at, life, wanted_at: now, tried_at: fetched_at };
            self.answers().held.insert(question, held);
        }
        for question in over {
            self.0.source.forget(&question).await;
        }
    }

    /// Adds what others fetched: lists from files.
    pub async fn add_lists(&self, lists: Vec<Arc<[u8]>>) {
        self.add(lists.into_iter().map(|list| (SourceKind::Crl, list)).collect()).await;
    }

    /// Fetches what a judgement wanted. True if more is known now than it knew, so that judging again may help.
    pub async fn know_more(&self, wanted: Vec<Wanted>, judged_by: Option<&Protection>) -> bool {
        let judged_by = judged_by.map(|before| Arc::clone(&before.evidence));
        if !self.0.options.online {
            return self.is_newer(judged_by.as_ref());
        }
        let mut asking = JoinSet::new();
        for wanted in wanted {
            let (this, judged_by) = (self.clone(), judged_by.clone());
            asking.spawn(async move { this.about(&wanted, judged_by.as_ref()).await });
        }
        let mut more = false;
        while let Some(one) = asking.join_next().await {
            more |= one.unwrap_or(false);
        }
        more
    }

    /// Whether more is known now than it was then.
    fn is_newer(&self, judged_by: Option<&Arc<Evidence>>) -> bool {
        let world = self.0.world.load();
        judged_by.zip(world.trust.as_ref()).is_some_and(|(before, now)| !Arc::ptr_eq(&now.evidence, before))
    }

    /// About one certificate: the first place that gives something new is enough.
    async fn about(&self, wanted: &Wanted, judged_by: Option<&Arc<Evidence>>) -> bool {
        let mut questions = Question::all_of(wanted);
        questions.sort_by_key(|question| match (self.0.options.prefer, question.kind()) {
            (Prefer::Crl, SourceKind::Crl) | (Prefer::Ocsp, SourceKind::Ocsp) => 0,
            (Prefer::Crl, SourceKind::Ocsp) | (Prefer::Ocsp, SourceKind::Crl) => 1,
        });
        let asked: BTreeSet<String> = questions.iter().map(|question| host(question.url())).collect();
        let mut answered = false;
        for question in questions {
            match self.ask(&question, judged_by).await {
                Ok(true) => return true,
                Ok(false) => answered = true,
                Err(_) => {}
            }
        }
        if !answered && !asked.is_empty() {
            self.tell(|silent| silent.unknown(wanted.certificate, asked, self.0.clock.now()));
        }
        false
    }

    /// Asks once, unless the answer is at hand; true if it is new to whoever asks.
    async fn ask(&self, question: &Question, judged_by: Option<&Arc<Evidence>>) -> Result<bool, NotFetched> {
        let answer = {
            let now = self.0.clock.now();
            let mut answers = self.answers();
            // What is held is in the world too.
            let newer = self.is_newer(judged_by);
            if let Some(held) = answers.held.get_mut(question) {
                held.wanted_at = now;
                // An answer that was at hand and did not help helps no more by asking again at once.
                let just_now = now.duration_since(held.fetched_at) < NOT_AGAIN;
                if now < held.life.1 && (just_now || newer) {
                    telemetry::revocation_answer(question.kind(), "at_hand");
                    return Ok(newer);
                }
            }
            self.join(question, &mut answers)
        };
        let is_new = answer.await?;
        Ok(is_new || self.is_newer(judged_by))
    }

    /// Joins whoever asks the same already, else begins to ask. True if the answer is another one than before.
    fn join(
        &self,
        question: &Question,
        answers: &mut Answers,
    ) -> impl Future<Output = Result<bool, NotFetched>> + use<F> {
        let begin = || {
            let (this, question) = (self.clone(), question.clone());
            async move {
                let taken = this.fetch(&question).await;
                let mut answers = this.answers();
                answers.under_way.remove(&question);
                let (is_new, held) = taken?;
                answers.hold(question, held);
                Ok(is_new)
            }
            .boxed()
            .shared()
        };
        answers.under_way.entry(question.clone()).or_insert_with(begin).clone()
    }

    /// Asks, and puts the answer into the world. True if it is another one than before.
    async fn fetch(&self, question: &Question) -> Result<(bool, Held), NotFetched> {
        let answer = self.0.source.fetch(question).await;
        let now = self.0.clock.now();
        let outcome = answer.as_ref().map_or_else(NotFetched::as_str, |_| "fetched");
        telemetry::revocation_answer(question.kind(), outcome);
        let bytes = answer.inspect_err(|why| match why {
            // Told when it failed.
            NotFetched::Resting => {}
            NotFetched::NotAllowed
            | NotFetched::Unreachable
            | NotFetched::TimedOut
            | NotFetched::Status(_)
            | NotFetched::TooLarge
            | NotFetched::Unusable => {
                let host = host(question.url());
                // Once: every try is counted.
                if self.tell(|silent| silent.failed(&host)) {
                    let kind = question.kind();
                    tracing::warn!(
                        why = why.as_str(),
                        ?kind,
                        host,
                        "The revocation service {host} gives no answer: {why}. It is asked again."
                    );
                }
            }
        })?;
        let life = lifetime(question.kind(), &bytes).ok_or(NotFetched::Unusable)?;
        let host = host(question.url());
        if self.tell(|silent| silent.answered(&host)) {
            tracing::info!(host, "The revocation service {host} answers again.");
        }
        let before = self.answers().held.get(question).copied();
        // The very same list once more changes nothing.
        let is_new = before.is_none_or(|before| before.life != life);
        if is_new {
            self.add(vec![(question.kind(), bytes)]).await;
        }
        let wanted_at = before.map_or(now, |held| held.wanted_at);
        Ok((is_new, Held { fetched_at: now, life, wanted_at, tried_at: now }))
    }

    /// Notes what became of a question, and says how it is now.
    fn tell<T>(&self, note: impl FnOnce(&mut Silent) -> T) -> T {
        let mut silent = self.0.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = note(&mut silent);
        match silent.sentence() {
            Some(sentence) => self.0.health.trouble(Trouble::RevocationUnknown, sentence),
            None => self.0.health.over(Trouble::RevocationUnknown),
        };
        noted
    }

    /// Puts answers into the world.
    async fn add(&self, answers: Vec<(SourceKind, Arc<[u8]>)>) {
        if answers.is_empty() {
            return;
        }
        let _adding = self.0.adding.lock().await;
        let Some(trust) = self.0.world.load().trust.clone() else { return };
        let now = self.0.clock.now();
        // Large lists take a while to read.
        let more =
            tokio::task::spawn_blocking(move || Arc::new(with_answers(trust.evidence.fresh(now), answers)));
        if let Ok(evidence) = more.await {
            know(&self.0.world, &evidence);
        }
    }

    /// Keeps everything fresh until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        if !self.0.options.online {
            return shutdown.cancelled().await;
        }
        let mut warmed: Option<Timestamp> = None;
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = shutdown.cancelled() => return,
            }
            let now = self.0.clock.now();
            let work = async {
                if warmed.is_none_or(|at| now.duration_since(at) >= WARM_EVERY) {
                    warmed = Some(now);
                    self.warm(now).await;
                }
                self.refresh(now).await;
            };
            if shutdown.run_until_cancelled(work).await.is_none() {
                return;
            }
        }
    }

    /// Judges the certificates that are known beforehand, so that what is known of them is at hand when a message comes.
    async fn warm(&self, now: Timestamp) {
        let Some(trust) = self.0.world.load().trust.clone() else { return };
        let judged_by = Arc::clone(&trust);
        let wanted =
            tokio::task::spawn_blocking(move || wanted_beforehand(&trust, now)).await.unwrap_or_default();
        if !wanted.is_empty() {
            self.know_more(wanted, Some(&judged_by)).await;
        }
    }

    /// Asks again for what runs out soon.
    async fn refresh(&self, now: Timestamp) {
        self.tell(|silent| silent.look(now));
        let (due, over) = {
            let answers = self.answers();
            let held = &answers.held;
            let due =
                held.iter().filter(|(_, held)| self.is_due(held, now)).map(|(question, _)| question.clone());
            let over = held.iter().filter(|(_, held)| !is_wanted(held, now) && held.life.1 <= now);
            (due.collect::<Vec<_>>(), over.map(|(question, _)| question.clone()).collect::<Vec<_>>())
        };
        for question in over {
            self.answers().held.remove(&question);
            self.0.source.forget(&question).await;
        }
        let mut asking = JoinSet::new();
        for question in due {
            let mut answers = self.answers();
            if let Some(held) = answers.held.get_mut(&question) {
                held.tried_at = now;
            }
            asking.spawn(self.join(&question, &mut answers));
        }
        while asking.join_next().await.is_some() {}
        let answers = self.answers();
        let held = &answers.held;
        for kind in [SourceKind::Crl, SourceKind::Ocsp] {
            let of_kind = held.iter().filter(|(question, _)| question.kind() == kind);
            telemetry::revocation_held(kind, of_kind.filter(|(_, held)| now < held.life.1).count());
        }
    }

    fn is_due(&self, held: &Held, now: Timestamp) -> bool {
        /// Between two tries.
        const PAUSE: SignedDuration = SignedDuration::from_mins(5);
        let (from, until) = held.life;
        let before = self.0.options.refresh_before.min(until.duration_since(from) / 2);
        now.duration_since(held.tried_at) >= PAUSE
            && is_wanted(held, now)
            && until.checked_sub(before).is_ok_and(|due| due <= now)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        // Nothing that can panic happens under the lock.
        self.0.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    fn hold(&mut self, question: Question, held: Held) {
        if self.held.len() >= MOST_HELD && !self.held.contains_key(&question) {
            self.held.retain(|_, kept| held.fetched_at < kept.life.1);
        }
        self.held.insert(question, held);
    }
}

fn is_wanted(held: &Held, now: Timestamp) -> bool {
    now.duration_since(held.wanted_at) < WANTED_WITHIN
}

/// What is wanted to judge our own certificates and our partners'.
fn wanted_beforehand(trust: &Protection, now: Timestamp) -> Vec<Wanted> {
    let moment = Moment { at: now, now };
    let own = trust.keys.iter().map(|key| (key.certificate(), key.chain()));
    let partners = trust.partners.iter().map(|(_, certificate)| (certificate, [].as_slice()));
    let mut wanted: Vec<Wanted> = Vec::new();
    for (certificate, chain) in own.chain(partners) {
        let usage = certificate.usage.unwrap_or_default();
        let purpose = if usage.key_encipherment { Purpose::Sealing } else { Purpose::Signing };
        let judged = trust.anchors.judge(certificate, chain, purpose, moment, &trust.evidence, &trust.cache);
        if let Err(refusal) = judged {
            for more in refusal.wanted {
                if wanted.iter().all(|known| known.certificate != more.certificate) {
                    wanted.push(more);
                }
            }
        }
    }
    wanted
}

/// What is known of revocation, and these answers; what cannot be read of them is told and left out.
pub(super) fn with_answers(
    mut evidence: Evidence,
    answers: impl IntoIterator<Item = (SourceKind, Arc<[u8]>)>,
) -> Evidence {
    for (kind, bytes) in answers {
        let added = match kind {
            SourceKind::Crl => evidence.with_crl(&bytes),
            SourceKind::Ocsp => evidence.with_ocsp(&bytes),
        };
        match added {
            Ok(added) => evidence = added,
            Err(fault) => tracing::warn!("{}", fault.message),
        }
    }
    evidence
}

/// The same world, knowing this of revocation.
fn know(world: &ArcSwap<World>, evidence: &Arc<Evidence>) {
    world.rcu(|before| {
        let trust = before
            .trust
            .as_ref()
            .map(|trust| Arc::new(Protection { evidence: Arc::clone(evidence), ..Protection::clone(trust) }));
        World { trust, ..World::clone(before) }
    });
}

impl<F> Clone for Revocation<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests;
