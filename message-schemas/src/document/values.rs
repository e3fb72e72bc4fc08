//! The KITH data types as they are read: each value with the node it came from.
//!
//! Reading is tolerant: a value that its type does not allow is kept as text, never refused. The literal
//! `NULL` as an id or code means missing (HITS 1102:2014 for ServReq/Id; seen elsewhere).

use super::coverage::{Coverage, Outcome, part};
use crate::time::Stamp;
use crate::xml::{Node, trim};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Something that was read from one element, and knows which parts of it.
pub(super) trait Sourced<'t> {
    /// The element.
    fn node(&self) -> Node<'t>;
    /// The parts that were read.
    const PARTS: u8;

    /// It went into an element of a resource.
    fn mapped(&self, coverage: &mut Coverage, target: &'static str) {
        coverage.mark(self.node(), Self::PARTS, Outcome::Mapped, target);
    }
    /// It went into the text.
    fn told(&self, coverage: &mut Coverage, section: &'static str) {
        coverage.mark(self.node(), Self::PARTS, Outcome::Narrative, section);
    }
    /// It went nowhere.
    fn dropped(&self, coverage: &mut Coverage, reason: &'static str) {
        coverage.mark(self.node(), Self::PARTS, Outcome::Dropped, reason);
    }
}

macro_rules! sourced {
    ($($type:ident: $parts:expr;)+) => {$(
        impl<'t> Sourced<'t> for $type<'t> {
            const PARTS: u8 = $parts;
            fn node(&self) -> Node<'t> { self.node }
        }
    )+};
}

sourced! {
    Words: part::TEXT;
    Code: part::V | part::S | part::DN | part::OT;
    When: part::V | part::TEXT;
    Amount: part::V | part::U;
    Flag: part::V | part::TEXT;
}

impl<'t> Sourced<'t> for Address<'t> {
    const PARTS: u8 = part::V | part::TEXT;

    fn node(&self) -> Node<'t> {
        self.node
    }

    fn mapped(&self, coverage: &mut Coverage, target: &'static str) {
        self.mark(Outcome::Mapped, coverage, target);
    }

    fn told(&self, coverage: &mut Coverage, section: &'static str) {
        self.mark(Outcome::Narrative, coverage, section);
    }
}

/// `ST`, string, integer: the text of an element, ends trimmed, inner line breaks kept; never empty.
#[derive(Debug, Clone)]
pub(super) struct Words<'t> {
    pub node: Node<'t>,
    pub value: Cow<'t, str>,
}

impl<'t> Words<'t> {
    pub(super) fn read(node: Node<'t>) -> Option<Self> {
        node.trimmed().map(|value| Self { node, value })
    }

    /// As an id: none for `NULL`.
    pub(super) fn id(&self) -> Option<&str> {
        (!self.value.eq_ignore_ascii_case("NULL")).then_some(&*self.value)
    }
}

/// `CS` and `CV`: code, list, text of the list, own text.
#[derive(Debug, Clone)]
pub(super) struct Code<'t> {
    pub node: Node<'t>,
    /// `@V`, a token: trimmed, blanks collapsed.
    pub code: Option<Cow<'t, str>>,
    /// `@S`, if it is an OID.
    pub system: Option<&'t str>,
    /// `@DN`
    pub display: Option<&'t str>,
    /// `@OT`
    pub own: Option<&'t str>,
}

impl<'t> Code<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        let mut read = Self { node, code: None, system: None, display: None, own: None };
        for (namespace, name, value) in node.attributes() {
            let value = trim(value);
            if !namespace.is_empty() || value.is_empty() {
                continue;
            }
            match name {
                "V" if !value.eq_ignore_ascii_case("NULL") => read.code = Some(token(value)),
                "S" if is_oid(value) => read.system = Some(value),
                "DN" => read.display = Some(value),
                "OT" => read.own = Some(value),
                _ => {}
            }
        }
        read
    }

    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// What a person reads: own text, else the list's text as sent, else the code.
    pub(super) fn words(&self) -> Option<&str> {
        self.own.or(self.display).or(self.code())
    }
}

fn token(value: &str) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    let collapsed = bytes.windows(2).all(|pair| pair != b"  ");
    if !collapsed || bytes.iter().any(|b| matches!(b, b'\t' | b'\n' | b'\r')) {
        Cow::Owned(value.split_whitespace().collect::<Vec<_>>().join(" "))
    } else {
        Cow::Borrowed(value)
    }
}

/// `(\d+\.?)*\d+`, of a length that an OID can have.
pub(super) fn is_oid(text: &str) -> bool {
    let mut before = b'.';
    let lawful = text.bytes().all(|byte| {
        let lawful = byte.is_ascii_digit() || (byte == b'.' && before != b'.');
        before = byte;
        lawful
    });
    lawful && before != b'.' && text.len() <= 128
}

/// `TS`, or a date as text.
#[derive(Debug, Clone)]
pub(super) struct When<'t> {
    pub node: Node<'t>,
    /// As sent, trimmed.
    pub sent: Cow<'t, str>,
    /// If it is one of the forms of the union.
    pub stamp: Option<Stamp>,
}

impl<'t> When<'t> {
    pub(super) fn read(node: Node<'t>) -> Option<Self> {
        let sent = match node.attr("V").map(trim).filter(|v| !v.is_empty()) {
            Some(value) => Cow::Borrowed(value),
            None => node.trimmed()?,
        };
        let stamp = Stamp::parse(&sent);
        Some(Self { node, sent, stamp })
    }

    /// The stamp, if it can be a FHIR `dateTime`.
    pub(super) fn dated(&self) -> Option<Stamp> {
        self.stamp.filter(|s| s.date().is_some())
    }

    /// It begins after the other has begun.
    pub(super) fn is_after(&self, other: Stamp) -> bool {
        self.dated().is_some_and(|at| at.start_or_edge() > other.start_or_edge())
    }
}

/// `PQ`: value and unit as sent.
#[derive(Debug, Clone)]
pub(super) struct Amount<'t> {
    pub node: Node<'t>,
    pub value: Option<&'t str>,
    pub unit: Option<&'t str>,
}

impl<'t> Amount<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        let part = |name| node.attr(name).map(trim).filter(|v| !v.is_empty());
        Self { node, value: part("V"), unit: part("U") }
    }
}

/// `BL`, and `xs:boolean` as text.
#[derive(Debug, Clone)]
pub(super) struct Flag<'t> {
    pub node: Node<'t>,
    pub value: bool,
}

impl<'t> Flag<'t> {
    /// The four literals of `xs:boolean`, blanks around them collapsed; none for anything else: it is then not
    /// read, and shown as it is.
    pub(super) fn read(node: Node<'t>) -> Option<Self> {
        let sent = match node.attr("V") {
            Some(value) => Cow::Borrowed(trim(value)),
            None => node.trimmed()?,
        };
        let value = match &*sent {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return None,
        };
        Some(Self { node, value })
    }

    pub(super) const fn words(&self) -> &'static str {
        if self.value { "Ja" } else { "Nei" }
    }
}

/// `URL` of a `TeleAddress`.
#[derive(Debug, Clone)]
pub(super) struct Address<'t> {
    pub node: Node<'t>,
    /// `TypeTelecom` (9061)
    pub kind: Option<Code<'t>>,
    pub value: Cow<'t, str>,
}

impl<'t> Address<'t> {
    pub(super) fn read(node: Node<'t>) -> Option<Self> {
        let value = match node.attr("V").map(trim).filter(|v| !v.is_empty()) {
            Some(value) => Cow::Borrowed(value),
            None => node.trimmed()?,
        };
        Some(Self { node, kind: None, value })
    }

    /// `TeleCom`: address and kind.
    pub(super) fn read_typed(node: Node<'t>) -> Option<Self> {
        let address = node.child("TeleAddress").and_then(Self::read)?;
        Some(Self { kind: node.child("TypeTelecom").map(Code::read), ..address })
    }

    fn mark(&self, outcome: Outcome, coverage: &mut Coverage, reason: &'static str) {
        coverage.mark(self.node, Self::PARTS, outcome, reason);
        if let Some(kind) = &self.kind {
            coverage.mark(kind.node, Code::PARTS, outcome, reason);
        }
    }
}

/// A list that mostly holds one value, which then needs no memory of its own.
pub(super) type Few<T> = SmallVec<[T; 1]>;

/// Adds to a list that mostly holds one value: it has room for one first, where a list has room for four otherwise.
pub(super) fn add<T>(list: &mut Vec<T>, value: T) {
    if list.capacity() == 0 {
        list.reserve_exact(1);
    }
    list.push(value);
}

/// Keeps the first of several; those that follow stay unread, and are shown as they are.
pub(super) fn first<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    fn flag(xml: &str) -> Option<bool> {
        let tree = Tree::parse(xml, &Limits::default()).unwrap();
        Flag::read(tree.root().unwrap()).map(|f| f.value)
    }

    #[test]
    fn a_truth_has_two_literals_of_each_kind() {
        for yes in ["<a>true</a>", "<a>1</a>", "<a>\n\t 1 \n</a>", "<a V='true'/>", "<a V=' 1 '/>"] {
            assert_eq!(flag(yes), Some(true), "{yes}");
        }
        for no in ["<a>false</a>", "<a>0</a>", "<a> 0 </a>", "<a V='false'/>", "<a V='0'/>"] {
            assert_eq!(flag(no), Some(false), "{no}");
        }
        for neither in
            ["<a/>", "<a> </a>", "<a>TRUE</a>", "<a>ja</a>", "<a>01</a>", "<a V=''/>", "<a V='2'/>"]
        {
            assert_eq!(flag(neither), None, "{neither}");
        }
    }
}
