//! What a message costs the server, counted in entries of its log: no load of the machine changes that.

use super::make::{With as _, at, claim, message, settlement};
use super::rig::{PostgresRig, Rig as _};
use adapters::postgres::PostgresStore;
use broker_core::journal::{Entry, RecipientId};
use broker_core::lifecycle::Event;
use broker_core::ports::Store as _;
use std::time::Duration;

/// Messages in a commit, and commits.
const SIZE: usize = 10;
const GROUPS: usize = 30;

/// What is claimed by the commit that takes it in is written once as being sent, and with one event instead of two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_claimed_at_intake_costs_the_server_less() {
    let Some(rig) = PostgresRig::alone("what_is_claimed_at_intake_costs", &[("autovacuum", "off")]) else {
        return;
    };
    let store = rig.open().await;
    let (mut next, mut cost) = (0, Vec::new());
    // The first round fills the tables' first pages.
    for at_once in [false, false, true] {
        let before = entries_of_the_log(&rig, &store).await;
        for _ in 0..GROUPS {
            let batch: Vec<Entry> = (0..SIZE)
                .map(|_| {
                    next += 1;
                    let entry =
                        message(next).head(&format!("m-{next}")).to("folder:a").receipt_to("folder:r");
                    let entry = entry.duplicate_key("HER:1", &next.to_string(), "9");
                    if at_once { entry.each_at_once() } else { entry }
                })
                .collect();
            let mut sent: Vec<RecipientId> =
                batch.iter().flat_map(|e| e.recipients.iter().map(|r| r.id)).collect();
            store.commit(batch).await.expect("a commit");
            if !at_once {
                sent = claim(&store, "folder:a", 5000, 100).await;
                sent.extend(claim(&store, "folder:r", 5000, 100).await);
            }
            let done: Vec<_> = sent.iter().map(|id| settlement(*id, Event::HandOver)).collect();
            assert_eq!(store.settle(&done, at(5000)).await, Ok(2 * SIZE));
        }
        cost.push((entries_of_the_log(&rig, &store).await - before) / (SIZE * GROUPS));
    }
    let [_, later, at_intake] = cost.as_slice() else { panic!("{cost:?}") };
    eprintln!("Entries of the log for a message: {later} claimed later, {at_intake} claimed at intake.");
    assert!(at_intake * 100 < later * 88, "{cost:?}");
    assert!(store.ledger().await.expect("the books").balances());
}

/// A day begins without statistics, and nobody knows then what is choosy: a group that read what the day holds so far would
/// take longer with each group. One broker takes in, and another delivers, so that it reads everything back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_without_statistics_is_not_read_again_for_each_group() {
    let Some(rig) = PostgresRig::alone("a_day_without_statistics", &[("autovacuum", "off")]) else { return };
    let (store, other) = (rig.open().await, rig.open().await);
    for group in 0..GROUPS {
        let batch: Vec<Entry> = (group * SIZE..(group + 1) * SIZE)
            .map(|n| {
                let entry = message(n as u128).head(&format!("m-{n}")).to("folder:a");
                entry.duplicate_key("HER:1", &n.to_string(), "9")
            })
            .collect();
        store.commit(batch).await.expect("a commit");
        let sent = claim(&other, "folder:a", 5000, 100).await;
        let done: Vec<_> = sent.iter().map(|id| settlement(*id, Event::HandOver)).collect();
        assert_eq!(other.settle(&done, at(5000)).await, Ok(SIZE));
    }
    // What a connection has read is told when it ends, at the latest.
    drop((store, other));
    let connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'budstikke'";
    while rig.sql(connected).trim() != "0" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let read = "SELECT relname, coalesce(seq_tup_read, 0) + coalesce(i.read, 0) FROM pg_stat_user_tables
        LEFT JOIN (SELECT relid, sum(idx_tup_read) AS read FROM pg_stat_user_indexes GROUP BY relid) i USING (relid)
        WHERE relname ~ '^(message|body|recipient|event)_' OR relname IN ('pending', 'duplicate_key')";
    for line in rig.sql(read).lines() {
        let (table, read) = line.split_once('|').expect("two columns");
        let rows: usize = read.parse().expect("a number");
        eprintln!("Rows of {table} read for a message: {:.1}", rows as f64 / (SIZE * GROUPS) as f64);
        assert!(rows < 10 * SIZE * GROUPS, "{line}");
    }
}

/// Entries in the server's log until now. A connection tells what it wrote with the end of a transaction, once a second.
async fn entries_of_the_log(rig: &PostgresRig, store: &PostgresStore) -> usize {
    tokio::time::sleep(Duration::from_millis(1200)).await;
    store.note("test", "so that it tells", at(5000)).await.expect("a note");
    rig.sql("SELECT wal_records FROM pg_stat_wal").trim().parse().expect("a number")
}
