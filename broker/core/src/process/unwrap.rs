//! The first stage: opened, verified, and what that says of who sent it.

use super::World;
use crate::arrival::{Arrival, ContentHash};
use crate::journal::Evidence;
use crate::protection::{Agreement, widest};
use jiff::Timestamp;
use message_schemas::head::{Party, Unit};
use message_schemas::{Code, Family, Finding, HerId, OrgNumber};
use routing_rules::{DocumentSignature, PartyEntry, Requires};
use serde::Serialize;
use std::sync::Arc;
use trust::open::{Layer, Parts, Refused, closed_if_unproven, open_discreetly};
use trust::revocation::{Standing, Wanted};
use trust::verified::{Form, Proof};
use trust::{ContentCipher, Digest, Fault, Kind};

/// A message after its protection was taken off.
#[derive(Debug)]
pub(super) enum Unwrapped {
    /// Nothing was around it, and no trust is configured to ask for more.
    AsItCame,
    /// Opened; what was signed is verified.
    Opened(Box<Inside>),
    /// Sealed for a receiver that wants it so: passed on unread.
    Opaque(Account),
    /// Not opened, or not to be trusted.
    Refused(Box<Stopped>),
}

/// What was inside.
#[derive(Debug)]
pub(super) struct Inside {
    /// The payload byte for byte; none if the message as it came is the payload.
    pub(super) payload: Option<Arc<[u8]>>,
    /// What is read; none if it is the payload.
    pub(super) covered: Option<Arc<[u8]>>,
    /// SHA-256 of the payload, where there is one.
    pub(super) payload_hash: Option<ContentHash>,
    /// For the record.
    pub(super) account: Account,
    layers: Vec<Layer>,
    proofs: Vec<Proof>,
}

/// Why it was not opened.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) fault: Fault,
    /// Proven by nothing: only for addressing an answer.
    pub(super) unverified: Option<Vec<u8>>,
    /// What to fetch.
    pub(super) wanted: Vec<Wanted>,
    pub(super) account: Option<Account>,
    /// What is at fault.
    pub(super) part: Part,
}

/// Which part of a protected message is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What was put around the message.
    Envelope,
    /// The message's own signature, inside an envelope whose signature holds.
    Document,
}

/// Opens a message.
pub(super) fn unwrap(arrival: &Arrival, world: &World, now: Timestamp) -> Unwrapped {
    let Some(protection) = &world.trust else {
        if !trust::cms::looks_like(&arrival.bytes) {
            return Unwrapped::AsItCame;
        }
        let fault = Fault::new(
            Kind::OwnKeyMissing,
            "The message is sealed or signed, and no keys are configured here.",
            "Configure keys and roots, and judge the message again.",
        );
        return Unwrapped::Refused(Box::new(Stopped {
            fault,
            unverified: None,
            wanted: Vec::new(),
            account: None,
            part: Part::Envelope,
        }));
    };
    let policy = &world.policy.protection;
    let allowed = widest(&world.parties, policy);
    let context =
        protection.context(allowed, policy.under_way.length(), arrival.received, now, &world.limits);
    match open_discreetly(&arrival.bytes, &context) {
        Ok(opened) => {
            let Parts { layers, proofs, payload, covered, signed } = opened.into_parts();
            let payload: Option<Arc<[u8]>> = payload.map(Into::into);
            let payload_hash = payload.as_deref().map(ContentHash::of);
            let contained = payload.as_deref().zip(payload_hash);
            let account = account(&layers, contained, None, &proofs, signed);
            Unwrapped::Opened(Box::new(Inside {
                payload,
                covered: covered.map(Into::into),
                payload_hash,
                account,
                layers,
                proofs,
            }))
        }
        Err(refused) => {
            if refused.fault.kind == Kind::OwnKeyMissing && wants_it_sealed(arrival, world) {
                return Unwrapped::Opaque(account(&refused.layers, None, Some(&refused.fault), &[], None));
            }
            Unwrapped::Refused(Box::new(Stopped::from(*refused)))
        }
    }
}

impl From<Refused> for Stopped {
    fn from(refused: Refused) -> Self {
        let Refused { fault, layers, unverified, wanted } = refused;
        let account = account(&layers, None, Some(&fault), &[], None);
        let around =
            |l: &Layer| matches!(l, Layer::Signed(signed) if signed.form == Form::Cms && signed.verified);
        let part = if layers.iter().any(around) { Part::Document } else { Part::Envelope };
        Self { fault, unverified, wanted, account: Some(account), part }
    }
}

/// What is said instead of a fault of something that came out of a seal without authentication and that no signature
/// proves: it cannot be opened. Whoever changed it on the way must not learn from us what it became.
pub(super) fn discreetly(inside: &Inside) -> Option<Stopped> {
    closed_if_unproven(&inside.layers).map(|refused| Stopped::from(*refused))
}

/// The receiver that the transport names takes what is sealed for it and not for us.
fn wants_it_sealed(arrival: &Arrival, world: &World) -> bool {
    let party = arrival.envelope_receiver.and_then(|h| world.parties.get(h));
    party.and_then(|p| world.parties.protection(p, |p| p.opaque)) == Some(true)
}

pub(super) fn passed_on_unread() -> Finding {
    Finding::new(
        Code::SealedForOther,
        "The message is sealed for its receiver and not for us; it is passed on as it came, unread.",
        "Nothing to do: that is how this receiver is set.",
    )
}

/// Holds what was found against what was agreed with the sender: the one that the message names, else the one that the
/// transport names (`named`). The first fault stops the message. Whatever was agreed, what came by the AMQP profile
/// (`profile`) is signed and sealed as that has it.
pub(super) fn agree(
    inside: &Inside,
    sender: Option<&Party>,
    named: Option<HerId>,
    family: Option<Family>,
    profile: bool,
    world: &World,
) -> Result<Option<Finding>, (Fault, Part)> {
    let around = |fault| (fault, Part::Envelope);
    if let Some(fault) = sender.and_then(|s| two_faced(s, world)) {
        return Err(around(fault));
    }
    let party = match sender {
        Some(sender) => party_of(sender, world),
        None => named.and_then(|her_id| world.parties.get(her_id)),
    };
    let mut agreement = Agreement::with(party, family, &world.parties, &world.policy.protection);
    if profile {
        agreement.requires = Requires::SignedAndSealed;
    }
    let signer = |form| inside.proofs.iter().find(|p| p.form == form);
    let sealed = inside.layers.iter().any(|l| matches!(l, Layer::Sealed(_)));

    if agreement.requires.sealed() && !sealed {
        return Err(around(Fault::new(
            Kind::NotSealed,
            "The agreement asks that this message is sealed, and it is not.",
            "Seal it with our certificate for encryption, and send it again under a new id.",
        )));
    }
    let signed = if profile { signer(Form::Cms).is_some() } else { !inside.proofs.is_empty() };
    if agreement.requires.signed() && !signed {
        return Err(around(not_signed("The agreement asks that this message is signed, and it is not.")));
    }
    let part_of = |form| match (form, signer(Form::Cms)) {
        (Form::XmlDsig, Some(_)) => Part::Document,
        (Form::XmlDsig, None) | (Form::Cms, _) => Part::Envelope,
    };
    if agreement.document_signature == DocumentSignature::Required && signer(Form::XmlDsig).is_none() {
        let fault = not_signed("The agreement asks that the document itself is signed, and it is not.");
        return Err((fault, part_of(Form::XmlDsig)));
    }
    for proof in &inside.proofs {
        speaks_for(proof, signer(Form::Cms), party, agreement.requires.signed(), world)
            .map_err(|fault| (fault, part_of(proof.form)))?;
    }
    Ok(untold(inside).or(legacy(inside, agreement).map_err(around)?))
}

/// What only test mode lets pass.
fn untold(inside: &Inside) -> Option<Finding> {
    let statuses = inside.proofs.iter().flat_map(|proof| proof.signer.revocation());
    let unknown = statuses.filter(|status| status.standing == Standing::Unknown).count();
    (unknown > 0).then(|| {
        Finding::new(
            Code::RevocationUnknown,
            "Whether a certificate is revoked cannot be told, and test mode lets it pass.",
            "Switch test mode off wherever real messages come.",
        )
    })
}

/// What came by the AMQP profile in the clear.
pub(super) fn in_the_clear(bytes: &[u8]) -> Stopped {
    let (message, remedy) = match bytes {
        [] => ("The message came over AMQP and is empty.", "Find out what its sender lost on the way."),
        [0x1f, 0x8b, ..] => (
            "The message came over AMQP and is compressed as a whole.",
            "Send what is signed and sealed as it is, without content-encoding, under a new id.",
        ),
        _ => (
            "The message came over AMQP and is neither signed nor sealed.",
            "Sign it, seal it with our certificate for encryption, and send it again under a new id.",
        ),
    };
    let fault = Fault::new(Kind::NotSealed, message, remedy);
    Stopped { fault, unverified: None, wanted: Vec::new(), account: None, part: Part::Envelope }
}

fn not_signed(message: &str) -> Fault {
    Fault::new(Kind::NotSigned, message, "Sign it, and send it again under a new id.")
}

/// A sender that names itself twice, and not alike: two HER-ids in one place, or a service beneath an enterprise that is
/// not its own. What is agreed with one would be asked of the other.
fn two_faced(sender: &Party, world: &World) -> Option<Fault> {
    let several = |unit: &Unit| {
        let mut ids = unit.idents.iter().filter(|i| i.kind.trim().eq_ignore_ascii_case("HER"));
        let first = ids.next();
        ids.any(|other| first.is_some_and(|f| f.value.trim() != other.value.trim() || f.kind != other.kind))
    };
    let units = std::iter::once(&sender.enterprise).chain(sender.service.iter().map(|s| s.unit()));
    if units.into_iter().any(several) {
        return Some(Fault::new(
            Kind::SenderContradicts,
            "The sender names several HER-ids in one place.",
            "Ask who it is, through a number that you know; do not answer to the message.",
        ));
    }
    let (service, enterprise) = (sender.her_id()?, sender.enterprise_her_id()?);
    let party = |h| world.parties.get(h);
    let own = match (party(service), party(enterprise)) {
        (Some(known), _) if known.parent.is_some() => {
            known.parent == Some(enterprise) || service == enterprise
        }
        // A service that nobody has placed, beneath an enterprise that is known: it may not borrow that name.
        (Some(_), Some(_)) => service == enterprise,
        (Some(_) | None, None) | (None, Some(_)) => true,
    };
    (!own).then(|| {
        Fault::new(
            Kind::SenderContradicts,
            format!(
                "The message names service {service} beneath enterprise {enterprise}, which is not its own."
            ),
            "Correct the party file if the service has moved; else ask both, through numbers that you know.",
        )
    })
}

/// The party that a sender is: its service, else its enterprise.
pub(super) fn party_of<'w>(sender: &Party, world: &'w World) -> Option<&'w PartyEntry> {
    [sender.her_id(), sender.enterprise_her_id()].into_iter().flatten().find_map(|h| world.parties.get(h))
}

/// The signing certificate belongs to the sender: it is listed for the party, or its organisation is the party's,
/// the enterprise's, or one that signs for it by agreement.
fn speaks_for(
    proof: &Proof,
    cms: Option<&Proof>,
    party: Option<&PartyEntry>,
    required: bool,
    world: &World,
) -> Result<(), Fault> {
    let certificate = proof.signer.certificate();
    let Some(party) = party else {
        // Where nothing is asked of strangers, a stranger's signature proves nothing and spoils nothing.
        return if required {
            Err(Fault::new(
                Kind::SignerUnknown,
                "The signature holds, but there is no party for the sender that the message names.",
                "Add the sender to the party file, with its organisation.",
            )
            .of(certificate))
        } else {
            Ok(())
        };
    };
    let listed = [Some(party.her_id), party.parent].into_iter().flatten();
    let listed = world.trust.iter().any(|protection| {
        listed
            .clone()
            .any(|h| protection.partners.of(h).iter().any(|c| c.thumbprint == certificate.thumbprint))
    });
    if !listed && world.parties.protection(party, |p| p.only_listed) == Some(true) {
        return Err(Fault::new(
            Kind::SignerUnknown,
            format!(
                "Party {} signs with the certificates that are listed for it, and this is none of them.",
                party.her_id
            ),
            "Get the party's new certificate from the party, and put it into its list.",
        )
        .of(certificate));
    }
    let signers = world.parties.signers(party);
    match certificate.organisation {
        _ if listed => Ok(()),
        Some(organisation) if signers.contains(&organisation) => Ok(()),
        // A person signs the document, the organisation the envelope around it: the envelope tells whose it is.
        None if proof.form == Form::XmlDsig && cms.is_some() => Ok(()),
        found @ (Some(_) | None) => Err(other_organisation(found, party, &signers).of(certificate)),
    }
}

fn other_organisation(found: Option<OrgNumber>, party: &PartyEntry, signers: &[OrgNumber]) -> Fault {
    let found = found.map_or_else(|| "no organisation".to_owned(), |o| format!("organisation {o}"));
    let wanted = match signers {
        [] => "none is known of it".to_owned(),
        some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    Fault::new(
        Kind::OrganisationMismatch,
        format!("The certificate belongs to {found}; party {} signs as: {wanted}.", party.her_id),
        "If the party agrees that this organisation signs for it, name it in signed_by; else ask the party.",
    )
}

/// What was used, against what this sender may use.
fn legacy(inside: &Inside, agreement: Agreement) -> Result<Option<Finding>, Fault> {
    let mut old = Vec::new();
    for layer in &inside.layers {
        match layer {
            Layer::Sealed(sealed) if sealed.cipher == ContentCipher::TripleDesCbc => {
                old.push(("triple DES", agreement.allowed.triple_des));
            }
            Layer::Signed(signed)
                if signed.digest == Digest::Sha1 || signed.algorithm.digest() == Digest::Sha1 =>
            {
                old.push(("SHA-1", agreement.allowed.sha1));
            }
            Layer::Sealed(_) | Layer::Signed(_) | Layer::Mime { .. } | Layer::Gzip { .. } => {}
        }
    }
    if let Some((name, _)) = old.iter().find(|(_, allowed)| !allowed) {
        return Err(Fault::new(
            Kind::AlgorithmNotAllowed,
            format!("The message uses {name}, which the agreement with its sender does not allow."),
            "Use SHA-256 and AES-256, and send it again under a new id.",
        ));
    }
    Ok(old.first().map(|(name, _)| {
        Finding::new(
            Code::LegacyAlgorithm,
            format!("The message uses {name}; the agreement with its sender allows that."),
            "Agree on a date from which SHA-256 and AES-256 are used.",
        )
    }))
}

/// What the transport says of the sender, against what the message says.
pub(super) fn contradiction(arrival: &Arrival, sender: Option<&Party>, world: &World) -> Option<Fault> {
    let (named, sender) = (arrival.envelope_sender?, sender?);
    let (service, enterprise) = (sender.her_id(), sender.enterprise_her_id());
    if Some(named) == service || Some(named) == enterprise {
        return None;
    }
    // The transport may name the enterprise of a service that leaves it out.
    let parent = service.and_then(|h| world.parties.get(h)).and_then(|p| p.parent);
    if Some(named) == parent {
        return None;
    }
    let said = service.or(enterprise).map_or_else(|| "none".to_owned(), |h| h.to_string());
    Some(Fault::new(
        Kind::SenderContradicts,
        format!("The transport names HER-id {named} as sender, and the message names {said}."),
        "Ask both, through numbers that you know; do not answer to the message.",
    ))
}

/// What is kept of it: the account, and the bytes that it names by their hashes.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) json: String,
    pub(super) evidence: Vec<Evidence>,
}

fn account(
    layers: &[Layer],
    payload: Option<(&[u8], ContentHash)>,
    fault: Option<&Fault>,
    proofs: &[Proof],
    signed: Option<Vec<u8>>,
) -> Account {
    let mut evidence = Vec::new();
    let signed = signed.map(|bytes| Evidence { hash: ContentHash::of(&bytes), bytes: bytes.into() });
    let signed_hash = signed.as_ref().map(|e| e.hash);
    evidence.extend(signed);
    for proof in proofs {
        let certificates = std::iter::once(proof.signer.certificate()).chain(proof.signer.chain());
        evidence.extend(
            certificates.map(|c| Evidence { hash: ContentHash(c.thumbprint.0), bytes: Arc::clone(&c.der) }),
        );
        let answers = proof.signer.revocation().iter().filter_map(|status| status.source.as_ref());
        evidence.extend(answers.map(|a| Evidence { hash: ContentHash(a.hash), bytes: Arc::clone(&a.der) }));
    }
    evidence.sort_by_key(|e| e.hash);
    evidence.dedup_by_key(|e| e.hash);
    let payload = payload.map(|(bytes, sha256)| Contained { bytes: bytes.len(), sha256 });
    let account =
        Report { layers, payload, signed_data: signed_hash, stopped_by: fault.map(|f| f.kind.code()) };
    Account { json: serde_json::to_string(&account).unwrap_or_default(), evidence }
}

/// As it stands in the journal.
#[derive(Serialize)]
struct Report<'a> {
    /// Outermost first.
    layers: &'a [Layer],
    /// What was inside; none if nothing was around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Contained>,
    /// The SignedData that was inside the seal, among the evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_data: Option<ContentHash>,
    /// The finding that stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_by: Option<Code>,
}

#[derive(Serialize)]
struct Contained {
    bytes: usize,
    sha256: ContentHash,
}
