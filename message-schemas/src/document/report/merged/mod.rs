//! One document of several messages of a laboratory: the newest, and what it leaves out of those before it.
//!
//! A laboratory that changes one result may send that result alone (document-sharing §2.2). The document then shows the
//! newest message as it is, with all results of earlier ones that it says nothing of, each under the time of the message
//! that it came from. What is said of the report as a whole is the newest message's. Which results stay is not decided
//! here.
//!
//! Each message is translated by itself, the earlier ones with those results alone; then the resources of these and what
//! they refer to join the newest one's Bundle, byte for byte but for references to report and patient. So a number has
//! the digits that were sent, and an Observation has the id that it had before.

mod fields;

use super::Source;
use crate::document::attachments::Room;
use crate::document::coverage::Paths;
use crate::document::envelope::Envelope;
use crate::document::fhir::{DateTime, Event, Identifier, Period, RelatesTo};
use crate::document::individual::same_patient;
use crate::document::{Fault, Format, Keys, Options, SharedDocument};
use crate::xml::Tree;
use fields::{Fields, text_of};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What a merged document says of itself.
const MERGED: &str = "Svarrapporten er satt sammen av flere meldinger. Resultater som den siste meldingen ikke nevner, står \
    under tidspunktet for meldingen de kom med.";

/// What a document says of itself when it changes something that never came.
const INCOMPLETE: &str =
    "Svarrapporten kan være ufullstendig: den er en endring, og meldingen den endrer, er ikke mottatt.";

/// One of several messages that a document is made of.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The decoded text that `tree` was read from.
    pub text: &'a str,
    /// The message.
    pub tree: &'a Tree,
    /// Which of its reports, from 1.
    pub nth: usize,
    /// The top-level results that stay, by their places in [`SharedDocument::results`]; of the newest message all do.
    pub results: &'a [usize],
}

/// Sections of an earlier message that come along: what they tell is of its results.
const CARRIED: &[&str] = &[
    "Sammendrag",
    "Undersøkelsesresultater",
    "Tidligere sendt",
    "Strukturert informasjon",
    "Analysert materiale",
];

/// Makes one document of several messages, oldest first.
pub(in crate::document) fn merge(
    parts: &[Part<'_>],
    msg_id: &str,
    incomplete: bool,
    options: &Options,
) -> Result<SharedDocument, Fault> {
    let (newest, earlier) = parts.split_last().ok_or(Fault::NoReport)?;
    let mut merged = translate(newest, None, Some(msg_id), options)?;
    if earlier.is_empty() {
        if incomplete {
            merged.json = marked(&merged.json, INCOMPLETE, options).ok_or(Fault::NotWritten)?;
        }
        return Ok(merged);
    }
    // The originals are single messages still.
    let root = newest.tree.root().ok_or(Fault::NoTranslation)?;
    let own = super::message_key(&Envelope::read(root), newest.nth)?;
    let own = Keys { series_key: merged.keys.series_key.clone(), msg_id: own };
    merged.kith_xml = own.document(Format::KithXml);
    let mut originals = vec![merged.kith_xml];
    let json = std::mem::take(&mut merged.json);
    let mut bundle = Document::read(&json).ok_or(Fault::NotWritten)?;
    let mut left = options.max_resources.saturating_sub(bundle.entries.len());
    // The newest of the earlier ones first, as a person reads them.
    for part in earlier.iter().rev() {
        let document = translate(part, Some(part.results), None, options)?;
        originals.push(document.kith_xml);
        if part.results.is_empty() {
            continue;
        }
        merged.period.0 = older(merged.period.0, document.period.0);
        let from = Document::read(&document.json).ok_or(Fault::NotWritten)?;
        let taken = bundle.take(&from).ok_or(Fault::NotWritten)?;
        left = left
            .checked_sub(taken)
            .ok_or(Fault::TooLarge { what: "resources", limit: options.max_resources })?;
    }
    bundle.finish(&merged, &originals, options).ok_or(Fault::NotWritten)?;
    merged.json = bundle.write().ok_or(Fault::NotWritten)?;
    if incomplete {
        merged.json = marked(&merged.json, INCOMPLETE, options).ok_or(Fault::NotWritten)?;
    }
    Ok(merged)
}

fn older(a: crate::time::Stamp, b: crate::time::Stamp) -> crate::time::Stamp {
    if b.start().is_some() && (a.start().is_none() || b.start() < a.start()) { b } else { a }
}

fn translate(
    part: &Part<'_>,
    keep: Option<&[usize]>,
    msg_id: Option<&str>,
    options: &Options,
) -> Result<SharedDocument, Fault> {
    let root = part.tree.root().ok_or(Fault::NoTranslation)?;
    let envelope = Envelope::read(root);
    let reports: Vec<_> = root.all("ServReport").collect();
    same_patient(&reports)?;
    let node = reports.get(part.nth.saturating_sub(1)).copied().ok_or(Fault::NoReport)?;
    let source = Source {
        text: part.text,
        tree: part.tree,
        envelope: &envelope,
        namespace: root.namespace(),
        nth: part.nth,
        room: &Room::of(options),
        keep,
        merged_id: msg_id,
    };
    super::translate(&source, node, &mut Paths::default(), options)
}

/// A Bundle in pieces.
struct Document {
    bundle: Fields,
    entries: Vec<Piece>,
    /// Places of these two among the entries.
    composition: usize,
    report: usize,
    patient: Option<Uuid>,
    /// Sections that come from earlier messages.
    sections: Vec<Fields>,
}

struct Piece {
    id: Uuid,
    kind: String,
    resource: Fields,
}

impl Document {
    fn read(json: &[u8]) -> Option<Self> {
        let bundle: Fields = serde_json::from_slice(json).ok()?;
        let entries: Vec<Fields> = bundle.parse("entry")?;
        let entries: Vec<Piece> = entries
            .iter()
            .map(|entry| {
                let id = entry.parse::<String>("fullUrl")?.strip_prefix("urn:uuid:")?.parse().ok()?;
                let resource: Fields = entry.parse("resource")?;
                Some(Piece { id, kind: resource.parse("resourceType")?, resource })
            })
            .collect::<Option<_>>()?;
        let place = |kind: &str| entries.iter().position(|e| e.kind == kind);
        let (composition, report) = (place("Composition")?, place("DiagnosticReport")?);
        let patient = entries.iter().find(|e| e.kind == "Patient").map(|e| e.id);
        Some(Self { bundle, entries, composition, report, patient, sections: Vec::new() })
    }

    fn piece(&self, at: usize) -> Option<&Piece> {
        self.entries.get(at)
    }

    /// Takes the results of an earlier message, with all that they refer to. Returns how many resources that is.
    fn take(&mut self, from: &Self) -> Option<usize> {
        let (ours, theirs) = (self.piece(self.report)?.id, from.piece(from.report)?.id);
        let mut renamed = vec![(theirs.to_string(), ours.to_string())];
        match (self.patient, from.patient) {
            (Some(ours), Some(theirs)) => renamed.push((theirs.to_string(), ours.to_string())),
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => return None,
        }
        let rename = |text: &str| {
            renamed.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
        };

        let composition = &from.piece(from.composition)?.resource;
        let made = composition.parse::<String>("date").unwrap_or_default();
        let made = made.get(..16).unwrap_or(&made).replace('T', " ");
        let sections: Vec<Fields> = composition.parse("section").unwrap_or_default();
        let mut carried = Vec::new();
        for section in &sections {
            let title: String = section.parse("title")?;
            if CARRIED.contains(&title.as_str()) {
                let mut section = section.renamed(rename)?;
                section.set("title", &format!("{title}, fra meldingen {made}"))?;
                carried.push(section);
            }
        }

        let report = &from.piece(from.report)?.resource;
        let results: Vec<Box<RawValue>> = report.parse("result").unwrap_or_default();
        let specimens: Vec<Box<RawValue>> = report.parse("specimen").unwrap_or_default();
        let mut wanted: BTreeSet<Uuid> = BTreeSet::new();
        for raw in results.iter().chain(&specimens) {
            wanted.extend(references(raw.get()));
        }
        for section in &carried {
            wanted.extend(references(&text_of(section)?));
        }
        let by_id: BTreeMap<Uuid, &Piece> = from.entries.iter().map(|e| (e.id, e)).collect();
        let mut work: Vec<Uuid> = wanted.iter().copied().collect();
        while let Some(id) = work.pop() {
            // What is called as ours is here already.
            let Some(piece) = by_id.get(&id) else { continue };
            if matches!(piece.kind.as_str(), "Patient" | "DiagnosticReport" | "Composition") {
                continue;
            }
            for id in references(&text_of(&piece.resource)?) {
                if wanted.insert(id) {
                    work.push(id);
                }
            }
        }
        let known: BTreeSet<Uuid> = self.entries.iter().map(|e| e.id).collect();
        let mut taken = 0;
        for piece in &from.entries {
            let own = matches!(piece.kind.as_str(), "Patient" | "DiagnosticReport" | "Composition");
            if !own && wanted.contains(&piece.id) && !known.contains(&piece.id) {
                let resource = piece.resource.renamed(rename)?;
                self.entries.push(Piece { id: piece.id, kind: piece.kind.clone(), resource });
                taken += 1;
            }
        }
        let report = &mut self.entries.get_mut(self.report)?.resource;
        report.extend("specimen", specimens)?;
        report.extend("result", results)?;
        self.sections.extend(carried);
        Some(taken)
    }

    /// Writes what the document says of itself: what it was made of, and that.
    fn finish(&mut self, merged: &SharedDocument, originals: &[Uuid], options: &Options) -> Option<()> {
        let note = note(MERGED, options)?;
        let sections = std::mem::take(&mut self.sections);
        let composition = &mut self.entries.get_mut(self.composition)?.resource;
        let own: Vec<Fields> = composition.parse("section").unwrap_or_default();
        // Behind the newest message's own results.
        let results =
            own.iter().position(|s| s.parse::<String>("title").as_deref() == Some("Undersøkelsesresultater"));
        let (before, after) = own.split_at_checked(results.map_or(0, |at| at + 1))?;
        let all: Vec<&Fields> = std::iter::once(&note).chain(before).chain(&sections).chain(after).collect();
        composition.set("section", &all)?;
        let relates: Vec<RelatesTo<'_>> = originals
            .iter()
            .map(|id| RelatesTo { code: "transforms", target: Identifier::urn(*id) })
            .collect();
        composition.set_written("relatesTo", &relates)?;
        let (start, stop) = merged.period;
        let event =
            Event { period: Period { start: DateTime::new(start), end: stop.and_then(DateTime::new) } };
        composition.set_written("event", &vec![event])
    }

    fn write(mut self) -> Option<Vec<u8>> {
        let entries: Vec<Fields> = self
            .entries
            .iter()
            .map(|piece| {
                let mut entry = Fields::default();
                entry.set("fullUrl", &format!("urn:uuid:{}", piece.id))?;
                entry.set("resource", &piece.resource)?;
                Some(entry)
            })
            .collect::<Option<_>>()?;
        self.bundle.set("entry", &entries)?;
        serde_json::to_vec(&self.bundle).ok()
    }
}

/// A section with one sentence of ours.
fn note(words: &str, options: &Options) -> Option<Fields> {
    let language = options.language.code();
    let div = format!(
        "<div xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"{language}\" xml:lang=\"{language}\"><p><b>{words}</b></p></div>"
    );
    let mut text = Fields::default();
    text.set("status", "generated")?;
    text.set("div", &div)?;
    let mut section = Fields::default();
    section.set("title", "Om svarrapporten")?;
    section.set("text", &text)?;
    Some(section)
}

/// The document with a sentence of ours in front of everything else.
fn marked(json: &[u8], words: &str, options: &Options) -> Option<Vec<u8>> {
    let mut bundle = Document::read(json)?;
    let note = note(words, options)?;
    let composition = &mut bundle.entries.get_mut(bundle.composition)?.resource;
    let own: Vec<Fields> = composition.parse("section").unwrap_or_default();
    let all: Vec<&Fields> = std::iter::once(&note).chain(&own).collect();
    composition.set("section", &all)?;
    bundle.write()
}

/// The resources of the Bundle that a piece of JSON refers to.
fn references(json: &str) -> impl Iterator<Item = Uuid> {
    const MARK: &str = "\"urn:uuid:";
    json.match_indices(MARK)
        .filter_map(|(at, _)| json.get(at + MARK.len()..at + MARK.len() + 36)?.parse().ok())
}
