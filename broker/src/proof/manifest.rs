//! The list of everything in a proof.

use broker_core::ContentHash;
use jiff::Timestamp;
use message_schemas::MessageId;
use serde::{Deserialize, Serialize};

/// The form of proofs that this program writes and reads.
pub const FORMAT: &str = "budstikke-proof-1";
/// Where the manifest lies.
pub const NAME: &str = "manifest.json";
/// Where the manifest lies with the broker's signature around it.
pub const SIGNED: &str = "manifest.p7m";

/// The list of everything in a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Which program wrote it.
    pub program: String,
    /// When.
    pub made: Timestamp,
    /// Of which message.
    pub message: MessageId,
    /// All entries but the manifest itself, with and without its signature.
    pub entries: Vec<Listed>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it is.
    pub what: What,
    /// Its size.
    pub bytes: usize,
    /// SHA-256 of it.
    pub sha256: ContentHash,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The message as it came.
    Original,
    /// What the journal says of it: id, time, verdict, head.
    Record,
    /// What was found in it.
    Findings,
    /// How it was routed, and why.
    Decision,
    /// Who got it, and where each stands.
    Recipients,
    /// What happened, with times.
    Events,
    /// What it was judged by: versions and hashes.
    Provenance,
    /// What protected it, and why that was believed.
    Protection,
    /// A receipt, as it was made.
    Receipt,
    /// A shared document.
    Document,
    /// What was inside it.
    Opened,
    /// What was sent, signed, and sealed where its receiver gets it so.
    Sealed,
    /// An error that its sender was told on its error queue.
    TransportError,
    /// A certificate.
    Certificate,
    /// A list of revoked certificates.
    Crl,
    /// An OCSP answer.
    Ocsp,
    /// Bytes that a signature covers.
    SignedContent,
}
