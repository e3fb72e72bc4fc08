//! Concepts with modifiers: diagnoses and other coded descriptions.

use super::codes;
use super::fhir::{Annotation, CodeableConcept};
use super::values::{Code, Sourced, first};
use super::words::code_text;
use super::writer::Writer;
use crate::xml::Node;
use std::borrow::Cow;

/// `Diagnosis`, `DiagComment`, `CodedDescr`, `CodedComment`.
#[derive(Debug)]
pub(super) struct Concept<'t> {
    pub node: Node<'t>,
    pub concept: Option<Code<'t>>,
    /// `Name` (7305) and the values under it.
    pub modifiers: Vec<(Option<Code<'t>>, Vec<Code<'t>>)>,
}

impl<'t> Concept<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        let mut read = Self { node, concept: None, modifiers: Vec::new() };
        for e in node.elements() {
            match e.name() {
                "Concept" => first(&mut read.concept, Some(Code::read(e))),
                "Modifier" => read
                    .modifiers
                    .push((e.child("Name").map(Code::read), e.all("Value").map(Code::read).collect())),
                _ => {}
            }
        }
        // In Rekvisisjon the element is the code itself.
        if read.concept.is_none() && node.attributes().any(|(namespace, ..)| namespace.is_empty()) {
            read.concept = Some(Code::read(node));
        }
        read
    }

    /// Everything that was read.
    pub(super) fn codes(&self) -> impl Iterator<Item = &Code<'t>> {
        let modifiers = self.modifiers.iter().flat_map(|(name, values)| name.iter().chain(values));
        self.concept.iter().chain(modifiers)
    }

    /// As a person reads it.
    pub(super) fn describe(&self, out: &mut String) {
        if let Some(concept) = &self.concept {
            code_text(concept, out);
        }
        for (name, values) in &self.modifiers {
            out.push_str("; ");
            if let Some(name) = name.as_ref().and_then(Code::words) {
                out.push_str(name);
                out.push_str(": ");
            }
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    out.push_str(", ");
                }
                code_text(value, out);
            }
        }
    }
}

/// A concept as the parts of a resource.
#[derive(Debug, Default)]
pub(super) struct Coded<'a> {
    pub code: CodeableConcept<'a>,
    pub body_site: Vec<CodeableConcept<'a>>,
    pub note: Vec<Annotation<'a>>,
}

impl<'a, 't, B> Writer<'a, '_, 't, B> {
    //= document-sharing §4
    //# Modifier by K(7305): LA laterality and AN anatomy to bodySite, DI note, FO note, S (ICD-10 asterisk)
    //# second coding, A (ATC) second coding
    /// Takes a concept apart and marks it; `target` is the resource's code. The diagnosis status (DI) stands in the text
    /// of the code as well: a reader of the code alone would take what was ruled out for found, and verificationStatus has
    /// a list of its own that no text can be put into.
    pub(super) fn coded(&mut self, from: &'a Concept<'t>, target: &'static str) -> Coded<'a> {
        let mode = self.mode();
        let mut out = Coded::default();
        for code in from.codes() {
            code.mapped(&mut self.coverage, target);
        }
        if let Some(concept) = &from.concept {
            out.code = codes::concept(concept, None, mode).unwrap_or_default();
        }
        for (name, values) in &from.modifiers {
            match name.as_ref().and_then(Code::code) {
                Some("S" | "A") => {
                    out.code.coding.extend(values.iter().filter_map(|v| codes::coding(v, None, mode)));
                }
                Some("LA" | "AN") => {
                    out.body_site.extend(values.iter().filter_map(|v| codes::concept(v, None, mode)));
                }
                _ => {
                    let mut text = name.as_ref().and_then(|n| codes::words(n, 7305)).unwrap_or("").to_owned();
                    for (n, value) in values.iter().enumerate() {
                        text.push_str(if n > 0 {
                            ", "
                        } else if text.is_empty() {
                            ""
                        } else {
                            ": "
                        });
                        code_text(value, &mut text);
                    }
                    // What is not so, or not yet known to be, is never told by the diagnosis alone.
                    if name.as_ref().and_then(Code::code) == Some("DI") && !values.is_empty() {
                        let of = from.concept.as_ref().and_then(Code::words).unwrap_or_default();
                        let before = out.code.text.take().unwrap_or(Cow::Borrowed(of));
                        out.code.text = Some(Cow::Owned(format!("{before} ({text})")));
                    }
                    if !text.is_empty() {
                        out.note.push(Annotation { text: Cow::Owned(text) });
                    }
                }
            }
        }
        out
    }
}
