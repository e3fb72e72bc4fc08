//! The order behind a report, and what was taken for it.

use super::nilar::{comment_concept, comment_text, nilar};
use super::read::{AnalysedSubject, Report, Request};
use super::results::{Dated, Taken};
use crate::document::NoteKind;
use crate::document::codes;
use crate::document::fhir::{
    Absent, Annotation, CodeableConcept, Collection, Container, DateTime, Extension, ExtensionValue,
    Identifier, Reference, Resource, ServiceRequest, Specimen,
};
use crate::document::headed::Headed;
use crate::document::values::{Sourced, When, Words};
use crate::document::writer::Writer;
use std::borrow::Cow;
use uuid::Uuid;

impl<'a, 't> Writer<'a, '_, 't, Report<'t>> {
    pub(super) fn request(
        &mut self,
        request: &'a Request<'t>,
        requester: Option<Uuid>,
        status: &'static str,
    ) -> Uuid {
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
    pub(super) fn headed(
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

    pub(super) fn specimen(&mut self, subject: &'a AnalysedSubject<'t>) -> Taken<'a> {
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
        // That it is cancelled is told by the text.
        for code in subject.unused.iter().chain(&subject.service_type) {
            code.dropped(&mut self.coverage, "not mapped for a specimen");
        }
        let at = subject.collected.as_ref().and_then(When::dated).map(Dated::new);
        out.collection = Some(self.collection(subject));
        self.push(id, Resource::Specimen(Box::new(out)));
        Taken { sample, at, id }
    }

    pub(super) fn specimen_extensions(&mut self, subject: &'a AnalysedSubject<'t>, out: &mut Specimen<'a>) {
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

    pub(super) fn collection(&mut self, subject: &'a AnalysedSubject<'t>) -> Collection<'a> {
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
            out.collected_absent =
                Some(Absent { extension: vec![Extension { url, value: ExtensionValue::Code("unknown") }] });
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
}
