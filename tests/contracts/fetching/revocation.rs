//! Sources of revocation answers.

use crate::Standing;
use crate::web::{Answer, Asked, Server};
use adapters::memory::MemoryRevocation;
use adapters::revocation::{Hosts, Kept, KeptOptions, Options, Web};
use broker_core::ports::{NotFetched, Question, RevocationSource};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use trust::Certificate;
use trust::chain::{Cache, Moment, Purpose};
use trust::pki::demo::Demo;
use trust::pki::{Crl, Responder};
use trust::revocation::{Evidence, SourceKind, Standing as Known, lifetime};

const NOW: &str = "2026-11-21T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn certificate() -> &'static Arc<Certificate> {
    Demo::shared().sender.signing.certificate()
}

fn issuer() -> &'static Certificate {
    Demo::shared().issuing.certificate()
}

fn crl(revoked: &[&Certificate]) -> Vec<u8> {
    let revoked =
        revoked.iter().map(|c| (c.serial.clone(), now() - SignedDuration::from_hours(48))).collect();
    Demo::shared().issuing.crl(&Crl { revoked, ..Crl::fresh(now()) }).unwrap()
}

fn ocsp(request: &[u8]) -> Vec<u8> {
    Responder::fresh(&Demo::shared().issuing, now()).answer(request).unwrap()
}

/// The services of the fictitious CA: a list, a responder, and things that go wrong.
fn service(asked: &Asked) -> Answer {
    match (asked.method.as_str(), asked.path.as_str()) {
        ("get", "/ca.crl") => Answer::Says(200, crl(&[])),
        ("post", "/ocsp") if asked.head.contains("content-type: application/ocsp-request") => {
            Answer::Says(200, ocsp(&asked.body))
        }
        ("get", "/page.crl") => Answer::Says(200, b"<html>Sign in to the proxy</html>".to_vec()),
        _ => Answer::Says(404, Vec::new()),
    }
}

fn web() -> Web {
    let timeout = Duration::from_millis(400);
    Web::build(Options { timeout, crl_bytes: 100_000, ..Options::default() }).unwrap()
}

/// The certificate's OCSP question, put to this address.
fn question(url: String) -> Question {
    let wanted = Evidence::wanted(certificate(), issuer());
    Question::Ocsp { url, request: wanted.ocsp_request }
}

/// What every source keeps to. `base` is where its services are.
async fn keeps_the_contract(source: impl RevocationSource, base: &str) {
    let list = source.fetch(&Question::Crl { url: format!("{base}/ca.crl") }).await.unwrap();
    let known = Evidence::default().with_crl(&list).unwrap();
    assert_eq!(known.status(certificate(), issuer(), now()).standing, Known::Good);

    let answer = source.fetch(&question(format!("{base}/ocsp"))).await.unwrap();
    let known = Evidence::default().with_ocsp(&answer).unwrap();
    assert_eq!(known.status(certificate(), issuer(), now()).standing, Known::Good);

    let page = source.fetch(&Question::Crl { url: format!("{base}/page.crl") }).await;
    assert_eq!(page, Err(NotFetched::Unusable), "a proxy's page is no list");
    let gone = source.fetch(&Question::Crl { url: format!("{base}/gone.crl") }).await;
    assert_eq!(gone, Err(NotFetched::Status(404)));
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    let base = "http://ca.example";
    let source = MemoryRevocation::new();
    source.at(&format!("{base}/ca.crl"), |_| Ok(crl(&[])));
    source.at(&format!("{base}/page.crl"), |_| Ok(b"<html>".to_vec()));
    source.at(&format!("{base}/gone.crl"), |_| Err(NotFetched::Status(404)));
    source.at(&format!("{base}/ocsp"), |question| match question {
        Question::Ocsp { request, .. } => Ok(ocsp(request)),
        Question::Crl { .. } => Err(NotFetched::Status(405)),
    });
    keeps_the_contract(source, base).await;
}

#[tokio::test]
async fn the_web_keeps_the_contract() {
    let server = Server::start(service).await;
    keeps_the_contract(web(), &server.url("")).await;
}

#[tokio::test]
async fn what_is_kept_keeps_the_contract() {
    let server = Server::start(service).await;
    let kept = Kept::open(web(), KeptOptions::default(), Standing::at(NOW).port()).unwrap();
    keeps_the_contract(kept, &server.url("")).await;
}

#[tokio::test]
async fn a_service_that_misbehaves_costs_bounded_time_and_room() {
    let server = Server::start(|_| Answer::Hangs).await;
    let ask = Question::Crl { url: server.url("/ca.crl") };
    let source = web();
    assert_eq!(source.fetch(&ask).await, Err(NotFetched::TimedOut));
    server.now(|_| Answer::Floods);
    assert_eq!(source.fetch(&ask).await, Err(NotFetched::TooLarge));
    let other = Server::start(|_| Answer::Says(200, crl(&[]))).await;
    let elsewhere = other.url("/ca.crl");
    server.now(move |_| Answer::LeadsTo(elsewhere.clone()));
    assert_eq!(source.fetch(&ask).await, Err(NotFetched::Status(302)));
    assert_eq!(other.asked(), 0, "nobody allowed that address");
}

#[tokio::test]
async fn only_allowed_hosts_are_asked() {
    let server = Server::start(service).await;
    let hosts = Hosts::Only(vec!["crl.example.no".to_owned()]);
    let source = Web::build(Options { hosts, ..Options::default() }).unwrap();
    let ask = Question::Crl { url: server.url("/ca.crl") };
    assert_eq!(source.fetch(&ask).await, Err(NotFetched::NotAllowed));
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn many_who_ask_the_same_are_one_question() {
    let server = Server::start(service).await;
    let kept = Kept::open(web(), KeptOptions::default(), Standing::at(NOW).port()).unwrap();
    let ask = Question::Crl { url: server.url("/ca.crl") };
    let all: Vec<_> = (0..50)
        .map(|_| {
            let (kept, ask) = (kept.clone(), ask.clone());
            tokio::spawn(async move { kept.fetch(&ask).await })
        })
        .collect();
    for one in all {
        assert!(one.await.unwrap().is_ok());
    }
    assert!(server.asked() < 5, "asked {} times", server.asked());
}

#[tokio::test]
async fn a_service_that_fails_is_left_alone_and_asked_again_later() {
    let clock = Standing::at(NOW);
    let source = MemoryRevocation::new();
    let kept = Kept::open(source.clone(), KeptOptions::default(), clock.port()).unwrap();
    let ask = Question::Crl { url: "http://ca.example/ca.crl".to_owned() };
    for _ in 0..10 {
        assert!(kept.fetch(&ask).await.is_err());
    }
    assert_eq!(source.asked(), 2, "two failures in a row are enough");
    assert_eq!(kept.fetch(&ask).await, Err(NotFetched::Resting));
    source.at("http://ca.example/ca.crl", |_| Ok(crl(&[])));
    clock.pass(SignedDuration::from_mins(10));
    assert!(kept.fetch(&ask).await.is_ok(), "it is back");
}

#[tokio::test]
async fn answers_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || KeptOptions { folder: Some(folder.path().join("kept")), ..KeptOptions::default() };
    let source = MemoryRevocation::new();
    source.at("http://ca.example/ca.crl", |_| Ok(crl(&[certificate()])));
    source.at("http://ca.example/ocsp", |question| match question {
        Question::Ocsp { request, .. } => Ok(ocsp(request)),
        Question::Crl { .. } => Err(NotFetched::Status(405)),
    });
    let list = Question::Crl { url: "http://ca.example/ca.crl".to_owned() };
    let one = question("http://ca.example/ocsp".to_owned());
    let before = Kept::open(source.clone(), options(), Standing::at(NOW).port()).unwrap();
    let (list_bytes, one_bytes) = (before.fetch(&list).await.unwrap(), before.fetch(&one).await.unwrap());
    drop(before);

    let after = Kept::open(MemoryRevocation::new(), options(), Standing::at(NOW).port()).unwrap();
    let mut stored = after.stored().unwrap();
    stored.sort_by(|a, b| a.question.cmp(&b.question));
    let [crl, ocsp] = stored.as_slice() else { panic!("{} are stored", stored.len()) };
    assert_eq!((&crl.question, &crl.bytes, crl.fetched_at), (&list, &list_bytes, now()));
    assert_eq!((&ocsp.question, &ocsp.bytes), (&one, &one_bytes));
    after.forget(&list).await;
    assert_eq!(after.stored().unwrap().len(), 1);
}

#[test]
fn an_answer_says_how_long_it_is_good() {
    let (from, until) = lifetime(SourceKind::Crl, &crl(&[])).unwrap();
    assert!(from < now() && until == now() + SignedDuration::from_hours(23));
    let Question::Ocsp { request, .. } = question(String::new()) else { panic!("it is one") };
    let (from, until) = lifetime(SourceKind::Ocsp, &ocsp(&request)).unwrap();
    assert!(from == now() && until == now() + SignedDuration::from_hours(1));
    assert_eq!(lifetime(SourceKind::Crl, b"<html>"), None);
}

/// What all this is for: a chain that cannot be judged tells what is missing, and with it, it can.
#[tokio::test]
async fn what_is_wanted_is_fetched_and_the_judgement_stands() {
    let demo = Demo::shared();
    let source = MemoryRevocation::new();
    source.at(trust::pki::demo::CRL_URL, |_| Ok(crl(&[])));
    source.at(trust::pki::demo::ROOT_CRL_URL, |_| Ok(Demo::shared().root.crl(&Crl::fresh(now())).unwrap()));
    let judge = |evidence: &Evidence| {
        let moment = Moment { at: now(), now: now() };
        demo.anchors().judge(certificate(), &[], Purpose::Signing, moment, evidence, &Cache::default())
    };
    let mut evidence = Evidence::default();
    let refusal = judge(&evidence).unwrap_err();
    for wanted in &refusal.wanted {
        for question in Question::all_of(wanted) {
            if let Ok(bytes) = source.fetch(&question).await {
                evidence = match question.kind() {
                    SourceKind::Crl => evidence.with_crl(&bytes).unwrap(),
                    SourceKind::Ocsp => evidence.with_ocsp(&bytes).unwrap(),
                };
            }
        }
    }
    judge(&evidence).unwrap();
}
