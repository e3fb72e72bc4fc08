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

const WHAT: &str = "signatures";
const SEAL: &str = "seal";

/// What a message holds by its own bytes, opened again.
pub(super) enum Inside<'a> {
    /// Nothing is around it.
    Itself(&'a [u8]),
    /// This came out.
    Opened(Opened<'a>),
}

impl Inside<'_> {
    /// What was inside, byte for byte; none if nothing was around it.
    pub(super) fn payload(&self) -> Option<&[u8]> {
        match self {
            Self::Opened(opened) => Some(opened.payload()),
            Self::Itself(_) => None,
        }
    }

    /// The bytes that are read.
    pub(super) fn content(&self) -> &[u8] {
        match self {
            Self::Itself(bytes) => bytes,
            Self::Opened(opened) => opened.content(),
        }
    }
}

impl<'a> Proof<'a> {
    /// Every signature that was believed, checked again as of then. Gives what the message holds, where that is seen.
    pub(super) fn signatures(
        &self,
        record: &Record,
        rests: &Rests,
        means: Means<'_>,
        checked: &mut Checked,
    ) -> Option<Inside<'a>> {
        let original = self.entries.get(&record.original).copied()?;
        let Some(protection) = &record.protection else {
            checked.say(WHAT, Standing::NotChecked, "The message came unprotected: there is none.");
            return Some(Inside::Itself(original));
        };
        if let Some(code) = protection.get("stopped_by").and_then(Value::as_str) {
            let told = format!("The message was stopped by {code}: nothing in it was believed.");
            checked.say(WHAT, Standing::NotChecked, told);
            return None;
        }
        let believed = Believed::read(protection);
        if believed.unknown {
            let why = "The broker ran in test mode: it believed a certificate of which nothing was known.";
            checked.say("revocation", Standing::Fails, why);
        }
        let opening = Opening { record, believed: &believed, rests };
        if !believed.sealed {
            return opening.signed(original, means, checked).map(Inside::Opened);
        }
        // Only the receiver can open the seal; what was signed inside lies beside it.
        let unsealed = opening.seal(original, means, checked);
        let beside = believed.inside.iter().find_map(|hash| self.entries.get(hash).copied());
        match (beside.filter(|_| !believed.covered.is_empty()), unsealed) {
            (Some(beside), _) => opening.signed(beside, means, checked).map(Inside::Opened),
            (None, Some(unsealed)) => {
                opening.tell(&unsealed, means, checked);
                Some(Inside::Opened(unsealed))
            }
            (None, None) if believed.covered.is_empty() => {
                checked.say(WHAT, Standing::NotChecked, UNSIGNED);
                None
            }
            (None, None) => {
                checked.left_open = true;
                checked.say(
                    WHAT,
                    Standing::NotChecked,
                    "What was signed stands inside the seal alone; give the receiver's key with --key to check it.",
                );
                None
            }
        }
    }
}

const UNSIGNED: &str = "The message came unsigned: there is none.";

/// How a message is opened again.
struct Opening<'o> {
    record: &'o Record,
    believed: &'o Believed,
    rests: &'o Rests,
}

impl Opening<'_> {
    /// Opens what nobody's key is needed for.
    fn signed<'a>(&self, subject: &'a [u8], means: Means<'_>, checked: &mut Checked) -> Option<Opened<'a>> {
        match self.reopen(subject, &KeyRing::default()) {
            Ok(opened) => {
                self.tell(&opened, means, checked);
                Some(opened)
            }
            Err(fault) => {
                checked.say(WHAT, Standing::Fails, one_line(&fault));
                None
            }
        }
    }

    /// Tells of the signatures that were found.
    fn tell(&self, opened: &Opened<'_>, means: Means<'_>, checked: &mut Checked) {
        let whose: Vec<String> = opened.proofs().iter().map(|p| p.signer.certificate().describe()).collect();
        let (at, whose) = (self.record.received, whose.join("; and "));
        let (standing, told) = if covered(opened.layers()) != self.believed.covered {
            (Standing::Fails, "They cover other bytes than the record says.".to_owned())
        } else if whose.is_empty() {
            (Standing::NotChecked, UNSIGNED.to_owned())
        } else if means.anchors.is_none() {
            let told = format!(
                "As of {at}: {whose}. The root is the one in the file; name those that you trust with --trust."
            );
            (Standing::NotChecked, told)
        } else {
            (Standing::Holds, format!("As of {at}: {whose}."))
        };
        checked.say(WHAT, standing, told);
    }

    /// That what was inside is what the sealed message has inside: only its receiver can see that.
    fn seal<'a>(&self, original: &'a [u8], means: Means<'_>, checked: &mut Checked) -> Option<Opened<'a>> {
        if means.keys.iter().next().is_none() {
            let why =
                "The message was sealed; give the receiver's key with --key to see that this was inside.";
            checked.say(SEAL, Standing::NotChecked, why);
            return None;
        }
        match self.reopen(original, means.keys) {
            Ok(opened)
                if covered(opened.layers()) == self.believed.covered
                    && self.record.payload == Some(ContentHash::of(opened.payload())) =>
            {
                let told = "What the record speaks of is what the sealed message has inside.";
                checked.say(SEAL, Standing::Holds, told);
                Some(opened)
            }
            Ok(_) => {
                checked.say(SEAL, Standing::Fails, "The sealed message has something else inside.");
                None
            }
            Err(fault) => {
                checked.say(SEAL, Standing::Fails, one_line(&fault));
                None
            }
        }
    }

    /// Opens again, as the broker did then.
    fn reopen<'a>(&self, bytes: &'a [u8], keys: &KeyRing) -> Result<Opened<'a>, Fault> {
        let mut anchors = self.rests.anchors.clone();
        if self.believed.unknown {
            // So that the signature itself is checked; that nothing was known is a finding of its own.
            anchors.test_mode = Some(TestMode::announced_loudly_by_the_caller());
        }
        let received = self.record.received;
        let context = Context {
            keys,
            anchors: &anchors,
            evidence: &self.rests.evidence,
            cache: &Cache::default(),
            directory: &self.rests.directory,
            second: None,
            // Which algorithms the sender might use was agreed with the broker; what was used stands in the account.
            allowed: Allowed { sha1: true, triple_des: true },
            moment: Moment { at: received, now: self.believed.judged.unwrap_or(received) },
            under_way: UNDER_WAY,
            limits: &Limits::default(),
        };
        open(bytes, &context).map_err(|refused| refused.fault)
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
