//! Who a report is about, who sends it, and who did what.

use super::codes;
use super::fhir::{
    DateTime, Entry, Identifier, Meta, Organization, Patient, PractitionerRole, Reference, Resource, Urn,
};
use super::identifiers::{self, TypedId};
use super::parties::{self, Party};
use super::read_report::{Report, Subject};
use super::report::Writer;
use super::values::Sourced;
use super::{Mode, NoteKind, Notes, Options, Withheld};
use crate::time::{Precision, Stamp};
use smallvec::SmallVec;
use std::borrow::Cow;
use uuid::Uuid;

/// What makes two roles the same.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Role<'a> {
    person: Option<Cow<'a, str>>,
    person_id: Option<&'a str>,
    organisation: Option<Cow<'a, str>>,
    organisation_id: Option<&'a str>,
    telecom: SmallVec<[&'a str; 2]>,
}

/// What the patient's official id says, and whether the document may be published.
pub(super) fn judge_patient(
    report: &Report<'_>,
    options: &Options,
    notes: &mut Notes<'_>,
    withheld: &mut Vec<Withheld>,
) -> Option<identifiers::Judged> {
    let patient = match &report.subject {
        Subject::Patient(p) => p,
        Subject::NotAPerson(_) => {
            withheld.push(Withheld::NotAPerson);
            return None;
        }
        Subject::Nobody => {
            withheld.push(Withheld::NoPatient);
            return None;
        }
    };
    let official = patient.official.as_ref().and_then(|id| Some((id, id.kind()?, id.value()?)));
    let Some((id, kind, value)) = official else {
        withheld.push(Withheld::NoNationalId);
        return None;
    };
    let Some(judged) = identifiers::judge(kind, value) else {
        withheld.push(Withheld::NoNationalId);
        return None;
    };
    if judged.really_d_number {
        notes.add(id.id.node, NoteKind::DNumberAsNationalId);
    }
    if !judged.sound {
        notes.add(id.id.node, NoteKind::CheckDigits);
        withheld.push(Withheld::NationalIdUnsound);
    } else if kind == "DUF" && !options.publish_duf {
        withheld.push(Withheld::NoNationalId);
    }
    Some(judged)
}

/// Whom the resources are about, by reference and by what is known.
pub(super) fn subject<'a>(
    report: &'a Report<'_>,
    patient: Option<Uuid>,
    judged: Option<&identifiers::Judged>,
) -> Option<Reference<'a>> {
    let about = report.about()?;
    let name = about.name.as_ref().map(|n| parties::short(&n.value));
    match &report.subject {
        Subject::Patient(p) => {
            let identifier = judged
                .zip(p.official.as_ref().and_then(TypedId::value))
                .map(|(judged, value)| Identifier::plain(judged.system, value));
            let display = name.map(|n| Cow::Owned(parties::spoken(n)));
            Some(Reference { reference: patient.map(Urn), identifier, display })
        }
        Subject::NotAPerson(p) => {
            let kind = if p.node.name() == "Animal" { "Dyr" } else { "Materiale" };
            let display = name.map_or(Cow::Borrowed(kind), |n| Cow::Owned(format!("{kind}: {n}")));
            Some(Reference { display: Some(display), ..Reference::default() })
        }
        Subject::Nobody => None,
    }
}

impl<'a, 't> Writer<'a, '_, 't> {
    pub(super) fn patient(&mut self, id: Uuid, judged: Option<&identifiers::Judged>) {
        let Subject::Patient(p) = &self.report.subject else { return };
        let mut out = Patient {
            id: Some(id),
            meta: Some(profile("http://hl7.no/fhir/StructureDefinition/no-basis-Patient")),
            ..Patient::default()
        };
        let official = p.official.iter().zip(judged).filter_map(|(id, judged)| {
            let mut identifier = Identifier::plain(judged.system, id.value()?);
            identifier.used = Some("official");
            Some((id, identifier))
        });
        let official: Vec<_> = official.collect();
        let mode = self.mode();
        let provider =
            self.report.provider.as_ref().and_then(|p| p.institution.as_ref()).and_then(|u| u.display());
        let other =
            p.additional.iter().chain(p.official.iter().filter(|_| judged.is_none())).filter_map(|id| {
                Some((id, identifiers::identifier(id, identifiers::person_system, 8116, provider, mode)?))
            });
        for (id, identifier) in official.into_iter().chain(other) {
            parties::mapped_id(id, &mut self.coverage, "Patient.identifier");
            out.identifier.push(identifier);
        }
        for (words, party) in
            [(&p.by_provider, &self.report.provider), (&p.by_requester, &self.report.requester)]
        {
            let Some(words) = words else { continue };
            let Some(value) = words.id() else { continue };
            words.mapped(&mut self.coverage, "Patient.identifier");
            let assigner = party.as_ref().and_then(Party::organisation_display);
            out.identifier.push(Identifier {
                used: Some("secondary"),
                value: Some(Cow::Borrowed(value)),
                assigner: assigner
                    .map(|name| Box::new(Reference { display: Some(name), ..Reference::default() })),
                ..Identifier::default()
            });
        }
        if let Some(name) = &p.name {
            name.mapped(&mut self.coverage, "Patient.name");
            out.name.push(parties::human_name(&name.value));
        }
        if let Some(sex) = &p.sex {
            sex.mapped(&mut self.coverage, "Patient.gender");
            out.gender = match sex.code() {
                Some("1") => Some("male"),
                Some("2") => Some("female"),
                Some("9") => Some("other"),
                Some(_) => Some("unknown"),
                None => None,
            };
        }
        if let Some(born) = &p.born {
            match born.dated().and_then(day) {
                Some(date) => {
                    born.mapped(&mut self.coverage, "Patient.birthDate");
                    out.birth_date = Some(date);
                }
                None => self.notes.add(born.node, NoteKind::NotATime),
            }
        }
        if let Some(died) = &p.died {
            match died.dated().and_then(DateTime::new) {
                Some(date) => {
                    died.mapped(&mut self.coverage, "Patient.deceasedDateTime");
                    out.deceased_date_time = Some(date);
                }
                None => self.notes.add(died.node, NoteKind::NotATime),
            }
        }
        if let Some(address) = &p.address {
            for tele in &address.telecom {
                tele.mapped(&mut self.coverage, "Patient.telecom");
                out.telecom.push(parties::contact(tele));
            }
            if !address.is_telecom_only() {
                out.address.push(address.fhir(&mut self.coverage));
            }
        }
        self.push(id, Resource::Patient(Box::new(out)));
    }

    /// The sending legal unit.
    pub(super) fn custodian(&mut self) {
        if self.mode() == Mode::Nilar {
            return;
        }
        let Some(party) = &self.report.provider else { return };
        let Some(unit) = &party.institution else { return };
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
            out.name = Some(Cow::Borrowed(&*name.value));
        }
        self.role_entries.push(Entry { full_url: Urn(id), resource: Resource::Organization(Box::new(out)) });
        self.custodian = Some(id);
    }

    /// `RelServProv`, else `ServProvider`.
    pub(super) fn performer(&mut self) -> Option<Uuid> {
        let related = self.report.related.as_ref().and_then(|p| self.role(p, true));
        let provider = match related {
            Some(_) => None,
            None => self.report.provider.as_ref().and_then(|p| self.role(p, true)),
        };
        related.or(provider)
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
        let provider = self.report.provider.as_ref();
        let mut of_sender = provider.is_some_and(|p| p.node == party.node);
        if performs && organisation.is_none() && organisation_id.is_none() {
            organisation = provider.and_then(Party::organisation_display);
            organisation_id = provider.and_then(Party::organisation_id);
            of_sender = organisation.is_some() || organisation_id.is_some();
        }
        let telecom = party.address.iter().flat_map(|a| &a.telecom);
        let role = Role {
            person: person.clone(),
            person_id: person_id.and_then(|(_, id)| id.value()),
            organisation: organisation.clone(),
            organisation_id: organisation_id.and_then(|(_, id)| id.value()),
            telecom: telecom.clone().map(|t| &*t.value).collect(),
        };
        // Reports name a handful of people; what names hundreds is not worth comparing.
        if let Some((_, id)) = self.roles.iter().take(200).find(|(known, _)| *known == role) {
            return Some(*id);
        }
        let id = self.id("PractitionerRole", party.node, 1);
        self.roles.push((role, id));
        let reference = |id: Option<(&'static str, &'a TypedId<'t>)>, display: Option<Cow<'a, str>>| {
            let identifier = id.and_then(|(system, id)| Some(Identifier::plain(system, id.value()?)));
            if identifier.is_none() && display.is_none() {
                return None;
            }
            Some(Reference { reference: None, identifier, display })
        };
        let mut organization = reference(organisation_id, organisation);
        if let (true, Some(organization), Some(custodian)) = (of_sender, &mut organization, self.custodian) {
            organization.reference = Some(Urn(custodian));
        }
        let mode = self.mode();
        let out = PractitionerRole {
            id: Some(id),
            practitioner: reference(person_id, person),
            organization,
            specialty: party.speciality.iter().filter_map(|c| codes::concept(c, Some(8451), mode)).collect(),
            telecom: telecom.map(parties::contact).collect(),
            ..PractitionerRole::default()
        };
        self.role_entries
            .push(Entry { full_url: Urn(id), resource: Resource::PractitionerRole(Box::new(out)) });
        Some(id)
    }
}

pub(super) fn profile(url: &'static str) -> Meta<'static> {
    Meta { profile: vec![url], ..Meta::default() }
}

/// The day of a time, for elements that take no more.
fn day(stamp: Stamp) -> Option<DateTime> {
    let local = stamp.oslo()?;
    match stamp.precision() {
        Precision::Full => Stamp::parse(&local.date().to_string()).and_then(DateTime::new),
        Precision::Year | Precision::Month | Precision::Day | Precision::TimeOfDay => DateTime::new(stamp),
    }
}
