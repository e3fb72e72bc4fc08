//! From a document, a target and what stands there already, to what is submitted: one set, all or nothing.
//!
//! A pure function: the same arguments give the same submission, so it may be made again and sent again.

use crate::characters;
use crate::codes::{self, Code};
use crate::metadata::{
    ACCESSION, Author, Common, Entry, Id, Link, Name, ORDER, Organisation, Patient, Person, REFERRAL,
    ReferenceId, SubmissionSet,
};
use crate::published::Published;
use crate::refusal::Refusal;
use crate::target::{Also, Environment, Kind, ReplaceScope, Target, UniqueIds, Withdraw};
use crate::{media, policy};
use jiff::Timestamp;
use message_schemas::Family;
use message_schemas::document::{
    self, Described, DescribedCode, Format, NAMESPACE, Publishable, SharedDocument,
};
use sha1::{Digest, Sha1};
use std::borrow::Cow;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The longest title, in characters (document-sharing §7.2).
const LONGEST_TITLE: usize = 128;
/// The longest name that is told; longer ones are no names.
const LONGEST_NAME: usize = 200;
/// Codes and references of one message that are told, at most.
const MOST_VALUES: usize = 100;

/// What was made of a message.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// The shared document: keys, codes, and what the metadata are made of.
    pub document: &'a SharedDocument,
    /// The message as received, after unwrapping, byte for byte.
    pub original: &'a [u8],
    /// The FHIR document as XML. Where a target takes JSON, the document's own is used without it.
    pub fhir_xml: Option<&'a [u8]>,
    /// The rendering.
    pub pdf: Option<&'a [u8]>,
}

/// What a message does to the versions before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// It is all there is to say: it takes the place of what stands there.
    Whole,
    /// It tells only what is new: the original is appended to those before it, while FHIR document and rendering, made
    /// of all of them, take the place of the earlier ones.
    Difference,
}

/// A document of the message that the target does not take, and is not told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// Which.
    pub format: Format,
    /// Why.
    pub why: &'static str,
}

/// How an entry of this submission stands to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Id of the association.
    pub id: Uuid,
    /// The entry of this submission.
    pub entry: Uuid,
    /// How.
    pub link: Link,
    /// The other entry, of this submission or an earlier one.
    pub target: Uuid,
    /// Where the target keeps the other entry, if it is an earlier one and the target told so.
    pub location: Option<String>,
    /// The other entry is of this submission.
    pub within: bool,
}

/// What is submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The set.
    pub set: SubmissionSet,
    /// What the set tells of whom it is about and who wrote: as its newest document. Each entry tells its own.
    pub common: Common,
    /// How documents are named at this target.
    pub unique_ids: UniqueIds,
    /// The documents: the original first.
    pub entries: Vec<Entry>,
    /// How they stand to each other and to earlier ones.
    pub relations: Vec<Relation>,
    /// Earlier entries that are to go, and that nothing here takes the place of. They are withdrawn after this has been
    /// taken.
    pub obsolete: Vec<Published>,
    /// Documents of the message that the target does not take.
    pub left_out: Vec<LeftOut>,
    /// How many values had characters that the target refuses.
    pub substituted: usize,
}

impl Relation {
    /// To an entry that stands at the target already.
    pub(crate) fn to_earlier(entry: Uuid, link: Link, old: &Published) -> Self {
        Self {
            id: association(entry, link.code(), old.entry),
            entry,
            link,
            target: old.entry,
            location: old.location.clone(),
            within: false,
        }
    }
}

impl Submission {
    /// Id of the association by which the set holds an entry.
    #[must_use]
    pub fn membership(&self, entry: &Entry) -> Uuid {
        association(self.set.id, "member", entry.entry)
    }

    /// Id of the Patient that travels along.
    #[must_use]
    pub fn patient_id(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, format!("patient|{}", self.set.id).as_bytes())
    }
}

/// Makes the submission of one message's documents.
///
/// `earlier` are the entries of the series that are in use at the target, in the order in which they were published;
/// those of this very message are passed over, so that a submission that is made again is the same.
///
/// # Errors
/// [`Refusal`], when nothing of it may or can be published there.
pub fn submission(
    contents: &Contents<'_>,
    version: Version,
    earlier: &[Published],
    target: &Target,
    now: Timestamp,
) -> Result<Submission, Refusal> {
    let document = contents.document;
    may_be_published(document, target)?;
    let mut submission = frame(document, target, now)?;
    let (drafts, left_out) = drafts(contents, target)?;
    let mut words = Words::new(target.kind);
    submission.entries = drafts
        .into_iter()
        .map(|draft| Entry {
            format: draft.format,
            entry: entry_of(document, draft.format, target),
            document: document.keys.document(draft.format),
            class: words.code(codes::document_type(document.class_code)),
            kind: words.code(codes::document_type(document.type_code)),
            format_code: draft.code,
            confidentiality: policy::confidentiality(document, sender(document), draft.format, target),
            title: words.clean(&title(document, draft.format), LONGEST_TITLE),
            common: submission.common.clone(),
            media_type: draft.media_type,
            sha1: Sha1::digest(&draft.bytes).into(),
            bytes: draft.bytes.into_owned(),
        })
        .collect();
    let earlier: Vec<&Published> = earlier.iter().filter(|old| old.set != submission.set.id).collect();
    let (relations, obsolete) = relations(&submission.entries, version, &earlier, target.replace_scope);
    submission.relations = relations;
    if target.withdraw == Withdraw::Tombstone
        && let Some(original) = submission.entries.first()
    {
        // Where nothing can be taken back, what has no successor is replaced by the original.
        let replaced =
            obsolete.into_iter().map(|old| Relation::to_earlier(original.entry, Link::Replaces, old));
        submission.relations.extend(replaced);
    } else {
        submission.obsolete = obsolete.into_iter().cloned().collect();
    }
    submission.left_out = left_out;
    submission.substituted += words.substituted;
    Ok(submission)
}

/// A submission without documents: the set, and what its entries would share.
pub(crate) fn frame(
    document: &SharedDocument,
    target: &Target,
    now: Timestamp,
) -> Result<Submission, Refusal> {
    let mut words = Words::new(target.kind);
    let source = target.source(sender(document)).ok_or(Refusal::SenderWithoutSource)?;
    let common = common(document, &source, target, &mut words)?;
    let recipients = if target.name_recipients {
        document.described.recipients.iter().filter_map(|o| words.organisation(o)).take(MOST_VALUES).collect()
    } else {
        Vec::new()
    };
    let content = words.code(codes::document_type(document.type_code));
    Ok(Submission {
        set: SubmissionSet { id: document.keys.set(), source, submitted: now, content, recipients },
        common,
        unique_ids: target.unique_ids,
        entries: Vec::new(),
        relations: Vec::new(),
        obsolete: Vec::new(),
        left_out: Vec::new(),
        substituted: words.substituted,
    })
}

/// The id of an entry.
fn entry_of(document: &SharedDocument, format: Format, target: &Target) -> Uuid {
    if target.shares_ids() { document.keys.document(format) } else { document.keys.entry(format) }
}

/// The sending legal unit, as keys name it: `ENH:`, `HER:` or `RSH:` and its number.
fn sender(document: &SharedDocument) -> &str {
    document.keys.series_key.split('|').nth(1).unwrap_or_default()
}

/// Whether a document may go to a target at all.
///
/// # Errors
/// Why not.
pub fn may_be_published(document: &SharedDocument, target: &Target) -> Result<(), Refusal> {
    match target.environment {
        Environment::Production if document.test => return Err(Refusal::TestToProduction),
        Environment::Production if document.synthetic_patient => return Err(Refusal::SyntheticToProduction),
        Environment::Production | Environment::Test => {}
    }
    if let Publishable::No(reasons) = &document.publishable {
        return Err(Refusal::Withheld(reasons.clone()));
    }
    // Only now: a patient without a sound id is not known to live.
    if target.environment == Environment::Test && !document.synthetic_patient {
        return Err(Refusal::RealToTest);
    }
    if !target.families.contains(&document.described.family) {
        return Err(Refusal::FamilyNotShared(document.described.family));
    }
    Ok(())
}

/// A document before its entry is filled.
struct Draft<'a> {
    format: Format,
    code: Code,
    media_type: String,
    bytes: Cow<'a, [u8]>,
}

fn drafts<'a>(contents: &Contents<'a>, target: &Target) -> Result<(Vec<Draft<'a>>, Vec<LeftOut>), Refusal> {
    let national = target.kind == Kind::MhdNational;
    let described = &contents.document.described;
    let taken = |media_type: &str, bytes: &[u8]| media::taken(media_type, bytes, target);
    let original = Draft {
        format: Format::KithXml,
        code: format_code(codes::kith_format(&described.namespace, target.format_names)),
        media_type: "application/xml".to_owned(),
        bytes: Cow::Borrowed(contents.original),
    };
    taken(&original.media_type, &original.bytes).map_err(Refusal::OriginalNotTaken)?;
    let mut drafts = vec![original];
    let mut left_out = Vec::new();
    if target.also.contains(&Also::Fhir) {
        let (media_type, bytes) = match contents.fhir_xml {
            Some(xml) if national => ("application/xml", xml),
            Some(xml) => ("application/fhir+xml", xml),
            None if national => return Err(Refusal::NotRendered("FHIR XML")),
            None => ("application/fhir+json", contents.document.json.as_slice()),
        };
        drafts.push(Draft {
            format: Format::Fhir,
            code: format_code(codes::FHIR_FORMAT.to_owned()),
            media_type: media_type.to_owned(),
            bytes: Cow::Borrowed(bytes),
        });
    }
    if target.also.contains(&Also::Pdf) {
        drafts.push(Draft {
            format: Format::Pdf,
            code: format_code(codes::media_format("application/pdf").to_owned()),
            media_type: "application/pdf".to_owned(),
            bytes: Cow::Borrowed(contents.pdf.ok_or(Refusal::NotRendered("PDF"))?),
        });
    }
    // A rendering that is too large is left out: the original says it all.
    drafts.retain(|draft| match taken(&draft.media_type, &draft.bytes) {
        Ok(()) => true,
        Err(why) => {
            left_out.push(LeftOut { format: draft.format, why });
            false
        }
    });
    if target.also.contains(&Also::Attachments) {
        for attached in &described.attachments {
            let format = Format::Attachment(attached.number);
            match taken(&attached.mime_type, &attached.bytes) {
                Ok(()) => drafts.push(Draft {
                    format,
                    code: format_code(codes::media_format(&attached.mime_type).to_owned()),
                    media_type: attached.mime_type.clone(),
                    bytes: Cow::Owned(attached.bytes.clone()),
                }),
                Err(why) => left_out.push(LeftOut { format, why }),
            }
        }
    }
    Ok((drafts, left_out))
}

fn format_code(code: String) -> Code {
    let display = code.clone();
    Code::new(codes::FORMATS, code, display)
}

/// Type and discipline, and what of the message it is: nothing that a sender wrote, so nothing of a patient.
fn title(document: &SharedDocument, format: Format) -> String {
    match format {
        Format::KithXml | Format::Fhir | Format::Pdf => document.title.clone(),
        Format::Attachment(n) => {
            let room = LONGEST_TITLE.saturating_sub(14);
            format!("{}, vedlegg {n}", document.title.chars().take(room).collect::<String>())
        }
    }
}

fn common(
    document: &SharedDocument,
    source: &str,
    target: &Target,
    words: &mut Words,
) -> Result<Common, Refusal> {
    let described = &document.described;
    let known = target.sender(sender(document));
    let facility = known
        .and_then(|s| s.facility.clone())
        .or_else(|| codes::facility(described.family))
        .or_else(|| target.facility.clone())
        .unwrap_or_else(codes::other_facility);
    let practice = known
        .and_then(|s| s.practice.clone())
        .or_else(|| described.discipline.as_deref().and_then(codes::practice))
        .or_else(|| target.practice.clone())
        .ok_or(Refusal::NoPractice)?;
    let (start, stop) = document.period;
    Ok(Common {
        patient: patient(described, words)?,
        authors: authors(described, words),
        legal_authenticator: described.legal_authenticator.as_ref().and_then(|p| words.person(p)),
        created: document.dated,
        service: (Some(start), stop),
        language: target.language.clone(),
        facility: words.code(facility),
        practice: words.code(practice),
        events: described.events.iter().filter_map(|c| words.described(c)).take(MOST_VALUES).collect(),
        references: references(described, source, words),
        home_community: target.home_community.clone(),
        repository: target.repository.clone(),
        test: document.test,
    })
}

fn patient(described: &Described, words: &mut Words) -> Result<Patient, Refusal> {
    let missing = || Refusal::Withheld(vec![document::Withheld::NoNationalId]);
    let patient = described.patient.as_ref().ok_or_else(missing)?;
    let (value, authority) = patient.id.as_ref().ok_or_else(missing)?;
    let name = words.name(&patient.family, &patient.given, &patient.middle);
    Ok(Patient {
        id: Id { value: value.clone(), authority: (*authority).to_owned() },
        name: (name != Name::default()).then_some(name),
        born: patient.born,
        sex: patient.sex,
    })
}

fn authors(described: &Described, words: &mut Words) -> Vec<Author> {
    let mut authors: Vec<Author> = described
        .authors
        .iter()
        .take(MOST_VALUES)
        .map(|author| Author {
            person: author.person.as_ref().and_then(|p| words.person(p)),
            organisation: author.organisation.as_ref().and_then(|o| words.organisation(o)),
            department: author.department.as_ref().and_then(|o| words.organisation(o)),
            role: author.role.as_ref().and_then(|c| words.described(c)),
            speciality: author.specialty.as_ref().and_then(|c| words.described(c)),
        })
        .filter(|author| author.person.is_some() || author.organisation.is_some())
        .collect();
    if authors.is_empty() {
        // Nobody is named: the sending legal unit answers for it.
        let organisation = described.custodian.as_ref().and_then(|o| words.organisation(o));
        authors.extend(organisation.map(|organisation| Author {
            person: None,
            organisation: Some(organisation),
            department: None,
            role: None,
            speciality: None,
        }));
    }
    authors
}

fn references(described: &Described, source: &str, words: &mut Words) -> Vec<ReferenceId> {
    let kind = if described.family == Family::Referral { REFERRAL } else { ORDER };
    let series = described.series_id.iter().map(|id| (id, ACCESSION));
    let orders = described.orders.iter().map(|id| (id, kind));
    let mut seen = BTreeSet::new();
    series
        .chain(orders)
        .filter(|(id, kind)| !id.is_empty() && seen.insert((id.as_str(), *kind)))
        // An id with a character replaced would be another id.
        .filter_map(|(id, kind)| {
            let id = Id { value: words.exact(id)?, authority: source.to_owned() };
            Some(ReferenceId { id, kind })
        })
        .take(MOST_VALUES)
        .collect()
}

fn relations<'e>(
    entries: &[Entry],
    version: Version,
    earlier: &[&'e Published],
    scope: ReplaceScope,
) -> (Vec<Relation>, Vec<&'e Published>) {
    let mut relations = Vec::new();
    let mut gone = BTreeSet::new();
    let original = entries.iter().find(|e| e.format == Format::KithXml).map(|e| e.entry);
    for entry in entries {
        let link = match entry.format {
            Format::KithXml => None,
            Format::Fhir | Format::Pdf => Some(Link::Transforms),
            Format::Attachment(_) => Some(Link::Appends),
        };
        if let (Some(link), Some(original)) = (link, original) {
            relations.push(Relation {
                id: association(entry.entry, link.code(), original),
                entry: entry.entry,
                link,
                target: original,
                location: None,
                within: true,
            });
        }
        let alike: Vec<&Published> =
            earlier.iter().copied().filter(|old| old.format == entry.format).collect();
        let rendering = matches!(entry.format, Format::Fhir | Format::Pdf);
        let (link, olds) = match (version, scope) {
            (Version::Whole, ReplaceScope::EachFormat) => (Link::Replaces, alike),
            (Version::Whole, ReplaceScope::Original) if entry.format == Format::KithXml => {
                (Link::Replaces, alike)
            }
            (Version::Whole, ReplaceScope::Original) => continue,
            (Version::Difference, _) if rendering => (Link::Replaces, alike),
            (Version::Difference, _) if entry.format == Format::KithXml => {
                (Link::Appends, alike.last().copied().into_iter().collect())
            }
            (Version::Difference, _) => continue,
        };
        for old in olds {
            if link == Link::Replaces {
                gone.insert(old.entry);
            }
            relations.push(Relation::to_earlier(entry.entry, link, old));
        }
    }
    let obsolete = match (version, scope) {
        (Version::Whole, ReplaceScope::EachFormat) => {
            earlier.iter().copied().filter(|old| !gone.contains(&old.entry)).collect()
        }
        (Version::Whole, ReplaceScope::Original) | (Version::Difference, _) => Vec::new(),
    };
    (relations, obsolete)
}

pub(crate) fn association(source: Uuid, link: &str, target: Uuid) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("association|{source}|{link}|{target}").as_bytes())
}

/// Texts as a target takes them.
struct Words {
    national: bool,
    substituted: usize,
}

impl Words {
    fn new(kind: Kind) -> Self {
        Self { national: kind == Kind::MhdNational, substituted: 0 }
    }

    fn clean(&mut self, text: &str, longest: usize) -> String {
        let short: Cow<'_, str> = match text.char_indices().nth(longest) {
            Some((end, _)) => Cow::Borrowed(text.get(..end).unwrap_or_default()),
            None => Cow::Borrowed(text),
        };
        let tidy = short.split_whitespace().collect::<Vec<_>>().join(" ");
        if !self.national {
            return tidy;
        }
        let cleaned = characters::substitute(&tidy).trim().to_owned();
        self.substituted += usize::from(cleaned != tidy);
        cleaned
    }

    /// The text if it can stand as it is.
    fn exact(&mut self, text: &str) -> Option<String> {
        let stands =
            text.chars().count() <= LONGEST_NAME && (!self.national || text.chars().all(characters::allowed));
        self.substituted += usize::from(!stands);
        stands.then(|| text.to_owned())
    }

    fn name(&mut self, family: &str, given: &str, middle: &str) -> Name {
        Name {
            family: self.clean(family, LONGEST_NAME),
            given: self.clean(given, LONGEST_NAME),
            middle: self.clean(middle, LONGEST_NAME),
        }
    }

    fn id(&mut self, id: Option<&(String, &'static str)>) -> Option<Id> {
        let (value, authority) = id?;
        Some(Id { value: self.exact(value)?, authority: (*authority).to_owned() })
    }

    fn person(&mut self, person: &document::Person) -> Option<Person> {
        let name = self.name(&person.family, &person.given, &person.middle);
        let id = self.id(person.id.as_ref());
        (id.is_some() || name != Name::default()).then_some(Person { id, name })
    }

    fn organisation(&mut self, organisation: &document::Organisation) -> Option<Organisation> {
        let id = self.id(organisation.id.as_ref());
        let name = self.clean(&organisation.name, LONGEST_NAME);
        if name.is_empty() {
            return id.map(|id| Organisation { name: id.value.clone(), id: Some(id) });
        }
        Some(Organisation { name, id })
    }

    fn described(&mut self, code: &DescribedCode) -> Option<Code> {
        let value = self.exact(&code.code)?;
        let display = self.clean(code.display.as_deref().unwrap_or(&code.code), LONGEST_NAME);
        let system = code.system.strip_prefix("urn:oid:").unwrap_or(&code.system);
        Some(Code::new(system, value, display))
    }

    fn code(&mut self, code: Code) -> Code {
        let display = self.clean(&code.display, LONGEST_NAME);
        Code { display, ..code }
    }
}
