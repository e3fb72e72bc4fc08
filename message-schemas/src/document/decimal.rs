//! Decimals as sent.
//!
//! A laboratory's `6.0` is not `6`: the number of digits says how well it was measured. Values are text from
//! reading to writing, never a binary fraction. What JSON cannot write as it is (a plus sign, a bare point,
//! leading zeros, an exponent) is written plain, with the same digits.

use super::json_text::{JsonText, WriteJson};
use std::borrow::Cow;

/// An exponent beyond this is no measurement, and would be a number of unbounded length.
const EXPONENT_LIMIT: i32 = 40;

/// A decimal number, digits kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal<'a>(Cow<'a, str>);

impl<'a> Decimal<'a> {
    /// Reads an `xs:double` that is a number; none for a comma, `INF`, `NaN` or anything else.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, unsigned) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        if exponent.abs() > EXPONENT_LIMIT {
            return None;
        }
        let plain = exponent == 0
            && text.len() == mantissa.len()
            && !mantissa.starts_with('+')
            && (whole == "0" || (!whole.is_empty() && !whole.starts_with('0')))
            && fraction.is_empty() != unsigned.contains('.');
        if plain {
            return Some(Self(Cow::Borrowed(text)));
        }
        Some(Self(Cow::Owned(written_plain(negative, whole, fraction, exponent))))
    }

    /// The digits as they are written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn written_plain(negative: bool, whole: &str, fraction: &str, exponent: i32) -> String {
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    // Where the point stands, counted from the front.
    let mut point = i32::try_from(whole.len()).unwrap_or(i32::MAX).saturating_add(exponent);
    while point <= 0 {
        digits.insert(0, b'0');
        point += 1;
    }
    let point = usize::try_from(point).unwrap_or(0);
    while digits.len() < point {
        digits.push(b'0');
    }
    let text = String::from_utf8(digits).unwrap_or_default();
    let (front, behind) = text.split_at_checked(point).unwrap_or((&text, ""));
    let front = front.trim_start_matches('0');
    let mut out = String::with_capacity(text.len() + 3);
    if negative {
        out.push('-');
    }
    out.push_str(if front.is_empty() { "0" } else { front });
    if !behind.is_empty() {
        out.push('.');
        out.push_str(behind);
    }
    out
}

impl WriteJson for Decimal<'_> {
    fn write_json(&self, out: &mut JsonText) {
        out.raw(self.0.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::json_text;

    #[test]
    fn digits_stay_and_exponents_go() {
        for (sent, written) in [
            ("6.0", "6.0"),
            ("0.50", "0.50"),
            ("-0.050", "-0.050"),
            ("140", "140"),
            ("+7.10", "7.10"),
            (".5", "0.5"),
            ("5.", "5"),
            ("007", "7"),
            ("0", "0"),
            ("00", "0"),
            ("1E3", "1000"),
            ("1.50e-3", "0.00150"),
            ("1.234E2", "123.4"),
            ("-1.0E+0", "-1.0"),
            ("123456789012345678901234567890.10", "123456789012345678901234567890.10"),
        ] {
            let decimal = Decimal::parse(sent).unwrap_or_else(|| panic!("{sent} is a number"));
            assert_eq!(json_text::written(&decimal).as_deref(), Some(written), "{sent}");
        }
    }

    #[test]
    fn what_is_no_number_is_left_as_text() {
        for sent in
            ["5,3", "INF", "-INF", "NaN", "", ".", "-", "1E", "1E999999999", "0x1", "1 000", "<5", "5%"]
        {
            assert_eq!(Decimal::parse(sent), None, "{sent}");
        }
    }
}
