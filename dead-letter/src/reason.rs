//! Every reason for which a message, or its delivery to one receiver, stops on the way.
//!
//! **Invariant:** codes are never renumbered or used again, and each has its page in `reasons/<CODE>.md`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Who must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wake {
    /// It is on record, and that is enough.
    Nobody,
    /// Somebody, in working hours.
    Day,
    /// Somebody, now: a message that a patient may depend on lies still, or the broker is in danger.
    Night,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $wake:ident, $title:literal;)+) => {
        /// Why a message, or its delivery to one receiver, was refused, parked, rejected or expired, or why
        /// somebody is told.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[doc = $doc])+ #[serde(rename = $code)] $variant,)+
        }

        impl Reason {
            /// All reasons there are, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as printed and stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// What happened, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// Who must know.
            #[must_use]
            pub const fn wake(self) -> Wake {
                match self { $(Self::$variant => Wake::$wake,)+ }
            }

            /// The reason with this code.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// The bytes are no XML, but a sender could be read (T01).
    NotXml = "P01", Day, "not XML";
    /// No family or version that we know (T10).
    UnknownFormat = "P02", Day, "format not supported";
    /// Against its schema, and policy refuses that (T02).
    SchemaInvalid = "P03", Day, "against its schema";
    /// The message id is no UUID (E10).
    MessageIdInvalid = "P04", Day, "message id is not a UUID";
    /// A receiver's HER-id is missing or unknown here (E21).
    ReceiverNotFound = "P05", Day, "receiver not found";
    /// The patient is not sufficiently identified (E36).
    PatientNotIdentified = "P06", Day, "patient not identified";
    /// Nothing to address it with, or nothing in it.
    MissingBody = "P07", Day, "no body";
    /// The sender cannot be read, so nobody can be answered.
    SenderUnreadable = "P08", Day, "sender unreadable";
    /// No receiver in it is ours; silence.
    NotForUs = "P09", Day, "not for us";
    /// Came before, from the same sender, to the same receiver, with the same bytes.
    Duplicate = "P10", Nobody, "duplicate";
    /// Came before under the same id with other content.
    ConflictingContent = "P11", Day, "same id, other content";
    /// The party is known, but no destination is set for it.
    NoDestination = "P12", Night, "no destination for a known party";
    /// The party does not take this family, version or form.
    PartyCannotTake = "P13", Day, "party cannot take it";
    /// The party does not take part at this time.
    PartyExpired = "P14", Day, "party outside its validity";
    /// A rule holds it for a person to look at.
    HeldByRule = "P15", Day, "held by a rule";
    /// There is no way to send our receipt back.
    NoReturnAddress = "P16", Day, "no return address for the receipt";
    /// It could not be translated into a shared document.
    TranslationFailed = "P17", Day, "translation failed";
    /// The destination took the request and said no for good.
    RefusedByDestination = "P18", Night, "refused by the destination";
    /// All attempts failed.
    AttemptsExhausted = "P19", Night, "attempts exhausted";
    /// Attempts or time ran out while it was not known whether the last one arrived.
    OutcomeUnknown = "P20", Night, "outcome unknown";
    /// Its time to live ended before it could be delivered.
    TimeToLiveOver = "P21", Night, "time to live over";
    /// No receipt came within its deadline.
    ReceiptDeadlinePassed = "P22", Day, "no receipt in time";
    /// The receiver rejected it with a receipt.
    NegativeReceipt = "P23", Day, "rejected by the receiver";
    /// A further receipt for a message that is already receipted; the first stands.
    SecondReceipt = "P24", Nobody, "second receipt";
    /// A receipt for a message that we do not know.
    ReceiptWithoutOriginal = "P25", Day, "receipt without original";
    /// There is no room to store; intake stands still.
    StoreFull = "P26", Night, "store full";
    /// The wall clock jumped.
    ClockJumped = "P27", Night, "clock jumped";
    /// A destination fails again and again; its deliveries wait.
    DestinationDown = "P28", Night, "destination down";
    /// The ledger does not add up.
    LedgerDifference = "P29", Night, "ledger difference";
    /// The store was written by a newer program.
    StoreNewer = "P30", Night, "store newer than the program";
    /// The program failed on this message; the message is kept and nobody is blamed.
    InternalFault = "P31", Night, "internal fault";
    /// Another process runs with the store.
    StoreInUse = "P32", Night, "store in use";
    /// The store holds what cannot be, or is no store at all.
    StoreDamaged = "P33", Night, "store damaged";
    /// Not signed or sealed as agreed, or in a way that is not allowed here (S99).
    ProtectionNotAgreed = "P34", Day, "not protected as agreed";
    /// The signature does not hold, or does not cover the message (S01).
    SignatureInvalid = "P35", Day, "signature does not hold";
    /// The certificate is not one that may sign for this sender now (S02).
    CertificateNotAccepted = "P36", Day, "certificate not accepted";
    /// The certificate is revoked (S03).
    CertificateRevoked = "P37", Day, "certificate revoked";
    /// It is no CMS that we read, or it cannot be decrypted; nobody can be answered.
    CannotOpen = "P38", Day, "cannot be opened";
    /// It is sealed for a key that we do not have.
    OwnKeyMissing = "P39", Night, "sealed for a key that is not here";
    /// Whether its certificate is revoked cannot be told yet; it is judged again by itself.
    RevocationUnknown = "P40", Day, "revocation not known yet";
    /// Whether its certificate is revoked could not be told for too long.
    RevocationStillUnknown = "P41", Night, "revocation not known for too long";
    /// Transport, signature and payload name different senders.
    SenderContradicts = "P42", Day, "senders contradict each other";
    /// It cannot be signed or sealed for its receiver, and does not leave without.
    CannotSeal = "P43", Night, "cannot be sealed for its receiver";
    /// Two signature engines came to different results.
    EnginesDiffer = "P44", Night, "signature engines differ";
    /// A certificate, our own or a partner's, expires soon.
    CertificateExpiring = "P45", Day, "certificate expires soon";
    /// A certificate of our own has expired.
    OwnCertificateExpired = "P46", Night, "own certificate expired";
    /// Test mode is on: what cannot be told of revocation is let pass.
    TestMode = "P47", Day, "test mode is on";
    /// The address registry says that a party takes no part any more, and our files still count on it.
    PartyDeactivated = "P48", Day, "party deactivated in the address registry";
    /// Its envelope lacks what the profile requires; its sender is told on the error queue.
    EnvelopeInvalid = "P49", Day, "envelope not valid";
    /// Its envelope does not say who sent it, so nobody can be told.
    EnvelopeSenderMissing = "P50", Day, "envelope names no sender";
    /// Its envelope and the message name different receivers (E10).
    EnvelopeReceiverDiffers = "P51", Day, "envelope names another receiver";
    /// A partner reports on our error queue that it could not take a message.
    ErrorReported = "P52", Day, "transport error reported";
    /// An error came that is about nothing that we sent to its sender.
    ErrorUnmatched = "P53", Day, "transport error about nothing of ours";
    /// At fault, and its sender has been told of as many as it is told of in an hour.
    ErrorWithheld = "P54", Day, "transport error withheld";
    /// An answer came after its deadline.
    ReplyLate = "P55", Nobody, "answer too late";
    /// An answer came from another than the one who was asked.
    ReplyFromStranger = "P56", Day, "answer from a stranger";
    /// Nobody answered a request in time; its sender is told on the error queue.
    RequestUnanswered = "P57", Day, "request not answered in time";
    /// Its queue has offered it again and again, and nobody has taken it: it may be what brings us down.
    OfferedTooOften = "P58", Night, "offered too often";
    /// A version of a document that is known as another patient's.
    SeriesOtherPatient = "P59", Day, "series is of another patient";
    /// It cancels the document of another sender.
    SeriesNotItsOwner = "P60", Day, "cancelled by another than its owner";
    /// A version that was made after its document was cancelled.
    SeriesClosed = "P61", Day, "made after the document was cancelled";
    /// A change of a document that is published, and it cannot be told safely whose it is.
    DocumentNotSafe = "P62", Day, "change is not safe to publish";
    /// It changes or cancels a document and does not say which.
    SeriesUnlinked = "P63", Day, "does not say what it changes";
    /// What is published may not be, or cannot be, made for this target.
    NotPublishable = "P64", Day, "cannot be published to the target";
    /// A version that says that it was made well after it came.
    DatedAhead = "P65", Day, "dated in the future";
    /// A target does not take a form of a new version, and the form that stood there is gone.
    FormNotTaken = "P66", Day, "form of a new version not taken";
    /// The queue of one receiver takes nothing, while its destination lives; what is for it waits.
    ReceiverAway = "P67", Night, "a receiver's queue takes nothing";
    /// The journal has not answered for half a minute; intake stands still.
    StoreAway = "P68", Night, "store away";
    /// A further answer to a request that is answered already; the first stands.
    SecondReply = "P69", Nobody, "second answer";
    /// An answer names no request of ours.
    ReplyUnasked = "P70", Day, "answer to no request";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
