//! `receipt`: the receipts that a message gets, or what a receipt says.

use super::files;
use crate::examine::{Examined, examine};
use crate::exit::{Failure, Verdict};
use crate::{mask, schemas};
use adapters::clock::SystemClock;
use broker_core::ports::Clock;
use message_schemas::apprec::{self, ErrorCode, Making, Receipt, Software};
use message_schemas::head::{Receiver, Role};
use message_schemas::{HerId, Limits};
use std::io::Write;
use std::path::PathBuf;
use uuid::Uuid;

/// Show the receipt that a message would get, or what a receipt says.
///
/// For a message: one receipt as XML for each receiver that is addressed, saying what --error says, or else
/// what the message deserves: T01 if it is not XML, T10 if it is not known, T02 if its schema refuses it,
/// else OK. For a receipt: its status, its errors and what it answers, as JSON.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke receipt message.xml
  budstikke receipt message.xml --for 8093 --error E21
  budstikke receipt apprec.xml | jq .status

Exit codes: 0 printed, 1 there is no receipt for this; standard error says why.")]
pub(super) struct Command {
    /// The message or receipt; `-` is standard input.
    file: PathBuf,
    /// Only for this receiver.
    #[arg(long = "for", value_name = "HER-ID")]
    receiver: Option<HerId>,
    /// Say OK, whatever the message deserves.
    #[arg(long, conflicts_with = "error")]
    ok: bool,
    /// Refuse with this code of list 8221, such as T02 or E21.
    #[arg(long, value_name = "CODE")]
    error: Option<String>,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let limits = Limits::default();
        let bytes = files::read_message(&self.file, limits.message_bytes)?;
        let schemas = schemas::load(None).map_err(Failure::Config)?;
        let now = SystemClock::new().now();
        let examined = examine(&bytes, &schemas, &limits, now);
        if let Some(head) = examined.head.as_ref().filter(|head| head.receipt.is_some()) {
            let value = mask::head(head, false);
            let said = value.get("receipt").cloned().unwrap_or_default();
            serde_json::to_writer_pretty(&mut *out, &said).map_err(std::io::Error::from)?;
            writeln!(out)?;
            return Ok(Verdict::Good);
        }
        let mut written = 0;
        for receiver in examined.addressing.receivers.iter().filter(|receiver| self.wants(receiver)) {
            let making = Making { id: Uuid::now_v7(), now, software: Some(software()) };
            match Receipt::answer_to(&examined.addressing, receiver, self.verdict(&examined), making) {
                Ok(receipt) => {
                    writeln!(out, "{}", receipt.to_xml().trim_end())?;
                    written += 1;
                }
                Err(why) => crate::exit::say(&format!("No receipt: {why}.")),
            }
        }
        if written == 0 {
            crate::exit::say("There is nobody here to answer, or nobody to answer for.");
        }
        Ok(Verdict::of(written > 0))
    }

    fn wants(&self, receiver: &Receiver) -> bool {
        receiver.role != Role::Mentioned
            && self.receiver.is_none_or(|wanted| receiver.party.her_id() == Some(wanted))
    }

    fn verdict(&self, examined: &Examined) -> apprec::Verdict {
        let code = match (&self.error, &examined.head) {
            _ if self.ok => return apprec::Verdict::Accepted,
            (Some(code), _) => ErrorCode::from_code(code),
            (None, Some(_)) if examined.valid => return apprec::Verdict::Accepted,
            (None, Some(_)) => ErrorCode::from_code("T02"),
            (None, None) if examined.findings.iter().any(|f| f.layer == message_schemas::Layer::Xml) => {
                ErrorCode::from_code("T01")
            }
            (None, None) => ErrorCode::from_code("T10"),
        };
        apprec::Verdict::rejected(apprec::Error::of(code))
    }
}

fn software() -> Software {
    Software { name: "Budstikke".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}
