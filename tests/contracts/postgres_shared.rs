//! What several brokers on one journal must agree on: how often somebody was told already, and what time it is.

use super::make::{With as _, at, commit, message};
use super::rig::{PostgresRig, Rig as _};
use broker_core::journal::{DocumentKind, Lookup};
use broker_core::ports::Store as _;
use broker_core::transport::{Label, Role};
use message_schemas::HerId;
use std::fs;
use std::net::TcpListener;
use std::time::Duration;
use system_tests::drive::{call, launch, terminate, until_ready};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_told_by_one_broker_count_with_the_others() {
    let Some(rig) = PostgresRig::new("errors_told").await else { return };
    let (one, two) = (rig.open().await, rig.open().await);
    let asked = [vec![Lookup::ErrorsTo { party: HerId(8093), since: at(0) }]];
    for (n, store) in (1..=6).zip([&one, &two].into_iter().cycle()) {
        let mut entry = message(n).receipt_to("folder:a");
        entry.documents[0].kind = DocumentKind::TransportError;
        entry.recipients[0].label = Label { role: Role::Error, ..Label::default() };
        commit(store, entry).await;
        for store in [&one, &two] {
            let known = store.look_up(&asked).await.expect("an answer");
            assert_eq!(
                u128::from(known[0].errors),
                n,
                "the limit is the installation's, and not each broker's"
            );
        }
    }
}

/// For this database alone, the server's clock goes by so much after its own.
fn set_clock(rig: &PostgresRig, seconds: i32) {
    rig.sql(&format!(
        "CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
             'SELECT pg_catalog.clock_timestamp() - make_interval(secs => {seconds})';
         ALTER ROLE {} IN DATABASE {} SET search_path = public, pg_catalog",
        servers::postgres::USER,
        rig.database
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_whose_clock_differs_says_so_until_it_agrees_again() {
    let Some(rig) = PostgresRig::new("clock_differs").await else { return };
    set_clock(&rig, 60);
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let admin = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
    fs::write(path("parties.toml"), "").expect("written");
    let config = format!(
        "parties = [\"parties.toml\"]\n[journal]\npostgres = \"{}\"\npassword_file = \"{}\"\n\
         [sources.folders.inbox]\npath = \"in\"\n[destinations.gp]\nfolder = \"out\"\n[admin]\nbind = \"{admin}\"\n",
        rig.server.place(&rig.database),
        rig.server.password_file().display(),
    );
    fs::write(path("broker.toml"), config).expect("written");
    let mut broker = launch(&path("broker.toml"), Some(&path("log"))).expect("it starts");
    until_ready(&mut broker, admin, Duration::from_secs(60)).expect("it takes messages all the same");
    let health = || call(admin, "GET", "/health/ready", "", &[], &[]).expect("it answers").1;
    let comes = async |what: &str, wanted: &dyn Fn(&str) -> bool| {
        for _ in 0..600 {
            if wanted(&health()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never {what}: {}", health());
    };
    comes("named", &|page| page.contains("clock_differs") && page.contains("ahead of")).await;
    set_clock(&rig, -60);
    comes("the other way", &|page| page.contains("clock_differs") && page.contains("behind")).await;
    set_clock(&rig, 0);
    comes("at ease", &|page| !page.contains("clock_differs")).await;
    assert!(terminate(&mut broker).expect("it ends"));
    let log = fs::read_to_string(path("log")).expect("a log");
    assert!(log.contains("agrees with the journal's again"), "{log}");
}
