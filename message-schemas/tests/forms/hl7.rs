//! Every document before HL7's own validator.
//!
//! `Validate.java` runs it in one JVM over the whole set, without a terminology server. What it says must be explained in
//! `known.tsv`, and what is explained there must still occur: each line is severity, id of the message, a piece of
//! its text, and the reason, between tabs. Two errors are explained: what a national profile demands, and a slip in the R4 schemas.

use crate::{everything, official};
use message_schemas::document;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder that Maven copied the validator into, and the program that drives it; none if it is not installed.
fn validator() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
    let target = target.map_or_else(|| root.join("target"), PathBuf::from);
    let folder = target.join("hl7-validator");
    let runs = Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if folder.join("complete").is_file() && runs.is_ok_and(|status| status.success()) {
        return Some(folder);
    }
    let required = std::env::var_os("REQUIRE_ORACLES").is_some_and(|v| v == "1");
    assert!(!required, "HL7's validator is missing, and REQUIRE_ORACLES is 1: ops/lib.sh installs it");
    println!("skipped: documents before HL7's validator (not installed)");
    None
}

/// A line of `known.tsv`.
struct Known {
    severity: String,
    id: String,
    text: String,
}

fn known() -> Vec<Known> {
    let lines = include_str!("known.tsv").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let known = lines.map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [severity, id, text, reason] = columns.as_slice() else { panic!("four columns: {line}") };
        assert!(reason.len() > 20, "{id}: a reason that explains");
        Known { severity: (*severity).into(), id: (*id).into(), text: (*text).into() }
    });
    known.collect()
}

#[test]
fn hl7s_validator_has_nothing_to_say_that_is_not_explained() {
    let Some(folder) = validator() else { return };
    let desk = tempfile::tempdir().unwrap();
    let mut count = 0;
    for (name, document) in everything().iter().flat_map(crate::Sample::documents) {
        std::fs::write(desk.path().join(format!("{name}.json")), &document.json).unwrap();
        let xml = document::fhir_xml(&document.json).unwrap();
        std::fs::write(desk.path().join(format!("{name}.xml")), xml).unwrap();
        count += 1;
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms/Validate.java");
    let output = Command::new("java")
        .args(["-XX:+UseSerialGC", "-Xmx2g", "-cp"])
        .arg(folder.join("*"))
        .args([&program, desk.path()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the validator did not run");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("checked\t{count}\n")), "all {count} documents are checked");

    let known = known();
    let mut seen = BTreeSet::new();
    let mut unexplained: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for line in text.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, form, severity, id, place, message] = columns.as_slice() else { continue };
        if *severity == "INFORMATION" {
            continue;
        }
        let explains = |k: &Known| k.severity == *severity && k.id == *id && message.contains(&k.text);
        match known.iter().position(explains) {
            Some(at) => {
                seen.insert(at);
            }
            None => {
                let what = format!("{severity} {form} {id}: {message}");
                let entry = unexplained.entry(what).or_insert_with(|| (0, format!("{name}: {place}")));
                entry.0 += 1;
            }
        }
    }
    if let Some(path) = std::env::var_os("HL7_FINDINGS") {
        std::fs::write(path, &text).unwrap();
    }
    let listed: Vec<String> = unexplained
        .iter()
        .map(|(what, (times, first))| format!("{times} times: {what}\n    first {first}"))
        .collect();
    assert!(listed.is_empty(), "{} findings:\n{}", listed.len(), listed.join("\n"));
    if official().is_empty() {
        // Some remarks are about official samples only.
        return;
    }
    let gone: Vec<&str> =
        known.iter().enumerate().filter(|(at, _)| !seen.contains(at)).map(|(_, k)| k.id.as_str()).collect();
    assert!(gone.is_empty(), "explained in known.tsv, and gone: {gone:?}");
    println!("HL7's validator: {count} documents, {} kinds of known warnings", seen.len());
}
