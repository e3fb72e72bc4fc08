//! The JSON of a document as it grows: entry by entry, each written as soon as nothing in it can change any more.
//!
//! A resource takes more memory than its JSON, so it is best not to have many of them. What stands first in a Bundle,
//! its own properties and the Composition, is known last; it is written last, and then takes its place within the
//! buffer, so that there is never a second one.

use super::fhir::{Bundle, Entry};
use super::json_text::{self, Unwritable};

/// Entries that are written, each with a comma behind it.
#[derive(Debug, Default)]
pub(super) struct BundleText {
    json: String,
    /// A resource could not be written, so there will be no document.
    unwritable: bool,
}

/// A place between two entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(usize);

impl BundleText {
    /// Makes room for the document of a message of so many bytes, so that it need not grow: that takes both the old room
    /// and the new one. Results, which have the most to say of themselves, come to 3.4 times what was sent.
    pub(super) fn make_room(&mut self, source: usize) {
        self.json.reserve_exact((source * 10 / 3 + 3 * 1024).saturating_sub(self.json.len()));
    }

    /// Adds an entry behind the others.
    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        self.unwritable |= json_text::write(entry, &mut self.json).is_err();
        self.json.push(',');
    }

    /// The place behind all entries so far.
    pub(super) fn end(&self) -> Place {
        Place(self.json.len())
    }

    /// Adds an entry at a place.
    pub(super) fn insert(&mut self, place: Place, entry: &Entry<'_>) {
        let mut inserted = Self::default();
        inserted.push(entry);
        self.unwritable |= inserted.unwritable || !self.json.is_char_boundary(place.0);
        if !self.unwritable {
            self.json.insert_str(place.0, &inserted.json);
        }
    }

    /// The document: `first` is its first entry.
    pub(super) fn finish(
        mut self,
        bundle: &Bundle<'_>,
        first: Option<&Entry<'_>>,
    ) -> Result<Vec<u8>, Unwritable> {
        let before = self.json.len();
        json_text::write(bundle, &mut self.json)?;
        if self.json.pop() != Some('}') {
            return Err(Unwritable);
        }
        self.json.push_str(",\"entry\":[");
        if let Some(first) = first {
            self.push(first);
        }
        let moved = self.json.len() - before;
        let mut json = self.json.into_bytes();
        json.rotate_right(moved);
        if json.last() == Some(&b',') {
            json.pop();
        }
        json.extend_from_slice(b"]}");
        if self.unwritable { Err(Unwritable) } else { Ok(json) }
    }
}
