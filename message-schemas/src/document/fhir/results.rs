//! Results: reports, observations, specimens.

use super::Text;
use super::datatypes::{
    Absent, Annotation, CodeableConcept, DateTime, Extension, Identifier, Meta, Period, Quantity, Range,
    Reference,
};
use uuid::Uuid;

resource_struct! {
    /// A report (svarrapport).
    DiagnosticReport<'a> {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        extension: Vec<Extension<'a>>,
        identifier: Vec<Identifier<'a>>,
        based_on: Vec<Reference<'a>>,
        status: Option<&'static str>,
        category: Vec<CodeableConcept<'a>>,
        code: Option<CodeableConcept<'a>>,
        subject: Option<&'a Reference<'a>>,
        effective_date_time: Option<DateTime>,
        issued: Option<DateTime>,
        performer: Vec<Reference<'a>>,
        specimen: Vec<Reference<'a>>,
        result: Vec<Reference<'a>>,
    }
}

resource_struct! {
    /// A result (undersøkelsesresultat).
    Observation<'a> {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        extension: Vec<Extension<'a>>,
        identifier: Vec<Identifier<'a>>,
        based_on: Vec<Reference<'a>>,
        status: Option<&'static str>,
        category: Vec<CodeableConcept<'a>>,
        code: Option<CodeableConcept<'a>>,
        subject: Option<&'a Reference<'a>>,
        encounter: Option<Reference<'a>>,
        effective_date_time: Option<DateTime>,
        effective_period: Option<Period>,
        issued: Option<DateTime>,
        performer: Vec<Reference<'a>>,
        value_quantity: Option<Quantity<'a>>,
        value_codeable_concept: Option<CodeableConcept<'a>>,
        value_integer: Option<i64>,
        value_range: Option<Box<Range<'a>>>,
        value_date_time: Option<DateTime>,
        data_absent_reason: Option<CodeableConcept<'a>>,
        interpretation: Vec<CodeableConcept<'a>>,
        note: Vec<Annotation<'a>>,
        method: Option<CodeableConcept<'a>>,
        specimen: Option<Reference<'a>>,
        reference_range: Vec<ReferenceRange<'a>>,
        has_member: Vec<Reference<'a>>,
    }
}

resource_struct! {
    /// A reference interval, as text only.
    ReferenceRange<'a> {
        text: Text<'a>,
    }
}

resource_struct! {
    /// Analysert objekt.
    Specimen<'a> {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        extension: Vec<Extension<'a>>,
        identifier: Vec<Identifier<'a>>,
        accession_identifier: Option<Identifier<'a>>,
        kind: Option<CodeableConcept<'a>> = "type",
        subject: Option<&'a Reference<'a>>,
        collection: Option<Collection<'a>>,
        container: Vec<Container<'a>>,
        note: Vec<Annotation<'a>>,
    }
}

resource_struct! {
    /// How a specimen was taken.
    Collection<'a> {
        extension: Vec<Extension<'a>>,
        collector: Option<Reference<'a>>,
        collected_date_time: Option<DateTime>,
        collected_absent: Option<Absent<'a>> = "_collectedDateTime",
        method: Option<CodeableConcept<'a>>,
        body_site: Option<CodeableConcept<'a>>,
    }
}

resource_struct! {
    /// What a specimen is kept in.
    Container<'a> {
        additive_codeable_concept: Option<CodeableConcept<'a>>,
    }
}
