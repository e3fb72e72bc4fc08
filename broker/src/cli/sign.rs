//! `sign`: a signature of ours, into a document or around any bytes.

use super::material::Keys;
use super::{files, output};
use crate::exit::{Failure, Verdict, say};
use adapters::clock::SystemClock;
use broker_core::ports::Clock;
use clap::ValueEnum;
use jiff::Timestamp;
use message_schemas::{Limits, xml};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trust::keys::PrivateKey;
use trust::xmldsig::{self, Canonical, Options, Shape};
use trust::{Fault, KeyRing, Kind, cms};

/// Sign a document or other file as this broker signs what it sends.
///
/// Of several keys, the newest that is made for signing and valid now is used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke sign message.xml --key ours.p12 --password-file secret --out signed.xml
  budstikke sign message.xml --key ours.pem --canonical exclusive --out signed.xml
  budstikke sign message.xml --key ours.p12 --password-file secret --form cms --out message.p7m

Exit codes: 0 signed, 1 it cannot be signed; standard error says why.")]
pub(super) struct Command {
    /// The file; `-` is standard input.
    file: PathBuf,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    target: Target,
}

/// How to sign.
#[derive(Debug, clap::Args)]
pub(super) struct Signing {
    /// Where the signature goes.
    #[arg(long, value_enum, default_value_t)]
    form: Form,
    /// How the document is put into canonical form, for `--form xml`.
    #[arg(long, value_enum, default_value_t)]
    canonical: CanonicalForm,
}

/// Where the signature goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Form {
    /// Into the document, as its last element.
    #[default]
    Xml,
    /// Around the bytes (CMS SignedData).
    Cms,
}

/// How a document is put into canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum CanonicalForm {
    /// Canonical XML 1.0: what messages with a head use.
    #[default]
    Inclusive,
    /// Exclusive canonical XML 1.0.
    Exclusive,
}

/// Where the result goes.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// The file to write; standard output by default.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Write over a file that is there already.
    #[arg(long)]
    force: bool,
}

impl Target {
    /// Writes what was made, or says why it could not be.
    pub(super) fn write(self, out: &mut dyn Write, made: Result<Vec<u8>, Fault>) -> Result<Verdict, Failure> {
        match made {
            Ok(bytes) => output::write_or_print(out, &self.out, &bytes, self.force).map(|()| Verdict::Good),
            Err(fault) => {
                say(&fault.to_string());
                Ok(Verdict::Negative)
            }
        }
    }
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let limits = Limits::default();
        let bytes = files::read_message(&self.file, limits.message_bytes)?;
        let made = match (key(&self.keys, SystemClock::new().now())?, self.signing.form) {
            (Err(fault), _) => Err(fault),
            (Ok(key), Form::Cms) => cms::sign(&bytes, &*key, None),
            (Ok(key), Form::Xml) => self.signing.in_document(&self.file, &bytes, &*key, &limits)?,
        };
        self.target.write(out, made)
    }
}

impl Signing {
    /// The document with a signature in it.
    fn in_document(
        &self,
        file: &Path,
        bytes: &[u8],
        key: &dyn PrivateKey,
        limits: &Limits,
    ) -> Result<Result<Vec<u8>, Fault>, Failure> {
        let decoded = match xml::decode(bytes) {
            Ok(decoded) if decoded.encoding == "UTF-8" => decoded,
            Ok(decoded) => {
                return Err(Failure::Usage(format!(
                    "{} is written in {}; a document is signed in UTF-8",
                    file.display(),
                    decoded.encoding
                )));
            }
            Err(finding) => return Err(Failure::Usage(format!("{}: {finding}", file.display()))),
        };
        let exclusive = self.canonical == CanonicalForm::Exclusive;
        let options = Options {
            shape: Shape::Enveloped,
            canonical: Canonical { exclusive, ..Canonical::default() },
            algorithm: None,
        };
        Ok(xmldsig::sign(&decoded.text, key, &options, &[], limits).map(String::into_bytes))
    }
}

/// The key to sign with; the fault if none of those that were given may sign now.
pub(super) fn key(keys: &Keys, now: Timestamp) -> Result<Result<Arc<dyn PrivateKey>, Fault>, Failure> {
    if keys.is_empty() {
        return Err(Failure::Usage("a key to sign with is missing; give it with --key".to_owned()));
    }
    let ring = keys.load()?;
    Ok(ring.signing(now).cloned().ok_or_else(|| cannot_sign(&ring, now)))
}

/// Why none of these signs now: the one that comes nearest to it tells.
fn cannot_sign(ring: &KeyRing, now: Timestamp) -> Fault {
    let certificates = || ring.iter().map(|key| key.certificate());
    let made_for_it = || certificates().filter(|c| c.usage.is_some_and(|u| u.non_repudiation));
    let (kind, message, which) = match made_for_it().max_by_key(|c| c.not_after) {
        Some(c) if c.not_after < now => {
            (Kind::CertificateExpired, "The certificate of the key to sign with has run out.", Some(c))
        }
        Some(c) => (
            Kind::CertificateNotYetValid,
            "The certificate of the key to sign with is not valid yet.",
            Some(c),
        ),
        None => (
            Kind::CertificateUsage,
            "No key is made for signing: none of their certificates has nonRepudiation.",
            certificates().next(),
        ),
    };
    let fault = Fault::new(kind, message, "Give the key that is made for signatures and valid now.");
    match which {
        Some(certificate) => fault.of(certificate),
        None => fault,
    }
}
