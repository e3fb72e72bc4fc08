//! Entries to commit, made by hand: what a journal keeps does not depend on how it was decided.

use broker_core::journal::{
    Book, Closing, CommitResult, Document, DocumentKind, DuplicateKey, Entry, OriginalKey, Payload,
    Provenance, Recipient, RecipientId, Settlement, VerdictRecord,
};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::Store;
use broker_core::transport::Label;
use broker_core::{Arrival, ContentHash};
use jiff::Timestamp;
use message_schemas::{Findings, HerId, Limits, MessageId};
use routing_rules::DestinationId;
use std::sync::Arc;
use uuid::Uuid;

/// Seconds after the start of every test.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

pub(crate) fn destination(name: &str) -> DestinationId {
    name.parse().expect("a destination's name")
}

pub(crate) fn message_id(n: u128) -> MessageId {
    // Ids differ in their last bits, as random ones do.
    MessageId(Uuid::from_u128((0x0190_0000_0000_7000_8000_u128 << 48) | n))
}

/// A message without recipients; `n` tells it from others.
pub(crate) fn message(n: u128) -> Entry {
    let bytes: Arc<[u8]> =
        format!("<Message n=\"{n}\">{}</Message>", "<Line/>".repeat(400)).into_bytes().into();
    let arrival = Arrival {
        id: message_id(n),
        source: "http".into(),
        received: at(i64::try_from(n).expect("a small number")),
        bytes,
        idempotency_key: None,
        envelope_receiver: None,
        envelope_sender: None,
        transport: None,
    };
    Entry {
        content_hash: arrival.content_hash(),
        payload_hash: arrival.content_hash(),
        judged_again: None,
        arrival,
        verdict: VerdictRecord::Accepted,
        head: None,
        findings: Findings::with_cap(10),
        provenance: Arc::new(Provenance { program: "0.1.0".into(), ..Provenance::default() }),
        recipients: Vec::new(),
        documents: Vec::new(),
        closings: Vec::new(),
        remarks: Vec::new(),
        duplicate_keys: Vec::new(),
        explanation: None,
        protection: None,
        evidence: Vec::new(),
        versions: Vec::new(),
    }
}

/// Changes to an entry, one sentence each.
pub(crate) trait With: Sized {
    fn bytes(self, bytes: &[u8]) -> Self;
    fn to(self, name: &str) -> Self;
    fn in_order(self, name: &str, key: &str) -> Self;
    fn recipient(self, change: impl FnOnce(&mut Recipient)) -> Self;
    fn receipt_to(self, name: &str) -> Self;
    /// Asks the commit to claim the last recipient.
    fn at_once(self) -> Self;
    /// Asks the commit to claim all recipients.
    fn each_at_once(self) -> Self;
    fn duplicate_key(self, sender: &str, msg_id: &str, receiver: &str) -> Self;
    fn idempotency_key(self, key: &str) -> Self;
    fn original_key(self, id: &str, receiver: &str) -> Self;
    fn closing(self, recipient: RecipientId, event: Event) -> Self;
    fn head(self, msg_id: &str) -> Self;
}

impl With for Entry {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.arrival.bytes = bytes.into();
        self.content_hash = ContentHash::of(bytes);
        self.payload_hash = self.content_hash;
        self
    }

    fn to(self, name: &str) -> Self {
        let name = destination(name);
        self.recipient(|r| r.destination = Some(name))
    }

    fn in_order(self, name: &str, key: &str) -> Self {
        let name = destination(name);
        self.recipient(|r| {
            r.destination = Some(name);
            r.order_key = Some(key.into());
        })
    }

    fn recipient(mut self, change: impl FnOnce(&mut Recipient)) -> Self {
        let number = (self.arrival.id.0.as_u128() << 8) | (self.recipients.len() as u128 + 1);
        let mut recipient = Recipient {
            id: RecipientId(Uuid::from_u128(number)),
            book: Book::Message,
            receiver: Some(HerId(8093)),
            destination: None,
            payload: Payload::Original,
            state: State::Waiting,
            reason: None,
            receipt_deadline: None,
            expires: None,
            order_key: None,
            receipt_written: false,
            original_keys: Vec::new(),
            label: Label::default(),
        };
        change(&mut recipient);
        self.recipients.push(recipient);
        self
    }

    fn receipt_to(mut self, name: &str) -> Self {
        let document = Payload::Document(self.documents.len());
        self.documents.push(Document {
            kind: DocumentKind::Receipt,
            id: Uuid::from_u128(self.arrival.id.0.as_u128() ^ (0xD0C << 100)),
            bytes: format!("<AppRec of=\"{}\"/>", self.arrival.id).into_bytes().into(),
        });
        let name = destination(name);
        self.recipient(|r| {
            r.book = Book::Receipt;
            r.payload = document;
            r.destination = Some(name);
        })
    }

    fn at_once(mut self) -> Self {
        self.recipients.last_mut().expect("a recipient first").state = State::Sending;
        self
    }

    fn each_at_once(mut self) -> Self {
        self.recipients.iter_mut().for_each(|r| r.state = State::Sending);
        self
    }

    fn duplicate_key(mut self, sender: &str, msg_id: &str, receiver: &str) -> Self {
        let (sender, msg_id, receiver) = (sender.into(), msg_id.into(), receiver.into());
        self.duplicate_keys.push(DuplicateKey { sender, msg_id, receiver });
        self
    }

    fn idempotency_key(mut self, key: &str) -> Self {
        self.arrival.idempotency_key = Some(key.into());
        self
    }

    fn original_key(mut self, id: &str, receiver: &str) -> Self {
        let recipient = self.recipients.last_mut().expect("a recipient first");
        recipient.original_keys.push(OriginalKey { id: id.into(), receiver: receiver.into() });
        self
    }

    fn closing(mut self, recipient: RecipientId, event: Event) -> Self {
        self.closings.push(Closing { recipient, event, reason: None });
        self
    }

    fn head(mut self, msg_id: &str) -> Self {
        let text = format!(
            "<Message xmlns=\"http://www.kith.no/xmlstds/labsvar/2008-12-01\"><Type V=\"SVAR_LAB\"/>\
             <MIGversion>1.3</MIGversion><GenDate>2026-01-15T10:00:00+01:00</GenDate><MsgId>{msg_id}</MsgId>\
             <ServReport/></Message>"
        );
        self.head = message_schemas::head::read(&text, &Limits::default()).ok();
        assert!(self.head.is_some(), "the head of a test message can be read");
        self
    }
}

/// Commits one entry that must be taken; gives the ids of its recipients.
pub(crate) async fn commit(store: &impl Store, entry: Entry) -> Vec<RecipientId> {
    let recipients = entry.recipients.iter().map(|r| r.id).collect();
    let id = entry.arrival.id;
    match store.commit(vec![entry]).await.expect("a commit").as_slice() {
        [CommitResult::Committed(committed)] => assert_eq!(committed.message(), id),
        other => panic!("not taken: {other:?}"),
    }
    recipients
}

/// What came of an attempt, with nothing told.
pub(crate) fn settlement(recipient: RecipientId, event: Event) -> Settlement {
    Settlement { recipient, from: State::Sending, event, reason: None, next_attempt: None, detail: None }
}

/// Claims at a destination; gives ids alone.
pub(crate) async fn claim(store: &impl Store, name: &str, second: i64, limit: usize) -> Vec<RecipientId> {
    let claimed = store.claim(&destination(name), at(second), limit).await.expect("a claim");
    claimed.into_iter().map(|d| d.recipient).collect()
}

/// Where a recipient stands.
pub(crate) async fn state(store: &impl Store, recipient: RecipientId) -> State {
    let found = store.find(&recipient.0.to_string(), 1).await.expect("a search");
    let recipients = found.into_iter().flat_map(|m| m.recipients);
    recipients.into_iter().find(|r| r.id == recipient).expect("the recipient is there").state
}
