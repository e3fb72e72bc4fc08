//! The promise of a loaded model: every reference leads somewhere, and no definition leads to itself.

use super::datatypes::Builtin;
use super::error::{Problem, SchemaFault};
use super::load::fault;
use super::model::*;
use std::collections::{BTreeMap, BTreeSet};

/// A global component: symbol space and name.
type Key<'m> = (&'static str, &'m QName);

/// All references that lead nowhere, and all definitions that run in a circle.
pub(super) fn check(model: &Model) -> Vec<SchemaFault> {
    let mut checker = Checker { model, faults: Vec::new(), defines: BTreeMap::new(), inside: None };
    for element in model.elements.values() {
        checker.inside = Some(("element", &element.name));
        checker.element(element);
    }
    for attribute in model.attributes.values() {
        checker.inside = None;
        checker.simple_ref(&attribute.type_, attribute.origin);
    }
    for (name, type_) in &model.types {
        checker.inside = Some(("type", name));
        checker.type_(type_);
    }
    for (name, group) in &model.groups {
        checker.inside = Some(("group", name));
        checker.group(&group.group);
    }
    for (name, group) in &model.attribute_groups {
        checker.inside = Some(("attribute group", name));
        checker.attributes(&group.attributes);
    }
    checker.circles();
    checker.faults
}

struct Checker<'m> {
    model: &'m Model,
    faults: Vec<SchemaFault>,
    /// What each global component is defined by.
    defines: BTreeMap<Key<'m>, BTreeSet<Key<'m>>>,
    /// The global component whose own definition is being read.
    inside: Option<Key<'m>>,
}

impl<'m> Checker<'m> {
    fn refer(&mut self, kind: &'static str, name: &'m QName, known: bool, defining: bool, origin: Origin) {
        if !known {
            let problem = Problem::Unknown { kind, name: name.to_string() };
            self.faults.push(fault(&self.model.documents, origin, problem));
        } else if let (true, Some(inside)) = (defining, self.inside) {
            self.defines.entry(inside).or_default().insert((kind, name));
        }
    }

    fn type_name(&mut self, name: &'m QName, simple: bool, defining: bool, origin: Origin) {
        let known = if &*name.namespace == XSD {
            Builtin::named(&name.local).is_some() || (!simple && name.is_xsd("anyType"))
        } else if simple {
            self.model.simple(name).is_some()
        } else {
            self.model.types.contains_key(name)
        };
        self.refer(if simple { "simple type" } else { "type" }, name, known, defining, origin);
    }

    fn element(&mut self, element: &'m Element) {
        let inside = self.inside;
        if let Some(head) = &element.substitution_group {
            let known = self.model.elements.contains_key(head);
            self.refer("element", head, known, true, element.origin);
        }
        // The type of an element may hold the element again: that is no circle.
        self.inside = None;
        match &element.type_ {
            TypeRef::Named(name) => self.type_name(name, false, false, element.origin),
            TypeRef::Inline(type_) => self.type_(type_),
            TypeRef::OfHead => {}
        }
        for identity in &element.identity {
            if let IdentityKind::KeyRef(refer) = &identity.kind {
                let known =
                    keys(self.model).any(|(name, fields)| name == refer && fields == identity.fields.len());
                self.refer("key", refer, known, false, identity.origin);
            }
        }
        self.inside = inside;
    }

    fn type_(&mut self, type_: &'m Type) {
        match type_ {
            Type::Simple(t) => self.simple_type(t),
            Type::Complex(t) => self.complex_type(t),
        }
    }

    fn complex_type(&mut self, type_: &'m ComplexType) {
        self.type_name(&type_.base, false, true, type_.origin);
        match &type_.content {
            Content::Elements { particle, .. } => particle.iter().for_each(|p| self.particle(p)),
            Content::Text { narrowed, .. } => narrowed.iter().for_each(|t| self.simple_type(t)),
        }
        self.attributes(&type_.attributes);
    }

    fn simple_type(&mut self, type_: &'m SimpleType) {
        match &type_.variety {
            Variety::Restriction { base, .. } => self.simple_ref(base, type_.origin),
            Variety::List(item) => self.simple_ref(item, type_.origin),
            Variety::Union(members) => members.iter().for_each(|m| self.simple_ref(m, type_.origin)),
        }
    }

    fn simple_ref(&mut self, reference: &'m SimpleRef, origin: Origin) {
        match reference {
            SimpleRef::Named(name) => self.type_name(name, true, true, origin),
            SimpleRef::Inline(type_) => self.simple_type(type_),
        }
    }

    fn group(&mut self, group: &'m Group) {
        group.particles.iter().for_each(|p| self.particle(p));
    }

    fn particle(&mut self, particle: &'m Particle) {
        match &particle.term {
            Term::Local(element) => self.element(element),
            Term::Element(name) => {
                let known = self.model.elements.contains_key(name);
                self.refer("element", name, known, false, particle.origin);
            }
            Term::Group(group) => self.group(group),
            Term::NamedGroup(name) => {
                let known = self.model.groups.contains_key(name);
                self.refer("group", name, known, true, particle.origin);
            }
            Term::Any(_) => {}
        }
    }

    fn attributes(&mut self, items: &'m [AttributeItem]) {
        for item in items {
            match item {
                AttributeItem::Use(AttributeUse { attribute, origin, .. }) => match attribute {
                    AttributeRef::Global(name) => {
                        let known = self.model.attributes.contains_key(name);
                        self.refer("attribute", name, known, false, *origin);
                    }
                    AttributeRef::Local(attribute) => {
                        let inside = self.inside.take();
                        self.simple_ref(&attribute.type_, attribute.origin);
                        self.inside = inside;
                    }
                },
                AttributeItem::Group(name) => {
                    let known = self.model.attribute_groups.contains_key(name);
                    let origin = self.inside.map_or(Origin::default(), |key| self.origin(key));
                    self.refer("attribute group", name, known, true, origin);
                }
            }
        }
    }

    fn origin(&self, (kind, name): Key<'m>) -> Origin {
        let model = self.model;
        match kind {
            "element" => model.elements.get(name).map(|c| c.origin),
            "group" => model.groups.get(name).map(|c| c.origin),
            "attribute group" => model.attribute_groups.get(name).map(|c| c.origin),
            _ => model.types.get(name).map(Type::origin),
        }
        .unwrap_or_default()
    }

    /// Takes away whatever is defined by nothing that is left; what remains is in a circle, or hangs on one.
    fn circles(&mut self) {
        let simple_is_type =
            |(kind, name): Key<'m>| if kind == "simple type" { ("type", name) } else { (kind, name) };
        let mut left: BTreeMap<Key<'m>, BTreeSet<Key<'m>>> = std::mem::take(&mut self.defines)
            .into_iter()
            .map(|(key, by)| (key, by.into_iter().map(simple_is_type).collect()))
            .collect();
        loop {
            let before = left.len();
            let names: BTreeSet<Key<'m>> = left.keys().copied().collect();
            left.retain(|_, by| by.iter().any(|key| names.contains(key)));
            if left.len() == before {
                break;
            }
        }
        for (kind, name) in left.into_keys() {
            let problem = Problem::Circle { kind, name: name.to_string() };
            self.faults.push(fault(&self.model.documents, self.origin((kind, name)), problem));
        }
    }
}

/// Every `xs:key` and `xs:unique` of the set, with its number of fields. They may stand on local elements.
fn keys(model: &Model) -> impl Iterator<Item = (&QName, usize)> {
    let mut found = Vec::new();
    let mut todo: Vec<&Element> = model.elements.values().collect();
    let mut particles: Vec<&Particle> = Vec::new();
    let mut types: Vec<&Type> = model.types.values().collect();
    particles.extend(model.groups.values().flat_map(|g| &g.group.particles));
    loop {
        if let Some(element) = todo.pop() {
            for identity in &element.identity {
                if !matches!(identity.kind, IdentityKind::KeyRef(_)) {
                    found.push((&identity.name, identity.fields.len()));
                }
            }
            if let TypeRef::Inline(type_) = &element.type_ {
                types.push(type_);
            }
        } else if let Some(type_) = types.pop() {
            if let Type::Complex(ComplexType {
                content: Content::Elements { particle: Some(p), .. }, ..
            }) = type_
            {
                particles.push(p);
            }
        } else if let Some(particle) = particles.pop() {
            match &particle.term {
                Term::Local(element) => todo.push(element),
                Term::Group(group) => particles.extend(&group.particles),
                Term::Element(_) | Term::NamedGroup(_) | Term::Any(_) => {}
            }
        } else {
            return found.into_iter();
        }
    }
}
