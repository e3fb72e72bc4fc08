//! What came of a load: counted while it runs, told at the end.

use message_schemas::MsgId;
use message_schemas::head::ReceiptStatus;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};
use std::time::Duration;
use tokio::time::Instant;

/// What was sent, and what came back.
#[derive(Debug, Default)]
pub(super) struct Book {
    sent: u64,
    acknowledged: u64,
    refused: BTreeMap<String, u64>,
    lost: BTreeMap<String, u64>,
    receipts: BTreeMap<&'static str, u64>,
    strange_receipts: u64,
    refused_receipts: BTreeMap<String, u64>,
    late: u64,
    to_acknowledgement: Vec<Duration>,
    to_receipt: Vec<Duration>,
    /// From when on each message that has no receipt yet is measured.
    open: HashMap<String, Instant>,
    /// Those that were refused: a receipt may tell it once more.
    told: HashSet<String>,
    last_acknowledged: Option<Instant>,
}

/// What became of one message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Taken in.
    Acknowledged,
    /// Not taken in, or taken in and found faulty; by which word.
    Refused(String),
    /// No telling whether it is there; by which fault.
    Lost(String),
}

impl Book {
    /// One is about to go. It is measured from when it was due, also when it went later: who came then would have waited.
    pub(super) fn begin(&mut self, id: &MsgId, due: Instant, late: bool) {
        self.sent += 1;
        self.late += u64::from(late);
        self.open.insert(id.key(), due);
    }

    pub(super) fn end(&mut self, id: &MsgId, due: Instant, now: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Acknowledged => {
                self.acknowledged += 1;
                self.to_acknowledgement.push(now.duration_since(due));
                self.last_acknowledged = Some(now);
            }
            Outcome::Refused(why) => {
                *self.refused.entry(why).or_default() += 1;
                self.open.remove(&id.key());
                self.told.insert(id.key());
            }
            Outcome::Lost(why) => *self.lost.entry(why).or_default() += 1,
        }
    }

    /// A receipt, or what stands for one. The first counts; true if it did.
    pub(super) fn receipt(&mut self, id: &MsgId, kind: &'static str, now: Instant) -> bool {
        let Some(due) = self.open.remove(&id.key()) else {
            if self.told.remove(&id.key()) {
                *self.receipts.entry(kind).or_default() += 1;
            } else {
                self.strange_receipts += 1;
            }
            return false;
        };
        *self.receipts.entry(kind).or_default() += 1;
        self.to_receipt.push(now.duration_since(due));
        true
    }

    /// Something that may be a receipt, and cannot be opened or is not to be trusted.
    pub(super) fn refused_receipt(&mut self, why: String) {
        *self.refused_receipts.entry(why).or_default() += 1;
    }

    /// How many were begun, and how many receipts are missing.
    pub(super) fn standing(&self) -> (u64, usize) {
        (self.sent, self.open.len())
    }

    /// All of it. `watched`: somebody looked for receipts.
    pub(super) fn close(mut self, began: Instant, watched: bool, interrupted: bool) -> Summary {
        let ended = self.last_acknowledged.unwrap_or(began);
        let seconds = ended.duration_since(began).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let rate = if seconds > 0.0 { self.acknowledged as f64 / seconds } else { 0.0 };
        let missing = u64::try_from(self.open.len()).unwrap_or(u64::MAX);
        Summary {
            sent: self.sent,
            acknowledged: self.acknowledged,
            refused: self.refused,
            lost: self.lost,
            receipts: watched.then_some(Receipts {
                by_kind: self.receipts,
                missing,
                strange: self.strange_receipts,
                refused: self.refused_receipts,
            }),
            seconds,
            rate,
            late: self.late,
            to_acknowledgement_ms: Latencies::of(&mut self.to_acknowledgement),
            to_receipt_ms: Latencies::of(&mut self.to_receipt),
            interrupted,
        }
    }
}

/// What is printed at the end.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// Messages that went out.
    sent: u64,
    /// Messages that were taken in.
    acknowledged: u64,
    /// Messages that were not, or that were found faulty, by the word for it.
    refused: BTreeMap<String, u64>,
    /// Messages of which nothing was heard, by the fault.
    lost: BTreeMap<String, u64>,
    /// What was seen of receipts, if anybody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipts: Option<Receipts>,
    /// From the first message due to the last acknowledgement.
    seconds: f64,
    /// Acknowledged messages a second.
    rate: f64,
    /// Messages that went late because they were not ready: by so much the tool was too slow, and not the broker.
    late: u64,
    /// From when a message was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_acknowledgement_ms: Option<Latencies>,
    /// From when a message was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_receipt_ms: Option<Latencies>,
    /// Somebody stopped it.
    interrupted: bool,
}

#[derive(Debug, Serialize)]
struct Receipts {
    by_kind: BTreeMap<&'static str, u64>,
    /// Messages without one.
    missing: u64,
    /// Receipts for what was not sent here, or for what had one.
    strange: u64,
    /// What could not be opened or is not to be trusted, by the code and what it means.
    refused: BTreeMap<String, u64>,
}

/// In milliseconds.
#[derive(Debug, Serialize)]
struct Latencies {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Latencies {
    fn of(all: &mut [Duration]) -> Option<Self> {
        all.sort_unstable();
        // The smallest value that so many in a hundred do not exceed.
        let at = |percent: usize| {
            let rank = (all.len() * percent).div_ceil(100).saturating_sub(1);
            all.get(rank).map(|d| d.as_secs_f64() * 1000.0)
        };
        Some(Self { p50: at(50)?, p90: at(90)?, p99: at(99)?, max: at(100)? })
    }
}

impl Summary {
    /// Nothing was lost or refused, no receipt is missing that somebody waited for, and none is one that cannot be trusted.
    pub(super) fn is_good(&self) -> bool {
        let missing = self.receipts.as_ref().is_some_and(|r| r.missing > 0) && !self.interrupted;
        let distrusted = self.receipts.as_ref().is_some_and(|r| !r.refused.is_empty());
        self.refused.is_empty() && self.lost.is_empty() && !missing && !distrusted
    }

    /// For people.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "sent            {:>9}{}",
            self.sent,
            if self.interrupted { "   (stopped)" } else { "" }
        )?;
        writeln!(
            out,
            "acknowledged    {:>9}   in {:.1} s, {:.1}/s",
            self.acknowledged, self.seconds, self.rate
        )?;
        for (word, counts) in [("refused", &self.refused), ("lost", &self.lost)] {
            writeln!(out, "{word:<16}{:>9}", counts.values().sum::<u64>())?;
            for (why, count) in counts {
                writeln!(out, "  {why:<14}{count:>9}")?;
            }
        }
        if let Some(receipts) = &self.receipts {
            writeln!(out, "receipts        {:>9}", receipts.by_kind.values().sum::<u64>())?;
            for (kind, count) in &receipts.by_kind {
                writeln!(out, "  {kind:<14}{count:>9}")?;
            }
            writeln!(out, "  {:<14}{:>9}", "missing", receipts.missing)?;
            if receipts.strange > 0 {
                writeln!(out, "  {:<14}{:>9}", "strange", receipts.strange)?;
            }
            for (why, count) in &receipts.refused {
                writeln!(out, "  {:<14}{count:>9}   {why}", "not trusted")?;
            }
        }
        for (what, latencies) in
            [("acknowledgement", &self.to_acknowledgement_ms), ("receipt", &self.to_receipt_ms)]
        {
            if let Some(Latencies { p50, p90, p99, max }) = latencies {
                writeln!(
                    out,
                    "to {what:<16} p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, max {max:.1} ms"
                )?;
            }
        }
        if self.late > 0 {
            writeln!(out, "{} went late: this machine did not make them in time.", self.late)?;
        }
        Ok(())
    }
}

/// The word for a receipt's status.
pub(super) const fn kind(status: ReceiptStatus) -> &'static str {
    match status {
        ReceiptStatus::Ok => "ok",
        ReceiptStatus::Rejected => "rejected",
        ReceiptStatus::OkWithErrors => "ok with errors",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> MsgId {
        MsgId::new(text).expect("not empty")
    }

    #[test]
    fn a_message_is_measured_from_when_it_was_due() {
        let (mut book, due) = (Book::default(), Instant::now());
        book.begin(&id("a"), due, false);
        book.end(&id("a"), due, due + Duration::from_millis(250), Outcome::Acknowledged);
        assert!(book.receipt(&id("a"), "ok", due + Duration::from_millis(400)));
        assert!(!book.receipt(&id("a"), "ok", Instant::now()), "the second one");
        let summary = book.close(due, true, false);
        assert!(summary.is_good());
        assert_eq!(summary.to_acknowledgement_ms.map(|l| l.p50), Some(250.0), "not 0: it had to wait");
        assert_eq!(summary.to_receipt_ms.map(|l| l.max), Some(400.0));
        assert_eq!((summary.rate, summary.receipts.map(|r| (r.missing, r.strange))), (4.0, Some((0, 1))));
    }

    #[test]
    fn lost_refused_and_unanswered_ones_are_no_good() {
        let now = Instant::now();
        let close = |outcome, watched, interrupted| {
            let mut book = Book::default();
            book.begin(&id("a"), now, false);
            book.end(&id("a"), now, now, outcome);
            book.close(now, watched, interrupted)
        };
        assert!(close(Outcome::Acknowledged, false, false).is_good());
        assert!(!close(Outcome::Acknowledged, true, false).is_good(), "its receipt is missing");
        assert!(close(Outcome::Acknowledged, true, true).is_good(), "nobody waited for it");
        assert!(!close(Outcome::Lost("no answer".to_owned()), false, true).is_good());
        let refused = close(Outcome::Refused("503".to_owned()), true, false);
        assert!(!refused.is_good() && refused.receipts.is_some_and(|r| r.missing == 0), "there will be none");
    }

    #[test]
    fn a_receipt_that_is_not_to_be_trusted_answers_nothing_and_is_told() {
        let now = Instant::now();
        let mut book = Book::default();
        book.begin(&id("a"), now, false);
        book.end(&id("a"), now, now, Outcome::Acknowledged);
        book.refused_receipt("A05 changed".to_owned());
        book.refused_receipt("A05 changed".to_owned());
        assert_eq!(book.standing(), (1, 1), "it is still without one");
        assert!(book.receipt(&id("a"), "ok", now));
        let summary = book.close(now, true, false);
        assert!(!summary.is_good(), "somebody sends what is not to be trusted");
        let mut told = Vec::new();
        summary.print(&mut told).expect("it can be written");
        let told = String::from_utf8_lossy(&told).into_owned();
        let line = told.lines().find(|line| line.contains("A05 changed")).expect("it is told");
        assert_eq!(line.split_whitespace().nth(2), Some("2"), "{told}");
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut all: Vec<_> = (1..=1000).rev().map(Duration::from_millis).collect();
        let Latencies { p50, p90, p99, max } = Latencies::of(&mut all).expect("there are some");
        assert_eq!((p50, p90, p99, max), (500.0, 900.0, 990.0, 1000.0));
        let one = Latencies::of(&mut [Duration::from_millis(7)]).expect("there is one");
        assert_eq!((one.p50, one.max), (7.0, 7.0));
        assert!(Latencies::of(&mut []).is_none());
    }
}
