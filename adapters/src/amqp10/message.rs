//! An envelope as an AMQP 1.0 message.

use amqp_profile::Envelope;
use fe2o3_amqp::types::messaging::{ApplicationProperties, Data, Header, Message, MessageId, Properties};
use fe2o3_amqp::types::primitives::{Binary, OrderedMap, SimpleValue, Symbol};
use std::time::Duration;

/// The message that carries this envelope: durable always, every property a string, and a data section always, also for
/// an empty content (RabbitMQ 4.2 and later break on messages without one).
pub(super) fn write(envelope: &Envelope) -> Message<Data> {
    let properties = Properties {
        message_id: envelope.message_id.clone().map(MessageId::String),
        to: envelope.to.clone(),
        subject: envelope.subject.clone(),
        reply_to: envelope.reply_to.clone(),
        correlation_id: envelope.correlation_id.clone().map(MessageId::String),
        content_type: envelope.content_type.clone().map(Symbol::from),
        ..Properties::default()
    };
    let named: OrderedMap<String, SimpleValue> = envelope
        .properties
        .iter()
        .map(|(name, value)| (name.to_owned(), SimpleValue::String(value.to_owned())))
        .collect();
    Message {
        header: Some(Header { durable: true, ttl: envelope.ttl.map(milliseconds), ..Header::default() }),
        delivery_annotations: None,
        message_annotations: None,
        properties: Some(properties),
        application_properties: (!named.is_empty()).then(|| ApplicationProperties(named)),
        body: Data(Binary::from(envelope.body.to_vec())),
        footer: None,
    }
}

/// At least one, and at most what the field holds (49 days).
fn milliseconds(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// The envelope of an encoded message. One that cannot be read is all content, and says so: it is kept whole.
pub(super) fn read(bytes: &[u8]) -> Envelope {
    amqp_profile::sections::read_message(bytes).unwrap_or_else(|_| Envelope {
        overlong: vec!["message".into()],
        body: bytes.into(),
        ..Envelope::default()
    })
}
