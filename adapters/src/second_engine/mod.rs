//! A second engine for XML signatures, in a process of its own: frames over pipes, as
//! `broker/second-engine/PROTOCOL.md` has it.
//!
//! **Invariants.** A question ends within the time limit (twice it, if the engine had died and is started anew),
//! whatever the engine does. The engine sees the document and the certificate, and nothing else of us: no environment,
//! no working folder. What it says is never logged.

mod frames;
mod process;

use broker_core::ports::Clock;
use process::{Failed, Running};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use trust::second_opinion::{Opinion, Question, SecondOpinion};

/// How the engine is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The program.
    pub program: PathBuf,
    /// For its start, and for one answer.
    pub timeout: Duration,
}

/// The engine; started with the first question, and again whenever it has ended.
pub struct Engine {
    options: Options,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<Running>,
    /// It could not be started: it is left alone until then (of the monotonic clock).
    rests_until: Option<Duration>,
}

/// After a start that failed, so long is the engine left alone: each try may cost a whole time limit.
const REST: Duration = Duration::from_secs(10);

impl Engine {
    /// Sets up; nothing is started yet.
    #[must_use]
    pub fn new(mut options: Options, clock: Arc<dyn Clock>) -> Self {
        // A bare name would be looked for on the system's path, and the engine starts in another folder.
        options.program = std::path::absolute(&options.program).unwrap_or(options.program);
        Self { options, clock, state: Mutex::default() }
    }

    /// Starts the program once, to see what it is; gives its own name.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn check(&self) -> Result<String, String> {
        Running::start(&self.options).map(|running| running.name().to_owned()).map_err(|e| e.to_string())
    }

    fn put(&self, question: &Question<'_>) -> Result<Opinion, Failed> {
        // A panic under the lock would leave at worst a process that no longer answers, which is noticed.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut running) = state.running.take() {
            match running.ask(question, self.options.timeout) {
                Ok(opinion) => {
                    state.running = Some(running);
                    return Ok(opinion);
                }
                // It may have ended long before this question; then another is as good.
                Err(Failed::Gone) => {}
                Err(failed @ (Failed::Late | Failed::Protocol | Failed::Start(_) | Failed::TooLarge)) => {
                    return Err(failed);
                }
            }
        }
        let now = self.clock.monotonic();
        if state.rests_until.is_some_and(|until| now < until) {
            return Err(Failed::Start("it failed a moment ago and is left alone for a while".to_owned()));
        }
        let mut running = Running::start(&self.options).inspect_err(|_| {
            state.rests_until = Some(self.clock.monotonic() + REST);
        })?;
        state.rests_until = None;
        let opinion = running.ask(question, self.options.timeout)?;
        state.running = Some(running);
        Ok(opinion)
    }
}

impl SecondOpinion for Engine {
    fn ask(&self, question: &Question<'_>) -> Opinion {
        self.put(question).unwrap_or_else(|failed| Opinion::Unable(failed.to_string()))
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("second_engine::Engine")
            .field("program", &self.options.program)
            .finish_non_exhaustive()
    }
}
