//! Looks for receipts of what was sent: where they are delivered, or in the broker's own word.

use super::http::{self, Http};
use super::opening::{Opener, Read};
use super::queue::{Queue, Tap};
use super::summary::Book;
use message_schemas::MsgId;
use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

/// Where receipts are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    /// In the broker's state of each message: it counts as answered when nothing of it is left to do.
    Http,
    /// As files in a folder.
    Folder(PathBuf),
    /// As messages in a queue, which are taken out of it.
    Queue(String),
}

impl std::str::FromStr for From {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match (text, text.strip_prefix("amqp:")) {
            ("http", _) => Self::Http,
            (_, Some(queue)) => Self::Queue(queue.to_owned()),
            (folder, None) => Self::Folder(folder.into()),
        })
    }
}

/// How files end that may be receipts: in the clear, or signed and sealed.
const ENDINGS: &[&str] = &[".xml", ".p7m"];

/// How often a folder is looked at: the grain of what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long a message is left alone that is not settled yet.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How long a lost connection to a queue is left alone.
const CONNECT_AGAIN: Duration = Duration::from_millis(500);

/// Questions that are out at one time.
const QUESTIONS: usize = 16;

/// Reads what came, and writes it into the book. What is sealed takes a key a while: that is done beside, so that the next
/// one is still measured from when it came.
#[derive(Clone)]
pub(super) struct Desk {
    opener: Arc<Opener>,
    book: Arc<Mutex<Book>>,
    cores: Arc<Semaphore>,
}

impl Desk {
    pub(super) fn new(opener: Opener, book: Arc<Mutex<Book>>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { opener: Arc::new(opener), book, cores: Arc::new(Semaphore::new(cores)) }
    }

    /// Something that came at this moment.
    fn came<B: AsRef<[u8]> + Send + 'static>(&self, bytes: B, at: Instant) {
        let Self { opener, book, cores } = self.clone();
        let reading = async move {
            let Ok(_core) = cores.acquire().await else { return };
            let read = move || opener.read(bytes.as_ref());
            let read = tokio::task::spawn_blocking(read).await;
            match read {
                Ok(Read::Receipt(id, kind)) => drop(lock(&book).receipt(&id, kind, at)),
                Ok(Read::Refused(why)) => lock(&book).refused_receipt(why),
                Ok(Read::Other) | Err(_) => {}
            }
        };
        // It ends by itself, and nobody waits for it: what is not read when patience ends is missing.
        drop(tokio::spawn(reading));
    }
}

/// Takes receipts from a folder, those alone that come from now on.
pub(super) struct Folder {
    path: PathBuf,
    seen: HashSet<std::ffi::OsString>,
}

impl Folder {
    /// Looks at what is there already.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let mut folder = Self { path: path.to_owned(), seen: HashSet::new() };
        folder.new_files()?;
        Ok(folder)
    }

    fn new_files(&mut self) -> std::io::Result<Vec<PathBuf>> {
        let mut new = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let ends = |n: &str| ENDINGS.iter().any(|ending| n.ends_with(ending));
            let finished = name.to_str().is_some_and(|n| ends(n) && !n.starts_with('.'));
            if finished && !self.seen.contains(&name) {
                new.push(self.path.join(&name));
                self.seen.insert(name);
            }
        }
        Ok(new)
    }

    /// Looks until it is dropped.
    pub(super) async fn watch(mut self, desk: Desk) {
        loop {
            let look = move || {
                let new = self.new_files().unwrap_or_default();
                let now = Instant::now();
                let found: Vec<_> = new.iter().filter_map(|file| std::fs::read(file).ok()).collect();
                (self, found, now)
            };
            let Ok((folder, found, now)) = tokio::task::spawn_blocking(look).await else { return };
            self = folder;
            for bytes in found {
                desk.came(bytes, now);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Takes receipts from a queue, and connects again when the connection is lost.
pub(super) async fn take(mut tap: Tap, server: Queue, queue: String, desk: Desk) {
    loop {
        while let Some(bytes) = tap.next().await {
            desk.came(bytes, Instant::now());
        }
        tap = loop {
            match server.tap(&queue).await {
                Ok(tap) => break tap,
                Err(_) => tokio::time::sleep(CONNECT_AGAIN).await,
            }
        };
    }
}

/// Asks the broker for each message that was taken in, oldest first, until nothing of it is left to do.
pub(super) async fn ask(http: Http, mut taken: mpsc::UnboundedReceiver<MsgId>, book: Arc<Mutex<Book>>) {
    let mut waiting: VecDeque<(Instant, MsgId)> = VecDeque::new();
    loop {
        while let Ok(id) = taken.try_recv() {
            waiting.push_back((Instant::now(), id));
        }
        let now = Instant::now();
        let due = waiting.iter().take_while(|(at, _)| *at <= now).count().min(QUESTIONS);
        let questions = waiting.drain(..due).map(|(_, id)| async {
            let state = http.state(id.as_str()).await.ok();
            (id, state)
        });
        for (id, state) in futures_util::future::join_all(questions).await {
            // Several messages under one MsgId are told as matches; the newest is ours.
            let state = state.map(|s| s.get("matches").and_then(|m| m.get(0)).cloned().unwrap_or(s));
            match state.as_ref().and_then(end) {
                Some(kind) => drop(lock(&book).receipt(&id, kind, Instant::now())),
                None => waiting.push_back((Instant::now() + ASK_AGAIN, id)),
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How a message ended, when it has: the worst that happened to any of its receivers.
fn end(state: &serde_json::Value) -> Option<&'static str> {
    const WORST_FIRST: &[&str] = &["parked", "expired", "rejected", "receipted", "handed_over"];
    let recipients = http::recipients(state);
    if recipients.is_empty() || !recipients.iter().all(http::settled) {
        return None;
    }
    let states: HashSet<_> = recipients.iter().map(|r| http::word(r, "state")).collect();
    Some(WORST_FIRST.iter().copied().find(|state| states.contains(state)).unwrap_or("settled"))
}

pub(super) fn lock(book: &Mutex<Book>) -> std::sync::MutexGuard<'_, Book> {
    // Nothing that can panic happens under this lock.
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_when_all_its_receivers_have_as_the_worst_of_them() {
        let state = |states: &[&str]| {
            let recipients: Vec<_> = states.iter().map(|s| serde_json::json!({ "state": s })).collect();
            end(&serde_json::json!({ "recipients": recipients }))
        };
        assert_eq!(state(&["handed_over", "waiting"]), None);
        assert_eq!(state(&["handed_over", "receipted"]), Some("receipted"));
        assert_eq!(state(&["parked", "handed_over"]), Some("parked"));
        assert_eq!(state(&[]), None);
    }
}
