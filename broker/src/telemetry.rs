//! Logs and metrics: set up once, and written through the functions here, so that names and labels are
//! those of `broker_core::telemetry` and nothing personal gets among them.

use crate::config::{Log, LogFormat};
use crate::health::{Health, Trouble};
use crate::protection::expiry::{Lasting, purpose_word};
use broker_core::journal::{Balance, Entry, Ledger};
use broker_core::ports::{Backlog, NotTaken, StoreError};
use broker_core::telemetry::{self as names, Metric};
use broker_core::transport::{ErrorCondition, TransportError};
use dead_letter::{Attempt, Reason, Wake};
use jiff::{SignedDuration, Timestamp};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use routing_rules::DestinationId;
use std::fmt::Display;
use std::io::IsTerminal;
use std::time::Duration;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::prelude::*;
use trust::keys::Expiry;
use trust::revocation::SourceKind;

/// Bounds of the duration histograms, in seconds. 0.5 is among them: it is the promise for intake.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Bounds of the batch histogram, in messages.
const BATCHES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The metrics recorder could not be made, or there is one already.
    #[error("metrics cannot be set up")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// Starts to log, and makes panics of ours log lines that say where and never what: a panic's text may
/// quote the data that it stumbled on.
pub fn start_logs(log: &Log) {
    let level: Targets =
        log.level.parse().unwrap_or_else(|_| Targets::new().with_default(tracing::Level::INFO));
    // The AMQP library logs whole frames and returned messages, content and all: it says nothing here, at any level.
    let silent = filter_fn(|line| !line.target().starts_with("lapin"));
    let registry = tracing_subscriber::registry().with(level).with(silent);
    let colours = std::io::stderr().is_terminal();
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_target(false);
    let started = match log.format {
        LogFormat::Text => registry.with(lines.compact()).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    if started.is_err() {
        tracing::debug!("Logs were set up already.");
    }
    quiet_panics();
}

/// Makes a panic say where it happened and nothing else.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!(place, "The program met a bug of its own at {place}.");
    }));
}

/// Renders what `/metrics` says.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// All of it. The library forgets no gauge; one that nothing is known of any more is set to what is no number, and left
    /// out here: whoever draws it sees it end, and whoever adds gauges up does not add an old one.
    #[must_use]
    pub fn render(&self) -> String {
        let text = self.0.render();
        let known = |line: &&str| line.starts_with('#') || !line.ends_with(UNKNOWN);
        text.split_inclusive('\n').filter(|line| known(&line.trim_end())).collect()
    }
}

/// How what is no number is written.
const UNKNOWN: &str = " NaN";

fn builder() -> Result<PrometheusBuilder, Error> {
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Full(names::COMMIT_BATCH.name.to_owned()), BATCHES)?)
}

/// Metrics of one test alone, and what writes them.
#[cfg(test)]
pub(crate) fn apart() -> (metrics_exporter_prometheus::PrometheusRecorder, Metrics) {
    let recorder = builder().expect("the bounds are good").build_recorder();
    let metrics = Metrics(recorder.handle());
    (recorder, metrics)
}

/// Starts to count.
///
/// # Errors
/// When a recorder is there already.
pub fn start_metrics(now: Timestamp) -> Result<Metrics, Error> {
    let handle = Metrics(builder()?.install_recorder()?);
    describe();
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
    let started = now.as_second() as f64;
    metrics::gauge!(names::STARTED.name, "version" => env!("CARGO_PKG_VERSION")).set(started);
    Ok(handle)
}

/// Gives every metric its help line.
fn describe() {
    for Metric { name, help, .. } in names::ALL {
        if name.ends_with("_total") {
            metrics::describe_counter!(*name, *help);
        } else if [
            names::ATTEMPT_SECONDS,
            names::INTAKE_SECONDS,
            names::PROCESS_SECONDS,
            names::PROTECTION_SECONDS,
            names::COMMIT_BATCH,
        ]
        .iter()
        .any(|histogram| histogram.name == *name)
        {
            metrics::describe_histogram!(*name, *help);
        } else {
            metrics::describe_gauge!(*name, *help);
        }
    }
}

/// A person must look. Logged as an error when somebody is to be woken, else as a warning.
pub fn alarm(reason: Reason, sentence: impl Display) {
    metrics::counter!(names::ALARMS.name, "reason" => reason.as_str()).increment(1);
    let code = reason.as_str();
    match reason.wake() {
        Wake::Night => tracing::error!(reason = code, "{sentence} See: budstikke explain {code}."),
        Wake::Day | Wake::Nobody => {
            tracing::warn!(reason = code, "{sentence} See: budstikke explain {code}.")
        }
    }
}

/// A reason was given.
pub fn reason(reason: Reason) {
    metrics::counter!(names::REASONS.name, "reason" => reason.as_str()).increment(1);
}

/// What is counted of an entry when it is durable; taken before the journal gets the entry.
#[derive(Debug)]
pub struct Taken {
    source: String,
    family: &'static str,
    verdict: &'static str,
    reasons: Vec<Reason>,
    findings: Vec<&'static str>,
    receipts: usize,
    errors: Vec<(&'static str, &'static str)>,
    received: Timestamp,
    protection: &'static str,
}

impl Taken {
    /// Of this entry.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let receipt = broker_core::journal::DocumentKind::Receipt;
        let mut reasons: Vec<Reason> = entry.recipients.iter().filter_map(|r| r.reason).collect();
        // Once for each recipient; for the message as a whole where no recipient has that reason.
        reasons.extend(entry.verdict.reason().filter(|reason| !reasons.contains(reason)));
        Self {
            source: entry.arrival.source.clone(),
            family: entry.head.as_ref().map_or("unknown", |head| head.kind.family.as_str()),
            verdict: entry.verdict.as_str(),
            reasons,
            findings: entry.findings.iter().map(|finding| finding.code.as_str()).collect(),
            receipts: entry.documents.iter().filter(|document| document.kind == receipt).count(),
            errors: transport_errors(entry),
            received: entry.arrival.received,
            protection: protection(entry),
        }
    }

    /// It is durable. `judging` is the time that the decision took.
    pub fn count(self, now: Timestamp, judging: Duration) {
        metrics::counter!(names::PROTECTION.name, "protection" => self.protection).increment(1);
        metrics::histogram!(names::PROTECTION_SECONDS.name, "protection" => self.protection).record(judging);
        metrics::counter!(
            names::MESSAGES.name,
            "source" => self.source.clone(), "family" => self.family, "verdict" => self.verdict
        )
        .increment(1);
        self.reasons.into_iter().for_each(reason);
        for code in self.findings {
            metrics::counter!(names::FINDINGS.name, "code" => code).increment(1);
        }
        if let Ok(receipts @ 1..) = u64::try_from(self.receipts) {
            metrics::counter!(names::RECEIPTS.name).increment(receipts);
        }
        for (direction, code) in self.errors {
            let labels = [("direction", direction), ("code", code)];
            metrics::counter!(names::TRANSPORT_ERRORS.name, &labels).increment(1);
        }
        let took = now.duration_since(self.received).as_secs_f64().max(0.0);
        metrics::histogram!(names::INTAKE_SECONDS.name, "source" => self.source).record(took);
    }
}

/// Which way errors of the AMQP profile went, and their codes; partners' codes that nobody knows are "other".
fn transport_errors(entry: &Entry) -> Vec<(&'static str, &'static str)> {
    let kind = broker_core::journal::DocumentKind::TransportError;
    let told = entry.documents.iter().filter(|document| document.kind == kind).filter_map(|document| {
        let error: TransportError = serde_json::from_slice(&document.bytes).ok()?;
        Some(("out", error.condition.as_str()))
    });
    let reported = entry.arrival.transport.iter().filter_map(|transport| transport.reported.as_ref());
    let reported = reported.map(|reported| {
        let known = reported.condition.as_deref().and_then(ErrorCondition::from_name);
        ("in", known.map_or("other", ErrorCondition::as_str))
    });
    told.chain(reported).collect()
}

/// How a message came protected, by its account.
fn protection(entry: &Entry) -> &'static str {
    #[derive(serde::Deserialize)]
    struct Account {
        layers: Vec<Layer>,
    }
    #[derive(serde::Deserialize)]
    struct Layer {
        layer: String,
    }
    let account = entry.protection.as_deref().and_then(|text| serde_json::from_str::<Account>(text).ok());
    let layers = account.map(|account| account.layers).unwrap_or_default();
    let has = |name: &str| layers.iter().any(|layer| layer.layer == name);
    match (has("signed"), has("sealed")) {
        (false, false) => "none",
        (true, false) => "signed",
        (false, true) => "sealed",
        (true, true) => "both",
    }
}

/// A message was not taken in.
pub fn not_taken(source: &str, why: &NotTaken) {
    let why = match why {
        NotTaken::Full => "full",
        NotTaken::Unavailable => "unavailable",
        NotTaken::KeyReused { .. } => "key_reused",
    };
    metrics::counter!(names::NOT_TAKEN.name, "source" => source.to_owned(), "why" => why).increment(1);
}

/// A message was judged.
pub fn judged(took: Duration) {
    metrics::histogram!(names::PROCESS_SECONDS.name).record(took);
}

/// A group was committed.
pub fn committed(messages: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    metrics::histogram!(names::COMMIT_BATCH.name).record(messages as f64);
}

/// An attempt to deliver came to an end.
pub fn attempt(destination: &str, attempt: &Attempt, took: Duration) {
    let outcome = match attempt {
        Attempt::HandedOver => "handed_over",
        Attempt::AlreadyThere => "already_there",
        Attempt::NothingToDo { .. } => "nothing_to_do",
        Attempt::Refused { .. } => "refused",
        Attempt::SetAside { .. } => "set_aside",
        Attempt::Retry { .. } => "retry",
        Attempt::ReceiverAway { .. } => "receiver_away",
        Attempt::Unsure { .. } => "unsure",
    };
    metrics::counter!(names::ATTEMPTS.name, "destination" => destination.to_owned(), "outcome" => outcome)
        .increment(1);
    metrics::histogram!(names::ATTEMPT_SECONDS.name, "destination" => destination.to_owned()).record(took);
}

/// Where a breaker stands: 0 closed, 1 half open, 2 open.
pub fn breaker(destination: &str, state: f64) {
    metrics::gauge!(names::BREAKER.name, "destination" => destination.to_owned()).set(state);
}

/// The books.
pub fn ledger(ledger: &Ledger) {
    for (book, balance) in [("message", &ledger.messages), ("receipt", &ledger.receipts)] {
        for (state, count) in &balance.states {
            metrics::gauge!(names::RECIPIENTS.name, "book" => book, "state" => state.clone())
                .set(float(*count));
        }
        metrics::gauge!(names::ACCEPTED.name, "book" => book).set(float(balance.accepted));
        metrics::gauge!(names::LEDGER_DIFFERENCE.name, "book" => book).set(float(difference(balance)));
    }
}

/// How many recipients of a book are missing or unexplained.
#[must_use]
pub fn difference(balance: &Balance) -> u64 {
    let named = u64::try_from(balance.missing.len() + balance.unexplained.len()).unwrap_or(u64::MAX);
    named.max(balance.accepted.abs_diff(balance.states.values().sum()))
}

/// What waits: nothing, at those of all destinations that the backlog does not name.
pub fn backlog<'a>(all: impl IntoIterator<Item = &'a DestinationId>, backlog: &[Backlog], now: Timestamp) {
    for empty in all.into_iter().filter(|all| !backlog.iter().any(|waiting| waiting.destination == **all)) {
        metrics::gauge!(names::BACKLOG.name, "destination" => empty.to_string()).set(0.0);
        metrics::gauge!(names::BACKLOG_AGE.name, "destination" => empty.to_string()).set(0.0);
    }
    for waiting in backlog {
        let destination = waiting.destination.to_string();
        let age = waiting.oldest.map_or(0.0, |oldest| now.duration_since(oldest).as_secs_f64().max(0.0));
        metrics::gauge!(names::BACKLOG.name, "destination" => destination.clone()).set(float(waiting.open));
        metrics::gauge!(names::BACKLOG_AGE.name, "destination" => destination).set(age);
    }
}

/// Bytes between their source and the journal.
pub fn bytes_in_flight(bytes: usize) {
    metrics::gauge!(names::BYTES_IN_FLIGHT.name).set(float(u64::try_from(bytes).unwrap_or(u64::MAX)));
}

/// Whether a server of queues is connected. Told at every attempt that fails.
pub fn queues_connected(connection: &str, direction: &'static str, there: bool) {
    let connection = connection.to_owned();
    if !there {
        metrics::counter!(names::QUEUES_LOST.name, "connection" => connection.clone(), "direction" => direction)
            .increment(1);
    }
    metrics::gauge!(names::QUEUES_CONNECTED.name, "connection" => connection, "direction" => direction)
        .set(if there { 1.0 } else { 0.0 });
}

/// Whether a server of queues takes nothing.
pub fn queues_blocked(connection: &str, blocked: bool) {
    metrics::gauge!(names::QUEUES_BLOCKED.name, "connection" => connection.to_owned()).set(if blocked {
        1.0
    } else {
        0.0
    });
}

/// Messages sent to a server of queues and not yet confirmed.
pub fn queues_unconfirmed(connection: &str, count: usize) {
    metrics::gauge!(names::QUEUES_UNCONFIRMED.name, "connection" => connection.to_owned())
        .set(float(u64::try_from(count).unwrap_or(u64::MAX)));
}

/// Whether a queue is being read.
pub fn queue_reading(source: &str, reading: bool) {
    metrics::gauge!(names::QUEUE_READING.name, "source" => source.to_owned()).set(if reading {
        1.0
    } else {
        0.0
    });
}

/// A message came from a queue.
pub fn queue_read(source: &str, now: Timestamp) {
    metrics::gauge!(names::QUEUE_LAST_READ.name, "source" => source.to_owned())
        .set(float(u64::try_from(now.as_second()).unwrap_or(0)));
}

/// So many messages wait in a queue; none: nobody can tell.
pub fn queue_depth(source: &str, messages: Option<u64>) {
    let messages = messages.map_or(f64::NAN, float);
    metrics::gauge!(names::QUEUE_DEPTH.name, "source" => source.to_owned()).set(messages);
}

/// Parties and rules were read again.
pub fn reloaded(outcome: &'static str) {
    metrics::counter!(names::RELOADS.name, "outcome" => outcome).increment(1);
}

/// A revocation answer was wanted.
pub fn revocation_answer(kind: SourceKind, outcome: &'static str) {
    let kind = kind_word(kind);
    metrics::counter!(names::REVOCATION_ANSWERS.name, "kind" => kind, "outcome" => outcome).increment(1);
}

/// So many fresh revocation answers are at hand.
pub fn revocation_held(kind: SourceKind, answers: usize) {
    let answers = float(u64::try_from(answers).unwrap_or(u64::MAX));
    metrics::gauge!(names::REVOCATION_HELD.name, "kind" => kind_word(kind)).set(answers);
}

const fn kind_word(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Crl => "crl",
        SourceKind::Ocsp => "ocsp",
    }
}

/// A message waited for revocation answers.
pub fn revocation_wait(outcome: &'static str) {
    metrics::counter!(names::REVOCATION_WAITS.name, "outcome" => outcome).increment(1);
}

/// A parked message was judged again and came to something else.
pub fn judged_again(verdict: &'static str) {
    metrics::counter!(names::JUDGED_AGAIN.name, "verdict" => verdict).increment(1);
}

/// A party was looked up in the registry.
pub fn registry_answer(outcome: &'static str) {
    metrics::counter!(names::REGISTRY_ANSWERS.name, "outcome" => outcome).increment(1);
}

/// How long ago what is known of the address registry was last as it says.
pub fn registry_age(age: SignedDuration) {
    metrics::gauge!(names::REGISTRY_AGE.name).set(age.as_secs_f64());
}

/// So many parties take no part any more by the address registry, and do by the files.
pub fn registry_deactivated(parties: usize) {
    metrics::gauge!(names::REGISTRY_DEACTIVATED.name).set(float(u64::try_from(parties).unwrap_or(u64::MAX)));
}

/// Whether test mode is on.
pub fn test_mode(on: bool) {
    metrics::gauge!(names::TEST_MODE.name).set(if on { 1.0 } else { 0.0 });
}

/// How long certificates last: for each owner and purpose the first to run out, and how many do soon.
pub fn certificates(lasting: &[Lasting]) {
    for owner in ["own", "partner"] {
        let of_owner = || lasting.iter().filter(|l| l.owner.as_str() == owner);
        for purpose in ["signing", "sealing"] {
            let days = of_owner().filter(|l| purpose_word(l.purpose) == purpose).map(|l| l.days).min();
            if let Some(days) = days {
                #[expect(clippy::cast_precision_loss, reason = "days are far below 2^52")]
                let days = days as f64;
                metrics::gauge!(names::CERTIFICATE_DAYS_LEFT.name, "owner" => owner, "purpose" => purpose)
                    .set(days);
            }
        }
        for (level, within) in [
            (Expiry::Over, "over"),
            (Expiry::Within7Days, "7d"),
            (Expiry::Within30Days, "30d"),
            (Expiry::Within60Days, "60d"),
        ] {
            let count = of_owner().filter(|l| l.level == Some(level)).count();
            metrics::gauge!(names::CERTIFICATES_EXPIRING.name, "owner" => owner, "within" => within)
                .set(float(u64::try_from(count).unwrap_or(u64::MAX)));
        }
    }
}

/// A journal that is away for so long wakes somebody: a server that restarts, or gives way to another, takes less.
const JOURNAL_AWAY: Duration = Duration::from_secs(30);

/// The journal did not do what was asked: told once for as long as it lasts, and once more if that is long.
pub fn journal_failed(health: &Health, step: &str, error: &StoreError) {
    let (trouble, reason) = match error {
        StoreError::Full => (Trouble::JournalFull, Some(Reason::StoreFull)),
        StoreError::Newer { .. } => (Trouble::JournalUnavailable, Some(Reason::StoreNewer)),
        StoreError::Damaged(_) => (Trouble::JournalUnavailable, Some(Reason::StoreDamaged)),
        StoreError::Unavailable(_) => (Trouble::JournalUnavailable, None),
    };
    if health.trouble(trouble, format!("The journal failed at {step}: {error}.")) {
        match reason {
            Some(reason) => alarm(reason, format_args!("The journal failed at {step}: {error}.")),
            None => tracing::warn!(step, "The journal failed at {step}: {error}."),
        }
    }
    let away = matches!(error, StoreError::Unavailable(_));
    if away && health.has_lasted(trouble, JOURNAL_AWAY) {
        let away = JOURNAL_AWAY.as_secs();
        alarm(Reason::StoreAway, format_args!("The journal has been away for {away} s: {error}."));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge need not tell counts above 2^52 apart")]
const fn float(count: u64) -> f64 {
    count as f64
}
