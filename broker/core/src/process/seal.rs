//! The last stage: in which bytes each recipient gets it. What was opened is passed on as it was inside; what leaves
//! protected is signed and sealed, once.

use super::World;
use super::read::Reading;
use super::recipients::Recipients;
use super::unwrap::party_of;
use crate::arrival::{Arrival, Ids};
use crate::journal::{Book, Document, DocumentKind, Payload, Recipient};
use crate::lifecycle::State;
use crate::protection::gets;
use crate::verdict::Fault;
use jiff::Timestamp;
use message_schemas::HerId;
use routing_rules::Gets;
use std::collections::HashMap;
use std::sync::Arc;

/// Puts every recipient's payload into the form in which it leaves.
pub(super) fn protect(
    to: &mut Recipients,
    arrival: &Arrival,
    reading: &Reading,
    world: &World,
    now: Timestamp,
    ids: &mut impl Ids,
) {
    // What is passed on unread keeps its bytes; what protection stopped is judged again before anything leaves. Our own
    // receipt for it leaves all the same.
    if reading.opaque {
        return;
    }
    let mut opened = None;
    let mut sealed: HashMap<(Payload, HerId), usize> = HashMap::new();
    let mut list = std::mem::take(&mut to.list);
    // What was refused goes nowhere, in no form.
    for recipient in list.iter_mut().filter(|r| leaves(r, reading)) {
        let payload = match recipient.payload {
            Payload::Original => reading.payload.as_ref().map_or(Payload::Original, |bytes| {
                let at = *opened.get_or_insert_with(|| to.add(DocumentKind::Opened, Arc::clone(bytes), ids));
                Payload::Document(at)
            }),
            made @ Payload::Document(_) => made,
        };
        recipient.payload = payload;

        let Some(protection) = &world.trust else { continue };
        let named = recipient.receiver.and_then(|h| world.parties.get(h));
        // Our answer to a service that nobody here knows goes to its enterprise, in the form that this one gets.
        let answered = || reading.addressing.sender.as_ref().and_then(|sender| party_of(sender, world));
        let Some(party) = named.or_else(|| answered().filter(|_| to.is_answer(payload))) else { continue };
        let (gets, cipher) = gets(party, &world.parties, &world.policy.protection);
        let kind = match gets {
            Gets::Plain => continue,
            Gets::Signed => DocumentKind::Signed,
            Gets::SignedAndSealed => DocumentKind::Sealed,
        };
        if let Some(at) = sealed.get(&(payload, party.her_id)) {
            recipient.payload = Payload::Document(*at);
            continue;
        }
        let content = match payload {
            Payload::Original => Some(&arrival.bytes),
            Payload::Document(at) => to.documents.get(at).map(|d| &d.bytes),
        };
        let Some(content) = content.map(Arc::clone) else { continue };
        let made = if kind == DocumentKind::Signed {
            protection.sign(&content, now)
        } else {
            protection.seal(&content, party, cipher, now)
        };
        match made {
            Ok(bytes) => {
                let at = to.add(kind, bytes.into(), ids);
                sealed.insert((payload, party.her_id), at);
                recipient.payload = Payload::Document(at);
            }
            Err(fault) => {
                to.findings.push(fault.finding());
                let fault = Fault::of_trust(fault.kind, arrival.received, &world.policy, now);
                recipient.state = State::Parked;
                recipient.reason = Some(fault.consequence().reason);
            }
        }
    }
    to.list = list;
}

/// Whether it may ever leave: at once, or when a person sends it from where it lies.
fn leaves(recipient: &Recipient, reading: &Reading) -> bool {
    recipient.state != State::Rejected && (recipient.book == Book::Receipt || !reading.unproven)
}

impl Recipients {
    /// Whether this is a receipt of our own.
    fn is_answer(&self, payload: Payload) -> bool {
        let kind = |at: usize| self.documents.get(at).map(|document| document.kind);
        matches!(payload, Payload::Document(at) if kind(at) == Some(DocumentKind::Receipt))
    }

    fn add(&mut self, kind: DocumentKind, bytes: Arc<[u8]>, ids: &mut impl Ids) -> usize {
        self.documents.push(Document { kind, id: ids.fresh(), bytes });
        self.documents.len() - 1
    }
}
