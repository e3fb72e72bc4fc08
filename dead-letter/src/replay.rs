//! Which parked deliveries go again, to where, and which do not and why.

use crate::reason::Reason;
use jiff::Timestamp;
use message_schemas::ids::{HerId, MessageId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// In which state a delivery lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParkedState {
    /// Put aside for a person.
    Parked,
    /// Rejected, by us or by its receiver, with a receipt.
    Rejected,
    /// Its time to live ended.
    Expired,
}

/// One message for one receiver that lies still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedRecord {
    /// The message.
    pub message: MessageId,
    /// Which receiver of it, from 0.
    pub receiver_index: u32,
    /// The receiver's HER-id, if it has one.
    pub receiver: Option<HerId>,
    /// Where it was to go, if that was decided.
    pub destination: Option<String>,
    /// In which state it lies.
    pub state: ParkedState,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: Timestamp,
}

/// Which records are meant; a field that is empty asks nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filter {
    /// These messages.
    pub messages: Vec<MessageId>,
    /// These reasons.
    pub reasons: Vec<Reason>,
    /// These destinations.
    pub destinations: Vec<String>,
    /// These receivers.
    pub receivers: Vec<HerId>,
    /// Lying since this instant or later.
    pub from: Option<Timestamp>,
    /// Lying since before this instant.
    pub to: Option<Timestamp>,
    /// At most so many, the longest waiting first.
    pub limit: Option<usize>,
    /// A person has looked at what needs a look, and says yes: conflicting content, unknown outcomes.
    pub confirmed: bool,
}

/// How a delivery goes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "again")]
pub enum Again {
    /// The same bytes under the same id, to the destination it was meant for.
    Deliver {
        /// The destination.
        destination: String,
    },
    /// It is judged and routed again by the parties, rules and settings of now.
    Decide,
    /// It is routed again, and the rule that held it lets it pass.
    Release,
}

/// A delivery that goes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The message.
    pub message: MessageId,
    /// Which receiver of it.
    pub receiver_index: u32,
    /// How it goes.
    pub again: Again,
}

/// Why a delivery does not go again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// It was rejected with a receipt; the sender must send a new message.
    Rejected,
    /// Another content came under the same id; somebody must look and confirm.
    ConflictNotConfirmed,
    /// The destination may have it; somebody must look and confirm.
    UnknownNotConfirmed,
    /// There is nothing in it to deliver.
    NothingToDeliver,
    /// It lies there since after `now`: the clock is wrong, and times cannot be trusted.
    FromTheFuture,
}

/// What a replay would do. Nothing is done by making the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReplayPlan {
    /// What goes again, the longest waiting first.
    pub go: Vec<Replay>,
    /// What was asked for but does not go, and why.
    pub refused: Vec<(ParkedRecord, Refusal)>,
    /// How many more matched, beyond the limit.
    pub beyond_limit: usize,
}

/// Plans which of the parked go again.
#[must_use]
pub fn plan_replay(parked: &[ParkedRecord], filter: &Filter, now: Timestamp) -> ReplayPlan {
    let mut matching: Vec<&ParkedRecord> = parked.iter().filter(|record| filter.matches(record)).collect();
    matching.sort_by_key(|record| (record.since, record.message, record.receiver_index));
    let mut plan = ReplayPlan::default();
    for record in matching {
        match again(record, filter.confirmed, now) {
            Ok(_) if filter.limit.is_some_and(|most| plan.go.len() >= most) => plan.beyond_limit += 1,
            Ok(again) => {
                plan.go.push(Replay { message: record.message, receiver_index: record.receiver_index, again })
            }
            Err(refusal) => plan.refused.push((record.clone(), refusal)),
        }
    }
    plan
}

fn again(record: &ParkedRecord, confirmed: bool, now: Timestamp) -> Result<Again, Refusal> {
    use Reason as R;
    //= HIS 80415:2012 §3.2
    //# A rejected message is not imported afterwards; a corrected message needs a new message id.
    match record.state {
        ParkedState::Rejected => return Err(Refusal::Rejected),
        ParkedState::Parked | ParkedState::Expired => {}
    }
    if record.since > now {
        return Err(Refusal::FromTheFuture);
    }
    let deliver = || {
        let destination = record.destination.clone();
        destination.map_or(Again::Decide, |destination| Again::Deliver { destination })
    };
    match record.reason {
        R::RefusedByDestination
        | R::AttemptsExhausted
        | R::TimeToLiveOver
        | R::DestinationDown
        | R::ReceiptDeadlinePassed => Ok(deliver()),
        R::OutcomeUnknown if confirmed => Ok(deliver()),
        R::OutcomeUnknown => Err(Refusal::UnknownNotConfirmed),
        R::ConflictingContent if confirmed => Ok(Again::Decide),
        R::ConflictingContent => Err(Refusal::ConflictNotConfirmed),
        R::HeldByRule => Ok(Again::Release),
        R::NoDestination
        | R::PartyCannotTake
        | R::PartyExpired
        | R::ReceiverNotFound
        | R::NoReturnAddress
        | R::TranslationFailed
        | R::UnknownFormat
        | R::SchemaInvalid
        | R::SenderUnreadable
        | R::NotForUs
        | R::StoreFull
        | R::ClockJumped
        | R::ReceiptWithoutOriginal
        | R::InternalFault => Ok(Again::Decide),
        R::NegativeReceipt | R::MessageIdInvalid | R::PatientNotIdentified | R::NotXml => {
            Err(Refusal::Rejected)
        }
        R::MissingBody | R::Duplicate | R::SecondReceipt | R::LedgerDifference | R::StoreNewer => {
            Err(Refusal::NothingToDeliver)
        }
    }
}

impl Filter {
    /// Whether a record is meant.
    #[must_use]
    pub fn matches(&self, record: &ParkedRecord) -> bool {
        fn asked<T: PartialEq>(list: &[T], value: Option<&T>) -> bool {
            list.is_empty() || value.is_some_and(|v| list.contains(v))
        }
        asked(&self.messages, Some(&record.message))
            && asked(&self.reasons, Some(&record.reason))
            && asked(&self.destinations, record.destination.as_ref())
            && asked(&self.receivers, record.receiver.as_ref())
            && self.from.is_none_or(|from| from <= record.since)
            && self.to.is_none_or(|to| record.since < to)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rejected => "rejected with a receipt; the sender must send a new message under a new id",
            Self::ConflictNotConfirmed => "other content came under the same id; look at both, then confirm",
            Self::UnknownNotConfirmed => "the destination may have it; ask there, then confirm",
            Self::NothingToDeliver => "there is nothing in it to deliver",
            Self::FromTheFuture => "it was parked later than now; set the clock right first",
        })
    }
}
