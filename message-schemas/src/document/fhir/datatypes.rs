//! Data types of FHIR R4.

use super::Text;
use crate::document::codes::System;
use crate::document::decimal::Decimal;
use crate::time::{FhirDateTime, Stamp, Written};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use uuid::Uuid;

/// `urn:uuid:…`: how one resource points at another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::document) struct Urn(pub Uuid);

impl Serialize for Urn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = Uuid::encode_buffer();
        serializer.serialize_str(self.0.urn().encode_lower(&mut buffer))
    }
}

/// A time, written once and copied from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::document) struct DateTime(Written);

impl DateTime {
    /// None for a time of day alone.
    pub(in crate::document) fn new(stamp: Stamp) -> Option<Self> {
        stamp.date()?;
        Some(Self(FhirDateTime(stamp).written()))
    }

    pub(in crate::document) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A code in a system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(in crate::document) struct Coding<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<System<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<Text<'a>>,
}

impl<'a> Coding<'a> {
    pub(in crate::document) fn fixed(system: System<'a>, code: &'a str, display: Option<&'a str>) -> Self {
        Self { system: Some(system), code: Some(Cow::Borrowed(code)), display: display.map(Cow::Borrowed) }
    }
}

/// A concept: codings, and what a person reads.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::document) struct CodeableConcept<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coding: Vec<Coding<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text<'a>>,
}

impl<'a> CodeableConcept<'a> {
    pub(in crate::document) fn of(coding: Coding<'a>) -> Self {
        Self { coding: vec![coding], text: None }
    }

    pub(in crate::document) fn text(text: impl Into<Text<'a>>) -> Self {
        Self { coding: Vec::new(), text: Some(text.into()) }
    }
}

/// A business identifier. Systems are URIs, except NILAR's bare words and `HNR`.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::document) struct Identifier<'a> {
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub used: Option<&'static str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<CodeableConcept<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigner: Option<Box<Reference<'a>>>,
}

impl<'a> Identifier<'a> {
    pub(in crate::document) fn plain(system: &'static str, value: &'a str) -> Self {
        Self { system: Some(system), value: Some(Cow::Borrowed(value)), ..Self::default() }
    }

    /// `urn:uuid:` under RFC 3986.
    pub(in crate::document) fn urn(id: Uuid) -> Self {
        Self {
            system: Some("urn:ietf:rfc:3986"),
            value: Some(Cow::Owned(id.urn().to_string())),
            ..Self::default()
        }
    }
}

/// A reference: to a resource of the document, which nearly all are, to somebody by identifier, or by name only.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::document) struct Reference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<Urn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Box<Identifier<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<Text<'a>>,
}

impl Reference<'_> {
    pub(in crate::document) fn to(id: Uuid) -> Self {
        Self { reference: Some(Urn(id)), identifier: None, display: None }
    }

    /// FHIR wants a subject of nearly everything, also where no patient is named.
    pub(in crate::document) fn no_patient() -> Self {
        Self { display: Some(Cow::Borrowed("Pasient ikke oppgitt")), ..Self::default() }
    }
}

/// A measured value.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::document) struct Quantity<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparator: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<'a>>,
}

/// From one value to another; either may be missing.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::document) struct Range<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<Quantity<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Quantity<'a>>,
}

/// A note.
#[derive(Debug, Clone, Serialize)]
pub(in crate::document) struct Annotation<'a> {
    pub text: Text<'a>,
}

/// From a time to a time.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(in crate::document) struct Period {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<DateTime>,
}

/// An extension: its address, and a value or further extensions.
#[derive(Debug, Clone)]
pub(in crate::document) struct Extension<'a> {
    pub url: &'static str,
    pub value: ExtensionValue<'a>,
}

/// What an extension holds.
#[derive(Debug, Clone)]
pub(in crate::document) enum ExtensionValue<'a> {
    Extensions(Vec<Extension<'a>>),
    Annotation(Annotation<'a>),
    Boolean(bool),
    Code(&'static str),
    CodeableConcept(CodeableConcept<'a>),
    Coding(Coding<'a>),
    DateTime(DateTime),
    Integer(i64),
    Reference(Reference<'a>),
    String(Text<'a>),
}

impl Serialize for Extension<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("url", self.url)?;
        match &self.value {
            ExtensionValue::Extensions(list) => map.serialize_entry("extension", list)?,
            ExtensionValue::Annotation(v) => map.serialize_entry("valueAnnotation", v)?,
            ExtensionValue::Boolean(v) => map.serialize_entry("valueBoolean", v)?,
            ExtensionValue::Code(v) => map.serialize_entry("valueCode", v)?,
            ExtensionValue::CodeableConcept(v) => map.serialize_entry("valueCodeableConcept", v)?,
            ExtensionValue::Coding(v) => map.serialize_entry("valueCoding", v)?,
            ExtensionValue::DateTime(v) => map.serialize_entry("valueDateTime", v)?,
            ExtensionValue::Integer(v) => map.serialize_entry("valueInteger", v)?,
            ExtensionValue::Reference(v) => map.serialize_entry("valueReference", v)?,
            ExtensionValue::String(v) => map.serialize_entry("valueString", v)?,
        }
        map.end()
    }
}

/// Only extensions where a value would be (`_collectedDateTime`).
#[derive(Debug, Clone, Serialize)]
pub(in crate::document) struct Absent<'a> {
    pub extension: Vec<Extension<'a>>,
}

/// Profiles, security labels and tags.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::document) struct Meta<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security: Vec<Coding<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tag: Vec<Coding<'a>>,
}

/// The text of a resource or section.
#[derive(Debug, Clone, Serialize)]
pub(in crate::document) struct Narrative {
    pub status: &'static str,
    pub div: Div,
}

/// XHTML, in the element that FHIR wants around it.
#[derive(Debug, Clone)]
pub(in crate::document) struct Div {
    pub language: &'static str,
    pub html: String,
}

impl Serialize for Div {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { language, html } = self;
        serializer.collect_str(&format_args!(
            "<div xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"{language}\" xml:lang=\"{language}\">{html}</div>"
        ))
    }
}

/// A person's name.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::document) struct HumanName<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extension: Vec<Extension<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<Text<'a>>,
}

/// Phone, mail and the like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(in crate::document) struct ContactPoint<'a> {
    pub system: &'static str,
    pub value: Text<'a>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub used: Option<&'static str>,
}

/// A postal address.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::document) struct Address<'a> {
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub used: Option<&'static str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub line: Vec<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub district: Option<Text<'a>>,
    #[serde(rename = "_district", skip_serializing_if = "Option::is_none")]
    pub district_extension: Option<Absent<'a>>,
    #[serde(rename = "postalCode", skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extension: Vec<Extension<'a>>,
}

/// How long something is to be done, in a UCUM unit of time (drt-1).
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::document) struct Timing<'a> {
    pub repeat: Repeat<'a>,
}

/// The bounds of a [`Timing`].
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::document) struct Repeat<'a> {
    #[serde(rename = "boundsDuration")]
    pub bounds_duration: Quantity<'a>,
}
