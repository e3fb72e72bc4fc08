//! What a fault is called, and how the validator goes on after it.
//!
//! An element that cannot stand here is taken for the likeliest mistake:
//! - it could come later, after elements that must come first: those are missing. The automaton moves on to
//!   where it fits, and what was stepped over is not reported again if it turns up late;
//! - it has the right name in a wrong namespace: it is taken for the right one, but not looked into;
//! - anything else: it is one too many. The automaton stays, and the next thing missing is not reported,
//!   since the stranger probably stood for it.
//!
//! A stray element is still checked by its own declaration if one can be found.

use super::identity::Trouble;
use super::report::shown;
use super::{Broken, Found, Frame, Inside, Type, Validator};
use crate::finding::{Code, Finding};
use crate::schema::automaton::{Edge, StateId};
use crate::schema::compiled::{Attribute, Content};
use crate::schema::datatypes::Fault;
use crate::schema::names::{Symbol, UNKNOWN};
use crate::xml::{Attribute as Given, Element, Offset};
use std::collections::{BTreeSet, VecDeque};

/// Names and codes listed in one finding.
const LISTED: usize = 12;

/// A way onwards through an automaton to a step on some name.
struct Onward {
    edge: Edge,
    /// Elements that must come first, at least.
    missing: usize,
    /// What could have come on the way.
    passed: BTreeSet<Symbol>,
}

impl<'a> Validator<'a> {
    pub(super) fn unknown_root(&mut self, element: &Element<'_>) -> Found {
        let local = shown(element.local);
        self.report.add(element.offset, element.offset, || {
            Finding::new(
                Code::UnknownRoot,
                format!("No schema declares the document element {local} in its namespace."),
                "Check the namespace of the document element, or have its schema added.",
            )
        });
        Found::Skip
    }

    pub(super) fn unexpected(&mut self, element: &Element<'_>, symbol: Symbol) -> Found {
        let Some(frame) = self.frames.last().copied() else { return Found::Skip };
        let Some(type_) = self.set.type_(frame.type_) else { return Found::Skip };
        let declared = self.declared_in(type_, symbol).or_else(|| self.set.global_element(symbol));
        let found = declared.map_or(Found::Skip, Found::Declared);
        if self.report.is_full() {
            self.stray(element, &frame, type_, declared.is_some());
            return found;
        }
        let depth = self.frames.len();
        if let Content::Elements { .. } = type_.content {
            if let Some(edge) = self.set.automata.step(frame.state, symbol).copied() {
                return self.miscounted(element, &frame, edge);
            }
            if self.passed.contains(&(depth, symbol)) {
                return found;
            }
            if let Some(onward) = self.onward(frame.state, symbol) {
                let excused = frame.stuck && onward.missing == 1;
                self.move_to(onward.edge);
                self.passed.extend(onward.passed.iter().map(|s| (depth, *s)));
                if !excused {
                    self.missing_before(element, &frame);
                }
                return Found::Declared(onward.edge.element);
            }
            let namesake = |e: &&Edge| self.set.names.local(e.symbol) == element.local;
            if let Some(edge) = self.set.automata.edges(frame.state).iter().find(namesake).copied() {
                self.move_to(edge);
                self.wrong_namespace(element, edge);
                return Found::Skip;
            }
        }
        self.stray(element, &frame, type_, declared.is_some());
        if let Some(frame) = self.frames.last_mut() {
            frame.stuck = true;
        }
        found
    }

    fn move_to(&mut self, edge: Edge) {
        if let Some(frame) = self.frames.last_mut() {
            frame.state = edge.target;
            (frame.counter, frame.count) = (edge.counter, 1);
            frame.stuck = false;
        }
    }

    /// The declaration that a type has for a name, wherever in its content.
    fn declared_in(&self, type_: &Type, symbol: Symbol) -> Option<u32> {
        if symbol == UNKNOWN {
            return None;
        }
        match &type_.content {
            Content::Elements { states, .. } => (states.0..states.1)
                .find_map(|state| self.set.automata.step(state, symbol))
                .map(|edge| edge.element),
            Content::All(all) => all.members.iter().find(|(s, ..)| *s == symbol).map(|(.., id)| *id),
            Content::Text(_) => None,
        }
    }

    /// The shortest way from a state to a step on this name.
    fn onward(&self, from: StateId, symbol: Symbol) -> Option<Onward> {
        let automata = &self.set.automata;
        let mut seen = BTreeSet::from([from]);
        let mut queue = VecDeque::from([(from, 0)]);
        let mut passed = BTreeSet::new();
        while let Some((state, missing)) = queue.pop_front() {
            if let Some(edge) = automata.step(state, symbol) {
                passed.remove(&symbol);
                return Some(Onward { edge: *edge, missing, passed });
            }
            passed.extend(automata.edges(state).iter().map(|e| e.symbol));
            let targets = automata.edges(state).iter().map(|e| e.target);
            for target in targets.chain(automata.wild(state).iter().map(|w| w.target)) {
                if seen.insert(target) {
                    queue.push_back((target, missing + 1));
                }
            }
        }
        None
    }

    /// How many elements must at least come before the content can end.
    fn missing_to_end(&self, from: StateId) -> usize {
        let automata = &self.set.automata;
        let mut seen = BTreeSet::from([from]);
        let mut queue = VecDeque::from([(from, 0)]);
        while let Some((state, missing)) = queue.pop_front() {
            if automata.accepting(state) {
                return missing;
            }
            let targets = automata.edges(state).iter().map(|e| e.target);
            for target in targets.chain(automata.wild(state).iter().map(|w| w.target)) {
                if seen.insert(target) {
                    queue.push_back((target, missing + 1));
                }
            }
        }
        usize::MAX
    }

    /// Too many or too few of a counted element.
    fn miscounted(&mut self, element: &Element<'_>, frame: &Frame, edge: Edge) -> Found {
        let counters = &self.set.automata.counters;
        let local = shown(element.local);
        if edge.counter == frame.counter {
            let most = counters.get(edge.counter as usize).map_or(0, |(_, most)| *most);
            self.report.add(element.offset, element.offset, || {
                Finding::new(
                    Code::UnexpectedElement,
                    format!("{local} stands here more often than {most} times."),
                    "Leave out the elements that are too many.",
                )
            });
        } else {
            let least = counters.get(frame.counter as usize).map_or(0, |(least, _)| *least);
            let count = frame.count;
            self.move_to(edge);
            self.report.add(element.offset, element.offset, || {
                Finding::new(
                    Code::MissingElement,
                    format!(
                        "The element before {local} stands {count} times; at least {least} are required."
                    ),
                    "Add the elements that are missing.",
                )
            });
        }
        Found::Declared(edge.element)
    }

    fn missing_before(&mut self, element: &Element<'_>, frame: &Frame) {
        let (local, expected) = (shown(element.local), self.expected(frame));
        self.report.add(element.offset, element.offset, || {
            let finding = Finding::new(
                Code::MissingElement,
                format!("{local} stands here, but an element that must come before it is missing."),
                "Add the missing element, or put the elements in the order of the schema.",
            );
            with(finding, expected)
        });
    }

    fn wrong_namespace(&mut self, element: &Element<'_>, edge: Edge) {
        let names = &self.set.names;
        let uri = names.uri(names.namespace_of(edge.symbol));
        let local = shown(element.local);
        self.report.add(element.offset, element.offset, || {
            let right = if uri.is_empty() { "no namespace".to_owned() } else { format!("namespace {uri}") };
            Finding::new(
                Code::UnexpectedElement,
                format!("{local} stands here in a wrong namespace."),
                "Put the element, and what it holds, in the namespace of the schema.",
            )
            .expecting(format!("{local} in {right}"))
        });
    }

    /// An element that is one too many.
    fn stray(&mut self, element: &Element<'_>, frame: &Frame, type_: &Type, known: bool) {
        let local = shown(element.local);
        let inside = self.declared_in(type_, self.symbol_of(element)).is_some();
        let expected = (!self.report.is_full()).then(|| self.expected(frame)).flatten();
        self.report.add(element.offset, element.offset, || {
            let (message, remedy) = if inside {
                (
                    format!("{local} cannot stand here: it comes too often or in the wrong place."),
                    "Leave the element out, or move it to where the schema has it.",
                )
            } else if known {
                (
                    format!("{local} cannot stand here."),
                    "Leave the element out, or move it to where the schema has it.",
                )
            } else {
                (
                    format!("{local} is not an element that can stand here."),
                    "Leave the element out, or correct its name.",
                )
            };
            with(Finding::new(Code::UnexpectedElement, message, remedy), expected)
        });
    }

    fn symbol_of(&self, element: &Element<'_>) -> Symbol {
        let namespace = self.set.names.namespace(element.uri(element.namespace));
        self.set.names.symbol(namespace, element.local)
    }

    /// What may come next inside an element.
    fn expected(&self, frame: &Frame) -> Option<String> {
        let type_ = self.set.type_(frame.type_)?;
        let (names, any) = match &type_.content {
            Content::Elements { .. } => {
                let edges = self.set.automata.edges(frame.state).iter();
                let names: Vec<Symbol> =
                    edges.filter(|e| !self.is_abstract(e.element)).map(|e| e.symbol).collect();
                (names, !self.set.automata.wild(frame.state).is_empty())
            }
            Content::All(all) => {
                let left = all
                    .members
                    .iter()
                    .filter(|(_, bit, id)| frame.seen >> bit & 1 == 0 && !self.is_abstract(*id));
                (left.map(|(symbol, ..)| *symbol).collect(), false)
            }
            Content::Text(_) => return None,
        };
        let mut shown: Vec<&str> = Vec::new();
        for name in names.iter().map(|s| self.set.names.local(*s)) {
            if !shown.contains(&name) {
                shown.push(name);
            }
        }
        let more = shown.len().saturating_sub(LISTED);
        let mut text = shown.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
        if more > 0 {
            text.push_str(&format!(" or {more} others"));
        }
        match (any, text.is_empty()) {
            (true, true) => Some("an element of another schema".to_owned()),
            (true, false) => Some(format!("{text} or an element of another schema")),
            (false, true) => Some("no further element".to_owned()),
            (false, false) => Some(text),
        }
    }

    fn is_abstract(&self, element: u32) -> bool {
        self.set.element(element).is_some_and(|d| d.abstract_)
    }

    /// An element where only text, or nothing, may stand.
    pub(super) fn child_of_text(&mut self, element: &Element<'_>, symbol: Symbol) -> Found {
        let Some(frame) = self.frames.last_mut() else { return Found::Skip };
        let told = std::mem::replace(&mut frame.spoilt, true);
        let nothing = frame.inside == Inside::Nothing;
        let local = shown(element.local);
        if !told {
            self.report.add(element.offset, element.offset, || {
                let around = if nothing { "must be empty" } else { "holds text only" };
                Finding::new(
                    Code::UnexpectedElement,
                    format!("{local} cannot stand here: the element around it {around}."),
                    "Leave the element out.",
                )
            });
        }
        self.set.global_element(symbol).map_or(Found::Skip, Found::Declared)
    }

    /// An element ends before all that it must hold has come.
    pub(super) fn incomplete(&mut self, frame: &Frame) {
        if frame.stuck && frame.inside == Inside::Elements && self.missing_to_end(frame.state) == 1 {
            return;
        }
        let expected = if self.report.is_full() { None } else { self.expected(frame) };
        let local = self.local_at(frame.offset);
        self.report.add(frame.offset, frame.offset, || {
            let finding = Finding::new(
                Code::MissingElement,
                format!("{local} ends before all that it must hold has come."),
                "Add the missing element.",
            );
            with(finding, expected)
        });
    }

    /// The local name of the element whose start tag begins here.
    fn local_at(&self, offset: Offset) -> &'a str {
        let name = self.text.get(offset + 1..).unwrap_or_default();
        let end = name.find([' ', '\t', '\r', '\n', '/', '>']).unwrap_or(name.len());
        let name = name.get(..end).unwrap_or_default();
        shown(name.split_once(':').map_or(name, |(_, local)| local))
    }

    pub(super) fn undeclared(&mut self, element: &Element<'_>) {
        let local = shown(element.local);
        self.report.add(element.offset, element.offset, || {
            Finding::new(
                Code::UnknownDeclaration,
                format!(
                    "{local} must be declared to stand here, and no schema declares it in its namespace."
                ),
                "Check the namespace, or have the schema of this content added.",
            )
        });
    }

    pub(super) fn abstract_(&mut self, element: &Element<'_>, type_: &Type, by_element: bool) {
        let local = shown(element.local);
        let name = type_.name.as_deref().unwrap_or_default();
        self.report.add(element.offset, element.offset, || {
            if by_element {
                Finding::new(
                    Code::TypeNotAllowed,
                    format!("{local} is abstract and cannot stand in a document itself."),
                    "Use one of the elements that stand for it.",
                )
            } else {
                Finding::new(
                    Code::TypeNotAllowed,
                    format!("The type {name} of {local} is abstract."),
                    "Say with xsi:type which of the types derived from it is meant.",
                )
            }
        });
    }

    pub(super) fn unexpected_text(&mut self, at: Offset) {
        let Some(frame) = self.frames.last_mut() else { return };
        frame.text_told = true;
        let (offset, nothing) = (frame.offset, frame.inside == Inside::Nothing);
        let local = self.local_at(offset);
        self.report.add(offset, at, || {
            if nothing {
                Finding::new(
                    Code::UnexpectedText,
                    format!("{local} must be empty, without even a blank or a line end."),
                    "Remove everything between the tags of the element.",
                )
            } else {
                Finding::new(
                    Code::UnexpectedText,
                    format!("Text stands directly in {local}, which holds elements only."),
                    "Remove the text, or put it in the element meant for it.",
                )
            }
        });
    }

    pub(super) fn invalid_value(&mut self, frame: &Frame, fault: &Fault<'_>) {
        let local = self.local_at(frame.offset);
        self.report.add(frame.offset, frame.offset, || value_finding(&format!("{local}: "), fault));
    }

    pub(super) fn invalid_attribute(&mut self, element: &Element<'_>, given: &Given<'_>, fault: &Fault<'_>) {
        let what = format!("Attribute {} of {}: ", shown(given.local), shown(element.local));
        self.report.add(element.offset, given.offset, || value_finding(&what, fault));
    }

    pub(super) fn not_fixed(&mut self, frame: &Frame, fixed: &str) {
        let local = self.local_at(frame.offset);
        self.report.add(frame.offset, frame.offset, || {
            Finding::new(
                Code::FixedValue,
                format!("{local} has a value other than the fixed one."),
                "Give the element its fixed value.",
            )
            .expecting(format!("{fixed:?}"))
        });
    }

    /// Mixed content with a fixed value: that text and no elements.
    pub(super) fn mixed_fixed(&mut self, frame: &Frame, fixed: &str) {
        let buffer = std::mem::take(&mut self.buffer);
        let written = match self.held {
            super::Held::Nothing => "",
            super::Held::Slice(start, length) => self.text.get(start..start + length).unwrap_or_default(),
            super::Held::Buffer => &buffer,
        };
        if frame.has_children || frame.has_text && written != fixed {
            self.not_fixed(frame, fixed);
        }
        self.held = super::Held::Nothing;
        self.buffer = buffer;
    }

    pub(super) fn unexpected_attribute(&mut self, element: &Element<'_>, given: &Given<'_>, type_: &Type) {
        let (local, around) = (shown(given.local), shown(element.local));
        let names: Vec<&str> =
            type_.attributes.iter().map(|a| self.set.names.local(a.symbol)).take(LISTED).collect();
        self.report.add(element.offset, given.offset, || {
            let finding = Finding::new(
                Code::UnexpectedAttribute,
                format!("{around} has no attribute {local}."),
                "Leave the attribute out, or correct its name.",
            );
            let expected = if names.is_empty() { "no attribute".to_owned() } else { names.join(", ") };
            finding.expecting(expected)
        });
    }

    pub(super) fn undeclared_attribute(&mut self, element: &Element<'_>, given: &Given<'_>) {
        let (local, around) = (shown(given.local), shown(element.local));
        self.report.add(element.offset, given.offset, || {
            Finding::new(
                Code::UnknownDeclaration,
                format!("The attribute {local} of {around} must be declared, and no schema declares it."),
                "Leave the attribute out, or have its schema added.",
            )
        });
    }

    pub(super) fn missing_attribute(&mut self, element: &Element<'_>, attribute: &Attribute) {
        let around = shown(element.local);
        let local = self.set.names.local(attribute.symbol);
        self.report.add(element.offset, element.offset, || {
            Finding::new(
                Code::MissingAttribute,
                format!("The attribute {local} of {around} is missing."),
                "Add the attribute.",
            )
            .expecting(format!("{local}, {}", attribute.simple.checks.expectation()))
        });
    }

    pub(super) fn broken_constraints(&mut self) {
        let broken: Vec<Broken> = std::mem::take(&mut self.broken);
        for (trouble, symbol, offset) in broken {
            let name = self.set.names.local(symbol);
            let local = self.local_at(offset);
            self.report.add(offset, offset, || {
                let (message, remedy) = match trouble {
                    Trouble::Incomplete => (
                        format!("{local} lacks a part of its key {name}."),
                        "Give the element all parts of its key.",
                    ),
                    Trouble::Repeated => (
                        format!("{local} repeats the key {name} of an earlier element."),
                        "Give every element a key of its own.",
                    ),
                    Trouble::Dangling => (
                        format!("{local} refers by {name} to something that is not in the document."),
                        "Refer to an element that is there.",
                    ),
                    Trouble::Ambiguous => (
                        format!("A part of the key {name} of {local} stands more than once."),
                        "Give each part of the key once.",
                    ),
                };
                Finding::new(Code::Identity, message, remedy)
            });
        }
    }
}

fn with(finding: Finding, expected: Option<String>) -> Finding {
    match expected {
        Some(expected) => finding.expecting(expected),
        None => finding,
    }
}

fn value_finding(what: &str, fault: &Fault<'_>) -> Finding {
    Finding::new(Code::InvalidValue, format!("{what}{fault}"), fault.remedy()).expecting(fault.expected())
}
