//! Result items as Observations.

use super::codes::{self, System};
use super::coverage::{Outcome as Fate, part};
use super::decimal::Decimal;
use super::fhir::{
    Annotation, CodeableConcept, Coding, DateTime, Entry, Extension, ExtensionValue, Identifier, Meta,
    Observation, Quantity, Range, Reference, ReferenceRange, Resource, Urn,
};
use super::nilar::nilar;
use super::read_report::{Headed, Item, Outcome, StructuredValue};
use super::report::Writer;
use super::units::{self, Unit};
use super::values::{Amount, Code, Sourced, When};
use super::{Mode, NoteKind, markup, status};
use crate::time::Stamp;
use crate::xml::Node;
use foldhash::{HashSet, HashSetExt};
use std::borrow::Cow;
use uuid::Uuid;

/// Codings that one result carries for search; more than any panel has.
const TAGS: usize = 200;
/// Steps that may be spent on collecting them in one report.
const TAG_STEPS: usize = 100_000;
const UCUM: &str = "http://unitsofmeasure.org";
const RESULT: &str = "Undersøkelsesresultater";

/// What is known of the report when its results are written.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub report: Uuid,
    pub request: Option<Uuid>,
    pub performer: Option<Uuid>,
    pub discipline: Option<&'a str>,
    pub issued: DateTime,
    /// `P/IssueDate`, else GenDate: the last resort for a time.
    pub fallback: Stamp,
    /// Sample id, time of collection, resource.
    pub specimens: Vec<(Option<&'a str>, Option<Stamp>, Uuid)>,
}

/// What the results of a report came to.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// By the item's place in the list.
    pub ids: Vec<Uuid>,
    /// When each is from, likewise.
    pub effective: Vec<Option<Stamp>>,
}

impl<'a, 't> Writer<'a, '_, 't> {
    /// Writes an Observation for each item.
    pub(super) fn observations(
        &mut self,
        items: &'a [Item<'t>],
        links: &super::links::Links,
        frame: &Frame<'a>,
    ) -> Written {
        let ids: Vec<Uuid> = items.iter().map(|i| self.id("Observation", i.node, 1)).collect();
        let newer = newer_items(items);
        let mut by_sample = foldhash::HashMap::<&str, usize>::default();
        for (at, (id, ..)) in frame.specimens.iter().enumerate() {
            if let Some(id) = id {
                by_sample.entry(id).or_insert(at);
            }
        }

        let mut effective = Vec::with_capacity(items.len());
        let mut written: Option<(Stamp, Option<DateTime>)> = None;
        let mut built: Vec<Observation<'a>> = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let mut o = Observation { id: ids.get(at).copied(), ..Observation::default() };
            self.identity_of(item, frame, &newer, &mut o);
            let sample = self.sample_of(item, &by_sample, frame);
            o.specimen = sample.map(|(_, id)| Reference::to(id));
            let when = sample
                .and_then(|(stamp, _)| stamp)
                .or_else(|| item.investigated.as_ref().and_then(When::dated))
                .unwrap_or(frame.fallback);
            effective.push(Some(when));
            // Results share a few times; each is written once.
            if written.is_none_or(|(stamp, _)| stamp != when) {
                written = Some((when, DateTime::new(when)));
            }
            o.effective_date_time = written.and_then(|(_, time)| time);
            self.code_of(item, frame, &mut o);
            self.value_of(item, &mut o);
            self.circumstances_of(item, &mut o);
            o.performer = self.performers_of(item, frame);
            let members = links.members.get(at).map(Vec::as_slice).unwrap_or_default();
            o.has_member = members.iter().filter_map(|m| ids.get(*m)).map(|id| Reference::to(*id)).collect();
            built.push(o);
        }

        let mut steps = TAG_STEPS;
        let tags: Vec<Option<Vec<Coding<'a>>>> = links
            .top
            .iter()
            .enumerate()
            .map(|(at, top)| top.then(|| collect_tags(at, &built, links, &mut steps)))
            .collect();
        if steps == 0
            && let Some(item) = items.first()
        {
            self.notes.add(item.node, NoteKind::TooManyTags);
        }
        for ((mut o, tag), id) in built.into_iter().zip(tags).zip(&ids) {
            if let Some(tag) = tag.filter(|t| !t.is_empty()) {
                o.meta = Some(Meta { tag, ..Meta::default() });
            }
            self.entries.push(Entry { full_url: Urn(*id), resource: Resource::Observation(Box::new(o)) });
        }
        Written { ids, effective }
    }

    /// Identifier, status, history flag, and where it belongs.
    fn identity_of(
        &mut self,
        item: &'a Item<'t>,
        frame: &Frame<'a>,
        newer: &HashSet<&str>,
        o: &mut Observation<'a>,
    ) {
        o.extension.push(nilar(
            "nilar-diagnostic-report-ref",
            ExtensionValue::Reference(Reference::to(frame.report)),
        ));
        o.based_on = frame.request.map(Reference::to).into_iter().collect();
        o.subject = self.subject;
        o.issued = Some(frame.issued);
        if let Some(id) = &item.id {
            match id.id() {
                Some(value) => {
                    id.mapped(&mut self.coverage, "Observation.identifier");
                    o.identifier.push(Identifier::plain("ResultItemId", value));
                }
                None => id.dropped(&mut self.coverage, "NULL: missing"),
            }
        }
        if let Some(words) = &item.refers_to {
            words.mapped(&mut self.coverage, "Observation.hasMember of the item referred to");
        }
        let (status, known) =
            status::of_result(item.status.as_ref().and_then(Code::code), item.service_code());
        if !known {
            self.notes.add(item.node, NoteKind::UnknownStatus);
        }
        o.status = Some(status);
        for code in item.service_type.iter().chain(&item.status) {
            code.mapped(&mut self.coverage, "Observation.status");
        }
        if item.service_code() == "H"
            && item.id.as_ref().and_then(|i| i.id()).is_some_and(|id| newer.contains(id))
        {
            o.extension.push(nilar("nilar-history", ExtensionValue::Boolean(true)));
        }
        if let Some(flag) = &item.accredited {
            flag.mapped(&mut self.coverage, "Observation.extension(nilar-accredited)");
            o.extension.push(nilar("nilar-accredited", ExtensionValue::Boolean(flag.value)));
        }
        for (url, when) in [
            ("nilar-investigation-date", &item.investigated),
            ("nilar-status-change-date", &item.status_changed),
            ("nilar-description-date", &item.described),
            ("nilar-counter-sign-date", &item.countersigned),
            ("nilar-medical-validation-date", &item.validated),
        ] {
            if let Some(when) = when {
                let extension = self.date_extension(url, when);
                o.extension.extend(extension);
            }
        }
    }

    /// The specimen that the item names, and when it was taken: the first reference only, never a guess.
    fn sample_of(
        &mut self,
        item: &'a Item<'t>,
        by_sample: &foldhash::HashMap<&str, usize>,
        frame: &Frame<'a>,
    ) -> Option<(Option<Stamp>, Uuid)> {
        let (first, others) = item.subjects.split_first()?;
        for other in others {
            other.told(&mut self.coverage, RESULT);
        }
        let found = first.id().and_then(|id| by_sample.get(id)).and_then(|at| frame.specimens.get(*at));
        match found {
            Some((_, taken, id)) => {
                first.mapped(&mut self.coverage, "Observation.specimen");
                Some((*taken, *id))
            }
            None => {
                first.told(&mut self.coverage, RESULT);
                self.notes.add(first.node, NoteKind::UnresolvedReference);
                None
            }
        }
    }

    fn code_of(&mut self, item: &'a Item<'t>, frame: &Frame<'a>, o: &mut Observation<'a>) {
        let mode = self.mode();
        let mut concept = CodeableConcept::default();
        let mut texts: Vec<&'a str> = Vec::new();
        let mut list = None;
        for investigation in &item.investigations {
            for id in &investigation.ids {
                id.mapped(&mut self.coverage, "Observation.code");
                if let Some(coding) = codes::coding(id, None, mode) {
                    let number = id.system.and_then(codes::national);
                    list = list.or(number.zip(id.code()));
                    let labelled = number == Some(7230) && id.code().is_some_and(is_npu);
                    if labelled {
                        // An older list of the same names; the code is valid in the newer one too.
                        let newer = Coding { system: Some(System::list(7280, mode)), ..coding.clone() };
                        match mode {
                            Mode::Document => concept.coding.extend([coding, newer]),
                            Mode::Nilar => concept.coding.extend([newer, coding]),
                        }
                    } else {
                        concept.coding.push(coding);
                    }
                }
                let text = id.own.or(id.display).or_else(|| id.code().filter(|_| id.system.is_none()));
                if let Some(text) = text.filter(|t| !texts.contains(t)) {
                    texts.push(text);
                }
            }
            for spec in &investigation.specifications {
                spec.mapped(&mut self.coverage, "Observation.method");
                if let Some(value) = codes::concept(spec, None, mode) {
                    if o.method.is_none() {
                        o.method = Some(value.clone());
                    }
                    o.extension.push(nilar("nilar-specification", ExtensionValue::CodeableConcept(value)));
                }
            }
        }
        concept.text = match texts.as_slice() {
            [] => None,
            [one] => Some(Cow::Borrowed(*one)),
            several => Some(Cow::Owned(several.join(", "))),
        };
        for comment in item.investigations.iter().filter_map(|i| i.comment.as_ref()) {
            if concept.text.is_none() {
                comment.mapped(&mut self.coverage, "Observation.code.text");
                concept.text = Some(Cow::Borrowed(&*comment.value));
            } else {
                comment.mapped(&mut self.coverage, "Observation.note");
                o.note.push(Annotation { text: Cow::Borrowed(&*comment.value) });
            }
        }
        if concept.text.is_none() && concept.coding.is_empty() {
            let heading = match &item.outcome {
                Some(Outcome::Text(text)) => text.heading.as_ref().and_then(|h| codes::words(h, 8243)),
                Some(Outcome::Number { .. } | Outcome::Interval { .. } | Outcome::Date(_)) | None => None,
            };
            concept.text = Some(Cow::Borrowed(heading.unwrap_or("Undersøkelsesresultat")));
        }
        o.code = Some(concept);
        if let Some(code) = status::discipline(list, frame.discipline) {
            let display = codes::list_text(8202, code);
            o.category.push(CodeableConcept::of(Coding::fixed(System::list(8202, mode), code, display)));
        }
    }

    fn value_of(&mut self, item: &'a Item<'t>, o: &mut Observation<'a>) {
        match &item.outcome {
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
                    o.value_range = Some(Range { low: low_value, high: high_value });
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
        let mut concept = CodeableConcept::default();
        if let Some(heading) = &text.heading {
            heading.mapped(&mut self.coverage, "Observation.valueCodeableConcept.coding");
            concept.coding.extend(codes::coding(heading, Some(8243), mode));
        }
        let mut unlisted = Vec::new();
        for code in &text.codes {
            code.mapped(&mut self.coverage, "Observation.valueCodeableConcept.coding");
            match codes::coding(code, None, mode) {
                Some(coding) => concept.coding.push(coding),
                None => unlisted.extend(code.words()),
            }
        }
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

    /// An `anyType` as plain text; what of its markup is dropped is told by the narrative.
    pub(super) fn plain_text(&mut self, node: Node<'t>, target: &'static str) -> Option<Cow<'a, str>>
    where
        't: 'a,
    {
        if markup::is_markup(node) {
            let text = markup::plain(node);
            (!text.is_empty()).then_some(Cow::Owned(text))
        } else {
            self.coverage.mark(node, part::TEXT, Fate::Mapped, target);
            node.trimmed()
        }
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

    /// Reference ranges, deviation, comments.
    fn circumstances_of(&mut self, item: &'a Item<'t>, o: &mut Observation<'a>) {
        let mode = self.mode();
        for range in &item.references {
            range.mapped(&mut self.coverage, "Observation.referenceRange.text");
            o.reference_range.push(ReferenceRange { text: Cow::Borrowed(&*range.value) });
        }
        if let Some(code) = &item.deviation {
            code.mapped(&mut self.coverage, "Observation.interpretation");
            if let Some(mut concept) = codes::concept(code, Some(8244), mode) {
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
                o.interpretation.push(concept);
            }
        }
        if let Some(comment) = &item.comment {
            comment.mapped(&mut self.coverage, "Observation.note");
            o.note.push(Annotation { text: Cow::Borrowed(&*comment.value) });
        }
        if let Some(diagnosis) = &item.diagnosis {
            let mut text = String::from("Diagnostisk kommentar: ");
            diagnosis_text(diagnosis, &mut text);
            for code in diagnosis_codes(diagnosis) {
                code.mapped(&mut self.coverage, "Observation.note");
            }
            o.note.push(Annotation { text: Cow::Owned(text) });
        }
        for structured in &item.structured {
            let mut text = String::from("Strukturert info: ");
            structured_text(structured, &mut text);
            if let Some(code) = &structured.kind {
                code.mapped(&mut self.coverage, "Observation.note");
            }
            for value in &structured.values {
                match value {
                    StructuredValue::Words(v) => v.mapped(&mut self.coverage, "Observation.note"),
                    StructuredValue::Amount(v) => v.mapped(&mut self.coverage, "Observation.note"),
                    StructuredValue::Code(v) => v.mapped(&mut self.coverage, "Observation.note"),
                    StructuredValue::Flag(v) => v.mapped(&mut self.coverage, "Observation.note"),
                }
            }
            o.note.push(Annotation { text: Cow::Owned(text) });
        }
    }

    fn performers_of(&mut self, item: &'a Item<'t>, frame: &Frame<'a>) -> Vec<Reference<'a>> {
        let own: Vec<Reference<'a>> =
            item.providers.iter().filter_map(|p| self.role(p, true)).map(Reference::to).collect();
        if own.is_empty() { frame.performer.map(Reference::to).into_iter().collect() } else { own }
    }

    /// An extension with a time; a time of day alone is left to the text.
    pub(super) fn date_extension(&mut self, url: &'static str, when: &'a When<'t>) -> Option<Extension<'a>> {
        match when.dated().and_then(DateTime::new) {
            Some(value) => {
                when.mapped(&mut self.coverage, "extension with this time");
                Some(nilar(url, ExtensionValue::DateTime(value)))
            }
            None => {
                when.told(&mut self.coverage, RESULT);
                self.notes.add(when.node, NoteKind::NotATime);
                None
            }
        }
    }
}

/// NPU and NOR with digits: names of the national laboratory list.
fn is_npu(code: &str) -> bool {
    ["NPU", "NOR"]
        .iter()
        .any(|p| code.strip_prefix(p).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())))
}

/// Ids of items that the message changes, cancels or adds: history of the same id is really older.
fn newer_items<'i>(items: &'i [Item<'_>]) -> HashSet<&'i str> {
    let mut newer = HashSet::new();
    for item in items {
        if matches!(item.service_code(), "M" | "E" | "C" | "A")
            && let Some(id) = item.id.as_ref().and_then(|i| i.id())
        {
            newer.insert(id);
        }
    }
    newer
}

/// Every coding of code and value from a result and all below it, without repeats.
fn collect_tags<'a>(
    top: usize,
    built: &[Observation<'a>],
    links: &super::links::Links,
    steps: &mut usize,
) -> Vec<Coding<'a>> {
    let mut tags: Vec<Coding<'a>> = Vec::new();
    let mut work = vec![top];
    while let Some(at) = work.pop() {
        if *steps == 0 || tags.len() >= TAGS {
            break;
        }
        *steps -= 1;
        if let Some(o) = built.get(at) {
            let codings = o.code.iter().chain(&o.value_codeable_concept).flat_map(|c| &c.coding);
            for coding in codings {
                if !tags.iter().any(|t| t.system == coding.system && t.code == coding.code) {
                    tags.push(coding.clone());
                }
            }
        }
        work.extend(links.members.get(at).into_iter().flatten().rev());
    }
    tags
}

/// A Quantity; none without a number.
fn quantity<'a>(amount: &'a Amount<'_>) -> Option<Quantity<'a>> {
    let value = Decimal::parse(amount.value?)?;
    let mut quantity = Quantity { value: Some(value), ..Quantity::default() };
    if let Some(Unit::Sent { unit, ucum }) = amount.unit.map(units::unit) {
        quantity.unit = Some(Cow::Borrowed(unit));
        quantity.system = ucum.is_some().then_some(UCUM);
        quantity.code = ucum;
    }
    Some(quantity)
}

/// Value and unit as sent.
pub(super) fn amount_text(amount: &Amount<'_>) -> String {
    let mut text = amount.value.unwrap_or_default().to_owned();
    if let Some(Unit::Sent { unit, .. }) = amount.unit.map(units::unit) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(unit);
    }
    text
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

/// A code as a person reads it: words, and the code where there are words beside it.
pub(super) fn code_text(code: &Code<'_>, out: &mut String) {
    match (code.code(), code.own.or(code.display)) {
        (Some(code), Some(words)) => {
            out.push_str(words);
            out.push_str(" (");
            out.push_str(code);
            out.push(')');
        }
        (Some(one), None) | (None, Some(one)) => out.push_str(one),
        (None, None) => {}
    }
}

pub(super) fn diagnosis_codes<'d, 't>(
    diagnosis: &'d super::read_report::Diagnosis<'t>,
) -> impl Iterator<Item = &'d Code<'t>> {
    let modifiers = diagnosis.modifiers.iter().flat_map(|(name, values)| name.iter().chain(values));
    diagnosis.concept.iter().chain(modifiers)
}

pub(super) fn diagnosis_text(diagnosis: &super::read_report::Diagnosis<'_>, out: &mut String) {
    if let Some(concept) = &diagnosis.concept {
        code_text(concept, out);
    }
    for (name, values) in &diagnosis.modifiers {
        out.push_str("; ");
        if let Some(name) = name.as_ref().and_then(Code::words) {
            out.push_str(name);
            out.push_str(": ");
        }
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                out.push_str(", ");
            }
            code_text(value, out);
        }
    }
}

pub(super) fn structured_text(structured: &super::read_report::Structured<'_>, out: &mut String) {
    if let Some(kind) = structured.kind.as_ref() {
        code_text(kind, out);
    }
    for (n, value) in structured.values.iter().enumerate() {
        out.push_str(if n == 0 { ": " } else { ", " });
        match value {
            StructuredValue::Words(v) => out.push_str(&v.value),
            StructuredValue::Amount(v) => out.push_str(&amount_text(v)),
            StructuredValue::Code(v) => code_text(v, out),
            StructuredValue::Flag(v) => out.push_str(v.words()),
        }
    }
}
