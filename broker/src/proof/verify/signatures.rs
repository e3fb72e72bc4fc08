//! The signatures that were believed, checked again as of then.

use super::checked::{Checked, Standing};
use super::entries::{Proof, Record, Rests};
use super::{Means, one_line};
use broker_core::ContentHash;
use jiff::{SignedDuration, Timestamp};
use message_schemas::Limits;
use serde_json::Value;
use trust::chain::{Cache, Moment, TestMode};
use trust::open::{Context, Layer, Opened, open};
use trust::{Allowed, Fault, KeyRing};

/// So long a message may have been under way when a certificate of its sender ran out meanwhile.
const UNDER_WAY: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Proof<'_> {
    /// Every signature that was believed, checked again as of then.
    pub(super) fn signatures(&self, record: &Record, rests: &Rests, means: Means<'_>, checked: &mut Checked) {
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
