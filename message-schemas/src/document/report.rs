//! One Svarrapport as one document: the resources, and what binds them.
//!
//! The order of entries is fixed: Composition, Patient, DiagnosticReport, requests, specimens, results,
//! organisation, roles, attachments.

use super::codes::{self, System};
use super::coverage::{Coverage, Paths};
use super::described::{self, Attached, Author, Described, DescribedPatient, Organisation, Person};
use super::fhir::{
    Attester, Bundle, CodeableConcept, Coding, Composition, DateTime, DiagnosticReport, Entry, Event,
    Extension, ExtensionValue, Identifier, Meta, Period, Reference, RelatesTo, Resource, Urn,
};
use super::identifiers;
use super::identity::{Format, Ids, Keys};
use super::links::Links;
use super::nilar::{comment_concept, comment_text, nilar};
use super::parties::Party;
use super::people::{Role, judge_patient, profile, subject};
use super::read_report::{Envelope, Report, Subject};
use super::results::{Frame, Written};
use super::values::{Code, Sourced, When, Words};
use super::{Fault, Mode, NoteKind, Notes, Options, Publishable, SharedDocument, Withheld, status};
use crate::family::Family;
use crate::head::ServiceType;
use crate::time::Stamp;
use crate::xml::{Node, Tree};
use std::borrow::Cow;
use uuid::Uuid;

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
    pub roles: Vec<(Role<'a>, Uuid)>,
    /// Role resources, written behind the results.
    pub role_entries: Vec<Entry<'a>>,
    /// The sending legal unit.
    pub custodian: Option<Uuid>,
    /// What came along, unpacked.
    pub attached: Vec<Attached>,
}

/// What one message gives to each of its reports.
#[derive(Debug)]
pub(super) struct Source<'s, 't> {
    pub text: &'s str,
    pub tree: &'t Tree,
    pub envelope: &'s Envelope<'t>,
    /// Of the document element.
    pub namespace: &'t str,
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
        attached: Vec::new(),
    };
    let parts = writer.resources(patient, judged.as_ref(), generated, issued);
    let composition = (options.mode == Mode::Document).then(|| writer.composition(&keys, &parts, source));
    let Writer { mut entries, role_entries, coverage, notes, attached, .. } = writer;
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
        period: (parts.start, Some(parts.stop)),
        title: title(&report),
        class_code: parts.kinds[0].0,
        type_code: parts.kinds[1].0,
        publishable: if withheld.is_empty() { Publishable::Yes } else { Publishable::No(withheld) },
        test,
        synthetic_patient: judged.as_ref().is_some_and(|j| j.synthetic),
        described: described(&report, source.namespace, judged.as_ref(), attached),
        json,
        coverage,
        notes: notes.into_list(),
        keys,
    })
}

//= document-sharing §7.4
//# svarrapport: RelServProv, else ServProvider (organisation is enough)
fn described(
    report: &Report<'_>,
    namespace: &str,
    judged: Option<&identifiers::Judged>,
    attachments: Vec<Attached>,
) -> Described {
    let provider = report.provider.as_ref();
    let author = report.related.as_ref().and_then(|p| Author::of(p, provider));
    let author = author.or_else(|| provider.and_then(|p| Author::of(p, None)));
    let approver = report.related.as_ref().filter(|p| approves(p)).and_then(|p| p.persons.first());
    let unit = |party: Option<&Party<'_>>| party?.institution.as_ref().and_then(Organisation::of);
    Described {
        family: Family::ResultReport,
        namespace: namespace.to_owned(),
        series_id: report.id.as_ref().and_then(Words::id).map(str::to_owned),
        orders: report.requests.iter().filter_map(|r| Some(r.id.as_ref()?.id()?.to_owned())).collect(),
        patient: match &report.subject {
            Subject::Patient(p) => Some(DescribedPatient::of(
                p.name.as_ref(),
                p.official.as_ref(),
                judged,
                p.born.as_ref(),
                p.sex.as_ref(),
            )),
            Subject::NotAPerson(_) | Subject::Nobody => None,
        },
        authors: author.into_iter().collect(),
        legal_authenticator: approver.and_then(Person::of),
        custodian: unit(provider),
        recipients: unit(report.requester.as_ref()).into_iter().collect(),
        discipline: report.discipline.as_ref().and_then(Code::code).map(str::to_owned),
        events: described::procedures(report.node),
        attachments,
    }
}

/// True of who approves a document (AUT) or signs it (SLE), K(8254).
fn approves(party: &Party<'_>) -> bool {
    matches!(party.relation.as_ref().and_then(Code::code), Some("AUT" | "SLE"))
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

    pub(super) fn push(&mut self, id: Uuid, resource: Resource<'a>) {
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
        let approves = self.report.related.as_ref().is_some_and(approves);
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

/// The oldest and the newest, by their start; of two that start together the less precise.
fn span(stamps: &[Option<Stamp>]) -> (Option<Stamp>, Option<Stamp>) {
    let (mut oldest, mut newest): (Option<Stamp>, Option<Stamp>) = (None, None);
    let mut last = None;
    for stamp in stamps.iter().flatten() {
        // Results share a few times, one behind the other.
        if last == Some(stamp) || stamp.start().is_none() {
            continue;
        }
        last = Some(stamp);
        let (start, precision) = (stamp.start(), stamp.precision());
        if oldest.is_none_or(|o| (start, precision) < (o.start(), o.precision())) {
            oldest = Some(*stamp);
        }
        let later = |n: Stamp| start > n.start() || (start == n.start() && precision < n.precision());
        if newest.is_none_or(later) {
            newest = Some(*stamp);
        }
    }
    (oldest, newest)
}
