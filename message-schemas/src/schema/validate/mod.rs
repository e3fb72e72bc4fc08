//! A document against a compiled set: one pass over events, no tree, no recursion.
//!
//! Every open element is a frame on a stack; a frame of a valid document costs no allocation. After a fault
//! the validator goes on as if the sender had meant the likeliest thing (see `recover`), so that one
//! mistake gives one finding and all mistakes come in one go.

mod identity;
mod recover;
mod report;
mod text;
mod xsi;

use super::automaton::Automata;
use super::compiled::{ANY_TYPE, Attribute, Compiled, Content, ElementId, Type, TypeId};
use super::datatypes::{Identifies, Prefixes, Value};
use super::model::Process;
use super::names::{NO_NAMESPACE, NamespaceId, Symbol, UNKNOWN, XSI_NAMESPACE};
use crate::finding::{Code, Finding, Findings};
use crate::limits::Limits;
use crate::xml::{Attribute as Given, Element, Handler, Namespace, Offset};
use identity::{Broken, Name, Tracker};
use report::{Report, shown};
use std::collections::HashSet;

/// The verdict of a schema set on one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaVerdict {
    /// The document is valid: nothing was found.
    pub valid: bool,
    /// What was found, in document order, as far as the cap allows.
    pub findings: Findings,
}

/// Checks one document as its events come; see [`SchemaSet::validator`](super::SchemaSet::validator).
pub struct Validator<'a> {
    set: &'a Compiled,
    text: &'a str,
    limits: Limits,
    /// The set's number of each namespace of the document.
    namespaces: Vec<NamespaceId>,
    frames: Vec<Frame>,
    /// Depth inside an element that is not looked at.
    skipping: usize,
    held: Held,
    buffer: String,
    report: Report,
    ids: HashSet<Box<str>, foldhash::fast::RandomState>,
    idrefs: Vec<(Box<str>, Offset)>,
    tracker: Tracker,
    /// Names of the open elements, while the tracker needs them.
    path: Vec<Name>,
    broken: Vec<Broken>,
    /// Elements that a recovery stepped over, with the depth of their parent.
    passed: Vec<(usize, Symbol)>,
    /// Prefixes in scope of the open element whose text is a QName.
    prefixes: Vec<(String, String)>,
}

impl std::fmt::Debug for Validator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Validator").field("depth", &self.frames.len()).finish_non_exhaustive()
    }
}

/// An open element.
#[derive(Debug, Clone, Copy)]
struct Frame {
    offset: Offset,
    /// Its declaration, or [`UNKNOWN`].
    element: ElementId,
    type_: TypeId,
    inside: Inside,
    /// The state of its content automaton.
    state: u32,
    /// The counter that the last child turned, or [`UNKNOWN`], and how far.
    counter: u32,
    count: u32,
    /// The members of its `xs:all` that have come.
    seen: u64,
    /// Its text is kept, for its type or for a key.
    keeps_text: bool,
    has_text: bool,
    has_children: bool,
    /// A finding on its text was made already.
    text_told: bool,
    /// An element that cannot stand here was met since the last step of the automaton.
    stuck: bool,
    /// Its value or content is not to be judged at its end.
    spoilt: bool,
}

/// What may stand inside an open element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Elements,
    All,
    Text,
    /// Nothing at all, not even white space: it is nil, or its type has no content.
    Nothing,
}

/// The text of the open element that keeps it.
#[derive(Debug, Clone, Copy)]
enum Held {
    Nothing,
    /// Bytes of the document itself.
    Slice(Offset, usize),
    /// In the buffer, put together from pieces.
    Buffer,
}

/// What is known of an element before its attributes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Declared(ElementId),
    /// A wildcard met it that asks for nothing more.
    Lax,
    /// A wildcard met it that asks for a declaration, or at least an `xsi:type`.
    Strict,
    /// Not to be looked at, nor anything inside it.
    Skip,
}

struct Bindings<'b>(&'b [(String, String)]);

impl Prefixes for Bindings<'_> {
    fn namespace(&self, prefix: &str) -> Option<&str> {
        self.0.iter().rev().find(|(p, _)| p == prefix).map(|(_, uri)| uri.as_str())
    }
}

/// Not yet asked for.
const UNASKED: NamespaceId = UNKNOWN - 1;

impl<'a> Validator<'a> {
    pub(super) fn new(set: &'a Compiled, text: &'a str, limits: &Limits) -> Self {
        Self {
            set,
            text,
            limits: *limits,
            namespaces: vec![NO_NAMESPACE],
            frames: Vec::with_capacity(24),
            skipping: 0,
            held: Held::Nothing,
            buffer: String::new(),
            report: Report::new(limits.findings),
            ids: HashSet::default(),
            idrefs: Vec::new(),
            tracker: Tracker::default(),
            path: Vec::new(),
            broken: Vec::new(),
            passed: Vec::new(),
            prefixes: Vec::new(),
        }
    }

    /// The verdict, once the document has been read to its end.
    #[must_use]
    pub fn finish(mut self) -> SchemaVerdict {
        //= XML Schema Part 1 (second edition) §3.3.4
        //# Validation Rule: Validation Root Valid (ID/IDREF)
        for (id, offset) in std::mem::take(&mut self.idrefs) {
            if !self.ids.contains(&id) {
                self.report.add(offset, offset, || {
                    Finding::new(
                        Code::Identity,
                        "A reference names an ID that no element of the document has.",
                        "Refer to an ID that stands in the same document.",
                    )
                });
            }
        }
        let valid = self.report.is_empty();
        SchemaVerdict { valid, findings: self.report.finish(self.text, &self.limits) }
    }

    #[inline]
    fn namespace(&mut self, element: &Element<'_>, namespace: Namespace) -> NamespaceId {
        if let Some(&known) = self.namespaces.get(namespace.0 as usize)
            && known != UNASKED
        {
            return known;
        }
        let id = self.set.names.namespace(element.uri(namespace));
        let at = namespace.0 as usize;
        if self.namespaces.len() <= at {
            self.namespaces.resize(at + 1, UNASKED);
        }
        if let Some(slot) = self.namespaces.get_mut(at) {
            *slot = id;
        }
        id
    }

    /// Where an element stands in its parent's content.
    fn place(&mut self, element: &Element<'_>, symbol: Symbol, namespace: NamespaceId) -> Found {
        let set = self.set;
        let Some(parent) = self.frames.last_mut() else {
            return match set.global_element(symbol) {
                Some(id) => Found::Declared(id),
                None => self.unknown_root(element),
            };
        };
        parent.has_children = true;
        match parent.inside {
            Inside::Elements => {
                if let Some(edge) = set.automata.step(parent.state, symbol) {
                    if parent.turn(&set.automata, edge.counter) {
                        parent.state = edge.target;
                        return Found::Declared(edge.element);
                    }
                } else if let Some(edge) =
                    set.automata.wild(parent.state).iter().find(|w| w.test.allows(namespace))
                    && parent.turn(&set.automata, edge.counter)
                {
                    parent.state = edge.target;
                    return match (edge.process, set.global_element(symbol)) {
                        (Process::Skip, _) => Found::Skip,
                        (Process::Strict | Process::Lax, Some(id)) => Found::Declared(id),
                        (Process::Lax, None) => Found::Lax,
                        (Process::Strict, None) => Found::Strict,
                    };
                }
                self.unexpected(element, symbol)
            }
            Inside::All => {
                if let Some(Type { content: Content::All(all), .. }) = set.type_(parent.type_)
                    && let Some((_, bit, id)) = all.members.iter().find(|(s, ..)| *s == symbol)
                    && parent.seen >> bit & 1 == 0
                {
                    parent.seen |= 1 << bit;
                    return Found::Declared(*id);
                }
                self.unexpected(element, symbol)
            }
            Inside::Text | Inside::Nothing => self.child_of_text(element, symbol),
        }
    }

    /// An element begins whose place is known: its type, its attributes, its frame.
    fn open(&mut self, element: &Element<'_>, found: Found, name: Name) {
        let set = self.set;
        let declaration = match found {
            Found::Declared(id) => set.element(id),
            Found::Lax | Found::Strict => None,
            Found::Skip => {
                self.skipping = 1;
                return;
            }
        };
        let mut xsi_type = None;
        let mut xsi_nil = None;
        for attribute in element.attributes {
            if attribute.namespace != Namespace::NONE
                && self.namespace(element, attribute.namespace) == XSI_NAMESPACE
            {
                match attribute.local {
                    "type" => xsi_type = Some(attribute),
                    "nil" => xsi_nil = Some(attribute),
                    _ => {}
                }
            }
        }
        if found == Found::Strict && xsi_type.is_none() {
            self.undeclared(element);
            self.skipping = 1;
            return;
        }
        let mut type_id = declaration.map_or(ANY_TYPE, |d| d.type_);
        if let Some(given) = xsi_type {
            type_id = self.given_type(element, given, declaration, type_id);
        }
        let Some(type_) = set.type_(type_id) else { return };
        if declaration.is_some_and(|d| d.abstract_) || type_.abstract_ {
            self.abstract_(element, type_, declaration.is_some_and(|d| d.abstract_));
        }
        let mut frame = Frame {
            offset: element.offset,
            element: if let Found::Declared(id) = found { id } else { UNKNOWN },
            type_: type_id,
            inside: Inside::Text,
            state: 0,
            counter: UNKNOWN,
            count: 0,
            seen: 0,
            keeps_text: declaration.is_some_and(|d| d.fixed.is_some()),
            has_text: false,
            has_children: false,
            text_told: false,
            stuck: false,
            spoilt: false,
        };
        match &type_.content {
            Content::Elements { start, .. } => {
                frame.state = *start;
                let empty = !type_.mixed && set.automata.is_end(*start);
                frame.inside = if empty { Inside::Nothing } else { Inside::Elements };
            }
            Content::All(_) => frame.inside = Inside::All,
            Content::Text(simple) => {
                frame.keeps_text |= !simple.checks.takes_anything() || simple.identifies.is_some();
                if simple.is_name {
                    self.prefixes =
                        element.bindings().map(|(prefix, uri)| (prefix.to_owned(), uri.to_owned())).collect();
                }
            }
        }
        if let Some(given) = xsi_nil
            && self.nil(element, given, declaration)
        {
            frame.inside = Inside::Nothing;
        }
        let identities = declaration.map_or(&[][..], |d| &d.identities);
        let tracked = self.tracker.active() || !identities.is_empty();
        if tracked {
            if self.path.len() < self.frames.len() {
                self.path.resize(self.frames.len(), (UNKNOWN, UNKNOWN));
            }
            self.path.truncate(self.frames.len());
            self.path.push(name);
            let wanted = self.tracker.start(set, &self.path, element.offset, identities, &mut self.broken);
            frame.keeps_text |= wanted;
        }
        self.attributes(element, type_, tracked);
        if frame.keeps_text {
            self.held = Held::Nothing;
        }
        self.frames.push(frame);
    }

    fn attributes(&mut self, element: &Element<'_>, type_: &'a Type, tracked: bool) {
        let mut seen = 0_u128;
        for given in element.attributes {
            let namespace = if given.namespace == Namespace::NONE {
                NO_NAMESPACE
            } else {
                self.namespace(element, given.namespace)
            };
            if namespace == XSI_NAMESPACE
                && matches!(given.local, "type" | "nil" | "schemaLocation" | "noNamespaceSchemaLocation")
            {
                continue;
            }
            let symbol = self.set.names.symbol(namespace, given.local);
            let declared = type_.attributes.iter().position(|a| a.symbol == symbol && symbol != UNKNOWN);
            if let Some((at, attribute)) = declared.and_then(|at| Some((at, type_.attributes.get(at)?))) {
                seen |= 1 << at;
                self.attribute(element, given, attribute, (symbol, namespace), tracked);
                continue;
            }
            match &type_.any_attribute {
                Some((test, process)) if test.allows(namespace) => {
                    match (process, self.set.global_attribute(symbol)) {
                        (Process::Skip, _) | (Process::Lax, None) => {}
                        (Process::Strict | Process::Lax, Some(attribute)) => {
                            self.attribute(element, given, attribute, (symbol, namespace), tracked);
                        }
                        (Process::Strict, None) => self.undeclared_attribute(element, given),
                    }
                }
                Some(_) | None => self.unexpected_attribute(element, given, type_),
            }
        }
        if type_.required & !seen != 0 {
            for (_, attribute) in absent(type_, seen).filter(|(_, a)| a.required) {
                self.missing_attribute(element, attribute);
            }
        }
        if tracked {
            for (_, attribute) in absent(type_, seen) {
                if let Some(value) = attribute.fixed.as_ref().or(attribute.default.as_ref()) {
                    let name = (attribute.symbol, self.set.names.namespace_of(attribute.symbol));
                    let value = || attribute.simple.checks.value(value, None).map(Value::into_owned);
                    self.tracker.attribute(self.set, &self.path, name, value);
                }
            }
        }
    }

    fn attribute(
        &mut self,
        element: &Element<'_>,
        given: &Given<'_>,
        attribute: &'a Attribute,
        name: Name,
        tracked: bool,
    ) {
        let simple = &attribute.simple;
        if let Err(fault) = simple.checks.check(&given.value, Some(element)) {
            self.invalid_attribute(element, given, &fault);
            return;
        }
        if let Some(fixed) = &attribute.fixed
            && !simple.checks.same(&given.value, fixed, Some(element))
        {
            self.report.add(element.offset, given.offset, || {
                Finding::new(
                    Code::FixedValue,
                    format!("The attribute {} has a value other than the fixed one.", shown(given.local)),
                    "Leave the attribute out, or give it the fixed value.",
                )
                .expecting(format!("{fixed:?}"))
            });
        }
        if let Some(identifies) = simple.identifies {
            self.identifies(identifies, &given.value, element.offset, given.offset);
        }
        if tracked {
            let value = || simple.checks.value(&given.value, Some(element)).map(Value::into_owned);
            self.tracker.attribute(self.set, &self.path, name, value);
        }
    }

    fn identifies(&mut self, identifies: Identifies, value: &str, element: Offset, at: Offset) {
        match identifies {
            Identifies::Itself => {
                if !self.ids.insert(value.trim().into()) {
                    self.report.add(element, at, || {
                        Finding::new(
                            Code::Identity,
                            "An ID stands twice in the document.",
                            "Give every element an ID of its own.",
                        )
                    });
                }
            }
            Identifies::Another | Identifies::Others => {
                self.idrefs.extend(value.split_ascii_whitespace().map(|id| (id.into(), element)));
            }
        }
    }

    fn close(&mut self, frame: &Frame) {
        let set = self.set;
        let Some(type_) = set.type_(frame.type_) else { return };
        let declaration = set.element(frame.element);
        match (&type_.content, frame.inside) {
            (_, Inside::Nothing) => {}
            (Content::Elements { .. }, _) => {
                let counted = set.automata.counters.get(frame.counter as usize);
                if !set.automata.accepting(frame.state)
                    || counted.is_some_and(|(least, _)| frame.count < *least)
                {
                    self.incomplete(frame);
                }
                if let Some(fixed) = declaration.and_then(|d| d.fixed.as_deref()) {
                    self.mixed_fixed(frame, fixed);
                }
            }
            (Content::All(all), _) => {
                if all.required & !frame.seen != 0 && !(all.optional && frame.seen == 0) {
                    self.incomplete(frame);
                }
            }
            (Content::Text(simple), _) => {
                if !frame.spoilt {
                    self.value(frame, simple, declaration);
                }
            }
        }
    }
}

/// The attributes of a type that did not come.
fn absent(type_: &Type, seen: u128) -> impl Iterator<Item = (usize, &Attribute)> {
    type_.attributes.iter().enumerate().filter(move |(at, _)| seen >> at & 1 == 0)
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
}

impl Frame {
    /// Takes a step that turns this counter (or none); false if a count forbids it.
    #[inline]
    fn turn(&mut self, automata: &Automata, counter: u32) -> bool {
        if self.counter == UNKNOWN && counter == UNKNOWN {
            self.stuck = false;
            return true;
        }
        if counter == self.counter {
            let most = automata.counters.get(counter as usize).map_or(u32::MAX, |(_, most)| *most);
            if self.count >= most {
                return false;
            }
            self.count += 1;
        } else {
            let least = automata.counters.get(self.counter as usize).map_or(0, |(least, _)| *least);
            if self.count < least {
                return false;
            }
            (self.counter, self.count) = (counter, 1);
        }
        self.stuck = false;
        true
    }
}

impl Handler for Validator<'_> {
    fn start(&mut self, element: &Element<'_>) {
        if self.skipping > 0 {
            self.skipping += 1;
            return;
        }
        let namespace = self.namespace(element, element.namespace);
        let symbol = self.set.names.symbol(namespace, element.local);
        let found = self.place(element, symbol, namespace);
        self.open(element, found, (symbol, namespace));
    }

    fn text(&mut self, text: &str, at: Offset) {
        if self.skipping > 0 || text.is_empty() {
            return;
        }
        let Some(frame) = self.frames.last_mut() else { return };
        match frame.inside {
            Inside::Elements | Inside::All => {
                let Some(type_) = self.set.type_(frame.type_) else { return };
                if type_.mixed {
                    frame.has_text = true;
                    if frame.keeps_text {
                        self.hold(text, at);
                    }
                } else if !frame.text_told && !is_blank(text) {
                    self.unexpected_text(at);
                }
            }
            Inside::Text => {
                frame.has_text = true;
                if frame.keeps_text {
                    self.hold(text, at);
                }
            }
            Inside::Nothing => {
                if !frame.text_told {
                    self.unexpected_text(at);
                }
            }
        }
    }

    fn end(&mut self, _at: Offset) {
        if self.skipping > 0 {
            self.skipping -= 1;
            return;
        }
        let Some(frame) = self.frames.pop() else { return };
        self.close(&frame);
        let depth = self.frames.len();
        if self.tracker.active() {
            self.tracker.value(depth, || None);
            self.tracker.end(self.set, depth, &mut self.broken);
            self.path.truncate(depth);
        }
        if !self.broken.is_empty() {
            self.broken_constraints();
        }
        while self.passed.pop_if(|(parent, _)| *parent > depth).is_some() {}
    }
}
