//! Keys, unique constraints and key references, and their small XPath.

use super::Reader;
use crate::schema::error::Problem;
use crate::schema::model::*;
use crate::schema::source::Node;

impl Reader<'_> {
    pub(super) fn identity(&mut self, node: &Node) -> Option<Identity> {
        self.known_attributes(node);
        let name = self.own_name(node)?;
        let kind = match node.local.as_str() {
            "key" => IdentityKind::Key,
            "unique" => IdentityKind::Unique,
            _ => IdentityKind::KeyRef(self.named(node, "refer")?),
        };
        let mut selector = Vec::new();
        let mut fields = Vec::new();
        for child in &node.children {
            match child.local.as_str() {
                "annotation" => {}
                "selector" => selector = self.paths(child, false),
                "field" => fields.push(self.paths(child, true)),
                _ => self.unsupported(child),
            }
        }
        if selector.is_empty() || fields.is_empty() {
            self.fault(node, Problem::Path);
            return None;
        }
        Some(Identity { name, kind, selector, fields, origin: self.origin(node) })
    }

    fn paths(&mut self, node: &Node, field: bool) -> Vec<Path> {
        self.known_attributes(node);
        let xpath = node.attribute("xpath").unwrap_or_default();
        let paths: Option<Vec<Path>> = xpath.split('|').map(|one| path(node, one, field)).collect();
        paths.unwrap_or_else(|| {
            self.fault(node, Problem::Path);
            Vec::new()
        })
    }
}

//= XML Schema Part 1 (second edition) §3.11.6
//# Selector ::= Path ( '|' Path )*; Path ::= ('.//')? Step ( '/' Step )*; Step ::= '.' | NameTest
/// One alternative of a selector or field.
fn path(node: &Node, text: &str, field: bool) -> Option<Path> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let (deep, rest) = match text.strip_prefix(".//") {
        Some(rest) => (true, rest),
        None => (false, text.as_str()),
    };
    let mut out = Path { deep, steps: Vec::new(), attribute: None };
    for step in rest.split('/') {
        if out.attribute.is_some() {
            return None;
        }
        let attribute = step.strip_prefix('@').or_else(|| step.strip_prefix("attribute::"));
        match attribute {
            Some(name) if field => out.attribute = Some(name_test(node, name)?),
            Some(_) => return None,
            None if step == "." => {}
            None => out.steps.push(name_test(node, step.strip_prefix("child::").unwrap_or(step))?),
        }
    }
    Some(out)
}

fn name_test(node: &Node, text: &str) -> Option<NameTest> {
    // A name without prefix is in no namespace, as XPath has it.
    match text.split_once(':') {
        None if text == "*" => Some(NameTest::Any),
        None if text.is_empty() || text.contains(['@', '[', '(', '*']) => None,
        None => Some(NameTest::Name(QName::new("", text))),
        Some((prefix, "*")) => Some(NameTest::In(node.prefix(prefix)?)),
        Some((prefix, local)) if !local.is_empty() => {
            Some(NameTest::Name(QName::new(node.prefix(prefix)?, local)))
        }
        Some(_) => None,
    }
}
