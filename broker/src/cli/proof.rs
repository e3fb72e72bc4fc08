//! `proof` and `verify-proof`: why a message was trusted, in one file, and whether that file holds.

use super::files;
use super::journal;
use super::material::{self, Keys};
use super::output::{self, Readable};
use super::{ConfigArg, Format, json_line};
use crate::config::Config;
use crate::exit::{Failure, Verdict, say};
use crate::proof::verify::{Broker, Means};
use crate::proof::{Case, Check, Checked, Outcome, Signer, Standing, pack, verify};
use crate::protection::{Material, beside};
use adapters::clock::SystemClock;
use broker_core::ContentHash;
use broker_core::ports::{Clock, Store};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Write everything that proves why a message was trusted, and what became of it, to one file: its bytes, signatures,
/// certificates, revocation answers as of then, findings, receipts, routing, events. It can be checked on another
/// machine, years later, with `verify-proof`.
///
/// The file holds the message itself: keep it as you keep the message. Where the configuration has a key to sign with,
/// its list of contents is signed, and what is known now of that key's revocation comes along: from the message itself,
/// from trust.revocation.files, and from what the running broker keeps in trust.revocation.cache. Nobody is asked.
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
        let signer = signer(&config, &case, now)?;
        let program = concat!("budstikke ", env!("CARGO_PKG_VERSION"));
        let bytes =
            pack(&case, program, now, signer.as_ref()).map_err(|error| Failure::Start(error.to_string()))?;
        let path = self.out.unwrap_or_else(|| PathBuf::from(format!("proof-{}.zip", case.record.id)));
        output::write(&path, &bytes, Readable::ByOwner, self.force)?;
        let signed = signer.as_ref().map(Signer::describe);
        match self.format {
            Format::Json => json_line(
                out,
                &serde_json::json!({
                    "file": path, "bytes": bytes.len(), "sha256": ContentHash::of(&bytes),
                    "message": case.record.id, "signed_by": signed, "doubt": signer.as_ref().and_then(Signer::doubt),
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
        if let Some(doubt) = signer.as_ref().and_then(Signer::doubt) {
            say(&format!("The signature will not be taken for proven: {doubt}"));
        }
        Ok(Verdict::Good)
    }
}

/// The key to sign with, as the broker would choose it now; none without one, or if it is revoked.
fn signer(config: &Config, case: &Case, now: Timestamp) -> Result<Option<Signer>, Failure> {
    let Some(trust) = &config.trust else { return Ok(None) };
    // Certificates that parties name have no part in it.
    let material = Material::load(trust, BTreeMap::new()).map_err(Failure::Config)?;
    let Some(key) = material.keys.signing(now) else { return Ok(None) };
    let evidence = case.known_of_revocation(beside::evidence(trust, &material.lists, now)?);
    match Signer::judge(key, &material.anchors, &evidence, now) {
        Ok(signer) => Ok(Some(signer)),
        Err(fault) => {
            say(&format!("Our key signs no more, so the list of contents is unsigned: {}", fault.message));
            Ok(None)
        }
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
/// Every entry is held against its hash. Signatures are verified again with the certificates and revocation answers in
/// the file, as of the moment when the message was judged. The record, what is said to have been inside, and each
/// receipt are held against the message's own bytes.
///
/// Whoever can write a file can write one that is in accord with itself. So name the roots that you trust (--trust) and
/// the broker that should have made it (--broker): only then anything is proven, and only then the command succeeds.
///
/// What the sender signed is proven by the sender's signature. What came unsigned, what the broker stopped, and that a
/// sealed message had this inside (unless --key opens it), is the word of the broker, proven by its signature.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke verify-proof case-4711.zip --trust roots/ --broker broker.pem
  budstikke verify-proof case-4711.zip --trust roots/ --broker 310000116 --format json
  budstikke verify-proof case-4711.zip --trust roots/ --broker broker.pem --key ours.p12 --password-file secret

Exit codes: 0 proven: nothing contradicts itself; the broker that was named signed it, with a certificate that leads to
the roots that were given and that the file proves was not revoked when it was made; and every signature of the sender
that was believed holds against those roots. 1 something does not hold (outcome fails), or nothing contradicts itself
but not all of that was proven (outcome not-proven), as without --trust or --broker.")]
pub(super) struct Verify {
    /// The file.
    file: PathBuf,
    /// Certificates of the CAs that you trust: a file, or a folder of such files; may be given several times.
    #[arg(long, value_name = "FILE|DIR")]
    trust: Vec<PathBuf>,
    /// Who should have signed it: a file with the broker's certificate (PEM or DER), or the nine digits of its
    /// organisation number.
    #[arg(long, value_name = "CERT|ORGNR", requires = "trust")]
    broker: Option<String>,
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
        let broker = self.broker.as_deref().map(broker).transpose()?;
        let means = Means { anchors: anchors.as_ref(), broker: broker.as_ref(), keys: &keys };
        let checked = verify(&bytes, means);
        match self.format {
            Format::Json => json_line(
                out,
                &serde_json::json!({
                    "file": self.file, "outcome": checked.outcome(), "message": checked.message,
                    "checks": checked.checks,
                }),
            )?,
            Format::Text => text(out, &self.file.display().to_string(), &checked)?,
        }
        Ok(Verdict::of(checked.outcome() == Outcome::Proven))
    }
}

/// A number that no file is called by, else a file.
fn broker(named: &str) -> Result<Broker, Failure> {
    if named.len() == 9 && named.bytes().all(|b| b.is_ascii_digit()) {
        let number = named.parse().map_err(|error| Failure::Usage(format!("--broker {named}: {error}")))?;
        return Ok(Broker::Organisation(number));
    }
    material::certificate(Path::new(named)).map(Broker::Certificate)
}

fn text(out: &mut dyn Write, file: &str, checked: &Checked) -> Result<(), Failure> {
    let message = checked.message.map_or_else(String::new, |id| format!(", message {id}"));
    let outcome = match checked.outcome() {
        Outcome::Proven => "proven",
        Outcome::NotProven => "in accord with itself, but NOT PROVEN",
        Outcome::Fails => "DOES NOT HOLD",
    };
    writeln!(out, "{file}: {outcome}{message}")?;
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
