//! What a care message tells of the patient, as resources.
//!
//! The text tells all of it; a resource is made only where its meaning is sure. What cannot be told to be an
//! allergy is a Flag, a function that was not assessed has no value, and a time that somebody still has to
//! book is no Appointment.

use super::read::{CareMessage, Chapter};
use crate::document::NoteKind;
use crate::document::codes::{self, System};
use crate::document::components::{Allergy, Booked, Diagnosis, FunctionScore, PreviousIllness, TimedEvent};
use crate::document::fhir::{
    AllergyIntolerance, Annotation, Appointment, CodeableConcept, Coding, Condition, DateTime, Encounter,
    EncounterDiagnosis, EncounterLocation, Flag, Observation, Participant, Period, Reference, Resource,
};
use crate::document::surroundings::hl7;
use crate::document::values::{Code, Sourced, When, Words};
use crate::document::writer::Writer;
use crate::time::{Precision, Stamp, oslo_text};
use crate::xml::Node;
use std::borrow::Cow;
use uuid::Uuid;

const CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";

/// What is known around what is told.
#[derive(Debug)]
pub(super) struct Frame<'f, 'a> {
    /// Who answers for the message.
    pub author: Option<&'f Reference<'a>>,
    /// When it was made.
    pub generated: (Stamp, DateTime),
}

/// What the message came to: resources by the chapter that names them, and the stay.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub entries: Vec<(Chapter, Uuid)>,
    pub encounter: Option<Uuid>,
    /// When the care began and ended, as far as the message says.
    pub began: Option<Stamp>,
    pub ended: Option<Stamp>,
}

impl<'a, 't> Writer<'a, '_, 't, CareMessage<'t>> {
    /// Everything but patient, parties and attachments.
    pub(super) fn clinical(&mut self, frame: &Frame<'_, 'a>) -> Written {
        let body = self.body;
        let mut written = Written::default();
        let keep = |chapter, id: Option<Uuid>, written: &mut Written| {
            written.entries.extend(id.map(|id| (chapter, id)));
        };
        for (node, words) in &body.cave {
            let id = self.cave(*node, words);
            keep(Chapter::Warnings, Some(id), &mut written);
        }
        for allergy in &body.allergies {
            let id = self.known_allergy(allergy);
            keep(Chapter::Warnings, id, &mut written);
        }
        let mut diagnoses = Vec::new();
        for diagnosis in &body.diagnoses {
            let id = self.diagnosis(diagnosis, false, frame);
            keep(Chapter::Diagnoses, id, &mut written);
            diagnoses.extend(id.map(|id| (is_main(diagnosis), id)));
        }
        for diagnosis in &body.period_diagnoses {
            let id = self.diagnosis(diagnosis, true, frame);
            keep(Chapter::PeriodDiagnoses, id, &mut written);
        }
        for illness in &body.previous_illnesses {
            let id = self.previous_illness(illness);
            keep(Chapter::PreviousIllnesses, id, &mut written);
        }
        for (chapter, note) in &body.important_notes {
            let Some(heading) = note.heading.as_ref().filter(|h| warns(h)) else { continue };
            let id = self.important(note.node, heading, note.text.as_ref());
            keep(*chapter, Some(id), &mut written);
        }
        for prescription in &body.prescriptions {
            let id = self.medication(prescription);
            keep(Chapter::Medication, id, &mut written);
        }
        for score in &body.scores {
            let id = self.function(score, frame);
            keep(Chapter::Functions, id, &mut written);
        }
        for booked in &body.booked {
            let id = self.appointment(booked);
            keep(Chapter::Appointments, id, &mut written);
        }
        self.stay(&diagnoses, &mut written);
        for relative in &body.relatives {
            let id = self.relative(relative);
            keep(Chapter::Relatives, id, &mut written);
        }
        written
    }

    /// A word of warning: free text cannot be told to be an allergy.
    fn cave(&mut self, node: Node<'t>, words: &'a Words<'t>) -> Uuid {
        words.mapped(&mut self.coverage, "Flag.code");
        let code = CodeableConcept::text(&*words.value);
        self.safety_flag(node, code)
    }

    fn safety_flag(&mut self, node: Node<'t>, code: CodeableConcept<'a>) -> Uuid {
        let id = self.id("Flag", node, 1);
        let out = Flag {
            id: Some(id),
            status: Some("active"),
            category: vec![hl7("http://terminology.hl7.org/CodeSystem/flag-category", "safety")],
            code: Some(code),
            subject: self.subject,
            ..Flag::default()
        };
        self.push(id, Resource::Flag(Box::new(out)));
        id
    }

    /// Infection or anaphylaxis, K(9143).
    fn important(&mut self, node: Node<'t>, heading: &'a Code<'t>, text: Option<&'a Words<'t>>) -> Uuid {
        heading.mapped(&mut self.coverage, "Flag.code");
        let mut code = codes::concept(heading, Some(9143), self.mode()).unwrap_or_default();
        if let Some(text) = text {
            text.mapped(&mut self.coverage, "Flag.code");
            let label = codes::spoken(heading).unwrap_or("Viktig opplysning");
            code.text = Some(Cow::Owned(format!("{label}: {}", text.value)));
        }
        self.safety_flag(node, code)
    }

    fn known_allergy(&mut self, allergy: &'a Allergy<'t>) -> Option<Uuid> {
        const TARGET: &str = "AllergyIntolerance.code";
        let mode = self.mode();
        let mut code = CodeableConcept::default();
        if let Some(words) = &allergy.against {
            words.mapped(&mut self.coverage, TARGET);
            code.text = Some(Cow::Borrowed(&*words.value));
        }
        for substance in &allergy.substances {
            let coding = codes::coding(substance, None, mode);
            if coding.is_some() || code.text.is_none() {
                substance.mapped(&mut self.coverage, TARGET);
            }
            code.coding.extend(coding);
            if code.text.is_none() {
                code.text = substance.words().map(Cow::Borrowed);
            }
        }
        if code.text.is_none() && code.coding.is_empty() {
            return None;
        }
        let id = self.id("AllergyIntolerance", allergy.node, 1);
        let mut category = Vec::new();
        let groups = [
            ("medication", allergy.medication.as_slice()),
            ("food", allergy.food.as_slice()),
            ("environment", allergy.environment.as_slice()),
        ];
        for (name, flags) in groups {
            for flag in flags {
                flag.mapped(&mut self.coverage, "AllergyIntolerance.category");
            }
            if flags.iter().any(|f| f.value) {
                category.push(name);
            }
        }
        let mut note = Vec::new();
        if let Some(words) = allergy.anaphylaxis.as_ref().and_then(Code::words) {
            note.push(Annotation { text: Cow::Owned(format!("Anafylaktiske reaksjoner: {words}")) });
        }
        if let Some(code) = &allergy.anaphylaxis {
            code.mapped(&mut self.coverage, "AllergyIntolerance.note");
        }
        let out = AllergyIntolerance {
            id: Some(id),
            clinical_status: Some(hl7(
                "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                "active",
            )),
            category,
            code: Some(code),
            patient: self.subject,
            note,
            ..AllergyIntolerance::default()
        };
        self.push(id, Resource::AllergyIntolerance(Box::new(out)));
        Some(id)
    }

    fn diagnosis(
        &mut self,
        diagnosis: &'a Diagnosis<'t>,
        over_time: bool,
        frame: &Frame<'_, 'a>,
    ) -> Option<Uuid> {
        let code = self.named(diagnosis.code.as_ref(), diagnosis.description.as_ref(), "Condition.code")?;
        let id = self.id("Condition", diagnosis.node, 1);
        let section = Chapter::PeriodDiagnoses.title();
        let onset = self.date_time(diagnosis.from.as_ref(), "Condition.onsetDateTime", section);
        // What is expected to end is not over: the text tells when.
        let end = diagnosis.to.as_ref().filter(|to| !to.is_after(frame.generated.0));
        let abatement = self.date_time(end, "Condition.abatementDateTime", section);
        let status = match (abatement, over_time) {
            (Some(_), _) => Some("resolved"),
            (None, true) => Some("active"),
            (None, false) => None,
        };
        if let Some(main) = &diagnosis.main {
            main.told(&mut self.coverage, Chapter::Diagnoses.title());
        }
        let category = if over_time { "problem-list-item" } else { "encounter-diagnosis" };
        let out = Condition {
            id: Some(id),
            clinical_status: status.map(|code| hl7(CLINICAL, code)),
            category: vec![hl7(CATEGORY, category)],
            code: Some(code),
            subject: self.subject,
            onset_date_time: onset,
            abatement_date_time: abatement,
            ..Condition::default()
        };
        self.push(id, Resource::Condition(Box::new(out)));
        Some(id)
    }

    /// An illness of before: still there only where it is said to be chronic.
    fn previous_illness(&mut self, illness: &'a PreviousIllness<'t>) -> Option<Uuid> {
        let code = self.named(illness.code.as_ref(), illness.name.as_ref(), "Condition.code")?;
        let id = self.id("Condition", illness.node, 1);
        if let Some(chronic) = &illness.chronic {
            chronic.mapped(&mut self.coverage, "Condition.clinicalStatus");
        }
        let status = if illness.chronic.as_ref().is_some_and(|c| c.value) { "active" } else { "inactive" };
        let out = Condition {
            id: Some(id),
            clinical_status: Some(hl7(CLINICAL, status)),
            category: vec![hl7(CATEGORY, "problem-list-item")],
            code: Some(code),
            subject: self.subject,
            ..Condition::default()
        };
        self.push(id, Resource::Condition(Box::new(out)));
        Some(id)
    }

    /// A code and what the sender calls it; none of both gives nothing.
    fn named(
        &mut self,
        code: Option<&'a Code<'t>>,
        words: Option<&'a Words<'t>>,
        target: &'static str,
    ) -> Option<CodeableConcept<'a>> {
        let mut concept = code.and_then(|c| codes::concept(c, None, self.mode())).unwrap_or_default();
        if let Some(code) = code {
            code.mapped(&mut self.coverage, target);
        }
        if let Some(words) = words {
            words.mapped(&mut self.coverage, target);
            concept.text = Some(Cow::Borrowed(&*words.value));
        }
        (concept.text.is_some() || !concept.coding.is_empty()).then_some(concept)
    }

    /// A function and how it was assessed; not relevant (9) and not assessed are no values. The message has no time of
    /// its own for it: it is as of the message, like a result without a date.
    fn function(&mut self, score: &'a FunctionScore<'t>, frame: &Frame<'_, 'a>) -> Option<Uuid> {
        let variable = score.variable.as_ref()?;
        let code = codes::concept(variable, Some(9111), self.mode())?;
        variable.mapped(&mut self.coverage, "Observation.code");
        let id = self.id("Observation", score.node, 1);
        let value = score.score.as_ref().and_then(|w| w.value.parse::<i64>().ok());
        let (value_integer, absent) = match value {
            Some(grade @ 1..=5) => (Some(grade), None),
            Some(9) => (None, Some("not-applicable")),
            Some(_) | None => (None, Some("unknown")),
        };
        if let Some(words) = &score.score {
            match (value_integer, absent) {
                (Some(_), _) => words.mapped(&mut self.coverage, "Observation.valueInteger"),
                (None, Some("not-applicable")) => {
                    words.mapped(&mut self.coverage, "Observation.dataAbsentReason");
                }
                (None, _) => self.notes.add(words.node, NoteKind::UnknownCode),
            }
        }
        let mut note = Vec::new();
        if let Some(words) = &score.comment {
            words.mapped(&mut self.coverage, "Observation.note");
            note.push(Annotation { text: Cow::Borrowed(&*words.value) });
        }
        let out = Observation {
            id: Some(id),
            status: Some("final"),
            category: vec![hl7("http://terminology.hl7.org/CodeSystem/observation-category", "survey")],
            code: Some(code),
            subject: self.subject,
            effective_date_time: Some(frame.generated.1),
            performer: frame.author.cloned().into_iter().collect(),
            value_integer,
            data_absent_reason: absent
                .map(|code| hl7("http://terminology.hl7.org/CodeSystem/data-absent-reason", code)),
            note,
            ..Observation::default()
        };
        self.push(id, Resource::Observation(Box::new(out)));
        Some(id)
    }

    /// A time that is booked, with its beginning and its length.
    fn appointment(&mut self, booked: &'a Booked<'t>) -> Option<Uuid> {
        let flag = booked.booked.as_ref().filter(|b| b.value)?;
        let at = booked.at.as_ref()?;
        let start = at.stamp.filter(|s| s.precision() == Precision::Full)?;
        let (start, _) = start.complete()?;
        let minutes = booked.minutes.as_ref()?;
        // A day at most: what is longer is in some other unit.
        let length: i64 = minutes.value.parse().ok().filter(|m| (1..=24 * 60).contains(m))?;
        let end = start.instant()?.checked_add(jiff::SignedDuration::from_mins(length)).ok()?;
        let end = Stamp::parse(&oslo_text(end)).and_then(DateTime::new)?;
        flag.mapped(&mut self.coverage, "Appointment.status");
        at.mapped(&mut self.coverage, "Appointment.start");
        minutes.mapped(&mut self.coverage, "Appointment.end");
        let id = self.id("Appointment", booked.node, 1);
        if let Some(place) = &booked.place {
            place.mapped(&mut self.coverage, "Appointment.comment");
        }
        let out = Appointment {
            id: Some(id),
            status: Some("booked"),
            start: DateTime::new(start),
            end: Some(end),
            comment: booked.place.as_ref().map(|p| Cow::Owned(format!("Sted: {}", p.value))),
            participant: vec![Participant { actor: self.subject, status: Some("accepted") }],
            ..Appointment::default()
        };
        self.push(id, Resource::Appointment(Box::new(out)));
        Some(id)
    }

    /// One Encounter of what is told with a code, K(9121): admitted, discharged.
    fn stay(&mut self, diagnoses: &[(bool, Uuid)], written: &mut Written) {
        let body = self.body;
        let coded = |code: &str| {
            body.events
                .iter()
                .find(|e| e.code.as_ref().and_then(Code::code) == Some(code) && dated(e).is_some())
        };
        let (admitted, discharged) = (coded("1"), coded("2"));
        let began = body.contact_began.as_ref().and_then(When::dated);
        let ended = body.contact_ended.as_ref().and_then(When::dated);
        written.began = began.or_else(|| admitted.and_then(dated));
        written.ended = ended.or_else(|| discharged.and_then(dated));
        let Some(first) = admitted.or(discharged) else { return };
        let id = self.id("Encounter", first.node, 1);
        let mut location = Vec::new();
        for event in [admitted, discharged].into_iter().flatten() {
            if let Some(code) = &event.code {
                code.mapped(&mut self.coverage, "Encounter.period");
            }
            if let Some(when) = &event.at {
                when.mapped(&mut self.coverage, "Encounter.period");
            }
            let place = event.place.as_ref().filter(|_| event.node == first.node);
            if let Some(place) = place {
                place.mapped(&mut self.coverage, "Encounter.location");
                let display = Some(Cow::Borrowed(&*place.value));
                location.push(EncounterLocation {
                    location: Some(Reference { display, ..Reference::default() }),
                    ..EncounterLocation::default()
                });
            }
        }
        // The main diagnoses first, else in the order sent.
        let (main, other): (Vec<_>, Vec<_>) = diagnoses.iter().copied().partition(|(main, _)| *main);
        let ranked = (1..).zip(main.into_iter().chain(other)).map(|(rank, (_, id))| EncounterDiagnosis {
            condition: Some(Reference::to(id)),
            used: Some(hl7("http://terminology.hl7.org/CodeSystem/diagnosis-role", "DD")),
            rank: Some(rank),
        });
        let class = Coding::fixed(
            System::Uri("http://terminology.hl7.org/CodeSystem/v3-ActCode"),
            "IMP",
            Some("inpatient encounter"),
        );
        let time = |e: Option<&TimedEvent<'t>>| e.and_then(dated).and_then(DateTime::new);
        let out = Encounter {
            id: Some(id),
            // A discharge that is only expected has not been.
            status: Some(if discharged.is_some_and(|e| !is_estimated(e)) { "finished" } else { "unknown" }),
            class: Some(class),
            subject: self.subject,
            period: Some(Period { start: time(admitted), end: time(discharged) }),
            diagnosis: ranked.collect(),
            location,
            ..Encounter::default()
        };
        self.push(id, Resource::Encounter(Box::new(out)));
        written.encounter = Some(id);
        // The chapter that tells of it names it.
        let around: Vec<_> = std::iter::successors(Some(first.node), |n| n.parent()).collect();
        let told = body.told.iter().find(|(_, node)| around.contains(node));
        written.entries.push((told.map_or(Chapter::Stay, |(chapter, _)| *chapter), id));
    }
}

/// The time of death, where the message is about that.
pub(super) fn death<'m, 't>(body: &'m CareMessage<'t>) -> Option<&'m When<'t>> {
    let dead = body.events.iter().find(|e| e.code.as_ref().and_then(Code::code) == Some("13"))?;
    dead.at.as_ref().filter(|w| w.dated().is_some())
}

fn dated(event: &TimedEvent<'_>) -> Option<Stamp> {
    event.at.as_ref().and_then(When::dated)
}

fn is_estimated(event: &TimedEvent<'_>) -> bool {
    event.estimated.as_ref().is_some_and(|e| e.value)
}

fn is_main(diagnosis: &Diagnosis<'_>) -> bool {
    diagnosis.main.as_ref().is_some_and(|m| m.value)
}

/// Infection by contact, inoculation, droplets or air, and anaphylaxis: K(9143) 1 to 5.
fn warns(heading: &Code<'_>) -> bool {
    heading.system.and_then(codes::national) == Some(9143)
        && matches!(heading.code(), Some("1" | "2" | "3" | "4" | "5"))
}
