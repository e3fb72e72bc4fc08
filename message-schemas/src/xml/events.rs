//! What a document is read into: elements, their attributes and text, for a [`Handler`].

use crate::xml::scope::{Namespace, Scope, find};
use std::borrow::Cow;

/// A byte offset into the decoded text.
pub type Offset = usize;

/// An attribute, its value normalised as XML 1.0 §3.3.3 says for CDATA.
#[derive(Debug, Clone)]
pub struct Attribute<'a> {
    /// Its namespace; none for unprefixed attributes.
    pub namespace: Namespace,
    /// Its local name.
    pub local: &'a str,
    /// Its name as written.
    pub name: &'a str,
    /// Its value.
    pub value: Cow<'a, str>,
    /// Where its name starts.
    pub offset: Offset,
}

/// The start of an element. Namespace declarations are not among its attributes.
#[derive(Debug)]
pub struct Element<'a> {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its local name.
    pub local: &'a str,
    /// Its name as written.
    pub name: &'a str,
    /// Its attributes in document order.
    pub attributes: &'a [Attribute<'a>],
    /// Where its start tag begins.
    pub offset: Offset,
    /// Where its content begins: the first byte behind its start tag.
    pub inside: Offset,
    pub(super) scope: &'a Scope<'a>,
    /// So many bindings were in force before this element.
    pub(super) outer: usize,
}

impl<'a> Element<'a> {
    /// The URI of a namespace of this document; empty for none.
    #[must_use]
    pub fn uri(&self, namespace: Namespace) -> &'a str {
        self.scope.uri(namespace)
    }

    /// The namespace that a prefix (empty for the default) stands for here, for QNames in values.
    #[must_use]
    pub fn resolve(&self, prefix: &str) -> Option<Namespace> {
        self.scope.resolve(prefix)
    }

    /// All prefixes declared here and what they stand for, outer ones first; a later one hides an earlier.
    pub fn bindings(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let scope = self.scope;
        scope.bindings.iter().map(|(prefix, namespace)| (*prefix, scope.uri(*namespace)))
    }

    /// The namespace declarations of this very element, in document order; an empty prefix is the default.
    pub fn declarations(&self) -> impl ExactSizeIterator<Item = (&'a str, Namespace)> + use<'a> {
        self.scope.bindings.get(self.outer..).unwrap_or_default().iter().copied()
    }

    /// What a prefix stood for outside this element, just before it.
    #[must_use]
    pub fn outer(&self, prefix: &str) -> Option<Namespace> {
        find(self.scope.bindings.get(..self.outer).unwrap_or_default(), prefix)
    }
}

/// Takes the events of one document, in order. Text comes in pieces. Comments and instructions may be left alone:
/// they are not content.
pub trait Handler {
    /// An element begins.
    fn start(&mut self, element: &Element<'_>);
    /// A piece of text inside the element opened last; references are resolved, line ends normalised.
    fn text(&mut self, text: &str, at: Offset);
    /// The element opened last ends; `at` is the first byte behind its end tag.
    fn end(&mut self, at: Offset);
    /// A comment, inside or outside the document element; line ends are normalised.
    fn comment(&mut self, text: &str, at: Offset) {
        let _ = (text, at);
    }
    /// A processing instruction, inside or outside the document element: its target, and what follows the white
    /// space behind that; line ends are normalised.
    fn instruction(&mut self, target: &str, data: &str, at: Offset) {
        let _ = (target, data, at);
    }
}

impl<A: Handler, B: Handler> Handler for (&mut A, &mut B) {
    fn start(&mut self, element: &Element<'_>) {
        self.0.start(element);
        self.1.start(element);
    }
    fn text(&mut self, text: &str, at: Offset) {
        self.0.text(text, at);
        self.1.text(text, at);
    }
    fn end(&mut self, at: Offset) {
        self.0.end(at);
        self.1.end(at);
    }
    fn comment(&mut self, text: &str, at: Offset) {
        self.0.comment(text, at);
        self.1.comment(text, at);
    }
    fn instruction(&mut self, target: &str, data: &str, at: Offset) {
        self.0.instruction(target, data, at);
        self.1.instruction(target, data, at);
    }
}
