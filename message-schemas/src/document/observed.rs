//! The value of a result, as svarrapport and the clinical findings of the other families write it.
//!
//! What can be no Quantity or Range (a number that is none, a comparator that is not understood) is text, with all
//! that was sent. An interval with one end is written with a sign: a dash alone before a number reads as a minus.

use super::codes::{self, System};
use super::comparator::{Comparator, Compared};
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
                // rng-2: the lower bound comes first, and a reader can tell.
                let ordered =
                    low_value.as_ref().zip(high_value.as_ref()).is_none_or(|(l, h)| is_ordered(l, h));
                if !ordered || is_text(low, &low_value) || is_text(high, &high_value) {
                    let text = interval_text(low.as_ref(), high.as_ref());
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
        let compared = Compared::read(comparator);
        let is_text = matches!(compared, Compared::Known(Comparator::NotEqual) | Compared::NotUnderstood(_));
        let no_value = value.is_none_or(|amount| amount.value.is_none());
        if let Some(code) = comparator {
            if matches!(compared, Compared::NotUnderstood(_)) {
                self.notes.add(code.node, NoteKind::UnknownCode);
            }
            let target = match is_text || no_value {
                true => "Observation.valueCodeableConcept.text",
                false => "Observation.valueQuantity.comparator",
            };
            code.mapped(&mut self.coverage, target);
        }
        if let Some(amount) = value {
            amount.mapped(&mut self.coverage, "Observation.valueQuantity");
        }
        if no_value {
            // The comparator alone still says something of the result.
            if !compared.sign().is_empty() {
                o.value_codeable_concept = Some(CodeableConcept::text(compared.sign().to_owned()));
            }
            return;
        }
        let Some(amount) = value else { return };
        let Some(mut quantity) = quantity(amount).filter(|_| !is_text) else {
            // Not a number, or a number that is not the value.
            if !is_text {
                self.notes.add(amount.node, NoteKind::NotANumber);
            }
            let text = match compared.sign() {
                "" => amount_text(amount),
                sign => format!("{sign} {}", amount_text(amount)),
            };
            o.value_codeable_concept = Some(CodeableConcept::text(text));
            return;
        };
        if let Compared::Known(comparator) = compared {
            quantity.comparator = comparator.fhir();
            o.note.extend(comparator.remark().map(|text| Annotation { text: Cow::Borrowed(text) }));
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
                let compared = Compared::read(comparator.as_ref());
                let value = value.as_ref().and_then(|v| v.value).unwrap_or_default();
                let gap = if compared.sign().is_empty() || value.is_empty() { "" } else { " " };
                html.text(compared.sign()).raw(gap).text(value);
                None
            }
            Some(Outcome::Interval { low, high }) => {
                html.text(&interval_text(low.as_ref(), high.as_ref()));
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

/// True if two quantities are of one unit, and the first is not the greater.
fn is_ordered(low: &Quantity<'_>, high: &Quantity<'_>) -> bool {
    let number = |q: &Quantity<'_>| q.value.as_ref().and_then(|v| v.as_str().parse::<f64>().ok());
    low.unit == high.unit && number(low).zip(number(high)).is_some_and(|(low, high)| low <= high)
}

/// Both ends of an interval, or the one that there is with a sign; an end that is no number may have a sign of its own,
/// and gets a word.
fn interval_text(low: Option<&Amount<'_>>, high: Option<&Amount<'_>>) -> String {
    let end = |amount: Option<&Amount<'_>>| {
        let amount = amount.filter(|a| a.value.is_some())?;
        Some((amount_text(amount), amount.value.is_some_and(|v| Decimal::parse(v).is_some())))
    };
    match (end(low), end(high)) {
        (Some((low, _)), Some((high, _))) => format!("{low} – {high}"),
        (Some((low, is_number)), None) => format!("{} {low}", if is_number { "≥" } else { "fra" }),
        (None, Some((high, is_number))) => format!("{} {high}", if is_number { "≤" } else { "til" }),
        (None, None) => String::new(),
    }
}

/// The value and its unit as one text, for where no table is.
pub(super) fn outcome_words(outcome: Option<&Outcome<'_>>) -> String {
    match outcome {
        None => String::new(),
        Some(Outcome::Number { comparator, value }) => {
            let compared = Compared::read(comparator.as_ref());
            let value = value.as_ref().filter(|v| v.value.is_some()).map(amount_text);
            let gap = if compared.sign().is_empty() || value.is_none() { "" } else { " " };
            format!("{}{gap}{}", compared.sign(), value.unwrap_or_default())
        }
        Some(Outcome::Interval { low, high }) => interval_text(low.as_ref(), high.as_ref()),
        Some(Outcome::Date(when)) => when.as_ref().map(when_words).unwrap_or_default(),
        Some(Outcome::Text(text)) => {
            let mut words = text.value.map(markup::plain).unwrap_or_default();
            for code in &text.codes {
                words.push_str(if words.is_empty() { "" } else { ", " });
                code_text(code, &mut words);
            }
            if let Some(unit) = text.unit.as_ref().filter(|_| !words.is_empty()) {
                words.push(' ');
                words.push_str(&unit.value);
            }
            words
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    #[test]
    fn bounds_are_ordered_in_one_unit_only() {
        let text = "<a><x V='5.0' U='g/L'/><x V='10' U='g/L'/><x V='3' U='mg/L'/><x V='-3' U='g/L'/></a>";
        let tree = Tree::parse(text, &Limits::default()).unwrap();
        let amounts: Vec<_> = tree.root().unwrap().elements().map(Amount::read).collect();
        let [five, ten, other, minus] =
            <[_; 4]>::try_from(amounts.iter().filter_map(quantity).collect::<Vec<_>>())
                .unwrap_or_else(|_| panic!("four quantities"));
        assert!(is_ordered(&five, &ten) && is_ordered(&minus, &five) && is_ordered(&five, &five));
        assert!(!is_ordered(&ten, &five) && !is_ordered(&other, &five));
    }

    #[test]
    fn an_end_alone_is_no_negative_number() {
        for (inside, text) in [
            ("<Low V='1.0' U='mmol/L'/><High V='2.0' U='mmol/L'/>", "1.0 mmol/L – 2.0 mmol/L"),
            ("<Low V='-3.0'/><High V='-2.0'/>", "-3.0 – -2.0"),
            ("<High V='2.0' U='mmol/L'/>", "≤ 2.0 mmol/L"),
            ("<Low U='mmol/L'/><High V='2.0' U='mmol/L'/>", "≤ 2.0 mmol/L"),
            ("<Low V='2.0' U='mmol/L'/>", "≥ 2.0 mmol/L"),
            ("<High V='&lt;2,0'/>", "til <2,0"),
            ("<Low V='omkring 2'/>", "fra omkring 2"),
            ("<Low/><High/>", ""),
        ] {
            let tree = Tree::parse(&format!("<Interval>{inside}</Interval>"), &Limits::default()).unwrap();
            let Outcome::Interval { low, high } = Outcome::read(tree.root().unwrap()) else {
                panic!("an interval")
            };
            assert_eq!(interval_text(low.as_ref(), high.as_ref()), text, "{inside}");
        }
    }
}
