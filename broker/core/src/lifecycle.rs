//! The life of one recipient of one message, as a table.
//!
//! A *recipient* is one receiver × one destination × one form of the message: the unit that is delivered,
//! counted and answered for. Every recipient is in exactly one [`State`]; [`State::after`] is the only way
//! from one to the next, and the whole table, allowed and forbidden, is a golden file.
//!
//! ```text
//!                 ┌────────────── retry ──────────────┐
//!                 v                                   │
//!   (commit) → waiting → sending → handed over → receipted
//!                 │         │  ╲        ╲──────→ rejected
//!                 │         v   ╲→ rejected ╲──→ expired → receipted (a late receipt counts)
//!                 │      unsure → (sending again: same id, same bytes)
//!                 ├──→ parked (and back by replay; replaced when its message is judged again)
//!                 ├──→ expired (and back by replay)
//!                 └────── parked, expired → discarded (and back to parked)
//! ```
//!
//! Where there is room at its destination, a recipient is claimed by the commit that takes it in, and begins as sending.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a recipient stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Durable here, not yet with the destination; may have been tried.
    Waiting,
    /// Being sent right now.
    Sending,
    /// Sent, but nobody knows whether it arrived. Neither failed nor done: it is sent again with the same id
    /// and the same bytes.
    Unsure,
    /// The destination has it. Final unless a receipt is awaited.
    HandedOver,
    /// The receiver said yes. Final.
    Receipted,
    /// Refused: by us at intake, by the destination, or by the receiver's negative receipt. Final.
    Rejected,
    /// Set aside for a person, who replays or discards it.
    Parked,
    /// Time to live over, or no receipt within the deadline. A person is told; a late receipt still counts.
    Expired,
    /// It lay set aside, and its message was judged again: what that came to stands in its place. Final.
    Replaced,
    /// A person has looked, and nothing is to be done with it. A person may take that back; a late receipt still counts.
    Discarded,
}

/// What can happen to a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A delivery loop took it to send it.
    Claim,
    /// The destination has it.
    HandOver,
    /// It did not get there; it will be tried again.
    Retry,
    /// The connection broke after bytes were sent, or the process died while sending.
    LoseSight,
    /// The destination refuses it for good.
    Refuse,
    /// It is set aside, for a reason.
    Park,
    /// Its time to live, or the time for its receipt, is over.
    Expire,
    /// A positive receipt came.
    ReceiptOk,
    /// A negative receipt came.
    ReceiptRejected,
    /// A person sends it again.
    Replay,
    /// Its message was judged again.
    Replace,
    /// A person wants nothing done with it.
    Discard,
}

impl State {
    /// All states, in the order in which they are printed.
    pub const ALL: [Self; 10] = [
        Self::Waiting,
        Self::Sending,
        Self::Unsure,
        Self::HandedOver,
        Self::Receipted,
        Self::Rejected,
        Self::Parked,
        Self::Expired,
        Self::Replaced,
        Self::Discarded,
    ];

    /// The name in the ledger, the journal and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Unsure => "unsure",
            Self::HandedOver => "handed_over",
            Self::Receipted => "receipted",
            Self::Rejected => "rejected",
            Self::Parked => "parked",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::Discarded => "discarded",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }

    /// The state after an event; none if the event cannot happen here.
    #[must_use]
    pub const fn after(self, event: Event) -> Option<Self> {
        use Event as E;
        Some(match (self, event) {
            (Self::Waiting | Self::Unsure, E::Claim) => Self::Sending,
            (Self::Sending, E::HandOver) => Self::HandedOver,
            (Self::Sending, E::Retry) => Self::Waiting,
            (Self::Sending, E::LoseSight) => Self::Unsure,
            (Self::Sending, E::Refuse) => Self::Rejected,
            (Self::Waiting | Self::Sending | Self::Unsure | Self::Discarded, E::Park) => Self::Parked,
            (Self::Waiting | Self::Sending | Self::Unsure | Self::HandedOver, E::Expire) => Self::Expired,
            // A receipt proves arrival whatever we thought: it may overtake the destination's own answer.
            (
                Self::Waiting
                | Self::Sending
                | Self::Unsure
                | Self::HandedOver
                | Self::Parked
                | Self::Expired
                | Self::Discarded,
                E::ReceiptOk,
            ) => Self::Receipted,
            (
                Self::Waiting
                | Self::Sending
                | Self::Unsure
                | Self::HandedOver
                | Self::Parked
                | Self::Expired
                | Self::Discarded,
                E::ReceiptRejected,
            ) => Self::Rejected,
            (Self::Parked | Self::Expired, E::Replay) => Self::Waiting,
            (Self::Parked, E::Replace) => Self::Replaced,
            (Self::Parked | Self::Expired, E::Discard) => Self::Discarded,
            (
                Self::Waiting
                | Self::Sending
                | Self::Unsure
                | Self::HandedOver
                | Self::Receipted
                | Self::Rejected
                | Self::Parked
                | Self::Expired
                | Self::Replaced
                | Self::Discarded,
                E::Claim
                | E::HandOver
                | E::Retry
                | E::LoseSight
                | E::Refuse
                | E::Park
                | E::Expire
                | E::ReceiptOk
                | E::ReceiptRejected
                | E::Replay
                | E::Replace
                | E::Discard,
            ) => return None,
        })
    }

    /// True when the broker still owes this recipient work.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Sending | Self::Unsure)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Event {
    /// All events.
    pub const ALL: [Self; 12] = [
        Self::Claim,
        Self::HandOver,
        Self::Retry,
        Self::LoseSight,
        Self::Refuse,
        Self::Park,
        Self::Expire,
        Self::ReceiptOk,
        Self::ReceiptRejected,
        Self::Replay,
        Self::Replace,
        Self::Discard,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, allowed and forbidden. Renew with UPDATE_GOLDENS=1 and read the difference.
    #[test]
    fn the_table_is_the_golden_one() {
        let mut table = String::from("| state | event | then |\n|---|---|---|\n");
        for state in State::ALL {
            for event in Event::ALL {
                let then = state.after(event).map_or("(cannot happen)", State::as_str);
                table.push_str(&format!("| {state} | {event:?} | {then} |\n"));
            }
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lifecycle.md");
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(path, &table).expect("the golden file can be written");
        }
        let golden = std::fs::read_to_string(path).expect("the golden file is there");
        assert_eq!(table, golden, "the lifecycle changed: UPDATE_GOLDENS=1 renews {path}");
    }

    #[test]
    fn what_is_final_stays_so() {
        for state in [State::Receipted, State::Rejected, State::Replaced] {
            assert!(Event::ALL.into_iter().all(|e| state.after(e).is_none()), "{state} has a way out");
        }
    }

    #[test]
    fn names_read_back() {
        assert!(State::ALL.into_iter().all(|s| State::from_name(s.as_str()) == Some(s)));
    }
}
