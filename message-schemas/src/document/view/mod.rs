//! A document as a person reads it: the one model behind the HTML and the PDF.
//!
//! It is read from the document's own JSON, and from nothing else: what a person sees is what the document
//! says. The Composition gives title, status, date and sections; its references give patient and senders;
//! the narratives become [`Block`]s. Since a narrative alone carries all clinical content, so does the view.
//!
//! Words of senders are data here and stay data: both writers put them out as text, never as markup.

mod blocks;
mod html;
mod read;

pub use html::html;

use super::Fault;
use jiff::Timestamp;

/// A document for reading.
#[derive(Clone, PartialEq, Eq)]
pub struct View {
    /// Language of the text, as a tag (`nb-NO`).
    pub language: String,
    /// What kind of document it is; never a word of the sender's.
    pub title: String,
    /// Id of this version of the document, a UUID.
    pub id: Option<String>,
    /// How far the content is settled, in words.
    pub status: &'static str,
    /// How much the status should catch the eye.
    pub weight: Weight,
    /// When this version was made, as Norwegians write it.
    pub date: String,
    /// The same as a point in time.
    pub made: Option<Timestamp>,
    /// Marked as a test: whoever reads it must see that.
    pub test: bool,
    /// Whom it is about; none for animals and materials.
    pub patient: Option<Subject>,
    /// Who keeps the document (custodian): the organisation that sent it, or who works alone. Where no sender is named, who
    /// wrote it.
    pub sender: Option<String>,
    /// Who wrote it.
    pub authors: Vec<String>,
    /// The short text of the whole.
    pub summary: Vec<Block>,
    /// The chapters, in reading order; chapters inside chapters follow them with a deeper level.
    pub sections: Vec<Section>,
}

impl View {
    /// Reads a document that was translated here: a Bundle in JSON.
    ///
    /// # Errors
    /// [`Fault::NotWritten`] if it is not such a Bundle.
    pub fn read(json: &[u8]) -> Result<Self, Fault> {
        read::view(json).ok_or(Fault::NotWritten)
    }
}

impl std::fmt::Debug for View {
    /// Figures only: the document is a patient's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("title", &self.title).field("sections", &self.sections.len()).finish()
    }
}

/// How much a status should catch the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Final, or no status to speak of.
    Plain,
    /// Preliminary, or amended: another version was or will be.
    Notice,
    /// Withdrawn: not to be relied on.
    Warning,
}

/// Whom a document is about.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    /// As in the document; empty if it has none.
    pub name: String,
    /// What kind of id, and the id.
    pub id: Option<(&'static str, String)>,
    /// Day of birth, as Norwegians write it.
    pub born: Option<String>,
    /// Administrative sex, in words.
    pub sex: Option<&'static str>,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subject(..)")
    }
}

/// A chapter.
#[derive(Clone, PartialEq, Eq)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// 1 for a chapter, 2 for one inside it, and so on to 3.
    pub level: u8,
    /// What it says.
    pub blocks: Vec<Block>,
}

/// A piece of text that stands on its own lines.
#[derive(Clone, PartialEq, Eq)]
pub enum Block {
    /// A sender's heading, 1 to 6.
    Heading(u8, Vec<Inline>),
    /// A paragraph.
    Paragraph(Align, Vec<Inline>),
    /// The number that it begins with, if it is numbered; each item is blocks again.
    List(Option<u16>, Vec<Vec<Self>>),
    /// A table.
    Table(Table),
    /// Words of another.
    Quote(Vec<Self>),
    /// A line across.
    Rule,
    /// A picture.
    Picture(Picture),
}

/// Where the lines of a paragraph stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Align {
    /// At the left.
    #[default]
    Start,
    /// In the middle.
    Middle,
    /// At the right.
    End,
}

/// A table. Rows may be of different length.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// What it is called.
    pub caption: Vec<Inline>,
    /// Rows that are repeated on every page.
    pub head: Vec<Vec<Cell>>,
    /// The other rows.
    pub body: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Clone, PartialEq, Eq)]
pub struct Cell {
    /// It heads its column or row.
    pub heads: bool,
    /// Columns that it is wide, 1 to 100.
    pub columns: u16,
    /// Rows that it is high, 1 to 1,000.
    pub rows: u16,
    /// What it says.
    pub blocks: Vec<Block>,
}

/// A picture from inside the message, in Base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// `image/png`, `image/jpeg` or `image/gif`.
    pub kind: &'static str,
    /// Its bytes, as they stood in the message.
    pub base64: String,
    /// What it shows, in words.
    pub alternative: String,
}

/// A piece of a line.
#[derive(Clone, PartialEq, Eq)]
pub enum Inline {
    /// Words, all in one style.
    Text(String, Style),
    /// The next line begins.
    Break,
}

/// How words look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Bold.
    pub bold: bool,
    /// Slanted.
    pub italic: bool,
    /// Underlined.
    pub underlined: bool,
    /// Struck through: withdrawn.
    pub struck: bool,
    /// Laid out by the sender with blanks and tabs, which keep their places.
    pub laid_out: bool,
    /// Raised, or lowered.
    pub shift: Shift,
}

/// Above or below the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shift {
    /// On it.
    #[default]
    None,
    /// Above.
    Raised,
    /// Below.
    Lowered,
}
