//! The document itself, and what came along with it.

use super::Text;
use super::datatypes::{CodeableConcept, DateTime, Identifier, Meta, Narrative, Period, Reference};
use uuid::Uuid;

resource_struct! {
    /// The table of contents, and the text.
    Composition<'a> {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        language: Option<&'static str>,
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
        confidentiality: Option<&'static str>,
        attester: Vec<Attester<'a>>,
        custodian: Option<Reference<'a>>,
        relates_to: Vec<RelatesTo<'a>>,
        event: Vec<Event>,
        section: Vec<Section<'a>>,
    }
}

resource_struct! {
    /// Who vouches for a document.
    #[derive(Clone)]
    Attester<'a> {
        mode: &'static str,
        time: Option<DateTime>,
        party: Option<Reference<'a>>,
    }
}

resource_struct! {
    /// What a document replaces or was made from.
    RelatesTo<'a> {
        code: &'static str,
        target: Identifier<'a> = "targetIdentifier",
    }
}

resource_struct! {
    /// When it was that a document tells of.
    Event {
        period: Period,
    }
}

resource_struct! {
    /// A chapter of a document.
    Section<'a> {
        title: Text<'a>,
        code: Option<CodeableConcept<'a>>,
        text: Narrative,
        entry: Vec<Reference<'a>>,
        section: Vec<Self>,
    }
}

resource_struct! {
    /// An attachment's card.
    DocumentReference<'a> {
        id: Option<Uuid>,
        identifier: Vec<Identifier<'a>>,
        status: Option<&'static str>,
        subject: Option<&'a Reference<'a>>,
        description: Option<Text<'a>>,
        content: Vec<DocumentContent<'a>>,
    }
}

resource_struct! {
    /// What a card points at.
    DocumentContent<'a> {
        attachment: Attachment<'a>,
    }
}

resource_struct! {
    /// An attachment: where its bytes are, and what kind they are.
    Attachment<'a> {
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
    Binary<'a> {
        id: Option<Uuid>,
        content_type: Option<Text<'a>>,
        data: Option<String>,
    }
}
