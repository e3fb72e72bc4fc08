//! Tables: how wide each column is, and rows as lines.
//!
//! The lines of a row's cells are laid beside each other, the first with the first and so on, so a row can
//! be broken between any two of them and a cell may be longer than a page.

use crate::flow::{Flow, Line, Piece, Place, Row, Shade};
use crate::structure::{Part, PartId};
use crate::text::{self, Base};
use krilla::tagging::TableHeaderScope;
use message_schemas::document::view::{Align, Block, Cell, Table};

/// Size of the text in tables, beside that around them.
const SMALLER: f32 = 0.92;
/// Beside the words of a cell, and above and below them.
const PADDING: (f32, f32) = (4.0, 2.6);
/// With less room than this a column cannot be read: the table is written line by line.
const NARROWEST: f32 = 22.0;
/// A table of labels and values gives its labels this part of the width, so that such tables stand in line.
const LABELS: f32 = 0.27;

/// A cell at its place in the grid.
struct Placed<'c> {
    cell: &'c Cell,
    column: usize,
    columns: usize,
}

/// Lays a table out.
pub(crate) fn lay_out(flow: &mut Flow<'_>, table: &Table, place: Place) {
    let part = flow.structure.add(Part::Table, place.part);
    let place = Place { base: Base { size: place.base.size * SMALLER, ..place.base }, ..place };
    if !table.caption.is_empty() {
        let caption = flow.structure.add(Part::Caption, Some(part));
        flow.paragraph(&table.caption, Align::Start, caption, place);
        if let Some(piece) = flow.pieces.last_mut() {
            piece.with_next = true;
        }
    }
    let head = grid(&table.head);
    let body = grid(&table.body);
    let columns = head.iter().chain(&body).flatten().map(|c| c.column + c.columns).max().unwrap_or(0);
    let too_narrow = columns as f32 * NARROWEST > place.width;
    if columns == 0 || too_narrow {
        for row in table.head.iter().chain(&table.body) {
            line_by_line(flow, row, part, place);
        }
        return;
    }
    let widths = widths(flow, &head, &body, columns, place);
    let mut repeated = None;
    if !head.is_empty() {
        let rows_part = flow.structure.add(Part::Head, Some(part));
        let from = flow.pieces.len();
        for row in &head {
            lay_out_row(flow, row, &widths, TableHeaderScope::Column, rows_part, place);
        }
        let rows = flow.pieces.get_mut(from..).unwrap_or_default();
        for piece in rows.iter_mut() {
            piece.with_next = true;
        }
        repeated = Some(flow.heads.len());
        flow.heads.push(rows.to_vec());
    }
    let rows_part = flow.structure.add(Part::Rows, Some(part));
    for row in &body {
        let from = flow.pieces.len();
        lay_out_row(flow, row, &widths, TableHeaderScope::Row, rows_part, place);
        for piece in flow.pieces.get_mut(from..).unwrap_or_default() {
            if let Some(row) = &mut piece.row {
                row.head = repeated;
            }
        }
    }
}

/// Cells in their columns. What a cell above reaches down into is left empty.
fn grid(rows: &[Vec<Cell>]) -> Vec<Vec<Placed<'_>>> {
    let mut taken: Vec<u16> = Vec::new();
    let mut placed = Vec::with_capacity(rows.len());
    for row in rows {
        let mut column = 0;
        let mut reach: Vec<(usize, u16)> = Vec::new();
        let mut cells = Vec::with_capacity(row.len());
        for cell in row {
            while taken.get(column).is_some_and(|rows| *rows > 0) {
                column += 1;
            }
            let columns = usize::from(cell.columns);
            if cell.rows > 1 {
                reach.extend((column..column + columns).map(|c| (c, cell.rows)));
            }
            cells.push(Placed { cell, column, columns });
            column += columns;
        }
        for rows in &mut taken {
            *rows = rows.saturating_sub(1);
        }
        for (column, rows) in reach {
            if taken.len() <= column {
                taken.resize(column + 1, 0);
            }
            if let Some(taken) = taken.get_mut(column) {
                *taken = rows - 1;
            }
        }
        placed.push(cells);
    }
    placed
}

fn base_of(cell: &Cell, place: Place) -> Base {
    Base { bold: place.base.bold || cell.heads, ..place.base }
}

/// Column widths that fill the place.
fn widths(
    flow: &Flow<'_>,
    head: &[Vec<Placed<'_>>],
    body: &[Vec<Placed<'_>>],
    columns: usize,
    place: Place,
) -> Vec<f32> {
    let mut least = vec![0.0_f32; columns];
    let mut wished = vec![0.0_f32; columns];
    for placed in head.iter().chain(body).flatten().filter(|p| p.columns == 1) {
        let (word, whole) = measure(flow, &placed.cell.blocks, base_of(placed.cell, place));
        if let Some(column) = least.get_mut(placed.column) {
            *column = column.max(word + 2.0 * PADDING.0);
        }
        if let Some(column) = wished.get_mut(placed.column) {
            *column = column.max(whole + 2.0 * PADDING.0);
        }
    }
    for (least, wished) in least.iter_mut().zip(&mut wished) {
        *least = least.max(NARROWEST);
        *wished = wished.max(*least);
    }
    let labels = |row: &Vec<Placed<'_>>| row.first().is_some_and(|first| first.cell.heads);
    if let ([first, rest @ ..], true) = (&mut *wished, head.is_empty() && body.iter().any(labels)) {
        // Labels and values: the labels' column is the same in all such tables, if the words allow it.
        let wish = (LABELS * place.width).max(least.first().copied().unwrap_or_default());
        if let [value] = rest {
            *first = wish.min(place.width / 2.0);
            *value = place.width - *first;
            return wished;
        }
    }
    share(&least, &wished, place.width)
}

/// Shares the width out: to each what it wishes, else between what it needs and wishes, else by need.
fn share(least: &[f32], wished: &[f32], width: f32) -> Vec<f32> {
    let (needed, wanted): (f32, f32) = (least.iter().sum(), wished.iter().sum());
    if wanted <= width {
        return wished.iter().map(|w| w * width / wanted).collect();
    }
    if needed <= width {
        let part = (width - needed) / (wanted - needed).max(f32::EPSILON);
        return least.iter().zip(wished).map(|(l, w)| l + (w - l) * part).collect();
    }
    // Long words are broken: what is more than an even share gives way.
    let even = width / least.len().max(1) as f32;
    let small: f32 = least.iter().filter(|l| **l <= even).sum();
    let large: f32 = least.iter().filter(|l| **l > even).sum();
    least.iter().map(|l| if *l <= even { *l } else { l * (width - small) / large.max(1.0) }).collect()
}

/// What the widest word in some blocks needs, and what they wish.
fn measure(flow: &Flow<'_>, blocks: &[Block], base: Base) -> (f32, f32) {
    let mut most = (0.0_f32, 0.0_f32);
    for block in blocks {
        let (word, whole) = match block {
            Block::Heading(_, words) | Block::Paragraph(_, words) => text::measure(flow.fonts, words, base),
            Block::List(_, items) => {
                let all = items.iter().map(|item| measure(flow, item, base));
                let (word, whole) = all.fold((0.0_f32, 0.0_f32), |a, b| (a.0.max(b.0), a.1.max(b.1)));
                (word + 14.0, whole + 14.0)
            }
            Block::Quote(inside) => {
                let (word, whole) = measure(flow, inside, base);
                (word + 14.0, whole + 14.0)
            }
            // A table in a cell takes what there is, and asks for enough to be one.
            Block::Table(table) => {
                let columns = table.head.iter().chain(&table.body).map(Vec::len).max().unwrap_or(0);
                let columns = f32::from(u16::try_from(columns).unwrap_or(u16::MAX).min(20));
                (columns * NARROWEST, columns * 80.0)
            }
            Block::Rule => (0.0, 0.0),
            Block::Picture(_) => (60.0, 160.0),
        };
        most = (most.0.max(word), most.1.max(whole));
    }
    most
}

fn lay_out_row(
    flow: &mut Flow<'_>,
    cells: &[Placed<'_>],
    widths: &[f32],
    scope: TableHeaderScope,
    rows: PartId,
    place: Place,
) {
    let row_part = flow.structure.add(Part::Row, Some(rows));
    let mut row = Row { x: place.x, width: widths.iter().sum(), ..Row::default() };
    let mut lines: Vec<Line> = Vec::new();
    for placed in cells {
        let x = place.x + widths.iter().take(placed.column).sum::<f32>();
        let width: f32 = widths.iter().skip(placed.column).take(placed.columns).sum();
        let cell = placed.cell;
        let part = flow.structure.add(
            Part::Cell { heads: cell.heads.then_some(scope), columns: cell.columns, rows: cell.rows },
            Some(row_part),
        );
        if cell.heads {
            row.shades.push(Shade { x, width });
        }
        let inside = Place {
            x: x + PADDING.0,
            width: (width - 2.0 * PADDING.0).max(1.0),
            part: Some(part),
            base: base_of(cell, place),
            level: place.level,
        };
        merge(&mut lines, lines_of(flow, &cell.blocks, inside));
    }
    if let Some(first) = lines.first_mut() {
        first.above = PADDING.1;
    }
    if let Some(last) = lines.last_mut() {
        last.height += PADDING.1;
    }
    flow.pieces.push(Piece { lines, row: Some(row), ..Piece::default() });
}

/// The lines of a cell. Tables in it lose their backgrounds and keep their words and places.
fn lines_of(flow: &mut Flow<'_>, blocks: &[Block], place: Place) -> Vec<Line> {
    let outer = std::mem::take(&mut flow.pieces);
    match blocks {
        // The words of most cells: their part is the cell itself.
        [Block::Paragraph(align, words)] => {
            if let Some(part) = place.part {
                flow.paragraph(words, *align, part, place);
            }
        }
        several => flow.blocks(several, place),
    }
    let pieces = std::mem::replace(&mut flow.pieces, outer);
    pieces.into_iter().flat_map(|piece| piece.lines).collect()
}

/// Lays lines beside those that are there.
fn merge(lines: &mut Vec<Line>, beside: Vec<Line>) {
    for (n, line) in beside.into_iter().enumerate() {
        match lines.get_mut(n) {
            Some(here) => {
                here.above = here.above.max(line.above);
                here.height = here.height.max(line.height);
                here.marks.extend(line.marks);
            }
            None => lines.push(line),
        }
    }
}

/// A row as a paragraph for each cell.
fn line_by_line(flow: &mut Flow<'_>, row: &[Cell], table: PartId, place: Place) {
    let row_part = flow.structure.add(Part::Row, Some(table));
    for cell in row {
        let heads = cell.heads.then_some(TableHeaderScope::Both);
        let part = flow.structure.add(Part::Cell { heads, columns: 1, rows: 1 }, Some(row_part));
        flow.blocks(&cell.blocks, Place { part: Some(part), base: base_of(cell, place), ..place });
    }
    flow.push(vec![Line { above: 0.0, height: 2.0 * PADDING.1, marks: Vec::new() }], false);
}
