//! The journal's server is away for longer than any restart takes: senders keep theirs, somebody is woken once, and all goes on
//! by itself when it is back.

use serde_json::json;
use servers::Postgres;
use std::io;
use std::time::Duration;
use system_tests::drive::{Region, books, call, files, sample, terminate};

/// When somebody must have been woken: half a minute, and time for a busy machine.
const WOKEN: Duration = Duration::from_secs(90);

#[test]
fn a_journal_that_stays_away_wakes_somebody_once_and_loses_nothing() {
    if servers::postgres("a_journal_that_stays_away_wakes_somebody_once").is_none() {
        return;
    }
    let server = Postgres::start(&[]).expect("a server of its own");
    let database = server.database("journal").expect("a database");
    let journal = format!(
        "postgres = {}\npassword_file = {}",
        json!(server.place(&database)),
        json!(server.password_file())
    );
    let region = Region::lay_out("journal-away", |s| s.replace("path = \"journal.db\"", &journal));
    let region = region.expect("a region");
    let log = region.folder.join("broker.log");
    let mut process = region.start(Some(&log)).expect("the broker starts");
    let (status, answer) = region.post("before", &sample("epikrise/accepted-1.2")).expect("an answer");
    assert_eq!(status, 202, "{answer}");

    server.stop().expect("the server stops");
    region.put("meanwhile.xml", &sample("dialogmelding/accepted-1.1")).expect("the inbox can be written");
    let letter = sample("svarrapport/document-biochemistry-1.4");
    let (status, answer) = region.post("away", &letter).expect("an answer");
    assert_eq!(status, 503, "{answer}");
    let page = |path| call(region.admin, "GET", path, "", &[], b"").map(|(_, text)| text);
    let woken = || -> io::Result<Option<()>> {
        let alarms = "budstikke_alarms_total{reason=\"P68\"} 1";
        Ok(page("/metrics")?.contains(alarms).then_some(()))
    };
    servers::wait_for("somebody is woken", WOKEN, woken).expect("P68 is counted");
    let health = page("/health/ready").expect("an answer");
    assert!(health.contains("\"ready\":false") && health.contains("journal_unavailable"), "{health}");

    server.start_again().expect("the server starts again");
    let ready = || Ok(page("/health/ready")?.contains("\"ready\":true").then_some(()));
    servers::wait_for("it is ready again", WOKEN, ready).expect("by itself");
    let (status, answer) = region.post("away", &letter).expect("an answer");
    assert_eq!(status, 202, "{answer}");
    let taken = || Ok(files(&region.folder.join("inbox")).is_empty().then_some(()));
    servers::wait_for("the inbox is read again", WOKEN, taken).expect("by itself");
    let told = std::fs::read_to_string(&log).expect("the log");
    assert_eq!(told.matches("P68").count(), 2, "one line, which names its code and its page: {told}");
    let books = books(&region.config()).expect("the ledger answers");
    assert!(books.balance, "{books:?}");
    assert_eq!(books.letters, 3);
    assert!(terminate(&mut process).expect("it can be signalled"), "it drains");
    std::fs::remove_dir_all(&region.folder).ok();
}
