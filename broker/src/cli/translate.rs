//! `translate`: a message as shared documents, in the form that is asked for.

use super::output::{self, Readable};
use super::{files, json_line, publish};
use crate::config::Config;
use crate::exit::{Failure, Verdict};
use crate::renderings;
use message_schemas::document::view::{self, View};
use message_schemas::document::{self, Options, Outcome, SharedDocument};
use message_schemas::xml::{self, Tree};
use message_schemas::{Finding, Limits};
use serde::Serialize;
use sharing::codes::{Code, list};
use sharing::target::Environment;
use sharing::{Kind, Target};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Translate a message into shared documents: FHIR R4, or pages for people.
///
/// What can be read is translated, whether the message is valid or not. Most messages give one document; a message
/// with several reports gives one for each.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke translate report.xml | jq .
  budstikke translate --to fhir-xml report.xml --out bundle.xml
  budstikke translate --to pdf referral.xml --out referral.pdf
  budstikke translate --to html referral.xml > referral.html
  budstikke translate report.xml --report
  budstikke translate report.xml --report=losses.jsonl > bundle.json
  budstikke translate --to mhd report.xml --config broker.toml --target store

Exit codes: 0 translated, 1 there is no document in it; standard error says why.")]
pub(super) struct Command {
    /// The message; `-` is standard input.
    file: PathBuf,
    /// The form to give the documents.
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    to: Form,
    /// Write to this file instead of standard output. Several documents are numbered: `out.pdf` becomes
    /// `out-1.pdf`, `out-2.pdf`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write over what is there.
    #[arg(long, requires = "out")]
    force: bool,
    /// Tell what became of every piece of the source: one JSON object a line with path, outcome (mapped, narrative
    /// or dropped) and reason, and the totals in the last line. Without FILE, or with `-`, it is printed instead
    /// of the documents.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    report: Option<PathBuf>,
    /// For `mhd` and `xds`: the target whose settings the metadata follow, by its name under `publish` in `--config`.
    /// Without it they are shown with the example OID 2.999 and a general practice setting.
    #[arg(long, value_name = "NAME", requires = "config")]
    target: Option<String>,
    /// The configuration file that names the target.
    #[arg(long, value_name = "FILE", requires = "target")]
    config: Option<PathBuf>,
}

/// What a document can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Form {
    /// FHIR R4 Bundle in JSON, one a line.
    #[default]
    FhirJson,
    /// The same in XML.
    FhirXml,
    /// For people, on paper: PDF/A.
    Pdf,
    /// For people, on a screen: one HTML file that needs no other.
    Html,
    /// As it is published by IHE MHD (ITI-65): the transaction with metadata and documents.
    Mhd,
    /// As it is published by IHE XDS.b (ITI-41): the SOAP package, after its header.
    Xds,
}

impl Form {
    /// How it is published, where it is a form to publish in.
    const fn publishes(self) -> Option<Kind> {
        match self {
            Self::Mhd => Some(Kind::Mhd),
            Self::Xds => Some(Kind::Xds),
            Self::FhirJson | Self::FhirXml | Self::Pdf | Self::Html => None,
        }
    }

    /// `target` is where the forms to publish in would go; `original` is the message as it came.
    fn write(
        self,
        document: &SharedDocument,
        original: &[u8],
        target: Option<&Target>,
    ) -> Result<Vec<u8>, String> {
        match self {
            Self::FhirJson => {
                let mut line = document.json.clone();
                line.push(b'\n');
                Ok(line)
            }
            Self::FhirXml => document::fhir_xml(&document.json).map_err(|fault| fault.to_string()),
            Self::Pdf => renderings::pdf(document),
            Self::Html => {
                let view = View::read(&document.json).map_err(|fault| fault.to_string())?;
                Ok(view::html(&view))
            }
            Self::Mhd | Self::Xds => {
                let kind = self.publishes().unwrap_or(Kind::Mhd);
                let example = example(kind, document);
                let target = target.unwrap_or(&example);
                // The time of submission is the message's own: the same message gives the same bytes.
                let made = publish::made(document, original, &[], target, document.generated);
                let told = |code: &str, why: &str| format!("{why}. See: budstikke explain {code}");
                let submission = made.map_err(|refusal| told(refusal.code(), &refusal.to_string()))?;
                publish::wire(&submission, target, document.keys.set()).map_err(|failure| failure.to_string())
            }
        }
    }

    /// One behind the other, several of them can still be told apart.
    const fn joins(self) -> bool {
        matches!(self, Self::FhirJson)
    }

    const fn is_text(self) -> bool {
        !matches!(self, Self::Pdf)
    }
}

/// A target that nobody has, to show how a document would be published.
fn example(kind: Kind, document: &SharedDocument) -> Target {
    let environment = if document.synthetic_patient { Environment::Test } else { Environment::Production };
    let mut target = Target::new(kind, environment, "2.999");
    target.families.insert(document.described.family);
    target.source_root = Some("2.999".to_owned());
    target.practice = Some(Code::new(list("8655"), "A", "Andre helsehjelpsområder"));
    target
}

/// How many pieces of the source ended where.
#[derive(Debug, Default, Serialize)]
struct Totals {
    mapped: usize,
    narrative: usize,
    dropped: usize,
}

#[derive(Debug, Default, Serialize)]
struct LastLine {
    totals: Totals,
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
        match &self.report {
            Some(path) if files::is_stdin(path) => {
                return report(&documents, &tree, out).map(|()| Verdict::Good);
            }
            Some(path) => {
                let mut file = BufWriter::new(File::create(path).map_err(Failure::file(path))?);
                report(&documents, &tree, &mut file)?;
                file.flush().map_err(Failure::file(path))?;
            }
            None => {}
        }
        let target = self.target()?;
        self.write(&documents, &bytes, target.as_ref(), out)
    }

    fn target(&self) -> Result<Option<Target>, Failure> {
        let (Some(name), Some(config)) = (&self.target, &self.config) else { return Ok(None) };
        let Some(kind) = self.to.publishes() else {
            return Err(Failure::Usage(
                "--target says where mhd and xds would go; the other forms go nowhere".into(),
            ));
        };
        let target = publish::named(&Config::load(config).map_err(Failure::Config)?, name)?.target();
        let fits = (target.kind == Kind::Xds) == (kind == Kind::Xds);
        if !fits {
            return Err(Failure::Usage(format!("the target {name:?} is not spoken to in this form")));
        }
        Ok(Some(target))
    }

    fn write(
        &self,
        documents: &[SharedDocument],
        original: &[u8],
        target: Option<&Target>,
        out: &mut dyn Write,
    ) -> Result<Verdict, Failure> {
        let to_output = self.out.as_deref().is_none_or(files::is_stdin);
        if to_output && !self.to.is_text() && io::stdout().is_terminal() {
            return Err(Failure::Usage(
                "a PDF is no text for a terminal; name a file with --out, or send it into one with >"
                    .to_owned(),
            ));
        }
        if to_output && documents.len() > 1 && !self.to.joins() {
            return Err(Failure::Usage(format!(
                "the message holds {} documents, which cannot follow one another in this form; name a file with --out",
                documents.len()
            )));
        }
        for (n, document) in documents.iter().enumerate() {
            let bytes = match self.to.write(document, original, target) {
                Ok(bytes) => bytes,
                Err(fault) => {
                    crate::exit::say(&format!("Not written: {fault}."));
                    return Ok(Verdict::Negative);
                }
            };
            match self.out.as_deref().filter(|_| !to_output) {
                Some(path) if documents.len() > 1 => {
                    output::write(&numbered(path, n + 1), &bytes, Readable::ByOwner, self.force)?;
                }
                Some(path) => output::write(path, &bytes, Readable::ByOwner, self.force)?,
                None => out.write_all(&bytes)?,
            }
        }
        Ok(Verdict::Good)
    }
}

fn report(documents: &[SharedDocument], tree: &Tree, out: &mut dyn Write) -> Result<(), Failure> {
    let mut last = LastLine::default();
    for line in documents.iter().flat_map(|document| document.coverage.lines(tree)) {
        match line.outcome {
            Outcome::Mapped => last.totals.mapped += 1,
            Outcome::Narrative => last.totals.narrative += 1,
            Outcome::Dropped => last.totals.dropped += 1,
        }
        json_line(out, &line)?;
    }
    json_line(out, &last)
}

/// `out.pdf` as `out-2.pdf`.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{number}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{number}"),
    };
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_documents_are_numbered_before_the_ending() {
        assert_eq!(numbered(Path::new("a/out.pdf"), 2), Path::new("a/out-2.pdf"));
        assert_eq!(numbered(Path::new("out"), 1), Path::new("out-1"));
    }
}
