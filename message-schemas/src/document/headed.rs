//! Texts under a heading, as results, reasons and comments are written in all the older families.

use super::codes;
use super::narrative::Html;
use super::values::{Code, Sourced, Words, first};
use super::words::code_text;
use super::writer::Writer;
use crate::xml::Node;

/// A text under a heading, with codes (`ReasonAsText`, `Comment`, `Pretreatment`, `TextResult`, `Result`).
#[derive(Debug)]
pub(super) struct Headed<'t> {
    pub heading: Option<Code<'t>>,
    /// May be markup.
    pub value: Option<Node<'t>>,
    /// `TextCode`, `CodedComment`
    pub codes: Vec<Code<'t>>,
    pub unit: Option<Words<'t>>,
}

impl<'t> Headed<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        let mut h = Self { heading: None, value: None, codes: Vec::new(), unit: None };
        for e in node.elements() {
            match e.name() {
                "Heading" => first(&mut h.heading, Some(Code::read(e))),
                "TextResultValue" => first(&mut h.value, Some(e)),
                "TextCode" | "CodedComment" => h.codes.push(Code::read(e)),
                "Unit" => first(&mut h.unit, Words::read(e)),
                _ => {}
            }
        }
        h
    }
}

impl<'a, 't, B> Writer<'a, '_, 't, B> {
    /// A row of a table: the heading, by the text of its list, and what stands under it.
    pub(super) fn headed_row(
        &mut self,
        html: &mut Html,
        label: &str,
        list: u16,
        headed: &'a Headed<'t>,
        section: &'static str,
    ) {
        let heading = headed.heading.as_ref().and_then(|h| codes::words(h, list)).unwrap_or(label);
        html.raw("<tr><th>").text(heading).raw("</th><td>");
        if let Some(node) = headed.value {
            self.rich(node, section, html);
        }
        for code in &headed.codes {
            code.told(&mut self.coverage, section);
            let mut words = String::new();
            code_text(code, &mut words);
            html.raw(" ").text(&words);
        }
        html.raw("</td></tr>");
    }
}
