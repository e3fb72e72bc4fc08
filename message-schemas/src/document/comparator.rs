//! What stands before a number: `ArithmeticComp`, K(8239).
//!
//! A number without its comparator is another result, so one that is sent is always told. Its code is read in
//! either case, and also as the sign itself (`<=`). Anything else, a text without a code (document-sharing §3.1),
//! and a code beside the text of another one, is not understood: it then stands before the number as it was sent, and
//! the result is text, never a Quantity.

use super::lists::list_text;
use super::values::Code;
use super::words::code_text;

/// A comparator of K(8239) that says more than "equal".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    GreaterOrEqual,
    Greater,
    LessOrEqual,
    Less,
    MuchGreater,
    MuchLess,
    NotEqual,
}

/// What a message says of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Compared {
    /// It is the value: no comparator, an empty one, or "equal".
    Equal,
    Known(Comparator),
    /// As sent.
    NotUnderstood(String),
}

/// The codes with the signs that senders write for them.
const CODES: [(&str, &[&str], Option<Comparator>); 8] = [
    ("EQ", &["=", "=="], None),
    ("GE", &[">=", "=>", "≥"], Some(Comparator::GreaterOrEqual)),
    ("GT", &[">"], Some(Comparator::Greater)),
    ("LE", &["<=", "=<", "≤"], Some(Comparator::LessOrEqual)),
    ("LT", &["<"], Some(Comparator::Less)),
    ("MG", &[">>", "≫"], Some(Comparator::MuchGreater)),
    ("ML", &["<<", "≪"], Some(Comparator::MuchLess)),
    ("NE", &["<>", "!=", "≠"], Some(Comparator::NotEqual)),
];

impl Compared {
    pub(super) fn read(code: Option<&Code<'_>>) -> Self {
        let Some(code) = code else { return Self::Equal };
        let texts = [code.own, code.display];
        let Some(value) = code.code() else {
            return if texts == [None, None] { Self::Equal } else { Self::as_sent(code) };
        };
        let known =
            CODES.iter().find(|(c, signs, _)| c.eq_ignore_ascii_case(value) || signs.contains(&value));
        let Some((known, _, comparator)) = known else { return Self::as_sent(code) };
        let of_another = |text: &str| {
            CODES.iter().any(|(c, signs, _)| {
                c != known
                    && (signs.contains(&text)
                        || c.eq_ignore_ascii_case(text)
                        || list_text(8239, c).is_some_and(|t| t.to_lowercase() == text.to_lowercase()))
            })
        };
        if texts.into_iter().flatten().any(of_another) {
            return Self::as_sent(code);
        }
        comparator.map_or(Self::Equal, Self::Known)
    }

    fn as_sent(code: &Code<'_>) -> Self {
        let mut text = String::new();
        code_text(code, &mut text);
        Self::NotUnderstood(text)
    }

    /// What a person reads before the number, without a blank behind it.
    pub(super) fn sign(&self) -> &str {
        match self {
            Self::Equal => "",
            Self::Known(Comparator::GreaterOrEqual) => "≥",
            Self::Known(Comparator::Greater) => ">",
            Self::Known(Comparator::LessOrEqual) => "≤",
            Self::Known(Comparator::Less) => "<",
            Self::Known(Comparator::MuchGreater) => "≫",
            Self::Known(Comparator::MuchLess) => "≪",
            Self::Known(Comparator::NotEqual) => "≠",
            Self::NotUnderstood(sent) => sent,
        }
    }
}

impl Comparator {
    /// As FHIR has it (`quantity-comparator`); none for everything but the number.
    pub(super) const fn fhir(self) -> Option<&'static str> {
        match self {
            Self::GreaterOrEqual => Some(">="),
            Self::Greater | Self::MuchGreater => Some(">"),
            Self::LessOrEqual => Some("<="),
            Self::Less | Self::MuchLess => Some("<"),
            Self::NotEqual => None,
        }
    }

    /// What it says beyond [`Self::fhir`]: the text of the list.
    pub(super) fn remark(self) -> Option<&'static str> {
        match self {
            Self::MuchGreater => list_text(8239, "MG"),
            Self::MuchLess => list_text(8239, "ML"),
            Self::GreaterOrEqual | Self::Greater | Self::LessOrEqual | Self::Less | Self::NotEqual => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    fn compared(attributes: &str) -> Compared {
        let tree = Tree::parse(&format!("<ArithmeticComp {attributes}/>"), &Limits::default()).unwrap();
        Compared::read(Some(&Code::read(tree.root().unwrap())))
    }

    #[test]
    fn codes_and_signs_are_understood() {
        for (attributes, sign, fhir) in [
            ("V='LT' DN='Mindre enn'", "<", "<"),
            ("V='lt' DN='mindre enn'", "<", "<"),
            ("V=' LT '", "<", "<"),
            ("V='&lt;' DN='Mindre enn'", "<", "<"),
            ("V='&gt;='", "≥", ">="),
            ("V='LE' DN='Mindre enn eller lik'", "≤", "<="),
            ("V='MG' DN='Mye større enn'", "≫", ">"),
        ] {
            let found = compared(attributes);
            assert_eq!(found.sign(), sign, "{attributes}");
            let Compared::Known(comparator) = found else { panic!("{attributes}: {found:?}") };
            assert_eq!(comparator.fhir(), Some(fhir), "{attributes}");
        }
        for equal in ["", "V=''", "V='NULL'", "V='EQ' DN='Lik'", "V='='"] {
            assert_eq!(compared(equal), Compared::Equal, "{equal}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told_as_sent() {
        for (attributes, sign) in [
            ("V='L' DN='Lavere enn'", "Lavere enn (L)"),
            ("V='L'", "L"),
            ("DN='Mindre enn'", "Mindre enn"),
            ("V='' OT='under'", "under"),
            ("V='&amp;lt;'", "&lt;"),
            ("V='GT' DN='Mindre enn'", "Mindre enn (GT)"),
            ("V='EQ' DN='&lt;'", "< (EQ)"),
        ] {
            assert_eq!(compared(attributes), Compared::NotUnderstood(sign.to_owned()), "{attributes}");
        }
    }
}
