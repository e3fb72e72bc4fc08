//! Around a source of revocation answers: each question is out once at a time, a service that fails is left alone for
//! a while, and answers are kept on disk.

use crate::shelf::{self, Shelf};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker_core::ports::{Clock, NotFetched, Question, RevocationSource};
use dead_letter::{Attempt, Breaker, BreakerSettings, Permit, Schedule};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How answers are kept.
#[derive(Debug, Clone)]
pub struct KeptOptions {
    /// Where; none keeps nothing over a restart.
    pub folder: Option<PathBuf>,
    /// When a service is left alone.
    pub breaker: BreakerSettings,
}

impl Default for KeptOptions {
    fn default() -> Self {
        let pause = Schedule {
            first: Duration::from_secs(5),
            max: Duration::from_secs(5 * 60),
            ..Schedule::default()
        };
        Self { folder: None, breaker: BreakerSettings { failures: 2, lasting: Duration::ZERO, pause } }
    }
}

/// An answer that was kept.
#[derive(Debug, Clone)]
pub struct Stored {
    /// To what.
    pub question: Question,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// When it came.
    pub fetched_at: Timestamp,
}

/// A source with manners and a memory. Clones are the same one.
pub struct Kept<F>(Arc<Inner<F>>);

struct Inner<F> {
    source: F,
    shelf: Option<Arc<Shelf>>,
    breaker: BreakerSettings,
    clock: Arc<dyn Clock>,
    chance: RandomState,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By address, so that one certificate's failure is known to the next.
    breakers: HashMap<String, Breaker>,
    under_way: HashMap<Question, watch::Receiver<Option<Answer>>>,
}

type Answer = Result<Arc<[u8]>, NotFetched>;

/// What stands in front of the bytes of a kept answer.
#[derive(Serialize, Deserialize)]
struct Label {
    url: String,
    /// Base64 of the OCSP request; none for a CRL.
    request: Option<String>,
    fetched_at: Timestamp,
}

/// What a broker keeps in this folder. Only looks: nothing is made, changed or thrown away. Blocks on the disk.
///
/// # Errors
/// When the folder is there and cannot be read.
pub fn look(folder: &Path) -> io::Result<Vec<Stored>> {
    Ok(shelf::look(folder)?.into_iter().filter_map(read).collect())
}

fn read((label, bytes): (Label, Vec<u8>)) -> Option<Stored> {
    let question = match label.request {
        None => Question::Crl { url: label.url },
        Some(request) => Question::Ocsp { url: label.url, request: STANDARD.decode(request).ok()? },
    };
    Some(Stored { question, bytes: bytes.into(), fetched_at: label.fetched_at })
}

impl<F: RevocationSource> Kept<F> {
    /// Around this source.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(source: F, options: KeptOptions, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let shelf = options.folder.as_deref().map(Shelf::open).transpose()?.map(Arc::new);
        Ok(Self(Arc::new(Inner {
            source,
            shelf,
            breaker: options.breaker,
            clock,
            chance: RandomState::new(),
            state: Mutex::default(),
        })))
    }

    /// What was kept before, in no order. Blocks on the disk.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn stored(&self) -> io::Result<Vec<Stored>> {
        let Some(shelf) = &self.0.shelf else { return Ok(Vec::new()) };
        Ok(shelf.all()?.into_iter().filter_map(read).collect())
    }

    /// Drops a kept answer that nobody needs any more.
    pub async fn forget(&self, question: &Question) {
        let Some(shelf) = self.0.shelf.clone() else { return };
        let key = key(question);
        let removed = tokio::task::spawn_blocking(move || shelf.remove(&key)).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::warn!("A kept revocation answer could not be removed.");
        }
    }
}

impl<F: RevocationSource> RevocationSource for Kept<F> {
    async fn fetch(&self, question: &Question) -> Answer {
        let mut answer = self.0.begin(question)?;
        // Asking runs on by itself: whoever gives up waiting takes nothing from the others.
        match answer.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or(Err(NotFetched::Unreachable)),
            Err(_) => Err(NotFetched::Unreachable),
        }
    }
}

impl<F: RevocationSource> Inner<F> {
    /// Joins whoever asks the same already, else begins to ask.
    fn begin(self: &Arc<Self>, question: &Question) -> Result<watch::Receiver<Option<Answer>>, NotFetched> {
        let mut state = self.state();
        if let Some(under_way) = state.under_way.get(question)
            && (under_way.borrow().is_some() || under_way.has_changed().is_ok())
        {
            return Ok(under_way.clone());
        }
        let now = self.clock.now();
        match state.breaker(question, &self.breaker).permit(now) {
            Permit::Go | Permit::Probe => {}
            Permit::Wait(_) => return Err(NotFetched::Resting),
        }
        let (tell, told) = watch::channel(None);
        state.under_way.insert(question.clone(), told.clone());
        tokio::spawn(Arc::clone(self).ask(question.clone(), tell));
        Ok(told)
    }

    async fn ask(self: Arc<Self>, question: Question, tell: watch::Sender<Option<Answer>>) {
        let answer = self.source.fetch(&question).await;
        if let Ok(bytes) = &answer {
            self.keep(&question, Arc::clone(bytes)).await;
        }
        {
            let now = self.clock.now();
            let chance = self.chance.hash_one(now);
            let mut state = self.state();
            state.breaker(&question, &self.breaker).record(&attempt(&answer), now, now, chance);
            state.under_way.remove(&question);
        }
        tell.send_replace(Some(answer));
    }

    async fn keep(&self, question: &Question, bytes: Arc<[u8]>) {
        let Some(shelf) = self.shelf.clone() else { return };
        let (key, label) = (key(question), label(question, self.clock.now()));
        let kept = tokio::task::spawn_blocking(move || shelf.put(&key, &label, &bytes)).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::warn!("A revocation answer could not be kept on disk; it holds until the next start.");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn breaker(&mut self, question: &Question, settings: &BreakerSettings) -> &mut Breaker {
        /// Far more addresses than there are issuers.
        const MOST: usize = 4096;
        if self.breakers.len() >= MOST && !self.breakers.contains_key(question.url()) {
            self.breakers.clear();
        }
        let new = || Breaker::new(settings.clone());
        self.breakers.entry(question.url().to_owned()).or_insert_with(new)
    }
}

/// As the breaker counts it.
fn attempt(answer: &Answer) -> Attempt {
    match answer {
        Ok(_) | Err(NotFetched::NotAllowed) => Attempt::HandedOver,
        Err(why) => Attempt::Retry { why: why.as_str().into(), after: None },
    }
}

fn key(question: &Question) -> Vec<u8> {
    match question {
        Question::Crl { url } => [b"crl ".as_slice(), url.as_bytes()].concat(),
        Question::Ocsp { url, request } => [b"ocsp ".as_slice(), url.as_bytes(), b"\0", request].concat(),
    }
}

fn label(question: &Question, fetched_at: Timestamp) -> Label {
    let (url, request) = match question {
        Question::Crl { url } => (url.clone(), None),
        Question::Ocsp { url, request } => (url.clone(), Some(STANDARD.encode(request))),
    };
    Label { url, request, fetched_at }
}

impl<F> Clone for Kept<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> std::fmt::Debug for Kept<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}
