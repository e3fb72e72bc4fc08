//! What every registry of communication parties keeps to, and what the one on the net does when that one misbehaves.

use crate::country::{Country, deactivated, enveloped, national, options, service};
use crate::web::{Answer, Server};
use adapters::memory::MemoryPartyRegistry;
use adapters::registry::{National, NationalOptions};
use broker_core::ports::{Cursor, NotListed, PartyRegistry};
use jiff::SignedDuration;
use message_schemas::HerId;
use routing_rules::{AddressKind, ElectronicAddress, Queue, RegistryEntry, RegistryKind};
use std::collections::BTreeSet;

const PARTY: HerId = HerId(8_141_705);
const STRANGER: HerId = HerId(1_234);

fn is_away<T: std::fmt::Debug>(answer: Result<T, NotListed>) -> bool {
    matches!(answer, Err(NotListed::Unavailable(_)))
}

/// With a change that is told ahead, an end, and an organisation as its own.
fn various() -> [RegistryEntry; 3] {
    let later = ElectronicAddress {
        kind: AddressKind::Queue(Queue::Async),
        address: "bus.example/Namespace/8141703_new".to_owned(),
        inherited: false,
        from: "2027-01-01T11:00:00Z".parse().ok(),
    };
    let mut changing = service(8_141_705);
    changing.addresses.push(later);
    let ending = RegistryEntry { valid_to: "2026-12-31T23:00:00Z".parse().ok(), ..service(8_141_706) };
    let person = RegistryEntry { kind: RegistryKind::Person, ..service(8_141_707) };
    [changing, ending, person]
}

/// What every registry keeps to. It lists `various()`, and nothing has changed before that.
async fn keeps_the_contract(registry: impl PartyRegistry, list: impl Fn(RegistryEntry)) {
    let various = various();
    for entry in &various {
        assert_eq!(&registry.party(entry.her_id).await.unwrap(), entry);
    }
    assert_eq!(registry.party(STRANGER).await, Err(NotListed::UnknownParty));

    let wanted = BTreeSet::from([PARTY, STRANGER]);
    let whole = registry.all(&wanted).await.unwrap().expect("it has a feed");
    assert_eq!(whole.parties, various[..1]);
    let nothing = registry.changes(&whole.cursor).await.unwrap();
    assert!(nothing.changes.is_empty() && !nothing.more && nothing.cursor == whole.cursor, "{nothing:?}");

    for her_id in [8_141_705, 8_141_706, 8_141_705] {
        list(deactivated(her_id));
    }
    let (mut cursor, mut seen) = (whole.cursor, Vec::new());
    loop {
        let page = registry.changes(&cursor).await.unwrap();
        assert_ne!(page.cursor, cursor, "it goes on");
        seen.extend(page.changes.into_iter().map(|c| (c.her_id, c.entry.is_some_and(|e| !e.active))));
        cursor = page.cursor;
        if !page.more {
            break;
        }
    }
    let second = HerId(8_141_706);
    assert_eq!(seen, [(PARTY, true), (second, true), (PARTY, true)], "all, in their order, none twice");
    assert!(!registry.party(PARTY).await.unwrap().active);
    let nowhere = registry.changes(&Cursor("nowhere & never".to_owned())).await;
    assert_eq!(nowhere.unwrap_err(), NotListed::UnknownParty);
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    let registry = MemoryPartyRegistry::new();
    various().into_iter().for_each(|entry| registry.list(entry));
    keeps_the_contract(registry.clone(), |entry| registry.list(entry)).await;
}

#[tokio::test]
async fn the_web_keeps_the_contract() {
    let country = Country::default();
    various().into_iter().for_each(|entry| country.list(entry));
    let server = country.server().await;
    keeps_the_contract(national(&server), |entry| country.list(entry)).await;
}

#[tokio::test]
async fn the_registry_s_own_documents_are_read() {
    let Some(shared) = system_tests::shared("the_registry_s_own_documents_are_read") else { return };
    let folder = shared.join("vectors/helsenorge/registry");
    let server = Server::start(move |asked| {
        let her_id = asked.path.rsplit('/').next().unwrap();
        let file = folder.join(format!("CommunicationDetailsRest_{her_id}.json"));
        std::fs::read(file).map_or(Answer::Says(404, Vec::new()), |bytes| Answer::Says(200, bytes))
    })
    .await;
    let registry = national(&server);
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    for (her_id, kind) in [(8_141_705, RegistryKind::Service), (8_141_791, RegistryKind::Person)] {
        let entry = registry.party(HerId(her_id)).await.unwrap();
        assert_eq!((entry.kind, entry.parent), (kind, Some(HerId(8_141_703))));
        assert!(entry.takes_part(now));
        for (queue, name) in [
            (Queue::Async, "8141703_async"),
            (Queue::Sync, "8141703_sync"),
            (Queue::SyncReply, "8141703_syncreply"),
            (Queue::Error, "8141703_error"),
        ] {
            let address = entry.address(&AddressKind::Queue(queue), now).unwrap();
            assert!(address.inherited && address.queue().unwrap().name() == name, "{address:?}");
        }
        assert!(
            entry.address(&AddressKind::Certificates, now).is_some_and(|a| a.address.starts_with("ldap://"))
        );
    }
}

#[tokio::test]
async fn a_registry_that_asks_for_patience_gets_it() {
    let server = Server::start(|_| Answer::Later(429, 7)).await;
    let registry = national(&server);
    let later = NotListed::Later(SignedDuration::from_secs(7));
    assert_eq!(registry.party(PARTY).await, Err(later.clone()));
    assert_eq!(registry.changes(&Cursor("event-1".to_owned())).await, Err(later.clone()));
    assert_eq!(registry.all(&BTreeSet::new()).await, Err(later));
    server.now(|_| Answer::Says(429, Vec::new()));
    assert!(is_away(registry.party(PARTY).await), "it does not say when");
}

#[tokio::test]
async fn a_registry_that_misbehaves_is_away_and_not_believed() {
    let server = Server::start(|_| Answer::Hangs).await;
    let registry = national(&server);
    let wanted = BTreeSet::from([PARTY]);
    let other = enveloped(&service(8_141_706)).to_string().into_bytes();
    let half = br#"{"lastEventId":"event-1","communicationParties":["#.to_vec();
    for answer in [
        Answer::Hangs,
        Answer::Floods,
        Answer::Says(200, b"<html>".to_vec()),
        Answer::Says(200, b"{}".to_vec()),
        Answer::Says(200, other),
        Answer::Says(500, Vec::new()),
        Answer::BreaksOff(half),
    ] {
        let now = answer.clone();
        server.now(move |_| now.clone());
        assert!(is_away(registry.party(PARTY).await), "{answer:?}");
        assert!(is_away(registry.all(&wanted).await), "{answer:?}");
    }
    server.now(|_| Answer::Says(200, br#"{"lastEventId":"event-1"}"#.to_vec()));
    assert!(is_away(registry.all(&wanted).await), "a country without anybody is none");
    for body in [&b"[]"[..], b"{}", b"null"] {
        server.now(|_| Answer::Says(200, body.to_vec()));
        assert!(
            is_away(registry.changes(&Cursor("event-1".to_owned())).await),
            "no word of changes is not none"
        );
    }
}

#[tokio::test]
async fn one_party_that_cannot_be_read_does_not_hide_the_others() {
    let country = Country::default();
    country.list(service(8_141_706));
    let server = country.server().await;
    let faulty = r#"{"HerId":8141705,"Active":"perhaps"}"#;
    let shown = country.clone();
    let before_others = move |text: String| {
        let list = r#""communicationParties":["#;
        text.replace(list, &format!("{list}{faulty},"))
    };
    server.now(move |asked| shown.answer(asked).edited(before_others));
    let wanted = BTreeSet::from([PARTY, HerId(8_141_706)]);
    let whole = national(&server).all(&wanted).await.unwrap().unwrap();
    assert_eq!(whole.parties, [service(8_141_706)]);
    server.now(move |_| {
        let event = format!(r#"{{"eventId":"event-2","herId":8141705,"communicationParty":{faulty}}}"#);
        Answer::Says(200, format!(r#"{{"communicationParties":[{event}]}}"#).into_bytes())
    });
    let page = national(&server).changes(&whole.cursor).await.unwrap();
    assert_eq!(page.changes.first().map(|c| (c.her_id, c.entry.is_none())), Some((PARTY, true)));
    assert_eq!(page.cursor, Cursor("event-2".to_owned()), "the feed goes on");
}

#[tokio::test]
async fn the_token_is_shown_and_bad_addresses_are_found_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "secret-of-ours\n").unwrap();
    let server = Server::start(|asked| {
        let shown = asked.head.contains("authorization: bearer secret-of-ours")
            && asked.head.contains("accept: application/json");
        Answer::Says(if shown { 404 } else { 401 }, Vec::new())
    })
    .await;
    let registry = National::build(NationalOptions { token_file: Some(file), ..options(&server) }).unwrap();
    assert_eq!(registry.party(PARTY).await, Err(NotListed::UnknownParty));
    for wrong in ["http://x/parties", "ftp://x/{her_id}", "http://me:pass@x/{her_id}", "{her_id}"] {
        let options = NationalOptions { party_url: wrong.to_owned(), ..options(&server) };
        assert!(options.check().is_err(), "{wrong}");
    }
}
