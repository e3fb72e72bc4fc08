//! A twin of the revocation services.

use crate::revocation::usable;
use broker_core::ports::{NotFetched, Question, RevocationSource};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a service does when it is asked: the question goes in, an answer comes out.
pub type Responder = Arc<dyn Fn(&Question) -> Result<Vec<u8>, NotFetched> + Send + Sync>;

/// Services by address. Clones are the same ones.
#[derive(Clone, Default)]
pub struct MemoryRevocation(Arc<Mutex<Services>>);

#[derive(Default)]
struct Services {
    responders: HashMap<String, Responder>,
    asked: usize,
}

impl MemoryRevocation {
    /// No service anywhere.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on, a service answers at this address.
    pub fn at(
        &self,
        url: &str,
        respond: impl Fn(&Question) -> Result<Vec<u8>, NotFetched> + Send + Sync + 'static,
    ) {
        self.services(|services| services.responders.insert(url.to_owned(), Arc::new(respond)));
    }

    /// From now on, nobody answers at this address.
    pub fn away(&self, url: &str) {
        self.services(|services| services.responders.remove(url));
    }

    /// How often any was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.services(|services| services.asked)
    }

    fn services<T>(&self, look: impl FnOnce(&mut Services) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RevocationSource for MemoryRevocation {
    async fn fetch(&self, question: &Question) -> Result<Arc<[u8]>, NotFetched> {
        let responder = self.services(|services| {
            services.asked += 1;
            services.responders.get(question.url()).cloned()
        });
        let respond = responder.ok_or(NotFetched::Unreachable)?;
        usable(question, respond(question)?.into())
    }
}
