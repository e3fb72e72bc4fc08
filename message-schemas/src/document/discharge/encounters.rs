//! Events as Encounters, and where they were.

use super::read::{Discharge, Event, Place};
use super::relation;
use crate::document::clinical::Told;
use crate::document::codes::{self, System};
use crate::document::fhir::{
    CodeableConcept, Coding, Encounter, EncounterDiagnosis, EncounterLocation, EncounterParticipant,
    Hospitalization, Identifier, Location, Reference, Resource,
};
use crate::document::roles::period;
use crate::document::values::{Code, Sourced, Words};
use crate::document::writer::Writer;
use std::borrow::Cow;
use uuid::Uuid;

/// What is known around an event when it is written.
#[derive(Debug)]
pub(super) struct Around<'r> {
    pub id: Uuid,
    /// The encounter around it.
    pub within: Option<Uuid>,
    pub requests: &'r [Uuid],
    pub outpatient: bool,
    /// The first that stands: who took part in no event of its own took part in this one.
    pub first: bool,
}

impl<'a, 't> Writer<'a, '_, 't, Discharge<'t>> {
    pub(super) fn encounter(
        &mut self,
        event: &'a Event<'t>,
        around: &Around<'_>,
        told: &Told,
    ) -> Encounter<'a> {
        let mode = self.mode();
        for code in event.service_type.iter().chain(&event.admission) {
            code.mapped(&mut self.coverage, "Encounter");
        }
        for (code, target) in [
            (&event.service, "Encounter.type"),
            (&event.speciality, "Encounter.serviceType"),
            (&event.outcome, "Encounter.hospitalization.dischargeDisposition"),
        ] {
            if let Some(code) = code {
                code.mapped(&mut self.coverage, target);
            }
        }
        let scheduled = event.planned.as_ref().and_then(|p| p.scheduled.as_ref());
        let start = event.start.as_ref().or(scheduled);
        for when in start.into_iter().chain(&event.end).filter(|w| w.dated().is_some()) {
            when.mapped(&mut self.coverage, "Encounter.period");
        }
        let mut out = Encounter {
            id: Some(around.id),
            status: Some(self.state(event)),
            class: Some(class(event.admission.as_ref().and_then(Code::code), around.outpatient)),
            kind: event.service.iter().filter_map(|c| codes::concept(c, None, mode)).collect(),
            service_type: event.speciality.as_ref().and_then(|c| codes::concept(c, Some(8451), mode)),
            subject: self.subject,
            period: period(start, event.end.as_ref()),
            part_of: around.within.map(Reference::to),
            ..Encounter::default()
        };
        if let Some(words) = &event.id
            && let Some(value) = words.id()
        {
            words.mapped(&mut self.coverage, "Encounter.identifier");
            let value = Some(Cow::Borrowed(value));
            out.identifier.push(Identifier { value, ..Identifier::default() });
        }
        if around.within.is_none() {
            out.based_on = around.requests.iter().map(|id| Reference::to(*id)).collect();
        }
        for request in &event.requests {
            let mut words: Vec<&str> = request.kind.iter().filter_map(Code::words).collect();
            words.extend(request.id.as_ref().and_then(Words::id));
            if !words.is_empty() {
                let display = Some(Cow::Owned(words.join(" ")));
                out.based_on.push(Reference { display, ..Reference::default() });
            }
        }
        let body = self.body;
        let others = body
            .responsible
            .iter()
            .filter(|p| around.first && !matches!(relation(p), Some("AHP" | "ALE" | "AUT" | "SLE")));
        for party in event.parties.iter().chain(others) {
            let Some(role) = self.role(party, true) else { continue };
            let kind = party.relation.as_ref().and_then(|r| codes::concept(r, Some(8254), mode));
            out.participant.push(EncounterParticipant {
                kind: kind.into_iter().collect(),
                individual: Some(Reference::to(role)),
            });
        }
        out.diagnosis = diagnoses(told);
        self.places(event, &mut out);
        if let Some(code) = &event.outcome {
            let disposition = codes::concept(code, None, mode);
            out.hospitalization.get_or_insert_default().discharge_disposition = disposition;
        }
        out
    }

    //= document-sharing §6.3
    //# status finished if End or E/Status F, else unknown; PlannedEvent: planned; ServType C: cancelled
    fn state(&self, event: &Event<'_>) -> &'static str {
        let is_final = self.body.status.as_ref().and_then(Code::code) == Some("F");
        if event.cancelled {
            "cancelled"
        } else if event.planned.is_some() {
            "planned"
        } else if event.reported && (event.end.is_some() || is_final) {
            "finished"
        } else {
            "unknown"
        }
    }

    fn places(&mut self, event: &'a Event<'t>, out: &mut Encounter<'a>) {
        for place in &event.places {
            let Some(id) = self.location(place) else { continue };
            let when = period(place.start.as_ref(), place.end.as_ref());
            let told = place.start.iter().chain(&place.end).filter(|w| w.dated().is_some());
            for when in told.filter(|_| when.is_some()) {
                when.mapped(&mut self.coverage, "Encounter.location.period");
            }
            let stay: &mut Hospitalization<'a> = match place.role.as_ref().and_then(Code::code) {
                Some("2" | "3") => out.hospitalization.get_or_insert_default(),
                _ => {
                    let location = Some(Reference::to(id));
                    out.location.push(EncounterLocation { location, period: when });
                    continue;
                }
            };
            let end = match place.role.as_ref().and_then(Code::code) {
                Some("2") => &mut stay.origin,
                _ => &mut stay.destination,
            };
            match end {
                None => *end = Some(Reference::to(id)),
                // Only one has a place there.
                Some(_) => {
                    let location = Some(Reference::to(id));
                    out.location.push(EncounterLocation { location, period: when });
                }
            }
        }
    }

    /// `Location`; none where nothing is said of it.
    fn location(&mut self, place: &'a Place<'t>) -> Option<Uuid> {
        let mode = self.mode();
        let unit = place.institution.as_ref();
        let mut said: Vec<String> = Vec::new();
        for (kind, words) in &place.parts {
            let kind = kind.as_ref().and_then(|k| codes::words(k, 8242));
            let words = words.as_ref().map(|w| &*w.value);
            said.push(kind.into_iter().chain(words).collect::<Vec<_>>().join(" "));
        }
        said.retain(|s| !s.is_empty());
        let name = unit.and_then(crate::document::parties::Party::organisation_display);
        let name = name.or_else(|| place.description.as_ref().map(|w| Cow::Borrowed(&*w.value)));
        if name.is_none() && said.is_empty() && place.address.is_none() && place.kind.is_none() {
            return None;
        }
        let id = self.id("Location", place.node, 1);
        let owner = unit.and_then(|u| {
            let (system, typed) = u.organisation_id()?;
            let identifier = Some(Identifier::plain(system, typed.value()?));
            Some(Reference {
                reference: None,
                identifier: identifier.map(Box::new),
                display: u.organisation_display(),
            })
        });
        if let Some(unit) = unit {
            unit.mapped(&mut self.coverage);
        }
        for words in place.description.iter().chain(place.parts.iter().filter_map(|(_, w)| w.as_ref())) {
            words.mapped(&mut self.coverage, "Location.description");
        }
        for code in place.kind.iter().chain(place.parts.iter().filter_map(|(k, _)| k.as_ref())) {
            code.mapped(&mut self.coverage, "Location.type");
        }
        if let Some(code) = &place.role {
            code.mapped(&mut self.coverage, "Encounter.location");
        }
        let description = place.description.as_ref().filter(|_| unit.is_some()).map(|w| w.value.to_string());
        said.splice(0..0, description);
        let out = Location {
            id: Some(id),
            name,
            description: (!said.is_empty()).then(|| Cow::Owned(said.join(", "))),
            kind: place.kind.iter().filter_map(|c| codes::concept(c, None, mode)).collect(),
            address: place
                .address
                .as_ref()
                .filter(|a| !a.is_telecom_only())
                .map(|a| a.fhir(&mut self.coverage)),
            managing_organization: owner,
            ..Location::default()
        };
        self.push(id, Resource::Location(Box::new(out)));
        Some(id)
    }
}

/// The main diagnosis has rank 1, the others follow in order.
fn diagnoses<'a>(told: &Told) -> Vec<EncounterDiagnosis<'a>> {
    let used = || {
        let system = System::Uri("http://terminology.hl7.org/CodeSystem/diagnosis-role");
        CodeableConcept::of(Coding::fixed(system, "DD", Some("Discharge diagnosis")))
    };
    let mut rank = 1;
    let ranked = |(id, main): &(Uuid, bool)| {
        if !main {
            rank += 1;
        }
        EncounterDiagnosis {
            condition: Some(Reference::to(*id)),
            used: Some(used()),
            rank: Some(if *main { 1 } else { rank }),
        }
    };
    told.diagnoses.iter().map(ranked).collect()
}

/// Encounter.class (HL7's ActCode) of K(8240); where it is not said, of what the document is.
fn class(category: Option<&str>, outpatient: bool) -> Coding<'static> {
    let (code, display) = match category {
        Some("1") => ("IMP", "inpatient encounter"),
        Some("2") => ("SS", "short stay"),
        Some("3" | "5") => ("AMB", "ambulatory"),
        Some("4" | "6") => ("VR", "virtual"),
        _ if outpatient => ("AMB", "ambulatory"),
        _ => ("IMP", "inpatient encounter"),
    };
    Coding::fixed(System::Uri("http://terminology.hl7.org/CodeSystem/v3-ActCode"), code, Some(display))
}
