//! Content models as deterministic automata.
//!
//! An expression becomes positions (Glushkov), positions become states by the subset construction. A lawful
//! content model (Unique Particle Attribution) gives one state for each set of things that may come next;
//! an unlawful one gives a few more and is tolerated: of two declarations for one name the first counts.
//! Small occurrence counts are written out. A single element or wildcard with a large one becomes one
//! position with a counter; where a counter would be ambiguous, or a counted group too large to write out,
//! the model is refused.

use super::names::{NamespaceId, Symbol, UNKNOWN};
use std::collections::{BTreeMap, HashMap};

/// Occurrences up to this number are written out.
const WRITTEN_OUT: u32 = 64;
/// Most positions and states of one content model.
pub(super) const MOST_STATES: usize = 10_000;
/// Most entries in the follow sets of one content model.
const MOST_FOLLOWS: usize = 2_000_000;

/// A state, by its number among all states of the set.
pub(super) type StateId = u32;

/// A content model, references resolved.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    /// One element or wildcard, by index among the leaves.
    Leaf(usize),
    /// One after the other; nothing at all if empty.
    Sequence(Vec<Self>),
    /// One of them; nothing can match an empty one.
    Choice(Vec<Self>),
    /// Several times.
    Repeat(Box<Self>, u32, Option<u32>),
}

/// What one position matches.
#[derive(Debug, Clone)]
pub(super) enum Leaf {
    /// An element and what may stand for it, each with its declaration.
    Elements(Vec<(Symbol, u32)>),
    /// A wildcard.
    Any(NamespaceTest, super::model::Process),
}

/// A set of namespaces or the complement of one. Namespaces that no schema names are only in complements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamespaceTest {
    pub(super) all_but: bool,
    pub(super) list: Box<[NamespaceId]>,
}

impl NamespaceTest {
    #[inline]
    pub(super) fn allows(&self, namespace: NamespaceId) -> bool {
        self.list.contains(&namespace) != self.all_but
    }
}

/// All automata of a set.
#[derive(Debug, Default)]
pub(super) struct Automata {
    pub(super) states: Vec<State>,
    pub(super) edges: Vec<Edge>,
    pub(super) wild: Vec<WildEdge>,
    /// Least and most times in a row.
    pub(super) counters: Vec<(u32, u32)>,
}

/// A state: what may come next, and whether all may end here.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    edges: (u32, u32),
    wild: (u32, u32),
    pub(super) accepting: bool,
}

/// A step on an element by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) symbol: Symbol,
    pub(super) target: StateId,
    /// The element's declaration.
    pub(super) element: u32,
    /// Index of a counter, or [`UNKNOWN`].
    pub(super) counter: u32,
}

/// A step on any element of certain namespaces. Those of one state do not overlap.
#[derive(Debug, Clone)]
pub(super) struct WildEdge {
    pub(super) test: NamespaceTest,
    pub(super) process: super::model::Process,
    pub(super) target: StateId,
    pub(super) counter: u32,
}

impl Automata {
    /// The named steps from a state, by symbol.
    #[inline]
    pub(super) fn edges(&self, id: StateId) -> &[Edge] {
        let Some(state) = self.states.get(id as usize) else { return &[] };
        self.edges.get(state.edges.0 as usize..state.edges.1 as usize).unwrap_or_default()
    }

    /// The wildcard steps from a state.
    pub(super) fn wild(&self, id: StateId) -> &[WildEdge] {
        let Some(state) = self.states.get(id as usize) else { return &[] };
        self.wild.get(state.wild.0 as usize..state.wild.1 as usize).unwrap_or_default()
    }

    pub(super) fn accepting(&self, id: StateId) -> bool {
        self.states.get(id as usize).is_some_and(|s| s.accepting)
    }

    /// Nothing can come next.
    #[inline]
    pub(super) fn is_end(&self, id: StateId) -> bool {
        self.states
            .get(id as usize)
            .is_some_and(|s| s.edges.0 == s.edges.1 && s.wild.0 == s.wild.1 && s.accepting)
    }

    /// The step from a state on this name.
    #[inline]
    pub(super) fn step(&self, id: StateId, symbol: Symbol) -> Option<&Edge> {
        if symbol == UNKNOWN {
            return None;
        }
        let edges = self.edges(id);
        if edges.len() <= 12 {
            return edges.iter().find(|e| e.symbol == symbol);
        }
        edges.binary_search_by_key(&symbol, |e| e.symbol).ok().and_then(|at| edges.get(at))
    }

    /// Adds the automaton of a content model and gives its first state; none if it would be too large.
    pub(super) fn add(&mut self, expr: &Expr, leaves: &[Leaf]) -> Option<StateId> {
        let mut builder =
            Positions { leaves: Vec::new(), follow: Vec::new(), counted: Vec::new(), follows: 0 };
        let whole = builder.build(expr)?;
        for (position, follow) in builder.follow.iter_mut().enumerate() {
            follow.sort_unstable();
            follow.dedup();
            let itself = u32::try_from(position).ok()?;
            if builder.counted.get(position).is_some_and(Option::is_some) {
                // A run of this element could be counted as one or as two.
                if follow.binary_search(&itself).is_ok() {
                    return None;
                }
                follow.push(itself);
                follow.sort_unstable();
            }
        }
        let mut last = vec![false; builder.leaves.len()];
        for position in &whole.last {
            *last.get_mut(*position as usize)? = true;
        }
        Subsets {
            automata: self,
            leaves,
            positions: &builder,
            last,
            numbers: HashMap::default(),
            counters: BTreeMap::new(),
            todo: Vec::new(),
        }
        .run(whole)
    }
}

#[derive(Debug, Clone, Default)]
struct Fragment {
    nullable: bool,
    first: Vec<u32>,
    last: Vec<u32>,
}

struct Positions {
    /// The leaf of each position.
    leaves: Vec<usize>,
    follow: Vec<Vec<u32>>,
    counted: Vec<Option<(u32, u32)>>,
    follows: usize,
}

impl Positions {
    fn position(&mut self, leaf: usize, counted: Option<(u32, u32)>) -> Option<Fragment> {
        if self.leaves.len() >= MOST_STATES {
            return None;
        }
        let position = u32::try_from(self.leaves.len()).ok()?;
        self.leaves.push(leaf);
        self.follow.push(Vec::new());
        self.counted.push(counted);
        Some(Fragment { nullable: false, first: vec![position], last: vec![position] })
    }

    fn connect(&mut self, from: &[u32], to: &[u32]) -> Option<()> {
        self.follows += from.len() * to.len();
        if self.follows > MOST_FOLLOWS {
            return None;
        }
        for position in from {
            self.follow.get_mut(*position as usize)?.extend_from_slice(to);
        }
        Some(())
    }

    fn then(&mut self, a: Fragment, b: Fragment) -> Option<Fragment> {
        self.connect(&a.last, &b.first)?;
        let mut out = Fragment { nullable: a.nullable && b.nullable, first: a.first, last: b.last };
        if a.nullable {
            out.first.extend(b.first);
        }
        if b.nullable {
            out.last.extend(a.last);
        }
        Some(out)
    }

    fn build(&mut self, expr: &Expr) -> Option<Fragment> {
        match expr {
            Expr::Leaf(leaf) => self.position(*leaf, None),
            Expr::Sequence(parts) => {
                let mut out = Fragment { nullable: true, ..Fragment::default() };
                for part in parts {
                    let next = self.build(part)?;
                    out = self.then(out, next)?;
                }
                Some(out)
            }
            Expr::Choice(parts) => {
                let mut out = Fragment::default();
                for part in parts {
                    let next = self.build(part)?;
                    out.nullable |= next.nullable;
                    out.first.extend(next.first);
                    out.last.extend(next.last);
                }
                Some(out)
            }
            Expr::Repeat(inner, min, max) => self.repeat(inner, *min, *max),
        }
    }

    fn repeat(&mut self, inner: &Expr, min: u32, max: Option<u32>) -> Option<Fragment> {
        let empty = Fragment { nullable: true, ..Fragment::default() };
        if max == Some(0) {
            return Some(empty);
        }
        if let (Expr::Leaf(leaf), true) = (inner, max.unwrap_or(min) > WRITTEN_OUT) {
            let mut out = self.position(*leaf, Some((min, max.unwrap_or(u32::MAX))))?;
            out.nullable = min == 0;
            return Some(out);
        }
        let mut out = match max {
            None => {
                let looped = self.build(inner)?;
                self.connect(&looped.last, &looped.first)?;
                Fragment { nullable: looped.nullable || min == 0, ..looped }
            }
            Some(max) => {
                let mut optional = empty;
                for _ in min..max {
                    let one = self.build(inner)?;
                    optional = self.then(one, optional)?;
                    optional.nullable = true;
                }
                optional
            }
        };
        let before = if max.is_none() { min.saturating_sub(1) } else { min };
        for _ in 0..before {
            let one = self.build(inner)?;
            out = self.then(one, out)?;
        }
        Some(out)
    }
}

/// What may come next, and whether the end may.
type Subset = (Vec<u32>, bool);

struct Subsets<'a> {
    automata: &'a mut Automata,
    leaves: &'a [Leaf],
    positions: &'a Positions,
    last: Vec<bool>,
    numbers: HashMap<Subset, StateId, foldhash::fast::FixedState>,
    /// Position to counter.
    counters: BTreeMap<u32, u32>,
    todo: Vec<Subset>,
}

impl Subsets<'_> {
    fn run(mut self, whole: Fragment) -> Option<StateId> {
        let base = self.automata.states.len();
        let mut first = whole.first;
        first.sort_unstable();
        first.dedup();
        let start = self.number((first, whole.nullable))?;
        let mut done = 0;
        while let Some((next, accepting)) = self.todo.get(done).cloned() {
            done += 1;
            self.fill(base + done - 1, &next, accepting)?;
        }
        Some(start)
    }

    /// The number of a state; its edges come later.
    fn number(&mut self, subset: Subset) -> Option<StateId> {
        if let Some(&known) = self.numbers.get(&subset) {
            return Some(known);
        }
        if self.todo.len() >= MOST_STATES {
            return None;
        }
        let id = u32::try_from(self.automata.states.len()).ok()?;
        self.automata.states.push(State { edges: (0, 0), wild: (0, 0), accepting: subset.1 });
        self.numbers.insert(subset.clone(), id);
        self.todo.push(subset);
        Some(id)
    }

    fn leaf(&self, position: u32) -> Option<&Leaf> {
        self.leaves.get(*self.positions.leaves.get(position as usize)?)
    }

    fn fill(&mut self, state: usize, next: &[u32], accepting: bool) -> Option<()> {
        let mut named: BTreeMap<Symbol, (u32, Vec<u32>)> = BTreeMap::new();
        let mut wildcards: Vec<(NamespaceTest, super::model::Process, u32)> = Vec::new();
        for &position in next {
            match self.leaf(position)? {
                Leaf::Elements(elements) => {
                    for &(symbol, element) in elements {
                        named.entry(symbol).or_insert((element, Vec::new())).1.push(position);
                    }
                }
                Leaf::Any(test, process) => wildcards.push((test.clone(), *process, position)),
            }
        }
        let mut edges = Vec::new();
        for (symbol, (element, positions)) in named {
            let (target, counter) = self.target(&positions)?;
            edges.push(Edge { symbol, target, element, counter });
        }
        let mut wild = Vec::new();
        for (test, process, positions) in apart(wildcards) {
            let (target, counter) = self.target(&positions)?;
            wild.push(WildEdge { test, process, target, counter });
        }
        let from = u32::try_from(self.automata.edges.len()).ok()?;
        let wild_from = u32::try_from(self.automata.wild.len()).ok()?;
        self.automata.edges.extend(edges);
        self.automata.wild.extend(wild);
        let to = u32::try_from(self.automata.edges.len()).ok()?;
        let wild_to = u32::try_from(self.automata.wild.len()).ok()?;
        *self.automata.states.get_mut(state)? =
            State { edges: (from, to), wild: (wild_from, wild_to), accepting };
        Some(())
    }

    /// The state after any of these positions, and the counter that the step turns.
    fn target(&mut self, positions: &[u32]) -> Option<(StateId, u32)> {
        let mut next = Vec::new();
        let mut accepting = false;
        let mut counter = UNKNOWN;
        for &position in positions {
            next.extend_from_slice(self.positions.follow.get(position as usize)?);
            accepting |= *self.last.get(position as usize)?;
            if let Some(Some(bounds)) = self.positions.counted.get(position as usize) {
                if positions.len() > 1 {
                    return None;
                }
                counter = self.counter(position, *bounds)?;
            }
        }
        next.sort_unstable();
        next.dedup();
        Some((self.number((next, accepting))?, counter))
    }

    fn counter(&mut self, position: u32, bounds: (u32, u32)) -> Option<u32> {
        // One counter to a position, wherever it is stepped to from.
        if let Some(&known) = self.counters.get(&position) {
            return Some(known);
        }
        let id = u32::try_from(self.automata.counters.len()).ok()?;
        self.automata.counters.push(bounds);
        self.counters.insert(position, id);
        Some(id)
    }
}

type Wildcards<P> = Vec<(NamespaceTest, super::model::Process, P)>;

/// Makes overlapping wildcards of one state disjoint; of two ways to process, the first counts.
fn apart(wildcards: Wildcards<u32>) -> Wildcards<Vec<u32>> {
    if wildcards.len() < 2 {
        return wildcards.into_iter().map(|(test, process, p)| (test, process, vec![p])).collect();
    }
    let mut named: Vec<NamespaceId> = wildcards.iter().flat_map(|(t, ..)| t.list.iter().copied()).collect();
    named.sort_unstable();
    named.dedup();
    let all_others = NamespaceTest { all_but: true, list: named.clone().into() };
    let one = |id: NamespaceId| (id, NamespaceTest { all_but: false, list: [id].into() });
    named
        .into_iter()
        .map(one)
        .chain([(UNKNOWN, all_others)])
        .filter_map(|(id, test)| {
            let matching: Vec<_> = wildcards.iter().filter(|(t, ..)| t.allows(id)).collect();
            let process = matching.first()?.1;
            Some((test, process, matching.iter().map(|m| m.2).collect()))
        })
        .collect()
}
