//! A value, once white space and spelling are out of the way: what `fixed`, enumerations and keys compare.

use super::builtin::Primitive;
use super::decimal::Decimal;
use super::moment::{Duration, Moment};
use super::{Prefixes, binary, text};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// A value of a simple type. Two are equal if they are the same in the value space: `01` and `+1` as
/// integers are, as strings are not, and values of different primitive types never are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Value<'a>(pub(super) Kind<'a>);

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Kind<'a> {
    Text(Cow<'a, str>),
    Uri(Cow<'a, str>),
    Boolean(bool),
    Decimal(Decimal<'a>),
    /// As bits; there is one zero and one NaN.
    Float(u32),
    /// As bits; there is one zero and one NaN.
    Double(u64),
    Base64(Box<[u8]>),
    Hex(Box<[u8]>),
    Duration(Duration),
    Moment(Moment),
    /// Namespace and local name; a namespace that is not known is none.
    Name(Box<str>, Cow<'a, str>),
    List(Vec<Value<'a>>),
}

impl fmt::Debug for Value<'_> {
    /// The kind only: a value may be a patient's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(..)")
    }
}

impl Value<'_> {
    /// The same value, holding on to nothing.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Value(match self.0 {
            Kind::Text(t) => Kind::Text(own(t)),
            Kind::Uri(t) => Kind::Uri(own(t)),
            Kind::Boolean(b) => Kind::Boolean(b),
            Kind::Decimal(d) => Kind::Decimal(d.into_owned()),
            Kind::Float(bits) => Kind::Float(bits),
            Kind::Double(bits) => Kind::Double(bits),
            Kind::Base64(octets) => Kind::Base64(octets),
            Kind::Hex(octets) => Kind::Hex(octets),
            Kind::Duration(d) => Kind::Duration(d),
            Kind::Moment(m) => Kind::Moment(m),
            Kind::Name(namespace, local) => Kind::Name(namespace, own(local)),
            Kind::List(items) => Kind::List(items.into_iter().map(Value::into_owned).collect()),
        })
    }
}

impl<'a> Kind<'a> {
    /// Reads a normalised text as a value of a primitive type, or of one derived from it that has no
    /// decimal point. Allocates for binary types and names only.
    pub(super) fn parse(
        primitive: Primitive,
        whole: bool,
        text: Cow<'a, str>,
        prefixes: Option<&dyn Prefixes>,
    ) -> Option<Self> {
        // Numbers keep slices of the text; a text that had to be normalised holds blanks and is no number.
        let borrowed = match (&text, primitive) {
            (_, Primitive::Text) => return Some(Kind::Text(text)),
            (_, Primitive::Uri) => return text::is_uri(&text).then_some(Kind::Uri(text)),
            (Cow::Borrowed(text), _) => *text,
            (Cow::Owned(_), Primitive::Base64) => {
                binary::base64_octets(&text)?;
                return Some(Kind::Base64(binary::base64_value(&text)));
            }
            (Cow::Owned(_), _) => return None,
        };
        Some(match primitive {
            Primitive::Text => Kind::Text(text),
            Primitive::Uri => Kind::Uri(text),
            Primitive::Boolean => Kind::Boolean(match borrowed {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return None,
            }),
            Primitive::Decimal => Kind::Decimal(Decimal::parse(borrowed, !whole)?),
            Primitive::Float => {
                let value: f32 = float_text(borrowed)?.parse().ok()?;
                // Adding zero makes one zero of two.
                Kind::Float(if value.is_nan() { f32::NAN } else { value + 0.0 }.to_bits())
            }
            Primitive::Double => {
                let value: f64 = float_text(borrowed)?.parse().ok()?;
                Kind::Double(if value.is_nan() { f64::NAN } else { value + 0.0 }.to_bits())
            }
            Primitive::Base64 => {
                binary::base64_octets(borrowed)?;
                Kind::Base64(binary::base64_value(borrowed))
            }
            Primitive::Hex => {
                binary::hex_octets(borrowed)?;
                Kind::Hex(binary::hex_value(borrowed))
            }
            Primitive::Name => {
                let (prefix, local) = text::qname(borrowed)?;
                let namespace = prefixes.and_then(|p| p.namespace(prefix)).unwrap_or_default();
                Kind::Name(namespace.into(), Cow::Borrowed(local))
            }
            Primitive::Duration => Kind::Duration(Duration::parse(borrowed)?),
            Primitive::Moment(calendar) => Kind::Moment(Moment::parse(calendar, borrowed)?),
        })
    }

    /// The order of the value space; none where it has none for these two.
    pub(super) fn compare(&self, other: &Kind<'_>) -> Option<Ordering> {
        match (self, other) {
            (Kind::Decimal(a), Kind::Decimal(b)) => Some(a.compare(b)),
            (Kind::Float(a), Kind::Float(b)) => f32::from_bits(*a).partial_cmp(&f32::from_bits(*b)),
            (Kind::Double(a), Kind::Double(b)) => f64::from_bits(*a).partial_cmp(&f64::from_bits(*b)),
            (Kind::Duration(a), Kind::Duration(b)) => a.compare(b),
            (Kind::Moment(a), Kind::Moment(b)) => a.compare(b),
            _ => None,
        }
    }
}

//= XML Schema Part 2 (second edition) §3.2.4.1
//# a mantissa followed, optionally, by the character "E" or "e", followed by an exponent [...] The special
//# values [...] have lexical representations 0, -0, INF, -INF and NaN
/// The text in a form that Rust reads, if it is a float or double.
fn float_text(text: &str) -> Option<&str> {
    match text {
        "INF" => return Some("inf"),
        "-INF" => return Some("-inf"),
        "NaN" => return Some("NaN"),
        _ => {}
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let fine = Decimal::parse(mantissa, true).is_some()
        && exponent.is_none_or(|exponent| Decimal::parse(exponent, false).is_some());
    fine.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats() {
        let read = |t: &'static str| Kind::parse(Primitive::Double, false, Cow::Borrowed(t), None);
        for good in [
            "1",
            "-1E4",
            "1267.43233E12",
            "12.78e-2",
            "12",
            "-0",
            "INF",
            "-INF",
            "NaN",
            ".5",
            "5.",
            "1e+3",
            "1e400",
        ] {
            assert!(read(good).is_some(), "{good}");
        }
        for bad in ["", "inf", "+INF", "nan", "infinity", "1e", "e1", "1e1.5", "0x1", "1f", "--1"] {
            assert!(read(bad).is_none(), "{bad}");
        }
        assert!(read("-0") == read("0") && read("NaN") == read("NaN") && read("1.0") == read("1e0"));
        assert_eq!(read("NaN").unwrap().compare(&read("1").unwrap()), None);
    }
}
