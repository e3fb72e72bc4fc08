//! Text to namespace-resolved events, with every well-formedness rule that the tokeniser leaves to us.
//!
//! quick-xml finds the tags; names, attributes, references, namespaces, character ranges and limits are
//! checked here. One pass, no recursion; what grows is bounded by [`Limits`].

use crate::finding::{Code, Finding, Place};
use crate::limits::Limits;
use crate::xml::names::is_nc_name;
use quick_xml::Reader;
use quick_xml::events::Event;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::HashMap;

/// A byte offset into the decoded text.
pub type Offset = usize;

/// A namespace of one document, by the order in which it was met. [`Namespace::NONE`] is no namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Namespace(pub u32);

impl Namespace {
    /// No namespace.
    pub const NONE: Self = Self(0);
    /// `http://www.w3.org/XML/1998/namespace`.
    pub const XML: Self = Self(1);
}

const XML_URI: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS_URI: &str = "http://www.w3.org/2000/xmlns/";

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
    scope: &'a Scope<'a>,
    /// So many bindings were in force before this element.
    outer: usize,
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

/// Turns offsets into lines and columns; cheap when asked in rising order.
#[derive(Debug, Clone)]
pub struct Places<'a> {
    text: &'a str,
    seen: Offset,
    line: u32,
    line_start: Offset,
}

impl<'a> Places<'a> {
    /// For this decoded text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, seen: 0, line: 1, line_start: 0 }
    }

    /// Line and column of an offset.
    pub fn place(&mut self, offset: Offset) -> Place {
        if offset < self.seen {
            *self = Self::new(self.text);
        }
        let offset = offset.min(self.text.len());
        let between = self.text.as_bytes().get(self.seen..offset).unwrap_or_default();
        for at in memchr::memchr_iter(b'\n', between) {
            self.line = self.line.saturating_add(1);
            self.line_start = self.seen + at + 1;
        }
        self.seen = offset;
        let line = self.text.as_bytes().get(self.line_start..offset).unwrap_or_default();
        // Characters, not bytes: every byte that does not continue a UTF-8 sequence starts one.
        let characters = line.iter().filter(|&&b| b & 0xC0 != 0x80).count();
        Place { line: self.line, column: u32::try_from(characters + 1).unwrap_or(u32::MAX) }
    }
}

/// Reads a whole document and hands its events to `handler`.
///
/// # Errors
/// The first fault of layer `xml`: the document is not XML as we read it. What the handler saw until then
/// was in order.
pub fn read(text: &str, limits: &Limits, handler: &mut impl Handler) -> Result<(), Finding> {
    read_with(text, limits, false, handler)
}

/// The same for a file of our own that may have a DOCTYPE: it is stepped over, and nothing in it counts.
pub(crate) fn read_past_doctype(
    text: &str,
    limits: &Limits,
    handler: &mut impl Handler,
) -> Result<(), Finding> {
    read_with(text, limits, true, handler)
}

fn read_with(
    text: &str,
    limits: &Limits,
    doctype_allowed: bool,
    handler: &mut impl Handler,
) -> Result<(), Finding> {
    if text.len() > limits.message_bytes {
        return Err(limit("The document", limits.message_bytes, "bytes"));
    }
    check_characters(text)?;
    let mut state = State {
        text,
        limits,
        scope: Scope::new(),
        attributes: Vec::new(),
        open: Vec::new(),
        elements: 0,
        root_seen: false,
        declaration_allowed: true,
    };
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_comments = true;
    config.expand_empty_elements = false;
    loop {
        let start = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let event = reader.read_event();
        let end = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX).min(text.len());
        match event {
            Ok(Event::Start(_)) => {
                state.open(start, end, false, handler)?;
            }
            Ok(Event::Empty(_)) => {
                state.open(start, end, true, handler)?;
                state.close(end, handler);
            }
            Ok(Event::End(_)) => state.close(end, handler),
            Ok(Event::Text(_)) => state.text(start, end, handler)?,
            Ok(Event::CData(_)) => state.cdata(start, end, handler)?,
            Ok(Event::GeneralRef(_)) => state.reference(start, end, handler)?,
            Ok(Event::Decl(_)) => state.declaration(start, end)?,
            Ok(Event::PI(_)) => state.instruction(start, end, handler)?,
            Ok(Event::Comment(_)) => state.comment(start, end, handler)?,
            Ok(Event::DocType(_)) if doctype_allowed && !state.root_seen => {}
            Ok(Event::DocType(_)) => {
                return Err(state.fault(
                    Code::Doctype,
                    start,
                    "A document type declaration is not accepted.",
                    "Send the message without DOCTYPE and entity declarations.",
                ));
            }
            Ok(Event::Eof) => break,
            Err(error) => {
                let at = usize::try_from(reader.error_position()).unwrap_or(start);
                return Err(state.malformed(at, &describe(&error)));
            }
        }
        state.declaration_allowed = false;
    }
    if !state.open.is_empty() {
        return Err(state.malformed(text.len(), "The document ends inside an element."));
    }
    if !state.root_seen {
        return Err(state.fault(
            Code::NoDocument,
            0,
            "There is no XML element in the document.",
            "Send one message, as XML.",
        ));
    }
    Ok(())
}

/// What is wrong, in words that quote nothing of the document.
fn describe(error: &quick_xml::Error) -> String {
    use quick_xml::errors::{IllFormedError, SyntaxError};
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign, growing list of faults, all of one kind to us"
    )]
    match error {
        quick_xml::Error::Syntax(
            SyntaxError::UnclosedTag
            | SyntaxError::UnclosedSingleQuotedAttributeValue
            | SyntaxError::UnclosedDoubleQuotedAttributeValue,
        ) => "A tag is not closed.".to_owned(),
        quick_xml::Error::Syntax(SyntaxError::UnclosedComment) => "A comment is not closed.".to_owned(),
        quick_xml::Error::Syntax(SyntaxError::UnclosedCData) => "A CDATA section is not closed.".to_owned(),
        quick_xml::Error::Syntax(_) => "A mark-up declaration is not closed or not known.".to_owned(),
        quick_xml::Error::IllFormed(IllFormedError::MismatchedEndTag { .. }) => {
            "An end tag does not match the start tag.".to_owned()
        }
        quick_xml::Error::IllFormed(IllFormedError::UnmatchedEndTag(_)) => {
            "An end tag has no start tag.".to_owned()
        }
        quick_xml::Error::IllFormed(IllFormedError::DoubleHyphenInComment) => {
            "Two hyphens stand inside a comment.".to_owned()
        }
        quick_xml::Error::IllFormed(IllFormedError::UnclosedReference) => {
            "An ampersand does not begin a reference.".to_owned()
        }
        _ => "The document is not well-formed.".to_owned(),
    }
}

fn limit(what: &str, most: usize, unit: &str) -> Finding {
    Finding::new(
        Code::LimitExceeded,
        format!("{what} exceeds the limit of {most} {unit}."),
        "Send a smaller message, or have the receiver raise the limit.",
    )
}

/// XML 1.0 §2.2: which characters may stand in a document at all.
fn check_characters(text: &str) -> Result<(), Finding> {
    let bytes = text.as_bytes();
    let control = |b: u8| b < 0x20 && b != b'\t' && b != b'\n' && b != b'\r';
    // Whole blocks without a way out in between, which the compiler turns into vector instructions.
    let any = bytes.chunks(256).any(|block| block.iter().fold(false, |bad, &b| bad | control(b)));
    let mut bad = if any { bytes.iter().position(|&b| control(b)) } else { None };
    if bad.is_none() {
        // U+FFFE and U+FFFF are EF BF BE and EF BF BF.
        bad = memchr::memchr_iter(0xEF, bytes)
            .find(|&at| matches!(bytes.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF])));
    }
    // Decoding has taken the byte order mark away; quick-xml would silently take a second one.
    if bad.is_none() && text.starts_with('\u{FEFF}') {
        bad = Some(0);
    }
    match bad {
        None => Ok(()),
        Some(at) => Err(Finding::new(
            Code::NotWellFormed,
            "A character stands here that XML does not allow.",
            "Remove control characters from the text.",
        )
        .at(Places::new(text).place(at))),
    }
}

/// The namespace bindings in force.
#[derive(Debug)]
struct Scope<'a> {
    uris: Vec<Cow<'a, str>>,
    /// Filled once there are too many to look through.
    index: HashMap<Box<str>, Namespace, foldhash::fast::RandomState>,
    bindings: Vec<(&'a str, Namespace)>,
}

/// Equality, without a look at memory where there is nothing to see. An empty string may point anywhere, and
/// a comparison of no bytes at an address without a page costs some processors a hundred nanoseconds
/// (masked vector loads); names without a prefix are compared like that twice an element.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && (a.is_empty() || a == b)
}

/// What a prefix stands for: the innermost binding counts.
fn find(bindings: &[(&str, Namespace)], prefix: &str) -> Option<Namespace> {
    bindings.iter().rev().find(|(p, _)| same(p, prefix)).map(|(_, n)| *n)
}

/// So many namespaces are looked through one by one; the richest official sample has 9.
const FEW: usize = 16;

impl<'a> Scope<'a> {
    fn new() -> Self {
        Self {
            uris: vec![Cow::Borrowed(""), Cow::Borrowed(XML_URI)],
            index: HashMap::default(),
            bindings: vec![("xml", Namespace::XML), ("", Namespace::NONE)],
        }
    }

    fn uri(&self, namespace: Namespace) -> &str {
        self.uris.get(namespace.0 as usize).map_or("", |uri| uri)
    }

    fn resolve(&self, prefix: &str) -> Option<Namespace> {
        find(&self.bindings, prefix)
    }

    fn intern(&mut self, uri: Cow<'a, str>) -> Namespace {
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

struct Open {
    bindings: usize,
    text_bytes: usize,
}

struct State<'a, 'l> {
    text: &'a str,
    limits: &'l Limits,
    scope: Scope<'a>,
    attributes: Vec<Attribute<'a>>,
    open: Vec<Open>,
    elements: usize,
    root_seen: bool,
    declaration_allowed: bool,
}

impl<'a> State<'a, '_> {
    fn slice(&self, start: Offset, end: Offset) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    fn fault(&self, code: Code, at: Offset, message: &str, remedy: &str) -> Finding {
        Finding::new(code, message, remedy).at(Places::new(self.text).place(at))
    }

    fn malformed(&self, at: Offset, message: &str) -> Finding {
        self.fault(Code::NotWellFormed, at, message, "Send well-formed XML 1.0.")
    }

    fn open(
        &mut self,
        start: Offset,
        end: Offset,
        empty: bool,
        handler: &mut impl Handler,
    ) -> Result<(), Finding> {
        if self.open.is_empty() && self.root_seen {
            return Err(self.malformed(start, "A second document element stands behind the first."));
        }
        self.root_seen = true;
        self.elements += 1;
        let place = |this: &Self, f: Finding| f.at(Places::new(this.text).place(start));
        if self.elements > self.limits.elements {
            return Err(place(self, limit("The document", self.limits.elements, "elements")));
        }
        if self.open.len() >= self.limits.depth {
            return Err(place(self, limit("The nesting", self.limits.depth, "levels")));
        }
        let bindings = self.scope.bindings.len();
        let inner = self.slice(start + 1, end - if empty { 2 } else { 1 });
        let name_end = inner.bytes().position(is_space).unwrap_or(inner.len());
        let name = inner.get(..name_end).unwrap_or_default();
        let (prefix, local) = self.split_name(name, start)?;
        self.attributes.clear();
        self.attributes(inner, name_end, start + 1)?;
        let namespace = self.scope.resolve(prefix).ok_or_else(|| self.unbound(start))?;
        self.open.push(Open { bindings, text_bytes: 0 });
        handler.start(&Element {
            namespace,
            local,
            name,
            attributes: &self.attributes,
            offset: start,
            inside: end,
            scope: &self.scope,
            outer: bindings,
        });
        Ok(())
    }

    fn unbound(&self, at: Offset) -> Finding {
        self.fault(
            Code::UnboundPrefix,
            at,
            "A namespace prefix is not declared.",
            "Declare every prefix that is used.",
        )
    }

    /// The attributes of a tag: declarations first take effect, then every other name is resolved.
    fn attributes(&mut self, inner: &'a str, mut at: usize, base: Offset) -> Result<(), Finding> {
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

    fn resolve_reference(&self, name: &str, at: Offset) -> Result<char, Finding> {
        let number = match name {
            "amp" => return Ok('&'),
            "lt" => return Ok('<'),
            "gt" => return Ok('>'),
            "quot" => return Ok('"'),
            "apos" => return Ok('\''),
            _ => match name.strip_prefix('#') {
                Some(digits) => match digits.strip_prefix('x') {
                    Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                        u32::from_str_radix(hex, 16).ok()
                    }
                    None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
                    Some(_) | None => None,
                },
                None => {
                    return Err(self.malformed(at, "An entity is referred to that XML itself does not know."));
                }
            },
        };
        number
            .and_then(char::from_u32)
            .filter(|&c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..))
            .ok_or_else(|| self.malformed(at, "A character reference names no character that XML allows."))
    }

    fn split_name(&self, name: &'a str, at: Offset) -> Result<(&'a str, &'a str), Finding> {
        let colon = name.bytes().position(|b| b == b':');
        let (prefix, local) = match colon.and_then(|c| Some((name.get(..c)?, name.get(c + 1..)?))) {
            None => ("", name),
            Some(("", _)) => return Err(self.malformed(at, "A name begins with a colon.")),
            Some(parts) => parts,
        };
        if is_nc_name(local) && (prefix.is_empty() || is_nc_name(prefix)) {
            Ok((prefix, local))
        } else {
            Err(self.malformed(at, "A name holds a character that is not allowed there."))
        }
    }

    fn close(&mut self, at: Offset, handler: &mut impl Handler) {
        if let Some(open) = self.open.pop() {
            self.scope.bindings.truncate(open.bindings);
            handler.end(at);
        }
    }

    fn deliver(&mut self, text: &str, at: Offset, handler: &mut impl Handler) -> Result<(), Finding> {
        let Some(open) = self.open.last_mut() else {
            return if text.bytes().all(is_space) {
                Ok(())
            } else {
                Err(self.malformed(at, "Text stands outside the document element."))
            };
        };
        open.text_bytes += text.len();
        if open.text_bytes > self.limits.text_bytes {
            return Err(limit("The text of an element", self.limits.text_bytes, "bytes")
                .at(Places::new(self.text).place(at)));
        }
        handler.text(text, at);
        Ok(())
    }

    fn text(&mut self, start: Offset, end: Offset, handler: &mut impl Handler) -> Result<(), Finding> {
        let raw = self.slice(start, end);
        let bytes = raw.as_bytes();
        if memchr::memchr2(b']', b'\r', bytes).is_none() {
            return self.deliver(raw, start, handler);
        }
        if let Some(at) = memchr::memchr_iter(b']', bytes).find(|&at| bytes.get(at..at + 3) == Some(b"]]>")) {
            return Err(self.malformed(start + at, "The end of a CDATA section stands in text."));
        }
        self.deliver(&normalise_line_ends(raw), start, handler)
    }

    fn cdata(&mut self, start: Offset, end: Offset, handler: &mut impl Handler) -> Result<(), Finding> {
        if self.open.is_empty() {
            return Err(self.malformed(start, "Text stands outside the document element."));
        }
        let raw = self.slice(start + "<![CDATA[".len(), end - "]]>".len());
        self.deliver(&normalise_line_ends(raw), start, handler)
    }

    fn reference(&mut self, start: Offset, end: Offset, handler: &mut impl Handler) -> Result<(), Finding> {
        if self.open.is_empty() {
            return Err(self.malformed(start, "A reference stands outside the document element."));
        }
        let c = self.resolve_reference(self.slice(start + 1, end - 1), start)?;
        self.deliver(c.encode_utf8(&mut [0; 4]), start, handler)
    }

    fn declaration(&self, start: Offset, end: Offset) -> Result<(), Finding> {
        if start != 0 || !self.declaration_allowed {
            return Err(self.malformed(start, "The XML declaration does not stand first."));
        }
        if lawful_declaration(self.slice(start + 5, end - 2)) {
            Ok(())
        } else {
            Err(self.malformed(start, "The XML declaration is not lawful."))
        }
    }

    /// quick-xml finds two hyphens inside, but takes `<!-->` for a comment and a hyphen before the end.
    fn comment(&self, start: Offset, end: Offset, handler: &mut impl Handler) -> Result<(), Finding> {
        let whole = self.slice(start, end);
        match whole.strip_prefix("<!--").and_then(|c| c.strip_suffix("-->")) {
            Some(inner) if !inner.ends_with('-') => {
                handler.comment(&normalise_line_ends(inner), start);
                Ok(())
            }
            Some(_) | None => Err(self.malformed(start, "A comment does not end with two hyphens and a >.")),
        }
    }

    fn instruction(&self, start: Offset, end: Offset, handler: &mut impl Handler) -> Result<(), Finding> {
        let inner = self.slice(start + 2, end - 2);
        let (target, data) = inner.split_at(inner.bytes().position(is_space).unwrap_or(inner.len()));
        if target.eq_ignore_ascii_case("xml") || !is_nc_name(target) {
            return Err(self.malformed(start, "A processing instruction has no lawful target."));
        }
        let data = data.trim_start_matches([' ', '\t', '\r', '\n']);
        handler.instruction(target, &normalise_line_ends(data), start);
        Ok(())
    }
}

/// XML 1.0 §2.8: `version`, then `encoding`, then `standalone`.
fn lawful_declaration(inner: &str) -> bool {
    let mut rest = inner;
    let mut take = |key: &str, required: bool, valid: &dyn Fn(&str) -> bool| -> bool {
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let Some(after) = trimmed.strip_prefix(key) else { return !required };
        if trimmed.len() == rest.len() {
            return false;
        }
        let Some(after) = after.trim_start().strip_prefix('=') else { return false };
        let after = after.trim_start();
        let Some(quote) = after.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return false };
        let Some((value, tail)) = after.get(1..).and_then(|a| a.split_once(quote)) else { return false };
        rest = tail;
        valid(value)
    };
    let version = |v: &str| {
        v.strip_prefix("1.").is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
    };
    let encoding = |v: &str| {
        v.starts_with(|c: char| c.is_ascii_alphabetic())
            && v.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    take("version", true, &version)
        && take("encoding", false, &encoding)
        && take("standalone", false, &|v| v == "yes" || v == "no")
        && rest.trim().is_empty()
}

const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r')
}

/// XML 1.0 §2.11: CR LF and a lone CR become LF.
fn normalise_line_ends(raw: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\r', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))
}
