//! `open`: what a sealed or signed file is, and whether it is to be trusted.

mod armour;
mod report;

use super::material::{self, Keys, Trust, Trusting};
use super::output::{self, Readable};
use super::{Format, files};
use crate::exit::{Failure, Verdict};
use adapters::clock::SystemClock;
use broker_core::ContentHash;
use broker_core::ports::Clock;
use clap::ValueEnum;
use jiff::SignedDuration;
use message_schemas::{Limits, mime, xml};
use report::{Layers, Part, Payload, Report};
use std::io::Write;
use std::path::PathBuf;
use trust::chain::Cache;
use trust::open::{Context, Directory, Opened, Refused, open, open_with_attachments};
use trust::verified::Proof;
use trust::xmldsig::Attachment;
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

Exit codes: 0 trusted, 1 refused; the findings say why, and what to do. 2 wrong usage, or a file that cannot be read
or written.")]
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
            layers: Layers::default(),
            payload: None,
            parts: Vec::new(),
        };
        let bytes = match armour::take_off(&bytes) {
            Some((armour, inside)) => {
                report.layers.armour = Some(armour);
                inside
            }
            None => bytes,
        };
        let content = match (armour::plainly_wrong(&bytes), mail(&bytes, &limits)) {
            (Some(fault), _) => {
                report.findings.push(fault.finding());
                None
            }
            (None, Some(package)) => self.mail(&package, &context, signer.as_deref(), &mut report)?,
            (None, None) => self.one(open(&bytes, &context), &limits, signer.as_deref(), &mut report),
        };
        if report.findings.is_empty() && report.parts.iter().all(|part| part.findings.is_empty()) {
            report.verdict = "trusted";
            if let (Some(path), Some(content)) = (&self.out, content) {
                output::write(path, &content, Readable::ByOwner, self.force)?;
                let Report { payload, parts, .. } = &mut report;
                let part = parts.first_mut().map_or(payload, |part| &mut part.payload);
                part.iter_mut().for_each(|p| p.written = Some(path.display().to_string()));
            }
        }
        report.print(out, self.format)?;
        Ok(Verdict::of(report.verdict == "trusted"))
    }

    /// A file that is one thing. Gives what was inside.
    fn one(
        &self,
        opened: Result<Opened<'_>, Box<Refused>>,
        limits: &Limits,
        signer: Option<&Certificate>,
        report: &mut Report,
    ) -> Option<Vec<u8>> {
        match opened {
            Ok(opened) => {
                report.layers.inside = opened.layers().to_vec();
                report.payload = Some(Payload::of(opened.payload(), limits));
                report.findings.extend(complaint(&opened, signer).map(|fault| fault.finding()));
                Some(opened.payload().to_vec())
            }
            Err(refused) => {
                report.layers.inside = refused.layers;
                report.findings.push(self.helpful(&refused.fault).finding());
                None
            }
        }
    }

    /// A whole mail: the envelope's signature covers the parts; what is inside a part is opened on its own. Gives what
    /// was inside the one part.
    fn mail(
        &self,
        package: &mime::Package<'_>,
        context: &Context<'_>,
        signer: Option<&Certificate>,
        report: &mut Report,
    ) -> Result<Option<Vec<u8>>, Failure> {
        if self.out.is_some() && package.parts.len() != 1 {
            return Err(Failure::Usage(format!(
                "the mail has {} parts, and --out takes the content of one",
                package.parts.len()
            )));
        }
        let attachments: Vec<_> = package
            .parts
            .iter()
            .map(|part| Attachment { id: part.id.as_deref().unwrap_or_default(), bytes: &part.bytes })
            .collect();
        match xml::decode(&package.root.bytes).map(|decoded| decoded.text) {
            Ok(text) => {
                let opened = open_with_attachments(&text, &attachments, context);
                self.one(opened, context.limits, signer, report);
            }
            Err(finding) => report.findings.push(finding),
        }
        let mut content = None;
        for part in &package.parts {
            let mut seen = Part {
                id: part.id.clone(),
                content_type: part.content_type.clone(),
                bytes: part.bytes.len(),
                sha256: ContentHash::of(&part.bytes),
                layers: Vec::new(),
                findings: Vec::new(),
                payload: None,
            };
            match open(&part.bytes, context) {
                Ok(opened) => {
                    seen.layers = opened.layers().to_vec();
                    seen.payload = Some(Payload::of(opened.payload(), context.limits));
                    content = Some(opened.payload().to_vec());
                }
                // The envelope tells whose the part is and that it is whole; nobody asked to see inside.
                Err(refused) if refused.fault.kind == Kind::OwnKeyMissing && self.keys.is_empty() => {
                    seen.layers = refused.layers;
                    report
                        .warnings
                        .push("A part is sealed, and was not opened: no --key was given.".to_owned());
                }
                Err(refused) => {
                    seen.findings.push(self.helpful(&refused.fault).finding());
                    seen.layers = refused.layers;
                }
            }
            report.parts.push(seen);
        }
        Ok(content)
    }
}

/// A mail with an envelope in it, if the file is one: it begins with header fields or a boundary.
fn mail<'a>(bytes: &'a [u8], limits: &Limits) -> Option<mime::Package<'a>> {
    if matches!(bytes.trim_ascii_start(), [b'<' | 0x30, ..]) {
        return None;
    }
    mime::unpack(bytes, None, limits).ok()
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
