//! Text to namespace-resolved events, with every well-formedness rule that the tokeniser leaves to us.
//!
//! [`Tokens`] finds the tags; names, attributes, references, namespaces, character ranges and limits are
//! checked here. One pass, no recursion; what grows is bounded by [`Limits`].

use crate::finding::{Code, Finding};
use crate::limits::Limits;
use crate::xml::names::{is_nc_name, plain_name};
use crate::xml::scope::Scope;
use crate::xml::tokens::{self, Kind, Token, Tokens};
use crate::xml::{Attribute, Element, Handler, Offset, Places};
use std::borrow::Cow;

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
        plain: memchr::memchr2(b']', b'\r', text.as_bytes()).is_none(),
        scope: Scope::new(),
        attributes: Vec::new(),
        open: Vec::new(),
        elements: 0,
        root_seen: false,
        declaration_allowed: true,
    };
    let mut tokens = Tokens::new(text);
    while let Some(token) = tokens.next().map_err(|b| state.malformed(b.at, b.message))? {
        let Token { kind, start, end } = token;
        match kind {
            Kind::Start => {
                let tag = state.start_tag(start, handler).map_err(|f| state.unless_open(start, f))?;
                if tag.empty {
                    state.close(tag.end, handler);
                }
                tokens.go_on(tag.end);
            }
            Kind::End => {
                let end = state.end_tag(start).map_err(|f| state.unless_open(start, f))?;
                state.close(end, handler);
                tokens.go_on(end);
            }
            Kind::Text => state.text(start, end, handler)?,
            Kind::CData => state.cdata(start, end, handler)?,
            Kind::Reference => state.reference(start, end, handler)?,
            Kind::Declaration => state.declaration(start, end)?,
            Kind::Instruction => state.instruction(start, end, handler)?,
            Kind::Comment => state.comment(start, end, handler)?,
            Kind::Doctype if doctype_allowed && !state.root_seen => {}
            Kind::Doctype => {
                return Err(state.fault(
                    Code::Doctype,
                    start,
                    "A document type declaration is not accepted.",
                    "Send the message without DOCTYPE and entity declarations.",
                ));
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

pub(super) fn limit(what: &str, most: usize, unit: &str) -> Finding {
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

/// A name in a tag.
pub(super) struct Name<'a> {
    /// With its prefix.
    pub(super) written: &'a str,
    /// Empty if there is none.
    pub(super) prefix: &'a str,
    pub(super) local: &'a str,
}

/// Where a start tag ends, and how.
pub(super) struct TagEnd {
    /// The first byte behind it.
    pub(super) end: Offset,
    /// `/>`
    pub(super) empty: bool,
}

/// An element that is open.
struct Open<'a> {
    /// As written.
    name: &'a str,
    bindings: usize,
    text_bytes: usize,
}

pub(super) struct State<'a, 'l> {
    pub(super) text: &'a str,
    pub(super) limits: &'l Limits,
    /// There is no `]` and no carriage return anywhere, so that no text need be searched for them.
    plain: bool,
    pub(super) scope: Scope<'a>,
    pub(super) attributes: Vec<Attribute<'a>>,
    open: Vec<Open<'a>>,
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

    pub(super) fn malformed(&self, at: Offset, message: &str) -> Finding {
        self.fault(Code::NotWellFormed, at, message, "Send well-formed XML 1.0.")
    }

    /// What is wrong with a tag: first of all that it never ends, if that is so.
    fn unless_open(&self, start: Offset, fault: Finding) -> Finding {
        match tokens::tag(self.text.as_bytes().get(start..).unwrap_or_default()) {
            Some(_) => fault,
            None => self.malformed(start, "A tag is not closed."),
        }
    }

    /// Reads a start tag to its end.
    fn start_tag(&mut self, start: Offset, handler: &mut impl Handler) -> Result<TagEnd, Finding> {
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
        let name = self.name(start + 1, start)?;
        let tag = self.attributes(start + 1 + name.written.len())?;
        let namespace = self.scope.resolve(name.prefix).ok_or_else(|| self.unbound(start))?;
        self.open.push(Open { name: name.written, bindings, text_bytes: 0 });
        handler.start(&Element {
            namespace,
            local: name.local,
            name: name.written,
            attributes: &self.attributes,
            offset: start,
            inside: tag.end,
            scope: &self.scope,
            outer: bindings,
        });
        Ok(tag)
    }

    pub(super) fn unbound(&self, at: Offset) -> Finding {
        self.fault(
            Code::UnboundPrefix,
            at,
            "A namespace prefix is not declared.",
            "Declare every prefix that is used.",
        )
    }

    pub(super) fn resolve_reference(&self, name: &str, at: Offset) -> Result<char, Finding> {
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

    /// The name of an element or attribute, up to what ends it. If it is not lawful, that is a fault of `place`.
    #[inline]
    pub(super) fn name(&self, at: Offset, place: Offset) -> Result<Name<'a>, Finding> {
        let bytes = self.text.as_bytes().get(at..).unwrap_or_default();
        let ends = |b: u8| is_space(b) || matches!(b, b'=' | b'>');
        let plain = plain_name(bytes);
        let behind = bytes.get(plain..).unwrap_or_default();
        if plain > 0 && (behind.first().copied().is_some_and(ends) || behind.starts_with(b"/>")) {
            let written = self.slice(at, at + plain);
            return Ok(Name { written, prefix: "", local: written });
        }
        let length = bytes.iter().position(|&b| ends(b)).unwrap_or(bytes.len());
        let written = self.slice(at, at + length);
        // What ends an empty element is no part of a name.
        let closed = if bytes.get(length) == Some(&b'>') { written.strip_suffix('/') } else { None };
        let written = closed.unwrap_or(written);
        let (prefix, local) = match written.split_once(':') {
            None => ("", written),
            Some(("", _)) => return Err(self.malformed(place, "A name begins with a colon.")),
            Some(parts) => parts,
        };
        if is_nc_name(local) && (prefix.is_empty() || is_nc_name(prefix)) {
            Ok(Name { written, prefix, local })
        } else {
            Err(self.malformed(place, "A name holds a character that is not allowed there."))
        }
    }

    /// Reads an end tag to its end: `</`, the name of the element opened last, and blanks.
    fn end_tag(&self, start: Offset) -> Result<Offset, Finding> {
        let Some(open) = self.open.last() else {
            return Err(self.malformed(start, "An end tag has no start tag."));
        };
        let blanks = start + "</".len() + open.name.len();
        let named = self.text.get(start + "</".len()..blanks) == Some(open.name);
        let end = skip_blanks(self.text.as_bytes(), blanks);
        if named && self.text.as_bytes().get(end) == Some(&b'>') {
            Ok(end + 1)
        } else {
            Err(self.malformed(start, "An end tag does not match the start tag."))
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
        if self.plain || memchr::memchr2(b']', b'\r', bytes).is_none() {
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

/// The first byte from here on that is no white space.
pub(super) fn skip_blanks(bytes: &[u8], mut at: Offset) -> Offset {
    while bytes.get(at).copied().is_some_and(is_space) {
        at += 1;
    }
    at
}

pub(super) const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r')
}

/// XML 1.0 §2.11: CR LF and a lone CR become LF.
fn normalise_line_ends(raw: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\r', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))
}
