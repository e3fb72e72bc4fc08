//! `trace`: everything that the journal knows of a message, by whatever id there is at hand.

use super::{ConfigArg, Format, journal, json_line};
use crate::config::Config;
use crate::exit::{Failure, Verdict};
use crate::mask;
use crate::queues::source_name as amqp_source;
use crate::series::account::{Account, Settings, account};
use crate::world::{NOTHING_TO_PUBLISH, PUBLISHING, Tables, document_options};
use amqp_profile::incoming::known_by;
use broker_core::journal::{MessageRecord, RecipientRecord};
use broker_core::ports::Store;
use broker_core::transport::{Transport, id_key};
use dead_letter::Reason;
use message_schemas::head::{Party, ReceiptHead, ReceiptStatus};
use message_schemas::{Findings, HerId};
use routing_rules::{Explanation, Parties};
use serde::Deserialize as _;
use std::io::Write;

/// Show what became of a message: what it was, what was decided, where it went, and every step with its time.
///
/// Any id will do: ours, its short form as read out on the phone, the sender's message id, a document id, the
/// id of a receipt, or that of a recipient. All messages that it may mean are shown, newest first.
///
/// So will the id of the AMQP message that a partner sent, as its log has it, as long as the queue is one that this
/// configuration reads, and the partner has an entry among its parties. Should a sender have used one id twice, the first
/// message is shown. What could not be read at all is found by it on every queue, whoever sent it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke trace --config broker.toml 4F7K-2M9Q
  budstikke trace --config broker.toml e630b55b-d063-4bfa-8db4-e4b0a22d2451 --format json

Exit codes: 0 found, 1 nothing is known under this id.")]
pub(super) struct Command {
    #[command(flatten)]
    config: ConfigArg,
    /// The id.
    id: String,
    /// How to print; JSON is one message a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Show at most so many messages.
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Show who the patient is.
    #[arg(long)]
    show_patient: bool,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        // Whoever asks at night gets an answer also where the parties' files are at fault.
        let parties = Tables::load(&config).map(|tables| tables.parties).unwrap_or_default();
        let settings = settings(&config, &parties);
        let keys = keys(&self.id, &config, &parties);
        let found = journal::with(&config, async |j| {
            let mut found = Vec::new();
            let mut records = j.find(self.id.trim(), self.limit).await?;
            for id in j.first_under(&keys).await? {
                if !records.iter().any(|known| known.id == id) {
                    // Keys are kept longer than messages.
                    records.extend(j.message(id).await?);
                }
            }
            records.sort_by_key(|record| std::cmp::Reverse((record.received, record.id.0)));
            for record in records.into_iter().take(self.limit) {
                let documents = account(j, &record, &settings).await?;
                found.push((record, documents));
            }
            Ok(found)
        })?;
        for (record, documents) in &found {
            match self.format {
                Format::Text => text(out, record, documents)?,
                Format::Json => json_line(out, &json(record, documents, self.show_patient)?)?,
            }
        }
        if found.is_empty() && self.format == Format::Text {
            crate::exit::say("Nothing is known under this id.");
        }
        Ok(Verdict::of(!found.is_empty()))
    }
}

/// By what documents are made.
fn settings(config: &Config, parties: &Parties) -> Settings {
    Settings {
        targets: config.publish.iter().map(|(name, publish)| (name.clone(), publish.target())).collect(),
        options: document_options(config, parties),
        limits: config.limits,
    }
}

/// By what a repeat of an AMQP message with this id would be known, on any of the queues, from any of the parties.
///
/// The journal keeps that for every message, and needs no index more for it; an index of the ids alone would be one more
/// entry for each message. Who asks does not know the sender, so all are tried: some thousand keys, in one question.
fn keys(id: &str, config: &Config, parties: &Parties) -> Vec<(String, String)> {
    let Some(id) = id_key(id) else { return Vec::new() };
    let mut names: Vec<_> = parties.iter().map(|party| known_by(Some(party.her_id), &id)).collect();
    names.push(known_by(None, &id));
    let sources = config.sources.amqp.keys().map(|name| amqp_source(name));
    sources.flat_map(|source| names.iter().map(move |name| (source.clone(), name.clone()))).collect()
}

/// A record as JSON, its patient hidden unless `show_patient`.
fn json(
    record: &MessageRecord,
    documents: &[Account],
    show_patient: bool,
) -> Result<serde_json::Value, Failure> {
    let mut value = serde_json::to_value(record).map_err(std::io::Error::from)?;
    if let (Some(head), Some(object)) = (&record.head, value.as_object_mut()) {
        object.insert("head".to_owned(), mask::head(head, show_patient));
    }
    if let Some(object) = value.as_object_mut().filter(|_| !documents.is_empty()) {
        let documents = serde_json::to_value(documents).map_err(std::io::Error::from)?;
        object.insert("documents".to_owned(), documents);
    }
    Ok(value)
}

fn text(out: &mut dyn Write, record: &MessageRecord, documents: &[Account]) -> Result<(), Failure> {
    writeln!(out, "Message {}  (short {})", record.id, record.short)?;
    writeln!(out, "  received    {} by {}, {} bytes", record.received, record.source, record.size_bytes)?;
    if let Some(head) = &record.head {
        let msg_id = head.msg_id.as_ref().map_or("none", |id| id.as_str());
        let test = if head.test { ", a TEST" } else { "" };
        writeln!(out, "  is          {} {}{test}, message id {msg_id}", head.kind.family, head.kind.version)?;
        let to: Vec<_> = head.receivers.iter().map(|receiver| address(&receiver.party)).collect();
        let from = head.sender.as_ref().map_or_else(|| "unknown".to_owned(), address);
        writeln!(out, "  goes        from {from} to {}", to.join(", "))?;
        if let Some(receipt) = &head.receipt {
            writeln!(out, "  answers     {}", answer(receipt))?;
        }
    }
    if let Some(transport) = &record.transport {
        envelope(out, record, transport)?;
    }
    write!(out, "  verdict     {}", record.verdict.as_str())?;
    match record.verdict.reason() {
        Some(reason) => writeln!(out, ", {reason}: {}", reason.title())?,
        None => writeln!(out)?,
    }
    finding_lines(out, &record.findings)?;
    for recipient in &record.recipients {
        recipient_line(out, recipient, &held_by(record, recipient))?;
    }
    for Account { target, words, .. } in documents {
        let place = target.as_ref().map_or_else(String::new, |name| format!("at {name}: "));
        writeln!(out, "  documents   {place}{words}")?;
    }
    for event in &record.events {
        let detail = event.detail.as_deref().unwrap_or_default();
        let whose = event.recipient.map_or_else(String::new, |r| format!("  [{}]", r.0));
        writeln!(out, "  {}  {:<12} {detail}{whose}", event.at, event.what)?;
    }
    writeln!(out)?;
    Ok(())
}

/// What a receipt says of which message. Its texts are for whoever may read the message itself.
fn answer(ReceiptHead { status, errors, original_id, .. }: &ReceiptHead) -> String {
    let about = original_id
        .as_ref()
        .map_or_else(|| "no message".to_owned(), |id| format!("message id {}", plain(id.as_str())));
    let status = match status {
        ReceiptStatus::Ok => "accepted",
        ReceiptStatus::Rejected => "rejected",
        ReceiptStatus::OkWithErrors => "accepted in parts",
    };
    let codes = errors.iter().map(|error| plain(&error.code)).collect::<Vec<_>>().join(", ");
    let gap = if codes.is_empty() { "" } else { ": " };
    format!("{about}: {status}{gap}{codes}")
}

/// What the transport said, and what an error reports.
fn envelope(out: &mut dyn Write, record: &MessageRecord, transport: &Transport) -> Result<(), Failure> {
    let role = serde_json::to_value(transport.role).map_err(std::io::Error::from)?;
    let role = role.as_str().unwrap_or_default();
    let party = |her_id: Option<HerId>| her_id.map_or_else(|| "nobody".to_owned(), |id| id.to_string());
    let (from, to) = (party(record.envelope_sender), party(record.envelope_receiver));
    let said = |text: &Option<String>| text.as_deref().map_or_else(|| "none".to_owned(), plain);
    let (id, subject) = (said(&transport.message_id), said(&transport.subject));
    writeln!(out, "  envelope    {role} queue, from {from} to {to}, message id {id}, subject {subject}")?;
    if transport.used_id {
        writeln!(out, "              its sender has used this message id before, for other bytes")?;
    }
    if let Some(reported) = &transport.reported {
        let (code, about) = (said(&reported.condition), said(&reported.original_message_id));
        writeln!(out, "  reports     {code} about {about}: {}", said(&reported.description))?;
        if let Some(data) = &reported.data {
            writeln!(out, "              {}", plain(data))?;
        }
    }
    Ok(())
}

/// A stranger's text in one line, at most 200 characters of it.
fn plain(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// One line for each: where, the code, what is wrong, what helps.
pub(super) fn finding_lines(out: &mut dyn Write, findings: &Findings) -> Result<(), Failure> {
    for finding in findings {
        writeln!(out, "  finding     {finding}")?;
    }
    if findings.omitted() > 0 {
        writeln!(out, "              and {} more", findings.omitted())?;
    }
    Ok(())
}

/// The rules that hold a recipient; none for what lies for another reason, or lies no more.
pub(super) fn held_by(record: &MessageRecord, recipient: &RecipientRecord) -> Vec<String> {
    let explanation = record.explanation.as_ref().filter(|_| recipient.reason == Some(Reason::HeldByRule));
    let explanation = explanation.and_then(|value| Explanation::deserialize(value).ok());
    explanation.map(|explanation| explanation.held_by(recipient.receiver)).unwrap_or_default()
}

/// One line; below it which rule holds it, and what the destination said last.
pub(super) fn recipient_line(
    out: &mut dyn Write,
    recipient: &RecipientRecord,
    held_by: &[String],
) -> Result<(), Failure> {
    let publishes = recipient.destination.as_ref().is_some_and(|to| to.as_str().starts_with(PUBLISHING));
    let receiver = match recipient.receiver {
        Some(her_id) => format!(" for HER-id {her_id}"),
        // A document is for whoever may read it there.
        None if publishes => String::new(),
        None => " for unknown".to_owned(),
    };
    let place = recipient.destination.as_ref().map_or_else(|| "nowhere".to_owned(), ToString::to_string);
    let payload = if publishes { "document" } else { recipient.payload.as_str() };
    let nothing = recipient.detail.as_ref().is_some_and(|detail| detail.starts_with(NOTHING_TO_PUBLISH));
    // It is settled, and yet nothing left.
    let state = if nothing { "done" } else { recipient.state.as_str() };
    let tries = recipient.tries;
    write!(out, "  recipient   {} {payload}{receiver} at {place}: {state}", recipient.id.0)?;
    if let Some(reason) = recipient.reason {
        write!(out, ", {reason}: {}", reason.title())?;
    }
    writeln!(out, ", {tries} attempts")?;
    if let Some(next) = recipient.next_attempt {
        writeln!(out, "              next attempt {next}")?;
    }
    for rule in held_by {
        writeln!(out, "              {rule}")?;
    }
    if let Some(detail) = &recipient.detail {
        writeln!(out, "              {detail}")?;
    }
    Ok(())
}

fn address(party: &Party) -> String {
    match party.any_her_id() {
        Some(her_id) => format!("HER-id {her_id}"),
        None => "no HER-id".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker_core::journal::{Book, RecipientId};
    use broker_core::lifecycle::State;
    use message_schemas::head::ReceiptError;
    use message_schemas::{MsgId, Private};

    fn line(destination: &str, receiver: Option<HerId>, detail: Option<&str>) -> String {
        let recipient = RecipientRecord {
            id: RecipientId(uuid::Uuid::from_u128(1)),
            book: Book::Message,
            receiver,
            destination: destination.parse().ok(),
            payload: "original".to_owned(),
            document: None,
            state: State::HandedOver,
            reason: None,
            detail: detail.map(str::to_owned),
            tries: 1,
            next_attempt: None,
            receipt_deadline: None,
            expires: None,
        };
        let mut out = Vec::new();
        recipient_line(&mut out, &recipient, &[]).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_document_has_no_receiver_and_what_never_left_was_not_handed_over() {
        let said = line("publish:store", None, None);
        assert!(said.contains(" document at publish:store: handed_over, 1 attempts"), "{said}");
        let said = line("publish:store", None, Some("nothing to publish: not shown: A took its place"));
        assert!(said.contains(" at publish:store: done, 1 attempts\n"), "{said}");
        assert!(said.contains(" nothing to publish: not shown: A took its place\n"), "{said}");
        let said = line("folder:gp", None, None);
        assert!(said.contains(" original for unknown at folder:gp: handed_over"), "{said}");
    }

    #[test]
    fn a_receipt_tells_what_it_says_by_its_codes() {
        let error = |code: &str| ReceiptError {
            code: code.into(),
            system: None,
            display: None,
            text: Some(Private("Kari Nordmann is not known here".into())),
        };
        let mut receipt = ReceiptHead {
            status: ReceiptStatus::Rejected,
            errors: vec![error("E10"), error("T02")],
            original_id: MsgId::new("e630b55b"),
            original_type: None,
            original_issue_date: None,
        };
        assert_eq!(answer(&receipt), "message id e630b55b: rejected: E10, T02");
        (receipt.status, receipt.errors, receipt.original_id) = (ReceiptStatus::Ok, Vec::new(), None);
        assert_eq!(answer(&receipt), "no message: accepted");
    }
}
