//! Documents in all their forms, over every sample there is: ours, and the official ones beside the project.
//!
//! What is tested here holds for every family and knows none: that nothing of a source is lost, that the same message
//! gives the same bytes, that the XML says what the JSON says, and that HL7's own validator has nothing to say that
//! is not explained.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test")]

mod both_ways;
mod hl7;
mod nothing_lost;
mod pages;

use message_schemas::document::{self, Fault, Options, SharedDocument};
use message_schemas::{Limits, xml};
use std::path::{Path, PathBuf};

/// A message with the documents that it gives.
struct Sample {
    /// Family and file, and whose it is: `ours-epikrise-accepted-1.2`.
    name: String,
    text: String,
    tree: xml::Tree,
}

impl Sample {
    fn read(name: String, bytes: &[u8]) -> Option<Self> {
        let text = xml::decode(bytes).ok()?.text.into_owned();
        let tree = xml::Tree::parse(&text, &Limits::default()).ok()?;
        Some(Self { name, text, tree })
    }

    fn translate(&self) -> Result<Vec<SharedDocument>, Fault> {
        document::translate(&self.text, &self.tree, &Options::default())
    }

    /// The documents with a name for each; none if this is no message that is translated.
    fn documents(&self) -> Vec<(String, SharedDocument)> {
        let documents = self.translate().unwrap_or_default();
        let several = documents.len() > 1;
        let name = |n: usize| if several { format!("{}-{}", self.name, n + 1) } else { self.name.clone() };
        documents.into_iter().enumerate().map(|(n, document)| (name(n), document)).collect()
    }
}

/// Every file below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_path_buf()];
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { ahead.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Our samples, valid or not.
fn ours() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let messages = files(&root).into_iter().filter(|path| path.ends_with("in.xml"));
    let read = messages.filter_map(|path| {
        let case = path.parent().unwrap().strip_prefix(&root).unwrap().to_string_lossy().replace('/', "-");
        Sample::read(format!("ours-{case}"), &std::fs::read(path).unwrap())
    });
    read.collect()
}

/// The valid official samples, if they are there.
fn official() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/kith");
    if !root.is_dir() {
        assert!(
            std::env::var_os("REQUIRE_SHARED").is_none(),
            "REQUIRE_SHARED is set, and there is no ../shared"
        );
        println!("skipped: the forms of official samples (no ../shared)");
        return Vec::new();
    }
    let manifest = std::fs::read_to_string(root.join("manifest.tsv")).unwrap();
    let rows = manifest.lines().skip(1).map(|row| row.split('\t').collect::<Vec<_>>());
    let valid = rows.filter(|columns| columns[8] == "y").filter_map(|columns| {
        let bytes = std::fs::read(root.join("examples").join(columns[0])).unwrap();
        let name = columns[0].trim_end_matches(".xml").replace(['/', ' '], "-");
        Sample::read(format!("official-{name}"), &bytes)
    });
    valid.collect()
}

fn everything() -> Vec<Sample> {
    let mut all = ours();
    all.extend(official());
    all
}
