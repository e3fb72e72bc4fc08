//! `kill -9` of the real process under load, again and again, on the embedded journal.
//!
//! The checker stands outside and holds only what was offered, what was acknowledged and what came out:
//! nothing acknowledged is lost or changed, no receiver is handed two different things under one id, the
//! broker writes exactly one receipt where it answers, and the books balance. 50 kills; `--long` 1,000.

use message_schemas::{Limits, head, xml};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use system_tests::drive::{Hospital, Region, clock, files, sample, terminate};
use uuid::Uuid;

/// Template, and where its receiver's deliveries come out: a folder, or the hospital.
const KINDS: [(&str, Option<&str>); 3] = [
    ("dialogmelding/accepted-1.1", Some("specialist")),
    ("plo/innleggelsesrapport-1.6", Some("municipality")),
    ("henvisning/accepted-2.0", None),
];

/// What was offered: by MsgId, with its kind.
type Offered = Mutex<BTreeMap<String, (usize, Arc<[u8]>)>>;

/// Offers letters over HTTP, each until it is acknowledged. Never forgets one.
fn offer(region: &Region, lane: usize, offered: &Offered, acknowledged: &AtomicUsize, stop: &AtomicBool) {
    let mut number = 0usize;
    while !stop.load(Ordering::Relaxed) {
        let kind = (lane + number) % KINDS.len();
        number += 1;
        let template = String::from_utf8(sample(KINDS[kind].0)).expect("the templates are UTF-8");
        let old = head::read(&template, &Limits::default()).expect("a head").msg_id.expect("an id");
        let id = Uuid::now_v7().to_string();
        let bytes: Arc<[u8]> = template.replace(old.as_str(), &id).into_bytes().into();
        offered.lock().expect("no panic").insert(id.clone(), (kind, Arc::clone(&bytes)));
        // Every fifth comes by folder, where done/ acknowledges.
        if number.is_multiple_of(5) {
            region.put(&id, &bytes).expect("the inbox can be written");
            acknowledged.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        loop {
            match region.post(&id, &bytes) {
                Ok((202, _)) => break,
                Ok((409 | 400 | 404 | 413, body)) => panic!("a lawful offer is refused: {body}"),
                Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

fn open_recipients(region: &Region) -> Option<u64> {
    let (_, text) = region.ask(&["ledger", "--format", "json"]).ok()?;
    let ledger: Value = serde_json::from_str(text.lines().next()?).ok()?;
    let open = |book: &str| {
        let book = ledger.get(book)?;
        Some(["waiting", "sending", "unsure"].iter().filter_map(|s| book.get(*s)?.as_u64()).sum::<u64>())
    };
    Some(open("messages")? + open("receipts")?)
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
    let hospital = Arc::new(Hospital::default());
    hospital.open(region.hospital, |_| ());
    let offered: Arc<Offered> = Arc::default();
    let (acknowledged, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let lanes: Vec<_> = (0..4)
        .map(|lane| {
            let (region, offered) = (Arc::clone(&region), Arc::clone(&offered));
            let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
            std::thread::spawn(move || offer(&region, lane, &offered, &acknowledged, &stop))
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
        || open_recipients(&region) != Some(0)
    {
        assert!(clock() < deadline, "it does not come to rest: {:?} open", open_recipients(&region));
        std::thread::sleep(Duration::from_millis(200));
    }
    let (code, ledger) = region.ask(&["ledger"]).expect("the ledger");
    assert_eq!(code, Some(0), "the books do not balance:\n{ledger}");
    assert!(terminate(&mut process).expect("it can be signalled"), "the broker does not end well");

    check(&region, &offered.lock().expect("no panic"), &hospital);
    println!(
        "crashes: {kills} kills, {} letters acknowledged, {} repeats recognised by the hospital, {:.0} s",
        acknowledged.load(Ordering::Relaxed),
        hospital.repeats(),
        (clock() - began).as_secs_f64()
    );
    std::fs::remove_dir_all(&region.folder).ok();
}

/// What the folders and the hospital hold, against what was offered.
fn check(region: &Region, offered: &BTreeMap<String, (usize, Arc<[u8]>)>, hospital: &Hospital) {
    let mut out: BTreeMap<String, Vec<Arc<[u8]>>> = BTreeMap::new();
    for folder in ["specialist", "municipality"] {
        for (id, bytes) in messages_in(&region.out(folder)) {
            out.entry(id).or_default().push(bytes);
        }
    }
    assert_eq!(hospital.changed(), Vec::<String>::new(), "different bytes came under one key");
    for bytes in hospital.has().into_values() {
        out.entry(msg_id(&bytes).expect("a message")).or_default().push(bytes);
    }
    let mut receipts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for sender in ["gp", "granheim", "laboratory", "citizens"] {
        for file in xml_files(&region.out(sender)) {
            let text = String::from_utf8(std::fs::read(file).expect("a receipt")).expect("UTF-8");
            let head = head::read(&text, &Limits::default()).expect("a receipt");
            let original = head.receipt.expect("a receipt").original_id.expect("an original").key();
            receipts.entry(original).or_default().insert(head.msg_id.expect("an id").key());
        }
    }
    for (id, (kind, bytes)) in offered {
        let came = out.get(id).map_or(&[][..], Vec::as_slice);
        assert_eq!(came.len(), 1, "letter {id} of kind {kind} came out {} times", came.len());
        assert!(came.iter().all(|b| b == bytes), "letter {id} was changed");
        let answered = receipts.get(id).map_or(0, BTreeSet::len);
        let due = usize::from(KINDS[*kind].1 == Some("specialist"));
        assert_eq!(answered, due, "letter {id} of kind {kind} has {answered} receipts");
    }
    assert_eq!(out.len(), offered.len(), "something came out that was never offered");
}

fn xml_files(folder: &Path) -> Vec<std::path::PathBuf> {
    files(folder).into_iter().filter(|f| f.extension().is_some_and(|e| e == "xml")).collect()
}

fn messages_in(folder: &Path) -> Vec<(String, Arc<[u8]>)> {
    let read = |file| {
        let bytes: Arc<[u8]> = std::fs::read(file).expect("a delivery").into();
        Some((msg_id(&bytes)?, bytes))
    };
    xml_files(folder).into_iter().filter_map(read).collect()
}

fn msg_id(bytes: &[u8]) -> Option<String> {
    let text = xml::decode(bytes).ok()?.text.into_owned();
    Some(head::read(&text, &Limits::default()).ok()?.msg_id?.key())
}
