//! Decimals of any length, kept as digits: a national number or an amount never loses one.

use std::borrow::Cow;
use std::cmp::Ordering;

/// A decimal without needless zeros, so that equal values are equal structures.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Decimal<'a> {
    /// Never set for zero.
    negative: bool,
    /// Digits before the point, no leading zeros; empty for zero.
    whole: Cow<'a, str>,
    /// Digits behind the point, no trailing zeros.
    fraction: Cow<'a, str>,
}

impl<'a> Decimal<'a> {
    /// Reads `[+-]?(digits[.digits?]|.digits)`, or only `[+-]?digits` where `point` is false.
    pub(super) fn parse(text: &'a str, point: bool) -> Option<Self> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some(parts) if point => parts,
            Some(_) => return None,
            None => (digits, ""),
        };
        let all_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self {
            negative: negative && !zero,
            whole: Cow::Borrowed(whole),
            fraction: Cow::Borrowed(fraction),
        })
    }

    pub(super) fn into_owned(self) -> Decimal<'static> {
        Decimal {
            negative: self.negative,
            whole: Cow::Owned(self.whole.into_owned()),
            fraction: Cow::Owned(self.fraction.into_owned()),
        }
    }

    /// How many digits it takes to write the value.
    pub(super) fn total_digits(&self) -> u64 {
        (self.whole.len() + self.fraction.len()) as u64
    }

    /// How many of them stand behind the point.
    pub(super) fn fraction_digits(&self) -> u64 {
        self.fraction.len() as u64
    }

    fn magnitude(&self, other: &Decimal<'_>) -> Ordering {
        // Trailing zeros are gone, so comparing the fractions as text is comparing their values.
        (self.whole.len().cmp(&other.whole.len()))
            .then_with(|| self.whole.as_ref().cmp(other.whole.as_ref()))
            .then_with(|| self.fraction.as_ref().cmp(other.fraction.as_ref()))
    }

    pub(super) fn compare(&self, other: &Decimal<'_>) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_standard_allows_and_no_more() {
        for good in ["0", "-0", "+1", "1.", ".5", "-1.50", "00012", "123456789012345678901234567890"] {
            assert!(Decimal::parse(good, true).is_some(), "{good}");
        }
        for bad in ["", "+", "-", ".", "1e3", "1,5", "--1", "1.2.3", " 1", "٣", "+.", "0x1"] {
            assert!(Decimal::parse(bad, true).is_none(), "{bad}");
        }
        assert!(Decimal::parse("1.0", false).is_none());
    }

    #[test]
    fn compares_by_value_at_any_length() {
        let d = |t| Decimal::parse(t, true).unwrap();
        assert!(d("-0") == d("0.00"));
        assert!(d("+01.50") == d("1.5"));
        let rising =
            ["-100000000000000000000000000001", "-1.5", "-1.49", "0", "0.05", "0.5", "0.51", "9", "10"];
        for pair in rising.windows(2) {
            assert_eq!(d(pair[0]).compare(&d(pair[1])), Ordering::Less, "{pair:?}");
            assert_eq!(d(pair[1]).compare(&d(pair[0])), Ordering::Greater, "{pair:?}");
        }
    }

    #[test]
    fn counts_digits_of_the_value() {
        let d = |t| Decimal::parse(t, true).unwrap();
        assert_eq!((d("0012.300").total_digits(), d("0012.300").fraction_digits()), (3, 1));
        assert_eq!((d("0.05").total_digits(), d("0").total_digits()), (2, 0));
    }
}
