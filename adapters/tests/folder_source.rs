//! Messages picked up from a real folder.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "a test fails by panicking")]

mod support;

use adapters::budget::Options as Budget;
use adapters::folder::{Error, Source, SourceOptions};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Journal, Mood, until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    dir: tempfile::TempDir,
    journal: Journal,
    stop: CancellationToken,
    run: JoinHandle<()>,
}

fn quick(path: &Path) -> SourceOptions {
    let mut options = SourceOptions::new(path.to_owned());
    options.poll = Duration::from_millis(20);
    options.settle = Duration::from_millis(60);
    options
}

fn start_in(dir: tempfile::TempDir, journal: Journal, budget: Budget) -> Running {
    let stop = CancellationToken::new();
    let source = Source::build("folder:in", quick(dir.path()), journal.intake(budget)).unwrap();
    let run = tokio::spawn(source.run(stop.clone()));
    Running { dir, journal, stop, run }
}

fn start() -> Running {
    start_in(tempfile::tempdir().unwrap(), Journal::new(), Budget::default())
}

impl Running {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, content: &str) {
        fs::write(self.at(name), content).unwrap();
    }

    async fn stopped(self) -> (tempfile::TempDir, Journal) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.run).await.expect("stops").unwrap();
        (self.dir, self.journal)
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_taken_once_and_moved() {
    let running = start();
    running.put("a.xml", "<a/>");
    until("it is moved", || running.at("done/a.xml").exists()).await;
    assert_eq!(running.journal.bodies(), ["<a/>"]);
    let (dir, journal) = running.stopped().await;
    assert_eq!(names(dir.path()), ["done", "refused"]);
    let taken = journal.taken.lock().unwrap();
    assert_eq!(taken[0].source, "folder:in");
    assert!(!taken[0].idempotency_key.as_ref().unwrap().contains("a.xml"), "the key tells no name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_file_lies_beside_its_report() {
    let running = start();
    running.put("Hansen Kari.xml", "<refuse me>");
    until("it is moved", || running.at("refused/Hansen Kari.xml").exists()).await;
    let report = fs::read_to_string(running.at("refused/Hansen Kari.xml.report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let id = running.journal.taken.lock().unwrap()[0].id;
    assert_eq!(
        (&report["id"], &report["verdict"], &report["reason"]),
        (&serde_json::json!(id), &serde_json::json!("refused"), &serde_json::json!("P03"))
    );
    assert!(!report.to_string().contains("Hansen"));
    assert_eq!(names(&running.at("refused")).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_still_being_written_is_left_alone() {
    let running = start();
    for piece in 0..15 {
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(running.at("slow.xml"))
            .and_then(|mut f| std::io::Write::write_all(&mut f, format!("{piece},").as_bytes()))
            .unwrap();
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    until("it is moved", || running.at("done/slow.xml").exists()).await;
    assert_eq!(running.journal.bodies(), ["0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_finished_plain_file_is_left_alone() {
    let running = start();
    fs::write(running.dir.path().join("done/target.xml"), "not for us").unwrap();
    symlink(running.at("done/target.xml"), running.at("link.xml")).unwrap();
    fs::create_dir(running.at("sub")).unwrap();
    for name in ["sub/deep.xml", ".hidden.xml", "a.xml.part", "a.TMP", "a.filepart"] {
        running.put(name, "left alone");
    }
    running.put("last.xml", "taken");
    until("the last is moved", || running.at("done/last.xml").exists()).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(running.journal.bodies(), ["taken"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    for (name, age) in [("a.xml", 300), ("b.xml", 100), ("c.xml", 200)] {
        fs::write(dir.path().join(name), name).unwrap();
        let file = fs::File::options().write(true).open(dir.path().join(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(age)).unwrap();
    }
    let running = start_in(dir, Journal::new(), Budget::default());
    until("all are taken", || running.journal.bodies().len() == 3).await;
    assert_eq!(running.journal.bodies(), ["b.xml", "c.xml", "a.xml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_come_again_are_kept_apart() {
    let running = start();
    for content in ["one", "two", "three", "two"] {
        running.put("same.xml", content);
        let before = running.journal.bodies().len();
        until("it is taken", || running.journal.bodies().len() > before && !running.at("same.xml").exists())
            .await;
    }
    let kept = names(&running.at("done"));
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert!(kept.iter().all(|n| n.starts_with("same.") && n.ends_with("xml")), "{kept:?}");
    assert_eq!(running.journal.bodies(), ["one", "two", "three", "two"], "put there anew, offered anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_commit_and_move_doubles_nothing() {
    let running = start();
    running.journal.set(Mood::DieAfterCommit);
    running.put("a.xml", "<a/>");
    until("it is committed", || running.journal.bodies().len() == 1).await;
    running.run.abort(); // no tidying up
    assert!(running.at("a.xml").exists());

    let Running { dir, journal, .. } = running;
    journal.set(Mood::Take);
    let again = start_in(dir, journal, Budget::default());
    until("it is moved", || again.at("done/a.xml").exists()).await;
    assert_eq!(again.journal.bodies(), ["<a/>"]);
    assert!(*again.journal.offered.lock().unwrap() >= 2, "it was offered again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_journal_holds_the_inbox_and_loses_nothing() {
    let running = start();
    running.journal.set(Mood::Full);
    for n in 0..5 {
        running.put(&format!("{n}.xml"), &n.to_string());
    }
    until("one was offered", || *running.journal.offered.lock().unwrap() > 0).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(*running.journal.offered.lock().unwrap() <= 5, "the source does not spin");
    assert!((0..5).all(|n| running.at(&format!("{n}.xml")).exists()));
    running.journal.set(Mood::Take);
    until("all are moved", || names(&running.at("done")).len() == 5).await;
    assert_eq!(running.journal.bodies().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_file_is_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    let file = fs::File::create(dir.path().join("huge.xml")).unwrap();
    file.set_len(1 << 40).unwrap(); // a hole: reading it would take for ever
    let running = start_in(dir, Journal::new(), Budget::default());
    running.put("a.xml", "<a/>");
    until("both are moved", || running.at("refused/huge.xml").exists() && running.at("done/a.xml").exists())
        .await;
    let report = fs::read_to_string(running.at("refused/huge.xml.report.json")).unwrap();
    assert!(report.contains("1099511627776 bytes"), "{report}");
    assert_eq!(running.journal.bodies(), ["<a/>"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_budget_goes_through_in_turn() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..40 {
        fs::write(dir.path().join(format!("{n}.xml")), "x".repeat(900)).unwrap();
    }
    let running = start_in(dir, Journal::new(), Budget { message_bytes: 1000, total_bytes: 2000 });
    until("all are moved", || names(&running.at("done")).len() == 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_file_stops_nothing_and_is_taken_once_it_can_be_read() {
    let running = start();
    running.put("secret.xml", "secret");
    fs::set_permissions(running.at("secret.xml"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(running.at("secret.xml")).is_ok() {
        println!("skipped: rights do not bind this user");
        return;
    }
    running.put("a.xml", "<a/>");
    until("the other is moved", || running.at("done/a.xml").exists()).await;
    fs::set_permissions(running.at("secret.xml"), fs::Permissions::from_mode(0o600)).unwrap();
    until("it is moved", || running.at("done/secret.xml").exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_moved_are_moved_later_and_taken_once() {
    let running = start();
    fs::remove_dir(running.at("done")).unwrap();
    running.put("done", "a file where the folder should be"); // and itself an offer
    running.put("a.xml", "<a/>");
    until("both are taken", || running.journal.bodies().len() == 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(running.at("a.xml").exists());
    fs::rename(running.at("done"), running.at("away.tmp")).unwrap();
    fs::create_dir(running.at("done")).unwrap();
    until("it is moved", || running.at("done/a.xml").exists()).await;
    assert_eq!(running.journal.bodies().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_for_what_was_offered() {
    let running = start();
    for n in 0..100 {
        running.put(&format!("{n}.xml"), "x");
    }
    until("some are taken", || !running.journal.bodies().is_empty()).await;
    let (dir, journal) = running.stopped().await;
    assert_eq!(names(&dir.path().join("done")).len(), journal.bodies().len(), "all that was taken was moved");
}

#[tokio::test]
async fn folders_must_differ() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = quick(dir.path());
    options.done = Some(dir.path().to_owned());
    let built = Source::build("folder:in", options, Journal::new().intake(Budget::default()));
    assert!(matches!(built, Err(Error::Same { .. })));
}
