//! Attributes of types, their bases' included, and the algebra of wildcards.

use super::{Compiler, split};
use crate::schema::automaton::NamespaceTest;
use crate::schema::compiled::Attribute;
use crate::schema::model::{self, AttributeItem, AttributeRef, Method, Namespaces};
use crate::schema::names::NO_NAMESPACE;

impl<'m> Compiler<'m> {
    pub(super) fn attributes(
        &mut self,
        type_: &'m model::ComplexType,
    ) -> (Vec<Attribute>, Option<(NamespaceTest, model::Process)>) {
        let (mut list, base_any) = match self.model.complex(&type_.base) {
            Some(base) => self.attributes(base),
            None if type_.base.is_xsd("anyType") && type_.method == Method::Extension => {
                let all = NamespaceTest { all_but: true, list: Box::default() };
                (Vec::new(), Some((all, model::Process::Lax)))
            }
            None => (Vec::new(), None),
        };
        let mut own_any = type_.any_attribute.as_ref().map(|w| self.wildcard(w));
        self.own_attributes(&type_.attributes, &mut list, &mut own_any);
        let any = match (type_.method, own_any, base_any) {
            (Method::Extension, Some(own), Some(base)) => Some((union(&own.0, &base.0), own.1)),
            (Method::Extension, own, base) => own.or(base),
            (Method::Restriction, own, _) => own,
        };
        (list, any)
    }

    fn own_attributes(
        &mut self,
        items: &'m [AttributeItem],
        list: &mut Vec<Attribute>,
        any: &mut Option<(NamespaceTest, model::Process)>,
    ) {
        for item in items {
            match item {
                AttributeItem::Group(name) => {
                    let Some(group) = self.model.attribute_groups.get(name) else { continue };
                    self.own_attributes(&group.attributes, list, any);
                    if let Some(wildcard) = &group.any_attribute {
                        let new = self.wildcard(wildcard);
                        *any = Some(match any.take() {
                            None => new,
                            Some(known) => (intersection(&known.0, &new.0), known.1),
                        });
                    }
                }
                AttributeItem::Use(use_) => {
                    let (name, type_, declared) = match &use_.attribute {
                        AttributeRef::Local(a) => (&a.name, &a.type_, None),
                        AttributeRef::Global(name) => match self.model.attributes.get(name) {
                            Some(a) => (&a.name, &a.type_, a.value.as_ref()),
                            None => continue,
                        },
                    };
                    let symbol = self.symbol(name);
                    list.retain(|a| a.symbol != symbol);
                    if use_.usage == model::Usage::Prohibited {
                        continue;
                    }
                    let (fixed, default) = split(use_.value.as_ref().or(declared));
                    let checks = self.simple_ref(type_);
                    let required = use_.usage == model::Usage::Required;
                    list.push(Attribute { symbol, simple: self.simple(checks), required, fixed, default });
                }
            }
        }
    }

    pub(super) fn wildcard(&mut self, wildcard: &model::Wildcard) -> (NamespaceTest, model::Process) {
        let names = &mut self.out.names;
        let test = match &wildcard.namespaces {
            Namespaces::Any => NamespaceTest { all_but: true, list: Box::default() },
            Namespaces::Not(target) => {
                NamespaceTest { all_but: true, list: sorted(vec![names.intern_uri(target), NO_NAMESPACE]) }
            }
            Namespaces::Of(list) => NamespaceTest {
                all_but: false,
                list: sorted(list.iter().map(|uri| names.intern_uri(uri)).collect()),
            },
        };
        (test, wildcard.process)
    }
}

fn sorted(mut list: Vec<u32>) -> Box<[u32]> {
    list.sort_unstable();
    list.dedup();
    list.into()
}

fn union(a: &NamespaceTest, b: &NamespaceTest) -> NamespaceTest {
    let with = |x: &[u32], y: &[u32], keep: bool| -> Box<[u32]> {
        sorted(x.iter().copied().filter(|id| y.contains(id) == keep).collect())
    };
    match (a.all_but, b.all_but) {
        (false, false) => NamespaceTest { all_but: false, list: sorted([&*a.list, &*b.list].concat()) },
        (true, true) => NamespaceTest { all_but: true, list: with(&a.list, &b.list, true) },
        (false, true) => NamespaceTest { all_but: true, list: with(&b.list, &a.list, false) },
        (true, false) => NamespaceTest { all_but: true, list: with(&a.list, &b.list, false) },
    }
}

fn intersection(a: &NamespaceTest, b: &NamespaceTest) -> NamespaceTest {
    let not = |t: &NamespaceTest| NamespaceTest { all_but: !t.all_but, list: t.list.clone() };
    not(&union(&not(a), &not(b)))
}
