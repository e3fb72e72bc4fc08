//! The chapters of a document whose texts stand under headings: a fixed order, and a place for every heading.
//!
//! The same letters mean different things in different lists, so a heading is always a list and a code
//! (document-sharing §6.3). Where a slot takes several headings, each is named in it; a slot that is split has
//! a section for each instead. A heading that no slot knows has a section of its own, named as it was sent.

use crate::document::Mode;
use crate::document::codes;
use crate::document::fhir::{CodeableConcept, Coding, Reference, Section};
use crate::document::narrative::Html;
use crate::document::values::Code;
use crate::document::writer::Writer;
use foldhash::HashMap;
use std::borrow::Cow;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A place in the order.
#[derive(Debug)]
pub(in crate::document) struct Slot {
    /// The title in Norwegian.
    pub title: &'static str,
    /// The headings that stand here: list and codes.
    pub codes: &'static [(u16, &'static [&'static str])],
    /// A section for each heading, titled by its text.
    pub split: bool,
}

/// Sections without these are shorthand for slots that take no headings, filled by name.
pub(in crate::document) const fn plain(title: &'static str) -> Slot {
    Slot { title, codes: &[], split: false }
}

/// A slot with one section for all its headings.
pub(in crate::document) const fn slot(
    title: &'static str,
    codes: &'static [(u16, &'static [&'static str])],
) -> Slot {
    Slot { title, codes, split: false }
}

/// A slot with a section for each of its headings.
pub(in crate::document) const fn split(
    title: &'static str,
    codes: &'static [(u16, &'static [&'static str])],
) -> Slot {
    Slot { title, codes, split: true }
}

/// The slot for headings that no other slot takes.
pub(in crate::document) const OTHERS: &str = "Andre opplysninger";

#[derive(Debug)]
struct Made<'a> {
    title: Cow<'a, str>,
    /// The heading that its text is under, while there is but one.
    coding: Option<Coding<'a>>,
    several: bool,
    named: String,
    html: Html,
    /// What is cancelled: it stands last, so that nothing that is valid stands under it.
    cancelled: Html,
    /// The head of the table that is open.
    table: Option<&'static str>,
    entry: Vec<Reference<'a>>,
}

/// Sections in the making.
#[derive(Debug)]
pub(in crate::document) struct Chapters<'a> {
    slots: &'static [Slot],
    by_heading: HashMap<(u16, &'static str), usize>,
    /// By slot, and in a slot in the order of the message.
    made: BTreeMap<(usize, usize), Made<'a>>,
    /// By slot and, where a slot is split, heading.
    by_key: HashMap<(usize, String), usize>,
}

/// One chapter, open for writing.
#[derive(Debug)]
pub(in crate::document) struct Chapter<'c, 'a> {
    made: &'c mut Made<'a>,
}

impl<'a> Chapters<'a> {
    pub(in crate::document) fn new(slots: &'static [Slot]) -> Self {
        let mut by_heading = HashMap::default();
        for (at, slot) in slots.iter().enumerate() {
            for (list, codes) in slot.codes {
                for code in *codes {
                    by_heading.entry((*list, *code)).or_insert(at);
                }
            }
        }
        Self { slots, by_heading, made: BTreeMap::new(), by_key: HashMap::default() }
    }

    /// The chapter of a slot that takes no headings, or is written to without one.
    pub(in crate::document) fn named(&mut self, title: &'static str) -> Chapter<'_, 'a> {
        let slot = self.slots.iter().position(|s| s.title == title).unwrap_or(self.slots.len());
        let chapter = self.open(slot, String::new(), Cow::Borrowed(title));
        // What is under no heading is more than any one heading says.
        (chapter.made.several, chapter.made.coding) = (true, None);
        chapter
    }

    /// The chapter of a heading, with the name of the heading written where the chapter takes several.
    pub(in crate::document) fn headed(
        &mut self,
        heading: Option<&'a Code<'_>>,
        implied: u16,
        mode: Mode,
    ) -> Chapter<'_, 'a> {
        let list = heading.and_then(|h| h.system).map_or(Some(implied), codes::national).unwrap_or_default();
        let code = heading.and_then(Code::code).unwrap_or_default();
        let words = heading.and_then(|h| codes::words(h, list)).unwrap_or(OTHERS);
        let coding = heading.and_then(|h| codes::coding(h, Some(implied), mode));
        let known = self.by_heading.get(&(list, code)).copied();
        let others = || self.slots.iter().position(|s| s.title == OTHERS).unwrap_or(self.slots.len());
        let slot = known.unwrap_or_else(others);
        let split = known.is_none() || self.slots.get(slot).is_some_and(|s| s.split);
        let (key, title) = match self.slots.get(slot).filter(|_| !split) {
            Some(slot) => (String::new(), Cow::Borrowed(slot.title)),
            None => (format!("{list} {code} {words}"), Cow::Borrowed(words)),
        };
        let alone =
            self.slots.get(slot).is_none_or(|s| s.codes.iter().map(|(_, c)| c.len()).sum::<usize>() == 1);
        let chapter = self.open(slot, key, title);
        let made = &mut *chapter.made;
        made.under(coding);
        // A title that says it all needs no heading under it.
        if !split && !alone && words != made.title && made.named != words {
            made.close();
            made.html.raw("<p><b>").text(words).raw("</b></p>");
            words.clone_into(&mut made.named);
        }
        chapter
    }

    /// Takes over what came of something cancelled: struck through, and under words that say so, for not every
    /// reader shows what is struck.
    pub(in crate::document) fn add_cancelled(&mut self, others: Self) {
        let Self { mut made, by_key, .. } = others;
        let mut keys: Vec<((usize, String), usize)> = by_key.into_iter().collect();
        keys.sort_unstable_by_key(|(_, at)| *at);
        for ((slot, key), at) in keys {
            let Some(mut other) = made.remove(&(slot, at)) else { continue };
            other.close();
            let mine = self.open(slot, key, other.title).made;
            match other.several {
                true => (mine.several, mine.coding) = (true, None),
                false => mine.under(other.coding),
            }
            mine.cancelled.append(&other.html);
            mine.entry.extend(other.entry);
        }
    }

    fn open(&mut self, slot: usize, key: String, title: Cow<'a, str>) -> Chapter<'_, 'a> {
        let next = self.by_key.len();
        let at = *self.by_key.entry((slot, key)).or_insert(next);
        let made = self.made.entry((slot, at)).or_insert_with(|| Made {
            title,
            coding: None,
            several: false,
            named: String::new(),
            html: Html::new(),
            cancelled: Html::new(),
            table: None,
            entry: Vec::new(),
        });
        Chapter { made }
    }
}

impl<'a, B> Writer<'a, '_, '_, B> {
    /// The chapters as sections, in their order.
    pub(in crate::document) fn bind(&self, chapters: Chapters<'a>, sections: &mut Vec<Section<'a>>) {
        for mut chapter in chapters.made.into_values() {
            chapter.close();
            if !chapter.cancelled.is_empty() {
                chapter.html.raw("<p><b>Kansellert, gjelder ikke:</b></p>");
                chapter.html.raw("<div style=\"text-decoration: line-through\">");
                chapter.html.append(&chapter.cancelled).raw("</div>");
            }
            let code = chapter.coding.map(CodeableConcept::of);
            self.add_coded(sections, chapter.title, code, chapter.html, chapter.entry);
        }
    }
}

impl<'a> Made<'a> {
    /// Has text of this heading, or of one that has no code.
    fn under(&mut self, coding: Option<Coding<'a>>) {
        let same = |a: &Coding<'_>, b: &Coding<'_>| a.system == b.system && a.code == b.code;
        match (&self.coding, &coding) {
            (None, Some(_)) if !self.several => self.coding = coding,
            (Some(a), Some(b)) if same(a, b) => {}
            (Some(_), _) | (None, Some(_)) => (self.several, self.coding) = (true, None),
            (None, None) => {}
        }
    }

    fn close(&mut self) {
        if self.table.take().is_some() {
            self.html.raw("</tbody></table>");
        }
    }
}

impl<'a> Chapter<'_, 'a> {
    /// Text outside any table.
    pub(in crate::document) fn text(&mut self) -> &mut Html {
        self.made.close();
        &mut self.made.html
    }

    /// The rows of a table with this head, which goes on if the last text here was of the same.
    pub(in crate::document) fn rows(&mut self, head: &'static str) -> &mut Html {
        if self.made.table != Some(head) {
            self.made.close();
            self.made.html.raw("<table>").raw(head).raw("<tbody>");
            self.made.table = Some(head);
        }
        &mut self.made.html
    }

    /// Rows that were made elsewhere; none open no table.
    pub(in crate::document) fn add_rows(&mut self, head: &'static str, rows: &Html) {
        if !rows.is_empty() {
            self.rows(head).append(rows);
        }
    }

    /// A resource that the text shows.
    pub(in crate::document) fn shows(&mut self, id: Uuid) {
        self.made.entry.push(Reference::to(id));
    }
}
