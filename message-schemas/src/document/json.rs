//! The JSON of a document, read back: properties in their order, numbers with their digits.
//!
//! The other forms of a document are made from its bytes, so that there is one content and several
//! writings. A general reader would give numbers as floating point and lose the digits of `6.0`, and
//! FHIR's XML wants the order.

use std::borrow::Cow;

/// Objects and lists inside one another; our documents have less than twenty.
const DEEPEST: usize = 64;

/// A value, borrowed from the text where it stands there as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json<'j> {
    Object(Vec<(Cow<'j, str>, Self)>),
    List(Vec<Self>),
    Text(Cow<'j, str>),
    Number(&'j str),
    Bool(bool),
    Null,
}

impl<'j> Json<'j> {
    /// None if it is not JSON, or deeper than any document of ours.
    pub(super) fn parse(bytes: &'j [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.blanks();
        (reader.at == text.len()).then_some(value)
    }

    /// A property of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.properties().iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// A property that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    /// The elements of a property that is a list; none if there is no such.
    pub(super) fn list(&self, name: &str) -> &[Self] {
        if let Some(Self::List(list)) = self.get(name) { list } else { &[] }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The properties of an object, in their order; none of anything else.
    pub(super) fn properties(&self) -> &[(Cow<'j, str>, Self)] {
        if let Self::Object(properties) = self { properties } else { &[] }
    }
}

struct Reader<'j> {
    text: &'j str,
    at: usize,
}

impl<'j> Reader<'j> {
    fn rest(&self) -> &'j str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next() == Some(byte)).then(|| self.at += 1)
    }

    fn word(&mut self, word: &str, value: Json<'j>) -> Option<Json<'j>> {
        self.rest().starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    fn value(&mut self, depth: usize) -> Option<Json<'j>> {
        if depth > DEEPEST {
            return None;
        }
        self.blanks();
        match self.next()? {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.string().map(Json::Text),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            b'-' | b'0'..=b'9' => {
                let rest = self.rest();
                let length = rest
                    .bytes()
                    .position(|b| !matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
                    .unwrap_or(rest.len());
                self.at += length;
                rest.get(..length).map(Json::Number)
            }
            _ => None,
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json<'j>> {
        self.take(b'{')?;
        let mut properties = Vec::new();
        self.blanks();
        if self.take(b'}').is_some() {
            return Some(Json::Object(properties));
        }
        loop {
            self.blanks();
            let name = self.string()?;
            self.blanks();
            self.take(b':')?;
            properties.push((name, self.value(depth + 1)?));
            self.blanks();
            if self.take(b'}').is_some() {
                return Some(Json::Object(properties));
            }
            self.take(b',')?;
        }
    }

    fn list(&mut self, depth: usize) -> Option<Json<'j>> {
        self.take(b'[')?;
        let mut values = Vec::new();
        self.blanks();
        if self.take(b']').is_some() {
            return Some(Json::List(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            self.blanks();
            if self.take(b']').is_some() {
                return Some(Json::List(values));
            }
            self.take(b',')?;
        }
    }

    fn string(&mut self) -> Option<Cow<'j, str>> {
        self.take(b'"')?;
        let mut whole: Option<String> = None;
        loop {
            let rest = self.rest();
            let plain = memchr::memchr2(b'"', b'\\', rest.as_bytes())?;
            let piece = rest.get(..plain)?;
            self.at += plain;
            if self.take(b'"').is_some() {
                return Some(match whole {
                    None => Cow::Borrowed(piece),
                    Some(mut text) => {
                        text.push_str(piece);
                        Cow::Owned(text)
                    }
                });
            }
            let text = whole.get_or_insert_default();
            text.push_str(piece);
            self.take(b'\\')?;
            let escaped = self.next()?;
            self.at += 1;
            text.push(match escaped {
                b'"' | b'\\' | b'/' => char::from(escaped),
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => self.unicode()?,
                _ => return None,
            });
        }
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.unit()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        self.take(b'\\')?;
        self.take(b'u')?;
        let second = self.unit()?.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + second)
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_digits_and_escapes_stay() {
        let read = Json::parse(
            br#" {"b": 6.0, "a":[true,null,-1E3], "c":"x\n\"\u00e6\ud83d\ude00/", "d":{}, "e":[]} "#,
        );
        let read = read.expect("JSON");
        let names: Vec<&str> = read.properties().iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["b", "a", "c", "d", "e"]);
        assert_eq!(read.get("b"), Some(&Json::Number("6.0")));
        assert_eq!(read.list("a"), [Json::Bool(true), Json::Null, Json::Number("-1E3")]);
        assert_eq!(read.text("c"), Some("x\n\"æ😀/"));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for wrong in
            ["", "{", "[1,]", "{\"a\" 1}", "\"a", "\"\\x\"", "\"\\ud800\"", "tru", "1 2", "{\"a\":1,}"]
        {
            assert_eq!(Json::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(Json::parse(&[b'"', 0xFF, b'"']), None);
        let deep = "[".repeat(100_000);
        assert_eq!(Json::parse(deep.as_bytes()), None);
    }
}
