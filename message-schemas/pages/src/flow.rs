//! Blocks into pieces: lines that belong together, one below the other, not yet on pages.

use crate::fonts::Fonts;
use crate::structure::{Part, PartId, Structure};
use crate::table;
use crate::text::{self, Base, Ink, LEADING, Run};
use message_schemas::document::view::{Align, Block, Inline, Picture, Style};

/// Size of the text, in points.
pub(crate) const TEXT: f32 = 9.5;
/// Below a paragraph.
const GAP: f32 = 4.0;
/// A list's or quotation's lines stand in from its left edge.
const INDENT: f32 = 14.0;
/// However deep lists lie, their lines are this wide.
const NARROWEST: f32 = 60.0;

/// A line as it will be drawn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    /// Empty space above; not at the top of a page.
    pub above: f32,
    pub height: f32,
    pub marks: Vec<Mark>,
}

impl Line {
    pub(crate) fn full(&self) -> f32 {
        self.above + self.height
    }
}

/// Something on a line.
#[derive(Debug, Clone)]
pub(crate) enum Mark {
    /// Words, their baseline below the top of the line, and what they are part of.
    Words { run: Run, baseline: f32, part: PartId },
    /// A line across.
    Rule { x: f32, width: f32 },
}

/// A cell's place in a row, for its background.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shade {
    pub x: f32,
    pub width: f32,
}

/// Lines that belong together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Piece {
    pub lines: Vec<Line>,
    /// Not the last on a page: a heading stays with what it heads.
    pub with_next: bool,
    /// A row of a table: its backgrounds, from where to where it goes.
    pub row: Option<Row>,
    /// A chapter begins here: its title, for the reader's list of contents.
    pub bookmark: Option<String>,
}

/// What is drawn around the lines of a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub x: f32,
    pub width: f32,
    pub shades: Vec<Shade>,
    /// Which of the repeated heads stands above it on a new page.
    pub head: Option<usize>,
}

/// Where pieces are made.
pub(crate) struct Flow<'f> {
    pub fonts: &'f Fonts,
    pub structure: Structure,
    pub pieces: Vec<Piece>,
    /// Heads of tables, repeated on every page that their table goes on to.
    pub heads: Vec<Vec<Piece>>,
}

/// Where blocks may stand, and what they are part of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub x: f32,
    pub width: f32,
    pub part: Option<PartId>,
    pub base: Base,
    /// Headings of the sender's lie below this level.
    pub level: u8,
}

impl Place {
    fn indented(self) -> Self {
        let step = INDENT.min((self.width - NARROWEST).max(0.0));
        Self { x: self.x + step, width: self.width - step, ..self }
    }
}

impl<'f> Flow<'f> {
    pub(crate) fn new(fonts: &'f Fonts) -> Self {
        Self { fonts, structure: Structure::default(), pieces: Vec::new(), heads: Vec::new() }
    }

    /// Lays blocks out. They are as deep as [`message_schemas::document::view`] reads them.
    pub(crate) fn blocks(&mut self, blocks: &[Block], place: Place) {
        for block in blocks {
            self.block(block, place);
        }
    }

    fn block(&mut self, block: &Block, place: Place) {
        match block {
            Block::Heading(level, words) => {
                let level = place.level.saturating_add(*level).min(6);
                self.heading(words, level, TEXT, place);
            }
            Block::Paragraph(align, words) => {
                let part = self.structure.add(Part::Paragraph, place.part);
                self.paragraph(words, *align, part, place);
            }
            Block::List(start, items) => self.list(*start, items, place),
            Block::Table(table) => table::lay_out(self, table, place),
            Block::Quote(inside) => {
                let part = self.structure.add(Part::Quote, place.part);
                self.blocks(inside, Place { part: Some(part), ..place.indented() });
            }
            Block::Rule => {
                let rule = Mark::Rule { x: place.x, width: place.width };
                self.push(vec![Line { above: GAP, height: GAP, marks: vec![rule] }], false);
            }
            Block::Picture(picture) => self.picture(picture, place),
        }
    }

    pub(crate) fn push(&mut self, lines: Vec<Line>, with_next: bool) {
        if !lines.is_empty() {
            self.pieces.push(Piece { lines, with_next, ..Piece::default() });
        }
    }

    /// A heading, with room above it; none if it says nothing.
    pub(crate) fn heading(&mut self, words: &[Inline], level: u8, size: f32, place: Place) {
        let title = text::said(words);
        if title.is_empty() {
            return;
        }
        let part = self.structure.heading(level, title, place.part);
        let base = Base { size, bold: true, ink: Ink::Blue };
        let mut lines = self.lines(words, Align::Start, part, Place { base, ..place });
        if let Some(first) = lines.first_mut() {
            first.above = size;
        }
        self.push(lines, true);
    }

    /// A paragraph that is already a part of the structure.
    pub(crate) fn paragraph(&mut self, words: &[Inline], align: Align, part: PartId, place: Place) {
        let mut lines = self.lines(words, align, part, place);
        if let Some(first) = lines.first_mut() {
            first.above = GAP;
        }
        self.push(lines, false);
    }

    /// Words as lines at their place.
    fn lines(&self, words: &[Inline], align: Align, part: PartId, place: Place) -> Vec<Line> {
        let broken = text::lines(self.fonts, words, place.base, place.width);
        let lines = broken.into_iter().map(|line| {
            let free = (place.width - line.width).max(0.0);
            let shift = match align {
                Align::Start => 0.0,
                Align::Middle => free / 2.0,
                Align::End => free,
            };
            let size = line.runs.iter().map(|run| run.look.size).fold(place.base.size, f32::max);
            let marks = line.runs.into_iter().map(|run| Mark::Words {
                run: Run { x: place.x + shift + run.x, ..run },
                baseline: size * text::BASELINE,
                part,
            });
            Line { above: 0.0, height: size * LEADING, marks: marks.collect() }
        });
        lines.collect()
    }

    fn list(&mut self, start: Option<u16>, items: &[Vec<Block>], place: Place) {
        let list = self.structure.add(Part::List { numbered: start.is_some() }, place.part);
        for (n, item) in items.iter().enumerate() {
            let part = self.structure.add(Part::Item, Some(list));
            let label = self.structure.add(Part::Label, Some(part));
            let body = self.structure.add(Part::Body, Some(part));
            let sign = start.map_or_else(|| "•".to_owned(), |start| format!("{}.", usize::from(start) + n));
            let sign = [Inline::Text(sign, Style::default())];
            let mut first = self.lines(&sign, Align::Start, label, place);
            let from = self.pieces.len();
            self.blocks(item, Place { part: Some(body), ..place.indented() });
            // The sign stands on the first line of the item, or alone if the item has none.
            match self.pieces.get_mut(from).and_then(|piece| piece.lines.first_mut()) {
                Some(line) => {
                    line.above = GAP / 2.0;
                    line.marks.splice(0..0, first.drain(..).flat_map(|l| l.marks));
                }
                None => self.push(first, false),
            }
        }
    }

    /// The words of a picture, and that it is in the message: bytes of senders are not decoded here.
    fn picture(&mut self, picture: &Picture, place: Place) {
        let part = self.structure.add(Part::Paragraph, place.part);
        let kind = picture.kind.strip_prefix("image/").unwrap_or_default().to_uppercase();
        let mut words = format!("[Bilde ({kind}), vises ikke her]");
        if !picture.alternative.is_empty() {
            words = format!("[Bilde ({kind}), vises ikke her: {}]", picture.alternative);
        }
        let words = [Inline::Text(words, Style { italic: true, ..Style::default() })];
        self.paragraph(&words, Align::Start, part, place);
    }
}
