//! Makes messages ahead of their time: signing costs more than sending, and must not set the pace.

use super::fresh::Sample;
use crate::exit::Failure;
use adapters::clock::SystemClock;
use broker_core::ports::Clock;
use broker_core::transport::Label;
use hyper::body::Bytes;
use message_schemas::{Limits, MsgId, xml};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::mpsc;
use trust::keys::PrivateKey;
use trust::xmldsig::{self, Canonical, Options, Shape};
use trust::{Certificate, ContentCipher, Fault, cms};
use uuid::Uuid;

/// How messages are protected before they are sent.
#[derive(Default)]
pub(super) struct Protecting {
    /// A signature in the document.
    pub(super) xml: Option<Arc<dyn PrivateKey>>,
    /// A signature around it.
    pub(super) cms: Option<Arc<dyn PrivateKey>>,
    /// Sealed for these; nobody leaves it open.
    pub(super) receivers: Vec<Arc<Certificate>>,
}

/// A message that is ready to go.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) id: MsgId,
    pub(super) bytes: Bytes,
    /// What an envelope around it says.
    pub(super) label: Label,
}

/// Bytes that lie ready at one time, about.
const AHEAD_BYTES: usize = 128 << 20;

/// Messages that lie ready at one time, at most.
const MOST_AHEAD: usize = 20_000;

impl Protecting {
    /// Whether there is anything to do.
    pub(super) fn is_none(&self) -> bool {
        self.xml.is_none() && self.cms.is_none() && self.receivers.is_empty()
    }

    pub(super) fn apply(&self, mut bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
        if let Some(key) = &self.xml {
            let options =
                Options { shape: Shape::Enveloped, canonical: Canonical::default(), algorithm: None };
            let text = String::from_utf8_lossy(&bytes).into_owned();
            bytes = xmldsig::sign(&text, &**key, &options, &[], &Limits::default())?.into_bytes();
        }
        if let Some(key) = &self.cms {
            bytes = cms::sign(&bytes, &**key, None)?;
        }
        if !self.receivers.is_empty() {
            bytes = cms::seal(&bytes, &self.receivers, ContentCipher::default())?;
        }
        Ok(bytes)
    }
}

/// The pool of those who prepare. It ends when nobody takes what it made.
pub(super) struct Pool {
    ready: mpsc::Receiver<Prepared>,
    room: usize,
    stop: Arc<AtomicBool>,
}

impl Pool {
    /// Begins to make messages of these samples in turn: so many, or without an end. Each is tried once first.
    pub(super) fn start(
        samples: Vec<Sample>,
        protecting: Protecting,
        count: Option<u64>,
    ) -> Result<Self, Failure> {
        let now = SystemClock::new().now();
        let mut largest = 1;
        for sample in &samples {
            let made = sample.make(Uuid::now_v7(), now);
            if protecting.xml.is_some()
                && !xml::decode(&made.bytes).is_ok_and(|d| d.encoding == "UTF-8" && !d.bom)
            {
                let why = "a sample is not written in UTF-8, and cannot be signed in the document";
                return Err(Failure::Usage(why.to_owned()));
            }
            let tried = protecting.apply(made.bytes).map_err(|fault| Failure::Usage(fault.to_string()))?;
            largest = largest.max(tried.len());
        }
        let room = (AHEAD_BYTES / largest).clamp(16, MOST_AHEAD);
        let room = count.and_then(|c| usize::try_from(c).ok()).map_or(room, |count| room.min(count.max(1)));
        let (send, ready) = mpsc::channel(room);
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::new((samples, protecting, AtomicU64::new(0)));
        // What costs nothing needs one thread; keys are worth a core each.
        let threads =
            if shared.1.is_none() { 1 } else { std::thread::available_parallelism().map_or(1, NonZero::get) };
        for _ in 0..threads {
            let (send, shared, stop) = (send.clone(), Arc::clone(&shared), Arc::clone(&stop));
            let work = move || prepare(&shared, count, &send, &stop);
            std::thread::Builder::new()
                .name("prepare".to_owned())
                .spawn(work)
                .map_err(|error| Failure::Start(format!("no thread: {error}")))?;
        }
        Ok(Self { ready, room, stop })
    }

    /// Waits until as much lies ready as there is room for, or everything does.
    pub(super) async fn fill(&self) {
        while self.ready.len() < self.room && !self.ready.is_closed() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// The next message; none when all are taken.
    pub(super) async fn next(&mut self) -> Option<Prepared> {
        self.ready.recv().await
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn prepare(
    (samples, protecting, next): &(Vec<Sample>, Protecting, AtomicU64),
    count: Option<u64>,
    ready: &mpsc::Sender<Prepared>,
    stop: &AtomicBool,
) {
    let clock = SystemClock::new();
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if count.is_some_and(|count| number >= count) {
            return;
        }
        let turn = usize::try_from(number).unwrap_or(0) % samples.len().max(1);
        let Some(sample) = samples.get(turn) else { return };
        let now = clock.now();
        let made = sample.make(Uuid::now_v7(), now);
        let label = Label { made: Some(now), ..sample.label().clone() };
        // Each sample was tried before; a fault here would be one of ours, and the count would tell of it.
        let Ok(bytes) = protecting.apply(made.bytes) else { return };
        if ready.blocking_send(Prepared { id: made.id, bytes: bytes.into(), label }).is_err() {
            return;
        }
    }
}
