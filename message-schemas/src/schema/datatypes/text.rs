//! White space, names, language tags and URI references.

use crate::xml::{is_name_char, is_name_start, is_nc_name};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What is done to white space before a value is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhiteSpace {
    /// Nothing.
    Preserve,
    /// Tabulators and line ends become blanks.
    Replace,
    /// Then runs of blanks become one, and those at either end go.
    Collapse,
}

pub(super) const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r')
}

/// Trims what XML calls white space, and nothing else: a no-break space is content.
pub(super) fn trim(raw: &str) -> &str {
    raw.trim_matches([' ', '\t', '\n', '\r'])
}

impl WhiteSpace {
    /// The value as the facets see it; copies only where something changes.
    pub(super) fn normalise(self, raw: &str) -> Cow<'_, str> {
        match self {
            Self::Preserve => Cow::Borrowed(raw),
            Self::Replace => {
                if raw.bytes().any(|b| matches!(b, b'\t' | b'\n' | b'\r')) {
                    Cow::Owned(raw.replace(['\t', '\n', '\r'], " "))
                } else {
                    Cow::Borrowed(raw)
                }
            }
            Self::Collapse => collapse(raw),
        }
    }
}

fn collapse(raw: &str) -> Cow<'_, str> {
    let text = trim(raw);
    let mut after_space = false;
    let settled = text.bytes().all(|b| {
        let fine = !is_space(b) || (b == b' ' && !after_space);
        after_space = is_space(b);
        fine
    });
    if settled {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for word in words(text) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    Cow::Owned(out)
}

/// The items of a list.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t', '\n', '\r']).filter(|w| !w.is_empty())
}

pub(super) fn is_ncname(text: &str) -> bool {
    is_nc_name(text)
}

pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c == ':' || is_name_start(c)) && chars.all(|c| c == ':' || is_name_char(c))
}

pub(super) fn is_nmtoken(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c == ':' || is_name_char(c))
}

/// Prefix (empty for none) and local part, if this is a QName.
pub(super) fn qname(text: &str) -> Option<(&str, &str)> {
    let (prefix, local) = match text.split_once(':') {
        Some((prefix, local)) => (prefix, local),
        None => ("", text),
    };
    let prefixed = prefix.len() + local.len() != text.len();
    (is_nc_name(local) && (!prefixed || is_nc_name(prefix))).then_some((prefix, local))
}

//= XML Schema Part 2 (second edition) §3.3.3
//# The lexical space of language is the set of all strings that are valid language identifiers.
pub(super) fn is_language(text: &str) -> bool {
    let mut first = true;
    text.split('-').all(|part| {
        let fine = (1..=8).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphabetic() || (!first && b.is_ascii_digit()));
        first = false;
        fine
    })
}

//= XML Schema Part 2 (second edition) §3.2.17.1
//# The lexical space of anyURI is finite-length character sequences which, when the algorithm defined in
//# Section 5.4 of XML Linking Language is applied to them, result in strings which are legal URIs.
/// Characters that a URI may not hold are escaped by that algorithm and so are fine here; what remains is
/// the shape: a scheme, at most one `#`, whole escapes, brackets only around an address.
pub(super) fn is_uri(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let bytes = text.as_bytes();
    let mut escapes = bytes.iter().enumerate().filter(|(_, b)| **b == b'%');
    if !escapes
        .all(|(at, _)| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)))
    {
        return false;
    }
    let (reference, fragment) = text.split_once('#').unwrap_or((text, ""));
    if fragment.contains(['#', '[', ']']) {
        return false;
    }
    let (hierarchy, _query) = reference.split_once('?').unwrap_or((reference, ""));
    let rest = match hierarchy.split_once(':') {
        // A colon behind a slash is content of the path; before it, it ends the scheme.
        Some((scheme, rest)) if !scheme.contains('/') => {
            let mut chars = scheme.bytes();
            let lawful = chars.next().is_some_and(|b| b.is_ascii_alphabetic())
                && chars.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
            // A scheme alone names nothing.
            if !lawful || (rest.is_empty() && reference.len() == hierarchy.len()) {
                return false;
            }
            rest
        }
        Some(_) | None => hierarchy,
    };
    match rest.strip_prefix("//") {
        Some(after) => {
            let (authority, path) = after.split_once('/').unwrap_or((after, ""));
            brackets_hold_an_address(authority) && !path.contains(['[', ']'])
        }
        None => !rest.contains(['[', ']']),
    }
}

fn brackets_hold_an_address(authority: &str) -> bool {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(open) => open.split_once(']').is_some_and(|(address, port)| {
            address.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
                && (port.is_empty() || port.starts_with(':'))
        }),
        None => !authority.contains(['[', ']']),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_what_xml_says_it_is() {
        assert_eq!(WhiteSpace::Collapse.normalise(" \t a \r\n b  "), "a b");
        assert!(matches!(WhiteSpace::Collapse.normalise(" a b "), Cow::Borrowed("a b")));
        assert_eq!(WhiteSpace::Replace.normalise("\ta\n"), " a ");
        assert_eq!(WhiteSpace::Preserve.normalise("\ta\n"), "\ta\n");
        assert_eq!(WhiteSpace::Collapse.normalise("\u{a0}a"), "\u{a0}a");
        assert_eq!(WhiteSpace::Collapse.normalise(" \n "), "");
    }

    #[test]
    fn names() {
        assert!(is_ncname("Øl-1.2") && !is_ncname("1a") && !is_ncname("a:b") && !is_ncname(""));
        assert!(is_name(":a") && is_name("a:b:c") && !is_name("-a"));
        assert!(is_nmtoken("-1:a") && !is_nmtoken("a b") && !is_nmtoken(""));
        assert_eq!(qname("a:b"), Some(("a", "b")));
        assert_eq!(qname("b"), Some(("", "b")));
        assert!(qname(":b").is_none() && qname("a:").is_none() && qname("a:b:c").is_none());
    }

    #[test]
    fn languages() {
        assert!(["no", "nb-NO", "x-klingon", "en-1997"].into_iter().all(is_language));
        assert!(!["", "n1", "no-", "-no", "toolonglanguage", "nb_NO"].into_iter().any(is_language));
    }

    #[test]
    fn uri_references() {
        let good = [
            "",
            "a",
            "http://a/b?c=d#e",
            "urn:oid:1.2",
            "cid:a@b",
            "../a b/æ",
            "http://[::1]:80/",
            "#a",
            "a%20b",
            "//a/b:c",
            "http://www.kith.no/xmlstds|x",
            "mailto:a@b.no",
            "?q",
        ];
        let bad = ["a%2", "a%zz", ":a", "1a:b", "a#b#c", "http://[x]/", "http://a]b/", "æ:b", "urn:"];
        assert!(good.into_iter().all(|u| is_uri(u) || panic!("{u}")));
        assert!(bad.into_iter().all(|u| !is_uri(u) || panic!("{u}")));
    }
}
