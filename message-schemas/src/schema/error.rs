//! What is wrong with a schema set. All faults of a set come together, each with its file and line.

use crate::finding::Finding;
use std::fmt;

/// A schema set that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SchemaError {
    /// The faults, by file and line; never empty.
    pub faults: Vec<SchemaFault>,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = if self.faults.len() == 1 { "" } else { "s" };
        write!(f, "the schema set has {} fault{many}", self.faults.len())?;
        for fault in &self.faults {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

/// One fault of a schema file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct SchemaFault {
    /// The file, as named to the loader.
    pub file: String,
    /// The line, from 1; 0 if the whole file is meant.
    pub line: u32,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a schema file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file is not XML.
    #[error("not readable as XML: {0}")]
    Xml(Box<Finding>),
    /// The document element is not `xs:schema`.
    #[error("not a schema: the document element is not xs:schema")]
    NotASchema,
    /// A construct of XSD that is not supported here, by name.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A construct that XSD does not allow here.
    #[error("{0} cannot stand here")]
    Misplaced(String),
    /// An attribute of the schema language that is missing or has a value that it cannot have.
    #[error("the attribute {attribute} of xs:{element} is missing or has a value that it cannot have")]
    Attribute {
        /// The schema element.
        element: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// A prefix in a name that is not declared.
    #[error("the prefix {0} is not declared")]
    Prefix(String),
    /// A name that nothing in the set defines.
    #[error("no {kind} {name} is defined in the set")]
    Unknown {
        /// The kind of component.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A file that is included and not in the set.
    #[error("the included file {0} is not in the set")]
    MissingFile(String),
    /// One file defines a name twice.
    #[error("{kind} {name} is defined twice")]
    Twice {
        /// The kind of component.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Two files of the set have the same name.
    #[error("two files of the set have this name")]
    SameFile,
    /// A definition that leads back to itself.
    #[error("{kind} {name} is defined by itself")]
    Circle {
        /// The kind of component.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A simple type whose facets cannot be used.
    #[error("the simple type cannot be used: {0}")]
    SimpleType(String),
    /// A type that cannot come from its base in this way.
    #[error("the type cannot be derived: {0}")]
    Derivation(&'static str),
    /// A content model too large to compile.
    #[error("the content model needs more than {0} states")]
    TooLarge(usize),
    /// A path of an identity constraint that is not of the form that XSD allows.
    #[error("the path of an identity constraint is not of the form that XSD allows")]
    Path,
}
