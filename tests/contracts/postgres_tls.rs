//! The way to a journal on another machine: protected as `ops/postgresql/` has it, from the store and from the real binary.
//! Whoever is not who it should be, on either side, is refused in words that say what to mend, and no secret is among them.

#[path = "../../adapters/tests/support/pki.rs"]
mod pki;

use super::make::{With as _, commit, message, message_id};
use adapters::postgres::{Mode, Options, PostgresStore};
use broker_core::ports::{Store as _, StoreError};
use pki::Pki;
use servers::Postgres;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use system_tests::drive::{binary, launch, terminate, until_ready};
use system_tests::root;
use tempfile::TempDir;

/// The role, as ops has it: the common name of a broker's certificate.
const ROLE: &str = servers::postgres::USER;

/// A server that runs with the files of ops, and the certificates of both sides.
struct Secured {
    server: Postgres,
    folder: TempDir,
    /// Where a broker tells of its health.
    admin: SocketAddr,
    /// Of the server's CA, with a certificate of the broker's.
    good: Pki,
    /// Of another CA.
    other: Pki,
}

fn ops(name: &str) -> String {
    fs::read_to_string(root().join("ops/postgresql").join(name)).expect("it is there")
}

impl Secured {
    fn start(test: &str) -> Option<Self> {
        if !servers::available(test) {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let make = |name: &str, client: &str| {
            let folder = folder.path().join(name);
            fs::create_dir(&folder).expect("a folder");
            Pki::make(&folder, client)
        };
        let (good, other) = (make("good", ROLE), make("other", ROLE));
        let read = |path: &Path| fs::read(path).expect("it was made");
        let settings = ops("tls.conf");
        let settings: Vec<(&str, &str)> = settings
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once(" = "))
            .map(|(name, value)| (name, value.trim_matches('\'')))
            .collect();
        assert!(settings.contains(&("ssl", "on")), "{settings:?}");
        // Tests are no user of that machine: the administrator comes with the password.
        let hba = ops("pg_hba.conf").replace("peer", "scram-sha-256");
        let (roots, server) = (read(&good.roots), (read(&good.server.0), read(&good.server.1)));
        let files: [(&str, &[u8]); 4] = [
            ("pg_hba.conf", hba.as_bytes()),
            ("server.crt", &server.0),
            ("server.key", &server.1),
            ("brokers-ca.crt", &roots),
        ];
        let server = Postgres::start_with(&settings, &files).expect("the server starts");
        server.sql("postgres", &format!("CREATE DATABASE budstikke OWNER {ROLE}")).expect("a database");
        let admin = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        Some(Self { server, folder, admin, good, other })
    }

    /// A line of settings, as ops/README.md has it.
    fn line(&self, host: &str, roots: &Path, client: Option<&Pki>) -> String {
        let port = self.server.port();
        let own = client.map(|pki| {
            let (certificate, key) = &pki.client;
            fs::set_permissions(key, fs::Permissions::from_mode(0o600)).expect("it is ours");
            format!(" sslcert={} sslkey={}", certificate.display(), key.display())
        });
        format!(
            "host={host} port={port} dbname=budstikke user={ROLE} sslmode=verify-full sslrootcert={}{}",
            roots.display(),
            own.unwrap_or_default()
        )
    }

    fn options(&self, line: &str, mode: Mode) -> Options {
        let password_file = Some(self.server.password_file());
        Options { password_file, ..Options::new(line.parse().expect("a line"), mode) }
    }

    /// Why the store is not opened.
    async fn refused(&self, line: &str) -> String {
        match PostgresStore::open(self.options(line, Mode::Run)).await {
            Err(StoreError::Unavailable(why)) => why,
            other => panic!("{line}: {other:?}"),
        }
    }

    /// What a command of the real binary says with this line in its settings, and its exit code.
    fn command(&self, words: &[&str], line: &str) -> (Option<i32>, String) {
        let output = Command::new(binary()).args(words).arg(self.config(line)).output().expect("it runs");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), said)
    }

    fn config(&self, line: &str) -> std::path::PathBuf {
        let at = |name: &str| self.folder.path().join(name);
        fs::write(at("parties.toml"), "").expect("written");
        fs::write(
            at("broker.toml"),
            format!(
                "parties = [\"parties.toml\"]\n[log]\nlevel = \"trace\"\n[journal]\npostgres = \"{line}\"\n\
                 password_file = \"{}\"\n[sources.folders.inbox]\npath = \"in\"\n[destinations.gp]\nfolder = \"out\"\n[admin]\nbind = \"{}\"\n",
                self.server.password_file().display(),
                self.admin,
            ),
        )
        .expect("written");
        at("broker.toml")
    }

    /// Nothing that is secret is in it.
    fn assert_silent(&self, said: &str) {
        assert!(!said.contains(self.server.password()), "it shows the password");
        for key in [&self.good.client.1, &self.other.client.1] {
            let text = fs::read_to_string(key).expect("a key");
            let inside = text.lines().find(|line| !line.starts_with("-----")).expect("base64");
            assert!(!said.contains(inside) && !said.contains("PRIVATE KEY"), "it shows a key");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_is_reached_over_tls_by_brokers_with_a_certificate_and_by_nobody_else() {
    let Some(secured) = Secured::start("postgres_tls") else { return };
    let Secured { good, other, folder, .. } = &secured;
    let line = secured.line("127.0.0.1", &good.roots, Some(good));
    let store = PostgresStore::open(secured.options(&line, Mode::Run)).await.expect("the journal opens");
    commit(&store, message(1).to("folder:a")).await;
    assert!(store.message(message_id(1)).await.expect("a search").is_some());
    let open = "SELECT count(*) FILTER (WHERE s.ssl AND s.client_dn = '/CN=budstikke'), count(*)
        FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'budstikke'";
    let counted = secured.server.sql("budstikke", open).expect("the administrator may ask");
    let (protected, all) = counted.trim().split_once('|').expect("two numbers");
    assert!(protected == all && protected != "0", "some connections are open: {counted}");
    store.close().await;

    // The server is not who it should be.
    let roots = &good.roots;
    for (line, wanted) in [
        (secured.line("127.0.0.1", &other.roots, Some(good)), "of no CA that is trusted here"),
        (secured.line("localhost", roots, Some(good)), "not made out to the name in host"),
        // We are not: another CA's certificate, none, one without its key, files that are not there or hold something else.
        (secured.line("127.0.0.1", roots, Some(other)), "the server refuses ours"),
        (secured.line("127.0.0.1", roots, None), "valid client certificate"),
        (line.replace(&good.client.1.display().to_string(), &other.client.1.display().to_string()), "sslkey"),
        (line.replace("roots.pem", "no-such.pem"), "no-such.pem cannot be read"),
        (line.replace("budstikke.key", "no-such.key"), "no-such.key cannot be read"),
        (line.replace("budstikke.key", "budstikke.pem"), "look at sslcert and sslkey"),
        // Not at all protected: the server takes no such connection.
        (line.replace("verify-full", "disable"), "pg_hba.conf"),
    ] {
        let said = secured.refused(&line).await;
        assert!(said.contains(wanted), "{wanted}: {said}");
        secured.assert_silent(&said);
    }
    let mut wrong = secured.options(&line, Mode::Run);
    let file = secured.folder.path().join("sesame");
    fs::write(&file, "sesame\n").expect("written");
    wrong.password_file = Some(file);
    let said = PostgresStore::open(wrong).await.expect_err("a wrong password").to_string();
    assert!(said.contains("SQLSTATE 28P01") && !said.contains("sesame"), "{said}");

    // A server without TLS, of whom it is asked.
    let plain = Postgres::start(&[]).expect("the server starts");
    let to_plain = line.replace(&secured.server.port().to_string(), &plain.port().to_string());
    let said = secured.refused(&to_plain).await;
    assert!(said.contains("does not support TLS") && said.contains("ssl at the server"), "{said}");

    // The real binary, at the level of logs that shows most.
    let (checking, running) = (["check"], ["run", "--config"]);
    let (code, said) = secured.command(&checking, &line);
    assert_eq!(code, Some(0), "{said}");
    secured.assert_silent(&said);
    let log = folder.path().join("log");
    let mut broker = launch(&secured.config(&line), Some(&log)).expect("it starts");
    until_ready(&mut broker, secured.admin, std::time::Duration::from_secs(60)).expect("it is ready");
    assert!(terminate(&mut broker).expect("it ends"));
    secured.assert_silent(&fs::read_to_string(log).expect("a log"));
    for (line, wanted) in [
        (secured.line("localhost", roots, Some(good)), "not made out to the name in host"),
        (secured.line("127.0.0.1", &other.roots, Some(good)), "of no CA that is trusted here"),
    ] {
        let (code, said) = secured.command(&checking, &line);
        assert!(
            code == Some(3) && said.contains("journal.postgres") && said.contains(wanted),
            "{code:?} {said}"
        );
        secured.assert_silent(&said);
        let (code, said) = secured.command(&running, &line);
        assert!(code == Some(4) && said.contains(wanted), "{code:?} {said}");
        secured.assert_silent(&said);
    }
    fs::set_permissions(&good.client.1, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let (_, said) = secured.command(&checking, &line);
    assert!(said.contains("may be read by every user"), "{said}");
}
