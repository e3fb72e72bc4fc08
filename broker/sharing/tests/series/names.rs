//! By what series and messages are found.

use message_schemas::Limits;
use message_schemas::document::{self, Options};
use message_schemas::xml::{self, Tree};
use sharing::series::FAMILIES;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).expect("samples");
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect()
}

/// Whoever looks for a document by its id asks for it family by family.
#[test]
fn every_family_of_our_samples_is_named() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../message-schemas/samples");
    let mut met = BTreeSet::new();
    for case in folders(&samples).iter().flat_map(|family| folders(family)) {
        let Ok(bytes) = std::fs::read(case.join("in.xml")) else { continue };
        let Ok(decoded) = xml::decode(&bytes) else { continue };
        let Ok(tree) = Tree::parse(&decoded.text, &Limits::default()) else { continue };
        let documents = document::translate(&decoded.text, &tree, &Options::default()).unwrap_or_default();
        met.extend(documents.iter().filter_map(|d| Some(d.keys.series_key.split_once('|')?.0.to_owned())));
    }
    let known: BTreeSet<String> = FAMILIES.iter().map(|family| (*family).to_owned()).collect();
    assert_eq!(met.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(met.len() >= 8, "{met:?}");
}
