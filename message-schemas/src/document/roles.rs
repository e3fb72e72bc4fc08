//! Who sends a document, and who did what.
//!
//! Each role is a PractitionerRole that names person and organisation by identifier and display; only the
//! sending legal unit is a resource of its own, as a document's custodian has to be.

use super::fhir::{
    DateTime, Entry, Identifier, Organization, Period, PractitionerRole, Reference, Resource, Urn,
};
use super::identifiers::TypedId;
use super::parties::{self, Party};
use super::values::{Code, When};
use super::writer::{Writer, profile};
use super::{Mode, codes, identifiers};
use smallvec::SmallVec;
use std::borrow::Cow;
use uuid::Uuid;

/// Roles that a new one is compared with; messages name a handful of people.
const COMPARED: usize = 200;

/// What makes two roles the same.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Role<'a> {
    person: Option<Cow<'a, str>>,
    person_id: Option<&'a str>,
    organisation: Option<Cow<'a, str>>,
    organisation_id: Option<&'a str>,
    code: Option<&'a str>,
    period: [Option<&'a str>; 2],
    telecom: SmallVec<[&'a str; 2]>,
}

impl<'a, 't, B> Writer<'a, '_, 't, B> {
    /// The sending legal unit.
    pub(super) fn custodian(&mut self) {
        if self.mode() == Mode::Nilar {
            return;
        }
        let Some(unit) = self.sender.and_then(|party| party.institution.as_ref()) else { return };
        if unit.name.is_none() && unit.ids.is_empty() {
            return;
        }
        let id = self.id("Organization", unit.node, 1);
        let mode = self.mode();
        let has_number = unit.id("ENH").is_some();
        let mut out = Organization {
            id: Some(id),
            meta: Some(profile("http://hl7.no/fhir/StructureDefinition/no-basis-Organization")),
            ..Organization::default()
        };
        for typed in &unit.ids {
            let Some(mut identifier) =
                identifiers::identifier(typed, identifiers::organisation_system, 9051, unit.display(), mode)
            else {
                continue;
            };
            parties::mapped_id(typed, &mut self.coverage, "Organization.identifier");
            if has_number && typed.kind() == Some("HER") {
                identifier.used = Some("secondary");
            }
            out.identifier.push(identifier);
        }
        if let Some(name) = &unit.name {
            name.mapped(&mut self.coverage, "Organization.name");
            out.name = Some(name.text());
        }
        self.tail.push(Entry { full_url: Urn(id), resource: Resource::Organization(Box::new(out)) });
        self.custodian = Some(id);
    }

    /// A PractitionerRole, or the one that says the same already. A performer without an organisation of its
    /// own works for the sender. None if nobody is named.
    pub(super) fn role(&mut self, party: &'a Party<'t>, performs: bool) -> Option<Uuid> {
        let person = party.person_display();
        let person_id = party.person_id();
        let mut organisation = party.organisation_display();
        let mut organisation_id = party.organisation_id();
        if person.is_none() && person_id.is_none() && organisation.is_none() && organisation_id.is_none() {
            return None;
        }
        party.mapped(&mut self.coverage);
        if let Some(id) = self.ids.role(party.node) {
            return Some(id);
        }
        let sender = self.sender;
        let mut of_sender = sender.is_some_and(|p| p.node == party.node);
        if performs && organisation.is_none() && organisation_id.is_none() {
            organisation = sender.and_then(Party::organisation_display);
            organisation_id = sender.and_then(Party::organisation_id);
            of_sender = organisation.is_some() || organisation_id.is_some();
        }
        let [start, end] = &party.period;
        let role = Role {
            person: person.clone(),
            person_id: person_id.and_then(|(_, id)| id.value()),
            organisation: organisation.clone(),
            organisation_id: organisation_id.and_then(|(_, id)| id.value()),
            code: party.role_to_patient.as_ref().and_then(Code::code),
            period: [start, end].map(|when| when.as_ref().map(|w| &*w.sent)),
            telecom: party.telecoms().map(|t| &*t.value).collect(),
        };
        if let Some((_, id)) = self.roles.iter().take(COMPARED).find(|(known, _)| *known == role) {
            return Some(self.ids.keep_role(party.node, *id));
        }
        let id = self.id("PractitionerRole", party.node, 1);
        self.ids.keep_role(party.node, id);
        self.roles.push((role, id));
        let reference = |id: Option<(&'static str, &'a TypedId<'t>)>, display: Option<Cow<'a, str>>| {
            let identifier = id.and_then(|(system, id)| Some(Identifier::plain(system, id.value()?)));
            if identifier.is_none() && display.is_none() {
                return None;
            }
            Some(Reference { reference: None, identifier: identifier.map(Box::new), display })
        };
        let mut organization = reference(organisation_id, organisation);
        if let (true, Some(organization), Some(custodian)) = (of_sender, &mut organization, self.custodian) {
            organization.reference = Some(Urn(custodian));
        }
        let mode = self.mode();
        let codes_of = |code: &'a Option<Code<'t>>, list| {
            code.iter().filter_map(|c| codes::concept(c, Some(list), mode)).collect()
        };
        let out = PractitionerRole {
            id: Some(id),
            period: period(start.as_ref(), end.as_ref()),
            practitioner: reference(person_id, person),
            organization,
            code: codes_of(&party.role_to_patient, 9034),
            specialty: codes_of(&party.speciality, 8451),
            telecom: party.telecoms().map(parties::contact).collect(),
            ..PractitionerRole::default()
        };
        self.tail.push(Entry { full_url: Urn(id), resource: Resource::PractitionerRole(Box::new(out)) });
        Some(id)
    }

    /// The parties that are resources: what a section of them points at.
    pub(super) fn party_references(&self) -> Vec<Reference<'a>> {
        let parties = self
            .tail
            .iter()
            .filter(|e| matches!(e.resource, Resource::Organization(_) | Resource::PractitionerRole(_)));
        parties.map(|e| Reference::to(e.full_url.0)).collect()
    }
}

/// From a time to a time, of what can be read of either. None if it ends before it starts: nobody can tell which of the
/// two is wrong, and the text has both.
pub(super) fn period(start: Option<&When<'_>>, end: Option<&When<'_>>) -> Option<Period> {
    let precision = |when: &When<'_>| when.dated().map(|at| at.precision());
    if let (Some(start), Some(end)) = (start, end)
        && precision(start) == precision(end)
        && end.dated().is_some_and(|end| start.is_after(end))
    {
        return None;
    }
    let time = |when: Option<&When<'_>>| when.and_then(When::dated).and_then(DateTime::new);
    let period = Period { start: time(start), end: time(end) };
    (period.start.is_some() || period.end.is_some()).then_some(period)
}
