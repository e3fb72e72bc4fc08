//! Every metric that the broker gives, declared once: name, unit, labels.
//!
//! Labels are stages, reason codes, families, states and names from the configuration; never an id, never
//! anything that a sender wrote. `ops/` may name only what stands here, and a test holds it to that.

/// A metric: its name, what it counts, and the labels it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// `budstikke_<thing>_<unit>_total` and the like.
    pub name: &'static str,
    /// What it counts, for the exporter's help line.
    pub help: &'static str,
    /// Its label names.
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $constant:ident = $name:literal, $help:literal, [$($label:literal),*];)+) => {
        $($(#[doc = $doc])+ pub const $constant: Metric = Metric { name: $name, help: $help, labels: &[$($label),*] };)+
        /// All metrics.
        pub const ALL: &[Metric] = &[$($constant),+];
    };
}

metrics! {
    /// Messages committed.
    MESSAGES = "budstikke_messages_total", "Messages taken into the journal", ["source", "family", "verdict"];
    /// Messages that a source was asked to keep.
    NOT_TAKEN = "budstikke_messages_not_taken_total", "Messages not taken in, by why", ["source", "why"];
    /// Findings by code.
    FINDINGS = "budstikke_findings_total", "Findings in messages taken in", ["code"];
    /// Reasons given: refused, parked, expired, rejected.
    REASONS = "budstikke_reasons_total", "Recipients and messages set aside or refused, by reason", ["reason"];
    /// Receipts written by us.
    RECEIPTS = "budstikke_receipts_written_total", "Receipts written, by status", ["status"];
    /// Attempts by destination and what came of them.
    ATTEMPTS = "budstikke_attempts_total", "Delivery attempts, by outcome", ["destination", "outcome"];
    /// How long an attempt took.
    ATTEMPT_SECONDS = "budstikke_attempt_duration_seconds", "Duration of delivery attempts", ["destination"];
    /// From receipt of the bytes to the durable commit.
    INTAKE_SECONDS = "budstikke_intake_duration_seconds", "From bytes received to durable commit", ["source"];
    /// Time of the pure decision.
    PROCESS_SECONDS = "budstikke_process_duration_seconds", "CPU time of judging one message", [];
    /// Entries per commit.
    COMMIT_BATCH = "budstikke_commit_batch_messages", "Messages per journal commit", [];
    /// Recipients by book and state.
    RECIPIENTS = "budstikke_recipients", "Recipients by book and state", ["book", "state"];
    /// Recipients accepted, by book.
    ACCEPTED = "budstikke_recipients_accepted", "Recipients accepted, by book", ["book"];
    /// 0 when the books balance.
    LEDGER_DIFFERENCE = "budstikke_ledger_difference", "Recipients missing or unexplained; anything but 0 is an alarm", ["book"];
    /// Open recipients by destination.
    BACKLOG = "budstikke_backlog_recipients", "Open recipients by destination", ["destination"];
    /// Age of the oldest open recipient.
    BACKLOG_AGE = "budstikke_backlog_oldest_seconds", "Age of the oldest open recipient", ["destination"];
    /// 0 closed, 1 half open, 2 open.
    BREAKER = "budstikke_breaker_state", "Breaker of a destination: 0 closed, 1 half open, 2 open", ["destination"];
    /// Bytes in flight.
    BYTES_IN_FLIGHT = "budstikke_bytes_in_flight", "Bytes of messages between their source and the journal", [];
    /// Things a person must look at.
    ALARMS = "budstikke_alarms_total", "Things a person must look at, by reason", ["reason"];
    /// Reloads of parties and rules.
    RELOADS = "budstikke_reloads_total", "Reloads of parties and rules, by outcome", ["outcome"];
    /// Messages by the protection that they came in.
    PROTECTION = "budstikke_messages_protected_total", "Messages taken into the journal, by their protection", ["protection"];
    /// Time of the pure decision, by protection: what signatures and seals cost.
    PROTECTION_SECONDS = "budstikke_protection_duration_seconds", "CPU time of judging one message, by its protection", ["protection"];
    /// Questions to revocation services.
    REVOCATION_ANSWERS = "budstikke_revocation_answers_total", "Revocation answers wanted, by kind and outcome; at_hand was known already", ["kind", "outcome"];
    /// Revocation answers that are at hand and fresh.
    REVOCATION_HELD = "budstikke_revocation_held_answers", "Fresh revocation answers at hand", ["kind"];
    /// Messages that waited for revocation answers.
    REVOCATION_WAITS = "budstikke_revocation_waits_total", "Messages that waited for revocation answers, by what came of it", ["outcome"];
    /// Parked messages that were judged again.
    JUDGED_AGAIN = "budstikke_messages_judged_again_total", "Parked messages that were judged again and came to something else", ["verdict"];
    /// Questions to the registries of certificates and of parties.
    REGISTRY_ANSWERS = "budstikke_registry_answers_total", "Parties looked up in a registry, by outcome", ["outcome"];
    /// Age of what is known of the address registry.
    REGISTRY_AGE = "budstikke_registry_age_seconds", "How long ago what is known of the address registry was last as it says", [];
    /// Parties that are gone there, and not here.
    REGISTRY_DEACTIVATED = "budstikke_registry_parties_deactivated", "Parties that take no part any more by the address registry, and do by the files", [];
    /// Days until the first certificate runs out.
    CERTIFICATE_DAYS_LEFT = "budstikke_certificate_days_left", "Days until the first certificate without a successor runs out", ["owner", "purpose"];
    /// Certificates that run out soon.
    CERTIFICATES_EXPIRING = "budstikke_certificates_expiring", "Certificates without a successor that run out, by how soon", ["owner", "within"];
    /// 1 in test mode.
    TEST_MODE = "budstikke_trust_test_mode", "1 if what cannot be told of revocation is let pass; anything but 0 is an alarm", [];
    /// 1 while a server of queues is connected.
    QUEUES_CONNECTED = "budstikke_amqp_connected", "1 while a server of queues is connected, by connection and direction", ["connection", "direction"];
    /// Connections to servers of queues that were lost or did not come about.
    QUEUES_LOST = "budstikke_amqp_connections_lost_total", "Connections to servers of queues that were lost or did not come about", ["connection", "direction"];
    /// 1 while a server of queues takes nothing.
    QUEUES_BLOCKED = "budstikke_amqp_blocked", "1 while a server of queues takes nothing from us (short of disk or memory)", ["connection"];
    /// Messages sent and not yet confirmed.
    QUEUES_UNCONFIRMED = "budstikke_amqp_unconfirmed_messages", "Messages sent to a server of queues and not yet confirmed", ["connection"];
    /// Messages that wait in a queue that we read.
    QUEUE_DEPTH = "budstikke_amqp_queue_messages", "Messages that wait in a queue that is read, where the server says it", ["source"];
    /// When the last message came from a queue.
    QUEUE_LAST_READ = "budstikke_amqp_queue_last_read_seconds", "When the last message came from a queue, in seconds since 1970", ["source"];
    /// 1 while a queue is read.
    QUEUE_READING = "budstikke_amqp_queue_reading", "1 while a queue is being read", ["source"];
    /// Errors on error queues.
    TRANSPORT_ERRORS = "budstikke_amqp_errors_total", "Errors of the AMQP profile, told by us or reported to us, by code", ["direction", "code"];
    /// Process start, for uptime.
    STARTED = "budstikke_start_time_seconds", "Start of the process, in seconds since 1970", ["version"];
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn names_follow_the_grammar_and_stand_once() {
        for (at, metric) in ALL.iter().enumerate() {
            assert!(metric.name.starts_with("budstikke_"), "{}", metric.name);
            assert!(metric.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", metric.name);
            assert!(ALL.iter().skip(at + 1).all(|m| m.name != metric.name), "{} stands twice", metric.name);
        }
    }
}
