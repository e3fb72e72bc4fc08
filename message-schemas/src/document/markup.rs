//! Markup that a sender wrote, let through an allow-list; and the same as plain text.
//!
//! Elements and attributes of the list are written out by us, from the parsed tree: what is not on the list
//! cannot slip through by being written oddly. An unknown element loses its tags and keeps its content;
//! active ones lose their content too. Each drop is marked on its node, and so is a line of the report.
//!
//! Words that stood in two elements never run together, or a strength and a dose would become one number: only
//! around the elements of [`is_inline`] do words go on, every other element that is not kept stands on lines of
//! its own.

use super::coverage::{Coverage, Outcome, part};
use super::narrative::Html;
use crate::xml::{Node, escape_attribute};

/// True if the element holds any element: its content is then markup, else it is text (document-sharing §3.6).
pub(super) fn is_markup(node: Node<'_>) -> bool {
    node.elements().next().is_some()
}

/// What is written for all that is struck through, however it came.
const STRUCK: &str = "text-decoration: line-through";

/// Elements that stay; what FHIR does not know is written as the element beside it.
fn kept(name: &str) -> Option<(&'static str, Option<&'static str>)> {
    Some(match name {
        "p" => ("p", None),
        "br" => ("br", None),
        "b" => ("b", None),
        "i" => ("i", None),
        "u" | "ins" => ("span", Some("text-decoration: underline")),
        "s" | "del" | "strike" => ("span", Some(STRUCK)),
        "em" => ("em", None),
        "strong" => ("strong", None),
        "sub" => ("sub", None),
        "sup" => ("sup", None),
        "ul" => ("ul", None),
        "ol" => ("ol", None),
        "li" => ("li", None),
        "table" => ("table", None),
        "thead" => ("thead", None),
        "tbody" | "tfoot" => ("tbody", None),
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

/// Elements in the midst of a line, kept or not: what stands before, in and after them is read as one word.
///
/// `code`, `label`, `time` and their like are left out, since elements of data are also called so.
fn is_inline(name: &str) -> bool {
    matches!(
        name,
        "a" | "abbr"
            | "acronym"
            | "b"
            | "bdi"
            | "bdo"
            | "big"
            | "cite"
            | "del"
            | "dfn"
            | "em"
            | "font"
            | "i"
            | "ins"
            | "kbd"
            | "mark"
            | "nobr"
            | "q"
            | "s"
            | "samp"
            | "small"
            | "span"
            | "strike"
            | "strong"
            | "sub"
            | "sup"
            | "tt"
            | "u"
            | "wbr"
    )
}

/// True if the element is of HTML, as far as its namespace tells: HTML's, none, or that of the message, which
/// markup without a namespace has inherited.
fn is_html(node: Node<'_>, root: Node<'_>) -> bool {
    let namespace = node.namespace();
    namespace.is_empty() || namespace == root.namespace() || namespace.starts_with("http://www.w3.org/")
}

/// Elements that mean something only within a table: a browser ignores their tags elsewhere.
fn is_of_table(name: &str) -> bool {
    matches!(name, "thead" | "tbody" | "tr" | "th" | "td" | "caption" | "colgroup" | "col")
}

/// Where the next word would be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At the start of a line.
    Start,
    /// Behind words.
    Within,
    /// Behind words of another element.
    Broken,
}

/// What is written so far, as far as the next word must know it.
struct Flow {
    line: Line,
    /// The elements that are open.
    open: Vec<&'static str>,
    /// Quotations that are open.
    quotes: usize,
}

impl Flow {
    /// Words that follow are not those of the element before.
    fn break_line(&mut self) {
        if self.line == Line::Within {
            self.line = Line::Broken;
        }
    }

    /// Between the rows of a table or list, where neither words nor line breaks may stand.
    fn is_between(&self) -> bool {
        matches!(self.open.last(), Some(&("table" | "thead" | "tbody" | "tr" | "colgroup" | "ul" | "ol")))
    }

    /// Text of the sender, on a line of its own if it has to be.
    fn text(&mut self, text: &str, html: &mut Html) {
        if !text.trim().is_empty() {
            if self.line == Line::Broken {
                html.raw(if self.is_between() { " " } else { "<br/>" });
            }
            self.line = Line::Within;
        }
        html.text_as_is(text);
    }
}

/// What a browser writes around `q`, in so many other quotations: in Norwegian, one kind outside and one inside. Written out,
/// they are in every reader's text.
const fn quotation_marks(around: usize) -> (&'static str, &'static str) {
    if around.is_multiple_of(2) { ("«", "»") } else { ("‘", "’") }
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
    /// Of an element that is kept; true if it is inline.
    Close(&'static str, bool),
    /// The end of an element that is not kept, or of an inline one from elsewhere.
    Break,
    /// The end of a quotation: its mark.
    Unquote(&'static str),
}

/// Writes what is inside `root` as XHTML of the allow-list.
pub(super) fn sanitise<'t>(root: Node<'t>, section: &'static str, html: &mut Html, coverage: &mut Coverage) {
    coverage.mark(root, part::TEXT, Outcome::Narrative, section);
    let mut flow = Flow { line: Line::Start, open: Vec::new(), quotes: 0 };
    let mut work: Vec<Step<'t>> = Vec::new();
    push_children(root, &mut work);
    while let Some(step) = work.pop() {
        let node = match step {
            Step::Open(node) => node,
            Step::Close(name, inline) => {
                html.raw("</").raw(name).raw(">");
                flow.open.pop();
                if !inline {
                    flow.line = Line::Start;
                }
                continue;
            }
            Step::Break => {
                flow.break_line();
                continue;
            }
            Step::Unquote(mark) => {
                flow.quotes = flow.quotes.saturating_sub(1);
                // Behind the last word, whatever came after it.
                html.text_as_is(mark);
                flow.line = Line::Within;
                continue;
            }
        };
        if !node.is_element() {
            flow.text(node.own_text(), html);
            continue;
        }
        let lower = node.name().to_ascii_lowercase();
        let inline = is_inline(&lower);
        if !(inline && is_html(node, root)) {
            flow.break_line();
        }
        if refused(&lower) {
            coverage.mark_all(node, Outcome::Dropped, "markup that is not let through");
            continue;
        }
        if lower == "img" {
            image(node, html, &mut flow, coverage, section);
            continue;
        }
        if lower == "q" && is_html(node, root) && !flow.is_between() {
            let (open, close) = quotation_marks(flow.quotes);
            flow.text(open, html);
            flow.quotes += 1;
            work.push(Step::Unquote(close));
        }
        let kept = kept(&lower).filter(|(name, _)| !is_of_table(name) || flow.open.contains(&"table"));
        // What loses its tags must not lose that it is struck through.
        let stand_in = || is_struck(node, &lower).then_some(if inline { "span" } else { "div" });
        let kept = kept.or_else(|| Some((stand_in()?, None)));
        let Some((name, style)) = kept else {
            coverage.mark(node, part::TEXT, Outcome::Narrative, section);
            coverage.mark(node, part::ALL, Outcome::Narrative, section);
            coverage.drop_attributes(node, "attributes of an element that is not let through");
            if !(inline && is_html(node, root)) {
                work.push(Step::Break);
            }
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
        if !inline {
            flow.line = Line::Start;
        }
        if is_empty_element(name) {
            html.raw("/>");
            // Content of an element that has none is content of the element around it.
            push_children(node, &mut work);
        } else {
            html.raw(">");
            if inline && !is_html(node, root) {
                work.push(Step::Break);
            }
            flow.open.push(name);
            work.push(Step::Close(name, inline));
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
    // Of two decorations the last would win, so what is struck through has no other.
    let struck = style == Some(STRUCK) || node.attr("style").is_some_and(strikes);
    let style = if struck { Some(STRUCK) } else { style };
    let mut styles: Vec<String> = style.into_iter().map(str::to_owned).collect();
    // In XML, names that differ by their letters' size are different attributes; here they are one.
    let (mut spans, mut counted) = (Vec::new(), false);
    for (namespace, name, value) in node.attributes() {
        match name.to_ascii_lowercase().as_str() {
            "colspan" | "rowspan" if namespace.is_empty() => {
                let span = value.trim();
                let name = if name.eq_ignore_ascii_case("colspan") { "colspan" } else { "rowspan" };
                let plain = !span.is_empty() && span.len() <= 4 && span.bytes().all(|b| b.is_ascii_digit());
                if plain && !spans.contains(&name) {
                    spans.push(name);
                    html.raw(" ").raw(name).raw("=\"").raw(span).raw("\"");
                } else {
                    dropped = true;
                }
            }
            "start" if namespace.is_empty() && node.name().eq_ignore_ascii_case("ol") => {
                match first_number(value).filter(|_| !std::mem::replace(&mut counted, true)) {
                    Some(1) => {}
                    Some(number) => styles.push(format!("{COUNTED}{}", i32::from(number) - 1)),
                    None => dropped = true,
                }
            }
            "style" if namespace.is_empty() => {
                for declaration in value.split(';').filter(|d| !d.trim().is_empty()) {
                    match (strikes(declaration), safe_style(declaration)) {
                        (true, _) => {}
                        (false, Some(safe)) if !(struck && safe.starts_with("text-decoration")) => {
                            styles.push(safe)
                        }
                        (false, _) => dropped = true,
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

/// Where a numbered list begins, as a style: the number before its first. FHIR's schema and HL7's validator refuse `start`.
const COUNTED: &str = "counter-reset: list-item ";

/// The number that a list begins with, by a declaration that was written here.
pub(super) fn counted_from(style: &str) -> Option<u16> {
    let before: i16 = style.split(';').find_map(|one| one.trim().strip_prefix(COUNTED))?.parse().ok()?;
    u16::try_from(before.checked_add(1)?).ok()
}

/// `start`: digits and nothing else, and few of them.
fn first_number(start: &str) -> Option<u16> {
    let digits = start.trim();
    let plain = digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// True if a style strikes its words through, which then say the opposite: by `text-decoration` or `text-decoration-line`, with
/// a colour or a second line beside it, marked as important or not. What stands last counts.
//= CSS Text Decoration Module Level 3 §2.4
//# text-decoration is a shorthand for text-decoration-line, text-decoration-color and text-decoration-style.
pub(super) fn strikes(style: &str) -> bool {
    let mut struck = false;
    for declaration in without_comments(style).to_ascii_lowercase().split(';') {
        let Some((property, value)) = declaration.split_once(':') else { continue };
        let property = property.trim();
        let property =
            property.strip_prefix("-webkit-").or(property.strip_prefix("-moz-")).unwrap_or(property);
        if matches!(property, "text-decoration" | "text-decoration-line") {
            struck = value.split([' ', '\t', '\n', '\r', '!']).any(|word| word == "line-through");
        }
    }
    struck
}

fn without_comments(style: &str) -> String {
    let mut out = String::with_capacity(style.len());
    let mut rest = style;
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        out.push(' ');
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    out + rest
}

/// `text-align`, `font-weight` and `text-decoration`, with a plain word or number.
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
fn image(node: Node<'_>, html: &mut Html, flow: &mut Flow, coverage: &mut Coverage, section: &'static str) {
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
            flow.text(alternative, html);
            flow.break_line();
        }
    }
}

/// What is inside `root` as plain text: every element but the inline ones stands on lines of its own, cells are
/// divided by a tab, what is preformatted keeps its lines and blanks, what is quoted its marks, and what is struck through is
/// said to be so. A raised or lowered number is kept apart from the digits beside it: `10<sup>9</sup>` is `10^9`.
pub(super) fn plain(root: Node<'_>) -> String {
    enum Step<'t> {
        Open(Node<'t>),
        Break,
        Tab,
        Struck,
        /// The end of a raised or lowered text.
        Script,
        /// The end of a preformatted text.
        Preformatted,
        /// The end of a quotation: its mark.
        Unquote(&'static str),
    }
    let mut quotes = 0usize;
    // How many preformatted texts are open around what comes next.
    let mut preformatted = 0usize;
    let mut out = String::new();
    // What is to be written before a digit, should it come next behind another.
    let mut between = None;
    let mut work: Vec<Step<'_>> = Vec::new();
    work.extend(root.children().map(Step::Open));
    work.reverse();
    while let Some(step) = work.pop() {
        match step {
            Step::Break => end_line(&mut out),
            Step::Tab => out.push('\t'),
            Step::Struck => out.push(']'),
            Step::Script => between = Some(' '),
            Step::Unquote(mark) => {
                quotes = quotes.saturating_sub(1);
                out.push_str(mark);
            }
            Step::Preformatted => {
                preformatted = preformatted.saturating_sub(1);
                end_line(&mut out);
            }
            Step::Open(node) if !node.is_element() => {
                let text = node.own_text();
                if let Some(mark) = between.filter(|_| !text.is_empty()) {
                    let sign =
                        |c: char| c.is_ascii_digit() || (mark != ' ' && matches!(c, '+' | '-' | '\u{2212}'));
                    if out.ends_with(|c: char| c.is_ascii_digit()) && text.starts_with(sign) {
                        out.push(mark);
                    }
                    between = None;
                }
                if preformatted > 0 {
                    out.push_str(text);
                } else {
                    collapse(text, &mut out);
                }
            }
            Step::Open(node) => {
                let name = node.name().to_ascii_lowercase();
                let inline = is_inline(&name) && is_html(node, root);
                if refused(&name) {
                    end_line(&mut out);
                    continue;
                }
                match name.as_str() {
                    "br" | "hr" => out.push('\n'),
                    "td" | "th" => {
                        if !out.is_empty() && !out.ends_with(['\n', '\t']) {
                            out.push('\t');
                        }
                        work.push(Step::Tab);
                    }
                    "img" => {
                        end_line(&mut out);
                        collapse(node.attr("alt").unwrap_or_default(), &mut out);
                        work.push(Step::Break);
                    }
                    "pre" => {
                        end_line(&mut out);
                        preformatted += 1;
                        work.push(Step::Preformatted);
                    }
                    _ if !inline => {
                        end_line(&mut out);
                        work.push(Step::Break);
                    }
                    "q" => {
                        let (open, close) = quotation_marks(quotes);
                        out.push_str(open);
                        quotes += 1;
                        work.push(Step::Unquote(close));
                    }
                    "sup" | "sub" => {
                        between = Some(if name == "sup" { '^' } else { '_' });
                        work.push(Step::Script);
                    }
                    _ => {}
                }
                if is_struck(node, &name) {
                    out.push_str("[strøket: ");
                    work.push(Step::Struck);
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

/// True for what is struck through by its name or its style.
fn is_struck(node: Node<'_>, name: &str) -> bool {
    matches!(name, "s" | "del" | "strike") || node.attr("style").is_some_and(strikes)
}

/// Starts a new line, unless one has just begun.
fn end_line(out: &mut String) {
    while out.ends_with([' ', '\t']) {
        out.pop();
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    /// As XHTML and as plain text.
    fn both(inside: &str) -> (String, String) {
        let text = format!("<R xmlns='urn:message' xmlns:x='urn:elsewhere'>{inside}</R>");
        let tree = Tree::parse(&text, &Limits::default()).expect("XML");
        let root = tree.root().expect("a root");
        let mut html = Html::new();
        sanitise(root, "section", &mut html, &mut Coverage::new(root, root, true));
        (html.into_string(), plain(root))
    }

    #[test]
    fn words_of_two_elements_never_run_together() {
        for unknown in [
            "Linje", "x:Linje", "x:b", "x:span", "address", "article", "center", "dd", "dir", "dt",
            "fieldset", "label", "legend", "option", "section", "td", "time",
        ] {
            let (open, close) = (format!("<{unknown}>"), format!("</{unknown}>"));
            for inside in [
                format!("{open}Marevan 2{close}{open}5 mg x 1{close}"),
                format!("Marevan 2{open}5 mg x 1{close}"),
                format!("{open}Marevan 2{close}5 mg x 1"),
                format!("<b>Marevan 2</b>{open}<b>5 mg x 1</b>{close}"),
            ] {
                let (html, text) = both(&inside);
                let html = html.replace("<b>", "").replace("</b>", "");
                let html = html.replace("<span>", "").replace("</span>", "");
                assert_eq!(html, "Marevan 2<br/>5 mg x 1", "{inside}");
                assert!(
                    matches!(&*text, "Marevan 2\n5 mg x 1" | "Marevan 2\t5 mg x 1"),
                    "{inside}: {text:?}"
                );
            }
        }
        for inside in ["2<object/>5", "2<form>x</form>5", "2<img alt=''/>5"] {
            assert_eq!(both(inside), ("2<br/>5".to_owned(), "2\n5".to_owned()), "{inside}");
        }
        assert_eq!(both("2<img alt='7'/>5"), ("2<br/>7<br/>5".to_owned(), "2\n7\n5".to_owned()));
        assert_eq!(both("2<p>5</p>7"), ("2<p>5</p>7".to_owned(), "2\n5\n7".to_owned()));
    }

    #[test]
    fn words_go_on_around_inline_elements() {
        for inline in ["b", "i", "em", "strong", "a", "font", "u", "SPAN", "small", "abbr", "big"] {
            let (html, text) = both(&format!("4<{inline}>0</{inline}> mg"));
            assert!(!html.contains("br"), "{inline}: {html}");
            assert_eq!(text, "40 mg", "{inline}");
        }
    }

    #[test]
    fn an_attribute_stands_once_whatever_the_size_of_its_letters() {
        let (html, _) = both("<table><tr><td colspan='2' COLSPAN='3' rowspan='4'>x</td></tr></table>");
        assert_eq!(html, "<table><tr><td colspan=\"2\" rowspan=\"4\">x</td></tr></table>");
        let (html, _) = both("<ol start='5' START='9'><li>x</li></ol>");
        assert_eq!(html, "<ol style=\"counter-reset: list-item 4\"><li>x</li></ol>");
    }

    #[test]
    fn marks_of_quotations_stand_only_where_words_may() {
        assert_eq!(both("<ul><q><li>x</li></q></ul>").0, "<ul><li>x</li></ul>");
        assert_eq!(both("<q>x<br/></q>y<q><script/></q>").0, "«x<br/>»y«»");
    }

    #[test]
    fn what_is_struck_through_is_said_to_be_so() {
        for inside in [
            "<s>Positiv</s>",
            "<x:s>Positiv</x:s>",
            "<p style='Text-Decoration: Line-Through'>Positiv</p>",
            "<span style='text-decoration:line-through'>Positiv</span>",
            "<span style='text-decoration: red line-through'>Positiv</span>",
            "<span style='text-decoration-line: underline line-through'>Positiv</span>",
            "<span style='text-decoration: line-through!important'>Positiv</span>",
            "<span style='color: red; text-decoration:/* feil */line-through'>Positiv</span>",
            "<span style='text-decoration: none; -webkit-text-decoration-line: line-through'>Positiv</span>",
            "<del style='text-decoration: underline'>Positiv</del>",
            "<u style='text-decoration: line-through'>Positiv</u>",
            // Elements that lose their tags.
            "<a style='text-decoration: line-through'>Positiv</a>",
            "<font style='text-decoration: line-through'>Positiv</font>",
            "<section style='text-decoration-line: line-through'>Positiv</section>",
            "<x:Linje style='text-decoration: line-through'>Positiv</x:Linje>",
            "<td style='text-decoration: line-through'>Positiv</td>",
        ] {
            let (html, text) = both(inside);
            assert_eq!(text, "[strøket: Positiv]", "{inside}");
            let (tag, rest) =
                html.split_once(" style=\"text-decoration: line-through\">Positiv</").expect(inside);
            assert_eq!(rest.trim_end_matches('>'), tag.trim_start_matches('<'), "{inside}: {html}");
        }
        for inside in [
            "<span style='text-decoration: underline'>Positiv</span>",
            "<span style='text-decoration: line-through; text-decoration: none'>Positiv</span>",
            "<span style='/* text-decoration: line-through */'>Positiv</span>",
            "<span style='font-family: line-through'>Positiv</span>",
        ] {
            let (html, text) = both(inside);
            assert!(text == "Positiv" && !html.contains("line-through"), "{inside}: {html}");
        }
    }

    #[test]
    fn what_is_quoted_stands_in_marks() {
        for (inside, html, text) in [
            ("<q>ikke</q> tatt", "«ikke» tatt", "«ikke» tatt"),
            ("a <q cite='x'>b <q>c <q>d</q></q></q> <Q>e</Q>", "a «b ‘c «d»’» «e»", "a «b ‘c «d»’» «e»"),
            ("<p>a</p><q><p>b</p></q>", "<p>a</p>«<p>b</p>»", "a\n«\nb\n»"),
            ("<x:q>a</x:q>", "a", "a"),
            (
                "<s>a <q>b</q></s>",
                "<span style=\"text-decoration: line-through\">a «b»</span>",
                "[strøket: a «b»]",
            ),
        ] {
            assert_eq!(both(inside), (html.to_owned(), text.to_owned()), "{inside}");
        }
        let struck = "«<span style=\"text-decoration: line-through\">b</span>»";
        assert_eq!(both("<q style='text-decoration: line-through'>b</q>").0, struck);
    }

    #[test]
    fn a_raised_number_is_none_of_the_digits_beside_it() {
        for (inside, text) in [
            ("10<sup>9</sup>/L", "10^9/L"),
            ("10<sup>-3</sup>", "10^-3"),
            ("CO<sub>2</sub> 5", "CO2 5"),
            ("<sup>1</sup>5 mg", "1 5 mg"),
            ("5<sup>1</sup>/<sub>2</sub>", "5^1/2"),
            ("5<sup>x</sup>2", "5x2"),
        ] {
            assert_eq!(both(inside).1, text, "{inside}");
        }
    }

    #[test]
    fn a_list_keeps_where_it_begins_if_that_is_a_plain_number() {
        for (start, kept) in [("5", 5), (" 09\n", 9), ("0", 0), ("9999", 9999)] {
            let (html, _) = both(&format!("<ol start='{start}'><li>a</li></ol>"));
            let style =
                html.strip_prefix("<ol style=\"").and_then(|rest| rest.strip_suffix("\"><li>a</li></ol>"));
            assert_eq!(style, Some(&*format!("counter-reset: list-item {}", kept - 1)), "{start}");
            assert_eq!(style.and_then(counted_from), u16::try_from(kept).ok(), "{start}");
        }
        let aligned = both("<ol start='5' style='text-align: right'><li>a</li></ol>").0;
        let style = "style=\"counter-reset: list-item 4; text-align: right\"";
        assert_eq!(aligned, format!("<ol {style}><li>a</li></ol>"));
        assert_eq!(both("<ol style='counter-reset: list-item 4'><li>a</li></ol>").0, "<ol><li>a</li></ol>");
        for start in ["1", "", "-3", "+3", "10000", "5x", "1e3", "٣", "&quot;"] {
            let (html, _) = both(&format!("<ol start='{start}'><li>a</li></ol>"));
            assert_eq!(html, "<ol><li>a</li></ol>", "{start}");
        }
        assert_eq!(both("<ul start='5'><li>a</li></ul>").0, "<ul><li>a</li></ul>");
    }

    #[test]
    fn preformatted_text_keeps_its_lines_and_blanks() {
        let (html, text) = both("Svar: <pre>Na   140\n  K  4,1 <b>H</b>\n</pre> Vel  bekomme");
        assert_eq!(text, "Svar:\nNa   140\n  K  4,1 H\nVel bekomme");
        assert!(html.contains("<pre>Na   140\n  K  4,1 <b>H</b>\n</pre>"), "{html}");
    }

    #[test]
    fn no_line_break_stands_between_rows_or_at_an_edge() {
        let (html, text) =
            both("<Tabell><table><tfoot><tr><td>2</td><td>5</td></tr></tfoot></table></Tabell>");
        assert_eq!(html, "<table><tbody><tr><td>2</td><td>5</td></tr></tbody></table>");
        assert_eq!(text, "2\t5");
        assert_eq!(both("<ul><x>2</x><x>5</x></ul>").0, "<ul>2 5</ul>");
        assert_eq!(both("<dl>\n <dt>A</dt>\n <dd><p>2</p></dd>\n</dl>").0, "\n A\n <p>2</p>\n");
    }
}
