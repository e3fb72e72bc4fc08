//! Whole messages, and single sections of them, in the encoding of AMQP 1.0.
//!
//! RabbitMQ 3.x gives sections to AMQP 0-9-1 consumers in headers of their own, and takes them from publishers the same
//! way; so both adapters read and write them here.

use crate::encoding::{Items, Malformed, Value, fixed, put_text, read, take};
use crate::envelope::{Envelope, SubjectSource};
use std::borrow::Cow;
use std::time::Duration;

const HEADER: u64 = 0x70;
const PROPERTIES: u64 = 0x73;
const APPLICATION_PROPERTIES: u64 = 0x74;
const DATA: u64 = 0x75;
const SEQUENCE: u64 = 0x76;
const VALUE: u64 = 0x77;

/// Reads a whole message.
///
/// # Errors
/// If it is none. What breaks a limit of the envelope is no error here; it is named in [`Envelope::overlong`].
//= OASIS AMQP 1.0 part 3 §3.2
//# header, delivery-annotations, message-annotations, properties, application-properties, body, footer
pub fn read_message(bytes: &[u8]) -> Result<Envelope, Malformed> {
    let mut envelope = Envelope::default();
    let mut body: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    let mut left = bytes;
    while !left.is_empty() {
        let began = left;
        let code = descriptor(&mut left)?;
        let value = read(&mut left)?;
        let section = began.get(..began.len() - left.len()).unwrap_or_default();
        match (code, value) {
            (HEADER, Value::List(items)) => take_header(items, &mut envelope)?,
            (PROPERTIES, Value::List(items)) => take_properties(items, &mut envelope)?,
            (APPLICATION_PROPERTIES, Value::Map(items)) => take_application_properties(items, &mut envelope)?,
            (HEADER | PROPERTIES | APPLICATION_PROPERTIES, _) => return Err(Malformed),
            (DATA, Value::Binary(data)) => append(&mut body, data),
            (VALUE, Value::Binary(data)) => append(&mut body, data),
            (VALUE, Value::Text(Cow::Borrowed(text))) => append(&mut body, text.as_bytes()),
            (VALUE, Value::Null) => {}
            // What the profile does not know is kept as it came, for whoever looks at it later.
            (SEQUENCE | VALUE, _) => append(&mut body, section),
            (DATA, _) => return Err(Malformed),
            _ => {}
        }
    }
    envelope.body = body.into();
    Ok(envelope.bound())
}

/// Reads a `properties` section into an envelope.
///
/// # Errors
/// If it is none.
pub fn read_properties(mut bytes: &[u8], into: &mut Envelope) -> Result<(), Malformed> {
    match (descriptor(&mut bytes)?, read(&mut bytes)?) {
        (PROPERTIES, Value::List(items)) => take_properties(items, into),
        _ => Err(Malformed),
    }
}

/// Reads an `application-properties` section into an envelope.
///
/// # Errors
/// If it is none.
pub fn read_application_properties(mut bytes: &[u8], into: &mut Envelope) -> Result<(), Malformed> {
    match (descriptor(&mut bytes)?, read(&mut bytes)?) {
        (APPLICATION_PROPERTIES, Value::Map(items)) => take_application_properties(items, into),
        _ => Err(Malformed),
    }
}

/// The `properties` section of an envelope.
#[must_use]
pub fn write_properties(envelope: &Envelope) -> Vec<u8> {
    let text = Option::as_deref;
    let mut fields = Vec::new();
    put_text(&mut fields, text(&envelope.message_id), false);
    put_text(&mut fields, None, false); // user-id
    put_text(&mut fields, text(&envelope.to), false);
    put_text(&mut fields, text(&envelope.subject), false);
    put_text(&mut fields, text(&envelope.reply_to), false);
    put_text(&mut fields, text(&envelope.correlation_id), false);
    put_text(&mut fields, text(&envelope.content_type), true);
    section(PROPERTIES, 0xd0, 7, &fields)
}

/// The `application-properties` section of an envelope.
#[must_use]
pub fn write_application_properties(envelope: &Envelope) -> Vec<u8> {
    let mut entries = Vec::new();
    for (name, value) in envelope.properties.iter() {
        put_text(&mut entries, Some(name), false);
        put_text(&mut entries, Some(value), false);
    }
    section(APPLICATION_PROPERTIES, 0xd1, envelope.properties.len() * 2, &entries)
}

fn section(descriptor: u64, compound: u8, count: usize, items: &[u8]) -> Vec<u8> {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = vec![0x00, 0x53, u8::try_from(descriptor).unwrap_or(u8::MAX), compound];
    out.extend(narrow(items.len() + 4));
    out.extend(narrow(count));
    out.extend_from_slice(items);
    out
}

/// What kind of section begins here; a name in place of the number is not in use anywhere.
fn descriptor(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    match fixed(bytes)? {
        [0x00, 0x53] => Ok(u64::from(u8::from_be_bytes(fixed(bytes)?))),
        [0x00, 0x80] => Ok(u64::from_be_bytes(fixed(bytes)?)),
        [0x00, 0x44] => Ok(0),
        [0x00, 0xa3] => {
            let [length] = fixed(bytes)?;
            match take(bytes, usize::from(length))? {
                b"amqp:header:list" => Ok(HEADER),
                b"amqp:properties:list" => Ok(PROPERTIES),
                b"amqp:application-properties:map" => Ok(APPLICATION_PROPERTIES),
                b"amqp:data:binary" => Ok(DATA),
                b"amqp:amqp-sequence:list" => Ok(SEQUENCE),
                b"amqp:amqp-value:*" => Ok(VALUE),
                _ => Ok(0),
            }
        }
        _ => Err(Malformed),
    }
}

fn append<'a>(body: &mut Cow<'a, [u8]>, more: &'a [u8]) {
    if body.is_empty() {
        *body = Cow::Borrowed(more);
    } else {
        body.to_mut().extend_from_slice(more);
    }
}

/// durable, priority, ttl, first-acquirer, delivery-count
fn take_header(items: Items<'_>, into: &mut Envelope) -> Result<(), Malformed> {
    for (at, value) in items.take(5).enumerate() {
        let Value::Text(value) = value? else { continue };
        match at {
            0 => into.durable = value == "true",
            2 => into.ttl = value.parse().ok().map(Duration::from_millis),
            3 => into.redelivered = value == "false",
            4 => into.delivery_count = value.parse().ok(),
            _ => {}
        }
    }
    Ok(())
}

/// message-id, user-id, to, subject, reply-to, correlation-id, content-type, and what the profile does not use
fn take_properties(items: Items<'_>, into: &mut Envelope) -> Result<(), Malformed> {
    for (at, value) in items.take(7).enumerate() {
        let text = match value? {
            Value::Text(text) => text.into_owned(),
            // An id may be of any bytes.
            Value::Binary(bytes) => {
                bytes.iter().take(crate::envelope::TEXT_BYTES).map(|b| format!("{b:02x}")).collect()
            }
            Value::Null => continue,
            Value::List(_) | Value::Map(_) | Value::Other => return Err(Malformed),
        };
        let field = match at {
            0 => &mut into.message_id,
            2 => &mut into.to,
            3 => {
                into.subject_source = Some(SubjectSource::Property);
                &mut into.subject
            }
            4 => &mut into.reply_to,
            5 => &mut into.correlation_id,
            6 => &mut into.content_type,
            _ => continue,
        };
        *field = Some(text);
    }
    Ok(())
}

fn take_application_properties(mut items: Items<'_>, into: &mut Envelope) -> Result<(), Malformed> {
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        let Value::Text(name) = name? else { return Err(Malformed) };
        match value? {
            Value::Text(value) => into.properties.insert(name, value),
            Value::Binary(bytes) => into.properties.insert(name, String::from_utf8_lossy(bytes)),
            // No value, or none that the profile knows.
            Value::Null | Value::List(_) | Value::Map(_) | Value::Other => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full() -> Envelope {
        Envelope {
            message_id: Some("0b1c0f8e-9d1c-4c57-8d5e-0d0c8a6f2f11".into()),
            to: Some("93238_async".into()),
            subject: Some("DIALOG_INNBYGGER_EKONTAKT".into()),
            subject_source: Some(SubjectSource::Property),
            reply_to: Some("93252_async".into()),
            correlation_id: Some("0b1c0f8e-9d1c-4c57-8d5e-0d0c8a6f2f11".into()),
            content_type: Some("application/pkcs7-mime; smime-type=signed-and-enveloped-data".into()),
            properties: [
                ("fromHerId", "93252"),
                ("toHerId", "93238"),
                ("errorDescription", &"\u{e6}".repeat(300)),
            ]
            .into_iter()
            .collect(),
            ..Envelope::default()
        }
    }

    #[test]
    fn sections_come_back_as_they_went() {
        let mut read = Envelope::default();
        read_properties(&write_properties(&full()), &mut read).unwrap();
        read_application_properties(&write_application_properties(&full()), &mut read).unwrap();
        assert!(read == full());
        let mut none = Envelope::default();
        read_properties(&write_properties(&none.clone()), &mut none).unwrap();
        assert!(none == Envelope::default());
    }

    #[test]
    fn a_message_is_its_sections() {
        let mut message = vec![0x00, 0x53, 0x70, 0xc0, 6, 5, 0x41, 0x40, 0x52, 200, 0x42];
        message[4] = 8;
        message.extend([0x52, 3]);
        message.extend([0x00, 0x53, 0x72, 0xc1, 1, 0]); // message-annotations
        message.extend(write_properties(&full()));
        message.extend(write_application_properties(&full()));
        message.extend([
            0x00, 0x53, 0x75, 0xa0, 3, b'o', b'n', b'e', 0x00, 0x53, 0x75, 0xa0, 3, b'T', b'w', b'o',
        ]);
        let read = read_message(&message).unwrap();
        let wanted = Envelope {
            durable: true,
            ttl: Some(Duration::from_millis(200)),
            redelivered: true,
            delivery_count: Some(3),
            body: b"oneTwo".as_slice().into(),
            ..full()
        };
        assert!(read == wanted);
        for end in 0..message.len() {
            drop(read_message(&message[..end])); // whatever it says, it says it
        }
    }

    #[test]
    fn every_kind_of_body_is_kept() {
        let body = |message: &[u8]| read_message(message).unwrap().body.to_vec();
        assert_eq!(body(&[]), b"");
        assert_eq!(body(&[0x00, 0x53, 0x75, 0xa0, 0]), b"");
        assert_eq!(body(&[0x00, 0x53, 0x77, 0xa1, 2, b'o', b'k']), b"ok");
        assert_eq!(body(&[0x00, 0x53, 0x77, 0xa0, 2, b'o', b'k']), b"ok");
        assert_eq!(body(&[0x00, 0x53, 0x77, 0x40]), b"");
        let number = [0x00, 0x53, 0x77, 0x52, 7];
        let sequence = [0x00, 0x53, 0x76, 0xc0, 2, 1, 0x41];
        assert_eq!((body(&number), body(&sequence)), (number.to_vec(), sequence.to_vec()));
    }

    #[test]
    fn ids_of_every_type_are_text() {
        let section = |id: &[u8]| {
            let mut bytes = vec![0x00, 0x53, 0x73, 0xc0, u8::try_from(id.len() + 1).unwrap(), 1];
            bytes.extend_from_slice(id);
            let mut envelope = Envelope::default();
            read_properties(&bytes, &mut envelope).unwrap();
            envelope.message_id.unwrap()
        };
        let mut uuid = vec![0x98];
        uuid.extend([0xab; 16]);
        assert_eq!(section(&uuid), "abababab-abab-abab-abab-abababababab");
        assert_eq!(section(&[0x53, 42]), "42");
        assert_eq!(section(&[0xa0, 2, 0xfe, 0x01]), "fe01");
        assert_eq!(section(&[0xa1, 1, b'x']), "x");
    }

    #[test]
    fn what_is_no_message_is_none() {
        let cases: [&[u8]; 6] = [
            b"<MsgHead/>",
            &[0x00],
            &[0x00, 0x53, 0x73, 0xa1, 0],
            &[0x00, 0x53, 0x75, 0xa1, 0],
            &[0x00, 0x53, 0x73, 0xc0, 3, 1, 0xc0, 1, 0],
            &[0x00, 0x53, 0x74, 0xc1, 3, 2, 0x43, 0x43, 0x00],
        ];
        for bytes in cases {
            assert!(read_message(bytes).is_err(), "{bytes:02x?}");
        }
    }

    fn envelope() -> impl Strategy<Value = Envelope> {
        let text = || prop_oneof![".{0,40}", "[a-zæøå]{250,300}"];
        let field = || proptest::option::of(text());
        let pairs = proptest::collection::btree_map("[a-z]{1,12}", text(), 0..20);
        (field(), field(), field(), field(), field(), field(), pairs).prop_map(
            |(message_id, to, subject, reply_to, correlation_id, content_type, pairs)| Envelope {
                subject_source: subject.as_ref().map(|_| SubjectSource::Property),
                message_id,
                to,
                subject,
                reply_to,
                correlation_id,
                content_type,
                properties: pairs.into_iter().collect(),
                ..Envelope::default()
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(envelope in envelope()) {
            let mut read = Envelope::default();
            prop_assert_eq!(read_properties(&write_properties(&envelope), &mut read), Ok(()));
            prop_assert_eq!(read_application_properties(&write_application_properties(&envelope), &mut read), Ok(()));
            prop_assert_eq!(read, envelope);
        }

        /// Whatever is changed, nothing grows beyond what the bytes hold.
        #[test]
        fn damage_is_told_or_read(
            envelope in envelope(), at in any::<prop::sample::Index>(), by in 1u8.., cut in any::<prop::sample::Index>(),
        ) {
            let mut message = write_properties(&envelope);
            message.extend(write_application_properties(&envelope));
            message.extend([0x00, 0x53, 0x75, 0xa0, 2, b'o', b'k']);
            let place = at.index(message.len());
            message[place] ^= by;
            message.truncate(1 + cut.index(message.len()));
            if let Ok(read) = read_message(&message) {
                let texts = [read.message_id, read.to, read.subject, read.reply_to, read.correlation_id];
                let texts: usize = texts.iter().flatten().map(String::len).sum();
                let pairs: usize = read.properties.iter().map(|(name, value)| name.len() + value.len()).sum();
                // Short numbers, uuids and moments are longer as text.
                prop_assert!(texts + pairs + read.body.len() <= 40 * message.len());
            }
        }
    }
}
