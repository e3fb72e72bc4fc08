//! What CRLs and OCSP answers say, ours and real ones.

use super::*;
use crate::ber::without_leading_zeroes;
use crate::keys::certificates_from_pkcs12;
use crate::pki::demo::{Demo, valid};
use crate::pki::{self, Authority, Key, KeyKind, Pair, Part, Profile, Responder};
use crate::shared;
use proptest::prelude::*;

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

/// What the evidence says of the demo's sender.
fn standing(evidence: &Evidence) -> Standing {
    let demo = Demo::shared();
    let issuing = demo.issuing.certificate();
    evidence.status(demo.sender.signing.certificate(), issuing, now()).standing
}

fn with(crl: &pki::Crl) -> Evidence {
    Evidence::default().with_crl(&Demo::shared().issuing.crl(crl).unwrap()).unwrap()
}

fn sender_revoked() -> (Vec<u8>, Timestamp) {
    (Demo::shared().sender.signing.certificate().serial.clone(), now() - hours(50))
}

/// Another CA of the same name.
fn impostor() -> Authority {
    let demo = Demo::shared();
    demo.root
        .authority(
            &Profile::issuing("Budstikke Demo Issuing CA", valid()),
            Key::generate(KeyKind::P256).unwrap(),
        )
        .unwrap()
}

#[test]
fn a_fresh_list_tells_good_from_revoked() {
    let fresh = pki::Crl::fresh(now());
    assert_eq!(standing(&with(&fresh)), Standing::Good);
    let serial = |n: u8| (vec![n, n], now());
    let revoked = vec![serial(9), sender_revoked(), serial(1)];
    let crl = pki::Crl { revoked, ..fresh };
    assert_eq!(standing(&with(&crl)), Standing::Revoked { since: now() - hours(50) });
    assert_eq!(standing(&Evidence::default()), Standing::Unknown);
}

#[test]
fn a_list_is_used_only_while_it_is_fresh() {
    let at = |this_update, next_update| {
        let crl = pki::Crl { this_update, next_update: Some(next_update), ..pki::Crl::fresh(now()) };
        standing(&with(&crl))
    };
    let minutes = SignedDuration::from_mins;
    assert_eq!(at(now() - hours(48), now() - hours(24)), Standing::Unknown, "over");
    assert_eq!(at(now() - hours(48), now() - minutes(6)), Standing::Unknown, "just over");
    assert_eq!(at(now() - hours(48), now() - minutes(4)), Standing::Good, "clocks may differ");
    assert_eq!(at(now() + minutes(4), now() + hours(24)), Standing::Good, "clocks may differ");
    assert_eq!(at(now() + minutes(6), now() + hours(24)), Standing::Unknown, "from the future");
    let stale = pki::Crl {
        this_update: now() - hours(48),
        next_update: Some(now() - hours(24)),
        ..pki::Crl::fresh(now())
    };
    let both = with(&stale);
    assert_eq!(format!("{:?}", both.fresh(now())), "Evidence { crls: 0, answers: 0, .. }");
    assert_ne!(both.generation(), both.fresh(now()).generation());
    // What changes nothing leaves judgements in the cache.
    let fresh = with(&pki::Crl::fresh(now()));
    assert_eq!(fresh.generation(), fresh.fresh(now()).generation());
    let crl = Demo::shared().issuing.crl(&pki::Crl::fresh(now())).unwrap();
    let once = Evidence::default().with_crl(&crl).unwrap();
    assert_eq!(once.generation(), once.with_crl(&crl).unwrap().generation());
}

#[test]
fn long_lists_are_searched() {
    let revoked: Vec<_> =
        (1..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761).to_be_bytes().to_vec(), now())).collect();
    let mut crl = pki::Crl { revoked, ..pki::Crl::fresh(now()) };
    assert_eq!(standing(&with(&crl)), Standing::Good);
    crl.revoked.push(sender_revoked());
    // Twice in one list: since the first time.
    crl.revoked.push((sender_revoked().0, now()));
    assert_eq!(standing(&with(&crl)), Standing::Revoked { since: sender_revoked().1 });
    let read = Crl::read(&Demo::shared().issuing.crl(&crl).unwrap()).unwrap();
    let known = |n: &u32| {
        read.revoked_since(without_leading_zeroes(&n.wrapping_mul(2_654_435_761).to_be_bytes())).is_some()
    };
    assert_eq!((1..25_000_u32).filter(known).count(), 19_999);
}

#[test]
fn a_list_of_somebody_else_says_nothing() {
    let forged = impostor().crl(&pki::Crl::fresh(now())).unwrap();
    assert_eq!(standing(&Evidence::default().with_crl(&forged).unwrap()), Standing::Unknown);
    let roots = Demo::shared().root.crl(&pki::Crl::fresh(now())).unwrap();
    assert_eq!(standing(&Evidence::default().with_crl(&roots).unwrap()), Standing::Unknown);
    let weak = pki::Crl { digest: crate::Digest::Sha1, ..pki::Crl::fresh(now()) };
    assert_eq!(standing(&with(&weak)), Standing::Unknown);
    // A forged one beside a real one does no harm, in either order, and the answer of the check is not mixed up.
    let real = Demo::shared()
        .issuing
        .crl(&pki::Crl { revoked: vec![sender_revoked()], ..pki::Crl::fresh(now()) })
        .unwrap();
    for order in [[&forged, &real], [&real, &forged]] {
        let both = order.iter().fold(Evidence::default(), |e, crl| e.with_crl(crl).unwrap());
        assert!(matches!(standing(&both), Standing::Revoked { .. }));
        let other = impostor();
        let status = both.status(Demo::shared().sender.signing.certificate(), other.certificate(), now());
        assert_eq!(status.standing, Standing::Unknown);
    }
}

#[test]
fn a_list_says_nothing_beyond_its_part() {
    let part = |part| with(&pki::Crl { part, ..pki::Crl::fresh(now()) });
    assert_eq!(standing(&part(Part::Users)), Standing::Good);
    assert_eq!(standing(&part(Part::Authorities)), Standing::Unknown);
    assert_eq!(standing(&part(Part::Point(pki::demo::CRL_URL.into()))), Standing::Good);
    assert_eq!(standing(&part(Part::Point("http://pki.example/other.crl".into()))), Standing::Unknown);
    for part in [Part::DeltaOf(1), Part::Indirect, Part::SomeReasons, Part::Unknown] {
        let crl = Demo::shared().issuing.crl(&pki::Crl { part, ..pki::Crl::fresh(now()) }).unwrap();
        assert_eq!(Evidence::default().with_crl(&crl).unwrap_err().kind, Kind::RevocationUnknown);
    }
    let endless =
        Demo::shared().issuing.crl(&pki::Crl { next_update: None, ..pki::Crl::fresh(now()) }).unwrap();
    assert!(Evidence::default().with_crl(&endless).is_err());
}

#[test]
fn a_ca_that_may_not_sign_lists_is_not_heard() {
    let demo = Demo::shared();
    let usage = crate::certificate::KeyUsage { cert_sign: true, ..Default::default() };
    let profile = Profile { usage: Some(usage), ..Profile::issuing("Mute", valid()) };
    let mute = demo.root.authority(&profile, Key::generate(KeyKind::P256).unwrap()).unwrap();
    let leaf = mute
        .certify(&Profile::signing("Somebody", demo.sender.number, valid()), demo.sender.signing.key())
        .unwrap();
    let evidence = Evidence::default().with_crl(&mute.crl(&pki::Crl::fresh(now())).unwrap()).unwrap();
    assert_eq!(evidence.status(&leaf, mute.certificate(), now()).standing, Standing::NotOffered);
}

fn question() -> Vec<u8> {
    let demo = Demo::shared();
    let wanted = Evidence::wanted(demo.sender.signing.certificate(), demo.issuing.certificate());
    assert_eq!(wanted.crl_urls, [pki::demo::CRL_URL]);
    assert_eq!(wanted.ocsp_urls, [pki::demo::OCSP_URL]);
    wanted.ocsp_request
}

fn answered(responder: &Responder<'_>) -> Evidence {
    Evidence::default().with_ocsp(&responder.answer(&question()).unwrap()).unwrap()
}

#[test]
fn an_answer_tells_good_from_revoked() {
    let demo = Demo::shared();
    let fresh = Responder::fresh(&demo.issuing, now());
    assert_eq!(standing(&answered(&fresh)), Standing::Good);
    let revoked = Responder { revoked: vec![sender_revoked()], ..fresh.clone() };
    assert_eq!(standing(&answered(&revoked)), Standing::Revoked { since: now() - hours(50) });
    // The receiver's certificate is not what was asked about.
    let status =
        answered(&fresh).status(demo.receiver.signing.certificate(), demo.issuing.certificate(), now());
    assert_eq!(status.standing, Standing::Unknown);
    // The root's responder does not know it.
    assert_eq!(standing(&answered(&Responder::fresh(&demo.root, now()))), Standing::Unknown);
    let stale =
        Responder { this_update: now() - hours(3), next_update: Some(now() - hours(2)), ..fresh.clone() };
    assert_eq!(standing(&answered(&stale)), Standing::Unknown);
    let endless = Responder { this_update: now() - hours(2), next_update: None, ..fresh.clone() };
    assert_eq!(standing(&answered(&endless)), Standing::Unknown);
    let future = Responder { this_update: now() + hours(2), next_update: None, ..fresh.clone() };
    assert_eq!(standing(&answered(&future)), Standing::Unknown);
    let weak = Responder { digest: crate::Digest::Sha1, ..fresh };
    assert_eq!(standing(&answered(&weak)), Standing::Unknown);
}

#[test]
fn a_delegate_answers_only_if_the_ca_said_so() {
    let demo = Demo::shared();
    let key = || Key::generate(KeyKind::P256).unwrap();
    let pair = |profile: &Profile, by: &Authority| by.issue(profile, key()).unwrap();
    let said = |delegate: &Pair, revoked: &[&Certificate]| {
        let responder = Responder { delegate: Some(delegate), ..Responder::fresh(&demo.issuing, now()) };
        let answer = responder.answer(&question()).unwrap();
        // The list is older than the answer, so the answer is what counts where it counts at all.
        standing(&demo.evidence(now(), revoked).with_ocsp(&answer).unwrap())
    };
    let source = |delegate: &Pair| {
        let responder = Responder { delegate: Some(delegate), ..Responder::fresh(&demo.issuing, now()) };
        standing(&answered(&responder))
    };
    let profile = Profile::responder("Demo OCSP", valid());
    let good = pair(&profile, &demo.issuing);
    assert_eq!(source(&good), Standing::Good);
    assert_eq!(source(&pair(&profile, &impostor())), Standing::Unknown, "of another CA of that name");
    assert_eq!(source(&pair(&profile, &demo.root)), Standing::Unknown, "of the root");
    let enterprise = Profile { ocsp_signing: false, ..profile.clone() };
    assert_eq!(source(&pair(&enterprise, &demo.issuing)), Standing::Unknown, "not made for it");
    let over = Profile { not_after: now() - hours(1), ..profile.clone() };
    assert_eq!(source(&pair(&over, &demo.issuing)), Standing::Unknown, "run out");
    let sha1 = Profile { digest: crate::Digest::Sha1, ..profile.clone() };
    assert_eq!(source(&pair(&sha1, &demo.issuing)), Standing::Unknown, "signed with SHA-1");
    // One that bids not to ask for its revocation is not asked for.
    assert_eq!(said(&good, &[good.certificate()]), Standing::Good);
    let asked_for = Profile { ocsp_no_check: false, ..profile };
    let revoked = pair(&asked_for, &demo.issuing);
    assert_eq!(source(&revoked), Standing::Good);
    let sender = demo.sender.signing.certificate();
    let both = [revoked.certificate().as_ref(), sender.as_ref()];
    assert!(matches!(said(&revoked, &both), Standing::Revoked { .. }), "the list decides");
}

#[test]
fn the_most_recent_answer_wins() {
    let demo = Demo::shared();
    let list = |hours_ago: i64, revoked| {
        let this_update = now() - hours(hours_ago);
        demo.issuing.crl(&pki::Crl { this_update, revoked, ..pki::Crl::fresh(now()) }).unwrap()
    };
    let answer = |hours_ago: i64, revoked| {
        let responder = Responder {
            this_update: now() - hours(hours_ago),
            next_update: Some(now() + hours(1)),
            revoked,
            ..Responder::fresh(&demo.issuing, now())
        };
        responder.answer(&question()).unwrap()
    };
    let yes = || vec![sender_revoked()];
    let of = |crl: &[u8], ocsp: &[u8]| {
        let evidence = Evidence::default().with_ocsp(ocsp).unwrap().with_crl(crl).unwrap();
        evidence.status(demo.sender.signing.certificate(), demo.issuing.certificate(), now())
    };
    let status = of(&list(5, vec![]), &answer(1, yes()));
    assert!(matches!(status.standing, Standing::Revoked { .. }));
    assert_eq!(status.source.unwrap().kind, SourceKind::Ocsp);
    let status = of(&list(1, vec![]), &answer(5, yes()));
    assert_eq!((status.standing, status.source.unwrap().kind), (Standing::Good, SourceKind::Crl));
    let status = of(&list(1, yes()), &answer(1, vec![]));
    assert!(matches!(status.standing, Standing::Revoked { .. }), "worse news of the same moment");
}

#[test]
fn a_responders_faults_are_told() {
    for (bytes, text) in [
        (&[0x30, 3, 0x0A, 1, 1][..], "could not read the question"),
        (&[0x30, 3, 0x0A, 1, 3], "later"),
        (&[0x30, 3, 0x0A, 1, 6], "refuses"),
        (b"<html>404</html>", "no OCSP answer"),
    ] {
        let fault = Evidence::default().with_ocsp(bytes).unwrap_err();
        assert!(fault.message.contains(text), "{}", fault.message);
    }
    assert!(Evidence::default().with_crl(b"<html>404</html>").is_err());
    let malformed = Responder::fresh(&Demo::shared().issuing, now()).answer(b"?").unwrap();
    assert!(Evidence::default().with_ocsp(&malformed).unwrap_err().message.contains("question"));
}

#[test]
fn a_real_list_is_read() {
    let Some(bytes) = shared("ebxml/nav/certs/BPClass3CA2.crl") else { return };
    let moment: Timestamp = "2023-11-07T12:00:00Z".parse().unwrap();
    let read = Crl::read(&bytes).unwrap();
    assert_eq!(read.this_update, "2023-11-07T04:00:10Z".parse().unwrap());
    assert_eq!(read.next_update, "2023-11-08T05:00:10Z".parse().unwrap());
    let serial = [0x44, 0x67, 0x84, 0x7F, 0x34, 0x3D, 0x42, 0x88, 0xB9, 0xF9];
    assert_eq!(read.revoked_since(&serial), Some("2023-02-28T12:13:12Z".parse().unwrap()));
    assert_eq!(read.revoked_since(&[1]), None);

    let Some(store) = shared("ebxml/nav/keystore/truststore_test.p12") else { return };
    let Some(leaf) = shared("ebxml/nav/certs/valid.qcevident.ca23.ssl.buypass.no.cer") else { return };
    let leaf = Certificate::all_from(&leaf).unwrap().remove(0);
    let store = certificates_from_pkcs12(&store, "123456789").unwrap();
    let evidence = Evidence::default().with_crl(&bytes).unwrap();
    let Some(issuer) = store.iter().find(|c| c.signed(&leaf)) else {
        println!("skipped: the issuer of the real list is not in the shared trust store");
        return;
    };
    assert_eq!(evidence.status(&leaf, issuer, moment).standing, Standing::Good);
}

proptest! {
    #[test]
    fn mutated_answers_never_panic_and_never_speak(at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
        let demo = Demo::shared();
        let crl = demo.issuing.crl(&pki::Crl { revoked: vec![sender_revoked()], ..pki::Crl::fresh(now()) }).unwrap();
        let ocsp = Responder { revoked: vec![sender_revoked()], ..Responder::fresh(&demo.issuing, now()) };
        let ocsp = ocsp.answer(&question()).unwrap();
        for (original, is_crl) in [(&crl, true), (&ocsp, false)] {
            let read = |bytes: &[u8]| {
                let empty = Evidence::default();
                if is_crl { empty.with_crl(bytes) } else { empty.with_ocsp(bytes) }
            };
            prop_assert!(read(&original[..cut.index(original.len())]).is_err());
            let mut mutated = original.clone();
            let at = at.index(mutated.len());
            mutated[at] ^= byte;
            if let Ok(evidence) = read(&mutated) && byte != 0 {
                // Both say "revoked"; no changed byte turns that into "good".
                prop_assert_ne!(standing(&evidence), Standing::Good);
            }
        }
    }
}
