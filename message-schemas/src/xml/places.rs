//! Offsets, as lines and columns.

use crate::finding::Place;
use crate::xml::Offset;

/// Turns offsets into lines and columns; cheap when asked in rising order.
#[derive(Debug, Clone)]
pub struct Places<'a> {
    text: &'a str,
    seen: Offset,
    line: u32,
    line_start: Offset,
}

impl<'a> Places<'a> {
    /// For this decoded text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, seen: 0, line: 1, line_start: 0 }
    }

    /// Line and column of an offset.
    pub fn place(&mut self, offset: Offset) -> Place {
        if offset < self.seen {
            *self = Self::new(self.text);
        }
        let offset = offset.min(self.text.len());
        let between = self.text.as_bytes().get(self.seen..offset).unwrap_or_default();
        for at in memchr::memchr_iter(b'\n', between) {
            self.line = self.line.saturating_add(1);
            self.line_start = self.seen + at + 1;
        }
        self.seen = offset;
        let line = self.text.as_bytes().get(self.line_start..offset).unwrap_or_default();
        // Characters, not bytes: every byte that does not continue a UTF-8 sequence starts one.
        let characters = line.iter().filter(|&&b| b & 0xC0 != 0x80).count();
        Place { line: self.line, column: u32::try_from(characters + 1).unwrap_or(u32::MAX) }
    }
}
