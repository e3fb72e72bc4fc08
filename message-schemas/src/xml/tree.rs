//! A document, or chosen parts of it, laid out flat for readers that need to look around.
//!
//! Nodes live in one vector in document order, text and attribute values in one string. Nothing recurses,
//! and dropping a tree is dropping a few vectors however deep the document was.

use super::{Element, Handler, Namespace, Offset, Places, read};
use crate::finding::{Finding, Place};
use crate::limits::Limits;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

const NOTHING: u32 = u32::MAX;

#[derive(Debug, Clone)]
struct NodeData {
    parent: u32,
    next_sibling: u32,
    /// For elements the index of the name; for text [`NOTHING`].
    name: u32,
    /// The first of its attributes; they end where those of the next node begin. A text has none.
    attributes: u32,
    /// Elements: where they stand in the source. Text: range of `text`.
    range: Range<u32>,
}

#[derive(Debug, Clone)]
struct AttributeData {
    name: u32,
    namespace: u32,
    value: Range<u32>,
}

/// A document laid out flat; node 0 is the document element.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: Vec<NodeData>,
    attributes: Vec<AttributeData>,
    text: String,
    names: Names,
    namespaces: Names,
    /// Node from which on elements are in this namespace. It changes a few times in a document.
    changes: Vec<(u32, u32)>,
}

/// Strings by number, each stored once.
#[derive(Debug, Clone, Default)]
struct Names {
    list: Vec<Arc<str>>,
    index: std::collections::HashMap<Arc<str>, u32, foldhash::fast::FixedState>,
    /// By [`slot`]: the name that was asked for last, of those that share it. The names of a document mostly do not.
    recent: Vec<u32>,
}

const SLOTS: usize = 128;

/// A number below [`SLOTS`], told at a glance.
fn slot(name: &str) -> usize {
    match name.as_bytes() {
        [first, .., last] => (usize::from(*first) * 7 + usize::from(*last) * 9 + name.len()) % SLOTS,
        [only] => usize::from(*only) % SLOTS,
        [] => 0,
    }
}

impl Names {
    fn reserve(&mut self, names: usize) {
        self.list.reserve(names);
        self.index.reserve(names);
    }

    fn intern(&mut self, name: &str) -> u32 {
        if let Some(known) = self.guess(name) {
            return known;
        }
        let at = self.number(name);
        self.recent.resize(SLOTS, NOTHING);
        if let Some(recent) = self.recent.get_mut(slot(name)) {
            *recent = at;
        }
        at
    }

    /// The number, if the name is the one that was asked for last in its slot.
    #[inline]
    fn guess(&self, name: &str) -> Option<u32> {
        let guess = *self.recent.get(slot(name))?;
        self.list.get(guess as usize).is_some_and(|known| **known == *name).then_some(guess)
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(&at) = self.index.get(name) {
            return at;
        }
        let at = u32::try_from(self.list.len()).unwrap_or(NOTHING);
        let name: Arc<str> = name.into();
        self.list.push(name.clone());
        self.index.insert(name, at);
        at
    }

    /// The number of a string; one that no string has if it is not stored.
    fn find(&self, name: &str) -> u32 {
        self.guess(name).or_else(|| self.index.get(name).copied()).unwrap_or(NOTHING - 1)
    }

    fn name(&self, at: u32) -> &str {
        self.list.get(at as usize).map_or("", |n| n)
    }
}

impl Tree {
    /// Reads a whole document.
    ///
    /// # Errors
    /// The fault that makes the text not XML.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Finding> {
        let mut builder = TreeBuilder::all();
        // What grows is copied each time. So much a message of some pages takes; a larger one grows as it needs.
        let size = text.len().min(100_000);
        builder.tree.nodes.reserve(size / 16);
        builder.tree.attributes.reserve(size / 48);
        builder.tree.text.reserve(size / 2);
        // As many as a table of 64 places takes; few messages have more.
        builder.tree.names.reserve((size / 256).min(56));
        read(text, limits, &mut builder)?;
        Ok(builder.finish())
    }

    /// The document element; none only if a builder kept nothing.
    #[must_use]
    pub fn root(&self) -> Option<Node<'_>> {
        (!self.nodes.is_empty()).then_some(Node { tree: self, id: 0 })
    }

    fn value(&self, attribute: &AttributeData) -> &str {
        self.text.get(attribute.value.start as usize..attribute.value.end as usize).unwrap_or_default()
    }

    /// How many nodes there are, text nodes included; `Node::id` is below it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True when there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All nodes in document order, text nodes included.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(NOTHING)).map(|id| Node { tree: self, id })
    }
}

/// Builds a [`Tree`] from events. Readers that need a few elements only have their own, smaller memory
/// (see [`crate::head`]).
pub struct TreeBuilder {
    tree: Tree,
    /// Open elements: node number and last child so far.
    open: Vec<(u32, u32)>,
    /// The tree's number of each namespace of the document.
    namespaces: Vec<u32>,
}

impl std::fmt::Debug for TreeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TreeBuilder").field("nodes", &self.tree.nodes.len()).finish_non_exhaustive()
    }
}

impl TreeBuilder {
    /// Keeps the whole document.
    #[must_use]
    pub fn all() -> Self {
        Self { tree: Tree::default(), open: Vec::new(), namespaces: Vec::new() }
    }

    /// The tree.
    #[must_use]
    pub fn finish(self) -> Tree {
        let mut tree = self.tree;
        // A tree is kept while much else is made from it: room that has grown for more goes back.
        tree.nodes.shrink_to_fit();
        tree.attributes.shrink_to_fit();
        tree.text.shrink_to_fit();
        tree
    }

    #[inline]
    fn namespace(&mut self, element: &Element<'_>, namespace: Namespace) -> u32 {
        let at = namespace.0 as usize;
        if let Some(&known) = self.namespaces.get(at).filter(|n| **n != NOTHING) {
            return known;
        }
        let number = self.tree.namespaces.intern(element.uri(namespace));
        if self.namespaces.len() <= at {
            self.namespaces.resize(at + 1, NOTHING);
        }
        if let Some(slot) = self.namespaces.get_mut(at) {
            *slot = number;
        }
        number
    }

    fn append(&mut self, name: u32, attributes: u32, range: Range<u32>) -> u32 {
        let id = narrow(self.tree.nodes.len());
        let mut node = NodeData { parent: NOTHING, next_sibling: NOTHING, name, attributes, range };
        if let Some((parent, last)) = self.open.last_mut() {
            node.parent = *parent;
            if let Some(before) = self.tree.nodes.get_mut(*last as usize) {
                before.next_sibling = id;
            }
            *last = id;
        }
        self.tree.nodes.push(node);
        id
    }
}

fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(NOTHING)
}

impl Handler for TreeBuilder {
    fn start(&mut self, element: &Element<'_>) {
        let name = self.tree.names.intern(element.local);
        let namespace = self.namespace(element, element.namespace);
        let first = narrow(self.tree.attributes.len());
        for attribute in element.attributes {
            let start = narrow(self.tree.text.len());
            self.tree.text.push_str(&attribute.value);
            let data = AttributeData {
                name: self.tree.names.intern(attribute.local),
                namespace: self.namespace(element, attribute.namespace),
                value: start..narrow(self.tree.text.len()),
            };
            self.tree.attributes.push(data);
        }
        let at = narrow(element.offset);
        let id = self.append(name, first, at..at);
        if self.tree.changes.last().is_none_or(|(_, last)| *last != namespace) {
            self.tree.changes.push((id, namespace));
        }
        self.open.push((id, NOTHING));
    }

    fn text(&mut self, text: &str, _: Offset) {
        if text.is_empty() {
            return;
        }
        let start = narrow(self.tree.text.len());
        self.tree.text.push_str(text);
        let end = narrow(self.tree.text.len());
        // Pieces that follow each other are one text node: a reference or a comment must not split a name.
        if let Some(&(_, last)) = self.open.last()
            && let Some(node) = self.tree.nodes.get_mut(last as usize)
            && node.name == NOTHING
            && node.range.end == start
        {
            node.range.end = end;
            return;
        }
        self.append(NOTHING, narrow(self.tree.attributes.len()), start..end);
    }

    fn end(&mut self, at: Offset) {
        if let Some((id, _)) = self.open.pop()
            && let Some(node) = self.tree.nodes.get_mut(id as usize)
        {
            node.range.end = narrow(at);
        }
    }
}

/// The same as `str::trim`, sooner where there is nothing to trim: nearly everywhere.
pub(crate) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Those of these nodes of one tree that have an attribute of this name without namespace, each with its value.
pub(crate) fn having<'t>(
    nodes: impl Iterator<Item = Node<'t>>,
    name: &str,
) -> impl Iterator<Item = (Node<'t>, &'t str)> {
    let mut nodes = nodes.peekable();
    let name = nodes.peek().map_or(NOTHING, |node| node.tree.names.find(name));
    nodes.filter_map(move |node| node.valued(|a| a.name == name).map(|value| (node, value)))
}

/// An element or a text of a [`Tree`].
#[derive(Clone, Copy)]
pub struct Node<'t> {
    tree: &'t Tree,
    id: u32,
}

impl std::fmt::Debug for Node<'_> {
    /// The path only: content may be a patient's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({})", self.xpath())
    }
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && std::ptr::eq(self.tree, other.tree)
    }
}

impl Eq for Node<'_> {}

impl<'t> Node<'t> {
    fn data(&self) -> &'t NodeData {
        #[expect(
            clippy::indexing_slicing,
            reason = "ids are handed out by the tree itself and never outlive it"
        )]
        &self.tree.nodes[self.id as usize]
    }

    fn at(self, id: u32) -> Option<Self> {
        (id != NOTHING).then_some(Self { tree: self.tree, id })
    }

    /// Its number in the tree, in document order; below `Tree::len`.
    #[must_use]
    pub const fn id(self) -> usize {
        self.id as usize
    }

    /// True for an element, false for a text.
    #[must_use]
    pub fn is_element(self) -> bool {
        self.data().name != NOTHING
    }

    /// Its local name; empty for a text.
    #[must_use]
    pub fn name(self) -> &'t str {
        self.tree.names.name(self.data().name)
    }

    /// Its namespace; empty for none and for a text.
    #[must_use]
    pub fn namespace(self) -> &'t str {
        let changes = &self.tree.changes;
        let behind =
            if self.is_element() { changes.partition_point(|(from, _)| *from <= self.id) } else { 0 };
        let change = behind.checked_sub(1).and_then(|at| changes.get(at));
        change.map_or("", |(_, namespace)| self.tree.namespaces.name(*namespace))
    }

    /// The element around it.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        self.at(self.data().parent)
    }

    /// Elements and texts inside it, in order.
    pub fn children(self) -> impl Iterator<Item = Self> + use<'t> {
        std::iter::successors(self.first(), |n| n.at(n.data().next_sibling))
    }

    /// The first node inside it: the next one in document order, if that is inside it.
    fn first(self) -> Option<Self> {
        let id = self.id + 1;
        let next = self.tree.nodes.get(id as usize)?;
        (next.parent == self.id).then_some(Self { tree: self.tree, id })
    }

    /// Elements inside it, in order.
    pub fn elements(self) -> impl Iterator<Item = Self> + use<'t> {
        self.children().filter(|n| n.is_element())
    }

    /// Elements of this local name inside it, in order.
    pub fn all(self, name: &str) -> impl Iterator<Item = Self> + use<'t> {
        let name = self.tree.names.find(name);
        self.children().filter(move |n| n.data().name == name)
    }

    /// The first element of this local name inside it.
    #[must_use]
    pub fn child(self, name: &str) -> Option<Self> {
        self.all(name).next()
    }

    /// The first element at this path of local names (`"MsgInfo/Sender/Organisation"`).
    #[must_use]
    pub fn path(self, path: &str) -> Option<Self> {
        path.split('/').try_fold(self, Self::child)
    }

    /// The value of an attribute without namespace.
    #[must_use]
    pub fn attr(self, name: &str) -> Option<&'t str> {
        // There are few, and most differ in length: to compare them is less than to look the name up.
        self.valued(|a| self.tree.names.name(a.name) == name)
    }

    fn valued(self, named: impl Fn(&AttributeData) -> bool) -> Option<&'t str> {
        let tree = self.tree;
        let free = |a: &AttributeData| tree.namespaces.name(a.namespace).is_empty();
        self.attribute_list().iter().find(|a| named(a) && free(a)).map(|a| tree.value(a))
    }

    /// `(namespace, local name, value)` of every attribute, in order.
    pub fn attributes(self) -> impl Iterator<Item = (&'t str, &'t str, &'t str)> {
        let tree = self.tree;
        self.attribute_list()
            .iter()
            .map(move |a| (tree.namespaces.name(a.namespace), tree.names.name(a.name), tree.value(a)))
    }

    fn attribute_list(self) -> &'t [AttributeData] {
        let all = self.tree.attributes.as_slice();
        let end = self.tree.nodes.get(self.id() + 1).map_or(all.len(), |next| next.attributes as usize);
        all.get(self.data().attributes as usize..end).unwrap_or_default()
    }

    /// A text node's own text; empty for an element.
    #[must_use]
    pub fn own_text(self) -> &'t str {
        let data = self.data();
        if data.name == NOTHING {
            self.tree.text.get(data.range.start as usize..data.range.end as usize).unwrap_or_default()
        } else {
            ""
        }
    }

    /// The text directly inside an element, joined; comments never split it.
    #[must_use]
    pub fn text(self) -> Cow<'t, str> {
        if !self.is_element() {
            return Cow::Borrowed(self.own_text());
        }
        let mut texts = self.children().filter(|n| !n.is_element()).map(Self::own_text);
        match (texts.next(), texts.next()) {
            (None, _) => Cow::Borrowed(""),
            (Some(only), None) => Cow::Borrowed(only),
            (Some(first), Some(second)) => {
                let mut joined = String::from(first);
                joined.push_str(second);
                texts.for_each(|t| joined.push_str(t));
                Cow::Owned(joined)
            }
        }
    }

    /// The trimmed text, if there is any.
    #[must_use]
    pub fn trimmed(self) -> Option<Cow<'t, str>> {
        match self.text() {
            Cow::Borrowed(t) => Some(Cow::Borrowed(trim(t))),
            Cow::Owned(t) => Some(Cow::Owned(trim(&t).to_owned())),
        }
        .filter(|t| !t.is_empty())
    }

    /// Itself and everything inside it, in document order.
    pub fn descendants(self) -> impl Iterator<Item = Self> + use<'t> {
        let tree = self.tree;
        (self.id..self.end()).map(move |id| Node { tree, id })
    }

    /// The number behind that of the last node inside it.
    fn end(self) -> u32 {
        let mut around = std::iter::successors(Some(self), |n| n.parent());
        let behind = around.find_map(|n| n.at(n.data().next_sibling));
        behind.map_or_else(|| narrow(self.tree.nodes.len()), |n| n.id)
    }

    /// The bytes of the decoded source text that an element covers, tags included; none for a text.
    #[must_use]
    pub fn source(self) -> Range<Offset> {
        let range = if self.is_element() { self.data().range.clone() } else { 0..0 };
        range.start as usize..range.end as usize
    }

    /// Line and column of its start tag in the decoded source text.
    #[must_use]
    pub fn place(self, source: &str) -> Place {
        Places::new(source).place(self.source().start)
    }

    /// The absolute XPath: local names, `[n]` from 1 only where the parent has several of that name
    /// (document-sharing §2.1).
    #[must_use]
    pub fn xpath(self) -> String {
        let mut steps: Vec<(Self, Option<usize>)> = Vec::new();
        let mut here = if self.is_element() { Some(self) } else { self.parent() };
        while let Some(node) = here {
            let position = node.parent().and_then(|parent| {
                let mut before = 0;
                let mut others = 0;
                for sibling in parent.all(node.name()) {
                    if sibling == node {
                        before = others;
                    }
                    others += 1;
                }
                (others > 1).then_some(before + 1)
            });
            steps.push((node, position));
            here = node.parent();
        }
        let mut path = String::new();
        for (node, position) in steps.into_iter().rev() {
            path.push('/');
            path.push_str(node.name());
            if let Some(n) = position {
                path.push_str(&format!("[{n}]"));
            }
        }
        path
    }
}
