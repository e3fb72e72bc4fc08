//! Nothing of a message is lost, and the same message gives the same bytes.

use crate::{Sample, everything, official};
use message_schemas::document::view::{self, View};
use message_schemas::document::{self, Outcome};
use std::collections::BTreeMap;

/// What the tables say is not mapped (document-sharing §6): envelope and transport, what an order behind a report says of
/// the order's own message and lines, ids that say `NULL`, and markup that would run. None of it is said of the patient.
const NOT_OF_THE_RECORD: &[&str] = &[
    "envelope",
    "transport",
    "cover of the payload",
    "state of an order line",
    "not mapped for an order behind a report",
    "NULL: missing",
    "kind of an id that is not there",
    "markup that is not let through",
];

#[test]
fn every_text_of_a_valid_message_is_mapped_or_told() {
    let mut faults: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut messages, mut texts) = (0, 0);
    for sample in official() {
        for (name, document) in sample.documents() {
            messages += 1;
            for line in document.coverage.lines(&sample.tree) {
                // Attributes are codes and their texts: those with words must be there, envelope or not.
                let carries_text =
                    !line.path.contains("/@") || line.path.ends_with("/@DN") || line.path.ends_with("/@OT");
                if !carries_text {
                    continue;
                }
                texts += 1;
                if line.outcome == Outcome::Dropped
                    && !NOT_OF_THE_RECORD.iter().any(|reason| line.reason.starts_with(reason))
                {
                    let place = format!("{}: {}", generic(&line.path), line.reason);
                    faults.entry(place).or_default().push(name.clone());
                }
            }
        }
    }
    println!(
        "{messages} documents of official messages, {texts} texts: mapped or told but for {}",
        faults.len()
    );
    let listed: Vec<String> =
        faults.iter().map(|(place, names)| format!("{place} ({})", names.len())).collect();
    assert!(faults.is_empty(), "lost:\n{}", listed.join("\n"));
}

/// A path without its positions.
fn generic(path: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

#[test]
fn the_same_message_gives_the_same_bytes_in_every_form() {
    let mut families = BTreeMap::new();
    for sample in everything() {
        for ((name, one), (_, two)) in sample.documents().into_iter().zip(sample.documents()) {
            assert!(one.json == two.json, "{name}: JSON");
            assert_eq!(document::fhir_xml(&one.json), document::fhir_xml(&two.json), "{name}: XML");
            let html = |json: &[u8]| view::html(&View::read(json).unwrap_or_else(|e| panic!("{name}: {e}")));
            assert!(html(&one.json) == html(&two.json), "{name}: HTML");
            *families.entry(family(&sample)).or_insert(0) += 1;
        }
    }
    println!("documents by family: {families:?}");
    assert!(families.contains_key("svarrapport"));
}

fn family(sample: &Sample) -> String {
    sample.name.split('-').nth(1).unwrap_or_default().to_owned()
}
