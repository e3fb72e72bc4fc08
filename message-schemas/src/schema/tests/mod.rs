//! Small schemas, one construct each.

mod constructs;
mod findings;
mod loading;

use super::{SchemaSet, SchemaVerdict};
use crate::Limits;

/// A schema for `urn:t` around these declarations.
fn schema(declarations: &str) -> String {
    format!(
        r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" xmlns="urn:t"
               elementFormDefault="qualified">{declarations}</xs:schema>"#
    )
}

fn load(declarations: &str) -> SchemaSet {
    let files = [("t.xsd".to_owned(), schema(declarations).into_bytes())];
    SchemaSet::load(files).unwrap_or_else(|error| panic!("{error}")).0
}

/// A document with the prefixes that the tests use.
fn document(text: &str) -> String {
    let namespaces = r#" xmlns="urn:t" xmlns:t="urn:t" xmlns:o="urn:o"
        xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema""#;
    let (start, rest) = text.split_at(text.find(['>', ' ', '/']).unwrap());
    format!("{start}{namespaces}{rest}")
}

fn verdict(set: &SchemaSet, text: &str) -> SchemaVerdict {
    set.validate(&document(text), &Limits::default()).unwrap_or_else(|fault| panic!("{fault} in {text}"))
}

/// The codes of the findings, in order.
fn codes(set: &SchemaSet, text: &str) -> Vec<&'static str> {
    let verdict = verdict(set, text);
    assert_eq!(verdict.valid, verdict.findings.is_empty());
    verdict.findings.iter().map(|f| f.code.as_str()).collect()
}

/// Each document against its codes; an empty list is a valid document.
fn expect(declarations: &str, cases: &[(&str, &[&str])]) {
    let set = load(declarations);
    for (text, expected) in cases {
        assert_eq!(codes(&set, text), *expected, "{text}");
    }
}
