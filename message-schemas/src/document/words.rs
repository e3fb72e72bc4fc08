//! Pieces of a message in words: rows, codes, times, as a person reads them.

use super::codes;
use super::narrative::{Html, norwegian};
use super::parties::Party;
use super::units;
use super::values::{Amount, Code, When, Words};

pub(super) fn row_words(html: &mut Html, label: &str, words: Option<&Words<'_>>) {
    if let Some(words) = words {
        html.row(label, &words.value);
    }
}

pub(super) fn row_code(html: &mut Html, label: &str, code: Option<&Code<'_>>) {
    let mut words = String::new();
    if let Some(code) = code {
        code_text(code, &mut words);
    }
    if !words.is_empty() {
        html.row(label, &words);
    }
}

pub(super) fn line_code(html: &mut Html, label: &str, code: &Code<'_>) {
    let mut words = String::new();
    code_text(code, &mut words);
    if !words.is_empty() {
        html.line(label, &words);
    }
}

pub(super) fn row_when(html: &mut Html, label: &str, when: Option<&When<'_>>) {
    if let Some(when) = when {
        html.row(label, &when_words(when));
    }
}

pub(super) fn row_party(html: &mut Html, label: &str, party: &Party<'_>) {
    let mut text = String::new();
    party.describe(&mut text);
    if !text.is_empty() {
        html.row(label, &text);
    }
}

pub(super) fn date_words(stamp: crate::time::Stamp) -> String {
    norwegian(stamp).as_str().to_owned()
}

/// A time as it is read, or as it was sent where it is none.
pub(super) fn when_words(when: &When<'_>) -> String {
    when.stamp.map_or_else(|| when.sent.to_string(), date_words)
}

/// A code as a person reads it: words, and the code where there are words beside it. Where a sender has words of their own,
/// the list's stand behind them: what a machine reads is the code. A code alone has the text of its list.
pub(super) fn code_text(code: &Code<'_>, out: &mut String) {
    let Some(words) = codes::spoken(code) else { return };
    out.push_str(words);
    let listed = code.display.filter(|display| *display != words);
    let value = code.code().filter(|value| *value != words);
    let beside: Vec<&str> = listed.into_iter().chain(value).collect();
    if !beside.is_empty() {
        out.push_str(" (");
        out.push_str(&beside.join(", "));
        out.push(')');
    }
}

/// What a code says of somebody, without the code: the sender's own words, and the list's behind them where they differ.
pub(super) fn said_text(code: &Code<'_>, out: &mut String) {
    let Some(words) = code.words() else { return };
    out.push_str(words);
    if let Some(listed) = code.display.filter(|display| *display != words) {
        out.push_str(" (");
        out.push_str(listed);
        out.push(')');
    }
}

/// Value and unit as sent.
pub(super) fn amount_text(amount: &Amount<'_>) -> String {
    let mut text = amount.value.unwrap_or_default().to_owned();
    if let Some(unit) = amount.unit.and_then(units::shown) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(unit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    #[test]
    fn a_code_is_told_with_all_its_words_and_none_twice() {
        for (attributes, told) in [
            ("V='N02BE01' DN='Paracetamol'", "Paracetamol (N02BE01)"),
            ("V='N02BE01' DN='Paracetamol' OT='Paracet 500 mg'", "Paracet 500 mg (Paracetamol, N02BE01)"),
            ("V='A' DN='A'", "A"),
            ("DN='Venstre' OT='Venstre'", "Venstre"),
            ("DN='Venstre' OT='v.'", "v. (Venstre)"),
            ("V='1'", "1"),
            ("V='13' S='2.16.578.1.12.4.1.1.9121'", "Pasienten er død (13)"),
            ("V='99' S='2.16.578.1.12.4.1.1.9121'", "99"),
            ("", ""),
        ] {
            let tree = Tree::parse(&format!("<a {attributes}/>"), &Limits::default()).unwrap();
            let mut out = String::new();
            code_text(&Code::read(tree.root().unwrap()), &mut out);
            assert_eq!(out, told, "{attributes}");
        }
    }

    #[test]
    fn what_a_code_says_of_somebody_is_told_with_all_words_and_without_the_code() {
        for (attributes, told) in [
            ("V='6' DN='Fastlege'", "Fastlege"),
            ("V='6' DN='Fastlege' OT='Vikar for fastlege'", "Vikar for fastlege (Fastlege)"),
            ("V='6'", "6"),
            ("", ""),
        ] {
            let tree = Tree::parse(&format!("<a {attributes}/>"), &Limits::default()).unwrap();
            let mut out = String::new();
            said_text(&Code::read(tree.root().unwrap()), &mut out);
            assert_eq!(out, told, "{attributes}");
        }
    }
}
