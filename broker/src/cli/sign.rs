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
use trust::{Fault, Kind, cms};

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
        let key = key(&self.keys, SystemClock::new().now())?;
        let made = match self.signing.form {
            Form::Cms => cms::sign(&bytes, &*key, None),
            Form::Xml => self.signing.in_document(&self.file, &bytes, &*key, &limits)?,
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

/// The key to sign with.
pub(super) fn key(keys: &Keys, now: Timestamp) -> Result<Arc<dyn PrivateKey>, Failure> {
    if keys.is_empty() {
        return Err(Failure::Usage("a key to sign with is missing; give it with --key".to_owned()));
    }
    let ring = keys.load()?;
    ring.signing(now).cloned().ok_or_else(|| {
        let described: Vec<String> = ring.iter().map(|key| key.certificate().describe()).collect();
        Failure::Usage(format!(
            "no key is made for signing and valid now ({}): {}",
            Kind::OwnKeyMissing.code(),
            described.join("; ")
        ))
    })
}
