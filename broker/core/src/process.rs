//! The path of one message: unwrap, validate, receipts, route, translate. Pure: bytes, settings, time and
//! ids in, the whole decision out.
//!
//! The order of the checks is that of kith-messages §4.7: readable, known, valid, addressed, identified,
//! seen before, patient. The first stages need nothing but the message ([`process`]); the rest needs to know
//! what the journal knows ([`Prepared::decide`]).
//!
//! **Invariant:** every arrival ends as an [`Entry`], whatever its bytes are, and every receiver that it
//! names and that has not had it before becomes a recipient in exactly one state.

mod again;
mod answer;
mod envelope;
mod label;
mod publish;
mod read;
mod recipients;
mod seal;
mod unanswered;
mod unwrap;

use crate::arrival::{Arrival, ContentHash, Ids};
use crate::journal::{DuplicateKey, Entry, Known, Lookup, Provenance, Seen, VerdictRecord};
use crate::outcome::Outcome;
use crate::policy::Policy;
use crate::protection::Protection;
use crate::verdict::{Fault, Kept};
pub use again::read_again;
use jiff::Timestamp;
use message_schemas::document;
use message_schemas::head::{Addressing, Party, Role};
use message_schemas::schema::SchemaSet;
use message_schemas::{Family, Findings, HerId, Limits, MessageHead, MessageId, MsgId};
use read::Reading;
use recipients::Recipients;
use routing_rules::{Parties, Rules};
use std::sync::Arc;
pub use unanswered::unanswered;

/// Everything that a decision rests on besides the message: schemas, parties, rules and settings, all loaded
/// before, and their hashes.
#[derive(Debug, Clone)]
pub struct World {
    /// The schema set.
    pub schemas: Arc<SchemaSet>,
    /// Who takes part.
    pub parties: Arc<Parties>,
    /// Where messages go.
    pub rules: Arc<Rules>,
    /// What opening and sealing rest on; without it, nothing is opened, asked for or sealed.
    pub trust: Option<Arc<Protection>>,
    /// What this installation decides for itself.
    pub policy: Arc<Policy>,
    /// How much we are willing to read.
    pub limits: Limits,
    /// How heads are read.
    pub heads: message_schemas::head::Settings,
    /// How documents are made.
    pub documents: Arc<document::Options>,
    /// The hashes of all that, and the program's version.
    pub provenance: Arc<Provenance>,
}

/// A message that is read and validated, waiting to hear what the journal knows of it.
#[derive(Debug)]
pub struct Prepared {
    arrival: Arrival,
    content_hash: ContentHash,
    payload_hash: ContentHash,
    /// Under which senders its id may be known. One but for what is unproven, which may name the true sender by its
    /// enterprise, or the enterprise by a service.
    senders: Vec<String>,
    reading: Reading,
    /// It lies for another content under its id, and a person wants it beside that.
    beside: bool,
}

/// Reads and judges a message as far as that goes without knowing the past.
pub fn process(arrival: Arrival, world: &World, now: Timestamp, ids: &mut impl Ids) -> Outcome {
    let mut reading = read::read(&arrival, world, now);
    let wanted = std::mem::take(&mut reading.wanted);
    let prepared = Box::new(Prepared::new(arrival, reading, world));
    if wanted.is_empty() { prepared.proceed(world, now, ids) } else { Outcome::Fetch { wanted, prepared } }
}

/// Sender and message id, as repeats are recognised by.
fn identity(addressing: &Addressing) -> Option<(String, String)> {
    let sender = sender_key(addressing.sender.as_ref()?)?;
    Some((sender, addressing.msg_id.as_ref()?.key()))
}

/// The sender as a key: level 2 before level 1, HER-id before other ids.
fn sender_key(sender: &Party) -> Option<String> {
    let her_id = sender.any_her_id().map(her_key);
    her_id.or_else(|| {
        let service = sender.service.iter().flat_map(|s| &s.unit().idents);
        let ident = service.chain(&sender.enterprise.idents).find(|i| !i.is_personal())?;
        Some(format!("{}:{}", ident.kind, ident.value))
    })
}

fn her_key(her_id: HerId) -> String {
    format!("HER:{her_id}")
}

/// The enterprise of a sender, and all services that are known of it.
fn house_of<'w>(sender: Option<&Party>, world: &'w World) -> impl Iterator<Item = HerId> + use<'w> {
    let known = sender.and_then(Party::her_id).and_then(|h| world.parties.get(h)).and_then(|p| p.parent);
    let enterprise = sender.and_then(Party::enterprise_her_id).or(known);
    let services =
        move || world.parties.iter().filter(move |p| enterprise.is_some() && p.parent == enterprise);
    enterprise.into_iter().chain(services().map(|p| p.her_id))
}

impl Prepared {
    fn new(arrival: Arrival, reading: Reading, world: &World) -> Self {
        let content_hash = arrival.content_hash();
        let payload_hash = reading.payload_hash.unwrap_or(content_hash);
        let mut senders: Vec<String> = reading.addressing.sender.iter().filter_map(sender_key).collect();
        if reading.unproven {
            senders.extend(house_of(reading.addressing.sender.as_ref(), world).map(her_key));
            senders.sort_unstable();
            senders.dedup();
        }
        Self { arrival, content_hash, payload_hash, senders, reading, beside: false }
    }

    /// Goes on without what [`Outcome::Fetch`] asked for.
    pub fn proceed(self: Box<Self>, world: &World, now: Timestamp, ids: &mut impl Ids) -> Outcome {
        let lookups = self.lookups();
        if lookups.is_empty() {
            return Outcome::Judged(Box::new(self.decide(&Known::default(), world, now, ids)));
        }
        Outcome::Need { lookups, prepared: self }
    }

    /// The message as it came.
    #[must_use]
    pub const fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    /// Our id of the message.
    #[must_use]
    pub const fn message(&self) -> MessageId {
        self.arrival.id
    }

    /// What the journal must be asked: has this sender used this id before, and what does a receipt answer?
    #[must_use]
    pub fn lookups(&self) -> Vec<Lookup> {
        let msg_id = self.reading.addressing.msg_id.as_ref().map(MsgId::key);
        // Of what stands beside another, copies are known by their content too.
        let beside = msg_id.as_deref().filter(|_| self.beside).map(|id| self.beside_key(id));
        let ids = [&msg_id, &beside].into_iter().flatten();
        let seen = ids.flat_map(|id| {
            self.senders.iter().map(|sender| Lookup::Seen { sender: sender.clone(), msg_id: id.clone() })
        });
        let originals = answer::original_keys_of(&self.reading).into_iter().map(Lookup::Original);
        let mut lookups: Vec<Lookup> = seen.chain(originals).collect();
        lookups.extend(envelope::lookups(&self.arrival, &self.reading));
        lookups
    }

    fn beside_key(&self, msg_id: &str) -> String {
        format!("{msg_id}#{}", self.payload_hash)
    }

    /// The rest of the decision, now that it is known what came before. May be called again with newer
    /// answers: nothing is used up, so that a message overtaken in the journal is simply decided anew.
    #[must_use]
    pub fn decide(&self, known: &Known, world: &World, now: Timestamp, ids: &mut impl Ids) -> Entry {
        self.decide_telling(true, known, world, now, ids)
    }

    /// `tell` is false for a message whose sender has been told of a fault by the transport before.
    fn decide_telling(
        &self,
        tell: bool,
        known: &Known,
        world: &World,
        now: Timestamp,
        ids: &mut impl Ids,
    ) -> Entry {
        let (arrival, reading) = (&self.arrival, &self.reading);
        let mut recipients = Recipients::default();
        if envelope::is_report(arrival) {
            let verdict = envelope::report(&mut recipients, arrival, known, ids);
            return self.entry(world, verdict, recipients, Vec::new());
        }
        // What an unproven message says its id is means nothing: it is a forgery, or to be mended, and never a repeat
        // of what it names, nor in conflict with it.
        let seen: &[Seen] = if reading.unproven { &[] } else { &known.seen };
        let conflicting = seen.iter().any(|seen| seen.content_hash != self.payload_hash);
        let had_it: Vec<&str> = seen.iter().map(|seen| seen.receiver.as_str()).collect();

        let addressed = || reading.addressing.receivers.iter().filter(|r| r.role != Role::Mentioned);
        let key =
            |r: &message_schemas::head::Receiver| r.party.her_id().map(|h| h.to_string()).unwrap_or_default();
        if let Some(first) = seen.first()
            && !conflicting
            && addressed().all(|r| had_it.contains(&key(r).as_str()))
        {
            //= HITS 1168:2016 §5.4
            //# The same MsgId in the same system is a duplicate: ignore it, send no receipt.
            let of = first.message;
            return self.entry(world, VerdictRecord::Duplicate { of }, Recipients::default(), Vec::new());
        }

        let fault = conflicting
            .then_some(Fault::ConflictingContent)
            .or_else(|| envelope::first_fault(arrival, reading, known, world, now));
        let told = fault.and_then(|fault| envelope::told(fault, arrival, reading, world));
        // Who forges a message that its sender has sent shall not make us tell the sender that it was refused.
        let forged = reading.unproven && !known.seen.is_empty();
        recipients.silent = forged || envelope::is_silent(arrival, told);
        recipients.told = envelope::tells(arrival, told);
        let verdict = match fault {
            None if reading.opaque => recipients.pass_on(arrival, world, ids),
            Some(fault) => recipients.stop(fault, reading, world, now, ids, &had_it),
            None => recipients.deliver(arrival, reading, known, world, now, ids, &had_it),
        };
        let verdict = envelope::hurry(&mut recipients, verdict, arrival, known, world);
        let mut verdict = if verdict == VerdictRecord::Accepted && reading.flawed {
            VerdictRecord::AcceptedWithFindings
        } else {
            verdict
        };
        label::write(&mut recipients, arrival, reading, now);
        seal::protect(&mut recipients, arrival, reading, world, now, ids);
        recipients.set_aside();
        // What could not be sealed goes nowhere either, so a request is known to be unanswerable only now.
        let told = told.or_else(|| envelope::unanswerable(arrival, fault, &recipients));
        if let Some(condition) = told.filter(|_| tell) {
            let telling = envelope::Telling { arrival, reading, known, world, now };
            telling.tell(&mut recipients, &mut verdict, condition, fault, ids);
        }
        if matches!(verdict, VerdictRecord::Accepted | VerdictRecord::AcceptedWithFindings) {
            publish::add(&mut recipients, arrival, reading, world, ids);
        }
        // What is in conflict must not take the key of what it conflicts with, nor a forgery that of what it forges.
        //= HITS 1216:2018 §2.2.4
        //# Sent again after an error on the error queue: with a new message-id, and the MsgId that it had.
        let takes_none = conflicting || reading.unproven || told.is_some() || envelope::is_exchange(arrival);
        let keys = match identity(&reading.addressing).filter(|_| !takes_none) {
            None => envelope::answer_key(arrival, known, &recipients).into_iter().collect(),
            Some((sender, msg_id)) => {
                let mut receivers: Vec<String> =
                    addressed().map(key).filter(|r| !had_it.contains(&r.as_str())).collect();
                if addressed().next().is_none() {
                    receivers.push(String::new());
                }
                receivers.sort_unstable();
                receivers.dedup();
                let with =
                    |receiver| DuplicateKey { sender: sender.clone(), msg_id: msg_id.clone(), receiver };
                receivers.into_iter().map(with).collect()
            }
        };
        self.entry(world, verdict, recipients, keys)
    }

    /// The entry for a message on which the program failed: kept with its bytes, nobody blamed.
    #[must_use]
    pub fn failed(arrival: Arrival, world: &World, ids: &mut impl Ids) -> Entry {
        let mut recipients = Recipients::default();
        recipients.nowhere(None, Fault::Internal, ids);
        let reading = Reading::nothing(&world.limits);
        let prepared = Self::new(arrival, reading, world);
        let reason = Fault::Internal.consequence().reason;
        prepared.entry(world, VerdictRecord::Parked { reason }, recipients, Vec::new())
    }

    fn entry(
        &self,
        world: &World,
        verdict: VerdictRecord,
        recipients: Recipients,
        duplicate_keys: Vec<DuplicateKey>,
    ) -> Entry {
        let protection = &self.reading.protection;
        let mut findings = self.reading.findings.clone();
        recipients.findings.into_iter().for_each(|finding| findings.push(finding));
        Entry {
            arrival: self.arrival.clone(),
            content_hash: self.content_hash,
            payload_hash: self.payload_hash,
            judged_again: None,
            verdict,
            head: self.reading.head.clone(),
            findings,
            provenance: Arc::clone(&world.provenance),
            recipients: recipients.list,
            documents: recipients.documents,
            closings: recipients.closings,
            remarks: recipients.remarks,
            duplicate_keys,
            explanation: recipients.explanation,
            protection: protection.as_ref().map(|account| account.json.clone()),
            evidence: protection.as_ref().map(|account| account.evidence.clone()).unwrap_or_default(),
            versions: recipients.versions,
        }
    }
}

/// The verdict that a fault of the whole message gives.
fn verdict_of(fault: Fault) -> VerdictRecord {
    let row = fault.consequence();
    match (fault, row.kept) {
        (Fault::NotForUs | Fault::SenderUnreadable, _) => VerdictRecord::Silent { reason: row.reason },
        (_, Kept::Refused) => VerdictRecord::Refused { reason: row.reason },
        (_, Kept::Parked) => VerdictRecord::Parked { reason: row.reason },
    }
}

/// True for a receipt: it is passed on and closes what it answers, but is never answered itself.
fn is_receipt(head: Option<&MessageHead>, addressing: &Addressing) -> bool {
    head.map(|h| h.kind).or(addressing.kind).is_some_and(|k| k.family == Family::AppRec)
}

/// Findings alone, capped as the limits say.
fn no_findings(limits: &Limits) -> Findings {
    Findings::with_cap(limits.findings)
}
