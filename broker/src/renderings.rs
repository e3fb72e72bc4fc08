//! The forms of a shared document that are made of its JSON, as a target wants them.

use message_schemas::document::view::View;
use message_schemas::document::{self, SharedDocument};
use sharing::target::Also;
use std::collections::BTreeSet;

/// What was made. What cannot be made is missing, and the log says why; the target's settings decide whether that
/// stands in the way.
#[derive(Debug, Default)]
pub(crate) struct Renderings {
    /// The FHIR document as XML.
    pub(crate) fhir_xml: Option<Vec<u8>>,
    /// The document for people, on paper.
    pub(crate) pdf: Option<Vec<u8>>,
}

impl Renderings {
    /// Those that are named in `also`.
    pub(crate) fn of(document: &SharedDocument, also: &BTreeSet<Also>) -> Self {
        let wanted = |form| also.contains(&form);
        Self {
            fhir_xml: wanted(Also::Fhir)
                .then(|| document::fhir_xml(&document.json).map_err(|fault| fault.to_string()))
                .and_then(|made| told("FHIR XML", made)),
            pdf: wanted(Also::Pdf).then(|| pdf(document)).and_then(|made| told("PDF", made)),
        }
    }
}

/// A document for people, on paper; or why it cannot be written.
pub(crate) fn pdf(document: &SharedDocument) -> Result<Vec<u8>, String> {
    let view = View::read(&document.json).map_err(|fault| fault.to_string())?;
    pages::pdf(&view).map_err(|fault| fault.to_string())
}

fn told(form: &str, made: Result<Vec<u8>, String>) -> Option<Vec<u8>> {
    made.inspect_err(|why| tracing::warn!(form, why, "A form of a document could not be made.")).ok()
}
