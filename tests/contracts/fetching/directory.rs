//! What is kept of a registry of communication parties.

use crate::Standing;
use crate::country::{Country, deactivated, national, service};
use crate::web::Answer;
use adapters::memory::MemoryPartyRegistry;
use adapters::registry::{Directory, DirectoryOptions, look_at_parties};
use broker_core::ports::{NotListed, PartyRegistry};
use jiff::SignedDuration;
use message_schemas::HerId;
use routing_rules::RegistryEntry;
use std::collections::BTreeSet;
use std::path::Path;

const NOW: &str = "2026-11-21T12:00:00Z";

fn ids(all: &[u32]) -> BTreeSet<HerId> {
    all.iter().copied().map(HerId).collect()
}

fn open<R: PartyRegistry>(source: R, folder: Option<&Path>, clock: &Standing) -> Directory<R> {
    let options = DirectoryOptions { folder: folder.map(Path::to_owned), ..DirectoryOptions::default() };
    Directory::open(source, options, clock.port()).unwrap()
}

fn is_active<R: PartyRegistry>(directory: &Directory<R>, her_id: u32) -> Option<bool> {
    directory.known().get(&HerId(her_id)).map(|entry| entry.active)
}

fn memory() -> MemoryPartyRegistry {
    let source = MemoryPartyRegistry::new();
    (1..=5).for_each(|her_id| source.list(service(her_id)));
    source
}

#[tokio::test]
async fn what_changes_is_followed_page_by_page() {
    let country = Country::default();
    (1..=5).for_each(|her_id| country.list(service(her_id)));
    let server = country.server().await;
    let directory = open(national(&server), None, &Standing::at(NOW));
    let wanted = ids(&[1, 2]);
    assert!(directory.is_stale(), "nothing is known yet");
    let first = directory.refresh(&wanted).await;
    assert_eq!((first.changed, first.trouble), (wanted.clone(), None));
    assert!(!directory.is_stale());
    assert_eq!(directory.refresh(&wanted).await.changed, ids(&[]));

    // More than a page, most of it about strangers.
    [3, 4, 5, 1, 3, 4, 5].into_iter().for_each(|her_id| country.list(deactivated(her_id)));
    let asked = server.asked();
    assert_eq!(directory.refresh(&wanted).await.changed, ids(&[1]));
    assert_eq!((is_active(&directory, 1), is_active(&directory, 2)), (Some(false), Some(true)));
    assert_eq!(server.asked() - asked, 4, "four pages");
    let asked = server.asked();
    directory.refresh(&wanted).await;
    assert_eq!(server.asked() - asked, 1, "strangers' changes are not read again and again");
}

#[tokio::test]
async fn it_survives_a_restart_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (source, clock, wanted) = (memory(), Standing::at(NOW), ids(&[1, 2]));
    let before = open(source.clone(), Some(folder.path()), &clock);
    before.refresh(&wanted).await;
    drop(before);
    source.list(deactivated(2));
    let looked = look_at_parties(folder.path()).unwrap();
    assert!(looked.len() == 2 && looked.values().all(|entry| entry.active));

    let after = open(source.clone(), Some(folder.path()), &clock);
    assert_eq!(after.known().len(), 2);
    let asked = source.asked();
    assert_eq!(after.refresh(&wanted).await.changed, ids(&[2]));
    assert_eq!(source.asked() - asked, 1, "the export is not read again");
    assert_eq!(is_active(&after, 2), Some(false));
}

#[tokio::test]
async fn a_registry_that_is_away_changes_nothing_and_is_left_alone() {
    let (source, clock, wanted) = (memory(), Standing::at(NOW), ids(&[1, 2]));
    let directory = open(source.clone(), None, &clock);
    directory.refresh(&wanted).await;
    source.set_away(Some(NotListed::Unavailable("away".to_owned())));
    clock.pass(SignedDuration::from_hours(11));
    let asked = source.asked();
    for _ in 0..20 {
        assert!(directory.refresh(&wanted).await.trouble.is_some());
    }
    assert_eq!(source.asked() - asked, 1);
    assert!(!directory.is_stale());
    clock.pass(SignedDuration::from_hours(2));
    directory.refresh(&wanted).await;
    assert!(directory.is_stale() && directory.age() == Some(SignedDuration::from_hours(13)));
    assert_eq!(directory.known().len(), 2, "it is served all the same");

    source.set_away(None);
    clock.pass(SignedDuration::from_mins(6));
    assert_eq!(directory.refresh(&wanted).await.trouble, None);
    assert!(!directory.is_stale());
}

#[tokio::test]
async fn a_registry_that_asks_for_patience_is_asked_no_sooner() {
    let country = Country::default();
    country.list(service(1));
    let server = country.server().await;
    let (clock, wanted) = (Standing::at(NOW), ids(&[1]));
    let directory = open(national(&server), None, &clock);
    server.now(|_| Answer::Later(429, 1200));
    let later = Some(NotListed::Later(SignedDuration::from_secs(1200)));
    assert_eq!(directory.refresh(&wanted).await.trouble, later);
    let shown = country.clone();
    server.now(move |asked| shown.answer(asked));
    clock.pass(SignedDuration::from_mins(19));
    assert_eq!(directory.refresh(&wanted).await.trouble, later);
    assert_eq!(server.asked(), 1);
    clock.pass(SignedDuration::from_mins(2));
    assert_eq!(directory.refresh(&wanted).await.trouble, None);
    assert_eq!(is_active(&directory, 1), Some(true));
}

#[tokio::test]
async fn a_lost_place_begins_anew_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (source, clock, wanted) = (memory(), Standing::at(NOW), ids(&[1, 2]));
    let directory = open(source.clone(), Some(folder.path()), &clock);
    directory.refresh(&wanted).await;
    source.list(deactivated(1));
    source.list(deactivated(9));
    source.forget_changes();
    let refreshed = directory.refresh(&wanted).await;
    assert_eq!((refreshed.changed, refreshed.trouble), (ids(&[1]), None));
    source.list(deactivated(2));
    assert_eq!(directory.refresh(&wanted).await.changed, ids(&[2]), "it follows again");
}

#[tokio::test]
async fn without_a_feed_each_party_is_asked_for_as_it_grows_old() {
    let (source, clock, wanted) = (memory(), Standing::at(NOW), ids(&[1, 2, 99]));
    source.take_feed_away();
    let directory = open(source.clone(), None, &clock);
    let first = directory.refresh(&wanted).await;
    assert_eq!((first.changed, first.unknown, first.trouble), (ids(&[1, 2]), ids(&[99]), None));
    let asked = source.asked();
    clock.pass(SignedDuration::from_hours(11));
    directory.refresh(&wanted).await;
    assert_eq!(
        source.asked() - asked,
        1,
        "there is no export, still; nobody is asked for, not the unknown one either"
    );
    source.list(deactivated(2));
    clock.pass(SignedDuration::from_hours(2));
    assert_eq!(directory.refresh(&wanted).await.changed, ids(&[2]));
}

#[tokio::test]
async fn a_change_that_cannot_be_read_is_asked_for_until_it_can_over_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let country = Country::default();
    country.list(service(1));
    let server = country.server().await;
    let (clock, wanted) = (Standing::at(NOW), ids(&[1]));
    let directory = open(national(&server), Some(folder.path()), &clock);
    directory.refresh(&wanted).await;
    country.list(deactivated(1));
    let shown = country.clone();
    // Whoever writes it writes nonsense for a while.
    let nonsense = |text: String| text.replace(r#""Active":false"#, r#""Active":"f""#);
    server.now(move |asked| shown.answer(asked).edited(nonsense));
    assert!(directory.refresh(&wanted).await.trouble.is_some());
    assert_eq!(is_active(&directory, 1), Some(true), "what was known last is served");
    drop(directory);

    let directory = open(national(&server), Some(folder.path()), &clock);
    let shown = country.clone();
    server.now(move |asked| shown.answer(asked));
    assert_eq!(directory.refresh(&wanted).await.changed, ids(&[1]));
    assert_eq!(is_active(&directory, 1), Some(false));
}

#[tokio::test]
async fn a_party_that_comes_later_is_read_and_one_that_goes_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (source, clock) = (memory(), Standing::at(NOW));
    let directory = open(source.clone(), Some(folder.path()), &clock);
    directory.refresh(&ids(&[1, 2])).await;
    assert_eq!(directory.refresh(&ids(&[2, 3])).await.changed, ids(&[1, 3]));
    let known: Vec<_> = directory.known().into_keys().collect();
    assert_eq!(known, [HerId(2), HerId(3)]);
    assert_eq!(look_at_parties(folder.path()).unwrap().len(), 2);
    let renamed = RegistryEntry { name: "Another name".to_owned(), ..service(1) };
    source.list(renamed.clone());
    assert_eq!(directory.refresh(&ids(&[1, 2])).await.changed, ids(&[1, 3]));
    assert_eq!(directory.known().get(&HerId(1)).map(|e| e.name.clone()), Some(renamed.name));
}
