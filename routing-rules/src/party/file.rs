//! Parties from TOML files: `[[party]]` after `[[party]]`.

use super::{AcceptsInvalid, Capability, Level, Parties, PartyEntry, ReceiptDeadline, amqp, protection};
use crate::destination::Format;
use crate::fault::{Fault, FaultKind};
use crate::reading::{self, Faults, Source, Table, line, parsed, word};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use message_schemas::family::{Family, Version};
use message_schemas::ids::HerId;
use std::collections::{BTreeMap, HashMap};

pub(super) fn parse(files: &[(String, String)]) -> Result<Parties, Vec<Fault>> {
    let sources = reading::by_name(files);
    let mut faults = Faults::new(FaultKind::Parties);
    let mut entries = BTreeMap::new();
    let mut places = HashMap::new();
    for &source in &sources {
        reading::entries(source, "party", &mut faults, |table, faults| {
            let at = (source, table.place("her_id"));
            let parent_at = (source, table.place("parent"));
            let Some(entry) = party(table, faults) else { return };
            let her_id = entry.her_id;
            if let Some((first, first_at, _)) = places.get(&her_id) {
                let first: &Source<'_> = first;
                let message =
                    format!("This HER-id stands already in {} line {}.", first.name, first.line(*first_at));
                let remedy = "Keep one of the two entries.";
                faults.push(at.0, at.1, &format!("party {her_id}: her_id"), &message, remedy);
                return;
            }
            places.insert(her_id, (at.0, at.1, parent_at.1));
            entries.insert(her_id, entry);
        });
    }
    for entry in entries.values() {
        if let (Some((message, remedy)), Some((source, _, at))) =
            (wrong_parent(entry, &entries), places.get(&entry.her_id))
        {
            faults.push(*source, *at, &format!("party {}: parent", entry.her_id), message, remedy);
        }
    }
    let mut legacy: Vec<_> =
        entries.values().filter_map(|p| p.protection.allow.as_deref()).flatten().copied().collect();
    legacy.sort_unstable();
    legacy.dedup();
    let hash = reading::hash(&sources);
    faults.finish(Parties { entries, legacy, registry: BTreeMap::new(), files_hash: hash, hash })
}

/// What is wrong with a party's parent. As only enterprises are parents and only services have one, there
/// can be no loop.
fn wrong_parent(
    entry: &PartyEntry,
    entries: &BTreeMap<HerId, PartyEntry>,
) -> Option<(&'static str, &'static str)> {
    let parent = entry.parent?;
    if entry.level == Level::Enterprise {
        return Some(("An enterprise has no parent.", "Leave the field out, or set level = \"service\"."));
    }
    match entries.get(&parent).map(|p| p.level) {
        Some(Level::Enterprise) => None,
        Some(Level::Service) => {
            Some(("The parent is a service.", "Name the enterprise that both belong to."))
        }
        None => Some(("No party has this HER-id.", "Add the enterprise, or correct the number.")),
    }
}

fn party(mut table: Table<'_, '_>, faults: &mut Faults) -> Option<PartyEntry> {
    let her_id = table.text("her_id", faults, parsed::<HerId>);
    table.label = her_id.map_or_else(|| "party".to_owned(), |id| format!("party {id}"));
    let level = table.text("level", faults, word);
    let name = table.text("name", faults, line);
    let kind = table.text("kind", faults, word);
    let parent = table.text("parent", faults, parsed);
    let organisation = table.text("organisation", faults, parsed);
    let region = table.text("region", faults, line);
    let ours = table.flag("ours", faults);
    let receives =
        table.tables("receives", faults).into_iter().filter_map(|t| capability(t, faults)).collect();
    let destination = table.text("destination", faults, parsed);
    let test_destination = table.text("test_destination", faults, parsed);
    let answers = table.text("answers", faults, word);
    let accepts_invalid = accepts_invalid(&mut table, faults);
    let (receipt_deadline, receipt_deadlines) = deadlines(&mut table, faults);
    let protection = protection::read(&mut table, faults);
    let amqp = amqp::read(&mut table, faults);
    let valid_from = table.text("valid_from", faults, instant);
    let valid_to = table.text("valid_to", faults, instant);
    if let (Some(from), Some(to)) = (valid_from, valid_to)
        && to <= from
    {
        table.fault(faults, "valid_to", "This is not after valid_from.", "Correct one of the two.");
    }
    let her_id = table.need("her_id", her_id, faults);
    let level = table.need("level", level, faults);
    let name = table.need("name", name, faults);
    let kind = table.need("kind", kind, faults);
    table.finish(faults);
    Some(PartyEntry {
        her_id: her_id?,
        level: level?,
        name: name?,
        kind: kind?,
        parent,
        organisation,
        region,
        ours: ours.unwrap_or(true),
        receives,
        destination,
        test_destination,
        answers: answers.unwrap_or_default(),
        accepts_invalid,
        receipt_deadline,
        receipt_deadlines,
        protection,
        amqp,
        valid_from,
        valid_to,
    })
}

fn capability(mut table: Table<'_, '_>, faults: &mut Faults) -> Option<Capability> {
    let family = table.text("family", faults, word);
    let versions = table.texts("versions", faults, word::<Version>);
    let formats = table.text("format", faults, formats).unwrap_or_else(|| vec![Format::KithXml]);
    let family = table.need("family", family, faults);
    table.finish(faults);
    Some(Capability { family: family?, versions, formats })
}

/// A form, or both.
pub(crate) fn formats(text: &str) -> Result<Vec<Format>, String> {
    match text {
        "kith-xml" => Ok(vec![Format::KithXml]),
        "fhir-document" => Ok(vec![Format::FhirDocument]),
        "both" => Ok(vec![Format::KithXml, Format::FhirDocument]),
        _ => Err("A format is \"kith-xml\", \"fhir-document\" or \"both\".".to_owned()),
    }
}

fn accepts_invalid(table: &mut Table<'_, '_>, faults: &mut Faults) -> Option<AcceptsInvalid> {
    const NAME: &str = "accepts_invalid";
    if table.is_flag(NAME) {
        return table.flag(NAME, faults).map(AcceptsInvalid::All);
    }
    let families = table.texts(NAME, faults, word);
    table.has(NAME).then_some(AcceptsInvalid::Families(families))
}

fn deadlines(
    table: &mut Table<'_, '_>,
    faults: &mut Faults,
) -> (Option<ReceiptDeadline>, BTreeMap<Family, ReceiptDeadline>) {
    const NAME: &str = "receipt_deadline";
    if !table.is_table(NAME) {
        return (table.text(NAME, faults, deadline), BTreeMap::new());
    }
    let (mut general, mut single) = (None, BTreeMap::new());
    for mut inner in table.tables(NAME, faults) {
        for name in inner.names() {
            let Some(value) = inner.free_text(name, faults, deadline) else { continue };
            match word::<Family>(name) {
                Ok(family) => {
                    single.insert(family, value);
                }
                Err(_) if name == "default" => general = Some(value),
                Err(why) => inner.fault(faults, name, &why, "Write a family's name, or default."),
            }
        }
    }
    (general, single)
}

/// `"off"`, or whole hours from 1 to 8760 as `"96h"`.
fn deadline(text: &str) -> Result<ReceiptDeadline, String> {
    if text == "off" {
        return Ok(ReceiptDeadline::Off);
    }
    text.strip_suffix('h')
        .and_then(|hours| hours.parse().ok())
        .filter(|hours| (1..=8760).contains(hours))
        .map(ReceiptDeadline::Hours)
        .ok_or_else(|| "A deadline is \"off\" or whole hours, as in \"96h\".".to_owned())
}

/// An instant with zone; a date or a time without one is Oslo time.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    let local = || {
        let oslo = TimeZone::get("Europe/Oslo").ok()?;
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        civil.to_zoned(oslo).ok().map(|zoned| zoned.timestamp())
    };
    text.parse()
        .ok()
        .or_else(local)
        .ok_or_else(|| "A time is written as 2026-01-31T22:00:00+01:00, a date as 2026-01-31.".to_owned())
}
