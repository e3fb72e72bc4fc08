//! What stands on the outside of what is sent on. Receipts and errors of ours have theirs from where they are made.

use super::is_receipt;
use super::read::Reading;
use super::recipients::Recipients;
use crate::arrival::Arrival;
use crate::transport::Label;
use jiff::Timestamp;
use message_schemas::head::Party;

/// Labels every recipient of the message itself, also those that lie still: a person may send them yet.
pub(super) fn write(to: &mut Recipients, arrival: &Arrival, reading: &Reading, now: Timestamp) {
    let sender = reading.addressing.sender.as_ref();
    let from = sender.and_then(Party::any_her_id).or(arrival.envelope_sender);
    let subject = subject(arrival, reading);
    for recipient in to.list.iter_mut().filter(|r| r.label.made.is_none()) {
        recipient.label = Label {
            subject: subject.clone(),
            from,
            to: recipient.receiver,
            made: Some(now),
            ..std::mem::take(&mut recipient.label)
        };
    }
}

/// By the message itself, since a transport's word for it is proven by nobody; what is passed on unread keeps that word.
fn subject(arrival: &Arrival, reading: &Reading) -> Option<String> {
    let said = &reading.addressing;
    if is_receipt(reading.head.as_ref(), said) {
        return Some(super::answer::RECEIPT.to_owned());
    }
    said.function
        .clone()
        .or_else(|| said.type_code.clone())
        .or_else(|| arrival.transport.as_ref()?.subject.clone())
}
