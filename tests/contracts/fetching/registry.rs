//! Registries of partners' certificates.

use crate::Standing;
use crate::web::{Answer, Server};
use adapters::memory::MemoryRegistry;
use adapters::registry::{Files, Kept, KeptOptions, Rest, RestOptions};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker_core::ports::{NotListed, Registry};
use jiff::SignedDuration;
use message_schemas::HerId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use trust::Certificate;
use trust::chain::Purpose;
use trust::pki::Profile;
use trust::pki::demo::{Demo, valid};

const NOW: &str = "2026-11-21T12:00:00Z";
const PARTY: HerId = HerId(8_093_239);
const STRANGER: HerId = HerId(1_234);

fn signing() -> Arc<Certificate> {
    Arc::clone(Demo::shared().sender.signing.certificate())
}

fn sealing() -> Arc<Certificate> {
    Arc::clone(Demo::shared().sender.sealing.certificate())
}

fn sorted(mut certificates: Vec<Arc<Certificate>>) -> Vec<String> {
    certificates.sort_by_key(|c| c.thumbprint);
    certificates.iter().map(|c| c.thumbprint.to_string()).collect()
}

/// What every registry keeps to; it lists `PARTY` with both certificates and knows nobody else.
async fn keeps_the_contract(registry: impl Registry) {
    let found = registry.certificates(PARTY).await.unwrap();
    assert_eq!(sorted(found), sorted(vec![signing(), sealing()]));
    match registry.certificates(STRANGER).await {
        Ok(none) => assert!(none.is_empty()),
        Err(why) => assert_eq!(why, NotListed::UnknownParty),
    }
}

fn memory() -> MemoryRegistry {
    let registry = MemoryRegistry::new();
    registry.list(PARTY, vec![signing(), sealing()]);
    registry
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    keeps_the_contract(memory()).await;
}

#[tokio::test]
async fn files_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("8093239")).unwrap();
    std::fs::write(folder.path().join("8093239/sealing.der"), &sealing().der).unwrap();
    std::fs::write(folder.path().join("8093239-signing.cer"), &signing().der).unwrap();
    std::fs::write(folder.path().join("8093239-again.cer"), &signing().der).unwrap();
    std::fs::write(folder.path().join("README.txt"), "no certificate").unwrap();
    let files = Files::find(&[folder.path().to_owned()], BTreeMap::new()).unwrap();
    keeps_the_contract(files).await;

    let named = BTreeMap::from([(
        PARTY,
        vec![folder.path().join("8093239/sealing.der"), folder.path().join("8093239-signing.cer")],
    )]);
    keeps_the_contract(Files::find(&[], named).unwrap()).await;

    std::fs::write(folder.path().join("8093239-broken.pem"), "no certificate").unwrap();
    let files = Files::find(&[folder.path().to_owned()], BTreeMap::new()).unwrap();
    assert!(matches!(files.certificates(PARTY).await, Err(NotListed::Unavailable(_))));
    let faults = files.read(PARTY).unwrap_err();
    assert!(faults.iter().all(|f| f.path.ends_with("8093239-broken.pem")) && faults.len() == 1);
}

/// The registry's document, as the sector's address registry writes it.
fn document(certificate: &Certificate) -> Vec<u8> {
    let value = STANDARD.encode(&certificate.der);
    let text = format!(
        r#"{{"thumbprint":"42B5","validFrom":"2025-08-25T13:41:36+00:00","validTo":"2028-08-25T21:59:00+00:00","certificateValue":"{value}"}}"#
    );
    text.into_bytes()
}

fn rest(server: &Server) -> Rest {
    Rest::build(RestOptions {
        signing_url: server.url("/{her_id}/signing"),
        sealing_url: server.url("/{her_id}/sealing"),
        token_file: None,
        timeout: Duration::from_millis(500),
    })
    .unwrap()
}

#[tokio::test]
async fn the_web_keeps_the_contract() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/8093239/signing" => Answer::Says(200, document(&signing())),
        "/8093239/sealing" => Answer::Says(200, document(&sealing())),
        _ => Answer::Says(404, Vec::new()),
    })
    .await;
    keeps_the_contract(rest(&server)).await;
}

#[tokio::test]
async fn an_empty_certificate_is_a_fault_and_not_the_absence_of_one() {
    let server = Server::start(|_| Answer::Says(200, br#"{"certificateValue":""}"#.to_vec())).await;
    let registry = rest(&server);
    for body in [&br#"{"certificateValue":""}"#[..], b"{}", b"<html>", br#"{"certificateValue":"AAAA"}"#] {
        server.now(|_| Answer::Says(200, body.to_vec()));
        assert!(matches!(registry.certificates(PARTY).await, Err(NotListed::Unavailable(_))));
    }
    server.now(|_| Answer::Says(503, Vec::new()));
    assert!(matches!(registry.certificates(PARTY).await, Err(NotListed::Unavailable(_))));
}

#[tokio::test]
async fn the_sector_s_own_documents_are_read() {
    let Some(shared) = system_tests::shared("the_sector_s_own_documents_are_read") else { return };
    let folder = shared.join("vectors/ebxml/nav/adresseregister");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let (sign, encrypt) = (read("NavSignCert.json"), read("NavEncryptCert.json"));
    let server = Server::start(move |asked| {
        Answer::Says(200, if asked.path.ends_with("signing") { sign.clone() } else { encrypt.clone() })
    })
    .await;
    let kept = Kept::open(rest(&server), KeptOptions::default(), Standing::at(NOW).port()).unwrap();
    let told = kept.tell(HerId(79_768)).await.unwrap();
    let now = NOW.parse().unwrap();
    assert_eq!(told.as_of(Purpose::Signing, now).len(), 1);
    assert_eq!(told.as_of(Purpose::Sealing, now).len(), 1);
}

#[tokio::test]
async fn what_was_told_is_fresh_for_twelve_hours_and_served_stale_after() {
    let clock = Standing::at(NOW);
    let source = memory();
    let kept = Kept::open(source.clone(), KeptOptions::default(), clock.port()).unwrap();
    assert!(!kept.tell(PARTY).await.unwrap().stale);
    clock.pass(SignedDuration::from_hours(11));
    assert!(!kept.tell(PARTY).await.unwrap().stale);
    assert_eq!(source.asked(), 1);
    source.set_away(true);
    clock.pass(SignedDuration::from_hours(2));
    for _ in 0..20 {
        let told = kept.tell(PARTY).await.unwrap();
        assert!(told.stale && told.listed.len() == 2);
    }
    assert_eq!(source.asked(), 2, "a registry that is away is left alone");
    source.set_away(false);
    clock.pass(SignedDuration::from_mins(6));
    assert!(!kept.tell(PARTY).await.unwrap().stale);
}

#[tokio::test]
async fn an_unknown_party_is_not_asked_for_again_at_once() {
    let clock = Standing::at(NOW);
    let source = memory();
    let kept = Kept::open(source.clone(), KeptOptions::default(), clock.port()).unwrap();
    for _ in 0..20 {
        assert_eq!(kept.tell(STRANGER).await.unwrap_err(), NotListed::UnknownParty);
    }
    assert_eq!(source.asked(), 1);
    source.list(STRANGER, vec![signing()]);
    clock.pass(SignedDuration::from_mins(6));
    assert_eq!(kept.tell(STRANGER).await.unwrap().listed.len(), 1);
}

#[tokio::test]
async fn many_who_ask_for_one_party_are_one_question() {
    let source = memory();
    let kept = Kept::open(source.clone(), KeptOptions::default(), Standing::at(NOW).port()).unwrap();
    let all: Vec<_> = (0..50)
        .map(|_| {
            let kept = kept.clone();
            tokio::spawn(async move { kept.tell(PARTY).await.is_ok() })
        })
        .collect();
    for one in all {
        assert!(one.await.unwrap());
    }
    assert_eq!(source.asked(), 1);
}

#[tokio::test]
async fn a_certificate_of_the_past_is_known_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || KeptOptions { folder: Some(folder.path().to_owned()), ..KeptOptions::default() };
    let clock = Standing::at(NOW);
    let demo = Demo::shared();
    let newer = Profile {
        not_before: "2026-11-20T00:00:00Z".parse().unwrap(),
        ..Profile::signing("Demo Legekontor", demo.sender.number, valid())
    };
    let newer = demo.issuing.certify(&newer, demo.sender.signing.key()).unwrap();
    let source = memory();
    let before = Kept::open(source.clone(), options(), clock.port()).unwrap();
    before.tell(PARTY).await.unwrap();
    clock.pass(SignedDuration::from_hours(24));
    source.list(PARTY, vec![Arc::clone(&newer), sealing()]);
    before.tell(PARTY).await.unwrap();
    drop(before);

    source.set_away(true);
    clock.pass(SignedDuration::from_hours(24));
    let after = Kept::open(source, options(), clock.port()).unwrap();
    let told = after.tell(PARTY).await.unwrap();
    assert!(told.stale && told.fetched_at == "2026-11-22T12:00:00Z".parse().unwrap());
    let of = |moment: &str| sorted(told.as_of(Purpose::Signing, moment.parse().unwrap()));
    assert_eq!(of("2026-11-22T13:00:00Z"), sorted(vec![Arc::clone(&newer)]), "the one of the past is over");
    assert_eq!(
        of("2026-11-21T13:00:00Z"),
        sorted(vec![newer, signing()]),
        "both were listed, or may have been"
    );
    assert_eq!(after.known().len(), 1);
}
