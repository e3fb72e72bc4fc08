//! Data types of FHIR R4.

use super::Text;
use crate::document::codes::System;
use crate::document::decimal::Decimal;
use crate::document::json_text::{JsonText, WriteJson};
use crate::time::{FhirDateTime, Stamp, Written};
use std::borrow::Cow;
use uuid::Uuid;

/// `urn:uuid:…`: how one resource points at another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::document) struct Urn(pub Uuid);

impl WriteJson for Urn {
    fn write_json(&self, out: &mut JsonText) {
        let mut text = [0; uuid::fmt::Urn::LENGTH];
        self.0.urn().encode_lower(&mut text);
        out.own([&text]);
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
}

impl WriteJson for DateTime {
    fn write_json(&self, out: &mut JsonText) {
        out.own([self.0.as_bytes()]);
    }
}

resource_struct! {
    /// A code in a system.
    #[derive(Clone, PartialEq, Eq)]
    Coding<'a> {
        system: Option<System<'a>>,
        code: Option<Text<'a>>,
        display: Option<Text<'a>>,
    }
}

impl<'a> Coding<'a> {
    pub(in crate::document) fn fixed(system: System<'a>, code: &'a str, display: Option<&'a str>) -> Self {
        Self { system: Some(system), code: Some(Cow::Borrowed(code)), display: display.map(Cow::Borrowed) }
    }
}

resource_struct! {
    /// A concept: codings, and what a person reads.
    #[derive(Clone)]
    CodeableConcept<'a> {
        coding: Vec<Coding<'a>>,
        text: Option<Text<'a>>,
    }
}

impl<'a> CodeableConcept<'a> {
    pub(in crate::document) fn of(coding: Coding<'a>) -> Self {
        Self { coding: vec![coding], text: None }
    }

    pub(in crate::document) fn text(text: impl Into<Text<'a>>) -> Self {
        Self { coding: Vec::new(), text: Some(text.into()) }
    }
}

resource_struct! {
    /// A business identifier. Systems are URIs, except NILAR's bare words and `HNR`.
    #[derive(Clone)]
    Identifier<'a> {
        used: Option<&'static str> = "use",
        kind: Option<CodeableConcept<'a>> = "type",
        system: Option<&'static str>,
        value: Option<Text<'a>>,
        assigner: Option<Box<Reference<'a>>>,
    }
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

resource_struct! {
    /// A reference: to a resource of the document, which nearly all are, to somebody by identifier, or by name only.
    #[derive(Clone)]
    Reference<'a> {
        reference: Option<Urn>,
        identifier: Option<Box<Identifier<'a>>>,
        display: Option<Text<'a>>,
    }
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

resource_struct! {
    /// A measured value.
    #[derive(Clone)]
    Quantity<'a> {
        value: Option<Decimal<'a>>,
        comparator: Option<&'static str>,
        unit: Option<Text<'a>>,
        system: Option<&'static str>,
        code: Option<Text<'a>>,
    }
}

resource_struct! {
    /// From one value to another; either may be missing.
    #[derive(Clone)]
    Range<'a> {
        low: Option<Quantity<'a>>,
        high: Option<Quantity<'a>>,
    }
}

resource_struct! {
    /// A note.
    #[derive(Clone)]
    Annotation<'a> {
        text: Text<'a>,
    }
}

resource_struct! {
    /// From a time to a time.
    #[derive(Clone, Copy)]
    Period {
        start: Option<DateTime>,
        end: Option<DateTime>,
    }
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

impl WriteJson for Extension<'_> {
    fn write_json(&self, out: &mut JsonText) {
        out.raw(b"{");
        out.member(b"\"url\":", &self.url);
        match &self.value {
            ExtensionValue::Extensions(list) => out.member(b"\"extension\":", list),
            ExtensionValue::Annotation(v) => out.member(b"\"valueAnnotation\":", v),
            ExtensionValue::Boolean(v) => out.member(b"\"valueBoolean\":", v),
            ExtensionValue::Code(v) => out.member(b"\"valueCode\":", v),
            ExtensionValue::CodeableConcept(v) => out.member(b"\"valueCodeableConcept\":", v),
            ExtensionValue::Coding(v) => out.member(b"\"valueCoding\":", v),
            ExtensionValue::DateTime(v) => out.member(b"\"valueDateTime\":", v),
            ExtensionValue::Integer(v) => out.member(b"\"valueInteger\":", v),
            ExtensionValue::Reference(v) => out.member(b"\"valueReference\":", v),
            ExtensionValue::String(v) => out.member(b"\"valueString\":", v),
        }
        out.close(b'}');
    }
}

resource_struct! {
    /// Only extensions where a value would be (`_collectedDateTime`).
    #[derive(Clone)]
    Absent<'a> {
        extension: Vec<Extension<'a>>,
    }
}

resource_struct! {
    /// Profiles, security labels and tags.
    #[derive(Clone)]
    Meta<'a> {
        profile: Vec<&'static str>,
        security: Vec<Coding<'a>>,
        tag: Vec<Coding<'a>>,
    }
}

resource_struct! {
    /// The text of a resource or section.
    #[derive(Clone)]
    Narrative {
        status: &'static str,
        div: Div,
    }
}

/// XHTML, in the element that FHIR wants around it.
#[derive(Debug, Clone, Default)]
pub(in crate::document) struct Div {
    pub language: &'static str,
    pub html: String,
}

impl WriteJson for Div {
    fn write_json(&self, out: &mut JsonText) {
        let Self { language, html } = self;
        out.raw(b"\"");
        out.escaped(&format!(
            "<div xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"{language}\" xml:lang=\"{language}\">"
        ));
        out.escaped(html);
        out.escaped("</div>");
        out.raw(b"\"");
    }
}

resource_struct! {
    /// A person's name.
    #[derive(Clone)]
    HumanName<'a> {
        extension: Vec<Extension<'a>>,
        text: Option<Text<'a>>,
        family: Option<Text<'a>>,
        given: Vec<Text<'a>>,
    }
}

resource_struct! {
    /// Phone, mail and the like.
    #[derive(Clone, PartialEq, Eq)]
    ContactPoint<'a> {
        system: &'static str,
        value: Text<'a>,
        used: Option<&'static str> = "use",
    }
}

resource_struct! {
    /// A postal address.
    #[derive(Clone)]
    Address<'a> {
        used: Option<&'static str> = "use",
        kind: Option<&'static str> = "type",
        line: Vec<Text<'a>>,
        city: Option<Text<'a>>,
        district: Option<Text<'a>>,
        district_extension: Option<Absent<'a>> = "_district",
        postal_code: Option<Text<'a>>,
        country: Option<Text<'a>>,
        extension: Vec<Extension<'a>>,
    }
}

resource_struct! {
    /// How long something is to be done, in a UCUM unit of time (drt-1).
    #[derive(Clone)]
    Timing<'a> {
        repeat: Repeat<'a>,
    }
}

resource_struct! {
    /// The bounds of a [`Timing`].
    #[derive(Clone)]
    Repeat<'a> {
        bounds_duration: Quantity<'a>,
    }
}
