//! One table from fault to consequence: what the sender hears, what is kept, who is woken.
//!
//! An auditor can read this file alone. There is no catch-all: a new [`Fault`] does not compile until it has
//! its row here and its page in `dead-letter/reasons/`.
//!
//! The rule behind the table: what the sender can mend is refused, and the sender hears it by the code of
//! the standard; what is ours or unclear is parked, somebody here is told, and nobody is blamed.

use crate::policy::Policy;
use crate::transport::ErrorCondition;
use dead_letter::{Reason, Wake};
use jiff::Timestamp;
use message_schemas::apprec::ErrorCode;
use trust::Kind;

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
    /// Its protection: not there, not good, or not the sender's.
    Trust(Kind),
    /// For too long it could not be told whether its certificate is revoked.
    RevocationStillUnknown,
    /// The program failed on it.
    Internal,
    /// Its envelope lacks what the profile requires, or says what cannot be.
    EnvelopeInvalid,
    /// Its envelope does not say who sent it.
    EnvelopeSenderMissing,
    /// Its envelope names a receiver that it does not name itself.
    EnvelopeReceiverDiffers,
    /// A partner reports that it could not take a message of ours.
    ErrorReported,
    /// Somebody reports an error about something that we did not send to them.
    ErrorUnmatched,
    /// It is at fault, and its sender has been told of too many by now.
    ErrorWithheld,
    /// An answer for which nobody waits any more.
    ReplyLate,
    /// An answer to what is answered already.
    SecondReply,
    /// An answer that names no request of ours.
    ReplyUnasked,
    /// An answer from another than who was asked.
    ReplyFromStranger,
    /// Nobody answered a request in time.
    RequestUnanswered,
    /// Its queue has offered it more often than it should take.
    OfferedTooOften,
}

/// What is done with the recipient, or with the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kept {
    /// Refused for good: kept as a record, never imported afterwards (HIS 80415:2012 §3.2). Set aside instead where the
    /// sender does not hear of it.
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
    /// Whether it can be sent again from here once its cause is mended. What is refused cannot, but if nobody heard of it.
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

/// Nothing more becomes of it, and no receipt says so.
const fn ended(reason: Reason) -> Consequence {
    Consequence { heard: None, kept: Kept::Refused, reason, can_be_replayed: false }
}

const fn parked(reason: Reason) -> Consequence {
    Consequence { heard: None, kept: Kept::Parked, reason, can_be_replayed: true }
}

impl Fault {
    /// All faults but those of protection, which are [`Kind::ALL`].
    pub const ALL: [Self; 31] = [
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
        Self::RevocationStillUnknown,
        Self::Internal,
        Self::EnvelopeInvalid,
        Self::EnvelopeSenderMissing,
        Self::EnvelopeReceiverDiffers,
        Self::ErrorReported,
        Self::ErrorUnmatched,
        Self::ErrorWithheld,
        Self::ReplyLate,
        Self::SecondReply,
        Self::ReplyUnasked,
        Self::ReplyFromStranger,
        Self::RequestUnanswered,
        Self::OfferedTooOften,
    ];

    /// The fault of a protection fault of this kind; patience with the world's revocation services ends some day.
    #[must_use]
    pub fn of_trust(kind: Kind, received: Timestamp, policy: &Policy, now: Timestamp) -> Self {
        let until = policy.protection.revocation_patience.from(received);
        if kind == Kind::RevocationUnknown && until.is_none_or(|until| now >= until) {
            return Self::RevocationStillUnknown;
        }
        Self::Trust(kind)
    }

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
            Self::RevocationStillUnknown => parked(Reason::RevocationStillUnknown),
            Self::Trust(kind) => trust(kind),

            // By the transport, not by a receipt: see `told_by_transport`.
            Self::EnvelopeInvalid => ended(Reason::EnvelopeInvalid),
            //= HITS 1217:2018 §2.13
            //# E10 where the HER-id of the envelope is not that of the message.
            Self::EnvelopeReceiverDiffers => refused(ErrorCode::MessageId, Reason::EnvelopeReceiverDiffers),
            // Nobody to tell.
            Self::EnvelopeSenderMissing => parked(Reason::EnvelopeSenderMissing),
            Self::ErrorWithheld => parked(Reason::ErrorWithheld),
            // Never an error for an error.
            Self::ErrorReported => parked(Reason::ErrorReported),
            Self::ErrorUnmatched => parked(Reason::ErrorUnmatched),
            Self::ReplyLate => ended(Reason::ReplyLate),
            Self::SecondReply => ended(Reason::SecondReply),
            Self::ReplyUnasked => ended(Reason::ReplyUnasked),
            Self::ReplyFromStranger => ended(Reason::ReplyFromStranger),
            Self::RequestUnanswered => ended(Reason::RequestUnanswered),
            // It may be what brings us down; nobody is to blame but us.
            Self::OfferedTooOften => parked(Reason::OfferedTooOften),

            //= test sheet AppRec, case 13
            //# A second receipt for the same original: the first stands, the later is ignored.
            Self::SecondReceipt => ended(Reason::SecondReceipt),
        }
    }
}

/// The rows of protection.
const fn trust(kind: Kind) -> Consequence {
    use ErrorCode as E;
    match kind {
        // Not what was agreed: no code says it better than "other".
        Kind::NotSigned | Kind::NotSealed | Kind::AlgorithmNotAllowed | Kind::LimitExceeded => {
            refused(E::OtherSignature, Reason::ProtectionNotAgreed)
        }
        // The signature says nothing of this message, or not of all of it.
        Kind::SignatureInvalid | Kind::SignatureShape | Kind::SignatureAmbiguous | Kind::NotCovered => {
            refused(E::Signature, Reason::SignatureInvalid)
        }
        // The signature may hold, but its certificate may not sign for this sender now.
        Kind::SignerUnknown
        | Kind::CertificateUntrusted
        | Kind::CertificateExpired
        | Kind::CertificateNotYetValid
        | Kind::CertificateUsage
        | Kind::CertificatePolicy
        | Kind::CertificateMalformed
        | Kind::KeyWeak
        | Kind::OrganisationMismatch => refused(E::Certificate, Reason::CertificateNotAccepted),
        Kind::CertificateRevoked => refused(E::CertificateRevoked, Reason::CertificateRevoked),

        // Whoever is named as sender may not be who sent: no answer to them, and a person is told.
        Kind::SenderContradicts => parked(Reason::SenderContradicts),
        // Nobody can be read, so nobody is answered: there is nothing to learn from us, however often one asks.
        Kind::CmsMalformed | Kind::CannotOpen => parked(Reason::CannotOpen),

        // Ours, or the world's: the sender did nothing wrong and hears nothing of it.
        Kind::OwnKeyMissing => parked(Reason::OwnKeyMissing),
        Kind::RevocationUnknown => parked(Reason::RevocationUnknown),
        Kind::CannotSeal => parked(Reason::CannotSeal),
        Kind::EnginesDiffer => parked(Reason::EnginesDiffer),
    }
}

/// What the AMQP profile's error queue says of a fault (HITS 1216:2018 §2.6); none where nothing goes out: what is ours
/// stays with us, and that a revocation service is away is never told.
#[must_use]
pub const fn transport_error(kind: Kind) -> Option<ErrorCondition> {
    use ErrorCondition as E;
    match kind {
        Kind::NotSigned | Kind::NotSealed | Kind::CmsMalformed => Some(E::InvalidCms),
        // One text for every cause of a failed decryption.
        Kind::CannotOpen | Kind::OwnKeyMissing => Some(E::DecryptionFailed),
        Kind::AlgorithmNotAllowed => Some(E::UnsupportedMessage),
        Kind::SignatureInvalid | Kind::SignatureShape | Kind::SignatureAmbiguous | Kind::NotCovered => {
            Some(E::InvalidSignature)
        }
        Kind::SignerUnknown
        | Kind::CertificateUntrusted
        | Kind::CertificateUsage
        | Kind::CertificatePolicy
        | Kind::CertificateMalformed
        | Kind::KeyWeak
        | Kind::OrganisationMismatch => Some(E::InvalidCertificate),
        Kind::CertificateExpired | Kind::CertificateNotYetValid => Some(E::ExpiredCertificate),
        Kind::CertificateRevoked => Some(E::RevokedCertificate),
        Kind::SenderContradicts => Some(E::SpoofingAttack),
        Kind::LimitExceeded => Some(E::InvalidFieldValue),
        Kind::RevocationUnknown | Kind::CannotSeal | Kind::EnginesDiffer => None,
    }
}

/// What the sender hears by the transport where no receipt can say it: the envelope, the protection around the message, or
/// the message's own head is at fault. None for what is ours, and for what nobody may be answered on.
//= HITS 1216:2018 §2.2.3
//# Faults that are found before the message can be read go to the error queue, all others into the receipt.
#[must_use]
pub const fn told_by_transport(fault: Fault) -> Option<ErrorCondition> {
    use ErrorCondition as E;
    match fault {
        Fault::Trust(kind) => transport_error(kind),
        Fault::EnvelopeInvalid
        | Fault::EnvelopeReceiverDiffers
        | Fault::MissingBody
        | Fault::MessageIdInvalid
        | Fault::PatientNotIdentified
        | Fault::ReceiverNotFound
        | Fault::PartyExpired
        | Fault::NotForUs => Some(E::InvalidFieldValue),
        Fault::NotXml | Fault::SchemaInvalid | Fault::SenderUnreadable => Some(E::NotWellFormedXml),
        Fault::UnknownFormat | Fault::PartyCannotTake => Some(E::UnsupportedMessage),
        //= HITS 1216:2018 §2.4
        //# A request is answered, or its sender told that it is not.
        Fault::RequestUnanswered => Some(E::InternalError),
        Fault::ConflictingContent
        | Fault::NoDestination
        | Fault::Held
        | Fault::TranslationFailed
        | Fault::NoReturnAddress
        | Fault::SecondReceipt
        | Fault::RevocationStillUnknown
        | Fault::Internal
        | Fault::EnvelopeSenderMissing
        | Fault::ErrorReported
        | Fault::ErrorUnmatched
        | Fault::ErrorWithheld
        | Fault::ReplyLate
        | Fault::SecondReply
        | Fault::ReplyUnasked
        | Fault::ReplyFromStranger
        | Fault::OfferedTooOften => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().chain(Kind::ALL.map(Fault::Trust))
    }

    #[test]
    fn the_world_is_never_told_of_what_is_ours() {
        for kind in [Kind::RevocationUnknown, Kind::CannotSeal, Kind::EnginesDiffer] {
            assert_eq!(transport_error(kind), None, "{kind:?}");
        }
        // Which of the two it was would tell somebody which keys we have. What came out of a seal and is proven by
        // nothing is `CannotOpen` as well (`trust::open::open_discreetly`), whatever it is.
        assert_eq!(transport_error(Kind::CannotOpen), transport_error(Kind::OwnKeyMissing));
    }

    #[test]
    fn what_is_ours_never_blames_the_sender() {
        for fault in all() {
            let row = fault.consequence();
            let by_transport = matches!(fault, Fault::EnvelopeInvalid | Fault::RequestUnanswered)
                && told_by_transport(fault).is_some();
            let answer =
                [Fault::ReplyLate, Fault::SecondReply, Fault::ReplyUnasked, Fault::ReplyFromStranger];
            let nobody = fault == Fault::SecondReceipt || answer.contains(&fault) || by_transport;
            assert_eq!(row.heard.is_none(), row.kept == Kept::Parked || nobody, "{fault:?}");
        }
    }

    #[test]
    fn what_lies_still_is_told_to_somebody() {
        for fault in all() {
            let row = fault.consequence();
            if row.kept == Kept::Parked {
                assert!(row.wake() != Wake::Nobody, "{fault:?} parks a message and nobody is told");
                assert!(row.can_be_replayed, "{fault:?} parks a message that cannot go on");
            }
        }
    }

    #[test]
    fn every_row_has_its_page() {
        for fault in all() {
            let code = fault.consequence().reason.as_str();
            assert!(dead_letter::page(code).is_some(), "{code} has no page in dead-letter/reasons");
        }
    }
}
