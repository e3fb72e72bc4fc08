//! The verdict on every official sample, with the official schema files, equals the manifest's.

#![expect(clippy::unwrap_used, reason = "a test")]

use message_schemas::Limits;
use message_schemas::schema::SchemaSet;
use message_schemas::xml;
use std::path::PathBuf;

/// `../shared/kith` beside the workspace, if it is there.
fn kith() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/kith");
    if root.is_dir() {
        return Some(root);
    }
    assert!(std::env::var_os("REQUIRE_SHARED").is_none(), "no ../shared, and REQUIRE_SHARED is set");
    println!("skipped: official samples (no ../shared)");
    None
}

fn official(kith: &std::path::Path) -> SchemaSet {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(kith.join("schemas")).unwrap() {
        let path = entry.unwrap().path();
        files.push((path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()));
    }
    let (set, report) = SchemaSet::load(files).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.alternatives.len(), 1, "{:?}", report.alternatives);
    let henvisning = &report.alternatives[0];
    assert_eq!(
        (&*henvisning.used, &*henvisning.passed_over),
        ("Henvisning-v0.91.xsd", "Henvisning-v0.9.xsd")
    );
    set
}

#[test]
fn every_sample_has_the_verdict_of_the_manifest() {
    let Some(kith) = kith() else { return };
    let set = official(&kith);
    let manifest = std::fs::read_to_string(kith.join("manifest.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut counts = [0; 3];
    for row in manifest.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (file, expected) = (columns[0], columns[8]);
        let bytes = std::fs::read(kith.join("examples").join(file)).unwrap();
        let verdict = xml::decode(&bytes).and_then(|d| set.validate(&d.text, &Limits::default()));
        let found = match &verdict {
            Ok(v) if v.valid => "y",
            Ok(_) => "n",
            Err(_) => "-",
        };
        counts[["y", "n", "-"].iter().position(|w| *w == found).unwrap()] += 1;
        if found != expected {
            wrong.push(format!("{file}: {found}, manifest {expected}"));
            match &verdict {
                Ok(v) => wrong.extend(v.findings.iter().take(4).map(|f| format!("    {f}"))),
                Err(f) => wrong.push(format!("    {f}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{} lines", wrong.join("\n"), wrong.len());
    assert_eq!(counts, [243, 8, 4]);
}

#[test]
fn the_findings_on_invalid_samples_say_what_the_manifest_says() {
    let Some(kith) = kith() else { return };
    let set = official(&kith);
    for (file, code, line, path) in [
        (
            "ebxml/2.0/Acknowledgment-Description.xml",
            "V02",
            31,
            "/Envelope/Header/Acknowledgment/Reference[1]",
        ),
        ("dialogmelding-innbygger/helsepersonell/Utdrag_rel-1.xml", "V01", 2, "/Conversation"),
        (
            "dialogmelding-innbygger/opppgave/1.1/Oppgave-Helsepersonell-Skjemaoppgave_til_utfylling.xml",
            "V11",
            76,
            "/MsgHead/Document[2]/RefDoc/Content/Map",
        ),
    ] {
        let bytes = std::fs::read(kith.join("examples").join(file)).unwrap();
        let decoded = xml::decode(&bytes).unwrap();
        let verdict = set.validate(&decoded.text, &Limits::default()).unwrap();
        let first = &verdict.findings.as_slice()[0];
        assert_eq!((first.code.as_str(), first.line, first.path.as_str()), (code, line, path), "{first}");
    }
}
