//! Messages, targets and what stands there already.

use jiff::Timestamp;
use message_schemas::Limits;
use message_schemas::document::{self, Format, Options, SharedDocument};
use message_schemas::xml::{self, Tree};
use sharing::codes::{Code, list};
use sharing::target::{Environment, Kind};
use sharing::{Published, Submission, Target};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../message-schemas/samples/svarrapport")
}

/// Our samples that become documents.
pub(crate) fn samples() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("samples")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("document-"))
        .collect();
    names.sort();
    assert!(names.len() >= 10);
    names
}

pub(crate) fn original(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name).join("in.xml")).expect("a sample")
}

pub(crate) fn translated(name: &str) -> Vec<SharedDocument> {
    let bytes = original(name);
    let text = xml::decode(&bytes).expect("text").text.into_owned();
    let tree = Tree::parse(&text, &Limits::default()).expect("XML");
    document::translate(&text, &tree, &Options::default()).expect("a document")
}

/// One of them, with its bytes.
pub(crate) fn document() -> (SharedDocument, Vec<u8>) {
    const NAME: &str = "document-biochemistry-1.4";
    (translated(NAME).remove(0), original(NAME))
}

/// A target for tests, with the defaults of its kind.
pub(crate) fn target(kind: Kind) -> Target {
    let mut target = Target::new(kind, Environment::Test, "2.999.1");
    target.source_root = Some("2.999.2".to_owned());
    target.repository = Some("2.999.3".to_owned());
    target.practice = Some(Code::new(list("8655"), "S03", "Indremedisin"));
    target
}

pub(crate) fn now() -> Timestamp {
    "2026-03-02T10:20:30Z".parse().expect("a time")
}

/// What stands at the target of an earlier submission, of these formats.
pub(crate) fn earlier(submission: &Submission, formats: &[Format]) -> Vec<Published> {
    let mut published = submission.published(|_| None);
    published.retain(|p| formats.contains(&p.format));
    published
}
