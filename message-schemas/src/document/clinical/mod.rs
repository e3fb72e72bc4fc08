//! Clinical information (`InfItem`), one table for Henvisning, Epikrise and Rekvisisjon (document-sharing §4).
//!
//! | type K(8233) | resource when coded or structured | free text |
//! |---|---|---|
//! | H, B | Condition, category encounter-diagnosis | Condition.code.text |
//! | ART | Condition, category problem-list-item | text of the document |
//! | CAVE, NB, SM | Flag, category safety | the same |
//! | MEDB, others | `Medication`: MedicationStatement; status "allergic to": AllergyIntolerance | text |
//! | OPIN, MPRS, PRS, TB, GBEH, US | Procedure; US with a result: Observation | text |
//! | others | a result: Observation | text |
//!
//! The content decides before the type does: a drug is a drug and a result a result under whatever type it
//! came. But what is warned of is no drug in use: under CAVE, NB and SM a drug is a Flag, whatever its status
//! says, unless that is "allergic to"; and a result there is a Flag beside the Observation, for the result is true and whoever
//! looks for warnings looks at no results. Free text under CAVE cannot be told to be an allergy and is a Flag, never an
//! AllergyIntolerance; a drug that the patient does not tolerate stands under Kritisk informasjon too. What becomes
//! a resource stands in the text as well.
//!
//! What stands in something cancelled ([`Frame::cancelled`]) was withdrawn: its resources are entered in error, a
//! result is cancelled.

pub(super) mod chapters;
pub(super) mod drugs;
mod read;
mod warnings;

use super::codes::{self, System};
use super::concepts::Coded;
use super::coverage::{Outcome as Fate, part};
use super::fhir::{
    Annotation, CodeableConcept, Coding, Condition, DateTime, Observation, Performer, Procedure, Reference,
    Resource,
};
use super::headed::Headed;
use super::narrative::Html;
use super::parties::Party;
use super::roles::period;
use super::values::{Code, Sourced};
use super::words::{code_text, when_words};
use super::writer::Writer;
use crate::time::Stamp;
use chapters::Chapters;
use drugs::DrugStatus;
use read::{Content, Drug, Finding, Remark};
pub(super) use read::{InfItem, Precaution};
use std::borrow::Cow;
use uuid::Uuid;

/// The first section of all: what whoever treats the patient must know.
pub(super) const SAFETY: &str = "Kritisk informasjon";
/// The head of a table of labels and texts, which needs none.
pub(super) const PLAIN: &str = "";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";

/// What is known around the items when they are written.
#[derive(Debug)]
pub(super) struct Frame {
    /// The stay that they are of.
    pub encounter: Option<Uuid>,
    /// When the message was made: a warning that ended before is no longer active.
    pub generated: Stamp,
    /// Epikrise 1.2 and Henvisning 2.0 have another list for the status of drugs.
    pub newer: bool,
    /// They stand in something that was cancelled.
    pub cancelled: bool,
}

/// What the items came to, for what points at them.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Diagnoses, and true for a main one (H).
    pub diagnoses: Vec<(Uuid, bool)>,
    /// Everything else that became a resource.
    pub others: Vec<Uuid>,
}

impl Frame {
    fn encounter<'a>(&self) -> Option<Reference<'a>> {
        self.encounter.map(Reference::to)
    }
}

fn reference<'a>(id: Uuid) -> Reference<'a> {
    Reference::to(id)
}

impl<'a, 't, B> Writer<'a, '_, 't, B> {
    /// Writes items as resources and text.
    pub(super) fn inf_items(
        &mut self,
        items: &'a [InfItem<'t>],
        frame: &Frame,
        chapters: &mut Chapters<'a>,
        told: &mut Told,
    ) {
        // The main diagnosis comes first, wherever it stands.
        let (main, rest): (Vec<&InfItem<'t>>, Vec<&InfItem<'t>>) =
            items.iter().partition(|i| i.kind() == "H");
        for item in main.into_iter().chain(rest) {
            if let Some(kind) = &item.kind {
                kind.mapped(&mut self.coverage, "section");
            }
            match &item.content {
                Content::Finding(finding) => self.finding(item, finding, frame, chapters, told),
                Content::Drug(drug) => self.drug_item(item, drug, frame, chapters, told),
                Content::Remark(remark) => self.remark(item, remark, frame, chapters, told),
                Content::Nothing => {}
            }
            self.circumstances_told(item);
        }
    }

    fn drug_item(
        &mut self,
        item: &'a InfItem<'t>,
        drug: &'a Drug<'t>,
        frame: &Frame,
        chapters: &mut Chapters<'a>,
        told: &mut Told,
    ) {
        let mode = self.mode();
        let said = self.drug_status(drug, frame);
        if matches!(item.kind(), "CAVE" | "NB" | "SM") && said != DrugStatus::Allergic {
            told.others.push(self.drug_warning(item, drug, frame, chapters));
            return;
        }
        let id = self.drug(item, drug, frame, said);
        told.others.push(id);
        if said == DrugStatus::Allergic {
            let mut words = String::new();
            if let Some(drug) = &drug.id {
                code_text(drug, &mut words);
            }
            let mut safety = chapters.named(SAFETY);
            safety.text().line("Allergisk overfor", &words);
            safety.shows(id);
        }
        let mut chapter = chapters.headed(item.kind.as_ref(), 8233, mode);
        drugs::row(item, drug, frame.newer, chapter.rows(drugs::HEAD));
        if let Some(parties) = who(item) {
            chapter.text().line("Kilde", &parties);
        }
        chapter.shows(id);
    }

    fn finding(
        &mut self,
        item: &'a InfItem<'t>,
        finding: &'a Finding<'t>,
        frame: &Frame,
        chapters: &mut Chapters<'a>,
        told: &mut Told,
    ) {
        let id = self.observation(item, finding, frame);
        told.others.push(id);
        let warned = matches!(item.kind(), "CAVE" | "NB" | "SM");
        let flag = warned.then(|| self.finding_warning(item, finding, frame));
        told.others.extend(flag);
        let mode = self.mode();
        let mut row = Html::new();
        let cancelled = finding.service_type.as_ref().and_then(Code::code) == Some("C");
        let mut name = String::new();
        for code in finding.investigation.iter().chain(&finding.specifications) {
            name.push_str(if name.is_empty() { "" } else { ", " });
            code_text(code, &mut name);
        }
        let (open, close) = match cancelled {
            true => ("<span style=\"text-decoration: line-through\">", "</span>"),
            false => ("", ""),
        };
        row.raw("<tr><td>").raw(open).text(&name).raw(close).raw("</td><td>").raw(open);
        let long = self.outcome_cell(finding.outcome.as_ref(), !name.is_empty(), &mut row);
        if let Some(node) = long {
            self.rich(node, "Funn og undersøkelser", &mut row);
        }
        row.raw(close);
        let unit = super::observed::unit_text(finding.outcome.as_ref());
        row.raw(if unit.is_empty() { "" } else { " " }).text(unit).raw("</td><td>");
        if let Some(words) = finding.deviation.as_ref().and_then(|d| codes::words_of_list(d, 8244)) {
            row.text(&words);
        }
        row.raw("</td><td>");
        if let Some(when) = &finding.investigated {
            row.text(&when_words(when));
        }
        row.raw("</td><td>");
        let mut lines: Vec<String> = Vec::new();
        if cancelled {
            lines.push("Kansellert".to_owned());
        }
        lines.extend(finding.comment.iter().map(|c| c.value.to_string()));
        if let Some(diagnosis) = &finding.diagnosis {
            let mut words = String::from("Diagnostisk kommentar: ");
            diagnosis.describe(&mut words);
            lines.push(words);
        }
        lines.extend(times(item));
        lines.extend(who(item));
        for (n, line) in lines.iter().enumerate() {
            row.raw(if n == 0 { "" } else { "<br/>" }).laid_out(line);
        }
        row.raw("</td></tr>");
        let mut chapter = chapters.headed(item.kind.as_ref(), 8233, mode);
        chapter
            .rows(
                "<thead><tr><th>Undersøkelse</th><th>Resultat</th><th>Avvik</th><th>Dato</th><th>Merknad</th>\
                 </tr></thead>",
            )
            .append(&row);
        chapter.shows(id);
        if let Some(flag) = flag {
            chapter.shows(flag);
        }
    }

    fn remark(
        &mut self,
        item: &'a InfItem<'t>,
        remark: &'a Remark<'t>,
        frame: &Frame,
        chapters: &mut Chapters<'a>,
        told: &mut Told,
    ) {
        let mode = self.mode();
        let kind = item.kind();
        let coded = remark.coded.is_some();
        let id = match kind {
            "H" | "B" => Some(self.condition(item, remark, frame, "encounter-diagnosis")),
            "ART" if coded => Some(self.condition(item, remark, frame, "problem-list-item")),
            "CAVE" | "NB" | "SM" => Some(self.warning(item, remark, frame)),
            "OPIN" | "MPRS" | "PRS" | "TB" | "GBEH" | "US" if coded => {
                Some(self.procedure(item, remark, frame))
            }
            _ => None,
        };
        match (id, kind) {
            (Some(id), "H" | "B") => told.diagnoses.push((id, kind == "H")),
            (Some(id), _) => told.others.push(id),
            (None, _) => {}
        }
        let mut html = Html::new();
        let mut words = String::new();
        if let Some(coded) = &remark.coded {
            coded.describe(&mut words);
            for code in coded.codes() {
                code.told(&mut self.coverage, "Kliniske opplysninger");
            }
        }
        html.text(&words);
        if let Some(node) = remark.description {
            html.raw(if words.is_empty() { "" } else { ": " });
            self.rich(node, "Kliniske opplysninger", &mut html);
        }
        let mut lines: Vec<String> = Vec::new();
        if let Some(comment) = &remark.comment {
            comment.told(&mut self.coverage, "Kliniske opplysninger");
            lines.push(comment.value.to_string());
        }
        lines.extend(times(item));
        lines.extend(who(item));
        for line in &lines {
            html.raw(if html.is_empty() { "" } else { "<br/>" }).laid_out(line);
        }
        if html.is_empty() {
            if id.is_none() {
                return;
            }
            html.text("Ikke oppgitt");
        }
        let mut chapter = chapters.headed(item.kind.as_ref(), 8233, mode);
        // Markup of a sender holds blocks, which a paragraph may not.
        chapter.text().raw("<div>").append(&html).raw("</div>");
        if let Some(id) = id {
            chapter.shows(id);
        }
    }

    /// The code of a remark: of its list, with its text beside it.
    fn coded_remark(&mut self, remark: &'a Remark<'t>, target: &'static str) -> Coded<'a> {
        let mut coded = match &remark.coded {
            Some(concept) => self.coded(concept, target),
            None => Coded::default(),
        };
        let text = remark.description.and_then(|node| self.plain_text(node, target));
        match text {
            Some(text) if coded.code.coding.is_empty() && coded.code.text.is_none() => {
                coded.code.text = Some(text);
            }
            Some(text) => coded.note.push(Annotation { text }),
            None => {}
        }
        if coded.code.coding.is_empty() && coded.code.text.is_none() {
            coded.code.text = Some(Cow::Borrowed("Ikke oppgitt"));
        }
        if let Some(comment) = &remark.comment {
            comment.mapped(&mut self.coverage, "note");
            coded.note.push(Annotation { text: Cow::Borrowed(&*comment.value) });
        }
        coded
    }

    fn condition(
        &mut self,
        item: &'a InfItem<'t>,
        remark: &'a Remark<'t>,
        frame: &Frame,
        category: &'static str,
    ) -> Uuid {
        const SECTION: &str = "Diagnoser";
        let id = self.id("Condition", remark.node, 1);
        let coded = self.coded_remark(remark, "Condition.code");
        let onset = self.date_time(item.start.as_ref(), "Condition.onsetDateTime", SECTION);
        // con-4 and con-5: what was entered in error has no clinical status, and what has none has no end.
        let end = item.end.as_ref().filter(|_| !frame.cancelled);
        // What is expected to end is not over: the text tells when.
        let end = end.filter(|end| !end.is_after(frame.generated));
        let abatement = self.date_time(end, "Condition.abatementDateTime", SECTION);
        let recorded = self.date_time(item.recorded.as_ref(), "Condition.recordedDate", SECTION);
        let recorder = item.parties.first().and_then(|p| self.role(p, false));
        let out = Condition {
            id: Some(id),
            // con-3 and con-4
            clinical_status: clinical_status(abatement.is_some(), category).filter(|_| !frame.cancelled),
            verification_status: frame
                .cancelled
                .then(|| withdrawn("http://terminology.hl7.org/CodeSystem/condition-ver-status")),
            category: vec![condition_category(category)],
            code: Some(coded.code),
            body_site: coded.body_site,
            subject: self.subject,
            encounter: frame.encounter(),
            onset_date_time: onset,
            abatement_date_time: abatement,
            recorded_date: recorded,
            recorder: recorder.map(Reference::to),
            note: coded.note,
        };
        self.push(id, Resource::Condition(Box::new(out)));
        id
    }

    /// A text under a heading of this list, in the chapter of the heading.
    pub(super) fn under_heading(&mut self, headed: &'a Headed<'t>, list: u16, chapters: &mut Chapters<'a>) {
        const SECTION: &str = "section of the heading";
        let mut html = Html::new();
        if let Some(node) = headed.value {
            self.rich(node, SECTION, &mut html);
        }
        for code in &headed.codes {
            code.told(&mut self.coverage, SECTION);
            let mut words = String::new();
            code_text(code, &mut words);
            html.raw(if html.is_empty() { "" } else { "<br/>" }).text(&words);
        }
        if let Some(heading) = &headed.heading {
            heading.mapped(&mut self.coverage, "Composition.section");
        }
        if !html.is_empty() {
            let mut chapter = chapters.headed(headed.heading.as_ref(), list, self.mode());
            // Markup of a sender holds blocks, which a paragraph may not.
            chapter.text().raw("<div>").append(&html).raw("</div>");
        }
    }

    /// Somebody in a role, in a row of a table.
    pub(super) fn party_row(
        &mut self,
        label: &str,
        party: &'a Party<'t>,
        section: &'static str,
        chapters: &mut Chapters<'a>,
    ) {
        party.told(&mut self.coverage, section);
        let mut text = String::new();
        party.describe(&mut text);
        if !text.is_empty() {
            chapters.named(section).rows(PLAIN).row(label, &text);
        }
    }

    fn procedure(&mut self, item: &'a InfItem<'t>, remark: &'a Remark<'t>, frame: &Frame) -> Uuid {
        let id = self.id("Procedure", remark.node, 1);
        let mut coded = self.coded_remark(remark, "Procedure.code");
        for when in item.start.iter().chain(&item.end).filter(|w| w.dated().is_some()) {
            when.mapped(&mut self.coverage, "Procedure.performedPeriod");
        }
        if let Some(when) = &item.recorded {
            when.mapped(&mut self.coverage, "Procedure.note");
            let text = Cow::Owned(format!("Registrert: {}", when_words(when)));
            coded.note.push(Annotation { text });
        }
        let performers: Vec<Uuid> = item.parties.iter().filter_map(|p| self.role(p, false)).collect();
        let out = Procedure {
            id: Some(id),
            status: Some(if frame.cancelled { "entered-in-error" } else { "completed" }),
            code: Some(coded.code),
            subject: self.subject,
            encounter: frame.encounter(),
            performed_period: period(item.start.as_ref(), item.end.as_ref()),
            performer: performers.into_iter().map(|id| Performer { actor: Reference::to(id) }).collect(),
            body_site: coded.body_site,
            note: coded.note,
            ..Procedure::default()
        };
        self.push(id, Resource::Procedure(Box::new(out)));
        id
    }

    fn observation(&mut self, item: &'a InfItem<'t>, finding: &'a Finding<'t>, frame: &Frame) -> Uuid {
        const SECTION: &str = "Funn og undersøkelser";
        let id = self.id("Observation", finding.node, 1);
        let mode = self.mode();
        let service = finding.service_type.as_ref();
        if let Some(code) = service {
            code.mapped(&mut self.coverage, "Observation.status");
        }
        let code = finding.investigation.as_ref().and_then(|c| codes::concept(c, None, mode));
        let cancelled = frame.cancelled || service.and_then(Code::code) == Some("C");
        let mut out = Observation {
            id: Some(id),
            status: Some(if cancelled { "cancelled" } else { "final" }),
            code: Some(code.unwrap_or_else(|| CodeableConcept::text("Undersøkelsesresultat"))),
            subject: self.subject,
            encounter: frame.encounter(),
            ..Observation::default()
        };
        if let Some(code) = &finding.investigation {
            code.mapped(&mut self.coverage, "Observation.code");
        }
        self.value_of(finding.outcome.as_ref(), &mut out);
        for (n, spec) in finding.specifications.iter().enumerate() {
            spec.mapped(&mut self.coverage, "Observation.method");
            if n == 0 {
                out.method = codes::concept(spec, None, mode);
            } else {
                let mut words = String::from("Spesifikasjon: ");
                code_text(spec, &mut words);
                out.note.push(Annotation { text: Cow::Owned(words) });
            }
        }
        out.interpretation.extend(finding.deviation.as_ref().and_then(|d| self.interpretation(d)));
        out.effective_date_time =
            self.date_time(finding.investigated.as_ref(), "Observation.effectiveDateTime", SECTION);
        if out.effective_date_time.is_none() {
            for when in item.start.iter().chain(&item.end).filter(|w| w.dated().is_some()) {
                when.mapped(&mut self.coverage, "Observation.effectivePeriod");
            }
            out.effective_period = period(item.start.as_ref(), item.end.as_ref());
        }
        if let Some(when) = &item.recorded
            && let Some((full, _)) = when.dated().and_then(|s| s.complete())
        {
            when.mapped(&mut self.coverage, "Observation.issued");
            out.issued = DateTime::new(full);
        }
        if let Some(comment) = &finding.comment {
            comment.mapped(&mut self.coverage, "Observation.note");
            out.note.push(Annotation { text: Cow::Borrowed(&*comment.value) });
        }
        if let Some(diagnosis) = &finding.diagnosis {
            let mut text = String::from("Diagnostisk kommentar: ");
            diagnosis.describe(&mut text);
            for code in diagnosis.codes() {
                code.mapped(&mut self.coverage, "Observation.note");
            }
            out.note.push(Annotation { text: Cow::Owned(text) });
        }
        out.performer = item.parties.iter().filter_map(|p| self.role(p, false)).map(Reference::to).collect();
        self.push(id, Resource::Observation(Box::new(out)));
        id
    }

    /// Marks what the text says of an item beside its content.
    fn circumstances_told(&mut self, item: &'a InfItem<'t>) {
        for when in item.start.iter().chain(&item.end).chain(&item.recorded) {
            when.told(&mut self.coverage, "Kliniske opplysninger");
        }
        for party in &item.parties {
            party.told(&mut self.coverage, "Kliniske opplysninger");
        }
        if matches!(item.content, Content::Nothing) {
            self.coverage.mark(item.node, part::TEXT, Fate::Dropped, "an item without content");
        }
    }
}

/// When it was, in words.
fn times(item: &InfItem<'_>) -> Vec<String> {
    let labelled = [("Start", &item.start), ("Slutt", &item.end), ("Registrert", &item.recorded)].into_iter();
    labelled.filter_map(|(label, when)| Some(format!("{label}: {}", when_words(when.as_ref()?)))).collect()
}

/// Who it is from, in words.
fn who(item: &InfItem<'_>) -> Option<String> {
    let parties = item.parties.iter().map(|party| {
        let mut words = String::new();
        if let Some(relation) = party.relation.as_ref().and_then(Code::words) {
            words.push_str(relation);
            words.push_str(": ");
        }
        party.describe(&mut words);
        words
    });
    let parties: Vec<String> = parties.filter(|p| !p.is_empty()).collect();
    (!parties.is_empty()).then(|| parties.join("; "))
}

/// Condition.clinicalStatus: resolved where it has ended, else active for what stands on a problem list.
pub(super) fn clinical_status<'a>(ended: bool, category: &str) -> Option<CodeableConcept<'a>> {
    let (code, display) = match (ended, category) {
        (true, _) => ("resolved", "Resolved"),
        (false, "problem-list-item") => ("active", "Active"),
        (false, _) => return None,
    };
    let system = System::Uri("http://terminology.hl7.org/CodeSystem/condition-clinical");
    Some(CodeableConcept::of(Coding::fixed(system, code, Some(display))))
}

/// A verification status of this system: the record is withdrawn.
fn withdrawn<'a>(system: &'static str) -> CodeableConcept<'a> {
    CodeableConcept::of(Coding::fixed(System::Uri(system), "entered-in-error", Some("Entered in Error")))
}

/// Condition.category.
pub(super) fn condition_category<'a>(code: &'static str) -> CodeableConcept<'a> {
    let display = if code == "problem-list-item" { "Problem List Item" } else { "Encounter Diagnosis" };
    CodeableConcept::of(Coding::fixed(System::Uri(CATEGORY), code, Some(display)))
}
