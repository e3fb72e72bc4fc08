//! Documents to try things on: our own samples, and the official ones where they are.

use std::path::{Path, PathBuf};

/// `../shared` beside the workspace, if it is there.
pub(crate) fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if let Ok(root) = root.canonicalize() {
        return Some(root);
    }
    assert!(std::env::var_os("REQUIRE_SHARED").is_none(), "no ../shared, and REQUIRE_SHARED is set");
    println!("skipped: no ../shared");
    None
}

/// Every XML file of our own samples, and every official example.
pub(crate) fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../message-schemas/samples"), &mut found);
    assert!(!found.is_empty());
    if let Some(shared) = shared() {
        collect(&shared.join("kith/examples"), &mut found);
    }
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|e| e == "xml") {
            found.push(path);
        }
    }
}
