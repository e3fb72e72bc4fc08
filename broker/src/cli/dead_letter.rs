//! `dead-letter`: what lies still, why, and how it goes again.

mod discard;
mod judge;
mod replay;
mod rule;
mod show;

use super::{ConfigArg, Format, journal, json_line};
use crate::exit::{Failure, Verdict};
use crate::wiring::Journal;
use broker_core::journal::{Aside, MessageRecord, SetAside};
use broker_core::lifecycle::State;
use broker_core::ports::Store;
use clap::Subcommand;
use dead_letter::{ParkedState, Reason};
use message_schemas::HerId;
use routing_rules::DestinationId;
use std::collections::BTreeMap;
use std::io::Write;

/// List, show, replay and discard what was set aside: parked and expired.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke dead-letter list --config broker.toml
  budstikke dead-letter show --config broker.toml 4F7K-2M9Q
  budstikke dead-letter replay --config broker.toml 4F7K-2M9Q --reason \"disk replaced, case 4711\"
  budstikke dead-letter replay --config broker.toml --all --code P19 --dry-run
  budstikke dead-letter discard --config broker.toml 4F7K-2M9Q --reason \"not for us, sender told\"")]
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
    /// Show one of them: what was found in its message, where, and what helps; and what the reason means. With --out,
    /// its message is written as it came.
    #[command(after_help = "Examples:
  budstikke dead-letter show --config broker.toml 4F7K-2M9Q
  budstikke dead-letter show --config broker.toml 4F7K-2M9Q --out message.xml

Exit codes: 0 shown, 1 nothing lies still under this id.")]
    Show(show::Show),
    /// Send again: the same bytes under the same id.
    ///
    /// What was rejected with a receipt stays so. What may have arrived, or came under the id of another
    /// content, asks for --confirm: look first. What protection stopped (P34 to P44), what had no receiver here or no way to
    /// it (P05, P08, P09, P12 to P14), what a rule held (P15; released, it is held no more), whose sender could not be told
    /// (P16, P50, P54), what failed here (P17, P31), and what would have been refused if anybody had heard of it (P01 to P04,
    /// P06), is judged again: opened, verified, routed and sealed by the keys, certificates and parties of now, and by what the
    /// broker keeps on disk of revocation; nobody is asked over the network. Nothing leaves in the clear whose receiver gets
    /// it sealed.
    ///
    /// A version of a document that contradicts what is published (P59 to P63, P65) waits for a person. Look at it with
    /// show, then rule with --ruling: publish it as it is (P59, P61, P65), or leave it unpublished. Who ruled, what and why
    /// goes into the events of its message.
    #[command(after_help = "Examples:
  budstikke dead-letter replay --config broker.toml 4F7K-2M9Q --reason \"receiver is back\"
  budstikke dead-letter replay --config broker.toml --all --destination hospital --dry-run
  budstikke dead-letter replay --config broker.toml 4F7K-2M9Q --ruling publish --reason \"the ward confirms it, case 4711\"

Exit codes: 0 all that was asked for goes again, 1 some does not (also what is judged again and is refused, or
comes to the same as before).")]
    Replay(Box<replay::Replay>),
    /// Discard: a person has looked, and nothing is to be done with it.
    ///
    /// It is listed no more and holds back nothing; its bytes and its history stay as long as those of all others. The one
    /// who sent it hears nothing of it. --undo lays it back, by its id (`trace` tells that).
    #[command(after_help = "Examples:
  budstikke dead-letter discard --config broker.toml 4F7K-2M9Q --reason \"not for us, sender told, case 4711\"
  budstikke dead-letter discard --config broker.toml --all --code P08 --dry-run
  budstikke dead-letter discard --config broker.toml 4F7K-2M9Q --undo --reason \"the wrong one\"

Exit codes: 0 all that was asked for is discarded, 1 some is not.")]
    Discard(discard::Discard),
}

/// What is asked for: ids, or all that the filters leave.
#[derive(Debug, clap::Args)]
struct Chosen {
    /// Ids of messages or recipients, in any form.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// All that the filters leave.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
}

/// What was found of it.
struct Found {
    aside: Vec<Aside>,
    /// A limit hides some.
    more: bool,
    /// Ids under which there is nothing.
    unknown: Vec<String>,
}

impl Chosen {
    /// What the journal holds of it that stands so.
    async fn find(&self, journal: &Journal, stands: impl Fn(State) -> bool) -> Result<Found, Failure> {
        if self.all {
            let (mut aside, more) = self.which.find(journal).await?;
            aside.retain(|aside| stands(aside.recipient.state));
            return Ok(Found { aside, more, unknown: Vec::new() });
        }
        let (mut found, mut unknown) = (BTreeMap::new(), Vec::new());
        for id in &self.ids {
            let lying = by_id(journal, id, &stands).await?;
            if lying.is_empty() {
                unknown.push(id.clone());
            }
            found.extend(lying.into_iter().map(|aside| (aside.recipient.id, aside)));
        }
        Ok(Found { aside: found.into_values().collect(), more: false, unknown })
    }
}

impl Found {
    /// Tells of each id that led nowhere.
    fn tell_unknown(&self, out: &mut dyn Write, format: Format) -> Result<(), Failure> {
        for id in &self.unknown {
            match format {
                Format::Text => writeln!(out, "{id}  nothing lies so under this id")?,
                Format::Json => {
                    json_line(
                        out,
                        &serde_json::json!({ "id": id, "why_not": "nothing lies so under this id" }),
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// Why a person does something, for the record: a line of text.
fn why(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().any(char::is_control) {
        _ if text.is_empty() => Err("say why".to_owned()),
        true => Err("one line, without control characters".to_owned()),
        false => Ok(text.to_owned()),
    }
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

/// A reason by its code.
pub(super) fn reason(code: &str) -> Result<Reason, String> {
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

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        match self.action {
            Action::List(list) => list.run(out),
            Action::Show(show) => show.run(out),
            Action::Replay(replay) => replay.run(out),
            Action::Discard(discard) => discard.run(out),
        }
    }
}

impl Which {
    /// What the journal holds of it, and whether that is more than the limit. Several values of one filter are asked for
    /// one by one.
    async fn find(&self, journal: &Journal) -> Result<(Vec<Aside>, bool), Failure> {
        let limit = self.limit.saturating_add(1);
        let mut found = BTreeMap::new();
        for reason in each(&self.code) {
            for destination in each(&self.destination) {
                for receiver in each(&self.receiver) {
                    let destination = destination.clone();
                    let wanted = SetAside { message: None, reason, destination, receiver, limit };
                    for aside in journal.set_aside(&wanted).await? {
                        found.insert((aside.message, aside.recipient.id), aside);
                    }
                }
            }
        }
        let more = found.len() > self.limit;
        Ok((found.into_values().take(self.limit).collect(), more))
    }
}

/// So many changes are offered to the journal at once.
const AT_ONCE: usize = 64;

/// What is said where a limit hides some.
pub(super) const fn beyond(more: bool) -> &'static str {
    if more { "; --limit hides more" } else { "" }
}

/// Each value of a filter; once nothing, if it asks nothing.
fn each<T: Clone>(values: &[T]) -> Vec<Option<T>> {
    if values.is_empty() { vec![None] } else { values.iter().cloned().map(Some).collect() }
}

impl List {
    fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let (lying, more) = journal::with(&config, async |journal| self.which.find(journal).await)?;
        for aside in &lying {
            match self.format {
                Format::Text => line(out, aside)?,
                Format::Json => json_line(out, &json(aside))?,
            }
        }
        if self.format == Format::Text {
            writeln!(out, "{} recipients lie still{}.", lying.len(), beyond(more))?;
        }
        Ok(Verdict::Good)
    }
}

/// `short, id, when it came, state, sender > receiver, destination, why, and by which entrance`.
fn line(out: &mut dyn Write, aside: &Aside) -> Result<(), Failure> {
    let Aside { message, recipient, source, .. } = aside;
    let party = |id: Option<HerId>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let (sender, receiver) = (party(aside.sender), party(recipient.receiver));
    let place = recipient.destination.as_ref().map_or("-", DestinationId::as_str);
    let reason = recipient.reason.map_or_else(String::new, |r| format!("{r} {}", r.title()));
    let (short, state) = (message.short(), recipient.state);
    let received = aside.received.strftime("%FT%TZ");
    writeln!(
        out,
        "{short}  {message}  {received}  {state:<9} {sender:>9} > {receiver:<9} {place:<20} {reason}, by {source}"
    )?;
    Ok(())
}

fn json(aside: &Aside) -> serde_json::Value {
    let Aside { message, received, source, sender, recipient } = aside;
    serde_json::json!({
        "message": message, "short": message.short(), "received": received, "source": source, "sender": sender,
        "recipient": recipient,
    })
}

/// What stands so of the messages that an id may mean; of one recipient, if it is a recipient's.
async fn by_id(journal: &Journal, id: &str, stands: impl Fn(State) -> bool) -> Result<Vec<Aside>, Failure> {
    let id = id.trim();
    let mut lying = Vec::new();
    for record in journal.find(id, 100).await? {
        let sender = record.sender();
        let MessageRecord { id: message, received, source, recipients, .. } = record;
        let lies = recipients.into_iter().filter(|r| stands(r.state));
        lying.extend(lies.map(|recipient| Aside {
            message,
            received,
            source: source.clone(),
            sender,
            recipient,
        }));
    }
    let one: Vec<Aside> = lying.iter().filter(|a| a.recipient.id.0.to_string() == id).cloned().collect();
    Ok(if one.is_empty() { lying } else { one })
}

/// Who runs this command, for the record.
fn who() -> String {
    std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "somebody".to_owned())
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
        | State::Replaced
        | State::Discarded => None,
    }
}
