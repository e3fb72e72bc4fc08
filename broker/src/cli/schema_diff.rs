//! `schema-diff`: what differs between two schema sets.

use super::{Format, json_line};
use crate::exit::{Failure, Verdict};
use crate::schemas;
use message_schemas::schema::{SchemaSet, diff};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Compare two schema sets: content models, attributes and simple types, by what they mean.
///
/// Each is a folder of XSD files, or the word `builtin` for the schemas that this program carries.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke schema-diff builtin official-xsds/
  budstikke schema-diff labsvar-1.3/ labsvar-1.4/ --format json

Exit codes: 0 the sets are equal, 1 they differ.")]
pub(super) struct Command {
    /// The first set.
    #[arg(value_name = "DIR|builtin")]
    first: PathBuf,
    /// The second set.
    #[arg(value_name = "DIR|builtin")]
    second: PathBuf,
    /// How to print; JSON is one difference a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let (first, second) = (load(&self.first)?, load(&self.second)?);
        let differences = diff::diff(first.model(), second.model());
        for difference in &differences {
            match self.format {
                Format::Text => writeln!(out, "{difference}")?,
                Format::Json => json_line(out, difference)?,
            }
        }
        if self.format == Format::Text {
            match differences.len() {
                0 => writeln!(out, "The two sets are equal.")?,
                1 => writeln!(out, "1 difference.")?,
                many => writeln!(out, "{many} differences.")?,
            }
        }
        Ok(Verdict::of(differences.is_empty()))
    }
}

fn load(named: &Path) -> Result<SchemaSet, Failure> {
    let folder = Some(named).filter(|name| name.as_os_str() != "builtin");
    schemas::load(folder).map_err(Failure::Config)
}
