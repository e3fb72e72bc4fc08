//! Faults planted in valid messages, from a seed.

use message_schemas::xml::{Node, Tree};
use message_schemas::{Limits, xml};

/// A small generator of numbers (splitmix64): the same seed gives the same messages everywhere.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }
}

/// What was done to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Drop,
    Repeat,
    Reorder,
    Rename,
    UnknownAttribute,
    DropAttribute,
    BadValue,
    BadDate,
    BadCode,
    BadNumber,
    StrayText,
    Empty,
    Pad,
    Nil,
    SubstituteType,
}

pub(crate) const FAULTS: &[Fault] = &[
    Fault::Drop,
    Fault::Repeat,
    Fault::Reorder,
    Fault::Rename,
    Fault::UnknownAttribute,
    Fault::DropAttribute,
    Fault::BadValue,
    Fault::BadDate,
    Fault::BadCode,
    Fault::BadNumber,
    Fault::StrayText,
    Fault::Empty,
    Fault::Pad,
    Fault::Nil,
    Fault::SubstituteType,
];

const DATES: &[&str] = &[
    "2012-02-30",
    "2012-02-15",
    "2012-02-15T10:30:00",
    "2012-02-15T24:00:00",
    "2012-02-15T24:00:01",
    "20120215",
    "2012-02-15T10:30",
    "2012-02-15T10:30:00Z",
    "2012-02-15T10:30:00+01:00",
    "2012-02-15T10:30:00+15:00",
    "2012",
    "2012-02",
    "15.02.2012",
    "0000-01-01",
    "-0001-01-01",
    "12012-01-01",
    "2012-02-15Z",
    "2012-02-15+02:00",
    "",
    "2012-2-5",
    "2012-02-15T10:30:60",
    "2012-02-15T10:30:00.",
    "2012-02-15T10:30:00.123456789012345678901",
    "2011-02-29",
    "2000-02-29",
    "1900-02-29T00:00:00",
    "10:30:00",
    "2012-02-15T10:30:00+14:00",
    "2012-02-15T10:30:00-14:01",
    "2012-02-15T25:00:00",
];
const NUMBERS: &[&str] = &[
    "",
    "1",
    "-1",
    "+1",
    "0",
    "-0",
    "007",
    "1.5",
    "1,5",
    ".5",
    "5.",
    ".",
    "1e5",
    "1E-2",
    "INF",
    "-INF",
    "+INF",
    "NaN",
    "123456789012345678901234567890",
    "-99999999999999999999999",
    "2147483648",
    "9223372036854775808",
    "0x1F",
    "1 000",
    "true",
    "false",
    "TRUE",
    "yes",
    "99999999999999999999.99999999999999999999",
];
const CODES: &[&str] = &[
    "",
    "0",
    "1",
    "J",
    "N",
    "XX",
    "A B",
    "æøå",
    "2.16.578.1.12.4.1.1.8279",
    "2.16.578..1",
    "1.",
    "no",
    "nb-NO",
    "no_NO",
    "P1D",
    "P1W",
    "PT",
    "-P1Y2M",
    "urn:oid:1",
    "a:b",
    "1a",
    "_a",
    "mailto:x",
    "AAAA",
    "AA==",
    "AA=",
    "A",
    "ThisIsAVeryLongCodeThatNoListHolds",
];
const TYPES: &[&str] = &[
    "xs:string",
    "xs:date",
    "xs:anyType",
    "kith:CS",
    "kith:CV",
    "kith:TS",
    "mh:CS",
    "unknown:T",
    "NoSuchType",
    "",
    "xs:integer",
];

/// A message as text in UTF-8, ready to be spoilt.
pub(crate) struct Sample {
    text: String,
    tree: Tree,
}

impl Sample {
    /// Reads a sample; the declaration is replaced by one that is true for UTF-8.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let decoded = xml::decode(bytes).expect("an official sample decodes");
        let text: &str = &decoded.text;
        let body = match text.strip_prefix("<?xml").and_then(|t| t.split_once("?>")) {
            Some((_, body)) => body,
            None => text,
        };
        let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}");
        let tree = Tree::parse(&text, &Limits::default()).expect("an official sample is XML");
        Self { text, tree }
    }

    /// The sample itself.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The message with one fault of this kind, if it has a place for it.
    pub(crate) fn spoil(&self, fault: Fault, chance: &mut Chance) -> Option<String> {
        let elements: Vec<Node<'_>> = self.tree.nodes().filter(|n| n.is_element()).collect();
        let inner: Vec<Node<'_>> = elements.iter().copied().filter(|n| n.parent().is_some()).collect();
        match fault {
            Fault::Drop => {
                let range = chance.pick(&inner)?.source();
                Some(self.splice(range.start, range.end, ""))
            }
            Fault::Repeat => {
                let range = chance.pick(&inner)?.source();
                let copy = self.text[range.clone()].to_owned();
                Some(self.splice(range.end, range.end, &copy))
            }
            Fault::Reorder => {
                let pairs: Vec<(Node<'_>, Node<'_>)> = elements
                    .iter()
                    .flat_map(|e| {
                        let children: Vec<_> = e.elements().collect();
                        children.windows(2).map(|w| (w[0], w[1])).collect::<Vec<_>>()
                    })
                    .filter(|(a, b)| a.name() != b.name())
                    .collect();
                let (a, b) = chance.pick(&pairs)?;
                let (a, b) = (a.source(), b.source());
                let swapped = format!(
                    "{}{}{}",
                    &self.text[b.clone()],
                    &self.text[a.end..b.start],
                    &self.text[a.clone()]
                );
                Some(self.splice(a.start, b.end, &swapped))
            }
            Fault::Rename => {
                let node = chance.pick(&inner)?;
                let other = chance.pick(&elements)?.name();
                let new = if chance.below(3) == 0 { format!("{}X", node.name()) } else { other.to_owned() };
                Some(self.rename(*node, &new))
            }
            Fault::UnknownAttribute => {
                let node = chance.pick(&elements)?;
                let name = *chance.pick(&["unknown", "V", "DN", "S", "xml:lang", "xml:space", "id"])?;
                if node.attr(name.trim_start_matches("xml:")).is_some() {
                    return None;
                }
                Some(self.add_attribute(*node, &format!("{name}=\"{}\"", chance.pick(CODES)?)))
            }
            Fault::DropAttribute => {
                let (start, _, _, end) = self.pick_attribute(&elements, chance, |_| true)?;
                Some(self.splice(start, end, ""))
            }
            Fault::BadValue => {
                let list = *chance.pick(&[DATES, NUMBERS, CODES])?;
                self.new_value(&elements, chance, list, |_| true)
            }
            Fault::BadDate => self.new_value(&elements, chance, DATES, |v| {
                v.len() >= 8 && v.bytes().take(4).all(|b| b.is_ascii_digit()) && v.contains('-')
            }),
            Fault::BadCode => self.new_value(&elements, chance, CODES, |v| {
                v.len() < 12 && v.bytes().all(|b| b.is_ascii_alphanumeric())
            }),
            Fault::BadNumber => self.new_value(&elements, chance, NUMBERS, |v| {
                !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            }),
            Fault::StrayText => {
                let at = chance.pick(&inner)?.source().start;
                Some(self.splice(
                    at,
                    at,
                    chance.pick(&["stray", " x ", "&#160;", "<![CDATA[ ]]>", "<!-- -->", "&#32;"])?,
                ))
            }
            Fault::Empty => {
                let (start, end) = self.inside(*chance.pick(&elements)?)?;
                Some(self.splice(start, end, chance.pick(&["", " ", "\n"])?))
            }
            Fault::Pad => {
                let leaves: Vec<(usize, usize)> = self.values(&elements, |_| true);
                let (start, end) = *chance.pick(&leaves)?;
                let pad = *chance.pick(&[" ", "\n", "\t ", "&#10;"])?;
                let value = self.text[start..end].to_owned();
                Some(self.splice(
                    start,
                    end,
                    &match chance.below(3) {
                        0 => format!("{pad}{value}"),
                        1 => format!("{value}{pad}"),
                        _ => format!("{pad}{value}{pad}"),
                    },
                ))
            }
            Fault::Nil => {
                let node = chance.pick(&elements)?;
                let value = *chance.pick(&["true", "false", "1", "x"])?;
                let declaration = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
                Some(
                    self.add_attribute(
                        *node,
                        &self.with_xsi(*node, declaration, &format!("nil=\"{value}\"")),
                    ),
                )
            }
            Fault::SubstituteType => {
                let node = chance.pick(&elements)?;
                let value = *chance.pick(TYPES)?;
                let namespaces = "xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns:kith=\"http://www.kith.no/xmlstds\" \
                    xmlns:mh=\"http://www.kith.no/xmlstds/msghead/2006-05-24\"";
                let tag = &self.text[self.tag(*node)];
                if ["xmlns:xs=", "xmlns:kith=", "xmlns:mh="].iter().any(|p| tag.contains(p)) {
                    return None;
                }
                let declaration = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
                let own = self.with_xsi(*node, declaration, &format!("type=\"{value}\""));
                Some(self.add_attribute(*node, &format!("{namespaces} {own}")))
            }
        }
    }

    /// The message with its characters damaged, most likely no longer XML.
    pub(crate) fn damage(&self, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.text.clone().into_bytes();
        let at = chance.below(bytes.len());
        match chance.below(6) {
            0 => bytes[at] = (chance.next() & 0x7F) as u8,
            1 => {
                bytes.remove(at);
            }
            2 => bytes.truncate(at),
            3 => {
                let extra = *chance
                    .pick(&[
                        "<", ">", "&", "\"", "'", "</a>", "<a>", "]]>", "&#0;", "&x;", "<!--", "-->", "<?x?>",
                    ])
                    .unwrap();
                bytes.splice(at..at, extra.bytes());
            }
            4 => {
                let mut marks: Vec<usize> = Vec::new();
                marks.extend(
                    bytes.iter().enumerate().filter(|(_, b)| b"<>\"&;/=".contains(b)).map(|(i, _)| i),
                );
                if let Some(mark) = chance.pick(&marks) {
                    bytes[*mark] = *chance.pick(b"<>\"&;/= x").unwrap();
                }
            }
            _ => {
                let other = chance.below(bytes.len());
                bytes.swap(at, other);
            }
        }
        bytes
    }

    fn splice(&self, start: usize, end: usize, with: &str) -> String {
        format!("{}{with}{}", &self.text[..start], &self.text[end..])
    }

    /// The start tag.
    fn tag(&self, node: Node<'_>) -> std::ops::Range<usize> {
        let start = node.source().start;
        let mut quote = None;
        for (at, b) in self.text.bytes().enumerate().skip(start) {
            match (quote, b) {
                (None, b'>') => return start..at + 1,
                (None, b'"' | b'\'') => quote = Some(b),
                (Some(q), b) if q == b => quote = None,
                _ => {}
            }
        }
        start..self.text.len()
    }

    /// What stands between the tags; none for an empty-element tag.
    fn inside(&self, node: Node<'_>) -> Option<(usize, usize)> {
        let tag = self.tag(node);
        if self.text[tag.clone()].ends_with("/>") {
            return None;
        }
        let end = self.text[..node.source().end].rfind("</")?;
        (end >= tag.end).then_some((tag.end, end))
    }

    fn rename(&self, node: Node<'_>, new: &str) -> String {
        let tag = self.tag(node);
        let old = self.text[tag.start + 1..tag.end]
            .split(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let name = match old.split_once(':') {
            Some((prefix, _)) => format!("{prefix}:{new}"),
            None => new.to_owned(),
        };
        let mut text = self.text.clone();
        if let Some((_, end)) = self.inside(node) {
            text.replace_range(end + 2..end + 2 + old.len(), &name);
        }
        text.replace_range(tag.start + 1..tag.start + 1 + old.len(), &name);
        text
    }

    fn add_attribute(&self, node: Node<'_>, attribute: &str) -> String {
        let tag = self.tag(node);
        let end = if self.text[tag.clone()].ends_with("/>") { tag.end - 2 } else { tag.end - 1 };
        self.splice(end, end, &format!(" {attribute}"))
    }

    fn with_xsi(&self, node: Node<'_>, declaration: &str, attribute: &str) -> String {
        let tag = &self.text[self.tag(node)];
        if tag.contains("xmlns:xsi=") {
            format!("xsi:{attribute}")
        } else {
            format!("{declaration} xsi:{attribute}")
        }
    }

    /// Start of the white space before, start and end of the value, and end, of each attribute of a tag.
    fn attributes(&self, node: Node<'_>) -> Vec<(usize, usize, usize, usize)> {
        let tag = self.tag(node);
        let bytes = self.text.as_bytes();
        let mut out = Vec::new();
        let mut at = tag.start;
        while at < tag.end {
            if bytes[at] == b'"' || bytes[at] == b'\'' {
                let close = (at + 1..tag.end).find(|&i| bytes[i] == bytes[at]).unwrap_or(tag.end - 1);
                let name_end =
                    self.text[..at].trim_end_matches(|c: char| c == '=' || c.is_ascii_whitespace()).len();
                let name_start =
                    self.text[..name_end].rfind(|c: char| c.is_ascii_whitespace()).unwrap_or(tag.start);
                if !self.text[name_start..name_end].trim().starts_with("xmlns") {
                    out.push((name_start, at + 1, close, close + 1));
                }
                at = close;
            }
            at += 1;
        }
        out
    }

    fn pick_attribute(
        &self,
        elements: &[Node<'_>],
        chance: &mut Chance,
        fits: impl Fn(&str) -> bool,
    ) -> Option<(usize, usize, usize, usize)> {
        let all: Vec<_> = elements
            .iter()
            .flat_map(|e| self.attributes(*e))
            .filter(|(_, start, end, _)| fits(&self.text[*start..*end]))
            .collect();
        chance.pick(&all).copied()
    }

    /// All attribute values and texts of leaf elements.
    fn values(&self, elements: &[Node<'_>], fits: impl Fn(&str) -> bool) -> Vec<(usize, usize)> {
        let attributes =
            elements.iter().flat_map(|e| self.attributes(*e)).map(|(_, start, end, _)| (start, end));
        let leaves =
            elements.iter().filter(|e| e.elements().next().is_none()).filter_map(|e| self.inside(*e));
        attributes.chain(leaves).filter(|(start, end)| fits(&self.text[*start..*end])).collect()
    }

    fn new_value(
        &self,
        elements: &[Node<'_>],
        chance: &mut Chance,
        list: &[&str],
        fits: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let (start, end) = *chance.pick(&self.values(elements, fits))?;
        let new = *chance.pick(list)?;
        (self.text[start..end] != *new).then(|| self.splice(start, end, new))
    }
}
