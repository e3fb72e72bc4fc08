//! Namespaces: what each prefix stands for, where.

use std::borrow::Cow;
use std::collections::HashMap;

/// A namespace of one document, by the order in which it was met. [`Namespace::NONE`] is no namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Namespace(pub u32);

impl Namespace {
    /// No namespace.
    pub const NONE: Self = Self(0);
    /// `http://www.w3.org/XML/1998/namespace`.
    pub const XML: Self = Self(1);
}

pub(super) const XML_URI: &str = "http://www.w3.org/XML/1998/namespace";
pub(super) const XMLNS_URI: &str = "http://www.w3.org/2000/xmlns/";

/// The namespace bindings in force.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    uris: Vec<Cow<'a, str>>,
    /// Filled once there are too many to look through.
    index: HashMap<Box<str>, Namespace, foldhash::fast::RandomState>,
    pub(super) bindings: Vec<(&'a str, Namespace)>,
}

/// Equality, without a look at memory where there is nothing to see. An empty string may point anywhere, and
/// a comparison of no bytes at an address without a page costs some processors a hundred nanoseconds
/// (masked vector loads); names without a prefix are compared like that twice an element.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && (a.is_empty() || a == b)
}

/// What a prefix stands for: the innermost binding counts.
pub(super) fn find(bindings: &[(&str, Namespace)], prefix: &str) -> Option<Namespace> {
    bindings.iter().rev().find(|(p, _)| same(p, prefix)).map(|(_, n)| *n)
}

/// So many namespaces are looked through one by one; the richest official sample has 9.
const FEW: usize = 16;

impl<'a> Scope<'a> {
    pub(super) fn new() -> Self {
        Self {
            uris: vec![Cow::Borrowed(""), Cow::Borrowed(XML_URI)],
            index: HashMap::default(),
            bindings: vec![("xml", Namespace::XML), ("", Namespace::NONE)],
        }
    }

    pub(super) fn uri(&self, namespace: Namespace) -> &str {
        self.uris.get(namespace.0 as usize).map_or("", |uri| uri)
    }

    pub(super) fn resolve(&self, prefix: &str) -> Option<Namespace> {
        find(&self.bindings, prefix)
    }

    pub(super) fn intern(&mut self, uri: Cow<'a, str>) -> Namespace {
        let known = if self.uris.len() <= FEW {
            self.uris.iter().position(|u| same(u, &uri)).and_then(|at| u32::try_from(at).ok()).map(Namespace)
        } else {
            if self.index.is_empty() {
                for (at, uri) in (0..).zip(&self.uris) {
                    self.index.insert(uri.as_ref().into(), Namespace(at));
                }
            }
            self.index.get(uri.as_ref()).copied()
        };
        known.unwrap_or_else(|| {
            let new = Namespace(u32::try_from(self.uris.len()).unwrap_or(u32::MAX));
            if !self.index.is_empty() {
                self.index.insert(uri.as_ref().into(), new);
            }
            self.uris.push(uri);
            new
        })
    }
}
