//! `send`: hands a message to a running broker, or many of them to a schedule.

mod folder;
mod fresh;
mod http;
mod load;
mod opening;
mod prepare;
mod queue;
mod receipts;
mod summary;

use super::material::{self, Keys, Trusting};
use super::{Format, files, json_line, sign};
use crate::examine::examine;
use crate::exit::{Failure, Verdict, say};
use crate::schemas;
use adapters::clock::SystemClock;
use broker_core::ContentHash;
use broker_core::ports::Clock;
use broker_core::transport::Label;
use clap::ValueEnum;
use http::{Http, arrived, is_good, recipients, settled, word};
use load::{Plan, Target};
use message_schemas::{Limits, MsgId, OrgNumber};
use opening::{Addressees, Opener};
use prepare::{Pool, Prepared, Protecting};
use queue::Queue;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use summary::Outcome;

/// Hand a message to a running broker: over HTTP, or by putting it into a folder or a queue that the broker reads.
///
/// One file alone is sent as it is. Without --idempotency-key the hash of the content is the key, so the same file sent
/// twice is the same call, and is taken in once.
///
/// With --count or --for it is a load: the messages of the files and folders are sent in turn, each time with ids and
/// time of their own and not a byte else changed, signed and sealed if keys are given, at the rate that is asked for.
/// What becomes of them is counted and measured from the moment when each was due.
///
/// Receipts that come signed and sealed are opened with the keys that are given; with --trust, only those count whose
/// signature holds, whose signer these CAs vouch for, and who is the receiver that the message names by its organisation number,
/// or named by --signed-by.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke send message.xml
  budstikke send message.xml --to http://127.0.0.1:8460 --wait 60
  budstikke send message.xml --folder /var/spool/budstikke/in
  budstikke send samples/ --count 10000 --rate 500 --receipts-from http
  budstikke send samples/ --count 10000 --to amqp://load@127.0.0.1/region --login-file secret --queue inbox \\
      --receipts-from amqp:gp
  budstikke send samples/ --for 60s --rate 200 --key gp.p12 --password-file secret --sign xml --sign cms \\
      --seal-for hospital.cer --folder /var/spool/budstikke/in --receipts-from /var/spool/budstikke/out/gp
  budstikke send samples/ --count 1000 --rate 100 --key gp-signing.p12 --key gp-sealing.p12 --password-file secret \\
      --sign cms --seal-for hospital.cer --to amqp://load@127.0.0.1/region --login-file login --queue inbox \\
      --receipts-from amqp:gp --trust roots/ --crl issuing.crl

Exit codes: 0 taken in (with --wait: and everything arrived; with a load: nothing lost, refused or unanswered),
1 taken in, and refused or not done in time (a load: something was lost, refused or not answered, or came with a receipt
that is not to be trusted), 2 not taken in.")]
pub(super) struct Command {
    /// The message; `-` is standard input. For a load, files and folders of messages.
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// The broker's address; or that of a server of queues, as amqp://USER@HOST:PORT/VHOST (amqps:// with TLS), or
    /// amqp:NAME for the one under [amqp.NAME] of --config.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8460")]
    to: String,
    /// A file with the bearer token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The idempotency key of one message.
    #[arg(long, value_name = "KEY", conflicts_with_all = ["count", "time"])]
    idempotency_key: Option<String>,
    /// Wait so many seconds until nothing of one message is left to do, and print how it ended. So long it is also waited
    /// for a broker that does not listen yet.
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["count", "time"])]
    wait: Option<u64>,
    /// Put messages into this folder instead.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["to", "wait", "token_file"])]
    folder: Option<PathBuf>,
    /// A load: send so many messages.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=u64::from(u32::MAX)))]
    count: Option<u64>,
    /// A load: send for so long, such as 90s or 10m.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
    #[command(flatten)]
    queue: queue::Options,
    #[command(flatten)]
    load: Load,
    #[command(flatten)]
    keys: Keys,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten, next_help_heading = "Receipts that come signed and sealed")]
    trusting: Trusting,
    /// An organisation, by its number, that signs receipts for the receivers of the messages, such as a broker that answers
    /// for them; may be given several times.
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "trust",
        help_heading = "Receipts that come signed and sealed"
    )]
    signed_by: Vec<OrgNumber>,
}

/// What is asked of a load.
#[derive(Debug, clap::Args)]
struct Load {
    /// Messages a second, by an open schedule; without it, as fast as answers come.
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Messages that may be without an answer at one time.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = in_flight)]
    in_flight: usize,
    /// Sign with the key: in the document, around it, or both in this order.
    #[arg(long, value_enum, value_name = "FORM", requires = "keys")]
    sign: Vec<SignForm>,
    /// Seal for the receiver with this certificate; may be given several times.
    #[arg(long, value_name = "FILE")]
    seal_for: Vec<PathBuf>,
    /// Where receipts are seen: a folder that they are delivered to, `amqp:QUEUE` for a queue of the server that
    /// messages are sent to (what comes there is taken), or `http` to ask the broker what became of each message.
    #[arg(long, value_name = "DIR|amqp:QUEUE|http")]
    receipts_from: Option<receipts::From>,
    /// How long receipts are waited for after the last message.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    patience: Duration,
}

/// Where a signature goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SignForm {
    /// Into the document, as its last element.
    Xml,
    /// Around the bytes (CMS SignedData).
    Cms,
}

fn duration(text: &str) -> Result<Duration, String> {
    let read: jiff::SignedDuration = text.parse().map_err(|_| "a time is written as 90s, 10m or 1h30m")?;
    Duration::try_from(read).ok().filter(|d| !d.is_zero()).ok_or_else(|| "it must be more than 0".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let read: Option<f64> = text.parse().ok();
    read.filter(|r| (0.001..=1_000_000.0).contains(r)).ok_or_else(|| "it must be a number above 0".to_owned())
}

fn in_flight(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| (1..=100_000).contains(n)).ok_or_else(|| "it must be 1 or more".to_owned())
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        if !self.queue.is_unused() && (self.folder.is_some() || !queue::Options::is_meant(&self.to)) {
            let why = "--queue is for an address of a server of queues (--to amqp://…)";
            return Err(Failure::Usage(why.to_owned()));
        }
        if self.count.is_some() || self.time.is_some() {
            return self.load(out);
        }
        let ([file], true) = (self.files.as_slice(), self.is_bare()) else {
            let why = "one file alone is sent as it is; for more, or to sign, seal and measure, give --count or --for";
            return Err(Failure::Usage(why.to_owned()));
        };
        self.one(file, out)
    }

    /// Nothing is asked for that belongs to a load.
    const fn is_bare(&self) -> bool {
        self.load.is_unused() && self.keys.is_empty() && self.trusting.is_empty()
    }

    /// One message, as it is.
    fn one(&self, file: &Path, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let bytes = files::read_message(file, Limits::default().message_bytes)?;
        let key = self.idempotency_key.clone().unwrap_or_else(|| ContentHash::of(&bytes).to_string());
        if let Some(folder) = &self.folder {
            let finished = folder::put(folder, &key, &bytes, true).map_err(Failure::file(folder))?;
            writeln!(out, "{}", finished.display())?;
            return Ok(Verdict::Good);
        }
        if queue::Options::is_meant(&self.to) {
            return self.to_queue(bytes, out);
        }
        let http = Http::build(&self.to, self.token_file.as_deref())?;
        let answer = runtime()?.block_on(self.send(&http, bytes, &key))?;
        match self.format {
            Format::Json => json_line(out, &answer)?,
            Format::Text => {
                let of = |name: &str| word(&answer, name);
                writeln!(out, "{}  {}  {}", of("id"), of("short"), of("verdict"))?;
                for recipient in recipients(&answer) {
                    writeln!(out, "  {}", http::told(recipient))?;
                }
            }
        }
        let arrived = self.wait.is_none() || recipients(&answer).iter().all(arrived);
        Ok(Verdict::of(is_good(&answer) && arrived))
    }

    /// One message into a queue; what became of it there is all that is told.
    fn to_queue(&self, bytes: Vec<u8>, out: &mut dyn Write) -> Result<Verdict, Failure> {
        if self.wait.is_some() {
            return Err(Failure::Usage("a queue does not tell how a message ended".to_owned()));
        }
        let now = SystemClock::new().now();
        let schemas = schemas::load(None).map_err(Failure::Config)?;
        let head = examine(&bytes, &schemas, &Limits::default(), now).head;
        let label = head.as_ref().map(fresh::label).unwrap_or_default();
        let id =
            head.and_then(|head| head.msg_id).or_else(|| MsgId::new(&ContentHash::of(&bytes).to_string()));
        let message = Prepared {
            id: id.expect("a hash is not empty"),
            bytes: bytes.into(),
            label: Label { made: Some(now), ..label },
        };
        let place = self.queue.place(&self.to)?;
        let outcome = runtime()?.block_on(async {
            let queue = Queue::connect(place, None, 1).await?;
            Ok::<_, Failure>(queue.send(&message).await)
        })?;
        match outcome {
            Outcome::Acknowledged => {
                writeln!(out, "{}", message.id.as_str())?;
                Ok(Verdict::Good)
            }
            Outcome::Refused(why) | Outcome::Lost(why) => Err(Failure::Remote(format!("{}: {why}", self.to))),
        }
    }

    async fn send(&self, http: &Http, bytes: Vec<u8>, key: &str) -> Result<Value, Failure> {
        let remote = |error: http::NoAnswer| Failure::Remote(format!("{}: {error}", http.address()));
        let bytes = hyper::body::Bytes::from(bytes);
        let end = tokio::time::Instant::now() + Duration::from_secs(self.wait.unwrap_or_default());
        let taken = loop {
            match http.post(key, bytes.clone()).await {
                // It may be about to start.
                Err(http::NoAnswer::NobodyThere(_)) if tokio::time::Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                answer => break answer.map_err(remote)?,
            }
        };
        if self.wait.is_none() {
            return Ok(taken);
        }
        let id = word(&taken, "id").to_owned();
        loop {
            let state = http.state(&id).await.map_err(remote)?;
            if recipients(&state).iter().all(settled) || tokio::time::Instant::now() >= end {
                return Ok(state);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Many, each of its own.
    fn load(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let now = SystemClock::new().now();
        if !self.trusting.is_empty() && matches!(self.load.receipts_from, None | Some(receipts::From::Http)) {
            let why =
                "--trust is for receipts that are seen themselves: in a folder or a queue (--receipts-from)";
            return Err(Failure::Usage(why.to_owned()));
        }
        let protecting = self.protecting(now)?;
        let schemas = schemas::load(None).map_err(Failure::Config)?;
        let samples = fresh::samples(&self.files, &schemas, now)?;
        let parties = samples.iter().flat_map(|sample| sample.receivers().iter().cloned()).collect();
        let addressees = Addressees { parties, signed_by: self.signed_by.clone() };
        let opener = Opener::load(&self.keys, &self.trusting, addressees)?;
        for warning in opener.warnings() {
            say(warning);
        }
        let runtime = runtime()?;
        let target = match &self.folder {
            Some(folder) => Target::Folder(folder.clone()),
            None if queue::Options::is_meant(&self.to) => {
                let reply_to = match &self.load.receipts_from {
                    Some(receipts::From::Queue(queue)) => Some(queue.as_str()),
                    Some(receipts::From::Folder(_) | receipts::From::Http) | None => None,
                };
                let place = self.queue.place(&self.to)?;
                Target::Queue(runtime.block_on(Queue::connect(place, reply_to, self.load.in_flight))?)
            }
            None => Target::Http(Http::build(&self.to, self.token_file.as_deref())?),
        };
        let plan = Plan {
            target,
            count: self.count,
            time: self.time,
            rate: self.load.rate,
            in_flight: self.load.in_flight,
            receipts: self.load.receipts_from,
            patience: self.load.patience,
        };
        let pool = Pool::start(samples, protecting, self.count)?;
        let summary = runtime.block_on(plan.run(opener, pool))?;
        match self.format {
            Format::Json => json_line(out, &summary)?,
            Format::Text => summary.print(out)?,
        }
        Ok(Verdict::of(summary.is_good()))
    }

    fn protecting(&self, now: jiff::Timestamp) -> Result<Protecting, Failure> {
        let refused =
            |fault: trust::Fault| Failure::Usage(fault.to_string().trim_end_matches('.').to_owned());
        let key = if self.load.sign.is_empty() {
            None
        } else {
            Some(sign::key(&self.keys, now)?.map_err(refused)?)
        };
        let with = |form| key.clone().filter(|_| self.load.sign.contains(&form));
        let certificate = |file: &PathBuf| material::sealing_certificate(file);
        let receivers = self.load.seal_for.iter().map(certificate).collect::<Result<_, _>>()?;
        Ok(Protecting { xml: with(SignForm::Xml), cms: with(SignForm::Cms), receivers })
    }
}

impl Load {
    const fn is_unused(&self) -> bool {
        self.rate.is_none()
            && self.sign.is_empty()
            && self.seal_for.is_empty()
            && self.receipts_from.is_none()
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Start(format!("no runtime: {error}")))
}
