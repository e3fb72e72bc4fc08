//! Extensions of NILAR's profiles.

use crate::document::fhir::{Annotation, CodeableConcept, Extension, ExtensionValue};
use std::borrow::Cow;

/// An extension of NILAR's profiles.
pub(super) fn nilar<'a>(id: &'static str, value: ExtensionValue<'a>) -> Extension<'a> {
    let url = match id {
        "nilar-accredited" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-accredited",
        "nilar-approval-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-approval-date",
        "nilar-comment" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-comment",
        "nilar-container-count" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-container-count",
        "nilar-counter-sign-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-counter-sign-date",
        "nilar-description-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-description-date",
        "nilar-diagnostic-report-ref" => {
            "http://nhn.no/fhir/nilar/StructureDefinition/nilar-diagnostic-report-ref"
        }
        "nilar-history" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-history",
        "nilar-inf-item" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item",
        "nilar-inf-item-coded-descr" => {
            "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item-coded-descr"
        }
        "nilar-inf-item-descr" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item-descr",
        "nilar-inf-item-end" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item-end",
        "nilar-inf-item-org-time" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item-org-time",
        "nilar-inf-item-start" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item-start",
        "nilar-inf-item-type" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-inf-item-type",
        "nilar-investigation-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-investigation-date",
        "nilar-logistics" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-logistics",
        "nilar-medical-validation-date" => {
            "http://nhn.no/fhir/nilar/StructureDefinition/nilar-medical-validation-date"
        }
        "nilar-payment-category" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-payment-category",
        "nilar-pretreatment" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-pretreatment",
        "nilar-receipt-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-receipt-date",
        "nilar-report-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-report-date",
        "nilar-reservation" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-reservation",
        "nilar-sample-handling" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-sample-handling",
        "nilar-specification" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-specification",
        "nilar-status-change-date" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-status-change-date",
        "nilar-study-product-ref" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-study-product-ref",
        "nilar-study-product-type" => "http://nhn.no/fhir/nilar/StructureDefinition/nilar-study-product-type",
        other => other,
    };
    Extension { url, value }
}

pub(super) fn comment_text(text: &str) -> Extension<'_> {
    nilar("nilar-comment", ExtensionValue::Annotation(Annotation { text: Cow::Borrowed(text) }))
}

pub(super) fn comment_concept(concept: CodeableConcept<'_>) -> Extension<'_> {
    nilar("nilar-comment", ExtensionValue::CodeableConcept(concept))
}
