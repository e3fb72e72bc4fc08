//! `seal`: sign and seal for a receiver, in the form of the AMQP profile.

use super::files;
use super::material::{self, Keys, Trusting};
use super::sign::{self, Target};
use crate::exit::{Failure, Verdict, say};
use adapters::clock::SystemClock;
use broker_core::ports::Clock;
use message_schemas::Limits;
use std::io::Write;
use std::path::PathBuf;
use trust::chain::{Cache, Purpose};
use trust::{Certificate, ContentCipher, Fault, Kind, cms};

/// Sign a file and seal it for its receivers, as this broker seals what it sends (CMS).
///
/// The receivers' certificates are checked for time and use; with --trust, and the lists of revoked certificates, they
/// are judged as the broker judges them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke seal message.xml --key ours.p12 --password-file secret --for theirs.cer --out message.p7m
  budstikke seal message.xml --unsigned --for theirs.cer --cipher aes256-gcm --out message.p7m

Exit codes: 0 sealed, 1 it cannot be sealed; standard error says why.")]
pub(super) struct Command {
    /// The file; `-` is standard input.
    file: PathBuf,
    /// The certificate of a receiver; may be given several times.
    #[arg(long = "for", value_name = "FILE", required = true)]
    receivers: Vec<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trusting: Trusting,
    /// Seal the file as it is, without signing it first.
    #[arg(long, conflicts_with = "keys")]
    unsigned: bool,
    /// How the content is encrypted: aes128, aes192 or aes256 with -cbc or -gcm, or triple-des-cbc.
    #[arg(long, value_parser = cipher, default_value = "aes256-cbc")]
    cipher: ContentCipher,
    #[command(flatten)]
    target: Target,
}

/// The cipher of this name, as settings name it.
fn cipher(name: &str) -> Result<ContentCipher, String> {
    let named = serde_json::Value::from(name.replace("aes-", "aes"));
    serde_json::from_value(named).map_err(|_| "there is no such cipher here".to_owned())
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let bytes = files::read_message(&self.file, Limits::default().message_bytes)?;
        let now = SystemClock::new().now();
        let receivers = self
            .receivers
            .iter()
            .map(|file| material::sealing_certificate(file))
            .collect::<Result<Vec<_>, _>>()?;
        let trust = self.trusting.load(now)?;
        if self.trusting.is_empty() {
            say(UNCHECKED);
        }
        for receiver in &receivers {
            let judged = if self.trusting.is_empty() {
                usable(receiver, trust.moment.at)
            } else {
                let cache = Cache::default();
                let judged = trust.anchors.judge(
                    receiver,
                    &[],
                    Purpose::Sealing,
                    trust.moment,
                    &trust.evidence,
                    &cache,
                );
                judged.map(drop).map_err(Fault::from)
            };
            if let Err(fault) = judged {
                say(&fault.to_string());
                return Ok(Verdict::Negative);
            }
        }
        let signed = match self.unsigned {
            true => Ok(bytes),
            false => sign::key(&self.keys, now)?.and_then(|key| cms::sign(&bytes, &*key, None)),
        };
        self.target.write(out, signed.and_then(|content| cms::seal(&content, &receivers, self.cipher)))
    }
}

const UNCHECKED: &str = "note: without --trust nobody has checked who issued the receivers' certificates, nor whether they are revoked.";

/// What can be told of a certificate without its CA.
fn usable(certificate: &Certificate, at: jiff::Timestamp) -> Result<(), Fault> {
    let refuse = |kind, message: &str| {
        let fault =
            Fault::new(kind, message, "Ask the receiver for the certificate that is to be sealed for.");
        Err(fault.of(certificate))
    };
    if !certificate.usage.is_some_and(|u| u.key_encipherment) {
        return refuse(Kind::CertificateUsage, "The receiver's certificate is not made for sealing.");
    }
    if at < certificate.not_before {
        return refuse(Kind::CertificateNotYetValid, "The receiver's certificate is not valid yet.");
    }
    if at > certificate.not_after {
        return refuse(Kind::CertificateExpired, "The receiver's certificate has run out.");
    }
    Ok(())
}
