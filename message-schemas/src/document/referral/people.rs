//! Those around the patient of a referral, what the patient agreed to, and what time was asked for.

use super::read::{Booking, Consent, Referral, Translator};
use super::{CONSENT, ENCLOSED, relation};
use crate::document::codes::{self, System};
use crate::document::fhir::{
    self, Appointment, Attester, CodeableConcept, Coding, DateTime, Participant, Patient,
    PatientCommunication, Provision, Reference, Resource,
};
use crate::document::individual::Individual;
use crate::document::names::Name;
use crate::document::surroundings;
use crate::document::values::{Code, Sourced};
use crate::document::writer::Writer;
use crate::time::Precision;
use std::borrow::Cow;
use uuid::Uuid;

impl<'a, 't> Writer<'a, '_, 't, Referral<'t>> {
    /// What others than the patient's card say of the patient: regular doctor, language, marital status.
    pub(super) fn complete_patient(&mut self, patient: &mut Patient<'a>) {
        let body = self.body;
        let doctors = body.related.iter().filter(|p| relation(p) == Some("FLE"));
        let contacts = body.contacts.iter().filter_map(|c| c.party.as_ref());
        let contacts = contacts.filter(|p| p.role_to_patient.as_ref().and_then(Code::code) == Some("6"));
        let doctors: Vec<Uuid> = doctors.chain(contacts).filter_map(|p| self.role(p, false)).collect();
        patient.general_practitioner = doctors.into_iter().map(Reference::to).collect();
        for details in &body.details {
            self.patient_details(details, patient);
        }
        for translator in &body.translators {
            let Some(code) = translator.language.as_ref().filter(|_| is_for_patient(translator, body.who()))
            else {
                continue;
            };
            code.mapped(&mut self.coverage, "Patient.communication.language");
            let language = surroundings::language(code);
            patient.communication.extend(language.map(|language| PatientCommunication { language }));
        }
    }

    /// Who approves, and who answers for what is written.
    pub(super) fn attesters(&mut self) -> Vec<Attester<'a>> {
        let body = self.body;
        let mut attesters = Vec::new();
        for party in body.related.iter().filter(|p| matches!(relation(p), Some("AUT" | "SLE"))) {
            let party = self.role(party, true).map(Reference::to);
            attesters.extend(party.map(|p| Attester { mode: "legal", time: None, party: Some(p) }));
        }
        for responsible in &body.responsible {
            attesters.extend(self.responsible(responsible).1);
        }
        attesters
    }

    /// `Consent`, K(9064). Refused consent is a consent that denies (ppc-1 and ppc-2 want a rule and a patient).
    pub(super) fn consent(&mut self, consent: &'a Consent<'t>) -> Uuid {
        let id = self.id("Consent", consent.node, 1);
        let mode = self.mode();
        let code = consent.status.as_ref();
        let scope = Coding::fixed(
            System::Uri("http://terminology.hl7.org/CodeSystem/consentscope"),
            "patient-privacy",
            Some("Privacy Consent"),
        );
        let words = code.and_then(|c| codes::words_of_list(c, 9064));
        let words = words.unwrap_or(Cow::Borrowed("Samtykke, ikke nærmere angitt"));
        let category = code.and_then(|c| codes::concept(c, Some(9064), mode));
        if let Some(code) = code {
            code.mapped(&mut self.coverage, "Consent.category");
        }
        let denied = code.and_then(Code::code) == Some("4");
        let policy = CodeableConcept::text(words);
        let out = fhir::Consent {
            id: Some(id),
            status: Some("active"),
            scope: Some(CodeableConcept::of(scope)),
            category: vec![category.unwrap_or_else(|| policy.clone())],
            patient: self.subject,
            date_time: self.date_time(consent.date.as_ref(), "Consent.dateTime", CONSENT),
            policy_rule: Some(policy),
            provision: denied.then_some(Provision { kind: "deny" }),
        };
        self.push(id, Resource::Consent(Box::new(out)));
        id
    }

    /// A booking of 1.0, where it has both ends (app-2, app-3); its text tells it in any case.
    pub(super) fn booking(&mut self, booking: &'a Booking<'t>) -> Option<Uuid> {
        let full = |when: &'a Option<crate::document::values::When<'t>>| {
            let when = when.as_ref()?;
            let stamp = when.dated().filter(|s| s.precision() == Precision::Full)?;
            Some((when, DateTime::new(stamp.complete()?.0)?))
        };
        let (start, end) = (full(&booking.start)?, full(&booking.end)?);
        for (when, _) in [&start, &end] {
            when.mapped(&mut self.coverage, "Appointment");
        }
        let id = self.id("Appointment", booking.node, 1);
        let out = Appointment {
            id: Some(id),
            status: Some("proposed"),
            start: Some(start.1),
            end: Some(end.1),
            participant: vec![Participant { actor: self.subject, status: Some("needs-action") }],
            ..Appointment::default()
        };
        self.push(id, Resource::Appointment(Box::new(out)));
        self.coverage.mark(
            booking.node,
            crate::document::coverage::part::OTHER,
            crate::document::coverage::Outcome::Narrative,
            ENCLOSED,
        );
        Some(id)
    }
}

/// A translator may be for a relative: for the patient only if nobody else is named.
fn is_for_patient(translator: &Translator<'_>, patient: Option<&Individual<'_>>) -> bool {
    let Some(node) = translator.person else { return true };
    let said = Individual::read(node).name.as_ref().map(Name::spoken);
    said.is_some() && said == patient.and_then(|p| p.name.as_ref()).map(Name::spoken)
}
