//! Identifiers of persons and organisations: kinds of KITH to systems of FHIR, and the check digits.
//!
//! The kind that the sender names decides; the digits are then checked against it (document-sharing §3.2,
//! HIS 1001:2010 §4), by the rule that validation has too: check digits, a day that there was, the range of the kind. So
//! eleven zeros are nobody's number, and a national identity number sent as a D-number is not sound. The one exception is
//! a D-number sent as a national identity number, which is common and can be told. A number is kept as text and never
//! corrected.

use super::codes::System;
use super::fhir::{CodeableConcept, Coding, Identifier, Reference};
use super::values::{Code, Words};
use super::{Mode, codes};
use crate::head::{Checksum, check_person_id};
use std::borrow::Cow;

/// Longer than any id there is; what is longer is text, and is not repeated through the document.
pub(super) const LONGEST: usize = 128;

/// An id with its kind.
#[derive(Debug, Clone)]
pub(super) struct TypedId<'t> {
    pub id: Words<'t>,
    pub kind: Option<Code<'t>>,
}

impl<'t> TypedId<'t> {
    /// The kind's code.
    pub(super) fn kind(&self) -> Option<&str> {
        self.kind.as_ref().and_then(Code::code)
    }

    /// The value, unless it is `NULL` or too long for an id.
    pub(super) fn value(&self) -> Option<&str> {
        self.id.id().filter(|v| v.len() <= LONGEST)
    }
}

/// Systems that an organisation may be named by.
pub(super) fn organisation_system(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "ENH" => "urn:oid:2.16.578.1.12.4.1.4.101",
        "RSH" => "urn:oid:2.16.578.1.12.4.1.4.102",
        "AKO" => "urn:oid:2.16.578.1.12.4.1.4.107",
        "HER" => "urn:oid:2.16.578.1.12.4.1.2",
        _ => return None,
    })
}

/// Systems that a person may be named by.
pub(super) fn person_system(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "FNR" => "urn:oid:2.16.578.1.12.4.1.4.1",
        "DNR" => "urn:oid:2.16.578.1.12.4.1.4.2",
        "FHN" => "urn:oid:2.16.578.1.12.4.1.4.3",
        "DUF" => "urn:oid:2.16.578.1.12.4.1.4.5",
        "HPR" => "urn:oid:2.16.578.1.12.4.1.4.4",
        "HER" => "urn:oid:2.16.578.1.12.4.1.2",
        _ => return None,
    })
}

/// The first id that names its owner nationally, as `(system, id)`.
pub(super) fn national<'a, 't>(
    ids: &'a [TypedId<'t>],
    system: fn(&str) -> Option<&'static str>,
) -> Option<(&'static str, &'a TypedId<'t>)> {
    ids.iter().find_map(|id| {
        id.value()?;
        Some((system(id.kind()?)?, id))
    })
}

/// An identifier of any kind: with a system where the number is national, else with its kind and, where it is
/// known, who gave it.
pub(super) fn identifier<'a>(
    id: &'a TypedId<'_>,
    system: fn(&str) -> Option<&'static str>,
    list: u16,
    assigner: Option<Cow<'a, str>>,
    mode: Mode,
) -> Option<Identifier<'a>> {
    let value = id.value()?;
    let mut out = Identifier { value: Some(Cow::Borrowed(value)), ..Identifier::default() };
    if let Some(system) = id.kind().and_then(system) {
        out.system = Some(system);
        return Some(out);
    }
    out.assigner = assigner.map(|name| Box::new(Reference { display: Some(name), ..Reference::default() }));
    match id.kind() {
        // A local help number is an id only together with who gave it.
        Some("HNR") => {
            out.assigner.as_ref()?;
            out.system = Some("HNR");
            let coding = Coding::fixed(System::list(8327, mode), "HNR", None);
            out.kind = Some(CodeableConcept::of(coding));
        }
        Some("PNR" | "SSN" | "SEF" | "DKF" | "FPN" | "UID" | "XXX") => {
            out.kind = id.kind.as_ref().and_then(Code::words).map(CodeableConcept::text);
        }
        Some(_) | None => out.kind = id.kind.as_ref().and_then(|k| codes::concept(k, Some(list), mode)),
    }
    Some(out)
}

/// What the digits of a national id say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judged {
    /// The system that the digits belong to.
    pub system: &'static str,
    /// Sent as a national identity number, but the digits are those of a D-number.
    pub really_d_number: bool,
    /// Length, check digits, day and range are right.
    pub sound: bool,
    /// From a synthetic population: never a living person.
    pub synthetic: bool,
}

/// What test populations add to the month: the national one 80, the tax administration's 65; 40 is also a local help number.
const TEST_MONTHS: [u8; 3] = [40, 65, 80];

/// A D-number adds four to the first digit.
fn is_d_number(value: &str) -> bool {
    value.starts_with(|c: char| ('4'..='7').contains(&c))
}

/// The kind that a number of a register of births and residence is of by its digits; none for other kinds.
pub(super) fn register(kind: &str, value: &str) -> Option<&'static str> {
    matches!(kind, "FNR" | "DNR").then(|| if is_d_number(value) { "DNR" } else { "FNR" })
}

/// Day, month and the last two digits of the year that a number of [`register`] is issued on; none for what is no such
/// number.
pub(super) fn birth_date(kind: &str, value: &str) -> Option<(u8, u8, u8)> {
    register(kind, value)?;
    let two = |at: usize| value.get(at..at + 2)?.parse::<u8>().ok();
    let (day, month, year) = (two(0)?, two(2)?, two(4)?);
    let month = match month {
        81.. => month - 80,
        66.. => month - 65,
        41.. => month - 40,
        _ => month,
    };
    Some((if day > 40 { day - 40 } else { day }, month, year))
}

/// Judges the official id of a patient; none for kinds that no register in Norway answers for.
pub(super) fn judge(kind: &str, value: &str) -> Option<Judged> {
    let really_d_number = kind == "FNR" && is_d_number(value);
    let kind = if really_d_number { "DNR" } else { kind };
    let holds = |months: &[u8]| check_person_id(kind, value, months) == Checksum::Holds;
    let sound = match kind {
        "FNR" | "DNR" => holds(&TEST_MONTHS),
        "FHN" => holds(&[]),
        // Begins with the year of the application.
        "DUF" => {
            let year = value.get(..4).and_then(|year| year.parse().ok());
            value.len() == 12
                && value.bytes().all(|b| b.is_ascii_digit())
                && matches!(year, Some(1900_u16..=2099))
        }
        _ => return None,
    };
    let synthetic = matches!(kind, "FNR" | "DNR") && {
        let month = value.get(2..4).and_then(|month| month.parse().ok());
        matches!(month, Some(81_u8..=92 | 66..=77 | 41..=52))
    };
    Some(Judged { system: person_system(kind)?, really_d_number, sound, synthetic })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_checked_against_the_kind() {
        let fnr = judge("FNR", "01015000232").unwrap();
        assert!(fnr.sound && !fnr.synthetic && !fnr.really_d_number);
        assert!(!judge("FNR", "01015000322").unwrap().sound, "first check digit");
        assert!(!judge("FNR", "01015002322").unwrap().sound, "second check digit");
        assert!(!judge("FNR", "0101500023").unwrap().sound, "too short");
        assert!(!judge("FNR", "0101500023x").unwrap().sound);
        let d = judge("FNR", "41015000231").unwrap();
        assert!(d.really_d_number && d.system.ends_with(".4.2"));
        assert!(judge("DUF", "200812345678").unwrap().sound);
        assert!(!judge("DUF", "000000000000").unwrap().sound);
        assert_eq!(judge("PNR", "123"), None);
    }

    #[test]
    fn a_number_says_when_its_owner_was_born() {
        for number in ["13116900216", "13916900216", "13766900216", "13516900216", "53116900216"] {
            assert_eq!(birth_date("FNR", number), Some((13, 11, 69)), "{number}");
        }
        assert_eq!(birth_date("DNR", "53116900216"), Some((13, 11, 69)));
        assert_eq!(birth_date("FHN", "80000000000"), None);
        assert_eq!(birth_date("FNR", "x"), None);
    }

    /// The number with these nine digits, or with the next that has one.
    fn issued(stem: &str) -> String {
        let numbers = (0..100).flat_map(|n| (0..100).map(move |k| (n, k)));
        let passes = |number: &String| {
            let digits: Vec<u32> = number.chars().filter_map(|c| c.to_digit(10)).collect();
            let sum = |w: &[u32]| digits.iter().zip(w).map(|(d, w)| d * w).sum::<u32>() % 11;
            sum(&[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]) + sum(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]) == 0
        };
        numbers.map(|(n, k)| format!("{stem}{n:02}{k:02}")).find(passes).unwrap()
    }

    #[test]
    fn a_number_that_nobody_can_have_is_not_sound() {
        let sound = |kind: &str, number: &str| judge(kind, number).unwrap().sound;
        assert!(!sound("FNR", "00000000000"), "the check digits agree");
        for stem in ["3201500", "0113500", "3102500", "0100500", "0001500", "0153500"] {
            assert!(!sound("FNR", &issued(stem)), "{stem}");
        }
        assert!(sound("FNR", &issued("0101500")));
        assert!(sound("DNR", &issued("4101500")));
        assert!(!sound("DNR", &issued("0101500")), "a national identity number as a D-number");
        assert!(!sound("DNR", "00000000000") && !sound("FHN", "00000000000"));
        assert!(!sound("FNR", &issued("7201500")), "day 32 of a D-number");
        assert!(sound("FHN", &issued("8000000")) && !sound("FHN", &issued("7000000")));
        for month in [41, 52, 66, 77, 81, 92] {
            let judged = judge("FNR", &issued(&format!("01{month}500"))).unwrap();
            assert!(judged.sound && judged.synthetic, "{month}");
        }
        assert!(
            !sound("FNR", &issued("3182500")) && !sound("FNR", &issued("3267500")),
            "no such day in tests either"
        );
    }
}
