//! The model compiled: types and elements get numbers, content models become automata.
//!
//! Types are numbered when first met and filled in later, so that a type may hold itself. Only chains of
//! bases are followed at once; the model promises that they end.

mod attributes;
mod content;

use super::automaton::NamespaceTest;
use super::compiled::{
    ANY_TYPE, Attribute, Compiled, Content, Element, ElementId, Identity, IdentityKind, NameTest, Path,
    Simple, Type, TypeId,
};
use super::datatypes::{self, Builtin};
use super::error::{Problem, SchemaFault};
use super::load::fault;
use super::model::{self, Method, Model, Origin, QName};
use super::names::{Names, Symbol, UNKNOWN};
use content::Part;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Compiles a model whose references are known to lead somewhere.
pub(super) fn compile(model: &Model) -> Result<Compiled, Vec<SchemaFault>> {
    let mut compiler = Compiler {
        model,
        out: Compiled { names: Names::new(), ..Compiled::default() },
        faults: Vec::new(),
        named_types: HashMap::new(),
        inline_types: HashMap::new(),
        elements: HashMap::new(),
        simple: HashMap::new(),
        substitutes: BTreeMap::new(),
        sources: Vec::new(),
        filled: 0,
    };
    for element in model.elements.values() {
        if let Some(head) = &element.substitution_group {
            compiler.substitutes.entry(head).or_default().push(element);
        }
    }
    compiler.add_type(Source::Builtin(None), None);
    for name in model.types.keys() {
        compiler.type_named(name);
    }
    for element in model.elements.values() {
        compiler.element(element);
    }
    while compiler.filled < compiler.sources.len() {
        compiler.filled += 1;
        compiler.fill(compiler.filled - 1);
    }
    compiler.globals();
    if compiler.faults.is_empty() { Ok(compiler.out) } else { Err(compiler.faults) }
}

/// Where a type comes from; the builtin without name is `xs:anyType`.
#[derive(Clone, Copy)]
enum Source<'m> {
    Builtin(Option<Builtin>),
    Simple(&'m model::SimpleType),
    Complex(&'m model::ComplexType),
}

struct Compiler<'m> {
    model: &'m Model,
    out: Compiled,
    faults: Vec<SchemaFault>,
    named_types: HashMap<&'m QName, TypeId>,
    /// By address: the model does not move while it is compiled.
    inline_types: HashMap<*const model::Type, TypeId>,
    elements: HashMap<*const model::Element, ElementId>,
    simple: HashMap<&'m QName, datatypes::Compiled>,
    substitutes: BTreeMap<&'m QName, Vec<&'m model::Element>>,
    sources: Vec<Source<'m>>,
    filled: usize,
}

impl<'m> Compiler<'m> {
    fn fault(&mut self, origin: Origin, problem: Problem) {
        self.faults.push(fault(&self.model.documents, origin, problem));
    }

    // ---- types by number

    fn type_named(&mut self, name: &'m QName) -> TypeId {
        if let Some(&known) = self.named_types.get(name) {
            return known;
        }
        let id = if &*name.namespace == model::XSD {
            match Builtin::named(&name.local) {
                Some(builtin) => self.builtin(builtin, Some(name)),
                None => ANY_TYPE,
            }
        } else {
            match self.model.types.get(name) {
                Some(model::Type::Simple(t)) => self.add_type(Source::Simple(t), Some(name)),
                Some(model::Type::Complex(t)) => self.add_type(Source::Complex(t), Some(name)),
                None => ANY_TYPE,
            }
        };
        self.named_types.insert(name, id);
        id
    }

    fn builtin(&mut self, builtin: Builtin, name: Option<&'m QName>) -> TypeId {
        let same = |source: &Source<'_>| matches!(source, Source::Builtin(Some(b)) if *b == builtin);
        match self.sources.iter().position(same) {
            Some(at) => u32::try_from(at).unwrap_or(ANY_TYPE),
            None => self.add_type(Source::Builtin(Some(builtin)), name),
        }
    }

    fn type_inline(&mut self, type_: &'m model::Type) -> TypeId {
        let key = std::ptr::from_ref(type_);
        if let Some(&known) = self.inline_types.get(&key) {
            return known;
        }
        let id = match type_ {
            model::Type::Simple(t) => self.add_type(Source::Simple(t), None),
            model::Type::Complex(t) => self.add_type(Source::Complex(t), None),
        };
        self.inline_types.insert(key, id);
        id
    }

    /// Numbers a type, with all that other types ask of it before it is filled in.
    fn add_type(&mut self, source: Source<'m>, name: Option<&'m QName>) -> TypeId {
        let number = self.out.types.len();
        let id = u32::try_from(number).unwrap_or(ANY_TYPE);
        let nothing = Content::Elements { start: 0, states: (0, 0) };
        self.out.types.push(Type {
            name: None,
            base: ANY_TYPE,
            method: Method::Restriction,
            abstract_: false,
            block: model::Derivations::default(),
            content: nothing,
            mixed: false,
            attributes: Box::default(),
            required: 0,
            any_attribute: None,
            members: Vec::new(),
        });
        self.sources.push(source);
        if let Some(name) = name {
            self.named_types.insert(name, id);
        }
        let (base, method, abstract_, block, members) = match source {
            Source::Builtin(None | Some(Builtin::AnySimpleType)) => {
                (ANY_TYPE, Method::Restriction, false, model::Derivations::default(), Vec::new())
            }
            Source::Builtin(Some(builtin)) => {
                let base = self.builtin(builtin.base(), None);
                (base, Method::Restriction, false, model::Derivations::default(), Vec::new())
            }
            Source::Simple(t) => {
                let (base, members) = match &t.variety {
                    model::Variety::Restriction { base, .. } => (self.simple_id(base), Vec::new()),
                    model::Variety::List(_) => (self.builtin(Builtin::AnySimpleType, None), Vec::new()),
                    model::Variety::Union(members) => {
                        let ids = members.iter().map(|m| self.simple_id(m)).collect();
                        (self.builtin(Builtin::AnySimpleType, None), ids)
                    }
                };
                (base, Method::Restriction, false, model::Derivations::default(), members)
            }
            Source::Complex(t) => {
                let base = self.type_named(&t.base);
                (base, t.method, t.abstract_, t.block, Vec::new())
            }
        };
        let shown = name.map(|n| match &*n.namespace {
            model::XSD => format!("xs:{}", n.local).into(),
            _ => Box::from(&*n.local),
        });
        if let Some(type_) = self.out.types.get_mut(number) {
            type_.name = shown;
            (type_.base, type_.method, type_.abstract_, type_.block) = (base, method, abstract_, block);
            type_.members = members;
        }
        id
    }

    fn simple_id(&mut self, reference: &'m model::SimpleRef) -> TypeId {
        match reference {
            model::SimpleRef::Named(name) => self.type_named(name),
            // Only ever compared by identity; an anonymous type cannot be named by `xsi:type`.
            model::SimpleRef::Inline(t) => self.add_type(Source::Simple(t), None),
        }
    }

    /// The ways in which a type comes from another, none if it does not.
    fn derivation(&self, from: TypeId, to: TypeId) -> Option<model::Derivations> {
        derivation(&self.out.types, from, to)
    }

    // ---- simple types

    fn simple_named(&mut self, name: &'m QName) -> datatypes::Compiled {
        if let Some(known) = self.simple.get(name) {
            return known.clone();
        }
        let compiled = match self.model.simple(name) {
            Some(t) => self.simple_type(t),
            None => {
                datatypes::Compiled::builtin(Builtin::named(&name.local).unwrap_or(Builtin::AnySimpleType))
            }
        };
        self.simple.insert(name, compiled.clone());
        compiled
    }

    fn simple_ref(&mut self, reference: &'m model::SimpleRef) -> datatypes::Compiled {
        match reference {
            model::SimpleRef::Named(name) => self.simple_named(name),
            model::SimpleRef::Inline(t) => self.simple_type(t),
        }
    }

    fn simple_type(&mut self, type_: &'m model::SimpleType) -> datatypes::Compiled {
        let compiled = match &type_.variety {
            model::Variety::Restriction { base, facets } => {
                let base = self.simple_ref(base);
                self.restrict(&base, facets, type_.origin)
            }
            model::Variety::List(item) => datatypes::Compiled::list_of(&self.simple_ref(item)),
            model::Variety::Union(members) => {
                datatypes::Compiled::union_of(members.iter().map(|m| self.simple_ref(m)).collect())
            }
        };
        match &type_.name {
            Some(name) => compiled.named(&name.local),
            None => compiled,
        }
    }

    fn restrict(
        &mut self,
        base: &datatypes::Compiled,
        facets: &'m [model::Facet],
        origin: Origin,
    ) -> datatypes::Compiled {
        if facets.is_empty() {
            return base.clone();
        }
        datatypes::Compiled::restrict(base, facets).unwrap_or_else(|error| {
            self.fault(origin, Problem::SimpleType(error.to_string()));
            base.clone()
        })
    }

    // ---- elements

    fn element(&mut self, element: &'m model::Element) -> ElementId {
        let key = std::ptr::from_ref(element);
        if let Some(&known) = self.elements.get(&key) {
            return known;
        }
        let number = self.out.elements.len();
        let id = u32::try_from(number).unwrap_or(UNKNOWN);
        self.elements.insert(key, id);
        let (fixed, default) = split(element.value.as_ref());
        self.out.elements.push(Element {
            type_: ANY_TYPE,
            nillable: element.nillable,
            abstract_: element.abstract_,
            block: element.block,
            fixed,
            default,
            identities: Box::default(),
        });
        let type_ = self.type_of(element);
        let identities = element.identity.iter().map(|i| self.identity(i)).collect();
        if let Some(compiled) = self.out.elements.get_mut(number) {
            compiled.type_ = type_;
            compiled.identities = identities;
        }
        id
    }

    fn type_of(&mut self, element: &'m model::Element) -> TypeId {
        match &element.type_ {
            model::TypeRef::Named(name) => self.type_named(name),
            model::TypeRef::Inline(type_) => self.type_inline(type_),
            model::TypeRef::OfHead => {
                let head = element.substitution_group.as_ref().and_then(|h| self.model.elements.get(h));
                head.map_or(ANY_TYPE, |head| self.type_of(head))
            }
        }
    }

    fn symbol(&mut self, name: &QName) -> Symbol {
        self.out.names.intern(&name.namespace, &name.local)
    }

    /// A global element and all that may stand for it.
    fn with_substitutes(&mut self, head: &'m model::Element) -> Vec<(Symbol, ElementId)> {
        let mut out = vec![(self.symbol(&head.name), self.element(head))];
        if head.block.substitution {
            return out;
        }
        let head_type = self.type_of(head);
        let head_block =
            self.out.types.get(head_type as usize).map_or(head.block, |t| or(t.block, head.block));
        let mut seen = BTreeSet::from([&head.name]);
        let mut todo = vec![&head.name];
        while let Some(name) = todo.pop() {
            for element in self.substitutes.get(name).cloned().unwrap_or_default() {
                if !seen.insert(&element.name) {
                    continue;
                }
                todo.push(&element.name);
                let type_ = self.type_of(element);
                let by = self.derivation(type_, head_type);
                let allowed = by.is_some_and(|by| {
                    !(by.extension && head_block.extension || by.restriction && head_block.restriction)
                });
                if allowed && !element.abstract_ {
                    out.push((self.symbol(&element.name), self.element(element)));
                }
            }
        }
        out
    }

    fn identity(&mut self, identity: &'m model::Identity) -> u32 {
        let id = u32::try_from(self.out.identities.len()).unwrap_or(UNKNOWN);
        let kind = match &identity.kind {
            model::IdentityKind::Key => IdentityKind::Key,
            model::IdentityKind::Unique => IdentityKind::Unique,
            model::IdentityKind::KeyRef(name) => IdentityKind::KeyRef(self.symbol(name)),
        };
        let compiled = Identity {
            symbol: self.symbol(&identity.name),
            kind,
            selector: identity.selector.iter().map(|p| self.path(p)).collect(),
            fields: identity.fields.iter().map(|f| f.iter().map(|p| self.path(p)).collect()).collect(),
            referred: false,
        };
        self.out.identities.push(compiled);
        id
    }

    fn path(&mut self, path: &model::Path) -> Path {
        Path {
            deep: path.deep,
            steps: path.steps.iter().map(|t| self.name_test(t)).collect(),
            attribute: path.attribute.as_ref().map(|t| self.name_test(t)),
        }
    }

    fn name_test(&mut self, test: &model::NameTest) -> NameTest {
        match test {
            model::NameTest::Any => NameTest::Any,
            model::NameTest::In(uri) => NameTest::In(self.out.names.intern_uri(uri)),
            model::NameTest::Name(name) => NameTest::Name(self.symbol(name)),
        }
    }

    // ---- filling in

    fn fill(&mut self, number: usize) {
        let Some(&source) = self.sources.get(number) else { return };
        let filled = match source {
            Source::Builtin(None) => {
                let test = NamespaceTest { all_but: true, list: Box::default() };
                let content = self.elements(&[Part::AnyContent], Origin::default());
                Some((content, true, Vec::new(), Some((test, model::Process::Lax))))
            }
            Source::Builtin(Some(builtin)) => {
                let simple = self.simple(datatypes::Compiled::builtin(builtin));
                Some((Content::Text(simple), false, Vec::new(), None))
            }
            Source::Simple(t) => {
                let compiled = match &t.name {
                    Some(name) => self.simple_named(name),
                    None => self.simple_type(t),
                };
                let simple = self.simple(compiled);
                Some((Content::Text(simple), false, Vec::new(), None))
            }
            Source::Complex(t) => self.complex(t),
        };
        let Some((content, mixed, attributes, any_attribute)) = filled else { return };
        let required = attributes
            .iter()
            .enumerate()
            .filter(|(_, a)| a.required)
            .fold(0_u128, |bits, (i, _)| bits | 1 << i);
        if let Some(type_) = self.out.types.get_mut(number) {
            (type_.content, type_.mixed, type_.any_attribute) = (content, mixed, any_attribute);
            (type_.attributes, type_.required) = (attributes.into(), required);
        }
    }

    fn simple(&self, checks: datatypes::Compiled) -> Simple {
        let identifies = checks.identifies();
        let is_name = matches!(checks.builtin_base(), Some(Builtin::QName | Builtin::Notation));
        Simple { checks, identifies, is_name }
    }

    #[expect(clippy::type_complexity, reason = "the four things that a complex type is, used once")]
    fn complex(
        &mut self,
        type_: &'m model::ComplexType,
    ) -> Option<(Content, bool, Vec<Attribute>, Option<(NamespaceTest, model::Process)>)> {
        let (attributes, any) = self.attributes(type_);
        if attributes.len() > 128 {
            self.fault(type_.origin, Problem::TooLarge(128));
            return None;
        }
        let content = match &type_.content {
            model::Content::Text { .. } => {
                let checks = self.text_of(type_)?;
                Content::Text(self.simple(checks))
            }
            model::Content::Elements { .. } => {
                let parts = self.parts(type_);
                self.elements(&parts, type_.origin)
            }
        };
        let mixed = matches!(content, Content::Elements { .. } | Content::All(_)) && self.mixed(type_);
        Some((content, mixed, attributes, any))
    }

    fn mixed(&self, type_: &model::ComplexType) -> bool {
        let own = matches!(type_.content, model::Content::Elements { mixed: true, .. });
        own || type_.method == Method::Extension
            && (type_.base.is_xsd("anyType")
                || self.model.complex(&type_.base).is_some_and(|b| self.mixed(b)))
    }

    /// The simple type of a complex type with simple content.
    fn text_of(&mut self, type_: &'m model::ComplexType) -> Option<datatypes::Compiled> {
        let model::Content::Text { narrowed, facets } = &type_.content else {
            // Only a restriction of mixed content that may be empty can give it a simple type.
            return None;
        };
        let base = match (narrowed, self.model.complex(&type_.base)) {
            (Some(narrowed), _) => Some(self.simple_type(narrowed)),
            (None, Some(base)) => self.text_of(base),
            (None, None) if type_.base.is_xsd("anyType") => None,
            (None, None) => Some(self.simple_named(&type_.base)),
        };
        let Some(base) = base else {
            self.fault(type_.origin, Problem::Derivation("the base has no simple content"));
            return None;
        };
        Some(self.restrict(&base, facets, type_.origin))
    }

    // ---- the end

    fn globals(&mut self) {
        let mut attributes = Vec::new();
        for (name, attribute) in &self.model.attributes {
            let symbol = self.symbol(name);
            let (fixed, default) = split(attribute.value.as_ref());
            let checks = self.simple_ref(&attribute.type_);
            attributes.push(Attribute {
                symbol,
                simple: self.simple(checks),
                required: false,
                fixed,
                default,
            });
        }
        let elements: Vec<(Symbol, u32)> =
            self.model.elements.iter().map(|(name, e)| (self.symbol(name), self.element(e))).collect();
        for builtin in Builtin::ALL {
            self.builtin(*builtin, None);
        }
        while self.filled < self.sources.len() {
            self.filled += 1;
            self.fill(self.filled - 1);
        }
        let mut types: Vec<(Symbol, u32)> = Vec::new();
        let sources = self.sources.clone();
        for (id, source) in sources.into_iter().enumerate() {
            let name = match source {
                Source::Builtin(None) => Some(QName::xsd("anyType")),
                Source::Builtin(Some(builtin)) => Some(QName::xsd(builtin.name())),
                Source::Simple(t) => t.name.clone(),
                Source::Complex(t) => t.name.clone(),
            };
            if let Some(name) = name {
                types.push((self.symbol(&name), u32::try_from(id).unwrap_or(UNKNOWN)));
                if let Some(type_) = self.out.types.get_mut(id) {
                    type_.name.get_or_insert_with(|| name.to_string().into());
                }
            }
        }
        let referred: BTreeSet<Symbol> = self
            .out
            .identities
            .iter()
            .filter_map(|i| if let IdentityKind::KeyRef(symbol) = i.kind { Some(symbol) } else { None })
            .collect();
        for identity in &mut self.out.identities {
            identity.referred = referred.contains(&identity.symbol);
        }
        let table = |pairs: &mut dyn Iterator<Item = (Symbol, u32)>, size: usize| {
            let mut table = vec![UNKNOWN; size];
            for (symbol, id) in pairs {
                if let Some(slot) = table.get_mut(symbol as usize) {
                    *slot = id;
                }
            }
            table
        };
        let size = self.out.names.len();
        self.out.global_elements = table(&mut elements.into_iter(), size);
        self.out.global_types = table(&mut types.into_iter(), size);
        let numbered = attributes.iter().enumerate();
        self.out.global_attributes =
            table(&mut numbered.map(|(i, a)| (a.symbol, u32::try_from(i).unwrap_or(UNKNOWN))), size);
        self.out.attributes = attributes;
    }
}

type Text = Option<Box<str>>;

/// Fixed and default value.
fn split(value: Option<&model::ValueConstraint>) -> (Text, Text) {
    match value {
        None => (None, None),
        Some(model::ValueConstraint::Fixed(v)) => (Some(v.as_str().into()), None),
        Some(model::ValueConstraint::Default(v)) => (None, Some(v.as_str().into())),
    }
}

const fn or(a: model::Derivations, b: model::Derivations) -> model::Derivations {
    model::Derivations {
        extension: a.extension || b.extension,
        restriction: a.restriction || b.restriction,
        substitution: a.substitution || b.substitution,
        list: a.list || b.list,
        union: a.union || b.union,
    }
}

/// The ways in which a type comes from another, none if it does not.
pub(super) fn derivation(types: &[Type], from: TypeId, to: TypeId) -> Option<model::Derivations> {
    let mut by = model::Derivations::default();
    let mut here = from;
    loop {
        if here == to {
            return Some(by);
        }
        if types.get(to as usize).is_some_and(|t| t.members.contains(&here)) {
            return Some(by);
        }
        let type_ = types.get(here as usize)?;
        if here == ANY_TYPE {
            return None;
        }
        match type_.method {
            Method::Extension => by.extension = true,
            Method::Restriction => by.restriction = true,
        }
        here = type_.base;
    }
}
