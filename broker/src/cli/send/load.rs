//! Sends many messages to a schedule, and measures.
//!
//! The schedule is open: a message is due when its turn comes, however slow the answers to the ones before it are, and
//! is measured from then. A tool that waited for its answers before it looked at the clock would leave out just the
//! times in which somebody had to wait.

use super::folder;
use super::http::Http;
use super::opening::Opener;
use super::prepare::{Pool, Prepared};
use super::queue::Queue;
use super::receipts::{self, Desk, From, lock};
use super::summary::{Book, Outcome, Summary};
use crate::exit::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Where messages go.
#[derive(Clone)]
pub(super) enum Target {
    /// A broker's HTTP interface.
    Http(Http),
    /// A folder that a broker reads.
    Folder(PathBuf),
    /// A queue that a broker reads.
    Queue(Queue),
}

/// How many, how fast, and who looks for receipts.
pub(super) struct Plan {
    pub(super) target: Target,
    /// So many; none goes on until `time` is over.
    pub(super) count: Option<u64>,
    pub(super) time: Option<Duration>,
    /// Messages a second; none sends as fast as answers come.
    pub(super) rate: Option<f64>,
    /// Messages without an answer at one time.
    pub(super) in_flight: usize,
    pub(super) receipts: Option<From>,
    /// How long receipts are waited for after the last message.
    pub(super) patience: Duration,
}

/// A message that is ready when it is due may still start so much later, and nobody is to blame.
const IN_TIME: Duration = Duration::from_millis(5);

impl Target {
    async fn send(&self, message: &Prepared) -> Outcome {
        match self {
            Self::Http(http) => http.send(message).await,
            Self::Folder(path) => folder::send(path, message).await,
            Self::Queue(queue) => queue.send(message).await,
        }
    }
}

impl Plan {
    /// Sends, waits for receipts, tells.
    pub(super) async fn run(self, opener: Opener, mut pool: Pool) -> Result<Summary, Failure> {
        let book = Arc::new(Mutex::new(Book::default()));
        let desk = Desk::new(opener, Arc::clone(&book));
        let bar = self.bar();
        let (taken, ask) = mpsc::unbounded_channel();
        let mut watching = JoinSet::new();
        match (&self.receipts, &self.target) {
            (None, _) => {}
            (Some(From::Folder(path)), _) => {
                let folder = receipts::Folder::open(path).map_err(Failure::file(path))?;
                watching.spawn(folder.watch(desk));
            }
            (Some(From::Http), Target::Http(http)) => {
                watching.spawn(receipts::ask(http.clone(), ask, Arc::clone(&book)));
            }
            (Some(From::Queue(queue)), Target::Queue(server)) => {
                let tap = server.tap(queue).await?;
                watching.spawn(receipts::take(tap, server.clone(), queue.clone(), desk));
            }
            (Some(From::Queue(_)), Target::Http(_) | Target::Folder(_)) => {
                let why = "receipts are taken from a queue of the server that messages are sent to";
                return Err(Failure::Usage(why.to_owned()));
            }
            (Some(From::Http), Target::Folder(_) | Target::Queue(_)) => {
                let why = "to ask over HTTP, messages must be sent over HTTP too";
                return Err(Failure::Usage(why.to_owned()));
            }
        }
        let stopped = tokio::signal::ctrl_c();
        tokio::pin!(stopped);
        tokio::select! {
            () = pool.fill() => {}
            _ = &mut stopped => return Ok(Book::default().close(Instant::now(), false, true)),
        }

        let began = Instant::now();
        let mut sending = JoinSet::new();
        let interrupted = tokio::select! {
            () = self.send_all(&mut pool, began, &book, &taken, &mut sending, &bar) => false,
            _ = &mut stopped => true,
        };
        drop(pool);
        // What is on its way is waited for; receipts only if nobody wants to see what there is by now.
        let settled = async {
            while sending.join_next().await.is_some() {}
            if self.receipts.is_some() && !interrupted {
                self.wait(&book, &bar).await;
            }
        };
        let interrupted = tokio::select! {
            () = settled => interrupted,
            _ = tokio::signal::ctrl_c() => true,
        };
        bar.finish_and_clear();
        drop(watching);
        let book = std::mem::take(&mut *lock(&book));
        Ok(book.close(began, self.receipts.is_some(), interrupted))
    }

    async fn send_all(
        &self,
        pool: &mut Pool,
        began: Instant,
        book: &Arc<Mutex<Book>>,
        taken: &mpsc::UnboundedSender<message_schemas::MsgId>,
        sending: &mut JoinSet<()>,
        bar: &ProgressBar,
    ) {
        let room = Arc::new(Semaphore::new(self.in_flight));
        let mut number: u32 = 0;
        while self.count.is_none_or(|count| u64::from(number) < count) {
            let due = self.rate.map(|rate| began + Duration::from_secs_f64(f64::from(number) / rate));
            if self.time.is_some_and(|time| due.unwrap_or_else(Instant::now) >= began + time) {
                return;
            }
            if let Some(due) = due {
                sleep_until(due).await;
            }
            let Ok(room) = Arc::clone(&room).acquire_owned().await else { return };
            let asked = Instant::now();
            let Some(message) = pool.next().await else { return };
            let late = asked.elapsed() > IN_TIME;
            let due = due.unwrap_or_else(Instant::now);
            lock(book).begin(&message.id, due, late);
            number += 1;
            let (target, book, taken, bar) =
                (self.target.clone(), Arc::clone(book), taken.clone(), bar.clone());
            sending.spawn(async move {
                let outcome = target.send(&message).await;
                drop(room);
                if outcome == Outcome::Acknowledged {
                    drop(taken.send(message.id.clone())); // nobody may be asking
                }
                lock(&book).end(&message.id, due, Instant::now(), outcome);
                bar.inc(1);
            });
            while sending.try_join_next().is_some() {}
        }
    }

    /// Until no receipt is missing, or patience ends.
    async fn wait(&self, book: &Mutex<Book>, bar: &ProgressBar) {
        let end = Instant::now() + self.patience;
        while Instant::now() < end {
            let (_, missing) = lock(book).standing();
            if missing == 0 {
                return;
            }
            bar.set_message(format!("{missing} receipts missing"));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// On standard error, if that is a terminal.
    fn bar(&self) -> ProgressBar {
        let bar = self.count.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = if self.count.is_some() {
            "{bar:30} {pos}/{len}, {per_sec} {msg}"
        } else {
            "{pos}, {per_sec} {msg}"
        };
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}
