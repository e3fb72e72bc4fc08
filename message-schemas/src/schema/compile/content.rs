//! Content models: particles of a type and its bases to expressions, and those to automata.

use super::Compiler;
use crate::schema::automaton::{Expr, Leaf, MOST_STATES, NamespaceTest};
use crate::schema::compiled::{All, Content};
use crate::schema::error::Problem;
use crate::schema::model::{self, Method, Origin, Particle, Term};
use crate::schema::names::UNKNOWN;

/// A part of the content of a type, its bases' parts first.
#[derive(Clone, Copy)]
pub(super) enum Part<'m> {
    Particle(&'m Particle),
    AnyContent,
}

impl<'m> Compiler<'m> {
    pub(super) fn parts(&mut self, type_: &'m model::ComplexType) -> Vec<Part<'m>> {
        let mut parts = Vec::new();
        if type_.method == Method::Extension {
            match self.model.complex(&type_.base) {
                Some(base) if matches!(base.content, model::Content::Elements { .. }) => {
                    parts = self.parts(base);
                }
                Some(_) => {
                    let problem = Problem::Derivation("complex content cannot extend simple content");
                    self.fault(type_.origin, problem);
                }
                None if type_.base.is_xsd("anyType") => parts.push(Part::AnyContent),
                None => {
                    self.fault(
                        type_.origin,
                        Problem::Derivation("complex content cannot extend a simple type"),
                    );
                }
            }
        }
        if let model::Content::Elements { particle: Some(particle), .. } = &type_.content
            && !matches!(&particle.term, Term::Group(g) if g.particles.is_empty() && g.order != model::Order::Choice)
        {
            parts.push(Part::Particle(particle));
        }
        parts
    }

    pub(super) fn elements(&mut self, parts: &[Part<'m>], origin: Origin) -> Content {
        if let [Part::Particle(particle)] = parts
            && let Some(group) = self.all_group(particle)
        {
            return self.all(particle, group);
        }
        let mut leaves = Vec::new();
        let mut sequence = Vec::new();
        for part in parts {
            sequence.push(match part {
                Part::Particle(particle) => self.expr(particle, &mut leaves),
                Part::AnyContent => {
                    leaves.push(Leaf::Any(
                        NamespaceTest { all_but: true, list: Box::default() },
                        model::Process::Lax,
                    ));
                    Expr::Repeat(Box::new(Expr::Leaf(leaves.len() - 1)), 0, None)
                }
            });
        }
        let first = u32::try_from(self.out.automata.states.len()).unwrap_or(UNKNOWN);
        let start = self.out.automata.add(&Expr::Sequence(sequence), &leaves).unwrap_or_else(|| {
            self.fault(origin, Problem::TooLarge(MOST_STATES));
            0
        });
        let end = u32::try_from(self.out.automata.states.len()).unwrap_or(UNKNOWN);
        Content::Elements { start, states: (first, end) }
    }

    fn all_group(&self, particle: &'m Particle) -> Option<&'m model::Group> {
        let group = match &particle.term {
            Term::Group(group) => Some(group),
            Term::NamedGroup(name) => self.model.groups.get(name).map(|g| &g.group),
            Term::Local(_) | Term::Element(_) | Term::Any(_) => None,
        };
        group.filter(|g| g.order == model::Order::All)
    }

    fn all(&mut self, particle: &'m Particle, group: &'m model::Group) -> Content {
        let mut members = Vec::new();
        let mut required = 0_u64;
        for (bit, inner) in group.particles.iter().enumerate() {
            if bit >= 64 || inner.max != Some(1) || particle.max != Some(1) {
                let what = "xs:all with more than 64 elements or with elements that repeat".to_owned();
                self.fault(inner.origin, Problem::Unsupported(what));
                break;
            }
            let names = match &inner.term {
                Term::Local(element) => vec![(self.symbol(&element.name), self.element(element))],
                Term::Element(name) => match self.model.elements.get(name) {
                    Some(head) => self.with_substitutes(head),
                    None => Vec::new(),
                },
                Term::Group(_) | Term::NamedGroup(_) | Term::Any(_) => Vec::new(),
            };
            let number = u32::try_from(bit).unwrap_or(0);
            members.extend(names.into_iter().map(|(symbol, element)| (symbol, number, element)));
            if inner.min > 0 {
                required |= 1 << bit;
            }
        }
        Content::All(All { members: members.into(), required, optional: particle.min == 0 })
    }

    fn expr(&mut self, particle: &'m Particle, leaves: &mut Vec<Leaf>) -> Expr {
        let once = match &particle.term {
            Term::Local(element) => {
                let named = vec![(self.symbol(&element.name), self.element(element))];
                leaf(leaves, Leaf::Elements(named))
            }
            Term::Element(name) => {
                let named = match self.model.elements.get(name) {
                    Some(head) => self.with_substitutes(head),
                    None => Vec::new(),
                };
                leaf(leaves, Leaf::Elements(named))
            }
            Term::Any(wildcard) => {
                let (test, process) = self.wildcard(wildcard);
                leaf(leaves, Leaf::Any(test, process))
            }
            Term::Group(group) => self.group(group, particle.origin, leaves),
            Term::NamedGroup(name) => match self.model.groups.get(name) {
                Some(named) => self.group(&named.group, particle.origin, leaves),
                None => Expr::Sequence(Vec::new()),
            },
        };
        if particle.min == 1 && particle.max == Some(1) {
            once
        } else {
            Expr::Repeat(Box::new(once), particle.min, particle.max)
        }
    }

    fn group(&mut self, group: &'m model::Group, origin: Origin, leaves: &mut Vec<Leaf>) -> Expr {
        let parts = group.particles.iter().map(|p| self.expr(p, leaves)).collect();
        match group.order {
            model::Order::Sequence => Expr::Sequence(parts),
            model::Order::Choice => Expr::Choice(parts),
            model::Order::All => {
                self.fault(origin, Problem::Unsupported("xs:all beside other content".to_owned()));
                Expr::Sequence(parts)
            }
        }
    }
}

fn leaf(leaves: &mut Vec<Leaf>, new: Leaf) -> Expr {
    leaves.push(new);
    Expr::Leaf(leaves.len() - 1)
}
