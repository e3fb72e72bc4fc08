//! Canonical XML 1.0 and Exclusive XML Canonicalization 1.0, written event by event.
//!
//! The reader has already done half of it: one encoding, normalised line ends and attribute values, no CDATA, no
//! entities, no DOCTYPE. What is left: which namespace declarations are written, the order of attributes, escaping.

use super::Canonical;
use super::escape::{attribute_reference, escape, text_reference};
use crate::fault::{Fault, Kind};
use message_schemas::Limits;
use message_schemas::xml::{self, Attribute, Element, Handler, Namespace, Offset};
use smallvec::SmallVec;
use std::ops::Range;

/// The canonical form of a whole document.
///
/// # Errors
/// [`crate::Kind::SignatureShape`] if it is not XML, [`crate::Kind::LimitExceeded`].
pub fn canonicalize(text: &str, form: &Canonical, limits: &Limits) -> Result<Vec<u8>, Fault> {
    let mut whole = Whole { canonicalizer: Canonicalizer::new(form, text.len(), limits) };
    xml::read(text, limits, &mut whole).map_err(|finding| super::not_xml(&finding))?;
    whole.canonicalizer.finish()
}

struct Whole<'f> {
    canonicalizer: Canonicalizer<'f>,
}

impl Handler for Whole<'_> {
    fn start(&mut self, element: &Element<'_>) {
        self.canonicalizer.start(element);
    }
    fn text(&mut self, text: &str, _at: Offset) {
        self.canonicalizer.text(text);
    }
    fn end(&mut self, _at: Offset) {
        self.canonicalizer.end();
    }
    fn comment(&mut self, text: &str, _at: Offset) {
        self.canonicalizer.comment(text);
    }
    fn instruction(&mut self, target: &str, data: &str, _at: Offset) {
        self.canonicalizer.instruction(target, data);
    }
}

/// Writes the canonical form of the events that it is given: a whole document, or a part whose first element came
/// through [`Self::apex`].
#[derive(Debug)]
pub(super) struct Canonicalizer<'f> {
    form: &'f Canonical,
    out: Vec<u8>,
    /// The most bytes to write: a few bytes of a document can make a long declaration be written many times.
    most: usize,
    open: Vec<Open>,
    /// Declarations written on open elements (exclusive form only); a later one hides an earlier.
    written: Vec<Written>,
    /// The first element was closed.
    closed: bool,
}

/// An open element: where its name stands in the output, and how many declarations were written outside it.
#[derive(Debug)]
struct Open {
    name: Range<usize>,
    written: usize,
}

/// A declaration that was written: where its prefix stands in the output, and what it stands for.
#[derive(Debug)]
struct Written {
    prefix: Range<usize>,
    namespace: Namespace,
}

/// A prefix and what it stands for.
type Declaration<'a> = (&'a str, Namespace);

impl<'f> Canonicalizer<'f> {
    /// For a text of about this many bytes.
    pub(super) fn new(form: &'f Canonical, size: usize, limits: &Limits) -> Self {
        Self {
            form,
            out: Vec::with_capacity(size + size / 16),
            most: limits.message_bytes,
            open: Vec::new(),
            written: Vec::new(),
            closed: false,
        }
    }

    /// What was written. It is a document itself, and as large as documents may be.
    pub(super) fn finish(self) -> Result<Vec<u8>, Fault> {
        if self.is_full() {
            return Err(Fault::new(
                Kind::LimitExceeded,
                format!("The canonical form exceeds the limit of {} bytes.", self.most),
                "Send a smaller message, or have the receiver raise the limit.",
            ));
        }
        Ok(self.out)
    }

    /// No more is written: what is there will be refused.
    const fn is_full(&self) -> bool {
        self.out.len() > self.most
    }

    /// An element, the document element among them.
    pub(super) fn start(&mut self, element: &Element<'_>) {
        if self.is_full() {
            return;
        }
        let written = self.written.len();
        self.open_tag(element.name, written);
        if self.form.exclusive {
            self.exclusive(element);
        } else if element.declarations().len() > 0 {
            self.inclusive(element);
        }
        self.attributes(element, &[]);
        self.out.push(b'>');
    }

    /// The first element of a part of a document, with the `xml:` attributes (local name and value) that its ancestors
    /// hand down.
    pub(super) fn apex(&mut self, element: &Element<'_>, inherited: &[(String, String)]) {
        self.open_tag(element.name, 0);
        if self.form.exclusive {
            self.exclusive(element);
            self.attributes(element, &[]);
        } else {
            self.all_in_scope(element);
            self.attributes(element, inherited);
        }
        self.out.push(b'>');
    }

    pub(super) fn text(&mut self, text: &str) {
        if !self.is_full() {
            escape(&mut self.out, text, text_reference);
        }
    }

    pub(super) fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if self.is_full() {
            return;
        }
        self.written.truncate(open.written);
        self.out.extend_from_slice(b"</");
        self.out.extend_from_within(open.name);
        self.out.push(b'>');
        self.closed = self.open.is_empty();
    }

    pub(super) fn comment(&mut self, text: &str) {
        if self.form.comments {
            self.aside(|out| {
                out.extend_from_slice(b"<!--");
                // No line end but LF is left in it, unlike in text, where a reference can put a CR.
                out.extend_from_slice(text.as_bytes());
                out.extend_from_slice(b"-->");
            });
        }
    }

    pub(super) fn instruction(&mut self, target: &str, data: &str) {
        self.aside(|out| {
            out.extend_from_slice(b"<?");
            out.extend_from_slice(target.as_bytes());
            if !data.is_empty() {
                out.push(b' ');
                out.extend_from_slice(data.as_bytes());
            }
            out.extend_from_slice(b"?>");
        });
    }

    //= Canonical XML 1.0 §2.3
    //# A leading #xA is rendered ... before the PI if it is after the document element; a trailing #xA ... after a PI
    //# that is before it. Comments likewise.
    fn aside(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.is_full() {
            return;
        }
        let outside = self.open.is_empty();
        if outside && self.closed {
            self.out.push(b'\n');
        }
        write(&mut self.out);
        if outside && !self.closed {
            self.out.push(b'\n');
        }
    }

    fn open_tag(&mut self, name: &str, written: usize) {
        self.out.push(b'<');
        let start = self.out.len();
        self.out.extend_from_slice(name.as_bytes());
        self.open.push(Open { name: start..self.out.len(), written });
    }

    //= Canonical XML 1.0 §2.3
    //# A namespace node N is ignored if the nearest ancestor element ... has a namespace node with the same local name
    //# and value.
    /// Every ancestor was written, so only what this element itself declares can differ.
    fn inclusive(&mut self, element: &Element<'_>) {
        let mut new: SmallVec<[Declaration<'_>; 8]> = element
            .declarations()
            .filter(|(prefix, namespace)| {
                *prefix != "xml" && element.outer(prefix).unwrap_or(Namespace::NONE) != *namespace
            })
            .collect();
        new.sort_unstable_by_key(|(prefix, _)| *prefix);
        for (prefix, namespace) in new {
            self.declare(element, prefix, namespace);
        }
    }

    /// The element's parent was not written, so all that is in force must be.
    fn all_in_scope(&mut self, element: &Element<'_>) {
        let mut prefixes: Vec<&str> = element.bindings().map(|(prefix, _)| prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        for prefix in prefixes {
            let namespace = element.resolve(prefix).unwrap_or(Namespace::NONE);
            if prefix != "xml" && namespace != Namespace::NONE {
                self.declare(element, prefix, namespace);
            }
        }
    }

    //= Exclusive XML Canonicalization 1.0 §3
    //# visibly utilizes: the element or an attribute in its axis has a qualified name with that prefix; the element has
    //# no prefix, for the default namespace. ... InclusiveNamespaces PrefixList: as in Canonical XML.
    fn exclusive(&mut self, element: &Element<'_>) {
        let own = (prefix_of(element.name, element.local), element.namespace);
        let listed = !self.form.prefixes.is_empty() && self.listed_may_change(element);
        if !listed && element.attributes.iter().all(|a| a.namespace == Namespace::NONE) {
            if own.0 != "xml" && self.in_force(own.0) != own.1 {
                self.remember(element, own);
            }
            return;
        }
        let mut used: SmallVec<[Declaration<'_>; 8]> = SmallVec::new();
        used.push(own);
        let qualified = element.attributes.iter().filter(|a| a.namespace != Namespace::NONE);
        used.extend(qualified.map(|a| (prefix_of(a.name, a.local), a.namespace)));
        if listed {
            used.extend(listed_prefixes(self.form, self.open.len() == 1, element));
        }
        used.sort_unstable_by_key(|(prefix, _)| *prefix);
        used.dedup();
        for one in used {
            if one.0 != "xml" && self.in_force(one.0) != one.1 {
                self.remember(element, one);
            }
        }
    }

    /// A listed prefix is written on the first element, and on those that declare it.
    fn listed_may_change(&self, element: &Element<'_>) -> bool {
        self.open.len() == 1 || element.declarations().len() > 0
    }

    /// What a prefix stands for by what was written so far.
    fn in_force(&self, prefix: &str) -> Namespace {
        let is = |w: &&Written| {
            w.prefix.len() == prefix.len()
                && (prefix.is_empty() || self.out.get(w.prefix.clone()) == Some(prefix.as_bytes()))
        };
        self.written.iter().rev().find(is).map_or(Namespace::NONE, |w| w.namespace)
    }

    fn remember(&mut self, element: &Element<'_>, (prefix, namespace): Declaration<'_>) {
        let prefix = self.declare(element, prefix, namespace);
        self.written.push(Written { prefix, namespace });
    }

    /// Writes a declaration, and tells where its prefix stands.
    fn declare(&mut self, element: &Element<'_>, prefix: &str, namespace: Namespace) -> Range<usize> {
        self.out.extend_from_slice(b" xmlns");
        if !prefix.is_empty() {
            self.out.push(b':');
        }
        let start = self.out.len();
        self.out.extend_from_slice(prefix.as_bytes());
        let end = self.out.len();
        self.out.extend_from_slice(b"=\"");
        escape(&mut self.out, element.uri(namespace), attribute_reference);
        self.out.push(b'"');
        start..end
    }

    //= Canonical XML 1.0 §2.2
    //# Attribute nodes are sorted lexicographically, with the namespace URI as the primary key and the local name as
    //# the secondary key (an empty namespace URI is lexicographically least).
    fn attributes(&mut self, element: &Element<'_>, inherited: &[(String, String)]) {
        let list = element.attributes;
        if inherited.is_empty() && in_order(list) {
            for attribute in list {
                self.attribute("", attribute.name, &attribute.value);
            }
            return;
        }
        let handed_down = inherited
            .iter()
            .filter(|(local, _)| !list.iter().any(|a| a.namespace == Namespace::XML && a.local == local));
        let mut all: Vec<(&str, &str, &str, &str, &str)> = list
            .iter()
            .map(|a| (element.uri(a.namespace), a.local, "", a.name, a.value.as_ref()))
            .chain(handed_down.map(|(local, value)| {
                (element.uri(Namespace::XML), local.as_str(), "xml:", local.as_str(), value.as_str())
            }))
            .collect();
        all.sort_unstable();
        for (_, _, prefix, name, value) in all {
            self.attribute(prefix, name, value);
        }
    }

    fn attribute(&mut self, prefix: &str, name: &str, value: &str) {
        self.out.push(b' ');
        self.out.extend_from_slice(prefix.as_bytes());
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"=\"");
        escape(&mut self.out, value, attribute_reference);
        self.out.push(b'"');
    }
}

/// The prefixes of the InclusiveNamespaces list that matter at an element: all of them at the first, and else those that
/// it declares.
fn listed_prefixes<'a>(form: &'a Canonical, first: bool, element: &'a Element<'_>) -> Vec<Declaration<'a>> {
    if first {
        let prefixes = form.prefixes.iter().map(|p| if p == "#default" { "" } else { p.as_str() });
        return prefixes.filter_map(|prefix| Some((prefix, element.resolve(prefix)?))).collect();
    }
    let is = |listed: &str, prefix: &str| listed == prefix || (prefix.is_empty() && listed == "#default");
    let declared = element.declarations();
    declared.filter(|(prefix, _)| form.prefixes.iter().any(|listed| is(listed, prefix))).collect()
}

/// Whether attributes already stand in canonical order, as far as that can be told without looking up a URI.
fn in_order(list: &[Attribute<'_>]) -> bool {
    list.windows(2).all(|pair| match pair {
        [a, b] if a.namespace == b.namespace => a.local < b.local,
        // At most the first of a namespace may follow those of none.
        [a, b] => a.namespace == Namespace::NONE && b.namespace != Namespace::NONE,
        _ => true,
    })
}

/// The prefix of a name; empty for none.
fn prefix_of<'a>(name: &'a str, local: &str) -> &'a str {
    name.len().checked_sub(local.len() + 1).and_then(|end| name.get(..end)).unwrap_or_default()
}
