//! The structure that a screen reader follows: headings, paragraphs, lists, tables with their headers.
//!
//! It grows while the blocks are laid out, in reading order, and is filled with the marks of the content when
//! the pages are written.

use krilla::tagging::{Identifier, ListNumbering, Node, TableHeaderScope, Tag, TagGroup, TagKind, TagTree};
use std::num::{NonZeroU16, NonZeroU32};

/// What a part of the document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Section,
    Heading(u8),
    Paragraph,
    Quote,
    List { numbered: bool },
    Item,
    Label,
    Body,
    Table,
    Caption,
    Head,
    Rows,
    Row,
    Cell { heads: Option<TableHeaderScope>, columns: u16, rows: u16 },
}

/// A part by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartId(usize);

struct Entry {
    part: Part,
    /// Of a heading: what it says.
    title: Option<String>,
    children: Vec<usize>,
    content: Vec<Identifier>,
}

/// All parts; those without parent stand at the top.
#[derive(Default)]
pub(crate) struct Structure {
    entries: Vec<Entry>,
    top: Vec<usize>,
}

impl Structure {
    pub(crate) fn add(&mut self, part: Part, parent: Option<PartId>) -> PartId {
        self.entry(part, None, parent)
    }

    /// A heading is told by what it says, too (PDF/UA-1).
    pub(crate) fn heading(&mut self, level: u8, title: String, parent: Option<PartId>) -> PartId {
        self.entry(Part::Heading(level), Some(title), parent)
    }

    fn entry(&mut self, part: Part, title: Option<String>, parent: Option<PartId>) -> PartId {
        let id = self.entries.len();
        self.entries.push(Entry { part, title, children: Vec::new(), content: Vec::new() });
        match parent.and_then(|parent| self.entries.get_mut(parent.0)) {
            Some(parent) => parent.children.push(id),
            None => self.top.push(id),
        }
        PartId(id)
    }

    /// Content that was put on a page belongs to this part.
    pub(crate) fn fill(&mut self, part: PartId, content: Identifier) {
        if let Some(entry) = self.entries.get_mut(part.0) {
            entry.content.push(content);
        }
    }

    /// The tree as it is written. It is as deep as blocks lie in one another.
    pub(crate) fn into_tree(mut self, language: &str) -> TagTree {
        let top = std::mem::take(&mut self.top);
        let mut tree = TagTree::new().with_lang(Some(language.to_owned()));
        for id in top {
            if let Some(group) = self.group(id) {
                tree.push(group);
            }
        }
        tree
    }

    fn group(&mut self, id: usize) -> Option<TagGroup> {
        let entry = self.entries.get_mut(id)?;
        let (part, title) = (entry.part, entry.title.take());
        let children = std::mem::take(&mut entry.children);
        let content = std::mem::take(&mut entry.content);
        let mut nodes: Vec<Node> = content.into_iter().map(Node::from).collect();
        nodes.extend(children.into_iter().filter_map(|child| self.group(child)).map(Node::from));
        Some(TagGroup::with_children(kind(part, title), nodes))
    }
}

fn kind(part: Part, title: Option<String>) -> TagKind {
    match part {
        Part::Section => Tag::Section.into(),
        Part::Heading(level) => {
            let level = NonZeroU16::new(u16::from(level.max(1))).unwrap_or(NonZeroU16::MIN);
            Tag::Hn(level, title).into()
        }
        Part::Paragraph => Tag::P.into(),
        Part::Quote => Tag::BlockQuote.into(),
        Part::List { numbered: true } => Tag::L(ListNumbering::Decimal).into(),
        Part::List { numbered: false } => Tag::L(ListNumbering::Disc).into(),
        Part::Item => Tag::LI.into(),
        Part::Label => Tag::Lbl.into(),
        Part::Body => Tag::LBody.into(),
        Part::Table => Tag::Table.into(),
        Part::Caption => Tag::Caption.into(),
        Part::Head => Tag::THead.into(),
        Part::Rows => Tag::TBody.into(),
        Part::Row => Tag::TR.into(),
        Part::Cell { heads: Some(scope), columns, rows } => {
            Tag::TH(scope).with_col_span(span(columns)).with_row_span(span(rows)).into()
        }
        Part::Cell { heads: None, columns, rows } => {
            Tag::TD.with_col_span(span(columns)).with_row_span(span(rows)).into()
        }
    }
}

fn span(cells: u16) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::from(cells)).filter(|n| n.get() > 1)
}
