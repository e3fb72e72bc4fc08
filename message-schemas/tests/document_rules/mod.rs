//! The rules that every document must keep, whatever it was made of (document-sharing §10).

#![allow(dead_code, reason = "each test binary uses what it needs")]

use message_schemas::document::{self, Fault, Options, Publishable, SharedDocument, Withheld};
use message_schemas::{Limits, xml};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A message, read.
pub(crate) struct Read {
    pub(crate) text: String,
    pub(crate) tree: xml::Tree,
}

pub(crate) fn read(bytes: &[u8]) -> Read {
    let text = xml::decode(bytes).expect("text").text.into_owned();
    let tree = xml::Tree::parse(&text, &Limits::default()).expect("XML");
    Read { text, tree }
}

impl Read {
    pub(crate) fn translate(&self, options: &Options) -> Result<Vec<SharedDocument>, Fault> {
        document::translate(&self.text, &self.tree, options)
    }

    /// What the golden files of a sample hold: the documents as JSON, and what became of the source.
    pub(crate) fn goldens(&self) -> (String, String) {
        let documents = self.translate(&Options::default()).expect("a document");
        // Raw values keep the digits of decimals.
        let bundles: Vec<Box<RawValue>> =
            documents.iter().map(|d| serde_json::from_slice(&d.json).expect("JSON")).collect();
        let pretty = |raw: &RawValue| indent(raw.get());
        let mut json = match bundles.as_slice() {
            [one] => pretty(one),
            several => several.iter().map(|b| pretty(b)).collect::<Vec<_>>().join("\n"),
        };
        json.push('\n');
        let mut report = String::new();
        for d in &documents {
            writeln!(report, "{} {} {:?} test={}", d.id, d.title, d.publishable, d.test).expect("text");
            for note in &d.notes {
                writeln!(
                    report,
                    "note {}:{} {} {}",
                    note.place.line, note.place.column, note.path, note.kind
                )
                .expect("text");
            }
            for line in d.coverage.lines(&self.tree) {
                writeln!(report, "{:?} {} {}", line.outcome, line.path, line.reason).expect("text");
            }
        }
        (json, report)
    }
}

/// JSON with line breaks, every token as it was written.
fn indent(json: &str) -> String {
    let (mut out, mut depth, mut inside, mut escaped) = (String::new(), 0_usize, false, false);
    let mut previous = ' ';
    for c in json.chars() {
        if inside {
            out.push(c);
            (inside, escaped) = (escaped || c != '"', !escaped && c == '\\');
        } else {
            let empty = matches!((previous, c), ('{', '}') | ('[', ']'));
            if matches!(c, '}' | ']') {
                depth -= 1;
                if !empty {
                    out.push('\n');
                    out.push_str(&"  ".repeat(depth));
                }
            }
            out.push(c);
            inside = c == '"';
            match c {
                '{' | '[' => {
                    depth += 1;
                    out.push('\n');
                    out.push_str(&"  ".repeat(depth));
                }
                ',' => {
                    out.push('\n');
                    out.push_str(&"  ".repeat(depth));
                }
                ':' => out.push(' '),
                _ => {}
            }
        }
        previous = c;
    }
    out
}

/// What is wrong with a document by the invariants of FHIR and our own.
pub(crate) fn check(document: &SharedDocument) -> Vec<String> {
    let mut faults = Vec::new();
    let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
    let mut must = |held: bool, what: String| {
        if !held {
            faults.push(what);
        }
    };
    let entries = bundle["entry"].as_array().expect("entries");
    must(bundle["type"] == "document", "bdl: type".into());
    must(bundle["identifier"]["value"] == format!("urn:uuid:{}", document.id), "bdl-9: identifier".into());
    must(bundle["timestamp"].as_str().is_some_and(|t| t.len() >= 20), "bdl-10: timestamp".into());
    must(entries[0]["resource"]["resourceType"] == "Composition", "bdl-11: Composition first".into());

    let mut by_url: BTreeMap<&str, &Value> = BTreeMap::new();
    for entry in entries {
        let url = entry["fullUrl"].as_str().expect("fullUrl");
        must(by_url.insert(url, &entry["resource"]).is_none(), format!("bdl-7: {url} twice"));
        let id = entry["resource"]["id"].as_str().unwrap_or_default();
        must(url == format!("urn:uuid:{id}"), format!("fullUrl and id: {url} {id}"));
        must(entry.get("request").is_none() && entry.get("search").is_none(), "bdl: request, search".into());
    }
    let patients = entries.iter().filter(|e| e["resource"]["resourceType"] == "Patient").count();
    let about_a_person = !matches!(&document.publishable, Publishable::No(why)
        if why.contains(&Withheld::NotAPerson) || why.contains(&Withheld::NoPatient));
    must(patients == usize::from(about_a_person), format!("{patients} patients"));

    // Every reference resolves, and everything is reached from the Composition.
    let mut reached = BTreeSet::new();
    let mut work = vec![entries[0]["fullUrl"].as_str().expect("fullUrl")];
    while let Some(url) = work.pop() {
        if !reached.insert(url) {
            continue;
        }
        let Some(resource) = by_url.get(url) else {
            must(false, format!("{url} is not in the document"));
            continue;
        };
        references(resource, &mut work);
    }
    for url in by_url.keys() {
        must(reached.contains(url), format!("{url} is not reached: {}", by_url[url]["resourceType"]));
    }
    let traced: BTreeSet<String> =
        document.coverage.resources().map(|(id, _)| format!("urn:uuid:{id}")).collect();
    for url in by_url.keys() {
        must(traced.contains(*url), format!("{url} has no source"));
    }

    let sections = entries[0]["resource"]["section"].as_array().expect("sections");
    must(!sections.is_empty(), "no section".into());
    for section in sections {
        let div = section["text"]["div"].as_str().unwrap_or_default();
        must(
            xml::Tree::parse(div, &Limits::default()).is_ok(),
            format!("{} is not well-formed", section["title"]),
        );
        must(!div.ends_with("\"></div>"), format!("{} is empty", section["title"]));
        must(!div.contains("<tbody></tbody>"), format!("{} has an empty table", section["title"]));
        for bad in ["<script", "onclick=", "javascript:", "<iframe", "href="] {
            must(!div.contains(bad), format!("{} has {bad}", section["title"]));
        }
    }
    nothing_empty(&bundle, "", &mut faults);
    faults
}

fn references<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                match inner.as_str() {
                    Some(text) if name == "reference" || (name == "url" && text.starts_with("urn:uuid:")) => {
                        out.push(text);
                    }
                    _ => references(inner, out),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| references(inner, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// FHIR has no null, no empty list, no empty object, no empty text (ele-1).
fn nothing_empty(value: &Value, path: &str, faults: &mut Vec<String>) {
    let empty = match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => {
            list.iter().for_each(|v| nothing_empty(v, path, faults));
            list.is_empty()
        }
        Value::Object(map) => {
            map.iter().for_each(|(name, v)| nothing_empty(v, &format!("{path}.{name}"), faults));
            map.is_empty()
        }
        Value::Bool(_) | Value::Number(_) => false,
    };
    if empty {
        faults.push(format!("{path} is empty"));
    }
}

/// The text of a document, tags out, blanks closed up.
pub(crate) fn told(document: &SharedDocument) -> String {
    let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
    let mut text = String::new();
    for section in bundle["entry"][0]["resource"]["section"].as_array().expect("sections") {
        let tree = xml::Tree::parse(section["text"]["div"].as_str().expect("a div"), &Limits::default())
            .expect("well-formed");
        for node in tree.nodes() {
            text.push_str(node.own_text());
        }
    }
    squeezed(&text)
}

pub(crate) fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
