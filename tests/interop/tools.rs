//! Other people's programs, and a folder to meet them in.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use system_tests::root;
use tempfile::TempDir;

/// True if the program is there; else prints what is skipped, or fails if oracles are required.
pub(crate) fn have(program: impl AsRef<OsStr>, argument: &str, test: &str) -> bool {
    let program = program.as_ref();
    let status = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if status.is_ok_and(|s| s.success()) {
        return true;
    }
    let required = std::env::var_os("REQUIRE_ORACLES").is_some_and(|v| v == "1");
    let name = program.to_string_lossy();
    assert!(!required, "{test} needs {name}, and REQUIRE_ORACLES=1 forbids to skip it");
    println!("skipped: {test} ({name} is not installed)");
    false
}

/// A folder for one test, gone when it is over.
pub(crate) struct Desk(TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    /// Runs a program in the folder. Its output, or what it complained of.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let output = Command::new(program).args(arguments).current_dir(self.path()).output().unwrap();
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)))
        }
    }

    /// Runs a program that takes one job a line and gives one line for each.
    pub(crate) fn batch(&self, program: &Path, arguments: &[&OsStr], jobs: &[String]) -> Vec<String> {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let list = jobs.join("\n");
        let writer = std::thread::spawn(move || input.write_all(list.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success(), "{} failed", program.display());
        let lines: Vec<String> =
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), jobs.len(), "one answer for each job");
        lines
    }
}

/// A file of this test.
pub(crate) fn beside(name: &str) -> PathBuf {
    root().join("tests/interop").join(name)
}

/// The folder that everything is built into.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
