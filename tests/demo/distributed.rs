//! Two brokers over RabbitMQ and PostgreSQL: messages come by the queue `inbox`, and each receiving system reads a queue of
//! its own. In the middle, one of the two is killed with messages in its hands.

use crate::stage::{Stage, Take};
use crate::story::Door;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use system_tests::cluster::Cluster;
use system_tests::drive::{Region, clock, freeze, terminate};
use system_tests::queues::{Came, Publisher, Put, Reader};

/// The receiving systems that read their queue from the beginning. What one reads it keeps in its folder.
const SYSTEMS: [&str; 7] =
    ["laboratory", "gp", "granheim", "citizens", "municipality", "specialist", "on-call"];

const HOSPITAL: &str = "hospital";

/// Servers, brokers and the systems around them.
pub(crate) struct Distributed {
    /// Instance two's, which is asked and stays.
    two: Arc<Region>,
    one: Region,
    cluster: Cluster,
    inbox: Mutex<Publisher>,
    readers: Mutex<Vec<Reader>>,
    processes: Mutex<Processes>,
    /// Our ids, by the hash of what was offered.
    ids: Mutex<BTreeMap<String, String>>,
}

#[derive(Default)]
struct Processes {
    one: Option<Child>,
    two: Option<Child>,
    killed: Option<Killed>,
    took_over: bool,
}

struct Killed {
    at: Instant,
    /// The number under which the journal knows it.
    instance: u64,
}

impl Distributed {
    /// Starts the servers, and lays the region out; `more` is added to its settings.
    pub(crate) fn new(more: &str) -> io::Result<Self> {
        println!("Starting a private RabbitMQ and a private PostgreSQL, with what ops/ hands out for them.");
        let queues: Vec<&str> = SYSTEMS.into_iter().chain([HOSPITAL]).collect();
        let cluster = Cluster::start(&queues)?;
        let filled = |text: String| {
            let passwords = (cluster.rabbit.password_file(), cluster.postgres.password_file());
            let text = text
                .replace("{rabbitmq}", &cluster.rabbit.port().to_string())
                .replace("{rabbitmq-password}", &passwords.0.display().to_string())
                .replace("{postgresql}", &cluster.postgres.port().to_string())
                .replace("{postgresql-password}", &passwords.1.display().to_string())
                .replace("{database}", &cluster.database);
            text + more
        };
        let two = Region::lay_out_from("distributed.toml", "demo-amqp", filled)?;
        for file in ["parties.toml", "rules.toml"] {
            let path = two.folder.join(file);
            let text =
                std::fs::read_to_string(&path)?.replace("\"folder:", "\"amqp:").replace("\"http:", "\"amqp:");
            std::fs::write(path, text)?;
        }
        // What is known of revocation lies in a folder of each broker's own.
        let one =
            two.beside("one", |text| text.replace("cache = \"revocation\"", "cache = \"revocation-one\""))?;
        let inbox = Mutex::new(Publisher::new(cluster.url()));
        let (readers, processes, ids) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Self { two: Arc::new(two), one, cluster, inbox, readers, processes, ids })
    }

    /// The region as instance two has it.
    pub(crate) fn shared_region(&self) -> Arc<Region> {
        Arc::clone(&self.two)
    }

    fn read(&self, queue: &str, take: impl Fn(&Came) + Send + Sync + 'static) {
        lock(&self.readers).push(Reader::start(self.cluster.url(), queue, take));
    }

    /// Starts instance one, for the first time or again.
    fn start_one(&self) -> io::Result<Child> {
        self.one.start(Some(&self.one.folder.join("broker-one.log")))
    }

    /// How many events the journal has of each run of a broker, in the order of their starts.
    fn events(&self) -> io::Result<String> {
        self.cluster.postgres.sql(
            &self.cluster.database,
            "SELECT string_agg(n::text, ', ' ORDER BY chain) FROM
                (SELECT chain, count(*) AS n FROM event JOIN instance ON instance.id = chain WHERE runs GROUP BY chain) AS counted",
        )
    }
}

impl Stage for Distributed {
    fn region(&self) -> &Region {
        &self.two
    }

    fn patience(&self) -> Duration {
        // What a dead instance was sending is taken over within half a minute.
        Duration::from_secs(120)
    }

    fn start(&self) -> io::Result<()> {
        for name in SYSTEMS {
            let folder = self.two.out(name);
            self.read(name, move |came| keep(&folder, came));
        }
        println!("The hospital does not read its queue for now.");
        println!("The brokers' own logs: {}/broker-….log\n", self.two.folder.display());
        // If the second does not start, the first must end.
        let mut processes = lock(&self.processes);
        processes.one = Some(self.start_one()?);
        processes.two = Some(self.two.start(Some(&self.two.folder.join("broker-two.log")))?);
        Ok(())
    }

    fn offer(&self, key: &str, _: Door, _: &str, bytes: &[u8]) -> io::Result<String> {
        match lock(&self.inbox).put("inbox", key, bytes) {
            Put::Confirmed => Ok(Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()),
            said @ (Put::Refused | Put::Silent) => {
                Err(io::Error::other(format!("RabbitMQ does not take {key}: {said:?}")))
            }
        }
    }

    fn door(&self, _: Door) -> &'static str {
        "queue"
    }

    fn id(&self, known_as: &str) -> Option<String> {
        let mut ids = lock(&self.ids);
        if let Some(id) = ids.get(known_as) {
            return Some(id.clone());
        }
        let query = format!("SELECT id FROM message WHERE content_hash = '\\x{known_as}'");
        let id = self.cluster.postgres.sql(&self.cluster.database, &query).ok()?.trim().to_owned();
        (!id.is_empty()).then(|| ids.entry(known_as.to_owned()).or_insert(id).clone())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.offer(name, Door::Http, "", bytes).map(drop)
    }

    fn open_hospital(&self, _: usize, take: Take) -> io::Result<()> {
        let waiting = self.cluster.messages(HOSPITAL)?;
        println!("--  the hospital begins to read its queue: {waiting} messages waited in it");
        let seen = Mutex::new(BTreeSet::new());
        self.read(HOSPITAL, move |came| {
            if lock(&seen).insert(came.id().to_owned()) {
                take(came.bytes());
            }
        });
        Ok(())
    }

    /// Instance one stops where it stands, so that RabbitMQ goes on giving it messages and it does nothing with them.
    fn half_way(&self) -> io::Result<()> {
        let both = "SELECT count(DISTINCT chain) FROM event WHERE what = 'accepted'";
        // None of the first half is left in its hands: the last message repeats one of them, and must come second.
        let begun =
            || Ok((self.cluster.messages("inbox")? == 0 && self.cluster.count(both)? == 2).then_some(()));
        servers::wait_for("both instances have taken messages in", Duration::from_secs(30), begun)?;
        match &lock(&self.processes).one {
            Some(one) => freeze(one),
            None => Err(io::Error::other("instance one was not started")),
        }
    }

    fn all_offered(&self) -> io::Result<()> {
        let mut processes = lock(&self.processes);
        let mut one = processes.one.take().ok_or_else(|| io::Error::other("instance one was not started"))?;
        // Whatever remains in the inbox when instance two has done its part is in the hands of instance one.
        let mut before = 0;
        let in_hand = servers::wait_for("instance two has done its part", Duration::from_secs(30), || {
            std::thread::sleep(Duration::from_millis(500));
            let now = self.cluster.messages("inbox")?;
            Ok((std::mem::replace(&mut before, now) == now && now > 0).then_some(now))
        })?;
        let pid = one.id();
        let instance = self.cluster.count(&format!("SELECT id FROM instance WHERE name LIKE '%/{pid}'"))?;
        one.kill()?;
        one.wait()?;
        println!("--  kill -9 of instance one, with {in_hand} messages of the queue in its hands");
        processes.killed = Some(Killed { at: clock(), instance });
        Ok(())
    }

    fn tick(&self, taken: bool) -> io::Result<bool> {
        let mut processes = lock(&self.processes);
        let Some(Killed { at, instance }) = &processes.killed else { return Ok(false) };
        if !processes.took_over && taken {
            let query =
                format!("SELECT count(*) FROM pending WHERE state = 'sending' AND instance = {instance}");
            if self.cluster.count(&query)? == 0 {
                let after = (clock() - *at).as_secs_f64();
                println!(
                    "--  instance two has taken all of it over, after {after:.1} s; instance one is started again"
                );
                processes.took_over = true;
                processes.one = Some(self.start_one()?);
            }
        }
        Ok(processes.took_over)
    }

    fn ended(&self) -> io::Result<Option<String>> {
        let mut processes = lock(&self.processes);
        let Processes { one, two, .. } = &mut *processes;
        for (name, process) in [("one", one), ("two", two)] {
            if let Some(status) = process.as_mut().map(Child::try_wait).transpose()?.flatten() {
                return Ok(Some(format!("instance {name}, {status}")));
            }
        }
        Ok(None)
    }

    fn invite(&self) {
        let (port, user) = (self.cluster.rabbit.port(), servers::rabbit::USER);
        let password = self.cluster.rabbit.password_file();
        println!(
            "  or put in    the queue inbox of amqp://127.0.0.1:{port}/budstikke, as {user}, whose password is in"
        );
        println!("               {}", password.display());
    }

    fn wait(&self) -> io::Result<()> {
        let two = lock(&self.processes).two.take();
        two.map_or(Ok(()), |mut two| two.wait().map(drop))
    }

    fn end(&self) -> io::Result<bool> {
        println!(
            "Entries in the journal by instance one until it was killed, by two, and by one again: {}",
            self.events()?.trim()
        );
        lock(&self.readers).clear();
        let mut processes = lock(&self.processes);
        let Processes { one, two, .. } = &mut *processes;
        let mut well = true;
        for process in [one, two].into_iter().flatten() {
            well &= terminate(process)?;
        }
        Ok(well)
    }
}

impl Drop for Distributed {
    fn drop(&mut self) {
        // However the demo ends, no broker is left behind; those that ended have nothing to hear.
        let processes = self.processes.get_mut().unwrap_or_else(PoisonError::into_inner);
        for process in [&mut processes.one, &mut processes.two].into_iter().flatten() {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

/// A system keeps what it read: a file for each id, so that a repeat changes nothing.
fn keep(folder: &Path, came: &Came) {
    let ending = match came.content_type() {
        "application/fhir+json" => "fhir.json",
        "application/json" => "error.json",
        sealed if sealed.starts_with("application/pkcs7-mime") => "p7m",
        _ => "xml",
    };
    let message = came.header("budstikke-message").unwrap_or_default();
    let name = format!("{message}-{}.{ending}", came.id());
    let beside = folder.join(format!(".{name}"));
    std::fs::write(&beside, came.bytes())
        .and_then(|()| std::fs::rename(beside, folder.join(name)))
        .expect("a system can write into its folder");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
