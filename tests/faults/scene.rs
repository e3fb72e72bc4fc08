//! The scene of a run: a region of its own, the broker's instances, receiving systems of every manner, and the servers,
//! each behind a proxy.

use serde_json::json;
use servers::Proxy;
use servers::proxy::Mode;
use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use system_tests::checker::Checker;
use system_tests::drive::{Endpoint, Manner, launch, terminate, until_ready};
use uuid::Uuid;

/// What the broker stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One instance, SQLite, HTTP.
    Embedded,
}

/// Everything of a run.
pub(crate) struct Scene {
    folder: PathBuf,
    pub(crate) checker: Arc<Checker>,
    /// What callers of the HTTP interface show.
    pub(crate) token: String,
    /// The system that sends, and is told by receipts.
    pub(crate) sender: Receiver,
    pub(crate) receivers: Vec<Receiver>,
    pub(crate) instances: Vec<Arc<Instance>>,
}

/// A system that letters or receipts go to.
pub(crate) struct Receiver {
    pub(crate) name: String,
    pub(crate) enterprise: u32,
    pub(crate) service: u32,
    pub(crate) kind: Kind,
    endpoint: Arc<Endpoint>,
    listens_at: SocketAddr,
    /// The way to it.
    pub(crate) way: Proxy,
}

/// How a receiving system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It answers at once.
    Healthy,
    /// It answers late.
    Slow,
    /// It takes, and never answers until the end.
    Hanging,
    /// It is not there until the end.
    Dead,
}

/// One `budstikke run`, started again whenever it ends, as a service manager does.
pub(crate) struct Instance {
    pub(crate) config: PathBuf,
    /// The way to its HTTP interface.
    pub(crate) door: Proxy,
    log: PathBuf,
    process: Mutex<Option<Child>>,
    stopping: AtomicBool,
    /// How often it was started.
    pub(crate) starts: AtomicUsize,
}

impl Scene {
    /// Lays it out, and starts everything.
    pub(crate) fn set(form: Form) -> io::Result<Self> {
        let folder =
            system_tests::root().join("target/regions").join(format!("faults-{}", std::process::id()));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let checker = Arc::new(Checker::default());
        let kinds = [Kind::Healthy, Kind::Slow, Kind::Healthy, Kind::Dead, Kind::Healthy, Kind::Hanging];
        let receivers = (0u32..).zip(kinds).map(|(number, kind)| {
            let enterprise = 310_000 + 1_000 * number;
            Receiver::open(&format!("{kind:?}-{number}"), enterprise, kind, &checker)
        });
        let receivers = receivers.collect::<io::Result<Vec<_>>>()?;
        // The sender of the sample.
        let sender = Receiver::open("sender", 120_000, Kind::Healthy, &checker)?;
        let token = Uuid::now_v7().simple().to_string();
        std::fs::write(folder.join("token"), &token)?;
        std::fs::write(folder.join("parties.toml"), parties(receivers.iter().chain([&sender])))?;
        let names: &[&str] = match form {
            Form::Embedded => &["one"],
        };
        let destinations = destinations(receivers.iter().chain([&sender]));
        let instances = names
            .iter()
            .map(|name| Instance::start(&folder, name, &destinations))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self { folder, checker, token, sender, receivers, instances })
    }

    /// Settings to ask the journal with.
    pub(crate) fn any_config(&self) -> &Path {
        &self.instances[0].config
    }

    /// Everything is well from now on: networks, servers, destinations.
    pub(crate) fn heal(&self) {
        for receiver in self.receivers.iter().chain([&self.sender]) {
            receiver.way.set(Mode::Pass);
            receiver.endpoint.set(Manner::Prompt);
            if receiver.kind == Kind::Dead {
                receiver.listen(&self.checker);
            }
        }
        for instance in &self.instances {
            instance.door.set(Mode::Pass);
        }
    }

    /// Ends everything in order.
    pub(crate) fn end(self) {
        for instance in &self.instances {
            assert!(instance.end().expect("it can be signalled"), "an instance does not end well");
        }
        for receiver in self.receivers.iter().chain([&self.sender]) {
            receiver.endpoint.close();
        }
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

impl Receiver {
    fn open(name: &str, enterprise: u32, kind: Kind, checker: &Arc<Checker>) -> io::Result<Self> {
        let listens_at = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let receiver = Self {
            name: name.to_lowercase(),
            enterprise,
            service: enterprise + 10,
            kind,
            endpoint: Arc::default(),
            listens_at,
            way: Proxy::to(listens_at)?,
        };
        match kind {
            Kind::Healthy | Kind::Dead => (),
            Kind::Slow => receiver.endpoint.set(Manner::Slow(Duration::from_millis(700))),
            Kind::Hanging => receiver.endpoint.set(Manner::Hanging),
        }
        if kind != Kind::Dead {
            receiver.listen(checker);
        }
        Ok(receiver)
    }

    fn listen(&self, checker: &Arc<Checker>) {
        let (name, checker) = (self.name.clone(), Arc::clone(checker));
        self.endpoint.open(self.listens_at, move |it| checker.handed(&name, it.key, it.bytes));
    }

    fn destination(&self) -> String {
        format!("http:{}", self.name)
    }
}

/// The parties: each an enterprise with one service, for which the broker answers.
fn parties<'a>(all: impl Iterator<Item = &'a Receiver>) -> String {
    let mut text = String::new();
    for it in all {
        let (enterprise, service, name, destination) =
            (it.enterprise, it.service, &it.name, it.destination());
        write!(
            text,
            "[[party]]\nher_id = {enterprise}\nlevel = \"enterprise\"\nname = \"{name}\"\nkind = \"contract-specialist\"\n\
             destination = \"{destination}\"\n\n\
             [[party]]\nher_id = {service}\nlevel = \"service\"\nname = \"{name}, service\"\nkind = \"contract-specialist\"\n\
             parent = {enterprise}\nanswers = \"broker\"\n\n"
        )
        .expect("text can be written to");
    }
    text
}

fn destinations<'a>(all: impl Iterator<Item = &'a Receiver>) -> String {
    let mut text = String::new();
    for it in all {
        write!(
            text,
            "[destinations.\"{}\"]\nurl = \"http://{}/messages\"\ntimeout = \"3s\"\n\
             retry = {{ first = \"200ms\", max = \"1s\" }}\nbreaker = {{ pause = {{ first = \"200ms\", max = \"1s\" }} }}\n\n",
            it.destination(),
            it.way.address()
        )
        .expect("text can be written to");
    }
    text
}

impl Instance {
    fn start(folder: &Path, name: &str, destinations: &str) -> io::Result<Arc<Self>> {
        let [http, admin] = servers::free_ports()?.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let journal =
            format!("[journal]\npath = {}\ncheck_every = \"5s\"\n", json!(folder.join("journal.db")));
        let text = format!(
            "parties = [\"parties.toml\"]\n\n{journal}\n\
             [sources.http]\nbind = \"{http}\"\ntoken_file = \"token\"\n\n{destinations}\
             [policy.receipt_deadline]\ndefault = \"off\"\n\n\
             [admin]\nbind = \"{admin}\"\n\n[log]\nlevel = \"warn\"\n"
        );
        let config = folder.join(format!("{name}.toml"));
        std::fs::write(&config, text)?;
        let log = folder.join(format!("{name}.log"));
        let mut process = launch(&config, Some(&log))?;
        until_ready(&mut process, admin, Duration::from_secs(60))?;
        let instance = Arc::new(Self {
            config,
            door: Proxy::to(http)?,
            log,
            process: Mutex::new(Some(process)),
            stopping: AtomicBool::new(false),
            starts: AtomicUsize::new(1),
        });
        let watched = Arc::clone(&instance);
        std::thread::spawn(move || watched.keep_up());
        Ok(instance)
    }

    /// Starts it again whenever it has ended, until it is to end.
    fn keep_up(&self) {
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

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        if let Some(process) = self.process.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            // It may have ended by itself since.
            process.kill().ok();
        }
    }

    /// In order, and for good. True if it ended well.
    fn end(&self) -> io::Result<bool> {
        self.stopping.store(true, Ordering::Relaxed);
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_mut().map_or(Ok(false), terminate)
    }
}
