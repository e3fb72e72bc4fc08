//! `dead-letter replay`: what goes again, where to, and what does not and why.

use super::judge::{self, Asks};
use super::rule::{self, Given};
use super::{AT_ONCE, Chosen, beyond, parked_state, who, why};
use crate::cli::{ConfigArg, Format, journal, json_line};
use crate::config::Config;
use crate::exit::{Failure, Verdict};
use crate::protection::judge::Asked;
use crate::wiring::Journal;
use crate::world::Tables;
use adapters::clock::SystemClock;
use broker_core::journal::{Aside, MessageRecord, RecipientId, RecipientRecord, VerdictRecord};
use broker_core::ports::{Clock, Store, StoreError};
use broker_core::protection::gets;
use dead_letter::{Again, Filter, ParkedRecord, plan_replay};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use message_schemas::{Code, Finding, Layer, MessageId};
use routing_rules::{Decision, DestinationId, Facts, Gets, route};
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    chosen: Chosen,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run", value_parser = why)]
    reason: Option<String>,
    /// Send to this destination instead.
    #[arg(long, value_name = "NAME")]
    to: Option<DestinationId>,
    /// Rule on a version of a document that waits for a person.
    #[arg(long, value_enum, conflicts_with = "to")]
    ruling: Option<Given>,
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

/// What is to become of one recipient.
pub(super) struct Step {
    pub(super) message: MessageId,
    pub(super) recipient: RecipientId,
    /// The destination, or why it stays.
    pub(super) goes: Result<DestinationId, String>,
    /// It goes elsewhere than before.
    pub(super) to: Option<DestinationId>,
    /// Its whole message was judged again, and this is the verdict.
    pub(super) judged: Option<&'static str>,
    /// It did not lie there: it is the receipt that was written when the message was judged again.
    pub(super) answers: bool,
}

/// What was told so far.
#[derive(Default)]
struct Told {
    all: usize,
    going: usize,
}

/// What the plan of a replay rests on.
struct Now<'a> {
    config: &'a Config,
    journal: &'a Journal,
    tables: &'a Tables,
}

impl Replay {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        if let Some(to) = self.to.as_ref().filter(|to| !config.destinations.contains_key(to)) {
            return Err(Failure::Usage(format!("the configuration has no destination {to}")));
        }
        let asked = match (&self.reason, self.dry_run) {
            (Some(why), false) => Asked::By(format!("{}: {why}", who())),
            (None, _) | (_, true) => Asked::DryRun,
        };
        let mut told = Told::default();
        let more = journal::with(&config, async |journal| {
            let tables = Tables::load(&config).map_err(Failure::Config)?;
            let now = Now { config: &config, journal, tables: &tables };
            let found = self.chosen.find(journal, |state| parked_state(state).is_some()).await?;
            let more = found.more;
            let (mut steps, asks) = self.plan(&now, &found.aside).await?;
            found.tell_unknown(out, self.format)?;
            told.all += found.unknown.len();
            let who_and_why = if let Asked::By(by) = &asked { by.as_str() } else { "" };
            let rulings = match self.ruling {
                Some(given) => rule::decide(&config, journal, given, &mut steps, who_and_why).await?,
                None => rule::Rulings::new(),
            };
            if let Asked::By(who_and_why) = &asked {
                // First, so that whatever is delivered meanwhile knows of it.
                for ruled in rulings.into_values() {
                    journal.rule(ruled).await?;
                }
                // One by one, to tell of each whether it went; the journal writes them together.
                let at = SystemClock::new().now();
                let go = |step: &Step| {
                    let one = step.goes.is_ok().then(|| (step.recipient, step.to.clone()));
                    async move {
                        let Some(one) = one else { return Ok::<_, StoreError>(true) };
                        Ok(journal.replay(&[one], who_and_why, at).await? == 1)
                    }
                };
                let went: Vec<bool> =
                    stream::iter(steps.iter().map(go)).buffered(AT_ONCE).try_collect().await?;
                for (step, _) in steps.iter_mut().zip(went).filter(|(_, went)| !went) {
                    step.goes = Err(judge::OVERTAKEN.to_owned());
                }
            }
            for step in steps {
                self.tell(out, &mut told, &step)?;
            }
            if asks.is_empty() {
                return Ok(more);
            }
            // Told one by one: each is done when it is told, whatever comes of the next.
            let judging = judge::Judging::new(&config, journal, &asked)?;
            for (message, lying) in asks {
                for step in judging.one(message, &lying).await? {
                    self.tell(out, &mut told, &step)?;
                }
            }
            Ok(more)
        })?;
        if self.format == Format::Text {
            let done = if self.dry_run { "would go again" } else { "go again" };
            writeln!(out, "{} of {} {done}{}.", told.going, told.all, beyond(more))?;
        }
        Ok(Verdict::of(told.going == told.all && told.all > 0))
    }

    fn tell(&self, out: &mut dyn Write, told: &mut Told, step: &Step) -> Result<(), Failure> {
        if !step.answers {
            told.all += 1;
            told.going += usize::from(step.goes.is_ok());
        }
        self.print(out, step)
    }

    /// What goes or stays by itself, and which messages are judged again.
    async fn plan(&self, now: &Now<'_>, lying: &[Aside]) -> Result<(Vec<Step>, Asks), Failure> {
        let records: Vec<_> = lying.iter().enumerate().filter_map(|(at, lying)| record(at, lying)).collect();
        let filter = Filter { confirmed: self.confirm, ..Filter::default() };
        let plan = plan_replay(&records, &filter, SystemClock::new().now());
        let (mut steps, mut asks) = (Vec::new(), Asks::new());
        for replay in &plan.go {
            let Some(Aside { message, recipient, .. }) = lying_at(lying, replay.receiver_index) else {
                continue;
            };
            // What we tell a sender of its faulty message is ours, and holds nothing of it.
            let ours = recipient.payload == "transport-error";
            let goes = match (&self.to, &replay.again, &recipient.destination) {
                (None, Again::Decide, None) if ours => now.way_back(recipient),
                (None, Again::Decide | Again::Judge | Again::Release, _) if self.ruling.is_none() => {
                    asks.entry(*message).or_default().push(recipient.clone());
                    continue;
                }
                (None, Again::Decide | Again::Judge | Again::Release, _) => {
                    Err("no version of it waits for a ruling; leave --ruling away".to_owned())
                }
                (Some(_), Again::Judge, _) => {
                    Err("it is judged again and goes where that says; leave --to away".to_owned())
                }
                (Some(to), ..) => Ok(to.clone()),
                (None, Again::Deliver { .. } | Again::Route, Some(known)) => Ok(known.clone()),
                (None, Again::Deliver { .. } | Again::Route, None) => {
                    now.route_again(*message, recipient).await?
                }
            };
            let goes = match goes {
                goes if ours => goes,
                Ok(_) if now.is_unproven(*message).await? => Err(UNPROVEN.to_owned()),
                Ok(_) if now.leaves_in_the_clear(*message, recipient).await? => Err(IN_THE_CLEAR.to_owned()),
                goes => goes,
            };
            let to = goes.as_ref().ok().filter(|to| recipient.destination.as_ref() != Some(to)).cloned();
            steps.push(Step {
                message: *message,
                recipient: recipient.id,
                goes,
                to,
                judged: None,
                answers: false,
            });
        }
        for (record, refusal) in &plan.refused {
            let Some(Aside { message, recipient, .. }) = lying_at(lying, record.receiver_index) else {
                continue;
            };
            let (recipient, goes) = (recipient.id, Err(refusal.to_string()));
            steps.push(Step { message: *message, recipient, goes, to: None, judged: None, answers: false });
        }
        Ok((steps, asks))
    }

    fn print(&self, out: &mut dyn Write, step: &Step) -> Result<(), Failure> {
        if self.format == Format::Json {
            let goes = step.goes.as_ref().ok();
            let line = serde_json::json!({
                "message": step.message, "recipient": step.recipient, "replayed": goes.is_some() && !self.dry_run,
                "destination": goes, "why_not": step.goes.as_ref().err(), "judged_again": step.judged, "receipt": step.answers,
            });
            return json_line(out, &line);
        }
        let judged = step.judged.map_or_else(String::new, |verdict| format!("  (judged again: {verdict})"));
        let (short, recipient) = (step.message.short(), step.recipient.0);
        let what = if step.answers { "receipt " } else { "" };
        let stays = if step.judged == Some(REPEATS) { "ends" } else { "stays" };
        match &step.goes {
            Ok(place) => writeln!(out, "{short}  {recipient}  {what}to {place}{judged}")?,
            Err(why) => writeln!(out, "{short}  {recipient}  {what}{stays}: {why}{judged}")?,
        }
        Ok(())
    }
}

/// The verdict on what came before.
const REPEATS: &str = "duplicate";

const UNPROVEN: &str = "its protection does not hold or is not as agreed, so nothing that it says is proven; let the \
                        sender send it anew";
const IN_THE_CLEAR: &str = "it was made to leave with less protection than its receiver gets now; let the \
                            sender send it anew under a new id";

impl Now<'_> {
    /// What is sent are the bytes that were made then; whether its receiver may still get them so, is asked now.
    async fn leaves_in_the_clear(
        &self,
        message: MessageId,
        recipient: &RecipientRecord,
    ) -> Result<bool, Failure> {
        let parties = &self.tables.parties;
        let Some(party) = recipient.receiver.and_then(|her_id| parties.get(her_id)) else { return Ok(false) };
        match gets(party, parties, &self.config.policy.protection).0 {
            Gets::Plain => return Ok(false),
            Gets::Signed if matches!(recipient.payload.as_str(), "signed" | "sealed") => return Ok(false),
            Gets::SignedAndSealed if recipient.payload == "sealed" => return Ok(false),
            Gets::Signed | Gets::SignedAndSealed => {}
        }
        // What its sender sealed for the receiver itself was never opened, and leaves as it came.
        let record = self.journal.message(message).await?;
        let unread = record.is_some_and(|r| r.findings.iter().any(|f| f.code == Code::SealedForOther));
        Ok(!(unread && recipient.payload == "original"))
    }

    /// A fault of protection stopped it, whatever else it lies for: it is never sent on as it is. (An accepted message
    /// may have one on record too, for a receiver that it could not be sealed for.)
    async fn is_unproven(&self, message: MessageId) -> Result<bool, Failure> {
        let record = self.journal.message(message).await?;
        let at_fault = |f: &Finding| f.layer == Layer::Trust && !f.code.is_note();
        let accepted =
            |v: &VerdictRecord| matches!(v, VerdictRecord::Accepted | VerdictRecord::AcceptedWithFindings);
        Ok(record.is_some_and(|r| !accepted(&r.verdict) && r.findings.iter().any(at_fault)))
    }

    /// Where its sender is told of faults now.
    fn way_back(&self, recipient: &RecipientRecord) -> Result<DestinationId, String> {
        let parties = &self.tables.parties;
        let party = recipient.receiver.and_then(|her_id| parties.get(her_id));
        let destination = party.and_then(|party| parties.destination(party, false));
        destination
            .cloned()
            .ok_or_else(|| "its sender has no destination still; name one with --to".to_owned())
    }

    /// Where the parties and rules of now send it.
    async fn route_again(
        &self,
        message: MessageId,
        recipient: &RecipientRecord,
    ) -> Result<Result<DestinationId, String>, Failure> {
        let Some(MessageRecord { head: Some(head), size_bytes, .. }) = self.journal.message(message).await?
        else {
            return Ok(Err("its address cannot be read; name a destination with --to".to_owned()));
        };
        let size_bytes = usize::try_from(size_bytes).unwrap_or(usize::MAX);
        let facts = Facts { head: &head, at: SystemClock::new().now(), size_bytes };
        let routing = route(&facts, &self.tables.parties, &self.tables.rules);
        let decision =
            routing.routes.into_iter().find(|r| r.receiver == recipient.receiver).map(|r| r.decision);
        Ok(match decision {
            Some(Decision::Deliver { legs, .. }) => {
                legs.into_iter().next().map(|leg| leg.destination).ok_or_else(|| "it goes nowhere".to_owned())
            }
            Some(decision) => Err(format!("routed again: {decision}; name a destination with --to")),
            None => Err("it addresses nobody; name a destination with --to".to_owned()),
        })
    }
}

fn lying_at(lying: &[Aside], index: u32) -> Option<&Aside> {
    usize::try_from(index).ok().and_then(|at| lying.get(at))
}

/// As `plan_replay` wants it; the index leads back to the recipient.
fn record(at: usize, Aside { message, recipient, .. }: &Aside) -> Option<ParkedRecord> {
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
