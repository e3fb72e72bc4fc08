//! `dead-letter`: what lies still, why, and how it goes again.

use super::{ConfigArg, Format, journal, json_line, trace};
use crate::config::Config;
use crate::exit::{Failure, Verdict};
use crate::wiring::Journal;
use crate::world;
use adapters::clock::SystemClock;
use broker_core::journal::{MessageRecord, RecipientId, RecipientRecord, SetAside};
use broker_core::lifecycle::State;
use broker_core::ports::{Clock, Store};
use clap::Subcommand;
use dead_letter::{Again, Filter, ParkedRecord, ParkedState, Reason, Refusal, plan_replay};
use jiff::Timestamp;
use message_schemas::{HerId, MessageId};
use routing_rules::{Decision, DestinationId, Facts, route};
use std::collections::BTreeMap;
use std::io::Write;

/// List, show and replay what was set aside: parked, expired and rejected.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke dead-letter list --config broker.toml
  budstikke dead-letter show --config broker.toml 4F7K-2M9Q
  budstikke dead-letter replay --config broker.toml 4F7K-2M9Q --reason \"disk replaced, case 4711\"
  budstikke dead-letter replay --config broker.toml --all --code P19 --dry-run")]
pub(super) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what lies still, oldest first.
    #[command(
        after_help = "Example:\n  budstikke dead-letter list --config broker.toml --code P19 --destination hospital"
    )]
    List(List),
    /// Show one of them with all that is known of its message.
    #[command(after_help = "Example:\n  budstikke dead-letter show --config broker.toml 4F7K-2M9Q")]
    Show(Show),
    /// Send again: the same bytes under the same id.
    ///
    /// What was rejected with a receipt stays so. What may have arrived, or came under the id of another
    /// content, asks for --confirm: look first.
    #[command(after_help = "Examples:
  budstikke dead-letter replay --config broker.toml 4F7K-2M9Q --reason \"receiver is back\"
  budstikke dead-letter replay --config broker.toml --all --destination hospital --dry-run

Exit codes: 0 all that was asked for goes again, 1 some does not.")]
    Replay(Box<Replay>),
}

/// Which of them.
#[derive(Debug, clap::Args)]
struct Which {
    /// Only with this reason code; may be repeated.
    #[arg(long, value_name = "CODE", value_parser = reason)]
    code: Vec<Reason>,
    /// Only to this destination; may be repeated.
    #[arg(long, value_name = "NAME")]
    destination: Vec<DestinationId>,
    /// Only for this receiver; may be repeated.
    #[arg(long, value_name = "HER-ID")]
    receiver: Vec<HerId>,
    /// At most so many, the oldest first.
    #[arg(long, default_value_t = 1_000)]
    limit: usize,
}

fn reason(code: &str) -> Result<Reason, String> {
    Reason::from_code(&code.to_ascii_uppercase())
        .ok_or_else(|| "no such reason; budstikke explain lists all".to_owned())
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    which: Which,
    /// How to print; JSON is one recipient a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    config: ConfigArg,
    /// Id of the message or recipient, in any form.
    id: String,
    /// How to print; JSON is one recipient a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct Replay {
    #[command(flatten)]
    config: ConfigArg,
    /// Ids of messages or recipients, in any form.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// All that the filters leave.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,
    /// Send to this destination instead.
    #[arg(long, value_name = "NAME")]
    to: Option<DestinationId>,
    /// Somebody has looked: send also what may have arrived, and what came under the id of another content.
    #[arg(long)]
    confirm: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// How to print; JSON is one recipient a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A recipient that lies still, with its message.
type Lying = (MessageId, RecipientRecord);

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        match self.action {
            Action::List(list) => list.run(out),
            Action::Show(show) => show.run(out),
            Action::Replay(replay) => replay.run(out),
        }
    }
}

impl Which {
    /// What the journal holds of it. Several values of one filter are asked for one by one.
    async fn find(&self, journal: &Journal) -> Result<Vec<Lying>, Failure> {
        let mut found = BTreeMap::new();
        for reason in each(&self.code) {
            for destination in each(&self.destination) {
                let wanted = SetAside { message: None, reason, destination, limit: self.limit };
                for (message, recipient) in journal.set_aside(&wanted).await? {
                    found.insert((message, recipient.id), (message, recipient));
                }
            }
        }
        let wanted = |(_, recipient): &Lying| {
            self.receiver.is_empty() || recipient.receiver.is_some_and(|r| self.receiver.contains(&r))
        };
        Ok(found.into_values().filter(wanted).take(self.limit).collect())
    }
}

/// Each value of a filter; once nothing, if it asks nothing.
fn each<T: Clone>(values: &[T]) -> Vec<Option<T>> {
    if values.is_empty() { vec![None] } else { values.iter().cloned().map(Some).collect() }
}

impl List {
    fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let lying = journal::with(&config, async |journal| self.which.find(journal).await)?;
        for (message, recipient) in &lying {
            match self.format {
                Format::Text => {
                    let reason = recipient.reason.map_or_else(String::new, |r| format!("{r} {}", r.title()));
                    let place = recipient.destination.as_ref().map_or("-", DestinationId::as_str);
                    let receiver = recipient.receiver.map_or_else(|| "-".to_owned(), |r| r.to_string());
                    let state = recipient.state;
                    writeln!(
                        out,
                        "{}  {message}  {state:<9} {receiver:>9}  {place:<20} {reason}",
                        message.short()
                    )?;
                }
                Format::Json => json_line(out, &with_message(*message, recipient))?,
            }
        }
        if self.format == Format::Text {
            writeln!(out, "{} recipients lie still.", lying.len())?;
        }
        Ok(Verdict::Good)
    }
}

fn with_message(message: MessageId, recipient: &RecipientRecord) -> serde_json::Value {
    serde_json::json!({ "message": message, "short": message.short(), "recipient": recipient })
}

impl Show {
    fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let found = journal::with(&config, async |journal| by_id(journal, &self.id).await)?;
        for (message, recipient) in &found {
            match self.format {
                Format::Text => {
                    writeln!(out, "Message {message}  (short {})", message.short())?;
                    trace::recipient_line(out, recipient)?;
                    if let Some(page) = recipient.reason.and_then(|reason| dead_letter::page(reason.as_str()))
                    {
                        writeln!(out, "\n{page}")?;
                    }
                }
                Format::Json => json_line(out, &with_message(*message, recipient))?,
            }
        }
        if found.is_empty() {
            crate::exit::say("Nothing lies still under this id.");
        }
        Ok(Verdict::of(!found.is_empty()))
    }
}

/// What lies still of the messages that an id may mean; of one recipient, if it is a recipient's.
async fn by_id(journal: &Journal, id: &str) -> Result<Vec<Lying>, Failure> {
    let id = id.trim();
    let mut lying = Vec::new();
    for record in journal.find(id, 100).await? {
        let MessageRecord { id: message, recipients, .. } = record;
        lying
            .extend(recipients.into_iter().filter(|r| parked_state(r.state).is_some()).map(|r| (message, r)));
    }
    let one: Vec<Lying> = lying.iter().filter(|(_, r)| r.id.0.to_string() == id).cloned().collect();
    Ok(if one.is_empty() { lying } else { one })
}

const fn parked_state(state: State) -> Option<ParkedState> {
    match state {
        State::Parked => Some(ParkedState::Parked),
        State::Rejected => Some(ParkedState::Rejected),
        State::Expired => Some(ParkedState::Expired),
        State::Waiting
        | State::Sending
        | State::Unsure
        | State::HandedOver
        | State::Receipted
        | State::Replaced => None,
    }
}

/// What is to become of one recipient.
struct Step {
    message: MessageId,
    recipient: RecipientId,
    /// The destination, or why it stays.
    goes: Result<DestinationId, String>,
    /// It goes elsewhere than before.
    to: Option<DestinationId>,
}

impl Replay {
    fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        if let Some(to) = self.to.as_ref().filter(|to| !config.destinations.contains_key(to)) {
            return Err(Failure::Usage(format!("the configuration has no destination {to}")));
        }
        let steps = journal::with(&config, async |journal| {
            let steps = self.plan(&config, journal).await?;
            if let (false, Some(why)) = (self.dry_run, &self.reason) {
                let go: Vec<_> =
                    steps.iter().filter(|s| s.goes.is_ok()).map(|s| (s.recipient, s.to.clone())).collect();
                journal.replay(&go, &format!("{}: {why}", who()), SystemClock::new().now()).await?;
            }
            Ok(steps)
        })?;
        for step in &steps {
            self.print(out, step)?;
        }
        let going = steps.iter().filter(|step| step.goes.is_ok()).count();
        if self.format == Format::Text {
            let done = if self.dry_run { "would go again" } else { "go again" };
            writeln!(out, "{going} of {} {done}.", steps.len())?;
        }
        Ok(Verdict::of(going == steps.len() && !steps.is_empty()))
    }

    async fn plan(&self, config: &Config, journal: &Journal) -> Result<Vec<Step>, Failure> {
        let lying = if self.all {
            self.which.find(journal).await?
        } else {
            let mut found = BTreeMap::new();
            for id in &self.ids {
                found.extend(by_id(journal, id).await?.into_iter().map(|lying| (lying.1.id, lying)));
            }
            found.into_values().collect()
        };
        let records: Vec<_> = lying.iter().enumerate().filter_map(|(at, lying)| record(at, lying)).collect();
        let filter = Filter { confirmed: self.confirm, ..Filter::default() };
        let plan = plan_replay(&records, &filter, SystemClock::new().now());
        let mut steps = Vec::new();
        for replay in &plan.go {
            let Some((message, recipient)) = lying_at(&lying, replay.receiver_index) else { continue };
            let goes = match (&self.to, &replay.again, &recipient.destination) {
                // What protection stopped is never simply sent on, wherever to.
                (_, Again::Judge, _) => Err("it must be judged again as a whole message".to_owned()),
                (Some(to), ..) => Ok(to.clone()),
                (None, Again::Deliver { .. } | Again::Release, Some(known)) => Ok(known.clone()),
                (None, _, Some(known)) if config.destinations.contains_key(known) => Ok(known.clone()),
                (None, ..) => route_again(config, journal, *message, recipient).await?,
            };
            let to = goes.as_ref().ok().filter(|to| recipient.destination.as_ref() != Some(to)).cloned();
            steps.push(Step { message: *message, recipient: recipient.id, goes, to });
        }
        for (record, refusal) in &plan.refused {
            let Some((message, recipient)) = lying_at(&lying, record.receiver_index) else { continue };
            steps.push(Step {
                message: *message,
                recipient: recipient.id,
                goes: Err(why(*refusal)),
                to: None,
            });
        }
        Ok(steps)
    }

    fn print(&self, out: &mut dyn Write, step: &Step) -> Result<(), Failure> {
        if self.format == Format::Json {
            let goes = step.goes.as_ref().ok();
            let line = serde_json::json!({
                "message": step.message, "recipient": step.recipient, "replayed": goes.is_some() && !self.dry_run,
                "destination": goes, "why_not": step.goes.as_ref().err(),
            });
            return json_line(out, &line);
        }
        match &step.goes {
            Ok(place) => writeln!(out, "{}  {}  to {place}", step.message.short(), step.recipient.0)?,
            Err(why) => writeln!(out, "{}  {}  stays: {why}", step.message.short(), step.recipient.0)?,
        }
        Ok(())
    }
}

fn why(refusal: Refusal) -> String {
    refusal.to_string()
}

fn lying_at(lying: &[Lying], index: u32) -> Option<&Lying> {
    usize::try_from(index).ok().and_then(|at| lying.get(at))
}

/// As `plan_replay` wants it; the index leads back to the recipient.
fn record(at: usize, (message, recipient): &Lying) -> Option<ParkedRecord> {
    Some(ParkedRecord {
        message: *message,
        receiver_index: u32::try_from(at).ok()?,
        receiver: recipient.receiver,
        destination: recipient.destination.as_ref().map(ToString::to_string),
        state: parked_state(recipient.state)?,
        reason: recipient.reason?,
        since: taken_in(*message),
    })
}

/// Our ids tell when they were given.
fn taken_in(message: MessageId) -> Timestamp {
    let seconds = message.0.get_timestamp().map_or(0, |stamp| stamp.to_unix().0);
    i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or_default()
}

/// Where the parties and rules of now send it.
async fn route_again(
    config: &Config,
    journal: &Journal,
    message: MessageId,
    recipient: &RecipientRecord,
) -> Result<Result<DestinationId, String>, Failure> {
    let Some(MessageRecord { head: Some(head), size_bytes, .. }) = journal.message(message).await? else {
        return Ok(Err("its address cannot be read; name a destination with --to".to_owned()));
    };
    let tables = world::Tables::load(config).map_err(Failure::Config)?;
    let size_bytes = usize::try_from(size_bytes).unwrap_or(usize::MAX);
    let facts = Facts { head: &head, at: SystemClock::new().now(), size_bytes };
    let routing = route(&facts, &tables.parties, &tables.rules);
    let decision = routing.routes.into_iter().find(|r| r.receiver == recipient.receiver).map(|r| r.decision);
    Ok(match decision {
        Some(Decision::Deliver { legs, .. }) => {
            legs.into_iter().next().map(|leg| leg.destination).ok_or_else(|| "it goes nowhere".to_owned())
        }
        Some(decision) => Err(format!("routed again: {decision}; name a destination with --to")),
        None => Err("it addresses nobody; name a destination with --to".to_owned()),
    })
}

/// Who runs this command, for the record.
fn who() -> String {
    std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "somebody".to_owned())
}
