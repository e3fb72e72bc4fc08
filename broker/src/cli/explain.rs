//! `explain`: the page of a code.

use super::{Format, json_line};
use crate::exit::{Failure, Verdict};
use std::io::Write;

/// Print what a code means, its usual cause, what to check and what to tell the partner.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke explain P22
  budstikke explain            # all codes
  budstikke explain V06 --format json")]
pub(super) struct Command {
    /// The code, in upper or lower case; without one, all codes are listed.
    code: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let Some(code) = self.code else { return self.list(out) };
        let Some(page) = dead_letter::page(&code) else {
            return Err(Failure::Usage(format!(
                "there is no code {code:?}; without a code, explain lists all"
            )));
        };
        match self.format {
            Format::Text => out.write_all(page.as_bytes())?,
            Format::Json => json_line(out, &entry(&code.to_ascii_uppercase(), page))?,
        }
        Ok(Verdict::Good)
    }

    fn list(&self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        for code in dead_letter::codes() {
            let page = dead_letter::page(code).unwrap_or_default();
            match self.format {
                Format::Text => writeln!(out, "{}", title(page))?,
                Format::Json => json_line(out, &entry(code, page))?,
            }
        }
        Ok(Verdict::Good)
    }
}

fn title(page: &str) -> &str {
    page.lines().next().unwrap_or_default().trim_start_matches('#').trim()
}

fn entry(code: &str, page: &str) -> serde_json::Value {
    serde_json::json!({ "code": code, "title": title(page), "page": page })
}
