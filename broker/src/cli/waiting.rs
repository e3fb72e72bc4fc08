//! `waiting`: what has not left yet, since when, and what its destination said last.

use super::{ConfigArg, Format, journal, json_line};
use crate::exit::{Failure, Verdict};
use crate::wiring::Journal;
use crate::world::PUBLISHING;
use adapters::clock::SystemClock;
use broker_core::journal::RecipientRecord;
use broker_core::lifecycle::State;
use broker_core::ports::{Backlog, Clock as _, Store, Waiting};
use jiff::{SignedDuration, Timestamp};
use routing_rules::DestinationId;
use serde::Serialize;
use std::io::Write;

/// List what waits to be delivered: how much for each destination, since when, and what was answered last.
///
/// Without NAME, a line for each destination that anything waits for. With it, the recipients that wait there, those that
/// came first on top. Nothing that was accepted is silent: it is here, with its receiver, or set aside (`dead-letter list`).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke waiting --config broker.toml
  budstikke waiting --config broker.toml hospital --limit 20
  budstikke waiting --config broker.toml --format json | jq 'select(.age_seconds > 3600)'

Exit codes: 0 listed, also when nothing waits.")]
pub(super) struct Command {
    #[command(flatten)]
    config: ConfigArg,
    /// Only what waits for this destination, recipient by recipient.
    #[arg(value_name = "NAME")]
    destination: Option<DestinationId>,
    /// At most so many recipients, the oldest first.
    #[arg(long, default_value_t = 100, requires = "destination")]
    limit: usize,
    /// How to print; JSON is one destination or recipient a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What is due for less is taken up just now.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(5);

/// So many of each queue are looked at for what holds its oldest.
const LOOKED_AT: usize = 50;

/// What waits for one destination.
#[derive(Debug, Serialize)]
struct Queue {
    destination: DestinationId,
    open: u64,
    #[serde(flatten)]
    oldest: Option<Line>,
    /// Those behind it, as far as was looked.
    #[serde(skip)]
    others: Vec<Line>,
}

/// One that waits.
#[derive(Debug, Serialize)]
struct Line {
    message: String,
    received: Timestamp,
    age_seconds: i64,
    recipient: RecipientRecord,
}

impl Line {
    fn of(waiting: Waiting, now: Timestamp) -> Self {
        let Waiting { message, received, recipient } = waiting;
        let age_seconds = now.duration_since(received).as_secs().max(0);
        Self { message: message.short(), received, age_seconds, recipient }
    }

    /// What an operator asks first: where it stands, and what was said. What has been due for long and was not begun is held
    /// back; by what, only the running broker knows, so what others of its queue are doing is told.
    fn said(&self, queue: &[Self], now: Timestamp) -> String {
        let RecipientRecord { state, tries, next_attempt, detail, .. } = &self.recipient;
        let next = next_attempt.map_or_else(String::new, |at| {
            let left = at.duration_since(now);
            if left.is_positive() {
                return format!(", next in {}", age(left));
            }
            if left.abs() < AT_ONCE {
                return ", due now".to_owned();
            }
            let before = queue.iter().filter(|other| other.recipient.id != self.recipient.id);
            let before = before.filter_map(|other| other.under_way(now)).next();
            let before = before.unwrap_or_else(|| {
                "the destination is left alone for a while (P28), or no broker runs".to_owned()
            });
            format!(", held for {}: {before}", age(left.abs()))
        });
        let detail = detail.as_deref().map_or_else(String::new, |detail| format!(": {detail}"));
        format!("{state}, {tries} tried{next}{detail}")
    }

    /// What is being done with it, if it is neither new nor due.
    fn under_way(&self, now: Timestamp) -> Option<String> {
        let RecipientRecord { state, next_attempt, .. } = &self.recipient;
        let left = next_attempt.map(|at| at.duration_since(now)).filter(SignedDuration::is_positive);
        match (state, left) {
            (State::Sending, _) => Some(format!("{} is on its way", self.message)),
            (_, Some(left)) => Some(format!("{} is tried again in {}", self.message, age(left))),
            (_, None) => None,
        }
    }
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let now = SystemClock::new().now();
        match &self.destination {
            Some(destination) => {
                let waiting = journal::with(&config, async |journal| {
                    Ok(journal.waiting(destination, self.limit).await?)
                })?;
                let lines = waiting.into_iter().map(|waiting| Line::of(waiting, now));
                self.recipients(&lines.collect::<Vec<_>>(), now, out)?;
            }
            None => {
                let queues = journal::with(&config, async |journal| queues(journal, now).await)?;
                self.destinations(&queues, now, out)?;
            }
        }
        Ok(Verdict::Good)
    }

    fn destinations(&self, queues: &[Queue], now: Timestamp, out: &mut dyn Write) -> Result<(), Failure> {
        for queue in queues {
            match self.format {
                Format::Json => json_line(out, queue)?,
                Format::Text => {
                    let Queue { destination, open, oldest, others } = queue;
                    let (since, said) = oldest.as_ref().map_or_else(Default::default, |line| {
                        (age(SignedDuration::from_secs(line.age_seconds)), line.said(others, now))
                    });
                    writeln!(out, "{destination:<24} {open:>8} wait, the oldest for {since:<6} {said}")?;
                }
            }
        }
        if self.format == Format::Text {
            let open: u64 = queues.iter().map(|queue| queue.open).sum();
            writeln!(out, "{open} wait for {} destinations.", queues.len())?;
        }
        Ok(())
    }

    fn recipients(&self, lines: &[Line], now: Timestamp, out: &mut dyn Write) -> Result<(), Failure> {
        for line in lines {
            match self.format {
                Format::Json => json_line(out, line)?,
                Format::Text => {
                    let receiver = line
                        .recipient
                        .receiver
                        .map_or_else(|| "-".to_owned(), |receiver| receiver.to_string());
                    let since = age(SignedDuration::from_secs(line.age_seconds));
                    let to = line.recipient.destination.as_ref();
                    let publishes = to.is_some_and(|to| to.as_str().starts_with(PUBLISHING));
                    let payload = if publishes { "document" } else { line.recipient.payload.as_str() };
                    writeln!(
                        out,
                        "{}  {receiver:>9}  {payload:<10} {since:>6}  {}",
                        line.message,
                        line.said(lines, now)
                    )?;
                }
            }
        }
        if self.format == Format::Text {
            writeln!(out, "{} shown; see one with: budstikke trace ID", lines.len())?;
        }
        Ok(())
    }
}

/// Each destination that something waits for, with the oldest of it; the one that waits longest first.
async fn queues(journal: &Journal, now: Timestamp) -> Result<Vec<Queue>, Failure> {
    let mut queues = Vec::new();
    for Backlog { destination, open, .. } in journal.backlog().await? {
        let mut lines = journal.waiting(&destination, LOOKED_AT).await?.into_iter().map(|w| Line::of(w, now));
        let oldest = lines.next();
        queues.push(Queue { destination, open, oldest, others: lines.collect() });
    }
    queues.sort_by_key(|queue| queue.oldest.as_ref().map(|oldest| oldest.received));
    Ok(queues)
}

/// A duration as a person says it: `45 s`, `12 min`, `5 h`, `3 d`.
fn age(of: SignedDuration) -> String {
    match of.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker_core::journal::{Book, RecipientId};

    #[test]
    fn what_is_held_is_not_called_due_now() {
        let now: Timestamp = "2026-03-05T10:00:00Z".parse().expect("a time");
        let line = |n: u128, state: State, next: Option<i64>| Line {
            message: format!("MESSAGE-{n}"),
            received: now,
            age_seconds: 60,
            recipient: RecipientRecord {
                id: RecipientId(uuid::Uuid::from_u128(n)),
                book: Book::Message,
                receiver: None,
                destination: None,
                payload: "original".to_owned(),
                document: None,
                state,
                reason: None,
                detail: None,
                tries: 0,
                next_attempt: next.map(|seconds| now + SignedDuration::from_secs(seconds)),
                receipt_deadline: None,
                expires: None,
            },
        };
        let held = line(1, State::Waiting, Some(-58));
        let said = |others: Vec<Line>| held.said(&others, now);
        assert_eq!(line(1, State::Waiting, Some(-1)).said(&[], now), "waiting, 0 tried, due now");
        assert_eq!(
            said(vec![line(2, State::Sending, None)]),
            "waiting, 0 tried, held for 58 s: MESSAGE-2 is on its way"
        );
        assert_eq!(
            said(vec![line(1, State::Waiting, Some(-58)), line(2, State::Unsure, Some(40))]),
            "waiting, 0 tried, held for 58 s: MESSAGE-2 is tried again in 40 s"
        );
        assert_eq!(
            said(vec![line(2, State::Waiting, Some(-58))]),
            "waiting, 0 tried, held for 58 s: the destination is left alone for a while (P28), or no broker runs"
        );
    }

    #[test]
    fn ages_are_told_in_the_unit_that_fits() {
        let told = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(|s| age(SignedDuration::from_secs(s)));
        assert_eq!(told, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]);
    }
}
