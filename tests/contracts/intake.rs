//! Taking in: durable, whole, once.

use super::make::{With as _, at, claim, commit, destination, message, message_id, settlement, state};
use super::rig::Rig;
use broker_core::journal::{
    CommitResult, DocumentKind, Lookup, MessageRecord, OriginalKey, Payload, RecipientId, Remark, Sent,
};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::{Store as _, StoreError};
use broker_core::transport::{Label, Role, Transport};
use message_schemas::HerId;
use std::sync::Arc;
use uuid::Uuid;

pub(crate) async fn bytes_come_back_as_they_went_in(rig: impl Rig) {
    let store = rig.open().await;
    let every_byte: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let large = "Prøvesvar\r\n".repeat(200_000).into_bytes();
    for (n, bytes) in [&b""[..], b"<a/>", &every_byte, &large].into_iter().enumerate() {
        let entry = message(n as u128).bytes(bytes).receipt_to("folder:out");
        let (document, made) = (entry.documents[0].id, entry.documents[0].bytes.clone());
        let id = entry.arrival.id;
        commit(&store, entry).await;
        assert_eq!(store.body(id).await.expect("a body").as_deref(), Some(bytes));
        assert_eq!(store.document(document).await, Ok(Some(("application/xml", made))));
    }
    assert_eq!(store.body(message_id(99)).await, Ok(None));
    assert_eq!(store.document(Uuid::nil()).await, Ok(None));
}

pub(crate) async fn everything_of_an_entry_is_there_or_nothing(rig: impl Rig) {
    let store = rig.open().await;
    let good = message(1).to("folder:a");
    let mut bad = message(2).to("folder:a").duplicate_key("HER:1", "x", "2").idempotency_key("k");
    bad.recipients[0].payload = Payload::Document(7);
    let mut twice = message(3).to("folder:a").receipt_to("folder:b");
    twice.recipients[1].id = twice.recipients[0].id;
    commit(&store, good).await;
    for entry in [bad, twice] {
        let id = entry.arrival.id;
        assert!(matches!(store.commit(vec![entry]).await, Err(StoreError::Damaged(_))));
        assert!(store.message(id).await.expect("a search").is_none());
        assert_eq!(store.body(id).await, Ok(None));
    }
    assert_eq!(store.repeated("http", "k").await, Ok(None));
    let ledger = store.ledger().await.expect("the books");
    assert_eq!((ledger.messages.accepted, ledger.receipts.accepted), (1, 0));
    assert!(ledger.balances());
}

pub(crate) async fn a_second_message_under_a_duplicate_key_is_stale(rig: impl Rig) {
    let store = rig.open().await;
    commit(&store, message(1).duplicate_key("HER:1", "m", "8093").duplicate_key("HER:1", "m", "8094")).await;
    // One key of several is enough.
    let second = message(2).duplicate_key("HER:1", "other", "8093").duplicate_key("HER:1", "m", "8094");
    assert_eq!(store.commit(vec![second]).await, Ok(vec![CommitResult::Stale]));
    assert!(store.message(message_id(2)).await.expect("a search").is_none());
    // Nothing of it stayed: the key that was free is free.
    commit(&store, message(3).duplicate_key("HER:1", "other", "8093")).await;
    commit(&store, message(4).duplicate_key("HER:1", "m", "8095")).await;
    commit(&store, message(5).duplicate_key("HER:2", "m", "8093")).await;
}

pub(crate) async fn of_two_in_one_batch_the_first_wins_and_the_others_are_taken(rig: impl Rig) {
    let store = rig.open().await;
    let batch = vec![
        message(1).to("folder:a").duplicate_key("HER:1", "m", ""),
        message(2).to("folder:a").duplicate_key("HER:1", "m", ""),
        message(3).to("folder:a").idempotency_key("k").bytes(b"one"),
        message(4).to("folder:a").idempotency_key("k").bytes(b"two"),
        message(5).to("folder:a"),
    ];
    let results = store.commit(batch).await.expect("a commit");
    assert!(matches!(
        results.as_slice(),
        [
            CommitResult::Committed(_),
            CommitResult::Stale,
            CommitResult::Committed(_),
            CommitResult::Repeated { message, same_content: false },
            CommitResult::Committed(_)
        ] if *message == message_id(3)
    ));
    assert_eq!(claim(&store, "folder:a", 10, 10).await.len(), 3);
}

pub(crate) async fn the_same_idempotency_key_names_the_first_message(rig: impl Rig) {
    let store = rig.open().await;
    let first = message(1).idempotency_key("k").bytes(b"same");
    let hash = first.content_hash;
    commit(&store, first).await;
    assert_eq!(store.repeated("http", "k").await, Ok(Some((message_id(1), hash))));
    assert_eq!(store.repeated("folder:in", "k").await, Ok(None), "a key is its source's own");

    let same = message(2).idempotency_key("k").bytes(b"same");
    let other = message(3).idempotency_key("k").bytes(b"other");
    let mut elsewhere = message(4).idempotency_key("k");
    elsewhere.arrival.source = "folder:in".into();
    let results = store.commit(vec![same, other]).await.expect("a commit");
    let repeated = |same_content| CommitResult::Repeated { message: message_id(1), same_content };
    assert_eq!(results, [repeated(true), repeated(false)]);
    commit(&store, elsewhere).await;
}

pub(crate) async fn a_commit_offered_again_is_answered_again(rig: impl Rig) {
    let store = rig.open().await;
    let entry = message(1).to("folder:a").duplicate_key("HER:1", "m", "").idempotency_key("k");
    commit(&store, entry.clone()).await;
    commit(&store, entry).await;
    assert_eq!(store.ledger().await.expect("the books").messages.accepted, 1);
}

pub(crate) async fn look_ups_are_answered_in_order(rig: impl Rig) {
    let store = rig.open().await;
    let first = message(1).duplicate_key("HER:1", "m", "2").duplicate_key("HER:1", "m", "3");
    let hash = first.content_hash;
    commit(&store, first).await;
    let older = commit(&store, message(2).head("M-2").to("folder:a").original_key("doc", "8093")).await;
    let newer = commit(
        &store,
        message(3)
            .recipient(|r| {
                r.destination = Some(destination("folder:a"));
                r.receipt_written = true;
            })
            .original_key("doc", "8093")
            .original_key("M-3", "8093"),
    )
    .await;

    let seen = |msg_id: &str| Lookup::Seen { sender: "HER:1".into(), msg_id: msg_id.into() };
    let original =
        |id: &str, receiver: &str| Lookup::Original(OriginalKey { id: id.into(), receiver: receiver.into() });
    let lookups = [
        vec![original("doc", "8093")],
        vec![],
        vec![seen("nothing"), original("M-3", "1"), seen("m")],
        vec![original("M-3", "8093")],
    ];
    let known = store.look_up(&lookups).await.expect("answers");
    assert_eq!(known.len(), 4);
    let ids: Vec<RecipientId> = known[0].originals.iter().map(|o| o.recipient).collect();
    assert_eq!(ids, [older[0], newer[0]], "oldest first");
    assert!(known[0].originals[0].generated.is_some());
    assert!(!known[0].originals[0].receipt_written && known[0].originals[1].receipt_written);
    assert_eq!((known[1].seen.len(), known[1].originals.len()), (0, 0));
    let receivers: Vec<&str> = known[2].seen.iter().map(|s| s.receiver.as_str()).collect();
    assert_eq!(receivers, ["2", "3"]);
    assert!(known[2].seen.iter().all(|s| s.message == message_id(1) && s.content_hash == hash));
    assert!(known[2].originals.is_empty(), "another receiver's receipt answers nothing");
    assert_eq!(known[3].originals.len(), 1);
}

/// As a transport with envelopes says it.
fn said() -> Arc<Transport> {
    Arc::new(Transport {
        message_id: Some("8f2fd3c7-6f4b-4d22-8b67-3c1d7f7f0a11".into()),
        reply_to: Some("93238_async".into()),
        properties: [("X-Odd \"name\"".to_owned(), "æøå\n".to_owned())].into(),
        ..Transport::default()
    })
}

fn label(role: Role) -> Label {
    Label {
        subject: Some("SVAR_LAB".into()),
        from: Some(HerId(1)),
        made: Some(at(1)),
        role,
        ..Label::default()
    }
}

pub(crate) async fn what_was_sent_is_known_by_its_id(rig: impl Rig) {
    let store = rig.open().await;
    let mut first = message(1).recipient(|r| {
        r.destination = Some(destination("folder:a"));
        r.label = label(Role::Sync);
    });
    first.arrival.transport = Some(said());
    let ids = commit(&store, first).await;
    let claimed = store.claim(&destination("folder:a"), at(9), 1).await.expect("a claim");
    assert_eq!(claimed[0].label, label(Role::Sync), "the same at every attempt");

    let lookups = [vec![Lookup::Sent(ids[0])], vec![Lookup::Sent(RecipientId(Uuid::from_u128(1)))]];
    let known = store.look_up(&lookups).await.expect("answers");
    let wanted = Sent {
        recipient: ids[0],
        message: message_id(1),
        receiver: Some(HerId(8093)),
        state: State::Sending,
        label: label(Role::Sync),
        transport: Some(said()),
    };
    assert_eq!(known[0].sent, [wanted]);
    assert!(known[1].sent.is_empty());
}

pub(crate) async fn errors_are_counted_by_party_and_time(rig: impl Rig) {
    let store = rig.open().await;
    for n in 1..=4 {
        let role = if n == 2 { Role::Async } else { Role::Error };
        let mut entry = message(n).receipt_to("folder:a");
        entry.documents[0].kind =
            if role == Role::Error { DocumentKind::TransportError } else { DocumentKind::Receipt };
        entry.recipients[0].label = label(role);
        commit(&store, entry).await;
    }
    let errors = |party, second| vec![Lookup::ErrorsTo { party: HerId(party), since: at(second) }];
    let lookups = [errors(8093, 0), errors(8093, 3), errors(1, 0), errors(8093, 5)];
    let known = store.look_up(&lookups).await.expect("answers");
    assert_eq!(known.iter().map(|k| k.errors).collect::<Vec<_>>(), [3, 2, 0, 0]);
}

pub(crate) async fn what_a_transport_said_is_kept(rig: impl Rig) {
    let store = rig.open().await;
    let mut entry = message(1).to("folder:a");
    entry.arrival.transport = Some(said());
    commit(&store, entry).await;
    commit(&store, message(2)).await;
    let store = rig.kill(store).await;
    let transport = |record: Option<MessageRecord>| record.expect("it is there").transport;
    assert_eq!(transport(store.message(message_id(1)).await.expect("a search")), Some(said()));
    assert_eq!(transport(store.message(message_id(2)).await.expect("a search")), None);
}

pub(crate) async fn a_remark_is_told_and_changes_nothing(rig: impl Rig) {
    let store = rig.open().await;
    let ids = commit(&store, message(1).to("folder:a")).await;
    let mut error = message(2);
    let unknown = RecipientId(Uuid::from_u128(1));
    let remark = |recipient| Remark { recipient, what: "transport_error".into(), detail: "so".into() };
    error.remarks = vec![remark(ids[0]), remark(unknown)];
    commit(&store, error).await;
    let record = store.message(message_id(1)).await.expect("a search").expect("it is there");
    let last = record.events.last().expect("events");
    assert_eq!((last.what.as_str(), last.detail.as_deref()), ("transport_error", Some("so")));
    assert_eq!((last.at, last.recipient), (at(2), Some(ids[0])));
    assert_eq!(state(&store, ids[0]).await, State::Waiting);
    assert_eq!(store.broken_link().await, Ok(None));
}

pub(crate) async fn many_commits_at_once_are_all_taken(rig: impl Rig) {
    let store = rig.open().await;
    let tasks: Vec<_> = (0..120)
        .map(|n| {
            let store = store.clone();
            // Of three neighbours one key: one is taken, two are stale.
            let entry = message(n).to("folder:a").duplicate_key("HER:1", &(n / 3).to_string(), "");
            tokio::spawn(async move { store.commit(vec![entry]).await })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        let results = task.await.expect("the task ends").expect("a commit");
        taken += results.iter().filter(|r| matches!(r, CommitResult::Committed(_))).count();
    }
    assert_eq!(taken, 40);
    let ledger = store.ledger().await.expect("the books");
    assert_eq!(ledger.messages.accepted, 40);
    assert!(ledger.balances());
    assert_eq!(store.broken_link().await, Ok(None));
}

pub(crate) async fn a_full_disk_stops_intake_and_nothing_else(rig: impl Rig) {
    let store = rig.open().await;
    let ids = commit(&store, message(1).to("folder:a").to("folder:a")).await;
    let store = rig.fill(store).await;
    assert_eq!(store.commit(vec![message(2).to("folder:a")]).await, Err(StoreError::Full));
    assert!(store.message(message_id(2)).await.expect("a search").is_none());
    // What is inside goes out, and can be read.
    assert_eq!(claim(&store, "folder:a", 10, 10).await, ids);
    let settlements = ids.iter().map(|id| settlement(*id, Event::HandOver)).collect::<Vec<_>>();
    assert_eq!(store.settle(&settlements, at(11)).await, Ok(2));
    assert!(store.body(message_id(1)).await.expect("a body").is_some());
    let store = rig.empty(store).await;
    commit(&store, message(2).to("folder:a")).await;
    assert!(store.ledger().await.expect("the books").balances());
}

pub(crate) async fn what_was_answered_survives_a_kill(rig: impl Rig) {
    let store = rig.open().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.extend(
            commit(&store, message(n).to("folder:a").duplicate_key("HER:1", &n.to_string(), "")).await,
        );
    }
    assert_eq!(claim(&store, "folder:a", 10, 2).await.len(), 2);
    assert_eq!(store.settle(&[settlement(ids[0], Event::HandOver)], at(10)).await, Ok(1));
    let store = rig.kill(store).await;
    let ledger = store.ledger().await.expect("the books");
    assert!(ledger.balances());
    let states = &ledger.messages.states;
    assert_eq!((states["handed_over"], states["sending"], states["waiting"]), (1, 1, 3));
    assert_eq!(store.broken_link().await, Ok(None));
    let again = message(9).duplicate_key("HER:1", "4", "");
    assert_eq!(store.commit(vec![again]).await, Ok(vec![CommitResult::Stale]));
    assert_eq!(store.body(message_id(4)).await.expect("a body").as_deref(), Some(&*message(4).arrival.bytes));
}
