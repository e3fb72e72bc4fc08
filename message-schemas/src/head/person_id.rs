//! What the check digits of a national identity number say (HIS 1001:2010 §4).
//!
//! The number stays text and is never corrected, and a failed check is no ground for refusal by itself:
//! this is a remark for people. Test populations shift the month; the check digits still hold for them, so
//! they are told apart as [`Checksum::OutOfRange`] unless their offset is configured.

use super::{Checksum, Patient};
use jiff::civil::Date;

/// Kinds with a checksum (list 8116).
pub(super) const NATIONAL: [&str; 4] = ["FNR", "DNR", "FHN", "HNR"];

//= HIS 1001:2010 §4
//# k1 = 11 − ((3,7,6,1,8,9,4,5,2) · d1..d9 mod 11); k2 = 11 − ((5,4,3,2,7,6,5,4,3,2) · d1..d10 mod 11).
const FIRST: [u32; 10] = [3, 7, 6, 1, 8, 9, 4, 5, 2, 1];
const SECOND: [u32; 11] = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1];

fn divides(digits: &[u32], weights: &[u32]) -> bool {
    digits.iter().zip(weights).map(|(d, w)| d * w).sum::<u32>().is_multiple_of(11)
}

/// Judges a number of this kind. `month_offsets` are those that test populations add (40, 65 and 80 are in
/// use); a number with a configured offset counts as in range.
#[must_use]
pub fn check(kind: &str, value: &str, month_offsets: &[u8]) -> Checksum {
    if !NATIONAL.contains(&kind) {
        return Checksum::NotApplicable;
    }
    let digits: Option<Vec<u32>> = value.chars().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|d| d.len() == 11) else { return Checksum::Fails };
    // Both weighted sums, the check digit added with weight 1, are divisible by 11: this also refuses the
    // numbers that were never issued, whose check digit would be 10.
    if !divides(&digits, &FIRST) || !divides(&digits, &SECOND) {
        return Checksum::Fails;
    }
    let number = |from: usize, len: usize| digits.iter().skip(from).take(len).fold(0, |n, d| n * 10 + d);
    let (day, month, year, individual) = (number(0, 2), number(2, 2), number(4, 2), number(6, 3));
    let in_range = match kind {
        //= HIS 1001:2010 §4
        //# FHN: first nine digits 800 000 000 - 999 999 999; no birth date, no sex.
        "FHN" => number(0, 9) >= 800_000_000,
        "DNR" => (41..=71).contains(&day) && born(day - 40, month, year, individual, month_offsets),
        // The birth date of a help number may be fictitious; only its form is checked.
        "HNR" => (1..=31).contains(&day) && (41..=52).contains(&month),
        _ => born(day, month, year, individual, month_offsets),
    };
    if in_range { Checksum::Holds } else { Checksum::OutOfRange }
}

/// Whether day, month, year and individual number make a date that was ever given a number.
fn born(day: u32, month: u32, year: u32, individual: u32, month_offsets: &[u8]) -> bool {
    //= HIS 1001:2010 §4
    //# 500-749 and YY ≥ 55 → 18xx; 000-499 → 19xx; 900-999 and YY ≥ 40 → 19xx; 500-999 and YY < 40 → 20xx.
    let century = match individual {
        0..=499 => 1900,
        500..=749 if year >= 55 => 1800,
        900..=999 if year >= 40 => 1900,
        500..=999 if year < 40 => 2000,
        _ => return false,
    };
    std::iter::once(0).chain(month_offsets.iter().map(|o| u32::from(*o))).any(|offset| {
        let date = || {
            let part = |n: u32| i8::try_from(n).ok();
            let month = month.checked_sub(offset)?;
            Date::new(i16::try_from(century + year).ok()?, part(month)?, part(day)?).ok()
        };
        date().is_some()
    })
}

/// The verdict on the patient's national number; none if there is none.
pub(super) fn of(patient: &Patient, month_offsets: &[u8]) -> Option<Checksum> {
    let first = patient.idents.iter().find(|i| !i.value.is_empty())?;
    Some(check(&first.kind, &first.value, month_offsets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_standard() {
        let verdict = |n| check("FNR", n, &[]);
        assert_eq!(verdict("01015000232"), Checksum::Holds);
        assert_eq!(verdict("01015000322"), Checksum::Fails, "k1");
        assert_eq!(verdict("01015002322"), Checksum::Fails, "k1 holds, k2 does not");
        for text in ["", "0101500023", "010150 00232", "0101500023x", "٠١٠١٥٠٠٠٢٣٢"] {
            assert_eq!(verdict(text), Checksum::Fails, "{text}");
        }
    }

    /// Appends the check digits; none if the number was never issued.
    fn complete(nine: &str) -> Option<String> {
        (0..100).map(|k| format!("{nine}{k:02}")).find(|n| {
            let digits: Vec<u32> = n.chars().filter_map(|c| c.to_digit(10)).collect();
            divides(&digits, &FIRST) && divides(&digits, &SECOND)
        })
    }

    #[test]
    fn each_kind_has_its_range() {
        let issued = |stem: &str| -> String {
            (0..1000)
                .find_map(|n| {
                    let nine = format!("{stem}{n:03}");
                    complete(&nine.chars().take(9).collect::<String>())
                })
                .unwrap_or_else(|| panic!("some number begins with {stem}"))
        };
        assert_eq!(check("DNR", &issued("410150"), &[]), Checksum::Holds);
        assert_eq!(check("FNR", &issued("410150"), &[]), Checksum::OutOfRange, "a D-number as FNR");
        assert_eq!(check("DNR", &issued("010150"), &[]), Checksum::OutOfRange);
        assert_eq!(check("HNR", &issued("014150"), &[]), Checksum::Holds);
        assert_eq!(check("FHN", &issued("800000"), &[]), Checksum::Holds);
        assert_eq!(check("FHN", &issued("700000"), &[]), Checksum::OutOfRange);
        assert_eq!(check("FNR", &issued("300250"), &[]), Checksum::OutOfRange, "30 February");
        for offset in [40, 65, 80] {
            let number = issued(&format!("01{:02}50", 1 + offset));
            assert_eq!(check("FNR", &number, &[]), Checksum::OutOfRange, "{offset}");
            assert_eq!(check("FNR", &number, &[40, 65, 80]), Checksum::Holds, "{offset}");
        }
        assert_eq!(check("DUF", "200012345678", &[]), Checksum::NotApplicable);
    }
}
