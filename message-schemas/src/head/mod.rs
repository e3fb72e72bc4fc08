//! The head of a message: who, to whom, about whom, what and when; one type for every family.
//!
//! Fields hold what the sender wrote, trimmed but never corrected; the tables of kith-messages §3 say
//! where each stands. Names and personal ids redact themselves in `Debug`.

mod fields;
mod function;
mod layout;
mod marks;
mod party;
mod person_id;
mod reader;
mod salvage;
mod sketch;

pub use person_id::check as check_person_id;
pub use reader::{Addressing, Fault, Field, HeadReader, Mark, ReadError, Settings, read};
pub use salvage::salvage;

use crate::family::MessageKind;
use crate::ids::{HerId, Ident, MsgId, Private};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The head of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageHead {
    /// Family and version, by namespace.
    pub kind: MessageKind,
    /// The namespace that told it: of the payload under MsgHead, else of the document element.
    pub namespace: String,
    /// True when the message travels under MsgHead.
    pub under_msg_head: bool,
    /// The type code as sent (`MsgInfo/Type`, `Message/Type`, `AppRec/MsgType`).
    pub type_code: Option<String>,
    /// The code of list 8279 that it stands for (kith-messages §1.4); none where no mapping is safe.
    pub function: Option<String>,
    /// The message id; none if missing or empty.
    pub msg_id: Option<MsgId>,
    /// When the message was made.
    pub generated: Option<Generated>,
    /// Marked as not for real: Status TEST or NAPR, ProcessingStatus D or T.
    pub test: bool,
    /// Marked with a code of no list, or in words alone: nobody can tell whether it is for real. It is routed as if it were, and
    /// never published as a record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mark_unclear: bool,
    /// The id that all versions of one document share, unique per sender.
    pub document_id: Option<String>,
    /// New, change, cancel …; none where the family has none.
    pub service_type: Option<ServiceType>,
    /// Preliminary, final … (list 7306), as sent.
    pub report_status: Option<String>,
    /// Content kind as sent (`MsgDescr/@V`), e.g. the laboratory discipline.
    pub content_kind: Option<String>,
    /// Who sends.
    pub sender: Option<Party>,
    /// To whom, the primary receiver first.
    pub receivers: Vec<Receiver>,
    /// About whom.
    pub patient: Option<Patient>,
    /// The report is about an animal or a material, not a person.
    pub not_a_person: bool,
    /// What it refers to.
    pub links: Links,
    /// Urgency as sent, by the family's own list (8304, 8306, 7303, 8115).
    pub urgency: Option<String>,
    /// An emergency (øyeblikkelig hjelp): accepted even with an unidentified patient.
    pub emergency: bool,
    /// What came along, without its bytes.
    pub attachments: Vec<Attachment>,
    /// How many bodies a head-less message holds (a 1.3 report may hold several; 0 is refused).
    pub bodies: usize,
    /// For an incoming receipt: what it says.
    pub receipt: Option<ReceiptHead>,
}

/// When a message was made: as written, and as an instant where that can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// As sent.
    pub text: String,
    /// As an instant; a missing zone is Oslo time, a missing time of day the start of the day.
    pub instant: Option<Timestamp>,
}

/// What a message does to earlier ones with the same document id (Tjenestetype, list 7309).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceType {
    /// N.
    New,
    /// M; E is read too.
    Change,
    /// C.
    Cancel,
    /// A.
    Addition,
    /// H.
    History,
    /// O, X and codes to come.
    Other,
}

impl ServiceType {
    /// From the code as sent.
    #[must_use]
    pub fn from_code(code: &str) -> Self {
        match code {
            "N" => Self::New,
            "M" | "E" => Self::Change,
            "C" => Self::Cancel,
            "A" => Self::Addition,
            "H" => Self::History,
            _ => Self::Other,
        }
    }
}

/// A communication party: an enterprise, and below it the service or person that messages go to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Party {
    /// Level 1: the enterprise (virksomhet).
    pub enterprise: Unit,
    /// Level 2: the communication party that is routed on.
    pub service: Option<Service>,
    /// Postal address, for a receipt's mirror only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

/// A postal address as sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Address {
    /// `Type/@V` (list 3401).
    pub kind: Option<String>,
    /// `StreetAdr`.
    pub street: Option<Private>,
    /// `PostalCode`.
    pub postal_code: Option<Private>,
    /// `City`.
    pub city: Option<Private>,
}

impl Party {
    /// HER-id of level 1.
    #[must_use]
    pub fn enterprise_her_id(&self) -> Option<HerId> {
        self.enterprise.her_id()
    }

    /// HER-id of level 2: the one to route on.
    #[must_use]
    pub fn her_id(&self) -> Option<HerId> {
        self.service.as_ref().and_then(|s| s.unit().her_id())
    }

    /// The HER-id that stands for it where one must do: that of level 2, else that of level 1.
    #[must_use]
    pub fn any_her_id(&self) -> Option<HerId> {
        self.her_id().or_else(|| self.enterprise_her_id())
    }
}

/// Level 2 of a party: a service of the enterprise, or a person in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// A department or service (tjenestetype).
    Department(Unit),
    /// A health professional as communication party.
    Person(Unit),
}

impl Service {
    /// Name and ids.
    #[must_use]
    pub const fn unit(&self) -> &Unit {
        match self {
            Self::Department(unit) | Self::Person(unit) => unit,
        }
    }
}

/// A name with its identifiers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unit {
    /// As sent; for a person `Given Family`.
    pub name: Option<Private>,
    /// All identifiers, in the order sent.
    pub idents: Vec<Ident>,
}

impl Unit {
    /// The first HER-id that is a number, by kind and not by position.
    #[must_use]
    pub fn her_id(&self) -> Option<HerId> {
        self.idents.iter().filter(|i| i.kind == "HER").find_map(|i| i.value.parse().ok())
    }

    /// The first identifier of this kind.
    #[must_use]
    pub fn ident(&self, kind: &str) -> Option<&Ident> {
        self.idents.iter().find(|i| i.kind == kind)
    }
}

/// One of those the message is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// In which role.
    pub role: Role,
    /// Who.
    pub party: Party,
}

/// Role of a receiver (list 8112).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// PRIM.
    Primary,
    /// COP: a copy receiver.
    Copy,
    /// FR or OR: named, but not addressed; no delivery, no receipt.
    Mentioned,
}

/// The patient, as far as routing and receipts need.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Patient {
    /// All identifiers, the national one first.
    pub idents: Vec<Ident>,
    /// What the check digits of the national one say.
    pub checksum: Option<Checksum>,
    /// As sent, or `Family, Given` from parts.
    pub name: Option<Private>,
    /// As sent.
    pub born: Option<Private>,
    /// Code of list 3101, as sent.
    pub sex: Option<String>,
}

/// What the check digits of a national identity number say (HIS 1001:2010 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// Both check digits hold, and the number lies in the range of its kind.
    Holds,
    /// Check digits hold, but the date or range is not one of its kind (test populations shift the month).
    OutOfRange,
    /// A check digit fails, or the text is not eleven digits.
    Fails,
    /// The kind has no check digits.
    NotApplicable,
}

/// What a message refers to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Links {
    /// `ConversationRef/RefToParent`: the previous message.
    pub parent: Option<MsgId>,
    /// `ConversationRef/RefToConversation`: the first message.
    pub conversation: Option<MsgId>,
    /// Ids of the requests that this answers (`ServReq/Id`).
    pub requests: Vec<String>,
}

/// What came along with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// `MimeType`, if sent.
    pub mime_type: Option<String>,
    /// Size of the base64 text, in bytes; 0 for a reference.
    pub encoded_bytes: usize,
    /// `A` inline, `REF` by reference, `XML` a further document.
    pub reference: String,
}

/// What an incoming receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptHead {
    /// Positive, rejected, or accepted with errors in parts.
    pub status: ReceiptStatus,
    /// The codes of its errors, in order.
    pub errors: Vec<ReceiptError>,
    /// `OriginalMsgId/Id`: a message id, or by the 1.0 rule a document id.
    pub original_id: Option<MsgId>,
    /// `OriginalMsgId/MsgType/@V`.
    pub original_type: Option<String>,
    /// `OriginalMsgId/IssueDate`, as sent.
    pub original_issue_date: Option<String>,
}

/// Status of a receipt (list 8258).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptStatus {
    /// 1.
    Ok,
    /// 2.
    Rejected,
    /// 3: accepted, errors in parts (claims only).
    OkWithErrors,
}

/// One error of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptError {
    /// `@V`.
    pub code: String,
    /// `@S`, the code list.
    pub system: Option<String>,
    /// `@DN`.
    pub display: Option<String>,
    /// `@OT`; written by people, so private.
    pub text: Option<Private>,
}
