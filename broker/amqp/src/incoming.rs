//! What an envelope says, by the queue that it came by: read, not judged.
//!
//! Whether a receiver is ours, a queue is its sender's, or a content type may pass is decided in `broker-core`, on the
//! facts that are made here: a message must be judged again, later, by what its envelope said.

use crate::envelope::{Envelope, SubjectSource};
use crate::{content_type, names, soap, times};
use broker_core::Arrival;
use broker_core::transport::{Content, Reported, Role, Transport, id_key};
use message_schemas::HerId;
use std::sync::Arc;

/// An envelope as facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// What it says.
    pub transport: Transport,
    /// Who sends, by `fromHerId`.
    pub sender: Option<HerId>,
    /// Who is to have it, by `toHerId`. The queue's name says nothing: queues are shared.
    pub receiver: Option<HerId>,
    /// By what a repeat of the same message is known, per source.
    pub idempotency_key: Option<String>,
    /// The content.
    pub body: Arc<[u8]>,
}

impl Incoming {
    /// Completes what the shell has just received; its bytes are the caller's to set.
    #[must_use]
    pub fn onto(self, arrival: Arrival) -> Arrival {
        Arrival {
            idempotency_key: self.idempotency_key,
            envelope_sender: self.sender,
            envelope_receiver: self.receiver,
            transport: Some(Arc::new(self.transport)),
            ..arrival
        }
    }
}

/// By what the journal knows a message with this id again, in the form of [`id_key`], from this sender; from none, where
/// ids alone count.
#[must_use]
pub fn known_by(sender: Option<HerId>, id: &str) -> String {
    match sender {
        Some(sender) => format!("{sender}/{id}"),
        None => id.to_owned(),
    }
}

/// Reads an envelope that came by a queue of this role.
///
/// What the profile requires and is missing, cannot be read, or broke a limit is named in [`Transport::invalid`]. Nothing
/// is required of errors, which are read tolerantly, or of messages of our own.
#[must_use]
pub fn read(envelope: Envelope, role: Role) -> Incoming {
    let Envelope {
        message_id,
        to,
        subject,
        subject_source,
        reply_to,
        correlation_id,
        content_type,
        ttl,
        properties,
        redelivered,
        delivery_count,
        overlong,
        body,
        durable: _,
    } = envelope.bound();
    let text = |field: Option<String>| field.filter(|text| !text.trim().is_empty());
    let property = |name| properties.get(name).map(str::trim).filter(|text| !text.is_empty());
    let party = |name| property(name).and_then(|text| text.parse::<HerId>().ok());

    let (sender, receiver) = (party(names::FROM), party(names::TO));
    let written = property(names::WRITTEN).and_then(times::read);
    let content = content_type::read(content_type.as_deref());
    let (message_id, reply_to, correlation_id) = (text(message_id), text(reply_to), text(correlation_id));
    let (subject, subject_source) = match (text(subject), property(names::TYPE)) {
        (Some(subject), _) => (Some(subject), Some(SubjectSource::Property)),
        (None, Some(hint)) => (Some(hint.to_owned()), Some(SubjectSource::MessageInfo)),
        (None, None) => (None, subject_source.filter(|source| *source == SubjectSource::Payload)),
    };

    let missing = [
        (names::FROM, sender.is_none()),
        (names::TO, receiver.is_none()),
        ("subject", subject.is_none() && subject_source.is_none()),
        (names::WRITTEN, written.is_none()),
        ("content-type", content == Content::Missing),
        ("reply-to", role == Role::Sync && reply_to.is_none()),
        ("correlation-id", role == Role::SyncReply && correlation_id.is_none()),
    ];
    let mut invalid = overlong;
    match role {
        Role::Async | Role::Sync | Role::SyncReply => {
            invalid.extend(missing.into_iter().filter(|(_, is)| *is).map(|(name, _)| name.to_owned()));
        }
        Role::Error | Role::Internal => {}
    }
    invalid.sort_unstable();
    invalid.dedup();

    let reported = (role == Role::Error).then(|| {
        let said = |name| property(name).map(str::to_owned);
        let fault = soap::is_fault(subject.as_deref(), content).then(|| soap::read(&body)).flatten();
        let by_properties = Reported {
            original_message_id: said(names::ORIGINAL),
            condition: said(names::CONDITION),
            description: said(names::DESCRIPTION),
            data: said(names::DATA),
            tried: property(names::TRIED).and_then(times::read),
            soap: false,
        };
        match fault {
            Some(fault) => fault.or(by_properties),
            None => by_properties,
        }
    });

    let key = message_id.as_deref().and_then(id_key);
    let idempotency_key = key.and_then(|id| match (role, sender) {
        // Errors come from whoever; that the same one comes twice is told by its id alone.
        (Role::Error | Role::Internal, _) => Some(known_by(None, &id)),
        //= HITS 1216:2018 §2.2.4
        //# A message-id that was processed before, from the same sender: only logged.
        (Role::Async | Role::Sync | Role::SyncReply, sender) => Some(known_by(Some(sender?), &id)),
    });
    let mut kept: std::collections::BTreeMap<String, String> =
        properties.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    kept.extend(content_type.map(|content_type| ("content-type".to_owned(), content_type)));
    let transport = Transport {
        role,
        message_id,
        correlation_id,
        queue: None, // whoever reads the queue tells
        to: text(to),
        reply_to,
        subject,
        subject_source,
        content,
        written,
        ttl_ms: ttl.and_then(|ttl| u64::try_from(ttl.as_millis()).ok()),
        redelivered,
        delivery_count,
        properties: kept,
        invalid,
        used_id: false,  // the journal tells
        worn_out: false, // whoever reads the queue tells
        reported,
    };
    Incoming { transport, sender, receiver, idempotency_key, body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Properties;
    use proptest::prelude::*;

    fn good() -> Envelope {
        Envelope {
            message_id: Some("8F2FD3C76F4B4D228B673C1D7F7F0A11".into()),
            to: Some("tb.test.nhn.no/NHNTESTServiceBus/93238_async".into()),
            subject: Some("HENVISNING".into()),
            reply_to: Some("93252_async".into()),
            content_type: Some(content_type::PROTECTED.into()),
            properties: [
                (names::FROM, "93252"),
                (names::TO, "93238"),
                (names::WRITTEN, "2026-03-02T09:30:00Z"),
                ("X-SystemIdentifier", "some system 1.2"),
            ]
            .into_iter()
            .collect(),
            body: b"\x30\x80".as_slice().into(),
            ..Envelope::default()
        }
    }

    fn without(name: &str) -> Envelope {
        let mut envelope = good();
        let kept: Properties = good()
            .properties
            .iter()
            .filter(|(n, _)| *n != name)
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        envelope.properties = kept;
        match name {
            "subject" => envelope.subject = None,
            "content-type" => envelope.content_type = None,
            "reply-to" => envelope.reply_to = None,
            _ => {}
        }
        envelope
    }

    #[test]
    fn a_good_envelope_is_read_whole() {
        let read = read(good(), Role::Async);
        assert_eq!((read.sender, read.receiver), (Some(HerId(93252)), Some(HerId(93238))));
        assert_eq!(read.idempotency_key.as_deref(), Some("93252/8f2fd3c7-6f4b-4d22-8b67-3c1d7f7f0a11"));
        let said = &read.transport;
        assert_eq!(said.message_id.as_deref(), Some("8F2FD3C76F4B4D228B673C1D7F7F0A11"), "as it came");
        assert_eq!((said.content, said.subject_source), (Content::Protected, Some(SubjectSource::Property)));
        assert!(said.invalid.is_empty());
        assert_eq!(said.properties.get("X-SystemIdentifier").map(String::as_str), Some("some system 1.2"));
    }

    #[test]
    fn what_is_required_and_missing_is_named() {
        for name in [names::FROM, names::TO, names::WRITTEN, "subject", "content-type"] {
            assert_eq!(read(without(name), Role::Async).transport.invalid, [name]);
        }
        assert!(read(without("reply-to"), Role::Async).transport.invalid.is_empty());
        assert_eq!(read(without("reply-to"), Role::Sync).transport.invalid, ["reply-to"]);
        assert_eq!(read(good(), Role::SyncReply).transport.invalid, ["correlation-id"]);
        for role in [Role::Error, Role::Internal] {
            assert!(read(Envelope::default(), role).transport.invalid.is_empty(), "{role:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_too() {
        for (name, value) in [(names::FROM, "ninety"), (names::TO, "-1"), (names::WRITTEN, "yesterday")] {
            let mut envelope = without(name);
            envelope.properties.insert(name, value);
            let read = read(envelope, Role::Async);
            assert_eq!(read.transport.invalid, [name]);
            assert_eq!(read.transport.properties.get(name).map(String::as_str), Some(value), "it is kept");
        }
        let mut envelope = good();
        envelope.subject = Some("x".repeat(crate::envelope::TEXT_BYTES + 1));
        assert_eq!(read(envelope, Role::Async).transport.invalid, ["subject"]);
    }

    #[test]
    fn a_subject_that_a_server_took_away_is_found_elsewhere() {
        let mut envelope = without("subject");
        envelope.properties.insert("x-messageinfo-type", "EPIKRISE");
        let said = read(envelope, Role::Async).transport;
        assert_eq!(
            (said.subject.as_deref(), said.subject_source),
            (Some("EPIKRISE"), Some(SubjectSource::MessageInfo))
        );
        let envelope = Envelope { subject_source: Some(SubjectSource::Payload), ..without("subject") };
        let said = read(envelope, Role::Async).transport;
        assert!(said.subject.is_none() && said.invalid.is_empty(), "the message itself will tell");
    }

    #[test]
    fn a_message_without_an_id_or_a_sender_has_no_key() {
        assert_eq!(read(Envelope { message_id: None, ..good() }, Role::Async).idempotency_key, None);
        assert_eq!(read(without(names::FROM), Role::Async).idempotency_key, None);
        assert!(read(without(names::FROM), Role::Error).idempotency_key.is_some());
    }

    fn error() -> Envelope {
        let mut envelope = Envelope { content_type: None, ..good() };
        for (name, value) in [
            ("OriginalMessageId", "0190000000007000800000000000000a"),
            ("errorcondition", "transport:some-new-code"),
            ("errorDescription", "Noe gikk galt"),
            ("errorConditionData", "a;b;"),
            ("receiverTimeStamp", "03/02/2026 09:31:00"),
        ] {
            envelope.properties.insert(name, value);
        }
        envelope
    }

    #[test]
    fn an_error_is_read_whatever_it_lacks() {
        let reported = read(error(), Role::Error).transport.reported.expect("an error");
        assert_eq!(reported.original_message_id.as_deref(), Some("0190000000007000800000000000000a"));
        assert_eq!(
            reported.condition.as_deref(),
            Some("transport:some-new-code"),
            "a code that we do not know"
        );
        assert_eq!(reported.data.as_deref(), Some("a;b;"));
        assert_eq!(reported.tried, Some("2026-03-02T09:31:00Z".parse().unwrap()));
        let empty = read(Envelope::default(), Role::Error).transport.reported;
        assert_eq!(empty, Some(Reported::default()));
        assert_eq!(read(error(), Role::Async).transport.reported, None, "the queue decides what it is");
    }

    #[test]
    fn a_soap_fault_is_an_error_too() {
        let body = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault>
            <s:Code><s:Value>s:Sender</s:Value></s:Code>
            <s:Reason><s:Text xml:lang="no">Ukjent mottaker</s:Text></s:Reason>
            <s:Detail><d:messageId xmlns:d="http://www.kith.no/xmlstds/digitaldialog/2013-10-08">abc</d:messageId>
            </s:Detail></s:Fault></s:Body></s:Envelope>"#;
        let envelope = Envelope {
            subject: Some("AMQP_SOAP_FAULT".into()),
            content_type: Some("application/soap+xml".into()),
            body: body.as_bytes().into(),
            ..good()
        };
        let reported = read(envelope.clone(), Role::Error).transport.reported.expect("an error");
        assert!(reported.soap);
        assert_eq!(reported.condition.as_deref(), Some("s:Sender"));
        assert_eq!(reported.description.as_deref(), Some("Ukjent mottaker"));
        assert_eq!(reported.original_message_id.as_deref(), Some("abc"));
        // A body that cannot be read changes nothing of what the properties say.
        let mut sealed = Envelope { body: b"\x30\x80".as_slice().into(), ..envelope };
        sealed.properties.insert(names::ORIGINAL, "xyz");
        let reported = read(sealed, Role::Error).transport.reported.expect("an error");
        assert_eq!(reported.original_message_id.as_deref(), Some("xyz"));
    }

    proptest! {
        /// Nothing that a stranger writes makes reading fail, or loses the content.
        #[test]
        fn anything_is_read(
            fields in proptest::collection::vec(proptest::option::of(".{0,30}"), 6),
            pairs in proptest::collection::vec(("[a-zA-Z-]{0,20}", ".{0,30}"), 0..20),
            body in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let envelope = Envelope {
                message_id: fields[0].clone(),
                to: fields[1].clone(),
                subject: fields[2].clone(),
                reply_to: fields[3].clone(),
                correlation_id: fields[4].clone(),
                content_type: fields[5].clone(),
                properties: pairs.into_iter().collect(),
                body: body.clone().into(),
                ..Envelope::default()
            };
            for role in [Role::Async, Role::Sync, Role::SyncReply, Role::Error, Role::Internal] {
                prop_assert_eq!(&*read(envelope.clone(), role).body, body.as_slice());
            }
        }
    }
}
