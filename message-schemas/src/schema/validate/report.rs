//! Findings while they are collected: offsets first, lines and paths at the end.
//!
//! Counting same-named siblings for every element of every message would be paid by the valid ones too. So
//! only the offset of the element is kept, and if there are findings at all the document is read once more
//! to give each its line, column and path.

use crate::finding::{Finding, Findings};
use crate::limits::Limits;
use crate::xml::{self, Element, Handler, Offset, Places};
use std::collections::HashMap;

/// Names are shown up to this length: a name of a hundred thousand letters is lawful XML.
const SHOWN: usize = 64;

/// A name of the document as findings show it.
pub(super) fn shown(name: &str) -> &str {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => name.get(..end).unwrap_or_default(),
        None => name,
    }
}

/// A finding, not yet placed.
struct Pending {
    /// Where the start tag of the element concerned begins.
    element: Offset,
    /// What line and column point at.
    at: Offset,
    finding: Finding,
}

/// The findings of one document so far.
pub(super) struct Report {
    list: Vec<Pending>,
    cap: usize,
    omitted: usize,
}

impl Report {
    pub(super) const fn new(cap: usize) -> Self {
        Self { list: Vec::new(), cap, omitted: 0 }
    }

    /// Adds a finding on an element; it is not even written if there is no room.
    pub(super) fn add(&mut self, element: Offset, at: Offset, finding: impl FnOnce() -> Finding) {
        if self.list.len() < self.cap {
            self.list.push(Pending { element, at, finding: finding() });
        } else {
            self.omitted += 1;
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= self.cap
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.omitted == 0
    }

    /// The findings, placed, in document order.
    pub(super) fn finish(mut self, text: &str, limits: &Limits) -> Findings {
        let mut findings = Findings::with_cap(self.cap);
        if !self.list.is_empty() {
            self.list.sort_by_key(|p| p.at);
            let mut wanted: Vec<Offset> = self.list.iter().map(|p| p.element).collect();
            wanted.sort_unstable();
            wanted.dedup();
            let paths = Paths::find(text, limits, &wanted);
            let mut places = Places::new(text);
            for pending in self.list {
                let path = wanted.binary_search(&pending.element).ok().and_then(|at| paths.get(at).cloned());
                let placed = pending.finding.at(places.place(pending.at)).on(path.unwrap_or_default());
                findings.push(placed);
            }
        }
        for _ in 0..self.omitted {
            findings.count_omitted();
        }
        findings
    }
}

/// Finds the paths of chosen elements: local names, `[n]` where the parent has several of that name.
struct Paths<'t> {
    text: &'t str,
    /// Offsets of the elements, rising.
    wanted: &'t [Offset],
    next: usize,
    open: Vec<Open<'t>>,
    nodes: Vec<Node<'t>>,
    found: Vec<usize>,
}

struct Open<'t> {
    name: &'t str,
    position: u32,
    node: Option<usize>,
    /// Children so far by name, and the node of the first of each if it has one.
    children: HashMap<&'t str, (u32, Option<usize>), foldhash::fast::RandomState>,
}

struct Node<'t> {
    parent: Option<usize>,
    name: &'t str,
    position: u32,
    several: bool,
}

impl<'t> Paths<'t> {
    fn find(text: &'t str, limits: &Limits, wanted: &'t [Offset]) -> Vec<String> {
        let mut paths =
            Self { text, wanted, next: 0, open: Vec::new(), nodes: Vec::new(), found: Vec::new() };
        // A fault of layer `xml` ends both readings at the same place, after everything that is wanted.
        drop(xml::read(text, limits, &mut paths));
        paths.found.iter().map(|node| paths.path(*node)).collect()
    }

    fn path(&self, node: usize) -> String {
        let mut steps = Vec::new();
        let mut here = Some(node);
        while let Some(node) = here.and_then(|at| self.nodes.get(at)) {
            steps.push(node);
            here = node.parent;
        }
        let mut path = String::new();
        for node in steps.into_iter().rev() {
            path.push('/');
            path.push_str(shown(node.name));
            if node.several {
                path.push_str(&format!("[{}]", node.position));
            }
        }
        path
    }

    /// Makes nodes of all open elements that are none yet.
    fn keep(&mut self) {
        let mut parent: Option<usize> = None;
        for depth in 0..self.open.len() {
            let Some(open) = self.open.get_mut(depth) else { return };
            let (name, position) = (open.name, open.position);
            let node = *open.node.get_or_insert(self.nodes.len());
            if node == self.nodes.len() {
                self.nodes.push(Node { parent, name, position, several: position > 1 });
                let around = depth.checked_sub(1).and_then(|d| self.open.get_mut(d));
                if let (1, Some((_, first))) = (position, around.and_then(|o| o.children.get_mut(name))) {
                    *first = Some(node);
                }
            }
            parent = Some(node);
        }
        self.found.extend(parent);
    }
}

impl Handler for Paths<'_> {
    fn start(&mut self, element: &Element<'_>) {
        let end = element.offset + 1 + element.name.len();
        let name = self.text.get(end - element.local.len()..end).unwrap_or_default();
        let mut position = 1;
        if let Some(parent) = self.open.last_mut() {
            let (count, first) = parent.children.entry(name).or_default();
            *count += 1;
            position = *count;
            if let Some(first) = first.filter(|_| position == 2).and_then(|at| self.nodes.get_mut(at)) {
                first.several = true;
            }
        }
        self.open.push(Open { name, position, node: None, children: HashMap::default() });
        if self.wanted.get(self.next) == Some(&element.offset) {
            self.next += 1;
            self.keep();
        }
    }

    fn text(&mut self, _text: &str, _at: Offset) {}

    fn end(&mut self, _at: Offset) {
        self.open.pop();
    }
}
