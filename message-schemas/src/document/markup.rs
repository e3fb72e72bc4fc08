//! Markup that a sender wrote, let through an allow-list; and the same as plain text.
//!
//! Elements and attributes of the list are written out by us, from the parsed tree: what is not on the list
//! cannot slip through by being written oddly. An unknown element loses its tags and keeps its content;
//! active ones lose their content too. Each drop is marked on its node, and so is a line of the report.

use super::coverage::{Coverage, Outcome, part};
use super::narrative::Html;
use crate::xml::{Node, escape_attribute};

/// True if the element holds any element: its content is then markup, else it is text (document-sharing §3.6).
pub(super) fn is_markup(node: Node<'_>) -> bool {
    node.elements().next().is_some()
}

/// Elements that stay; what FHIR does not know is written as the element beside it.
fn kept(name: &str) -> Option<(&'static str, Option<&'static str>)> {
    Some(match name {
        "p" => ("p", None),
        "br" => ("br", None),
        "b" => ("b", None),
        "i" => ("i", None),
        "u" | "ins" => ("span", Some("text-decoration: underline")),
        "s" | "del" | "strike" => ("span", Some("text-decoration: line-through")),
        "em" => ("em", None),
        "strong" => ("strong", None),
        "sub" => ("sub", None),
        "sup" => ("sup", None),
        "ul" => ("ul", None),
        "ol" => ("ol", None),
        "li" => ("li", None),
        "table" => ("table", None),
        "thead" => ("thead", None),
        "tbody" => ("tbody", None),
        "tr" => ("tr", None),
        "th" => ("th", None),
        "td" => ("td", None),
        "caption" => ("caption", None),
        "colgroup" => ("colgroup", None),
        "col" => ("col", None),
        "h1" => ("h1", None),
        "h2" => ("h2", None),
        "h3" => ("h3", None),
        "h4" => ("h4", None),
        "h5" => ("h5", None),
        "h6" => ("h6", None),
        "div" => ("div", None),
        "span" => ("span", None),
        "pre" => ("pre", None),
        "hr" => ("hr", None),
        "blockquote" => ("blockquote", None),
        _ => return None,
    })
}

/// Elements whose content goes with them.
fn refused(name: &str) -> bool {
    matches!(
        name,
        "script" | "style" | "iframe" | "form" | "object" | "embed" | "applet" | "head" | "link" | "meta"
    )
}

fn is_empty_element(name: &str) -> bool {
    matches!(name, "br" | "hr" | "col")
}

enum Step<'t> {
    Open(Node<'t>),
    Close(&'static str),
}

/// Writes what is inside `root` as XHTML of the allow-list.
pub(super) fn sanitise<'t>(root: Node<'t>, section: &'static str, html: &mut Html, coverage: &mut Coverage) {
    coverage.mark(root, part::TEXT, Outcome::Narrative, section);
    let mut work: Vec<Step<'t>> = Vec::new();
    push_children(root, &mut work);
    while let Some(step) = work.pop() {
        let node = match step {
            Step::Open(node) => node,
            Step::Close(name) => {
                html.raw("</").raw(name).raw(">");
                continue;
            }
        };
        if !node.is_element() {
            html.text_as_is(node.own_text());
            continue;
        }
        let lower = node.name().to_ascii_lowercase();
        if refused(&lower) {
            coverage.mark_all(node, Outcome::Dropped, "markup that is not let through");
            continue;
        }
        if lower == "img" {
            image(node, html, coverage, section);
            continue;
        }
        let Some((name, style)) = kept(&lower) else {
            coverage.mark(node, part::TEXT, Outcome::Narrative, section);
            coverage.mark(node, part::ALL, Outcome::Narrative, section);
            coverage.drop_attributes(node, "attributes of an element that is not let through");
            push_children(node, &mut work);
            continue;
        };
        html.raw("<").raw(name);
        let dropped = attributes(node, style, html);
        let reason = if dropped { "attributes of markup that are not let through" } else { section };
        coverage.mark(node, part::TEXT, Outcome::Narrative, section);
        if dropped {
            coverage.mark(node, part::ALL, Outcome::Narrative, section);
            coverage.drop_attributes(node, reason);
        } else {
            coverage.mark(node, part::ALL, Outcome::Narrative, reason);
        }
        if is_empty_element(name) {
            html.raw("/>");
            // Content of an element that has none is content of the element around it.
            push_children(node, &mut work);
        } else {
            html.raw(">");
            work.push(Step::Close(name));
            push_children(node, &mut work);
        }
    }
}

fn push_children<'t>(node: Node<'t>, work: &mut Vec<Step<'t>>) {
    let from = work.len();
    work.extend(node.children().map(Step::Open));
    if let Some(new) = work.get_mut(from..) {
        new.reverse();
    }
}

/// Writes the attributes that stay; true if any was left out.
fn attributes(node: Node<'_>, style: Option<&str>, html: &mut Html) -> bool {
    let mut dropped = false;
    let mut styles: Vec<String> = style.into_iter().map(str::to_owned).collect();
    for (namespace, name, value) in node.attributes() {
        match name.to_ascii_lowercase().as_str() {
            "colspan" | "rowspan" if namespace.is_empty() => {
                let span = value.trim();
                if !span.is_empty() && span.len() <= 4 && span.bytes().all(|b| b.is_ascii_digit()) {
                    let name = if name.eq_ignore_ascii_case("colspan") { "colspan" } else { "rowspan" };
                    html.raw(" ").raw(name).raw("=\"").raw(span).raw("\"");
                } else {
                    dropped = true;
                }
            }
            "style" if namespace.is_empty() => {
                for declaration in value.split(';').filter(|d| !d.trim().is_empty()) {
                    match safe_style(declaration) {
                        Some(safe) => styles.push(safe),
                        None => dropped = true,
                    }
                }
            }
            _ => dropped = true,
        }
    }
    if !styles.is_empty() {
        html.raw(" style=\"").raw(&escape_attribute(&styles.join("; "))).raw("\"");
    }
    dropped
}

/// `text-align`, `font-weight` and `text-decoration`, with a plain word or number: what is struck through says the opposite
/// when it no longer is.
fn safe_style(declaration: &str) -> Option<String> {
    let (property, value) = declaration.split_once(':')?;
    let property = property.trim().to_ascii_lowercase();
    let value = value.trim().to_ascii_lowercase();
    let plain = !value.is_empty()
        && value.len() <= 16
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (plain && matches!(property.as_str(), "text-align" | "font-weight" | "text-decoration"))
        .then(|| format!("{property}: {value}"))
}

/// A picture stays only if its bytes are in the message; its alternative text stays always.
fn image(node: Node<'_>, html: &mut Html, coverage: &mut Coverage, section: &'static str) {
    let alternative = node.attr("alt").map(str::trim).unwrap_or_default();
    let kinds = ["data:image/png;base64,", "data:image/jpeg;base64,", "data:image/gif;base64,"];
    let source = node.attr("src").map(str::trim).filter(|src| {
        kinds.iter().any(|kind| {
            src.strip_prefix(kind).is_some_and(|data| {
                data.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b' '))
            })
        })
    });
    coverage.mark(node, part::ALL, Outcome::Narrative, section);
    match source {
        Some(source) => {
            html.raw("<img src=\"").raw(&escape_attribute(source)).raw("\" alt=\"");
            html.raw(&escape_attribute(alternative)).raw("\"/>");
        }
        None => {
            coverage.drop_attributes(node, "a picture from outside the message is not let through");
            html.text_as_is(alternative);
        }
    }
}

/// What is inside `root` as plain text: ends of blocks and `br` give a new line, cells a tab, and what is struck through is
/// said to be so.
pub(super) fn plain(root: Node<'_>) -> String {
    enum Step<'t> {
        Open(Node<'t>),
        Break,
        Tab,
        Struck,
    }
    let mut out = String::new();
    let mut work: Vec<Step<'_>> = vec![Step::Open(root)];
    while let Some(step) = work.pop() {
        match step {
            Step::Break => {
                while out.ends_with([' ', '\t']) {
                    out.pop();
                }
                if !out.is_empty() && !out.ends_with('\n') {
                    out.push('\n');
                }
            }
            Step::Tab => out.push('\t'),
            Step::Struck => out.push(']'),
            Step::Open(node) if !node.is_element() => collapse(node.own_text(), &mut out),
            Step::Open(node) => {
                let name = node.name().to_ascii_lowercase();
                if refused(&name) {
                    continue;
                }
                match name.as_str() {
                    "br" | "hr" => {
                        out.push('\n');
                    }
                    "td" | "th" => work.push(Step::Tab),
                    "s" | "del" | "strike" => {
                        out.push_str("[strøket: ");
                        work.push(Step::Struck);
                    }
                    "p" | "div" | "li" | "tr" | "table" | "ul" | "ol" | "h1" | "h2" | "h3" | "h4" | "h5"
                    | "h6" | "pre" | "blockquote" | "caption" => {
                        work.push(Step::Break);
                    }
                    _ => {}
                }
                let from = work.len();
                work.extend(node.children().map(Step::Open));
                if let Some(new) = work.get_mut(from..) {
                    new.reverse();
                }
            }
        }
    }
    out.trim().to_owned()
}

/// Blanks of markup count once, and not at the start of a line.
fn collapse(text: &str, out: &mut String) {
    for c in text.chars() {
        if c.is_whitespace() && c != '\u{a0}' {
            if !out.is_empty() && !out.ends_with([' ', '\n', '\t']) {
                out.push(' ');
            }
        } else {
            out.push(c);
        }
    }
}
