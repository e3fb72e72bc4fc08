//! Warnings to whoever treats the patient: under CAVE, NB and SM, and of the patient (`PatientPrecaution`).

use super::chapters::Chapters;
use super::drugs::{self, NAMELESS};
use super::read::{Drug, Finding, InfItem, Precaution, Remark};
use super::{Frame, SAFETY, times, who};
use crate::document::codes::{self, System};
use crate::document::fhir::{CodeableConcept, Coding, Flag, Reference, Resource};
use crate::document::narrative::Html;
use crate::document::observed;
use crate::document::roles::period;
use crate::document::values::{Code, Sourced, When};
use crate::document::words::{code_text, when_words};
use crate::document::writer::Writer;
use std::borrow::Cow;
use uuid::Uuid;

impl<'a, 't, B> Writer<'a, '_, 't, B> {
    /// CAVE, NB, SM: a warning. What a Flag has no element for stands in its text.
    pub(super) fn warning(&mut self, item: &'a InfItem<'t>, remark: &'a Remark<'t>, frame: &Frame) -> Uuid {
        let coded = self.coded_remark(remark, "Flag.code");
        let mut code = coded.code;
        for note in coded.note {
            say(&mut code, &note.text);
        }
        let author = item.parties.first().and_then(|p| self.role(p, false));
        let id = self.id("Flag", remark.node, 1);
        self.flag(id, code, [item.start.as_ref(), item.end.as_ref()], frame, author);
        id
    }

    /// A drug under CAVE, NB or SM: the warning is of the drug, and says nothing of its use. What a Flag has no
    /// element for stands in the text, the status as what was sent.
    pub(super) fn drug_warning(
        &mut self,
        item: &'a InfItem<'t>,
        drug: &'a Drug<'t>,
        frame: &Frame,
        chapters: &mut Chapters<'a>,
    ) -> Uuid {
        let mode = self.mode();
        let id = self.id("Flag", drug.node, 1);
        let code = drug.id.as_ref().and_then(|id| codes::concept(id, None, mode));
        let mut code = code.unwrap_or_else(|| CodeableConcept::text(NAMELESS));
        if let Some(id) = &drug.id {
            id.mapped(&mut self.coverage, "Flag.code");
        }
        if let Some(comment) = &drug.comment {
            comment.mapped(&mut self.coverage, "Flag.code");
            say(&mut code, &comment.value);
        }
        let others = [&drug.status, &drug.dosage_coded, &drug.form, &drug.route];
        for code in others.into_iter().flatten() {
            code.told(&mut self.coverage, SAFETY);
        }
        for amount in [&drug.dose, &drug.duration, &drug.supplied].into_iter().flatten() {
            amount.told(&mut self.coverage, SAFETY);
        }
        if let Some(words) = &drug.dosage_text {
            words.told(&mut self.coverage, SAFETY);
        }
        let author = item.parties.first().and_then(|p| self.role(p, false));
        self.flag(id, code, [item.start.as_ref(), item.end.as_ref()], frame, author);

        let mut name = String::new();
        if let Some(drug) = &drug.id {
            code_text(drug, &mut name);
        }
        let mut html = Html::new();
        html.raw("<b>Advarsel:</b> ").text(if name.is_empty() { NAMELESS } else { &name });
        for line in drugs::lines(drug, frame.newer).into_iter().chain(times(item)).chain(who(item)) {
            html.raw("<br/>").laid_out(&line);
        }
        let mut chapter = chapters.headed(item.kind.as_ref(), 8233, mode);
        chapter.text().raw("<p>").append(&html).raw("</p>");
        chapter.shows(id);
        id
    }

    /// A result under CAVE, NB or SM: the warning is of the result, in words. Its codes and value stand in the Observation; the
    /// code of an investigation alone would warn of what was perhaps not found.
    pub(super) fn finding_warning(
        &mut self,
        item: &'a InfItem<'t>,
        finding: &'a Finding<'t>,
        frame: &Frame,
    ) -> Uuid {
        let id = self.id("Flag", finding.node, 1);
        let mut words = String::new();
        for code in finding.investigation.iter().chain(&finding.specifications) {
            words.push_str(if words.is_empty() { "" } else { ", " });
            code_text(code, &mut words);
        }
        if words.is_empty() {
            words.push_str("Undersøkelsesresultat");
        }
        let value = observed::outcome_words(finding.outcome.as_ref());
        if !value.is_empty() {
            words.push_str(": ");
            words.push_str(&value);
        }
        if let Some(deviation) = finding.deviation.as_ref().and_then(|d| codes::words_of_list(d, 8244)) {
            words.push_str(&format!(" ({deviation})"));
        }
        let mut code = CodeableConcept::text(words);
        if let Some(comment) = &finding.comment {
            say(&mut code, &comment.value);
        }
        let author = item.parties.first().and_then(|p| self.role(p, false));
        let cancelled = finding.service_type.as_ref().and_then(Code::code) == Some("C");
        let frame = &Frame { cancelled: frame.cancelled || cancelled, ..*frame };
        self.flag(id, code, [item.start.as_ref(), item.end.as_ref()], frame, author);
        id
    }

    /// `PatientPrecaution`: warnings, told under Kritisk informasjon.
    pub(in crate::document) fn precautions(
        &mut self,
        precautions: &'a [Precaution<'t>],
        frame: &Frame,
        chapters: &mut Chapters<'a>,
    ) {
        for precaution in precautions {
            let Some(text) = &precaution.text else { continue };
            text.mapped(&mut self.coverage, "Flag.code");
            let id = self.id("Flag", precaution.node, 1);
            let times = [precaution.start.as_ref(), precaution.end.as_ref()];
            self.flag(id, CodeableConcept::text(&*text.value), times, frame, None);
            let mut words = text.value.to_string();
            for (label, when) in ["fra", "til"].into_iter().zip(times) {
                if let Some(when) = when {
                    when.told(&mut self.coverage, SAFETY);
                    words.push_str(&format!(", {label} {}", when_words(when)));
                }
            }
            let mut chapter = chapters.named(SAFETY);
            chapter.text().line("Advarsel", &words);
            chapter.shows(id);
        }
    }

    /// A warning: active, unless it ended before the message was made.
    fn flag(
        &mut self,
        id: Uuid,
        code: CodeableConcept<'a>,
        [start, end]: [Option<&'a When<'t>>; 2],
        frame: &Frame,
        author: Option<Uuid>,
    ) {
        for when in start.into_iter().chain(end).filter(|w| w.dated().is_some()) {
            when.mapped(&mut self.coverage, "Flag.period");
        }
        let ended =
            end.and_then(When::dated).is_some_and(|e| e.start_or_edge() < frame.generated.start_or_edge());
        let category = Coding::fixed(
            System::Uri("http://terminology.hl7.org/CodeSystem/flag-category"),
            "safety",
            Some("Safety"),
        );
        let out = Flag {
            id: Some(id),
            status: Some(match (frame.cancelled, ended) {
                (true, _) => "entered-in-error",
                (false, true) => "inactive",
                (false, false) => "active",
            }),
            category: vec![CodeableConcept::of(category)],
            code: Some(code),
            subject: self.subject,
            period: period(start, end),
            encounter: frame.encounter(),
            author: author.map(Reference::to),
        };
        self.push(id, Resource::Flag(Box::new(out)));
    }
}

/// Adds words to the text of a code.
fn say(code: &mut CodeableConcept<'_>, words: &str) {
    let text = code.text.take().map_or_else(String::new, |t| format!("{t}. "));
    code.text = Some(Cow::Owned(text + words));
}
