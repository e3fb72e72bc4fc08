//! The attributes of one start tag.

use crate::finding::Finding;
use crate::xml::read::{State, is_space, limit};
use crate::xml::scope::{Namespace, XML_URI, XMLNS_URI};
use crate::xml::{Attribute, Offset, Places};
use smallvec::SmallVec;
use std::borrow::Cow;

impl<'a> State<'a, '_> {
    /// The attributes of a tag: declarations first take effect, then every other name is resolved.
    pub(super) fn attributes(&mut self, inner: &'a str, mut at: usize, base: Offset) -> Result<(), Finding> {
        let bytes = inner.as_bytes();
        let mut prefixes: SmallVec<[&'a str; 8]> = SmallVec::new();
        let mut count = 0usize;
        let outer = self.scope.bindings.len();
        loop {
            let before = at;
            while bytes.get(at).copied().is_some_and(is_space) {
                at += 1;
            }
            if at >= bytes.len() {
                break;
            }
            if at == before {
                return Err(self.malformed(base + at, "There is no blank between two attributes."));
            }
            count += 1;
            if count > self.limits.attributes {
                return Err(limit("An element", self.limits.attributes, "attributes")
                    .at(Places::new(self.text).place(base + at)));
            }
            let name_start = at;
            while bytes.get(at).is_some_and(|&b| b != b'=' && !is_space(b)) {
                at += 1;
            }
            let name = inner.get(name_start..at).unwrap_or_default();
            while bytes.get(at).copied().is_some_and(is_space) {
                at += 1;
            }
            if bytes.get(at) != Some(&b'=') {
                return Err(self.malformed(base + at, "An attribute has no value."));
            }
            at += 1;
            while bytes.get(at).copied().is_some_and(is_space) {
                at += 1;
            }
            let Some(&quote @ (b'"' | b'\'')) = bytes.get(at) else {
                return Err(self.malformed(base + at, "An attribute value does not stand in quotes."));
            };
            at += 1;
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(length) = memchr::memchr(quote, rest) else {
                return Err(self.malformed(base + at, "An attribute value is not closed."));
            };
            let raw = inner.get(at..at + length).unwrap_or_default();
            if length > self.limits.attribute_bytes || name.len() > self.limits.attribute_bytes {
                return Err(limit("An attribute", self.limits.attribute_bytes, "bytes")
                    .at(Places::new(self.text).place(base + name_start)));
            }
            let value = self.attribute_value(raw, base + at)?;
            at += length + 1;
            let (prefix, local) = self.split_name(name, base + name_start)?;
            if name == "xmlns" || prefix == "xmlns" {
                let bound = if name == "xmlns" { "" } else { local };
                self.declare(bound, value, base + name_start, outer)?;
            } else {
                self.attributes.push(Attribute {
                    namespace: Namespace::NONE,
                    local,
                    name,
                    value,
                    offset: base + name_start,
                });
                prefixes.push(prefix);
            }
        }
        for (at, prefix) in prefixes.iter().enumerate() {
            if !prefix.is_empty() {
                let namespace = self.scope.resolve(prefix);
                let offset = self.attributes.get(at).map_or(base, |a| a.offset);
                let namespace = namespace.ok_or_else(|| self.unbound(offset))?;
                if let Some(attribute) = self.attributes.get_mut(at) {
                    attribute.namespace = namespace;
                }
            }
        }
        self.no_duplicates()
    }

    fn no_duplicates(&self) -> Result<(), Finding> {
        let list = &self.attributes;
        let twin = |a: &Attribute<'_>, b: &Attribute<'_>| a.local == b.local && a.namespace == b.namespace;
        let twice = if list.len() <= 16 {
            list.iter().enumerate().find(|(i, a)| list.iter().take(*i).any(|b| twin(a, b))).map(|(_, a)| a)
        } else {
            let mut sorted: Vec<&Attribute<'_>> = list.iter().collect();
            sorted.sort_by_key(|a| (a.namespace.0, a.local, a.offset));
            sorted.windows(2).find_map(|pair| match pair {
                [a, b] if twin(a, b) => Some(*b),
                _ => None,
            })
        };
        match twice {
            None => Ok(()),
            Some(attribute) => {
                Err(self.malformed(attribute.offset, "An attribute stands twice on one element."))
            }
        }
    }

    /// A namespace declaration; `outer` bindings were in force before this element.
    fn declare(
        &mut self,
        prefix: &'a str,
        value: Cow<'a, str>,
        at: Offset,
        outer: usize,
    ) -> Result<(), Finding> {
        //= Namespaces in XML 1.0 (third edition) §3
        //# The prefix xml ... MUST NOT be bound to any other namespace name. The prefix xmlns ... MUST NOT be declared.
        let lawful = match prefix {
            "xmlns" => false,
            "xml" => value == XML_URI,
            "" => value != XML_URI && value != XMLNS_URI,
            _ => !value.is_empty() && value != XML_URI && value != XMLNS_URI,
        };
        if !lawful {
            return Err(self.malformed(at, "A namespace declaration is not lawful."));
        }
        if self.scope.bindings.iter().skip(outer).any(|(p, _)| *p == prefix) {
            return Err(self.malformed(at, "A namespace prefix is declared twice on one element."));
        }
        // Every name is looked up among the bindings in force (two are there from the start), so there must
        // not be endlessly many of them.
        if self.scope.bindings.len() >= self.limits.attributes.saturating_add(2) {
            let finding = limit("The document", self.limits.attributes, "namespace declarations in force");
            return Err(finding.at(Places::new(self.text).place(at)));
        }
        let namespace = if value.is_empty() { Namespace::NONE } else { self.scope.intern(value) };
        self.scope.bindings.push((prefix, namespace));
        Ok(())
    }

    /// XML 1.0 §3.3.3 for CDATA attributes: references resolved, white space to blanks.
    fn attribute_value(&self, raw: &'a str, at: Offset) -> Result<Cow<'a, str>, Finding> {
        let special = |b: u8| matches!(b, b'&' | b'<' | b'\t' | b'\n' | b'\r');
        // No way out in between, so that the compiler can look at many bytes at once.
        if !raw.bytes().fold(false, |any, b| any | special(b)) {
            return Ok(Cow::Borrowed(raw));
        }
        let mut out = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(next) = rest.bytes().position(special) {
            let (before, from) = rest.split_at(next);
            out.push_str(before);
            let here = at + (raw.len() - from.len());
            if let Some(tail) = from.strip_prefix('&') {
                let Some((name, tail)) = tail.split_once(';') else {
                    return Err(self.malformed(here, "An ampersand does not begin a reference."));
                };
                out.push(self.resolve_reference(name, here)?);
                rest = tail;
            } else if from.starts_with('<') {
                return Err(self.malformed(here, "A < stands inside an attribute value."));
            } else {
                out.push(' ');
                rest = from.strip_prefix("\r\n").unwrap_or_else(|| from.get(1..).unwrap_or_default());
            }
        }
        out.push_str(rest);
        Ok(Cow::Owned(out))
    }
}
