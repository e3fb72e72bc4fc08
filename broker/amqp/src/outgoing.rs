//! The envelope of what is sent: made from a delivery alone and the parties' queues, so that it is the same at every
//! attempt.
//!
//! The message id is the recipient's id: a resend because nobody knows whether it arrived, and a replay by a person of
//! what was never confirmed, have the id that they had.

use crate::content_type::PROTECTED;
use crate::envelope::{Envelope, Properties, SubjectSource};
use crate::{names, times};
use broker_core::journal::{Delivery, DocumentKind};
use broker_core::transport::{Role, TransportError};
use jiff::Timestamp;
use message_schemas::HerId;
use routing_rules::{Parties, Queue, QueueAddress};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// The longest time to live: `ttl` travels as 32 bits of milliseconds.
pub const LONGEST: Duration = Duration::from_millis(u32::MAX as u64);

/// What an installation decides for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long errors live; none for ever.
    pub error_ttl: Option<Duration>,
    /// How long requests and their answers live.
    //= HITS 1216:2018 §2.1
    //# sync and syncreply: 15 seconds
    pub sync_ttl: Duration,
    /// The queue that answers to our requests come to; one for each process that sends any.
    pub sync_reply: Option<QueueAddress>,
    /// Whether the subject stands in `X-MessageInfo-Type` too, in the clear, for receivers whose server takes the subject
    /// away.
    pub hints: bool,
    /// Properties of the sending system, added to every message (`X-SystemIdentifier`).
    pub system: Vec<(String, String)>,
    /// Lets messages leave that are neither signed nor sealed, as `text/plain`: for tests.
    pub unprotected: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            error_ttl: None,
            sync_ttl: Duration::from_secs(15),
            sync_reply: None,
            hints: false,
            system: Vec::new(),
            unprotected: false,
        }
    }
}

/// Why no envelope can be made. All of them are ours to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// Who sends it, or to whom it goes, is not known by number.
    #[error("the {0} of the message has no HER-id")]
    NoParty(&'static str),
    /// What it is, is not known.
    #[error("the message has no subject: neither its type nor its family tells one")]
    NoSubject,
    /// Nobody named the queue.
    #[error("no queue for {1:?} is known of party {0}")]
    NoQueue(HerId, Queue),
    /// It is neither signed nor sealed.
    #[error("the message is not signed and sealed, and does not leave without")]
    Unprotected,
    /// A time to live that the protocol has no number for.
    #[error("a time to live of more than 49 days cannot be sent")]
    TimeToLive,
    /// The bytes of an error cannot be read.
    #[error("what is kept of the transport error cannot be read")]
    Error,
}

/// What is published, and to which queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The queue's name.
    pub queue: String,
    /// What goes there.
    pub envelope: Envelope,
}

/// Makes the envelope of a delivery to a partner, for the queues that the parties have now.
///
/// # Errors
/// See [`Unsendable`].
pub fn make(
    delivery: &Delivery,
    parties: &Parties,
    options: &Options,
    now: Timestamp,
) -> Result<Outgoing, Unsendable> {
    let label = &delivery.label;
    let from = label.from.ok_or(Unsendable::NoParty("sender"))?;
    let to = label.to.or(delivery.receiver).ok_or(Unsendable::NoParty("receiver"))?;
    let subject = label.subject.clone().ok_or(Unsendable::NoSubject)?;
    let error = match delivery.kind {
        Some(DocumentKind::TransportError) => {
            Some(serde_json::from_slice::<TransportError>(&delivery.bytes).map_err(|_| Unsendable::Error)?)
        }
        Some(
            DocumentKind::Receipt
            | DocumentKind::FhirJson
            | DocumentKind::Opened
            | DocumentKind::Signed
            | DocumentKind::Sealed,
        )
        | None => None,
    };
    let role = if error.is_some() { Role::Error } else { label.role };

    let queue_of = |party: HerId, queue: Queue| parties.get(party).and_then(|p| parties.queue(p, queue, now));
    let wanted = match role {
        Role::Async | Role::Internal => Queue::Async,
        Role::Sync => Queue::Sync,
        Role::SyncReply => Queue::SyncReply,
        Role::Error => Queue::Error,
    };
    let named = label.address.as_deref().and_then(|address| address.parse::<QueueAddress>().ok());
    let queue = match named {
        Some(address) => address.name().to_owned(),
        None => queue_of(to, wanted).ok_or(Unsendable::NoQueue(to, wanted))?.name().to_owned(),
    };
    let reply_to = match role {
        Role::Async | Role::Internal | Role::Error => {
            queue_of(from, Queue::Async).map(|q| q.name().to_owned())
        }
        Role::Sync => {
            let own = options.sync_reply.as_ref().map(Cow::Borrowed);
            let own = own.or_else(|| queue_of(from, Queue::SyncReply));
            Some(own.ok_or(Unsendable::NoQueue(from, Queue::SyncReply))?.name().to_owned())
        }
        Role::SyncReply => None,
    };
    let ttl = match role {
        Role::Async | Role::Internal => None,
        Role::Sync | Role::SyncReply => Some(options.sync_ttl),
        Role::Error => options.error_ttl,
    };
    if ttl.is_some_and(|ttl| ttl.is_zero() || ttl > LONGEST) {
        return Err(Unsendable::TimeToLive);
    }

    let (content_type, body): (&str, Arc<[u8]>) = match &error {
        // An empty body, and the type of a protected one: the reference library then stops before it decodes, and does not
        // answer an error with an error.
        Some(_) => (PROTECTED, Arc::from([])),
        // The newer profile has no type for what is signed only; a peer that gets it so has agreed to it.
        None if delivery.kind == Some(DocumentKind::Signed) => {
            (delivery.media_type(), Arc::clone(&delivery.bytes))
        }
        None if is_protected(delivery) => (PROTECTED, Arc::clone(&delivery.bytes)),
        None if options.unprotected => ("text/plain", Arc::clone(&delivery.bytes)),
        None => return Err(Unsendable::Unprotected),
    };
    let message_id = delivery.recipient.0.hyphenated().to_string();
    let mut properties = Properties::default();
    properties.insert(names::FROM, from.to_string());
    properties.insert(names::TO, to.to_string());
    properties.insert(names::WRITTEN, times::write(label.made.unwrap_or_default()));
    if let Some(error) = error {
        let text = |text: String| bounded(&text).to_owned();
        properties.insert(names::CONDITION, error.condition.as_str());
        properties.insert(names::DESCRIPTION, text(error.description));
        properties.insert(names::TRIED, times::write(error.tried));
        for (name, value) in [(names::ORIGINAL, error.original_message_id), (names::DATA, error.data)] {
            if let Some(value) = value {
                properties.insert(name, text(value));
            }
        }
    }
    if options.hints {
        properties.insert(names::TYPE, subject.clone());
    }
    options.system.iter().for_each(|(name, value)| properties.insert(name.clone(), value.clone()));
    Ok(Outgoing {
        envelope: Envelope {
            correlation_id: label.correlation.clone().or_else(|| Some(message_id.clone())),
            message_id: Some(message_id),
            to: Some(queue.clone()),
            subject: Some(subject),
            subject_source: Some(SubjectSource::Property),
            reply_to,
            content_type: Some(content_type.to_owned()),
            ttl,
            properties,
            // Never by default: a server of 3.x would keep the message in memory alone.
            durable: true,
            body,
            ..Envelope::default()
        },
        queue,
    })
}

/// Sealed by us; or passed on as it came, which shows in its first byte: CMS is a SEQUENCE, and XML never begins so.
fn is_protected(delivery: &Delivery) -> bool {
    delivery.kind == Some(DocumentKind::Sealed)
        || delivery.kind.is_none() && delivery.bytes.first() == Some(&0x30)
}

/// What a property holds.
fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(crate::envelope::TEXT_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incoming;
    use broker_core::journal::{Book, RecipientId};
    use broker_core::transport::{Content, ErrorCondition, Label};
    use message_schemas::MessageId;
    use uuid::Uuid;

    const QUEUES: &str = r#"
        [[party]]
        her_id = 93252
        level = "service"
        name = "Sender"
        kind = "gp"
        ours = false
        [party.amqp]
        async = "93252_async"
        error = "host/ns/93252_error"
        syncreply = "93252_syncreply"
        [[party]]
        her_id = 93238
        level = "service"
        name = "Receiver"
        kind = "hospital"
        [party.amqp]
        async = "host/ns/93230_async"
        sync = "93230_sync"
    "#;

    fn parties() -> Parties {
        Parties::parse(&[("p.toml".to_owned(), QUEUES.to_owned())]).expect("parties")
    }

    fn made(delivery: &Delivery, options: &Options) -> Result<Outgoing, Unsendable> {
        make(delivery, &parties(), options, "2026-03-02T09:31:00Z".parse().expect("a time"))
    }

    fn delivery(kind: Option<DocumentKind>, bytes: &[u8]) -> Delivery {
        Delivery {
            recipient: RecipientId(Uuid::from_u128(0xabc)),
            message: MessageId(Uuid::from_u128(7)),
            book: Book::Message,
            receiver: Some(HerId(93238)),
            destination: "amqp".parse().expect("a name"),
            kind,
            document: None,
            bytes: bytes.into(),
            tries: 0,
            expires: None,
            maybe_arrived: false,
            receipt_written: false,
            test: false,
            family: None,
            label: Label {
                subject: Some("HENVISNING".into()),
                from: Some(HerId(93252)),
                to: Some(HerId(93238)),
                made: Some("2026-03-02T09:30:00.5Z".parse().expect("a time")),
                ..Label::default()
            },
        }
    }

    #[test]
    fn a_message_has_all_that_the_profile_asks_for() {
        let sent = made(&delivery(Some(DocumentKind::Sealed), b"\x30"), &Options::default()).unwrap();
        assert_eq!(sent.queue, "93230_async", "by the register, and not by the number");
        let envelope = &sent.envelope;
        let id = "00000000-0000-0000-0000-000000000abc";
        assert_eq!(
            (envelope.message_id.as_deref(), envelope.correlation_id.as_deref()),
            (Some(id), Some(id))
        );
        assert_eq!(envelope.to.as_deref(), Some("93230_async"));
        assert_eq!(envelope.reply_to.as_deref(), Some("93252_async"));
        assert_eq!(envelope.content_type.as_deref(), Some(PROTECTED));
        assert_eq!((envelope.durable, envelope.ttl), (true, None));
        let pairs: Vec<_> = envelope.properties.iter().collect();
        assert_eq!(
            pairs,
            [("applicationTimeStamp", "2026-03-02T09:30:00Z"), ("fromHerId", "93252"), ("toHerId", "93238")]
        );
        let read = incoming::read(envelope.clone(), Role::Async);
        assert!(read.transport.invalid.is_empty(), "what we send we would take");
        assert_eq!(made(&delivery(Some(DocumentKind::Sealed), b"\x30"), &Options::default()), Ok(sent));
    }

    #[test]
    fn an_error_has_an_empty_body_and_cannot_be_answered_by_another() {
        let error = TransportError {
            condition: ErrorCondition::InvalidFieldValue,
            description: "Missing: subject".into(),
            data: Some("subject;".into()),
            original_message_id: Some("abc".into()),
            tried: "2026-03-02T09:31:00Z".parse().unwrap(),
        };
        let mut delivery = delivery(Some(DocumentKind::TransportError), &serde_json::to_vec(&error).unwrap());
        (delivery.label.from, delivery.label.to) = (Some(HerId(93238)), Some(HerId(93252)));
        let sent = made(&delivery, &Options::default()).unwrap();
        assert_eq!(sent.queue, "93252_error");
        assert_eq!(&*sent.envelope.body, b"");
        assert_eq!(sent.envelope.content_type.as_deref(), Some(PROTECTED));
        let read = incoming::read(sent.envelope, Role::Error);
        assert_eq!(read.transport.content, Content::Protected);
        let reported = read.transport.reported.unwrap();
        assert_eq!(reported.condition.as_deref(), Some("transport:invalid-field-value"));
        assert_eq!(reported.original_message_id.as_deref(), Some("abc"));
        assert_eq!((reported.data.as_deref(), reported.tried), (Some("subject;"), Some(error.tried)));
    }

    #[test]
    fn requests_and_answers_live_for_a_quarter_of_a_minute() {
        let mut request = delivery(Some(DocumentKind::Sealed), b"\x30");
        request.label.role = Role::Sync;
        let sent = made(&request, &Options::default()).unwrap();
        assert_eq!(
            (sent.queue.as_str(), sent.envelope.reply_to.as_deref()),
            ("93230_sync", Some("93252_syncreply"))
        );
        assert_eq!(sent.envelope.ttl, Some(Duration::from_secs(15)));
        let own = Options { sync_reply: Some("host_7_syncreply".parse().unwrap()), ..Options::default() };
        let sent = made(&request, &own).unwrap();
        assert_eq!(sent.envelope.reply_to.as_deref(), Some("host_7_syncreply"));

        let mut answer = request;
        answer.label = Label {
            role: Role::SyncReply,
            address: Some("host/ns/other_syncreply".into()),
            correlation: Some("the-request".into()),
            ..answer.label
        };
        let sent = made(&answer, &Options::default()).unwrap();
        assert_eq!((sent.queue.as_str(), sent.envelope.reply_to), ("other_syncreply", None));
        assert_eq!(sent.envelope.correlation_id.as_deref(), Some("the-request"));
        assert_ne!(sent.envelope.message_id, sent.envelope.correlation_id);
    }

    #[test]
    fn what_cannot_be_sent_says_why() {
        let plain = delivery(None, b"<MsgHead/>");
        assert_eq!(made(&plain, &Options::default()), Err(Unsendable::Unprotected));
        let open = Options { unprotected: true, ..Options::default() };
        let sent = made(&plain, &open).unwrap();
        assert_eq!(sent.envelope.content_type.as_deref(), Some("text/plain"));

        let sealed = || delivery(None, b"\x30\x80");
        let changed = |change: fn(&mut Label)| {
            let mut delivery = sealed();
            change(&mut delivery.label);
            made(&delivery, &Options::default()).unwrap_err()
        };
        assert!(made(&sealed(), &Options::default()).is_ok(), "passed on as it came");
        assert_eq!(changed(|l| l.from = None), Unsendable::NoParty("sender"));
        assert_eq!(changed(|l| l.subject = None), Unsendable::NoSubject);
        assert_eq!(changed(|l| l.to = Some(HerId(1))), Unsendable::NoQueue(HerId(1), Queue::Async));
        assert_eq!(changed(|l| l.role = Role::Error), Unsendable::NoQueue(HerId(93238), Queue::Error));
        let long = Options { error_ttl: Some(LONGEST + Duration::from_millis(1)), ..Options::default() };
        let mut error = sealed();
        error.label = Label { role: Role::Error, to: Some(HerId(93252)), ..error.label };
        assert_eq!(made(&error, &long), Err(Unsendable::TimeToLive));
    }
}
