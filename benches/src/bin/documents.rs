//! What a shared document costs on one core, family by family: FHIR as JSON and XML, HTML, and pages.
//!
//! `cargo run --release -p benchmarks --bin documents [SECONDS] [FAMILY]` spends so long on each row (1), on the families
//! whose name begins so (all). A family is measured by its largest sample that is translated; the laboratory also by
//! the report of 19.4 KB that the other programs use.

use benchmarks::{lab, measure};
use message_schemas::Limits;
use message_schemas::document::view::{self, View};
use message_schemas::document::{self, Options};
use message_schemas::xml::{self, Tree};
use mimalloc::MiMalloc;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// As in the broker: a document is some thousand small pieces of memory.
#[global_allocator]
static MEMORY: MiMalloc = MiMalloc;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().map_or(Ok(1.0), |s| s.parse())?;
    let only = arguments.next().unwrap_or_default();
    let bench = Bench { about: Duration::from_secs_f64(seconds) };

    // First of all, while nothing else has grown the process.
    for (name, results, attachment) in [("20 KB", lab::USUAL, 0), ("5 MB", lab::USUAL, 5_000_000)] {
        let message = lab::report(1, results, attachment);
        let before = measure::memory("self", "VmHWM");
        let documents = translated(&message)?;
        let grown = measure::memory("self", "VmHWM").saturating_sub(before);
        println!(
            "{name}: {} bytes in, {} bytes out, at most {} KB more memory held",
            message.len(),
            documents.iter().map(|d| d.json.len()).sum::<usize>(),
            grown >> 10
        );
    }
    if "laboratory".starts_with(&only) {
        bench.rows("laboratory, 20 KB", &lab::report(1, lab::USUAL, 0))?;
    }
    for (family, message) in largest()? {
        if family.starts_with(&only) {
            bench.rows(&family, &message)?;
        }
    }
    println!("most memory held: {} MB", measure::memory("self", "VmHWM") >> 20);
    Ok(())
}

fn translated(message: &str) -> Result<Vec<document::SharedDocument>, Failure> {
    let tree = Tree::parse(message, &Limits::default()).map_err(|f| f.message)?;
    Ok(document::translate(message, &tree, &Options::default())?)
}

/// The largest sample of each family that gives a document.
fn largest() -> Result<Vec<(String, String)>, Failure> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../message-schemas/samples");
    let mut families: Vec<_> = std::fs::read_dir(samples)?.filter_map(Result::ok).map(|e| e.path()).collect();
    families.sort();
    let mut found = Vec::new();
    for family in families.iter().filter(|path| path.is_dir()) {
        let mut largest: Option<String> = None;
        for case in std::fs::read_dir(family)?.filter_map(Result::ok) {
            let Ok(bytes) = std::fs::read(case.path().join("in.xml")) else { continue };
            let Ok(decoded) = xml::decode(&bytes) else { continue };
            let text = decoded.text.into_owned();
            let longer = largest.as_ref().is_none_or(|known| text.len() > known.len());
            if longer && translated(&text).is_ok_and(|documents| !documents.is_empty()) {
                largest = Some(text);
            }
        }
        let name = family.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.extend(largest.map(|text| (name, text)));
    }
    Ok(found)
}

/// How many pages a PDF has, by poppler, where that is installed: they are packed away where no search of ours finds them.
fn sheets(pdf: &[u8]) -> Option<u32> {
    let mut file = tempfile::NamedTempFile::new().ok()?;
    file.write_all(pdf).ok()?;
    let told = Command::new("pdfinfo").arg(file.path()).output().ok()?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    told.lines().find_map(|line| line.strip_prefix("Pages:"))?.trim().parse().ok()
}

struct Bench {
    about: Duration,
}

impl Bench {
    fn rows(&self, name: &str, message: &str) -> Result<(), Failure> {
        let limits = Limits::default();
        let documents = translated(message)?;
        let document = documents.first().ok_or("no document")?;
        let view = View::read(&document.json)?;
        let pdf = pages::pdf(&view)?;
        let count = sheets(&pdf);
        println!(
            "{name}: {} bytes in; JSON {}, XML {}, HTML {}, PDF {} bytes on {} pages",
            message.len(),
            document.json.len(),
            document::fhir_xml(&document.json)?.len(),
            view::html(&view).len(),
            pdf.len(),
            count.map_or("? (no pdfinfo)".to_owned(), |count| count.to_string()),
        );
        self.row("message to FHIR JSON", || {
            let tree = Tree::parse(message, &limits).expect("it is XML");
            document::translate(message, &tree, &Options::default()).is_ok()
        });
        self.row("FHIR JSON to XML", || document::fhir_xml(&document.json).is_ok());
        self.row("FHIR JSON to view", || View::read(&document.json).is_ok());
        self.row("view to HTML", || view::html(&view).len());
        let rate = self.row("view to PDF", || pages::pdf(&view).is_ok());
        if let Some(count) = count {
            println!("  {:<32} {:>9.0}/s", "pages", rate * f64::from(count));
        }
        Ok(())
    }

    /// Measures and prints; how often a second, by the median.
    fn row<T>(&self, name: &str, work: impl FnMut() -> T) -> f64 {
        let taken = measure::repeat(self.about, work);
        let (median, fastest) = taken.rates();
        println!(
            "  {name:<32} {:>9.1} µs ({:>9.1} at best) {median:>9.0}/s ({fastest:>9.0})",
            taken.median.as_secs_f64() * 1e6,
            taken.fastest.as_secs_f64() * 1e6,
        );
        median
    }
}
