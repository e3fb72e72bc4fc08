//! Henvisning 1.0, 1.1 and 2.0 as a document (document-sharing §6.1, §6.2).
//!
//! | source (`R` = `/Message/ServReq`, `H` = `Henvisning` under MsgHead) | target |
//! |---|---|
//! | `ServType` K(7309) | ServiceRequest.status (C revoked, else active); Composition.status |
//! | `R/Id`, `H/DocumentId` | ServiceRequest.requisition; the series |
//! | `IssueDate`, `ReqServ/ReqDate` | authoredOn; occurrenceDateTime |
//! | `R/MsgDescr`, `H/TypeInnhold` K(8455) | category; 11 (advice to the referrer): intent proposal |
//! | `ReqServ/Priority` K(8304) | priority, and the code in orderDetail |
//! | `ReqServ/Service`, `Purpose`, `Pakkeforlopskode` | code, performerType, locationCode, orderDetail |
//! | `ReasonAsText` PROB | reasonCode.text; the other headings a section each |
//! | `Diagnosis` | Condition, and reasonReference |
//! | `InfItem` | see [`super::clinical`] |
//! | `PatientPrecaution` | Flag |
//! | `PatRelHCP`, `AnsvarForRapport` HHE | requester and author; FLE and RoleToPatient 6: generalPractitioner |
//! | `R/Requester`, `Sender` | custodian; requester and author where no HHE is named |
//! | `R/ServProvider`, `Receiver` | performer |
//! | relatives | RelatedPerson |
//! | `Consent` K(9064) | Consent; 4, no consent, or not one of its codes: built and not published |
//! | `RefDoc`, attachments of MsgHead | DocumentReference and Binary, supportingInfo |
//! | `Booking` (1.0) | Appointment, proposed |
//! | payment, translators, care situation, assessment, plans, sent documents, copies | text |
//! | `ReqServ/ServType`, `Ack`, `ComMethod` | nothing: state of an order line, transport |
//!
//! **Who is who.** The requester sends a referral, the provider receives it; in Epikrise and Svarrapport it is
//! the other way round.

mod labels;
mod people;
mod priority;
mod read;
mod text;

use super::attachments::Room;
use super::bundle_text::BundleText;
use super::clinical::chapters::{Chapters, OTHERS, Slot, plain, slot, split};
use super::clinical::{self, Frame, SAFETY, Told};
use super::coverage::{Coverage, Outcome, Paths};
use super::described::{self, Author, Described, Organisation};
use super::fhir::{
    Annotation, CodeableConcept, Composition, Condition, Identifier, Reference, Resource, ServiceRequest,
};
use super::identifiers::Judged;
use super::identity::Ids;
use super::parties::Party;
use super::values::{Code, Sourced, Words};
use super::writer::{self, Cover, Writer};
use super::{Fault, Notes, Options, SharedDocument, Withheld, codes};
use crate::family::{Family, Version};
use crate::head::ServiceType;
use crate::xml::Tree;
pub(super) use read::Referral;
use std::borrow::Cow;
use uuid::Uuid;

const DIAGNOSES: &str = "Diagnoser";
const PROBLEM: &str = "Aktuell problemstilling";
const DRUGS: &str = "Legemidler";
const WANTED: &str = "Ønsket tjeneste";
const PATHWAY: &str = "Pakkeforløp";
const COMMENTS: &str = "Kommentarer";
const TRANSLATION: &str = "Assistert kommunikasjon";
const CARE: &str = "Omsorgssituasjon";
const PLAN: &str = "Individuell plan";
const CONSENT: &str = "Samtykke";
const PATIENT: &str = "Pasient og pårørende";
const CONTACTS: &str = "Kontakter";
const COPIES: &str = "Kopimottakere";
const ASSESSMENT: &str = "Rettighetsvurdering";
const SENT: &str = "Sendt dokument";
const ENCLOSED: &str = "Vedlegg";
const INFORMATION: &str = "Dokumentinformasjon";

/// The order of the sections (document-sharing §6.1).
const SLOTS: &[Slot] = &[
    slot(SAFETY, &[(8233, &["CAVE", "NB", "SM"]), (8234, &["SH"])]),
    slot(DIAGNOSES, &[(8233, &["H", "B"]), (8231, &["DIAG"]), (8234, &["DIAG"])]),
    slot(PROBLEM, &[(8231, &["PROB"])]),
    slot("Andre relevante tilstander", &[(8233, &["ART"])]),
    slot("Forventet utredning/behandling", &[(8231, &["UTRED"])]),
    split("Kliniske opplysninger", &[(8233, &["OPPL", "GOPL"])]),
    slot("Spesialistvurdering", &[(8231, &["SVU"])]),
    slot("Vurdering", &[(8231, &["VU"])]),
    split("Annen begrunnelse", &[(8231, &["BG", "BUP-BM", "BUP-HG", "KF", "MAAL", "MU", "RU"])]),
    slot("Sykehistorie", &[(8233, &["ANAM"])]),
    slot("Funn og undersøkelser", &[(8233, &["FUNN"]), (8231, &["FU", "UP"])]),
    slot("Prosedyrer", &[(8233, &["OPIN", "MPRS", "PRS", "TB", "GBEH", "US"])]),
    slot("Forløp og behandling", &[(8231, &["FO"])]),
    slot("Funksjonsnivå", &[(8231, &["HJ"])]),
    slot(DRUGS, &[(8233, &["MEDB"])]),
    slot("Familie/sosialt", &[(8231, &["FA"]), (8233, &["FA"])]),
    slot("Informasjon til pasient", &[(8231, &["IP"])]),
    slot("Sykmelding", &[(8233, &["SYKM"])]),
    split(OTHERS, &[]),
    plain(WANTED),
    plain(PATHWAY),
    slot(COMMENTS, &[(8234, &["ADM", "BUP-O", "BUP-S", "EHK", "TEL"])]),
    plain(TRANSLATION),
    plain(CARE),
    plain(PLAN),
    plain(CONSENT),
    plain(PATIENT),
    plain(CONTACTS),
    plain(COPIES),
    plain(ASSESSMENT),
    plain(SENT),
    plain(ENCLOSED),
    plain(INFORMATION),
];

/// Class and type, K(9602), of every referral.
const KINDS: [(&str, &str); 2] = [("I00-1", "Korrespondanse"), ("I01-2", "Henvisninger")];

/// Translates a referral.
pub(super) fn translate(
    text: &str,
    tree: &Tree,
    body: Referral<'_>,
    version: Version,
    options: &Options,
) -> Result<SharedDocument, Fault> {
    let root = tree.root().ok_or(Fault::NoTranslation)?;
    let held = body.items.len() + body.diagnoses.len() + body.relatives.len() + body.precautions.len();
    let held = held + body.related.len() + body.consents.len() + body.reasons.len() + body.comments.len();
    if held > options.max_resources {
        return Err(Fault::TooLarge { what: "resources", limit: options.max_resources });
    }
    Room::of(options).unpack(body.attachments(), options)?;

    let mut coverage = Coverage::new(root, root, true);
    let mut notes = Notes::new(text);
    let mut withheld = Vec::new();
    let msg_id = body.envelope().msg_key().ok_or(Fault::NoMessageId)?;
    let keys = writer::keys(
        "henvisning",
        body.sender().and_then(|p| p.institution.as_ref()),
        body.id.as_ref().and_then(Words::id),
        body.service(),
        &msg_id,
        options,
        &mut withheld,
    )?;
    let dates = [body.envelope().generated.as_ref(), body.issued.as_ref()];
    let generated = writer::generated(&dates, &mut notes)?;
    let judged = match body.who() {
        Some(who) => who.judge(options, &mut notes, &mut withheld),
        None => {
            withheld.push(Withheld::NoPatient);
            None
        }
    };
    withheld.extend(consent(&body.consents).or_else(|| body.head()?.consent()));

    let mut paths = Paths::default();
    let mut ids = Ids::new(&keys, &mut paths);
    let patient = body.who().map(|who| ids.make("Patient", who.node, 1, &mut coverage));
    let subject = body.who().map_or_else(Reference::no_patient, |who| who.subject(patient, judged.as_ref()));
    let mut writer = Writer {
        options,
        body: &body,
        envelope: body.envelope(),
        sender: body.sender(),
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
    writer.marks();
    writer.custodian();
    let frame =
        Frame { encounter: None, generated: generated.0, newer: version >= Version(2, 0), cancelled: false };
    let parts = writer.resources(patient, judged.as_ref(), &frame);
    let issued = body.issued.as_ref().and_then(super::values::When::dated);
    let cover = Cover {
        keys,
        service_type: body.service().map_or(ServiceType::Other, ServiceType::from_code),
        status: match body.service() {
            Some("C") => "entered-in-error",
            Some("M" | "E") => "amended",
            _ => "final",
        },
        title: title(&body),
        kinds: KINDS,
        generated,
        period: (issued.unwrap_or(generated.0), None),
        encounter: None,
        authors: parts.author.map(Reference::to).into_iter().collect(),
        attesters: parts.attesters.clone(),
        withheld,
        judged,
        described: described(&body, judged.as_ref()),
    };
    let mut composition: Composition<'_> = writer.composition(body.node, &cover);
    composition.text = Some(writer.summary(&cover, state(body.service())));
    composition.section = writer.sections(parts, &cover, tree);
    writer.seal(cover, Some(composition), root.source().len())
}

/// Why consent keeps a referral back. None is asked for; what is there must say that it was given, or that it need not be.
fn consent(consents: &[read::Consent<'_>]) -> Option<Withheld> {
    let codes = || consents.iter().map(|c| c.status.as_ref().and_then(Code::code));
    if codes().any(|code| code == Some("4")) {
        return Some(Withheld::NoConsent);
    }
    codes().any(|code| !matches!(code, Some("1" | "2" | "3"))).then_some(Withheld::ConsentUnclear)
}

/// What a change code says, in words.
fn state(service: Option<&str>) -> &'static str {
    match service {
        Some("C") => "Kansellert henvisning",
        Some("M" | "E") => "Endret henvisning",
        _ => "Ny henvisning",
    }
}

/// What a reader must know before all else.
fn changed(service: Option<&str>) -> Option<&'static str> {
    match service {
        Some("C") => Some("Henvisningen er kansellert: den er trukket tilbake."),
        Some("M" | "E") => Some("Henvisningen er endret."),
        _ => None,
    }
}

/// `Henvisning - Utredning/behandling`: never a word of the sender's.
fn title(body: &Referral<'_>) -> String {
    let category = body.category.as_ref().and_then(Code::code).and_then(|c| codes::list_text(8455, c));
    match category {
        Some(text) => format!("Henvisning - {text}"),
        None => "Henvisning".to_owned(),
    }
}

//= document-sharing §7.4
//# henvisning 1.x PatRelHCP[HHE], else Requester; henvisning 2.0 AnsvarForRapport[HHE], else Sender professional
fn described(body: &Referral<'_>, judged: Option<&Judged>) -> Described {
    let sender = body.sender();
    let author = body.referrer().and_then(|p| Author::of(p, sender));
    let author = author.or_else(|| sender.and_then(|p| Author::of(p, None)));
    let unit = |party: Option<&Party<'_>>| party?.institution.as_ref().and_then(Organisation::of);
    let id = body.id.as_ref().and_then(Words::id).map(str::to_owned);
    Described {
        family: Family::Referral,
        namespace: body.node.namespace().to_owned(),
        series_id: id.clone(),
        orders: id.into_iter().collect(),
        patient: body.who().map(|who| who.described(judged)),
        authors: author.into_iter().collect(),
        legal_authenticator: body.approver().and_then(|p| p.persons.first()).and_then(described::Person::of),
        custodian: unit(sender),
        recipients: unit(body.receiver()).into_iter().collect(),
        discipline: None,
        events: described::procedures(body.node.descendants()),
        attachments: Vec::new(),
    }
}

impl<'t> Referral<'t> {
    /// The health worker who refers (HHE).
    fn referrer(&self) -> Option<&Party<'t>> {
        let related = self.related.iter().find(|p| relation(p) == Some("HHE"));
        let responsible =
            self.responsible.iter().find(|r| r.relation.as_ref().and_then(Code::code) == Some("HHE"));
        related.or_else(|| responsible.and_then(|r| r.party.as_ref()))
    }

    /// Who approves or signs, where that is said (AUT, SLE).
    fn approver(&self) -> Option<&Party<'t>> {
        let approves = |code: Option<&str>| matches!(code, Some("AUT" | "SLE"));
        let related = self.related.iter().find(|p| approves(relation(p)));
        let responsible =
            self.responsible.iter().find(|r| approves(r.relation.as_ref().and_then(Code::code)));
        related.or_else(|| responsible.and_then(|r| r.party.as_ref()))
    }
}

/// The code of K(8254).
fn relation<'p>(party: &'p Party<'_>) -> Option<&'p str> {
    party.relation.as_ref().and_then(Code::code)
}

/// What the resources came to.
#[derive(Debug)]
struct Parts<'a> {
    patient: Option<Uuid>,
    request: Uuid,
    author: Option<Uuid>,
    attesters: Vec<super::fhir::Attester<'a>>,
    /// The texts that came with the clinical resources.
    chapters: Chapters<'a>,
    diagnoses: Vec<Uuid>,
    relatives: Vec<Uuid>,
    consents: Vec<Uuid>,
    bookings: Vec<Uuid>,
    attachments: Vec<Uuid>,
}

impl<'a, 't> Writer<'a, '_, 't, Referral<'t>> {
    fn marks(&mut self) {
        let body = self.body;
        self.envelope_marks((Outcome::Narrative, INFORMATION));
        if let Some(head) = body.head() {
            head.mark_cover(&mut self.coverage);
        }
        if let Some(code) = &body.ack {
            code.dropped(&mut self.coverage, "transport, not part of the record");
        }
        if let Some(code) = &body.service_type {
            code.mapped(&mut self.coverage, "ServiceRequest.status");
        }
        if let Some(code) = body.wanted.as_ref().and_then(|w| w.service_type.as_ref()) {
            code.dropped(&mut self.coverage, "state of an order line");
        }
    }

    fn resources(&mut self, patient: Option<Uuid>, judged: Option<&Judged>, frame: &Frame) -> Parts<'a> {
        let body = self.body;
        let mut chapters = Chapters::new(SLOTS);
        if let (Some(id), Some(who)) = (patient, body.who()) {
            let mut resource = self.patient(id, who, judged, [body.receiver(), body.sender()]);
            self.complete_patient(&mut resource);
            self.push(id, Resource::Patient(Box::new(resource)));
        }
        let request = self.id("ServiceRequest", body.node, 1);
        let place = self.entries.len();
        let author = body.referrer().and_then(|p| self.role(p, true));
        let author = author.or_else(|| body.sender().and_then(|p| self.role(p, true)));
        let attesters = self.attesters();
        if let Some(words) = changed(body.service()) {
            chapters.named(SAFETY).text().raw("<p><b>").text(words).raw("</b></p>");
        }
        self.precautions(&body.precautions, frame, &mut chapters);
        let diagnoses = self.diagnoses();
        let mut told = Told::default();
        self.inf_items(&body.items, frame, &mut chapters, &mut told);
        let relatives: Vec<Uuid> = body.relatives.iter().filter_map(|r| self.relative(r)).collect();
        let consents: Vec<Uuid> = body.consents.iter().map(|c| self.consent(c)).collect();
        let bookings: Vec<Uuid> = body.bookings.iter().filter_map(|b| self.booking(b)).collect();
        let attachments = self.attachments(body.attachments());
        let reasons = diagnoses.iter().copied().chain(told.diagnoses.iter().map(|(id, _)| *id));
        let supporting = attachments.iter().chain(&bookings);
        let mut out = ServiceRequest {
            id: Some(request),
            status: Some(if body.service() == Some("C") { "revoked" } else { "active" }),
            intent: Some("order"),
            subject: self.subject,
            requester: author.map(Reference::to),
            reason_reference: reasons.map(Reference::to).collect(),
            supporting_info: supporting.map(|id| Reference::to(*id)).collect(),
            ..ServiceRequest::default()
        };
        self.order(&mut out);
        let entry = super::fhir::Entry {
            full_url: super::fhir::Urn(request),
            resource: Resource::ServiceRequest(Box::new(out)),
        };
        self.entries.insert(place, entry);
        Parts {
            patient,
            request,
            author,
            attesters,
            chapters,
            diagnoses,
            relatives,
            consents,
            bookings,
            attachments,
        }
    }

    /// What is asked for, of whom, and why.
    fn order(&mut self, out: &mut ServiceRequest<'a>) {
        let body = self.body;
        let mode = self.mode();
        let note = |text: Cow<'a, str>| Annotation { text };
        if let Some(value) = body.id.as_ref().and_then(Words::id) {
            let assigner = body.sender().and_then(Party::organisation_display);
            out.requisition = Some(Identifier {
                value: Some(Cow::Borrowed(value)),
                assigner: assigner
                    .map(|name| Box::new(Reference { display: Some(name), ..Reference::default() })),
                ..Identifier::default()
            });
        }
        if let Some(id) = &body.id {
            match id.id() {
                Some(_) => id.mapped(&mut self.coverage, "ServiceRequest.requisition"),
                None => id.dropped(&mut self.coverage, "NULL: missing"),
            }
        }
        if let Some(course) = &body.course
            && let Some(value) = course.id()
        {
            course.mapped(&mut self.coverage, "ServiceRequest.identifier");
            let value = Some(Cow::Borrowed(value));
            out.identifier.push(Identifier { value, ..Identifier::default() });
        }
        out.authored_on = self.date_time(body.issued.as_ref(), "ServiceRequest.authoredOn", INFORMATION);
        if let Some(code) = &body.category {
            code.mapped(&mut self.coverage, "ServiceRequest.category");
            out.category.extend(codes::concept(code, Some(8455), mode));
            if code.code() == Some("11") {
                out.intent = Some("proposal");
            }
        }
        for words in body.comment.iter().chain(&body.category_note) {
            words.mapped(&mut self.coverage, "ServiceRequest.note");
            out.note.push(note(Cow::Borrowed(&*words.value)));
        }
        let receiver = body.receiver().and_then(|p| self.role(p, false));
        out.performer.extend(receiver.map(Reference::to));
        for party in body.related.iter().filter(|p| matches!(relation(p), Some("KHM" | "OEB" | "OES"))) {
            let mut text =
                party.relation.as_ref().and_then(|r| codes::words(r, 8254)).unwrap_or("").to_owned();
            text.push_str(": ");
            party.describe(&mut text);
            out.note.push(note(Cow::Owned(text)));
        }
        self.wanted(out);
        for reason in &body.reasons {
            let is_problem = reason.heading.as_ref().and_then(Code::code) == Some("PROB");
            if is_problem
                && let Some(text) =
                    reason.value.and_then(|v| self.plain_text(v, "ServiceRequest.reasonCode.text"))
            {
                out.reason_code.push(CodeableConcept { coding: Vec::new(), text: Some(text) });
            }
            for code in &reason.codes {
                code.mapped(&mut self.coverage, "ServiceRequest.reasonCode");
                out.reason_code.extend(codes::concept(code, None, mode));
            }
        }
        for comment in &body.comments {
            let text = comment.value.and_then(|v| self.plain_text(v, "ServiceRequest.note"));
            out.note.extend(text.map(note));
        }
        for (code, _) in &body.pathways {
            if let Some(code) = code {
                code.mapped(&mut self.coverage, "ServiceRequest.orderDetail");
                out.order_detail.extend(codes::concept(code, None, mode));
            }
        }
    }

    /// `ReqServ`
    fn wanted(&mut self, out: &mut ServiceRequest<'a>) {
        let mode = self.mode();
        let Some(wanted) = &self.body.wanted else {
            out.code = Some(CodeableConcept::text("Henvisning"));
            return;
        };
        let speciality = wanted.speciality.as_ref();
        out.code = wanted.service.as_ref().and_then(|c| codes::concept(c, None, mode)).or_else(|| {
            Some(match speciality.and_then(Code::words) {
                Some(words) => CodeableConcept::text(format!("Henvisning, {words}")),
                None => CodeableConcept::text("Henvisning"),
            })
        });
        if let Some(code) = &wanted.service {
            code.mapped(&mut self.coverage, "ServiceRequest.code");
        }
        if let Some(code) = speciality {
            code.mapped(&mut self.coverage, "ServiceRequest.performerType");
            out.performer_type = codes::concept(code, Some(8451), mode);
        }
        if let Some(code) = &wanted.admission {
            code.mapped(&mut self.coverage, "ServiceRequest.orderDetail");
            out.order_detail.extend(codes::concept(code, Some(8240), mode));
            out.location_code.extend(codes::words(code, 8240).map(CodeableConcept::text));
        }
        if let Some(code) = &wanted.purpose {
            code.mapped(&mut self.coverage, "ServiceRequest.orderDetail");
            out.order_detail.extend(codes::concept(code, Some(8248), mode));
        }
        if let Some(code) = &wanted.priority {
            code.mapped(&mut self.coverage, "ServiceRequest.priority");
            out.order_detail.extend(codes::concept(code, Some(8304), mode));
            out.priority = code.code().and_then(priority::of);
            if out.priority.is_none() {
                self.notes.add(code.node, super::NoteKind::UnknownCode);
            }
        }
        out.occurrence_date_time =
            self.date_time(wanted.date.as_ref(), "ServiceRequest.occurrenceDateTime", WANTED);
        if let Some(words) = &wanted.comment {
            words.mapped(&mut self.coverage, "ServiceRequest.note");
            out.note.push(Annotation { text: Cow::Borrowed(&*words.value) });
        }
    }

    /// `Diagnosis`: what the patient is referred for.
    fn diagnoses(&mut self) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for diagnosis in &self.body.diagnoses {
            let id = self.id("Condition", diagnosis.node, 1);
            let mut coded = self.coded(diagnosis, "Condition.code");
            if coded.code.coding.is_empty() && coded.code.text.is_none() {
                coded.code.text = Some(Cow::Borrowed("Ikke oppgitt"));
            }
            let out = Condition {
                id: Some(id),
                category: vec![clinical::condition_category("encounter-diagnosis")],
                code: Some(coded.code),
                body_site: coded.body_site,
                subject: self.subject,
                note: coded.note,
                ..Condition::default()
            };
            self.push(id, Resource::Condition(Box::new(out)));
            ids.push(id);
        }
        ids
    }
}
