//! One `budstikke run`, started again whenever it ends, as a service manager does.

use servers::Proxy;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use system_tests::drive::{launch, terminate, until_ready};

/// An instance, and the way to its HTTP interface.
pub(crate) struct Instance {
    pub(crate) config: PathBuf,
    pub(crate) door: Proxy,
    kept_up: Arc<KeptUp>,
}

struct KeptUp {
    config: PathBuf,
    log: PathBuf,
    process: Mutex<Option<Child>>,
    stopping: AtomicBool,
    starts: AtomicUsize,
}

impl Instance {
    /// Starts it with these settings; those of its own are added.
    pub(crate) fn start(folder: &Path, name: &str, settings: &str) -> io::Result<Self> {
        let [http, admin] = servers::free_ports()?.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let text = format!(
            "parties = [\"parties.toml\"]\n\n{settings}\n\
             [sources.http]\nbind = \"{http}\"\ntoken_file = \"token\"\n\n\
             [policy.receipt_deadline]\ndefault = \"off\"\n\n\
             [admin]\nbind = \"{admin}\"\n\n[log]\nlevel = \"warn\"\n"
        );
        let config = folder.join(format!("{name}.toml"));
        std::fs::write(&config, text)?;
        let log = folder.join(format!("{name}.log"));
        let mut process = launch(&config, Some(&log))?;
        until_ready(&mut process, admin, Duration::from_secs(60))?;
        let kept_up = Arc::new(KeptUp {
            config: config.clone(),
            log,
            process: Mutex::new(Some(process)),
            stopping: AtomicBool::new(false),
            starts: AtomicUsize::new(1),
        });
        let instance = Self { config, door: Proxy::to(http)?, kept_up: Arc::clone(&kept_up) };
        std::thread::spawn(move || kept_up.watch());
        Ok(instance)
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        self.kept_up.kill();
    }

    /// It stands still where it is: connections stay open, and nothing answers.
    pub(crate) fn freeze(&self) -> io::Result<()> {
        self.kept_up.signal("-STOP")
    }

    /// Lets it go on after [`Self::freeze`], if it was not killed meanwhile.
    pub(crate) fn thaw(&self) -> io::Result<()> {
        self.kept_up.signal("-CONT")
    }

    /// How often it was started.
    pub(crate) fn starts(&self) -> usize {
        self.kept_up.starts.load(Ordering::Relaxed)
    }

    /// In order, and for good. True if it ended well.
    pub(crate) fn end(&self) -> io::Result<bool> {
        self.kept_up.stopping.store(true, Ordering::Relaxed);
        let mut process = self.kept_up.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_mut().map_or(Ok(false), terminate)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // A test that failed leaves no broker behind.
        self.kept_up.stopping.store(true, Ordering::Relaxed);
        self.kept_up.kill();
    }
}

impl KeptUp {
    /// Starts it again whenever it has ended, until it is to end.
    fn watch(&self) {
        while !self.stopping.load(Ordering::Relaxed) {
            {
                let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
                let ended =
                    process.as_mut().is_none_or(|p| p.try_wait().is_ok_and(|status| status.is_some()));
                if ended && !self.stopping.load(Ordering::Relaxed) {
                    *process = launch(&self.config, Some(&self.log)).ok();
                    self.starts.fetch_add(1, Ordering::Relaxed);
                }
            }
            // As a service manager: not at once, so that what cannot start does not take the machine.
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    fn signal(&self, signal: &str) -> io::Result<()> {
        match self.process.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(process) => {
                Command::new("kill").args([signal, &process.id().to_string()]).status().map(drop)
            }
            None => Ok(()),
        }
    }

    fn kill(&self) {
        if let Some(process) = self.process.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            // It may have ended by itself since.
            process.kill().ok();
            process.wait().ok();
        }
    }
}
