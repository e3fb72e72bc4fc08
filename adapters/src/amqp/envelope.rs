//! An envelope as AMQP 0-9-1 carries it.
//!
//! RabbitMQ 3.x keeps what 0-9-1 has no place for (subject, to, application properties) in two headers that hold the
//! sections of AMQP 1.0 as they were; 4.x has plain headers instead. Both are read, and both are written, so that a
//! reader of either protocol behind either server finds what it looks for.

use amqp_profile::envelope::TEXT_BYTES;
use amqp_profile::sections::{
    read_application_properties, read_message, read_properties, write_application_properties,
    write_properties,
};
use amqp_profile::{Envelope, SubjectSource};
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use std::sync::Arc;
use std::time::Duration;

const PROPERTIES: &str = "x-amqp-1.0-properties";
const APPLICATION_PROPERTIES: &str = "x-amqp-1.0-app-properties";
/// Ids that do not fit into a field of 0-9-1 (more than 255 bytes, or no text) a server of 4.x writes here.
const MESSAGE_ID: &str = "x-message-id";
const CORRELATION_ID: &str = "x-correlation-id";
/// The type of a message whose content a server hands on as AMQP 1.0 encodes it: no data, but a value or a sequence.
const ENCODED: &str = "amqp-1.0";
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
            // A server counts only what it offers again: on what it offers for the first time the header is somebody else's,
            // such as of whoever moved the message here from a dead-letter queue, and says nothing of this queue.
            envelope.delivery_count =
                plain(value).and_then(|count| count.parse().ok()).filter(|_| delivery.redelivered);
        } else if name == MESSAGE_ID && envelope.message_id.is_none() {
            envelope.message_id = id(value);
        } else if name == CORRELATION_ID && envelope.correlation_id.is_none() {
            envelope.correlation_id = id(value);
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

/// The content, taken out of a delivery.
pub(super) fn body(delivery: &mut Delivery) -> Arc<[u8]> {
    let content = std::mem::take(&mut delivery.data);
    let encoded = delivery.properties.kind().as_ref().is_some_and(|kind| kind.as_str() == ENCODED);
    match encoded.then(|| read_message(&content)) {
        Some(Ok(message)) => message.body,
        // Whoever gives that name to something else has sent just this.
        Some(Err(_)) | None => content.into(),
    }
}

/// An id of text, or of any bytes: those as hexadecimal digits, as over AMQP 1.0.
fn id(value: &AMQPValue) -> Option<String> {
    match bytes(value).map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        Some((bytes, Err(_))) => Some(bytes.iter().take(TEXT_BYTES).map(|b| format!("{b:02x}")).collect()),
        Some((_, Ok(text))) => Some(text.to_owned()),
        None => plain(value),
    }
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
    use broker_core::transport::id_key;

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

    /// As a server of 4.x hands on what came over AMQP 1.0: no sections, and no subject.
    fn by_later_server(headers: &[(&str, AMQPValue)]) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        table
    }

    #[test]
    fn whatever_ids_a_10_publisher_uses_a_later_server_hands_them_on_as_text() {
        const UUID: &str = "8f2fd3c7-6f4b-4d22-8b67-3c1d7f7f0a11";
        // A UUID: the same message as one that names it by text.
        let urn = format!("urn:uuid:{UUID}");
        let basic = BasicProperties::default()
            .with_message_id(urn.as_str().into())
            .with_correlation_id(urn.as_str().into());
        let read_urn = read(&delivered(basic));
        assert_eq!(read_urn.message_id.as_deref().and_then(id_key).as_deref(), Some(UUID));
        assert_eq!(read_urn.correlation_id, Some(urn), "an answer names it in the form in which it came");
        // A number.
        let read_number = read(&delivered(BasicProperties::default().with_message_id("4711".into())));
        assert_eq!(read_number.message_id.as_deref(), Some("4711"));
        // More than fits, and bytes: in headers.
        let long = "i".repeat(300);
        let headers = by_later_server(&[
            (MESSAGE_ID, AMQPValue::LongString(long.as_str().into())),
            (CORRELATION_ID, AMQPValue::ByteArray(vec![0xff, 0x00, 0x2a].into())),
        ]);
        let read_long = read(&delivered(BasicProperties::default().with_headers(headers.clone())));
        assert_eq!(read_long.message_id, Some(long));
        assert_eq!(read_long.correlation_id.as_deref(), Some("ff002a"));
        assert_eq!(read_long.properties.get(MESSAGE_ID), None, "it is no property of the sender's");
        // A field goes first: then that is a header of somebody's own.
        let both = BasicProperties::default().with_message_id("first".into()).with_headers(headers);
        assert_eq!(read(&delivered(both)).message_id.as_deref(), Some("first"));
    }

    #[test]
    fn properties_of_any_type_are_read_as_text() {
        let headers = by_later_server(&[
            ("fromHerId", AMQPValue::LongInt(93_252)),
            ("toHerId", AMQPValue::LongLongInt(93_238)),
            ("X-AttachmentInfo-HasExternalReference", AMQPValue::Boolean(true)),
            ("applicationTimeStamp", AMQPValue::LongString("2026-03-02T10:00:00Z".into())),
            ("x-opt-annotation", AMQPValue::LongString("of a server".into())),
            ("list", AMQPValue::FieldArray(lapin::types::FieldArray::default())),
        ]);
        let read = read(&delivered(BasicProperties::default().with_headers(headers)));
        let of = |name: &str| read.properties.get(name);
        assert_eq!((of("fromHerId"), of("toHerId")), (Some("93252"), Some("93238")));
        assert_eq!(of("X-AttachmentInfo-HasExternalReference"), Some("true"));
        assert_eq!(of("applicationTimeStamp"), Some("2026-03-02T10:00:00Z"));
        assert_eq!(of("list"), None);
        // The subject is gone, and that is not the sender's fault; with it goes where it was sent to.
        assert_eq!((read.subject, read.to, read.subject_source), (None, None, Some(SubjectSource::Payload)));
    }

    #[test]
    fn how_often_it_was_offered_is_the_servers_word_alone() {
        let counted = || {
            let headers = by_later_server(&[(DELIVERY_COUNT, AMQPValue::LongLongInt(100))]);
            delivered(BasicProperties::default().with_headers(headers))
        };
        let again = read(&counted());
        assert_eq!(again.delivery_count, Some(100));
        let first = read(&Delivery { redelivered: false, ..counted() });
        assert_eq!(first.delivery_count, None, "nobody counts what is offered for the first time");
        assert!(
            again.properties.is_empty() && first.properties.is_empty(),
            "it is no property of the sender's"
        );
    }

    #[test]
    fn the_header_of_a_10_message_stands_in_fields() {
        let basic = || BasicProperties::default();
        let read = |basic| read(&delivered(basic));
        let given = read(basic().with_delivery_mode(2).with_expiration("15000".into()).with_priority(4));
        assert_eq!((given.durable, given.ttl), (true, Some(Duration::from_secs(15))));
        assert!(!read(basic().with_delivery_mode(1)).durable, "3.x, where the sender said nothing");
        assert!(!read(basic()).durable);
        assert_eq!(read(basic()).ttl, None);
        for odd in ["", "soon", "-1", "1.5"] {
            assert_eq!(read(basic().with_expiration(odd.into())).ttl, None, "{odd}");
        }
    }

    #[test]
    fn content_that_was_no_data_is_taken_out_of_its_encoding() {
        let content = |kind: Option<&str>, bytes: &[u8]| {
            let mut properties = BasicProperties::default();
            if let Some(kind) = kind {
                properties = properties.with_type(kind.into());
            }
            let mut delivery = delivered(properties);
            delivery.data = bytes.to_vec();
            body(&mut delivery).to_vec()
        };
        // amqp-value of text, short and long, and of binary; nothing; several values of a sequence.
        assert_eq!(content(Some(ENCODED), b"\x00\x53\x77\xa1\x04<a/>"), b"<a/>");
        assert_eq!(content(Some(ENCODED), b"\x00\x53\x77\xb1\x00\x00\x00\x04<a/>"), b"<a/>");
        assert_eq!(content(Some(ENCODED), b"\x00\x53\x77\xa0\x02\x30\x82"), b"\x30\x82");
        assert_eq!(content(Some(ENCODED), b"\x00\x53\x77\x40"), b"");
        let sequence = b"\x00\x53\x76\xc0\x03\x01\xa1\x00";
        assert_eq!(content(Some(ENCODED), sequence), sequence, "kept as it came, for whoever looks");
        // Data comes as it is, whatever it looks like.
        for kind in [None, Some("binary"), Some("something")] {
            assert_eq!(content(kind, b"\x00\x53\x77\xa1\x04<a/>"), b"\x00\x53\x77\xa1\x04<a/>");
        }
        // That name, and no such content.
        for odd in [&b"<a/>"[..], b"\x00\x53\x77", b"\x00\x53\x77\xb1\xff\xff\xff\xff", b""] {
            assert_eq!(content(Some(ENCODED), odd), odd);
        }
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
