//! What is known of a patient: conditions, warnings, drugs, procedures, stays, consent.

use super::Text;
use super::datatypes::{
    Annotation, CodeableConcept, Coding, DateTime, Identifier, Period, Quantity, Reference, Timing,
};
use uuid::Uuid;

resource_struct! {
    /// A diagnosis or problem.
    Condition<'a> {
        id: Option<Uuid>,
        clinical_status: Option<CodeableConcept<'a>>,
        verification_status: Option<CodeableConcept<'a>>,
        category: Vec<CodeableConcept<'a>>,
        code: Option<CodeableConcept<'a>>,
        body_site: Vec<CodeableConcept<'a>>,
        subject: Option<&'a Reference<'a>>,
        encounter: Option<Reference<'a>>,
        onset_date_time: Option<DateTime>,
        abatement_date_time: Option<DateTime>,
        recorded_date: Option<DateTime>,
        recorder: Option<Reference<'a>>,
        note: Vec<Annotation<'a>>,
    }
}

resource_struct! {
    /// A warning to whoever treats the patient.
    Flag<'a> {
        id: Option<Uuid>,
        status: Option<&'static str>,
        category: Vec<CodeableConcept<'a>>,
        code: Option<CodeableConcept<'a>>,
        subject: Option<&'a Reference<'a>>,
        period: Option<Period>,
        encounter: Option<Reference<'a>>,
        author: Option<Reference<'a>>,
    }
}

resource_struct! {
    /// A drug that is, was or should be taken.
    MedicationStatement<'a> {
        id: Option<Uuid>,
        status: Option<&'static str>,
        status_reason: Vec<CodeableConcept<'a>>,
        category: Option<CodeableConcept<'a>>,
        medication_codeable_concept: Option<CodeableConcept<'a>>,
        subject: Option<&'a Reference<'a>>,
        context: Option<Reference<'a>>,
        effective_period: Option<Period>,
        date_asserted: Option<DateTime>,
        information_source: Option<Reference<'a>>,
        reason_code: Vec<CodeableConcept<'a>>,
        note: Vec<Annotation<'a>>,
        dosage: Vec<Dosage<'a>>,
    }
}

resource_struct! {
    /// How a drug is taken.
    Dosage<'a> {
        text: Option<Text<'a>>,
        additional_instruction: Vec<CodeableConcept<'a>>,
        timing: Option<Timing<'a>>,
        as_needed_boolean: Option<bool>,
        route: Option<CodeableConcept<'a>>,
        dose_and_rate: Vec<DoseAndRate<'a>>,
    }
}

resource_struct! {
    /// How much of it at a time.
    DoseAndRate<'a> {
        dose_quantity: Quantity<'a>,
    }
}

resource_struct! {
    /// What a patient does not tolerate.
    AllergyIntolerance<'a> {
        id: Option<Uuid>,
        clinical_status: Option<CodeableConcept<'a>>,
        verification_status: Option<CodeableConcept<'a>>,
        category: Vec<&'static str>,
        code: Option<CodeableConcept<'a>>,
        patient: Option<&'a Reference<'a>>,
        encounter: Option<Reference<'a>>,
        onset_date_time: Option<DateTime>,
        recorded_date: Option<DateTime>,
        recorder: Option<Reference<'a>>,
        note: Vec<Annotation<'a>>,
    }
}

resource_struct! {
    /// Something done to a patient.
    Procedure<'a> {
        id: Option<Uuid>,
        status: Option<&'static str>,
        code: Option<CodeableConcept<'a>>,
        subject: Option<&'a Reference<'a>>,
        encounter: Option<Reference<'a>>,
        performed_date_time: Option<DateTime>,
        performed_period: Option<Period>,
        recorder: Option<Reference<'a>>,
        performer: Vec<Performer<'a>>,
        body_site: Vec<CodeableConcept<'a>>,
        note: Vec<Annotation<'a>>,
    }
}

resource_struct! {
    /// Who did it.
    Performer<'a> {
        actor: Reference<'a>,
    }
}

resource_struct! {
    /// A stay or a visit.
    Encounter<'a> {
        id: Option<Uuid>,
        identifier: Vec<Identifier<'a>>,
        status: Option<&'static str>,
        class: Option<Coding<'a>>,
        kind: Vec<CodeableConcept<'a>> = "type",
        service_type: Option<CodeableConcept<'a>>,
        priority: Option<CodeableConcept<'a>>,
        subject: Option<&'a Reference<'a>>,
        based_on: Vec<Reference<'a>>,
        participant: Vec<EncounterParticipant<'a>>,
        period: Option<Period>,
        diagnosis: Vec<EncounterDiagnosis<'a>>,
        hospitalization: Option<Hospitalization<'a>>,
        location: Vec<EncounterLocation<'a>>,
        part_of: Option<Reference<'a>>,
    }
}

resource_struct! {
    /// Who took part in a stay.
    EncounterParticipant<'a> {
        kind: Vec<CodeableConcept<'a>> = "type",
        individual: Option<Reference<'a>>,
    }
}

resource_struct! {
    /// What a stay was for.
    EncounterDiagnosis<'a> {
        condition: Option<Reference<'a>>,
        used: Option<CodeableConcept<'a>> = "use",
        rank: Option<u32>,
    }
}

resource_struct! {
    /// From where, and to where.
    Hospitalization<'a> {
        origin: Option<Reference<'a>>,
        destination: Option<Reference<'a>>,
        discharge_disposition: Option<CodeableConcept<'a>>,
    }
}

resource_struct! {
    /// Where a stay was.
    EncounterLocation<'a> {
        location: Option<Reference<'a>>,
        period: Option<Period>,
    }
}

resource_struct! {
    /// What a patient agreed to.
    Consent<'a> {
        id: Option<Uuid>,
        status: Option<&'static str>,
        scope: Option<CodeableConcept<'a>>,
        category: Vec<CodeableConcept<'a>>,
        patient: Option<&'a Reference<'a>>,
        date_time: Option<DateTime>,
        policy_rule: Option<CodeableConcept<'a>>,
        provision: Option<Provision>,
    }
}

resource_struct! {
    /// What was agreed: `deny` where consent was refused.
    Provision {
        kind: &'static str = "type",
    }
}
