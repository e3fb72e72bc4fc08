//! Epikrise 1.1 and 1.2 as a document (document-sharing §6.3).
//!
//! | source (`E` = `/Message/ServRprt`) | target |
//! |---|---|
//! | `ServType` K(7309), `Status` K(7306) | Composition.status; a warning in the text |
//! | `ServProvId` | the series |
//! | `MsgDescr` | end of Composition.title |
//! | `ApprDate`, `RelServProvider` AUT, SLE | Composition.attester |
//! | `RelServProvider` AHP, ALE | Composition.author; others: Encounter.participant |
//! | `ServProvider` | custodian, author where nobody else is named: the sender |
//! | `Requester` | text: the receiver |
//! | `ServReq` | ServiceRequest, completed; its diagnoses are its reasons only |
//! | `Event` | Encounter, partOf the event around it; an empty one is none |
//! | `Event/ReportedEvent`, `PlannedEvent` | period and status |
//! | `Event/Service` | class by `AdmCat` K(8240), type, serviceType |
//! | `Event/EventLocation` K(8251) | Location; 2 and 3: hospitalization.origin and destination |
//! | `Event/InfItem` | see [`super::clinical`]; diagnoses in Encounter.diagnosis |
//! | `Event/Comment` K(8311) | a section for each heading |
//! | `Patient`, `PatientPrecaution`, `PatientRelParty` | Patient, Flag, RelatedPerson |
//! | `RefDoc` | DocumentReference and Binary |
//! | plans, transport, copies, coded comments | text |
//! | `Priority`, `Ack`, `ComMethod`, `ServReq/ServType` | nothing: transport, state of an order line |
//!
//! The sender's own words end the title of the document; the title that is logged and put in metadata does
//! not have them.
//!
//! **Cancelled events** stay in the document, for it is part of what was said of them: their text is struck through
//! and said to be cancelled where it stands, behind all that is valid there; their resources are withdrawn
//! ([`super::clinical`]); their dates, categories and procedures count for nothing that is said of the whole. An
//! event inside one is cancelled too, unless it says otherwise.
//!
//! **Who is who.** The provider sends a summary; the requester is who once referred, and receives it.

mod encounters;
mod read;
mod text;

use super::attachments::Room;
use super::bundle_text::BundleText;
use super::clinical::chapters::{Chapters, OTHERS, Slot, plain, slot, split};
use super::clinical::{Frame, SAFETY, Told};
use super::coverage::{Coverage, Outcome, Paths};
use super::described::{self, Author, Described, Organisation, Person};
use super::fhir::{
    Annotation, Attester, CodeableConcept, Identifier, Reference, RelatedPerson, Resource, ServiceRequest,
};
use super::identifiers::Judged;
use super::identity::Ids;
use super::parties::Party;
use super::report::status;
use super::values::{Code, Sourced, When, Words};
use super::writer::{self, Cover, Writer};
use super::{Fault, Notes, Options, SharedDocument, Withheld, codes, parties};
use crate::family::{Family, Version};
use crate::head::ServiceType;
use crate::time::Stamp;
use crate::xml::Tree;
pub(super) use read::Discharge;
use read::{Relative, Request};
use std::borrow::Cow;
use uuid::Uuid;

const PLANS: &str = "Videre oppfølging";
const CODED: &str = "Kodede kommentarer";
const PATIENT: &str = "Pasient";
const CONTACTS: &str = "Kontakter";
const COPIES: &str = "Kopimottakere";
const EVENTS: &str = "Hendelser";
const REFERRAL: &str = "Opprinnelig henvisning";
const ENCLOSED: &str = "Vedlegg";
const INFORMATION: &str = "Dokumentinformasjon";

/// The order of the sections (document-sharing §6.3).
const SLOTS: &[Slot] = &[
    slot(SAFETY, &[(8233, &["CAVE", "NB", "SM"])]),
    slot("Diagnoser", &[(8233, &["H", "B"]), (8311, &["DIAG"])]),
    slot("Vurdering", &[(8311, &["VU"])]),
    slot(PLANS, &[(8311, &["OP"])]),
    slot("Forventet utredning", &[(8311, &["UTRED"])]),
    slot("Informasjon til pasient", &[(8311, &["IP"])]),
    slot("Årsak til innleggelse", &[(8311, &["AI", "ÅI"])]),
    slot("Årsak til henvisning", &[(8311, &["AH"])]),
    slot("Kliniske opplysninger", &[(8233, &["OPPL"])]),
    slot("Sykehistorie", &[(8311, &["TS"]), (8233, &["ANAM", "ART"])]),
    slot("Funn og undersøkelser", &[(8311, &["FU", "LR"]), (8233, &["FUNN"])]),
    slot("Forløp og behandling", &[(8311, &["FO", "PROB"])]),
    slot("Legemidler", &[(8311, &["ME"]), (8233, &["MEDB"])]),
    slot("Funksjonsnivå", &[(8311, &["HJ"])]),
    slot("Sykmelding", &[(8311, &["SY"]), (8233, &["SYKM"])]),
    slot("Prosedyrer", &[(8233, &["OPIN", "MPRS", "PRS", "TB", "GBEH", "US"])]),
    split("Andre kliniske opplysninger", &[(8233, &["SYMP", "PROG", "GOPL"])]),
    slot("Familie/sosialt", &[(8311, &["FA"]), (8233, &["FA"])]),
    slot("Ubesvarte prøver", &[(8311, &["UP"])]),
    slot("Tilbakemelding", &[(8311, &["TB"])]),
    slot("Begrunnelse", &[(8311, &["BG"])]),
    split(OTHERS, &[]),
    plain(CODED),
    plain(PATIENT),
    plain(CONTACTS),
    plain(COPIES),
    plain(EVENTS),
    plain(REFERRAL),
    plain(ENCLOSED),
    plain(INFORMATION),
];

/// A longer description is no title.
const TITLE: usize = 80;

/// Translates a discharge summary.
pub(super) fn translate(
    text: &str,
    tree: &Tree,
    body: Discharge<'_>,
    version: Version,
    options: &Options,
) -> Result<SharedDocument, Fault> {
    let root = tree.root().ok_or(Fault::NoTranslation)?;
    if body.size() > options.max_resources {
        return Err(Fault::TooLarge { what: "resources", limit: options.max_resources });
    }
    Room::of(options).unpack(&body.attachments, options)?;

    let mut coverage = Coverage::new(root, root, true);
    let mut notes = Notes::new(text);
    let mut withheld = Vec::new();
    let msg_id = body.envelope.msg_key().ok_or(Fault::NoMessageId)?;
    let service = body.service_type.as_ref().and_then(Code::code);
    let provider = body.provider.as_ref();
    let keys = writer::keys(
        "epikrise",
        provider.and_then(|p| p.institution.as_ref()),
        body.id.as_ref().and_then(Words::id),
        service,
        &msg_id,
        options,
        &mut withheld,
    )?;
    let dates = [&body.envelope.generated, &body.issued, &body.approved].map(Option::as_ref);
    let generated = writer::generated(&dates, &mut notes)?;
    let judged = match &body.patient {
        Some(who) => who.judge(options, &mut notes, &mut withheld),
        None => {
            withheld.push(Withheld::NoPatient);
            None
        }
    };

    let mut paths = Paths::default();
    let mut ids = Ids::new(&keys, &mut paths);
    let patient = body.patient.as_ref().map(|who| ids.make("Patient", who.node, 1, &mut coverage));
    let subject =
        body.patient.as_ref().map_or_else(Reference::no_patient, |who| who.subject(patient, judged.as_ref()));
    let mut writer = Writer {
        options,
        body: &body,
        envelope: &body.envelope,
        sender: provider,
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
    let newer = version >= Version(1, 2);
    let frame = Frame { encounter: None, generated: generated.0, newer, cancelled: false };
    let outpatient = body.is_outpatient();
    let parts = writer.resources(patient, judged.as_ref(), frame, outpatient);
    let code = body.status.as_ref().and_then(Code::code);
    let cover = Cover {
        keys,
        service_type: service.map_or(ServiceType::Other, ServiceType::from_code),
        status: status::of_composition(code, service),
        title: "Epikrise".to_owned(),
        kinds: [
            ("A00-1", "Epikriser og sammenfatninger"),
            if outpatient { ("A13-2", "Poliklinisk epikrise") } else { ("A03-2", "Epikrise") },
        ],
        generated,
        period: body.period(generated.0),
        encounter: parts.encounters.get(body.leading()).copied(),
        authors: parts.authors.iter().map(|id| Reference::to(*id)).collect(),
        attesters: parts.attesters.clone(),
        withheld,
        judged,
        described: described(&body, judged.as_ref()),
    };
    let mut composition = writer.composition(body.node, &cover);
    if let Some(words) = body.description.as_ref().filter(|w| w.value.chars().count() <= TITLE) {
        let line = words.value.split_whitespace().collect::<Vec<_>>().join(" ");
        composition.title = Some(Cow::Owned(format!("Epikrise - {line}")));
    }
    composition.text = Some(writer.summary(&cover, state(cover.status)));
    composition.section = writer.sections(parts, &cover, tree);
    writer.seal(cover, Some(composition), root.source().len())
}

/// A status in words.
fn state(status: &str) -> &'static str {
    match status {
        "entered-in-error" => "Kansellert epikrise",
        "amended" => "Endret epikrise",
        "preliminary" => "Foreløpig epikrise",
        _ => "Endelig epikrise",
    }
}

//= document-sharing §7.4
//# epikrise RelServProvider[AHP, ALE], else AUT/SLE, else ServProvider
fn described(body: &Discharge<'_>, judged: Option<&Judged>) -> Described {
    let provider = body.provider.as_ref();
    let of = |party: &&Party<'_>| Author::of(party, provider);
    let mut authors: Vec<Author> = body.authors().iter().filter_map(of).collect();
    if authors.is_empty() {
        authors.extend(body.approvers().iter().filter_map(of).take(1));
    }
    if authors.is_empty() {
        authors.extend(provider.and_then(|p| Author::of(p, None)));
    }
    let unit = |party: Option<&Party<'_>>| party?.institution.as_ref().and_then(Organisation::of);
    Described {
        family: Family::DischargeSummary,
        namespace: body.node.namespace().to_owned(),
        series_id: body.id.as_ref().and_then(Words::id).map(str::to_owned),
        orders: body.requests.iter().filter_map(|r| Some(r.id.as_ref()?.id()?.to_owned())).collect(),
        patient: body.patient.as_ref().map(|who| who.described(judged)),
        authors,
        legal_authenticator: body.approvers().first().and_then(|p| p.persons.first()).and_then(Person::of),
        custodian: unit(provider),
        recipients: unit(body.requester.as_ref()).into_iter().collect(),
        discipline: None,
        events: described::procedures(body.standing_nodes()),
        attachments: Vec::new(),
    }
}

/// The code of K(8254).
fn relation<'p>(party: &'p Party<'_>) -> Option<&'p str> {
    party.relation.as_ref().and_then(Code::code)
}

impl<'t> Discharge<'t> {
    /// Who answers for what was done (AHP, ALE).
    fn authors(&self) -> Vec<&Party<'t>> {
        self.responsible.iter().filter(|p| matches!(relation(p), Some("AHP" | "ALE"))).collect()
    }

    /// Who approves or signs (AUT, SLE).
    fn approvers(&self) -> Vec<&Party<'t>> {
        self.responsible.iter().filter(|p| matches!(relation(p), Some("AUT" | "SLE"))).collect()
    }

    /// True when every event that says so and stands was outpatient care or a consultation.
    fn is_outpatient(&self) -> bool {
        let mut categories =
            self.standing().filter_map(|e| e.admission.as_ref().and_then(Code::code)).peekable();
        categories.peek().is_some() && categories.all(|c| matches!(c, "3" | "5"))
    }

    //= document-sharing §7.6
    //# Epikrise: earliest ReportedEvent/StartDateTime, else IssueDate; latest EndDateTime
    fn period(&self, generated: Stamp) -> (Stamp, Option<Stamp>) {
        let told = self.standing().filter(|e| e.reported);
        let starts = told.clone().filter_map(|e| e.start.as_ref().and_then(When::dated));
        let ends = told.filter_map(|e| e.end.as_ref().and_then(When::dated));
        let issued = self.issued.as_ref().and_then(When::dated);
        (
            starts.min_by_key(Stamp::start_or_edge).or(issued).unwrap_or(generated),
            ends.max_by_key(Stamp::start_or_edge),
        )
    }

    fn size(&self) -> usize {
        let held =
            |e: &read::Event<'_>| 1 + e.items.len() + e.places.len() + e.parties.len() + e.comments.len();
        self.events.iter().map(held).sum::<usize>()
            + self.requests.len()
            + self.relatives.len()
            + self.precautions.len()
            + self.related.len()
            + self.responsible.len()
    }
}

/// What the resources came to.
#[derive(Debug)]
struct Parts<'a> {
    patient: Option<Uuid>,
    requests: Vec<Uuid>,
    encounters: Vec<Uuid>,
    authors: Vec<Uuid>,
    attesters: Vec<Attester<'a>>,
    /// The texts that came with the clinical resources.
    chapters: Chapters<'a>,
    /// Those of cancelled events.
    cancelled: Chapters<'a>,
    relatives: Vec<Uuid>,
    attachments: Vec<Uuid>,
}

impl<'a, 't> Writer<'a, '_, 't, Discharge<'t>> {
    fn marks(&mut self) {
        let body = self.body;
        self.envelope_marks((Outcome::Narrative, INFORMATION));
        for code in &body.transport {
            code.dropped(&mut self.coverage, "transport, not part of the record");
        }
        for code in body.service_type.iter().chain(&body.status) {
            code.mapped(&mut self.coverage, "Composition.status");
        }
        for code in body.requests.iter().filter_map(|r| r.service_type.as_ref()) {
            code.dropped(&mut self.coverage, "state of an order line");
        }
    }

    fn resources(
        &mut self,
        patient: Option<Uuid>,
        judged: Option<&Judged>,
        mut frame: Frame,
        outpatient: bool,
    ) -> Parts<'a> {
        let body = self.body;
        let mut chapters = Chapters::new(SLOTS);
        let mut cancelled = Chapters::new(SLOTS);
        match body.service_type.as_ref().and_then(Code::code) {
            Some("C") => {
                let text = "<p><b>Epikrisen er kansellert: den er trukket tilbake.</b></p>";
                chapters.named(SAFETY).text().raw(text);
            }
            Some("M" | "E") => {
                chapters.named(SAFETY).text().raw("<p><b>Epikrisen er endret.</b></p>");
            }
            Some(_) | None => {}
        }
        if let (Some(id), Some(who)) = (patient, &body.patient) {
            let parties = [body.provider.as_ref(), body.requester.as_ref()];
            let mut resource = self.patient(id, who, judged, parties);
            let doctors = body.related.iter().filter(|p| relation(p) == Some("FLE"));
            let doctors: Vec<Uuid> = doctors.filter_map(|p| self.role(p, false)).collect();
            resource.general_practitioner = doctors.into_iter().map(Reference::to).collect();
            self.push(id, Resource::Patient(Box::new(resource)));
        }
        let mut authors: Vec<Uuid> = body.authors().into_iter().filter_map(|p| self.role(p, true)).collect();
        let approvers: Vec<Uuid> = body.approvers().into_iter().filter_map(|p| self.role(p, true)).collect();
        if authors.is_empty() {
            authors.extend(approvers.first());
        }
        if authors.is_empty() {
            authors.extend(body.provider.as_ref().and_then(|p| self.role(p, true)));
        }
        authors.dedup();
        let time = self.date_time(body.approved.as_ref(), "Composition.attester.time", INFORMATION);
        let mut attesters: Vec<Attester<'a>> = approvers
            .iter()
            .map(|id| Attester { mode: "legal", time, party: Some(Reference::to(*id)) })
            .collect();
        if attesters.is_empty() && time.is_some() {
            attesters.push(Attester { mode: "legal", time, party: None });
        }

        self.precautions(&body.precautions, &frame, &mut chapters);
        let requests: Vec<Uuid> = body.requests.iter().map(|r| self.request(r)).collect();
        let encounters: Vec<Uuid> = body.events.iter().map(|e| self.id("Encounter", e.node, 1)).collect();
        let leading = body.leading();
        for (at, event) in body.events.iter().enumerate() {
            frame.encounter = encounters.get(at).copied();
            frame.cancelled = event.cancelled;
            let chapters = if event.cancelled { &mut cancelled } else { &mut chapters };
            let mut told = Told::default();
            let place = self.entries.len();
            self.inf_items(&event.items, &frame, chapters, &mut told);
            for comment in &event.comments {
                self.under_heading(comment, 8311, chapters);
            }
            if let Some(id) = frame.encounter {
                let within = event.within.and_then(|w| encounters.get(w)).copied();
                let around =
                    encounters::Around { id, within, requests: &requests, outpatient, first: at == leading };
                let encounter = self.encounter(event, &around, &told);
                let entry = super::fhir::Entry {
                    full_url: super::fhir::Urn(id),
                    resource: Resource::Encounter(Box::new(encounter)),
                };
                self.entries.insert(place, entry);
            }
        }
        let relatives: Vec<Uuid> = body.relatives.iter().map(|r| self.related_person(r)).collect();
        let attachments = self.attachments(&body.attachments);
        Parts {
            patient,
            requests,
            encounters,
            authors,
            attesters,
            chapters,
            cancelled,
            relatives,
            attachments,
        }
    }

    /// The referral that led to the stay. Its diagnoses are why it was made, not what was found.
    fn request(&mut self, request: &'a Request<'t>) -> Uuid {
        let id = self.id("ServiceRequest", request.node, 1);
        let mode = self.mode();
        let mut out = ServiceRequest {
            id: Some(id),
            status: Some("completed"),
            intent: Some("order"),
            subject: self.subject,
            ..ServiceRequest::default()
        };
        if let Some(words) = &request.id {
            match words.id() {
                Some(value) => {
                    words.mapped(&mut self.coverage, "ServiceRequest.identifier");
                    let value = Some(Cow::Borrowed(value));
                    out.identifier.push(Identifier { value, ..Identifier::default() });
                }
                None => words.dropped(&mut self.coverage, "NULL: missing"),
            }
        }
        if let Some(code) = &request.category {
            code.mapped(&mut self.coverage, "ServiceRequest.category");
            out.category.extend(codes::concept(code, Some(8455), mode));
        }
        out.code = Some(match &request.description {
            Some(words) => {
                words.mapped(&mut self.coverage, "ServiceRequest.code.text");
                CodeableConcept::text(&*words.value)
            }
            None => CodeableConcept::text("Henvisning"),
        });
        out.authored_on = self.date_time(request.issued.as_ref(), "ServiceRequest.authoredOn", REFERRAL);
        for reason in &request.reasons {
            if let Some(text) =
                reason.value.and_then(|v| self.plain_text(v, "ServiceRequest.reasonCode.text"))
            {
                out.reason_code.push(CodeableConcept { coding: Vec::new(), text: Some(text) });
            }
            for code in &reason.codes {
                code.mapped(&mut self.coverage, "ServiceRequest.reasonCode");
                out.reason_code.extend(codes::concept(code, None, mode));
            }
        }
        for diagnosis in &request.diagnoses {
            let coded = self.coded(diagnosis, "ServiceRequest.reasonCode");
            out.note.extend(coded.note);
            if !coded.code.coding.is_empty() || coded.code.text.is_some() {
                out.reason_code.push(coded.code);
            }
        }
        if let Some(comment) = &request.comment {
            comment.mapped(&mut self.coverage, "ServiceRequest.note");
            out.note.push(Annotation { text: Cow::Borrowed(&*comment.value) });
        }
        self.push(id, Resource::ServiceRequest(Box::new(out)));
        id
    }

    /// `PatientRelParty`
    fn related_person(&mut self, relative: &'a Relative<'t>) -> Uuid {
        let id = self.id("RelatedPerson", relative.node, 1);
        let mode = self.mode();
        let mut out = RelatedPerson { id: Some(id), patient: self.subject, ..RelatedPerson::default() };
        if let Some(code) = &relative.relation {
            code.mapped(&mut self.coverage, "RelatedPerson.relationship");
            out.relationship.extend(codes::concept(code, None, mode));
        }
        if let Some(words) = &relative.name {
            words.mapped(&mut self.coverage, "RelatedPerson.name");
            out.name.push(super::names::human_name(&words.value));
        }
        if let Some(words) = relative.id.as_ref().filter(|w| w.id().is_some()) {
            words.mapped(&mut self.coverage, "RelatedPerson.identifier");
            let value = words.id().map(Cow::Borrowed);
            out.identifier.push(Identifier { value, ..Identifier::default() });
        }
        if let Some(address) = &relative.address {
            for tele in &address.telecom {
                tele.mapped(&mut self.coverage, "RelatedPerson.telecom");
                out.telecom.push(parties::contact(tele));
            }
            if !address.is_telecom_only() {
                out.address.push(address.fhir(&mut self.coverage));
            }
        }
        self.push(id, Resource::RelatedPerson(Box::new(out)));
        id
    }
}
