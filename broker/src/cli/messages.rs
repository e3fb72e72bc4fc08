//! `messages`: what came in, for whoever has no id in hand.

use super::dead_letter::{beyond, reason};
use super::{ConfigArg, Format, journal, json_line};
use crate::exit::{Failure, Verdict};
use adapters::clock::SystemClock;
use broker_core::journal::{Book, MessageRecord, RecipientRecord, Search, VerdictRecord};
use broker_core::lifecycle::State;
use broker_core::ports::{Clock as _, Store};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use dead_letter::Reason;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use message_schemas::{Family, HerId};
use routing_rules::DestinationId;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::str::FromStr;

/// List messages that came in: from whom, for whom, of what kind, judged how, standing where; newest first.
///
/// Without filters, the latest ones of all. With several filters, messages for which all of them hold; --receiver,
/// --destination and --state for one and the same recipient. No patient is shown. What there is to know of one of them,
/// `trace` tells.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke messages --config broker.toml --sender 8094866 --since 2h
  budstikke messages --config broker.toml --verdict refused --since 2026-11-23 --until 2026-11-24
  budstikke messages --config broker.toml --receiver 8093 --family referral --state rejected
  budstikke messages --config broker.toml --code P19 --format json | jq -r .short

Times are times of day with their zone (2026-11-23T06:00Z, 2026-11-23T07:00+01:00), days in UTC (2026-11-23), or how long
ago (90s, 30m, 2h, 3d). A long time is looked through faster where --sender, --receiver, --destination, --family or --code is given.

Exit codes: 0 listed, also when there is nothing.")]
pub(super) struct Command {
    #[command(flatten)]
    config: ConfigArg,
    /// Only from this sender, by its head, or by its envelope where there is no head.
    #[arg(long, value_name = "HER-ID")]
    sender: Option<HerId>,
    /// Only for this receiver. (A receipt of ours has the message's sender as its receiver.)
    #[arg(long, value_name = "HER-ID")]
    receiver: Option<HerId>,
    /// Only of this family: referral, discharge-summary, result-report, app-rec, dialogue, and so on.
    #[arg(long, value_parser = family)]
    family: Option<Family>,
    /// Only what was judged so.
    #[arg(long, value_parser = PossibleValuesParser::new(VerdictRecord::NAMES).map(|name| verdict(&name)))]
    verdict: Option<&'static str>,
    /// Only with a recipient in this state.
    #[arg(long, value_parser = PossibleValuesParser::new(State::ALL.map(State::as_str)).try_map(|name| state(&name)))]
    state: Option<State>,
    /// Only with this reason code, of the message or of a recipient.
    #[arg(long, value_parser = reason)]
    code: Option<Reason>,
    /// Only with a recipient at this destination.
    #[arg(long, value_name = "NAME")]
    destination: Option<DestinationId>,
    /// Only what came by this entrance, as `trace` names it: http, folder:NAME, amqp:NAME.
    #[arg(long)]
    source: Option<String>,
    /// Only what came then or later.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only what came before.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// At most so many, the newest first.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// How to print; JSON is one message a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn verdict(name: &str) -> &'static str {
    VerdictRecord::NAMES.into_iter().find(|known| *known == name).unwrap_or_default()
}

fn state(name: &str) -> Result<State, String> {
    State::from_name(name).ok_or_else(|| "no such state".to_owned())
}

fn family(name: &str) -> Result<Family, serde::de::value::Error> {
    Family::deserialize(name.into_deserializer())
}

/// A time as a person gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    At(Timestamp),
    Ago(SignedDuration),
}

impl FromStr for When {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let time = text.parse::<Timestamp>().ok();
        time.or_else(|| day(text)).map(Self::At).or_else(|| ago(text).map(Self::Ago)).ok_or(
            "a time with its zone (2026-11-23T06:00Z), a day (2026-11-23), or how long ago (2h) is wanted",
        )
    }
}

/// The beginning of a day, UTC. Of a time of day without its zone, the day alone would be read.
fn day(text: &str) -> Option<Timestamp> {
    let day: Date = text.parse().ok().filter(|_| text.len() == "2026-11-23".len())?;
    day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn ago(text: &str) -> Option<SignedDuration> {
    let ago = text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    (!ago.is_negative()).then_some(ago)
}

impl When {
    fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            // Before the first time that there is: all of it.
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let now = SystemClock::new().now();
        let wanted = Search {
            sender: self.sender,
            family: self.family,
            verdict: self.verdict,
            source: self.source,
            since: self.since.map(|when| when.at(now)),
            until: self.until.map(|when| when.at(now)),
            reason: self.code,
            receiver: self.receiver,
            destination: self.destination,
            state: self.state,
            limit: self.limit.saturating_add(1),
        };
        let mut found = journal::with(&config, async |journal| Ok(journal.search(&wanted).await?))?;
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        for message in &found {
            match self.format {
                Format::Text => writeln!(out, "{}", line(message))?,
                Format::Json => json_line(out, &json(message))?,
            }
        }
        if self.format == Format::Text {
            writeln!(out, "{} messages{}; see one with: budstikke trace ID", found.len(), beyond(more))?;
        }
        Ok(Verdict::Good)
    }
}

/// When, which, from whom to whom, what, how it was judged, how its recipients stand, how its receipts stand.
fn line(message: &MessageRecord) -> String {
    let party = |id: Option<HerId>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let received = message.received.strftime("%FT%TZ");
    let kind = message
        .head
        .as_ref()
        .map_or_else(|| "unread".to_owned(), |head| format!("{} {}", head.kind.family, head.kind.version));
    let of = |book: Book| message.recipients.iter().filter(move |r| r.book == book);
    let receivers = receivers(message).into_iter().map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    let receivers = if receivers.is_empty() { "-" } else { &receivers };
    let reason = message.verdict.reason().map_or_else(String::new, |reason| format!(" {reason}"));
    let mut told = format!(
        "{received}  {}  {:>9} > {receivers:<9}  {kind:<22}  {}{reason}",
        message.short,
        party(message.sender()),
        message.verdict.as_str()
    );
    let (deliveries, receipts) = (standing(of(Book::Message)), standing(of(Book::Receipt)));
    if !deliveries.is_empty() {
        told.push_str(": ");
        told.push_str(&deliveries);
    }
    if !receipts.is_empty() {
        told.push_str("; answer ");
        told.push_str(&receipts);
    }
    told
}

/// Those it is delivered for; where it is for none, those it names.
fn receivers(message: &MessageRecord) -> BTreeSet<HerId> {
    let delivered = message.recipients.iter().filter(|r| r.book == Book::Message);
    let delivered: BTreeSet<HerId> = delivered.filter_map(|r| r.receiver).collect();
    if !delivered.is_empty() {
        return delivered;
    }
    let by_head = message.head.iter().flat_map(|head| &head.receivers);
    let named: BTreeSet<HerId> = by_head.filter_map(|receiver| receiver.party.any_her_id()).collect();
    if named.is_empty() { message.envelope_receiver.into_iter().collect() } else { named }
}

/// Nothing that is inside of a message: that is for `trace`, which is asked for one.
fn json(message: &MessageRecord) -> serde_json::Value {
    let head = message.head.as_ref();
    serde_json::json!({
        "id": message.id, "short": message.short, "received": message.received, "source": message.source,
        "size_bytes": message.size_bytes, "sender": message.sender(), "receivers": receivers(message),
        "kind": head.map(|head| head.kind), "msg_id": head.and_then(|head| head.msg_id.as_ref()),
        "test": head.is_some_and(|head| head.test), "verdict": message.verdict.as_str(),
        "reason": message.verdict.reason(), "recipients": message.recipients,
    })
}

/// `2 receipted, 1 parked P19`.
fn standing<'a>(recipients: impl Iterator<Item = &'a RecipientRecord>) -> String {
    let mut counted: BTreeMap<(&str, Option<&str>), usize> = BTreeMap::new();
    for recipient in recipients {
        *counted.entry((recipient.state.as_str(), recipient.reason.map(Reason::as_str))).or_default() += 1;
    }
    let told = counted.into_iter().map(|((state, reason), count)| {
        let gap = if reason.is_some() { " " } else { "" };
        format!("{count} {state}{gap}{}", reason.unwrap_or_default())
    });
    told.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_give_them() {
        let now: Timestamp = "2026-11-24T06:00:00Z".parse().expect("a time");
        let at = |text: &str| text.parse::<When>().map(|when| when.at(now).to_string());
        assert_eq!(at("2026-11-23T07:00+01:00").as_deref(), Ok("2026-11-23T06:00:00Z"));
        assert_eq!(at("2026-11-23").as_deref(), Ok("2026-11-23T00:00:00Z"));
        assert_eq!(at(" 90s").as_deref(), Ok("2026-11-24T05:58:30Z"));
        assert_eq!(at("2h").as_deref(), Ok("2026-11-24T04:00:00Z"));
        assert_eq!(at("3d").as_deref(), Ok("2026-11-21T06:00:00Z"));
        for none in ["", "yesterday", "-2h", "5", "2026-11-23T06:00", "2026-13-01"] {
            assert!(at(none).is_err(), "{none}");
        }
    }

    #[test]
    fn families_and_verdicts_are_known_by_their_names() {
        assert_eq!(family("referral"), Ok(Family::Referral));
        assert!(family("letter").expect_err("there is none").to_string().contains("discharge-summary"));
        assert!(VerdictRecord::NAMES.into_iter().all(|name| verdict(name) == name));
    }
}
