//! Why a value is not one of its type, in words that never quote it.

use super::{Bound, Compiled, Enumeration, Form, Shape};
use std::fmt;

/// Codes listed in an expectation; a longer list is only counted.
const LISTED: usize = 12;

/// A value that its type does not allow.
#[derive(Debug, Clone, Copy)]
pub struct Fault<'t> {
    /// What is wrong.
    pub reason: Reason,
    /// The type, or the member or item type that refused.
    pub of: &'t Compiled,
}

/// The facet or rule that a value breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Not written as the type demands.
    Lexical,
    /// Too short: characters, octets or items found.
    TooShort(u64),
    /// Too long: characters, octets or items found.
    TooLong(u64),
    /// Matches no pattern of one step.
    Pattern,
    /// Not one of the values listed.
    Enumeration,
    /// Below the range, or not comparable with its bound.
    TooSmall,
    /// Above the range, or not comparable with its bound.
    TooLarge,
    /// More digits than allowed.
    TotalDigits,
    /// More digits behind the point than allowed.
    FractionDigits,
    /// None of the member types takes it.
    NoMember,
    /// A prefix in it is not declared.
    Prefix,
    /// Names an entity, and there are none without a document type declaration.
    NoEntity,
}

impl fmt::Display for Fault<'_> {
    /// One sentence, starting with `The value`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = self.of.shape();
        let unit = self.of.unit();
        match self.reason {
            Reason::Lexical => write!(f, "The value is not {}.", self.of.phrase()),
            Reason::TooShort(found) => {
                write!(f, "The value has {found} {unit}; at least {} are required.", shape.min_length)
            }
            Reason::TooLong(found) => {
                let most = shape.max_length.unwrap_or_default();
                write!(f, "The value has {found} {unit}; at most {most} are allowed.")
            }
            Reason::Pattern => f.write_str("The value does not have the form that its type asks for."),
            Reason::Enumeration => f.write_str("The value is not one of those that its type lists."),
            Reason::TooSmall => f.write_str("The value is below the range of its type."),
            Reason::TooLarge => f.write_str("The value is above the range of its type."),
            Reason::TotalDigits => f.write_str("The value has more digits than its type allows."),
            Reason::FractionDigits => {
                f.write_str("The value has more digits behind the point than its type allows.")
            }
            Reason::NoMember => f.write_str("The value fits none of the forms that its type allows."),
            Reason::Prefix => f.write_str("The value is a name whose prefix is not declared."),
            Reason::NoEntity => f.write_str("The value names an entity that is not declared."),
        }
    }
}

impl Fault<'_> {
    /// What would have been right: a phrase such as `a date, YYYY-MM-DD` or `one of "A", "B"`.
    #[must_use]
    pub fn expected(&self) -> String {
        self.of.expectation()
    }

    /// What the sender can do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self.reason {
            Reason::Lexical | Reason::NoMember | Reason::Pattern => {
                "Write the value in the form that the type asks for."
            }
            Reason::TooShort(_) => {
                "Give the whole value, or leave the element or attribute out where that is allowed."
            }
            Reason::TooLong(_) => "Shorten the value.",
            Reason::Enumeration => "Use one of the values that the type lists.",
            Reason::TooSmall | Reason::TooLarge => "Give a value inside the range.",
            Reason::TotalDigits | Reason::FractionDigits => "Give the value with fewer digits.",
            Reason::Prefix => "Declare the prefix, or use one that is declared.",
            Reason::NoEntity => "Leave the reference out; entities cannot be declared.",
        }
    }
}

impl Compiled {
    fn unit(&self) -> &'static str {
        self.shape().unit
    }

    fn phrase(&self) -> String {
        match &self.shape().form {
            Form::Atomic(builtin) => builtin.phrase().to_owned(),
            Form::List(item) => format!("a list of values with blanks between, each {}", item.phrase()),
            Form::Union(members) => {
                let phrases: Vec<String> = members.iter().map(Self::phrase).collect();
                phrases.join(", or ")
            }
        }
    }

    /// What a value of the type is, with its facets; for findings and documentation.
    #[must_use]
    pub fn expectation(&self) -> String {
        let shape: &Shape = self.shape();
        let mut text = match &shape.enumeration {
            Some(Enumeration { literals, .. }) if literals.len() == 1 => {
                format!("{:?}", literals.first().map_or("", |l| &**l))
            }
            Some(Enumeration { literals, .. }) if literals.len() <= LISTED => {
                let listed: Vec<String> = literals.iter().map(|l| format!("{l:?}")).collect();
                format!("one of {}", listed.join(", "))
            }
            Some(Enumeration { literals, .. }) => format!("one of {} listed values", literals.len()),
            None => self.phrase(),
        };
        match (shape.min_length, shape.max_length) {
            (0, None) => {}
            (least, Some(most)) if least == most => text.push_str(&format!(", of {most} {}", shape.unit)),
            (0, Some(most)) => text.push_str(&format!(", of at most {most} {}", shape.unit)),
            (least, None) => text.push_str(&format!(", of at least {least} {}", shape.unit)),
            (least, Some(most)) => text.push_str(&format!(", of {least} to {most} {}", shape.unit)),
        }
        for Bound { upper, inclusive, literal, own, .. } in &shape.bounds {
            // The range of a built-in type is in its phrase already.
            if *own {
                let word = match (upper, inclusive) {
                    (false, true) => "at least",
                    (false, false) => "above",
                    (true, true) => "at most",
                    (true, false) => "below",
                };
                text.push_str(&format!(", {word} {literal}"));
            }
        }
        if let Some(digits) = shape.total_digits {
            text.push_str(&format!(", of at most {digits} digits"));
        }
        if let Some(digits) = shape.fraction_digits {
            text.push_str(&format!(", with at most {digits} digits behind the point"));
        }
        if shape.enumeration.is_none() {
            for step in &shape.patterns {
                text.push_str(&format!(", matching {}", step.sources.join(" or ")));
            }
        }
        if let Some(name) = &shape.name {
            text.push_str(&format!(" ({name})"));
        }
        text
    }
}
