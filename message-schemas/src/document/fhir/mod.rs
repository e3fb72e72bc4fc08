//! The FHIR R4 resources that documents are made of: only the elements that the tables fill, in FHIR's order.
//!
//! They borrow from the message and are written once, straight to bytes. What is empty is left out. A decimal
//! keeps its digits, a time its precision.

/// A struct whose fields are the properties of an object, named as FHIR names them: `based_on` is `basedOn`; another name
/// stands behind the type.
macro_rules! resource_struct {
    ($(#[$meta:meta])* $name:ident $(<$life:lifetime>)? {
        $($(#[$field_meta:meta])* $field:ident : $type:ty $(= $rename:literal)?,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(in crate::document) struct $name $(<$life>)? {
            $(
                $(#[$field_meta])*
                pub $field: $type,
            )+
        }

        impl $(<$life>)? $name $(<$life>)? {
            /// Adds the properties, of an object that is open.
            pub(in crate::document) fn members(&self, out: &mut $crate::document::json_text::JsonText) {
                use $crate::document::json_text::{property, property_length};
                $({
                    const NAME: &str = property_name!($field $($rename)?);
                    const PROPERTY: [u8; property_length(NAME)] = property(NAME);
                    out.member(&PROPERTY, &self.$field);
                })+
            }
        }

        impl $(<$life>)? $crate::document::json_text::WriteJson for $name $(<$life>)? {
            fn write_json(&self, out: &mut $crate::document::json_text::JsonText) {
                out.raw(b"{");
                self.members(out);
                out.close(b'}');
            }
        }
    };
}

macro_rules! property_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $rename:literal) => {
        $rename
    };
}

/// The resources by their names.
macro_rules! resources {
    ($($kind:ident,)+) => {
        /// Any resource of a document.
        #[derive(Debug)]
        pub(in crate::document) enum Resource<'a> {
            $($kind(Box<$kind<'a>>),)+
        }

        impl WriteJson for Resource<'_> {
            fn write_json(&self, out: &mut JsonText) {
                match self {
                    $(Self::$kind(resource) => {
                        out.raw(concat!("{\"resourceType\":\"", stringify!($kind), "\",").as_bytes());
                        resource.members(out);
                    })+
                }
                out.close(b'}');
            }
        }
    };
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

use super::json_text::{JsonText, WriteJson};
use std::borrow::Cow;
use uuid::Uuid;

/// Text, borrowed where it stands in the message as it is.
pub(in crate::document) type Text<'a> = Cow<'a, str>;

resources! {
    Composition,
    Patient,
    DiagnosticReport,
    Observation,
    Specimen,
    ServiceRequest,
    Organization,
    PractitionerRole,
    RelatedPerson,
    Location,
    Condition,
    Flag,
    MedicationStatement,
    AllergyIntolerance,
    Procedure,
    Encounter,
    Consent,
    Appointment,
    Communication,
    CommunicationRequest,
    DocumentReference,
    Binary,
}

/// A resource in a document, with its address.
#[derive(Debug)]
pub(in crate::document) struct Entry<'a> {
    pub full_url: Urn,
    pub resource: Resource<'a>,
}

impl WriteJson for Entry<'_> {
    fn write_json(&self, out: &mut JsonText) {
        out.raw(b"{");
        out.member(b"\"fullUrl\":", &self.full_url);
        out.member(b"\"resource\":", &self.resource);
        out.close(b'}');
    }
}

resource_struct! {
    /// The document, without its entries: they are the last of it.
    Bundle<'a> {
        resource_type: Option<&'static str>,
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        identifier: Option<Identifier<'a>>,
        kind: Option<&'static str> = "type",
        timestamp: Option<DateTime>,
    }
}
