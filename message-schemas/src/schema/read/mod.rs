//! Nodes of a schema file to components of the model.
//!
//! Every element and attribute of the schema language that is met here is either understood or a fault that
//! names it; nothing is stepped over in silence except annotations.

mod identity;
mod types;

use super::error::{Problem, SchemaFault};
use super::model::*;
use super::source::Node;
use std::sync::Arc;

/// What one file declares at its top level.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    pub(super) elements: Vec<Element>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) types: Vec<Type>,
    pub(super) groups: Vec<NamedGroup>,
    pub(super) attribute_groups: Vec<AttributeGroup>,
}

/// The preamble of a file: what it is and what it names.
pub(super) fn preamble(file: &str, root: &Node, faults: &mut Vec<SchemaFault>) -> Document {
    let mut document = Document {
        name: file.to_owned(),
        namespace: root.attribute("targetNamespace").unwrap_or_default().into(),
        imports: Vec::new(),
        includes: Vec::new(),
        documentation: root.documentation(),
    };
    for node in &root.children {
        let location = node.attribute("schemaLocation").map(last_segment);
        match node.local.as_str() {
            "import" => document.imports.push(Import {
                namespace: node.attribute("namespace").unwrap_or_default().into(),
                file: location,
            }),
            "include" => match location {
                Some(location) => document.includes.push(location),
                None => faults.push(SchemaFault {
                    file: file.to_owned(),
                    line: node.line,
                    problem: Problem::Attribute { element: node.local.clone(), attribute: "schemaLocation" },
                }),
            },
            _ => {}
        }
    }
    document
}

/// The file name in a location, be it an address or a path.
pub(super) fn last_segment(location: &str) -> String {
    location.trim().rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
}

/// Reads what a file declares, for the namespace that it declares it in (its includer's, if it has none).
pub(super) fn declarations(
    file: &str,
    document: u32,
    root: &Node,
    target: &Arc<str>,
    faults: &mut Vec<SchemaFault>,
) -> Declarations {
    let mut reader = Reader {
        file,
        document,
        target,
        adopts: root.attribute("targetNamespace").is_none(),
        elements_qualified: root.attribute("elementFormDefault") == Some("qualified"),
        attributes_qualified: root.attribute("attributeFormDefault") == Some("qualified"),
        block_default: root.attribute("blockDefault").unwrap_or_default(),
        final_default: root.attribute("finalDefault").unwrap_or_default(),
        faults,
    };
    let mut out = Declarations::default();
    reader.known_attributes(root);
    for node in &root.children {
        match node.local.as_str() {
            "element" => out.elements.extend(reader.global_element(node)),
            "attribute" => out.attributes.extend(reader.global_attribute(node)),
            "simpleType" => {
                let name = reader.own_name(node);
                out.types.extend(reader.simple_type(node, name).map(Type::Simple));
            }
            "complexType" => {
                let name = reader.own_name(node);
                out.types.extend(reader.complex_type(node, name).map(Type::Complex));
            }
            "group" => out.groups.extend(reader.named_group(node)),
            "attributeGroup" => out.attribute_groups.extend(reader.attribute_group(node)),
            "annotation" => {}
            "import" | "include" => reader.known_attributes(node),
            _ => reader.unsupported(node),
        }
    }
    out
}

struct Reader<'a> {
    file: &'a str,
    document: u32,
    target: &'a Arc<str>,
    /// The file has no target namespace: names without prefix are in its includer's.
    adopts: bool,
    elements_qualified: bool,
    attributes_qualified: bool,
    block_default: &'a str,
    final_default: &'a str,
    faults: &'a mut Vec<SchemaFault>,
}

/// The attributes that each element of the schema language may have.
fn known_attributes(element: &str) -> &'static [&'static str] {
    match element {
        "schema" => &[
            "targetNamespace",
            "version",
            "elementFormDefault",
            "attributeFormDefault",
            "blockDefault",
            "finalDefault",
        ],
        "import" => &["namespace", "schemaLocation"],
        "include" => &["schemaLocation"],
        "element" => &[
            "name",
            "ref",
            "type",
            "minOccurs",
            "maxOccurs",
            "nillable",
            "default",
            "fixed",
            "abstract",
            "substitutionGroup",
            "block",
            "final",
            "form",
        ],
        "attribute" => &["name", "ref", "type", "use", "default", "fixed", "form"],
        "complexType" => &["name", "mixed", "abstract", "block", "final"],
        "simpleType" => &["name", "final"],
        "complexContent" => &["mixed"],
        "extension" | "restriction" => &["base"],
        "sequence" | "choice" | "all" => &["minOccurs", "maxOccurs"],
        "group" => &["name", "ref", "minOccurs", "maxOccurs"],
        "attributeGroup" => &["name", "ref"],
        "any" => &["namespace", "processContents", "minOccurs", "maxOccurs"],
        "anyAttribute" => &["namespace", "processContents"],
        "list" => &["itemType"],
        "union" => &["memberTypes"],
        "key" | "unique" => &["name"],
        "keyref" => &["name", "refer"],
        "selector" | "field" => &["xpath"],
        _ => &["value", "fixed"],
    }
}

impl Reader<'_> {
    fn fault(&mut self, node: &Node, problem: Problem) {
        self.faults.push(SchemaFault { file: self.file.to_owned(), line: node.line, problem });
    }

    fn unsupported(&mut self, node: &Node) {
        let name = if node.local.is_empty() { "an element of another namespace" } else { &node.local };
        let name = if node.local.is_empty() { name.to_owned() } else { format!("xs:{name}") };
        self.fault(node, Problem::Unsupported(name));
    }

    fn misplaced(&mut self, node: &Node) {
        self.fault(node, Problem::Misplaced(format!("xs:{}", node.local)));
    }

    fn bad(&mut self, node: &Node, attribute: &'static str) {
        self.fault(node, Problem::Attribute { element: node.local.clone(), attribute });
    }

    fn known_attributes(&mut self, node: &Node) {
        let known = known_attributes(&node.local);
        for (name, _) in &node.attributes {
            if name != "id" && !known.contains(&name.as_str()) {
                let what = format!("the attribute {name} of xs:{}", node.local);
                self.fault(node, Problem::Unsupported(what));
            }
        }
    }

    fn origin(&self, node: &Node) -> Origin {
        Origin { document: self.document, line: node.line }
    }

    fn in_target(&self, local: &str) -> QName {
        QName::new(self.target.clone(), local)
    }

    /// The `name` of a global component.
    fn own_name(&mut self, node: &Node) -> Option<QName> {
        let name = node.attribute("name").map(str::trim).filter(|n| !n.is_empty());
        if name.is_none() {
            self.bad(node, "name");
        }
        name.map(|n| self.in_target(n))
    }

    /// A reference by name.
    fn reference(&mut self, node: &Node, value: &str) -> Option<QName> {
        match node.qname(value.trim()) {
            Ok(name) if self.adopts && name.namespace.is_empty() => Some(self.in_target(&name.local)),
            Ok(name) => Some(name),
            Err(problem) => {
                self.fault(node, problem);
                None
            }
        }
    }

    fn named(&mut self, node: &Node, attribute: &'static str) -> Option<QName> {
        match node.attribute(attribute) {
            Some(value) => self.reference(node, value),
            None => {
                self.bad(node, attribute);
                None
            }
        }
    }

    fn flag(&mut self, node: &Node, attribute: &'static str) -> bool {
        match node.attribute(attribute).map(str::trim) {
            Some("true" | "1") => true,
            None | Some("false" | "0") => false,
            Some(_) => {
                self.bad(node, attribute);
                false
            }
        }
    }

    fn derivations(&mut self, node: &Node, attribute: &'static str, default: &str) -> Derivations {
        let mut out = Derivations::default();
        for word in node.attribute(attribute).unwrap_or(default).split_ascii_whitespace() {
            match word {
                "#all" => {
                    out = Derivations {
                        extension: true,
                        restriction: true,
                        substitution: true,
                        list: true,
                        union: true,
                    }
                }
                "extension" => out.extension = true,
                "restriction" => out.restriction = true,
                "substitution" => out.substitution = true,
                "list" => out.list = true,
                "union" => out.union = true,
                _ => self.bad(node, attribute),
            }
        }
        out
    }

    fn value_constraint(&mut self, node: &Node) -> Option<ValueConstraint> {
        match (node.attribute("default"), node.attribute("fixed")) {
            (None, None) => None,
            (Some(value), None) => Some(ValueConstraint::Default(value.to_owned())),
            (None, Some(value)) => Some(ValueConstraint::Fixed(value.to_owned())),
            (Some(_), Some(_)) => {
                self.bad(node, "default");
                None
            }
        }
    }

    fn occurs(&mut self, node: &Node) -> (u32, Option<u32>) {
        let min = match node.attribute("minOccurs").map(|v| v.trim().parse::<u32>()) {
            None => 1,
            Some(Ok(n)) => n,
            Some(Err(_)) => {
                self.bad(node, "minOccurs");
                1
            }
        };
        let max = match node.attribute("maxOccurs").map(str::trim) {
            None => Some(1),
            Some("unbounded") => None,
            Some(v) => match v.parse::<u32>() {
                Ok(n) => Some(n),
                Err(_) => {
                    self.bad(node, "maxOccurs");
                    Some(1)
                }
            },
        };
        if max.is_some_and(|max| max < min) {
            self.bad(node, "maxOccurs");
        }
        (min, max)
    }

    // ---- elements and attributes

    fn global_element(&mut self, node: &Node) -> Option<Element> {
        self.known_attributes(node);
        for attribute in ["ref", "minOccurs", "maxOccurs", "form"] {
            if node.attribute(attribute).is_some() {
                self.fault(node, Problem::Misplaced(format!("the attribute {attribute}")));
            }
        }
        let name = self.own_name(node)?;
        Some(self.element(node, name))
    }

    fn element(&mut self, node: &Node, name: QName) -> Element {
        let substitution_group =
            node.attribute("substitutionGroup").and_then(|value| self.reference(node, value));
        let mut inline = None;
        let mut identity = Vec::new();
        for child in &node.children {
            match child.local.as_str() {
                "annotation" => {}
                "simpleType" => inline = self.simple_type(child, None).map(Type::Simple),
                "complexType" => inline = self.complex_type(child, None).map(Type::Complex),
                "key" | "unique" | "keyref" => identity.extend(self.identity(child)),
                _ => self.unsupported(child),
            }
        }
        let named = node.attribute("type").and_then(|value| self.reference(node, value));
        if named.is_some() && inline.is_some() {
            self.bad(node, "type");
        }
        let type_ = match (named, inline) {
            (Some(name), _) => TypeRef::Named(name),
            (None, Some(inline)) => TypeRef::Inline(Box::new(inline)),
            (None, None) if substitution_group.is_some() => TypeRef::OfHead,
            (None, None) => TypeRef::Named(QName::xsd("anyType")),
        };
        Element {
            name,
            type_,
            nillable: self.flag(node, "nillable"),
            value: self.value_constraint(node),
            abstract_: self.flag(node, "abstract"),
            substitution_group,
            block: self.derivations(node, "block", self.block_default),
            final_: self.derivations(node, "final", self.final_default),
            identity,
            documentation: node.documentation(),
            origin: self.origin(node),
        }
    }

    fn local_name(&mut self, node: &Node, qualified: bool) -> Option<QName> {
        let name = self.own_name(node)?;
        let qualified = match node.attribute("form").map(str::trim) {
            None => qualified,
            Some("qualified") => true,
            Some("unqualified") => false,
            Some(_) => {
                self.bad(node, "form");
                qualified
            }
        };
        Some(if qualified { name } else { QName::new("", name.local) })
    }

    fn simple_ref(&mut self, node: &Node, attribute: &'static str) -> Option<SimpleRef> {
        let inline = node.children.iter().find(|c| c.local == "simpleType");
        match (node.attribute(attribute), inline) {
            (Some(value), None) => self.reference(node, value).map(SimpleRef::Named),
            (None, Some(inline)) => self.simple_type(inline, None).map(|t| SimpleRef::Inline(Box::new(t))),
            (Some(_), Some(_)) => {
                self.bad(node, attribute);
                None
            }
            (None, None) => None,
        }
    }

    fn attribute_declaration(&mut self, node: &Node, name: QName) -> Attribute {
        for child in &node.children {
            if !matches!(child.local.as_str(), "annotation" | "simpleType") {
                self.unsupported(child);
            }
        }
        let type_ =
            self.simple_ref(node, "type").unwrap_or_else(|| SimpleRef::Named(QName::xsd("anySimpleType")));
        Attribute { name, type_, value: None, documentation: node.documentation(), origin: self.origin(node) }
    }

    fn global_attribute(&mut self, node: &Node) -> Option<Attribute> {
        self.known_attributes(node);
        let name = self.own_name(node)?;
        let mut attribute = self.attribute_declaration(node, name);
        attribute.value = self.value_constraint(node);
        Some(attribute)
    }

    fn attribute_use(&mut self, node: &Node) -> Option<AttributeUse> {
        self.known_attributes(node);
        let usage = match node.attribute("use").map(str::trim) {
            None | Some("optional") => Usage::Optional,
            Some("required") => Usage::Required,
            Some("prohibited") => Usage::Prohibited,
            Some(_) => {
                self.bad(node, "use");
                Usage::Optional
            }
        };
        let attribute = match node.attribute("ref") {
            Some(value) => AttributeRef::Global(self.reference(node, value)?),
            None => {
                let name = self.local_name(node, self.attributes_qualified)?;
                AttributeRef::Local(self.attribute_declaration(node, name))
            }
        };
        Some(AttributeUse { attribute, usage, value: self.value_constraint(node), origin: self.origin(node) })
    }

    /// Adds to the attributes of a type or group; false if the node is of another kind.
    fn attribute_item(
        &mut self,
        node: &Node,
        items: &mut Vec<AttributeItem>,
        any: &mut Option<Wildcard>,
    ) -> bool {
        match node.local.as_str() {
            "attribute" => items.extend(self.attribute_use(node).map(AttributeItem::Use)),
            "attributeGroup" => {
                self.known_attributes(node);
                items.extend(self.named(node, "ref").map(AttributeItem::Group));
            }
            "anyAttribute" => {
                self.known_attributes(node);
                *any = Some(self.wildcard(node));
            }
            _ => return false,
        }
        true
    }

    fn attribute_group(&mut self, node: &Node) -> Option<AttributeGroup> {
        self.known_attributes(node);
        let name = self.own_name(node)?;
        let mut attributes = Vec::new();
        let mut any_attribute = None;
        for child in &node.children {
            if child.local != "annotation" && !self.attribute_item(child, &mut attributes, &mut any_attribute)
            {
                self.unsupported(child);
            }
        }
        Some(AttributeGroup {
            name,
            attributes,
            any_attribute,
            documentation: node.documentation(),
            origin: self.origin(node),
        })
    }

    fn wildcard(&mut self, node: &Node) -> Wildcard {
        let process = match node.attribute("processContents").map(str::trim) {
            None | Some("strict") => Process::Strict,
            Some("lax") => Process::Lax,
            Some("skip") => Process::Skip,
            Some(_) => {
                self.bad(node, "processContents");
                Process::Strict
            }
        };
        let namespaces = match node.attribute("namespace").map(str::trim) {
            None | Some("##any") => Namespaces::Any,
            Some("##other") => Namespaces::Not(self.target.clone()),
            Some(list) => {
                let mut of: Vec<Arc<str>> = list
                    .split_ascii_whitespace()
                    .map(|word| match word {
                        "##targetNamespace" => self.target.clone(),
                        "##local" => "".into(),
                        uri => uri.into(),
                    })
                    .collect();
                of.sort_unstable();
                of.dedup();
                Namespaces::Of(of)
            }
        };
        Wildcard { namespaces, process }
    }

    // ---- content models

    /// A particle, none if it can never stand.
    fn particle(&mut self, node: &Node) -> Option<Particle> {
        self.known_attributes(node);
        let (min, max) = self.occurs(node);
        let term = match node.local.as_str() {
            "element" => match node.attribute("ref") {
                Some(value) => Term::Element(self.reference(node, value)?),
                None => {
                    for attribute in ["abstract", "final", "substitutionGroup"] {
                        if node.attribute(attribute).is_some() {
                            self.fault(node, Problem::Misplaced(format!("the attribute {attribute}")));
                        }
                    }
                    let name = self.local_name(node, self.elements_qualified)?;
                    Term::Local(Box::new(self.element(node, name)))
                }
            },
            "group" => Term::NamedGroup(self.named(node, "ref")?),
            "any" => Term::Any(self.wildcard(node)),
            _ => Term::Group(self.group(node)?),
        };
        (max != Some(0)).then_some(Particle { min, max, term, origin: self.origin(node) })
    }

    fn group(&mut self, node: &Node) -> Option<Group> {
        let order = match node.local.as_str() {
            "sequence" => Order::Sequence,
            "choice" => Order::Choice,
            "all" => Order::All,
            _ => {
                self.unsupported(node);
                return None;
            }
        };
        let mut particles = Vec::new();
        for child in &node.children {
            match (child.local.as_str(), order) {
                ("annotation", _) => {}
                ("element", _)
                | ("sequence" | "choice" | "group" | "any", Order::Sequence | Order::Choice) => {
                    particles.extend(self.particle(child));
                }
                ("sequence" | "choice" | "group" | "any" | "all", _) => self.misplaced(child),
                _ => self.unsupported(child),
            }
        }
        Some(Group { order, particles })
    }

    fn named_group(&mut self, node: &Node) -> Option<NamedGroup> {
        self.known_attributes(node);
        let name = self.own_name(node)?;
        let child = node.children.iter().find(|c| c.local != "annotation")?;
        self.known_attributes(child);
        let group = self.group(child)?;
        Some(NamedGroup { name, group, documentation: node.documentation(), origin: self.origin(node) })
    }
}
