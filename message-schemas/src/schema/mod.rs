//! Schemas: XSD files compiled at start into automata that check a document in one pass.
//!
//! ```text
//! XSD files ──source, read──▶ components of each file ──load──▶ Model ──compile──▶ automata
//!                                                                                     │
//! document ──xml::read──▶ events ─────────────────────────────────────────────▶ Validator ──▶ SchemaVerdict
//! ```
//!
//! - `source` and `read` turn a file into components; what is not supported is a fault by name.
//! - `load` decides which file serves which namespace, and gives the [`Model`](model::Model): everything
//!   that the files say, public, and the ground for writing schemas out and for comparing them.
//! - `compile` numbers types and elements and turns content models into deterministic automata
//!   (`automaton`), simple types into [`datatypes`].
//! - [`Validator`] is an [`xml::Handler`]. It keeps one frame for each open element and
//!   allocates nothing while the document is valid, so it can run beside another handler in the same pass:
//!   `xml::read(text, &limits, &mut (&mut validator, &mut tree_builder))`.
//!
//! - [`export`] writes a model out in our own layout, [`diff`] tells what differs between two, and
//!   [`builtin`] holds our own schema files.
//!
//! **Invariants:** nothing is fetched, whatever a `schemaLocation` says, in schemas or documents. No
//! recursion on the depth of a document. The work for a document is linear in its length, apart from
//! findings, which are capped. Nothing that a document holds is quoted in a finding, element and attribute
//! names excepted.
//!
//! Not here: `xs:redefine`, notations, and XSD 1.1; they are refused by name when a set is loaded. Whether a
//! restriction really narrows its base is not proved: a schema is taken at its word.

mod automaton;
mod builtin;
mod check;
mod compile;
mod compiled;
pub mod datatypes;
pub mod diff;
mod error;
pub mod export;
mod load;
pub mod model;
mod names;
mod read;
mod source;
#[cfg(test)]
mod tests;
mod validate;

pub use builtin::builtin;
pub use error::{Problem, SchemaError, SchemaFault};
pub use load::{Alternative, LoadReport};
pub use validate::{SchemaVerdict, Validator};

use crate::finding::Finding;
use crate::limits::Limits;
use crate::xml;
use sha2::{Digest, Sha256};

/// A set of schema files, compiled. Shared between threads as it is.
#[derive(Debug)]
pub struct SchemaSet {
    model: model::Model,
    compiled: compiled::Compiled,
    hash: [u8; 32],
}

impl SchemaSet {
    /// Loads and compiles a set of files, each with its name. Order does not matter.
    ///
    /// # Errors
    /// All faults of all files: not readable, not supported, references that lead nowhere.
    pub fn load(
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<(Self, LoadReport), SchemaError> {
        let mut files: Vec<(String, Vec<u8>)> = files.into_iter().collect();
        files.sort();
        let hash = hash(&files);
        let (model, report) = load::load(files)?;
        Ok((Self::compile(model, hash)?, report))
    }

    /// Compiles a model that did not come from files, or not from these alone.
    ///
    /// # Errors
    /// All faults: references that lead nowhere, definitions in a circle, what is not supported.
    pub fn from_model(model: model::Model) -> Result<Self, SchemaError> {
        let hash = Sha256::digest(format!("{model:?}")).into();
        Self::compile(model, hash)
    }

    fn compile(model: model::Model, hash: [u8; 32]) -> Result<Self, SchemaError> {
        let faults = check::check(&model);
        if !faults.is_empty() {
            return Err(load::sorted(faults));
        }
        let compiled = compile::compile(&model).map_err(load::sorted)?;
        Ok(Self { model, compiled, hash })
    }

    /// What the files declare.
    #[must_use]
    pub const fn model(&self) -> &model::Model {
        &self.model
    }

    /// SHA-256 over the names and bytes of the files, sorted by name: which schemas a verdict was given by.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Whether a document may begin with this element.
    #[must_use]
    pub fn declares_root(&self, namespace: &str, local: &str) -> bool {
        let names = &self.compiled.names;
        self.compiled.global_element(names.symbol(names.namespace(namespace), local)).is_some()
    }

    /// A validator for one document, given its decoded text; its events must come from the same text.
    #[must_use]
    pub fn validator<'a>(&'a self, text: &'a str, limits: &Limits) -> Validator<'a> {
        Validator::new(&self.compiled, text, limits)
    }

    /// Checks a decoded document.
    ///
    /// # Errors
    /// The fault that makes the text not XML.
    pub fn validate(&self, text: &str, limits: &Limits) -> Result<SchemaVerdict, Finding> {
        let mut validator = self.validator(text, limits);
        xml::read(text, limits, &mut validator)?;
        Ok(validator.finish())
    }
}

fn hash(sorted: &[(String, Vec<u8>)]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for (name, bytes) in sorted {
        // Lengths first: no two sets of files give the same stream.
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    hasher.finalize().into()
}
