//! Makes a proof from what the journal kept.

use super::archive::{self, Entry};
use super::manifest::{FORMAT, Listed, Manifest, NAME, SIGNED, What};
use super::signer::Signer;
use broker_core::ContentHash;
use broker_core::journal::{Document, DocumentKind, MessageRecord};
use broker_core::ports::{Store, StoreError};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trust::revocation::Evidence;
use trust::{Certificate, Fault, cms};

/// Everything that the journal kept of one message.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it knows.
    pub record: MessageRecord,
    /// The message as it came.
    pub original: Arc<[u8]>,
    /// What was made from it.
    pub documents: Vec<Document>,
    /// What its protection names by hash.
    pub evidence: Vec<(ContentHash, Arc<[u8]>)>,
}

impl Case {
    /// Fetches it.
    ///
    /// # Errors
    /// When the journal does not answer, or lacks what it must have.
    pub async fn fetch(record: MessageRecord, journal: &impl Store) -> Result<Self, StoreError> {
        let original = journal.body(record.id).await?;
        let original = original.ok_or_else(|| StoreError::Damaged("a message without its bytes".into()))?;
        let documents = journal.documents(record.id).await?;
        let mut evidence = Vec::new();
        for hash in record.protection.iter().flat_map(hashes).collect::<BTreeSet<_>>() {
            // The account names hashes of what it covers too; those bytes lie elsewhere.
            if let Some(bytes) = journal.evidence(hash).await? {
                evidence.push((hash, bytes));
            }
        }
        Ok(Self { record, original, documents, evidence })
    }

    /// What was known of revocation when the message was judged, and this.
    #[must_use]
    pub fn known_of_revocation(&self, more: Evidence) -> Evidence {
        self.evidence.iter().fold(more, |known, (_, bytes)| match kind(bytes) {
            (What::Crl, _) => known.with_crl(bytes).unwrap_or(known),
            (What::Ocsp, _) => known.with_ocsp(bytes).unwrap_or(known),
            _ => known,
        })
    }
}

/// Every hash that stands in an account.
fn hashes(account: &Value) -> Vec<ContentHash> {
    match account {
        Value::String(text) => ContentHash::try_from(text.clone()).into_iter().collect(),
        Value::Array(list) => list.iter().flat_map(hashes).collect(),
        Value::Object(fields) => fields.values().flat_map(hashes).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Why a proof cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive cannot be written.
    #[error("the proof cannot be written: {0}")]
    Archive(#[from] archive::Error),
    /// A value cannot be written as JSON.
    #[error("the proof cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// The manifest cannot be signed.
    #[error("the manifest cannot be signed: {0}")]
    Unsigned(Fault),
}

/// Packs a proof; with a signer, its manifest is signed, and what the signature rests on comes along.
///
/// # Errors
/// When it cannot be written or signed.
pub fn pack(case: &Case, program: &str, made: Timestamp, signer: Option<&Signer>) -> Result<Vec<u8>, Error> {
    let mut packing = Packing::default();
    packing.account(&case.record)?;
    let name = format!("message/original.{}", ending(&case.original));
    packing.put(name, What::Original, Arc::clone(&case.original));
    for document in &case.documents {
        let (what, ending) = match document.kind {
            DocumentKind::Receipt => (What::Receipt, "xml"),
            DocumentKind::FhirJson => (What::Document, "json"),
            DocumentKind::Opened => (What::Opened, ending(&document.bytes)),
            DocumentKind::Signed | DocumentKind::Sealed => (What::Sealed, "p7m"),
            DocumentKind::TransportError => (What::TransportError, "json"),
        };
        packing.put(format!("made/{}.{ending}", document.id), what, Arc::clone(&document.bytes));
    }
    let own = signer.iter().flat_map(|signer| &signer.rests_on).map(|kept| (kept.hash, &kept.bytes));
    let evidence: BTreeMap<_, _> =
        case.evidence.iter().map(|(hash, bytes)| (*hash, bytes)).chain(own).collect();
    for (hash, bytes) in evidence {
        let (what, ending) = kind(bytes);
        packing.put(format!("evidence/{hash}.{ending}"), what, Arc::clone(bytes));
    }

    let manifest = Manifest {
        format: FORMAT.to_owned(),
        program: program.to_owned(),
        made,
        message: case.record.id,
        entries: packing.listed,
    };
    let manifest = serde_json::to_vec_pretty(&manifest)?;
    let signed = signer.map(|signer| cms::sign(&manifest, &*signer.key, Some(made)));
    let signed = signed.transpose().map_err(Error::Unsigned)?;
    let mut entries = vec![Entry { name: NAME, bytes: &manifest }];
    entries.extend(signed.as_deref().map(|bytes| Entry { name: SIGNED, bytes }));
    entries.extend(packing.entries.iter().map(|(name, bytes)| Entry { name, bytes }));
    Ok(archive::write(&entries)?)
}

#[derive(Default)]
struct Packing {
    listed: Vec<Listed>,
    entries: Vec<(String, Arc<[u8]>)>,
}

impl Packing {
    /// What the journal says, one file for each thing that is asked about.
    fn account(&mut self, record: &MessageRecord) -> Result<(), Error> {
        let mut rest = serde_json::to_value(record)?;
        let parts = [
            ("findings", What::Findings),
            ("explanation", What::Decision),
            ("recipients", What::Recipients),
            ("events", What::Events),
            ("provenance", What::Provenance),
            ("protection", What::Protection),
        ];
        let taken: Vec<_> = parts
            .into_iter()
            .filter_map(|(field, what)| Some((field, what, rest.as_object_mut()?.remove(field)?)))
            .collect();
        self.json("record", What::Record, &rest)?;
        for (field, what, value) in taken.iter().filter(|(_, _, value)| !value.is_null()) {
            let name = if *what == What::Decision { "decision" } else { field };
            self.json(name, *what, value)?;
        }
        Ok(())
    }

    fn json(&mut self, name: &str, what: What, value: &Value) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(value)?;
        self.put(format!("{name}.json"), what, text.into());
        Ok(())
    }

    fn put(&mut self, name: String, what: What, bytes: Arc<[u8]>) {
        let sha256 = ContentHash::of(&bytes);
        self.listed.push(Listed { name: name.clone(), what, bytes: bytes.len(), sha256 });
        self.entries.push((name, bytes));
    }
}

/// How the name of a message ends, by how the message begins.
fn ending(bytes: &[u8]) -> &'static str {
    match bytes.trim_ascii_start() {
        _ if cms::looks_like(bytes) => "p7m",
        [b'<', ..] | [0xEF, 0xBB, 0xBF, b'<', ..] => "xml",
        _ => "bin",
    }
}

/// What a piece of evidence is.
fn kind(bytes: &[u8]) -> (What, &'static str) {
    let nothing = Evidence::default();
    if Certificate::from_der(bytes).is_ok() {
        (What::Certificate, "cer")
    } else if nothing.with_crl(bytes).is_ok() {
        (What::Crl, "crl")
    } else if nothing.with_ocsp(bytes).is_ok() {
        (What::Ocsp, "ocsp")
    } else {
        (What::SignedContent, if cms::looks_like(bytes) { "p7m" } else { "bin" })
    }
}
