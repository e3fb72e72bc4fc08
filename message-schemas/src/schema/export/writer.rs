//! Components to XSD text, one file at a time.

use super::{Namings, import};
use crate::schema::model::*;
use crate::xml::{escape_attribute, escape_text};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Writes the components of one target namespace.
pub(super) struct Writer<'m> {
    model: &'m Model,
    target: &'m Arc<str>,
    namespaces: &'m Namings,
    body: String,
    depth: usize,
    /// Elements not yet closed by `>`: the tag is open for attributes.
    open: bool,
    /// Namespaces that names in the file are of.
    used: BTreeSet<Arc<str>>,
    /// What the next type is annotated with.
    note: Option<&'static str>,
    /// How local names are written where nothing is said: in the namespace or not.
    elements_qualified: bool,
    attributes_qualified: bool,
}

impl<'m> Writer<'m> {
    pub(super) fn new(model: &'m Model, target: &'m Arc<str>, namespaces: &'m Namings) -> Self {
        let mut count = Forms::default();
        count.of(model, target);
        Self {
            model,
            target,
            namespaces,
            body: String::new(),
            depth: 1,
            open: false,
            used: BTreeSet::new(),
            note: None,
            elements_qualified: count.elements.0 >= count.elements.1,
            attributes_qualified: count.attributes.0 > count.attributes.1,
        }
    }

    // ---- tags

    fn start(&mut self, name: &str) {
        self.close_tag();
        let indent = self.depth * 2;
        self.body.push_str(&format!("{:indent$}<xs:{name}", ""));
        self.open = true;
        self.depth += 1;
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.body.push_str(&format!(" {name}=\"{}\"", escape_attribute(value)));
    }

    fn close_tag(&mut self) {
        if self.open {
            self.body.push_str(">\n");
            self.open = false;
        }
    }

    fn end(&mut self, name: &str) {
        self.depth -= 1;
        if self.open {
            self.body.push_str("/>\n");
            self.open = false;
        } else {
            let indent = self.depth * 2;
            self.body.push_str(&format!("{:indent$}</xs:{name}>\n", ""));
        }
    }

    /// Annotates the type that is written next.
    pub(super) const fn note(&mut self, note: Option<&'static str>) {
        self.note = note;
    }

    fn annotation(&mut self) {
        if let Some(note) = self.note.take() {
            self.start("annotation");
            self.start("documentation");
            self.attribute("xml:lang", "en");
            self.body.push_str(&format!(">{}</xs:documentation>\n", escape_text(note)));
            self.open = false;
            self.depth -= 1;
            self.end("annotation");
        }
    }

    /// A name as the file writes it; its namespace is imported.
    fn name(&mut self, name: &QName) -> String {
        if &*name.namespace != XSD {
            self.used.insert(name.namespace.clone());
        }
        match self.namespaces.prefix(&name.namespace) {
            "" => name.local.to_string(),
            prefix => format!("{prefix}:{}", name.local),
        }
    }

    fn reference(&mut self, attribute: &str, name: &QName) {
        let text = self.name(name);
        self.attribute(attribute, &text);
    }

    fn derivations(&mut self, attribute: &str, set: Derivations) {
        let list = [
            ("extension", set.extension),
            ("restriction", set.restriction),
            ("substitution", set.substitution),
            ("list", set.list),
            ("union", set.union),
        ];
        let words: Vec<&str> = list.into_iter().filter(|(_, on)| *on).map(|(word, _)| word).collect();
        if !words.is_empty() {
            self.attribute(attribute, &words.join(" "));
        }
    }

    fn value(&mut self, value: Option<&ValueConstraint>) {
        match value {
            Some(ValueConstraint::Default(value)) => self.attribute("default", value),
            Some(ValueConstraint::Fixed(value)) => self.attribute("fixed", value),
            None => {}
        }
    }

    fn form(&mut self, namespace: &str, qualified_by_default: bool) {
        let qualified = !namespace.is_empty();
        // Without a target namespace both forms mean the same.
        if qualified != qualified_by_default && !self.target.is_empty() {
            self.attribute("form", if qualified { "qualified" } else { "unqualified" });
        }
    }

    fn occurs(&mut self, particle: &Particle) {
        if particle.min != 1 {
            self.attribute("minOccurs", &particle.min.to_string());
        }
        match particle.max {
            Some(1) => {}
            Some(most) => self.attribute("maxOccurs", &most.to_string()),
            None => self.attribute("maxOccurs", "unbounded"),
        }
    }

    // ---- elements

    pub(super) fn global_element(&mut self, element: &Element) {
        self.start("element");
        self.attribute("name", &element.name.local);
        self.element(element, None);
    }

    fn element(&mut self, element: &Element, particle: Option<&Particle>) {
        if let TypeRef::Named(name) = &element.type_ {
            self.reference("type", name);
        }
        if let Some(particle) = particle {
            self.occurs(particle);
        }
        if let Some(head) = &element.substitution_group {
            self.reference("substitutionGroup", head);
        }
        self.value(element.value.as_ref());
        if element.nillable {
            self.attribute("nillable", "true");
        }
        if element.abstract_ {
            self.attribute("abstract", "true");
        }
        self.derivations("block", element.block);
        self.derivations("final", element.final_);
        if let TypeRef::Inline(type_) = &element.type_ {
            match &**type_ {
                Type::Simple(type_) => self.simple_type(type_),
                Type::Complex(type_) => self.complex_type(type_),
            }
        }
        for identity in &element.identity {
            self.identity(identity);
        }
        self.end("element");
    }

    fn identity(&mut self, identity: &Identity) {
        let (tag, refer) = match &identity.kind {
            IdentityKind::Key => ("key", None),
            IdentityKind::Unique => ("unique", None),
            IdentityKind::KeyRef(key) => ("keyref", Some(key)),
        };
        self.start(tag);
        self.attribute("name", &identity.name.local);
        if let Some(key) = refer {
            self.reference("refer", key);
        }
        let xpath = self.paths(&identity.selector);
        self.start("selector");
        self.attribute("xpath", &xpath);
        self.end("selector");
        for field in &identity.fields {
            let xpath = self.paths(field);
            self.start("field");
            self.attribute("xpath", &xpath);
            self.end("field");
        }
        self.end(tag);
    }

    fn paths(&mut self, paths: &[Path]) -> String {
        let texts: Vec<String> = paths.iter().map(|path| self.path(path)).collect();
        texts.join(" | ")
    }

    fn path(&mut self, path: &Path) -> String {
        let mut steps: Vec<String> = path.steps.iter().map(|step| self.name_test(step)).collect();
        if let Some(attribute) = &path.attribute {
            let test = self.name_test(attribute);
            steps.push(format!("@{test}"));
        }
        if steps.is_empty() {
            steps.push(".".to_owned());
        }
        format!("{}{}", if path.deep { ".//" } else { "" }, steps.join("/"))
    }

    fn name_test(&mut self, test: &NameTest) -> String {
        match test {
            NameTest::Any => "*".to_owned(),
            NameTest::In(namespace) => {
                self.used.insert(namespace.clone());
                format!("{}:*", self.namespaces.prefix(namespace))
            }
            NameTest::Name(name) => self.name(name),
        }
    }

    // ---- content

    fn particle(&mut self, particle: &Particle) {
        match &particle.term {
            Term::Local(element) => {
                self.start("element");
                self.attribute("name", &element.name.local);
                self.form(&element.name.namespace, self.elements_qualified);
                self.element(element, Some(particle));
            }
            Term::Element(name) => {
                self.start("element");
                self.reference("ref", name);
                self.occurs(particle);
                self.end("element");
            }
            Term::NamedGroup(name) => {
                self.start("group");
                self.reference("ref", name);
                self.occurs(particle);
                self.end("group");
            }
            Term::Any(wildcard) => {
                self.start("any");
                self.wildcard(wildcard);
                self.occurs(particle);
                self.end("any");
            }
            Term::Group(group) => self.group(group, Some(particle)),
        }
    }

    fn group(&mut self, group: &Group, particle: Option<&Particle>) {
        let tag = match group.order {
            Order::Sequence => "sequence",
            Order::Choice => "choice",
            Order::All => "all",
        };
        self.start(tag);
        if let Some(particle) = particle {
            self.occurs(particle);
        }
        for part in &group.particles {
            self.particle(part);
        }
        self.end(tag);
    }

    fn wildcard(&mut self, wildcard: &Wildcard) {
        match &wildcard.namespaces {
            Namespaces::Any => {}
            Namespaces::Not(_) => self.attribute("namespace", "##other"),
            Namespaces::Of(list) => {
                let word = |uri: &Arc<str>| match &**uri {
                    "" => "##local".to_owned(),
                    uri if uri == &**self.target => "##targetNamespace".to_owned(),
                    uri => uri.to_owned(),
                };
                let words: Vec<String> = list.iter().map(word).collect();
                self.attribute("namespace", &words.join(" "));
            }
        }
        match wildcard.process {
            Process::Strict => {}
            Process::Lax => self.attribute("processContents", "lax"),
            Process::Skip => self.attribute("processContents", "skip"),
        }
    }

    pub(super) fn named_group(&mut self, group: &NamedGroup) {
        self.start("group");
        self.attribute("name", &group.name.local);
        self.group(&group.group, None);
        self.end("group");
    }

    // ---- types

    pub(super) fn complex_type(&mut self, type_: &ComplexType) {
        self.start("complexType");
        if let Some(name) = &type_.name {
            self.attribute("name", &name.local);
        }
        if type_.abstract_ {
            self.attribute("abstract", "true");
        }
        if matches!(type_.content, Content::Elements { mixed: true, .. }) {
            self.attribute("mixed", "true");
        }
        self.derivations("block", type_.block);
        self.derivations("final", type_.final_);
        self.annotation();
        let plain = type_.method == Method::Restriction && type_.base.is_xsd("anyType");
        let wrapper = match &type_.content {
            Content::Elements { .. } if plain => None,
            Content::Elements { .. } => Some("complexContent"),
            Content::Text { .. } => Some("simpleContent"),
        };
        let method = match type_.method {
            Method::Extension => "extension",
            Method::Restriction => "restriction",
        };
        if let Some(wrapper) = wrapper {
            self.start(wrapper);
            self.start(method);
            self.reference("base", &type_.base);
        }
        match &type_.content {
            Content::Elements { particle: Some(particle), .. } => self.particle(particle),
            Content::Elements { particle: None, .. } => {}
            Content::Text { narrowed, facets } => {
                if let Some(narrowed) = narrowed {
                    self.simple_type(narrowed);
                }
                self.facets(facets, false);
            }
        }
        self.attributes(&type_.attributes, type_.any_attribute.as_ref());
        if let Some(wrapper) = wrapper {
            self.end(method);
            self.end(wrapper);
        }
        self.end("complexType");
    }

    fn attributes(&mut self, items: &[AttributeItem], any: Option<&Wildcard>) {
        for item in items {
            match item {
                AttributeItem::Use(used) => self.attribute_use(used),
                AttributeItem::Group(name) => {
                    self.start("attributeGroup");
                    self.reference("ref", name);
                    self.end("attributeGroup");
                }
            }
        }
        if let Some(wildcard) = any {
            self.start("anyAttribute");
            self.wildcard(wildcard);
            self.end("anyAttribute");
        }
    }

    fn attribute_use(&mut self, used: &AttributeUse) {
        self.start("attribute");
        match &used.attribute {
            AttributeRef::Global(name) => self.reference("ref", name),
            AttributeRef::Local(attribute) => {
                self.attribute("name", &attribute.name.local);
                self.form(&attribute.name.namespace, self.attributes_qualified);
                self.simple_reference("type", &attribute.type_);
            }
        }
        match used.usage {
            Usage::Optional => {}
            Usage::Required => self.attribute("use", "required"),
            Usage::Prohibited => self.attribute("use", "prohibited"),
        }
        self.value(used.value.as_ref());
        if let AttributeRef::Local(Attribute { type_: SimpleRef::Inline(type_), .. }) = &used.attribute {
            self.simple_type(type_);
        }
        self.end("attribute");
    }

    pub(super) fn attribute_group(&mut self, group: &AttributeGroup) {
        self.start("attributeGroup");
        self.attribute("name", &group.name.local);
        self.attributes(&group.attributes, group.any_attribute.as_ref());
        self.end("attributeGroup");
    }

    pub(super) fn global_attribute(&mut self, attribute: &Attribute) {
        self.start("attribute");
        self.attribute("name", &attribute.name.local);
        self.simple_reference("type", &attribute.type_);
        self.value(attribute.value.as_ref());
        if let SimpleRef::Inline(type_) = &attribute.type_ {
            self.simple_type(type_);
        }
        self.end("attribute");
    }

    /// The attribute that names a simple type; one in place is written inside by the caller.
    fn simple_reference(&mut self, attribute: &str, type_: &SimpleRef) {
        match type_ {
            // What is meant where nothing is written.
            SimpleRef::Named(name) if name.is_xsd("anySimpleType") && attribute == "type" => {}
            SimpleRef::Named(name) => self.reference(attribute, name),
            SimpleRef::Inline(_) => {}
        }
    }

    pub(super) fn simple_type(&mut self, type_: &SimpleType) {
        self.start("simpleType");
        if let Some(name) = &type_.name {
            self.attribute("name", &name.local);
        }
        self.derivations("final", type_.final_);
        self.annotation();
        match &type_.variety {
            Variety::Restriction { base, facets } => {
                self.start("restriction");
                self.simple_reference("base", base);
                if let SimpleRef::Inline(base) = base {
                    self.simple_type(base);
                }
                let names = self.holds_names(base);
                self.facets(facets, names);
                self.end("restriction");
            }
            Variety::List(item) => {
                self.start("list");
                self.simple_reference("itemType", item);
                if let SimpleRef::Inline(item) = item {
                    self.simple_type(item);
                }
                self.end("list");
            }
            Variety::Union(members) => self.union(members),
        }
        self.end("simpleType");
    }

    /// Named members come first in a file; a union that has them behind one in place names none of its own.
    fn union(&mut self, members: &[SimpleRef]) {
        self.start("union");
        let mut named = Vec::new();
        for member in members {
            if let SimpleRef::Named(name) = member {
                named.push(self.name(name));
            }
        }
        if !named.is_empty() {
            self.attribute("memberTypes", &named.join(" "));
        }
        for member in members {
            if let SimpleRef::Inline(type_) = member {
                self.simple_type(type_);
            }
        }
        self.end("union");
    }

    /// Whether enumerated values are names with prefixes.
    fn holds_names(&self, base: &SimpleRef) -> bool {
        let mut here = base;
        loop {
            let definition = match here {
                SimpleRef::Named(name) if name.is_xsd("QName") || name.is_xsd("NOTATION") => return true,
                SimpleRef::Named(name) => self.model.simple(name),
                SimpleRef::Inline(type_) => Some(&**type_),
            };
            match definition.map(|d| &d.variety) {
                Some(Variety::Restriction { base, .. }) => here = base,
                Some(Variety::List(_) | Variety::Union(_)) | None => return false,
            }
        }
    }

    fn facets(&mut self, facets: &[Facet], names: bool) {
        for facet in facets {
            self.start(facet.kind.name());
            match &facet.name {
                Some(name) if names && facet.kind == FacetKind::Enumeration => self.reference("value", name),
                Some(_) | None => self.attribute("value", &facet.value),
            }
            if facet.fixed {
                self.attribute("fixed", "true");
            }
            self.end(facet.kind.name());
        }
    }

    // ---- the file around it

    pub(super) fn finish(self, title: Option<&str>) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xs:schema");
        let mut declared: Vec<(&str, &str)> = vec![("xs", XSD)];
        let used = self.used.iter().map(|uri| &**uri).chain([&**self.target]);
        for uri in used {
            match self.namespaces.prefix(uri) {
                "" | "xml" => {}
                prefix if !declared.contains(&(prefix, uri)) => declared.push((prefix, uri)),
                _ => {}
            }
        }
        declared.sort_unstable();
        if !self.target.is_empty() {
            out.push_str(&format!(" targetNamespace=\"{}\"", escape_attribute(self.target)));
        }
        if self.elements_qualified && !self.target.is_empty() {
            out.push_str(" elementFormDefault=\"qualified\"");
        }
        if self.attributes_qualified && !self.target.is_empty() {
            out.push_str(" attributeFormDefault=\"qualified\"");
        }
        for (prefix, uri) in declared {
            out.push_str(&format!("\n    xmlns:{prefix}=\"{}\"", escape_attribute(uri)));
        }
        out.push_str(">\n");
        if let Some(title) = title {
            out.push_str(&format!(
                "  <xs:annotation>\n    <xs:documentation xml:lang=\"en\">{}</xs:documentation>\n  </xs:annotation>\n",
                escape_text(title)
            ));
        }
        for uri in self.used.iter().filter(|uri| *uri != self.target) {
            if let Some(naming) = self.namespaces.list.get(uri) {
                out.push_str(&import(uri, &naming.file));
            }
        }
        out.push_str(&self.body);
        out.push_str("</xs:schema>\n");
        out
    }
}

/// How many local declarations are qualified, and how many not.
#[derive(Default)]
struct Forms {
    elements: (usize, usize),
    attributes: (usize, usize),
}

impl Forms {
    fn of(&mut self, model: &Model, target: &Arc<str>) {
        let here = |name: &QName| name.namespace == *target;
        for element in model.elements.values().filter(|e| here(&e.name)) {
            self.type_ref(&element.type_);
        }
        for (_, type_) in model.types.iter().filter(|(name, _)| here(name)) {
            self.type_(type_);
        }
        for group in model.groups.values().filter(|g| here(&g.name)) {
            self.group(&group.group);
        }
        for group in model.attribute_groups.values().filter(|g| here(&g.name)) {
            self.items(&group.attributes);
        }
    }

    fn type_ref(&mut self, type_: &TypeRef) {
        match type_ {
            TypeRef::Inline(type_) => self.type_(type_),
            TypeRef::Named(_) | TypeRef::OfHead => {}
        }
    }

    fn type_(&mut self, type_: &Type) {
        if let Type::Complex(type_) = type_ {
            if let Content::Elements { particle: Some(particle), .. } = &type_.content {
                self.particle(particle);
            }
            self.items(&type_.attributes);
        }
    }

    fn particle(&mut self, particle: &Particle) {
        match &particle.term {
            Term::Local(element) => {
                let count = if element.name.namespace.is_empty() {
                    &mut self.elements.1
                } else {
                    &mut self.elements.0
                };
                *count += 1;
                self.type_ref(&element.type_);
            }
            Term::Group(group) => self.group(group),
            Term::Element(_) | Term::NamedGroup(_) | Term::Any(_) => {}
        }
    }

    fn group(&mut self, group: &Group) {
        for particle in &group.particles {
            self.particle(particle);
        }
    }

    fn items(&mut self, items: &[AttributeItem]) {
        for item in items {
            if let AttributeItem::Use(AttributeUse { attribute: AttributeRef::Local(attribute), .. }) = item {
                let unqualified = attribute.name.namespace.is_empty();
                let count = if unqualified { &mut self.attributes.1 } else { &mut self.attributes.0 };
                *count += 1;
            }
        }
    }
}
