//! Checks a proof: with nothing but the file, and the roots of whoever checks.

use super::archive;
use super::manifest::{FORMAT, Manifest, NAME, SIGNED, What};
use broker_core::ContentHash;
use jiff::{SignedDuration, Timestamp};
use message_schemas::head::{self, MessageHead};
use message_schemas::{Limits, MessageId, xml};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trust::chain::{Cache, Moment, Purpose, RevocationRule, TestMode};
use trust::open::{Context, Directory, Layer, Opened, open};
use trust::revocation::Evidence;
use trust::{Allowed, Anchors, Certificate, Fault, KeyRing, cms};

/// What came of checking a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Of which message it is, by its own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// All that was checked, in order.
    pub checks: Vec<Check>,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// In one sentence; no content of the message.
    pub told: String,
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It holds.
    Holds,
    /// It could not be checked, or there was nothing to check; the sentence says why.
    NotChecked,
    /// It does not hold.
    Fails,
}

impl Checked {
    /// True if nothing fails.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.standing != Standing::Fails)
    }

    fn say(&mut self, what: &'static str, standing: Standing, told: impl Into<String>) {
        self.checks.push(Check { what, standing, told: told.into() });
    }
}

/// What whoever checks brings along.
#[derive(Debug, Clone, Copy)]
pub struct Means<'a> {
    /// Their own roots; without them, those in the file are taken at their word.
    pub anchors: Option<&'a Anchors>,
    /// The receiver's keys, to see that what was inside the seal is what the message had inside.
    pub keys: &'a KeyRing,
}

/// So long a message may have been under way when a certificate of its sender ran out meanwhile.
const UNDER_WAY: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Checks a proof.
#[must_use]
pub fn verify(bytes: &[u8], means: Means<'_>) -> Checked {
    let mut checked = Checked { message: None, checks: Vec::new() };
    let Some(proof) = Proof::read(bytes, &mut checked) else { return checked };
    checked.message = Some(proof.manifest.message);
    let record = proof.record(&mut checked);
    let rests = proof.evidence(means.anchors);
    proof.vouched(&rests, means, &mut checked);
    if let Some(record) = record {
        proof.signatures(&record, &rests, means, &mut checked);
        proof.receipts(&record, &mut checked);
    }
    checked
}

/// A proof whose entries are what its manifest says.
struct Proof<'a> {
    manifest: Manifest,
    manifest_bytes: &'a [u8],
    signed_manifest: Option<&'a [u8]>,
    entries: BTreeMap<ContentHash, &'a [u8]>,
}

/// What the journal said of the message.
struct Record {
    received: Timestamp,
    original: ContentHash,
    /// MsgId and document id, by which receipts name it.
    ids: Vec<String>,
    protection: Option<Value>,
}

/// What signatures rest on.
struct Rests {
    anchors: Anchors,
    evidence: Evidence,
    directory: Directory,
}

impl<'a> Proof<'a> {
    /// Reads the archive and holds every entry against the manifest.
    fn read(bytes: &'a [u8], checked: &mut Checked) -> Option<Self> {
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

    fn all(&self, what: What) -> impl Iterator<Item = &'a [u8]> {
        let listed = self.manifest.entries.iter().filter(move |listed| listed.what == what);
        listed.filter_map(|listed| self.entries.get(&listed.sha256).copied())
    }

    /// What the journal said, and that the bytes are those that it spoke of.
    fn record(&self, checked: &mut Checked) -> Option<Record> {
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
        let ids =
            head.iter().flat_map(|head| [head.msg_id.as_ref().map(|m| m.key()), head.document_id.clone()]);
        Some(Record { received, original, ids: ids.flatten().collect(), protection: json(What::Protection) })
    }

    /// Certificates and revocation answers that came along.
    fn evidence(&self, anchors: Option<&Anchors>) -> Rests {
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

    /// The broker's own signature on the manifest.
    fn vouched(&self, rests: &Rests, means: Means<'_>, checked: &mut Checked) {
        let Some(bytes) = self.signed_manifest else {
            let why = "No broker signed the manifest: what is not the sender's own is the word of who made the file.";
            return checked.say("broker's signature", Standing::NotChecked, why);
        };
        // Only the reader's own roots make the broker's word worth something.
        if means.anchors.is_none() {
            let why = "The manifest is signed; name the roots that you trust with --trust to check by whom.";
            return checked.say("broker's signature", Standing::NotChecked, why);
        }
        let covered = self.covered_manifest(bytes, rests);
        match covered {
            Ok((covered, whose)) if covered == self.manifest_bytes => {
                checked.say(
                    "broker's signature",
                    Standing::Holds,
                    format!("The manifest is signed by {whose}."),
                );
            }
            Ok(_) => checked.say("broker's signature", Standing::Fails, "It signs another manifest."),
            Err(fault) => checked.say("broker's signature", Standing::Fails, one_line(&fault)),
        }
    }

    fn covered_manifest(&self, bytes: &[u8], rests: &Rests) -> Result<(Vec<u8>, String), Fault> {
        let signed = cms::signed(bytes, &Limits::default())?;
        let embedded = signed.certificates();
        let claimed = embedded.iter().find(|c| signed.signer.is(c)).ok_or_else(|| {
            Fault::new(trust::Kind::SignerUnknown, "The signature brings no certificate along.", "")
        })?;
        // The broker's own certificate has no revocation answer in the file: what is asked for is whose it is.
        let anchors =
            Anchors { test_mode: Some(TestMode::announced_loudly_by_the_caller()), ..rests.anchors.clone() };
        let moment = Moment { at: self.manifest.made, now: self.manifest.made };
        let cache = Cache::default();
        let signer = anchors.judge(claimed, &embedded, Purpose::Signing, moment, &rests.evidence, &cache)?;
        let verified = signed.verify(&signer, Allowed::default())?;
        Ok((verified.into_inner(), signer.certificate().describe()))
    }

    /// Every signature that was believed, checked again as of then.
    fn signatures(&self, record: &Record, rests: &Rests, means: Means<'_>, checked: &mut Checked) {
        const WHAT: &str = "signatures";
        let Some(protection) = &record.protection else {
            return checked.say(WHAT, Standing::NotChecked, "The message came unprotected: there is none.");
        };
        if let Some(code) = protection.get("stopped_by").and_then(Value::as_str) {
            let told = format!("The message was stopped by {code}: nothing in it was believed.");
            return checked.say(WHAT, Standing::NotChecked, told);
        }
        let believed = Believed::read(protection);
        if believed.covered.is_empty() {
            return checked.say(WHAT, Standing::NotChecked, "The message came unsigned: there is none.");
        }
        let Some(&original) = self.entries.get(&record.original) else { return };
        let inside = believed.inside.iter().find_map(|hash| self.entries.get(hash).copied());
        let subject = if believed.sealed { inside } else { Some(original) };
        let Some(subject) = subject else {
            return checked.say(WHAT, Standing::Fails, "What was inside the seal is not in the file.");
        };
        let mut context = Means { keys: &KeyRing::default(), ..means };
        let reopened = reopen(subject, record, &believed, rests, context);
        match &reopened {
            Ok(opened) if covered(opened.layers()) == believed.covered => {
                let whose: Vec<String> =
                    opened.proofs().iter().map(|p| p.signer.certificate().describe()).collect();
                checked.say(
                    WHAT,
                    Standing::Holds,
                    format!("As of {}: {}.", record.received, whose.join("; and ")),
                );
            }
            Ok(_) => checked.say(WHAT, Standing::Fails, "They cover other bytes than the record says."),
            Err(fault) => checked.say(WHAT, Standing::Fails, one_line(fault)),
        }
        if believed.unknown {
            let why = "The broker ran in test mode: it believed a certificate of which nothing was known.";
            checked.say("revocation", Standing::Fails, why);
        }
        match means.anchors {
            Some(_) => {
                checked.say("roots", Standing::Holds, "The roots are those that were given with --trust.")
            }
            None => checked.say(
                "roots",
                Standing::NotChecked,
                "The root is the one in the file; name those that you trust with --trust.",
            ),
        }
        if believed.sealed {
            context.keys = means.keys;
            self.seal(original, record, &believed, rests, context, checked);
        }
    }

    /// That what was inside is what the sealed message has inside: only its receiver can see that.
    fn seal(
        &self,
        original: &[u8],
        record: &Record,
        believed: &Believed,
        rests: &Rests,
        means: Means<'_>,
        checked: &mut Checked,
    ) {
        if means.keys.iter().next().is_none() {
            let why =
                "The message was sealed; give the receiver's key with --key to see that this was inside.";
            return checked.say("seal", Standing::NotChecked, why);
        }
        match reopen(original, record, believed, rests, means) {
            Ok(opened) if covered(opened.layers()) == believed.covered => {
                checked.say(
                    "seal",
                    Standing::Holds,
                    "What was signed is what the sealed message has inside.",
                );
            }
            Ok(_) => checked.say("seal", Standing::Fails, "The sealed message has something else inside."),
            Err(fault) => checked.say("seal", Standing::Fails, one_line(&fault)),
        }
    }

    /// That receipts answer this message.
    fn receipts(&self, record: &Record, checked: &mut Checked) {
        let own = |id: &String| record.ids.iter().any(|own| own.eq_ignore_ascii_case(id));
        let count = self.all(What::Receipt).count();
        if !record.ids.is_empty()
            && !self.all(What::Receipt).all(|bytes| original_of(bytes).as_ref().is_some_and(own))
        {
            return checked.say("receipts", Standing::Fails, "A receipt answers another message.");
        }
        match count {
            1.. if record.ids.is_empty() => {
                let why = "The record has no id that a receipt could name.";
                checked.say("receipts", Standing::NotChecked, why);
            }
            0 => checked.say("receipts", Standing::NotChecked, "No receipt was made here."),
            n => checked.say("receipts", Standing::Holds, format!("{n} of {n} answer this message.")),
        }
    }
}

/// What the account says was believed.
struct Believed {
    /// What the signatures covered, outermost first.
    covered: Vec<String>,
    /// Where what was inside lies, by hash.
    inside: Vec<ContentHash>,
    sealed: bool,
    /// A certificate passed although nothing was known of it.
    unknown: bool,
    /// The latest moment at which a signer was judged.
    judged: Option<Timestamp>,
}

impl Believed {
    fn read(protection: &Value) -> Self {
        let layers = protection.get("layers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let is = |layer: &&Value, name| layer.get("layer").and_then(Value::as_str) == Some(name);
        let signed =
            || layers.iter().filter(|l| is(l, "signed") && l.get("verified") == Some(&Value::Bool(true)));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let standings = signed().filter_map(|l| l.get("revocation")?.as_array()).flatten();
        let places = [protection.get("signed_data"), protection.pointer("/payload/sha256")];
        Self {
            covered: signed().filter_map(|l| text(l.pointer("/covered/sha256")?)).collect(),
            inside: places.into_iter().flatten().filter_map(|v| text(v)?.try_into().ok()).collect(),
            sealed: layers.iter().any(|l| is(&l, "sealed")),
            unknown: standings
                .into_iter()
                .any(|r| r.get("standing").and_then(Value::as_str) == Some("unknown")),
            judged: signed().filter_map(|l| l.get("judged")?.as_str()?.parse().ok()).max(),
        }
    }
}

fn covered(layers: &[Layer]) -> Vec<String> {
    let covered = layers.iter().filter_map(|layer| match layer {
        Layer::Signed(signed) => signed.covered.as_ref().map(|c| c.sha256.clone()),
        Layer::Sealed(_) | Layer::Mime { .. } | Layer::Gzip { .. } => None,
    });
    covered.collect()
}

/// Opens again, as the broker did then.
fn reopen<'a>(
    bytes: &'a [u8],
    record: &Record,
    believed: &Believed,
    rests: &Rests,
    means: Means<'_>,
) -> Result<Opened<'a>, Fault> {
    let mut anchors = rests.anchors.clone();
    if believed.unknown {
        // So that the signature itself is checked; that nothing was known is a finding of its own.
        anchors.test_mode = Some(TestMode::announced_loudly_by_the_caller());
    }
    let context = Context {
        keys: means.keys,
        anchors: &anchors,
        evidence: &rests.evidence,
        cache: &Cache::default(),
        directory: &rests.directory,
        second: None,
        // Which algorithms the sender might use was agreed with the broker; what was used stands in the account.
        allowed: Allowed { sha1: true, triple_des: true },
        moment: Moment { at: record.received, now: believed.judged.unwrap_or(record.received) },
        under_way: UNDER_WAY,
        limits: &Limits::default(),
    };
    open(bytes, &context).map_err(|refused| refused.fault)
}

/// The id by which a receipt names what it answers.
fn original_of(bytes: &[u8]) -> Option<String> {
    let text = xml::decode(bytes).ok()?.text;
    let receipt = head::read(&text, &Limits::default()).ok()?.receipt?;
    Some(receipt.original_id?.key())
}

fn one_line(fault: &Fault) -> String {
    let certificate = fault.certificate.as_ref().map_or_else(String::new, |c| format!(" Certificate: {c}."));
    format!("{} {}{certificate}", fault.kind.code(), fault.message)
}
