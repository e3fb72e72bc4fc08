//! Keys, unique constraints and key references while a document streams by.
//!
//! A constraint is open from the start of the element that declares it to that element's end. Each element
//! that its selector reaches is *selected* until its own end, and gathers the values of its fields on the
//! way. Elements of schemas without such constraints never come here.

use crate::schema::compiled::{Compiled, Identity, IdentityKind, NameTest, Path};
use crate::schema::datatypes::Value;
use crate::schema::names::{NamespaceId, Symbol};
use crate::xml::Offset;
use std::collections::HashSet;

type Tuple = Box<[Value<'static>]>;
type Table = HashSet<Tuple, foldhash::fast::RandomState>;

/// The values of a key that is closed.
struct Closed {
    name: Symbol,
    /// The depth of the element to which they belong by now.
    depth: usize,
    /// That element declares the key itself.
    own: bool,
    table: Table,
}

/// An open constraint.
struct Scope {
    identity: u32,
    depth: usize,
    seen: Table,
    refers: Vec<(Tuple, Offset)>,
}

/// An element that an open constraint speaks of.
struct Selected {
    scope: usize,
    depth: usize,
    offset: Offset,
    values: Vec<Option<Value<'static>>>,
    twice: bool,
}

/// A field whose value is the text of an open element.
struct Waiting {
    depth: usize,
    selected: usize,
    field: usize,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A key without one of its fields.
    Incomplete,
    /// A key or unique value that stood before.
    Repeated,
    /// A reference to a key that is not there.
    Dangling,
    /// A field that stands twice.
    Ambiguous,
}

/// A broken constraint, by name, and the element that breaks it.
pub(super) type Broken = (Trouble, Symbol, Offset);

/// A name on the way from the document element: its symbol and namespace.
pub(super) type Name = (Symbol, NamespaceId);

/// All open constraints of a document.
#[derive(Default)]
pub(super) struct Tracker {
    scopes: Vec<Scope>,
    selected: Vec<Selected>,
    waiting: Vec<Waiting>,
    /// Values of closed keys that references may ask for.
    closed: Vec<Closed>,
}

impl Tracker {
    /// Whether any constraint is open.
    pub(super) fn active(&self) -> bool {
        !self.scopes.is_empty() || !self.closed.is_empty()
    }

    /// An element begins, the last of `path`, which declares these constraints. True if its text is a field.
    pub(super) fn start(
        &mut self,
        set: &Compiled,
        path: &[Name],
        offset: Offset,
        declared: &[u32],
        broken: &mut Vec<Broken>,
    ) -> bool {
        let depth = path.len() - 1;
        for &identity in declared {
            self.scopes.push(Scope { identity, depth, seen: Table::default(), refers: Vec::new() });
        }
        for (number, scope) in self.scopes.iter().enumerate() {
            let Some(identity) = set.identities.get(scope.identity as usize) else { continue };
            if identity.selector.iter().any(|p| reaches(p, path, scope.depth)) {
                let values = vec![None; identity.fields.len()];
                self.selected.push(Selected { scope: number, depth, offset, values, twice: false });
            }
        }
        let mut wanted = false;
        for number in 0..self.selected.len() {
            let Some((identity, base)) = self.identity_of(set, number) else { continue };
            for (field, paths) in identity.fields.iter().enumerate() {
                if paths.iter().any(|p| p.attribute.is_none() && reaches(p, path, base)) {
                    let Some(selected) = self.selected.get_mut(number) else { continue };
                    let again = selected.values.get(field).is_some_and(Option::is_some)
                        || self.waiting.iter().any(|w| w.selected == number && w.field == field);
                    if again && !selected.twice {
                        selected.twice = true;
                        broken.push((Trouble::Ambiguous, identity.symbol, offset));
                    }
                    self.waiting.push(Waiting { depth, selected: number, field });
                    wanted = true;
                }
            }
        }
        wanted
    }

    fn identity_of<'s>(&self, set: &'s Compiled, selected: usize) -> Option<(&'s Identity, usize)> {
        let selected = self.selected.get(selected)?;
        let scope = self.scopes.get(selected.scope)?;
        Some((set.identities.get(scope.identity as usize)?, selected.depth))
    }

    /// The element last started has this attribute.
    pub(super) fn attribute(
        &mut self,
        set: &Compiled,
        path: &[Name],
        name: Name,
        value: impl Fn() -> Option<Value<'static>>,
    ) {
        for number in 0..self.selected.len() {
            let Some((identity, base)) = self.identity_of(set, number) else { continue };
            for (field, paths) in identity.fields.iter().enumerate() {
                let hit = paths
                    .iter()
                    .any(|p| p.attribute.is_some_and(|t| names(t, name)) && reaches(p, path, base));
                if let Some(slot) =
                    self.selected.get_mut(number).filter(|_| hit).and_then(|s| s.values.get_mut(field))
                {
                    *slot = value();
                }
            }
        }
    }

    /// The element at this depth ends with this value; none if it has none (nil, or not of its type).
    pub(super) fn value(&mut self, depth: usize, value: impl Fn() -> Option<Value<'static>>) {
        while let Some(Waiting { selected, field, .. }) = self.waiting.pop_if(|w| w.depth >= depth) {
            if let Some(slot) = self.selected.get_mut(selected).and_then(|s| s.values.get_mut(field)) {
                *slot = value();
            }
        }
    }

    /// The element at this depth ends.
    pub(super) fn end(&mut self, set: &Compiled, depth: usize, broken: &mut Vec<Broken>) {
        while let Some(done) = self.selected.pop_if(|s| s.depth >= depth) {
            let Some(scope) = self.scopes.get_mut(done.scope) else { continue };
            let Some(identity) = set.identities.get(scope.identity as usize) else { continue };
            let Some(tuple) = done.values.into_iter().collect::<Option<Tuple>>() else {
                if identity.kind == IdentityKind::Key && !done.twice {
                    broken.push((Trouble::Incomplete, identity.symbol, done.offset));
                }
                continue;
            };
            if let IdentityKind::KeyRef(_) = identity.kind {
                scope.refers.push((tuple, done.offset));
            } else if !scope.seen.insert(tuple) {
                broken.push((Trouble::Repeated, identity.symbol, done.offset));
            }
        }
        let mut references = Vec::new();
        while let Some(scope) = self.scopes.pop_if(|s| s.depth >= depth) {
            let Some(identity) = set.identities.get(scope.identity as usize) else { continue };
            if let IdentityKind::KeyRef(refer) = identity.kind {
                references.push((refer, identity.symbol, scope.refers));
            } else if identity.referred {
                self.closed.push(Closed { name: identity.symbol, depth, own: true, table: scope.seen });
            }
        }
        let below = self.tables_below(depth);
        //= XML Schema Part 1 (second edition) §3.11.4
        //# there is a node table associated with the {referenced key} in the [identity-constraint table] of the
        //# element information item (see Identity-constraint Table), and some entry in it
        for (refer, symbol, refers) in references {
            let table = below.iter().find(|(name, _)| *name == refer).map(|(_, table)| table);
            for (tuple, offset) in refers {
                if !table.is_some_and(|t| t.contains(&tuple)) {
                    broken.push((Trouble::Dangling, symbol, offset));
                }
            }
        }
        // What belongs to this element belongs to the one around it from now on, not to its siblings.
        if let Some(around) = depth.checked_sub(1) {
            self.closed.extend(below.into_iter().map(|(name, table)| Closed {
                name,
                depth: around,
                own: false,
                table,
            }));
        }
    }

    /// Takes the tables of the element at this depth, one for each name, its children's put together.
    fn tables_below(&mut self, depth: usize) -> Vec<(Symbol, Table)> {
        let mut parts: Vec<(Symbol, Vec<Table>, Table)> = Vec::new();
        while let Some(closed) = self.closed.pop_if(|c| c.depth >= depth) {
            let at = parts.iter().position(|(name, ..)| *name == closed.name).unwrap_or_else(|| {
                parts.push((closed.name, Vec::new(), Table::default()));
                parts.len() - 1
            });
            let Some((_, children, own)) = parts.get_mut(at) else { continue };
            if closed.own {
                *own = closed.table;
            } else {
                children.push(closed.table);
            }
        }
        parts.into_iter().map(|(name, children, own)| (name, together(children, own))).collect()
    }
}

//= XML Schema Part 1 (second edition) §3.11.5
//# all the entries in the node tables of the children, except those whose key-sequence stands for different nodes;
//# entries of the element's own constraint come before them
fn together(mut children: Vec<Table>, own: Table) -> Table {
    let mut table = children.pop().unwrap_or_default();
    if !children.is_empty() {
        let mut twice = Table::default();
        for tuple in children.into_iter().flatten() {
            if table.contains(&tuple) {
                twice.insert(tuple);
            } else {
                table.insert(tuple);
            }
        }
        table.retain(|tuple| !twice.contains(tuple));
    }
    table.extend(own);
    table
}

/// Whether a path leads from the element at depth `base` to the last of `path`.
fn reaches(test: &Path, path: &[Name], base: usize) -> bool {
    let below = path.len() - 1 - base;
    let steps = test.steps.len();
    let length = if test.deep { below >= steps } else { below == steps };
    length
        && path
            .get(path.len() - steps..)
            .is_some_and(|last| last.iter().zip(&test.steps).all(|(name, step)| names(*step, *name)))
}

fn names(test: NameTest, name: Name) -> bool {
    match test {
        NameTest::Any => true,
        NameTest::In(namespace) => name.1 == namespace,
        NameTest::Name(symbol) => name.0 == symbol,
    }
}
