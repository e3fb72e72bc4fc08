//! The attributes of one start tag.

use crate::finding::Finding;
use crate::xml::read::{Name, State, TagEnd, limit, skip_blanks};
use crate::xml::scope::{Namespace, XML_URI, XMLNS_URI};
use crate::xml::{Attribute, Offset, Places};
use std::borrow::Cow;

/// True of a byte of a value that is not read as it stands.
const fn is_special(b: u8) -> bool {
    matches!(b, b'&' | b'<' | b'\t' | b'\n' | b'\r')
}

/// The bytes up to which a value is read as it stands: special ones, and both quotation marks.
const ENDS_PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = is_special(b as u8) || matches!(b as u8, b'"' | b'\'');
        b += 1;
    }
    table
};

impl<'a> State<'a, '_> {
    /// The attributes of a start tag, from behind its name to its end: declarations first take effect, then every other
    /// name is resolved.
    pub(super) fn attributes(&mut self, mut at: Offset) -> Result<TagEnd, Finding> {
        let bytes = self.text.as_bytes();
        self.attributes.clear();
        let mut prefixed = false;
        let mut count = 0usize;
        let outer = self.scope.bindings.len();
        let tag = loop {
            let before = at;
            at = skip_blanks(bytes, at);
            match bytes.get(at..).unwrap_or_default() {
                [b'>', ..] => break TagEnd { end: at + 1, empty: false },
                [b'/', b'>', ..] => break TagEnd { end: at + 2, empty: true },
                _ if at == before => {
                    return Err(self.malformed(at, "There is no blank between two attributes."));
                }
                _ => {}
            }
            count += 1;
            if count > self.limits.attributes {
                return Err(self.beyond(limit("An element", self.limits.attributes, "attributes"), at));
            }
            let offset = at;
            let name = self.name(at, offset)?;
            at = skip_blanks(bytes, at + name.written.len());
            if bytes.get(at) != Some(&b'=') {
                return Err(self.malformed(at, "An attribute has no value."));
            }
            at = skip_blanks(bytes, at + 1);
            let (value, behind) = self.attribute_value(at)?;
            let longest = name.written.len().max(behind - at - "''".len());
            if longest > self.limits.attribute_bytes {
                let finding = limit("An attribute", self.limits.attribute_bytes, "bytes");
                return Err(self.beyond(finding, offset));
            }
            at = behind;
            if name.written == "xmlns" || name.prefix == "xmlns" {
                let bound = if name.prefix.is_empty() { "" } else { name.local };
                self.declare(bound, value, offset, outer)?;
            } else {
                prefixed |= !name.prefix.is_empty();
                let Name { local, written: name, .. } = name;
                self.attributes.push(Attribute { namespace: Namespace::NONE, local, name, value, offset });
            }
        };
        if prefixed {
            self.resolve_prefixes()?;
        }
        self.no_duplicates()?;
        Ok(tag)
    }

    fn resolve_prefixes(&mut self) -> Result<(), Finding> {
        let scope = &self.scope;
        let mut unbound = None;
        for attribute in &mut self.attributes {
            if let Some((prefix, _)) = attribute.name.split_once(':') {
                match scope.resolve(prefix) {
                    Some(namespace) => attribute.namespace = namespace,
                    None => unbound = unbound.or(Some(attribute.offset)),
                }
            }
        }
        unbound.map_or(Ok(()), |at| Err(self.unbound(at)))
    }

    fn beyond(&self, limit: Finding, at: Offset) -> Finding {
        limit.at(Places::new(self.text).place(at))
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

    /// XML 1.0 §3.3.3 for CDATA attributes: references resolved, white space to blanks. The value that stands here in quotes,
    /// and where what follows it begins.
    fn attribute_value(&self, at: Offset) -> Result<(Cow<'a, str>, Offset), Finding> {
        let bytes = self.text.as_bytes();
        let Some(&quote @ (b'"' | b'\'')) = bytes.get(at) else {
            return Err(self.malformed(at, "An attribute value does not stand in quotes."));
        };
        let from = at + 1;
        let rest = bytes.get(from..).unwrap_or_default();
        let plain = rest.iter().position(|b| ENDS_PLAIN[usize::from(*b)]).unwrap_or(rest.len());
        if rest.get(plain) == Some(&quote) {
            let value = self.text.get(from..from + plain).unwrap_or_default();
            return Ok((Cow::Borrowed(value), from + plain + 1));
        }
        let Some(length) = memchr::memchr(quote, rest) else {
            return Err(self.malformed(from, "An attribute value is not closed."));
        };
        let raw = self.text.get(from..from + length).unwrap_or_default();
        let mut out = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(next) = rest.bytes().position(is_special) {
            let (before, special) = rest.split_at(next);
            out.push_str(before);
            let here = from + (raw.len() - special.len());
            if let Some(tail) = special.strip_prefix('&') {
                let Some((name, tail)) = tail.split_once(';') else {
                    return Err(self.malformed(here, "An ampersand does not begin a reference."));
                };
                out.push(self.resolve_reference(name, here)?);
                rest = tail;
            } else if special.starts_with('<') {
                return Err(self.malformed(here, "A < stands inside an attribute value."));
            } else {
                out.push(' ');
                rest = special.strip_prefix("\r\n").unwrap_or_else(|| special.get(1..).unwrap_or_default());
            }
        }
        out.push_str(rest);
        Ok((Cow::Owned(out), from + length + 1))
    }
}
