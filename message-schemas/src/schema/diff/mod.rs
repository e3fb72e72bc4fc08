//! What differs between two schema sets, component by component.
//!
//! The comparison looks at what the schemas mean, not at how they are written: content models are compared
//! as languages, facets as sets, attributes with their groups opened. Names of global types count, since
//! `xsi:type` can see them; files, prefixes, annotations and named groups do not.
//!
//! Without differences the two sets take the same documents. With differences each is told at the innermost
//! component that has it, once, so that an integrator sees what a new version changes.

mod content;
mod parts;

use super::model::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// One difference between two schema sets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Difference {
    /// The component: `type svarrapport-1.3:Patient / element OffId / attribute V`.
    pub path: String,
    /// What about it differs.
    pub what: String,
    /// How the first set has it; absent if it has nothing of the kind.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first: Option<String>,
    /// How the second set has it; absent if it has nothing of the kind.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub second: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.first, &self.second) {
            (Some(first), Some(second)) => write!(f, "~ {}: {}: {first} -> {second}", self.path, self.what),
            (Some(first), None) => write!(f, "- {}: {}: {first}", self.path, self.what),
            (None, Some(second)) => write!(f, "+ {}: {}: {second}", self.path, self.what),
            (None, None) => write!(f, "~ {}: {}", self.path, self.what),
        }
    }
}

/// All differences, in the order of component names; empty if the two sets are equal.
#[must_use]
pub fn diff(first: &Model, second: &Model) -> Vec<Difference> {
    let mut differ = Differ { first, second, path: Vec::new(), found: Vec::new() };
    differ.globals("element", &first.elements, &second.elements, Differ::element);
    differ.globals("type", &first.types, &second.types, Differ::type_);
    differ.globals("attribute", &first.attributes, &second.attributes, Differ::attribute);
    // Named groups are opened where they are used; a group that nothing uses takes part in no document.
    differ.found
}

/// Walks two models side by side.
struct Differ<'m> {
    first: &'m Model,
    second: &'m Model,
    path: Vec<String>,
    found: Vec<Difference>,
}

impl<'m> Differ<'m> {
    fn inside(&mut self, step: String, look: impl FnOnce(&mut Self)) {
        self.path.push(step);
        look(self);
        self.path.pop();
    }

    fn report(&mut self, what: impl Into<String>, first: Option<String>, second: Option<String>) {
        let path = self.path.join(" / ");
        self.found.push(Difference { path, what: what.into(), first, second });
    }

    /// Reports if two texts differ.
    fn compare(&mut self, what: &str, first: impl fmt::Display, second: impl fmt::Display) {
        let (first, second) = (first.to_string(), second.to_string());
        if first != second {
            self.report(what, Some(first), Some(second));
        }
    }

    fn globals<T>(
        &mut self,
        kind: &str,
        first: &'m BTreeMap<QName, T>,
        second: &'m BTreeMap<QName, T>,
        look: fn(&mut Self, &'m T, &'m T),
    ) {
        let only: Vec<&QName> = second.keys().filter(|name| !first.contains_key(*name)).collect();
        for (name, a) in first {
            let step = format!("{kind} {name}");
            match second.get(name) {
                Some(b) => self.inside(step, |d| look(d, a, b)),
                None => self.inside(step, |d| d.report("only in the first set", None, None)),
            }
        }
        for name in only {
            self.inside(format!("{kind} {name}"), |d| d.report("only in the second set", None, None));
        }
    }

    fn element(&mut self, a: &'m Element, b: &'m Element) {
        self.type_reference(&a.type_, &b.type_);
        self.compare("nillable", a.nillable, b.nillable);
        self.compare("abstract", a.abstract_, b.abstract_);
        self.value(a.value.as_ref(), b.value.as_ref());
        self.compare(
            "substitution group",
            option(a.substitution_group.as_ref()),
            option(b.substitution_group.as_ref()),
        );
        self.compare("block", derivations(a.block), derivations(b.block));
        self.compare("final", derivations(a.final_), derivations(b.final_));
        self.identities(&a.identity, &b.identity);
    }

    fn type_reference(&mut self, a: &'m TypeRef, b: &'m TypeRef) {
        match (a, b) {
            (TypeRef::Inline(a), TypeRef::Inline(b)) => self.type_(a, b),
            (TypeRef::Named(_) | TypeRef::Inline(_) | TypeRef::OfHead, _) => {
                let text = |t: &TypeRef| match t {
                    TypeRef::Named(name) => name.to_string(),
                    TypeRef::Inline(_) => "a type of its own".to_owned(),
                    TypeRef::OfHead => "the type of its substitution group".to_owned(),
                };
                self.compare("type", text(a), text(b));
            }
        }
    }

    fn type_(&mut self, a: &'m Type, b: &'m Type) {
        match (a, b) {
            (Type::Simple(a), Type::Simple(b)) => self.simple_type(a, b),
            (Type::Complex(a), Type::Complex(b)) => self.complex_type(a, b),
            (Type::Simple(_), Type::Complex(_)) => self.compare("kind of type", "simple", "complex"),
            (Type::Complex(_), Type::Simple(_)) => self.compare("kind of type", "complex", "simple"),
        }
    }

    fn value(&mut self, a: Option<&ValueConstraint>, b: Option<&ValueConstraint>) {
        let text = |v: Option<&ValueConstraint>| match v {
            Some(ValueConstraint::Default(value)) => format!("default {value:?}"),
            Some(ValueConstraint::Fixed(value)) => format!("fixed {value:?}"),
            None => "none".to_owned(),
        };
        self.compare("default or fixed value", text(a), text(b));
    }

    fn identities(&mut self, a: &[Identity], b: &[Identity]) {
        let table = |list: &[Identity]| -> BTreeMap<QName, String> {
            list.iter().map(|i| (i.name.clone(), identity(i))).collect()
        };
        let (a, b) = (table(a), table(b));
        for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
            if a.get(name) != b.get(name) {
                let (first, second) = (a.get(name).cloned(), b.get(name).cloned());
                self.report(format!("identity constraint {}", name.local), first, second);
            }
        }
    }

    fn complex_type(&mut self, a: &'m ComplexType, b: &'m ComplexType) {
        let method = |t: &ComplexType| match t.method {
            Method::Extension => format!("extension of {}", t.base),
            Method::Restriction => format!("restriction of {}", t.base),
        };
        self.compare("derivation", method(a), method(b));
        self.compare("abstract", a.abstract_, b.abstract_);
        self.compare("block", derivations(a.block), derivations(b.block));
        self.compare("final", derivations(a.final_), derivations(b.final_));
        self.attributes(a, b);
        match (&a.content, &b.content) {
            (
                Content::Elements { mixed: mixed_a, particle: particle_a },
                Content::Elements { mixed: mixed_b, particle: particle_b },
            ) => {
                self.compare("mixed", mixed_a, mixed_b);
                self.content(particle_a.as_ref(), particle_b.as_ref());
            }
            (
                Content::Text { narrowed: narrowed_a, facets: facets_a },
                Content::Text { narrowed: narrowed_b, facets: facets_b },
            ) => {
                match (narrowed_a, narrowed_b) {
                    (Some(a), Some(b)) => self.inside("text".to_owned(), |d| d.simple_type(a, b)),
                    (None, None) => {}
                    (Some(_), None) => self.compare("type of the text", "narrowed", "as the base has it"),
                    (None, Some(_)) => self.compare("type of the text", "as the base has it", "narrowed"),
                }
                self.facets(facets_a, facets_b);
            }
            (Content::Elements { .. }, Content::Text { .. }) => self.compare("content", "elements", "text"),
            (Content::Text { .. }, Content::Elements { .. }) => self.compare("content", "text", "elements"),
        }
    }
}

fn option(name: Option<&QName>) -> String {
    name.map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn derivations(set: Derivations) -> String {
    let list = [
        ("extension", set.extension),
        ("restriction", set.restriction),
        ("substitution", set.substitution),
        ("list", set.list),
        ("union", set.union),
    ];
    let words: Vec<&str> = list.into_iter().filter(|(_, on)| *on).map(|(word, _)| word).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}

/// A constraint written in one way only.
fn identity(identity: &Identity) -> String {
    let test = |test: &NameTest| match test {
        NameTest::Any => "*".to_owned(),
        NameTest::In(namespace) => format!("{{{namespace}}}*"),
        NameTest::Name(name) => name.to_string(),
    };
    let path = |path: &Path| {
        let mut steps: Vec<String> = path.steps.iter().map(test).collect();
        steps.extend(path.attribute.as_ref().map(|a| format!("@{}", test(a))));
        format!(
            "{}{}",
            if path.deep { ".//" } else { "" },
            if steps.is_empty() { ".".into() } else { steps.join("/") }
        )
    };
    let paths = |list: &[Path]| {
        let mut all: Vec<String> = list.iter().map(path).collect();
        all.sort();
        all.join(" | ")
    };
    let kind = match &identity.kind {
        IdentityKind::Key => "key".to_owned(),
        IdentityKind::Unique => "unique".to_owned(),
        IdentityKind::KeyRef(key) => format!("reference to {key}"),
    };
    let fields: Vec<String> = identity.fields.iter().map(|f| paths(f)).collect();
    format!("{kind} of {} by {}", paths(&identity.selector), fields.join(", "))
}

#[cfg(test)]
mod tests;
