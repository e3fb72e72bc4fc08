//! Deliveries on their way out.

use crate::rig::{PATIENCE, Rig, until};
use adapters::amqp::{Destination, DestinationOptions, Direction, check};
use adapters::queues::{Addressed, Addressing, internal};
use broker_core::journal::{Book, Delivery, RecipientId};
use broker_core::ports::Destination as _;
use broker_core::transport::Label;
use dead_letter::Attempt;
use lapin::types::{AMQPValue, FieldTable};
use message_schemas::MessageId;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// To the queue that its family names.
fn addressing() -> Arc<Addressing> {
    Arc::new(|delivery: &Delivery| {
        let queue = delivery.family.clone().unwrap_or_default();
        Ok(Addressed { queue, envelope: internal(delivery) })
    })
}

pub(crate) fn delivery(n: u128, queue: &str) -> Delivery {
    Delivery {
        recipient: RecipientId(Uuid::from_u128(0xa000 + n)),
        message: MessageId(Uuid::from_u128(0xb000 + n)),
        book: Book::Message,
        receiver: None,
        destination: "bus".parse().unwrap(),
        kind: None,
        document: None,
        bytes: format!("<message n='{n}'/>").into_bytes().into(),
        tries: 0,
        expires: None,
        maybe_arrived: false,
        receipt_written: false,
        test: false,
        family: Some(queue.to_owned()),
        label: Label::default(),
    }
}

fn options() -> DestinationOptions {
    DestinationOptions {
        exchange: None,
        timeout: PATIENCE,
        window: 64,
        message_bytes: 1_000_000,
        many: false,
    }
}

async fn destination(rig: &Rig, options: DestinationOptions) -> Arc<Destination> {
    let link = rig.link(Direction::Out);
    let made = Destination::build(link, options, addressing()).unwrap();
    until("it is connected", || rig.told.has("bus out: Connected")).await;
    Arc::new(made)
}

async fn send(to: &Arc<Destination>, deliveries: impl IntoIterator<Item = Delivery>) -> Vec<Attempt> {
    let tasks: Vec<_> = deliveries
        .into_iter()
        .map(|delivery| {
            let to = Arc::clone(to);
            tokio::spawn(async move { to.send(&delivery).await })
        })
        .collect();
    let mut attempts = Vec::new();
    for task in tasks {
        attempts.push(task.await.unwrap());
    }
    attempts
}

fn why(attempt: &Attempt) -> &str {
    match attempt {
        Attempt::Retry { why, .. }
        | Attempt::Refused { why }
        | Attempt::ReceiverAway { why }
        | Attempt::SetAside { why, .. }
        | Attempt::NothingToDo { why }
        | Attempt::Unsure { why } => why,
        Attempt::HandedOver | Attempt::AlreadyThere => "",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unroutable_messages_among_others_are_told_apart_and_never_sent() {
    let Some(rig) = Rig::new("unroutable").await else { return };
    rig.queue("out", FieldTable::default()).await;
    let to = destination(&rig, options()).await;
    let queue = |n: u128| if n.is_multiple_of(3) { "Out" } else { "out" };
    let attempts = send(&to, (0..600).map(|n| delivery(n, queue(n)))).await;
    for (n, attempt) in (0u128..).zip(&attempts) {
        if n.is_multiple_of(3) {
            assert!(matches!(attempt, Attempt::Retry { .. }), "{n}: {attempt:?}");
            assert!(why(attempt).contains("NO_ROUTE"), "{attempt:?}");
        } else {
            assert_eq!(*attempt, Attempt::HandedOver, "{n}");
        }
    }
    let arrived = rig.drain("out").await;
    let ids: BTreeSet<_> = arrived.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!((arrived.len(), ids.len()), (400, 400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_takes_nothing_and_says_so() {
    let Some(rig) = Rig::new("full").await else { return };
    let mut limit = FieldTable::default();
    limit.insert("x-max-length".into(), AMQPValue::LongInt(10));
    limit.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    rig.queue("full", limit).await;
    let to = destination(&rig, options()).await;
    for n in 0..10 {
        assert_eq!(to.send(&delivery(n, "full")).await, Attempt::HandedOver);
    }
    let attempts = send(&to, (10..20).map(|n| delivery(n, "full"))).await;
    assert!(attempts.iter().all(|a| matches!(a, Attempt::Retry { .. })), "{attempts:?}");
    assert!(why(&attempts[0]).contains("full"), "{attempts:?}");
    rig.drain("full").await;
    assert_eq!(to.send(&delivery(10, "full")).await, Attempt::HandedOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_are_many_a_queue_that_takes_nothing_is_its_receivers_fault_alone() {
    let Some(rig) = Rig::new("many").await else { return };
    let mut limit = FieldTable::default();
    limit.insert("x-max-length".into(), AMQPValue::LongInt(1));
    limit.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    rig.queue("full", limit).await;
    rig.queue("out", FieldTable::default()).await;
    let to = destination(&rig, DestinationOptions { many: true, ..options() }).await;
    assert_eq!(to.send(&delivery(0, "full")).await, Attempt::HandedOver);
    for queue in ["full", "nowhere"] {
        let attempt = to.send(&delivery(1, queue)).await;
        assert!(matches!(attempt, Attempt::ReceiverAway { .. }), "{queue}: {attempt:?}");
        assert_eq!(to.send(&delivery(2, "out")).await, Attempt::HandedOver);
    }
    let wrong = DestinationOptions { exchange: Some("NoExchange".into()), many: true, ..options() };
    let wrong = Destination::build(rig.link(Direction::Out), wrong, addressing()).unwrap();
    let attempt = Arc::new(wrong);
    let attempt = send(&attempt, [delivery(3, "out")]).await.remove(0);
    assert!(matches!(attempt, Attempt::Retry { .. }), "all of them: {attempt:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_exchange_is_named_and_hurts_no_other_destination() {
    let Some(rig) = Rig::new("exchange").await else { return };
    rig.queue("out", FieldTable::default()).await;
    let link = rig.link(Direction::Out);
    let wrong = DestinationOptions { exchange: Some("NHNTestServiceBus".into()), ..options() };
    let wrong = Arc::new(Destination::build(link.clone(), wrong, addressing()).unwrap());
    let good = Arc::new(Destination::build(link, options(), addressing()).unwrap());
    until("it is connected", || rig.told.has("bus out: Connected")).await;
    let attempts = send(&wrong, (0..20).map(|n| delivery(n, "out"))).await;
    assert!(attempts.iter().all(|a| matches!(a, Attempt::Retry { .. })), "{attempts:?}");
    assert!(
        why(&attempts[0]).contains("NHNTestServiceBus") && why(&attempts[0]).contains("upper and lower case")
    );
    assert_eq!(good.send(&delivery(30, "out")).await, Attempt::HandedOver);
    assert_eq!(rig.told.count("Lost"), 0, "the connection stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_sent_is_refused() {
    let Some(rig) = Rig::new("refused").await else { return };
    rig.queue("out", FieldTable::default()).await;
    let to = destination(&rig, DestinationOptions { message_bytes: 100, ..options() }).await;
    let large = Delivery { bytes: vec![b'x'; 101].into(), ..delivery(1, "out") };
    assert!(matches!(to.send(&large).await, Attempt::Refused { .. }));
    let nameless = delivery(2, &"q".repeat(256));
    assert!(matches!(to.send(&nameless).await, Attempt::Refused { .. }));
    assert_eq!(to.send(&delivery(3, "out")).await, Attempt::HandedOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_everything_that_is_not_there() {
    let Some(rig) = Rig::new("check").await else { return };
    rig.queue("in", FieldTable::default()).await;
    assert!(check(&rig.server(), None, &["in".to_owned()]).await.is_ok());
    let names = ["In".to_owned(), "in".to_owned()];
    let faults = check(&rig.server(), Some("Bus"), &names).await.unwrap_err();
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].contains("'Bus'") && faults[1].contains("'In'"), "{faults:?}");
    let stranger = adapters::amqp::Server { user: Some("nobody".into()), ..rig.server() };
    let faults = check(&stranger, None, &[]).await.unwrap_err();
    assert!(faults[0].to_string().contains("ACCESS_REFUSED"), "{faults:?}");
}

/// On a node of its own: short of disk, with a limit on sizes, restarted, killed.
#[tokio::test(flavor = "multi_thread")]
async fn through_alarms_restarts_and_kills_nothing_is_said_to_be_sent_that_is_not() {
    let Some(mut rig) = Rig::alone("faults").await else { return };
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    rig.queue("out", quorum).await;
    let to = destination(&rig, DestinationOptions { timeout: Duration::from_secs(5), ..options() }).await;
    assert_eq!(to.send(&delivery(0, "out")).await, Attempt::HandedOver);

    rig.rabbit.eval("persistent_term:put(max_message_size, 20000), application:set_env(rabbit, max_message_size, 20000).").unwrap();

    // Short of disk: what was published just before is unsure, and then nothing more is published.
    rig.rabbit.disk_alarm(true).unwrap();
    let first = to.send(&delivery(1, "out")).await;
    assert!(matches!(first, Attempt::Unsure { .. }), "{first:?}");
    until("it is told", || rig.told.has("Blocked")).await;
    let then = to.send(&delivery(2, "out")).await;
    assert!(matches!(then, Attempt::Retry { .. }) && why(&then).contains("short of disk"), "{then:?}");
    rig.rabbit.disk_alarm(false).unwrap();
    until("it is told", || rig.told.has("Unblocked")).await;
    for n in [1, 2] {
        assert_eq!(to.send(&delivery(n, "out")).await, Attempt::HandedOver);
    }

    // Restarted and killed, with messages under way all the time.
    let mut handed = BTreeSet::from([0, 1, 2]);
    let mut n = 3;
    for kill in [false, true] {
        let (rabbit, lost) = (rig.rabbit, rig.told.count("Lost"));
        let fault = tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(200));
            if kill {
                rabbit.kill().unwrap()
            } else {
                rabbit.stop().unwrap()
            }
            rabbit.start_again().unwrap();
        });
        while rig.told.count("Lost") == lost || !fault.is_finished() {
            let attempts = send(&to, (n..n + 50).map(|n| delivery(n, "out"))).await;
            for (n, attempt) in (n..).zip(&attempts) {
                match attempt {
                    Attempt::HandedOver => drop(handed.insert(n)),
                    Attempt::Retry { .. } | Attempt::Unsure { .. } => {}
                    Attempt::AlreadyThere
                    | Attempt::NothingToDo { .. }
                    | Attempt::ReceiverAway { .. }
                    | Attempt::Refused { .. }
                    | Attempt::SetAside { .. } => panic!("{attempt:?}"),
                }
            }
            n += 50;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        fault.await.unwrap();
        let connected = rig.told.count("Connected");
        until("it is connected again", || rig.told.count("Connected") >= connected.max(2)).await;
        let mut again = to.send(&delivery(n, "out")).await;
        let mut tries = 0;
        while again != Attempt::HandedOver && tries < 100 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            again = to.send(&delivery(n, "out")).await;
            tries += 1;
        }
        assert_eq!(again, Attempt::HandedOver);
        handed.insert(n);
        n += 1;
    }
    rig.reconnect().await;
    let arrived: BTreeSet<_> = rig.drain("out").await.into_iter().map(|(id, _)| id).collect();
    let missing: Vec<_> =
        handed.iter().filter(|n| !arrived.contains(&delivery(**n, "out").recipient.0.to_string())).collect();
    assert!(missing.is_empty(), "handed over and not there: {missing:?}");
}
