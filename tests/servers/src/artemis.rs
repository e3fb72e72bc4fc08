//! A server of AMQP 1.0 that is not RabbitMQ (Apache ActiveMQ Artemis): its addresses are names of queues, as those of the
//! national bus are.

use crate::guard::Guard;
use crate::ports;
use crate::process::{private_folder, until_up};
use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A private server. Whoever connects is let in, by whatever name.
#[derive(Debug)]
pub struct Artemis {
    folder: PathBuf,
    jars: PathBuf,
    port: u16,
    queues: Vec<String>,
    process: Mutex<Option<Child>>,
    guard: Guard,
}

impl Artemis {
    /// Starts one with these queues; `None`, said on the test's output, where it is not installed (`need_other_servers`
    /// in `ops/lib.sh` does that).
    ///
    /// # Panics
    /// If it does not start, or is missing and `REQUIRE_SERVERS=1` is set.
    #[must_use]
    pub fn start(test: &str, queues: &[&str]) -> Option<Self> {
        let jars = crate::target().join("artemis");
        if !jars.join("complete").exists() {
            assert!(
                std::env::var("REQUIRE_SERVERS").as_deref() != Ok("1"),
                "{test}: ActiveMQ Artemis is not installed, and REQUIRE_SERVERS=1 forbids to skip it"
            );
            println!("skipped: {test} (ActiveMQ Artemis is not installed)");
            return None;
        }
        Some(crate::must(Self::fresh(jars, queues)))
    }

    fn fresh(jars: PathBuf, queues: &[&str]) -> io::Result<Self> {
        let folder = private_folder("budstikke-artemis-")?;
        let guard = Guard::new(&folder, "TERM")?;
        std::fs::create_dir(folder.join("log"))?;
        let [port] = ports::free()?;
        let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
        let server = Self { folder, jars, port, queues, process: Mutex::new(None), guard };
        server.start_again().inspect_err(|_| server.guard.keep())?;
        Ok(server)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it after [`Self::kill`], with what it had.
    ///
    /// # Errors
    /// If it does not start; the text says what it said.
    pub fn start_again(&self) -> io::Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if process.is_some() {
            return Ok(());
        }
        let log = self.folder.join("log/artemis.log");
        let file = File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new("java");
        command.arg("-Xmx512m").arg("-cp").arg(self.jars.join("*"));
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("artemis/Serve.java"));
        command.arg(&self.folder).arg(self.port.to_string()).args(&self.queues);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).current_dir("/").process_group(0);
        let mut child = command.spawn()?;
        self.guard.watch(&[child.id()]);
        until_up("Artemis", &mut child, &log, || Ok(TcpStream::connect(("127.0.0.1", self.port)).is_ok()))?;
        *process = Some(child);
        Ok(())
    }

    /// `kill -9`, in the middle of whatever it does.
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub fn kill(&self) -> io::Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut child) = process.take() else { return Ok(()) };
        child.kill()?;
        child.wait()?;
        self.guard.watch(&[]);
        Ok(())
    }
}

impl Drop for Artemis {
    fn drop(&mut self) {
        self.kill().ok();
    }
}
