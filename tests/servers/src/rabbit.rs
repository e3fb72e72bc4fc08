//! A private RabbitMQ node.

use crate::guard::Guard;
use crate::ports;
use crate::process::{family, private_folder, run, send, tail};
use crate::wait::{PATIENCE, wait_for};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The account that may do everything on every virtual host.
pub const USER: &str = "admin";

/// A boot that writes nothing to its logs for so long stands still.
const STILL: Duration = Duration::from_secs(40);

/// Calls of [`Rabbit::eval`] so far.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// The settings of `ops/` that every node here runs with, if they are there.
const SETTINGS: &str = "ops/rabbitmq/rabbitmq.conf";

/// What a node starts with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Plugins by name; `rabbitmq_management` makes [`Rabbit::management_port`] answer.
    pub plugins: Vec<String>,
    /// A file of definitions (users, virtual hosts, queues, policies), imported before the first connection is taken.
    pub definitions: Option<PathBuf>,
    /// More lines for `rabbitmq.conf`.
    pub settings: String,
    /// TLS on [`Rabbit::tls_port`].
    pub tls: Option<Tls>,
}

impl Default for Options {
    /// AMQP 0-9-1 and 1.0, nothing defined, no TLS.
    fn default() -> Self {
        Self {
            plugins: vec!["rabbitmq_amqp1_0".to_owned()],
            definitions: None,
            settings: String::new(),
            tls: None,
        }
    }
}

/// Files in PEM for TLS. Clients must show a certificate of `roots`.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Whom the node believes.
    pub roots: PathBuf,
    /// What it shows.
    pub certificate: PathBuf,
    /// The key of it.
    pub key: PathBuf,
}

/// A running node, or a stopped one that can be started again. Dropping it ends it and takes its folder away.
#[derive(Debug)]
pub struct Rabbit {
    folder: PathBuf,
    program: PathBuf,
    node: String,
    ports: Ports,
    password: String,
    process: Mutex<Option<Child>>,
    names: Mutex<Child>,
    vhosts: AtomicUsize,
    guard: Guard,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    tls: u16,
    management: u16,
    /// Erlang's own: between nodes, and the service that names them.
    distribution: u16,
    names: u16,
}

/// The script that starts a node.
///
/// # Errors
/// If RabbitMQ is not installed.
pub fn program() -> io::Result<PathBuf> {
    // Not the one in the path of Debian: it changes the user.
    let debian = PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).map(|p| p.join("rabbitmq-server"));
    let mut all = std::iter::once(debian).chain(others);
    all.find(|p| p.exists()).ok_or_else(|| io::Error::other("RabbitMQ is not installed"))
}

impl Rabbit {
    /// Starts a fresh node and waits until it takes connections.
    ///
    /// # Errors
    /// If RabbitMQ is not installed, the definitions cannot be read, or it does not start; the text holds the end of its log.
    pub fn start(options: &Options) -> io::Result<Self> {
        let program = program()?;
        let folder = private_folder("budstikke-rabbitmq-")?;
        let guard = Guard::new(&folder, "KILL")?;
        for below in ["log", "home", "data"] {
            std::fs::create_dir(folder.join(below))?;
        }
        // Whoever knows the cookie may run anything in the node.
        crate::write_secret(&folder.join("home/.erlang.cookie"), crate::secret()?.as_bytes())?;
        let password = crate::secret()?;
        crate::write_secret(&folder.join("password"), password.as_bytes())?;
        let definitions = with_admin(options.definitions.as_deref(), &password)?;
        std::fs::write(folder.join("definitions.json"), definitions.to_string())?;
        std::fs::write(folder.join("plugins"), format!("[{}].\n", options.plugins.join(",")))?;
        let [amqp, tls, management, distribution, names] = ports::free()?;
        let ports = Ports { amqp, tls, management, distribution, names };
        let base = std::fs::read_to_string(crate::root().join(SETTINGS)).unwrap_or_default();
        std::fs::write(folder.join("rabbitmq.conf"), base + &conf(&folder, ports, options))?;

        // The service of names would start by itself, but as a daemon that outlives the node.
        let log = File::create(folder.join("log/epmd.log"))?;
        let names = Command::new("epmd")
            .args(["-port", &ports.names.to_string(), "-address", "127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        guard.watch(&[names.id()]);
        let node = format!("budstikke-{}@localhost", ports.distribution);
        let (names, process, vhosts) = (Mutex::new(names), Mutex::new(None), AtomicUsize::new(0));
        let server = Self { folder, program, node, ports, password, process, names, vhosts, guard };
        server.start_again().inspect_err(|_| server.guard.keep())?;
        Ok(server)
    }

    /// The port on 127.0.0.1, for AMQP 0-9-1 and, with its plugin, 1.0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The port for AMQP over TLS, if [`Options::tls`] was given.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.ports.tls
    }

    /// The port of the management interface, if its plugin was asked for.
    #[must_use]
    pub fn management_port(&self) -> u16 {
        self.ports.management
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

    /// The address of a virtual host, with user and password.
    #[must_use]
    pub fn url(&self, vhost: &str) -> String {
        self.url_through(self.ports.amqp, vhost)
    }

    /// The same through another port, as that of a proxy.
    #[must_use]
    pub fn url_through(&self, port: u16, vhost: &str) -> String {
        let vhost = vhost.replace('/', "%2f");
        format!("amqp://{USER}:{}@127.0.0.1:{port}/{vhost}", self.password)
    }

    /// Makes an empty virtual host on which [`USER`] may do everything, and gives its name: `name` with a number.
    ///
    /// # Errors
    /// If the node refuses.
    pub fn vhost(&self, name: &str) -> io::Result<String> {
        let name = format!("{name}-{}", self.vhosts.fetch_add(1, Ordering::Relaxed));
        self.eval(&format!(
            r#"ok = rabbit_vhost:add(<<"{name}">>, <<"{USER}">>),
            ok = rabbit_auth_backend_internal:set_permissions(<<"{USER}">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"{USER}">>)."#
        ))?;
        Ok(name)
    }

    /// How many messages a queue holds, given out and not yet settled ones included.
    ///
    /// # Errors
    /// If there is no such queue, or the node is down.
    pub fn messages(&self, vhost: &str, queue: &str) -> io::Result<u64> {
        self.number(vhost, queue, "messages")
    }

    /// How many messages of a queue are given out and not yet settled.
    ///
    /// # Errors
    /// As [`Self::messages`].
    pub fn given_out(&self, vhost: &str, queue: &str) -> io::Result<u64> {
        self.number(vhost, queue, "messages_unacknowledged")
    }

    fn number(&self, vhost: &str, queue: &str, of: &str) -> io::Result<u64> {
        let answer = self.eval(&format!(
            r#"{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)),
            proplists:get_value({of}, rabbit_amqqueue:info(Q, [{of}]))."#
        ))?;
        answer.parse().map_err(|_| io::Error::other(format!("no number: {answer}")))
    }

    /// Sets off the alarm of a full disk, or ends it: while it lasts, the node reads from no connection that publishes.
    ///
    /// # Errors
    /// If the node is down.
    pub fn disk_alarm(&self, on: bool) -> io::Result<()> {
        let limit = if on { r#""100000GiB""# } else { r#""1MiB""# };
        self.eval(&format!("rabbit_disk_monitor:set_disk_free_limit({limit})."))?;
        wait_for("the disk alarm", PATIENCE, || {
            let alarms =
                self.eval("length([a || {{resource_limit, disk, _}, _} <- rabbit_alarm:get_alarms()]).")?;
            Ok(((alarms != "0") == on).then_some(()))
        })
    }

    /// Sets off the alarm of full memory, or ends it: as that of a full disk.
    ///
    /// # Errors
    /// If the node is down.
    pub fn memory_alarm(&self, on: bool) -> io::Result<()> {
        let alarm = "{resource_limit, memory, node()}";
        let change = if on { format!("set_alarm({{{alarm}, []}})") } else { format!("clear_alarm({alarm})") };
        self.eval(&format!("rabbit_alarm:{change}."))?;
        wait_for("the memory alarm", PATIENCE, || {
            let alarms =
                self.eval("length([a || {{resource_limit, memory, _}, _} <- rabbit_alarm:get_alarms()]).")?;
            Ok(((alarms != "0") == on).then_some(()))
        })
    }

    /// Closes all its connections, as an operator would.
    ///
    /// # Errors
    /// If the node is down.
    pub fn close_connections(&self) -> io::Result<()> {
        self.eval(r#"[rabbit_networking:close_connection(P, "closed by a test") || P <- rabbit_networking:connections()]."#)?;
        Ok(())
    }

    /// Evaluates an Erlang expression in the node, in milliseconds (`rabbitmqctl` takes seconds).
    ///
    /// # Errors
    /// If the node is down, or what the expression failed with.
    pub fn eval(&self, expression: &str) -> io::Result<String> {
        let mut call = Command::new("erl_call");
        self.environment(&mut call);
        // Each caller is a node to the server, which knows one of a name at a time.
        let caller = format!("call-{}-{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed));
        call.args(["-h", &caller, "-n", &self.node, "-e"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = call.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // The line must end, or the expression is taken for the beginning of one.
            writeln!(input, "{expression}")?;
        }
        let output = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let value = text.strip_prefix("{ok, ").and_then(|t| t.trim_end().strip_suffix('}'));
        value
            .map(str::to_owned)
            .ok_or_else(|| io::Error::other(format!("{text}{}", String::from_utf8_lossy(&output.stderr))))
    }

    /// The ids of its processes.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().map(|process| family(process.id())).unwrap_or_default()
    }

    /// Starts it after [`Self::stop`] or [`Self::kill`], with the same ports, users and data, and waits until it takes
    /// connections.
    ///
    /// # Errors
    /// If it ends or is not ready in time; the text holds the end of its log.
    pub fn start_again(&self) -> io::Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if process.is_some() {
            return Ok(());
        }
        // A name that the last life still holds would make the node refuse to start.
        wait_for("the node's name is free", PATIENCE, || {
            let mut ask = Command::new("epmd");
            let list = run(ask.args(["-port", &self.ports.names.to_string(), "-names"])).unwrap_or_default();
            Ok((list.contains("running on port") && !list.contains("\nname ")).then_some(()))
        })?;
        let mut stalls = 0;
        let child = loop {
            match self.boot() {
                // Seen with 3.10 on a machine with much to do: a boot that stands still for ever, each time elsewhere.
                Err(e) if e.kind() == io::ErrorKind::TimedOut && stalls < 2 => stalls += 1,
                other => break other?,
            }
        };
        *process = Some(child);
        Ok(())
    }

    /// Starts the process and waits until it takes connections; `TimedOut` if it does nothing any more.
    fn boot(&self) -> io::Result<Child> {
        let logs = ["output.log", "rabbit.log"].map(|name| self.folder.join("log").join(name));
        let output = File::options().create(true).append(true).open(&logs[0])?;
        let mut command = Command::new(&self.program);
        self.environment(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .current_dir("/")
            .process_group(0);
        let mut child = command.spawn()?;
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner).id();
        self.guard.watch(&[child.id(), names]);
        let written = || logs.iter().map(|l| l.metadata().map_or(0, |m| m.len())).sum::<u64>();
        let mut up = || {
            if let Some(status) = child.try_wait()? {
                return Err(io::Error::other(format!("RabbitMQ ended: {status}")));
            }
            Ok(greets(self.ports.amqp).then_some(()))
        };
        let ready = loop {
            let before = written();
            match wait_for("RabbitMQ takes connections", STILL, &mut up) {
                // As long as it writes, it is under way.
                Err(e) if e.kind() == io::ErrorKind::TimedOut && written() > before => (),
                other => break other,
            }
        };
        if let Err(e) = ready {
            child.kill().ok();
            child.wait().ok();
            return Err(io::Error::new(e.kind(), format!("{e}\n{}\n{}", tail(&logs[0]), tail(&logs[1]))));
        }
        Ok(child)
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn stop(&self) -> io::Result<()> {
        self.end(Signal::TERM)
    }

    /// `kill -9`, in the middle of whatever it does.
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub fn kill(&self) -> io::Result<()> {
        self.end(Signal::KILL)
    }

    /// Stops the process where it stands, so that connections stay open and nothing answers.
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`Self::pause`].
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().map_or(Ok(()), |child| send(child.id(), signal))
    }

    fn end(&self, signal: Signal) -> io::Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(child) = process.as_mut() else { return Ok(()) };
        send(child.id(), signal)?;
        wait_for("RabbitMQ ends", PATIENCE, || child.try_wait())?;
        self.guard.watch(&[self.names.lock().unwrap_or_else(PoisonError::into_inner).id()]);
        *process = None;
        Ok(())
    }

    /// Everything that would otherwise be taken from the system's own RabbitMQ, or left in the user's home.
    fn environment(&self, command: &mut Command) {
        let at = |below: &str| self.folder.join(below);
        command
            .env("HOME", at("home"))
            .env("RABBITMQ_BASE", &self.folder)
            .env("RABBITMQ_MNESIA_BASE", at("data"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", at("none.config"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", at("generated"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
            .env("RABBITMQ_FEATURE_FLAGS_FILE", at("feature-flags"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_NODENAME", &self.node)
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env("ERL_EPMD_PORT", self.ports.names.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            // The script becomes the node, so that a signal reaches it.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env_remove("NOTIFY_SOCKET")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                // Idle schedulers sleep: the machine is shared with the broker under test.
                "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
            );
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        // What does not end here is ended by the guard.
        self.resume().ok();
        self.kill().ok();
        let names = self.names.get_mut().unwrap_or_else(PoisonError::into_inner);
        names.kill().ok();
        names.wait().ok();
    }
}

fn conf(folder: &Path, ports: Ports, options: &Options) -> String {
    let Ports { amqp, tls, management, .. } = ports;
    let folder = folder.display();
    let mut conf = format!(
        "\nlisteners.tcp.1 = 127.0.0.1:{amqp}\n\
         # A test machine may have less room than a server; the alarm is given by tests that want it.\n\
         disk_free_limit.absolute = 50MB\n\
         log.console = false\n\
         log.file = {folder}/log/rabbit.log\n\
         load_definitions = {folder}/definitions.json\n"
    );
    if options.plugins.iter().any(|p| p == "rabbitmq_management") {
        conf.push_str(&format!("management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n"));
    }
    if let Some(files) = &options.tls {
        conf.push_str(&format!(
            "listeners.ssl.1 = 127.0.0.1:{tls}\n\
             ssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\n\
             ssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = true\n",
            files.roots.display(),
            files.certificate.display(),
            files.key.display()
        ));
    }
    conf + &options.settings
}

/// The definitions with [`USER`] added, who may do everything on every virtual host in them. Accounts that are handed out
/// without a password have the same one: it must stand in the file, which is read at every start.
fn with_admin(file: Option<&Path>, password: &str) -> io::Result<Value> {
    let read = |path: &Path| -> io::Result<Value> {
        let text = std::fs::read(path).map_err(|e| io::Error::other(format!("{}: {e}", path.display())))?;
        serde_json::from_slice(&text).map_err(|e| io::Error::other(format!("{}: {e}", path.display())))
    };
    let mut definitions = file.map_or_else(|| Ok(json!({})), read)?;
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let mut vhosts = list(&definitions, "vhosts");
    if !vhosts.iter().any(|v| v["name"] == "/") {
        vhosts.push(json!({ "name": "/" }));
    }
    let mut users = list(&definitions, "users");
    for user in users.iter_mut().filter(|user| user["password_hash"] == "") {
        user["password_hash"] = hashed(password).into();
    }
    users.push(json!({
        "name": USER,
        "tags": ["administrator"],
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "password_hash": hashed(password),
    }));
    let mut permissions = list(&definitions, "permissions");
    permissions.extend(vhosts.iter().map(
        |v| json!({ "user": USER, "vhost": v["name"], "configure": ".*", "write": ".*", "read": ".*" }),
    ));
    definitions["vhosts"] = vhosts.into();
    definitions["users"] = users.into();
    definitions["permissions"] = permissions.into();
    Ok(definitions)
}

/// A password as definitions hold it: four bytes of salt, then the hash of salt and password.
#[must_use]
pub fn hashed(password: &str) -> String {
    let salt = *b"salt";
    let hash = Sha256::new().chain_update(salt).chain_update(password).finalize();
    STANDARD.encode([&salt[..], &hash[..]].concat())
}

/// True if an AMQP server answers on the port: it takes connections only after definitions and plugins are in.
fn greets(port: u16) -> bool {
    let ask = || -> io::Result<bool> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut frame = [0; 11];
        stream.read_exact(&mut frame)?;
        // A method frame on channel 0 that begins with connection.start.
        Ok(frame[..3] == [1, 0, 0] && frame[7..] == [0, 10, 0, 10])
    };
    ask().unwrap_or(false)
}
