//! What a journal keeps of a recipient that changes, and how an event changes it.
//!
//! Both journals read a [`Standing`], let an event happen to it and write it back, so that they cannot
//! differ in what an event does. [`State::after`] alone says whether it may happen.

use crate::records;
use broker_core::journal::{Closing, Settlement};
use broker_core::lifecycle::{Event, State};
use dead_letter::Reason;
use jiff::{SignedDuration, Timestamp};

/// The part of a recipient that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Where it stands.
    pub(crate) state: State,
    /// Why, where there is a reason.
    pub(crate) reason: Option<Reason>,
    /// What the destination said last.
    pub(crate) detail: Option<String>,
    /// Attempts begun.
    pub(crate) tries: u32,
    /// An attempt may have arrived.
    pub(crate) maybe_arrived: bool,
    /// When it may be tried; kept for waiting and unsure ones alone.
    pub(crate) next_attempt: Option<Timestamp>,
    /// Until when a receipt must come.
    pub(crate) receipt_deadline: Option<Timestamp>,
    /// Until when it may wait.
    pub(crate) expires: Option<Timestamp>,
    /// When it was taken in, or replayed: from here its times run.
    pub(crate) since: Timestamp,
}

/// An event, with what is told about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// What happens.
    pub(crate) event: Event,
    /// Why.
    pub(crate) reason: Option<Reason>,
    /// In words, without content of the message.
    pub(crate) detail: Option<String>,
    /// When it may be tried again.
    pub(crate) next_attempt: Option<Timestamp>,
}

impl Change {
    /// An event of which nothing is told.
    pub(crate) const fn plain(event: Event) -> Self {
        Self { event, reason: None, detail: None, next_attempt: None }
    }

    /// What the event row says: the reason's code, then the words.
    pub(crate) fn told(&self) -> Option<String> {
        match (self.reason, &self.detail) {
            (Some(reason), Some(detail)) => Some(format!("{}: {detail}", reason.as_str())),
            (Some(reason), None) => Some(reason.as_str().to_owned()),
            (None, detail) => detail.clone(),
        }
    }
}

impl From<&Settlement> for Change {
    fn from(settlement: &Settlement) -> Self {
        Self {
            event: settlement.event,
            reason: settlement.reason,
            detail: settlement.detail.as_deref().map(records::bounded),
            next_attempt: settlement.next_attempt,
        }
    }
}

impl From<&Closing> for Change {
    fn from(closing: &Closing) -> Self {
        Self { reason: closing.reason, ..Self::plain(closing.event) }
    }
}

impl Standing {
    /// True when a delivery loop may claim it as soon as it is due and has its turn.
    pub(crate) const fn is_claimable(&self) -> bool {
        matches!(self.state, State::Waiting | State::Unsure)
    }

    /// Lets an event happen. False, and nothing changed, if it cannot happen here.
    pub(crate) fn happens(&mut self, change: &Change, now: Timestamp) -> bool {
        let Some(then) = self.state.after(change.event) else { return false };
        self.maybe_arrived |= self.state == State::Unsure || change.event == Event::LoseSight;
        self.state = then;
        self.reason = change.reason;
        // What was in its way before it was taken is history, and in the events.
        if change.detail.is_some() || change.event == Event::HandOver {
            self.detail.clone_from(&change.detail);
        }
        match change.event {
            Event::Claim => self.tries = self.tries.saturating_add(1),
            Event::Replay => {
                // A person begins anew: tries and times run from here, or it would expire again at once.
                let passed = now.duration_since(self.since).max(SignedDuration::ZERO);
                let later = |t: Timestamp| t.checked_add(passed).unwrap_or(Timestamp::MAX);
                self.tries = 0;
                self.since = now;
                self.expires = self.expires.map(later);
                self.receipt_deadline = self.receipt_deadline.map(later);
            }
            Event::HandOver
            | Event::Retry
            | Event::LoseSight
            | Event::Refuse
            | Event::Park
            | Event::Expire
            | Event::ReceiptOk
            | Event::ReceiptRejected
            | Event::Replace
            | Event::Discard => {}
        }
        self.next_attempt = self.is_claimable().then(|| change.next_attempt.unwrap_or(now));
        true
    }
}

/// The name of an event in the journal.
pub(crate) const fn event_name(event: Event) -> &'static str {
    match event {
        Event::Claim => "claim",
        Event::HandOver => "hand_over",
        Event::Retry => "retry",
        Event::LoseSight => "lose_sight",
        Event::Refuse => "refuse",
        Event::Park => "park",
        Event::Expire => "expire",
        Event::ReceiptOk => "receipt_ok",
        Event::ReceiptRejected => "receipt_rejected",
        Event::Replay => "replay",
        Event::Replace => "replace",
        Event::Discard => "discard",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(state: State) -> Standing {
        Standing {
            state,
            reason: None,
            detail: None,
            tries: 3,
            maybe_arrived: false,
            next_attempt: None,
            receipt_deadline: Some(at(100)),
            expires: Some(at(50)),
            since: at(0),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn names_are_those_of_the_serialised_events() {
        for event in Event::ALL {
            assert_eq!(serde_json::json!(event), event_name(event));
        }
    }

    #[test]
    fn what_cannot_happen_changes_nothing() {
        for state in State::ALL {
            for event in Event::ALL {
                let mut after = standing(state);
                let happened = after.happens(&Change::plain(event), at(60));
                assert_eq!(happened, state.after(event).is_some());
                assert_eq!(happened, after != standing(state), "{state} {event:?}");
            }
        }
    }

    #[test]
    fn a_replay_starts_tries_and_times_anew() {
        let mut expired = standing(State::Expired);
        assert!(expired.happens(&Change::plain(Event::Replay), at(60)));
        assert_eq!(
            (expired.tries, expired.expires, expired.receipt_deadline),
            (0, Some(at(110)), Some(at(160)))
        );
        assert_eq!(expired.next_attempt, Some(at(60)));
    }

    #[test]
    fn what_was_in_the_way_is_over_when_it_is_taken() {
        let mut one = standing(State::Sending);
        let failed = Change { detail: Some("no connection".to_owned()), ..Change::plain(Event::Retry) };
        assert!(one.happens(&failed, at(1)));
        assert!(one.happens(&Change::plain(Event::Claim), at(2)));
        assert_eq!(
            one.detail.as_deref(),
            Some("no connection"),
            "it is on its way, and nothing else was said"
        );
        assert!(one.happens(&Change::plain(Event::HandOver), at(3)));
        assert_eq!(one.detail, None);
    }

    #[test]
    fn a_doubt_stays_known_until_the_end() {
        let mut one = standing(State::Sending);
        assert!(one.happens(&Change::plain(Event::LoseSight), at(1)));
        assert!(one.happens(&Change::plain(Event::Claim), at(2)));
        assert!(one.happens(&Change::plain(Event::Retry), at(3)));
        assert!(one.maybe_arrived);
    }
}
