//! What protection rests on: keys, roots, what is known of revocation, partners' certificates; and what was agreed
//! with each partner.

use crate::policy::ProtectionPolicy;
use jiff::{SignedDuration, Timestamp};
use message_schemas::{Family, HerId, Limits};
use routing_rules::{Cipher, DocumentSignature, Gets, Legacy, Parties, PartyEntry, Requires};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use trust::chain::{Cache, Moment, Purpose};
use trust::open::{Context, Directory};
use trust::revocation::Evidence;
use trust::second_opinion::SecondOpinion;
use trust::{Allowed, Anchors, Certificate, ContentCipher, Fault, KeyRing, Kind, cms};

/// Everything that opening and sealing take. The shell makes a new one when keys, certificates or revocation answers
/// change; each decision is made on one of them as a whole.
#[derive(Debug, Clone, Default)]
pub struct Protection {
    /// Our keys.
    pub keys: Arc<KeyRing>,
    /// Where trust begins; test mode is a switch in it.
    pub anchors: Arc<Anchors>,
    /// What is known of revocation: fetched before, never while judging.
    pub evidence: Arc<Evidence>,
    /// Judgements that still hold.
    pub cache: Arc<Cache>,
    /// Partners' certificates.
    pub partners: Arc<Partners>,
    /// A second engine for the signatures of documents, if there is one.
    pub second: Option<Arc<dyn SecondOpinion>>,
}

/// Partners' certificates, from the party files and from registries.
#[derive(Clone, Default)]
pub struct Partners {
    by_party: HashMap<HerId, Vec<Arc<Certificate>>>,
    directory: Directory,
}

impl fmt::Debug for Partners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partners").field("parties", &self.by_party.len()).finish_non_exhaustive()
    }
}

impl Partners {
    /// Of these: each party with its certificates, for signing and for sealing.
    pub fn new(certificates: impl IntoIterator<Item = (HerId, Vec<Arc<Certificate>>)>) -> Self {
        let mut by_party: HashMap<HerId, Vec<Arc<Certificate>>> = HashMap::new();
        for (party, mut list) in certificates {
            by_party.entry(party).or_default().append(&mut list);
        }
        let directory = Directory::new(by_party.values().flatten().map(Arc::clone));
        Self { by_party, directory }
    }

    /// A party's own certificates.
    #[must_use]
    pub fn of(&self, party: HerId) -> &[Arc<Certificate>] {
        self.by_party.get(&party).map_or(&[], Vec::as_slice)
    }

    /// All certificates with the parties that they are listed for.
    pub fn iter(&self) -> impl Iterator<Item = (HerId, &Arc<Certificate>)> {
        self.by_party.iter().flat_map(|(party, list)| list.iter().map(|c| (*party, c)))
    }
}

/// What was agreed with the sender of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// What its messages must have.
    pub requires: Requires,
    /// Whether the document itself must be signed.
    pub document_signature: DocumentSignature,
    /// Which old algorithms it may use.
    pub allowed: Allowed,
}

impl Agreement {
    /// With a sender, for a family: what the party says, else its enterprise, else the policy.
    #[must_use]
    pub fn with(
        sender: Option<&PartyEntry>,
        family: Option<Family>,
        parties: &Parties,
        policy: &ProtectionPolicy,
    ) -> Self {
        let requires = sender.and_then(|s| parties.protection(s, |p| p.requires.of(family)));
        let document = sender.and_then(|s| parties.protection(s, |p| p.document_signature.of(family)));
        let allow = sender.and_then(|s| parties.protection(s, |p| p.allow.as_deref()));
        Self {
            requires: requires.unwrap_or_else(|| policy.requires.of(family)),
            document_signature: document.unwrap_or_else(|| policy.document_signature.of(family)),
            allowed: allowed(allow.unwrap_or(&policy.allow)),
        }
    }
}

/// The widest that any partner may use: so much is opened, and then held against the sender's own agreement.
#[must_use]
pub fn widest(parties: &Parties, policy: &ProtectionPolicy) -> Allowed {
    allowed(parties.legacy().iter().chain(&policy.allow))
}

fn allowed<'a>(legacy: impl IntoIterator<Item = &'a Legacy>) -> Allowed {
    let mut allowed = Allowed::default();
    for one in legacy {
        match one {
            Legacy::Sha1 => allowed.sha1 = true,
            Legacy::TripleDes => allowed.triple_des = true,
        }
    }
    allowed
}

impl Protection {
    /// For opening a message that came at `received`.
    #[must_use]
    pub fn context<'a>(
        &'a self,
        allowed: Allowed,
        under_way: SignedDuration,
        received: Timestamp,
        now: Timestamp,
        limits: &'a Limits,
    ) -> Context<'a> {
        Context {
            keys: &self.keys,
            anchors: &self.anchors,
            evidence: &self.evidence,
            cache: &self.cache,
            directory: &self.partners.directory,
            second: self.second.as_deref(),
            allowed,
            moment: Moment { at: received, now },
            under_way,
            limits,
        }
    }

    /// Signs: SignedData, with the content in it. Its time is `now`, so its bytes are kept and sent as they are.
    ///
    /// # Errors
    /// [`Kind::CannotSeal`] where a key is missing or not good.
    pub fn sign(&self, content: &[u8], now: Timestamp) -> Result<Vec<u8>, Fault> {
        let key = self.keys.signing(now).ok_or_else(|| {
            Fault::new(
                Kind::CannotSeal,
                "There is no key of ours to sign with: none is configured that is valid now and for signing.",
                "Configure our key and certificate for signatures, and judge the message again.",
            )
        })?;
        cms::sign(content, &**key, Some(now))
    }

    /// Signs and seals for a party, in the nested form of the profile. Draws on chance, so its bytes are kept and
    /// sent as they are.
    ///
    /// # Errors
    /// [`Kind::CannotSeal`] where a certificate or key is missing or not good; [`Kind::RevocationUnknown`] where that
    /// alone is why.
    pub fn seal(
        &self,
        content: &[u8],
        party: &PartyEntry,
        cipher: Cipher,
        now: Timestamp,
    ) -> Result<Vec<u8>, Fault> {
        let certificate = self.sealing_certificate(party, now)?;
        let signed = self.sign(content, now)?;
        let cipher = match cipher {
            Cipher::Aes256Cbc => ContentCipher::Aes256Cbc,
            Cipher::Aes256Gcm => ContentCipher::Aes256Gcm,
        };
        cms::seal(&signed, &[certificate], cipher)
    }

    /// The newest certificate for sealing that is good now: the party's own, else its enterprise's.
    fn sealing_certificate(&self, party: &PartyEntry, now: Timestamp) -> Result<Arc<Certificate>, Fault> {
        let listed = [Some(party.her_id), party.parent].into_iter().flatten().map(|h| self.partners.of(h));
        let mut listed: Vec<_> =
            listed.flatten().filter(|c| c.usage.is_some_and(|u| u.key_encipherment)).collect();
        listed.sort_by_key(|c| std::cmp::Reverse(c.not_before));
        let moment = Moment { at: now, now };
        let mut first = None;
        for certificate in listed {
            let judged =
                self.anchors.judge(certificate, &[], Purpose::Sealing, moment, &self.evidence, &self.cache);
            match judged {
                Ok(trusted) => return Ok(Arc::clone(trusted.certificate())),
                Err(refusal) => {
                    first.get_or_insert(refusal.fault);
                }
            }
        }
        let remedy =
            "Get the party's certificate for encryption, put it into its list, and judge the message again.";
        Err(match first {
            Some(fault) if fault.kind == Kind::RevocationUnknown => fault,
            Some(fault) => {
                let why = format!(
                    "The certificate of party {} is not good for sealing. {}",
                    party.her_id, fault.message
                );
                Fault { certificate: fault.certificate, ..Fault::new(Kind::CannotSeal, why, remedy) }
            }
            None => {
                let why = format!("No certificate for sealing is known of party {}.", party.her_id);
                Fault::new(Kind::CannotSeal, why, remedy)
            }
        })
    }
}

/// What a receiving party gets, and how it is encrypted.
#[must_use]
pub fn gets(party: &PartyEntry, parties: &Parties, policy: &ProtectionPolicy) -> (Gets, Cipher) {
    let gets = parties.protection(party, |p| p.gets).unwrap_or(policy.gets);
    let cipher = parties.protection(party, |p| p.cipher).unwrap_or(policy.cipher);
    (gets, cipher)
}
