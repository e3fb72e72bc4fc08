//! One Svarrapport as one document: the resources, and what binds them.
//!
//! The order of entries is fixed: Composition, Patient, DiagnosticReport, requests, specimens, results,
//! organisation, roles, attachments.

use super::attachments::Body;
use super::codes::{self, System};
use super::coverage::{Coverage, Outcome, Paths};
use super::fhir::{
    Annotation, Attachment, Attester, Binary, Bundle, CodeableConcept, Coding, Collection, Composition,
    Container, DateTime, DiagnosticReport, DocumentContent, DocumentReference, Entry, Event, Extension,
    ExtensionValue, Identifier, Meta, Organization, Patient, Period, PractitionerRole, Reference, RelatesTo,
    Resource, ServiceRequest, Specimen, Urn,
};
use super::identifiers::{self, TypedId};
use super::identity::{Format, Ids, Keys};
use super::links::Links;
use super::parties::{self, Party};
use super::read_report::{AnalysedSubject, Envelope, Headed, Report, Request, Subject};
use super::results::{Frame, Written};
use super::values::{Code, Sourced, When, Words};
use super::{Fault, Mode, NoteKind, Notes, Options, Publishable, SharedDocument, Withheld, status};
use crate::head::ServiceType;
use crate::time::{Precision, Stamp};
use crate::xml::{Node, Tree};
use smallvec::SmallVec;
use std::borrow::Cow;
use uuid::Uuid;

/// An extension of NILAR's profiles.
pub(super) fn nilar<'a>(id: &'static str, value: ExtensionValue<'a>) -> Extension<'a> {
    let url = match id {
        "nilar-accredited" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-accredited",
        "nilar-approval-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-approval-date",
        "nilar-comment" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-comment",
        "nilar-container-count" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-container-count",
        "nilar-counter-sign-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-counter-sign-date",
        "nilar-description-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-description-date",
        "nilar-diagnostic-report-ref" => {
            "http://nhn.no/fhir/nilar/StructureDefinition/nilar-diagnostic-report-ref"
        }
        "nilar-history" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-history",
        "nilar-inf-item" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item",
        "nilar-inf-item-coded-descr" => {
            "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item-coded-descr"
        }
        "nilar-inf-item-descr" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item-descr",
        "nilar-inf-item-end" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item-end",
        "nilar-inf-item-org-time" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item-org-time",
        "nilar-inf-item-start" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item-start",
        "nilar-inf-item-type" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item-type",
        "nilar-investigation-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-investigation-date",
        "nilar-logistics" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-logistics",
        "nilar-medical-validation-date" => {
            "http://nhn.no/fhir/nilar/StructureDefinition/nilar-medical-validation-date"
        }
        "nilar-payment-category" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-payment-category",
        "nilar-pretreatment" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-pretreatment",
        "nilar-receipt-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-receipt-date",
        "nilar-report-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-report-date",
        "nilar-reservation" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-reservation",
        "nilar-sample-handling" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-sample-handling",
        "nilar-specification" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-specification",
        "nilar-status-change-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-status-change-date",
        "nilar-study-product-ref" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-study-product-ref",
        "nilar-study-product-type" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-study-product-type",
        other => other,
    };
    Extension { url, value }
}

/// Carries what writing one document needs.
#[derive(Debug)]
pub(super) struct Writer<'a, 'p, 't> {
    pub options: &'a Options,
    pub report: &'a Report<'t>,
    pub envelope: &'a Envelope<'t>,
    /// Whom every resource is about.
    pub subject: Option<&'a Reference<'a>>,
    pub coverage: Coverage,
    pub ids: Ids<'p>,
    pub notes: Notes<'p>,
    pub entries: Vec<Entry<'a>>,
    /// Roles written so far, by what they say.
    roles: Vec<(Role<'a>, Uuid)>,
    /// Role resources, written behind the results.
    role_entries: Vec<Entry<'a>>,
    /// The sending legal unit.
    custodian: Option<Uuid>,
}

/// What makes two roles the same.
#[derive(Debug, PartialEq, Eq)]
struct Role<'a> {
    person: Option<Cow<'a, str>>,
    person_id: Option<&'a str>,
    organisation: Option<Cow<'a, str>>,
    organisation_id: Option<&'a str>,
    telecom: SmallVec<[&'a str; 2]>,
}

/// What one message gives to each of its reports.
#[derive(Debug)]
pub(super) struct Source<'s, 't> {
    pub text: &'s str,
    pub tree: &'t Tree,
    pub envelope: &'s Envelope<'t>,
    /// From 1.
    pub nth: usize,
}

/// Translates one report.
pub(super) fn translate(
    source: &Source<'_, '_>,
    node: Node<'_>,
    paths: &mut Paths,
    options: &Options,
) -> Result<SharedDocument, Fault> {
    let envelope = source.envelope;
    let report = Report::read(node);
    let items = report.about().map_or(0, |p| p.items.len() + p.subjects.len());
    if items + report.requests.len() > options.max_resources {
        return Err(Fault::TooLarge { what: "resources", limit: options.max_resources });
    }
    if report.attachments.iter().any(super::attachments::RefDoc::is_packed) && options.shares_attachments() {
        return Err(Fault::PackedAttachment);
    }

    let mut coverage = Coverage::new(node, envelope.node, source.nth == 1);
    let mut notes = Notes::new(source.text);
    let msg_id = message_key(envelope, source.nth)?;
    let mut withheld = Vec::new();
    let keys = keys(&report, &msg_id, options, &mut withheld)?;
    let (generated, issued) = generated(envelope, &report, &mut notes)?;
    let judged = judge_patient(&report, options, &mut notes, &mut withheld);

    let mut ids = Ids::new(&keys, paths);
    let patient = match &report.subject {
        Subject::Patient(p) if options.mode == Mode::Document => {
            Some(ids.make("Patient", p.node, 1, &mut coverage))
        }
        Subject::Patient(_) | Subject::NotAPerson(_) | Subject::Nobody => None,
    };
    let subject = subject(&report, patient, judged.as_ref());

    let mut writer = Writer {
        options,
        report: &report,
        envelope,
        subject: subject.as_ref(),
        coverage,
        ids,
        notes,
        entries: Vec::new(),
        roles: Vec::new(),
        role_entries: Vec::new(),
        custodian: None,
    };
    let parts = writer.resources(patient, judged.as_ref(), generated, issued);
    let composition = (options.mode == Mode::Document).then(|| writer.composition(&keys, &parts, source));
    let Writer { mut entries, role_entries, coverage, notes, .. } = writer;
    entries.extend(role_entries);
    if let Some((id, composition)) = composition {
        let entry = Entry { full_url: Urn(id), resource: Resource::Composition(Box::new(composition)) };
        entries.insert(0, entry);
    }

    let id = keys.document(Format::Fhir);
    let test = envelope.is_test();
    let bundle = Bundle {
        resource_type: "Bundle",
        id,
        meta: test.then(|| Meta { security: vec![test_label()], ..Meta::default() }),
        identifier: Identifier::urn(id),
        kind: if options.mode == Mode::Document { "document" } else { "collection" },
        timestamp: issued,
        entry: entries,
    };
    let mut json = Vec::with_capacity(node.source().len() * 4 + 4096);
    serde_json::to_writer(&mut json, &bundle).map_err(|_| Fault::NotWritten)?;

    Ok(SharedDocument {
        id,
        kith_xml: keys.document(Format::KithXml),
        series: keys.series(),
        service_type: report
            .service_type
            .as_ref()
            .and_then(Code::code)
            .map_or(ServiceType::Other, ServiceType::from_code),
        generated: generated.start().unwrap_or_default(),
        period: (parts.start, parts.stop),
        title: title(&report),
        class_code: parts.kinds[0].0,
        type_code: parts.kinds[1].0,
        publishable: if withheld.is_empty() { Publishable::Yes } else { Publishable::No(withheld) },
        test,
        synthetic_patient: judged.as_ref().is_some_and(|j| j.synthetic),
        json,
        coverage,
        notes: notes.into_list(),
        keys,
    })
}

/// The message id as keys use it, with `#n` for the second and later reports.
fn message_key(envelope: &Envelope<'_>, nth: usize) -> Result<String, Fault> {
    let id = envelope.msg_id.as_ref().and_then(Words::id).ok_or(Fault::NoMessageId)?;
    let id = super::identity::normal_id(id);
    Ok(if nth > 1 { format!("{id}#{nth}") } else { id })
}

//= document-sharing §2.1
//# senderOrg is ENH if present, else HER, else RSH, of the sending legal unit, never of a department.
fn keys(
    report: &Report<'_>,
    msg_id: &str,
    options: &Options,
    withheld: &mut Vec<Withheld>,
) -> Result<Keys, Fault> {
    let institution = report.provider.as_ref().and_then(|p| p.institution.as_ref());
    let named = |kind| institution.and_then(|unit| unit.id(kind)).map(str::trim);
    let sender = match (named("ENH"), named("HER"), named("RSH")) {
        (Some(enh), ..) => format!("ENH:{enh}"),
        (None, Some(her), _) => match options.organisations.get(her) {
            Some(org) => format!("ENH:{org}"),
            None => format!("HER:{her}"),
        },
        (None, None, Some(rsh)) => format!("RSH:{rsh}"),
        (None, None, None) => {
            withheld.push(Withheld::SenderUnknown);
            String::new()
        }
    };
    let series = match report.id.as_ref().and_then(Words::id) {
        Some(id) => id,
        // A change or withdrawal that does not say of what can be matched to nothing.
        None => match report.service_type.as_ref().and_then(Code::code) {
            Some("M" | "E" | "C") => return Err(Fault::NoDocumentId),
            _ => msg_id,
        },
    };
    Ok(Keys::new("svarrapport", &sender, series, msg_id))
}

/// When the version was made, as sent and as an instant.
fn generated(
    envelope: &Envelope<'_>,
    report: &Report<'_>,
    notes: &mut Notes<'_>,
) -> Result<(Stamp, DateTime), Fault> {
    let sources = [&envelope.generated, &report.issued, &report.approved];
    for (n, when) in sources.into_iter().enumerate() {
        let Some(when) = when else { continue };
        let Some(stamp) = when.dated() else {
            notes.add(when.node, NoteKind::NotATime);
            continue;
        };
        let Some((full, completed)) = stamp.complete() else { continue };
        let Some(issued) = DateTime::new(full) else { continue };
        if completed {
            notes.add(when.node, NoteKind::DateCompleted);
        }
        if n > 0 {
            notes.add(when.node, NoteKind::OtherDateUsed);
        }
        return Ok((stamp, issued));
    }
    Err(Fault::NoTime)
}

/// What the patient's official id says, and whether the document may be published.
fn judge_patient(
    report: &Report<'_>,
    options: &Options,
    notes: &mut Notes<'_>,
    withheld: &mut Vec<Withheld>,
) -> Option<identifiers::Judged> {
    let patient = match &report.subject {
        Subject::Patient(p) => p,
        Subject::NotAPerson(_) => {
            withheld.push(Withheld::NotAPerson);
            return None;
        }
        Subject::Nobody => {
            withheld.push(Withheld::NoPatient);
            return None;
        }
    };
    let official = patient.official.as_ref().and_then(|id| Some((id, id.kind()?, id.value()?)));
    let Some((id, kind, value)) = official else {
        withheld.push(Withheld::NoNationalId);
        return None;
    };
    let Some(judged) = identifiers::judge(kind, value) else {
        withheld.push(Withheld::NoNationalId);
        return None;
    };
    if judged.really_d_number {
        notes.add(id.id.node, NoteKind::DNumberAsNationalId);
    }
    if !judged.sound {
        notes.add(id.id.node, NoteKind::CheckDigits);
        withheld.push(Withheld::NationalIdUnsound);
    } else if kind == "DUF" && !options.publish_duf {
        withheld.push(Withheld::NoNationalId);
    }
    Some(judged)
}

/// Whom the resources are about, by reference and by what is known.
fn subject<'a>(
    report: &'a Report<'_>,
    patient: Option<Uuid>,
    judged: Option<&identifiers::Judged>,
) -> Option<Reference<'a>> {
    let about = report.about()?;
    let name = about.name.as_ref().map(|n| parties::short(&n.value));
    match &report.subject {
        Subject::Patient(p) => {
            let identifier = judged
                .zip(p.official.as_ref().and_then(TypedId::value))
                .map(|(judged, value)| Identifier::plain(judged.system, value));
            let display = name.map(|n| Cow::Owned(parties::spoken(n)));
            Some(Reference { reference: patient.map(Urn), identifier, display })
        }
        Subject::NotAPerson(p) => {
            let kind = if p.node.name() == "Animal" { "Dyr" } else { "Materiale" };
            let display = name.map_or(Cow::Borrowed(kind), |n| Cow::Owned(format!("{kind}: {n}")));
            Some(Reference { display: Some(display), ..Reference::default() })
        }
        Subject::Nobody => None,
    }
}

/// `Svarrapport - Medisinsk biokjemi`: never a word of the sender's.
fn title(report: &Report<'_>) -> String {
    let discipline = report.discipline.as_ref().and_then(Code::code).and_then(|c| codes::list_text(8202, c));
    match discipline {
        Some(text) => format!("Svarrapport - {text}"),
        None => "Svarrapport".to_owned(),
    }
}

fn test_label() -> Coding<'static> {
    let system = System::Uri("http://terminology.hl7.org/CodeSystem/v3-ActReason");
    Coding::fixed(system, "HTEST", Some("test health data"))
}

/// What the resources came to, for the Composition.
#[derive(Debug)]
pub(super) struct Parts {
    pub patient: Option<Uuid>,
    pub report: Uuid,
    pub requests: Vec<Uuid>,
    pub specimens: Vec<Uuid>,
    pub author: Option<Uuid>,
    pub attachments: Vec<Uuid>,
    pub written: Written,
    pub links: Links,
    pub status: &'static str,
    pub generated: Stamp,
    pub start: Stamp,
    pub stop: Stamp,
    /// Class and type.
    pub kinds: [(&'static str, &'static str); 2],
}

impl<'a, 't> Writer<'a, '_, 't> {
    pub(super) fn mode(&self) -> Mode {
        self.options.mode
    }

    pub(super) fn id(&mut self, kind: &str, node: Node<'_>, nth: u32) -> Uuid {
        self.ids.make(kind, node, nth, &mut self.coverage)
    }

    fn push(&mut self, id: Uuid, resource: Resource<'a>) {
        self.entries.push(Entry { full_url: Urn(id), resource });
    }

    fn resources(
        &mut self,
        patient: Option<Uuid>,
        judged: Option<&identifiers::Judged>,
        generated: Stamp,
        issued: DateTime,
    ) -> Parts {
        let report = self.report;
        let code = |c: &'a Option<Code<'t>>| c.as_ref().and_then(Code::code);
        let discipline = code(&report.discipline);
        self.envelope_marks();
        if let Some(id) = patient {
            self.patient(id, judged);
        }
        self.custodian();
        let report_id = self.id("DiagnosticReport", report.node, 1);
        let (status, known) = status::of_report(code(&report.status), code(&report.service_type));
        if !known {
            self.notes.add(report.node, NoteKind::UnknownStatus);
        }
        for code in report.status.iter().chain(&report.service_type) {
            code.mapped(&mut self.coverage, "DiagnosticReport.status");
        }
        let performer = self.performer();
        let requester = report.about().and_then(|p| p.responsible.as_ref()).or(report.requester.as_ref());
        let requester = requester.and_then(|p| self.role(p, false));

        // The report goes in front of what it points at; its place is kept.
        let place = self.entries.len();
        let requests: Vec<Uuid> =
            report.requests.iter().map(|r| self.request(r, requester, status::of_request(status))).collect();
        let subjects = report.about().map(|p| p.subjects.as_slice()).unwrap_or_default();
        let specimens: Vec<_> = subjects.iter().map(|s| self.specimen(s)).collect();

        let items = report.about().map(|p| p.items.as_slice()).unwrap_or_default();
        let links = Links::new(items, &mut self.notes);
        let fallback = report.issued.as_ref().and_then(When::dated).unwrap_or(generated);
        let frame = Frame {
            report: report_id,
            request: requests.first().copied(),
            performer,
            discipline,
            issued,
            fallback,
            specimens,
        };
        let written = self.observations(items, &links, &frame);
        let (oldest, newest) = span(&written.effective);
        let effective = oldest.unwrap_or(fallback);
        let specimen_ids: Vec<Uuid> = frame.specimens.iter().map(|(.., id)| *id).collect();

        let top = links.top.iter().zip(&written.ids).filter(|(top, _)| **top).map(|(_, id)| *id);
        let mut diagnostic = DiagnosticReport {
            id: Some(report_id),
            based_on: requests.first().map(|id| Reference::to(*id)).into_iter().collect(),
            status: Some(status),
            subject: self.subject,
            effective_date_time: DateTime::new(effective),
            issued: Some(issued),
            performer: performer.map(Reference::to).into_iter().collect(),
            specimen: specimen_ids.iter().map(|id| Reference::to(*id)).collect(),
            result: top.map(Reference::to).collect(),
            ..DiagnosticReport::default()
        };
        self.report_head(&mut diagnostic);
        let attachments = self.attachments(&mut diagnostic);
        let entry =
            Entry { full_url: Urn(report_id), resource: Resource::DiagnosticReport(Box::new(diagnostic)) };
        self.entries.insert(place, entry);

        Parts {
            patient,
            report: report_id,
            requests,
            specimens: specimen_ids,
            author: performer,
            attachments,
            written,
            links,
            status,
            generated,
            start: effective,
            stop: newest.unwrap_or(effective),
            kinds: status::document_type(discipline),
        }
    }

    fn envelope_marks(&mut self) {
        let envelope = self.envelope;
        const ENVELOPE: &str = "envelope: the namespace decides";
        if let Some(code) = &envelope.kind {
            code.dropped(&mut self.coverage, ENVELOPE);
        }
        for words in &envelope.version {
            words.dropped(&mut self.coverage, ENVELOPE);
        }
        if let Some(when) = &envelope.generated {
            when.mapped(&mut self.coverage, "Bundle.timestamp");
        }
        if let Some(words) = &envelope.msg_id {
            words.mapped(&mut self.coverage, "DiagnosticReport.identifier");
        }
        if let Some(code) = &envelope.status {
            if envelope.is_test() {
                code.mapped(&mut self.coverage, "Bundle.meta.security");
            } else {
                code.dropped(&mut self.coverage, "envelope: not a test");
            }
        }
        if let Some(code) = &self.report.ack {
            code.dropped(&mut self.coverage, "transport, not part of the record");
        }
    }

    fn patient(&mut self, id: Uuid, judged: Option<&identifiers::Judged>) {
        let Subject::Patient(p) = &self.report.subject else { return };
        let mut out = Patient {
            id: Some(id),
            meta: Some(profile("http://hl7.no/fhir/StructureDefinition/no-basis-Patient")),
            ..Patient::default()
        };
        let official = p.official.iter().zip(judged).filter_map(|(id, judged)| {
            let mut identifier = Identifier::plain(judged.system, id.value()?);
            identifier.used = Some("official");
            Some((id, identifier))
        });
        let official: Vec<_> = official.collect();
        let mode = self.mode();
        let provider =
            self.report.provider.as_ref().and_then(|p| p.institution.as_ref()).and_then(|u| u.display());
        let other =
            p.additional.iter().chain(p.official.iter().filter(|_| judged.is_none())).filter_map(|id| {
                Some((id, identifiers::identifier(id, identifiers::person_system, 8116, provider, mode)?))
            });
        for (id, identifier) in official.into_iter().chain(other) {
            parties::mapped_id(id, &mut self.coverage, "Patient.identifier");
            out.identifier.push(identifier);
        }
        for (words, party) in
            [(&p.by_provider, &self.report.provider), (&p.by_requester, &self.report.requester)]
        {
            let Some(words) = words else { continue };
            let Some(value) = words.id() else { continue };
            words.mapped(&mut self.coverage, "Patient.identifier");
            let assigner = party.as_ref().and_then(Party::organisation_display);
            out.identifier.push(Identifier {
                used: Some("secondary"),
                value: Some(Cow::Borrowed(value)),
                assigner: assigner
                    .map(|name| Box::new(Reference { display: Some(name), ..Reference::default() })),
                ..Identifier::default()
            });
        }
        if let Some(name) = &p.name {
            name.mapped(&mut self.coverage, "Patient.name");
            out.name.push(parties::human_name(&name.value));
        }
        if let Some(sex) = &p.sex {
            sex.mapped(&mut self.coverage, "Patient.gender");
            out.gender = match sex.code() {
                Some("1") => Some("male"),
                Some("2") => Some("female"),
                Some("9") => Some("other"),
                Some(_) => Some("unknown"),
                None => None,
            };
        }
        if let Some(born) = &p.born {
            match born.dated().and_then(day) {
                Some(date) => {
                    born.mapped(&mut self.coverage, "Patient.birthDate");
                    out.birth_date = Some(date);
                }
                None => self.notes.add(born.node, NoteKind::NotATime),
            }
        }
        if let Some(died) = &p.died {
            match died.dated().and_then(DateTime::new) {
                Some(date) => {
                    died.mapped(&mut self.coverage, "Patient.deceasedDateTime");
                    out.deceased_date_time = Some(date);
                }
                None => self.notes.add(died.node, NoteKind::NotATime),
            }
        }
        if let Some(address) = &p.address {
            for tele in &address.telecom {
                tele.mapped(&mut self.coverage, "Patient.telecom");
                out.telecom.push(parties::contact(tele));
            }
            if !address.is_telecom_only() {
                out.address.push(address.fhir(&mut self.coverage));
            }
        }
        self.push(id, Resource::Patient(Box::new(out)));
    }

    /// The sending legal unit.
    fn custodian(&mut self) {
        if self.mode() == Mode::Nilar {
            return;
        }
        let Some(party) = &self.report.provider else { return };
        let Some(unit) = &party.institution else { return };
        if unit.name.is_none() && unit.ids.is_empty() {
            return;
        }
        let id = self.id("Organization", unit.node, 1);
        let mode = self.mode();
        let has_number = unit.id("ENH").is_some();
        let mut out = Organization {
            id: Some(id),
            meta: Some(profile("http://hl7.no/fhir/StructureDefinition/no-basis-Organization")),
            ..Organization::default()
        };
        for typed in &unit.ids {
            let Some(mut identifier) =
                identifiers::identifier(typed, identifiers::organisation_system, 9051, unit.display(), mode)
            else {
                continue;
            };
            parties::mapped_id(typed, &mut self.coverage, "Organization.identifier");
            if has_number && typed.kind() == Some("HER") {
                identifier.used = Some("secondary");
            }
            out.identifier.push(identifier);
        }
        if let Some(name) = &unit.name {
            name.mapped(&mut self.coverage, "Organization.name");
            out.name = Some(Cow::Borrowed(&*name.value));
        }
        self.role_entries.push(Entry { full_url: Urn(id), resource: Resource::Organization(Box::new(out)) });
        self.custodian = Some(id);
    }

    /// `RelServProv`, else `ServProvider`.
    fn performer(&mut self) -> Option<Uuid> {
        let related = self.report.related.as_ref().and_then(|p| self.role(p, true));
        let provider = match related {
            Some(_) => None,
            None => self.report.provider.as_ref().and_then(|p| self.role(p, true)),
        };
        related.or(provider)
    }

    /// A PractitionerRole, or the one that says the same already. A performer without an organisation of its
    /// own works for the sender. None if nobody is named.
    pub(super) fn role(&mut self, party: &'a Party<'t>, performs: bool) -> Option<Uuid> {
        let person = party.person_display();
        let person_id = party.person_id();
        let mut organisation = party.organisation_display();
        let mut organisation_id = party.organisation_id();
        if person.is_none() && person_id.is_none() && organisation.is_none() && organisation_id.is_none() {
            return None;
        }
        party.mapped(&mut self.coverage);
        let provider = self.report.provider.as_ref();
        let mut of_sender = provider.is_some_and(|p| p.node == party.node);
        if performs && organisation.is_none() && organisation_id.is_none() {
            organisation = provider.and_then(Party::organisation_display);
            organisation_id = provider.and_then(Party::organisation_id);
            of_sender = organisation.is_some() || organisation_id.is_some();
        }
        let telecom = party.address.iter().flat_map(|a| &a.telecom);
        let role = Role {
            person: person.clone(),
            person_id: person_id.and_then(|(_, id)| id.value()),
            organisation: organisation.clone(),
            organisation_id: organisation_id.and_then(|(_, id)| id.value()),
            telecom: telecom.clone().map(|t| &*t.value).collect(),
        };
        // Reports name a handful of people; what names hundreds is not worth comparing.
        if let Some((_, id)) = self.roles.iter().take(200).find(|(known, _)| *known == role) {
            return Some(*id);
        }
        let id = self.id("PractitionerRole", party.node, 1);
        self.roles.push((role, id));
        let reference = |id: Option<(&'static str, &'a TypedId<'t>)>, display: Option<Cow<'a, str>>| {
            let identifier = id.and_then(|(system, id)| Some(Identifier::plain(system, id.value()?)));
            if identifier.is_none() && display.is_none() {
                return None;
            }
            Some(Reference { reference: None, identifier, display })
        };
        let mut organization = reference(organisation_id, organisation);
        if let (true, Some(organization), Some(custodian)) = (of_sender, &mut organization, self.custodian) {
            organization.reference = Some(Urn(custodian));
        }
        let mode = self.mode();
        let out = PractitionerRole {
            id: Some(id),
            practitioner: reference(person_id, person),
            organization,
            specialty: party.speciality.iter().filter_map(|c| codes::concept(c, Some(8451), mode)).collect(),
            telecom: telecom.map(parties::contact).collect(),
            ..PractitionerRole::default()
        };
        self.role_entries
            .push(Entry { full_url: Urn(id), resource: Resource::PractitionerRole(Box::new(out)) });
        Some(id)
    }

    /// What the report says of itself, and its comments.
    fn report_head(&mut self, out: &mut DiagnosticReport<'a>) {
        let report = self.report;
        let mode = self.mode();
        for (url, when) in [("nilar-report-date", &report.issued), ("nilar-approval-date", &report.approved)]
        {
            if let Some(when) = when {
                let extension = self.date_extension(url, when);
                out.extension.extend(extension);
            }
        }
        if let Some(comment) = &report.comment {
            comment.mapped(&mut self.coverage, "DiagnosticReport.extension(nilar-comment)");
            out.extension.push(comment_text(&comment.value));
        }
        for code in &report.coded_comments {
            code.mapped(&mut self.coverage, "DiagnosticReport.extension(nilar-comment)");
            out.extension.extend(codes::concept(code, None, mode).map(comment_concept));
        }
        let information = report.about().map(|p| p.information.as_slice()).unwrap_or_default();
        for item in information {
            let extension = self.information(item);
            out.extension.push(extension);
        }
        if let Some(id) = report.id.as_ref() {
            match id.id() {
                Some(value) => {
                    id.mapped(&mut self.coverage, "DiagnosticReport.identifier");
                    let mut identifier = Identifier::plain("ServReportId", value);
                    identifier.used = Some("usual");
                    out.identifier.push(identifier);
                }
                None => id.dropped(&mut self.coverage, "NULL: missing"),
            }
        }
        if let Some(value) = self.envelope.msg_id.as_ref().and_then(Words::id) {
            let mut identifier = Identifier::plain("MsgId", value);
            identifier.used = Some("secondary");
            out.identifier.push(identifier);
        }
        let discipline = report.discipline.as_ref();
        let (area, known) = status::main_discipline(discipline.and_then(Code::code).unwrap_or_default());
        if !known {
            self.notes.add(discipline.map_or(report.node, |c| c.node), NoteKind::UnknownCode);
        }
        let area = Coding::fixed(System::list(8202, mode), area, codes::list_text(8202, area));
        out.category.push(CodeableConcept::of(area));
        if let Some(code) = discipline {
            code.mapped(&mut self.coverage, "DiagnosticReport.code");
        }
        let mut code = discipline.and_then(|c| codes::concept(c, Some(8202), mode)).unwrap_or_default();
        if code.coding.is_empty() && code.text.is_none() {
            code.text = Some(Cow::Borrowed("Svarrapport"));
        } else if !code.coding.is_empty() {
            code.text = None;
        }
        out.code = Some(code);
    }

    fn information(&mut self, item: &'a super::read_report::Information<'t>) -> Extension<'a> {
        let mode = self.mode();
        const TARGET: &str = "DiagnosticReport.extension(nilar-inf-item)";
        let mut inner = Vec::new();
        let kind = item.kind.as_ref().and_then(|k| codes::concept(k, Some(8233), mode));
        if let Some(code) = &item.kind {
            code.mapped(&mut self.coverage, TARGET);
        }
        let kind = kind.unwrap_or_else(|| CodeableConcept::text("Klinisk opplysning"));
        inner.push(nilar("nilar-inf-item-type", ExtensionValue::CodeableConcept(kind)));
        if let Some(text) = item.description.and_then(|node| self.plain_text(node, TARGET)) {
            inner.push(nilar("nilar-inf-item-descr", ExtensionValue::String(text)));
        }
        if let Some(comment) = &item.comment {
            comment.mapped(&mut self.coverage, TARGET);
            inner.push(comment_text(&comment.value));
        }
        if let Some(code) = &item.coded {
            code.mapped(&mut self.coverage, TARGET);
            inner.extend(
                codes::concept(code, None, mode)
                    .map(|c| nilar("nilar-inf-item-coded-descr", ExtensionValue::CodeableConcept(c))),
            );
        }
        for (url, when) in [
            ("nilar-inf-item-start", &item.start),
            ("nilar-inf-item-end", &item.end),
            ("nilar-inf-item-org-time", &item.original),
        ] {
            if let Some(when) = when {
                inner.extend(self.date_extension(url, when));
            }
        }
        nilar("nilar-inf-item", ExtensionValue::Extensions(inner))
    }

    fn request(&mut self, request: &'a Request<'t>, requester: Option<Uuid>, status: &'static str) -> Uuid {
        let id = self.id("ServiceRequest", request.node, 1);
        let mode = self.mode();
        let mut out = ServiceRequest {
            id: Some(id),
            status: Some(status),
            intent: Some("order"),
            subject: self.subject,
            requester: requester.map(Reference::to),
            ..ServiceRequest::default()
        };
        for (system, words) in [("ServReqId", &request.id), ("ServReqIdByServProvider", &request.by_provider)]
        {
            let Some(words) = words else { continue };
            match words.id() {
                Some(value) => {
                    words.mapped(&mut self.coverage, "ServiceRequest.identifier");
                    out.identifier.push(Identifier::plain(system, value));
                }
                None => words.dropped(&mut self.coverage, "NULL: missing"),
            }
        }
        if let Some(when) = &request.issued {
            match when.dated().and_then(DateTime::new) {
                Some(date) => {
                    when.mapped(&mut self.coverage, "ServiceRequest.authoredOn");
                    out.authored_on = Some(date);
                }
                None => self.notes.add(when.node, NoteKind::NotATime),
            }
        }
        if let Some(when) = &request.received {
            out.extension.extend(self.date_extension("nilar-receipt-date", when));
        }
        if let Some(code) = &request.payment {
            code.mapped(&mut self.coverage, "ServiceRequest.extension(nilar-payment-category)");
            out.extension.extend(
                codes::concept(code, Some(4101), mode)
                    .map(|c| nilar("nilar-payment-category", ExtensionValue::CodeableConcept(c))),
            );
        }
        for code in &request.reservations {
            code.mapped(&mut self.coverage, "ServiceRequest.extension(nilar-reservation)");
            out.extension.extend(
                codes::concept(code, Some(3108), mode)
                    .map(|c| nilar("nilar-reservation", ExtensionValue::CodeableConcept(c))),
            );
        }
        for headed in &request.comments {
            let concept = self.headed(headed, 8234, true, "ServiceRequest.extension(nilar-comment)");
            out.extension.extend(concept.map(comment_concept));
        }
        for headed in &request.reasons {
            out.reason_code.extend(self.headed(headed, 8231, false, "ServiceRequest.reasonCode"));
        }
        if let Some(comment) = &request.comment {
            comment.mapped(&mut self.coverage, "ServiceRequest.note");
            out.note
                .push(Annotation { text: Cow::Owned(format!("Rekvirentens kommentar: {}", comment.value)) });
        }
        if let Some(priority) = &request.priority {
            priority.mapped(&mut self.coverage, "ServiceRequest.note");
            if let Some(words) = priority.words() {
                out.note.push(Annotation {
                    text: Cow::Owned(format!("Ønsket svarrapporteringsprioritet: {words}")),
                });
            }
        }
        for code in &request.unused {
            code.dropped(&mut self.coverage, "not mapped for an order behind a report");
        }
        self.push(id, Resource::ServiceRequest(Box::new(out)));
        id
    }

    /// Heading and text as one concept, with the text's own code where the table wants it.
    fn headed(
        &mut self,
        headed: &'a Headed<'t>,
        list: u16,
        with_codes: bool,
        target: &'static str,
    ) -> Option<CodeableConcept<'a>> {
        let mode = self.mode();
        let mut concept = CodeableConcept::default();
        if let Some(heading) = &headed.heading {
            heading.mapped(&mut self.coverage, target);
            concept.coding.extend(codes::coding(heading, Some(list), mode));
        }
        if with_codes {
            for code in &headed.codes {
                code.mapped(&mut self.coverage, target);
                concept.coding.extend(codes::coding(code, Some(8274), mode));
            }
        }
        concept.text = headed.value.and_then(|node| self.plain_text(node, target));
        (!concept.coding.is_empty() || concept.text.is_some()).then_some(concept)
    }

    fn specimen(&mut self, subject: &'a AnalysedSubject<'t>) -> (Option<&'a str>, Option<Stamp>, Uuid) {
        let id = self.id("Specimen", subject.node, 1);
        let mode = self.mode();
        let mut out = Specimen { id: Some(id), subject: self.subject, ..Specimen::default() };
        let sample = subject.by_provider.as_ref().and_then(Words::id);
        for (system, words) in [
            ("AnalysedSubjectId", &subject.by_provider),
            ("AnalysedSubjectIdByRequester", &subject.by_requester),
        ] {
            let Some(words) = words else { continue };
            match words.id() {
                Some(value) => {
                    words.mapped(&mut self.coverage, "Specimen.identifier");
                    out.identifier.push(Identifier::plain(system, value));
                }
                None => words.dropped(&mut self.coverage, "NULL: missing"),
            }
        }
        out.accession_identifier = sample.map(|value| Identifier::plain("AnalysedSubjectId", value));
        let mut kind = CodeableConcept::default();
        if let Some(code) = &subject.kind_coded {
            code.mapped(&mut self.coverage, "Specimen.type");
            kind = codes::concept(code, None, mode).unwrap_or_default();
            if !kind.coding.is_empty() {
                kind.text = None;
            }
        }
        if let Some(words) = &subject.kind {
            words.mapped(&mut self.coverage, "Specimen.type");
            kind.text = Some(Cow::Borrowed(&*words.value));
        }
        out.kind = (kind.text.is_some() || !kind.coding.is_empty()).then_some(kind);
        self.specimen_extensions(subject, &mut out);
        if let Some(comment) = &subject.comment {
            comment.mapped(&mut self.coverage, "Specimen.note");
            out.note.push(Annotation { text: Cow::Borrowed(&*comment.value) });
        }
        if let Some(material) = &subject.preservative {
            material.mapped(&mut self.coverage, "Specimen.container.additiveCodeableConcept");
            let additive_codeable_concept = Some(CodeableConcept::text(&*material.value));
            out.container.push(Container { additive_codeable_concept });
        }
        for code in &subject.unused {
            code.dropped(&mut self.coverage, "not mapped for a specimen");
        }
        let taken = subject.collected.as_ref().and_then(When::dated);
        out.collection = Some(self.collection(subject));
        self.push(id, Resource::Specimen(Box::new(out)));
        (sample, taken, id)
    }

    fn specimen_extensions(&mut self, subject: &'a AnalysedSubject<'t>, out: &mut Specimen<'a>) {
        if let Some(number) = &subject.number {
            match number.value.parse() {
                Ok(count) => {
                    number.mapped(&mut self.coverage, "Specimen.extension(nilar-container-count)");
                    out.extension.push(nilar("nilar-container-count", ExtensionValue::Integer(count)));
                }
                Err(_) => self.notes.add(number.node, NoteKind::NotANumber),
            }
        }
        for words in &subject.handling {
            words.mapped(&mut self.coverage, "Specimen.extension(nilar-sample-handling)");
            let text = ExtensionValue::String(Cow::Borrowed(&*words.value));
            out.extension.push(nilar("nilar-sample-handling", text));
        }
        if let Some(flag) = &subject.accredited {
            flag.mapped(&mut self.coverage, "Specimen.extension(nilar-accredited)");
            out.extension.push(nilar("nilar-accredited", ExtensionValue::Boolean(flag.value)));
        }
        if let Some(headed) = &subject.pretreatment {
            let concept = self.headed(headed, 8232, false, "Specimen.extension(nilar-pretreatment)");
            out.extension
                .extend(concept.map(|c| nilar("nilar-pretreatment", ExtensionValue::CodeableConcept(c))));
        }
    }

    fn collection(&mut self, subject: &'a AnalysedSubject<'t>) -> Collection<'a> {
        let mode = self.mode();
        let mut out = Collection::default();
        if let Some(when) = &subject.collected {
            match when.dated().and_then(DateTime::new) {
                Some(date) => {
                    when.mapped(&mut self.coverage, "Specimen.collection.collectedDateTime");
                    out.collected_date_time = Some(date);
                }
                None => self.notes.add(when.node, NoteKind::NotATime),
            }
        }
        if out.collected_date_time.is_none() {
            let url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
            out.collected_absent = Some(super::fhir::Absent {
                extension: vec![Extension { url, value: ExtensionValue::Code("unknown") }],
            });
        }
        for (url, words) in [
            ("nilar-logistics", &subject.logistics),
            ("nilar-study-product-type", &subject.product_kind),
            ("nilar-study-product-ref", &subject.product_reference),
        ] {
            if let Some(words) = words {
                words.mapped(&mut self.coverage, "Specimen.collection.extension");
                out.extension.push(nilar(url, ExtensionValue::String(Cow::Borrowed(&*words.value))));
            }
        }
        if let Some(words) = &subject.collector_comment {
            words.mapped(&mut self.coverage, "Specimen.collection.extension(nilar-comment)");
            out.extension.push(comment_text(&words.value));
        }
        for code in &subject.collector_codes {
            code.mapped(&mut self.coverage, "Specimen.collection.extension(nilar-comment)");
            out.extension.extend(codes::concept(code, Some(8275), mode).map(comment_concept));
        }
        if let Some(words) = &subject.origin {
            words.mapped(&mut self.coverage, "Specimen.collection.bodySite.text");
            out.body_site = Some(CodeableConcept::text(&*words.value));
        }
        if let Some(code) = &subject.procedure {
            code.mapped(&mut self.coverage, "Specimen.collection.method");
            out.method = codes::concept(code, None, mode);
        }
        out.collector = subject.collector.as_ref().and_then(|p| self.role(p, false)).map(Reference::to);
        out
    }

    /// Cards and bytes of what came along; or, where it is not shared, a word about it.
    fn attachments(&mut self, diagnostic: &mut DiagnosticReport<'a>) -> Vec<Uuid> {
        let mut written = Vec::new();
        if self.report.attachments.is_empty() {
            return written;
        }
        if !self.options.shares_attachments() {
            const NOT_SHARED: &str = "attachments are not shared (setting)";
            for attachment in &self.report.attachments {
                attachment.mark(Outcome::Dropped, NOT_SHARED, &mut self.coverage);
            }
            diagnostic.extension.push(comment_text("Et vedlegg i meldingen er utelatt."));
            return written;
        }
        for attachment in &self.report.attachments {
            let body = attachment.body(self.options.max_attachment_bytes);
            if let Body::None(reason) = body {
                attachment.mark(Outcome::Narrative, "Vedlegg", &mut self.coverage);
                if let Some(content) = attachment.content {
                    self.coverage.mark_all(content, Outcome::Narrative, reason);
                }
                self.notes.add(attachment.node, NoteKind::AttachmentNotShown);
                continue;
            }
            attachment.mark(Outcome::Mapped, "DocumentReference", &mut self.coverage);
            let id = self.id("DocumentReference", attachment.node, 1);
            let mut card = Attachment {
                title: attachment.description.as_ref().map(|w| Cow::Borrowed(&*w.value)),
                creation: attachment.issued.as_ref().and_then(When::dated).and_then(DateTime::new),
                ..Attachment::default()
            };
            let mut binary = None;
            match body {
                Body::Bytes { base64, size, hash, mime, other_than_said } => {
                    if other_than_said {
                        self.notes.add(attachment.node, NoteKind::OtherMimeType);
                    }
                    let binary_id = self.id("Binary", attachment.node, 1);
                    card.content_type = Some(mime.clone());
                    card.url = Some(Cow::Owned(binary_id.urn().to_string()));
                    card.size = u32::try_from(size).ok();
                    card.hash = Some(hash);
                    binary =
                        Some(Binary { id: Some(binary_id), content_type: Some(mime), data: Some(base64) });
                }
                Body::Reference => {
                    card.content_type = attachment.mime_type.as_ref().map(|w| Cow::Borrowed(&*w.value));
                    card.url = attachment.file.as_ref().map(|w| Cow::Borrowed(&*w.value));
                }
                Body::None(_) => {}
            }
            let identifier = attachment
                .id
                .as_ref()
                .and_then(Words::id)
                .map(|value| Identifier { value: Some(Cow::Borrowed(value)), ..Identifier::default() });
            let reference = DocumentReference {
                id: Some(id),
                identifier: identifier.into_iter().collect(),
                status: Some("current"),
                subject: self.subject,
                description: card.title.clone(),
                content: vec![DocumentContent { attachment: card }],
            };
            written.push(id);
            self.role_entries.push(Entry {
                full_url: Urn(id),
                resource: Resource::DocumentReference(Box::new(reference)),
            });
            if let Some(binary) = binary
                && let Some(id) = binary.id
            {
                self.role_entries
                    .push(Entry { full_url: Urn(id), resource: Resource::Binary(Box::new(binary)) });
            }
        }
        written
    }

    fn composition(
        &mut self,
        keys: &Keys,
        parts: &Parts,
        source: &Source<'_, '_>,
    ) -> (Uuid, Composition<'a>) {
        let report = self.report;
        let id = self.id("Composition", report.node, 1);
        let code = |c: &'a Option<Code<'t>>| c.as_ref().and_then(Code::code);
        let title = title(report);
        let kind = |(code, display): (&'static str, &'static str)| {
            CodeableConcept::of(Coding::fixed(System::List(9602), code, Some(display)))
        };
        let [class, typed] = parts.kinds;
        let mut out = Composition {
            id: Some(id),
            meta: Some(profile("http://hl7.no/fhir/StructureDefinition/no-basis-Composition")),
            language: Some(self.options.language.code()),
            identifier: Some(Identifier::urn(keys.series())),
            status: Some(status::of_composition(code(&report.status), code(&report.service_type))),
            kind: Some(kind(typed)),
            category: vec![kind(class)],
            subject: self.subject,
            date: DateTime::new(parts.generated),
            confidentiality: Some(self.options.confidentiality.code()),
            custodian: self.custodian.map(Reference::to),
            relates_to: vec![RelatesTo {
                code: "transforms",
                target: Identifier::urn(keys.document(Format::KithXml)),
            }],
            event: vec![Event {
                period: Period { start: DateTime::new(parts.start), end: DateTime::new(parts.stop) },
            }],
            ..Composition::default()
        };
        let author = parts.author.map(Reference::to);
        // FHIR wants an author; where nobody is named, the text says so.
        out.author = vec![author.unwrap_or_else(|| Reference {
            display: Some(Cow::Borrowed("Ukjent avsender")),
            ..Reference::default()
        })];
        out.attester.extend(self.attester(parts.author));
        out.text = Some(self.summary(&title, parts));
        out.title = Some(Cow::Owned(title));
        out.section = self.sections(parts, source);
        (id, out)
    }

    /// The approver, if one is named, and when it was approved.
    fn attester(&self, author: Option<Uuid>) -> Option<Attester<'a>> {
        let related = self.report.related.as_ref();
        let approves = related
            .and_then(|p| p.relation.as_ref())
            .and_then(Code::code)
            .is_some_and(|code| matches!(code, "AUT" | "SLE"));
        let time = self.report.approved.as_ref().and_then(When::dated).and_then(DateTime::new);
        let party = author.filter(|_| approves).map(Reference::to);
        (time.is_some() || party.is_some()).then_some(Attester { mode: "legal", time, party })
    }

    /// Everything in the document that is not yet named by a section: parties.
    pub(super) fn party_references(&self) -> Vec<Reference<'a>> {
        let parties = self
            .role_entries
            .iter()
            .filter(|e| matches!(e.resource, Resource::Organization(_) | Resource::PractitionerRole(_)));
        parties.map(|e| Reference::to(e.full_url.0)).collect()
    }
}

fn profile(url: &'static str) -> Meta<'static> {
    Meta { profile: vec![url], ..Meta::default() }
}

fn comment_text(text: &str) -> Extension<'_> {
    nilar("nilar-comment", ExtensionValue::Annotation(Annotation { text: Cow::Borrowed(text) }))
}

fn comment_concept(concept: CodeableConcept<'_>) -> Extension<'_> {
    nilar("nilar-comment", ExtensionValue::CodeableConcept(concept))
}

/// The day of a time, for elements that take no more.
fn day(stamp: Stamp) -> Option<DateTime> {
    let local = stamp.oslo()?;
    match stamp.precision() {
        Precision::Full => Stamp::parse(&local.date().to_string()).and_then(DateTime::new),
        Precision::Year | Precision::Month | Precision::Day | Precision::TimeOfDay => DateTime::new(stamp),
    }
}

/// The oldest and the newest, by their start; of two that start together the less precise.
fn span(stamps: &[Option<Stamp>]) -> (Option<Stamp>, Option<Stamp>) {
    let key = |s: &Stamp| (s.start(), s.precision());
    let known = || stamps.iter().flatten().filter(|s| s.start().is_some());
    (
        known().min_by_key(|s| key(s)).copied(),
        known().max_by_key(|s| (s.start(), std::cmp::Reverse(s.precision()))).copied(),
    )
}
