//! The conditions that need no expression, and the scene that all conditions look at.

use crate::party::{Parties, PartyEntry, PartyKind};
use crate::route::Facts;
use jiff::Zoned;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use message_schemas::family::{Family, Version};
use message_schemas::head::{Party, Receiver, Role};
use message_schemas::ids::HerId;
use std::sync::LazyLock;

/// From the time zone data inside the binary; looked up once.
static OSLO: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get("Europe/Oslo").unwrap_or(TimeZone::UTC));

/// What a rule may look at: one message on its way to one receiver.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) sender: Side<'a>,
    pub(crate) receiver: Side<'a>,
    /// The receiver is a copy receiver.
    pub(crate) copy: bool,
    /// When, in Oslo.
    pub(crate) local: Zoned,
}

/// Sender or receiver.
#[derive(Debug, Default)]
pub(crate) struct Side<'a> {
    pub(crate) her_id: Option<HerId>,
    pub(crate) enterprise: Option<HerId>,
    pub(crate) party: Option<&'a PartyEntry>,
    pub(crate) region: Option<&'a str>,
    pub(crate) organisation: Option<String>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(facts: &'a Facts<'a>, receiver: &'a Receiver, parties: &'a Parties) -> Self {
        Self {
            facts,
            sender: facts.head.sender.as_ref().map_or_else(Side::default, |s| Side::new(s, parties)),
            receiver: Side::new(&receiver.party, parties),
            copy: matches!(receiver.role, Role::Copy),
            local: facts.at.to_zoned(OSLO.clone()),
        }
    }
}

impl<'a> Side<'a> {
    fn new(party: &Party, parties: &'a Parties) -> Self {
        let (her_id, enterprise) = (party.her_id(), party.enterprise_her_id());
        let entry = her_id.and_then(|id| parties.get(id));
        let entry = entry.or_else(|| enterprise.and_then(|id| parties.get(id)));
        Side {
            her_id,
            enterprise,
            party: entry,
            region: entry.and_then(|p| parties.region(p)),
            organisation: entry.and_then(|p| parties.organisation(p)).map(|number| number.to_string()),
        }
    }
}

/// Conditions on closed lists; an empty one asks nothing, and all must hold.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) families: Vec<Family>,
    pub(crate) versions: Vec<Version>,
    pub(crate) types: Vec<String>,
    pub(crate) urgency: Vec<String>,
    pub(crate) senders: Vec<HerId>,
    pub(crate) receivers: Vec<HerId>,
    pub(crate) sender_kinds: Vec<PartyKind>,
    pub(crate) receiver_kinds: Vec<PartyKind>,
    pub(crate) sender_regions: Vec<String>,
    pub(crate) receiver_regions: Vec<String>,
    pub(crate) emergency: Option<bool>,
    pub(crate) test: Option<bool>,
    pub(crate) hours: Option<Hours>,
    pub(crate) weekdays: Vec<Weekday>,
}

/// A span of the day in Oslo, from inclusive to exclusive; over midnight if `to` is before `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hours {
    pub(crate) from: Time,
    pub(crate) to: Time,
}

impl Hours {
    fn contain(self, time: Time) -> bool {
        if self.from <= self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        }
    }
}

impl Conditions {
    /// The conditions that do not hold, in words; the sender's free text is not repeated in them.
    pub(crate) fn failing(&self, scene: &Scene<'_>) -> Vec<String> {
        let head = scene.facts.head;
        let mut failing = Vec::new();
        let mut ask = |holds: bool, name: &str, found: &dyn Fn() -> String| {
            if !holds {
                failing.push(format!("{name}: {}", found()));
            }
        };
        let among = |list: &[HerId], side: &Side<'_>| {
            list.is_empty() || [side.her_id, side.enterprise].iter().flatten().any(|id| list.contains(id))
        };
        let id =
            |side: &Side<'_>| side.her_id.map_or_else(|| "has no HER-id".to_owned(), |id| format!("is {id}"));
        let kind = |side: &Side<'_>| side.party.map(|p| p.kind);
        let kind_name = |side: &Side<'_>| {
            kind(side).map_or_else(|| "is not known".to_owned(), |kind| format!("is {}", kind.as_str()))
        };
        let region = |side: &Side<'_>| side.region.map_or("has none", |_| "is another one").to_owned();
        let text = |value: Option<&String>| value.map_or("has none", |_| "is another one").to_owned();

        let (family, version) = (head.kind.family, head.kind.version);
        ask(any(&self.families, Some(&family)), "families", &|| format!("is {family}"));
        ask(any(&self.versions, Some(&version)), "versions", &|| format!("is {version}"));
        let types = |v: &String| Some(v) == head.type_code.as_ref() || Some(v) == head.function.as_ref();
        let type_holds = self.types.is_empty() || self.types.iter().any(types);
        ask(type_holds, "types", &|| text(head.type_code.as_ref().or(head.function.as_ref())));
        ask(any(&self.urgency, head.urgency.as_ref()), "urgency", &|| text(head.urgency.as_ref()));
        ask(among(&self.senders, &scene.sender), "senders", &|| id(&scene.sender));
        ask(among(&self.receivers, &scene.receiver), "receivers", &|| id(&scene.receiver));
        let (from, to) = (&scene.sender, &scene.receiver);
        ask(any(&self.sender_kinds, kind(from).as_ref()), "sender_kinds", &|| kind_name(from));
        ask(any(&self.receiver_kinds, kind(to).as_ref()), "receiver_kinds", &|| kind_name(to));
        ask(any_text(&self.sender_regions, from.region), "sender_regions", &|| region(from));
        ask(any_text(&self.receiver_regions, to.region), "receiver_regions", &|| region(to));
        ask(self.emergency.is_none_or(|e| e == head.emergency), "emergency", &|| {
            format!("is {}", head.emergency)
        });
        ask(self.test.is_none_or(|t| t == head.test), "test", &|| format!("is {}", head.test));
        let time = scene.local.time();
        ask(self.hours.is_none_or(|h| h.contain(time)), "hours", &|| {
            format!("is {:02}:{:02} in Oslo", time.hour(), time.minute())
        });
        let weekday = scene.local.weekday();
        ask(any(&self.weekdays, Some(&weekday)), "weekdays", &|| format!("is {}", weekday_name(weekday)));
        failing
    }
}

fn any<T: PartialEq>(list: &[T], value: Option<&T>) -> bool {
    list.is_empty() || value.is_some_and(|v| list.contains(v))
}

fn any_text(list: &[String], value: Option<&str>) -> bool {
    list.is_empty() || value.is_some_and(|v| list.iter().any(|wanted| wanted == v))
}

/// The name that rules use for a day of the week.
pub(crate) const fn weekday_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::time;

    #[test]
    fn hours_may_run_over_midnight_and_end_before_their_end() {
        let night = Hours { from: time(22, 0, 0, 0), to: time(7, 0, 0, 0) };
        let day = Hours { from: time(7, 0, 0, 0), to: time(22, 0, 0, 0) };
        for (hour, minute, is_night) in
            [(22, 0, true), (23, 59, true), (0, 0, true), (6, 59, true), (7, 0, false), (21, 59, false)]
        {
            assert_eq!(night.contain(time(hour, minute, 0, 0)), is_night, "{hour}:{minute}");
            assert_eq!(day.contain(time(hour, minute, 0, 0)), !is_night, "{hour}:{minute}");
        }
    }
}
