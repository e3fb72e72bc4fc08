//! What the metadata of a document (XDS, MHD) are made of: read from the message, nothing looked up, nothing
//! configured.
//!
//! Each family says who its author is (document-sharing §7.4); the shape is the same for all. Ids are bare
//! values with the OID of their system, codes have the system that they have in the FHIR document.
//! Everything here is personal: `Debug` tells how much there is, never what.

use super::names::Name;
use super::parties::{Party, Unit};
use super::values::Code;
use super::{Mode, codes, identifiers};
use crate::family::Family;
use crate::time::Stamp;
use crate::xml::{Node, having, trim};
use foldhash::HashSet;
use jiff::civil::Date;
use std::fmt;

/// Health worker number: the only id of a person that metadata carry (document-sharing §7.4).
const HPR: &str = "2.16.578.1.12.4.1.4.4";

/// What a document's metadata are made of.
#[derive(Clone, PartialEq, Eq)]
pub struct Described {
    /// The family.
    pub family: Family,
    /// Namespace of the payload: the format of the KITH XML.
    pub namespace: String,
    /// Id of the series as sent, trimmed.
    pub series_id: Option<String>,
    /// Ids of the orders or referrals that the document answers; of a referral its own.
    pub orders: Vec<String>,
    /// Whom it is about, if that is a person.
    pub patient: Option<DescribedPatient>,
    /// Who wrote it; where nobody is named, the sending organisation.
    pub authors: Vec<Author>,
    /// Who vouches for it.
    pub legal_authenticator: Option<Person>,
    /// The sending legal unit.
    pub custodian: Option<Organisation>,
    /// To whom it was sent.
    pub recipients: Vec<Organisation>,
    /// The discipline of a result report, K(8202).
    pub discipline: Option<String>,
    /// Procedures in it: codes of the lists 7270, 7220, 7210 and 7010, each once.
    pub events: Vec<DescribedCode>,
    /// What came along and can be shown, if attachments are shared.
    pub attachments: Vec<Attached>,
}

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Described")
            .field("family", &self.family)
            .field("namespace", &self.namespace)
            .field("authors", &self.authors.len())
            .field("events", &self.events.len())
            .field("attachments", &self.attachments.len())
            .finish_non_exhaustive()
    }
}

/// A patient as metadata name one.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct DescribedPatient {
    /// National id and the OID of its system; only one that can be published under.
    pub id: Option<(String, &'static str)>,
    /// Family name.
    pub family: String,
    /// Given names; with middle names in them where the message cannot tell them apart.
    pub given: String,
    /// Middle names.
    pub middle: String,
    /// Day of birth.
    pub born: Option<Date>,
    /// HL7 v2 sex: M, F, O or U.
    pub sex: Option<char>,
}

/// Who wrote a document: a person, an organisation, or a person for an organisation.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Author {
    /// The person.
    pub person: Option<Person>,
    /// The legal unit.
    pub organisation: Option<Organisation>,
    /// The department in it.
    pub department: Option<Organisation>,
    /// Role to the patient, K(9034).
    pub role: Option<DescribedCode>,
    /// Speciality, K(7426) or K(8451).
    pub specialty: Option<DescribedCode>,
}

/// A health worker.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// Health worker number (HPR) and its OID.
    pub id: Option<(String, &'static str)>,
    /// Family name.
    pub family: String,
    /// Given names.
    pub given: String,
    /// Middle names.
    pub middle: String,
}

/// A legal unit or department.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Organisation {
    /// The name; empty if none was sent.
    pub name: String,
    /// The id that it is best known by, and the OID of its system.
    pub id: Option<(String, &'static str)>,
}

/// A code as metadata carry it.
#[derive(Clone, PartialEq, Eq)]
pub struct DescribedCode {
    /// The system as in the FHIR document: `urn:oid:…` or a URL.
    pub system: String,
    /// The code.
    pub code: String,
    /// Its text as sent.
    pub display: Option<String>,
}

/// Something that came along with the message.
#[derive(Clone, PartialEq, Eq)]
pub struct Attached {
    /// Its place among the attachments of the message, from 1; as in [`super::Format::Attachment`].
    pub number: u32,
    /// What the sender calls it.
    pub title: Option<String>,
    /// Its type, told by its bytes.
    pub mime_type: String,
    /// When it was made.
    pub created: Option<Stamp>,
    /// The bytes, unpacked.
    pub bytes: Vec<u8>,
}

macro_rules! silent {
    ($($type:ident),+) => {$(
        impl fmt::Debug for $type {
            /// Nothing of it: it is somebody's.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }
    )+};
}

silent!(DescribedPatient, Author, Person, Organisation, DescribedCode, Attached);

/// Lists of procedures, and of what was found in tissue (document-sharing §7.2).
const PROCEDURES: [u16; 4] = [7270, 7220, 7210, 7010];

/// The procedures that are named anywhere in these, each once, in document order.
pub(super) fn procedures<'t>(nodes: impl Iterator<Item = Node<'t>>) -> Vec<DescribedCode> {
    let mut seen = HashSet::default();
    let mut found = Vec::new();
    let listed = |oid: &str| codes::national(oid).filter(|n| PROCEDURES.contains(n));
    // Few elements name a list, and fewer one of these: only those are read.
    for (node, _) in having(nodes, "S").filter(|(_, oid)| listed(trim(oid)).is_some()) {
        let code = Code::read(node);
        if let (Some(list), Some(value)) = (code.system.and_then(listed), code.code())
            && seen.insert((list, value.to_owned()))
        {
            found.extend(DescribedCode::of(&code, None));
        }
    }
    found
}

impl DescribedCode {
    /// A code with its own list, else of the list that its element implies; none without either.
    pub(super) fn of(code: &Code<'_>, implied: Option<u16>) -> Option<Self> {
        let coding = codes::coding(code, implied, Mode::Document)?;
        Some(Self {
            system: coding.system?.to_string(),
            code: coding.code?.into_owned(),
            display: coding.display.map(Into::into),
        })
    }
}

impl Person {
    /// Of a name with ids.
    pub(super) fn of(unit: &Unit<'_>) -> Option<Self> {
        let [family, given, middle] = unit.name.as_ref().map(Name::parted).unwrap_or_default();
        let id = unit.id("HPR").map(|id| (id.trim().to_owned(), HPR));
        (id.is_some() || !family.is_empty()).then_some(Self { id, family, given, middle })
    }
}

impl Organisation {
    /// Of a legal unit or department: by its organisation number, else as a department, else as what it is
    /// reached by.
    pub(super) fn of(unit: &Unit<'_>) -> Option<Self> {
        let id = ["ENH", "RSH", "AKO", "HER"].into_iter().find_map(|kind| {
            let oid = identifiers::organisation_system(kind)?.strip_prefix("urn:oid:")?;
            Some((unit.id(kind)?.trim().to_owned(), oid))
        });
        let name = unit.name.as_ref().map(|n| n.text().into_owned()).unwrap_or_default();
        (id.is_some() || !name.is_empty()).then_some(Self { name, id })
    }
}

impl Author {
    /// Of somebody in a role. Who has no organisation of their own works for `sender`.
    pub(super) fn of(party: &Party<'_>, sender: Option<&Party<'_>>) -> Option<Self> {
        let house = match party.institution {
            Some(_) => Some(party),
            None => sender,
        };
        let author = Self {
            person: party.persons.first().and_then(Person::of),
            organisation: house.and_then(|p| p.institution.as_ref()).and_then(Organisation::of),
            department: house.and_then(|p| p.departments.first()).and_then(Organisation::of),
            role: party.role_to_patient.as_ref().and_then(|c| DescribedCode::of(c, Some(9034))),
            specialty: party.speciality.as_ref().and_then(|c| DescribedCode::of(c, Some(8451))),
        };
        (author != Self::default()).then_some(author)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_person_is_printed() {
        let person = Person { family: "Hemmelig".into(), ..Person::default() };
        assert_eq!(format!("{person:?}"), "Person { .. }");
    }
}
