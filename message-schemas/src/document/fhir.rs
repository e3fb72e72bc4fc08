//! The FHIR R4 resources that documents are made of: only the elements that the tables fill, in FHIR's order.
//!
//! They borrow from the message and are written once, by serde, straight to bytes. What is empty is left
//! out. A decimal keeps its digits, a time its precision.

use super::codes::System;
use super::decimal::Decimal;
use crate::time::{FhirDateTime, Stamp};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt::Write as _;
use uuid::Uuid;

/// Text, borrowed where it stands in the message as it is.
pub(super) type Text<'a> = Cow<'a, str>;

macro_rules! resource_struct {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident : $type:ty $(= $rename:literal)?,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Default, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub(super) struct $name<'a> {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "Empty::is_empty" $(, rename = $rename)?)]
                pub $field: $type,
            )+
        }
    };
}

/// What is left out when it holds nothing.
pub(super) trait Empty {
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

/// `urn:uuid:…`: how one resource points at another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Urn(pub Uuid);

impl Serialize for Urn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = Uuid::encode_buffer();
        serializer.serialize_str(self.0.urn().encode_lower(&mut buffer))
    }
}

/// A time, written once and copied from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DateTime {
    length: u8,
    bytes: [u8; 40],
}

impl DateTime {
    /// None for a time of day alone.
    pub(super) fn new(stamp: Stamp) -> Option<Self> {
        stamp.date()?;
        let mut written = Self { length: 0, bytes: [0; 40] };
        write!(written, "{}", FhirDateTime(stamp)).ok()?;
        Some(written)
    }

    pub(super) fn as_str(&self) -> &str {
        self.bytes
            .get(..usize::from(self.length))
            .and_then(|b| std::str::from_utf8(b).ok())
            .unwrap_or_default()
    }
}

impl std::fmt::Write for DateTime {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let from = usize::from(self.length);
        let room = self.bytes.get_mut(from..from + text.len()).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = u8::try_from(from + text.len()).map_err(|_| std::fmt::Error)?;
        Ok(())
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A code in a system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Coding<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<System<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<Text<'a>>,
}

impl<'a> Coding<'a> {
    pub(super) fn fixed(system: System<'a>, code: &'a str, display: Option<&'a str>) -> Self {
        Self { system: Some(system), code: Some(Cow::Borrowed(code)), display: display.map(Cow::Borrowed) }
    }
}

/// A concept: codings, and what a person reads.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct CodeableConcept<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coding: Vec<Coding<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text<'a>>,
}

impl<'a> CodeableConcept<'a> {
    pub(super) fn of(coding: Coding<'a>) -> Self {
        Self { coding: vec![coding], text: None }
    }

    pub(super) fn text(text: impl Into<Text<'a>>) -> Self {
        Self { coding: Vec::new(), text: Some(text.into()) }
    }
}

/// A business identifier. Systems are URIs, except NILAR's bare words and `HNR`.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Identifier<'a> {
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
    pub(super) fn plain(system: &'static str, value: &'a str) -> Self {
        Self { system: Some(system), value: Some(Cow::Borrowed(value)), ..Self::default() }
    }

    /// `urn:uuid:` under RFC 3986.
    pub(super) fn urn(id: Uuid) -> Self {
        Self {
            system: Some("urn:ietf:rfc:3986"),
            value: Some(Cow::Owned(id.urn().to_string())),
            ..Self::default()
        }
    }
}

/// A reference: to a resource of the document, to somebody by identifier, or by name only.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Reference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<Urn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<Text<'a>>,
}

impl Reference<'_> {
    pub(super) fn to(id: Uuid) -> Self {
        Self { reference: Some(Urn(id)), identifier: None, display: None }
    }
}

/// A measured value.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Quantity<'a> {
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
pub(super) struct Range<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<Quantity<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Quantity<'a>>,
}

/// A note.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Annotation<'a> {
    pub text: Text<'a>,
}

/// From a time to a time.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Period {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<DateTime>,
}

/// An extension: its address, and a value or further extensions.
#[derive(Debug, Clone)]
pub(super) struct Extension<'a> {
    pub url: &'static str,
    pub value: ExtensionValue<'a>,
}

/// What an extension holds.
#[derive(Debug, Clone)]
pub(super) enum ExtensionValue<'a> {
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
pub(super) struct Absent<'a> {
    pub extension: Vec<Extension<'a>>,
}

/// Profiles, security labels and tags.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Meta<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security: Vec<Coding<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tag: Vec<Coding<'a>>,
}

/// The text of a resource or section.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Narrative {
    pub status: &'static str,
    pub div: String,
}

/// A person's name.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct HumanName<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<Text<'a>>,
}

/// Phone, mail and the like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct ContactPoint<'a> {
    pub system: &'static str,
    pub value: Text<'a>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub used: Option<&'static str>,
}

/// A postal address.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Address<'a> {
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

resource_struct! {
    /// The table of contents, and the text.
    Composition {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        language: Option<&'a str>,
        text: Option<Narrative>,
        identifier: Option<Identifier<'a>>,
        status: Option<&'static str>,
        kind: Option<CodeableConcept<'a>> = "type",
        category: Vec<CodeableConcept<'a>>,
        subject: Option<&'a Reference<'a>>,
        date: Option<DateTime>,
        author: Vec<Reference<'a>>,
        title: Option<Text<'a>>,
        confidentiality: Option<&'a str>,
        attester: Vec<Attester<'a>>,
        custodian: Option<Reference<'a>>,
        relates_to: Vec<RelatesTo<'a>>,
        event: Vec<Event>,
        section: Vec<Section<'a>>,
    }
}

/// Who vouches for a document.
#[derive(Debug, Serialize)]
pub(super) struct Attester<'a> {
    pub mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party: Option<Reference<'a>>,
}

/// What a document replaces or was made from.
#[derive(Debug, Serialize)]
pub(super) struct RelatesTo<'a> {
    pub code: &'static str,
    #[serde(rename = "targetIdentifier")]
    pub target: Identifier<'a>,
}

/// When it was that a document tells of.
#[derive(Debug, Serialize)]
pub(super) struct Event {
    pub period: Period,
}

/// A chapter of a document.
#[derive(Debug, Serialize)]
pub(super) struct Section<'a> {
    pub title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeableConcept<'a>>,
    pub text: Narrative,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entry: Vec<Reference<'a>>,
}

resource_struct! {
    /// Pasient.
    Patient {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        identifier: Vec<Identifier<'a>>,
        name: Vec<HumanName<'a>>,
        telecom: Vec<ContactPoint<'a>>,
        gender: Option<&'static str>,
        birth_date: Option<DateTime>,
        deceased_date_time: Option<DateTime>,
        address: Vec<Address<'a>>,
    }
}

resource_struct! {
    /// A report (svarrapport).
    DiagnosticReport {
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
    Observation {
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
        value_quantity: Option<Quantity<'a>>,
        value_codeable_concept: Option<CodeableConcept<'a>>,
        value_range: Option<Range<'a>>,
        value_date_time: Option<DateTime>,
        interpretation: Vec<CodeableConcept<'a>>,
        note: Vec<Annotation<'a>>,
        method: Option<CodeableConcept<'a>>,
        specimen: Option<Reference<'a>>,
        reference_range: Vec<ReferenceRange<'a>>,
        has_member: Vec<Reference<'a>>,
    }
}

/// A reference interval, as text only.
#[derive(Debug, Serialize)]
pub(super) struct ReferenceRange<'a> {
    pub text: Text<'a>,
}

resource_struct! {
    /// Analysert objekt.
    Specimen {
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
    Collection {
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
    Container {
        additive_codeable_concept: Option<CodeableConcept<'a>>,
    }
}

resource_struct! {
    /// The order behind a report.
    ServiceRequest {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        extension: Vec<Extension<'a>>,
        identifier: Vec<Identifier<'a>>,
        status: Option<&'static str>,
        intent: Option<&'static str>,
        subject: Option<&'a Reference<'a>>,
        authored_on: Option<DateTime>,
        requester: Option<Reference<'a>>,
        reason_code: Vec<CodeableConcept<'a>>,
        note: Vec<Annotation<'a>>,
    }
}

resource_struct! {
    /// A legal unit or department.
    Organization {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        identifier: Vec<Identifier<'a>>,
        name: Option<Text<'a>>,
        telecom: Vec<ContactPoint<'a>>,
        address: Vec<Address<'a>>,
    }
}

resource_struct! {
    /// A person, an organisation, or a person for an organisation.
    PractitionerRole {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        practitioner: Option<Reference<'a>>,
        organization: Option<Reference<'a>>,
        specialty: Vec<CodeableConcept<'a>>,
        telecom: Vec<ContactPoint<'a>>,
    }
}

resource_struct! {
    /// An attachment's card.
    DocumentReference {
        id: Option<Uuid>,
        identifier: Vec<Identifier<'a>>,
        status: Option<&'static str>,
        subject: Option<&'a Reference<'a>>,
        description: Option<Text<'a>>,
        content: Vec<DocumentContent<'a>>,
    }
}

/// What a card points at.
#[derive(Debug, Serialize)]
pub(super) struct DocumentContent<'a> {
    pub attachment: Attachment<'a>,
}

resource_struct! {
    /// An attachment: where its bytes are, and what kind they are.
    Attachment {
        content_type: Option<Text<'a>>,
        url: Option<Text<'a>>,
        size: Option<u32>,
        hash: Option<String>,
        title: Option<Text<'a>>,
        creation: Option<DateTime>,
    }
}

resource_struct! {
    /// An attachment's bytes, in base64.
    Binary {
        id: Option<Uuid>,
        content_type: Option<Text<'a>>,
        data: Option<String>,
    }
}

/// Any resource of a document.
#[derive(Debug, Serialize)]
#[serde(tag = "resourceType")]
pub(super) enum Resource<'a> {
    Composition(Box<Composition<'a>>),
    Patient(Box<Patient<'a>>),
    DiagnosticReport(Box<DiagnosticReport<'a>>),
    Observation(Box<Observation<'a>>),
    Specimen(Box<Specimen<'a>>),
    ServiceRequest(Box<ServiceRequest<'a>>),
    Organization(Box<Organization<'a>>),
    PractitionerRole(Box<PractitionerRole<'a>>),
    DocumentReference(Box<DocumentReference<'a>>),
    Binary(Box<Binary<'a>>),
}

/// A resource in a document, with its address.
#[derive(Debug, Serialize)]
pub(super) struct Entry<'a> {
    #[serde(rename = "fullUrl")]
    pub full_url: Urn,
    pub resource: Resource<'a>,
}

/// The document.
#[derive(Debug, Serialize)]
pub(super) struct Bundle<'a> {
    #[serde(rename = "resourceType")]
    pub resource_type: &'static str,
    pub id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta<'a>>,
    pub identifier: Identifier<'a>,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub timestamp: DateTime,
    pub entry: Vec<Entry<'a>>,
}
