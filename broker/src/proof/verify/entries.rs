//! The entries of a proof: each held against the manifest, and read for what it is.

use super::checked::{Checked, Standing};
use crate::proof::archive;
use crate::proof::manifest::{FORMAT, Manifest, NAME, SIGNED, What};
use broker_core::ContentHash;
use jiff::Timestamp;
use message_schemas::MessageId;
use message_schemas::head::MessageHead;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trust::chain::RevocationRule;
use trust::open::Directory;
use trust::revocation::Evidence;
use trust::{Anchors, Certificate};

/// A proof whose entries are what its manifest says.
pub(super) struct Proof<'a> {
    pub(super) manifest: Manifest,
    pub(super) manifest_bytes: &'a [u8],
    pub(super) signed_manifest: Option<&'a [u8]>,
    pub(super) entries: BTreeMap<ContentHash, &'a [u8]>,
}

/// What the journal said of the message.
pub(super) struct Record {
    pub(super) received: Timestamp,
    pub(super) original: ContentHash,
    pub(super) head: Option<MessageHead>,
    pub(super) protection: Option<Value>,
    /// What was inside, by its hash; none if nothing was around it.
    pub(super) payload: Option<ContentHash>,
}

/// What signatures rest on.
pub(super) struct Rests {
    pub(super) anchors: Anchors,
    pub(super) evidence: Evidence,
    pub(super) directory: Directory,
}

impl<'a> Proof<'a> {
    /// Reads the archive and holds every entry against the manifest.
    pub(super) fn read(bytes: &'a [u8], checked: &mut Checked) -> Option<Self> {
        let entries = match archive::read(bytes) {
            Ok(entries) => entries,
            Err(error) => {
                checked.say("archive", Standing::Fails, format!("The file cannot be read: {error}."));
                return None;
            }
        };
        checked.say("archive", Standing::Holds, format!("{} entries, in the plain form.", entries.len()));
        let mut by_name: BTreeMap<&str, &[u8]> = entries.iter().map(|e| (e.name, e.bytes)).collect();
        let manifest_bytes = by_name.remove(NAME).unwrap_or_default();
        let signed_manifest = by_name.remove(SIGNED);
        let manifest: Manifest = match serde_json::from_slice::<Manifest>(manifest_bytes) {
            Ok(manifest) if manifest.format == FORMAT => manifest,
            Ok(_) | Err(_) => {
                let why = "There is no manifest of the form that this program reads.";
                checked.say("manifest", Standing::Fails, why);
                return None;
            }
        };
        let mut held = BTreeMap::new();
        let mut wrong = BTreeSet::new();
        for listed in &manifest.entries {
            match by_name.remove(listed.name.as_str()) {
                Some(entry) if ContentHash::of(entry) == listed.sha256 && entry.len() == listed.bytes => {
                    held.insert(listed.sha256, entry);
                }
                Some(_) | None => {
                    wrong.insert(listed.name.as_str());
                }
            }
        }
        wrong.extend(by_name.into_keys());
        if !wrong.is_empty() {
            let names = wrong.into_iter().take(10).collect::<Vec<_>>().join(", ");
            checked.say("manifest", Standing::Fails, format!("Changed, missing or not listed: {names}."));
            return None;
        }
        let told =
            format!("All {} entries have the SHA-256 that the manifest names.", manifest.entries.len());
        checked.say("manifest", Standing::Holds, told);
        Some(Self { manifest, manifest_bytes, signed_manifest, entries: held })
    }

    pub(super) fn all(&self, what: What) -> impl Iterator<Item = &'a [u8]> {
        self.named(what).map(|(_, bytes)| bytes)
    }

    pub(super) fn named(&self, what: What) -> impl Iterator<Item = (&str, &'a [u8])> {
        let listed = self.manifest.entries.iter().filter(move |listed| listed.what == what);
        listed.filter_map(|listed| Some((&*listed.name, *self.entries.get(&listed.sha256)?)))
    }

    /// What the journal said, and that the bytes are those that it spoke of.
    pub(super) fn record(&self, checked: &mut Checked) -> Option<Record> {
        let json = |what| self.all(what).next().and_then(|b| serde_json::from_slice::<Value>(b).ok());
        let record = json(What::Record).unwrap_or_default();
        let id = record.get("id").and_then(|v| serde_json::from_value::<MessageId>(v.clone()).ok());
        let received = record.get("received").and_then(|v| serde_json::from_value(v.clone()).ok());
        let hash: Option<ContentHash> =
            record.get("content_hash").and_then(|v| serde_json::from_value(v.clone()).ok());
        let (Some(received), Some(original)) = (received, hash.filter(|_| id == Some(self.manifest.message)))
        else {
            checked.say("message", Standing::Fails, "The record is not that of this message.");
            return None;
        };
        if !self.all(What::Original).any(|bytes| ContentHash::of(bytes) == original) {
            checked.say("message", Standing::Fails, "The bytes are not those that the record speaks of.");
            return None;
        }
        checked.say("message", Standing::Holds, format!("The bytes are those that came at {received}."));
        let head = record.get("head").and_then(|v| serde_json::from_value::<MessageHead>(v.clone()).ok());
        let protection = json(What::Protection);
        let payload = protection.as_ref().and_then(|p| p.pointer("/payload/sha256")?.as_str());
        let payload = payload.and_then(|hash| hash.to_owned().try_into().ok());
        Some(Record { received, original, head, protection, payload })
    }

    /// Certificates and revocation answers that came along.
    pub(super) fn evidence(&self, anchors: Option<&Anchors>) -> Rests {
        let certificates: Vec<Arc<Certificate>> =
            self.all(What::Certificate).filter_map(|der| Certificate::from_der(der).ok()).collect();
        let mut evidence = Evidence::default();
        for crl in self.all(What::Crl) {
            evidence = evidence.with_crl(crl).unwrap_or(evidence);
        }
        for answer in self.all(What::Ocsp) {
            evidence = evidence.with_ocsp(answer).unwrap_or(evidence);
        }
        let (cas, others): (Vec<_>, Vec<_>) = certificates.into_iter().partition(|c| c.is_ca);
        let (roots, intermediates): (Vec<_>, Vec<_>) = cas.into_iter().partition(|c| c.is_self_issued());
        let mut anchors = anchors.cloned().unwrap_or_else(|| Anchors { roots, ..Anchors::default() });
        anchors.intermediates.extend(intermediates);
        // Whether a certificate must offer a place to ask was the broker's to say; that nothing was known is told.
        anchors.revocation = RevocationRule::IfOffered;
        Rests { anchors, evidence, directory: Directory::new(others) }
    }
}
