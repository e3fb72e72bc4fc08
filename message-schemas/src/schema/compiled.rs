//! What a validator runs on: the components of a set by number, content models as automata.

use super::automaton::{Automata, NamespaceTest, StateId};
use super::datatypes::{self, Identifies};
use super::model::{Derivations, Method, Process};
use super::names::{Names, Symbol, UNKNOWN};

/// An element declaration, by number.
pub(super) type ElementId = u32;
/// A type, by number.
pub(super) type TypeId = u32;

/// `xs:anyType` is always the first type.
pub(super) const ANY_TYPE: TypeId = 0;

/// A compiled set.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) names: Names,
    pub(super) automata: Automata,
    pub(super) elements: Vec<Element>,
    pub(super) types: Vec<Type>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) identities: Vec<Identity>,
    /// Global elements, attributes and types, by symbol.
    pub(super) global_elements: Vec<u32>,
    pub(super) global_attributes: Vec<u32>,
    pub(super) global_types: Vec<u32>,
}

impl Compiled {
    pub(super) fn element(&self, id: ElementId) -> Option<&Element> {
        self.elements.get(id as usize)
    }

    pub(super) fn type_(&self, id: TypeId) -> Option<&Type> {
        self.types.get(id as usize)
    }

    pub(super) fn global_element(&self, symbol: Symbol) -> Option<ElementId> {
        self.global_elements.get(symbol as usize).copied().filter(|id| *id != UNKNOWN)
    }

    pub(super) fn global_attribute(&self, symbol: Symbol) -> Option<&Attribute> {
        let id = self.global_attributes.get(symbol as usize)?;
        self.attributes.get(*id as usize)
    }

    pub(super) fn global_type(&self, symbol: Symbol) -> Option<TypeId> {
        self.global_types.get(symbol as usize).copied().filter(|id| *id != UNKNOWN)
    }
}

/// An element declaration.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) type_: TypeId,
    pub(super) nillable: bool,
    pub(super) abstract_: bool,
    /// What `xsi:type` cannot put in place of the type.
    pub(super) block: Derivations,
    pub(super) fixed: Option<Box<str>>,
    pub(super) default: Option<Box<str>>,
    /// Indices of its identity constraints.
    pub(super) identities: Box<[u32]>,
}

/// A type, simple or complex.
#[derive(Debug)]
pub(super) struct Type {
    /// How findings call it.
    pub(super) name: Option<Box<str>>,
    /// What it comes from; itself for `xs:anyType`.
    pub(super) base: TypeId,
    /// How it comes from its base.
    pub(super) method: Method,
    pub(super) abstract_: bool,
    pub(super) block: Derivations,
    pub(super) content: Content,
    /// Text may stand between elements.
    pub(super) mixed: bool,
    pub(super) attributes: Box<[Attribute]>,
    /// A bit for each attribute that must stand.
    pub(super) required: u128,
    pub(super) any_attribute: Option<(NamespaceTest, Process)>,
    /// For a simple type that is a union: its members, each of which may stand in by `xsi:type`.
    pub(super) members: Vec<TypeId>,
}

/// What stands inside an element.
#[derive(Debug)]
pub(super) enum Content {
    /// Elements in an order.
    Elements {
        /// The first state.
        start: StateId,
        /// Its states: from here up to, not including, there.
        states: (StateId, StateId),
    },
    /// Each of these at most once, in any order.
    All(All),
    /// Text of a simple type.
    Text(Simple),
}

/// `xs:all`.
#[derive(Debug)]
pub(super) struct All {
    /// Name, bit and declaration.
    pub(super) members: Box<[(Symbol, u32, ElementId)]>,
    /// The bits that must be there.
    pub(super) required: u64,
    /// Nothing at all is also allowed.
    pub(super) optional: bool,
}

/// A simple type, and what a validator wants to know of it at once.
#[derive(Debug, Clone)]
pub(super) struct Simple {
    pub(super) checks: datatypes::Compiled,
    pub(super) identifies: Option<Identifies>,
    /// Its values are names with prefixes.
    pub(super) is_name: bool,
}

/// An attribute of a type, or a global one.
#[derive(Debug, Clone)]
pub(super) struct Attribute {
    pub(super) symbol: Symbol,
    pub(super) simple: Simple,
    pub(super) required: bool,
    pub(super) fixed: Option<Box<str>>,
    /// The value that stands in when it is absent.
    pub(super) default: Option<Box<str>>,
}

/// An identity constraint.
#[derive(Debug)]
pub(super) struct Identity {
    /// Its name, by which key references ask for it.
    pub(super) symbol: Symbol,
    pub(super) kind: IdentityKind,
    pub(super) selector: Vec<Path>,
    pub(super) fields: Vec<Vec<Path>>,
    /// Some key reference asks for its values.
    pub(super) referred: bool,
}

/// The kind of an identity constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdentityKind {
    Key,
    Unique,
    /// Refers to constraints of this name.
    KeyRef(Symbol),
}

/// A path of an identity constraint.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) deep: bool,
    pub(super) steps: Vec<NameTest>,
    pub(super) attribute: Option<NameTest>,
}

/// A name in a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum NameTest {
    Any,
    In(u32),
    Name(Symbol),
}
