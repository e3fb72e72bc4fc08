//! Publishing end to end: our adapters against stand-ins that refuse what the real ones refuse.

mod given;
mod hostile;

use adapters::publish::{Options, Outcome, Publisher, Trouble};
use given::{made, national, now, target, version};
use message_schemas::document::Format;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use servers::stores::registry::Domain;
use servers::stores::store::Store;
use servers::stores::tokens::Tokens;
use sharing::answers::NotAsPublished;
use sharing::target::{Kind, Withdraw};
use sharing::{Published, Target, withdrawal};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

struct Rig {
    store: Store,
    tokens: Arc<Tokens>,
    publisher: Publisher,
    _folder: tempfile::TempDir,
}

async fn rig() -> Rig {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let public = PKey::public_key_from_der(&key.public_key_to_der().expect("DER")).expect("a key");
    let tokens = Arc::new(Tokens::new(public));
    let store = Store::start(Arc::clone(&tokens)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let publisher = national(&store.server.url(""), folder.path(), &key);
    Rig { store, tokens, publisher, _folder: folder }
}

impl Rig {
    fn current(&self) -> Vec<String> {
        let entries = self.store.state.entries.lock().expect("not poisoned");
        entries.iter().filter(|(_, k)| k.current).map(|(id, _)| id.clone()).collect()
    }
}

fn done(outcome: Outcome) -> Vec<Published> {
    match outcome {
        Outcome::Done(published) => published,
        other @ (Outcome::Refused(_) | Outcome::Again { .. }) => panic!("{other:?}"),
    }
}

fn again(outcome: Outcome) -> (Trouble, Option<Duration>) {
    match outcome {
        Outcome::Again { trouble, after } => (trouble, after),
        other @ (Outcome::Refused(_) | Outcome::Done(_)) => panic!("{other:?}"),
    }
}

fn refused(outcome: Outcome) -> Trouble {
    match outcome {
        Outcome::Refused(trouble) => trouble,
        other @ (Outcome::Again { .. } | Outcome::Done(_)) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_national_store_takes_replaces_and_deletes() {
    let rig = rig().await;
    let target = rig.publisher.target().clone();
    let first = made("m1", &target, &[]);
    let patient = first.common.patient.id.clone();
    let old = done(rig.publisher.publish(&first).await);
    assert_eq!(old.len(), 3);
    assert_eq!(rig.publisher.check(&old, &patient).await, Ok(Vec::new()));
    assert_eq!(done(rig.publisher.publish(&first).await), old, "twice gives one entry");
    assert_eq!(rig.current().len(), 3);

    let second = made("m2", &target, &old);
    let new = done(rig.publisher.publish(&second).await);
    let mut current = rig.current();
    current.sort();
    let mut expected: Vec<String> = new.iter().map(|p| p.entry.to_string()).collect();
    expected.sort();
    assert_eq!(current, expected, "the new version alone is in use");
    assert!(old.iter().all(|p| p.location.is_some()));
    let differences = rig.publisher.check(&old, &patient).await.expect("it answers");
    assert_eq!(differences.len(), 3, "the old one is not in use any longer");

    let all = [old, new].concat();
    let way = withdrawal(&version("m3").0, &all, &target, now()).expect("it can be withdrawn");
    done(rig.publisher.withdraw(&way).await);
    assert!(
        rig.store.state.entries.lock().expect("not poisoned").is_empty(),
        "every version and format is gone"
    );
    done(rig.publisher.withdraw(&way).await);

    let id = patient.value;
    for asked in rig.store.server.log() {
        assert!(!asked.target.contains(&id), "a national id in an address");
        assert!(asked.headers.values().all(|v| !v.contains(&id)), "a national id in a header");
    }
    assert_eq!(rig.tokens.given(), 1, "one token is enough for all of it");
}

#[tokio::test]
async fn what_was_taken_although_no_answer_came_is_known_again() {
    let rig = rig().await;
    let submission = made("m1", rig.publisher.target(), &[]);
    rig.store.state.lose_answer.store(true, Ordering::SeqCst);
    let (trouble, _) = again(rig.publisher.publish(&submission).await);
    assert_eq!(trouble.code, "N13");
    assert_eq!(rig.current().len(), 3, "it had been taken");
    assert_eq!(done(rig.publisher.publish(&submission).await).len(), 3);
    assert_eq!(rig.current().len(), 3);
}

#[tokio::test]
async fn other_content_under_our_id_is_no_success() {
    let rig = rig().await;
    let mut submission = made("m1", rig.publisher.target(), &[]);
    let patient = submission.common.patient.id.clone();
    let published = done(rig.publisher.publish(&submission).await);
    let entry = submission.entries.first_mut().expect("an entry");
    entry.bytes.push(b'\n');
    entry.sha1 = openssl::sha::sha1(&entry.bytes);
    assert_eq!(refused(rig.publisher.publish(&submission).await).code, "N11");
    // And what a store has changed is seen when it is asked.
    let mut kept = rig.store.state.entries.lock().expect("not poisoned").clone();
    let first = published.first().expect("an entry").entry.to_string();
    kept.get_mut(&first).expect("kept").bytes.push(b' ');
    *rig.store.state.entries.lock().expect("not poisoned") = kept;
    let differences = rig.publisher.check(&published, &patient).await.expect("it answers");
    assert_eq!(differences, [(Format::KithXml, NotAsPublished::OtherBytes)]);
}

#[tokio::test]
async fn the_store_refuses_what_it_must_and_we_tell_its_codes_alone() {
    let rig = rig().await;
    let submission = made("m1", rig.publisher.target(), &[]);
    let mut wrong_hash = submission.clone();
    wrong_hash.entries.first_mut().expect("an entry").sha1 = [0; 20];
    let trouble = refused(rig.publisher.publish(&wrong_hash).await);
    assert_eq!((trouble.code, trouble.why.as_str()), ("N10", "XDSNonIdenticalHash, invalid"));
    let mut unknown = submission.clone();
    let relation = unknown.relations.first_mut().expect("a relation");
    (relation.within, relation.target) = (false, relation.id);
    assert_eq!(refused(rig.publisher.publish(&unknown).await).code, "N10");
    let mut letters = submission;
    letters.entries.first_mut().expect("an entry").title = "Ġ".to_owned();
    assert_eq!(refused(rig.publisher.publish(&letters).await).code, "N10");
    assert!(rig.current().is_empty(), "all or nothing");
}

#[tokio::test]
async fn tokens_are_renewed_and_their_refusal_is_told() {
    let rig = rig().await;
    let target = rig.publisher.target().clone();
    done(rig.publisher.publish(&made("m1", &target, &[])).await);
    rig.tokens.revoke();
    done(rig.publisher.publish(&made("m2", &target, &[])).await);
    assert_eq!(rig.tokens.given(), 1, "a token that was not taken is asked for anew");
    rig.tokens.revoke();
    rig.tokens.refuse();
    let (trouble, _) = again(rig.publisher.publish(&made("m3", &target, &[])).await);
    assert_eq!(trouble.code, "N14");
    let (trouble, _) = again(rig.publisher.publish(&made("m3", &target, &[])).await);
    assert!(trouble.why.contains("invalid_client"), "{trouble}");
}

#[tokio::test]
async fn a_store_that_is_down_is_asked_again_later() {
    let rig = rig().await;
    let submission = made("m1", rig.publisher.target(), &[]);
    rig.store.state.down.store(true, Ordering::SeqCst);
    let (trouble, after) = again(rig.publisher.publish(&submission).await);
    assert_eq!((trouble.code, after), ("N13", Some(Duration::from_secs(7))));
    rig.store.state.down.store(false, Ordering::SeqCst);
    done(rig.publisher.publish(&submission).await);
    let nobody = Publisher::build(target(Kind::Mhd), Options::new(Kind::Mhd, "http://127.0.0.1:1/fhir"));
    let submission = made("m1", &target(Kind::Mhd), &[]);
    let (trouble, _) = again(nobody.expect("a publisher").publish(&submission).await);
    assert_eq!(trouble.code, "N13");
}

async fn domain(withdraw: Withdraw) -> (Domain, Publisher) {
    let domain = Domain::start().await;
    let mut options = Options::new(Kind::Xds, domain.server.url("/repository"));
    options.registry_url = Some(domain.server.url("/registry"));
    options.timeout = Duration::from_secs(2);
    let target = Target { withdraw, ..target(Kind::Xds) };
    (domain, Publisher::build(target, options).expect("a publisher"))
}

fn approved(domain: &Domain) -> usize {
    domain.state.entries.lock().expect("not poisoned").values().filter(|k| k.approved).count()
}

#[tokio::test]
async fn a_domain_takes_replaces_and_withdraws_in_each_way() {
    for way in [Withdraw::Delete, Withdraw::Deprecate, Withdraw::Tombstone] {
        let (domain, publisher) = domain(way).await;
        let target = publisher.target().clone();
        let first = made("m1", &target, &[]);
        let patient = first.common.patient.id.clone();
        let old = done(publisher.publish(&first).await);
        assert_eq!(publisher.check(&old, &patient).await, Ok(Vec::new()));
        assert_eq!(done(publisher.publish(&first).await), old, "twice gives one entry");
        assert_eq!(approved(&domain), 3);
        let new = done(publisher.publish(&made("m2", &target, &old)).await);
        assert_eq!(approved(&domain), 3, "of the new version");
        let differences = publisher.check(&old, &patient).await.expect("it answers");
        assert!(differences.iter().all(|d| d.1 == NotAsPublished::NotApproved) && differences.len() == 3);
        let all = [old, new.clone()].concat();
        // Only what is in use can be replaced by a tombstone; all of it can be deleted.
        let gone = if way == Withdraw::Tombstone { &new } else { &all };
        let withdrawn = withdrawal(&version("m3").0, gone, &target, now()).expect("it can be withdrawn");
        done(publisher.withdraw(&withdrawn).await);
        let left = domain.state.entries.lock().expect("not poisoned").clone();
        match way {
            Withdraw::Delete => assert!(left.is_empty()),
            Withdraw::Deprecate => assert!(left.len() == 6 && approved(&domain) == 0),
            Withdraw::Tombstone => {
                let stones: Vec<_> = left.values().filter(|k| k.approved).collect();
                assert!(
                    stones.len() == 1 && stones.iter().all(|k| k.bytes.starts_with(b"Dokumentet er trukket"))
                );
            }
        }
        done(publisher.withdraw(&withdrawn).await);
    }
}

#[tokio::test]
async fn a_domain_that_warns_has_not_taken_it_and_one_that_is_silent_is_asked_again() {
    let (domain, publisher) = domain(Withdraw::Delete).await;
    let submission = made("m1", publisher.target(), &[]);
    domain.state.warn.store(true, Ordering::SeqCst);
    assert_eq!(refused(publisher.publish(&submission).await).why, "XDSExtraMetadataNotSaved");
    let other = made("m2", publisher.target(), &[]);
    domain.state.lose_answer.store(true, Ordering::SeqCst);
    assert_eq!(again(publisher.publish(&other).await).0.code, "N13");
    assert_eq!(done(publisher.publish(&other).await).len(), 3, "it had been taken");
    let mut unknown = made("m3", publisher.target(), &[]);
    let relation = unknown.relations.first_mut().expect("a relation");
    relation.target = relation.id;
    assert_eq!(refused(publisher.publish(&unknown).await).why, "XDSReplaceFailed");
    let mut wrong = made("m4", publisher.target(), &[]);
    wrong.entries.first_mut().expect("an entry").sha1 = [0; 20];
    assert_eq!(refused(publisher.publish(&wrong).await).why, "XDSRepositoryMetadataError");
}

#[test]
fn every_code_has_a_page() {
    for code in sharing::refusal::CODES {
        assert!(dead_letter::page(code).is_some(), "{code}");
    }
}
