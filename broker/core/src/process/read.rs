//! The first stages: bytes to a head, its findings, and the faults of the message as a whole.

use super::{World, is_receipt, no_findings};
use crate::arrival::Arrival;
use crate::policy::Invalid;
use crate::verdict::Fault;
use jiff::Timestamp;
use message_schemas::head::{self, Addressing, HeadReader};
use message_schemas::{Code, Family, Finding, Findings, Limits, MessageHead, rules, xml};

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
        }
    }
}

/// Decodes, parses, validates and reads the head, in one pass over the text.
pub(super) fn read(arrival: &Arrival, world: &World, now: Timestamp) -> Reading {
    let limits = &world.limits;
    let mut reading = Reading::nothing(limits);
    if arrival.bytes.len() > limits.message_bytes {
        let finding = Finding::new(
            Code::LimitExceeded,
            format!("The message exceeds the limit of {} bytes.", limits.message_bytes),
            "Send a smaller message, or have the receiver raise the limit.",
        );
        return not_xml(reading, arrival, finding);
    }
    let decoded = match xml::decode(&arrival.bytes) {
        Ok(decoded) => decoded,
        Err(finding) => return not_xml(reading, arrival, finding),
    };
    if let Some(note) = decoded.note {
        reading.findings.push(note);
    }
    let mut validator = world.schemas.validator(&decoded.text, limits);
    let mut head_reader = HeadReader::new();
    if let Err(finding) = xml::read(&decoded.text, limits, &mut (&mut validator, &mut head_reader)) {
        return not_xml(reading, arrival, finding);
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
fn not_xml(mut reading: Reading, arrival: &Arrival, finding: Finding) -> Reading {
    reading.findings.push(finding);
    reading.flawed = true;
    reading.faults.push(Fault::NotXml);
    if let Some(addressing) = head::salvage(&arrival.bytes) {
        reading.addressing = addressing;
    }
    reading
}
