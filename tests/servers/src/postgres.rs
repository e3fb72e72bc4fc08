//! A private PostgreSQL cluster.

use crate::guard::Guard;
use crate::ports;
use crate::process::{children, family, is_running, private_folder, run, send, until_up};
use crate::wait::{PATIENCE, wait_for};
use rustix::process::Signal;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The account that tests and the broker connect with: no superuser, as in operation.
pub const USER: &str = "budstikke";

/// The settings of `ops/` that every cluster here runs with, if they are there.
const SETTINGS: &str = "ops/postgresql/budstikke.conf";

/// A running cluster, or a stopped one that can be started again. Dropping it ends it and takes its folder away.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    password: String,
    settings: Vec<(String, String)>,
    process: Mutex<Option<Child>>,
    databases: AtomicUsize,
    guard: Guard,
}

/// The folder of PostgreSQL's programs: the newest that the system's packages brought, or the one in the path.
///
/// # Errors
/// If there is none.
pub fn programs() -> io::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|e| {
            let path = e.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin"))).filter(|(_, p)| p.join("postgres").exists())
        })
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others =
        std::env::split_paths(&path).filter(|p| p.join("postgres").exists() && p.join("initdb").exists());
    let found = versions.into_iter().rev().map(|(_, p)| p).chain(others).next();
    found.ok_or_else(|| io::Error::other("PostgreSQL is not installed"))
}

impl Postgres {
    /// Starts a fresh cluster. `settings` come after those of `ops/` and win.
    ///
    /// # Errors
    /// If PostgreSQL is not installed or does not start; the text says what it said.
    pub fn start(settings: &[(&str, &str)]) -> io::Result<Self> {
        Self::start_with(settings, &[])
    }

    /// The same with files in its data folder, by their names; nobody but the server may read them.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(settings: &[(&str, &str)], files: &[(&str, &[u8])]) -> io::Result<Self> {
        let programs = programs()?;
        let template = template(&programs)?;
        let folder = private_folder("budstikke-postgres-")?;
        let guard = Guard::new(&folder, "QUIT")?;
        for below in ["log", "socket"] {
            std::fs::create_dir(folder.join(below))?;
        }
        run(Command::new("cp").arg("-R").arg("--preserve=mode").arg(template.join("data")).arg(&folder))?;
        let password = std::fs::read_to_string(template.join("password"))?;
        if let Ok(text) = std::fs::read(crate::root().join(SETTINGS)) {
            std::fs::write(folder.join("data/budstikke.conf"), text)?;
            let mut file =
                std::fs::OpenOptions::new().append(true).open(folder.join("data/postgresql.conf"))?;
            file.write_all(b"\ninclude 'budstikke.conf'\n")?;
        }
        for (name, bytes) in files {
            let path = folder.join("data").join(name);
            // One of the cluster's own is replaced.
            std::fs::remove_file(&path).ok();
            crate::write_secret(&path, bytes)?;
        }
        own(&folder)?;
        crate::write_secret(&folder.join("password"), password.as_bytes())?;
        let [port] = ports::free()?;
        let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (process, databases) = (Mutex::new(None), AtomicUsize::new(0));
        let server = Self { folder, programs, port, password, settings, process, databases, guard };
        server.start_again().inspect_err(|_| server.guard.keep())?;
        Ok(server)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the Unix socket.
    #[must_use]
    pub fn socket_folder(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// The password of [`USER`].
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// A file with the password, for settings that name one.
    #[must_use]
    pub fn password_file(&self) -> PathBuf {
        self.folder.join("password")
    }

    /// Where a broker's settings say that the database is, without the password.
    #[must_use]
    pub fn place(&self, database: &str) -> String {
        format!("host=127.0.0.1 port={} dbname={database} user={USER}", self.port)
    }

    /// The same as a URL, with the password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// Makes an empty database that belongs to [`USER`], and gives its name: `name` with a number.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn database(&self, name: &str) -> io::Result<String> {
        let name = format!("{name}_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\" OWNER {USER}"))?;
        Ok(name)
    }

    /// Runs statements as the superuser, and gives what they print: rows in lines, columns between `|`.
    ///
    /// # Errors
    /// What the server says if it refuses or cannot be reached.
    pub fn sql(&self, database: &str, statements: &str) -> io::Result<String> {
        let mut command = Command::new(self.programs.join("psql"));
        command.env("PGPASSWORD", &self.password).args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]);
        command.arg("-h").arg(self.socket_folder()).args(["-p", &self.port.to_string(), "-d", database]);
        run(command.args(["-c", statements]))
    }

    /// The ids of its processes.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().map(|process| family(process.id())).unwrap_or_default()
    }

    /// Starts it after [`Self::stop`] or [`Self::kill`], on the same port and data, and waits until it takes connections.
    ///
    /// # Errors
    /// If it ends or is not ready in time; the text holds the end of its log.
    pub fn start_again(&self) -> io::Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if process.is_some() {
            return Ok(());
        }
        let log = self.folder.join("log/postgres.log");
        let file = File::options().create(true).append(true).open(&log)?;
        let mut command = as_owner(&self.programs.join("postgres"));
        command.arg("-D").arg(self.folder.join("data"));
        let own = [
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("port", self.port.to_string()),
            ("unix_socket_directories", self.socket_folder().display().to_string()),
            // Shared memory of a killed server would stay behind in /dev/shm; as files it goes with the folder.
            ("dynamic_shared_memory_type", "mmap".to_owned()),
            ("logging_collector", "off".to_owned()),
            ("log_destination", "stderr".to_owned()),
        ];
        let given = self.settings.iter().map(|(k, v)| (k.as_str(), v.clone()));
        for (key, value) in given.chain(own) {
            command.arg("-c").arg(format!("{key}={value}"));
        }
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).current_dir("/").process_group(0);
        let mut child = command.spawn()?;
        self.guard.watch(&[child.id()]);
        until_up("PostgreSQL", &mut child, &log, || {
            let mut ask = Command::new(self.programs.join("pg_isready"));
            ask.arg("-q").arg("-h").arg(self.socket_folder()).args(["-p", &self.port.to_string()]);
            Ok(ask.status()?.success())
        })?;
        *process = Some(child);
        Ok(())
    }

    /// Stops it in order: open transactions are rolled back, connections closed.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn stop(&self) -> io::Result<()> {
        self.end(Signal::INT)
    }

    /// `kill -9` of the whole server, its helpers included, in the middle of whatever it does.
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub fn kill(&self) -> io::Result<()> {
        self.end(Signal::KILL)
    }

    /// Stops every process of it where it stands, so that connections stay open and nothing answers.
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub fn pause(&self) -> io::Result<()> {
        self.signal_all(Signal::STOP)
    }

    /// Lets it go on after [`Self::pause`].
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub fn resume(&self) -> io::Result<()> {
        self.signal_all(Signal::CONT)
    }

    fn signal_all(&self, signal: Signal) -> io::Result<()> {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(child) = process.as_ref() else { return Ok(()) };
        for pid in std::iter::once(child.id()).chain(children(child.id())) {
            // A helper may have ended since it was listed.
            send(pid, signal).ok();
        }
        Ok(())
    }

    fn end(&self, signal: Signal) -> io::Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(child) = process.as_mut() else { return Ok(()) };
        // Each helper is a session of its own, so the group does not hold them.
        let helpers = children(child.id());
        send(child.id(), signal)?;
        if signal == Signal::KILL {
            for pid in &helpers {
                send(*pid, signal).ok();
            }
        }
        wait_for("PostgreSQL ends", PATIENCE, || child.try_wait())?;
        wait_for("PostgreSQL's helpers end", PATIENCE, || {
            Ok(helpers.iter().all(|pid| !is_running(*pid)).then_some(()))
        })?;
        self.guard.watch(&[]);
        *process = None;
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, but so that shared memory is given back. If it does not end, the guard kills it.
        self.resume().ok();
        self.end(Signal::QUIT).ok();
    }
}

/// A fresh cluster with the role [`USER`], made once and copied ever after: making one takes seconds. It stays in `target/`
/// with its password, readable by its owner alone.
fn template(programs: &Path) -> io::Result<PathBuf> {
    let version = run(Command::new(programs.join("postgres")).arg("--version"))?;
    // "postgres (PostgreSQL) 15.4 (Debian …)"
    let version = version.split(' ').nth(2).unwrap_or("unknown").trim().to_owned();
    let user = rustix::process::getuid().as_raw();
    let place = crate::kept().join(format!("postgresql-{version}-{user}"));
    if place.exists() {
        return Ok(place);
    }
    let folder = private_folder("budstikke-postgres-new-")?;
    let password = crate::secret()?;
    crate::write_secret(&folder.join("password"), password.as_bytes())?;
    own(&folder)?;
    let made = make_cluster(programs, &folder, &password).and_then(|()| {
        std::fs::create_dir_all(crate::kept())?;
        let beside = tempfile::Builder::new().prefix("new-").tempdir_in(crate::kept())?;
        run(Command::new("cp").arg("-R").arg("--preserve=mode").arg(folder.join("data")).arg(beside.path()))?;
        crate::write_secret(&beside.path().join("password"), password.as_bytes())?;
        // Whoever comes first wins; the template of the other is as good.
        match std::fs::rename(beside.path(), &place) {
            Err(e) if !place.exists() => Err(e),
            Ok(()) | Err(_) => Ok(()),
        }
    });
    std::fs::remove_dir_all(&folder)?;
    made.map(|()| place)
}

fn make_cluster(programs: &Path, folder: &Path, password: &str) -> io::Result<()> {
    let data = folder.join("data");
    let mut initdb = as_owner(&programs.join("initdb"));
    initdb.args([
        "--no-sync",
        "--data-checksums",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--auth=scram-sha-256",
    ]);
    initdb.args(["--username=postgres", "--pwfile"]).arg(folder.join("password"));
    run(initdb.arg("-D").arg(&data).current_dir("/"))?;
    let mut single = as_owner(&programs.join("postgres"));
    single.arg("--single").arg("-D").arg(&data).arg("postgres").current_dir("/");
    let mut child = single.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "CREATE ROLE {USER} LOGIN PASSWORD '{password}'")?;
    }
    let status = child.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("the role could not be made: {status}")))
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The program, run as the user `postgres` where we are root: PostgreSQL refuses root.
fn as_owner(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
    command
}

/// Gives the folder to the user that the server runs as.
fn own(folder: &Path) -> io::Result<()> {
    if is_root() {
        run(Command::new("chown").args(["-R", "postgres:postgres"]).arg(folder))?;
    }
    Ok(())
}
