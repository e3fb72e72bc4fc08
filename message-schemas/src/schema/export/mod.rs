//! Writes a model out as schema files in our own layout: one file a namespace, sorted, one prefix a namespace.
//!
//! What is written is what the schemas say (names, order, cardinalities, simple types); annotations of the
//! files that the model was read from are left behind, and each file says in our words what it is and which
//! standard defines it. [`diff`](super::diff) proves that nothing else was lost.
//!
//! Not kept: which file a component stood in, and the `id` attributes of schema elements.

mod known;
mod writer;

pub use known::{KNOWN, Known, known};

use super::model::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use writer::Writer;

/// The name of the file that imports all others.
pub const DRIVER: &str = "all.xsd";

/// File names and contents, sorted by name; the last step before they are written to a folder.
#[must_use]
pub fn export(model: &Model) -> Vec<(String, String)> {
    let namespaces = Namings::of(model);
    let mut files: Vec<(String, String)> = namespaces
        .list
        .iter()
        .map(|(uri, naming)| (naming.file.clone(), file(model, uri, &namespaces)))
        .collect();
    files.push((DRIVER.to_owned(), driver(&namespaces)));
    files.sort();
    files
}

/// What our files call a namespace.
struct Naming {
    file: String,
    prefix: String,
}

/// What our files call each namespace of a model.
struct Namings {
    list: BTreeMap<Arc<str>, Naming>,
}

impl Namings {
    fn of(model: &Model) -> Self {
        let globals = (model.elements.keys())
            .chain(model.attributes.keys())
            .chain(model.types.keys())
            .chain(model.groups.keys())
            .chain(model.attribute_groups.keys());
        let uris: BTreeSet<Arc<str>> = globals.map(|name| name.namespace.clone()).collect();
        let mut files = BTreeSet::from([DRIVER.to_owned()]);
        let mut prefixes = BTreeSet::from(["xs".to_owned()]);
        let mut list = BTreeMap::new();
        for uri in uris {
            let (stem, prefix) = match known(&uri) {
                Some(known) => (known.file.to_owned(), known.prefix.to_owned()),
                None => (stem_of(&uri), "ns".to_owned()),
            };
            let free = |taken: &BTreeSet<String>, make: &dyn Fn(usize) -> String| {
                (1..).map(make).find(|name| !taken.contains(name)).unwrap_or_default()
            };
            let file = free(&files, &|n| match n {
                1 => format!("{stem}.xsd"),
                n => format!("{stem}-{n}.xsd"),
            });
            let prefix = free(&prefixes, &|n| match n {
                1 if prefix != "ns" => prefix.clone(),
                n => format!("{prefix}{n}"),
            });
            files.insert(file.clone());
            prefixes.insert(prefix.clone());
            list.insert(uri, Naming { file, prefix });
        }
        Self { list }
    }

    fn prefix(&self, namespace: &str) -> &str {
        match namespace {
            XSD => "xs",
            "http://www.w3.org/XML/1998/namespace" => "xml",
            _ => self.list.get(namespace).map_or("", |n| n.prefix.as_str()),
        }
    }
}

/// A file name from the last parts of a namespace.
fn stem_of(uri: &str) -> String {
    let word = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c.to_ascii_lowercase() } else { '-' }
    };
    let parts: Vec<&str> = uri.split(['/', ':', '#']).filter(|p| !p.is_empty()).collect();
    let last = parts.len().saturating_sub(2);
    let stem: String = parts.get(last..).unwrap_or_default().join("-").chars().map(word).collect();
    if stem.is_empty() { "no-namespace".to_owned() } else { stem }
}

fn driver(namespaces: &Namings) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">\n  \
         <xs:annotation>\n    <xs:documentation xml:lang=\"en\">Imports every schema of this folder, so that a validator which takes one file \
         finds envelope and payload by their namespaces.</xs:documentation>\n  </xs:annotation>\n",
    );
    let mut imports: Vec<(&str, &str)> =
        namespaces.list.iter().map(|(uri, n)| (n.file.as_str(), &**uri)).collect();
    imports.sort_unstable();
    for (file, uri) in imports {
        out.push_str(&import(uri, file));
    }
    out.push_str("</xs:schema>\n");
    out
}

fn import(uri: &str, file: &str) -> String {
    let namespace = match uri {
        "" => String::new(),
        uri => format!("namespace=\"{}\" ", crate::xml::escape_attribute(uri)),
    };
    format!("  <xs:import {namespace}schemaLocation=\"{file}\"/>\n")
}

fn file(model: &Model, target: &Arc<str>, namespaces: &Namings) -> String {
    let here = |name: &QName| name.namespace == *target;
    let mut writer = Writer::new(model, target, namespaces);
    for element in model.elements.values().filter(|e| here(&e.name)) {
        writer.global_element(element);
    }
    let globals = || model.types.iter().filter(|(name, _)| here(name));
    for (name, type_) in globals() {
        if let Type::Complex(type_) = type_ {
            writer.note(known::type_note(&name.namespace, &name.local));
            writer.complex_type(type_);
        }
    }
    for (name, type_) in globals() {
        if let Type::Simple(type_) = type_ {
            writer.note(known::type_note(&name.namespace, &name.local));
            writer.simple_type(type_);
        }
    }
    for group in model.groups.values().filter(|g| here(&g.name)) {
        writer.named_group(group);
    }
    for group in model.attribute_groups.values().filter(|g| here(&g.name)) {
        writer.attribute_group(group);
    }
    for attribute in model.attributes.values().filter(|a| here(&a.name)) {
        writer.global_attribute(attribute);
    }
    writer.finish(known(target).map(|k| k.title))
}
