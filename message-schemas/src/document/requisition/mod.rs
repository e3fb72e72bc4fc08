//! Rekvisisjon 1.5 (2008-12-01) and 1.6 (2012-02-15) as documents: an order for investigations.
//!
//! By the method of Henvisning (document-sharing §6.1). `R` = `/Message/ServReq`.
//!
//! | source | target |
//! |---|---|
//! | `R/ServType` 7309 | ServiceRequest.status: C revoked, else active; status of the document, A also a tag (see [`super::addition`]) |
//! | `R/Id` | ServiceRequest.requisition, which all of one message share; the series |
//! | `R/ServProvId` | ServiceRequest.identifier, the receiver's |
//! | `R/IssueDate` | ServiceRequest.authoredOn |
//! | `R/MsgDescr` 8202 | ServiceRequest.category; title |
//! | `R/ReqInvestigation/Investigation` | one ServiceRequest each; one without code where there is none |
//! | `.../Id` | code: every coding; `@OT`, `@DN` its text |
//! | `.../Spec`, `Priority`, `R/ReqInvestigation/Priority`, `Purpose` 8248 | orderDetail; no priority is guessed from a list that the element does not name |
//! | `R/ReqInvestigation/ServType` 8270 | ServiceRequest.status: C revoked, H unknown, else active; name of the order in the text |
//! | `.../ReqDate` | occurrenceDateTime |
//! | `.../Comment`, `R/ReqComment` | note |
//! | `.../StandingInv` | text |
//! | `.../AnalysedSubject` | Specimen of its requests: identifiers, type, collection |
//! | `R/ReasonAsText` 8231 | reasonCode; text under its heading |
//! | `R/RequestedPrioReport` 7303 | note, as in Svarrapport |
//! | `R/Requester/HCP` | requester, author, custodian: the sender |
//! | `R/Patient/ResponsibleHcp` | requester before `R/Requester`, as in Svarrapport |
//! | `R/ServProvider/HCP` | performer: the receiver |
//! | `R/Patient` | Patient; `AdmLocation`, `BasisForHealthServices` text |
//! | `.../InfItem` | see [`super::clinical`]; H, B also reasonReference |
//! | `R/RefDoc` | DocumentReference, Binary; supportingInfo |
//! | `R/Comment` 8234, `PaymentCat`, `Reservation`, `Permission`, `RequestedDateReport`, `NoReport`, `LevelOfDetail`, `EscortRequired`, `CopyDest`, `PaymentResponsible` | text |
//! | `R/Animal`, `R/Material` | text; nobody's record |
//! | `Ack`, `ComMethod` | nothing: transport |
//!
//! **History (H)** was asked for in an earlier message and stands here so that the addition can be understood.
//! It is not asked for again, so it is not active; whether it was done meanwhile the message does not say, so
//! it is not completed either. FHIR's `unknown` says just that, as for the order of a withdrawn report.
//!
//! Class I00-1, type I01-2. **Never published:** an order in progress is no record; its answer is.

mod labels;
mod read;
mod text;

use super::attachments::Room;
use super::bundle_text::BundleText;
use super::clinical::chapters::Chapters;
use super::clinical::{Frame, Told};
use super::codes;
use super::coverage::{Coverage, Outcome, Paths};
use super::described::{self, Author, Described, Organisation};
use super::envelope::Envelope;
use super::fhir::{
    Annotation, CodeableConcept, Collection, DateTime, Identifier, Reference, Resource, ServiceRequest,
    Specimen,
};
use super::identifiers::LONGEST;
use super::identity::Ids;
use super::parties::Party;
use super::values::{Code, Sourced, When, Words};
use super::writer::{self, Cover, Writer};
use super::{Fault, Notes, Options, SharedDocument, Withheld, addition, lists, reservation};
use crate::family::Family;
use crate::head::ServiceType;
use crate::xml::{Node, Tree};
use read::{Asked, Investigation, Requisition, Sample};
use std::borrow::Cow;
use uuid::Uuid;

const KINDS: [(&str, &str); 2] = [("I00-1", "Korrespondanse"), ("I01-2", "Henvisninger")];

/// Bytes that may come of repeating on every request what all of them share.
const REPEATED: usize = 1 << 20;

/// What all requests of a message share.
#[derive(Debug)]
struct Common<'a> {
    /// It stands on each of them; else, where it would come to too much, on the first alone.
    on_each: bool,
    requester: Option<Uuid>,
    performer: Option<Uuid>,
    reasons: Vec<CodeableConcept<'a>>,
    /// Diagnoses among the clinical information.
    diagnoses: Vec<Uuid>,
    notes: Vec<Annotation<'a>>,
    attachments: Vec<Uuid>,
    authored: Option<DateTime>,
}

/// Translates a requisition.
pub(super) fn translate(
    text: &str,
    tree: &Tree,
    root: Node<'_>,
    options: &Options,
) -> Result<SharedDocument, Fault> {
    let node = root.child("ServReq").ok_or(Fault::NoReport)?;
    let envelope = Envelope::read(root);
    let body = Requisition::read(node);
    if body.size() > options.max_resources {
        return Err(Fault::TooLarge { what: "resources", limit: options.max_resources });
    }
    Room::of(options).unpack(&body.attachments, options)?;
    let mut coverage = Coverage::new(root, root, true);
    let mut notes = Notes::new(text);
    let mut withheld = if options.publish_orders { Vec::new() } else { vec![Withheld::OrderInProgress] };
    let msg_id = envelope.msg_key().ok_or(Fault::NoMessageId)?;
    let sender = body.requester.as_ref();
    let series = body.id.as_ref().and_then(Words::id);
    let keys = writer::keys(
        "rekvisisjon",
        sender.and_then(|p| p.institution.as_ref()),
        series,
        body.service_code(),
        &msg_id,
        options,
        &mut withheld,
    )?;
    let generated = writer::generated(&[envelope.generated.as_ref(), body.issued.as_ref()], &mut notes)?;
    let judged = match (&body.patient, &body.other) {
        (Some(p), _) => p.who.judge(options, &mut notes, &mut withheld),
        (None, Some(_)) => {
            withheld.push(Withheld::NotAPerson);
            None
        }
        (None, None) => {
            withheld.push(Withheld::NoPatient);
            None
        }
    };
    withheld.extend(reservation::withheld(body.reservations.iter()));
    let mut paths = Paths::default();
    let mut ids = Ids::new(&keys, &mut paths);
    let patient = body.patient.as_ref().map(|p| ids.make("Patient", p.who.node, 1, &mut coverage));
    let subject = match (&body.patient, body.other) {
        (Some(p), _) => p.who.subject(patient, judged.as_ref()),
        (None, other) => {
            let display = match other.map(Node::name) {
                Some("Animal") => "Dyr",
                Some(_) => "Materiale",
                None => "Ukjent pasient",
            };
            Reference { display: Some(Cow::Borrowed(display)), ..Reference::default() }
        }
    };
    let mut writer = Writer {
        options,
        body: &body,
        envelope: &envelope,
        sender,
        subject: Some(&subject),
        coverage,
        ids,
        notes,
        entries: Vec::new(),
        written: BundleText::default(),
        tail: Vec::new(),
        roles: Vec::new(),
        custodian: None,
        attached: Vec::new(),
    };
    writer.envelope_marks((Outcome::Mapped, "Bundle.identifier"));
    if let (Some(id), Some(p)) = (patient, &body.patient) {
        let parties = [body.provider.as_ref(), body.requester.as_ref()];
        let resource = writer.patient(id, &p.who, judged.as_ref(), parties);
        writer.push(id, Resource::Patient(Box::new(resource)));
    }
    writer.custodian();
    let author = sender.and_then(|p| writer.role(p, true));
    let frame = Frame { encounter: None, generated: generated.0, newer: false, cancelled: false };
    let mut clinical = Chapters::new(text::CLINICAL);
    let mut told = Told::default();
    writer.inf_items(body.information(), &frame, &mut clinical, &mut told);
    let common = writer.common(author, &told);
    let (requests, samples) = writer.requests(&common);
    let service = body.service_code();
    let cover = Cover {
        keys,
        service_type: service.map_or(ServiceType::Other, ServiceType::from_code),
        status: match service {
            Some("C") => "entered-in-error",
            Some("M" | "E") => "amended",
            _ => "final",
        },
        title: title(&body),
        kinds: KINDS,
        generated,
        period: (body.issued.as_ref().and_then(When::dated).unwrap_or(generated.0), None),
        encounter: None,
        authors: author.map(Reference::to).into_iter().collect(),
        attesters: Vec::new(),
        withheld,
        judged,
        described: described(&body, root.namespace(), judged.as_ref()),
    };
    let mut composition = writer.composition(node, &cover);
    if service == Some("A") {
        composition.meta.get_or_insert_default().tag.push(addition::tag(7309));
    }
    composition.text = Some(writer.summary(&cover, text::state(service)));
    let parts =
        text::Parts { requests: &requests, samples: &samples, attachments: &common.attachments, clinical };
    composition.section = writer.sections(parts, &cover, root, tree);
    let size = root.source().len();
    writer.seal(cover, Some(composition), size)
}

fn title(body: &Requisition<'_>) -> String {
    let discipline = body.discipline.as_ref().and_then(Code::code).and_then(|c| lists::list_text(8202, c));
    match discipline {
        Some(text) => format!("Rekvisisjon - {text}"),
        None => "Rekvisisjon".to_owned(),
    }
}

/// ServiceRequest.status by the change codes of the message, K(7309), and of the order, K(8270).
fn request_status(message: Option<&str>, order: Option<&str>) -> &'static str {
    match (message, order) {
        (Some("C"), _) | (_, Some("C")) => "revoked",
        (_, Some("H")) => "unknown",
        _ => "active",
    }
}

fn described(
    body: &Requisition<'_>,
    namespace: &str,
    judged: Option<&super::identifiers::Judged>,
) -> Described {
    let unit = |party: Option<&Party<'_>>| party?.institution.as_ref().and_then(Organisation::of);
    let series = body.id.as_ref().and_then(Words::id).map(str::to_owned);
    Described {
        family: Family::Requisition,
        namespace: namespace.to_owned(),
        orders: series.iter().cloned().collect(),
        series_id: series,
        patient: body.patient.as_ref().map(|p| p.who.described(judged)),
        authors: body.requester.as_ref().and_then(|p| Author::of(p, None)).into_iter().collect(),
        legal_authenticator: None,
        custodian: unit(body.requester.as_ref()),
        recipients: unit(body.provider.as_ref()).into_iter().collect(),
        discipline: body.discipline.as_ref().and_then(Code::code).map(str::to_owned),
        events: described::procedures(body.node.descendants()),
        attachments: Vec::new(),
    }
}

impl<'a, 't> Writer<'a, '_, 't, Requisition<'t>> {
    fn common(&mut self, author: Option<Uuid>, told: &Told) -> Common<'a> {
        let body = self.body;
        let responsible = body.patient.as_ref().and_then(|p| p.responsible.as_ref());
        let requester = responsible.and_then(|p| self.role(p, true)).or(author);
        let performer = body.provider.as_ref().and_then(|p| self.role(p, false));
        let mut reasons = Vec::new();
        for headed in &body.reasons {
            const TARGET: &str = "ServiceRequest.reasonCode";
            let mut concept = CodeableConcept::default();
            for code in headed.heading.iter().chain(&headed.codes) {
                code.mapped(&mut self.coverage, TARGET);
            }
            concept.coding.extend(headed.codes.iter().filter_map(|c| codes::coding(c, None, self.mode())));
            concept.text = headed.value.and_then(|node| self.plain_text(node, TARGET));
            if concept.text.is_some() || !concept.coding.is_empty() {
                reasons.push(concept);
            }
        }
        let mut notes = Vec::new();
        if let Some(words) = &body.comment {
            words.mapped(&mut self.coverage, "ServiceRequest.note");
            notes.push(Annotation { text: Cow::Borrowed(&*words.value) });
        }
        if let Some(code) = &body.report_priority {
            code.mapped(&mut self.coverage, "ServiceRequest.note");
            if let Some(words) = code.words() {
                let text = Cow::Owned(format!("Ønsket svarrapporteringsprioritet: {words}"));
                notes.push(Annotation { text });
            }
        }
        if let Some(code) = &body.ack {
            code.dropped(&mut self.coverage, "transport, not part of the record");
        }
        if let Some(code) = &body.service_type {
            code.mapped(&mut self.coverage, "ServiceRequest.status");
        }
        if let Some(code) = &body.discipline {
            code.mapped(&mut self.coverage, "ServiceRequest.category");
        }
        let attachments = self.attachments(&body.attachments);
        let authored = self.date_time(body.issued.as_ref(), "ServiceRequest.authoredOn", text::DOCUMENT);
        Common {
            on_each: body.repeated() <= REPEATED,
            requester,
            performer,
            reasons,
            diagnoses: told.diagnoses.iter().map(|(id, _)| *id).collect(),
            notes,
            attachments,
            authored,
        }
    }

    /// The requests and the specimens, each list in document order.
    fn requests(&mut self, common: &Common<'a>) -> (Vec<Uuid>, Vec<Uuid>) {
        let body = self.body;
        let (mut requests, mut samples) = (Vec::new(), Vec::new());
        for asked in &body.asked {
            let of_these: Vec<Uuid> = asked.samples.iter().map(|s| self.sample(s)).collect();
            if let Some(code) = &asked.service_type {
                code.mapped(&mut self.coverage, "ServiceRequest.status");
            }
            if asked.investigations.is_empty() {
                let id = self.id("ServiceRequest", asked.node, 1);
                let shares = common.on_each || requests.is_empty();
                self.request(id, common, shares, Some(asked), None, &of_these);
                requests.push(id);
            }
            for (n, investigation) in asked.investigations.iter().enumerate() {
                let id = self.id("ServiceRequest", investigation.node, 1);
                let shares = common.on_each || requests.is_empty();
                // Of specimens that are not repeated, the first request of their group still names all.
                let named = if common.on_each || n == 0 { of_these.as_slice() } else { &[] };
                self.request(id, common, shares, Some(asked), Some(investigation), named);
                requests.push(id);
            }
            samples.extend(of_these);
        }
        if requests.is_empty() {
            let id = self.id("ServiceRequest", body.node, 1);
            self.request(id, common, true, None, None, &[]);
            requests.push(id);
        }
        (requests, samples)
    }

    fn request(
        &mut self,
        id: Uuid,
        common: &Common<'a>,
        shares: bool,
        asked: Option<&'a Asked<'t>>,
        investigation: Option<&'a Investigation<'t>>,
        samples: &[Uuid],
    ) {
        let body = self.body;
        let mode = self.mode();
        let mut order_detail = Vec::new();
        let details = [
            (asked.filter(|_| shares).and_then(|a| a.purpose.as_ref()), Some(8248)),
            (asked.filter(|_| shares).and_then(|a| a.priority.as_ref()), None),
            (investigation.and_then(|i| i.priority.as_ref()), None),
        ];
        let specifications = investigation.map(|i| i.specifications.as_slice()).unwrap_or_default();
        let details = details.into_iter().filter_map(|(code, list)| Some((code?, list)));
        for (code, list) in details.chain(specifications.iter().map(|c| (c, None))) {
            code.mapped(&mut self.coverage, "ServiceRequest.orderDetail");
            order_detail.extend(codes::concept(code, list, mode));
        }
        let mut note = if shares { common.notes.clone() } else { Vec::new() };
        let of_all = asked.filter(|_| shares).and_then(|a| a.comment.as_ref());
        let own = [of_all, investigation.and_then(|i| i.comment.as_ref())];
        for words in own.into_iter().flatten() {
            words.mapped(&mut self.coverage, "ServiceRequest.note");
            note.push(Annotation { text: Cow::Borrowed(&*words.value) });
        }
        let requisition =
            self.number(body.id.as_ref(), "ServiceRequest.requisition", body.requester.as_ref());
        let identifier =
            self.number(body.by_provider.as_ref(), "ServiceRequest.identifier", body.provider.as_ref());
        let wanted = asked.and_then(|a| a.wanted.as_ref());
        let out = ServiceRequest {
            id: Some(id),
            identifier: identifier.into_iter().collect(),
            requisition,
            status: Some(request_status(body.service_code(), asked.and_then(Asked::service_code))),
            intent: Some("order"),
            category: body
                .discipline
                .iter()
                .filter(|_| shares)
                .filter_map(|c| codes::concept(c, Some(8202), mode))
                .collect(),
            code: Some(self.code_of(investigation)),
            order_detail,
            subject: self.subject,
            occurrence_date_time: self.date_time(wanted, "ServiceRequest.occurrenceDateTime", text::ASKED),
            authored_on: common.authored,
            requester: common.requester.map(Reference::to),
            performer: common.performer.map(Reference::to).into_iter().collect(),
            reason_code: if shares { common.reasons.clone() } else { Vec::new() },
            reason_reference: common
                .diagnoses
                .iter()
                .filter(|_| shares)
                .map(|id| Reference::to(*id))
                .collect(),
            supporting_info: common
                .attachments
                .iter()
                .filter(|_| shares)
                .map(|id| Reference::to(*id))
                .collect(),
            specimen: samples.iter().map(|id| Reference::to(*id)).collect(),
            note,
            ..ServiceRequest::default()
        };
        self.push(id, Resource::ServiceRequest(Box::new(out)));
    }

    /// All codings of what is asked for, and the first text of it.
    fn code_of(&mut self, investigation: Option<&'a Investigation<'t>>) -> CodeableConcept<'a> {
        let mut concept = CodeableConcept::default();
        for code in investigation.iter().flat_map(|i| &i.ids) {
            code.mapped(&mut self.coverage, "ServiceRequest.code");
            concept.coding.extend(codes::coding(code, None, self.mode()));
            if concept.text.is_none() {
                concept.text = code.words().map(Cow::Borrowed);
            }
        }
        if concept.coding.is_empty() && concept.text.is_none() {
            concept.text = Some(Cow::Borrowed("Rekvisisjon"));
        }
        concept
    }

    /// A number that one party gave: no system, but who gave it.
    fn number(
        &mut self,
        words: Option<&'a Words<'t>>,
        target: &'static str,
        by: Option<&'a Party<'t>>,
    ) -> Option<Identifier<'a>> {
        let words = words?;
        let value = words.id().filter(|v| v.len() <= LONGEST)?;
        words.mapped(&mut self.coverage, target);
        let assigner = by.and_then(Party::organisation_display);
        let assigner =
            assigner.map(|name| Box::new(Reference { display: Some(name), ..Reference::default() }));
        Some(Identifier { value: Some(Cow::Borrowed(value)), assigner, ..Identifier::default() })
    }

    fn sample(&mut self, sample: &'a Sample<'t>) -> Uuid {
        let body = self.body;
        let mode = self.mode();
        let id = self.id("Specimen", sample.node, 1);
        let requester =
            self.number(sample.by_requester.as_ref(), "Specimen.identifier", body.requester.as_ref());
        let provider =
            self.number(sample.by_provider.as_ref(), "Specimen.identifier", body.provider.as_ref());
        let mut kind = CodeableConcept::default();
        if let Some(code) = &sample.kind_coded {
            code.mapped(&mut self.coverage, "Specimen.type");
            kind = codes::concept(code, None, mode).unwrap_or_default();
        }
        if let Some(words) = &sample.kind {
            words.mapped(&mut self.coverage, "Specimen.type");
            kind.text = Some(Cow::Borrowed(&*words.value));
        }
        let collected =
            self.date_time(sample.collected.as_ref(), "Specimen.collection.collectedDateTime", text::SAMPLES);
        if let Some(words) = &sample.origin {
            words.mapped(&mut self.coverage, "Specimen.collection.bodySite");
        }
        if let Some(code) = &sample.procedure {
            code.mapped(&mut self.coverage, "Specimen.collection.method");
        }
        let collection = Collection {
            collected_date_time: collected,
            body_site: sample.origin.as_ref().map(|w| CodeableConcept::text(&*w.value)),
            method: sample.procedure.as_ref().and_then(|c| codes::concept(c, None, mode)),
            ..Collection::default()
        };
        let taken = collected.is_some() || collection.body_site.is_some() || collection.method.is_some();
        let mut note = Vec::new();
        if let Some(words) = &sample.comment {
            words.mapped(&mut self.coverage, "Specimen.note");
            note.push(Annotation { text: Cow::Borrowed(&*words.value) });
        }
        let out = Specimen {
            id: Some(id),
            identifier: requester.into_iter().chain(provider).collect(),
            kind: (kind.text.is_some() || !kind.coding.is_empty()).then_some(kind),
            subject: self.subject,
            collection: taken.then_some(collection),
            note,
            ..Specimen::default()
        };
        self.push(id, Resource::Specimen(Box::new(out)));
        id
    }
}
