//! The one XML reader: bytes in, namespace-resolved events out.
//!
//! [`decode`] turns bytes into text (a byte order mark beats the declaration), [`read`] turns text into
//! events for a [`Handler`], [`Tree`] keeps a document, or chosen parts of it, for readers that need to
//! look around. Validation is a handler and needs no tree.
//!
//! **Invariants:** no document type declaration is read, no entity beyond the five of XML itself is
//! expanded, nothing is fetched, nothing recurses on depth, and [`Limits`](crate::Limits) bounds it all.

mod attributes;
mod decode;
mod events;
mod names;
mod places;
mod read;
mod scope;
#[cfg(test)]
mod tests;
mod tokens;
mod tree;
mod write;

pub use decode::{Decoded, decode};
pub use events::{Attribute, Element, Handler, Offset};
pub(crate) use names::{is_name_char, is_name_start, is_nc_name};
pub use places::Places;
pub use read::read;
pub(crate) use read::read_past_doctype;
pub use scope::Namespace;
pub use tree::{Node, Tree, TreeBuilder};
pub(crate) use tree::{having, trim};
pub use write::{escape_attribute, escape_text};
