//! Recipients that the commit claims that takes them in: theirs is the same life, one event shorter.

use super::make::{With as _, at, claim, commit, destination, message, message_id, settlement, state};
use super::rig::Rig;
use broker_core::journal::{CommitResult, Committed, Delivery, Entry, RecipientId, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::Store;
use std::time::Duration;

/// Commits one entry that must be taken; gives the proof.
async fn proof(store: &impl Store, entry: Entry) -> Committed {
    let result = store.commit(vec![entry]).await.expect("a commit").pop();
    let Some(CommitResult::Committed(committed)) = result else { panic!("not taken: {result:?}") };
    committed
}

fn ids(entry: &Entry) -> Vec<RecipientId> {
    entry.recipients.iter().map(|r| r.id).collect()
}

pub(crate) async fn a_commit_claims_what_it_is_asked_to(rig: impl Rig) {
    let store = rig.open().await;
    commit(&store, message(1).in_order("folder:a", "k")).await;
    let entry = message(2).to("folder:a").at_once().in_order("folder:a", "k").at_once();
    let entry = entry.receipt_to("folder:r").at_once().to("folder:a").recipient(|_| {}).at_once();
    let ids = ids(&entry);
    let committed = proof(&store, entry).await;
    assert_eq!(
        committed.claimed(),
        [ids[0], ids[2]],
        "what has an order, or goes nowhere, is not claimed so"
    );

    let record = store.message(message_id(2)).await.expect("a search").expect("the message");
    let stands: Vec<_> = record.recipients.iter().map(|r| (r.state, r.tries, r.next_attempt)).collect();
    let (sending, waiting) = ((State::Sending, 1, None), (State::Waiting, 0, Some(at(2))));
    assert_eq!(stands, [sending, waiting, sending, waiting, waiting]);
    let told: Vec<_> = record.events.iter().map(|e| e.what.as_str()).collect();
    assert_eq!(told, ["taken_in", "accepted", "accepted", "accepted", "accepted", "accepted"]);
    let said = record.events[0].detail.as_deref().expect("what was taken in");
    assert!(said.starts_with(&format!("accepted, being sent: {}, {} sha256:", ids[0].0, ids[2].0)), "{said}");

    // Nobody else is given them, and the line keeps its order.
    let first = claim(&store, "folder:a", 9, 10).await;
    assert!(first.len() == 2 && first.contains(&ids[3]) && !first.contains(&ids[1]), "{first:?}");
    assert_eq!(claim(&store, "folder:r", 9, 10).await, []);
    assert_eq!(store.next_due(&destination("folder:r")).await, Ok(None));
    let ledger = store.ledger().await.expect("the books");
    assert!(ledger.balances(), "{ledger:?}");
    assert_eq!((ledger.messages.states["sending"], ledger.receipts.states["sending"]), (3, 1));
    let backlog = store.backlog().await.expect("a count");
    assert_eq!(backlog.iter().map(|b| b.open).collect::<Vec<_>>(), [4, 1]);

    // They are settled as any other; what failed is due again.
    let retry = Settlement { next_attempt: Some(at(30)), ..settlement(ids[0], Event::Retry) };
    assert_eq!(store.settle(&[retry, settlement(ids[2], Event::HandOver)], at(10)).await, Ok(2));
    assert_eq!(
        (state(&store, ids[0]).await, state(&store, ids[2]).await),
        (State::Waiting, State::HandedOver)
    );
    assert_eq!(claim(&store, "folder:a", 30, 10).await, [ids[0]]);
    assert!(store.ledger().await.expect("the books").balances());
    assert_eq!(store.broken_link().await, Ok(None));
}

pub(crate) async fn what_a_commit_claimed_is_what_a_claim_would_give(rig: impl Rig) {
    let store = rig.open().await;
    let made = |n| {
        let entry = message(n).head("m").recipient(|r| {
            r.destination = Some(destination("folder:a"));
            (r.expires, r.receipt_written) = (Some(at(90)), true);
            r.label.subject = Some("SVAR_LAB".to_owned());
        });
        entry.at_once().receipt_to("folder:a").at_once()
    };
    let entry = made(1);
    let direct: Vec<_> = entry.recipients.iter().filter_map(|r| Delivery::first(&entry, r)).collect();
    assert_eq!(proof(&store, entry).await.claimed().len(), 2);
    let back =
        |d: &Delivery| Settlement { next_attempt: Some(at(5)), ..settlement(d.recipient, Event::Retry) };
    let back: Vec<_> = direct.iter().map(back).collect();
    assert_eq!(store.settle(&back, at(5)).await, Ok(2));
    let mut claimed = store.claim(&destination("folder:a"), at(6), 10).await.expect("a claim");
    claimed.sort_by_key(|d| d.recipient);
    let outside = |d: &Delivery| {
        let what = (d.recipient, d.message, d.book, d.receiver, d.destination.clone(), d.kind, d.document);
        let how = (d.bytes.clone(), d.expires, d.receipt_written, d.test, d.family.clone(), d.label.clone());
        (what, how)
    };
    let (direct_is, claimed_is): (Vec<_>, Vec<_>) =
        (direct.iter().map(outside).collect(), claimed.iter().map(outside).collect());
    assert_eq!(direct_is, claimed_is);
    assert_eq!((direct[0].tries, claimed[0].tries), (0, 1), "the first attempt counts");
}

pub(crate) async fn what_a_commit_claimed_is_unsure_after_a_kill(rig: impl Rig) {
    let store = rig.open().await;
    let entry = message(1).to("folder:a").at_once();
    let bytes = entry.arrival.bytes.clone();
    let id = ids(&entry)[0];
    proof(&store, entry).await;
    let store = rig.kill(store).await;
    assert_eq!(store.recover(at(5)).await, Ok(1));
    assert_eq!(state(&store, id).await, State::Unsure);
    let again = store.claim(&destination("folder:a"), at(5), 10).await.expect("a claim");
    assert_eq!((again.len(), again[0].recipient, again[0].maybe_arrived, again[0].tries), (1, id, true, 1));
    assert_eq!(again[0].bytes, bytes);
}

pub(crate) async fn an_entry_that_is_there_already_or_is_not_taken_claims_nothing(rig: impl Rig) {
    let store = rig.open().await;
    let entry = message(1).to("folder:a").at_once().duplicate_key("HER:1", "m", "").idempotency_key("k");
    let id = ids(&entry)[0];
    assert_eq!(proof(&store, entry.clone()).await.claimed(), [id]);
    assert_eq!(proof(&store, entry.clone()).await.claimed(), [], "offered again, for want of an answer");
    assert_eq!(store.settle(&[settlement(id, Event::HandOver)], at(2)).await, Ok(1));
    assert_eq!(proof(&store, entry).await.claimed(), []);
    assert_eq!(state(&store, id).await, State::HandedOver);

    let stale = message(2).to("folder:a").at_once().duplicate_key("HER:1", "m", "");
    let repeated = message(3).to("folder:a").at_once().idempotency_key("k");
    let results = store.commit(vec![stale, repeated]).await.expect("a commit");
    assert!(
        matches!(results.as_slice(), [CommitResult::Stale, CommitResult::Repeated { .. }]),
        "{results:?}"
    );
    assert!(store.backlog().await.expect("a count").is_empty());
    assert!(store.ledger().await.expect("the books").balances());
}

pub(crate) async fn a_commit_whose_caller_has_gone_gives_back_what_it_claimed(rig: impl Rig) {
    let store = rig.open().await;
    let mut all = Vec::new();
    for n in 1..=30 {
        let entry = message(n).to("folder:a").at_once();
        let id = ids(&entry)[0];
        // Dropped at whatever step it has come to.
        let step = Duration::from_micros(200 * u64::try_from(n).expect("small"));
        match tokio::time::timeout(step, store.commit(vec![entry.clone()])).await {
            // Heard of: then it is ours.
            Ok(heard) => assert!(heard.is_ok_and(|results| results.len() == 1)),
            Err(_) => {
                // Done all the same, or not at all; after this it is there.
                let claimed = proof(&store, entry).await.claimed().to_vec();
                if claimed.is_empty() {
                    all.push(id);
                }
            }
        }
    }
    for id in all {
        let mut tries = 0;
        while state(&store, id).await != State::Waiting {
            tries += 1;
            assert!(tries < 1000, "the recipient stays with a caller that has gone");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert!(store.ledger().await.expect("the books").balances());
}
