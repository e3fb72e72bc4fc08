//! Result items as Observations.

use super::nilar::nilar;
use super::read::{Item, Report, StructuredValue};
use super::status;
use crate::document::codes::{self, System};
use crate::document::fhir::{
    Annotation, CodeableConcept, Coding, DateTime, Extension, ExtensionValue, Identifier, Meta, Observation,
    Reference, ReferenceRange, Resource,
};
use crate::document::observed::Outcome;
use crate::document::values::{Code, Sourced, When};
use crate::document::words::{amount_text, code_text};
use crate::document::writer::Writer;
use crate::document::{Mode, NoteKind};
use crate::time::Stamp;
use foldhash::{HashSet, HashSetExt};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Codings that one result carries for search; more than any panel has.
const TAGS: usize = 200;
/// Steps that may be spent on collecting them in one report.
const TAG_STEPS: usize = 100_000;
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
    pub fallback: Dated,
    pub specimens: Vec<Taken<'a>>,
}

/// A specimen as results name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken<'a> {
    /// What the laboratory calls it.
    pub sample: Option<&'a str>,
    /// When it was taken.
    pub at: Option<Dated>,
    /// The resource.
    pub id: Uuid,
}

/// A time, and how it is written: results share a few, each of which is written once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dated {
    pub stamp: Stamp,
    pub written: Option<DateTime>,
}

impl Dated {
    pub(super) fn new(stamp: Stamp) -> Self {
        Self { stamp, written: DateTime::new(stamp) }
    }
}

/// What the results of a report came to.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// By the item's place in the list.
    pub ids: Vec<Uuid>,
    /// When each is from, likewise.
    pub effective: Vec<Stamp>,
    /// The same where the message says it of the item or its specimen: what a reader is told.
    pub dated: Vec<Option<Stamp>>,
}

impl<'a, 't> Writer<'a, '_, 't, Report<'t>> {
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
        for (at, specimen) in frame.specimens.iter().enumerate() {
            if let Some(sample) = specimen.sample {
                by_sample.entry(sample).or_insert(at);
            }
        }

        let mut effective = Vec::with_capacity(items.len());
        let mut dated = Vec::with_capacity(items.len());
        let mut steps = TAG_STEPS;
        for ((at, item), id) in items.iter().enumerate().zip(&ids) {
            let mut o = Box::new(Observation { id: Some(*id), ..Observation::default() });
            self.identity_of(item, frame, &newer, &mut o);
            let sample = self.sample_of(item, &by_sample, frame);
            o.specimen = sample.map(|specimen| Reference::to(specimen.id));
            let investigated = || item.investigated.as_deref().and_then(When::dated).map(Dated::new);
            let own = sample.and_then(|specimen| specimen.at).or_else(investigated);
            let when = own.unwrap_or(frame.fallback);
            effective.push(when.stamp);
            dated.push(own.map(|own| own.stamp));
            o.effective_date_time = when.written;
            self.code_of(item, frame, &mut o);
            self.value_of(item.outcome.as_ref(), &mut o);
            self.circumstances_of(item, &mut o);
            o.performer = self.performers_of(item, frame);
            let members = links.members.get(at).map(Vec::as_slice).unwrap_or_default();
            o.has_member = members.iter().filter_map(|m| ids.get(*m)).map(|id| Reference::to(*id)).collect();
            if links.top.get(at) == Some(&true) {
                let tag = collect_tags(at, items, links, self.mode(), &mut steps);
                o.meta = (!tag.is_empty()).then(|| Meta { tag, ..Meta::default() });
            }
            self.push(*id, Resource::Observation(o));
            // One at a time: they are the most of a document.
            self.write_entries();
        }
        if steps == 0
            && let Some(item) = items.first()
        {
            self.notes.add(item.node, NoteKind::TooManyTags);
        }
        Written { ids, effective, dated }
    }

    /// Identifier, status, history flag, and where it belongs.
    fn identity_of(
        &mut self,
        item: &'a Item<'t>,
        frame: &Frame<'a>,
        newer: &HashSet<&str>,
        o: &mut Observation<'a>,
    ) {
        let report = ExtensionValue::Reference(Reference::to(frame.report));
        o.extension = vec![nilar("nilar-diagnostic-report-ref", report)];
        o.based_on = frame.request.map(Reference::to).into_iter().collect();
        o.subject = self.subject;
        o.issued = Some(frame.issued);
        if let Some(id) = &item.id {
            match id.id() {
                Some(value) => {
                    id.mapped(&mut self.coverage, "Observation.identifier");
                    o.identifier = vec![Identifier::plain("ResultItemId", value)];
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
    ) -> Option<Taken<'a>> {
        let (first, others) = item.subjects.split_first()?;
        for other in others {
            other.told(&mut self.coverage, RESULT);
        }
        let found = first.id().and_then(|id| by_sample.get(id)).and_then(|at| frame.specimens.get(*at));
        match found {
            Some(specimen) => {
                first.mapped(&mut self.coverage, "Observation.specimen");
                Some(*specimen)
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
        let mut texts: SmallVec<[&'a str; 4]> = SmallVec::new();
        let mut list = None;
        for investigation in &item.investigations {
            for id in &investigation.ids {
                id.mapped(&mut self.coverage, "Observation.code");
                let number = id.system.and_then(codes::national);
                list = list.or(number.zip(id.code()));
                concept.coding.extend(codings_of(id, mode));
                let text = id.own.or(id.display).or_else(|| id.code().filter(|_| id.system.is_none()));
                texts.extend(text);
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
            several => {
                // A sender may give one result a hundred thousand names.
                let mut said: BTreeSet<&str> = BTreeSet::new();
                let new: Vec<&str> = several.iter().copied().filter(|text| said.insert(text)).collect();
                Some(Cow::Owned(new.join(", ")))
            }
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
            let coding = Coding::fixed(System::list(8202, mode), code, display);
            o.category = vec![CodeableConcept::of(coding)];
        }
    }

    /// Reference ranges, deviation, comments.
    fn circumstances_of(&mut self, item: &'a Item<'t>, o: &mut Observation<'a>) {
        for range in &item.references {
            range.mapped(&mut self.coverage, "Observation.referenceRange.text");
        }
        let ranges = item.references.iter().map(|r| ReferenceRange { text: Cow::Borrowed(&*r.value) });
        o.reference_range = ranges.collect();
        o.interpretation = item.deviation.iter().filter_map(|d| self.interpretation(d)).collect();
        if let Some(comment) = &item.comment {
            comment.mapped(&mut self.coverage, "Observation.note");
            o.note.push(Annotation { text: Cow::Borrowed(&*comment.value) });
        }
        if let Some(diagnosis) = &item.diagnosis {
            let mut text = String::from("Diagnostisk kommentar: ");
            diagnosis.describe(&mut text);
            for code in diagnosis.codes() {
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

/// A code of what was investigated, in its own list and in what came after that.
fn codings_of<'a>(id: &'a Code<'_>, mode: Mode) -> impl Iterator<Item = Coding<'a>> + use<'a> {
    let coding = codes::coding(id, None, mode);
    // An older list of the same names; the code is valid in the newer one too.
    let labelled = id.code().is_some_and(is_npu) && id.system.and_then(codes::national) == Some(7230);
    let newer = coding
        .as_ref()
        .filter(|_| labelled)
        .map(|coding| Coding { system: Some(System::list(7280, mode)), ..coding.clone() });
    let (first, second) = match mode {
        Mode::Document => (coding, newer),
        Mode::Nilar => (newer, coding),
    };
    first.into_iter().chain(second)
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

/// Every coding of code and value from a result and all below it, without repeats. They are made from what was read:
/// the results below it are not written yet.
fn collect_tags<'a>(
    top: usize,
    items: &'a [Item<'_>],
    links: &super::links::Links,
    mode: Mode,
    steps: &mut usize,
) -> Vec<Coding<'a>> {
    let mut tags: Vec<Coding<'a>> = Vec::new();
    let mut work: SmallVec<[usize; 8]> = SmallVec::from_slice(&[top]);
    while let Some(at) = work.pop() {
        if *steps == 0 || tags.len() >= TAGS {
            break;
        }
        *steps -= 1;
        if let Some(item) = items.get(at) {
            let codes = item.investigations.iter().flat_map(|i| &i.ids).flat_map(|id| codings_of(id, mode));
            let values = item.outcome.iter().flat_map(|outcome| outcome.codings(mode));
            for coding in codes.chain(values) {
                let known = tags.iter().any(|t| t.system == coding.system && t.code == coding.code);
                if !known && tags.len() < TAGS {
                    tags.push(coding);
                }
            }
        }
        work.extend(links.members.get(at).into_iter().flatten().rev().copied());
    }
    tags
}

pub(super) fn structured_text(structured: &super::read::Structured<'_>, out: &mut String) {
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
