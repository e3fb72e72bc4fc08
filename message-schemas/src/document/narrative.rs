//! The text of a document: XHTML that alone carries all clinical content, in Norwegian.
//!
//! Built as a string, everything escaped on the way in. FHIR allows the formatting elements of HTML 4 and no
//! active content; struck-through and underlined text is therefore a `span` with a style.

use super::fhir;
use super::plain::is_plain;
use crate::time::{Precision, Stamp, Written};
use crate::xml::escape_text;
use std::borrow::Cow;

/// Writes XHTML.
#[derive(Debug, Default)]
pub(super) struct Html {
    out: String,
}

impl Html {
    pub(super) fn new() -> Self {
        Self { out: String::with_capacity(1024) }
    }

    /// For so many bytes of markup, about.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Markup of our own.
    pub(super) fn raw(&mut self, markup: &str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// Text on one line or several; line breaks become `<br/>`.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        // Most is short and plain, and copied as it is.
        if is_plain(text.as_bytes(), |b| matches!(b, b'&' | b'<' | b'>' | b'\n' | b'\r')) {
            return self.raw(text);
        }
        for (n, line) in text.lines().enumerate() {
            if n > 0 {
                self.out.push_str("<br/>");
            }
            self.push(line.trim_end_matches('\r'));
        }
        self
    }

    /// Text inside markup, line breaks left to it.
    pub(super) fn text_as_is(&mut self, text: &str) -> &mut Self {
        self.push(text);
        self
    }

    /// Words of a sender that may be laid out with tabs or several blanks: those keep their places.
    pub(super) fn laid_out(&mut self, text: &str) -> &mut Self {
        let two_blanks = text.as_bytes().windows(2).fold(false, |any, pair| any | (pair == b"  "));
        if !two_blanks && is_plain(text.as_bytes(), |b| matches!(b, b'\t' | b'\n')) {
            return self.text(text);
        }
        let text = &*unindented(text);
        if text.contains('\t') || text.contains("   ") {
            self.raw("<span style=\"white-space: pre-wrap\">").text(text).raw("</span>")
        } else {
            self.text(text)
        }
    }

    /// The characters need no check: what was read as XML holds only those of XML.
    fn push(&mut self, text: &str) {
        self.out.push_str(&escape_text(text));
    }

    /// `<p>`, label and text.
    pub(super) fn line(&mut self, label: &str, text: &str) -> &mut Self {
        self.raw("<p><b>").text(label).raw(":</b> ").laid_out(text).raw("</p>")
    }

    /// A row of a table of two columns.
    pub(super) fn row(&mut self, label: &str, text: &str) -> &mut Self {
        self.raw("<tr><th>").text(label).raw("</th><td>").laid_out(text).raw("</td></tr>")
    }

    /// As the text of a section or resource.
    pub(super) fn finish(mut self, status: &'static str, language: &'static str) -> fhir::Narrative {
        // Texts wait for one another until the document is bound.
        self.out.shrink_to_fit();
        fhir::Narrative { status, div: fhir::Div { language, html: self.out } }
    }

    /// Takes back what was written since there were so many bytes of it.
    pub(super) fn cut(&mut self, len: usize) {
        if self.out.is_char_boundary(len) {
            self.out.truncate(len);
        }
    }

    /// Bytes of markup so far.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// The markup as it is.
    #[cfg(test)]
    pub(super) fn into_string(self) -> String {
        self.out
    }

    pub(super) fn append(&mut self, other: &Self) -> &mut Self {
        self.out.push_str(&other.out);
        self
    }
}

/// A text without the indentation that all its lines but the first share: that of the file it was written in, which
/// says nothing. The first line has lost its own with the blanks around the text.
fn unindented(text: &str) -> Cow<'_, str> {
    let Some((first, rest)) = text.split_once('\n') else { return Cow::Borrowed(text) };
    let blank = |line: &&str| !line.trim().is_empty();
    let indentation = |line: &'_ str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let mut lines = rest.lines().filter(blank);
    let Some(model) = lines.next() else { return Cow::Borrowed(text) };
    let mut shared = indentation(model);
    for line in lines {
        let same = model.bytes().zip(line.bytes()).take(shared).take_while(|(a, b)| a == b).count();
        shared = same.min(indentation(line));
    }
    if shared == 0 {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    out.push_str(first);
    for line in rest.split('\n') {
        out.push('\n');
        // A line of fewer blanks is blank.
        out.push_str(line.get(shared..).unwrap_or_default());
    }
    Cow::Owned(out)
}

/// A time as Norwegians write it (`13.09.2017 12:25`), in Norwegian local time, with the precision sent.
pub(super) fn norwegian(stamp: Stamp) -> Written {
    let Some(local) = stamp.oslo() else { return Written::new() };
    let year = |text: Written| text.number(local.year(), 4);
    let month = |text: Written| text.number(local.month(), 2).mark(b'.');
    let day = |text: Written| text.number(local.day(), 2).mark(b'.');
    let time = |text: Written| text.number(local.hour(), 2).mark(b':').number(local.minute(), 2);
    let text = Written::new();
    match stamp.precision() {
        Precision::Year => year(text),
        Precision::Month => year(month(text)),
        Precision::Day => year(month(day(text))),
        Precision::Full => time(year(month(day(text))).mark(b' ')),
        Precision::TimeOfDay => time(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_indentation_of_the_file_is_no_layout() {
        let shown = |text: &str| Html::new().laid_out(text).out.clone();
        assert_eq!(
            shown("Klam.\n\t\t\tIngen effekt.\n\n\t\t\tLegg."),
            "Klam.<br/>Ingen effekt.<br/><br/>Legg."
        );
        // What stands further in than the rest was laid out.
        let table = shown("Dato\n    Puls\t80\n      BT\t120");
        assert_eq!(table, "<span style=\"white-space: pre-wrap\">Dato<br/>Puls\t80<br/>  BT\t120</span>");
        assert_eq!(shown("a\n\tb\n c"), "<span style=\"white-space: pre-wrap\">a<br/>\tb<br/> c</span>");
        assert_eq!(shown("a\r\n   \u{e5}\r\n \r\n   b"), "a<br/>\u{e5}<br/><br/>b");
        assert_eq!(shown("en linje"), "en linje");
    }
}
