//! Handing out and settling: each recipient once, in order where promised, by the lifecycle alone.

use super::make::{With as _, at, claim, commit, destination, message, message_id, settlement, state};
use super::rig::Rig;
use broker_core::journal::{Book, Deadline, RecipientId, SetAside, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::{Backlog, Store};
use dead_letter::Reason;
use message_schemas::HerId;
use std::collections::HashSet;

async fn settle(store: &impl Store, settlements: &[Settlement], second: i64) -> usize {
    store.settle(settlements, at(second)).await.expect("a settlement")
}

pub(crate) async fn a_claim_hands_out_what_is_due_oldest_first(rig: impl Rig) {
    let store = rig.open().await;
    assert_eq!(store.next_due(&destination("folder:a")).await, Ok(None));
    let mut ids = Vec::new();
    for n in 1..=4 {
        ids.extend(commit(&store, message(n).to("folder:a")).await);
    }
    let parked = message(5).recipient(|r| {
        r.destination = Some(destination("folder:a"));
        r.state = State::Parked;
    });
    commit(&store, parked).await;
    commit(&store, message(6).to("folder:b").recipient(|_| {})).await;

    assert_eq!(store.next_due(&destination("folder:a")).await, Ok(Some(at(1))));
    assert_eq!(claim(&store, "folder:a", 0, 10).await, [], "nothing was taken in before it came");
    assert_eq!(claim(&store, "folder:a", 10, 3).await, ids[..3]);
    assert_eq!(claim(&store, "folder:a", 10, 3).await, ids[3..]);
    assert_eq!(claim(&store, "folder:a", 10, 3).await, []);
    assert_eq!(store.next_due(&destination("folder:a")).await, Ok(None));
    assert_eq!(store.next_due(&destination("folder:b")).await, Ok(Some(at(6))));
}

pub(crate) async fn no_recipient_is_claimed_twice(rig: impl Rig) {
    let store = rig.open().await;
    let batch =
        (0..60).map(|n| message(n).to("folder:a").in_order("folder:a", &(n % 7).to_string())).collect();
    store.commit(batch).await.expect("a commit");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                while !store.backlog().await.expect("a count").is_empty() {
                    let ids = claim(&store, "folder:a", 100, 5).await;
                    let done: Vec<_> = ids.iter().map(|id| settlement(*id, Event::HandOver)).collect();
                    assert_eq!(settle(&store, &done, 100).await, ids.len());
                    mine.extend(ids);
                }
                mine
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for task in tasks {
        claimed.extend(task.await.expect("the task ends"));
    }
    let distinct: HashSet<RecipientId> = claimed.iter().copied().collect();
    assert_eq!((claimed.len(), distinct.len()), (120, 120));
}

pub(crate) async fn what_is_sent_is_what_was_made(rig: impl Rig) {
    let store = rig.open().await;
    let entry = message(1).head("m-1").receipt_to("folder:a").recipient(|r| {
        r.destination = Some(destination("folder:a"));
        r.receipt_written = true;
        r.expires = Some(at(500));
    });
    let made = entry.documents[0].clone();
    let bytes = entry.arrival.bytes.clone();
    commit(&store, entry).await;
    let mut seen = Vec::new();
    for (second, event) in [(10, Event::Retry), (20, Event::LoseSight), (30, Event::HandOver)] {
        let claimed = store.claim(&destination("folder:a"), at(second), 10).await.expect("a claim");
        let [receipt, original] = claimed.as_slice() else {
            panic!("both are due, the receipt first: {claimed:?}")
        };
        assert_eq!(
            (receipt.book, receipt.kind, receipt.document),
            (Book::Receipt, Some(made.kind), Some(made.id))
        );
        assert_eq!((original.book, original.kind, original.document), (Book::Message, None, None));
        assert_eq!((&receipt.bytes, &original.bytes), (&made.bytes, &bytes));
        assert_eq!((original.message, &original.destination), (message_id(1), &destination("folder:a")));
        assert_eq!(original.receiver.map(|r| r.0), Some(8093));
        assert_eq!((original.expires, original.receipt_written), (Some(at(500)), true));
        assert_eq!((original.test, original.family.as_deref()), (false, Some("result-report")));
        seen.push((original.tries, original.maybe_arrived));
        let settlements = [receipt, original].map(|d| settlement(d.recipient, event));
        assert_eq!(settle(&store, &settlements, second).await, 2);
    }
    assert_eq!(seen, [(0, false), (1, false), (2, true)]);
}

pub(crate) async fn an_order_key_holds_all_behind_the_first(rig: impl Rig) {
    let store = rig.open().await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.extend(commit(&store, message(n).in_order("folder:a", "patient")).await);
    }
    let free = commit(&store, message(4).to("folder:a")).await;
    let other = commit(&store, message(5).in_order("folder:a", "another")).await;
    let elsewhere = commit(&store, message(6).in_order("folder:b", "patient")).await;

    assert_eq!(claim(&store, "folder:a", 10, 10).await, [ids[0], free[0], other[0]]);
    assert_eq!(claim(&store, "folder:b", 10, 10).await, elsewhere, "a key is its destination's own");
    assert_eq!(claim(&store, "folder:a", 10, 10).await, []);
    let late = commit(&store, message(7).in_order("folder:a", "patient")).await;
    assert_eq!(claim(&store, "folder:a", 10, 10).await, [], "one is on its way");
    // However the first ends, the next has its turn.
    let ends =
        [(ids[0], Event::HandOver), (ids[1], Event::Refuse), (ids[2], Event::Park), (ids[3], Event::Expire)];
    for ((id, event), next) in ends.into_iter().zip([ids[1], ids[2], ids[3], late[0]]) {
        assert_eq!(settle(&store, &[settlement(id, event)], 20).await, 1);
        assert_eq!(claim(&store, "folder:a", 20, 10).await, [next], "after {event:?}");
    }
    // A timer may end one that waits, too.
    assert_eq!(settle(&store, &[settlement(late[0], Event::Retry)], 21).await, 1);
    let last = commit(&store, message(8).in_order("folder:a", "patient")).await;
    let expire = Settlement { from: State::Waiting, ..settlement(late[0], Event::Expire) };
    assert_eq!(settle(&store, &[expire], 22).await, 1);
    assert_eq!(claim(&store, "folder:a", 22, 10).await, last);
}

pub(crate) async fn an_order_key_waits_for_a_retry(rig: impl Rig) {
    let store = rig.open().await;
    let first = commit(&store, message(1).in_order("folder:a", "patient")).await;
    let second = commit(&store, message(2).in_order("folder:a", "patient")).await;
    assert_eq!(claim(&store, "folder:a", 10, 10).await, first);
    for (event, second) in [(Event::Retry, 20), (Event::LoseSight, 30)] {
        let later = Settlement { next_attempt: Some(at(second + 5)), ..settlement(first[0], event) };
        assert_eq!(settle(&store, &[later], second).await, 1);
        assert_eq!(claim(&store, "folder:a", second + 4, 10).await, []);
        assert_eq!(store.next_due(&destination("folder:a")).await, Ok(Some(at(second + 5))));
        assert_eq!(claim(&store, "folder:a", second + 5, 10).await, first);
    }
    assert_eq!(settle(&store, &[settlement(first[0], Event::HandOver)], 40).await, 1);
    assert_eq!(claim(&store, "folder:a", 40, 10).await, second);
}

pub(crate) async fn a_replay_takes_its_old_place_in_the_order(rig: impl Rig) {
    let store = rig.open().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.extend(commit(&store, message(n).in_order("folder:a", "patient")).await);
    }
    assert_eq!(claim(&store, "folder:a", 10, 1).await, ids[..1]);
    settle(&store, &[settlement(ids[0], Event::Park)], 10).await;
    assert_eq!(claim(&store, "folder:a", 10, 1).await, ids[1..2]);
    // Its successor is on its way and cannot be called back; after that the older goes first.
    assert_eq!(store.replay(&[(ids[0], None)], "operator: mended", at(11)).await, Ok(1));
    assert_eq!(claim(&store, "folder:a", 11, 10).await, []);
    settle(&store, &[settlement(ids[1], Event::Retry)], 12).await;
    for id in ids {
        assert_eq!(claim(&store, "folder:a", 12, 10).await, [id]);
        settle(&store, &[settlement(id, Event::HandOver)], 12).await;
    }
}

pub(crate) async fn a_retry_waits_for_its_time(rig: impl Rig) {
    let store = rig.open().await;
    let id = commit(&store, message(1).to("folder:a")).await[0];
    claim(&store, "folder:a", 1, 1).await;
    let later = Settlement {
        next_attempt: Some(at(60)),
        reason: Some(Reason::DestinationDown),
        detail: Some("connection refused".into()),
        ..settlement(id, Event::Retry)
    };
    assert_eq!(settle(&store, &[later], 2).await, 1);
    assert_eq!(claim(&store, "folder:a", 59, 1).await, []);
    let record = store.message(message_id(1)).await.expect("a search").expect("the message");
    let recipient = &record.recipients[0];
    assert_eq!((recipient.state, recipient.tries, recipient.next_attempt), (State::Waiting, 1, Some(at(60))));
    assert_eq!(recipient.reason, Some(Reason::DestinationDown));
    assert_eq!(recipient.detail.as_deref(), Some("connection refused"));
    assert_eq!(claim(&store, "folder:a", 60, 1).await, [id]);
}

pub(crate) async fn a_settlement_for_what_has_moved_on_is_left_alone(rig: impl Rig) {
    let store = rig.open().await;
    let ids = commit(&store, message(1).to("folder:a").to("folder:a")).await;
    claim(&store, "folder:a", 1, 10).await;
    let done = ids.iter().map(|id| settlement(*id, Event::HandOver)).collect::<Vec<_>>();
    assert_eq!(settle(&store, &done[..1], 2).await, 1);
    let before = store.events(1).await.expect("events")[0].sequence;
    // The first again, the second, the second twice, and one that nobody knows.
    let nobody = settlement(RecipientId(uuid::Uuid::nil()), Event::HandOver);
    assert_eq!(settle(&store, &[done[0].clone(), done[1].clone(), done[1].clone(), nobody], 3).await, 1);
    // What the lifecycle forbids does not happen either.
    let back = Settlement { from: State::HandedOver, ..settlement(ids[0], Event::Retry) };
    assert_eq!(settle(&store, &[back], 4).await, 0);
    assert_eq!(store.events(1).await.expect("events")[0].sequence, before + 1);
    assert_eq!(
        (state(&store, ids[0]).await, state(&store, ids[1]).await),
        (State::HandedOver, State::HandedOver)
    );
}

pub(crate) async fn a_receipt_overtakes_the_hand_over(rig: impl Rig) {
    let store = rig.open().await;
    let ids = commit(&store, message(1).to("folder:a").to("folder:a").to("folder:a")).await;
    claim(&store, "folder:a", 1, 2).await;
    let receipts = message(2).closing(ids[0], Event::ReceiptOk).closing(ids[1], Event::ReceiptRejected);
    commit(&store, receipts.closing(ids[2], Event::ReceiptOk)).await;
    let late = ids.iter().map(|id| settlement(*id, Event::HandOver)).collect::<Vec<_>>();
    assert_eq!(settle(&store, &late, 3).await, 0);
    let states = [state(&store, ids[0]).await, state(&store, ids[1]).await, state(&store, ids[2]).await];
    assert_eq!(states, [State::Receipted, State::Rejected, State::Receipted]);
    assert_eq!(claim(&store, "folder:a", 9, 9).await, [], "what is receipted while it waits is not sent");
}

pub(crate) async fn a_receipt_that_cannot_be_is_told_in_the_events(rig: impl Rig) {
    let store = rig.open().await;
    let id = commit(&store, message(1).to("folder:a")).await[0];
    commit(&store, message(2).closing(id, Event::ReceiptRejected)).await;
    let unknown = RecipientId(uuid::Uuid::nil());
    commit(&store, message(3).closing(id, Event::ReceiptOk).closing(unknown, Event::ReceiptOk)).await;
    assert_eq!(state(&store, id).await, State::Rejected);
    let record = store.message(message_id(1)).await.expect("a search").expect("the message");
    let told: Vec<&str> = record.events.iter().map(|e| e.what.as_str()).collect();
    assert_eq!(told, ["taken_in", "accepted", "receipt_rejected", "left_alone"]);
}

pub(crate) async fn after_the_clock_was_set_back_nothing_waits_for_the_old_time(rig: impl Rig) {
    let store = rig.open().await;
    let late = message(3000).to("folder:a").in_order("folder:a", "k").in_order("folder:a", "k");
    let ids = commit(&store, late).await;
    assert_eq!(claim(&store, "folder:a", 3000, 1).await, ids[..1]);
    let retry = Settlement { next_attempt: Some(at(9000)), ..settlement(ids[0], Event::Retry) };
    assert_eq!(store.settle(&[retry], at(3001)).await, Ok(1));

    assert_eq!(store.recover(at(2999)).await, Ok(0));
    assert_eq!(store.next_due(&destination("folder:a")).await, Ok(Some(at(3000))), "a second is nothing");
    assert_eq!(store.recover(at(100)).await, Ok(0));
    let told = store.events(1).await.expect("events").remove(0);
    assert_eq!((told.what.as_str(), told.message), ("clock_set_back", None));
    assert_eq!(claim(&store, "folder:a", 100, 9).await, ids[..2]);
    assert_eq!(store.settle(&[settlement(ids[1], Event::HandOver)], at(101)).await, Ok(1));
    assert_eq!(claim(&store, "folder:a", 101, 9).await, ids[2..], "the next of the queue too");
    assert_eq!(store.broken_link().await, Ok(None));
}

pub(crate) async fn what_was_being_sent_at_a_kill_is_unsure(rig: impl Rig) {
    let store = rig.open().await;
    let ids = commit(&store, message(1).to("folder:a").in_order("folder:a", "k").to("folder:a")).await;
    assert_eq!(claim(&store, "folder:a", 1, 2).await, ids[..2]);
    let store = rig.kill(store).await;
    assert_eq!(store.recover(at(5)).await, Ok(2));
    assert_eq!(store.recover(at(5)).await, Ok(0));
    assert_eq!((state(&store, ids[0]).await, state(&store, ids[2]).await), (State::Unsure, State::Waiting));
    let again = store.claim(&destination("folder:a"), at(5), 10).await.expect("a claim");
    let told: Vec<(RecipientId, bool)> = again.iter().map(|d| (d.recipient, d.maybe_arrived)).collect();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|(id, maybe)| *maybe == (*id != ids[2])));
}

pub(crate) async fn time_to_live_and_receipt_deadline_are_told(rig: impl Rig) {
    let store = rig.open().await;
    let ids = commit(
        &store,
        message(1)
            .recipient(|r| {
                r.destination = Some(destination("folder:a"));
                r.receipt_deadline = Some(at(100));
                r.expires = Some(at(90));
            })
            .recipient(|r| {
                r.destination = Some(destination("folder:b"));
                r.expires = Some(at(50));
            })
            .to("folder:b"),
    )
    .await;
    assert_eq!(store.overdue(at(49), 10).await, Ok(vec![]));
    let overdue = store.overdue(at(95), 10).await.expect("a search");
    let told: Vec<_> = overdue.iter().map(|o| (o.recipient, o.what, o.state)).collect();
    let (ttl, receipt) = (Deadline::TimeToLive, Deadline::Receipt);
    assert_eq!(told, [(ids[1], ttl, State::Waiting), (ids[0], ttl, State::Waiting)]);
    assert_eq!(store.overdue(at(95), 1).await.expect("a search").len(), 1);

    claim(&store, "folder:a", 20, 1).await;
    assert_eq!(
        store.overdue(at(95), 10).await.expect("a search").len(),
        1,
        "an attempt under way has its answer first"
    );
    settle(&store, &[settlement(ids[0], Event::HandOver)], 21).await;
    let overdue = store.overdue(at(100), 10).await.expect("a search");
    let told: Vec<_> = overdue.iter().map(|o| (o.recipient, o.what, o.state)).collect();
    assert_eq!(told, [(ids[1], ttl, State::Waiting), (ids[0], receipt, State::HandedOver)]);
    let expire = Settlement { from: State::HandedOver, ..settlement(ids[0], Event::Expire) };
    assert_eq!(settle(&store, &[expire], 101).await, 1);
    assert_eq!(store.overdue(at(900), 10).await.expect("a search").len(), 1);
    // A late receipt still counts.
    commit(&store, message(2).closing(ids[0], Event::ReceiptOk)).await;
    assert_eq!(state(&store, ids[0]).await, State::Receipted);
}

pub(crate) async fn what_is_discarded_lies_there_no_more_and_can_be_laid_back(rig: impl Rig) {
    let store = rig.open().await;
    let parked = message(1).recipient(|r| {
        r.state = State::Parked;
        r.reason = Some(Reason::NotForUs);
    });
    let parked = commit(&store, parked).await[0];
    let sent = commit(&store, message(2).to("folder:a")).await[0];
    claim(&store, "folder:a", 2, 1).await;
    settle(&store, &[settlement(sent, Event::HandOver)], 3).await;
    let expire = Settlement { from: State::HandedOver, ..settlement(sent, Event::Expire) };
    settle(&store, &[expire], 6).await;

    let lying = async || {
        let listed = store.set_aside(&SetAside { limit: 9, ..SetAside::default() }).await.expect("a list");
        listed.into_iter().map(|aside| aside.recipient.id).collect::<Vec<_>>()
    };
    assert_eq!(lying().await, [parked, sent]);
    let discard = |id, from| Settlement {
        from,
        detail: Some("operator: why".to_owned()),
        reason: Some(Reason::NotForUs),
        ..settlement(id, Event::Discard)
    };
    let both = [discard(parked, State::Parked), discard(sent, State::Expired)];
    assert_eq!(settle(&store, &both, 7).await, 2);
    assert_eq!(settle(&store, &both, 8).await, 0, "once");
    assert_eq!(lying().await, []);
    let event = &store.events(1).await.expect("events")[0];
    assert_eq!((event.what.as_str(), event.detail.as_deref()), ("discard", Some("P09: operator: why")));
    let ledger = store.ledger().await.expect("the books");
    assert!(ledger.balances(), "{ledger:?}");
    assert_eq!(ledger.messages.states["discarded"], 2);

    // It can be taken back, and a late receipt still counts.
    let back = Settlement { event: Event::Park, ..discard(parked, State::Discarded) };
    assert_eq!(settle(&store, &[back], 9).await, 1);
    assert_eq!(lying().await, [parked]);
    commit(&store, message(3).closing(sent, Event::ReceiptOk)).await;
    assert_eq!(state(&store, sent).await, State::Receipted);
}

pub(crate) async fn a_parked_recipient_is_listed_and_replayed(rig: impl Rig) {
    let store = rig.open().await;
    let nowhere = commit(
        &store,
        message(1).recipient(|r| {
            r.state = State::Parked;
            r.reason = Some(Reason::NoDestination);
            r.receiver = Some(HerId(777_010));
        }),
    )
    .await[0];
    let sent = commit(&store, message(2).to("folder:a")).await[0];
    claim(&store, "folder:a", 2, 1).await;
    let park = Settlement { reason: Some(Reason::AttemptsExhausted), ..settlement(sent, Event::Park) };
    settle(&store, &[park], 3).await;

    let list = async |wanted: SetAside| -> Vec<RecipientId> {
        let listed = store.set_aside(&wanted).await.expect("a list");
        listed.into_iter().map(|aside| aside.recipient.id).collect()
    };
    let all = SetAside { limit: 10, ..SetAside::default() };
    assert_eq!(list(all.clone()).await, [nowhere, sent]);
    assert_eq!(list(SetAside { limit: 1, ..all.clone() }).await, [nowhere]);
    assert_eq!(list(SetAside { message: Some(message_id(2)), ..all.clone() }).await, [sent]);
    assert_eq!(list(SetAside { reason: Some(Reason::NoDestination), ..all.clone() }).await, [nowhere]);
    assert_eq!(list(SetAside { destination: Some(destination("folder:a")), ..all.clone() }).await, [sent]);
    assert_eq!(list(SetAside { receiver: Some(HerId(777_010)), ..all.clone() }).await, [nowhere]);
    assert_eq!(list(SetAside { receiver: Some(HerId(777_011)), ..all.clone() }).await, []);

    let to_b = Some(destination("folder:b"));
    assert_eq!(store.replay(&[(nowhere, None)], "operator: why", at(4)).await, Ok(0), "to nowhere is no way");
    assert_eq!(store.replay(&[(nowhere, to_b), (sent, None)], "operator: why", at(4)).await, Ok(2));
    assert_eq!(
        store.replay(&[(sent, None)], "operator: why", at(4)).await,
        Ok(0),
        "it is on its way already"
    );
    assert_eq!(list(all).await, []);
    let event = &store.events(1).await.expect("events")[0];
    assert_eq!((event.what.as_str(), event.detail.as_deref()), ("replay", Some("operator: why")));
    assert_eq!(claim(&store, "folder:b", 4, 9).await, [nowhere]);
    let again = store.claim(&destination("folder:a"), at(4), 9).await.expect("a claim");
    assert_eq!((again[0].recipient, again[0].tries), (sent, 0), "the schedule begins anew");
}

pub(crate) async fn an_expired_recipient_begins_anew_when_replayed(rig: impl Rig) {
    let store = rig.open().await;
    let id = commit(
        &store,
        message(0).recipient(|r| {
            r.destination = Some(destination("folder:a"));
            r.expires = Some(at(50));
        }),
    )
    .await[0];
    let expire = Settlement { from: State::Waiting, ..settlement(id, Event::Expire) };
    assert_eq!(settle(&store, &[expire], 50).await, 1);
    assert_eq!(store.replay(&[(id, None)], "operator", at(100)).await, Ok(1));
    assert_eq!(store.overdue(at(149), 1).await, Ok(vec![]));
    assert_eq!(store.overdue(at(150), 1).await.expect("a search").len(), 1);
}

pub(crate) async fn the_backlog_counts_by_destination(rig: impl Rig) {
    let store = rig.open().await;
    assert_eq!(store.backlog().await, Ok(vec![]));
    commit(&store, message(1).to("folder:b").to("folder:a")).await;
    let ids = commit(&store, message(2).to("folder:a").in_order("folder:a", "k")).await;
    claim(&store, "folder:a", 9, 2).await;
    settle(&store, &[settlement(ids[0], Event::HandOver)], 9).await;
    let backlog =
        |name: &str, open, second| Backlog { destination: destination(name), open, oldest: Some(at(second)) };
    assert_eq!(store.backlog().await, Ok(vec![backlog("folder:a", 2, 1), backlog("folder:b", 1, 1)]));
}
