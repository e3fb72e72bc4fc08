//! `open`: what a sealed or signed file is, and whether it is to be trusted.

use super::material::{self, Keys, Trust, Trusting};
use super::output::{self, Readable};
use super::{Format, files, json_line};
use crate::exit::{Failure, Verdict};
use adapters::clock::SystemClock;
use broker_core::ContentHash;
use broker_core::ports::Clock;
use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};
use message_schemas::{Finding, Limits, head, xml};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use trust::chain::Cache;
use trust::open::{Context, Directory, Layer, Opened, Summary};
use trust::verified::Proof;
use trust::{Allowed, Certificate, Fault, Kind};

/// Tell what a sealed or signed file is, layer by layer, and whether it is to be trusted.
///
/// Reads sealed and signed envelopes (CMS), signed documents (XML signature), and whole ebXML mails. Works without a
/// key too, and then tells the outside: for whom it is sealed, and how. Nothing of the content is printed; --out writes
/// it, once it is trusted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke open message.p7m
  budstikke open message.p7m --key ours.p12 --password-file secret --trust roots/ --crl issuing.crl
  budstikke open message.p7m --key ours.p12 --password-file secret --trust roots/ --crl issuing.crl --out message.xml
  budstikke open old.p7m --trust roots/ --at 2026-01-15T09:00Z --without-revocation --format text

Exit codes: 0 trusted, 1 refused; the findings say why, and what to do.")]
pub(super) struct Command {
    /// The file; `-` is standard input.
    file: PathBuf,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trusting: Trusting,
    /// The certificate that the sender signs with: any other is refused, and it need not come along.
    #[arg(long, value_name = "FILE")]
    signer: Option<PathBuf>,
    /// Let an algorithm pass that is refused by default; may be given several times.
    #[arg(long, value_name = "ALGORITHM")]
    allow: Vec<Weak>,
    /// Write what was inside to this file, byte for byte, if it is trusted.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write over a file that is there already.
    #[arg(long)]
    force: bool,
    /// How to print.
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
}

/// What an agreement may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Weak {
    /// SHA-1 in signatures.
    Sha1,
    /// Triple DES, for sealing.
    #[value(name = "3des")]
    TripleDes,
}

/// What `open` says.
#[derive(Debug, Serialize)]
struct Report<'a> {
    file: String,
    bytes: usize,
    sha256: ContentHash,
    /// `trusted` or `refused`.
    verdict: &'static str,
    /// As of when it was judged.
    at: Timestamp,
    /// Why it is refused.
    findings: Vec<Finding>,
    /// Why the verdict is worth less than it should be.
    warnings: Vec<String>,
    /// Outermost first.
    layers: &'a [Layer],
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
}

/// What was inside: never the content.
#[derive(Debug, Serialize)]
struct Payload {
    bytes: usize,
    sha256: ContentHash,
    /// Family and version, if it is a message that we know.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Where it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<String>,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let limits = Limits::default();
        let bytes = files::read_message(&self.file, limits.message_bytes)?;
        let keys = self.keys.load()?;
        let Trust { anchors, evidence, moment, warnings } = self.trusting.load(SystemClock::new().now())?;
        let signer = self.signer.as_deref().map(material::certificate).transpose()?;
        let directory = Directory::new(signer.iter().cloned());
        let context = Context {
            second: None,
            keys: &keys,
            anchors: &anchors,
            evidence: &evidence,
            cache: &Cache::default(),
            directory: &directory,
            allowed: self.allowed(),
            moment,
            under_way: SignedDuration::ZERO,
            limits: &limits,
        };
        let mut report = Report {
            file: self.file.display().to_string(),
            bytes: bytes.len(),
            sha256: ContentHash::of(&bytes),
            verdict: "refused",
            at: moment.at,
            findings: Vec::new(),
            warnings,
            layers: &[],
            payload: None,
        };
        let opened = trust::open::open(&bytes, &context);
        match &opened {
            Ok(opened) => {
                report.layers = opened.layers();
                let mut payload = Payload::of(opened.payload(), &limits);
                match complaint(opened, signer.as_deref()) {
                    Some(fault) => report.findings.push(fault.finding()),
                    None => {
                        report.verdict = "trusted";
                        if let Some(path) = &self.out {
                            output::write(path, opened.payload(), Readable::ByOwner, self.force)?;
                            payload.written = Some(path.display().to_string());
                        }
                    }
                }
                report.payload = Some(payload);
            }
            Err(refused) => {
                report.layers = &refused.layers;
                report.findings.push(self.helpful(&refused.fault).finding());
            }
        }
        self.print(out, &report)?;
        Ok(Verdict::of(report.verdict == "trusted"))
    }
}

impl Command {
    fn allowed(&self) -> Allowed {
        Allowed { sha1: self.allow.contains(&Weak::Sha1), triple_des: self.allow.contains(&Weak::TripleDes) }
    }

    /// The fault, with what this command line lacked.
    fn helpful(&self, fault: &Fault) -> Fault {
        let lacking = [
            (Kind::OwnKeyMissing, "Give the receiver's key with --key to see what is inside."),
            (Kind::CertificateUntrusted, "Name the CAs that are to be trusted with --trust."),
            (
                Kind::RevocationUnknown,
                "Give the CA's list with --crl or an answer with --ocsp; --without-revocation goes on without.",
            ),
            (Kind::AlgorithmNotAllowed, "--allow lets an old algorithm pass, where an agreement does."),
        ];
        let given = match fault.kind == Kind::OwnKeyMissing {
            true => !self.keys.is_empty(),
            false => fault.kind == Kind::CertificateUntrusted && !self.trusting.is_empty(),
        };
        let Some((_, more)) = lacking.iter().find(|(kind, _)| *kind == fault.kind && !given) else {
            return fault.clone();
        };
        Fault { remedy: format!("{} {more}", fault.remedy).trim().to_owned(), ..fault.clone() }
    }

    fn print(&self, out: &mut dyn Write, report: &Report<'_>) -> Result<(), Failure> {
        match self.format {
            Format::Json => json_line(out, report),
            Format::Text => text(out, report),
        }
    }
}

/// What is wrong with a file although everything that is in it holds.
fn complaint(opened: &Opened<'_>, signer: Option<&Certificate>) -> Option<Fault> {
    if opened.proofs().is_empty() {
        return Some(Fault::new(
            Kind::NotSigned,
            "There is no signature: nobody can tell whose it is.",
            "Ask the sender to sign; whether a message may come unsigned, the agreement says.",
        ));
    }
    let expected = signer?;
    let other = |proof: &&Proof| proof.signer.certificate().thumbprint != expected.thumbprint;
    let proof = opened.proofs().iter().find(other)?;
    let fault = Fault::new(
        Kind::SignerUnknown,
        "The signature holds, but it is not made with the certificate that was given with --signer.",
        "Ask the sender which certificate it signs with, and whether that has changed.",
    );
    Some(fault.of(proof.signer.certificate()))
}

impl Payload {
    fn of(bytes: &[u8], limits: &Limits) -> Self {
        let kind = xml::decode(bytes).ok().and_then(|decoded| head::read(&decoded.text, limits).ok());
        Self {
            bytes: bytes.len(),
            sha256: ContentHash::of(bytes),
            kind: kind.map(|head| format!("{} {}", head.kind.family, head.kind.version)),
            written: None,
        }
    }
}

fn text(out: &mut dyn Write, report: &Report<'_>) -> Result<(), Failure> {
    let codes: Vec<_> = report.findings.iter().map(|f| f.code.as_str()).collect();
    writeln!(out, "{}: {} {}, as of {}", report.file, report.verdict, codes.join(" "), report.at)?;
    for layer in report.layers {
        layer_text(out, layer)?;
    }
    if let Some(payload) = &report.payload {
        let kind = payload.kind.as_deref().unwrap_or("no message that is known here");
        writeln!(out, "  inside      {} bytes, {kind}, sha256 {}", payload.bytes, payload.sha256)?;
        if let Some(written) = &payload.written {
            writeln!(out, "  written     {written}")?;
        }
    }
    for warning in &report.warnings {
        writeln!(out, "  warning     {warning}")?;
    }
    for finding in &report.findings {
        writeln!(
            out,
            "  finding     {} {}\n              {}",
            finding.code, finding.message, finding.remedy
        )?;
    }
    Ok(())
}

fn layer_text(out: &mut dyn Write, layer: &Layer) -> Result<(), Failure> {
    match layer {
        Layer::Sealed(sealed) => {
            writeln!(out, "  sealed      {}, {} bytes", word(&sealed.cipher), sealed.bytes)?;
            for r in &sealed.recipients {
                let named = match (&r.issuer, &r.serial, &r.key_id) {
                    (issuer, Some(serial), _) => {
                        format!("serial {serial} of {}", issuer.as_deref().unwrap_or("an unreadable name"))
                    }
                    (_, None, Some(key_id)) => format!("key {key_id}"),
                    (_, None, None) => "nobody".to_owned(),
                };
                writeln!(out, "    for       {named}, {}", word(&r.transport))?;
            }
            if let Some(with) = &sealed.opened_with {
                writeln!(out, "    opened    with {}", certificate_text(with))?;
            }
        }
        Layer::Signed(signed) => {
            let holds = if signed.verified { "holds" } else { "NOT verified" };
            let form = word(&signed.form);
            let canonical = signed.canonical.map_or_else(String::new, |c| format!(", {c}"));
            writeln!(out, "  signed      {form}{canonical}, {}: {holds}", word(&signed.algorithm))?;
            if let Some(signer) = &signed.signer {
                writeln!(out, "    by        {}", certificate_text(signer))?;
            }
            for issuer in &signed.chain {
                writeln!(out, "    below     {}", certificate_text(issuer))?;
            }
            for known in &signed.revocation {
                let source = known.source.map_or_else(String::new, |s| format!(", by {s}"));
                let short: String = known.certificate.chars().take(16).collect();
                writeln!(out, "    revoked?  {}{source} ({short})", known.standing)?;
            }
            if let Some(covered) = &signed.covered {
                writeln!(out, "    covers    {} bytes, sha256 {}", covered.bytes, covered.sha256)?;
            }
        }
        Layer::Mime { media_type } => writeln!(out, "  MIME        {media_type}")?,
        Layer::Gzip { bytes } => writeln!(out, "  gzip        {bytes} bytes unpacked")?,
    }
    Ok(())
}

fn certificate_text(certificate: &Summary) -> String {
    let subject = certificate.subject.as_deref().unwrap_or("(not an organisation's)");
    let organisation = certificate.organisation.map_or_else(String::new, |o| format!(" ({o})"));
    format!("{subject}{organisation}, serial {}, until {}", certificate.serial, certificate.not_after)
}

/// The name of an algorithm as settings and JSON have it.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string().replace(['{', '}', '"'], "").replace(':', " "),
        Err(_) => "?".to_owned(),
    }
}
