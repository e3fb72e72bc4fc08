//! Identifiers of persons and organisations: kinds of KITH to systems of FHIR, and the check digits.
//!
//! The kind that the sender names decides; the digits are then checked against it (document-sharing §3.2,
//! HIS 1001:2010 §4). A number is kept as text and never corrected.

use super::codes::System;
use super::fhir::{CodeableConcept, Coding, Identifier, Reference};
use super::values::{Code, Words};
use super::{Mode, codes};
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
    /// Length and check digits are right.
    pub sound: bool,
    /// From a synthetic population: never a living person.
    pub synthetic: bool,
}

/// Judges the official id of a patient; none for kinds that no register in Norway answers for.
pub(super) fn judge(kind: &str, value: &str) -> Option<Judged> {
    let digits: Vec<u32> = value.chars().filter_map(|c| c.to_digit(10)).collect();
    let all_digits = digits.len() == value.chars().count();
    let first = digits.first().copied().unwrap_or(0);
    let month = digits.get(2..4).map_or(0, |m| m.iter().fold(0, |n, d| n * 10 + d));
    let sound = all_digits && check_digits(&digits);
    // Month + 80 (national test population), + 65 (Tax administration's); + 40 is also a local help number.
    let synthetic = matches!(month, 81..=92 | 66..=77 | 41..=52);
    Some(match kind {
        "FNR" | "DNR" => {
            let d_number = (4..=7).contains(&first);
            let system = if d_number || kind == "DNR" { "DNR" } else { "FNR" };
            Judged {
                system: person_system(system)?,
                really_d_number: d_number && kind == "FNR",
                sound,
                synthetic,
            }
        }
        "FHN" => Judged {
            system: person_system("FHN")?,
            really_d_number: false,
            sound: sound && (first == 8 || first == 9),
            synthetic: false,
        },
        "DUF" => Judged {
            system: person_system("DUF")?,
            really_d_number: false,
            sound: all_digits && digits.len() == 12,
            synthetic: false,
        },
        _ => return None,
    })
}

//= HIS 1001:2010 §4
//# Both weighted sums, with the check digit added, are divisible by eleven.
fn check_digits(digits: &[u32]) -> bool {
    let sum = |weights: &[u32]| digits.iter().zip(weights).map(|(d, w)| d * w).sum::<u32>();
    digits.len() == 11
        && sum(&[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
        && sum(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
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
        assert_eq!(judge("PNR", "123"), None);
    }
}
