//! The configuration: a documented type, with every default where the setting is declared.
//!
//! Relative paths start at the folder of the file. Secrets are named by file, never written here. Unknown
//! settings are refused, and all faults are named at once ([`read`]). Whether what the settings point at is
//! sound (parties, rules, schemas, tokens, folders) is `budstikke check`'s business ([`check`]).

pub mod amqp;
pub mod check;
mod partners;
pub mod publish;
pub mod read;
pub mod registry;
pub mod targets;
pub mod trust;

use crate::{one_of, settings};
use broker_core::policy::Policy;
use dead_letter::{BreakerSettings, Schedule};
use message_schemas::Limits;
use read::{Bytes, Fault, Reading};
use routing_rules::DestinationId;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

settings! {
    /// Everything that an installation sets.
    pub struct Config {
        /// Who owns what is kept here. It stands on every row of the journal.
        owner: String = "default".to_owned(),
        /// Where messages are kept.
        journal: Journal,
        /// Files of parties, or folders of them.
        parties: Vec<PathBuf>,
        /// Files of routing rules, or folders of them. Without any, each message goes to each of its receivers.
        rules: Vec<PathBuf> = Vec::new(),
        /// How often files of parties and rules are looked at for changes.
        reload_every: Duration = Duration::from_secs(2),
        /// A folder of XSD files that takes the place of the built-in schemas.
        schemas: Option<PathBuf> = None,
        /// Where messages come from.
        sources: Sources = Sources { folders: BTreeMap::new(), http: None, amqp: BTreeMap::new() },
        /// Servers of queues, by the names that sources and destinations use.
        amqp: BTreeMap<String, amqp::Amqp> = BTreeMap::new(),
        /// Where messages go, by the names that parties and rules use.
        destinations: BTreeMap<DestinationId, Destination>,
        /// Whom we trust, and what we sign and open with. Without this section nothing sealed is opened, no signature
        /// is asked for or checked, and nothing is signed or sealed.
        trust: Option<trust::Trust> = None,
        /// The national registry of communication parties; without this section the files alone say who takes part.
        registry: Option<registry::Registry> = None,
        /// Registries and stores that documents are published to, by name.
        publish: BTreeMap<String, publish::Publish> = BTreeMap::new(),
        /// What this installation decides for itself: invalid messages, receipts, deadlines, tests.
        policy: Policy = Policy::default(),
        /// How much of one document is read.
        limits: Limits = Limits::default(),
        /// How much work is taken on at one time.
        work: Work = Work::default(),
        /// Metrics and health.
        admin: Admin = Admin::default(),
        /// What is logged, and how.
        log: Log = Log::default(),
    }

    /// Where messages are kept: a file of this broker alone, or a PostgreSQL database that several may share; one of
    /// the two.
    pub struct Journal {
        /// The file of the embedded journal. Its folder must be there; two more files appear beside it.
        path: Option<PathBuf> = None,
        /// The database: `host=… port=… dbname=… user=… sslmode=… sslrootcert=… sslcert=… sslkey=…`, as PostgreSQL's own
        /// tools take it. A server on another machine is asked for a certificate that leads to a known CA and bears its
        /// name, unless sslmode says otherwise.
        postgres: Option<String> = None,
        /// A file with the password for the database in its first line, where it asks for one; read at every connecting.
        password_file: Option<PathBuf> = None,
        /// For how long messages are kept in the database. Days that are older go as a whole, with all that belongs to
        /// their messages, as soon as nothing in them is open or parked. None: for ever.
        keep: Option<Duration> = None,
        /// For how long the keys are kept by which repeats and receipts are recognised; never less than `keep`.
        keep_keys: Duration = Duration::from_secs(400 * 86_400),
        /// How often the books are checked against the events.
        check_every: Duration = Duration::from_secs(30),
        /// Check the whole chain of events before anything is taken in. It reads the journal once.
        verify_at_start: bool = false,
    }

    /// Where messages come from.
    pub struct Sources {
        /// Folders that messages are put into, by name.
        folders: BTreeMap<String, FolderIn> = BTreeMap::new(),
        /// The HTTP interface; without this section it is closed.
        http: Option<HttpIn> = None,
        /// Queues that messages are taken from, by name.
        amqp: BTreeMap<String, amqp::AmqpIn> = BTreeMap::new(),
    }

    /// A folder that messages are put into.
    pub struct FolderIn {
        /// The folder.
        path: PathBuf,
        /// How often it is looked at.
        poll_every: Duration = Duration::from_millis(500),
        /// A file is taken when it has not changed for so long.
        settle: Duration = Duration::from_secs(1),
    }

    /// The HTTP interface.
    pub struct HttpIn {
        /// Where it listens. Other addresses than the machine's own want TLS.
        bind: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8460)),
        /// A file with the bearer token that callers must show; without it, only callers on this machine are let in.
        token_file: Option<PathBuf> = None,
        /// Certificate and key.
        tls: Option<Tls> = None,
    }

    /// Certificate and key of a listener, as PEM files.
    pub struct Tls {
        /// The certificate, then those that vouch for it.
        certificate_file: PathBuf,
        /// Its private key.
        key_file: PathBuf,
    }

    /// A place that messages go to: a folder, a web address or a server of queues, one of them.
    pub struct Destination {
        /// Deliveries are written into this folder.
        folder: Option<PathBuf> = None,
        /// Deliveries are posted to this address.
        url: Option<String> = None,
        /// A file with the bearer token to show there.
        token_file: Option<PathBuf> = None,
        /// Deliveries go through this server of queues, by its name under `amqp`.
        amqp: Option<String> = None,
        /// To this queue, one of our own. Without it they go to the queues of their receivers, in the envelopes that the
        /// national AMQP profile has (`[party.amqp]` says which queues).
        queue: Option<String> = None,
        /// An attempt without an answer for so long counts as unsure.
        timeout: Duration = Duration::from_secs(30),
        /// Attempts at one time.
        concurrency: usize = 32,
        /// When a delivery that did not get through is tried again.
        retry: Schedule = Schedule::default(),
        /// When the destination is left alone for a while, because nothing gets through.
        breaker: BreakerSettings = BreakerSettings::default(),
    }

    /// How much work is taken on at one time.
    pub struct Work {
        /// Threads that judge messages; 0 for one a core.
        threads: usize = 0,
        /// Messages between their source and the journal at one time.
        messages: usize = 512,
        /// Bytes between their source and the journal at one time, over all sources.
        bytes: Bytes = Bytes(256_000_000),
        /// Messages that one commit takes in, at most.
        commit: usize = 200,
        /// How long work in hand may take after the order to stop.
        grace: Duration = Duration::from_secs(20),
    }

    /// Metrics and health.
    pub struct Admin {
        /// Where `/metrics`, `/health/live` and `/health/ready` are.
        bind: Option<SocketAddr> = Some(SocketAddr::from(([127, 0, 0, 1], 9464))),
    }

    /// What is logged, and how. Logs go to standard error and hold no personal data.
    pub struct Log {
        /// `text` for people, `json` for machines.
        format: LogFormat = LogFormat::Text,
        /// `error`, `warn`, `info`, `debug`, `trace`, or filters such as `info,adapters=debug`.
        level: String = "info".to_owned(),
    }
}

one_of! {
    /// How a log line is written.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

macro_rules! default_is_the_empty_section {
    ($($section:ty),+) => {$(
        impl Default for $section {
            fn default() -> Self {
                let (read, _) = Reading::new(Path::new("defaults"), "").document();
                read.expect("every field of this section has a default")
            }
        }
    )+};
}

default_is_the_empty_section!(Work, Admin, Log, amqp::AmqpTls, trust::Partners, trust::Revocation);

/// Faults of settings, with the place where each setting is written; without it if the file cannot be read any more.
pub(crate) fn placed(file: &Path, faults: Vec<Fault>) -> Vec<Fault> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let (_, mut reading) = Reading::new(file, &text).document::<Config>();
    for Fault { field, message, remedy, .. } in faults {
        reading.fault_at(&field, message, remedy);
    }
    reading.into_faults()
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// All faults in it.
    pub fn load(file: &Path) -> Result<Self, Vec<Fault>> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            vec![Fault {
                file: file.display().to_string(),
                line: 0,
                field: String::new(),
                message: format!("The file cannot be read: {error}."),
                remedy: "Name a file that this user may read.".to_owned(),
            }]
        })?;
        Self::parse(file, &text)
    }

    /// Reads a configuration from text; `file` is only named, and relative paths start at its folder.
    ///
    /// # Errors
    /// All faults in it.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Fault>> {
        let (config, mut reading) = Reading::new(file, text).document::<Self>();
        if let Some(config) = &config {
            config.agree(&mut reading);
        }
        let faults = reading.into_faults();
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            Some(_) | None => Err(faults),
        }
    }

    /// What single fields cannot tell: do the settings agree with each other?
    fn agree(&self, reading: &mut Reading<'_>) {
        for (name, destination) in &self.destinations {
            let field = format!("destinations.{name}");
            let ways = [destination.folder.is_some(), destination.url.is_some(), destination.amqp.is_some()];
            match ways.into_iter().filter(|set| *set).count() {
                0 => reading.fault_at(
                    &field,
                    "It has neither a folder nor a url nor a server of queues.",
                    "Set folder, url or amqp.",
                ),
                1 => {}
                _ => reading.fault_at(
                    &field,
                    "It has more than one of folder, url and amqp.",
                    "Leave all but one out.",
                ),
            }
            if let Some(url) = &destination.url
                && !(url.starts_with("http://") || url.starts_with("https://"))
            {
                reading.fault_at(
                    &format!("{field}.url"),
                    "This is no web address.",
                    "Write one that starts with http:// or https://.",
                );
            }
            if destination.concurrency == 0 {
                reading.fault_at(
                    &format!("{field}.concurrency"),
                    "0 would stop all work.",
                    "Write 1 or more.",
                );
            }
            for fault in destination.retry.faults() {
                reading.fault_at(&format!("{field}.retry"), format!("{fault}."), "Write such a value.");
            }
            for fault in destination.breaker.pause.faults() {
                reading.fault_at(
                    &format!("{field}.breaker.pause"),
                    format!("{fault}."),
                    "Write such a value.",
                );
            }
        }
        self.journal.agree(reading);
        for name in self.sources.folders.keys() {
            if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
                reading.fault_at(
                    &format!("sources.folders.{name}"),
                    "The name stands in logs and metrics.",
                    "Use a-z, 0-9 and '-' only.",
                );
            }
        }
        if let Some(http) = &self.sources.http
            && !http.bind.ip().is_loopback()
            && http.token_file.is_none()
        {
            reading.fault_at(
                "sources.http.bind",
                "Others than this machine could send messages without a token.",
                "Set token_file, or listen on 127.0.0.1.",
            );
        }
        self.queues_agree(reading);
        for (name, value) in [("messages", self.work.messages), ("commit", self.work.commit)] {
            if value == 0 {
                reading.fault_at(&format!("work.{name}"), "0 would stop all work.", "Write 1 or more.");
            }
        }
        if let Some(trust) = &self.trust {
            trust.agree(reading);
        }
        if let Some(registry) = &self.registry {
            registry.agree(reading);
        }
        for (name, target) in &self.publish {
            target.agree(name, reading);
        }
        if self.work.bytes.0 < self.limits.message_bytes {
            reading.fault_at(
                "work.bytes",
                "It is less than one message may have (limits.message_bytes).",
                "Raise it, or lower the limit.",
            );
        }
        if let Err(error) = self.log.level.parse::<tracing_subscriber::filter::Targets>() {
            reading.fault_at("log.level", format!("It cannot be read: {error}."), "Write info, or debug.");
        }
    }
}

impl Journal {
    fn agree(&self, reading: &mut Reading<'_>) {
        match (&self.path, &self.postgres) {
            (Some(_), Some(_)) => {
                reading.fault_at("journal", "It has both a path and postgres.", "Leave one of them out.");
            }
            (None, None) => {
                reading.fault_at("journal", "It has neither a path nor postgres.", "Set one of them.");
            }
            (Some(_), None) => {
                for (field, set) in
                    [("password_file", self.password_file.is_some()), ("keep", self.keep.is_some())]
                {
                    if set {
                        reading.fault_at(
                            &format!("journal.{field}"),
                            "It is for a journal on PostgreSQL; a file keeps everything.",
                            "Leave it out.",
                        );
                    }
                }
            }
            (None, Some(line)) => {
                if let Err(error) = line.parse::<adapters::postgres::Place>() {
                    reading.fault_at(
                        "journal.postgres",
                        format!("It cannot be used: {error}."),
                        "Write host=… dbname=… user=….",
                    );
                }
            }
        }
        if self.keep.is_some_and(|keep| keep < Duration::from_secs(86_400)) {
            reading.fault_at("journal.keep", "Whole days are dropped.", "Write 1d or more.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../ops/config/embedded.toml");

    #[test]
    fn the_example_in_ops_is_sound() {
        let config = Config::parse(Path::new("/etc/budstikke/embedded.toml"), EXAMPLE).expect("no faults");
        assert_eq!(config.journal.path.as_deref(), Some(Path::new("/etc/budstikke/data/journal.db")));
        assert_eq!(config.destinations.len(), 3);
        assert_eq!(config.work, Work::default(), "the example shows the defaults");
        assert_eq!(config.admin, Admin::default());
    }

    #[test]
    fn the_distributed_example_in_ops_is_sound() {
        let text = include_str!("../../../ops/config/distributed.toml");
        let config = Config::parse(Path::new("/etc/budstikke/distributed.toml"), text).expect("no faults");
        assert_eq!((config.amqp.len(), config.sources.amqp.len()), (1, 1));
        let server = &config.amqp["internal"];
        assert_eq!(server.heartbeat, Duration::from_secs(20), "the example shows the defaults");
        assert_eq!(server.message_bytes, Bytes(16_000_000));
        assert_eq!(server.server().check().err().map(|e| e.to_string().contains("password")), Some(true));

        let parties: toml::Table =
            include_str!("../../../ops/config/distributed-parties/parties.toml").parse().expect("TOML");
        let named = parties["party"].as_array().expect("parties").iter().filter_map(|p| p.get("destination"));
        let missing: Vec<_> = named
            .filter(|name| !config.destinations.keys().any(|known| Some(known.as_str()) == name.as_str()))
            .collect();
        assert!(missing.is_empty(), "its parties name {missing:?}");
    }

    #[test]
    fn faults_of_queues_are_all_named() {
        let text = format!(
            "{EXAMPLE}\n[amqp.Bus]\nhost = \"a\"\nuser = \"b\"\nheartbeat = \"1ms\"\n\
             [sources.amqp.in]\nconnection = \"bus\"\nqueue = \"q\"\nrole = \"async\"\nprefetch = 0\n\
             [amqp.old]\nhost = \"a\"\nuser = \"b\"\npassword_file = \"c\"\nstand_in = \"old\"\n\
             [amqp.odd]\nhost = \"a\"\nuser = \"b\"\npassword_file = \"c\"\ndialect = \"service-bus\"\n\
             [amqp.new]\nhost = \"a\"\nuser = \"b\"\npassword_file = \"c\"\nprotocol = \"1.0\"\nstand_in = \"old\"\n\
             [destinations.x]\namqp = \"bus\"\nqueue = \"q\"\n[destinations.y]\namqp = \"gone\"\n\
             [destinations.z]\nfolder = \"f\"\nqueue = \"q\"\n"
        );
        let faults = Config::parse(Path::new("x.toml"), &text).expect_err("faults");
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        for field in [
            "amqp.Bus",
            "amqp.Bus.heartbeat",
            "amqp.old.stand_in",
            "amqp.odd.dialect",
            "amqp.new.stand_in",
            "sources.amqp.in.connection",
            "sources.amqp.in.prefetch",
            "destinations.x.amqp",
            "destinations.y.amqp",
            "destinations.z.queue",
        ] {
            assert!(fields.contains(&field), "{field} is missing in {fields:?}");
        }
    }

    #[test]
    fn the_protected_example_in_ops_is_sound() {
        let text = include_str!("../../../ops/config/protected.toml");
        let config = Config::parse(Path::new("/etc/budstikke/protected.toml"), text).expect("no faults");
        let trust = config.trust.expect("it is about trust");
        assert_eq!(trust.anchors, [Path::new("/etc/budstikke/data/pki/root.pem")]);
        assert_eq!(trust.keys.len(), 2);
        let defaults =
            trust::Revocation { cache: trust.revocation.cache.clone(), ..trust::Revocation::default() };
        assert_eq!(trust.revocation, defaults, "the example shows the defaults");
    }

    #[test]
    fn the_example_of_several_brokers_in_ops_is_sound() {
        let text = include_str!("../../../ops/config/postgresql.toml");
        let config = Config::parse(Path::new("/etc/budstikke/postgresql.toml"), text).expect("no faults");
        assert!(config.journal.path.is_none() && config.journal.postgres.is_some());
        assert_eq!(
            config.journal.keep_keys,
            Duration::from_secs(400 * 86_400),
            "the example shows the default"
        );
    }

    #[test]
    fn the_publishing_example_in_ops_is_sound() {
        let text = include_str!("../../../ops/config/publishing.toml");
        let config = Config::parse(Path::new("/etc/budstikke/publishing.toml"), text).expect("no faults");
        assert_eq!(config.publish.keys().collect::<Vec<_>>(), ["national", "region", "store"]);
        let national = config.publish["national"].target();
        let default = sharing::Target::new(sharing::Kind::MhdNational, sharing::Environment::Test, "2.999.1");
        assert_eq!(
            (national.withdraw, national.unique_ids, national.replace_scope),
            (default.withdraw, default.unique_ids, default.replace_scope)
        );
        assert_eq!(
            config.publish["region"].options().registry_url.as_deref(),
            Some("https://xds.example.no/registry")
        );
    }

    #[test]
    fn faults_of_targets_are_all_named() {
        let text = format!(
            "{EXAMPLE}\n[publish.a]\nkind = \"xds\"\nurl = \"xds.example.no\"\nenvironment = \"test\"\n\
             home_community = \"urn:oid:1.2\"\ntoken_file = \"t\"\n[publish.a.senders.\"974\"]\n\
             [publish.a.token]\nurl = \"https://id.example.no\"\nclient_id = \"a\"\nscope = \"b\"\nkey_file = \"c\"\n\
             [[publish.a.confidential]]\naccess = [\"NOPE\"]\n"
        );
        let faults = Config::parse(Path::new("x.toml"), &text).expect_err("faults");
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        for field in [
            "publish.a.url",
            "publish.a.home_community",
            "publish.a.senders.974",
            "publish.a.source_root",
            "publish.a.token_file",
            "publish.a.registry_url",
            "publish.a.confidential.0.access",
        ] {
            assert!(fields.contains(&field), "{field} is missing in {fields:?}");
        }
    }

    #[test]
    fn faults_of_trust_are_all_named() {
        let text = format!(
            "{EXAMPLE}\n[trust]\nanchors = []\npolicies = [\"2.16\", \"old\"]\ntest_mode = \"on\"\n\
             [trust.revocation]\nonline = false\n"
        );
        let faults = Config::parse(Path::new("x.toml"), &text).expect_err("faults");
        assert_eq!(faults.iter().map(|f| f.field.as_str()).collect::<Vec<_>>(), ["trust.test_mode"]);
        let text = text.replace("test_mode = \"on\"\n", "") + "hosts = [\"http://crl.example.no\"]\n";
        let keys = "[[trust.keys]]\nfile = \"a\"\npassword_file = \"b\"\npassword_env = \"C\"\n";
        let faults = Config::parse(Path::new("x.toml"), &(text + keys)).expect_err("faults");
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        for field in [
            "trust.anchors",
            "trust.policies.1",
            "trust.revocation.online",
            "trust.revocation.hosts.0",
            "trust.keys.0",
        ] {
            assert!(fields.contains(&field), "{field} is missing in {fields:?}");
        }
        assert!(faults.iter().all(|fault| fault.line > 0), "{faults:?}");
    }

    #[test]
    fn settings_that_contradict_each_other_are_named() {
        let text = EXAMPLE
            .replace("127.0.0.1:8460", "0.0.0.0:8460")
            .replace("folder = \"data/out/hospital\"", "concurrency = 0")
            .replace("256 MB", "1 MB");
        let faults = Config::parse(Path::new("x.toml"), &text).expect_err("faults");
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        for field in ["sources.http.bind", "destinations.folder:hospital", "work.bytes"] {
            assert!(fields.contains(&field), "{field} is missing in {fields:?}");
        }
        assert!(faults.iter().all(|fault| fault.line > 0), "{faults:?}");
    }

    #[test]
    fn a_journal_is_one_of_two() {
        let with = |journal: &str| {
            let text = EXAMPLE.replace("path = \"data/journal.db\"", journal);
            assert_ne!(text, EXAMPLE);
            let read = Config::parse(Path::new("/etc/budstikke/x.toml"), &text);
            read.map(|config| config.journal).map_err(|f| f.into_iter().map(|f| f.field).collect::<Vec<_>>())
        };
        let journal = with("postgres = \"host=/run dbname=x\"\npassword_file = \"pw\"\nkeep = \"90d\"")
            .expect("no faults");
        assert_eq!(journal.password_file.as_deref(), Some(Path::new("/etc/budstikke/pw")));
        assert_eq!(journal.keep, Some(Duration::from_secs(90 * 86_400)));
        for (journal, fault) in [
            ("path = \"a\"\npostgres = \"dbname=x\"", "journal"),
            ("", "journal"),
            ("postgres = \"dbname=x password=y\"", "journal.postgres"),
            ("postgres = \"dbname=x\"\nkeep = \"1h\"", "journal.keep"),
            ("path = \"a\"\nkeep = \"9d\"", "journal.keep"),
        ] {
            assert_eq!(with(journal), Err(vec![fault.to_owned()]), "{journal}");
        }
    }

    #[test]
    fn faults_of_the_policy_are_named_with_their_line() {
        let text = EXAMPLE.replace("\"deliver\"", "\"perhaps\"").replace("\"14d\"", "\"soon\"");
        let faults = Config::parse(Path::new("x.toml"), &text).expect_err("faults");
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["policy.test_messages", "policy.time_to_live"]);
    }
}
