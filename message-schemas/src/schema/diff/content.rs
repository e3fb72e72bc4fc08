//! Content models side by side: equal if they take the same sequences of elements.
//!
//! Both models become automata over element names (Glushkov's construction: one state a declared element),
//! which are then walked in step. Where they part, the report names the element whose occurrence differs,
//! or else the shortest sequence that only one of them takes.

use super::{Differ, parts};
use crate::schema::model::*;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

/// Bound on the states of one automaton; models that are larger are compared as written.
const MOST_POSITIONS: usize = 4_000;
/// Bound on the pairs of state sets walked.
const MOST_PAIRS: usize = 50_000;

/// What one element of a sequence is, as an automaton sees it.
type Label = String;

/// A content model as an automaton.
#[derive(Default)]
struct Automaton {
    labels: Vec<Label>,
    follow: Vec<BTreeSet<usize>>,
    first: BTreeSet<usize>,
    last: BTreeSet<usize>,
    nullable: bool,
}

/// First and last positions of a part, and whether it may be absent.
struct Part {
    first: BTreeSet<usize>,
    last: BTreeSet<usize>,
    nullable: bool,
}

impl Part {
    const fn empty() -> Self {
        Self { first: BTreeSet::new(), last: BTreeSet::new(), nullable: true }
    }
}

impl Automaton {
    fn of(model: &Model, particle: Option<&Particle>) -> Option<Self> {
        let mut out = Self::default();
        let part = match particle {
            Some(particle) => out.particle(model, particle, 0)?,
            None => Part::empty(),
        };
        (out.first, out.last, out.nullable) = (part.first, part.last, part.nullable);
        Some(out)
    }

    fn particle(&mut self, model: &Model, particle: &Particle, depth: usize) -> Option<Part> {
        if depth > 200 {
            return None;
        }
        let most = particle.max.unwrap_or_else(|| particle.min.max(1));
        let mut whole = Part::empty();
        let mut tail: Option<Part> = None;
        for round in 0..most {
            let mut part = self.term(model, &particle.term, depth)?;
            part.nullable |= round >= particle.min;
            if round + 1 == most && particle.max.is_none() {
                self.connect(&part.last, &part.first);
            }
            match &mut tail {
                None => tail = Some(part),
                Some(before) => {
                    let joined = self.join(std::mem::replace(before, Part::empty()), part);
                    *before = joined;
                }
            }
        }
        if let Some(part) = tail {
            whole = part;
        }
        Some(whole)
    }

    fn term(&mut self, model: &Model, term: &Term, depth: usize) -> Option<Part> {
        match term {
            Term::Local(element) => self.position(format!("{}", element.name)),
            Term::Element(name) => self.position(format!("{name}")),
            Term::Any(wildcard) => self.position(format!("any of {}", parts::wildcard(wildcard))),
            Term::NamedGroup(name) => self.group(model, &model.groups.get(name)?.group, depth),
            Term::Group(group) => self.group(model, group, depth),
        }
    }

    fn group(&mut self, model: &Model, group: &Group, depth: usize) -> Option<Part> {
        let mut whole: Option<Part> = None;
        for particle in &group.particles {
            let part = self.particle(model, particle, depth + 1)?;
            whole = Some(match (whole, group.order) {
                (None, _) => part,
                (Some(before), Order::Sequence) => self.join(before, part),
                (Some(mut before), Order::Choice) => {
                    before.first.extend(part.first);
                    before.last.extend(part.last);
                    before.nullable |= part.nullable;
                    before
                }
                // Any order: compared as written, not as an automaton.
                (Some(_), Order::All) => return None,
            });
        }
        // A choice of nothing takes nothing, not even the empty sequence.
        Some(whole.unwrap_or(Part { nullable: group.order != Order::Choice, ..Part::empty() }))
    }

    fn position(&mut self, label: Label) -> Option<Part> {
        if self.labels.len() >= MOST_POSITIONS {
            return None;
        }
        let at = self.labels.len();
        self.labels.push(label);
        self.follow.push(BTreeSet::new());
        Some(Part { first: BTreeSet::from([at]), last: BTreeSet::from([at]), nullable: false })
    }

    fn connect(&mut self, last: &BTreeSet<usize>, first: &BTreeSet<usize>) {
        for at in last {
            if let Some(follow) = self.follow.get_mut(*at) {
                follow.extend(first);
            }
        }
    }

    fn join(&mut self, mut before: Part, after: Part) -> Part {
        self.connect(&before.last, &after.first);
        if before.nullable {
            before.first.extend(&after.first);
        }
        let mut last = after.last;
        if after.nullable {
            last.extend(&before.last);
        }
        Part { first: before.first, last, nullable: before.nullable && after.nullable }
    }

    /// Where each label leads from a set of states; the start is `None`.
    fn steps(&self, from: Option<&BTreeSet<usize>>) -> BTreeMap<&str, BTreeSet<usize>> {
        let mut out: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        let mut add = |next: &BTreeSet<usize>| {
            for at in next {
                if let Some(label) = self.labels.get(*at) {
                    out.entry(label).or_default().insert(*at);
                }
            }
        };
        match from {
            None => add(&self.first),
            Some(set) => set.iter().filter_map(|at| self.follow.get(*at)).for_each(add),
        }
        out
    }

    fn ends(&self, at: Option<&BTreeSet<usize>>) -> bool {
        at.map_or(self.nullable, |set| !set.is_disjoint(&self.last))
    }
}

/// What two automata say differently.
enum Outcome {
    Equal,
    /// After this sequence, only one of them may go on in these ways (`end` is one of the ways).
    Parts {
        after: Vec<String>,
        first: Vec<String>,
        second: Vec<String>,
    },
    /// Too large to walk.
    Unknown,
}

type State = Option<BTreeSet<usize>>;

fn walk(a: &Automaton, b: &Automaton) -> Outcome {
    let mut seen: HashSet<(State, State)> = HashSet::from([(None, None)]);
    let mut todo: VecDeque<(State, State, Vec<String>)> = VecDeque::from([(None, None, Vec::new())]);
    while let Some((at_a, at_b, path)) = todo.pop_front() {
        let (steps_a, steps_b) = (a.steps(at_a.as_ref()), b.steps(at_b.as_ref()));
        let ways = |steps: &BTreeMap<&str, BTreeSet<usize>>, ends: bool| -> Vec<String> {
            steps.keys().map(|k| (*k).to_owned()).chain(ends.then(|| "the end".to_owned())).collect()
        };
        let first = ways(&steps_a, a.ends(at_a.as_ref()));
        let second = ways(&steps_b, b.ends(at_b.as_ref()));
        if first != second {
            return Outcome::Parts { after: path, first, second };
        }
        for (label, next_a) in steps_a {
            let Some(next_b) = steps_b.get(label) else { continue };
            let pair = (Some(next_a), Some(next_b.clone()));
            if seen.len() > MOST_PAIRS {
                return Outcome::Unknown;
            }
            if seen.insert(pair.clone()) {
                let mut path = path.clone();
                path.push(label.to_owned());
                todo.push_back((pair.0, pair.1, path));
            }
        }
    }
    Outcome::Equal
}

/// How often an element may stand in a content model.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Range {
    min: u64,
    max: Option<u64>,
}

impl Range {
    fn text(self) -> String {
        match self.max {
            Some(most) => format!("{}..{most}", self.min),
            None => format!("{}..*", self.min),
        }
    }
}

/// How often each element may stand, and where it is declared.
#[derive(Default)]
struct Census<'m> {
    ranges: BTreeMap<Label, Range>,
    locals: BTreeMap<Label, &'m Element>,
}

fn census<'m>(model: &'m Model, particle: Option<&'m Particle>) -> Census<'m> {
    let mut locals = BTreeMap::new();
    let ranges = particle.map(|p| count(model, p, &mut locals, 0)).unwrap_or_default();
    Census { ranges, locals }
}

fn count<'m>(
    model: &'m Model,
    particle: &'m Particle,
    locals: &mut BTreeMap<Label, &'m Element>,
    depth: usize,
) -> BTreeMap<Label, Range> {
    let once = Range { min: 1, max: Some(1) };
    let mut inside = match &particle.term {
        Term::Local(element) => {
            locals.insert(element.name.to_string(), element);
            BTreeMap::from([(element.name.to_string(), once)])
        }
        Term::Element(name) => BTreeMap::from([(name.to_string(), once)]),
        Term::Any(wildcard) => BTreeMap::from([(format!("any of {}", parts::wildcard(wildcard)), once)]),
        Term::Group(group) => count_group(model, group, locals, depth),
        Term::NamedGroup(name) => match model.groups.get(name).filter(|_| depth < 200) {
            Some(group) => count_group(model, &group.group, locals, depth),
            None => BTreeMap::new(),
        },
    };
    for range in inside.values_mut() {
        range.min = range.min.saturating_mul(u64::from(particle.min));
        range.max = match (range.max, particle.max) {
            (Some(a), Some(b)) => Some(a.saturating_mul(u64::from(b))),
            (None, _) | (_, None) => None,
        };
    }
    inside
}

fn count_group<'m>(
    model: &'m Model,
    group: &'m Group,
    locals: &mut BTreeMap<Label, &'m Element>,
    depth: usize,
) -> BTreeMap<Label, Range> {
    let choice = group.order == Order::Choice;
    let nothing = Range { min: 0, max: Some(0) };
    let mut out: BTreeMap<Label, Range> = BTreeMap::new();
    for (i, particle) in group.particles.iter().enumerate() {
        let part = count(model, particle, locals, depth + 1);
        if choice {
            for (label, range) in &mut out {
                if !part.contains_key(label) {
                    range.min = 0;
                }
            }
        }
        for (label, range) in part {
            let before = out.get(&label).copied();
            let merged = match (before, choice) {
                (None, false) => range,
                (None, true) if i == 0 => range,
                (None, true) => Range { min: 0, ..range },
                (Some(before), true) => Range {
                    min: before.min.min(range.min),
                    max: before.max.zip(range.max).map(|(a, b)| a.max(b)),
                },
                (Some(before), false) => Range {
                    min: before.min.saturating_add(range.min),
                    max: before.max.zip(range.max).map(|(a, b)| a.saturating_add(b)),
                },
            };
            out.insert(label, merged);
        }
    }
    out.retain(|_, range| *range != nothing);
    out
}

/// A content model written in one way only, for those that are too large for automata.
fn written(model: &Model, particle: &Particle, depth: usize) -> String {
    let term = match &particle.term {
        Term::Local(element) => element.name.to_string(),
        Term::Element(name) => name.to_string(),
        Term::Any(wildcard) => parts::wildcard(wildcard),
        Term::Group(group) => written_group(model, group, depth),
        Term::NamedGroup(name) => match model.groups.get(name).filter(|_| depth < 200) {
            Some(group) => written_group(model, &group.group, depth),
            None => name.to_string(),
        },
    };
    format!("{term}{{{},{}}}", particle.min, particle.max.map_or_else(String::new, |m| m.to_string()))
}

fn written_group(model: &Model, group: &Group, depth: usize) -> String {
    let mut inside: Vec<String> = group.particles.iter().map(|p| written(model, p, depth + 1)).collect();
    let sign = match group.order {
        Order::Sequence => ", ",
        Order::Choice => " | ",
        Order::All => " & ",
    };
    if group.order != Order::Sequence {
        inside.sort();
    }
    format!("({})", inside.join(sign))
}

impl<'m> Differ<'m> {
    pub(super) fn content(&mut self, a: Option<&'m Particle>, b: Option<&'m Particle>) {
        let (census_a, census_b) = (census(self.first, a), census(self.second, b));
        let outcome = match (Automaton::of(self.first, a), Automaton::of(self.second, b)) {
            (Some(a), Some(b)) => walk(&a, &b),
            (None, _) | (_, None) => Outcome::Unknown,
        };
        let outcome = match outcome {
            Outcome::Unknown => {
                let text =
                    |model: &Model, p: Option<&Particle>| p.map(|p| written(model, p, 0)).unwrap_or_default();
                match text(self.first, a) == text(self.second, b) {
                    true => Outcome::Equal,
                    false => Outcome::Unknown,
                }
            }
            Outcome::Equal | Outcome::Parts { .. } => outcome,
        };
        if !matches!(outcome, Outcome::Equal) && !self.occurrences(&census_a, &census_b) {
            match outcome {
                Outcome::Parts { after, first, second } => {
                    let place = match after.last() {
                        Some(_) => format!("what may follow {}", after.join(", ")),
                        None => "what may come first".to_owned(),
                    };
                    let only = |these: &[String], those: &[String]| {
                        let words: Vec<&str> =
                            these.iter().filter(|w| !those.contains(w)).map(String::as_str).collect();
                        (!words.is_empty()).then(|| words.join(" or "))
                    };
                    let (only_first, only_second) = (only(&first, &second), only(&second, &first));
                    self.report(place, only_first, only_second);
                }
                Outcome::Unknown => self.report("order or grouping of elements", None, None),
                Outcome::Equal => {}
            }
        }
        self.declarations(&census_a, &census_b);
    }

    /// Reports elements that stand in one model only or in another number; false if there are none.
    fn occurrences(&mut self, a: &Census<'m>, b: &Census<'m>) -> bool {
        let before = self.found.len();
        let labels: BTreeSet<&Label> = a.ranges.keys().chain(b.ranges.keys()).collect();
        for label in labels {
            let (first, second) = (a.ranges.get(label), b.ranges.get(label));
            if first != second {
                let (first, second) = (first.map(|r| r.text()), second.map(|r| r.text()));
                self.inside(format!("element {label}"), |d| d.report("occurrence", first, second));
            }
        }
        self.found.len() > before
    }

    /// Compares the local declarations that both models have.
    fn declarations(&mut self, a: &Census<'m>, b: &Census<'m>) {
        for (label, first) in &a.locals {
            if let Some(second) = b.locals.get(label) {
                self.inside(format!("element {label}"), |d| d.element(first, second));
            } else if b.ranges.contains_key(label) {
                self.inside(format!("element {label}"), |d| d.compare("declaration", "local", "global"));
            }
        }
        for label in b.locals.keys().filter(|l| !a.locals.contains_key(*l) && a.ranges.contains_key(*l)) {
            self.inside(format!("element {label}"), |d| d.compare("declaration", "global", "local"));
        }
    }
}
