//! Who vouches for a proof: the broker's signature on the manifest.

use super::checked::{Checked, Standing};
use super::entries::{Proof, Rests};
use super::{Means, one_line};
use message_schemas::Limits;
use trust::chain::{Cache, Moment, Purpose, TestMode};
use trust::{Allowed, Anchors, Fault, cms};

impl Proof<'_> {
    /// The broker's own signature on the manifest.
    pub(super) fn vouched(&self, rests: &Rests, means: Means<'_>, checked: &mut Checked) {
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
}
