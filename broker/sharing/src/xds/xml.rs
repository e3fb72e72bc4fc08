//! A small XML writer: what it opens it closes, and every text is escaped.

use message_schemas::xml::{escape_attribute, escape_text};

/// XML being written.
#[derive(Default)]
pub(super) struct Xml(String);

impl Xml {
    /// An element with attributes and what `inner` writes into it.
    pub(super) fn element(&mut self, name: &str, attributes: &[(&str, &str)], inner: impl FnOnce(&mut Self)) {
        self.0.push('<');
        self.0.push_str(name);
        for (attribute, value) in attributes {
            self.0.push_str(&format!(" {attribute}=\"{}\"", escape_attribute(&lawful(value))));
        }
        let start = self.0.len();
        self.0.push('>');
        inner(self);
        if self.0.len() == start + 1 {
            self.0.truncate(start);
            self.0.push_str("/>");
        } else {
            self.0.push_str(&format!("</{name}>"));
        }
    }

    /// An element with text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.element(name, &[], |xml| xml.0.push_str(&escape_text(&lawful(text))));
    }

    /// What is XML already.
    pub(super) fn raw(&mut self, xml: &str) {
        self.0.push_str(xml);
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Without characters that XML cannot hold, not even as references.
fn lawful(text: &str) -> String {
    let lawful = |c: &char| matches!(*c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(lawful).collect()
}
