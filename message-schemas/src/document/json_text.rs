//! The JSON of a document, written: straight into one text, from resources that serialize themselves.
//!
//! A third of all work on a document is this, so it does no more than resources need: their names of properties
//! are our own and never escaped, and a text is looked through once. Bytes are taken for JSON that is written
//! already, which is how a decimal keeps its digits ([`super::decimal`]). What no resource has (numbers with a
//! binary fraction, enums with content) is an error.

use serde::ser::{self, Impossible};
use serde::{Serialize, Serializer};
use std::fmt;

/// Adds a value to `out` as compact JSON.
///
/// # Errors
/// [`Unwritable`], if it holds what resources never hold.
pub(super) fn write(value: &impl Serialize, out: &mut String) -> Result<(), Unwritable> {
    value.serialize(&mut Writer { out })
}

/// A value is of a kind that no resource has.
#[derive(Debug, thiserror::Error)]
#[error("no resource holds such a value")]
pub(super) struct Unwritable;

impl ser::Error for Unwritable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Writer<'o> {
    out: &'o mut String,
}

impl Writer<'_> {
    fn text(&mut self, text: &str) {
        self.out.push('"');
        self.escaped(text);
        self.out.push('"');
    }

    fn escaped(&mut self, text: &str) {
        if is_plain(text.as_bytes()) {
            self.out.push_str(text);
            return;
        }
        let mut rest = text;
        while let Some((plain, byte, behind)) = until_escape(rest) {
            self.out.push_str(plain);
            match byte {
                b'"' => self.out.push_str("\\\""),
                b'\\' => self.out.push_str("\\\\"),
                b'\n' => self.out.push_str("\\n"),
                b'\r' => self.out.push_str("\\r"),
                b'\t' => self.out.push_str("\\t"),
                0x08 => self.out.push_str("\\b"),
                0x0C => self.out.push_str("\\f"),
                control => self.out.push_str(&format!("\\u{control:04x}")),
            }
            rest = behind;
        }
        self.out.push_str(rest);
    }
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.escaped(text);
        Ok(())
    }
}

/// True of a byte that must not stand in a text as it is.
fn is_special(byte: &u8) -> bool {
    (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\')
}

/// The same of any byte of a block: without a way out in between, which the compiler turns into vector instructions.
fn any_special<const N: usize>(block: &[u8; N]) -> bool {
    block.iter().fold(false, |any, b| any | is_special(b))
}

/// True of a text in which nothing must be escaped, as of nearly all. Most are short, so what does not fill a block is looked
/// at in one that overlaps the last.
fn is_plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<16>() {
        let (blocks, _) = bytes.as_chunks::<16>();
        !any_special(last) && !blocks.iter().any(any_special)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        !any_special(first) && !any_special(last)
    } else {
        !bytes.iter().any(is_special)
    }
}

//= RFC 8259 §7
//# the characters that MUST be escaped: quotation mark, reverse solidus, and the control characters (U+0000 through U+001F)
/// What stands before the first byte that must be escaped, that byte, and what stands behind it.
fn until_escape(text: &str) -> Option<(&str, u8, &str)> {
    let (blocks, _) = text.as_bytes().as_chunks::<32>();
    let plain = 32 * blocks.iter().take_while(|block| !any_special(block)).count();
    let at = plain + text.as_bytes().get(plain..)?.iter().position(is_special)?;
    Some((text.get(..at)?, *text.as_bytes().get(at)?, text.get(at + 1..)?))
}

/// An object or a list that has been opened.
struct Members<'w, 'o> {
    writer: &'w mut Writer<'o>,
    any: bool,
    is_object: bool,
}

impl<'w, 'o> Members<'w, 'o> {
    fn object(writer: &'w mut Writer<'o>) -> Self {
        writer.out.push('{');
        Self { writer, any: false, is_object: true }
    }

    fn list(writer: &'w mut Writer<'o>) -> Self {
        writer.out.push('[');
        Self { writer, any: false, is_object: false }
    }

    fn next(&mut self) -> &mut Writer<'o> {
        if self.any {
            self.writer.out.push(',');
        }
        self.any = true;
        self.writer
    }

    fn close(self) {
        if self.is_object {
            self.writer.out.push('}');
        } else {
            self.writer.out.push(']');
        }
    }
}

impl ser::SerializeStruct for Members<'_, '_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        let writer = &mut *self.writer;
        if self.any {
            writer.out.push(',');
        }
        writer.out.push('"');
        writer.out.push_str(name);
        writer.out.push_str("\":");
        self.any = true;
        value.serialize(writer)
    }

    fn end(self) -> Result<(), Unwritable> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeMap for Members<'_, '_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), Unwritable> {
        name.serialize(self.next())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        self.writer.out.push(':');
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Unwritable> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeSeq for Members<'_, '_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        value.serialize(self.next())
    }

    fn end(self) -> Result<(), Unwritable> {
        self.close();
        Ok(())
    }
}

macro_rules! unwritable {
    ($($method:ident: $type:ty,)+) => {$(
        fn $method(self, _: $type) -> Result<(), Unwritable> {
            Err(Unwritable)
        }
    )+};
}

macro_rules! integers {
    ($($method:ident: $type:ty,)+) => {$(
        fn $method(self, value: $type) -> Result<(), Unwritable> {
            self.out.push_str(&value.to_string());
            Ok(())
        }
    )+};
}

impl<'w, 'o> Serializer for &'w mut Writer<'o> {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Members<'w, 'o>;
    type SerializeTuple = Impossible<(), Unwritable>;
    type SerializeTupleStruct = Impossible<(), Unwritable>;
    type SerializeTupleVariant = Impossible<(), Unwritable>;
    type SerializeMap = Members<'w, 'o>;
    type SerializeStruct = Members<'w, 'o>;
    type SerializeStructVariant = Impossible<(), Unwritable>;

    integers! {
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
    }

    unwritable! {
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_unit_struct: &'static str,
    }

    fn serialize_bool(self, value: bool) -> Result<(), Unwritable> {
        self.out.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Unwritable> {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Unwritable> {
        self.text(value);
        Ok(())
    }

    /// A text in pieces, which are not put together before they are written.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        self.out.push('"');
        fmt::write(self, format_args!("{value}")).map_err(|_| Unwritable)?;
        self.out.push('"');
        Ok(())
    }

    /// JSON already.
    fn serialize_bytes(self, json: &[u8]) -> Result<(), Unwritable> {
        self.out.push_str(std::str::from_utf8(json).map_err(|_| Unwritable)?);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Unwritable> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unwritable> {
        self.out.push_str("null");
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), Unwritable> {
        self.text(name);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Unwritable> {
        Err(Unwritable)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'w, 'o>, Unwritable> {
        Ok(Members::list(self))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unwritable> {
        Err(Unwritable)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Unwritable> {
        Err(Unwritable)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unwritable> {
        Err(Unwritable)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'w, 'o>, Unwritable> {
        Ok(Members::object(self))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'w, 'o>, Unwritable> {
        Ok(Members::object(self))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unwritable> {
        Err(Unwritable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &impl Serialize) -> String {
        let mut out = String::new();
        write(value, &mut out).expect("it can be written");
        out
    }

    #[test]
    fn texts_are_written_as_serde_json_writes_them() {
        let all: String = (0..=0x2FF).filter_map(char::from_u32).collect();
        for text in ["", "plain", "blåbær 😀", "a\"b\\c/d\n\t\u{1f}\u{7f}\u{2028}", "\u{8}\u{c}\r", &all]
        {
            assert_eq!(written(&text), serde_json::to_string(text).unwrap(), "{text:?}");
            for (at, _) in text.char_indices() {
                let part = text.get(at..).unwrap();
                assert_eq!(is_plain(part.as_bytes()), until_escape(part).is_none(), "{part:?}");
            }
            assert_eq!(written(&format_args!("{text}-{text}")), written(&format!("{text}-{text}")));
        }
    }

    #[test]
    fn objects_and_lists_are_written_as_serde_json_writes_them() {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Thing {
            some_text: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            left_out: Option<u8>,
            list: Vec<Option<i64>>,
            none: Vec<bool>,
            inner: std::collections::BTreeMap<&'static str, bool>,
        }
        #[derive(Serialize)]
        #[serde(tag = "kind")]
        enum Tagged {
            Thing(Box<Thing>),
        }
        let thing = Tagged::Thing(Box::new(Thing {
            some_text: "æ",
            left_out: None,
            list: vec![Some(-1), None, Some(i64::MAX)],
            none: Vec::new(),
            inner: [("a\"b", true), ("c", false)].into(),
        }));
        assert_eq!(written(&thing), serde_json::to_string(&thing).unwrap());
        assert_eq!(written(&vec![&thing, &thing]), serde_json::to_string(&[&thing, &thing]).unwrap());
    }

    #[test]
    fn what_no_resource_has_is_refused() {
        assert!(write(&0.5, &mut String::new()).is_err());
        assert!(write(&("a", 1), &mut String::new()).is_err());
    }
}
