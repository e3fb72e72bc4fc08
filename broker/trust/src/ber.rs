//! Reading BER (X.690 §8): what DER allows, and what real senders send besides: indefinite lengths and strings in
//! segments.
//!
//! A reader walks over bytes that somebody else wrote, so every step is bounded. A value is a slice of the input; only
//! a string that really is in several segments is copied. Nothing is read deeper than the caller asks, except to find
//! the end of an indefinite length, and that search counts its steps and its depth and never recurses.

use std::borrow::Cow;

/// Open values of indefinite length, or segments within segments, at one time. CMS as a stream needs seven.
const DEPTH: usize = 16;

/// Values passed over in search of one end of contents. 20 MB in segments of 1 000 bytes has 20 000.
const STEPS: usize = 250_000;

/// The bit of a tag that says: made of other values.
const CONSTRUCTED: u8 = 0x20;

/// Why bytes are no BER, or none that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// Fewer bytes than a length promises.
    #[error("it ends in the middle of a value")]
    Truncated,
    /// A length that is reserved, too large, or indefinite where it may not be.
    #[error("a length is not well formed")]
    Length,
    /// A tag number over 30, or an end of contents where nothing is open.
    #[error("a tag is not well formed")]
    Tag,
    /// Another value than the structure has at this place.
    #[error("a value stands where it does not belong, or one is missing")]
    Unexpected,
    /// Something after the end.
    #[error("there are bytes after its end")]
    Trailing,
    /// Deeper or with more values than any real structure.
    #[error("it is nested too deep, or has too many values")]
    Excessive,
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    /// Identifier octet: class, constructed or not, number.
    pub(crate) tag: u8,
    /// What is in it, without an end of contents.
    pub(crate) content: &'a [u8],
    /// The whole value as it came, with tag and length, and with an end of contents.
    pub(crate) raw: &'a [u8],
}

/// Reads values one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over these bytes.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// True if nothing is left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next value's tag, if there is a next value.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value.
    pub(crate) fn next(&mut self) -> Result<Value<'a>, Malformed> {
        let header = Header::read(self.rest)?;
        if header.tag == 0 {
            return Err(Malformed::Tag);
        }
        let body = self.rest.get(header.size..).ok_or(Malformed::Truncated)?;
        let (content, end) = match header.length {
            Some(length) => (length, length),
            None => indefinite(body)?,
        };
        let content = body.get(..content).ok_or(Malformed::Truncated)?;
        let (raw, rest) = self.rest.split_at_checked(header.size + end).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(Value { tag: header.tag, content, raw })
    }

    /// The next value, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<Value<'a>, Malformed> {
        match self.peek() {
            Some(found) if found == tag => self.next(),
            Some(_) => Err(Malformed::Unexpected),
            None => Err(Malformed::Truncated),
        }
    }

    /// The next value if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Value<'a>>, Malformed> {
        if self.peek() == Some(tag) { self.next().map(Some) } else { Ok(None) }
    }

    /// The next value, which must be a string with this primitive tag: whole or in segments.
    pub(crate) fn octets(&mut self, tag: u8) -> Result<Cow<'a, [u8]>, Malformed> {
        match self.peek() {
            Some(found) if found | CONSTRUCTED == tag | CONSTRUCTED => self.next()?.octets(),
            Some(_) => Err(Malformed::Unexpected),
            None => Err(Malformed::Truncated),
        }
    }

    /// The next value, which must be a constructed one with this tag; a reader over its inside.
    pub(crate) fn enter(&mut self, tag: u8) -> Result<Self, Malformed> {
        self.expect(tag)?.inside()
    }

    /// Nothing may be left.
    pub(crate) const fn end(&self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed::Trailing) }
    }
}

impl<'a> Value<'a> {
    /// The only value in these bytes.
    pub(crate) fn only(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let value = reader.next()?;
        reader.end()?;
        Ok(value)
    }

    /// True if it is made of other values.
    pub(crate) const fn is_constructed(&self) -> bool {
        self.tag & CONSTRUCTED != 0
    }

    /// The values that it is made of.
    pub(crate) const fn inside(&self) -> Result<Reader<'a>, Malformed> {
        if self.is_constructed() { Ok(Reader::new(self.content)) } else { Err(Malformed::Unexpected) }
    }

    /// The bytes of a string, whose segments (if it has any) are OCTET STRINGs (X.690 §8.7). Borrowed if they stand
    /// in one piece.
    pub(crate) fn octets(&self) -> Result<Cow<'a, [u8]>, Malformed> {
        if !self.is_constructed() {
            return Ok(Cow::Borrowed(self.content));
        }
        let mut joined = Cow::Borrowed(&[][..]);
        let mut open = vec![self.inside()?];
        let mut steps = 0;
        while let Some(reader) = open.last_mut() {
            if reader.is_empty() {
                open.pop();
                continue;
            }
            let segment = reader.next()?;
            steps += 1;
            if steps > STEPS {
                return Err(Malformed::Excessive);
            }
            if segment.tag | CONSTRUCTED != crate::der::tag::OCTET_STRING | CONSTRUCTED {
                return Err(Malformed::Unexpected);
            }
            if segment.is_constructed() {
                if open.len() == DEPTH {
                    return Err(Malformed::Excessive);
                }
                open.push(segment.inside()?);
            } else if joined.is_empty() {
                joined = Cow::Borrowed(segment.content);
            } else {
                let more = self.content.len().saturating_sub(joined.len());
                if let Cow::Borrowed(first) = joined {
                    let mut all = Vec::with_capacity(first.len() + more);
                    all.extend_from_slice(first);
                    joined = Cow::Owned(all);
                }
                joined.to_mut().extend_from_slice(segment.content);
            }
        }
        Ok(joined)
    }

    /// A small non-negative INTEGER or ENUMERATED: versions, lengths, states.
    pub(crate) fn small(&self) -> Result<u32, Malformed> {
        let first = *self.content.first().ok_or(Malformed::Length)?;
        let digits = without_leading_zeroes(self.content);
        if self.is_constructed() || first & 0x80 != 0 || digits.len() > 4 {
            return Err(Malformed::Unexpected);
        }
        Ok(digits.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)))
    }
}

/// A number's bytes as they are compared: serial numbers are written with and without leading zeroes.
pub(crate) fn without_leading_zeroes(bytes: &[u8]) -> &[u8] {
    let zeroes = bytes.iter().take_while(|&&b| b == 0).count();
    bytes.get(zeroes..).unwrap_or_default()
}

/// Tag and length.
struct Header {
    tag: u8,
    /// None if indefinite.
    length: Option<usize>,
    /// How many bytes they take.
    size: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let [tag, first, rest @ ..] = bytes else { return Err(Malformed::Truncated) };
        let (tag, first) = (*tag, *first);
        if tag & 0x1F == 0x1F {
            return Err(Malformed::Tag);
        }
        if first < 0x80 {
            return Ok(Self { tag, length: Some(usize::from(first)), size: 2 });
        }
        if first == 0x80 {
            // Only what is made of other values can say where it ends by an end of contents.
            return if tag & CONSTRUCTED == 0 {
                Err(Malformed::Length)
            } else {
                Ok(Self { tag, length: None, size: 2 })
            };
        }
        let count = usize::from(first & 0x7F);
        if count > 8 {
            return Err(Malformed::Length);
        }
        let digits = rest.get(..count).ok_or(Malformed::Truncated)?;
        let length = digits.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
        // A length that the input cannot have is as wrong here as after its bytes were looked for.
        let length = usize::try_from(length).map_err(|_| Malformed::Length)?;
        Ok(Self { tag, length: Some(length), size: 2 + count })
    }
}

/// Finds the end of contents that closes a value of indefinite length whose content begins here: where its content
/// ends, and where the value ends.
fn indefinite(body: &[u8]) -> Result<(usize, usize), Malformed> {
    let mut at = 0;
    let mut open = 1;
    for _ in 0..STEPS {
        let rest = body.get(at..).ok_or(Malformed::Truncated)?;
        let header = Header::read(rest)?;
        match header {
            Header { tag: 0, length: Some(0), size } => {
                open -= 1;
                if open == 0 {
                    return Ok((at, at + size));
                }
                at += size;
            }
            Header { tag: 0, .. } => return Err(Malformed::Tag),
            Header { length: None, size, .. } => {
                open += 1;
                if open > DEPTH {
                    return Err(Malformed::Excessive);
                }
                at += size;
            }
            Header { length: Some(length), size, .. } => {
                at = at.checked_add(size).and_then(|at| at.checked_add(length)).ok_or(Malformed::Length)?;
            }
        }
    }
    Err(Malformed::Excessive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der;
    use crate::der::tag;
    use proptest::prelude::*;

    #[test]
    fn definite_and_indefinite_lengths_give_the_same_values() {
        let definite = [0x30, 0x05, 0x02, 0x01, 0x07, 0x05, 0x00];
        let indefinite = [0x30, 0x80, 0x02, 0x01, 0x07, 0x05, 0x00, 0x00, 0x00];
        let long = [0x30, 0x84, 0, 0, 0, 5, 0x02, 0x01, 0x07, 0x05, 0x00];
        for bytes in [&definite[..], &indefinite, &long] {
            let value = Value::only(bytes).unwrap();
            assert_eq!(value.raw, bytes);
            assert_eq!(value.content, &definite[2..]);
            let mut inside = value.inside().unwrap();
            assert_eq!(inside.expect(tag::INTEGER).unwrap().small(), Ok(7));
            assert_eq!(inside.optional(tag::OID), Ok(None));
            assert_eq!(inside.next().unwrap().raw, der::NULL);
            inside.end().unwrap();
            assert_eq!(inside.next(), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn a_string_in_one_piece_is_borrowed_and_segments_are_joined() {
        let whole = der::octets(b"abc");
        let mut reader = Reader::new(&whole);
        assert!(matches!(reader.octets(tag::OCTET_STRING), Ok(Cow::Borrowed(b"abc"))));

        let one = [&[0x24, 0x80][..], &der::octets(b"abc"), &[0, 0]].concat();
        assert!(matches!(Value::only(&one).unwrap().octets(), Ok(Cow::Borrowed(b"abc"))));

        // [0] IMPLICIT in three segments, one of which is in segments itself.
        let inner = der::value(0x24, &[der::octets(b"b"), der::octets(b""), der::octets(b"c")].concat());
        let many = [&[0xA0, 0x80][..], &der::octets(b"a"), &inner, &der::octets(b"d"), &[0, 0]].concat();
        let mut reader = Reader::new(&many);
        assert_eq!(reader.octets(0x80).unwrap().as_ref(), b"abcd");
        reader.end().unwrap();

        let wrong = der::value(0x24, &der::unsigned(&[1]));
        assert_eq!(Value::only(&wrong).unwrap().octets(), Err(Malformed::Unexpected));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let cases: [(&[u8], Malformed); 12] = [
            (&[], Malformed::Truncated),
            (&[0x30], Malformed::Truncated),
            (&[0x30, 0x01], Malformed::Truncated),
            (&[0x30, 0x80], Malformed::Truncated),
            (&[0x30, 0x80, 0x00], Malformed::Truncated),
            (&[0x04, 0x80, 0x00, 0x00], Malformed::Length),
            (&[0x04, 0xFF, 0x00], Malformed::Length),
            (&[0x04, 0x88, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Malformed::Truncated),
            (&[0x30, 0x80, 0x04, 0x88, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Malformed::Length),
            (&[0x00, 0x00], Malformed::Tag),
            (&[0x1F, 0x81, 0x01, 0x00], Malformed::Tag),
            (&[0x05, 0x00, 0x05, 0x00], Malformed::Trailing),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Value::only(bytes), Err(expected), "{bytes:02x?}");
        }
    }

    #[test]
    fn depth_and_steps_are_bounded() {
        let deep = [0x30, 0x80].repeat(1_000_000);
        assert_eq!(Value::only(&deep), Err(Malformed::Excessive));
        let wide = [&[0x30, 0x80][..], &[0x04, 0x00].repeat(2_000_000), &[0, 0]].concat();
        assert_eq!(Value::only(&wide), Err(Malformed::Excessive));
        let mut segments = der::octets(b"x");
        for _ in 0..=DEPTH {
            segments = der::value(0x24, &segments);
        }
        assert_eq!(Value::only(&segments).unwrap().octets(), Err(Malformed::Excessive));
        let many = der::value(0x24, &[0x04, 0x00].repeat(STEPS + 1));
        assert_eq!(Value::only(&many).unwrap().octets(), Err(Malformed::Excessive));
    }

    #[test]
    fn numbers_are_read_without_their_sign_byte() {
        assert_eq!(Value::only(&[2, 2, 0, 0x80]).unwrap().small(), Ok(0x80));
        assert_eq!(Value::only(&[2, 1, 0]).unwrap().small(), Ok(0));
        assert_eq!(Value::only(&[2, 1, 0x80]).unwrap().small(), Err(Malformed::Unexpected));
        assert_eq!(Value::only(&[2, 0]).unwrap().small(), Err(Malformed::Length));
        assert_eq!(Value::only(&[0x0A, 1, 6]).unwrap().small(), Ok(6));
        assert_eq!(Value::only(&[2, 5, 1, 0, 0, 0, 0]).unwrap().small(), Err(Malformed::Unexpected));
    }

    proptest! {
        #[test]
        fn every_byte_is_accounted_for(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            let mut seen = 0;
            while let Ok(value) = reader.next() {
                prop_assert_eq!(value.raw, &bytes[seen..seen + value.raw.len()]);
                seen += value.raw.len();
                let joined = value.octets().map_or(0, |bytes| bytes.len());
                prop_assert!(joined <= value.content.len());
                prop_assert!(value.small().is_err() || !value.content.is_empty());
            }
        }
    }
}
