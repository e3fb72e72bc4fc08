//! Drugs of a care message, as resources.

use super::read::{CareMessage, Chapter};
use crate::document::codes;
use crate::document::components::Prescription;
use crate::document::fhir::{Annotation, CodeableConcept, Dosage, MedicationStatement, Resource};
use crate::document::roles::period;
use crate::document::values::{Code, Sourced};
use crate::document::words::amount_text;
use crate::document::writer::Writer;
use std::borrow::Cow;
use uuid::Uuid;

impl<'a, 't> Writer<'a, '_, 't, CareMessage<'t>> {
    pub(super) fn medication(&mut self, p: &'a Prescription<'t>) -> Option<Uuid> {
        let drug = self.prescribed(p)?;
        let id = self.id("MedicationStatement", p.node, 1);
        let section = Chapter::Medication.title();
        let mut note = Vec::new();
        for (label, words) in [("Generisk navn", &p.generic_name), ("", &p.comment)] {
            let Some(words) = words else { continue };
            words.mapped(&mut self.coverage, "MedicationStatement.note");
            let text = match label {
                "" => Cow::Borrowed(&*words.value),
                _ => Cow::Owned(format!("{label}: {}", words.value)),
            };
            note.push(Annotation { text });
        }
        if let Some(code) = &p.multidose {
            code.mapped(&mut self.coverage, "MedicationStatement.note");
            if let Some(words) = codes::words_of_list(code, 9103).map(|w| format!("Multidose: {w}")) {
                note.push(Annotation { text: Cow::Owned(words) });
            }
        }
        let (status, as_needed) = state(p);
        let mut status_reason = Vec::new();
        for (code, list) in [(&p.usage, 9101), (&p.status, 9104)] {
            let Some(code) = code else { continue };
            code.mapped(&mut self.coverage, "MedicationStatement.statusReason");
            status_reason.extend(codes::concept(code, Some(list), self.mode()));
        }
        let mut dosage = Dosage { as_needed_boolean: as_needed.then_some(true), ..Dosage::default() };
        if let Some(words) = &p.dosage {
            words.mapped(&mut self.coverage, "MedicationStatement.dosage.text");
            dosage.text = Some(Cow::Borrowed(&*words.value));
        }
        let mut reason_code = Vec::new();
        if let Some(words) = &p.purpose {
            words.mapped(&mut self.coverage, "MedicationStatement.reasonCode");
            reason_code.push(CodeableConcept::text(&*words.value));
        }
        for when in [&p.from, &p.to] {
            self.date_time(when.as_ref(), "MedicationStatement.effectivePeriod", section);
        }
        let out = MedicationStatement {
            id: Some(id),
            status: Some(status),
            status_reason,
            medication_codeable_concept: Some(drug),
            subject: self.subject,
            effective_period: period(p.from.as_ref(), p.to.as_ref()),
            reason_code,
            note,
            dosage: (dosage.text.is_some() || as_needed).then_some(dosage).into_iter().collect(),
            ..MedicationStatement::default()
        };
        self.push(id, Resource::MedicationStatement(Box::new(out)));
        Some(id)
    }

    /// Name, form and strength in one text, as all three are needed to read the dosage.
    fn prescribed(&mut self, p: &'a Prescription<'t>) -> Option<CodeableConcept<'a>> {
        const TARGET: &str = "MedicationStatement.medicationCodeableConcept";
        let mut concept = CodeableConcept::default();
        if let Some(atc) = &p.atc {
            atc.mapped(&mut self.coverage, TARGET);
            concept.coding.extend(codes::coding(atc, Some(7180), self.mode()));
        }
        let mut parts = Vec::new();
        if let Some(name) = p.name.as_ref().or(p.generic_name.as_ref()) {
            name.mapped(&mut self.coverage, TARGET);
            parts.push(name.value.to_string());
        } else if let Some(words) = p.atc.as_ref().and_then(Code::words) {
            parts.push(words.to_owned());
        } else {
            return None;
        }
        if let Some(form) = &p.form {
            form.mapped(&mut self.coverage, TARGET);
            parts.extend(form.words().map(str::to_owned));
        }
        if let Some(strength) = &p.strength {
            strength.mapped(&mut self.coverage, TARGET);
            parts.push(amount_text(strength));
        }
        parts.retain(|p| !p.is_empty());
        concept.text = Some(Cow::Owned(parts.join(", ")));
        Some(concept)
    }
}

/// `MedicationStatement.status`, and if only when needed, of K(9104) and K(9101). A status that is not understood, such as
/// one that is told by text only, may be that the drug was stopped: it is then not said to be in use.
fn state(p: &Prescription<'_>) -> (&'static str, bool) {
    let sent = |code: &Option<Code<'_>>| code.as_ref().is_some_and(|c| c.words().is_some());
    let usage = p.usage.as_ref().and_then(Code::code);
    match (p.status.as_ref().and_then(Code::code), usage) {
        (Some("2"), _) => ("stopped", usage == Some("3")),
        (None, _) if sent(&p.status) => ("unknown", false),
        (None | Some("1" | "3"), Some("1" | "2" | "5")) => ("active", false),
        (None | Some("1" | "3"), Some("3")) => ("active", true),
        (None | Some("1" | "3"), Some("4")) => ("completed", false),
        (Some("1" | "3"), None) if !sent(&p.usage) => ("active", false),
        _ => ("unknown", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    #[test]
    fn a_drug_is_in_use_only_where_that_is_understood() {
        let said = |status: &str, usage: &str| {
            let text = format!(
                "<ForenkletForskrivning>{status}<Forskrivningsinfo><Navn>x</Navn>{usage}</Forskrivningsinfo>
                 </ForenkletForskrivning>"
            );
            let tree = Tree::parse(&text, &Limits::default()).unwrap();
            state(&Prescription::read(tree.root().unwrap()))
        };
        let status = |code: &str| format!("<StatusTilForskrivningen V='{code}'/>");
        let usage = |code: &str| format!("<Bruk V='{code}'/>");
        assert_eq!(said(&status("1"), ""), ("active", false));
        assert_eq!(said(&status("3"), &usage("2")), ("active", false));
        assert_eq!(said("", &usage("3")), ("active", true));
        assert_eq!(said("", &usage("4")), ("completed", false));
        assert_eq!(said(&status("2"), &usage("1")), ("stopped", false));
        assert_eq!(said(&status("2"), &usage("3")), ("stopped", true));
        assert_eq!(said("", ""), ("unknown", false));
        assert_eq!(said(&status("1"), "<Bruk DN='Ved behov'/>"), ("unknown", false));
        for stopped in ["<StatusTilForskrivningen DN='Seponering'/>", &status("9"), &status("02")] {
            assert_eq!(said(stopped, ""), ("unknown", false), "{stopped}");
            assert_eq!(said(stopped, &usage("1")), ("unknown", false), "{stopped}");
        }
    }
}
