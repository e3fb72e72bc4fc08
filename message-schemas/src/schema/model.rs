//! The components of a schema set, as declared: what the XSD files say, and nothing yet of how it is checked.
//!
//! One [`Model`] holds the components of all files of a set, by expanded name. References between
//! components stay names ([`TypeRef::Named`], [`Term::Element`] …) and are looked up in the model, so it can
//! be written out again, compared with another, or compiled, each without knowing the others. What XSD lets
//! a file leave out is filled in: occurrence bounds, whether a local name is in the namespace, the base
//! `xs:anyType`. Annotations are kept as plain text, and the order of declarations is kept inside a type.
//!
//! **Invariant of a loaded set:** every name that is referred to is in the model or is one of XSD's own
//! (namespace [`XSD`]), and no chain of definitions (bases, substitution groups, groups) runs in a circle.
//! A [`Model`] that was put together by hand promises neither.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The namespace of XSD itself, of `xs:string` and `xs:anyType`.
pub const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of `xsi:type` and `xsi:nil`.
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// An expanded name; an empty namespace is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QName {
    /// The namespace, empty for none.
    pub namespace: Arc<str>,
    /// The local name.
    pub local: Arc<str>,
}

impl QName {
    /// A name in a namespace.
    #[must_use]
    pub fn new(namespace: impl Into<Arc<str>>, local: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), local: local.into() }
    }

    /// A name of XSD itself.
    #[must_use]
    pub fn xsd(local: &str) -> Self {
        Self::new(XSD, local)
    }

    /// True for this name of XSD itself.
    #[must_use]
    pub fn is_xsd(&self, local: &str) -> bool {
        &*self.namespace == XSD && &*self.local == local
    }
}

impl fmt::Display for QName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.namespace {
            "" => f.write_str(&self.local),
            XSD => write!(f, "xs:{}", self.local),
            namespace => write!(f, "{{{namespace}}}{}", self.local),
        }
    }
}

/// All components of a schema set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// The files that the components come from, sorted by name.
    pub documents: Vec<Document>,
    /// Global elements.
    pub elements: BTreeMap<QName, Element>,
    /// Global attributes.
    pub attributes: BTreeMap<QName, Attribute>,
    /// Global types, simple and complex; XSD's own are not among them.
    pub types: BTreeMap<QName, Type>,
    /// Named model groups.
    pub groups: BTreeMap<QName, NamedGroup>,
    /// Named attribute groups.
    pub attribute_groups: BTreeMap<QName, AttributeGroup>,
}

impl Model {
    /// A global simple type that is not one of XSD's own.
    #[must_use]
    pub fn simple(&self, name: &QName) -> Option<&SimpleType> {
        match self.types.get(name) {
            Some(Type::Simple(t)) => Some(t),
            Some(Type::Complex(_)) | None => None,
        }
    }

    /// A global complex type other than `xs:anyType`.
    #[must_use]
    pub fn complex(&self, name: &QName) -> Option<&ComplexType> {
        match self.types.get(name) {
            Some(Type::Complex(t)) => Some(t),
            Some(Type::Simple(_)) | None => None,
        }
    }

    /// The file that a component was declared in.
    #[must_use]
    pub fn document(&self, origin: Origin) -> Option<&Document> {
        self.documents.get(origin.document as usize)
    }
}

/// One schema file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name, as given to the loader.
    pub name: String,
    /// Its target namespace; empty for none. A file without one that is included takes on its includer's.
    pub namespace: Arc<str>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// The last path segments of what it includes.
    pub includes: Vec<String>,
    /// Its leading annotation, as text.
    pub documentation: Option<String>,
}

/// `xs:import`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The namespace; empty for none.
    pub namespace: Arc<str>,
    /// The last path segment of the `schemaLocation`, if one was given. A preference, never an address.
    pub file: Option<String>,
}

/// Where a component stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// Index in [`Model::documents`].
    pub document: u32,
    /// Line, from 1.
    pub line: u32,
}

/// An element declaration, global or local.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its name; the namespace is empty for an unqualified local one.
    pub name: QName,
    /// Its type.
    pub type_: TypeRef,
    /// May be `xsi:nil`.
    pub nillable: bool,
    /// Default or fixed value.
    pub value: Option<ValueConstraint>,
    /// Cannot stand in a document itself, only its substitutes.
    pub abstract_: bool,
    /// The head that it can stand for.
    pub substitution_group: Option<QName>,
    /// What cannot stand for it.
    pub block: Derivations,
    /// What cannot be declared to stand for it.
    pub final_: Derivations,
    /// Keys, unique constraints and key references.
    pub identity: Vec<Identity>,
    /// Its annotation, as text.
    pub documentation: Option<String>,
    /// Where it is declared.
    pub origin: Origin,
}

/// The type of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeRef {
    /// A global type, or one of XSD's own.
    Named(QName),
    /// A type of its own.
    Inline(Box<Type>),
    /// None given: the type of the head of its substitution group.
    OfHead,
}

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Text only.
    Simple(SimpleType),
    /// Attributes, elements, or both.
    Complex(ComplexType),
}

impl Type {
    /// Its name, if it is global.
    #[must_use]
    pub const fn name(&self) -> Option<&QName> {
        match self {
            Self::Simple(t) => t.name.as_ref(),
            Self::Complex(t) => t.name.as_ref(),
        }
    }

    /// Where it is defined.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        match self {
            Self::Simple(t) => t.origin,
            Self::Complex(t) => t.origin,
        }
    }
}

/// A default or fixed value, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueConstraint {
    /// Stands in when the value is absent.
    Default(String),
    /// The only value allowed.
    Fixed(String),
}

/// A set of ways in which one type comes from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Derivations {
    /// By extension.
    pub extension: bool,
    /// By restriction.
    pub restriction: bool,
    /// By substitution group.
    pub substitution: bool,
    /// By list.
    pub list: bool,
    /// By union.
    pub union: bool,
}

/// A complex type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComplexType {
    /// Its name, if it is global.
    pub name: Option<QName>,
    /// What it comes from; `xs:anyType` where the file names nothing.
    pub base: QName,
    /// How it comes from its base.
    pub method: Method,
    /// Cannot be the type of an element in a document.
    pub abstract_: bool,
    /// What `xsi:type` cannot put in its place.
    pub block: Derivations,
    /// What cannot be derived from it.
    pub final_: Derivations,
    /// What it holds beyond (extension) or instead of (restriction) its base.
    pub content: Content,
    /// Its own attributes, in order; those of the base are not repeated.
    pub attributes: Vec<AttributeItem>,
    /// Its own attribute wildcard.
    pub any_attribute: Option<Wildcard>,
    /// Its annotation, as text.
    pub documentation: Option<String>,
    /// Where it is defined.
    pub origin: Origin,
}

/// How a complex type comes from its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// It adds to the base.
    Extension,
    /// It narrows the base.
    Restriction,
}

/// What a complex type says about its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Elements, perhaps with text between them; nothing at all if `particle` is none.
    Elements {
        /// Text may stand between the elements.
        mixed: bool,
        /// The elements.
        particle: Option<Particle>,
    },
    /// Text only (`xs:simpleContent`).
    Text {
        /// For a restriction: the type that narrows the base's text before the facets do.
        narrowed: Option<Box<SimpleType>>,
        /// For a restriction: its facets.
        facets: Vec<Facet>,
    },
}

/// A part of a content model, and how often it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Particle {
    /// At least so often.
    pub min: u32,
    /// At most so often; none is unbounded.
    pub max: Option<u32>,
    /// What stands.
    pub term: Term,
    /// Where it is declared.
    pub origin: Origin,
}

/// What a particle stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// A local element.
    Local(Box<Element>),
    /// A global element, or what may stand for it.
    Element(QName),
    /// A sequence, choice or all.
    Group(Group),
    /// A named group.
    NamedGroup(QName),
    /// Any element of certain namespaces.
    Any(Wildcard),
}

/// `xs:sequence`, `xs:choice` or `xs:all`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Which of the three.
    pub order: Order,
    /// Its parts.
    pub particles: Vec<Particle>,
}

/// The three kinds of model group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Order {
    /// One after the other.
    Sequence,
    /// One of them.
    Choice,
    /// Each at most once, in any order.
    All,
}

/// `xs:group` with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedGroup {
    /// Its name.
    pub name: QName,
    /// What it stands for.
    pub group: Group,
    /// Its annotation, as text.
    pub documentation: Option<String>,
    /// Where it is defined.
    pub origin: Origin,
}

/// `xs:any` or `xs:anyAttribute`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard {
    /// Which namespaces.
    pub namespaces: Namespaces,
    /// What is checked of what stands there.
    pub process: Process,
}

/// The namespaces that a wildcard allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// All, and none.
    Any,
    /// Every namespace but this one, and not none either (`##other`).
    Not(Arc<str>),
    /// These, sorted; an empty one is none.
    Of(Vec<Arc<str>>),
}

/// `processContents`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Process {
    /// A declaration must be known, and is obeyed.
    Strict,
    /// A declaration is obeyed where one is known.
    Lax,
    /// Nothing is checked.
    Skip,
}

/// One entry in the attributes of a type or attribute group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeItem {
    /// An attribute.
    Use(AttributeUse),
    /// All of a named group.
    Group(QName),
}

/// An attribute as a type has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeUse {
    /// Which attribute.
    pub attribute: AttributeRef,
    /// Whether it must stand.
    pub usage: Usage,
    /// Default or fixed value here; a global attribute may have one of its own.
    pub value: Option<ValueConstraint>,
    /// Where it is declared.
    pub origin: Origin,
}

/// The attribute of a use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeRef {
    /// A global one.
    Global(QName),
    /// A local one; its own `value` is none (the use holds it).
    Local(Attribute),
}

/// Whether an attribute must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Usage {
    /// It may.
    Optional,
    /// It must.
    Required,
    /// It must not, though the base has it.
    Prohibited,
}

/// An attribute declaration, global or local.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name; the namespace is empty for an unqualified local one.
    pub name: QName,
    /// Its type.
    pub type_: SimpleRef,
    /// Default or fixed value of a global attribute.
    pub value: Option<ValueConstraint>,
    /// Its annotation, as text.
    pub documentation: Option<String>,
    /// Where it is declared.
    pub origin: Origin,
}

/// `xs:attributeGroup` with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeGroup {
    /// Its name.
    pub name: QName,
    /// Its attributes, in order.
    pub attributes: Vec<AttributeItem>,
    /// Its wildcard.
    pub any_attribute: Option<Wildcard>,
    /// Its annotation, as text.
    pub documentation: Option<String>,
    /// Where it is defined.
    pub origin: Origin,
}

/// A simple type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleType {
    /// Its name, if it is global.
    pub name: Option<QName>,
    /// What it comes from.
    pub variety: Variety,
    /// What cannot be derived from it.
    pub final_: Derivations,
    /// Its annotation, as text.
    pub documentation: Option<String>,
    /// Where it is defined.
    pub origin: Origin,
}

/// How a simple type comes from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variety {
    /// Fewer values of another type.
    Restriction {
        /// The other type.
        base: SimpleRef,
        /// What is asked besides.
        facets: Vec<Facet>,
    },
    /// Several values with white space between.
    List(SimpleRef),
    /// A value of any of these types, the first that fits.
    Union(Vec<SimpleRef>),
}

/// A simple type by name or in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimpleRef {
    /// A global type, or one of XSD's own.
    Named(QName),
    /// A type of its own.
    Inline(Box<SimpleType>),
}

/// A facet of a restriction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// Which.
    pub kind: FacetKind,
    /// Its value, as written.
    pub value: String,
    /// For an enumeration: the value read as a QName in the file's scope, if it can be read so.
    pub name: Option<QName>,
    /// Cannot be changed by what is derived.
    pub fixed: bool,
    /// Where it stands.
    pub origin: Origin,
}

/// The facets of XSD 1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub enum FacetKind {
    Length,
    MinLength,
    MaxLength,
    Pattern,
    Enumeration,
    WhiteSpace,
    MaxInclusive,
    MaxExclusive,
    MinInclusive,
    MinExclusive,
    TotalDigits,
    FractionDigits,
}

impl FacetKind {
    /// All twelve, with their names in a file.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::Length, "length"),
        (Self::MinLength, "minLength"),
        (Self::MaxLength, "maxLength"),
        (Self::Pattern, "pattern"),
        (Self::Enumeration, "enumeration"),
        (Self::WhiteSpace, "whiteSpace"),
        (Self::MaxInclusive, "maxInclusive"),
        (Self::MaxExclusive, "maxExclusive"),
        (Self::MinInclusive, "minInclusive"),
        (Self::MinExclusive, "minExclusive"),
        (Self::TotalDigits, "totalDigits"),
        (Self::FractionDigits, "fractionDigits"),
    ];

    /// Its name in a file.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// `xs:key`, `xs:unique` or `xs:keyref`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: QName,
    /// Which of the three.
    pub kind: IdentityKind,
    /// The elements it speaks of, from the element that declares it.
    pub selector: Vec<Path>,
    /// What makes them up, from each element selected; several alternatives each.
    pub fields: Vec<Vec<Path>>,
    /// Where it is declared.
    pub origin: Origin,
}

/// The three kinds of identity constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityKind {
    /// Every element selected has all fields, and no two the same.
    Key,
    /// No two elements that have all fields have the same.
    Unique,
    /// What has all fields names a value of this key.
    KeyRef(QName),
}

/// One alternative of the small XPath of identity constraints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Begins with `.//`.
    pub deep: bool,
    /// Child steps; the empty list is the element itself.
    pub steps: Vec<NameTest>,
    /// The attribute at the end, of a field.
    pub attribute: Option<NameTest>,
}

/// A name in such a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameTest {
    /// `*`
    Any,
    /// `p:*`
    In(Arc<str>),
    /// `p:name`
    Name(QName),
}
