//! The text of elements of simple types: kept without a copy where it can be, judged when it is complete.

use super::{Bindings, Frame, Held, Validator};
use crate::schema::compiled::{Element as Declaration, Simple};
use crate::schema::datatypes::{Prefixes, Value};
use crate::xml::Offset;

impl<'a> Validator<'a> {
    pub(super) fn hold(&mut self, text: &str, at: Offset) {
        let slice = |start: Offset, length: usize| self.text.get(start..start + length).unwrap_or_default();
        match self.held {
            Held::Nothing => {
                // Nearly every text comes in one piece that is a piece of the document: no copy is needed.
                let same = slice(at, text.len());
                if std::ptr::eq(same.as_ptr(), text.as_ptr()) && same.len() == text.len() {
                    self.held = Held::Slice(at, text.len());
                } else {
                    self.buffer.clear();
                    self.buffer.push_str(text);
                    self.held = Held::Buffer;
                }
            }
            Held::Slice(start, length) => {
                let first = slice(start, length);
                self.buffer.clear();
                self.buffer.push_str(first);
                self.buffer.push_str(text);
                self.held = Held::Buffer;
            }
            Held::Buffer => self.buffer.push_str(text),
        }
    }

    /// The text of an element of a simple type, complete.
    pub(super) fn value(&mut self, frame: &Frame, simple: &'a Simple, declaration: Option<&'a Declaration>) {
        if !frame.keeps_text && (frame.has_text || declaration.is_none_or(|d| d.default.is_none())) {
            return;
        }
        let buffer = std::mem::take(&mut self.buffer);
        let written = match self.held {
            Held::Nothing => "",
            Held::Slice(start, length) => self.text.get(start..start + length).unwrap_or_default(),
            Held::Buffer => &buffer,
        };
        self.held = Held::Nothing;
        let fixed = declaration.and_then(|d| d.fixed.as_deref());
        let stands_in = declaration.and_then(|d| d.fixed.as_deref().or(d.default.as_deref()));
        let value = stands_in.filter(|_| !frame.has_text).unwrap_or(written);
        let prefixes = Bindings(&self.prefixes);
        let prefixes: Option<&dyn Prefixes> = if simple.is_name { Some(&prefixes) } else { None };
        let checked = simple.checks.check(value, prefixes);
        let typed = checked.is_ok();
        let same = fixed.is_none_or(|fixed| simple.checks.same(value, fixed, prefixes));
        let depth = self.frames.len();
        if self.tracker.active() {
            let value = || simple.checks.value(value, prefixes).filter(|_| typed).map(Value::into_owned);
            self.tracker.value(depth, value);
        }
        match checked {
            Err(fault) => self.invalid_value(frame, &fault),
            Ok(()) => {
                if let Some(fixed) = fixed.filter(|_| !same) {
                    self.not_fixed(frame, fixed);
                }
                if let Some(identifies) = simple.identifies {
                    self.identifies(identifies, value, frame.offset, frame.offset);
                }
            }
        }
        self.buffer = buffer;
    }
}
