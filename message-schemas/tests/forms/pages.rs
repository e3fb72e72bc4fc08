//! The page that people read: whole, safe, and readable by machines that read aloud.

use crate::everything;
use message_schemas::document::view::{self, View};
use message_schemas::{Limits, xml};
use serde_json::Value;

/// The HTML as XML, so that it can be looked into: elements without end get one.
fn tree(html: &str) -> xml::Tree {
    let mut text = html.strip_prefix("<!DOCTYPE html>\n").unwrap().to_owned();
    for empty in ["meta", "br", "hr", "img"] {
        let mut closed = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find(&format!("<{empty}")) {
            let behind = rest.as_bytes().get(at + 1 + empty.len()).copied();
            let end = at + rest[at..].find('>').unwrap();
            closed.push_str(&rest[..end]);
            closed.push_str(if matches!(behind, Some(b' ' | b'>')) { "/>" } else { ">" });
            rest = &rest[end + 1..];
        }
        closed.push_str(rest);
        text = closed;
    }
    let limits = Limits { message_bytes: usize::MAX, elements: usize::MAX, ..Limits::default() };
    let limits = Limits { text_bytes: usize::MAX, attribute_bytes: usize::MAX, ..limits };
    xml::Tree::parse(&text, &limits).unwrap_or_else(|e| panic!("{e}"))
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn words(tree: &xml::Tree) -> String {
    let mut text = String::new();
    for node in tree.nodes().filter(|n| !n.is_element()) {
        text.push_str(node.own_text());
    }
    squeezed(&text)
}

#[test]
fn the_page_has_all_that_the_narrative_says() {
    let mut checked = 0;
    for (name, document) in everything().iter().flat_map(crate::Sample::documents) {
        let page = String::from_utf8(view::html(&View::read(&document.json).unwrap())).unwrap();
        let page = words(&tree(&page));
        let bundle: Value = serde_json::from_slice(&document.json).unwrap();
        for section in bundle["entry"][0]["resource"]["section"].as_array().unwrap() {
            let div = section["text"]["div"].as_str().unwrap();
            let limits = Limits { text_bytes: usize::MAX, attribute_bytes: usize::MAX, ..Limits::default() };
            let told = words(&xml::Tree::parse(div, &limits).unwrap());
            assert!(page.contains(&told), "{name}: {} is not whole", section["title"]);
            assert!(
                page.contains(&squeezed(section["title"].as_str().unwrap())),
                "{name}: {}",
                section["title"]
            );
            checked += 1;
        }
    }
    assert!(checked > 50);
}

#[test]
fn the_page_runs_nothing_and_asks_for_nothing() {
    for (name, document) in everything().iter().flat_map(crate::Sample::documents) {
        let page = String::from_utf8(view::html(&View::read(&document.json).unwrap())).unwrap();
        let tree = tree(&page);
        for node in tree.nodes().filter(|n| n.is_element()) {
            assert!(
                !["script", "iframe", "object", "embed", "link", "form", "a", "base"].contains(&node.name()),
                "{name}: {}",
                node.name()
            );
            for (_, attribute, value) in node.attributes() {
                assert!(!attribute.starts_with("on") && attribute != "href", "{name}: {attribute}");
                assert!(attribute != "src" || value.starts_with("data:image/"), "{name}: {value:.40}");
            }
            if node.name() == "th" {
                assert!(matches!(node.attr("scope"), Some("row" | "col")), "{name}: a header of nothing");
            }
        }
        assert!(!page.contains("url(") && !page.contains("@import"), "{name}");
        let language = tree.root().unwrap().attr("lang").unwrap();
        assert!(language.starts_with("nb") || language.starts_with("nn"), "{name}: {language}");
        // Headings go down one step at a time, beginning with the one title.
        let levels: Vec<u8> = tree
            .nodes()
            .filter(|n| n.name().len() == 2 && n.name().starts_with('h') && n.name() != "hr")
            .map(|n| n.name().as_bytes()[1] - b'0')
            .collect();
        assert_eq!((levels[0], levels.iter().filter(|l| **l == 1).count()), (1, 1), "{name}");
    }
}

#[test]
fn markup_in_the_words_of_a_sender_stays_words() {
    let json = br#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Composition","status":"final",
        "title":"<script>alert(1)</script>","language":"nb-NO","section":[{"title":"\"><img src=x onerror=y>",
        "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>&lt;b&gt;1 &amp; 2&lt;/b&gt;</p></div>"}}]}}]}"#;
    let page = String::from_utf8(view::html(&View::read(json).unwrap())).unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("<script"));
    assert!(page.contains("\"&gt;&lt;img src=x onerror=y&gt;") && !page.contains("<img"));
    assert!(page.contains("&lt;b&gt;1 &amp; 2&lt;/b&gt;"));
}
