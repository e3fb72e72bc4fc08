//! Documents in several versions, from arrival to a registry: whatever arrives in which order, and whichever answers are
//! lost, what is visible in the end is the same.

use adapters::memory::MemoryStore;
use adapters::publish::{Outcome, Trouble};
use arc_swap::ArcSwap;
use broker::series::publishing::{Registry, Target};
use broker_core::journal::{Delivery, Entry, Known, Provenance, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::policy::{Invalid, Policy, Publish};
use broker_core::ports::{Clock, Destination, Store};
use broker_core::{Arrival, Outcome as Judged, World, process};
use dead_letter::{Attempt, Reason};
use jiff::Timestamp;
use message_schemas::document::Format;
use message_schemas::schema::SchemaSet;
use message_schemas::{Family, Limits, MessageId, head};
use routing_rules::{DestinationId, Parties, Rules};
use sharing::series::{Status, Strand};
use sharing::target::{Also, Withdraw};
use sharing::{Environment, Kind, Link, Submission, Withdrawal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

const PARTIES: &str = r#"
[[party]]
her_id = 200
level = "enterprise"
name = "Sykehuset"
kind = "hospital"
destination = "hospital"
[[party]]
her_id = 201
level = "service"
name = "Medisinsk avdeling"
kind = "hospital"
parent = 200
answers = "none"
"#;

/// A report, made at that hour; of each result its code, a value, and the change code.
fn report(msg_id: u8, hour: u8, change: &str, patient: &str, results: &[(&str, &str, &str)]) -> String {
    let items: String = results
        .iter()
        .map(|(code, value, change)| {
            format!(
                r#"<ResultItem><NumResult><NumResultValue V="{value}" U="mmol/L"/></NumResult><ServType V="{change}"/>
      <Investigation><Id V="{code}" S="2.16.578.1.12.4.1.1.7280"/></Investigation><IdResultItem>1</IdResultItem>
      <StatusInvestigation V="3"/></ResultItem>"#
            )
        })
        .collect();
    format!(
        r#"<Message xmlns="http://www.kith.no/xmlstds/labsvar/2012-02-15">
  <Type V="SVAR_LAB" DN="Svarrapport-Laboratoriemedisin"/><MIGversion>v1.4 2012-02-15</MIGversion>
  <GenDate V="2026-03-04T{hour:02}:00:00Z"/><MsgId>5d0f8f7e-6a41-4c1b-9a57-0a7be9a100{msg_id:02}</MsgId>
  <ServReport>
    <ServType V="{change}"/><IssueDate V="2026-03-04"/><Status V="F"/><MsgDescr V="CLIN"/>
    <ServProvId>SR-1</ServProvId>
    <Patient><Sex V="1"/><Name>Nordlys, Aksel</Name><OffId>{patient}</OffId>
      <TypeOffId V="FNR"/>{items}</Patient>
    <ServProvider><HCP><Inst><Name>Laboratoriet</Name><Id>974760673</Id><TypeId V="ENH"/>
      <AdditionalId><Id>100</Id><Type V="HER"/></AdditionalId></Inst></HCP></ServProvider>
    <Requester><HCP><Inst><Name>Sykehuset</Name><Id>200</Id><TypeId V="HER"/>
      <Dept><Name>Medisinsk avdeling</Name><Id>201</Id><TypeId V="HER"/></Dept></Inst></HCP></Requester>
  </ServReport>
</Message>"#
    )
}

const AKSEL: &str = "13116900216";

fn to() -> DestinationId {
    "publish:store".parse().expect("a name")
}

fn now() -> Timestamp {
    "2026-03-05T10:00:00Z".parse().expect("a time")
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        now()
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn world() -> World {
    let publish = vec![Publish { to: to(), families: BTreeSet::from([Family::ResultReport]), tests: false }];
    let mut policy = Policy { publish, ..Policy::default() };
    policy.invalid.default = Invalid::Accept;
    let (schemas, _) = SchemaSet::load(Vec::<(String, Vec<u8>)>::new()).expect("an empty set is a set");
    World {
        schemas: Arc::new(schemas),
        parties: Arc::new(Parties::parse(&[("p.toml".to_owned(), PARTIES.to_owned())]).expect("parties")),
        rules: Arc::new(Rules::none()),
        policy: Arc::new(policy),
        trust: None,
        limits: Limits::default(),
        heads: head::Settings::default(),
        documents: Arc::default(),
        provenance: Arc::new(Provenance::default()),
    }
}

/// A registry in memory: it does what it is told, refuses other bytes under a known id, and what is out of use; and it may
/// lose answers.
#[derive(Clone)]
struct InMemory {
    target: sharing::Target,
    stands: Arc<Mutex<Stands>>,
}

#[derive(Default)]
struct Stands {
    /// Format, bytes, whether it is in use; by the id of the entry.
    entries: BTreeMap<Uuid, (Format, Vec<u8>, bool)>,
    /// So many answers are lost.
    losing: usize,
    /// What arrives while the next submission is on its way.
    meanwhile: Option<(Arc<MemoryStore>, Entry)>,
    /// The next request is not done: it is to come again after so long.
    pausing: Option<Duration>,
    /// What it was asked to do that cannot be.
    faults: Vec<String>,
    asked: usize,
}

impl Stands {
    fn answer(&mut self, done: Outcome) -> Outcome {
        self.asked += 1;
        if self.losing == 0 {
            return done;
        }
        self.losing -= 1;
        Outcome::Again { trouble: Trouble { code: "N13", why: "no answer".to_owned() }, after: None }
    }
}

impl Stands {
    fn pause(&mut self) -> Option<Outcome> {
        let after = Some(self.pausing.take()?);
        Some(Outcome::Again { trouble: Trouble { code: "N13", why: "answered 503".to_owned() }, after })
    }
}

impl Registry for InMemory {
    fn target(&self) -> &sharing::Target {
        &self.target
    }

    async fn publish(&self, submission: &Submission) -> Outcome {
        let meanwhile = self.stands.lock().expect("nobody panicked").meanwhile.take();
        if let Some((store, entry)) = meanwhile {
            store.commit(vec![entry]).await.expect("it is taken in");
        }
        let mut stands = self.stands.lock().expect("nobody panicked");
        if let Some(paused) = stands.pause() {
            return paused;
        }
        let new = submission.entries.iter().any(|e| !stands.entries.contains_key(&e.entry));
        for entry in &submission.entries {
            match stands.entries.get(&entry.entry) {
                Some((_, bytes, _)) if *bytes != entry.bytes => {
                    stands.faults.push(format!("other bytes under the id of {}", entry.format));
                }
                Some((_, _, false)) => stands.faults.push(format!("{} was put out of use", entry.format)),
                Some(_) => {}
                None => {
                    stands.entries.insert(entry.entry, (entry.format, entry.bytes.clone(), true));
                }
            }
        }
        for relation in &submission.relations {
            match stands.entries.get_mut(&relation.target) {
                Some((_, _, false)) if new => stands.faults.push("a link to what is out of use".to_owned()),
                Some((_, _, in_use)) if relation.link == Link::Replaces => *in_use = false,
                Some(_) => {}
                None => stands.faults.push("a link to nothing".to_owned()),
            }
        }
        let published = submission.published(|id| Some(format!("DocumentReference/{id}")));
        stands.answer(Outcome::Done(published))
    }

    async fn withdraw(&self, withdrawal: &Withdrawal) -> Outcome {
        let mut stands = self.stands.lock().expect("nobody panicked");
        if let Some(paused) = stands.pause() {
            return paused;
        }
        let Withdrawal::Delete { entries, .. } = withdrawal else { panic!("this registry deletes") };
        for entry in entries {
            stands.entries.remove(&entry.entry);
        }
        stands.answer(Outcome::Done(entries.clone()))
    }
}

/// A broker's parts that matter here.
struct Region {
    store: Arc<MemoryStore>,
    world: Arc<ArcSwap<World>>,
    registry: InMemory,
    next: u128,
    /// How the last attempt ended.
    last: Option<Attempt>,
    /// What was tried last.
    tried: Option<Delivery>,
    /// How every attempt ended.
    attempts: Vec<Attempt>,
}

impl Region {
    fn new(losing: usize) -> Self {
        let mut target = sharing::Target::new(Kind::Mhd, Environment::Production, "2.999.1");
        target.source_root = Some("2.999.7".to_owned());
        target.also = BTreeSet::from([Also::Fhir]);
        target.withdraw = Withdraw::Delete;
        let stands = Arc::new(Mutex::new(Stands { losing, ..Stands::default() }));
        Self {
            store: Arc::new(MemoryStore::new()),
            world: Arc::new(ArcSwap::from_pointee(world())),
            registry: InMemory { target, stands },
            next: 0,
            last: None,
            tried: None,
            attempts: Vec::new(),
        }
    }

    fn target(&self) -> Target<MemoryStore, InMemory> {
        Target {
            store: Arc::clone(&self.store),
            world: Arc::clone(&self.world),
            clock: Arc::new(Still),
            registry: self.registry.clone(),
        }
    }

    /// What was tried last is tried once more.
    async fn again(&self) -> Attempt {
        self.target().send(self.tried.as_ref().expect("something was tried")).await
    }

    /// A message arrives, and is delivered until nothing waits. What became of it at the registry.
    async fn arrives(&mut self, xml: &str) -> (State, Option<Reason>) {
        let entry = self.judge(xml);
        let id = entry.arrival.id;
        self.store.commit(vec![entry]).await.expect("it is taken in");
        let target = self.target();
        for round in 0.. {
            assert!(round < 40, "it comes to an end");
            let due = self.store.claim(&to(), now(), 10).await.expect("a claim");
            if due.is_empty() {
                break;
            }
            for delivery in due {
                let attempt = target.send(&delivery).await;
                let (event, reason, next) = match &attempt {
                    Attempt::HandedOver | Attempt::AlreadyThere | Attempt::NothingToDo { .. } => {
                        (Event::HandOver, None, None)
                    }
                    Attempt::SetAside { reason, .. } => (Event::Park, Some(*reason), None),
                    Attempt::Refused { why } | Attempt::ReceiverAway { why } => panic!("{why}"),
                    Attempt::Retry { .. } => (Event::Retry, None, Some(now())),
                    Attempt::Unsure { .. } => (Event::LoseSight, None, Some(now())),
                };
                let settlement = Settlement {
                    recipient: delivery.recipient,
                    from: State::Sending,
                    event,
                    reason,
                    next_attempt: next,
                    detail: None,
                };
                assert_eq!(self.store.settle(&[settlement], now()).await, Ok(1));
                self.attempts.push(attempt.clone());
                self.last = Some(attempt);
                self.tried = Some(delivery);
            }
        }
        let record = self.store.message(id).await.expect("a search").expect("the message");
        let recipient = record.recipients.into_iter().find(|r| r.destination == Some(to()));
        recipient.map(|r| (r.state, r.reason)).expect("a recipient for the registry")
    }

    fn judge(&mut self, xml: &str) -> Entry {
        let mut ids = || {
            self.next += 1;
            Uuid::from_u128(self.next)
        };
        let arrival = Arrival {
            id: MessageId(ids()),
            source: "test".to_owned(),
            received: now(),
            bytes: xml.as_bytes().into(),
            idempotency_key: None,
            envelope_receiver: None,
            envelope_sender: None,
            transport: None,
        };
        let world = self.world.load_full();
        match process(arrival, &world, now(), &mut ids) {
            Judged::Judged(entry) => *entry,
            Judged::Need { prepared, .. } => prepared.decide(&Known::default(), &world, now(), &mut ids),
            Judged::Fetch { .. } => panic!("nothing is to be fetched"),
        }
    }

    /// What a reader finds: each entry that is in use, with its bytes.
    fn visible(&self) -> BTreeMap<Uuid, (Format, Vec<u8>)> {
        let stands = self.registry.stands.lock().expect("nobody panicked");
        assert_eq!(stands.faults, Vec::<String>::new());
        let used = stands.entries.iter().filter(|(_, (_, _, in_use))| *in_use);
        used.map(|(id, (format, bytes, _))| (*id, (*format, bytes.clone()))).collect()
    }

    /// What is on record of the registry: message ids, format, how it stands.
    async fn on_record(&self) -> Vec<(String, Format, Status)> {
        let strand = Strand::named("svarrapport", "SR-1");
        let shown = self.store.shown(&BTreeSet::from([strand])).await.expect("a search");
        let mut all: Vec<_> = shown
            .into_iter()
            .map(|s| (s.shown.entry.of.join("+"), s.shown.entry.format, s.shown.status))
            .collect();
        all.sort_by_key(|(of, format, _)| (of.clone(), *format));
        all
    }

    fn asked(&self) -> usize {
        self.registry.stands.lock().expect("nobody panicked").asked
    }
}

fn orders(all: &[String]) -> Vec<Vec<String>> {
    let Some((first, rest)) = all.split_first() else { return vec![Vec::new()] };
    let shorter = orders(rest);
    let with = |order: &Vec<String>, at: usize| {
        let mut longer = order.clone();
        longer.insert(at, first.clone());
        longer
    };
    shorter
        .iter()
        .flat_map(|order| (0..=order.len()).map(move |at| with(order, at)).collect::<Vec<_>>())
        .collect()
}

/// What is visible in the end, the same in every order and to the last byte, with no answer lost and with two. Under which
/// ids is another matter: what was out of use in between has new ones.
async fn always(all: &[String]) -> BTreeMap<Uuid, (Format, Vec<u8>)> {
    let mut expected = None;
    for order in orders(all) {
        for losing in [0, 2] {
            let mut region = Region::new(losing);
            for xml in &order {
                region.arrives(xml).await;
            }
            let visible = region.visible();
            let sorted = |visible: &BTreeMap<Uuid, (Format, Vec<u8>)>| {
                let mut documents: Vec<_> = visible.values().cloned().collect();
                documents.sort();
                documents
            };
            let first = expected.get_or_insert_with(|| visible.clone());
            assert!(sorted(first) == sorted(&visible), "order {order:#?}, {losing} answers lost");
        }
    }
    expected.expect("some order")
}

fn formats(visible: &BTreeMap<Uuid, (Format, Vec<u8>)>) -> Vec<Format> {
    let mut formats: Vec<Format> = visible.values().map(|(format, _)| *format).collect();
    formats.sort();
    formats
}

#[tokio::test]
async fn a_change_takes_the_place_of_what_it_changes() {
    let visible = always(&[
        report(1, 1, "N", AKSEL, &[("A", "1.10", "N")]),
        report(2, 2, "M", AKSEL, &[("A", "2.20", "M")]),
    ])
    .await;
    assert_eq!(formats(&visible), [Format::KithXml, Format::Fhir]);
    assert!(visible.values().all(|(_, bytes)| String::from_utf8_lossy(bytes).contains("2.20")));
}

#[tokio::test]
async fn a_cancellation_leaves_nothing() {
    let visible = always(&[
        report(1, 1, "N", AKSEL, &[("A", "1.10", "N")]),
        report(2, 2, "M", AKSEL, &[("A", "2.20", "M")]),
        report(3, 3, "C", AKSEL, &[]),
    ])
    .await;
    assert_eq!(visible.len(), 0);
}

#[tokio::test]
async fn a_difference_stands_beside_and_the_document_is_merged() {
    let visible = always(&[
        report(1, 1, "N", AKSEL, &[("A", "1.10", "N"), ("B", "3.30", "N")]),
        report(2, 2, "M", AKSEL, &[("B", "4.40", "M")]),
    ])
    .await;
    assert_eq!(formats(&visible), [Format::KithXml, Format::KithXml, Format::Fhir]);
    let fhir = visible.values().find(|(format, _)| *format == Format::Fhir).expect("a document");
    let text = String::from_utf8_lossy(&fhir.1);
    assert!(text.contains("1.10") && text.contains("4.40") && !text.contains("3.30"));
}

#[tokio::test]
async fn a_report_is_incomplete_until_the_message_that_opened_it_has_come() {
    let may_be = |region: &Region| {
        let visible = region.visible();
        assert_eq!(formats(&visible), [Format::KithXml, Format::Fhir]);
        let mut texts = visible.values().map(|(_, bytes)| String::from_utf8_lossy(bytes));
        texts.any(|text| text.contains("ufullstendig"))
    };
    let mut region = Region::new(0);
    region.arrives(&report(2, 2, "M", AKSEL, &[("A", "2.20", "M")])).await;
    assert!(may_be(&region), "whoever reads it is warned");
    region.arrives(&report(1, 1, "N", AKSEL, &[("A", "1.10", "N")])).await;
    assert!(!may_be(&region), "the warning goes when it is known that there is no more");
}

#[tokio::test]
async fn a_whole_change_replaces_base_and_difference() {
    let visible = always(&[
        report(1, 1, "N", AKSEL, &[("A", "1.10", "N"), ("B", "3.30", "N")]),
        report(2, 2, "M", AKSEL, &[("B", "4.40", "M")]),
        report(3, 3, "M", AKSEL, &[("A", "5.50", "M"), ("B", "6.60", "M")]),
    ])
    .await;
    assert_eq!(formats(&visible), [Format::KithXml, Format::Fhir]);
}

#[tokio::test]
async fn a_difference_that_was_replaced_is_there_again_when_the_beginning_comes_late() {
    let n = report(1, 1, "N", AKSEL, &[("K", "4.10", "N"), ("NA", "140", "N"), ("CRP", "5.50", "N")]);
    let p = report(2, 2, "M", AKSEL, &[("CRP", "6.60", "M")]);
    let a = report(3, 3, "M", AKSEL, &[("CRP", "7.70", "M"), ("FT4", "15.2", "N")]);
    let visible = always(&[n.clone(), p.clone(), a.clone()]).await;
    assert_eq!(formats(&visible), [Format::KithXml, Format::KithXml, Format::KithXml, Format::Fhir]);
    let fhir = visible.values().find(|(format, _)| *format == Format::Fhir).expect("a document");
    let text = String::from_utf8_lossy(&fhir.1);
    assert!(["4.10", "140", "7.70", "15.2"].iter().all(|value| text.contains(value)));
    let visible = always(&[n, p, a, report(4, 4, "C", AKSEL, &[])]).await;
    assert!(visible.is_empty());
}

#[tokio::test]
async fn what_is_in_conflict_waits_for_a_person_and_changes_nothing() {
    let mut region = Region::new(0);
    let n = report(1, 1, "N", AKSEL, &[("A", "1.10", "N")]);
    assert_eq!(region.arrives(&n).await, (State::HandedOver, None));
    let before = region.visible();
    let other = report(2, 2, "M", "02906130060", &[("A", "2.20", "M")]);
    assert_eq!(region.arrives(&other).await, (State::Parked, Some(Reason::SeriesOtherPatient)));
    assert_eq!(region.visible(), before);

    region.arrives(&report(3, 3, "C", AKSEL, &[])).await;
    let late = report(4, 4, "M", AKSEL, &[("A", "9.90", "M")]);
    assert_eq!(region.arrives(&late).await, (State::Parked, Some(Reason::SeriesClosed)));
    assert_eq!(region.visible().len(), 0);
}

#[tokio::test]
async fn what_the_target_shows_already_is_not_told_again() {
    let mut region = Region::new(0);
    region.arrives(&report(3, 3, "M", AKSEL, &[("A", "3.30", "M")])).await;
    region.arrives(&report(1, 1, "N", AKSEL, &[("A", "1.10", "N")])).await;
    let asked = region.asked();
    let late = report(2, 2, "M", AKSEL, &[("A", "2.20", "M")]);
    assert_eq!(region.arrives(&late).await, (State::HandedOver, None));
    assert_eq!(region.asked(), asked, "a late older version is kept, and nobody is told");
}

#[tokio::test]
async fn what_never_left_is_not_said_to_be_there() {
    let nothing = |why: &str| Some(Attempt::NothingToDo { why: why.to_owned() });
    let id = |number: u8| format!("5d0f8f7e-6a41-4c1b-9a57-0a7be9a100{number:02}");
    let result = [("A", "1.10", "N")];

    let mut region = Region::new(0);
    region.arrives(&report(3, 3, "C", AKSEL, &[])).await;
    assert_eq!(region.last, nothing("it cancels, and nothing else is known of its series"));
    region.arrives(&report(1, 1, "N", AKSEL, &result)).await;
    assert_eq!(region.last, nothing(&format!("not shown: {} cancelled it", id(3))));
    assert_eq!(region.asked(), 0);

    let mut region = Region::new(0);
    region.arrives(&report(2, 2, "M", AKSEL, &result)).await;
    assert_eq!(region.last, Some(Attempt::HandedOver));
    region.arrives(&report(1, 1, "N", AKSEL, &result)).await;
    region.arrives(&report(4, 4, "N", AKSEL, &result)).await;
    assert_eq!(region.last, Some(Attempt::HandedOver));
    region.arrives(&report(3, 3, "M", AKSEL, &result)).await;
    assert_eq!(region.last, nothing(&format!("not shown: {} took its place", id(4))));

    // A target for tests is not told of the living.
    let mut region = Region::new(0);
    region.registry.target.environment = Environment::Test;
    region.arrives(&report(1, 1, "N", AKSEL, &result)).await;
    assert_eq!(
        region.last,
        nothing("it is neither a test nor of a synthetic patient, and the target is for tests")
    );

    // It was told, and the broker that told it died before the delivery was settled: told again, all is there.
    let mut region = Region::new(0);
    let (state, _) = region.arrives(&report(1, 1, "N", AKSEL, &result)).await;
    assert_eq!((state, region.last.take()), (State::HandedOver, Some(Attempt::HandedOver)));
    let again = region.again().await;
    assert_eq!(again, Attempt::AlreadyThere);
}

/// A store that wants a pause says so: what was sent is not unsure then, and goes again after the pause.
#[tokio::test]
async fn a_pause_that_a_store_asks_for_is_kept() {
    let pause = Duration::from_secs(120);
    let paused = Attempt::Retry { why: "N13: answered 503".to_owned(), after: Some(pause) };
    let mut region = Region::new(0);
    region.registry.stands.lock().expect("nobody panicked").pausing = Some(pause);
    region.arrives(&report(1, 1, "N", AKSEL, &[("A", "1.10", "N")])).await;
    assert_eq!(region.attempts, [paused.clone(), Attempt::HandedOver]);
    assert_eq!(region.visible().len(), 2, "and once");
    region.registry.stands.lock().expect("nobody panicked").pausing = Some(pause);
    region.attempts.clear();
    region.arrives(&report(2, 2, "C", AKSEL, &[])).await;
    assert_eq!(region.attempts, [paused, Attempt::HandedOver]);
    assert!(region.visible().is_empty());
}

/// What is too large for the registry takes no place, and what it should have replaced holds no longer.
#[tokio::test]
async fn a_form_that_is_not_taken_replaces_nothing() {
    let id = |number: u8| format!("5d0f8f7e-6a41-4c1b-9a57-0a7be9a100{number:02}");
    let results: Vec<String> = (0..30).map(|n| format!("A{n}")).collect();
    let results: Vec<(&str, &str, &str)> = results.iter().map(|code| (code.as_str(), "2.20", "M")).collect();
    let (n, m) = (report(1, 1, "N", AKSEL, &[("A0", "1.10", "N")]), report(2, 2, "M", AKSEL, &results));
    let mut region = Region::new(0);
    region.arrives(&n).await;
    let first = region.visible();
    assert_eq!(formats(&first), [Format::KithXml, Format::Fhir]);
    let largest = first.values().map(|(_, bytes)| bytes.len()).chain([m.len()]).max().expect("some");
    region.registry.target.most_bytes = u64::try_from(largest).expect("small");
    assert_eq!(region.arrives(&m).await, (State::HandedOver, None));
    assert_eq!(formats(&region.visible()), [Format::KithXml], "nothing of the version before is left");
    assert_eq!(
        region.on_record().await,
        [
            (id(1), Format::KithXml, Status::Superseded),
            (id(1), Format::Fhir, Status::Withdrawn),
            (id(2), Format::KithXml, Status::Approved),
            (id(2), Format::Fhir, Status::Refused),
        ]
    );
    let asked = region.asked();
    assert_eq!(region.again().await, Attempt::AlreadyThere);
    assert_eq!(region.asked(), asked, "it is not asked for what it does not take");

    // The registry takes more now.
    region.registry.target.most_bytes = 10_000_000;
    assert_eq!(region.again().await, Attempt::HandedOver);
    assert_eq!(formats(&region.visible()), [Format::KithXml, Format::Fhir]);
    region.arrives(&report(3, 3, "C", AKSEL, &[])).await;
    assert!(region.visible().is_empty());
}

/// A cancellation may be told of by another delivery, at once: it finds nothing to withdraw yet, and ends. What was published
/// meanwhile goes all the same.
#[tokio::test]
async fn what_arrives_while_the_target_is_told_is_not_passed_over() {
    let mut region = Region::new(0);
    let cancellation = region.judge(&report(2, 2, "C", AKSEL, &[]));
    let meanwhile = Some((Arc::clone(&region.store), cancellation));
    region.registry.stands.lock().expect("nobody panicked").meanwhile = meanwhile;
    let n = report(1, 1, "N", AKSEL, &[("A", "1.10", "N")]);
    let entry = region.judge(&n);
    region.store.commit(vec![entry]).await.expect("it is taken in");
    let delivery = region.store.claim(&to(), now(), 1).await.expect("a claim").remove(0);
    assert_eq!(region.target().send(&delivery).await, Attempt::HandedOver);
    assert!(region.visible().is_empty(), "it was cancelled before it was told");
}
