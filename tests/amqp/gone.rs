//! Queues that go: of one that is read, what is told of it goes too, and that it is gone is told instead; what is for a
//! partner whose queue is gone waits for it, and no other partner waits with it.

use crate::house::{CONFIG, House, PARTIES, Version, envelope, letter};
use crate::profile::with;
use crate::rig::until;
use amqp_profile::names;
use lapin::types::FieldTable;

const QUEUE: &str = "havna_error";

#[tokio::test(flavor = "multi_thread")]
async fn of_a_queue_that_is_deleted_nothing_is_told_but_that_it_is_gone() {
    let Some(house) = House::open_with("gone", Version::V091, PARTIES, CONFIG).await else { return };
    let line = |name: &str| {
        let series = format!("budstikke_amqp_queue_{name}{{source=\"amqp:errors\"}} ");
        let metrics = house.page("/metrics");
        metrics.lines().find_map(|line| line.strip_prefix(&series).map(str::to_owned))
    };
    until("it is counted", || line("messages").is_some()).await;
    assert_eq!((line("messages").as_deref(), line("reading").as_deref()), (Some("0"), Some("1")));
    assert!(!house.page("/health/ready").contains("queues_down"));

    house.rig.delete(QUEUE).await;
    until("its count is gone", || line("messages").is_none()).await;
    assert_eq!(line("reading").as_deref(), Some("0"));
    // First the server ends the reading, and then there is nothing to read.
    until("it is named", || {
        let health = house.page("/health/ready");
        health.contains("queues_down") && health.contains("amqp:errors") && health.contains("NOT_FOUND")
    })
    .await;
    assert_eq!(line("messages"), None, "what was asked before it went is not told after");

    house.rig.queue(QUEUE, FieldTable::default()).await;
    until("it is counted again", || line("messages").is_some()).await;
    until("nobody is troubled", || !house.page("/health/ready").contains("queues_down")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_whose_queue_is_gone_has_its_messages_when_it_is_back_over_091() {
    a_partner_whose_queue_is_gone_has_its_messages_when_it_is_back(Version::V091).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_whose_queue_is_gone_has_its_messages_when_it_is_back_over_10() {
    a_partner_whose_queue_is_gone_has_its_messages_when_it_is_back(Version::V10).await;
}

async fn a_partner_whose_queue_is_gone_has_its_messages_when_it_is_back(version: Version) {
    let quick = "amqp = \"bus\"\nretry = { first = \"50ms\", max = \"200ms\" }\n\
                 breaker = { failures = 2, lasting = \"0s\", pause = { first = \"1h\", max = \"1h\" } }\n";
    let config = CONFIG.replace("amqp = \"bus\"\n", quick);
    let Some(house) = House::open_with("gone-partner", version, PARTIES, &config).await else { return };
    house.rig.delete("granheim_async").await;
    let (text, _) = letter();
    house.put("havna_async", &envelope("a letter", house.wrapped(&text))).await;
    until("it is named", || {
        let health = house.page("/health/ready");
        health.contains("\"ready\":true") && health.contains("partners takes nothing for receiver 120010")
    })
    .await;
    house.says(&["waiting"], "partners        1 wait").await;
    let aside = house.ask(&["dead-letter", "list"]);
    assert!(!aside.contains("P18") && !aside.contains("P28"), "nothing was given up: {aside}");

    // Another partner, at the same destination, is not held up by it: what it sent wrong is told it at once.
    let wrong = with(&envelope("wrong", b"no message".to_vec()), names::FROM, "100000");
    house.put("havna_async", &wrong).await;
    house.rig.holds("laboratory_error", 1).await;

    house.rig.queue("granheim_async", FieldTable::default()).await;
    house.rig.holds("granheim_async", 1).await;
    until("nobody is troubled", || !house.page("/health/ready").contains("destination_down")).await;
    assert!(house.take("granheim_async").await.is_some());
    house.close().await;
}
