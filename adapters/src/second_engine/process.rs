//! The engine's process, and two threads that hold its pipes: writing to a process that does not read would block for
//! ever, and reading from one that does not write too.

use super::Options;
use super::frames::{self, Greeting, PROTOCOL};
use std::io::Write;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::time::Duration;
use trust::second_opinion::{Opinion, Question};

/// Why the engine said nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failed {
    /// It cannot be started.
    #[error("the engine cannot be started: {0}")]
    Start(String),
    /// It ended.
    #[error("the engine ended")]
    Gone,
    /// It does not answer in time.
    #[error("the engine did not answer in time")]
    Late,
    /// It does not keep to the protocol.
    #[error("the engine does not keep to the protocol")]
    Protocol,
    /// The document is larger than a frame.
    #[error("the document is too large for the engine")]
    TooLarge,
}

/// A running engine. Dropping it ends the process.
pub(super) struct Running {
    child: Child,
    name: String,
    questions: Sender<Vec<u8>>,
    answers: Receiver<Vec<u8>>,
    last: u64,
}

impl Running {
    /// Starts the program and hears its greeting.
    pub(super) fn start(options: &Options) -> Result<Self, Failed> {
        let failed = |error: std::io::Error| Failed::Start(error.to_string());
        let mut child = Command::new(&options.program)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take());
        let (questions, to_write) = channel();
        let (read, answers) = sync_channel(1);
        let mut running = Self { child, name: String::new(), questions, answers, last: 0 };
        let (Some(input), Some(output)) = pipes else { return Err(Failed::Gone) };
        let thread = |name: &str| std::thread::Builder::new().name(format!("second-engine-{name}"));
        thread("in").spawn(move || write_all(input, &to_write)).map_err(failed)?;
        thread("out").spawn(move || read_all(output, |frame| read.send(frame).is_ok())).map_err(failed)?;
        let greeting: Greeting = serde_json::from_slice(&running.hear(options.timeout)?)
            .map_err(|_| Failed::Start("it does not greet as the protocol asks".to_owned()))?;
        if greeting.protocol != PROTOCOL {
            let spoken = greeting.protocol;
            return Err(Failed::Start(format!("it speaks protocol {spoken}, we speak {PROTOCOL}")));
        }
        running.name = frames::plain(&greeting.engine);
        Ok(running)
    }

    /// What it calls itself.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Puts one question. After a failure the engine is of no use any more.
    pub(super) fn ask(&mut self, question: &Question<'_>, timeout: Duration) -> Result<Opinion, Failed> {
        self.last += 1;
        let frame = frames::question(self.last, question)?;
        self.questions.send(frame).map_err(|_| Failed::Gone)?;
        frames::answer(self.last, &self.hear(timeout)?)
    }

    fn hear(&self, timeout: Duration) -> Result<Vec<u8>, Failed> {
        self.answers.recv_timeout(timeout).map_err(|why| match why {
            RecvTimeoutError::Timeout => Failed::Late,
            RecvTimeoutError::Disconnected => Failed::Gone,
        })
    }
}

fn write_all(mut input: ChildStdin, questions: &Receiver<Vec<u8>>) {
    while let Ok(frame) = questions.recv() {
        if input.write_all(&frame).and_then(|()| input.flush()).is_err() {
            return;
        }
    }
}

fn read_all(mut output: ChildStdout, hand_on: impl Fn(Vec<u8>) -> bool) {
    while let Ok(frame) = frames::read(&mut output) {
        if !hand_on(frame) {
            return;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Killed, its pipes close, and the two threads end with them.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
