//! The folder as a source: looks, offers what is ready, and puts it away once it is durable.

use super::Error;
use super::files::remove_unfinished;
use super::inbox::{Found, Inbox, Taken as Read, read};
use super::put_away::{Job, Places, Put, Report, put_away};
use crate::budget::Room;
use crate::durations;
use crate::intake::{Intake, Told};
use broker_core::journal::VerdictRecord;
use broker_core::ports::NotTaken;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Settings of a folder that messages are picked up from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The inbox. Made if it is not there.
    pub path: PathBuf,
    /// Where taken files go; `done` in the inbox if not set. Must be on the inbox's file system.
    #[serde(default)]
    pub done: Option<PathBuf>,
    /// Where refused files go, each with a report beside; `refused` in the inbox if not set.
    #[serde(default)]
    pub refused: Option<PathBuf>,
    /// Pause between two looks while nothing happens.
    #[serde(default = "Options::default_poll", with = "durations::required")]
    pub poll: Duration,
    /// How long a file must look the same before it is taken.
    #[serde(default = "Options::default_settle", with = "durations::required")]
    pub settle: Duration,
    /// Files that are offered and not yet put away, at most.
    #[serde(default = "Options::default_in_flight")]
    pub in_flight: usize,
}

impl Options {
    /// Defaults for this inbox.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            done: None,
            refused: None,
            poll: Self::default_poll(),
            settle: Self::default_settle(),
            in_flight: Self::default_in_flight(),
        }
    }

    const fn default_poll() -> Duration {
        Duration::from_millis(500)
    }

    const fn default_settle() -> Duration {
        Duration::from_secs(1)
    }

    const fn default_in_flight() -> usize {
        256
    }

    fn places(&self) -> Places {
        let or = |path: &Option<PathBuf>, name| path.clone().unwrap_or_else(|| self.path.join(name));
        Places {
            inbox: self.path.clone(),
            done: or(&self.done, "done"),
            refused: or(&self.refused, "refused"),
        }
    }
}

/// Files read in one go: enough to pay for the way to the blocking pool, few enough to start early.
const BATCH: usize = 16;
/// Pause between looks while files come in.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// First and longest pause after the journal took nothing.
const HOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Pause before a file that could not be moved is moved again.
const STUCK_PAUSE: Duration = Duration::from_secs(5);

/// A folder that messages are picked up from.
pub struct Source {
    name: Arc<str>,
    options: Options,
    places: Arc<Places>,
    intake: Intake,
    inbox: Inbox,
    in_flight: Arc<Semaphore>,
    hold: Duration,
    holding_until: Option<Instant>,
    blind: bool,
}

impl Source {
    /// Makes the folders that are missing, and sees that files can be moved between them. `name` is the
    /// source's name in the journal and in metrics (`folder:inbox`).
    ///
    /// # Errors
    /// If a folder cannot be used.
    pub fn build(name: &str, options: Options, intake: Intake) -> Result<Self, Error> {
        let places = options.places();
        let mut device = None;
        let dirs = [&places.inbox, &places.done, &places.refused];
        for (at, path) in dirs.into_iter().enumerate() {
            if dirs.iter().take(at).any(|other| *other == path) {
                return Err(Error::Same { path: path.clone() });
            }
            let unusable = |source| Error::Unusable { path: path.clone(), source };
            std::fs::create_dir_all(path).map_err(unusable)?;
            let this = std::fs::metadata(path).map_err(unusable)?.dev();
            if *device.get_or_insert(this) != this {
                return Err(Error::OtherFileSystem { inbox: places.inbox.clone(), other: path.clone() });
            }
        }
        remove_unfinished(&places.refused)
            .map_err(|source| Error::Unusable { path: places.refused.clone(), source })?;
        Ok(Self {
            name: name.into(),
            in_flight: Arc::new(Semaphore::new(options.in_flight.max(1))),
            options,
            places: Arc::new(places),
            intake,
            inbox: Inbox::default(),
            hold: HOLD.0,
            holding_until: None,
            blind: false,
        })
    }

    /// Runs until stopped; then what was offered is put away as intake tells of it. Intake must run on until
    /// this has ended.
    pub async fn run(mut self, stop: CancellationToken) {
        let (tell, told) = mpsc::unbounded_channel(); // bounded by `in_flight`
        let (report, reports) = mpsc::unbounded_channel(); // likewise
        let mover = Mover { places: Arc::clone(&self.places), name: Arc::clone(&self.name), report };
        let mover = tokio::spawn(mover.run(told));
        let mut wires = Wires { tell, reports, stop: stop.clone() };
        while !stop.is_cancelled() {
            let pause = self.look(&mut wires).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        drop(wires);
        if mover.await.is_err() {
            tracing::error!(source = %self.name, "Putting files away failed; they are recognised at the next start.");
        }
    }

    /// One look, and an offer of all that is ready. Returns how long to wait before the next.
    async fn look(&mut self, wires: &mut Wires) -> Duration {
        self.settle_all(wires);
        let now = Instant::now();
        if let Some(until) = self.holding_until.filter(|until| *until > now) {
            return (until - now).min(self.options.poll);
        }
        self.holding_until = None;
        let mut inbox = std::mem::take(&mut self.inbox);
        let (places, settle) = (Arc::clone(&self.places), self.options.settle);
        let scanned = spawn_blocking(move || {
            let scan = inbox.scan(&places.inbox, settle, now);
            (inbox, scan)
        });
        let Ok((inbox, scan)) = scanned.await else { return self.options.poll };
        self.inbox = inbox;
        let scan = match scan {
            Ok(scan) => {
                self.blind = false;
                scan
            }
            Err(error) => {
                if !std::mem::replace(&mut self.blind, true) {
                    tracing::error!(source = %self.name, %error, "The inbox cannot be read; it is tried again and again.");
                }
                return self.options.poll;
            }
        };
        let busy = !scan.ready.is_empty();
        self.offer_all(scan.ready, wires).await;
        if busy {
            return BUSY_PAUSE.min(self.options.poll);
        }
        let until_next = scan.next.map(|at| at.saturating_duration_since(Instant::now()));
        until_next.map_or(self.options.poll, |d| d.max(Duration::from_millis(1)).min(self.options.poll))
    }

    /// Offers files in order, until one is not taken or we are stopped; the rest is found by the next look.
    async fn offer_all(&mut self, ready: Vec<Found>, wires: &mut Wires) {
        let mut ready = ready.into_iter().peekable();
        let stop = wires.stop.clone();
        while !stop.is_cancelled() && self.holding_until.is_none() && ready.peek().is_some() {
            let batch = tokio::select! {
                batch = self.next_batch(&mut ready, &wires.tell) => batch,
                () = stop.cancelled() => return,
            };
            let places = Arc::clone(&self.places);
            let reading = spawn_blocking(move || {
                let read_one = |(found, holds): (Found, Holds)| (read(&places.inbox, &found), found, holds);
                batch.into_iter().map(read_one).collect::<Vec<_>>()
            });
            let Ok(files) = reading.await else { return };
            for (read, found, holds) in files {
                self.offer_one(read, found, holds, &wires.tell).await;
            }
            self.settle_all(wires);
        }
    }

    /// The next files for which there is room: waits for the first, takes more only without waiting.
    async fn next_batch(
        &mut self,
        ready: &mut std::iter::Peekable<std::vec::IntoIter<Found>>,
        tell: &Tell,
    ) -> Vec<(Found, Holds)> {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH {
            let Some(next) = ready.peek() else { break };
            let size = usize::try_from(next.stamp.size_bytes).unwrap_or(usize::MAX);
            let too_large = size > self.intake.budget().message_bytes();
            let size = if too_large { 0 } else { size };
            let (slot, room) = if batch.is_empty() {
                let slot = Arc::clone(&self.in_flight).acquire_owned().await;
                (slot.ok(), self.intake.budget().reserve(size).await.ok())
            } else {
                (Arc::clone(&self.in_flight).try_acquire_owned().ok(), self.intake.budget().try_reserve(size))
            };
            let (Some(slot), Some(room)) = (slot, room) else { break };
            let Some(found) = ready.next() else { break };
            self.inbox.offered(&found);
            if too_large {
                self.too_large(found, slot, tell);
            } else {
                batch.push((found, Holds { slot, room }));
            }
        }
        batch
    }

    fn too_large(&self, found: Found, slot: OwnedSemaphorePermit, tell: &Tell) {
        let limit = self.intake.budget().message_bytes();
        let inode = found.stamp.inode;
        tracing::warn!(source = %self.name, file.inode = inode, size_bytes = found.stamp.size_bytes, limit, "A file is larger than any message may be; it is refused unread.");
        let report = Some(Report::too_large(found.stamp.size_bytes, limit));
        let job = Job { found, mark: format!("inode-{inode}"), report };
        drop(tell.send((Ending::Put(job), slot))); // the mover outlives us
    }

    async fn offer_one(&mut self, read: Read, found: Found, holds: Holds, tell: &Tell) {
        let (bytes, key) = match read {
            Read::Bytes(bytes, key) => (bytes, key),
            Read::Changed => return self.inbox.forget(&found),
            Read::Unreadable(error) => {
                tracing::error!(source = %self.name, file.inode = found.stamp.inode, %error, "A file in the inbox cannot be read; it is left until it changes.");
                return self.inbox.unreadable(&found);
            }
        };
        let arrival = self.intake.arrival(&self.name, bytes, Some(key));
        let tell = tell.clone();
        let Holds { slot, room } = holds;
        let told = move |told| {
            let ending = match told {
                Told::Taken(taken) => {
                    let refused = matches!(taken.verdict, VerdictRecord::Refused { .. });
                    let mark = taken.committed.message().short();
                    Ending::Put(Job { found, mark, report: refused.then(|| Report::refused(&taken)) })
                }
                Told::NotTaken(why) => Ending::Keep(found, why),
            };
            drop(tell.send((ending, slot))); // the mover outlives all offers
        };
        self.intake.offer(arrival, room, told).await;
    }

    /// Takes note of what became of files.
    fn settle_all(&mut self, wires: &mut Wires) {
        while let Ok((found, fate)) = wires.reports.try_recv() {
            self.settle(&found, fate);
        }
    }

    fn settle(&mut self, found: &Found, fate: Fate) {
        match fate {
            Fate::Away => {
                self.inbox.forget(found);
                self.hold = HOLD.0;
            }
            Fate::Changed => self.inbox.forget(found),
            Fate::NotTaken(NotTaken::KeyReused { message }) => {
                tracing::error!(source = %self.name, file.inode = found.stamp.inode, message.id = %message, "A file has the key of an earlier one with other content; it is left until it changes.");
                self.inbox.unreadable(found);
            }
            Fate::NotTaken(why @ (NotTaken::Full | NotTaken::Unavailable)) => {
                let until = Instant::now() + self.hold;
                self.inbox.held(found, until);
                if self.holding_until.is_none() {
                    tracing::warn!(source = %self.name, ?why, pause = ?self.hold, "A message was not taken in; the inbox waits.");
                    self.holding_until = Some(until);
                    self.hold = (self.hold * 2).min(HOLD.1);
                }
            }
        }
    }
}

/// What the scanning side holds while it runs.
struct Wires {
    tell: Tell,
    reports: mpsc::UnboundedReceiver<(Found, Fate)>,
    stop: CancellationToken,
}

/// What is held while a file is in flight.
struct Holds {
    slot: OwnedSemaphorePermit,
    room: Room,
}

type Tell = mpsc::UnboundedSender<(Ending, OwnedSemaphorePermit)>;

/// What intake told of a file.
enum Ending {
    Put(Job),
    Keep(Found, NotTaken),
}

/// What became of a file, for the scanning side.
enum Fate {
    Away,
    Changed,
    NotTaken(NotTaken),
}

/// Puts files away, in batches, beside the scanning and offering.
struct Mover {
    places: Arc<Places>,
    name: Arc<str>,
    report: mpsc::UnboundedSender<(Found, Fate)>,
}

impl Mover {
    /// Runs until nobody can tell any more. Files that cannot be moved keep their place among those in
    /// flight: if nothing can be moved, nothing more is taken.
    async fn run(self, mut told: mpsc::UnboundedReceiver<(Ending, OwnedSemaphorePermit)>) {
        let mut stuck: Vec<(Job, OwnedSemaphorePermit)> = Vec::new();
        loop {
            let mut batch = Vec::new();
            let more = tokio::select! {
                count = told.recv_many(&mut batch, 1024) => count > 0,
                () = tokio::time::sleep(STUCK_PAUSE), if !stuck.is_empty() => true,
            };
            let was_stuck = !stuck.is_empty();
            let mut jobs = std::mem::take(&mut stuck);
            for (ending, slot) in batch {
                match ending {
                    Ending::Put(job) => jobs.push((job, slot)),
                    Ending::Keep(found, why) => self.tell(found, Fate::NotTaken(why)),
                }
            }
            stuck = self.put(jobs, was_stuck).await;
            if !more {
                break;
            }
        }
        if !stuck.is_empty() {
            tracing::warn!(source = %self.name, files = stuck.len(), "Taken files could not be moved out of the inbox; they are recognised at the next start.");
        }
    }

    async fn put(
        &self,
        jobs: Vec<(Job, OwnedSemaphorePermit)>,
        was_stuck: bool,
    ) -> Vec<(Job, OwnedSemaphorePermit)> {
        if jobs.is_empty() {
            return Vec::new();
        }
        let (jobs, slots): (Vec<Job>, Vec<OwnedSemaphorePermit>) = jobs.into_iter().unzip();
        let places = Arc::clone(&self.places);
        let put = spawn_blocking(move || {
            let results = put_away(&places, &jobs);
            (jobs, results)
        });
        let Ok((jobs, results)) = put.await else {
            tracing::error!(source = %self.name, "Putting files away failed; they are recognised at the next start.");
            return Vec::new();
        };
        let mut stuck = Vec::new();
        for ((job, slot), result) in jobs.into_iter().zip(slots).zip(results) {
            match result {
                Put::Away => self.tell(job.found, Fate::Away),
                Put::Changed => {
                    tracing::warn!(source = %self.name, file.inode = job.found.stamp.inode, mark = %job.mark, "A file changed or went away after it was taken; what lies there now is taken as another.");
                    self.tell(job.found, Fate::Changed);
                }
                Put::Stuck(error) => {
                    if !was_stuck && stuck.is_empty() {
                        tracing::error!(source = %self.name, file.inode = job.found.stamp.inode, %error, "A taken file cannot be moved out of the inbox; it is tried again and again.");
                    }
                    stuck.push((job, slot));
                }
            }
        }
        stuck
    }

    fn tell(&self, found: Found, fate: Fate) {
        drop(self.report.send((found, fate))); // nobody listens any more when stopping
    }
}

/// The folder as told in logs: never a file in it.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path: &Path = &self.options.path;
        f.debug_struct("folder::Source")
            .field("name", &self.name)
            .field("path", &path)
            .finish_non_exhaustive()
    }
}
