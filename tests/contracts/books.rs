//! Books and events: what was accepted is somewhere, and every change is told.

use super::make::{With as _, at, claim, commit, destination, message, message_id, settlement};
use super::rig::Rig;
use broker_core::journal::{RecipientRecord, SetAside};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::Store as _;

pub(crate) async fn the_ledger_balances_whatever_happens(rig: impl Rig) {
    let store = rig.open().await;
    let ledger = store.ledger().await.expect("the books");
    assert!(ledger.balances());
    assert_eq!(ledger.messages.states.len(), State::ALL.len(), "every state is a key, from the start");

    for n in 0..24 {
        let entry = message(n).to("folder:a").receipt_to("folder:r").recipient(|r| r.state = State::Parked);
        commit(&store, entry.duplicate_key("HER:1", &n.to_string(), "")).await;
        let again = message(100 + n).to("folder:a").duplicate_key("HER:1", &n.to_string(), "");
        assert!(store.commit(vec![again]).await.is_ok());
    }
    let ways = [
        Event::HandOver,
        Event::Retry,
        Event::LoseSight,
        Event::Refuse,
        Event::Park,
        Event::Expire,
        Event::ReceiptOk,
        Event::ReceiptRejected,
    ];
    let claimed = claim(&store, "folder:a", 50, 16).await;
    assert_eq!(claimed.len(), 16);
    let settlements: Vec<_> = claimed.iter().zip(ways).map(|(id, event)| settlement(*id, event)).collect();
    assert_eq!(store.settle(&settlements, at(51)).await, Ok(8));
    let aside = store.set_aside(&SetAside { limit: 5, ..SetAside::default() }).await.expect("a list");
    let replayed: Vec<_> = aside.iter().map(|a| (a.recipient.id, Some(destination("folder:c")))).collect();
    assert_eq!(store.replay(&replayed, "operator", at(52)).await, Ok(5));

    let ledger = store.ledger().await.expect("the books");
    assert!(ledger.balances(), "{ledger:?}");
    assert_eq!((ledger.messages.accepted, ledger.receipts.accepted), (48, 24));
    assert_eq!(ledger.receipts.states["waiting"], 24);
    assert_eq!((ledger.messages.states["sending"], ledger.messages.states["unsure"]), (8, 1));
}

pub(crate) async fn what_waits_is_listed_with_what_was_answered(rig: impl Rig) {
    let store = rig.open().await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(commit(&store, message(n).to("folder:a")).await[0]);
    }
    commit(&store, message(4).to("folder:b")).await;
    claim(&store, "folder:a", 5, 3).await;
    let mut retry = settlement(ids[0], Event::Retry);
    (retry.detail, retry.next_attempt) = (Some("HTTP 503".into()), Some(at(60)));
    store.settle(&[retry, settlement(ids[1], Event::HandOver)], at(6)).await.expect("settlements");

    let list = store.waiting(&destination("folder:a"), 10).await.expect("a list");
    let listed: Vec<_> = list.iter().map(|w| (w.recipient.id, w.recipient.state)).collect();
    assert_eq!(listed, [(ids[0], State::Waiting), (ids[2], State::Sending), (ids[3], State::Waiting)]);
    let first = &list[0];
    assert_eq!((first.message, first.received), (message_id(0), at(0)));
    let RecipientRecord { detail, next_attempt, tries, .. } = &first.recipient;
    assert_eq!((detail.as_deref(), *next_attempt, *tries), (Some("HTTP 503"), Some(at(60)), 1));
    assert_eq!(store.waiting(&destination("folder:a"), 2).await.expect("a list").len(), 2);
    assert!(store.waiting(&destination("folder:c"), 2).await.expect("a list").is_empty());
}

pub(crate) async fn every_change_has_its_event(rig: impl Rig) {
    let store = rig.open().await;
    let id = commit(&store, message(1).to("folder:a")).await[0];
    claim(&store, "folder:a", 1, 1).await;
    store.settle(&[settlement(id, Event::LoseSight)], at(2)).await.expect("a settlement");
    claim(&store, "folder:a", 3, 1).await;
    store.recover(at(4)).await.expect("a recovery");
    claim(&store, "folder:a", 5, 1).await;
    let mut park = settlement(id, Event::Park);
    park.reason = Some(dead_letter::Reason::AttemptsExhausted);
    park.detail = Some("HTTP 503".into());
    store.settle(&[park], at(6)).await.expect("a settlement");
    store.replay(&[(id, None)], "operator: mended", at(7)).await.expect("a replay");
    commit(&store, message(2).closing(id, Event::ReceiptOk)).await;
    store.note("alarm", "P27", at(8)).await.expect("a note");

    let record = store.message(message_id(1)).await.expect("a search").expect("the message");
    let told: Vec<&str> = record.events.iter().map(|e| e.what.as_str()).collect();
    assert_eq!(
        told,
        [
            "taken_in",
            "accepted",
            "claim",
            "lose_sight",
            "claim",
            "lose_sight",
            "claim",
            "park",
            "replay",
            "receipt_ok"
        ]
    );
    assert!(record.events.iter().skip(1).all(|e| e.recipient == Some(id)));
    assert_eq!(record.events[7].detail.as_deref(), Some("P19: HTTP 503"));
    let hash = record.content_hash.to_string();
    assert!(
        record.events[0].detail.as_deref().is_some_and(|d| d.ends_with(&hash)),
        "the chain proves the bytes too"
    );
    let last = &store.events(1).await.expect("events")[0];
    assert_eq!((last.what.as_str(), last.detail.as_deref(), last.message), ("alarm", Some("P27"), None));
}

pub(crate) async fn events_are_numbered_without_gaps_and_chained(rig: impl Rig) {
    let store = rig.open().await;
    assert_eq!(store.broken_link().await, Ok(None));
    for n in 0..10 {
        commit(&store, message(n).to("folder:a").duplicate_key("HER:1", "m", &n.to_string())).await;
        // Refused and failed calls leave no gap.
        store.commit(vec![message(50).duplicate_key("HER:1", "m", "0")]).await.expect("stale");
    }
    claim(&store, "folder:a", 99, 5).await;
    let events = store.events(100).await.expect("events");
    let numbers: Vec<u64> = events.iter().map(|e| e.sequence).collect();
    assert_eq!(numbers, (1..=25).rev().collect::<Vec<u64>>());
    assert_eq!(store.broken_link().await, Ok(None));
    assert_eq!(store.events(3).await.expect("events").len(), 3);
}

pub(crate) async fn reading_goes_on_while_others_write(rig: impl Rig) {
    let store = rig.open().await;
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..60 {
                commit(&store, message(n).to("folder:a").receipt_to("folder:r")).await;
                claim(&store, "folder:a", 100, 1).await;
            }
        })
    };
    // Whatever moment a reading falls on, its books balance: it sees whole transactions.
    let mut readings = 0;
    while !writer.is_finished() || readings == 0 {
        let ledger = store.ledger().await.expect("the books");
        assert!(ledger.balances(), "{ledger:?}");
        assert_eq!(ledger.messages.accepted, ledger.receipts.accepted);
        assert_eq!(store.broken_link().await, Ok(None));
        readings += 1;
        tokio::task::yield_now().await;
    }
    writer.await.expect("the writer ends");
}
