//! The loop of one destination, with a journal in memory and real time in small pieces.

use super::*;
use crate::door::Slot;
use adapters::clock::SystemClock;
use adapters::memory::{Call, Fault, MemoryDestination, MemoryStore, Scripted};
use broker_core::Arrival;
use broker_core::journal::{Book, CommitResult, Entry, Payload, Provenance, Recipient, VerdictRecord};
use broker_core::transport::Label;
use message_schemas::Findings;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// A message with one recipient at `folder:a`; `n` tells it from others.
pub(crate) fn entry(n: u128) -> Entry {
    let arrival = Arrival {
        id: MessageId(Uuid::from_u128(n)),
        source: "test".to_owned(),
        received: SystemClock::new().now(),
        bytes: format!("<Message n=\"{n}\"/>").into_bytes().into(),
        idempotency_key: None,
        envelope_receiver: None,
        envelope_sender: None,
        transport: None,
    };
    let recipient = Recipient {
        id: RecipientId(Uuid::from_u128(n)),
        book: Book::Message,
        receiver: None,
        destination: Some(folder_a()),
        payload: Payload::Original,
        state: State::Waiting,
        reason: None,
        receipt_deadline: None,
        expires: None,
        order_key: None,
        receipt_written: false,
        original_keys: Vec::new(),
        label: Label::default(),
    };
    Entry {
        content_hash: arrival.content_hash(),
        payload_hash: arrival.content_hash(),
        judged_again: None,
        arrival,
        verdict: VerdictRecord::Accepted,
        head: None,
        findings: Findings::with_cap(10),
        provenance: Arc::new(Provenance::default()),
        recipients: vec![recipient],
        documents: Vec::new(),
        closings: Vec::new(),
        remarks: Vec::new(),
        duplicate_keys: Vec::new(),
        explanation: None,
        protection: None,
        evidence: Vec::new(),
        versions: Vec::new(),
    }
}

/// The delivery of that recipient.
pub(crate) fn delivery(n: u128) -> Delivery {
    let entry = entry(n);
    Delivery::first(&entry, &entry.recipients[0]).expect("it goes somewhere")
}

fn folder_a() -> DestinationId {
    "folder:a".parse().expect("a name")
}

/// A loop under test, and what is around it.
struct Rig {
    store: MemoryStore,
    door: Arc<Door>,
    there: MemoryDestination,
    claims: Arc<AtomicUsize>,
    stop: CancellationToken,
    slots: usize,
    timeout: Duration,
    health: Health,
    run: Option<JoinHandle<usize>>,
}

impl Rig {
    fn new(slots: usize) -> Self {
        let claims = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&claims);
        let store = MemoryStore::new().with_faults(move |call| {
            if call == Call::Claim {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            Fault::None
        });
        Self {
            store,
            door: Arc::default(),
            there: MemoryDestination::new(),
            claims,
            stop: CancellationToken::new(),
            slots,
            timeout: Duration::from_secs(30),
            health: Health::default(),
            run: None,
        }
    }

    fn begin(&mut self, to: impl Destination) {
        let quick = Schedule {
            first: Duration::from_millis(20),
            max: Duration::from_millis(40),
            ..Schedule::default()
        };
        let options = Options {
            destination: folder_a(),
            concurrency: self.slots,
            timeout: self.timeout,
            schedule: quick.clone(),
            breaker: BreakerSettings { failures: 2, lasting: Duration::ZERO, pause: quick },
        };
        let served = Loop::new(
            options,
            Arc::new(self.store.clone()),
            Arc::new(to),
            Arc::new(SystemClock::new()),
            Arc::clone(&self.door),
            self.health.clone(),
        );
        self.run = Some(tokio::spawn(served.run(self.stop.clone())));
    }

    async fn begun(slots: usize) -> Self {
        let mut rig = Self::new(slots);
        rig.begin(rig.there.clone());
        rig.until("the loop has looked", |rig| rig.door.is_open()).await;
        rig
    }

    async fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        for _ in 0..2000 {
            if so(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it never comes to this: {what}");
    }

    /// Commits and hands over, as intake does.
    async fn send_at_once(&self, n: u128, slot: Slot) {
        let mut entry = entry(n);
        entry.recipients[0].state = State::Sending;
        let delivery = Delivery::first(&entry, &entry.recipients[0]).expect("it goes somewhere");
        let results = self.store.commit(vec![entry]).await.expect("a commit");
        let [CommitResult::Committed(committed)] = results.as_slice() else { panic!("{results:?}") };
        assert_eq!(committed.claimed(), [delivery.recipient]);
        slot.hand(delivery);
    }

    /// The destination is named as one that fails.
    fn is_told(&self) -> bool {
        self.health.report().reasons.contains_key(&Trouble::DestinationDown)
    }

    /// Leaves one in the journal.
    async fn wait_in_the_journal(&self, n: u128) {
        self.store.commit(vec![entry(n)]).await.expect("a commit");
        self.door.ring();
    }

    async fn state(&self, n: u128) -> State {
        let record = self.store.message(MessageId(Uuid::from_u128(n))).await.expect("a search");
        record.expect("the message").recipients[0].state
    }

    async fn settled(&self, n: u128) {
        for _ in 0..2000 {
            if self.state(n).await == State::HandedOver {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{n} is {}", self.state(n).await);
    }

    async fn end(mut self) -> usize {
        self.stop.cancel();
        self.run.take().expect("it runs").await.expect("it ends in order")
    }
}

/// Answers nothing until told to.
#[derive(Clone)]
struct Hangs(Arc<tokio::sync::Semaphore>);

impl Destination for Hangs {
    async fn send(&self, _: &Delivery) -> Attempt {
        match self.0.acquire().await {
            Ok(_) => Attempt::HandedOver,
            Err(_) => Attempt::Retry { why: "closed".to_owned(), after: None },
        }
    }
}

#[tokio::test]
async fn what_its_commit_has_claimed_is_sent_without_a_claim() {
    let rig = Rig::begun(4).await;
    let before = rig.claims.load(Ordering::SeqCst);
    for n in 1..=20 {
        rig.until("a slot is free", |rig| rig.door.free() > 0).await;
        rig.send_at_once(n, rig.door.slot(10).expect("a slot")).await;
    }
    for n in 1..=20 {
        rig.settled(n).await;
    }
    assert_eq!(rig.claims.load(Ordering::SeqCst), before, "nothing was left to claim");
    rig.until("all slots are back", |rig| rig.door.free() == 4).await;
    let arrived = rig.there.arrived();
    assert_eq!((arrived.len(), arrived[0].tries, arrived[0].bytes.clone()), (20, 0, delivery(1).bytes));
    let record = rig.store.message(MessageId(Uuid::from_u128(1))).await.expect("a search").expect("it");
    assert_eq!(record.recipients[0].tries, 1);
    let told: Vec<_> = record.events.iter().map(|e| e.what.as_str()).collect();
    assert_eq!(told, ["taken_in", "accepted", "hand_over"]);
    assert_eq!(rig.end().await, 0);
}

#[tokio::test]
async fn one_that_failed_is_tried_again_from_the_journal() {
    let rig = Rig::begun(4).await;
    rig.there.then(Scripted::Says(Attempt::Retry { why: "busy".to_owned(), after: None }));
    rig.send_at_once(1, rig.door.slot(10).expect("a slot")).await;
    rig.settled(1).await;
    assert_eq!(rig.there.attempts(), 2);
    rig.until("all slots are back", |rig| rig.door.free() == 4).await;
    assert_eq!(rig.end().await, 0);
}

/// While the journal does not take results, none is lost, and what was sent is not sent again.
#[tokio::test]
async fn results_are_offered_until_the_journal_takes_them() {
    let mut rig = Rig::new(4);
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    rig.store = rig.store.with_faults(move |call| {
        let settles = if call == Call::Settle { counted.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
        match settles {
            1 => Fault::Fails,
            2 => Fault::AnswerLost,
            _ => Fault::None,
        }
    });
    rig.begin(rig.there.clone());
    rig.until("the loop has looked", |rig| rig.door.is_open()).await;
    for n in 1..=3 {
        rig.send_at_once(n, rig.door.slot(10).expect("a slot")).await;
    }
    for n in 1..=3 {
        rig.settled(n).await;
    }
    assert!(refused.load(Ordering::SeqCst) >= 2, "it was refused first");
    assert_eq!((rig.there.arrived().len(), rig.there.attempts()), (3, 3));
    assert_eq!(rig.end().await, 0);
}

#[tokio::test]
async fn results_that_the_journal_does_not_take_at_the_end_are_counted() {
    let mut rig = Rig::new(4);
    rig.store = rig.store.with_faults(|call| if call == Call::Settle { Fault::Fails } else { Fault::None });
    rig.begin(rig.there.clone());
    rig.until("the loop has looked", |rig| rig.door.is_open()).await;
    for n in 1..=2 {
        rig.send_at_once(n, rig.door.slot(10).expect("a slot")).await;
    }
    rig.until("both have arrived", |rig| rig.there.arrived().len() == 2).await;
    let store = rig.store.clone();
    assert_eq!(rig.end().await, 2);
    let one = store.message(MessageId(Uuid::from_u128(1))).await.expect("a search").expect("the message");
    assert_eq!(one.recipients[0].state, State::Sending, "the next start makes it unsure");
}

#[tokio::test]
async fn what_was_not_begun_at_the_end_goes_back_to_wait() {
    let mut rig = Rig::new(4);
    rig.stop.cancel();
    rig.door.open();
    rig.begin(rig.there.clone());
    // Nothing runs before this task waits: both come through the door of a loop that will find itself stopped.
    let (first, second) = (rig.door.slot(10).expect("a slot"), rig.door.slot(10).expect("a slot"));
    rig.send_at_once(1, first).await;
    let (store, door) = (rig.store.clone(), Arc::clone(&rig.door));
    assert_eq!(rig.state(1).await, State::Sending);
    assert_eq!(rig.end().await, 0);
    let one = store.message(MessageId(Uuid::from_u128(1))).await.expect("a search").expect("the message");
    assert_eq!((one.recipients[0].state, one.recipients[0].next_attempt.is_some()), (State::Waiting, true));
    assert!(door.slot(1).is_none(), "it is shut");
    drop(second);
    assert_eq!(door.free(), 4);
}

#[tokio::test]
async fn what_waits_goes_before_what_is_yet_to_come() {
    let gate = Hangs(Arc::new(tokio::sync::Semaphore::new(0)));
    let mut rig = Rig::new(4);
    rig.begin(gate.clone());
    rig.until("the loop has looked", |rig| rig.door.is_open()).await;
    for n in 1..=4 {
        rig.send_at_once(n, rig.door.slot(10).expect("a slot")).await;
    }
    assert!(
        rig.door.slot(10).is_none(),
        "a destination that hangs has no more slots, and nobody waits for one"
    );
    for n in 5..=9 {
        rig.wait_in_the_journal(n).await;
    }
    rig.until("the loop has heard of them", |rig| !rig.door.is_open()).await;
    gate.0.add_permits(1);
    for n in 1..=9 {
        rig.settled(n).await;
    }
    rig.until("it opens again", |rig| rig.door.is_open() && rig.door.free() == 4).await;
    assert_eq!(rig.end().await, 0);
}

#[tokio::test]
async fn a_slot_that_goes_back_unused_lets_the_loop_go_on() {
    let rig = Rig::begun(2).await;
    let slots = [rig.door.slot(10).expect("a slot"), rig.door.slot(10).expect("a slot")];
    rig.wait_in_the_journal(1).await;
    rig.until("the loop wants to claim", |rig| !rig.door.is_open()).await;
    let began = tokio::time::Instant::now();
    drop(slots);
    rig.settled(1).await;
    assert!(began.elapsed() < LONGEST_SLEEP / 2, "it did not wait for its next look");
    assert_eq!(rig.end().await, 0);
}

#[tokio::test]
async fn an_open_breaker_shuts_the_door_and_a_probe_opens_it() {
    let rig = Rig::begun(4).await;
    for _ in 0..12 {
        rig.there.then(Scripted::Says(Attempt::Retry { why: "down".to_owned(), after: None }));
    }
    rig.send_at_once(1, rig.door.slot(10).expect("a slot")).await;
    rig.until("it failed twice", |rig| rig.there.attempts() >= 2).await;
    rig.until("the door is shut", |rig| !rig.door.is_open()).await;
    rig.settled(1).await;
    rig.until("it is open again", |rig| rig.door.is_open()).await;
    assert_eq!(rig.there.attempts(), 13);
    assert_eq!(rig.end().await, 0);
}

#[tokio::test]
async fn a_destination_to_which_nothing_waits_any_more_is_no_trouble() {
    let mut rig = Rig::new(4);
    rig.timeout = Duration::from_millis(300);
    rig.begin(rig.there.clone());
    for _ in 0..1000 {
        rig.there.then(Scripted::Says(Attempt::Retry { why: "down".to_owned(), after: None }));
    }
    rig.until("the loop has looked", |rig| rig.door.is_open()).await;
    rig.send_at_once(1, rig.door.slot(10).expect("a slot")).await;
    rig.until("it is told", Rig::is_told).await;
    // Another broker is faster with what waits, and reaches the destination.
    let claimed = loop {
        let due = rig.store.claim(&folder_a(), SystemClock::new().now(), 1).await.expect("a claim");
        match due.into_iter().next() {
            Some(delivery) => break delivery.recipient,
            None => tokio::task::yield_now().await,
        }
    };
    let theirs = settlement(claimed, Attempt::HandedOver, Next::Done);
    rig.store.settle(&[theirs], SystemClock::new().now()).await.expect("a settlement");
    rig.until("it is over", |rig| !rig.is_told()).await;
    rig.until("the door stays shut", |rig| !rig.door.is_open()).await;
    assert_eq!(rig.end().await, 0);
}

#[tokio::test]
async fn a_destination_that_hangs_is_told_as_long_as_something_waits() {
    struct Dies(AtomicUsize);
    impl Destination for Dies {
        async fn send(&self, _: &Delivery) -> Attempt {
            if self.0.fetch_add(1, Ordering::SeqCst) < 2 {
                return Attempt::Retry { why: "down".to_owned(), after: None };
            }
            std::future::pending().await
        }
    }
    let mut rig = Rig::new(4);
    rig.timeout = Duration::from_millis(200);
    rig.begin(Dies(AtomicUsize::new(0)));
    rig.until("the loop has looked", |rig| rig.door.is_open()).await;
    rig.wait_in_the_journal(1).await;
    rig.until("it is told", Rig::is_told).await;
    for _ in 0..300 {
        assert!(rig.is_told(), "while it is tried, and in between");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(rig.end().await, 0);
}

#[tokio::test]
async fn an_attempt_that_panics_gives_its_slot_back() {
    struct Panics(AtomicUsize);
    impl Destination for Panics {
        async fn send(&self, _: &Delivery) -> Attempt {
            assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "a bug of the test");
            Attempt::HandedOver
        }
    }
    let mut rig = Rig::new(2);
    rig.begin(Panics(AtomicUsize::new(0)));
    rig.until("the loop has looked", |rig| rig.door.is_open()).await;
    rig.send_at_once(1, rig.door.slot(10).expect("a slot")).await;
    rig.settled(1).await;
    rig.until("all slots are back", |rig| rig.door.free() == 2).await;
    assert_eq!(rig.end().await, 0);
}
