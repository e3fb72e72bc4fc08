//! Simple types: the built-in ones of XML Schema 1.0 (second edition), and what is derived from them.
//!
//! A [`Compiled`] type is built bottom up ([`Compiled::builtin`], [`restrict`](Compiled::restrict),
//! [`list_of`](Compiled::list_of), [`union_of`](Compiled::union_of)) and then checks values, each alone and
//! without allocating on the usual paths: text without facets costs nothing, a code one hash, a date one
//! scan. Numbers are compared as digits and dates by the partial order of the standard, so nothing is
//! rounded, cut or guessed.
//!
//! **Invariants:** no fault quotes the value; patterns run on automata and never backtrack; the work for a
//! value is linear in its length.
//!
//! Not here: that an ID stands once, that an IDREF has its ID ([`Compiled::identifies`] tells the validator
//! which values to collect), and entities (there are none, since document type declarations are refused).

mod binary;
mod builtin;
mod decimal;
mod facets;
mod fault;
mod moment;
mod pattern;
mod text;
mod value;

pub use builtin::Builtin;
pub use facets::FacetError;
pub use fault::{Fault, Reason};
pub use pattern::PatternError;
pub use text::WhiteSpace;
pub use value::Value;

#[cfg(test)]
mod tests;

use builtin::Primitive;
use regex_automata::meta::Regex;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use value::Kind;

type Set<T> = HashSet<T, foldhash::fast::FixedState>;

/// What prefixes stand for where a value stands; an empty prefix asks for the default namespace.
pub trait Prefixes {
    /// The namespace of a declared prefix, empty for none; `None` if the prefix is not declared.
    fn namespace(&self, prefix: &str) -> Option<&str>;
}

impl Prefixes for crate::xml::Element<'_> {
    fn namespace(&self, prefix: &str) -> Option<&str> {
        self.resolve(prefix).map(|namespace| self.uri(namespace))
    }
}

/// What a value identifies within its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identifies {
    /// The element: no other may have the same (`xs:ID`).
    Itself,
    /// Another element by its ID (`xs:IDREF`).
    Another,
    /// Several by theirs (`xs:IDREFS`).
    Others,
}

/// A simple type, ready to check values. Cheap to clone.
#[derive(Clone)]
pub struct Compiled(Arc<Shape>);

/// All that a type asks of a value, its bases' demands included.
#[derive(Clone)]
struct Shape {
    name: Option<Box<str>>,
    form: Form,
    white_space: WhiteSpace,
    /// In `unit`s.
    min_length: u64,
    max_length: Option<u64>,
    unit: &'static str,
    patterns: Vec<Pattern>,
    /// At most one on either side, the lower one first.
    bounds: Vec<Bound>,
    total_digits: Option<u64>,
    fraction_digits: Option<u64>,
    enumeration: Option<Enumeration>,
    /// An integer type: no decimal point.
    whole: bool,
    /// Any text will do: nothing to look at.
    free: bool,
}

#[derive(Clone)]
enum Form {
    /// The nearest built-in type.
    Atomic(Builtin),
    List(Compiled),
    Union(Vec<Compiled>),
}

/// The patterns of one derivation step.
#[derive(Clone)]
struct Pattern {
    sources: Vec<Arc<str>>,
    regex: Regex,
}

#[derive(Clone)]
struct Bound {
    upper: bool,
    inclusive: bool,
    literal: Box<str>,
    value: Value<'static>,
    /// Not the range of a built-in type.
    own: bool,
}

#[derive(Clone)]
struct Enumeration {
    /// In the order of the schema, white space normalised.
    literals: Vec<Box<str>>,
    /// Values that are compared as text.
    texts: Set<Box<str>>,
    /// All others.
    values: Set<Value<'static>>,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compiled({})", self.expectation())
    }
}

impl Compiled {
    /// A built-in type.
    #[must_use]
    pub fn builtin(builtin: Builtin) -> Self {
        if let Some(item) = builtin.item() {
            let list = Self::list_of(&Self::builtin(item));
            return Self::from_shape(Shape {
                min_length: 1,
                name: Some(format!("xs:{}", builtin.name()).into()),
                ..(*list.0).clone()
            });
        }
        let (least, most) = builtin.range();
        let limit = |literal: &'static str, upper| {
            let value = Kind::parse(Primitive::Decimal, true, Cow::Borrowed(literal), None)?;
            Some(Bound { upper, inclusive: true, literal: literal.into(), value: Value(value), own: false })
        };
        let bounds = [least.and_then(|l| limit(l, false)), most.and_then(|m| limit(m, true))];
        let octets = matches!(builtin, Builtin::Base64Binary | Builtin::HexBinary);
        Self::from_shape(Shape {
            name: Some(format!("xs:{}", builtin.name()).into()),
            form: Form::Atomic(builtin),
            white_space: builtin.white_space(),
            min_length: 0,
            max_length: None,
            unit: if octets { "octets" } else { "characters" },
            patterns: Vec::new(),
            bounds: bounds.into_iter().flatten().collect(),
            total_digits: None,
            fraction_digits: None,
            enumeration: None,
            whole: builtin.derives_from(Builtin::Integer),
            free: false,
        })
    }

    /// A list of values of this type.
    #[must_use]
    pub fn list_of(item: &Self) -> Self {
        Self::from_shape(Shape {
            name: None,
            form: Form::List(item.clone()),
            white_space: WhiteSpace::Collapse,
            unit: "items",
            ..(*Self::builtin(Builtin::String).0).clone()
        })
    }

    /// A value of any of these types; the first that takes it says what it is.
    #[must_use]
    pub fn union_of(members: Vec<Self>) -> Self {
        Self::from_shape(Shape {
            name: None,
            form: Form::Union(members),
            ..(*Self::builtin(Builtin::String).0).clone()
        })
    }

    /// The same type under the name that findings give it.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self(Arc::new(Shape { name: Some(name.into()), ..(*self.0).clone() }))
    }

    fn from_shape(mut shape: Shape) -> Self {
        let any_text = matches!(
            shape.form,
            Form::Atomic(
                Builtin::AnySimpleType | Builtin::String | Builtin::NormalizedString | Builtin::Token
            )
        );
        shape.free = any_text
            && shape.min_length == 0
            && shape.max_length.is_none()
            && shape.patterns.is_empty()
            && shape.enumeration.is_none();
        Self(Arc::new(shape))
    }

    fn shape(&self) -> &Shape {
        &self.0
    }

    /// The nearest built-in type of an atomic type.
    #[must_use]
    pub fn builtin_base(&self) -> Option<Builtin> {
        match &self.0.form {
            Form::Atomic(builtin) => Some(*builtin),
            Form::List(_) | Form::Union(_) => None,
        }
    }

    /// The name that findings give it; for a type without one that of its built-in base.
    #[must_use]
    pub fn type_name(&self) -> String {
        match (&self.0.name, &self.0.form) {
            (Some(name), _) => name.to_string(),
            (None, Form::Atomic(builtin)) => format!("xs:{}", builtin.name()),
            (None, Form::List(_)) => "a list".to_owned(),
            (None, Form::Union(_)) => "a union".to_owned(),
        }
    }

    /// Whether any text at all is a value, so that a validator need not collect it.
    #[must_use]
    pub fn takes_anything(&self) -> bool {
        self.0.free
    }

    /// Whether its values identify elements.
    #[must_use]
    pub fn identifies(&self) -> Option<Identifies> {
        match &self.0.form {
            Form::Atomic(Builtin::Id) => Some(Identifies::Itself),
            Form::Atomic(Builtin::IdRef) => Some(Identifies::Another),
            Form::List(item) if item.identifies() == Some(Identifies::Another) => Some(Identifies::Others),
            Form::Atomic(_) | Form::List(_) | Form::Union(_) => None,
        }
    }

    /// The value as the facets see it; what identity constraints on text and `xs:ID` compare.
    #[must_use]
    pub fn normalise<'a>(&self, raw: &'a str) -> Cow<'a, str> {
        self.0.white_space.normalise(raw)
    }

    /// Checks a value as it stands in the document. Without `prefixes`, prefixes in names are not looked up.
    ///
    /// # Errors
    /// The first facet that it breaks.
    pub fn check(&self, raw: &str, prefixes: Option<&dyn Prefixes>) -> Result<(), Fault<'_>> {
        if self.0.free {
            return Ok(());
        }
        match &self.0.form {
            Form::Atomic(builtin) => self.check_atomic(*builtin, raw, prefixes),
            Form::List(item) => self.check_list(item, raw, prefixes),
            Form::Union(members) => self.check_union(members, raw, prefixes),
        }
    }

    /// The value, for comparisons; `None` if it is not one of the type's base (facets are not looked at).
    #[must_use]
    pub fn value<'a>(&self, raw: &'a str, prefixes: Option<&dyn Prefixes>) -> Option<Value<'a>> {
        match &self.0.form {
            Form::Atomic(builtin) => {
                let text = self.normalise(raw);
                Kind::parse(builtin.primitive(), self.0.whole, text, prefixes).map(Value)
            }
            Form::List(item) => {
                let items: Option<Vec<Value<'a>>> =
                    text::words(raw).map(|w| item.value(w, prefixes)).collect();
                items.map(|items| Value(Kind::List(items)))
            }
            Form::Union(members) => {
                members.iter().find(|m| m.check(raw, prefixes).is_ok()).and_then(|m| m.value(raw, prefixes))
            }
        }
    }

    /// Whether two texts are the same value, as `fixed` asks.
    #[must_use]
    pub fn same(&self, a: &str, b: &str, prefixes: Option<&dyn Prefixes>) -> bool {
        match (self.value(a, prefixes), self.value(b, prefixes)) {
            (Some(a), Some(b)) => a == b,
            (None, _) | (_, None) => false,
        }
    }

    const fn refuse(&self, reason: Reason) -> Fault<'_> {
        Fault { reason, of: self }
    }

    fn check_atomic(
        &self,
        builtin: Builtin,
        raw: &str,
        prefixes: Option<&dyn Prefixes>,
    ) -> Result<(), Fault<'_>> {
        let shape = &*self.0;
        let primitive = builtin.primitive();
        if primitive == Primitive::Base64 && shape.patterns.is_empty() && shape.enumeration.is_none() {
            // An attachment: white space may stand anywhere, so nothing need be normalised first.
            let octets = binary::base64_octets(raw).ok_or(self.refuse(Reason::Lexical))?;
            return self.check_length(octets);
        }
        let text = self.normalise(raw);
        self.check_patterns(&text)?;
        match primitive {
            Primitive::Text => {
                if !is_text_of(builtin, &text) {
                    return Err(self.refuse(Reason::Lexical));
                }
                if builtin == Builtin::Entity {
                    return Err(self.refuse(Reason::NoEntity));
                }
                self.check_characters(&text)?;
                match &shape.enumeration {
                    Some(list) if !list.texts.contains(text.as_ref()) => {
                        Err(self.refuse(Reason::Enumeration))
                    }
                    Some(_) | None => Ok(()),
                }
            }
            Primitive::Uri if shape.enumeration.is_none() => {
                if !text::is_uri(&text) {
                    return Err(self.refuse(Reason::Lexical));
                }
                self.check_characters(&text)
            }
            Primitive::Hex if shape.enumeration.is_none() => {
                let octets = binary::hex_octets(&text).ok_or(self.refuse(Reason::Lexical))?;
                self.check_length(octets)
            }
            Primitive::Name => {
                let (prefix, _) = text::qname(&text).ok_or(self.refuse(Reason::Lexical))?;
                if prefixes.is_some_and(|p| !prefix.is_empty() && p.namespace(prefix).is_none()) {
                    return Err(self.refuse(Reason::Prefix));
                }
                // Length facets say nothing about names (§4.3.1.3 as corrected).
                if shape.enumeration.is_none() { Ok(()) } else { self.check_value(builtin, text, prefixes) }
            }
            Primitive::Uri
            | Primitive::Hex
            | Primitive::Base64
            | Primitive::Boolean
            | Primitive::Decimal
            | Primitive::Float
            | Primitive::Double
            | Primitive::Duration
            | Primitive::Moment(_) => self.check_value(builtin, text, prefixes),
        }
    }

    fn check_value(
        &self,
        builtin: Builtin,
        text: Cow<'_, str>,
        prefixes: Option<&dyn Prefixes>,
    ) -> Result<(), Fault<'_>> {
        let shape = &*self.0;
        let characters = text.chars().count() as u64;
        let value = Kind::parse(builtin.primitive(), shape.whole, text, prefixes)
            .ok_or(self.refuse(Reason::Lexical))?;
        match &value {
            Kind::Base64(octets) | Kind::Hex(octets) => self.check_length(octets.len() as u64)?,
            Kind::Uri(_) => self.check_length(characters)?,
            Kind::Decimal(decimal) => {
                if shape.total_digits.is_some_and(|most| decimal.total_digits() > most) {
                    return Err(self.refuse(Reason::TotalDigits));
                }
                if shape.fraction_digits.is_some_and(|most| decimal.fraction_digits() > most) {
                    return Err(self.refuse(Reason::FractionDigits));
                }
            }
            Kind::Text(_)
            | Kind::Boolean(_)
            | Kind::Float(_)
            | Kind::Double(_)
            | Kind::Duration(_)
            | Kind::Moment(_)
            | Kind::Name(..)
            | Kind::List(_) => {}
        }
        for bound in &shape.bounds {
            let order = value.compare(&bound.value.0);
            let inside = order.is_some_and(|order| {
                (order.is_eq() && bound.inclusive) || if bound.upper { order.is_lt() } else { order.is_gt() }
            });
            if !inside {
                return Err(self.refuse(if bound.upper { Reason::TooLarge } else { Reason::TooSmall }));
            }
        }
        self.check_listed(&Value(value))
    }

    fn check_listed(&self, value: &Value<'_>) -> Result<(), Fault<'_>> {
        let Some(list) = &self.0.enumeration else { return Ok(()) };
        let found = match value {
            Value(Kind::Text(text)) => list.texts.contains(text.as_ref()),
            other => list.values.contains(other),
        };
        if found { Ok(()) } else { Err(self.refuse(Reason::Enumeration)) }
    }

    fn check_patterns(&self, text: &str) -> Result<(), Fault<'_>> {
        if self.0.patterns.iter().all(|step| step.regex.is_match(text)) {
            Ok(())
        } else {
            Err(self.refuse(Reason::Pattern))
        }
    }

    fn check_characters(&self, text: &str) -> Result<(), Fault<'_>> {
        if self.0.min_length == 0 && self.0.max_length.is_none_or(|most| text.len() as u64 <= most) {
            return Ok(());
        }
        self.check_length(text.chars().count() as u64)
    }

    fn check_length(&self, found: u64) -> Result<(), Fault<'_>> {
        if found < self.0.min_length {
            return Err(self.refuse(Reason::TooShort(found)));
        }
        if self.0.max_length.is_some_and(|most| found > most) {
            return Err(self.refuse(Reason::TooLong(found)));
        }
        Ok(())
    }

    fn check_list<'t>(
        &'t self,
        item: &'t Self,
        raw: &str,
        prefixes: Option<&dyn Prefixes>,
    ) -> Result<(), Fault<'t>> {
        let mut items = 0;
        for word in text::words(raw) {
            item.check(word, prefixes)?;
            items += 1;
        }
        self.check_length(items)?;
        if !self.0.patterns.is_empty() {
            self.check_patterns(&self.normalise(raw))?;
        }
        if self.0.enumeration.is_some() {
            let value = self.value(raw, prefixes).ok_or(self.refuse(Reason::Lexical))?;
            self.check_listed(&value)?;
        }
        Ok(())
    }

    //= XML Schema Part 2 (second edition) §2.5.1.3
    //# During validation, an element or attribute value is validated against the memberTypes in the order in
    //# which they appear in the definition until a match is found.
    fn check_union<'t>(
        &'t self,
        members: &'t [Self],
        raw: &str,
        prefixes: Option<&dyn Prefixes>,
    ) -> Result<(), Fault<'t>> {
        let Some(member) = members.iter().find(|m| m.check(raw, prefixes).is_ok()) else {
            return Err(self.refuse(Reason::NoMember));
        };
        if !self.0.patterns.is_empty() {
            self.check_patterns(&member.normalise(raw))?;
        }
        if self.0.enumeration.is_some() {
            let value = member.value(raw, prefixes).ok_or(self.refuse(Reason::Lexical))?;
            self.check_listed(&value)?;
        }
        Ok(())
    }
}

/// Whether a normalised text is in the lexical space of a built-in text type.
fn is_text_of(builtin: Builtin, text: &str) -> bool {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other text types take any characters")]
    match builtin {
        Builtin::Language => text::is_language(text),
        Builtin::Nmtoken => text::is_nmtoken(text),
        Builtin::Name => text::is_name(text),
        Builtin::NcName | Builtin::Id | Builtin::IdRef | Builtin::Entity => text::is_ncname(text),
        _ => true,
    }
}
