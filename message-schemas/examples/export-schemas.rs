//! Reads a folder of XSD files and writes the same schemas out in our own layout.
//!
//! ```text
//! cargo run -p message-schemas --example export-schemas -- FROM TO
//! ```
//!
//! This is how `message-schemas/schemas/` was made. The result is read back and compared with what was
//! read before anything is written; the exit code is 1 if the two differ.

use message_schemas::schema::{SchemaSet, diff, export};
use std::path::Path;
use std::process::ExitCode;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        eprintln!("usage: export-schemas FROM TO");
        return ExitCode::from(2);
    };
    match run(from.as_ref(), to.as_ref()) {
        Ok(files) => {
            println!("{files} files written");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(from: &Path, to: &Path) -> Result<usize, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "xsd") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, std::fs::read(&path)?));
        }
    }
    let (set, report) = SchemaSet::load(files)?;
    for alternative in &report.alternatives {
        println!("{} gives way to {}", alternative.passed_over, alternative.used);
    }
    let written = export::export(set.model());
    let (again, _) = SchemaSet::load(written.iter().map(|(n, t)| (n.clone(), t.clone().into_bytes())))?;
    let differences = diff::diff(set.model(), again.model());
    if !differences.is_empty() {
        let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
        return Err(format!("the export differs from what was read:\n{}", lines.join("\n")).into());
    }
    std::fs::create_dir_all(to)?;
    for (name, text) in &written {
        std::fs::write(to.join(name), text)?;
    }
    Ok(written.len())
}
