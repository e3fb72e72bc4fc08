//! What became of each piece of the source, and which source each resource came from.
//!
//! Reading takes values with their node; writing marks the node when it puts the value somewhere. What
//! carries text or an attribute and was never marked is found afterwards, shown in the narrative as it is,
//! and reported as unread: so nothing is lost in silence, and a field that the writer forgets shows itself.
//! Marks are a side table by node number; paths are made only when someone asks.

use super::plain::is_plain;
use crate::time::Written;
use crate::xml::{Node, Tree};
use foldhash::{HashMap, HashMapExt};
use serde::Serialize;
use uuid::Uuid;

/// What became of a piece of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nowhere; the reason says why.
    Dropped,
    /// In the text of the document only.
    Narrative,
    /// In an element of a resource (and in the text, where it is clinical).
    Mapped,
}

/// One line of the loss report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The element or attribute: absolute, local names, positions where needed.
    pub path: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Where it went, or why it went nowhere.
    pub reason: &'static str,
}

/// The reason of what no table knows: elements that the standard does not have, or has elsewhere.
pub const UNREAD: &str = "not read; shown as it is under Annet innhold";
/// The reason of what even the narrative has no room for.
pub const UNREAD_MANY: &str = "not read; too many such elements to show";

/// Parts of an element that can carry something.
pub(super) mod part {
    pub(in crate::document) const TEXT: u8 = 1;
    pub(in crate::document) const V: u8 = 2;
    pub(in crate::document) const S: u8 = 4;
    pub(in crate::document) const DN: u8 = 8;
    pub(in crate::document) const OT: u8 = 16;
    pub(in crate::document) const U: u8 = 32;
    pub(in crate::document) const OTHER: u8 = 64;
    pub(in crate::document) const ALL: u8 = 127;
}

fn part_of(namespace: &str, attribute: &str) -> u8 {
    if !namespace.is_empty() {
        return part::OTHER;
    }
    match attribute {
        "V" => part::V,
        "S" => part::S,
        "DN" => part::DN,
        "OT" => part::OT,
        "U" => part::U,
        _ => part::OTHER,
    }
}

/// What became of one element. Four bytes, because each node of the source has one for as long as its document is kept.
#[derive(Debug, Clone, Copy)]
struct Mark {
    parts: u8,
    outcome: Outcome,
    /// Number among the reasons of the document.
    reason: u16,
}

const UNMARKED: Mark = Mark { parts: 0, outcome: Outcome::Dropped, reason: 0 };

/// The reasons that a document's marks have, by number; all are words of ours, so there are few.
#[derive(Debug, Clone, Default)]
struct Reasons(Vec<&'static str>);

impl Reasons {
    fn number(&mut self, reason: &'static str) -> u16 {
        // The same words may lie in two places of the program, and then have two numbers.
        let known = self.0.iter().rposition(|known| std::ptr::eq(*known, reason));
        let at = known.unwrap_or_else(|| {
            self.0.push(reason);
            self.0.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    fn words(&self, number: u16) -> &'static str {
        self.0.get(usize::from(number)).copied().unwrap_or(UNREAD)
    }
}

/// The marks of one document, and the resources it was told of.
#[derive(Debug, Clone)]
pub struct Coverage {
    /// Node number of the document element's part that this document is of; marks begin there.
    base: usize,
    marks: Vec<Mark>,
    reasons: Reasons,
    /// Envelope elements around it.
    envelope: Vec<(usize, Mark)>,
    /// True if this document answers for the rest of the envelope too.
    whole_envelope: bool,
    /// Node number of the envelope.
    around: usize,
    /// The resources, each with where its path ends in `paths`; it begins where the one before it ends.
    trace: Vec<(Uuid, usize)>,
    paths: String,
    /// Single attributes that the text tells, by node number: name and section. The others of the element are left out.
    told: HashMap<usize, (&'static str, &'static str)>,
    /// Elements whose text stays and whose attributes do not, by node number: why.
    without_attributes: HashMap<usize, &'static str>,
}

impl Coverage {
    /// For the subtree at `body` inside `envelope`.
    pub(super) fn new(body: Node<'_>, envelope: Node<'_>, whole_envelope: bool) -> Self {
        let size = body.descendants().count();
        Self {
            base: body.id(),
            marks: vec![UNMARKED; size],
            reasons: Reasons::default(),
            envelope: Vec::new(),
            whole_envelope,
            around: envelope.id(),
            trace: Vec::new(),
            paths: String::new(),
            told: HashMap::new(),
            without_attributes: HashMap::new(),
        }
    }

    /// Marks parts of an element. What is both mapped and told counts as mapped.
    pub(super) fn mark(&mut self, node: Node<'_>, parts: u8, outcome: Outcome, reason: &'static str) {
        let reason = self.reasons.number(reason);
        let Some(mark) = self.mark_of_mut(node.id()) else { return };
        if mark.parts == 0 || outcome > mark.outcome {
            mark.outcome = outcome;
            mark.reason = reason;
        }
        mark.parts |= parts;
    }

    /// The attributes of an element that is otherwise kept are left out.
    pub(super) fn drop_attributes(&mut self, node: Node<'_>, reason: &'static str) {
        self.without_attributes.insert(node.id(), reason);
    }

    /// One attribute of an element is told, whatever becomes of its others.
    pub(super) fn tell_attribute(&mut self, node: Node<'_>, name: &'static str, section: &'static str) {
        self.told.insert(node.id(), (name, section));
    }

    fn mark_of_mut(&mut self, id: usize) -> Option<&mut Mark> {
        if let Some(at) = id.checked_sub(self.base).filter(|at| *at < self.marks.len()) {
            return self.marks.get_mut(at);
        }
        let at = self.envelope.iter().position(|(n, _)| *n == id).unwrap_or_else(|| {
            self.envelope.push((id, UNMARKED));
            self.envelope.len() - 1
        });
        self.envelope.get_mut(at).map(|(_, mark)| mark)
    }

    /// Marks everything at and below a node.
    pub(super) fn mark_all(&mut self, node: Node<'_>, outcome: Outcome, reason: &'static str) {
        for below in node.descendants().filter(|n| n.is_element()) {
            self.mark(below, part::ALL, outcome, reason);
        }
    }

    /// Remembers which node a resource came from.
    pub(super) fn trace(&mut self, id: Uuid, path: &str) {
        self.paths.push_str(path);
        self.trace.push((id, self.paths.len()));
    }

    /// The resources of the document (`fullUrl` without `urn:uuid:`) and the source path of each.
    pub fn resources(&self) -> impl Iterator<Item = (Uuid, &str)> {
        let mut from = 0;
        self.trace.iter().map(move |(id, to)| {
            let path = self.paths.get(from..*to).unwrap_or_default();
            from = *to;
            (*id, path)
        })
    }

    fn mark_of(&self, id: usize) -> Option<&Mark> {
        match id.checked_sub(self.base).and_then(|at| self.marks.get(at)) {
            Some(mark) => Some(mark),
            None => self.envelope.iter().find(|(n, _)| *n == id).map(|(_, mark)| mark),
        }
    }

    /// Those of these nodes, in document order, that this document answers for.
    fn scope<'t, I>(&self, tree: &'t Tree, nodes: I) -> impl Iterator<Item = Node<'t>> + use<'t, I>
    where
        I: Iterator<Item = Node<'t>>,
    {
        let (base, end) = (self.base, self.base + self.marks.len());
        let around = self.around;
        let named: Vec<usize> = self.envelope.iter().map(|(id, _)| *id).collect();
        let whole = self.whole_envelope;
        let body = tree.nodes().nth(base).map_or("", Node::name);
        let mut skip_below: Option<usize> = None;
        nodes.filter(move |n| {
            let id = n.id();
            if (base..end).contains(&id) {
                return n.is_element();
            }
            if !n.is_element() {
                return false;
            }
            if !whole {
                return named.contains(&id);
            }
            // Siblings of the same name are the bodies of other documents.
            if let Some(top) = skip_below {
                if n.parent().is_some_and(|p| p.id() >= top) {
                    return false;
                }
                skip_below = None;
            }
            if n.name() == body && n.parent().is_some_and(|p| p.id() == around) {
                skip_below = Some(id);
                return false;
            }
            true
        })
    }

    /// Elements with parts that nobody marked: the node and the parts.
    pub(super) fn unread<'t>(&self, body: Node<'t>, tree: &'t Tree) -> Vec<(Node<'t>, u8)> {
        let mut found = Vec::new();
        let judge = |node: Node<'t>| {
            let missing = carried(node, !self.mark_of(node.id()).map_or(0, |m| m.parts));
            (missing != 0).then_some((node, missing))
        };
        if self.whole_envelope {
            let end = self.base + self.marks.len();
            let outside = tree.nodes().take(self.base).chain(tree.nodes().skip(end));
            found.extend(self.scope(tree, outside).filter_map(judge));
        } else {
            found.extend(self.envelope.iter().filter_map(|(id, _)| tree.nodes().nth(*id)).filter_map(judge));
        }
        let outside = found.len();
        for (node, mark) in body.descendants().zip(&self.marks) {
            if node.is_element() {
                let missing = carried_by_attributes(node, !mark.parts);
                if missing != 0 {
                    found.push((node, missing));
                }
            } else if !is_blank(node.own_text())
                && let Some(around) = node.parent()
                && self.mark_of(around.id()).is_none_or(|mark| mark.parts & part::TEXT == 0)
            {
                found.push((around, part::TEXT));
            }
        }
        // Mostly nothing. A text comes behind what stands in front of it within its element.
        if let Some(inside) = found.get_mut(outside..) {
            inside.sort_by_key(|(node, _)| node.id());
        }
        found.dedup_by(|(later, parts), (node, all)| {
            let same = later == node;
            *all |= if same { *parts } else { 0 };
            same
        });
        found
    }

    /// One line for each element text and each attribute of the source, in document order. `tree` is the
    /// tree that was translated.
    #[must_use]
    pub fn lines(&self, tree: &Tree) -> Vec<Line> {
        let mut paths = Paths::default();
        let mut lines = Vec::new();
        for node in self.scope(tree, tree.nodes()) {
            let carried = carried(node, part::ALL);
            if carried == 0 {
                continue;
            }
            let mark = self.mark_of(node.id()).copied().unwrap_or(UNMARKED);
            let bare = self.without_attributes.get(&node.id()).copied();
            let judged = |part: u8| {
                if mark.parts & part == 0 {
                    (Outcome::Dropped, UNREAD_MANY)
                } else if let Some(reason) = bare.filter(|_| part != part::TEXT) {
                    (Outcome::Dropped, reason)
                } else {
                    (mark.outcome, self.reasons.words(mark.reason))
                }
            };
            let path = paths.of(node);
            for (namespace, name, value) in node.attributes() {
                if !value.trim().is_empty() {
                    let told = self.told.get(&node.id()).filter(|(told, _)| *told == name);
                    let (outcome, reason) = match told {
                        Some((_, section)) => (Outcome::Narrative, *section),
                        None => judged(part_of(namespace, name)),
                    };
                    lines.push(Line { path: format!("{path}/@{name}"), outcome, reason });
                }
            }
            if carried & part::TEXT != 0 {
                let (outcome, reason) = judged(part::TEXT);
                lines.push(Line { path, outcome, reason });
            }
        }
        lines
    }
}

/// The parts of an element, of those that are asked for, that have something in them.
fn carried(node: Node<'_>, asked: u8) -> u8 {
    let mut parts = carried_by_attributes(node, asked);
    if asked & part::TEXT != 0 && node.children().any(|n| !is_blank(n.own_text())) {
        parts |= part::TEXT;
    }
    parts
}

fn carried_by_attributes(node: Node<'_>, asked: u8) -> u8 {
    let mut parts = 0;
    for (namespace, name, value) in node.attributes() {
        let part = part_of(namespace, name) & asked;
        if part != 0 && !is_blank(value) {
            parts |= part;
        }
    }
    parts
}

/// True of white space alone, which most texts between elements are.
fn is_blank(text: &str) -> bool {
    if text.bytes().next().is_some_and(|b| b.is_ascii_graphic()) {
        return false;
    }
    // What was read as XML has no other character below the blank than those that are white space too.
    is_plain(text.as_bytes(), |b| b > b' ') || text.trim_start().is_empty()
}

/// Absolute XPaths by the rule of document-sharing §2.1, each parent's children counted once only.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// By node number: 0 unknown, 1 the only one of its name, n + 1 the nth.
    positions: Vec<u32>,
    /// The element around the one that was asked for last, by node number, and its path: siblings follow one another.
    around: Option<(usize, String)>,
}

impl Paths {
    /// Writes the path of an element behind what is in `out`.
    pub(super) fn write(&mut self, node: Node<'_>, out: &mut String) {
        if let Some(parent) = node.parent() {
            let known = self.around.take().filter(|(id, _)| *id == parent.id());
            let around = known.unwrap_or_else(|| (parent.id(), self.steps_to(parent)));
            out.push_str(&around.1);
            self.around = Some(around);
        }
        self.step(node, out);
    }

    fn steps_to(&mut self, node: Node<'_>) -> String {
        let mut steps: smallvec::SmallVec<[Node<'_>; 16]> = smallvec::SmallVec::new();
        steps.extend(std::iter::successors(Some(node), |n| n.parent()));
        let mut path = String::with_capacity(48);
        steps.into_iter().rev().for_each(|step| self.step(step, &mut path));
        path
    }

    fn step(&mut self, node: Node<'_>, out: &mut String) {
        out.push('/');
        out.push_str(node.name());
        let position = self.position(node);
        if position > 1 {
            out.push('[');
            out.push_str(Written::new().digits(position - 1).as_str());
            out.push(']');
        }
    }

    /// The path of an element.
    pub(super) fn of(&mut self, node: Node<'_>) -> String {
        let mut path = String::with_capacity(48);
        self.write(node, &mut path);
        path
    }

    fn position(&mut self, node: Node<'_>) -> u32 {
        let Some(parent) = node.parent() else { return 1 };
        let known = self.positions.get(node.id()).copied().unwrap_or(0);
        if known > 0 {
            return known;
        }
        let mut seen: HashMap<&str, (usize, u32)> = HashMap::new();
        for child in parent.elements() {
            let (first, count) = seen.entry(child.name()).or_insert((child.id(), 0));
            *count += 1;
            match *count {
                1 => self.keep(child.id(), 1),
                2 => {
                    // So the first is not the only one.
                    self.keep(*first, 2);
                    self.keep(child.id(), 3);
                }
                nth => self.keep(child.id(), nth + 1),
            }
        }
        self.positions.get(node.id()).copied().unwrap_or(1)
    }

    fn keep(&mut self, id: usize, position: u32) {
        if self.positions.len() <= id {
            self.positions.resize(id + 1, 0);
        }
        if let Some(slot) = self.positions.get_mut(id) {
            *slot = position;
        }
    }
}
