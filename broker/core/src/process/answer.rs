//! Receipts: those that we write, and those that come in and close what they answer.

use super::World;
use super::read::Reading;
use super::recipients::Recipients;
use super::unwrap::party_of;
use crate::arrival::Ids;
use crate::journal::{
    Book, Closing, Document, DocumentKind, Known, Original, OriginalKey, Payload, Recipient, RecipientId,
};
use crate::lifecycle::{Event, State};
use crate::transport::Label;
use crate::verdict::{Fault, Kept};
use dead_letter::Reason;
use jiff::Timestamp;
use message_schemas::MessageHead;
use message_schemas::apprec::{self, Correlation, Error, ErrorCode, Making, Receipt, Software, Verdict};
use message_schemas::head::{ReceiptStatus, Receiver};

/// The function of a receipt (list 8279).
pub(super) const RECEIPT: &str = "APPREC";

/// What an incoming message closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closes {
    /// It is no receipt.
    NotAReceipt,
    /// A receipt that moves its original on.
    Original,
    /// A receipt for something that is receipted already, or that we answered ourselves: the first stands.
    Nothing,
    /// A receipt for something that we do not know: passed on, and somebody is told.
    Unknown,
}

impl Closes {
    pub(super) const fn is_receipt(self) -> bool {
        !matches!(self, Self::NotAReceipt)
    }

    /// Why it is not passed on.
    pub(super) const fn stops(self) -> Option<Fault> {
        match self {
            Self::Nothing => Some(Fault::SecondReceipt),
            Self::NotAReceipt | Self::Original | Self::Unknown => None,
        }
    }

    /// What is noted on it although it goes on.
    pub(super) const fn mark(self) -> Option<Reason> {
        match self {
            Self::Unknown => Some(Reason::ReceiptWithoutOriginal),
            Self::NotAReceipt | Self::Original | Self::Nothing => None,
        }
    }
}

/// The ids by which an incoming receipt's original can be found.
pub(super) fn original_keys_of(reading: &Reading) -> Vec<OriginalKey> {
    let Some(correlation) = reading.head.as_ref().and_then(apprec::correlation) else { return Vec::new() };
    let Correlation { message_key, answering, answering_enterprise, .. } = correlation;
    let mut receivers: Vec<String> =
        [answering, answering_enterprise].into_iter().flatten().map(|h| h.to_string()).collect();
    receivers.dedup();
    receivers.into_iter().map(|receiver| OriginalKey { id: message_key.clone(), receiver }).collect()
}

/// Finds what an incoming receipt answers and moves it on.
pub(super) fn close(to: &mut Recipients, head: &MessageHead, known: &Known) -> Closes {
    let Some(receipt) = &head.receipt else { return Closes::NotAReceipt };
    let Some(original) = original_of(head, &known.originals) else { return Closes::Unknown };
    //= AppRec test sheet, case 13
    //# A second receipt for the same original: keep the first, ignore the later.
    if original.receipt_written || matches!(original.state, State::Receipted | State::Rejected) {
        return Closes::Nothing;
    }
    let (event, reason) = match receipt.status {
        ReceiptStatus::Ok | ReceiptStatus::OkWithErrors => (Event::ReceiptOk, None),
        ReceiptStatus::Rejected => (Event::ReceiptRejected, Some(Reason::NegativeReceipt)),
    };
    to.closings.push(Closing { recipient: original.recipient, event, reason });
    Closes::Original
}

/// Among several messages that share a document id, the receipt's IssueDate tells; failing that, the oldest
/// that still waits for its receipt (kith-messages §4.5).
fn original_of<'k>(head: &MessageHead, candidates: &'k [Original]) -> Option<&'k Original> {
    let issued = apprec::correlation(head).and_then(|c| c.issued);
    let dated = candidates.iter().find(|c| issued.is_some() && c.generated == issued);
    let waiting = || candidates.iter().find(|c| !matches!(c.state, State::Receipted | State::Rejected));
    dated.or_else(waiting).or_else(|| candidates.first())
}

/// Writes a receipt for one receiver: positive if there are no errors. Where there can be none (the kind has
/// none, nobody to send it to, another way to tell) nothing is written.
pub(super) fn write(
    to: &mut Recipients,
    reading: &Reading,
    receiver: &Receiver,
    errors: &[ErrorCode],
    world: &World,
    now: Timestamp,
    ids: &mut impl Ids,
) {
    if to.silent {
        return;
    }
    let verdict = match errors.split_first() {
        None => Verdict::Accepted,
        Some((first, others)) => Verdict::Rejected {
            error: Error::of(first.clone()),
            others: others.iter().cloned().map(Error::of).collect(),
        },
    };
    let software = Software { name: "Budstikke".to_owned(), version: world.provenance.program.clone() };
    let making = Making { id: ids.fresh(), now, software: Some(software) };
    let Ok(receipt) = Receipt::answer_to(&reading.addressing, receiver, verdict, making) else { return };

    let sender = &receipt.receiver;
    let test = reading.head.as_ref().is_some_and(|h| h.test);
    let destination = party_of(sender, world).and_then(|e| world.parties.destination(e, test)).cloned();
    let stopped = destination.is_none().then(|| Fault::NoReturnAddress.consequence());
    let document = to.documents.len();
    to.documents.push(Document {
        kind: DocumentKind::Receipt,
        id: receipt.id,
        bytes: receipt.to_xml().into_bytes().into(),
    });
    to.list.push(Recipient {
        id: RecipientId(ids.fresh()),
        book: Book::Receipt,
        receiver: sender.any_her_id(),
        destination,
        payload: Payload::Document(document),
        state: match stopped.as_ref().map(|s| s.kept) {
            None => State::Waiting,
            Some(Kept::Parked) => State::Parked,
            Some(Kept::Refused) => State::Rejected,
        },
        reason: stopped.map(|s| s.reason),
        receipt_deadline: None,
        expires: world.policy.time_to_live.from(now),
        order_key: None,
        receipt_written: false,
        original_keys: Vec::new(),
        label: Label {
            subject: Some(RECEIPT.to_owned()),
            from: receiver.party.any_her_id(),
            to: sender.any_her_id(),
            made: Some(now),
            ..Label::default()
        },
    });
}
