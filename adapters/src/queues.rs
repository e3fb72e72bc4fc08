//! What both versions of AMQP share: how a message from a queue becomes an arrival, and a delivery an envelope for a
//! queue. What stands in the envelopes is `amqp_profile`'s business, and which queue is whose that of whoever wires.

use crate::intake::Intake;
use amqp_profile::Envelope;
use broker_core::journal::Delivery;
use broker_core::{Arrival, ContentHash};
use dead_letter::Attempt;
use sha2::{Digest, Sha256};

/// A delivery as it goes out.
#[derive(Debug, Clone)]
pub struct Addressed {
    /// The name of the queue.
    pub queue: String,
    /// The same at every attempt.
    pub envelope: Envelope,
}

/// How a delivery is addressed; what cannot be is an attempt that failed.
pub type Addressing = dyn Fn(&Delivery) -> Result<Addressed, Attempt> + Send + Sync;

/// Makes an arrival of what came on a queue.
pub type Arriving = dyn Fn(&Intake, Envelope) -> Arrival + Send + Sync;

/// By what a message that a queue offers again is known again: its id, and everything else that its sender wrote.
///
/// The content is part of it, since ids are the senders' and some use one twice: what differs is another message. What
/// servers add (how often it was offered) is not.
#[must_use]
pub fn repeat_key(envelope: &Envelope) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(bytes);
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    part(text(&envelope.message_id).as_bytes());
    part(text(&envelope.subject).as_bytes());
    part(text(&envelope.correlation_id).as_bytes());
    for (name, value) in envelope.properties.iter() {
        // What servers write begins so; `x-death` alone is a table, and never among these.
        if !name.starts_with("x-first-death-") && !name.starts_with("x-last-death-") {
            part(name.to_ascii_lowercase().as_bytes());
            part(value.as_bytes());
        }
    }
    part(&envelope.body);
    ContentHash(hash.finalize().into()).to_string()
}

/// The envelope of our own queues, within one installation or between two: our ids, and no party's.
#[must_use]
pub fn internal(delivery: &Delivery) -> Envelope {
    let id = delivery.recipient.0.to_string();
    let mut envelope = Envelope {
        message_id: Some(id.clone()),
        correlation_id: Some(id),
        content_type: Some(delivery.media_type().to_owned()),
        durable: true,
        body: std::sync::Arc::clone(&delivery.bytes),
        ..Envelope::default()
    };
    let properties = &mut envelope.properties;
    properties.insert("budstikke-message", delivery.message.to_string());
    properties.insert("budstikke-receipt", crate::answer::of(delivery));
    if let Some(document) = delivery.document {
        properties.insert("budstikke-document", document.to_string());
    }
    if let Some(receiver) = delivery.receiver {
        properties.insert("budstikke-receiver", receiver.to_string());
    }
    if let Some(family) = &delivery.family {
        properties.insert("budstikke-family", family.clone());
    }
    if delivery.test {
        properties.insert("budstikke-test", "true");
    }
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_known_whatever_the_server_adds_and_a_change_is_another() {
        let first = Envelope {
            message_id: Some("1".into()),
            properties: [("fromHerId", "8093")].into_iter().collect(),
            body: b"<one/>".as_slice().into(),
            ..Envelope::default()
        };
        let mut again = Envelope { redelivered: true, delivery_count: Some(3), ..first.clone() };
        again.properties.insert("x-first-death-queue", "q");
        assert_eq!(repeat_key(&first), repeat_key(&again));
        let other = Envelope { body: b"<two/>".as_slice().into(), ..first.clone() };
        assert_ne!(repeat_key(&first), repeat_key(&other));
        assert_eq!(repeat_key(&first).len(), 64);
    }
}
