//! A message as a shared document in FHIR R4: Svarrapport 1.3 and 1.4, Epikrise 1.1 and 1.2, Henvisning 1.0,
//! 1.1 and 2.0, Dialogmelding 1.0 and 1.1, the care messages (PLO) 1.5 and 1.6, Rekvisisjon 1.5 and 1.6.
//!
//! Reading and writing are apart. Reading takes a [`Tree`] to one struct per family, every value with the
//! node it came from; writing takes the struct to typed resources, a text, and JSON. Neither knows a clock,
//! a network or chance: the same message and settings give the same bytes.
//!
//! The tables of the other families stand where they are written (`document/discharge`, `dialogue`, `care`,
//! `requisition`). Svarrapport:
//!
//! | source (`P` = `/Message/ServReport`) | target |
//! |---|---|
//! | `GenDate`, `MsgId` | Bundle.timestamp, Composition.date, issued; identifier |
//! | `P/ServType`, `P/Status` | status of report and document (matrix) |
//! | `P/MsgDescr` | DiagnosticReport.code and category; class and type of the document |
//! | `P/Comment`, `CodedComment`, `InfItem` | extensions of NILAR's profile, and text |
//! | `P/ServReq` | ServiceRequest |
//! | `AnalysedSubject` | Specimen |
//! | `ResultItem` | Observation; nesting and `RefIdResultItem` give hasMember |
//! | `ServProvider/HCP/Inst` | Organization, custodian |
//! | other parties | PractitionerRole, by identifier and display |
//! | `RefDoc` | DocumentReference and Binary |
//! | `Animal`, `Material`, `Patient/Patient` | text only; an animal's report is built and never published |
//! | `Type`, `MIGversion`, `Ack`, `ComMethod` | nothing: envelope and transport |
//! | what no table knows | text, under Annet innhold |
//!
//! Sources: document-sharing §2 to §6.4 (NILAR's mapping, HITS 1102:2014, the XSDs, FHIR R4). The tables that
//! all families share (ids, codes, times, units, markup, parties, attachments, clinical information) are in
//! files of their own and know no family; a family is a folder beside them, with a reading, a writing and
//! sections.
//!
//! **Invariants.** Every reference inside a Bundle resolves there; every resource is reachable from the
//! Composition; a decimal has the digits that were sent; what has text in the source is in a resource, in
//! the text, or in [`Coverage`] with a reason. Nothing recurses on the depth of the message, and what one
//! message may come to is bounded by [`Options`].
//!
//! **Deliberately absent:** what depends on other messages (replacing, withdrawing, merging of differences):
//! that is decided over the whole series, by who keeps it. NILAR's mode writes NILAR's resources and code
//! systems without Composition and Patient.

mod addition;
mod attachments;
mod bundle_text;
mod care;
mod clinical;
mod codes;
mod comparator;
mod components;
mod concepts;
mod coverage;
mod decimal;
mod described;
mod dialogue;
mod discharge;
mod enclosures;
mod envelope;
mod fhir;
mod fhir_xml;
mod head_text;
mod headed;
mod identifiers;
mod identity;
mod individual;
mod json;
mod json_text;
mod labels;
mod lists;
mod markup;
mod msg_head;
mod names;
mod narrative;
mod observed;
mod options;
mod parties;
mod plain;
mod referral;
mod report;
mod requisition;
mod reservation;
mod roles;
mod surroundings;
mod tell;
mod units;
mod values;
#[cfg(test)]
mod vectors;
pub mod view;
mod words;
mod writer;

pub use coverage::{Coverage, Line, Outcome, UNREAD, UNREAD_MANY};
pub use described::{Attached, Author, Described, DescribedCode, DescribedPatient, Organisation, Person};
pub use fhir_xml::fhir_xml;
pub use identity::{Format, Keys, NAMESPACE, normal_id};
pub use options::{Confidentiality, Language, Mode, Options};
pub use report::Part;
pub use view::View;

use crate::family::{self, Family, Version};
use crate::finding::Place;
use crate::head::ServiceType;
use crate::time::Stamp;
use crate::xml::{Node, Tree};
use jiff::Timestamp;
use serde::Serialize;
use std::fmt;
use uuid::Uuid;

/// Why a message gives no document. The original is delivered all the same; the message waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing in it to translate (Svarrapport 1.4 allows a message without a report).
    #[error("the message holds no report")]
    NoReport,
    /// The document element's namespace is of no family that is translated.
    #[error("there is no translation for this kind of message")]
    NoTranslation,
    /// Without a message id no document has an identity.
    #[error("the message has no id, so its document would have none")]
    NoMessageId,
    /// A change or a cancellation that does not say of what.
    #[error("a change or cancellation does not name the document that it is about")]
    NoDocumentId,
    /// Neither GenDate nor any other date can be read.
    #[error("the message has no date that can be read")]
    NoTime,
    /// An attachment is compressed in a way that is not unpacked here, is damaged, or unpacks to more than is taken.
    #[error("an attachment is compressed and cannot be unpacked")]
    PackedAttachment,
    /// More than [`Options`] allows.
    #[error("the message holds more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Several patients in one message, one under several national ids, or `PatientReport` instead of `Document`.
    #[error("the message names several patients, or one under several national ids")]
    SeveralPatients,
    /// A kind of message that may be sent and withdrawn, but never changed.
    #[error("a message of this kind may not be changed")]
    ChangeNotAllowed,
    /// The resources could not be written as JSON: a fault of ours.
    #[error("the document could not be written")]
    NotWritten,
}

impl Fault {
    /// The code, as stored and printed; each has a page in `dead-letter/reasons/`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoReport => "D01",
            Self::NoTranslation => "D02",
            Self::NoMessageId => "D03",
            Self::NoDocumentId => "D04",
            Self::NoTime => "D05",
            Self::PackedAttachment => "D06",
            Self::TooLarge { .. } => "D07",
            Self::NotWritten => "D08",
            Self::SeveralPatients => "D09",
            Self::ChangeNotAllowed => "D10",
        }
    }

    /// All codes there are.
    pub const CODES: &'static [&'static str] =
        &["D01", "D02", "D03", "D04", "D05", "D06", "D07", "D08", "D09", "D10"];
}

/// Why a document is built but not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Withheld {
    /// About an animal or a material.
    #[error("the report is not about a person")]
    NotAPerson,
    /// About nobody.
    #[error("the report names no patient")]
    NoPatient,
    /// No id that a register in Norway answers for.
    #[error("the patient has no national id")]
    NoNationalId,
    /// Length, check digits, date or kind are wrong.
    #[error("the patient's national id does not check")]
    NationalIdUnsound,
    /// The national id is issued on another day than the patient is said to be born: one of them is somebody else's.
    #[error("the patient's birth date is not that of the national id")]
    BirthDateContradicts,
    /// The sender reserves that it be sent on.
    #[error("the sender reserves that the message be sent on")]
    OnwardReserved,
    /// Said to each other, not written for the record.
    #[error("a dialogue is not part of the shared record")]
    Dialogue,
    /// A notice: admitted, ready for discharge, absent.
    #[error("a notice is not part of the shared record")]
    Logistics,
    /// An order that is under way.
    #[error("an order in progress is not part of the shared record")]
    OrderInProgress,
    /// The patient has not agreed (Henvisning, K(9064) 4; MsgHead, K(3109) 2).
    #[error("the patient has not consented")]
    NoConsent,
    /// What is said of the patient's consent is no code of its list (K(9064), under MsgHead K(3109)): it may be a refusal.
    #[error("what is said of the patient's consent is not understood")]
    ConsentUnclear,
    /// The patient reserves (Svarrapport and Rekvisisjon, K(3108) R).
    #[error("the patient reserves that the report be registered")]
    PatientReserves,
    /// A reservation that is not settled (K(3108) U), or told by no code of the list: it may be one.
    #[error("what is said of the patient's reservation is not understood")]
    ReservationUnclear,
    /// The change code is of no list, or not told: the message may be a cancellation as well as a new one.
    #[error("what the message does to earlier ones (its change code) is not understood")]
    ChangeUnclear,
    /// The sending legal unit has no id, so two senders' documents could be taken for one.
    #[error("the sending organisation has no id")]
    SenderUnknown,
}

/// May a document be published?
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Publishable {
    /// Yes, to targets of its kind: a test never to production.
    Yes,
    /// No, for these reasons.
    No(Vec<Withheld>),
}

/// What was odd in the source, but could be translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// Status or service type outside the matrix.
    #[error("a status is in no table: the document says unknown")]
    UnknownStatus,
    /// A code outside its list.
    #[error("a code is not in its list")]
    UnknownCode,
    /// `RefIdResultItem` or `RefAnalysedSubject` without target.
    #[error("a reference points at nothing in the message")]
    UnresolvedReference,
    /// `RefIdResultItem` round in a circle.
    #[error("a reference closes a circle and was left out")]
    CircularReference,
    /// A date where a full time is needed.
    #[error("a date was completed to midnight")]
    DateCompleted,
    /// GenDate missing or unreadable.
    #[error("the message's date was taken from another field")]
    OtherDateUsed,
    /// A text that is no time, or a time of day alone.
    #[error("a time cannot be read and stands in the text only")]
    NotATime,
    /// A number with a comma, INF, NaN, or no number.
    #[error("a number cannot be read and is kept as text")]
    NotANumber,
    /// A D-number under the type of a national identity number.
    #[error("a D-number was sent as a national identity number")]
    DNumberAsNationalId,
    /// Wrong check digits, or right ones of a number that nobody can have.
    #[error("a national id does not check: its check digits, its date or its kind is wrong")]
    CheckDigits,
    /// More codings than search tags are made of.
    #[error("there are too many results to tag them all")]
    TooManyTags,
    /// An attachment without bytes that can be shown.
    #[error("an attachment is not shown")]
    AttachmentNotShown,
    /// The bytes are of another kind than the sender says, or what is said is no media type.
    #[error("an attachment is of another type than it says")]
    OtherMimeType,
}

/// Something odd, and where. It quotes nothing of the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What.
    pub kind: NoteKind,
    /// The element.
    pub path: String,
    /// Its start tag in the decoded text.
    pub place: Place,
}

/// One document, ready to be kept, delivered or published.
#[derive(Clone)]
pub struct SharedDocument {
    /// Id of this version: Bundle.identifier.
    pub id: Uuid,
    /// Id of the KITH XML as a document, which this one is made from.
    pub kith_xml: Uuid,
    /// Id of the series: Composition.identifier, the same in all versions.
    pub series: Uuid,
    /// What series and version are made of.
    pub keys: Keys,
    /// What it does to earlier versions.
    pub service_type: ServiceType,
    /// When this version was made; a date alone is the start of its day in Norway.
    pub generated: Timestamp,
    /// The same as it was sent: a date alone stays a date.
    pub dated: Stamp,
    /// When the care was that it tells of: first, and last where there is an end.
    pub period: (Stamp, Option<Stamp>),
    /// Type and discipline; never a word of the sender's, so it may be logged.
    pub title: String,
    /// Class, K(9602).
    pub class_code: &'static str,
    /// Type, K(9602).
    pub type_code: &'static str,
    /// May it be published?
    pub publishable: Publishable,
    /// Marked as a test.
    pub test: bool,
    /// The patient's id is from a synthetic population: for tests only.
    pub synthetic_patient: bool,
    /// What its metadata are made of.
    pub described: Described,
    /// Svarrapport: the results that stand under no other, in document order. Other families have none.
    pub results: Vec<TopResult>,
    /// The Bundle as FHIR JSON.
    pub json: Vec<u8>,
    /// What became of every piece of the source.
    pub coverage: Coverage,
    /// What was odd.
    pub notes: Vec<Note>,
}

impl fmt::Debug for SharedDocument {
    /// Ids and figures only: the document is a patient's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedDocument")
            .field("id", &self.id)
            .field("series", &self.series)
            .field("title", &self.title)
            .field("publishable", &self.publishable)
            .field("test", &self.test)
            .field("bytes", &self.json.len())
            .field("notes", &self.notes.len())
            .finish_non_exhaustive()
    }
}

/// Translates a message: one document for each report in it.
///
/// `text` is the decoded text that `tree` was read from. What can be read is translated, valid or not.
///
/// # Errors
/// [`Fault`], when no document can be made; nothing of the message is then translated.
pub fn translate(text: &str, tree: &Tree, options: &Options) -> Result<Vec<SharedDocument>, Fault> {
    let root = tree.root().ok_or(Fault::NoTranslation)?;
    if root.namespace() == family::MSG_HEAD && options.mode != Mode::Nilar {
        return Ok(vec![under_msg_head(text, tree, root, options)?]);
    }
    let kind = family::by_namespace(root.namespace()).ok_or(Fault::NoTranslation)?;
    if root.name() != "Message" {
        return Err(Fault::NoTranslation);
    }
    std::iter::once(root).chain(root.elements()).try_for_each(individual::one_patient)?;
    match (kind.family, kind.version) {
        (Family::ResultReport, Version(1, 3..)) => reports(text, tree, root, options),
        // NILAR has resources of results only.
        _ if options.mode == Mode::Nilar => Err(Fault::NoTranslation),
        (Family::Requisition, Version(1, 5..)) => {
            requisition::translate(text, tree, root, options).map(|d| vec![d])
        }
        (Family::Referral, Version(1, _)) => {
            let body = referral::Referral::of_message(root).ok_or(Fault::NoReport)?;
            referral::translate(text, tree, body, kind.version, options).map(|d| vec![d])
        }
        (Family::DischargeSummary, Version(1, 1..)) => {
            let body = discharge::Discharge::of_message(root).ok_or(Fault::NoReport)?;
            discharge::translate(text, tree, body, kind.version, options).map(|d| vec![d])
        }
        _ => Err(Fault::NoTranslation),
    }
}

/// One document for each report of a Svarrapport. All of them are of one patient: the message itself is published as the
/// original of each of its documents, so what another's report says would be read by whoever may read this one's.
fn reports(text: &str, tree: &Tree, root: Node<'_>, options: &Options) -> Result<Vec<SharedDocument>, Fault> {
    let envelope = envelope::Envelope::read(root);
    let reports: Vec<Node<'_>> = root.all("ServReport").collect();
    if reports.is_empty() {
        return Err(Fault::NoReport);
    }
    if reports.len() > options.max_reports {
        return Err(Fault::TooLarge { what: "reports", limit: options.max_reports });
    }
    individual::same_patient(&reports)?;
    let mut paths = coverage::Paths::default();
    let room = attachments::Room::of(options);
    let mut documents = Vec::with_capacity(reports.len());
    for (nth, node) in (1..).zip(reports) {
        let source = report::Source {
            text,
            tree,
            envelope: &envelope,
            namespace: root.namespace(),
            nth,
            room: &room,
            keep: None,
            merged_id: None,
        };
        documents.push(report::translate(&source, node, &mut paths, options)?);
    }
    Ok(documents)
}

/// Translates a message whose payload lies in MsgHead.
fn under_msg_head(
    text: &str,
    tree: &Tree,
    root: Node<'_>,
    options: &Options,
) -> Result<SharedDocument, Fault> {
    let head = msg_head::MsgHead::read(root)?;
    root.elements().try_for_each(individual::one_patient)?;
    let payload = head.payload.ok_or(Fault::NoTranslation)?;
    let kind = family::by_namespace(payload.namespace()).ok_or(Fault::NoTranslation)?;
    if kind.family == Family::Dialogue {
        return dialogue::translate(text, tree, head, options);
    }
    if kind.family == Family::Referral {
        let body = referral::Referral::of_head(head).ok_or(Fault::NoTranslation)?;
        return referral::translate(text, tree, body, kind.version, options);
    }
    care::translate(text, tree, head, kind.family, options)
}

/// Makes one document of several messages of one series of laboratory reports, oldest first: the newest as it is, and the
/// results of the earlier ones that stay ([`Part::results`]), each under the time of its message.
///
/// `msg_id` takes the place of the newest message's id in the ids of the document. `incomplete` says so in its text: the
/// message that opened the series is not known.
///
/// # Errors
/// [`Fault`], when one of the messages gives no document, or they are not about the same person.
pub fn merge(
    parts: &[Part<'_>],
    msg_id: &str,
    incomplete: bool,
    options: &Options,
) -> Result<SharedDocument, Fault> {
    report::merge(parts, msg_id, incomplete, options)
}

/// A result that stands under no other, as other versions of the report may name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopResult {
    /// What was investigated, of which sample, with a running number among equal ones; hashed.
    pub key: String,
    /// The sender has cancelled it.
    pub cancelled: bool,
}

/// Collects notes, up to a number that a person may read.
#[derive(Debug)]
struct Notes<'p> {
    text: &'p str,
    list: Vec<Note>,
}

impl<'p> Notes<'p> {
    const MOST: usize = 100;

    fn new(text: &'p str) -> Self {
        Self { text, list: Vec::new() }
    }

    fn add(&mut self, node: Node<'_>, kind: NoteKind) {
        if self.list.len() < Self::MOST {
            self.list.push(Note { kind, path: node.xpath(), place: node.place(self.text) });
        }
    }

    fn into_list(self) -> Vec<Note> {
        self.list
    }
}
