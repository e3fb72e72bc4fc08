//! Code lists: from the OID that a sender writes, or the list that an element implies, to a FHIR system.
//!
//! `K(n)` is the national list `2.16.578.1.12.4.1.1.<n>`. In the order of document-sharing §3.3: configured
//! exceptions, then `urn:oid:`; in NILAR's mode NILAR's own names. Codes and displays are never corrected.

use super::Mode;
use super::fhir::{CodeableConcept, Coding};
use super::json_text::{JsonText, WriteJson};
pub(super) use super::lists::list_text;
use super::values::Code;
use crate::time::Written;
use std::borrow::Cow;
use std::fmt;

const NATIONAL: &str = "2.16.578.1.12.4.1.1.";
const OID: &str = "urn:oid:";
const NILAR: &str = "http://ehelse.no/fhir/CodeSystem/no-kodeverk-";

/// A code system, written out only in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum System<'a> {
    /// A URI of our own knowledge.
    Uri(&'static str),
    /// `urn:oid:<OID>`
    Oid(&'a str),
    /// `urn:oid:<K(n)>`
    List(u16),
    /// NILAR's name of K(n).
    Nilar(u16),
}

impl<'a> System<'a> {
    /// The system of a national list.
    pub(super) fn list(n: u16, mode: Mode) -> Self {
        match (n, mode) {
            (7180, _) => Self::Uri("http://www.whocc.no/atc"),
            (7110 | 7170, _) | (_, Mode::Document) => Self::List(n),
            (7280, Mode::Nilar) => Self::Uri("http://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk"),
            (7270, Mode::Nilar) => Self::Uri("http://ehelse.no/fhir/CodeSystem/no-kodeverk-7270-ncrp"),
            (7010, Mode::Nilar) => Self::Uri("http://ehelse.no/fhir/CodeSystem/no-kodeverk-7010-norpat"),
            (_, Mode::Nilar) => Self::Nilar(n),
        }
    }

    /// The system of an OID as sent.
    pub(super) fn oid(oid: &'a str, mode: Mode) -> Self {
        match national(oid) {
            Some(n) => Self::list(n, mode),
            None => Self::Oid(oid),
        }
    }
}

/// The number of a national list, if the OID is of one.
pub(super) fn national(oid: &str) -> Option<u16> {
    oid.strip_prefix(NATIONAL)?.parse().ok()
}

impl fmt::Display for System<'_> {
    /// As it is written in a document.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(uri) => f.write_str(uri),
            Self::Oid(oid) => {
                f.write_str(OID)?;
                f.write_str(oid)
            }
            Self::List(n) => {
                f.write_str(OID)?;
                f.write_str(NATIONAL)?;
                f.write_str(Written::new().digits((*n).into()).as_str())
            }
            Self::Nilar(n) => {
                f.write_str(NILAR)?;
                f.write_str(Written::new().digits((*n).into()).as_str())
            }
        }
    }
}

impl WriteJson for System<'_> {
    fn write_json(&self, out: &mut JsonText) {
        let digits = |n: u16| Written::new().digits(n.into());
        match *self {
            Self::Uri(uri) => uri.write_json(out),
            Self::Oid(oid) => {
                out.raw(b"\"");
                out.raw(OID.as_bytes());
                out.escaped(oid);
                out.raw(b"\"");
            }
            Self::List(n) => out.own([OID.as_bytes(), NATIONAL.as_bytes(), digits(n).as_bytes()]),
            Self::Nilar(n) => out.own([NILAR.as_bytes(), digits(n).as_bytes()]),
        }
    }
}

/// The coding of a code with its own list, else of the list that its element implies. None without code or
/// without list.
pub(super) fn coding<'a>(code: &'a Code<'_>, implied: Option<u16>, mode: Mode) -> Option<Coding<'a>> {
    let value = code.code()?;
    let system = match (code.system, implied) {
        (Some(oid), _) => System::oid(oid, mode),
        (None, Some(list)) => System::list(list, mode),
        (None, None) => return None,
    };
    // Senders write ATC codes with a blank in them; the code has none (document-sharing §3.3).
    let list = code.system.map_or(implied, national);
    let value = if list == Some(7180) && value.contains(' ') {
        Cow::Owned(value.replace(' ', ""))
    } else {
        Cow::Borrowed(value)
    };
    Some(Coding { system: Some(system), code: Some(value), display: code.display.map(Cow::Borrowed) })
}

/// Coding and text. Of a CV the text is the sender's own (`@OT`), else the display; a CS that is a coding
/// needs no text beside it.
pub(super) fn concept<'a>(
    code: &'a Code<'_>,
    implied: Option<u16>,
    mode: Mode,
) -> Option<CodeableConcept<'a>> {
    let coding = coding(code, implied, mode);
    let text = match &coding {
        Some(_) if code.system.is_some() => code.own.or(code.display),
        Some(_) => code.own,
        None => code.words(),
    };
    (coding.is_some() || text.is_some())
        .then(|| CodeableConcept { coding: coding.into_iter().collect(), text: text.map(Cow::Borrowed) })
}

/// What a person reads for a code of a list whose texts decide how a result is taken: the list's own text comes first
/// where the text sent is another one, since what a machine reads is the code (document-sharing §3.1).
pub(super) fn words_of_list<'a>(code: &'a Code<'_>, list: u16) -> Option<Cow<'a, str>> {
    let text = code.code().and_then(|c| list_text(list, c));
    match (text, code.own.or(code.display)) {
        (Some(text), Some(sent)) if !says(sent, text) => Some(Cow::Owned(format!("{text} ({sent})"))),
        _ => words(code, list).map(Cow::Borrowed),
    }
}

/// What a person reads where a code names what stands beside it: as [`spoken`], and what the sender gave as the text of the
/// list where its own text is another.
pub(super) fn heading<'a>(code: &'a Code<'_>) -> Option<Cow<'a, str>> {
    match (code.own, code.display) {
        (Some(own), Some(listed)) if !says(own, listed) => Some(Cow::Owned(format!("{own} ({listed})"))),
        _ => spoken(code).map(Cow::Borrowed),
    }
}

/// True if what was sent begins with the text of a list, or is the beginning of it and leaves out nothing that denies it, but
/// for case and what stands between letters.
fn says(sent: &str, text: &str) -> bool {
    fn letters(text: &str) -> impl Iterator<Item = char> {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
    }
    let begins = |long: &str, short: &str| {
        let mut long = letters(long);
        letters(short).all(|letter| long.next() == Some(letter))
    };
    let denies = |text: &str| {
        let words = text.split(|c: char| !c.is_alphanumeric());
        words.map(str::to_lowercase).any(|word| matches!(&*word, "ikke" | "ingen" | "uten"))
    };
    // Nearly all is sent in the list's own words.
    sent.starts_with(text)
        || begins(sent, text)
        || (letters(sent).nth(3).is_some() && begins(text, sent) && denies(text) == denies(sent))
}

/// What a person reads for a code that names its own list, as [`words`].
pub(super) fn spoken<'a>(code: &'a Code<'_>) -> Option<&'a str> {
    match code.system.and_then(national) {
        Some(list) => words(code, list),
        None => code.words(),
    }
}

/// What a person reads for a code: what was sent, else the text of its list, else the code.
pub(super) fn words<'a>(code: &'a Code<'_>, list: u16) -> Option<&'a str> {
    code.own.or(code.display).or_else(|| code.code().map(|c| list_text(list, c).unwrap_or(c)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    #[test]
    fn the_beginning_of_a_text_says_it_unless_the_rest_denies_it() {
        assert!(says("Elektiv", "Elektiv/Ordinær (elektiv)"));
        assert!(!says("Dosering inngår", "Dosering inngår ikke i en multidose"));
        assert!(!says("Ja, samtykke", "Nei, pasienten har ikke samtykket"));
    }

    #[test]
    fn a_text_does_not_speak_against_its_code() {
        for (attributes, shown) in [
            (
                "V='1' DN='Under nedre referansegrense'",
                "Over øvre referansegrense (Under nedre referansegrense)",
            ),
            ("V='1' DN='Over øvre referansegrense'", "Over øvre referansegrense"),
            ("V='2' DN='under nedre  Referansegrense.'", "under nedre  Referansegrense."),
            ("V='2'", "Under nedre referansegrense"),
            ("V='1' DN='Over øvre'", "Over øvre"),
            ("V='1' DN='O'", "Over øvre referansegrense (O)"),
            ("V='GT' DN='Større'", "Større"),
            ("DN='Over'", "Over"),
            ("V='9'", "9"),
        ] {
            let tree = Tree::parse(&format!("<DevResultInd {attributes}/>"), &Limits::default()).unwrap();
            let code = Code::read(tree.root().unwrap());
            assert_eq!(words_of_list(&code, 8244).as_deref(), Some(shown), "{attributes}");
        }
    }
}
