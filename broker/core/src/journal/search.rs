//! Which messages an operator looks for who has no id in hand.

use super::{MessageRecord, RecipientRecord};
use crate::lifecycle::State;
use dead_letter::Reason;
use jiff::Timestamp;
use message_schemas::{Family, HerId};
use routing_rules::DestinationId;

/// Which messages are wanted: those for which all holds that is given, newest first.
///
/// What is said of recipients must hold for one and the same of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// From this sender, as [`MessageRecord::sender`] tells.
    pub sender: Option<HerId>,
    /// Of this family.
    pub family: Option<Family>,
    /// Judged so: one of [`super::VerdictRecord::NAMES`].
    pub verdict: Option<&'static str>,
    /// Come by this entrance.
    pub source: Option<String>,
    /// Come at this time or later.
    pub since: Option<Timestamp>,
    /// Come before this time.
    pub until: Option<Timestamp>,
    /// Judged so for this reason, or a recipient stands as it does for this reason.
    pub reason: Option<Reason>,
    /// For this receiver. (The receiver of our receipts is who sent the message.)
    pub receiver: Option<HerId>,
    /// At this destination.
    pub destination: Option<DestinationId>,
    /// In this state.
    pub state: Option<State>,
    /// At most so many.
    pub limit: usize,
}

impl Search {
    /// True if a message is wanted, whatever else there is. Journals that have tables ask in their own words; this says what
    /// the words must mean.
    #[must_use]
    pub fn wants(&self, message: &MessageRecord) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted == found
        }
        let family = message.head.as_ref().map(|head| head.kind.family);
        is(self.sender.as_ref(), message.sender().as_ref())
            && is(self.family.as_ref(), family.as_ref())
            && is(self.verdict.as_ref(), Some(&message.verdict.as_str()))
            && is(self.source.as_ref(), Some(&message.source))
            && self.since.is_none_or(|since| message.received >= since)
            && self.until.is_none_or(|until| message.received < until)
            && (!self.asks_of_recipients() || message.recipients.iter().any(|r| self.wants_recipient(r)))
            && self.reason.is_none_or(|reason| {
                let stands = |r: &RecipientRecord| r.reason == Some(reason) && self.wants_recipient(r);
                message.verdict.reason() == Some(reason) || message.recipients.iter().any(stands)
            })
    }

    /// True if something is said of a recipient, besides the reason.
    #[must_use]
    pub const fn asks_of_recipients(&self) -> bool {
        self.receiver.is_some() || self.destination.is_some() || self.state.is_some()
    }

    fn wants_recipient(&self, recipient: &RecipientRecord) -> bool {
        (self.receiver.is_none() || self.receiver == recipient.receiver)
            && (self.destination.is_none() || self.destination == recipient.destination)
            && self.state.is_none_or(|state| state == recipient.state)
    }
}
