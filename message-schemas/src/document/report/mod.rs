//! One Svarrapport as one document: the resources, and what binds them.
//!
//! The order of entries is fixed: Composition, Patient, DiagnosticReport, requests, specimens, results,
//! organisation, roles, attachments.

mod items;
mod links;
mod merged;
mod nilar;
mod orders;
mod read;
mod results;
mod sections;
pub(super) mod status;
mod words;

use super::attachments::Room;
use super::bundle_text::BundleText;
use super::codes::{self, System};
use super::coverage::{Coverage, Outcome, Paths};
use super::described::{self, Author, Described, Organisation, Person};
use super::envelope::Envelope;
use super::fhir::{
    Attester, CodeableConcept, Coding, DateTime, DiagnosticReport, Entry, Extension, ExtensionValue,
    Identifier, Reference, Resource, Urn,
};
use super::identifiers::Judged;
use super::identity::Ids;
use super::parties::Party;
use super::values::{Code, Sourced, When, Words};
use super::writer::{self, Cover, Writer};
use super::{Fault, Mode, NoteKind, Notes, Options, SharedDocument, Withheld, addition, names, reservation};
use crate::family::Family;
use crate::head::ServiceType;
use crate::time::Stamp;
use crate::xml::{Node, Tree};
use jiff::Timestamp;
use links::Links;
pub use merged::Part;
pub(super) use merged::merge;
use nilar::{comment_concept, comment_text, nilar};
use read::{Report, Subject};
use results::{Dated, Frame, Written};
use std::borrow::Cow;
use uuid::Uuid;

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
    /// For what its attachments unpack to.
    pub room: &'s Room,
    /// Only these of its top-level results, by their places.
    pub keep: Option<&'s [usize]>,
    /// In the place of the message's id in the ids of a document that is made of several.
    pub merged_id: Option<&'s str>,
}

/// Translates one report.
pub(super) fn translate<'t>(
    source: &Source<'_, 't>,
    node: Node<'t>,
    paths: &mut Paths,
    options: &Options,
) -> Result<SharedDocument, Fault> {
    let envelope = source.envelope;
    let mut report = Report::read(node);
    if let (Some(wanted), Subject::Patient(about) | Subject::NotAPerson(about)) =
        (source.keep, &mut report.subject)
    {
        items::keep(&mut about.items, wanted);
    }
    let report = report;
    let items = report.about().map_or(0, |p| p.items.len() + p.subjects.len());
    if items + report.requests.len() > options.max_resources {
        return Err(Fault::TooLarge { what: "resources", limit: options.max_resources });
    }
    source.room.unpack(&report.attachments, options)?;

    let mut coverage = Coverage::new(node, envelope.node, source.nth == 1);
    let mut notes = Notes::new(source.text);
    let msg_id = message_key(envelope, source.nth)?;
    let mut withheld = Vec::new();
    let provider = report.provider.as_ref();
    let code = |c: &Option<Code<'_>>| c.as_ref().and_then(Code::code).map(str::to_owned);
    let mut keys = writer::keys(
        "svarrapport",
        provider.and_then(|p| p.institution.as_ref()),
        report.id.as_ref().and_then(Words::id),
        code(&report.service_type).as_deref(),
        &msg_id,
        options,
        &mut withheld,
    )?;
    if let Some(id) = source.merged_id {
        id.clone_into(&mut keys.msg_id);
    }
    let dates = [&envelope.generated, &report.issued, &report.approved].map(Option::as_ref);
    let (generated, issued) = writer::generated(&dates, &mut notes)?;
    let judged = match &report.subject {
        Subject::Patient(p) => p.who.judge(options, &mut notes, &mut withheld),
        Subject::NotAPerson(_) => {
            withheld.push(Withheld::NotAPerson);
            None
        }
        Subject::Nobody => {
            withheld.push(Withheld::NoPatient);
            None
        }
    };
    withheld.extend(reservation::withheld(report.requests.iter().flat_map(|r| &r.reservations)));

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
        body: &report,
        envelope,
        sender: provider,
        subject: subject.as_ref(),
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
    writer.written.make_room(node.source().len());
    let parts = writer.resources(patient, judged.as_ref(), generated, issued);
    let author = parts.author.map(Reference::to);
    let cover = Cover {
        keys,
        service_type: report
            .service_type
            .as_ref()
            .and_then(Code::code)
            .map_or(ServiceType::Other, ServiceType::from_code),
        status: status::of_composition(
            code(&report.status).as_deref(),
            code(&report.service_type).as_deref(),
        ),
        title: title(&report),
        kinds: parts.kinds,
        generated: (generated, issued),
        period: (parts.start, Some(parts.stop)),
        encounter: None,
        authors: author.into_iter().collect(),
        attesters: writer.attester(parts.author).into_iter().collect(),
        withheld,
        judged,
        described: described(&report, source.namespace, judged.as_ref()),
    };
    let composition = (options.mode == Mode::Document).then(|| {
        let mut composition = writer.composition(report.node, &cover);
        if status::is_addition(code(&report.status).as_deref(), code(&report.service_type).as_deref()) {
            composition.meta.get_or_insert_default().tag.push(addition::tag(7306));
        }
        composition.text = Some(writer.summary(&cover, words::state_words(parts.status)));
        composition.section = writer.sections(&parts, source);
        composition
    });
    let items = report.about().map(|p| p.items.as_slice()).unwrap_or_default();
    let results = items::top_results(items, &parts.links);
    let mut document = writer.seal(cover, composition, node.source().len())?;
    document.results = results;
    Ok(document)
}

/// Whom the resources are about, by reference and by what is known.
fn subject<'a>(
    report: &'a Report<'_>,
    patient: Option<Uuid>,
    judged: Option<&Judged>,
) -> Option<Reference<'a>> {
    match &report.subject {
        Subject::Patient(p) => Some(p.who.subject(patient, judged)),
        Subject::NotAPerson(p) => {
            let kind = if p.node.name() == "Animal" { "Dyr" } else { "Materiale" };
            let name = p.who.name.as_ref().map(|n| format!("{kind}: {}", names::short(&n.text())));
            let display = name.map_or(Cow::Borrowed(kind), Cow::Owned);
            Some(Reference { display: Some(display), ..Reference::default() })
        }
        Subject::Nobody => Some(Reference::no_patient()),
    }
}

//= document-sharing §7.4
//# svarrapport: RelServProv, else ServProvider (organisation is enough)
fn described(report: &Report<'_>, namespace: &str, judged: Option<&Judged>) -> Described {
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
            Subject::Patient(p) => Some(p.who.described(judged)),
            Subject::NotAPerson(_) | Subject::Nobody => None,
        },
        authors: author.into_iter().collect(),
        legal_authenticator: approver.and_then(Person::of),
        custodian: unit(provider),
        recipients: unit(report.requester.as_ref()).into_iter().collect(),
        discipline: report.discipline.as_ref().and_then(Code::code).map(str::to_owned),
        events: described::procedures(report.node.descendants()),
        attachments: Vec::new(),
    }
}

/// True of who approves a document (AUT) or signs it (SLE), K(8254).
fn approves(party: &Party<'_>) -> bool {
    matches!(party.relation.as_ref().and_then(Code::code), Some("AUT" | "SLE"))
}

/// The message id as keys use it, with `#n` for the second and later reports.
fn message_key(envelope: &Envelope<'_>, nth: usize) -> Result<String, Fault> {
    let id = envelope.msg_key().ok_or(Fault::NoMessageId)?;
    Ok(if nth > 1 { format!("{id}#{nth}") } else { id })
}

/// `Svarrapport - Medisinsk biokjemi`: never a word of the sender's.
fn title(report: &Report<'_>) -> String {
    let discipline = report.discipline.as_ref().and_then(Code::code).and_then(|c| codes::list_text(8202, c));
    match discipline {
        Some(text) => format!("Svarrapport - {text}"),
        None => "Svarrapport".to_owned(),
    }
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
    written: Written,
    links: Links,
    pub status: &'static str,
    pub generated: Stamp,
    pub start: Stamp,
    pub stop: Stamp,
    /// Class and type.
    pub kinds: [(&'static str, &'static str); 2],
}

impl<'a, 't> Writer<'a, '_, 't, Report<'t>> {
    fn resources(
        &mut self,
        patient: Option<Uuid>,
        judged: Option<&Judged>,
        generated: Stamp,
        issued: DateTime,
    ) -> Parts {
        let report = self.body;
        let code = |c: &'a Option<Code<'t>>| c.as_ref().and_then(Code::code);
        let discipline = code(&report.discipline);
        self.envelope_marks((Outcome::Mapped, "DiagnosticReport.identifier"));
        if let Some(code) = &report.ack {
            code.dropped(&mut self.coverage, "transport, not part of the record");
        }
        if let (Some(id), Subject::Patient(p)) = (patient, &report.subject) {
            let parties = [report.provider.as_ref(), report.requester.as_ref()];
            let patient = self.patient(id, &p.who, judged, parties);
            self.push(id, Resource::Patient(Box::new(patient)));
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
        self.write_entries();
        let place = self.written.end();
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
            fallback: Dated::new(fallback),
            specimens,
        };
        let written = self.observations(items, &links, &frame);
        let (oldest, newest) = span(&written.effective);
        let effective = oldest.unwrap_or(fallback);
        let specimen_ids: Vec<Uuid> = frame.specimens.iter().map(|specimen| specimen.id).collect();

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
        let attachments = self.attachments(&report.attachments);
        if !report.attachments.is_empty() && !self.options.shares_attachments() {
            diagnostic.extension.push(comment_text("Et vedlegg i meldingen er utelatt."));
        }
        let entry =
            Entry { full_url: Urn(report_id), resource: Resource::DiagnosticReport(Box::new(diagnostic)) };
        self.written.insert(place, &entry);

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

    /// `RelServProv`, else `ServProvider`.
    fn performer(&mut self) -> Option<Uuid> {
        let related = self.body.related.as_ref().and_then(|p| self.role(p, true));
        let provider = match related {
            Some(_) => None,
            None => self.body.provider.as_ref().and_then(|p| self.role(p, true)),
        };
        related.or(provider)
    }

    /// What the report says of itself, and its comments.
    fn report_head(&mut self, out: &mut DiagnosticReport<'a>) {
        let report = self.body;
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

    fn information(&mut self, item: &'a read::Information<'t>) -> Extension<'a> {
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

    /// The approver, if one is named, and when it was approved.
    fn attester(&self, author: Option<Uuid>) -> Option<Attester<'a>> {
        let approves = self.body.related.as_ref().is_some_and(approves);
        let time = self.body.approved.as_ref().and_then(When::dated).and_then(DateTime::new);
        let party = author.filter(|_| approves).map(Reference::to);
        (time.is_some() || party.is_some()).then_some(Attester { mode: "legal", time, party })
    }
}

/// The oldest and the newest, by their start; of two that start together the less precise.
fn span(stamps: &[Stamp]) -> (Option<Stamp>, Option<Stamp>) {
    // Each with its start, which it takes the time zone's rules to find.
    let mut ends: Option<[(Timestamp, Stamp); 2]> = None;
    for stamp in stamps {
        // Results share a few times.
        if ends.is_some_and(|ends| ends.iter().any(|(_, known)| known == stamp)) {
            continue;
        }
        let Some(start) = stamp.start() else { continue };
        let this = (start, *stamp);
        let [oldest, newest] = ends.get_or_insert([this; 2]);
        let precision = stamp.precision();
        if (start, precision) < (oldest.0, oldest.1.precision()) {
            *oldest = this;
        }
        if start > newest.0 || (start == newest.0 && precision < newest.1.precision()) {
            *newest = this;
        }
    }
    ends.map_or((None, None), |[(_, oldest), (_, newest)]| (Some(oldest), Some(newest)))
}
