//! Attributes and simple types side by side.

use super::Differ;
use crate::schema::model::*;
use std::collections::{BTreeMap, BTreeSet};

/// The attributes of a type, groups opened.
#[derive(Default)]
struct Attributes<'m> {
    uses: BTreeMap<&'m QName, &'m AttributeUse>,
    wildcards: BTreeSet<String>,
}

impl<'m> Attributes<'m> {
    fn of(model: &'m Model, items: &'m [AttributeItem], any: Option<&'m Wildcard>) -> Self {
        let mut out = Self::default();
        let mut seen: BTreeSet<&QName> = BTreeSet::new();
        let mut todo = vec![(items, any)];
        while let Some((items, any)) = todo.pop() {
            out.wildcards.extend(any.map(wildcard));
            for item in items {
                match item {
                    AttributeItem::Use(used) => {
                        let name = match &used.attribute {
                            AttributeRef::Global(name) => name,
                            AttributeRef::Local(attribute) => &attribute.name,
                        };
                        out.uses.insert(name, used);
                    }
                    AttributeItem::Group(name) => {
                        if let Some(group) = model.attribute_groups.get(name).filter(|_| seen.insert(name)) {
                            todo.push((&group.attributes, group.any_attribute.as_ref()));
                        }
                    }
                }
            }
        }
        out
    }
}

/// A wildcard in words.
pub(super) fn wildcard(wildcard: &Wildcard) -> String {
    let which = match &wildcard.namespaces {
        Namespaces::Any => "any namespace".to_owned(),
        Namespaces::Not(namespace) => format!("any namespace but {namespace:?}"),
        Namespaces::Of(list) => {
            let sorted: BTreeSet<String> = list.iter().map(|n| format!("{n:?}")).collect();
            format!("the namespaces {}", sorted.into_iter().collect::<Vec<_>>().join(" "))
        }
    };
    let how = match wildcard.process {
        Process::Strict => "strict",
        Process::Lax => "lax",
        Process::Skip => "skip",
    };
    format!("{which}, {how}")
}

fn usage(usage: Usage) -> &'static str {
    match usage {
        Usage::Optional => "optional",
        Usage::Required => "required",
        Usage::Prohibited => "prohibited",
    }
}

impl<'m> Differ<'m> {
    pub(super) fn attributes(&mut self, a: &'m ComplexType, b: &'m ComplexType) {
        let a = Attributes::of(self.first, &a.attributes, a.any_attribute.as_ref());
        let b = Attributes::of(self.second, &b.attributes, b.any_attribute.as_ref());
        for (name, used) in &a.uses {
            let step = format!("attribute {name}");
            match b.uses.get(name) {
                Some(other) => self.inside(step, |d| d.attribute_use(used, other)),
                None => {
                    self.inside(step, |d| d.report("attribute", Some(usage(used.usage).to_owned()), None))
                }
            }
        }
        for (name, used) in b.uses.iter().filter(|(name, _)| !a.uses.contains_key(*name)) {
            let step = format!("attribute {name}");
            self.inside(step, |d| d.report("attribute", None, Some(usage(used.usage).to_owned())));
        }
        let text = |set: &BTreeSet<String>| match set.is_empty() {
            true => "none".to_owned(),
            false => set.iter().cloned().collect::<Vec<_>>().join("; "),
        };
        self.compare("other attributes", text(&a.wildcards), text(&b.wildcards));
    }

    fn attribute_use(&mut self, a: &'m AttributeUse, b: &'m AttributeUse) {
        self.compare("use", usage(a.usage), usage(b.usage));
        self.value(a.value.as_ref(), b.value.as_ref());
        match (&a.attribute, &b.attribute) {
            (AttributeRef::Local(a), AttributeRef::Local(b)) => self.attribute(a, b),
            // Global attributes are compared where they are declared.
            (AttributeRef::Global(_), AttributeRef::Global(_)) => {}
            (AttributeRef::Local(_), AttributeRef::Global(_)) => {
                self.compare("declaration", "local", "global")
            }
            (AttributeRef::Global(_), AttributeRef::Local(_)) => {
                self.compare("declaration", "global", "local")
            }
        }
    }

    pub(super) fn attribute(&mut self, a: &'m Attribute, b: &'m Attribute) {
        self.value(a.value.as_ref(), b.value.as_ref());
        self.simple_reference("type", &a.type_, &b.type_);
    }

    fn simple_reference(&mut self, what: &str, a: &'m SimpleRef, b: &'m SimpleRef) {
        match (a, b) {
            (SimpleRef::Inline(a), SimpleRef::Inline(b)) => self.simple_type(a, b),
            (SimpleRef::Named(_) | SimpleRef::Inline(_), _) => {
                let text = |t: &SimpleRef| match t {
                    SimpleRef::Named(name) => name.to_string(),
                    SimpleRef::Inline(_) => "a type of its own".to_owned(),
                };
                self.compare(what, text(a), text(b));
            }
        }
    }

    pub(super) fn simple_type(&mut self, a: &'m SimpleType, b: &'m SimpleType) {
        self.compare("final", super::derivations(a.final_), super::derivations(b.final_));
        match (&a.variety, &b.variety) {
            (
                Variety::Restriction { base: base_a, facets: facets_a },
                Variety::Restriction { base: base_b, facets: facets_b },
            ) => {
                self.simple_reference("base", base_a, base_b);
                self.facets(facets_a, facets_b);
            }
            (Variety::List(a), Variety::List(b)) => self.simple_reference("item type", a, b),
            (Variety::Union(a), Variety::Union(b)) => {
                self.compare("number of member types", a.len(), b.len());
                for (i, (a, b)) in a.iter().zip(b).enumerate() {
                    self.inside(format!("member {}", i + 1), |d| d.simple_reference("type", a, b));
                }
            }
            (Variety::Restriction { .. } | Variety::List(_) | Variety::Union(_), _) => {
                let text = |t: &SimpleType| match t.variety {
                    Variety::Restriction { .. } => "restriction",
                    Variety::List(_) => "list",
                    Variety::Union(_) => "union",
                };
                self.compare("variety", text(a), text(b));
            }
        }
    }

    pub(super) fn facets(&mut self, a: &[Facet], b: &[Facet]) {
        // Enumerations and patterns are sets; of the others there is one each.
        let table = |list: &[Facet]| {
            let mut out: BTreeMap<FacetKind, BTreeSet<String>> = BTreeMap::new();
            for facet in list {
                let fixed = if facet.fixed { " (fixed)" } else { "" };
                out.entry(facet.kind).or_default().insert(format!("{:?}{fixed}", facet.value));
            }
            out
        };
        let (a, b) = (table(a), table(b));
        let none = BTreeSet::new();
        for (kind, name) in FacetKind::ALL {
            let (a, b) = (a.get(&kind).unwrap_or(&none), b.get(&kind).unwrap_or(&none));
            let text = |only: Vec<&String>| {
                let words: Vec<&str> = only.into_iter().map(String::as_str).collect();
                (!words.is_empty()).then(|| words.join(", "))
            };
            let (first, second) = (text(a.difference(b).collect()), text(b.difference(a).collect()));
            if first.is_some() || second.is_some() {
                self.report(name, first, second);
            }
        }
    }
}
