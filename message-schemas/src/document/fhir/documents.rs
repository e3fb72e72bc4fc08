//! The document itself, and what came along with it.

use super::datatypes::{CodeableConcept, DateTime, Identifier, Meta, Narrative, Period, Reference};
use super::{Empty, Text};
use serde::Serialize;
use uuid::Uuid;

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
        encounter: Option<Reference<'a>>,
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
#[derive(Debug, Clone, Serialize)]
pub(in crate::document) struct Attester<'a> {
    pub mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party: Option<Reference<'a>>,
}

/// What a document replaces or was made from.
#[derive(Debug, Serialize)]
pub(in crate::document) struct RelatesTo<'a> {
    pub code: &'static str,
    #[serde(rename = "targetIdentifier")]
    pub target: Identifier<'a>,
}

/// When it was that a document tells of.
#[derive(Debug, Serialize)]
pub(in crate::document) struct Event {
    pub period: Period,
}

/// A chapter of a document.
#[derive(Debug, Serialize)]
pub(in crate::document) struct Section<'a> {
    pub title: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeableConcept<'a>>,
    pub text: Narrative,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entry: Vec<Reference<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub section: Vec<Self>,
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
pub(in crate::document) struct DocumentContent<'a> {
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
