//! What the proofs share: where the project is, where the reference material is, and how a test says that
//! it could not run.

pub mod checker;
pub mod cluster;
pub mod drive;
pub mod queues;

use std::path::{Path, PathBuf};

/// The project's root folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// The reference material beside the project, or none, said on the test's output and counted by `ops/test`.
///
/// # Panics
/// Where `REQUIRE_SHARED=1` is set and it is absent: CI must not skip.
#[must_use]
pub fn shared(test: &str) -> Option<PathBuf> {
    let shared = root().join("../shared");
    if shared.is_dir() {
        return Some(shared);
    }
    assert!(
        std::env::var("REQUIRE_SHARED").as_deref() != Ok("1"),
        "{test} needs the folder shared/ beside the project, and REQUIRE_SHARED=1 forbids to skip it"
    );
    println!("skipped: {test} (no ../shared)");
    None
}

/// True in the long form of the guarantee tests (`./ops/test --long`).
#[must_use]
pub fn long() -> bool {
    std::env::var_os("BUDSTIKKE_LONG").is_some()
}
