//! Drugs: what their status says, and the resource.

use super::read::{Drug, InfItem};
use super::{Frame, SAFETY, withdrawn};
use crate::document::codes;
use crate::document::fhir::{
    AllergyIntolerance, Annotation, CodeableConcept, Coding, Dosage, DoseAndRate, MedicationStatement,
    Repeat, Resource, Timing,
};
use crate::document::narrative::Html;
use crate::document::observed::quantity;
use crate::document::roles::period;
use crate::document::values::{Amount, Code, Sourced, Words};
use crate::document::words::{amount_text, code_text, when_words};
use crate::document::writer::Writer;
use crate::document::{NoteKind, codes::System};
use std::borrow::Cow;
use uuid::Uuid;

/// A drug that is not named.
pub(super) const NAMELESS: &str = "Legemiddel uten navn";
/// UCUM's units of time (drt-1).
const TIMES: [&str; 7] = ["s", "min", "h", "d", "wk", "mo", "a"];

/// What `Medication/Status` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::document) enum DrugStatus {
    /// A use of the drug: the list that the code is of, `MedicationStatement.status`, and if only when needed.
    Use { list: u16, status: &'static str, as_needed: bool },
    /// The patient does not tolerate it: never a use.
    Allergic,
    /// It cannot be told which of the two lists the code is of.
    Ambiguous,
    /// In neither list.
    Unknown,
}

//= document-sharing §3.3
//# Resolve by (V, DN): the list in which that code has that text. No usable DN: 1.0/1.1 gives 7307; in the
//# newer two, V 6 or 10 gives 7307, V 1 to 5 is ambiguous
/// Which list a status is of, and what it says there. `newer`: Epikrise 1.2 and Henvisning 2.0.
pub(in crate::document) fn status(code: &Code<'_>, newer: bool) -> DrugStatus {
    let said = |words: &[&str]| {
        let mut texts = [code.display, code.own].into_iter().flatten().map(str::to_lowercase);
        texts.any(|text| words.iter().any(|word| text.contains(word)))
    };
    // `Allergisk ovenfor` and `Anbefalt å slutte å innta`, as senders write them.
    let allergic = said(&["allerg", "overføls"]) && !said(&["ikke ", "ingen "]);
    let stopped = said(&["slutte", "sepon"]);
    let Some(value) = code.code() else {
        return if allergic { DrugStatus::Allergic } else { DrugStatus::Unknown };
    };
    // A text that speaks of the opposite of its code contradicts it: what is meant cannot be told.
    if (allergic && value != "10") || (stopped && value != "4") {
        return DrugStatus::Unknown;
    }
    let sent = code.system.and_then(codes::national);
    let says = |list: u16| {
        let text = codes::list_text(list, value);
        text.zip(code.display).is_some_and(|(listed, sent)| same_words(listed, sent))
    };
    let list = match sent {
        Some(list @ (7307 | 9101)) => Some(list),
        _ if says(7307) => Some(7307),
        _ if says(9101) => Some(9101),
        _ if !newer || matches!(value, "6" | "10") => Some(7307),
        _ if codes::list_text(9101, value).is_some() => None,
        _ => return DrugStatus::Unknown,
    };
    let uses = |list, status, as_needed| DrugStatus::Use { list, status, as_needed };
    match (list, value) {
        (None, _) => DrugStatus::Ambiguous,
        (Some(7307), "1") => uses(7307, "completed", false),
        (Some(7307), "2" | "6") => uses(7307, "active", false),
        (Some(7307), "3") => uses(7307, "intended", false),
        (Some(7307), "4") => uses(7307, "stopped", false),
        (Some(7307), "5") => uses(7307, "active", true),
        (Some(7307), "10") => DrugStatus::Allergic,
        (Some(9101), "1" | "2" | "5") => uses(9101, "active", false),
        (Some(9101), "3") => uses(9101, "active", true),
        (Some(9101), "4") => uses(9101, "completed", false),
        (Some(_), _) => DrugStatus::Unknown,
    }
}

fn same_words(a: &str, b: &str) -> bool {
    let plain = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    plain(a) == plain(b)
}

impl<'a, 't, B> Writer<'a, '_, 't, B> {
    /// What the status of a drug says; one that no list has is noted.
    pub(super) fn drug_status(&mut self, drug: &Drug<'_>, frame: &Frame) -> DrugStatus {
        let said = drug.status.as_ref().map_or(DrugStatus::Unknown, |s| status(s, frame.newer));
        if let Some(code) = drug.status.as_ref().filter(|_| said == DrugStatus::Unknown) {
            self.notes.add(code.node, NoteKind::UnknownStatus);
        }
        said
    }

    /// Writes a drug: MedicationStatement, or AllergyIntolerance where the patient does not tolerate it.
    pub(super) fn drug(
        &mut self,
        item: &'a InfItem<'t>,
        drug: &'a Drug<'t>,
        frame: &Frame,
        said: DrugStatus,
    ) -> Uuid {
        let mode = self.mode();
        let name = drug.id.as_ref().and_then(|id| codes::concept(id, None, mode));
        let name = name.unwrap_or_else(|| CodeableConcept::text(NAMELESS));
        if let Some(id) = &drug.id {
            id.mapped(&mut self.coverage, "MedicationStatement.medication");
        }
        let mut note: Vec<Annotation<'a>> = Vec::new();
        if let Some(comment) = &drug.comment {
            comment.mapped(&mut self.coverage, "MedicationStatement.note");
            note.push(Annotation { text: Cow::Borrowed(&*comment.value) });
        }
        if said == DrugStatus::Allergic {
            return self.allergy(item, drug, frame, name, note);
        }
        let id = self.id("MedicationStatement", drug.node, 1);
        let mut dosage = self.dosage(drug, &mut note);
        let (list, state) = match said {
            DrugStatus::Use { list, status, as_needed } => {
                dosage.as_needed_boolean = as_needed.then_some(true);
                (Some(list), status)
            }
            DrugStatus::Allergic | DrugStatus::Ambiguous | DrugStatus::Unknown => (None, "unknown"),
        };
        let given = dosage.text.is_some()
            || dosage.timing.is_some()
            || dosage.as_needed_boolean.is_some()
            || dosage.route.is_some()
            || !dosage.additional_instruction.is_empty()
            || !dosage.dose_and_rate.is_empty();
        let reason = drug.status.as_ref().and_then(|code| {
            code.mapped(&mut self.coverage, "MedicationStatement.statusReason");
            match (list, code.code()) {
                (Some(list), _) => codes::concept(code, Some(list), mode),
                (None, Some(value)) if code.system.is_none() => {
                    Some(CodeableConcept::text(format!("Status {value}")))
                }
                (None, _) => codes::concept(code, None, mode),
            }
        });
        for when in item.start.iter().chain(&item.end).filter(|w| w.dated().is_some()) {
            when.mapped(&mut self.coverage, "MedicationStatement.effectivePeriod");
        }
        let asserted =
            self.date_time(item.recorded.as_ref(), "MedicationStatement.dateAsserted", "Legemidler");
        let source = item.parties.first().and_then(|p| self.role(p, false));
        let out = MedicationStatement {
            id: Some(id),
            status: Some(if frame.cancelled { "entered-in-error" } else { state }),
            status_reason: reason.into_iter().collect(),
            medication_codeable_concept: Some(name),
            subject: self.subject,
            context: frame.encounter(),
            effective_period: period(item.start.as_ref(), item.end.as_ref()),
            date_asserted: asserted,
            information_source: source.map(super::reference),
            note,
            dosage: given.then_some(dosage).into_iter().collect(),
            ..MedicationStatement::default()
        };
        self.push(id, Resource::MedicationStatement(Box::new(out)));
        id
    }

    fn allergy(
        &mut self,
        item: &'a InfItem<'t>,
        drug: &'a Drug<'t>,
        frame: &Frame,
        code: CodeableConcept<'a>,
        mut note: Vec<Annotation<'a>>,
    ) -> Uuid {
        let id = self.id("AllergyIntolerance", drug.node, 1);
        if let Some(code) = &drug.status {
            code.mapped(&mut self.coverage, "AllergyIntolerance");
        }
        // How it was taken is part of what was not tolerated.
        let dosage = self.dosage(drug, &mut note);
        note.extend(dosage.text.map(|text| Annotation { text }));
        let active = Coding::fixed(
            System::Uri("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"),
            "active",
            Some("Active"),
        );
        let out = AllergyIntolerance {
            id: Some(id),
            // ait-2: what was entered in error has no clinical status.
            clinical_status: (!frame.cancelled).then(|| CodeableConcept::of(active)),
            verification_status: frame
                .cancelled
                .then(|| withdrawn("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification")),
            category: vec!["medication"],
            code: Some(code),
            patient: self.subject,
            encounter: frame.encounter(),
            onset_date_time: self.date_time(item.start.as_ref(), "AllergyIntolerance.onsetDateTime", SAFETY),
            recorded_date: self.date_time(item.recorded.as_ref(), "AllergyIntolerance.recordedDate", SAFETY),
            note,
            ..AllergyIntolerance::default()
        };
        if let Some(end) = &item.end {
            end.told(&mut self.coverage, SAFETY);
        }
        self.push(id, Resource::AllergyIntolerance(Box::new(out)));
        id
    }

    //= document-sharing §4
    //# IntendedDuration dosage.timing.repeat.boundsDuration if its unit is a UCUM time (drt-1), else dosage.text
    fn dosage(&mut self, drug: &'a Drug<'t>, note: &mut Vec<Annotation<'a>>) -> Dosage<'a> {
        let mode = self.mode();
        let mut out = Dosage::default();
        let mut text: Vec<Cow<'a, str>> = Vec::new();
        if let Some(words) = &drug.dosage_text {
            words.mapped(&mut self.coverage, "MedicationStatement.dosage.text");
            text.push(Cow::Borrowed(&*words.value));
        }
        if let Some(code) = &drug.dosage_coded {
            code.mapped(&mut self.coverage, "MedicationStatement.dosage.additionalInstruction");
            out.additional_instruction.extend(codes::concept(code, None, mode));
        }
        if let Some(code) = &drug.route {
            code.mapped(&mut self.coverage, "MedicationStatement.dosage.route");
            out.route = codes::concept(code, None, mode);
        }
        if let Some(amount) = &drug.dose {
            amount.mapped(&mut self.coverage, "MedicationStatement.dosage.doseAndRate");
            match quantity(amount) {
                Some(dose_quantity) => out.dose_and_rate.push(DoseAndRate { dose_quantity }),
                None => text.extend(said_as_text("Enhetsdose", amount)),
            }
        }
        if let Some(amount) = &drug.duration {
            amount.mapped(&mut self.coverage, "MedicationStatement.dosage.timing");
            let time = |code: &Option<Cow<'_, str>>| code.as_deref().is_some_and(|c| TIMES.contains(&c));
            match quantity(amount).filter(|q| time(&q.code)) {
                Some(bounds_duration) => out.timing = Some(Timing { repeat: Repeat { bounds_duration } }),
                None => text.extend(said_as_text("Varighet", amount)),
            }
        }
        if let Some(code) = &drug.form {
            code.mapped(&mut self.coverage, "MedicationStatement.note");
            let mut words = String::from("Form: ");
            code_text(code, &mut words);
            note.push(Annotation { text: Cow::Owned(words) });
        }
        if let Some(amount) = &drug.supplied {
            amount.mapped(&mut self.coverage, "MedicationStatement.note");
            note.extend(said_as_text("Utlevert", amount).map(|text| Annotation { text }));
        }
        out.text = match text.len() {
            0 => None,
            1 => text.pop(),
            _ => Some(Cow::Owned(text.join("; "))),
        };
        out
    }
}

fn said_as_text<'a>(label: &str, amount: &Amount<'_>) -> Option<Cow<'a, str>> {
    let words = amount_text(amount);
    (!words.is_empty()).then(|| Cow::Owned(format!("{label}: {words}")))
}

/// The status of a drug in words.
fn status_words<'d>(drug: &'d Drug<'_>, newer: bool) -> Cow<'d, str> {
    let Some(code) = &drug.status else { return Cow::Borrowed("") };
    let list = match status(code, newer) {
        DrugStatus::Use { list, .. } => list,
        DrugStatus::Allergic => 7307,
        DrugStatus::Ambiguous | DrugStatus::Unknown => 0,
    };
    match (list, code.code()) {
        (0, Some(value)) if code.display.is_none() => Cow::Owned(format!("Status {value}")),
        _ => codes::words_of_list(code, list).unwrap_or_default(),
    }
}

/// All that is said of a drug but its name, a line each: for a drug that is warned of, where a column "Status"
/// would read as if it were in use.
pub(super) fn lines(drug: &Drug<'_>, newer: bool) -> Vec<String> {
    let said = |words: &Option<Words<'_>>| words.as_ref().map(|w| w.value.to_string()).unwrap_or_default();
    let coded = |code: &Option<Code<'_>>| {
        let mut text = String::new();
        if let Some(code) = code {
            code_text(code, &mut text);
        }
        text
    };
    let amount = |amount: &Option<Amount<'_>>| amount.as_ref().map(amount_text).unwrap_or_default();
    let lines = [
        ("Merknad", said(&drug.comment)),
        ("Oppgitt status", status_words(drug, newer).into_owned()),
        ("Dose", amount(&drug.dose)),
        ("Dosering", said(&drug.dosage_text)),
        ("Dosering", coded(&drug.dosage_coded)),
        ("Administrasjonsvei", coded(&drug.route)),
        ("Varighet", amount(&drug.duration)),
        ("Form", coded(&drug.form)),
        ("Utlevert", amount(&drug.supplied)),
    ];
    let said = lines.into_iter().filter(|(_, text)| !text.is_empty());
    said.map(|(label, text)| format!("{label}: {text}")).collect()
}

/// The head of the table of drugs.
pub(super) const HEAD: &str = "<thead><tr><th>Legemiddel</th><th>Dose</th><th>Dosering</th><th>Status</th>\
    <th>Periode</th><th>Merknad</th></tr></thead>";

/// A row of the table of drugs.
pub(super) fn row(item: &InfItem<'_>, drug: &Drug<'_>, newer: bool, html: &mut Html) {
    let words = |code: &Option<Code<'_>>| {
        let mut text = String::new();
        if let Some(code) = code {
            code_text(code, &mut text);
        }
        text
    };
    let amount = |amount: &Option<Amount<'_>>| amount.as_ref().map(amount_text).unwrap_or_default();
    html.raw("<tr><td>").text(&words(&drug.id)).raw("</td><td>").text(&amount(&drug.dose)).raw("</td><td>");
    let mut first = true;
    let mut part = |label: &str, text: &str, html: &mut Html| {
        if !text.is_empty() {
            html.raw(if std::mem::take(&mut first) { "" } else { "<br/>" }).raw(label).laid_out(text);
        }
    };
    part("", drug.dosage_text.as_ref().map_or("", |w| &*w.value), html);
    part("", &words(&drug.dosage_coded), html);
    part("Administrasjonsvei: ", &words(&drug.route), html);
    part("Varighet: ", &amount(&drug.duration), html);
    html.raw("</td><td>");
    html.text(&status_words(drug, newer));
    html.raw("</td><td>");
    for (n, when) in [&item.start, &item.end].into_iter().enumerate() {
        if let Some(when) = when {
            html.raw(if n == 0 { "" } else { " – " }).text(&when_words(when));
        }
    }
    html.raw("</td><td>");
    let mut first = true;
    let mut part = |label: &str, text: &str, html: &mut Html| {
        if !text.is_empty() {
            html.raw(if std::mem::take(&mut first) { "" } else { "<br/>" }).raw(label).laid_out(text);
        }
    };
    part("", drug.comment.as_ref().map_or("", |w| &*w.value), html);
    part("Form: ", &words(&drug.form), html);
    part("Utlevert: ", &amount(&drug.supplied), html);
    if let Some(when) = &item.recorded {
        part("Registrert: ", &when_words(when), html);
    }
    html.raw("</td></tr>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    fn judged(attributes: &str, newer: bool) -> DrugStatus {
        let tree = Tree::parse(&format!("<Status {attributes}/>"), &Limits::default()).unwrap();
        status(&Code::read(tree.root().unwrap()), newer)
    }

    fn used(list: u16, status: &'static str, as_needed: bool) -> DrugStatus {
        DrugStatus::Use { list, status, as_needed }
    }

    #[test]
    fn the_text_tells_which_list_a_status_is_of() {
        assert_eq!(judged("V='2' DN='Kur'", false), used(9101, "active", false));
        assert_eq!(judged("V='2' DN='Forskrevet'", true), used(7307, "active", false));
        assert_eq!(judged("V='3' DN=' ved  behov '", true), used(9101, "active", true));
        assert_eq!(judged("V='4' DN='Vaksine'", true), used(9101, "completed", false));
        assert_eq!(judged("V='4' DN='Anbefalt å slutte å innta'", true), used(7307, "stopped", false));
        assert_eq!(judged("V='10' DN='Allergisk ovenfor'", true), DrugStatus::Allergic);
    }

    #[test]
    fn a_text_that_speaks_against_its_code_is_no_use() {
        for (attributes, newer) in [
            ("V='1' DN='Allergisk ovenfor'", false),
            ("V='6' DN='Allergi'", true),
            ("V='2' DN='Seponert'", false),
            ("V='1' DN='Anbefalt å slutte å innta'", true),
            ("V='10' DN='Seponert'", true),
        ] {
            assert_eq!(judged(attributes, newer), DrugStatus::Unknown, "{attributes}");
        }
        assert_eq!(judged("V='4' DN='Rådes til å slutte'", false), used(7307, "stopped", false));
        assert_eq!(judged("V='10' DN='Allergi'", false), DrugStatus::Allergic);
    }

    #[test]
    fn without_a_text_the_version_tells_or_nothing() {
        assert_eq!(judged("V='3'", false), used(7307, "intended", false));
        assert_eq!(judged("V='3' DN='noe annet'", false), used(7307, "intended", false));
        assert_eq!(judged("V='3'", true), DrugStatus::Ambiguous);
        assert_eq!(judged("V='6'", true), used(7307, "active", false));
        assert_eq!(judged("V='10'", true), DrugStatus::Allergic);
        assert_eq!(judged("V='3' S='2.16.578.1.12.4.1.1.9101'", true), used(9101, "active", true));
        assert_eq!(judged("DN='Allergisk overfor'", true), DrugStatus::Allergic);
        assert_eq!(judged("OT='Overfølsom'", false), DrugStatus::Allergic);
        assert_eq!(judged("DN='Ikke allergisk'", true), DrugStatus::Unknown);
        assert_eq!(judged("DN='Fast'", true), DrugStatus::Unknown);
        assert_eq!(judged("V='8'", true), DrugStatus::Unknown);
        assert_eq!(judged("V='8'", false), DrugStatus::Unknown);
        assert_eq!(judged("", false), DrugStatus::Unknown);
    }
}
