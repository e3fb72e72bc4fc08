//! From base type and facets to a type that checks.

use super::builtin::Primitive;
use super::pattern::{self, PatternError};
use super::text::{WhiteSpace, trim};
use super::value::{Kind, Value};
use super::{Bound, Builtin, Compiled, Enumeration, Form, Pattern, Prefixes, Shape};
use crate::schema::model::{Facet, FacetKind};
use std::collections::HashSet;
use std::sync::Arc;

/// A restriction that the standard does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FacetError {
    /// The base has no such property.
    #[error("{} does not apply to {base}", facet.name())]
    NotApplicable {
        /// The facet.
        facet: FacetKind,
        /// The base type.
        base: String,
    },
    /// The facet's own value is not one that it can have.
    #[error("{} cannot have the value {value:?}", facet.name())]
    Value {
        /// The facet.
        facet: FacetKind,
        /// As written in the schema.
        value: String,
    },
    /// The facet would allow more than the base does.
    #[error("{} would allow more than the base type does", .0.name())]
    Wider(FacetKind),
    /// A pattern that cannot be used.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// `anySimpleType` itself cannot be restricted.
    #[error("anySimpleType cannot be restricted")]
    NoBase,
}

/// Resolves every prefix to the one namespace that an enumerated QName is known to have.
struct Known<'a>(&'a str);

impl Prefixes for Known<'_> {
    fn namespace(&self, _prefix: &str) -> Option<&str> {
        Some(self.0)
    }
}

impl Compiled {
    /// The type that restricts `base` by one step of facets.
    ///
    /// # Errors
    /// A facet that does not apply, has no lawful value or would widen the base.
    pub fn restrict(base: &Self, facets: &[Facet]) -> Result<Self, FacetError> {
        if base.builtin_base() == Some(Builtin::AnySimpleType) {
            return Err(FacetError::NoBase);
        }
        let mut shape = Shape { name: None, ..(*base.0).clone() };
        let mut patterns: Vec<Arc<str>> = Vec::new();
        let mut listed: Option<Enumeration> = None;
        for facet in facets {
            applies(base, facet.kind)?;
            match facet.kind {
                FacetKind::Pattern => patterns.push(facet.value.as_str().into()),
                FacetKind::Enumeration => enumerate(base, facet, &mut listed)?,
                FacetKind::Length => {
                    let number = count(facet)?;
                    if number < shape.min_length || shape.max_length.is_some_and(|most| number > most) {
                        return Err(FacetError::Wider(facet.kind));
                    }
                    (shape.min_length, shape.max_length) = (number, Some(number));
                }
                FacetKind::MinLength => {
                    let number = count(facet)?;
                    if number < base.0.min_length {
                        return Err(FacetError::Wider(facet.kind));
                    }
                    shape.min_length = number;
                }
                FacetKind::MaxLength => {
                    let number = count(facet)?;
                    if base.0.max_length.is_some_and(|most| number > most) {
                        return Err(FacetError::Wider(facet.kind));
                    }
                    shape.max_length = Some(number);
                }
                FacetKind::WhiteSpace => {
                    let wanted = match trim(&facet.value) {
                        "preserve" => WhiteSpace::Preserve,
                        "replace" => WhiteSpace::Replace,
                        "collapse" => WhiteSpace::Collapse,
                        _ => return Err(unlawful(facet)),
                    };
                    if wanted < base.0.white_space {
                        return Err(FacetError::Wider(facet.kind));
                    }
                    shape.white_space = wanted;
                }
                FacetKind::MinInclusive
                | FacetKind::MinExclusive
                | FacetKind::MaxInclusive
                | FacetKind::MaxExclusive => {
                    bound(base, facet, &mut shape.bounds)?;
                }
                FacetKind::TotalDigits => {
                    let number = count(facet)?;
                    if number == 0 {
                        return Err(unlawful(facet));
                    }
                    if base.0.total_digits.is_some_and(|most| number > most) {
                        return Err(FacetError::Wider(facet.kind));
                    }
                    shape.total_digits = Some(number);
                }
                FacetKind::FractionDigits => {
                    let number = count(facet)?;
                    if base.0.fraction_digits.is_some_and(|most| number > most)
                        || (base.0.whole && number > 0)
                    {
                        return Err(FacetError::Wider(facet.kind));
                    }
                    shape.fraction_digits = Some(number);
                }
            }
        }
        if !patterns.is_empty() {
            let regex = pattern::compile(&patterns)?;
            shape.patterns.push(Pattern { sources: patterns, regex });
        }
        if listed.is_some() {
            shape.enumeration = listed;
        }
        Ok(Self::from_shape(shape))
    }
}

fn unlawful(facet: &Facet) -> FacetError {
    FacetError::Value { facet: facet.kind, value: facet.value.clone() }
}

/// Numbers in facets beyond 64 bits are cut to them: no text is that long.
fn count(facet: &Facet) -> Result<u64, FacetError> {
    let digits = trim(&facet.value);
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(unlawful(facet));
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

//= XML Schema Part 2 (second edition) §4.1.5
//# the table of constraining facets by datatype
fn applies(base: &Compiled, facet: FacetKind) -> Result<(), FacetError> {
    let primitive = base.builtin_base().map(Builtin::primitive);
    let list = matches!(base.0.form, Form::List(_));
    let fine = match facet {
        FacetKind::Pattern | FacetKind::Enumeration => true,
        FacetKind::WhiteSpace => !matches!(base.0.form, Form::Union(_)),
        FacetKind::Length | FacetKind::MinLength | FacetKind::MaxLength => {
            list || matches!(
                primitive,
                Some(Primitive::Text | Primitive::Uri | Primitive::Base64 | Primitive::Hex | Primitive::Name)
            )
        }
        FacetKind::MaxInclusive
        | FacetKind::MaxExclusive
        | FacetKind::MinInclusive
        | FacetKind::MinExclusive => matches!(
            primitive,
            Some(
                Primitive::Decimal
                    | Primitive::Float
                    | Primitive::Double
                    | Primitive::Duration
                    | Primitive::Moment(_)
            )
        ),
        FacetKind::TotalDigits | FacetKind::FractionDigits => primitive == Some(Primitive::Decimal),
    };
    if fine { Ok(()) } else { Err(FacetError::NotApplicable { facet, base: base.type_name() }) }
}

fn bound(base: &Compiled, facet: &Facet, bounds: &mut Vec<Bound>) -> Result<(), FacetError> {
    let upper = matches!(facet.kind, FacetKind::MaxInclusive | FacetKind::MaxExclusive);
    let inclusive = matches!(facet.kind, FacetKind::MaxInclusive | FacetKind::MinInclusive);
    let value = base.value(&facet.value, None).ok_or_else(|| unlawful(facet))?.into_owned();
    // Outside the base's own range: the standard lets an exclusive bound repeat the base's.
    let widens = bounds.iter().any(|other| {
        other.upper == upper
            && value.0 != other.value.0
            && value.0.compare(&other.value.0).is_some_and(|order| order.is_gt() == upper)
    });
    if widens {
        return Err(FacetError::Wider(facet.kind));
    }
    // The old bound on this side is implied by the new one, unless they are equal and the old one excludes.
    bounds.retain(|other| other.upper != upper || (other.value.0 == value.0 && !other.inclusive));
    if !bounds.iter().any(|other| other.upper == upper) {
        let literal = trim(&facet.value).into();
        bounds.push(Bound { upper, inclusive, literal, value, own: true });
        bounds.sort_by_key(|b| b.upper);
    }
    Ok(())
}

fn enumerate(base: &Compiled, facet: &Facet, listed: &mut Option<Enumeration>) -> Result<(), FacetError> {
    let known = facet.name.as_ref().map(|name| Known(&name.namespace));
    let prefixes = known.as_ref().map(|k| k as &dyn Prefixes);
    base.check(&facet.value, prefixes).map_err(|_| unlawful(facet))?;
    let value = base.value(&facet.value, prefixes).ok_or_else(|| unlawful(facet))?.into_owned();
    let list = listed.get_or_insert_with(|| Enumeration {
        literals: Vec::new(),
        texts: HashSet::default(),
        values: HashSet::default(),
    });
    list.literals.push(base.0.white_space.normalise(&facet.value).as_ref().into());
    match value {
        Value(Kind::Text(text)) => {
            list.texts.insert(text.as_ref().into());
        }
        other => {
            list.values.insert(other);
        }
    }
    Ok(())
}
