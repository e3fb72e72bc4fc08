//! One table from fault to consequence: what the sender hears, what is kept, who is woken.
//!
//! An auditor can read this file alone. There is no catch-all: a new [`Fault`] does not compile until it has
//! its row here and its page in `dead-letter/reasons/`.
//!
//! The rule behind the table: what the sender can mend is refused, and the sender hears it by the code of
//! the standard; what is ours or unclear is parked, somebody here is told, and nobody is blamed.

use dead_letter::{Reason, Wake};
use message_schemas::apprec::ErrorCode;

/// Everything that can be wrong with a message, or with its way to one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The bytes are no XML, or break a limit.
    NotXml,
    /// No family or version that we know.
    UnknownFormat,
    /// Against its schema, and policy refuses that.
    SchemaInvalid,
    /// The message id is missing or no UUID.
    MessageIdInvalid,
    /// The patient is not sufficiently identified.
    PatientNotIdentified,
    /// Nothing in it, or nothing to address it with.
    MissingBody,
    /// The sender cannot be read.
    SenderUnreadable,
    /// A receiver is missing or unknown here, while others are ours.
    ReceiverNotFound,
    /// No receiver at all is ours.
    NotForUs,
    /// The same id came before with other content.
    ConflictingContent,
    /// The receiver is known and takes no message of this family, version or form.
    PartyCannotTake,
    /// The receiver is known, but does not take part at this time.
    PartyExpired,
    /// The receiver is known, but has no destination.
    NoDestination,
    /// A rule or the policy on test messages holds it.
    Held,
    /// It could not be translated into the form that the receiver takes.
    TranslationFailed,
    /// There is no way to send our receipt back.
    NoReturnAddress,
    /// A receipt for something that is receipted already, or that we answered ourselves.
    SecondReceipt,
    /// The program failed on it.
    Internal,
}

/// What is done with the recipient, or with the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kept {
    /// Refused for good: kept as a record, never imported afterwards (HIS 80415:2012 §3.2).
    Refused,
    /// Set aside, to be replayed or discarded by a person.
    Parked,
}

/// What follows from a fault.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Consequence {
    /// The code of the negative receipt; none where the sender hears nothing.
    pub heard: Option<ErrorCode>,
    /// What is done with it.
    pub kept: Kept,
    /// Under which reason.
    pub reason: Reason,
    /// Whether it can be sent again from here once its cause is mended.
    pub can_be_replayed: bool,
}

impl Consequence {
    /// Who is told.
    #[must_use]
    pub const fn wake(&self) -> Wake {
        self.reason.wake()
    }
}

const fn refused(heard: ErrorCode, reason: Reason) -> Consequence {
    Consequence { heard: Some(heard), kept: Kept::Refused, reason, can_be_replayed: false }
}

const fn parked(reason: Reason) -> Consequence {
    Consequence { heard: None, kept: Kept::Parked, reason, can_be_replayed: true }
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 18] = [
        Self::NotXml,
        Self::UnknownFormat,
        Self::SchemaInvalid,
        Self::MessageIdInvalid,
        Self::PatientNotIdentified,
        Self::MissingBody,
        Self::SenderUnreadable,
        Self::ReceiverNotFound,
        Self::NotForUs,
        Self::ConflictingContent,
        Self::PartyCannotTake,
        Self::PartyExpired,
        Self::NoDestination,
        Self::Held,
        Self::TranslationFailed,
        Self::NoReturnAddress,
        Self::SecondReceipt,
        Self::Internal,
    ];

    /// The row of the table.
    #[must_use]
    pub const fn consequence(self) -> Consequence {
        match self {
            // The sender's to mend; HIS 80415:2012 §3.3 names the code.
            Self::NotXml => refused(ErrorCode::NotXml, Reason::NotXml),
            Self::UnknownFormat => refused(ErrorCode::UnsupportedFormat, Reason::UnknownFormat),
            Self::SchemaInvalid => refused(ErrorCode::NotValid, Reason::SchemaInvalid),
            Self::MessageIdInvalid => refused(ErrorCode::MessageId, Reason::MessageIdInvalid),
            Self::PatientNotIdentified => {
                refused(ErrorCode::PatientInsufficient, Reason::PatientNotIdentified)
            }
            Self::ReceiverNotFound => refused(ErrorCode::ReceiverNotFound, Reason::ReceiverNotFound),
            Self::PartyExpired => refused(ErrorCode::ReceiverNotFound, Reason::PartyExpired),
            Self::PartyCannotTake => refused(ErrorCode::UnsupportedFormat, Reason::PartyCannotTake),
            // Schema-valid in two families, yet nothing to import; no code says it better than "other".
            Self::MissingBody => refused(ErrorCode::OtherFormat, Reason::MissingBody),

            // Nobody to answer, or no right to: kept, silent, and a person is told.
            Self::SenderUnreadable => parked(Reason::SenderUnreadable),
            Self::NotForUs => parked(Reason::NotForUs),
            // An incident, not a duplicate: which of the two is true cannot be told from here.
            Self::ConflictingContent => parked(Reason::ConflictingContent),

            // Ours to mend: the sender did nothing wrong and hears nothing of it.
            Self::NoDestination => parked(Reason::NoDestination),
            Self::Held => parked(Reason::HeldByRule),
            Self::TranslationFailed => parked(Reason::TranslationFailed),
            Self::NoReturnAddress => parked(Reason::NoReturnAddress),
            Self::Internal => parked(Reason::InternalFault),

            //= test sheet AppRec, case 13
            //# A second receipt for the same original: the first stands, the later is ignored.
            Self::SecondReceipt => Consequence {
                heard: None,
                kept: Kept::Refused,
                reason: Reason::SecondReceipt,
                can_be_replayed: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_never_blames_the_sender() {
        for fault in Fault::ALL {
            let row = fault.consequence();
            assert_eq!(
                row.heard.is_none(),
                row.kept == Kept::Parked || fault == Fault::SecondReceipt,
                "{fault:?}"
            );
        }
    }

    #[test]
    fn what_lies_still_is_told_to_somebody() {
        for fault in Fault::ALL {
            let row = fault.consequence();
            if row.kept == Kept::Parked {
                assert!(row.wake() != Wake::Nobody, "{fault:?} parks a message and nobody is told");
                assert!(row.can_be_replayed, "{fault:?} parks a message that cannot go on");
            }
        }
    }

    #[test]
    fn every_row_has_its_page() {
        for fault in Fault::ALL {
            let code = fault.consequence().reason.as_str();
            assert!(dead_letter::page(code).is_some(), "{code} has no page in dead-letter/reasons");
        }
    }
}
