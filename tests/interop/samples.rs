//! The official samples, as text to be signed.

use message_schemas::{Limits, xml};
use std::path::Path;

/// A document to be signed.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) text: String,
}

struct Nobody;

impl xml::Handler for Nobody {
    fn start(&mut self, _: &xml::Element<'_>) {}
    fn text(&mut self, _: &str, _: xml::Offset) {}
    fn end(&mut self, _: xml::Offset) {}
}

/// All samples that are XML and have no signature yet, and how many were left out for either reason.
pub(crate) fn all(shared: &Path) -> (Vec<Sample>, usize) {
    let kith = shared.join("kith");
    let manifest = std::fs::read_to_string(kith.join("manifest.tsv")).unwrap();
    let mut left_out = 0;
    let mut samples = Vec::new();
    for row in manifest.lines().skip(1) {
        let name = row.split('\t').next().unwrap();
        let bytes = std::fs::read(kith.join("examples").join(name)).unwrap();
        let text = xml::decode(&bytes).ok().map(|d| d.text.into_owned());
        match text {
            Some(text)
                if xml::read(&text, &Limits::default(), &mut Nobody).is_ok()
                    && !text.contains("xmldsig#")
                    && !text.contains("<!DOCTYPE") =>
            {
                samples.push(Sample { name: name.to_owned(), text });
            }
            _ => left_out += 1,
        }
    }
    (samples, left_out)
}

/// The bytes of a text in the encoding that it declares: ISO-8859-1, UTF-16 or UTF-8.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    let declaration = text.strip_prefix("<?xml").and_then(|t| t.split_once("?>")).map_or("", |(d, _)| d);
    let declaration = declaration.to_ascii_lowercase();
    if declaration.contains("iso-8859-1") {
        text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
    } else if declaration.contains("utf-16") {
        std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    } else {
        text.as_bytes().to_vec()
    }
}
