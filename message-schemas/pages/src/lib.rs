#![doc = include_str!("../README.md")]

mod flow;
mod fonts;
mod sheet;
mod structure;
mod table;
mod text;
mod write;

use flow::{Flow, Place, TEXT};
use fonts::Fonts;
use message_schemas::document::view::{Align, Block, Cell, Inline, Section, Style, Table, View, Weight};
use structure::Part;
use text::{Base, Ink};

/// Pages of one document. A report with 10,000 results takes some 300.
const MOST_PAGES: usize = 3_000;
/// Characters of one document: more than fit on so many pages.
const MOST_CHARACTERS: usize = 12_000_000;

/// Why there are no pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More than anybody reads, and more than one document may cost.
    #[error("the document is longer than {pages} pages")]
    TooLong {
        /// The limit.
        pages: usize,
    },
    /// The writer refused what it was given: a fault of ours.
    #[error("the PDF could not be written")]
    NotWritten,
}

/// A view as a PDF: PDF/A-2a and PDF/UA-1, A4. The same view gives the same bytes.
///
/// # Errors
/// [`Fault::TooLong`] for what nobody would read, [`Fault::NotWritten`] if the library refuses.
pub fn pdf(view: &View) -> Result<Vec<u8>, Fault> {
    let sections = view.sections.iter().map(|section| section.title.len() + characters(&section.blocks));
    let sender = view.sender.as_ref().map_or(0, String::len);
    let patient = view.patient.as_ref().map_or(0, |patient| patient.name.len());
    let characters = view.title.len() + sender + patient + sections.sum::<usize>();
    if characters > MOST_CHARACTERS {
        return Err(Fault::TooLong { pages: MOST_PAGES });
    }
    let fonts = Fonts::get().ok_or(Fault::NotWritten)?;
    let mut flow = Flow::new(fonts);
    let whole = Place {
        x: sheet::MARGIN,
        width: sheet::WIDTH - 2.0 * sheet::MARGIN,
        part: None,
        base: Base { size: TEXT, bold: false, ink: Ink::Black },
        level: 1,
    };
    top(&mut flow, view, whole);
    for section in &view.sections {
        chapter(&mut flow, section, whole);
    }
    let Flow { pieces, heads, structure, .. } = flow;
    let sheets = sheet::place(&pieces, &heads, MOST_PAGES)?;
    write::write(view, fonts, &sheets, structure, &edges(view))
}

/// Characters in blocks, so that the limit is met before memory is spent.
fn characters(blocks: &[Block]) -> usize {
    let words = |words: &[Inline]| -> usize {
        words.iter().map(|w| if let Inline::Text(text, _) = w { text.len() } else { 1 }).sum()
    };
    blocks
        .iter()
        .map(|block| match block {
            Block::Heading(_, line) | Block::Paragraph(_, line) => words(line),
            Block::List(_, items) => items.iter().map(|item| 1 + characters(item)).sum(),
            Block::Table(table) => {
                let rows = table.head.iter().chain(&table.body).flatten();
                words(&table.caption) + rows.map(|cell| 1 + characters(&cell.blocks)).sum::<usize>()
            }
            Block::Quote(inside) => characters(inside),
            Block::Rule => 1,
            Block::Picture(picture) => picture.alternative.len(),
        })
        .sum()
}

/// Title, warnings, and who, from whom and when.
fn top(flow: &mut Flow<'_>, view: &View, whole: Place) {
    chapter_title(flow, &view.title, 1, 17.0, whole);
    let mut warn = |words: &str, ink: Ink| {
        let part = flow.structure.add(Part::Paragraph, None);
        let place = Place { base: Base { size: 11.0, bold: true, ink }, ..whole };
        flow.paragraph(&plain(words), Align::Start, part, place);
    };
    if view.test {
        warn("Test: skal ikke brukes i helsehjelp", Ink::Red);
    }
    match view.weight {
        Weight::Plain => {}
        Weight::Notice => warn(view.status, Ink::Blue),
        Weight::Warning => warn(view.status, Ink::Red),
    }
    let mut facts: Vec<(&str, &str)> = Vec::new();
    if let Some(patient) = &view.patient {
        facts.push(("Pasient", &patient.name));
        facts.extend(patient.id.as_ref().map(|(kind, id)| (*kind, id.as_str())));
        facts.extend(patient.born.as_deref().map(|born| ("Født", born)));
        facts.extend(patient.sex.map(|sex| ("Kjønn", sex)));
    }
    facts.extend(view.sender.as_deref().map(|sender| ("Avsender", sender)));
    facts.push(("Dato", &view.date));
    facts.push(("Status", view.status));
    facts.retain(|(_, value)| !value.is_empty());
    let cell = |heads: bool, words: &str| Cell {
        heads,
        columns: 1,
        rows: 1,
        blocks: vec![Block::Paragraph(Align::Start, plain(words))],
    };
    let rows = facts.iter().map(|(label, value)| vec![cell(true, label), cell(false, value)]);
    table::lay_out(flow, &Table { body: rows.collect(), ..Table::default() }, whole);
}

fn chapter(flow: &mut Flow<'_>, section: &Section, whole: Place) {
    let part = flow.structure.add(Part::Section, None);
    let place = Place { part: Some(part), level: section.level + 1, ..whole };
    let size = if section.level == 1 { 12.0 } else { 10.5 };
    chapter_title(flow, &section.title, section.level + 1, size, place);
    flow.blocks(&section.blocks, place);
}

/// A heading that stands in the list of contents.
fn chapter_title(flow: &mut Flow<'_>, title: &str, level: u8, size: f32, place: Place) {
    let from = flow.pieces.len();
    flow.heading(&plain(title), level, size, place);
    if let Some(heading) = flow.pieces.get_mut(from) {
        heading.bookmark = Some(title.to_owned());
    }
}

fn plain(words: &str) -> Vec<Inline> {
    vec![Inline::Text(words.to_owned(), Style::default())]
}

/// Whose page this is, should it come loose.
fn edges(view: &View) -> write::Edges {
    let patient = view.patient.as_ref().map(|patient| {
        let id = patient.id.as_ref().map(|(kind, id)| format!("{kind} {id}"));
        [Some(patient.name.clone()), id].into_iter().flatten().filter(|s| !s.is_empty()).collect::<Vec<_>>()
    });
    let left = patient.map(|parts| parts.join(" · ")).unwrap_or_default();
    let joined =
        |parts: [&str; 2]| parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
    let title = if view.test { format!("TEST · {}", view.title) } else { view.title.clone() };
    write::Edges {
        left,
        right: title,
        date: view.date.clone(),
        below: joined([view.sender.as_deref().unwrap_or_default(), view.status]),
    }
}
