//! Personal data never leaves the payload: not in logs at the highest level, metrics, file names, health, nor
//! in what any command prints unless it was asked for by `--show-patient`.
//!
//! Every sample goes through the real binary. What is searched for is planted in the samples: the national
//! ids, names and birth dates of patients, and every text of more than a few words.

use message_schemas::xml::{self, Tree};
use message_schemas::{Limits, head};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use system_tests::drive::{Region, call, terminate};
use system_tests::root;

fn samples() -> Vec<PathBuf> {
    let mut list = Vec::new();
    let folder = root().join("message-schemas/samples");
    for family in std::fs::read_dir(folder).expect("samples").flatten() {
        for case in std::fs::read_dir(family.path()).expect("cases").flatten() {
            list.push(case.path().join("in.xml"));
        }
    }
    list.retain(|f| f.is_file());
    list.sort();
    list
}

/// What must not be found anywhere outside of the payload.
fn planted(bytes: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let Ok(decoded) = xml::decode(bytes) else { return found };
    if let Ok(head) = head::read(&decoded.text, &Limits::default())
        && let Some(patient) = head.patient
    {
        found.extend(patient.idents.into_iter().map(|i| i.value));
        found.extend(patient.name.into_iter().map(|n| n.0));
    }
    let Ok(tree) = Tree::parse(&decoded.text, &Limits::default()) else { return found };
    for node in tree.nodes().filter(|n| !n.is_element()) {
        let text = node.own_text().trim();
        let name = node.parent().map_or("", xml::Node::name);
        let personal =
            matches!(name, "FamilyName" | "GivenName" | "MiddleName" | "OffId" | "DateOfBirth" | "StreetAdr");
        let in_patient =
            std::iter::successors(node.parent(), |n| n.parent()).any(|n| n.name().contains("Patient"));
        // Names of enterprises and texts of code lists are not personal; running text may be.
        let prose = text.split_whitespace().count() >= 5;
        if (personal && in_patient) || prose {
            found.insert(text.to_owned());
        }
    }
    found.retain(|t| t.len() >= 5);
    found
}

#[test]
fn personal_data_stays_in_the_payload() {
    let region =
        Region::lay_out("privacy", |s| s.replace("level = \"warn\"", "level = \"trace\"")).expect("a region");
    let log = region.folder.join("broker.log");
    let mut process = region.start(Some(&log)).expect("the broker starts");
    let mut secrets = BTreeSet::new();
    let files = samples();
    assert!(files.len() > 50, "the samples are there");
    for (number, file) in files.iter().enumerate() {
        let bytes = std::fs::read(file).expect("a sample");
        secrets.extend(planted(&bytes));
        if number.is_multiple_of(2) {
            region.post(&format!("privacy-{number}"), &bytes).expect("an answer");
        } else {
            region.put(&format!("privacy-{number}"), &bytes).expect("the inbox can be written");
        }
    }
    // The panicking kinds of input, too: what a fault prints must not quote what it met.
    for (number, file) in files.iter().enumerate().step_by(3) {
        let bytes = std::fs::read(file).expect("a sample");
        let half = bytes.get(..bytes.len() * 2 / 3).expect("two thirds");
        region.post(&format!("broken-{number}"), half).expect("an answer");
    }
    std::thread::sleep(Duration::from_secs(3));
    let mut seen: Vec<(String, String)> = Vec::new();
    for path in ["/metrics", "/health/ready", "/health/live"] {
        seen.push((path.to_owned(), call(region.admin, "GET", path, "", &[], &[]).expect("an answer").1));
    }
    for arguments in [
        &["ledger"][..],
        &["dead-letter", "list"],
        &["dead-letter", "list", "--format", "json"],
        &["messages", "--limit", "1000"],
        &["messages", "--limit", "1000", "--format", "json"],
    ] {
        seen.push((arguments.join(" "), region.ask(arguments).expect("an answer").1));
    }
    for file in &files {
        let bytes = std::fs::read(file).expect("a sample");
        let Ok(decoded) = xml::decode(&bytes) else { continue };
        let Some(id) = head::read(&decoded.text, &Limits::default()).ok().and_then(|h| h.msg_id) else {
            continue;
        };
        seen.push((format!("GET {}", file.display()), region.state(id.as_str()).expect("an answer").1));
    }
    assert!(terminate(&mut process).expect("it can be signalled"), "the broker does not end well");
    seen.push(("the log".to_owned(), std::fs::read_to_string(&log).expect("a log")));
    let mut names = String::new();
    let mut folders = vec![region.folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            names.push_str(&entry.file_name().to_string_lossy());
            names.push('\n');
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    seen.push(("file names".to_owned(), names));

    assert!(secrets.len() > 10, "the samples hold what must not be seen, not only {}", secrets.len());
    let log_lines = seen.iter().find(|(w, _)| w == "the log").map_or(0, |(_, t)| t.lines().count());
    assert!(log_lines > files.len(), "at the highest level there is much to search: {log_lines} lines");
    for (place, text) in &seen {
        for secret in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "{place} shows what only the payload may hold ({} letters)",
                secret.len()
            );
        }
    }
    println!("privacy: {} places, {} planted texts, {log_lines} lines of log", seen.len(), secrets.len());
    std::fs::remove_dir_all(&region.folder).ok();
}
