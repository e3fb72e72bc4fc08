//! Those around a patient, and what else is known of one, from the common components, as resources.

use super::codes::{self, System};
use super::components::{PatientDetails, Relative, Responsible};
use super::fhir::{
    Attester, CodeableConcept, Coding, Patient, PatientCommunication, Reference, RelatedPerson, Resource,
};
use super::identifiers;
use super::individual::day;
use super::parties;
use super::values::{Code, Sourced, When};
use super::writer::Writer;
use super::{Mode, NoteKind};
use std::borrow::Cow;
use uuid::Uuid;

impl<'a, 't, B> Writer<'a, '_, 't, B> {
    /// `ParorendeForesatt` and its like: kinship and care as sent. That somebody is the next of kin is told in
    /// the text, where it was said.
    pub(super) fn relative(&mut self, relative: &'a Relative<'t>) -> Option<Uuid> {
        let person = relative.person.as_ref()?;
        let mode = self.mode();
        let id = self.id("RelatedPerson", relative.node, 1);
        let mut out = RelatedPerson { id: Some(id), patient: self.subject, ..RelatedPerson::default() };
        for (code, list) in [(&relative.kinship, None), (&relative.care, Some(9050))] {
            let Some(code) = code else { continue };
            code.mapped(&mut self.coverage, "RelatedPerson.relationship");
            out.relationship.extend(codes::concept(code, list, mode));
        }
        for typed in person.official.iter().chain(&person.additional) {
            if let Some(identifier) =
                identifiers::identifier(typed, identifiers::person_system, 8116, None, mode)
            {
                parties::mapped_id(typed, &mut self.coverage, "RelatedPerson.identifier");
                out.identifier.push(identifier);
            }
        }
        if let Some(name) = &person.name {
            name.mapped(&mut self.coverage, "RelatedPerson.name");
            out.name.push(name.fhir());
        }
        if let Some(sex) = &person.sex {
            sex.mapped(&mut self.coverage, "RelatedPerson.gender");
            out.gender = person.gender();
        }
        if let Some(born) = &person.born {
            match born.dated().and_then(day) {
                Some(date) => {
                    born.mapped(&mut self.coverage, "RelatedPerson.birthDate");
                    out.birth_date = Some(date);
                }
                None => self.notes.add(born.node, NoteKind::NotATime),
            }
        }
        for tele in person.telecoms() {
            tele.mapped(&mut self.coverage, "RelatedPerson.telecom");
            out.telecom.push(parties::contact(tele));
        }
        if let Some(address) = person.address.as_ref().filter(|a| !a.is_telecom_only()) {
            out.address.push(address.fhir(&mut self.coverage));
        }
        self.push(id, Resource::RelatedPerson(Box::new(out)));
        Some(id)
    }

    /// `TilleggsopplysningPasient`: what of it the patient's resource has a place for.
    pub(super) fn patient_details(&mut self, details: &'a PatientDetails<'t>, patient: &mut Patient<'a>) {
        if let Some(code) = &details.marital_status {
            code.mapped(&mut self.coverage, "Patient.maritalStatus");
            patient.marital_status = codes::concept(code, None, Mode::Document);
        }
        if let Some(code) = &details.language {
            code.mapped(&mut self.coverage, "Patient.communication.language");
            patient.communication.extend(language(code).map(|language| PatientCommunication { language }));
        }
    }

    /// Who answers for what is written: a role, and, where it was approved, who vouches for it and since when.
    pub(super) fn responsible(
        &mut self,
        responsible: &'a Responsible<'t>,
    ) -> (Option<Uuid>, Option<Attester<'a>>) {
        let role = responsible.party.as_ref().and_then(|p| self.role(p, true));
        let approves = matches!(responsible.relation.as_ref().and_then(Code::code), Some("AUT" | "SLE"));
        if let Some(code) = &responsible.relation {
            code.told(&mut self.coverage, "Ansvarlig");
        }
        let time = self.date_time(responsible.approved.as_ref(), "Composition.attester.time", "Ansvarlig");
        let attester = (time.is_some() || approves).then(|| Attester {
            mode: "legal",
            time,
            party: role.map(Reference::to),
        });
        (role, attester.filter(|a| a.time.is_some() || a.party.is_some()))
    }
}

/// A language of K(3303), which is ISO 639 in capitals; FHIR knows languages by their BCP 47 tag only, so both are
/// written.
pub(super) fn language<'a>(code: &'a Code<'_>) -> Option<CodeableConcept<'a>> {
    let mut concept = codes::concept(code, Some(3303), Mode::Document)?;
    let tag = code.code().map(str::to_ascii_lowercase).and_then(|tag| match tag.as_str() {
        // The one code of the list with three letters has one of two.
        "sme" => Some("se".to_owned()),
        two if two.len() == 2 && two.bytes().all(|b| b.is_ascii_lowercase()) => Some(tag),
        _ => None,
    });
    concept.coding.extend(tag.map(|tag| Coding {
        system: Some(System::Uri("urn:ietf:bcp:47")),
        code: Some(Cow::Owned(tag)),
        display: None,
    }));
    Some(concept)
}

/// When somebody approved it, where that can be read.
pub(super) fn approved_by<'r, 't>(responsible: &'r [Responsible<'t>]) -> Option<&'r Responsible<'t>> {
    responsible.iter().find(|r| {
        r.approved.as_ref().is_some_and(|w: &When<'_>| w.dated().is_some())
            || matches!(r.relation.as_ref().and_then(Code::code), Some("AUT" | "SLE"))
    })
}

/// A code of HL7's own systems.
pub(super) fn hl7(system: &'static str, code: &'static str) -> CodeableConcept<'static> {
    CodeableConcept::of(Coding::fixed(System::Uri(system), code, None))
}
