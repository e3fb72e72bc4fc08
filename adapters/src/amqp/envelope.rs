//! An envelope as AMQP 0-9-1 carries it.
//!
//! RabbitMQ 3.x keeps what 0-9-1 has no place for (subject, to, application properties) in two headers that hold the
//! sections of AMQP 1.0 as they were; 4.x has plain headers instead. Both are read, and both are written, so that a
//! reader of either protocol behind either server finds what it looks for.

use amqp_profile::sections::{
    read_application_properties, read_properties, write_application_properties, write_properties,
};
use amqp_profile::{Envelope, SubjectSource};
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use std::time::Duration;

const PROPERTIES: &str = "x-amqp-1.0-properties";
const APPLICATION_PROPERTIES: &str = "x-amqp-1.0-app-properties";
/// How often a quorum queue offered it before.
const DELIVERY_COUNT: &str = "x-delivery-count";
//= HITS 1216:2018 §2.2
//# header durable; on 0-9-1 delivery mode 2
const PERSISTENT: u8 = 2;

/// What came, without its body, which is put in by whoever has room for it.
pub(super) fn read(delivery: &Delivery) -> Envelope {
    let basic = &delivery.properties;
    let text = |field: &Option<ShortString>| field.as_ref().map(ToString::to_string);
    let mut envelope = Envelope {
        message_id: text(basic.message_id()),
        reply_to: text(basic.reply_to()),
        correlation_id: text(basic.correlation_id()),
        content_type: text(basic.content_type()),
        ttl: text(basic.expiration()).and_then(|ms| ms.parse().ok()).map(Duration::from_millis),
        durable: *basic.delivery_mode() == Some(PERSISTENT),
        redelivered: delivery.redelivered,
        ..Envelope::default()
    };
    let Some(headers) = basic.headers() else { return envelope.bound() };
    // The sections first: they are the sender's own words, and the first of a name stays.
    let section = |name: &str| headers.inner().get(name).and_then(bytes);
    let mut unreadable = Vec::new();
    if let Some(section) = section(PROPERTIES)
        && read_properties(section, &mut envelope).is_err()
    {
        unreadable.push(PROPERTIES.to_owned());
    }
    if let Some(section) = section(APPLICATION_PROPERTIES)
        && read_application_properties(section, &mut envelope).is_err()
    {
        unreadable.push(APPLICATION_PROPERTIES.to_owned());
    }
    for (name, value) in headers.inner() {
        let name = name.as_str();
        if let Some(part) = name.strip_prefix("x-amqp-1.0-properties-") {
            fill(&mut envelope, part, value);
        } else if name == DELIVERY_COUNT {
            envelope.delivery_count = plain(value).and_then(|count| count.parse().ok());
        } else if !name.starts_with("x-amqp-1.0-")
            && let Some(value) = plain(value)
        {
            envelope.properties.insert(name, value);
        }
    }
    envelope.subject_source = match (&envelope.subject, section(PROPERTIES)) {
        (Some(_), _) => Some(SubjectSource::Property),
        // A server of 4.x takes the subject away from what came over 1.0: that is not its sender's fault.
        (None, None) => Some(SubjectSource::Payload),
        (None, Some(_)) => None,
    };
    let mut envelope = envelope.bound();
    envelope.overlong.append(&mut unreadable);
    envelope
}

/// Single fields of the section, as some publishers write them into headers of their own.
fn fill(envelope: &mut Envelope, field: &str, value: &AMQPValue) {
    let place = match field {
        "subject" => &mut envelope.subject,
        "to" => &mut envelope.to,
        _ => return,
    };
    if place.is_none() {
        *place = plain(value);
    }
}

fn bytes(value: &AMQPValue) -> Option<&[u8]> {
    if let AMQPValue::LongString(text) = value {
        return Some(text.as_bytes());
    }
    if let AMQPValue::ByteArray(bytes) = value { Some(bytes.as_slice()) } else { None }
}

/// A single value as text; none for tables and lists.
fn plain(value: &AMQPValue) -> Option<String> {
    Some(match value {
        AMQPValue::Boolean(value) => value.to_string(),
        AMQPValue::ShortShortInt(value) => value.to_string(),
        AMQPValue::ShortShortUInt(value) => value.to_string(),
        AMQPValue::ShortInt(value) => value.to_string(),
        AMQPValue::ShortUInt(value) => value.to_string(),
        AMQPValue::LongInt(value) => value.to_string(),
        AMQPValue::LongUInt(value) => value.to_string(),
        AMQPValue::LongLongInt(value) => value.to_string(),
        AMQPValue::Float(value) => value.to_string(),
        AMQPValue::Double(value) => value.to_string(),
        AMQPValue::Timestamp(value) => value.to_string(),
        AMQPValue::ShortString(value) => value.to_string(),
        AMQPValue::LongString(value) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        AMQPValue::ByteArray(value) => String::from_utf8_lossy(value.as_slice()).into_owned(),
        AMQPValue::DecimalValue(_)
        | AMQPValue::FieldArray(_)
        | AMQPValue::FieldTable(_)
        | AMQPValue::Void => {
            return None;
        }
    })
}

/// A field that is longer than AMQP 0-9-1 can carry (255 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is longer than 255 bytes")]
pub(super) struct TooLong(pub(super) &'static str);

/// The properties that carry this envelope; always persistent.
pub(super) fn write(envelope: &Envelope) -> Result<BasicProperties, TooLong> {
    let short = |what, text: &str| ShortString::try_new(text).map_err(|_| TooLong(what));
    let mut headers = FieldTable::default();
    for (name, value) in envelope.properties.iter() {
        headers
            .insert(short("the name of a property", name)?, AMQPValue::LongString(LongString::from(value)));
    }
    let section = |bytes: Vec<u8>| AMQPValue::LongString(LongString::from(bytes));
    headers.insert(PROPERTIES.into(), section(write_properties(envelope)));
    if !envelope.properties.is_empty() {
        headers.insert(APPLICATION_PROPERTIES.into(), section(write_application_properties(envelope)));
    }
    let mut basic = BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers);
    if let Some(id) = &envelope.message_id {
        basic = basic.with_message_id(short("the message id", id)?);
    }
    if let Some(id) = &envelope.correlation_id {
        basic = basic.with_correlation_id(short("the correlation id", id)?);
    }
    if let Some(queue) = &envelope.reply_to {
        basic = basic.with_reply_to(short("the queue for answers", queue)?);
    }
    if let Some(content_type) = &envelope.content_type {
        basic = basic.with_content_type(short("the content type", content_type)?);
    }
    if let Some(ttl) = envelope.ttl {
        basic = basic.with_expiration(ttl.as_millis().max(1).to_string().into());
    }
    Ok(basic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(properties: BasicProperties) -> Delivery {
        let mut delivery = Delivery::mock(1, "".into(), "q".into(), true, b"body".to_vec());
        delivery.properties = properties;
        delivery
    }

    fn envelope() -> Envelope {
        Envelope {
            message_id: Some("8f2fd3c7-6f4b-4d22-8b67-3c1d7f7f0a11".into()),
            to: Some("93238_async".into()),
            subject: Some("DIALOG_INNBYGGER_EKONTAKT".into()),
            subject_source: Some(SubjectSource::Property),
            reply_to: Some("93252_async".into()),
            correlation_id: Some("c".into()),
            content_type: Some("text/plain".into()),
            ttl: Some(Duration::from_secs(15)),
            properties: [("fromHerId", "93252"), ("toHerId", "93238"), ("navn", "Blåbærsyltetøy")]
                .into_iter()
                .collect(),
            durable: true,
            ..Envelope::default()
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let wanted = Envelope { redelivered: true, ..envelope() };
        assert!(read(&delivered(write(&envelope()).unwrap())) == wanted);
    }

    #[test]
    fn the_plain_headers_of_later_servers_are_enough_for_all_but_the_subject() {
        let mut properties = write(&envelope()).unwrap();
        let mut headers = FieldTable::default();
        for (name, value) in properties.headers().clone().unwrap().inner() {
            if !name.as_str().starts_with("x-amqp-1.0") {
                headers.insert(name.clone(), value.clone());
            }
        }
        headers.insert("count".into(), AMQPValue::LongInt(7));
        headers.insert(DELIVERY_COUNT.into(), AMQPValue::LongLongInt(3));
        properties = properties.with_headers(headers);
        let read = read(&delivered(properties));
        assert_eq!((read.subject, read.delivery_count), (None, Some(3)));
        assert_eq!(read.properties.get("tohErid"), Some("93238"));
        assert_eq!(read.properties.get("count"), Some("7"));
        assert_eq!(read.properties.get(DELIVERY_COUNT), None);
    }

    #[test]
    fn a_section_that_cannot_be_read_is_named() {
        let mut headers = FieldTable::default();
        headers.insert(PROPERTIES.into(), AMQPValue::ByteArray(vec![0, 0x53, 0x73, 0xc0].into()));
        headers.insert("x-amqp-1.0-properties-subject".into(), AMQPValue::LongString("APPREC".into()));
        headers.insert("fromHerId".into(), AMQPValue::LongString("8093".into()));
        let read = read(&delivered(BasicProperties::default().with_headers(headers)));
        assert_eq!(read.overlong, [PROPERTIES]);
        assert_eq!(read.subject.as_deref(), Some("APPREC"));
        assert_eq!(read.properties.get("fromHerId"), Some("8093"));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let long = Envelope { message_id: Some("x".repeat(256)), ..Envelope::default() };
        assert_eq!(write(&long), Err(TooLong("the message id")));
    }
}
