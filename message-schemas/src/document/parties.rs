//! Persons, organisations and addresses.
//!
//! In the head-less families `HCP` is either an institution (`Inst`, with departments and persons in it) or a
//! person of its own (`HCProf`); under MsgHead an organisation may hold another, and persons. Each role in a message is one [`Party`]; in the document it is a PractitionerRole that names
//! person and organisation by identifier and display, and a line among the parties.

use super::coverage::{Coverage, Outcome, part};
use super::fhir::{self, ContactPoint, Extension, ExtensionValue};
use super::identifiers::{self, TypedId};
use super::names::{Name, short};
use super::values::{Address as Tele, Code, Sourced, When, Words, add, first};
use super::words::{code_text, said_text, when_words};
use crate::xml::Node;
use std::borrow::Cow;

/// A name with ids: an institution, a department, a person.
#[derive(Debug)]
pub(super) struct Unit<'t> {
    pub node: Node<'t>,
    pub name: Option<Name<'t>>,
    pub ids: Vec<TypedId<'t>>,
    /// `Type`: of a department or a professional (9060).
    pub kind: Option<Code<'t>>,
    /// `Position`, `Qual`: what else a professional is.
    pub qualifications: Vec<Code<'t>>,
}

/// Somebody in a role.
#[derive(Debug)]
pub(super) struct Party<'t> {
    /// The element of the role (`ServProvider`, `RelServProv`, …).
    pub node: Node<'t>,
    /// `Role`
    pub role: Option<Code<'t>>,
    /// `RoleToPatient` (9034)
    pub role_to_patient: Option<Code<'t>>,
    /// `Relation` (8254)
    pub relation: Option<Code<'t>>,
    /// `ComMethod` and what else concerns only the transport.
    pub transport: Vec<Code<'t>>,
    /// `TypeGuarantor` of who pays, and ids that one party has of the other.
    pub remarks: Vec<Words<'t>>,
    /// From when and until when.
    pub period: [Option<When<'t>>; 2],
    /// The legal unit.
    pub institution: Option<Unit<'t>>,
    pub departments: Vec<Unit<'t>>,
    /// Persons in the institution, or the one who stands alone.
    pub persons: Vec<Unit<'t>>,
    pub speciality: Option<Code<'t>>,
    pub address: Option<Postal<'t>>,
    /// `TeleCom`
    pub telecom: Vec<Tele<'t>>,
}

/// `Address`
#[derive(Debug)]
pub(super) struct Postal<'t> {
    /// K(3401)
    pub kind: Option<Code<'t>>,
    /// Street, then box.
    pub lines: Vec<Words<'t>>,
    pub postal_code: Option<Words<'t>>,
    pub city: Option<Words<'t>>,
    /// The municipality (3402), whatever its name says.
    pub municipality: Option<Code<'t>>,
    pub urban_district: Option<Code<'t>>,
    pub country: Option<Code<'t>>,
    pub telecom: Vec<Tele<'t>>,
}

impl<'t> Unit<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut unit = Self { node, name: None, ids: Vec::new(), kind: None, qualifications: Vec::new() };
        let (mut id, mut kind) = (None, None);
        for e in node.elements() {
            if Name::take(&mut unit.name, e) {
                continue;
            }
            match e.name() {
                "Name" | "OrganisationName" => first(&mut unit.name, Name::read(e)),
                "Id" => first(&mut id, Words::read(e)),
                "TypeId" => first(&mut kind, Some(Code::read(e))),
                "Type" | "TypeHealthcareProfessional" | "TypeOrganisation" => {
                    first(&mut unit.kind, Some(Code::read(e)));
                }
                "Position" | "Qual" => unit.qualifications.push(Code::read(e)),
                "AdditionalId" | "Ident" => unit.ids.extend(additional_id(e)),
                _ => {}
            }
        }
        // A kind without an id says nothing about anybody.
        if let Some(id) = id {
            unit.ids.insert(0, TypedId { id, kind });
        }
        unit
    }

    /// The first id of this kind.
    pub(super) fn id(&self, kind: &str) -> Option<&str> {
        self.ids.iter().filter(|id| id.kind() == Some(kind)).find_map(TypedId::value)
    }

    /// The name, as far as it can be repeated.
    pub(super) fn display(&self) -> Option<Cow<'_, str>> {
        self.name.as_ref().map(|n| match n.text() {
            Cow::Borrowed(text) => Cow::Borrowed(short(text)),
            Cow::Owned(text) => Cow::Owned(short(&text).to_owned()),
        })
    }
}

/// `AdditionalId`, `Ident`
pub(super) fn additional_id(node: Node<'_>) -> Option<TypedId<'_>> {
    let id = Words::read(node.child("Id")?)?;
    let kind = node.child("Type").or_else(|| node.child("TypeId")).map(Code::read);
    Some(TypedId { id, kind })
}

impl<'t> Party<'t> {
    fn new(node: Node<'t>) -> Self {
        Self {
            node,
            role: None,
            role_to_patient: None,
            relation: None,
            transport: Vec::new(),
            remarks: Vec::new(),
            period: [None, None],
            institution: None,
            departments: Vec::new(),
            persons: Vec::new(),
            speciality: None,
            address: None,
            telecom: Vec::new(),
        }
    }

    /// Reads a role of a head-less family.
    pub(super) fn read(node: Node<'t>) -> Self {
        let mut party = Self::new(node);
        for e in node.elements() {
            match e.name() {
                "Role" => first(&mut party.role, Some(Code::read(e))),
                "Relation" => first(&mut party.relation, Some(Code::read(e))),
                "ComMethod" => party.transport.push(Code::read(e)),
                "CopyDestRole" => party.transport.extend(e.elements().map(Code::read)),
                "TypeGuarantor" => party.remarks.extend(Words::read(e)),
                "StartDateTime" => first(&mut party.period[0], When::read(e)),
                "EndDateTime" => first(&mut party.period[1], When::read(e)),
                "HCP" => party.read_hcp(e),
                _ => {}
            }
        }
        party
    }

    /// Reads an organisation of MsgHead or felleskomponent1: the outer one is the legal unit, the one in it
    /// a department, and whoever stands in either a person of it.
    pub(super) fn read_organisation(node: Node<'t>) -> Self {
        let mut party = Self::new(node);
        let mut house = Some(node);
        while let Some(unit) = house.take() {
            match party.institution {
                None => party.institution = Some(Unit::read(unit)),
                Some(_) => party.departments.push(Unit::read(unit)),
            }
            for e in unit.elements() {
                match e.name() {
                    "HealthcareProfessional" => party.read_person(e),
                    "Organisation" => house = Some(e),
                    "Address" => first(&mut party.address, Some(Postal::read(e))),
                    "TeleCom" => party.telecom.extend(Tele::read_typed(e)),
                    _ => {}
                }
            }
        }
        party
    }

    /// Reads a `HealthcareProfessional` who stands alone.
    pub(super) fn read_professional(node: Node<'t>) -> Self {
        let mut party = Self::new(node);
        party.read_person(node);
        party
    }

    fn read_person(&mut self, node: Node<'t>) {
        self.persons.push(Unit::read(node));
        for e in node.elements() {
            match e.name() {
                "RoleToPatient" => first(&mut self.role_to_patient, Some(Code::read(e))),
                "Address" => first(&mut self.address, Some(Postal::read(e))),
                "TeleCom" => self.telecom.extend(Tele::read_typed(e)),
                _ => {}
            }
        }
    }

    /// Phones and the like, wherever they stand.
    pub(super) fn telecoms(&self) -> impl Iterator<Item = &Tele<'t>> + Clone {
        self.address.iter().flat_map(|a| &a.telecom).chain(&self.telecom)
    }

    /// Reads an institution that stands alone (`Location/Inst`).
    pub(super) fn read_institution(node: Node<'t>) -> Self {
        let mut party = Self::new(node);
        party.read_inst(node);
        party
    }

    fn read_inst(&mut self, node: Node<'t>) {
        for inner in node.elements() {
            match inner.name() {
                "Dept" => add(&mut self.departments, Unit::read(inner)),
                "HCPerson" => add(&mut self.persons, Unit::read(inner)),
                _ => {}
            }
        }
        self.institution = Some(Unit::read(node));
    }

    fn read_hcp(&mut self, hcp: Node<'t>) {
        for e in hcp.elements() {
            match e.name() {
                "Inst" if self.institution.is_none() => self.read_inst(e),
                "HCProf" => add(&mut self.persons, Unit::read(e)),
                "PartyIdByRequester" | "PartyIdByServProv" => self.remarks.extend(Words::read(e)),
                "MedSpeciality" | "MedSpecialty" => first(&mut self.speciality, Some(Code::read(e))),
                "Address" => first(&mut self.address, Some(Postal::read(e))),
                _ => {}
            }
        }
    }

    /// The person, with the profession in brackets.
    pub(super) fn person_display(&self) -> Option<Cow<'_, str>> {
        let person = self.persons.first()?;
        let name = person.display()?;
        Some(match person.kind.as_ref().and_then(Code::words) {
            Some(kind) => Cow::Owned(format!("{name} ({})", short(kind))),
            None => name,
        })
    }

    /// The institution and its first department, joined with a blank.
    pub(super) fn organisation_display(&self) -> Option<Cow<'_, str>> {
        let institution = self.institution.as_ref().and_then(Unit::display);
        let department = self.departments.first().and_then(Unit::display);
        match (institution, department) {
            (Some(i), Some(d)) => Some(Cow::Owned(format!("{i} {d}"))),
            (one, None) | (None, one) => one,
        }
    }

    /// The id that the organisation is known by: a department's overrides the institution's.
    pub(super) fn organisation_id(&self) -> Option<(&'static str, &TypedId<'t>)> {
        let units = self.departments.first().into_iter().chain(self.institution.as_ref());
        units.into_iter().find_map(|u| identifiers::national(&u.ids, identifiers::organisation_system))
    }

    /// The id that the person is known by.
    pub(super) fn person_id(&self) -> Option<(&'static str, &TypedId<'t>)> {
        identifiers::national(&self.persons.first()?.ids, identifiers::person_system)
    }

    /// What a person reads: everybody and everything that was sent about the role.
    pub(super) fn describe(&self, out: &mut String) {
        let mut first = true;
        let mut part = |text: &str, out: &mut String| {
            if !std::mem::take(&mut first) {
                out.push_str(", ");
            }
            out.push_str(text);
        };
        for unit in self.persons.iter().chain(&self.institution).chain(&self.departments) {
            let mut text = String::new();
            if let Some(name) = &unit.name {
                text.push_str(&name.text());
            }
            if let Some(kind) = unit.kind.as_ref().filter(|kind| kind.words().is_some()) {
                text.push_str(if text.is_empty() { "(" } else { " (" });
                said_text(kind, &mut text);
                text.push(')');
            }
            for id in &unit.ids {
                text.push_str(if text.is_empty() { "" } else { " " });
                text.push_str(id.kind.as_ref().and_then(Code::words).unwrap_or("Id"));
                text.push(' ');
                text.push_str(&id.id.value);
            }
            for code in &unit.qualifications {
                text.push_str(if text.is_empty() { "" } else { " " });
                said_text(code, &mut text);
            }
            if !text.is_empty() {
                part(&text, out);
            }
        }
        // A speciality is told with its code: for those who are told of in words alone it stands nowhere else.
        let roles = self.role.iter().chain(&self.role_to_patient);
        let roles = roles.map(|code| (code, said_text as fn(&Code<'_>, &mut String)));
        for (code, say) in self.speciality.iter().map(|code| (code, code_text as _)).chain(roles) {
            let mut text = String::new();
            say(code, &mut text);
            if !text.is_empty() {
                part(&text, out);
            }
        }
        for remark in &self.remarks {
            part(&remark.value, out);
        }
        for (label, when) in ["fra ", "til "].into_iter().zip(&self.period) {
            if let Some(when) = when {
                part(&format!("{label}{}", when_words(when)), out);
            }
        }
        if let Some(address) = &self.address {
            let mut text = String::new();
            address.describe(&mut text);
            if !text.is_empty() {
                part(&text, out);
            }
        }
        for tele in &self.telecom {
            part(&tele.value, out);
        }
    }

    /// Marks what [`Party::describe`] tells.
    pub(super) fn told(&self, coverage: &mut Coverage, section: &'static str) {
        for unit in self.persons.iter().chain(&self.institution).chain(&self.departments) {
            if let Some(name) = &unit.name {
                name.told(coverage, section);
            }
            for id in &unit.ids {
                id.id.told(coverage, section);
            }
            for code in unit
                .kind
                .iter()
                .chain(&unit.qualifications)
                .chain(unit.ids.iter().filter_map(|id| id.kind.as_ref()))
            {
                code.told(coverage, section);
            }
            // A kind whose id is missing names nothing.
            if unit.ids.is_empty()
                && let Some(kind) = unit.node.child("TypeId")
            {
                coverage.mark(kind, part::ALL, Outcome::Dropped, "kind of an id that is not there");
            }
        }
        for code in
            self.speciality.iter().chain(&self.role).chain(&self.role_to_patient).chain(&self.relation)
        {
            code.told(coverage, section);
        }
        for words in &self.remarks {
            words.told(coverage, section);
        }
        for when in self.period.iter().flatten() {
            when.told(coverage, section);
        }
        for tele in &self.telecom {
            tele.told(coverage, section);
        }
        for code in &self.transport {
            code.dropped(coverage, "transport, not part of the record");
        }
        if let Some(address) = &self.address {
            address.told(coverage, section);
        }
    }

    /// Marks what is written in a PractitionerRole.
    pub(super) fn mapped(&self, coverage: &mut Coverage) {
        if let Some(person) = self.persons.first() {
            if let Some(name) = &person.name {
                name.mapped(coverage, "PractitionerRole.practitioner.display");
            }
            if let Some(code) = &person.kind {
                code.mapped(coverage, "PractitionerRole.practitioner.display");
            }
        }
        for unit in self.institution.iter().chain(self.departments.first()) {
            if let Some(name) = &unit.name {
                name.mapped(coverage, "PractitionerRole.organization.display");
            }
        }
        if let Some((_, id)) = self.person_id() {
            mapped_id(id, coverage, "PractitionerRole.practitioner.identifier");
        }
        if let Some((_, id)) = self.organisation_id() {
            mapped_id(id, coverage, "PractitionerRole.organization.identifier");
        }
        if let Some(code) = &self.speciality {
            code.mapped(coverage, "PractitionerRole.specialty");
        }
        if let Some(code) = &self.role_to_patient {
            code.mapped(coverage, "PractitionerRole.code");
        }
        for when in self.period.iter().flatten().filter(|w| w.dated().is_some()) {
            when.mapped(coverage, "PractitionerRole.period");
        }
        for tele in self.telecoms() {
            tele.mapped(coverage, "PractitionerRole.telecom");
        }
    }
}

/// Marks an id with its kind.
pub(super) fn mapped_id(id: &TypedId<'_>, coverage: &mut Coverage, target: &'static str) {
    id.id.mapped(coverage, target);
    if let Some(kind) = &id.kind {
        kind.mapped(coverage, target);
    }
}

impl<'t> Postal<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        let mut address = Self {
            kind: None,
            lines: Vec::new(),
            postal_code: None,
            city: None,
            municipality: None,
            urban_district: None,
            country: None,
            telecom: Vec::new(),
        };
        for e in node.elements() {
            match e.name() {
                "Type" => first(&mut address.kind, Some(Code::read(e))),
                "StreetAdr" | "Postbox" => address.lines.extend(Words::read(e)),
                "PostalCode" => first(&mut address.postal_code, Words::read(e)),
                "City" => first(&mut address.city, Words::read(e)),
                "County" => first(&mut address.municipality, Some(Code::read(e))),
                "CityDistr" => first(&mut address.urban_district, Some(Code::read(e))),
                "Country" => first(&mut address.country, Some(Code::read(e))),
                "TeleAddress" => address.telecom.extend(Tele::read(e)),
                _ => {}
            }
        }
        address
    }

    /// True when there is nothing but phones and the like.
    pub(super) fn is_telecom_only(&self) -> bool {
        self.lines.is_empty()
            && self.postal_code.is_none()
            && self.city.is_none()
            && self.municipality.is_none()
            && self.urban_district.is_none()
            && self.country.is_none()
    }

    pub(super) fn describe(&self, out: &mut String) {
        let words = self.lines.iter().map(|w| &*w.value);
        let place = self.postal_code.iter().chain(&self.city).map(|w| &*w.value);
        let codes = [&self.urban_district, &self.municipality, &self.country].into_iter().flatten();
        let tele = self.telecom.iter().map(|t| &*t.value);
        let mut parts: Vec<String> = words.map(str::to_owned).collect();
        let place: Vec<&str> = place.collect();
        if !place.is_empty() {
            parts.push(place.join(" "));
        }
        parts.extend(codes.filter_map(Code::words).map(str::to_owned));
        parts.extend(tele.map(str::to_owned));
        if let Some(kind) = self.kind.as_ref().and_then(Code::words)
            && !parts.is_empty()
        {
            out.push_str(kind);
            out.push_str(": ");
        }
        out.push_str(&parts.join(", "));
    }

    pub(super) fn told(&self, coverage: &mut Coverage, section: &'static str) {
        for words in self.lines.iter().chain(&self.postal_code).chain(&self.city) {
            words.told(coverage, section);
        }
        for code in
            [&self.kind, &self.municipality, &self.urban_district, &self.country].into_iter().flatten()
        {
            code.told(coverage, section);
        }
        for tele in &self.telecom {
            tele.told(coverage, section);
        }
    }

    /// As FHIR, marked.
    pub(super) fn fhir(&self, coverage: &mut Coverage) -> fhir::Address<'_> {
        let mut out = fhir::Address::default();
        for words in &self.lines {
            words.mapped(coverage, "Address.line");
            out.line.push(Cow::Borrowed(&*words.value));
        }
        for (source, target, name) in [
            (&self.postal_code, &mut out.postal_code, "Address.postalCode"),
            (&self.city, &mut out.city, "Address.city"),
        ] {
            if let Some(words) = source {
                words.mapped(coverage, name);
                *target = Some(Cow::Borrowed(&*words.value));
            }
        }
        if let Some(kind) = &self.kind {
            kind.mapped(coverage, "Address.use");
            (out.used, out.kind) = match kind.code() {
                Some("H" | "HP" | "INV") => (Some("home"), None),
                Some("PST") => (Some("home"), Some("postal")),
                Some("RES") => (Some("home"), Some("physical")),
                Some("WP") => (Some("work"), None),
                Some("HV" | "TMP") => (Some("temp"), None),
                Some("BAD") => (Some("old"), None),
                _ => (None, None),
            };
        }
        if let Some(municipality) = &self.municipality {
            municipality.mapped(coverage, "Address.district");
            out.district = municipality.words().map(Cow::Borrowed);
            out.district_extension = municipality.code().map(|code| fhir::Absent {
                extension: vec![Extension {
                    url: "http://hl7.no/fhir/StructureDefinition/no-basis-municipalitycode",
                    value: ExtensionValue::Coding(fhir::Coding::fixed(
                        super::codes::System::List(3402),
                        code,
                        municipality.display,
                    )),
                }],
            });
        }
        if let Some(district) = &self.urban_district {
            district.mapped(coverage, "Address.extension(no-basis-urban-district)");
            if let Some(coding) = super::codes::coding(district, Some(3403), super::Mode::Document) {
                out.extension.push(Extension {
                    url: "http://hl7.no/fhir/StructureDefinition/no-basis-urban-district",
                    value: ExtensionValue::Coding(coding),
                });
            }
        }
        if let Some(country) = &self.country {
            country.mapped(coverage, "Address.country");
            out.country = country.code().or(country.display).map(Cow::Borrowed);
        }
        out
    }
}

/// A phone, mail address and the like by its scheme; what has no scheme is kept whole.
pub(super) fn contact<'a>(tele: &'a Tele<'_>) -> ContactPoint<'a> {
    let value = &*tele.value;
    let scheme = value.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest.trim()));
    let (system, value) = match &scheme {
        Some((scheme, rest)) if !rest.is_empty() => match scheme.as_str() {
            "tel" => ("phone", *rest),
            "mailto" => ("email", *rest),
            "fax" => ("fax", *rest),
            "http" | "https" => ("url", value),
            _ => ("other", value),
        },
        _ => ("other", value),
    };
    // K(9061)
    let (system, used) = match tele.kind.as_ref().and_then(Code::code) {
        Some("MC") => (system, Some("mobile")),
        Some("HP" | "H" | "HV") => (system, Some("home")),
        Some("WP" | "WC" | "WD") => (system, Some("work")),
        Some("F") => ("fax", None),
        Some("PG") => ("pager", None),
        _ => (system, None),
    };
    ContactPoint { system, value: Cow::Borrowed(value), used }
}
