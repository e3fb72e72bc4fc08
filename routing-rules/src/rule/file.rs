//! Rules from TOML files: `[[rule]]` after `[[rule]]`, each with its `[[rule.example]]`.

use super::condition::{Conditions, Hours, Scene, weekday_name};
use super::example::{self, Example};
use super::expression::Expression;
use super::{Actions, Order, Rule, Rules, Target};
use crate::fault::{Fault, FaultKind};
use crate::party::{Parties, formats};
use crate::reading::{self, Faults, Table, line, parsed, word};
use crate::route::Facts;
use jiff::civil::{Time, Weekday};
use jiff::{Timestamp, civil};
use message_schemas::ids::HerId;
use std::collections::HashMap;

pub(super) fn parse(files: &[(String, String)], parties: &Parties) -> Result<Rules, Vec<Fault>> {
    let sources = reading::by_name(files);
    let mut faults = Faults::new(FaultKind::Rules);
    let mut rules: Vec<Rule> = Vec::new();
    let mut names: HashMap<String, String> = HashMap::new();
    for &source in &sources {
        reading::entries(source, "rule", &mut faults, |table, faults| {
            let (place, line) = (table.place("name"), table.line());
            let Some(rule) = rule(table, parties, faults) else { return };
            if let Some(first) = names.insert(rule.name.clone(), format!("{}:{line}", source.name)) {
                let message = format!("Another rule has this name already, in {first}.");
                let field = format!("rule {}: name", rule.name);
                faults.push(source, place, &field, &message, "Give each rule its own name.");
            }
            rules.push(rule);
        });
    }
    // Stable: files by name and rules as they stand, where the priority is the same.
    rules.sort_by_key(|rule| rule.priority);
    faults.finish(Rules { rules, hash: reading::hash(&sources) })
}

fn rule(mut table: Table<'_, '_>, parties: &Parties, faults: &mut Faults) -> Option<Rule> {
    let name = table.text("name", faults, line);
    table.label = name.as_ref().map_or_else(|| "rule".to_owned(), |name| format!("rule {name}"));
    let _about: Option<String> = table.text("about", faults, |text| Ok(text.to_owned()));
    let priority = table.text("priority", faults, parsed).unwrap_or(100);
    let conditions = conditions(&mut table, parties, faults);
    let when = table.text("when", faults, expression);
    let actions = actions(&mut table, faults);
    let examples: Vec<Example> = table
        .tables("example", faults)
        .into_iter()
        .filter_map(|inner| example::read(inner, parties, faults))
        .collect();
    let name = table.need("name", name, faults);
    let (file, line) = (table.source.name.to_owned(), table.line());
    table.finish(faults);
    Some(Rule { name: name?, file, line, priority, conditions, when, actions, examples })
}

fn conditions(table: &mut Table<'_, '_>, parties: &Parties, faults: &mut Faults) -> Conditions {
    let known = |text: &str| -> Result<HerId, String> {
        let her_id = parsed::<HerId>(text)?;
        parties.get(her_id).map(|_| her_id).ok_or_else(|| format!("No party has the HER-id {her_id}."))
    };
    let region = |text: &str| -> Result<String, String> {
        let known = parties.iter().any(|p| p.region.as_deref() == Some(text));
        known.then(|| text.to_owned()).ok_or_else(|| "No party has this region.".to_owned())
    };
    Conditions {
        families: table.texts("families", faults, word),
        versions: table.texts("versions", faults, word),
        types: table.texts("types", faults, line),
        urgency: table.texts("urgency", faults, line),
        senders: table.texts("senders", faults, known),
        receivers: table.texts("receivers", faults, known),
        sender_kinds: table.texts("sender_kinds", faults, word),
        receiver_kinds: table.texts("receiver_kinds", faults, word),
        sender_regions: table.texts("sender_regions", faults, region),
        receiver_regions: table.texts("receiver_regions", faults, region),
        emergency: table.flag("emergency", faults),
        test: table.flag("test", faults),
        hours: table.text("hours", faults, hours),
        weekdays: table.texts("weekdays", faults, weekday),
    }
}

fn actions(table: &mut Table<'_, '_>, faults: &mut Faults) -> Actions {
    let deliver = table.texts("deliver", faults, target);
    let copy = table.texts("copy", faults, target);
    let hold = table.text("hold", faults, line);
    let order: Option<Order> = table.text("order", faults, word);
    let then = table.text("then", faults, |text| match text {
        "stop" => Ok(true),
        "continue" => Ok(false),
        _ => Err("What comes then is \"stop\" or \"continue\".".to_owned()),
    });
    let acts = ["deliver", "copy", "hold", "order", "then"];
    if !acts.iter().any(|name| table.has(name)) {
        let remedy = "Add deliver, copy, hold or order; or then = \"stop\" to end the search here.";
        table.fault(faults, "", "The rule does nothing.", remedy);
    }
    if table.has("deliver") && table.has("hold") {
        let remedy = "Keep one of the two; a held message is delivered when a person releases it.";
        table.fault(faults, "hold", "The rule both delivers and holds.", remedy);
    }
    let stop = then.unwrap_or(!deliver.is_empty() || hold.is_some());
    Actions { deliver, copy, hold, order, stop }
}

/// `folder:hospital`, or `folder:hospital as fhir-document`.
pub(super) fn target(text: &str) -> Result<Target, String> {
    let (destination, format) = match text.split_once(" as ") {
        Some((destination, format)) => (destination, Some(formats(format.trim())?)),
        None => (text, None),
    };
    Ok(Target { destination: parsed(destination.trim())?, formats: format })
}

/// `22:00-07:00`.
fn hours(text: &str) -> Result<Hours, String> {
    let read = || {
        let (from, to) = text.split_once('-')?;
        let hours = Hours { from: clock(from)?, to: clock(to)? };
        (hours.from != hours.to).then_some(hours)
    };
    read().ok_or_else(|| "Hours are written as \"22:00-07:00\", in Oslo time.".to_owned())
}

fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn weekday(text: &str) -> Result<Weekday, String> {
    let all = Weekday::Monday.cycle_forward().take(7);
    all.into_iter()
        .find(|day| weekday_name(*day) == text)
        .ok_or_else(|| "A weekday is mon, tue, wed, thu, fri, sat or sun.".to_owned())
}

/// Compiles an expression and asks it once, so that one that never gives true or false is refused now and
/// not at night.
fn expression(text: &str) -> Result<Expression, String> {
    let expression = Expression::compile(text)?;
    let head = example::sample_head();
    let at = civil::date(2026, 1, 14).at(12, 0, 0, 0).in_tz("Europe/Oslo");
    let facts = Facts {
        head: &head,
        at: at.map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp()),
        size_bytes: 20_000,
    };
    let parties = Parties::default();
    if let Some(receiver) = head.receivers.first() {
        expression.holds(&Scene::new(&facts, receiver, &parties))?;
    }
    Ok(expression)
}
