//! A view as one HTML page: no script, nothing fetched from anywhere, for screen, paper and screen readers.
//!
//! Everything is put out as text and escaped on the way. The page forbids by its own policy what it does not
//! hold: should a reader's program be fooled, there is still nothing to run and nowhere to send.

use super::{Align, Block, Cell, Inline, Picture, Section, Shift, Style, Table, View, Weight};
use crate::xml::{escape_attribute, escape_text};
use std::fmt::Write as _;

const CSS: &str = include_str!("page.css");

/// The page, in UTF-8. The same view gives the same bytes.
#[must_use]
pub fn html(view: &View) -> Vec<u8> {
    let mut page = Page { out: String::with_capacity(16_384) };
    page.document(view);
    page.out.into_bytes()
}

struct Page {
    out: String,
}

impl Page {
    fn raw(&mut self, markup: &str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.out.push_str(&escape_text(text));
        self
    }

    fn document(&mut self, view: &View) {
        self.raw("<!DOCTYPE html>\n<html lang=\"")
            .raw(&escape_attribute(&view.language))
            .raw("\">\n<head>\n");
        self.raw("<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"");
        self.raw("default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n");
        self.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        self.raw("<meta name=\"robots\" content=\"noindex\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
        self.text(&view.title).raw("</title>\n<style>\n").raw(CSS).raw("</style>\n</head>\n<body>\n");
        self.header(view);
        self.raw("<main>\n");
        for (n, section) in view.sections.iter().enumerate() {
            self.section(n + 1, section);
        }
        self.raw("</main>\n");
        if let Some(id) = &view.id {
            self.raw("<footer><p>Dokument-id ").text(id).raw("</p></footer>\n");
        }
        self.raw("</body>\n</html>\n");
    }

    fn header(&mut self, view: &View) {
        self.raw("<header>\n");
        if view.test {
            self.raw("<p class=\"notice warning\">Test: skal ikke brukes i helsehjelp</p>\n");
        }
        self.raw("<h1>").text(&view.title).raw("</h1>\n");
        match view.weight {
            Weight::Plain => {}
            Weight::Notice => {
                self.raw("<p class=\"notice\">").text(view.status).raw("</p>\n");
            }
            Weight::Warning => {
                self.raw("<p class=\"notice warning\">").text(view.status).raw("</p>\n");
            }
        }
        self.raw("<dl>\n");
        if let Some(patient) = &view.patient {
            self.fact("Pasient", &patient.name);
            if let Some((kind, id)) = &patient.id {
                self.fact(kind, id);
            }
            self.fact("Født", patient.born.as_deref().unwrap_or_default());
            self.fact("Kjønn", patient.sex.unwrap_or_default());
        }
        self.fact("Avsender", view.sender.as_deref().unwrap_or_default());
        self.fact("Dato", &view.date);
        self.fact("Status", view.status);
        self.raw("</dl>\n</header>\n");
    }

    fn fact(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            self.raw("<div><dt>").text(label).raw("</dt><dd>").text(value).raw("</dd></div>\n");
        }
    }

    fn section(&mut self, number: usize, section: &Section) {
        let level = (section.level + 1).min(6);
        let written = writeln!(
            self.out,
            "<section aria-labelledby=\"s{number}\">\n<h{level} id=\"s{number}\">{}</h{level}>",
            escape_text(&section.title)
        );
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
        self.blocks(&section.blocks, level);
        self.raw("</section>\n");
    }

    /// Blocks inside blocks are as deep as [`super::blocks`] makes them.
    fn blocks(&mut self, blocks: &[Block], above: u8) {
        for block in blocks {
            self.block(block, above);
        }
    }

    fn block(&mut self, block: &Block, above: u8) {
        match block {
            Block::Heading(level, words) => {
                let level = (above + level).min(6);
                self.raw(&format!("<h{level}>")).line(words).raw(&format!("</h{level}>\n"));
            }
            Block::Paragraph(align, words) => {
                self.raw(match align {
                    Align::Start => "<p>",
                    Align::Middle => "<p class=\"middle\">",
                    Align::End => "<p class=\"end\">",
                });
                self.line(words).raw("</p>\n");
            }
            Block::List(start, items) => {
                let tag = if start.is_some() { "ol" } else { "ul" };
                self.raw("<").raw(tag);
                if let Some(start) = start.filter(|start| *start != 1) {
                    self.raw(&format!(" start=\"{start}\""));
                }
                self.raw(">\n");
                for item in items {
                    self.raw("<li>");
                    self.inside(item, above);
                    self.raw("</li>\n");
                }
                self.raw("</").raw(tag).raw(">\n");
            }
            Block::Table(table) => self.table(table, above),
            Block::Quote(inside) => {
                self.raw("<blockquote>\n");
                self.blocks(inside, above);
                self.raw("</blockquote>\n");
            }
            Block::Rule => {
                self.raw("<hr>\n");
            }
            Block::Picture(picture) => self.picture(picture),
        }
    }

    /// A single paragraph stands without its tags.
    fn inside(&mut self, blocks: &[Block], above: u8) {
        match blocks {
            [Block::Paragraph(Align::Start, words)] => {
                self.line(words);
            }
            several => self.blocks(several, above),
        }
    }

    fn table(&mut self, table: &Table, above: u8) {
        self.raw("<div class=\"table\"><table>\n");
        if !table.caption.is_empty() {
            self.raw("<caption>").line(&table.caption).raw("</caption>\n");
        }
        if !table.head.is_empty() {
            self.raw("<thead>\n");
            self.rows(&table.head, "col", above);
            self.raw("</thead>\n");
        }
        if !table.body.is_empty() {
            self.raw("<tbody>\n");
            self.rows(&table.body, "row", above);
            self.raw("</tbody>\n");
        }
        self.raw("</table></div>\n");
    }

    fn rows(&mut self, rows: &[Vec<Cell>], scope: &str, above: u8) {
        for row in rows {
            self.raw("<tr>");
            for cell in row {
                let tag = if cell.heads { "th" } else { "td" };
                self.raw("<").raw(tag);
                if cell.heads {
                    self.raw(" scope=\"").raw(scope).raw("\"");
                }
                for (name, value) in [("colspan", cell.columns), ("rowspan", cell.rows)] {
                    if value > 1 {
                        self.raw(&format!(" {name}=\"{value}\""));
                    }
                }
                self.raw(">");
                self.inside(&cell.blocks, above);
                self.raw("</").raw(tag).raw(">");
            }
            self.raw("</tr>\n");
        }
    }

    fn picture(&mut self, picture: &Picture) {
        self.raw("<p><img src=\"data:").raw(picture.kind).raw(";base64,");
        self.raw(&escape_attribute(&picture.base64)).raw("\" alt=\"");
        self.raw(&escape_attribute(&picture.alternative)).raw("\"></p>\n");
    }

    fn line(&mut self, words: &[Inline]) -> &mut Self {
        for piece in words {
            match piece {
                Inline::Break => self.raw("<br>"),
                Inline::Text(text, style) => self.words(text, *style),
            };
        }
        self
    }

    fn words(&mut self, text: &str, style: Style) -> &mut Self {
        let shift = match style.shift {
            Shift::None => "",
            Shift::Raised => "sup",
            Shift::Lowered => "sub",
        };
        let tags = [
            (style.bold, "b"),
            (style.italic, "i"),
            (style.underlined, "u"),
            (style.struck, "s"),
            (!shift.is_empty(), shift),
        ];
        for (_, tag) in tags.iter().filter(|(on, _)| *on) {
            self.raw("<").raw(tag).raw(">");
        }
        if style.laid_out {
            self.raw("<span class=\"laid-out\">").text(text).raw("</span>");
        } else {
            self.text(text);
        }
        for (_, tag) in tags.iter().rev().filter(|(on, _)| *on) {
            self.raw("</").raw(tag).raw(">");
        }
        self
    }
}
