//! A request whose time is over before an answer came: it ends, and its sender is told.

use super::World;
use super::envelope::{self, Telling};
use super::read::Reading;
use super::recipients::Recipients;
use crate::arrival::{Arrival, Ids};
use crate::journal::{Closing, Entry, JudgedAgain, Known, MessageRecord, RecipientId};
use crate::lifecycle::Event;
use crate::transport::Role;
use crate::verdict::{Fault, told_by_transport};
use jiff::Timestamp;
use std::sync::Arc;

/// Ends these recipients of a request, and writes the error for its sender, in one entry: either both happen or neither.
/// None for what is no request, which ends as all else does.
pub fn unanswered(
    record: &MessageRecord,
    overdue: &[RecipientId],
    world: &World,
    now: Timestamp,
    ids: &mut impl Ids,
) -> Option<Entry> {
    record.transport.as_ref().filter(|transport| transport.role == Role::Sync)?;
    let fault = Fault::RequestUnanswered;
    let arrival = Arrival {
        id: record.id,
        source: record.source.clone(),
        received: record.received,
        bytes: Arc::from([]),
        idempotency_key: None,
        envelope_receiver: record.envelope_receiver,
        envelope_sender: record.envelope_sender,
        transport: record.transport.clone(),
    };
    let mut to = Recipients::default();
    let mut verdict = record.verdict.clone();
    if let Some(condition) = told_by_transport(fault).filter(|_| !envelope::told_before(record)) {
        let (reading, known) = (Reading::nothing(&world.limits), Known::default());
        let telling = Telling { arrival: &arrival, reading: &reading, known: &known, world, now };
        telling.tell(&mut to, &mut verdict, condition, Some(fault), ids);
    }
    let end = |recipient: &RecipientId| Closing {
        recipient: *recipient,
        event: Event::Expire,
        reason: Some(fault.consequence().reason),
    };
    Some(Entry {
        content_hash: record.content_hash,
        // Nothing is recognised by it: no key is added.
        payload_hash: record.content_hash,
        judged_again: Some(JudgedAgain { at: now, in_place_of: Vec::new(), who_and_why: None }),
        verdict,
        head: record.head.clone(),
        findings: record.findings.clone(),
        provenance: Arc::new(record.provenance.clone()),
        recipients: to.list,
        documents: to.documents,
        closings: overdue.iter().map(end).collect(),
        remarks: Vec::new(),
        duplicate_keys: Vec::new(),
        explanation: record.explanation.as_ref().map(ToString::to_string),
        protection: record.protection.as_ref().map(ToString::to_string),
        evidence: Vec::new(),
        versions: Vec::new(),
        arrival,
    })
}
