//! `proof` and `verify-proof`: why a message was trusted, in one file, and whether that file holds.

use super::files;
use super::journal;
use super::material::{self, Keys};
use super::output::{self, Readable};
use super::{ConfigArg, Format, json_line};
use crate::exit::{Failure, Verdict, say};
use crate::proof::verify::Means;
use crate::proof::{Case, Check, Checked, Standing, pack, verify};
use crate::protection::load::own_keys;
use adapters::clock::SystemClock;
use broker_core::ContentHash;
use broker_core::ports::{Clock, Store};
use std::io::Write;
use std::path::PathBuf;

/// Write everything that proves why a message was trusted, and what became of it, to one file: its bytes, signatures,
/// certificates, revocation answers as of then, findings, receipts, routing, events. It can be checked on another
/// machine, years later, with `verify-proof`.
///
/// The file holds the message itself: keep it as you keep the message. Where the configuration has a key to sign with,
/// its list of contents is signed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke proof --config broker.toml 4F7K-2M9Q
  budstikke proof --config broker.toml e630b55b-d063-4bfa-8db4-e4b0a22d2451 --out case-4711.zip

Exit codes: 0 written, 1 nothing is known under this id, or it means several messages.")]
pub(super) struct Make {
    #[command(flatten)]
    config: ConfigArg,
    /// Any id of the message, as for `trace`.
    id: String,
    /// The file to write; by default `proof-<id>.zip` here.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write over a file that is there already.
    #[arg(long)]
    force: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Make {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let keys =
            config.trust.as_ref().map(own_keys).transpose().map_err(Failure::Config)?.unwrap_or_default();
        let now = SystemClock::new().now();
        let case = journal::with(&config, async |journal| {
            let found = journal.find(self.id.trim(), 10).await?;
            if let [record] = found.as_slice() {
                return Ok(Ok(Case::fetch(record.clone(), journal).await?));
            }
            Ok(Err(found.iter().map(|record| record.id).collect::<Vec<_>>()))
        })?;
        let case = match case {
            Ok(case) => case,
            Err(others) => return Ok(none_or_several(&others)),
        };
        let key = keys.signing(now);
        let program = concat!("budstikke ", env!("CARGO_PKG_VERSION"));
        let bytes = pack(&case, program, now, key.map(|key| &**key))
            .map_err(|error| Failure::Start(error.to_string()))?;
        let path = self.out.unwrap_or_else(|| PathBuf::from(format!("proof-{}.zip", case.record.id)));
        output::write(&path, &bytes, Readable::ByOwner, self.force)?;
        let signed = key.map(|key| key.certificate().describe());
        match self.format {
            Format::Json => json_line(
                out,
                &serde_json::json!({
                    "file": path, "bytes": bytes.len(), "sha256": ContentHash::of(&bytes),
                    "message": case.record.id, "signed_by": signed,
                }),
            )?,
            Format::Text => {
                writeln!(
                    out,
                    "{}: {} bytes, sha256 {}",
                    path.display(),
                    bytes.len(),
                    ContentHash::of(&bytes)
                )?;
                let whose = signed.as_deref().unwrap_or("nobody: no key to sign with is configured");
                writeln!(out, "  signed by   {whose}")?;
            }
        }
        Ok(Verdict::Good)
    }
}

fn none_or_several(ids: &[message_schemas::MessageId]) -> Verdict {
    if ids.is_empty() {
        say("Nothing is known under this id.");
    } else {
        say("This id means several messages; take one of these:");
        ids.iter().for_each(|id| say(&format!("  {id}")));
    }
    Verdict::Negative
}

/// Check a proof that `proof` wrote: nothing but the file is needed, no network, no journal.
///
/// Every entry is held against its hash; signatures are verified again with the certificates and revocation answers in
/// the file, as of the moment when the message was judged; receipts must answer the message. Name the roots that you
/// trust yourself: without them, the file is only in accord with itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke verify-proof case-4711.zip --trust roots/
  budstikke verify-proof case-4711.zip --trust roots/ --key ours.p12 --password-file secret --format json

Exit codes: 0 it holds, 1 something in it does not.")]
pub(super) struct Verify {
    /// The file.
    file: PathBuf,
    /// Certificates of the CAs that you trust: a file, or a folder of such files; may be given several times.
    #[arg(long, value_name = "FILE|DIR")]
    trust: Vec<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Larger files are no proofs: a message and all that was made from it have a tenth of that.
const LARGEST: usize = 512 << 20;

impl Verify {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let bytes = files::read_message(&self.file, LARGEST)?;
        let keys = self.keys.load()?;
        let anchors = if self.trust.is_empty() { None } else { Some(material::anchors(&self.trust)?) };
        let checked = verify(&bytes, Means { anchors: anchors.as_ref(), keys: &keys });
        match self.format {
            Format::Json => json_line(
                out,
                &serde_json::json!({
                    "file": self.file, "holds": checked.holds(), "message": checked.message, "checks": checked.checks,
                }),
            )?,
            Format::Text => text(out, &self.file.display().to_string(), &checked)?,
        }
        Ok(Verdict::of(checked.holds()))
    }
}

fn text(out: &mut dyn Write, file: &str, checked: &Checked) -> Result<(), Failure> {
    let message = checked.message.map_or_else(String::new, |id| format!(", message {id}"));
    writeln!(out, "{file}: {}{message}", if checked.holds() { "holds" } else { "DOES NOT HOLD" })?;
    for Check { what, standing, told } in &checked.checks {
        let standing = match standing {
            Standing::Holds => "holds",
            Standing::NotChecked => "not checked",
            Standing::Fails => "FAILS",
        };
        writeln!(out, "  {what:<20} {standing:<12} {told}")?;
    }
    Ok(())
}
