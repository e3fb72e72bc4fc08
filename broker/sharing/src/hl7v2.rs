//! Values of metadata in the form of HL7 version 2: identifiers (CX), organisations (XON), persons (XCN), codes,
//! and what is said of the patient (PID).
//!
//! Registries compare these texts as they stand, so each has one form here. The authority is a bare OID: a prefix
//! `urn:oid:` is a known fault of samples.

use std::borrow::Cow;

/// Longest value of a slot, in characters (`LongName` of ebRIM 3.0).
pub const LONGEST: usize = 256;

/// A component: what separates is escaped, and line breaks become blanks.
//= HL7 v2.5 §2.7.1
#[must_use]
pub fn escape(component: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '\\' | '^' | '&' | '~' | '|') || c.is_control();
    if !component.contains(special) {
        return Cow::Borrowed(component);
    }
    let mut out = String::with_capacity(component.len() + 8);
    for c in component.chars() {
        match c {
            '\\' => out.push_str("\\E\\"),
            '^' => out.push_str("\\S\\"),
            '&' => out.push_str("\\T\\"),
            '~' => out.push_str("\\R\\"),
            '|' => out.push_str("\\F\\"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// An identifier with its authority (CX): of a patient.
#[must_use]
pub fn cx(id: &str, authority: &str) -> String {
    format!("{}^^^&{}&ISO", escape(id), escape(authority))
}

/// An identifier with its authority and kind (CXi): of a document or order that this one belongs to.
#[must_use]
pub fn cxi(id: &str, authority: &str, kind: &str) -> String {
    format!("{}^{}", cx(id, authority), escape(kind))
}

/// An organisation (XON): its name, and an identifier with its authority where one is known.
#[must_use]
pub fn xon(name: &str, id: Option<(&str, &str)>) -> String {
    fitted([name], |[name]| match id {
        Some((id, authority)) => {
            format!("{}^^^^^&{}&ISO^^^^{}", escape(name), escape(authority), escape(id))
        }
        None => escape(name).into_owned(),
    })
}

/// A person (XCN): an identifier with its authority where one is known, family, given and middle name.
#[must_use]
pub fn xcn(id: Option<(&str, &str)>, family: &str, given: &str, middle: &str) -> String {
    fitted([family, given, middle], |[family, given, middle]| {
        let names = joined([family, given, middle]);
        match id {
            Some((id, authority)) => {
                // Nine components: what is between the names and the authority stays empty.
                let empty = "^".repeat(7_usize.saturating_sub(names.matches('^').count()).max(1));
                format!("{}^{names}{empty}&{}&ISO", escape(id), escape(authority))
            }
            None => format!("^{names}"),
        }
    })
}

/// A code of a list, as roles and specialities of authors are written.
#[must_use]
pub fn coded(code: &str, list: &str) -> String {
    cx(code, list)
}

/// What is said of the patient: name, day of birth and sex, each only if known. Never numbers, addresses or telephones.
#[must_use]
pub fn patient_info(
    names: Option<(&str, &str, &str)>,
    born: Option<jiff::civil::Date>,
    sex: Option<&str>,
) -> Vec<String> {
    let mut values = Vec::with_capacity(3);
    if let Some((family, given, middle)) = names {
        values.push(fitted([family, given, middle], |names| format!("PID-5|{}", joined(names.map(|n| n)))));
    }
    if let Some(born) = born {
        values.push(format!("PID-7|{:04}{:02}{:02}", born.year(), born.month(), born.day()));
    }
    if let Some(sex) = sex {
        values.push(format!("PID-8|{}", escape(sex)));
    }
    values
}

/// Components one after the other, without empty ones at the end.
fn joined(components: [&str; 3]) -> String {
    let all = components.map(|c| escape(c)).join("^");
    all.trim_end_matches('^').to_owned()
}

/// Writes names, and shortens the longest of them until the value is no longer than a slot takes.
fn fitted<const N: usize>(names: [&str; N], write: impl Fn([&str; N]) -> String) -> String {
    let mut lengths = names.map(|name| name.chars().count().min(LONGEST));
    loop {
        let mut short = names;
        for (name, length) in short.iter_mut().zip(lengths) {
            let end = name.char_indices().nth(length).map_or(name.len(), |(at, _)| at);
            *name = name.get(..end).unwrap_or_default().trim();
        }
        let written = write(short);
        let over = written.chars().count().saturating_sub(LONGEST);
        let Some(longest) = lengths.iter_mut().max_by_key(|length| **length).filter(|length| **length > 0)
        else {
            return written;
        };
        if over == 0 {
            return written;
        }
        // An escape takes three characters for one, so that a third of what is too much is surely too long.
        *longest = longest.saturating_sub((over / 3).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HPR: &str = "2.16.578.1.12.4.1.4.4";
    const ENH: &str = "2.16.578.1.12.4.1.4.101";

    #[test]
    fn separators_inside_a_component_are_escaped() {
        assert_eq!(escape(r"a\b^c&d~e|f"), r"a\E\b\S\c\T\d\R\e\F\f");
        assert_eq!(escape("two\nlines"), "two lines");
        assert_eq!(escape("Ås & Sønn"), r"Ås \T\ Sønn");
    }

    #[test]
    fn persons_have_their_authority_in_the_ninth_component() {
        for (middle, names) in [("", "Berg^Kari"), ("Lie", "Berg^Kari^Lie")] {
            let value = xcn(Some(("7654321", HPR)), "Berg", "Kari", middle);
            assert!(value.starts_with(&format!("7654321^{names}^")), "{value}");
            assert_eq!(value.split('^').nth(8), Some("&2.16.578.1.12.4.1.4.4&ISO"), "{value}");
            assert_eq!(value.split('^').count(), 9, "{value}");
        }
        assert_eq!(xcn(None, "Berg", "Kari", ""), "^Berg^Kari");
        let nameless = xcn(Some(("7654321", HPR)), "", "", "");
        assert_eq!(nameless.split('^').nth(8), Some("&2.16.578.1.12.4.1.4.4&ISO"), "{nameless}");
        assert_eq!(nameless.split('^').count(), 9);
    }

    #[test]
    fn organisations_have_name_authority_and_id_in_one_six_and_ten() {
        let value = xon("Fjord sykehus", Some(("974589095", ENH)));
        let components: Vec<_> = value.split('^').collect();
        assert_eq!(components.len(), 10);
        assert_eq!(
            [components[0], components[5], components[9]],
            ["Fjord sykehus", "&2.16.578.1.12.4.1.4.101&ISO", "974589095"]
        );
        assert_eq!(xon("Fjord sykehus", None), "Fjord sykehus");
    }

    #[test]
    fn what_is_too_long_for_a_slot_is_shortened_in_the_names() {
        let long = "Ø".repeat(1_000_000);
        for value in [
            xon(&long, Some(("974589095", ENH))),
            xcn(Some(("7654321", HPR)), &long, &"^".repeat(500), ""),
            xcn(None, &long, &long, &long),
        ] {
            assert!(value.chars().count() <= LONGEST, "{}", value.chars().count());
        }
        let value = xon(&long, Some(("974589095", ENH)));
        assert!(value.ends_with("^^^^974589095") && value.starts_with("ØØØ"));
        let info = patient_info(Some((&long, "Kari", "")), None, None);
        assert!(info.iter().all(|v| v.chars().count() <= LONGEST), "{}", info.len());
    }

    #[test]
    fn the_patient_is_told_with_name_birth_and_sex_alone() {
        let born = jiff::civil::date(1969, 1, 3);
        assert_eq!(
            patient_info(Some(("Dal", "Line", "")), Some(born), Some("F")),
            ["PID-5|Dal^Line", "PID-7|19690103", "PID-8|F"]
        );
        assert!(patient_info(None, None, None).is_empty());
    }
}
