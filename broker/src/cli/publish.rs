//! `publish`: one message's documents at one target, without the running broker.

use super::{ConfigArg, Format, files, json_line};
use crate::config::Config;
use crate::config::publish::Publish;
use crate::exit::{Failure, Verdict, say};
use crate::renderings::Renderings;
use crate::world::{Tables, document_options};
use adapters::clock::SystemClock;
use adapters::publish::{Outcome, Publisher, not_as_published};
use broker_core::ports::Clock;
use jiff::Timestamp;
use message_schemas::Limits;
use message_schemas::document::{self, Options, SharedDocument};
use message_schemas::xml::{self, Tree};
use sharing::xds::Call;
use sharing::{Contents, Kind, Published, Submission, Target, Version, submission, withdrawal};
use std::io::Write;
use std::path::PathBuf;

/// Publish the documents of a message to a target of the configuration.
///
/// The same message has the same ids however often it is published: what is there already, with the same bytes, counts
/// as published. The running broker is not asked and not told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke publish epikrise.xml --config broker.toml --target store
  budstikke publish epikrise.xml --config broker.toml --target store --format json > published.jsonl
  budstikke publish corrected.xml --config broker.toml --target store --earlier published.jsonl
  budstikke publish epikrise.xml --config broker.toml --target store --dry-run | jq .
  budstikke publish cancellation.xml --config broker.toml --target store --earlier published.jsonl --withdraw

Exit codes: 0 it is there, and was seen there; 1 it is refused, by us or by the target: see the code;
2 the target does not answer, so nobody knows: the same command may be given again.")]
pub(super) struct Command {
    /// The message; `-` is standard input.
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArg,
    /// The target, by its name under `publish`.
    #[arg(long, value_name = "NAME")]
    target: String,
    /// What this command printed (`--format json`) when it published the versions before: they are replaced.
    #[arg(long, value_name = "FILE")]
    earlier: Option<PathBuf>,
    /// Take back what `--earlier` names; the message is the cancellation.
    #[arg(long, requires = "earlier")]
    withdraw: bool,
    /// Print what would be sent, and send nothing: the transaction (MHD), or the SOAP package after its header (XDS). It
    /// holds the patient's data.
    #[arg(long, conflicts_with = "withdraw")]
    dry_run: bool,
    /// Do not ask the target afterwards whether the documents are there.
    #[arg(long)]
    no_check: bool,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let config = self.config.load()?;
        let publish = named(&config, &self.target)?;
        let target = publish.target();
        // What is only shown needs no key and no token.
        let publisher = (!self.dry_run).then(|| publish.publisher()).transpose();
        let publisher = publisher.map_err(|error| Failure::Start(crate::exit::chain(&error)))?;
        let limits = Limits::default();
        let bytes = files::read_message(&self.file, limits.message_bytes)?;
        let tables = Tables::load(&config).map_err(Failure::Config)?;
        let options = document_options(&config, &tables.parties);
        let documents = match translated(&bytes, &limits, &options) {
            Ok(documents) => documents,
            Err(why) => {
                say(&format!("Not published: {why}"));
                return Ok(Verdict::Negative);
            }
        };
        let earlier = self.earlier()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Start(format!("no runtime: {error}")))?;
        let mut verdict = Verdict::Good;
        for document in &documents {
            let done = match &publisher {
                Some(publisher) => runtime.block_on(self.one(publisher, document, &bytes, &earlier, out))?,
                None => show(document, &bytes, &earlier, &target, out)?,
            };
            if done == Verdict::Negative {
                verdict = Verdict::Negative;
            }
        }
        Ok(verdict)
    }

    async fn one(
        &self,
        publisher: &Publisher,
        document: &SharedDocument,
        original: &[u8],
        earlier: &[Published],
        out: &mut dyn Write,
    ) -> Result<Verdict, Failure> {
        let target = publisher.target();
        let now = SystemClock::new().now();
        if self.withdraw {
            return match withdrawal(document, earlier, target, now) {
                Ok(way) => self.tell(publisher.withdraw(&way).await, "withdrawn", out),
                Err(refusal) => refused(refusal.code(), &refusal.to_string()),
            };
        }
        let submission = match made(document, original, earlier, target, now) {
            Ok(submission) => submission,
            Err(refusal) => return refused(refusal.code(), &refusal.to_string()),
        };
        for left in &submission.left_out {
            say(&format!("Left out {}: {}.", sharing::published::format::name(left.format), left.why));
        }
        if submission.substituted > 0 {
            say(&format!("{} values had characters that the target refuses.", submission.substituted));
        }
        let outcome = publisher.publish(&submission).await;
        if let (Outcome::Done(published), false) = (&outcome, self.no_check) {
            match publisher.check(published, &submission.common.patient.id).await {
                Ok(differences) => {
                    if let Some(trouble) = not_as_published(&differences) {
                        return refused(trouble.code, &trouble.why);
                    }
                }
                Err(trouble) => say(&format!("It was taken, but could not be looked at: {}.", trouble.why)),
            }
        }
        self.tell(outcome, "published", out)
    }

    fn tell(&self, outcome: Outcome, what: &str, out: &mut dyn Write) -> Result<Verdict, Failure> {
        match outcome {
            Outcome::Done(published) => {
                for entry in &published {
                    match self.format {
                        Format::Json => json_line(out, entry)?,
                        Format::Text => writeln!(
                            out,
                            "{what} {} entry {} document {} sha1 {}",
                            sharing::published::format::name(entry.format),
                            entry.entry,
                            entry.document,
                            entry.sha1
                        )?,
                    }
                }
                Ok(Verdict::Good)
            }
            Outcome::Refused(trouble) => refused(trouble.code, &trouble.why),
            Outcome::Again { trouble, .. } => Err(Failure::Remote(format!("not {what} for sure: {trouble}"))),
        }
    }

    fn earlier(&self) -> Result<Vec<Published>, Failure> {
        const MOST_BYTES: usize = 10_000_000;
        let Some(path) = &self.earlier else { return Ok(Vec::new()) };
        let bytes = files::read_message(path, MOST_BYTES)?;
        let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines
            .map(|line| {
                serde_json::from_slice(line).map_err(|_| {
                    let shown = path.display();
                    Failure::Usage(format!("{shown} is not what publish --format json prints"))
                })
            })
            .collect()
    }
}

/// A target of the configuration.
pub(super) fn named<'c>(config: &'c Config, name: &str) -> Result<&'c Publish, Failure> {
    config.publish.get(name).ok_or_else(|| {
        let known: Vec<_> = config.publish.keys().map(String::as_str).collect();
        Failure::Usage(format!("there is no target {name:?}; known are: {}", known.join(", ")))
    })
}

/// Prints what would be sent.
fn show(
    document: &SharedDocument,
    original: &[u8],
    earlier: &[Published],
    target: &Target,
    out: &mut dyn Write,
) -> Result<Verdict, Failure> {
    match made(document, original, earlier, target, SystemClock::new().now()) {
        Ok(submission) => {
            out.write_all(&wire(&submission, target, document.keys.set())?)?;
            out.write_all(b"\n")?;
            Ok(Verdict::Good)
        }
        Err(refusal) => refused(refusal.code(), &refusal.to_string()),
    }
}

fn refused(code: &str, why: &str) -> Result<Verdict, Failure> {
    say(&format!("Not published: {why}. See: budstikke explain {code}."));
    Ok(Verdict::Negative)
}

/// As the running broker makes them, so that they have the same ids.
fn translated(bytes: &[u8], limits: &Limits, options: &Options) -> Result<Vec<SharedDocument>, String> {
    let text = xml::decode(bytes).map_err(|finding| finding.to_string())?.text.into_owned();
    let tree = Tree::parse(&text, limits).map_err(|finding| finding.to_string())?;
    document::translate(&text, &tree, options)
        .map_err(|fault| format!("{fault}. See: budstikke explain {}.", fault.code()))
}

/// What goes over the wire, for reading: the id of the request is one that is not fresh.
pub(super) fn wire(submission: &Submission, target: &Target, id: uuid::Uuid) -> Result<Vec<u8>, Failure> {
    match target.kind {
        Kind::Mhd | Kind::MhdNational => sharing::mhd::bundle(submission, target.kind)
            .map_err(|error| Failure::Output(std::io::Error::from(error))),
        Kind::Xds => {
            let call = Call { to: "https://repository.invalid", message_id: id, security: None };
            let wire = sharing::xds::provide(submission, &call);
            Ok([b"Content-Type: ", wire.content_type.as_bytes(), b"\r\n\r\n", &wire.body].concat())
        }
    }
}

/// The submission of one document at `now`, with the forms that the target wants.
pub(super) fn made(
    document: &SharedDocument,
    original: &[u8],
    earlier: &[Published],
    target: &Target,
    now: Timestamp,
) -> Result<Submission, sharing::Refusal> {
    // What cannot be written as XML goes as JSON where the target takes that, and is refused by name where not.
    let Renderings { fhir_xml, pdf } = Renderings::of(document, &target.also);
    let contents = Contents { document, original, fhir_xml: fhir_xml.as_deref(), pdf: pdf.as_deref() };
    submission(&contents, Version::Whole, earlier, target, now)
}
