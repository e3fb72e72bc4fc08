//! What a registry is told of documents: entries and the set that they are submitted in (document-sharing §7).
//!
//! Attributes are filled from the message and from the target's settings; nothing is looked up. The values are what
//! both ways to write them, MHD and XDS, have in common. For the national store they are already without the
//! characters that it refuses.

use crate::codes::Code;
use jiff::Timestamp;
use jiff::civil::Date;
use message_schemas::document::Format;
use message_schemas::time::{FhirDateTime, Stamp};
use std::fmt;
use uuid::Uuid;

/// An identifier and the OID of who gives it.
#[derive(Clone, PartialEq, Eq)]
pub struct Id {
    /// The value.
    pub value: String,
    /// The OID, without `urn:oid:`.
    pub authority: String,
}

/// A patient as metadata tells of one.
#[derive(Clone, PartialEq, Eq)]
pub struct Patient {
    /// The national id: patientId and sourcePatientId.
    pub id: Id,
    /// Names, as far as they are known.
    pub name: Option<Name>,
    /// Day of birth.
    pub born: Option<Date>,
    /// `M`, `F`, `O` or `U`.
    pub sex: Option<char>,
}

/// A person's name.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Name {
    /// Family name.
    pub family: String,
    /// Given names.
    pub given: String,
    /// Middle name.
    pub middle: String,
}

/// A person that wrote or approved.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// An id, where there is one.
    pub id: Option<Id>,
    /// Names.
    pub name: Name,
}

/// An organisation or a department of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Organisation {
    /// Its name; its id's value if it has none.
    pub name: String,
    /// An id, where there is one.
    pub id: Option<Id>,
}

/// Who wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Author {
    /// The person.
    pub person: Option<Person>,
    /// The organisation.
    pub organisation: Option<Organisation>,
    /// The department there.
    pub department: Option<Organisation>,
    /// As what.
    pub role: Option<Code>,
    /// The speciality.
    pub speciality: Option<Code>,
}

/// Something else that a document belongs to: its series, an order, a referral.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReferenceId {
    /// The id, with the OID of the sender's system: ids of two senders are never the same.
    pub id: Id,
    /// What kind of thing it names.
    pub kind: &'static str,
}

/// Kind of a [`ReferenceId`]: the series.
pub const ACCESSION: &str = "urn:ihe:iti:xds:2013:accession";
/// Kind of a [`ReferenceId`]: an order.
pub const ORDER: &str = "urn:ihe:iti:xds:2013:order";
/// Kind of a [`ReferenceId`]: a referral.
pub const REFERRAL: &str = "urn:ihe:iti:xds:2013:referral";

/// A document and what is said of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// What of the message it is.
    pub format: Format,
    /// Id of the entry.
    pub entry: Uuid,
    /// Id of the document.
    pub document: Uuid,
    /// Class.
    pub class: Code,
    /// Type; of the same letter as the class.
    pub kind: Code,
    /// The format's code.
    pub format_code: Code,
    /// How confidential: one code of version 3 first, then those of list 9603.
    pub confidentiality: Vec<Code>,
    /// Media type.
    pub media_type: String,
    /// Title, at most 128 characters, nothing of the patient.
    pub title: String,
    /// What is told of the message that the document comes from: a submission may hold documents of several.
    pub common: Common,
    /// SHA-1 of the bytes.
    pub sha1: [u8; 20],
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Entry {
    /// The hash as a registry writes it.
    #[must_use]
    pub fn hash_hex(&self) -> String {
        hex::encode(self.sha1)
    }

    /// The hash as FHIR writes it.
    #[must_use]
    pub fn hash_base64(&self) -> String {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(self.sha1)
    }

    /// How many bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }
}

/// What all documents of a message have in common.
#[derive(Clone, PartialEq, Eq)]
pub struct Common {
    /// Who it is about.
    pub patient: Patient,
    /// Who wrote.
    pub authors: Vec<Author>,
    /// Who approved.
    pub legal_authenticator: Option<Person>,
    /// When the message was made, as it says: creationTime.
    pub created: Stamp,
    /// When the care began and ended.
    pub service: (Option<Stamp>, Option<Stamp>),
    /// Language tag.
    pub language: String,
    /// Kind of institution.
    pub facility: Code,
    /// Practice setting.
    pub practice: Code,
    /// Procedures that were done.
    pub events: Vec<Code>,
    /// What else the documents belong to.
    pub references: Vec<ReferenceId>,
    /// The community: an OID.
    pub home_community: String,
    /// The repository: an OID.
    pub repository: Option<String>,
    /// Marked as a test.
    pub test: bool,
}

/// The set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubmissionSet {
    /// Id of the set; its unique id is this as an OID.
    pub id: Uuid,
    /// The OID of the system that the message came from.
    pub source: String,
    /// When it is submitted.
    pub submitted: Timestamp,
    /// What it holds: the type code.
    pub content: Code,
    /// Whom it is meant for, where the target wants to know.
    pub recipients: Vec<Organisation>,
}

/// How one entry stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// It takes the other's place.
    Replaces,
    /// It says the same in another form.
    Transforms,
    /// It adds to the other.
    Appends,
}

impl Link {
    /// As ebRIM names it.
    #[must_use]
    pub const fn association(self) -> &'static str {
        match self {
            Self::Replaces => "urn:ihe:iti:2007:AssociationType:RPLC",
            Self::Transforms => "urn:ihe:iti:2007:AssociationType:XFRM",
            Self::Appends => "urn:ihe:iti:2007:AssociationType:APND",
        }
    }

    /// As FHIR names it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Replaces => "replaces",
            Self::Transforms => "transforms",
            Self::Appends => "appends",
        }
    }
}

/// A UUID as an OID (`2.25.` and the decimal number).
//= ITU-T X.667
#[must_use]
pub fn as_oid(uuid: Uuid) -> String {
    format!("2.25.{}", uuid.as_u128())
}

/// A point in time as a registry writes it: UTC, to the second.
#[must_use]
pub fn dtm(at: Timestamp) -> String {
    at.strftime("%Y%m%d%H%M%S").to_string()
}

/// A point in time as FHIR writes it: UTC, to the second.
#[must_use]
pub fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time of the message as FHIR writes it: in UTC, since the national store does not convert it; less than a full
/// time as it is.
#[must_use]
pub fn date_time(stamp: &Stamp) -> String {
    stamp.instant().map_or_else(|| FhirDateTime(*stamp).to_string(), instant)
}

impl fmt::Debug for Id {
    /// The authority only: ids of patients are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.authority)
    }
}

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patient")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name")
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person")
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("entry", &self.entry)
            .field("format", &self.format)
            .field("media_type", &self.media_type)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Common").field("home_community", &self.home_community).finish_non_exhaustive()
    }
}
