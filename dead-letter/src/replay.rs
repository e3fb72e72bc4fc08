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
    /// The whole message is judged again from its bytes by the parties, rules and settings of now; or a person names where
    /// it goes as it is.
    Decide,
    /// The whole message is judged again from its bytes: opened, verified, validated, routed, sealed. Nothing else moves it.
    Judge,
    /// It is judged again, and the rule that held it lets it pass; or a person names where it goes as it is.
    Release,
    /// It goes as it is, to where the parties and rules of now send it.
    Route,
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

/// Whether what lies for this reason is judged again as a whole message, from its bytes.
#[must_use]
pub fn is_judged_again(reason: Reason) -> bool {
    matches!(by_reason(reason, None, true), Ok(Again::Decide | Again::Judge | Again::Release))
}

fn again(record: &ParkedRecord, confirmed: bool, now: Timestamp) -> Result<Again, Refusal> {
    //= HIS 80415:2012 §3.2
    //# A rejected message is not imported afterwards; a corrected message needs a new message id.
    match record.state {
        ParkedState::Rejected => return Err(Refusal::Rejected),
        ParkedState::Parked | ParkedState::Expired => {}
    }
    if record.since > now {
        return Err(Refusal::FromTheFuture);
    }
    by_reason(record.reason, record.destination.as_ref(), confirmed)
}

fn by_reason(reason: Reason, destination: Option<&String>, confirmed: bool) -> Result<Again, Refusal> {
    use Reason as R;
    let deliver = || destination.map_or(Again::Route, |known| Again::Deliver { destination: known.clone() });
    match reason {
        R::RefusedByDestination
        | R::AttemptsExhausted
        | R::TimeToLiveOver
        | R::DestinationDown
        | R::ReceiverAway
        | R::ReceiptDeadlinePassed
        // What the target is told is made anew, from what is known of the series then.
        | R::SeriesOtherPatient
        | R::SeriesNotItsOwner
        | R::SeriesClosed
        | R::DocumentNotSafe
        | R::SeriesUnlinked
        | R::NotPublishable
        | R::DatedAhead => Ok(deliver()),
        R::OutcomeUnknown if confirmed => Ok(deliver()),
        R::OutcomeUnknown => Err(Refusal::UnknownNotConfirmed),
        R::ConflictingContent if confirmed => Ok(Again::Decide),
        R::ConflictingContent => Err(Refusal::ConflictNotConfirmed),
        R::HeldByRule => Ok(Again::Release),
        R::StoreFull | R::ClockJumped | R::ReceiptWithoutOriginal => Ok(Again::Route),
        // Who is to have it was not known, nor who answers for it: judged anew, it is answered too.
        R::NoDestination
        | R::PartyCannotTake
        | R::PartyExpired
        | R::ReceiverNotFound
        | R::NoReturnAddress => Ok(Again::Decide),
        // What nobody here may see, nobody could read or make into what its receiver takes, is not for a person to send on.
        R::SenderUnreadable | R::NotForUs | R::TranslationFailed | R::InternalFault => Ok(Again::Judge),
        // Protection is judged anew, from the bytes as they came. Nothing of this may simply be sent on.
        R::CannotOpen
        | R::OwnKeyMissing
        | R::RevocationUnknown
        | R::RevocationStillUnknown
        | R::CannotSeal
        | R::EnginesDiffer
        | R::EnvelopeSenderMissing
        | R::ErrorWithheld
        | R::OfferedTooOften => Ok(Again::Judge),
        R::SenderContradicts if confirmed => Ok(Again::Judge),
        R::SenderContradicts => Err(Refusal::ConflictNotConfirmed),
        // What would have been refused, if anybody had heard of it.
        R::UnknownFormat
        | R::SchemaInvalid
        | R::MessageIdInvalid
        | R::PatientNotIdentified
        | R::NotXml
        | R::ProtectionNotAgreed
        | R::SignatureInvalid
        | R::CertificateNotAccepted
        | R::CertificateRevoked
        | R::EnvelopeReceiverDiffers => Ok(Again::Judge),
        R::NegativeReceipt | R::EnvelopeInvalid => Err(Refusal::Rejected),
        R::MissingBody
        | R::Duplicate
        | R::SecondReceipt
        | R::LedgerDifference
        | R::StoreNewer
        | R::StoreInUse
        | R::StoreDamaged
        | R::StoreAway
        | R::CertificateExpiring
        | R::OwnCertificateExpired
        | R::TestMode
        | R::PartyDeactivated
        | R::ErrorReported
        | R::ErrorUnmatched
        | R::ReplyLate
        | R::ReplyFromStranger
        | R::SecondReply
        | R::ReplyUnasked
        | R::RequestUnanswered
        | R::FormNotTaken => Err(Refusal::NothingToDeliver),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a time")
    }

    fn record(reason: Reason, since: i64) -> ParkedRecord {
        let id = format!("0192{since:04}-0000-7000-8000-000000000000");
        ParkedRecord {
            message: id.parse().expect("an id"),
            receiver_index: 0,
            receiver: Some(HerId(80103)),
            destination: Some("folder:hospital".into()),
            state: ParkedState::Parked,
            reason,
            since: at(since),
        }
    }

    fn plan_one(record: &ParkedRecord, confirmed: bool) -> Result<Again, Refusal> {
        let filter = Filter { confirmed, ..Filter::default() };
        let mut plan = plan_replay(std::slice::from_ref(record), &filter, at(100));
        match (plan.go.pop(), plan.refused.pop()) {
            (Some(replay), None) => Ok(replay.again),
            (None, Some((_, refusal))) => Err(refusal),
            both => panic!("exactly one of the two: {both:?}"),
        }
    }

    #[test]
    fn what_was_on_its_way_goes_to_the_same_destination() {
        let deliver = Again::Deliver { destination: "folder:hospital".into() };
        for reason in [Reason::RefusedByDestination, Reason::AttemptsExhausted, Reason::TimeToLiveOver] {
            assert_eq!(plan_one(&record(reason, 0), false), Ok(deliver.clone()), "{reason}");
        }
        let nowhere = ParkedRecord { destination: None, ..record(Reason::AttemptsExhausted, 0) };
        assert_eq!(plan_one(&nowhere, false), Ok(Again::Route));
    }

    #[test]
    fn what_lacked_a_setting_is_decided_anew_and_what_was_held_is_released() {
        for reason in [Reason::NoDestination, Reason::PartyExpired, Reason::PartyCannotTake] {
            assert_eq!(plan_one(&record(reason, 0), false), Ok(Again::Decide), "{reason}");
        }
        for reason in
            [Reason::NotForUs, Reason::SenderUnreadable, Reason::TranslationFailed, Reason::InternalFault]
        {
            assert_eq!(plan_one(&record(reason, 0), false), Ok(Again::Judge), "{reason}");
        }
        assert_eq!(plan_one(&record(Reason::HeldByRule, 0), false), Ok(Again::Release));
    }

    #[test]
    fn what_would_have_been_refused_is_judged_again_and_never_just_sent() {
        use Reason as R;
        for reason in [
            R::NotXml,
            R::UnknownFormat,
            R::SchemaInvalid,
            R::MessageIdInvalid,
            R::PatientNotIdentified,
            R::ProtectionNotAgreed,
            R::SignatureInvalid,
            R::CertificateNotAccepted,
            R::CertificateRevoked,
        ] {
            assert_eq!(plan_one(&record(reason, 0), false), Ok(Again::Judge), "{reason}");
        }
    }

    #[test]
    fn what_a_person_must_look_at_needs_a_yes() {
        let conflict = record(Reason::ConflictingContent, 0);
        assert_eq!(plan_one(&conflict, false), Err(Refusal::ConflictNotConfirmed));
        assert_eq!(plan_one(&conflict, true), Ok(Again::Decide));
        let unknown = record(Reason::OutcomeUnknown, 0);
        assert_eq!(plan_one(&unknown, false), Err(Refusal::UnknownNotConfirmed));
        assert!(plan_one(&unknown, true).is_ok());
    }

    #[test]
    fn what_was_rejected_never_goes_again_whatever_the_reason_and_whoever_says_yes() {
        for reason in Reason::ALL {
            let rejected = ParkedRecord { state: ParkedState::Rejected, ..record(*reason, 0) };
            assert_eq!(plan_one(&rejected, true), Err(Refusal::Rejected), "{reason}");
        }
    }

    #[test]
    fn expired_deliveries_may_go_when_asked_for() {
        let expired = ParkedRecord { state: ParkedState::Expired, ..record(Reason::TimeToLiveOver, 0) };
        assert!(plan_one(&expired, false).is_ok());
    }

    #[test]
    fn a_wrong_clock_stops_a_replay() {
        assert_eq!(plan_one(&record(Reason::AttemptsExhausted, 101), true), Err(Refusal::FromTheFuture));
    }

    #[test]
    fn filters_narrow_and_the_longest_waiting_go_first() {
        let elsewhere =
            ParkedRecord { destination: Some("http:lab".into()), ..record(Reason::AttemptsExhausted, 3) };
        let parked = [
            record(Reason::AttemptsExhausted, 9),
            record(Reason::NoDestination, 1),
            elsewhere,
            record(Reason::AttemptsExhausted, 5),
            record(Reason::OutcomeUnknown, 2),
        ];
        let plan = |filter: Filter| plan_replay(&parked, &filter, at(100));
        let times = |plan: &ReplayPlan| -> Vec<Timestamp> {
            let since = |id| parked.iter().find(|r| r.message == id).map(|r| r.since);
            plan.go.iter().filter_map(|replay| since(replay.message)).collect()
        };

        let all = plan(Filter::default());
        assert_eq!(times(&all), [at(1), at(3), at(5), at(9)]);
        assert_eq!(all.refused.len(), 1);

        let first = plan(Filter { limit: Some(2), ..Filter::default() });
        assert_eq!((times(&first), first.beyond_limit), (vec![at(1), at(3)], 2));

        let hospital = Filter {
            destinations: vec!["folder:hospital".into()],
            reasons: vec![Reason::AttemptsExhausted],
            ..Filter::default()
        };
        assert_eq!(times(&plan(hospital)), [at(5), at(9)]);

        let between = Filter { from: Some(at(3)), to: Some(at(9)), ..Filter::default() };
        assert_eq!(times(&plan(between)), [at(3), at(5)]);

        let nobody = Filter { receivers: vec![HerId(1)], ..Filter::default() };
        assert_eq!(plan(nobody), ReplayPlan::default());
    }

    #[test]
    fn every_record_is_accounted_for() {
        let parked: Vec<_> = Reason::ALL.iter().zip(0..).map(|(reason, at)| record(*reason, at)).collect();
        let plan = plan_replay(&parked, &Filter { limit: Some(7), ..Filter::default() }, at(100));
        assert_eq!(plan.go.len() + plan.refused.len() + plan.beyond_limit, parked.len());
        let seen: BTreeSet<_> =
            plan.go.iter().map(|r| r.message).chain(plan.refused.iter().map(|(r, _)| r.message)).collect();
        assert_eq!(seen.len(), plan.go.len() + plan.refused.len());
    }
}
