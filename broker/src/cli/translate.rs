//! `translate`: a message as shared documents.

use super::{files, json_line};
use crate::exit::{Failure, Verdict};
use message_schemas::document::{self, Options};
use message_schemas::xml::{self, Tree};
use message_schemas::{Finding, Limits};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// Translate a laboratory report into FHIR R4 documents, one Bundle a line on standard output.
///
/// What can be read is translated, whether the message is valid or not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke translate report.xml | jq .
  budstikke translate report.xml --report losses.jsonl > bundle.json
  budstikke translate report.xml --report - | grep dropped

Exit codes: 0 translated, 1 there is no document in it; standard error says why.")]
pub(super) struct Command {
    /// The message; `-` is standard input.
    file: PathBuf,
    /// Write what became of every piece of the source: one JSON object a line with path, outcome (mapped,
    /// narrative or dropped) and reason. `-` prints it instead of the documents.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let limits = Limits::default();
        let bytes = files::read_message(&self.file, limits.message_bytes)?;
        let read = || -> Result<(String, Tree), Finding> {
            let text = xml::decode(&bytes)?.text.into_owned();
            let tree = Tree::parse(&text, &limits)?;
            Ok((text, tree))
        };
        let (text, tree) = match read() {
            Ok(read) => read,
            Err(finding) => {
                crate::exit::say(&format!("Not translated: {finding}"));
                return Ok(Verdict::Negative);
            }
        };
        let documents = match document::translate(&text, &tree, &Options::default()) {
            Ok(documents) => documents,
            Err(fault) => {
                crate::exit::say(&format!(
                    "Not translated: {fault}. See: budstikke explain {}.",
                    fault.code()
                ));
                return Ok(Verdict::Negative);
            }
        };
        let lines = || documents.iter().flat_map(|document| document.coverage.lines(&tree));
        match &self.report {
            Some(path) if files::is_stdin(path) => {
                return lines().try_for_each(|line| json_line(out, &line)).map(|()| Verdict::Good);
            }
            Some(path) => {
                let mut report = BufWriter::new(File::create(path).map_err(Failure::file(path))?);
                lines().try_for_each(|line| json_line(&mut report, &line))?;
                report.flush().map_err(Failure::file(path))?;
            }
            None => {}
        }
        for document in &documents {
            out.write_all(&document.json)?;
            out.write_all(b"\n")?;
        }
        Ok(Verdict::Good)
    }
}
