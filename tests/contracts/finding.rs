//! Finding: any id that a person may have in hand.

use super::make::{With as _, at, commit, destination, message, message_id, settlement};
use super::rig::Rig;
use broker_core::journal::{CommitResult, Entry, Evidence, Search, VerdictRecord};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::Store;
use broker_core::transport::Transport;
use dead_letter::Reason;
use message_schemas::head::{Party, Unit};
use message_schemas::{Code, Family, Finding, HerId, Ident, MessageId};
use std::sync::Arc;

const MSG_ID: &str = "E630B55B-D063-4BFA-8DB4-E4B0A22D2451";

async fn find(store: &impl Store, id: &str) -> Vec<MessageId> {
    store.find(id, 10).await.expect("a search").into_iter().map(|m| m.id).collect()
}

pub(crate) async fn a_message_is_found_by_every_id(rig: impl Rig) {
    let store = rig.open().await;
    let mut entry = message(1).head(MSG_ID).to("folder:a").receipt_to("folder:r");
    entry.head.as_mut().expect("a head").document_id = Some("Rapport 7".into());
    let document = entry.documents[0].id;
    let recipients = commit(&store, entry).await;
    commit(&store, message(2).head("another").to("folder:a")).await;

    let id = message_id(1);
    for text in [
        id.to_string(),
        id.to_string().to_uppercase(),
        id.short(),
        id.short().to_lowercase().replace('-', " "),
        MSG_ID.to_owned(),
        MSG_ID.to_lowercase(),
        MSG_ID.replace('-', ""),
        format!(" {MSG_ID}\n"),
        "Rapport 7".to_owned(),
        document.to_string(),
        recipients[0].0.to_string(),
        recipients[1].0.to_string(),
    ] {
        assert_eq!(find(&store, &text).await, [id], "{text:?}");
    }
    // What has no head is known by its envelope.
    let mut unread = message(3).to("folder:a");
    let transport = Transport {
        message_id: Some("URN:UUID:11111111-2222-4333-8444-555555555555".into()),
        ..Transport::default()
    };
    (unread.head, unread.arrival.transport) = (None, Some(Arc::new(transport)));
    commit(&store, unread).await;
    assert_eq!(find(&store, "11111111222243338444555555555555").await, [message_id(3)]);
    assert_eq!(store.documents(id).await.expect("a search").len(), 1);
    assert_eq!(store.documents(id).await.expect("a search")[0].id, document);
    for text in ["", " ", "Rapport", "no such id", "%", "00000000-0000-0000-0000-000000000000"] {
        assert_eq!(find(&store, text).await, [], "{text:?}");
    }
}

/// Every combination of what may be asked, on messages that differ in all of it, against what the words mean.
pub(crate) async fn messages_are_found_by_what_is_known_of_them(rig: impl Rig) {
    let store = rig.open().await;
    let ids: Vec<MessageId> = (1..=48).map(message_id).collect();
    for n in 1..=48_u128 {
        commit(&store, various(n)).await;
    }
    // Some are on their way, some have arrived, some lie still for another reason than their message's.
    for delivery in store.claim(&destination("folder:a"), at(100), 9).await.expect("a claim") {
        let settled = match delivery.message.0.as_u128() % 3 {
            0 => settlement(delivery.recipient, Event::HandOver),
            1 => {
                let reason = Some(Reason::ReceiverNotFound);
                broker_core::journal::Settlement { reason, ..settlement(delivery.recipient, Event::Park) }
            }
            _ => continue,
        };
        store.settle(&[settled], at(100)).await.expect("a change");
    }
    let mut all = Vec::new();
    for id in &ids {
        all.push(store.message(*id).await.expect("a search").expect("the message"));
    }
    all.sort_by_key(|record| std::cmp::Reverse((record.received, record.id.0)));

    let some = |set: u32, bit: u32| set & (1 << bit) != 0;
    let mut found_any = 0;
    for (set, limit) in (0..1 << 9).flat_map(|set| [(set, 100), (set, 2)]) {
        for turn in 0..2 {
            let either = |one: bool| if turn == 0 { one } else { !one };
            let wanted = Search {
                sender: some(set, 0).then(|| HerId(if either(true) { 8093 } else { 8094 })),
                family: some(set, 1).then_some(if either(true) {
                    Family::ResultReport
                } else {
                    Family::Referral
                }),
                verdict: some(set, 2).then_some(if either(true) { "refused" } else { "accepted" }),
                source: some(set, 3).then(|| if either(true) { "amqp:in" } else { "http" }.to_owned()),
                since: some(set, 4).then(|| at(8)),
                until: some(set, 4).then(|| at(if either(true) { 14 } else { 8 })),
                reason: some(set, 5).then_some(if either(true) {
                    Reason::NotForUs
                } else {
                    Reason::ReceiverNotFound
                }),
                receiver: some(set, 6).then_some(HerId(if either(true) { 1 } else { 2 })),
                destination: some(set, 7)
                    .then(|| destination(if either(true) { "folder:a" } else { "folder:b" })),
                state: some(set, 8).then_some(if either(true) { State::Parked } else { State::Sending }),
                limit,
            };
            let fitting = all.iter().filter(|record| wanted.wants(record)).take(limit);
            let expected: Vec<_> = fitting.map(|record| record.id).collect();
            let found = store.search(&wanted).await.expect("a search");
            assert_eq!(found.iter().map(|record| record.id).collect::<Vec<_>>(), expected, "{wanted:?}");
            found_any += usize::from(!expected.is_empty());
        }
    }
    assert!(found_any > 300, "only {found_any} questions found anything");
}

/// The n-th message: by its number, from one sender or the other, by its head or its envelope, judged so or so.
fn various(n: u128) -> Entry {
    let mut entry = message(n);
    // Three come at the same time.
    entry.arrival.received = at(i64::try_from(n / 3).expect("a small number"));
    if n.is_multiple_of(2) {
        entry.arrival.source = "amqp:in".into();
    }
    if !n.is_multiple_of(5) {
        entry = entry.head(&format!("id {n}"));
        let head = entry.head.as_mut().expect("a head");
        if n.is_multiple_of(3) {
            head.kind.family = Family::Referral;
        }
        // One in seven names nobody.
        let sender = if n.is_multiple_of(4) { "8094" } else { "8093" };
        head.sender = (!n.is_multiple_of(7)).then(|| party(sender));
    }
    entry.arrival.envelope_sender =
        (!n.is_multiple_of(11)).then_some(HerId(if n.is_multiple_of(2) { 8093 } else { 8094 }));
    let reason = if n.is_multiple_of(8) { Reason::ReceiverNotFound } else { Reason::NotForUs };
    entry.verdict = match n % 4 {
        0 => VerdictRecord::Refused { reason },
        1 => VerdictRecord::Parked { reason },
        _ => VerdictRecord::Accepted,
    };
    for to in 0..n % 4 {
        entry = entry.to(if to == 1 { "folder:b" } else { "folder:a" });
        let recipient = entry.recipients.last_mut().expect("a recipient");
        recipient.receiver = Some(HerId(1 + u32::from(to == 2)));
        if n.is_multiple_of(6) {
            (recipient.state, recipient.reason) = (State::Parked, Some(reason));
        }
    }
    entry
}

fn party(her_id: &str) -> Party {
    let ident = Ident { value: her_id.into(), kind: "HER".into(), system: None, display: None };
    Party { enterprise: Unit { name: None, idents: vec![ident] }, ..Party::default() }
}

pub(crate) async fn a_message_is_found_by_what_its_source_knew_it_by(rig: impl Rig) {
    let store = rig.open().await;
    let from = |source: &str, n: u128, key: &str| {
        let mut entry = message(n).idempotency_key(key).to("folder:a");
        entry.arrival.source = source.to_owned();
        entry
    };
    for entry in [
        from("amqp:in", 1, "8093/one"),
        from("amqp:in", 2, "8094/one"),
        from("amqp:other", 3, "8093/one"),
        from("amqp:in", 4, "8093/two"),
    ] {
        commit(&store, entry).await;
    }
    let keys = |of: &[(&str, &str)]| -> Vec<_> {
        of.iter().map(|(source, key)| ((*source).to_owned(), (*key).to_owned())).collect()
    };
    let mut asked = keys(&[("amqp:in", "8093/one"), ("amqp:in", "8094/one"), ("amqp:in", "8095/one")]);
    let found = async |keys: &[(String, String)]| {
        let mut found = store.first_under(keys).await.expect("a search");
        found.sort_by_key(|id| id.0);
        found
    };
    assert_eq!(found(&asked).await, [1, 2].map(message_id));
    // Among many of which nothing is known.
    asked.extend((0..5_000).map(|n| ("amqp:in".to_owned(), format!("{n}/two"))));
    assert_eq!(found(&asked).await, [1, 2].map(message_id));
    asked.push(("amqp:in".to_owned(), "8093/two".to_owned()));
    assert_eq!(found(&asked).await, [1, 2, 4].map(message_id));
    assert_eq!(found(&keys(&[("amqp:third", "8093/one"), ("amqp:in", "%"), ("", "")])).await, []);
    assert_eq!(found(&[]).await, []);
}

pub(crate) async fn a_shared_id_finds_all_newest_first(rig: impl Rig) {
    let store = rig.open().await;
    for n in 1..=4 {
        commit(&store, message(n).head(MSG_ID).to("folder:a")).await;
    }
    assert_eq!(find(&store, MSG_ID).await, [4, 3, 2, 1].map(message_id));
    assert_eq!(store.find(MSG_ID, 2).await.expect("a search").len(), 2);
}

pub(crate) async fn evidence_is_kept_once_and_found_by_its_hash(rig: impl Rig) {
    let store = rig.open().await;
    // A list of revoked certificates that many messages name, and what is one message's own.
    let list = Evidence::of(vec![7; 50_000].into());
    let own = |n: u8| Evidence::of(vec![n; 3].into());
    let protected = |n: u128, own: &Evidence| Entry {
        protection: Some(format!(r#"{{"list":"{}","own":"{}"}}"#, list.hash, own.hash)),
        evidence: vec![list.clone(), own.clone()],
        ..message(n)
    };
    assert_eq!(store.evidence(list.hash).await, Ok(None));
    assert_eq!(store.documents(message_id(1)).await, Ok(Vec::new()));
    let together = vec![protected(1, &own(1)), protected(2, &own(2)), message(3)];
    store.commit(together).await.expect("a commit");
    commit(&store, protected(4, &own(4))).await;
    let same_again = store.commit(vec![protected(4, &own(4))]).await.expect("a commit");
    assert!(matches!(same_again.as_slice(), [CommitResult::Committed(_)]));

    for evidence in [list.clone(), own(1), own(2), own(4)] {
        assert_eq!(store.evidence(evidence.hash).await, Ok(Some(evidence.bytes)));
    }
    assert_eq!(store.evidence(own(3).hash).await, Ok(None));
    for n in [1, 2, 4] {
        let record = store.message(message_id(n)).await.expect("a search").expect("the message");
        assert_eq!(record.protection.expect("an account")["list"], list.hash.to_string());
    }
    let plain = store.message(message_id(3)).await.expect("a search").expect("the message");
    assert_eq!(plain.protection, None);
}

pub(crate) async fn a_record_tells_everything(rig: impl Rig) {
    let store = rig.open().await;
    let mut entry = message(1).head(MSG_ID).to("folder:a").receipt_to("folder:r").recipient(|r| {
        r.receiver = None;
        r.state = State::Rejected;
        r.reason = Some(Reason::ReceiverNotFound);
    });
    entry.findings.push(Finding::new(Code::ReceiverIncomplete, "A receiver.", "Add it.").on("/Message[1]"));
    entry.explanation = Some(r#"{"receivers":[{"why":"rule 1"}]}"#.into());
    commit(&store, entry.clone()).await;
    let record = store.message(message_id(1)).await.expect("a search").expect("the message");
    assert_eq!(
        (record.id, record.short, record.source.as_str()),
        (message_id(1), message_id(1).short(), "http")
    );
    assert_eq!((record.received, record.content_hash), (entry.arrival.received, entry.content_hash));
    assert_eq!(record.size_bytes, entry.arrival.bytes.len() as u64);
    assert_eq!((record.verdict, record.head), (entry.verdict, entry.head));
    assert_eq!((record.findings, record.provenance), (entry.findings, (*entry.provenance).clone()));
    assert_eq!(record.explanation.expect("an account")["receivers"][0]["why"], "rule 1");
    let told: Vec<_> = record.recipients.iter().map(|r| (r.id, r.payload.as_str(), r.state)).collect();
    let ids: Vec<_> = entry.recipients.iter().map(|r| r.id).collect();
    assert_eq!(
        told,
        [
            (ids[0], "original", State::Waiting),
            (ids[1], "receipt", State::Waiting),
            (ids[2], "original", State::Rejected)
        ]
    );
    assert_eq!(record.recipients[0].destination, Some(destination("folder:a")));
    assert_eq!(record.recipients[1].document, Some(entry.documents[0].id));
    assert_eq!(
        (record.recipients[2].receiver, record.recipients[2].reason),
        (None, Some(Reason::ReceiverNotFound))
    );

    let reason = Reason::NotForUs;
    let verdicts = [
        VerdictRecord::AcceptedWithFindings,
        VerdictRecord::Refused { reason },
        VerdictRecord::Parked { reason },
        VerdictRecord::Duplicate { of: message_id(1) },
        VerdictRecord::Silent { reason },
    ];
    for (n, verdict) in (10..).zip(verdicts) {
        let mut entry = message(n);
        entry.verdict = verdict.clone();
        commit(&store, entry).await;
        let record = store.message(message_id(n)).await.expect("a search").expect("the message");
        assert_eq!((record.verdict, record.recipients.len()), (verdict, 0));
    }
}
