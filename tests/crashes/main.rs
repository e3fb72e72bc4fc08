//! `kill -9` of the real process under load, again and again, on the embedded journal.
//!
//! The checker stands outside and holds only what was offered, what was acknowledged and what came out:
//! nothing acknowledged is lost or changed, no receiver is handed two different things under one id, the
//! broker writes exactly one receipt where it answers, and the books balance. 50 kills; `--long` 1,000.

use message_schemas::{Limits, head};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use system_tests::checker::{Checker, Offer};
use system_tests::drive::{Endpoint, Region, books, clock, files, sample, terminate};
use uuid::Uuid;

/// Template, who sends it, where its receiver's deliveries come out, and the receipts that the broker writes itself: only
/// the specialist's system cannot answer.
const KINDS: [(&str, &str, &str, usize); 3] = [
    ("dialogmelding/accepted-1.1", "granheim", "specialist", 1),
    ("plo/innleggelsesrapport-1.6", "granheim", "municipality", 0),
    ("henvisning/accepted-2.0", "gp", "hospital", 0),
];

/// Offers letters over HTTP, each until it is acknowledged. Never forgets one.
fn offer(region: &Region, lane: usize, checker: &Checker, stop: &AtomicBool) {
    let mut number = 0usize;
    while !stop.load(Ordering::Relaxed) {
        let (template, sender, receiver, receipts_due) = KINDS[(lane + number) % KINDS.len()];
        number += 1;
        let template = String::from_utf8(sample(template)).expect("the templates are UTF-8");
        let old = head::read(&template, &Limits::default()).expect("a head").msg_id.expect("an id");
        let id = Uuid::now_v7().to_string();
        let bytes = template.replace(old.as_str(), &id).into_bytes();
        checker.offered(Offer { id: &id, sender, receiver, bytes: &bytes, receipts_due });
        // Every fifth comes by folder, where done/ acknowledges.
        if number.is_multiple_of(5) {
            region.put(&id, &bytes).expect("the inbox can be written");
            checker.confirmed(&id);
            continue;
        }
        loop {
            match region.post(&id, &bytes) {
                Ok((202, _)) => break,
                Ok((409 | 400 | 404 | 413, body)) => panic!("a lawful offer is refused: {body}"),
                Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        checker.confirmed(&id);
    }
}

#[test]
fn a_killed_broker_loses_doubles_and_changes_nothing() {
    let kills = if system_tests::long() { 1_000 } else { 50 };
    let region = Arc::new(
        // Receipts of the receivers' own systems are not part of this test.
        Region::lay_out("crashes", |s| s.replace("default = \"96h\"", "default = \"off\""))
            .expect("a region"),
    );
    let log = region.folder.join("broker.log");
    let (checker, stop) = (Arc::new(Checker::default()), Arc::new(AtomicBool::new(false)));
    let (hospital, taking) = (Arc::new(Endpoint::default()), Arc::clone(&checker));
    hospital.open(region.hospital, move |it| taking.handed("hospital", it.key, it.bytes));
    let lanes: Vec<_> = (0..4)
        .map(|lane| {
            let (region, checker) = (Arc::clone(&region), Arc::clone(&checker));
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || offer(&region, lane, &checker, &stop))
        })
        .collect();

    let began = clock();
    for kill in 0..kills {
        let mut process = region.start(Some(&log)).expect("the broker starts after a kill");
        // A different moment each time; the sequence is fixed, what it hits is not.
        std::thread::sleep(Duration::from_millis(30 + (kill * 97) % 300));
        process.kill().expect("the process can be killed");
        process.wait().expect("it is dead");
    }
    let mut process = region.start(Some(&log)).expect("the broker starts once more");
    stop.store(true, Ordering::Relaxed);
    for lane in lanes {
        lane.join().expect("no offer was refused");
    }
    let deadline = clock() + Duration::from_secs(120);
    while files(&region.folder.join("inbox")).iter().any(|f| f.extension().is_some_and(|e| e == "xml"))
        || books(&region.config()).is_none_or(|b| b.open > 0)
    {
        assert!(clock() < deadline, "it does not come to rest: {:?}", books(&region.config()));
        std::thread::sleep(Duration::from_millis(200));
    }
    let books = books(&region.config()).expect("the ledger");
    assert!(
        books.balance && books.astray == 0,
        "the books do not balance, or something went astray: {books:?}"
    );
    assert!(terminate(&mut process).expect("it can be signalled"), "the broker does not end well");

    hospital.close();
    collect(&region, &checker);
    let figures = checker.verdict().unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(
        books.letters, figures.letters as u64,
        "the books know other letters than those that were offered"
    );
    assert_eq!(
        books.receipts, figures.receipts as u64,
        "the books know other receipts than those that came out"
    );
    println!("crashes: {kills} kills, {figures}, {:.0} s", (clock() - began).as_secs_f64());
    std::fs::remove_dir_all(&region.folder).ok();
}

/// What the folders hold.
fn collect(region: &Region, checker: &Checker) {
    for folder in ["specialist", "municipality", "gp", "granheim", "laboratory", "citizens"] {
        for file in files(&region.out(folder)).iter().filter(|f| f.extension().is_some_and(|e| e == "xml")) {
            let key = file.file_name().expect("a file has a name").to_string_lossy();
            checker.handed(folder, &key, &std::fs::read(file).expect("a delivery"));
        }
    }
}
