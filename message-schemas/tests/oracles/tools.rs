//! The validators that we are compared with: libxml2's `xmllint` and the one in the JDK.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a validator says of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Valid,
    Invalid,
    Malformed,
}

/// Prints why a part is skipped, or fails if oracles are required.
fn missing(what: &str) {
    let required = std::env::var_os("REQUIRE_ORACLES").is_some_and(|v| v == "1");
    assert!(!required, "{what} is missing, and REQUIRE_ORACLES is 1");
    println!("skipped: comparison with {what} (not installed)");
}

fn runs(program: &str, argument: &str) -> bool {
    let status = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|s| s.success())
}

/// The verdicts of `xmllint`, in the order of the files; none if it is not installed. Without a schema only
/// well-formedness is judged.
pub(crate) fn xmllint(schema: Option<&Path>, folder: &Path, files: &[String]) -> Option<Vec<Verdict>> {
    if !runs("xmllint", "--version") {
        missing("xmllint");
        return None;
    }
    let mut out = Vec::new();
    for batch in files.chunks(1_000) {
        let mut command = Command::new("xmllint");
        command.args(["--nonet", "--noout"]).current_dir(folder);
        if let Some(schema) = schema {
            command.arg("--schema").arg(schema);
        }
        let output = command.args(batch).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        let mut said: HashMap<&str, Verdict> = HashMap::new();
        for line in text.lines() {
            if let Some(file) = line.strip_suffix(" validates") {
                said.insert(file, Verdict::Valid);
            } else if let Some(file) = line.strip_suffix(" fails to validate") {
                said.insert(file, Verdict::Invalid);
            } else if schema.is_none() && line.contains(" error : ") && !line.contains("is not a valid URI") {
                // "FILE:LINE: parser error : ..." or "namespace error : ...". That a namespace name is no URI
                // is told in the same words, but breaks no rule of form (Namespaces in XML 1.0, section 7).
                if let Some((file, _)) = line.split_once(':') {
                    said.insert(file, Verdict::Malformed);
                }
            }
        }
        let silent = if schema.is_some() { Verdict::Malformed } else { Verdict::Valid };
        out.extend(batch.iter().map(|f| said.get(f.as_str()).copied().unwrap_or(silent)));
    }
    Some(out)
}

/// The verdicts of the JDK's validator and the names of the faults that it found first.
pub(crate) fn jdk(schema: &Path, folder: &Path, files: &[String]) -> Option<Vec<(Verdict, Vec<String>)>> {
    if !runs("java", "-version") {
        missing("java");
        return None;
    }
    let program: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "oracles", "Validate.java"].iter().collect();
    let mut child = Command::new("java")
        .arg(program)
        .arg(schema)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let list = files.join("\n");
    let writer = std::thread::spawn(move || stdin.write_all(list.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "java failed");
    let text = String::from_utf8_lossy(&output.stdout);
    let verdicts: Vec<(Verdict, Vec<String>)> = text
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let verdict = match words.next() {
                Some("valid") => Verdict::Valid,
                Some("invalid") => Verdict::Invalid,
                _ => Verdict::Malformed,
            };
            (verdict, words.map(str::to_owned).collect())
        })
        .collect();
    assert_eq!(verdicts.len(), files.len());
    Some(verdicts)
}
