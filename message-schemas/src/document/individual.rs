//! Whom a document is about, in any family: who it is, and what the national id is worth.

use super::coverage::Coverage;
use super::described::DescribedPatient;
use super::fhir::{DateTime, Identifier, Patient, Reference, Urn};
use super::identifiers::{self, Judged, TypedId};
use super::names::Name;
use super::narrative::Html;
use super::parties::{self, Party, Postal, additional_id};
use super::values::{Address as Tele, Code, Sourced, When, Words, first};
use super::words::{row_when, row_words};
use super::writer::{Writer, profile};
use super::{Fault, NoteKind, Notes, Options, Withheld, codes};
use crate::time::{Precision, Stamp};
use crate::xml::Node;
use std::borrow::Cow;
use uuid::Uuid;

/// A person as `Patient` of the head-less families and of MsgHead, and `Person` of felleskomponent1, say it.
#[derive(Debug)]
pub(super) struct Individual<'t> {
    pub node: Node<'t>,
    pub name: Option<Name<'t>>,
    pub sex: Option<Code<'t>>,
    pub born: Option<When<'t>>,
    pub died: Option<When<'t>>,
    /// The id that a register in Norway answers for.
    pub official: Option<TypedId<'t>>,
    /// Its kind, also where the id is missing.
    pub official_kind: Option<Code<'t>>,
    pub additional: Vec<TypedId<'t>>,
    pub by_provider: Option<Words<'t>>,
    pub by_requester: Option<Words<'t>>,
    pub address: Option<Postal<'t>>,
    pub telecom: Vec<Tele<'t>>,
}

/// Holds a report, a letter or the head of a message against naming more than one patient, or one under two ids: whose the
/// content is can then not be told, and another's would end in the record.
///
/// # Errors
/// [`Fault::SeveralPatients`].
pub(super) fn one_patient(of: Node<'_>) -> Result<(), Fault> {
    let mut patients = of.elements().filter(|e| matches!(e.name(), "Patient" | "Animal" | "Material"));
    let Some(patient) = patients.next() else { return Ok(()) };
    let mut ids: Vec<String> = patient
        .elements()
        .filter(|e| e.name() == "OffId")
        .filter_map(|e| Words::read(e).and_then(|id| id.id().map(|id| id.trim().to_owned())))
        .collect();
    ids.dedup();
    if ids.len() > 1 {
        return Err(Fault::SeveralPatients);
    }
    // Who lived here under a D-number before has one of each kind, but nobody has two of one.
    let who = Individual::read(patient);
    let mut of_kind: [Option<&str>; 2] = [None, None];
    for id in who.official.iter().chain(&who.additional) {
        let (Some(kind), Some(value)) = (id.kind(), id.value()) else { continue };
        let [national, d_number] = &mut of_kind;
        let known = match identifiers::register(kind, value) {
            Some("FNR") => national,
            Some(_) => d_number,
            None => continue,
        };
        if known.is_some_and(|known| known != value) {
            return Err(Fault::SeveralPatients);
        }
        *known = Some(value);
    }
    if patients.next().is_some() { Err(Fault::SeveralPatients) } else { Ok(()) }
}

/// Holds the reports of one message against being of more than one patient. A report that only withdraws may leave its
/// patient out. Where none names anybody by a national id, none is published, and each may be of somebody else.
///
/// # Errors
/// [`Fault::SeveralPatients`]; also where one report has a national id and another, as far as can be told, does not.
pub(super) fn same_patient(reports: &[Node<'_>]) -> Result<(), Fault> {
    let mut ids = reports.iter().filter_map(|report| {
        let about = report.elements().find(|e| matches!(e.name(), "Patient" | "Animal" | "Material"));
        let withdraws = || report.child("ServType").map(Code::read).is_some_and(|c| c.code() == Some("C"));
        if about.is_none() && withdraws() {
            return None;
        }
        let official = about.filter(|e| e.name() == "Patient").and_then(|e| Individual::read(e).official);
        Some(official.and_then(|id| Some((id.kind()?.to_owned(), id.value()?.to_owned()))))
    });
    let Some(first) = ids.next() else { return Ok(()) };
    if ids.all(|id| id == first) { Ok(()) } else { Err(Fault::SeveralPatients) }
}

impl<'t> Individual<'t> {
    pub(super) fn new(node: Node<'t>) -> Self {
        Self {
            node,
            name: None,
            sex: None,
            born: None,
            died: None,
            official: None,
            official_kind: None,
            additional: Vec::new(),
            by_provider: None,
            by_requester: None,
            address: None,
            telecom: Vec::new(),
        }
    }

    /// Reads all that is known here; the rest is left unread.
    pub(super) fn read(node: Node<'t>) -> Self {
        let mut who = Self::new(node);
        for e in node.elements() {
            who.take(e);
        }
        who
    }

    /// Takes an element of a patient or person, if it is one that is known here.
    pub(super) fn take(&mut self, e: Node<'t>) -> bool {
        if Name::take(&mut self.name, e) {
            return true;
        }
        match e.name() {
            "Sex" => first(&mut self.sex, Some(Code::read(e))),
            "DateOfBirth" => first(&mut self.born, When::read(e)),
            "DateOfDeath" => first(&mut self.died, When::read(e)),
            "Name" => first(&mut self.name, Name::read(e)),
            "IdByServProvider" => first(&mut self.by_provider, Words::read(e)),
            "IdByRequester" => first(&mut self.by_requester, Words::read(e)),
            "OffId" => {
                let kind = self.official_kind.clone();
                first(&mut self.official, Words::read(e).map(|id| TypedId { id, kind }));
            }
            "TypeOffId" => {
                first(&mut self.official_kind, Some(Code::read(e)));
                if let Some(id) = &mut self.official {
                    id.kind = self.official_kind.clone();
                }
            }
            "AdditionalId" => self.additional.extend(additional_id(e)),
            "Ident" => self.take_ident(e),
            "Address" => first(&mut self.address, Some(Postal::read(e))),
            "TeleCom" => self.telecom.extend(Tele::read_typed(e)),
            _ => return false,
        }
        true
    }

    /// The official id is the one that the patient's record is found under: a national identity number before the
    /// D-number of before, and that before what a register gave for want of either; else the first.
    fn take_ident(&mut self, e: Node<'t>) {
        let Some(id) = additional_id(e) else { return };
        let rank =
            |id: &TypedId<'_>| ["FNR", "DNR", "FHN", "DUF"].iter().position(|kind| id.kind() == Some(kind));
        let better = match (rank(&id), self.official.as_ref().and_then(rank)) {
            (Some(new), Some(old)) => new < old,
            (new, old) => new.is_some() && old.is_none(),
        };
        if better {
            self.official_kind = id.kind.clone();
            self.additional.extend(self.official.replace(id));
        } else {
            self.additional.push(id);
        }
    }

    /// What the official id says, and whether the document may be published under it.
    pub(super) fn judge(
        &self,
        options: &Options,
        notes: &mut Notes<'_>,
        withheld: &mut Vec<Withheld>,
    ) -> Option<Judged> {
        let official = self.official.as_ref().and_then(|id| Some((id, id.kind()?, id.value()?)));
        let judged = official.and_then(|(.., kind, value)| identifiers::judge(kind, value));
        let (Some((id, kind, _)), Some(judged)) = (official, judged) else {
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
        } else if self.born_otherwise() {
            withheld.push(Withheld::BirthDateContradicts);
        }
        Some(judged)
    }

    /// True if the patient was born on another day than the official id is issued on, as far as both tell: one of them is
    /// then somebody else's.
    fn born_otherwise(&self) -> bool {
        let official = self.official.as_ref().and_then(|id| Some((id.kind()?, id.value()?)));
        let issued = official.and_then(|(kind, value)| identifiers::birth_date(kind, value));
        let born = self.born.as_ref().and_then(When::dated);
        let Some(((day, month, year), born)) = issued.zip(born) else { return false };
        let same = |date: jiff::civil::Date| {
            let year = date.year().rem_euclid(100) == i16::from(year);
            let month = year && date.month() == month.cast_signed();
            let day = month && date.day() == day.cast_signed();
            match born.precision() {
                Precision::Year => year,
                Precision::Month => month,
                Precision::Day | Precision::Full | Precision::TimeOfDay => day,
            }
        };
        // A time with a zone may be of the next day here.
        ![born.date(), born.oslo().map(|at| at.date())].into_iter().flatten().any(same)
    }

    /// How the resources point at the patient: the resource, and what is known.
    pub(super) fn subject(&self, id: Option<Uuid>, judged: Option<&Judged>) -> Reference<'_> {
        let identifier = judged
            .zip(self.official.as_ref().and_then(TypedId::value))
            .map(|(judged, value)| Identifier::plain(judged.system, value));
        let display = self.name.as_ref().map(|n| Cow::Owned(n.spoken()));
        Reference { reference: id.map(Urn), identifier: identifier.map(Box::new), display }
    }

    /// As metadata name a patient.
    pub(super) fn described(&self, judged: Option<&Judged>) -> DescribedPatient {
        let [family, given, middle] = self.name.as_ref().map(Name::parted).unwrap_or_default();
        let id = self.official.as_ref().and_then(TypedId::value).zip(judged.filter(|j| j.sound));
        let id = id.and_then(|(id, j)| Some((id.to_owned(), j.system.strip_prefix("urn:oid:")?)));
        let born = self.born.as_ref().and_then(When::dated);
        let born = born.filter(|b| matches!(b.precision(), Precision::Day | Precision::Full));
        // HL7 v2 table 0001 of K(3101).
        let sex = self.sex.as_ref().and_then(Code::code).map(|code| match code {
            "1" => 'M',
            "2" => 'F',
            "9" => 'O',
            _ => 'U',
        });
        DescribedPatient { id, family, given, middle, born: born.and_then(|b| Some(b.oslo()?.date())), sex }
    }

    /// FHIR's gender of K(3101).
    pub(super) fn gender(&self) -> Option<&'static str> {
        match self.sex.as_ref().and_then(Code::code)? {
            "1" => Some("male"),
            "2" => Some("female"),
            "9" => Some("other"),
            _ => Some("unknown"),
        }
    }

    /// Phones and the like, wherever they stand.
    pub(super) fn telecoms(&self) -> impl Iterator<Item = &Tele<'t>> {
        self.address.iter().flat_map(|a| &a.telecom).chain(&self.telecom)
    }

    /// Who it is, in rows of a table; `labels` name the ids that the provider and the requester gave.
    pub(super) fn rows(
        &self,
        labels: [&str; 2],
        section: &'static str,
        html: &mut Html,
        coverage: &mut Coverage,
    ) {
        if let Some(name) = &self.name {
            name.told(coverage, section);
            html.row("Navn", &name.text());
        }
        for words in self.by_provider.iter().chain(&self.by_requester) {
            words.told(coverage, section);
        }
        for id in self.official.iter().chain(&self.additional) {
            let label = id.kind.as_ref().and_then(Code::words).unwrap_or("Id");
            html.row(label, &id.id.value);
            id.id.told(coverage, section);
            if let Some(code) = &id.kind {
                code.told(coverage, section);
            }
        }
        if let (None, Some(kind)) = (&self.official, &self.official_kind) {
            kind.dropped(coverage, "kind of an id that is not there");
        }
        row_when(html, "Født", self.born.as_ref());
        row_when(html, "Død", self.died.as_ref());
        for when in self.born.iter().chain(&self.died) {
            when.told(coverage, section);
        }
        if let Some(sex) = &self.sex {
            sex.told(coverage, section);
            html.row("Kjønn", &codes::words_of_list(sex, 3101).unwrap_or_default());
        }
        row_words(html, labels[0], self.by_provider.as_ref());
        row_words(html, labels[1], self.by_requester.as_ref());
    }

    /// Where a person is to be found, in rows of a table.
    pub(super) fn address_rows(&self, section: &'static str, html: &mut Html, coverage: &mut Coverage) {
        if let Some(address) = &self.address {
            address.told(coverage, section);
            let mut text = String::new();
            address.describe(&mut text);
            html.row("Adresse", &text);
        }
        for tele in &self.telecom {
            tele.told(coverage, section);
            html.row(tele.kind.as_ref().and_then(Code::words).unwrap_or("Telefon e.l."), &tele.value);
        }
    }
}

impl<'a, 't, B> Writer<'a, '_, 't, B> {
    /// The patient as a resource, to be added to and pushed. `provider` and `requester` are who gave ids.
    pub(super) fn patient(
        &mut self,
        id: Uuid,
        who: &'a Individual<'t>,
        judged: Option<&Judged>,
        [provider, requester]: [Option<&'a Party<'t>>; 2],
    ) -> Patient<'a> {
        let mut out = Patient {
            id: Some(id),
            meta: Some(profile("http://hl7.no/fhir/StructureDefinition/no-basis-Patient")),
            ..Patient::default()
        };
        let official = who.official.iter().zip(judged).filter_map(|(id, judged)| {
            let mut identifier = Identifier::plain(judged.system, id.value()?);
            identifier.used = Some("official");
            Some((id, identifier))
        });
        let official: Vec<_> = official.collect();
        let mode = self.mode();
        let sender = self.sender.and_then(|p| p.institution.as_ref()).and_then(|u| u.display());
        let other =
            who.additional.iter().chain(who.official.iter().filter(|_| judged.is_none())).filter_map(|id| {
                let sender = sender.clone();
                Some((id, identifiers::identifier(id, identifiers::person_system, 8116, sender, mode)?))
            });
        for (id, identifier) in official.into_iter().chain(other) {
            parties::mapped_id(id, &mut self.coverage, "Patient.identifier");
            out.identifier.push(identifier);
        }
        for (words, party) in [(&who.by_provider, provider), (&who.by_requester, requester)] {
            let Some(words) = words else { continue };
            let Some(value) = words.id() else { continue };
            words.mapped(&mut self.coverage, "Patient.identifier");
            let assigner = party.and_then(Party::organisation_display);
            out.identifier.push(Identifier {
                used: Some("secondary"),
                value: Some(Cow::Borrowed(value)),
                assigner: assigner
                    .map(|name| Box::new(Reference { display: Some(name), ..Reference::default() })),
                ..Identifier::default()
            });
        }
        if let Some(name) = &who.name {
            name.mapped(&mut self.coverage, "Patient.name");
            out.name.push(name.fhir());
        }
        if let Some(sex) = &who.sex {
            sex.mapped(&mut self.coverage, "Patient.gender");
            out.gender = who.gender();
        }
        if let Some(born) = &who.born {
            match born.dated().and_then(day) {
                Some(date) => {
                    born.mapped(&mut self.coverage, "Patient.birthDate");
                    out.birth_date = Some(date);
                }
                None => self.notes.add(born.node, NoteKind::NotATime),
            }
        }
        if let Some(died) = &who.died {
            match died.dated().and_then(DateTime::new) {
                Some(date) => {
                    died.mapped(&mut self.coverage, "Patient.deceasedDateTime");
                    out.deceased_date_time = Some(date);
                }
                None => self.notes.add(died.node, NoteKind::NotATime),
            }
        }
        for tele in who.telecoms() {
            tele.mapped(&mut self.coverage, "Patient.telecom");
            out.telecom.push(parties::contact(tele));
        }
        if let Some(address) = who.address.as_ref().filter(|a| !a.is_telecom_only()) {
            out.address.push(address.fhir(&mut self.coverage));
        }
        out
    }
}

/// The day of a time, for elements that take no more.
pub(super) fn day(stamp: Stamp) -> Option<DateTime> {
    let local = stamp.oslo()?;
    match stamp.precision() {
        Precision::Full => Stamp::parse(&local.date().to_string()).and_then(DateTime::new),
        Precision::Year | Precision::Month | Precision::Day | Precision::TimeOfDay => DateTime::new(stamp),
    }
}
