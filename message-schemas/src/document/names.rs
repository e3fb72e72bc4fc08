//! Names of persons: one text in the older families, parts in the newer.

use super::coverage::Coverage;
use super::fhir::{Extension, ExtensionValue, HumanName};
use super::values::{Sourced, Words, first};
use crate::xml::Node;
use std::borrow::Cow;

const MIDDLE: &str = "http://hl7.no/fhir/StructureDefinition/no-basis-middlename";

/// A name as sent.
#[derive(Debug, Clone)]
pub(super) enum Name<'t> {
    /// `Family, Given Middle`, a name as it is said, or an organisation's.
    Whole(Words<'t>),
    /// `FamilyName`, `MiddleName`, `GivenName`.
    Parts { family: Option<Words<'t>>, middle: Option<Words<'t>>, given: Option<Words<'t>> },
}

impl<'t> Name<'t> {
    /// A name in one text.
    pub(super) fn read(node: Node<'t>) -> Option<Self> {
        Words::read(node).map(Self::Whole)
    }

    /// Takes a part of a name, if the element is one.
    pub(super) fn take(slot: &mut Option<Self>, e: Node<'t>) -> bool {
        if !matches!(e.name(), "FamilyName" | "MiddleName" | "GivenName") {
            return false;
        }
        let Some(words) = Words::read(e) else { return true };
        let name = slot.get_or_insert(Self::Parts { family: None, middle: None, given: None });
        if let Self::Parts { family, middle, given } = name {
            let part = match e.name() {
                "FamilyName" => family,
                "MiddleName" => middle,
                _ => given,
            };
            first(part, Some(words));
        }
        true
    }

    /// The texts that it is made of, as a person says them.
    pub(super) fn words(&self) -> impl Iterator<Item = &Words<'t>> {
        let parts = match self {
            Self::Whole(words) => [Some(words), None, None],
            Self::Parts { family, middle, given } => [given.as_ref(), middle.as_ref(), family.as_ref()],
        };
        parts.into_iter().flatten()
    }

    /// The name as sent, parts in the order that they are said in.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Whole(words) => Cow::Borrowed(&*words.value),
            Self::Parts { .. } => {
                let parts: Vec<&str> = self.words().map(|w| &*w.value).collect();
                Cow::Owned(parts.join(" "))
            }
        }
    }

    /// The name as it is said: given before family.
    pub(super) fn spoken(&self) -> String {
        match self {
            Self::Whole(words) => spoken(short(&words.value)),
            Self::Parts { .. } => short(&self.text()).to_owned(),
        }
    }

    /// As FHIR; an organisation has no use for it.
    pub(super) fn fhir(&self) -> HumanName<'_> {
        match self {
            Self::Whole(words) => human_name(&words.value),
            Self::Parts { family, middle, given } => {
                let middle = borrowed(middle);
                let middle = middle.map(|m| Extension { url: MIDDLE, value: ExtensionValue::String(m) });
                HumanName {
                    extension: middle.into_iter().collect(),
                    text: None,
                    family: borrowed(family),
                    given: borrowed(given).into_iter().collect(),
                }
            }
        }
    }

    /// Family, given and middle names; what cannot be told apart is given.
    pub(super) fn parted(&self) -> [String; 3] {
        match self {
            Self::Whole(words) => {
                let (family, given) = parted(&words.value);
                [family, given, String::new()]
            }
            Self::Parts { family, middle, given } => [family, given, middle]
                .map(|part| part.as_ref().map(|w| w.value.to_string()).unwrap_or_default()),
        }
    }

    pub(super) fn mapped(&self, coverage: &mut Coverage, target: &'static str) {
        self.words().for_each(|w| w.mapped(coverage, target));
    }

    pub(super) fn told(&self, coverage: &mut Coverage, section: &'static str) {
        self.words().for_each(|w| w.told(coverage, section));
    }
}

fn borrowed<'n>(words: &'n Option<Words<'_>>) -> Option<Cow<'n, str>> {
    words.as_ref().map(|w| Cow::Borrowed(&*w.value))
}

/// A name that is repeated in many places is cut to what a name can be.
pub(super) fn short(name: &str) -> &str {
    match name.char_indices().nth(200) {
        Some((end, _)) => name.get(..end).unwrap_or(name),
        None => name,
    }
}

/// `Family, Given Middle`. Where there is no comma, only the last word can be told to be the family name.
pub(super) fn human_name(sent: &str) -> HumanName<'_> {
    let mut name = HumanName { text: Some(Cow::Borrowed(sent)), ..HumanName::default() };
    match sent.split_once(',') {
        Some((family, given)) => {
            name.family = Some(family.trim()).filter(|f| !f.is_empty()).map(Cow::Borrowed);
            name.given = given.split_whitespace().take(20).map(Cow::Borrowed).collect();
        }
        None => name.family = sent.split_whitespace().next_back().map(Cow::Borrowed),
    }
    name
}

fn spoken(sent: &str) -> String {
    match sent.split_once(',') {
        Some((family, given)) => format!("{} {}", given.trim(), family.trim()).trim().to_owned(),
        None => sent.to_owned(),
    }
}

/// Family and given names of a whole name: at the comma, else the last word is the family name.
fn parted(name: &str) -> (String, String) {
    match name.split_once(',') {
        Some((family, given)) => (family.trim().to_owned(), given.trim().to_owned()),
        None => match name.trim().rsplit_once(char::is_whitespace) {
            Some((given, family)) => (family.to_owned(), given.trim().to_owned()),
            None => (name.trim().to_owned(), String::new()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parted_at_the_comma_only() {
        let name = human_name("Berg, Kari Anne");
        assert_eq!((name.family.as_deref(), name.given.len()), (Some("Berg"), 2));
        let name = human_name("Kari Berg");
        assert_eq!((name.family.as_deref(), name.given.len()), (Some("Berg"), 0));
        assert_eq!(spoken("Berg, Kari Anne"), "Kari Anne Berg");
        assert_eq!(spoken("Kari"), "Kari");
    }

    #[test]
    fn for_metadata_the_last_word_is_the_family_name() {
        let parts = |name: &str| {
            let (family, given) = parted(name);
            format!("{family}|{given}")
        };
        assert_eq!(parts("Berg, Kari Anne"), "Berg|Kari Anne");
        assert_eq!(parts("Kari Anne Berg"), "Berg|Kari Anne");
        assert_eq!(parts("Berg"), "Berg|");
        assert_eq!(parts(" , "), "|");
    }
}
