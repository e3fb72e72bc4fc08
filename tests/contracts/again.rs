//! A stored message that is judged again: what the new decision replaces, and when nothing is done.

use crate::make::*;
use crate::rig::Rig;
use broker_core::journal::{
    CommitResult, Document, DocumentKind, Entry, JudgedAgain, Payload, RecipientId, SetAside, VerdictRecord,
};
use broker_core::lifecycle::State;
use broker_core::ports::Store;
use dead_letter::Reason;
use message_schemas::HerId;
use uuid::Uuid;

/// The bytes and kinds that a destination is handed.
async fn sent(store: &impl Store, name: &str, second: i64) -> Vec<(Option<DocumentKind>, Vec<u8>)> {
    let claimed = store.claim(&destination(name), at(second), 10).await.expect("a claim");
    claimed.into_iter().map(|d| (d.kind, d.bytes.to_vec())).collect()
}

fn parked(n: u128) -> Entry {
    let reason = Reason::RevocationUnknown;
    let mut entry = message(n).recipient(|r| {
        r.state = State::Parked;
        r.reason = Some(reason);
    });
    entry.verdict = VerdictRecord::Parked { reason };
    entry
}

/// The decision on message `n` made anew: one recipient that gets what was inside.
fn again(n: u128, at_second: i64, in_place_of: Vec<RecipientId>) -> Entry {
    let mut entry = message(n).to("folder:a").head("7");
    entry.recipients[0].id = RecipientId(Uuid::from_u128(9_000 + n));
    entry.recipients[0].payload = Payload::Document(0);
    entry.documents.push(Document {
        kind: DocumentKind::Opened,
        id: Uuid::from_u128(8_000 + n),
        bytes: b"<Inside/>".as_slice().into(),
    });
    entry.protection = Some(r#"{"layers":[]}"#.into());
    let who_and_why = Some("operator: mended".to_owned());
    entry.judged_again = Some(JudgedAgain { at: at(at_second), in_place_of, who_and_why });
    entry
}

fn ids(entry: &Entry) -> Vec<RecipientId> {
    entry.recipients.iter().map(|r| r.id).collect()
}

pub(crate) async fn a_new_decision_takes_the_place_of_what_lay_parked(rig: impl Rig) {
    let store = rig.open().await;
    let first = parked(1);
    commit(&store, first.clone()).await;
    assert!(claim(&store, "folder:a", 50, 10).await.is_empty());
    commit(&store, again(1, 60, ids(&first)).duplicate_key("HER:1", "m", "8093")).await;
    let store = rig.kill(store).await;

    let record = store.message(message_id(1)).await.expect("a search").expect("the message");
    assert_eq!(record.verdict, VerdictRecord::Accepted);
    assert_eq!(record.received, at(1), "it came when it came");
    assert!(record.head.is_some() && record.protection.is_some());
    let states: Vec<_> = record.recipients.iter().map(|r| (r.id, r.state)).collect();
    assert_eq!(
        states,
        [(first.recipients[0].id, State::Replaced), (RecipientId(Uuid::from_u128(9_001)), State::Waiting)]
    );
    let whats: Vec<_> = record.events.iter().map(|e| e.what.as_str()).collect();
    assert_eq!(whats, ["taken_in", "accepted", "judged_again", "replace", "accepted"]);
    assert_eq!(record.events[3].detail.as_deref(), Some("operator: mended"));
    assert_eq!(store.body(message_id(1)).await.expect("bytes").as_deref(), Some(&*first.arrival.bytes));

    let ledger = store.ledger().await.expect("the books");
    assert!(ledger.balances());
    assert_eq!(ledger.messages.accepted, 2);
    assert!(store.set_aside(&SetAside { limit: 9, ..SetAside::default() }).await.expect("a list").is_empty());
    assert_eq!(store.broken_link().await, Ok(None));
    assert_eq!(sent(&store, "folder:a", 60).await, [(Some(DocumentKind::Opened), b"<Inside/>".to_vec())]);
    // Its key is taken now.
    let other = message(2).duplicate_key("HER:1", "m", "8093");
    assert_eq!(store.commit(vec![other]).await, Ok(vec![CommitResult::Stale]));
}

pub(crate) async fn what_has_moved_on_is_not_replaced(rig: impl Rig) {
    let store = rig.open().await;
    let first = parked(1);
    commit(&store, first.clone()).await;
    let overtaken = Ok(vec![CommitResult::Overtaken]);
    let nobody = vec![RecipientId(Uuid::from_u128(77))];
    assert_eq!(store.commit(vec![again(1, 60, nobody)]).await, overtaken);
    assert_eq!(store.commit(vec![again(5, 60, ids(&first))]).await, overtaken, "no such message");
    commit(&store, again(1, 60, ids(&first))).await;
    // Offered twice, because the answer was lost.
    assert_eq!(store.commit(vec![again(1, 61, ids(&first))]).await, overtaken);
    let record = store.message(message_id(1)).await.expect("a search").expect("the message");
    assert_eq!(record.recipients.len(), 2);
    assert!(store.ledger().await.expect("the books").balances());
}

pub(crate) async fn a_key_that_another_took_makes_it_stale(rig: impl Rig) {
    let store = rig.open().await;
    let first = parked(1);
    commit(&store, first.clone()).await;
    commit(&store, message(2).duplicate_key("HER:1", "m", "8093")).await;
    let late = again(1, 60, ids(&first)).duplicate_key("HER:1", "m", "8093");
    assert_eq!(store.commit(vec![late]).await, Ok(vec![CommitResult::Stale]));
    let record = store.message(message_id(1)).await.expect("a search").expect("the message");
    assert_eq!(record.recipients[0].state, State::Parked, "nothing was done");
    assert_eq!(record.events.len(), 2);
}

pub(crate) async fn what_is_on_its_way_stays_there(rig: impl Rig) {
    let store = rig.open().await;
    let mut first = message(1).to("folder:b").recipient(|r| {
        r.state = State::Parked;
        r.reason = Some(Reason::CannotSeal);
    });
    first.recipients[0].payload = Payload::Document(0);
    first.documents.push(Document {
        kind: DocumentKind::FhirJson,
        id: Uuid::from_u128(70),
        bytes: b"{}".as_slice().into(),
    });
    commit(&store, first.clone()).await;
    commit(&store, again(1, 60, vec![first.recipients[1].id])).await;
    let store = rig.kill(store).await;
    assert_eq!(sent(&store, "folder:b", 70).await, [(Some(DocumentKind::FhirJson), b"{}".to_vec())]);
    let replaced = sent(&store, "folder:a", 70).await;
    assert_eq!(replaced, [(Some(DocumentKind::Opened), b"<Inside/>".to_vec())]);
}

pub(crate) async fn whom_the_transport_named_is_kept(rig: impl Rig) {
    let store = rig.open().await;
    let mut first = parked(1);
    first.arrival.envelope_receiver = Some(HerId(8093));
    first.arrival.envelope_sender = Some(HerId(8094));
    commit(&store, first).await;
    let store = rig.kill(store).await;
    let record = store.message(message_id(1)).await.expect("a search").expect("the message");
    assert_eq!((record.envelope_receiver, record.envelope_sender), (Some(HerId(8093)), Some(HerId(8094))));
}
