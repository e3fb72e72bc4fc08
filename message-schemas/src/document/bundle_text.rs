//! The JSON of a document as it grows: entry by entry, each written as soon as nothing in it can change any more.
//!
//! A resource takes more memory than its JSON, so it is best not to have many of them. What stands first in a Bundle,
//! its own properties and the Composition, is known last; it is written last, and then takes its place within the
//! buffer, so that there is never a second one.

use super::fhir::{Bundle, Entry};
use super::json_text::{JsonText, WriteJson};

/// Entries that are written, each with a comma behind it.
#[derive(Debug, Default)]
pub(super) struct BundleText {
    json: JsonText,
}

/// A place between two entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(usize);

impl BundleText {
    /// Makes room for the document of a message of so many bytes, so that it need not grow: that takes both the old room
    /// and the new one. Results, which have the most to say of themselves, come to 3.4 times what was sent.
    pub(super) fn make_room(&mut self, source: usize) {
        let json = &mut self.json.bytes;
        json.reserve_exact((source * 10 / 3 + 3 * 1024).saturating_sub(json.len()));
    }

    /// Adds an entry behind the others.
    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        entry.write_json(&mut self.json);
        self.json.raw(b",");
    }

    /// The place behind all entries so far.
    pub(super) fn end(&self) -> Place {
        Place(self.json.bytes.len())
    }

    /// Adds an entry at a place.
    pub(super) fn insert(&mut self, place: Place, entry: &Entry<'_>) {
        let end = self.end();
        self.push(entry);
        self.move_last(end, place);
    }

    /// The document: `first` is its first entry.
    pub(super) fn finish(mut self, bundle: &Bundle<'_>, first: Option<&Entry<'_>>) -> Vec<u8> {
        let end = self.end();
        self.json.raw(b"{");
        bundle.members(&mut self.json);
        self.json.raw(b"\"entry\":[");
        if let Some(first) = first {
            self.push(first);
        }
        self.move_last(end, Place(0));
        self.json.close(b']');
        self.json.raw(b"}");
        self.json.bytes
    }

    /// Moves what stands behind a place to one before it.
    fn move_last(&mut self, from: Place, to: Place) {
        let json = &mut self.json.bytes;
        let moved = json.get(from.0..).map(<[u8]>::to_vec).unwrap_or_default();
        let end = to.0 + moved.len();
        json.copy_within(to.0..from.0, end);
        if let Some(place) = json.get_mut(to.0..end) {
            place.copy_from_slice(&moved);
        }
    }
}
