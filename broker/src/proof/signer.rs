//! Who signs a proof, with what lets others believe it years later: the chain above the certificate, and what is known of
//! its revocation when the proof is made.

use broker_core::journal::Evidence as Kept;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use trust::chain::{Cache, Moment, Purpose, TestMode};
use trust::keys::PrivateKey;
use trust::revocation::{Evidence, Standing};
use trust::{Anchors, Fault};

/// A key of the broker's to sign the manifest with.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The key.
    pub(super) key: Arc<dyn PrivateKey>,
    /// Its chain, and revocation answers about it.
    pub(super) rests_on: Vec<Kept>,
    /// What would make a reader doubt the signature; none if nothing would.
    doubt: Option<String>,
}

impl Signer {
    /// Judges the key's certificate as of `now`. A certificate that cannot be judged signs all the same: the reader
    /// judges it by roots of their own, and [`Self::doubt`] tells why they may not come to a yes.
    ///
    /// # Errors
    /// When the certificate is known to be revoked: what it signs proves nothing.
    pub fn judge(
        key: &Arc<dyn PrivateKey>,
        anchors: &Anchors,
        evidence: &Evidence,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let (certificate, chain) = (key.certificate(), key.chain());
        // What is unknown is told below; the chain and the answers that there are come along nonetheless.
        let anchors =
            Anchors { test_mode: Some(TestMode::announced_loudly_by_the_caller()), ..anchors.clone() };
        let moment = Moment { at: now, now };
        let cache = Cache::default();
        let judged = match anchors.judge(certificate, chain, Purpose::Signing, moment, evidence, &cache) {
            Ok(judged) => judged,
            Err(refusal) if refusal.fault.kind == trust::Kind::CertificateRevoked => {
                return Err(refusal.fault);
            }
            Err(refusal) => {
                let doubt = Some(refusal.fault.message);
                return Ok(Self { key: Arc::clone(key), rests_on: Vec::new(), doubt });
            }
        };
        let unknown = judged.revocation().iter().any(|status| status.standing != Standing::Good);
        let doubt = unknown.then(|| "Whether its certificate is revoked is not known here now.".to_owned());
        let certificates = judged.chain().iter().chain([certificate]).map(|c| Arc::clone(&c.der));
        let answers =
            judged.revocation().iter().filter_map(|status| Some(Arc::clone(&status.source.as_ref()?.der)));
        let rests_on: BTreeMap<_, _> =
            certificates.chain(answers).map(Kept::of).map(|kept| (kept.hash, kept)).collect();
        Ok(Self { key: Arc::clone(key), rests_on: rests_on.into_values().collect(), doubt })
    }

    /// Whose it is, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        self.key.certificate().describe()
    }

    /// What would make a reader doubt the signature.
    #[must_use]
    pub fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }
}
