//! Who vouches for a proof: the signature on the manifest, whose it is, and whether its certificate was revoked.

use super::checked::{BROKER, BROKER_REVOCATION, Checked, Standing};
use super::entries::{Proof, Rests};
use super::{Broker, Means, one_line};
use message_schemas::Limits;
use std::sync::Arc;
use trust::chain::{Cache, Moment, Purpose, TestMode, Trusted};
use trust::revocation::Standing as Known;
use trust::{Allowed, Anchors, Fault, Kind, cms};

impl Proof<'_> {
    /// The broker's own signature on the manifest.
    pub(super) fn vouched(&self, rests: &Rests, means: Means<'_>, checked: &mut Checked) {
        let Some(bytes) = self.signed_manifest else {
            let why = "No broker signed the manifest: what is not the sender's own is the word of who made the file.";
            let standing = if means.broker.is_some() { Standing::Fails } else { Standing::NotChecked };
            return checked.say(BROKER, standing, why);
        };
        // Only the reader's own roots make the broker's word worth something.
        if means.anchors.is_none() {
            let why = "The manifest is signed; name the roots that you trust with --trust to check by whom.";
            return checked.say(BROKER, Standing::NotChecked, why);
        }
        let signer = match self.signer_of_manifest(bytes, rests) {
            Ok(Some(signer)) => signer,
            Ok(None) => return checked.say(BROKER, Standing::Fails, "It signs another manifest."),
            Err(fault) => return checked.say(BROKER, Standing::Fails, one_line(&fault)),
        };
        let whose = signer.certificate().describe();
        let (standing, told) = match means.broker {
            None => (
                Standing::NotChecked,
                format!(
                    "The manifest is signed by {whose}. Anybody whom your roots vouch for could have: name the \
                     broker with --broker."
                ),
            ),
            Some(broker) if broker.is(&signer) => {
                (Standing::Holds, format!("The manifest is signed by {whose}."))
            }
            Some(broker) => (
                Standing::Fails,
                format!("The manifest is signed by {whose}, and not by {}.", broker.describe()),
            ),
        };
        checked.say(BROKER, standing, told);
        self.revocation_of(&signer, checked);
    }

    /// Who signed the manifest; none if they signed another one.
    fn signer_of_manifest(&self, bytes: &[u8], rests: &Rests) -> Result<Option<Arc<Trusted>>, Fault> {
        let signed = cms::signed(bytes, &Limits::default())?;
        let embedded = signed.certificates();
        let claimed = embedded.iter().find(|c| signed.signer.is(c)).ok_or_else(|| {
            Fault::new(Kind::SignerUnknown, "The signature brings no certificate along.", "")
        })?;
        // What is unknown of its revocation is told by a check of its own; what is known to be revoked is refused.
        let anchors =
            Anchors { test_mode: Some(TestMode::announced_loudly_by_the_caller()), ..rests.anchors.clone() };
        let moment = Moment { at: self.manifest.made, now: self.manifest.made };
        let cache = Cache::default();
        let signer = anchors.judge(claimed, &embedded, Purpose::Signing, moment, &rests.evidence, &cache)?;
        let covered = signed.verify(&signer, Allowed::default())?.into_inner();
        Ok((covered == self.manifest_bytes).then_some(signer))
    }

    /// That the certificate, and each one above it but the root, was known to be good when the proof was made.
    fn revocation_of(&self, signer: &Trusted, checked: &mut Checked) {
        let made = self.manifest.made;
        let (standing, told) = if signer.revocation().iter().all(|s| s.standing == Known::Good) {
            let told =
                format!("As of {made}, when the file says it was made, none above it or itself was revoked.");
            (Standing::Holds, told)
        } else {
            let why = "Unknown: the file has no answer, fresh when it was made, that tells whether its certificate \
                       was revoked then.";
            (Standing::NotChecked, why.to_owned())
        };
        checked.say(BROKER_REVOCATION, standing, told);
    }
}

impl Broker {
    fn is(&self, signer: &Trusted) -> bool {
        match self {
            Self::Certificate(certificate) => certificate.thumbprint == signer.certificate().thumbprint,
            Self::Organisation(number) => signer.certificate().organisation == Some(*number),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Certificate(certificate) => certificate.describe(),
            Self::Organisation(number) => format!("organisation {number}"),
        }
    }
}
