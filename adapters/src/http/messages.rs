//! What a message's state looks like to a client: everything that the journal knows, without the patient.

use broker_core::ContentHash;
use broker_core::journal::{Book, EventRecord, MessageRecord, Provenance, RecipientRecord, VerdictRecord};
use jiff::Timestamp;
use message_schemas::{Finding, HerId, MessageHead, MessageId};
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A message as told to a client. Its head is cut down to ids and codes: names and patients are left out by
/// never being copied.
#[derive(Serialize)]
pub(super) struct View<'a> {
    id: MessageId,
    short: &'a str,
    source: &'a str,
    received: Timestamp,
    content_hash: ContentHash,
    size_bytes: u64,
    #[serde(flatten)]
    verdict: &'a VerdictRecord,
    /// The reason in words.
    reason_title: Option<&'static str>,
    /// How many recipients of the message stand in which state.
    states: BTreeMap<&'static str, usize>,
    /// The same of receipts, ours and relayed ones.
    receipt_states: BTreeMap<&'static str, usize>,
    head: Option<Head<'a>>,
    findings: &'a [Finding],
    findings_omitted: usize,
    recipients: Vec<Recipient<'a>>,
    events: &'a [EventRecord],
    explanation: Option<&'a serde_json::Value>,
    provenance: &'a Provenance,
    links: Links,
}

#[derive(Serialize)]
struct Head<'a> {
    family: message_schemas::Family,
    version: message_schemas::Version,
    namespace: &'a str,
    #[serde(rename = "type")]
    type_code: Option<&'a str>,
    msg_id: Option<&'a str>,
    generated: Option<&'a str>,
    test: bool,
    sender_her_id: Option<HerId>,
    sender_enterprise_her_id: Option<HerId>,
    receiver_her_ids: Vec<HerId>,
}

impl<'a> Head<'a> {
    fn of(head: &'a MessageHead) -> Self {
        Self {
            family: head.kind.family,
            version: head.kind.version,
            namespace: &head.namespace,
            type_code: head.type_code.as_deref(),
            msg_id: head.msg_id.as_ref().map(message_schemas::MsgId::as_str),
            generated: head.generated.as_ref().map(|g| g.text.as_str()),
            test: head.test,
            sender_her_id: head.sender.as_ref().and_then(message_schemas::head::Party::her_id),
            sender_enterprise_her_id: head
                .sender
                .as_ref()
                .and_then(message_schemas::head::Party::enterprise_her_id),
            receiver_her_ids: head.receivers.iter().filter_map(|r| r.party.her_id()).collect(),
        }
    }
}

#[derive(Serialize)]
struct Recipient<'a> {
    #[serde(flatten)]
    record: &'a RecipientRecord,
    /// Where its receipt or document can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    document_link: Option<String>,
}

#[derive(Serialize)]
struct Links {
    #[serde(rename = "self")]
    this: String,
    original: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
}

impl<'a> View<'a> {
    pub(super) fn of(record: &'a MessageRecord) -> Self {
        let this = link(record.id);
        let states = |book| {
            let mut states = BTreeMap::new();
            for recipient in record.recipients.iter().filter(|r| r.book == book) {
                *states.entry(recipient.state.as_str()).or_insert(0) += 1;
            }
            states
        };
        Self {
            id: record.id,
            short: &record.short,
            source: &record.source,
            received: record.received,
            content_hash: record.content_hash,
            size_bytes: record.size_bytes,
            verdict: &record.verdict,
            reason_title: record.verdict.reason().map(|r| r.title()),
            states: states(Book::Message),
            receipt_states: states(Book::Receipt),
            head: record.head.as_ref().map(Head::of),
            findings: record.findings.as_slice(),
            findings_omitted: record.findings.omitted(),
            recipients: record
                .recipients
                .iter()
                .map(|recipient| Recipient {
                    record: recipient,
                    document_link: recipient.document.map(|id| document_link(record.id, id)),
                })
                .collect(),
            events: &record.events,
            explanation: record.explanation.as_ref(),
            provenance: &record.provenance,
            links: Links {
                original: format!("{this}/original"),
                receipt: receipts(record).first().map(|_| format!("{this}/receipt")),
                this,
            },
        }
    }
}

/// The address of a message's state.
pub(super) fn link(id: MessageId) -> String {
    format!("/v1/messages/{id}")
}

/// The address of a receipt or document.
pub(super) fn document_link(message: MessageId, document: Uuid) -> String {
    format!("/v1/messages/{message}/documents/{document}")
}

/// The receipts that we wrote for a message.
pub(super) fn receipts(record: &MessageRecord) -> Vec<Uuid> {
    let mut found: Vec<Uuid> =
        record.recipients.iter().filter(|r| r.payload == "receipt").filter_map(|r| r.document).collect();
    found.sort_unstable();
    found.dedup();
    found
}
