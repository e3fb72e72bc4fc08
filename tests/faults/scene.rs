//! The scene of a run: a region of its own, the broker's instances, receiving systems of every manner, and the servers.

use crate::instance::Instance;
use crate::receivers::{Kind, Receiver};
use crate::ways::Ways;
use serde_json::json;
use servers::proxy::Mode;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use system_tests::checker::Checker;
use uuid::Uuid;

/// What the broker stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One instance, SQLite, HTTP.
    Embedded,
    /// Two instances on PostgreSQL, messages in and out over RabbitMQ and HTTP.
    Distributed,
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
    pub(crate) instances: Vec<Instance>,
    /// How often a queue refused a sender's letter.
    pub(crate) refused: AtomicUsize,
    /// The run has failed: nobody need wait any longer.
    pub(crate) given_up: AtomicBool,
    /// The servers of the distributed form.
    pub(crate) ways: Option<Ways>,
}

/// The sending system, which letters of the sample come from; and its queue.
const SENDER: (&str, u32) = ("sender", 120_000);

impl Form {
    fn instances(self) -> &'static [&'static str] {
        match self {
            Self::Embedded => &["one"],
            Self::Distributed => &["one", "two"],
        }
    }

    fn receivers(self) -> Vec<(String, Kind)> {
        let well = match self {
            Self::Embedded => Kind::Healthy,
            Self::Distributed => Kind::Queue,
        };
        let kinds = [well, Kind::Slow, well, Kind::Dead, Kind::Healthy, Kind::Hanging];
        kinds.iter().enumerate().map(|(n, kind)| (format!("{kind:?}-{n}").to_lowercase(), *kind)).collect()
    }
}

impl Scene {
    /// Lays it out, and starts everything.
    pub(crate) fn set(form: Form) -> io::Result<Self> {
        let name = format!("faults-{form:?}-{}", std::process::id()).to_lowercase();
        let folder = system_tests::root().join("target/regions").join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let checker = Arc::new(Checker::default());
        let named = form.receivers();
        let ways = match form {
            Form::Embedded => None,
            Form::Distributed => {
                let queues = named.iter().filter(|(_, kind)| *kind == Kind::Queue).map(|(name, _)| &**name);
                Some(Ways::start(&queues.chain([SENDER.0]).collect::<Vec<_>>())?)
            }
        };
        let open = |name: &str, enterprise, kind| match &ways {
            Some(ways) if kind == Kind::Queue => Ok(Receiver::queue(name, enterprise, &checker, ways)),
            _ => Receiver::http(name, enterprise, kind, &checker),
        };
        let receivers = (0u32..).zip(&named).map(|(n, (name, kind))| open(name, 310_000 + 1_000 * n, *kind));
        let receivers = receivers.collect::<io::Result<Vec<_>>>()?;
        let sender = open(SENDER.0, SENDER.1, if ways.is_some() { Kind::Queue } else { Kind::Healthy })?;
        let token = Uuid::now_v7().simple().to_string();
        std::fs::write(folder.join("token"), &token)?;
        let all = || receivers.iter().chain([&sender]);
        std::fs::write(folder.join("parties.toml"), all().map(Receiver::party).collect::<String>())?;
        let stands_on = ways.as_ref().map_or_else(
            || format!("[journal]\npath = {}\ncheck_every = \"5s\"\n\n", json!(folder.join("journal.db"))),
            Ways::settings,
        );
        let settings = stands_on + &all().map(Receiver::destination).collect::<String>();
        let instances = form.instances().iter().map(|name| Instance::start(&folder, name, &settings));
        let instances = instances.collect::<io::Result<Vec<_>>>()?;
        let (refused, given_up) = (AtomicUsize::new(0), AtomicBool::new(false));
        Ok(Self { folder, checker, token, sender, receivers, instances, refused, given_up, ways })
    }

    /// Settings to ask the journal with.
    pub(crate) fn any_config(&self) -> &Path {
        &self.instances[0].config
    }

    /// Everything is well from now on: networks and destinations. (Servers are back after each of their faults.)
    pub(crate) fn heal(&self) {
        for receiver in self.receivers.iter().chain([&self.sender]) {
            receiver.heal(&self.checker);
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
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
