//! Narratives as blocks: XHTML that went through the allow-list, taken apart again.

use super::super::markup;
use super::{Align, Block, Cell, Inline, Picture, Shift, Style, Table};
use crate::limits::Limits;
use crate::xml::{Node, Tree};

/// Blocks inside blocks; what lies deeper stands beside what it was in.
const DEEPEST: usize = 12;

/// The blocks of a narrative's `div`. None if it is not XML, which what we write is.
pub(super) fn read(div: &str) -> Option<Vec<Block>> {
    // Our own markup: the message was measured when it was read, and a picture is one long attribute.
    let limits = Limits {
        message_bytes: usize::MAX,
        depth: 512,
        attribute_bytes: usize::MAX,
        text_bytes: usize::MAX,
        elements: usize::MAX,
        ..Limits::default()
    };
    let tree = Tree::parse(div, &limits).ok()?;
    let mut flow = Flow::default();
    flow.inside(tree.root()?, Style::default(), 0);
    Some(flow.finish())
}

/// Blocks in the making, and the line that is not ended yet.
#[derive(Default)]
struct Flow {
    blocks: Vec<Block>,
    line: Vec<Inline>,
    align: Align,
}

impl Flow {
    fn finish(mut self) -> Vec<Block> {
        self.end_line();
        self.blocks
    }

    fn end_line(&mut self) {
        let line = trimmed(std::mem::take(&mut self.line));
        if !line.is_empty() {
            self.blocks.push(Block::Paragraph(self.align, line));
        }
    }

    fn push(&mut self, block: Block) {
        self.end_line();
        self.blocks.push(block);
    }

    /// What is inside an element. Depth is that of blocks; that of elements is limited by the reader.
    fn inside(&mut self, node: Node<'_>, style: Style, depth: usize) {
        for child in node.children() {
            if child.is_element() {
                self.element(child, style, depth);
            } else {
                self.words(child.own_text(), style);
            }
        }
    }

    fn element(&mut self, node: Node<'_>, outer: Style, depth: usize) {
        let style = styled(node, outer);
        match node.name() {
            "br" => self.line.push(Inline::Break),
            "hr" => self.push(Block::Rule),
            "img" => {
                if let Some(picture) = picture(node) {
                    self.push(Block::Picture(picture));
                }
            }
            "p" | "div" | "pre" | "li" | "caption" | "td" | "th" | "tr" => self.paragraph(node, style, depth),
            "h1" => self.heading(1, node, style),
            "h2" => self.heading(2, node, style),
            "h3" => self.heading(3, node, style),
            "h4" => self.heading(4, node, style),
            "h5" => self.heading(5, node, style),
            "h6" => self.heading(6, node, style),
            "ul" | "ol" | "blockquote" | "table" if depth >= DEEPEST => self.paragraph(node, style, depth),
            "ul" | "ol" => {
                let item = |item: Node<'_>| {
                    if item.is_element() { Some(within(item, style, depth + 1)) } else { stray(item, style) }
                };
                let items: Vec<Vec<Block>> = node.children().filter_map(item).collect();
                if !items.is_empty() {
                    let start = || node.attr("style").and_then(markup::counted_from).unwrap_or(1);
                    self.push(Block::List((node.name() == "ol").then(start), items));
                }
            }
            "blockquote" => {
                let blocks = within(node, style, depth + 1);
                if !blocks.is_empty() {
                    self.push(Block::Quote(blocks));
                }
            }
            "table" => {
                let table = table(node, style, depth + 1);
                if !table.head.is_empty() || !table.body.is_empty() || !table.caption.is_empty() {
                    self.push(Block::Table(table));
                }
            }
            _ => self.inside(node, style, depth),
        }
    }

    fn paragraph(&mut self, node: Node<'_>, style: Style, depth: usize) {
        self.end_line();
        let outer = self.align;
        self.align = align(node).unwrap_or(outer);
        self.inside(node, style, depth);
        self.end_line();
        self.align = outer;
    }

    /// Blocks in a heading are no headings; their words are.
    fn heading(&mut self, level: u8, node: Node<'_>, style: Style) {
        let line = line_of(within(node, style, DEEPEST));
        if !line.is_empty() {
            self.push(Block::Heading(level, line));
        }
    }

    /// Words of the markup: blanks count once, unless they were laid out.
    fn words(&mut self, text: &str, style: Style) {
        if style.laid_out {
            for (n, line) in text.split('\n').enumerate() {
                if n > 0 {
                    self.line.push(Inline::Break);
                }
                if !line.is_empty() {
                    self.append(line.trim_end_matches('\r'), style);
                }
            }
            return;
        }
        let mut collapsed = String::with_capacity(text.len());
        let mut after_blank = match self.line.last() {
            None | Some(Inline::Break) => true,
            Some(Inline::Text(before, _)) => before.ends_with(' '),
        };
        for c in text.chars() {
            if matches!(c, ' ' | '\t' | '\n' | '\r') {
                if !after_blank {
                    collapsed.push(' ');
                }
                after_blank = true;
            } else {
                collapsed.push(c);
                after_blank = false;
            }
        }
        if !collapsed.is_empty() {
            self.append(&collapsed, style);
        }
    }

    fn append(&mut self, text: &str, style: Style) {
        match self.line.last_mut() {
            Some(Inline::Text(before, same)) if *same == style => before.push_str(text),
            _ => self.line.push(Inline::Text(text.to_owned(), style)),
        }
    }
}

fn within(node: Node<'_>, style: Style, depth: usize) -> Vec<Block> {
    let mut flow = Flow { align: align(node).unwrap_or_default(), ..Flow::default() };
    flow.inside(node, styled(node, style), depth);
    flow.finish()
}

/// Words where only items, rows or cells should be: they stand as one. None if there are but blanks.
fn stray(text: Node<'_>, style: Style) -> Option<Vec<Block>> {
    if text.own_text().trim().is_empty() {
        return None;
    }
    let mut flow = Flow::default();
    flow.words(text.own_text(), style);
    Some(flow.finish())
}

/// The words of blocks, one behind the other.
fn line_of(blocks: Vec<Block>) -> Vec<Inline> {
    let mut line = Vec::new();
    for block in blocks {
        let words = match block {
            Block::Heading(_, words) | Block::Paragraph(_, words) => words,
            Block::Picture(picture) => vec![Inline::Text(picture.alternative, Style::default())],
            // Not made at the depth that is asked for.
            Block::List(..) | Block::Table(_) | Block::Quote(_) | Block::Rule => continue,
        };
        if !line.is_empty() {
            line.push(Inline::Break);
        }
        line.extend(words);
    }
    line
}

/// Without breaks and blanks around it.
fn trimmed(mut line: Vec<Inline>) -> Vec<Inline> {
    let blank = |piece: &Inline| match piece {
        Inline::Break => true,
        Inline::Text(text, style) => !style.laid_out && text.trim_matches([' ', '\t', '\n', '\r']).is_empty(),
    };
    while line.last().is_some_and(blank) {
        line.pop();
    }
    let leading = line.iter().take_while(|piece| blank(piece)).count();
    line.drain(..leading);
    if let Some(Inline::Text(text, style)) = line.last_mut()
        && !style.laid_out
    {
        text.truncate(text.trim_end_matches([' ', '\t', '\n', '\r']).len());
    }
    line
}

fn styled(node: Node<'_>, mut style: Style) -> Style {
    match node.name() {
        "b" | "strong" | "caption" => style.bold = true,
        "i" | "em" => style.italic = true,
        "sup" => style.shift = Shift::Raised,
        "sub" => style.shift = Shift::Lowered,
        "pre" => style.laid_out = true,
        _ => {}
    }
    style.struck |= node.attr("style").is_some_and(markup::strikes);
    for (property, value) in declarations(node) {
        match (property, value) {
            ("text-decoration", "underline") => style.underlined = true,
            ("white-space", "pre" | "pre-wrap" | "pre-line") => style.laid_out = true,
            ("font-weight", weight) => {
                style.bold = matches!(weight, "bold" | "bolder" | "600" | "700" | "800" | "900");
            }
            ("font-style", "italic" | "oblique") => style.italic = true,
            _ => {}
        }
    }
    style
}

fn align(node: Node<'_>) -> Option<Align> {
    declarations(node).filter(|(property, _)| *property == "text-align").last().map(
        |(_, value)| match value {
            "center" => Align::Middle,
            "right" | "end" => Align::End,
            _ => Align::Start,
        },
    )
}

fn declarations(node: Node<'_>) -> impl Iterator<Item = (&str, &str)> {
    let style = node.attr("style").unwrap_or_default();
    style.split(';').filter_map(|one| one.split_once(':')).map(|(name, value)| (name.trim(), value.trim()))
}

fn picture(node: Node<'_>) -> Option<Picture> {
    let source = node.attr("src")?;
    let (kind, base64) = ["image/png", "image/jpeg", "image/gif"].into_iter().find_map(|kind| {
        let data = source.strip_prefix("data:")?.strip_prefix(kind)?.strip_prefix(";base64,")?;
        Some((kind, data))
    })?;
    let base64 = base64.chars().filter(|c| !c.is_whitespace()).collect();
    Some(Picture { kind, base64, alternative: node.attr("alt").unwrap_or_default().to_owned() })
}

fn table(node: Node<'_>, style: Style, depth: usize) -> Table {
    let mut table = Table::default();
    for part in node.children() {
        match part.name() {
            "caption" => table.caption.extend(line_of(within(part, style, DEEPEST))),
            "thead" => {
                let style = styled(part, style);
                table.head.extend(part.children().filter_map(|row| cells(row, style, depth)));
            }
            "tbody" | "tfoot" => {
                let style = styled(part, style);
                table.body.extend(part.children().filter_map(|row| cells(row, style, depth)));
            }
            "colgroup" | "col" => {}
            _ => table.body.extend(cells(part, style, depth)),
        }
    }
    table
}

/// The cells of a row. What is no cell, but inside a row, is read as one.
fn cells(row: Node<'_>, style: Style, depth: usize) -> Option<Vec<Cell>> {
    let style = if row.is_element() { styled(row, style) } else { style };
    let cell = |node: Node<'_>| {
        Some(Cell {
            heads: node.name() == "th",
            columns: span(node, "colspan", 100),
            rows: span(node, "rowspan", 1_000),
            blocks: if node.is_element() { within(node, style, depth) } else { stray(node, style)? },
        })
    };
    let cells: Vec<Cell> = match row.name() {
        "tr" => row.children().filter_map(cell).collect(),
        _ => cell(row).into_iter().collect(),
    };
    (!cells.is_empty()).then_some(cells)
}

fn span(node: Node<'_>, name: &str, most: u16) -> u16 {
    node.attr(name).and_then(|value| value.parse().ok()).unwrap_or(1).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn div(inside: &str) -> Vec<Block> {
        read(&format!("<div xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"nb\">{inside}</div>"))
            .expect("blocks")
    }

    fn text(words: &str) -> Inline {
        Inline::Text(words.into(), Style::default())
    }

    fn paragraph(words: &str) -> Block {
        Block::Paragraph(Align::Start, vec![text(words)])
    }

    #[test]
    fn what_is_struck_through_around_words_strikes_all_of_them() {
        const STRUCK: &str = "style=\"text-decoration: line-through\"";
        for (inside, words) in [
            (format!("<table><tr {STRUCK}><td>A</td><th>B</th></tr></table>"), 2),
            (format!("<table {STRUCK}><caption>A</caption><tbody><tr><td>B</td></tr></tbody></table>"), 2),
            (format!("<table><tbody {STRUCK}><tr><td><p>A</p></td></tr></tbody></table>"), 1),
            (format!("<ul {STRUCK}><li>A</li><li><p>B</p></li></ul>"), 2),
            (format!("<blockquote {STRUCK}><p>A</p></blockquote>"), 1),
            (format!("<div {STRUCK}><h3>A</h3><ol><li>B</li></ol></div>"), 2),
            (format!("<div {STRUCK}><p style=\"text-decoration: underline\">A</p></div>"), 1),
        ] {
            assert_eq!(struck(&div(&inside)), vec![true; words], "{inside}");
        }
    }

    /// Of each piece of text, whether it is struck through.
    fn struck(blocks: &[Block]) -> Vec<bool> {
        let of = |line: &[Inline]| -> Vec<bool> {
            let text =
                |piece: &Inline| if let Inline::Text(_, style) = piece { Some(style.struck) } else { None };
            line.iter().filter_map(text).collect()
        };
        let inside = |block: &Block| match block {
            Block::Heading(_, line) | Block::Paragraph(_, line) => of(line),
            Block::List(_, items) => items.iter().flat_map(|item| struck(item)).collect(),
            Block::Quote(blocks) => struck(blocks),
            Block::Table(table) => {
                let cells = table.head.iter().chain(&table.body).flatten();
                of(&table.caption).into_iter().chain(cells.flat_map(|cell| struck(&cell.blocks))).collect()
            }
            Block::Rule | Block::Picture(_) => Vec::new(),
        };
        blocks.iter().flat_map(inside).collect()
    }

    #[test]
    fn blanks_count_once_and_paragraphs_end_lines() {
        let blocks = div("  a \n b<p> c <br/> d </p>e");
        let second = Block::Paragraph(Align::Start, vec![text("c "), Inline::Break, text("d")]);
        assert!(blocks == [paragraph("a b"), second, paragraph("e")]);
    }

    #[test]
    fn styles_nest_and_end() {
        let blocks = div(
            "x <b>y <i>z</i></b> <span style=\"text-decoration: line-through; font-weight: bold\">w</span><sup>2</sup>",
        );
        let bold = Style { bold: true, ..Style::default() };
        let expected = vec![
            text("x "),
            Inline::Text("y ".into(), bold),
            Inline::Text("z".into(), Style { italic: true, ..bold }),
            text(" "),
            Inline::Text("w".into(), Style { struck: true, ..bold }),
            Inline::Text("2".into(), Style { shift: Shift::Raised, ..Style::default() }),
        ];
        assert!(blocks == [Block::Paragraph(Align::Start, expected)]);
    }

    #[test]
    fn what_a_sender_laid_out_keeps_its_blanks() {
        let laid_out = Style { laid_out: true, ..Style::default() };
        let blocks = div("<span style=\"white-space: pre-wrap\">a   1<br/>bb\t2\n c</span>");
        let expected = vec![
            Inline::Text("a   1".into(), laid_out),
            Inline::Break,
            Inline::Text("bb\t2".into(), laid_out),
            Inline::Break,
            Inline::Text(" c".into(), laid_out),
        ];
        assert!(blocks == [Block::Paragraph(Align::Start, expected)]);
    }

    #[test]
    fn tables_have_heads_bodies_and_spans() {
        let blocks = div(
            "<table><caption>C</caption><thead><tr><th>h</th></tr></thead><tbody><tr><td colspan=\"2\" \
             style=\"text-align: right\">1</td></tr><tr><td><table><tr><td>in</td></tr></table></td></tr></tbody></table>",
        );
        let [Block::Table(table)] = blocks.as_slice() else { panic!("one table") };
        assert_eq!((table.head.len(), table.body.len(), table.caption.len()), (1, 2, 1));
        assert!(table.head[0][0].heads);
        assert_eq!(table.body[0][0].columns, 2);
        assert!(table.body[0][0].blocks == [Block::Paragraph(Align::End, vec![text("1")])]);
        assert!(matches!(table.body[1][0].blocks.as_slice(), [Block::Table(_)]));
    }

    #[test]
    fn words_between_rows_and_items_are_not_lost() {
        let blocks = div("<table>a<tbody>b<tr>c<td>d</td> </tr></tbody></table><ul>e<li>f</li> </ul>");
        let [Block::Table(table), Block::List(_, items)] = blocks.as_slice() else { panic!("two blocks") };
        let words = |blocks: &[Block]| blocks.to_vec();
        let rows: Vec<Vec<Vec<Block>>> =
            table.body.iter().map(|row| row.iter().map(|cell| words(&cell.blocks)).collect()).collect();
        let said = |words: &str| vec![paragraph(words)];
        assert!(rows == [vec![said("a")], vec![said("b")], vec![said("c"), said("d")]]);
        assert!(*items == [said("e"), said("f")]);
    }

    #[test]
    fn nothing_is_lost_however_deep_it_lies() {
        let deep = format!("{}<p>end</p>{}", "<ul><li>".repeat(200), "</li></ul>".repeat(200));
        let mut blocks = div(&deep);
        let mut depth = 0;
        while let [Block::List(_, items)] = blocks.as_slice() {
            blocks = items[0].clone();
            depth += 1;
        }
        assert!(depth == DEEPEST && blocks == [paragraph("end")]);
    }
}
