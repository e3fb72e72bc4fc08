//! Simple and complex types.

use super::Reader;
use crate::schema::model::*;
use crate::schema::source::Node;

impl Reader<'_> {
    pub(super) fn complex_type(&mut self, node: &Node, name: Option<QName>) -> Option<ComplexType> {
        self.known_attributes(node);
        let mixed = self.flag(node, "mixed");
        let mut type_ = ComplexType {
            name,
            base: QName::xsd("anyType"),
            method: Method::Restriction,
            abstract_: self.flag(node, "abstract"),
            block: self.derivations(node, "block", self.block_default),
            final_: self.derivations(node, "final", self.final_default),
            content: Content::Elements { mixed, particle: None },
            attributes: Vec::new(),
            any_attribute: None,
            documentation: node.documentation(),
            origin: self.origin(node),
        };
        let first = node.children.iter().find(|c| c.local != "annotation");
        match first.filter(|c| matches!(c.local.as_str(), "simpleContent" | "complexContent")) {
            None => self.complex_body(node, mixed, &mut type_),
            Some(content) => {
                self.known_attributes(content);
                let derivation = content.children.iter().find(|c| c.local != "annotation")?;
                self.known_attributes(derivation);
                type_.method = match derivation.local.as_str() {
                    "extension" => Method::Extension,
                    "restriction" => Method::Restriction,
                    _ => {
                        self.unsupported(derivation);
                        return None;
                    }
                };
                type_.base = self.named(derivation, "base")?;
                if content.local == "simpleContent" {
                    self.simple_body(derivation, &mut type_);
                } else {
                    let mixed = match content.attribute("mixed") {
                        Some(_) => self.flag(content, "mixed"),
                        None => mixed,
                    };
                    self.complex_body(derivation, mixed, &mut type_);
                }
            }
        }
        Some(type_)
    }

    fn complex_body(&mut self, node: &Node, mixed: bool, type_: &mut ComplexType) {
        let mut own = None;
        let mut seen = false;
        for child in &node.children {
            match child.local.as_str() {
                "annotation" => {}
                "sequence" | "choice" | "all" | "group" if !seen && type_.attributes.is_empty() => {
                    seen = true;
                    own = self.particle(child);
                }
                "sequence" | "choice" | "all" | "group" => self.misplaced(child),
                _ => {
                    if !self.attribute_item(child, &mut type_.attributes, &mut type_.any_attribute) {
                        self.unsupported(child);
                    }
                }
            }
        }
        type_.content = Content::Elements { mixed, particle: own };
    }

    fn simple_body(&mut self, node: &Node, type_: &mut ComplexType) {
        let mut narrowed = None;
        let mut facets = Vec::new();
        for child in &node.children {
            match child.local.as_str() {
                "annotation" => {}
                "simpleType" if type_.method == Method::Restriction => {
                    narrowed = self.simple_type(child, None).map(Box::new);
                }
                _ => {
                    if self.attribute_item(child, &mut type_.attributes, &mut type_.any_attribute) {
                        continue;
                    }
                    match self.facet(child) {
                        Some(facet) if type_.method == Method::Restriction => facets.push(facet),
                        Some(_) => self.misplaced(child),
                        None => self.unsupported(child),
                    }
                }
            }
        }
        type_.content = Content::Text { narrowed, facets };
    }

    pub(super) fn simple_type(&mut self, node: &Node, name: Option<QName>) -> Option<SimpleType> {
        self.known_attributes(node);
        let inner = node.children.iter().find(|c| c.local != "annotation");
        let Some(inner) = inner else {
            self.misplaced(node);
            return None;
        };
        self.known_attributes(inner);
        let variety = match inner.local.as_str() {
            "restriction" => {
                let Some(base) = self.simple_ref(inner, "base") else {
                    self.bad(inner, "base");
                    return None;
                };
                let mut facets = Vec::new();
                for child in &inner.children {
                    if !matches!(child.local.as_str(), "annotation" | "simpleType") {
                        match self.facet(child) {
                            Some(facet) => facets.push(facet),
                            None => self.unsupported(child),
                        }
                    }
                }
                Variety::Restriction { base, facets }
            }
            "list" => {
                let Some(item) = self.simple_ref(inner, "itemType") else {
                    self.bad(inner, "itemType");
                    return None;
                };
                Variety::List(item)
            }
            "union" => {
                let mut members = Vec::new();
                for word in inner.attribute("memberTypes").unwrap_or_default().split_ascii_whitespace() {
                    members.extend(self.reference(inner, word).map(SimpleRef::Named));
                }
                for child in inner.children.iter().filter(|c| c.local == "simpleType") {
                    members.extend(self.simple_type(child, None).map(|t| SimpleRef::Inline(Box::new(t))));
                }
                Variety::Union(members)
            }
            _ => {
                self.unsupported(inner);
                return None;
            }
        };
        Some(SimpleType {
            name,
            variety,
            final_: self.derivations(node, "final", self.final_default),
            documentation: node.documentation(),
            origin: self.origin(node),
        })
    }

    fn facet(&mut self, node: &Node) -> Option<Facet> {
        let (kind, _) = *FacetKind::ALL.iter().find(|(_, name)| *name == node.local)?;
        self.known_attributes(node);
        let Some(value) = node.attribute("value") else {
            self.bad(node, "value");
            return None;
        };
        let name = (kind == FacetKind::Enumeration).then(|| node.qname(value.trim()).ok()).flatten();
        Some(Facet {
            kind,
            value: value.to_owned(),
            name,
            fixed: self.flag(node, "fixed"),
            origin: self.origin(node),
        })
    }
}
