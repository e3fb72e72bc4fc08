//! A fixed pool of threads for work that needs a processor: reading, validating, deciding, translating.
//!
//! Such work would hold up the loops if it ran among them. The queue has no bound of its own: whoever
//! hands work in holds a permit of the intake window for it, and that is the bound.
//!
//! **Invariant:** a panic ends the piece of work in which it happens, and nothing else. It is told to
//! whoever handed the work in; the thread goes on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

type Work = Box<dyn FnOnce() + Send>;

/// The pool. Dropping it lets the threads finish what is queued, and waits for them.
#[derive(Debug)]
pub struct Pool {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    work: VecDeque<Work>,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is run holds the lock, so a poisoned one still holds a sound queue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.work.pop_front() {
                return Some(work);
            }
            if state.closed {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

/// A piece of work panicked: a bug of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the program failed on this piece of work")]
pub struct Panicked;

impl Pool {
    /// Starts so many threads; 0 for one a core.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            some => some,
        };
        let queue = Arc::new(Queue::default());
        let threads = (0..threads)
            .map(|at| {
                let queue = Arc::clone(&queue);
                std::thread::Builder::new().name(format!("judge-{at}")).spawn(move || {
                    while let Some(work) = queue.next() {
                        work();
                    }
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { queue, threads })
    }

    /// Queues `work`; `done` hears what came of it, on the same thread.
    pub fn run<T>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        done: impl FnOnce(Result<T, Panicked>) + Send + 'static,
    ) {
        let work: Work = Box::new(move || done(catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)));
        self.queue.lock().work.push_back(work);
        self.queue.more.notify_one();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.more.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("A thread that judges messages ended with a bug.");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_panic_is_told_and_the_threads_go_on() {
        let pool = Pool::start(2).expect("threads");
        let (tell, told) = mpsc::channel();
        for number in 0..100 {
            let tell = tell.clone();
            let work = move || if number % 10 == 0 { panic!("planted") } else { number };
            pool.run(work, move |result| tell.send((number, result)).expect("the test listens"));
        }
        drop(tell);
        let results: Vec<_> = told.iter().collect();
        assert_eq!(results.len(), 100);
        for (number, result) in results {
            assert_eq!(result.is_err(), number % 10 == 0);
        }
    }

    #[test]
    fn dropping_finishes_what_is_queued() {
        let (tell, told) = mpsc::channel();
        let pool = Pool::start(1).expect("a thread");
        for number in 0..10 {
            let tell = tell.clone();
            pool.run(move || number, move |_| tell.send(()).expect("the test listens"));
        }
        drop((pool, tell));
        assert_eq!(told.iter().count(), 10);
    }
}
