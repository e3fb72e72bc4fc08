//! An intake that decides nothing, for tests of sources: it keeps what it is offered and answers by a script.

#![allow(dead_code, reason = "each test file uses its own part")]

use adapters::budget::{Budget, Options};
use adapters::intake::Intake;
use broker_core::Arrival;
use broker_core::journal::{Committed, VerdictRecord};
use broker_core::ports::{Clock, NotTaken, Offer, Taken};
use dead_letter::Reason;
use message_schemas::Findings;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// The wall clock, good enough for tests.
pub(crate) struct TestClock;

impl Clock for TestClock {
    fn now(&self) -> jiff::Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// What the intake does with offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes all; what contains `refuse me` is refused, with a reason.
    Take,
    /// The journal is full.
    Full,
    /// The journal does not answer.
    Unavailable,
    /// Commits, and drops the handle as a dying process would.
    DieAfterCommit,
}

/// What an intake under test has seen.
#[derive(Clone)]
pub(crate) struct Journal {
    pub(crate) mood: Arc<Mutex<Mood>>,
    pub(crate) taken: Arc<Mutex<Vec<Arrival>>>,
    pub(crate) offered: Arc<Mutex<usize>>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { mood: Arc::new(Mutex::new(Mood::Take)), taken: Arc::default(), offered: Arc::default() }
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|a| String::from_utf8_lossy(&a.bytes).into_owned()).collect()
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// An intake that keeps its books here.
    pub(crate) fn intake(&self, budget: Options) -> Intake {
        let (offers, mut incoming) = mpsc::channel::<Offer>(16);
        let this = self.clone();
        tokio::spawn(async move {
            let mut keys: HashMap<(String, String), (Committed, Arc<[u8]>)> = HashMap::new();
            for arrival in this.taken.lock().unwrap().iter() {
                if let Some(key) = &arrival.idempotency_key {
                    let committed = Committed::after_durable_commit(arrival.id);
                    keys.insert(
                        (arrival.source.clone(), key.clone()),
                        (committed, Arc::clone(&arrival.bytes)),
                    );
                }
            }
            while let Some(Offer { arrival, handle }) = incoming.recv().await {
                *this.offered.lock().unwrap() += 1;
                let mood = *this.mood.lock().unwrap();
                match mood {
                    Mood::Full => handle.not_taken(NotTaken::Full),
                    Mood::Unavailable => handle.not_taken(NotTaken::Unavailable),
                    Mood::Take | Mood::DieAfterCommit => {
                        let key = arrival.idempotency_key.clone().map(|key| (arrival.source.clone(), key));
                        let known = key.as_ref().and_then(|key| keys.get(key)).cloned();
                        let committed = match known {
                            Some((first, bytes)) if bytes == arrival.bytes => first,
                            Some((first, _)) => {
                                handle.not_taken(NotTaken::KeyReused { message: first.message() });
                                continue;
                            }
                            None => {
                                let committed = Committed::after_durable_commit(arrival.id);
                                if let Some(key) = key {
                                    keys.insert(key, (committed.clone(), Arc::clone(&arrival.bytes)));
                                }
                                this.taken.lock().unwrap().push(arrival.clone());
                                committed
                            }
                        };
                        if mood == Mood::DieAfterCommit {
                            drop(handle);
                            continue;
                        }
                        let refused = String::from_utf8_lossy(&arrival.bytes).contains("refuse me");
                        let verdict = if refused {
                            VerdictRecord::Refused { reason: Reason::SchemaInvalid }
                        } else {
                            VerdictRecord::Accepted
                        };
                        handle.ack(Taken { committed, verdict, findings: Findings::default() });
                    }
                }
            }
        });
        Intake::new(offers, Budget::new(budget), Arc::new(TestClock))
    }
}

/// Waits until something holds; fails after ten seconds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}
