//! FHIR XML read back is the JSON it was made from.

use crate::everything;
use message_schemas::document;
use message_schemas::{Limits, xml};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// JSON with primitives as they are written: `6.0` is not `6`.
#[derive(Debug, Clone, PartialEq)]
enum Plain {
    Object(BTreeMap<String, Self>),
    List(Vec<Self>),
    Word(String),
}

fn plain(raw: &RawValue) -> Plain {
    let text = raw.get();
    match text.as_bytes()[0] {
        b'{' => {
            let object: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap();
            Plain::Object(object.into_iter().map(|(name, value)| (name, plain(&value))).collect())
        }
        b'[' => {
            let list: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap();
            Plain::List(list.iter().map(|value| plain(value)).collect())
        }
        b'"' => Plain::Word(serde_json::from_str(text).unwrap()),
        _ => Plain::Word(text.to_owned()),
    }
}

/// Which properties are lists: XML does not say. Told from all documents together, by the property around them.
#[derive(Default)]
struct Lists {
    lists: BTreeSet<(String, String)>,
    single: BTreeSet<(String, String)>,
}

impl Lists {
    fn learn(&mut self, within: &str, value: &Plain) {
        let Plain::Object(object) = value else { return };
        let within = match object.get("resourceType") {
            Some(Plain::Word(kind)) => kind,
            _ => within.trim_start_matches('_'),
        };
        for (name, value) in object {
            let key = (within.to_owned(), name.clone());
            match value {
                Plain::List(list) => {
                    self.lists.insert(key);
                    list.iter().for_each(|one| self.learn(name, one));
                }
                Plain::Object(_) | Plain::Word(_) => {
                    self.single.insert(key);
                    self.learn(name, value);
                }
            }
        }
    }
}

/// A resource's or element's properties, read from its XML element.
fn read_back(node: xml::Node<'_>, source: &str, lists: &Lists, resource: bool) -> Plain {
    let mut object = BTreeMap::new();
    let within = if resource { node.name() } else { node.name().trim_start_matches('_') };
    if resource {
        object.insert("resourceType".to_owned(), Plain::Word(node.name().to_owned()));
    }
    for (_, name, value) in node.attributes().filter(|(_, name, _)| *name != "value") {
        object.insert(name.to_owned(), Plain::Word(value.to_owned()));
    }
    for child in node.elements() {
        let name = child.name();
        let inside = child.elements().next().filter(|inner| inner.name().starts_with(char::is_uppercase));
        let mut beside = None;
        let value = if name == "div" {
            assert_eq!(child.namespace(), "http://www.w3.org/1999/xhtml", "a narrative is XHTML");
            let range = child.source();
            Some(Plain::Word(source[range].to_owned()))
        } else if let Some(inside) = inside {
            assert_eq!(inside.namespace(), "http://hl7.org/fhir");
            Some(read_back(inside, source, lists, true))
        } else if let Some(value) = child.attr("value") {
            let more = read_back(child, source, lists, false);
            beside = Some(more).filter(|more| *more != Plain::Object(BTreeMap::new()));
            Some(Plain::Word(value.to_owned()))
        } else {
            Some(read_back(child, source, lists, false))
        };
        let is_list = lists.lists.contains(&(within.to_owned(), name.to_owned()));
        for (name, value) in [(name.to_owned(), value), (format!("_{name}"), beside)] {
            let Some(value) = value else { continue };
            // A primitive without value is only what stands beside it.
            let alone = lists.single.contains(&(within.to_owned(), format!("_{name}")))
                && !lists.single.contains(&(within.to_owned(), name.clone()))
                || (matches!(&value, Plain::Object(o) if o.keys().all(|k| k == "extension"))
                    && lists.single.contains(&(within.to_owned(), format!("_{name}"))));
            let name = if alone { format!("_{name}") } else { name };
            if is_list {
                let list = object.entry(name).or_insert_with(|| Plain::List(Vec::new()));
                let Plain::List(list) = list else { panic!("{within}: list and single") };
                list.push(value);
            } else {
                assert!(object.insert(name.clone(), value).is_none(), "{within}.{name} twice");
            }
        }
    }
    Plain::Object(object)
}

#[test]
fn the_xml_of_every_document_says_what_its_json_says() {
    let mut documents = Vec::new();
    let mut lists = Lists::default();
    for (name, document) in everything().iter().flat_map(crate::Sample::documents) {
        let json = plain(serde_json::from_slice(&document.json).unwrap());
        lists.learn("", &json);
        documents.push((name, document.json, json));
    }
    assert!(documents.len() >= 11);
    let both: Vec<_> = lists.lists.intersection(&lists.single).collect();
    assert!(both.is_empty(), "a list here, and none there: {both:?}");
    for (name, bytes, json) in documents {
        let xml = document::fhir_xml(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(xml == document::fhir_xml(&bytes).unwrap(), "{name}: other bytes for the same document");
        let text = String::from_utf8(xml).unwrap();
        let limits = Limits { text_bytes: usize::MAX, attribute_bytes: usize::MAX, ..Limits::default() };
        let limits = Limits { message_bytes: usize::MAX, elements: usize::MAX, ..limits };
        let tree = xml::Tree::parse(&text, &limits).unwrap_or_else(|e| panic!("{name}: {e}"));
        let root = tree.root().unwrap();
        assert_eq!((root.name(), root.namespace()), ("Bundle", "http://hl7.org/fhir"));
        let back = read_back(root, &text, &lists, true);
        if back != json {
            panic!("{name}: {}", difference(&json, &back, ""));
        }
    }
}

/// The first place where two differ.
fn difference(one: &Plain, other: &Plain, path: &str) -> String {
    match (one, other) {
        (Plain::Object(a), Plain::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                match (a.get(name), b.get(name)) {
                    (Some(x), Some(y)) if x == y => {}
                    (Some(x), Some(y)) => return difference(x, y, &format!("{path}.{name}")),
                    (x, y) => {
                        return format!("{path}.{name}: in JSON {}, in XML {}", x.is_some(), y.is_some());
                    }
                }
            }
            String::new()
        }
        (Plain::List(a), Plain::List(b)) if a.len() == b.len() => {
            let at = a.iter().zip(b).position(|(x, y)| x != y).unwrap();
            difference(&a[at], &b[at], &format!("{path}[{at}]"))
        }
        _ => format!("{path}: {one:?} is not {other:?}"),
    }
}
