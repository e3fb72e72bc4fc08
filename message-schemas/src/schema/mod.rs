//! Schemas: XSD files compiled at start into automata that check a document in one pass.

pub mod datatypes;
mod error;
pub mod model;

pub use error::{Problem, SchemaError, SchemaFault};
