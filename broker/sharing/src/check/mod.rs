//! Do metadata hold to the rules of document-sharing §7? A table of rules over what both wire forms tell, run on what we
//! make and on what others made.

mod ebrim;
mod fhir;

pub use ebrim::read as read_ebrim;
pub use fhir::read as read_fhir;

use crate::codes::{ACCESS, CONFIDENTIALITY, DOCUMENT_TYPES, FACILITIES, is_oid, list};
use crate::media;
use sha1::{Digest, Sha1};
use std::collections::BTreeSet;
use uuid::Uuid;

/// An identifier and its authority, as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ident {
    /// The value.
    pub value: String,
    /// The authority.
    pub authority: String,
}

/// A code and its system: a bare OID where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coded {
    /// The code.
    pub code: String,
    /// The system.
    pub system: String,
}

/// An author as metadata tell of one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Author {
    /// The person's id.
    pub person: Option<Ident>,
    /// The organisations' ids.
    pub organisations: Vec<Ident>,
    /// There is a name of either.
    pub named: bool,
}

/// An entry, read from either wire form. Lists hold what may occur once too: that it does is a rule.
#[derive(Debug, Clone, Default)]
pub struct EntryFacts {
    /// Its id.
    pub id: String,
    /// Classes.
    pub class: Vec<Coded>,
    /// Types.
    pub kind: Vec<Coded>,
    /// Formats.
    pub format: Vec<Coded>,
    /// Confidentiality.
    pub confidentiality: Vec<Coded>,
    /// Kinds of institution.
    pub facility: Vec<Coded>,
    /// Practice settings.
    pub practice: Vec<Coded>,
    /// Authors.
    pub authors: Vec<Author>,
    /// creationTime as DTM.
    pub created: Option<String>,
    /// serviceStartTime as DTM.
    pub start: Option<String>,
    /// serviceStopTime as DTM.
    pub stop: Option<String>,
    /// Language.
    pub language: Option<String>,
    /// SHA-1 in hex.
    pub hash: Option<String>,
    /// Size.
    pub size: Option<u64>,
    /// Media type.
    pub media_type: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Unique id.
    pub unique_id: Option<String>,
    /// patientId.
    pub patient: Option<Ident>,
    /// sourcePatientId.
    pub source_patient: Option<Ident>,
    /// sourcePatientInfo.
    pub patient_info: Vec<String>,
    /// homeCommunityId.
    pub home: Option<String>,
    /// referenceIdList: ids with their authorities.
    pub references: Vec<Ident>,
    /// The bytes, if they travel along.
    pub bytes: Option<Vec<u8>>,
}

/// The set, read from either wire form.
#[derive(Debug, Clone, Default)]
pub struct SetFacts {
    /// Its id.
    pub id: String,
    /// Unique id.
    pub unique_id: Option<String>,
    /// sourceId.
    pub source: Option<String>,
    /// patientId.
    pub patient: Option<Ident>,
    /// submissionTime as DTM.
    pub submitted: Option<String>,
    /// contentTypeCode.
    pub content: Vec<Coded>,
    /// Ids of its entries.
    pub members: Vec<String>,
}

/// A submission, read from either wire form.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Sets.
    pub sets: Vec<SetFacts>,
    /// Entries.
    pub entries: Vec<EntryFacts>,
}

/// A rule that does not hold. It quotes nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// The rule's name.
    pub rule: &'static str,
    /// Where: `set` or `entry` with its number, from 1.
    pub at: String,
}

/// A rule about an entry: its name, and whether it holds.
type EntryRule = (&'static str, fn(&EntryFacts) -> bool);

const ENTRY_RULES: &[EntryRule] = &[
    ("entryUUID is a UUID", |e| is_uuid(&e.id)),
    ("uniqueId is a UUID or an OID", |e| {
        e.unique_id.as_deref().is_some_and(|id| is_oid(bare(id)) || is_uuid(id))
    }),
    ("one classCode of level 1 of list 9602", |e| one_of_level(&e.class, "-1")),
    ("one typeCode of level 2 of list 9602", |e| one_of_level(&e.kind, "-2")),
    ("class and type have the same letter", |e| {
        let letter = |codes: &[Coded]| codes.first().and_then(|c| c.code.chars().next());
        letter(&e.class).is_some() && letter(&e.class) == letter(&e.kind)
    }),
    (
        "one formatCode with its system",
        |e| matches!(e.format.as_slice(), [f] if !f.code.is_empty() && !f.system.is_empty() && !f.system.starts_with("urn:no:")),
    ),
    ("a confidentialityCode of version 3", |e| {
        e.confidentiality
            .iter()
            .any(|c| c.system == CONFIDENTIALITY && ["N", "R", "V"].contains(&c.code.as_str()))
    }),
    ("no other confidentialityCode but of list 9603", |e| {
        e.confidentiality.iter().all(|c| {
            c.system == CONFIDENTIALITY || (c.system == ACCESS && crate::codes::access(&c.code).is_some())
        })
    }),
    (
        "one healthcareFacilityTypeCode of list 1303 or 1305",
        |e| matches!(e.facility.as_slice(), [f] if [FACILITIES, &list("1305")].contains(&f.system.as_str())),
    ),
    ("one practiceSettingCode of a national list", |e| {
        let lists = ["8651", "8653", "8654", "8655", "8663"].map(list);
        matches!(e.practice.as_slice(), [p] if lists.contains(&p.system) && !p.code.starts_with("2.16"))
    }),
    ("creationTime", |e| e.created.as_deref().is_some_and(is_dtm)),
    ("serviceStartTime, and serviceStopTime not before it", |e| {
        let sound = |t: &Option<String>| t.as_deref().is_none_or(is_dtm);
        e.start.is_some()
            && sound(&e.start)
            && sound(&e.stop)
            && e.stop.as_ref().zip(e.start.as_ref()).is_none_or(|(stop, start)| {
                let shared = stop.len().min(start.len());
                stop.get(..shared) >= start.get(..shared)
            })
    }),
    ("languageCode", |e| e.language.as_deref().is_some_and(|l| l.split('-').count() == 2 && l.len() == 5)),
    ("mimeType", |e| e.media_type.as_deref().is_some_and(|m| m.split('/').count() == 2)),
    ("bytes are what the mimeType says", |e| match (&e.bytes, &e.media_type) {
        (Some(bytes), Some(media_type)) if media_type.starts_with("application/fhir") => {
            bytes.first().is_some_and(|b| [b'<', b'{'].contains(b))
        }
        (Some(bytes), Some(media_type)) if media_type == "text/plain" => std::str::from_utf8(bytes).is_ok(),
        (Some(bytes), Some(media_type)) => media::agrees(media_type, bytes),
        (None, _) | (_, None) => true,
    }),
    ("hash is that of the bytes", |e| match (&e.bytes, &e.hash) {
        (Some(bytes), Some(hash)) => hex::encode(Sha1::digest(bytes)) == *hash,
        (None, Some(hash)) => hash.len() == 40 && hash.bytes().all(|b| b.is_ascii_hexdigit()),
        (_, None) => false,
    }),
    ("size is that of the bytes", |e| match (&e.bytes, e.size) {
        (Some(bytes), Some(size)) => u64::try_from(bytes.len()).is_ok_and(|n| n == size),
        (None, Some(_)) => true,
        (_, None) => false,
    }),
    ("patientId under a national authority", |e| e.patient.as_ref().is_some_and(is_national)),
    ("sourcePatientId is the patientId", |e| e.source_patient.is_some() && e.source_patient == e.patient),
    ("sourcePatientInfo holds name, birth and sex alone", |e| {
        !e.patient_info.is_empty()
            && e.patient_info.iter().all(|value| {
                value.chars().count() <= 256
                    && match value.split_once('|') {
                        Some(("PID-5", name)) => !name.is_empty(),
                        Some(("PID-7", born)) => born.len() == 8 && is_dtm(born),
                        Some(("PID-8", sex)) => ["M", "F", "O", "U"].contains(&sex),
                        _ => false,
                    }
            })
    }),
    ("an author with a name", |e| !e.authors.is_empty() && e.authors.iter().all(|a| a.named)),
    ("authorities of authors are bare OIDs", |e| {
        e.authors
            .iter()
            .flat_map(|a| a.person.iter().chain(&a.organisations))
            .all(|id| is_oid(&id.authority) && !id.value.is_empty())
    }),
    ("persons are named by their HPR number", |e| {
        e.authors.iter().filter_map(|a| a.person.as_ref()).all(|id| {
            id.authority == "2.16.578.1.12.4.1.4.4"
                && id.value.len() <= 9
                && id.value.bytes().all(|b| b.is_ascii_digit())
        })
    }),
    ("homeCommunityId is urn:oid:", |e| {
        e.home.as_deref().and_then(|h| h.strip_prefix("urn:oid:")).is_some_and(is_oid)
    }),
    ("title of at most 128 characters, nothing of the patient", |e| {
        let Some(title) = e.title.as_deref() else { return true };
        let longest = title.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
        title.chars().count() <= 128 && longest.is_none_or(|digits| digits < 9) && !names_patient(e, title)
    }),
    ("references have the authority of their sender", |e| {
        e.references.iter().all(|r| is_oid(&r.authority) && !r.value.is_empty())
    }),
];

/// A rule about a set among the entries.
type SetRule = (&'static str, fn(&SetFacts, &[EntryFacts]) -> bool);

const SET_RULES: &[SetRule] = &[
    ("uniqueId of the set is an OID", |s, _| s.unique_id.as_deref().is_some_and(|id| is_oid(bare(id)))),
    ("sourceId is an OID", |s, _| s.source.as_deref().is_some_and(|id| is_oid(bare(id)))),
    ("submissionTime", |s, _| s.submitted.as_deref().is_some_and(is_dtm)),
    ("one contentTypeCode", |s, _| matches!(s.content.as_slice(), [c] if !c.code.is_empty())),
    ("the same patient in set and entries", |s, entries| {
        s.patient.is_some() && entries.iter().all(|e| e.patient == s.patient)
    }),
    ("every entry is a member", |s, entries| {
        let members: BTreeSet<&str> = s.members.iter().map(|m| bare(m)).collect();
        !entries.is_empty() && entries.iter().all(|e| members.contains(bare(&e.id)))
    }),
];

/// All rules that do not hold.
#[must_use]
pub fn breaches(facts: &Facts) -> Vec<Breach> {
    let mut found = Vec::new();
    if facts.sets.len() != 1 {
        found.push(Breach { rule: "one submission set", at: "submission".to_owned() });
    }
    for (n, set) in (1..).zip(&facts.sets) {
        let broken = SET_RULES.iter().filter(|(_, holds)| !holds(set, &facts.entries));
        found.extend(broken.map(|(rule, _)| Breach { rule, at: format!("set {n}") }));
    }
    for (n, entry) in (1..).zip(&facts.entries) {
        let broken = ENTRY_RULES.iter().filter(|(_, holds)| !holds(entry));
        found.extend(broken.map(|(rule, _)| Breach { rule, at: format!("entry {n}") }));
    }
    found
}

/// The names of all rules.
pub fn rules() -> impl Iterator<Item = &'static str> {
    SET_RULES.iter().map(|r| r.0).chain(ENTRY_RULES.iter().map(|r| r.0))
}

fn one_of_level(codes: &[Coded], level: &str) -> bool {
    matches!(codes, [c] if c.system == DOCUMENT_TYPES && c.code.ends_with(level))
}

fn bare(id: &str) -> &str {
    id.strip_prefix("urn:oid:").or_else(|| id.strip_prefix("urn:uuid:")).unwrap_or(id)
}

fn is_uuid(id: &str) -> bool {
    id.len() >= 36 && Uuid::parse_str(bare(id)).is_ok()
}

/// Digits of a date and time, from the year on.
fn is_dtm(text: &str) -> bool {
    matches!(text.len(), 4 | 6 | 8 | 10 | 12 | 14) && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_national(id: &Ident) -> bool {
    let digits = id.value.bytes().all(|b| b.is_ascii_digit());
    match id.authority.strip_prefix("2.16.578.1.12.4.1.4.") {
        Some("1" | "2" | "3") => digits && id.value.len() == 11,
        Some("5") => digits && id.value.len() == 12,
        Some(_) | None => false,
    }
}

fn names_patient(e: &EntryFacts, title: &str) -> bool {
    let title = title.to_lowercase();
    let name = e.patient_info.iter().find_map(|v| v.strip_prefix("PID-5|"));
    let mut words = name.into_iter().flat_map(|n| n.split(['^', ' '])).filter(|w| w.chars().count() > 2);
    words.any(|word| title.split(|c: char| !c.is_alphanumeric()).any(|t| t == word.to_lowercase()))
}
