//! Twins of sources and destinations.

use crate::intake::{Intake, Told};
use broker_core::journal::{Delivery, RecipientId};
use dead_letter::Attempt;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// A source that offers what it is given, and hands back what it was told.
#[derive(Clone)]
pub struct MemorySource {
    name: Arc<str>,
    intake: Intake,
}

impl MemorySource {
    /// A source of this name.
    #[must_use]
    pub fn new(name: &str, intake: Intake) -> Self {
        Self { name: name.into(), intake }
    }

    /// Offers one message and waits for what becomes of it; none if it is larger than any may be.
    pub async fn offer(&self, bytes: &[u8], idempotency_key: Option<&str>) -> Option<Told> {
        let room = self.intake.budget().reserve(bytes.len()).await.ok()?;
        let arrival = self.intake.arrival(&self.name, bytes.into(), idempotency_key.map(str::to_owned));
        let (tell, told) = oneshot::channel();
        self.intake
            .offer(arrival, room, move |told| {
                drop(tell.send(told)); // whoever offered may have gone
            })
            .await;
        told.await.ok()
    }
}

/// A destination that keeps what it is sent, and answers by a script as long as there is one: after that as
/// a good one does, which takes a delivery once and knows it again. Clones are the same destination.
#[derive(Clone, Default)]
pub struct MemoryDestination(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    script: VecDeque<Scripted>,
    had: HashMap<RecipientId, Arc<[u8]>>,
    arrived: Vec<Delivery>,
    attempts: usize,
}

/// What a destination does at one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scripted {
    /// Keeps nothing, and answers so.
    Says(Attempt),
    /// Keeps the delivery, but the answer is lost: the caller hears `Unsure`.
    TakesAndIsCutOff,
}

impl MemoryDestination {
    /// A good destination.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds to the script.
    pub fn then(&self, what: Scripted) {
        self.state(|state| state.script.push_back(what));
    }

    /// What it has, each once, in the order of arrival.
    #[must_use]
    pub fn arrived(&self) -> Vec<Delivery> {
        self.state(|state| state.arrived.clone())
    }

    /// How often it was called.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.state(|state| state.attempts)
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn take(&mut self, delivery: &Delivery) -> Attempt {
        match self.had.get(&delivery.recipient) {
            Some(bytes) if *bytes == delivery.bytes => Attempt::AlreadyThere,
            Some(_) => Attempt::Refused { why: "the same id came before with other content".into() },
            None => {
                self.had.insert(delivery.recipient, Arc::clone(&delivery.bytes));
                self.arrived.push(delivery.clone());
                Attempt::HandedOver
            }
        }
    }
}

impl broker_core::ports::Destination for MemoryDestination {
    async fn send(&self, delivery: &Delivery) -> Attempt {
        self.state(|state| {
            state.attempts += 1;
            match state.script.pop_front() {
                None => state.take(delivery),
                Some(Scripted::Says(attempt)) => attempt,
                Some(Scripted::TakesAndIsCutOff) => {
                    state.take(delivery);
                    Attempt::Unsure { why: "the answer was lost".into() }
                }
            }
        })
    }
}
