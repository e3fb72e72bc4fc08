//! The value of a result, as svarrapport and the clinical findings of the other families write it.

use super::codes::{self, System};
use super::decimal::Decimal;
use super::fhir::{Annotation, CodeableConcept, Coding, DateTime, Observation, Quantity, Range};
use super::headed::Headed;
use super::narrative::Html;
use super::units::{self, Unit};
use super::values::{Amount, Code, Sourced, When};
use super::words::{amount_text, code_text, when_words};
use super::writer::Writer;
use super::{Mode, NoteKind, markup};
use crate::xml::Node;
use std::borrow::Cow;

const UCUM: &str = "http://unitsofmeasure.org";
/// A longer text gets a row of its own.
const LONG: usize = 80;

/// The four kinds of result.
#[derive(Debug)]
pub(super) enum Outcome<'t> {
    Text(Box<Headed<'t>>),
    Number { comparator: Option<Code<'t>>, value: Option<Amount<'t>> },
    Interval { low: Option<Amount<'t>>, high: Option<Amount<'t>> },
    Date(Option<When<'t>>),
}

impl<'t> Outcome<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        match node.name() {
            // In a clinical finding the text stands one step further in.
            "TextResult" => Self::Text(Box::new(Headed::read(node.child("Result").unwrap_or(node)))),
            "NumResult" => Self::Number {
                comparator: node.child("ArithmeticComp").map(Code::read),
                value: node.child("NumResultValue").map(Amount::read),
            },
            "Interval" => Self::Interval {
                low: node.child("Low").map(Amount::read),
                high: node.child("High").map(Amount::read),
            },
            _ => Self::Date(node.child("DateResultValue").and_then(When::read)),
        }
    }
}

impl Outcome<'_> {
    /// The codings of a value in words.
    pub(super) fn codings(&self, mode: Mode) -> impl Iterator<Item = Coding<'_>> {
        let text = if let Self::Text(text) = self { Some(text) } else { None };
        text.into_iter().flat_map(move |text| text_codings(text, mode))
    }
}

/// The heading of a text and its codes, those that have a list.
fn text_codings<'a>(text: &'a Headed<'_>, mode: Mode) -> impl Iterator<Item = Coding<'a>> {
    let heading = text.heading.iter().filter_map(move |h| codes::coding(h, Some(8243), mode));
    heading.chain(text.codes.iter().filter_map(move |code| codes::coding(code, None, mode)))
}

impl<'a, 't, B> Writer<'a, '_, 't, B> {
    /// The value, one of the four kinds.
    pub(super) fn value_of(&mut self, outcome: Option<&'a Outcome<'t>>, o: &mut Observation<'a>) {
        match outcome {
            None => {}
            Some(Outcome::Text(text)) => o.value_codeable_concept = self.text_value(text),
            Some(Outcome::Number { comparator, value }) => {
                self.number_value(comparator.as_ref(), value.as_ref(), o)
            }
            Some(Outcome::Interval { low, high }) => {
                for amount in low.iter().chain(high) {
                    amount.mapped(&mut self.coverage, "Observation.valueRange");
                }
                let bound = |a: &'a Option<Amount<'t>>| a.as_ref().and_then(quantity);
                let (low_value, high_value) = (bound(low), bound(high));
                // Bounds that are no numbers are kept as text, both of them.
                let is_text = |a: &Option<Amount<'_>>, q: &Option<Quantity<'_>>| {
                    q.is_none() && a.as_ref().is_some_and(|a| a.value.is_some())
                };
                if is_text(low, &low_value) || is_text(high, &high_value) {
                    let text = |a: &Option<Amount<'_>>| a.as_ref().map(amount_text).unwrap_or_default();
                    let text = format!("{} – {}", text(low), text(high));
                    o.value_codeable_concept = Some(CodeableConcept::text(text));
                } else if low_value.is_some() || high_value.is_some() {
                    o.value_range = Some(Box::new(Range { low: low_value, high: high_value }));
                }
            }
            Some(Outcome::Date(Some(when))) => match when.dated().and_then(DateTime::new) {
                Some(value) => {
                    when.mapped(&mut self.coverage, "Observation.valueDateTime");
                    o.value_date_time = Some(value);
                }
                None => {
                    when.mapped(&mut self.coverage, "Observation.valueCodeableConcept.text");
                    o.value_codeable_concept = Some(CodeableConcept::text(&*when.sent));
                }
            },
            Some(Outcome::Date(None)) => {}
        }
    }

    fn text_value(&mut self, text: &'a Headed<'t>) -> Option<CodeableConcept<'a>> {
        let mode = self.mode();
        for code in text.heading.iter().chain(&text.codes) {
            code.mapped(&mut self.coverage, "Observation.valueCodeableConcept.coding");
        }
        let mut concept = CodeableConcept { coding: text_codings(text, mode).collect(), text: None };
        let unlisted = text.codes.iter().filter(|code| codes::coding(code, None, mode).is_none());
        let unlisted: Vec<&str> = unlisted.filter_map(Code::words).collect();
        concept.text =
            text.value.and_then(|node| self.plain_text(node, "Observation.valueCodeableConcept.text"));
        if concept.text.is_none() && !unlisted.is_empty() {
            concept.text = Some(Cow::Owned(unlisted.join(", ")));
        }
        if let Some(unit) = &text.unit {
            unit.mapped(&mut self.coverage, "Observation.valueCodeableConcept.text");
            concept.text = Some(match concept.text {
                Some(value) => Cow::Owned(format!("{value} {}", unit.value)),
                None => Cow::Borrowed(&*unit.value),
            });
        }
        (concept.text.is_some() || !concept.coding.is_empty()).then_some(concept)
    }

    fn number_value(
        &mut self,
        comparator: Option<&'a Code<'t>>,
        value: Option<&'a Amount<'t>>,
        o: &mut Observation<'a>,
    ) {
        let sign = comparator.and_then(Code::code);
        if let Some(code) = comparator {
            code.mapped(&mut self.coverage, "Observation.valueQuantity.comparator");
        }
        let Some(amount) = value else { return };
        amount.mapped(&mut self.coverage, "Observation.valueQuantity");
        if amount.value.is_none() {
            return;
        }
        let Some(mut quantity) = quantity(amount).filter(|_| sign != Some("NE")) else {
            // Not a number, or everything but this number: FHIR has no Quantity for it.
            if sign != Some("NE") {
                self.notes.add(amount.node, NoteKind::NotANumber);
            }
            let text = format!("{}{}", comparator.map(sign_of).unwrap_or_default(), amount_text(amount));
            o.value_codeable_concept = Some(CodeableConcept::text(text));
            return;
        };
        quantity.comparator = match sign {
            None | Some("EQ") => None,
            Some("GE") => Some(">="),
            Some("GT" | "MG") => Some(">"),
            Some("LE") => Some("<="),
            Some("LT" | "ML") => Some("<"),
            Some(_) => {
                self.notes.add(amount.node, NoteKind::UnknownCode);
                None
            }
        };
        // Much greater, much less and what no table knows say more than a comparator can.
        if let Some(code) = comparator
            && !matches!(sign, None | Some("EQ" | "GE" | "GT" | "LE" | "LT"))
            && let Some(words) = codes::words(code, 8239)
        {
            o.note.push(Annotation { text: Cow::Borrowed(words) });
        }
        o.value_quantity = Some(quantity);
    }

    /// `DevResultInd`, K(8244); in document mode also as HL7 says it.
    pub(super) fn interpretation(&mut self, code: &'a Code<'t>) -> Option<CodeableConcept<'a>> {
        let mode = self.mode();
        code.mapped(&mut self.coverage, "Observation.interpretation");
        let mut concept = codes::concept(code, Some(8244), mode)?;
        concept.text = concept.text.filter(|_| concept.coding.is_empty());
        let v3 = match code.code() {
            Some("1") => Some(("H", "High")),
            Some("2") => Some(("L", "Low")),
            Some("3") => Some(("A", "Abnormal")),
            Some(_) | None => None,
        };
        if let (Mode::Document, Some((code, display))) = (mode, v3) {
            let system = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
            concept.coding.push(Coding::fixed(System::Uri(system), code, Some(display)));
        }
        Some(concept)
    }

    /// Writes the value, or gives back a text that is too long for a cell. `named`: what was investigated is
    /// said elsewhere.
    pub(super) fn outcome_cell(
        &self,
        outcome: Option<&'a Outcome<'t>>,
        named: bool,
        html: &mut Html,
    ) -> Option<Node<'t>> {
        match outcome {
            None => None,
            Some(Outcome::Number { comparator, value }) => {
                if let Some(value) = value.as_ref().and_then(|v| v.value) {
                    html.text(comparator.as_ref().map(sign_of).unwrap_or_default()).text(value);
                }
                None
            }
            Some(Outcome::Interval { low, high }) => {
                for (n, amount) in [low, high].into_iter().enumerate() {
                    html.raw(if n == 0 { "" } else { " – " });
                    if let Some(amount) = amount {
                        html.text(&amount_text(amount));
                    }
                }
                None
            }
            Some(Outcome::Date(when)) => {
                if let Some(when) = when {
                    html.text(&when_words(when));
                }
                None
            }
            Some(Outcome::Text(text)) => {
                let heading = text.heading.as_ref().filter(|h| named && h.code() != Some("LR"));
                if let Some(words) = heading.and_then(|h| codes::words(h, 8243)) {
                    html.raw("<i>").text(words).raw("</i> ");
                }
                let mut long = None;
                if let Some(node) = text.value {
                    let value = node.text();
                    if markup::is_markup(node) || value.len() > LONG || value.trim().contains('\n') {
                        long = Some(node);
                    } else {
                        html.text(value.trim());
                    }
                }
                for (n, code) in text.codes.iter().enumerate() {
                    html.raw(if n == 0 { " " } else { ", " });
                    let mut words = String::new();
                    code_text(code, &mut words);
                    html.text(&words);
                }
                long
            }
        }
    }
}

/// A Quantity; none without a number.
pub(super) fn quantity<'a>(amount: &'a Amount<'_>) -> Option<Quantity<'a>> {
    let value = Decimal::parse(amount.value?)?;
    let mut quantity = Quantity { value: Some(value), ..Quantity::default() };
    if let Some(Unit::Sent { unit, ucum }) = amount.unit.map(units::unit) {
        quantity.unit = Some(Cow::Borrowed(unit));
        quantity.system = ucum.is_some().then_some(UCUM);
        quantity.code = ucum;
    }
    Some(quantity)
}

/// What a person reads before the number.
pub(super) fn sign_of(code: &Code<'_>) -> &'static str {
    match code.code() {
        Some("GE") => "≥ ",
        Some("GT") => "> ",
        Some("LE") => "≤ ",
        Some("LT") => "< ",
        Some("MG") => "≫ ",
        Some("ML") => "≪ ",
        Some("NE") => "≠ ",
        Some(_) | None => "",
    }
}

/// The unit of a value, which stands beside it.
pub(super) fn unit_text<'o>(outcome: Option<&'o Outcome<'_>>) -> &'o str {
    match outcome {
        Some(Outcome::Number { value: Some(amount), .. }) => {
            amount.unit.and_then(units::shown).unwrap_or_default()
        }
        Some(Outcome::Text(text)) => text.unit.as_ref().map(|u| &*u.value).unwrap_or_default(),
        Some(Outcome::Number { .. } | Outcome::Interval { .. } | Outcome::Date(_)) | None => "",
    }
}
