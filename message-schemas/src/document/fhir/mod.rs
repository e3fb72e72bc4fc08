//! The FHIR R4 resources that documents are made of: only the elements that the tables fill, in FHIR's order.
//!
//! They borrow from the message and are written once, by serde, straight to bytes. What is empty is left
//! out. A decimal keeps its digits, a time its precision.

macro_rules! resource_struct {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident : $type:ty $(= $rename:literal)?,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Default, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub(in crate::document) struct $name<'a> {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "Empty::is_empty" $(, rename = $rename)?)]
                pub $field: $type,
            )+
        }
    };
}

/// What is left out when it holds nothing.
pub(in crate::document) trait Empty {
    fn is_empty(&self) -> bool;
}

impl<T> Empty for Option<T> {
    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

impl<T> Empty for Vec<T> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

mod actors;
mod clinical;
mod datatypes;
mod documents;
mod results;
mod workflow;

pub(in crate::document) use actors::*;
pub(in crate::document) use clinical::*;
pub(in crate::document) use datatypes::*;
pub(in crate::document) use documents::*;
pub(in crate::document) use results::*;
pub(in crate::document) use workflow::*;

use serde::Serialize;
use std::borrow::Cow;
use uuid::Uuid;

/// Text, borrowed where it stands in the message as it is.
pub(in crate::document) type Text<'a> = Cow<'a, str>;

/// Any resource of a document.
#[derive(Debug, Serialize)]
#[serde(tag = "resourceType")]
pub(in crate::document) enum Resource<'a> {
    Composition(Box<Composition<'a>>),
    Patient(Box<Patient<'a>>),
    DiagnosticReport(Box<DiagnosticReport<'a>>),
    Observation(Box<Observation<'a>>),
    Specimen(Box<Specimen<'a>>),
    ServiceRequest(Box<ServiceRequest<'a>>),
    Organization(Box<Organization<'a>>),
    PractitionerRole(Box<PractitionerRole<'a>>),
    RelatedPerson(Box<RelatedPerson<'a>>),
    Location(Box<Location<'a>>),
    Condition(Box<Condition<'a>>),
    Flag(Box<Flag<'a>>),
    MedicationStatement(Box<MedicationStatement<'a>>),
    AllergyIntolerance(Box<AllergyIntolerance<'a>>),
    Procedure(Box<Procedure<'a>>),
    Encounter(Box<Encounter<'a>>),
    Consent(Box<Consent<'a>>),
    Appointment(Box<Appointment<'a>>),
    Communication(Box<Communication<'a>>),
    CommunicationRequest(Box<CommunicationRequest<'a>>),
    DocumentReference(Box<DocumentReference<'a>>),
    Binary(Box<Binary<'a>>),
}

/// A resource in a document, with its address.
#[derive(Debug, Serialize)]
pub(in crate::document) struct Entry<'a> {
    #[serde(rename = "fullUrl")]
    pub full_url: Urn,
    pub resource: Resource<'a>,
}

/// The document, without its entries: they are the last of it.
#[derive(Debug, Serialize)]
pub(in crate::document) struct Bundle<'a> {
    #[serde(rename = "resourceType")]
    pub resource_type: &'static str,
    pub id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta<'a>>,
    pub identifier: Identifier<'a>,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub timestamp: DateTime,
}
