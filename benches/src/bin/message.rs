//! What one message costs on one core: each stage alone, and the decision as a whole.
//!
//! `cargo run --release -p benchmarks --bin message [SECONDS] [STAGE]` spends so long on each stage (1), on
//! those whose name begins so (all).

use benchmarks::{lab, measure};
use broker_core::journal::Provenance;
use broker_core::policy::Policy;
use broker_core::{Arrival, Outcome, World, process};
use jiff::Timestamp;
use message_schemas::apprec::{Making, Receipt, Verdict};
use message_schemas::head::HeadReader;
use message_schemas::schema::{SchemaSet, builtin};
use message_schemas::xml::{Element, Handler, Tree};
use message_schemas::{Limits, MessageHead, MessageId, document, head, rules, xml};
use routing_rules::{Facts, Parties, Rules, route};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().map_or(Ok(1.0), |s| s.parse())?;
    let bench = Bench { about: Duration::from_secs_f64(seconds), only: arguments.next().unwrap_or_default() };

    let usual = lab::report(1, lab::USUAL, 0);
    bench.stages("20 KB", &usual)?;
    bench.stages("5 MB", &lab::report(2, lab::USUAL, 5_000_000))?;
    println!("most memory held: {} MB", measure::memory("self", "VmHWM") >> 20);
    Ok(())
}

struct Bench {
    about: Duration,
    only: String,
}

impl Bench {
    fn stages(&self, size: &str, message: &str) -> Result<(), Failure> {
        let world = world("party", "kith-xml", false)?;
        let limits = &world.limits;
        let bytes = message.as_bytes();
        let text = &*xml::decode(bytes).map_err(|f| f.message)?.text;
        let mut count = Count::default();
        xml::read(text, limits, &mut count).map_err(|f| f.message)?;
        println!("{size}: {} bytes, {} elements", bytes.len(), count.0);

        self.row("decode", || xml::decode(bytes).map(|d| d.text.len()).is_ok());
        self.row("parse", || xml::read(text, limits, &mut Count::default()).is_ok());
        self.row("parse, validate", || world.schemas.validate(text, limits).is_ok_and(|v| v.valid));
        self.row("decode, parse, validate, head", || one_pass(bytes, &world).is_some());

        let (message_head, reader) = one_pass(bytes, &world).ok_or("the message is not valid")?;
        self.row("rules", || rules::check(&message_head, &reader, text, now(), limits.findings));
        let facts = Facts { head: &message_head, at: now(), size_bytes: bytes.len() };
        self.row("route", || route(&facts, &world.parties, &world.rules));
        let with_rules = self::world("party", "kith-xml", true)?;
        self.row("route, 20 rules with CEL", || route(&facts, &with_rules.parties, &with_rules.rules));

        self.row("tree", || Tree::parse(text, limits).map(|t| t.len()));
        let tree = Tree::parse(text, limits).map_err(|f| f.message)?;
        let documents = document::translate(text, &tree, &world.documents)?;
        let [made] = documents.as_slice() else { return Err("not one document".into()) };
        println!(
            "  document of {} bytes, {} lines of coverage",
            made.json.len(),
            made.coverage.lines(&tree).len()
        );
        self.row("document", || document::translate(text, &tree, &world.documents).is_ok());
        self.row("translate (tree, document)", || {
            let tree = Tree::parse(text, limits).expect("it is XML");
            document::translate(text, &tree, &world.documents).is_ok()
        });

        let addressing = head::Addressing::from(&message_head);
        let receiver = message_head.receivers.first().ok_or("no receiver")?;
        self.row("receipt", || {
            let making = Making { id: Uuid::nil(), now: now(), software: None };
            Receipt::answer_to(&addressing, receiver, Verdict::Accepted, making).map(|r| r.to_xml())
        });

        let cases = [
            ("process, receiver answers", ("party", "kith-xml", false)),
            ("process, we answer", ("broker", "kith-xml", false)),
            ("process, we answer, CEL", ("broker", "kith-xml", true)),
            ("process, we answer, document", ("broker", "fhir-document", false)),
        ];
        for (name, (answers, format, rules)) in cases {
            let world = self::world(answers, format, rules)?;
            let shared: Arc<[u8]> = bytes.into();
            let legs = decide(&shared, &world).ok_or("the message is not accepted")?;
            if legs != if answers == "broker" { 2 } else { 1 } {
                return Err(format!("{name}: {legs} recipients").into());
            }
            self.row(name, || decide(&shared, &world));
        }
        Ok(())
    }

    fn row<T>(&self, name: &str, work: impl FnMut() -> T) {
        if !name.starts_with(&self.only) {
            return;
        }
        let taken = measure::repeat(self.about, work);
        let (median, fastest) = taken.rates();
        println!(
            "  {name:<32} {:>9.1} µs ({:>9.1} at best) {median:>9.0}/s ({fastest:>9.0})",
            taken.median.as_secs_f64() * 1e6,
            taken.fastest.as_secs_f64() * 1e6,
        );
    }
}

/// Takes the events and keeps nothing.
#[derive(Default)]
struct Count(usize);

impl Handler for Count {
    fn start(&mut self, _: &Element<'_>) {
        self.0 += 1;
    }
    fn text(&mut self, _: &str, _: usize) {}
    fn end(&mut self, _: usize) {}
}

/// What the product does with each message first. None unless it is valid.
fn one_pass(bytes: &[u8], world: &World) -> Option<(MessageHead, HeadReader)> {
    let decoded = xml::decode(bytes).ok()?;
    let mut validator = world.schemas.validator(&decoded.text, &world.limits);
    let mut reader = HeadReader::new();
    xml::read(&decoded.text, &world.limits, &mut (&mut validator, &mut reader)).ok()?;
    let head = reader.finish(&world.heads).ok()?;
    validator.finish().valid.then_some((head, reader))
}

/// The whole decision before a journal that knows nothing. The number of recipients; none unless all of it
/// was accepted.
fn decide(bytes: &Arc<[u8]>, world: &World) -> Option<usize> {
    let arrival = Arrival {
        id: MessageId(Uuid::nil()),
        source: "bench".into(),
        received: now(),
        bytes: Arc::clone(bytes),
        idempotency_key: None,
        envelope_receiver: None,
        envelope_sender: None,
        transport: None,
    };
    let mut ids = Uuid::nil;
    let entry = match process(arrival, world, now(), &mut ids) {
        Outcome::Judged(entry) => *entry,
        Outcome::Need { prepared, .. } | Outcome::Fetch { prepared, .. } => {
            prepared.decide(&broker_core::outcome::nothing_known(), world, now(), &mut ids)
        }
    };
    (entry.verdict.as_str() == "accepted").then_some(entry.recipients.len())
}

fn world(answers: &str, format: &str, with_rules: bool) -> Result<World, Failure> {
    let file = |name: &str, text: String| vec![(name.to_owned(), text)];
    let parties = Parties::parse(&file("parties.toml", lab::party_file("folder:office", answers, format)));
    let parties = parties.map_err(|f| format!("{f:?}"))?;
    // Twenty that look at the message and do not fire, as most rules do for most messages.
    let rules: String = (0..20)
        .map(|n| {
            format!(
                "[[rule]]\nname = \"rule {n}\"\nwhen = 'message.size > {n}000000 && receiver.region == \"north\" \
                 || message.attachments > 4{n} && time.hour >= 16'\ncopy = [\"folder:copies\"]\n"
            )
        })
        .take(if with_rules { 20 } else { 0 })
        .collect();
    let rules = Rules::parse(&file("rules.toml", rules), &parties).map_err(|f| format!("{f:?}"))?;
    let files = builtin().iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
    let (schemas, _) = SchemaSet::load(files)?;
    Ok(World {
        schemas: Arc::new(schemas),
        parties: Arc::new(parties),
        rules: Arc::new(rules),
        policy: Arc::new(Policy::default()),
        trust: None,
        limits: Limits::default(),
        heads: head::Settings::default(),
        documents: Arc::default(),
        provenance: Arc::new(Provenance { program: "bench".into(), ..Provenance::default() }),
    })
}

fn now() -> Timestamp {
    "2026-03-02T09:30:00Z".parse().expect("a time")
}
