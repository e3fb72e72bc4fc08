//! Broken messages: reading a head neither panics nor loses who sent the message.

use jiff::Timestamp;
use message_schemas::head::{self, HeadReader, Settings};
use message_schemas::{HerId, Limits, rules, xml};
use std::path::{Path, PathBuf};

fn samples() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("in.xml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The sender's HER-id as far as it can be read; the rules are run for their own sake.
fn sender(text: &str) -> Option<HerId> {
    let mut reader = HeadReader::new();
    xml::read(text, &Limits::default(), &mut reader).ok()?;
    if let Ok(head) = reader.finish(&Settings::default()) {
        let findings = rules::check(&head, &reader, text, Timestamp::UNIX_EPOCH, 100);
        assert!(findings.iter().all(|f| f.line > 0 && !f.path.is_empty()), "{findings:?}");
    }
    reader.addressing().sender?.her_id()
}

/// A line with one whole element: it can be dropped, doubled or moved, and the text stays well-formed.
fn is_leaf(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('<')
        && !line.starts_with("<?")
        && (line.ends_with("/>") || (line.contains("</") && !line.starts_with("</")))
        // One element: what lies in it may need names that are declared around it.
        && line.matches('<').count() <= 2
}

/// The prefix of the element in a line.
fn prefix(line: &str) -> Option<&str> {
    let name = line.trim().trim_start_matches('<').split([' ', '>', '/']).next()?;
    Some(name.split_once(':')?.0)
}

#[test]
fn no_leaf_dropped_doubled_or_moved_loses_the_sender() {
    let mut tried = 0;
    for path in samples() {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let Some(known) = sender(&text) else { continue };
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.len() - 1;
        for at in (0..lines.len()).filter(|i| is_leaf(lines[*i])) {
            let context = |what: &str| format!("{}: line {} {what}", path.display(), at + 1);
            let mut doubled = lines.clone();
            doubled.insert(at, lines[at]);
            assert_eq!(sender(&doubled.join("\n")), Some(known), "{}", context("doubled"));
            let mut dropped = lines.clone();
            dropped.remove(at);
            let mut moved = dropped.clone();
            moved.insert(last - 1, lines[at]);
            // Without its own HER-id, or the kind of it, nobody is named.
            let of_sender = lines[at].contains(&known.to_string())
                || (at > 0 && lines[at - 1].contains(&known.to_string()))
                || lines[at].contains("PartyId");
            // A name whose prefix is declared further in is nowhere known where it is moved to.
            let bound = prefix(lines[at]).is_none_or(|prefix| {
                let declared = format!("xmlns:{prefix}=");
                lines.iter().take_while(|line| !is_leaf(line)).any(|line| line.contains(&declared))
            });
            let moved = bound.then(|| (moved.join("\n"), "moved"));
            for (text, what) in [(dropped.join("\n"), "dropped")].into_iter().chain(moved) {
                let found = sender(&text);
                assert!(of_sender || found == Some(known), "{}", context(what));
            }
            tried += 3;
        }
    }
    assert!(tried > 5_000, "{tried}");
}

#[test]
fn a_document_that_breaks_off_anywhere_is_read_as_far_as_it_goes() {
    let (mut cut, mut salvaged) = (0, 0);
    for path in samples() {
        let bytes = std::fs::read(&path).expect("a sample");
        for end in (0..bytes.len()).step_by(61) {
            let part = bytes.get(..end).expect("a part");
            cut += 1;
            if let Some(found) = head::salvage(part) {
                assert!(found.sender.is_some_and(|s| s.her_id().is_some()));
                salvaged += 1;
            }
        }
    }
    assert!(salvaged * 4 > cut && salvaged < cut, "{salvaged} of {cut}");
}

#[test]
fn nothing_that_repeats_costs_more_than_it_weighs() {
    let party = "<Requester><HCP><Inst><Id>7</Id><TypeId V=\"HER\"/></Inst></HCP></Requester>";
    let copy = party.replace("Requester", "CopyDest");
    let text = format!(
        "<Message xmlns=\"http://www.kith.no/xmlstds/rekvisisjon/2012-02-15\"><ServReq>{}{}</ServReq></Message>",
        party.repeat(20_000),
        copy.repeat(20_000)
    );
    assert_eq!(sender(&text), None, "there is no HER-id on level 2");
    let nested = format!("<Message><ServReq>{}", "<Requester>".repeat(190));
    assert!(head::salvage(nested.as_bytes()).is_none());
    assert!(head::salvage("ServReq<ServReq ".repeat(50_000).as_bytes()).is_none());
}
