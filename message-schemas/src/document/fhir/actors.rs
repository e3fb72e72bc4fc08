//! Persons, organisations and places.

use super::Text;
use super::datatypes::{
    Address, CodeableConcept, ContactPoint, DateTime, HumanName, Identifier, Meta, Period, Reference,
};
use uuid::Uuid;

resource_struct! {
    /// Pasient.
    Patient<'a> {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        identifier: Vec<Identifier<'a>>,
        name: Vec<HumanName<'a>>,
        telecom: Vec<ContactPoint<'a>>,
        gender: Option<&'static str>,
        birth_date: Option<DateTime>,
        deceased_date_time: Option<DateTime>,
        address: Vec<Address<'a>>,
        marital_status: Option<CodeableConcept<'a>>,
        communication: Vec<PatientCommunication<'a>>,
        general_practitioner: Vec<Reference<'a>>,
    }
}

resource_struct! {
    /// A language that a patient is to be spoken to in.
    PatientCommunication<'a> {
        language: CodeableConcept<'a>,
    }
}

resource_struct! {
    /// A legal unit or department.
    Organization<'a> {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        identifier: Vec<Identifier<'a>>,
        kind: Vec<CodeableConcept<'a>> = "type",
        name: Option<Text<'a>>,
        telecom: Vec<ContactPoint<'a>>,
        address: Vec<Address<'a>>,
        part_of: Option<Reference<'a>>,
    }
}

resource_struct! {
    /// A person, an organisation, or a person for an organisation.
    PractitionerRole<'a> {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        period: Option<Period>,
        practitioner: Option<Reference<'a>>,
        organization: Option<Reference<'a>>,
        code: Vec<CodeableConcept<'a>>,
        specialty: Vec<CodeableConcept<'a>>,
        telecom: Vec<ContactPoint<'a>>,
    }
}

resource_struct! {
    /// Somebody close to the patient.
    RelatedPerson<'a> {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        identifier: Vec<Identifier<'a>>,
        patient: Option<&'a Reference<'a>>,
        relationship: Vec<CodeableConcept<'a>>,
        name: Vec<HumanName<'a>>,
        telecom: Vec<ContactPoint<'a>>,
        gender: Option<&'static str>,
        birth_date: Option<DateTime>,
        address: Vec<Address<'a>>,
    }
}

resource_struct! {
    /// A place.
    Location<'a> {
        id: Option<Uuid>,
        identifier: Vec<Identifier<'a>>,
        name: Option<Text<'a>>,
        description: Option<Text<'a>>,
        kind: Vec<CodeableConcept<'a>> = "type",
        address: Option<Address<'a>>,
        managing_organization: Option<Reference<'a>>,
        part_of: Option<Reference<'a>>,
    }
}
