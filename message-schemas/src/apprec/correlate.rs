//! Which message an incoming receipt answers.

use crate::head::{MessageHead, Receiver};
use crate::ids::{HerId, MsgId};
use crate::time::Stamp;
use jiff::Timestamp;

/// What an incoming receipt tells of its original. A 1.0 receipt for a message without MsgHead names the
/// document id, which new, change and cancellation share, and real systems send either id: so look `ids` up
/// among message ids first, then among document ids of the same sender, and narrow by date and parties
/// (kith-messages §4.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correlation {
    /// The id as a message id is compared ([`MsgId::key`]).
    pub message_key: String,
    /// The id as sent, as a document id is compared.
    pub document_id: String,
    /// `IssueDate` as a point in time, to be compared with the GenDate of the original.
    pub issued: Option<Timestamp>,
    /// The communication party that answers: a receiver of the original.
    pub answering: Option<HerId>,
    /// The enterprise of the one that answers, where level 2 is missing.
    pub answering_enterprise: Option<HerId>,
    /// The communication party that is answered: the sender of the original.
    pub answered: Option<HerId>,
    /// The type of the original, as sent.
    pub msg_type: Option<String>,
}

/// The keys of an incoming receipt; none if the message is no receipt, or names no original.
#[must_use]
pub fn correlation(head: &MessageHead) -> Option<Correlation> {
    let receipt = head.receipt.as_ref()?;
    let id: &MsgId = receipt.original_id.as_ref()?;
    let sender = head.sender.as_ref();
    let receiver: Option<&Receiver> = head.receivers.first();
    Some(Correlation {
        message_key: id.key(),
        document_id: id.as_str().to_owned(),
        issued: receipt.original_issue_date.as_deref().and_then(Stamp::parse).and_then(|s| s.start()),
        answering: sender.and_then(|s| s.her_id()),
        answering_enterprise: sender.and_then(|s| s.enterprise_her_id()),
        answered: receiver.and_then(|r| r.party.her_id()),
        msg_type: receipt.original_type.clone(),
    })
}
