//! A queue that goes while it is read: what is told of it goes too, and that it is gone is told instead.

use crate::house::{CONFIG, House, PARTIES, Version};
use crate::rig::until;
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
