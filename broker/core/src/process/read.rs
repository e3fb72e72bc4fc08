//! The first stages: bytes to a head, its findings, and the faults of the message as a whole.

use super::unwrap::{self, Account, Inside, Part, Stopped, Unwrapped};
use super::{World, envelope, is_receipt, no_findings};
use crate::arrival::{Arrival, ContentHash};
use crate::policy::Invalid;
use crate::verdict::Fault;
use jiff::Timestamp;
use message_schemas::head::{self, Addressing, HeadReader};
use message_schemas::{Code, Family, Finding, Findings, Limits, MessageHead, rules, xml};
use std::sync::Arc;
use trust::revocation::Wanted;

/// A message as far as it could be read.
#[derive(Debug)]
pub(super) struct Reading {
    /// What can be answered and routed on, even where there is no head.
    pub(super) addressing: Addressing,
    /// The head; none for what is not a message that we know.
    pub(super) head: Option<MessageHead>,
    /// What was found.
    pub(super) findings: Findings,
    /// What stops the whole message, the weightiest first.
    pub(super) faults: Vec<Fault>,
    /// Its schema, or a rule, finds fault with it (notes do not count).
    pub(super) flawed: bool,
    /// Its protection does not hold, or is not the sender's: what it says is believed in nothing.
    pub(super) unproven: bool,
    /// It is sealed for somebody else, and passed on unread.
    pub(super) opaque: bool,
    /// The payload, where that is not the message as it came.
    pub(super) payload: Option<Arc<[u8]>>,
    /// Its SHA-256.
    pub(super) payload_hash: Option<ContentHash>,
    /// What was read, where that is not the payload: what the document's signature covers.
    covered: Option<Arc<[u8]>>,
    /// How it was protected.
    pub(super) protection: Option<Account>,
    /// What must be fetched before its certificate can be judged.
    pub(super) wanted: Vec<Wanted>,
    /// What is wrong with the transport's envelope: names of fields, `a;b;`.
    pub(super) envelope_faults: String,
    /// The fault of its protection that weighs most.
    pub(super) protection_fault: Option<trust::Fault>,
    /// That fault is the message's own, and not one of what was put around it.
    pub(super) document_at_fault: bool,
}

impl Reading {
    /// Of a message of which nothing is known.
    pub(super) fn nothing(limits: &Limits) -> Self {
        Self {
            addressing: Addressing::default(),
            head: None,
            findings: no_findings(limits),
            faults: Vec::new(),
            flawed: false,
            unproven: false,
            opaque: false,
            payload: None,
            payload_hash: None,
            covered: None,
            protection: None,
            wanted: Vec::new(),
            envelope_faults: String::new(),
            protection_fault: None,
            document_at_fault: false,
        }
    }

    /// The bytes that are read: covered by the document's signature, else inside the protection, else as it came.
    pub(super) fn content<'a>(&'a self, arrival: &'a Arrival) -> &'a Arc<[u8]> {
        self.covered.as_ref().or(self.payload.as_ref()).unwrap_or(&arrival.bytes)
    }

    /// Its protection stops it.
    fn stop(&mut self, fault: trust::Fault, part: Part, arrival: &Arrival, world: &World, now: Timestamp) {
        self.findings.push(fault.finding());
        self.flawed = true;
        self.unproven = true;
        self.faults.insert(0, Fault::of_trust(fault.kind, arrival.received, &world.policy, now));
        self.document_at_fault = part == Part::Document;
        self.protection_fault = Some(fault);
    }

    /// Its envelope stops it, before it is opened or after.
    fn stop_at_envelope(&mut self, fault: Fault, names: String) {
        self.findings.push(envelope::finding(fault, &names));
        self.flawed = true;
        self.faults.insert(0, fault);
        self.envelope_faults = names;
    }
}

/// Decodes, parses, validates and reads the head, in one pass over the text.
pub(super) fn read(arrival: &Arrival, world: &World, now: Timestamp) -> Reading {
    let limits = &world.limits;
    let mut reading = Reading::nothing(limits);
    if envelope::is_report(arrival) {
        return reading;
    }
    if arrival.transport.as_ref().is_some_and(|transport| transport.worn_out) {
        (reading.unproven, reading.flawed) = (true, true);
        reading.faults.push(Fault::OfferedTooOften);
        return reading;
    }
    if let Some((fault, names)) = envelope::fault(arrival, world) {
        reading.unproven = true;
        reading.stop_at_envelope(fault, names);
        return reading;
    }
    if arrival.bytes.len() > limits.message_bytes {
        let finding = Finding::new(
            Code::LimitExceeded,
            format!("The message exceeds the limit of {} bytes.", limits.message_bytes),
            "Send a smaller message, or have the receiver raise the limit.",
        );
        return not_xml(reading, &arrival.bytes, finding);
    }
    let protected = envelope::asks_for_protection(arrival, world);
    if protected && !trust::cms::looks_like(&arrival.bytes) {
        return stopped_by(reading, unwrap::in_the_clear(&arrival.bytes), arrival, world, now);
    }
    let inside = match unwrap::unwrap(arrival, world, now) {
        Unwrapped::AsItCame => None,
        Unwrapped::Opened(inside) => Some(inside),
        Unwrapped::Opaque(account) => {
            reading.opaque = true;
            reading.protection = Some(account);
            reading.findings.push(unwrap::passed_on_unread());
            return reading;
        }
        Unwrapped::Refused(stopped) => return stopped_by(reading, *stopped, arrival, world, now),
    };
    if let Some(inside) = &inside {
        reading.payload.clone_from(&inside.payload);
        reading.payload_hash = inside.payload_hash;
        reading.covered.clone_from(&inside.covered);
        reading.protection = Some(inside.account.clone());
    }
    let mut reading = content(reading, arrival, world, now);
    if envelope::names_another(arrival, &reading) {
        reading.stop_at_envelope(Fault::EnvelopeReceiverDiffers, "toHerId;".to_owned());
    }
    agree(&mut reading, inside.as_deref(), arrival, world, now);
    reading
}

/// What was agreed with the sender, and what the transport says of it.
fn agree(reading: &mut Reading, inside: Option<&Inside>, arrival: &Arrival, world: &World, now: Timestamp) {
    let sender = reading.addressing.sender.clone();
    let family = reading.head.as_ref().map(|h| h.kind).or(reading.addressing.kind).map(|k| k.family);
    let profile = envelope::asks_for_protection(arrival, world);
    let agreed = inside.map_or(Ok(None), |inside| {
        unwrap::agree(inside, sender.as_ref(), arrival.envelope_sender, family, profile, world)
    });
    match agreed {
        Ok(note) => note.into_iter().for_each(|note| reading.findings.push(note)),
        Err((fault, part)) => reading.stop(fault, part, arrival, world, now),
    }
    // Last, so that it is the first fault: whoever is named here is not to be answered.
    if let Some(fault) = unwrap::contradiction(arrival, sender.as_ref(), world) {
        reading.stop(fault, Part::Envelope, arrival, world, now);
    }
    if reading.unproven
        && let Some(stopped) = inside.and_then(unwrap::discreetly)
    {
        *reading = stopped_by(Reading::nothing(&world.limits), stopped, arrival, world, now);
    }
}

/// Not opened: what could be read may still tell whom to answer, and nothing else.
fn stopped_by(
    mut reading: Reading,
    stopped: Stopped,
    arrival: &Arrival,
    world: &World,
    now: Timestamp,
) -> Reading {
    let Stopped { fault, unverified, wanted, account, part } = stopped;
    reading.protection = account;
    reading.wanted = wanted;
    reading.stop(fault, part, arrival, world, now);
    if let Some(addressing) = unverified.as_deref().and_then(head::salvage) {
        reading.addressing = addressing;
    }
    if let Some(fault) = unwrap::contradiction(arrival, reading.addressing.sender.as_ref(), world) {
        reading.stop(fault, Part::Envelope, arrival, world, now);
    }
    reading
}

/// Decodes, parses, validates and reads the head of what is inside.
fn content(mut reading: Reading, arrival: &Arrival, world: &World, now: Timestamp) -> Reading {
    let limits = &world.limits;
    let bytes = Arc::clone(reading.content(arrival));
    let decoded = match xml::decode(&bytes) {
        Ok(decoded) => decoded,
        Err(finding) => return not_xml(reading, &bytes, finding),
    };
    if let Some(note) = decoded.note {
        reading.findings.push(note);
    }
    let mut validator = world.schemas.validator(&decoded.text, limits);
    let mut head_reader = HeadReader::new();
    if let Err(finding) = xml::read(&decoded.text, limits, &mut (&mut validator, &mut head_reader)) {
        return not_xml(reading, &bytes, finding);
    }
    let schema = validator.finish();
    reading.flawed = !schema.valid;
    reading.findings.append(schema.findings);

    let head = match head_reader.finish(&world.heads) {
        Ok(head) => head,
        Err(head::Fault::Unknown { addressing, .. }) => {
            reading.addressing = *addressing;
            reading.faults.push(Fault::UnknownFormat);
            return reading;
        }
    };
    reading.addressing = Addressing::from(&head);
    let found = rules::check(&head, &head_reader, &decoded.text, now, limits.findings);
    judge(&mut reading, &head, schema.valid, &found, world);
    reading.findings.append(found);
    reading.head = Some(head);
    reading
}

/// Which findings stop the message, in the order of kith-messages §4.7.
fn judge(reading: &mut Reading, head: &MessageHead, valid: bool, found: &Findings, world: &World) {
    let has = |code: Code| found.iter().any(|f| f.code == code);
    reading.flawed |= found.iter().any(|f| !f.code.is_note());
    if is_receipt(Some(head), &reading.addressing) {
        // Receipts are read tolerantly (kith-messages §4.6), and there is no receipt to refuse one with.
        if has(Code::SenderUnreadable) {
            reading.faults.push(Fault::SenderUnreadable);
        }
        return;
    }
    if head.kind.family == Family::Ebxml {
        reading.faults.push(Fault::UnknownFormat);
        return;
    }
    let accepted = || {
        let sender = head.sender.iter().flat_map(|s| [s.her_id(), s.enterprise_her_id()]).flatten();
        let partner =
            sender.filter_map(|h| world.parties.get(h)).find_map(|p| p.accepts_invalid(head.kind.family));
        partner.unwrap_or_else(|| world.policy.invalid.of(Some(head.kind.family)) == Invalid::Accept)
    };
    let faults = [
        (has(Code::SenderUnreadable), Fault::SenderUnreadable),
        (!valid && !accepted(), Fault::SchemaInvalid),
        (has(Code::MissingBody), Fault::MissingBody),
        (has(Code::MessageIdNotUuid), Fault::MessageIdInvalid),
        (has(Code::PatientNotIdentified), Fault::PatientNotIdentified),
    ];
    reading.faults.extend(faults.into_iter().filter(|(holds, _)| *holds).map(|(_, fault)| fault));
}

/// Not XML as we read it. What stands before the fault may still tell whom to answer.
fn not_xml(mut reading: Reading, bytes: &[u8], finding: Finding) -> Reading {
    reading.findings.push(finding);
    reading.flawed = true;
    reading.faults.push(Fault::NotXml);
    if let Some(addressing) = head::salvage(bytes) {
        reading.addressing = addressing;
    }
    reading
}
