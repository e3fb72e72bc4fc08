//! A schema file as nodes, with prefixes resolved where they stand.
//!
//! Schema files come from whoever runs the broker, not from senders: a DOCTYPE with an internal subset (the
//! one of XMLDSig has one) is stepped over, but nothing in it is expanded and nothing is fetched.

use super::error::Problem;
use super::model::{QName, XSD};
use crate::limits::Limits;
use crate::xml::{self, Element, Handler, Offset, Places};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bounds on one schema file; generous, since the operator put it there.
const LIMITS: Limits = Limits {
    message_bytes: 20_000_000,
    depth: 100,
    attributes: 200,
    attribute_bytes: 100_000,
    text_bytes: 5_000_000,
    elements: 1_000_000,
    findings: 1,
    unpacked_bytes: 0,
};

/// An element of a schema file.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Its local name; empty for an element that is not of XSD.
    pub(super) local: String,
    /// Attributes without namespace, in order.
    pub(super) attributes: Vec<(String, String)>,
    /// What the prefixes in the attribute values stand for; the default namespace under the empty one.
    prefixes: Vec<(String, Arc<str>)>,
    /// Elements of XSD inside it, and others as nodes without name.
    pub(super) children: Vec<Self>,
    /// The text directly and deeper inside it.
    pub(super) text: String,
    /// Where it stands.
    pub(super) line: u32,
}

impl Node {
    /// Reads a schema file.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let decoded = xml::decode(bytes).map_err(|finding| Problem::Xml(Box::new(finding)))?;
        let mut builder = Builder {
            places: Places::new(&decoded.text),
            open: vec![Self::default()],
            uris: BTreeMap::new(),
        };
        xml::read_past_doctype(&decoded.text, &LIMITS, &mut builder)
            .map_err(|finding| Problem::Xml(Box::new(finding)))?;
        let document = builder.open.pop().unwrap_or_default();
        document.children.into_iter().next().filter(|root| root.local == "schema").ok_or(Problem::NotASchema)
    }

    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// What a prefix in one of its values stands for.
    pub(super) fn prefix(&self, prefix: &str) -> Option<Arc<str>> {
        self.prefixes.iter().find(|(p, _)| p == prefix).map(|(_, uri)| uri.clone())
    }

    /// A name in one of its values.
    pub(super) fn qname(&self, value: &str) -> Result<QName, Problem> {
        let (prefix, local) = value.split_once(':').unwrap_or(("", value));
        match self.prefix(prefix) {
            Some(namespace) => Ok(QName::new(namespace, local)),
            None => Err(Problem::Prefix(prefix.to_owned())),
        }
    }

    /// The text of its `xs:annotation`, if it has one with text.
    pub(super) fn documentation(&self) -> Option<String> {
        let annotation = self.children.iter().find(|c| c.local == "annotation")?;
        let texts: Vec<&str> = annotation
            .children
            .iter()
            .filter(|c| c.local == "documentation")
            .map(|c| c.text.trim())
            .filter(|t| !t.is_empty())
            .collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }
}

struct Builder<'a> {
    places: Places<'a>,
    open: Vec<Node>,
    uris: BTreeMap<String, Arc<str>>,
}

impl Builder<'_> {
    fn intern(&mut self, uri: &str) -> Arc<str> {
        if let Some(known) = self.uris.get(uri) {
            return known.clone();
        }
        let new: Arc<str> = uri.into();
        self.uris.insert(uri.to_owned(), new.clone());
        new
    }
}

impl Handler for Builder<'_> {
    fn start(&mut self, element: &Element<'_>) {
        let mut node = Node { line: self.places.place(element.offset).line, ..Node::default() };
        if element.uri(element.namespace) == XSD {
            element.local.clone_into(&mut node.local);
            for attribute in element.attributes {
                if attribute.namespace == xml::Namespace::NONE {
                    node.attributes.push((attribute.local.to_owned(), attribute.value.clone().into_owned()));
                }
                for prefix in prefixes_in(&attribute.value) {
                    let new = !node.prefixes.iter().any(|(p, _)| p == prefix);
                    if let Some(namespace) = element.resolve(prefix).filter(|_| new) {
                        let uri = self.intern(element.uri(namespace));
                        node.prefixes.push((prefix.to_owned(), uri));
                    }
                }
            }
            let default = element.resolve("").map_or("", |namespace| element.uri(namespace));
            let default = self.intern(default);
            node.prefixes.push((String::new(), default));
        }
        self.open.push(node);
    }

    fn text(&mut self, text: &str, _at: Offset) {
        if let Some(node) = self.open.last_mut() {
            node.text.push_str(text);
        }
    }

    fn end(&mut self, _at: Offset) {
        let Some(node) = self.open.pop() else { return };
        if let Some(parent) = self.open.last_mut() {
            if node.local.is_empty() {
                parent.text.push_str(&node.text);
            }
            parent.children.push(node);
        }
    }
}

/// The names before colons in a value; some of them are prefixes.
fn prefixes_in(value: &str) -> impl Iterator<Item = &str> {
    value.match_indices(':').filter_map(|(at, _)| {
        let before = value.get(..at)?;
        let start = before
            .char_indices()
            .rev()
            .take_while(|(_, c)| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
            .last()
            .map_or(at, |(start, _)| start);
        before.get(start..).filter(|prefix| !prefix.is_empty())
    })
}
