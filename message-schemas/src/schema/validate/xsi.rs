//! `xsi:type` and `xsi:nil`.

use super::Validator;
use crate::finding::{Code, Finding};
use crate::schema::compile::derivation;
use crate::schema::compiled::{Element as Declaration, TypeId};
use crate::schema::names::UNKNOWN;
use crate::schema::validate::report::shown;
use crate::xml::{Attribute as Given, Element};

impl Validator<'_> {
    /// The type that `xsi:type` puts in place of the declared one, if it may.
    pub(super) fn given_type(
        &mut self,
        element: &Element<'_>,
        given: &Given<'_>,
        declaration: Option<&Declaration>,
        declared: TypeId,
    ) -> TypeId {
        let set = self.set;
        let value = given.value.trim_matches([' ', '\t', '\r', '\n']);
        let (prefix, local) = value.split_once(':').unwrap_or(("", value));
        let symbol = match element.resolve(prefix) {
            Some(namespace) => {
                let namespace = self.namespace(element, namespace);
                set.names.symbol(namespace, local)
            }
            None => UNKNOWN,
        };
        let refuse = |this: &mut Self, message: &str| {
            let expected = set.type_(declared).and_then(|t| t.name.as_deref());
            this.report.add(element.offset, given.offset, || {
                let finding = Finding::new(
                    Code::TypeNotAllowed,
                    message,
                    "Name a type that is derived from the declared one.",
                );
                match expected {
                    Some(name) => finding.expecting(format!("{name} or a type derived from it")),
                    None => finding,
                }
            });
            declared
        };
        let Some(type_) = set.global_type(symbol) else {
            return refuse(self, "xsi:type names a type that no schema defines.");
        };
        //= XML Schema Part 1 (second edition) §3.3.4
        //# The local type definition is validly derived from the {type definition} given the union of the
        //# {disallowed substitutions} and the {type definition}'s {prohibited substitutions}
        let block = declaration.map(|d| d.block).unwrap_or_default();
        let base_block = set.type_(declared).map(|t| t.block).unwrap_or_default();
        match derivation(&set.types, type_, declared) {
            None => refuse(self, "xsi:type names a type that does not come from the declared one."),
            Some(by)
                if by.extension && (block.extension || base_block.extension)
                    || by.restriction && (block.restriction || base_block.restriction) =>
            {
                refuse(self, "xsi:type names a type whose derivation is blocked here.")
            }
            Some(_) => type_,
        }
    }

    //= XML Schema Part 1 (second edition) §3.3.4
    //# Validation Rule: Element Locally Valid (Element), clause 3
    /// Whether an element is nil. The rule is one about declarations: an element without one (below a lax
    /// wildcard) is not made empty by the attribute.
    pub(super) fn nil(
        &mut self,
        element: &Element<'_>,
        given: &Given<'_>,
        declaration: Option<&Declaration>,
    ) -> bool {
        let Some(declaration) = declaration else { return false };
        let nil = match given.value.trim_matches([' ', '\t', '\r', '\n']) {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => {
                self.report.add(element.offset, given.offset, || {
                    Finding::new(
                        Code::InvalidValue,
                        "The value of xsi:nil is not a truth value.",
                        "Write true or false.",
                    )
                    .expecting("true or false")
                });
                false
            }
        };
        if !declaration.nillable {
            self.report.add(element.offset, given.offset, || {
                Finding::new(
                    Code::TypeNotAllowed,
                    format!("xsi:nil cannot stand on {}.", shown(element.local)),
                    "Leave the element out, or give it a value.",
                )
            });
            return false;
        }
        if nil && declaration.fixed.is_some() {
            self.report.add(element.offset, given.offset, || {
                Finding::new(
                    Code::FixedValue,
                    format!("{} has a fixed value and cannot be nil.", shown(element.local)),
                    "Give the element its fixed value.",
                )
            });
        }
        nil
    }
}
