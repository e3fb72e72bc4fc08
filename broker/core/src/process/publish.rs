//! Documents of the message that are published: a recipient for each target, and what the series will know.
//!
//! What a target is told is not decided here. It depends on all messages of the series that are known when it is told
//! ([`sharing::series`]), so that the order of arrival does not matter; here the message is put where it will be found.

use super::World;
use super::read::Reading;
use super::recipients::Recipients;
use crate::arrival::{Arrival, Ids};
use crate::journal::{Book, Payload, Recipient, RecipientId};
use crate::lifecycle::State;
use crate::policy::Publish;
use crate::transport::Label;
use crate::verdict::Fault;
use sharing::series::{Sha, Version};

/// Adds the recipients, where the message's family is published. A message that cannot be made into documents waits for
/// a person at each target; its receivers have it all the same.
pub(super) fn add(
    recipients: &mut Recipients,
    arrival: &Arrival,
    reading: &Reading,
    world: &World,
    ids: &mut impl Ids,
) {
    let Some(head) = &reading.head else { return };
    let publishes = |to: &&Publish| to.families.contains(&head.kind.family) && (to.tests || !head.test);
    if !world.policy.publish.iter().any(|to| publishes(&to)) {
        return;
    }
    let content = reading.content(arrival);
    let mut synthetic = false;
    let versions = recipients.shared(content, world).map(|shared| {
        synthetic = shared.iter().any(|document| document.synthetic_patient);
        let hash = Sha::of(content);
        shared.iter().map(|document| Version::of(document, head, arrival.id, hash)).collect::<Vec<_>>()
    });
    // A target for tests takes what is marked as a test, and what is about nobody who lives; a production target is offered
    // all that is not marked, and refuses the latter by code.
    let targets: Vec<_> = (world.policy.publish.iter().filter(publishes))
        .filter(|to| !to.tests || head.test || synthetic)
        .collect();
    if targets.is_empty() {
        return;
    }
    let (fault, order_key) = match versions {
        Ok(versions) => {
            // One message at a time for each series at each target: the plan for one must know what came of the last.
            let order_key = versions.first().map(|v| v.strand().0.simple().to_string());
            recipients.versions = versions;
            (None, order_key)
        }
        Err(fault) => (Some(fault), None),
    };
    recipients.list.extend(targets.into_iter().map(|target| Recipient {
        id: RecipientId(ids.fresh()),
        book: Book::Message,
        receiver: None,
        destination: Some(target.to.clone()),
        payload: Payload::Original,
        state: if fault.is_none() { State::Waiting } else { State::Parked },
        reason: fault.map(|fault: Fault| fault.consequence().reason),
        receipt_deadline: None,
        // It is as true later as it is now.
        expires: None,
        order_key: order_key.clone(),
        receipt_written: false,
        original_keys: Vec::new(),
        label: Label::default(),
    }));
}
