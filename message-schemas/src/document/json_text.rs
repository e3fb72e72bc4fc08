//! The JSON of a document, written: straight into one buffer, by resources that know how.
//!
//! A third of all work on a document is this, so it does no more than resources need. Names of properties are put
//! together when we are compiled, with their quotation marks; words of our own are known to need no escapes; a
//! text of somebody else's is looked through once. A decimal keeps its digits ([`super::decimal`]).

use super::plain::{self, is_plain};
use crate::time::Written;
use std::borrow::Cow;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// What documents write of themselves.
pub(super) trait WriteJson {
    /// Adds the value.
    fn write_json(&self, out: &mut JsonText);

    /// True of a property that is left out, because it holds nothing.
    fn is_absent(&self) -> bool {
        false
    }
}

/// A value by itself.
pub(super) fn written(value: &impl WriteJson) -> Option<String> {
    let mut out = JsonText::default();
    value.write_json(&mut out);
    String::from_utf8(out.bytes).ok()
}

/// JSON without blanks, as it grows. It is UTF-8: whoever adds to it adds text.
#[derive(Debug, Default)]
pub(super) struct JsonText {
    pub bytes: Vec<u8>,
}

impl JsonText {
    /// Adds what is JSON already.
    #[inline]
    pub(super) fn raw(&mut self, json: &[u8]) {
        self.bytes.extend_from_slice(json);
    }

    /// Adds a property, unless there is nothing to say; `name` is as [`property`] makes it. Its length is known to the
    /// compiler, which can copy it in a few moves then.
    #[inline(always)]
    pub(super) fn member<const LENGTH: usize>(&mut self, name: &[u8; LENGTH], value: &impl WriteJson) {
        if !value.is_absent() {
            self.raw(name);
            value.write_json(self);
            self.bytes.push(b',');
        }
    }

    /// Ends an object or a list, each of whose members has a comma behind it.
    #[inline]
    pub(super) fn close(&mut self, bracket: u8) {
        match self.bytes.last_mut() {
            Some(last @ b',') => *last = bracket,
            _ => self.bytes.push(bracket),
        }
    }

    /// Adds a text of our own, in pieces, in which nothing must be escaped.
    #[inline]
    pub(super) fn own<const PIECES: usize>(&mut self, pieces: [&[u8]; PIECES]) {
        self.bytes.push(b'"');
        for piece in pieces {
            debug_assert!(is_plain(piece, is_special), "what needs escapes is no word of ours");
            self.raw(piece);
        }
        self.bytes.push(b'"');
    }

    /// Adds a text of anybody's.
    pub(super) fn text(&mut self, text: &str) {
        self.bytes.push(b'"');
        self.escaped(text);
        self.bytes.push(b'"');
    }

    /// Adds a part of a text: what stands between its quotation marks.
    pub(super) fn escaped(&mut self, text: &str) {
        if is_plain(text.as_bytes(), is_special) {
            self.raw(text.as_bytes());
            return;
        }
        let mut rest = text.as_bytes();
        while let Some((plain, byte, behind)) = until_escape(rest) {
            self.raw(plain);
            match byte {
                b'"' => self.raw(b"\\\""),
                b'\\' => self.raw(b"\\\\"),
                b'\n' => self.raw(b"\\n"),
                b'\r' => self.raw(b"\\r"),
                b'\t' => self.raw(b"\\t"),
                0x08 => self.raw(b"\\b"),
                0x0C => self.raw(b"\\f"),
                control => self.raw(format!("\\u{control:04x}").as_bytes()),
            }
            rest = behind;
        }
        self.raw(rest);
    }
}

/// The length of what [`property`] makes of a name.
pub(super) const fn property_length(name: &str) -> usize {
    let (mut length, mut at) = (3, 0);
    while at < name.len() {
        length += !is_joint(name.as_bytes(), at) as usize;
        at += 1;
    }
    length
}

/// `"basedOn":` of `based_on`. An underscore in front stays: it is FHIR's mark of what stands where a value would.
pub(super) const fn property<const LENGTH: usize>(name: &str) -> [u8; LENGTH] {
    let name = name.as_bytes();
    let mut property = [b'"'; LENGTH];
    let (mut to, mut at) = (1, 0);
    while at < name.len() {
        if !is_joint(name, at) {
            let joined = at > 0 && is_joint(name, at - 1);
            property[to] = if joined { name[at].to_ascii_uppercase() } else { name[at] };
            to += 1;
        }
        at += 1;
    }
    property[to + 1] = b':';
    property
}

const fn is_joint(name: &[u8], at: usize) -> bool {
    at > 0 && name[at] == b'_'
}

//= RFC 8259 §7
//# the characters that MUST be escaped: quotation mark, reverse solidus, and the control characters (U+0000 through U+001F)
/// True of a byte that must not stand in a text as it is.
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// What stands before the first byte that must be escaped, that byte, and what stands behind it.
fn until_escape(text: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let (blocks, _) = text.as_chunks::<32>();
    let plain = 32 * blocks.iter().take_while(|block| !plain::any(block, is_special)).count();
    let at = plain + text.get(plain..)?.iter().position(|byte| is_special(*byte))?;
    Some((text.get(..at)?, *text.get(at)?, text.get(at + 1..)?))
}

/// A word of our own.
impl WriteJson for &'static str {
    fn write_json(&self, out: &mut JsonText) {
        out.own([self.as_bytes()]);
    }
}

impl WriteJson for Cow<'_, str> {
    fn write_json(&self, out: &mut JsonText) {
        out.text(self);
    }
}

impl WriteJson for String {
    fn write_json(&self, out: &mut JsonText) {
        out.text(self);
    }
}

impl WriteJson for bool {
    fn write_json(&self, out: &mut JsonText) {
        out.raw(if *self { b"true" } else { b"false" });
    }
}

impl WriteJson for u32 {
    fn write_json(&self, out: &mut JsonText) {
        out.raw(Written::new().digits(*self).as_bytes());
    }
}

impl WriteJson for i64 {
    fn write_json(&self, out: &mut JsonText) {
        out.raw(self.to_string().as_bytes());
    }
}

impl WriteJson for Uuid {
    fn write_json(&self, out: &mut JsonText) {
        let mut text = [0; Hyphenated::LENGTH];
        self.hyphenated().encode_lower(&mut text);
        out.own([&text]);
    }
}

impl<T: WriteJson> WriteJson for &T {
    fn write_json(&self, out: &mut JsonText) {
        (*self).write_json(out);
    }
}

impl<T: WriteJson> WriteJson for Box<T> {
    fn write_json(&self, out: &mut JsonText) {
        self.as_ref().write_json(out);
    }
}

impl<T: WriteJson> WriteJson for Option<T> {
    fn write_json(&self, out: &mut JsonText) {
        if let Some(value) = self {
            value.write_json(out);
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: WriteJson> WriteJson for Vec<T> {
    fn write_json(&self, out: &mut JsonText) {
        out.bytes.push(b'[');
        for value in self {
            value.write_json(out);
            out.bytes.push(b',');
        }
        out.close(b']');
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_serde_json_writes_them() {
        let all: String = (0..=0x2FF).filter_map(char::from_u32).collect();
        for text in ["", "plain", "blåbær 😀", "a\"b\\c/d\n\t\u{1f}\u{7f}\u{2028}", "\u{8}\u{c}\r", &all]
        {
            assert_eq!(written(&text.to_owned()), serde_json::to_string(text).ok(), "{text:?}");
            for (at, _) in text.char_indices() {
                let part = text.get(at..).unwrap().as_bytes();
                assert_eq!(is_plain(part, is_special), until_escape(part).is_none(), "{part:?}");
            }
        }
    }

    #[test]
    fn names_are_written_as_fhir_has_them() {
        const NAME: [u8; property_length("based_on_it")] = property("based_on_it");
        assert_eq!(NAME, *b"\"basedOnIt\":");
        const ABSENT: [u8; property_length("_district")] = property("_district");
        assert_eq!(ABSENT, *b"\"_district\":");
    }

    #[test]
    fn objects_and_lists_end_where_they_should() {
        let lists = vec![vec![Some(-1_i64), Some(i64::MAX)], Vec::new()];
        assert_eq!(written(&lists).as_deref(), Some("[[-1,9223372036854775807],[]]"));
        let mut out = JsonText::default();
        out.raw(b"{");
        out.member(b"\"a\":", &Some(true));
        out.member(b"\"b\":", &None::<u32>);
        out.member(b"\"c\":", &lists);
        out.member(b"\"d\":", &Box::new(0_u32));
        out.member(b"\"e\":", &vec![","]);
        out.close(b'}');
        assert_eq!(out.bytes, br#"{"a":true,"c":[[-1,9223372036854775807],[]],"d":0,"e":[","]}"#);
        out.bytes.clear();
        out.raw(b"{");
        out.close(b'}');
        assert_eq!(out.bytes, b"{}");
    }
}
