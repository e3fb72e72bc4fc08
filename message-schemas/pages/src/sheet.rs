//! Pieces onto pages.
//!
//! A short piece is not broken, and a row not if it fits on half a page; a heading is not parted from what it heads; on each page
//! that a table goes on to, its head stands again.

use crate::Fault;
use crate::flow::{Line, Piece};

/// A4, in points.
pub(crate) const WIDTH: f32 = 595.28;
/// A4, in points.
pub(crate) const HEIGHT: f32 = 841.89;
/// At the left and right.
pub(crate) const MARGIN: f32 = 45.0;
/// Where the content of a page begins and ends.
const TOP: f32 = 66.0;
const BOTTOM: f32 = HEIGHT - 56.0;
/// Pieces that are looked at to keep headings with what they head.
const LOOK_AHEAD: usize = 8;

/// Something at its place on a page.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Draw<'p> {
    /// A line of content, or a line that stands there once more.
    Line { line: &'p Line, y: f32, again: bool },
    /// The background of a cell.
    Shade { x: f32, y: f32, width: f32, height: f32 },
    /// The border of a row.
    Rule { x: f32, y: f32, width: f32 },
}

/// Where a chapter begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bookmark<'p> {
    pub title: &'p str,
    /// From 0.
    pub page: usize,
    pub y: f32,
}

/// All pages.
#[derive(Debug, Default)]
pub(crate) struct Sheets<'p> {
    pub pages: Vec<Vec<Draw<'p>>>,
    pub bookmarks: Vec<Bookmark<'p>>,
}

struct Placing<'p> {
    sheets: Sheets<'p>,
    heads: &'p [Vec<Piece>],
    most: usize,
    y: f32,
    /// Nothing but a repeated head is on the page.
    fresh: bool,
    last_rule: f32,
}

/// Puts pieces on at most `most` pages.
pub(crate) fn place<'p>(
    pieces: &'p [Piece],
    heads: &'p [Vec<Piece>],
    most: usize,
) -> Result<Sheets<'p>, Fault> {
    let mut placing = Placing { sheets: Sheets::default(), heads, most, y: TOP, fresh: true, last_rule: 0.0 };
    placing.turn(None)?;
    for (at, piece) in pieces.iter().enumerate() {
        let together = together(pieces.get(at..).unwrap_or_default());
        if !placing.fresh && placing.y + together > BOTTOM && together <= (BOTTOM - TOP) / 2.0 {
            placing.turn(head_of(piece))?;
        }
        if let Some(title) = &piece.bookmark {
            let page = placing.sheets.pages.len() - 1;
            placing.sheets.bookmarks.push(Bookmark { title, page, y: placing.y });
        }
        placing.piece(piece, head_of(piece), false)?;
    }
    Ok(placing.sheets)
}

fn head_of(piece: &Piece) -> Option<usize> {
    piece.row.as_ref().and_then(|row| row.head)
}

/// How much room the first piece needs with those that it must not be parted from.
fn together(pieces: &[Piece]) -> f32 {
    let mut needed = 0.0;
    for piece in pieces.iter().take(LOOK_AHEAD) {
        let whole: f32 = piece.lines.iter().map(Line::full).sum();
        needed += whole;
        if !piece.with_next {
            // A long one is broken anyway: its first lines are enough.
            if whole > (BOTTOM - TOP) / 6.0 {
                needed -= whole;
                needed += piece.lines.iter().take(2).map(Line::full).sum::<f32>();
            }
            break;
        }
    }
    needed
}

impl<'p> Placing<'p> {
    fn draw(&mut self, draw: Draw<'p>) {
        if let Some(page) = self.sheets.pages.last_mut() {
            page.push(draw);
        }
    }

    /// A new page, with the head of the table that goes on.
    fn turn(&mut self, head: Option<usize>) -> Result<(), Fault> {
        if self.sheets.pages.len() >= self.most {
            return Err(Fault::TooLong { pages: self.most });
        }
        self.sheets.pages.push(Vec::new());
        (self.y, self.fresh, self.last_rule) = (TOP, true, 0.0);
        let heads = self.heads;
        let rows = head.and_then(|head| heads.get(head)).map(Vec::as_slice).unwrap_or_default();
        let height: f32 = rows.iter().flat_map(|row| &row.lines).map(Line::full).sum();
        // A head that fills the page would leave no room to go on.
        if height <= (BOTTOM - TOP) / 3.0 {
            for row in rows {
                self.piece(row, None, true)?;
            }
            self.fresh = true;
        }
        Ok(())
    }

    fn piece(&mut self, piece: &'p Piece, head: Option<usize>, again: bool) -> Result<(), Fault> {
        let mut rest = piece.lines.as_slice();
        while !rest.is_empty() {
            let at_top = self.fresh && piece.row.is_none();
            let (mut taken, mut height) = (0, 0.0);
            for line in rest {
                let full = if at_top && taken == 0 { line.height } else { line.full() };
                // The first line of a fresh page goes on it whatever its height, so this comes to an end.
                let must = self.fresh && taken == 0;
                if self.y + height + full > BOTTOM && !must {
                    break;
                }
                height += full;
                taken += 1;
            }
            let (now, later) = rest.split_at(taken);
            if taken > 0 {
                self.fragment(piece, now, at_top, height, again);
                self.fresh = false;
            }
            rest = later;
            if !rest.is_empty() {
                self.turn(head)?;
            }
        }
        Ok(())
    }

    /// Lines that go on this page, and what is drawn around them.
    fn fragment(&mut self, piece: &'p Piece, lines: &'p [Line], at_top: bool, height: f32, again: bool) {
        let top = self.y;
        if let Some(row) = &piece.row {
            for shade in &row.shades {
                self.draw(Draw::Shade { x: shade.x, y: top, width: shade.width, height });
            }
        }
        for (n, line) in lines.iter().enumerate() {
            if !(at_top && n == 0) {
                self.y += line.above;
            }
            self.draw(Draw::Line { line, y: self.y, again });
            self.y += line.height;
        }
        if let Some(row) = &piece.row {
            if (self.last_rule - top).abs() > 0.01 {
                self.draw(Draw::Rule { x: row.x, y: top, width: row.width });
            }
            self.draw(Draw::Rule { x: row.x, y: self.y, width: row.width });
            self.last_rule = self.y;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Row;

    fn piece(lines: usize, height: f32) -> Piece {
        Piece { lines: vec![Line { above: 0.0, height, marks: Vec::new() }; lines], ..Piece::default() }
    }

    fn lines_on(page: &[Draw<'_>]) -> usize {
        page.iter().filter(|draw| matches!(draw, Draw::Line { .. })).count()
    }

    #[test]
    fn a_heading_goes_to_the_page_of_what_it_heads() {
        let mut heading = piece(1, 20.0);
        heading.with_next = true;
        let pieces = [piece(1, BOTTOM - TOP - 30.0), heading, piece(2, 20.0)];
        let sheets = place(&pieces, &[], 10).expect("few pages");
        assert_eq!(sheets.pages.iter().map(|p| lines_on(p)).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn what_is_longer_than_a_page_is_broken_and_heads_come_again() {
        let head = vec![piece(1, 10.0)];
        let mut row = piece(200, 10.0);
        row.row = Some(Row { head: Some(0), ..Row::default() });
        let pieces = [row];
        let heads = [head];
        let sheets = place(&pieces, &heads, 10).expect("few pages");
        let again = |page: &Vec<Draw<'_>>| {
            page.iter().filter(|d| matches!(d, Draw::Line { again: true, .. })).count()
        };
        let total: usize = sheets.pages.iter().map(|p| lines_on(p)).sum();
        assert_eq!(sheets.pages.iter().map(again).collect::<Vec<_>>(), [0, 1, 1]);
        assert_eq!(total, 200 + 2);
    }

    #[test]
    fn there_is_an_end_to_pages() {
        let pieces = vec![piece(1, 10.0); 1_000];
        assert_eq!(place(&pieces, &[], 5).err(), Some(Fault::TooLong { pages: 5 }));
        let tall = [piece(3, 10_000.0)];
        assert_eq!(place(&tall, &[], 5).expect("one a page").pages.len(), 3);
    }
}
