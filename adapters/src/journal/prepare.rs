//! Entries made ready for the tables, outside of the writer: compressing, hashing and writing JSON cost more
//! than the inserts do, and every caller has its own task for that.

use super::body::Body;
use crate::records;
use crate::standing::Standing;
use broker_core::ContentHash;
use broker_core::journal::{
    Closing, DuplicateKey, Entry, JudgedAgain, OriginalKey, Payload, Recipient, RecipientId, Remark,
    VerdictRecord,
};
use broker_core::lifecycle::State;
use broker_core::ports::StoreError;
use broker_core::series::{Ruled, Showing, ShownAt};
use jiff::Timestamp;
use message_schemas::MessageId;

/// An entry ready to be stored; only the numbers are missing that the writer gives.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) id: MessageId,
    pub(crate) received: Timestamp,
    pub(crate) source: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) content_hash: [u8; 32],
    pub(crate) payload_hash: ContentHash,
    pub(crate) judged_again: Option<JudgedAgain>,
    pub(crate) envelope_receiver: Option<u32>,
    pub(crate) envelope_sender: Option<u32>,
    pub(crate) transport: Option<String>,
    pub(crate) message: MessageColumns,
    pub(crate) provenance: String,
    pub(crate) body: Body,
    pub(crate) documents: Vec<PreparedDocument>,
    pub(crate) evidence: Vec<(ContentHash, Body)>,
    pub(crate) recipients: Vec<PreparedRecipient>,
    pub(crate) duplicate_keys: Vec<DuplicateKey>,
    pub(crate) closings: Vec<Closing>,
    pub(crate) remarks: Vec<Remark>,
    pub(crate) versions: Vec<PreparedVersion>,
    /// What the first event says.
    pub(crate) taken_in: String,
}

/// Columns of `message` that need nothing of the journal.
#[derive(Debug, Clone)]
pub(crate) struct MessageColumns {
    pub(crate) sender: Option<String>,
    pub(crate) msg_id: Option<String>,
    pub(crate) document_id: Option<String>,
    pub(crate) family: Option<&'static str>,
    pub(crate) version: Option<String>,
    pub(crate) type_code: Option<String>,
    pub(crate) generated: Option<i64>,
    pub(crate) test: bool,
    pub(crate) verdict: &'static str,
    pub(crate) reason: Option<&'static str>,
    pub(crate) duplicate_of: Option<MessageId>,
    pub(crate) head: Option<String>,
    pub(crate) findings: String,
    pub(crate) explanation: Option<String>,
    pub(crate) protection: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct PreparedDocument {
    pub(crate) id: uuid::Uuid,
    pub(crate) kind: &'static str,
    pub(crate) body: Body,
}

/// A version of a series.
#[derive(Debug, Clone)]
pub(crate) struct PreparedVersion {
    pub(crate) strand: uuid::Uuid,
    pub(crate) mark: uuid::Uuid,
    pub(crate) parent: Option<uuid::Uuid>,
    pub(crate) content: [u8; 32],
    /// JSON.
    pub(crate) record: String,
}

/// How an entry stands at a target.
#[derive(Debug, Clone)]
pub(crate) struct PreparedShown {
    pub(crate) target: String,
    pub(crate) entry: uuid::Uuid,
    pub(crate) strand: uuid::Uuid,
    /// JSON.
    pub(crate) record: String,
}

impl PreparedShown {
    /// Makes what is to be written down ready.
    pub(crate) fn of(showing: &Showing) -> Result<Vec<Self>, StoreError> {
        let row = |at: &ShownAt| {
            Ok(Self {
                target: at.target.as_str().to_owned(),
                entry: at.shown.entry.id(),
                strand: at.strand.0,
                record: json(&at.shown)?,
            })
        };
        showing.entries.iter().map(row).collect()
    }
}

/// A version with what a person ruled on it.
#[derive(Debug, Clone)]
pub(crate) struct PreparedRuling {
    pub(crate) seq: i64,
    /// JSON.
    pub(crate) record: String,
}

impl PreparedRuling {
    /// Makes a ruling ready.
    pub(crate) fn of(ruled: &Ruled) -> Result<Self, StoreError> {
        Ok(Self { seq: ruled.arrived, record: json(&ruled.version)? })
    }
}

#[derive(Debug, Clone)]
pub(crate) struct PreparedRecipient {
    pub(crate) recipient: Recipient,
    /// Place in `documents`; none for the original.
    pub(crate) document: Option<usize>,
    pub(crate) standing: Standing,
}

impl Prepared {
    /// Makes an entry ready. Evidence that the journal is known to have is left out.
    pub(crate) fn new(entry: Entry, has: impl Fn(ContentHash) -> bool) -> Result<Self, StoreError> {
        let head = entry.head.as_ref();
        let duplicate_of = match &entry.verdict {
            VerdictRecord::Duplicate { of } => Some(*of),
            VerdictRecord::Accepted
            | VerdictRecord::AcceptedWithFindings
            | VerdictRecord::Refused { .. }
            | VerdictRecord::Parked { .. }
            | VerdictRecord::Silent { .. } => None,
        };
        let message = MessageColumns {
            sender: head.and_then(|h| h.sender.as_ref()?.any_her_id()).map(|id| id.to_string()),
            msg_id: records::sent_as(&entry),
            document_id: head.and_then(|h| h.document_id.clone()),
            family: head.map(|h| h.kind.family.as_str()),
            version: head.map(|h| h.kind.version.to_string()),
            type_code: head.and_then(|h| h.type_code.clone()),
            generated: records::generated(&entry).map(|t| t.as_microsecond()),
            test: head.is_some_and(|h| h.test),
            verdict: entry.verdict.as_str(),
            reason: entry.verdict.reason().map(|r| r.as_str()),
            duplicate_of,
            head: head.map(json).transpose()?,
            findings: json(&entry.findings)?,
            explanation: entry.explanation.clone(),
            protection: entry.protection.clone(),
        };
        let now = entry.judged_again.as_ref().map_or(entry.arrival.received, |again| again.at);
        let recipients = entry
            .recipients
            .iter()
            .map(|recipient| {
                let document = match recipient.payload {
                    Payload::Original => None,
                    Payload::Document(at) if at < entry.documents.len() => Some(at),
                    Payload::Document(_) => {
                        return Err(StoreError::Damaged("a recipient's document is not in its entry".into()));
                    }
                };
                let standing = Standing::at_intake(recipient, now);
                Ok(PreparedRecipient { recipient: recipient.clone(), document, standing })
            })
            .collect::<Result<_, _>>()?;
        let versions = entry.versions.iter().map(|version| {
            Ok(PreparedVersion {
                strand: version.strand().0,
                mark: version.mark().0,
                parent: version.parent().map(|parent| parent.0),
                content: version.content.0,
                record: json(version)?,
            })
        });
        let versions = versions.collect::<Result<_, StoreError>>()?;
        let documents = entry.documents.iter().map(|document| PreparedDocument {
            id: document.id,
            kind: records::kind_name(document.kind),
            body: Body::pack(&document.bytes),
        });
        let evidence = entry.evidence.iter().filter(|e| !has(e.hash));
        let evidence = evidence.map(|e| (e.hash, Body::pack(&e.bytes))).collect();
        Ok(Self {
            id: entry.arrival.id,
            received: entry.arrival.received,
            content_hash: entry.content_hash.0,
            payload_hash: entry.payload_hash,
            judged_again: entry.judged_again.clone(),
            envelope_receiver: entry.arrival.envelope_receiver.map(|h| h.0),
            envelope_sender: entry.arrival.envelope_sender.map(|h| h.0),
            transport: entry.arrival.transport.as_deref().map(json).transpose()?,
            message,
            provenance: json(&*entry.provenance)?,
            body: Body::pack(&entry.arrival.bytes),
            documents: documents.collect(),
            evidence,
            recipients,
            taken_in: records::taken_in(&entry),
            duplicate_keys: entry.duplicate_keys,
            closings: entry.closings,
            remarks: entry.remarks,
            versions,
            source: entry.arrival.source,
            idempotency_key: entry.arrival.idempotency_key,
        })
    }

    /// How much it adds to the journal, nearly.
    pub(crate) fn weight_bytes(&self) -> usize {
        let made = self.documents.iter().map(|d| &d.body).chain(self.evidence.iter().map(|(_, body)| body));
        let made: usize = made.map(|body| body.bytes.len()).sum();
        // A sender may write very long ids; they compress well and are kept as they are.
        let m = &self.message;
        let texts = [
            &m.msg_id,
            &m.document_id,
            &m.type_code,
            &m.head,
            &m.explanation,
            &m.protection,
            &self.transport,
        ];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let versions: usize = self.versions.iter().map(|v| v.record.len()).sum();
        self.body.bytes.len() + made + 2 * texts + 2 * versions + m.findings.len() + 4096
    }

    /// Recipients that its commit claims.
    pub(crate) fn claimed(&self) -> impl Iterator<Item = RecipientId> {
        let claimed = self.recipients.iter().filter(|r| r.standing.state == State::Sending);
        claimed.map(|r| r.recipient.id)
    }

    /// The keys by which receipts may name a recipient.
    pub(crate) fn original_keys(&self) -> impl Iterator<Item = (usize, &OriginalKey)> {
        let recipients = self.recipients.iter().enumerate();
        recipients.flat_map(|(at, r)| r.recipient.original_keys.iter().map(move |key| (at, key)))
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Damaged(e.to_string()))
}
